/* SPDX-License-Identifier: PostgreSQL */
/* Archives in memory, and databases that they come from and go to. */
#ifndef TNDB_ARCHIVE_BYTES_H
#define TNDB_ARCHIVE_BYTES_H

#include "archive_registry.h"

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
  tenantdb_error *failure = NULL;
  harness_assert_ok(tenantdb_tenant_export(from, tenant, NULL, collect, &all, &failure), failure);
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
                                        const tenantdb_archive_options *options, tenantdb_error **failure) {
  supply from = {all, 0};
  return tenantdb_tenant_import(into, slug, NULL, give, &from, options, NULL, failure);
}

static inline tenantdb_archive_options *option(const char *key, const char *value) {
  tenantdb_archive_options *options = tenantdb_archive_options_new();
  tenantdb_archive_options_set(options, key, value);
  return options;
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

/* Tenants of "CREATE TABLE things (…)", and a shared table. */
static inline tenantdb *with_things(const char **its_url, const char *sql) {
  tenantdb_registry *registry = tenantdb_registry_new();
  tenantdb_base_sql(tenantdb_registry_base(registry, "Central", TENANTDB_BASE_SHARED),
                    "CREATE TABLE plans (id integer PRIMARY KEY)");
  tenantdb_base_sql(tenantdb_registry_base(registry, "Service", TENANTDB_BASE_TENANT), sql);
  *its_url = harness_database();
  tenantdb *it = fixture_open(*its_url, registry, NULL);
  tenantdb_error *failure = NULL;
  harness_assert_ok(tenantdb_bootstrap(it, &failure), failure);
  return it;
}

#endif
