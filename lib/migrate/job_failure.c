/* SPDX-License-Identifier: PostgreSQL */
/* What went wrong, what is to be done about it, and how it is told. */
#include <string.h>

#include "base/memory.h"
#include "catalog/database.h"
#include "catalog/text_array.h"
#include "migrate/job_state.h"
#include "pg/failure.h"
#include "sql/identifier.h"
#include "sql/lexer.h"

#define FIRST_PAUSE_MS 100
#define LONGEST_PAUSE_MS 5000
#define BEGINNING_BYTES 60
#define MOST_NAMES 40

int64_t tndb_job_jitter(int64_t pause) {
  uint16_t random = 0;
  (void)tndb_random_bytes(&random, sizeof random);
  return pause / 2 + pause * random / (2 * UINT16_MAX);
}

int64_t tndb_job_next_pause(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  s->pause_ms = s->pause_ms ? s->pause_ms * 2 : FIRST_PAUSE_MS;
  s->pause_ms = s->pause_ms < LONGEST_PAUSE_MS ? s->pause_ms : LONGEST_PAUSE_MS;
  return tndb_job_jitter(s->pause_ms);
}

/* ---------------------------------------------------------------- its place */

/* A statement's first words, up to the first literal: those may hold what nobody should read. */
static void append_beginning(tndb_buffer *text, const char *sql) {
  tndb_lexer lexer;
  tndb_token token;
  size_t end = 0;
  tndb_lexer_start(&lexer, sql, strlen(sql), true);
  for (size_t began = text->length; tndb_lexer_next(&lexer, &token); end = token.offset + token.length) {
    bool literal = token.kind == TNDB_TOKEN_STRING || token.kind == TNDB_TOKEN_DOLLAR;
    if (literal || (end && text->length - began + token.length > BEGINNING_BYTES)) {
      tndb_buffer_append(text, "...");
      return;
    }
    if (end && token.offset > end) {
      tndb_buffer_append_char(text, ' ');
    }
    tndb_buffer_append_n(text, sql + token.offset, token.length);
  }
}

/* The server tells a place in characters; its line is what people look for. */
static int32_t line_of(const tndb_migration_step *step, int32_t position) {
  int32_t line = step->line;
  for (const char *at = step->sql; *at && position > 1; at++) {
    line += *at == '\n';
    position -= ((unsigned char)at[1] & 0xC0) != 0x80;
  }
  return line;
}

void tndb_job_place_error(tndb_job *job, const tndb_migration_step *step) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  append_beginning(&text, step->sql);
  job->failed_line = line_of(step, tenantdb_error_position(job->error));
  tndb_error_prefix(&job->error, "%s, line %d: %s", tndb_job_file_name(job), (int)job->failed_line,
                    tndb_buffer_text(&text));
}

/* ---------------------------------------------------------------- judging */

static bool has_code(const tndb_job *job, const char *code) {
  return strcmp(tenantdb_error_sqlstate(job->error), code) == 0;
}

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

/*
 * Whether a statement was stopped by its own limit, which it would meet again. The server gives one code
 * for that and for what somebody cancels, and says the rest in its own language; so the clock is asked, too.
 */
static bool took_too_long(const tndb_job *job) {
  int64_t limit = job->order.statement_timeout_ms;
  return strstr(tenantdb_error_message(job->error), "statement timeout") ||
         (limit > 0 && tndb_clock_ms() - job->state->talks_since >= limit);
}

/* A lock was not had in time, or two who waited for each other were parted. */
static tndb_job_verdict verdict_of(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (has_code(job, "57014") && !took_too_long(job)) {
    tndb_error_set_retry(&job->error, TENANTDB_RETRY_LATER); /* somebody stopped it, not it itself */
  }
  if (!has_code(job, "55P03") && !has_code(job, "40P01")) {
    return TNDB_VERDICT_FAIL;
  }
  return s->waits++ < job->order.lock_retries ? TNDB_VERDICT_AGAIN : TNDB_VERDICT_BLOCKED;
}

static void refuse(tndb_job *job, tenantdb_status status, int32_t reason, const char *what) {
  (void)tndb_origin(&job->error, status, reason, "%s: %s", job->order.target.slug, what);
}

/* Of the three things that make the scope, the one that is another in the end. */
static void refuse_leaving(tndb_job *job, const char *found) {
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  const char *schema = job->order.target.schema;
  if (begins(found, "role ")) {
    tndb_buffer_format(&what, "it ends with the role %s, and has to end with that of the connected user",
                       found + strlen("role "));
  } else if (begins(found, "path ")) {
    tndb_buffer_format(&what, "it ends with the search path %s, and has to end with that of schema %s",
                       found + strlen("path "), schema);
  } else {
    tndb_buffer_format(&what, "schema %s is not there any more when it ends", schema);
  }
  (void)tndb_origin(&job->error, TENANTDB_MIGRATION, TENANTDB_REASON_LEFT_SCOPE,
                    "%s leaves its scope: %s; %s", tndb_job_file_name(job), tndb_buffer_text(&what),
                    tndb_job_is_transactional(job)
                        ? "nothing of it was kept"
                        : "the statement that does it was rolled back, and those before it are kept");
}

/* What our own statements make the server raise. */
static tndb_job_verdict verdict_of_check(tndb_job *job, const char *found) {
  struct tndb_job_state *s = job->state;
  if (begins(found, "taken")) {
    /* Perhaps by ourselves: what was sent on a connection that broke may have arrived late. */
    return s->losses > 0 && tndb_deadline_left(s->patience) > 0 ? TNDB_VERDICT_LOOK : TNDB_VERDICT_TAKEN;
  }
  if (begins(found, "done")) {
    s->denied = true;
    return TNDB_VERDICT_LOOK;
  }
  if (begins(found, "defaults")) {
    s->defaults = true;
    s->tries--;
    return TNDB_VERDICT_AGAIN;
  }
  if (begins(found, "lease")) {
    return TNDB_VERDICT_TAKEN;
  }
  if (begins(found, "state ")) {
    bool changed = begins(found, "state moved") || begins(found, "state changed");
    if (changed) {
      refuse(job, TENANTDB_CONFLICT, TENANTDB_REASON_TENANT_CHANGED,
             "it was moved, or its state changed, while it was migrated");
      tndb_error_set_retry(&job->error, TENANTDB_RETRY_LATER);
    } else {
      (void)tndb_origin(&job->error, TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE,
                        "%s is %s: only active, suspended and archived tenants are migrated",
                        job->order.target.slug, found + strlen("state "));
    }
  } else if (s->places.proof != TNDB_NONE && tndb_exchange_failed(job->conn) >= s->places.proof) {
    refuse_leaving(job, found);
  } else {
    (void)tndb_origin(&job->error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED,
                      "the scope of %s could not be proved: in force is %s", job->order.target.slug, found);
  }
  return TNDB_VERDICT_FAIL;
}

static const tndb_migration_step *step_at(const tndb_job *job, size_t failed, const tndb_steps *steps,
                                          size_t first_step) {
  const tndb_job_places *places = &job->state->places;
  bool is_step =
      places->first != TNDB_NONE && failed >= places->first && failed - places->first < places->n_steps;
  return is_step ? &steps->items[first_step + failed - places->first] : NULL;
}

bool tndb_job_judge(tndb_job *job, const tndb_steps *steps, size_t first_step) {
  struct tndb_job_state *s = job->state;
  size_t failed = tndb_exchange_failed(job->conn);
  char found[200];
  if (failed == TNDB_NONE) {
    return false;
  }
  const PGresult *result = tndb_exchange_result(job->conn, failed);
  const tndb_migration_step *step = step_at(job, failed, steps, first_step);
  tenantdb_error_free(job->error);
  job->error = NULL;
  job->failed_line = 0;
  (void)tndb_exchange_check(job->conn, &job->error);
  if (!step && tndb_failure_is_check(result, found)) {
    s->verdict = verdict_of_check(job, found);
    return true;
  }
  if (failed == s->places.ledger && has_code(job, "23505")) {
    s->verdict = TNDB_VERDICT_LOOK; /* there is a row of it by now */
    return true;
  }
  s->verdict = verdict_of(job);
  if (step && tndb_failure_is_check(result, found) && begins(found, "change ")) {
    (void)tndb_origin(&job->error, TENANTDB_MIGRATION, TENANTDB_REASON_CHANGE_REFUSED, "%s",
                      found + strlen("change "));
  }
  if (step) {
    tndb_job_place_error(job, step);
  } else {
    tndb_error_prefix(&job->error, "%s", tndb_job_file_name(job));
  }
  return true;
}

/* ---------------------------------------------------------------- who is in the way */

/* Whoever holds locks on what the statement names, else on anything in the schema. Best effort, for a message. */
static const char holders_sql[] =
    "SELECT pg_catalog.string_agg(h.who, ', ') FROM (SELECT pg_catalog.format('process %s (%s, user %s%s)',"
    " l.pid, coalesce(nullif(a.application_name, ''), 'no application name'), coalesce(a.usename::text, '?'),"
    " coalesce(', in a transaction for ' || (extract(epoch FROM pg_catalog.clock_timestamp() -"
    " a.xact_start))::bigint || ' s', '')) AS who FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_class c ON"
    " c.oid = l.relation JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN"
    " pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE l.granted AND l.database = (SELECT d.oid FROM"
    " pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) AND l.pid <>"
    " pg_catalog.pg_backend_pid() AND (n.nspname = $1 OR (n.nspname = $2 AND c.relname = ANY ($3::text[])))"
    " GROUP BY l.pid, a.application_name, a.usename, a.xact_start ORDER BY pg_catalog.bool_or(c.relname = ANY"
    " ($3::text[])) DESC, a.xact_start NULLS LAST LIMIT 3) h";

/* The names in the failing statement, as far as names can be told from keywords: not at all. */
static void add_names(tndb_text_array *names, const char *sql) {
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, sql, strlen(sql), true);
  while (names->count < MOST_NAMES && tndb_lexer_next(&lexer, &token)) {
    bool quoted = token.kind == TNDB_TOKEN_QUOTED && token.length > 2 && sql[token.offset] == '"';
    bool marker = token.kind == TNDB_TOKEN_MARKER && token.length > 2;
    if (token.kind == TNDB_TOKEN_WORD || quoted || marker) {
      size_t edge = quoted || marker ? 1 : 0;
      tndb_auto_buffer name = TNDB_BUFFER_INIT;
      tndb_buffer_append_n(&name, sql + token.offset + edge, token.length - 2 * edge);
      if (!quoted && name.data) {
        tndb_fold_case(name.data);
      }
      tndb_text_array_add_buffer(names, &name);
    }
  }
}

static size_t send_holders(tndb_job *job) {
  const struct tndb_job_state *s = job->state;
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  for (size_t i = 0; i < s->steps->count; i++) {
    add_names(&names, s->steps->items[i].sql);
  }
  const char *values[] = {job->order.target.schema, tndb_database_shared_schema(job->order.db),
                          tndb_text_array_finish(&names)};
  return values[2] ? tndb_exchange_send_text(job->conn, holders_sql, 3, values) : TNDB_NONE;
}

static void name_holders(tndb_job *job) {
  const PGresult *rows = tndb_exchange_result(job->conn, job->state->places.rows);
  bool told =
      rows && PQresultStatus(rows) == PGRES_TUPLES_OK && PQntuples(rows) == 1 && !PQgetisnull(rows, 0, 0);
  tndb_error_prefix(&job->error, "a lock was not had in %d tries%s%s", (int)job->state->waits,
                    told ? ", held by " : "", told ? PQgetvalue(rows, 0, 0) : "");
  job->holders = told ? tndb_strdup(PQgetvalue(rows, 0, 0)) : NULL; /* the message has it, too */
}

/* ---------------------------------------------------------------- views in the way */

/* A part of a view over tenants is called view_<id>_<number>, in the catalog's schema. */
static bool concerns_view(const tndb_job *job) {
  return (has_code(job, "2BP01") || has_code(job, "0A000")) &&
         (strstr(tenantdb_error_detail(job->error), "view_") ||
          strstr(tenantdb_error_message(job->error), "view_"));
}

static size_t send_views(tndb_job *job) {
  static const char pattern[] =
      "SELECT pg_catalog.string_agg(v.name, ', ' ORDER BY v.name) FROM %sviews v WHERE pg_catalog.strpos($1,"
      " 'view_' || pg_catalog.replace(v.id::text, '-', '')) > 0";
  const char *detail = tenantdb_error_detail(job->error);
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql, pattern, job->order.db->catalog);
  return sql.failed ? TNDB_NONE : tndb_exchange_send_text(job->conn, tndb_buffer_text(&sql), 1, &detail);
}

static void name_views(tndb_job *job) {
  const PGresult *rows = tndb_exchange_result(job->conn, job->state->places.rows);
  if (rows && PQresultStatus(rows) == PGRES_TUPLES_OK && PQntuples(rows) == 1 && !PQgetisnull(rows, 0, 0)) {
    tndb_auto_buffer hint = TNDB_BUFFER_INIT;
    tndb_buffer_format(&hint,
                       "The view over tenants \"%s\" shows it: tenantdb_view_drop() it, migrate, and make it "
                       "again; or make it without that column.",
                       PQgetvalue(rows, 0, 0));
    tndb_error_set_hint(&job->error, tndb_buffer_text(&hint));
    tndb_error_prefix(&job->error, "the view over tenants \"%s\" needs it", PQgetvalue(rows, 0, 0));
  }
}

/* ---------------------------------------------------------------- undoing */

/* It is rolled back whatever came of the rest: writing the failure down is best effort. */
static void undone(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  if (!tndb_conn_is_idle(job->conn)) {
    job->conn->dead = true;
  }
  switch (s->verdict) {
    case TNDB_VERDICT_AGAIN: {
      bool at_once = s->defaults && s->waits == 0;
      if (job->order.dry) {
        s->at = 0;
        job->applied = job->passed_over = 0;
      }
      tndb_job_function resume = tndb_job_is_transactional(job) ? tndb_job_next : tndb_job_walk;
      tndb_job_pause(job, at_once ? 0 : tndb_job_next_pause(job), resume);
      return;
    }
    case TNDB_VERDICT_LOOK:
      if (s->losses == 0) {
        s->patience =
            tndb_deadline_in(tndb_config_number(job->order.db->config, TNDB_OPERATION_LOCK_TIMEOUT));
      }
      s->looks = 0;
      tndb_job_look(job);
      return;
    case TNDB_VERDICT_TAKEN:
      tenantdb_error_free(job->error);
      job->error = NULL;
      tndb_job_end(job, TNDB_JOB_TAKEN);
      return;
    case TNDB_VERDICT_BLOCKED:
      name_holders(job);
      tndb_job_fail(job);
      job->outcome = TNDB_JOB_BLOCKED;
      return;
    default:
      break;
  }
  const PGresult *row = tndb_exchange_result(job->conn, s->places.ledger);
  if (row && PQresultStatus(row) == PGRES_TUPLES_OK && PQntuples(row) == 0 && !s->denied) {
    /* What failed has been done by somebody else meanwhile, and so could not be done again. */
    s->denied = true;
    s->patience = tndb_deadline_in(tndb_config_number(job->order.db->config, TNDB_OPERATION_LOCK_TIMEOUT));
    tndb_job_look(job);
    return;
  }
  name_views(job);
  tndb_job_fail(job);
}

/* Not what is no failure of the file: the target was not there, or nothing was to be kept anyway. */
static bool is_to_be_written(const tndb_job *job) {
  int32_t reason = tenantdb_error_reason(job->error);
  bool leased = !tndb_job_is_transactional(job) && job->state->lease.fence[0];
  return !job->order.dry && (leased || !job->order.down) && reason != TENANTDB_REASON_TENANT_STATE &&
         reason != TENANTDB_REASON_TENANT_CHANGED && reason != TENANTDB_REASON_SCOPE_NOT_PROVED;
}

void tndb_job_undo(tndb_job *job) {
  struct tndb_job_state *s = job->state;
  bool views = s->verdict == TNDB_VERDICT_FAIL && concerns_view(job);
  bool blocked = s->verdict == TNDB_VERDICT_BLOCKED;
  bool written = (s->verdict == TNDB_VERDICT_FAIL || blocked) && is_to_be_written(job);
  bool leased = !tndb_job_is_transactional(job) && s->lease.fence[0];
  job->attempts = s->tries;
  s->with_add = false;
  if (!tndb_job_open(job, tndb_job_look)) {
    return;
  }
  s->open = false;
  if (PQtransactionStatus(job->conn->pg) != PQTRANS_IDLE) {
    tndb_job_send(job, "ROLLBACK");
  }
  if (leased && s->verdict == TNDB_VERDICT_AGAIN) {
    (void)tndb_job_send_mark(job, s->lease.step, s->lease.progress); /* it is still ours */
  } else if (written) {
    tndb_job_send_begin(job);
    s->places.ledger = leased ? tndb_job_send_unfinished(job) : tndb_job_send_failed(job);
    tndb_job_send(job, "COMMIT");
  }
  /* Last: what they cannot be told must not take the row with it. */
  s->places.rows = views ? send_views(job) : blocked ? send_holders(job) : TNDB_NONE;
  tndb_job_talk(job, undone, tndb_job_own_ms(job));
}
