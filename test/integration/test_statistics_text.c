/* SPDX-License-Identifier: PostgreSQL */
/* Statistics as text, read by a strict reader, and the same as a table. */
#include "catalog/statistics.h"
#include "fixture.h"

static const char *url;
static tenantdb_error *error;

static int setup(void **state) {
  (void)state;
  url = harness_database();
  tenantdb *db = fixture_ready(url, NULL);
  tenantdb_tenant_free(fixture_tenant(db, "a"));
  tenantdb_close(db);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  harness_drop_database(url);
  return 0;
}

static tenantdb_result *read_table(tenantdb *db) {
  tenantdb_result *table = NULL;
  harness_assert_ok(tenantdb_statistics(db, &table, &error), error);
  assert_int_equal(tenantdb_result_columns(table), 6);
  return table;
}

/* The value of a series, NULL when there is none. Lasts as long as the table. */
static const char *series(const tenantdb_result *table, const char *name, const char *labels) {
  for (int32_t row = 0; row < tenantdb_result_rows(table); row++) {
    if (strcmp(tenantdb_result_value(table, row, 0), name) == 0 &&
        strcmp(tenantdb_result_value(table, row, 1), labels) == 0) {
      return tenantdb_result_value(table, row, 4);
    }
  }
  return NULL;
}

/* ---------------------------------------------------------------- the reader */

typedef struct reader {
  const char *at;
  int line;
} reader;

#define fail_here(r, what) fail_msg("line %d: %s at \"%.40s\"", (r)->line, (what), (r)->at)

static void expect(reader *r, const char *word) {
  if (strncmp(r->at, word, strlen(word)) != 0) {
    fail_here(r, word);
  }
  r->at += strlen(word);
}

static bool looks_at(const reader *r, const char *word) {
  return strncmp(r->at, word, strlen(word)) == 0;
}

static void read_name(reader *r, char *name, size_t size, bool colon) {
  size_t length = strspn(r->at, colon ? "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789:"
                                      : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
  if (length == 0 || length >= size || strchr("0123456789", r->at[0])) {
    fail_here(r, "a name");
  }
  memcpy(name, r->at, length);
  name[length] = '\0';
  r->at += length;
}

/* {name="value",…} with \\, \" and \n escaped and nothing else; what stands between the braces goes to `labels`. */
static void read_labels(reader *r, char *labels, size_t size) {
  labels[0] = '\0';
  if (*r->at != '{') {
    return;
  }
  const char *begin = ++r->at;
  for (;;) {
    char name[64];
    read_name(r, name, sizeof name, false);
    expect(r, "=\"");
    while (*r->at != '"') {
      if (*r->at == '\\' && !strchr("\\\"n", r->at[1])) {
        fail_here(r, "an escape");
      }
      if (*r->at == '\n' || *r->at == '\0') {
        fail_here(r, "the end of a label");
      }
      r->at += *r->at == '\\' ? 2 : 1;
    }
    r->at++;
    if (*r->at != ',') {
      break;
    }
    r->at++;
  }
  size_t length = (size_t)(r->at - begin);
  assert_true(length < size);
  memcpy(labels, begin, length);
  labels[length] = '\0';
  expect(r, "}");
}

/* One family: HELP, TYPE, and then lines of nothing else. Returns how many series; each is in the table. */
static int read_family(reader *r, const tenantdb_result *table, char *family, size_t size) {
  char kind[16], again[128], help[256];
  int count = 0;
  expect(r, "# HELP ");
  read_name(r, family, size, true);
  expect(r, " ");
  size_t length = strcspn(r->at, "\n");
  assert_in_range(length, 5, sizeof help - 1);
  r->at += length;
  expect(r, "\n# TYPE ");
  r->line++;
  read_name(r, again, sizeof again, true);
  assert_string_equal(again, family);
  expect(r, " ");
  read_name(r, kind, sizeof kind, false);
  expect(r, "\n");
  r->line++;
  bool several = strcmp(kind, "histogram") == 0 || strcmp(kind, "summary") == 0;
  assert_true(several || strcmp(kind, "counter") == 0 || strcmp(kind, "gauge") == 0);
  double last = 0, sum = -1;
  while (*r->at && *r->at != '#') {
    char name[128], labels[512], *end;
    read_name(r, name, sizeof name, true);
    assert_int_equal(strncmp(name, family, strlen(family)), 0);
    const char *suffix = name + strlen(family);
    assert_true(several ? strcmp(suffix, "_bucket") == 0 || strcmp(suffix, "_sum") == 0 ||
                              strcmp(suffix, "_count") == 0
                        : *suffix == '\0');
    read_labels(r, labels, sizeof labels);
    expect(r, " ");
    const char *text = r->at;
    double number = strtod(text, &end);
    assert_true(end > text && number >= 0);
    r->at = end;
    /* Buckets never fall, and the last is the count; a counter's name tells that it is one. */
    if (strcmp(suffix, "_bucket") == 0) {
      bool first = strstr(labels, "le=\"0.0001\"") != NULL;
      assert_true(first || number >= last);
      last = number;
    } else if (strcmp(suffix, "_count") == 0 && strcmp(kind, "histogram") == 0) {
      assert_true(number == last && sum >= 0);
    }
    sum = strcmp(suffix, "_sum") == 0 ? number : sum;
    assert_true(strcmp(kind, "counter") != 0 || strstr(family, "_total") == family + strlen(family) - 6);
    const char *cell = series(table, name, labels);
    assert_non_null(cell);
    assert_int_equal(strncmp(cell, text, (size_t)(end - text)), 0);
    expect(r, "\n");
    r->line++;
    count++;
  }
  return count;
}

static void test_text(void **state) {
  (void)state;
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_session *session = fixture_session(db, "a");
  assert_int_not_equal(tenantdb_session_query(session, "SELECT 1 / 0", NULL, NULL, NULL), TENANTDB_OK);
  tenantdb_session_close(session);
  tenantdb_result *table = read_table(db);
  char *text = NULL;
  harness_assert_ok(tenantdb_statistics_text(db, &text, &error), error);
  reader r = {text, 1};
  char families[64][128];
  int n = 0, count = 0;
  for (; *r.at; n++) {
    assert_true(looks_at(&r, "#") && n < 64);
    count += read_family(&r, table, families[n], sizeof families[n]);
    for (int i = 0; i < n; i++) {
      assert_string_not_equal(families[i], families[n]); /* each stands together */
    }
  }
  assert_int_equal(count, tenantdb_result_rows(table));
  assert_true(n >= 20);
  tenantdb_string_free(text);
  tenantdb_result_free(table);
  tenantdb_close(db);
}

static void test_table(void **state) {
  (void)state;
  static const char *const kinds[] = {"counter", "gauge", "histogram", "summary"};
  tenantdb *db = fixture_open(url, NULL, NULL);
  tenantdb_result *table = read_table(db);
  for (int32_t row = 0; row < tenantdb_result_rows(table); row++) {
    bool known = false;
    for (size_t i = 0; i < 4; i++) {
      known = known || strcmp(tenantdb_result_value(table, row, 2), kinds[i]) == 0;
    }
    assert_true(known);
    assert_true(strlen(tenantdb_result_value(table, row, 5)) > 5);
    for (int32_t other = 0; other < row; other++) { /* no series twice */
      assert_false(strcmp(tenantdb_result_value(table, row, 0), tenantdb_result_value(table, other, 0)) ==
                       0 &&
                   strcmp(tenantdb_result_value(table, row, 1), tenantdb_result_value(table, other, 1)) == 0);
    }
  }
  assert_non_null(series(table, "tenantdb_events_total", ""));
  tenantdb_result_free(table);
  tenantdb_close(db);
}

/* A database's name may hold anything. */
static void test_escapes(void **state) {
  (void)state;
  tndb_auto_buffer labels = TNDB_BUFFER_INIT;
  tndb_label_append(&labels, "a", "plain");
  tndb_label_append(&labels, "b", "q\"b\\n\nend");
  assert_string_equal(tndb_buffer_text(&labels), "a=\"plain\",b=\"q\\\"b\\\\n\\nend\"");
  char *plain = harness_database_name(url);
  char name[200], label[200];
  snprintf(name, sizeof name, "%s\"odd\\name", plain);
  snprintf(label, sizeof label, "database=\"%s\\\"odd\\\\name\"", plain);
  harness_sql(url, "CREATE DATABASE \"%s\"\"odd\\name\"", plain);
  char *own = harness_url_with(url, name, NULL, NULL);
  tenantdb *db = fixture_open(own, NULL, NULL);
  tenantdb_result *table = read_table(db);
  char *text = NULL;
  assert_string_equal(tenantdb_result_value(table, 0, 0), "tenantdb_info");
  assert_non_null(strstr(tenantdb_result_value(table, 0, 1), label));
  harness_assert_ok(tenantdb_statistics_text(db, &text, &error), error);
  reader r = {text, 1};
  char family[128];
  assert_int_equal(read_family(&r, table, family, sizeof family), 1);
  tenantdb_string_free(text);
  tenantdb_result_free(table);
  tenantdb_close(db);
  free(own);
  harness_sql(url, "DROP DATABASE \"%s\"\"odd\\name\" WITH (FORCE)", plain);
  free(plain);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_text),
      cmocka_unit_test(test_table),
      cmocka_unit_test(test_escapes),
  };
  return cmocka_run_group_tests_name("statistics text", tests, setup, teardown);
}
