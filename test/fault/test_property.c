/* SPDX-License-Identifier: PostgreSQL */
/*
 * Random sequences of calls over many tenants and threads, while backends are
 * terminated and calls cancelled at random moments.
 *
 * What must hold: every row read belongs to the tenant asked for; a row that was
 * acknowledged is there, and no other than those of unknown outcome; no status
 * that the calls do not document; at the end nothing is lent, every connection
 * is accounted for and all memory is back.
 *
 * 3,000 sequences, or as many as 20 seconds allow. With TENANTDB_TEST_BUDGET
 * set to seconds: 100,000, or as many as those allow; TENANTDB_TEST_SEQUENCES
 * sets another number. TENANTDB_TEST_SEED repeats the same choices, though
 * not the same interleaving.
 */
#include <libpq-fe.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "catalog/database.h"
#include "fixture.h"

enum { TENANTS = 50, THREADS = 4, STATUSES = TENANTDB_UNKNOWN + 1 };

#define BIT(status) (1u << (status))
/* What a terminated backend and a request to cancel may make of any call. */
#define STRUCK (BIT(TENANTDB_OK) | BIT(TENANTDB_CONNECTION) | BIT(TENANTDB_CANCELLED) | BIT(TENANTDB_UNKNOWN))

typedef struct subject {
  char slug[16];
  char schema[64];
  char role[64];
  atomic_long kept;    /* rows whose COMMIT was acknowledged */
  atomic_long unknown; /* rows whose fate nobody could tell */
} subject;

typedef struct worker {
  unsigned seed;
  pthread_mutex_t mutex; /* guards session against being closed while it is cancelled */
  tenantdb_session *session;
  subject *tenant;
  bool failed; /* the transaction can only be rolled back, or the session is broken */
  bool shaken; /* a call failed, or ended with COMMIT: the connection may have been lost right behind it */
  long steps;
  long answers[STATUSES];
} worker;

static const char *url;
static tenantdb *db;
static subject subjects[TENANTS];
static worker workers[THREADS];
static atomic_long sequences, terminated, cancelled, rows_checked;
static atomic_bool stop;
static int64_t deadline;
static long wanted;

/* ---------------------------------------------------------------- what is found wrong */

static pthread_mutex_t breach_mutex = PTHREAD_MUTEX_INITIALIZER;
static char breach_text[600];

/* Threads cannot fail a test themselves: the first breach is kept, and everybody stops. */
static void breach(const char *what, const char *detail) {
  pthread_mutex_lock(&breach_mutex);
  if (!breach_text[0]) {
    snprintf(breach_text, sizeof breach_text, "%s: %s", what, detail);
  }
  pthread_mutex_unlock(&breach_mutex);
  stop = true;
}

static unsigned pick(worker *self, unsigned below) {
  return fixture_random(&self->seed, below);
}

/* Count an answer; one that is not allowed here is a breach. Frees the error. */
static tenantdb_status answered(worker *self, const char *what, tenantdb_status status, tenantdb_error *error,
                                unsigned allowed) {
  self->steps++;
  if (status < STATUSES) {
    self->answers[status]++;
  }
  bool lost = status == TENANTDB_STATE && tenantdb_error_reason(error) == TENANTDB_REASON_SESSION_BROKEN;
  if (lost && self->shaken) {
    self->failed = true;
  } else if (status >= STATUSES || !(allowed & BIT(status))) {
    char detail[400];
    snprintf(detail, sizeof detail, "tenant %s: %s: %s", self->tenant->slug, tenantdb_status_name(status),
             tenantdb_error_message(error));
    breach(what, detail);
  }
  if (status == TENANTDB_CONNECTION || status == TENANTDB_UNKNOWN) {
    self->failed = true;
  }
  self->shaken = self->shaken || status != TENANTDB_OK;
  tenantdb_error_free(error);
  return status;
}

/* Rows of READ: whose they are, and in what scope they were read. */
#define READ "SELECT body, current_schema(), current_user FROM notes LIMIT 300"

static void check_rows(worker *self, const tenantdb_result *result) {
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    const char *body = tenantdb_result_value(result, i, 0);
    const char *schema = tenantdb_result_value(result, i, 1);
    const char *user = tenantdb_result_value(result, i, 2);
    rows_checked++;
    if (!body || !schema || !user || strcmp(body, self->tenant->schema) != 0 ||
        strcmp(schema, self->tenant->schema) != 0 || strcmp(user, self->tenant->role) != 0) {
      breach("a row of another tenant", body ? body : "(null)");
    }
  }
}

/* What became of rows that were to be kept. */
static void account(worker *self, tenantdb_status status, long rows) {
  if (status == TENANTDB_OK) {
    self->tenant->kept += rows;
  } else if (status == TENANTDB_UNKNOWN) {
    self->tenant->unknown += rows;
  }
}

static void insert_sql(const worker *self, char sql[200]) {
  snprintf(sql, 200, "INSERT INTO notes (body) VALUES ('%s')", self->tenant->schema);
}

/* ---------------------------------------------------------------- steps outside a transaction */

static tenantdb_status read_some(worker *self) {
  tenantdb_result *result = NULL;
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_session_query(self->session, READ, NULL, &result, &error);
  check_rows(self, result);
  tenantdb_result_free(result);
  return answered(self, "query", status, error, STRUCK);
}

static tenantdb_status insert_one(worker *self) {
  char sql[200];
  int64_t affected = 0;
  tenantdb_error *error = NULL;
  insert_sql(self, sql);
  tenantdb_status status = tenantdb_session_exec(self->session, sql, NULL, &affected, &error);
  if (!status && affected != 1) {
    breach("exec", "a row inserted is not one row affected");
  }
  return answered(self, "exec", status, error, STRUCK);
}

/* Statements that must be refused, and one that the neighbour's tables must refuse. */
static void fail_somehow(worker *self) {
  static const struct {
    const char *sql;
    tenantdb_status status;
  } wrong[] = {{"SELECT 1 / 0", TENANTDB_SQL},
               {"SELEC", TENANTDB_SQL},
               {"SELECT * FROM nowhere", TENANTDB_SQL},
               {"INSERT INTO items (n) VALUES (-1)", TENANTDB_CONSTRAINT},
               {"SELECT * FROM public.secrets", TENANTDB_PERMISSION}};
  enum { N = sizeof wrong / sizeof wrong[0] };
  char sql[200];
  tenantdb_error *error = NULL;
  unsigned which = pick(self, N + 2);
  tenantdb_status expected = TENANTDB_PERMISSION;
  if (which < N) {
    snprintf(sql, sizeof sql, "%s", wrong[which].sql);
    expected = wrong[which].status;
  } else {
    const subject *other = &subjects[pick(self, TENANTS)];
    if (other == self->tenant) {
      return;
    }
    snprintf(sql, sizeof sql, which == N ? "SELECT * FROM %s.notes" : "DELETE FROM %s.notes", other->schema);
  }
  tenantdb_status status = tenantdb_session_query(self->session, sql, NULL, NULL, &error);
  (void)answered(self, sql, status, error, (STRUCK & ~BIT(TENANTDB_OK)) | BIT(expected));
}

/* What a careless program leaves behind: the connection must not carry it to the next. */
static void leave_traces(worker *self) {
  static const char *const traces[] = {"SET statement_timeout TO '1h'",
                                       "SET session_replication_role TO DEFAULT", "LISTEN somebody",
                                       "SELECT pg_advisory_lock(7)", "PREPARE left_behind AS SELECT 1"};
  char sql[200];
  tenantdb_error *error = NULL;
  unsigned which = pick(self, 2 + sizeof traces / sizeof traces[0]);
  if (which == 5 && pick(self, 4)) {
    return; /* they wait for one another */
  }
  if (which < 2) {
    snprintf(sql, sizeof sql,
             which ? "SELECT set_config('search_path', '%s', false)" : "SET search_path TO %s",
             subjects[pick(self, TENANTS)].schema);
  } else {
    snprintf(sql, sizeof sql, "%s", traces[which - 2]);
  }
  tenantdb_status status = tenantdb_session_query(self->session, sql, NULL, NULL, &error);
  (void)answered(self, sql, status, error,
                 STRUCK | BIT(TENANTDB_PERMISSION) | BIT(TENANTDB_ISOLATION) | BIT(TENANTDB_SQL));
  if (status != TENANTDB_OK && status != TENANTDB_CANCELLED) {
    self->failed = true;
  }
}

static void run_batch(worker *self) {
  char sql[200];
  tenantdb_error *error = NULL;
  tenantdb_batch *batch = tenantdb_batch_new();
  int n = 1 + (int)pick(self, 8), bad = pick(self, 4) ? -1 : (int)pick(self, (unsigned)n);
  long inserts = 0;
  insert_sql(self, sql);
  for (int i = 0; i < n; i++) {
    bool inserting = pick(self, 2) == 0;
    inserts += i != bad && inserting;
    tenantdb_batch_add(batch, i == bad ? "SELECT 1 / 0" : inserting ? sql : READ, NULL);
  }
  tenantdb_status status = tenantdb_session_batch(self->session, batch, &error);
  for (int i = 0; i < n; i++) {
    tenantdb_result *result = NULL;
    (void)tenantdb_batch_result(batch, i, &result, NULL);
    if (tenantdb_result_columns(result) == 3) {
      check_rows(self, result);
    }
    tenantdb_result_free(result);
  }
  tenantdb_batch_free(batch);
  account(self, status, inserts);
  (void)answered(self, "batch", status, error,
                 bad < 0 ? STRUCK : (STRUCK & ~BIT(TENANTDB_OK)) | BIT(TENANTDB_SQL));
}

/* To its end, or left in the middle: whether a transaction around it can go on. */
static bool run_stream(worker *self) {
  tenantdb_result *stream = NULL;
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_session_stream(
      self->session,
      "SELECT body, current_schema(), current_user FROM notes, generate_series(1, 40) LIMIT 3000", NULL,
      &stream, &error);
  int32_t more = 1;
  unsigned leave_after = pick(self, 3) ? 1000000 : pick(self, 3000);
  for (unsigned read = 0; !status && more && read < leave_after;
       read += (unsigned)tenantdb_result_rows(stream)) {
    status = tenantdb_result_next(stream, &more, &error);
    check_rows(self, stream);
  }
  bool early = !status && more;
  self->shaken = true;
  tenantdb_result_free(stream);
  return answered(self, "stream", status, error, STRUCK) == TENANTDB_OK && !early;
}

static void run_copy(worker *self) {
  tenantdb_error *error = NULL;
  char row[80];
  int64_t taken = 0;
  int rows = (int)pick(self, 20);
  bool gives_up = pick(self, 4) == 0;
  tenantdb_status status = tenantdb_session_copy_in(self->session, "COPY notes (body) FROM STDIN", &error);
  snprintf(row, sizeof row, "%s\n", self->tenant->schema);
  for (int i = 0; i < rows && !status; i++) {
    status = tenantdb_session_copy_write(self->session, row, strlen(row), &error);
  }
  if (!status) {
    status = tenantdb_session_copy_end(self->session, gives_up ? "no" : NULL, &taken, &error);
    account(self, status, gives_up ? 0 : rows);
    if (!status && taken != (gives_up ? 0 : rows)) {
      breach("copy", "not as many rows as were written");
    }
  }
  (void)answered(self, "copy", status, error, STRUCK);
  self->shaken = true;
}

/* Started without waiting, then driven to its end, cancelled, or forgotten. */
static void run_async(worker *self) {
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_session_send(self->session, READ, NULL, &error);
  int32_t done = status != TENANTDB_OK;
  if (!done && pick(self, 8) == 0) {
    self->failed = true; /* the session is closed in the middle */
    return;
  }
  if (!done && pick(self, 4) == 0) {
    (void)tenantdb_session_cancel(self->session, NULL);
  }
  while (!done) {
    tenantdb_result *result = NULL;
    struct pollfd socket = {tenantdb_session_socket(self->session), POLLIN, 0};
    socket.events |= tenantdb_session_events(self->session) & TENANTDB_EVENT_WRITE ? POLLOUT : 0;
    (void)poll(&socket, 1, tenantdb_session_timeout_ms(self->session));
    status = tenantdb_session_step(self->session, &done, &result, &error);
    check_rows(self, result);
    tenantdb_result_free(result);
    if (status && !done) {
      breach("step", "failed without having ended");
      done = 1;
    }
  }
  (void)answered(self, "async", status, error, STRUCK);
}

/* ---------------------------------------------------------------- a transaction */

/* One statement in it; false when it can only be rolled back. */
static bool inside(worker *self, long *inserts) {
  tenantdb_error *error = NULL;
  tenantdb_status status;
  switch (pick(self, 6)) {
    case 0:
      return read_some(self) == TENANTDB_OK;
    case 1:
      return run_stream(self);
    case 2:
      status = tenantdb_session_savepoint(self->session, "here", &error);
      if (answered(self, "savepoint", status, error, STRUCK)) {
        return false;
      }
      error = NULL;
      status = tenantdb_session_query(self->session, "SELECT 1 / 0", NULL, NULL, &error);
      status = answered(self, "division", status, error, (STRUCK & ~BIT(TENANTDB_OK)) | BIT(TENANTDB_SQL));
      if (status != TENANTDB_SQL) {
        return false;
      }
      error = NULL;
      status = tenantdb_session_rollback_to(self->session, "here", &error);
      return answered(self, "rollback to", status, error, STRUCK) == TENANTDB_OK;
    default:
      status = insert_one(self);
      *inserts += status == TENANTDB_OK;
      return status == TENANTDB_OK;
  }
}

static void run_transaction(worker *self) {
  static const char *const modes[] = {NULL, "isolation level repeatable read", "read write, not deferrable"};
  tenantdb_error *error = NULL;
  long inserts = 0;
  bool good = true;
  tenantdb_status status = tenantdb_session_begin(self->session, modes[pick(self, 3)], &error);
  (void)answered(self, "begin", status, error, BIT(TENANTDB_OK));
  for (unsigned left = pick(self, 5); left > 0 && good; left--) {
    good = inside(self, &inserts);
  }
  if (pick(self, 10) == 0) {
    self->failed = true; /* closing rolls back */
    return;
  }
  error = NULL;
  if (good && pick(self, 4)) {
    status = tenantdb_session_commit(self->session, &error);
    account(self, status, inserts);
    status = answered(self, "commit", status, error, STRUCK);
    self->failed = self->failed || status != TENANTDB_OK;
    self->shaken = true;
    return;
  }
  status = tenantdb_session_rollback(self->session, &error);
  (void)answered(self, "rollback", status, error, STRUCK);
  self->failed = status != TENANTDB_OK;
}

/* ---------------------------------------------------------------- a sequence */

static void publish(worker *self, tenantdb_session *session) {
  pthread_mutex_lock(&self->mutex);
  self->session = session;
  pthread_mutex_unlock(&self->mutex);
}

static void one_step(worker *self) {
  switch (pick(self, 12)) {
    case 0:
    case 1:
      (void)read_some(self);
      break;
    case 2:
    case 3:
      account(self, insert_one(self), 1);
      break;
    case 4:
      fail_somehow(self);
      break;
    case 5:
    case 6:
      run_transaction(self);
      break;
    case 7:
    case 8:
      run_batch(self);
      break;
    case 9:
      (void)run_stream(self);
      break;
    case 10:
      run_async(self);
      break;
    default:
      if (pick(self, 3) == 0) {
        leave_traces(self);
      } else {
        run_copy(self);
      }
      break;
  }
}

static void one_sequence(worker *self) {
  tenantdb_session *session = NULL;
  tenantdb_error *error = NULL;
  self->tenant = &subjects[pick(self, TENANTS)];
  self->failed = self->shaken = false;
  tenantdb_status status = tenantdb_session_open(db, self->tenant->slug, NULL, &session, &error);
  (void)answered(self, "open", status, error, BIT(TENANTDB_OK) | BIT(TENANTDB_CONNECTION));
  publish(self, session);
  for (unsigned left = 1 + pick(self, 6); left > 0 && session && !self->failed && !stop; left--) {
    one_step(self);
  }
  publish(self, NULL);
  tenantdb_session_close(session);
}

static void *work(void *user) {
  worker *self = user;
  while (!stop && fixture_now_ms() < deadline && sequences++ < wanted) {
    one_sequence(self);
  }
  return NULL;
}

/* ---------------------------------------------------------------- the enemy */

static void *terminate(void *user) {
  unsigned *seed = user;
  PGconn *conn = PQconnectdb(url);
  PQclear(PQexec(conn, "SET client_min_messages TO error")); /* some are gone when it comes to them */
  while (!stop) {
    fixture_pause_us(500 + fixture_random(seed, 20000));
    if (fixture_random(seed, 3) > 0) {
      worker *victim = &workers[fixture_random(seed, THREADS)];
      pthread_mutex_lock(&victim->mutex);
      if (victim->session) {
        (void)tenantdb_session_cancel(victim->session, NULL);
        cancelled++;
      }
      pthread_mutex_unlock(&victim->mutex);
      continue;
    }
    PGresult *rows = PQexec(conn,
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                            "current_database() AND application_name = 'tenantdb' ORDER BY random() LIMIT 1");
    terminated += PQntuples(rows);
    PQclear(rows);
  }
  PQfinish(conn);
  return NULL;
}

/* ---------------------------------------------------------------- the test */

static long number(const char *variable, long otherwise) {
  const char *value = getenv(variable);
  return value && *value ? strtol(value, NULL, 10) : otherwise;
}

static void make_subjects(void) {
  for (int i = 0; i < TENANTS; i++) {
    subject *one = &subjects[i];
    snprintf(one->slug, sizeof one->slug, "t%d", i);
    tenantdb_tenant *tenant = fixture_tenant(db, one->slug);
    snprintf(one->schema, sizeof one->schema, "%s", tenantdb_tenant_schema(tenant));
    snprintf(one->role, sizeof one->role, "%s", tenantdb_tenant_role(tenant));
    tenantdb_tenant_free(tenant);
    harness_sql(url, "INSERT INTO %s.notes (body) SELECT '%s' FROM generate_series(1, 10)", one->schema,
                one->schema);
    one->kept = 10;
  }
}

static void run_threads(unsigned seed) {
  pthread_t threads[THREADS], enemy;
  unsigned enemy_seed = seed + THREADS;
  for (int i = 0; i < THREADS; i++) {
    workers[i].seed = seed * 31 + (unsigned)i;
    assert_int_equal(pthread_mutex_init(&workers[i].mutex, NULL), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  assert_int_equal(pthread_create(&enemy, NULL, terminate, &enemy_seed), 0);
  for (int i = 0; i < THREADS; i++) {
    (void)pthread_join(threads[i], NULL);
  }
  stop = true;
  (void)pthread_join(enemy, NULL);
}

static void report(int64_t took_ms) {
  long steps = 0, answers[STATUSES] = {0};
  for (int i = 0; i < THREADS; i++) {
    steps += workers[i].steps;
    for (int s = 0; s < STATUSES; s++) {
      answers[s] += workers[i].answers[s];
    }
  }
  print_message(
      "%ld sequences, %ld calls, %ld rows checked, %ld backends terminated, %ld requests to cancel, "
      "%lld ms\n",
      (long)sequences < wanted ? (long)sequences : wanted, steps, (long)rows_checked, (long)terminated,
      (long)cancelled, (long long)took_ms);
  for (int s = 0; s < STATUSES; s++) {
    if (answers[s]) {
      print_message("  %s %ld\n", tenantdb_status_name(s), answers[s]);
    }
  }
}

/* Nothing is lent, and the server knows of no connection that the pool does not. */
static void check_pool(void) {
  tndb_pool_counts counts;
  tndb_pool_count(db->pool, &counts);
  assert_int_equal(counts.lent, 0);
  assert_int_equal(counts.waiting, 0);
  int64_t seen = -1;
  for (int i = 0; i < 1500 && seen != counts.idle; i++) {
    seen = harness_count(url,
                         "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                         "application_name = 'tenantdb'");
    if (seen < counts.idle) {
      break; /* terminated while idle: the pool finds out when it lends */
    }
    fixture_pause_us(seen == counts.idle ? 0 : 20000);
  }
  assert_in_range(seen, 0, counts.idle);
}

static void check_rows_kept(void) {
  long unknown = 0;
  for (int i = 0; i < TENANTS; i++) {
    subject *one = &subjects[i];
    long there = (long)harness_count(url, "SELECT count(*) FROM %s.notes", one->schema);
    long strange = (long)harness_count(url, "SELECT count(*) FROM %s.notes WHERE body <> '%s'", one->schema,
                                       one->schema);
    unknown += one->unknown;
    assert_int_equal(strange, 0);
    if (there < one->kept || there > one->kept + one->unknown) {
      fail_msg("tenant %s: %ld rows are there, %ld were acknowledged, %ld are unknown", one->slug, there,
               (long)one->kept, (long)one->unknown);
    }
    tenantdb_session *session = fixture_session(db, one->slug);
    assert_string_equal(fixture_cell(session, "SELECT current_schema()"), one->schema);
    tenantdb_session_close(session);
  }
  print_message("  %ld rows of unknown outcome\n", unknown);
}

static void test_sequences(void **state) {
  (void)state;
  const char *budget = getenv("TENANTDB_TEST_BUDGET");
  const char *quick = getenv("TENANTDB_TEST_QUICK");
  bool full = budget && *budget;
  int64_t live = tndb_memory_live();
  unsigned seed = fixture_seed();
  wanted = number("TENANTDB_TEST_SEQUENCES", full ? 100000 : quick && *quick ? 300 : 3000);
  url = harness_database();
  db = fixture_ready(url, FIXTURE_OPTIONS("pool.size", "3", "pool.overflow", "2"));
  make_subjects();
  int64_t began = fixture_now_ms();
  deadline = began + (full ? fixture_budget_ms() : 20000);
  run_threads(seed);
  report(fixture_now_ms() - began);
  if (breach_text[0]) {
    fail_msg("%s", breach_text);
  }
  check_pool();
  check_rows_kept();
  tenantdb_close(db);
  harness_drop_database(url);
  assert_int_equal(tndb_memory_live(), live);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_sequences)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
