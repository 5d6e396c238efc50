/* SPDX-License-Identifier: PostgreSQL */
#include "schema/marker.h"

#include "sql/identifier.h"

static const char *word_for(char mark) {
  switch (mark) {
    case TNDB_MARK_SHARED:
      return "{shared}.";
    case TNDB_MARK_SCHEMA:
      return "{schema}";
    case TNDB_MARK_ROLE:
      return "{role}";
    case TNDB_MARK_GROUP:
      return "{group}";
    case TNDB_MARK_OWNER:
      return "{owner}";
    default:
      return "";
  }
}

static const char *name_for(char mark, const tndb_mark_names *names) {
  switch (mark) {
    case TNDB_MARK_SHARED:
      return names->shared;
    case TNDB_MARK_ROLE:
      return names->role;
    case TNDB_MARK_GROUP:
      return names->group;
    case TNDB_MARK_OWNER:
      return names->owner;
    default:
      return names->schema;
  }
}

static bool is_mark(char c) {
  return (c >= TNDB_MARK_OWN && c <= TNDB_MARK_OWNER) || c == TNDB_MARK_PART;
}

void tndb_marks_show(tndb_buffer *out, const char *text) {
  for (; *text; text++) {
    if (is_mark(*text)) {
      tndb_buffer_append(out, word_for(*text));
    } else {
      tndb_buffer_append_char(out, *text);
    }
  }
}

/* Inside a literal ('…'::regclass) a quote in the name is doubled, as it was when it was read. */
static void append_name(tndb_buffer *out, const char *name, bool in_literal) {
  tndb_auto_buffer quoted = TNDB_BUFFER_INIT;
  tndb_quote_identifier(&quoted, name);
  for (const char *c = tndb_buffer_text(&quoted); *c; c++) {
    if (in_literal && *c == '\'') {
      tndb_buffer_append_char(out, '\'');
    }
    tndb_buffer_append_char(out, *c);
  }
  out->failed = out->failed || quoted.failed;
}

void tndb_marks_fill(tndb_buffer *out, const char *text, const tndb_mark_names *names) {
  for (const char *c = text; *c; c++) {
    if (!is_mark(*c)) {
      tndb_buffer_append_char(out, *c);
    } else if (*c != TNDB_MARK_PART) {
      append_name(out, name_for(*c, names), c > text && c[-1] == '\'');
      if (*c == TNDB_MARK_OWN || *c == TNDB_MARK_SHARED) {
        tndb_buffer_append_char(out, '.');
      }
    }
  }
}
