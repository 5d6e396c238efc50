/* SPDX-License-Identifier: PostgreSQL */
#include "base/integer.h"
#include "base/result.h"
#include "migrate/set.h"

static void add_row(tndb_table *table, const tndb_migration *migration) {
  char version[TNDB_INT64_TEXT], steps[TNDB_INT64_TEXT], down[TNDB_INT64_TEXT], requires[TNDB_INT64_TEXT];
  char timeout[TNDB_INT64_TEXT + 2];
  (void)tndb_int64_write(migration->version, version);
  (void)tndb_int64_write((int64_t)migration->steps.count, steps);
  (void)tndb_int64_write((int64_t)migration->down_steps.count, down);
  (void)tndb_int64_write(migration->requires, requires);
  size_t length = tndb_int64_write(migration->lock_timeout_ms, timeout);
  timeout[length] = 'm';
  timeout[length + 1] = 's';
  timeout[length + 2] = '\0';
  const char *cells[] = {tndb_stream_name(migration->stream),
                         tndb_migration_kind_name(migration->kind),
                         migration->kind == TNDB_MIGRATION_REPEATABLE ? NULL : version,
                         migration->title,
                         migration->file,
                         migration->sum,
                         migration->transactional ? "transaction" : "none",
                         steps,
                         migration->down ? down : NULL,
                         migration->requires ? requires : NULL,
                         migration->lock_timeout_ms < 0 ? NULL : timeout};
  tndb_table_row(table, cells);
}

tenantdb_status tenantdb_migrations_list(const tenantdb_migrations *set, tenantdb_result **result,
                                         tenantdb_error **error) {
  static const char *const names[] = {"stream", "kind",  "version", "title",    "file",        "sum",
                                      "tx",     "steps", "down",    "requires", "lock_timeout"};
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  tenantdb_status status = tndb_migrations_freeze(set, error);
  if (!status && !result) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  }
  if (status) {
    return status;
  }
  tndb_table *table = tndb_table_new(names, (int32_t)(sizeof names / sizeof names[0]));
  for (size_t i = 0; i < set->count; i++) {
    add_row(table, set->items[i]);
  }
  return tndb_table_finish(table, result, error);
}
