/* SPDX-License-Identifier: PostgreSQL */
/* Asking for a diagnosis, finding a row in it, and running the SQL it gives. */
#ifndef TNDB_DIAGNOSED_H
#define TNDB_DIAGNOSED_H

#include "fixture.h"

enum { LEVEL, CODE, TENANT, OBJECT, FOUND, WHY, REMEDY, SQL, N_COLUMNS };

/* Releases that no server of the tests is older than. */
#define ANY_RELEASE "diagnose.releases", "13.0"

static inline tenantdb_result *diagnosed(tenantdb *db, const char *tenant) {
  tenantdb_result *findings = NULL;
  tenantdb_error *error = NULL;
  harness_assert_ok(tenantdb_diagnose(db, tenant, &findings, &error), error);
  assert_int_equal(tenantdb_result_columns(findings), N_COLUMNS);
  return findings;
}

/* The row of a code whose object holds the text; -1 when there is none. */
static inline int32_t diagnosed_row(const tenantdb_result *findings, const char *code, const char *object) {
  for (int32_t i = 0; i < tenantdb_result_rows(findings); i++) {
    if (strcmp(tenantdb_result_value(findings, i, CODE), code) == 0 &&
        strstr(tenantdb_result_value(findings, i, OBJECT), object)) {
      return i;
    }
  }
  return -1;
}

static inline bool diagnosed_has(tenantdb *db, const char *tenant, const char *code, const char *object) {
  tenantdb_result *findings = diagnosed(db, tenant);
  bool has = diagnosed_row(findings, code, object) >= 0;
  tenantdb_result_free(findings);
  return has;
}

static inline void diagnosed_print(const tenantdb_result *findings) {
  for (int32_t i = 0; i < tenantdb_result_rows(findings); i++) {
    for (int32_t column = 0; column < N_COLUMNS; column++) {
      const char *value = tenantdb_result_value(findings, i, column);
      fprintf(stderr, "%s%s", column ? " | " : "", value ? value : "-");
    }
    fputc('\n', stderr);
  }
}

/* Rows that are worse than a notice, the codes in `but` (separated by spaces) left out; printed when there are some. */
static inline int diagnosed_alarms(const tenantdb_result *findings, const char *but) {
  int alarms = 0;
  for (int32_t i = 0; i < tenantdb_result_rows(findings); i++) {
    bool notice = strcmp(tenantdb_result_value(findings, i, LEVEL), "notice") == 0;
    alarms += !notice && !strstr(but, tenantdb_result_value(findings, i, CODE));
  }
  if (alarms) {
    diagnosed_print(findings);
  }
  return alarms;
}

/* The SQL of a row, which must be there, with every other cell; free() it. */
static inline char *diagnosed_sql(const tenantdb_result *findings, int32_t row) {
  for (int32_t column = 0; column < N_COLUMNS; column++) {
    const char *value = tenantdb_result_value(findings, row, column);
    assert_true(column == TENANT || (value && *value));
  }
  return strdup(tenantdb_result_value(findings, row, SQL));
}

#endif
