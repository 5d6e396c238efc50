/* SPDX-License-Identifier: PostgreSQL */
/*
 * Whether the shared tables are where the configuration says.
 *
 * What was made is written down without its schema, so that it may be moved; under
 * another database.schema everything would pass for made, and no statement would
 * find it. So before anything is done it is looked whether the tables are there:
 * as tables, or as the views that stand for them during a relocation. One that is
 * written down, not there, and found elsewhere with the declared columns is ours,
 * and in the wrong place. One that is nowhere may have been dropped on purpose by
 * who is newer than this registry; only when nothing at all is left it is said.
 */
#include <string.h>

#include "base/memory.h"
#include "catalog/shared.h"
#include "catalog/text_array.h"

/* Each declared table that is not in the shared schema, with a schema that has one of its name, or NULL. */
static const char absent_sql[] =
    "WITH w AS MATERIALIZED (SELECT name FROM pg_catalog.unnest($1::text[]) name WHERE NOT EXISTS (SELECT"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relname = name AND n.nspname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')))"
    " SELECT w.name, f.nspname FROM w LEFT JOIN (SELECT c.relname, n.nspname FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')"
    " AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', $3) AND NOT EXISTS (SELECT"
    " FROM %stenants t WHERE t.schema_name = n.nspname AND t.state <> 'deleted')) f ON f.relname = w.name"
    " ORDER BY f.nspname <> 'public', f.nspname, w.name";

enum { NAME, SCHEMA };

typedef struct finding {
  tndb_work *work;
  const tndb_relation *tables; /* the declared ones */
  size_t n_tables;
  PGresult *absent;
  tndb_map written;
  const char *schema; /* that has most of them; in `absent` */
  const char *table;  /* one of these */
  size_t most;
} finding;

static const char *cell(const finding *f, int row, int column) {
  return PQgetisnull(f->absent, row, column) ? NULL : PQgetvalue(f->absent, row, column);
}

/* Whether bootstrap made or adopted the table; a text may say {schema}, then it was made for that one. */
static bool is_written(const finding *f, const tndb_ddl *ddl, const char *table) {
  for (size_t i = 0; i < ddl->count; i++) {
    char hash[TNDB_SHA256_HEX];
    if (ddl->items[i].kind == TNDB_DDL_TABLE && strcmp(ddl->items[i].name, table) == 0) {
      tndb_shared_hash(&ddl->items[i], hash);
      return tndb_map_get(&f->written, hash) != NULL;
    }
  }
  return false;
}

static const tenantdb_table *declared(const finding *f, const char *name) {
  for (size_t i = 0; i < f->n_tables; i++) {
    if (strcmp(f->tables[i].name, name) == 0) {
      return f->tables[i].table;
    }
  }
  return NULL;
}

/* How many of the rows from `first` to `end`, all of one schema, are tables of ours. */
static tenantdb_status look_at(finding *f, int first, int end, tenantdb_error **error) {
  const char *schema = cell(f, first, SCHEMA);
  const char *table = NULL;
  tndb_ddl ddl = {NULL, 0};
  size_t count = 0;
  tenantdb_status status =
      tndb_registry_statements(f->work->db->registry, TENANTDB_BASE_SHARED, schema, schema, &ddl, error);
  for (int i = first; i < end && !status; i++) {
    const char *name = cell(f, i, NAME);
    bool fits = is_written(f, &ddl, name);
    if (fits) {
      status = tndb_shared_fits(f->work, schema, name, declared(f, name), &fits, NULL, error);
    }
    count += fits;
    table = fits && !table ? name : table;
  }
  if (!status && count > f->most) {
    f->most = count;
    f->schema = schema;
    f->table = table;
  }
  tndb_ddl_free(&ddl);
  return status;
}

static tenantdb_status refuse_elsewhere(const finding *f, tenantdb_error **error) {
  const char *shared = tndb_database_shared_schema(f->work->db);
  tndb_auto_buffer others = TNDB_BUFFER_INIT;
  if (f->most > 1) {
    tndb_buffer_format(&others, " and %zu more", f->most - 1);
  }
  return others.failed
             ? tndb_no_memory(error)
             : tndb_origin(
                   error, TENANTDB_STATE, TENANTDB_REASON_SHARED_TABLES_ELSEWHERE,
                   "the shared table \"%s\"%s %s in schema \"%s\", and option database.schema says "
                   "\"%s\": set it to \"%s\", or move what is there by tenantdb_relocate() with from = "
                   "%s and to = %s; another installation in the same database needs a catalog.schema "
                   "of its own",
                   f->table, f->most > 1 ? tndb_buffer_text(&others) : "", f->most > 1 ? "are" : "is",
                   f->schema, shared, f->schema, f->schema, shared);
}

/* When every declared table was made once, and there is none. */
static tenantdb_status check_lost(const finding *f, tenantdb_error **error) {
  const char *shared = tndb_database_shared_schema(f->work->db);
  tndb_ddl ddl = {NULL, 0};
  bool lost = true;
  tenantdb_status status =
      tndb_registry_statements(f->work->db->registry, TENANTDB_BASE_SHARED, shared, shared, &ddl, error);
  for (size_t i = 0; i < f->n_tables && !status; i++) {
    bool absent = false;
    for (int row = 0; row < PQntuples(f->absent) && !absent; row++) {
      absent = strcmp(cell(f, row, NAME), f->tables[i].name) == 0;
    }
    lost = lost && absent && is_written(f, &ddl, f->tables[i].name);
  }
  tndb_ddl_free(&ddl);
  if (status || !lost) {
    return status;
  }
  return tndb_origin(
      error, TENANTDB_STATE, TENANTDB_REASON_SHARED_TABLES_ELSEWHERE,
      "the shared table \"%s\" and all others that were made in this database are in no schema "
      "any more: restore them into schema \"%s\"; or have them made anew, without a row, after "
      "DELETE FROM %sshared_objects",
      f->tables[0].name, shared, f->work->db->catalog);
}

static tenantdb_status judge(finding *f, tenantdb_error **error) {
  int count = PQntuples(f->absent);
  tenantdb_status status = count > 0 ? tndb_shared_written(f->work, &f->written, error) : TENANTDB_OK;
  if (status || f->written.count == 0) {
    return status;
  }
  for (int first = 0, end; first < count && cell(f, first, SCHEMA) && !status; first = end) {
    for (end = first + 1;
         end < count && cell(f, end, SCHEMA) && strcmp(cell(f, end, SCHEMA), cell(f, first, SCHEMA)) == 0;) {
      end++;
    }
    status = look_at(f, first, end, error);
  }
  if (status) {
    return status;
  }
  return f->most > 0 ? refuse_elsewhere(f, error) : check_lost(f, error);
}

static tenantdb_status ask(finding *f, tenantdb_error **error) {
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < f->n_tables; i++) {
    tndb_text_array_add(&names, f->tables[i].name);
  }
  const tenantdb *db = f->work->db;
  const char *values[] = {tndb_text_array_finish(&names), tndb_database_shared_schema(db),
                          tndb_config_text(db->config, TNDB_CATALOG_SCHEMA)};
  tndb_buffer_format(&sql, absent_sql, db->catalog);
  return !values[0] || sql.failed
             ? tndb_no_memory(error)
             : tndb_work_query(f->work, tndb_buffer_text(&sql), 3, values, &f->absent, error);
}

tenantdb_status tndb_shared_check_place(tndb_work *work, tenantdb_error **error) {
  size_t count = tndb_registry_relations(work->db->registry, TENANTDB_BASE_SHARED, NULL, 0);
  tndb_relation *tables = tndb_alloc_array(count + 1, sizeof *tables);
  finding f = {.work = work, .tables = tables};
  if (!tables) {
    return tndb_no_memory(error);
  }
  (void)tndb_registry_relations(work->db->registry, TENANTDB_BASE_SHARED, tables, count);
  for (size_t i = 0; i < count; i++) {
    if (tables[i].kind == 'r' || tables[i].kind == 'p') {
      tables[f.n_tables++] = tables[i];
    }
  }
  tenantdb_status status = f.n_tables > 0 ? ask(&f, error) : TENANTDB_OK;
  if (!status && f.n_tables > 0) {
    status = judge(&f, error);
    PQclear(f.absent);
  }
  tndb_map_free(&f.written);
  tndb_free(tables);
  return status;
}
