/* SPDX-License-Identifier: PostgreSQL */
/* From SQLSTATE to status, reason and advice: every row, and what is no row. */
#include "pg/sqlstate.h"

#include "unit.h"

#define ROW(code, status, reason, retry) \
  { code, TENANTDB_##status, TENANTDB_REASON_##reason, TENANTDB_RETRY_##retry }

static const tndb_sqlstate expected[] = {
    /* exact codes */
    ROW("08P01", SQL, SERVER_ERROR, NEVER),
    ROW("0A000", UNSUPPORTED, SERVER_ERROR, NEVER),
    ROW("25006", STATE, READ_ONLY_SERVER, NEW_SESSION),
    ROW("25P02", STATE, TRANSACTION_FAILED, NEVER),
    ROW("25P03", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    ROW("28000", PERMISSION, AUTHENTICATION, NEVER),
    ROW("28P01", PERMISSION, AUTHENTICATION, NEVER),
    ROW("3D000", NOT_FOUND, DATABASE_MISSING, NEVER),
    ROW("40001", CONFLICT, SERIALIZATION, SAME_SESSION),
    ROW("40003", UNKNOWN, OUTCOME_UNKNOWN, NEVER),
    ROW("40P01", CONFLICT, SERIALIZATION, SAME_SESSION),
    ROW("42501", PERMISSION, SERVER_PERMISSION, NEVER),
    ROW("42710", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    ROW("42723", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    ROW("42P04", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    ROW("42P06", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    ROW("42P07", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    ROW("53100", BUSY, SERVER_FULL, LATER),
    ROW("53200", BUSY, SERVER_FULL, LATER),
    ROW("53300", BUSY, SERVER_FULL, LATER),
    ROW("55P03", BUSY, LOCK_TIMEOUT, LATER),
    ROW("57014", CANCELLED, STATEMENT_CANCELLED, NEVER),
    ROW("57P01", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    ROW("57P02", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    ROW("57P03", BUSY, SERVER_STARTING, LATER),
    ROW("57P04", NOT_FOUND, DATABASE_MISSING, NEVER),
    ROW("57P05", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    /* their classes */
    ROW("08006", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    ROW("08003", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    ROW("23505", CONSTRAINT, SERVER_CONSTRAINT, NEVER),
    ROW("23503", CONSTRAINT, SERVER_CONSTRAINT, NEVER),
    ROW("23000", CONSTRAINT, SERVER_CONSTRAINT, NEVER),
    ROW("23P01", CONSTRAINT, SERVER_CONSTRAINT, NEVER),
    ROW("40000", CONFLICT, SERIALIZATION, SAME_SESSION),
    ROW("40002", CONFLICT, SERIALIZATION, SAME_SESSION),
    ROW("53400", BUSY, SERVER_FULL, LATER),
    ROW("57000", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    ROW("58030", SQL, SERVER_ERROR, LATER),
    /* everything else */
    ROW("42601", SQL, SERVER_ERROR, NEVER),
    ROW("42P01", SQL, SERVER_ERROR, NEVER),
    ROW("22012", SQL, SERVER_ERROR, NEVER),
    ROW("XX000", SQL, SERVER_ERROR, NEVER),
    ROW("25001", SQL, SERVER_ERROR, NEVER),
    ROW("P0001", SQL, SERVER_ERROR, NEVER),
    ROW("99999", SQL, SERVER_ERROR, NEVER),
};

static void test_rows(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    const tndb_sqlstate *row = tndb_sqlstate_find(expected[i].code);
    if (row->status != expected[i].status || row->reason != expected[i].reason ||
        row->retry != expected[i].retry) {
      fail_msg("%s gives %s, %s, %d", expected[i].code, tenantdb_status_name(row->status),
               tenantdb_reason_name(row->reason), (int)row->retry);
    }
  }
}

/* Without a SQLSTATE, or with what is none, it is neither success nor an ordinary failure. */
static void test_none(void **state) {
  (void)state;
  static const char *const codes[] = {NULL,    "",      "2350", "235055",
                                      "2350a", "23 05", "ab",   "\xff\xff\xff\xff\xff"};
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    const tndb_sqlstate *row = tndb_sqlstate_find(codes[i]);
    assert_int_equal(row->status, TENANTDB_CONNECTION);
    assert_int_equal(row->reason, TENANTDB_REASON_PROTOCOL);
    assert_int_equal(row->retry, TENANTDB_RETRY_NEW_SESSION);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_none)};
  return cmocka_run_group_tests_name("sqlstate", tests, NULL, NULL);
}
