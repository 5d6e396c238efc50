/* SPDX-License-Identifier: PostgreSQL */
#include <string.h>

#include <tenantdb/schema.h>
#include "catalog/answer.h"
#include "catalog/tenants.h"
#include "schema/marker.h"
#include "tenant/registry_form.h"

static tenantdb_status add_rows(tndb_table *table, PGresult *rows, tenantdb_error **error) {
  tndb_auto_buffer object = TNDB_BUFFER_INIT;
  tndb_auto_buffer definition = TNDB_BUFFER_INIT;
  for (int i = 0; i < PQntuples(rows); i++) {
    tndb_buffer_clear(&object);
    tndb_buffer_clear(&definition);
    tndb_marks_show(&object, PQgetvalue(rows, i, TNDB_FORM_OBJECT));
    tndb_marks_show(&definition, PQgetvalue(rows, i, TNDB_FORM_DEFINITION));
    const char *cells[] = {
        PQgetvalue(rows, i, TNDB_FORM_KIND), tndb_buffer_text(&object), tndb_buffer_text(&definition),
        PQgetisnull(rows, i, TNDB_FORM_PARENT) ? NULL : PQgetvalue(rows, i, TNDB_FORM_PARENT)};
    tndb_table_row(table, cells);
  }
  return object.failed || definition.failed ? tndb_no_memory(error) : TENANTDB_OK;
}

static tenantdb_status read_schema(tndb_work *work, const char *schema, const tenantdb_tenant *tenant,
                                   PGresult **rows, tenantdb_error **error) {
  tndb_form_targets targets = TNDB_FORM_TARGETS_INIT;
  tndb_form_targets_add(&targets, schema, tenant ? tenant->role : "",
                        tenant ? tndb_tenant_state_name(tenant->state) : "");
  tenantdb_status status = tndb_form_rows(work, &targets, NULL, rows, error);
  if (!status && PQntuples(*rows) == 0) {
    status = tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_MISSING_SCHEMA_NAME,
                         "there is no schema \"%s\" in the database%s%s", schema,
                         tenant ? ": it should be that of tenant " : "", tenant ? tenant->slug : "");
  }
  tndb_form_targets_free(&targets);
  return status;
}

static tenantdb_status snapshot(tenantdb *db, const char *name, const char *schema, tndb_table *table,
                                tenantdb_error **error) {
  tndb_work work;
  tenantdb_tenant *tenant = NULL;
  PGresult *rows = NULL;
  tenantdb_status status = tndb_form_start(&work, db, error);
  if (!status) {
    status = tndb_work_sync(&work, error);
  }
  if (!status && name) {
    status = tndb_tenant_read(db, work.conn, name, false, work.deadline, &tenant, error);
    schema = status ? NULL : tenant->schema;
  }
  if (!status) {
    status = read_schema(&work, schema ? schema : tndb_database_shared_schema(db), tenant, &rows, error);
  }
  if (!status) {
    status = add_rows(table, rows, error);
  }
  PQclear(rows);
  tenantdb_tenant_free(tenant);
  tndb_work_end(&work);
  return status;
}

tenantdb_status tenantdb_snapshot(tenantdb *db, const char *tenant, const char *schema,
                                  tenantdb_result **result, tenantdb_error **error) {
  static const char *const columns[] = {"kind", "object", "definition", "parent"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (!status && tenant && schema) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "a tenant and a schema are given; a snapshot is of one of them");
  }
  if (status) {
    return status;
  }
  tndb_table *table = tndb_table_new(columns, 4);
  status = snapshot(db, tenant, schema, table, error);
  if (status && tenant) {
    tndb_error_set_tenant(error, tenant);
  }
  return tndb_answer_end(status, table, result, error);
}
