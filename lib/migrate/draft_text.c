/* SPDX-License-Identifier: PostgreSQL */
#include <string.h>

#include "migrate/draft.h"
#include "registry/resolve.h"
#include "schema/marker.h"
#include "sql/identifier.h"

void tndb_draft_free(tndb_draft *draft) {
  tndb_buffer_free(&draft->inside);
  tndb_buffer_free(&draft->outside);
}

/* Tenants' rights come with the schema, by its default privileges, and owners with whoever migrates. */
static bool is_access(tndb_phase phase) {
  return phase == TNDB_PHASE_ROLE || phase == TNDB_PHASE_DEFAULTS || phase == TNDB_PHASE_OWNERS ||
         phase == TNDB_PHASE_GRANTS;
}

/* Quotes that a plan writes for every name are left out where a name needs none. */
static size_t plain_name(const char *text) {
  size_t length = 1;
  if (*text != '"' || !((text[1] >= 'a' && text[1] <= 'z') || text[1] == '_')) {
    return 0;
  }
  while ((text[length] >= 'a' && text[length] <= 'z') || (text[length] >= '0' && text[length] <= '9') ||
         text[length] == '_') {
    length++;
  }
  char word[TNDB_IDENTIFIER_BYTES + 1];
  if (text[length] != '"' || text[length + 1] == '"' || length - 1 > TNDB_IDENTIFIER_BYTES) {
    return 0;
  }
  memcpy(word, text + 1, length - 1);
  word[length - 1] = '\0';
  return tndb_keyword_is_reserved(word) ? 0 : length - 1;
}

void tndb_draft_name(tndb_buffer *out, const char *name) {
  size_t before = out->length;
  tndb_quote_identifier(out, name);
  size_t plain = out->failed ? 0 : plain_name(out->data + before);
  if (plain) {
    memmove(out->data + before, out->data + before + 1, plain);
    out->length = before + plain;
    out->data[out->length] = '\0';
  }
}

typedef struct writer {
  const tenantdb *db;
  tndb_buffer *out;
  bool outside; /* of a transaction, where names without a schema are found on a direct connection only */
  bool names_schema; /* the schema's own name had to be written */
} writer;

/* SET search_path of a function, which names the schema that it was made in: whichever that is. */
static size_t path_clause(const char *text) {
  static const char head[] = " SET search_path TO ";
  size_t length = strncmp(text, head, sizeof head - 1) == 0 ? strcspn(text + 1, "\n") + 1 : 0;
  const char *mark = length ? memchr(text, TNDB_MARK_SCHEMA, length) : NULL;
  return mark ? length : 0;
}

static void write_mark(writer *w, char mark) {
  char group[64] = "";
  switch (mark) {
    case TNDB_MARK_SHARED:
      tndb_quote_identifier(w->out, tndb_database_shared_schema(w->db));
      tndb_buffer_append_char(w->out, '.');
      break;
    case TNDB_MARK_SCHEMA:
      w->names_schema = true;
      tndb_buffer_append(w->out, "{schema}");
      break;
    case TNDB_MARK_GROUP:
      tndb_database_group_role((tenantdb *)w->db, group);
      tndb_quote_identifier(w->out, group);
      break;
    case TNDB_MARK_ROLE:
      w->names_schema = true;
      tndb_buffer_append(w->out, "{role}");
      break;
    case TNDB_MARK_OWNER:
      tndb_buffer_append(w->out, "CURRENT_USER");
      break;
    default: /* its own names need no schema */
      break;
  }
}

/* A table behind ON, which a marker can stand for: the length of its name without the quotes. */
static size_t marked_table(const writer *w, const char *text, const char *at) {
  static const char on[] = " ON ";
  tndb_target target;
  bool behind = w->outside && *at == TNDB_MARK_OWN && at - text >= 4 && memcmp(at - 4, on, 4) == 0;
  const char *name = at + 1 + (behind && at[1] == '"');
  size_t length = 0;
  while (behind && ((name[length] >= 'a' && name[length] <= 'z') || name[length] == '_' ||
                    (length > 0 && name[length] >= '0' && name[length] <= '9'))) {
    length++;
  }
  bool whole = length > 0 && (at[1] == '"' ? name[length] == '"' : strchr(" (;", name[length]) != NULL);
  return whole && !tndb_registry_resolve(w->db->registry, NULL, name, length, &target, NULL) ? length : 0;
}

static void write_statement(writer *w, const char *text) {
  for (const char *at = text; *at;) {
    size_t table = marked_table(w, text, at);
    size_t path = *at == ' ' ? path_clause(at) : 0;
    bool own = at > text && (at[-1] == TNDB_MARK_OWN || at[-1] == ' ' || at[-1] == '(');
    size_t name = own ? plain_name(at) : 0;
    if (table) {
      tndb_buffer_append_char(w->out, '{');
      bool quoted = at[1] == '"';
      tndb_buffer_append_n(w->out, at + 1 + quoted, table);
      tndb_buffer_append_char(w->out, '}');
      at += table + (quoted ? 3 : 1);
    } else if (path) {
      tndb_buffer_append(w->out, " SET search_path FROM CURRENT");
      at += path;
    } else if (name) {
      tndb_buffer_append_n(w->out, at + 1, name);
      at += name + 2;
    } else if ((*at >= TNDB_MARK_OWN && *at <= TNDB_MARK_OWNER) || *at == TNDB_MARK_PART) {
      write_mark(w, *at++);
    } else {
      tndb_buffer_append_char(w->out, *at++);
    }
  }
}

/* A comment of one line, whatever is in it. */
static void write_note(tndb_buffer *out, const char *head, const char *text) {
  tndb_auto_buffer shown = TNDB_BUFFER_INIT;
  tndb_marks_show(&shown, text);
  tndb_buffer_append(out, head);
  for (const char *c = tndb_buffer_text(&shown); *c; c++) {
    tndb_buffer_append_char(out, *c == '\n' || *c == '\r' ? ' ' : *c);
  }
  tndb_buffer_append_char(out, '\n');
  out->failed = out->failed || shown.failed;
}

static void write_step(const tenantdb *db, const tndb_plan_step *step, const tndb_form *wanted,
                       tndb_buffer *out) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  writer w = {.db = db, .out = &text, .outside = step->phase == TNDB_PHASE_OUTSIDE};
  size_t length = strlen(step->sql);
  tndb_buffer_append_char(out, '\n');
  if (step->lock) {
    write_note(out, "-- locks: ", step->lock);
  }
  write_statement(&w, step->sql);
  tndb_draft_name_constraints(out, tndb_buffer_text(&text), wanted);
  out->failed = out->failed || text.failed;
  tndb_buffer_append(out, length > 0 && step->sql[length - 1] == ';' ? "\n" : ";\n");
  if (w.names_schema) {
    tndb_buffer_append(out,
                       "-- LOOK: {schema} or {role} stands for a name that differs from tenant to tenant; "
                       "write this in another way\n");
  }
}

static void note_open(const tndb_open_changes *open, tndb_buffer *out) {
  for (size_t i = 0; i < open->count; i++) {
    tndb_auto_buffer text = TNDB_BUFFER_INIT;
    tndb_open_change_describe(&open->items[i], &text);
    write_note(out, "-- UNFINISHED, and left alone: ", tndb_buffer_text(&text));
    out->failed = out->failed || text.failed;
  }
}

tenantdb_status tndb_draft_write(const tenantdb *db, const tndb_plan *plan, const tndb_form *wanted,
                                 const tndb_open_changes *open, tndb_draft *draft, tenantdb_error **error) {
  tndb_auto_buffer left = TNDB_BUFFER_INIT;
  tndb_auto_buffer body = TNDB_BUFFER_INIT;
  *draft = (tndb_draft){TNDB_BUFFER_INIT, TNDB_BUFFER_INIT, 0};
  for (size_t i = 0; i < plan->count; i++) {
    const tndb_plan_step *step = &plan->steps[i];
    if (step->phase == TNDB_PHASE_LEFT) {
      draft->left++;
      write_note(&left, "-- LEFT TO YOU: ", step->sql);
    } else if (!is_access(step->phase)) {
      write_step(db, step, wanted, step->phase == TNDB_PHASE_OUTSIDE ? &draft->outside : &body);
    }
  }
  static const char head[] =
      "-- What the registry declares and the migrations up to here do not make.\n"
      "-- A draft: read it, and give it a name that says what it does.\n";
  if (body.length || left.length) {
    tndb_buffer_append(&draft->inside, head);
    note_open(open, &draft->inside);
    tndb_buffer_append(&draft->inside, tndb_buffer_text(&left));
    tndb_buffer_append(&draft->inside, tndb_buffer_text(&body));
  }
  if (draft->outside.length) {
    tndb_auto_buffer whole = TNDB_BUFFER_INIT;
    tndb_buffer_append(&whole, "-- tenantdb:tx none\n");
    tndb_buffer_append(&whole, head);
    note_open(open, &whole);
    tndb_buffer_append(&whole, tndb_buffer_text(&draft->outside));
    tndb_buffer_clear(&draft->outside);
    tndb_buffer_append(&draft->outside, tndb_buffer_text(&whole));
    draft->outside.failed = draft->outside.failed || whole.failed;
  }
  return left.failed || body.failed || draft->inside.failed || draft->outside.failed ? tndb_no_memory(error)
                                                                                     : TENANTDB_OK;
}
