/* SPDX-License-Identifier: PostgreSQL */
/*
 * Every statement of the shared bases is done once. What was done is written
 * down by its fingerprint; what is not written down but there already (tables
 * of an application that is older than its use of this library) is adopted
 * when it fits, and never altered.
 */
#include "catalog/shared.h"

#include <string.h>

#include "base/memory.h"
#include "catalog/text_array.h"
#include "registry/registry.h"
#include "sql/identifier.h"

typedef struct pending {
  const tndb_ddl_item *item;
  char hash[TNDB_SHA256_HEX];
  size_t question; /* the place of its question about what is there, TNDB_NONE when none is asked */
  size_t place;    /* the place of its statement */
  bool adopted;
} pending;

typedef struct plan {
  pending *items;
  size_t count;
} plan;

void tndb_shared_hash(const tndb_ddl_item *item, char hex[TNDB_SHA256_HEX]) {
  tndb_sha256 hash;
  unsigned char digest[TNDB_SHA256_BYTES];
  tndb_sha256_start(&hash);
  tndb_sha256_add(&hash, &item->kind, sizeof item->kind); /* not the place: a line number may change */
  tndb_sha256_add(&hash, item->base, strlen(item->base) + 1);
  tndb_sha256_add(&hash, item->sql, strlen(item->sql));
  tndb_sha256_finish(&hash, digest);
  tndb_sha256_hex(digest, sizeof digest, hex);
}

tenantdb_status tndb_shared_written(tndb_work *work, tndb_map *hashes, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql, "SELECT hash FROM %sshared_objects", work->db->catalog);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  PGresult *rows;
  tenantdb_status status = tndb_work_query(work, tndb_buffer_text(&sql), 0, NULL, &rows, error);
  if (status) {
    return status;
  }
  for (int i = 0; i < PQntuples(rows) && !status; i++) {
    status = tndb_map_put(hashes, PQgetvalue(rows, i, 0), hashes) ? TENANTDB_OK : tndb_no_memory(error);
  }
  PQclear(rows);
  return status;
}

/* What is declared and not written down as done. */
static tenantdb_status find_pending(tndb_work *work, const tndb_ddl *ddl, plan *todo,
                                    tenantdb_error **error) {
  tndb_map done = {NULL, 0, 0};
  tenantdb_status status = tndb_shared_written(work, &done, error);
  if (!status) {
    todo->items = tndb_alloc_array(ddl->count + 1, sizeof *todo->items);
    status = todo->items ? TENANTDB_OK : tndb_no_memory(error);
  }
  for (size_t i = 0; !status && i < ddl->count; i++) {
    pending *next = &todo->items[todo->count];
    tndb_shared_hash(&ddl->items[i], next->hash);
    if (!tndb_map_get(&done, next->hash)) {
      next->item = &ddl->items[i];
      todo->count++;
    }
  }
  tndb_map_free(&done);
  return status;
}

/* ---------------------------------------------------------------- what is there already */

static const char relation_sql[] =
    "SELECT c.relkind FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2";
static const char type_sql[] =
    "SELECT 't' FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
    " WHERE n.nspname = $1 AND t.typname = $2";
static const char function_sql[] =
    "SELECT 'f' FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace"
    " WHERE n.nspname = $1 AND p.proname = $2";
static const char missing_columns_sql[] =
    "SELECT name FROM pg_catalog.unnest($3::text[]) name WHERE NOT EXISTS (SELECT FROM "
    "pg_catalog.pg_attribute a"
    " JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = "
    "c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2 AND a.attname = name AND a.attnum > 0 AND NOT a.attisdropped)";

static const char *question_for(const tndb_ddl_item *item) {
  switch (item->kind) {
    case TNDB_DDL_TABLE:
    case TNDB_DDL_SEQUENCE:
    case TNDB_DDL_VIEW:
      return relation_sql;
    case TNDB_DDL_INDEX: /* one without a name of its own carries its table's */
      return item->table && strcmp(item->name, item->table) == 0 ? NULL : relation_sql;
    case TNDB_DDL_TYPE:
      return type_sql;
    case TNDB_DDL_FUNCTION:
      return function_sql;
    default:
      return NULL;
  }
}

static tenantdb_status ask(tndb_work *work, plan *todo, tenantdb_error **error) {
  const char *schema = tndb_database_shared_schema(work->db);
  bool asked = false;
  for (size_t i = 0; i < todo->count; i++) {
    const char *sql = question_for(todo->items[i].item);
    const char *values[] = {schema, todo->items[i].item->name};
    todo->items[i].question = sql ? tndb_work_send(work, sql, 2, values) : TNDB_NONE;
    asked = asked || sql;
  }
  return asked ? tndb_work_sync(work, error) : TENANTDB_OK;
}

static const pending *find_table(const plan *todo, const char *table) {
  for (size_t i = 0; table && i < todo->count; i++) {
    if (todo->items[i].item->kind == TNDB_DDL_TABLE && strcmp(todo->items[i].item->name, table) == 0) {
      return &todo->items[i];
    }
  }
  return NULL;
}

/* What has no name to ask for belongs to a table: when that is adopted, it is taken to be as declared. */
static void decide(tndb_work *work, plan *todo) {
  for (size_t i = 0; i < todo->count; i++) {
    pending *one = &todo->items[i];
    if (one->question != TNDB_NONE) {
      one->adopted = PQntuples(tndb_exchange_result(work->conn, one->question)) > 0;
    }
  }
  for (size_t i = 0; i < todo->count; i++) {
    pending *one = &todo->items[i];
    const pending *table = find_table(todo, one->item->table);
    if (one->question == TNDB_NONE && table) {
      one->adopted = table->adopted;
    }
  }
}

static const tenantdb_table *declared_table(const tenantdb_registry *registry, const tndb_ddl_item *item) {
  for (size_t i = 0; i < registry->n_bases; i++) {
    const tenantdb_base *base = registry->bases[i];
    const tndb_entry *entry = strcmp(base->name, item->base) == 0 ? tndb_base_find(base, item->name) : NULL;
    if (entry && entry->table) {
      return entry->table;
    }
  }
  return NULL;
}

tenantdb_status tndb_shared_fits(tndb_work *work, const char *schema, const char *name,
                                 const tenantdb_table *table, bool *fits, tndb_buffer *missing,
                                 tenantdb_error **error) {
  tndb_auto_text_array columns = TNDB_TEXT_ARRAY_INIT;
  for (size_t i = 0; table && i < tndb_table_column_count(table); i++) {
    tndb_text_array_add(&columns, tndb_table_column_name(table, i));
  }
  const char *values[] = {schema, name, tndb_text_array_finish(&columns)};
  PGresult *rows;
  *fits = false;
  if (!values[2]) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_query(work, missing_columns_sql, 3, values, &rows, error);
  if (!status) {
    *fits = PQntuples(rows) == 0;
    if (missing && !*fits) {
      tndb_buffer_append(missing, PQgetvalue(rows, 0, 0));
    }
    PQclear(rows);
  }
  return status;
}

static tenantdb_status check_adopted(tndb_work *work, const tndb_ddl_item *item, tenantdb_error **error) {
  const char *schema = tndb_database_shared_schema(work->db);
  tndb_auto_buffer missing = TNDB_BUFFER_INIT;
  bool fits;
  tenantdb_status status = tndb_shared_fits(work, schema, item->name,
                                            declared_table(work->db->registry, item), &fits, &missing, error);
  if (!status && missing.failed) {
    status = tndb_no_memory(error);
  }
  if (!status && !fits) {
    status = tndb_origin(
        error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SHARED_TABLE_DIFFERS,
        "%s: a table of that name is in schema %s already and has no column %s; it was not touched: "
        "migrate it, or set database.schema to another schema",
        item->place, schema, tndb_buffer_text(&missing));
  }
  return status;
}

/* ---------------------------------------------------------------- doing it */

static tenantdb_status create(tndb_work *work, plan *todo, tenantdb_error **error) {
  for (size_t i = 0; i < todo->count; i++) {
    todo->items[i].place =
        todo->items[i].adopted ? TNDB_NONE : tndb_work_send(work, todo->items[i].item->sql, 0, NULL);
  }
  tenantdb_status status = tndb_work_sync(work, error);
  size_t failed = tndb_exchange_failed(work->conn);
  for (size_t i = 0; status && i < todo->count; i++) {
    if (failed != TNDB_NONE && todo->items[i].place == failed) {
      tndb_error_prefix(error, "%s", todo->items[i].item->place);
    }
  }
  return status;
}

static tenantdb_status write_down(tndb_work *work, const plan *todo, tenantdb_error **error) {
  tndb_auto_text_array hashes = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_text_array bases = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_text_array places = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_text_array adopted = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < todo->count; i++) {
    tndb_text_array_add(&hashes, todo->items[i].hash);
    tndb_text_array_add(&bases, todo->items[i].item->base);
    tndb_text_array_add(&places, todo->items[i].item->place);
    tndb_text_array_add(&adopted, todo->items[i].adopted ? "true" : "false");
  }
  /* unnest() takes several arrays only when it is not qualified. */
  tndb_buffer_format(&sql,
                     "INSERT INTO %sshared_objects (hash, base, place, adopted) SELECT *"
                     " FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[])"
                     " ON CONFLICT (hash) DO NOTHING",
                     work->db->catalog);
  const char *values[] = {tndb_text_array_finish(&hashes), tndb_text_array_finish(&bases),
                          tndb_text_array_finish(&places), tndb_text_array_finish(&adopted)};
  if (sql.failed || !values[0] || !values[1] || !values[2] || !values[3]) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 4, values);
  return tndb_work_sync(work, error);
}

tenantdb_status tndb_shared_create(tndb_work *work, tenantdb_error **error) {
  tndb_ddl ddl = {NULL, 0};
  plan todo = {NULL, 0};
  const char *schema = tndb_database_shared_schema(work->db);
  tenantdb_status status =
      tndb_registry_statements(work->db->registry, TENANTDB_BASE_SHARED, schema, schema, &ddl, error);
  if (!status) {
    status = find_pending(work, &ddl, &todo, error);
  }
  if (!status && todo.count > 0) {
    status = ask(work, &todo, error);
    if (!status) {
      decide(work, &todo);
    }
    for (size_t i = 0; !status && i < todo.count; i++) {
      if (todo.items[i].adopted && todo.items[i].item->kind == TNDB_DDL_TABLE) {
        status = check_adopted(work, todo.items[i].item, error);
      }
    }
    if (!status) {
      status = create(work, &todo, error);
    }
    if (!status) {
      status = write_down(work, &todo, error);
    }
  }
  tndb_free(todo.items);
  tndb_ddl_free(&ddl);
  return status;
}

/* ---------------------------------------------------------------- privileges on shared tables */

static void append_relation(tndb_buffer *sql, const char *schema, const char *name) {
  tndb_quote_identifier(sql, schema);
  tndb_buffer_append_char(sql, '.');
  tndb_quote_identifier(sql, name);
}

/* What one relation's privileges take: revoke what was, grant what is. */
static void send_grants(tndb_work *work, const tndb_relation *relation, const char *group) {
  const char *schema = tndb_database_shared_schema(work->db);
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "REVOKE ALL ON ");
  append_relation(&sql, schema, relation->name);
  tndb_buffer_append(&sql, " FROM ");
  tndb_quote_identifier(&sql, group);
  if (!sql.failed) {
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  if (relation->privileges[0]) {
    tndb_buffer_clear(&sql);
    tndb_buffer_format(&sql, "GRANT %s ON ", relation->privileges);
    append_relation(&sql, schema, relation->name);
    tndb_buffer_append(&sql, " TO ");
    tndb_quote_identifier(&sql, group);
    if (!sql.failed) {
      (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
    }
  }
  tndb_work_fail_if(work, sql.failed);
}

static void send_schema_grants(tndb_work *work, const char *group, bool sequences) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  for (int i = 0; i < (sequences ? 2 : 1); i++) {
    tndb_buffer_clear(&sql);
    tndb_buffer_append(&sql, i == 0 ? "GRANT USAGE ON SCHEMA " : "GRANT USAGE ON ALL SEQUENCES IN SCHEMA ");
    tndb_quote_identifier(&sql, tndb_database_shared_schema(work->db));
    tndb_buffer_append(&sql, " TO ");
    tndb_quote_identifier(&sql, group);
    if (!sql.failed) {
      (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
    }
  }
  tndb_work_fail_if(work, sql.failed);
}

/* The functions that shared bases declare. */
static bool next_function(const tenantdb_registry *registry, size_t *base, size_t *item, const char **name) {
  for (; *base < registry->n_bases; (*base)++, *item = 0) {
    const tenantdb_base *b = registry->bases[*base];
    while (b->kind == TENANTDB_BASE_SHARED && *item < b->n_items) {
      const tndb_item *i = &b->items[(*item)++];
      if (i->kind == TNDB_DDL_FUNCTION && i->name) {
        *name = i->name;
        return true;
      }
    }
  }
  return false;
}

/* Where PUBLIC does not get the right to new functions, tenants need it by their group. */
static tenantdb_status grant_functions(tndb_work *work, const char *group, tenantdb_error **error) {
  static const char statements_sql[] =
      "SELECT pg_catalog.format('GRANT EXECUTE ON ROUTINE %I.%I(%s) TO %I', n.nspname, p.proname,"
      " pg_catalog.oidvectortypes(p.proargtypes), $3::text) FROM pg_catalog.pg_proc p"
      " JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1 AND p.proname = ANY "
      "($2::text[]) AND pg_catalog.pg_has_role(p.proowner, 'USAGE')";
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  const char *name;
  size_t base = 0, item = 0;
  while (next_function(work->db->registry, &base, &item, &name)) {
    tndb_text_array_add(&names, name);
  }
  const char *values[] = {tndb_database_shared_schema(work->db), NULL, group};
  if (names.count == 0) {
    return TENANTDB_OK;
  }
  values[1] = tndb_text_array_finish(&names);
  PGresult *rows;
  tenantdb_status status =
      values[1] ? tndb_work_query(work, statements_sql, 3, values, &rows, error) : tndb_no_memory(error);
  if (status) {
    return status;
  }
  for (int i = 0; i < PQntuples(rows); i++) {
    (void)tndb_work_send(work, PQgetvalue(rows, i, 0), 0, NULL);
  }
  PQclear(rows);
  return TENANTDB_OK;
}

/* The fingerprint of all grants together. */
static void hash_grants(const tenantdb_registry *registry, const tndb_relation *relations, size_t count,
                        char hex[TNDB_SHA256_HEX]) {
  tndb_sha256 hash;
  unsigned char digest[TNDB_SHA256_BYTES];
  tndb_sha256_start(&hash);
  for (size_t i = 0; i < count; i++) {
    tndb_sha256_add(&hash, relations[i].name, strlen(relations[i].name) + 1);
    tndb_sha256_add(&hash, relations[i].privileges, strlen(relations[i].privileges) + 1);
  }
  const char *name;
  size_t base = 0, item = 0;
  while (next_function(registry, &base, &item, &name)) {
    tndb_sha256_add(&hash, name, strlen(name) + 1);
  }
  tndb_sha256_finish(&hash, digest);
  tndb_sha256_hex(digest, sizeof digest, hex);
}

static tenantdb_status grant_all(tndb_work *work, const tndb_relation *relations, size_t count,
                                 const char *group, tenantdb_error **error) {
  bool any = false;
  for (size_t i = 0; i < count; i++) {
    send_grants(work, &relations[i], group);
    any = any || relations[i].privileges[0];
  }
  if (any) {
    send_schema_grants(work, group, tndb_registry_has_serials(work->db->registry, TENANTDB_BASE_SHARED));
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  char hash[TNDB_SHA256_HEX];
  tenantdb_status status = grant_functions(work, group, error);
  if (status) {
    return status;
  }
  hash_grants(work->db->registry, relations, count, hash);
  const char *value = hash;
  tndb_buffer_format(&sql, "UPDATE %scatalog SET grants_hash = $1", work->db->catalog);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 1, &value);
  status = tndb_work_sync(work, error);
  if (status) {
    tndb_error_prefix(error, "granting the shared tables to tenants");
  }
  return status;
}

/* Of relations that migrations are to make, those that they have made. */
static tenantdb_status keep_those_there(tndb_work *work, tndb_relation *relations, size_t *count,
                                        tenantdb_error **error) {
  static const char there_sql[] =
      "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relname = u.name AND c.relnamespace ="
      " (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1))"
      " FROM pg_catalog.unnest($2::text[]) WITH ORDINALITY u (name, ord) ORDER BY u.ord";
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  PGresult *rows;
  size_t kept = 0;
  for (size_t i = 0; i < *count; i++) {
    tndb_text_array_add(&names, relations[i].name);
  }
  const char *values[] = {tndb_database_shared_schema(work->db), tndb_text_array_finish(&names)};
  tenantdb_status status =
      values[1] ? tndb_work_query(work, there_sql, 2, values, &rows, error) : tndb_no_memory(error);
  if (status) {
    return status;
  }
  for (size_t i = 0; i < *count; i++) {
    if (PQgetvalue(rows, (int)i, 0)[0] == 't') {
      relations[kept++] = relations[i];
    }
  }
  *count = kept;
  PQclear(rows);
  return TENANTDB_OK;
}

tenantdb_status tndb_shared_grant(tndb_work *work, const tndb_catalog_row *row, tenantdb_error **error) {
  if (!row->group_role[0]) {
    return TENANTDB_OK;
  }
  const tenantdb_registry *registry = work->db->registry;
  size_t count = tndb_registry_relations(registry, TENANTDB_BASE_SHARED, NULL, 0);
  tndb_relation *relations = tndb_alloc_array(count + 1, sizeof *relations);
  if (!relations) {
    return tndb_no_memory(error);
  }
  (void)tndb_registry_relations(registry, TENANTDB_BASE_SHARED, relations, count);
  char hash[TNDB_SHA256_HEX];
  tenantdb_status status = keep_those_there(work, relations, &count, error);
  hash_grants(registry, relations, count, hash);
  if (!status && strcmp(hash, row->grants_hash) != 0) {
    status = grant_all(work, relations, count, row->group_role, error);
  }
  tndb_free(relations);
  return status;
}
