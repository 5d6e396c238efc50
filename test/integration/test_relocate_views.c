/* SPDX-License-Identifier: PostgreSQL */
/*
 * Shared tables go to another schema behind views while two versions of the
 * application write, and the old names go when nobody uses them.
 */
#include "relocate_load.h"

/* Holds a lock that lets writers go on, and a relocation not. */
static void *stall(void *user) {
  harness_sql(
      user,
      "BEGIN; LOCK TABLE public.conversations IN SHARE UPDATE EXCLUSIVE MODE; SELECT pg_sleep(1); COMMIT");
  return NULL;
}

static void *relocate_under_load(void *user) {
  relocate_do(user, FIXTURE_OPTIONS("to", RELOCATE_NEW, "way", "views"));
  return NULL;
}

static void check_rows(writers *all) {
  int64_t users =
      harness_count(all->url, "SELECT count(*) FROM \"teddy-ai\".users WHERE email ~ '^[wp][0-9]+-'");
  int64_t conversations =
      harness_count(all->url, "SELECT count(*) FROM \"teddy-ai\".conversations WHERE title = 'c'");
  print_message(
      "%lld rounds, %lld users and %lld conversations written; the longest statement took %.1f ms\n",
      (long long)all->rounds, (long long)all->users, (long long)all->conversations,
      (double)all->slowest_us / 1000);
  assert_int_equal(users, all->users);
  assert_int_equal(conversations, all->conversations);
  assert_int_equal(
      harness_count(all->url, "SELECT count(*) FROM \"teddy-ai\".conversations WHERE title = 'gone'"), 0);
}

static void await_relation(const char *url, const char *name) {
  while (harness_count(url, "SELECT count(*) FROM pg_class WHERE oid = to_regclass('%s')", name) == 0) {
    fixture_pause_us(2000);
  }
}

/* While a lock on one table stalls the relocation, tables are in all the states there are. */
static void test_load(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  pthread_t relocator, stopper;
  writers all = {.url = url};
  all.db = relocate_open(url, RELOCATE_NEW);
  writers_start(&all, true, WRITERS / 2);
  writers_await(&all, 50);
  assert_int_equal(pthread_create(&stopper, NULL, stall, (void *)(uintptr_t)url), 0);
  fixture_pause_us(100000);
  assert_int_equal(pthread_create(&relocator, NULL, relocate_under_load, db), 0);
  /* The new version can begin as soon as its names are there, which is after the first transaction. */
  await_relation(url, "\"teddy-ai\".users");
  writers_start(&all, false, WRITERS / 2);
  writers_await(&all, 100);
  pthread_join(stopper, NULL);
  pthread_join(relocator, NULL);
  relocate_assert_holds(url, "public", RELOCATE_OLD_VIEWS " v:x_theirs");
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_NEW_STANDING);
  print_message("moved; the longest statement took %.1f ms\n", (double)all.slowest_us / 1000);
  writers_await(&all, 200);
  /* The old version goes; then its names go, under the new one's load. */
  writers_end_old(&all);
  all.names_new = true;
  relocate_finish(all.db, NULL);
  writers_await(&all, 100);
  writers_end(&all);
  check_rows(&all);
  relocate_assert_holds(url, "public", "v:x_theirs");
  relocate_assert_holds(url, RELOCATE_NEW, RELOCATE_OLD_TABLES);
  tenantdb_close(all.db);
  tenantdb_close(db);
  harness_drop_database(url);
}

/* The same without anybody in the way: what the pauses are then. */
static void test_load_alone(void **state) {
  (void)state;
  tenantdb *db;
  const char *url = relocate_old(&db);
  writers all = {.url = url};
  all.db = relocate_open(url, RELOCATE_NEW);
  writers_start(&all, true, WRITERS);
  writers_await(&all, 100);
  int64_t began = fixture_now_ms();
  relocate_do(db, RELOCATE_BY_VIEWS);
  print_message("moved in %lld ms\n", (long long)(fixture_now_ms() - began));
  writers_await(&all, 100);
  writers_end(&all);
  relocate_finish(all.db, NULL);
  check_rows(&all);
  tenantdb_close(all.db);
  tenantdb_close(db);
  harness_drop_database(url);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_load),
      cmocka_unit_test(test_load_alone),
  };
  return cmocka_run_group_tests_name("relocate by views", tests, NULL, NULL);
}
