/* SPDX-License-Identifier: PostgreSQL */
/*
 * The text of SELECT, with its order and its pages.
 *
 * A page is cut by comparing with the last row of the page before. That is right
 * only when the order leaves no ties, so wherever rows are limited the order is
 * completed by the primary key, and a page after another one is refused where
 * that cannot be done. Columns that are never NULL and go one way are compared as
 * a row, which an index on them answers at once. Others are compared one by one:
 * (a <= $1 AND (a < $1 OR ...)) still lets an index begin at the right place; for a
 * column that may be NULL the comparison says where NULL stands in the order.
 */
#include <string.h>

#include "base/memory.h"
#include "sql/identifier.h"
#include "statement/builder.h"

/* As many as an index may have columns. */
#define MOST_TERMS 32

/* One column of the order. */
typedef struct term {
  size_t source;
  const char *name;
  const char *written; /* NULL for one that the caller did not write */
  const tndb_direction *direction;
  bool nullable;
} term;

typedef struct ordering {
  const tenantdb_builder *builder;
  term terms[MOST_TERMS];
  size_t count;
  size_t first; /* parameter of the page's row */
  bool too_many;
} ordering;

/* ------------------------------------------------------------------- order */

static bool has_term(const ordering *o, size_t source, const char *name) {
  for (size_t i = 0; i < o->count; i++) {
    if (o->terms[i].source == source && strcmp(o->terms[i].name, name) == 0) {
      return true;
    }
  }
  return false;
}

static void add_term(ordering *o, size_t source, const char *name, const char *written,
                     const tndb_direction *direction) {
  if (o->count == MOST_TERMS) {
    o->too_many = true;
    return;
  }
  tndb_column_facts facts;
  tndb_column_facts_find(&facts, tndb_builder_table(o->builder, source), name);
  o->terms[o->count++] =
      (term){source, name, written, direction, !facts.not_null || o->builder->sources[source].outer};
}

/* Whether no two rows of a table are equal in the order's columns. */
static bool tells_apart(const ordering *o, size_t source) {
  const tenantdb_table *table = tndb_builder_table(o->builder, source);
  for (size_t i = 0; table && i < table->n_keys; i++) {
    const tndb_key *key = &table->keys[i];
    bool apart = key->kind != 'x' && key->columns.count > 0;
    for (size_t c = 0; apart && c < key->columns.count; c++) {
      tndb_column_facts facts;
      tndb_column_facts_find(&facts, table, key->columns.items[c]);
      apart = facts.not_null && has_term(o, source, key->columns.items[c]);
    }
    if (apart) {
      return true;
    }
  }
  return false;
}

/*
 * Complete the order, so that it leaves no ties: by the primary key of the
 * statement's own table, and of those that were joined and may bring several
 * rows; all others follow from these. False when a table has none.
 */
static bool complete(ordering *o) {
  static const tndb_direction ascending = {"asc", "", false, false};
  static const tndb_direction descending = {"desc", " DESC", true, true};
  bool down = o->count && o->terms[o->count - 1].direction->descending;
  for (size_t source = 0; source < o->builder->n_sources; source++) {
    if ((source > 0 && !o->builder->sources[source].many) || tells_apart(o, source)) {
      continue;
    }
    const tndb_key *key = tndb_primary_key(tndb_builder_table(o->builder, source));
    if (!key) {
      return false;
    }
    for (size_t i = 0; i < key->columns.count; i++) {
      if (!has_term(o, source, key->columns.items[i])) {
        add_term(o, source, key->columns.items[i], NULL, down ? &descending : &ascending);
      }
    }
  }
  return true;
}

static tenantdb_status make_order(const tenantdb_builder *builder, ordering *o, tenantdb_error **error) {
  bool after = tndb_builder_has_step(builder, TNDB_STEP_AFTER);
  bool paged = after || tndb_builder_has_step(builder, TNDB_STEP_LIMIT) ||
               tndb_builder_has_step(builder, TNDB_STEP_OFFSET);
  *o = (ordering){.builder = builder};
  for (size_t i = 0; i < builder->n_steps; i++) {
    const tndb_step *step = &builder->steps[i];
    if (step->kind == TNDB_STEP_ORDER) {
      add_term(o, step->source, step->name, step->written, step->direction);
    }
  }
  if (after && tndb_builder_has_step(builder, TNDB_STEP_OFFSET)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "a page is either after a row or at an offset, not both");
  }
  if ((after || (paged && o->count)) && !complete(o) && after) {
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
        "the order may leave ties, and no primary key is declared that would break them: a page "
        "after a row would lose some");
  }
  if (o->too_many) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "it is ordered by more than %d columns", MOST_TERMS);
  }
  return TENANTDB_OK;
}

static void write_term(const ordering *o, const term *t, tndb_template *out) {
  tndb_builder_write_column(o->builder, t->source, t->name, out);
}

static void write_order(const ordering *o, tndb_template *out) {
  for (size_t i = 0; i < o->count; i++) {
    tndb_buffer_append(&out->text, i ? ", " : " ORDER BY ");
    write_term(o, &o->terms[i], out);
    tndb_buffer_append(&out->text, o->terms[i].direction->sql);
  }
}

/* ------------------------------------------------------------------- pages */

static void write_compared(const ordering *o, size_t i, const char *comparison, tndb_template *out) {
  write_term(o, &o->terms[i], out);
  tndb_buffer_append(&out->text, comparison);
  tndb_template_parameter(out, o->first + i);
}

/* The rows that come later by this column alone. */
static void write_later(const ordering *o, size_t i, tndb_template *out) {
  const term *t = &o->terms[i];
  write_compared(o, i, t->direction->descending ? " < " : " > ", out);
  if (t->nullable) {
    tndb_buffer_append(&out->text, " OR ");
    write_term(o, t, out);
    tndb_buffer_append(&out->text, t->direction->nulls_first ? " IS NOT NULL AND " : " IS NULL AND ");
    tndb_template_parameter(out, o->first + i);
    tndb_buffer_append(&out->text, t->direction->nulls_first ? " IS NULL" : " IS NOT NULL");
  }
}

/* Those that come later by this column or, where it is equal, by the following ones. AND binds before OR. */
static void write_from(const ordering *o, size_t i, tndb_template *out) {
  const term *t = &o->terms[i];
  bool last = i + 1 == o->count;
  if (last && !t->nullable) {
    write_later(o, i, out);
    return;
  }
  if (!t->nullable) {
    write_compared(o, i, t->direction->descending ? " <= " : " >= ", out);
    tndb_buffer_append(&out->text, " AND ");
  }
  tndb_buffer_append_char(&out->text, '(');
  write_later(o, i, out);
  if (!last) {
    tndb_buffer_append(&out->text, " OR ");
    if (t->nullable) {
      write_compared(o, i, " IS NOT DISTINCT FROM ", out);
      tndb_buffer_append(&out->text, " AND ");
    }
    write_from(o, i + 1, out);
  }
  tndb_buffer_append_char(&out->text, ')');
}

static bool is_row(const ordering *o) {
  for (size_t i = 0; i < o->count; i++) {
    const term *t = &o->terms[i];
    if (t->nullable || t->direction->descending != o->terms[0].direction->descending) {
      return false;
    }
  }
  return o->count > 1;
}

static void write_page(const ordering *o, bool where, tndb_template *out) {
  tndb_buffer_append(&out->text, where ? " AND " : " WHERE ");
  if (!is_row(o)) {
    write_from(o, 0, out);
    return;
  }
  for (size_t i = 0; i < o->count; i++) {
    tndb_buffer_append(&out->text, i ? ", " : "(");
    write_term(o, &o->terms[i], out);
  }
  tndb_buffer_append(&out->text, o->terms[0].direction->descending ? ") < " : ") > ");
  for (size_t i = 0; i < o->count; i++) {
    tndb_buffer_append(&out->text, i ? ", " : "(");
    tndb_template_parameter(out, o->first + i);
  }
  tndb_buffer_append_char(&out->text, ')');
}

/* ------------------------------------------------------------------ select */

static void number_page(ordering *o, tndb_parameters *parameters) {
  o->first = tndb_parameters_count(parameters) + 1;
  for (size_t i = 0; i < o->count; i++) {
    const term *t = &o->terms[i];
    const tndb_entry *entry = o->builder->sources[t->source].target.entry;
    tndb_auto_buffer name = TNDB_BUFFER_INIT;
    if (!t->written && t->source > 0) {
      tndb_buffer_append(&name, entry->name);
      tndb_buffer_append_char(&name, '.');
    }
    tndb_buffer_append(&name, t->written ? t->written : t->name);
    tndb_column_facts facts;
    tndb_column_facts_find(&facts, entry->table, t->name);
    tndb_parameter parameter = {name.failed ? NULL : tndb_buffer_text(&name), facts.type, false, "after",
                                t->direction->descending ? "<" : ">"};
    tndb_parameters_add(parameters, &parameter);
  }
}

static void number_select(tenantdb_builder *builder, ordering *o, tndb_parameters *parameters) {
  for (size_t i = 0; i < builder->n_steps; i++) {
    tndb_step *step = &builder->steps[i];
    if (step->kind == TNDB_STEP_CONDITION && step->comparison->shape != TNDB_OPERATOR_UNARY) {
      tndb_builder_number(builder, step, step->key ? "key" : "where", parameters);
    } else if (step->kind == TNDB_STEP_LIMIT || step->kind == TNDB_STEP_OFFSET) {
      tndb_builder_number(builder, step, step->kind == TNDB_STEP_LIMIT ? "limit" : "offset", parameters);
    } else if (step->kind == TNDB_STEP_AFTER) {
      number_page(o, parameters);
    }
  }
}

/* A column of a joined table is called "table.column" in the result, so that no name comes twice. */
static void write_output(const tenantdb_builder *builder, size_t source, const char *name,
                         tndb_template *out) {
  tndb_builder_write_column(builder, source, name, out);
  if (source > 0) {
    tndb_auto_buffer label = TNDB_BUFFER_INIT;
    tndb_buffer_append(&label, builder->sources[source].target.entry->name);
    tndb_buffer_append_char(&label, '.');
    tndb_buffer_append(&label, name);
    tndb_buffer_append(&out->text, " AS ");
    tndb_quote_identifier(&out->text, tndb_buffer_text(&label));
    out->text.failed = out->text.failed || label.failed;
  }
}

static void comma(bool *any, tndb_template *out) {
  tndb_buffer_append(&out->text, *any ? ", " : " ");
  *any = true;
}

/* All columns: those that are declared, or where that is not all of them, *. */
static void write_all(const tenantdb_builder *builder, tndb_template *out) {
  bool any = false;
  for (size_t source = 0; source < builder->n_sources; source++) {
    const tenantdb_table *table = tndb_builder_table(builder, source);
    for (size_t i = 0; table && !table->open && i < tndb_table_column_count(table); i++) {
      comma(&any, out);
      write_output(builder, source, tndb_table_column_name(table, i), out);
    }
    if (!table || table->open) {
      comma(&any, out);
      if (tndb_builder_has_aliases(builder)) {
        tndb_builder_write_alias(source, out);
        tndb_buffer_append_char(&out->text, '.');
      }
      tndb_buffer_append_char(&out->text, '*');
    }
  }
}

static void write_columns(const tenantdb_builder *builder, tndb_template *out) {
  bool any = false;
  tndb_buffer_append(&out->text, "SELECT");
  for (size_t i = 0; i < builder->n_steps; i++) {
    const tndb_step *step = &builder->steps[i];
    if (step->kind == TNDB_STEP_COLUMN) {
      comma(&any, out);
      write_output(builder, step->source, step->name, out);
    }
  }
  if (!any) {
    write_all(builder, out);
  }
}

static void write_tables(const tenantdb_builder *builder, tndb_template *out) {
  for (size_t i = 0; i < builder->n_sources; i++) {
    const tndb_source *source = &builder->sources[i];
    tndb_buffer_append(&out->text, i == 0 ? " FROM " : source->outer ? " LEFT JOIN " : " JOIN ");
    tndb_template_target(out, &source->target);
    if (tndb_builder_has_aliases(builder)) {
      tndb_buffer_append(&out->text, " AS ");
      tndb_builder_write_alias(i, out);
    }
    if (source->on) {
      tndb_buffer_append(&out->text, " ON ");
      tndb_buffer_append(&out->text, source->on);
    }
  }
}

static void write_number(const tenantdb_builder *builder, int32_t kind, const char *keyword,
                         tndb_template *out) {
  for (size_t i = 0; i < builder->n_steps; i++) {
    if (builder->steps[i].kind == kind) {
      tndb_buffer_append(&out->text, keyword);
      tndb_template_parameter(out, builder->steps[i].number);
    }
  }
}

/* Only the statement's own rows: shared tables are often not a tenant's to lock. */
static void write_lock(const tenantdb_builder *builder, tndb_template *out) {
  if (builder->lock) {
    tndb_buffer_append(&out->text, " FOR ");
    tndb_buffer_append(&out->text, builder->lock->strength);
    if (tndb_builder_has_aliases(builder)) {
      tndb_buffer_append(&out->text, " OF ");
      tndb_builder_write_alias(0, out);
    }
    tndb_buffer_append(&out->text, builder->lock->wait);
  }
}

tenantdb_status tndb_builder_finish_select(tenantdb_builder *builder, tndb_template *out,
                                           tndb_parameters *parameters, tenantdb_error **error) {
  ordering o;
  tenantdb_status status = make_order(builder, &o, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  number_select(builder, &o, parameters);
  write_columns(builder, out);
  write_tables(builder, out);
  bool where = tndb_builder_write_where(builder, out);
  if (tndb_builder_has_step(builder, TNDB_STEP_AFTER)) {
    write_page(&o, where, out);
  }
  write_order(&o, out);
  write_number(builder, TNDB_STEP_LIMIT, " LIMIT ", out);
  write_number(builder, TNDB_STEP_OFFSET, " OFFSET ", out);
  write_lock(builder, out);
  return TENANTDB_OK;
}
