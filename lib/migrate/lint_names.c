/* SPDX-License-Identifier: PostgreSQL */
/* Which names are known, and reading names at all. */
#include <string.h>

#include "base/memory.h"
#include "migrate/lint_rules.h"

void tndb_lint_start(tndb_cursor *at, const tndb_migration_step *step) {
  tndb_cursor_start(at, step->sql, strlen(step->sql), step->line);
}

void tndb_lint_skip_options(tndb_cursor *at) {
  (void)tndb_cursor_take_word(at, "concurrently");
  if (tndb_cursor_take_word(at, "if")) {
    (void)tndb_cursor_take_word(at, "not");
    (void)tndb_cursor_take_word(at, "exists");
  }
  (void)tndb_cursor_take_word(at, "only");
}

bool tndb_lint_take_name(tndb_cursor *at, tndb_buffer *name) {
  bool found = false;
  while (tndb_cursor_name(at, true, name)) {
    found = true;
    tndb_cursor_advance(at);
    if (!tndb_cursor_take(at, '.')) {
      break;
    }
  }
  return found;
}

bool tndb_lint_is_of(const tndb_lint *lint, const char *name, tndb_stream stream) {
  tndb_stream other = stream == TNDB_STREAM_SHARED ? TNDB_STREAM_TENANT : TNDB_STREAM_SHARED;
  return lint->names && tndb_map_get(&lint->names->of[stream], name) &&
         !tndb_map_get(&lint->names->of[other], name);
}

/* ---------------------------------------------------------------- collecting */

void tndb_lint_names_free(tndb_lint_names *names) {
  for (int i = 0; i < TNDB_N_STREAMS; i++) {
    tndb_map_free(&names->of[i]);
  }
}

static bool read_registry(const tenantdb_registry *registry, tndb_lint_names *names) {
  bool well = true;
  for (size_t i = 0; registry && i < registry->n_bases && well; i++) {
    const tenantdb_base *base = registry->bases[i];
    tndb_stream stream = base->kind == TENANTDB_BASE_SHARED ? TNDB_STREAM_SHARED : TNDB_STREAM_TENANT;
    for (size_t k = 0; k < base->n_entries && well; k++) {
      well = tndb_map_put(&names->of[stream], base->entries[k]->name, names);
    }
  }
  return well;
}

/* CREATE [OR REPLACE] [UNLOGGED | MATERIALIZED | RECURSIVE | FOREIGN] TABLE | VIEW | SEQUENCE name */
static bool creates(const tndb_migration_step *step, tndb_stream stream, tndb_buffer *name) {
  static const char *const before[] = {"unlogged", "materialized", "recursive", "foreign"};
  tndb_cursor at;
  tndb_lint_start(&at, step);
  if (!tndb_cursor_take_word(&at, "create")) {
    return false;
  }
  (void)tndb_cursor_take_words(&at, "or", "replace");
  for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
    (void)tndb_cursor_take_word(&at, before[i]);
  }
  if (!tndb_cursor_take_word(&at, "table") && !tndb_cursor_take_word(&at, "view") &&
      !tndb_cursor_take_word(&at, "sequence")) {
    return false;
  }
  tndb_lint_skip_options(&at);
  tndb_cursor next = at;
  tndb_cursor_advance(&next);
  /* A table with a schema before it is where that says, and not a tenant's. */
  return (stream == TNDB_STREAM_SHARED || !tndb_cursor_is(&next, '.')) && tndb_lint_take_name(&at, name);
}

static bool read_set(const tenantdb_migrations *set, tndb_lint_names *names) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  bool well = true;
  for (size_t i = 0; i < set->count && well; i++) {
    const tndb_migration *migration = set->items[i];
    for (size_t k = 0; k < migration->steps.count && well; k++) {
      if (creates(&migration->steps.items[k], migration->stream, &name)) {
        well = !name.failed && tndb_map_put(&names->of[migration->stream], name.data, names);
      }
    }
  }
  return well;
}

tenantdb_status tndb_lint_names_read(const tenantdb_migrations *set, const tenantdb_registry *registry,
                                     tndb_lint_names *names, tenantdb_error **error) {
  memset(names, 0, sizeof *names);
  if (!read_registry(registry, names) || !read_set(set, names)) {
    tndb_lint_names_free(names);
    return tndb_no_memory(error);
  }
  return TENANTDB_OK;
}
