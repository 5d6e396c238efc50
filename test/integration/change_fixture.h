/* SPDX-License-Identifier: PostgreSQL */
/*
 * The steps of changes carried out one by one by libpq, as a migration does, but with every
 * moment in the test's hands: what is interrupted, what is done again, who writes meanwhile.
 */
#ifndef TNDB_CHANGE_FIXTURE_H
#define TNDB_CHANGE_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>

#include <libpq-fe.h>

#include "base/memory.h"
#include "catalog/work.h"
#include "fixture.h"
#include "migrate/change.h"
#include "schema/form.h"

/* How long a step waits for a lock, unless said otherwise. */
#define CHANGE_LOCK_MS 150

static inline PGconn *change_connect(const char *url) {
  PGconn *pg = PQconnectdb(url);
  if (PQstatus(pg) != CONNECTION_OK) {
    fail_msg("%s", PQerrorMessage(pg));
  }
  PQclear(PQexec(pg, "SET client_min_messages = warning"));
  return pg;
}

/* Run it; the SQLSTATE, "00000" when it succeeded. The last first cell is in `cell`, "" for NULL. */
static inline const char *change_try(PGconn *pg, const char *sql, const char *parameter, char cell[256]) {
  static _Thread_local char code[6];
  PGresult *result =
      strstr(sql, "$1") == NULL ? PQexec(pg, sql) : PQexecParams(pg, sql, 1, NULL, &parameter, NULL, NULL, 0);
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  snprintf(code, sizeof code, "%s",
           PQresultStatus(result) == PGRES_FATAL_ERROR ? (state ? state : "?????") : "00000");
  if (cell) {
    snprintf(cell, 256, "%s",
             PQntuples(result) > 0 && PQnfields(result) > 0 && !PQgetisnull(result, 0, 0)
                 ? PQgetvalue(result, 0, 0)
             : strcmp(code, "00000") != 0 ? PQresultErrorMessage(result)
                                          : "");
  }
  PQclear(result);
  return code;
}

static inline void change_do(PGconn *pg, const char *sql) {
  char cell[256];
  if (strcmp(change_try(pg, sql, NULL, cell), "00000") != 0) {
    fail_msg("%s\n%s", sql, cell);
  }
}

/* {schema} as migrations replace it. */
static inline char *change_render(const char *sql, const char *schema) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_statement *statement = NULL;
  tenantdb_error *error = NULL;
  char *text = NULL;
  harness_assert_ok(tenantdb_statement_new(registry, sql, &statement, &error), error);
  harness_assert_ok(tenantdb_statement_text(statement, schema, schema, &text, &error), error);
  tenantdb_statement_free(statement);
  tenantdb_registry_free(registry);
  return text;
}

typedef struct change_runner {
  PGconn *pg;
  const char *schema;
  bool interrupted; /* everything is rolled back once before it is done */
  int32_t lock_ms;  /* how long a step waits for a lock */
  int32_t waits;    /* how often a lock was not had */
  int32_t batches;
  char said[256]; /* the last error */
} change_runner;

static inline change_runner change_runner_of(const char *url, const char *schema) {
  return (change_runner){.pg = change_connect(url), .schema = schema, .lock_ms = CHANGE_LOCK_MS};
}

static inline tndb_steps change_steps(const char *line) {
  tndb_steps steps = {NULL, 0};
  tenantdb_error *error = NULL;
  if (tndb_change_expand_line(line, strlen(line), 1, &steps, &error)) {
    fail_msg("%s: %s", line, tenantdb_error_message(error));
  }
  return steps;
}

static inline void change_steps_free(tndb_steps *steps) {
  for (size_t i = 0; i < steps->count; i++) {
    tndb_free(steps->items[i].sql);
    tndb_free(steps->items[i].index);
  }
  tndb_free(steps->items);
}

static inline void change_begin(change_runner *runner) {
  char sql[512];
  change_do(runner->pg, "BEGIN");
  snprintf(
      sql, sizeof sql,
      "SELECT set_config('search_path', quote_ident('%s') || ', pg_temp', true), set_config('lock_timeout', "
      "'%d', true)",
      runner->schema, (int)runner->lock_ms);
  change_do(runner->pg, sql);
}

/* Steps `from` to before `to` in a transaction, which ends with `end`. The SQLSTATE. */
static inline const char *change_transaction(change_runner *runner, const tndb_steps *steps, size_t from,
                                             size_t to, const char *progress, const char *end,
                                             char cell[256]) {
  const char *code = "00000";
  change_begin(runner);
  for (size_t i = from; i < to && strcmp(code, "00000") == 0; i++) {
    char *sql = change_render(steps->items[i].sql, runner->schema);
    code = change_try(runner->pg, sql, progress, cell);
    tenantdb_string_free(sql);
  }
  static _Thread_local char kept[6];
  snprintf(kept, sizeof kept, "%s", code);
  if (strcmp(kept, "00000") != 0) {
    snprintf(runner->said, sizeof runner->said, "%s", cell);
    change_do(runner->pg, "ROLLBACK");
  } else {
    change_do(runner->pg, end);
  }
  return kept;
}

/* The same until a lock is had: what a migration's retries are. */
static inline const char *change_patiently(change_runner *runner, const tndb_steps *steps, size_t from,
                                           size_t to, const char *progress, const char *end, char cell[256]) {
  const char *code = "";
  for (int i = 0; i < 400; i++) {
    code = change_transaction(runner, steps, from, to, progress, end, cell);
    if (strcmp(code, "55P03") != 0 && strcmp(code, "40P01") != 0) {
      break;
    }
    runner->waits++;
    fixture_pause_us(20000);
  }
  return code;
}

static inline const char *change_outside(change_runner *runner, const tndb_migration_step *step) {
  char *sql = change_render(step->sql, runner->schema);
  char cell[256];
  const char *code = change_try(runner->pg, sql, NULL, cell);
  snprintf(runner->said, sizeof runner->said, "%s", cell);
  tenantdb_string_free(sql);
  return code;
}

/* Until nothing is left; when interrupted, each batch is rolled back once, and it begins anew in the middle. */
static inline const char *change_batches(change_runner *runner, const tndb_steps *steps, size_t at) {
  char progress[256] = "", next[256] = "";
  const char *code = "00000";
  bool anew = runner->interrupted;
  for (int i = 0;; i++) {
    const char *from = *progress ? progress : NULL;
    if (runner->interrupted) {
      (void)change_patiently(runner, steps, at, at + 1, from, "ROLLBACK", next);
    }
    code = change_patiently(runner, steps, at, at + 1, from, "COMMIT", next);
    runner->batches++;
    if (strcmp(code, "00000") != 0 || !*next) {
      return code;
    }
    anew = anew && i < 3;
    memcpy(progress, next, sizeof progress);
    if (runner->interrupted && !anew && i == 3) {
      progress[0] = '\0';
    }
  }
}

/* All steps of a change; the SQLSTATE of the one that fails. */
static inline const char *change_run_all(change_runner *runner, const char *line) {
  tndb_steps steps = change_steps(line);
  const char *code = "00000";
  char cell[256];
  for (size_t i = 0, to; i < steps.count && strcmp(code, "00000") == 0; i = to) {
    to = i + 1;
    if (steps.items[i].way == TNDB_WAY_OUTSIDE) {
      code = change_outside(runner, &steps.items[i]);
      continue;
    }
    if (steps.items[i].way == TNDB_WAY_REPEAT) {
      code = change_batches(runner, &steps, i);
      continue;
    }
    while (to < steps.count && steps.items[to].joined) {
      to++;
    }
    if (runner->interrupted) {
      (void)change_patiently(runner, &steps, i, to, NULL, "ROLLBACK", cell);
    }
    code = change_patiently(runner, &steps, i, to, NULL, "COMMIT", cell);
  }
  change_steps_free(&steps);
  return code;
}

static inline void change_run(change_runner *runner, const char *line) {
  const char *code = change_run_all(runner, line);
  if (strcmp(code, "00000") != 0) {
    fail_msg("%s\n%s: %s", line, code, runner->said);
  }
}

/* ---------------------------------------------------------------- forms */

/* Fails, saying where, when two schemas do not hold the same. */
static inline void change_assert_same(const char *url, const char *schema, const char *role,
                                      const char *other, const char *other_role) {
  tenantdb *db = harness_open(url, NULL);
  tenantdb_error *error = NULL;
  PGresult *rows = NULL;
  tndb_form_targets targets = TNDB_FORM_TARGETS_INIT;
  tndb_form_targets_add(&targets, schema, role, *role ? "active" : "");
  tndb_form_targets_add(&targets, other, other_role, *other_role ? "active" : "");
  tndb_work work;
  harness_assert_ok(tndb_form_start(&work, db, &error), error);
  harness_assert_ok(tndb_form_rows(&work, &targets, NULL, &rows, &error), error);
  tndb_form a = tndb_form_of(rows, 1), b = tndb_form_of(rows, 2);
  for (int i = 0; i < a.count && i < b.count; i++) {
    for (int column = TNDB_FORM_KIND; column <= TNDB_FORM_DEFINITION; column++) {
      const char *x = tndb_form_cell(&a, i, column), *y = tndb_form_cell(&b, i, column);
      if (strcmp(x ? x : "", y ? y : "") != 0) {
        fail_msg("%s %s: %s\nis not %s %s: %s", tndb_form_cell(&a, i, TNDB_FORM_KIND),
                 tndb_form_cell(&a, i, TNDB_FORM_OBJECT), tndb_form_cell(&a, i, TNDB_FORM_DEFINITION),
                 tndb_form_cell(&b, i, TNDB_FORM_KIND), tndb_form_cell(&b, i, TNDB_FORM_OBJECT),
                 tndb_form_cell(&b, i, TNDB_FORM_DEFINITION));
      }
    }
  }
  assert_int_equal(a.count, b.count);
  assert_true(a.count > 1);
  PQclear(rows);
  tndb_work_end(&work);
  tndb_form_targets_free(&targets);
  tenantdb_close(db);
}

static inline void change_assert_equal(const char *url, const char *schema, const char *other) {
  change_assert_same(url, schema, "", other, "");
}

/* ---------------------------------------------------------------- writers */

#define CHANGE_STATEMENTS 4

/* One release of an application: writes in its own way, one statement after the other, until it is stopped. */
typedef struct change_writer {
  const char *url;
  const char *schema;
  const char *const *statements; /* $1 is a number; ends with NULL */
  int64_t first;
  atomic_bool stop;
  atomic_int_fast64_t done;
  int64_t longest_ms;
  char failure[512];
  pthread_t thread;
} change_writer;

static inline void *change_write(void *user) {
  change_writer *writer = user;
  PGconn *pg = change_connect(writer->url);
  char sql[256], number[24], cell[256];
  snprintf(sql, sizeof sql, "SELECT set_config('search_path', quote_ident('%s') || ', pg_temp', false)",
           writer->schema);
  change_do(pg, sql);
  for (int64_t i = writer->first; !atomic_load(&writer->stop); i++) {
    for (const char *const *statement = writer->statements; *statement; statement++) {
      int64_t began = fixture_now_ms();
      snprintf(number, sizeof number, "%lld", (long long)i);
      const char *code = change_try(pg, *statement, number, cell);
      if (strcmp(code, "00000") != 0) {
        snprintf(writer->failure, sizeof writer->failure, "%s\n%s: %s", *statement, code, cell);
        PQfinish(pg);
        return NULL;
      }
      int64_t took = fixture_now_ms() - began;
      writer->longest_ms = took > writer->longest_ms ? took : writer->longest_ms;
    }
    atomic_fetch_add(&writer->done, 1);
    fixture_pause_us(500);
  }
  PQfinish(pg);
  return NULL;
}

static inline void change_writer_start(change_writer *writer, const char *url, const char *schema,
                                       const char *const *statements, int64_t first) {
  memset(writer, 0, sizeof *writer);
  writer->url = url;
  writer->schema = schema;
  writer->statements = statements;
  writer->first = first;
  assert_int_equal(pthread_create(&writer->thread, NULL, change_write, writer), 0);
}

/* Let it write so many more times; stops waiting when it has failed. */
static inline void change_writer_wait(change_writer *writer, int64_t more) {
  int64_t until = atomic_load(&writer->done) + more, give_up = fixture_now_ms() + 20000;
  while (atomic_load(&writer->done) < until && !writer->failure[0] && fixture_now_ms() < give_up) {
    fixture_pause_us(2000);
  }
}

/* How often it wrote; fails when it ever failed. */
static inline int64_t change_writer_stop(change_writer *writer) {
  atomic_store(&writer->stop, true);
  pthread_join(writer->thread, NULL);
  if (writer->failure[0]) {
    fail_msg("a writer failed: %s", writer->failure);
  }
  assert_true(atomic_load(&writer->done) > 0);
  return atomic_load(&writer->done);
}

#endif
