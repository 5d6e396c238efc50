/* SPDX-License-Identifier: PostgreSQL */
/* Values that are added to an enum become part of its CREATE TYPE. */
#include "migrate/set_enum.h"
#include "migrations.h"

static tndb_ddl ddl_of(const char *const *texts) {
  tndb_ddl_item *own = tndb_alloc(20 * sizeof *own);
  tndb_ddl ddl = {own, 0};
  for (; own && texts[ddl.count]; ddl.count++) {
    ddl.items[ddl.count] = (tndb_ddl_item){.sql = tndb_strdup(texts[ddl.count]), .place = tndb_strdup("p")};
  }
  return ddl;
}

static void folds(const char *const *texts, const char *const *expected) {
  tndb_ddl ddl = ddl_of(texts);
  assert_int_equal(tndb_enums_fold(&ddl, NULL), TENANTDB_OK);
  size_t i = 0;
  for (; expected[i]; i++) {
    assert_true(i < ddl.count);
    assert_string_equal(ddl.items[i].sql, expected[i]);
  }
  assert_int_equal(ddl.count, i);
  tndb_ddl_free(&ddl);
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void folded(void **state) {
  (void)state;
  folds(TEXTS("CREATE TYPE s AS ENUM ('a', 'c')", "CREATE TABLE t (x s)", "ALTER TYPE s ADD VALUE 'd'",
              "ALTER TYPE S ADD VALUE 'b' AFTER 'a'",
              "alter type \"s\" add value if not exists '0' before 'a'", "UPDATE t SET x = 'd'",
              "ALTER TYPE s ADD VALUE IF NOT EXISTS 'd'", "ALTER TYPE s ADD VALUE 'e' AFTER 'd'"),
        TEXTS("CREATE TYPE s AS ENUM ('0', 'a', 'b', 'c', 'd', 'e')", "CREATE TABLE t (x s)",
              "UPDATE t SET x = 'd'"));
  folds(TEXTS("CREATE TYPE s AS ENUM ()", "ALTER TYPE s ADD VALUE 'it''s'", "ALTER TYPE s ADD VALUE ')'"),
        TEXTS("CREATE TYPE s AS ENUM ('it''s', ')')"));
  folds(TEXTS("CREATE TYPE s AS ENUM ('a')", "DROP TYPE s", "CREATE TYPE s AS ENUM ('b')",
              "ALTER TYPE s ADD VALUE 'c'"),
        TEXTS("CREATE TYPE s AS ENUM ('a')", "DROP TYPE s", "CREATE TYPE s AS ENUM ('b', 'c')"));
}

static void left_alone(void **state) {
  (void)state;
  static const char *const rows[][4] = {
      {"ALTER TYPE s ADD VALUE 'b'", NULL},
      {"CREATE TYPE \"S\" AS ENUM ('a')", "ALTER TYPE s ADD VALUE 'b'", NULL},
      {"CREATE TYPE x.s AS ENUM ('a')", "ALTER TYPE x.s ADD VALUE 'b'", NULL},
      {"CREATE TYPE s AS ENUM ('a')", "ALTER TYPE s ADD VALUE 'b' AFTER 'x'", NULL},
      {"CREATE TYPE s AS ENUM ('a')", "ALTER TYPE s ADD VALUE 'a'", NULL},
      {"CREATE TYPE s AS ENUM ('a')", "ALTER TYPE s RENAME VALUE 'a' TO 'b'",
       "ALTER TYPE s ADD VALUE IF NOT EXISTS 'a'", NULL},
      {"CREATE TYPE s AS (a int)", "ALTER TYPE s ADD VALUE 'b'", NULL},
      {"CREATE TYPE s AS ENUM ('a')", "ALTER TYPE s ADD VALUE b", NULL},
      {"CREATE TYPE s AS ENUM ('a')", "ALTER TYPE s ADD VALUE 'b' AFTER 'a' x", NULL},
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    folds(rows[i], rows[i]);
  }
}

static void fold_some(void *user) {
  (void)user;
  tndb_ddl ddl = ddl_of(
      TEXTS("CREATE TYPE s AS ENUM ('a')", "ALTER TYPE s ADD VALUE 'b'", "ALTER TYPE s ADD VALUE 'c'"));
  bool whole = ddl.count == 3;
  for (size_t i = 0; i < ddl.count; i++) {
    whole = whole && ddl.items[i].sql && ddl.items[i].place;
  }
  if (whole && tndb_enums_fold(&ddl, NULL) == TENANTDB_OK) {
    assert_int_equal(ddl.count, 1);
  }
  tndb_ddl_free(&ddl);
}

static void memory(void **state) {
  (void)state;
  assert_true(unit_fail_each(fold_some, NULL, false) > 8);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(folded), cmocka_unit_test(left_alone),
                                     cmocka_unit_test(memory)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
