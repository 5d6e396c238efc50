/* SPDX-License-Identifier: PostgreSQL */
/* The statements of a kind in two parts, around the rows that come between. */
#include <string.h>

#include "base/memory.h"
#include "registry/registry.h"
#include "sql/cursor.h"

static bool is_one_of(const tndb_cursor *at, const char *const *words) {
  for (; *words; words++) {
    if (tndb_cursor_is_word(at, *words)) {
      return true;
    }
  }
  return false;
}

/* Whether an action of ALTER TABLE is about columns or partitions: rows want them as they will be. */
static bool shapes_rows(tndb_cursor at) {
  static const char *const shaping[] = {"column",  "type", "default", "attach",    "detach",
                                        "inherit", "of",   "using",   "generated", NULL};
  static const char *const constraints[] = {"constraint", "foreign", "primary",   "unique",
                                            "check",      "exclude", "generated", NULL};
  for (; !tndb_cursor_at_end(&at); tndb_cursor_skip(&at)) {
    if (tndb_cursor_take_word(&at, "add")) {
      if (!is_one_of(&at, constraints)) {
        return true; /* ADD name type, without the word COLUMN */
      }
    }
    if (is_one_of(&at, shaping) && !tndb_cursor_take_words(&at, "using", "index")) {
      return true;
    }
  }
  return false;
}

/* What is about constraints between tables, triggers, policies or indexes. */
static bool can_wait(tndb_cursor at) {
  static const char *const words[] = {"foreign", "references", "trigger", "security", "replica", "cluster",
                                      "index",   "validate",   "drop",    "rule",     NULL};
  for (; !tndb_cursor_at_end(&at); tndb_cursor_skip(&at)) {
    if (is_one_of(&at, words) || tndb_cursor_take_words(&at, "alter", "constraint")) {
      return true;
    }
  }
  return false;
}

static bool comes_after(const tndb_ddl_item *item) {
  if (item->kind == TNDB_DDL_ALTER) {
    tndb_cursor at;
    tndb_cursor_start(&at, item->sql, strlen(item->sql), 1);
    tndb_cursor_advance(&at);
    return can_wait(at) && !shapes_rows(at);
  }
  return item->kind == TNDB_DDL_INDEX || item->kind == TNDB_DDL_FOREIGN_KEY ||
         item->kind == TNDB_DDL_TRIGGER || item->kind == TNDB_DDL_COMMENT;
}

/* Indexes, then the foreign keys that may lean on them, then whatever may speak of either. */
static int rank(const tndb_ddl_item *item) {
  return item->kind == TNDB_DDL_INDEX ? 0 : item->kind == TNDB_DDL_FOREIGN_KEY ? 1 : 2;
}

tenantdb_status tndb_registry_phases(const tenantdb_registry *registry, int32_t kind, const char *schema,
                                     const char *shared_schema, tndb_ddl *before, tndb_ddl *after,
                                     tenantdb_error **error) {
  tndb_ddl all;
  *before = (tndb_ddl){NULL, 0};
  *after = (tndb_ddl){NULL, 0};
  tenantdb_status status = tndb_registry_statements_apart(registry, kind, schema, shared_schema, &all, error);
  if (status) {
    return status;
  }
  before->items = tndb_alloc_array(all.count + 1, sizeof *before->items);
  after->items = tndb_alloc_array(all.count + 1, sizeof *after->items);
  if (!before->items || !after->items) {
    tndb_ddl_free(&all);
    tndb_ddl_free(before);
    tndb_ddl_free(after);
    return tndb_no_memory(error);
  }
  for (size_t i = 0; i < all.count; i++) {
    if (!comes_after(&all.items[i])) {
      before->items[before->count++] = all.items[i];
    }
  }
  for (int turn = 0; turn <= 2; turn++) {
    for (size_t i = 0; i < all.count; i++) {
      if (comes_after(&all.items[i]) && rank(&all.items[i]) == turn) {
        after->items[after->count++] = all.items[i];
      }
    }
  }
  tndb_free(all.items); /* what they hold has moved */
  return TENANTDB_OK;
}
