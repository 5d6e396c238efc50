/* SPDX-License-Identifier: PostgreSQL */
/* A plan under way: a script on trial. */
#ifndef TNDB_TENANT_TRIAL_H
#define TNDB_TENANT_TRIAL_H

#include "base/result.h"
#include "catalog/work.h"

/* One statement of the script. */
typedef struct tndb_trial_step {
  char *sql;
  int32_t line;
  bool outside; /* of transactions, so not run */
  bool tried;
  char *locks;     /* of one that is outside */
  char *problem;   /* what the server said */
  PGresult *after; /* the locks held behind it; NULL when it was not run, or failed */
} tndb_trial_step;

typedef struct tndb_trial {
  tndb_work work;
  char *schema;
  tndb_trial_step *steps;
  size_t count;
  PGresult *start; /* the locks held before the first */
  PGresult *known; /* the relations that were there before, by oid */
  int64_t budget;
} tndb_trial;

/* The query that reads the own connection's locks; $1 is the schema whose names stay unqualified. */
extern const char tndb_trial_locks_sql[];
/* The query for `known`; $1 oids, $2 the schema. */
extern const char tndb_trial_known_sql[];
/* The oids of all relations that locks were held on, as PostgreSQL writes an array. False: out of memory. */
bool tndb_trial_oids(const tndb_trial *trial, tndb_buffer *oids);
/* The rows of the answer. */
tenantdb_status tndb_trial_table(const tndb_trial *trial, tenantdb_result **steps, tenantdb_error **error);

#endif
