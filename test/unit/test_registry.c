/* SPDX-License-Identifier: PostgreSQL */
/* What a good registry says: order, foreign keys, text, grants, freezing. */
#include "registry/registry.h"

#include <pthread.h>
#include <string.h>

#include "registry/mistake.h"
#include "registry/resolve.h"
#include "sql/cursor.h"
#include "unit.h"

static tenantdb_registry *two_bases(tenantdb_base **shared, tenantdb_base **tenant) {
  tenantdb_registry *registry = tenantdb_registry_new();
  *shared = tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED);
  *tenant = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  return registry;
}

static void good(const tenantdb_registry *registry) {
  tenantdb_error *error = NULL;
  if (tenantdb_registry_check(registry, &error) != TENANTDB_OK) {
    fail_msg("%s", tenantdb_error_message(error));
  }
  assert_null(error);
}

/* The statements of a kind, each shortened to `T name`, `I name`, `F table`, in one line. */
static void expect_order(const tenantdb_registry *registry, int32_t kind, const char *expected) {
  static const char letters[] = "?TIFCYSVNGA";
  tndb_ddl ddl;
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  good(registry);
  assert_int_equal(tndb_registry_statements(registry, kind, "t", "s", &ddl, NULL), TENANTDB_OK);
  for (size_t i = 0; i < ddl.count; i++) {
    tndb_buffer_append_char(&text, letters[ddl.items[i].kind]);
    tndb_buffer_append(&text, ddl.items[i].name);
    tndb_buffer_append_char(&text, ' ');
  }
  assert_string_equal(tndb_buffer_text(&text), expected);
  tndb_ddl_free(&ddl);
}

static void script_order(const char *script, const char *expected) {
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  tenantdb_base_sql(tenant, script);
  expect_order(registry, TENANTDB_BASE_TENANT, expected);
  tenantdb_registry_free(registry);
}

/* The text of one statement. */
static void expect_sql(const tenantdb_registry *registry, int32_t kind, size_t number, const char *expected) {
  tndb_ddl ddl;
  good(registry);
  assert_int_equal(tndb_registry_statements(registry, kind, "t", "s", &ddl, NULL), TENANTDB_OK);
  assert_true(number < ddl.count);
  assert_string_equal(ddl.items[number].sql, expected);
  tndb_ddl_free(&ddl);
}

static void script_sql(const char *script, size_t number, const char *expected) {
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  tenantdb_base_sql(shared, "CREATE TABLE plans (id int PRIMARY KEY, code text UNIQUE)");
  tenantdb_base_sql(tenant, script);
  expect_sql(registry, TENANTDB_BASE_TENANT, number, expected);
  tenantdb_registry_free(registry);
}

/* -------------------------------------------------------------------- order */

static void order(void **state) {
  (void)state;
  script_order("", "");
  script_order("CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int)", "Ta Tb ");
  /* forward, over several, and indexes after all tables */
  script_order(
      "CREATE TABLE a (id int REFERENCES c PRIMARY KEY); CREATE INDEX ia ON a (id);"
      "CREATE TABLE b (id int REFERENCES a); CREATE TABLE c (id int PRIMARY KEY)",
      "Tc Ta Tb Iia ");
  /* to itself: inline */
  script_order("CREATE TABLE a (id int PRIMARY KEY REFERENCES a)", "Ta ");
  /* a cycle of two, of three */
  script_order(
      "CREATE TABLE a (id int PRIMARY KEY REFERENCES b); CREATE TABLE b (id int PRIMARY KEY REFERENCES a)",
      "Ta Tb Fa ");
  script_order(
      "CREATE TABLE x (id int REFERENCES a);"
      "CREATE TABLE a (id int PRIMARY KEY REFERENCES b); CREATE TABLE b (id int PRIMARY KEY REFERENCES c);"
      "CREATE TABLE c (id int PRIMARY KEY, CONSTRAINT back FOREIGN KEY (id) REFERENCES a)",
      "Ta Tx Tc Tb Fa ");
  /* what is made from another cannot wait: the foreign key gives way */
  script_order(
      "CREATE TABLE a (id int PRIMARY KEY, CONSTRAINT f FOREIGN KEY (id) REFERENCES b);"
      "CREATE TABLE b (LIKE a INCLUDING ALL)",
      "Ta Tb Ff ");
  script_order("CREATE TABLE b (LIKE a INCLUDING ALL); CREATE TABLE a (id int PRIMARY KEY REFERENCES b)",
               "Ta Tb Fa ");
  script_order(
      "CREATE TABLE p1 PARTITION OF p DEFAULT; CREATE TABLE k () INHERITS (a, o);"
      "CREATE TABLE a (x int); CREATE TABLE o (y int); CREATE TABLE p (z int) PARTITION BY LIST (z)",
      "Ta To Tk Tp Tp1 ");
}

static void barriers(void **state) {
  (void)state;
  script_order(
      "CREATE TYPE y AS ENUM ('a'); CREATE TABLE a (v y, id int PRIMARY KEY); CREATE SEQUENCE s;"
      "CREATE TABLE b (id int REFERENCES a DEFAULT nextval('s')); CREATE VIEW w AS SELECT 1;"
      "CREATE FUNCTION n() RETURNS int LANGUAGE sql AS $$SELECT 1$$;"
      "CREATE TRIGGER g AFTER INSERT ON b EXECUTE FUNCTION n(); ALTER TABLE b ADD c int;"
      "CREATE INDEX ib ON b (c); COMMENT ON TABLE b IS 'x'; CREATE DOMAIN d AS int",
      "Yy Ta Ss Tb Vw Nn Gg Ab Iib Cb Yd ");
  /* a foreign key that looks over a barrier comes at the end */
  script_order(
      "CREATE TABLE a (id int REFERENCES b); CREATE SEQUENCE s; CREATE TABLE b (id int PRIMARY KEY);"
      "CREATE INDEX i ON b (id)",
      "Ta Ss Tb Ii Fa ");
  /* a foreign key to what only an index makes unique, and comments on constraints, come last */
  script_order(
      "CREATE TABLE a (id int); CREATE TABLE b (id int, CONSTRAINT f FOREIGN KEY (id) REFERENCES a (id));"
      "COMMENT ON CONSTRAINT f ON b IS 'x'; CREATE UNIQUE INDEX i ON a (id)",
      "Ta Tb Ii Ff Cb ");
}

static void several_bases(void **state) {
  (void)state;
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  tenantdb_base *more = tenantdb_registry_base(registry, "More", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(tenant, "CREATE TABLE a (id int REFERENCES b)");
  tenantdb_base_sql(more, "CREATE TABLE b (id int PRIMARY KEY)");
  tenantdb_base_sql(shared, "CREATE TABLE b (id int PRIMARY KEY)"); /* another kind: they do not meet */
  expect_order(registry, TENANTDB_BASE_TENANT, "Tb Ta ");
  expect_order(registry, TENANTDB_BASE_SHARED, "Tb ");
  char *sql;
  assert_int_equal(tenantdb_base_ddl(tenant, "t", "s", &sql, NULL), TENANTDB_OK);
  assert_string_equal(sql,
                      "CREATE SCHEMA \"t\";\nSET search_path TO \"t\", pg_temp;\n"
                      "CREATE TABLE \"a\" (\n  \"id\" int,\n  FOREIGN KEY (\"id\") REFERENCES \"b\"\n);\n");
  tenantdb_string_free(sql);
  assert_ptr_equal(tenantdb_registry_base(registry, "More", TENANTDB_BASE_TENANT), more);
  tenantdb_registry_free(registry);
}

/* --------------------------------------------------------------------- text */

static void foreign_keys(void **state) {
  (void)state;
  script_sql(
      "CREATE TABLE a (x int CONSTRAINT \"F k\" REFERENCES plans (ID) MATCH SIMPLE ON DELETE SET NULL (x) ON "
      "UPDATE NO ACTION NOT DEFERRABLE INITIALLY IMMEDIATE NOT NULL DEFAULT 1)",
      0,
      "CREATE TABLE \"a\" (\n  \"x\" int NOT NULL DEFAULT 1,\n  CONSTRAINT \"F k\" FOREIGN KEY (\"x\") "
      "REFERENCES "
      "\"s\".\"plans\" (\"id\") MATCH SIMPLE ON DELETE SET NULL (x) ON UPDATE NO ACTION NOT DEFERRABLE "
      "INITIALLY "
      "IMMEDIATE\n)");
  script_sql("CREATE TABLE a (x int UNIQUE REFERENCES plans REFERENCES {Central.plans}(code) CHECK (x > 0))",
             0,
             "CREATE TABLE \"a\" (\n  \"x\" int UNIQUE CHECK (x > 0),\n  FOREIGN KEY (\"x\") REFERENCES "
             "\"s\".\"plans\",\n  FOREIGN KEY (\"x\") REFERENCES \"s\".\"plans\" (\"code\")\n)");
  script_sql(
      "CREATE TABLE a (x int, y text, CONSTRAINT c FOREIGN KEY (y) REFERENCES plans (code) ON DELETE CASCADE "
      "NOT "
      "VALID)",
      0,
      "CREATE TABLE \"a\" (\n  \"x\" int,\n  \"y\" text,\n  CONSTRAINT \"c\" FOREIGN KEY (\"y\") REFERENCES "
      "\"s\".\"plans\" (\"code\") ON DELETE CASCADE NOT VALID\n)");
  script_sql(
      "CREATE TABLE a (id int, r int4range, CONSTRAINT p PRIMARY KEY (id, r WITHOUT OVERLAPS));"
      "CREATE TABLE b (id int, r int4range, FOREIGN KEY (id, PERIOD r) REFERENCES a (id, PERIOD r))",
      1,
      "CREATE TABLE \"b\" (\n  \"id\" int,\n  \"r\" int4range,\n  FOREIGN KEY (\"id\", PERIOD \"r\") "
      "REFERENCES "
      "\"a\" (\"id\", PERIOD \"r\")\n)");
  script_sql(
      "CREATE TABLE a (x int PRIMARY KEY REFERENCES b);"
      "CREATE TABLE b (id int PRIMARY KEY CONSTRAINT back REFERENCES a (x))",
      2, "ALTER TABLE \"a\" ADD FOREIGN KEY (\"x\") REFERENCES \"b\"");
  script_sql(
      "CREATE TABLE a (x int CONSTRAINT c REFERENCES a (y) DEFERRABLE, y int); CREATE UNIQUE INDEX ON a (y)",
      2, "ALTER TABLE \"a\" ADD CONSTRAINT \"c\" FOREIGN KEY (\"x\") REFERENCES \"a\" (\"y\") DEFERRABLE");
}

static void builder_names(void **state) {
  (void)state;
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  tenantdb_table *users = tenantdb_base_table(tenant, "Users");
  tenantdb_table_column(users, "Id", "int", "PRIMARY KEY");
  tenantdb_table *a = tenantdb_base_table(tenant, "a\"b");
  tenantdb_table_column(a, "order", "int", "REFERENCES Users (Id)");
  tenantdb_table_column(a, "x y", "timestamp with time zone ARRAY[3]", "COLLATE \"C\" -- odd");
  tenantdb_table_foreign_key(a, "f\"k", "order", "Service.Users", "Id", " ON DELETE CASCADE ");
  tenantdb_table_unique(a, NULL, "\"x y\", order");
  assert_ptr_equal(tenantdb_base_table(tenant, "Users"), users);
  expect_sql(
      registry, TENANTDB_BASE_TENANT, 1,
      "CREATE TABLE \"a\"\"b\" (\n  \"order\" int,\n  \"x y\" timestamp with time zone ARRAY[3] COLLATE "
      "\"C\",\n  UNIQUE (\"x y\", \"order\"),\n  FOREIGN KEY (\"order\") REFERENCES \"Users\" (\"Id\"),\n  "
      "CONSTRAINT \"f\"\"k\" FOREIGN KEY (\"order\") REFERENCES \"Users\" (\"Id\") ON DELETE CASCADE\n)");
  assert_int_equal(tndb_table_column_count(a), 2);
  assert_string_equal(tndb_table_column_name(a, 1), "x y");
  assert_null(tndb_table_column_name(a, 2));
  assert_true(tndb_table_columns_known(a));
  tenantdb_registry_free(registry);
}

static void table_texts(void **state) {
  (void)state;
  script_sql("CREATE UNLOGGED TABLE IF NOT EXISTS \"A b\" () WITH (fillfactor = 50) TABLESPACE x", 0,
             "CREATE UNLOGGED TABLE \"A b\" (\n) WITH (fillfactor = 50) TABLESPACE x");
  script_sql("create table T (A int, \"B\" int, exclude text, Exclude2 text, EXCLUDE (a WITH =))", 0,
             "CREATE TABLE \"t\" (\n  \"a\" int,\n  \"B\" int,\n  \"exclude\" text,\n  \"exclude2\" text,\n  "
             "EXCLUDE "
             "(a WITH =)\n)");
  script_sql(
      "CREATE TABLE a (x double precision, y numeric(3,\n 1)[] NOT NULL, z my_schema.not_null, -- c\n"
      "w interval day to second(3) GENERATED ALWAYS AS (y) STORED, generated int, v \"char\")",
      0,
      "CREATE TABLE \"a\" (\n  \"x\" double precision,\n  \"y\" numeric(3,\n 1)[] NOT NULL,\n  \"z\" "
      "my_schema.not_null,\n  \"w\" interval day to second(3) GENERATED ALWAYS AS (y) STORED,\n  "
      "\"generated\" int,\n  \"v\" \"char\"\n)");
  script_sql("CREATE TABLE a (LIKE plans INCLUDING ALL EXCLUDING INDEXES, LIKE {Central.plans})", 0,
             "CREATE TABLE \"a\" (\n  LIKE \"s\".\"plans\" INCLUDING ALL EXCLUDING INDEXES,\n  LIKE "
             "\"s\".\"plans\"\n)");
  script_sql(
      "CREATE TABLE a PARTITION OF plans (x WITH OPTIONS DEFAULT 1) FOR VALUES IN (1) PARTITION BY HASH (x)",
      0,
      "CREATE TABLE \"a\" PARTITION OF \"s\".\"plans\" (x WITH OPTIONS DEFAULT 1) FOR VALUES IN (1) "
      "PARTITION "
      "BY HASH (x)");
  script_sql("CREATE TABLE a () INHERITS (plans) WITH (x = 1)", 0,
             "CREATE TABLE \"a\" (\n) INHERITS (\"s\".\"plans\") WITH (x = 1)");
  script_sql("CREATE TYPE q AS (a int); CREATE TABLE a OF q (PRIMARY KEY (a))", 1,
             "CREATE TABLE \"a\" OF q (PRIMARY KEY (a))");
  script_sql(
      "CREATE TABLE a (x text DEFAULT '{}' CHECK (x <> '}{')) ; CREATE INDEX ON a USING btree (x "
      "text_pattern_ops) "
      "INCLUDE (x) NULLS NOT DISTINCT WITH (fillfactor = 1) TABLESPACE y WHERE x <> 'now()'",
      1,
      "CREATE INDEX ON \"a\" USING btree (x text_pattern_ops) INCLUDE (x) NULLS NOT DISTINCT WITH "
      "(fillfactor = "
      "1) TABLESPACE y WHERE x <> 'now()'");
  script_sql("CREATE TABLE a (x int); CREATE UNIQUE INDEX IF NOT EXISTS I ON ONLY a(x)", 1,
             "CREATE UNIQUE INDEX \"i\" ON ONLY \"a\" (x)");
}

static void raw_texts(void **state) {
  (void)state;
  script_sql("CREATE SEQUENCE IF NOT EXISTS q START 5", 0, "CREATE SEQUENCE q START 5");
  script_sql(
      "CREATE TABLE {Service.a} (x int); CREATE VIEW v AS SELECT '{a}', {{1}} FROM {a}, {Service.a}, "
      "{plans}, "
      "{schema}.f()",
      1, "CREATE VIEW v AS SELECT '{a}', {1} FROM \"a\", \"a\", \"s\".\"plans\", \"t\".f()");
  script_sql(
      "CREATE VIEW v AS SELECT extract(year FROM plans), trim(both FROM plans), plans FROM "
      "pg_catalog.pg_class "
      "plans, PLANS p JOIN ONLY \"plans\" q ON p.id IS DISTINCT FROM plans, x.plans(1) r, lateral (SELECT 1 "
      "FROM (plans CROSS JOIN plans)) WHERE a IN (1, plans) ORDER BY 1, plans",
      0,
      "CREATE VIEW v AS SELECT extract(year FROM plans), trim(both FROM plans), plans FROM "
      "pg_catalog.pg_class "
      "plans, \"s\".\"plans\" p JOIN ONLY \"s\".\"plans\" q ON p.id IS DISTINCT FROM plans, x.plans(1) r, "
      "lateral "
      "(SELECT 1 FROM (\"s\".\"plans\" CROSS JOIN \"s\".\"plans\")) WHERE a IN (1, plans) ORDER BY 1, plans");
  script_sql("CREATE VIEW v AS WITH plans (a) AS NOT MATERIALIZED (SELECT 1) SELECT * FROM plans", 0,
             "CREATE VIEW v AS WITH plans (a) AS NOT MATERIALIZED (SELECT 1) SELECT * FROM plans");
  script_sql("CREATE TABLE plans (x int); CREATE VIEW v AS SELECT * FROM plans", 1,
             "CREATE VIEW v AS SELECT * FROM plans");
  script_sql("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT {x} FROM plans $$", 0,
             "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT {x} FROM plans $$");
  script_sql(
      "CREATE TABLE a (x int); ALTER TABLE a ADD y int REFERENCES plans, ADD FOREIGN KEY (x) REFERENCES "
      "{plans} (id), ADD z int REFERENCES a",
      1,
      "ALTER TABLE a ADD y int REFERENCES \"s\".\"plans\", ADD FOREIGN KEY (x) REFERENCES \"s\".\"plans\" "
      "(id), ADD z int REFERENCES \"a\"");
}

static void scripts_as_text(void **state) {
  (void)state;
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  tenantdb_base_sql(shared, "CREATE TABLE a (x int)");
  tenantdb_table_comment(tenantdb_base_table(shared, "a"), "x", "it's\n\"x\" \\");
  static const char body[] =
      "CREATE TABLE \"a\" (\n  \"x\" int\n);\nCOMMENT ON COLUMN \"a\".\"x\" IS 'it''s\n\"x\" \\';\n";
  char *sql;
  tndb_auto_buffer expected = TNDB_BUFFER_INIT;
  assert_int_equal(tenantdb_registry_ddl(registry, TENANTDB_BASE_SHARED, "public", NULL, &sql, NULL),
                   TENANTDB_OK);
  tndb_buffer_append(&expected, "SET search_path TO \"public\", pg_temp;\n");
  tndb_buffer_append(&expected, body);
  assert_string_equal(sql, tndb_buffer_text(&expected));
  tenantdb_string_free(sql);
  assert_int_equal(tenantdb_registry_ddl(registry, TENANTDB_BASE_SHARED, "a \"b", NULL, &sql, NULL),
                   TENANTDB_OK);
  tndb_buffer_clear(&expected);
  tndb_buffer_append(&expected, "CREATE SCHEMA \"a \"\"b\";\nSET search_path TO \"a \"\"b\", pg_temp;\n");
  tndb_buffer_append(&expected, body);
  assert_string_equal(sql, tndb_buffer_text(&expected));
  tenantdb_string_free(sql);
  assert_int_equal(tenantdb_registry_ddl(registry, TENANTDB_BASE_TENANT, "public", NULL, &sql, NULL),
                   TENANTDB_OK);
  assert_string_equal(sql, "CREATE SCHEMA \"public\";\nSET search_path TO \"public\", pg_temp;\n");
  tenantdb_string_free(sql);
  tenantdb_registry_free(registry);
}

static void items_describe_themselves(void **state) {
  (void)state;
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  tenantdb_base_sql(
      tenant,
      "\nCREATE TABLE a (x int REFERENCES b); CREATE TABLE b (id int PRIMARY KEY REFERENCES a (x));"
      "\nCREATE INDEX ON a (x); CREATE INDEX i ON a (x); COMMENT ON TABLE a IS 'x';"
      "COMMENT ON TYPE int IS 'x'; CREATE SEQUENCE s");
  static const struct {
    int32_t kind;
    const char *name, *table, *place;
  } expected[] = {
      {TNDB_DDL_TABLE, "b", "b", "base Service, script line 2, table b"},
      {TNDB_DDL_TABLE, "a", "a", "base Service, script line 2, table a"},
      {TNDB_DDL_INDEX, "a", "a", "base Service, script line 3, index"},
      {TNDB_DDL_INDEX, "i", "a", "base Service, script line 3, index i"},
      {TNDB_DDL_COMMENT, "a", "a", "base Service, script line 3, comment"},
      {TNDB_DDL_COMMENT, "", NULL, "base Service, script line 3, comment"},
      {TNDB_DDL_SEQUENCE, "s", NULL, "base Service, script line 3, sequence s"},

      {TNDB_DDL_FOREIGN_KEY, "b", "b", "base Service, script line 2, table b, foreign key to a"},
  };
  tndb_ddl ddl;
  good(registry);
  assert_int_equal(tndb_registry_statements(registry, TENANTDB_BASE_TENANT, "t", "s", &ddl, NULL),
                   TENANTDB_OK);
  assert_int_equal(ddl.count, sizeof expected / sizeof expected[0]);
  for (size_t i = 0; i < ddl.count; i++) {
    assert_int_equal(ddl.items[i].kind, expected[i].kind);
    assert_string_equal(ddl.items[i].name, expected[i].name);
    assert_string_equal(ddl.items[i].place, expected[i].place);
    assert_string_equal(ddl.items[i].base, "Service");
    if (expected[i].table) {
      assert_string_equal(ddl.items[i].table, expected[i].table);
    } else {
      assert_null(ddl.items[i].table);
    }
  }
  tndb_ddl_free(&ddl);
  tenantdb_registry_free(registry);
}

/* --------------------------------------------------------------- questions */

static void relations(void **state) {
  (void)state;
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  assert_false(tndb_registry_has_functions(registry, TENANTDB_BASE_SHARED));
  tenantdb_base_sql(
      shared,
      "CREATE TABLE a (x bigserial); CREATE TABLE p (x int) PARTITION BY LIST (x);"
      "CREATE VIEW v AS SELECT 1; CREATE MATERIALIZED VIEW m AS SELECT 1; CREATE SEQUENCE s;"
      "CREATE PROCEDURE f() LANGUAGE sql AS ''; CREATE TYPE y AS (a int); CREATE INDEX i ON a (x)");
  tenantdb_base_grant(shared, " select , INSERT ");
  tenantdb_table_grant(tenantdb_base_table(shared, "p"), "");
  tenantdb_base_sql(tenant, "CREATE TABLE b (x int GENERATED ALWAYS AS IDENTITY)");
  good(registry);
  static const struct {
    const char *name, *privileges;
    char kind;
  } expected[] = {{"a", "SELECT, INSERT", 'r'},
                  {"p", "", 'p'},
                  {"v", "SELECT, INSERT", 'v'},
                  {"m", "SELECT, INSERT", 'm'},
                  {"s", "USAGE", 'S'}};
  tndb_relation found[8];
  assert_int_equal(tndb_registry_relations(registry, TENANTDB_BASE_SHARED, NULL, 0), 5);
  assert_int_equal(tndb_registry_relations(registry, TENANTDB_BASE_SHARED, found, 8), 5);
  for (size_t i = 0; i < 5; i++) {
    assert_string_equal(found[i].name, expected[i].name);
    assert_string_equal(found[i].privileges, expected[i].privileges);
    assert_int_equal(found[i].kind, expected[i].kind);
    assert_string_equal(found[i].base, "Central");
    assert_int_equal(found[i].table != NULL, i < 2);
  }
  assert_int_equal(tndb_registry_relations(registry, TENANTDB_BASE_TENANT, found, 1), 1);
  assert_string_equal(found[0].privileges, "");
  assert_true(tndb_registry_has_functions(registry, TENANTDB_BASE_SHARED));
  assert_false(tndb_registry_has_functions(registry, TENANTDB_BASE_TENANT));
  assert_true(tndb_registry_has_serials(registry, TENANTDB_BASE_SHARED));
  assert_false(tndb_registry_has_serials(registry, TENANTDB_BASE_TENANT));
  tenantdb_registry_free(registry);
}

static void hashes(void **state) {
  (void)state;
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  char first[TNDB_SHA256_HEX], second[TNDB_SHA256_HEX], other[TNDB_SHA256_HEX];
  tenantdb_base_sql(shared, "CREATE TABLE a (x int)");
  assert_int_equal(tndb_registry_hash(registry, TENANTDB_BASE_SHARED, first, NULL), TENANTDB_OK);
  assert_int_equal(tndb_registry_hash(registry, TENANTDB_BASE_TENANT, other, NULL), TENANTDB_OK);
  assert_int_equal(strlen(first), 64);
  assert_string_not_equal(first, other);
  tenantdb_base_sql(tenant, "CREATE TABLE a (x int)");
  assert_int_equal(tndb_registry_hash(registry, TENANTDB_BASE_TENANT, other, NULL), TENANTDB_OK);
  assert_string_equal(first, other);
  tenantdb_base_sql(shared, "CREATE INDEX ON a (x)");
  assert_int_equal(tndb_registry_hash(registry, TENANTDB_BASE_SHARED, second, NULL), TENANTDB_OK);
  assert_string_not_equal(first, second);
  tenantdb_registry_free(registry);
}

static void resolving(void **state) {
  (void)state;
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  tenantdb_base_table(shared, "a");
  tenantdb_base_table(tenant, "a");
  tenantdb_base_table(shared, "b");
  tenantdb_base_table(tenant, "x.y");
  tndb_target target;
  assert_int_equal(tndb_registry_resolve(registry, tenant, "a", 1, &target, NULL), TENANTDB_OK);
  assert_ptr_equal(target.base, tenant);
  assert_int_equal(tndb_registry_resolve(registry, shared, "a", 1, &target, NULL), TENANTDB_OK);
  assert_ptr_equal(target.base, shared);
  assert_int_equal(tndb_registry_resolve(registry, tenant, "b", 1, &target, NULL), TENANTDB_OK);
  assert_ptr_equal(target.base, shared);
  assert_int_equal(tndb_registry_resolve(registry, NULL, "b", 1, &target, NULL), TENANTDB_OK);
  assert_int_equal(tndb_registry_resolve(registry, NULL, "a", 1, &target, NULL), TENANTDB_ARGUMENT);
  assert_int_equal(tndb_registry_resolve(registry, NULL, "Central.a", 9, &target, NULL), TENANTDB_OK);
  assert_int_equal(tndb_registry_resolve(registry, NULL, "x.y", 3, &target, NULL), TENANTDB_OK);
  assert_string_equal(target.entry->name, "x.y");
  assert_int_equal(tndb_registry_resolve(registry, NULL, "", 0, &target, NULL), TENANTDB_NOT_FOUND);
  assert_int_equal(tndb_registry_resolve(registry, NULL, ".", 1, &target, NULL), TENANTDB_NOT_FOUND);
  assert_int_equal(tndb_registry_resolve(registry, NULL, "Central.", 8, &target, NULL), TENANTDB_NOT_FOUND);
  assert_null(target.base);
  tenantdb_registry_free(registry);
}

/* ----------------------------------------------------------------- freezing */

static void *declare_late(void *user) {
  tenantdb_registry *registry = user;
  tenantdb_base *base = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_table *table = tenantdb_base_table(base, "a");
  for (int i = 0; i < 200; i++) {
    tndb_ddl ddl;
    char hex[TNDB_SHA256_HEX];
    tenantdb_base_sql(base, "CREATE TABLE z (x int)");
    tenantdb_base_grant(base, "SELECT");
    tenantdb_table_column(table, "late", "int", NULL);
    tenantdb_table_index(table, "late", "(x)");
    tenantdb_table_comment(table, NULL, "late");
    tenantdb_table_grant(table, "SELECT");
    tenantdb_table_primary_key(table, "x");
    tenantdb_table_check(table, "late", "true");
    tenantdb_table_exclude(table, "late", "(x WITH =)");
    tenantdb_table_foreign_key(table, "late", "x", "a", NULL, NULL);
    if (tenantdb_base_table(base, "late") || tenantdb_registry_base(registry, "late", TENANTDB_BASE_SHARED) ||
        tndb_registry_statements(registry, TENANTDB_BASE_TENANT, "t", "s", &ddl, NULL) != TENANTDB_OK) {
      return registry;
    }
    size_t count = ddl.count;
    tndb_ddl_free(&ddl);
    if (count != 1 || tndb_registry_hash(registry, TENANTDB_BASE_TENANT, hex, NULL) != TENANTDB_OK) {
      return registry;
    }
  }
  return NULL;
}

static void frozen(void **state) {
  (void)state;
  tenantdb_base *shared, *tenant;
  tenantdb_registry *registry = two_bases(&shared, &tenant);
  tenantdb_table *table = tenantdb_base_table(tenant, "a");
  tenantdb_table_column(table, "x", "int", NULL);
  assert_ptr_equal(tndb_registry_hold(registry), registry);
  good(registry);
  assert_ptr_equal(tenantdb_base_table(tenant, "a"), table); /* finding is not declaring */
  good(registry);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, declare_late, registry), 0);
  }
  for (int i = 0; i < 4; i++) {
    void *failed;
    pthread_join(threads[i], &failed);
    assert_null(failed);
  }
  assert_int_equal(tndb_table_column_count(table), 1);
  tenantdb_registry_free(registry); /* the database still holds it */
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_registry_check(registry, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_REGISTRY_FROZEN);
  assert_string_equal(
      tenantdb_error_message(error),
      "something was declared after the registry was opened with a database, and was refused; declare "
      "everything first");
  tenantdb_error_free(error);
  tenantdb_registry_free(registry);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(order),
      cmocka_unit_test(barriers),
      cmocka_unit_test(several_bases),
      cmocka_unit_test(foreign_keys),
      cmocka_unit_test(builder_names),
      cmocka_unit_test(table_texts),
      cmocka_unit_test(raw_texts),
      cmocka_unit_test(scripts_as_text),
      cmocka_unit_test(items_describe_themselves),
      cmocka_unit_test(relations),
      cmocka_unit_test(hashes),
      cmocka_unit_test(resolving),
      cmocka_unit_test(frozen),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
