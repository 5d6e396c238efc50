/* SPDX-License-Identifier: PostgreSQL */
/*
 * A report over all tenants: one statement, a row for each, and what to do about
 * a tenant that cannot be read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tenantdb.h>

static int fail(const char *what, tenantdb_error *error) {
  fprintf(stderr, "%s: %s: %s\n", what, tenantdb_status_name(tenantdb_error_status(error)),
          tenantdb_error_message(error));
  tenantdb_error_free(error);
  return EXIT_FAILURE;
}

static tenantdb_status open_database(tenantdb **db, tenantdb_error **error) {
  tenantdb_config *config = tenantdb_config_new();
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *shop = tenantdb_registry_base(registry, "Shop", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(shop, "CREATE TABLE orders (id integer PRIMARY KEY, amount numeric(10, 2) NOT NULL)");
  tenantdb_status status = tenantdb_config_load_env(config, error);
  if (!status) {
    status = tenantdb_open(config, registry, db, error);
  }
  if (!status) {
    status = tenantdb_bootstrap(*db, error);
  }
  tenantdb_registry_free(registry);
  tenantdb_config_free(config);
  return status;
}

/* A tenant on a plan, with some orders. */
static tenantdb_status make_tenant(tenantdb *db, const char *slug, const char *properties, const char *orders,
                                   tenantdb_error **error) {
  tenantdb_session *session = NULL;
  tenantdb_tenant_spec *spec = tenantdb_tenant_spec_new();
  tenantdb_tenant_spec_set(spec, "idempotency_key", slug);
  tenantdb_tenant_spec_set(spec, "properties", properties);
  tenantdb_status status = tenantdb_tenant_create(db, slug, spec, NULL, error);
  if (!status) {
    status = tenantdb_session_open(db, slug, NULL, &session, error);
  }
  if (!status) {
    const char *values[] = {orders};
    status = tenantdb_session_query_text(
        session,
        "INSERT INTO orders SELECT i, i * 9.99 FROM generate_series(1, $1::int) i "
        "ON CONFLICT DO NOTHING",
        1, values, NULL, error);
  }
  tenantdb_session_close(session);
  tenantdb_tenant_spec_free(spec);
  return status;
}

static void print_failures(const tenantdb_result *rows) {
  tenantdb_result *failures = NULL;
  if (tenantdb_fleet_failures(rows, &failures, NULL)) {
    return;
  }
  for (int32_t i = 0; i < tenantdb_result_rows(failures); i++) {
    printf("  not read: %s (%s: %s)\n", tenantdb_result_value(failures, i, 0),
           tenantdb_result_value(failures, i, 2), tenantdb_result_value(failures, i, 5));
  }
  tenantdb_result_free(failures);
}

/* Prints what there is. Tenants that cannot be read do not make the report fail. */
static tenantdb_status report(tenantdb *db, const char *key, const char *value, tenantdb_error **error) {
  tenantdb_result *rows = NULL;
  tenantdb_fleet_options *options = tenantdb_fleet_options_new();
  tenantdb_fleet_options_set(options, key, value);
  tenantdb_status status = tenantdb_fleet_query(db, "SELECT count(*), coalesce(sum(amount), 0) FROM orders",
                                                NULL, options, &rows, error);
  printf("%s: %s\n", key, value);
  for (int32_t more = !status; more;) {
    status = tenantdb_result_next(rows, &more, error);
    for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
      printf("  %-10s %3s orders, %9s\n", tenantdb_result_value(rows, i, 0),
             tenantdb_result_value(rows, i, 1), tenantdb_result_value(rows, i, 2));
    }
  }
  if (tenantdb_error_reason(*error) == TENANTDB_REASON_FLEET_PARTLY) {
    print_failures(rows);
    tenantdb_error_free(*error);
    *error = NULL;
    status = TENANTDB_OK;
  }
  tenantdb_result_free(rows);
  tenantdb_fleet_options_free(options);
  return status;
}

int main(void) {
  tenantdb *db = NULL;
  tenantdb_error *error = NULL;
  int failed = open_database(&db, &error);
  if (!failed) {
    (void)tenantdb_tenant_resume(db, "umbrella", NULL, NULL); /* an earlier run left it suspended */
    failed = make_tenant(db, "acme", "{\"plan\": \"pro\", \"country\": \"de\"}", "12", &error) ||
             make_tenant(db, "globex", "{\"plan\": \"basic\"}", "3", &error) ||
             make_tenant(db, "initech", "{\"plan\": \"pro\"}", "7", &error) ||
             make_tenant(db, "umbrella", "{\"plan\": \"basic\"}", "1", &error) ||
             report(db, "order", "tenant", &error) || report(db, "selector", "plan=pro", &error) ||
             report(db, "selector", "plan=pro, country=de", &error) ||
             tenantdb_tenant_suspend(db, "umbrella", NULL, &error) ||
             report(db, "tenants", "acme, umbrella, hooli, globex", &error);
  }
  int status = failed ? fail("fleet_report", error) : EXIT_SUCCESS;
  tenantdb_close(db);
  return status;
}
