/* SPDX-License-Identifier: PostgreSQL */
/* The beginning of an export: the transaction, and what the archive's head says. */
#include <string.h>

#include "base/memory.h"
#include "tenant/export.h"
#include "tenant/transition.h"

#define WITH_SCHEMA                                                                     \
  (TNDB_STATE_BIT(TENANTDB_TENANT_ACTIVE) | TNDB_STATE_BIT(TENANTDB_TENANT_SUSPENDED) | \
   TNDB_STATE_BIT(TENANTDB_TENANT_ARCHIVED))

/* No SELECT may come before the locks: it would choose the moment. */
static void queue_beginning(tenantdb_export *source) {
  tndb_work *work = &source->work;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql, "SET LOCAL lock_timeout = %lld",
                     (long long)tndb_config_number(work->db->config, TNDB_OPERATION_LOCK_TIMEOUT));
  tndb_work_fail_if(work, sql.failed);
  (void)tndb_work_send(work, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  tndb_shape_settle_text(work);
  work->begun = true;
  tndb_buffer_clear(&sql);
  for (size_t i = 0; i < source->archive.shape.n_tables; i++) {
    tndb_buffer_append(&sql, i ? ", " : "LOCK TABLE ");
    tndb_shape_name(&sql, source->tenant->schema, source->archive.shape.tables[i].name);
  }
  tndb_buffer_append(&sql, " IN ACCESS SHARE MODE");
  tndb_work_fail_if(work, sql.failed);
  if (source->archive.shape.n_tables > 0) {
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
}

static tenantdb_status set_texts(tenantdb_export *source, const char *const *texts, tenantdb_error **error) {
  for (int i = 0; i < TNDB_ARCHIVE_N_TEXTS; i++) {
    source->archive.texts[i] = tndb_strdup(texts[i]);
    if (!source->archive.texts[i]) {
      return tndb_no_memory(error);
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status read_head(tenantdb_export *source, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  const tenantdb_tenant *tenant = source->tenant;
  const char *id = tenant->id;
  tndb_buffer_format(&sql,
                     "SELECT pg_catalog.to_char(pg_catalog.now(), 'YYYY-MM-DD HH24:MI:SS.US\"+00\"'),"
                     " pg_catalog.hashtextextended('libtenantdb', 0),"
                     " (SELECT coalesce(t.registry_hash, '') FROM %stenants t WHERE t.id = $1)",
                     source->work.db->catalog);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_query(&source->work, tndb_buffer_text(&sql), 1, &id, &rows, error);
  if (status) {
    return status;
  }
  const char *const texts[TNDB_ARCHIVE_N_TEXTS] = {
      tenantdb_version(), PQgetvalue(rows, 0, 0), tenant->id,
      tenant->slug,       tenant->name,           tndb_tenant_state_name(tenant->state),
      tenant->properties, PQgetvalue(rows, 0, 2), PQgetvalue(rows, 0, 1)};
  status = set_texts(source, texts, error);
  PQclear(rows);
  source->archive.server = (uint32_t)PQserverVersion(source->work.conn->pg);
  source->archive.version = tenant->version;
  source->archive.n_tables = source->archive.shape.n_tables;
  source->archive.n_references = source->archive.read_references;
  return status;
}

tenantdb_status tndb_export_begin(tenantdb_export *source, tenantdb *db, const char *tenant,
                                  tenantdb_error **error) {
  tndb_shape *shape = &source->archive.shape;
  source->working = true;
  tenantdb_status status = tndb_work_start_reading(&source->work, db, error);
  if (!status) {
    (void)tndb_export_step(source);
    status =
        tndb_tenant_read(db, source->work.conn, tenant, false, source->work.deadline, &source->tenant, error);
  }
  if (!status) {
    status = tndb_change_require(source->tenant, WITH_SCHEMA, "export", error);
  }
  /* Which tables there are is asked before they are locked, and what they are after that. */
  if (!status) {
    status = tndb_shape_read(&source->work, source->tenant->schema, shape, error);
  }
  if (!status) {
    queue_beginning(source);
    status = tndb_work_sync(&source->work, error);
    tndb_shape_free(shape);
  }
  if (!status) {
    status = tndb_shape_read(&source->work, source->tenant->schema, shape, error);
  }
  if (!status) {
    status = tndb_export_find_references(source, error);
  }
  return status ? status : read_head(source, error);
}
