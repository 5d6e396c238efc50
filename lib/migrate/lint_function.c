/* SPDX-License-Identifier: PostgreSQL */
/* Functions, whose bodies find their tables on the path of whoever calls them. */
#include "migrate/lint_rules.h"

typedef struct routine {
  bool pinned;  /* SET search_path */
  bool definer; /* SECURITY DEFINER */
  bool bound;   /* its body holds no names that are looked up when it runs */
} routine;

static void look(tndb_cursor at, routine *found) {
  *found = (routine){false, false, false};
  for (; !tndb_cursor_at_end(&at); (void)tndb_cursor_skip(&at)) {
    tndb_cursor next = at;
    if (tndb_cursor_take_words(&next, "set", "search_path")) {
      found->pinned = true;
    } else if (tndb_cursor_take_words(&next, "security", "definer")) {
      found->definer = true;
    } else if (tndb_cursor_take_words(&next, "begin", "atomic") || tndb_cursor_is_word(&at, "return") ||
               tndb_cursor_take_words(&next, "language", "c") ||
               tndb_cursor_take_words(&next, "language", "internal")) {
      found->bound = true;
      return; /* what follows is a body */
    }
  }
}

void tndb_lint_functions(tndb_lint *lint) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < lint->steps->count; i++) {
    const tndb_migration_step *step = &lint->steps->items[i];
    tndb_cursor at;
    tndb_lint_start(&at, step);
    if (step->made || !tndb_cursor_take_word(&at, "create")) {
      continue;
    }
    (void)tndb_cursor_take_words(&at, "or", "replace");
    if (!tndb_cursor_take_word(&at, "function") && !tndb_cursor_take_word(&at, "procedure")) {
      continue;
    }
    routine found;
    (void)tndb_lint_take_name(&at, &name);
    look(at, &found);
    if (found.definer) {
      tndb_lint_found(lint, TNDB_LINT_SECURITY_DEFINER, step->line, NULL,
                      "%s runs with the rights of who applies the migration%s", tndb_buffer_text(&name),
                      found.pinned || found.bound ? "" : ", and finds its tables where its caller likes");
    } else if (!found.pinned && !found.bound) {
      tndb_lint_found(
          lint, TNDB_LINT_FUNCTION_PATH, step->line, NULL,
          "%s has no search path of its own: called from elsewhere, it finds other tables or none",
          tndb_buffer_text(&name));
    }
  }
  lint->failed = lint->failed || name.failed;
}
