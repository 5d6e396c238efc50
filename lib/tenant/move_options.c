/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/move_options.h"

#include <string.h>
#include <tenantdb/tenant.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "config/option.h"
#include "pg/conninfo.h"

enum { CONNECTION, SLUG, PAUSE, PATIENCE, LOCK, IDENTITY, VERIFY, MATCH, REFERENCES, SOURCE, N_KEYS };

#define DAY_MS (INT64_C(24) * 3600 * 1000)

static tenantdb_status check_connection(const char *what, const char *value, tenantdb_error **error) {
  bool fits = *value && tndb_utf8_valid(value, strlen(value), NULL) && tndb_conninfo_is_valid(value);
  return fits ? TENANTDB_OK
              : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                            "%s: the value, which is not shown, is no connection string and no URI that "
                            "libpq understands",
                            what);
}

static tenantdb_status check_slug(const char *what, const char *value, tenantdb_error **error) {
  tenantdb_status status = tenantdb_slug_check(value, strlen(value), error);
  if (status == TENANTDB_ARGUMENT) {
    tndb_error_prefix(error, "%s", what);
  }
  return status;
}

/* The first choice is the default. */
static const tndb_option_row rows[N_KEYS] = {
    [CONNECTION] = {"connection", .type = TNDB_TYPE_SECRET, .check = check_connection},
    [SLUG] = {"slug", .type = TNDB_TYPE_PLAIN, .check = check_slug},
    [PAUSE] = {"write_pause", .type = TNDB_TYPE_DURATION, .minimum = 100, .maximum = 600000},
    [PATIENCE] = {"patience", .type = TNDB_TYPE_DURATION, .minimum = 1000, .maximum = 30 * DAY_MS},
    [LOCK] = {"lock_timeout", .type = TNDB_TYPE_DURATION, .minimum = 10, .maximum = 10000},
    [IDENTITY] = {"identity", .type = TNDB_TYPE_CHOICE, .choices = "refuse|full"},
    [VERIFY] = {"verify", .type = TNDB_TYPE_CHOICE, .choices = "after|pause|counts"},
    [MATCH] = {"match", .type = TNDB_TYPE_CHOICE, .choices = "key|id"},
    [REFERENCES] = {"references", .type = TNDB_TYPE_CHOICE, .choices = "refuse|null"},
    [SOURCE] = {"source", .type = TNDB_TYPE_CHOICE, .choices = "keep|remove"}};
static const tndb_option_table table = TNDB_OPTION_TABLE("move option", rows);

struct tenantdb_move_options {
  tndb_options all;
};

tenantdb_move_options *tenantdb_move_options_new(void) {
  return tndb_new(tenantdb_move_options);
}

void tenantdb_move_options_free(tenantdb_move_options *options) {
  if (options) {
    tndb_options_clear(&options->all);
    tndb_free(options);
  }
}

void tenantdb_move_options_set(tenantdb_move_options *options, const char *key, const char *value) {
  if (options) {
    tndb_options_set(&options->all, &table, key, value);
  }
}

tenantdb_status tndb_move_settings_read(const tenantdb_move_options *options, tndb_move_settings *settings,
                                        tenantdb_error **error) {
  const tndb_options *all = options ? &options->all : NULL;
  *settings = (tndb_move_settings){.connection = tndb_option_text(all, CONNECTION, NULL),
                                   .slug = tndb_option_text(all, SLUG, NULL),
                                   .pause_ms = tndb_option_number(all, PAUSE, 5000),
                                   .patience_ms = tndb_option_number(all, PATIENCE, 3600000),
                                   .lock_ms = tndb_option_number(all, LOCK, 500),
                                   .verify = (tndb_move_verify)tndb_option_number(all, VERIFY, 0),
                                   .full_identity = tndb_option_number(all, IDENTITY, 0),
                                   .match_ids = tndb_option_number(all, MATCH, 0),
                                   .null_missing = tndb_option_number(all, REFERENCES, 0),
                                   .remove_source = tndb_option_number(all, SOURCE, 0)};
  return tndb_options_check(all, error);
}
