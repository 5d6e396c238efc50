/* SPDX-License-Identifier: PostgreSQL */
/* Changes of tables as text: what each kind is made of. */
#include <string.h>
#include <tenantdb.h>

#include "base/buffer.h"
#include "base/error.h"
#include "migrate/change.h"
#include "migrate/change_plan.h"
#include "unit.h"

/* The steps of a line, one a line: way, whether it is joined, index, text. Static. */
static const char *expand(const char *line) {
  static char all[65536];
  static const char *const ways[] = {"inside", "outside", "repeat"};
  tndb_steps steps = {NULL, 0};
  tenantdb_error *error = NULL;
  tndb_buffer text = TNDB_BUFFER_INIT;
  if (tndb_change_expand_line(line, strlen(line), 7, &steps, &error)) {
    fail_msg("%s", tenantdb_error_message(error));
  }
  for (size_t i = 0; i < steps.count; i++) {
    const tndb_migration_step *step = &steps.items[i];
    assert_int_equal(step->line, 7);
    assert_true(i > 0 || !step->joined);
    assert_true(step->way == TNDB_WAY_INSIDE || !step->joined);
    assert_true((step->way == TNDB_WAY_OUTSIDE) == (step->index != NULL));
    assert_true(step->index ? step->done_if_there != step->done_if_gone
                            : !step->done_if_there && !step->done_if_gone);
    tndb_buffer_format(&text, "%s%s%s%s: %s\n", step->joined ? "+" : "", ways[step->way],
                       step->index ? " " : "", step->index ? step->index : "", step->sql);
    tndb_free(step->sql);
    tndb_free(step->index);
  }
  tndb_free(steps.items);
  assert_true(text.length < sizeof all);
  memcpy(all, tndb_buffer_text(&text), text.length + 1);
  tndb_buffer_free(&text);
  return all;
}

/* As many steps, and this text in them. */
static void assert_steps(const char *line, size_t count, const char *const *texts) {
  const char *all = expand(line);
  size_t lines = 0;
  const char *from = all;
  for (const char *at = strchr(all, '\n'); at; at = strchr(at + 1, '\n')) {
    /* A body of a function has line ends, too. */
    lines += at[1] == '\0' || strncmp(at + 1, "inside", 6) == 0 || strncmp(at + 1, "+inside", 7) == 0 ||
             strncmp(at + 1, "outside", 7) == 0 || strncmp(at + 1, "repeat", 6) == 0;
  }
  if (lines != count) {
    fail_msg("%zu steps instead of %zu:\n%s", lines, count, all);
  }
  for (; *texts; texts++) {
    const char *at = strstr(from, *texts);
    if (!at) {
      fail_msg("missing, or in the wrong order: %s\nin:\n%s", *texts, all);
    }
    from = at + 1;
  }
}

#define TEXTS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* ---------------------------------------------------------------- kinds */

static void a_constant_default_needs_no_backfill(void **state) {
  (void)state;
  assert_string_equal(
      expand("-- tenantdb:change add_column table=contents column=version type=integer default=1"),
      "inside: ALTER TABLE {schema}.\"contents\" ADD COLUMN \"version\" integer DEFAULT 1\n");
  assert_string_equal(
      expand("--tenantdb:change add_column table=contents column=version type=\"numeric(10, 2)\" "
             "default=\"'0'::numeric(10, 2)\" not_null=yes\r\n"),
      "inside: ALTER TABLE {schema}.\"contents\" ADD COLUMN \"version\" numeric(10, 2) DEFAULT "
      "'0'::numeric(10, 2) NOT NULL\n");
  assert_string_equal(expand("-- tenantdb:change add_column table=t column=c type=text"),
                      "inside: ALTER TABLE {schema}.\"t\" ADD COLUMN \"c\" text\n");
}

static void constants_are_told_from_the_rest(void **state) {
  (void)state;
  static const char *const constants[] = {"1",
                                          "-1.5",
                                          "'a'",
                                          "E'\\n'",
                                          "'{}'::jsonb",
                                          "true",
                                          "NULL",
                                          "now()",
                                          "CURRENT_TIMESTAMP",
                                          "'{}'::text[]",
                                          "$$x$$",
                                          "'1 day'::interval",
                                          "'x'::character varying(3)",
                                          "'a'::\"my type\"",
                                          "1::bigint::text",
                                          "'a'::public.mood"};
  static const char *const others[] = {"random()",         "gen_random_uuid()", "nextval('s')", "1 + 1",
                                       "now() + random()", "clock_timestamp()", "- 'a'",        "'a'::",
                                       "lower('A')",       "array[1]",          "now",          "(1)",
                                       "'a' 'b'",          "1::int + random()", "$x",           "''::x("};
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    if (!tndb_change_is_constant(constants[i])) {
      fail_msg("%s", constants[i]);
    }
  }
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    if (tndb_change_is_constant(others[i])) {
      fail_msg("%s", others[i]);
    }
  }
}

static void a_backfill_has_a_trigger_first(void **state) {
  (void)state;
  assert_steps(
      "-- tenantdb:change add_column table=contents column=slug type=text backfill=lower(title) "
      "not_null=yes batch=10",
      10,
      TEXTS("inside: ALTER TABLE {schema}.\"contents\" ADD COLUMN \"slug\" text\n",
            "+inside: CREATE FUNCTION {schema}.\"contents_slug_tenantdb_fill\"() RETURNS trigger",
            "NEW.\"slug\" := (SELECT (lower(title)) FROM (SELECT NEW.*) AS \"contents\")",
            "+inside: REVOKE ALL ON FUNCTION {schema}.\"contents_slug_tenantdb_fill\"() FROM PUBLIC\n",
            "+inside: CREATE TRIGGER \"zzz_tenantdb_2_fill_slug\" BEFORE INSERT OR UPDATE ON "
            "{schema}.\"contents\" FOR EACH ROW WHEN (NEW.\"slug\" IS NULL) EXECUTE FUNCTION",
            "repeat: WITH",
            "AND (\"slug\" IS NULL AND (lower(title)) IS NOT NULL) LIMIT 10 FOR NO KEY UPDATE "
            "SKIP LOCKED)",
            "repeat: WITH", "LIMIT 1 FOR NO KEY UPDATE)",
            "\ninside: ALTER TABLE {schema}.\"contents\" ADD CONSTRAINT "
            "\"contents_slug_tenantdb_not_null\" CHECK (\"slug\" IS NOT NULL) NOT VALID\n",
            "\ninside: ALTER TABLE {schema}.\"contents\" VALIDATE CONSTRAINT",
            "\ninside: ALTER TABLE {schema}.\"contents\" ALTER COLUMN \"slug\" SET NOT NULL\n",
            "+inside: ALTER TABLE {schema}.\"contents\" DROP CONSTRAINT"));
  /* With a default new rows take care of themselves: the trigger goes again. */
  assert_steps("-- tenantdb:change add_column table=t column=c type=uuid default=gen_random_uuid()", 8,
               TEXTS("+inside: ALTER TABLE {schema}.\"t\" ALTER COLUMN \"c\" SET DEFAULT gen_random_uuid()\n",
                     "BEFORE UPDATE ON", "AND (\"c\" IS NULL) LIMIT 5000",
                     "\ninside: DO $tndb_a$DECLARE f regprocedure", "tgname = 'zzz_tenantdb_2_fill_c'",
                     "there is nothing to finish"));
  assert_steps("-- tenantdb:change finish_add_column table=t column=c", 1,
               TEXTS("inside: DO", "zzz_tenantdb_2_fill_c"));
}

static void small_changes(void **state) {
  (void)state;
  assert_string_equal(expand("-- tenantdb:change set_default table=t column=c default=now()"),
                      "inside: ALTER TABLE {schema}.\"t\" ALTER COLUMN \"c\" SET DEFAULT now()\n");
  assert_string_equal(expand("-- tenantdb:change drop_default table=t column=c"),
                      "inside: ALTER TABLE {schema}.\"t\" ALTER COLUMN \"c\" DROP DEFAULT\n");
  assert_string_equal(expand("-- tenantdb:change retire_column table=t column=c"),
                      "inside: ALTER TABLE {schema}.\"t\" ALTER COLUMN \"c\" DROP NOT NULL\n");
  assert_string_equal(expand("-- tenantdb:change retire_column table=t column=c default=''"),
                      "inside: ALTER TABLE {schema}.\"t\" ALTER COLUMN \"c\" SET DEFAULT ''\n");
  assert_string_equal(expand("-- tenantdb:change drop_column table=t column=c"),
                      "inside: ALTER TABLE {schema}.\"t\" DROP COLUMN \"c\"\n");
  assert_steps("-- tenantdb:change set_not_null table=t column=c", 4,
               TEXTS("NOT VALID", "VALIDATE", "SET NOT NULL", "+inside"));
  assert_steps("-- tenantdb:change set_not_null table=t column=c backfill=''", 10,
               TEXTS("LOCK TABLE {schema}.\"t\" IN SHARE ROW EXCLUSIVE MODE", "+inside: CREATE FUNCTION",
                     "repeat", "repeat", "NOT VALID"));
  assert_steps("-- tenantdb:change finish_set_not_null table=t column=c", 1, TEXTS("zzz_tenantdb_2_fill_c"));
}

static void indexes_and_constraints(void **state) {
  (void)state;
  assert_steps(
      "-- tenantdb:change add_index table=t name=t_body columns=\"lower(body), at DESC\" method=btree "
      "include=id with=\"fillfactor = 70\" where=\"at > '2020-01-01'\" unique=yes",
      2,
      TEXTS("there is a relation %I already",
            "outside t_body: CREATE UNIQUE INDEX CONCURRENTLY \"t_body\" ON {schema}.\"t\" USING "
            "\"btree\" (lower(body), at DESC) INCLUDE (id) WITH (fillfactor = 70) WHERE at > "
            "'2020-01-01'\n"));
  assert_string_equal(expand("-- tenantdb:change drop_index name=t_body"),
                      "outside t_body: DROP INDEX CONCURRENTLY {schema}.\"t_body\"\n");
  assert_steps(
      "-- tenantdb:change add_unique table=t name=t_key columns=\"a, \"\"B c\"\"\" deferrable=deferred", 3,
      TEXTS("outside t_key: CREATE UNIQUE INDEX CONCURRENTLY \"t_key\" ON {schema}.\"t\" (\"a\", \"B "
            "c\")\n",
            "inside: ALTER TABLE {schema}.\"t\" ADD CONSTRAINT \"t_key\" UNIQUE USING INDEX \"t_key\" "
            "DEFERRABLE INITIALLY DEFERRED\n"));
  assert_string_equal(
      expand("-- tenantdb:change add_check table=t name=positive check=\"n > 0\""),
      "inside: ALTER TABLE {schema}.\"t\" ADD CONSTRAINT \"positive\" CHECK (n > 0) NOT VALID\n"
      "inside: ALTER TABLE {schema}.\"t\" VALIDATE CONSTRAINT \"positive\"\n");
  assert_string_equal(
      expand("-- tenantdb:change add_foreign_key table=items name=items_note_fk columns=note_id "
             "references=notes "
             "ref_columns=id on_delete=\"set null\" on_update=cascade deferrable=immediate"),
      "inside: ALTER TABLE {schema}.\"items\" ADD CONSTRAINT \"items_note_fk\" FOREIGN KEY (\"note_id\") "
      "REFERENCES {schema}.\"notes\" (\"id\") ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE NOT VALID\n"
      "inside: ALTER TABLE {schema}.\"items\" VALIDATE CONSTRAINT \"items_note_fk\"\n");
  assert_steps("-- tenantdb:change add_foreign_key table=t name=f columns=a references={Central.plans}", 2,
               TEXTS("REFERENCES {Central.plans} NOT VALID"));
}

static void a_type_changes_behind_a_shadow(void **state) {
  (void)state;
  assert_steps(
      "-- tenantdb:change change_type table=t column=amount type=bigint using=amount not_null=yes "
      "indexes=\"t_amount (amount DESC, lower(amount::text)); unique t_u USING btree (id, amount)\"",
      23,
      TEXTS(
          "inside: DO $tndb_a$DECLARE tab oid := (quote_ident(current_schema()) || '.\"t\"')::regclass",
          "ARRAY['', 't_amount', 't_u']",
          "+inside: ALTER TABLE {schema}.\"t\" ADD COLUMN "
          "\"amount_tenantdb_new\" bigint\n",
          "NEW.\"amount_tenantdb_new\" := (SELECT (amount) FROM", "repeat", "repeat", "NOT VALID", "VALIDATE",
          "outside t_amount_tenantdb_new: CREATE INDEX CONCURRENTLY \"t_amount_tenantdb_new\" ON "
          "{schema}.\"t\" "
          "(\"amount_tenantdb_new\" DESC, lower(\"amount_tenantdb_new\"::text))\n",
          "outside t_u_tenantdb_new: CREATE UNIQUE INDEX CONCURRENTLY \"t_u_tenantdb_new\" ON {schema}.\"t\" "
          "USING btree (id, \"amount_tenantdb_new\")\n",
          "\ninside: LOCK TABLE", "+inside: DO", "+inside: DROP INDEX {schema}.\"t_amount\"\n",
          "+inside: ALTER INDEX {schema}.\"t_amount_tenantdb_new\" RENAME TO \"t_amount\"\n",
          "RENAME COLUMN \"amount\" TO \"amount_tenantdb_old\"",
          "RENAME COLUMN \"amount_tenantdb_new\" TO "
          "\"amount\"",
          "DROP NOT NULL", "+inside: DO", "zzz_tenantdb_1_twin_amount"));
  assert_steps("-- tenantdb:change change_type table=t column=a type=text using=a::text back=a::integer", 13,
               TEXTS("DROP NOT NULL", "CREATE OR REPLACE FUNCTION",
                     "NEW.\"a_tenantdb_old\" := (SELECT (a::integer) FROM"));
  assert_steps("-- tenantdb:change finish_change_type table=t column=a", 2,
               TEXTS("IF f IS NULL THEN RETURN;", "DROP COLUMN \"a_tenantdb_old\""));
}

static void a_column_has_two_names_for_a_while(void **state) {
  (void)state;
  assert_steps("-- tenantdb:change rename_column table=t column=a to=b not_null=yes leave=\"x, \"\"Y\"\"\"",
               11,
               TEXTS("ARRAY['', 'x', 'Y']", "ADD COLUMN %I %s",
                     "IF NEW.\"b\" IS NOT NULL THEN NEW.\"a\" := "
                     "(SELECT (\"b\")",
                     "repeat", "SET \"b\" = (NULL)", "SET NOT NULL"));
  assert_steps(
      "-- tenantdb:change rename_column table=t column=a to=b type=bigint using=a::bigint back=b::text", 7,
      TEXTS("ADD COLUMN \"b\" bigint", "ELSE NEW.\"b\" := (SELECT (a::bigint)"));
  assert_steps("-- tenantdb:change finish_rename_column table=t column=a to=b indexes=\"i (a)\"", 6,
               TEXTS("LOCK TABLE", "tgname = 'zzz_tenantdb_1_twin_a'", "DROP INDEX {schema}.\"i\"",
                     "ALTER INDEX {schema}.\"i_tenantdb_new\" RENAME TO \"i\"", "DROP COLUMN \"a\""));
  assert_steps("-- tenantdb:change rename_table table=t to=u", 4,
               TEXTS("ALTER TABLE {schema}.\"t\" RENAME TO \"u\"",
                     "CREATE VIEW {schema}.\"t\" AS SELECT * FROM "
                     "{schema}.\"u\""));
  assert_string_equal(expand("-- tenantdb:change finish_rename_table table=t to=u"),
                      "inside: DROP VIEW {schema}.\"t\"\n");
}

/* ---------------------------------------------------------------- names */

static void names_are_quoted_and_cut(void **state) {
  (void)state;
  assert_steps("-- tenantdb:change set_default table=\"My \"\"odd\"\" {t}\" column=\"a'b;--\" default=1", 1,
               TEXTS("{schema}.\"My \"\"odd\"\" {t}\" ALTER COLUMN \"a'b;--\" SET DEFAULT 1"));
  assert_steps("-- tenantdb:change change_type table=\"T'x\" column=c type=text using=c::text", 13,
               TEXTS("quote_ident(current_schema()) || '.\"T''x\"')::regclass"));
  /* 63 bytes are a name; what is made of it is another, and different ones stay different. */
  char line[512];
  const char *longest = "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij\xC3";
  tndb_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_format(&text, "-- tenantdb:change set_not_null table=%.61s\xC3\xA4 column=c", longest);
  memcpy(line, tndb_buffer_text(&text), text.length + 1);
  const char *at = strstr(expand(line), "ADD CONSTRAINT \"");
  assert_non_null(at);
  at += strlen("ADD CONSTRAINT \"");
  assert_true(strcspn(at, "\"") <= 63);
  assert_true(strcspn(at, "\"") >= 60);
  assert_memory_equal(strchr(at, '"') - strlen("_tenantdb_not_null"), "_tenantdb_not_null", 18);
  char first[64] = "";
  memcpy(first, at, strcspn(at, "\""));
  line[strlen(line) - 1] = 'd';
  at = strstr(expand(line), "ADD CONSTRAINT \"") + strlen("ADD CONSTRAINT \"");
  assert_true(strncmp(first, at, strlen(first)) != 0);
  tndb_buffer_free(&text);
}

static void a_body_may_hold_its_own_quotes(void **state) {
  (void)state;
  assert_steps("-- tenantdb:change add_column table=t column=c type=text backfill=\"$tndb_a$x$tndb_a$\"", 6,
               TEXTS("AS $tndb_b$", "($tndb_a$x$tndb_a$)", "END$tndb_b$"));
}

/* ---------------------------------------------------------------- from code */

static tenantdb_change *sample(void) {
  tenantdb_change *change = tenantdb_change_new("add_column");
  tenantdb_change_set(change, "table", "My \"t\"");
  tenantdb_change_set(change, "column", "c");
  tenantdb_change_set(change, "type", "text");
  tenantdb_change_set(change, "backfill", "'a' || title");
  tenantdb_change_set(change, "batch", "7");
  tenantdb_change_set(change, "batch", NULL);
  return change;
}

static void a_change_from_code(void **state) {
  (void)state;
  tenantdb_change *change = sample();
  tenantdb_error *error = NULL;
  char *line = NULL;
  tenantdb_result *steps = NULL;
  assert_int_equal(tenantdb_change_line(change, &line, &error), TENANTDB_OK);
  assert_string_equal(line,
                      "-- tenantdb:change add_column table=\"My \"\"t\"\"\" column=c type=text "
                      "backfill=\"'a' || title\"");
  assert_int_equal(tenantdb_change_sql(change, &steps, &error), TENANTDB_OK);
  assert_int_equal(tenantdb_result_rows(steps), 6);
  assert_string_equal(tenantdb_result_name(steps, 1), "tx");
  assert_string_equal(tenantdb_result_value(steps, 3, 1), "1");
  assert_string_equal(tenantdb_result_value(steps, 4, 1), "2");
  assert_string_equal(tenantdb_result_value(steps, 4, 2), "repeat");
  assert_string_equal(tenantdb_result_value(steps, 0, 4), "ACCESS EXCLUSIVE, for a moment");
  /* The line means the same. */
  const char *again = expand(line);
  assert_non_null(strstr(again, tenantdb_result_value(steps, 4, 3)));
  tenantdb_result_free(steps);
  tenantdb_string_free(line);
  tenantdb_change_free(change);
}

static void a_change_is_a_migration(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_change *change = sample();
  tenantdb_result *list = NULL;
  char *line = NULL;
  tenantdb_migration_add_change(set, "tenant", 7, "slugs", change);
  assert_int_equal(tenantdb_change_line(change, &line, &error), TENANTDB_OK);
  tndb_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_format(&text, "-- tenantdb:tx none\n%s\n", line);
  tenantdb_migration_add(set, "tenant", 8, "slugs", tndb_buffer_text(&text));
  if (tenantdb_migrations_list(set, &list, &error)) {
    fail_msg("%s", tenantdb_error_message(error));
  }
  assert_int_equal(tenantdb_result_rows(list), 2);
  int32_t sum = tenantdb_result_column(list, "sum");
  assert_string_equal(tenantdb_result_value(list, 0, sum), tenantdb_result_value(list, 1, sum));
  assert_string_equal(tenantdb_result_value(list, 0, tenantdb_result_column(list, "tx")), "none");
  assert_string_equal(tenantdb_result_value(list, 0, tenantdb_result_column(list, "steps")), "6");
  tndb_buffer_free(&text);
  tenantdb_string_free(line);
  tenantdb_result_free(list);
  tenantdb_migrations_free(set);
  /* A mistake is the set's. */
  set = tenantdb_migrations_new();
  tenantdb_change_set(change, "column", "");
  tenantdb_migration_add_change(set, "tenant", 7, NULL, change);
  assert_int_equal(tenantdb_migrations_check(set, &error), TENANTDB_MIGRATION);
  assert_non_null(
      strstr(tenantdb_error_message(error), "tenant migration 7: change add_column: column is empty"));
  tenantdb_error_free(error);
  tenantdb_migration_add_change(NULL, "tenant", 7, NULL, change);
  tenantdb_migrations_free(set);
  set = tenantdb_migrations_new();
  tenantdb_migration_add_change(set, "tenant", 7, NULL, NULL);
  assert_int_equal(tenantdb_migrations_check(set, &error), TENANTDB_ARGUMENT);
  tenantdb_error_free(error);
  tenantdb_migrations_free(set);
  tenantdb_change_free(change);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_constant_default_needs_no_backfill),
      cmocka_unit_test(constants_are_told_from_the_rest),
      cmocka_unit_test(a_backfill_has_a_trigger_first),
      cmocka_unit_test(small_changes),
      cmocka_unit_test(indexes_and_constraints),
      cmocka_unit_test(a_type_changes_behind_a_shadow),
      cmocka_unit_test(a_column_has_two_names_for_a_while),
      cmocka_unit_test(names_are_quoted_and_cut),
      cmocka_unit_test(a_body_may_hold_its_own_quotes),
      cmocka_unit_test(a_change_from_code),
      cmocka_unit_test(a_change_is_a_migration),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
