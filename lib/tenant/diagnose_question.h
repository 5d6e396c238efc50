/* SPDX-License-Identifier: PostgreSQL */
/*
 * The questions of a diagnosis: each is one query over the server's catalogs
 * that answers for all tenants at once, a row for each finding.
 *
 * Before a question's text stands a common head (tenant/diagnose.c), which
 * gives it two or three tables: `a` is one row of what is to be known (the
 * schemas' names, what is declared, the group), `t` every tenant that should
 * have a schema, with the schema's and the role's oid where they are, `m` of
 * them the ones that are asked about. {c} stands for the catalog's schema and a
 * dot. The search path is pg_catalog, so nothing has to be qualified.
 */
#ifndef TNDB_TENANT_DIAGNOSE_QUESTION_H
#define TNDB_TENANT_DIAGNOSE_QUESTION_H

#include <stdbool.h>
#include <stddef.h>

/* The columns of an answer. Only what the registry is to complete has the last three. */
enum {
  TNDB_ANSWER_CODE,
  TNDB_ANSWER_TENANT,
  TNDB_ANSWER_OBJECT,
  TNDB_ANSWER_FOUND,
  TNDB_ANSWER_SQL,
  TNDB_ANSWER_SCHEMA,
  TNDB_ANSWER_NAME,
  TNDB_ANSWER_ROLE
};

typedef struct tndb_question {
  const char *about; /* for when it cannot be asked */
  bool tenants;      /* it reads `t` and `m`, so the catalog must be there */
  bool single;       /* it can be asked about one tenant alone */
  bool roles;        /* only where tenants have roles */
  const char *sql;
} tndb_question;

/* The questions, by subject. */
extern const tndb_question tndb_questions_schema[];
extern const size_t tndb_n_questions_schema;
extern const tndb_question tndb_questions_object[];
extern const size_t tndb_n_questions_object;
extern const tndb_question tndb_questions_role[];
extern const size_t tndb_n_questions_role;
extern const tndb_question tndb_questions_grant[];
extern const size_t tndb_n_questions_grant;
extern const tndb_question tndb_questions_migration[];
extern const size_t tndb_n_questions_migration;
extern const tndb_question tndb_questions_server[];
extern const size_t tndb_n_questions_server;

#define TNDB_QUESTION_COUNT(questions) (sizeof(questions) / sizeof((questions)[0]))

#endif
