/* SPDX-License-Identifier: PostgreSQL */
/* Constraints of tables that have no name: lint finds them, and drafts give them one. */
#ifndef TNDB_MIGRATE_UNNAMED_H
#define TNDB_MIGRATE_UNNAMED_H

#include "sql/cursor.h"

/*
 * Called with the cursor on FOREIGN, REFERENCES, UNIQUE, CHECK or EXCLUDE. `column`: of which it is
 * said, "" of what stands alone.
 */
typedef void (*tndb_unnamed_function)(void *user, const tndb_cursor *at, const char *column);

/* From here to the end of an action, or of an element: a comma or a bracket that closes. */
bool tndb_element_goes_on(const tndb_cursor *at);
/* One column or constraint, in whose place the cursor stands, and behind which it stands then. False: no memory. */
bool tndb_unnamed_in(tndb_cursor *at, tndb_unnamed_function use, void *user);

#endif
