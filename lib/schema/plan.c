/* SPDX-License-Identifier: PostgreSQL */
#include "schema/plan.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "schema/marker.h"
#include "sql/identifier.h"

/* ---------------------------------------------------------------- steps */

void tndb_plan_free(tndb_plan *plan) {
  for (size_t i = 0; i < plan->count; i++) {
    tndb_free(plan->steps[i].sql);
    tndb_free(plan->steps[i].lock);
  }
  tndb_free(plan->steps);
  *plan = (tndb_plan){.steps = NULL};
}

static bool is_there(const tndb_plan *plan, tndb_phase phase, const char *sql) {
  for (size_t i = 0; i < plan->count; i++) {
    if (plan->steps[i].phase == phase && strcmp(plan->steps[i].sql, sql) == 0) {
      return true;
    }
  }
  return false;
}

void tndb_plan_add(tndb_plan *plan, tndb_phase phase, size_t order, const char *lock, const char *sql) {
  plan->answered = true;
  if (plan->failed || is_there(plan, phase, sql)) {
    return;
  }
  if (plan->count == plan->capacity) {
    size_t capacity = plan->capacity ? plan->capacity * 2 : 16;
    tndb_plan_step *bigger = tndb_realloc(plan->steps, capacity * sizeof *bigger);
    if (!bigger) {
      plan->failed = true;
      return;
    }
    plan->steps = bigger;
    plan->capacity = capacity;
  }
  tndb_plan_step *step = &plan->steps[plan->count];
  *step = (tndb_plan_step){phase, order ? order : plan->count + 1, tndb_strdup(sql),
                           lock ? tndb_strdup(lock) : NULL};
  if (!step->sql || (lock && !step->lock)) {
    tndb_free(step->sql);
    tndb_free(step->lock);
    plan->failed = true;
    return;
  }
  plan->count++;
}

void tndb_plan_addf(tndb_plan *plan, tndb_phase phase, const char *mode, const char *relation,
                    const char *format, ...) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  va_list arguments;
  va_start(arguments, format);
  tndb_buffer_vformat(&sql, format, arguments);
  va_end(arguments);
  if (mode) {
    tndb_buffer_format(&lock, "%s on %s", mode, relation);
  }
  if (sql.failed || lock.failed) {
    plan->failed = true;
    return;
  }
  tndb_plan_add(plan, phase, 0, mode ? tndb_buffer_text(&lock) : NULL, tndb_buffer_text(&sql));
}

void tndb_plan_leave(tndb_plan *plan, const tndb_difference *d, const char *why) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_difference_name(&text, d->what, d->object);
  tndb_buffer_append(&text, ": ");
  tndb_buffer_append(&text, why);
  plan->failed = plan->failed || text.failed;
  tndb_plan_add(plan, TNDB_PHASE_LEFT, 0, NULL, tndb_buffer_text(&text));
}

void tndb_plan_item(const tndb_plan_input *input, tndb_plan *plan, tndb_phase phase, size_t at,
                    const char *mode) {
  const tndb_ddl_item *item = &input->ddl->items[at];
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer quoted = TNDB_BUFFER_INIT;
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  tndb_quote_identifier(&quoted, input->ddl_schema);
  if (quoted.failed) {
    plan->failed = true;
    return;
  }
  const char *rest = item->sql;
  for (const char *hit; (hit = strstr(rest, tndb_buffer_text(&quoted))) != NULL; rest = hit + quoted.length) {
    tndb_buffer_append_n(&sql, rest, (size_t)(hit - rest));
    tndb_buffer_append_char(&sql, TNDB_MARK_SCHEMA);
  }
  tndb_buffer_append(&sql, rest);
  if (mode) {
    tndb_buffer_format(&lock, "%s on %s", mode, item->table ? item->table : item->name);
  }
  plan->failed = plan->failed || sql.failed || lock.failed;
  tndb_plan_add(plan, phase, at + 1, mode ? tndb_buffer_text(&lock) : NULL, tndb_buffer_text(&sql));
}

/* ---------------------------------------------------------------- words and parts */

const char *tndb_plan_last_name(const char *object, const char *parent) {
  size_t length = strlen(parent);
  bool inside = length > 0 && strncmp(object, parent, length) == 0 && object[length] == '.';
  return inside ? object + length + 1 : object;
}

void tndb_words_of(tndb_words *words, const tndb_difference *d) {
  *words = (tndb_words){TNDB_BUFFER_INIT, TNDB_BUFFER_INIT};
  tndb_buffer_append_char(&words->relation, TNDB_MARK_OWN);
  tndb_quote_identifier(&words->relation, *d->parent ? d->parent : d->object);
  tndb_quote_identifier(&words->name, tndb_plan_last_name(d->object, d->parent));
}

void tndb_words_free(tndb_words *words) {
  tndb_buffer_free(&words->relation);
  tndb_buffer_free(&words->name);
}

const char *tndb_form_find(const tndb_form *form, const char *kind, const char *object) {
  for (int i = 0; i < form->count; i++) {
    if (strcmp(tndb_form_cell(form, i, TNDB_FORM_KIND), kind) == 0 &&
        strcmp(tndb_form_cell(form, i, TNDB_FORM_OBJECT), object) == 0) {
      return tndb_form_cell(form, i, TNDB_FORM_DEFINITION);
    }
  }
  return NULL;
}

char *tndb_form_part(const char *definition, size_t n) {
  for (; n > 0 && *definition; n--) {
    const char *next = strchr(definition, TNDB_MARK_PART);
    definition = next ? next + 1 : definition + strlen(definition);
  }
  const char *end = strchr(definition, TNDB_MARK_PART);
  return tndb_strndup(definition, end ? (size_t)(end - definition) : strlen(definition));
}

bool tndb_plan_is_partitioned(const tndb_plan_input *input, const char *table) {
  const char *definition = tndb_form_find(input->expected, "table", table);
  return definition && strstr(definition, " partition by ");
}

bool tndb_plan_is_partition(const tndb_plan_input *input, const char *table) {
  const char *definition = tndb_form_find(input->expected, "table", table);
  return definition && strstr(definition, " partition of ");
}

/* ---------------------------------------------------------------- what comes back with an object */

static void restore_row(const tndb_plan_input *input, tndb_plan *plan, int row) {
  static const struct {
    const char *kind;
    void (*make)(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
  } makers[] = {{"index", tndb_plan_index},
                {"trigger", tndb_plan_trigger},
                {"rule", tndb_plan_rule},
                {"comment", tndb_plan_comment},
                {"grant", tndb_plan_grant}};
  const tndb_form *form = input->expected;
  tndb_difference again = {TNDB_DRIFT_MISSING,
                           tndb_form_cell(form, row, TNDB_FORM_KIND),
                           tndb_form_cell(form, row, TNDB_FORM_PARENT),
                           tndb_form_cell(form, row, TNDB_FORM_OBJECT),
                           tndb_form_cell(form, row, TNDB_FORM_DEFINITION),
                           NULL};
  for (size_t i = 0; i < sizeof makers / sizeof makers[0]; i++) {
    if (strcmp(again.what, makers[i].kind) == 0) {
      makers[i].make(input, plan, &again);
    }
  }
}

void tndb_plan_restore(const tndb_plan_input *input, tndb_plan *plan, const char *what, const char *object) {
  tndb_auto_buffer key = TNDB_BUFFER_INIT;
  tndb_buffer_append(&key, what);
  tndb_buffer_append_char(&key, ' ');
  tndb_buffer_append(&key, object);
  plan->failed = plan->failed || key.failed;
  for (int i = 0; !plan->failed && i < input->expected->count; i++) {
    const char *about = tndb_form_cell(input->expected, i, TNDB_FORM_OBJECT);
    bool child = strcmp(tndb_form_cell(input->expected, i, TNDB_FORM_PARENT), object) == 0;
    bool itself = strncmp(about, tndb_buffer_text(&key), key.length) == 0 &&
                  (!about[key.length] || about[key.length] == TNDB_MARK_PART);
    if (child || itself) {
      restore_row(input, plan, i);
    }
  }
}

/* ---------------------------------------------------------------- all of it */

static const struct {
  const char *what;
  void (*make)(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d);
} planners[] = {
    {"table", tndb_plan_table},
    {"column", tndb_plan_column},
    {"constraint", tndb_plan_constraint},
    {"index", tndb_plan_index},
    {"trigger", tndb_plan_trigger},
    {"rule", tndb_plan_rule},
    {"policy", tndb_plan_policy},
    {"row security", tndb_plan_row_security},
    {"view", tndb_plan_view},
    {"materialized view", tndb_plan_view},
    {"function", tndb_plan_function},
    {"procedure", tndb_plan_function},
    {"type", tndb_plan_type},
    {"sequence", tndb_plan_sequence},
    {"statistics", tndb_plan_statistics},
    {"schema", tndb_plan_schema},
    {"role", tndb_plan_role},
    {"access", tndb_plan_access},
    {"grant", tndb_plan_grant},
    {"default privileges", tndb_plan_defaults},
    {"owner", tndb_plan_owner},
    {"comment", tndb_plan_comment},
};

/*
 * A partition gets with its parent what the parent gets: nothing is done twice
 * when both lack the same kind of thing.
 */
static bool follows_parent(const tndb_plan_input *input, const tndb_difference *d) {
  const char *table = *d->parent ? tndb_form_find(input->expected, "table", d->parent) : NULL;
  const char *of = table ? strstr(table, " partition of \x01") : NULL;
  for (size_t i = 0; of && i < input->differences->count; i++) {
    const tndb_difference *other = &input->differences->items[i];
    size_t length = strlen(other->parent);
    const char *parent = of + strlen(" partition of \x01");
    parent += *parent == '"';
    if (length > 0 && strcmp(other->what, d->what) == 0 && strncmp(parent, other->parent, length) == 0 &&
        (parent[length] == ' ' || parent[length] == '"')) {
      return true;
    }
  }
  return false;
}

bool tndb_plan_is_child(const char *definition, const char *table) {
  tndb_auto_buffer quoted = TNDB_BUFFER_INIT;
  const char *at = strstr(definition, " partition of ");
  at = at ? at : strstr(definition, " inherits ");
  tndb_quote_identifier(&quoted, table);
  for (at = at ? strchr(at, TNDB_MARK_OWN) : NULL; at; at = strchr(at + 1, TNDB_MARK_OWN)) {
    const char *name = at[1] == '"' && !quoted.failed ? tndb_buffer_text(&quoted) : table;
    size_t length = strlen(name);
    if (strncmp(at + 1, name, length) == 0 && (!at[1 + length] || strchr(" ,", at[1 + length]))) {
      return true;
    }
  }
  return false;
}

/*
 * Indexes and keys of a table that is not partitioned as it should be cannot be as
 * they should be either, and partitions cannot be made for it.
 */
static bool hangs_on_fixed(const tndb_plan_input *input, const tndb_difference *d) {
  bool part = strcmp(d->what, "index") == 0 || strcmp(d->what, "constraint") == 0;
  bool partition = strcmp(d->what, "table") == 0 && !d->found;
  for (size_t i = 0; i < input->differences->count; i++) {
    const tndb_difference *table = &input->differences->items[i];
    if (strcmp(table->what, "table") == 0 && table->expected && table->found && tndb_plan_why_fixed(table) &&
        ((part && strcmp(table->object, d->parent) == 0) ||
         (partition && tndb_plan_is_child(d->expected, table->object)))) {
      return true;
    }
  }
  return false;
}

static int compare_steps(const void *left, const void *right) {
  const tndb_plan_step *a = left;
  const tndb_plan_step *b = right;
  return a->phase != b->phase ? (a->phase > b->phase) - (a->phase < b->phase)
                              : (a->order > b->order) - (a->order < b->order);
}

tenantdb_status tndb_plan_make(const tndb_plan_input *input, tndb_plan *plan, tenantdb_error **error) {
  *plan = (tndb_plan){.steps = NULL};
  for (size_t i = 0; !plan->failed && i < input->differences->count; i++) {
    const tndb_difference *d = &input->differences->items[i];
    bool made = follows_parent(input, d);
    plan->answered = made;
    if (!made && hangs_on_fixed(input, d)) {
      tndb_plan_leave(plan, d, "by hand: it can be mended when its table is");
      made = true;
    }
    for (size_t k = 0; !made && k < sizeof planners / sizeof planners[0]; k++) {
      if (strcmp(d->what, planners[k].what) == 0) {
        planners[k].make(input, plan, d);
        made = true;
      }
    }
    if (!made) {
      tndb_plan_leave(plan, d,
                      d->found ? "it is nothing that a registry declares" : "it cannot be made here");
    }
    if (!plan->answered) { /* nothing is passed over without a word */
      tndb_plan_leave(plan, d, "by hand: no statement is known that mends this");
    }
  }
  if (plan->count > 1) {
    qsort(plan->steps, plan->count, sizeof *plan->steps, compare_steps);
  }
  return plan->failed ? tndb_no_memory(error) : TENANTDB_OK;
}
