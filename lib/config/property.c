/* SPDX-License-Identifier: PostgreSQL */
#include "config/property.h"

#include <string.h>

#include "base/nearest.h"

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

static const tndb_property properties[TNDB_N_OPTIONS] = {
    {TNDB_DATABASE_URL, "database.url", TNDB_TYPE_SECRET, "", 0, 0, NULL,
     "Where the database is: a libpq connection string or postgresql:// URI, handed to libpq unchanged. "
     "Empty: libpq's own defaults and PG* environment variables."},
    {TNDB_DATABASE_SCHEMA, "database.schema", TNDB_TYPE_IDENTIFIER, "public", 0, 0, NULL,
     "The shared schema: where the tables of shared bases are."},
    {TNDB_DATABASE_CONNECT_TIMEOUT, "database.connect_timeout", TNDB_TYPE_DURATION, "10s", 1, HOUR, NULL,
     "How long making one connection may take. Looking up a host name is not bounded by it: use hostaddr "
     "where that matters."},
    {TNDB_DATABASE_APPLICATION_NAME, "database.application_name", TNDB_TYPE_PLAIN, "tenantdb", 0, 0, NULL,
     "The application_name of connections whose connection string gives none."},
    {TNDB_CATALOG_SCHEMA, "catalog.schema", TNDB_TYPE_IDENTIFIER, "tenantdb", 0, 0, NULL,
     "The schema of the library's own tables."},
    {TNDB_EXTENSIONS_SCHEMA, "extensions.schema", TNDB_TYPE_OPTIONAL_IDENTIFIER, "", 0, 0, NULL,
     "A schema that stands in every tenant's search path behind his own, for the types and functions of "
     "extensions. Empty: none."},
    {TNDB_ISOLATION_LEVEL, "isolation.level", TNDB_TYPE_CHOICE, "auto", 0, 0,
     "auto|routing|role|hardened|login",
     "The isolation level. auto: routing where the connected user may not create roles, else role, and "
     "hardened when tenantdb_harden() was applied."},
    {TNDB_ISOLATION_MINIMUM, "isolation.minimum", TNDB_TYPE_CHOICE, "routing", 0, 0,
     "routing|role|hardened|login", "tenantdb_open() refuses when only a lower level can be had."},
    {TNDB_TENANT_SCHEMA_TEMPLATE, "tenant.schema_template", TNDB_TYPE_TEMPLATE, "tenant_{slug}_{hash}", 0, 0,
     NULL,
     "How a tenant's schema is named. {slug}: the slug in lower case with _ for -; {hash}: six hexadecimal "
     "digits of the id; {id}: the id with its hyphens."},
    {TNDB_TENANT_ROLE_TEMPLATE, "tenant.role_template", TNDB_TYPE_TEMPLATE, "tenant_role_{id}", 0, 0, NULL,
     "How a tenant's role is named. Roles belong to the whole server, so the name should hold {id} or "
     "{hash}."},
    {TNDB_TENANT_GRACE, "tenant.grace", TNDB_TYPE_DURATION, "30d", 0, 3660 * DAY, NULL,
     "How long a removed tenant can be restored before it may be purged."},
    {TNDB_OPERATION_TIMEOUT, "operation.timeout", TNDB_TYPE_DURATION, "5min", 1, DAY, NULL,
     "How long the library's own work on the server (bootstrap, a tenant's change of state) may take."},
    {TNDB_OPERATION_LOCK_TIMEOUT, "operation.lock_timeout", TNDB_TYPE_DURATION, "10s", 1, HOUR, NULL,
     "How long that work waits for a lock before it gives up with BUSY."},
    {TNDB_OPERATION_LEASE, "operation.lease", TNDB_TYPE_DURATION, "30s", SECOND, DAY, NULL,
     "How long an operation over several transactions belongs to its owner between two signs of life; "
     "afterwards tenantdb_reconcile() takes it up."},
    {TNDB_SESSION_TIMEOUT, "session.timeout", TNDB_TYPE_DURATION, "0", 0, DAY, NULL,
     "How long one call of a session may take. 0: no limit."},
    {TNDB_SESSION_TENANT_CACHE, "session.tenant_cache", TNDB_TYPE_DURATION, "1s", 0, HOUR, NULL,
     "How long what was read of a tenant is believed when a session is opened. 0: ask every time."},
    {TNDB_SESSION_PREPARED_STATEMENTS, "session.prepared_statements", TNDB_TYPE_NUMBER, "256", 0, 100000,
     NULL,
     "How many statements of sessions a connection keeps prepared, the least recently used ones dropped "
     "first. "
     "Behind a transaction pooler none are. 0: none."},
    {TNDB_SESSION_RETRIES, "session.retries", TNDB_TYPE_NUMBER, "5", 0, 1000, NULL,
     "How often tenantdb_session_transact() runs a transaction again that collided with another."},
    {TNDB_POOL_SIZE, "pool.size", TNDB_TYPE_NUMBER, "20", 1, 10000, NULL,
     "How many connections are kept when nobody uses them."},
    {TNDB_POOL_OVERFLOW, "pool.overflow", TNDB_TYPE_NUMBER, "30", 0, 10000, NULL,
     "How many more may be open while they are in use."},
    {TNDB_POOL_TIMEOUT, "pool.timeout", TNDB_TYPE_DURATION, "30s", 1, HOUR, NULL,
     "How long to wait for a free connection."},
    {TNDB_POOL_PRE_PING, "pool.pre_ping", TNDB_TYPE_FLAG, "on", 0, 0, NULL,
     "Whether a connection is looked at before it is handed out: its socket, unless it answered within the "
     "last "
     "10 ms, and by a round trip when it was idle for pool.pre_ping_idle."},
    {TNDB_POOL_PRE_PING_IDLE, "pool.pre_ping_idle", TNDB_TYPE_DURATION, "30s", 0, DAY, NULL,
     "How long a connection may have been idle before it is asked whether it is alive. 0: every time."},
    {TNDB_POOL_RECYCLE, "pool.recycle", TNDB_TYPE_DURATION, "1h", 0, 365 * DAY, NULL,
     "The age at which a connection is replaced. 0: never."},
    {TNDB_POOL_RECYCLE_TENANTS, "pool.recycle_tenants", TNDB_TYPE_NUMBER, "200", 0, 1000000, NULL,
     "After how many different tenants a connection is replaced: the server's process keeps what it learned "
     "of every table it touched, and gives nothing back before it ends. 0: never."},
    {TNDB_POOL_IDLE_TIMEOUT, "pool.idle_timeout", TNDB_TYPE_DURATION, "10min", 0, 365 * DAY, NULL,
     "How long a connection beyond pool.minimum is kept when nobody uses it; seen to whenever another one is "
     "given back, and by tenantdb_warm_up(). 0: for ever."},
    {TNDB_POOL_MINIMUM, "pool.minimum", TNDB_TYPE_NUMBER, "0", 0, 10000, NULL,
     "How many connections are kept however long they are idle, and opened by a warm-up."},
    {TNDB_POOL_WARM_UP, "pool.warm_up", TNDB_TYPE_FLAG, "off", 0, 0, NULL,
     "Whether tenantdb_open() opens pool.minimum connections at once."},
    {TNDB_POOL_TENANT_CONNECTIONS, "pool.tenant_connections", TNDB_TYPE_NUMBER, "0", 0, 10000, NULL,
     "How many connections one tenant may have in use at once. 0: no limit of his own."},
    {TNDB_POOL_BACK_OFF, "pool.back_off", TNDB_TYPE_DURATION, "2s", 1, HOUR, NULL,
     "The longest pause between two attempts to connect to a server that cannot be reached; it begins at 50 "
     "ms and doubles. Who asks meanwhile is told at once what the last attempt was told."},
    {TNDB_ISOLATION_USERS, "isolation.users", TNDB_TYPE_PLAIN, "", 0, 0, NULL,
     "Roles, separated by commas, that tenantdb_harden() leaves the right to set_config() and to trusted "
     "languages, besides the connected user and the users who belong to the group of tenants' roles."},
    {TNDB_LOGIN_PASSWORDS, "login.passwords", TNDB_TYPE_CHOICE, "functions", 0, 0, "functions|caller|none",
     "Who keeps the passwords of tenants' login roles at level login. functions: those given to "
     "tenantdb_config_credentials(). caller: tenantdb_tenant_set_password() sets one and "
     "tenantdb_tenant_use_password() names it in each process. none: the server asks tenants for none."},
    {TNDB_LOGIN_POOL_SIZE, "login.pool_size", TNDB_TYPE_NUMBER, "4", 1, 10000, NULL,
     "How many connections one tenant may have at level login."},
    {TNDB_LOGIN_POOL_TOTAL, "login.pool_total", TNDB_TYPE_NUMBER, "50", 1, 10000, NULL,
     "How many connections all tenants together may have at level login."},
    {TNDB_LOGIN_IDLE, "login.idle", TNDB_TYPE_DURATION, "1min", 0, DAY, NULL,
     "How long a tenant's connection is kept when nobody uses it. 0: it is closed at once."},
    {TNDB_DATABASE_POOLER, "database.pooler", TNDB_TYPE_CHOICE, "auto", 0, 0, "auto|none|session|transaction",
     "What stands between this process and the server. auto: found out; tenantdb_selftest() finds out more. "
     "transaction: a pooler that may give every transaction another connection, as PgBouncer in transaction "
     "mode; session: one that gives every client one of its own."},
    {TNDB_STATEMENT_CACHE, "statement.cache", TNDB_TYPE_NUMBER, "512", 0, 1000000, NULL,
     "How many rendered texts of compiled statements a connection keeps, one for each statement and tenant, "
     "the least recently used ones dropped first. 0: none."},
    {TNDB_EVENTS_QUEUE, "events.queue", TNDB_TYPE_NUMBER, "1024", 0, 1000000, NULL,
     "How many events wait to be taken by tenantdb_events(); the oldest is dropped for the newest. 0: none."},
    {TNDB_FLEET_CONNECTIONS, "fleet.connections", TNDB_TYPE_NUMBER, "4", 1, 10000, NULL,
     "How many connections work over many tenants uses at once, when they are to be had."},
    {TNDB_DIAGNOSE_RELEASES, "diagnose.releases", TNDB_TYPE_PLAIN, "15.20, 16.16, 17.12, 18.7", 0, 0, NULL,
     "The oldest minor release of each version of PostgreSQL that tenantdb_diagnose() does not warn of; "
     "versions "
     "older than all of them count as no longer maintained."},
    {TNDB_DIAGNOSE_IDLE_IN_TRANSACTION, "diagnose.idle_in_transaction", TNDB_TYPE_DURATION, "30s", 0, DAY,
     NULL, "After how long tenantdb_diagnose() warns of a session that is idle in a transaction."},
    {TNDB_MIGRATE_NEW_TENANTS, "migrate.new_tenants", TNDB_TYPE_CHOICE, "auto", 0, 0,
     "auto|registry|checkpoint",
     "What makes the schema of a new tenant while migrations are in use: what the registry declares, or the "
     "newest checkpoint and the migrations behind it. auto: the registry if it declares tenants' tables and "
     "no "
     "change in the migrations is unfinished."},
    {TNDB_MIGRATE_LOCK_TIMEOUT, "migrate.lock_timeout", TNDB_TYPE_DURATION, "3s", 1, DAY, NULL,
     "How long a statement of a migration waits for a lock before the migration is rolled back and tried "
     "again: so long may others have to queue behind it."},
    {TNDB_MIGRATE_LOCK_RETRIES, "migrate.lock_retries", TNDB_TYPE_NUMBER, "10", 0, 1000000, NULL,
     "How often a migration that did not get a lock is tried again, after pauses that become longer, before "
     "its tenant is put off to the end of the wave."},
    {TNDB_TENANT_STANDBY, "tenant.standby", TNDB_TYPE_NUMBER, "0", 0, 10000, NULL,
     "How many schemas tenantdb_maintain() keeps prepared, so that creating a tenant takes one and gives it "
     "his name instead of making it. 0: none. At isolation level login none are kept."},
};

const tndb_property *tndb_property_of(tndb_option option) {
  return &properties[option];
}

const tndb_property *tndb_property_find(const char *key, tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (size_t i = 0; i < TNDB_N_OPTIONS; i++) {
    if (strcmp(properties[i].key, key) == 0) {
      return &properties[i];
    }
    tndb_nearest_try(&nearest, properties[i].key);
  }
  (void)tndb_value_no_key("option", key, nearest.best, "tenantdb_config_describe() lists them", error);
  return NULL;
}

tenantdb_status tndb_property_parse(const tndb_property *property, const char *value, int64_t *number,
                                    tenantdb_error **error) {
  tndb_value_rule rule = {property->type, property->minimum, property->maximum, property->choices};
  *number = 0;
  return tndb_value_read(&rule, "option", property->key, value, number, error);
}
