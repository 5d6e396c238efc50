/* SPDX-License-Identifier: PostgreSQL */
/* Whose turn it is: the queue of a pool by itself, without connections. */
#include "unit.h"

#include <string.h>

#include "base/memory.h"
#include "pool/queue.h"

#define MOST 2000

static tndb_queue queue;
static tndb_waiter waiters[MOST];
static size_t n_waiters;

static int setup(void **state) {
  (void)state;
  queue = (tndb_queue){0};
  n_waiters = 0;
  return 0;
}

static int teardown(void **state) {
  (void)state;
  tndb_queue_free(&queue);
  return 0;
}

static tndb_waiter *wait_in(tndb_share *share) {
  tndb_waiter *who = &waiters[n_waiters++];
  *who = (tndb_waiter){.share = share};
  assert_true(tndb_queue_add(&queue, who, true));
  return who;
}

static tndb_share *serve_next(void) {
  tndb_share *share = tndb_queue_next(&queue);
  assert_non_null(share);
  tndb_waiter *first = share->first;
  assert_ptr_equal(tndb_queue_serve(&queue, share), first);
  return share;
}

static void test_empty(void **state) {
  (void)state;
  assert_null(tndb_queue_next(&queue));
  tndb_share a = {0};
  tndb_queue_count_turn(&queue, &a);
  tndb_queue_set_eligible(&queue, &a, true); /* nobody waits in it */
  assert_null(tndb_queue_next(&queue));
}

static void test_first_come_within_a_share(void **state) {
  (void)state;
  tndb_share a = {0};
  tndb_waiter *who[3] = {wait_in(&a), wait_in(&a), wait_in(&a)};
  for (int i = 0; i < 3; i++) {
    assert_int_equal(a.waiting, 3 - i);
    assert_ptr_equal(a.first, who[i]);
    assert_ptr_equal(serve_next(), &a);
  }
  assert_int_equal(queue.n_waiting, 0);
  assert_null(tndb_queue_next(&queue));
}

/* A thousand wait for one tenant, who has just been served: another's first request is next. */
static void test_newcomer_is_next(void **state) {
  (void)state;
  tndb_share heavy = {0}, light = {0};
  tndb_queue_count_turn(&queue, &heavy);
  for (int i = 0; i < 1000; i++) {
    (void)wait_in(&heavy);
  }
  for (int i = 0; i < 10; i++) {
    assert_ptr_equal(serve_next(), &heavy);
  }
  (void)wait_in(&light);
  assert_ptr_equal(serve_next(), &light);
  assert_ptr_equal(serve_next(), &heavy);
}

/* Three that always wait are served alike, however many wait in each. */
static void test_even_shares(void **state) {
  (void)state;
  tndb_share shares[3] = {{0}, {0}, {0}};
  int served[3] = {0};
  for (int i = 0; i < 900; i++) {
    (void)wait_in(&shares[i < 700 ? 0 : i % 3]);
  }
  for (int i = 0; i < 120; i++) {
    served[serve_next() - shares]++;
  }
  for (int i = 0; i < 3; i++) {
    assert_in_range(served[i], 39, 41);
  }
}

/* New tenants without end, faster than they can be served, do not hold up an old one for ever. */
static void test_no_starvation(void **state) {
  (void)state;
  static tndb_share newcomers[MOST];
  tndb_share old = {0};
  memset(newcomers, 0, sizeof newcomers);
  tndb_queue_count_turn(&queue, &old);
  (void)wait_in(&old);
  int turns = 0;
  for (size_t next = 0; old.first && next + 2 < MOST - 1; turns++) {
    (void)wait_in(&newcomers[next++]);
    (void)wait_in(&newcomers[next++]);
    (void)serve_next();
  }
  assert_null(old.first);
  assert_in_range(turns, 1, 400);
}

/* Having had much in quiet times is not held against anybody later. */
static void test_no_debt(void **state) {
  (void)state;
  tndb_share busy = {0}, other = {0};
  for (int i = 0; i < 100000; i++) {
    tndb_queue_count_turn(&queue, &busy);
  }
  tndb_queue_count_turn(&queue, &other);
  int served = 0;
  for (int i = 0; i < 20; i++) {
    (void)wait_in(&busy);
    (void)wait_in(&other);
  }
  for (int i = 0; i < 10; i++) {
    served += serve_next() == &busy;
  }
  assert_in_range(served, 4, 6);
}

static void test_not_eligible(void **state) {
  (void)state;
  tndb_share full = {0}, other = {0};
  tndb_waiter *who = &waiters[n_waiters++];
  *who = (tndb_waiter){.share = &full};
  assert_true(tndb_queue_add(&queue, who, false));
  assert_null(tndb_queue_next(&queue));
  assert_int_equal(queue.n_waiting, 1);
  (void)wait_in(&other);
  assert_ptr_equal(tndb_queue_next(&queue), &other);
  tndb_queue_set_eligible(&queue, &other, false);
  tndb_queue_set_eligible(&queue, &full, true);
  assert_ptr_equal(serve_next(), &full);
  assert_null(tndb_queue_next(&queue));
  tndb_queue_set_eligible(&queue, &other, true);
  assert_ptr_equal(serve_next(), &other);
}

static void test_giving_up(void **state) {
  (void)state;
  tndb_share a = {0}, b = {0};
  tndb_waiter *who[3] = {wait_in(&a), wait_in(&a), wait_in(&a)};
  (void)wait_in(&b);
  tndb_queue_remove(&queue, who[2]);
  tndb_queue_remove(&queue, who[0]);
  tndb_queue_remove(&queue, who[0]); /* not there any more: nothing happens */
  assert_int_equal(a.waiting, 1);
  assert_ptr_equal(a.first, who[1]);
  assert_ptr_equal(a.last, who[1]);
  tndb_queue_remove(&queue, who[1]);
  assert_ptr_equal(serve_next(), &b);
  assert_int_equal(queue.n_waiting, 0);
  assert_int_equal(queue.n_shares, 0);
}

/* Random comings and goings: the next is always one of the earliest, and the counts hold. */
static void test_random(void **state) {
  (void)state;
  enum { SHARES = 40 };
  static tndb_share shares[SHARES];
  static tndb_waiter *waiting[MOST];
  uint32_t seed = 12345;
  memset(shares, 0, sizeof shares);
  size_t n = 0;
  for (int round = 0; round < 20000; round++) {
    seed = seed * 1664525u + 1013904223u;
    uint32_t what = (seed >> 8) % 4;
    tndb_share *share = &shares[(seed >> 16) % SHARES];
    if (what < 2 && n < MOST / 2) {
      tndb_waiter *who = tndb_new(tndb_waiter);
      who->share = share;
      assert_true(tndb_queue_add(&queue, who, true));
      waiting[n++] = who;
    } else if (what == 2 && n > 0) {
      size_t at = (seed >> 10) % n;
      tndb_queue_remove(&queue, waiting[at]);
      tndb_free(waiting[at]);
      waiting[at] = waiting[--n];
    } else if (n > 0) {
      tndb_share *next = tndb_queue_next(&queue);
      for (int i = 0; i < SHARES; i++) {
        assert_true(!shares[i].first || next->start <= shares[i].start);
      }
      tndb_waiter *who = tndb_queue_serve(&queue, next);
      for (size_t i = 0; i < n; i++) {
        if (waiting[i] == who) {
          waiting[i] = waiting[--n];
          break;
        }
      }
      tndb_free(who);
    }
    assert_int_equal(queue.n_waiting, (int64_t)n);
  }
  while (n > 0) {
    tndb_queue_remove(&queue, waiting[--n]);
    tndb_free(waiting[n]);
  }
  assert_null(tndb_queue_next(&queue));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
      cmocka_unit_test_setup_teardown(test_first_come_within_a_share, setup, teardown),
      cmocka_unit_test_setup_teardown(test_newcomer_is_next, setup, teardown),
      cmocka_unit_test_setup_teardown(test_even_shares, setup, teardown),
      cmocka_unit_test_setup_teardown(test_no_starvation, setup, teardown),
      cmocka_unit_test_setup_teardown(test_no_debt, setup, teardown),
      cmocka_unit_test_setup_teardown(test_not_eligible, setup, teardown),
      cmocka_unit_test_setup_teardown(test_giving_up, setup, teardown),
      cmocka_unit_test_setup_teardown(test_random, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
