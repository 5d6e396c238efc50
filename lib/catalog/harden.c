/* SPDX-License-Identifier: PostgreSQL */
/*
 * Hardening.
 *
 * A tenant's role is taken on inside a transaction and could be left again by
 * whoever gets SQL of his own into a statement: set_config() does it, DO does
 * it, and functions that run a text as SQL hide either. So PUBLIC loses them, and
 * the users who run the library keep them by grants of their own. The binding
 * statement works nevertheless: privileges are checked when a statement
 * begins, and at that moment the connected user is still himself.
 *
 * What is to be changed is always worked out from the server's catalogs. What
 * was changed is written down as names, never as SQL: undoing runs nothing
 * that could have been put into a table.
 */
#include "catalog/harden.h"

#include <string.h>

#include "base/memory.h"
#include "base/result.h"
#include "catalog/text_array.h"
#include "catalog/work.h"

/* The columns of both inventories. */
enum { ACTION, OBJECT, WHO, SQL, UNDO, OPEN, MAY, OWNER, N_COLUMNS };

/* The functions that change settings, or run a text as SQL, in core and in contributed extensions. */
#define DANGEROUS                                                                                           \
  "SELECT p.oid, p.proowner AS owner, p.proacl AS acl, n.nspname, p.proname,"                               \
  " pg_catalog.format('FUNCTION %I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)" \
  ") AS object FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"          \
  " WHERE p.prokind = 'f' AND (n.nspname = 'pg_catalog' AND (p.proname = ANY ('{set_config,ts_stat,"        \
  "query_to_xml,query_to_xmlschema,query_to_xml_and_xmlschema,cursor_to_xml,cursor_to_xmlschema,"           \
  "table_to_xml,table_to_xmlschema,table_to_xml_and_xmlschema,schema_to_xml,schema_to_xmlschema,"           \
  "schema_to_xml_and_xmlschema,database_to_xml,database_to_xmlschema,database_to_xml_and_xmlschema}')"      \
  " OR p.proname = 'ts_rewrite' AND p.pronargs = 2)"                                                        \
  " OR p.proname ~ '^(dblink|crosstab|connectby|xpath_table)' AND EXISTS (SELECT FROM pg_catalog.pg_depend" \
  " d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid WHERE d.classid = 'pg_catalog.pg_proc'::"        \
  "pg_catalog.regclass AND d.objid = p.oid AND d.refclassid = 'pg_catalog.pg_extension'::"                  \
  "pg_catalog.regclass AND d.deptype = 'e' AND e.extname IN ('dblink', 'tablefunc', 'xml2')))"

/* Languages in which DO runs a text. */
#define LANGUAGES                                                                                    \
  "SELECT l.oid, l.lanowner AS owner, l.lanacl AS acl, pg_catalog.format('LANGUAGE %I', l.lanname) " \
  "AS object FROM pg_catalog.pg_language l WHERE l.lanpltrusted AND l.laninline <> 0"

#define THIS_DATABASE                                                                             \
  "SELECT d.oid, d.datdba AS owner, d.datacl AS acl, pg_catalog.format('DATABASE %I', d.datname)" \
  " AS object FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()"

/*
 * What is to be taken away, from PUBLIC and from the group role ($1, or ''). A row that is not
 * open is listed too, when it is one that a fresh database has open.
 */
static const char revokes_sql[] =
    "WITH things (rank, privilege, object, owner, acl, always) AS ("
    " SELECT CASE proname WHEN 'set_config' THEN 1 ELSE 2 END, 'EXECUTE', object, owner,"
    " coalesce(acl, pg_catalog.acldefault('f', owner)), true FROM (" DANGEROUS
    ") f"
    " UNION ALL SELECT 3, 'USAGE', object, owner, coalesce(acl, pg_catalog.acldefault('l', owner)), true"
    " FROM (" LANGUAGES
    ") l"
    " UNION ALL SELECT 4, privilege, object, owner, coalesce(acl, pg_catalog.acldefault('d', owner)),"
    " privilege = 'TEMPORARY' FROM (" THIS_DATABASE
    ") d, (VALUES ('TEMPORARY'), ('CREATE')) v (privilege)"
    " UNION ALL SELECT 5, 'CREATE', pg_catalog.format('SCHEMA %I', nspname), nspowner,"
    " coalesce(nspacl, pg_catalog.acldefault('n', nspowner)), nspname = 'public' FROM "
    "pg_catalog.pg_namespace WHERE nspname !~ '^pg_'),"
    " grantees (oid, name) AS (SELECT 0::pg_catalog.oid, 'PUBLIC' UNION ALL SELECT r.oid, "
    "pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_roles r WHERE r.rolname = $1::text)"
    " SELECT 'revoke', privilege || ' ON ' || object, name,"
    " pg_catalog.format('REVOKE %s ON %s FROM %s', privilege, object, name),"
    " pg_catalog.format('GRANT %s ON %s TO %s', privilege, object, name), open,"
    " pg_catalog.pg_has_role(things.owner, 'USAGE'), pg_catalog.pg_get_userbyid(things.owner)"
    " FROM things CROSS JOIN grantees g CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM "
    "pg_catalog.aclexplode(acl) a WHERE a.grantee = g.oid AND a.privilege_type = privilege) AS open) o"
    " WHERE open OR always AND g.oid = 0 ORDER BY rank, object, name";

/*
 * What is granted before that to those who run the library: the connected user, $2, members of
 * the group who can log in and are no tenants, and, for undoing ($3), whoever was granted it.
 */
static const char keeps_head[] =
    "WITH things (rank, privilege, object, owner, acl) AS ("
    " SELECT 1, 'EXECUTE', object, owner, coalesce(acl, pg_catalog.acldefault('f', owner)) FROM (" DANGEROUS
    ") f WHERE proname = 'set_config'"
    " UNION ALL SELECT 2, 'USAGE', object, owner, coalesce(acl, pg_catalog.acldefault('l', owner))"
    " FROM (" LANGUAGES
    ") l"
    " UNION ALL SELECT 3, 'TEMPORARY', object, owner, coalesce(acl, pg_catalog.acldefault('d', owner))"
    " FROM (" THIS_DATABASE
    ") d)"
    " SELECT 'grant', privilege || ' ON ' || object, pg_catalog.quote_ident(r.rolname),"
    " pg_catalog.format('GRANT %s ON %s TO %I', privilege, object, r.rolname),"
    " pg_catalog.format('REVOKE %s ON %s FROM %I', privilege, object, r.rolname), NOT EXISTS (SELECT FROM "
    "pg_catalog.aclexplode(acl) a WHERE a.grantee = r.oid AND a.privilege_type = privilege),"
    " pg_catalog.pg_has_role(things.owner, 'USAGE'), pg_catalog.pg_get_userbyid(things.owner)"
    " FROM things CROSS JOIN pg_catalog.pg_roles r WHERE NOT r.rolsuper AND r.oid <> things.owner AND"
    " (r.rolname = current_user OR r.rolname = ANY ($2::text[]) OR r.rolcanlogin AND EXISTS (SELECT FROM"
    " pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles g ON g.oid = m.roleid WHERE m.member = r.oid"
    " AND g.rolname = $1::text) AND NOT EXISTS (SELECT FROM ";
static const char keeps_middle[] =
    "tenants t WHERE t.role_name = r.rolname AND t.state <> 'deleted')"
    " OR $3::boolean AND EXISTS (SELECT FROM ";
static const char keeps_tail[] =
    "hardening h WHERE h.action = 'grant' AND h.who = pg_catalog.quote_ident(r.rolname)))"
    " ORDER BY rank, object, r.rolname";

/* ---------------------------------------------------------------- when a database is opened */

void tndb_hardening_free(tndb_hardening *hardening) {
  tndb_free(hardening->open);
  tndb_free(hardening->sql);
  *hardening = (tndb_hardening){0};
}

static bool is_true(const PGresult *rows, int row, int column) {
  return PQgetvalue(rows, row, column)[0] == 't';
}

tenantdb_status tndb_harden_probe(tenantdb *db, tndb_conn *conn, const tndb_catalog_row *row,
                                  tndb_deadline deadline, tenantdb_error **error) {
  const char *group = row->group_role;
  tndb_values values = {.count = 1, .values = &group};
  PGresult *rows;
  tenantdb_status status = tndb_exchange_single(conn, revokes_sql, &values, deadline, &rows, error);
  if (status) {
    return status;
  }
  tndb_buffer open = TNDB_BUFFER_INIT;
  tndb_buffer sql = TNDB_BUFFER_INIT;
  tndb_hardening_free(&db->hardening);
  for (int i = 0; i < PQntuples(rows); i++) {
    if (is_true(rows, i, OPEN)) {
      tndb_buffer_format(&open, "%s%s has %s", open.length ? ", " : "", PQgetvalue(rows, i, WHO),
                         PQgetvalue(rows, i, OBJECT));
      tndb_buffer_format(&sql, "%s;\n", PQgetvalue(rows, i, SQL));
      db->hardening.n_open++;
    }
  }
  PQclear(rows);
  tndb_buffer_append(&open, "");
  tndb_buffer_append(&sql, "");
  db->hardening.open = tndb_buffer_take(&open);
  db->hardening.sql = tndb_buffer_take(&sql);
  return db->hardening.open && db->hardening.sql ? TENANTDB_OK : tndb_no_memory(error);
}

/* ---------------------------------------------------------------- the plan */

typedef struct step {
  char *cell[N_COLUMNS]; /* OPEN and MAY are not kept here */
  bool needed;
  bool may;
  bool gone; /* written down once, and no longer to be found */
} step;

typedef struct harden_plan {
  tndb_work work;
  bool undo;
  step *steps;
  size_t count;
  bool failed;
} harden_plan;

static void plan_free(harden_plan *p) {
  for (size_t i = 0; i < p->count; i++) {
    for (size_t c = 0; c < N_COLUMNS; c++) {
      tndb_free(p->steps[i].cell[c]);
    }
  }
  tndb_free(p->steps);
}

static bool is_change(const step *s) {
  return s->needed && !s->gone;
}

static void add_step(harden_plan *p, const PGresult *rows, int row, bool needed, bool gone) {
  step *grown = tndb_realloc(p->steps, (p->count + 1) * sizeof *grown);
  if (!grown) {
    p->failed = true;
    return;
  }
  p->steps = grown;
  step *s = &grown[p->count++];
  *s = (step){.needed = needed, .gone = gone, .may = gone || is_true(rows, row, MAY)};
  for (int c = 0; c < N_COLUMNS; c++) {
    bool wanted = c < PQnfields(rows) && c != OPEN && c != MAY;
    s->cell[c] = wanted ? tndb_strdup(PQgetvalue(rows, row, c)) : NULL;
    p->failed = p->failed || (wanted && !s->cell[c]);
  }
}

/* The names in option isolation.users as an array. */
static const char *read_users(const tenantdb *db, tndb_text_array *array) {
  const char *at = tndb_config_text(db->config, TNDB_ISOLATION_USERS);
  while (*at) {
    at += strspn(at, " ,");
    size_t length = strcspn(at, ",");
    const char *next = at + length;
    while (length > 0 && at[length - 1] == ' ') {
      length--;
    }
    char *name = length ? tndb_strndup(at, length) : NULL;
    if (name) {
      tndb_text_array_add(array, name);
    } else if (length) {
      return NULL;
    }
    tndb_free(name);
    at = next;
  }
  return tndb_text_array_finish(array);
}

static tenantdb_status ask(harden_plan *p, PGresult **keeps, PGresult **revokes, PGresult **written,
                           tenantdb_error **error) {
  tenantdb *db = p->work.db;
  char group[64];
  tndb_auto_text_array users = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer list = TNDB_BUFFER_INIT;
  tndb_database_group_role(db, group);
  const char *values[] = {group, read_users(db, &users), p->undo ? "true" : "false"};
  const char *const parts[] = {keeps_head, db->catalog, keeps_middle, db->catalog, keeps_tail};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    tndb_buffer_append(&sql, parts[i]);
  }
  tndb_buffer_format(&list, "SELECT action, object, who FROM %shardening ORDER BY action, object, who",
                     db->catalog);
  if (!values[1] || sql.failed || list.failed) {
    return tndb_no_memory(error);
  }
  size_t keep = tndb_work_send(&p->work, tndb_buffer_text(&sql), 3, values);
  size_t revoke = tndb_work_send(&p->work, revokes_sql, 1, values);
  size_t write = tndb_work_send(&p->work, tndb_buffer_text(&list), 0, NULL);
  tenantdb_status status = tndb_work_sync(&p->work, error);
  if (!status) {
    *keeps = tndb_exchange_take(p->work.conn, keep);
    *revokes = tndb_exchange_take(p->work.conn, revoke);
    *written = tndb_exchange_take(p->work.conn, write);
  }
  return status;
}

static int find_row(const PGresult *rows, const PGresult *in, int row) {
  for (int i = 0; i < PQntuples(rows); i++) {
    bool same = true;
    for (int c = ACTION; c <= WHO; c++) {
      same = same && strcmp(PQgetvalue(rows, i, c), PQgetvalue(in, row, c)) == 0;
    }
    if (same) {
      return i;
    }
  }
  return -1;
}

/* Undoing goes backwards: PUBLIC gets everything back before anybody loses what stood in for it. */
static void plan_undo(harden_plan *p, const PGresult *rows, const PGresult *written) {
  for (int i = PQntuples(rows) - 1; i >= 0; i--) {
    if (find_row(written, rows, i) >= 0) {
      add_step(p, rows, i, !is_true(rows, i, OPEN), false);
    }
  }
}

static tenantdb_status make_plan(harden_plan *p, tenantdb_error **error) {
  PGresult *keeps = NULL, *revokes = NULL, *written = NULL;
  tenantdb_status status = ask(p, &keeps, &revokes, &written, error);
  if (!status && p->undo) {
    plan_undo(p, revokes, written);
    plan_undo(p, keeps, written);
    for (int i = 0; i < PQntuples(written); i++) {
      if (find_row(keeps, written, i) < 0 && find_row(revokes, written, i) < 0) {
        add_step(p, written, i, true, true);
      }
    }
  } else if (!status) {
    for (int i = 0; i < PQntuples(keeps); i++) {
      add_step(p, keeps, i, is_true(keeps, i, OPEN), false);
    }
    for (int i = 0; i < PQntuples(revokes); i++) {
      add_step(p, revokes, i, is_true(revokes, i, OPEN), false);
    }
  }
  PQclear(keeps);
  PQclear(revokes);
  PQclear(written);
  return status ? status : p->failed ? tndb_no_memory(error) : TENANTDB_OK;
}

static tenantdb_status refuse(const harden_plan *p, const step *s, tenantdb_error **error) {
  const tndb_facts *facts = &p->work.db->facts;
  return tndb_origin(error, TENANTDB_PERMISSION, TENANTDB_REASON_HARDEN_REFUSED,
                     "user %s may not do %s: it belongs to %s, so open the database as %s or a superuser; "
                     "nothing was changed",
                     facts->user, p->undo ? s->cell[UNDO] : s->cell[SQL], s->cell[OWNER], s->cell[OWNER]);
}

static tenantdb_status write_down(harden_plan *p, const step *s) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *values[] = {s->cell[ACTION], s->cell[OBJECT], s->cell[WHO]};
  if (p->undo) {
    tndb_buffer_format(&sql, "DELETE FROM %shardening WHERE action = $1 AND object = $2 AND who = $3",
                       p->work.db->catalog);
  } else {
    tndb_buffer_format(&sql,
                       "INSERT INTO %shardening (action, object, who) VALUES ($1, $2, $3) ON CONFLICT DO "
                       "NOTHING",
                       p->work.db->catalog);
  }
  tndb_work_fail_if(&p->work, sql.failed);
  (void)tndb_work_send(&p->work, tndb_buffer_text(&sql), 3, values);
  return TENANTDB_OK;
}

/* Whoever has the right may have it from somebody else as well: then revoking it was not enough. */
static tenantdb_status look_again(harden_plan *p, tenantdb_error **error) {
  char group[64];
  const char *value = group;
  PGresult *rows;
  tndb_database_group_role(p->work.db, group);
  tenantdb_status status = tndb_work_query(&p->work, revokes_sql, 1, &value, &rows, error);
  if (status) {
    return status;
  }
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    if (is_true(rows, i, OPEN)) {
      status = tndb_origin(error, TENANTDB_PERMISSION, TENANTDB_REASON_HARDEN_REFUSED,
                           "%s still has %s after %s: somebody other than its owner granted it; nothing was "
                           "changed",
                           PQgetvalue(rows, i, WHO), PQgetvalue(rows, i, OBJECT), PQgetvalue(rows, i, SQL));
    }
  }
  PQclear(rows);
  return status;
}

static tenantdb_status carry_out(harden_plan *p, tenantdb_error **error) {
  for (size_t i = 0; i < p->count; i++) {
    if (is_change(&p->steps[i]) && !p->steps[i].may) {
      return refuse(p, &p->steps[i], error);
    }
  }
  for (size_t i = 0; i < p->count; i++) {
    const step *s = &p->steps[i];
    if (is_change(s)) {
      (void)tndb_work_send(&p->work, p->undo ? s->cell[UNDO] : s->cell[SQL], 0, NULL);
    }
    if (s->needed || p->undo) {
      (void)write_down(p, s);
    }
  }
  tenantdb_status status = tndb_work_sync(&p->work, error);
  if (!status && !p->undo) {
    status = look_again(p, error);
  }
  return status ? status : tndb_work_commit(&p->work, error);
}

/* ---------------------------------------------------------------- the public calls */

static void list(const harden_plan *p, bool applied, tndb_table *table) {
  const tndb_facts *facts = &p->work.db->facts;
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_auto_buffer reason = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < p->count; i++) {
    const step *s = &p->steps[i];
    bool needed = is_change(s) && !applied;
    tndb_buffer_clear(&name);
    tndb_buffer_clear(&reason);
    tndb_buffer_format(&name, "%s %s %s", s->cell[ACTION], s->cell[OBJECT], s->cell[WHO]);
    if (s->gone) {
      tndb_buffer_append(&reason, "no longer there");
    } else if (needed && !s->may) {
      tndb_buffer_format(&reason, "only %s and superusers may; the connected user is %s", s->cell[OWNER],
                         facts->user);
    } else if (is_change(s) && applied) {
      tndb_buffer_append(&reason, "changed now");
    }
    const char *cells[] = {tndb_buffer_text(&name),
                           s->gone   ? NULL
                           : p->undo ? s->cell[UNDO]
                                     : s->cell[SQL],
                           s->gone   ? NULL
                           : p->undo ? s->cell[SQL]
                                     : s->cell[UNDO],
                           needed ? s->may ? "needed" : "refused" : "done",
                           reason.length ? tndb_buffer_text(&reason) : NULL};
    tndb_table_row(table, cells);
  }
}

static tenantdb_status run(tenantdb *db, int32_t apply, bool undo, tenantdb_result **result,
                           tenantdb_error **error) {
  static const char *const columns[] = {"step", "sql", "undo_sql", "state", "reason"};
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (!status && apply != 0 && apply != 1) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "apply is %d, neither 0 nor 1", (int)apply);
  }
  if (status) {
    return status;
  }
  harden_plan p = {.undo = undo};
  status = tndb_work_start(&p.work, db, "harden", true, error);
  if (!status) {
    status = make_plan(&p, error);
  }
  if (!status && apply) {
    status = carry_out(&p, error);
  }
  if (status == TENANTDB_UNKNOWN) {
    tndb_error_set_retry(error, TENANTDB_RETRY_LATER); /* doing it again finds out */
  }
  if (!status && result) {
    tndb_table *table = tndb_table_new(columns, 5);
    list(&p, apply != 0, table);
    status = tndb_table_finish(table, result, error);
  }
  tndb_work_end(&p.work);
  plan_free(&p);
  return status;
}

tenantdb_status tenantdb_harden(tenantdb *db, int32_t apply, tenantdb_result **plan, tenantdb_error **error) {
  return run(db, apply, false, plan, error);
}

tenantdb_status tenantdb_harden_undo(tenantdb *db, int32_t apply, tenantdb_result **plan,
                                     tenantdb_error **error) {
  return run(db, apply, true, plan, error);
}
