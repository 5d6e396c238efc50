/* SPDX-License-Identifier: PostgreSQL */
/*
 * Indexes that are built without locking others out. When that fails the index stays, invalid: it costs
 * every writer, serves no reader, and IF NOT EXISTS takes it for the real one. REINDEX leaves its own kind,
 * called after the index with _ccnew or _ccold behind it. All of these are dropped before the step is
 * run, and when it has failed.
 */
#include <string.h>

#include "catalog/database.h"
#include "migrate/job_state.h"
#include "sql/identifier.h"
#include "sql/lexer.h"

/* REINDEX of a table or a schema names none ($2). Of a long name _ccnew leaves as much as there is room for. */
static const char survey_sql[] =
    "SELECT c.relname, i.indisvalid, c.relname = $2 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n"
    " ON n.oid = c.relnamespace JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid CROSS JOIN LATERAL (SELECT"
    " pg_catalog.regexp_replace(c.relname::text, '_cc(new|old)[0-9]*$', '') AS stem) s WHERE n.nspname = $1"
    " AND c.relkind = 'i' AND (c.relname = $2 OR (NOT i.indisvalid AND s.stem <> c.relname::text AND ($2 IS"
    " NULL OR s.stem = $2::text OR (pg_catalog.octet_length(c.relname::text) > 59 AND"
    " pg_catalog.starts_with($2::text, s.stem)))))";
enum { NAME, IS_VALID, IS_IT };

bool tndb_job_has_index(const tndb_migration_step *step) {
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, step->sql, strlen(step->sql), true);
  return step->index || (tndb_lexer_next(&lexer, &token) && tndb_token_is_word(step->sql, &token, "reindex"));
}

static void drop_next(tndb_job *job);

/* Whether the row's index is to go: one of that name only when the step would make it anew. */
static bool is_to_go(const PGresult *found, int row, const tndb_migration_step *step) {
  bool is_it = PQgetvalue(found, row, IS_IT)[0] == 't', valid = PQgetvalue(found, row, IS_VALID)[0] == 't';
  return !valid && (!is_it || step->done_if_there);
}

static void leave(tndb_job *job) {
  tndb_job_lease *lease = &job->state->lease;
  PQclear(lease->found);
  lease->found = NULL;
  lease->then(job);
}

static void dropped(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (s->lease.to_clean) {
    drop_next(job); /* the failure that it is about is told anyway */
  } else if (tndb_job_judge(job, s->steps, s->lease.step)) {
    tndb_error_prefix(&job->error, "dropping an invalid index");
    PQclear(s->lease.found);
    s->lease.found = NULL;
    tndb_job_undo(job);
  } else {
    drop_next(job);
  }
}

static void drop_next(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  const tndb_migration_step *step = &s->steps->items[s->lease.step];
  while (s->lease.dropped < PQntuples(s->lease.found) && !is_to_go(s->lease.found, s->lease.dropped, step)) {
    s->lease.dropped++;
  }
  if (s->lease.dropped == PQntuples(s->lease.found)) {
    leave(job);
    return;
  }
  if (!tndb_job_open(job, tndb_job_look)) {
    return;
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "DROP INDEX CONCURRENTLY IF EXISTS ");
  tndb_quote_identifier(&sql, job->order.target.schema);
  tndb_buffer_append_char(&sql, '.');
  tndb_quote_identifier(&sql, PQgetvalue(s->lease.found, s->lease.dropped++, NAME));
  job->conn->send_failed = job->conn->no_room = sql.failed;
  tndb_job_send(job, tndb_buffer_text(&sql));
  tndb_job_talk(job, dropped, 0);
}

static void surveyed(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (tndb_exchange_failed(job->conn) == TNDB_NONE && !tndb_exchange_is_whole(job->conn)) {
    tndb_job_doubt(job);
    return;
  }
  if (s->lease.to_clean && tndb_exchange_failed(job->conn) != TNDB_NONE) {
    leave(job);
    return;
  }
  if (!s->lease.to_clean && tndb_job_judge(job, s->steps, s->lease.step)) {
    tndb_job_undo(job);
    return;
  }
  PGresult *found = tndb_exchange_take(job->conn, s->places.rows);
  s->lease.found = found;
  s->lease.dropped = 0;
  s->lease.is_gone = true;
  s->lease.is_there = false;
  for (int i = 0; i < PQntuples(found); i++) {
    if (PQgetvalue(found, i, IS_IT)[0] == 't') {
      s->lease.is_gone = false;
      s->lease.is_there = PQgetvalue(found, i, IS_VALID)[0] == 't';
    }
  }
  drop_next(job);
}

void tndb_job_survey(tndb_job *job, tndb_job_function then) {
  struct tndb_job_state *s = job->state;
  if (!tndb_job_open(job, tndb_job_look)) {
    return;
  }
  const char *values[] = {job->order.target.schema, s->steps->items[s->lease.step].index};
  static const uint32_t types[] = {TNDB_TYPE_NAME, TNDB_TYPE_NAME};
  tndb_values with = {2, values, NULL, NULL, types};
  s->lease.then = then;
  if (!s->lease.to_clean) {
    (void)tndb_job_send_mark(job, s->lease.step, NULL); /* it is still ours */
  }
  s->places.rows = tndb_exchange_send(job->conn, survey_sql, &with);
  tndb_job_talk(job, surveyed, tndb_job_own_ms(job));
}
