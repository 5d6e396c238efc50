/* SPDX-License-Identifier: PostgreSQL */
/* What a pooler says in its own name, and what that makes certain. */
#include <string.h>

#include "pg/pooler.h"
#include "unit.h"

static void check(const char *message, tenantdb_status status, int32_t reason, int32_t retry) {
  const tndb_pooler_word *word = tndb_pooler_word_find("08P01", message);
  assert_non_null(word);
  assert_int_equal(word->row.status, status);
  assert_int_equal(word->row.reason, reason);
  assert_int_equal(word->row.retry, retry);
  assert_null(tndb_pooler_word_find("42601", message)); /* the server may say the same of something else */
  assert_null(tndb_pooler_word_find(NULL, message));
  assert_true(tndb_pooler_is_certain("08P01", message));
}

static void words(void **state) {
  (void)state;
  check("transaction blocks not allowed in statement pooling mode", TENANTDB_UNSUPPORTED,
        TENANTDB_REASON_POOLER_BETWEEN, TENANTDB_RETRY_NEVER);
  check("query_wait_timeout", TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL, TENANTDB_RETRY_LATER);
  check("no more connections allowed (max_client_conn)", TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL,
        TENANTDB_RETRY_LATER);
  check("client connections exceeded (max_db_client_connections)", TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL,
        TENANTDB_RETRY_LATER);
  check("server login has been failing, try again later (server_login_retry)", TENANTDB_CONNECTION,
        TENANTDB_REASON_CONNECT_FAILED, TENANTDB_RETRY_LATER);
  check("client_login_timeout (server down)", TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED,
        TENANTDB_RETRY_LATER);
  check("no such user", TENANTDB_PERMISSION, TENANTDB_REASON_AUTHENTICATION, TENANTDB_RETRY_NEVER);
  check("password authentication failed", TENANTDB_PERMISSION, TENANTDB_REASON_AUTHENTICATION,
        TENANTDB_RETRY_NEVER);
  check("SASL authentication failed", TENANTDB_PERMISSION, TENANTDB_REASON_AUTHENTICATION,
        TENANTDB_RETRY_NEVER);
  check("no such database: x", TENANTDB_NOT_FOUND, TENANTDB_REASON_DATABASE_MISSING, TENANTDB_RETRY_NEVER);
  check("database \"x\" does not exist", TENANTDB_NOT_FOUND, TENANTDB_REASON_DATABASE_MISSING,
        TENANTDB_RETRY_NEVER);
  check("too many connections for role \"x\"", TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL,
        TENANTDB_RETRY_LATER);
  check("sorry, too many clients already", TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL, TENANTDB_RETRY_LATER);
  check("remaining connection slots are reserved for non-replication superuser connections", TENANTDB_BUSY,
        TENANTDB_REASON_SERVER_FULL, TENANTDB_RETRY_LATER);
  check("the database system is starting up", TENANTDB_BUSY, TENANTDB_REASON_SERVER_STARTING,
        TENANTDB_RETRY_LATER);
}

static void unknown_words(void **state) {
  (void)state;
  assert_null(tndb_pooler_word_find("08P01", "bind message supplies 0 parameters"));
  assert_null(tndb_pooler_word_find("08P01", "database \"x\" is disabled"));
  assert_null(tndb_pooler_word_find("08P01", ""));
  assert_null(tndb_pooler_word_find("08P01", NULL));
}

/* Only who knew what the server had done can say that it was not done. */
static void certainty(void **state) {
  (void)state;
  assert_true(tndb_pooler_is_certain("57P01", "terminating connection due to administrator command"));
  assert_true(tndb_pooler_is_certain("40001", "could not serialize access"));
  assert_false(tndb_pooler_is_certain("08P01", "server conn crashed?"));
  assert_false(tndb_pooler_is_certain("08P01", "query_timeout"));
  assert_false(tndb_pooler_is_certain("08006", "connection lost"));
  assert_false(tndb_pooler_is_certain(NULL, "server closed the connection unexpectedly"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(words),
      cmocka_unit_test(unknown_words),
      cmocka_unit_test(certainty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
