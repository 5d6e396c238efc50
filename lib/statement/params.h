/* SPDX-License-Identifier: PostgreSQL */
/* What a list of parameters holds, in the form the protocol wants. NULL is an empty list. */
#ifndef TNDB_STATEMENT_PARAMS_H
#define TNDB_STATEMENT_PARAMS_H

#include <tenantdb/params.h>

#include "base/error.h"

/* What the protocol can count. */
#define TNDB_PARAMS_MOST 65535

int32_t tndb_params_count(const tenantdb_params *params);
/* Texts with NUL at their ends, NULL for SQL NULL; valid until the next append. NULL when there are none. */
const char *const *tndb_params_values(const tenantdb_params *params);
const int *tndb_params_lengths(const tenantdb_params *params);
/* The mistake kept, if there is one. */
tenantdb_status tndb_params_mistake(const tenantdb_params *params, tenantdb_error **error);

#endif
