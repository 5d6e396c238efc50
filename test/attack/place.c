/* SPDX-License-Identifier: PostgreSQL */
/* A database at one isolation level with three tenants, and values planted where the first must not look. */

#include "attack.h"

static tenantdb_error *error;

/* ---------------------------------------------------------------- SQL of the superuser */

static void ignore_notice(void *user, const char *message) {
  (void)user;
  (void)message;
}

static PGconn *connect_as(const char *url) {
  PGconn *connection = PQconnectdb(url);
  if (PQstatus(connection) != CONNECTION_OK) {
    fail_msg("%s", PQerrorMessage(connection));
  }
  PQsetNoticeProcessor(connection, ignore_notice, NULL);
  return connection;
}

char *place_admin(place *p, const char *sql) {
  PGresult *result = PQexec(p->admin, sql);
  ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
    print_error("%s%s\n", PQerrorMessage(p->admin), sql);
    PQclear(result);
    PQclear(PQexec(p->admin, "ROLLBACK"));
    fail_msg("the superuser's SQL failed");
  }
  bool some = PQntuples(result) > 0 && !PQgetisnull(result, 0, 0);
  char *value = some ? strdup(PQgetvalue(result, 0, 0)) : NULL;
  PQclear(result);
  return value;
}

static void admin_fill(place *p, const char *text) {
  char *sql = place_fill(p, text);
  free(place_admin(p, sql));
  free(sql);
}

/* ---------------------------------------------------------------- texts with places in them */

static void append(char **text, size_t *length, const char *more, size_t n) {
  char *grown = realloc(*text, *length + n + 1);
  assert_non_null(grown);
  memcpy(grown + *length, more, n);
  *length += n;
  grown[*length] = '\0';
  *text = grown;
}

/* In two halves, so that the text of a statement does not hold what only its result should. */
static void halves(char *out, size_t size, const char *value) {
  snprintf(out, size, "(pg_catalog.concat('%.16s', '%s'))", value, value + 16);
}

char *place_fill(const place *p, const char *text) {
  char victim[70], me[70], victim_role[70], my_role[70], owner[70], yes[80], carried[80];
  snprintf(victim, sizeof victim, "\"%s\"", p->victim.schema);
  snprintf(me, sizeof me, "\"%s\"", p->me.schema);
  snprintf(victim_role, sizeof victim_role, "\"%s\"", p->victim.role);
  snprintf(my_role, sizeof my_role, "\"%s\"", p->me.role);
  snprintf(owner, sizeof owner, "\"%s\"", p->owner);
  halves(yes, sizeof yes, p->yes);
  halves(carried, sizeof carried, p->carried);
  const char *const places[][2] = {
      {"{victim}", victim},
      {"{me}", me},
      {"{victim_role}", victim_role},
      {"{my_role}", my_role},
      {"{owner_name}", p->owner},
      {"{owner}", owner},
      {"{victim_id}", p->victim.id},
      {"{catalog}", "tenantdb"},
      {"{tag}", p->tag},
      {"{yes}", yes},
      {"{carried}", carried},
      {"{read0}", p->data[0]},
      {"{read1}", p->data[1]},
      {"{read2}", p->data[2]},
      {"{defined}", p->definition},
  };
  char *out = NULL;
  size_t length = 0;
  append(&out, &length, "", 0);
  while (*text) {
    size_t plain = strcspn(text, "{");
    append(&out, &length, text, plain);
    text += plain;
    if (!*text) {
      break;
    }
    size_t i = 0;
    while (i < sizeof places / sizeof places[0] && strncmp(text, places[i][0], strlen(places[i][0])) != 0) {
      i++;
    }
    bool known = i < sizeof places / sizeof places[0];
    append(&out, &length, known ? places[i][1] : text, known ? strlen(places[i][1]) : 1);
    text += known ? strlen(places[i][0]) : 1;
  }
  return out;
}

/* ---------------------------------------------------------------- what is compared */

/* Rows, columns, rights and companions of everything that is not the attacker's own. */
static const char theirs_sql[] =
    "SELECT concat_ws(E'\\n',"
    "(SELECT string_agg(format('victim note %s %s', id, body), E'\\n' ORDER BY id) FROM {victim}.notes),"
    "(SELECT string_agg(format('victim item %s %s', id, n), E'\\n' ORDER BY id) FROM {victim}.items),"
    "(SELECT string_agg(format('plan %s %s', id, name), E'\\n' ORDER BY id) FROM public.plans),"
    "(SELECT string_agg(format('secret %s %s', id, value), E'\\n' ORDER BY id) FROM public.secrets),"
    "(SELECT string_agg(format('tenant %s %s %s %s %s', slug, state, generation, schema_name, "
    "properties), E'\\n' ORDER BY slug) FROM {catalog}.tenants),"
    "(SELECT format('sequence %s %s', last_value, is_called) FROM {victim}.notes_id_seq),"
    "(SELECT 'large object ' || encode(lo_get(7000), 'escape') FROM pg_largeobject_metadata WHERE oid = "
    "7000),"
    "(SELECT string_agg(format('relation %s.%s %s %s %s %s', nspname, relname, relkind, "
    "pg_get_userbyid(relowner), (SELECT string_agg(a::text, ',' ORDER BY a::text) FROM "
    "unnest(coalesce(relacl, "
    "acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::\"char\", relowner))) a), (SELECT "
    "string_agg(attname || coalesce(attacl::text, ''), ',' ORDER BY "
    "attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped)), E'\\n' ORDER BY "
    "nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname !~ '^pg_' "
    "AND nspname NOT IN ('information_schema', {my_schema})),"
    "(SELECT string_agg(format('trigger %s %s', tgrelid::regclass, tgname), E'\\n' ORDER BY "
    "tgrelid::regclass::text, tgname) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid WHERE NOT "
    "tgisinternal AND c.relnamespace::regnamespace::text <> {my_schema}),"
    "(SELECT string_agg(format('rule %s %s', ev_class::regclass, rulename), E'\\n' ORDER BY "
    "ev_class::regclass::text, rulename) FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class WHERE c.oid "
    ">= 16384 AND c.relnamespace::regnamespace::text <> {my_schema}),"
    "(SELECT string_agg(format('refers %s to %s', conrelid::regclass, confrelid::regclass), E'\\n' ORDER "
    "BY "
    "oid) FROM pg_constraint WHERE contype = 'f' AND confrelid IN (SELECT oid FROM pg_class WHERE "
    "relnamespace::regnamespace::text <> {my_schema}) AND conrelid IN (SELECT oid FROM pg_class WHERE "
    "relnamespace::regnamespace::text = {my_schema})),"
    "NULL)";

/* The same of what is not tables and rows. */
static const char others_sql[] =
    "SELECT concat_ws(E'\\n',"
    "(SELECT string_agg(format('routine %s %s %s', oid::regprocedure, proacl, md5(prosrc)), E'\\n' ORDER "
    "BY oid::regprocedure::text) FROM pg_proc WHERE oid >= 16384 AND "
    "pronamespace::regnamespace::text !~ '^pg_' AND pronamespace::regnamespace::text <> {my_schema}),"
    "(SELECT string_agg(format('type %s', oid::regtype), E'\\n' ORDER BY oid::regtype::text) FROM pg_type "
    "WHERE oid >= 16384 AND typelem = 0 AND typnamespace::regnamespace::text !~ '^pg_' AND "
    "typnamespace::regnamespace::text <> {my_schema}),"
    "(SELECT string_agg(format('operator %s %s', oid::regoperator, oprnamespace::regnamespace), E'\\n') "
    "FROM pg_operator WHERE oid >= 16384 AND oprnamespace::regnamespace::text !~ '^pg_' AND "
    "oprnamespace::regnamespace::text <> {my_schema}),"
    "(SELECT string_agg(format('schema %s %s %s', nspname, pg_get_userbyid(nspowner), (SELECT "
    "string_agg(a::text, "
    "',' ORDER BY a::text) FROM unnest(coalesce(nspacl, acldefault('n', nspowner))) a)), E'\\n' ORDER BY "
    "nspname) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_' AND nspname <> {my_schema}),"
    "(SELECT string_agg(format('defaults %s %s %s', pg_get_userbyid(defaclrole), defaclobjtype, defaclacl), "
    "E'\\n') FROM pg_default_acl WHERE pg_get_userbyid(defaclrole) <> {my_login}),"
    "(SELECT string_agg(format('role %s %s%s%s%s%s%s%s', rolname, rolsuper, rolinherit, "
    "rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolbypassrls), E'\\n' ORDER BY rolname) FROM "
    "pg_authid WHERE rolname IN ({roles}) OR rolname LIKE '%{tag}'),"
    "(SELECT string_agg(format('member %s of %s %s', pg_get_userbyid(member), pg_get_userbyid(roleid), "
    "admin_option), "
    "E'\\n' ORDER BY roleid, member) FROM pg_auth_members WHERE pg_get_userbyid(member) IN ({roles}) OR "
    "pg_get_userbyid(roleid) IN ({roles})),"
    "(SELECT string_agg('extension ' || extname, E'\\n' ORDER BY extname) FROM pg_extension),"
    "(SELECT string_agg('foreign server ' || srvname, E'\\n') FROM pg_foreign_server),"
    "(SELECT string_agg('event trigger ' || evtname, E'\\n') FROM pg_event_trigger),"
    "(SELECT string_agg('publication ' || pubname, E'\\n') FROM pg_publication),"
    "(SELECT string_agg(format('language %s %s', lanname, lanacl), E'\\n' ORDER BY lanname) FROM "
    "pg_language),"
    "(SELECT format('database %s %s', pg_get_userbyid(datdba), datacl) FROM pg_database WHERE datname = "
    "current_database()))";

/* What the server itself keeps for a role or a database, and puts on connections to come. */
static const char server_sql[] =
    "SELECT concat_ws(E'\\n', (SELECT string_agg(format('setting %s %s', pg_get_userbyid(setrole), "
    "setconfig), "
    "E'\\n' "
    "ORDER BY setrole) FROM pg_db_role_setting WHERE pg_get_userbyid(setrole) IN ({roles}) OR setdatabase = "
    "(SELECT oid FROM pg_database WHERE datname = current_database())), (SELECT string_agg(format('password "
    "%s %s %s', rolname, rolpassword, rolvaliduntil), E'\\n' ORDER BY rolname) FROM pg_authid WHERE rolname "
    "IN ({roles})))";

static char *replace(char *text, const char *what, const char *with) {
  char *out = NULL;
  size_t length = 0;
  const char *at = text, *found;
  append(&out, &length, "", 0);
  while ((found = strstr(at, what)) != NULL) {
    append(&out, &length, at, (size_t)(found - at));
    append(&out, &length, with, strlen(with));
    at = found + strlen(what);
  }
  append(&out, &length, at, strlen(at));
  free(text);
  return out;
}

static char *compare_text(place *p, const char *pattern) {
  char roles[400], quoted[80];
  snprintf(roles, sizeof roles, "'%s', '%s', '%s', '%s', (SELECT group_role FROM tenantdb.catalog)", p->owner,
           p->me.role, p->victim.role, p->third.role);
  char *sql = replace(strdup(pattern), "{roles}", roles);
  snprintf(quoted, sizeof quoted, "'%s'", p->me.schema);
  sql = replace(sql, "{my_schema}", quoted);
  /* At level routing the attacker works as everybody does. */
  snprintf(quoted, sizeof quoted, "'%s'", strcmp(p->me.role, p->owner) == 0 ? "" : p->me.role);
  sql = replace(sql, "{my_login}", quoted);
  char *filled = place_fill(p, sql);
  char *text = place_admin(p, filled);
  free(filled);
  free(sql);
  return text ? text : strdup("");
}

char *place_theirs(place *p) {
  char *tables = compare_text(p, theirs_sql), *others = compare_text(p, others_sql), *both = NULL;
  size_t length = 0;
  append(&both, &length, tables, strlen(tables));
  append(&both, &length, "\n", 1);
  append(&both, &length, others, strlen(others));
  free(tables);
  free(others);
  return both;
}

char *place_server(place *p) {
  return compare_text(p, server_sql);
}

/* ---------------------------------------------------------------- what a session finds */

/* The functions behind the views are quicker to plan. */
static const char state_sql[] =
    "SELECT pg_catalog.format('user %s; session user %s; path %s; notes in %s; plans in %s; settings %s; "
    "app.tenant %s; prepared %s; cursors %s; listening %s; advisory locks %s; temporary %s; temporary "
    "routines "
    "%s', current_user, session_user, pg_catalog.current_setting('search_path'),"
    " (SELECT relnamespace::regnamespace FROM pg_catalog.pg_class WHERE oid = "
    "pg_catalog.to_regclass('notes')),"
    " (SELECT relnamespace::regnamespace FROM pg_catalog.pg_class WHERE oid = "
    "pg_catalog.to_regclass('plans')),"
    " (SELECT pg_catalog.string_agg(pg_catalog.concat(name, '=', setting), ', ' ORDER BY name) FROM "
    "pg_catalog.pg_show_all_settings() WHERE source = 'session' OR name IN ('application_name', "
    "'row_security', "
    "'statement_timeout', 'default_transaction_read_only', 'standard_conforming_strings')),"
    " pg_catalog.current_setting('app.tenant', true),"
    " (SELECT pg_catalog.string_agg(name, ',') FROM pg_catalog.pg_prepared_statement() WHERE from_sql OR "
    "name "
    "!~ '^tndb'),"
    " (SELECT pg_catalog.string_agg(name, ',') FROM pg_catalog.pg_cursor() WHERE name <> ''),"
    " (SELECT pg_catalog.string_agg(c, ',') FROM pg_catalog.pg_listening_channels() c),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_lock_status() WHERE locktype = 'advisory' AND pid = "
    "pg_catalog.pg_backend_pid()),"
    " (SELECT pg_catalog.string_agg(relname, ',') FROM pg_catalog.pg_class WHERE relnamespace = "
    "pg_catalog.pg_my_temp_schema()),"
    " (SELECT pg_catalog.string_agg(proname, ',') FROM pg_catalog.pg_proc WHERE pronamespace = "
    "pg_catalog.pg_my_temp_schema()))";

void place_state(tenantdb_session *session, char *state, size_t size) {
  tenantdb_result *result = NULL;
  if (tenantdb_session_query(session, state_sql, NULL, &result, &error) == TENANTDB_OK) {
    snprintf(state, size, "%s", tenantdb_result_value(result, 0, 0));
  } else {
    snprintf(state, size, "fails: %s", tenantdb_error_message(error));
  }
  tenantdb_result_free(result);
  tenantdb_error_free(error);
  error = NULL;
}

/* ---------------------------------------------------------------- making it */

void place_plant(place *p) {
  admin_fill(
      p,
      "TRUNCATE {victim}.notes, {victim}.items, public.plans, public.secrets RESTART IDENTITY;"
      "INSERT INTO {victim}.notes (body, at) SELECT '{read0}', '2001-01-01' FROM generate_series(1, 5);"
      "INSERT INTO {victim}.items (note_id, n) VALUES (1, 1000000 + 1);"
      "INSERT INTO public.plans VALUES (1, 'free');"
      "INSERT INTO public.secrets VALUES (1, '{read1}');"
      "UPDATE {catalog}.tenants SET properties = '{\"key\": \"{read2}\"}' WHERE slug = 'victim' AND "
      "properties->>'key' IS DISTINCT FROM '{read2}'");
  admin_fill(p,
             "SELECT lo_unlink(oid) FROM pg_largeobject_metadata WHERE oid = 7000;"
             "SELECT lo_from_bytea(7000, '{read0}');"
             "ALTER LARGE OBJECT 7000 OWNER TO {victim_role};"
             "ANALYZE {victim}.notes");
}

static void make_tenant(place *p, tenant_place *t, const char *slug) {
  tenantdb_tenant *tenant = fixture_tenant(p->db, slug);
  t->slug = slug;
  snprintf(t->id, sizeof t->id, "%s", tenantdb_tenant_id(tenant));
  snprintf(t->schema, sizeof t->schema, "%s", tenantdb_tenant_schema(tenant));
  const char *role = tenantdb_tenant_role(tenant);
  snprintf(t->role, sizeof t->role, "%s", *role ? role : p->owner);
  tenantdb_tenant_free(tenant);
}

static void take_random(place *p) {
  char *random = place_admin(p,
                             "SELECT string_agg(replace(gen_random_uuid()::text, '-', ''), '') FROM "
                             "generate_series(1, 7)");
  char *const values[] = {p->data[0], p->data[1], p->data[2], p->data[3], p->definition, p->yes, p->carried};
  for (size_t i = 0; i < 7; i++) {
    snprintf(values[i], 33, "%.32s", random + 32 * i);
  }
  free(random);
}

static tenantdb *open_at(int32_t level, const char *url) {
  return fixture_open(url, NULL,
                      FIXTURE_OPTIONS("isolation.level", tenantdb_isolation_name(level), "isolation.minimum",
                                      tenantdb_isolation_name(level), "login.passwords", "none",
                                      "login.pool_size", "1", "pool.size", "1", "pool.overflow", "0",
                                      "pool.timeout", "2s", "session.tenant_cache", "1h"));
}

static void learn_state(place *p, tenant_place *t) {
  tenantdb_session *session = fixture_session(p->db, t->slug);
  place_state(session, t->state, sizeof t->state);
  tenantdb_session_close(session);
}

void place_renew(place *p) {
  tenantdb_close(p->db);
  p->db = open_at(p->level, p->as_owner);
}

void place_witness(place *p) {
  char sql[120];
  PQfinish(p->witness);
  char *url =
      harness_url_with(p->url, NULL, p->level == TENANTDB_ISOLATION_LOGIN ? p->victim.role : p->owner, NULL);
  p->witness = connect_as(url);
  free(url);
  snprintf(sql, sizeof sql, "SELECT 'a value in a statement: %s'", p->data[3]);
  PQclear(PQexec(p->witness, sql));
}

/* As an application of some age looks: a view, a comment, statistics, a careless function. */
static void furnish(place *p) {
  admin_fill(p,
             "SET ROLE {owner};"
             "CREATE VIEW {victim}.report AS SELECT '{defined}'::text AS what;"
             "COMMENT ON COLUMN {victim}.notes.body IS '{defined}';"
             "CREATE FUNCTION public.plan_count() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT "
             "count(*) FROM plans';"
             "CREATE FUNCTION public.remember(text) RETURNS text LANGUAGE sql AS 'SELECT "
             "pg_catalog.set_config(''app.tenant'', $1, false)';"
             "GRANT EXECUTE ON FUNCTION public.plan_count(), public.remember(text) TO PUBLIC;"
             "RESET ROLE;"
             "ANALYZE pg_catalog.pg_namespace");
  place_plant(p);
}

static void reach_level(place *p) {
  bool hardened = p->level == TENANTDB_ISOLATION_HARDENED;
  p->db = open_at(hardened ? TENANTDB_ISOLATION_ROLE : p->level, p->as_owner);
  harness_assert_ok(tenantdb_bootstrap(p->db, &error), error);
  if (hardened) {
    tenantdb_close(p->db);
    p->db =
        fixture_open(p->url, NULL, FIXTURE_OPTIONS("isolation.level", "role", "isolation.users", p->owner));
    harness_assert_ok(tenantdb_harden(p->db, 1, NULL, &error), error);
    place_renew(p);
  }
  int32_t level = 0;
  harness_assert_ok(tenantdb_isolation(p->db, &level, NULL, &error), error);
  assert_int_equal(level, p->level);
}

void place_make(place *p, int32_t level) {
  *p = (place){.level = level, .url = harness_database()};
  p->owner = harness_role("LOGIN CREATEROLE");
  p->as_owner = harness_url_with(p->url, NULL, p->owner, NULL);
  p->admin = connect_as(p->url);
  char *name = harness_database_name(p->url);
  harness_sql(p->url,
              "GRANT CREATE ON DATABASE \"%s\" TO \"%s\"; GRANT CREATE, USAGE ON SCHEMA public TO \"%s\"",
              name, p->owner, p->owner);
  free(name);
  take_random(p);
  snprintf(p->tag, sizeof p->tag, "x%.12s", p->yes);
  reach_level(p);
  make_tenant(p, &p->me, "mallory");
  make_tenant(p, &p->victim, "victim");
  make_tenant(p, &p->third, "quietone");
  furnish(p);
  place_renew(p);
  place_witness(p);
  learn_state(p, &p->me);
  learn_state(p, &p->third);
  tenantdb_session *shared = NULL;
  harness_assert_ok(tenantdb_session_open_shared(p->db, NULL, &shared, &error), error);
  place_state(shared, p->shared_state, sizeof p->shared_state);
  tenantdb_session_close(shared);
  p->theirs = place_theirs(p);
  p->server = place_server(p);
  p->ready = true;
  char expected[80];
  snprintf(expected, sizeof expected, "session user %s;",
           level == TENANTDB_ISOLATION_LOGIN ? p->me.role : p->owner);
  if (!strstr(p->me.state, expected)) {
    p->ready = false;
    fail_msg("level %s: a session is not what it should be: %s", tenantdb_isolation_name(level), p->me.state);
  }
}

void place_recover(place *p) {
  if (p->session) {
    tenantdb_session_close(p->session);
    p->session = NULL;
    place_renew(p);
  }
}

void place_drop(place *p) {
  tenantdb_session_close(p->session);
  tenantdb_close(p->db);
  PQfinish(p->admin);
  PQfinish(p->witness);
  free(p->as_owner);
  free(p->theirs);
  free(p->server);
  if (p->url) {
    harness_drop_database(p->url);
  }
  *p = (place){.level = 0};
}
