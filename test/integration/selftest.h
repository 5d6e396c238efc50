/* SPDX-License-Identifier: PostgreSQL */
/* What the tests of the self-test have in common. */
#ifndef TNDB_TEST_SELFTEST_H
#define TNDB_TEST_SELFTEST_H

#include <libpq-fe.h>

#include "fixture.h"

/* What the library itself warned of last, and how often. */
typedef struct log_book {
  int warnings;
  int errors;
  char event[64];
  char message[512];
} log_book;

static inline void write_book(void *user, int32_t level, const char *event, const char *message) {
  log_book *book = user;
  if (level >= TENANTDB_LOG_WARNING && strcmp(event, "notice") != 0) {
    book->warnings += level == TENANTDB_LOG_WARNING;
    book->errors += level == TENANTDB_LOG_ERROR;
    snprintf(book->event, sizeof book->event, "%s", event);
    snprintf(book->message, sizeof book->message, "%s", message);
  }
}

/* Opened by exactly this URL, whatever stands in front of the common server; not bootstrapped. */
static inline tenantdb *selftest_open(const char *url, log_book *book, const char *const *options) {
  tenantdb *db = NULL;
  tenantdb_error *error = NULL;
  tenantdb_registry *registry = fixture_registry();
  tenantdb_config *config = tenantdb_config_new();
  harness_assert_ok(tenantdb_config_set(config, "database.url", url, &error), error);
  for (; options && *options; options += 2) {
    harness_assert_ok(tenantdb_config_set(config, options[0], options[1], &error), error);
  }
  if (book) {
    tenantdb_config_log(config, write_book, book);
  }
  harness_assert_ok(tenantdb_open(config, registry, &db, &error), error);
  tenantdb_config_free(config);
  tenantdb_registry_free(registry);
  return db;
}

/* The row of a check, or -1. */
static inline int32_t selftest_row(const tenantdb_result *checks, const char *check) {
  for (int32_t i = 0; i < tenantdb_result_rows(checks); i++) {
    if (strcmp(tenantdb_result_value(checks, i, 0), check) == 0) {
      return i;
    }
  }
  return -1;
}

static inline const char *selftest_cell(const tenantdb_result *checks, const char *check, int32_t column) {
  int32_t row = selftest_row(checks, check);
  assert_true(row >= 0);
  return tenantdb_result_value(checks, row, column);
}

static inline int32_t selftest_strategy(tenantdb *db) {
  tenantdb_error *error = NULL;
  int32_t strategy = 0;
  harness_assert_ok(tenantdb_strategy(db, &strategy, &error), error);
  return strategy;
}

/* The cells of the last row of tenantdb_isolation(): achieved, reason, remedy ("" for NULL). */
typedef struct connection_row {
  char achieved[64];
  char reason[512];
  char remedy[256];
} connection_row;

static inline connection_row selftest_connection_row(tenantdb *db) {
  tenantdb_result *reasons = NULL;
  tenantdb_error *error = NULL;
  connection_row row;
  harness_assert_ok(tenantdb_isolation(db, NULL, &reasons, &error), error);
  int32_t last = tenantdb_result_rows(reasons) - 1;
  const char *remedy = tenantdb_result_value(reasons, last, 3);
  assert_string_equal(tenantdb_result_value(reasons, last, 0), "connection");
  snprintf(row.achieved, sizeof row.achieved, "%s", tenantdb_result_value(reasons, last, 1));
  snprintf(row.reason, sizeof row.reason, "%s", tenantdb_result_value(reasons, last, 2));
  snprintf(row.remedy, sizeof row.remedy, "%s", remedy ? remedy : "");
  tenantdb_result_free(reasons);
  return row;
}

/* A self-test that must prove isolation and find that strategy; the table is the caller's. */
static inline tenantdb_result *selftest_proved(tenantdb *db, int32_t strategy) {
  tenantdb_result *checks = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_selftest(db, &checks, &error), error);
  assert_int_equal(tenantdb_result_rows(checks), 11);
  for (int32_t i = 0; i < 11; i++) {
    if (strcmp(tenantdb_result_value(checks, i, 1), "failed") == 0) {
      fail_msg("%s: %s", tenantdb_result_value(checks, i, 0), tenantdb_result_value(checks, i, 2));
    }
  }
  connection_row row = selftest_connection_row(db);
  assert_int_equal(selftest_strategy(db), strategy);
  assert_string_equal(row.achieved, tenantdb_strategy_name(strategy));
  assert_memory_equal(row.reason, "proved by tenantdb_selftest() at 20", 35);
  return checks;
}

#endif
