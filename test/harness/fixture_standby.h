/* SPDX-License-Identifier: PostgreSQL */
/* Standby schemas: how many there are, and whether they are whole. */
#ifndef TNDB_FIXTURE_STANDBY_H
#define TNDB_FIXTURE_STANDBY_H

#include "fixture.h"

static inline int64_t standby_count(const char *url) {
  return harness_count(url, "SELECT count(*) FROM tenantdb.standby_schemas");
}

/* How many tenants took one. */
static inline int64_t standby_taken(const char *url) {
  return harness_count(
      url, "SELECT count(*) FROM tenantdb.audit WHERE action = 'create' AND detail = '{\"standby\": true}'");
}

/*
 * What does not belong together: rows without their schema or role, schemas and roles without a row, roles
 * that may use what is nobody's yet, rows of the ledger of nobody, one id for two. 0 is what every fault must leave.
 */
static inline int64_t standby_halves(const char *url) {
  return harness_count(
      url,
      "WITH t AS (SELECT * FROM tenantdb.tenants), s AS (SELECT * FROM tenantdb.standby_schemas), living AS"
      " (SELECT id, schema_name, role_name FROM t WHERE state IN ('active', 'suspended', 'archived') UNION "
      "ALL"
      " SELECT id, schema_name, role_name FROM s), ours AS (SELECT nspname, obj_description(oid,"
      " 'pg_namespace') AS mark FROM pg_namespace WHERE obj_description(oid, 'pg_namespace') LIKE "
      "'libtenantdb"
      " tenant %%') SELECT"
      " (SELECT count(*) FROM living b WHERE NOT EXISTS (SELECT FROM ours o WHERE o.nspname = b.schema_name "
      "AND"
      " o.mark = 'libtenantdb tenant ' || b.id))"
      " + (SELECT count(*) FROM living WHERE role_name NOT IN (SELECT rolname FROM pg_roles))"
      " + (SELECT count(*) FROM ours WHERE nspname NOT IN (SELECT schema_name FROM living UNION ALL SELECT"
      " schema_name FROM t WHERE state = 'deleting'))"
      " + (SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'tenantdb\\_standby\\_%%' AND nspname NOT IN"
      " (SELECT schema_name FROM s))"
      " + (SELECT count(*) FROM s WHERE role_name IS NOT NULL AND (has_schema_privilege(role_name,"
      " schema_name, 'USAGE') OR (SELECT rolcanlogin FROM pg_roles r WHERE r.rolname = s.role_name)))"
      " + (SELECT count(*) FROM living b WHERE 2 <> (SELECT count(*) FROM pg_tables p WHERE p.schemaname ="
      " b.schema_name))"
      " + (SELECT count(*) FROM s WHERE id IN (SELECT id FROM t))"
      " + (SELECT count(*) FROM tenantdb.migrations m WHERE m.stream = 'tenant' AND m.tenant_id NOT IN "
      "(SELECT"
      " id FROM living))"
      " + (SELECT count(*) FROM t WHERE state = 'active' AND role_name IS NOT NULL AND NOT"
      " has_schema_privilege(role_name, schema_name, 'USAGE'))"
      " + (SELECT count(*) FROM living b WHERE NOT EXISTS (SELECT FROM tenantdb.operations o WHERE "
      "o.tenant_id "
      "="
      " b.id))"
      " + (SELECT count(*) FROM pg_roles r WHERE (r.rolname LIKE 'tenant\\_role\\_%%' OR r.rolname LIKE"
      " 'tenantdb\\_standby\\_%%') AND EXISTS (SELECT FROM pg_shdepend d WHERE d.refobjid = r.oid AND d.dbid "
      "="
      " (SELECT oid FROM pg_database WHERE datname = current_database())) AND r.rolname NOT IN (SELECT"
      " role_name FROM living WHERE role_name IS NOT NULL))");
}

/* What upkeep did, as "task action outcome;" one after the other, without names. Lasts until the next call. */
static inline const char *standby_maintain(tenantdb *db) {
  static char all[16384];
  tenantdb_error *error = NULL;
  tenantdb_result *done = NULL;
  size_t length = 0;
  harness_assert_ok(tenantdb_maintain(db, 0, &done, &error), error);
  all[0] = '\0';
  for (int32_t i = 0; i < tenantdb_result_rows(done) && length < sizeof all; i++) {
    length +=
        (size_t)snprintf(all + length, sizeof all - length, "%s %s %s;", tenantdb_result_value(done, i, 0),
                         tenantdb_result_value(done, i, 2), tenantdb_result_value(done, i, 3));
  }
  tenantdb_result_free(done);
  return all;
}

/* A series of tenantdb_standby_total. */
static inline int64_t standby_statistic(tenantdb *db, const char *outcome) {
  char labels[64];
  int64_t value = -1;
  tenantdb_error *error = NULL;
  tenantdb_result *table = NULL;
  snprintf(labels, sizeof labels, "outcome=\"%s\"", outcome);
  harness_assert_ok(tenantdb_statistics(db, &table, &error), error);
  for (int32_t i = 0; i < tenantdb_result_rows(table); i++) {
    if (strcmp(tenantdb_result_value(table, i, 0), "tenantdb_standby_total") == 0 &&
        strcmp(tenantdb_result_value(table, i, 1), labels) == 0) {
      value = strtoll(tenantdb_result_value(table, i, 4), NULL, 10);
    }
  }
  tenantdb_result_free(table);
  return value;
}

/* All tenants' schemas are alike, and what a new one is to be. */
static inline void standby_assert_alike(tenantdb *db, int32_t tenants) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  harness_assert_ok(tenantdb_fingerprints(db, NULL, &result, &error), error);
  assert_int_equal(tenantdb_result_rows(result), tenants);
  for (int32_t i = 0; i < tenants; i++) {
    assert_string_equal(tenantdb_result_value(result, i, 2), tenantdb_result_value(result, 0, 2));
    assert_string_equal(tenantdb_result_value(result, i, 3), "t");
  }
  tenantdb_result_free(result);
}

#define STANDBY_MADE "standby make done;"
#define STANDBY_DROPPED "standby drop done;"

#endif
