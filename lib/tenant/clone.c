/* SPDX-License-Identifier: PostgreSQL */
/*
 * Cloning: a new tenant with the rows of another one of the same database.
 *
 * All tables are copied by one statement. So they are copied as of one moment
 * without a snapshot that is kept, and the checksums of the source, which the
 * same statement computes, are of that very moment too.
 */
#include <string.h>

#include "sql/identifier.h"
#include "tenant/filling.h"
#include "tenant/transition.h"

#define WITH_SCHEMA                                                                     \
  (TNDB_STATE_BIT(TENANTDB_TENANT_ACTIVE) | TNDB_STATE_BIT(TENANTDB_TENANT_SUSPENDED) | \
   TNDB_STATE_BIT(TENANTDB_TENANT_ARCHIVED))

typedef struct clone {
  tndb_filling filling;
  tenantdb_tenant *source;
  tndb_shape shape; /* of the source */
  tndb_buffer detail;
} clone;

/* ---------------------------------------------------------------- the source */

/* What the new tenant has of the old one unless it is given its own. */
static tenantdb_status inherit(clone *c, tenantdb_error **error) {
  tndb_creation *creation = &c->filling.creation;
  tenantdb_status status = tndb_change_require(c->source, WITH_SCHEMA, "clone", error);
  if (status) {
    return status;
  }
  if (!creation->spec.name && c->source->name[0]) {
    creation->spec.name = c->source->name;
  }
  if (!creation->spec.properties) {
    creation->spec.properties = c->source->properties;
  }
  tndb_buffer_format(&c->detail, "{\"clone_of\": \"%s\", \"data\": %s}", c->source->id,
                     c->filling.settings.data ? "true" : "false");
  creation->detail = tndb_buffer_text(&c->detail);
  return c->detail.failed ? tndb_no_memory(error) : TENANTDB_OK;
}

/* What is still to be done to the source's rows is still to be done to these. */
static tenantdb_status take_version(clone *c, tenantdb_error **error) {
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  tndb_buffer_append(&what, "tenant ");
  tndb_buffer_append(&what, c->source->slug);
  tndb_birth *birth = &c->filling.creation.birth;
  if (birth->newborn && birth->version > 0 && c->source->version == 0) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_NO_BASELINE,
                       "which migrations the schema of tenant %s has is not known: say it once by "
                       "tenantdb_migration_baseline()",
                       c->source->slug);
  }
  birth->from = c->source->id;
  return tndb_birth_at(birth, c->source->version, tndb_buffer_text(&what), error);
}

/* Nobody may change the source's tables until all is copied; rows may change. */
static tenantdb_status lock_tables(clone *c, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < c->shape.n_tables; i++) {
    tndb_buffer_append(&sql, i ? ", " : "LOCK TABLE ");
    tndb_shape_name(&sql, c->source->schema, c->shape.tables[i].name);
  }
  tndb_buffer_append(&sql, " IN ACCESS SHARE MODE");
  tndb_work_fail_if(&c->filling.work, sql.failed);
  (void)tndb_work_send(&c->filling.work, tndb_buffer_text(&sql), 0, NULL);
  tenantdb_status status = tndb_work_sync(&c->filling.work, error);
  if (status == TENANTDB_BUSY && error) {
    tndb_error_prefix(error, "somebody is changing tables of tenant %s", c->source->slug);
  }
  return status;
}

/* Which tables there are is asked before they are locked, and what they are after that. */
static tenantdb_status read_source(clone *c, tenantdb_error **error) {
  tndb_work *work = &c->filling.work;
  const char *schema = c->source->schema;
  tenantdb_status status = tndb_shape_read(work, schema, &c->shape, error);
  if (!status && c->shape.n_tables > 0) {
    status = lock_tables(c, error);
    tndb_shape_free(&c->shape);
  }
  if (!status) {
    status = tndb_shape_read(work, schema, &c->shape, error);
  }
  return status ? status : tndb_shape_read_sequences(work, schema, &c->shape, error);
}

/* ---------------------------------------------------------------- the rows */

static tenantdb_status refuse_names(const clone *c, tenantdb_error **error) {
  const tndb_shape *shape = &c->filling.shape;
  for (size_t i = 0; i < shape->n_tables; i++) {
    for (size_t k = 0; k < shape->tables[i].n_columns; k++) {
      const tndb_shape_column *column = &shape->tables[i].columns[k];
      if (column->names && !column->generated) {
        return tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
                           "column %s.%s is %s: in a clone its values would name the objects of tenant %s; "
                           "export and import him instead, which goes by their names",
                           shape->tables[i].name, column->name, column->type, c->source->slug);
      }
    }
  }
  return TENANTDB_OK;
}

/* A type of the schema's own is another one in the other schema: what is the same is the text. */
static void append_values(tndb_buffer *sql, const tndb_shape_table *table) {
  const char *between = "";
  for (size_t i = 0; i < table->n_columns; i++) {
    const tndb_shape_column *column = &table->columns[i];
    if (column->generated) {
      continue;
    }
    tndb_buffer_append(sql, between);
    between = ", ";
    tndb_buffer_append(sql, column->own ? "CAST(CAST(" : "");
    tndb_quote_identifier(sql, column->name);
    if (column->own) {
      tndb_buffer_append(sql, " AS pg_catalog.text) AS ");
      tndb_buffer_append(sql, column->type);
      tndb_buffer_append(sql, ")");
    }
  }
}

/* WITH i0 AS (INSERT …), i1 AS … and what was read. */
static void append_copy(tndb_buffer *sql, const clone *c) {
  const tndb_shape *target = &c->filling.shape;
  for (size_t i = 0; i < target->n_tables; i++) {
    const tndb_shape_table *table = &target->tables[i];
    const tndb_shape_table *from = tndb_shape_find(&c->shape, table->name);
    tndb_buffer_format(sql, "%si%zu AS (INSERT INTO ", i ? ", " : "WITH ", i);
    tndb_shape_name(sql, c->filling.creation.names.schema, table->name);
    tndb_shape_list(sql, table);
    tndb_buffer_append(sql, " OVERRIDING SYSTEM VALUE SELECT ");
    append_values(sql, table);
    tndb_buffer_append(sql, " FROM ");
    tndb_shape_from(sql, c->source->schema, from);
    tndb_buffer_append_char(sql, ')');
  }
  for (size_t i = 0; i < target->n_tables; i++) {
    tndb_buffer_append(sql, i ? " UNION ALL " : " ");
    tndb_shape_checksum(sql, c->source->schema, tndb_shape_find(&c->shape, target->tables[i].name),
                        &target->tables[i], i);
  }
  tndb_buffer_append(sql, " ORDER BY label");
}

static void append_check(tndb_buffer *sql, const clone *c) {
  const tndb_shape *target = &c->filling.shape;
  for (size_t i = 0; i < target->n_tables; i++) {
    tndb_buffer_append(sql, i ? " UNION ALL " : "");
    tndb_shape_checksum(sql, c->filling.creation.names.schema, &target->tables[i], &target->tables[i], i);
  }
  tndb_buffer_append(sql, " ORDER BY label");
}

static tenantdb_status compare_rows(const clone *c, const PGresult *read, const PGresult *written,
                                    tenantdb_error **error) {
  const tndb_shape *shape = &c->filling.shape;
  for (int i = 0; i < (int)shape->n_tables; i++) {
    bool there = i < PQntuples(read) && i < PQntuples(written);
    if (!there || strcmp(PQgetvalue(read, i, 1), PQgetvalue(written, i, 1)) != 0 ||
        strcmp(PQgetvalue(read, i, 2), PQgetvalue(written, i, 2)) != 0) {
      return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_COPY_DIFFERS,
                         "table %s has %s rows with checksum %s, and %s with checksum %s in the clone; "
                         "nothing was kept",
                         shape->tables[i].name, there ? PQgetvalue(read, i, 1) : "?",
                         there ? PQgetvalue(read, i, 2) : "?", there ? PQgetvalue(written, i, 1) : "?",
                         there ? PQgetvalue(written, i, 2) : "?");
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status run(tndb_filling *filling, const tndb_buffer *sql, PGresult **rows,
                           tenantdb_error **error) {
  (void)tndb_filling_step(filling);
  return sql->failed ? tndb_no_memory(error)
                     : tndb_work_query(&filling->work, tndb_buffer_text(sql), 0, NULL, rows, error);
}

static tenantdb_status copy_rows(clone *c, tenantdb_error **error) {
  tndb_auto_buffer copy = TNDB_BUFFER_INIT;
  tndb_auto_buffer check = TNDB_BUFFER_INIT;
  PGresult *read = NULL, *written = NULL;
  if (c->filling.shape.n_tables == 0) {
    return TENANTDB_OK;
  }
  append_copy(&copy, c);
  append_check(&check, c);
  tenantdb_status status = run(&c->filling, &copy, &read, error);
  if (status && error) {
    tndb_error_prefix(error, "copying the rows of tenant %s", c->source->slug);
    tndb_filling_explain_rows(error);
  }
  if (!status) {
    status = run(&c->filling, &check, &written, error);
  }
  if (!status) {
    status = compare_rows(c, read, written, error);
  }
  PQclear(read);
  PQclear(written);
  return status;
}

static tenantdb_status copy_sequences(clone *c, tenantdb_error **error) {
  tndb_filling *filling = &c->filling;
  /* After the rows: so they stand behind every number that was copied. */
  tenantdb_status status = tndb_shape_read_sequences(&filling->work, c->source->schema, &c->shape, error);
  return status ? status
                : tndb_shape_set_sequences(&filling->work, filling->creation.names.schema, &filling->shape,
                                           &c->shape, error);
}

/* ---------------------------------------------------------------- all of it */

static tenantdb_status clone_full(clone *c, const char *source, tenantdb_tenant **tenant,
                                  tenantdb_error **error) {
  tndb_filling *filling = &c->filling;
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_filling_open(filling, error);
  if (!status) {
    status = tndb_tenant_read(filling->creation.db, filling->work.conn, source, false, filling->work.deadline,
                              &c->source, error);
  }
  if (!status) {
    status = inherit(c, error);
  }
  if (!status) {
    status = take_version(c, error);
  }
  if (!status) {
    status = read_source(c, error);
  }
  if (!status) {
    status = tndb_filling_make(filling, error);
  }
  if (!status) {
    tndb_buffer_append(&what, "tenant ");
    tndb_buffer_append(&what, c->source->slug);
    status = tndb_shape_compare(&c->shape, &filling->shape, tndb_buffer_text(&what), true,
                                filling->settings.ignore_extra, error);
  }
  if (!status) {
    status = refuse_names(c, error);
  }
  if (!status) {
    status = copy_rows(c, error);
  }
  if (!status) {
    status = copy_sequences(c, error);
  }
  return status ? status : tndb_filling_finish(filling, tenant, error);
}

/* Without rows it is a creation like any other. */
static tenantdb_status clone_empty(clone *c, const char *source, tenantdb_tenant **tenant,
                                   tenantdb_error **error) {
  tenantdb_status status = tenantdb_tenant_get(c->filling.creation.db, source, &c->source, error);
  if (!status) {
    status = inherit(c, error);
  }
  return status ? status : tndb_creation_run(&c->filling.creation, tenant, error);
}

tenantdb_status tenantdb_tenant_clone(tenantdb *db, const char *source, const char *slug,
                                      const tenantdb_tenant_spec *spec,
                                      const tenantdb_archive_options *options, tenantdb_tenant **tenant,
                                      tenantdb_error **error) {
  tndb_error_reset(error);
  if (tenant) {
    *tenant = NULL;
  }
  if (!source) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "source is NULL");
  }
  tenantdb_error *own = NULL;
  tenantdb_tenant *made = NULL;
  tndb_auto_buffer request = TNDB_BUFFER_INIT;
  clone c = {.filling = {.creation = {.db = db, .slug = slug, .action = "clone"}}};
  tndb_filling *filling = &c.filling;
  tenantdb_status status = tndb_database_check(db, &own);
  if (!status) {
    status = tndb_archive_settings_read(options, db, &filling->settings, &own);
  }
  if (!status) {
    filling->creation.state = filling->settings.state;
    tndb_buffer_format(&request, "clone, %s data, %s, of ", filling->settings.data ? "with" : "without",
                       tndb_tenant_state_name(filling->settings.state));
    tndb_buffer_append(&request, source);
    status = request.failed
                 ? tndb_no_memory(&own)
                 : tndb_creation_prepare(&filling->creation, tndb_buffer_text(&request), spec, &own);
  }
  if (!status && filling->settings.data) {
    status = clone_full(&c, source, &made, &own);
    tndb_filling_close(filling);
    status = status ? tndb_creation_answer_again(&filling->creation, &made, &own) : status;
  } else if (!status) {
    status = clone_empty(&c, source, &made, &own);
  }
  status = tndb_creation_end(&filling->creation, status, made, tenant, own, error);
  tenantdb_tenant_free(c.source);
  tndb_shape_free(&c.shape);
  tndb_buffer_free(&c.detail);
  return status;
}
