/* SPDX-License-Identifier: PostgreSQL */
/*
 * Diagnosis: what is wrong, in words that mend it.
 *
 * Verification and drift compare a schema with the registry. A diagnosis asks
 * why things do not work although the tables may be right: what is missing, in
 * the wrong place, granted to nobody or to everybody, set by somebody else.
 * It must work when little does: without a catalog, without rights, on a
 * standby. So it only reads, takes no lock that could be waited for, and what
 * cannot be looked at is a finding as well.
 *
 * All is asked in one flush, in one read-only transaction (tenant/diagnose_ask.c);
 * the number of tenants does not change the number of queries. Every finding is
 * of a closed list (tenant/diagnose_finding.c).
 */
#include "tenant/diagnose.h"

#include <tenantdb/diagnose.h>

#include "catalog/definition.h"
#include "catalog/tenants.h"

static void find(tndb_diagnosis *d, const char *code, const char *object, const char *found) {
  tndb_findings_add(&d->findings, &(tndb_finding){.code = code, .object = object, .found = found});
}

/* What the library's own schema is like. A refusal is found out about by the questions. */
static tenantdb_status read_catalog(tndb_diagnosis *d, tenantdb_error **error) {
  tndb_auto_error *own = NULL;
  tndb_auto_buffer object = TNDB_BUFFER_INIT;
  tndb_auto_buffer found = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_catalog_read(d->db, d->conn, d->deadline, &d->row, &own);
  tndb_buffer_format(&object, "schema \"%s\"", tndb_config_text(d->db->config, TNDB_CATALOG_SCHEMA));
  tndb_buffer_format(&found, "version %lld; this library writes version %d", (long long)d->row.version,
                     TNDB_CATALOG_VERSION);
  if (status == TENANTDB_PERMISSION) {
    return TENANTDB_OK;
  }
  if (status && (d->conn->dead || status == TENANTDB_MEMORY)) {
    tenantdb_error *raised = own;
    own = NULL;
    return tndb_error_pass(error, raised);
  }
  if (object.failed || found.failed) {
    return tndb_no_memory(error);
  }
  d->ready = !status && d->row.version > 0 && d->row.version <= TNDB_CATALOG_VERSION;
  if (status) {
    find(d, "cannot-open", tndb_buffer_text(&object), tenantdb_error_message(own));
  } else if (d->row.version == 0) {
    find(d, "catalog-missing", tndb_buffer_text(&object), "there is no catalog in it");
  } else if (d->row.version != TNDB_CATALOG_VERSION) {
    find(d, d->row.version < TNDB_CATALOG_VERSION ? "catalog-older" : "catalog-newer",
         tndb_buffer_text(&object), tndb_buffer_text(&found));
  }
  return TENANTDB_OK;
}

/* Without a readable catalog nobody knows who a tenant is; that is found, and no failure. */
static tenantdb_status read_tenant(tndb_diagnosis *d, tenantdb_error **error) {
  tenantdb_tenant *tenant;
  if (!d->tenant || !d->ready) {
    return TENANTDB_OK;
  }
  tndb_auto_error *own = NULL;
  tenantdb_status status = tndb_tenant_read(d->db, d->conn, d->tenant, false, d->deadline, &tenant, &own);
  if (status == TENANTDB_PERMISSION) {
    d->ready = false;
    return TENANTDB_OK;
  }
  if (status) {
    tenantdb_error *raised = own;
    own = NULL;
    return tndb_error_pass(error, raised);
  }
  for (size_t i = 0; i < sizeof d->id; i++) {
    d->id[i] = tenant->id[i];
  }
  tenantdb_tenant_free(tenant);
  return TENANTDB_OK;
}

tenantdb_status tndb_diagnose(tndb_diagnosis *d, tenantdb_error **error) {
  d->deadline = tndb_deadline_in(tndb_config_number(d->db->config, TNDB_OPERATION_TIMEOUT));
  tenantdb_status status = tndb_pool_lease(d->db->pool, d->deadline, &d->conn, error);
  if (!status) {
    status = read_catalog(d, error);
  }
  if (!status) {
    status = read_tenant(d, error);
  }
  if (!status) {
    status = tndb_diagnose_ask(d, error);
  }
  tndb_pool_release(d->conn);
  d->conn = NULL;
  return status || d->tenant ? status : tndb_diagnose_known(d, error);
}

tenantdb_status tenantdb_diagnose(tenantdb *db, const char *tenant, tenantdb_result **findings,
                                  tenantdb_error **error) {
  tndb_error_reset(error);
  if (!findings) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "findings is NULL");
  }
  *findings = NULL;
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tndb_diagnosis d = {.db = db, .tenant = tenant};
  status = tndb_diagnose(&d, error);
  if (!status) {
    status = tndb_findings_finish(&d.findings, findings, error);
  } else if (tenant) {
    tndb_error_set_tenant(error, tenant);
  }
  tndb_findings_free(&d.findings);
  return status;
}
