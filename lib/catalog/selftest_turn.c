/* SPDX-License-Identifier: PostgreSQL */
/* Taking turns: what one side sets, and what the other sees. */
#include <string.h>

#include "catalog/bind.h"
#include "catalog/selftest.h"
#include "pg/failure.h"
#include "pg/wait.h"

/* Inside a transaction the path is the test's: every name is qualified. */
static const char look_sql[] =
    "SELECT pg_catalog.pg_backend_pid(), pg_catalog.current_setting('search_path'), current_user,"
    " pg_catalog.current_setting('role'),"
    " coalesce(pg_catalog.current_setting('tenantdb.selftest_scope', true), ''),"
    " coalesce(pg_catalog.current_setting('tenantdb.selftest', true), ''),"
    " pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())::pg_catalog.numeric,"
    " (SELECT d.oid FROM pg_catalog.pg_database d"
    " WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database()),"
    " pg_catalog.current_setting('transaction_read_only'),"
    " pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp())::pg_catalog.numeric";

enum { BACKEND, PATH, USER, ROLE, MARK, SESSION_MARK, STARTED, DATABASE, READ_ONLY, BEGAN, N_COLUMNS };

/* Its strings last until the side's next exchange. */
typedef struct look {
  const PGresult *row;
  int64_t backend;
} look;

static const char *cell(const look *l, int column) {
  return PQgetvalue(l->row, 0, column);
}

tndb_side *tndb_selftest_other(tndb_selftest *test, const tndb_side *side) {
  return &test->sides[side == &test->sides[0]];
}

static void copy_text(char *to, size_t size, const char *from) {
  size_t length = strnlen(from, size - 1);
  memcpy(to, from, length);
  to[length] = '\0';
}

/* ---------------------------------------------------------------- exchanges */

tndb_step tndb_selftest_wait(tndb_conn *conn, int64_t milliseconds) {
  tndb_deadline until = tndb_clock_ms() + milliseconds;
  tndb_step step = tndb_exchange_step(conn, false);
  while (step == TNDB_STEP_READ || step == TNDB_STEP_READ_WRITE) {
    tndb_ready ready = tndb_wait(PQsocket(conn->pg), true, step == TNDB_STEP_READ_WRITE, until);
    if (ready == TNDB_READY_TIMEOUT) {
      return step;
    }
    conn->dead = conn->dead || ready == TNDB_READY_FAILED;
    step = tndb_exchange_step(conn, (ready & TNDB_READY_READ) != 0);
  }
  return step;
}

bool tndb_selftest_exchange(tndb_selftest *test, tndb_side *side) {
  tndb_side *other = tndb_selftest_other(test, side);
  tndb_step step = TNDB_STEP_READ;
  tndb_exchange_close(side->conn);
  if (other->held && !side->held) {
    step = tndb_selftest_wait(side->conn, test->serial ? 0 : test->patience_ms);
  }
  if (other->held && !side->held && (step == TNDB_STEP_READ || step == TNDB_STEP_READ_WRITE)) {
    test->serial = true;
    if (!tndb_selftest_end(test, other)) {
      return false;
    }
  }
  if (step == TNDB_STEP_DONE) {
    return true;
  }
  return tndb_selftest_go_on(test, step == TNDB_STEP_DEAD
                                       ? tndb_exchange_death(side->conn, test->error)
                                       : tndb_exchange_finish(side->conn, test->deadline, test->error));
}

/* Every statement succeeded. Who is refused for the state of a transaction is in somebody else's. */
static bool went_well(tndb_selftest *test, const tndb_side *side) {
  tenantdb_error *error = NULL;
  tenantdb_status status = tndb_exchange_check(side->conn, &error);
  if (status == TENANTDB_OK || strncmp(tenantdb_error_sqlstate(error), "25", 2) != 0) {
    return tndb_selftest_go_on(test, status ? tndb_error_pass(test->error, error) : TENANTDB_OK);
  }
  (void)tndb_selftest_refute(test, TNDB_CHECK_TRANSACTION, "connection %c was refused: %s", side->letter,
                             tenantdb_error_message(error));
  tenantdb_error_free(error);
  return false;
}

bool tndb_selftest_run(tndb_selftest *test, tndb_side *side) {
  return tndb_selftest_exchange(test, side) && went_well(test, side);
}

/* ---------------------------------------------------------------- looking */

size_t tndb_selftest_queue_look(tndb_side *side) {
  return tndb_exchange_send(side->conn, look_sql, NULL);
}

/* The first look says which server it is; all others must find the same. */
static bool same_server(tndb_selftest *test, const tndb_side *side, const look *l) {
  tndb_auto_buffer server = TNDB_BUFFER_INIT;
  tndb_buffer_format(&server, "%s %s", cell(l, STARTED), cell(l, DATABASE));
  if (server.failed) {
    return tndb_selftest_go_on(test, tndb_no_memory(test->error));
  }
  if (!test->server[0]) {
    copy_text(test->server, sizeof test->server, tndb_buffer_text(&server));
    copy_text(test->read_only, sizeof test->read_only, cell(l, READ_ONLY));
  }
  if (strcmp(test->server, tndb_buffer_text(&server)) != 0) {
    return tndb_selftest_refute(test, TNDB_CHECK_SERVER,
                                "connection %c reached another server or database than before", side->letter);
  }
  return strcmp(test->read_only, cell(l, READ_ONLY)) == 0 ||
         tndb_selftest_refute(test, TNDB_CHECK_SERVER,
                              "one process of the server is read only and another is not");
}

static bool read_look(tndb_selftest *test, const tndb_side *side, size_t place, look *l) {
  l->row = tndb_exchange_result(side->conn, place);
  if (!l->row || PQntuples(l->row) != 1 || PQnfields(l->row) != N_COLUMNS ||
      !tndb_number_parse(cell(l, BACKEND), &l->backend)) {
    return tndb_selftest_go_on(test, tndb_origin(test->error, TENANTDB_CONNECTION, TENANTDB_REASON_PROTOCOL,
                                                 "a query of the self-test was answered by something else"));
  }
  return same_server(test, side, l);
}

static void note_backend(tndb_selftest *test, tndb_side *side, int64_t backend) {
  test->moved = test->moved || (side->backend && side->backend != backend);
  test->shared = test->shared || tndb_selftest_other(test, side)->backend == backend;
  side->backend = backend;
}

static bool is_of_test(const tndb_selftest *test, const char *text) {
  return strstr(text, test->token) != NULL;
}

/* ---------------------------------------------------------------- inside */

/* As the role only at the end: at level hardened it may not set anything. */
bool tndb_selftest_queue_scope(tndb_selftest *test, tndb_side *side) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_format(&text, "%s %c %lld", test->token, side->letter, (long long)++side->number);
  copy_text(side->mark, sizeof side->mark, tndb_buffer_text(&text));
  tndb_buffer_clear(&text);
  tndb_buffer_format(&text, "pg_catalog, \"tenantdb %s\", pg_temp", side->mark);
  copy_text(side->path, sizeof side->path, tndb_buffer_text(&text));
  if (text.failed) {
    return tndb_selftest_go_on(test, tndb_no_memory(test->error));
  }
  const char *mark = side->mark;
  (void)tndb_exchange_send_text(
      side->conn, "SELECT pg_catalog.set_config('tenantdb.selftest_scope', $1, true)", 1, &mark);
  tndb_bind bind = {side->path, "pg_catalog", test->role, NULL};
  (void)tndb_bind_send(side->conn, &bind);
  return true;
}

static bool is_own(tndb_selftest *test, const tndb_side *side, const look *l) {
  if (strcmp(cell(l, PATH), side->path) == 0 && strcmp(cell(l, MARK), side->mark) == 0 &&
      strcmp(cell(l, ROLE), test->role) == 0 && strcmp(cell(l, USER), test->role) == 0) {
    return true;
  }
  bool others = strcmp(cell(l, MARK), side->mark) != 0 && is_of_test(test, cell(l, MARK));
  return tndb_selftest_refute(test, others ? TNDB_CHECK_SCOPE_MEANWHILE : TNDB_CHECK_TRANSACTION,
                              "inside its transaction connection %c found the search path %s and role %s "
                              "instead of its own, %s and %s",
                              side->letter, cell(l, PATH), cell(l, ROLE), side->path, test->role);
}

bool tndb_selftest_begun(tndb_selftest *test, tndb_side *side, size_t place) {
  char found[200];
  size_t failed = tndb_exchange_failed(side->conn);
  look l;
  if (failed != TNDB_NONE && tndb_failure_is_check(tndb_exchange_result(side->conn, failed), found)) {
    return tndb_selftest_refute(test, TNDB_CHECK_TRANSACTION,
                                "the statement that binds a transaction found %s instead of what it set",
                                found);
  }
  if (!went_well(test, side)) {
    return false;
  }
  if (PQtransactionStatus(side->conn->pg) != PQTRANS_INTRANS) {
    return tndb_selftest_refute(test, TNDB_CHECK_TRANSACTION,
                                "no transaction was open after BEGIN on connection %c", side->letter);
  }
  if (!read_look(test, side, place, &l)) {
    return false;
  }
  side->held = true;
  note_backend(test, side, l.backend);
  copy_text(side->began, sizeof side->began, cell(&l, BEGAN));
  return is_own(test, side, &l);
}

bool tndb_selftest_take(tndb_selftest *test, tndb_side *side, tndb_ending ending) {
  side->ending = ending;
  tndb_exchange_begin(side->conn);
  (void)tndb_exchange_send(side->conn, "BEGIN", NULL);
  if (!tndb_selftest_queue_scope(test, side)) {
    return false;
  }
  size_t place = tndb_selftest_queue_look(side);
  return tndb_selftest_exchange(test, side) && tndb_selftest_begun(test, side, place);
}

bool tndb_selftest_own(tndb_selftest *test, tndb_side *side) {
  look l;
  tndb_exchange_begin(side->conn);
  size_t place = tndb_selftest_queue_look(side);
  if (!tndb_selftest_run(test, side) || !read_look(test, side, place, &l)) {
    return false;
  }
  if (l.backend != side->backend || strcmp(cell(&l, BEGAN), side->began) != 0) {
    return tndb_selftest_refute(test, TNDB_CHECK_TRANSACTION,
                                "inside its transaction connection %c was answered by another process or in "
                                "another transaction than before",
                                side->letter);
  }
  return is_own(test, side, &l);
}

/* ---------------------------------------------------------------- ending */

static bool fail_inside(tndb_selftest *test, tndb_side *side) {
  tndb_exchange_begin(side->conn);
  (void)tndb_exchange_send(side->conn, "SELECT 'fails, as tenantdb_selftest() wants it to'::pg_catalog.int4",
                           NULL);
  if (!tndb_selftest_exchange(test, side)) {
    return false;
  }
  return (tndb_exchange_failed(side->conn) != TNDB_NONE &&
          PQtransactionStatus(side->conn->pg) == PQTRANS_INERROR) ||
         tndb_selftest_refute(test, TNDB_CHECK_TRANSACTION,
                              "a statement that fails did not fail the transaction of connection %c",
                              side->letter);
}

bool tndb_selftest_end(tndb_selftest *test, tndb_side *side) {
  const char *word = side->ending == TNDB_END_COMMIT ? "COMMIT" : "ROLLBACK";
  if (side->ending == TNDB_END_ERROR && !fail_inside(test, side)) {
    return false;
  }
  tndb_exchange_begin(side->conn);
  size_t place = tndb_exchange_send(side->conn, word, NULL);
  if (!tndb_selftest_run(test, side)) {
    return false;
  }
  side->held = false;
  const char *answer = PQcmdStatus(tndb_exchange_result(side->conn, place));
  return (strcmp(answer, word) == 0 && tndb_conn_is_idle(side->conn)) ||
         tndb_selftest_refute(test, TNDB_CHECK_TRANSACTION,
                              "%s of connection %c was answered by %s, and the transaction is %s", word,
                              side->letter, *answer ? answer : "nothing",
                              tndb_conn_is_idle(side->conn) ? "another" : "still open");
}

/* ---------------------------------------------------------------- outside */

static bool is_clean(tndb_selftest *test, const tndb_side *side, const look *l) {
  bool meanwhile = tndb_selftest_other(test, side)->held;
  tndb_check check = meanwhile ? TNDB_CHECK_SCOPE_MEANWHILE : TNDB_CHECK_SCOPE_AFTER;
  const char *when = meanwhile ? "while the transaction that set it was open" : "after that transaction";
  if (is_of_test(test, cell(l, PATH))) {
    return tndb_selftest_refute(test, check, "connection %c saw the search path %s of a transaction, %s",
                                side->letter, cell(l, PATH), when);
  }
  if (is_of_test(test, cell(l, MARK))) {
    return tndb_selftest_refute(test, check, "connection %c saw the setting %s of a transaction, %s",
                                side->letter, cell(l, MARK), when);
  }
  if (test->role[0] && !test->role_shows && strcmp(cell(l, ROLE), test->role) == 0) {
    return tndb_selftest_refute(test, TNDB_CHECK_ROLE, "connection %c had the role %s of a transaction, %s",
                                side->letter, test->role, when);
  }
  test->looks_meanwhile += meanwhile;
  test->looks_after += !meanwhile;
  return true;
}

bool tndb_selftest_outside(tndb_selftest *test, tndb_side *side) {
  look l;
  tndb_exchange_begin(side->conn);
  size_t place = tndb_selftest_queue_look(side);
  if (!tndb_selftest_run(test, side) || !read_look(test, side, place, &l)) {
    return false;
  }
  note_backend(test, side, l.backend);
  copy_text(side->role, sizeof side->role, cell(&l, ROLE));
  side->has_mark = strcmp(cell(&l, SESSION_MARK), test->token) == 0;
  if (!is_clean(test, side, &l)) {
    return false;
  }
  return tndb_conn_is_idle(side->conn) ||
         tndb_selftest_refute(test, TNDB_CHECK_TRANSACTION,
                              "connection %c found itself in a transaction that it had not begun",
                              side->letter);
}
