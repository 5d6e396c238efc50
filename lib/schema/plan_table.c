/* SPDX-License-Identifier: PostgreSQL */
/* Steps about tables and their columns. */
#include <string.h>

#include "base/memory.h"
#include "schema/marker.h"
#include "schema/plan.h"
#include "sql/identifier.h"

/* The parts of a column's definition. */
enum { TYPE, COLLATION, NOT_NULL, IDENTITY, VALUE, STORAGE, COMPRESSION, N_PARTS };

/* ---------------------------------------------------------------- tables */

/* A table comes with all that the registry says of it, in the registry's order. */
static void create_table(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  bool found = false;
  for (size_t i = 0; i < input->ddl->count; i++) {
    const tndb_ddl_item *item = &input->ddl->items[i];
    bool own = item->table && strcmp(item->table, d->object) == 0;
    if (item->kind == TNDB_DDL_TABLE && strcmp(item->name, d->object) == 0) {
      tndb_plan_item(input, plan, TNDB_PHASE_TABLES, i, NULL);
      found = true;
    } else if (own && item->kind == TNDB_DDL_FOREIGN_KEY) {
      tndb_plan_item(input, plan, TNDB_PHASE_REFERENCES, i, "SHARE ROW EXCLUSIVE");
    } else if (own && item->kind == TNDB_DDL_ALTER) {
      tndb_plan_item(input, plan, TNDB_PHASE_REFERENCES, i, "ACCESS EXCLUSIVE");
    } else if (own && item->kind == TNDB_DDL_INDEX) {
      tndb_plan_item(input, plan, TNDB_PHASE_INDEXES, i, NULL);
    } else if (own && item->kind == TNDB_DDL_TRIGGER) {
      tndb_plan_item(input, plan, TNDB_PHASE_TRIGGERS, i, NULL);
    }
  }
  if (!found) {
    tndb_plan_leave(plan, d, "the registry has no statement for it");
    return;
  }
  for (int i = 0; i < input->expected->count; i++) {
    const char *kind = tndb_form_cell(input->expected, i, TNDB_FORM_KIND);
    const char *parent = tndb_form_cell(input->expected, i, TNDB_FORM_PARENT);
    tndb_difference child = {TNDB_DRIFT_MISSING,
                             kind,
                             parent,
                             tndb_form_cell(input->expected, i, TNDB_FORM_OBJECT),
                             tndb_form_cell(input->expected, i, TNDB_FORM_DEFINITION),
                             NULL};
    if (strcmp(parent, d->object) == 0 && strcmp(kind, "comment") == 0) {
      tndb_plan_comment(input, plan, &child);
    } else if (strcmp(parent, d->object) == 0 && strcmp(kind, "grant") == 0) {
      tndb_plan_grant(input, plan, &child);
    }
  }
}

static bool differ_in(const char *a, const char *b, const char *word) {
  const char *in_a = strstr(a, word), *in_b = strstr(b, word);
  return (in_a != NULL) != (in_b != NULL);
}

/* " with (a=1, b=2)" to the keys alone, or to all of it. */
static void append_options(tndb_buffer *out, const char *definition, bool keys) {
  const char *at = strstr(definition, " with (");
  for (at = at ? at + strlen(" with (") : ""; *at && *at != ')';) {
    size_t length = strcspn(at, ",)");
    size_t key = strcspn(at, "=,)");
    tndb_buffer_append(out, out->length ? ", " : "");
    tndb_buffer_append_n(out, at, keys ? key : length);
    at += length + strspn(at + length, ", ");
  }
}

/* From the word to the options, which come behind all that is fixed. */
static size_t section(const char *definition, const char *word, const char **from) {
  const char *at = strstr(definition, word);
  *from = at ? at : "";
  const char *end = at ? strstr(at, " with (") : NULL;
  const char *identity = at ? strstr(at, " replica identity") : NULL;
  return end ? (size_t)(end - at) : identity ? (size_t)(identity - at) : strlen(*from);
}

const char *tndb_plan_why_fixed(const tndb_difference *d) {
  static const struct {
    const char *word, *lacks, *has, *differs;
  } fixed[] = {
      {" partition of ",
       "by hand: it is no partition any more; ALTER TABLE ... ATTACH PARTITION, when its rows fit the bounds "
       "and no "
       "other partition has them",
       "by hand: it was made a partition; ALTER TABLE ... DETACH PARTITION",
       "by hand: it is a partition of another table or with other bounds; detach it, move the rows that do "
       "not fit, "
       "and attach it"},
      {" partition by ",
       "by hand: a table that is there cannot be partitioned in place; make a partitioned one beside it, "
       "copy the "
       "rows and exchange the names",
       "by hand: a partitioned table cannot be made a plain one in place; make one beside it, copy the rows "
       "and "
       "exchange the names",
       "by hand: what a table is partitioned by cannot be changed; make the right one beside it, copy the "
       "rows and "
       "exchange the names"},
      {" inherits ", "by hand: it does not inherit; ALTER TABLE ... INHERIT, when it has the columns",
       "by hand: it inherits; ALTER TABLE ... NO INHERIT", "by hand: it inherits from other tables"},
      {" of ", "by hand: it is not of that type; ALTER TABLE ... OF",
       "by hand: it is of a type; ALTER TABLE ... NOT OF",
       "by hand: it is of another type; ALTER TABLE ... OF"},
  };
  for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
    const char *wanted, *is;
    size_t length = section(d->expected, fixed[i].word, &wanted),
           other = section(d->found, fixed[i].word, &is);
    if (length != other || strncmp(wanted, is, length) != 0) {
      return length == 0 ? fixed[i].has : other == 0 ? fixed[i].lacks : fixed[i].differs;
    }
  }
  return NULL;
}

static void change_identity(tndb_plan *plan, const tndb_difference *d, const char *table) {
  static const char word[] = " replica identity";
  const char *wanted = strstr(d->expected, word), *is = strstr(d->found, word);
  if (strcmp(wanted ? wanted : "", is ? is : "") == 0) {
    return;
  }
  if (wanted && strstr(wanted, " using index")) {
    tndb_plan_leave(plan, d, "by hand: ALTER TABLE ... REPLICA IDENTITY USING INDEX, with the right index");
    return;
  }
  tndb_plan_addf(plan, TNDB_PHASE_SETTLE, "ACCESS EXCLUSIVE", d->object, "ALTER TABLE %s REPLICA IDENTITY %s",
                 table,
                 !wanted                   ? "DEFAULT"
                 : strstr(wanted, " full") ? "FULL"
                                           : "NOTHING");
}

static void change_table(tndb_plan *plan, const tndb_difference *d) {
  tndb_auto_words words;
  tndb_auto_buffer old = TNDB_BUFFER_INIT;
  tndb_auto_buffer new = TNDB_BUFFER_INIT;
  tndb_words_of(&words, d);
  const char *why = tndb_plan_why_fixed(d);
  if (why) {
    tndb_plan_leave(plan, d, why);
    return;
  }
  const char *table = tndb_buffer_text(&words.relation);
  if (differ_in(d->expected, d->found, " unlogged")) {
    tndb_plan_addf(plan, TNDB_PHASE_SETTLE, "ACCESS EXCLUSIVE, rewriting it,", d->object,
                   "ALTER TABLE %s SET %s", table, strstr(d->expected, " unlogged") ? "UNLOGGED" : "LOGGED");
  }
  append_options(&old, d->found, true);
  append_options(&new, d->expected, false);
  if (old.length) {
    tndb_plan_addf(plan, TNDB_PHASE_SETTLE, "SHARE UPDATE EXCLUSIVE", d->object, "ALTER TABLE %s RESET (%s)",
                   table, tndb_buffer_text(&old));
  }
  if (new.length) {
    tndb_plan_addf(plan, TNDB_PHASE_SETTLE, "SHARE UPDATE EXCLUSIVE", d->object, "ALTER TABLE %s SET (%s)",
                   table, tndb_buffer_text(&new));
  }
  change_identity(plan, d, table);
  plan->failed = plan->failed || old.failed || new.failed;
}

/* A partitioned table takes its partitions along when it is dropped, with all that is in them. */
static bool has_declared_child(const tndb_plan_input *input, const tndb_difference *d) {
  for (int i = 0; i < input->found->count; i++) {
    const char *name = tndb_form_cell(input->found, i, TNDB_FORM_OBJECT);
    if (strcmp(tndb_form_cell(input->found, i, TNDB_FORM_KIND), "table") == 0 &&
        tndb_plan_is_child(tndb_form_cell(input->found, i, TNDB_FORM_DEFINITION), d->object) &&
        tndb_form_find(input->expected, "table", name)) {
      return true;
    }
  }
  return false;
}

void tndb_plan_table(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  if (!d->found) {
    create_table(input, plan, d);
  } else if (d->expected) {
    change_table(plan, d);
  } else if (has_declared_child(input, d)) {
    tndb_plan_leave(plan, d, "by hand: a declared table is a partition of it, or inherits from it");
  } else if (input->drop) {
    tndb_auto_words words;
    tndb_words_of(&words, d);
    tndb_plan_addf(plan, TNDB_PHASE_DROP_TABLES, "ACCESS EXCLUSIVE", d->object, "DROP TABLE %s",
                   tndb_buffer_text(&words.relation));
  } else {
    tndb_plan_leave(plan, d, "it may hold data, and is dropped only with option drop=on");
  }
}

/* ---------------------------------------------------------------- columns */

typedef struct column {
  const tndb_plan_input *input;
  tndb_plan *plan;
  const tndb_difference *d;
  const char *table;
  const char *name;
  char *new[N_PARTS];
  char *old[N_PARTS];
} column;

static bool split(const char *definition, char *parts[N_PARTS]) {
  bool complete = true;
  for (size_t i = 0; i < N_PARTS; i++) {
    parts[i] = definition ? tndb_form_part(definition, i) : NULL;
    complete = complete && (parts[i] || !definition);
  }
  return complete;
}

static bool differs(const column *c, int part) {
  return strcmp(c->new[part], c->old[part]) != 0;
}

/* " default x" or " generated x": behind the word. */
static const char *behind(const char *part, const char *word) {
  size_t length = strlen(word);
  return strncmp(part, word, length) == 0 ? part + length : NULL;
}

static const char *identity_words(const char *part) {
  return strstr(part, "always") ? "ALWAYS" : "BY DEFAULT";
}

/* Rows that are there already have numbers; the next one must not be among them. */
static void set_counter(const column *c) {
  tndb_auto_buffer table = TNDB_BUFFER_INIT;
  tndb_auto_buffer literal = TNDB_BUFFER_INIT;
  tndb_quote_literal(&table, c->table);
  tndb_quote_literal(&literal, tndb_plan_last_name(c->d->object, c->d->parent));
  c->plan->failed = c->plan->failed || table.failed || literal.failed;
  tndb_plan_addf(c->plan, TNDB_PHASE_SETTLE, "ACCESS SHARE", c->d->parent,
                 "SELECT pg_catalog.setval(pg_catalog.pg_get_serial_sequence(%s, %s), m) FROM"
                 " (SELECT pg_catalog.max(%s) AS m FROM %s) x WHERE m > 0",
                 tndb_buffer_text(&table), tndb_buffer_text(&literal), c->name, c->table);
}

static void append_new(tndb_buffer *sql, const column *c) {
  const char *generated = behind(c->new[VALUE], " generated ");
  const char *is_virtual = behind(c->new[VALUE], " generated virtual ");
  tndb_buffer_append(sql, c->new[TYPE]);
  tndb_buffer_append(sql, c->new[COLLATION]);
  if (generated) {
    tndb_buffer_format(sql, " GENERATED ALWAYS AS (%s)%s", is_virtual ? is_virtual : generated,
                       is_virtual ? "" : " STORED");
  } else {
    tndb_buffer_append(sql, c->new[VALUE]);
  }
  if (c->new[IDENTITY][0]) {
    tndb_buffer_format(sql, " GENERATED %s AS IDENTITY", identity_words(c->new[IDENTITY]));
  }
  tndb_buffer_append(sql, strncmp(c->new[NOT_NULL], " not null", 9) == 0 ? " NOT NULL" : "");
}

static void add_column(const column *c, bool again) {
  tndb_auto_buffer definition = TNDB_BUFFER_INIT;
  append_new(&definition, c);
  c->plan->failed = c->plan->failed || definition.failed;
  bool rewrites = again || behind(c->new[VALUE], " generated ") || c->new[IDENTITY][0];
  tndb_plan_addf(c->plan, TNDB_PHASE_COLUMNS,
                 rewrites ? "ACCESS EXCLUSIVE, rewriting it," : "ACCESS EXCLUSIVE", c->d->parent,
                 "ALTER TABLE %s ADD COLUMN %s %s", c->table, c->name, tndb_buffer_text(&definition));
}

static void alter(const column *c, const char *format, const char *what) {
  tndb_auto_buffer action = TNDB_BUFFER_INIT;
  tndb_buffer_append(&action, format);
  tndb_buffer_append(&action, what);
  c->plan->failed = c->plan->failed || action.failed;
  tndb_plan_addf(c->plan, TNDB_PHASE_COLUMNS, "ACCESS EXCLUSIVE", c->d->parent,
                 "ALTER TABLE %s ALTER COLUMN %s %s", c->table, c->name, tndb_buffer_text(&action));
}

static void change_type(const column *c) {
  tndb_plan_lift_views(c->input, c->plan, c->d->parent, tndb_plan_last_name(c->d->object, c->d->parent));
  if (behind(c->old[VALUE], " default ")) {
    alter(c, "DROP DEFAULT", "");
  }
  tndb_plan_addf(c->plan, TNDB_PHASE_COLUMNS, "ACCESS EXCLUSIVE, rewriting it,", c->d->parent,
                 "ALTER TABLE %s ALTER COLUMN %s TYPE %s%s USING %s::%s", c->table, c->name, c->new[TYPE],
                 c->new[COLLATION][0]   ? c->new[COLLATION]
                 : c->old[COLLATION][0] ? " COLLATE \"default\""
                                        : "",
                 c->name, c->new[TYPE]);
}

/* Computed values can be computed again: the column is made anew, and what stood on it. */
static void renew_generated(const column *c) {
  const char *expression = behind(c->new[VALUE], " generated ");
  if (behind(c->old[VALUE], " generated ") && expression && c->input->version >= 170000 &&
      !behind(c->new[VALUE], " generated virtual ") && !behind(c->old[VALUE], " generated virtual ")) {
    tndb_plan_addf(c->plan, TNDB_PHASE_COLUMNS, "ACCESS EXCLUSIVE, rewriting it,", c->d->parent,
                   "ALTER TABLE %s ALTER COLUMN %s SET EXPRESSION AS (%s)", c->table, c->name, expression);
    return;
  }
  tndb_plan_lift_views(c->input, c->plan, c->d->parent, tndb_plan_last_name(c->d->object, c->d->parent));
  for (int i = 0; i < c->input->expected->count; i++) {
    const tndb_form *form = c->input->expected;
    const char *definition = tndb_form_cell(form, i, TNDB_FORM_DEFINITION);
    const char *kind = tndb_form_cell(form, i, TNDB_FORM_KIND);
    bool is_index = strcmp(kind, "index") == 0;
    tndb_difference part = {TNDB_DRIFT_CHANGED,
                            kind,
                            tndb_form_cell(form, i, TNDB_FORM_PARENT),
                            tndb_form_cell(form, i, TNDB_FORM_OBJECT),
                            definition,
                            definition};
    /* Its name as a definition writes it, or inside quotes: what is dropped once too often is made again. */
    bool mine = strcmp(part.parent, c->d->parent) == 0 &&
                strstr(definition, tndb_plan_last_name(c->d->object, c->d->parent));
    if (mine && is_index && tndb_form_find(c->input->found, kind, part.object)) {
      tndb_plan_index(c->input, c->plan, &part);
    } else if (mine && strcmp(kind, "constraint") == 0 &&
               tndb_form_find(c->input->found, kind, part.object)) {
      tndb_plan_constraint(c->input, c->plan, &part);
    }
  }
  tndb_plan_addf(c->plan, TNDB_PHASE_DROP_COLUMNS, "ACCESS EXCLUSIVE", c->d->parent,
                 "ALTER TABLE %s DROP COLUMN %s", c->table, c->name);
  add_column(c, true);
}

static void change_value(const column *c) {
  const char *value = behind(c->new[VALUE], " default ");
  bool was_generated = behind(c->old[VALUE], " generated ") != NULL;
  if (was_generated) {
    alter(c, "DROP EXPRESSION", "");
  }
  if (c->old[IDENTITY][0] && !c->new[IDENTITY][0]) {
    alter(c, "DROP IDENTITY", "");
  }
  if (value) {
    alter(c, "SET DEFAULT ", value);
  } else if (behind(c->old[VALUE], " default ")) {
    alter(c, "DROP DEFAULT", "");
  }
}

static void change_rest(const column *c) {
  bool had = strncmp(c->old[NOT_NULL], " not null", 9) == 0;
  bool wants = strncmp(c->new[NOT_NULL], " not null", 9) == 0;
  if (wants && (!had || differs(c, NOT_NULL))) {
    alter(c, "SET NOT NULL", "");
  }
  if (c->new[IDENTITY][0] && !c->old[IDENTITY][0]) {
    alter(c, "ADD GENERATED ",
          strstr(c->new[IDENTITY], "always") ? "ALWAYS AS IDENTITY" : "BY DEFAULT AS IDENTITY");
    set_counter(c);
  } else if (c->new[IDENTITY][0] && differs(c, IDENTITY)) {
    alter(c, "SET GENERATED ", identity_words(c->new[IDENTITY]));
  }
  if (had && !wants) {
    alter(c, "DROP NOT NULL", "");
  }
  if (differs(c, STORAGE)) {
    const char *storage = behind(c->new[STORAGE], " storage ");
    if (storage) {
      alter(c, "SET STORAGE ", storage);
    } else {
      tndb_plan_leave(c->plan, c->d, "set its storage back by hand");
    }
  }
  if (differs(c, COMPRESSION)) {
    const char *compression = behind(c->new[COMPRESSION], " compression ");
    alter(c, "SET COMPRESSION ", compression ? compression : "default");
  }
}

static void change_column(const column *c) {
  bool to_generated = behind(c->new[VALUE], " generated ") && differs(c, VALUE);
  bool was_generated = behind(c->old[VALUE], " generated ") != NULL;
  if (to_generated && !was_generated && !c->input->drop) {
    tndb_plan_leave(c->plan, c->d,
                    "its values would be lost: made a computed column only with option drop=on");
  } else if (to_generated || (was_generated && behind(c->new[VALUE], " generated ") && differs(c, TYPE))) {
    renew_generated(c);
  } else {
    if (differs(c, TYPE) || differs(c, COLLATION)) {
      change_type(c);
    }
    if (differs(c, VALUE) || differs(c, IDENTITY) || differs(c, TYPE) || differs(c, COLLATION)) {
      change_value(c);
    }
    change_rest(c);
  }
}

void tndb_plan_column(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  tndb_auto_words words;
  tndb_words_of(&words, d);
  column c = {input,  plan,  d, tndb_buffer_text(&words.relation), tndb_buffer_text(&words.name),
              {NULL}, {NULL}};
  plan->failed = plan->failed || words.relation.failed || words.name.failed || !split(d->expected, c.new);
  plan->failed = !split(d->found, c.old) || plan->failed;
  if (plan->failed) {
    /* nothing can be said */
  } else if (!d->found) {
    add_column(&c, false);
    if (c.new[IDENTITY][0]) {
      set_counter(&c);
    }
    tndb_plan_restore(input, plan, "column", d->object);
  } else if (d->expected) {
    change_column(&c);
  } else if (input->drop) {
    tndb_plan_lift_views(input, plan, d->parent, tndb_plan_last_name(d->object, d->parent));
    tndb_plan_addf(plan, TNDB_PHASE_DROP_COLUMNS, "ACCESS EXCLUSIVE", d->parent,
                   "ALTER TABLE %s DROP COLUMN %s", c.table, c.name);
  } else {
    tndb_plan_leave(plan, d, "it may hold data, and is dropped only with option drop=on");
  }
  for (int i = 0; i < N_PARTS; i++) {
    tndb_free(c.new[i]);
    tndb_free(c.old[i]);
  }
}
