/* SPDX-License-Identifier: PostgreSQL */
/* The harness's poolers: PgBouncer in front of a server, through the script "pooler" beside "server". */
#include <libpq-fe.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

extern char **environ;

enum { MOST_POOLERS = 16 };
static harness_pooler *poolers[MOST_POOLERS];
static int n_poolers;
static pid_t owner;
static harness_pooler *common;

struct harness_pooler {
  char folder[96];
  pid_t process;
};

/* The script as a child of ours; 0 when it cannot be. */
static pid_t script(const char *const *arguments) {
  const char *server = getenv("TENANTDB_TEST_SERVER");
  const char *slash = server ? strrchr(server, '/') : NULL;
  if (!slash) {
    print_error(
        "TENANTDB_TEST_SERVER is not set: run test/run, or give it the path of test/harness/server\n");
    return 0;
  }
  char path[512];
  snprintf(path, sizeof path, "%.*s/pooler", (int)(slash - server), server);
  pid_t child;
  return posix_spawn(&child, path, NULL, NULL, (char *const *)arguments, environ) == 0 ? child : 0;
}

static void stop(harness_pooler *pooler) {
  if (pooler->process) {
    kill(pooler->process, SIGTERM);
    waitpid(pooler->process, NULL, 0);
  }
  const char *arguments[] = {"pooler", "stop", pooler->folder, NULL};
  pid_t stopping = script(arguments);
  if (stopping) {
    waitpid(stopping, NULL, 0);
  }
  free(pooler);
}

static void clean_up(void) {
  if (getpid() != owner) {
    return;
  }
  while (n_poolers > 0) {
    stop(poolers[--n_poolers]);
  }
}

static const char *value_in(const PQconninfoOption *options, const char *keyword, const char *otherwise) {
  for (const PQconninfoOption *o = options; o && o->keyword; o++) {
    if (strcmp(o->keyword, keyword) == 0 && o->val && *o->val) {
      return o->val;
    }
  }
  return otherwise;
}

/* Until it listens; what it thinks of the question does not matter. */
static void wait_until_up(harness_pooler *pooler) {
  char conninfo[160];
  snprintf(conninfo, sizeof conninfo, "host=%s port=6432 dbname=pgbouncer user=postgres", pooler->folder);
  for (int i = 0; PQping(conninfo) == PQPING_NO_RESPONSE; i++) {
    if (i == 500 || waitpid(pooler->process, NULL, WNOHANG) != 0) {
      pooler->process = i == 500 ? pooler->process : 0;
      fail_msg("the pooler in %s does not start", pooler->folder);
    }
    nanosleep(&(struct timespec){0, 10000000}, NULL);
  }
}

static void start(harness_pooler *pooler, const char *url, const char *mode, int size, const char *as) {
  PQconninfoOption *options = PQconninfoParse(url, NULL);
  PQconninfoOption *defaults = PQconndefaults();
  const char *password = value_in(options, "password", NULL);
  const char *user = value_in(options, "user", value_in(defaults, "user", "postgres"));
  const char *host = value_in(options, "host", "127.0.0.1");
  const char *port = value_in(options, "port", "5432");
  char number[16];
  snprintf(number, sizeof number, "%d", size);
  const char *arguments[] = {"pooler", "run",  "--mode",       mode, "--host", host,
                             "--port", port,   "--superuser",  user, "--as",   as ? as : "",
                             "--size", number, pooler->folder, NULL};
  if (password) {
    setenv("PGPASSWORD", password, 1);
  }
  pooler->process = script(arguments);
  if (password) {
    unsetenv("PGPASSWORD");
  }
  PQconninfoFree(options);
  PQconninfoFree(defaults);
  if (!pooler->process) {
    fail_msg("the pooler's script cannot be run");
  }
  wait_until_up(pooler);
}

harness_pooler *harness_pooler_start_as(const char *url, const char *mode, int size, const char *as) {
  if (owner == 0) {
    owner = getpid();
    atexit(clean_up);
  }
  assert_true(n_poolers < MOST_POOLERS);
  harness_pooler *pooler = calloc(1, sizeof *pooler);
  assert_non_null(pooler);
  const char *base = getenv("TENANTDB_TEST_TMP");
  snprintf(pooler->folder, sizeof pooler->folder, "%s/tdbXXXXXX", base ? base : "/tmp");
  assert_non_null(mkdtemp(pooler->folder));
  poolers[n_poolers++] = pooler;
  start(pooler, url, mode, size, as);
  return pooler;
}

harness_pooler *harness_pooler_start(const char *mode, int size) {
  return harness_pooler_start_as(harness_url(), mode, size, NULL);
}

/* `'value'` for a connection string. */
static void append_quoted(FILE *to, const char *value) {
  fputc('\'', to);
  for (; *value; value++) {
    if (*value == '\'' || *value == '\\') {
      fputc('\\', to);
    }
    fputc(*value, to);
  }
  fputs("' ", to);
}

char *harness_pooler_url(const harness_pooler *pooler, const char *url) {
  static const char *const replaced[] = {"host", "hostaddr", "port", "sslmode"};
  char *message = NULL, *conninfo = NULL;
  size_t length;
  PQconninfoOption *options = PQconninfoParse(url, &message);
  if (!options) {
    fail_msg("not a connection string: %s", message);
  }
  FILE *text = open_memstream(&conninfo, &length);
  fprintf(text, "host=%s port=6432 ", pooler->folder);
  for (const PQconninfoOption *o = options; o->keyword; o++) {
    bool keep = o->val && *o->val;
    for (size_t i = 0; i < sizeof replaced / sizeof replaced[0]; i++) {
      keep = keep && strcmp(o->keyword, replaced[i]) != 0;
    }
    if (keep) {
      fprintf(text, "%s=", o->keyword);
      append_quoted(text, o->val);
    }
  }
  fclose(text);
  PQconninfoFree(options);
  char *pooled = harness_url_with(conninfo, NULL, NULL, NULL);
  free(conninfo);
  return pooled;
}

void harness_pooler_stop(harness_pooler *pooler) {
  for (int i = 0; i < n_poolers; i++) {
    if (poolers[i] == pooler) {
      poolers[i] = poolers[--n_poolers];
      stop(pooler);
      return;
    }
  }
}

bool harness_behind_pooler(void) {
  const char *mode = getenv("TENANTDB_TEST_POOLER");
  return mode && *mode;
}

char *harness_library_url(const char *url) {
  PQconninfoOption *options = harness_behind_pooler() ? PQconninfoParse(url, NULL) : NULL;
  PQconninfoOption *server = options ? PQconninfoParse(harness_url(), NULL) : NULL;
  bool ours = server && strcmp(value_in(options, "host", ""), value_in(server, "host", "")) == 0 &&
              strcmp(value_in(options, "port", ""), value_in(server, "port", "")) == 0;
  PQconninfoFree(options);
  PQconninfoFree(server);
  if (!ours) {
    return strdup(url);
  }
  if (!common) {
    common = harness_pooler_start(getenv("TENANTDB_TEST_POOLER"), HARNESS_POOLER_SIZE);
  }
  return harness_pooler_url(common, url);
}

void harness_pooler_command(const harness_pooler *pooler, const char *order, const char *what) {
  PQconninfoOption *options = PQconninfoParse(harness_url(), NULL);
  char conninfo[256];
  snprintf(conninfo, sizeof conninfo, "host=%s port=6432 dbname=pgbouncer user=%s", pooler->folder,
           value_in(options, "user", "postgres"));
  PQconninfoFree(options);
  harness_sql(conninfo, "%s \"%s\"", order, what);
}

char *harness_socket(const char *url) {
  PQconninfoOption *options = PQconninfoParse(url, NULL);
  char path[200];
  snprintf(path, sizeof path, "%s/.s.PGSQL.%s", value_in(options, "host", "/tmp"),
           value_in(options, "port", "5432"));
  PQconninfoFree(options);
  return strdup(path);
}

void harness_break(const char *url, int pid) {
  if (!common) {
    harness_sql(url, "SELECT pg_terminate_backend(%d)", pid);
    return;
  }
  char *database = harness_database_name(url);
  harness_pooler_command(common, "KILL", database);
  harness_pooler_command(common, "RESUME", database);
  free(database);
}

void harness_refresh(const char *url) {
  if (common) {
    harness_sql(url,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                "current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'");
    nanosleep(&(struct timespec){0, 100000000}, NULL);
  }
}
