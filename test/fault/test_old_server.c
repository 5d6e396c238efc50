/* SPDX-License-Identifier: PostgreSQL */
/* Servers that will not do, played by a stand-in that says what it is told to and no more. */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "pg/connection.h"

static tenantdb_error *error;

typedef struct stand_in {
  char folder[32];
  char path[64];
  char url[128];
  int socket;
  pthread_t thread;
  const char *version, *encoding, *strings; /* NULL: not told */
  const char *fatal;                        /* refuse with this SQLSTATE instead */
  bool silent;                              /* answer nothing */
} stand_in;

static size_t put(unsigned char *to, char type, const char *first, const char *second, bool zero) {
  size_t length = 4;
  to[0] = (unsigned char)type;
  if (first) {
    memcpy(to + 1 + length, first, strlen(first) + 1);
    length += strlen(first) + 1;
  }
  if (second) {
    memcpy(to + 1 + length, second, strlen(second) + 1);
    length += strlen(second) + 1;
  }
  if (zero) {
    to[1 + length++] = 0;
  }
  to[1] = to[2] = 0;
  to[3] = (unsigned char)(length >> 8);
  to[4] = (unsigned char)length;
  return length + 1;
}

static size_t greet(const stand_in *server, unsigned char *to) {
  static const unsigned char ok[] = {'R', 0, 0, 0, 8, 0, 0, 0, 0};
  static const unsigned char key[] = {'K', 0, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 9};
  static const unsigned char ready[] = {'Z', 0, 0, 0, 5, 'I'};
  size_t n = 0;
  if (server->fatal) {
    char fields[128];
    int length = snprintf(fields, sizeof fields, "SFATAL%cVFATAL%cC%s%cMno%c", 0, 0, server->fatal, 0, 0);
    to[0] = 'E';
    to[1] = to[2] = to[3] = 0;
    to[4] = (unsigned char)(length + 5);
    memcpy(to + 5, fields, (size_t)length);
    to[5 + length] = 0;
    return (size_t)length + 6;
  }
  memcpy(to, ok, sizeof ok);
  n += sizeof ok;
  const char *told[][2] = {{"server_version", server->version},
                           {"client_encoding", server->encoding},
                           {"standard_conforming_strings", server->strings}};
  for (size_t i = 0; i < 3; i++) {
    n += told[i][1] ? put(to + n, 'S', told[i][0], told[i][1], false) : 0;
  }
  memcpy(to + n, key, sizeof key);
  memcpy(to + n + sizeof key, ready, sizeof ready);
  return n + sizeof key + sizeof ready;
}

/* One connection after the other, until the listening socket is shut down. */
static void *serve(void *user) {
  const stand_in *server = user;
  for (;;) {
    int peer = accept(server->socket, NULL, NULL);
    if (peer < 0) {
      return NULL;
    }
    unsigned char bytes[2048];
    ssize_t n = read(peer, bytes, sizeof bytes);
    if (n > 0 && !server->silent) {
      n = write(peer, bytes, greet(server, bytes));
    }
    while (n > 0 && (n = read(peer, bytes, sizeof bytes)) > 0) {
    }
    close(peer);
  }
}

static void start(stand_in *server) {
  strcpy(server->folder, "/tmp/tdbXXXXXX");
  assert_non_null(mkdtemp(server->folder));
  snprintf(server->path, sizeof server->path, "%s/.s.PGSQL.5432", server->folder);
  snprintf(server->url, sizeof server->url, "host=%s user=x dbname=x", server->folder);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "%s", server->path);
  server->socket = socket(AF_UNIX, SOCK_STREAM, 0);
  assert_int_equal(bind(server->socket, (struct sockaddr *)&address, sizeof address), 0);
  assert_int_equal(listen(server->socket, 4), 0);
  assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(stand_in *server) {
  shutdown(server->socket, SHUT_RDWR);
  pthread_join(server->thread, NULL);
  close(server->socket);
  unlink(server->path);
  rmdir(server->folder);
}

static tenantdb_error *refused(stand_in server) {
  start(&server);
  tenantdb_error *failure =
      fixture_refused(server.url, NULL, FIXTURE_OPTIONS("database.connect_timeout", "500ms"));
  stop(&server);
  return failure;
}

static void test_versions(void **state) {
  (void)state;
  static const int old[] = {1, 90624, 120022, 129999};
  for (size_t i = 0; i < sizeof old / sizeof old[0]; i++) {
    fixture_assert_refused(tndb_conn_check_version(old[i], &error), error, TENANTDB_UNSUPPORTED,
                           TENANTDB_REASON_SERVER_TOO_OLD, "version 13 or newer is needed");
  }
  static const int fine[] = {130000, 130023, 150018, 180004, 990000};
  for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++) {
    harness_assert_ok(tndb_conn_check_version(fine[i], &error), error);
  }
}

static void test_too_old(void **state) {
  (void)state;
  static const struct {
    const char *version, *text;
  } old[] = {{"12.22", "the server is PostgreSQL 12.22; version 13 or newer is needed"},
             {"10.0", "the server is PostgreSQL 10.0; version 13 or newer is needed"},
             {"9.6.24", "version 13 or newer is needed"}};
  for (size_t i = 0; i < 3; i++) {
    fixture_assert_error(refused((stand_in){.version = old[i].version, .encoding = "UTF8", .strings = "on"}),
                         TENANTDB_UNSUPPORTED, TENANTDB_REASON_SERVER_TOO_OLD, old[i].text);
  }
}

/* A diagnosis says so too, and names the place and the version. */
static void test_diagnosed(void **state) {
  (void)state;
  stand_in server = {.version = "12.22", .encoding = "UTF8", .strings = "on"};
  tenantdb_result *findings = NULL;
  start(&server);
  tenantdb_config *config = fixture_config(server.url, NULL);
  tenantdb_status status = tenantdb_diagnose_connection(config, &findings, &error);
  stop(&server);
  harness_assert_ok(status, error);
  assert_int_equal(tenantdb_result_rows(findings), 1);
  assert_string_equal(tenantdb_result_value(findings, 0, 0), "error");
  assert_string_equal(tenantdb_result_value(findings, 0, 1), "server-too-old");
  assert_non_null(strstr(tenantdb_result_value(findings, 0, 3), server.folder));
  assert_non_null(strstr(tenantdb_result_value(findings, 0, 4), "the server is PostgreSQL 12.22"));
  assert_string_equal(tenantdb_result_value(findings, 0, 6), "upgrade the server");
  assert_true(tenantdb_result_is_null(findings, 0, 7));
  tenantdb_result_free(findings);
  tenantdb_config_free(config);
}

static void test_unfit(void **state) {
  (void)state;
  fixture_assert_error(refused((stand_in){.version = "15.18", .encoding = "SQL_ASCII", .strings = "on"}),
                       TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_UNFIT,
                       "client_encoding is SQL_ASCII instead of UTF8");
  fixture_assert_error(refused((stand_in){.version = "15.18", .encoding = NULL, .strings = "on"}),
                       TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_UNFIT, "client_encoding is unknown");
  fixture_assert_error(refused((stand_in){.version = "15.18", .encoding = "UTF8", .strings = "off"}),
                       TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_UNFIT,
                       "standard_conforming_strings is off");
  fixture_assert_error(refused((stand_in){.version = NULL, .encoding = "UTF8", .strings = "on"}),
                       TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_UNFIT, "did not tell its version");
}

/* What a server may refuse a connection with, without and with a SQLSTATE. */
static void test_refusals(void **state) {
  (void)state;
  static const struct {
    const char *code;
    tenantdb_status status;
    int32_t reason;
  } cases[] = {
      {"57P03", TENANTDB_BUSY, TENANTDB_REASON_SERVER_STARTING},
      {"53300", TENANTDB_BUSY, TENANTDB_REASON_SERVER_FULL},
      {"28000", TENANTDB_PERMISSION, TENANTDB_REASON_AUTHENTICATION},
      {"3D000", TENANTDB_NOT_FOUND, TENANTDB_REASON_DATABASE_MISSING},
      {"08P01", TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED},
      {"22023", TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED},
      {"XX000", TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED},
      {"odd", TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    fixture_assert_error(refused((stand_in){.fatal = cases[i].code}), cases[i].status, cases[i].reason,
                         "cannot connect: ");
  }
}

static void test_silent(void **state) {
  (void)state;
  fixture_assert_error(refused((stand_in){.silent = true}), TENANTDB_TIMEOUT, TENANTDB_REASON_CONNECT_TIMEOUT,
                       "no connection within database.connect_timeout");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_versions), cmocka_unit_test(test_too_old), cmocka_unit_test(test_unfit),
      cmocka_unit_test(test_refusals), cmocka_unit_test(test_silent),  cmocka_unit_test(test_diagnosed),
  };
  return cmocka_run_group_tests_name("old server", tests, NULL, NULL);
}
