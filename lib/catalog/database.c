/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/database.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "catalog/definition.h"
#include "catalog/harden.h"
#include "catalog/login.h"
#include "catalog/newborn.h"
#include "config/events.h"
#include "pg/exchange.h"
#include "registry/registry.h"
#include "sql/identifier.h"

#define MAGIC 0x746e6462u /* "tndb" */

/* ---------------------------------------------------------------- the handle */

tenantdb_status tndb_database_check(const tenantdb *db, tenantdb_error **error) {
  if (!db) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  }
  if (db->magic != MAGIC) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "db is not an open database");
  }
  if (db->fork != tndb_fork_generation()) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_FORKED,
                       "the database was opened before fork(), and its connections are the parent's: open "
                       "another one in the child");
  }
  return tndb_pool_is_closed(db->pool)
             ? tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_DATABASE_CLOSED, "the database is closed")
             : TENANTDB_OK;
}

tenantdb *tndb_database_hold(tenantdb *db) {
  atomic_fetch_add(&db->references, 1);
  return db;
}

/*
 * In a child after fork(): the parent's connections are let go of without a word.
 * False when a lock was held at that moment: then what it guards may be half
 * done, and its memory is left alone.
 */
static bool abandon(tenantdb *db) {
  if (!tndb_mutex_try_lock(&db->mutex)) {
    return false;
  }
  tndb_mutex_unlock(&db->mutex);
  bool done = tndb_pool_abandon(db->pool);
  return tndb_pool_abandon(db->logins) && done;
}

/* The server has been demoted, or was replaced by its standby under the same name. */
void tndb_database_notice_failure(tenantdb *db, const tndb_conn *conn, const tenantdb_error *failure) {
  bool says = tenantdb_error_reason(failure) == TENANTDB_REASON_READ_ONLY_SERVER;
  if (!says || !conn || conn->adopted || conn->tainted) {
    return; /* what a session has set by itself proves nothing */
  }
  const char *standby = PQparameterStatus(conn->pg, "in_hot_standby");
  const char *read_only = PQparameterStatus(conn->pg, "default_transaction_read_only");
  bool tells = standby && read_only; /* from version 14 on; before, a transaction may have been made so */
  if ((!tells || strcmp(standby, "on") == 0 || strcmp(read_only, "on") == 0) &&
      tndb_pool_distrust(db->pool)) {
    if (db->logins) {
      (void)tndb_pool_distrust(db->logins);
    }
    tndb_config_write_event(
        db->config, &(tndb_event){.kind = TNDB_EVENT_CONNECTIONS_DISTRUSTED,
                                  .message = "the server is read only: all connections to it are replaced"});
  }
}

void tndb_database_release(tenantdb *db) {
  if (!db || atomic_fetch_sub(&db->references, 1) != 1) {
    return;
  }
  db->magic = 0;
  if (db->fork != tndb_fork_generation() && !abandon(db)) {
    return;
  }
  for (size_t i = 0; i < 2; i++) {
    if (db->forms[i]) {
      db->release_form(db->forms[i]);
    }
  }
  tndb_newborn_release_all(db);
  tndb_login_free(db);
  tndb_pool_free(db->pool);
  tndb_cache_clear(&db->tenants);
  tenantdb_registry_free(db->registry);
  tenantdb_config_free(db->config);
  tndb_facts_free(&db->facts);
  tndb_hardening_free(&db->hardening);
  tndb_free(db->catalog);
  tndb_mutex_destroy(&db->mutex);
  tndb_free(db);
}

void tenantdb_close(tenantdb *db) {
  if (db && db->magic == MAGIC) {
    if (db->fork == tndb_fork_generation()) {
      tndb_pool_close(db->logins);
      tndb_pool_close(db->pool);
    } else {
      (void)abandon(db); /* now, although sessions may keep the handle alive: the sockets are the parent's */
    }
    tndb_database_release(db);
  }
}

const char *tndb_database_shared_schema(const tenantdb *db) {
  return tndb_config_text(db->config, TNDB_DATABASE_SCHEMA);
}

void tndb_path_append(tndb_buffer *path, const tenantdb *db, const char *schema) {
  const char *extensions = tndb_config_text(db->config, TNDB_EXTENSIONS_SCHEMA);
  tndb_quote_identifier(path, schema);
  if (*extensions && strcmp(extensions, schema) != 0) {
    tndb_buffer_append(path, ", ");
    tndb_quote_identifier(path, extensions);
  }
  tndb_buffer_append(path, ", pg_temp");
}

/* ---------------------------------------------------------------- what the catalog says of itself */

/*
 * Through jsonb, so that the row of a newer catalog, whose columns may differ, can be read far enough.
 * A group role that is gone (a dump was restored on another server) reads as none: bootstrap makes another.
 */
static bool build_read(const tenantdb *db, tndb_buffer *sql) {
  tndb_buffer_format(sql,
                     "SELECT c.version, g.rolname, to_jsonb(c)->>'grants_hash',"
                     " coalesce(pg_catalog.pg_has_role(g.oid, 'MEMBER'), false) FROM %scatalog c"
                     " LEFT JOIN pg_catalog.pg_roles g ON g.rolname = to_jsonb(c)->>'group_role'",
                     db->catalog);
  return !sql->failed;
}

static void copy_text(char *to, size_t size, const char *from) {
  size_t length = strlen(from);
  length = length < size ? length : size - 1;
  memcpy(to, from, length);
  to[length] = '\0';
}

/*
 * Read from the table, not by to_regclass(): that answers from the back end's
 * cache, which after waiting for a lock inside a transaction may not know yet
 * what the holder of the lock has made.
 */
static const char catalog_exists_sql[] =
    "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = "
    "c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = 'catalog')";

tenantdb_status tndb_catalog_read(const tenantdb *db, tndb_conn *conn, tndb_deadline deadline,
                                  tndb_catalog_row *row, tenantdb_error **error) {
  *row = (tndb_catalog_row){0};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (!build_read(db, &sql)) {
    return tndb_no_memory(error);
  }
  const char *schema = tndb_config_text(db->config, TNDB_CATALOG_SCHEMA);
  tndb_values values = {1, &schema, NULL, NULL, NULL};
  PGresult *rows;
  tenantdb_status status = tndb_exchange_single(conn, catalog_exists_sql, &values, deadline, &rows, error);
  bool there = !status && PQgetvalue(rows, 0, 0)[0] == 't';
  if (!status) {
    PQclear(rows);
  }
  if (status || !there) {
    return status;
  }
  status = tndb_exchange_single(conn, tndb_buffer_text(&sql), NULL, deadline, &rows, error);
  if (status) {
    return status;
  }
  if (PQntuples(rows) != 1 || !tndb_number_parse(PQgetvalue(rows, 0, 0), &row->version)) {
    PQclear(rows);
    return tndb_origin(
        error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_CATALOG_COLLISION,
        "the table %scatalog is there but is not the catalog of libtenantdb; choose another catalog.schema",
        db->catalog);
  }
  copy_text(row->group_role, sizeof row->group_role, PQgetvalue(rows, 0, 1));
  copy_text(row->grants_hash, sizeof row->grants_hash, PQgetvalue(rows, 0, 2));
  row->is_member = PQgetvalue(rows, 0, 3)[0] == 't';
  PQclear(rows);
  return TENANTDB_OK;
}

static tenantdb_status refuse_newer(const tenantdb *db, const tndb_catalog_row *row, tenantdb_error **error) {
  if (row->version <= TNDB_CATALOG_VERSION) {
    return TENANTDB_OK;
  }
  return tndb_origin(
      error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_CATALOG_NEWER,
      "the catalog in schema %s is of version %lld, this library %s knows up to version %d: use a "
      "newer library",
      tndb_config_text(db->config, TNDB_CATALOG_SCHEMA), (long long)row->version, tenantdb_version(),
      TNDB_CATALOG_VERSION);
}

void tndb_catalog_remember(tenantdb *db, const tndb_catalog_row *row) {
  tndb_mutex_lock(&db->mutex);
  db->catalog_ready = row->version == TNDB_CATALOG_VERSION &&
                      (db->level < TENANTDB_ISOLATION_ROLE || row->group_role[0] != '\0');
  memcpy(db->group_role, row->group_role, sizeof db->group_role);
  tndb_mutex_unlock(&db->mutex);
}

void tndb_database_group_role(tenantdb *db, char name[64]) {
  tndb_mutex_lock(&db->mutex);
  memcpy(name, db->group_role, sizeof db->group_role);
  tndb_mutex_unlock(&db->mutex);
}

tenantdb_status tndb_catalog_require(tenantdb *db, tndb_conn *conn, tndb_deadline deadline,
                                     tenantdb_error **error) {
  tndb_mutex_lock(&db->mutex);
  bool ready = db->catalog_ready;
  tndb_mutex_unlock(&db->mutex);
  if (ready) {
    return TENANTDB_OK;
  }
  tndb_catalog_row row;
  tenantdb_status status = tndb_catalog_read(db, conn, deadline, &row, error);
  if (!status) {
    status = refuse_newer(db, &row, error);
  }
  if (status) {
    return status;
  }
  const char *schema = tndb_config_text(db->config, TNDB_CATALOG_SCHEMA);
  if (row.version == 0) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_CATALOG_MISSING,
                       "database %s has no catalog in schema %s yet: call tenantdb_bootstrap()",
                       db->facts.database, schema);
  }
  if (row.version < TNDB_CATALOG_VERSION || (db->level >= TENANTDB_ISOLATION_ROLE && !row.group_role[0])) {
    return tndb_origin(
        error, TENANTDB_STATE, TENANTDB_REASON_CATALOG_OLDER,
        "the catalog in schema %s was made by an older library, at a lower isolation level or on another "
        "server: call tenantdb_bootstrap()",
        schema);
  }
  tndb_catalog_remember(db, &row);
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- opening */

/* The catalog in the same schema as a base's tables of the same names would be no catalog for long. */
static tenantdb_status check_collisions(const tenantdb *db, tenantdb_error **error) {
  const char *schema = tndb_config_text(db->config, TNDB_CATALOG_SCHEMA);
  if (strcmp(schema, tndb_database_shared_schema(db)) != 0) {
    return TENANTDB_OK;
  }
  for (size_t i = 0; i < db->registry->n_bases; i++) {
    const tenantdb_base *base = db->registry->bases[i];
    for (const char *const *name = tndb_catalog_tables; *name; name++) {
      if (base->kind == TENANTDB_BASE_SHARED && tndb_base_find(base, *name)) {
        return tndb_origin(
            error, TENANTDB_ARGUMENT, TENANTDB_REASON_CATALOG_COLLISION,
            "base %s declares a table %s, and the catalog in the same schema %s has one of that "
            "name: set catalog.schema to another schema",
            base->name, *name, schema);
      }
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status prepare(tenantdb *db, const tenantdb_config *config, tenantdb_registry *registry,
                               tenantdb_error **error) {
  tenantdb_status status = tndb_config_copy(config, &db->config, error);
  if (!status) {
    status = tndb_config_keep_events(db->config, error);
  }
  if (status) {
    return status;
  }
  if (registry) {
    status = tenantdb_registry_check(registry, error);
    db->registry = status ? NULL : tndb_registry_hold(registry);
  } else {
    tenantdb_registry *empty = tenantdb_registry_new();
    db->registry = empty ? tndb_registry_hold(empty) : NULL;
    tenantdb_registry_free(empty);
    status = db->registry ? TENANTDB_OK : tndb_no_memory(error);
  }
  if (status) {
    return status;
  }
  tndb_buffer catalog = TNDB_BUFFER_INIT;
  tndb_quote_identifier(&catalog, tndb_config_text(db->config, TNDB_CATALOG_SCHEMA));
  tndb_buffer_append_char(&catalog, '.');
  db->catalog = tndb_buffer_take(&catalog);
  if (!db->catalog) {
    return tndb_no_memory(error);
  }
  status = check_collisions(db, error);
  tndb_pool_limits limits = tndb_pool_limits_read(db->config);
  return status ? status : tndb_pool_new(db->config, &limits, &db->pool, error);
}

/* What the catalog and the level are; on a refusal the rest stays as it is. */
static tenantdb_status learn(tenantdb *db, tndb_conn *conn, tndb_deadline deadline, tndb_catalog_row *row,
                             tenantdb_error **error) {
  tenantdb_status status = tndb_catalog_read(db, conn, deadline, row, error);
  if (!status) {
    status = refuse_newer(db, row, error);
  }
  if (!status) {
    status = tndb_harden_probe(db, conn, row, deadline, error);
  }
  return status ? status : tndb_isolation_settle(db, row, error);
}

static tenantdb_status connect_first(tenantdb *db, bool lenient, tenantdb_error **error) {
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
  tndb_conn *conn;
  tndb_catalog_row row;
  tenantdb_status status = tndb_pool_lease(db->pool, deadline, &conn, error);
  if (!status) {
    status = tndb_facts_read(conn, deadline, &db->facts, error);
  }
  if (!status) {
    tndb_strategy_settle(db);
  }
  if (!status) {
    tenantdb_error *own = NULL;
    status = learn(db, conn, deadline, &row, &own);
    if (status && lenient && !conn->dead && status != TENANTDB_MEMORY) {
      tenantdb_error_free(own);
      row = (tndb_catalog_row){0};
      db->level = TENANTDB_ISOLATION_ROUTING;
      status = TENANTDB_OK;
    } else if (status) {
      status = tndb_error_pass(error, own);
    }
  }
  if (!status) {
    tndb_catalog_remember(db, &row);
  }
  tndb_pool_release(conn);
  if (!status && db->level >= TENANTDB_ISOLATION_LOGIN) {
    tndb_pool_limits limits = tndb_pool_limits_of_logins(db->config);
    status = tndb_pool_new(db->config, &limits, &db->logins, error);
  }
  if (!status && tndb_config_number(db->config, TNDB_POOL_WARM_UP)) {
    status = tndb_pool_warm_up(db->pool, error);
  }
  return status;
}

static tenantdb_status open_database(const tenantdb_config *config, tenantdb_registry *registry, bool lenient,
                                     tenantdb **out, tenantdb_error **error) {
  *out = NULL;
  tenantdb *db = tndb_new(tenantdb);
  if (!db || !tndb_mutex_init(&db->mutex)) {
    tndb_free(db);
    return tndb_no_memory(error);
  }
  db->magic = MAGIC;
  db->fork = tndb_fork_generation();
  atomic_init(&db->references, 1);
  tenantdb_status status = prepare(db, config, registry, error);
  if (!status) {
    status = connect_first(db, lenient, error);
  }
  if (status) {
    tndb_database_release(db);
    return status;
  }
  *out = db;
  return TENANTDB_OK;
}

tenantdb_status tenantdb_open(const tenantdb_config *config, tenantdb_registry *registry, tenantdb **out,
                              tenantdb_error **error) {
  tndb_error_reset(error);
  if (!out) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "db is NULL");
  }
  return open_database(config, registry, false, out, error);
}

tenantdb_status tndb_database_open_leniently(const tenantdb_config *config, tenantdb **db,
                                             tenantdb_error **error) {
  return open_database(config, NULL, true, db, error);
}
