/* SPDX-License-Identifier: PostgreSQL */
/* A table that every tenant has, one tenant, one row: DATABASE_URL says on which server. */
#include <stdio.h>
#include <tenantdb.h>

int main(void) {
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *base = tenantdb_registry_base(registry, "Notebook", TENANTDB_BASE_TENANT);
  tenantdb_table *notes = tenantdb_base_table(base, "notes");
  tenantdb_table_column(notes, "id", "integer", "PRIMARY KEY");
  tenantdb_table_column(notes, "body", "text", "NOT NULL");

  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new(); /* the key: asking twice makes one tenant */
  tenantdb_tenant_spec_set(spec, "idempotency_key", "globex signs up");

  const char *insert = "INSERT INTO notes VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
  const char *values[] = {"only Globex sees this"};
  tenantdb *db = NULL;
  tenantdb_session *session = NULL;
  tenantdb_result *rows = NULL;
  tenantdb_error *error = NULL;

  int failed = tenantdb_config_load_env(config, &error) || tenantdb_open(config, registry, &db, &error) ||
               tenantdb_bootstrap(db, &error) || tenantdb_tenant_create(db, "globex", spec, NULL, &error) ||
               tenantdb_session_open(db, "globex", NULL, &session, &error) ||
               tenantdb_session_query_text(session, insert, 1, values, NULL, &error) ||
               tenantdb_session_query(session, "SELECT id, body FROM notes", NULL, &rows, &error);
  if (failed) {
    fprintf(stderr, "quickstart: %s\n", tenantdb_error_message(error));
  } else {
    printf("%s: %s\n", tenantdb_session_schema(session), tenantdb_result_value(rows, 0, 1));
  }
  tenantdb_error_free(error); /* everything may be freed in any order, and NULL is fine */
  tenantdb_result_free(rows);
  tenantdb_session_close(session);
  tenantdb_close(db);
  tenantdb_tenant_spec_free(spec), tenantdb_registry_free(registry), tenantdb_config_free(config);
  return failed;
}
