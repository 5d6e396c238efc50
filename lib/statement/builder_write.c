/* SPDX-License-Identifier: PostgreSQL */
/* The text of INSERT, UPDATE and DELETE. */
#include <string.h>

#include "sql/identifier.h"
#include "statement/builder.h"
#include "statement/params.h"

static bool is_value(const tndb_step *step) {
  return step->kind == TNDB_STEP_COLUMN || step->kind == TNDB_STEP_ADD || step->kind == TNDB_STEP_KEEP;
}

static size_t count_values(const tenantdb_builder *builder) {
  size_t count = 0;
  for (size_t i = 0; i < builder->n_steps; i++) {
    count += is_value(&builder->steps[i]);
  }
  return count;
}

/* --------------------------------------------------------------- conflicts */

/* The columns of an upsert's target: those that were named, else the primary key's. */
typedef struct arbiter {
  const tenantdb_builder *builder;
  const tndb_key *key; /* NULL: they were named */
} arbiter;

static const char *arbiter_column(const arbiter *a, size_t number) {
  if (a->key) {
    return number < a->key->columns.count ? a->key->columns.items[number] : NULL;
  }
  for (size_t i = 0; i < a->builder->n_steps; i++) {
    if (a->builder->steps[i].kind == TNDB_STEP_CONFLICT && number-- == 0) {
      return a->builder->steps[i].name;
    }
  }
  return NULL;
}

static bool arbiter_has(const arbiter *a, const char *name) {
  const char *column;
  for (size_t i = 0; (column = arbiter_column(a, i)) != NULL; i++) {
    if (strcmp(column, name) == 0) {
      return true;
    }
  }
  return false;
}

static bool is_key(const arbiter *a, const tndb_key *key) {
  size_t n = 0;
  while (arbiter_column(a, n)) {
    n++;
  }
  for (size_t i = 0; i < key->columns.count; i++) {
    if (!arbiter_has(a, key->columns.items[i])) {
      return false;
    }
  }
  return key->kind != 'x' && n == key->columns.count;
}

/* A unique index may serve, whose definition is not looked into. */
static bool has_unique_index(const tenantdb_table *table) {
  for (size_t i = 0; i < table->base->n_items; i++) {
    const tndb_item *item = &table->base->items[i];
    bool of_it = item->table == table || (item->table_name && strcmp(item->table_name, table->name) == 0);
    if (item->kind == TNDB_DDL_INDEX && item->unique && of_it) {
      return true;
    }
  }
  return false;
}

static bool is_inserted(const tenantdb_builder *builder, const char *name) {
  for (size_t i = 0; i < builder->n_steps; i++) {
    if (is_value(&builder->steps[i]) && strcmp(builder->steps[i].name, name) == 0) {
      return true;
    }
  }
  return false;
}

static tenantdb_status find_arbiter(const tenantdb_builder *builder, arbiter *a, tenantdb_error **error) {
  const tenantdb_table *table = tndb_builder_table(builder, 0);
  *a = (arbiter){builder, NULL};
  if (!tndb_builder_has_step(builder, TNDB_STEP_CONFLICT)) {
    a->key = tndb_primary_key(table);
    if (!a->key) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                         "no primary key is declared; name the columns that conflict with "
                         "tenantdb_builder_conflict()");
    }
    for (size_t i = 0; i < a->key->columns.count; i++) {
      if (!is_inserted(builder, a->key->columns.items[i])) {
        return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                           "the primary key's column \"%s\" is given no value, so nothing would ever "
                           "conflict; add it, or name another key with tenantdb_builder_conflict()",
                           a->key->columns.items[i]);
      }
    }
    return TENANTDB_OK;
  }
  for (size_t i = 0; i < table->n_keys; i++) {
    if (is_key(a, &table->keys[i])) {
      return TENANTDB_OK;
    }
  }
  if (table->open || has_unique_index(table)) {
    return TENANTDB_OK;
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                     "no primary key or unique constraint is declared over just the columns of the conflict "
                     "(\"%s\"%s)",
                     arbiter_column(a, 0), arbiter_column(a, 1) ? " and others" : "");
}

static void write_update(const arbiter *a, const tndb_step *step, tndb_template *out) {
  tndb_quote_identifier(&out->text, step->name);
  tndb_buffer_append(&out->text, " = ");
  if (step->kind == TNDB_STEP_ADD) {
    tndb_builder_write_column(a->builder, step->source, step->name, out);
    tndb_buffer_append(&out->text, " + ");
  }
  tndb_buffer_append(&out->text, "excluded.");
  tndb_quote_identifier(&out->text, step->name);
}

static tenantdb_status write_conflict(const tenantdb_builder *builder, tndb_template *out,
                                      tenantdb_error **error) {
  arbiter a;
  const char *column;
  tenantdb_status status = find_arbiter(builder, &a, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  for (size_t i = 0; (column = arbiter_column(&a, i)) != NULL; i++) {
    tndb_buffer_append(&out->text, i ? ", " : " ON CONFLICT (");
    tndb_quote_identifier(&out->text, column);
  }
  tndb_buffer_append(&out->text, builder->do_nothing ? ") DO NOTHING" : ") DO UPDATE SET ");
  bool any = builder->do_nothing;
  for (size_t i = 0; i < builder->n_steps && !builder->do_nothing; i++) {
    const tndb_step *step = &builder->steps[i];
    if (is_value(step) && step->kind != TNDB_STEP_KEEP && !arbiter_has(&a, step->name)) {
      tndb_buffer_append(&out->text, any ? ", " : "");
      write_update(&a, step, out);
      any = true;
    }
  }
  return any ? TENANTDB_OK
             : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                           "there is nothing to update on a conflict; say tenantdb_builder_do_nothing()");
}

/* ------------------------------------------------------------------ insert */

static tenantdb_status check_size(const tenantdb_builder *builder, size_t columns, size_t rows,
                                  tenantdb_error **error) {
  if (columns == 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "no column was named; an insert needs those it gives values to");
  }
  if (!builder->arrays && columns * rows > TNDB_PARAMS_MOST) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "%zu rows of %zu columns take %zu parameters, and a query takes at most %d; "
                       "tenantdb_builder_arrays() takes one for each column",
                       rows, columns, rows * columns, TNDB_PARAMS_MOST);
  }
  return TENANTDB_OK;
}

static void write_rows(size_t rows, size_t columns, tndb_template *out) {
  tndb_buffer_append(&out->text, " VALUES ");
  for (size_t row = 0; row < rows; row++) {
    tndb_buffer_append(&out->text, row ? ", (" : "(");
    for (size_t i = 0; i < columns; i++) {
      tndb_buffer_append(&out->text, i ? ", " : "");
      tndb_template_parameter(out, row * columns + i + 1);
    }
    tndb_buffer_append_char(&out->text, ')');
  }
}

/* Each array is told its type: the server cannot find it out. */
static tenantdb_status write_arrays(const tenantdb_builder *builder, tndb_template *out,
                                    tenantdb_error **error) {
  const tenantdb_table *table = tndb_builder_table(builder, 0);
  size_t number = 0;
  tndb_buffer_append(&out->text, " SELECT * FROM unnest(");
  for (size_t i = 0; i < builder->n_steps; i++) {
    const tndb_step *step = &builder->steps[i];
    if (!is_value(step)) {
      continue;
    }
    tndb_column_facts facts;
    tndb_column_facts_find(&facts, table, step->name);
    tndb_buffer_append(&out->text, number ? ", " : "");
    tndb_template_parameter(out, ++number);
    tndb_buffer_append(&out->text, "::");
    if (!tndb_array_type_write(table, facts.type, out)) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                         "column \"%s\" cannot come from an array: its type %s; use tenantdb_builder_rows()",
                         step->name, facts.type ? "is one itself, or not to be told" : "is not declared");
    }
  }
  tndb_buffer_append_char(&out->text, ')');
  return TENANTDB_OK;
}

static void describe_values(tenantdb_builder *builder, tndb_parameters *parameters) {
  const tenantdb_table *table = tndb_builder_table(builder, 0);
  for (size_t i = 0; i < builder->n_steps; i++) {
    const tndb_step *step = &builder->steps[i];
    if (is_value(step)) {
      tndb_column_facts facts;
      tndb_column_facts_find(&facts, table, step->name);
      tndb_parameter parameter = {step->written, facts.type, builder->arrays,
                                  step->kind == TNDB_STEP_ADD ? "add" : "value", NULL};
      tndb_parameters_add(parameters, &parameter);
    }
  }
}

tenantdb_status tndb_builder_finish_insert(tenantdb_builder *builder, tndb_template *out,
                                           tndb_parameters **parameters, tenantdb_error **error) {
  size_t columns = count_values(builder), rows = builder->rows ? (size_t)builder->rows : 1;
  tenantdb_status status = check_size(builder, columns, rows, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  *parameters = tndb_parameters_new(rows);
  if (!*parameters) {
    return tndb_no_memory(error);
  }
  describe_values(builder, *parameters);
  tndb_buffer_append(&out->text, "INSERT INTO ");
  tndb_template_target(out, &builder->sources[0].target);
  if (tndb_builder_has_aliases(builder)) {
    tndb_buffer_append(&out->text, " AS ");
    tndb_builder_write_alias(0, out);
  }
  bool any = false;
  for (size_t i = 0; i < builder->n_steps; i++) {
    if (is_value(&builder->steps[i])) {
      tndb_buffer_append(&out->text, any ? ", " : " (");
      tndb_quote_identifier(&out->text, builder->steps[i].name);
      any = true;
    }
  }
  tndb_buffer_append_char(&out->text, ')');
  if (builder->arrays) {
    status = write_arrays(builder, out, error);
  } else {
    write_rows(rows, columns, out);
  }
  if (status == TENANTDB_OK && builder->verb == TNDB_BUILD_UPSERT) {
    status = write_conflict(builder, out, error);
  }
  tndb_builder_write_returning(builder, out);
  return status;
}

/* --------------------------------------------------------- update and delete */

static tenantdb_status check_change(const tenantdb_builder *builder, tenantdb_error **error) {
  bool conditions = tndb_builder_has_step(builder, TNDB_STEP_CONDITION);
  if (builder->verb == TNDB_BUILD_UPDATE && count_values(builder) == 0 &&
      !tndb_builder_has_step(builder, TNDB_STEP_VERSION)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "no column was named to be set");
  }
  if (!conditions && !builder->all) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "no condition says which rows; if all of them are meant, say tenantdb_builder_all()");
  }
  if (conditions && builder->all) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "there are conditions, and tenantdb_builder_all() says that there are none");
  }
  return TENANTDB_OK;
}

static void number_change(tenantdb_builder *builder, tndb_parameters *parameters) {
  for (size_t i = 0; i < builder->n_steps; i++) {
    tndb_step *step = &builder->steps[i];
    if (step->kind == TNDB_STEP_CONDITION && step->comparison->shape != TNDB_OPERATOR_UNARY) {
      tndb_builder_number(builder, step, step->key ? "key" : "where", parameters);
    } else if (step->kind == TNDB_STEP_VERSION) {
      tndb_builder_number(builder, step, "version", parameters);
    } else if (is_value(step)) {
      tndb_builder_number(builder, step, step->kind == TNDB_STEP_ADD ? "add" : "value", parameters);
    }
  }
}

static void write_set(const tenantdb_builder *builder, tndb_template *out) {
  bool any = false;
  for (size_t i = 0; i < builder->n_steps; i++) {
    const tndb_step *step = &builder->steps[i];
    if (!is_value(step) && step->kind != TNDB_STEP_VERSION) {
      continue;
    }
    tndb_buffer_append(&out->text, any ? ", " : " SET ");
    tndb_quote_identifier(&out->text, step->name);
    tndb_buffer_append(&out->text, " = ");
    if (step->kind != TNDB_STEP_COLUMN) {
      tndb_quote_identifier(&out->text, step->name);
      tndb_buffer_append(&out->text, " + ");
    }
    if (step->kind == TNDB_STEP_VERSION) {
      tndb_buffer_append_char(&out->text, '1');
    } else {
      tndb_template_parameter(out, step->number);
    }
    any = true;
  }
}

tenantdb_status tndb_builder_finish_change(tenantdb_builder *builder, tndb_template *out,
                                           tndb_parameters *parameters, tenantdb_error **error) {
  tenantdb_status status = check_change(builder, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  number_change(builder, parameters);
  tndb_buffer_append(&out->text, builder->verb == TNDB_BUILD_UPDATE ? "UPDATE " : "DELETE FROM ");
  tndb_template_target(out, &builder->sources[0].target);
  if (builder->verb == TNDB_BUILD_UPDATE) {
    write_set(builder, out);
  }
  (void)tndb_builder_write_where(builder, out);
  tndb_builder_write_returning(builder, out);
  return TENANTDB_OK;
}
