/* SPDX-License-Identifier: PostgreSQL */
/* tenantdb.sum: written on request only, and what it notices. */
#include "base/sha256.h"
#include "migrations.h"

typedef struct place {
  char *folder;
  char tenant[600];
  char sums[600];
} place;

static char *read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file) {
    return NULL;
  }
  char *text = calloc(1, 10000);
  assert_non_null(text);
  assert_true(fread(text, 1, 9999, file) > 0);
  fclose(file);
  return text;
}

static place place_new(void) {
  place made = {folder_new(), "", ""};
  path_of(made.tenant, made.folder, "tenant");
  path_of(made.sums, made.folder, "tenantdb.sum");
  folder_in(made.folder, "tenant");
  file_in(made.tenant, "1_a.sql", "CREATE TABLE a (x int);\n");
  file_in(made.tenant, "2_b.sql", "CREATE TABLE b (x int);\n");
  file_in(made.tenant, "2_b.down.sql", "DROP TABLE b;\n");
  return made;
}

static void hash(const place *where) {
  tenantdb_error *error = NULL;
  if (tenantdb_migrations_hash(where->folder, 1, NULL, &error)) {
    fail_msg("%s", tenantdb_error_message(error));
  }
}

static void loads(const place *where, const char *sums, const char *message, int32_t reason) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migrations_set(set, "sums", sums);
  (void)tenantdb_migrations_load(set, where->folder, NULL);
  check_message(set, message, reason);
}

static void differs(const place *where, const char *message) {
  loads(where, "check", message, TENANTDB_REASON_SUMS_DIFFER);
  loads(where, "require", message, TENANTDB_REASON_SUMS_DIFFER);
  loads(where, "ignore", NULL, 0);
}

static void the_text(void **state) {
  (void)state;
  place where = place_new();
  char *text = NULL, sum[TNDB_SHA256_HEX], line[200];
  assert_int_equal(tenantdb_migrations_hash(where.folder, 0, &text, NULL), TENANTDB_OK);
  assert_int_not_equal(access(where.sums, F_OK), 0); /* it only told */
  tndb_sha256_hex("CREATE TABLE a (x int);\n", 24, sum);
  snprintf(line, sizeof line, "\ntenant/1_a.sql sha256:%s\n", sum);
  assert_non_null(strstr(text, line));
  assert_non_null(strstr(text, "\ntenant/2_b.down.sql sha256:"));
  const char *body = strchr(text, '\n') + 1;
  tndb_sha256_hex(body, strlen(body), sum);
  snprintf(line, sizeof line, "tenantdb.sum 1 sha256:%s\n", sum);
  assert_int_equal(strncmp(text, line, strlen(line)), 0);
  tenantdb_string_free(text);

  hash(&where);
  char *written = read_file(where.sums);
  assert_non_null(written);
  assert_int_equal(tenantdb_migrations_hash(where.folder, 0, &text, NULL), TENANTDB_OK);
  assert_string_equal(written, text);
  tenantdb_string_free(text);
  free(written);
  loads(&where, "require", NULL, 0);
  folder_remove(where.folder);
}

static void who_may_read_it(void **state) {
  (void)state;
  place where = place_new();
  struct stat before, after;
  assert_int_equal(chmod(where.folder, 0755), 0);
  hash(&where);
  assert_int_equal(stat(where.sums, &before), 0);
  assert_int_equal(before.st_mode & 0777, 0644);
  hash(&where); /* nothing to write: the file is the same one */
  assert_int_equal(stat(where.sums, &after), 0);
  assert_int_equal(before.st_ino, after.st_ino);
  file_in(where.tenant, "3_c.sql", "SELECT 1;");
  hash(&where); /* another file under its name, never half of one */
  assert_int_equal(stat(where.sums, &after), 0);
  assert_int_not_equal(before.st_ino, after.st_ino);
  folder_remove(where.folder);
}

static void line_ends_do_not_matter(void **state) {
  (void)state;
  place where = place_new();
  hash(&where);
  file_in(where.tenant, "1_a.sql",
          "\xef\xbb\xbf"
          "CREATE TABLE a (x int);\r\n");
  loads(&where, "require", NULL, 0);
  char *written = read_file(where.sums);
  char other[10000];
  size_t length = 0;
  for (const char *at = written; *at; at++) {
    if (*at == '\n') {
      other[length++] = '\r';
    }
    other[length++] = *at;
  }
  file_bytes(where.folder, "tenantdb.sum", other, length);
  loads(&where, "require", NULL, 0);
  free(written);
  folder_remove(where.folder);
}

static void what_differs(void **state) {
  (void)state;
  char path[700], sum[TNDB_SHA256_HEX], message[300];
  place where = place_new();
  loads(&where, "require", "there is no file tenantdb.sum", TENANTDB_REASON_SUMS_DIFFER);
  loads(&where, "check", NULL, 0);
  hash(&where);

  file_in(where.tenant, "1_a.sql", "CREATE TABLE a (x bigint);\n");
  char old[TNDB_SHA256_HEX];
  tndb_sha256_hex("CREATE TABLE a (x int);\n", 24, old);
  tndb_sha256_hex("CREATE TABLE a (x bigint);\n", 27, sum);
  snprintf(message, sizeof message, "tenant/1_a.sql was edited: its sum is %s, and in tenantdb.sum it is %s;",
           sum, old);
  differs(&where, message);
  hash(&where);
  loads(&where, "check", NULL, 0);

  snprintf(path, sizeof path, "%s/2_b.down.sql", where.tenant);
  assert_int_equal(unlink(path), 0);
  differs(&where, "tenant/2_b.down.sql is missing; tenantdb.sum has it with the sum ");
  file_in(where.tenant, "0002_b.down.sql", "DROP TABLE b;\n");
  differs(&where, "tenant/2_b.down.sql is missing; tenantdb.sum has it with the sum ");
  hash(&where);

  file_in(where.tenant, "3_c.sql", "SELECT 1;");
  differs(&where, "tenant/3_c.sql is not in tenantdb.sum; its sum is ");
  file_in(where.tenant, "4_d.sql", "SELECT 1;");
  differs(&where, "(and 1 more differ)");
  folder_remove(where.folder);
}

static void what_was_done_to_the_file(void **state) {
  (void)state;
  place where = place_new();
  hash(&where);
  char *text = read_file(where.sums);
  /* A line and its file are gone together: only the total tells. */
  char *line = strstr(text, "tenant/2_b.down.sql"), *next = strchr(line, '\n') + 1;
  char *shorter = calloc(1, strlen(text) + 1);
  memcpy(shorter, text, (size_t)(line - text));
  strcpy(shorter + (line - text), next);
  file_in(where.folder, "tenantdb.sum", shorter);
  differs(&where, "tenant/2_b.down.sql is not in tenantdb.sum");
  char path[700];
  snprintf(path, sizeof path, "%s/2_b.down.sql", where.tenant);
  assert_int_equal(unlink(path), 0);
  differs(&where, "tenantdb.sum was edited by hand or merged: its lines have the sum ");
  free(shorter);

  static const char *const broken[] = {"", "tenantdb.sum 2 sha256:00\n", "tenantdb.sum 1 sha256:XY", "\n"};
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
    file_in(where.folder, "tenantdb.sum", broken[i]);
    loads(&where, "check", "tenantdb.sum, line 1: the line is not understood", TENANTDB_REASON_BAD_MIGRATION);
  }
  char *conflict = calloc(1, strlen(text) + 100);
  next = strchr(text, '\n') + 1;
  memcpy(conflict, text, (size_t)(next - text));
  strcat(conflict, "<<<<<<< HEAD\n");
  strcat(conflict, next);
  file_in(where.folder, "tenantdb.sum", conflict);
  loads(&where, "check", "tenantdb.sum, line 2: the line is not understood; was a merge left unfinished?",
        TENANTDB_REASON_BAD_MIGRATION);
  free(conflict);
  free(text);
  folder_empty(where.folder);
  folder_in(where.folder, "tenant");
  folder_in(where.folder, "tenantdb.sum");
  loads(&where, "check", "tenantdb.sum: it is no file", TENANTDB_REASON_BAD_MIGRATION);
  folder_remove(where.folder);
}

static void flat_folders(void **state) {
  (void)state;
  char *folder = folder_new();
  file_in(folder, "V1__a.sql", "SELECT 1;");
  file_in(folder, "V1__a.sql.conf", "executeInTransaction=false");
  assert_int_equal(tenantdb_migrations_hash(folder, 1, NULL, NULL), TENANTDB_OK);
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migrations_set(set, "sums", "require");
  assert_int_equal(tenantdb_migrations_load_stream(set, "shared", folder, NULL), TENANTDB_OK);
  tenantdb_migrations_free(set);
  file_in(folder, "V1__a.sql.conf", "executeInTransaction=true");
  set = tenantdb_migrations_new();
  assert_int_equal(tenantdb_migrations_load_stream(set, "shared", folder, NULL), TENANTDB_MIGRATION);
  check_message(set, "V1__a.sql.conf was edited", TENANTDB_REASON_SUMS_DIFFER);
  folder_remove(folder);
}

static void mistakes(void **state) {
  (void)state;
  char *text = (char *)"x", path[700];
  tenantdb_error *error = NULL;
  assert_int_equal(tenantdb_migrations_hash(NULL, 0, &text, &error), TENANTDB_ARGUMENT);
  assert_null(text);
  tenantdb_error_free(error);
  char *folder = folder_new();
  assert_int_equal(tenantdb_migrations_hash(folder, 2, NULL, &error), TENANTDB_ARGUMENT);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_BAD_ARGUMENT);
  tenantdb_error_free(error);
  path_of(path, folder, "none");
  assert_int_equal(tenantdb_migrations_hash(path, 1, NULL, &error), TENANTDB_NOT_FOUND);
  assert_int_equal(tenantdb_error_reason(error), TENANTDB_REASON_FILE);
  tenantdb_error_free(error);
  file_in(folder, "notes.txt", "x");
  assert_int_equal(tenantdb_migrations_hash(folder, 1, NULL, &error), TENANTDB_MIGRATION);
  assert_non_null(strstr(tenantdb_error_message(error), "notes.txt: it is no migration by its name"));
  tenantdb_error_free(error);
  path_of(path, folder, "tenantdb.sum");
  assert_int_not_equal(access(path, F_OK), 0);
  folder_remove(folder);
}

static void hash_it(void *user) {
  const place *where = user;
  char *text = NULL;
  tenantdb_error *error = NULL;
  (void)unlink(where->sums);
  tenantdb_status status = tenantdb_migrations_hash(where->folder, 1, &text, &error);
  if (status) {
    assert_int_equal(status, TENANTDB_MEMORY);
    assert_null(text);
  }
  tenantdb_error_free(error);
  tenantdb_string_free(text);
}

static void check_it(void *user) {
  const place *where = user;
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_error *error = NULL;
  (void)tenantdb_migrations_load(set, where->folder, &error);
  tenantdb_error_free(error);
  tenantdb_migrations_free(set);
}

static void memory(void **state) {
  (void)state;
  place where = place_new();
  assert_true(unit_fail_each(hash_it, &where, false) > 10);
  hash(&where);
  file_in(where.tenant, "1_a.sql", "SELECT 2;");
  file_in(where.tenant, "2_b.sql", "SELECT 3;");
  assert_true(unit_fail_each(check_it, &where, false) > 10);
  /* Nothing but the migrations and the sums is left behind. */
  DIR *directory = opendir(where.folder);
  int entries = 0;
  while (readdir(directory)) {
    entries++;
  }
  closedir(directory);
  assert_int_equal(entries, 4);
  folder_remove(where.folder);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_text),     cmocka_unit_test(who_may_read_it),
      cmocka_unit_test(what_differs), cmocka_unit_test(line_ends_do_not_matter),
      cmocka_unit_test(flat_folders), cmocka_unit_test(what_was_done_to_the_file),
      cmocka_unit_test(mistakes),     cmocka_unit_test(memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
