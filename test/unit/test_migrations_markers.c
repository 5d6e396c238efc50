/* SPDX-License-Identifier: PostgreSQL */
/* What stands in the comments of migrations: directives, and markers of tools that are known or not. */
#include "migrate/set.h"
#include "migrations.h"

/* The tenants' migration of a set that has one of them. */
static const tndb_migration *only(tenantdb_migrations *set) {
  tenantdb_error *error = NULL;
  if (tenantdb_migrations_check(set, &error)) {
    fail_msg("refused: %s", tenantdb_error_message(error));
  }
  assert_int_equal(set->first[TNDB_N_STREAMS] - set->first[TNDB_STREAM_TENANT], 1);
  return set->items[set->first[TNDB_STREAM_TENANT]];
}

static void steps_are(const tndb_steps *steps, const char *const *texts) {
  size_t i = 0;
  for (; texts[i]; i++) {
    assert_true(i < steps->count);
    assert_string_equal(steps->items[i].sql, texts[i]);
  }
  assert_int_equal(steps->count, i);
}

/* ---------------------------------------------------------------- goose */

static void goose(void **state) {
  (void)state;
  tenantdb_migrations *set = set_of(
      "-- a shop\n"
      "-- +goose Up\n"
      "CREATE TABLE a (x int);\n"
      "-- +goose StatementBegin\n"
      "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$\n"
      "BEGIN\n"
      "  -- +goose Down\n"
      "  RETURN 1; -- not a marker\n"
      "END $$\n"
      "-- +goose StatementEnd\n"
      "COMMENT ON TABLE a IS '-- +goose Down';\n"
      "-- +goose Down\n"
      "DROP FUNCTION f();\n"
      "DROP TABLE a;\n");
  const tndb_migration *made = only(set);
  assert_true(made->transactional);
  assert_int_equal(made->steps.count, 3);
  assert_int_equal(made->steps.items[0].line, 3);
  assert_int_equal(made->steps.items[1].line, 5);
  assert_int_equal(made->steps.items[2].line, 11);
  static const char *const down[] = {"DROP FUNCTION f()", "DROP TABLE a", NULL};
  steps_are(&made->down_steps, down);
  assert_int_equal(made->down_steps.items[0].line, 13);
  assert_true(strstr(made->sql, "CREATE TABLE a") && !strstr(made->sql, "DROP TABLE"));
  assert_true(strstr(made->down, "DROP TABLE") && !strstr(made->down, "CREATE"));
  tenantdb_migrations_free(set);

  set = set_of(
      "--+goose no transaction\n-- +GOOSE up\nCREATE INDEX CONCURRENTLY i ON a (x);\n"
      "-- +goose down\nDROP INDEX CONCURRENTLY i;");
  made = only(set);
  assert_false(made->transactional);
  assert_false(made->down_transactional);
  tenantdb_migrations_free(set);

  /* An empty way back is none. */
  set = set_of("-- +goose Up\nSELECT 1;\n-- +goose Down\n-- nothing\n");
  made = only(set);
  assert_null(made->down);
  assert_int_equal(made->down_steps.count, 0);
  tenantdb_migrations_free(set);
}

static void goose_mistakes(void **state) {
  (void)state;
  check_text("-- +goose Up\nSELECT 1;\n-- +goose Up\nSELECT 2;",
             "line 3: a second section for the way there");
  check_text("-- +goose Up\nSELECT 1;\n-- +goose Down\n-- +goose Down",
             "line 4: a second section for the way back");
  check_text("-- +goose Down\nSELECT 1;\n-- +goose Up\nSELECT 1;", "line 1: the way back stands before");
  check_text("SELECT 0;\n-- +goose Up\nSELECT 1;", "line 1: SQL stands before the file's first section");
  check_text("-- +goose NO TRANSACTION\nSELECT 1;",
             "not the one that the way there begins with (-- +goose Up)");
  check_text("-- +goose Up\n-- +goose StatementBegin\nSELECT 1;",
             "line 2: this StatementBegin has no StatementEnd");
  check_text("-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose Down",
             "line 4: the StatementBegin in line 2");
  check_text("-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementBegin\n",
             "line 3: StatementBegin inside");
  check_text("-- +goose Up\nSELECT 1;\n-- +goose StatementEnd\n", "StatementEnd without a StatementBegin");
  check_text("-- +goose StatementBegin\n-- +goose Up\n", "stand in a section");
  check_text("-- +goose ENVSUB ON\n-- +goose Up\nSELECT 1;", "would put variables of the environment");
  check_text("-- +goose Upp\nSELECT 1;", "the marker \"+goose Upp\" of goose is not known");
  check_text("-- +goose Up\n-- +goose Down\nSELECT 1;", "there is no statement in its way there");
  check_text("-- +goose Up\nSELECT 1;\n-- migrate:down\nSELECT 1;", "markers of both goose and dbmate");
}

/* ---------------------------------------------------------------- dbmate */

static void dbmate(void **state) {
  (void)state;
  tenantdb_migrations *set = set_of(
      "-- migrate:up transaction:false\n"
      "CREATE INDEX CONCURRENTLY i ON a (x);\n\n"
      "-- migrate:down\n"
      "DROP INDEX i");
  const tndb_migration *made = only(set);
  assert_false(made->transactional);
  assert_true(made->down_transactional);
  static const char *const up[] = {"CREATE INDEX CONCURRENTLY i ON a (x)", NULL}, *const down[] = {
                                                                                      "DROP INDEX i", NULL};
  steps_are(&made->steps, up);
  steps_are(&made->down_steps, down);
  assert_int_equal(made->steps.items[0].line, 2);
  assert_int_equal(made->down_steps.items[0].line, 5);
  tenantdb_migrations_free(set);

  set = set_of(
      "-- migrate:up  transaction:true\nSELECT 1\n-- migrate:down transaction:false\nDROP INDEX CONCURRENTLY "
      "i");
  made = only(set);
  assert_true(made->transactional);
  assert_false(made->down_transactional);
  static const char *const one[] = {"SELECT 1", NULL};
  steps_are(&made->steps, one); /* without a semicolon, too */
  tenantdb_migrations_free(set);

  check_text("-- migrate:sideways\nSELECT 1;", "the marker \"migrate:sideways\" of dbmate is not known");
  check_text("-- migrate:upwards\nSELECT 1;", "of dbmate is not known");
  check_text("-- migrate:up transaction:maybe\nSELECT 1;", "\"transaction:maybe\" is no option");
  check_text("-- migrate:down\nSELECT 1;", "the way back stands before");
  check_text("SELECT 1;\n-- migrate:down\nDROP TABLE a;", "the way back stands before");
  check_text("-- migrate:up\nSELECT 1;\n-- migrate:up\n", "a second section for the way there");
  check_text("-- migrate:up\n-- migrate:down\nDROP TABLE a;", "there is no statement in its way there");
}

/* ---------------------------------------------------------------- atlas */

static void atlas(void **state) {
  (void)state;
  tenantdb_migrations *set =
      set_of("-- atlas:txmode none\n-- atlas:nolint destructive\nCREATE INDEX CONCURRENTLY i ON a (x);");
  assert_false(only(set)->transactional);
  tenantdb_migrations_free(set);
  set = set_of("-- atlas:checkpoint\n\nCREATE TABLE a (x int);");
  assert_int_equal(only(set)->kind, TNDB_MIGRATION_CHECKPOINT);
  tenantdb_migrations_free(set);
  check_text("-- atlas:txmode file\nSELECT 1;", NULL);
  check_text("-- atlas:txmode sometimes\nSELECT 1;", "of atlas is not known here");
  check_text("-- atlas:delimiter \\n\\n\nSELECT 1;", "of atlas is not known here");
  check_text("-- atlas:import x.sql\nSELECT 1;", "atlas:import is not known");
  check_text("SELECT 1;\n-- atlas:txmode none\nSELECT 2;", "line 2: a directive of atlas stands at the head");
}

/* ---------------------------------------------------------------- what is not known */

static void unknown_markers(void **state) {
  (void)state;
  static const char *const marked[] = {
      "-- +foo Up\nCREATE TABLE a (x int);\n-- +foo Down\nDROP TABLE a;",
      "-- +migrate Up\nSELECT 1;\n-- +migrate Down\nSELECT 2;",
      "SELECT 1;\n-- +micrate Down\nSELECT 2;",
      "SELECT 1\n-- +foo Down\nSELECT 2;",
      "--liquibase formatted sql\nSELECT 1;",
      "-- liquibase formatted sql\nSELECT 1;",
      "--changeset bob:1\nSELECT 1;\n--rollback DROP TABLE a;",
      "SELECT 1;\n--rollback DROP TABLE a;",
      "SELECT 1;\n-- rollback\nDROP TABLE a;",
      "SELECT 1;\n-- Rollback:\nDROP TABLE a;",
      "-- !Ups\nSELECT 1;\n-- !Downs\nSELECT 2;",
      "# --- !Ups\nSELECT 1;",
      "SELECT 1;\n-- //@UNDO\nDROP TABLE a;",
      "-- Up Migration\nSELECT 1;\n-- Down Migration\nSELECT 2;",
      "SELECT 1;\n-- DOWN\nDROP TABLE a;",
      "SELECT 1;\n-- ===== down =====\nDROP TABLE a;",
      "SELECT 1;\n  -- [DOWN]\nDROP TABLE a;",
      "SELECT 1;\n/* down */\nDROP TABLE a;",
      "SELECT 1;\n-- rambler down\nDROP TABLE a;",
      "SELECT 1;\n-- migrate down\nDROP TABLE a;",
      "SELECT 1;\n---- create above / drop below ----\nDROP TABLE a;",
      "SELECT 1;\n-- mytool:down\nDROP TABLE a;",
      "SELECT 1;\n-- sqitch:revert\nDROP TABLE a;",
      "-- flyway:whatever\nSELECT 1;",
      "SELECT 1;\n-- @DOWN\nDROP TABLE a;",
  };
  for (size_t i = 0; i < sizeof marked / sizeof marked[0]; i++) {
    check_text(marked[i], "looks like a marker of a tool that is not known here");
  }
}

static void remarks(void **state) {
  (void)state;
  static const char *const plain[] = {
      "-- Orders come down from the shop: they are copied up here.\nSELECT 1;",
      "-- up to ten of them\nSELECT 1;",
      "-- Undo of 4711, which was wrong\nSELECT 1;",
      "-- rollback is not possible\nSELECT 1;",
      "-- rollback of the old plan\nSELECT 1;",
      "-- note: goes up\nSELECT 1;",
      "-- see https://example.org/down\nSELECT 1;",
      "-- migration: adds a table\nSELECT 1;",
      "-- Migrates the orders\nSELECT 1;",
      "-- ------------------------\n-- Orders\n-- ------------------------\nSELECT 1;",
      "SELECT 1 -- down\n, 2;",
      "CREATE TABLE lift (\n  -- up\n  floor int);",
      "SELECT 1; -- down",
      "SELECT '\n-- +goose Down\n';",
      "DO $$\n-- down\nBEGIN END $$;",
      "/*\n-- migrate:down\nDROP TABLE a;\n*/ SELECT 1;",
      "-- noqa: disable\nSELECT 1;",
      "SELECT 1 +\n-- +1 for tax\n1;",
      "-- \xc3\xbc"
      "ber uns: down\nSELECT 1;",
      "--\nSELECT 1;",
      "SELECT 1;\n--",
  };
  for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
    check_text(plain[i], NULL);
  }
}

/* ---------------------------------------------------------------- directives */

static void directives(void **state) {
  (void)state;
  tenantdb_migrations *set = set_of(
      "\n-- Copyright nobody\n/* at all */\n--tenantdb:tx none\n"
      "-- tenantdb:lock_timeout   2min\n-- tenantdb:requires 007\n"
      "-- tenantdb:nolint function-path, blocking-index\n"
      "-- tenantdb:nolint literal-schema\nSELECT 1;");
  tenantdb_migration_add(set, "shared", 7, "", "SELECT 1");
  const tndb_migration *made = only(set);
  assert_false(made->transactional);
  assert_int_equal(made->lock_timeout_ms, 120000);
  assert_int_equal(made->requires, 7);
  assert_int_equal(__builtin_popcountll(made->nolint), 3);
  assert_int_equal(made->steps.items[0].line, 9);
  tenantdb_migrations_free(set);
  set = set_of("-- tenantdb:lock_timeout 0\nSELECT 1;");
  assert_int_equal(only(set)->lock_timeout_ms, 0);
  tenantdb_migrations_free(set);
  set = set_of("-- tenantdb:checkpoint\nSELECT 1;");
  assert_int_equal(only(set)->kind, TNDB_MIGRATION_CHECKPOINT);
  tenantdb_migrations_free(set);
}

static void directive_mistakes(void **state) {
  (void)state;
  static const char *const rows[][2] = {
      {"-- tenantdb:txx none\nSELECT 1;", "no directive \"tenantdb:txx\"; did you mean \"tx\"?"},
      {"-- tenantdb:locktimeout 1s\nSELECT 1;", "did you mean \"lock_timeout\"?"},
      {"-- tenantdb:\nSELECT 1;", "no directive \"tenantdb:\""},
      {"-- a\n-- tenantdb:chekpoint\nSELECT 1;",
       "line 2: there is no directive \"tenantdb:chekpoint\"; did you mean"},
      {"-- tenantdb:tx\nSELECT 1;", "directive tx: \"\" is not none"},
      {"-- tenantdb:tx non\nSELECT 1;", "directive tx: \"non\" is not none"},
      {"-- tenantdb:tx none please\nSELECT 1;", "\"none please\" is not none"},
      {"-- tenantdb:lock_timeout 3\nSELECT 1;", "\"3\" is no duration"},
      {"-- tenantdb:lock_timeout -3s\nSELECT 1;", "is no duration"},
      {"-- tenantdb:lock_timeout 2d\nSELECT 1;", "is no duration"},
      {"-- tenantdb:lock_timeout\nSELECT 1;", "\"\" is no duration"},
      {"-- tenantdb:lock_timeout aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nSELECT 1;", "is no duration"},
      {"-- tenantdb:requires 1.2\nSELECT 1;", "\"1.2\" is no version"},
      {"-- tenantdb:requires 0\nSELECT 1;", "\"0\" is no version"},
      {"-- tenantdb:requires 1234567890123456789\nSELECT 1;", "is no version"},
      {"-- tenantdb:nolint\nSELECT 1;", "is no rule"},
      {"-- tenantdb:nolint functionpath\nSELECT 1;",
       "no rule \"functionpath\"; did you mean \"function-path\"?"},
      {"-- tenantdb:nolint leaves-scope\nSELECT 1;", "the rule leaves-scope cannot be switched off"},
      {"-- tenantdb:checkpoint 5\nSELECT 1;", "\"5\" is too much"},
      {"SELECT 1;\n-- tenantdb:tx none\nSELECT 2;", "line 2: the directive tx stands at the head"},
      {"SELECT 1; -- tenantdb:tx none\n", "line 1: a directive is a line of its own"},
      {"-- tenantdb tx none\nSELECT 1;", "write -- tenantdb:tx none, with the colon"},
      {"-- TenantDB: tx none\nSELECT 1;", "write -- tenantdb:tx none, with the colon and in small letters"},
      {"-- Tenantdb:lock_timeout 3s\nSELECT 1;", "write -- tenantdb:lock_timeout 3s"},
      {"-- tenantdb : requires 5\nSELECT 1;", "write -- tenantdb:requires 5"},
      {"-- tenantdb nolint literal-schema\nSELECT 1;", "write -- tenantdb:nolint literal-schema"},
      {"-- tenantdb checkpoint\nSELECT 1;", "line 1: \"-- tenantdb checkpoint\" is a remark"},
      {"SELECT 1;\n-- tenantdb change add_index table=a columns=x name=y\n",
       "write -- tenantdb:change add_index"},
      {"-- tenantdb: change add_index table=a\nSELECT 1;", "write -- tenantdb:change add_index"},
      {"-- TenantDB:Change add_index table=a\nSELECT 1;", "in small letters"},
      {"-- tenantdb is what runs this\nSELECT 1;", NULL},
      {"-- tenantdb requires a table first\nSELECT 1;", NULL},
      {"-- tenantdb change request 5\nSELECT 1;", NULL},
      {"SELECT 1;\n-- tenantdb tx none\n", NULL},
      {"/* tenantdb:tx none */ SELECT 1;", "a directive is a line that begins with --"},
      {"-- +goose Up\nSELECT 1;\n-- tenantdb:nolint x\n", "the directive nolint stands at the head"},
      {"-- tenantdb:change add_column table=a column=b type=int\n", "put -- tenantdb:tx none at the head"},
      {"-- tenantdb:tx none\nSELECT 1\n-- tenantdb:change add_column table=a column=b type=int\n",
       "a change stands inside of a statement"},
      {"-- tenantdb:tx none\n-- tenantdb:change add_column table=a column=b type=int\n-- tenantdb:requires "
       "5\n",
       "line 3: the directive requires stands at the head"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    check_text(rows[i][0], rows[i][1]);
  }
}

static void changes(void **state) {
  (void)state;
  tenantdb_migrations *set = set_of(
      "-- tenantdb:tx none\nSELECT 1;\n-- tenantdb:change add_index table=a columns=x name=a_x_idx\nSELECT "
      "2;");
  const tndb_steps *steps = &only(set)->steps;
  assert_true(steps->count >= 3);
  assert_string_equal(steps->items[0].sql, "SELECT 1");
  assert_string_equal(steps->items[steps->count - 1].sql, "SELECT 2");
  assert_int_equal(steps->items[steps->count - 1].line, 4);
  assert_true(steps->items[1].made && !steps->items[0].made && !steps->items[steps->count - 1].made);
  assert_int_equal(steps->items[1].line, 3);
  tenantdb_migrations_free(set);
  check_message(set_of("-- tenantdb:tx none\n\n-- tenantdb:change add_indx table=a\n"),
                "tenant version 1, line 3: ", TENANTDB_REASON_BAD_CHANGE);
}

/* ---------------------------------------------------------------- what is no SQL */

static void psql(void **state) {
  (void)state;
  check_text("\\i other.sql\n", "line 1: a command of psql that begins with \\");
  check_text("SELECT 1;\n\\copy a FROM 'x'\n", "line 2: a command of psql");
  check_text("SELECT 1 \\gset\n", "a command of psql");
  check_text("SELECT '\\d', E'\\\\', $$\\d$$;", NULL);
  check_text("COPY a FROM stdin;\n1\tit's\n\\.\nSELECT 1;", "line 1: COPY from or to the client");
  check_text("SELECT 1;\nCOPY a (x) FROM STDIN WITH (FORMAT csv);\n", "line 2: COPY from or to the client");
  check_text("COPY a TO STDOUT;", "COPY from or to the client");
  check_text("COPY a FROM '/srv/stdin.csv';", NULL);
  check_text("CREATE TABLE copy_of (stdin int); SELECT x FROM stdin;", NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(goose),      cmocka_unit_test(goose_mistakes),     cmocka_unit_test(dbmate),
      cmocka_unit_test(atlas),      cmocka_unit_test(unknown_markers),    cmocka_unit_test(remarks),
      cmocka_unit_test(directives), cmocka_unit_test(directive_mistakes), cmocka_unit_test(changes),
      cmocka_unit_test(psql),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
