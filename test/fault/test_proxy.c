/* SPDX-License-Identifier: PostgreSQL */
/* The proxy that the fault tests stand on, proved with libpq alone. */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "proxy.h"

static const char *direct;
static tndb_proxy *proxy;
static char url[1024];

static int setup(void **state) {
  (void)state;
  char reason[256];
  direct = harness_database();
  proxy = proxy_start(direct, reason, sizeof reason);
  if (!proxy)
    fail_msg("%s", reason);
  assert_true(proxy_url(proxy, direct, url, sizeof url));
  harness_sql(direct, "CREATE TABLE t (i int)");
  return 0;
}

static int teardown(void **state) {
  (void)state;
  proxy_stop(proxy);
  harness_drop_database(direct);
  return 0;
}

static PGconn *connect_proxy(void) {
  PGconn *conn = PQconnectdb(url);
  if (PQstatus(conn) != CONNECTION_OK)
    fail_msg("%s", PQerrorMessage(conn));
  return conn;
}

/* The status of a query's result. */
static ExecStatusType exec(PGconn *conn, const char *sql) {
  PGresult *result = PQexec(conn, sql);
  ExecStatusType status = PQresultStatus(result);
  PQclear(result);
  return status;
}

static double now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static double cpu_ms(void) {
  struct timespec used;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return (double)used.tv_sec * 1e3 + (double)used.tv_nsec / 1e6;
}

static void test_counts(void **state) {
  (void)state;
  PGconn *conn = connect_proxy();
  proxy_reset(proxy);
  assert_int_equal(exec(conn, "SELECT 1"), PGRES_TUPLES_OK);
  proxy_counters counters = proxy_count(proxy);
  assert_int_equal(counters.from_client, 1); /* Query */
  assert_int_equal(counters.from_server, 4); /* RowDescription, DataRow, CommandComplete, ReadyForQuery */
  assert_int_equal(counters.flushes, 1);
  exec(conn, "DO $$ BEGIN RAISE NOTICE 'one'; RAISE NOTICE 'two'; END $$");
  assert_int_equal(proxy_count(proxy).flushes, 2);

  proxy_reset(proxy);
  assert_true(PQenterPipelineMode(conn));
  for (int i = 0; i < 4; i++)
    assert_true(PQsendQueryParams(conn, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0));
  assert_true(PQpipelineSync(conn));
  for (int nulls = 0; nulls < 4;) {
    PGresult *result = PQgetResult(conn);
    nulls += !result;
    PQclear(result);
  }
  PGresult *sync = PQgetResult(conn);
  assert_int_equal(PQresultStatus(sync), PGRES_PIPELINE_SYNC);
  PQclear(sync);
  assert_int_equal(proxy_count(proxy).flushes, 1);
  assert_int_equal(proxy_count(proxy).from_client, 17); /* 4 x Parse, Bind, Describe, Execute; Sync */
  PQfinish(conn);
}

static void test_url(void **state) {
  (void)state;
  char other[1024], small[16];
  assert_true(
      proxy_url(proxy, "postgresql://u%40x:p%26w@h:1/d%2Fb?application_name=a%20b", other, sizeof other));
  PQconninfoOption *options = PQconninfoParse(other, NULL);
  assert_non_null(options);
  int seen = 0;
  for (PQconninfoOption *option = options; option->keyword; option++) {
    const char *value = option->val ? option->val : "";
    seen += strcmp(option->keyword, "user") == 0 && strcmp(value, "u@x") == 0;
    seen += strcmp(option->keyword, "password") == 0 && strcmp(value, "p&w") == 0;
    seen += strcmp(option->keyword, "dbname") == 0 && strcmp(value, "d/b") == 0;
    seen += strcmp(option->keyword, "application_name") == 0 && strcmp(value, "a b") == 0;
    seen += strcmp(option->keyword, "host") == 0 && strstr(value, "proxy") != NULL;
  }
  PQconninfoFree(options);
  assert_int_equal(seen, 5);
  assert_false(proxy_url(proxy, direct, small, sizeof small));
  assert_false(proxy_url(proxy, "postgresql://[", other, sizeof other));
}

/* A transaction of three round trips, cut at message n: how many rows it left, whether the client saw it
 * fail. */
static bool cut_at(int number, proxy_action action, bool *committed) {
  harness_sql(direct, "TRUNCATE t");
  PGconn *conn = connect_proxy();
  proxy_trigger trigger = {.action = action, .number = number};
  proxy_arm(proxy, &trigger);
  bool told = exec(conn, "BEGIN") == PGRES_COMMAND_OK &&
              exec(conn, "INSERT INTO t VALUES (1)") == PGRES_COMMAND_OK &&
              exec(conn, "COMMIT") == PGRES_COMMAND_OK;
  bool fired = proxy_wait_fired(proxy, 0);
  proxy_disarm(proxy);
  PQfinish(conn);
  if (!fired) {
    assert_true(told);
    return false;
  }
  harness_sql(
      direct,
      "BEGIN; LOCK t; COMMIT"); /* waits until the backend that was cut off has ended its transaction */
  *committed = harness_count(direct, "SELECT count(*) FROM t") == 1;
  assert_true(*committed || !told);
  return true;
}

/* Messages 1 to 9: Query, CommandComplete, ReadyForQuery, three times. */
static void test_sweep(void **state) {
  (void)state;
  static const struct {
    proxy_action action;
    int first_committed;
  } cases[] = {{PROXY_CLOSE, 8}, {PROXY_HALF, 8}, {PROXY_RST, 8}, {PROXY_CLOSE_AFTER, 7}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    bool committed = false;
    int number = 1;
    for (; cut_at(number, cases[i].action, &committed); number++)
      assert_int_equal(committed, number >= cases[i].first_committed);
    assert_int_equal(number, 10);
  }
}

static void test_match(void **state) {
  (void)state;
  PGconn *conn = connect_proxy();
  proxy_trigger trigger = {
      .action = PROXY_CLOSE, .from = PROXY_SERVER, .type = 'C', .text = "COMMIT", .number = 2};
  proxy_arm(proxy, &trigger);
  assert_int_equal(exec(conn, "SELECT 'COMMIT'"), PGRES_TUPLES_OK);
  assert_int_equal(exec(conn, "BEGIN"), PGRES_COMMAND_OK);
  assert_int_equal(exec(conn, "COMMIT"), PGRES_COMMAND_OK);
  assert_int_equal(exec(conn, "BEGIN"), PGRES_COMMAND_OK);
  assert_false(proxy_wait_fired(proxy, 0));
  assert_int_equal(exec(conn, "COMMIT"), PGRES_FATAL_ERROR);
  assert_true(proxy_wait_fired(proxy, 1000));
  assert_int_equal(PQstatus(conn), CONNECTION_BAD);
  proxy_counters counters = proxy_count(proxy);
  assert_int_equal(counters.fired_type, 'C');
  assert_int_equal(counters.fired_from, PROXY_SERVER);
  assert_int_equal(counters.fired_number, 2);
  PQreset(conn); /* fired once: the next connection passes */
  assert_int_equal(exec(conn, "SELECT 1"), PGRES_TUPLES_OK);
  PQfinish(conn);
}

static void test_sticky(void **state) {
  (void)state;
  PGconn *conn = connect_proxy();
  proxy_trigger trigger = {.action = PROXY_CLOSE, .sticky = true};
  proxy_arm(proxy, &trigger);
  assert_int_equal(exec(conn, "SELECT 1"), PGRES_FATAL_ERROR);
  for (int i = 0; i < 3; i++) {
    PQreset(conn);
    assert_int_equal(PQstatus(conn), CONNECTION_BAD);
  }
  proxy_disarm(proxy);
  PQreset(conn);
  assert_int_equal(exec(conn, "SELECT 1"), PGRES_TUPLES_OK);
  PQfinish(conn);
}

static bool readable(PGconn *conn, int ms) {
  struct pollfd fd = {.fd = PQsocket(conn), .events = POLLIN};
  return poll(&fd, 1, ms) == 1;
}

static void test_stall(void **state) {
  (void)state;
  PGconn *conn = connect_proxy(), *gone = connect_proxy();
  proxy_trigger trigger = {.action = PROXY_STALL, .from = PROXY_SERVER, .type = 'C'};
  proxy_arm(proxy, &trigger);
  assert_true(PQsendQuery(conn, "SELECT 7"));
  assert_true(proxy_wait_fired(proxy, 1000));
  while (readable(conn, 100))
    assert_true(PQconsumeInput(conn)); /* the row had passed */
  assert_true(PQisBusy(conn));
  assert_int_equal(exec(gone, "SELECT 1"), PGRES_TUPLES_OK); /* the others go on */
  proxy_disarm(proxy);
  PGresult *result = PQgetResult(conn);
  assert_string_equal(PQgetvalue(result, 0, 0), "7");
  PQclear(result);
  assert_null(PQgetResult(conn));

  /* A COMMIT that is held up on the way, and whose client has gone, still arrives. */
  assert_int_equal(exec(gone, "BEGIN; INSERT INTO t VALUES (5)"), PGRES_COMMAND_OK);
  trigger = (proxy_trigger){.action = PROXY_STALL, .from = PROXY_CLIENT, .text = "COMMIT"};
  proxy_arm(proxy, &trigger);
  assert_true(PQsendQuery(gone, "COMMIT"));
  assert_true(proxy_wait_fired(proxy, 1000));
  PQfinish(gone);
  double cpu = cpu_ms();
  poll(NULL, 0, 200);
  assert_true(cpu_ms() - cpu < 50); /* waiting is not spinning */
  assert_int_equal(harness_count(direct, "SELECT count(*) FROM t WHERE i = 5"), 0);
  proxy_disarm(proxy);
  harness_sql(direct, "BEGIN; LOCK t; COMMIT");
  assert_int_equal(harness_count(direct, "SELECT count(*) FROM t WHERE i = 5"), 1);

  /* Stopping does not wait for what is stalled. */
  trigger = (proxy_trigger){.action = PROXY_STALL};
  proxy_arm(proxy, &trigger);
  assert_true(PQsendQuery(conn, "SELECT 8"));
  assert_true(proxy_wait_fired(proxy, 1000));
  double before = now_ms();
  proxy_stop(proxy);
  proxy = NULL;
  assert_true(now_ms() - before < 500);
  PQfinish(conn);
}

static void test_delay(void **state) {
  (void)state;
  PGconn *conn = connect_proxy();
  proxy_trigger trigger = {.action = PROXY_DELAY, .delay_ms = 150, .from = PROXY_SERVER, .type = 'D'};
  proxy_arm(proxy, &trigger);
  double before = now_ms();
  assert_int_equal(exec(conn, "SELECT 1"), PGRES_TUPLES_OK);
  double took = now_ms() - before;
  assert_true(took >= 149 && took < 1000);
  before = now_ms();
  assert_int_equal(exec(conn, "SELECT 1"), PGRES_TUPLES_OK);
  assert_true(now_ms() - before < 100);
  proxy_set_delay(proxy, 5000);
  before = now_ms();
  for (int i = 0; i < 5; i++)
    assert_int_equal(exec(conn, "SELECT 1"), PGRES_TUPLES_OK);
  took = now_ms() - before;
  assert_true(took >= 50 && took < 1000);
  PQfinish(conn);
}

static void test_cancel(void **state) {
  (void)state;
  PGconn *conn = connect_proxy();
  proxy_trigger trigger = {.action = PROXY_CLOSE, .from = PROXY_CLIENT, .type = PROXY_UNTYPED};
  assert_true(PQsendQuery(conn, "SELECT pg_sleep(20)"));
  while (proxy_count(proxy).from_client == 0 || harness_count(direct,
                                                              "SELECT count(*) FROM pg_stat_activity "
                                                              "WHERE query ~ '^SELECT pg_sleep'") == 0)
    poll(NULL, 0, 5);
  proxy_arm(proxy, &trigger);
  PGcancel *cancel = PQgetCancel(conn);
  char reason[256];
  assert_true(PQcancel(cancel, reason, sizeof reason));
  PQfreeCancel(cancel);
  PGresult *result = PQgetResult(conn);
  assert_string_equal(PQresultErrorField(result, PG_DIAG_SQLSTATE), "57014");
  PQclear(result);
  assert_false(proxy_wait_fired(proxy, 0));
  PQfinish(conn);
}

static void *hammer(void *argument) {
  bool *sound = argument;
  PGconn *conn = PQconnectdb(url);
  *sound = PQstatus(conn) == CONNECTION_OK;
  for (int i = 0; *sound && i < 200; i++) {
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT %d, repeat('x', %d)", i, i * 100);
    PGresult *result = PQexec(conn, sql);
    *sound =
        PQntuples(result) == 1 && atoi(PQgetvalue(result, 0, 0)) == i && PQgetlength(result, 0, 1) == i * 100;
    PQclear(result);
  }
  PQfinish(conn);
  return NULL;
}

static void test_many(void **state) {
  (void)state;
  enum { THREADS = 8 };
  pthread_t threads[THREADS];
  bool sound[THREADS];
  proxy_reset(proxy);
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, hammer, &sound[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_true(sound[i]);
  }
  assert_int_equal(proxy_count(proxy).connections, THREADS);
  assert_int_equal(proxy_count(proxy).flushes, THREADS * 201);
}

static void test_bulk(void **state) {
  (void)state;
  PGconn *conn = connect_proxy();
  PGresult *result = PQexec(conn, "SELECT repeat('y', 1000) FROM generate_series(1, 20000)");
  assert_int_equal(PQntuples(result), 20000);
  PQclear(result);
  size_t length = (size_t)20 << 20;
  char *value = malloc(length + 1);
  memset(value, 'z', length);
  value[length] = '\0';
  const char *values[] = {value};
  result = PQexecParams(conn, "SELECT md5($1), $1", 1, NULL, values, NULL, NULL, 0);
  assert_int_equal(PQgetlength(result, 0, 1), length);
  PQclear(result);
  free(value);
  PQfinish(conn);
}

/* A reset needs TCP, which the private server does not speak: the test plays the server. */
static void test_reset(void **state) {
  (void)state;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  assert_int_equal(bind(listener, (struct sockaddr *)&address, size), 0);
  assert_int_equal(listen(listener, 1), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
  char server[128], reason[256], through[512];
  snprintf(server, sizeof server, "postgresql://u@127.0.0.1:%d/d", ntohs(address.sin_port));
  tndb_proxy *tcp = proxy_start(server, reason, sizeof reason);
  assert_non_null(tcp);
  assert_true(proxy_url(tcp, server, through, sizeof through));
  static const proxy_action actions[] = {PROXY_CLOSE, PROXY_RST};
  for (int i = 0; i < 2; i++) {
    proxy_trigger trigger = {.action = actions[i]};
    proxy_arm(tcp, &trigger);
    PGconn *conn = PQconnectStart(through);
    int accepted = accept(listener, NULL, NULL);
    assert_true(accepted >= 0);
    while (PQconnectPoll(conn) != PGRES_POLLING_FAILED)
      poll(NULL, 0, 5);
    char byte;
    ssize_t n = recv(accepted, &byte, 1, 0);
    int number = errno;
    assert_int_equal(n, actions[i] == PROXY_RST ? -1 : 0);
    if (n < 0)
      assert_int_equal(number, ECONNRESET);
    close(accepted);
    PQfinish(conn);
  }
  proxy_stop(tcp);
  close(listener);
}

/* Without a server the client is turned away and the proxy lives on. */
static void test_no_server(void **state) {
  (void)state;
  char reason[256], through[512];
  assert_null(proxy_start("postgresql:///d", reason, sizeof reason));
  assert_non_null(strstr(reason, "host"));
  const char *server = "postgresql:///d?host=/nowhere&user=u";
  tndb_proxy *lonely = proxy_start(server, reason, sizeof reason);
  assert_non_null(lonely);
  assert_true(proxy_url(lonely, server, through, sizeof through));
  for (int i = 0; i < 3; i++) {
    PGconn *conn = PQconnectdb(through);
    assert_int_equal(PQstatus(conn), CONNECTION_BAD);
    PQfinish(conn);
  }
  proxy_stop(lonely);
  proxy_stop(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
      cmocka_unit_test_setup_teardown(test_url, setup, teardown),
      cmocka_unit_test_setup_teardown(test_sweep, setup, teardown),
      cmocka_unit_test_setup_teardown(test_match, setup, teardown),
      cmocka_unit_test_setup_teardown(test_sticky, setup, teardown),
      cmocka_unit_test_setup_teardown(test_stall, setup, teardown),
      cmocka_unit_test_setup_teardown(test_delay, setup, teardown),
      cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
      cmocka_unit_test_setup_teardown(test_many, setup, teardown),
      cmocka_unit_test_setup_teardown(test_bulk, setup, teardown),
      cmocka_unit_test(test_reset),
      cmocka_unit_test(test_no_server),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
