/* SPDX-License-Identifier: PostgreSQL */
/* Statements with their values as copies of our own, for calls that outlive the caller's. */
#ifndef TNDB_SESSION_VALUES_H
#define TNDB_SESSION_VALUES_H

#include "session/session.h"
#include "statement/params.h"

/* The values of a parameter list, as an exchange takes them; they belong to the list. */
tndb_values tndb_values_of(const tenantdb_params *params);
/* A copy of a statement and its values in one block; `sql` NULL: of the values alone. */
tenantdb_status tndb_item_copy(const char *sql, const tndb_values *values, tndb_call_item *item,
                               tenantdb_error **error);
void tndb_item_free(tndb_call_item *item);

#endif
