/* SPDX-License-Identifier: PostgreSQL */
/*
 * References to shared rows, as an archive tells them: by id, and, when the
 * shared table has one, by a key that means the same in another database.
 */
#include <string.h>

#include "base/memory.h"
#include "tenant/export.h"

/* Foreign keys to tables of schema $2, a row for each of their columns. */
#define KEYS                                                                                            \
  TNDB_SHAPE_IN_SCHEMA                                                                                  \
  ", k AS (SELECT k.oid, k.conname, r.relname, t.relname AS shared, k.conrelid, k.confrelid, k.conkey," \
  " k.confkey, k.conindid FROM rel r JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid"             \
  " JOIN pg_catalog.pg_class t ON t.oid = k.confrelid JOIN pg_catalog.pg_namespace n"                   \
  " ON n.oid = t.relnamespace WHERE k.contype = 'f' AND k.conparentid = 0 AND NOT r.relispartition"     \
  " AND n.nspname = $2)"

static const char keys_sql[] = KEYS
    " SELECT k.oid, k.relname, k.shared, a.attname, b.attname FROM k"
    " CROSS JOIN LATERAL unnest(k.conkey, k.confkey) WITH ORDINALITY u (here, there, place)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.here"
    " JOIN pg_catalog.pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.there"
    " ORDER BY k.relname COLLATE \"C\", k.conname COLLATE \"C\", k.oid, u.place";

/*
 * The natural key of a table that is referred to by its primary key: unique, of
 * all rows, without NULLs, apart from the primary key, and itself without ids of
 * other rows. The one with the fewest columns.
 */
static const char natural_sql[] = KEYS
    " SELECT k.oid, a.attname FROM k JOIN pg_catalog.pg_index p ON p.indexrelid = k.conindid AND "
    "p.indisprimary"
    " CROSS JOIN LATERAL (SELECT i.indkey, i.indnkeyatts FROM pg_catalog.pg_index i"
    " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = k.confrelid AND i.indisunique"
    " AND NOT i.indisprimary AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT EXISTS"
    " (SELECT FROM pg_catalog.generate_series(0, i.indnkeyatts - 1) g JOIN pg_catalog.pg_attribute a"
    " ON a.attrelid = i.indrelid AND a.attnum = i.indkey[g] WHERE NOT a.attnotnull"
    " OR a.attnum = ANY (k.confkey) OR EXISTS (SELECT FROM pg_catalog.pg_constraint f"
    " WHERE f.conrelid = i.indrelid AND f.contype = 'f' AND a.attnum = ANY (f.conkey)))"
    " ORDER BY i.indnkeyatts, c.relname COLLATE \"C\" LIMIT 1) i"
    " CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) g"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = i.indkey[g]"
    " ORDER BY k.relname COLLATE \"C\", k.conname COLLATE \"C\", k.oid, g";

static size_t place_of(const tndb_shape *shape, const char *name) {
  size_t i = 0;
  while (i < shape->n_tables && strcmp(shape->tables[i].name, name) != 0) {
    i++;
  }
  return i;
}

/* One row more of a foreign key, or the first of the next one. */
static bool take_row(tndb_archive *archive, const PGresult *rows, int row) {
  tndb_archive_reference *reference = NULL;
  if (row > 0 && strcmp(PQgetvalue(rows, row, 0), PQgetvalue(rows, row - 1, 0)) == 0) {
    reference = &archive->references[archive->read_references - 1];
  } else {
    reference = tndb_archive_add_reference(archive);
    if (reference) {
      reference->table = place_of(&archive->shape, PQgetvalue(rows, row, 1));
      reference->shared = tndb_strdup(PQgetvalue(rows, row, 2));
    }
  }
  return reference && reference->shared && tndb_names_add(&reference->columns, PQgetvalue(rows, row, 3)) &&
         tndb_names_add(&reference->target, PQgetvalue(rows, row, 4));
}

/* Both results are in the same order; the second has rows for some of them. */
static bool take_natural(tndb_archive *archive, const PGresult *rows, const PGresult *natural) {
  int at = 0;
  size_t reference = 0;
  for (int i = 0; i < PQntuples(rows); i++) {
    if (i > 0 && strcmp(PQgetvalue(rows, i, 0), PQgetvalue(rows, i - 1, 0)) == 0) {
      continue;
    }
    while (at < PQntuples(natural) && strcmp(PQgetvalue(natural, at, 0), PQgetvalue(rows, i, 0)) == 0) {
      if (!tndb_names_add(&archive->references[reference].natural, PQgetvalue(natural, at++, 1))) {
        return false;
      }
    }
    reference++;
  }
  return true;
}

tenantdb_status tndb_export_find_references(tenantdb_export *source, tenantdb_error **error) {
  const char *values[] = {source->tenant->schema, tndb_database_shared_schema(source->work.db)};
  PGresult *rows = NULL, *natural = NULL;
  tenantdb_status status = tndb_work_query(&source->work, keys_sql, 2, values, &rows, error);
  if (!status) {
    status = tndb_work_query(&source->work, natural_sql, 2, values, &natural, error);
  }
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    status = take_row(&source->archive, rows, i) ? TENANTDB_OK : tndb_no_memory(error);
  }
  if (!status && !take_natural(&source->archive, rows, natural)) {
    status = tndb_no_memory(error);
  }
  PQclear(rows);
  PQclear(natural);
  return status;
}
