/* SPDX-License-Identifier: PostgreSQL */
#include <string.h>

#include "base/json.h"
#include "registry/document.h"

static const struct {
  const char *key;
  const char *title;
  const char *columns[5];
} sections[] = {
    {"columns", "Columns", {"name", "type", "definition", "comment", NULL}},
    {"constraints", "Constraints", {"name", "definition", NULL}},
    {"foreign_keys", "Foreign keys", {"name", "definition", NULL}},
    {"indexes", "Indexes", {"name", "definition", NULL}},
    {"objects", "Other objects", {"name", "kind", "definition", NULL}},
};

static void json_text(tndb_document *d, const char *text) {
  if (text) {
    tndb_json_string(&d->out, text, strlen(text));
  } else {
    tndb_buffer_append(&d->out, "null");
  }
}

static void json_member(tndb_document *d, const char *key, const char *text) {
  tndb_buffer_format(&d->out, "\"%s\": ", key);
  json_text(d, text);
}

/* On one line, and with nothing that Markdown would take for its own. */
static void plain_text(tndb_document *d, const char *text) {
  bool blank = false;
  for (; *text; text++) {
    bool space = *text == ' ' || *text == '\n' || *text == '\t' || *text == '\r';
    if (space && blank) {
      continue;
    }
    blank = space;
    if (!space && strchr("|<*_\\`#[", *text)) {
      tndb_buffer_append_char(&d->out, '\\');
    }
    tndb_buffer_append_char(&d->out, space ? ' ' : *text);
  }
}

/* As code: more backticks around it than there are in it; a bar ends a cell even there. */
static void code_text(tndb_document *d, const char *text) {
  size_t longest = 0, run = 0;
  for (const char *at = text; *at; at++) {
    run = *at == '`' ? run + 1 : 0;
    longest = run > longest ? run : longest;
  }
  for (size_t i = 0; i <= longest; i++) {
    tndb_buffer_append_char(&d->out, '`');
  }
  tndb_buffer_append(&d->out, longest ? " " : "");
  for (const char *at = text; *at; at++) {
    tndb_buffer_append(&d->out, *at == '|' ? "\\" : "");
    tndb_buffer_append_char(&d->out, *at == '\n' || *at == '\r' || *at == '\t' ? ' ' : *at);
  }
  tndb_buffer_append(&d->out, longest ? " " : "");
  for (size_t i = 0; i <= longest; i++) {
    tndb_buffer_append_char(&d->out, '`');
  }
}

/* ---------------------------------------------------------------- sections */

/* Go on to a section of the table; JSON has those between, empty. */
static void go_to(tndb_document *d, tndb_document_section section) {
  while (d->json && d->section != section) {
    tndb_buffer_append(&d->out, d->rows ? "\n]" : "]");
    d->section = (tndb_document_section)(d->section + 1);
    d->rows = 0;
    tndb_buffer_format(&d->out, ",\n\"%s\": [", sections[d->section].key);
  }
  d->rows = d->section == section ? d->rows : 0;
  d->section = section;
}

static void end_table(tndb_document *d) {
  if (d->in_table && d->json) {
    go_to(d, TNDB_DOCUMENT_INDEXES);
    tndb_buffer_append(&d->out, d->rows ? "\n]}" : "]}");
  }
  d->in_table = false;
}

static void begin_objects(tndb_document *d) {
  end_table(d);
  if (d->in_objects) {
    return;
  }
  if (d->json) {
    tndb_buffer_append(&d->out, d->tables ? "\n],\n\"objects\": [" : "],\n\"objects\": [");
  }
  d->in_objects = true;
  d->section = TNDB_DOCUMENT_OBJECTS;
  d->rows = 0;
}

static void end_group(tndb_document *d) {
  if (!d->in_group) {
    return;
  }
  begin_objects(d);
  if (d->json) {
    tndb_buffer_append(&d->out, d->rows ? "\n]}" : "]}");
  }
  d->in_group = false;
  d->in_objects = false;
}

/* ---------------------------------------------------------------- telling */

tenantdb_status tndb_document_begin(tndb_document *d, const char *format, const char *title,
                                    const char *groups, tenantdb_error **error) {
  *d = (tndb_document){.section = TNDB_DOCUMENT_NOWHERE};
  if (!format) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "format is NULL");
  }
  d->json = strcmp(format, "json") == 0;
  if (!d->json && strcmp(format, "markdown") != 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "format \"%.40s\" is neither markdown nor json", format);
  }
  if (d->json) {
    tndb_buffer_format(&d->out, "{\"document\": 1,\n\"%s\": [", groups);
  } else {
    tndb_buffer_format(&d->out, "# %s\n", title);
  }
  return TENANTDB_OK;
}

void tndb_document_group(tndb_document *d, const char *name, const char *kind) {
  end_group(d);
  if (d->json) {
    tndb_buffer_append(&d->out, d->groups ? ",\n{" : "\n{");
    json_member(d, "name", name);
    tndb_buffer_append(&d->out, ", ");
    json_member(d, "kind", kind);
    tndb_buffer_append(&d->out, ",\n\"tables\": [");
  } else {
    tndb_buffer_append(&d->out, "\n## ");
    plain_text(d, name);
    tndb_buffer_format(&d->out, " (%s)\n", kind);
  }
  d->groups++;
  d->tables = 0;
  d->in_group = true;
}

void tndb_document_table(tndb_document *d, const char *name, const char *kind, const char *comment) {
  end_table(d);
  if (d->json) {
    tndb_buffer_append(&d->out, d->tables ? ",\n{" : "\n{");
    json_member(d, "name", name);
    tndb_buffer_append(&d->out, ", ");
    json_member(d, "kind", kind);
    tndb_buffer_append(&d->out, ", ");
    json_member(d, "comment", comment);
    tndb_buffer_append(&d->out, ",\n\"columns\": [");
  } else {
    tndb_buffer_append(&d->out, "\n### ");
    plain_text(d, name);
    tndb_buffer_append(&d->out, strcmp(kind, "table") == 0 ? "\n" : " (");
    tndb_buffer_append(&d->out, strcmp(kind, "table") == 0 ? "" : kind);
    tndb_buffer_append(&d->out, strcmp(kind, "table") == 0 ? "" : ")\n");
    if (comment && *comment) {
      tndb_buffer_append(&d->out, "\n");
      plain_text(d, comment);
      tndb_buffer_append(&d->out, "\n");
    }
  }
  d->tables++;
  d->in_table = true;
  d->section = d->json ? TNDB_DOCUMENT_COLUMNS : TNDB_DOCUMENT_NOWHERE;
  d->rows = 0;
}

static void markdown_head(tndb_document *d) {
  const char *const *columns = sections[d->section].columns;
  tndb_buffer_format(&d->out, "\n%s%s\n\n|", d->section == TNDB_DOCUMENT_OBJECTS ? "### " : "",
                     sections[d->section].title);
  for (size_t i = 0; columns[i]; i++) {
    tndb_buffer_format(&d->out, " %s |", columns[i]);
  }
  tndb_buffer_append(&d->out, "\n|");
  for (size_t i = 0; columns[i]; i++) {
    tndb_buffer_append(&d->out, "---|");
  }
  tndb_buffer_append(&d->out, "\n");
}

static void markdown_row(tndb_document *d, const char *const *cells) {
  const char *const *columns = sections[d->section].columns;
  tndb_buffer_append(&d->out, "|");
  for (size_t i = 0; columns[i]; i++) {
    tndb_buffer_append(&d->out, " ");
    if (cells[i] && *cells[i] && (strcmp(columns[i], "comment") == 0 || strcmp(columns[i], "kind") == 0)) {
      plain_text(d, cells[i]);
    } else if (cells[i] && *cells[i]) {
      code_text(d, cells[i]);
    }
    tndb_buffer_append(&d->out, cells[i] && *cells[i] ? " |" : "|");
  }
  tndb_buffer_append(&d->out, "\n");
}

void tndb_document_row(tndb_document *d, tndb_document_section section, const char *const *cells) {
  if (section == TNDB_DOCUMENT_OBJECTS) {
    begin_objects(d);
  } else {
    go_to(d, section);
  }
  if (!d->json) {
    if (d->rows++ == 0) {
      markdown_head(d);
    }
    markdown_row(d, cells);
    return;
  }
  tndb_buffer_append(&d->out, d->rows++ ? ",\n{" : "\n{");
  for (size_t i = 0; sections[section].columns[i]; i++) {
    tndb_buffer_append(&d->out, i ? ", " : "");
    json_member(d, sections[section].columns[i], cells[i]);
  }
  tndb_buffer_append(&d->out, "}");
}

tenantdb_status tndb_document_end(tndb_document *d, char **text, tenantdb_error **error) {
  end_group(d);
  if (d->json) {
    tndb_buffer_append(&d->out, d->groups ? "\n]}\n" : "]}\n");
  }
  *text = tndb_buffer_take(&d->out);
  return *text ? TENANTDB_OK : tndb_no_memory(error);
}
