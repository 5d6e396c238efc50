/* SPDX-License-Identifier: PostgreSQL */
/* From the model to statements and scripts. */
#include <string.h>

#include "base/memory.h"
#include "registry/check.h"
#include "registry/mistake.h"
#include "registry/order.h"
#include "registry/registry.h"
#include "registry/render.h"
#include "sql/identifier.h"

static void append_names(tndb_buffer *out, const tndb_names *names, bool period) {
  for (size_t i = 0; i < names->count; i++) {
    tndb_buffer_append(out, i ? ", " : "(");
    if (period && i + 1 == names->count) {
      tndb_buffer_append(out, "PERIOD ");
    }
    tndb_quote_identifier(out, names->items[i]);
  }
  tndb_buffer_append_char(out, ')');
}

static void append_constraint_name(tndb_buffer *out, const char *name) {
  if (name) {
    tndb_buffer_append(out, "CONSTRAINT ");
    tndb_quote_identifier(out, name);
    tndb_buffer_append_char(out, ' ');
  }
}

/* A piece of text behind a blank, when there is one. */
static tenantdb_status append_rest(const tndb_render *render, const char *text, tenantdb_error **error) {
  if (!text || !*text) {
    return TENANTDB_OK;
  }
  tndb_buffer_append_char(render->out, ' ');
  return tndb_render_text(render, text, TNDB_RENDER_MARKERS, error);
}

/* The columns of the target as the target spells them. */
static void append_target_columns(tndb_buffer *out, const tndb_foreign_key *key,
                                  const tenantdb_table *target) {
  for (size_t i = 0; i < key->target_columns.count; i++) {
    const char *name = tndb_table_find_column(target, key->target_columns.items[i], key->folds);
    tndb_buffer_append(out, i ? ", " : " (");
    if (key->period && i + 1 == key->target_columns.count) {
      tndb_buffer_append(out, "PERIOD ");
    }
    tndb_quote_identifier(out, name ? name : key->target_columns.items[i]);
  }
  if (key->target_columns.count) {
    tndb_buffer_append_char(out, ')');
  }
}

static tenantdb_status append_foreign_key(const tndb_render *render, const tenantdb_table *table,
                                          const tndb_foreign_key *key, tenantdb_error **error) {
  tndb_target target;
  tenantdb_status status = tndb_foreign_key_resolve(table, key, &target, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  append_constraint_name(render->out, key->name);
  tndb_buffer_append(render->out, "FOREIGN KEY ");
  append_names(render->out, &key->columns, key->period);
  tndb_buffer_append(render->out, " REFERENCES ");
  status = tndb_render_target(render, &target, error);
  append_target_columns(render->out, key, target.entry->table);
  return status == TENANTDB_OK ? append_rest(render, key->actions, error) : status;
}

static tenantdb_status append_like(const tndb_render *render, const tndb_element *element,
                                   tenantdb_error **error) {
  tndb_target target;
  tenantdb_status status = tndb_registry_resolve_declared(render->base, element->name, false, &target, error);
  tndb_buffer_append(render->out, "LIKE ");
  if (status == TENANTDB_OK) {
    status = tndb_render_target(render, &target, error);
  }
  return status == TENANTDB_OK ? append_rest(render, element->text, error) : status;
}

static tenantdb_status append_element(const tndb_render *render, const tndb_element *element,
                                      tenantdb_error **error) {
  if (element->kind == TNDB_ELEMENT_LIKE) {
    return append_like(render, element, error);
  }
  if (element->kind == TNDB_ELEMENT_CONSTRAINT) {
    append_constraint_name(render->out, element->name);
    return tndb_render_text(render, element->text, TNDB_RENDER_MARKERS, error);
  }
  tndb_quote_identifier(render->out, element->name);
  tenantdb_status status = append_rest(render, element->text, error);
  return status == TENANTDB_OK ? append_rest(render, element->rest, error) : status;
}

static tenantdb_status append_elements(const tndb_render *render, const tenantdb_table *table,
                                       const tndb_order *order, tenantdb_error **error) {
  const char *before = "\n  ";
  tenantdb_status status = TENANTDB_OK;
  tndb_buffer_append(render->out, " (");
  for (size_t i = 0; i < table->n_elements && status == TENANTDB_OK; i++) {
    tndb_buffer_append(render->out, before);
    before = ",\n  ";
    status = append_element(render, &table->elements[i], error);
  }
  for (size_t i = 0; i < table->n_foreign_keys && status == TENANTDB_OK; i++) {
    if (!tndb_order_is_deferred(order, table, i)) {
      tndb_buffer_append(render->out, before);
      before = ",\n  ";
      status = append_foreign_key(render, table, &table->foreign_keys[i], error);
    }
  }
  tndb_buffer_append(render->out, "\n)");
  return status;
}

static tenantdb_status append_table(const tndb_render *render, const tenantdb_table *table,
                                    const tndb_order *order, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  tndb_buffer_append(render->out, table->unlogged ? "CREATE UNLOGGED TABLE " : "CREATE TABLE ");
  tndb_quote_identifier(render->out, table->name);
  if (table->parent) {
    tndb_target target;
    tndb_buffer_append(render->out, " PARTITION OF ");
    status = tndb_registry_resolve_declared(table->base, table->parent, false, &target, error);
    if (status == TENANTDB_OK) {
      status = tndb_render_target(render, &target, error);
    }
  } else if (!table->typed) {
    status = append_elements(render, table, order, error);
  }
  return status == TENANTDB_OK ? append_rest(render, table->suffix, error) : status;
}

static tenantdb_status append_index(const tndb_render *render, const tndb_item *item,
                                    tenantdb_error **error) {
  tndb_buffer_append(render->out, item->unique ? "CREATE UNIQUE INDEX " : "CREATE INDEX ");
  if (item->name) {
    tndb_quote_identifier(render->out, item->name);
    tndb_buffer_append_char(render->out, ' ');
  }
  tndb_buffer_append(render->out, item->only ? "ON ONLY " : "ON ");
  tndb_quote_identifier(render->out, item->table ? item->table->name : item->table_name);
  return append_rest(render, item->text, error);
}

static tenantdb_status append_item(const tndb_render *render, const tndb_item *item, const tndb_order *order,
                                   tenantdb_error **error) {
  if (item->kind == TNDB_DDL_TABLE) {
    return append_table(render, item->table, order, error);
  }
  if (item->kind == TNDB_DDL_INDEX) {
    return append_index(render, item, error);
  }
  if (item->raw) {
    int32_t mode = item->kind == TNDB_DDL_ALTER                                     ? TNDB_RENDER_REFERENCES
                   : item->kind == TNDB_DDL_VIEW || item->kind == TNDB_DDL_FUNCTION ? TNDB_RENDER_QUERY
                                                                                    : TNDB_RENDER_MARKERS;
    return tndb_render_text(render, item->text, mode, error);
  }
  tndb_buffer_append(render->out, item->column ? "COMMENT ON COLUMN " : "COMMENT ON TABLE ");
  tndb_quote_identifier(render->out, item->table->name);
  if (item->column) {
    tndb_buffer_append_char(render->out, '.');
    tndb_quote_identifier(render->out, item->column);
  }
  tndb_buffer_append(render->out, " IS ");
  tndb_quote_literal(render->out, item->text);
  return TENANTDB_OK;
}

/* -------------------------------------------------------------- statements */

static const char *what_of(int32_t kind) {
  static const char *const words[] = {"",         "table", "index",    "foreign key to", "comment", "type",
                                      "sequence", "view",  "function", "trigger",        "alter"};
  return words[kind];
}

static tndb_place place_of(const tndb_step *step) {
  if (step->key) {
    return (tndb_place){step->table->base, step->table, step->key->line, "foreign key to", step->key->target};
  }
  const tndb_item *item = step->item;
  const tenantdb_table *table = item->table;
  if (item->kind == TNDB_DDL_TABLE) {
    return (tndb_place){item->base, table, item->line, NULL, NULL};
  }
  return (tndb_place){item->base, table, item->line, what_of(item->kind),
                      item->name ? item->name : item->column};
}

static void describe(const tndb_step *step, tndb_ddl_item *out) {
  if (step->key) {
    out->kind = TNDB_DDL_FOREIGN_KEY;
    out->table = step->table->name;
    out->name = step->key->name ? step->key->name : out->table;
    out->base = step->table->base->name;
    return;
  }
  const tndb_item *item = step->item;
  out->kind = item->kind;
  out->table = item->table ? item->table->name : item->table_name;
  out->name = item->name ? item->name : out->table ? out->table : "";
  out->base = item->base->name;
}

static tenantdb_status make_item(tndb_render render, const tndb_step *step, const tndb_order *order,
                                 tndb_ddl_item *out, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_place place = place_of(step);
  tenantdb_status status;
  render.out = &sql;
  render.base = place.base;
  describe(step, out);
  if (step->key) {
    tndb_buffer_append(&sql, "ALTER TABLE ");
    tndb_quote_identifier(&sql, step->table->name);
    tndb_buffer_append(&sql, " ADD ");
    status = append_foreign_key(&render, step->table, step->key, error);
  } else {
    status = append_item(&render, step->item, order, error);
  }
  if (status != TENANTDB_OK) {
    if (!step->key) { /* a foreign key's error has its place already */
      tndb_place_error(&place, error);
    }
    return status;
  }
  tndb_place_write(&place, &text);
  out->sql = tndb_buffer_take(&sql);
  out->place = tndb_buffer_take(&text);
  return out->sql && out->place ? TENANTDB_OK : tndb_no_memory(error);
}

static tenantdb_status make(const tenantdb_registry *registry, int32_t kind, const tenantdb_base *only,
                            const char *const schemas[2], bool apart, tndb_ddl *out, tenantdb_error **error) {
  *out = (tndb_ddl){NULL, 0};
  tndb_render render = {NULL, schemas[0], schemas[1], NULL};
  tndb_order order;
  tenantdb_status status = tndb_order_make(registry, kind, only, &order, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  if (apart) {
    tndb_order_part_keys(&order, registry);
  }
  out->items = tndb_alloc_array(order.count, sizeof *out->items);
  if (!out->items) {
    status = tndb_no_memory(error);
  }
  for (size_t i = 0; i < order.count && status == TENANTDB_OK; i++) {
    out->count = i + 1;
    status = make_item(render, &order.steps[i], &order, &out->items[i], error);
  }
  tndb_order_free(&order);
  if (status != TENANTDB_OK) {
    tndb_ddl_free(out);
  }
  return status;
}

tenantdb_status tndb_ddl_make(const tenantdb_registry *registry, int32_t kind, const tenantdb_base *only,
                              const char *schema, const char *shared_schema, tndb_ddl *out,
                              tenantdb_error **error) {
  const char *const schemas[2] = {schema, shared_schema};
  return make(registry, kind, only, schemas, false, out, error);
}

void tndb_ddl_free(tndb_ddl *ddl) {
  for (size_t i = 0; i < ddl->count; i++) {
    tndb_free(ddl->items[i].sql);
    tndb_free(ddl->items[i].place);
  }
  tndb_free(ddl->items);
  *ddl = (tndb_ddl){NULL, 0};
}

/* What any call that names a kind and schemas begins with. */
static tenantdb_status check_arguments(const tenantdb_registry *registry, int32_t kind, const char *schema,
                                       const char *shared_schema, tenantdb_error **error) {
  if (!registry || !schema) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       registry ? "the schema's name" : "the registry");
  }
  if (!tndb_registry_valid(registry)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "this is no registry");
  }
  if (kind == TENANTDB_BASE_ROW) {
    return tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_UNSUPPORTED_HERE,
                       "bases of kind row are not available yet");
  }
  if (kind != TENANTDB_BASE_SHARED && kind != TENANTDB_BASE_TENANT) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "%d is not a kind of base",
                       (int)kind);
  }
  tenantdb_status status = tndb_identifier_check("the schema's name", schema, error);
  if (status == TENANTDB_OK && shared_schema) {
    status = tndb_identifier_check("the shared schema's name", shared_schema, error);
  }
  return status;
}

tenantdb_status tndb_registry_statements(const tenantdb_registry *registry, int32_t kind, const char *schema,
                                         const char *shared_schema, tndb_ddl *out, tenantdb_error **error) {
  *out = (tndb_ddl){NULL, 0};
  tenantdb_status status = check_arguments(registry, kind, schema, shared_schema, error);
  if (status == TENANTDB_OK && registry->mistake) {
    status = tndb_error_pass(error, tndb_error_copy(registry->mistake));
  }
  return status == TENANTDB_OK ? tndb_ddl_make(registry, kind, NULL, schema, shared_schema, out, error)
                               : status;
}

tenantdb_status tndb_registry_statements_apart(const tenantdb_registry *registry, int32_t kind,
                                               const char *schema, const char *shared_schema, tndb_ddl *out,
                                               tenantdb_error **error) {
  const char *const schemas[2] = {schema, shared_schema};
  *out = (tndb_ddl){NULL, 0};
  tenantdb_status status = check_arguments(registry, kind, schema, shared_schema, error);
  if (status == TENANTDB_OK && registry->mistake) {
    status = tndb_error_pass(error, tndb_error_copy(registry->mistake));
  }
  return status == TENANTDB_OK ? make(registry, kind, NULL, schemas, true, out, error) : status;
}

/* ----------------------------------------------------------------- scripts */

static tenantdb_status write_script(const tndb_ddl *ddl, int32_t kind, const char *schema, char **sql,
                                    tenantdb_error **error) {
  tndb_auto_buffer out = TNDB_BUFFER_INIT;
  /* Every database has public; nobody has to create it. */
  if (kind != TENANTDB_BASE_SHARED || strcmp(schema, "public") != 0) {
    tndb_buffer_append(&out, "CREATE SCHEMA ");
    tndb_quote_identifier(&out, schema);
    tndb_buffer_append(&out, ";\n");
  }
  tndb_buffer_append(&out, "SET search_path TO ");
  tndb_quote_identifier(&out, schema);
  tndb_buffer_append(&out, ", pg_temp;\n");
  for (size_t i = 0; i < ddl->count; i++) {
    tndb_buffer_append(&out, ddl->items[i].sql);
    tndb_buffer_append(&out, ";\n");
  }
  *sql = tndb_buffer_take(&out);
  return *sql ? TENANTDB_OK : tndb_no_memory(error);
}

static tenantdb_status script(const tenantdb_registry *registry, int32_t kind, const tenantdb_base *only,
                              const char *const schemas[2], char **sql, tenantdb_error **error) {
  tndb_ddl ddl;
  tenantdb_status status = check_arguments(registry, kind, schemas[0], schemas[1], error);
  if (status == TENANTDB_OK) {
    status = tndb_registry_verify(registry, error);
  }
  if (status == TENANTDB_OK) {
    status = tndb_ddl_make(registry, kind, only, schemas[0], schemas[1], &ddl, error);
  }
  if (status == TENANTDB_OK) {
    status = write_script(&ddl, kind, schemas[0], sql, error);
    tndb_ddl_free(&ddl);
  }
  return status;
}

tenantdb_status tenantdb_registry_ddl(const tenantdb_registry *registry, int32_t kind, const char *schema,
                                      const char *shared_schema, char **sql, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!sql) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  }
  *sql = NULL;
  const char *const schemas[2] = {schema, shared_schema};
  return script(registry, kind, NULL, schemas, sql, error);
}

tenantdb_status tenantdb_base_ddl(const tenantdb_base *base, const char *schema, const char *shared_schema,
                                  char **sql, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!sql || !base) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       base ? "sql" : "the base");
  }
  *sql = NULL;
  const char *const schemas[2] = {schema, shared_schema};
  return script(base->registry, base->kind, base, schemas, sql, error);
}
