/* SPDX-License-Identifier: PostgreSQL */
/*
 * Making a view over tenants: it is written down with its members in one
 * transaction, and then settled like any other.
 */
#include <string.h>

#include "base/memory.h"
#include "catalog/tenants.h"
#include "catalog/text_array.h"
#include "registry/resolve.h"
#include "sql/identifier.h"
#include "tenant/view.h"
#include "tenant/view_options.h"

/* ---------------------------------------------------------------- creating: what is asked for */

typedef struct creation {
  const char *name;
  char id[TNDB_UUID_TEXT];
  tndb_target target;
  tndb_view_settings settings;
  tndb_view_columns columns;
  tndb_text_array ids;    /* of the tenants on the list */
  tndb_text_array wanted; /* names of columns, when they are chosen */
} creation;

static tenantdb_status check_target(const tndb_target *target, const char *table, tenantdb_error **error) {
  bool fits = target->base->kind == TENANTDB_BASE_TENANT && target->entry->kind != 'S';
  return fits ? TENANTDB_OK
              : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                            "%.130s is no table or view of a tenant base, so there is nothing of it to put "
                            "together",
                            table);
}

/* $1 schema, $2 name, $3 reader, $4 the names of tenants. */
static const char check_sql[] =
    "SELECT EXISTS (SELECT FROM %sviews WHERE name = $2) OR EXISTS (SELECT FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2),"
    " EXISTS (SELECT FROM %stenants WHERE schema_name = $1 AND state <> 'deleted'),"
    " $3::text IS NOT NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = $3),"
    " EXISTS (SELECT FROM %scatalog WHERE group_role = $3) OR EXISTS (SELECT FROM %stenants t JOIN"
    " pg_catalog.pg_roles r ON r.rolname = t.role_name JOIN pg_catalog.pg_roles x ON x.rolname = $3 WHERE"
    " t.state <> 'deleted' AND pg_catalog.pg_has_role(r.oid, x.oid, 'MEMBER'))";
static const char names_sql[] =
    "SELECT w.name, coalesce((SELECT t.id FROM %stenants t WHERE t.state <> 'deleted' AND t.id = CASE WHEN"
    " w.name ~ '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' THEN w.name::uuid END),"
    " (SELECT t.id FROM %stenants t WHERE t.state <> 'deleted' AND lower(t.slug COLLATE \"C\") ="
    " lower(w.name COLLATE \"C\"))) FROM pg_catalog.unnest($1::text[]) w (name)";

static tenantdb_status judge(const creation *new_view, const PGresult *row, tenantdb_error **error) {
  const tndb_view_settings *settings = &new_view->settings;
  if (PQgetvalue(row, 0, 0)[0] == 't') {
    return tndb_origin(error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_VIEW_EXISTS,
                       "there is a view over tenants \"%s\", or something of that name in schema %s, "
                       "already; it was not touched",
                       new_view->name, settings->schema);
  }
  if (PQgetvalue(row, 0, 1)[0] == 't') {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "view option schema: \"%s\" is a tenant's schema", settings->schema);
  }
  if (PQgetvalue(row, 0, 2)[0] == 't') {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "view option reader: there is no role \"%s\"; make one with CREATE ROLE, and grant it "
                       "to who reads reports",
                       settings->reader);
  }
  if (PQgetvalue(row, 0, 3)[0] == 't') {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "view option reader: tenants' roles are, or belong to, \"%s\", and would read one "
                       "another's rows",
                       settings->reader);
  }
  return TENANTDB_OK;
}

static tenantdb_status read_ids(tndb_work *work, creation *new_view, tenantdb_error **error) {
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  PGresult *rows;
  for (size_t i = 0; i < new_view->settings.n_tenants; i++) {
    tndb_text_array_add(&names, new_view->settings.tenants[i]);
  }
  const char *value = tndb_text_array_finish(&names);
  if (!value) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_view_query(work, names_sql, 1, &value, &rows, error);
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    if (PQgetisnull(rows, i, 1)) {
      status = tndb_tenant_unknown(PQgetvalue(rows, i, 0), error);
    } else {
      tndb_text_array_add(&new_view->ids, PQgetvalue(rows, i, 1));
    }
  }
  PQclear(rows);
  return status;
}

/* Everything that can be said before anything is made. */
static tenantdb_status check(tndb_work *work, creation *new_view, tenantdb_error **error) {
  const tndb_view_settings *settings = &new_view->settings;
  const char *values[] = {settings->schema, new_view->name, settings->reader};
  PGresult *row;
  tenantdb_status status = tndb_view_query(work, check_sql, 3, values, &row, error);
  if (!status) {
    status = judge(new_view, row, error);
    PQclear(row);
  }
  if (!status && settings->listed) {
    status = read_ids(work, new_view, error);
  }
  if (!status) {
    tndb_view_wanted wanted = {settings->columns, settings->n_columns, settings->tenant_column};
    status = tndb_view_columns_read(work, new_view->target.entry->name, &wanted, &new_view->columns, error);
  }
  for (size_t i = 0; i < settings->n_columns; i++) {
    tndb_text_array_add(&new_view->wanted, settings->columns[i]);
  }
  return status;
}

/* ---------------------------------------------------------------- creating */

static const char insert_sql[] =
    "INSERT INTO %sviews (id, name, schema_name, base, table_name, tenant_column, shows, wanted_columns,"
    " column_names, column_types, column_collations, tenants, selector, reader, barrier) VALUES ($1,"
    " $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

/*
 * The table of views is closed for a moment: a tenant who is being created
 * would neither be seen here, nor see the view he has to be marked for.
 */
static tenantdb_status queue_creation(tndb_work *work, creation *new_view, tenantdb_error **error) {
  const tndb_view_settings *settings = &new_view->settings;
  const char *wanted = tndb_text_array_finish(&new_view->wanted);
  const char *ids = tndb_text_array_finish(&new_view->ids);
  const char *values[] = {new_view->id,
                          new_view->name,
                          settings->schema,
                          new_view->target.base->name,
                          new_view->target.entry->name,
                          settings->tenant_column,
                          settings->by_id ? "id" : "slug",
                          settings->n_columns ? wanted : NULL,
                          new_view->columns.names,
                          new_view->columns.types,
                          new_view->columns.collations,
                          settings->listed ? ids : NULL,
                          settings->selector,
                          settings->reader,
                          settings->barrier ? "true" : "false"};
  tenantdb_status status = wanted && ids ? TENANTDB_OK : tndb_no_memory(error);
  if (!status) {
    status = tndb_work_ensure_schema(work, settings->schema, error);
  }
  if (!status) {
    (void)tndb_view_send(work, "LOCK TABLE %sviews IN ACCESS EXCLUSIVE MODE", 0, NULL);
    (void)tndb_view_send(work, insert_sql, 15, values);
    status = tndb_view_send_members(work, new_view->id, settings->selector ? settings->selector : "", error);
    tndb_view_record(work, new_view->id, new_view->name, "create view");
  }
  return status;
}

/* The first transaction: the view is written down, and nothing of it is there to be read. */
static tenantdb_status write_down(tenantdb *db, creation *new_view, tenantdb_error **error) {
  tndb_work work = {0};
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  tndb_buffer_append(&lock, "view:");
  tndb_buffer_append(&lock, new_view->name);
  tenantdb_status status =
      lock.failed ? tndb_no_memory(error) : tndb_work_start(&work, db, tndb_buffer_text(&lock), true, error);
  if (!status) {
    status = check(&work, new_view, error);
  }
  if (!status) {
    status = queue_creation(&work, new_view, error);
  }
  if (!status) {
    status = tndb_work_commit(&work, error);
  }
  tndb_work_end(&work);
  return status;
}

static tenantdb_status create(tenantdb *db, const char *table, creation *new_view, tenantdb_error **error) {
  tenantdb_status status =
      tndb_registry_resolve(db->registry, NULL, table, strlen(table), &new_view->target, error);
  if (!status) {
    status = check_target(&new_view->target, table, error);
  }
  if (!status && strcmp(new_view->settings.schema, tndb_config_text(db->config, TNDB_CATALOG_SCHEMA)) == 0) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                         "view option schema: \"%s\" is the catalog's schema", new_view->settings.schema);
  }
  if (!status && !tndb_uuid_new(new_view->id)) {
    status =
        tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL, "the system gives no random bytes");
  }
  if (!status) {
    status = write_down(db, new_view, error);
  }
  if (status) {
    return status;
  }
  tenantdb_error *own = NULL;
  status = tndb_view_settle(db, new_view->name, &own);
  if (status) {
    (void)tndb_view_drop(db, new_view->name, NULL);
    if (strcmp(tenantdb_error_sqlstate(own), "42P07") == 0) {
      status = tndb_error_fold(&own, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_VIEW_EXISTS);
    }
    return tndb_error_pass(error, own);
  }
  return TENANTDB_OK;
}

tenantdb_status tenantdb_view_create(tenantdb *db, const char *name, const char *table,
                                     const tenantdb_view_options *options, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!name || !table) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       name ? "table" : "name");
  }
  tenantdb_status status = tndb_database_check(db, error);
  creation new_view = {.name = name, .ids = TNDB_TEXT_ARRAY_INIT, .wanted = TNDB_TEXT_ARRAY_INIT};
  if (!status) {
    status = tndb_view_settings_read(options, &new_view.settings, error);
  }
  if (!status) {
    status = tndb_identifier_check("the view's name", name, error);
  }
  if (!status) {
    status = create(db, table, &new_view, error);
  }
  tndb_view_columns_free(&new_view.columns);
  tndb_text_array_free(&new_view.ids);
  tndb_text_array_free(&new_view.wanted);
  return status;
}
