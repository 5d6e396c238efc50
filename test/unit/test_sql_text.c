/* SPDX-License-Identifier: PostgreSQL */
/* Room sql above the lexer: names, splitting, classifying. */
#include <string.h>

#include "sql/classify.h"
#include "sql/cursor.h"
#include "sql/identifier.h"
#include "sql/splitter.h"
#include "unit.h"

static void quoting(void **state) {
  (void)state;
  tndb_auto_buffer out = TNDB_BUFFER_INIT;
  tndb_quote_identifier(&out, "plain");
  tndb_quote_identifier(&out, "a\"b\"");
  tndb_quote_identifier(&out, "");
  tndb_quote_literal(&out, "it's '' \\ \"x\"");
  tndb_quote_literal(&out, "");
  assert_string_equal(tndb_buffer_text(&out), "\"plain\"\"a\"\"b\"\"\"\"\"'it''s '''' \\ \"x\"'''");
}

static void refuse_name(const char *name, const char *message) {
  tenantdb_error *error = NULL;
  assert_int_equal(tndb_identifier_check("column name", name, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_IDENTIFIER);
  assert_string_equal(tenantdb_error_message(error), message);
  tenantdb_error_free(error);
  assert_int_equal(tndb_identifier_check("column name", name, NULL), TENANTDB_ARGUMENT);
}

static void checking_names(void **state) {
  (void)state;
  char name[72];
  assert_int_equal(tndb_identifier_check("x", "teddy-ai \"order\"", NULL), TENANTDB_OK);
  memset(name, 'a', 64);
  name[63] = '\0';
  assert_int_equal(tndb_identifier_check("x", name, NULL), TENANTDB_OK);
  name[63] = 'a';
  name[64] = '\0';
  refuse_name(
      name,
      "column name \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\" has 64 bytes; a name has at most 63");
  /* 32 characters of two bytes are 64 bytes; the message does not cut one in half. */
  for (size_t i = 0; i < 64; i += 2) {
    memcpy(name + i, "\xC3\xA9", 2);
  }
  name[0] = 'x';
  memmove(name + 1, name + 2, 63);
  assert_int_equal(tndb_identifier_check("x", name, NULL), TENANTDB_OK);
  memcpy(name + 63, "yz", 3);
  tenantdb_error *error = NULL;
  assert_int_equal(tndb_identifier_check("x", name, &error), TENANTDB_ARGUMENT);
  assert_non_null(strstr(tenantdb_error_message(error), "has 65 bytes"));
  tenantdb_error_free(error);
  refuse_name("", "column name is empty");
  refuse_name("ab\xFF", "column name is not valid UTF-8 at byte 3");
  refuse_name("\xC0\xAF", "column name is not valid UTF-8 at byte 1");
}

static void reserved_words(void **state) {
  (void)state;
  static const char *const reserved[] = {
      "user",        "ORDER",          "Select",           "all", "with", "authorization", "verbose",
      "system_user", "localtimestamp", "current_timestamp"};
  static const char *const free_words[] = {"",
                                           "users",
                                           "name",
                                           "value",
                                           "text",
                                           "between",
                                           "current_timestampx",
                                           "a_word_that_is_longer_than_any",
                                           "period"};
  for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++) {
    assert_true(tndb_keyword_is_reserved(reserved[i]));
  }
  for (size_t i = 0; i < sizeof free_words / sizeof free_words[0]; i++) {
    assert_false(tndb_keyword_is_reserved(free_words[i]));
  }
}

static void folding(void **state) {
  (void)state;
  char text[] = "AbZ_09\xC3\x89";
  tndb_fold_case(text);
  assert_string_equal(text, "abz_09\xC3\x89");
}

static void cursor_names(void **state) {
  (void)state;
  const char *sql = "Abc \"A\"\"b\" {X.y } U&\"a\" 'x' \"\"";
  tndb_cursor at;
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_cursor_start(&at, sql, strlen(sql), 5);
  assert_int_equal(at.token.line, 5);
  assert_true(tndb_cursor_name(&at, true, &name));
  assert_string_equal(tndb_buffer_text(&name), "abc");
  assert_true(tndb_cursor_name(&at, false, &name));
  assert_string_equal(tndb_buffer_text(&name), "Abc");
  tndb_cursor_advance(&at);
  assert_true(tndb_cursor_name(&at, true, &name));
  assert_string_equal(tndb_buffer_text(&name), "A\"b");
  tndb_cursor_advance(&at);
  assert_true(tndb_cursor_name(&at, true, &name));
  assert_string_equal(tndb_buffer_text(&name), "X.y");
  tndb_cursor_advance(&at);
  assert_false(tndb_cursor_name(&at, true, &name));
  tndb_cursor_advance(&at);
  assert_false(tndb_cursor_name(&at, true, &name));
  tndb_cursor_advance(&at);
  assert_true(tndb_cursor_name(&at, true, &name));
  assert_string_equal(tndb_buffer_text(&name), "");
  tndb_cursor_advance(&at);
  assert_true(tndb_cursor_at_end(&at));
  tndb_cursor_advance(&at);
  assert_true(tndb_cursor_at_end(&at));
}

static void cursor_groups(void **state) {
  (void)state;
  const char *sql = "(a, (b[1]), ')') c (d";
  tndb_cursor at;
  tndb_cursor_start(&at, sql, strlen(sql), 1);
  assert_true(tndb_cursor_skip(&at));
  assert_true(tndb_cursor_is_word(&at, "c"));
  assert_true(tndb_cursor_skip(&at));
  assert_false(tndb_cursor_skip(&at));
  assert_false(tndb_cursor_skip(&at));
}

/* ---------------------------------------------------------------- splitting */

static void split(const char *script, const char *const *pieces, const int32_t *lines, size_t n) {
  tndb_splitter splitter;
  tndb_piece piece;
  tndb_splitter_start(&splitter, script, strlen(script), false);
  for (size_t i = 0; i < n; i++) {
    assert_true(tndb_splitter_next(&splitter, &piece));
    assert_int_equal(piece.length, strlen(pieces[i]));
    assert_memory_equal(piece.text, pieces[i], piece.length);
    assert_ptr_equal(piece.text, script + piece.offset);
    assert_int_equal(piece.line, lines[i]);
  }
  assert_false(tndb_splitter_next(&splitter, &piece));
  assert_null(splitter.lexer.mistake);
}

static void splitting(void **state) {
  (void)state;
  split("", NULL, NULL, 0);
  split(" ; ;-- x\n;/* y; */", NULL, NULL, 0);
  split("\n-- a;\nSELECT ';' /* ; */ ; \n\n SELECT $$;$$ -- end",
        (const char *const[]){"SELECT ';'", "SELECT $$;$$"}, (const int32_t[]){3, 5}, 2);
  split("CREATE RULE r AS ON INSERT TO t DO (a; b); c",
        (const char *const[]){"CREATE RULE r AS ON INSERT TO t DO (a; b)", "c"}, (const int32_t[]){1, 1}, 2);
  split("a); b", (const char *const[]){"a)", "b"}, (const int32_t[]){1, 1}, 2);
}

static void splitting_bodies(void **state) {
  (void)state;
  const char *one =
      "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT t.end, 1 AS "
      "end; END";
  const char *two = "create or replace procedure p()\nbegin atomic\ninsert into t values (1);\nend";
  char script[512] = "";
  strcat(strcat(strcat(strcat(script, one), ";"), two), ";SELECT 1");
  split(script, (const char *const[]){one, two, "SELECT 1"}, (const int32_t[]){1, 1, 4}, 3);
  /* Outside routines BEGIN is a statement, and a routine may be named anything. */
  split("BEGIN; ATOMIC; END; x", (const char *const[]){"BEGIN", "ATOMIC", "END", "x"},
        (const int32_t[]){1, 1, 1, 1}, 4);
  split("CREATE FUNCTION begin() AS $$ a; $$; b",
        (const char *const[]){"CREATE FUNCTION begin() AS $$ a; $$", "b"}, (const int32_t[]){1, 1}, 2);
  split("CREATE VIEW v AS SELECT CASE WHEN a THEN b END; c",
        (const char *const[]){"CREATE VIEW v AS SELECT CASE WHEN a THEN b END", "c"}, (const int32_t[]){1, 1},
        2);
}

static void splitting_mistakes(void **state) {
  (void)state;
  tndb_splitter splitter;
  tndb_piece piece;
  const char *script = "SELECT 1;\nSELECT 'x";
  tndb_splitter_start(&splitter, script, strlen(script), false);
  assert_true(tndb_splitter_next(&splitter, &piece));
  assert_false(tndb_splitter_next(&splitter, &piece));
  assert_non_null(splitter.lexer.mistake);
  assert_int_equal(splitter.mistake_line, 2);
  assert_int_equal(splitter.mistake_offset, 17);
}

/* -------------------------------------------------------------- classifying */

static void control(const char *sql, const char *wanted) {
  const char *word = "x";
  assert_int_equal(tndb_sql_is_transaction_control(sql, &word), wanted != NULL);
  assert_int_equal(tndb_sql_is_transaction_control(sql, NULL), wanted != NULL);
  if (wanted) {
    assert_string_equal(word, wanted);
  } else {
    assert_null(word);
  }
}

static void client_copy(void **state) {
  (void)state;
  assert_true(tndb_sql_is_plain("/* x */ Select 1"));
  assert_true(tndb_sql_is_plain(";(WITH a AS (SELECT 1) SELECT * FROM a)"));
  static const char *const others[] = {"COPY t FROM STDIN", "SET ROLE x", "reset role", "COMMIT",
                                       "/**/END",           "selects",    "\"select\"", "",
                                       " -- select\n",      ";"};
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    assert_false(tndb_sql_is_plain(others[i])); /* what is plain is not looked at any further */
  }
  assert_true(tndb_sql_is_client_copy("COPY t FROM STDIN"));
  assert_true(tndb_sql_is_client_copy("/* x */ copy (SELECT 'TO') to stdout WITH (FORMAT binary)"));
  assert_true(tndb_sql_is_client_copy("; COPY t (a, b) TO STDIN"));
  assert_false(tndb_sql_is_client_copy("COPY t TO '/tmp/stdout'"));
  assert_false(tndb_sql_is_client_copy("COPY t FROM PROGRAM 'cat'"));
  assert_false(tndb_sql_is_client_copy("SELECT stdin FROM copy"));
  assert_false(tndb_sql_is_client_copy("copying stdin"));
  assert_false(tndb_sql_is_client_copy(""));
}

static void transaction_control(void **state) {
  (void)state;
  control("BEGIN", "BEGIN");
  control("begin;", "BEGIN");
  control("Start Transaction", "START TRANSACTION");
  control("/* x */ -- y\n ;;( COMMIT", "COMMIT");
  control("END", "END");
  control("abort", "ABORT");
  control("ROLLBACK TO a", "ROLLBACK");
  control("SAVEPOINT a", "SAVEPOINT");
  control("RELEASE a", "RELEASE");
  control("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION");
  control("PREPARE /* */ transaction 'x'", "PREPARE TRANSACTION");
  control("PREPARE x AS SELECT 1", NULL);
  control("PREPARE", NULL);
  control("SELECT 'BEGIN'", NULL);
  control("\"begin\"", NULL);
  control("beginning", NULL);
  control("commits", NULL);
  control("-- BEGIN", NULL);
  control("/* BEGIN", NULL);
  control("", NULL);
}

static void emptiness(void **state) {
  (void)state;
  assert_true(tndb_sql_is_empty(""));
  assert_true(tndb_sql_is_empty(" \n;; -- x\n/* y */;"));
  assert_false(tndb_sql_is_empty("SELECT"));
  assert_false(tndb_sql_is_empty("("));
  assert_false(tndb_sql_is_empty("/* not closed"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quoting),
      cmocka_unit_test(checking_names),
      cmocka_unit_test(reserved_words),
      cmocka_unit_test(folding),
      cmocka_unit_test(cursor_names),
      cmocka_unit_test(cursor_groups),
      cmocka_unit_test(splitting),
      cmocka_unit_test(splitting_bodies),
      cmocka_unit_test(splitting_mistakes),
      cmocka_unit_test(transaction_control),
      cmocka_unit_test(client_copy),
      cmocka_unit_test(emptiness),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
