/* SPDX-License-Identifier: PostgreSQL */
/* The statements by which a declared table comes to be where it is missing. */
#include <string.h>

#include "registry/registry.h"
#include "sql/identifier.h"
#include "tenant/diagnose.h"

static bool concerns(const tndb_ddl_item *item, const char *name) {
  bool is_relation =
      item->kind == TNDB_DDL_TABLE || item->kind == TNDB_DDL_VIEW || item->kind == TNDB_DDL_SEQUENCE;
  return (is_relation && item->name && strcmp(item->name, name) == 0) ||
         (item->table && strcmp(item->table, name) == 0);
}

/* In a script's end a comment must not swallow what follows. */
static void append_statement(tndb_buffer *sql, const char *text) {
  tndb_buffer_append(sql, text);
  tndb_buffer_append(sql, "\n; ");
}

static void append_grant(tndb_buffer *sql, const char *kind, const char *rights, const char *const names[3]) {
  tndb_buffer_format(sql, "GRANT %s ON %s", rights, kind);
  tndb_quote_identifier(sql, names[0]);
  tndb_buffer_append_char(sql, '.');
  tndb_quote_identifier(sql, names[1]);
  tndb_buffer_append(sql, " TO ");
  tndb_quote_identifier(sql, names[2]);
  tndb_buffer_append(sql, "; ");
}

tenantdb_status tndb_diagnose_ddl(const tndb_diagnosis *d, const PGresult *answer, int row, tndb_buffer *sql,
                                  tenantdb_error **error) {
  const char *schema = PQgetvalue(answer, row, TNDB_ANSWER_SCHEMA);
  const char *name = PQgetvalue(answer, row, TNDB_ANSWER_NAME);
  const char *role = PQgetvalue(answer, row, TNDB_ANSWER_ROLE);
  bool tenant = !PQgetisnull(answer, row, TNDB_ANSWER_TENANT);
  tndb_ddl ddl = {NULL, 0};
  bool sequence = false;
  tndb_auto_buffer path = TNDB_BUFFER_INIT;
  tenantdb_status status =
      tndb_registry_statements(d->db->registry, tenant ? TENANTDB_BASE_TENANT : TENANTDB_BASE_SHARED, schema,
                               tndb_database_shared_schema(d->db), &ddl, error);
  if (status) {
    return status;
  }
  tndb_path_append(&path, d->db, schema);
  tndb_buffer_append(sql, "BEGIN; SET LOCAL search_path TO ");
  tndb_buffer_append(sql, tndb_buffer_text(&path));
  tndb_buffer_append(sql, "; ");
  for (size_t i = 0; i < ddl.count; i++) {
    if (concerns(&ddl.items[i], name)) {
      append_statement(sql, ddl.items[i].sql);
      sequence = sequence || (ddl.items[i].kind == TNDB_DDL_SEQUENCE && !ddl.items[i].table);
    }
  }
  if (*role) {
    const char *const names[] = {schema, name, role};
    append_grant(sql, sequence ? "SEQUENCE " : "",
                 sequence ? "USAGE, SELECT" : "SELECT, INSERT, UPDATE, DELETE", names);
  }
  tndb_buffer_append(sql, "COMMIT");
  tndb_ddl_free(&ddl);
  return sql->failed || path.failed ? tndb_no_memory(error) : TENANTDB_OK;
}
