/* SPDX-License-Identifier: PostgreSQL */
/* Steps about who owns what and who may do what. */
#include <string.h>

#include "base/memory.h"
#include "schema/marker.h"
#include "schema/plan.h"
#include "sql/identifier.h"

static bool begins(const char *text, const char *with) {
  return strncmp(text, with, strlen(with)) == 0;
}

/* "f(integer)": the name in quotes, own, the arguments as they are. */
static void append_routine(tndb_buffer *out, const char *object, size_t length) {
  size_t n = 0;
  while (n < length && object[n] != '(') {
    n++;
  }
  char *name = tndb_strndup(object, n);
  tndb_buffer_append_char(out, TNDB_MARK_OWN);
  if (name) {
    tndb_quote_identifier(out, name);
  }
  out->failed = out->failed || !name;
  tndb_buffer_append_n(out, object + n, length - n);
  tndb_free(name);
}

static void append_quoted(tndb_buffer *out, const char *name, size_t length) {
  char *copy = tndb_strndup(name, length);
  if (copy) {
    tndb_quote_identifier(out, copy);
  }
  out->failed = out->failed || !copy;
  tndb_free(copy);
}

typedef enum usage { TO_GRANT, TO_OWN, TO_COMMENT } usage;

/* "table notes", "function f(integer)", "column notes.id", as the statement wants it. */
static void append_target(tndb_buffer *out, const char *object, size_t length, const char *parent,
                          usage how) {
  static const struct {
    const char *word, *grant, *own, *comment;
  } words[] = {{"table ", "TABLE", "TABLE", "TABLE"},
               {"view ", "TABLE", "VIEW", "VIEW"},
               {"materialized view ", "TABLE", "MATERIALIZED VIEW", "MATERIALIZED VIEW"},
               {"foreign table ", "TABLE", "FOREIGN TABLE", "FOREIGN TABLE"},
               {"sequence ", "SEQUENCE", "SEQUENCE", "SEQUENCE"},
               {"type ", "TYPE", "TYPE", "TYPE"},
               {"index ", "", "", "INDEX"}};
  static const char *const routines[] = {"function ", "procedure ", "aggregate "};
  static const char *const parts[] = {"constraint ", "trigger ", "policy "};
  static const char *const part_words[] = {"CONSTRAINT ", "TRIGGER ", "POLICY "};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (begins(object, words[i].word)) {
      size_t n = strlen(words[i].word);
      tndb_buffer_append(out, how == TO_GRANT ? words[i].grant
                              : how == TO_OWN ? words[i].own
                                              : words[i].comment);
      tndb_buffer_append(out, " \x01");
      append_quoted(out, object + n, length - n);
      return;
    }
  }
  for (size_t i = 0; i < 3; i++) {
    size_t n = strlen(routines[i]);
    if (begins(object, routines[i])) {
      tndb_buffer_append(out, "ROUTINE ");
      append_routine(out, object + n, length - n);
      return;
    }
    n = strlen(parts[i]);
    if (begins(object, parts[i])) {
      tndb_buffer_append(out, part_words[i]);
      tndb_quote_identifier(out, tndb_plan_last_name(object + n, parent));
      tndb_buffer_append(out, " ON \x01");
      tndb_quote_identifier(out, parent);
      return;
    }
  }
  if (begins(object, "column ")) {
    tndb_buffer_append(out, how == TO_COMMENT ? "COLUMN \x01" : "TABLE \x01");
    tndb_quote_identifier(out, parent);
    if (how == TO_COMMENT) {
      tndb_buffer_append_char(out, '.');
      tndb_quote_identifier(out, tndb_plan_last_name(object + strlen("column "), parent));
    }
    return;
  }
  tndb_buffer_append(out, "SCHEMA \x03");
}

/* ---------------------------------------------------------------- grants */

/* What a grant or default is about, and to whom. */
typedef struct grant {
  const char *object;
  size_t length;
  const char *grantee;
  tndb_buffer column; /* in quotes, when it is about one */
} grant;

static void read_grant(const tndb_difference *d, grant *g) {
  const char *to = d->object + strcspn(d->object, "\x1e");
  const char *grantee = to + (*to ? strlen("\x1e to ") : 0);
  *g = (grant){d->object, (size_t)(to - d->object), grantee, TNDB_BUFFER_INIT};
  if (begins(d->object, "column ")) {
    const char *name = tndb_plan_last_name(d->object + strlen("column "), d->parent);
    append_quoted(&g->column, name, (size_t)(to - name));
  }
}

/* The privileges of a list that go with, or without, the option to grant them on: "SELECT, INSERT". */
static bool append_privileges(tndb_buffer *out, const char *list, bool option, const tndb_buffer *column) {
  static const char with[] = " with grant option";
  bool any = false;
  while (*list) {
    size_t length = strcspn(list, ",");
    size_t n = sizeof with - 1;
    bool has = length > n && strncmp(list + length - n, with, n) == 0;
    if (has == option) {
      tndb_buffer_append(out, any ? ", " : "");
      tndb_buffer_append_n(out, list, has ? length - n : length);
      if (column->length) {
        tndb_buffer_append(out, " (");
        tndb_buffer_append(out, tndb_buffer_text(column));
        tndb_buffer_append_char(out, ')');
      }
      any = true;
    }
    list += length + strspn(list + length, ", ");
  }
  return any;
}

/* REVOKE ALL when there is too much, GRANT what is wanted; `before` for default privileges. */
static void write_grant(tndb_plan *plan, tndb_phase phase, const char *before, const char *target,
                        const grant *g, const tndb_difference *d) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (d->found) {
    tndb_buffer_format(&sql, "%sREVOKE ALL%s%s%s ON %s FROM %s", before, g->column.length ? " (" : "",
                       tndb_buffer_text(&g->column), g->column.length ? ")" : "", target, g->grantee);
    plan->failed = plan->failed || sql.failed;
    tndb_plan_add(plan, phase, 0, NULL, tndb_buffer_text(&sql));
  }
  for (int option = 0; d->expected && option < 2; option++) {
    tndb_auto_buffer privileges = TNDB_BUFFER_INIT;
    if (append_privileges(&privileges, d->expected, option == 1, &g->column)) {
      tndb_buffer_clear(&sql);
      tndb_buffer_format(&sql, "%sGRANT %s ON %s TO %s%s", before, tndb_buffer_text(&privileges), target,
                         g->grantee, option ? " WITH GRANT OPTION" : "");
      plan->failed = plan->failed || sql.failed || privileges.failed;
      tndb_plan_add(plan, phase, 0, NULL, tndb_buffer_text(&sql));
    }
  }
}

void tndb_plan_grant(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  (void)input;
  grant g;
  tndb_auto_buffer target = TNDB_BUFFER_INIT;
  read_grant(d, &g);
  append_target(&target, g.object, g.length, d->parent, TO_GRANT);
  plan->failed = plan->failed || target.failed || g.column.failed;
  write_grant(plan, TNDB_PHASE_GRANTS, "", tndb_buffer_text(&target), &g, d);
  tndb_buffer_free(&g.column);
}

/* "tables of {owner} to somebody" */
void tndb_plan_defaults(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  (void)input;
  grant g;
  tndb_auto_buffer before = TNDB_BUFFER_INIT;
  tndb_auto_buffer target = TNDB_BUFFER_INIT;
  read_grant(d, &g);
  const char *of = strstr(d->object, " of ");
  if (of) {
    const char *who = of + strlen(" of ");
    tndb_buffer_append(&before, "ALTER DEFAULT PRIVILEGES FOR ROLE ");
    tndb_buffer_append_n(&before, who, (size_t)(d->object + g.length - who));
    tndb_buffer_append(&before, " IN SCHEMA \x03 ");
    tndb_buffer_append_n(&target, d->object, (size_t)(of - d->object));
    plan->failed = plan->failed || before.failed || target.failed;
    write_grant(plan, TNDB_PHASE_DEFAULTS, tndb_buffer_text(&before), tndb_buffer_text(&target), &g, d);
  }
}

/* ---------------------------------------------------------------- owners, comments, the role */

void tndb_plan_owner(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  (void)input;
  tndb_auto_buffer target = TNDB_BUFFER_INIT;
  append_target(&target, d->object, strlen(d->object), d->parent, TO_OWN);
  plan->failed = plan->failed || target.failed;
  tndb_plan_addf(plan, TNDB_PHASE_OWNERS, *d->parent ? "ACCESS EXCLUSIVE" : NULL, d->parent,
                 "ALTER %s OWNER TO \x06", tndb_buffer_text(&target));
}

void tndb_plan_comment(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  (void)input;
  tndb_auto_buffer target = TNDB_BUFFER_INIT;
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  append_target(&target, d->object, strlen(d->object), d->parent, TO_COMMENT);
  if (d->expected) {
    tndb_quote_literal(&text, d->expected);
  } else {
    tndb_buffer_append(&text, "NULL");
  }
  plan->failed = plan->failed || target.failed || text.failed;
  tndb_plan_addf(plan, TNDB_PHASE_COMMENTS, *d->parent ? "SHARE UPDATE EXCLUSIVE" : NULL, d->parent,
                 "COMMENT ON %s IS %s", tndb_buffer_text(&target), tndb_buffer_text(&text));
}

void tndb_plan_schema(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  const char *access = tndb_form_find(input->found, "access", "schema");
  tndb_plan_add(plan, TNDB_PHASE_ROLE, 0, NULL, "ALTER SCHEMA \x03 OWNER TO \x06");
  /* What the role may do as the owner goes with the ownership. */
  if (d->found && strchr(d->found, TNDB_MARK_ROLE) && access && begins(access, "as ")) {
    tndb_plan_add(plan, TNDB_PHASE_GRANTS, 0, NULL, "GRANT USAGE ON SCHEMA \x03 TO \x04");
  }
}

void tndb_plan_access(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  (void)input;
  bool open = !d->found || begins(d->found, "no ");
  tndb_plan_add(plan, TNDB_PHASE_ROLE, 0, NULL,
                open ? "GRANT USAGE ON SCHEMA \x03 TO \x04" : "REVOKE ALL ON SCHEMA \x03 FROM \x04");
}

/* What is wrong with the role stands in a list. */
void tndb_plan_role(const tndb_plan_input *input, tndb_plan *plan, const tndb_difference *d) {
  static const struct {
    const char *found, *mend;
  } attributes[] = {{"superuser", "NOSUPERUSER"},
                    {"may create roles", "NOCREATEROLE"},
                    {"may create databases", "NOCREATEDB"},
                    {"replication", "NOREPLICATION"},
                    {"bypasses row security", "NOBYPASSRLS"},
                    {"may log in", "NOLOGIN"}};
  (void)input;
  if (!d->found) {
    tndb_plan_leave(plan, d, "tenantdb_reconcile() gives the tenant a role");
    return;
  }
  for (const char *at = d->found; *at;) {
    size_t length = strcspn(at, ",");
    for (size_t i = 0; i < sizeof attributes / sizeof attributes[0]; i++) {
      if (length == strlen(attributes[i].found) && begins(at, attributes[i].found)) {
        tndb_plan_addf(plan, TNDB_PHASE_ROLE, NULL, "", "ALTER ROLE \x04 %s", attributes[i].mend);
      }
    }
    if (begins(at, "member of ")) {
      size_t n = strlen("member of ");
      tndb_plan_addf(plan, TNDB_PHASE_ROLE, NULL, "", "REVOKE %.*s FROM \x04", (int)(length - n), at + n);
    } else if (begins(at, "no member of ")) {
      tndb_plan_add(plan, TNDB_PHASE_ROLE, 0, NULL, "GRANT \x05 TO \x04");
    }
    at += length + strspn(at + length, ", ");
  }
}
