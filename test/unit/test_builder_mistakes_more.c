/* SPDX-License-Identifier: PostgreSQL */
/* What builders refuse in conflicts, conditions, joins and orders. */
#include "builder_registry.h"

#include <string.h>

#include "base/buffer.h"

static tenantdb_registry *registry;

static int declare(void **state) {
  (void)state;
  registry = builder_registry();
  return 0;
}

static int forget(void **state) {
  (void)state;
  tenantdb_registry_free(registry);
  return 0;
}

static void conflicts(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_upsert(registry, "keyless");
  tenantdb_builder_column(b, "a");
  refused(b, BAD_BUILDER,
          "upsert into Service.keyless: no primary key is declared; name the columns that conflict with "
          "tenantdb_builder_conflict()");
  b = tenantdb_builder_upsert(registry, "events");
  tenantdb_builder_column(b, "name");
  refused(b, BAD_BUILDER,
          "upsert into Service.events: the primary key's column \"id\" is given no value, so nothing would "
          "ever conflict; add it, or name another key with tenantdb_builder_conflict()");
  b = tenantdb_builder_upsert(registry, "contents");
  tenantdb_builder_column(b, "rank");
  tenantdb_builder_conflict(b, "rank");
  refused(
      b, BAD_BUILDER,
      "upsert into Service.contents: no primary key or unique constraint is declared over just the columns "
      "of the conflict (\"rank\")");
  b = tenantdb_builder_upsert(registry, "contents");
  tenantdb_builder_column(b, "rank");
  tenantdb_builder_conflict(b, "rank");
  tenantdb_builder_conflict(b, "code");
  tenantdb_builder_conflict(b, "id");
  refused(
      b, BAD_BUILDER,
      "upsert into Service.contents: no primary key or unique constraint is declared over just the columns "
      "of the conflict (\"rank\" and others)");
  b = tenantdb_builder_upsert(registry, "people");
  tenantdb_builder_conflict(b, "id");
  tenantdb_builder_conflict(b, "id");
  refused(b, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
          "upsert into Service.people, conflict id: it is named twice");
  b = tenantdb_builder_upsert(registry, "people");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_keep(b, "name");
  refused(b, BAD_BUILDER,
          "upsert into Service.people: there is nothing to update on a conflict; say "
          "tenantdb_builder_do_nothing()");
}

static void conditions(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_where(b, "name", "= 1 OR");
  refused(b, BAD_BUILDER,
          "select from Service.people, where name: the operator is none of \"=\", \"<>\", \"!=\", \"<\", "
          "\"<=\", \">\", \">=\", \"in\", \"not in\", \"like\", \"not like\", \"ilike\", \"not ilike\", \"is "
          "null\", \"is not null\", \"is distinct from\", \"is not distinct from\", \"@>\", \"<@\", \"&&\"");
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_where(b, "name", NULL);
  refused(b, NULL_ARGUMENT, "select from Service.people, where name: the operator is NULL");
  b = tenantdb_builder_select(registry, "contents");
  tenantdb_builder_where(b, "tags", "in");
  refused(b, BAD_BUILDER,
          "select from Service.contents, where tags: its type text[] has no array to compare with; arrays "
          "themselves are compared by @> and &&");
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_or(b);
  refused(b, BAD_BUILDER,
          "select from Service.people, or: there is no condition between it and what comes before");
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_key(b);
  tenantdb_builder_or(b);
  tenantdb_builder_limit(b);
  tenantdb_builder_or(b);
  refused(b, BAD_BUILDER,
          "select from Service.people, or: there is no condition between it and what comes before");
  b = tenantdb_builder_delete(registry, "people");
  tenantdb_builder_key(b);
  tenantdb_builder_or(b);
  refused(b, BAD_BUILDER, "delete from Service.people: there is no condition behind tenantdb_builder_or()");
  b = tenantdb_builder_select(registry, "keyless");
  tenantdb_builder_key(b);
  refused(b, BAD_BUILDER,
          "select from Service.keyless, key: no primary key is declared; name its columns with "
          "tenantdb_builder_where()");
  b = tenantdb_builder_delete(registry, "contents");
  tenantdb_builder_version(b, "version");
  refused(b, BAD_BUILDER,
          "delete from Service.contents: no condition says which rows; if all of them are meant, say "
          "tenantdb_builder_all()");
  b = tenantdb_builder_update(registry, "people");
  tenantdb_builder_column(b, "name");
  refused(b, BAD_BUILDER,
          "update of Service.people: no condition says which rows; if all of them are meant, say "
          "tenantdb_builder_all()");
  b = tenantdb_builder_delete(registry, "people");
  tenantdb_builder_all(b);
  tenantdb_builder_key(b);
  refused(b, BAD_BUILDER,
          "delete from Service.people: there are conditions, and tenantdb_builder_all() says that there are "
          "none");
}

static void joins(void **state) {
  (void)state;
  static const struct {
    const char *table;
    const char *by;
    tenantdb_status status;
    int32_t reason;
    const char *message;
  } bad[] = {
      {NULL, NULL, NULL_ARGUMENT, "select from Service.comments, join: the table's name is NULL"},
      {"peple", NULL, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_TABLE,
       "select from Service.comments, join peple: no table \"peple\" is declared; did you mean \"people\"?"},
      {"both", NULL, TENANTDB_ARGUMENT, TENANTDB_REASON_AMBIGUOUS_TABLE,
       "select from Service.comments, join both: several bases have a table \"both\": write {Central.both} "
       "or "
       "{Service.both}"},
      {"people", NULL, BAD_BUILDER,
       "select from Service.comments, join people: several foreign keys lead there: comments_editor (editor) "
       "of comments and (reader) of comments; say which by its name or one of its columns"},
      {"people", "writer", BAD_BUILDER,
       "select from Service.comments, join people: no foreign key is declared between people and comments "
       "that has the column or name writer; tables without one are joined in a template"},
      {"keyless", NULL, BAD_BUILDER,
       "select from Service.comments, join keyless: no foreign key is declared between keyless and comments; "
       "tables without one are joined in a template"},
      {"cheap", NULL, BAD_BUILDER,
       "select from Service.comments, join cheap: \"cheap\" is no table, so no foreign key leads there"},
      {"Service.comments", NULL, BAD_BUILDER,
       "select from Service.comments, join Service.comments: the table is in the statement already; twice "
       "the "
       "same one needs a template"},
      {"\xFF", NULL, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
       "select from Service.comments, join: a name is not valid UTF-8 at byte 1"},
      {"people", "\xFF", TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
       "select from Service.comments, join people: a name is not valid UTF-8 at byte 1"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
    tenantdb_builder *b = tenantdb_builder_select(registry, "comments");
    tenantdb_builder_join(b, bad[i].table, bad[i].by);
    refused(b, bad[i].status, bad[i].reason, bad[i].message);
  }
  /* All tables are named, and one of two names alike must be told apart. */
  tenantdb_builder *b = tenantdb_builder_select(registry, "comments");
  tenantdb_builder_join(b, "contents", NULL);
  tenantdb_builder_left_join(b, "keyless", NULL);
  refused(b, BAD_BUILDER,
          "select from Service.comments, left_join keyless: no foreign key is declared between keyless and "
          "comments or contents; tables without one are joined in a template");
}

/* Two tables of one name, and a key to columns that nobody declared. */
static void odd_joins(void **state) {
  (void)state;
  tenantdb_registry *own = tenantdb_registry_new();
  tenantdb_base *central = tenantdb_registry_base(own, "Central", TENANTDB_BASE_SHARED);
  tenantdb_base *service = tenantdb_registry_base(own, "Service", TENANTDB_BASE_TENANT);
  tenantdb_base_sql(central, "CREATE TABLE plans (id int PRIMARY KEY, name text);");
  tenantdb_base_sql(service,
                    "CREATE TABLE plans (id int REFERENCES {Central.plans}, name text);"
                    "CREATE TABLE copies (LIKE plans);"
                    "CREATE TABLE leans (id int REFERENCES copies)");
  tenantdb_builder *b = tenantdb_builder_select(own, "Service.plans");
  tenantdb_builder_join(b, "Central.plans", NULL);
  tenantdb_builder_column(b, "Central.plans.name");
  tenantdb_builder_column(b, "plans.name");
  refused(b, BAD_BUILDER,
          "select from Service.plans, column plans.name: two tables of this statement are called so; write "
          "base.table.column");
  b = tenantdb_builder_select(own, "leans");
  tenantdb_builder_join(b, "copies", NULL);
  refused(
      b, BAD_BUILDER,
      "select from Service.leans, join copies: the columns of table copies that the foreign key refers to "
      "are not declared");
  tenantdb_registry_free(own);
}

static void orders(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_order(b, "name", "down");
  refused(b, BAD_BUILDER,
          "select from Service.people, order name: the direction is none of \"asc\", \"desc\", \"asc nulls "
          "last\", \"asc nulls first\", \"desc nulls first\", \"desc nulls last\"");
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_order(b, "name", NULL);
  tenantdb_builder_order(b, "people.name", "desc");
  refused(b, TENANTDB_ARGUMENT, TENANTDB_REASON_DUPLICATE_NAME,
          "select from Service.people, order people.name: it is ordered by already");
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_limit(b);
  tenantdb_builder_limit(b);
  refused(b, BAD_BUILDER, "select from Service.people, limit: it was said already");
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_lock(b, "table");
  refused(
      b, BAD_BUILDER,
      "select from Service.people, lock: the lock is none of \"update\", \"update nowait\", \"update skip "
      "locked\", \"no key update\", \"no key update nowait\", \"no key update skip locked\", \"share\", "
      "\"share nowait\", \"share skip locked\", \"key share\", \"key share nowait\", \"key share skip "
      "locked\"");
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_lock(b, NULL);
  refused(b, NULL_ARGUMENT, "select from Service.people, lock: the lock is NULL");
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_after(b);
  tenantdb_builder_offset(b);
  refused(b, BAD_BUILDER,
          "select from Service.people: a page is either after a row or at an offset, not both");
  static const char ties[] =
      "the order may leave ties, and no primary key is declared that would break them: a page after a row "
      "would lose some";
  tndb_auto_buffer message = TNDB_BUFFER_INIT;
  tndb_buffer_format(&message, "select from Service.keyless: %s", ties);
  b = tenantdb_builder_select(registry, "keyless");
  tenantdb_builder_order(b, "a", NULL);
  tenantdb_builder_after(b);
  refused(b, BAD_BUILDER, tndb_buffer_text(&message));
  tndb_buffer_clear(&message);
  tndb_buffer_format(&message, "select from Central.cheap: %s", ties);
  b = tenantdb_builder_select(registry, "cheap");
  tenantdb_builder_order(b, "one", NULL);
  tenantdb_builder_after(b);
  refused(b, BAD_BUILDER, tndb_buffer_text(&message));
  b = tenantdb_builder_select(registry, "parts");
  for (char name[] = "ca"; name[1] <= 'z'; name[1]++) {
    tenantdb_builder_order(b, name, NULL);
  }
  for (char name[] = "da"; name[1] < 'h'; name[1]++) {
    tenantdb_builder_order(b, name, NULL);
  }
  refused(b, BAD_BUILDER, "select from Service.parts: it is ordered by more than 32 columns");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(conflicts), cmocka_unit_test(conditions), cmocka_unit_test(joins),
      cmocka_unit_test(odd_joins), cmocka_unit_test(orders),
  };
  return cmocka_run_group_tests(tests, declare, forget);
}
