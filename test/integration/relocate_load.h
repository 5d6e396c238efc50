/* SPDX-License-Identifier: PostgreSQL */
/*
 * Two versions of an application that write at the same time: one knows the tables
 * in schema public and speaks libpq, the other knows them in "teddy-ai" and goes
 * through the library. Every row that was acknowledged is counted.
 */
#ifndef TNDB_RELOCATE_LOAD_H
#define TNDB_RELOCATE_LOAD_H

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>

#include "relocate_fixture.h"

enum { WRITERS = 8 };

typedef struct writers {
  const char *url;
  tenantdb *db; /* of the new version */
  bool names_new;
  atomic_bool over;
  atomic_bool old_over;
  atomic_int next;
  atomic_llong users;
  atomic_llong conversations;
  atomic_llong rounds;
  atomic_llong slowest_us;
  atomic_llong errors;
  char first[1200];
  pthread_t old_threads[WRITERS];
  pthread_t new_threads[WRITERS];
  int n_old;
  int n_new;
} writers;

/* One writer: by libpq, or by a session. */
typedef struct writer {
  writers *all;
  int number;
  PGconn *pg;
  tenantdb_session *session;
  char cell[200];
} writer;

static inline int64_t writers_now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static inline bool writers_fail(writers *all, const char *sql, const char *message) {
  if (atomic_fetch_add(&all->errors, 1) == 0) {
    snprintf(all->first, sizeof all->first, "%s: %s", sql, message);
  }
  return false;
}

/* Run one statement; the first cell is kept. */
static inline bool writer_run(writer *w, const char *sql) {
  int64_t began = writers_now_us();
  bool done;
  w->cell[0] = '\0';
  if (w->pg) {
    PGresult *result = strncmp(sql, "EXECUTE", 7) == 0 || strchr(sql, ';')
                           ? PQexec(w->pg, sql)
                           : PQexecParams(w->pg, sql, 0, NULL, NULL, NULL, NULL, 0);
    ExecStatusType is = PQresultStatus(result);
    done = is == PGRES_TUPLES_OK || is == PGRES_COMMAND_OK;
    if (!done) {
      writers_fail(w->all, sql, PQresultErrorMessage(result));
    } else if (PQntuples(result) > 0) {
      snprintf(w->cell, sizeof w->cell, "%s", PQgetvalue(result, 0, 0));
    }
    PQclear(result);
  } else {
    tenantdb_result *result = NULL;
    tenantdb_error *error = NULL;
    done = tenantdb_session_query(w->session, sql, NULL, &result, &error) == TENANTDB_OK;
    if (!done) {
      writers_fail(w->all, sql, tenantdb_error_message(error));
    } else if (tenantdb_result_rows(result) > 0 && tenantdb_result_value(result, 0, 0)) {
      snprintf(w->cell, sizeof w->cell, "%s", tenantdb_result_value(result, 0, 0));
    }
    tenantdb_error_free(error);
    tenantdb_result_free(result);
  }
  long long took = writers_now_us() - began, slowest = atomic_load(&w->all->slowest_us);
  while (took > slowest && !atomic_compare_exchange_weak(&w->all->slowest_us, &slowest, took)) {
  }
  return done;
}

static inline bool writer_control(writer *w, const char *what) {
  if (w->pg) {
    return writer_run(w, what);
  }
  tenantdb_error *error = NULL;
  tenantdb_status status = strcmp(what, "BEGIN") == 0 ? tenantdb_session_begin(w->session, NULL, &error)
                                                      : tenantdb_session_commit(w->session, &error);
  if (status) {
    writers_fail(w->all, what, tenantdb_error_message(error));
  }
  tenantdb_error_free(error);
  return status == TENANTDB_OK;
}

#define WRITER_SQL(text, ...) (snprintf(sql, sizeof sql, text, __VA_ARGS__), sql)

/* One round: a transaction over two tables and a sequence, then single statements of every kind. */
static inline void writer_round(writer *w, const char *s, long long i) {
  char sql[600], id[sizeof w->cell];
  int n = w->number;
  bool done = writer_control(w, "BEGIN");
  done = done &&
         writer_run(w, WRITER_SQL("INSERT INTO %s.users (email) VALUES ('w%d-%lld') RETURNING id", s, n, i));
  snprintf(id, sizeof id, "%s", w->cell);
  done =
      done &&
      writer_run(w, WRITER_SQL("INSERT INTO %s.conversations (user_id, title) VALUES (%s, 'c') RETURNING id",
                               s, id));
  done = done && writer_control(w, "COMMIT");
  if (done) {
    atomic_fetch_add(&w->all->users, 1);
    atomic_fetch_add(&w->all->conversations, 1);
  }
  done = done &&
         writer_run(w, WRITER_SQL("INSERT INTO %s.users (email, mood) VALUES ('w%d', 'sad') ON CONFLICT "
                                  "(email) DO UPDATE SET at = excluded.at, mood = 'fine' RETURNING touched",
                                  s, n));
  done = done &&
         writer_run(w, WRITER_SQL("UPDATE %s.users SET mood = 'sad' WHERE id = %s RETURNING touched", s, id));
  if (done && strcmp(w->cell, "1") != 0) {
    writers_fail(w->all, "UPDATE", "the trigger did not fire");
  }
  done = done &&
         writer_run(w, WRITER_SQL("SELECT id FROM %s.users WHERE email = 'w%d-%lld' FOR UPDATE", s, n, i));
  if (done && strcmp(w->cell, id) != 0) {
    writers_fail(w->all, "SELECT", "a row that was written is not there");
  }
  done = done &&
         writer_run(
             w, WRITER_SQL("INSERT INTO %s.conversations VALUES (DEFAULT, %s, 'gone') RETURNING id", s, id));
  (void)(done && writer_run(w, WRITER_SQL("DELETE FROM %s.conversations WHERE id = %s", s, w->cell)));
  if (w->pg && !w->all->names_new) {
    (void)writer_run(w, WRITER_SQL("SELECT nextval('%s.users_id_seq'), 'sad'::%s.mood", s, s));
  }
  if (w->pg && writer_run(w, WRITER_SQL("EXECUTE add_user('p%d-%lld')", n, i))) {
    atomic_fetch_add(&w->all->users, 1);
  }
  atomic_fetch_add(&w->all->rounds, 1);
}

static inline void *writer_main(writers *all, bool old) {
  writer w = {.all = all, .number = atomic_fetch_add(&all->next, 1)};
  tenantdb_error *error = NULL;
  if (old) {
    w.pg = PQconnectdb(all->url);
    (void)writer_run(&w,
                     "PREPARE add_user(text) AS INSERT INTO public.users (email) VALUES ($1) RETURNING id;");
  } else if (tenantdb_session_open_shared(all->db, NULL, &w.session, &error)) {
    writers_fail(all, "open", tenantdb_error_message(error));
  }
  for (long long i = 0; !atomic_load(&all->over) && !(old && atomic_load(&all->old_over)); i++) {
    writer_round(&w, old ? "public" : "\"teddy-ai\"", i);
  }
  PQfinish(w.pg);
  tenantdb_session_close(w.session);
  tenantdb_error_free(error);
  return NULL;
}

static inline void *writer_old(void *user) {
  return writer_main(user, true);
}

static inline void *writer_new(void *user) {
  return writer_main(user, false);
}

static inline void writers_start(writers *all, bool old, int count) {
  for (int i = 0; i < count; i++) {
    pthread_t *thread = old ? &all->old_threads[all->n_old++] : &all->new_threads[all->n_new++];
    assert_int_equal(pthread_create(thread, NULL, old ? writer_old : writer_new, all), 0);
  }
}

/* Wait for so many rounds more. */
static inline void writers_await(writers *all, long long more) {
  long long wanted = atomic_load(&all->rounds) + more;
  int64_t until = fixture_now_ms() + 60000;
  while (atomic_load(&all->rounds) < wanted && fixture_now_ms() < until && !atomic_load(&all->errors)) {
    fixture_pause_us(2000);
  }
  if (atomic_load(&all->errors)) {
    fail_msg("%lld errors, the first: %s", (long long)all->errors, all->first);
  }
}

static inline void writers_end_old(writers *all) {
  atomic_store(&all->old_over, true);
  while (all->n_old > 0) {
    pthread_join(all->old_threads[--all->n_old], NULL);
  }
}

static inline void writers_end(writers *all) {
  writers_end_old(all);
  atomic_store(&all->over, true);
  while (all->n_new > 0) {
    pthread_join(all->new_threads[--all->n_new], NULL);
  }
  if (all->errors) {
    fail_msg("%lld errors, the first: %s", (long long)all->errors, all->first);
  }
}

#endif
