/* SPDX-License-Identifier: PostgreSQL */
/* What a column's name means in a statement, and how it is written there. */
#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "sql/identifier.h"
#include "statement/builder.h"

/* Where a name led to. */
typedef struct found {
  size_t source;
  const char *column; /* the rest of the name, behind "table." or "base.table." */
  size_t count;       /* of the tables it may be in */
} found;

/* Whether columns that are not declared may be there. */
static bool is_open(const tndb_source *source) {
  return !source->target.entry->table || source->target.entry->table->open;
}

static bool has_column(const tndb_source *source, const char *name) {
  const tenantdb_table *table = source->target.entry->table;
  return table && tndb_table_find_column(table, name, false);
}

/* What follows "word." in a name, or NULL. */
static const char *behind(const char *name, const char *word) {
  size_t length = strlen(word);
  return strncmp(name, word, length) == 0 && name[length] == '.' ? name + length + 1 : NULL;
}

/* The tables that a qualified name is of: those that have the column, else those that might. */
static found look_up(const tenantdb_builder *builder, const char *name) {
  found sure = {0, NULL, 0}, maybe = {0, NULL, 0};
  for (size_t i = 0; i < builder->n_sources; i++) {
    const tndb_source *source = &builder->sources[i];
    const char *in_base = behind(name, source->target.base->name);
    const char *column = in_base ? behind(in_base, source->target.entry->name) : NULL;
    column = column ? column : behind(name, source->target.entry->name);
    if (column) {
      found *one = has_column(source, column) ? &sure : &maybe;
      one->source = i;
      one->column = column;
      one->count++;
    }
  }
  return sure.count ? sure : maybe;
}

static tenantdb_status unknown(const tenantdb_builder *builder, size_t source, const char *name,
                               tenantdb_error **error) {
  const tndb_entry *entry = builder->sources[source].target.entry;
  for (size_t i = 1; source == 0 && i < builder->n_sources; i++) {
    if (has_column(&builder->sources[i], name)) {
      const char *other = builder->sources[i].target.entry->name;
      return tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_COLUMN,
                         "table %s has no column \"%s\"; table %s has one: write %s.%s", entry->name, name,
                         other, other, name);
    }
  }
  tndb_nearest nearest = TNDB_NEAREST_INIT(name);
  for (size_t i = 0; entry->table && i < tndb_table_column_count(entry->table); i++) {
    tndb_nearest_try(&nearest, tndb_table_column_name(entry->table, i));
  }
  if (nearest.best) {
    return tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_COLUMN,
                       "table %s has no column \"%s\"; did you mean \"%s\"?", entry->name, name,
                       nearest.best);
  }
  return tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_COLUMN,
                     "table %s has no column \"%s\"%s", entry->name, name,
                     strchr(name, '.') ? ", and there is no such table in this statement (yet)" : "");
}

/* A column that is not declared, where such may be there: what it is called must at least be a name. */
static tenantdb_status undeclared(const tenantdb_builder *builder, const found *at, tenantdb_error **error) {
  if (is_open(&builder->sources[at->source])) {
    return tndb_identifier_check("the column's name", at->column, error);
  }
  return unknown(builder, at->source, at->column, error);
}

static tenantdb_status find(const tenantdb_builder *builder, const char *name, found *at,
                            tenantdb_error **error) {
  size_t bad;
  if (!name) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the column's name is NULL");
  }
  if (!tndb_utf8_valid(name, strlen(name), &bad)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
                       "the column's name is not valid UTF-8 at byte %zu", bad + 1);
  }
  *at = (found){0, name, 1};
  if (has_column(&builder->sources[0], name)) {
    return TENANTDB_OK;
  }
  found qualified = strchr(name, '.') ? look_up(builder, name) : (found){0, NULL, 0};
  if (qualified.count > 1) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "two tables of this statement are called so; write base.table.column");
  }
  if (qualified.count == 1) {
    *at = qualified;
    return has_column(&builder->sources[at->source], at->column) ? TENANTDB_OK
                                                                 : undeclared(builder, at, error);
  }
  /* A dot that leads nowhere is a mistake rather than part of an undeclared name. */
  return strchr(name, '.') ? unknown(builder, 0, name, error) : undeclared(builder, at, error);
}

tndb_step *tndb_builder_next_step(tenantdb_builder *builder) {
  tndb_step *steps = tndb_array_room(builder->steps, builder->n_steps, sizeof *steps);
  if (!steps) {
    return NULL;
  }
  builder->steps = steps;
  steps[builder->n_steps] = (tndb_step){0};
  return &steps[builder->n_steps];
}

tenantdb_status tndb_builder_column_step(tenantdb_builder *builder, int32_t kind, const char *column,
                                         tndb_step **step, tenantdb_error **error) {
  found at = {0};
  *step = NULL;
  tenantdb_status status = find(builder, column, &at, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  tndb_step *next = tndb_builder_next_step(builder);
  char *name = next ? tndb_strdup(at.column) : NULL;
  char *written = name ? tndb_strdup(column) : NULL;
  if (!written) {
    tndb_free(name);
    return tndb_no_memory(error);
  }
  *next = (tndb_step){.kind = kind, .source = at.source, .name = name, .written = written};
  builder->n_steps++;
  *step = next;
  return TENANTDB_OK;
}

bool tndb_builder_has_step(const tenantdb_builder *builder, int32_t kind) {
  for (size_t i = 0; i < builder->n_steps; i++) {
    if (builder->steps[i].kind == kind) {
      return true;
    }
  }
  return false;
}

bool tndb_builder_may_alternate(const tenantdb_builder *builder) {
  bool may = false;
  for (size_t i = 0; i < builder->n_steps; i++) {
    int32_t kind = builder->steps[i].kind;
    may = kind == TNDB_STEP_CONDITION || (may && kind != TNDB_STEP_OR);
  }
  return may;
}

/* ----------------------------------------------------------------- writing */

bool tndb_builder_has_aliases(const tenantdb_builder *builder) {
  /* In an upsert a table called "excluded" would be two. */
  return builder->n_sources > 1 || builder->verb == TNDB_BUILD_UPSERT;
}

void tndb_builder_write_alias(size_t source, tndb_template *out) {
  tndb_buffer_append_char(&out->text, 't');
  tndb_template_number(out, source + 1);
}

void tndb_builder_write_column(const tenantdb_builder *builder, size_t source, const char *name,
                               tndb_template *out) {
  if (tndb_builder_has_aliases(builder)) {
    tndb_builder_write_alias(source, out);
    tndb_buffer_append_char(&out->text, '.');
  }
  tndb_quote_identifier(&out->text, name);
}

void tndb_builder_number(const tenantdb_builder *builder, tndb_step *step, const char *role,
                         tndb_parameters *parameters) {
  tndb_parameter parameter = {.name = step->written, .role = role};
  if (step->name) {
    tndb_column_facts facts;
    tndb_column_facts_find(&facts, tndb_builder_table(builder, step->source), step->name);
    parameter.type = facts.type;
  }
  if (step->kind == TNDB_STEP_LIMIT || step->kind == TNDB_STEP_OFFSET) {
    parameter.type = "bigint";
  }
  if (step->comparison) {
    parameter.comparison = step->comparison->name;
    parameter.array = step->comparison->shape == TNDB_OPERATOR_ARRAY;
  }
  tndb_parameters_add(parameters, &parameter);
  step->number = tndb_parameters_count(parameters);
}

static void write_condition(const tenantdb_builder *builder, const tndb_step *step, tndb_template *out) {
  const tndb_operator *comparison = step->comparison;
  tndb_builder_write_column(builder, step->source, step->name, out);
  tndb_buffer_append(&out->text, comparison->sql);
  if (comparison->shape == TNDB_OPERATOR_UNARY) {
    return;
  }
  tndb_template_parameter(out, step->number);
  if (comparison->shape == TNDB_OPERATOR_ARRAY) {
    const tenantdb_table *table = tndb_builder_table(builder, step->source);
    tndb_column_facts facts;
    tndb_column_facts_find(&facts, table, step->name);
    tndb_template type = TNDB_TEMPLATE_INIT;
    if (tndb_array_type_write(table, facts.type, &type)) {
      tndb_buffer_append(&out->text, "::");
      (void)tndb_array_type_write(table, facts.type, out);
    }
    out->text.failed = out->text.failed || type.text.failed;
    tndb_template_free(&type);
    tndb_buffer_append_char(&out->text, ')');
  }
}

/* (a AND b OR c): AND binds more tightly. */
static bool write_conditions(const tenantdb_builder *builder, tndb_template *out) {
  bool alternatives = tndb_builder_has_step(builder, TNDB_STEP_OR), any = false, or = false;
  for (size_t i = 0; i < builder->n_steps; i++) {
    const tndb_step *step = &builder->steps[i];
    or = or || step->kind == TNDB_STEP_OR;
    if (step->kind == TNDB_STEP_CONDITION) {
      const char *first = alternatives ? " WHERE (" : " WHERE ";
      tndb_buffer_append(&out->text, !any ? first : or ? " OR " : " AND ");
      write_condition(builder, step, out);
      any = true;
      or = false;
    }
  }
  if (alternatives) {
    tndb_buffer_append_char(&out->text, ')');
  }
  return any;
}

bool tndb_builder_write_where(const tenantdb_builder *builder, tndb_template *out) {
  bool any = write_conditions(builder, out);
  for (size_t i = 0; i < builder->n_steps; i++) {
    const tndb_step *step = &builder->steps[i];
    if (step->kind == TNDB_STEP_VERSION) {
      tndb_buffer_append(&out->text, any ? " AND " : " WHERE ");
      tndb_builder_write_column(builder, step->source, step->name, out);
      tndb_buffer_append(&out->text, " = ");
      tndb_template_parameter(out, step->number);
      any = true;
    }
  }
  return any;
}

void tndb_builder_write_returning(const tenantdb_builder *builder, tndb_template *out) {
  bool any = false;
  for (size_t i = 0; i < builder->n_steps; i++) {
    const tndb_step *step = &builder->steps[i];
    if (step->kind == TNDB_STEP_RETURNING) {
      tndb_buffer_append(&out->text, any ? ", " : " RETURNING ");
      tndb_builder_write_column(builder, step->source, step->name, out);
      any = true;
    }
  }
}
