/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/standby.h"

#include <string.h>

#include "sql/identifier.h"
#include "tenant/view.h"

/* No order: the first that fits and that nobody has locked will do, and the others are not looked at. */
static const char take_sql[] =
    "DELETE FROM %sstandby_schemas d WHERE d.id = (SELECT s.id FROM %sstandby_schemas s "
    "WHERE " TNDB_STANDBY_FITS
    " LIMIT 1 FOR UPDATE OF s SKIP LOCKED) RETURNING d.id, d.schema_name, d.role_name";

bool tndb_standby_is_wanted(const tenantdb *db) {
  return tndb_config_number(db->config, TNDB_TENANT_STANDBY) > 0 && db->level < TENANTDB_ISOLATION_LOGIN;
}

void tndb_standby_ask(tndb_standby_terms *terms, const tenantdb *db, const tndb_birth *birth,
                      const char *hash) {
  const tndb_newborn *newborn = birth->newborn;
  (void)tndb_int64_write(birth->version, terms->version);
  terms->values[TNDB_STANDBY_VERSION] = terms->version;
  terms->values[TNDB_STANDBY_HASH] = hash;
  terms->values[TNDB_STANDBY_ROLE] = db->level >= TENANTDB_ISOLATION_ROLE ? "true" : "false";
  terms->values[TNDB_STANDBY_MIGRATED] = newborn ? "true" : "false";
  terms->values[TNDB_STANDBY_ROW_VERSIONS] = newborn ? newborn->row_versions : NULL;
  terms->values[TNDB_STANDBY_ROW_NAMES] = newborn ? newborn->row_names : NULL;
  terms->values[TNDB_STANDBY_ROW_SUMS] = newborn ? newborn->row_sums : NULL;
}

/* They are names of what is there, so they are not longer. */
static void copy_name(char to[TNDB_NAME_SIZE], const char *name) {
  size_t length = strlen(name);
  length = length < TNDB_NAME_SIZE ? length : TNDB_NAME_SIZE - 1;
  memcpy(to, name, length);
  to[length] = '\0';
}

tenantdb_status tndb_standby_take(tndb_standby *standby, tndb_work *work, const tndb_birth *birth,
                                  const char *hash, tenantdb_error **error) {
  tndb_standby_terms terms;
  *standby = (tndb_standby){
      .take = TNDB_NONE, .rename_schema = TNDB_NONE, .rename_role = TNDB_NONE, .open = TNDB_NONE};
  tndb_standby_ask(&terms, work->db, birth, hash);
  size_t place = tndb_view_send(work, take_sql, TNDB_STANDBY_VALUES, terms.values);
  tenantdb_status status = tndb_work_sync(work, error);
  if (status) {
    standby->take = place;
    return status;
  }
  const PGresult *row = tndb_exchange_result(work->conn, place);
  standby->taken = PQntuples(row) == 1 && tndb_uuid_parse(PQgetvalue(row, 0, 0), standby->id);
  if (standby->taken) {
    copy_name(standby->names.schema, PQgetvalue(row, 0, 1));
    copy_name(standby->names.role, PQgetvalue(row, 0, 2));
  }
  return TENANTDB_OK;
}

static size_t send_rename(tndb_work *work, const char *what, const char *from, const char *to) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, what);
  tndb_quote_identifier(&sql, from);
  tndb_buffer_append(&sql, " RENAME TO ");
  tndb_quote_identifier(&sql, to);
  tndb_work_fail_if(work, sql.failed);
  return sql.failed ? TNDB_NONE : tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
}

void tndb_standby_queue(tndb_standby *standby, tndb_work *work, const tndb_names_of_tenant *names) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  standby->rename_schema = send_rename(work, "ALTER SCHEMA ", standby->names.schema, names->schema);
  if (!names->role[0]) {
    return;
  }
  if (strcmp(standby->names.role, names->role) != 0) {
    standby->rename_role = send_rename(work, "ALTER ROLE ", standby->names.role, names->role);
  }
  /* It belongs to the group already: to grant that again lets creators wait for each other since version 16. */
  tndb_buffer_append(&sql, "GRANT USAGE ON SCHEMA ");
  tndb_quote_identifier(&sql, names->schema);
  tndb_buffer_append(&sql, " TO ");
  tndb_quote_identifier(&sql, names->role);
  tndb_work_fail_if(work, sql.failed);
  standby->open = sql.failed ? TNDB_NONE : tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
}

/* That a name is taken is the creator's matter, as is who stopped him. */
bool tndb_standby_is_to_blame(const tndb_standby *standby, const tndb_work *work,
                              const tenantdb_error *error) {
  static const char *const his[] = {"42P06", "42710", "23505", "57014"};
  size_t failed = work->conn ? tndb_exchange_failed(work->conn) : TNDB_NONE;
  for (size_t i = 0; i < sizeof his / sizeof his[0]; i++) {
    if (strcmp(tenantdb_error_sqlstate(error), his[i]) == 0) {
      return false;
    }
  }
  return failed != TNDB_NONE && !work->conn->dead &&
         (failed == standby->take || failed == standby->rename_schema || failed == standby->rename_role ||
          failed == standby->open);
}

void tndb_standby_tell(tenantdb *db, const char *slug, bool taken) {
  tndb_counter_add(taken ? &db->counters.standby_taken : &db->counters.standby_missing, 1);
  if (!taken) {
    tndb_config_write_event(db->config, &(tndb_event){.kind = TNDB_EVENT_STANDBY_MISSING,
                                                      .tenant = slug,
                                                      .message = "no standby schema was there that could be "
                                                                 "taken: the tenant's was made anew"});
  }
}
