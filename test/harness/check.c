/* SPDX-License-Identifier: PostgreSQL */
/* The harness's part that calls the library: opening, and assertions on what it answers. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static void describe(const tenantdb_error *error) {
  print_error("  status %s, reason %s (%d), SQLSTATE \"%s\"\n  message: %s\n",
              tenantdb_status_name(tenantdb_error_status(error)),
              tenantdb_reason_name(tenantdb_error_reason(error)), (int)tenantdb_error_reason(error),
              tenantdb_error_sqlstate(error), tenantdb_error_message(error));
  print_error("  detail: %s\n  hint: %s\n  tenant: %s\n", tenantdb_error_detail(error),
              tenantdb_error_hint(error), tenantdb_error_tenant(error));
}

void harness_check_ok(tenantdb_status status, const tenantdb_error *error, const char *call, const char *file,
                      int line) {
  if (status == TENANTDB_OK && !error) {
    return;
  }
  print_error("%s\n  answered %s\n", call, tenantdb_status_name(status));
  describe(error);
  _fail(file, line);
}

void harness_check_status(tenantdb_status got, const tenantdb_error *error, tenantdb_status status,
                          int32_t reason, const char *call, const char *file, int line) {
  if (got == status && tenantdb_error_status(error) == status && tenantdb_error_reason(error) == reason) {
    /* Whatever fails says so in one line. */
    const char *message = tenantdb_error_message(error);
    if (*message && !strpbrk(message, "\r\n")) {
      return;
    }
    print_error("the message is empty or more than a line\n");
  }
  print_error("%s\n  answered %s; expected %s, reason %s (%d)\n", call, tenantdb_status_name(got),
              tenantdb_status_name(status), tenantdb_reason_name(reason), (int)reason);
  describe(error);
  _fail(file, line);
}

void harness_check_message(const tenantdb_error *error, const char *text, const char *file, int line) {
  if (strstr(tenantdb_error_message(error), text)) {
    return;
  }
  print_error("the message should hold \"%s\"\n", text);
  describe(error);
  _fail(file, line);
}

tenantdb_config *harness_config(const char *url) {
  tenantdb_error *error = NULL;
  tenantdb_config *config = tenantdb_config_new();
  assert_non_null(config);
  char *reached = harness_library_url(url);
  harness_assert_ok(tenantdb_config_set(config, "database.url", reached, &error), error);
  free(reached);
  return config;
}

tenantdb *harness_open(const char *url, tenantdb_registry *registry) {
  tenantdb_error *error = NULL;
  tenantdb *db = NULL;
  tenantdb_config *config = harness_config(url);
  harness_assert_ok(tenantdb_open(config, registry, &db, &error), error);
  tenantdb_config_free(config);
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  return db;
}
