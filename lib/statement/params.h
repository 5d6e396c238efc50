/* SPDX-License-Identifier: PostgreSQL */
/* What a list of parameters holds, in the form the protocol wants. NULL is an empty list. */
#ifndef TNDB_STATEMENT_PARAMS_H
#define TNDB_STATEMENT_PARAMS_H

#include <tenantdb/params.h>

#include "base/buffer.h"
#include "base/error.h"

/* What the protocol can count. */
#define TNDB_PARAMS_MOST 65535

int32_t tndb_params_count(const tenantdb_params *params);
/*
 * All of these are valid until the next append, and NULL when there are no
 * values. Values have a NUL behind their bytes and are NULL for SQL NULL.
 */
const char *const *tndb_params_values(const tenantdb_params *params);
const int *tndb_params_lengths(const tenantdb_params *params);
/* 0 for text, 1 for binary; NULL when all are text. */
const int *tndb_params_formats(const tenantdb_params *params);
/* OIDs, 0 for the server to find out; NULL when it is to find out all of them. */
const uint32_t *tndb_params_types(const tenantdb_params *params);
/* The mistake kept, if there is one. */
tenantdb_status tndb_params_mistake(const tenantdb_params *params, tenantdb_error **error);

/*
 * For the files that know the types: write a value's bytes to what begin
 * gives, then end it. Begin gives NULL when the list takes no more.
 */
tndb_buffer *tndb_params_begin(tenantdb_params *params);
void tndb_params_end(tenantdb_params *params, uint32_t type, int format);
/* Text all at once; NULL for SQL NULL. */
void tndb_params_append(tenantdb_params *params, uint32_t type, const char *text);
/* The value that is due is a mistake: "parameter 3 <why>". `why` is static. */
void tndb_params_refuse(tenantdb_params *params, int32_t reason, const char *why);
/* The same for one of the values of an array. */
void tndb_params_refuse_value(tenantdb_params *params, int32_t at, const char *why);

#endif
