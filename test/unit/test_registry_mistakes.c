/* SPDX-License-Identifier: PostgreSQL */
/* Every mistake a declaration can hold: status, reason and the words, with their place. */
#include <string.h>

#include "registry/registry.h"
#include "unit.h"

typedef struct world {
  tenantdb_registry *registry;
  tenantdb_base *shared;
  tenantdb_base *base;
  tenantdb_table *table;
} world;

static world declare(void) {
  world w;
  w.registry = tenantdb_registry_new();
  w.shared = tenantdb_registry_base(w.registry, "Central", TENANTDB_BASE_SHARED);
  w.base = tenantdb_registry_base(w.registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_table_column(tenantdb_base_table(w.shared, "plans"), "id", "int", "PRIMARY KEY");
  w.table = tenantdb_base_table(w.base, "requests");
  tenantdb_table_column(w.table, "id", "uuid", "PRIMARY KEY");
  tenantdb_table_column(w.table, "note", "text", NULL);
  return w;
}

/* Reports the mistake that was made, and releases all. */
static void expect(world w, tenantdb_status status, int32_t reason, const char *message) {
  tenantdb_error *error = NULL;
  for (int i = 0; i < 2; i++) { /* asking again answers the same */
    assert_int_equal(tenantdb_registry_check(w.registry, &error), status);
    assert_string_equal(tenantdb_error_message(error), message);
    assert_string_equal(tenantdb_reason_name(tenantdb_error_reason(error)), tenantdb_reason_name(reason));
    assert_int_equal(tenantdb_error_status(error), status);
    tenantdb_error_free(error);
    char *sql = (char *)w.registry;
    assert_int_equal(tenantdb_registry_ddl(w.registry, TENANTDB_BASE_TENANT, "t", "s", &sql, &error), status);
    assert_string_equal(tenantdb_error_message(error), message);
    assert_null(sql);
    tenantdb_error_free(error);
  }
  assert_int_equal(tenantdb_registry_check(w.registry, NULL), status);
  tenantdb_registry_free(w.registry);
}

#define MISTAKE(reason, message, ...)                                  \
  do {                                                                 \
    world w = declare();                                               \
    __VA_ARGS__;                                                       \
    expect(w, TENANTDB_ARGUMENT, TENANTDB_REASON_##reason, (message)); \
  } while (0)

#define SCRIPT(reason, message, script) MISTAKE(reason, message, tenantdb_base_sql(w.base, script))
#define COLUMN(reason, message, name, type, rest) \
  MISTAKE(reason, message, tenantdb_table_column(w.table, name, type, rest))

static const char long_name[] = "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcd";

static void bases(void **state) {
  (void)state;
  MISTAKE(BAD_IDENTIFIER, "a base's name is empty", tenantdb_registry_base(w.registry, "", 1));
  MISTAKE(NULL_ARGUMENT, "a base's name is NULL", tenantdb_registry_base(w.registry, NULL, 1));
  MISTAKE(BAD_IDENTIFIER, "base a.b: a base's name holds no dot and no brace",
          assert_null(tenantdb_registry_base(w.registry, "a.b", 1)));
  MISTAKE(BAD_ARGUMENT, "base x: 7 is not a kind of base", tenantdb_registry_base(w.registry, "x", 7));
  MISTAKE(BAD_DECLARATION, "base Service: declared as both a shared and a tenant base",
          tenantdb_registry_base(w.registry, "Service", TENANTDB_BASE_SHARED));
  world w = declare();
  assert_null(tenantdb_registry_base(w.registry, "Rows", TENANTDB_BASE_ROW));
  expect(w, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
         "base Rows: bases of kind row are not available yet; use a tenant base");
}

static void tables(void **state) {
  (void)state;
  MISTAKE(BAD_IDENTIFIER, "base Service, table: the name is empty", tenantdb_base_table(w.base, ""));
  MISTAKE(NULL_ARGUMENT, "base Service, table: the name is NULL", tenantdb_base_table(w.base, NULL));
  MISTAKE(BAD_IDENTIFIER,
          "base Service, table: the name \"abcdefghijabcdefghijabcdefghijabcdefghij...\" has 64 bytes; a "
          "name has at "
          "most 63",
          tenantdb_base_table(w.base, long_name));
  MISTAKE(BAD_IDENTIFIER, "base Service, table \xFFx: the name is not valid UTF-8 at byte 1",
          tenantdb_base_table(w.base, "\xFFx"));
  MISTAKE(DUPLICATE_NAME, "base Service, script line 2: \"requests\" is declared twice in this base",
          tenantdb_base_sql(w.base, "\nCREATE TABLE requests (id int)"));
  MISTAKE(DUPLICATE_NAME,
          "base Other, table requests: \"requests\" is declared in base Service too, and both would meet in "
          "one schema",
          tenantdb_base_table(tenantdb_registry_base(w.registry, "Other", TENANTDB_BASE_TENANT), "requests"));
}

static void columns(void **state) {
  (void)state;
  COLUMN(DUPLICATE_NAME, "base Service, table requests, column id: declared twice", "id", "int", NULL);
  COLUMN(BAD_IDENTIFIER, "base Service, table requests, column: the name is empty", "", "int", NULL);
  COLUMN(NULL_ARGUMENT, "base Service, table requests, column: the name is NULL", NULL, "int", NULL);
  COLUMN(NULL_ARGUMENT, "base Service, table requests, column a: the type is NULL", "a", NULL, NULL);
  COLUMN(BAD_DECLARATION, "base Service, table requests, column a: the type is empty", "a", " /* x */ ",
         "NOT NULL");
  COLUMN(BAD_DECLARATION, "base Service, table requests, column a: the type has unbalanced parentheses", "a",
         "numeric(10", NULL);
  COLUMN(BAD_DECLARATION,
         "base Service, table requests, column a: what follows the type has unbalanced parentheses", "a",
         "int", "DEFAULT (1))");
  COLUMN(BAD_DECLARATION,
         "base Service, table requests, column a: what follows the type has unbalanced parentheses", "a",
         "int", "DEFAULT (1]");
  COLUMN(BAD_DECLARATION,
         "base Service, table requests, column a: what follows the type holds a comma outside parentheses",
         "a", "int", "NOT NULL, b int");
  COLUMN(BAD_DECLARATION, "base Service, table requests, column a: the type holds a semicolon", "a",
         "int; DROP TABLE x", NULL);
  COLUMN(SQL_SYNTAX, "base Service, table requests, column a: a string has no closing quote", "a", "text",
         "DEFAULT 'x");
  COLUMN(BAD_MARKER,
         "base Service, table requests, column a: a marker { has no closing }; a brace itself is written {{",
         "a", "text", "DEFAULT {x");
  COLUMN(BAD_DECLARATION,
         "base Service, table requests, column a: a second primary key; a table has one, over several "
         "columns if need "
         "be",
         "a", "int", "PRIMARY KEY");
  COLUMN(BAD_DECLARATION, "base Service, table requests, column a: a name is expected after CONSTRAINT", "a",
         "int", "CONSTRAINT");
  COLUMN(BAD_DECLARATION, "base Service, table requests, column a: the name of a table is expected", "a",
         "int", "REFERENCES (id)");
  MISTAKE(DUPLICATE_NAME, "base Service, table requests, column b: constraint \"c\" is declared twice",
          tenantdb_table_column(w.table, "a", "int", "CONSTRAINT c CHECK (a > 0)");
          tenantdb_table_column(w.table, "b", "int", "CONSTRAINT c NOT NULL"));
}

static void constraints(void **state) {
  (void)state;
  MISTAKE(BAD_DECLARATION,
          "base Service, table requests, primary key: a second primary key; a table has one, over several "
          "columns if "
          "need be",
          tenantdb_table_primary_key(w.table, "note"));
  MISTAKE(
      UNKNOWN_COLUMN,
      "base Service, table requests, unique constraint: table requests has no column \"nota\"; did you mean "
      "\"note\"?",
      tenantdb_table_unique(w.table, NULL, "id, nota"));
  MISTAKE(DUPLICATE_NAME, "base Service, table requests, unique constraint: column \"id\" is listed twice",
          tenantdb_table_unique(w.table, NULL, "id, \"id\""));
  MISTAKE(BAD_IDENTIFIER, "base Service, table requests, unique constraint: a column's name is empty",
          tenantdb_table_unique(w.table, NULL, "id,,note"));
  MISTAKE(
      BAD_DECLARATION,
      "base Service, table requests, unique constraint: in the list of columns, \"id is not quoted properly",
      tenantdb_table_unique(w.table, NULL, "note, \"id"));
  MISTAKE(NULL_ARGUMENT, "base Service, table requests, primary key: the list of columns is NULL",
          tenantdb_table_primary_key(w.table, NULL));
  MISTAKE(BAD_IDENTIFIER, "base Service, table requests, unique constraint: a constraint's name is empty",
          tenantdb_table_unique(w.table, "", "id"));
  MISTAKE(DUPLICATE_NAME, "base Service, table requests, check c: constraint \"c\" is declared twice",
          tenantdb_table_unique(w.table, "c", "note");
          tenantdb_table_check(w.table, "c", "true"));
  MISTAKE(DUPLICATE_NAME,
          "base Service, table requests, index c: \"c\" is declared twice in this base: tables, views, "
          "sequences, "
          "indexes and the constraints that make indexes share their names",
          tenantdb_table_unique(w.table, "c", "note");
          tenantdb_table_index(w.table, "c", "(note)"));
  MISTAKE(BAD_DECLARATION, "base Service, table requests, check: the definition has unbalanced parentheses",
          tenantdb_table_check(w.table, NULL, "true) CHECK (true"));
  MISTAKE(BAD_DECLARATION, "base Service, table requests, check: the definition is empty",
          tenantdb_table_check(w.table, NULL, ""));
  MISTAKE(BAD_DECLARATION,
          "base Service, table requests, exclusion: the definition begins with ( or USING: \"USING gist "
          "(room WITH =, "
          "during WITH &&)\"",
          tenantdb_table_exclude(w.table, NULL, "gist (note WITH =)"));
}

static void foreign_keys(void **state) {
  (void)state;
  MISTAKE(
      BAD_REFERENCE,
      "base Service, table requests, foreign key to request: no table \"request\" is declared; did you mean "
      "\"requests\"?",
      tenantdb_table_foreign_key(w.table, NULL, "note", "request", NULL, NULL));
  COLUMN(BAD_REFERENCE,
         "base Service, table requests, foreign key to plan: no table \"plan\" is declared; did you mean "
         "\"plans\"?",
         "plan", "int", "REFERENCES plan");
  COLUMN(BAD_REFERENCE,
         "base Service, table requests, foreign key to Centrl.plans: no base \"Centrl\" is declared; did you "
         "mean "
         "\"Central\"?",
         "plan", "int", "REFERENCES Centrl.plans");
  COLUMN(BAD_REFERENCE,
         "base Service, table requests, foreign key to plans: table plans has no column \"ident\"", "plan",
         "int", "REFERENCES plans (ident)");
  MISTAKE(UNKNOWN_COLUMN,
          "base Service, table requests, foreign key to plans: table requests has no column \"plan\"",
          tenantdb_table_foreign_key(w.table, NULL, "plan", "plans", NULL, NULL));
  MISTAKE(BAD_REFERENCE,
          "base Service, table requests, foreign key to plans: 2 columns refer to 1 columns of table plans",
          tenantdb_table_foreign_key(w.table, NULL, "id, note", "plans", NULL, NULL));
  MISTAKE(
      BAD_REFERENCE,
      "base Service, table requests, foreign key to bare: table bare has no primary key; name the columns "
      "referred to",
      tenantdb_table_column(tenantdb_base_table(w.base, "bare"), "x", "int", NULL);
      tenantdb_table_foreign_key(w.table, NULL, "note", "bare", NULL, NULL));
  MISTAKE(BAD_REFERENCE,
          "base Central, table plans, foreign key to requests: \"requests\" is a table of the tenant base "
          "Service, of "
          "which every tenant has a copy: a shared base cannot refer to it",
          tenantdb_table_column(tenantdb_base_table(w.shared, "plans"), "r", "uuid", "REFERENCES requests"));
  MISTAKE(BAD_REFERENCE,
          "base Central, table plans, foreign key to Service.requests: \"requests\" is a table of the tenant "
          "base "
          "Service, of which every tenant has a copy: a shared base cannot refer to it",
          tenantdb_table_column(tenantdb_base_table(w.shared, "plans"), "r", "uuid",
                                "REFERENCES Service.requests"));
  MISTAKE(BAD_REFERENCE, "base Service, table requests, foreign key to v: \"v\" is not a table",
          tenantdb_base_sql(w.base, "CREATE VIEW v AS SELECT 1");
          tenantdb_table_foreign_key(w.table, NULL, "note", "v", NULL, NULL));
  MISTAKE(NULL_ARGUMENT, "base Service, table requests, foreign key: the target is NULL",
          tenantdb_table_foreign_key(w.table, NULL, "note", NULL, NULL, NULL));
}

static void indexes(void **state) {
  (void)state;
  static const char form[] =
      "base Service, table requests, index i: an index's definition begins with ( or USING, and its columns "
      "stand in "
      "one pair of parentheses: not \"tenant_id USING gin (body)\" or \"(tenant_id) USING gin (body)\" but "
      "\"USING gin "
      "(body)\", or with the extension btree_gin \"USING gin (tenant_id, body)\"";
  MISTAKE(BAD_DECLARATION, form, tenantdb_table_index(w.table, "i", "note USING gin (note)"));
  MISTAKE(BAD_DECLARATION, form, tenantdb_table_index(w.table, "i", "(id, note) USING gin (note)"));
  MISTAKE(BAD_DECLARATION, form, tenantdb_table_index(w.table, "i", ""));
  MISTAKE(BAD_DECLARATION, "base Service, table requests, index i: the index has no columns",
          tenantdb_table_index(w.table, "i", "()"));
  MISTAKE(BAD_DECLARATION, "base Service, table requests, index i: the definition has unbalanced parentheses",
          tenantdb_table_unique_index(w.table, "i", "(note"));
  MISTAKE(NULL_ARGUMENT, "base Service, table requests, index i: the definition is NULL",
          tenantdb_table_index(w.table, "i", NULL));
  static const char *const volatiles[] = {
      "now()", "CURRENT_DATE", "current_timestamp", "pg_catalog.now()", "clock_timestamp ()", "LocalTime"};
  for (size_t i = 0; i < sizeof volatiles / sizeof volatiles[0]; i++) {
    world w = declare();
    char definition[100] = "(note) WHERE at > ";
    strcat(definition, volatiles[i]);
    tenantdb_table_index(w.table, "i", definition);
    tenantdb_error *error = NULL;
    assert_int_equal(tenantdb_registry_check(w.registry, &error), TENANTDB_ARGUMENT);
    assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_VOLATILE_PREDICATE);
    assert_non_null(
        strstr(tenantdb_error_message(error), "base Service, table requests, index i: the predicate uses "));
    tenantdb_error_free(error);
    tenantdb_registry_free(w.registry);
  }
  MISTAKE(DUPLICATE_NAME,
          "base Service, table requests, index requests: \"requests\" is declared twice in this base: "
          "tables, views, "
          "sequences, indexes and the constraints that make indexes share their names",
          tenantdb_table_index(w.table, "requests", "(note)"));
  MISTAKE(
      UNKNOWN_TABLE,
      "base Service, script line 1, index i: no table \"reqests\" is declared; did you mean \"requests\"?",
      tenantdb_base_sql(w.base, "CREATE INDEX i ON reqests (id)"));
  MISTAKE(BAD_REFERENCE,
          "base Service, script line 1, index i: \"plans\" is a table of the shared base Central; "
          "declare this there",
          tenantdb_base_sql(w.base, "CREATE INDEX i ON plans (id)"));
}

static void comments_and_grants(void **state) {
  (void)state;
  MISTAKE(UNKNOWN_COLUMN,
          "base Service, table requests, comment notes: table requests has no column \"notes\"; did you mean "
          "\"note\"?",
          tenantdb_table_comment(w.table, "notes", "x"));
  MISTAKE(NULL_ARGUMENT, "base Service, table requests, comment: the text is NULL",
          tenantdb_table_comment(w.table, NULL, NULL));
  MISTAKE(BAD_DECLARATION,
          "base Service, grant: grants are for shared bases; a tenant's sessions own their tables' "
          "data anyway",
          tenantdb_base_grant(w.base, "SELECT"));
  MISTAKE(BAD_DECLARATION,
          "base Service, table requests, grant: grants are for shared bases; a tenant's sessions may use all "
          "of their "
          "own tables",
          tenantdb_table_grant(w.table, "SELECT"));
  static const char *const bad[] = {"ALL", "SELECT INSERT", "SELECT,", ",", "SELECT; DROP", "TRUNCATE"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    world w = declare();
    char message[120] = "base Central, grant: \"";
    strcat(strcat(message, bad[i]), "\" is not a list out of SELECT, INSERT, UPDATE, DELETE");
    tenantdb_base_grant(w.shared, bad[i]);
    expect(w, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION, message);
  }
  MISTAKE(NULL_ARGUMENT, "base Central, table plans, grant: the list of privileges is NULL; \"\" is nothing",
          tenantdb_table_grant(tenantdb_base_table(w.shared, "plans"), NULL));
}

static void statements(void **state) {
  (void)state;
  SCRIPT(
      SCRIPT_STATEMENT,
      "base Service, script line 3: drop does not belong in a registry: it says what should exist; leave the "
      "declaration out instead",
      "CREATE TABLE a (id int);\n\n  drop table a");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1: INSERT does not belong in a registry: it holds no data",
         "INSERT INTO a VALUES (1)");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1: GRANT does not belong in a registry: grants on shared tables are "
         "declared with "
         "tenantdb_base_grant() and tenantdb_table_grant(), tenants may use their own tables anyway",
         "GRANT SELECT ON a TO b");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1: SET does not belong in a registry: the library sets what a schema's "
         "creation "
         "needs",
         "SET search_path TO x");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1: VACUUM does not belong in a registry: it takes CREATE, COMMENT ON and "
         "ALTER TABLE "
         "or SEQUENCE",
         "VACUUM");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1: a temporary object does not belong in a registry: it would vanish "
         "with the "
         "connection that creates it",
         "CREATE LOCAL TEMP TABLE a (id int)");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1: CREATE INDEX CONCURRENTLY does not belong in a registry: it cannot "
         "run in the "
         "transaction that creates a schema, and a new table needs no care; leave CONCURRENTLY out",
         "CREATE UNIQUE INDEX CONCURRENTLY i ON requests (id)");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1: CREATE AGGREGATE does not belong in a registry: it takes TABLE, "
         "INDEX, TYPE, "
         "DOMAIN, SEQUENCE, VIEW, MATERIALIZED VIEW, FUNCTION, PROCEDURE and TRIGGER",
         "CREATE AGGREGATE a (int) (SFUNC = f)");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1, table a: CREATE TABLE AS does not belong in a registry: it holds no "
         "data; "
         "declare the "
         "columns",
         "CREATE TABLE a AS SELECT 1");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1, table a: CREATE TABLE AS does not belong in a registry: it holds no "
         "data; declare "
         "the columns",
         "CREATE TABLE a () AS SELECT 1");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1: ALTER VIEW does not belong in a registry: it takes ALTER TABLE and "
         "ALTER SEQUENCE",
         "ALTER VIEW v RENAME TO w");
  SCRIPT(
      SCRIPT_STATEMENT,
      "base Service, script line 1: RENAME TO does not belong in a registry: declare it under its new name",
      "ALTER TABLE requests RENAME TO w");
  SCRIPT(SCRIPT_STATEMENT,
         "base Service, script line 1: SET SCHEMA does not belong in a registry: what is declared stays in "
         "its schema",
         "ALTER TABLE requests SET SCHEMA w");
  world w = declare();
  tenantdb_base_sql(w.base, "CREATE EXTENSION pgcrypto");
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_registry_check(w.registry, &error), TENANTDB_ARGUMENT);
  assert_string_equal(tenantdb_error_hint(error),
                      "Extensions belong to the database: run CREATE EXTENSION there once.");
  tenantdb_error_free(error);
  expect(
      w, TENANTDB_ARGUMENT, TENANTDB_REASON_SCRIPT_STATEMENT,
      "base Service, script line 1: CREATE EXTENSION does not belong in a registry: extensions belong to the "
      "database, not to a schema; create it once there");
}

static void qualified(void **state) {
  (void)state;
  static const char *const scripts[] = {
      "CREATE TABLE public.a (id int)",
      "CREATE TABLE a (id int REFERENCES public.plans)",
      "CREATE TABLE a (id int, FOREIGN KEY (id) REFERENCES public.plans (id))",
      "CREATE TABLE a (LIKE public.plans)",
      "CREATE TABLE a () INHERITS (public.plans)",
      "CREATE TABLE a PARTITION OF public.plans DEFAULT",
      "CREATE INDEX i ON public.requests (id)",
      "CREATE INDEX public.i ON requests (id)",
      "CREATE VIEW public.v AS SELECT 1",
      "CREATE VIEW v AS SELECT * FROM public.plans",
      "CREATE VIEW v AS SELECT * FROM requests r, public.plans",
      "CREATE VIEW v AS SELECT * FROM requests JOIN (public.plans) ON true JOIN public.plans p ON true",
      "CREATE TYPE public.t AS (a int)",
      "CREATE SEQUENCE IF NOT EXISTS public.s",
      "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
      "CREATE TRIGGER t AFTER INSERT ON public.requests EXECUTE FUNCTION f()",
      "COMMENT ON TABLE public.requests IS 'x'",
      "COMMENT ON COLUMN public.requests.id IS 'x'",
      "COMMENT ON INDEX public.i IS 'x'",
      "ALTER TABLE public.requests ADD a int",
      "ALTER TABLE requests ADD a int REFERENCES public.plans",
      "ALTER SEQUENCE public.s CYCLE",
  };
  for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
    world w = declare();
    tenantdb_base_sql(w.base, scripts[i]);
    tenantdb_error *error = NULL;
    if (tenantdb_registry_check(w.registry, &error) != TENANTDB_ARGUMENT ||
        tenantdb_error_reason(error) != TENANTDB_REASON_SCRIPT_QUALIFIED ||
        !strstr(tenantdb_error_message(error), "base Service, script line 1") ||
        !strstr(tenantdb_error_message(error), "\"public\"")) {
      fail_msg("%s: %s", scripts[i], tenantdb_error_message(error));
    }
    tenantdb_error_free(error);
    tenantdb_registry_free(w.registry);
  }
}

static void scripts(void **state) {
  (void)state;
  SCRIPT(SQL_SYNTAX, "base Service, script line 2: a string has no closing quote",
         "CREATE TABLE a (\nb text DEFAULT 'x)");
  SCRIPT(BAD_MARKER, "base Service, script line 2: a marker { has no closing }; a brace itself is written {{",
         "CREATE VIEW v AS SELECT 1 FROM\n{requests");
  SCRIPT(BAD_MARKER,
         "base Service, script line 1, view v: a marker {} is empty; a brace itself is written {{",
         "CREATE VIEW v AS SELECT 1 FROM { }");
  SCRIPT(UNKNOWN_TABLE,
         "base Service, script line 1, view v: no table \"request\" is declared; did you mean \"requests\"?",
         "CREATE VIEW v AS SELECT 1 FROM {request}");
  SCRIPT(DUPLICATE_NAME, "base Service, script line 3, table a, column b: declared twice",
         "CREATE TABLE a (\n  b int,\n  \"b\" text\n)");
  SCRIPT(BAD_DECLARATION, "base Service, script line 1, table a, column b: the type is empty",
         "CREATE TABLE a (b)");
  SCRIPT(BAD_DECLARATION, "base Service, script line 1, table a: the name of a column is expected",
         "CREATE TABLE a (b int,)");
  SCRIPT(BAD_DECLARATION,
         "base Service, script line 1, table a: the list of columns has unbalanced parentheses",
         "CREATE TABLE a (b int");
  SCRIPT(BAD_DECLARATION, "base Service, script line 1, table a: ( after the table's name is expected",
         "CREATE TABLE a");
  SCRIPT(BAD_DECLARATION, "base Service, script line 1: the name of a table is expected",
         "CREATE TABLE 'a' (b int)");
  SCRIPT(BAD_DECLARATION, "base Service, script line 2, table a: KEY is expected after FOREIGN",
         "CREATE TABLE a (b int,\nFOREIGN (b) REFERENCES x)");
  SCRIPT(BAD_DECLARATION,
         "base Service, script line 1, table a: REFERENCES is expected after the columns of a foreign key",
         "CREATE TABLE a (b int, FOREIGN KEY (b))");
  SCRIPT(BAD_DECLARATION,
         "base Service, script line 1, table a: a list of columns in parentheses is expected",
         "CREATE TABLE a (b int, PRIMARY KEY b)");
  SCRIPT(BAD_DECLARATION, "base Service, script line 1, table a: \"nothing\" begins no table constraint",
         "CREATE TABLE a (b int, CONSTRAINT c nothing)");
  SCRIPT(BAD_REFERENCE,
         "base Service, script line 3, table a, foreign key to plann: no table \"plann\" is declared; did "
         "you mean "
         "\"plans\"?",
         "CREATE TABLE a (\n b int,\n c int REFERENCES plann\n)");
  SCRIPT(UNKNOWN_TABLE,
         "base Service, script line 1, table a: no table \"request\" is declared; did you mean "
         "\"requests\"?",
         "CREATE TABLE a (LIKE request)");
  SCRIPT(
      BAD_REFERENCE,
      "base Service, script line 1, table a: it is made from tables that are made from it (LIKE, INHERITS or "
      "PARTITION OF)",
      "CREATE TABLE a (LIKE b); CREATE TABLE b (LIKE a)");
  SCRIPT(BAD_REFERENCE,
         "base Service, script line 1, table a: \"b\" is declared later, behind a statement that keeps its "
         "place; "
         "declare it first",
         "CREATE TABLE a (LIKE b); CREATE SEQUENCE s; CREATE TABLE b (id int)");
  SCRIPT(UNKNOWN_TABLE,
         "base Service, script line 1: no table \"request\" is declared; did you mean \"requests\"?",
         "ALTER TABLE request ADD a int");
  SCRIPT(BAD_REFERENCE,
         "base Service, script line 1: \"plans\" is a table of the shared base Central; alter it there",
         "ALTER TABLE plans ADD a int");
  SCRIPT(UNKNOWN_TABLE,
         "base Service, script line 1: no table \"request\" is declared; did you mean \"requests\"?",
         "CREATE TRIGGER t AFTER INSERT ON request EXECUTE FUNCTION f()");
  SCRIPT(UNKNOWN_COLUMN,
         "base Service, script line 1, comment notes: table requests has no column \"notes\"; did you "
         "mean \"note\"?",
         "COMMENT ON COLUMN requests.notes IS 'x'");
  SCRIPT(BAD_DECLARATION,
         "base Service, script line 1: {Central.plans} is not of this base; declare it in its own",
         "CREATE INDEX i ON {Central.plans} (id)");
  MISTAKE(NULL_ARGUMENT, "base Service, script: the script is NULL", tenantdb_base_sql(w.base, NULL));
  MISTAKE(DUPLICATE_NAME,
          "base Service, script line 1, type requests: \"requests\" is declared twice in this base: tables, "
          "views, "
          "sequences, indexes and the constraints that make indexes share their names",
          tenantdb_base_sql(w.base, "CREATE TYPE requests AS ENUM ()"));
}

static void the_first_is_kept(void **state) {
  (void)state;
  MISTAKE(DUPLICATE_NAME, "base Service, table requests, column id: declared twice",
          tenantdb_table_column(w.table, "id", "int", NULL);
          tenantdb_table_column(w.table, "", "int", NULL); tenantdb_base_sql(w.base, "DROP TABLE x");
          tenantdb_registry_base(w.registry, "", 1));
}

static void nothing(void **state) {
  (void)state;
  assert_null(tenantdb_registry_base(NULL, "a", 1));
  assert_null(tenantdb_base_table(NULL, "a"));
  tenantdb_base_sql(NULL, "x");
  tenantdb_base_grant(NULL, "x");
  tenantdb_table_column(NULL, "a", "b", "c");
  tenantdb_table_primary_key(NULL, "a");
  tenantdb_table_unique(NULL, "a", "b");
  tenantdb_table_check(NULL, "a", "b");
  tenantdb_table_exclude(NULL, "a", "b");
  tenantdb_table_foreign_key(NULL, "a", "b", "c", "d", "e");
  tenantdb_table_index(NULL, "a", "b");
  tenantdb_table_unique_index(NULL, "a", "b");
  tenantdb_table_comment(NULL, "a", "b");
  tenantdb_table_grant(NULL, "a");
  tenantdb_registry_free(NULL);
  tenantdb_error *error = NULL;
  char *sql = NULL;
  assert_int_equal(tenantdb_registry_check(NULL, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_NULL_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_registry_ddl(NULL, 1, "a", "b", &sql, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_base_ddl(NULL, "a", "b", &sql, NULL), TENANTDB_ARGUMENT);
  uint32_t other[64] = {0};
  assert_int_equal(tenantdb_registry_check((const tenantdb_registry *)other, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_HANDLE);
  tenantdb_error_free(error);
}

static void arguments_of_ddl(void **state) {
  (void)state;
  world w = declare();
  tenantdb_table_column(w.table, "plan", "int", "REFERENCES plans");
  char *sql;
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_registry_ddl(w.registry, 2, "t", "s", NULL, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_registry_ddl(w.registry, 2, NULL, "s", &sql, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_registry_ddl(w.registry, 2, "", "s", &sql, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_registry_ddl(w.registry, 2, "t", long_name, &sql, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_registry_ddl(w.registry, 9, "t", "s", &sql, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_registry_ddl(w.registry, TENANTDB_BASE_ROW, "t", "s", &sql, NULL),
                   TENANTDB_UNSUPPORTED);
  assert_int_equal(tenantdb_registry_ddl(w.registry, 2, "t", NULL, &sql, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_MISSING_SCHEMA_NAME);
  assert_string_equal(
      tenantdb_error_message(error),
      "base Service, table requests: the shared schema's name is needed: \"plans\" is a table of the "
      "shared base Central");
  tenantdb_error_free(error);
  tenantdb_registry_free(w.registry);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bases),
      cmocka_unit_test(tables),
      cmocka_unit_test(columns),
      cmocka_unit_test(constraints),
      cmocka_unit_test(foreign_keys),
      cmocka_unit_test(indexes),
      cmocka_unit_test(comments_and_grants),
      cmocka_unit_test(statements),
      cmocka_unit_test(qualified),
      cmocka_unit_test(scripts),
      cmocka_unit_test(the_first_is_kept),
      cmocka_unit_test(nothing),
      cmocka_unit_test(arguments_of_ddl),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
