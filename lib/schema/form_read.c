/* SPDX-License-Identifier: PostgreSQL */
#include <string.h>

#include "schema/form.h"
#include "schema/form_sql.h"
#include "sql/identifier.h"

/* Whatever constants are written by; the rest of the transaction does not mind. A big query is not worth compiling. */
static const char settings_sql[] =
    "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),"
    " pg_catalog.set_config('datestyle', 'ISO, YMD', true),"
    " pg_catalog.set_config('intervalstyle', 'postgres', true),"
    " pg_catalog.set_config('timezone', 'UTC', true),"
    " pg_catalog.set_config('extra_float_digits', '1', true),"
    " pg_catalog.set_config('bytea_output', 'hex', true),"
    " pg_catalog.set_config('quote_all_identifiers', 'off', true),"
    " pg_catalog.set_config('jit', 'off', true)";

tenantdb_status tndb_form_start(tndb_work *work, tenantdb *db, tenantdb_error **error) {
  tenantdb_status status = tndb_work_start_reading(work, db, error);
  if (status) {
    return status;
  }
  tndb_auto_buffer limits = TNDB_BUFFER_INIT;
  tndb_buffer_format(&limits,
                     "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),"
                     " pg_catalog.set_config('lock_timeout', '%lld', true),"
                     " pg_catalog.set_config('statement_timeout', '%lld', true)",
                     (long long)tndb_config_number(db->config, TNDB_OPERATION_LOCK_TIMEOUT),
                     (long long)tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  (void)tndb_exchange_send(work->conn, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY", NULL);
  (void)tndb_exchange_send(work->conn, tndb_buffer_text(&limits), NULL);
  tndb_work_fail_if(work, limits.failed);
  work->begun = true;
  return TENANTDB_OK;
}

static bool finish(tndb_form_targets *targets) {
  if (!targets->finished) {
    targets->finished = tndb_text_array_finish(&targets->schemas) &&
                        tndb_text_array_finish(&targets->roles) && tndb_text_array_finish(&targets->states);
  }
  return targets->finished;
}

static tenantdb_status ask(tndb_work *work, void (*build)(tndb_buffer *sql, int version),
                           tndb_form_targets *targets, const tndb_form_expected *expected, PGresult **rows,
                           tenantdb_error **error) {
  static const tndb_form_expected nothing = {"{}", "{}", "{}", NULL};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer tenants = TNDB_BUFFER_INIT;
  char group[64];
  *rows = NULL;
  if (!finish(targets)) {
    return tndb_no_memory(error);
  }
  expected = expected && expected->kinds ? expected : &nothing;
  build(&sql, PQserverVersion(work->conn->pg));
  tndb_buffer_format(&tenants, "%stenants", work->db->catalog);
  tndb_database_group_role(work->db, group);
  const char *values[TNDB_FORM_PARAMETERS] = {tndb_buffer_text(&targets->schemas.text),
                                              tndb_buffer_text(&targets->roles.text),
                                              tndb_buffer_text(&targets->states.text),
                                              group,
                                              tndb_buffer_text(&tenants),
                                              tndb_database_shared_schema(work->db),
                                              expected->kinds,
                                              expected->objects,
                                              expected->definitions,
                                              expected->partitions};
  if (sql.failed || tenants.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(work, settings_sql, 0, NULL);
  return tndb_work_query(work, tndb_buffer_text(&sql), TNDB_FORM_PARAMETERS, values, rows, error);
}

tenantdb_status tndb_form_rows(tndb_work *work, tndb_form_targets *targets,
                               const tndb_form_expected *expected, PGresult **rows, tenantdb_error **error) {
  return ask(work, tndb_form_sql_rows, targets, expected, rows, error);
}

tenantdb_status tndb_form_fingerprints(tndb_work *work, tndb_form_targets *targets,
                                       const tndb_form_expected *expected, PGresult **rows,
                                       tenantdb_error **error) {
  return ask(work, tndb_form_sql_fingerprints, targets, expected, rows, error);
}
