/* SPDX-License-Identifier: PostgreSQL */
/* The harness's servers that a test may stop, through the script of that name. */
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

extern char **environ;

enum { MOST_SERVERS = 8 };
static harness_server *servers[MOST_SERVERS];
static int n_servers;
static pid_t owner;

struct harness_server {
  char folder[96];
  char *url;
};

static bool script(const char *action, const char *folder) {
  char *path = getenv("TENANTDB_TEST_SERVER");
  if (!path) {
    print_error(
        "TENANTDB_TEST_SERVER is not set: run test/run, or give it the path of test/harness/server\n");
    return false;
  }
  char verb[16], place[96];
  snprintf(verb, sizeof verb, "%s", action);
  snprintf(place, sizeof place, "%s", folder);
  char *arguments[] = {path, verb, place, NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child;
  int status = 1;
  if (posix_spawn(&child, path, &actions, NULL, arguments, environ) == 0) {
    waitpid(child, &status, 0);
  }
  posix_spawn_file_actions_destroy(&actions);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void must(const char *action, const harness_server *server) {
  if (!script(action, server->folder)) {
    fail_msg("the server's script failed: %s %s", action, server->folder);
  }
}

static void clean_up(void) {
  if (getpid() != owner) {
    return;
  }
  while (n_servers > 0) {
    harness_server *server = servers[--n_servers];
    script("remove", server->folder);
    free(server->url);
    free(server);
  }
}

harness_server *harness_server_start(void) {
  if (owner == 0) {
    owner = getpid();
    atexit(clean_up);
  }
  assert_true(n_servers < MOST_SERVERS);
  harness_server *server = calloc(1, sizeof *server);
  assert_non_null(server);
  /* Inside test/run's own folder, so that not even a crash leaves a server behind. */
  const char *base = getenv("TENANTDB_TEST_TMP");
  snprintf(server->folder, sizeof server->folder, "%s/tdbXXXXXX", base ? base : "/tmp");
  assert_non_null(mkdtemp(server->folder));
  servers[n_servers++] = server;
  must("start", server);
  char conninfo[160];
  snprintf(conninfo, sizeof conninfo, "host=%s dbname=postgres user=postgres", server->folder);
  server->url = harness_url_with(conninfo, NULL, NULL, NULL);
  return server;
}

const char *harness_server_url(const harness_server *server) {
  return server->url;
}

void harness_server_kill(harness_server *server) {
  must("kill", server);
}

void harness_server_restart(harness_server *server) {
  must("restart", server);
}

void harness_server_remove(harness_server *server) {
  for (int i = 0; i < n_servers; i++) {
    if (servers[i] == server) {
      servers[i] = servers[--n_servers];
      must("remove", server);
      free(server->url);
      free(server);
      return;
    }
  }
}
