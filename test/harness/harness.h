/* SPDX-License-Identifier: PostgreSQL */
/*
 * What integration tests stand on: databases of their own, SQL behind the
 * library's back, and assertions that print what an error says.
 *
 * The server comes from TENANTDB_TEST_URL (test/run sets it). A test program
 * makes one or more databases of unique names, so several may run at once; what
 * it forgets to drop is dropped when it exits. Everything here fails the cmocka
 * test it is called from instead of returning an error.
 */
#ifndef TNDB_HARNESS_H
#define TNDB_HARNESS_H

/* cmocka.h wants these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <tenantdb.h>

#define HARNESS_FORMAT(at, first) __attribute__((format(printf, at, first)))

/* ------------------------------------------------------------- databases */

/* The server's URI, its maintenance database in it, a superuser as its user. */
const char *harness_url(void);
/* Another URI of the same server: `database`, `user` and `password` replace its own unless NULL. free() it.
 */
char *harness_url_with(const char *url, const char *database, const char *user, const char *password);
/* A new, empty UTF-8 database; its URI, which lasts until it is dropped. */
const char *harness_database(void);
/* Just the name in a URI, for SQL that needs it. free() it. */
char *harness_database_name(const char *url);
/* Drop one of them, whoever is connected, and the roles that tests and the library made in it. */
void harness_drop_database(const char *url);
/* A new role, such as harness_role("LOGIN NOSUPERUSER"); dropped with the databases. Lasts until the exit. */
const char *harness_role(const char *attributes);
/* Drop every database and role whose name begins with TENANTDB_TEST_PREFIX: what crashed tests left. */
void harness_sweep(void);
/* A configuration with option database.url set; the caller's, tenantdb_config_free(). */
tenantdb_config *harness_config(const char *url);
/* A database opened with `registry` (NULL: an empty one) and bootstrapped; tenantdb_close(). */
tenantdb *harness_open(const char *url, tenantdb_registry *registry);

/* ------------------------------------------------- SQL, by libpq directly */

/* `sql` is a printf format: write %% for a percent sign. May hold several statements. */
void harness_sql(const char *url, const char *sql, ...) HARNESS_FORMAT(2, 3);
/* As harness_sql(), but failing is an answer: the SQLSTATE, "00000" when it succeeds. Static. */
const char *harness_sqlstate(const char *url, const char *sql, ...) HARNESS_FORMAT(2, 3);
/* The first cell, free() it; NULL when it is SQL NULL or there is no row. */
char *harness_value(const char *url, const char *sql, ...) HARNESS_FORMAT(2, 3);
/* The first cell as a number. */
int64_t harness_count(const char *url, const char *sql, ...) HARNESS_FORMAT(2, 3);

/* ------------------------------------------------------------- assertions */

/* harness_assert_ok(tenantdb_bootstrap(db, &error), error): prints the error when there is one. */
#define harness_assert_ok(call, error)                                    \
  do {                                                                    \
    tenantdb_status harness_status = (call);                              \
    harness_check_ok(harness_status, (error), #call, __FILE__, __LINE__); \
  } while (0)

/* The status and reason a call must fail with; the error stays the caller's. */
#define harness_assert_status(call, error, status, reason)                                        \
  do {                                                                                            \
    tenantdb_status harness_status = (call);                                                      \
    harness_check_status(harness_status, (error), (status), (reason), #call, __FILE__, __LINE__); \
  } while (0)

/* The same, then frees the error and sets it to NULL. */
#define harness_assert_fails(call, error, status, reason) \
  do {                                                    \
    harness_assert_status(call, error, status, reason);   \
    tenantdb_error_free(error);                           \
    (error) = NULL;                                       \
  } while (0)

/* The error's message holds the text. */
#define harness_assert_message(error, text) harness_check_message((error), (text), __FILE__, __LINE__)

void harness_check_ok(tenantdb_status status, const tenantdb_error *error, const char *call, const char *file,
                      int line);
void harness_check_status(tenantdb_status got, const tenantdb_error *error, tenantdb_status status,
                          int32_t reason, const char *call, const char *file, int line);
void harness_check_message(const tenantdb_error *error, const char *text, const char *file, int line);

/* ------------------------------------------------- a server to be broken */

/*
 * A server of the test's own, for tests that stop it. Needs the script in
 * TENANTDB_TEST_SERVER (test/run and meson set it). One that is not removed is
 * removed when the program exits.
 */
typedef struct harness_server harness_server;

harness_server *harness_server_start(void);
/* Its URI; harness_database() and the rest work on the common server only. */
const char *harness_server_url(const harness_server *server);
/* Stop it at once, as a crash would. */
void harness_server_kill(harness_server *server);
/* Stop it when it runs, and start it again. */
void harness_server_restart(harness_server *server);
void harness_server_remove(harness_server *server);

/* ------------------------------------------------------------- poolers */

/*
 * PgBouncer in front of a server (the script "pooler" beside the one in
 * TENANTDB_TEST_SERVER). One that is not stopped is stopped when the program
 * exits.
 */
typedef struct harness_pooler harness_pooler;

/* In front of the common server. `mode`: transaction, session, statement; `size`: of its pools. */
harness_pooler *harness_pooler_start(const char *mode, int size);
/* In front of the server of `url`, whose user is its superuser; every client becomes `as` unless NULL. */
harness_pooler *harness_pooler_start_as(const char *url, const char *mode, int size, const char *as);
/* The URI by which the database and user of `url` are reached through it. free() it. */
char *harness_pooler_url(const harness_pooler *pooler, const char *url);
void harness_pooler_stop(harness_pooler *pooler);
/* An order to PgBouncer itself: KILL, RESUME, SET query_wait_timeout = … */
void harness_pooler_command(const harness_pooler *pooler, const char *order, const char *what);
/* The path of the Unix socket that a URI leads to. free() it. */
char *harness_socket(const char *url);
/*
 * Whether the program runs with the library's connections to the common server
 * going through a pooler: TENANTDB_TEST_POOLER is its mode. What goes by
 * harness_config() does so by itself; harness_sql() and the rest stay direct.
 */
bool harness_behind_pooler(void);
enum { HARNESS_POOLER_SIZE = 4 }; /* how many connections to the server that one has for a user */
/* The URI by which the library reaches what `url` names: itself, or the pooled one. free() it. */
char *harness_library_url(const char *url);
/*
 * Break the library's connection to a database whose process of the server is
 * `pid`. Behind a pooler, where no process belongs to a connection, all of the
 * library's connections to the database.
 */
void harness_break(const char *url, int pid);
/*
 * Behind a pooler end the connections to the database that it keeps ready, so
 * that what was set for the database is in force for the next ones.
 */
void harness_refresh(const char *url);

#endif
