/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/change_open.h"

#include <string.h>

#include "base/memory.h"
#include "migrate/change.h"
#include "migrate/change_words.h"
#include "sql/lexer.h"

static const struct {
  const char *kind, *finish;
  tndb_change_key needs; /* without that word nothing is left to finish; TABLE is always said */
  tndb_change_key unless;
} halves[] = {
    {"add_column", "finish_add_column", TNDB_CHANGE_BACKFILL, TNDB_CHANGE_DEFAULT},
    {"set_not_null", "finish_set_not_null", TNDB_CHANGE_BACKFILL, TNDB_N_CHANGE_KEYS},
    {"retire_column", "drop_column", TNDB_CHANGE_TABLE, TNDB_N_CHANGE_KEYS},
    {"change_type", "finish_change_type", TNDB_CHANGE_TABLE, TNDB_N_CHANGE_KEYS},
    {"rename_column", "finish_rename_column", TNDB_CHANGE_TABLE, TNDB_N_CHANGE_KEYS},
    {"rename_table", "finish_rename_table", TNDB_CHANGE_TABLE, TNDB_N_CHANGE_KEYS},
};
#define N_HALVES (sizeof halves / sizeof *halves)

static void clear(tndb_open_change *change) {
  tndb_free(change->table);
  tndb_free(change->column);
  tndb_free(change->to);
  tndb_free(change->indexes);
}

void tndb_open_changes_free(tndb_open_changes *open) {
  for (size_t i = 0; i < open->count; i++) {
    clear(&open->items[i]);
  }
  tndb_free(open->items);
  *open = (tndb_open_changes){NULL, 0};
}

void tndb_open_change_describe(const tndb_open_change *change, tndb_buffer *text) {
  tndb_buffer_append(text, change->kind);
  tndb_buffer_append(text, " of ");
  tndb_buffer_append(text, change->table);
  if (change->column) {
    tndb_buffer_append_char(text, '.');
    tndb_buffer_append(text, change->column);
  }
  tndb_buffer_append(text, " (");
  tndb_buffer_append(text, change->migration->file);
  tndb_buffer_append(text, ") lacks its ");
  tndb_buffer_append(text, change->finish);
}

/* ---------------------------------------------------------------- beginnings and ends */

static bool copy(const tenantdb_change *change, tndb_change_key key, char **text) {
  const char *value = tndb_change_value(change, key);
  *text = value ? tndb_strdup(value) : NULL;
  return !value || *text;
}

static bool begin(tndb_open_changes *open, const tenantdb_change *change, size_t half,
                  const tndb_migration *migration) {
  tndb_open_change *items = tndb_realloc(open->items, (open->count + 1) * sizeof *items);
  if (!items) {
    return false;
  }
  open->items = items;
  tndb_open_change *is = &items[open->count++];
  *is = (tndb_open_change){.kind = halves[half].kind, .finish = halves[half].finish, .migration = migration};
  return copy(change, TNDB_CHANGE_TABLE, &is->table) && copy(change, TNDB_CHANGE_COLUMN, &is->column) &&
         copy(change, TNDB_CHANGE_TO, &is->to) && copy(change, TNDB_CHANGE_INDEXES, &is->indexes);
}

/* The new name is the one that further halves call the table by. */
static bool rename_table(tndb_open_changes *open, const tenantdb_change *change) {
  const char *table = tndb_change_value(change, TNDB_CHANGE_TABLE);
  bool well = true;
  for (size_t i = 0; i < open->count && well; i++) {
    tndb_open_change *is = &open->items[i];
    if (is->column && strcmp(is->table, table) == 0) {
      tndb_free(is->table);
      well = copy(change, TNDB_CHANGE_TO, &is->table);
    }
  }
  return well;
}

static bool is_same(const char *a, const char *b) {
  return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static void end(tndb_open_changes *open, const tenantdb_change *change) {
  for (size_t i = open->count; i-- > 0;) {
    tndb_open_change *is = &open->items[i];
    if (strcmp(is->finish, change->kind->name) == 0 &&
        strcmp(is->table, tndb_change_value(change, TNDB_CHANGE_TABLE)) == 0 &&
        is_same(is->column, tndb_change_value(change, TNDB_CHANGE_COLUMN))) {
      clear(is);
      memmove(is, is + 1, (--open->count - i) * sizeof *is);
      return;
    }
  }
}

static bool leaves_something(const tenantdb_change *change, size_t half) {
  return strcmp(change->kind->name, halves[half].kind) == 0 &&
         tndb_change_value(change, halves[half].needs) &&
         (halves[half].unless == TNDB_N_CHANGE_KEYS || !tndb_change_value(change, halves[half].unless));
}

static bool follow(tndb_open_changes *open, const tenantdb_change *change, const tndb_migration *migration) {
  if (strcmp(change->kind->name, "rename_table") == 0 && !rename_table(open, change)) {
    return false;
  }
  end(open, change);
  for (size_t i = 0; i < N_HALVES; i++) {
    if (leaves_something(change, i)) {
      return begin(open, change, i, migration);
    }
  }
  return true;
}

/* ---------------------------------------------------------------- reading */

/* Lines that are changes have been checked when they were made into steps. */
static tenantdb_status read_file(const tndb_migration *migration, tndb_open_changes *open,
                                 tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  tndb_lexer lexer;
  tndb_token token;
  if (!strstr(migration->sql, TNDB_CHANGE_DIRECTIVE)) {
    return TENANTDB_OK;
  }
  tndb_lexer_start(&lexer, migration->sql, strlen(migration->sql), true);
  while (!status && tndb_lexer_raw(&lexer, &token)) {
    const char *text = migration->sql + token.offset;
    if (token.kind != TNDB_TOKEN_COMMENT || !tndb_change_is_line(text, token.length)) {
      continue;
    }
    tenantdb_change *change = NULL;
    status = tndb_change_read(text, token.length, &change, error);
    if (!status && !follow(open, change, migration)) {
      status = tndb_no_memory(error);
    }
    tenantdb_change_free(change);
  }
  return status;
}

tenantdb_status tndb_open_changes_read(const tenantdb_migrations *set, tndb_stream stream,
                                       tndb_open_changes *open, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  *open = (tndb_open_changes){NULL, 0};
  for (size_t i = set->first[stream]; i < set->first[stream + 1] && !status; i++) {
    const tndb_migration *migration = set->items[i];
    if (migration->kind == TNDB_MIGRATION_VERSIONED && !migration->transactional) {
      status = read_file(migration, open, error);
    }
  }
  return status;
}

/* ---------------------------------------------------------------- what is missing */

static tenantdb_status finish(const tndb_open_change *is, tndb_steps *steps, tenantdb_error **error) {
  tenantdb_change *change = tenantdb_change_new(is->finish);
  tndb_auto_free char *line = NULL;
  bool both = is->to != NULL; /* finish_rename_... */
  tenantdb_change_set(change, "table", is->table);
  if (is->column) {
    tenantdb_change_set(change, "column", is->column);
  }
  if (both) {
    tenantdb_change_set(change, "to", is->to);
  }
  if (both && is->indexes) {
    tenantdb_change_set(change, "indexes", is->indexes);
  }
  tenantdb_status status = change ? tenantdb_change_line(change, &line, error) : tndb_no_memory(error);
  if (!status) {
    status = tndb_change_expand_line(line, strlen(line), 1, steps, error);
  }
  tenantdb_change_free(change);
  return status;
}

tenantdb_status tndb_open_changes_finish(const tndb_open_changes *open, tndb_steps *steps,
                                         tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  *steps = (tndb_steps){NULL, 0};
  for (int tables = 1; tables >= 0; tables--) {
    for (size_t i = 0; i < open->count && !status; i++) {
      if ((open->items[i].column == NULL) == (tables == 1)) {
        status = finish(&open->items[i], steps, error);
      }
    }
  }
  if (status) {
    tndb_steps_clear(steps);
  }
  return status;
}
