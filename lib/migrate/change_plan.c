/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/change_plan.h"

#include <string.h>

#include "base/memory.h"
#include "base/sha256.h"
#include "base/utf8.h"
#include "sql/identifier.h"

/* So many digits of a sum tell cut names apart. */
#define SUM 8

/* ---------------------------------------------------------------- names */

const char *tndb_change_text(const tndb_change_plan *plan, const char *name) {
  for (size_t i = 0; i < plan->n_names; i++) {
    if (strcmp(plan->names[i].name, name) == 0) {
      return plan->names[i].text ? plan->names[i].text : ""; /* memory ran out: the plan has failed */
    }
  }
  for (int i = 0; i < TNDB_N_CHANGE_KEYS; i++) {
    if (strcmp(tndb_change_key_name((tndb_change_key)i), name) == 0) {
      return tndb_change_value(plan->change, (tndb_change_key)i);
    }
  }
  return NULL;
}

/* Takes the text. */
static void let(tndb_change_plan *plan, const char *name, char *text) {
  for (size_t i = 0; i < plan->n_names; i++) {
    if (strcmp(plan->names[i].name, name) == 0) {
      tndb_free(plan->names[i].text);
      plan->names[i].text = text;
      return;
    }
  }
  if (plan->n_names == TNDB_CHANGE_NAMES) {
    tndb_free(text);
    plan->failed = true;
    return;
  }
  plan->names[plan->n_names++] = (tndb_change_name){name, text};
}

void tndb_change_let(tndb_change_plan *plan, const char *name, const char *text) {
  char *copy = text ? tndb_strdup(text) : NULL;
  plan->failed = plan->failed || (text && !copy);
  let(plan, name, copy);
}

void tndb_change_let_made(tndb_change_plan *plan, const char *name, const char *first, const char *second,
                          const char *suffix) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_append(&text, first);
  if (second) {
    tndb_buffer_append_char(&text, '_');
    tndb_buffer_append(&text, second);
  }
  size_t stem = text.length;
  tndb_buffer_append(&text, suffix);
  if (!text.failed && text.length > TNDB_IDENTIFIER_BYTES) {
    char sum[TNDB_SHA256_HEX];
    size_t room = TNDB_IDENTIFIER_BYTES - SUM - 1 - strlen(suffix), kept = 0;
    tndb_sha256_hex(text.data, text.length, sum);
    size_t next = tndb_utf8_decode(text.data, stem, NULL);
    while (next > 0 && kept + next <= room) {
      kept += next;
      next = tndb_utf8_decode(text.data + kept, stem - kept, NULL);
    }
    text.length = kept;
    tndb_buffer_append_char(&text, '_');
    tndb_buffer_append_n(&text, sum, SUM);
    tndb_buffer_append(&text, suffix);
  }
  plan->failed = plan->failed || text.failed;
  let(plan, name, tndb_buffer_take(&text));
}

/* ---------------------------------------------------------------- templates */

/* Between dollar signs whose tag does not occur inside. */
static void quote_dollar(tndb_buffer *out, const char *text) {
  char tag[] = "$tndb_a$";
  while (strstr(text, tag) && tag[6] < 'z') {
    tag[6]++;
  }
  tndb_buffer_append(out, tag);
  tndb_buffer_append(out, text);
  tndb_buffer_append(out, tag);
}

/* The oid of a table found by the search path: of the first schema in it, and of no other. */
static void write_oid(tndb_buffer *out, const char *name) {
  tndb_auto_buffer quoted = TNDB_BUFFER_INIT;
  tndb_buffer_append_char(&quoted, '.');
  tndb_quote_identifier(&quoted, name);
  tndb_buffer_append(out, "(quote_ident(current_schema()) || ");
  tndb_quote_literal(out, tndb_buffer_text(&quoted));
  tndb_buffer_append(out, ")::regclass");
  out->failed = out->failed || quoted.failed;
}

static void substitute(tndb_buffer *out, char how, const char *text) {
  switch (how) {
    case '.':
      tndb_buffer_append(out, "{schema}.");
      tndb_quote_identifier(out, text);
      break;
    case '\'':
      tndb_quote_literal(out, text);
      break;
    case '^':
      write_oid(out, text);
      break;
    case '=':
      tndb_buffer_append(out, text);
      break;
    case '$':
      quote_dollar(out, text);
      break;
    default:
      tndb_quote_identifier(out, text);
  }
}

static void write_template(tndb_change_plan *plan, tndb_buffer *out, const char *template) {
  for (const char *at; (at = strchr(template, '@')) != NULL;) {
    tndb_buffer_append_n(out, template, (size_t)(at - template));
    char how = at[1];
    at += strchr(".'^=$", how) ? 2 : 1;
    size_t length = strcspn(at, "@");
    char name[32] = "";
    memcpy(name, at, length < sizeof name ? length : 0);
    const char *text = tndb_change_text(plan, name);
    /* A name that means nothing is a mistake of ours or memory that ran out: never half a statement. */
    plan->failed = plan->failed || !text;
    substitute(out, how, text ? text : "");
    template = at + length + (at[length] == '@');
  }
  tndb_buffer_append(out, template);
}

void tndb_change_let_text(tndb_change_plan *plan, const char *name, const char *template) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  write_template(plan, &text, template);
  tndb_buffer_append_n(&text, "", 0);
  plan->failed = plan->failed || text.failed;
  let(plan, name, tndb_buffer_take(&text));
}

/* ---------------------------------------------------------------- steps */

static bool make_room(tndb_change_plan *plan) {
  if (plan->steps.count < plan->capacity) {
    return true;
  }
  size_t more = plan->capacity ? plan->capacity * 2 : 8;
  tndb_migration_step *items = tndb_realloc(plan->steps.items, more * sizeof *items);
  plan->steps.items = items ? items : plan->steps.items;
  tndb_change_about *about = items ? tndb_realloc(plan->about, more * sizeof *about) : NULL;
  plan->about = about ? about : plan->about;
  plan->capacity = about ? more : plan->capacity;
  return about != NULL;
}

static void add(tndb_change_plan *plan, tndb_migration_step step, const char *template,
                tndb_change_about about) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  write_template(plan, &sql, template);
  step.sql = tndb_buffer_take(&sql);
  step.line = plan->line;
  char *index = step.index ? tndb_strdup(step.index) : NULL;
  if (!step.sql || (step.index && !index) || !make_room(plan)) {
    plan->failed = true;
    tndb_free(step.sql);
    tndb_free(index);
    return;
  }
  step.index = index;
  plan->about[plan->steps.count] = about;
  plan->steps.items[plan->steps.count++] = step;
}

void tndb_change_begin(tndb_change_plan *plan, const char *template, const char *locks, const char *why) {
  add(plan, (tndb_migration_step){.way = TNDB_WAY_INSIDE}, template, (tndb_change_about){locks, why});
}

void tndb_change_join(tndb_change_plan *plan, const char *template, const char *locks, const char *why) {
  add(plan, (tndb_migration_step){.way = TNDB_WAY_INSIDE, .joined = true}, template,
      (tndb_change_about){locks, why});
}

void tndb_change_outside(tndb_change_plan *plan, const char *template, const char *index, bool drops,
                         const char *why) {
  tndb_migration_step step = {.way = TNDB_WAY_OUTSIDE, .done_if_there = !drops, .done_if_gone = drops};
  const char *name = tndb_change_text(plan, index);
  tndb_auto_free char *copy = name ? tndb_strdup(name) : NULL;
  plan->failed = plan->failed || !copy;
  step.index = copy;
  add(plan, step, template, (tndb_change_about){TNDB_LOCK_SHARED, why});
}

void tndb_change_repeat(tndb_change_plan *plan, const char *template, const char *why) {
  add(plan, (tndb_migration_step){.way = TNDB_WAY_REPEAT}, template,
      (tndb_change_about){TNDB_LOCK_ROWS, why});
}

/* ---------------------------------------------------------------- the whole */

tenantdb_status tndb_change_plan_make(tndb_change_plan *plan, const tenantdb_change *change, int32_t line,
                                      tenantdb_error **error) {
  memset(plan, 0, sizeof *plan);
  tenantdb_status status = tndb_change_complete(change, error);
  if (status) {
    return status;
  }
  plan->change = change;
  plan->line = line;
  status = change->kind->make(plan, error);
  return status ? status : plan->failed ? tndb_no_memory(error) : TENANTDB_OK;
}

void tndb_change_plan_clear(tndb_change_plan *plan) {
  for (size_t i = 0; i < plan->n_names; i++) {
    tndb_free(plan->names[i].text);
  }
  for (size_t i = 0; i < plan->steps.count; i++) {
    tndb_free(plan->steps.items[i].sql);
    tndb_free(plan->steps.items[i].index);
  }
  tndb_free(plan->steps.items);
  tndb_free(plan->about);
  memset(plan, 0, sizeof *plan);
}
