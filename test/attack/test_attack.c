/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every attack of the corpus at every isolation level.
 *
 *   test_attack [--trail] [PART]   only attacks with PART in their names; what every step answered
 *   test_attack --table            the tables of doc/guide/attacks.md
 *   test_attack --accept           puts them there
 */
#include "attack.h"

static const chapter *const chapters[] = {
    &chapter_settings, &chapter_hidden, &chapter_calls,    &chapter_neighbour,
    &chapter_objects,  &chapter_left,   &chapter_catalogs, &chapter_server,
};
enum { N_CHAPTERS = sizeof chapters / sizeof chapters[0], MOST_ATTACKS = 400 };

bool attack_trail;

static place here;
static int32_t level_now;

/* ---------------------------------------------------------------- the table */

typedef struct text {
  char *data;
  size_t length;
} text;

static void put(text *out, const char *piece) {
  size_t length = strlen(piece);
  out->data = realloc(out->data, out->length + length + 1);
  assert_non_null(out->data);
  memcpy(out->data + out->length, piece, length + 1);
  out->length += length;
}

static void put_leaks(text *out, const char *leaks) {
  static const struct {
    char kind;
    const char *name;
  } kinds[] = {{LEAK_READ, "read"}, {LEAK_WRITE, "write"}, {LEAK_STATE, "state"}, {LEAK_NAMES, "names"}};
  const char *before = "**";
  put(out, *leaks ? "" : "held");
  for (size_t i = 0; i < 4; i++) {
    if (strchr(leaks, kinds[i].kind)) {
      put(out, before);
      put(out, kinds[i].name);
      before = ", ";
    }
  }
  put(out, *leaks ? "**" : "");
}

static char *make_table(void) {
  text out = {NULL, 0};
  for (size_t c = 0; c < N_CHAPTERS; c++) {
    put(&out, "\n## ");
    put(&out, chapters[c]->title);
    put(&out,
        "\n\n| attack | what is tried | routing | role | hardened | login |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < chapters[c]->count; i++) {
      const attack *a = &chapters[c]->attacks[i];
      put(&out, "| ");
      put(&out, a->name);
      put(&out, " | ");
      put(&out, a->says);
      for (size_t level = 0; level < N_LEVELS; level++) {
        put(&out, " | ");
        put_leaks(&out, a->leaks[level]);
      }
      put(&out, " |\n");
    }
  }
  return out.data;
}

/* ---------------------------------------------------------------- tests */

static int major(void) {
  return PQserverVersion(here.admin) / 10000;
}

static bool is_of_this_server(const attack *a) {
  int said = a->steps[0].text ? atoi(a->steps[0].text) : 0;
  bool wrong_side = a->steps[0].kind == BEFORE  ? major() >= said
                    : a->steps[0].kind == SINCE ? major() < said
                                                : false;
  /* The table is of PostgreSQL 15 and later: before, PUBLIC may create in schema public. */
  return !wrong_side && major() >= 15;
}

/* The table is PostgreSQL 15's. A later server may hold where that one leaks, but never the other way round. */
static bool as_documented(const char *found, const char *expected) {
  return major() == 15 ? strcmp(found, expected) == 0 : strspn(found, expected) == strlen(found);
}

static void test_attack(void **state) {
  const attack *a = *state;
  char found[8];
  if (!here.ready) {
    fail_msg("level %s cannot be had", tenantdb_isolation_name(level_now));
  }
  if (!is_of_this_server(a)) {
    print_message("%s: not of this version of the server\n", a->name);
    return;
  }
  const char *expected = a->leaks[level_now - TENANTDB_ISOLATION_ROUTING];
  attack_run(&here, a, expected, found);
  if (!as_documented(found, expected)) {
    fail_msg("leaks \"%s\" and not \"%s\"", found, expected);
  }
}

static void test_level(void **state) {
  (void)state;
  place_make(&here, level_now);
}

/* A row may say that nothing holds only in the order of the kinds, and names are used once. */
static void test_rows(void **state) {
  (void)state;
  size_t count = 0;
  for (size_t c = 0; c < N_CHAPTERS; c++) {
    for (size_t i = 0; i < chapters[c]->count; i++, count++) {
      const attack *a = &chapters[c]->attacks[i];
      for (size_t level = 0; level < N_LEVELS; level++) {
        assert_non_null(a->leaks[level]);
        assert_int_equal(strspn(a->leaks[level], "rwsn"), strlen(a->leaks[level]));
      }
      assert_null(strchr(a->name, '|'));
      assert_null(strchr(a->says, '|'));
      for (size_t j = 0; j < i; j++) {
        assert_string_not_equal(a->name, chapters[c]->attacks[j].name);
      }
    }
  }
  assert_true(count >= 60);
}

/* The document in three: before the tables, the tables, behind them. */
static char *read_document(char **tables, char **rest) {
  static const char begin[] = "<!-- the corpus -->\n", end[] = "\n<!-- the end of the corpus -->\n";
  FILE *file = fopen(ATTACK_DOCUMENT, "r");
  text document = {NULL, 0};
  char line[4096];
  if (!file) {
    print_error("%s cannot be read\n", ATTACK_DOCUMENT);
    return NULL;
  }
  while (fgets(line, sizeof line, file)) {
    put(&document, line);
  }
  fclose(file);
  char *from = document.data ? strstr(document.data, begin) : NULL;
  *rest = from ? strstr(from, end) : NULL;
  if (!*rest) {
    print_error("%s has lost its marks\n", ATTACK_DOCUMENT);
    free(document.data);
    return NULL;
  }
  *tables = from + strlen(begin);
  return document.data;
}

static void test_document(void **state) {
  (void)state;
  char *tables, *rest;
  char *document = read_document(&tables, &rest);
  assert_non_null(document);
  char *table = make_table();
  size_t length = strlen(table);
  if ((size_t)(rest - tables) + 1 != length || strncmp(tables, table, length - 1) != 0) {
    fail_msg(
        "doc/guide/attacks.md does not hold what test_attack --table prints; test_attack --accept mends it");
  }
  free(table);
  free(document);
}

static int accept_table(void) {
  char *tables, *rest;
  char *document = read_document(&tables, &rest);
  FILE *file = document ? fopen(ATTACK_DOCUMENT, "w") : NULL;
  char *table = make_table();
  bool done = file && fprintf(file, "%.*s%s%s", (int)(tables - document), document, table, rest + 1) > 0;
  done = file && fclose(file) == 0 && done;
  free(table);
  free(document);
  return done ? 0 : 1;
}

static int tidy(void **state) {
  (void)state;
  place_recover(&here);
  return 0;
}

static int leave_level(void **state) {
  (void)state;
  place_drop(&here);
  return 0;
}

static int run_level(int32_t level, const char *part) {
  static struct CMUnitTest tests[MOST_ATTACKS];
  static char names[MOST_ATTACKS][120];
  size_t count = 0;
  level_now = level;
  tests[count++] = (struct CMUnitTest){.name = "the level can be had", .test_func = test_level};
  for (size_t c = 0; c < N_CHAPTERS; c++) {
    for (size_t i = 0; i < chapters[c]->count && count < MOST_ATTACKS; i++) {
      const attack *a = &chapters[c]->attacks[i];
      if (part && !strstr(a->name, part)) {
        continue;
      }
      snprintf(names[count], sizeof names[count], "%s: %s", tenantdb_isolation_name(level), a->name);
      tests[count] = (struct CMUnitTest){.name = names[count],
                                         .test_func = test_attack,
                                         .teardown_func = tidy,
                                         .initial_state = (void *)(uintptr_t)a};
      count++;
    }
  }
  return _cmocka_run_group_tests(tenantdb_isolation_name(level), tests, count, NULL, leave_level);
}

int main(int argc, char **argv) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_document)};
  const char *part = NULL;
  int failed = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--table") == 0) {
      char *table = make_table();
      fputs(table, stdout);
      free(table);
      return 0;
    }
    if (strcmp(argv[i], "--accept") == 0) {
      return accept_table();
    }
    if (strcmp(argv[i], "--trail") == 0) {
      attack_trail = true;
    } else {
      part = argv[i];
    }
  }
  if (!part) {
    failed += cmocka_run_group_tests_name("the corpus", tests, NULL, NULL);
  }
  for (int32_t level = TENANTDB_ISOLATION_ROUTING; level <= TENANTDB_ISOLATION_LOGIN; level++) {
    failed += run_level(level, part);
  }
  return failed ? 1 : 0;
}
