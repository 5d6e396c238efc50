/* SPDX-License-Identifier: PostgreSQL */
#include "sql/lexer.h"

#include <string.h>

#include "unit.h"

/* The tokens as letters, W"..": what each one covers is checked by the text between bars. */
static const char letters[] = "$WQNSDPOCMBE";

static void expect_as(const char *sql, bool markers, bool comments, const char *kinds, const char *texts) {
  tndb_lexer lexer;
  tndb_token token;
  char found_kinds[64] = "", found_texts[512] = "";
  size_t n = 0, t = 0;
  tndb_lexer_start(&lexer, sql, strlen(sql), markers);
  while (comments ? tndb_lexer_raw(&lexer, &token) : tndb_lexer_next(&lexer, &token)) {
    assert_true(n + 1 < sizeof found_kinds && t + token.length + 2 < sizeof found_texts);
    assert_true(token.length > 0 && token.offset + token.length <= strlen(sql));
    found_kinds[n++] = letters[token.kind];
    memcpy(found_texts + t, sql + token.offset, token.length);
    t += token.length;
    found_texts[t++] = '|';
  }
  if (token.kind == TNDB_TOKEN_ERROR) {
    assert_non_null(lexer.mistake);
    assert_int_not_equal(lexer.reason, 0);
    found_kinds[n] = 'E';
    assert_false(tndb_lexer_raw(&lexer, &token));
  } else {
    assert_int_equal(token.kind, TNDB_TOKEN_END);
    assert_null(lexer.mistake);
  }
  assert_string_equal(found_kinds, kinds);
  if (texts) {
    assert_string_equal(found_texts, texts);
  }
}

static void expect(const char *sql, const char *kinds, const char *texts) {
  expect_as(sql, false, false, kinds, texts);
}

static void words_and_names(void **state) {
  (void)state;
  expect("", "", "");
  expect(" \t\r\n\f\v ", "", "");
  expect("select a_1$b FROM T", "WWWW", "select|a_1$b|FROM|T|");
  expect("\xC3\xA9t\xC3\xA9 _x", "WW", "\xC3\xA9t\xC3\xA9|_x|");
  expect("\"a b\"\"c\" \"\"", "QQ", "\"a b\"\"c\"|\"\"|");
  expect("U&\"d\\0061t\" u & \"x\"", "QWOQ", "U&\"d\\0061t\"|u|&|\"x\"|");
  expect("a.b.\"c\"", "WOWOQ", NULL);
  expect("\"never", "E", NULL);
  expect("\"never\"\"", "E", NULL);
  expect("U&\"never", "E", NULL);
}

static void numbers(void **state) {
  (void)state;
  expect("1 .5 1. 1.5 1e3 1E-3 1.5e+3", "NNNNNNN", "1|.5|1.|1.5|1e3|1E-3|1.5e+3|");
  expect("1..10", "NON", "1|.|.10|");
  expect("1..5", "NON", "1|.|.5|");
  expect("1e 1e+", "NWNWO", "1|e|1|e|+|");
  expect("0xFF 0b01 0o17 1_000", "NNNN", "0xFF|0b01|0o17|1_000|");
  expect("1E'a\\''", "NS", "1|E'a\\''|");
  expect("0b1E'a\\'", "NS", "0b1E|'a\\'|");
}

static void strings(void **state) {
  (void)state;
  expect("'a''b' 'c\\' x", "SSW", "'a''b'|'c\\'|x|");
  expect("E'it\\'s' e'\\\\' x", "SSW", "E'it\\'s'|e'\\\\'|x|");
  expect("B'01' x'ff' N'a' U&'\\0061' nn'a'", "SSSSWS", NULL);
  expect("U&'a\\' b", "SW", NULL);
  expect("'a'\n'b'", "S", "'a'\n'b'|");
  expect("'a' -- c'\n  'b' c", "SW", "'a' -- c'\n  'b'|c|");
  expect("E'a'\n'b\\'c' d", "SW", NULL);
  expect("'a' 'b'", "SS", NULL);
  expect("'a' /* \n */ 'b'", "SS", NULL);
  expect("'never", "E", NULL);
  expect("'never''", "E", NULL);
  expect("E'never\\'", "E", NULL);
  expect("E'\\", "E", NULL);
  expect("E'a'\n'b\\'", "E", NULL);
  expect("'", "E", NULL);
}

static void dollars(void **state) {
  (void)state;
  expect("$$a$$ $x$ $$ $y$ $x$", "DD", "$$a$$|$x$ $$ $y$ $x$|");
  expect("$1 $23abc", "PPW", "$1|$23|abc|");
  expect("$X$ $x$ $X$ y", "DW", NULL);
  expect("a$$b$$", "W", NULL);
  expect("$ a", "OW", NULL);
  expect("$a b", "OWW", "$|a|b|");
  expect("$\xC3\xA9$'$\xC3\xA9$", "D", NULL);
  expect("$$", "E", NULL);
  expect("$x$ $x", "E", NULL);
  expect("$$ $x$", "E", NULL);
  expect("$$$$", "D", NULL);
}

static void operators(void **state) {
  (void)state;
  expect("a::text := b : c", "WOWOWOW", "a|::|text|:=|b|:|c|");
  expect("(a[1:2])->>'x';", "OWONONOOOOOSO", NULL);
  expect("{ }", "OO", NULL);
  expect("@>-1", "OOON", NULL);
}

static void comments(void **state) {
  (void)state;
  expect("a -- b ' \n c", "WW", "a|c|");
  expect("a -- b \r c --", "WW", NULL);
  expect("a /* ' /* nested */ \" */ b", "WW", NULL);
  expect("a+--b\nc", "WOW", NULL);
  expect("a*/**/b", "WOW", NULL);
  expect("/* /* */", "E", NULL);
  expect("/*/", "E", NULL);
  expect("/*", "E", NULL);
  expect_as("a -- b\n/* c */", false, true, "WCC", "a|-- b|/* c */|");
}

static void markers(void **state) {
  (void)state;
  expect_as("{a} {b.c} { x y }", true, false, "MMM", "{a}|{b.c}|{ x y }|");
  expect_as("{{a}} {it's}", true, false, "BWBM", "{{|a|}}|{it's}|");
  expect_as("'{a}' \"{b}\" $${c}$$ -- {d}\n/* { */", true, false, "SQD", NULL);
  expect_as("{a", true, false, "E", NULL);
  expect_as("{a\n}", true, false, "E", NULL);
  expect_as("{a{b}", true, false, "E", NULL);
  expect_as("a}", true, false, "WE", NULL);
  expect_as("{}", true, false, "M", NULL);
}

static void lines_and_places(void **state) {
  (void)state;
  const char *sql = "a\n'b\nc'\n\n/* \n */ d $$\n$$ \"\n\" e\n 'f";
  static const int32_t lines[] = {1, 2, 6, 6, 7, 8};
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, sql, strlen(sql), false);
  for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
    assert_true(tndb_lexer_next(&lexer, &token));
    assert_int_equal(token.line, lines[i]);
  }
  assert_false(tndb_lexer_next(&lexer, &token));
  assert_int_equal(token.kind, TNDB_TOKEN_ERROR);
  assert_int_equal(token.line, 9);
  assert_int_equal(token.offset, strlen(sql) - 2);
  assert_string_equal(lexer.mistake, "a string has no closing quote");
}

static void comparing(void **state) {
  (void)state;
  tndb_lexer lexer;
  tndb_token token;
  const char *sql = "Select \"select\" ( ::";
  tndb_lexer_start(&lexer, sql, strlen(sql), false);
  tndb_lexer_next(&lexer, &token);
  assert_true(tndb_token_is_word(sql, &token, "select"));
  assert_false(tndb_token_is_word(sql, &token, "selec"));
  assert_false(tndb_token_is_word(sql, &token, "selects"));
  assert_false(tndb_token_is_char(sql, &token, 'S'));
  tndb_lexer_next(&lexer, &token);
  assert_false(tndb_token_is_word(sql, &token, "select"));
  tndb_lexer_next(&lexer, &token);
  assert_true(tndb_token_is_char(sql, &token, '('));
  tndb_lexer_next(&lexer, &token);
  assert_false(tndb_token_is_char(sql, &token, ':'));
}

/* Random text of awkward characters in a block of exactly its size: tokens tile it and never reach out. */
static void random_text(void **state) {
  (void)state;
  static const char alphabet[] = "''\"\"$$$a-/*\\\n {}eUu&1.;:()xE\xC3\xA9";
  uint32_t seed = 12345;
  for (int round = 0; round < 40000; round++) {
    size_t length = (seed >> 8) % 40;
    char *text = tndb_alloc(length);
    for (size_t i = 0; i < length; i++) {
      seed = seed * 1664525u + 1013904223u;
      text[i] = alphabet[(seed >> 16) % (sizeof alphabet - 1)];
    }
    seed = seed * 1664525u + 1013904223u;
    tndb_lexer lexer;
    tndb_token token;
    size_t end = 0;
    tndb_lexer_start(&lexer, text, length, round & 1);
    while (tndb_lexer_raw(&lexer, &token)) {
      assert_true(token.offset >= end && token.length > 0);
      end = token.offset + token.length;
      assert_true(end <= length);
    }
    tndb_free(text);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(words_and_names), cmocka_unit_test(numbers),          cmocka_unit_test(strings),
      cmocka_unit_test(dollars),         cmocka_unit_test(operators),        cmocka_unit_test(comments),
      cmocka_unit_test(markers),         cmocka_unit_test(lines_and_places), cmocka_unit_test(comparing),
      cmocka_unit_test(random_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
