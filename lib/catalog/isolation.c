/* SPDX-License-Identifier: PostgreSQL */
/* Isolation levels: which one can be had, and what would be needed for more. */
#include <string.h>

#include "base/buffer.h"
#include "base/result.h"
#include "catalog/database.h"
#include "sql/identifier.h"

/* The places of isolation.level's and isolation.minimum's choices. */
enum { WANT_AUTO = 0, WANT_ROUTING = 1, WANT_ROLE = 2 };

const char *tenantdb_isolation_name(int32_t level) {
  return level == TENANTDB_ISOLATION_ROUTING ? "routing" : level == TENANTDB_ISOLATION_ROLE ? "role" : "?";
}

tenantdb_status tndb_isolation_settle(tenantdb *db, const tndb_catalog_row *row, tenantdb_error **error) {
  int64_t wanted = tndb_config_number(db->config, TNDB_ISOLATION_LEVEL);
  int32_t minimum = tndb_config_number(db->config, TNDB_ISOLATION_MINIMUM) == 0 ? TENANTDB_ISOLATION_ROUTING
                                                                                : TENANTDB_ISOLATION_ROLE;
  /* Who only opens sessions need not create roles; belonging to the group says that an owner let him in. */
  bool can_role = db->facts.create_role || row->is_member;
  if (wanted == WANT_ROLE && !can_role) {
    return tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW,
                       "isolation.level is role, but user %s may not create roles: ALTER ROLE %s CREATEROLE",
                       db->facts.user, db->facts.user);
  }
  db->level = wanted == WANT_ROUTING || !can_role ? TENANTDB_ISOLATION_ROUTING : TENANTDB_ISOLATION_ROLE;
  if (db->level < minimum) {
    return tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW,
                       "isolation level %s is the most that %s, and isolation.minimum is %s%s%s",
                       tenantdb_isolation_name(db->level),
                       wanted == WANT_ROUTING ? "isolation.level asks for" : "the connected user can have",
                       tenantdb_isolation_name(minimum),
                       wanted == WANT_ROUTING ? "" : ": ALTER ROLE CREATEROLE for user ",
                       wanted == WANT_ROUTING ? "" : db->facts.user);
  }
  return TENANTDB_OK;
}

static void role_row(const tenantdb *db, tndb_table *table) {
  tndb_auto_buffer reason = TNDB_BUFFER_INIT;
  tndb_auto_buffer remedy = TNDB_BUFFER_INIT;
  bool achieved = db->level >= TENANTDB_ISOLATION_ROLE;
  if (achieved) {
    tndb_buffer_append(&reason,
                       "every transaction runs as the tenant's role; the server refuses others' tables");
  } else if (tndb_config_number(db->config, TNDB_ISOLATION_LEVEL) == WANT_ROUTING) {
    tndb_buffer_append(&reason, "option isolation.level asks for routing");
    tndb_buffer_append(&remedy, "set isolation.level to auto or role");
  } else {
    tndb_buffer_format(&reason, "user %s may not create roles", db->facts.user);
    tndb_buffer_append(&remedy, "ALTER ROLE ");
    tndb_quote_identifier(&remedy, db->facts.user);
    tndb_buffer_append(&remedy, " CREATEROLE");
  }
  const char *cells[] = {"role", achieved ? "yes" : "no", tndb_buffer_text(&reason),
                         remedy.length ? tndb_buffer_text(&remedy) : NULL};
  tndb_table_row(table, cells);
}

tenantdb_status tenantdb_isolation(tenantdb *db, int32_t *level, tenantdb_result **reasons,
                                   tenantdb_error **error) {
  static const char *const columns[] = {"level", "achieved", "reason", "remedy"};
  static const char *const routing[] = {
      "routing", "yes", "the search path of every transaction is the tenant's, and proved", NULL};
  tndb_error_reset(error);
  if (level) {
    *level = 0;
  }
  if (reasons) {
    *reasons = NULL;
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  if (reasons) {
    tndb_table *table = tndb_table_new(columns, 4);
    tndb_table_row(table, routing);
    role_row(db, table);
    status = tndb_table_finish(table, reasons, error);
  }
  if (!status && level) {
    *level = db->level;
  }
  return status;
}

/* ---------------------------------------------------------------- the server */

static void fact(tndb_table *table, const char *name, const char *value) {
  const char *cells[] = {name, value};
  tndb_table_row(table, cells);
}

tenantdb_status tenantdb_server(tenantdb *db, tenantdb_result **facts, tenantdb_error **error) {
  static const char *const columns[] = {"name", "value"};
  tndb_error_reset(error);
  if (!facts) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "facts is NULL");
  }
  *facts = NULL;
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tndb_auto_buffer version = TNDB_BUFFER_INIT;
  tndb_buffer_format(&version, "%d.%d", db->facts.version / 10000, db->facts.version % 10000);
  tndb_table *table = tndb_table_new(columns, 2);
  fact(table, "version", tndb_buffer_text(&version));
  fact(table, "user", db->facts.user);
  fact(table, "database", db->facts.database);
  fact(table, "superuser", db->facts.superuser ? "yes" : "no");
  fact(table, "may_create_roles", db->facts.create_role ? "yes" : "no");
  fact(table, "may_create_schemas", db->facts.create_schema ? "yes" : "no");
  fact(table, "pooler_between", db->facts.pooler ? "yes" : "no");
  fact(table, "read_only", db->facts.read_only ? "yes" : "no");
  fact(table, "extensions", db->facts.extensions);
  return tndb_table_finish(table, facts, error);
}
