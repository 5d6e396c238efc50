/* SPDX-License-Identifier: PostgreSQL */
/* What lasts beyond a transaction, and for whom: by this the strategy is found out. Locks and cancelling. */
#include <string.h>

#include "catalog/selftest.h"

/* Ours for the self-test alone: "tnds" in ASCII. */
#define LOCK_SQL "SELECT pg_catalog.pg_try_advisory_xact_lock(1953391731, $1::pg_catalog.int4)"
#define SESSION_ROUNDS 3
/* A pooler may have put the process that has to be cleaned behind others. */
#define MOST_CLEANINGS 16
/* What is to be cancelled, and what is not. */
#define LONG_MS "300"
#define LONG_SQL "SELECT pg_catalog.pg_sleep(0.300)"
#define SHORT_MS "30"
#define SHORT_SQL "SELECT pg_catalog.pg_sleep(0.030)"

static tndb_side *a_of(tndb_selftest *test) {
  return &test->sides[0];
}

static tndb_side *b_of(tndb_selftest *test) {
  return &test->sides[1];
}

/* ---------------------------------------------------------------- locks */

static bool try_lock(tndb_selftest *test, tndb_side *side, bool *got) {
  int32_t key;
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  memcpy(&key, test->token, sizeof key);
  tndb_buffer_format(&text, "%d", (int)key);
  if (text.failed) {
    return tndb_selftest_go_on(test, tndb_no_memory(test->error));
  }
  const char *value = tndb_buffer_text(&text);
  tndb_exchange_begin(side->conn);
  size_t place = tndb_exchange_send_text(side->conn, LOCK_SQL, 1, &value);
  if (!tndb_selftest_run(test, side)) {
    return false;
  }
  *got = PQgetvalue(tndb_exchange_result(side->conn, place), 0, 0)[0] == 't';
  return true;
}

bool tndb_selftest_lock(tndb_selftest *test) {
  tndb_side *a = a_of(test);
  tndb_side *b = b_of(test);
  bool first, meanwhile, after;
  if (!tndb_selftest_take(test, a, TNDB_END_COMMIT) || !try_lock(test, a, &first) ||
      !try_lock(test, b, &meanwhile)) {
    return false;
  }
  bool tried = a->held; /* else B had to wait for the end of A's transaction */
  if ((a->held && !tndb_selftest_end(test, a)) || !try_lock(test, b, &after)) {
    return false;
  }
  if (!first || !after || (tried && meanwhile)) {
    return tndb_selftest_refute(test, TNDB_CHECK_LOCK, "a lock that connection A %s",
                                tried && meanwhile ? "held did not keep connection B out"
                                : first            ? "had held was still there after its transaction"
                                                   : "asked for was taken, though nobody knows it");
  }
  tndb_selftest_tell(test, TNDB_CHECK_LOCK, tried ? TNDB_OUTCOME_OK : TNDB_OUTCOME_UNKNOWN,
                     tried ? NULL : "transactions wait for one another even without a lock",
                     tried ? "a lock that connection A held kept B out until A's transaction ended"
                           : "the connections had to wait for each other's transactions");
  tndb_selftest_tell(test, TNDB_CHECK_SERVER, TNDB_OUTCOME_OK, NULL, "one server and one database in %lld %s",
                     (long long)(test->looks_meanwhile + test->looks_after),
                     strcmp(test->read_only, "on") == 0 ? "looks; it is read only" : "looks");
  return true;
}

/* ---------------------------------------------------------------- what is set for a session */

static bool set_for_session(tndb_selftest *test, tndb_side *side) {
  const char *token = test->token;
  tndb_exchange_begin(side->conn);
  (void)tndb_exchange_send_text(side->conn, "SELECT pg_catalog.set_config('tenantdb.selftest', $1, false)", 1,
                                &token);
  return tndb_selftest_run(test, side);
}

static bool look_for_it(tndb_selftest *test) {
  tndb_side *a = a_of(test);
  tndb_side *b = b_of(test);
  if (!tndb_selftest_outside(test, b) || !tndb_selftest_outside(test, a)) {
    return false;
  }
  test->leaked = test->leaked || b->has_mark;
  test->lost = test->lost || !a->has_mark;
  /* And while B keeps one process from A. */
  if (!tndb_selftest_take(test, b, TNDB_END_COMMIT) || !tndb_selftest_outside(test, a)) {
    return false;
  }
  test->lost = test->lost || !a->has_mark;
  return !b->held || tndb_selftest_end(test, b);
}

bool tndb_selftest_session_state(tndb_selftest *test) {
  if (!set_for_session(test, a_of(test))) {
    return false;
  }
  for (int i = 0; i < SESSION_ROUNDS; i++) {
    if (!look_for_it(test)) {
      return false;
    }
  }
  const char *meaning = "nothing may be kept for a session; the library keeps nothing";
  if (test->leaked) {
    tndb_selftest_tell(test, TNDB_CHECK_SESSION_STATE, TNDB_OUTCOME_OK, meaning,
                       "what connection A set for its session was seen by B%s",
                       test->lost ? ", and not always by A" : "");
  } else if (test->lost) {
    tndb_selftest_tell(test, TNDB_CHECK_SESSION_STATE, TNDB_OUTCOME_OK, meaning,
                       "what connection A set for its session was not always there");
  } else if (!tndb_selftest_stays(test)) {
    tndb_selftest_tell(test, TNDB_CHECK_SESSION_STATE, TNDB_OUTCOME_OK, meaning,
                       "the connections are not always answered by the same process of the server");
  } else {
    tndb_selftest_tell(test, TNDB_CHECK_SESSION_STATE, TNDB_OUTCOME_OK, NULL,
                       "what connection A set for its session was always there, and never seen by B");
  }
  return true;
}

/* ---------------------------------------------------------------- named statements */

/* Queue nothing but a statement by its name: is it there? */
static bool run_named(tndb_selftest *test, tndb_side *side, bool *there) {
  tndb_exchange_begin(side->conn);
  size_t place = tndb_exchange_send_named(side->conn, test->named, NULL);
  if (!tndb_selftest_exchange(test, side)) {
    return false;
  }
  const PGresult *answer = tndb_exchange_result(side->conn, place);
  if (!answer) {
    return tndb_selftest_go_on(test, tndb_no_memory(test->error));
  }
  *there = PQresultStatus(answer) == PGRES_TUPLES_OK && PQntuples(answer) == 1 &&
           strcmp(PQgetvalue(answer, 0, 0), test->token) == 0;
  return true;
}

static bool name_one(tndb_selftest *test, tndb_side *side) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql, "SELECT '%s'::pg_catalog.text", test->token);
  if (sql.failed) {
    return tndb_selftest_go_on(test, tndb_no_memory(test->error));
  }
  tndb_exchange_begin(side->conn);
  (void)tndb_exchange_send_parse(side->conn, test->named, tndb_buffer_text(&sql), NULL);
  return tndb_selftest_run(test, side);
}

/* Take back, on whichever process answers, what was set for a session and what was named. */
static bool clean_one(tndb_selftest *test, tndb_side *side, bool *mark, bool *named) {
  const char *token = test->token;
  const char *name = test->named;
  tndb_exchange_begin(side->conn);
  (void)tndb_exchange_send(side->conn, "BEGIN", NULL);
  size_t mark_place = tndb_exchange_send_text(
      side->conn,
      "SELECT pg_catalog.set_config('tenantdb.selftest', '', false)"
      " WHERE pg_catalog.current_setting('tenantdb.selftest', true) OPERATOR(pg_catalog.=) $1",
      1, &token);
  size_t named_place = tndb_exchange_send_text(
      side->conn,
      "SELECT s.name FROM pg_catalog.pg_prepared_statements s WHERE s.name OPERATOR(pg_catalog.=) $1", 1,
      &name);
  if (!tndb_selftest_run(test, side)) {
    return false;
  }
  *mark = *mark || PQntuples(tndb_exchange_result(side->conn, mark_place)) > 0;
  bool there = PQntuples(tndb_exchange_result(side->conn, named_place)) > 0;
  *named = *named || there;
  side->held = true;
  if (there) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    tndb_buffer_format(&sql, "DEALLOCATE %s", test->named);
    tndb_exchange_begin(side->conn);
    (void)tndb_exchange_send(side->conn, tndb_buffer_text(&sql), NULL);
    side->conn->send_failed = side->conn->send_failed || sql.failed;
    if (!tndb_selftest_run(test, side)) {
      return false;
    }
  }
  side->ending = TNDB_END_COMMIT;
  return tndb_selftest_end(test, side);
}

/* In every other pair of tries the other side is given a process first, so that another one has to answer. */
static bool clean(tndb_selftest *test) {
  bool mark = false;
  bool named = false;
  for (int i = 0; i < MOST_CLEANINGS && !(mark && named); i++) {
    tndb_side *side = &test->sides[i % 2];
    tndb_side *other = tndb_selftest_other(test, side);
    bool aside = i / 2 % 2 == 1 && !test->serial;
    if ((aside && !tndb_selftest_take(test, other, TNDB_END_COMMIT)) ||
        !clean_one(test, side, &mark, &named) || (other->held && !tndb_selftest_end(test, other))) {
      return false;
    }
  }
  return true;
}

bool tndb_selftest_prepared(tndb_selftest *test) {
  tndb_side *a = a_of(test);
  tndb_side *b = b_of(test);
  bool meanwhile = false, after = false;
  if (!name_one(test, a) || !tndb_selftest_take(test, b, TNDB_END_COMMIT) ||
      !run_named(test, a, &meanwhile) || (b->held && !tndb_selftest_end(test, b)) ||
      !run_named(test, b, &test->named_elsewhere) || !run_named(test, a, &after)) {
    return false;
  }
  test->named_last = meanwhile && after;
  bool kept = test->named_last && !test->named_elsewhere;
  bool usable = kept && tndb_selftest_stays(test);
  tndb_selftest_tell(test, TNDB_CHECK_PREPARED, TNDB_OUTCOME_OK,
                     usable ? NULL : "statements are not prepared under names, and the library prepares none",
                     test->named_elsewhere ? "a statement that connection A had named was there for B"
                     : kept                ? "a statement that connection A had named was there in its later "
                                             "transactions, and not for B"
                                           : "a statement that connection A had named was gone later");
  return clean(test);
}

/* ---------------------------------------------------------------- cancelling */

static bool was_cancelled(const tndb_side *side, size_t place) {
  const PGresult *answer = tndb_exchange_result(side->conn, place);
  const char *code = answer ? PQresultErrorField(answer, PG_DIAG_SQLSTATE) : NULL;
  return code && strcmp(code, "57014") == 0;
}

/* The rest of an exchange that was stepped so far. */
static bool finish(tndb_selftest *test, tndb_side *side, tndb_step step) {
  return step == TNDB_STEP_DONE ||
         tndb_selftest_go_on(test, step == TNDB_STEP_DEAD
                                       ? tndb_exchange_death(side->conn, test->error)
                                       : tndb_exchange_finish(side->conn, test->deadline, test->error));
}

/* Whether the short statement is stopped though nobody asks for it: statement_timeout. */
static bool is_limited(tndb_selftest *test, tndb_side *side, bool *limited) {
  tndb_exchange_begin(side->conn);
  size_t place = tndb_exchange_send(side->conn, SHORT_SQL, NULL);
  if (!tndb_selftest_exchange(test, side)) {
    return false;
  }
  *limited = was_cancelled(side, place);
  return true;
}

bool tndb_selftest_cancel(tndb_selftest *test) {
  tndb_side *a = a_of(test);
  tndb_side *b = b_of(test);
  tndb_step of_b = TNDB_STEP_DONE;
  tndb_exchange_begin(a->conn);
  tndb_exchange_begin(b->conn);
  size_t long_one = tndb_exchange_send(a->conn, LONG_SQL, NULL);
  tndb_exchange_close(a->conn);
  tndb_step of_a = tndb_selftest_wait(a->conn, 0);
  size_t short_one = TNDB_NONE;
  if (!test->serial) {
    short_one = tndb_exchange_send(b->conn, SHORT_SQL, NULL);
    tndb_exchange_close(b->conn);
    of_b = tndb_selftest_wait(b->conn, test->patience_ms / 5);
  }
  if (of_a != TNDB_STEP_DEAD && of_a != TNDB_STEP_DONE) {
    of_a = tndb_selftest_wait(a->conn, test->serial ? test->patience_ms / 5 : 0);
  }
  if (of_a == TNDB_STEP_READ) {
    tndb_conn_cancel(a->conn);
  }
  if (!finish(test, a, of_a) || !finish(test, b, of_b)) {
    return false;
  }
  bool cancelled = was_cancelled(a, long_one);
  if (was_cancelled(b, short_one)) {
    bool limited;
    if (!is_limited(test, b, &limited)) {
      return false;
    }
    if (!limited) {
      return tndb_selftest_refute(test, TNDB_CHECK_CANCEL,
                                  "cancelling connection A's statement stopped connection B's");
    }
    tndb_selftest_tell(test, TNDB_CHECK_CANCEL, TNDB_OUTCOME_UNKNOWN, "not to be told apart from that",
                       "the server stops every statement after less than " SHORT_MS " ms");
    return true;
  }
  tndb_selftest_tell(test, TNDB_CHECK_CANCEL, cancelled ? TNDB_OUTCOME_OK : TNDB_OUTCOME_UNKNOWN,
                     cancelled ? NULL : "a deadline may have to be kept by giving up the connection",
                     cancelled ? "the statement that was meant was stopped, and no other"
                               : "nothing was stopped within " LONG_MS " ms");
  return true;
}
