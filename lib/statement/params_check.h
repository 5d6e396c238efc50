/* SPDX-License-Identifier: PostgreSQL */
/* What may be wrong with a value, as "parameter 3 <fault>"; NULL when nothing is. */
#ifndef TNDB_STATEMENT_PARAMS_CHECK_H
#define TNDB_STATEMENT_PARAMS_CHECK_H

const char *tndb_uuid_fault(const char *text);
const char *tndb_numeric_fault(const char *text);
extern const char tndb_too_early[];

#endif
