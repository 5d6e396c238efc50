/* SPDX-License-Identifier: PostgreSQL */
/* One attack, step by step, and what it came to. */
#include <poll.h>
#include <tenantdb/libpq.h>

#include "attack.h"

typedef struct run {
  place *p;
  tenantdb_batch *batch;
  char *seen; /* everything that came back to the attacker */
  size_t length;
  bool blind; /* what comes back now is the victim's own */
  char leaks[8];
  char trail[4000]; /* what every step answered, for a report */
  size_t trail_length;
} run;

/* ---------------------------------------------------------------- what comes back */

static void see(run *r, const char *text, size_t length) {
  if (r->blind || !text) {
    return;
  }
  r->seen = realloc(r->seen, r->length + length + 2);
  assert_non_null(r->seen);
  for (size_t i = 0; i < length; i++) {
    r->seen[r->length + i] = text[i] ? text[i] : '.';
  }
  r->length += length;
  r->seen[r->length++] = '\n';
  r->seen[r->length] = '\0';
}

static void see_text(run *r, const char *text) {
  see(r, text, text ? strlen(text) : 0);
}

static void tell(run *r, const char *what, const char *text) {
  if (r->trail_length < sizeof r->trail - 200) {
    r->trail_length += (size_t)snprintf(r->trail + r->trail_length, sizeof r->trail - r->trail_length,
                                        "    %.24s: %.150s\n", what, text);
  }
}

/* Every step ends here: the error, or that there is none. */
static void see_outcome(run *r, const char *what, tenantdb_error *error) {
  see_text(r, tenantdb_error_message(error));
  see_text(r, tenantdb_error_detail(error));
  see_text(r, tenantdb_error_hint(error));
  tell(r, what, error ? tenantdb_error_message(error) : "ok");
  tenantdb_error_free(error);
}

static void see_rows(run *r, const tenantdb_result *result) {
  for (int32_t c = 0; c < tenantdb_result_columns(result); c++) {
    see_text(r, tenantdb_result_name(result, c));
  }
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    for (int32_t c = 0; c < tenantdb_result_columns(result); c++) {
      if (!tenantdb_result_is_null(result, i, c)) {
        see(r, tenantdb_result_value(result, i, c), tenantdb_result_length(result, i, c));
      }
    }
  }
}

static void see_notice(void *user, const PGresult *notice) {
  run *r = user;
  see_text(r, PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY));
  see_text(r, PQresultErrorField(notice, PG_DIAG_MESSAGE_DETAIL));
  see_text(r, PQresultErrorField(notice, PG_DIAG_MESSAGE_HINT));
  see_text(r, PQresultErrorField(notice, PG_DIAG_CONTEXT));
}

static void leak(run *r, char kind, const char *why) {
  if (!strchr(r->leaks, kind)) {
    size_t length = strlen(r->leaks);
    r->leaks[length] = kind;
    r->leaks[length + 1] = '\0';
  }
  tell(r, "LEAK", why);
}

/* ---------------------------------------------------------------- sessions */

static void open_as(run *r, const char *slug, const char *option, const char *value) {
  tenantdb_error *error = NULL;
  tenantdb_session_close(r->p->session);
  r->p->session = NULL;
  tenantdb_session_options *options = tenantdb_session_options_new();
  if (option) {
    tenantdb_session_options_set(options, option, value);
  }
  (void)tenantdb_session_open(r->p->db, slug, options, &r->p->session, &error);
  tenantdb_session_options_free(options);
  PGconn *connection = tenantdb_session_pgconn(r->p->session);
  if (connection) {
    /* Notices are listened to in place of the library, which would put them into the application's log. */
    (void)PQsetNoticeReceiver(connection, see_notice, r);
  }
  see_outcome(r, "open", error);
}

/* The library's own receiver has the connection as its user; ours must be gone before the pool has it. */
static void deaf(void *user, const PGresult *notice) {
  (void)user;
  (void)notice;
}

static void leave(run *r) {
  PGconn *connection = tenantdb_session_pgconn(r->p->session);
  if (connection) {
    (void)PQsetNoticeReceiver(connection, deaf, NULL);
  }
}

static void reopen(run *r, const char *slug, const char *option, const char *value) {
  leave(r);
  open_as(r, slug, option, value);
}

static void change_session(run *r, const step *s, const char *text) {
  r->blind = s->kind == AS_VICTIM;
  switch (s->kind) {
    case AS_VICTIM:
      reopen(r, r->p->victim.slug, NULL, NULL);
      break;
    case AS_THIRD:
      reopen(r, r->p->third.slug, NULL, NULL);
      break;
    case READ_ONLY:
      reopen(r, r->p->me.slug, "read_only", "on");
      break;
    case IMPATIENT:
      reopen(r, r->p->me.slug, "timeout", "300ms");
      break;
    case OPEN:
      reopen(r, text, NULL, NULL);
      break;
    default:
      reopen(r, r->p->me.slug, NULL, NULL);
      break;
  }
}

/* ---------------------------------------------------------------- calls */

static void run_batch(run *r) {
  tenantdb_error *error = NULL;
  (void)tenantdb_session_batch(r->p->session, r->batch, &error);
  see_outcome(r, "batch", error);
  for (int32_t i = 0; i < tenantdb_batch_count(r->batch); i++) {
    tenantdb_result *result = NULL;
    (void)tenantdb_batch_result(r->batch, i, &result, &error);
    see_rows(r, result);
    tenantdb_result_free(result);
    see_outcome(r, "statement", error);
  }
  tenantdb_batch_free(r->batch);
  r->batch = tenantdb_batch_new();
}

static void run_stream(run *r, const char *sql, bool drop) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  tenantdb_status status = tenantdb_session_stream(r->p->session, sql, NULL, &result, &error);
  int32_t more = !status;
  while (more) {
    (void)tenantdb_result_next(result, &more, &error);
    see_rows(r, result);
    more = more && !drop;
  }
  tenantdb_result_free(result);
  see_outcome(r, "stream", error);
}

static void run_copy_out(run *r, const char *sql) {
  tenantdb_error *error = NULL;
  const void *data = NULL;
  size_t length = 0;
  tenantdb_status status = tenantdb_session_copy_out(r->p->session, sql, &error);
  while (!status) {
    status = tenantdb_session_copy_read(r->p->session, &data, &length, &error);
    if (status || !data) {
      break;
    }
    see(r, data, length);
  }
  see_outcome(r, "copy out", error);
}

static void run_copy_in(run *r, const char *sql, const char *data) {
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_session_copy_in(r->p->session, sql, &error);
  if (!status) {
    status = tenantdb_session_copy_write(r->p->session, data, strlen(data), &error);
  }
  if (!status) {
    (void)tenantdb_session_copy_end(r->p->session, NULL, NULL, &error);
  }
  see_outcome(r, "copy in", error);
}

static void run_send(run *r, const char *sql) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  int32_t done = 0;
  tenantdb_status status = tenantdb_session_send(r->p->session, sql, NULL, &error);
  while (!status && !done) {
    int32_t events = tenantdb_session_events(r->p->session);
    struct pollfd wait = {
        tenantdb_session_socket(r->p->session),
        (short)((events & TENANTDB_EVENT_READ ? POLLIN : 0) | (events & TENANTDB_EVENT_WRITE ? POLLOUT : 0)),
        0};
    (void)poll(&wait, 1, tenantdb_session_timeout_ms(r->p->session));
    status = tenantdb_session_step(r->p->session, &done, &result, &error);
  }
  see_rows(r, result);
  tenantdb_result_free(result);
  see_outcome(r, "send", error);
}

static void run_compiled(run *r, const char *sql) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  tenantdb_statement *statement = NULL;
  tenantdb_registry *registry = fixture_registry();
  if (!tenantdb_statement_new(registry, sql, &statement, &error)) {
    (void)tenantdb_session_run(r->p->session, statement, NULL, &result, &error);
  }
  see_rows(r, result);
  tenantdb_result_free(result);
  tenantdb_statement_free(statement);
  tenantdb_registry_free(registry);
  see_outcome(r, "compiled", error);
}

static void run_query(run *r, const step *s, const char *sql, const char *value) {
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  if (s->kind == TEXT) {
    (void)tenantdb_session_query_text(r->p->session, sql, 1, &value, &result, &error);
  } else if (s->kind == TYPED) {
    tenantdb_params *params = tenantdb_params_new();
    tenantdb_params_text(params, value);
    (void)tenantdb_session_query(r->p->session, sql, params, &result, &error);
    tenantdb_params_free(params);
  } else {
    (void)tenantdb_session_query(r->p->session, sql, NULL, &result, &error);
  }
  see_rows(r, result);
  tenantdb_result_free(result);
  see_outcome(r, sql, error);
}

/* What can be found out only there and then: the names that the library gave its statements. */
static void run_said(run *r, const char *sql) {
  enum { MOST = 8 };
  static const step query = {QUERY, NULL, NULL};
  tenantdb_error *error = NULL;
  tenantdb_result *result = NULL;
  char *said[MOST];
  int n = 0;
  (void)tenantdb_session_query(r->p->session, sql, NULL, &result, &error);
  see_rows(r, result);
  see_outcome(r, sql, error);
  for (int i = 0; i < tenantdb_result_rows(result) && n < MOST; i++) {
    said[n++] = strdup(tenantdb_result_value(result, i, 0));
  }
  tenantdb_result_free(result);
  for (int i = 0; i < n; i++) {
    run_query(r, &query, said[i], NULL);
    free(said[i]);
  }
}

static void control(run *r, const step *s, const char *text) {
  tenantdb_error *error = NULL;
  switch (s->kind) {
    case BEGIN:
      (void)tenantdb_session_begin(r->p->session, text, &error);
      break;
    case COMMIT:
      (void)tenantdb_session_commit(r->p->session, &error);
      break;
    case ROLLBACK:
      (void)tenantdb_session_rollback(r->p->session, &error);
      break;
    case SAVEPOINT:
      (void)tenantdb_session_savepoint(r->p->session, text, &error);
      break;
    case ROLLBACK_TO:
      (void)tenantdb_session_rollback_to(r->p->session, text, &error);
      break;
    default:
      (void)tenantdb_session_release_savepoint(r->p->session, text, &error);
      break;
  }
  see_outcome(r, "transaction", error);
}

/* What the server pushed to the connection. */
static void hear(run *r, bool outside) {
  PGconn *connection = outside ? r->p->admin : tenantdb_session_pgconn(r->p->session);
  PGnotify *notification;
  struct pollfd wait = {PQsocket(connection), POLLIN, 0};
  if (outside) {
    (void)poll(&wait, 1, 2000); /* it comes by itself, when it comes */
  }
  while (connection && PQconsumeInput(connection) && (notification = PQnotifies(connection)) != NULL) {
    if (outside) {
      leak(r, LEAK_STATE, "another connection heard a notification");
    }
    see_text(r, notification->relname);
    see_text(r, notification->extra);
    PQfreemem(notification);
  }
}

static void take_step(run *r, const step *s) {
  char *text = s->text ? place_fill(r->p, s->text) : NULL;
  char *value = s->value ? place_fill(r->p, s->value) : NULL;
  switch (s->kind) {
    case QUERY:
    case TEXT:
    case TYPED:
      run_query(r, s, text, value);
      break;
    case SAID:
      run_said(r, text);
      break;
    case BEGIN:
    case COMMIT:
    case ROLLBACK:
    case SAVEPOINT:
    case ROLLBACK_TO:
    case RELEASE:
      control(r, s, text);
      break;
    case ADD:
      tenantdb_batch_add(r->batch, text, NULL);
      break;
    case BATCH:
      run_batch(r);
      break;
    case STREAM:
    case STREAM_DROP:
      run_stream(r, text, s->kind == STREAM_DROP);
      break;
    case COPY_OUT:
      run_copy_out(r, text);
      break;
    case COPY_IN:
      run_copy_in(r, text, value);
      break;
    case SEND:
      run_send(r, text);
      break;
    case START:
      (void)tenantdb_session_send(r->p->session, text, NULL, NULL);
      break;
    case COMPILED:
      run_compiled(r, text);
      break;
    case OUTSIDE:
    case PROBE: {
      char *letters = place_admin(r->p, text);
      for (const char *at = s->kind == PROBE && letters ? letters : ""; *at; at++) {
        leak(r, *at, text);
      }
      free(letters);
      break;
    }
    case BEFORE:
    case SINCE:
      break;
    case HEAR:
      hear(r, text != NULL);
      break;
    default:
      change_session(r, s, text);
      break;
  }
  free(text);
  free(value);
}

/* ---------------------------------------------------------------- what it came to */

static bool holds(const run *r, const char *value) {
  char hex[65];
  for (size_t i = 0; i < 32 && value[i]; i++) {
    snprintf(hex + 2 * i, 3, "%02x", (unsigned char)value[i]);
  }
  return strstr(r->seen, value) || (strlen(value) == 32 && strstr(r->seen, hex));
}

static void judge_seen(run *r) {
  static const char *const what[] = {"the victim's row was seen", "a shared table was seen",
                                     "the catalog was seen", "a neighbour's statement was seen"};
  place *p = r->p;
  if (!r->seen) {
    return;
  }
  for (size_t i = 0; i < 4; i++) {
    if (holds(r, p->data[i])) {
      leak(r, LEAK_READ, what[i]);
    }
  }
  if (holds(r, p->yes)) {
    leak(r, LEAK_READ, "a question about the victim's rows was answered");
  }
  if (holds(r, p->carried)) {
    leak(r, LEAK_STATE, "what another session had left was found");
  }
  if (holds(r, p->definition)) {
    leak(r, LEAK_NAMES, "a definition in the victim's schema was seen");
  }
  if (strstr(r->seen, p->third.slug) || strstr(r->seen, p->third.id)) {
    leak(r, LEAK_NAMES, "a tenant's name was seen");
  }
}

/* The first line that differs, for a report. */
static void show_difference(const char *before, const char *after, char *out, size_t size) {
  while (*before && *after) {
    size_t a = strcspn(before, "\n"), b = strcspn(after, "\n");
    if (a != b || strncmp(before, after, a) != 0) {
      break;
    }
    before += a + (before[a] == '\n');
    after += b + (after[b] == '\n');
  }
  snprintf(out, size, "%.*s / %.*s", (int)strcspn(before, "\n"), before, (int)strcspn(after, "\n"), after);
}

static void judge_changes(run *r, const attack *a) {
  place *p = r->p;
  char difference[150];
  char *theirs = place_theirs(p), *server = place_server(p);
  bool changed = strcmp(theirs, p->theirs) != 0, set = strcmp(server, p->server) != 0;
  if (changed) {
    show_difference(p->theirs, theirs, difference, sizeof difference);
    leak(r, LEAK_WRITE, difference);
  }
  if (set) {
    show_difference(p->server, server, difference, sizeof difference);
    leak(r, LEAK_STATE, difference);
  }
  free(theirs);
  free(server);
  if (!changed && !set && !a->undo) {
    return;
  }
  if (a->undo) {
    char *undo = place_fill(p, a->undo);
    free(place_admin(p, undo));
    free(undo);
  }
  if (changed) {
    place_plant(p);
  }
  theirs = place_theirs(p);
  server = place_server(p);
  if (strcmp(theirs, p->theirs) != 0 || strcmp(server, p->server) != 0) {
    show_difference(p->theirs, theirs, difference, sizeof difference);
    print_error("%s: its undo leaves something: %s\n", a->name, difference);
    free(p->theirs);
    free(p->server);
    p->theirs = theirs;
    p->server = server;
    leak(r, '?', "not undone");
    return;
  }
  free(theirs);
  free(server);
}

static bool judge_session(run *r, const char *whose, const char *expected) {
  char state[4096], text[200];
  place_state(r->p->session, state, sizeof state);
  tenantdb_session_close(r->p->session);
  r->p->session = NULL;
  if (strcmp(state, expected) == 0) {
    return true;
  }
  size_t same = 0;
  while (state[same] && state[same] == expected[same]) {
    same++;
  }
  while (same > 0 && state[same - 1] != ';') {
    same--;
  }
  snprintf(text, sizeof text, "%s finds%.120s", whose, state + same);
  leak(r, LEAK_STATE, text);
  return false;
}

/* The next sessions on what is, when it was handed on, the very same connection. */
static void judge_next(run *r) {
  place *p = r->p;
  tenantdb_error *error = NULL;
  const tenant_place *const next[] = {&p->me, &p->third};
  bool clean = true;
  for (size_t i = 0; i < 2; i++) {
    harness_assert_ok(tenantdb_session_open(p->db, next[i]->slug, NULL, &p->session, &error), error);
    clean = judge_session(r, next[i]->slug, next[i]->state) && clean;
  }
  harness_assert_ok(tenantdb_session_open_shared(p->db, NULL, &p->session, &error), error);
  clean = judge_session(r, "a shared session", p->shared_state) && clean;
  if (!clean) {
    place_renew(p);
  }
}

static void judge_witness(run *r) {
  char sql[120];
  snprintf(sql, sizeof sql, "SELECT pid FROM pg_stat_activity WHERE pid = %d", PQbackendPID(r->p->witness));
  char *there = place_admin(r->p, sql);
  if (!there) {
    leak(r, LEAK_STATE, "a neighbour's connection was ended");
    place_witness(r->p);
  }
  free(there);
}

static int compare_letters(const void *a, const void *b) {
  static const char order[] = "rwsn?";
  const char *x = strchr(order, *(const char *)a), *y = strchr(order, *(const char *)b);
  return (x > y) - (x < y);
}

void attack_run(place *p, const attack *a, const char *expected, char found[8]) {
  run r = {.p = p, .batch = tenantdb_batch_new()};
  open_as(&r, p->me.slug, NULL, NULL);
  for (size_t i = 0; i < MOST_STEPS && a->steps[i].kind != STEP_END; i++) {
    take_step(&r, &a->steps[i]);
  }
  leave(&r);
  tenantdb_session_close(p->session);
  p->session = NULL;
  tenantdb_batch_free(r.batch);
  r.blind = false;
  judge_seen(&r);
  judge_witness(&r);
  judge_next(&r);
  judge_changes(&r, a);
  qsort(r.leaks, strlen(r.leaks), 1, compare_letters);
  snprintf(found, 8, "%s", r.leaks);
  if (strcmp(found, expected) != 0 || attack_trail) {
    print_error("%s, level %s: found \"%s\", the table says \"%s\"\n%s", a->name,
                tenantdb_isolation_name(p->level), found, expected, r.trail);
  }
  free(r.seen);
}
