/* SPDX-License-Identifier: PostgreSQL */
/* A transactional file: one flush. */
#include <string.h>

#include "catalog/bind.h"
#include "catalog/database.h"
#include "migrate/job_state.h"
#include "pg/prepared.h"
#include "sql/lasting.h"
#include "sql/lexer.h"

/* ---------------------------------------------------------------- what its text tells */

/* CREATE [OR REPLACE] FUNCTION, PROCEDURE or AGGREGATE; what a DO block makes is not seen. */
bool tndb_job_makes_function(const char *sql) {
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, sql, strlen(sql), false);
  if (!tndb_lexer_next(&lexer, &token) || !tndb_token_is_word(sql, &token, "create")) {
    return false;
  }
  for (int i = 0; i < 3 && tndb_lexer_next(&lexer, &token); i++) {
    if (tndb_token_is_word(sql, &token, "function") || tndb_token_is_word(sql, &token, "procedure") ||
        tndb_token_is_word(sql, &token, "aggregate")) {
      return true;
    }
    if (!tndb_token_is_word(sql, &token, "or") && !tndb_token_is_word(sql, &token, "replace")) {
      return false;
    }
  }
  return false;
}

/* What outlives the transaction would reach whoever has the connection next. */
static void note_lasting(tndb_job *job) {
  const tndb_steps *steps = job->state->steps;
  tndb_lasting what;
  for (size_t i = 0; i < steps->count; i++) {
    if (tndb_sql_is_lasting(steps->items[i].sql, &what)) {
      atomic_store(&job->conn->tainted, true);
    }
  }
}

/* ---------------------------------------------------------------- the answer */

static void applied(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  tndb_strategy_observe(job->order.db, job->conn, tndb_bind_backend(job->conn, s->places.bind));
  if (tndb_job_judge(job, s->steps, 0)) {
    tndb_job_undo(job);
    return;
  }
  if (!tndb_exchange_is_whole(job->conn)) {
    tndb_job_doubt(job);
    return;
  }
  if (!job->order.dry && !tndb_exchange_committed(job->conn, s->places.commit)) {
    (void)tndb_origin(&job->error, TENANTDB_INTERNAL, TENANTDB_REASON_TRANSACTION_LOST,
                      "%s: the server rolled back where it was asked to commit", tndb_job_file_name(job));
    tndb_job_fail(job);
    return;
  }
  const PGresult *row = tndb_exchange_result(job->conn, s->places.ledger);
  job->views =
      job->views || (!job->order.dry && PQnfields(row) == 2 && strcmp(PQgetvalue(row, 0, 1), "0") != 0);
  tndb_job_done(job);
}

/* ---------------------------------------------------------------- the flush */

static void send_steps(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  bool functions = false;
  s->places.first = job->conn->sent;
  s->places.n_steps = s->steps->count;
  for (size_t i = 0; i < s->steps->count; i++) {
    tndb_job_send(job, s->steps->items[i].sql);
    functions = functions || tndb_job_makes_function(s->steps->items[i].sql);
  }
  if (functions && job->order.target.stream == TNDB_STREAM_TENANT) {
    tndb_job_send_revoke(job);
  }
}

void tndb_job_apply(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (!tndb_job_open(job, tndb_job_look)) {
    return;
  }
  s->tries++;
  note_lasting(job);
  if (!s->open) {
    tndb_job_send_begin(job);
  }
  s->places.bind = tndb_job_send_bind(job);
  if (s->defaults) {
    tndb_job_send_defaults(job);
  }
  send_steps(job);
  s->places.proof = tndb_job_send_proof(job);
  s->places.ledger = tndb_job_send_ledger(job);
  s->with_add = s->last && job->order.add;
  if (s->with_add) {
    job->order.add(job->order.user, job->conn);
  }
  s->open = job->order.dry;
  if (!job->order.dry) {
    s->places.commit = tndb_prepared_send_fixed(job->conn, "commit", "COMMIT", NULL);
  }
  tndb_job_talk(job, applied, tndb_job_steps_ms(job, s->steps->count));
}
