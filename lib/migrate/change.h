/* SPDX-License-Identifier: PostgreSQL */
/*
 * Changes of tables that nobody has to wait for, as steps of a migration that is not
 * transactional.
 *
 * A change is a kind and its words, from a line of such a migration,
 *
 *   -- tenantdb:change add_column table=contents column=version type=integer default=1
 *
 * or from code. It is made into steps without asking a server: the same words give
 * the same steps, everywhere and always, and whatever depends on what is in the
 * database is decided by the statements themselves. Three rules hold for every
 * step. It takes a lock that conflicts with reading or writing only for as long as
 * writing down a catalog row takes; reading through a table is done under locks that
 * let others read and write. It may be done again after it was interrupted: the
 * transaction of a step that is INSIDE also says that it is done, an index is found by
 * its name, a backfill goes on where it was or begins again. And steps that must not be
 * seen apart are `joined`.
 *
 * Names are written with {schema} in front of them, so that they can mean nothing else.
 * Expressions (type, default, backfill, using, back, check, where) are SQL of the author's
 * with names as they are found on the target's search path; triggers keep that path.
 *
 * What a statement finds in the database that does not allow the change, it raises as
 * TNDB_CHECK_PREFIX "change ..." (pg/failure.h): reason CHANGE_REFUSED.
 */
#ifndef TNDB_MIGRATE_CHANGE_H
#define TNDB_MIGRATE_CHANGE_H

#include <tenantdb/change.h>

#include "base/error.h"
#include "migrate/set.h"

/* What a line of a change begins with, behind "--" and blanks. */
#define TNDB_CHANGE_DIRECTIVE "tenantdb:change"

/* Whether a comment (from its "--") is a change, well or badly written. */
bool tndb_change_is_line(const char *text, size_t length);
/*
 * Append the steps of such a line, each with `line` as its own. A mistake is MIGRATION with
 * BAD_CHANGE, and its message begins with the kind: the file and line are to be put before it.
 * On failure `steps` is as it was.
 */
tenantdb_status tndb_change_expand_line(const char *text, size_t length, int32_t line, tndb_steps *steps,
                                        tenantdb_error **error);

#endif
