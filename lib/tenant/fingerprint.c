/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/answer.h"
#include "tenant/drift_fleet.h"

tenantdb_status tenantdb_fingerprints(tenantdb *db, const tenantdb_schema_options *options,
                                      tenantdb_result **result, tenantdb_error **error) {
  static const char *const columns[] = {"tenant", "schema", "fingerprint", "equal"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (status) {
    return status;
  }
  tndb_drift_fleet fleet;
  status = tndb_drift_fleet_read(db, options, &fleet, error);
  tndb_table *table = status ? NULL : tndb_table_new(columns, 4);
  for (size_t i = 0; !status && i < fleet.list.count; i++) {
    const char *cells[] = {tndb_fleet_list_slug(&fleet.list, i), tndb_fleet_list_schema(&fleet.list, i),
                           fleet.prints[i][0] ? fleet.prints[i] : NULL,
                           tndb_drift_fleet_is_equal(&fleet, db, i) ? "t" : "f"};
    tndb_table_row(table, cells);
  }
  tndb_drift_fleet_free(&fleet);
  return status ? status : tndb_table_finish(table, result, error);
}
