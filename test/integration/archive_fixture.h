/* SPDX-License-Identifier: PostgreSQL */
/* What tests of archives share: a tenant with a bit of everything, and ways there and back. */
#ifndef ARCHIVE_FIXTURE_H
#define ARCHIVE_FIXTURE_H

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive_registry.h"
#include "resident.h"
#include "tenant/archive_content.h"

static const char *url;
static tenantdb *db;
static tenantdb_error *error;
static char *source;

/* An archive in memory. */
typedef struct bytes {
  char *data;
  size_t length;
} bytes;

static inline int32_t collect(void *user, const void *part, size_t length) {
  bytes *all = user;
  all->data = realloc(all->data, all->length + length);
  memcpy(all->data + all->length, part, length);
  all->length += length;
  return 0;
}

static inline bytes export_of(tenantdb *from, const char *tenant) {
  bytes all = {NULL, 0};
  harness_assert_ok(tenantdb_tenant_export(from, tenant, NULL, collect, &all, &error), error);
  return all;
}

/* Gives an archive in pieces of whatever size is asked for, at most 1000 bytes. */
typedef struct supply {
  const bytes *all;
  size_t at;
} supply;

static inline int32_t give(void *user, void *buffer, size_t size, size_t *length) {
  supply *from = user;
  size_t left = from->all->length - from->at;
  *length = left < size ? left : size;
  *length = *length < 1000 ? *length : 1000;
  memcpy(buffer, from->all->data + from->at, *length);
  from->at += *length;
  return 0;
}

static inline tenantdb_status import_as(tenantdb *into, const char *slug, const bytes *all,
                                        const tenantdb_archive_options *options) {
  supply from = {all, 0};
  return tenantdb_tenant_import(into, slug, NULL, give, &from, options, NULL, &error);
}

static inline tenantdb_archive_options *option(const char *key, const char *value) {
  tenantdb_archive_options *options = tenantdb_archive_options_new();
  tenantdb_archive_options_set(options, key, value);
  return options;
}

static inline int setup(void **state) {
  (void)state;
  url = harness_database();
  db = archive_open(url, NULL);
  archive_shared(url);
  source = archive_fill(url, db, "acme");
  return 0;
}

static inline int teardown(void **state) {
  (void)state;
  free(source);
  tenantdb_close(db);
  harness_drop_database(url);
  return 0;
}

static inline void purge(const char *slug) {
  harness_assert_ok(tenantdb_tenant_purge(db, slug, 1, &error), error);
}

/* A second database with the same shared rows, or others. */
static inline tenantdb *second(const char **other_url, const char *shared, const char *const *options) {
  *other_url = harness_database();
  tenantdb *other = archive_open(*other_url, options);
  harness_sql(*other_url, "%s", shared);
  return other;
}

#define SAME_SHARED                                                           \
  "INSERT INTO plans VALUES (1, 'free'), (2, E'\"gold\"\\n'), (3, 'unused');" \
  "INSERT INTO regions VALUES ('AT', '7')"

#endif
