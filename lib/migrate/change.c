/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/change.h"

#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "base/result.h"
#include "migrate/change_kinds.h"
#include "migrate/set.h"
#include "sql/identifier.h"

#define BIT(key) (UINT32_C(1) << TNDB_CHANGE_##key)
#define OF_TABLE BIT(TABLE)
#define OF_COLUMN (BIT(TABLE) | BIT(COLUMN))

/* Fails to compile when there are more keys than bits. */
typedef char keys_fit[TNDB_N_CHANGE_KEYS <= 32 ? 1 : -1];

const tndb_change_kind tndb_change_kinds[] = {
    {"add_column", OF_COLUMN | BIT(TYPE), BIT(DEFAULT) | BIT(BACKFILL) | BIT(NOT_NULL) | BIT(BATCH),
     tndb_change_add_column},
    {"finish_add_column", OF_COLUMN, 0, tndb_change_finish_fill},
    {"set_not_null", OF_COLUMN, BIT(BACKFILL) | BIT(BATCH), tndb_change_set_not_null},
    {"finish_set_not_null", OF_COLUMN, 0, tndb_change_finish_fill},
    {"set_default", OF_COLUMN | BIT(DEFAULT), 0, tndb_change_set_default},
    {"drop_default", OF_COLUMN, 0, tndb_change_drop_default},
    {"retire_column", OF_COLUMN, BIT(DEFAULT), tndb_change_retire_column},
    {"drop_column", OF_COLUMN, 0, tndb_change_drop_column},
    {"change_type", OF_COLUMN | BIT(TYPE) | BIT(USING),
     BIT(BACK) | BIT(DEFAULT) | BIT(NOT_NULL) | BIT(BATCH) | BIT(INDEXES) | BIT(LEAVE),
     tndb_change_change_type},
    {"finish_change_type", OF_COLUMN, 0, tndb_change_finish_change_type},
    {"rename_column", OF_COLUMN | BIT(TO),
     BIT(TYPE) | BIT(USING) | BIT(BACK) | BIT(NOT_NULL) | BIT(BATCH) | BIT(INDEXES) | BIT(LEAVE),
     tndb_change_rename_column},
    {"finish_rename_column", OF_COLUMN | BIT(TO), BIT(DEFAULT) | BIT(INDEXES),
     tndb_change_finish_rename_column},
    {"rename_table", OF_TABLE | BIT(TO), 0, tndb_change_rename_table},
    {"finish_rename_table", OF_TABLE | BIT(TO), 0, tndb_change_finish_rename_table},
    {"add_index", OF_TABLE | BIT(NAME) | BIT(COLUMNS),
     BIT(METHOD) | BIT(WHERE) | BIT(INCLUDE) | BIT(WITH) | BIT(UNIQUE), tndb_change_add_index},
    {"drop_index", BIT(NAME), 0, tndb_change_drop_index},
    {"add_unique", OF_TABLE | BIT(NAME) | BIT(COLUMNS), BIT(INCLUDE) | BIT(WITH) | BIT(DEFERRABLE),
     tndb_change_add_unique},
    {"add_check", OF_TABLE | BIT(NAME) | BIT(CHECK), 0, tndb_change_add_check},
    {"add_foreign_key", OF_TABLE | BIT(NAME) | BIT(COLUMNS) | BIT(REFERENCES),
     BIT(REF_COLUMNS) | BIT(ON_DELETE) | BIT(ON_UPDATE) | BIT(DEFERRABLE), tndb_change_add_foreign_key},
    {NULL, 0, 0, NULL}};

/* ---------------------------------------------------------------- lines */

/* Append the plan's steps to others, which take their texts. */
static bool hand_over(tndb_change_plan *plan, tndb_steps *steps) {
  tndb_migration_step *items = tndb_realloc(steps->items, (steps->count + plan->steps.count) * sizeof *items);
  if (!items) {
    return false;
  }
  memcpy(items + steps->count, plan->steps.items, plan->steps.count * sizeof *items);
  steps->items = items;
  steps->count += plan->steps.count;
  plan->steps.count = 0;
  return true;
}

tenantdb_status tndb_change_expand_line(const char *text, size_t length, int32_t line, tndb_steps *steps,
                                        tenantdb_error **error) {
  tenantdb_change *change = NULL;
  tndb_change_plan plan = {0};
  tenantdb_status status = tndb_change_read(text, length, &change, error);
  if (!status) {
    status = tndb_change_plan_make(&plan, change, line, error);
  }
  if (!status && !hand_over(&plan, steps)) {
    status = tndb_no_memory(error);
  }
  tndb_change_plan_clear(&plan);
  tenantdb_change_free(change);
  return status;
}

static void write_pair(tndb_buffer *line, const char *name, const char *value) {
  tndb_buffer_append_char(line, ' ');
  tndb_buffer_append(line, name);
  tndb_buffer_append_char(line, '=');
  if (*value && !strpbrk(value, " \t\"")) {
    tndb_buffer_append(line, value);
  } else {
    tndb_quote_identifier(line, value); /* quotes are doubled in the same way */
  }
}

tenantdb_status tenantdb_change_line(const tenantdb_change *change, char **line, tenantdb_error **error) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_error_reset(error);
  if (!line) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "line is NULL");
  }
  *line = NULL;
  tenantdb_status status = tndb_change_complete(change, error);
  if (status) {
    return status;
  }
  tndb_buffer_append(&text, "-- " TNDB_CHANGE_DIRECTIVE " ");
  tndb_buffer_append(&text, change->kind->name);
  for (int i = 0; i < TNDB_N_CHANGE_KEYS; i++) {
    const char *value = tndb_change_value(change, (tndb_change_key)i);
    if (value) {
      write_pair(&text, tndb_change_key_name((tndb_change_key)i), value);
    }
  }
  *line = tndb_buffer_take(&text);
  return *line ? TENANTDB_OK : tndb_no_memory(error);
}

/* ---------------------------------------------------------------- as a table, as a migration */

tenantdb_status tenantdb_change_sql(const tenantdb_change *change, tenantdb_result **steps,
                                    tenantdb_error **error) {
  static const char *const columns[] = {"step", "tx", "way", "sql", "locks", "why"};
  static const char *const ways[] = {"inside", "outside", "repeat"};
  tndb_error_reset(error);
  if (!steps) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "steps is NULL");
  }
  *steps = NULL;
  tndb_change_plan plan;
  tenantdb_status status = tndb_change_plan_make(&plan, change, 1, error);
  tndb_table *table = status ? NULL : tndb_table_new(columns, 6);
  int64_t tx = 0;
  for (size_t i = 0; table && i < plan.steps.count; i++) {
    const tndb_migration_step *step = &plan.steps.items[i];
    char number[TNDB_INT64_TEXT], of[TNDB_INT64_TEXT];
    tx += !step->joined;
    tndb_int64_write((int64_t)i + 1, number);
    tndb_int64_write(tx, of);
    tndb_table_row(table, (const char *const[]){number, of, ways[step->way], step->sql, plan.about[i].locks,
                                                plan.about[i].why});
  }
  if (!status) {
    status = tndb_table_finish(table, steps, error);
  }
  tndb_change_plan_clear(&plan);
  return status;
}

void tenantdb_migration_add_change(tenantdb_migrations *set, const char *stream, int64_t version,
                                   const char *title, const tenantdb_change *change) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tenantdb_error *mistake = NULL;
  char *line = NULL;
  tndb_buffer_append(&text, "-- tenantdb:tx none\n");
  if (tenantdb_change_line(change, &line, &mistake) == TENANTDB_OK) {
    tndb_buffer_append(&text, line);
    tndb_buffer_append_char(&text, '\n');
    tndb_free(line);
    (void)(text.failed ? tndb_no_memory(&mistake) : TENANTDB_OK);
  }
  if (!mistake) {
    tenantdb_migration_add(set, stream, version, title, tndb_buffer_text(&text));
  } else if (set && tndb_migrations_check(set, NULL) == TENANTDB_OK && tndb_migrations_open_for(set)) {
    tndb_error_prefix(&mistake, "%s migration %lld", stream ? stream : "?", (long long)version);
    tndb_migrations_keep(set, mistake);
  } else {
    tenantdb_error_free(mistake);
  }
}
