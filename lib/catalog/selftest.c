/* SPDX-License-Identifier: PostgreSQL */
/* tenantdb_selftest(): its course, its verdict and its table. */
#include "catalog/selftest.h"

#include <string.h>

#include "base/memory.h"
#include "base/random.h"

/* The least patience: longer than any server takes over the test's statements, unless it is overloaded. */
#define LEAST_PATIENCE_MS 50
/* … and so many of the longest round trip so far. */
#define PATIENCE_TRIPS 5

static const struct {
  const char *name;
  const char *ok;
  const char *failed;
} checks[TNDB_N_CHECKS] = {
    {"between", "nothing stands between", ""},
    {"transaction", "transactions hold together", "transactions do not hold together: nothing here is safe"},
    {"pipeline", "a scope that is not in force stops its flush on the server",
     "a query could run in a scope that is not in force"},
    {"scope_meanwhile", "transactions do not see each other's scopes", "one tenant could see another's data"},
    {"scope_after", "a transaction leaves no scope behind", "one tenant could see another's data"},
    {"role", "a transaction leaves no role behind", "one tenant could work with another's rights"},
    {"server", "all connections lead to the same data",
     "connections lead to different places: tenants and locks of one are not there on the other"},
    {"lock", "locks work", "two could do at once what only one may"},
    {"session_state", "a connection keeps what is set for its session", ""},
    {"prepared_statements", "statements can be prepared", ""},
    {"cancel", "deadlines and cancelling stop what they are meant to", "they may stop somebody else's work"},
};

/* ---------------------------------------------------------------- how it ends */

bool tndb_selftest_go_on(tndb_selftest *test, tenantdb_status status) {
  test->status = status;
  return status == TENANTDB_OK;
}

__attribute__((format(printf, 5, 0))) static void tell(tndb_selftest *test, tndb_check check,
                                                       tndb_outcome outcome, const char *meaning,
                                                       const char *format, va_list arguments) {
  tndb_finding *f = &test->findings[check];
  f->outcome = outcome;
  f->meaning = meaning                          ? meaning
               : outcome == TNDB_OUTCOME_OK     ? checks[check].ok
               : outcome == TNDB_OUTCOME_FAILED ? checks[check].failed
                                                : "";
  tndb_buffer_clear(&f->observed);
  tndb_buffer_vformat(&f->observed, format, arguments);
}

bool tndb_selftest_refute(tndb_selftest *test, tndb_check check, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  tell(test, check, TNDB_OUTCOME_FAILED, NULL, format, arguments);
  va_end(arguments);
  test->refuted = true;
  return false;
}

void tndb_selftest_tell(tndb_selftest *test, tndb_check check, tndb_outcome outcome, const char *meaning,
                        const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  tell(test, check, outcome, meaning, format, arguments);
  va_end(arguments);
}

/* ---------------------------------------------------------------- beginning */

bool tndb_selftest_open_side(tndb_selftest *test, tndb_side *side) {
  tndb_conn_close(side->conn);
  side->conn = NULL;
  side->backend = 0;
  return tndb_selftest_go_on(test, tndb_conn_open(test->db->config, &side->conn, test->error));
}

static bool draw_token(tndb_selftest *test) {
  static const char hex[] = "0123456789abcdef";
  unsigned char bytes[8];
  if (!tndb_random_bytes(bytes, sizeof bytes)) {
    return tndb_selftest_go_on(test, tndb_origin(test->error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                                                 "the system gives no random bytes"));
  }
  for (size_t i = 0; i < sizeof bytes; i++) {
    test->token[2 * i] = hex[bytes[i] >> 4];
    test->token[2 * i + 1] = hex[bytes[i] & 15];
  }
  memcpy(test->named, "tenantdb_selftest_", 18);
  memcpy(test->named + 18, test->token, sizeof test->token);
  return true;
}

/* The first look of each side; how long an answer takes is how patient it has to be. */
static bool look_around(tndb_selftest *test) {
  test->patience_ms = LEAST_PATIENCE_MS;
  for (int i = 0; i < 2; i++) {
    tndb_side *side = &test->sides[i];
    side->letter = (char)('A' + i);
    if (!tndb_selftest_open_side(test, side)) {
      return false;
    }
    int64_t before = tndb_clock_ms();
    if (!tndb_selftest_outside(test, side)) {
      return false;
    }
    int64_t patience = (tndb_clock_ms() - before) * PATIENCE_TRIPS;
    test->patience_ms = patience > test->patience_ms ? patience : test->patience_ms;
    test->between = test->between || side->backend != PQbackendPID(side->conn->pg);
  }
  if (test->between) {
    tndb_selftest_tell(test, TNDB_CHECK_BETWEEN, TNDB_OUTCOME_OK, "a pooler, or something like it, is there",
                       "the server's process is not the one that was named at start-up");
  } else {
    tndb_selftest_tell(test, TNDB_CHECK_BETWEEN, TNDB_OUTCOME_OK, NULL,
                       "the server's process is the one that was named at start-up");
  }
  return true;
}

/*
 * The role that transactions take on: that of the tenants' group, where there is
 * one and the connected user may. Else his own, which then shows in the setting
 * all the same.
 */
static bool choose_role(tndb_selftest *test) {
  tndb_side *a = &test->sides[0];
  char group[64] = "";
  if (test->db->level >= TENANTDB_ISOLATION_ROLE) {
    tndb_database_group_role(test->db, group);
  }
  const char *values[] = {group, PQserverVersion(a->conn->pg) >= 160000 ? "SET" : "MEMBER"};
  tndb_exchange_begin(a->conn);
  size_t place = tndb_exchange_send_text(
      a->conn,
      "SELECT coalesce((SELECT g.rolname FROM pg_catalog.pg_roles g WHERE g.rolname = $1"
      " AND pg_catalog.pg_has_role(g.oid, $2)), current_user), current_user,"
      " pg_catalog.to_char(pg_catalog.timezone('UTC', pg_catalog.now()), 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')",
      2, values);
  if (!tndb_selftest_run(test, a)) {
    return false;
  }
  const PGresult *row = tndb_exchange_result(a->conn, place);
  if (PQntuples(row) != 1 || PQgetlength(row, 0, 0) >= (int)sizeof test->role ||
      PQgetlength(row, 0, 2) >= (int)sizeof test->at) {
    return tndb_selftest_go_on(test, tndb_origin(test->error, TENANTDB_CONNECTION, TENANTDB_REASON_PROTOCOL,
                                                 "a query of the self-test was answered by something else"));
  }
  memcpy(test->role, PQgetvalue(row, 0, 0), (size_t)PQgetlength(row, 0, 0) + 1);
  memcpy(test->at, PQgetvalue(row, 0, 2), (size_t)PQgetlength(row, 0, 2) + 1);
  test->is_group = strcmp(test->role, PQgetvalue(row, 0, 1)) != 0;
  test->role_shows = strcmp(a->role, test->role) == 0;
  return true;
}

/* ---------------------------------------------------------------- verdict */

bool tndb_selftest_stays(const tndb_selftest *test) {
  return !test->moved && !test->shared && !test->leaked && !test->lost;
}

/* What is in doubt is taken for what it is safe to take everything for. */
static int32_t strategy_of(const tndb_selftest *test) {
  if (!tndb_selftest_stays(test) || !test->named_last || test->named_elsewhere) {
    return TENANTDB_STRATEGY_TRANSACTION_POOLER;
  }
  return test->between ? TENANTDB_STRATEGY_SESSION_POOLER : TENANTDB_STRATEGY_DIRECT;
}

static tenantdb_status make_table(const tndb_selftest *test, tenantdb_result **out, tenantdb_error **error) {
  static const char *const columns[] = {"check", "outcome", "observed", "meaning"};
  static const char *const outcomes[] = {"unknown", "ok", "failed"};
  tndb_table *table = tndb_table_new(columns, 4);
  bool whole = true;
  for (int i = 0; i < TNDB_N_CHECKS; i++) {
    const tndb_finding *f = &test->findings[i];
    const char *cells[] = {checks[i].name, outcomes[f->outcome],
                           f->meaning ? tndb_buffer_text(&f->observed) : "not tried",
                           f->meaning ? f->meaning : "isolation is refuted already"};
    whole = whole && !f->observed.failed;
    tndb_table_row(table, cells);
  }
  tenantdb_status status = tndb_table_finish(table, out, error);
  if (!status && !whole) {
    tenantdb_result_free(*out);
    *out = NULL;
    status = tndb_no_memory(error);
  }
  return status;
}

static tenantdb_status verdict(tndb_selftest *test, tenantdb_result **out, tenantdb_error **error) {
  tenantdb_status status = out ? make_table(test, out, error) : TENANTDB_OK;
  if (status) {
    return status;
  }
  if (!test->refuted) {
    tndb_strategy_prove(test->db, strategy_of(test), test->at);
    return TENANTDB_OK;
  }
  int failed = 0;
  while (test->findings[failed].outcome != TNDB_OUTCOME_FAILED) {
    failed++;
  }
  const char *why = tndb_buffer_text(&test->findings[failed].observed);
  tndb_strategy_refute(test->db, test->at, why);
  return tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_POOLER_BETWEEN,
                     "isolation is refuted by check %s: %s", checks[failed].name, why);
}

static bool run(tndb_selftest *test) {
  return draw_token(test) && look_around(test) && choose_role(test) && tndb_selftest_transaction(test) &&
         tndb_selftest_pipeline(test) && tndb_selftest_rounds(test) && tndb_selftest_lock(test) &&
         tndb_selftest_session_state(test) && tndb_selftest_prepared(test) && tndb_selftest_cancel(test);
}

tenantdb_status tenantdb_selftest(tenantdb *db, tenantdb_result **out, tenantdb_error **error) {
  tndb_error_reset(error);
  if (out) {
    *out = NULL;
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tndb_selftest *test = tndb_new(tndb_selftest);
  if (!test) {
    return tndb_no_memory(error);
  }
  test->db = db;
  test->error = error;
  test->deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  (void)run(test);
  tndb_conn_close(test->sides[0].conn);
  tndb_conn_close(test->sides[1].conn);
  status = test->status ? test->status : verdict(test, out, error);
  if (!status && error && *error) {
    tenantdb_error_free(*error); /* of a try that was made again */
    *error = NULL;
  }
  for (int i = 0; i < TNDB_N_CHECKS; i++) {
    tndb_buffer_free(&test->findings[i].observed);
  }
  tndb_free(test);
  return status;
}
