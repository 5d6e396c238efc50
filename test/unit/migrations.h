/* SPDX-License-Identifier: PostgreSQL */
/* Sets made of a text, folders made for a test, and what they answer. */
#ifndef TNDB_UNIT_MIGRATIONS_H
#define TNDB_UNIT_MIGRATIONS_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tenantdb.h>

#include "unit.h"

/* A set with one tenant's migration of version 1. */
static inline tenantdb_migrations *set_of(const char *sql) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "tenant", 1, "one", sql);
  return set;
}

/* The set is refused with a message that holds the text (NULL: it is not refused). Frees it. */
static inline void check_message(tenantdb_migrations *set, const char *text, int32_t reason) {
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_migrations_check(set, &error);
  if (!text) {
    if (status) {
      fail_msg("refused: %s", tenantdb_error_message(error));
    }
  } else if (!status || !strstr(tenantdb_error_message(error), text)) {
    fail_msg("wanted \"%s\", got \"%s\"", text, status ? tenantdb_error_message(error) : "OK");
  } else if (reason) {
    assert_int_equal(tenantdb_error_reason(error), reason);
  }
  tenantdb_error_free(error);
  tenantdb_migrations_free(set);
}

static inline void check_text(const char *sql, const char *text) {
  check_message(set_of(sql), text, text ? TENANTDB_REASON_BAD_MIGRATION : 0);
}

/* ---------------------------------------------------------------- folders */

static inline void path_of(char path[600], const char *folder, const char *name) {
  int length = snprintf(path, 600, "%s/%s", folder, name);
  assert_true(length > 0 && length < 600);
}

/* A new, empty folder; folder_remove() it. */
static inline char *folder_new(void) {
  char path[] = "/tmp/tenantdb-migrations-XXXXXX";
  assert_non_null(mkdtemp(path));
  return strdup(path);
}

static inline void folder_in(const char *folder, const char *name) {
  char path[600];
  path_of(path, folder, name);
  assert_int_equal(mkdir(path, 0700), 0);
}

static inline void file_bytes(const char *folder, const char *name, const char *bytes, size_t length) {
  char path[600];
  path_of(path, folder, name);
  FILE *file = fopen(path, "wb");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, length, file), length);
  assert_int_equal(fclose(file), 0);
}

static inline void file_in(const char *folder, const char *name, const char *text) {
  file_bytes(folder, name, text, strlen(text));
}

static inline void folder_empty(const char *folder) {
  DIR *directory = opendir(folder);
  assert_non_null(directory);
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
      char path[600];
      path_of(path, folder, entry->d_name);
      struct stat facts;
      assert_int_equal(lstat(path, &facts), 0);
      if (S_ISDIR(facts.st_mode)) {
        folder_empty(path);
        assert_int_equal(rmdir(path), 0);
      } else {
        assert_int_equal(unlink(path), 0);
      }
    }
  }
  closedir(directory);
}

static inline void folder_remove(char *folder) {
  folder_empty(folder);
  assert_int_equal(rmdir(folder), 0);
  free(folder);
}

#endif
