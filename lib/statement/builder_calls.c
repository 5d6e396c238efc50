/* SPDX-License-Identifier: PostgreSQL */
/* The calls that say what a statement is to hold. Each adds its steps, or keeps a mistake. */
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "statement/builder.h"
#include "statement/params.h"

#define INSERT_UPSERT (TNDB_BUILD_INSERT | TNDB_BUILD_UPSERT)
#define UPDATE_DELETE (TNDB_BUILD_UPDATE | TNDB_BUILD_DELETE)
#define FILTERED (TNDB_BUILD_SELECT | UPDATE_DELETE)
#define CHANGING (INSERT_UPSERT | UPDATE_DELETE)

static tenantdb_status misfit(tenantdb_error **error, const char *why) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER, "%s", why);
}

/* ------------------------------------------------------------------ lists */

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Words of SQL may be written either way. */
static bool same(const char *text, const char *word) {
  while (*text && lower(*text) == *word) {
    text++;
    word++;
  }
  return !*text && !*word;
}

static const tndb_operator operators[] = {
    {"=", " = ", TNDB_OPERATOR_BINARY},
    {"<>", " <> ", TNDB_OPERATOR_BINARY},
    {"!=", " <> ", TNDB_OPERATOR_BINARY},
    {"<", " < ", TNDB_OPERATOR_BINARY},
    {"<=", " <= ", TNDB_OPERATOR_BINARY},
    {">", " > ", TNDB_OPERATOR_BINARY},
    {">=", " >= ", TNDB_OPERATOR_BINARY},
    {"in", " = ANY (", TNDB_OPERATOR_ARRAY},
    {"not in", " <> ALL (", TNDB_OPERATOR_ARRAY},
    {"like", " LIKE ", TNDB_OPERATOR_BINARY},
    {"not like", " NOT LIKE ", TNDB_OPERATOR_BINARY},
    {"ilike", " ILIKE ", TNDB_OPERATOR_BINARY},
    {"not ilike", " NOT ILIKE ", TNDB_OPERATOR_BINARY},
    {"is null", " IS NULL", TNDB_OPERATOR_UNARY},
    {"is not null", " IS NOT NULL", TNDB_OPERATOR_UNARY},
    {"is distinct from", " IS DISTINCT FROM ", TNDB_OPERATOR_BINARY},
    {"is not distinct from", " IS NOT DISTINCT FROM ", TNDB_OPERATOR_BINARY},
    {"@>", " @> ", TNDB_OPERATOR_BINARY},
    {"<@", " <@ ", TNDB_OPERATOR_BINARY},
    {"&&", " && ", TNDB_OPERATOR_BINARY},
};

static const tndb_direction directions[] = {
    {"asc", "", false, false},
    {"desc", " DESC", true, true},
    {"asc nulls last", " NULLS LAST", false, false},
    {"asc nulls first", " NULLS FIRST", false, true},
    {"desc nulls first", " DESC NULLS FIRST", true, true},
    {"desc nulls last", " DESC NULLS LAST", true, false},
};

static const tndb_lock locks[] = {
    {"update", "UPDATE", ""},
    {"update nowait", "UPDATE", " NOWAIT"},
    {"update skip locked", "UPDATE", " SKIP LOCKED"},
    {"no key update", "NO KEY UPDATE", ""},
    {"no key update nowait", "NO KEY UPDATE", " NOWAIT"},
    {"no key update skip locked", "NO KEY UPDATE", " SKIP LOCKED"},
    {"share", "SHARE", ""},
    {"share nowait", "SHARE", " NOWAIT"},
    {"share skip locked", "SHARE", " SKIP LOCKED"},
    {"key share", "KEY SHARE", ""},
    {"key share nowait", "KEY SHARE", " NOWAIT"},
    {"key share skip locked", "KEY SHARE", " SKIP LOCKED"},
};

/* One of a list's names, or a mistake that names them all. */
#define CHOOSE(list, what, word, error) \
  (const void *)choose(list, sizeof list / sizeof list[0], sizeof list[0], what, word, error)

/* Every list's elements begin with their name. */
static const char *const *choose(const void *list, size_t count, size_t size, const char *what,
                                 const char *word, tenantdb_error **error) {
  tndb_auto_buffer all = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < count; i++) {
    const void *element = (const char *)list + i * size;
    const char *const *name = element;
    if (word && same(word, *name)) {
      return name;
    }
    tndb_buffer_append(&all, i ? ", \"" : "\"");
    tndb_buffer_append(&all, *name);
    tndb_buffer_append_char(&all, '"');
  }
  if (!word) {
    (void)tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL", what);
  } else {
    (void)tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER, "%s is none of %s", what,
                      tndb_buffer_text(&all));
  }
  return NULL;
}

/* ----------------------------------------------------------------- columns */

static bool has_column(const tenantdb_builder *builder, int32_t kind, const tndb_step *other) {
  for (size_t i = 0; i < builder->n_steps; i++) {
    const tndb_step *step = &builder->steps[i];
    if (step != other && step->kind == kind && step->source == other->source &&
        strcmp(step->name, other->name) == 0) {
      return true;
    }
  }
  return false;
}

/* Whether the column may be given a value, and gets one for the first time. */
static tenantdb_status check_written(const tenantdb_builder *builder, const tndb_step *step,
                                     tenantdb_error **error) {
  tndb_column_facts facts;
  tndb_column_facts_find(&facts, tndb_builder_table(builder, step->source), step->name);
  if (facts.identity) {
    return misfit(error,
                  "it is GENERATED ALWAYS AS IDENTITY: the server numbers it and takes no other value; "
                  "leave it out, or declare it GENERATED BY DEFAULT");
  }
  if (facts.generated) {
    return misfit(error, "it is GENERATED ALWAYS: the server computes it; leave it out");
  }
  if (has_column(builder, TNDB_STEP_COLUMN, step) || has_column(builder, TNDB_STEP_ADD, step) ||
      has_column(builder, TNDB_STEP_KEEP, step) || has_column(builder, TNDB_STEP_VERSION, step)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME, "it is given a value twice");
  }
  return TENANTDB_OK;
}

static void written(tenantdb_builder *builder, int32_t kind, const char *call, const char *column) {
  tenantdb_error *mistake = NULL;
  tndb_step *step;
  if (tndb_builder_column_step(builder, kind, column, &step, &mistake) == TENANTDB_OK) {
    (void)check_written(builder, step, &mistake);
  }
  tndb_builder_keep_mistake(builder, call, column, mistake);
}

void tenantdb_builder_column(tenantdb_builder *builder, const char *column) {
  if (!tndb_builder_takes(builder, INSERT_UPSERT | TNDB_BUILD_SELECT | TNDB_BUILD_UPDATE, "column")) {
    return;
  }
  if (builder->verb != TNDB_BUILD_SELECT) {
    written(builder, TNDB_STEP_COLUMN, "column", column);
    return;
  }
  tenantdb_error *mistake = NULL;
  tndb_step *step;
  (void)tndb_builder_column_step(builder, TNDB_STEP_COLUMN, column, &step, &mistake);
  tndb_builder_keep_mistake(builder, "column", column, mistake);
}

void tenantdb_builder_add(tenantdb_builder *builder, const char *column) {
  if (tndb_builder_takes(builder, TNDB_BUILD_UPSERT | TNDB_BUILD_UPDATE, "add")) {
    written(builder, TNDB_STEP_ADD, "add", column);
  }
}

void tenantdb_builder_keep(tenantdb_builder *builder, const char *column) {
  if (tndb_builder_takes(builder, TNDB_BUILD_UPSERT, "keep")) {
    written(builder, TNDB_STEP_KEEP, "keep", column);
  }
}

static tenantdb_status version(tenantdb_builder *builder, const char *column, tenantdb_error **error) {
  tndb_step *step;
  tndb_column_facts facts;
  if (tndb_builder_has_step(builder, TNDB_STEP_VERSION)) {
    return misfit(error, "there is a version column already");
  }
  tenantdb_status status = tndb_builder_column_step(builder, TNDB_STEP_VERSION, column, &step, error);
  if (status == TENANTDB_OK) {
    status = check_written(builder, step, error);
  }
  if (status == TENANTDB_OK) {
    const tenantdb_table *table = tndb_builder_table(builder, step->source);
    tndb_column_facts_find(&facts, table, step->name);
    if (!facts.not_null && !table->open) {
      status = misfit(error, "it may be NULL, and then no version would ever match: declare it NOT NULL");
    }
  }
  return status;
}

void tenantdb_builder_version(tenantdb_builder *builder, const char *column) {
  if (tndb_builder_takes(builder, UPDATE_DELETE, "version")) {
    tenantdb_error *mistake = NULL;
    (void)version(builder, column, &mistake);
    tndb_builder_keep_mistake(builder, "version", column, mistake);
  }
}

void tenantdb_builder_returning(tenantdb_builder *builder, const char *column) {
  if (tndb_builder_takes(builder, CHANGING, "returning")) {
    tenantdb_error *mistake = NULL;
    tndb_step *step;
    (void)tndb_builder_column_step(builder, TNDB_STEP_RETURNING, column, &step, &mistake);
    tndb_builder_keep_mistake(builder, "returning", column, mistake);
  }
}

void tenantdb_builder_conflict(tenantdb_builder *builder, const char *column) {
  if (!tndb_builder_takes(builder, TNDB_BUILD_UPSERT, "conflict")) {
    return;
  }
  tenantdb_error *mistake = NULL;
  tndb_step *step;
  if (tndb_builder_column_step(builder, TNDB_STEP_CONFLICT, column, &step, &mistake) == TENANTDB_OK &&
      has_column(builder, TNDB_STEP_CONFLICT, step)) {
    (void)tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME, "it is named twice");
  }
  tndb_builder_keep_mistake(builder, "conflict", column, mistake);
}

/* -------------------------------------------------------------------- rows */

void tenantdb_builder_rows(tenantdb_builder *builder, int32_t n) {
  if (!tndb_builder_takes(builder, INSERT_UPSERT, "rows")) {
    return;
  }
  tenantdb_error *mistake = NULL;
  if (builder->rows || builder->arrays) {
    (void)misfit(&mistake, "the number of rows was said already");
  } else if (n < 1 || n > TNDB_PARAMS_MOST) {
    (void)tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                      "%d is no number of rows; 1 to %d can be written so, any number by "
                      "tenantdb_builder_arrays()",
                      (int)n, TNDB_PARAMS_MOST);
  } else {
    builder->rows = n;
  }
  tndb_builder_keep_mistake(builder, "rows", NULL, mistake);
}

void tenantdb_builder_arrays(tenantdb_builder *builder) {
  if (!tndb_builder_takes(builder, INSERT_UPSERT, "arrays")) {
    return;
  }
  tenantdb_error *mistake = NULL;
  if (builder->rows) {
    (void)misfit(&mistake, "the number of rows was said already; arrays have any number");
  }
  builder->arrays = true;
  tndb_builder_keep_mistake(builder, "arrays", NULL, mistake);
}

void tenantdb_builder_do_nothing(tenantdb_builder *builder) {
  if (tndb_builder_takes(builder, TNDB_BUILD_UPSERT, "do_nothing")) {
    builder->do_nothing = true;
  }
}

/* -------------------------------------------------------------- conditions */

static tenantdb_status where(tenantdb_builder *builder, const char *column, const char *op,
                             tenantdb_error **error) {
  tndb_step *step;
  tndb_column_facts facts;
  const tndb_operator *chosen = CHOOSE(operators, "the operator", op, error);
  if (!chosen) {
    return TENANTDB_ARGUMENT;
  }
  tenantdb_status status = tndb_builder_column_step(builder, TNDB_STEP_CONDITION, column, &step, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  step->comparison = chosen;
  const tenantdb_table *table = tndb_builder_table(builder, step->source);
  tndb_column_facts_find(&facts, table, step->name);
  if (chosen->shape == TNDB_OPERATOR_ARRAY && facts.type) {
    tndb_template type = TNDB_TEMPLATE_INIT;
    if (!tndb_array_type_write(table, facts.type, &type)) {
      status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                           "its type %s has no array to compare with; arrays themselves are compared by @> "
                           "and &&",
                           facts.type);
    } else if (type.text.failed) {
      status = tndb_no_memory(error);
    }
    tndb_template_free(&type);
  }
  return status;
}

void tenantdb_builder_where(tenantdb_builder *builder, const char *column, const char *op) {
  if (tndb_builder_takes(builder, FILTERED, "where")) {
    tenantdb_error *mistake = NULL;
    (void)where(builder, column, op, &mistake);
    tndb_builder_keep_mistake(builder, "where", column, mistake);
  }
}

static tenantdb_status plain_step(tenantdb_builder *builder, int32_t kind, tenantdb_error **error) {
  tndb_step *step = tndb_builder_next_step(builder);
  if (!step) {
    return tndb_no_memory(error);
  }
  step->kind = kind;
  builder->n_steps++;
  return TENANTDB_OK;
}

void tenantdb_builder_or(tenantdb_builder *builder) {
  if (!tndb_builder_takes(builder, FILTERED, "or")) {
    return;
  }
  tenantdb_error *mistake = NULL;
  if (!tndb_builder_may_alternate(builder)) {
    (void)misfit(&mistake, "there is no condition between it and what comes before");
  } else {
    (void)plain_step(builder, TNDB_STEP_OR, &mistake);
  }
  tndb_builder_keep_mistake(builder, "or", NULL, mistake);
}

static tenantdb_status key_conditions(tenantdb_builder *builder, tenantdb_error **error) {
  const tndb_key *key = tndb_primary_key(tndb_builder_table(builder, 0));
  if (!key) {
    return misfit(error, "no primary key is declared; name its columns with tenantdb_builder_where()");
  }
  for (size_t i = 0; i < key->columns.count; i++) {
    tndb_step *step = tndb_builder_next_step(builder);
    char *name = step ? tndb_strdup(key->columns.items[i]) : NULL;
    char *as_written = name ? tndb_strdup(name) : NULL;
    if (!as_written) {
      tndb_free(name);
      return tndb_no_memory(error);
    }
    *step = (tndb_step){.kind = TNDB_STEP_CONDITION, .name = name, .written = as_written, .key = true};
    step->comparison = &operators[0];
    builder->n_steps++;
  }
  return TENANTDB_OK;
}

void tenantdb_builder_key(tenantdb_builder *builder) {
  if (tndb_builder_takes(builder, FILTERED, "key")) {
    tenantdb_error *mistake = NULL;
    (void)key_conditions(builder, &mistake);
    tndb_builder_keep_mistake(builder, "key", NULL, mistake);
  }
}

void tenantdb_builder_all(tenantdb_builder *builder) {
  if (tndb_builder_takes(builder, UPDATE_DELETE, "all")) {
    builder->all = true;
  }
}

/* ------------------------------------------------------------ order, pages */

static tenantdb_status order(tenantdb_builder *builder, const char *column, const char *direction,
                             tenantdb_error **error) {
  tndb_step *step;
  const tndb_direction *chosen = CHOOSE(directions, "the direction", direction ? direction : "asc", error);
  if (!chosen) {
    return TENANTDB_ARGUMENT;
  }
  tenantdb_status status = tndb_builder_column_step(builder, TNDB_STEP_ORDER, column, &step, error);
  if (status == TENANTDB_OK) {
    step->direction = chosen;
    if (has_column(builder, TNDB_STEP_ORDER, step)) {
      status =
          tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME, "it is ordered by already");
    }
  }
  return status;
}

void tenantdb_builder_order(tenantdb_builder *builder, const char *column, const char *direction) {
  if (tndb_builder_takes(builder, TNDB_BUILD_SELECT, "order")) {
    tenantdb_error *mistake = NULL;
    (void)order(builder, column, direction, &mistake);
    tndb_builder_keep_mistake(builder, "order", column, mistake);
  }
}

/* A step that there can be one of. */
static void single(tenantdb_builder *builder, int32_t kind, const char *call) {
  if (tndb_builder_takes(builder, TNDB_BUILD_SELECT, call)) {
    tenantdb_error *mistake = NULL;
    if (tndb_builder_has_step(builder, kind)) {
      (void)misfit(&mistake, "it was said already");
    } else {
      (void)plain_step(builder, kind, &mistake);
    }
    tndb_builder_keep_mistake(builder, call, NULL, mistake);
  }
}

void tenantdb_builder_limit(tenantdb_builder *builder) {
  single(builder, TNDB_STEP_LIMIT, "limit");
}

void tenantdb_builder_offset(tenantdb_builder *builder) {
  single(builder, TNDB_STEP_OFFSET, "offset");
}

void tenantdb_builder_after(tenantdb_builder *builder) {
  single(builder, TNDB_STEP_AFTER, "after");
}

void tenantdb_builder_lock(tenantdb_builder *builder, const char *lock) {
  if (tndb_builder_takes(builder, TNDB_BUILD_SELECT, "lock")) {
    tenantdb_error *mistake = NULL;
    builder->lock = CHOOSE(locks, "the lock", lock, &mistake);
    tndb_builder_keep_mistake(builder, "lock", NULL, mistake);
  }
}
