/* SPDX-License-Identifier: PostgreSQL */
/* Isolation levels: which one can be had, and what would be needed for more. */
#include "base/buffer.h"
#include "base/result.h"
#include "catalog/database.h"
#include "sql/identifier.h"

/* The place of auto among isolation.level's choices; the others stand at their level's number. */
enum { WANT_AUTO = 0 };

const char *tenantdb_isolation_name(int32_t level) {
  static const char *const names[] = {"?", "routing", "role", "hardened", "login"};
  return level >= TENANTDB_ISOLATION_ROUTING && level <= TENANTDB_ISOLATION_LOGIN ? names[level] : "?";
}

/* ---------------------------------------------------------------- what stands in the way of a level */

typedef struct obstacle {
  tndb_buffer reason;
  tndb_buffer remedy;
} obstacle;

static void obstacle_free(obstacle *o) {
  tndb_buffer_free(&o->reason);
  tndb_buffer_free(&o->remedy);
}

/* Who only opens sessions need not create roles; belonging to the group says that an owner let him in. */
static bool lacks_roles(const tenantdb *db, obstacle *o) {
  if (db->may_use_roles) {
    return false;
  }
  tndb_buffer_format(&o->reason, "user %s may not create roles", db->facts.user);
  tndb_buffer_append(&o->remedy, "ALTER ROLE ");
  tndb_quote_identifier(&o->remedy, db->facts.user);
  tndb_buffer_append(&o->remedy, " CREATEROLE");
  return true;
}

static bool lacks_hardening(const tenantdb *db, obstacle *o) {
  if (db->hardening.n_open == 0) {
    return false;
  }
  tndb_buffer_format(&o->reason, "%d things can be used to leave a tenant's scope: %s", db->hardening.n_open,
                     db->hardening.open);
  tndb_buffer_append(&o->remedy, db->hardening.sql);
  return true;
}

/* In whatever mode: it is the pooler who logs in. */
static bool is_behind_pooler(const tenantdb *db) {
  return db->facts.pooler || atomic_load(&db->strategy) != TENANTDB_STRATEGY_DIRECT;
}

static bool lacks_passwords(const tenantdb *db, obstacle *o) {
  if (is_behind_pooler(db)) {
    tndb_buffer_append(&o->reason, "a pooler stands between, which would have to know every tenant's login");
    tndb_buffer_append(&o->remedy, "connect to the server directly");
    return true;
  }
  bool functions = tndb_config_number(db->config, TNDB_LOGIN_PASSWORDS) == 0;
  if (!functions || tndb_config_credentials(db->config)->fetch) {
    return false;
  }
  tndb_buffer_append(&o->reason, "nobody keeps the passwords of tenants' login roles");
  tndb_buffer_append(&o->remedy,
                     "call tenantdb_config_credentials(), or set login.passwords to caller or none");
  return true;
}

/* Whether the level cannot be had, and why. */
static bool is_out_of_reach(const tenantdb *db, int32_t level, obstacle *o) {
  switch (level) {
    case TENANTDB_ISOLATION_ROLE:
      return lacks_roles(db, o);
    case TENANTDB_ISOLATION_HARDENED:
      return lacks_roles(db, o) || lacks_hardening(db, o);
    case TENANTDB_ISOLATION_LOGIN:
      return lacks_roles(db, o) || lacks_passwords(db, o);
    default:
      return false;
  }
}

/* ---------------------------------------------------------------- settling */

/* Of its own accord the library goes as far as the server does without passwords. */
static int32_t choose(const tenantdb *db) {
  obstacle ignored = {TNDB_BUFFER_INIT, TNDB_BUFFER_INIT};
  int32_t level = TENANTDB_ISOLATION_HARDENED;
  while (level > TENANTDB_ISOLATION_ROUTING && is_out_of_reach(db, level, &ignored)) {
    level--;
  }
  obstacle_free(&ignored);
  return level;
}

static tenantdb_status too_low(const tenantdb *db, int32_t wanted, int32_t minimum, tenantdb_error **error) {
  obstacle o = {TNDB_BUFFER_INIT, TNDB_BUFFER_INIT};
  tenantdb_status status;
  if (wanted != WANT_AUTO && wanted < minimum) {
    status = tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW,
                         "isolation level %s is the most that isolation.level asks for, and "
                         "isolation.minimum is %s",
                         tenantdb_isolation_name(wanted), tenantdb_isolation_name(minimum));
  } else {
    int32_t level = wanted == WANT_AUTO ? minimum : wanted;
    if (!is_out_of_reach(db, level, &o)) {
      tndb_buffer_append(&o.reason, "isolation.level auto does not choose it");
      tndb_buffer_format(&o.remedy, "set isolation.level to %s", tenantdb_isolation_name(level));
    }
    /* What the hardening takes is too long for a line; the table of tenantdb_isolation() has it. */
    bool unhardened = level == TENANTDB_ISOLATION_HARDENED && db->may_use_roles;
    status =
        tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_ISOLATION_TOO_LOW, "%s is %s, but %.400s: %s",
                    wanted == WANT_AUTO ? "isolation.minimum" : "isolation.level",
                    tenantdb_isolation_name(level), tndb_buffer_text(&o.reason),
                    unhardened ? "open the database at level role as a superuser and call tenantdb_harden()"
                               : tndb_buffer_text(&o.remedy));
  }
  obstacle_free(&o);
  return status;
}

tenantdb_status tndb_isolation_settle(tenantdb *db, const tndb_catalog_row *row, tenantdb_error **error) {
  int32_t wanted = (int32_t)tndb_config_number(db->config, TNDB_ISOLATION_LEVEL);
  /* The choices of the minimum begin with routing. */
  int32_t minimum = (int32_t)tndb_config_number(db->config, TNDB_ISOLATION_MINIMUM) + 1;
  obstacle o = {TNDB_BUFFER_INIT, TNDB_BUFFER_INIT};
  db->may_use_roles = db->facts.create_role || row->is_member;
  db->level = wanted == WANT_AUTO ? choose(db) : wanted;
  if (db->level == TENANTDB_ISOLATION_LOGIN && is_behind_pooler(db)) {
    return tndb_origin(
        error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_POOLER_BETWEEN,
        "isolation.level is login, and a pooler stands between, which would have to know every "
        "tenant's login: connect to the server directly, or set isolation.level to hardened or role");
  }
  bool out_of_reach = is_out_of_reach(db, db->level, &o);
  obstacle_free(&o);
  return out_of_reach || db->level < minimum ? too_low(db, wanted, minimum, error) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- telling */

static const char *what_holds(int32_t level) {
  static const char *const texts[] = {
      "", "the search path of every transaction is the tenant's, and proved",
      "every transaction runs as the tenant's role; the server refuses others' tables",
      "and neither set_config() nor SQL hidden in a text leaves that role inside a statement",
      "every tenant has a login role and connections of its own"};
  return texts[level];
}

static void level_row(const tenantdb *db, int32_t level, tndb_table *table) {
  int32_t wanted = (int32_t)tndb_config_number(db->config, TNDB_ISOLATION_LEVEL);
  obstacle o = {TNDB_BUFFER_INIT, TNDB_BUFFER_INIT};
  /* Level login does without the hardening, and so does not stand for it. */
  bool achieved = db->level >= level && (level != TENANTDB_ISOLATION_HARDENED || db->hardening.n_open == 0);
  if (achieved) {
    tndb_buffer_append(&o.reason, what_holds(level));
  } else if (!is_out_of_reach(db, level, &o)) {
    tndb_buffer_format(&o.reason, "option isolation.level asks for %s",
                       wanted == WANT_AUTO ? "auto" : tenantdb_isolation_name(wanted));
    tndb_buffer_format(&o.remedy, "set isolation.level to %s%s",
                       level == TENANTDB_ISOLATION_LOGIN ? "" : "auto or ", tenantdb_isolation_name(level));
  }
  const char *cells[] = {tenantdb_isolation_name(level), achieved ? "yes" : "no", tndb_buffer_text(&o.reason),
                         o.remedy.length ? tndb_buffer_text(&o.remedy) : NULL};
  tndb_table_row(table, cells);
  obstacle_free(&o);
}

tenantdb_status tenantdb_isolation(tenantdb *db, int32_t *level, tenantdb_result **reasons,
                                   tenantdb_error **error) {
  static const char *const columns[] = {"level", "achieved", "reason", "remedy"};
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
    for (int32_t i = TENANTDB_ISOLATION_ROUTING; i <= TENANTDB_ISOLATION_LOGIN; i++) {
      level_row(db, i, table);
    }
    bool told = tndb_strategy_row(db, table);
    status = tndb_table_finish(table, reasons, error);
    if (!status && !told) {
      tenantdb_result_free(*reasons);
      *reasons = NULL;
      status = tndb_no_memory(error);
    }
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
