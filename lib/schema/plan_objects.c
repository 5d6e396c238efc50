/* SPDX-License-Identifier: PostgreSQL */
/* Steps about what stands beside tables: views, functions, types, sequences, statistics. */
#include <string.h>

#include "base/memory.h"
#include "schema/marker.h"
#include "schema/plan.h"
#include "sql/identifier.h"

static bool is(const char *a, const char *b) {
  return strcmp(a, b) == 0;
}

/* Where the registry declares it; things that depend on each other are declared in an order that works. */
static size_t place_of(const tndb_plan_input *input, int32_t kind, const char *name) {
  for (size_t i = 0; i < input->ddl->count; i++) {
    if (input->ddl->items[i].kind == kind && is(input->ddl->items[i].name, name)) {
      return i + 1;
    }
  }
  return input->ddl->count + 1;
}

/* ---------------------------------------------------------------- views */

static const char *view_word(const char *what) {
  return is(what, "view") ? "VIEW" : "MATERIALIZED VIEW";
}

static void drop_view(const tndb_plan_input *input, tndb_plan *plan, const char *what, const char *name) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  size_t last = input->ddl->count + 2;
  tndb_buffer_format(&sql, "DROP %s \x01", view_word(what));
  tndb_quote_identifier(&sql, name);
  tndb_buffer_format(&lock, "ACCESS EXCLUSIVE on %s", name);
  plan->failed = plan->failed || sql.failed || lock.failed;
  /* The last that was declared goes first. */
  tndb_plan_add(plan, TNDB_PHASE_DROP_VIEWS, last - place_of(input, TNDB_DDL_VIEW, name) + 1,
                tndb_buffer_text(&lock), tndb_buffer_text(&sql));
}

static void create_view(const tndb_plan_input *input, tndb_plan *plan, const char *what, const char *name,
                        bool replace) {
  const char *definition = tndb_form_find(input->expected, what, name);
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_free char *options = definition ? tndb_form_part(definition, 0) : NULL;
  tndb_auto_free char *query = definition ? tndb_form_part(definition, 3) : NULL;
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  if (!definition || !options || !query) {
    plan->failed = plan->failed || definition;
    return;
  }
  tndb_buffer_format(&sql, "CREATE %s%s \x01", replace ? "OR REPLACE " : "", view_word(what));
  tndb_quote_identifier(&sql, name);
  tndb_buffer_format(&sql, " %sAS %s", options, query);
  tndb_buffer_format(&lock, "ACCESS EXCLUSIVE on %s", name);
  plan->failed = plan->failed || sql.failed || lock.failed;
  tndb_plan_add(plan, TNDB_PHASE_VIEWS, place_of(input, TNDB_DDL_VIEW, name),
                replace ? tndb_buffer_text(&lock) : NULL, tndb_buffer_text(&sql));
  if (!replace) {
    tndb_plan_restore(input, plan, what, name);
  }
}

/* Whether a view's definition names the relation. */
static bool reads(const char *definition, const char *relation) {
  tndb_auto_buffer quoted = TNDB_BUFFER_INIT;
  size_t length = strlen(relation);
  tndb_buffer_append_char(&quoted, TNDB_MARK_OWN);
  tndb_quote_identifier(&quoted, relation);
  if (quoted.failed || strstr(definition, tndb_buffer_text(&quoted))) {
    return true; /* in doubt it does */
  }
  for (const char *at = definition; (at = strchr(at, TNDB_MARK_OWN)) != NULL; at++) {
    char next = strncmp(at + 1, relation, length) == 0 ? at[1 + length] : 'x';
    if (!((next >= 'a' && next <= 'z') || (next >= '0' && next <= '9') || next == '_')) {
      return true;
    }
  }
  return false;
}

void tndb_plan_lift_views(const tndb_plan_input *input, tndb_plan *plan, const char *relation,
                          const char *column) {
  for (int i = 0; !plan->failed && i < input->found->count; i++) {
    const char *what = tndb_form_cell(input->found, i, TNDB_FORM_KIND);
    const char *name = tndb_form_cell(input->found, i, TNDB_FORM_OBJECT);
    bool view = is(what, "view") || is(what, "materialized view");
    if (view && !is(name, relation) && tndb_form_find(input->expected, what, name) &&
        strstr(tndb_form_cell(input->found, i, TNDB_FORM_DEFINITION), column) &&
        reads(tndb_form_cell(input->found, i, TNDB_FORM_DEFINITION), relation)) {
      drop_view(input, plan, what, name);
      create_view(input, plan, what, name, false);
      tndb_plan_lift_views(input, plan, name, "");
    }
  }
}

/* CREATE OR REPLACE may add columns behind those that are there, and change nothing of these. */
static bool can_replace(const tndb_difference *d) {
  tndb_auto_free char *new = tndb_form_part(d->expected, 1);
  tndb_auto_free char *old = tndb_form_part(d->found, 1);
  size_t length = old ? strlen(old) : 0;
  return is(d->what, "view") && new &&length > 1 && strncmp(new, old, length - 1) == 0 &&
         (new[length - 1] == ')' || new[length - 1] == ',');
}

void tndb_plan_view(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  if (!d->expected && !input->drop) {
    tndb_plan_leave(plan, d, "it is dropped only with option drop=on");
    return;
  }
  bool replace = d->expected && d->found && can_replace(d);
  if (d->found && !replace) {
    tndb_plan_lift_views(input, plan, d->object, "");
    drop_view(input, plan, d->what, d->object);
  }
  if (d->expected) {
    create_view(input, plan, d->what, d->object, replace);
  }
}

/* ---------------------------------------------------------------- functions */

static const char *function_statement(const tndb_plan_input *input, const tndb_difference *d, size_t *order) {
  tndb_auto_buffer key = TNDB_BUFFER_INIT;
  tndb_buffer_format(&key, "%s %s", d->what, d->object);
  for (int i = 0; !key.failed && i < PQntuples(input->functions); i++) {
    if (is(PQgetvalue(input->functions, i, 0), tndb_buffer_text(&key))) {
      *order = (size_t)i + 1;
      return PQgetvalue(input->functions, i, 1);
    }
  }
  return NULL;
}

/* Whether it speaks of a table that has to be made first. */
static bool needs_table(const tndb_plan_input *input, const char *sql) {
  for (size_t i = 0; i < input->differences->count; i++) {
    const tndb_difference *d = &input->differences->items[i];
    if (is(d->what, "table") && !d->found && strstr(sql, d->object)) {
      return true;
    }
  }
  return false;
}

static void drop_function(tndb_plan *plan, tndb_phase phase, const tndb_difference *d) {
  const char *arguments = strchr(d->object, '(');
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_free char *name =
      tndb_strndup(d->object, arguments ? (size_t)(arguments - d->object) : strlen(d->object));
  tndb_buffer_append(&sql, "DROP ROUTINE \x01");
  if (name) {
    tndb_quote_identifier(&sql, name);
  }
  tndb_buffer_append(&sql, arguments ? arguments : "");
  plan->failed = plan->failed || sql.failed || !name;
  tndb_plan_add(plan, phase, 0, NULL, tndb_buffer_text(&sql));
}

void tndb_plan_function(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  size_t order = 0;
  if (!d->expected) {
    if (input->drop) {
      drop_function(plan, TNDB_PHASE_DROP_LATE, d);
    } else {
      tndb_plan_leave(plan, d, "it is dropped only with option drop=on");
    }
    return;
  }
  const char *sql = function_statement(input, d, &order);
  if (!sql) {
    tndb_plan_leave(plan, d, "the registry has no statement for it");
    return;
  }
  tndb_auto_free char *new = tndb_form_part(d->expected, 0);
  tndb_auto_free char *old = d->found ? tndb_form_part(d->found, 0) : NULL;
  bool anew = !d->found || !new || !old || !is(new, old);
  plan->failed = plan->failed || !new || (d->found && !old);
  if (d->found && anew) {
    drop_function(plan, TNDB_PHASE_DROP_PARTS, d);
  }
  size_t behind_tables = input->ddl->count + order;
  if (needs_table(input, sql)) {
    tndb_plan_add(plan, TNDB_PHASE_TABLES, behind_tables, NULL, sql);
  } else {
    tndb_plan_add(plan, TNDB_PHASE_FUNCTIONS, order, NULL, sql);
  }
  if (anew) {
    tndb_auto_buffer object = TNDB_BUFFER_INIT;
    tndb_buffer_format(&object, "%s %s\x1e to PUBLIC", d->what, d->object);
    plan->failed = plan->failed || object.failed;
    tndb_difference everybody = {TNDB_DRIFT_SECURITY,       "grant", "",
                                 tndb_buffer_text(&object), NULL,    "EXECUTE"};
    if (!tndb_form_find(input->expected, "grant", everybody.object)) {
      tndb_plan_grant(input, plan, &everybody);
    }
    tndb_plan_restore(input, plan, d->what, d->object);
  }
}

/* ---------------------------------------------------------------- types */

/* What of one definition's parts is not in the other; NULL when memory ran out. */
static bool has_part(const char *definition, const char *part, bool *failed) {
  for (size_t n = 1;; n++) {
    tndb_auto_free char *other = tndb_form_part(definition, n);
    *failed = *failed || !other;
    if (!other || !*other) {
      size_t borders = 0;
      for (const char *c = definition; *c; c++) {
        borders += *c == TNDB_MARK_PART;
      }
      if (!other || n > borders) {
        return false;
      }
    } else if (is(other + strspn(other, ", "), part + strspn(part, ", "))) {
      return true;
    }
  }
}

static size_t count_parts(const char *definition) {
  size_t count = 1;
  for (const char *c = definition; *c; c++) {
    count += *c == TNDB_MARK_PART;
  }
  return count;
}

/* Labels can be added where they belong; none can be taken away, and none moved. */
static void change_enum(tndb_plan *plan, const tndb_difference *d, const char *type) {
  size_t wanted = count_parts(d->expected), there = count_parts(d->found);
  size_t kept = 0;
  bool failed = false;
  tndb_auto_buffer before = TNDB_BUFFER_INIT;
  for (size_t i = 1; i < wanted && !failed; i++) {
    tndb_auto_free char *label = tndb_form_part(d->expected, i);
    tndb_auto_free char *next = tndb_form_part(d->found, kept + 1);
    failed = !label || !next;
    if (!failed && kept + 1 < there && is(label + strspn(label, ", "), next + strspn(next, ", "))) {
      kept++;
    } else if (!failed && !has_part(d->found, label, &failed)) {
      tndb_buffer_clear(&before);
      if (kept + 1 < there) {
        tndb_buffer_format(&before, " BEFORE %s", next + strspn(next, ", "));
      }
      failed = failed || before.failed;
      tndb_plan_addf(plan, TNDB_PHASE_TYPES, NULL, "", "ALTER TYPE %s ADD VALUE %s%s", type,
                     label + strspn(label, ", "), tndb_buffer_text(&before));
    }
  }
  plan->failed = plan->failed || failed;
  if (kept + 1 < there) {
    tndb_plan_leave(
        plan, d,
        "by hand: labels of an enum can be neither dropped nor moved, rows may have them; make a type "
        "with the right ones, ALTER the columns to it, drop the old one and rename");
  }
}

static void change_domain(tndb_plan *plan, const tndb_difference *d, const char *type) {
  bool failed = false;
  tndb_auto_free char *base = tndb_form_part(d->expected, 0), *old_base = tndb_form_part(d->found, 0);
  tndb_auto_free char *value = tndb_form_part(d->expected, 1), *old_value = tndb_form_part(d->found, 1);
  tndb_auto_free char *null = tndb_form_part(d->expected, 2), *old_null = tndb_form_part(d->found, 2);
  if (!base || !old_base || !value || !old_value || !null || !old_null) {
    plan->failed = true;
    return;
  }
  if (!is(base, old_base)) {
    tndb_plan_leave(plan, d,
                    "by hand: the type that a domain stands on cannot be changed, columns may be of it; make "
                    "a domain with the "
                    "right one, ALTER the columns to it, drop the old one and rename");
    return;
  }
  for (size_t n = 3; n < count_parts(d->found) && !failed; n++) {
    tndb_auto_free char *part = tndb_form_part(d->found, n);
    failed = !part;
    if (part && !has_part(d->expected, part, &failed)) {
      const char *name = part + strlen(" constraint ");
      size_t length = strcspn(name, " ");
      if (*name == '"') { /* a quote within is doubled */
        for (length = 1; name[length] && (name[length] != '"' || name[length + 1] == '"'); length++) {
          length += name[length] == '"';
        }
        length += name[length] == '"';
      }
      tndb_plan_addf(plan, TNDB_PHASE_TYPES, NULL, "", "ALTER DOMAIN %s DROP CONSTRAINT %.*s", type,
                     (int)length, name);
    }
  }
  if (!is(value, old_value)) {
    tndb_plan_addf(plan, TNDB_PHASE_TYPES, NULL, "", "ALTER DOMAIN %s %s%s", type,
                   *value ? "SET" : "DROP DEFAULT", value);
  }
  if (!is(null, old_null)) {
    tndb_plan_addf(plan, TNDB_PHASE_TYPES, NULL, "", "ALTER DOMAIN %s %s NOT NULL", type,
                   *null ? "SET" : "DROP");
  }
  for (size_t n = 3; n < count_parts(d->expected) && !failed; n++) {
    tndb_auto_free char *part = tndb_form_part(d->expected, n);
    failed = !part;
    if (part && !has_part(d->found, part, &failed)) {
      tndb_plan_addf(plan, TNDB_PHASE_TYPES, NULL, "", "ALTER DOMAIN %s ADD%s", type, part);
    }
  }
  plan->failed = plan->failed || failed;
}

/* Whether provisioning takes functions from everybody: a range type's constructors, too, which no form shows. */
static bool are_functions_private(const tndb_plan_input *input) {
  bool any = false;
  for (int i = 0; i < input->expected->count; i++) {
    const char *kind = tndb_form_cell(input->expected, i, TNDB_FORM_KIND);
    const char *object = tndb_form_cell(input->expected, i, TNDB_FORM_OBJECT);
    bool routine = strncmp(object, "function ", 9) == 0 || strncmp(object, "procedure ", 10) == 0;
    if (is(kind, "grant") && routine && strstr(object, "\x1e to PUBLIC")) {
      return false;
    }
    any = any || is(kind, "function") || is(kind, "procedure");
  }
  return any;
}

static void create_type(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  size_t place = place_of(input, TNDB_DDL_TYPE, d->object);
  if (place > input->ddl->count) {
    tndb_plan_leave(plan, d, "the registry has no statement for it");
    return;
  }
  tndb_plan_item(input, plan, TNDB_PHASE_TYPES, place - 1, NULL);
  tndb_plan_restore(input, plan, "type", d->object);
  if (strncmp(d->expected, "range", 5) == 0 && are_functions_private(input)) {
    tndb_plan_add(plan, TNDB_PHASE_GRANTS, 0, NULL, "REVOKE ALL ON ALL ROUTINES IN SCHEMA \x03 FROM PUBLIC");
  }
}

void tndb_plan_type(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  tndb_auto_words words;
  tndb_words_of(&words, d);
  const char *type = tndb_buffer_text(&words.relation);
  if (!d->found) {
    create_type(input, plan, d);
  } else if (!d->expected && input->drop) {
    tndb_plan_addf(plan, TNDB_PHASE_DROP_LATE, NULL, "", "DROP TYPE %s", type);
  } else if (!d->expected) {
    tndb_plan_leave(plan, d, "it is dropped only with option drop=on");
  } else if (strncmp(d->expected, "enum", 4) == 0 && strncmp(d->found, "enum", 4) == 0) {
    change_enum(plan, d, type);
  } else if (strncmp(d->expected, "domain", 6) == 0 && strncmp(d->found, "domain", 6) == 0) {
    change_domain(plan, d, type);
  } else {
    tndb_plan_leave(plan, d,
                    "by hand: such a type cannot be changed in place, columns may be of it; make the right "
                    "one, ALTER the "
                    "columns to it, drop the old one and rename");
  }
}

/* ---------------------------------------------------------------- sequences, statistics */

/* Its definition as options of CREATE and ALTER; who owns it comes later. */
static void append_sequence(tndb_buffer *sql, const char *definition, tndb_plan *plan) {
  enum { TYPE, START, INCREMENT, MIN, MAX, CYCLE, CACHE, N };
  static const char *const before[N] = {" AS ", "", "", "", "", "", ""};
  static const char *const words[N] = {"", " start ", " increment ", " min ", " max ", " cycle", " cache "};
  static const char *const options[N] = {"",           " START ", " INCREMENT ", " MINVALUE ",
                                         " MAXVALUE ", " CYCLE",  " CACHE "};
  for (size_t i = 0; i < N; i++) {
    tndb_auto_free char *part = tndb_form_part(definition, i);
    if (!part) {
      plan->failed = true;
      return;
    }
    tndb_buffer_append(sql, before[i]);
    tndb_buffer_append(sql, i == CYCLE && !*part ? " NO CYCLE" : options[i]);
    tndb_buffer_append(sql, part + (*part ? strlen(words[i]) : 0));
  }
}

/* " owned by …": the column, so that the counter can be set behind what is in it. */
static void own_sequence(tndb_plan *plan, const char *sequence, const char *owner, const char *parent,
                         bool new) {
  const char *column = strstr(owner, " owned by ") ? owner + strlen(" owned by ") : NULL;
  tndb_plan_addf(plan, TNDB_PHASE_SETTLE, NULL, "", "ALTER SEQUENCE %s OWNED BY %s", sequence,
                 column ? column : "NONE");
  const char *dot = column ? strrchr(column, '.') : NULL; /* columns with a dot in their name are in quotes */
  if (new &&column && dot &&column[strlen(column) - 1] != '"') {
    tndb_auto_buffer literal = TNDB_BUFFER_INIT;
    tndb_quote_literal(&literal, sequence);
    plan->failed = plan->failed || literal.failed;
    tndb_plan_addf(
        plan, TNDB_PHASE_SETTLE, "ACCESS SHARE", parent,
        "SELECT pg_catalog.setval(%s, m) FROM (SELECT pg_catalog.max(%s) AS m FROM %.*s) x WHERE m > 0",
        tndb_buffer_text(&literal), dot + 1, (int)(dot - column), column);
  }
}

void tndb_plan_sequence(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  tndb_buffer_append_char(&name, TNDB_MARK_OWN);
  tndb_quote_identifier(&name, d->object);
  plan->failed = plan->failed || name.failed;
  if (!d->expected) {
    if (input->drop) {
      tndb_plan_addf(plan, TNDB_PHASE_DROP_LATE, NULL, "", "DROP SEQUENCE %s", tndb_buffer_text(&name));
    } else {
      tndb_plan_leave(plan, d, "it is dropped only with option drop=on");
    }
    return;
  }
  tndb_auto_buffer options = TNDB_BUFFER_INIT;
  tndb_auto_free char *owner = tndb_form_part(d->expected, 7);
  tndb_auto_free char *old_owner = d->found ? tndb_form_part(d->found, 7) : NULL;
  append_sequence(&options, d->expected, plan);
  plan->failed = plan->failed || options.failed || !owner || (d->found && !old_owner);
  if (plan->failed) {
    return;
  }
  tndb_plan_addf(plan, TNDB_PHASE_SEQUENCES, d->found ? "SHARE ROW EXCLUSIVE" : NULL, d->object,
                 "%s SEQUENCE %s%s", d->found ? "ALTER" : "CREATE", tndb_buffer_text(&name),
                 tndb_buffer_text(&options));
  bool identity = strstr(owner, " identity of ") != NULL;
  if (!identity && (old_owner ? !is(owner, old_owner) : *owner)) {
    own_sequence(plan, tndb_buffer_text(&name), owner, d->parent, !d->found);
  }
  if (!d->found) {
    tndb_plan_restore(input, plan, "sequence", d->object);
  }
}

void tndb_plan_statistics(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  tndb_auto_words words;
  tndb_words_of(&words, d);
  if (!d->expected && !input->drop) {
    tndb_plan_leave(plan, d, "it is dropped only with option drop=on");
    return;
  }
  if (d->found) {
    tndb_plan_addf(plan, TNDB_PHASE_DROP_PARTS, NULL, "", "DROP STATISTICS %s",
                   tndb_buffer_text(&words.relation));
  }
  if (d->expected) {
    tndb_plan_addf(plan, TNDB_PHASE_INDEXES, NULL, "", "%s", d->expected);
  }
}
