/* SPDX-License-Identifier: PostgreSQL */
/*
 * A tenant moves to another server while others write to him: whatever was
 * acknowledged is there, nothing else is, and how long nobody could write is
 * told. Rows: 2,000 for every second of TENANTDB_TEST_BUDGET, up to a million.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "../integration/move_fixture.h"

enum { WRITERS = 4, MOST_OWN = 200000 };

typedef struct writer {
  pthread_t thread;
  int number;
  unsigned seed;
  int last;      /* own rows are 1 to this */
  int *value;    /* of each; 0: deleted */
  int64_t added; /* to rows that were there */
  int64_t done, busy, moved, wrong;
  int64_t longest_ms;
  char why[300];
} writer;

static tenantdb *from, *to;
static tenantdb_error *error;
static int64_t rows;
static atomic_bool over;
static atomic_int at_target;

static tenantdb_registry *make_registry(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base *service = tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(
      service,
      "CREATE TABLE big (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n integer NOT NULL,"
      " body text NOT NULL);"
      "CREATE INDEX big_body ON big (body);"
      "CREATE TABLE own (writer integer, n integer, value integer NOT NULL, PRIMARY KEY (writer, "
      "n))");
  return registry;
}

static tenantdb *open_side(const char *url) {
  tenantdb *db = fixture_open(url, make_registry(), FIXTURE_OPTIONS("pool.size", "12"));
  harness_assert_ok(tenantdb_bootstrap(db, &error), error);
  return db;
}

static int setup(void **state) {
  rows = fixture_budget_ms() * 2;
  rows = rows > 1000000 ? 1000000 : rows;
  (void)move_setup(state);
  return 0;
}

/* ---------------------------------------------------------------- writers */

static tenantdb_status run_one(writer *w, tenantdb *db, const char *sql, const char *const values[3],
                               int32_t count) {
  tenantdb_session *session = NULL;
  tenantdb_error *own = NULL;
  tenantdb_status status = tenantdb_session_open(db, "acme", NULL, &session, &own);
  if (!status) {
    status = tenantdb_session_query_text(session, sql, count, values, NULL, &own);
  }
  if (status && status != TENANTDB_BUSY && tenantdb_error_reason(own) != TENANTDB_REASON_TENANT_MOVED &&
      tenantdb_error_reason(own) != TENANTDB_REASON_TENANT_NOT_ACTIVE) {
    snprintf(w->why, sizeof w->why, "%s: %s", tenantdb_status_name(status), tenantdb_error_message(own));
    w->wrong++;
  }
  tenantdb_error_free(own);
  tenantdb_session_close(session);
  return status;
}

/* Until it is acknowledged, wherever the tenant is: as an application that was told "later" does. */
static bool write_one(writer *w, const char *sql, const char *const values[3], int32_t count) {
  int64_t began = fixture_now_ms();
  tenantdb *db = atomic_load(&at_target) ? to : from;
  for (;;) {
    tenantdb_status status = run_one(w, db, sql, values, count);
    int64_t took = fixture_now_ms() - began;
    w->longest_ms = took > w->longest_ms ? took : w->longest_ms;
    if (status == TENANTDB_OK) {
      w->done++;
      return true;
    }
    if (status == TENANTDB_UNAVAILABLE) {
      w->moved++;
      db = to; /* the other one may take a moment yet */
      atomic_store(&at_target, 1);
    } else if (status == TENANTDB_BUSY) {
      w->busy++;
    } else {
      return false;
    }
    fixture_pause_us(2000);
  }
}

static bool change_own(writer *w, unsigned kind) {
  static const char *const sql[] = {"INSERT INTO own VALUES ($1, $2, $3)",
                                    "UPDATE own SET value = $3 WHERE writer = $1 AND n = $2",
                                    "DELETE FROM own WHERE writer = $1 AND n = $2 AND $3::integer >= 0"};
  char number[16], n[16], value[16];
  int which = kind == 0 ? w->last + 1 : 1 + (int)fixture_random(&w->seed, (unsigned)w->last);
  int new_value = kind == 2 ? 0 : 1 + (int)fixture_random(&w->seed, 1000);
  if (kind > 0 && w->value[which] == 0) {
    return true;
  }
  snprintf(number, sizeof number, "%d", w->number);
  snprintf(n, sizeof n, "%d", which);
  snprintf(value, sizeof value, "%d", new_value);
  const char *values[] = {number, n, value};
  if (!write_one(w, sql[kind], values, 3)) {
    return false;
  }
  w->value[which] = new_value;
  w->last += kind == 0;
  return true;
}

static bool change_big(writer *w) {
  char id[24];
  snprintf(id, sizeof id, "%u", 1 + fixture_random(&w->seed, (unsigned)rows));
  const char *values[] = {id, NULL, NULL};
  bool done = write_one(w, "UPDATE big SET n = n + 1 WHERE id = $1", values, 1);
  w->added += done;
  return done;
}

static void *write_on(void *user) {
  writer *w = user;
  for (int64_t i = 0; !atomic_load(&over) && w->last < MOST_OWN - 1; i++) {
    bool fine = i % 5 == 4 ? change_big(w) : change_own(w, w->last == 0 ? 0 : (unsigned)(i % 5 + 1) / 2);
    if (!fine) {
      break;
    }
  }
  return NULL;
}

static void start(writer writers[WRITERS]) {
  for (int i = 0; i < WRITERS; i++) {
    writers[i] = (writer){.number = i, .seed = 17u + (unsigned)i};
    writers[i].value = calloc(MOST_OWN, sizeof *writers[i].value);
    assert_non_null(writers[i].value);
    assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
  }
}

/* Every acknowledged write, and not one more. */
static void check(writer writers[WRITERS], const char *url, const char *schema) {
  int64_t added = 0, own = 0, sum = 0, done = 0, busy = 0, longest = 0;
  for (int i = 0; i < WRITERS; i++) {
    writer *w = &writers[i];
    int64_t alive = 0, mine = 0;
    for (int n = 1; n <= w->last; n++) {
      alive += w->value[n] > 0;
      mine += w->value[n] > 0 ? (int64_t)w->value[n] * n % 1000003 : 0;
    }
    if (w->wrong > 0) {
      fail_msg("writer %d: %s", i, w->why);
    }
    assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.own WHERE writer = %d", schema, i), alive);
    assert_int_equal(harness_count(url,
                                   "SELECT coalesce(sum(value::bigint * n %% 1000003), 0) FROM %s.own WHERE "
                                   "writer = %d",
                                   schema, i),
                     mine);
    added += w->added;
    own += alive;
    sum += mine;
    done += w->done;
    busy += w->busy + w->moved;
    longest = w->longest_ms > longest ? w->longest_ms : longest;
    free(w->value);
  }
  assert_int_equal(harness_count(url, "SELECT sum(n) FROM %s.big", schema), added);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM %s.big", schema), rows);
  print_message("%lld writes acknowledged, %lld told to come later; 0 lost; longest write %lld ms\n",
                (long long)done, (long long)busy, (long long)longest);
}

static void test_under_load(void **state) {
  (void)state;
  writer writers[WRITERS];
  tenantdb_result *report = NULL;
  char *here = move_database(first, "here"), *there = move_database(second, "there");
  from = open_side(here);
  to = open_side(there);
  tenantdb_tenant_free(fixture_tenant(from, "acme"));
  char *schema = archive_schema(here, "acme");
  harness_sql(here,
              "INSERT INTO %s.big (n, body) SELECT 0, md5(i::text) || md5((-i)::text) FROM "
              "generate_series(1, %lld) i",
              schema, (long long)rows);
  start(writers);
  fixture_pause_us(300000);
  int64_t began = fixture_now_ms();
  harness_assert_ok(move_call(from, "acme", to, FIXTURE_OPTIONS("patience", "30min"), &report, &error),
                    error);
  int64_t took = fixture_now_ms() - began;
  fixture_pause_us(500000);
  atomic_store(&over, true);
  for (int i = 0; i < WRITERS; i++) {
    pthread_join(writers[i].thread, NULL);
  }
  move_print(report);
  print_message("%lld rows moved in %lld ms, %s\n", (long long)rows, (long long)took,
                move_cell(report, "pause", "note"));
  assert_string_equal(move_cell(report, "verify", "state"), "done");
  assert_string_equal(move_cell(report, "source", "state"), "done");
  assert_true(strtod(move_cell(report, "pause", "seconds"), NULL) < 5.0);
  check(writers, there, schema);
  assert_int_equal(move_left(here), 0);
  assert_int_equal(move_left(there), 0);
  tenantdb_result_free(report);
  tenantdb_close(from);
  tenantdb_close(to);
  free(schema);
  free(here);
  free(there);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_under_load)};
  return cmocka_run_group_tests_name("move under load", tests, setup, move_teardown);
}
