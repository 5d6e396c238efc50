/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/baseline.h"

#include <string.h>

#include "base/memory.h"
#include "catalog/answer.h"
#include "catalog/tenants.h"
#include "migrate/ledger.h"
#include "migrate/ledger_options.h"
#include "migrate/use_rows.h"

#define MOST_TOLD 3

/* ---------------------------------------------------------------- what is told */

void tndb_baseline_tell(tndb_buffer *text, const tndb_differences *differences) {
  for (size_t i = 0; i < differences->count && i < MOST_TOLD; i++) {
    const tndb_difference *d = &differences->items[i];
    tndb_buffer_append(text, i ? ", " : "");
    tndb_buffer_append(text, tndb_drift_kind_name(d->kind));
    tndb_buffer_append_char(text, ' ');
    tndb_difference_name(text, d->what, d->object);
  }
  if (differences->count > MOST_TOLD) {
    tndb_buffer_format(text, ", and %zu more", differences->count - MOST_TOLD);
  }
}

void tndb_baseline_row(tndb_baseline *b, const char *slug, const char *outcome, const char *why) {
  tndb_auto_buffer version = TNDB_BUFFER_INIT;
  tndb_buffer_format(&version, "%lld", (long long)b->settings.version);
  const char *cells[] = {slug, tndb_buffer_text(&version), outcome, why};
  tndb_table_row(b->table, cells);
  bool differs = strcmp(outcome, "differs") == 0;
  b->fit += !differs;
  if (differs && b->differ++ == 0) {
    tndb_buffer_append(&b->first, slug ? "the schema of tenant " : "the shared schema");
    tndb_buffer_append(&b->first, slug ? slug : "");
    tndb_buffer_append(&b->first, ": ");
    tndb_buffer_append(&b->first, why ? why : "");
  }
}

/* ---------------------------------------------------------------- the shared schema */

/* Rights on shared tables come from the registry, and others may have tables there. */
static bool matters(const tndb_difference *d) {
  static const char *const passed_over[] = {
      "grant", "default privileges", "owner", "schema", "role", "access", "comment"};
  for (size_t i = 0; i < sizeof passed_over / sizeof passed_over[0]; i++) {
    if (strcmp(d->what, passed_over[i]) == 0) {
      return false;
    }
  }
  return d->expected != NULL;
}

static tenantdb_status compare_shared(tndb_baseline *b, tndb_buffer *why, tenantdb_error **error) {
  tndb_registry_form *wanted = NULL;
  tndb_form_targets targets = TNDB_FORM_TARGETS_INIT;
  tndb_differences differences = {NULL, 0, 0};
  tndb_work work = {.conn = NULL};
  PGresult *rows = NULL;
  size_t kept = 0;
  tndb_form_targets_add(&targets, tndb_database_shared_schema(b->db), "", "");
  tenantdb_status status =
      tndb_scratch_form(b->db, b->set, TNDB_STREAM_SHARED, b->settings.version, false, &wanted, error);
  if (!status) {
    status = tndb_form_start(&work, b->db, error);
  }
  if (!status) {
    status = tndb_form_rows(&work, &targets, &wanted->expected, &rows, error);
  }
  tndb_work_end(&work);
  if (!status) {
    tndb_form found = tndb_form_of(rows, 1);
    status = tndb_differences_find(&wanted->form, &found, &differences, error);
  }
  for (size_t i = 0; !status && i < differences.count; i++) {
    if (matters(&differences.items[i])) {
      differences.items[kept++] = differences.items[i];
    }
  }
  differences.count = kept;
  tndb_baseline_tell(why, &differences);
  tndb_differences_free(&differences);
  tndb_form_targets_free(&targets);
  tndb_registry_form_release(wanted);
  PQclear(rows);
  return status;
}

static tenantdb_status shared_is_there(tndb_baseline *b, bool *there, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *id = TNDB_LEDGER_SHARED;
  PGresult *rows;
  tndb_buffer_format(&sql,
                     "SELECT 1 FROM %smigrations WHERE tenant_id = $1 AND state = 'done' AND version >= %lld"
                     " LIMIT 1",
                     b->db->catalog, (long long)b->settings.version);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_ask(b->db, tndb_buffer_text(&sql), 1, &id, &rows, error);
  if (!status) {
    *there = PQntuples(rows) > 0;
  }
  PQclear(rows);
  return status;
}

static tenantdb_status stamp_shared(tndb_baseline *b, bool equal, tenantdb_error **error) {
  tndb_use_rows rows = {.count = 0};
  tndb_work work = {.conn = NULL};
  tndb_record record = {.tenant_id = TNDB_LEDGER_SHARED, .action = "baseline shared"};
  bool made = tndb_use_rows_baseline(b->set, TNDB_STREAM_SHARED, b->settings.version, equal, &rows);
  tenantdb_status status =
      made ? tndb_work_start(&work, b->db, "bootstrap", true, error) : tndb_no_memory(error);
  if (!status) {
    tndb_use_rows_queue(&rows, &work, TNDB_STREAM_SHARED, TNDB_LEDGER_SHARED);
    tndb_work_record(&work, &record);
    status = tndb_work_commit(&work, error);
  }
  tndb_work_end(&work);
  tndb_use_rows_free(&rows);
  return status;
}

tenantdb_status tndb_baseline_shared(tndb_baseline *b, tenantdb_error **error) {
  tndb_auto_buffer why = TNDB_BUFFER_INIT;
  bool there = false;
  tenantdb_status status = shared_is_there(b, &there, error);
  if (status || there) {
    tndb_baseline_row(b, NULL, "there", NULL);
    return status;
  }
  status = compare_shared(b, &why, error);
  bool equal = !status && why.length == 0;
  if (!status && why.failed) {
    status = tndb_no_memory(error);
  }
  if (!status && (equal || b->settings.force)) {
    status = stamp_shared(b, equal, error);
  }
  tndb_baseline_row(b, NULL, equal || b->settings.force ? "stamped" : "differs",
                    equal ? NULL : tndb_buffer_text(&why));
  return status;
}

/* ---------------------------------------------------------------- the call */

static tenantdb_status settle_version(tndb_baseline *b, tenantdb_error **error) {
  tndb_stream stream = b->settings.stream;
  int64_t *version = &b->settings.version;
  if (*version == TNDB_LEDGER_UNSAID || *version == TNDB_LEDGER_NEWEST) {
    *version = tndb_migrations_newest(b->set, stream);
  }
  const tndb_migration *checkpoint =
      stream == TNDB_STREAM_TENANT && *version > 0 ? tndb_migrations_checkpoint(b->set, *version) : NULL;
  if (*version > 0 &&
      (tndb_migrations_find(b->set, stream, *version) || (checkpoint && checkpoint->version == *version))) {
    return TENANTDB_OK;
  }
  return *version > 0 ? tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_HISTORY_MISSING,
                                    "the set in use has no migration of version %lld in stream %s",
                                    (long long)*version, tndb_stream_name(stream))
                      : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_HISTORY_MISSING,
                                    "there is no version to begin with: %s",
                                    *version == TNDB_LEDGER_ALL ? "a baseline is one version, not all"
                                                                : "the stream has no migrations");
}

static tenantdb_status baseline(tndb_baseline *b, const tenantdb_ledger_options *options,
                                tenantdb_error **error) {
  tenantdb_status status = tndb_migrations_of(b->db, &b->set, error);
  if (!status) {
    status = tndb_ledger_settings_read(options, &b->settings, error);
  }
  if (!status) {
    status = settle_version(b, error);
  }
  if (!status) {
    status = b->settings.stream == TNDB_STREAM_SHARED ? tndb_baseline_shared(b, error)
                                                      : tndb_baseline_tenants(b, error);
  }
  if (!status && b->differ > 0 && b->fit == 0) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_BASELINE_DIFFERS,
                         "%s (not what the migrations up to version %lld make); %s%zu in all; nothing was "
                         "stamped: choose another version, mend the schemas, or say option force",
                         tndb_buffer_text(&b->first), (long long)b->settings.version,
                         b->differ > 1 ? "so it is with others, " : "", b->differ);
  }
  return status;
}

tenantdb_status tenantdb_migration_baseline(tenantdb *db, const tenantdb_ledger_options *options,
                                            tenantdb_result **result, tenantdb_error **error) {
  static const char *const columns[] = {"tenant", "version", "outcome", "note"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (status) {
    return status;
  }
  tndb_baseline b = {.db = db, .table = tndb_table_new(columns, 4), .first = TNDB_BUFFER_INIT};
  status = baseline(&b, options, error);
  tndb_tenants_forget(db);
  tndb_buffer_free(&b.first);
  return tndb_answer_end(status, b.table, result, error);
}
