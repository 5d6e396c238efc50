/* SPDX-License-Identifier: PostgreSQL */
/* What isolation rests on: transactions that hold together, and leave nothing behind. */
#include <string.h>

#include "catalog/bind.h"
#include "catalog/selftest.h"
#include "pg/failure.h"

/* Four for each way of ending, half of them begun by either side. */
#define ROUNDS (4 * TNDB_N_ENDINGS)

/* ---------------------------------------------------------------- a transaction of several messages */

/* BEGIN by itself. What it fails with, if it does, goes into `error`, and the test is not over. */
static tenantdb_status begin_alone(tndb_selftest *test, tndb_side *side, tenantdb_error **error) {
  tndb_exchange_begin(side->conn);
  (void)tndb_exchange_send(side->conn, "BEGIN", NULL);
  tenantdb_status status = tndb_exchange_finish(side->conn, test->deadline, error);
  return status ? status : tndb_exchange_check(side->conn, error);
}

static bool says_nothing(tenantdb_status status) {
  return status == TENANTDB_MEMORY || status == TENANTDB_TIMEOUT || status == TENANTDB_CANCELLED ||
         status == TENANTDB_BUSY;
}

/*
 * A pooler that gives every statement another process refuses BEGIN, some by
 * closing the connection. Whether that was it, or the server is gone, another
 * try tells.
 */
static bool begin(tndb_selftest *test, tndb_side *side) {
  tenantdb_error *first = NULL;
  tenantdb_error *second = NULL;
  tenantdb_status status = begin_alone(test, side, &first);
  if (says_nothing(status)) {
    return tndb_selftest_go_on(test, tndb_error_pass(test->error, first));
  }
  bool again = status != TENANTDB_OK;
  tenantdb_error_free(first);
  if (again && !(tndb_selftest_open_side(test, side) && tndb_selftest_outside(test, side))) {
    return false;
  }
  if (again && begin_alone(test, side, &second)) {
    (void)tndb_selftest_refute(test, TNDB_CHECK_TRANSACTION, "BEGIN is refused: %s",
                               tenantdb_error_message(second));
  }
  tenantdb_error_free(second);
  return !test->refuted;
}

bool tndb_selftest_transaction(tndb_selftest *test) {
  tndb_side *a = &test->sides[0];
  tndb_side *b = &test->sides[1];
  if (!begin(test, a)) {
    return false;
  }
  tndb_exchange_begin(a->conn);
  if (!tndb_selftest_queue_scope(test, a)) {
    return false;
  }
  size_t place = tndb_selftest_queue_look(a);
  a->ending = TNDB_END_COMMIT;
  if (!tndb_selftest_exchange(test, a) || !tndb_selftest_begun(test, a, place) ||
      !tndb_selftest_own(test, a) || !tndb_selftest_outside(test, b)) {
    return false;
  }
  if (a->held && !(tndb_selftest_own(test, a) && tndb_selftest_end(test, a))) {
    return false;
  }
  tndb_selftest_tell(test, TNDB_CHECK_TRANSACTION, TNDB_OUTCOME_OK, NULL,
                     "BEGIN, the binding and what followed were one transaction, each sent by itself");
  return true;
}

/* ---------------------------------------------------------------- in one flush */

static bool whole_flush(tndb_selftest *test, tndb_side *side) {
  tndb_exchange_begin(side->conn);
  (void)tndb_exchange_send(side->conn, "BEGIN", NULL);
  if (!tndb_selftest_queue_scope(test, side)) {
    return false;
  }
  size_t commit = tndb_exchange_send(side->conn, "COMMIT", NULL);
  if (!tndb_selftest_run(test, side)) {
    return false;
  }
  return (tndb_exchange_committed(side->conn, commit) && tndb_conn_is_idle(side->conn)) ||
         tndb_selftest_refute(test, TNDB_CHECK_PIPELINE,
                              "BEGIN, the binding and COMMIT in one flush did not commit");
}

/* The proof must make the server refuse, and what follows must not be run. */
static bool refused_flush(tndb_selftest *test, tndb_side *side) {
  tndb_auto_buffer schema = TNDB_BUFFER_INIT;
  tndb_auto_buffer path = TNDB_BUFFER_INIT;
  const char *token = test->token;
  char found[200];
  tndb_buffer_format(&schema, "tenantdb %s", token);
  tndb_buffer_format(&path, "\"tenantdb %s\", pg_temp", token);
  if (schema.failed || path.failed) {
    return tndb_selftest_go_on(test, tndb_no_memory(test->error));
  }
  tndb_bind bind = {tndb_buffer_text(&path), tndb_buffer_text(&schema), NULL, NULL};
  tndb_exchange_begin(side->conn);
  (void)tndb_exchange_send(side->conn, "BEGIN", NULL);
  size_t binding = tndb_bind_send(side->conn, &bind);
  (void)tndb_exchange_send_text(side->conn, "SELECT pg_catalog.set_config('tenantdb.selftest', $1, false)", 1,
                                &token);
  (void)tndb_exchange_send(side->conn, "COMMIT", NULL);
  if (!tndb_selftest_exchange(test, side)) {
    return false;
  }
  size_t failed = tndb_exchange_failed(side->conn);
  bool refused = failed == binding && tndb_failure_is_check(tndb_exchange_result(side->conn, binding), found);
  if (!refused && failed == binding) {
    return tndb_selftest_go_on(test, tndb_exchange_check(side->conn, test->error));
  }
  if (!refused || PQtransactionStatus(side->conn->pg) != PQTRANS_INERROR) {
    return tndb_selftest_refute(test, TNDB_CHECK_PIPELINE,
                                "the binding to a schema that does not exist did not stop what followed it");
  }
  side->ending = TNDB_END_ROLLBACK;
  side->held = true;
  return tndb_selftest_end(test, side);
}

/*
 * Who goes on after an error says more than libpq expects, and the connection
 * breaks. Whether that was it, or the server is gone, another try tells.
 */
static bool refuses(tndb_selftest *test, tndb_side *side) {
  if (refused_flush(test, side) || test->status != TENANTDB_CONNECTION) {
    return test->status == TENANTDB_OK && !test->refuted;
  }
  if (!tndb_selftest_open_side(test, side) || !tndb_selftest_outside(test, side) ||
      refused_flush(test, side) || test->status != TENANTDB_CONNECTION) {
    return test->status == TENANTDB_OK && !test->refuted;
  }
  test->status = TENANTDB_OK;
  return tndb_selftest_refute(test, TNDB_CHECK_PIPELINE,
                              "the connection breaks at a statement that fails before others in one flush");
}

bool tndb_selftest_pipeline(tndb_selftest *test) {
  tndb_side *a = &test->sides[0];
  tndb_side *b = &test->sides[1];
  if (!whole_flush(test, a) || !tndb_selftest_outside(test, b) || !tndb_selftest_outside(test, a) ||
      !refuses(test, a) || !tndb_selftest_outside(test, a) || !tndb_selftest_outside(test, b)) {
    return false;
  }
  if (a->has_mark || b->has_mark) {
    return tndb_selftest_refute(test, TNDB_CHECK_PIPELINE,
                                "a statement behind one that had failed was run all the same");
  }
  tndb_selftest_tell(test, TNDB_CHECK_PIPELINE, TNDB_OUTCOME_OK, NULL,
                     "BEGIN, the binding and COMMIT went in one flush; the binding to a schema that does not "
                     "exist was refused, and what followed it was not run");
  return true;
}

/* ---------------------------------------------------------------- rounds */

/* Whoever leaves a process, the other, or he himself, is the next to be answered by it. */
static bool one_round(tndb_selftest *test, tndb_side *first, tndb_side *second, tndb_ending ending) {
  if (!tndb_selftest_take(test, first, ending) || !tndb_selftest_own(test, first) ||
      !tndb_selftest_outside(test, second)) {
    return false;
  }
  if (first->held && !(tndb_selftest_take(test, second, ending) && tndb_selftest_own(test, second))) {
    return false;
  }
  if (first->held && !(tndb_selftest_own(test, first) && tndb_selftest_end(test, first))) {
    return false;
  }
  if (!tndb_selftest_outside(test, first)) {
    return false;
  }
  if (second->held && !(tndb_selftest_own(test, second) && tndb_selftest_end(test, second))) {
    return false;
  }
  return tndb_selftest_outside(test, first) && tndb_selftest_outside(test, second);
}

bool tndb_selftest_rounds(tndb_selftest *test) {
  for (int i = 0; i < ROUNDS; i++) {
    tndb_side *first = &test->sides[i / TNDB_N_ENDINGS % 2];
    if (!one_round(test, first, tndb_selftest_other(test, first), (tndb_ending)(i % TNDB_N_ENDINGS))) {
      return false;
    }
  }
  const tndb_side *a = &test->sides[0];
  const tndb_side *b = &test->sides[1];
  if (test->serial) {
    tndb_selftest_tell(test, TNDB_CHECK_SCOPE_MEANWHILE, TNDB_OUTCOME_OK, NULL,
                       "the two connections had to wait for each other's transactions, as where there is one "
                       "process of the server for both");
  } else {
    tndb_selftest_tell(test, TNDB_CHECK_SCOPE_MEANWHILE, TNDB_OUTCOME_OK, NULL,
                       "%lld looks while the other was in a transaction", (long long)test->looks_meanwhile);
  }
  tndb_selftest_tell(test, TNDB_CHECK_SCOPE_AFTER, TNDB_OUTCOME_OK, NULL,
                     "%lld looks after %lld transactions ended by COMMIT, ROLLBACK and errors",
                     (long long)test->looks_after, (long long)(a->number + b->number));
  if (test->role_shows) {
    tndb_selftest_tell(test, TNDB_CHECK_ROLE, TNDB_OUTCOME_UNKNOWN, "not to be told apart from before",
                       "the role %s is in force anyway", test->role);
  } else {
    tndb_selftest_tell(test, TNDB_CHECK_ROLE, TNDB_OUTCOME_OK, NULL, "%s %s was taken on, and given back",
                       test->is_group ? "the tenants' group role" : "the connected user's own role",
                       test->role);
  }
  return true;
}
