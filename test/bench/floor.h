/* SPDX-License-Identifier: PostgreSQL */
/*
 * The floors of a scoped query: what somebody who knows libpq well would write
 * by hand, on a connection of his own.
 */
#ifndef TEST_BENCH_FLOOR_H
#define TEST_BENCH_FLOOR_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* Rows of every tenant's nmt_requests; the same ids in all, the text says whose it is. */
#define FLOOR_ROWS 500
#define FLOOR_UUID 37

struct scope {
  char slug[64];
  char schema[64];
  char role[64];
  char path[160]; /* as search_path wants it */
};

typedef enum floor_form {
  FLOOR_QUALIFIED = 1, /* a prepared query per tenant with the schema in its text, no struct scope */
  FLOOR_PREPARED = 2,  /* one flush: BEGIN, bind, query, COMMIT, all prepared, the query per tenant */
  FLOOR_UNPREPARED = 3 /* the same flush with nothing prepared */
} floor_form;

typedef struct floor_conn {
  PGconn *conn;
  floor_form form;
  bool role; /* the bind sets and proves the role too */
  const struct scope *scopes;
  int n_scopes;
} floor_conn;

/* The query that everybody runs, on unqualified names. */
const char *floor_query(void);
/* The statement that sets, proves and raises: $1 path, $2 schema, $3 role when there is one. */
const char *floor_bind(bool role);
/* The id of a row. */
void floor_row_id(int row, char id[FLOOR_UUID]);
/* Dies unless it is the row of that tenant. */
void floor_check_text(const struct scope *scope, const char *text);

/* Connect and prepare; the statements of all tenants, when the form has some. */
void floor_open(floor_conn *floor, const char *url);
/* One query in the scope of one tenant. */
void floor_run(floor_conn *floor, int tenant, const char *id);
/* Not for FLOOR_QUALIFIED: many in one flush; one flush each, and one for COMMIT; rows one at a time. */
void floor_batch(floor_conn *floor, int tenant, const char *const *ids, int n);
void floor_transaction(floor_conn *floor, int tenant, const char *const *ids, int n);
int64_t floor_stream(floor_conn *floor, int tenant, const char *sql);
void floor_close(floor_conn *floor);

#endif
