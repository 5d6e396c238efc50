/* SPDX-License-Identifier: PostgreSQL */
#include "schema/difference.h"

#include <string.h>

#include "base/map.h"
#include "base/memory.h"
#include "schema/marker.h"

static bool is(const char *a, const char *b) {
  return strcmp(a, b) == 0;
}

/* ---------------------------------------------------------------- finding */

typedef struct finder {
  tndb_differences *out;
  tndb_map gone;    /* "table notes", "column notes.id" …: on one side only */
  tndb_map changed; /* relations of which a column has another identity */
  bool failed;
} finder;

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), n = strlen(end);
  return length >= n && is(text + length - n, end);
}

/* Whether `found` is `expected` with a word at its end that says that it is not in force. */
static bool is_unproved(const char *expected, const char *found) {
  size_t n = strlen(expected);
  if (strncmp(expected, found, n) != 0 || ends_with(expected, " NOT VALID")) {
    return false;
  }
  const char *rest = found + n;
  rest += *rest == TNDB_MARK_PART;
  return is(rest, " INVALID") || is(rest, " NOT VALID") || is(rest, " NOT VALID INVALID");
}

/* From PostgreSQL 18 on NOT NULL may be unproved, too, which stands in the middle of a column. */
static bool is_unproved_column(const char *expected, const char *found) {
  static const char word[] = " not valid";
  const char *at = strstr(found, word);
  size_t before = at ? (size_t)(at - found) : 0;
  return at && strncmp(expected, found, before) == 0 && is(expected + before, at + strlen(word));
}

/* Privileges stand in a list; is there one in `found` that `expected` lacks? */
static bool grants_more(const char *expected, const char *found) {
  while (*found) {
    size_t length = strcspn(found, ",");
    bool there = false;
    for (const char *at = expected; *at && !there;) {
      size_t n = strcspn(at, ",");
      there = n == length && strncmp(at, found, n) == 0;
      at += n + strspn(at + n, ", ");
    }
    if (!there) {
      return true;
    }
    found += length + strspn(found + length, ", ");
  }
  return false;
}

static bool is_access(const char *what) {
  return is(what, "grant") || is(what, "default privileges");
}

static tndb_drift_kind judge_changed(const tndb_difference *d) {
  if (is(d->what, "row security") || is(d->what, "policy") || is(d->what, "role") ||
      (is(d->what, "access") && strncmp(d->found, "no ", 3) != 0) ||
      (is_access(d->what) && grants_more(d->expected, d->found)) ||
      (strstr(d->found, " security definer") && !strstr(d->expected, " security definer"))) {
    return TNDB_DRIFT_SECURITY;
  }
  if (is(d->what, "access")) {
    return TNDB_DRIFT_MISSING;
  }
  bool unproved = is_unproved(d->expected, d->found) ||
                  (is(d->what, "column") && is_unproved_column(d->expected, d->found));
  return unproved ? TNDB_DRIFT_INVALID : TNDB_DRIFT_CHANGED;
}

static tndb_drift_kind judge(tndb_difference *d) {
  if (!d->found) {
    return is(d->what, "row security") || is(d->what, "policy") ? TNDB_DRIFT_SECURITY : TNDB_DRIFT_MISSING;
  }
  if (d->expected) {
    return judge_changed(d);
  }
  if (is(d->what, "owner")) { /* listed only where it is not the schema's */
    d->expected = "\x06";
    return TNDB_DRIFT_CHANGED;
  }
  return is_access(d->what) || is(d->what, "policy") || is(d->what, "rule") ? TNDB_DRIFT_SECURITY
                                                                            : TNDB_DRIFT_EXTRA;
}

static void add(finder *f, const tndb_form *form, int row, const char *expected, const char *found) {
  tndb_differences *out = f->out;
  if (out->count == out->capacity) {
    size_t capacity = out->capacity ? out->capacity * 2 : 16;
    tndb_difference *bigger = tndb_realloc(out->items, capacity * sizeof *bigger);
    if (!bigger) {
      f->failed = true;
      return;
    }
    out->items = bigger;
    out->capacity = capacity;
  }
  tndb_difference *d = &out->items[out->count++];
  *d = (tndb_difference){TNDB_DRIFT_CHANGED,
                         tndb_form_cell(form, row, TNDB_FORM_KIND),
                         tndb_form_cell(form, row, TNDB_FORM_PARENT),
                         tndb_form_cell(form, row, TNDB_FORM_OBJECT),
                         expected,
                         found};
  d->kind = judge(d);
}

static int compare_rows(const tndb_form *a, int i, const tndb_form *b, int k) {
  int order = strcmp(tndb_form_cell(a, i, TNDB_FORM_KIND), tndb_form_cell(b, k, TNDB_FORM_KIND));
  return order ? order
               : strcmp(tndb_form_cell(a, i, TNDB_FORM_OBJECT), tndb_form_cell(b, k, TNDB_FORM_OBJECT));
}

/* Both are in the same order: walk them side by side. */
static void walk(finder *f, const tndb_form *expected, const tndb_form *found) {
  int i = 0, k = 0;
  while (!f->failed && (i < expected->count || k < found->count)) {
    int order = i >= expected->count ? 1 : k >= found->count ? -1 : compare_rows(expected, i, found, k);
    const char *wanted = order <= 0 ? tndb_form_cell(expected, i, TNDB_FORM_DEFINITION) : NULL;
    const char *is_now = order >= 0 ? tndb_form_cell(found, k, TNDB_FORM_DEFINITION) : NULL;
    if (order != 0 || !is(wanted, is_now)) {
      add(f, order <= 0 ? expected : found, order <= 0 ? i : k, wanted, is_now);
    }
    i += order <= 0;
    k += order >= 0;
  }
}

/* ---------------------------------------------------------------- what follows from others */

static bool one_sided(const tndb_difference *d) {
  return !d->expected || !d->found;
}

static bool key_of(tndb_buffer *key, const char *what, const char *object, size_t length) {
  tndb_buffer_clear(key);
  tndb_buffer_append(key, what);
  tndb_buffer_append_char(key, ' ');
  tndb_buffer_append_n(key, object, length);
  return !key->failed;
}

static void collect_gone(finder *f) {
  tndb_auto_buffer key = TNDB_BUFFER_INIT;
  for (size_t i = 0; !f->failed && i < f->out->count; i++) {
    tndb_difference *d = &f->out->items[i];
    bool dependent = is_access(d->what) || is(d->what, "comment") || is(d->what, "owner");
    if (one_sided(d) && !dependent) {
      f->failed = !key_of(&key, d->what, d->object, strlen(d->object)) ||
                  !tndb_map_put(&f->gone, tndb_buffer_text(&key), d);
    }
    if (!f->failed && is(d->what, "column")) {
      f->failed = !tndb_map_put(&f->changed, d->parent, d);
    }
  }
}

/* Whether the relation, or what a grant or comment is about, is itself on one side only. */
static bool belongs_to_gone(finder *f, const tndb_difference *d, const tndb_difference **why) {
  static const char *const relations[] = {"table", "view", "materialized view", "sequence", "foreign table"};
  tndb_auto_buffer key = TNDB_BUFFER_INIT;
  *why = NULL;
  for (size_t i = 0; *d->parent && !*why && i < sizeof relations / sizeof relations[0]; i++) {
    f->failed = f->failed || !key_of(&key, relations[i], d->parent, strlen(d->parent));
    *why = f->failed ? NULL : tndb_map_get(&f->gone, tndb_buffer_text(&key));
  }
  if (!*why && (is(d->what, "grant") || is(d->what, "comment") || is(d->what, "owner"))) {
    const char *to = strchr(d->object, TNDB_MARK_PART); /* before the grantee */
    tndb_buffer_clear(&key);
    tndb_buffer_append_n(&key, d->object, to ? (size_t)(to - d->object) : strlen(d->object));
    f->failed = f->failed || key.failed;
    *why = f->failed ? NULL : tndb_map_get(&f->gone, tndb_buffer_text(&key));
  }
  return *why && *why != d;
}

static bool is_to_role(const tndb_difference *d) {
  return is_access(d->what) && strlen(d->object) > 0 && d->object[strlen(d->object) - 1] == TNDB_MARK_ROLE;
}

static bool follows(finder *f, const tndb_difference *d) {
  const tndb_difference *why;
  if (belongs_to_gone(f, d, &why)) {
    /* What strangers may do with something undeclared matters all the same; types are everybody's anyway. */
    bool type = strncmp(d->object, "type ", 5) == 0;
    return !(is_access(d->what) && !d->expected && !is_to_role(d) && !type);
  }
  if ((is_to_role(d) || is(d->what, "access")) && !d->found && tndb_map_get(&f->gone, "role role")) {
    return true;
  }
  const char *definition = d->expected ? d->expected : d->found;
  return is(d->what, "sequence") && one_sided(d) && strstr(definition, " identity of ") &&
         tndb_map_get(&f->changed, d->parent);
}

tenantdb_status tndb_differences_find(const tndb_form *expected, const tndb_form *found,
                                      tndb_differences *out, tenantdb_error **error) {
  finder f = {.out = out};
  *out = (tndb_differences){NULL, 0, 0};
  walk(&f, expected, found);
  collect_gone(&f);
  tndb_auto_free bool *drop = f.failed ? NULL : tndb_alloc_array(out->count, sizeof *drop);
  f.failed = f.failed || !drop;
  for (size_t i = 0; !f.failed && i < out->count; i++) {
    drop[i] = follows(&f, &out->items[i]);
  }
  size_t kept = 0;
  for (size_t i = 0; !f.failed && i < out->count; i++) {
    if (!drop[i]) {
      out->items[kept++] = out->items[i];
    }
  }
  out->count = f.failed ? out->count : kept;
  tndb_map_free(&f.gone);
  tndb_map_free(&f.changed);
  return f.failed ? tndb_no_memory(error) : TENANTDB_OK;
}

void tndb_differences_free(tndb_differences *differences) {
  tndb_free(differences->items);
  *differences = (tndb_differences){NULL, 0, 0};
}

/* ---------------------------------------------------------------- words */

const char *tndb_drift_kind_name(tndb_drift_kind kind) {
  static const char *const names[] = {"missing", "extra", "changed", "invalid", "security"};
  return names[kind];
}

const char *tndb_difference_level(const tndb_difference *difference) {
  return difference->kind == TNDB_DRIFT_SECURITY ? "critical"
         : difference->kind == TNDB_DRIFT_EXTRA  ? "warning"
                                                 : "error";
}

void tndb_difference_name(tndb_buffer *out, const char *what, const char *object) {
  static const struct {
    const char *what, *before;
  } words[] = {{"schema", ""},
               {"role", "role {role}"},
               {"access", "access of {role} to the schema"},
               {"grant", "grant on "},
               {"comment", "comment on "},
               {"owner", "owner of "},
               {"row security", "row security of "},
               {"default privileges", "default privileges on "}};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (is(what, words[i].what)) {
      tndb_buffer_append(out, words[i].before);
      if (!is(what, "role") && !is(what, "access")) {
        tndb_marks_show(out, object);
      }
      return;
    }
  }
  tndb_buffer_append(out, what);
  tndb_buffer_append_char(out, ' ');
  tndb_marks_show(out, object);
}
