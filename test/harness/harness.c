/* SPDX-License-Identifier: PostgreSQL */
#include "harness.h"

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Databases and roles that are still there, so that the exit can clean up. */
enum { MOST_DATABASES = 256, MOST_ROLES = 256 };
static char *databases[MOST_DATABASES];
static char *roles[MOST_ROLES];
static int n_databases, n_roles;
static pid_t owner;

static void clean_up(void);

/* A forked child must not drop what its parent uses. */
static void register_clean_up(void) {
  if (owner == 0) {
    owner = getpid();
    atexit(clean_up);
  }
}

HARNESS_FORMAT(1, 0)
static char *text(const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  char *made = malloc((size_t)length + 1);
  vsnprintf(made, (size_t)length + 1, format, again);
  va_end(again);
  return made;
}

HARNESS_FORMAT(1, 2)
static char *print(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *made = text(format, arguments);
  va_end(arguments);
  return made;
}

static char *duplicate(const char *string) {
  return print("%s", string);
}

/* Unique over programs that run at once and over runs that were cut short. */
static char *unique_name(void) {
  static unsigned counter;
  const char *prefix = getenv("TENANTDB_TEST_PREFIX");
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return print("%s%ld_%lx%05lx_%u", prefix ? prefix : "tdbtest_", (long)getpid(),
               (unsigned long)now.tv_sec & 0xFFFFF, (unsigned long)now.tv_nsec / 1000, ++counter);
}

/* -------------------------------------------------------------------- URIs */

const char *harness_url(void) {
  const char *url = getenv("TENANTDB_TEST_URL");
  if (!url || !*url) {
    fail_msg("TENANTDB_TEST_URL is not set: run test/run, or give it the URI of a server and a superuser");
  }
  return url;
}

static char *append_encoded(char *uri, const char *value) {
  char *all = print("%s", uri);
  free(uri);
  for (; *value; value++) {
    unsigned char c = (unsigned char)*value;
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                 c == '-' || c == '.';
    char *longer = plain ? print("%s%c", all, c) : print("%s%%%02X", all, c);
    free(all);
    all = longer;
  }
  return all;
}

char *harness_url_with(const char *url, const char *database, const char *user, const char *password) {
  char *message = NULL;
  PQconninfoOption *options = PQconninfoParse(url, &message);
  if (!options) {
    fail_msg("not a connection string: %s", message);
  }
  char *uri = duplicate("postgresql:///");
  for (const PQconninfoOption *o = options; o->keyword; o++) {
    if (strcmp(o->keyword, "dbname") == 0) {
      const char *name = database ? database : o->val;
      uri = append_encoded(uri, name ? name : "postgres");
    }
  }
  char separator = '?';
  for (const PQconninfoOption *o = options; o->keyword; o++) {
    const char *value = strcmp(o->keyword, "user") == 0 && user           ? user
                        : strcmp(o->keyword, "password") == 0 && password ? password
                                                                          : o->val;
    if (value && *value && strcmp(o->keyword, "dbname") != 0) {
      char *longer = print("%s%c%s=", uri, separator, o->keyword);
      free(uri);
      uri = append_encoded(longer, value);
      separator = '&';
    }
  }
  PQconninfoFree(options);
  return uri;
}

char *harness_database_name(const char *url) {
  char *name = NULL;
  PQconninfoOption *options = PQconninfoParse(url, NULL);
  for (const PQconninfoOption *o = options; o && o->keyword; o++) {
    if (strcmp(o->keyword, "dbname") == 0 && o->val) {
      name = duplicate(o->val);
    }
  }
  PQconninfoFree(options);
  if (!name) {
    fail_msg("no database in the connection string");
  }
  return name;
}

/* --------------------------------------------------------------------- SQL */

static void drop_notice(void *user, const PGresult *notice) {
  (void)user;
  (void)notice;
}

static PGconn *connect_to(const char *url) {
  PGconn *connection = PQconnectdb(url);
  PQsetNoticeReceiver(connection, drop_notice, NULL);
  return connection;
}

static bool succeeded(const PGresult *result) {
  ExecStatusType status = PQresultStatus(result);
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/* Run, and fail the test when the server refuses. */
static PGresult *run(const char *url, const char *sql) {
  PGconn *connection = connect_to(url);
  if (PQstatus(connection) != CONNECTION_OK) {
    char *message = duplicate(PQerrorMessage(connection));
    PQfinish(connection);
    print_error("%s\n", message);
    free(message);
    fail();
  }
  PGresult *result = PQexec(connection, sql);
  if (!succeeded(result)) {
    char *message = duplicate(PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
    print_error("%s\nin: %s\n", message, sql);
    free(message);
    fail();
  }
  PQfinish(connection);
  return result;
}

void harness_sql(const char *url, const char *sql, ...) {
  va_list arguments;
  va_start(arguments, sql);
  char *statement = text(sql, arguments);
  va_end(arguments);
  PQclear(run(url, statement));
  free(statement);
}

const char *harness_sqlstate(const char *url, const char *sql, ...) {
  static char state[8];
  va_list arguments;
  va_start(arguments, sql);
  char *statement = text(sql, arguments);
  va_end(arguments);
  PGconn *connection = connect_to(url);
  PGresult *result = PQexec(connection, statement);
  const char *got = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  snprintf(state, sizeof state, "%s", succeeded(result) ? "00000" : got ? got : "08006");
  PQclear(result);
  PQfinish(connection);
  free(statement);
  return state;
}

static char *first_cell(const char *url, const char *sql) {
  PGresult *result = run(url, sql);
  char *value = NULL;
  if (PQntuples(result) > 0 && PQnfields(result) > 0 && !PQgetisnull(result, 0, 0)) {
    value = duplicate(PQgetvalue(result, 0, 0));
  }
  PQclear(result);
  return value;
}

char *harness_value(const char *url, const char *sql, ...) {
  va_list arguments;
  va_start(arguments, sql);
  char *statement = text(sql, arguments);
  va_end(arguments);
  char *value = first_cell(url, statement);
  free(statement);
  return value;
}

int64_t harness_count(const char *url, const char *sql, ...) {
  va_list arguments;
  va_start(arguments, sql);
  char *statement = text(sql, arguments);
  va_end(arguments);
  char *value = first_cell(url, statement);
  char *end = value;
  long long number = value ? strtoll(value, &end, 10) : 0;
  if (!value || end == value || *end) {
    print_error("not a number: %s\nin: %s\n", value ? value : "NULL", statement);
    fail();
  }
  free(value);
  free(statement);
  return number;
}

/* --------------------------------------------------------------- databases */

const char *harness_database(void) {
  register_clean_up();
  char *name = unique_name();
  harness_sql(harness_url(), "CREATE DATABASE \"%s\" TEMPLATE template0 ENCODING 'UTF8'", name);
  char *url = harness_url_with(harness_url(), name, NULL, NULL);
  free(name);
  if (n_databases == MOST_DATABASES) {
    fail_msg("more than %d databases at once", MOST_DATABASES);
  }
  databases[n_databases++] = url;
  return url;
}

const char *harness_role(const char *attributes) {
  register_clean_up();
  if (n_roles == MOST_ROLES) {
    fail_msg("more than %d roles", MOST_ROLES);
  }
  char *name = unique_name();
  harness_sql(harness_url(), "CREATE ROLE \"%s\" %s", name, attributes);
  roles[n_roles++] = name;
  return name;
}

/*
 * Roles belong to the server, so a test's database does not take its roles
 * along. The ones meant here can not log in, and are either named in a catalog's
 * table of tenants or own or may use something in this database and in no other.
 */
static const char roles_of_database[] =
    "WITH here AS (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "SELECT r.rolname FROM pg_roles r WHERE NOT r.rolsuper AND NOT r.rolcanlogin AND r.rolname !~ '^pg_' "
    "AND EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid "
    "AND (d.dbid = (SELECT oid FROM here) OR (d.dbid = 0 AND d.classid = 'pg_database'::regclass AND d.objid "
    "= (SELECT oid FROM here)))) "
    "AND NOT EXISTS (SELECT FROM pg_shdepend d WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = "
    "r.oid AND d.dbid NOT IN (0, (SELECT oid FROM here)))";

/* Queries for the roles that a catalog here names, whatever its schema is called. */
static const char queries_for_roles[] =
    "SELECT format('SELECT DISTINCT t.%I FROM %I.%I t JOIN pg_roles r ON r.rolname = t.%I WHERE NOT "
    "r.rolsuper "
    "AND NOT r.rolcanlogin AND r.rolname !~ ''^pg_''', a.attname, n.nspname, c.relname, a.attname) FROM "
    "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid "
    "WHERE "
    "c.relkind = 'r' AND NOT a.attisdropped AND (a.attname = 'group_role' OR (a.attname = 'role_name' AND "
    "c.relname = 'tenants'))";

/* Adds `DROP ROLE` lines for the first column of a query; tolerant: a database may be gone already. */
static char *add_drops(PGconn *connection, char *drops, const char *query) {
  PGresult *result = PQexec(connection, query);
  for (int i = 0; i < PQntuples(result); i++) {
    if (PQgetisnull(result, i, 0)) {
      continue;
    }
    char *name = PQescapeIdentifier(connection, PQgetvalue(result, i, 0), strlen(PQgetvalue(result, i, 0)));
    char *longer = print("%sDROP ROLE IF EXISTS %s;\n", drops, name);
    PQfreemem(name);
    free(drops);
    drops = longer;
  }
  PQclear(result);
  return drops;
}

static char *role_drops(const char *url) {
  PGconn *connection = connect_to(url);
  char *drops = add_drops(connection, duplicate(""), roles_of_database);
  PGresult *queries = PQexec(connection, queries_for_roles);
  for (int i = 0; i < PQntuples(queries); i++) {
    drops = add_drops(connection, drops, PQgetvalue(queries, i, 0));
  }
  PQclear(queries);
  PQfinish(connection);
  return drops;
}

/* One by one: a role that is still used elsewhere stays, the others go. */
static void drop_each(PGconn *connection, char *drops) {
  for (char *line = drops; *line;) {
    char *end = strchr(line, '\n');
    *end = '\0';
    PQclear(PQexec(connection, line));
    line = end + 1;
  }
}

static void drop(const char *url) {
  const char *server = getenv("TENANTDB_TEST_URL");
  PGconn *connection = connect_to(server ? server : "");
  char *drops = role_drops(url);
  char *name = harness_database_name(url);
  char *statement = print("DROP DATABASE IF EXISTS \"%s\" WITH (FORCE)", name);
  PGresult *result = PQexec(connection, statement);
  if (!succeeded(result)) {
    print_error("%s", PQerrorMessage(connection));
  }
  PQclear(result);
  drop_each(connection, drops);
  PQfinish(connection);
  free(statement);
  free(name);
  free(drops);
}

void harness_drop_database(const char *url) {
  for (int i = 0; i < n_databases; i++) {
    if (url && strcmp(databases[i], url) == 0) {
      char *found = databases[i];
      databases[i] = databases[--n_databases];
      drop(found);
      free(found);
      return;
    }
  }
  if (url) {
    fail_msg("not a database that harness_database() made: %s", url);
  }
}

void harness_sweep(void) {
  const char *prefix = getenv("TENANTDB_TEST_PREFIX");
  PGconn *connection = connect_to(harness_url());
  PGresult *left = PQexecParams(connection, "SELECT datname FROM pg_database WHERE starts_with(datname, $1)",
                                1, NULL, &prefix, NULL, NULL, 0);
  for (int i = 0; prefix && *prefix && i < PQntuples(left); i++) {
    char *url = harness_url_with(harness_url(), PQgetvalue(left, i, 0), NULL, NULL);
    drop(url);
    free(url);
  }
  PQclear(left);
  left = PQexecParams(connection, "SELECT rolname FROM pg_roles WHERE starts_with(rolname, $1)", 1, NULL,
                      &prefix, NULL, NULL, 0);
  for (int i = 0; prefix && *prefix && i < PQntuples(left); i++) {
    char *statement = print("DROP ROLE \"%s\"", PQgetvalue(left, i, 0));
    PQclear(PQexec(connection, statement));
    free(statement);
  }
  PQclear(left);
  PQfinish(connection);
}

static void clean_up(void) {
  if (getpid() != owner) {
    return;
  }
  while (n_databases > 0) {
    char *url = databases[--n_databases];
    drop(url);
    free(url);
  }
  if (n_roles > 0) {
    const char *server = getenv("TENANTDB_TEST_URL");
    PGconn *connection = connect_to(server ? server : "");
    while (n_roles > 0) {
      char *statement = print("DROP ROLE IF EXISTS \"%s\"", roles[--n_roles]);
      PQclear(PQexec(connection, statement));
      free(statement);
      free(roles[n_roles]);
    }
    PQfinish(connection);
  }
}
