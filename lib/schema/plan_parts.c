/* SPDX-License-Identifier: PostgreSQL */
/* Steps about what belongs to a table: constraints, indexes, triggers, rules, policies. */
#include <string.h>

#include "base/memory.h"
#include "schema/marker.h"
#include "schema/plan.h"
#include "sql/identifier.h"

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

/* ---------------------------------------------------------------- constraints */

static void drop_constraint(tndb_plan *plan, tndb_phase phase, const tndb_difference *d) {
  tndb_auto_words words;
  tndb_words_of(&words, d);
  tndb_plan_addf(plan, phase, "ACCESS EXCLUSIVE", d->parent, "ALTER TABLE %s DROP CONSTRAINT %s",
                 tndb_buffer_text(&words.relation), tndb_buffer_text(&words.name));
}

/* "items, notes": the table, and what its foreign key goes to. */
static void append_tables(tndb_buffer *out, const tndb_difference *d) {
  const char *to = begins(d->expected, "FOREIGN KEY") ? strstr(d->expected, " REFERENCES ") : NULL;
  tndb_buffer_append(out, d->parent);
  if (to) {
    tndb_auto_buffer name = TNDB_BUFFER_INIT;
    to += strlen(" REFERENCES ");
    tndb_buffer_append_n(&name, to, strcspn(to, "("));
    tndb_buffer_append(out, ", ");
    tndb_marks_show(out, tndb_buffer_text(&name));
    out->failed = out->failed || name.failed;
  }
}

/* In two steps, of which the first does not read the rows, and the second does not keep writers out. */
static void add_constraint(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  tndb_auto_words words;
  tndb_auto_buffer tables = TNDB_BUFFER_INIT;
  bool reference = begins(d->expected, "FOREIGN KEY");
  bool unproved = strstr(d->expected, " NOT VALID") || strstr(d->expected, " NOT ENFORCED");
  bool later = (reference || begins(d->expected, "CHECK")) && !unproved &&
               !(reference && tndb_plan_is_partitioned(input, d->parent));
  tndb_words_of(&words, d);
  append_tables(&tables, d);
  plan->failed = plan->failed || tables.failed;
  tndb_plan_addf(plan, reference ? TNDB_PHASE_REFERENCES : TNDB_PHASE_KEYS,
                 reference ? "SHARE ROW EXCLUSIVE" : "ACCESS EXCLUSIVE", tndb_buffer_text(&tables),
                 "ALTER TABLE %s ADD CONSTRAINT %s %s%s", tndb_buffer_text(&words.relation),
                 tndb_buffer_text(&words.name), d->expected, later ? " NOT VALID" : "");
  if (later) {
    tndb_plan_addf(plan, TNDB_PHASE_VALIDATE, "SHARE UPDATE EXCLUSIVE", d->parent,
                   "ALTER TABLE %s VALIDATE CONSTRAINT %s", tndb_buffer_text(&words.relation),
                   tndb_buffer_text(&words.name));
  }
}

/* A key is held by the foreign keys that go to it: they are dropped first, and come again. */
static void lift_references(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *key) {
  tndb_auto_buffer to = TNDB_BUFFER_INIT;
  tndb_buffer_append(&to, " REFERENCES \x01");
  size_t bare = to.length;
  tndb_buffer_append(&to, key->parent);
  tndb_buffer_append_char(&to, '(');
  plan->failed = plan->failed || to.failed;
  for (int i = 0; !plan->failed && i < input->found->count; i++) {
    tndb_difference d = {TNDB_DRIFT_CHANGED,
                         tndb_form_cell(input->found, i, TNDB_FORM_KIND),
                         tndb_form_cell(input->found, i, TNDB_FORM_PARENT),
                         tndb_form_cell(input->found, i, TNDB_FORM_OBJECT),
                         NULL,
                         tndb_form_cell(input->found, i, TNDB_FORM_DEFINITION)};
    const char *hit = strcmp(d.what, "constraint") == 0 ? strstr(d.found, " REFERENCES \x01") : NULL;
    if (!hit || (strncmp(hit, tndb_buffer_text(&to), to.length) != 0 &&
                 !(hit[bare] == '"' && begins(hit + bare + 1, key->parent)))) {
      continue;
    }
    d.expected = tndb_form_find(input->expected, "constraint", d.object);
    if (d.expected) {
      drop_constraint(plan, TNDB_PHASE_DROP_REFERENCES, &d);
      add_constraint(input, plan, &d);
      tndb_plan_restore(input, plan, "constraint", d.object);
    }
  }
}

static bool is_key(const char *definition) {
  return begins(definition, "PRIMARY KEY") || begins(definition, "UNIQUE");
}

void tndb_plan_constraint(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  if (d->kind == TNDB_DRIFT_INVALID && !strstr(d->found, " INVALID")) {
    tndb_auto_words words;
    tndb_words_of(&words, d);
    tndb_plan_addf(plan, TNDB_PHASE_VALIDATE, "SHARE UPDATE EXCLUSIVE", d->parent,
                   "ALTER TABLE %s VALIDATE CONSTRAINT %s", tndb_buffer_text(&words.relation),
                   tndb_buffer_text(&words.name));
    return;
  }
  if (d->found) {
    if (is_key(d->found)) {
      lift_references(input, plan, d);
    }
    drop_constraint(plan,
                    begins(d->found, "FOREIGN KEY") ? TNDB_PHASE_DROP_REFERENCES : TNDB_PHASE_DROP_PARTS, d);
  }
  if (d->expected) {
    add_constraint(input, plan, d);
    tndb_plan_restore(input, plan, "constraint", d->object);
  }
}

/* ---------------------------------------------------------------- indexes */

/* Without what marks it as invalid, and of a partitioned table with its partitions'. */
static char *index_statement(const char *definition, bool concurrently) {
  tndb_buffer sql = TNDB_BUFFER_INIT;
  char *bare = tndb_form_part(definition, 0);
  const char *rest = bare ? strstr(bare, " INDEX ") : NULL;
  if (rest) {
    rest += strlen(" INDEX ");
    tndb_buffer_append_n(&sql, bare, (size_t)(rest - bare));
    tndb_buffer_append(&sql, concurrently ? "CONCURRENTLY " : "");
    const char *only = strstr(rest, " ON ONLY \x01");
    tndb_buffer_append_n(&sql, rest, only ? (size_t)(only - rest) : strlen(rest));
    if (only) {
      tndb_buffer_append(&sql, " ON ");
      tndb_buffer_append(&sql, only + strlen(" ON ONLY "));
    }
  }
  char *taken = rest ? tndb_buffer_take(&sql) : NULL;
  tndb_buffer_free(&sql);
  tndb_free(bare);
  return taken;
}

void tndb_plan_index(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  bool outside = input->concurrently && !tndb_plan_is_partitioned(input, d->parent) &&
                 !tndb_plan_is_partition(input, d->parent);
  tndb_quote_identifier(&name, d->object);
  plan->failed = plan->failed || name.failed;
  if (d->found && outside && d->expected) {
    tndb_plan_addf(plan, TNDB_PHASE_OUTSIDE, "SHARE UPDATE EXCLUSIVE", d->parent,
                   "DROP INDEX CONCURRENTLY IF EXISTS \x01%s", tndb_buffer_text(&name));
  } else if (d->found) {
    tndb_plan_addf(plan, TNDB_PHASE_DROP_PARTS, "ACCESS EXCLUSIVE", d->parent, "DROP INDEX \x01%s",
                   tndb_buffer_text(&name));
  }
  if (!d->expected) {
    return;
  }
  tndb_auto_free char *sql = index_statement(d->expected, outside);
  plan->failed = plan->failed || !sql;
  if (sql) {
    tndb_plan_addf(plan, outside ? TNDB_PHASE_OUTSIDE : TNDB_PHASE_INDEXES,
                   outside ? "SHARE UPDATE EXCLUSIVE" : "SHARE", d->parent, "%s", sql);
  }
  if (!outside) {
    tndb_auto_buffer about = TNDB_BUFFER_INIT;
    tndb_buffer_format(&about, "index %s", d->object);
    const char *comment = tndb_form_find(input->expected, "comment", tndb_buffer_text(&about));
    tndb_difference again = {TNDB_DRIFT_MISSING,       "comment", d->parent,
                             tndb_buffer_text(&about), comment,   NULL};
    plan->failed = plan->failed || about.failed;
    if (comment && !plan->failed) {
      tndb_plan_comment(input, plan, &again);
    }
  }
}

/* ---------------------------------------------------------------- triggers, rules */

static const char *enabled_word(const char *definition) {
  const char *part = strchr(definition, TNDB_MARK_PART);
  const char *state = part ? part + 1 : "";
  return strcmp(state, " DISABLED") == 0          ? "DISABLE"
         : strcmp(state, " ENABLED ALWAYS") == 0  ? "ENABLE ALWAYS"
         : strcmp(state, " ENABLED REPLICA") == 0 ? "ENABLE REPLICA"
                                                  : "ENABLE";
}

void tndb_plan_trigger(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  (void)input;
  tndb_auto_words words;
  tndb_words_of(&words, d);
  const char *table = tndb_buffer_text(&words.relation), *name = tndb_buffer_text(&words.name);
  tndb_auto_free char *new = d->expected ? tndb_form_part(d->expected, 0) : NULL;
  tndb_auto_free char *old = d->found ? tndb_form_part(d->found, 0) : NULL;
  plan->failed = plan->failed || (d->expected && !new) || (d->found && !old);
  bool same = new &&old &&strcmp(new, old) == 0;
  if (old && !same) {
    tndb_plan_addf(plan, TNDB_PHASE_DROP_PARTS, "ACCESS EXCLUSIVE", d->parent, "DROP TRIGGER %s ON %s", name,
                   table);
  }
  if (new && !same) {
    tndb_plan_addf(plan, TNDB_PHASE_TRIGGERS, "SHARE ROW EXCLUSIVE", d->parent, "%s", new);
  }
  if (new && (same || strcmp(enabled_word(d->expected), "ENABLE") != 0)) {
    tndb_plan_addf(plan, TNDB_PHASE_SECURITY, "SHARE ROW EXCLUSIVE", d->parent,
                   "ALTER TABLE %s %s TRIGGER %s", table, enabled_word(d->expected), name);
  }
}

void tndb_plan_rule(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  (void)input;
  tndb_auto_words words;
  tndb_words_of(&words, d);
  if (d->found) {
    tndb_plan_addf(plan, TNDB_PHASE_DROP_PARTS, "ACCESS EXCLUSIVE", d->parent, "DROP RULE %s ON %s",
                   tndb_buffer_text(&words.name), tndb_buffer_text(&words.relation));
  }
  if (d->expected) {
    tndb_plan_addf(plan, TNDB_PHASE_TRIGGERS, "ACCESS EXCLUSIVE", d->parent, "%s", d->expected);
  }
}

/* ---------------------------------------------------------------- row security */

void tndb_plan_policy(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  (void)input;
  tndb_auto_words words;
  tndb_words_of(&words, d);
  const char *table = tndb_buffer_text(&words.relation), *name = tndb_buffer_text(&words.name);
  if (d->found) {
    tndb_plan_addf(plan, TNDB_PHASE_DROP_PARTS, "ACCESS EXCLUSIVE", d->parent, "DROP POLICY %s ON %s", name,
                   table);
  }
  if (d->expected) {
    tndb_plan_addf(plan, TNDB_PHASE_SECURITY, "ACCESS EXCLUSIVE", d->parent, "CREATE POLICY %s ON %s %s",
                   name, table, d->expected);
  }
}

void tndb_plan_row_security(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  (void)input;
  tndb_auto_words words;
  tndb_words_of(&words, d);
  const char *wanted = d->expected ? d->expected : "disabled", *is = d->found ? d->found : "disabled";
  if (begins(wanted, "enabled") != begins(is, "enabled")) {
    tndb_plan_addf(plan, TNDB_PHASE_SECURITY, "ACCESS EXCLUSIVE", d->parent,
                   "ALTER TABLE %s %s ROW LEVEL SECURITY", tndb_buffer_text(&words.relation),
                   begins(wanted, "enabled") ? "ENABLE" : "DISABLE");
  }
  if ((strstr(wanted, "forced") != NULL) != (strstr(is, "forced") != NULL)) {
    tndb_plan_addf(plan, TNDB_PHASE_SECURITY, "ACCESS EXCLUSIVE", d->parent,
                   "ALTER TABLE %s %s ROW LEVEL SECURITY", tndb_buffer_text(&words.relation),
                   strstr(wanted, "forced") ? "FORCE" : "NO FORCE");
  }
}
