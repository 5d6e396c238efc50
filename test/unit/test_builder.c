/* SPDX-License-Identifier: PostgreSQL */
/* Builders: the text and the parameters that come of each call. What a server makes of it is tested elsewhere. */
#include "builder_registry.h"

#include <string.h>

#include "base/buffer.h"

static tenantdb_registry *registry;

static int declare(void **state) {
  (void)state;
  tenantdb_error *error = NULL;
  registry = builder_registry();
  if (tenantdb_registry_check(registry, &error) != TENANTDB_OK) {
    print_error("%s\n", tenantdb_error_message(error));
    return 1;
  }
  return 0;
}

static int forget(void **state) {
  (void)state;
  tenantdb_registry_free(registry);
  return 0;
}

/* Finish and free the builder; `parameters` is "number name type role operator row" of each, joined by "; ". */
static void gives(tenantdb_builder *b, const char *expected, const char *parameters) {
  tenantdb_statement *statement;
  tenantdb_result *result;
  tenantdb_error *error = NULL;
  if (tenantdb_builder_finish(b, &statement, &error) != TENANTDB_OK) {
    fail_msg("%s", tenantdb_error_message(error));
  }
  tenantdb_builder_free(b);
  char *text;
  assert_int_equal(tenantdb_statement_text(statement, "t", "s", &text, &error), TENANTDB_OK);
  assert_string_equal(text, expected);
  tenantdb_string_free(text);
  assert_int_equal(tenantdb_statement_parameters(statement, &result, &error), TENANTDB_OK);
  tndb_auto_buffer all = TNDB_BUFFER_INIT;
  for (int32_t row = 0; row < tenantdb_result_rows(result); row++) {
    tndb_buffer_append(&all, row ? "; " : "");
    for (int32_t column = 0; column < tenantdb_result_columns(result); column++) {
      const char *cell = tenantdb_result_value(result, row, column);
      tndb_buffer_append(&all, cell && column ? " " : "");
      tndb_buffer_append(&all, cell ? cell : "");
    }
  }
  assert_string_equal(tndb_buffer_text(&all), parameters);
  tenantdb_result_free(result);
  tenantdb_statement_free(statement);
}

static void inserts(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_insert(registry, "people");
  tenantdb_builder_column(b, "name");
  tenantdb_builder_column(b, "id");
  gives(b, "INSERT INTO \"t\".\"people\" (\"name\", \"id\") VALUES ($1, $2)",
        "1 name text value; 2 id uuid value");

  b = tenantdb_builder_insert(registry, "Service.both");
  tenantdb_builder_rows(b, 3);
  tenantdb_builder_column(b, "id");
  tenantdb_builder_returning(b, "note");
  tenantdb_builder_column(b, "note");
  tenantdb_builder_returning(b, "id");
  gives(b,
        "INSERT INTO \"t\".\"both\" (\"id\", \"note\") VALUES ($1, $2), ($3, $4), ($5, $6) RETURNING "
        "\"note\", \"id\"",
        "1 id int value 1; 2 note text value 1; 3 id int value 2; 4 note text value 2; 5 id int value 3; 6 "
        "note text value 3");

  b = tenantdb_builder_insert(registry, "events");
  tenantdb_builder_column(b, "number");
  tenantdb_builder_column(b, "name");
  tenantdb_builder_rows(b, 1);
  gives(b, "INSERT INTO \"t\".\"events\" (\"number\", \"name\") VALUES ($1, $2)",
        "1 number int value; 2 name text value");

  b = tenantdb_builder_insert(registry, "Central.llm_usage");
  tenantdb_builder_column(b, "cost");
  gives(b, "INSERT INTO \"s\".\"llm_usage\" (\"cost\") VALUES ($1)", "1 cost numeric(10, 6) value");

  /* What is not declared is taken where something may be: LIKE. */
  b = tenantdb_builder_insert(registry, "parts");
  tenantdb_builder_column(b, "a");
  tenantdb_builder_column(b, "extra");
  gives(b, "INSERT INTO \"t\".\"parts\" (\"a\", \"extra\") VALUES ($1, $2)", "1 a value; 2 extra int value");
}

/* Lengths and precisions are left to the column: a cast would cut silently. */
static void arrays(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_insert(registry, "contents");
  static const char *const columns[] = {"id", "title", "state", "score", "code", "flags", "created_at"};
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
    tenantdb_builder_column(b, columns[i]);
  }
  tenantdb_builder_arrays(b);
  gives(b,
        "INSERT INTO \"t\".\"contents\" (\"id\", \"title\", \"state\", \"score\", \"code\", \"flags\", "
        "\"created_at\") SELECT * FROM unnest($1::uuid[], $2::varchar[], $3::\"t\".state[], $4::numeric[], "
        "$5::bpchar[], $6::varbit[], $7::timestamp with time zone[])",
        "1 id uuid[] value; 2 title varchar(50)[] value; 3 state state[] value; 4 score numeric(10, 2)[] "
        "value; 5 code char(3)[] value; 6 flags bit(4)[] value; 7 created_at timestamp(3) with time zone[] "
        "value");

  b = tenantdb_builder_insert(registry, "object_models");
  tenantdb_builder_column(b, "kind");
  tenantdb_builder_arrays(b);
  tenantdb_builder_returning(b, "id");
  gives(
      b,
      "INSERT INTO \"s\".\"object_models\" (\"kind\") SELECT * FROM unnest($1::\"s\".model_kind[]) RETURNING "
      "\"id\"",
      "1 kind model_kind[] value");

  b = tenantdb_builder_insert(registry, "comments");
  tenantdb_builder_column(b, "n");
  tenantdb_builder_arrays(b);
  gives(b, "INSERT INTO \"t\".\"comments\" (\"n\") SELECT * FROM unnest($1::int4[])", "1 n serial[] value");
}

static void upserts(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_upsert(registry, "Central.both");
  tenantdb_builder_column(b, "id");
  tenantdb_builder_column(b, "note");
  tenantdb_builder_returning(b, "id");
  gives(b,
        "INSERT INTO \"s\".\"both\" AS t1 (\"id\", \"note\") VALUES ($1, $2) ON CONFLICT (\"id\") DO UPDATE "
        "SET \"note\" = excluded.\"note\" RETURNING t1.\"id\"",
        "1 id int value; 2 note text value");

  b = tenantdb_builder_upsert(registry, "contents");
  tenantdb_builder_conflict(b, "code");
  tenantdb_builder_keep(b, "id");
  tenantdb_builder_column(b, "rank");
  tenantdb_builder_add(b, "version");
  tenantdb_builder_column(b, "body");
  tenantdb_builder_column(b, "code");
  tenantdb_builder_conflict(b, "rank");
  tenantdb_builder_rows(b, 2);
  gives(
      b,
      "INSERT INTO \"t\".\"contents\" AS t1 (\"id\", \"rank\", \"version\", \"body\", \"code\") VALUES ($1, "
      "$2, $3, $4, $5), ($6, $7, $8, $9, $10) ON CONFLICT (\"code\", \"rank\") DO UPDATE SET \"version\" = "
      "t1.\"version\" + excluded.\"version\", \"body\" = excluded.\"body\"",
      "1 id uuid value 1; 2 rank int value 1; 3 version int add 1; 4 body text value 1; 5 code char(3) value "
      "1; 6 id uuid value 2; 7 rank int value 2; 8 version int add 2; 9 body text value 2; 10 code char(3) "
      "value 2");

  b = tenantdb_builder_upsert(registry, "loose");
  tenantdb_builder_conflict(b, "a");
  tenantdb_builder_column(b, "a");
  tenantdb_builder_arrays(b);
  tenantdb_builder_do_nothing(b);
  gives(b,
        "INSERT INTO \"t\".\"loose\" AS t1 (\"a\") SELECT * FROM unnest($1::int[]) ON CONFLICT (\"a\") DO "
        "NOTHING",
        "1 a int[] value");
}

static void selects(void **state) {
  (void)state;
  gives(tenantdb_builder_select(registry, "people"), "SELECT \"id\", \"name\" FROM \"t\".\"people\"", "");
  gives(tenantdb_builder_select(registry, "parts"), "SELECT * FROM \"t\".\"parts\"", "");
  gives(tenantdb_builder_select(registry, "cheap"), "SELECT * FROM \"s\".\"cheap\"", "");

  tenantdb_builder *b = tenantdb_builder_select(registry, "comments");
  tenantdb_builder_column(b, "author");
  tenantdb_builder_key(b);
  gives(b, "SELECT \"author\" FROM \"t\".\"comments\" WHERE \"content_id\" = $1 AND \"n\" = $2",
        "1 content_id uuid key =; 2 n serial key =");

  b = tenantdb_builder_select(registry, "cheap");
  tenantdb_builder_column(b, "one");
  tenantdb_builder_where(b, "two", "IN");
  gives(b, "SELECT \"one\" FROM \"s\".\"cheap\" WHERE \"two\" = ANY ($1)", "1 two where in");

  b = tenantdb_builder_select(registry, "both");
  gives(tenantdb_builder_select(registry, "Central.both"), "SELECT \"id\", \"note\" FROM \"s\".\"both\"", "");
  tenantdb_builder_free(b);

  /* Parameters are numbered as the calls come, whatever their place in the text. */
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_limit(b);
  tenantdb_builder_offset(b);
  tenantdb_builder_where(b, "name", "ILIKE");
  tenantdb_builder_lock(b, "no key update Skip Locked");
  gives(b,
        "SELECT \"id\", \"name\" FROM \"t\".\"people\" WHERE \"name\" ILIKE $3 LIMIT $1 OFFSET $2 FOR NO KEY "
        "UPDATE SKIP LOCKED",
        "1 bigint limit; 2 bigint offset; 3 name text where ilike");
}

static void every_operator(void **state) {
  (void)state;
  static const char *const operators[][2] = {
      {"=", "= $1"},
      {"<>", "<> $1"},
      {"!=", "<> $1"},
      {"<", "< $1"},
      {"<=", "<= $1"},
      {">", "> $1"},
      {">=", ">= $1"},
      {"in", "= ANY ($1::text[])"},
      {"not in", "<> ALL ($1::text[])"},
      {"like", "LIKE $1"},
      {"not like", "NOT LIKE $1"},
      {"ilike", "ILIKE $1"},
      {"not ilike", "NOT ILIKE $1"},
      {"is null", "IS NULL"},
      {"is not null", "IS NOT NULL"},
      {"is distinct from", "IS DISTINCT FROM $1"},
      {"is not distinct from", "IS NOT DISTINCT FROM $1"},
      {"@>", "@> $1"},
      {"<@", "<@ $1"},
      {"&&", "&& $1"},
  };
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT, parameters = TNDB_BUFFER_INIT;
    bool unary = strstr(operators[i][0], "null") != NULL;
    bool array = strstr(operators[i][0], "in") == operators[i][0] || strcmp(operators[i][0], "not in") == 0;
    tndb_buffer_format(&sql, "DELETE FROM \"t\".\"people\" WHERE \"name\" %s", operators[i][1]);
    if (!unary) {
      tndb_buffer_format(&parameters, "1 name text%s where %s", array ? "[]" : "", operators[i][0]);
    }
    tenantdb_builder *b = tenantdb_builder_delete(registry, "people");
    tenantdb_builder_where(b, "name", operators[i][0]);
    gives(b, tndb_buffer_text(&sql), tndb_buffer_text(&parameters));
  }
}

static void alternatives(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_select(registry, "both");
  tenantdb_builder_free(b);
  b = tenantdb_builder_update(registry, "contents");
  tenantdb_builder_where(b, "rank", ">");
  tenantdb_builder_column(b, "body");
  tenantdb_builder_where(b, "title", "is null");
  tenantdb_builder_or(b);
  tenantdb_builder_version(b, "version");
  tenantdb_builder_key(b);
  gives(b,
        "UPDATE \"t\".\"contents\" SET \"body\" = $2, \"version\" = \"version\" + 1 WHERE (\"rank\" > $1 AND "
        "\"title\" IS NULL OR \"id\" = $4) AND \"version\" = $3",
        "1 rank int where >; 2 body text value; 3 version int version; 4 id uuid key =");
}

static void changes(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_update(registry, "contents");
  tenantdb_builder_column(b, "title");
  tenantdb_builder_add(b, "rank");
  tenantdb_builder_key(b);
  tenantdb_builder_version(b, "version");
  tenantdb_builder_returning(b, "version");
  gives(
      b,
      "UPDATE \"t\".\"contents\" SET \"title\" = $1, \"rank\" = \"rank\" + $2, \"version\" = \"version\" + 1 "
      "WHERE \"id\" = $3 AND \"version\" = $4 RETURNING \"version\"",
      "1 title varchar(50) value; 2 rank int add; 3 id uuid key =; 4 version int version");

  b = tenantdb_builder_update(registry, "keyless");
  tenantdb_builder_column(b, "b");
  tenantdb_builder_all(b);
  gives(b, "UPDATE \"t\".\"keyless\" SET \"b\" = $1", "1 b int value");

  b = tenantdb_builder_update(registry, "contents");
  tenantdb_builder_version(b, "version");
  tenantdb_builder_where(b, "state", "not in");
  gives(b,
        "UPDATE \"t\".\"contents\" SET \"version\" = \"version\" + 1 WHERE \"state\" <> ALL "
        "($2::\"t\".state[]) AND \"version\" = $1",
        "1 version int version; 2 state state[] where not in");

  b = tenantdb_builder_delete(registry, "contents");
  tenantdb_builder_version(b, "version");
  tenantdb_builder_key(b);
  tenantdb_builder_returning(b, "id");
  gives(b, "DELETE FROM \"t\".\"contents\" WHERE \"id\" = $2 AND \"version\" = $1 RETURNING \"id\"",
        "1 version int version; 2 id uuid key =");

  b = tenantdb_builder_delete(registry, "contents");
  tenantdb_builder_all(b);
  gives(b, "DELETE FROM \"t\".\"contents\"", "");
}

static void odd_names(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_update(registry, "user");
  tenantdb_builder_column(b, "Group");
  tenantdb_builder_column(b, "it's \"x\"");
  tenantdb_builder_column(b, "a.b");
  tenantdb_builder_where(b, "user.order", "=");
  gives(
      b,
      "UPDATE \"t\".\"user\" SET \"Group\" = $1, \"it's \"\"x\"\"\" = $2, \"a.b\" = $3 WHERE \"order\" = $4",
      "1 Group text value; 2 it's \"x\" text value; 3 a.b text value; 4 user.order int where =");
  b = tenantdb_builder_select(registry, "a}b{c");
  tenantdb_builder_where(b, "{id}", "in");
  gives(b, "SELECT \"id\", \"{id}\" FROM \"s\".\"a}b{c\" WHERE \"{id}\" = ANY ($1::text[])",
        "1 {id} text[] where in");
  b = tenantdb_builder_delete(registry, "Service.x}; DROP TABLE \"y\" {");
  tenantdb_builder_key(b);
  tenantdb_builder_returning(b, "-- c");
  gives(b, "DELETE FROM \"t\".\"x}; DROP TABLE \"\"y\"\" {\" WHERE \"$1\" = $1 RETURNING \"-- c\"",
        "1 $1 text key =");
}

static void joins(void **state) {
  (void)state;
  tenantdb_builder *b = tenantdb_builder_select(registry, "contents");
  tenantdb_builder_join(b, "Central.object_models", NULL);
  tenantdb_builder_column(b, "title");
  tenantdb_builder_column(b, "object_models.name");
  tenantdb_builder_where(b, "Central.object_models.kind", "in");
  tenantdb_builder_where(b, "contents.id", "=");
  gives(b,
        "SELECT t1.\"title\", t2.\"name\" AS \"object_models.name\" FROM \"t\".\"contents\" AS t1 JOIN "
        "\"s\".\"object_models\" AS t2 ON t1.\"model_id\" = t2.\"id\" WHERE t2.\"kind\" = ANY "
        "($1::\"s\".model_kind[]) AND t1.\"id\" = $2",
        "1 Central.object_models.kind model_kind[] where in; 2 contents.id uuid where =");

  /* From the shared table to the tenant's, and on: two tables away, a key that is found by its column. */
  b = tenantdb_builder_select(registry, "object_models");
  tenantdb_builder_join(b, "contents", "model_id");
  tenantdb_builder_left_join(b, "comments", NULL);
  tenantdb_builder_left_join(b, "people", "comments_editor");
  tenantdb_builder_column(b, "comments.author");
  tenantdb_builder_column(b, "people.name");
  tenantdb_builder_lock(b, "share");
  gives(
      b,
      "SELECT t3.\"author\" AS \"comments.author\", t4.\"name\" AS \"people.name\" FROM "
      "\"s\".\"object_models\" AS t1 JOIN \"t\".\"contents\" AS t2 ON t2.\"model_id\" = t1.\"id\" LEFT JOIN "
      "\"t\".\"comments\" AS t3 ON t3.\"content_id\" = t2.\"id\" LEFT JOIN \"t\".\"people\" AS t4 ON "
      "t3.\"editor\" = t4.\"id\" FOR SHARE OF t1",
      "");

  b = tenantdb_builder_select(registry, "covers");
  tenantdb_builder_join(b, "contents", NULL);
  tenantdb_builder_column(b, "contents.title");
  tenantdb_builder_order(b, "contents.rank", NULL);
  tenantdb_builder_limit(b);
  gives(b,
        "SELECT t2.\"title\" AS \"contents.title\" FROM \"t\".\"covers\" AS t1 JOIN \"t\".\"contents\" AS t2 "
        "ON t1.\"content_id\" = t2.\"id\" ORDER BY t2.\"rank\", t1.\"content_id\" LIMIT $1",
        "1 bigint limit");

  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_join(b, "comments", "reader");
  gives(b,
        "SELECT t1.\"id\", t1.\"name\", t2.\"content_id\" AS \"comments.content_id\", t2.\"n\" AS "
        "\"comments.n\", t2.\"author\" AS \"comments.author\", t2.\"editor\" AS \"comments.editor\", "
        "t2.\"reader\" AS \"comments.reader\" FROM \"t\".\"people\" AS t1 JOIN \"t\".\"comments\" AS t2 ON "
        "t2.\"reader\" = t1.\"id\"",
        "");
}

static void orders(void **state) {
  (void)state;
  /* Without a limit the order is what was asked for. */
  tenantdb_builder *b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_order(b, "name", "DESC NULLS LAST");
  gives(b, "SELECT \"id\", \"name\" FROM \"t\".\"people\" ORDER BY \"name\" DESC NULLS LAST", "");
  b = tenantdb_builder_select(registry, "people");
  tenantdb_builder_order(b, "name", "desc");
  tenantdb_builder_limit(b);
  gives(b, "SELECT \"id\", \"name\" FROM \"t\".\"people\" ORDER BY \"name\" DESC, \"id\" DESC LIMIT $1",
        "1 bigint limit");
  /* Nothing breaks the ties: so be it, as long as no page is to begin behind a row. */
  b = tenantdb_builder_select(registry, "keyless");
  tenantdb_builder_column(b, "a");
  tenantdb_builder_order(b, "a", "asc nulls first");
  tenantdb_builder_limit(b);
  gives(b, "SELECT \"a\" FROM \"t\".\"keyless\" ORDER BY \"a\" NULLS FIRST LIMIT $1", "1 bigint limit");
  b = tenantdb_builder_select(registry, "keyless");
  tenantdb_builder_limit(b);
  gives(b, "SELECT \"a\", \"b\" FROM \"t\".\"keyless\" LIMIT $1", "1 bigint limit");
}

static tenantdb_builder *page(const char *table, const char *const *order, size_t n) {
  tenantdb_builder *b = tenantdb_builder_select(registry, table);
  for (size_t i = 0; i < n; i += 2) {
    tenantdb_builder_order(b, order[i], order[i + 1]);
  }
  tenantdb_builder_column(b, "rank");
  tenantdb_builder_after(b);
  return b;
}

#define PAGE(table, ...)                          \
  page(table, (const char *const[]){__VA_ARGS__}, \
       sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

static void pages(void **state) {
  (void)state;
  tenantdb_builder *b = PAGE("contents", "rank", NULL);
  tenantdb_builder_limit(b);
  gives(b,
        "SELECT \"rank\" FROM \"t\".\"contents\" WHERE (\"rank\", \"id\") > ($1, $2) ORDER BY \"rank\", "
        "\"id\" LIMIT $3",
        "1 rank int after >; 2 id uuid after >; 3 bigint limit");
  gives(PAGE("contents", "rank", "desc"),
        "SELECT \"rank\" FROM \"t\".\"contents\" WHERE (\"rank\", \"id\") < ($1, $2) ORDER BY \"rank\" DESC, "
        "\"id\" DESC",
        "1 rank int after <; 2 id uuid after <");
  /* Unique by itself, by the primary key or another one. */
  gives(PAGE("contents", "id", "desc"),
        "SELECT \"rank\" FROM \"t\".\"contents\" WHERE \"id\" < $1 ORDER BY \"id\" DESC",
        "1 id uuid after <");
  gives(PAGE("contents", "code", "asc", "rank", "asc"),
        "SELECT \"rank\" FROM \"t\".\"contents\" WHERE (\"code\", \"rank\") > ($1, $2) ORDER BY \"code\", "
        "\"rank\"",
        "1 code char(3) after >; 2 rank int after >");
  /* Mixed. */
  gives(PAGE("contents", "code", "desc", "rank", "asc"),
        "SELECT \"rank\" FROM \"t\".\"contents\" WHERE \"code\" <= $1 AND (\"code\" < $1 OR \"rank\" > $2) "
        "ORDER BY \"code\" DESC, \"rank\"",
        "1 code char(3) after <; 2 rank int after >");
  /* A unique column that may be NULL does not tell all rows apart. */
  gives(PAGE("contents", "title", "asc"),
        "SELECT \"rank\" FROM \"t\".\"contents\" WHERE (\"title\" > $1 OR \"title\" IS NULL AND $1 IS NOT "
        "NULL OR \"title\" IS NOT DISTINCT FROM $1 AND \"id\" > $2) ORDER BY \"title\", \"id\"",
        "1 title varchar(50) after >; 2 id uuid after >");
  gives(PAGE("contents", "maybe", "desc", "rank", "desc"),
        "SELECT \"rank\" FROM \"t\".\"contents\" WHERE (\"maybe\" < $1 OR \"maybe\" IS NOT NULL AND $1 IS "
        "NULL OR \"maybe\" IS NOT DISTINCT FROM $1 AND \"rank\" <= $2 AND (\"rank\" < $2 OR \"id\" < $3)) "
        "ORDER BY \"maybe\" DESC, \"rank\" DESC, \"id\" DESC",
        "1 maybe int after <; 2 rank int after <; 3 id uuid after <");
  /* No order at all is the primary key's. */
  b = tenantdb_builder_select(registry, "comments");
  tenantdb_builder_column(b, "author");
  tenantdb_builder_where(b, "author", "is null");
  tenantdb_builder_after(b);
  gives(b,
        "SELECT \"author\" FROM \"t\".\"comments\" WHERE \"author\" IS NULL AND (\"content_id\", \"n\") > "
        "($1, $2) ORDER BY \"content_id\", \"n\"",
        "1 content_id uuid after >; 2 n serial after >");
  /* Rows of a join are told apart by the keys of all that may bring several. */
  b = tenantdb_builder_select(registry, "contents");
  tenantdb_builder_left_join(b, "comments", NULL);
  tenantdb_builder_join(b, "object_models", NULL);
  tenantdb_builder_left_join(b, "covers", NULL);
  tenantdb_builder_column(b, "id");
  tenantdb_builder_order(b, "object_models.name", NULL);
  tenantdb_builder_limit(b);
  tenantdb_builder_after(b);
  gives(
      b,
      "SELECT t1.\"id\" FROM \"t\".\"contents\" AS t1 LEFT JOIN \"t\".\"comments\" AS t2 ON "
      "t2.\"content_id\" = t1.\"id\" JOIN \"s\".\"object_models\" AS t3 ON t1.\"model_id\" = t3.\"id\" LEFT "
      "JOIN \"t\".\"covers\" AS t4 ON t4.\"content_id\" = t1.\"id\" WHERE t3.\"name\" >= $2 AND (t3.\"name\" "
      "> $2 OR t1.\"id\" >= $3 AND (t1.\"id\" > $3 OR (t2.\"content_id\" > $4 OR t2.\"content_id\" IS NULL "
      "AND $4 IS NOT NULL OR t2.\"content_id\" IS NOT DISTINCT FROM $4 AND (t2.\"n\" > $5 OR t2.\"n\" IS "
      "NULL AND $5 IS NOT NULL)))) ORDER BY t3.\"name\", t1.\"id\", t2.\"content_id\", t2.\"n\" LIMIT $1",
      "1 bigint limit; 2 object_models.name varchar(255) after >; 3 id uuid after >; 4 comments.content_id "
      "uuid after >; 5 comments.n serial after >");
}

/* A builder may be told more after it was finished, and outlives its registry, as its statement does. */
static void life(void **state) {
  (void)state;
  int64_t before = tndb_memory_live();
  tenantdb_registry *own = builder_registry();
  tenantdb_statement *first, *second;
  tenantdb_error *error = NULL;
  tenantdb_builder *b = tenantdb_builder_select(own, "people");
  tenantdb_registry_free(own);
  tenantdb_builder_column(b, "name");
  assert_int_equal(tenantdb_builder_finish(b, &first, &error), TENANTDB_OK);
  tenantdb_builder_key(b);
  assert_int_equal(tenantdb_builder_finish(b, &second, &error), TENANTDB_OK);
  tenantdb_builder_free(b);
  char *text;
  assert_int_equal(tenantdb_statement_text(first, "t", NULL, &text, &error), TENANTDB_OK);
  assert_string_equal(text, "SELECT \"name\" FROM \"t\".\"people\"");
  tenantdb_string_free(text);
  assert_int_equal(tenantdb_statement_text(second, "t", NULL, &text, &error), TENANTDB_OK);
  assert_string_equal(text, "SELECT \"name\" FROM \"t\".\"people\" WHERE \"id\" = $1");
  tenantdb_string_free(text);
  tenantdb_statement_free(first);
  tenantdb_statement_free(second);
  assert_int_equal(tndb_memory_live(), before);
}

/* Declaring goes on while a builder is at work: nothing it found may have moved. */
static void growing_registry(void **state) {
  (void)state;
  tenantdb_registry *own = builder_registry();
  tenantdb_builder *b = tenantdb_builder_update(own, "people");
  tenantdb_builder_column(b, "name");
  tenantdb_table *people =
      tenantdb_base_table(tenantdb_registry_base(own, "Service", TENANTDB_BASE_TENANT), "people");
  for (char name[] = "aa"; name[0] <= 'z'; name[0]++) {
    for (name[1] = 'a'; name[1] <= 'z'; name[1]++) {
      tenantdb_table_column(people, name, "int", NULL);
    }
  }
  tenantdb_builder_column(b, "zz");
  tenantdb_builder_key(b);
  gives(b, "UPDATE \"t\".\"people\" SET \"name\" = $1, \"zz\" = $2 WHERE \"id\" = $3",
        "1 name text value; 2 zz int value; 3 id uuid key =");
  tenantdb_registry_free(own);
}

static void of_templates(void **state) {
  (void)state;
  static const char *const templates[][2] = {
      {"SELECT 1", ""},
      {"SELECT $2, '$3', \"$4\", $$ $5 $$, a$6 /* $7 */ FROM {people} WHERE x = $1 OR y = $2 -- $8", "1; 2"},
      {"SELECT $65535, $65536, $99999999999999999999999999, $0", "65535"},
  };
  for (size_t i = 0; i < sizeof templates / sizeof templates[0]; i++) {
    tenantdb_statement *statement;
    tenantdb_result *result;
    assert_int_equal(tenantdb_statement_new(registry, templates[i][0], &statement, NULL), TENANTDB_OK);
    assert_int_equal(tenantdb_statement_parameters(statement, &result, NULL), TENANTDB_OK);
    tndb_auto_buffer all = TNDB_BUFFER_INIT;
    for (int32_t row = 0; row < tenantdb_result_rows(result); row++) {
      tndb_buffer_format(&all, "%s%s", row ? "; " : "", tenantdb_result_value(result, row, 0));
      for (int32_t column = 1; column < 6; column++) {
        assert_true(tenantdb_result_is_null(result, row, column));
      }
    }
    assert_string_equal(tndb_buffer_text(&all), templates[i][1]);
    tenantdb_result_free(result);
    tenantdb_statement_free(statement);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(inserts),      cmocka_unit_test(arrays),
      cmocka_unit_test(upserts),      cmocka_unit_test(selects),
      cmocka_unit_test(joins),        cmocka_unit_test(every_operator),
      cmocka_unit_test(alternatives), cmocka_unit_test(changes),
      cmocka_unit_test(odd_names),    cmocka_unit_test(orders),
      cmocka_unit_test(pages),        cmocka_unit_test(life),
      cmocka_unit_test(of_templates), cmocka_unit_test(growing_registry),
  };
  return cmocka_run_group_tests(tests, declare, forget);
}
