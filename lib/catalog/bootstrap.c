/* SPDX-License-Identifier: PostgreSQL */
/* Bootstrap: the catalog and the shared bases, in one transaction under one lock. */
#include <string.h>

#include "base/buffer.h"
#include "base/random.h"
#include "catalog/definition.h"
#include "catalog/newborn.h"
#include "catalog/shared.h"
#include "catalog/work.h"
#include "config/events.h"
#include "sql/identifier.h"

static const char schema_exists_sql[] = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1";

/* CREATE SCHEMA IF NOT EXISTS wants the privilege even when there is nothing to create. */
tenantdb_status tndb_work_ensure_schema(tndb_work *work, const char *schema, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = tndb_work_query(work, schema_exists_sql, 1, &schema, &rows, error);
  bool there = !status && PQntuples(rows) > 0;
  if (!status) {
    PQclear(rows);
  }
  if (status || there) {
    return status;
  }
  const tndb_facts *facts = &work->db->facts;
  if (!facts->create_schema) {
    return tndb_origin(error, TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION,
                       "user %s may not create schema %s: GRANT CREATE ON DATABASE \"%s\" TO \"%s\"",
                       facts->user, schema, facts->database, facts->user);
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "CREATE SCHEMA ");
  tndb_quote_identifier(&sql, schema);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  /* It is ours, so nobody loses anything: what default privileges may have given away is taken back. */
  tndb_buffer_clear(&sql);
  tndb_buffer_append(&sql, "REVOKE ALL ON SCHEMA ");
  tndb_quote_identifier(&sql, schema);
  tndb_buffer_append(&sql, " FROM PUBLIC");
  tndb_work_fail_if(work, sql.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  return TENANTDB_OK;
}

tenantdb_status tndb_work_set_path(tndb_work *work, const char *schema, tenantdb_error **error) {
  tndb_auto_buffer path = TNDB_BUFFER_INIT;
  tndb_path_append(&path, work->db, schema);
  if (path.failed) {
    return tndb_no_memory(error);
  }
  const char *value = tndb_buffer_text(&path);
  (void)tndb_work_send(work, "SELECT pg_catalog.set_config('search_path', $1, true)", 1, &value);
  return TENANTDB_OK;
}

/* A name that no other database of the server has: roles belong to all of them. */
static tenantdb_status create_group_role(tndb_work *work, tndb_catalog_row *row, tenantdb_error **error) {
  static const char hex[] = "0123456789abcdef";
  unsigned char bytes[8];
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (!tndb_random_bytes(bytes, sizeof bytes)) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system gives no random bytes");
  }
  tndb_buffer_append(&name, "tenantdb_group_");
  for (size_t i = 0; i < sizeof bytes; i++) {
    tndb_buffer_append_char(&name, hex[bytes[i] >> 4]);
    tndb_buffer_append_char(&name, hex[bytes[i] & 15]);
  }
  tndb_buffer_append(&sql, "CREATE ROLE ");
  tndb_quote_identifier(&sql, tndb_buffer_text(&name));
  tndb_buffer_append(&sql, " NOLOGIN ROLE CURRENT_USER");
  if (name.failed || sql.failed) {
    return tndb_no_memory(error);
  }
  memcpy(row->group_role, name.data, name.length + 1);
  row->grants_hash[0] = '\0'; /* what an earlier group was granted is of no use to this one */
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  const char *value = row->group_role;
  tndb_buffer_clear(&sql);
  tndb_buffer_format(&sql, "UPDATE %scatalog SET group_role = $1, grants_hash = NULL", work->db->catalog);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 1, &value);
  /*
   * Functions are everybody's when they are made, and only the form without a
   * schema changes that. A superuser is left alone: his default would also hold
   * for the functions of extensions, which tenants are to have.
   */
  if (!work->db->facts.superuser) {
    (void)tndb_work_send(work, "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", 0, NULL);
  }
  return TENANTDB_OK;
}

static tenantdb_status upgrade(tndb_work *work, tndb_catalog_row *row, tenantdb_error **error) {
  const char *schema = tndb_config_text(work->db->config, TNDB_CATALOG_SCHEMA);
  tenantdb_status status = tndb_work_ensure_schema(work, schema, error);
  if (!status) {
    status = tndb_work_set_path(work, schema, error);
  }
  if (status) {
    return status;
  }
  for (int64_t version = row->version + 1; version <= TNDB_CATALOG_VERSION; version++) {
    for (const char *const *step = tndb_catalog_steps((int)version); *step; step++) {
      (void)tndb_work_send(work, *step, 0, NULL);
    }
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql,
                     "INSERT INTO %scatalog (version, library) VALUES (%d, $1) ON CONFLICT (one) DO UPDATE"
                     " SET version = excluded.version, library = excluded.library, upgraded_at = now()",
                     work->db->catalog, TNDB_CATALOG_VERSION);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  const char *library = tenantdb_version();
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 1, &library);
  status = tndb_work_sync(work, error);
  row->version = status ? row->version : TNDB_CATALOG_VERSION;
  if (status) {
    tndb_error_prefix(error, "creating the catalog in schema %s", schema);
  }
  return status;
}

/* Somebody has made shared tables by migrations: who has none in use leaves them to him who has. */
static tenantdb_status ask_ledger(tndb_work *work, tndb_shared_way *way, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  tndb_buffer_format(&sql, "SELECT 1 FROM %smigrations WHERE stream = 'shared' LIMIT 1", work->db->catalog);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_query(work, tndb_buffer_text(&sql), 0, NULL, &rows, error);
  if (!status && PQntuples(rows) > 0) {
    *way = TNDB_SHARED_LEAVE;
    tndb_config_write_event(
        work->db->config,
        &(tndb_event){.kind = TNDB_EVENT_MIGRATIONS_WAIT,
                      .message = "the shared schema is made by migrations and was left as it is: call "
                                 "tenantdb_use_migrations() before tenantdb_bootstrap()"});
  }
  PQclear(status ? NULL : rows);
  return status;
}

/* Shared tables are the registry's to make, unless migrations have them in hand. */
static tenantdb_status create_shared(tndb_work *work, tenantdb_error **error) {
  const tndb_newborn *newborn = tndb_newborn_of(work->db);
  tndb_shared_way way = TNDB_SHARED_DECLARED;
  tenantdb_status status =
      newborn ? newborn->functions->shared(newborn, work, &way, error) : ask_ledger(work, &way, error);
  if (!status && way != TNDB_SHARED_LEAVE) {
    status = tndb_shared_create(work, error);
  }
  if (!status && way == TNDB_SHARED_CREATE) {
    newborn->functions->queue_shared(newborn, work);
    status = tndb_work_sync(work, error);
  }
  return status;
}

static tenantdb_status bootstrap(tndb_work *work, tndb_catalog_row *row, tenantdb_error **error) {
  tenantdb *db = work->db;
  tenantdb_status status = tndb_work_sync(work, error); /* the lock: from here on nobody else bootstraps */
  if (!status) {
    status = tndb_catalog_read(db, work->conn, work->deadline, row, error);
  }
  if (!status && row->version > TNDB_CATALOG_VERSION) {
    status = tndb_origin(
        error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_CATALOG_NEWER,
        "the catalog is of version %lld, this library knows up to version %d: use a newer library",
        (long long)row->version, TNDB_CATALOG_VERSION);
  }
  bool is_new = row->version == 0;
  if (!status && row->version < TNDB_CATALOG_VERSION) {
    status = upgrade(work, row, error);
  }
  if (!status && !is_new) {
    status = tndb_shared_check_place(work, error);
  }
  if (!status && db->level >= TENANTDB_ISOLATION_ROLE && !row->group_role[0]) {
    status = create_group_role(work, row, error);
  }
  const char *shared = tndb_database_shared_schema(db);
  if (!status) {
    status = tndb_work_ensure_schema(work, shared, error);
  }
  if (!status) {
    status = tndb_work_set_path(work, shared, error);
  }
  if (!status) {
    status = create_shared(work, error);
  }
  if (!status) {
    status = tndb_shared_grant(work, row, error);
  }
  return status;
}

tenantdb_status tenantdb_bootstrap(tenantdb *db, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tndb_work work;
  tndb_catalog_row row;
  status = tndb_work_start(&work, db, "bootstrap", false, error);
  if (!status) {
    status = bootstrap(&work, &row, error);
  }
  if (!status) {
    status = tndb_work_commit(&work, error);
  }
  if (status == TENANTDB_UNKNOWN) {
    /* It is idempotent: doing it again is the answer, and the record that tells is the catalog itself. */
    tndb_error_set_retry(error, TENANTDB_RETRY_LATER);
  }
  tndb_work_end(&work);
  if (!status) {
    tndb_catalog_remember(db, &row);
  }
  return status;
}
