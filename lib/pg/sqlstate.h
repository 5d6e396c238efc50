/* SPDX-License-Identifier: PostgreSQL */
/* From SQLSTATE to status, reason and retry advice: one table, exact codes before classes. */
#ifndef TNDB_PG_SQLSTATE_H
#define TNDB_PG_SQLSTATE_H

#include "base/error.h"

typedef struct tndb_sqlstate {
  const char *code; /* five characters, or the two of a class, or "" for all the rest */
  tenantdb_status status;
  int32_t reason;
  int32_t retry;
} tndb_sqlstate;

/* The row for a code. NULL, or what is no SQLSTATE, means that the answer carried none. */
const tndb_sqlstate *tndb_sqlstate_find(const char *code);

#endif
