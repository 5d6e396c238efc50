/* SPDX-License-Identifier: PostgreSQL */
/* The queue of events and the functions that are told of them. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/event_queue.h"
#include "unit.h"

static tenantdb_error *error;

/* A configuration as a database has it: with a queue of that many. */
static tenantdb_config *config_with(const char *room) {
  tenantdb_config *config = tenantdb_config_new();
  assert_int_equal(tenantdb_config_set(config, "events.queue", room, NULL), TENANTDB_OK);
  assert_int_equal(tndb_config_keep_events(config, &error), TENANTDB_OK);
  return config;
}

static tndb_event_queue *queue_of(const tenantdb_config *config) {
  return tndb_config_listeners(config)->queue;
}

static tenantdb_result *take(const tenantdb_config *config, int32_t most) {
  tenantdb_result *events = NULL;
  assert_int_equal(tndb_event_queue_take(queue_of(config), most, &events, &error), TENANTDB_OK);
  assert_int_equal(tenantdb_result_columns(events), 9);
  return events;
}

static int64_t number(const tenantdb_result *events, int32_t row, const char *column) {
  const char *value = tenantdb_result_value(events, row, tenantdb_result_column(events, column));
  return value ? strtoll(value, NULL, 10) : -1;
}

static const char *text(const tenantdb_result *events, int32_t row, const char *column) {
  return tenantdb_result_value(events, row, tenantdb_result_column(events, column));
}

static void put_many(const tenantdb_config *config, int n) {
  for (int i = 0; i < n; i++) {
    tndb_config_write_event(config, &(tndb_event){.kind = TNDB_EVENT_POOL_TIMEOUT, .message = "late"});
  }
}

/* ---------------------------------------------------------------- the list */

static void test_names(void **state) {
  (void)state;
  for (int i = 0; i < TNDB_N_EVENTS; i++) {
    const tndb_event_name *row = tndb_event_name_of((tndb_event_kind)i);
    assert_int_equal(row->kind, i);
    assert_true(strlen(row->name) > 3);
    assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyz-"), strlen(row->name));
    assert_in_range(row->level, TENANTDB_LOG_DEBUG, TENANTDB_LOG_ERROR);
    for (int other = 0; other < i; other++) {
      assert_string_not_equal(row->name, tndb_event_name_of((tndb_event_kind)other)->name);
    }
  }
  assert_null(tndb_event_name_of(TNDB_N_EVENTS));
  assert_null(tndb_event_name_of((tndb_event_kind)-1));
  assert_string_equal(tndb_event_level_name(TENANTDB_LOG_WARNING), "warning");
  assert_string_equal(tndb_event_level_name(0), "?");
  assert_string_equal(tndb_event_level_name(5), "?");
}

/* ---------------------------------------------------------------- the queue */

static void test_order(void **state) {
  (void)state;
  tenantdb_config *config = config_with("8");
  tndb_config_write_event(config, &(tndb_event){.kind = TNDB_EVENT_CONNECTION_CLOSED,
                                                .tenant = "acme",
                                                .sqlstate = "57P01",
                                                .message = "why",
                                                .backend_pid = 4711});
  tndb_config_write_event(config, &(tndb_event){.kind = TNDB_EVENT_NOTICE, .level = TENANTDB_LOG_WARNING});
  tenantdb_result *events = take(config, 0);
  assert_int_equal(tenantdb_result_rows(events), 2);
  assert_int_equal(number(events, 0, "sequence"), 1);
  assert_string_equal(text(events, 0, "event"), "connection-closed");
  assert_string_equal(text(events, 0, "level"), "debug");
  assert_string_equal(text(events, 0, "tenant"), "acme");
  assert_string_equal(text(events, 0, "sqlstate"), "57P01");
  assert_string_equal(text(events, 0, "message"), "why");
  assert_int_equal(number(events, 0, "backend_pid"), 4711);
  assert_int_equal(number(events, 1, "sequence"), 2);
  assert_string_equal(text(events, 1, "level"), "warning");
  assert_null(text(events, 1, "tenant"));
  assert_null(text(events, 1, "sqlstate"));
  assert_string_equal(text(events, 1, "message"), "");
  assert_null(text(events, 1, "backend_pid"));
  char at[TNDB_EVENT_AT];
  tndb_event_at(number(events, 1, "at_ms"), at);
  assert_string_equal(text(events, 1, "at"), at);
  assert_true(number(events, 0, "at_ms") > INT64_C(1700000000000));
  tenantdb_result_free(events);
  events = take(config, 0);
  assert_int_equal(tenantdb_result_rows(events), 0);
  tenantdb_result_free(events);
  tenantdb_config_free(config);
}

static void test_at(void **state) {
  (void)state;
  char at[TNDB_EVENT_AT];
  tndb_event_at(0, at);
  assert_string_equal(at, "1970-01-01T00:00:00.000Z");
  tndb_event_at(INT64_C(1709211600125), at);
  assert_string_equal(at, "2024-02-29T13:00:00.125Z");
  tndb_event_at(INT64_C(253402300799999), at);
  assert_string_equal(at, "9999-12-31T23:59:59.999Z");
}

static void test_most(void **state) {
  (void)state;
  tenantdb_config *config = config_with("8");
  int64_t next = 1;
  put_many(config, 5);
  for (int32_t most = 2; next <= 5; most++) {
    tenantdb_result *events = take(config, most);
    assert_true(tenantdb_result_rows(events) <= most);
    for (int32_t row = 0; row < tenantdb_result_rows(events); row++) {
      assert_int_equal(number(events, row, "sequence"), next++);
    }
    tenantdb_result_free(events);
  }
  tenantdb_config_free(config);
}

/* The first row of a take after an overflow. */
static void assert_dropped(const tenantdb_result *events, int64_t count, int64_t last) {
  char message[64];
  snprintf(message, sizeof message, "%lld events were dropped", (long long)count);
  assert_string_equal(text(events, 0, "event"), "events-dropped");
  assert_non_null(strstr(text(events, 0, "message"), message));
  assert_string_equal(text(events, 0, "level"), "warning");
  assert_int_equal(number(events, 0, "sequence"), last);
}

static void test_overflow(void **state) {
  (void)state;
  int64_t written, dropped;
  tenantdb_config *config = config_with("4");
  put_many(config, 4);
  tndb_event_queue_count(queue_of(config), &written, &dropped);
  assert_int_equal(written, 4);
  assert_int_equal(dropped, 0);
  put_many(config, 6);
  tndb_event_queue_count(queue_of(config), &written, &dropped);
  assert_int_equal(dropped, 6);
  tenantdb_result *events = take(config, 0);
  assert_int_equal(tenantdb_result_rows(events), 5);
  assert_dropped(events, 6, 6);
  for (int32_t row = 1; row < 5; row++) {
    assert_int_equal(number(events, row, "sequence"), 6 + row);
  }
  tenantdb_result_free(events);
  put_many(config, 5);
  events = take(config, 1); /* a row that tells of the lost ones is a row */
  assert_int_equal(tenantdb_result_rows(events), 1);
  assert_dropped(events, 1, 11);
  tenantdb_result_free(events);
  events = take(config, 1);
  assert_int_equal(number(events, 0, "sequence"), 12);
  tenantdb_result_free(events);
  events = take(config, 0);
  assert_int_equal(tenantdb_result_rows(events), 3);
  tenantdb_result_free(events);
  tndb_event_queue_count(queue_of(config), &written, &dropped);
  assert_int_equal(written, 15);
  assert_int_equal(dropped, 7);
  tenantdb_config_free(config);
}

static void test_none(void **state) {
  (void)state;
  int64_t written, dropped;
  tenantdb_config *config = config_with("0");
  put_many(config, 3);
  tenantdb_result *events = take(config, 0);
  assert_int_equal(tenantdb_result_rows(events), 0);
  tenantdb_result_free(events);
  tndb_event_queue_count(queue_of(config), &written, &dropped);
  assert_int_equal(written, 3);
  assert_int_equal(dropped, 0); /* nobody expected them */
  tenantdb_config_free(config);
  assert_int_equal(tndb_event_queue_take(NULL, 0, &events, &error), TENANTDB_OK);
  assert_int_equal(tenantdb_result_rows(events), 0);
  tenantdb_result_free(events);
  tndb_event_queue_count(NULL, &written, &dropped);
  assert_int_equal(written + dropped, 0);
}

/* What a server or a name may hold: line breaks, and more than there is room for. */
static void test_text(void **state) {
  (void)state;
  char longest[1000];
  tenantdb_config *config = config_with("8");
  tndb_config_write_event(config,
                          &(tndb_event){.kind = TNDB_EVENT_NOTICE, .message = "a\nb\tc\x7F\xFF\xC3\xA9"});
  memset(longest, 'x', sizeof longest);
  longest[sizeof longest - 1] = '\0';
  memcpy(longest + TNDB_EVENT_MESSAGE - 2, "\xC3\xA9", 2); /* its second byte would be the NUL */
  tndb_config_write_event(
      config, &(tndb_event){
                  .kind = TNDB_EVENT_NOTICE, .message = longest, .tenant = longest, .sqlstate = "123456789"});
  tenantdb_result *events = take(config, 0);
  assert_string_equal(text(events, 0, "message"), "a b c \xFF\xC3\xA9");
  assert_int_equal(strlen(text(events, 1, "message")), TNDB_EVENT_MESSAGE - 2);
  assert_int_equal(strspn(text(events, 1, "message"), "x"), TNDB_EVENT_MESSAGE - 2);
  assert_int_equal(strlen(text(events, 1, "tenant")), TNDB_EVENT_TENANT - 1);
  assert_string_equal(text(events, 1, "sqlstate"), "12345");
  tenantdb_result_free(events);
  tenantdb_config_free(config);
}

/* ---------------------------------------------------------------- functions */

typedef struct heard {
  int lines;
  int events;
  int64_t sequence;
  const tenantdb_config *config;
} heard;

static void hear_line(void *user, int32_t level, const char *event, const char *message) {
  heard *what = user;
  assert_int_equal(level, TENANTDB_LOG_ERROR);
  assert_string_equal(event, "scope-refused");
  assert_string_equal(message, "a \"quoted\" word");
  what->lines++;
}

static void hear_event(void *user, const tenantdb_event *event) {
  heard *what = user;
  char json[300], at[TNDB_EVENT_AT];
  what->events++;
  what->sequence = tenantdb_event_sequence(event);
  assert_string_equal(tenantdb_event_name(event), "scope-refused");
  assert_int_equal(tenantdb_event_level(event), TENANTDB_LOG_ERROR);
  assert_string_equal(tenantdb_event_tenant(event), "acme");
  assert_string_equal(tenantdb_event_sqlstate(event), "");
  assert_string_equal(tenantdb_event_message(event), "a \"quoted\" word");
  assert_int_equal(tenantdb_event_backend_pid(event), 17);
  tndb_event_at(tenantdb_event_at_ms(event), at);
  snprintf(json, sizeof json,
           "{\"sequence\":%lld,\"at\":\"%s\",\"at_ms\":%lld,\"level\":\"error\",\"event\":\"scope-refused\","
           "\"tenant\":\"acme\",\"sqlstate\":null,\"message\":\"a \\\"quoted\\\" word\",\"backend_pid\":17}",
           (long long)what->sequence, at, (long long)tenantdb_event_at_ms(event));
  const char *first = tenantdb_event_json(event);
  assert_string_equal(first, json);
  assert_ptr_equal(tenantdb_event_json(event), first); /* made once */
  if (what->config && queue_of(what->config)) {
    /* No lock is held: who did this under one would wait for himself. */
    tenantdb_result_free(take(what->config, 0));
  }
}

static const tndb_event refusal = {
    .kind = TNDB_EVENT_SCOPE_REFUSED, .tenant = "acme", .message = "a \"quoted\" word", .backend_pid = 17};

static void test_functions(void **state) {
  (void)state;
  heard what = {0, 0, -1, NULL};
  tenantdb_config *config = tenantdb_config_new();
  tndb_config_write_event(config, &refusal); /* nobody listens */
  tenantdb_config_log(config, hear_line, &what);
  tenantdb_config_events(config, hear_event, &what);
  tndb_config_write_event(config, &refusal);
  assert_int_equal(what.lines, 1);
  assert_int_equal(what.events, 1);
  assert_int_equal(what.sequence, 0); /* no database yet */
  /* A database's copy tells the same functions, and has a queue; its copies have the same queue. */
  tenantdb_config *own = NULL, *other = NULL;
  assert_int_equal(tndb_config_copy(config, &own, &error), TENANTDB_OK);
  assert_null(queue_of(own));
  assert_int_equal(tndb_config_keep_events(own, &error), TENANTDB_OK);
  assert_int_equal(tndb_config_copy(own, &other, &error), TENANTDB_OK);
  what.config = own;
  tndb_config_write_event(own, &refusal);
  tndb_config_write_event(other, &refusal);
  assert_int_equal(what.events, 3);
  assert_int_equal(what.sequence, 2);
  tenantdb_config_free(own);
  what.config = NULL;
  tndb_config_write_event(other, &refusal); /* the queue is still there */
  assert_int_equal(what.sequence, 3);
  tenantdb_config_free(other);
  tenantdb_config_events(config, NULL, NULL);
  tenantdb_config_log(config, NULL, NULL);
  tndb_config_write_event(config, &refusal);
  assert_int_equal(what.lines, 4);
  assert_int_equal(what.events, 4);
  tenantdb_config_events(NULL, hear_event, &what);
  tenantdb_config_free(config);
}

static void test_null_getters(void **state) {
  (void)state;
  assert_string_equal(tenantdb_event_name(NULL), "");
  assert_string_equal(tenantdb_event_tenant(NULL), "");
  assert_string_equal(tenantdb_event_sqlstate(NULL), "");
  assert_string_equal(tenantdb_event_message(NULL), "");
  assert_null(tenantdb_event_json(NULL));
  assert_int_equal(tenantdb_event_level(NULL), 0);
  assert_int_equal(tenantdb_event_backend_pid(NULL), 0);
  assert_int_equal(tenantdb_event_sequence(NULL) + tenantdb_event_at_ms(NULL), 0);
}

/* ---------------------------------------------------------------- threads */

#define WRITERS 8
#define EACH 4000

static void *write_many(void *user) {
  put_many(user, EACH);
  return NULL;
}

/* All of them are taken or told as dropped, each once, in order, while eight threads write. */
static void run_threads(const char *room, int32_t most) {
  tenantdb_config *config = config_with(room);
  pthread_t threads[WRITERS];
  int64_t last = 0, seen = 0, dropped = 0;
  for (int i = 0; i < WRITERS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, write_many, config), 0);
  }
  while (last < WRITERS * EACH) {
    tenantdb_result *events = take(config, most);
    assert_true(most == 0 || tenantdb_result_rows(events) <= most);
    for (int32_t row = 0; row < tenantdb_result_rows(events); row++) {
      int64_t sequence = number(events, row, "sequence");
      if (strcmp(text(events, row, "event"), "events-dropped") == 0) {
        assert_int_equal(row, 0);
        dropped += strtoll(text(events, row, "message"), NULL, 10);
      } else {
        assert_int_equal(sequence, seen + dropped + 1);
        seen++;
      }
      assert_true(sequence > last);
      last = sequence;
    }
    tenantdb_result_free(events);
  }
  for (int i = 0; i < WRITERS; i++) {
    pthread_join(threads[i], NULL);
  }
  assert_int_equal(seen + dropped, WRITERS * EACH);
  tenantdb_config_free(config);
}

static void test_threads(void **state) {
  (void)state;
  run_threads("100000", 0);
  run_threads("16", 0);
  run_threads("16", 3);
}

static void *take_many(void *user) {
  int64_t taken = 0;
  for (int quiet = 0; quiet < 1000;) {
    tenantdb_result *events = NULL;
    assert_int_equal(tndb_event_queue_take(queue_of(user), 5, &events, NULL), TENANTDB_OK);
    taken += tenantdb_result_rows(events);
    quiet = tenantdb_result_rows(events) ? 0 : quiet + 1;
    tenantdb_result_free(events);
  }
  return (void *)(intptr_t)taken;
}

/* Two that take at once never get the same event. */
static void test_takers(void **state) {
  (void)state;
  tenantdb_config *config = config_with("10000");
  pthread_t threads[2];
  void *taken[2];
  put_many(config, 10000);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, take_many, config), 0);
  }
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], &taken[i]);
  }
  assert_int_equal((intptr_t)taken[0] + (intptr_t)taken[1], 10000);
  tenantdb_config_free(config);
}

/* ---------------------------------------------------------------- memory */

/* A take that runs out of memory takes nothing. */
static void test_take_without_memory(void **state) {
  (void)state;
  tenantdb_config *config = config_with("4");
  put_many(config, 7);
  int failures = 0;
  for (uint64_t at = 1;; at++) {
    tenantdb_result *events = NULL;
    int64_t live = tndb_memory_live();
    tndb_memory_fail(at, false);
    tenantdb_status status = tndb_event_queue_take(queue_of(config), 0, &events, &error);
    tndb_memory_fail(0, false);
    if (!status) {
      assert_int_equal(tenantdb_result_rows(events), 5);
      assert_dropped(events, 3, 3);
      tenantdb_result_free(events);
      break;
    }
    assert_int_equal(status, TENANTDB_MEMORY);
    assert_int_equal(tenantdb_error_status(error), TENANTDB_MEMORY);
    tenantdb_error_free(error);
    error = NULL;
    assert_null(events);
    assert_int_equal(tndb_memory_live(), live);
    failures++;
  }
  assert_true(failures > 30); /* the cells alone are 36 */
  tenantdb_config_free(config);
}

static void ask_json(void *user, const tenantdb_event *event) {
  const char *json = tenantdb_event_json(event);
  *(int *)user += json ? 1 : 100;
  if (!json) {
    tndb_memory_fail(0, false);
    assert_non_null(tenantdb_event_json(event)); /* memory is there again */
  }
}

static void use_all(void *user) {
  tenantdb_config *config = tenantdb_config_new(), *copy = NULL;
  tenantdb_result *events = NULL;
  tenantdb_status status = config ? tndb_config_keep_events(config, NULL) : (tenantdb_status)TENANTDB_MEMORY;
  if (!status) {
    status = tndb_config_copy(config, &copy, NULL);
  }
  if (!status) {
    tenantdb_config_events(copy, ask_json, user);
    tndb_config_write_event(copy, &refusal);
    (void)tndb_event_queue_take(queue_of(config), 0, &events, NULL);
  }
  tenantdb_result_free(events);
  tenantdb_config_free(copy);
  tenantdb_config_free(config);
}

static void test_out_of_memory(void **state) {
  (void)state;
  int asked = 0;
  for (uint64_t at = 1; at < 60; at++) {
    int64_t live = tndb_memory_live();
    tndb_memory_fail(at, false);
    use_all(&asked);
    tndb_memory_fail(0, false);
    assert_int_equal(tndb_memory_live(), live);
  }
  assert_true(asked >= 100); /* at least one JSON text could not be made at first */
}

/* Writing allocates nothing, so that running out of memory can be told of. */
static void test_writing_without_memory(void **state) {
  (void)state;
  tenantdb_config *config = config_with("8");
  tndb_memory_fail(1, true);
  put_many(config, 3);
  assert_int_equal(tndb_memory_fail(0, false), 0);
  tenantdb_result *events = take(config, 0);
  assert_int_equal(tenantdb_result_rows(events), 3);
  tenantdb_result_free(events);
  tenantdb_config_free(config);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_names),
      cmocka_unit_test(test_order),
      cmocka_unit_test(test_at),
      cmocka_unit_test(test_most),
      cmocka_unit_test(test_overflow),
      cmocka_unit_test(test_none),
      cmocka_unit_test(test_text),
      cmocka_unit_test(test_functions),
      cmocka_unit_test(test_null_getters),
      cmocka_unit_test(test_threads),
      cmocka_unit_test(test_takers),
      cmocka_unit_test(test_take_without_memory),
      cmocka_unit_test(test_out_of_memory),
      cmocka_unit_test(test_writing_without_memory),
  };
  return cmocka_run_group_tests_name("event queue", tests, NULL, NULL);
}
