/* SPDX-License-Identifier: PostgreSQL */
/* The shared stream and bootstrap: who makes shared tables, the registry or migrations. */
#include <string.h>

#include "base/memory.h"
#include "catalog/shared.h"
#include "config/events.h"
#include "config/property.h"
#include "migrate/ledger.h"
#include "migrate/use_rows.h"

tenantdb_status tndb_refuse_without_baseline(const char *slug, tenantdb_error **error) {
  tndb_auto_buffer who = TNDB_BUFFER_INIT;
  tndb_buffer_append(&who, slug ? "the schema of tenant " : "the shared schema");
  tndb_buffer_append(&who, slug ? slug : "");
  return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_NO_BASELINE,
                     "%s was made without migrations, so which of them it has is not known: say it once by "
                     "tenantdb_migration_baseline(), with option stream = %s",
                     tndb_buffer_text(&who), slug ? "tenant" : "shared");
}

/* The names of what the registry declares to be in the shared schema. */
static bool collect_names(const tenantdb *db, tndb_text_array *names) {
  size_t count = tndb_registry_relations(db->registry, TENANTDB_BASE_SHARED, NULL, 0);
  tndb_auto_free tndb_relation *relations = tndb_alloc_array(count + 1, sizeof *relations);
  if (!relations) {
    return false;
  }
  (void)tndb_registry_relations(db->registry, TENANTDB_BASE_SHARED, relations, count);
  for (size_t i = 0; i < count; i++) {
    tndb_text_array_add(names, relations[i].name);
  }
  return tndb_text_array_finish(names) != NULL;
}

typedef struct state {
  bool known;      /* the ledger has rows of the shared stream */
  int64_t version; /* the greatest that is done */
  bool made;       /* without migrations: by bootstrap, or by somebody before it */
  bool declared;   /* the registry has something for the shared schema */
} state;

static tenantdb_status read_state(tndb_work *work, state *is, tenantdb_error **error) {
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  *is = (state){.known = false};
  tndb_buffer_format(
      &sql,
      "SELECT (SELECT count(*) > 0 FROM %smigrations WHERE tenant_id = $1),"
      " (SELECT coalesce(max(version), 0) FROM %smigrations WHERE tenant_id = $1 AND state = 'done'),"
      " EXISTS (SELECT FROM %sshared_objects) OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE"
      " c.relnamespace = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $2)"
      " AND c.relname = ANY ($3::text[]))",
      work->db->catalog, work->db->catalog, work->db->catalog);
  if (!collect_names(work->db, &names) || sql.failed) {
    return tndb_no_memory(error);
  }
  const char *values[] = {TNDB_LEDGER_SHARED, tndb_database_shared_schema(work->db),
                          tndb_buffer_text(&names.text)};
  tenantdb_status status = tndb_work_query(work, tndb_buffer_text(&sql), 3, values, &rows, error);
  if (!status) {
    is->known = PQgetvalue(rows, 0, 0)[0] == 't';
    (void)tndb_number_parse(PQgetvalue(rows, 0, 1), &is->version);
    is->made = PQgetvalue(rows, 0, 2)[0] == 't';
    is->declared = names.count > 0;
    PQclear(rows);
  }
  return status;
}

tenantdb_status tndb_shared_lacks_baseline(tndb_work *work, bool *lacks, tenantdb_error **error) {
  state is;
  tenantdb_status status = read_state(work, &is, error);
  *lacks = !status && !is.known && is.made;
  return status;
}

tenantdb_status tndb_shared_require_baseline(tndb_work *work, tenantdb_error **error) {
  bool lacks = false;
  tenantdb_status status = tndb_shared_lacks_baseline(work, &lacks, error);
  return lacks ? tndb_refuse_without_baseline(NULL, error) : status;
}

static void tell(const tenantdb *db, const state *is, int64_t newest) {
  tndb_auto_buffer message = TNDB_BUFFER_INIT;
  if (!is->known && is->made) {
    tndb_buffer_append(&message,
                       "the shared schema was made without migrations and was left as it is: "
                       "tenantdb_migration_baseline() has to say which version it is of");
  } else {
    tndb_buffer_format(&message,
                       "the shared schema is of version %lld and was left as it is: tenantdb_migrate() leads "
                       "to version %lld",
                       (long long)is->version, (long long)newest);
  }
  tndb_config_write_event(
      db->config, &(tndb_event){.kind = TNDB_EVENT_MIGRATIONS_WAIT, .message = tndb_buffer_text(&message)});
}

tenantdb_status tndb_use_shared(const tndb_newborn *newborn, tndb_work *work, tndb_shared_way *way,
                                tenantdb_error **error) {
  const tndb_use *use = (const tndb_use *)newborn;
  int64_t newest = tndb_migrations_newest(use->set, TNDB_STREAM_SHARED);
  state is;
  *way = TNDB_SHARED_DECLARED;
  if (newest == 0) {
    return TENANTDB_OK;
  }
  tenantdb_status status = read_state(work, &is, error);
  if (status) {
    return status;
  }
  bool fresh = is.declared && !is.known && !is.made;
  *way = fresh && !use->shared_waits ? TNDB_SHARED_CREATE : TNDB_SHARED_LEAVE;
  if (*way == TNDB_SHARED_LEAVE && is.version < newest) {
    tell(work->db, &is, newest);
  }
  return TENANTDB_OK;
}

void tndb_use_queue_shared(const tndb_newborn *newborn, tndb_work *work) {
  const tndb_use *use = (const tndb_use *)newborn;
  tndb_use_rows rows = {.count = 0};
  bool made = tndb_use_rows_baseline(use->set, TNDB_STREAM_SHARED,
                                     tndb_migrations_newest(use->set, TNDB_STREAM_SHARED), true, &rows);
  tndb_work_fail_if(work, !made);
  tndb_use_rows_queue(&rows, work, TNDB_STREAM_SHARED, TNDB_LEDGER_SHARED);
  tndb_use_rows_free(&rows);
}

tenantdb_status tndb_shared_settle(tenantdb *db, tenantdb_error **error) {
  tndb_work work;
  tndb_catalog_row row;
  tenantdb_status status = tndb_work_start(&work, db, "bootstrap", true, error);
  if (!status) {
    status = tndb_work_sync(&work, error);
  }
  if (!status) {
    status = tndb_catalog_read(db, work.conn, work.deadline, &row, error);
  }
  if (!status) {
    status = tndb_shared_grant(&work, &row, error);
  }
  if (!status) {
    status = tndb_work_commit(&work, error);
  }
  tndb_work_end(&work);
  return status;
}
