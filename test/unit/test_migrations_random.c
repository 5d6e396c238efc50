/* SPDX-License-Identifier: PostgreSQL */
/*
 * Texts that are broken at random: whatever stands in a migration, it is refused or becomes steps
 * that stand in it, and lint looks at them without stumbling.
 */
#include "migrate/set.h"
#include "migrations.h"

static uint32_t seed;

static uint32_t below(uint32_t n) {
  seed = seed * 1664525u + 1013904223u;
  return (seed >> 8) % n;
}

static const char *const texts[] = {
    "-- +goose NO TRANSACTION\n-- +goose Up\n-- +goose StatementBegin\nCREATE INDEX CONCURRENTLY i ON a "
    "(x);\n"
    "-- +goose StatementEnd\n-- +goose Down\nDROP INDEX CONCURRENTLY i;\n",
    "-- migrate:up transaction:false\nALTER TYPE s ADD VALUE 'v' AFTER 'w';\n\n-- migrate:down\nSELECT "
    "'v'::s",
    "-- tenantdb:tx none\n-- tenantdb:requires 12\n-- tenantdb:nolint literal-schema\n"
    "-- tenantdb:change add_index table=a columns=x name=i\nUPDATE {a} SET x = {{ 1;\nVACUUM (FULL) {a};",
    "CREATE TABLE a (x int PRIMARY KEY REFERENCES p (y) ON DELETE SET NULL, y text CHECK (y > 'x'), UNIQUE "
    "(x, y),"
    " FOREIGN KEY (x, y) REFERENCES public.q, z int GENERATED ALWAYS AS (x + 1) STORED);\n"
    "ALTER TABLE ONLY app.a ADD COLUMN n int NOT NULL, ADD CONSTRAINT c CHECK (x > now()), ALTER x TYPE "
    "bigint;",
    "CREATE OR REPLACE FUNCTION f(a int) RETURNS int LANGUAGE sql SECURITY DEFINER AS $x$ SELECT $1 $x$;\n"
    "CREATE FUNCTION g() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;\n"
    "WITH q AS (SELECT 1) INSERT INTO tenant_x.t SELECT * FROM q, LATERAL f(1), p WHERE extract(day FROM z) "
    "= 1;",
    "/* a /* b */ c */ SET LOCAL search_path = x; COPY t FROM stdin;\n1\t2\n\\.\n\\i x\n-- +foo "
    "Down\nCOMMIT;",
    "--changeset a:1\n-- rollback DROP TABLE x;\n-- //@UNDO\n# --- !Downs\nSELECT U&\"x\", E'\\'', $1, 1e5, "
    "a::b;",
};
static const char *const pieces[] = {"--",
                                     "/*",
                                     "*/",
                                     "'",
                                     "\"",
                                     "$$",
                                     "$x$",
                                     ";",
                                     "(",
                                     ")",
                                     "{",
                                     "}",
                                     "\n",
                                     "\r",
                                     "\\",
                                     ",",
                                     ".",
                                     "[",
                                     "]",
                                     " ON ",
                                     " FROM ",
                                     "\xc3",
                                     "-- tenantdb:",
                                     "-- +goose Down\n",
                                     "-- migrate:down\n",
                                     "\n-- +goose Up\n",
                                     " IF NOT EXISTS ",
                                     " REFERENCES ",
                                     " ADD ",
                                     "CREATE ",
                                     "ALTER TABLE ",
                                     "#",
                                     "::"};

/* Cut out, put in, doubled: a few times. */
static size_t mutate(char *text, size_t length, size_t room) {
  for (uint32_t times = 1 + below(4); times; times--) {
    size_t at = below((uint32_t)length + 1), cut = below(12);
    cut = cut > length - at ? length - at : cut;
    const char *piece = pieces[below((uint32_t)(sizeof pieces / sizeof pieces[0]))];
    size_t added = below(3) ? strlen(piece) : 0;
    if (length - cut + added < room) {
      memmove(text + at + added, text + at + cut, length - at - cut);
      memcpy(text + at, piece, added);
      length += added - cut;
    }
  }
  text[length] = '\0';
  return length;
}

static void look_at(const char *text) {
  tenantdb_migrations *set = set_of(text);
  tenantdb_result *rows = NULL;
  tenantdb_error *error = NULL;
  int32_t lines = 1;
  for (const char *at = text; *at; at++) {
    lines += *at == '\n';
  }
  tenantdb_status status = tenantdb_migrations_lint(set, NULL, &rows, &error);
  assert_true(status == TENANTDB_OK || status == TENANTDB_MIGRATION);
  assert_int_equal(status == TENANTDB_OK, rows != NULL);
  for (size_t i = 0; !status && i < set->items[0]->steps.count; i++) {
    const tndb_migration_step *step = &set->items[0]->steps.items[i];
    assert_true(*step->sql && step->line >= 1 && step->line <= lines);
    assert_true(step->made || strchr(text, '\r') || strstr(text, step->sql));
  }
  tenantdb_error_free(error);
  tenantdb_result_free(rows);
  tenantdb_migrations_free(set);
}

static void at_random(void **state) {
  (void)state;
  const char *given = getenv("TENANTDB_TEST_SEED");
  seed = given ? (uint32_t)strtoul(given, NULL, 10) : 20261120;
  print_message("seed %u\n", (unsigned)seed);
  int64_t before = tndb_memory_live();
  for (int i = 0; i < 20000; i++) {
    char text[2000];
    const char *whole = texts[below((uint32_t)(sizeof texts / sizeof texts[0]))];
    strcpy(text, whole);
    (void)mutate(text, strlen(text), sizeof text - 1);
    look_at(text);
  }
  assert_int_equal(tndb_memory_live(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(at_random)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
