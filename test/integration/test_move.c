/* SPDX-License-Identifier: PostgreSQL */
/* Moving a tenant to another database, on another server and on the same one. */
#include "move_fixture.h"

static tenantdb_error *error;

/* He is at the other side with all that he had, and nothing of the move is left. */
static void check_moved(move_sides *s, const char *slug, const char *there) {
  char *old = harness_value(s->from_url,
                            "SELECT quote_ident(schema_name) FROM tenantdb.tenants WHERE slug = '%s'", slug);
  char *schema = archive_schema(s->to_url, there);
  assert_string_equal(old, schema);
  assert_string_equal(move_state(s->from_url, slug), "archived");
  archive_assert_same(s->from_url, old, s->to_url, schema);
  assert_string_equal(fixture_findings(s->to, there), "");
  assert_int_equal(move_left(s->from_url), 0);
  assert_int_equal(move_left(s->to_url), 0);
  free(old);
  free(schema);
}

static void check_refused_here(tenantdb *db, const char *slug) {
  tenantdb_session *session = NULL;
  harness_assert_status(tenantdb_session_open(db, slug, NULL, &session, &error), error, TENANTDB_UNAVAILABLE,
                        TENANTDB_REASON_TENANT_MOVED);
  harness_assert_message(error, "was moved to database new ");
  tenantdb_error_free(error);
  error = NULL;
}

/* The next row gets the next number, and references are looked after again. */
static void check_in_use(tenantdb *db, const char *slug) {
  tenantdb_session *session = fixture_session(db, slug);
  fixture_run(session, "INSERT INTO authors (name) VALUES ('new here')");
  assert_string_equal(fixture_cell(session, "SELECT max(id) FROM authors"), "4");
  harness_assert_fails(
      tenantdb_session_query(session, "INSERT INTO notes (author_id, plan_id) VALUES (1, 99)", NULL, NULL,
                             &error),
      error, TENANTDB_CONSTRAINT, TENANTDB_REASON_SERVER_CONSTRAINT);
  tenantdb_session_close(session);
}

static void move_whole(harness_server *a, harness_server *b, const char *const *how) {
  move_sides s = move_make(a, b, how);
  tenantdb_result *report = NULL;
  archive_shared(s.to_url);
  free(archive_fill(s.from_url, s.from, "acme-corp"));
  harness_sql(s.from_url, "UPDATE tenantdb.tenants SET properties = '{\"colour\": \"red\"}'");
  char *before = harness_value(s.from_url, "SELECT name || id FROM tenantdb.tenants");
  harness_assert_ok(move_call(s.from, "acme-corp", s.to, move_full, &report, &error), error);
  for (int32_t row = 0; row < tenantdb_result_rows(report); row++) {
    assert_string_equal(tenantdb_result_value(report, row, 1), "done");
  }
  assert_string_equal(move_cell(report, "verify", "note"), "checksums of 8 tables agree");
  assert_true(strtod(move_cell(report, "pause", "seconds"), NULL) > 0);
  assert_non_null(strstr(move_cell(report, "pause", "note"), "writes paused for "));
  tenantdb_result_free(report);
  check_moved(&s, "acme-corp", "acme-corp");
  check_refused_here(s.from, "acme-corp");
  check_in_use(s.to, "acme-corp");
  char *properties = harness_value(s.to_url, "SELECT properties FROM tenantdb.tenants");
  assert_string_equal(properties, "{\"colour\": \"red\"}");
  char *after = harness_value(s.to_url, "SELECT name || id FROM tenantdb.tenants");
  assert_int_equal(!before || strcmp(before, after ? after : "") == 0 || a == b, 1);
  /* Nothing can be written at the source any more, not even past the library. */
  char *schema = archive_schema(s.from_url, "acme-corp");
  assert_string_equal(harness_sqlstate(s.from_url, "DELETE FROM %s.notes", schema), "55P03");
  assert_string_equal(
      harness_sqlstate(s.from_url, "INSERT INTO %s.events_old VALUES ('2020-01-01', 1)", schema), "55P03");
  assert_string_equal(harness_sqlstate(s.from_url, "TRUNCATE %s.plus", schema), "55P03");
  free(schema);
  free(before);
  free(after);
  free(properties);
  move_end(&s);
}

static void test_two_servers(void **state) {
  (void)state;
  move_whole(first, second, NULL);
}

/* Roles belong to the whole server: he gets another id, and with it another role. */
static void test_one_server(void **state) {
  (void)state;
  move_whole(first, first, NULL);
}

static void test_levels(void **state) {
  (void)state;
  move_whole(first, second, FIXTURE_OPTIONS("isolation.level", "routing"));
  move_whole(first, second, FIXTURE_OPTIONS("isolation.level", "login", "login.passwords", "none"));
}

/* ---------------------------------------------------------------- names, options */

static void test_names(void **state) {
  (void)state;
  move_sides s = move_make(first, second, NULL);
  tenantdb_result *report = NULL;
  archive_shared(s.to_url);
  free(archive_fill(s.from_url, s.from, "a-b"));
  tenantdb_relocate_options *rename = tenantdb_relocate_options_new();
  tenantdb_relocate_options_set(rename, "what", "tenant");
  tenantdb_relocate_options_set(rename, "tenant", "a-b");
  tenantdb_relocate_options_set(rename, "to", "it's \"odd\" - $1");
  harness_assert_ok(tenantdb_relocate(s.from, rename, 1, NULL, &error), error);
  tenantdb_relocate_options_free(rename);
  harness_assert_ok(move_call(s.from, "a-b", s.to,
                              FIXTURE_OPTIONS("identity", "full", "slug", "c-d", "verify", "pause", "source",
                                              "remove", "patience", "60s"),
                              &report, &error),
                    error);
  assert_string_equal(move_cell(report, "source", "note"), "removed");
  tenantdb_result_free(report);
  assert_string_equal(move_state(s.from_url, "a-b"), "");
  assert_int_equal(
      harness_count(s.from_url, "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'it''s%%'"), 0);
  assert_string_equal(fixture_findings(s.to, "c-d"), "");
  check_in_use(s.to, "c-d");
  assert_int_equal(move_left(s.from_url) + move_left(s.to_url), 0);
  /* Called again: only the report, though nobody is there by that name. */
  harness_assert_ok(move_call(s.from, "a-b", s.to, move_full, &report, &error), error);
  assert_string_equal(move_cell(report, "source", "state"), "done");
  assert_string_equal(move_cell(report, "source", "note"), "removed");
  tenantdb_result_free(report);
  fixture_assert_refused(move_call(s.from, "never", s.to, NULL, NULL, &error), error, TENANTDB_NOT_FOUND,
                         TENANTDB_REASON_UNKNOWN_TENANT, "never");
  move_end(&s);
}

static void assert_mistake(const char *key, const char *value, int32_t reason, const char *text) {
  tenantdb_move_options *options = tenantdb_move_options_new();
  tenantdb_move_options_set(options, key, value);
  tenantdb_move_options_set(options, "patience", "never"); /* the first mistake is what is told */
  char *url = harness_url_with(harness_server_url(first), "postgres", NULL, NULL);
  tenantdb *db = fixture_open(url, NULL, NULL);
  fixture_assert_refused(tenantdb_tenant_move(db, "x", db, options, NULL, &error), error, TENANTDB_ARGUMENT,
                         reason, text);
  tenantdb_move_options_free(options);
  tenantdb_close(db);
  free(url);
}

static void test_mistakes(void **state) {
  (void)state;
  int32_t bad = TENANTDB_REASON_BAD_OPTION_VALUE;
  assert_mistake("conection", "x", TENANTDB_REASON_UNKNOWN_OPTION, "did you mean \"connection\"?");
  assert_mistake("connection", "host=x passwort=geheim", bad, "which is not shown");
  assert_mistake("connection", "", bad, "no connection string");
  assert_mistake("write_pause", "99ms", bad, "from 100ms to 10min");
  assert_mistake("patience", "31d", bad, "not a duration");
  assert_mistake("lock_timeout", "1ms", bad, "from 10ms to 10s");
  assert_mistake("identity", "maybe", bad, "neither refuse nor full");
  assert_mistake("verify", "never", bad, "none of after, pause and counts");
  assert_mistake("source", "burn", bad, "neither keep nor remove");
  assert_mistake("slug", "", TENANTDB_REASON_SLUG_EMPTY, "slug");
  assert_mistake(NULL, "x", TENANTDB_REASON_NULL_ARGUMENT, "key is NULL");
  tenantdb_move_options_set(NULL, "slug", "x");
  tenantdb_move_options_free(NULL);
  move_sides s = move_make(first, second, NULL);
  fixture_assert_refused(tenantdb_tenant_move(s.from, NULL, s.to, NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenant");
  fixture_assert_refused(tenantdb_tenant_move(NULL, "x", s.to, NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "");
  fixture_assert_refused(tenantdb_tenant_move_undo(s.from, "x", NULL, NULL, &error), error, TENANTDB_ARGUMENT,
                         TENANTDB_REASON_NULL_ARGUMENT, "");
  tenantdb_tenant_free(fixture_tenant(s.from, "x"));
  fixture_assert_refused(tenantdb_tenant_move(s.from, "x", s.from, NULL, NULL, &error), error,
                         TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "the same database");
  fixture_assert_refused(tenantdb_tenant_move_undo(s.from, "x", s.to, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_MOVE, "not being moved");
  harness_assert_ok(tenantdb_tenant_archive(s.from, "x", NULL, &error), error);
  fixture_assert_refused(move_call(s.from, "x", s.to, move_full, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TENANT_STATE, "to move it");
  assert_int_equal(move_left(s.from_url) + move_left(s.to_url), 0);
  move_end(&s);
}

/* ---------------------------------------------------------------- shared rows */

static void test_references(void **state) {
  (void)state;
  move_sides s = move_make(first, second, NULL);
  tenantdb_result *report = NULL;
  char *schema = archive_fill(s.from_url, s.from, "acme");
  char *plans =
      harness_value(s.from_url,
                    "SELECT string_agg(n.id || ':' || p.name || n.body, ',' ORDER BY n.id) FROM %s.notes "
                    "n JOIN plans p ON p.id = n.plan_id",
                    schema);
  /* What is missing over there is told before a row has been copied. */
  harness_assert_status(move_call(s.from, "acme", s.to, move_full, &report, &error), error,
                        TENANTDB_CONSTRAINT, TENANTDB_REASON_REFERENCE_UNRESOLVED);
  harness_assert_message(error, "rows of shared table ");
  tenantdb_error_free(error);
  error = NULL;
  assert_string_equal(move_cell(report, "create", "state"), "done");
  assert_string_equal(move_cell(report, "references", "state"), "failed");
  assert_string_equal(move_cell(report, "publish", "state"), "open");
  tenantdb_result_free(report);
  assert_string_equal(move_state(s.to_url, "acme"), "provisioning");
  /* The same rows under other ids, which here trade places. */
  harness_sql(s.to_url,
              "INSERT INTO plans VALUES (2, 'free'), (1, E'\"gold\"\\n');"
              "INSERT INTO regions VALUES ('AT', '7')");
  harness_assert_ok(move_call(s.from, "acme", s.to, move_full, &report, &error), error);
  assert_string_equal(move_cell(report, "references", "note"),
                      "keys of shared rows so far: 1 kept, 2 changed, 0 set to NULL");
  tenantdb_result_free(report);
  char *there =
      harness_value(s.to_url,
                    "SELECT string_agg(n.id || ':' || p.name || n.body, ',' ORDER BY n.id) FROM %s.notes "
                    "n JOIN plans p ON p.id = n.plan_id",
                    schema);
  assert_string_equal(plans, there); /* and no trigger has fired */
  assert_string_equal(fixture_findings(s.to, "acme"), "");
  check_in_use(s.to, "acme");
  assert_int_equal(harness_count(s.to_url, "SELECT count(*) FROM pg_constraint WHERE NOT convalidated"), 0);
  assert_int_equal(harness_count(s.to_url, "SELECT count(*) FROM pg_trigger WHERE tgenabled <> 'O'"), 0);
  free(plans);
  free(there);
  free(schema);
  move_end(&s);
}

/* ---------------------------------------------------------------- afterwards */

static void test_afterwards(void **state) {
  (void)state;
  move_sides s = move_make(first, second, NULL);
  tenantdb_result *report = NULL;
  archive_shared(s.to_url);
  free(archive_fill(s.from_url, s.from, "acme"));
  harness_assert_ok(tenantdb_tenant_suspend(s.from, "acme", NULL, &error), error);
  harness_assert_ok(move_call(s.from, "acme", s.to, move_full, NULL, &error), error);
  assert_string_equal(move_state(s.to_url, "acme"), "suspended");
  harness_assert_ok(tenantdb_tenant_resume(s.to, "acme", NULL, &error), error);
  check_in_use(s.to, "acme");
  harness_assert_ok(move_call(s.from, "acme", s.to, NULL, &report, &error), error);
  assert_string_equal(move_cell(report, "switch", "state"), "done");
  tenantdb_result_free(report);
  move_sides other = move_make(second, first, NULL);
  fixture_assert_refused(move_call(s.from, "acme", other.to, NULL, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TENANT_MOVED, "which is another database");
  move_end(&other);
  fixture_assert_refused(tenantdb_tenant_restore(s.from, "acme", NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TENANT_MOVED, "was moved to database new ");
  fixture_assert_refused(tenantdb_tenant_move_undo(s.from, "acme", s.to, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_TENANT_MOVED, "was moved to");
  /* And back: where he was there is a tenant of that slug, until that is purged. */
  fixture_assert_refused(move_call(s.to, "acme", s.from, move_full, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_MOVE_REFUSED, "of that slug already");
  harness_assert_ok(tenantdb_tenant_purge(s.from, "acme", 1, &error), error);
  harness_assert_ok(move_call(s.to, "acme", s.from, move_full, NULL, &error), error);
  tenantdb_session *session = fixture_session(s.from, "acme");
  assert_string_equal(fixture_cell(session, "SELECT count(*) FROM authors"), "4");
  tenantdb_session_close(session);
  assert_int_equal(move_left(s.from_url) + move_left(s.to_url), 0);
  move_end(&s);
}

/* ---------------------------------------------------------------- giving up */

static void check_as_it_was(move_sides *s, const char *schema, const char *dump) {
  assert_string_equal(move_state(s->from_url, "acme"), "active");
  assert_string_equal(move_state(s->to_url, "acme"), "");
  assert_int_equal(move_left(s->from_url) + move_left(s->to_url), 0);
  assert_int_equal(
      harness_count(s->to_url, "SELECT count(*) FROM pg_namespace WHERE quote_ident(nspname) = '%s'", schema),
      0);
  assert_int_equal(
      harness_count(s->from_url, "SELECT count(*) FROM pg_proc WHERE proname ~ '^tenantdb_move'"), 0);
  char *now = archive_dump(s->from_url, "acme");
  assert_string_equal(now, dump);
  free(now);
  assert_string_equal(fixture_findings(s->from, "acme"), "");
}

/* Nobody works on it, and reconcile of that side says so, and what to call. */
static void check_open(tenantdb *db, const char *slug, const char *where, const char *what) {
  tenantdb_result *done = NULL;
  harness_assert_ok(tenantdb_reconcile(db, &done, &error), error);
  assert_int_equal(tenantdb_result_rows(done), 1);
  assert_string_equal(tenantdb_result_value(done, 0, 0), slug);
  assert_string_equal(tenantdb_result_value(done, 0, 1), "move");
  assert_string_equal(tenantdb_result_value(done, 0, 2), "report");
  assert_non_null(strstr(tenantdb_result_value(done, 0, 3), where));
  assert_non_null(strstr(tenantdb_result_value(done, 0, 3), what));
  tenantdb_result_free(done);
}

static void test_undo(void **state) {
  (void)state;
  move_sides s = move_make(first, second, NULL);
  tenantdb_result *report = NULL;
  char *schema = archive_fill(s.from_url, s.from, "acme");
  char *dump = archive_dump(s.from_url, "acme"); /* "" where pg_dump is older than the server */
  tenantdb_session *writer = fixture_session(s.from, "acme");
  archive_shared(s.to_url);
  /* Somebody writes and does not end: the slot waits for him. */
  harness_assert_ok(tenantdb_session_begin(writer, NULL, &error), error);
  fixture_run(writer, "INSERT INTO empty (b) VALUES ('open')");
  harness_assert_status(move_call(s.from, "acme", s.to,
                                  FIXTURE_OPTIONS("identity", "full", "patience", "1s", "lock_timeout",
                                                  "50ms", "slug", "other-1"),
                                  &report, &error),
                        error, TENANTDB_TIMEOUT, TENANTDB_REASON_MOVE_PATIENCE);
  harness_assert_message(error, "where he was");
  tenantdb_error_free(error);
  error = NULL;
  assert_string_equal(move_cell(report, "guard", "state"), "failed");
  tenantdb_result_free(report);
  fixture_assert_refused(tenantdb_tenant_purge(s.from, "acme", 1, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_MOVE_OPEN, "is being moved");
  fixture_assert_refused(move_call(s.from, "acme", s.to, FIXTURE_OPTIONS("slug", "other"), NULL, &error),
                         error, TENANTDB_STATE, TENANTDB_REASON_MOVE_OPEN, "undo that move first");
  check_open(s.from, "acme", "on the way to database new ", "tenantdb_tenant_move() goes on");
  check_open(s.to, "other-1", "on the way from database old-'",
             ", where he is acme: tenantdb_tenant_move() goes");
  harness_assert_ok(tenantdb_session_rollback(writer, &error), error);
  tenantdb_session_close(writer);
  harness_assert_ok(tenantdb_tenant_move_undo(s.from, "acme", s.to, &report, &error), error);
  assert_string_equal(move_cell(report, "create", "state"), "undone");
  tenantdb_result_free(report);
  check_as_it_was(&s, schema, dump);
  fixture_assert_refused(tenantdb_tenant_move_undo(s.from, "acme", s.to, NULL, &error), error, TENANTDB_STATE,
                         TENANTDB_REASON_NO_MOVE, "not being moved");
  harness_assert_ok(move_call(s.from, "acme", s.to, move_full, NULL, &error), error);
  check_moved(&s, "acme", "acme");
  free(schema);
  free(dump);
  move_end(&s);
}

/* Who is suspended and renamed on the way arrives so, and is not taken for one whose tables were changed. */
static void test_changed(void **state) {
  (void)state;
  move_sides s = move_make(first, second, NULL);
  tenantdb_session *writer = NULL;
  tenantdb_result *report = NULL;
  archive_shared(s.to_url);
  free(archive_fill(s.from_url, s.from, "acme"));
  /* A transaction of another database of the server keeps the slot from being made. */
  move_sides other = move_make(first, second, NULL);
  harness_assert_ok(tenantdb_session_open_shared(other.from, NULL, &writer, &error), error);
  harness_assert_ok(tenantdb_session_begin(writer, NULL, &error), error);
  fixture_run(writer, "INSERT INTO plans VALUES (77, 'open')");
  harness_assert_status(
      move_call(s.from, "acme", s.to, FIXTURE_OPTIONS("identity", "full", "patience", "2s"), &report, &error),
      error, TENANTDB_TIMEOUT, TENANTDB_REASON_CALL_TIMEOUT);
  harness_assert_message(error, "waits for all transactions that write");
  tenantdb_error_free(error);
  error = NULL;
  assert_string_equal(move_cell(report, "guard", "state"), "done");
  assert_string_equal(move_cell(report, "slot", "state"), "failed");
  tenantdb_result_free(report);
  harness_assert_ok(tenantdb_tenant_suspend(s.from, "acme", NULL, &error), error);
  harness_assert_ok(tenantdb_tenant_rename(s.from, "acme", "acme-2", NULL, &error), error);
  harness_assert_ok(tenantdb_session_rollback(writer, &error), error);
  tenantdb_session_close(writer);
  harness_assert_ok(move_call(s.from, "acme-2", s.to, move_full, NULL, &error), error);
  assert_string_equal(move_state(s.to_url, "acme"), "suspended");
  check_moved(&s, "acme-2", "acme");
  move_end(&other);
  move_end(&s);
}

/* ---------------------------------------------------------------- in the middle */

static void test_two_callers(void **state) {
  (void)state;
  move_sides s = move_make(first, second, NULL);
  move_caller one, two;
  archive_shared(s.to_url);
  free(archive_fill(s.from_url, s.from, "acme"));
  move_start(&one, &s, move_full);
  move_start(&two, &s, move_full);
  move_join(&one);
  move_join(&two);
  move_caller *winner = one.status ? &two : &one, *loser = one.status ? &one : &two;
  harness_assert_ok(winner->status, winner->error);
  if (loser->status) { /* he who came when all was over is told so */
    harness_check_status(loser->status, loser->error, TENANTDB_BUSY, TENANTDB_REASON_OPERATION_HELD, "second",
                         __FILE__, __LINE__);
  }
  move_release(&one);
  move_release(&two);
  check_moved(&s, "acme", "acme");
  move_end(&s);
}

/* Somebody works on it: neither side's reconcile has anything to say, and nobody else may, however long it takes. */
static void test_at_work(void **state) {
  (void)state;
  move_sides s = move_make(first, second, FIXTURE_OPTIONS("operation.lease", "1s"));
  tenantdb *const sides[] = {s.from, s.to};
  move_caller c;
  archive_shared(s.to_url);
  char *schema = archive_fill(s.from_url, s.from, "acme");
  tenantdb_session *holder = NULL;
  harness_assert_ok(tenantdb_session_open_shared(s.to, NULL, &holder, &error), error);
  harness_assert_ok(tenantdb_session_begin(holder, NULL, &error), error);
  fixture_run(holder, "SELECT 1");
  move_start(&c, &s, move_full);
  move_await(s.from_url, "create", "done");
  char lock[200];
  snprintf(lock, sizeof lock, "LOCK TABLE %s.notes IN SHARE MODE", schema); /* rows cannot come in */
  fixture_run(holder, lock);
  move_await(s.from_url, "copy", "begun");
  fixture_pause_us(2500000);
  for (int i = 0; i < 2; i++) {
    tenantdb_result *done = NULL;
    harness_assert_ok(tenantdb_reconcile(sides[i], &done, &error), error);
    assert_int_equal(tenantdb_result_rows(done), 0);
    tenantdb_result_free(done);
  }
  fixture_assert_refused(move_call(s.from, "acme", s.to, move_full, NULL, &error), error, TENANTDB_BUSY,
                         TENANTDB_REASON_OPERATION_HELD, "somebody else is moving");
  harness_assert_ok(tenantdb_session_rollback(holder, &error), error);
  tenantdb_session_close(holder);
  move_join(&c);
  harness_assert_ok(c.status, c.error);
  move_release(&c);
  check_moved(&s, "acme", "acme");
  for (int i = 0; i < 2; i++) {
    tenantdb_result *done = NULL;
    harness_assert_ok(tenantdb_reconcile(sides[i], &done, &error), error);
    assert_int_equal(tenantdb_result_rows(done), 0);
    tenantdb_result_free(done);
  }
  free(schema);
  move_end(&s);
}

/* Nothing is lost of a transaction that began before the pause; and who changes the tables is found out. */
static void test_meanwhile(void **state) {
  (void)state;
  move_sides s = move_make(first, second, NULL);
  move_caller c;
  char *schema = archive_fill(s.from_url, s.from, "acme");
  archive_shared(s.to_url);
  tenantdb_session *writer = fixture_session(s.from, "acme");
  move_start(&c, &s, FIXTURE_OPTIONS("identity", "full", "patience", "60s", "lock_timeout", "100ms"));
  move_await(s.from_url, "copy", "done");
  harness_assert_ok(tenantdb_session_begin(writer, NULL, &error), error);
  fixture_run(writer, "INSERT INTO empty (b) VALUES ('open')");
  move_await(s.from_url, "switch", "begun");
  fixture_pause_us(1000000);
  assert_string_equal(move_state(s.from_url, "acme"), "active");
  fixture_run(writer, "INSERT INTO plus VALUES (6)"); /* nobody is kept waiting for longer than a moment */
  harness_sql(s.from_url, "ALTER TABLE %s.authors ADD COLUMN later integer", schema);
  harness_assert_ok(tenantdb_session_commit(writer, &error), error);
  tenantdb_session_close(writer);
  move_join(&c);
  harness_check_status(c.status, c.error, TENANTDB_STATE, TENANTDB_REASON_TENANT_DIFFERS, "move", __FILE__,
                       __LINE__);
  move_release(&c);
  writer = fixture_session(s.from, "acme");
  fixture_run(writer, "INSERT INTO plus VALUES (7)");
  tenantdb_session_close(writer);
  harness_sql(s.from_url, "ALTER TABLE %s.authors DROP COLUMN later", schema);
  harness_assert_ok(tenantdb_tenant_move_undo(s.from, "acme", s.to, NULL, &error), error);
  assert_int_equal(move_left(s.from_url) + move_left(s.to_url), 0);
  harness_assert_ok(move_call(s.from, "acme", s.to, move_full, NULL, &error), error);
  assert_int_equal(harness_count(s.to_url, "SELECT sum(amount) FROM %s.plus", schema), 5 + 6 + 7);
  assert_int_equal(harness_count(s.to_url, "SELECT count(*) FROM %s.empty", schema), 1);
  free(schema);
  move_end(&s);
}

/* The switch cannot be finished within the pause: writes go on, and it is tried again. */
static void test_too_long(void **state) {
  (void)state;
  move_sides s = move_make(first, second, NULL);
  move_caller c;
  char *schema = archive_fill(s.from_url, s.from, "acme");
  archive_shared(s.to_url);
  move_start(
      &c, &s,
      FIXTURE_OPTIONS("identity", "full", "patience", "60s", "lock_timeout", "200ms", "write_pause", "1s"));
  move_await(s.from_url, "copy", "done");
  tenantdb_session *holder = NULL;
  harness_assert_ok(tenantdb_session_open_shared(s.to, NULL, &holder, &error), error);
  harness_assert_ok(tenantdb_session_begin(holder, NULL, &error), error);
  fixture_run(holder, "LOCK TABLE plans IN ROW EXCLUSIVE MODE"); /* where a foreign key is to come back */
  move_await(s.from_url, "switch", "begun");
  int written = 0, refused = 0;
  for (int64_t began = fixture_now_ms(); fixture_now_ms() - began < 2500;) {
    tenantdb_session *session = fixture_session(s.from, "acme");
    tenantdb_status status =
        tenantdb_session_query(session, "INSERT INTO plus VALUES (1)", NULL, NULL, &error);
    if (status) {
      refused++;
      harness_assert_status(status, error, TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT);
      assert_int_equal(tenantdb_error_retry(error), TENANTDB_RETRY_LATER);
      harness_assert_message(error, "is being moved");
      tenantdb_error_free(error);
      error = NULL;
    }
    written += !status;
    assert_string_equal(fixture_cell(session, "SELECT count(*) FROM minus"), "1"); /* reading goes on */
    tenantdb_session_close(session);
    fixture_pause_us(5000);
  }
  assert_true(written > 10 && refused > 0);
  harness_assert_ok(tenantdb_session_commit(holder, &error), error);
  tenantdb_session_close(holder);
  move_join(&c);
  harness_assert_ok(c.status, c.error);
  move_release(&c);
  assert_int_equal(harness_count(s.to_url, "SELECT sum(amount) FROM %s.plus", schema), 5 + written);
  check_moved(&s, "acme", "acme");
  free(schema);
  move_end(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_two_servers), cmocka_unit_test(test_one_server),
      cmocka_unit_test(test_levels),      cmocka_unit_test(test_names),
      cmocka_unit_test(test_mistakes),    cmocka_unit_test(test_references),
      cmocka_unit_test(test_afterwards),  cmocka_unit_test(test_undo),
      cmocka_unit_test(test_two_callers), cmocka_unit_test(test_at_work),
      cmocka_unit_test(test_meanwhile),   cmocka_unit_test(test_changed),
      cmocka_unit_test(test_too_long),
  };
  return cmocka_run_group_tests_name("moves", tests, move_setup, move_teardown);
}
