/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/unnamed.h"

bool tndb_element_goes_on(const tndb_cursor *at) {
  return !tndb_cursor_at_end(at) && !tndb_cursor_is(at, ',') && !tndb_cursor_is(at, ')') &&
         !tndb_cursor_is(at, ';');
}

static bool is_constraint(const tndb_cursor *at) {
  return tndb_cursor_is_word(at, "foreign") || tndb_cursor_is_word(at, "unique") ||
         tndb_cursor_is_word(at, "check") || tndb_cursor_is_word(at, "exclude");
}

static bool stands_alone(const tndb_cursor *at) {
  return is_constraint(at) || tndb_cursor_is_word(at, "constraint") || tndb_cursor_is_word(at, "primary");
}

bool tndb_unnamed_in(tndb_cursor *at, tndb_unnamed_function use, void *user) {
  tndb_auto_buffer column = TNDB_BUFFER_INIT;
  bool named = false, foreign = false;
  if (!stands_alone(at) && tndb_cursor_name(at, true, &column)) {
    tndb_cursor_advance(at);
  }
  while (tndb_element_goes_on(at)) {
    if (tndb_cursor_take_word(at, "constraint")) {
      tndb_cursor_advance(at);
      named = true;
      continue;
    }
    /* REFERENCES is a constraint of a column, and a part of one that is a FOREIGN KEY. */
    if (is_constraint(at) || (tndb_cursor_is_word(at, "references") && !foreign)) {
      if (!named) {
        use(user, at, column.length ? tndb_buffer_text(&column) : "");
      }
      foreign = foreign || tndb_cursor_is_word(at, "foreign");
      named = false;
    }
    (void)tndb_cursor_skip(at);
  }
  return !column.failed;
}
