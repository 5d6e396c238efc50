/* SPDX-License-Identifier: PostgreSQL */
/*
 * References to shared rows, looked up. The archive's keys go into a table in
 * the new schema, which is dropped before the commit: r1 … are the keys as they
 * were, k1 … the natural keys of their rows, m1 … the keys as they are to be, and
 * how is what was found.
 */
#include <string.h>

#include "base/memory.h"
#include "sql/identifier.h"
#include "tenant/import.h"

/* The one that the archive is at. */
static size_t at_hand(const tenantdb_import *target) {
  return target->archive.read_references - 1;
}

static void append_helper(tndb_buffer *sql, const tenantdb_import *target, size_t which) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_buffer_format(&name, "tenantdb_keys_%zu_%.8s", which, target->filling.work.operation);
  sql->failed = sql->failed || name.failed;
  tndb_shape_name(sql, target->filling.creation.names.schema, tndb_buffer_text(&name));
}

static void append_shared(tndb_buffer *sql, const tenantdb_import *target, size_t which) {
  tndb_shape_name(sql, tndb_database_shared_schema(target->filling.creation.db),
                  target->archive.references[which].shared);
}

/* "<prefix>1 <between> <prefix>2 …" */
static void append_numbered(tndb_buffer *sql, const char *prefix, size_t count, const char *between) {
  for (size_t i = 0; i < count; i++) {
    tndb_buffer_format(sql, "%s%s%zu", i ? between : "", prefix, i + 1);
  }
}

/* "s.<name> = h.<prefix>1 AND …" */
static void append_equal(tndb_buffer *sql, const tndb_names *names, const char *prefix) {
  for (size_t i = 0; i < names->count; i++) {
    tndb_buffer_append(sql, i ? " AND s." : "s.");
    tndb_quote_identifier(sql, names->items[i]);
    tndb_buffer_format(sql, " = h.%s%zu", prefix, i + 1);
  }
}

static tenantdb_status run(tenantdb_import *target, const tndb_buffer *sql, tenantdb_error **error) {
  (void)tndb_filling_step(&target->filling);
  tndb_work_fail_if(&target->filling.work, sql->failed);
  (void)tndb_work_send(&target->filling.work, tndb_buffer_text(sql), 0, NULL);
  return tndb_work_sync(&target->filling.work, error);
}

/* ---------------------------------------------------------------- loading */

static bool has_column(const PGresult *columns, const char *name) {
  for (int i = 0; i < PQntuples(columns); i++) {
    if (strcmp(PQgetvalue(columns, i, 0), name) == 0) {
      return true;
    }
  }
  return false;
}

/* Whether the shared table is there, with the columns that are referred to; and with those of the natural
 * key. */
static tenantdb_status find_shared(tenantdb_import *target, size_t which, tenantdb_error **error) {
  static const char columns_sql[] =
      "SELECT a.attname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
      " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
      " WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')";
  const tndb_archive_reference *reference = &target->archive.references[which];
  const char *values[] = {tndb_database_shared_schema(target->filling.creation.db), reference->shared};
  PGresult *columns;
  tenantdb_status status = tndb_work_query(&target->filling.work, columns_sql, 2, values, &columns, error);
  if (status) {
    return status;
  }
  for (size_t i = 0; !status && i < reference->target.count; i++) {
    if (!has_column(columns, reference->target.items[i])) {
      status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_DIFFERS,
                           "the archive's table %s refers to shared table %s (%s), which schema %s has not",
                           target->archive.shape.tables[reference->table].name, reference->shared,
                           reference->target.items[i], values[0]);
    }
  }
  target->resolved[which].natural = reference->natural.count > 0;
  for (size_t i = 0; i < reference->natural.count; i++) {
    target->resolved[which].natural =
        target->resolved[which].natural && has_column(columns, reference->natural.items[i]);
  }
  PQclear(columns);
  return status;
}

static void append_create(tndb_buffer *sql, const tenantdb_import *target, size_t which) {
  const tndb_archive_reference *reference = &target->archive.references[which];
  tndb_buffer_append(sql, "CREATE UNLOGGED TABLE ");
  append_helper(sql, target, which);
  tndb_buffer_append(sql, " AS SELECT ");
  for (int turn = 0; turn < 2; turn++) {
    for (size_t i = 0; i < reference->target.count; i++) {
      tndb_buffer_append(sql, "s.");
      tndb_quote_identifier(sql, reference->target.items[i]);
      tndb_buffer_format(sql, " AS %c%zu, ", "rm"[turn], i + 1);
    }
  }
  for (size_t i = 0; i < reference->natural.count; i++) {
    bool there = target->resolved[which].natural;
    tndb_buffer_append(sql, there ? "s." : "''::pg_catalog.text");
    if (there) {
      tndb_quote_identifier(sql, reference->natural.items[i]);
    }
    tndb_buffer_format(sql, " AS k%zu, ", i + 1);
  }
  tndb_buffer_append(sql, "''::pg_catalog.text AS how FROM ");
  append_shared(sql, target, which);
  tndb_buffer_append(sql, " s WHERE false");
}

tenantdb_status tndb_import_keys_begin(tenantdb_import *target, tenantdb_error **error) {
  size_t which = at_hand(target);
  const tndb_archive_reference *reference = &target->archive.references[which];
  const char *table = target->archive.shape.tables[reference->table].name;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer copy = TNDB_BUFFER_INIT;
  target->skipping = !tndb_shape_find(&target->filling.shape, table);
  target->resolved[which].ignored = target->skipping;
  if (target->skipping) {
    return TENANTDB_OK;
  }
  tenantdb_status status = find_shared(target, which, error);
  if (!status) {
    append_create(&sql, target, which);
    status = run(target, &sql, error);
  }
  if (status) {
    return status;
  }
  tndb_buffer_append(&copy, "COPY ");
  append_helper(&copy, target, which);
  tndb_buffer_append(&copy, " (");
  append_numbered(&copy, "r", reference->columns.count, ", ");
  tndb_buffer_append(&copy, reference->natural.count ? ", " : "");
  append_numbered(&copy, "k", reference->natural.count, ", ");
  tndb_buffer_append(&copy, ") FROM STDIN");
  return tndb_import_copy(target, &copy, error);
}

/* ---------------------------------------------------------------- looking up */

/* By the natural key, where it leads to one row only. */
static tenantdb_status find_by_key(tenantdb_import *target, size_t which, tenantdb_error **error) {
  const tndb_archive_reference *reference = &target->archive.references[which];
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (!target->resolved[which].natural) {
    return TENANTDB_OK;
  }
  tndb_buffer_append(&sql, "UPDATE ");
  append_helper(&sql, target, which);
  tndb_buffer_append(&sql, " h SET ");
  for (size_t i = 0; i < reference->target.count; i++) {
    tndb_buffer_format(&sql, "m%zu = s.", i + 1);
    tndb_quote_identifier(&sql, reference->target.items[i]);
    tndb_buffer_append(&sql, ", ");
  }
  tndb_buffer_append(&sql, "how = CASE WHEN ");
  append_equal(&sql, &reference->target, "r");
  tndb_buffer_append(&sql,
                     " THEN 'kept' ELSE 'mapped' END FROM (SELECT s.*, pg_catalog.count(*) OVER"
                     " (PARTITION BY ");
  for (size_t i = 0; i < reference->natural.count; i++) {
    tndb_buffer_append(&sql, i ? ", s." : "s.");
    tndb_quote_identifier(&sql, reference->natural.items[i]);
  }
  tndb_buffer_append(&sql, ") AS \"tenantdb: times\" FROM ");
  append_shared(&sql, target, which);
  tndb_buffer_append(&sql, " s) s WHERE h.how IS NULL AND s.\"tenantdb: times\" = 1 AND ");
  append_equal(&sql, &reference->natural, "k");
  return run(target, &sql, error);
}

static tenantdb_status find_by_id(tenantdb_import *target, size_t which, tenantdb_error **error) {
  const tndb_archive_reference *reference = &target->archive.references[which];
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "UPDATE ");
  append_helper(&sql, target, which);
  tndb_buffer_append(&sql, " h SET how = 'kept' FROM ");
  append_shared(&sql, target, which);
  tndb_buffer_append(&sql, " s WHERE h.how IS NULL AND ");
  append_equal(&sql, &reference->target, "r");
  return run(target, &sql, error);
}

static tenantdb_status count(tenantdb_import *target, size_t which, PGresult **rows, tenantdb_error **error) {
  const tndb_archive_reference *reference = &target->archive.references[which];
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql,
                     "SELECT pg_catalog.count(*) FILTER (WHERE how = 'kept'),"
                     " pg_catalog.count(*) FILTER (WHERE how = 'mapped'),"
                     " pg_catalog.count(*) FILTER (WHERE how IS NULL), (SELECT pg_catalog.string_agg(t, ', ')"
                     " FROM (SELECT CAST(ROW(");
  append_numbered(&sql, "r", reference->columns.count, ", ");
  tndb_buffer_append(&sql, reference->natural.count ? ", " : "");
  append_numbered(&sql, "k", reference->natural.count, ", ");
  tndb_buffer_append(&sql, ") AS pg_catalog.text) AS t FROM ");
  append_helper(&sql, target, which);
  tndb_buffer_append(&sql, " WHERE how IS NULL ORDER BY 1 LIMIT 10) q) FROM ");
  append_helper(&sql, target, which);
  return sql.failed ? tndb_no_memory(error)
                    : tndb_work_query(&target->filling.work, tndb_buffer_text(&sql), 0, NULL, rows, error);
}

/* ---------------------------------------------------------------- what is not found */

static const tndb_shape_column *column_of(const tenantdb_import *target,
                                          const tndb_archive_reference *reference, size_t i) {
  const char *table = target->archive.shape.tables[reference->table].name;
  const tndb_shape_table *here = tndb_shape_find(&target->filling.shape, table);
  return here ? tndb_shape_find_column(here, reference->columns.items[i]) : NULL;
}

static bool can_be_null(const tenantdb_import *target, const tndb_archive_reference *reference) {
  for (size_t i = 0; i < reference->columns.count; i++) {
    const tndb_shape_column *column = column_of(target, reference, i);
    if (column && !column->not_null) {
      return true;
    }
  }
  return false;
}

static tenantdb_status refuse(const tenantdb_import *target, size_t which, const PGresult *counts,
                              tenantdb_error **error) {
  const tndb_archive_reference *reference = &target->archive.references[which];
  const char *table = target->archive.shape.tables[reference->table].name;
  bool known = target->resolved[which].natural;
  bool wanted = target->filling.settings.null_missing;
  tndb_auto_buffer columns = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < reference->columns.count; i++) {
    tndb_buffer_append(&columns, i ? ", " : "");
    tndb_buffer_append(&columns, reference->columns.items[i]);
  }
  (void)tndb_origin(error, TENANTDB_CONSTRAINT, TENANTDB_REASON_REFERENCE_UNRESOLVED,
                    "%s rows of shared table %s that %s (%s) refers to are not found here%s; %s",
                    PQgetvalue(counts, 0, 2), reference->shared, table, tndb_buffer_text(&columns),
                    known ? " by their natural key" : " by their id",
                    wanted ? "the columns may not be NULL, so create those rows first"
                           : "create them first, or set option references to null");
  tndb_error_set_server(error, &(tndb_server_fields){.detail = PQgetvalue(counts, 0, 3)});
  return TENANTDB_CONSTRAINT;
}

/* What may be NULL becomes NULL; what may not stays, and matches nothing with the rest of its key gone. */
static tenantdb_status forget(tenantdb_import *target, size_t which, tenantdb_error **error) {
  const tndb_archive_reference *reference = &target->archive.references[which];
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer helper = TNDB_BUFFER_INIT;
  append_helper(&helper, target, which);
  tndb_buffer_append(&sql, "UPDATE ");
  tndb_buffer_append(&sql, tndb_buffer_text(&helper));
  tndb_buffer_append(&sql, " SET how = 'nulled'");
  for (size_t i = 0; i < reference->columns.count; i++) {
    const tndb_shape_column *column = column_of(target, reference, i);
    if (column && column->not_null) {
      tndb_buffer_format(&sql, ", m%zu = r%zu", i + 1, i + 1);
    }
  }
  tndb_buffer_append(&sql, " WHERE how IS NULL");
  sql.failed = sql.failed || helper.failed;
  return run(target, &sql, error);
}

tenantdb_status tndb_import_keys_end(tenantdb_import *target, tenantdb_error **error) {
  size_t which = at_hand(target);
  const tndb_archive_reference *reference = &target->archive.references[which];
  tndb_resolved *resolved = &target->resolved[which];
  PGresult *counts = NULL;
  bool ids_first = target->filling.settings.match_ids || !resolved->natural;
  if (target->skipping) {
    target->skipping = false;
    return TENANTDB_OK;
  }
  tenantdb_status status = tndb_import_copy_end(target, error);
  if (!status && (uint64_t)target->loaded != reference->keys) {
    status = tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_COPY_DIFFERS,
                         "%lld keys were loaded, and the archive says %llu", (long long)target->loaded,
                         (unsigned long long)reference->keys);
  }
  if (!status && ids_first) {
    status = find_by_id(target, which, error);
  }
  status = status ? status : find_by_key(target, which, error);
  status = status ? status : count(target, which, &counts, error);
  if (!status && (!tndb_number_parse(PQgetvalue(counts, 0, 0), &resolved->kept) ||
                  !tndb_number_parse(PQgetvalue(counts, 0, 1), &resolved->mapped) ||
                  !tndb_number_parse(PQgetvalue(counts, 0, 2), &resolved->nulled))) {
    status = tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL, "keys cannot be counted");
  }
  if (!status && resolved->nulled > 0) {
    status = target->filling.settings.null_missing && can_be_null(target, reference)
                 ? forget(target, which, error)
                 : refuse(target, which, counts, error);
  }
  PQclear(counts);
  return status;
}

/* ---------------------------------------------------------------- applying */

/* Two references over one column would each change what the other one looks for. */
static tenantdb_status check_overlap(const tenantdb_import *target, size_t which, tenantdb_error **error) {
  const tndb_archive_reference *reference = &target->archive.references[which];
  for (size_t i = 0; i < which; i++) {
    const tndb_archive_reference *other = &target->archive.references[i];
    bool changed = target->resolved[i].mapped + target->resolved[i].nulled > 0;
    for (size_t k = 0; changed && other->table == reference->table && k < reference->columns.count; k++) {
      if (tndb_names_has(&other->columns, reference->columns.items[k])) {
        return tndb_origin(
            error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
            "two foreign keys of table %s go over column %s to shared rows, and both are called "
            "otherwise here",
            target->archive.shape.tables[reference->table].name, reference->columns.items[k]);
      }
    }
  }
  return TENANTDB_OK;
}

static void append_change(tndb_buffer *sql, const tenantdb_import *target, size_t which) {
  const tndb_archive_reference *reference = &target->archive.references[which];
  const char *table = target->archive.shape.tables[reference->table].name;
  tndb_buffer_append(sql, "UPDATE ");
  tndb_shape_from(sql, target->filling.creation.names.schema, tndb_shape_find(&target->filling.shape, table));
  tndb_buffer_append(sql, " c SET ");
  for (size_t i = 0; i < reference->columns.count; i++) {
    tndb_buffer_append(sql, i ? ", " : "");
    tndb_quote_identifier(sql, reference->columns.items[i]);
    tndb_buffer_format(sql, " = h.m%zu", i + 1);
  }
  tndb_buffer_append(sql, " FROM ");
  append_helper(sql, target, which);
  tndb_buffer_append(sql, " h WHERE h.how <> 'kept'");
  for (size_t i = 0; i < reference->columns.count; i++) {
    tndb_buffer_append(sql, " AND c.");
    tndb_quote_identifier(sql, reference->columns.items[i]);
    tndb_buffer_format(sql, " = h.r%zu", i + 1);
  }
}

tenantdb_status tndb_import_apply_keys(tenantdb_import *target, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; !status && i < target->archive.read_references; i++) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    tndb_auto_buffer drop = TNDB_BUFFER_INIT;
    bool change = target->resolved[i].mapped + target->resolved[i].nulled > 0;
    if (target->resolved[i].ignored) {
      continue;
    }
    if (change) {
      status = check_overlap(target, i, error);
      append_change(&sql, target, i);
      status = status ? status : run(target, &sql, error);
    }
    tndb_buffer_append(&drop, "DROP TABLE ");
    append_helper(&drop, target, i);
    status = status ? status : run(target, &drop, error);
  }
  return status;
}
