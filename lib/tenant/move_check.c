/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a move needs of two servers, two users and the tenant's tables, asked
 * before anything is changed, and told all together.
 */
#include <string.h>

#include "base/memory.h"
#include "catalog/newborn.h"
#include "pg/conninfo.h"
#include "registry/registry.h"
#include "sql/identifier.h"
#include "tenant/move.h"
#include "tenant/naming.h"

void tndb_move_refuse(tndb_move *move, const char *what, const char *remedy) {
  const char *cells[] = {tndb_move_step_name(TNDB_MOVE_CHECK), "refused", what, remedy, NULL};
  tndb_table_row(move->refusals, cells);
  tndb_buffer_append(&move->refused, move->n_refused++ ? "; " : "");
  tndb_buffer_append(&move->refused, what);
}

static tndb_deadline soon(const tenantdb *db) {
  return tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
}

/* ---------------------------------------------------------------- the other database */

/* What makes a database recognizable, whatever it is called from here: the cluster, its name, the catalog. */
static tenantdb_status read_identity(tenantdb *db, tndb_buffer *identity, tndb_buffer *place,
                                     tenantdb_error **error) {
  static const char identity_sql[] =
      "SELECT s.system_identifier, pg_catalog.current_database() FROM pg_catalog.pg_control_system() s";
  tndb_conn *conn;
  PGresult *rows = NULL;
  tndb_deadline deadline = soon(db);
  tenantdb_status status = tndb_pool_lease(db->pool, deadline, &conn, error);
  if (!status) {
    status = tndb_catalog_require(db, conn, deadline, error);
  }
  if (!status) {
    status = tndb_exchange_single(conn, identity_sql, NULL, deadline, &rows, error);
  }
  if (!status) {
    tndb_buffer_format(identity, "%s/", PQgetvalue(rows, 0, 0));
    tndb_buffer_append(identity, PQgetvalue(rows, 0, 1));
    tndb_buffer_append(identity, "/");
    tndb_buffer_append(identity, tndb_config_text(db->config, TNDB_CATALOG_SCHEMA));
    tndb_conninfo_place(conn, place);
    status = identity->failed || place->failed ? tndb_no_memory(error) : TENANTDB_OK;
  }
  PQclear(rows);
  tndb_pool_release(conn);
  return status;
}

/* His id, unless a tenant or a role of the other server has it: roles belong to whole servers. */
static tenantdb_status choose_id(tndb_move *move, tenantdb_error **error) {
  tndb_names_of_tenant names;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  memcpy(move->target, move->source->id, sizeof move->target);
  tenantdb_status status = tndb_naming_make(move->to, move->slug, move->target, &names, error);
  if (status) {
    return status;
  }
  tndb_buffer_format(&sql,
                     "SELECT 1 FROM %stenants t WHERE t.id = $1 UNION ALL"
                     " SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = $2",
                     move->to->catalog);
  const char *values[] = {move->target, names.role};
  status = sql.failed
               ? tndb_no_memory(error)
               : tndb_move_ask(move->to, tndb_buffer_text(&sql), 2, values, soon(move->to), &rows, error);
  if (status) {
    return status;
  }
  bool taken = PQntuples(rows) > 0;
  PQclear(rows);
  return !taken || tndb_uuid_new(move->target)
             ? TENANTDB_OK
             : tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                           "the system gives no random bytes");
}

tenantdb_status tndb_move_look(tndb_move *move, tenantdb_error **error) {
  tndb_auto_buffer here = TNDB_BUFFER_INIT;
  tndb_auto_buffer there = TNDB_BUFFER_INIT;
  tndb_auto_buffer place = TNDB_BUFFER_INIT;
  tndb_auto_buffer source = TNDB_BUFFER_INIT;
  tenantdb_status status = read_identity(move->from, &here, &source, error);
  if (!status) {
    status = read_identity(move->to, &there, &place, error);
  }
  if (status) {
    return status;
  }
  if (strcmp(tndb_buffer_text(&here), tndb_buffer_text(&there)) == 0) {
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
        "from and to are the same database; tenantdb_tenant_clone() copies a tenant within one");
  }
  tndb_free(move->here);
  move->here = tndb_buffer_take(&source);
  if (!move->here) {
    return tndb_no_memory(error);
  }
  if (move->stage != TNDB_STAGE_NEW) {
    const char *slug = move->settings.slug;
    if (strcmp(move->identity, tndb_buffer_text(&there)) != 0) {
      return tndb_origin(
          error, TENANTDB_STATE,
          move->stage == TNDB_STAGE_DONE ? TENANTDB_REASON_TENANT_MOVED : TENANTDB_REASON_MOVE_OPEN,
          "tenant %s %s to %s, which is another database than this", move->source->slug,
          move->stage == TNDB_STAGE_DONE ? "was moved" : "is being moved", move->there);
    }
    return slug && strcmp(slug, move->slug) != 0
               ? tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_MOVE_OPEN,
                             "tenant %s is being moved as \"%s\"; undo that move first to move him as \"%s\"",
                             move->source->slug, move->slug, slug)
               : TENANTDB_OK;
  }
  move->identity = tndb_buffer_take(&there);
  move->there = tndb_buffer_take(&place);
  move->slug = tndb_strdup(move->settings.slug ? move->settings.slug : move->source->slug);
  if (!move->identity || !move->there || !move->slug) {
    return tndb_no_memory(error);
  }
  return choose_id(move, error);
}

/* ---------------------------------------------------------------- servers and users */

typedef struct requirement {
  const char *what;
  const char *remedy;
} requirement;

/* Every row is "t" or "f", whether it is there; in the order of the requirements. */
static tenantdb_status ask_all(tndb_move *move, tenantdb *db, const char *sql, int32_t count,
                               const char *const *values, const requirement *requirements,
                               tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = tndb_move_ask(db, sql, count, values, soon(db), &rows, error);
  for (int i = 0; !status && i < PQnfields(rows); i++) {
    if (PQgetvalue(rows, 0, i)[0] != 't') {
      tndb_move_refuse(move, requirements[i].what, requirements[i].remedy);
    }
  }
  PQclear(rows);
  return status;
}

/* Two: one for the changes, and one for each table that is being copied. */
static tenantdb_status check_source(tndb_move *move, tenantdb_error **error) {
  static const char source_sql[] =
      "SELECT pg_catalog.current_setting('wal_level') = 'logical',"
      " pg_catalog.current_setting('max_replication_slots')::integer -"
      " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) >= 2,"
      " pg_catalog.current_setting('max_wal_senders')::integer -"
      " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) >= 2,"
      " (SELECT r.rolsuper OR r.rolreplication OR EXISTS (SELECT FROM pg_catalog.pg_roles g WHERE"
      " g.rolname = 'rds_replication' AND pg_catalog.pg_has_role(g.oid, 'USAGE')) FROM pg_catalog.pg_roles r"
      " WHERE r.rolname = CURRENT_USER),"
      " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),"
      " EXISTS (SELECT FROM pg_catalog.pg_language WHERE lanname = 'plpgsql')";
  static const requirement requirements[] = {
      {"at the source wal_level is not logical",
       "ALTER SYSTEM SET wal_level = logical; then restart the source's server"},
      {"at the source fewer than 2 replication slots are free",
       "ALTER SYSTEM SET max_replication_slots = <more>; then restart the source's server"},
      {"at the source fewer than 2 WAL senders are free",
       "ALTER SYSTEM SET max_wal_senders = <more>; then restart the source's server"},
      {"at the source the connected user may not use replication slots",
       "ALTER ROLE <user> REPLICATION; on Amazon RDS: GRANT rds_replication TO <user>"},
      {"at the source the connected user may not create a publication",
       "GRANT CREATE ON DATABASE <database> TO <user>"},
      {"at the source there is no language plpgsql", "CREATE EXTENSION plpgsql"}};
  return ask_all(move, move->from, source_sql, 0, NULL, requirements, error);
}

static tenantdb_status check_target(tndb_move *move, tenantdb_error **error) {
  static const char target_sql[] =
      "SELECT (SELECT r.rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_roles g WHERE"
      " g.rolname IN ('pg_create_subscription', 'rds_superuser') AND pg_catalog.pg_has_role(g.oid, 'USAGE'))"
      " FROM pg_catalog.pg_roles r WHERE r.rolname = CURRENT_USER),"
      " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'),"
      " pg_catalog.current_setting('max_logical_replication_workers')::integer - (SELECT pg_catalog.count(*)"
      " FROM pg_catalog.pg_stat_subscription s WHERE s.pid IS NOT NULL) >= 2,"
      " pg_catalog.current_setting('max_sync_workers_per_subscription')::integer >= 1,"
      " coalesce(pg_catalog.current_setting('max_active_replication_origins', true),"
      " pg_catalog.current_setting('max_replication_slots'))::integer >= 2,"
      " NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n WHERE n.nspname = $1),"
      " (SELECT r.rolsuper OR $2::boolean OR NOT EXISTS (SELECT FROM pg_catalog.pg_roles g WHERE g.rolname ="
      " 'pg_create_subscription' AND pg_catalog.pg_has_role(g.oid, 'USAGE')) FROM pg_catalog.pg_roles r"
      " WHERE r.rolname = CURRENT_USER)";
  tndb_auto_buffer schema = TNDB_BUFFER_INIT;
  tndb_buffer_append(&schema, "the other database has a schema ");
  tndb_quote_identifier(&schema, move->source->schema);
  tndb_buffer_append(&schema, " already, and replication goes by names");
  const requirement requirements[] = {
      {"at the target the connected user may not create a subscription",
       move->to->facts.version >= 160000 ? "GRANT pg_create_subscription TO <user>"
                                         : "open the target as a superuser"},
      {"at the target the connected user may not create anything in the database",
       "GRANT CREATE ON DATABASE <database> TO <user>"},
      {"at the target fewer than 2 workers for logical replication are free",
       "ALTER SYSTEM SET max_logical_replication_workers = <more>, and max_worker_processes; then restart "
       "the "
       "target's server"},
      {"at the target max_sync_workers_per_subscription is 0",
       "ALTER SYSTEM SET max_sync_workers_per_subscription = 2; SELECT pg_reload_conf()"},
      {"at the target fewer than 2 replication origins can be used",
       "ALTER SYSTEM SET max_replication_slots = 10 (PostgreSQL 18: max_active_replication_origins); then "
       "restart the target's server"},
      {tndb_buffer_text(&schema),
       "rename one of the two by tenantdb_relocate() with what = tenant, or drop it if it is nobody's"},
      {"at the target the connected user is no superuser, whose subscriptions need a password",
       "set option connection to a connection string with a password in it, for a user of the source whom"
       " the server asks for it"}};
  const char *connection = move->settings.connection;
  const char *values[] = {move->source->schema,
                          connection && tndb_conninfo_has_password(connection) ? "t" : "f"};
  return schema.failed ? tndb_no_memory(error)
                       : ask_all(move, move->to, target_sql, 2, values, requirements, error);
}

static tenantdb_status check_slug(tndb_move *move, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql,
                     "SELECT NOT EXISTS (SELECT FROM %stenants t WHERE t.state <> 'deleted' AND"
                     " lower(t.slug COLLATE \"C\") = lower($1::text COLLATE \"C\"))",
                     move->to->catalog);
  static const requirement free_slug = {"the other database has a living tenant of that slug already",
                                        "set option slug to another one"};
  const char *value = move->slug;
  return sql.failed ? tndb_no_memory(error)
                    : ask_all(move, move->to, tndb_buffer_text(&sql), 1, &value, &free_slug, error);
}

static tenantdb_status check_registries(tndb_move *move, tenantdb_error **error) {
  char here[TNDB_SHA256_HEX], there[TNDB_SHA256_HEX];
  tenantdb_status status = tndb_registry_hash(move->from->registry, TENANTDB_BASE_TENANT, here, error);
  if (!status) {
    status = tndb_registry_hash(move->to->registry, TENANTDB_BASE_TENANT, there, error);
  }
  if (!status && strcmp(here, there) != 0) {
    tndb_move_refuse(move, "the two databases were opened with different tenant bases",
                     "open both with the same registry");
  }
  return status;
}

/* ---------------------------------------------------------------- migrations */

static void refuse_set(tndb_move *move, const tndb_buffer *what, const char *remedy) {
  move->refused.failed = move->refused.failed || what->failed;
  tndb_move_refuse(move, tndb_buffer_text(what), remedy);
}

static const char same_set[] = "call tenantdb_use_migrations() there with the set that is in use here";

/* His ledger's rows come along: with one that the set there contradicts, nobody there could be migrated any more. */
static tenantdb_status check_history(tndb_move *move, const tndb_newborn *there, tenantdb_error **error) {
  tndb_work work;
  tenantdb_error *own = NULL;
  tndb_auto_buffer whose = TNDB_BUFFER_INIT;
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  tndb_buffer_append(&whose, "for the migrations in use in the other database tenant ");
  tndb_buffer_append(&whose, move->source->slug);
  tenantdb_status status = whose.failed ? tndb_no_memory(&own) : TENANTDB_OK;
  if (!status) {
    status = tndb_work_start_reading(&work, move->from, &own);
    if (!status) {
      status = there->functions->fits(there, &work, move->source->id, tndb_buffer_text(&whose), &own);
    }
    tndb_work_end(&work);
  }
  bool refused = status == TENANTDB_MIGRATION;
  bool gap = tenantdb_error_reason(own) == TENANTDB_REASON_OUT_OF_ORDER;
  if (refused) {
    tndb_buffer_append(&what, tenantdb_error_message(own));
    refuse_set(move, &what, gap ? "apply it by tenantdb_migrate() with option order = any" : same_set);
    tenantdb_error_free(own);
  }
  return status && !refused ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* The target's ledger has to say of him what the source's does, which takes a set that knows his version. */
static tenantdb_status check_version(tndb_move *move, tenantdb_error **error) {
  tenantdb_error *own = NULL;
  tndb_birth birth = tndb_birth_begin(move->to);
  tenantdb_status status = tndb_birth_at(&birth, move->source->version, "the tenant", &own);
  if (status && tenantdb_error_reason(own) != TENANTDB_REASON_HISTORY_MISSING) {
    return tndb_error_pass(error, own);
  }
  if (status) {
    tndb_auto_buffer what = TNDB_BUFFER_INIT;
    tndb_buffer_format(
        &what, "no migration in use in the other database leads to version %lld, which the tenant is of",
        (long long)move->source->version);
    refuse_set(move, &what, same_set);
    tenantdb_error_free(own);
    return TENANTDB_OK;
  }
  return birth.newborn ? check_history(move, birth.newborn, error) : TENANTDB_OK;
}

static tenantdb_status check_migrations(tndb_move *move, tenantdb_error **error) {
  static const requirement requirements[] = {
      {"a migration of the tenant is unfinished", "finish it by tenantdb_migrate(), or take it back"},
      {"the tenant has been migrated, and no migrations are in use in the other database", same_set},
      {"which migrations the tenant's schema has is not known",
       "say it once by tenantdb_migration_baseline()"}};
  const tndb_newborn *here = tndb_newborn_of(move->from);
  bool told = !here || here->version == 0 || move->source->version > 0;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(
      &sql,
      "SELECT NOT EXISTS (SELECT FROM %smigrations m WHERE m.tenant_id = $1 AND m.state <> 'done' AND"
      " (m.state = 'running' OR m.steps_done > 0)), $2::boolean OR NOT EXISTS (SELECT FROM"
      " %smigrations m WHERE m.tenant_id = $1 AND m.state = 'done'), $3::boolean",
      move->from->catalog, move->from->catalog);
  const char *values[] = {move->source->id, tndb_newborn_of(move->to) ? "t" : "f", told ? "t" : "f"};
  tenantdb_status status =
      sql.failed ? tndb_no_memory(error)
                 : ask_all(move, move->from, tndb_buffer_text(&sql), 3, values, requirements, error);
  return status ? status : check_version(move, error);
}

/* ---------------------------------------------------------------- tables */

/* Of every table what keeps it from being replicated: an own row for each reason. */
static const char tables_sql[] = TNDB_SHAPE_IN_SCHEMA
    ", t AS (SELECT r.*, c.relpersistence, c.relreplident, c.relhasindex FROM rel r JOIN pg_catalog.pg_class "
    "c"
    " ON c.oid = r.oid WHERE r.relkind IN ('r', 'p'))"
    " SELECT 'unlogged', pg_catalog.format('%s%I', t.prefix, t.relname) FROM t WHERE t.relpersistence <> 'p'"
    " UNION ALL SELECT 'identity', pg_catalog.format('%s%I', t.prefix, t.relname) FROM t WHERE"
    " t.relkind = 'r' AND t.relreplident <> 'f' AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE"
    " i.indrelid = t.oid AND CASE t.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident"
    " ELSE false END)"
    " UNION ALL SELECT 'trigger', pg_catalog.format('%I on %s%I', g.tgname, t.prefix, t.relname) FROM t JOIN"
    " pg_catalog.pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal AND g.tgenabled IN ('A', 'R')"
    " AND g.tgname <> '" TNDB_MOVE_GUARD
    "'"
    " UNION ALL SELECT 'foreign', pg_catalog.format('%s%I', r.prefix, r.relname) FROM rel r WHERE r.relkind "
    "= "
    "'f'"
    " ORDER BY 1, 2";

static void refuse_table(tndb_move *move, const char *kind, const char *name) {
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  tndb_auto_buffer remedy = TNDB_BUFFER_INIT;
  if (strcmp(kind, "identity") == 0) {
    if (move->settings.full_identity) {
      return;
    }
    tndb_buffer_append(&what, "table ");
    tndb_buffer_append(&what, name);
    tndb_buffer_append(&what, " has no primary key, so that its changes cannot be replicated");
    tndb_buffer_append(&remedy, "give it one, or set option identity to full");
  } else if (strcmp(kind, "unlogged") == 0) {
    tndb_buffer_append(&what, "table ");
    tndb_buffer_append(&what, name);
    tndb_buffer_append(&what, " is unlogged and cannot be replicated");
    tndb_buffer_append(&remedy, "ALTER TABLE ");
    tndb_buffer_append(&remedy, name);
    tndb_buffer_append(&remedy, " SET LOGGED");
  } else if (strcmp(kind, "trigger") == 0) {
    tndb_buffer_append(&what, "trigger ");
    tndb_buffer_append(&what, name);
    tndb_buffer_append(&what, " would fire a second time at the target");
    tndb_buffer_append(&remedy, "ALTER TABLE ... ENABLE TRIGGER, which is neither ALWAYS nor REPLICA");
  } else {
    tndb_buffer_append(&what, "foreign table ");
    tndb_buffer_append(&what, name);
    tndb_buffer_append(&what, " cannot be replicated");
    tndb_buffer_append(&remedy, "drop it, and declare it outside of the tenants' schemas");
  }
  move->refused.failed = move->refused.failed || what.failed || remedy.failed;
  tndb_move_refuse(move, tndb_buffer_text(&what), tndb_buffer_text(&remedy));
}

static tenantdb_status check_tables(tndb_move *move, tenantdb_error **error) {
  const char *schema = move->source->schema;
  PGresult *rows;
  tenantdb_status status = tndb_move_ask(move->from, tables_sql, 1, &schema, soon(move->from), &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    refuse_table(move, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1));
  }
  PQclear(rows);
  return status;
}

tenantdb_status tndb_move_check(tndb_move *move, tenantdb_error **error) {
  static tenantdb_status (*const checks[])(tndb_move *, tenantdb_error **) = {
      check_source, check_target, check_slug, check_registries, check_migrations, check_tables};
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; !status && i < sizeof checks / sizeof checks[0]; i++) {
    status = checks[i](move, error);
  }
  if (!status && move->refused.failed) {
    status = tndb_no_memory(error);
  }
  if (!status && move->n_refused > 0) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_MOVE_REFUSED,
                         "tenant %s cannot be moved yet: %s; the report says what mends it",
                         move->source->slug, tndb_buffer_text(&move->refused));
  }
  return status;
}
