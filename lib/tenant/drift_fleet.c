/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/drift_fleet.h"

#include <string.h>

#include "base/memory.h"
#include "config/property.h"

/* How often a query is tried that met something being dropped. */
#define TRIES 3

void tndb_drift_fleet_free(tndb_drift_fleet *fleet) {
  tndb_fleet_list_free(&fleet->list);
  tndb_registry_form_release(fleet->forms[0]);
  tndb_registry_form_release(fleet->forms[1]);
  tndb_free(fleet->prints);
  *fleet = (tndb_drift_fleet){.prints = NULL};
}

static bool with_role(const tndb_drift_fleet *fleet, const tenantdb *db, size_t tenant) {
  return tndb_registry_form_wants_role(db, tndb_fleet_list_role(&fleet->list, tenant));
}

tndb_registry_form *tndb_drift_fleet_form(const tndb_drift_fleet *fleet, const tenantdb *db, size_t tenant) {
  return fleet->forms[with_role(fleet, db, tenant)];
}

bool tndb_drift_fleet_is_equal(const tndb_drift_fleet *fleet, const tenantdb *db, size_t tenant) {
  return strcmp(fleet->prints[tenant], tndb_drift_fleet_form(fleet, db, tenant)->fingerprint) == 0;
}

/* ---------------------------------------------------------------- asking */

/* What a query says that came upon an object which was dropped while it ran. */
static bool met_ddl(const tenantdb_error *failure) {
  static const char *const codes[] = {"XX000", "42P01", "42704", "42883", "3F000"};
  for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
    if (strcmp(tenantdb_error_sqlstate(failure), codes[i]) == 0) {
      return true;
    }
  }
  return false;
}

static tenantdb_status ask_once(tenantdb *db, tndb_form_targets *targets, const tndb_form_expected *expected,
                                tndb_form_reader *which, PGresult **rows, tenantdb_error **error) {
  tndb_work work;
  tenantdb_status status = tndb_form_start(&work, db, error);
  if (!status) {
    status = which(&work, targets, expected, rows, error);
  }
  tndb_work_end(&work);
  return status;
}

tenantdb_status tndb_drift_fleet_ask(tenantdb *db, const tndb_drift_fleet *fleet, const size_t *tenants,
                                     size_t count, tndb_form_reader *which, PGresult **rows,
                                     tenantdb_error **error) {
  tndb_form_targets targets = TNDB_FORM_TARGETS_INIT;
  const tndb_registry_form *form = fleet->forms[0] ? fleet->forms[0] : fleet->forms[1];
  tenantdb_status status = TENANTDB_OK;
  bool again = true;
  *rows = NULL;
  for (size_t i = 0; i < count; i++) {
    tndb_form_targets_add(&targets, tndb_fleet_list_schema(&fleet->list, tenants[i]),
                          tndb_fleet_list_role(&fleet->list, tenants[i]),
                          tndb_fleet_list_state(&fleet->list, tenants[i]));
  }
  for (int i = 0; again; i++) {
    tenantdb_error *own = NULL;
    status = ask_once(db, &targets, form ? &form->expected : NULL, which, rows, &own);
    again = status && i + 1 < TRIES && met_ddl(own);
    if (again || !status) {
      tenantdb_error_free(own);
    } else {
      (void)tndb_error_pass(error, own);
    }
  }
  tndb_form_targets_free(&targets);
  return status;
}

/* ---------------------------------------------------------------- fingerprints */

static tenantdb_status get_forms(tenantdb *db, tndb_drift_fleet *fleet, tenantdb_error **error) {
  bool needed[2] = {false, false};
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; i < fleet->list.count; i++) {
    needed[with_role(fleet, db, i)] = true;
  }
  for (int i = 0; i < 2 && !status; i++) {
    status = needed[i] ? tndb_registry_form_get(db, i == 1, &fleet->forms[i], error) : TENANTDB_OK;
  }
  return status;
}

static tenantdb_status read_batch(tenantdb *db, tndb_drift_fleet *fleet, const size_t *tenants, size_t count,
                                  tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status =
      tndb_drift_fleet_ask(db, fleet, tenants, count, tndb_form_fingerprints, &rows, error);
  for (int row = 0; !status && row < PQntuples(rows); row++) {
    int64_t ord = 0;
    if (tndb_number_parse(PQgetvalue(rows, row, 0), &ord) && ord >= 1 && (size_t)ord <= count &&
        PQgetlength(rows, row, 1) == TNDB_SHA256_HEX - 1) {
      memcpy(fleet->prints[tenants[ord - 1]], PQgetvalue(rows, row, 1), TNDB_SHA256_HEX);
    }
  }
  PQclear(rows);
  return status;
}

tenantdb_status tndb_drift_fleet_print(tenantdb *db, tndb_drift_fleet *fleet, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  size_t batch = (size_t)fleet->settings.batch;
  tndb_auto_free size_t *tenants = tndb_alloc_array(batch, sizeof *tenants);
  fleet->prints = tndb_alloc_array(fleet->list.count, sizeof *fleet->prints);
  if (!tenants || !fleet->prints) {
    return tndb_no_memory(error);
  }
  for (size_t at = 0; at < fleet->list.count && !status; at += batch) {
    size_t count = fleet->list.count - at < batch ? fleet->list.count - at : batch;
    for (size_t i = 0; i < count; i++) {
      tenants[i] = at + i;
    }
    status = read_batch(db, fleet, tenants, count, error);
  }
  return status;
}

tenantdb_status tndb_drift_fleet_read(tenantdb *db, const tenantdb_schema_options *options,
                                      tndb_drift_fleet *fleet, tenantdb_error **error) {
  *fleet = (tndb_drift_fleet){.prints = NULL};
  tenantdb_status status = tndb_schema_options_read(db, options, &fleet->settings, &fleet->list, error);
  if (!status) {
    status = get_forms(db, fleet, error);
  }
  return status ? status : tndb_drift_fleet_print(db, fleet, error);
}
