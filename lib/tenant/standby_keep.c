/* SPDX-License-Identifier: PostgreSQL */
/*
 * Keeping as many standby schemas as are wanted.
 *
 * Each is made, or dropped, in one transaction, so that whoever is killed leaves
 * nothing half done; and in each a lock is tried for and what there is is counted
 * anew, so that several who do this at once never make too many. Who does not get
 * the lock leaves it to the other.
 *
 * One of a newer version than ours is another program's, of a newer release, who
 * sees to them from now on: what we would make he would drop.
 */
#include <string.h>

#include "catalog/newborn.h"
#include "pg/failure.h"
#include "sql/identifier.h"
#include "tenant/access.h"
#include "tenant/provision.h"
#include "tenant/standby.h"
#include "tenant/view.h"

static const char count_sql[] =
    "SELECT count(*) FILTER (WHERE f.fits), count(*) FILTER (WHERE f.newer) FROM (SELECT"
    " coalesce(" TNDB_STANDBY_FITS
    ", false) AS fits, s.version > $1::bigint AS newer FROM"
    " %sstandby_schemas s) f";

/* $8: how many are wanted. Not what a migration that is not transactional is at. */
static const char drop_sql[] =
    "WITH f AS MATERIALIZED (SELECT s.id, s.version, s.created_at, coalesce(" TNDB_STANDBY_FITS
    ", false) AS fits FROM %sstandby_schemas s), r AS (SELECT f.*, row_number() OVER (ORDER BY f.fits DESC,"
    " f.created_at, f.id) AS n FROM f) DELETE FROM %sstandby_schemas d WHERE d.id = (SELECT s.id FROM"
    " %sstandby_schemas s JOIN r ON r.id = s.id WHERE (CASE WHEN r.fits THEN r.n > $8::integer ELSE r.version"
    " <= $1::bigint END) AND NOT EXISTS (SELECT FROM %smigrations m WHERE m.tenant_id = s.id AND m.state ="
    " 'running' AND m.lease_until > now()) LIMIT 1 FOR UPDATE OF s SKIP LOCKED) RETURNING d.id,"
    " d.schema_name, d.role_name, (SELECT " TNDB_STANDBY_MARKED(
        "d") " FROM pg_namespace n WHERE n.nspname ="
             " d.schema_name), EXISTS (SELECT FROM pg_roles r WHERE r.rolname = d.role_name)";

/* Renaming a schema does not change what functions have kept of its name. $1 the schema. */
static const char keeps_name_sql[] =
    "SELECT ('" TNDB_CHECK_PREFIX
    "' || string_agg(p.proname, ', '))::integer FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_proc p ON"
    " p.pronamespace = n.oid WHERE n.nspname = $1 AND (strpos(p.prosrc, $1::text) > 0 OR"
    " strpos(array_to_string(p.proconfig, ' '), $1::text) > 0)";

/* $8 its id. What would not be taken must not be made: it would be made again and again. (Of constants the planner would make an error.) */
static const char verify_sql[] =
    "SELECT CASE WHEN NOT coalesce((SELECT " TNDB_STANDBY_FITS
    " FROM %sstandby_schemas s WHERE s.id = $8::uuid), false) THEN ('" TNDB_CHECK_PREFIX
    "it is none for ' || current_user)::integer END";

/* What one transaction works with. */
typedef struct keeper {
  tenantdb *db;
  tndb_work work;
  tndb_birth birth;
  char id[TNDB_UUID_TEXT];
  char hash[TNDB_SHA256_HEX];
  tndb_standby_terms terms;
  int64_t many;
  tndb_standby_step *step;
} keeper;

/* ---------------------------------------------------------------- beginning */

static int64_t wanted(const tenantdb *db) {
  return tndb_standby_is_wanted(db) ? tndb_config_number(db->config, TNDB_TENANT_STANDBY) : 0;
}

static tenantdb_status begin(keeper *k, tenantdb_error **error) {
  char lock[TNDB_UUID_TEXT + 8] = "standby:";
  k->birth = tndb_birth_begin(k->db);
  k->many = wanted(k->db);
  if (!tndb_uuid_new(k->id)) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system gives no random bytes");
  }
  memcpy(lock + 8, k->id, sizeof k->id);
  tenantdb_status status = tndb_registry_hash(k->db->registry, TENANTDB_BASE_TENANT, k->hash, error);
  if (!status) {
    status = tndb_work_start(&k->work, k->db, lock, true, error);
  }
  return status;
}

static void say(tndb_standby_step *step, const char *action, const char *schema, const char *outcome) {
  size_t length = strlen(schema);
  step->action = action;
  length = length < TNDB_NAME_SIZE ? length : TNDB_NAME_SIZE - 1;
  memcpy(step->schema, schema, length);
  step->schema[length] = '\0';
  tndb_buffer_clear(&step->outcome);
  tndb_buffer_append(&step->outcome, outcome);
}

/* ---------------------------------------------------------------- making one */

static void queue_rows(keeper *k, const tndb_names_of_tenant *names) {
  const char *values[] = {k->id, names->schema, names->role[0] ? names->role : NULL, k->terms.version,
                          k->hash};
  tndb_record record = {.tenant_id = k->id, .action = "prepare standby"};
  (void)tndb_view_send(&k->work,
                       "INSERT INTO %sstandby_schemas (id, schema_name, role_name, version, registry_hash)"
                       " VALUES ($1, $2, $3, $4, $5)",
                       5, values);
  tndb_work_record(&k->work, &record);
  tndb_birth_queue(&k->birth, &k->work, k->id);
}

/* Nobody may use it until it is a tenant's. */
static void queue_shut(tndb_work *work, const tndb_names_of_tenant *names) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "REVOKE USAGE ON SCHEMA ");
  tndb_quote_identifier(&sql, names->schema);
  tndb_buffer_append(&sql, " FROM ");
  tndb_quote_identifier(&sql, names->role);
  tndb_work_fail_if(work, sql.failed);
  if (!sql.failed && names->role[0]) {
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
}

/* One more value behind the terms. */
static void add_value(const keeper *k, const char *value, const char *values[TNDB_STANDBY_VALUES + 1]) {
  memcpy(values, k->terms.values, sizeof k->terms.values);
  values[TNDB_STANDBY_VALUES] = value;
}

/* Queue asking whether it is what it has to be; the places of both questions. */
static void queue_checks(keeper *k, const char *schema, size_t places[2]) {
  const char *values[TNDB_STANDBY_VALUES + 1];
  add_value(k, k->id, values);
  places[0] = tndb_work_send(&k->work, keeps_name_sql, 1, &schema);
  places[1] = tndb_view_send(&k->work, verify_sql, TNDB_STANDBY_VALUES + 1, values);
}

static tenantdb_status explain(const keeper *k, const tndb_provision *provision, const size_t places[2],
                               tenantdb_error **error) {
  char found[200];
  size_t failed = k->work.conn ? tndb_exchange_failed(k->work.conn) : TNDB_NONE;
  bool check =
      failed != TNDB_NONE && tndb_failure_is_check(tndb_exchange_result(k->work.conn, failed), found);
  if (check && failed == places[0]) {
    return tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
                       "function %s would keep the name of the standby schema, which is another one when it "
                       "is a tenant's: leave {schema} and SET search_path FROM CURRENT out of it, or do "
                       "without tenant.standby",
                       found);
  }
  if (check && failed == places[1]) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_VERIFICATION_FAILED,
                       "standby schema %s would not be what a new tenant is to have; nothing was kept",
                       provision->schema);
  }
  if (failed != TNDB_NONE) {
    (void)tndb_provision_explain(provision, &k->work, error);
  }
  return tenantdb_error_status(*error);
}

static tenantdb_status make(keeper *k, tenantdb_error **error) {
  tndb_names_of_tenant names;
  tndb_provision provision = {0};
  size_t places[2];
  say(k->step, "make", "", "done");
  tenantdb_status status = tndb_naming_make_standby(k->db, k->id, &names, error);
  if (status) {
    return status;
  }
  say(k->step, "make", names.schema, "done");
  queue_rows(k, &names);
  status =
      tndb_provision_queue(&provision, &k->work, k->id, names.schema, names.role, NULL, &k->birth, error);
  if (!status) {
    queue_shut(&k->work, &names);
    tndb_provision_join(&provision, &k->work);
    queue_checks(k, names.schema, places);
    status = tndb_work_commit(&k->work, error);
    status = status ? explain(k, &provision, places, error) : TENANTDB_OK;
  }
  tndb_provision_free(&provision);
  return status;
}

/* ---------------------------------------------------------------- dropping one */

enum { ID, SCHEMA, ROLE, MARKED, HAS_ROLE };

static void queue_drop(tndb_work *work, const PGresult *row) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *id = PQgetvalue(row, 0, ID);
  bool is_there = !PQgetisnull(row, 0, MARKED);
  bool is_ours = !is_there || PQgetvalue(row, 0, MARKED)[0] == 't';
  tndb_record record = {.tenant_id = id, .action = "drop standby"};
  tndb_work_record(work, &record);
  (void)tndb_view_send(work, "DELETE FROM %smigrations WHERE tenant_id = $1", 1, &id);
  if (is_there && is_ours) {
    tndb_buffer_append(&sql, "DROP SCHEMA ");
    tndb_quote_identifier(&sql, PQgetvalue(row, 0, SCHEMA));
    tndb_buffer_append(&sql, " CASCADE");
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  if (is_ours && PQgetvalue(row, 0, HAS_ROLE)[0] == 't') {
    tndb_access_drop_role(work, PQgetvalue(row, 0, ROLE));
  }
}

static tenantdb_status drop(keeper *k, tenantdb_error **error) {
  PGresult *row = NULL;
  char many[TNDB_INT64_TEXT];
  const char *values[TNDB_STANDBY_VALUES + 1];
  (void)tndb_int64_write(k->many, many);
  add_value(k, many, values);
  tenantdb_status status = tndb_view_query(&k->work, drop_sql, TNDB_STANDBY_VALUES + 1, values, &row, error);
  if (!status && PQntuples(row) == 1) {
    bool spoilt = !PQgetisnull(row, 0, MARKED) && PQgetvalue(row, 0, MARKED)[0] != 't';
    say(k->step, "drop", PQgetvalue(row, 0, SCHEMA),
        spoilt ? "only its row: the schema's comment is not our mark any more, so it and its role stay"
               : "done");
    queue_drop(&k->work, row);
    status = tndb_work_commit(&k->work, error);
  }
  PQclear(row);
  return status;
}

/* ---------------------------------------------------------------- one step */

static int64_t number_at(const PGresult *row, int column) {
  int64_t number = 0;
  (void)tndb_number_parse(PQgetvalue(row, 0, column), &number);
  return number;
}

static tenantdb_status keep(keeper *k, tenantdb_error **error) {
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  tndb_buffer_format(&lock, "SELECT pg_try_advisory_xact_lock(" TNDB_LOCK_CLASS ", %d)",
                     tndb_lock_key(k->db, "standby"));
  if (lock.failed) {
    return tndb_no_memory(error);
  }
  size_t locked = tndb_work_send(&k->work, tndb_buffer_text(&lock), 0, NULL);
  tndb_standby_ask(&k->terms, k->db, &k->birth, k->hash);
  size_t counted = tndb_view_send(&k->work, count_sql, TNDB_STANDBY_VALUES, k->terms.values);
  tenantdb_status status = tndb_work_sync(&k->work, error);
  if (status) {
    return status;
  }
  const PGresult *row = tndb_exchange_result(k->work.conn, counted);
  int64_t there = number_at(row, 0), newer = number_at(row, 1);
  if (PQgetvalue(tndb_exchange_result(k->work.conn, locked), 0, 0)[0] != 't') {
    say(k->step, "leave", "", "somebody else is at it");
    return TENANTDB_OK;
  }
  k->step->more = true;
  if (there < k->many && newer == 0) {
    return make(k, error);
  }
  status = drop(k, error);
  if (!status && !k->step->action && there < k->many) {
    say(k->step, "leave", "", "a program that has newer migrations keeps newer ones");
  }
  k->step->more = k->step->action && strcmp(k->step->action, "drop") == 0;
  return status;
}

tenantdb_status tndb_standby_keep(tenantdb *db, tndb_standby_step *step, tenantdb_error **error) {
  keeper k = {.db = db, .step = step};
  tenantdb_error *own = NULL;
  *step = (tndb_standby_step){.outcome = TNDB_BUFFER_INIT};
  tenantdb_status status = begin(&k, &own);
  if (!status) {
    status = keep(&k, &own);
  }
  tndb_work_end(&k.work);
  if (status && step->action && status != TENANTDB_CONNECTION && status != TENANTDB_MEMORY &&
      status != TENANTDB_UNKNOWN) {
    tndb_buffer_clear(&step->outcome);
    tndb_buffer_append(&step->outcome, tenantdb_error_message(own));
    step->more = false;
    tenantdb_error_free(own);
    return step->outcome.failed ? tndb_no_memory(error) : TENANTDB_OK;
  }
  if (!status && step->outcome.failed) {
    status = tndb_no_memory(&own);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}
