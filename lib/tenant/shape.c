/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/shape.h"

#include <string.h>

#include "base/memory.h"
#include "sql/identifier.h"

/* ---------------------------------------------------------------- keeping */

static void free_table(tndb_shape_table *table) {
  for (size_t i = 0; i < table->n_columns; i++) {
    tndb_free(table->columns[i].name);
    tndb_free(table->columns[i].type);
  }
  tndb_free(table->columns);
  tndb_free(table->name);
}

static void free_sequences(tndb_shape *shape) {
  for (size_t i = 0; i < shape->n_sequences; i++) {
    tndb_free(shape->sequences[i].name);
    tndb_free(shape->sequences[i].table);
    tndb_free(shape->sequences[i].column);
  }
  tndb_free(shape->sequences);
  shape->sequences = NULL;
  shape->n_sequences = 0;
}

void tndb_shape_free(tndb_shape *shape) {
  for (size_t i = 0; i < shape->n_tables; i++) {
    free_table(&shape->tables[i]);
  }
  tndb_free(shape->tables);
  free_sequences(shape);
  *shape = (tndb_shape){NULL, 0, NULL, 0};
}

tndb_shape_table *tndb_shape_add_table(tndb_shape *shape, const char *name, char kind) {
  tndb_shape_table *bigger = tndb_array_room(shape->tables, shape->n_tables, sizeof *bigger);
  if (!bigger) {
    return NULL;
  }
  shape->tables = bigger;
  tndb_shape_table *table = &bigger[shape->n_tables];
  table->name = tndb_strdup(name);
  table->kind = kind;
  shape->n_tables += table->name != NULL;
  return table->name ? table : NULL;
}

tndb_shape_column *tndb_shape_add_column(tndb_shape_table *table, const char *name, const char *type) {
  tndb_shape_column *bigger = tndb_array_room(table->columns, table->n_columns, sizeof *bigger);
  if (!bigger) {
    return NULL;
  }
  table->columns = bigger;
  tndb_shape_column *column = &bigger[table->n_columns++];
  column->name = tndb_strdup(name);
  column->type = tndb_strdup(type);
  return column->name && column->type ? column : NULL;
}

tndb_shape_sequence *tndb_shape_add_sequence(tndb_shape *shape, const char *name, const char *table,
                                             const char *column) {
  tndb_shape_sequence *bigger = tndb_array_room(shape->sequences, shape->n_sequences, sizeof *bigger);
  if (!bigger) {
    return NULL;
  }
  shape->sequences = bigger;
  tndb_shape_sequence *sequence = &bigger[shape->n_sequences++];
  sequence->name = tndb_strdup(name);
  sequence->table = tndb_strdup(table);
  sequence->column = tndb_strdup(column);
  return sequence->name && sequence->table && sequence->column ? sequence : NULL;
}

const tndb_shape_table *tndb_shape_find(const tndb_shape *shape, const char *name) {
  for (size_t i = 0; i < shape->n_tables; i++) {
    if (strcmp(shape->tables[i].name, name) == 0) {
      return &shape->tables[i];
    }
  }
  return NULL;
}

const tndb_shape_column *tndb_shape_find_column(const tndb_shape_table *table, const char *name) {
  for (size_t i = 0; i < table->n_columns; i++) {
    if (strcmp(table->columns[i].name, name) == 0) {
      return &table->columns[i];
    }
  }
  return NULL;
}

/* ---------------------------------------------------------------- SQL */

void tndb_shape_name(tndb_buffer *sql, const char *schema, const char *name) {
  tndb_quote_identifier(sql, schema);
  tndb_buffer_append_char(sql, '.');
  tndb_quote_identifier(sql, name);
}

void tndb_shape_from(tndb_buffer *sql, const char *schema, const tndb_shape_table *table) {
  tndb_buffer_append(sql,
                     table->kind == 'p' ? "" : "ONLY "); /* those that inherit are copied by themselves */
  tndb_shape_name(sql, schema, table->name);
}

void tndb_shape_columns(tndb_buffer *sql, const tndb_shape_table *table) {
  const char *between = "";
  for (size_t i = 0; i < table->n_columns; i++) {
    if (!table->columns[i].generated) {
      tndb_buffer_append(sql, between);
      tndb_quote_identifier(sql, table->columns[i].name);
      between = ", ";
    }
  }
}

void tndb_shape_list(tndb_buffer *sql, const tndb_shape_table *table) {
  bool any = false;
  for (size_t i = 0; i < table->n_columns; i++) {
    any = any || !table->columns[i].generated;
  }
  if (any) {
    tndb_buffer_append(sql, " (");
    tndb_shape_columns(sql, table);
    tndb_buffer_append(sql, ")");
  }
}

/*
 * The hash of one column's value. Hashes of the usual types are of what the value
 * is, on every server alike, and spare making text of it; all others are of the
 * text.
 */
static void append_hash(tndb_buffer *sql, const tndb_shape_column *column, size_t seed) {
  static const char *const known[][3] = {
      {"smallint", "pg_catalog.hashint8extended(", ""},
      {"integer", "pg_catalog.hashint8extended(", ""},
      {"bigint", "pg_catalog.hashint8extended(", ""},
      {"uuid", "pg_catalog.uuid_hash_extended(", ""},
      {"jsonb", "pg_catalog.jsonb_hash_extended(", ""},
      {"timestamp without time zone", "pg_catalog.timestamp_hash_extended(", ""},
      {"timestamp with time zone", "pg_catalog.timestamp_hash_extended(pg_catalog.timezone('GMT', ", ")"}};
  size_t i = 0;
  size_t count = sizeof known / sizeof known[0];
  while (i < count && (column->own || strcmp(column->type, known[i][0]) != 0)) {
    i++;
  }
  tndb_buffer_append(sql, "coalesce(");
  tndb_buffer_append(sql, i < count ? known[i][1] : "pg_catalog.hashtextextended(CAST(");
  tndb_quote_identifier(sql, column->name);
  tndb_buffer_append(sql, i < count ? known[i][2] : " AS pg_catalog.text) COLLATE pg_catalog.\"C\"");
  tndb_buffer_format(sql, ", %zu), %zu)", seed, seed);
}

/* Every column with a seed of its own, so that values do not cancel out that change their places. */
#define HASHES_TOGETHER 40

void tndb_shape_checksum(tndb_buffer *sql, const char *schema, const tndb_shape_table *table,
                         const tndb_shape_table *columns, size_t label) {
  size_t hashed = 0;
  tndb_buffer_format(sql, "SELECT %zu AS label, pg_catalog.count(*) AS rows, coalesce(pg_catalog.sum(",
                     label);
  for (size_t i = 0; i < columns->n_columns; i++) {
    if (columns->columns[i].generated) {
      continue;
    }
    /* In groups: an expression must not be too deep. */
    tndb_buffer_append(sql, hashed % HASHES_TOGETHER ? " # " : hashed ? ") # (" : "(");
    append_hash(sql, &columns->columns[i], ++hashed);
  }
  tndb_buffer_append(sql, hashed ? ")" : "0");
  tndb_buffer_append(sql, "), 0) AS checksum FROM ");
  tndb_shape_from(sql, schema, table);
}

/*
 * Also: a policy that would hide rows fails instead, and neither a pause of the
 * other side nor a long table ends the transaction. What bounds the time of a step
 * is its deadline on this side.
 */
void tndb_shape_settle_text(tndb_work *work) {
  static const char *const settings[] = {
      "SET LOCAL datestyle = 'ISO, YMD'", "SET LOCAL intervalstyle = 'postgres'",
      "SET LOCAL timezone = 'GMT'",       "SET LOCAL extra_float_digits = 3",
      "SET LOCAL bytea_output = 'hex'",   "SET LOCAL lc_monetary = 'C'",
      "SET LOCAL xmloption = 'content'",  "SET LOCAL row_security = off",
      "SET LOCAL statement_timeout = 0",  "SET LOCAL idle_in_transaction_session_timeout = 0"};
  for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
    (void)tndb_work_send(work, settings[i], 0, NULL);
  }
}

/* ---------------------------------------------------------------- reading */

static const char columns_sql[] = TNDB_SHAPE_IN_SCHEMA
    " SELECT r.relname, r.relkind, a.attname,"
    " pg_catalog.replace(pg_catalog.format_type(a.atttypid, a.atttypmod), r.prefix, ''),"
    " a.attnotnull, a.attidentity <> '', a.attgenerated <> '',"
    " NOT a.attnotnull OR a.atthasdef OR a.attidentity <> '', t.typnamespace = r.ns,"
    " t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typname ~ '^_?reg'"
    " FROM rel r LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0"
    " AND NOT a.attisdropped LEFT JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " WHERE r.relkind IN ('r', 'p') AND NOT r.relispartition ORDER BY r.relname COLLATE \"C\", a.attnum";

static const char sequences_sql[] = TNDB_SHAPE_IN_SCHEMA
    " SELECT r.relname, coalesce(t.relname, ''), coalesce(a.attname, '') FROM rel r"
    " LEFT JOIN pg_catalog.pg_depend o ON o.classid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND o.objid = r.oid AND o.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass"
    " AND o.refobjsubid > 0 AND o.deptype IN ('a', 'i')"
    " LEFT JOIN pg_catalog.pg_class t ON t.oid = o.refobjid"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = o.refobjid AND a.attnum = o.refobjsubid"
    " WHERE r.relkind = 'S' ORDER BY r.relname COLLATE \"C\"";

static bool is_true(const PGresult *rows, int row, int column) {
  return PQgetvalue(rows, row, column)[0] == 't';
}

static bool take_row(tndb_shape *shape, const PGresult *rows, int row) {
  const char *name = PQgetvalue(rows, row, 0);
  tndb_shape_table *table = shape->n_tables ? &shape->tables[shape->n_tables - 1] : NULL;
  if (!table || strcmp(table->name, name) != 0) {
    table = tndb_shape_add_table(shape, name, PQgetvalue(rows, row, 1)[0]);
  }
  if (!table || PQgetisnull(rows, row, 2)) {
    return table != NULL; /* a table without columns */
  }
  tndb_shape_column *column =
      tndb_shape_add_column(table, PQgetvalue(rows, row, 2), PQgetvalue(rows, row, 3));
  if (column) {
    column->not_null = is_true(rows, row, 4);
    column->identity = is_true(rows, row, 5);
    column->generated = is_true(rows, row, 6);
    column->optional = is_true(rows, row, 7);
    column->own = is_true(rows, row, 8);
    column->names = is_true(rows, row, 9);
  }
  return column != NULL;
}

tenantdb_status tndb_shape_read(tndb_work *work, const char *schema, tndb_shape *shape,
                                tenantdb_error **error) {
  PGresult *rows;
  *shape = (tndb_shape){NULL, 0, NULL, 0};
  tenantdb_status status = tndb_work_set_path(work, schema, error);
  if (!status) {
    status = tndb_work_query(work, columns_sql, 1, &schema, &rows, error);
  }
  if (status) {
    return status;
  }
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    status = take_row(shape, rows, i) ? TENANTDB_OK : tndb_no_memory(error);
  }
  PQclear(rows);
  return status;
}

/* ---------------------------------------------------------------- sequences */

static tenantdb_status read_positions(tndb_work *work, const char *schema, tndb_shape *shape,
                                      tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows;
  for (size_t i = 0; i < shape->n_sequences; i++) {
    tndb_buffer_format(&sql, "%sSELECT %zu AS n, last_value, is_called FROM ", i ? " UNION ALL " : "", i);
    tndb_shape_name(&sql, schema, shape->sequences[i].name);
  }
  tndb_buffer_append(&sql, " ORDER BY n");
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_query(work, tndb_buffer_text(&sql), 0, NULL, &rows, error);
  if (status) {
    return status;
  }
  for (size_t i = 0; !status && i < shape->n_sequences; i++) {
    if ((int)i >= PQntuples(rows) ||
        !tndb_number_parse(PQgetvalue(rows, (int)i, 1), &shape->sequences[i].last_value)) {
      status = tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                           "the position of sequence %s cannot be read", shape->sequences[i].name);
    } else {
      shape->sequences[i].is_called = is_true(rows, (int)i, 2);
    }
  }
  PQclear(rows);
  return status;
}

tenantdb_status tndb_shape_read_sequences(tndb_work *work, const char *schema, tndb_shape *shape,
                                          tenantdb_error **error) {
  PGresult *rows;
  free_sequences(shape);
  tenantdb_status status = tndb_work_query(work, sequences_sql, 1, &schema, &rows, error);
  if (status) {
    return status;
  }
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    status =
        tndb_shape_add_sequence(shape, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1), PQgetvalue(rows, i, 2))
            ? TENANTDB_OK
            : tndb_no_memory(error);
  }
  PQclear(rows);
  return status || shape->n_sequences == 0 ? status : read_positions(work, schema, shape, error);
}

/* One that feeds a column is known by it, whatever it is called; the others by their names. */
static const tndb_shape_sequence *find_sequence(const tndb_shape *shape, const tndb_shape_sequence *like) {
  for (size_t i = 0; i < shape->n_sequences; i++) {
    const tndb_shape_sequence *sequence = &shape->sequences[i];
    bool same = *like->table
                    ? strcmp(sequence->table, like->table) == 0 && strcmp(sequence->column, like->column) == 0
                    : !*sequence->table && strcmp(sequence->name, like->name) == 0;
    if (same) {
      return sequence;
    }
  }
  return NULL;
}

static void queue_setval(tndb_work *work, const char *schema, const tndb_shape_sequence *target,
                         const tndb_shape_sequence *source) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_auto_buffer last = TNDB_BUFFER_INIT;
  tndb_shape_name(&name, schema, target->name);
  tndb_buffer_format(&last, "%lld", (long long)source->last_value);
  tndb_work_fail_if(work, name.failed || last.failed);
  const char *values[] = {tndb_buffer_text(&name), tndb_buffer_text(&last), source->is_called ? "t" : "f"};
  (void)tndb_work_send(work,
                       "SELECT pg_catalog.setval($1::pg_catalog.text::pg_catalog.regclass,"
                       " $2::pg_catalog.int8, $3::pg_catalog.bool)",
                       3, values);
}

/* A column that is fed by a sequence here and was not there: behind the greatest value it has. */
static void queue_catch_up(tndb_work *work, const char *schema, const tndb_shape_sequence *target) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_shape_name(&name, schema, target->name);
  tndb_buffer_append(&sql, "SELECT pg_catalog.setval(");
  tndb_quote_literal(&sql, tndb_buffer_text(&name));
  tndb_buffer_append(&sql, "::pg_catalog.regclass, pg_catalog.max(");
  tndb_quote_identifier(&sql, target->column);
  tndb_buffer_append(&sql, ")) FROM ");
  tndb_shape_name(&sql, schema, target->table);
  tndb_buffer_append(&sql, " HAVING pg_catalog.max(");
  tndb_quote_identifier(&sql, target->column);
  tndb_buffer_append(&sql, ") > 0");
  tndb_work_fail_if(work, name.failed || sql.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
}

tenantdb_status tndb_shape_set_sequences(tndb_work *work, const char *schema, const tndb_shape *target,
                                         const tndb_shape *source, tenantdb_error **error) {
  for (size_t i = 0; i < target->n_sequences; i++) {
    const tndb_shape_sequence *sequence = &target->sequences[i];
    const tndb_shape_sequence *from = find_sequence(source, sequence);
    if (from) {
      queue_setval(work, schema, sequence, from);
    } else if (*sequence->table) {
      queue_catch_up(work, schema, sequence);
    }
  }
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_work_sync(work, &own);
  if (status) {
    tndb_error_prefix(&own, "setting the sequences to where they were");
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- comparing */

#define MOST_TOLD 5

typedef struct differences {
  tndb_buffer text;
  size_t count;
} differences;

static void __attribute__((format(printf, 2, 3))) tell(differences *found, const char *format, ...) {
  if (found->count++ < MOST_TOLD) {
    va_list arguments;
    va_start(arguments, format);
    tndb_buffer_append(&found->text, found->text.length ? "; " : "");
    tndb_buffer_vformat(&found->text, format, arguments);
    va_end(arguments);
  }
}

/* What the target needs of the source's table. */
static void compare_wanted(differences *found, const tndb_shape_table *source, const tndb_shape_table *target,
                           bool strict) {
  for (size_t i = 0; i < target->n_columns; i++) {
    const tndb_shape_column *wanted = &target->columns[i];
    const tndb_shape_column *is = wanted->generated ? NULL : tndb_shape_find_column(source, wanted->name);
    if (wanted->generated) {
      continue;
    }
    if (!is || is->generated) {
      if (strict || !wanted->optional) {
        tell(found, "table %s has no column %s", target->name, wanted->name);
      }
    } else if (strcmp(is->type, wanted->type) != 0) {
      tell(found, "column %s.%s is %s and the registry says %s", target->name, wanted->name, is->type,
           wanted->type);
    }
  }
}

/* What the source's table has and the target could not take. */
static void compare_found(differences *found, const tndb_shape_table *source,
                          const tndb_shape_table *target) {
  for (size_t i = 0; i < source->n_columns; i++) {
    const tndb_shape_column *is = &source->columns[i];
    const tndb_shape_column *wanted = tndb_shape_find_column(target, is->name);
    if (!is->generated && (!wanted || wanted->generated)) {
      tell(found, "column %s.%s is %s", source->name, is->name,
           wanted ? "computed in the registry and stored here" : "not declared in the registry");
    }
  }
}

static void compare_sequences(differences *found, const tndb_shape *source, const tndb_shape *target) {
  for (size_t i = 0; i < source->n_sequences; i++) {
    if (!*source->sequences[i].table && !find_sequence(target, &source->sequences[i])) {
      tell(found, "sequence %s is not declared in the registry", source->sequences[i].name);
    }
  }
}

tenantdb_status tndb_shape_compare(const tndb_shape *source, const tndb_shape *target, const char *what,
                                   bool strict, bool extra, tenantdb_error **error) {
  differences found = {TNDB_BUFFER_INIT, 0};
  for (size_t i = 0; i < target->n_tables; i++) {
    const tndb_shape_table *is = tndb_shape_find(source, target->tables[i].name);
    if (is) {
      compare_wanted(&found, is, &target->tables[i], strict);
    } else {
      tell(&found, "table %s is missing", target->tables[i].name);
    }
  }
  for (size_t i = 0; i < source->n_tables; i++) {
    const tndb_shape_table *wanted = tndb_shape_find(target, source->tables[i].name);
    if (wanted) {
      compare_found(&found, &source->tables[i], wanted);
    } else if (!extra) {
      tell(&found, "table %s is not declared in the registry", source->tables[i].name);
    }
  }
  if (!extra) {
    compare_sequences(&found, source, target);
  }
  tenantdb_status status = TENANTDB_OK;
  if (found.text.failed) {
    status = tndb_no_memory(error);
  } else if (found.count > 0) {
    tndb_auto_buffer more = TNDB_BUFFER_INIT;
    tndb_buffer_format(&more, "; and %zu more", found.count - MOST_TOLD);
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_DIFFERS,
                         "%s is not what the registry declares: %s%s", what, tndb_buffer_text(&found.text),
                         found.count > MOST_TOLD ? tndb_buffer_text(&more) : "");
  }
  tndb_buffer_free(&found.text);
  return status;
}

tenantdb_status tndb_shape_empty(tndb_work *work, const char *schema, const tndb_shape *shape,
                                 tenantdb_error **error) {
  tndb_auto_buffer look = TNDB_BUFFER_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows = NULL;
  for (size_t i = 0; i < shape->n_tables; i++) {
    tndb_buffer_format(&look, "%sSELECT %zu WHERE EXISTS (SELECT FROM ", i ? " UNION ALL " : "", i);
    tndb_shape_name(&look, schema, shape->tables[i].name);
    tndb_buffer_append_char(&look, ')');
  }
  tndb_work_fail_if(work, look.failed);
  tenantdb_status status =
      shape->n_tables ? tndb_work_query(work, tndb_buffer_text(&look), 0, NULL, &rows, error) : TENANTDB_OK;
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    int64_t which = 0;
    (void)tndb_number_parse(PQgetvalue(rows, i, 0), &which);
    tndb_buffer_append(&sql, i ? ", " : "TRUNCATE ");
    tndb_shape_name(&sql, schema, shape->tables[which].name);
  }
  if (!status && PQntuples(rows) > 0) {
    tndb_buffer_append(&sql, " CASCADE");
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  PQclear(rows);
  return status;
}
