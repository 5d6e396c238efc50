/* SPDX-License-Identifier: PostgreSQL */
/* Each rule of lint: what breaks it, what looks alike and does not, and how it is switched off. */
#include "migrate/lint.h"
#include "migrations.h"

#define TX_NONE "-- tenantdb:tx none\n"

static tenantdb_registry *registry;

static const char *cell(tenantdb_result *rows, int32_t row, const char *column) {
  for (int32_t i = 0; i < tenantdb_result_columns(rows); i++) {
    if (strcmp(tenantdb_result_name(rows, i), column) == 0) {
      return tenantdb_result_value(rows, row, i);
    }
  }
  fail_msg("no column %s", column);
  return NULL;
}

static tenantdb_result *lint(tenantdb_migrations *set) {
  tenantdb_result *rows = NULL;
  tenantdb_error *error = NULL;
  if (tenantdb_migrations_lint(set, registry, &rows, &error)) {
    fail_msg("lint failed: %s", tenantdb_error_message(error));
  }
  return rows;
}

/* How often the rule is broken; `line` receives the first line. */
static int count(tenantdb_migrations *set, const char *rule, int *line) {
  tenantdb_result *rows = lint(set);
  int found = 0;
  for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
    assert_true(*cell(rows, i, "message") && *cell(rows, i, "way_out"));
    if (strcmp(cell(rows, i, "rule"), rule) == 0) {
      *line = found++ ? *line : atoi(cell(rows, i, "line"));
    }
  }
  tenantdb_result_free(rows);
  return found;
}

static void expect(const char *stream, const char *sql, const char *rule, int times, int line) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, stream, 7, "seven", sql);
  int at = 0, found = count(set, rule, &at);
  if (found != times || (line && times && at != line)) {
    tenantdb_result *rows = lint(set);
    for (int32_t i = 0; i < tenantdb_result_rows(rows); i++) {
      print_error("%s line %s: %s\n", cell(rows, i, "rule"), cell(rows, i, "line"), cell(rows, i, "message"));
    }
    fail_msg("%s: wanted %d in line %d, got %d in line %d: %s", rule, times, line, found, at, sql);
  }
  tenantdb_migrations_free(set);
}

/* It breaks the rule there; one that can be switched off is silent then. */
static void breaks(const char *sql, const char *rule, int line) {
  char text[4000];
  expect("tenant", sql, rule, 1, line);
  bool refusal = tndb_lint_rule_of(rule, strlen(rule)) < TNDB_LINT_N_REFUSALS;
  snprintf(text, sizeof text, "-- tenantdb:nolint %s\n%s", rule, sql);
  if (refusal) {
    check_text(text, "cannot be switched off");
    tenantdb_migrations *set = set_of(sql);
    char place[60];
    snprintf(place, sizeof place, "tenant version 1, line %d: ", line);
    check_message(set, place, TENANTDB_REASON_BAD_MIGRATION);
  } else {
    expect("tenant", text, rule, 0, 0);
    check_text(sql, NULL);
  }
}

static void fine(const char *sql, const char *rule) {
  expect("tenant", sql, rule, 0, 0);
}

/* ---------------------------------------------------------------- refusals */

static void outside_transaction(void **state) {
  (void)state;
  const char *rule = "outside-transaction";
  breaks("SELECT 1;\nCREATE INDEX CONCURRENTLY i ON a (x);", rule, 2);
  breaks("VACUUM a;", rule, 1);
  breaks("REINDEX TABLE CONCURRENTLY a;", rule, 1);
  breaks("DROP INDEX CONCURRENTLY IF EXISTS i;", rule, 1);
  breaks("ALTER TABLE a DETACH PARTITION b CONCURRENTLY;", rule, 1);
  fine("CREATE INDEX i ON a (x); -- CREATE INDEX CONCURRENTLY j ON a (x)", rule);
  fine("COMMENT ON TABLE a IS 'VACUUM a'; DO $$ BEGIN RAISE NOTICE 'VACUUM'; END $$;", rule);
  fine(TX_NONE "CREATE INDEX CONCURRENTLY i ON a (x);", rule);
}

static void transaction_control(void **state) {
  (void)state;
  const char *rule = "transaction-control";
  breaks("SELECT 1;\n\nCOMMIT;", rule, 3);
  breaks("SAVEPOINT s;", rule, 1);
  breaks(TX_NONE "ROLLBACK;", rule, 2);
  breaks("PREPARE TRANSACTION 'x';", rule, 1);
  fine("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;", rule);
  fine("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN NULL; END $$; SELECT 'COMMIT';", rule);
  expect("tenant", "BEGIN; SELECT 1; COMMIT;", rule, 2, 1);
}

static void leaves_scope(void **state) {
  (void)state;
  const char *rule = "leaves-scope";
  static const char *const wrong[] = {"SET ROLE postgres;",
                                      "SET LOCAL ROLE postgres;",
                                      "SET SESSION AUTHORIZATION postgres;",
                                      "RESET ROLE;",
                                      "SET search_path = public;",
                                      "SET LOCAL search_path TO public;",
                                      "SET LOCAL \"search_path\" TO public;",
                                      "SET SCHEMA 'public';",
                                      "SELECT set_config('search_path', 'public', true);",
                                      "SELECT pg_catalog.set_config('search_path', '', false);",
                                      TX_NONE "SELECT set_config('role', 'x', true);"};
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
    breaks(wrong[i], rule, strncmp(wrong[i], TX_NONE, 5) == 0 ? 2 : 1);
  }
  fine("SET LOCAL statement_timeout = '5s';", rule);
  fine("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path FROM CURRENT AS 'SELECT 1';", rule);
  fine("ALTER TABLE a ALTER x SET DEFAULT 1; SELECT 'SET ROLE x';", rule);
  fine("SELECT set_config('app.search_path', 'x', true);", rule);
}

static void lasting_setting(void **state) {
  (void)state;
  const char *rule = "lasting-setting";
  breaks("SET statement_timeout = 0;", rule, 1);
  breaks("SET lock_timeout = '5s';", rule, 1);
  breaks("RESET ALL;", rule, 1);
  breaks("DISCARD TEMP;", rule, 1);
  breaks("CREATE TEMP TABLE t (x int);", rule, 1);
  breaks("LISTEN x;", rule, 1);
  breaks("SELECT pg_advisory_lock(1);", rule, 1);
  breaks(TX_NONE "SELECT 1;\nSET LOCAL work_mem = '1GB';", rule, 3);
  fine("SET LOCAL work_mem = '1GB'; SET CONSTRAINTS ALL DEFERRED;", rule);
  fine("CREATE TEMP TABLE t ON COMMIT DROP AS SELECT 1; NOTIFY x; SELECT pg_advisory_xact_lock(1);", rule);
}

static void enum_value_used(void **state) {
  (void)state;
  const char *rule = "enum-value-used";
  breaks("ALTER TYPE status ADD VALUE 'gone';\nUPDATE a SET x = 1;\nUPDATE a\n SET s = 'gone';", rule, 4);
  breaks("ALTER TYPE status ADD VALUE IF NOT EXISTS 'gone' AFTER 'open'; SELECT 'gone'::status;", rule, 1);
  fine("ALTER TYPE status ADD VALUE 'gone'; SELECT 'gone away', $$gone$$; -- 'gone'", rule);
  fine(
      "ALTER TYPE status ADD VALUE 'gone'; ALTER TYPE status ADD VALUE 'b' AFTER 'gone';"
      "COMMENT ON TYPE status IS 'gone';",
      rule);
  /* In a type of the same file, too, before PostgreSQL 17. */
  breaks("CREATE TYPE status AS ENUM ('a'); ALTER TYPE status ADD VALUE 'gone';\nSELECT 'gone'::status;",
         rule, 2);
  fine(TX_NONE "ALTER TYPE status ADD VALUE 'gone'; UPDATE a SET s = 'gone';", rule);
  fine("UPDATE a SET s = 'gone'; ALTER TYPE status ADD VALUE 'gone';", rule);
}

static void unnamed_index(void **state) {
  (void)state;
  const char *rule = "unnamed-index";
  breaks(TX_NONE "CREATE INDEX CONCURRENTLY ON a (x);", rule, 2);
  breaks(TX_NONE "CREATE UNIQUE INDEX CONCURRENTLY ON ONLY a (x);", rule, 2);
  breaks(TX_NONE
         "CREATE INDEX CONCURRENTLY "
         "n1234567890123456789012345678901234567890123456789012345678901234 ON a (x);",
         rule, 2);
  fine(TX_NONE
       "CREATE INDEX CONCURRENTLY \"on\" ON a (x); CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (x);",
       rule);
  fine(TX_NONE "CREATE INDEX ON a (x);", rule);
}

static void tenant_extension(void **state) {
  (void)state;
  breaks("SELECT 1;\nCREATE EXTENSION IF NOT EXISTS pgcrypto;", "tenant-extension", 2);
  fine("COMMENT ON EXTENSION pgcrypto IS 'CREATE EXTENSION';", "tenant-extension");
  expect("shared", "CREATE EXTENSION pgcrypto;", "tenant-extension", 0, 0);
}

static void marker(void **state) {
  (void)state;
  breaks("SELECT 1;\nUPDATE\n{a} SET x = 1;", "marker", 3);
  breaks("SELECT {;", "marker", 1);
  fine("SELECT '{a}', '{}'::int[], $${a}$$; -- {a}", "marker");
  fine(TX_NONE "UPDATE {a} SET x = 1;", "marker");
}

static void not_immutable(void **state) {
  (void)state;
  const char *rule = "not-immutable";
  breaks("CREATE INDEX i ON a (x)\n WHERE t > NOW();", rule, 2);
  breaks(TX_NONE "CREATE INDEX CONCURRENTLY i ON a (x) WHERE t > current_date;", rule, 2);
  breaks("ALTER TABLE a ADD COLUMN age int GENERATED ALWAYS AS (extract(day FROM now() - t)) STORED;", rule,
         1);
  breaks("CREATE TABLE b (x int,\n y timestamptz GENERATED ALWAYS AS (clock_timestamp()) STORED);", rule, 2);
  fine("CREATE INDEX i ON a (x) WHERE note <> 'now()' AND now IS NULL; -- now()", rule);
  fine("CREATE TABLE b (x timestamptz DEFAULT now(), y int GENERATED ALWAYS AS IDENTITY, CHECK (x < now()));",
       rule);
  fine("CREATE INDEX i ON a (app.now()); SELECT now();", rule);
}

/* ---------------------------------------------------------------- names */

static void schemas(void **state) {
  (void)state;
  breaks("SELECT 1;\nUPDATE tenant_acme_12ab34.orders SET x = 1;", "other-tenant", 2);
  breaks("INSERT INTO orders SELECT * FROM \"tenant_b\".orders;", "other-tenant", 1);
  breaks("CREATE TABLE lines (o int CONSTRAINT f REFERENCES tenant_b.orders);", "other-tenant", 1);
  expect("shared", "DROP TABLE tenant_b.orders;", "other-tenant", 1, 1);
  fine("SELECT tenant_b.x FROM orders AS tenant_b; SELECT 'FROM tenant_b.orders';", "other-tenant");

  breaks("ALTER TABLE public.orders ADD x int;", "qualified-tenant-object", 1);
  breaks("CREATE VIEW v AS SELECT *\nFROM app.orders;", "qualified-tenant-object", 2);
  fine("ALTER TABLE orders ADD y int; SELECT orders.x FROM orders; SELECT * FROM public.plans;",
       "qualified-tenant-object");

  breaks("CREATE TABLE app.things (x int);", "literal-schema", 1);
  breaks("SELECT * FROM a, b\n, app.things WHERE a.x = b.x;", "literal-schema", 2);
  breaks("CREATE INDEX i ON app.things (x);", "literal-schema", 1);
  breaks("GRANT SELECT ON app.things TO somebody;", "literal-schema", 1);
  breaks("CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION app.f();", "literal-schema",
         1);
  breaks("DELETE FROM orders USING app.things AS t WHERE t.x = orders.x;", "literal-schema", 1);
  breaks("TRUNCATE orders, app.things;", "literal-schema", 1);
  breaks(TX_NONE "REINDEX INDEX CONCURRENTLY app.i;", "literal-schema", 2);
  static const char *const right[] = {
      "SELECT a.x, b.y FROM orders AS a JOIN orders AS b ON a.x = b.x, lateral f(a.x) ORDER BY a.x, b.y;",
      "UPDATE orders AS o SET x = p.x, y = p.y FROM public.plans p WHERE o.x = p.x;",
      "SELECT extract(year FROM o.created), trim(both FROM o.name), o.x IS DISTINCT FROM o.y FROM orders o;",
      "CREATE VIEW v AS SELECT o.x FROM orders o JOIN orders p ON o.x = p.x WHERE o.y ON CONFLICT;",
      "SELECT * FROM pg_catalog.pg_class, information_schema.tables, pg_temp.x;",
      "INSERT INTO orders (x) SELECT a.x FROM orders a ON CONFLICT (x) DO UPDATE SET x = excluded.x, y = "
      "orders.y;",
      "ALTER TABLE orders ALTER COLUMN x TYPE int USING orders.x::int, ADD COLUMN z int;",
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path FROM CURRENT AS $$SELECT x FROM app.t$$;",
      "SELECT 'FROM app.t' /* FROM app.t */; -- FROM app.t",
      "CREATE POLICY p ON orders FOR SELECT USING (orders.x = 1);",
      "GRANT SELECT, UPDATE ON orders TO somebody; REVOKE ALL ON orders FROM somebody;",
      "DELETE FROM orders WHERE orders.x IN (SELECT o.x FROM orders o);",
      "CREATE INDEX i ON orders (x) WHERE orders.y;",
      "COMMENT ON COLUMN orders.x IS 'x'; COMMENT ON TABLE orders IS 'y';",
      "CREATE TABLE t PARTITION OF orders FOR VALUES FROM (1) TO (2); DROP TABLE t, orders;",
      "MERGE INTO orders o USING orders p ON o.x = p.x WHEN MATCHED THEN UPDATE SET x = p.x;",
      "CREATE TABLE x (a int, b numeric(10, 2), CONSTRAINT c CHECK (a > 0));",
      "SELECT * FROM generate_series(1, 2) AS g (i), orders AS o WHERE o.x = g.i;",
      "COPY orders (x, y) FROM '/srv/x';",
  };
  for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
    fine(right[i], "literal-schema");
  }
}

static void shared_objects(void **state) {
  (void)state;
  const char *rule = "unqualified-shared-object";
  breaks("INSERT INTO orders\nSELECT x FROM plans;", rule, 2);
  breaks("UPDATE plans SET x = 1;", rule, 1);
  breaks("ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES plans NOT VALID;", rule, 1);
  breaks("CREATE VIEW v AS SELECT * FROM orders JOIN plans USING (x);", rule, 1);
  breaks("CREATE VIEW v AS SELECT * FROM orders o, ONLY plans p;", rule, 1);
  fine("SELECT * FROM public.plans; SELECT plans FROM orders; SELECT plans(1); SELECT * FROM plans(1);",
       rule);
  fine(
      "WITH plans AS (SELECT 1 AS x) SELECT * FROM plans; WITH plans (x) AS MATERIALIZED (SELECT 1) SELECT x "
      "FROM plans;",
      rule);
  fine("SELECT x IS DISTINCT FROM plans FROM orders;", rule);
  fine(TX_NONE "UPDATE {plans} SET x = 1; UPDATE {public.plans} SET x = 1;", rule);
  expect("shared", "UPDATE plans SET x = 1;", rule, 0, 0);
  /* What the set's own shared stream creates is known too; a name that both streams have is not judged. */
  tenantdb_migrations *set = set_of("UPDATE prices SET x = 1; UPDATE twins SET x = 1;");
  tenantdb_migration_add(set, "tenant", 2, "", "CREATE TABLE twins (x int);");
  tenantdb_migration_add(
      set, "shared", 3, "",
      "CREATE UNLOGGED TABLE IF NOT EXISTS public.prices (x int); CREATE TABLE twins (x int);");
  int line = 0;
  assert_int_equal(count(set, rule, &line), 1);
  tenantdb_migrations_free(set);
}

/* A way back of its own is looked at too, and switches off for itself. */
static void way_back(void **state) {
  (void)state;
  int line = 0;
  tenantdb_migrations *set = set_of("SELECT 1;");
  tenantdb_migration_add_down(set, "tenant", 1, "SELECT 1;\nDELETE FROM app.things;");
  assert_int_equal(count(set, "literal-schema", &line), 1);
  assert_int_equal(line, 2);
  tenantdb_migrations_free(set);
  set = set_of("SELECT 1;");
  tenantdb_migration_add_down(set, "tenant", 1, "-- tenantdb:nolint literal-schema\nDELETE FROM app.things;");
  assert_int_equal(count(set, "literal-schema", &line), 0);
  tenantdb_migrations_free(set);
}

static void configured_names(void **state) {
  (void)state;
  tenantdb_migrations *set =
      set_of("SELECT * FROM app.plans; SELECT * FROM public.things; SELECT * FROM c_1.orders;");
  tenantdb_migrations_set(set, "shared_schema", "app");
  tenantdb_migrations_set(set, "tenant_prefix", "c_");
  int line = 0;
  assert_int_equal(count(set, "literal-schema", &line), 1);
  assert_int_equal(count(set, "other-tenant", &line), 1);
  tenantdb_migrations_free(set);
}

/* ---------------------------------------------------------------- tables */

static void columns(void **state) {
  (void)state;
  const char *rule = "not-null-without-default";
  breaks("ALTER TABLE orders\n ADD COLUMN z int NOT NULL;", rule, 2);
  breaks("ALTER TABLE IF EXISTS ONLY orders ADD IF NOT EXISTS z int CONSTRAINT n NOT NULL, ADD y int;", rule,
         1);
  fine("ALTER TABLE orders ADD z int NOT NULL DEFAULT 0, ADD y int, ADD CONSTRAINT c CHECK (x IS NOT NULL);",
       rule);
  fine(
      "ALTER TABLE orders ADD z int GENERATED BY DEFAULT AS IDENTITY NOT NULL, ADD COLUMN s bigserial NOT "
      "NULL;",
      rule);
  fine("CREATE TABLE b (x int); ALTER TABLE b ADD y int NOT NULL;", rule);
  fine("CREATE TABLE b (x int NOT NULL); ALTER TABLE orders ALTER x SET NOT NULL;", rule);
  fine("-- tenantdb:checkpoint\nALTER TABLE orders ADD z int NOT NULL;", rule);

  rule = "column-type-change";
  breaks("ALTER TABLE orders ALTER COLUMN x TYPE bigint;", rule, 1);
  breaks("ALTER TABLE orders ADD y int,\n ALTER x SET DATA TYPE bigint USING x::bigint;", rule, 2);
  fine(
      "ALTER TABLE orders ALTER x SET DEFAULT 1, ALTER COLUMN type DROP NOT NULL; ALTER TYPE t ADD VALUE "
      "'x';",
      rule);
  fine("CREATE TABLE b (x int); ALTER TABLE b ALTER x TYPE bigint;", rule);
}

static void indexes(void **state) {
  (void)state;
  const char *rule = "blocking-index";
  breaks("CREATE INDEX i ON orders (x);", rule, 1);
  breaks("CREATE UNIQUE INDEX ON ONLY orders (x);", rule, 1);
  breaks("ALTER TABLE orders\n ADD CONSTRAINT u UNIQUE (x);", rule, 2);
  breaks("ALTER TABLE orders ADD PRIMARY KEY (x);", rule, 1);
  fine("CREATE TABLE b (x int); CREATE INDEX i ON b (x); ALTER TABLE b ADD CONSTRAINT u UNIQUE (x);", rule);
  fine(TX_NONE "CREATE INDEX CONCURRENTLY i ON orders (x);", rule);
  fine("ALTER TABLE orders ADD CONSTRAINT u UNIQUE USING INDEX i;", rule);
  fine("-- tenantdb:checkpoint\nCREATE INDEX i ON orders (x);", rule);

  rule = "if-not-exists-index";
  breaks("CREATE TABLE b (x int);\nCREATE INDEX IF NOT EXISTS i ON b (x);", rule, 2);
  breaks(TX_NONE "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON orders (x);", rule, 2);
  fine("CREATE TABLE IF NOT EXISTS b (x int); CREATE INDEX i ON b (x);", rule);
}

/* What the only finding of a rule says, and what it says is to be done. */
static void advises(const char *sql, const char *rule, const char *message, const char *way_out) {
  tenantdb_migrations *set = set_of(sql);
  tenantdb_result *rows = lint(set);
  int32_t at = 0;
  while (at < tenantdb_result_rows(rows) && strcmp(cell(rows, at, "rule"), rule) != 0) {
    at++;
  }
  assert_true(at < tenantdb_result_rows(rows));
  if (!strstr(cell(rows, at, "message"), message) || !strstr(cell(rows, at, "way_out"), way_out)) {
    fail_msg("%s; %s", cell(rows, at, "message"), cell(rows, at, "way_out"));
  }
  tenantdb_result_free(rows);
  tenantdb_migrations_free(set);
}

static void foreign_keys(void **state) {
  (void)state;
  const char *rule = "foreign-key-validates";
  breaks("ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES orders;", rule, 1);
  breaks("ALTER TABLE orders ADD COLUMN y int CONSTRAINT f REFERENCES orders (x);", rule, 1);
  breaks("CREATE TABLE b (\n x int CONSTRAINT f REFERENCES public.plans (x));", rule, 2);
  breaks("CREATE TABLE b (x int, CONSTRAINT f FOREIGN KEY (x) REFERENCES public.plans ON DELETE CASCADE);",
         rule, 1);
  /* In a table that is being made nothing is read: NOT VALID would change nothing. */
  advises("CREATE TABLE b (x int CONSTRAINT f REFERENCES public.plans (x));", rule,
          "takes SHARE ROW EXCLUSIVE on it, once for every tenant", "lock_timeout bounds the wait");
  advises("CREATE TABLE b (x int); ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES public.plans;",
          rule, "SHARE ROW EXCLUSIVE", "leave it so");
  advises("ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES public.plans;", rule,
          "locks it against writing", "NOT VALID, and VALIDATE CONSTRAINT in a later file");
  fine("CREATE TABLE b (x int CONSTRAINT f REFERENCES orders);", rule);
  fine(
      "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES public.plans (x) NOT VALID, ADD y int;",
      rule);
  fine("CREATE TABLE b (x int); ALTER TABLE b ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES orders;", rule);
  expect("shared", "CREATE TABLE b (x int CONSTRAINT f REFERENCES plans);", rule, 0, 0);
}

static void constraints(void **state) {
  (void)state;
  const char *rule = "unnamed-constraint";
  breaks("ALTER TABLE orders\n ADD CHECK (x > 0);", rule, 2);
  breaks(
      "ALTER TABLE orders ADD CONSTRAINT c CHECK (x > 0), ADD FOREIGN KEY (x) REFERENCES orders NOT VALID;",
      rule, 1);
  breaks("CREATE TABLE b (x int PRIMARY KEY,\n y int CHECK (y > 0) NOT NULL);", rule, 2);
  breaks("CREATE TABLE b (x int, UNIQUE (x));", rule, 1);
  breaks("CREATE TABLE b (x int, FOREIGN KEY (x) REFERENCES orders (x));", rule, 1);
  breaks("CREATE TABLE b (x int CONSTRAINT c CHECK (x > 0) UNIQUE);", rule, 1);
  expect("tenant", "CREATE TABLE b (x int UNIQUE, y int REFERENCES orders, CHECK (x > y));", rule, 3, 1);
  fine(
      "CREATE TABLE b (x int PRIMARY KEY, y int NOT NULL DEFAULT (1), CONSTRAINT c CHECK (x > 0),"
      " CONSTRAINT f FOREIGN KEY (x) REFERENCES orders, CONSTRAINT u UNIQUE (x), note text DEFAULT 'CHECK "
      "(');",
      rule);
  fine("CREATE TABLE b AS SELECT 1 AS x; ALTER TABLE b ADD PRIMARY KEY (x); ALTER TABLE b ADD COLUMN c int;",
       rule);
}

static void lock_timeouts(void **state) {
  (void)state;
  const char *rule = "no-lock-timeout";
  breaks("-- tenantdb:lock_timeout 0\nSELECT 1;\nALTER TABLE orders ADD z int;", rule, 3);
  fine("ALTER TABLE orders ADD z int;", rule);
  fine("-- tenantdb:lock_timeout 0\nCREATE TABLE b (x int);", rule);
  static const struct {
    const char *sql;
    int times;
  } rows[] = {{"ALTER TABLE orders ADD z int;", 1},
              {"SELECT 1; DROP TABLE orders; DROP TABLE b;", 1},
              {"CREATE INDEX i ON orders (x);", 1},
              {"-- tenantdb:lock_timeout 1s\nALTER TABLE orders ADD z int;", 0},
              {"-- tenantdb:nolint no-lock-timeout\nALTER TABLE orders ADD z int;", 0},
              {"CREATE TABLE b (x int); INSERT INTO b VALUES (1);", 0}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    tenantdb_migrations *set = set_of(rows[i].sql);
    int line = 0;
    tenantdb_migrations_set(set, "default_lock_timeout", "off");
    assert_int_equal(count(set, rule, &line), rows[i].times);
    tenantdb_migrations_free(set);
  }
}

static void mixed_kinds(void **state) {
  (void)state;
  breaks(TX_NONE "CREATE INDEX CONCURRENTLY i ON orders (x);\nUPDATE {orders} SET x = 1;", "mixed-kinds", 3);
  fine(TX_NONE "CREATE INDEX CONCURRENTLY i ON orders (x); VACUUM {orders};", "mixed-kinds");
  fine(TX_NONE "UPDATE {orders} SET x = 1; UPDATE {orders} SET x = 2;", "mixed-kinds");
}

static void functions(void **state) {
  (void)state;
  const char *rule = "function-path";
  breaks(
      "SELECT 1;\nCREATE OR REPLACE FUNCTION f(a int, b text DEFAULT 'SET search_path') RETURNS int\n"
      "LANGUAGE sql AS $$ SELECT 1 /* SET search_path */ $$;",
      rule, 2);
  breaks("CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN END $$;", rule, 1);
  fine("CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path FROM CURRENT AS $$ SELECT 1 $$;", rule);
  fine(
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$ SET search_path = pg_catalog, pg_temp;",
      rule);
  fine("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END;", rule);
  fine("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1;", rule);
  fine("CREATE FUNCTION f() RETURNS int AS 'x', 'y' LANGUAGE c; CREATE TABLE function (x int);", rule);

  rule = "security-definer";
  breaks("CREATE FUNCTION f() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';", rule, 1);
  breaks(
      "CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS 'SELECT "
      "1';",
      rule, 1);
  fine("CREATE FUNCTION f() RETURNS int LANGUAGE sql SECURITY INVOKER AS 'SECURITY DEFINER';", rule);
}

/* ---------------------------------------------------------------- the whole */

static void findings(void **state) {
  (void)state;
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "tenant", 2, "", "CREATE INDEX i ON orders (x);\nCOMMIT;");
  tenantdb_migration_add(set, "shared", 9, "", "SET ROLE x;");
  tenantdb_migration_add_down(set, "tenant", 2, "SELECT 1;\nDROP INDEX CONCURRENTLY i;");
  tenantdb_result *rows = lint(set);
  static const char *const expected[][5] = {
      {"error", "leaves-scope", "shared", "shared version 9", "1"},
      {"warning", "blocking-index", "tenant", "tenant version 2", "1"},
      {"error", "transaction-control", "tenant", "tenant version 2", "2"},
      {"error", "outside-transaction", "tenant", "tenant version 2 (way back)", "2"}};
  assert_int_equal(tenantdb_result_rows(rows), 4);
  for (int32_t i = 0; i < 4; i++) {
    for (int32_t k = 0; k < 5; k++) {
      assert_string_equal(tenantdb_result_value(rows, i, k), expected[i][k]);
    }
  }
  tenantdb_result_free(rows);
  /* The first that is refused, in the order in which they would be applied, and with the way out. */
  check_message(
      set,
      "shared version 9, line 1: \"SET ROLE x\" would run what follows with another role or in another "
      "schema; leave it out",
      TENANTDB_REASON_BAD_MIGRATION);

  set = set_of("SELECT 1;");
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_migrations_lint(set, NULL, NULL, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_migrations_lint(NULL, NULL, &rows, &error), TENANTDB_ARGUMENT);
  assert_null(rows);
  tenantdb_error_free(error);
  uint32_t none[64] = {1};
  assert_int_equal(tenantdb_migrations_lint(set, (tenantdb_registry *)(void *)none, &rows, &error),
                   TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_HANDLE);
  tenantdb_error_free(error);
  assert_int_equal(tenantdb_migrations_lint(set, NULL, &rows, NULL), TENANTDB_OK);
  assert_int_equal(tenantdb_result_rows(rows), 0);
  tenantdb_result_free(rows);
  tenantdb_migrations_free(set);
}

/* Names are found, and what cannot be switched off is an error. */
static void rules(void **state) {
  (void)state;
  for (int i = 0; i < TNDB_LINT_N_RULES; i++) {
    assert_int_equal(tndb_lint_rule_of(tndb_lint_kinds[i].name, strlen(tndb_lint_kinds[i].name)), i);
    assert_true(i >= TNDB_LINT_N_REFUSALS || strcmp(tndb_lint_kinds[i].level, "error") == 0);
  }
}

static void lint_all(void *user) {
  (void)user;
  tenantdb_migrations *set = set_of(
      "CREATE TABLE b (x int UNIQUE REFERENCES plans); CREATE INDEX IF NOT EXISTS i ON orders (x); "
      "ALTER TYPE t ADD VALUE 'v'; SELECT 'v' FROM app.t; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS "
      "'x';");
  tenantdb_result *rows = NULL;
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_migrations_lint(set, registry, &rows, &error);
  if (!status) {
    assert_true(tenantdb_result_rows(rows) >= 6);
  } else {
    assert_true(!set || status == TENANTDB_MEMORY);
    assert_null(rows);
  }
  tenantdb_error_free(error);
  tenantdb_result_free(rows);
  tenantdb_migrations_free(set);
}

static void memory(void **state) {
  (void)state;
  assert_true(unit_fail_each(lint_all, NULL, false) > 50);
  assert_true(unit_fail_each(lint_all, NULL, true) > 50);
}

static int make_registry(void **state) {
  (void)state;
  registry = tenantdb_registry_new();
  tenantdb_table_column(
      tenantdb_base_table(tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED), "plans"), "x",
      "int", "PRIMARY KEY");
  tenantdb_table_column(
      tenantdb_base_table(tenantdb_registry_base(registry, "Shop", TENANTDB_BASE_TENANT), "orders"), "x",
      "int", "PRIMARY KEY");
  return 0;
}

static int free_registry(void **state) {
  (void)state;
  tenantdb_registry_free(registry);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(outside_transaction),
      cmocka_unit_test(transaction_control),
      cmocka_unit_test(leaves_scope),
      cmocka_unit_test(lasting_setting),
      cmocka_unit_test(enum_value_used),
      cmocka_unit_test(unnamed_index),
      cmocka_unit_test(tenant_extension),
      cmocka_unit_test(marker),
      cmocka_unit_test(not_immutable),
      cmocka_unit_test(schemas),
      cmocka_unit_test(shared_objects),
      cmocka_unit_test(configured_names),
      cmocka_unit_test(way_back),
      cmocka_unit_test(columns),
      cmocka_unit_test(indexes),
      cmocka_unit_test(foreign_keys),
      cmocka_unit_test(constraints),
      cmocka_unit_test(lock_timeouts),
      cmocka_unit_test(mixed_kinds),
      cmocka_unit_test(functions),
      cmocka_unit_test(findings),
      cmocka_unit_test(rules),
      cmocka_unit_test(memory),
  };
  return cmocka_run_group_tests(tests, make_registry, free_registry);
}
