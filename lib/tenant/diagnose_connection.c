/* SPDX-License-Identifier: PostgreSQL */
/* Diagnosis of a configuration by which no database can be opened. */
#include <string.h>
#include <tenantdb/diagnose.h>

#include "pg/reach.h"
#include "sql/identifier.h"
#include "tenant/diagnose.h"

static const struct {
  int32_t reason;
  const char *code;
} codes[] = {
    {TENANTDB_REASON_AUTHENTICATION, "login-refused"},
    {TENANTDB_REASON_DATABASE_MISSING, "database-missing"},
    {TENANTDB_REASON_SERVER_PERMISSION, "connect-not-granted"},
    {TENANTDB_REASON_SERVER_STARTING, "server-not-ready"},
    {TENANTDB_REASON_SERVER_FULL, "server-not-ready"},
    {TENANTDB_REASON_SERVER_TOO_OLD, "server-too-old"},
    {TENANTDB_REASON_ISOLATION_TOO_LOW, "isolation-too-low"},
};

static const char *code_of(const tenantdb_error *failure, const tndb_reach *reach) {
  int32_t reason = tenantdb_error_reason(failure);
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    if (codes[i].reason == reason) {
      return codes[i].code;
    }
  }
  bool nobody = reason == TENANTDB_REASON_CONNECT_FAILED || reason == TENANTDB_REASON_CONNECT_TIMEOUT ||
                reason == TENANTDB_REASON_CONNECTION_LOST;
  return nobody && reach->outcome == TNDB_REACH_NO_NAME     ? "host-not-found"
         : nobody && reach->outcome == TNDB_REACH_NO_ANSWER ? "server-unreachable"
                                                            : "cannot-open";
}

static void append_named(tndb_buffer *text, const char *before, const char *name) {
  tndb_buffer_append(text, before);
  tndb_quote_identifier(text, name);
}

/* Nobody got through to the server: what it was about, and the SQL for who does. */
static tenantdb_status explain(tndb_findings *findings, const tenantdb_config *config,
                               const tenantdb_error *failure, tenantdb_error **error) {
  tndb_reach reach;
  tndb_auto_buffer object = TNDB_BUFFER_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (!tndb_reach_find(config, &reach)) {
    tndb_reach_free(&reach);
    return tndb_no_memory(error);
  }
  const char *code = code_of(failure, &reach);
  if (strcmp(code, "database-missing") == 0) {
    append_named(&object, "database ", reach.database);
    append_named(&sql, "CREATE DATABASE ", reach.database);
  } else if (strcmp(code, "connect-not-granted") == 0) {
    append_named(&object, "database ", reach.database);
    append_named(&sql, "GRANT CONNECT ON DATABASE ", reach.database);
    append_named(&sql, " TO ", reach.user);
  } else if (strcmp(code, "login-refused") == 0) {
    append_named(&object, "role ", reach.user);
  } else {
    tndb_buffer_append(&object, tndb_buffer_text(&reach.place));
  }
  tndb_findings_add(findings, &(tndb_finding){.code = code,
                                              .object = tndb_buffer_text(&object),
                                              .found = tenantdb_error_message(failure),
                                              .sql = sql.length ? tndb_buffer_text(&sql) : NULL});
  tndb_reach_free(&reach);
  return object.failed || sql.failed ? tndb_no_memory(error) : TENANTDB_OK;
}

/* What stands in the way of the level that was asked for, with its SQL where there is any. */
static tenantdb_status explain_level(tndb_diagnosis *d, const tenantdb_config *config,
                                     const tenantdb_error *failure, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer object = TNDB_BUFFER_INIT;
  int64_t wanted = tndb_config_number(config, TNDB_ISOLATION_LEVEL);
  int64_t minimum = tndb_config_number(config, TNDB_ISOLATION_MINIMUM) + 1;
  wanted = wanted == 0 ? minimum : wanted;
  tndb_buffer_format(&object, "level %s", tenantdb_isolation_name((int32_t)wanted));
  if (!d->db->facts.create_role) {
    append_named(&sql, "ALTER ROLE ", d->db->facts.user);
    tndb_buffer_append(&sql, " CREATEROLE");
  }
  tndb_findings_add(&d->findings, &(tndb_finding){.code = "isolation-too-low",
                                                  .object = tndb_buffer_text(&object),
                                                  .found = tenantdb_error_message(failure),
                                                  .sql = sql.length ? tndb_buffer_text(&sql) : NULL});
  return object.failed || sql.failed ? tndb_no_memory(error) : TENANTDB_OK;
}

static tenantdb_status look(const tenantdb_config *config, tndb_diagnosis *d, tenantdb_error **error) {
  tndb_auto_error *strict = NULL;
  tndb_auto_error *lenient = NULL;
  tenantdb_status status = tenantdb_open(config, NULL, &d->db, &strict);
  if (status == TENANTDB_MEMORY) {
    return tndb_no_memory(error);
  }
  if (status && tndb_database_open_leniently(config, &d->db, &lenient)) {
    return tenantdb_error_status(lenient) == TENANTDB_MEMORY ? tndb_no_memory(error)
                                                             : explain(&d->findings, config, lenient, error);
  }
  if (tenantdb_error_reason(strict) == TENANTDB_REASON_ISOLATION_TOO_LOW) {
    status = explain_level(d, config, strict, error);
  } else {
    status = TENANTDB_OK; /* whatever else it was is asked about */
  }
  return status ? status : tndb_diagnose(d, error);
}

tenantdb_status tenantdb_diagnose_connection(const tenantdb_config *config, tenantdb_result **findings,
                                             tenantdb_error **error) {
  tndb_error_reset(error);
  if (!findings) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "findings is NULL");
  }
  *findings = NULL;
  tenantdb_config *copy = NULL;
  tndb_diagnosis d = {0};
  tenantdb_status status = tndb_config_copy(config, &copy, error);
  if (!status) {
    status = look(copy, &d, error);
  }
  if (!status) {
    status = tndb_findings_finish(&d.findings, findings, error);
  }
  tenantdb_close(d.db);
  tenantdb_config_free(copy);
  tndb_findings_free(&d.findings);
  return status;
}
