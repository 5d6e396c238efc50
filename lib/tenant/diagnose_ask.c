/* SPDX-License-Identifier: PostgreSQL */
/* Asking the questions of a diagnosis. */
#include <string.h>

#include "base/memory.h"
#include "catalog/definition.h"
#include "pg/exchange.h"
#include "pg/failure.h"
#include "registry/registry.h"
#include "tenant/diagnose.h"

static const char head_sql[] =
    "WITH a AS MATERIALIZED (SELECT $1::uuid AS tenant, $2::text AS shared, $3::text AS catalog, $4::text AS"
    " extensions, $5::text AS grp, $6::integer AS level, $7::text[] AS tables, $8::text[] AS shared_tables,"
    " $9::text[] AS shared_rights, $10::text AS tail, $11::bigint AS idle_ms, $12::bigint AS connections,"
    " $13::text[] AS catalog_tables, $14::boolean AS ready)";
static const char tenants_sql[] =
    ", t AS MATERIALIZED (SELECT x.id, x.slug, x.schema_name, x.role_name, x.state, x.credential,"
    " n.oid AS schema, n.nspowner AS owner, r.oid AS role FROM {c}tenants x"
    " LEFT JOIN pg_namespace n ON n.nspname = x.schema_name LEFT JOIN pg_roles r ON r.rolname = x.role_name"
    " WHERE x.state IN ('active', 'suspended', 'archived')),"
    " m AS (SELECT t.* FROM t, a WHERE a.tenant IS NULL OR t.id = a.tenant)";

enum { N_VALUES = 14 };

/* The row that questions know as `a`. */
typedef struct facts {
  tndb_text_array tables;
  tndb_text_array shared_tables;
  tndb_text_array shared_rights;
  tndb_text_array catalog_tables;
  tndb_buffer path;
  tndb_buffer numbers[3];
  const char *values[N_VALUES];
} facts;

static void facts_free(facts *f) {
  tndb_text_array_free(&f->tables);
  tndb_text_array_free(&f->shared_tables);
  tndb_text_array_free(&f->shared_rights);
  tndb_text_array_free(&f->catalog_tables);
  tndb_buffer_free(&f->path);
  for (size_t i = 0; i < 3; i++) {
    tndb_buffer_free(&f->numbers[i]);
  }
}

static bool read_relations(const tenantdb_registry *registry, int32_t kind, tndb_text_array *names,
                           tndb_text_array *rights) {
  size_t count = tndb_registry_relations(registry, kind, NULL, 0);
  tndb_relation *relations = tndb_alloc_array(count + 1, sizeof *relations);
  if (!relations) {
    return false;
  }
  (void)tndb_registry_relations(registry, kind, relations, count);
  for (size_t i = 0; i < count; i++) {
    tndb_text_array_add(names, relations[i].name);
    if (rights) {
      tndb_text_array_add(rights, relations[i].privileges);
    }
  }
  tndb_free(relations);
  return true;
}

static bool facts_read(facts *f, const tndb_diagnosis *d) {
  const tenantdb_config *config = d->db->config;
  const tenantdb_registry *registry = d->db->registry;
  bool read = read_relations(registry, TENANTDB_BASE_TENANT, &f->tables, NULL) &&
              read_relations(registry, TENANTDB_BASE_SHARED, &f->shared_tables, &f->shared_rights);
  for (const char *const *name = tndb_catalog_tables; *name; name++) {
    tndb_text_array_add(&f->catalog_tables, *name);
  }
  tndb_path_append(&f->path, d->db, "");
  const int64_t numbers[] = {
      d->db->level, tndb_config_number(config, TNDB_DIAGNOSE_IDLE_IN_TRANSACTION),
      tndb_config_number(config, TNDB_POOL_SIZE) + tndb_config_number(config, TNDB_POOL_OVERFLOW)};
  for (size_t i = 0; i < 3; i++) {
    tndb_buffer_format(&f->numbers[i], "%lld", (long long)numbers[i]);
    read = read && !f->numbers[i].failed;
  }
  const char *values[N_VALUES] = {d->id[0] ? d->id : NULL,
                                  tndb_database_shared_schema(d->db),
                                  tndb_config_text(config, TNDB_CATALOG_SCHEMA),
                                  tndb_config_text(config, TNDB_EXTENSIONS_SCHEMA),
                                  d->row.group_role,
                                  tndb_buffer_text(&f->numbers[0]),
                                  tndb_text_array_finish(&f->tables),
                                  tndb_text_array_finish(&f->shared_tables),
                                  tndb_text_array_finish(&f->shared_rights),
                                  read && !f->path.failed ? tndb_buffer_text(&f->path) + 2 : NULL,
                                  tndb_buffer_text(&f->numbers[1]),
                                  tndb_buffer_text(&f->numbers[2]),
                                  tndb_text_array_finish(&f->catalog_tables),
                                  d->ready ? "true" : "false"};
  memcpy(f->values, values, sizeof values);
  for (size_t i = 1; i < N_VALUES; i++) {
    read = read && values[i];
  }
  return read;
}

/* ---------------------------------------------------------------- the questions */

static void append_sql(tndb_buffer *sql, const tenantdb *db, const char *text) {
  for (const char *mark; (mark = strstr(text, "{c}")); text = mark + 3) {
    tndb_buffer_append_n(sql, text, (size_t)(mark - text));
    tndb_buffer_append(sql, db->catalog);
  }
  tndb_buffer_append(sql, text);
}

static bool can_be_asked(const tndb_diagnosis *d, const tndb_question *q) {
  return (d->ready || !q->tenants) && (!d->tenant || q->single) &&
         (!q->roles || d->db->level >= TENANTDB_ISOLATION_ROLE);
}

static void send_question(const tndb_diagnosis *d, const tndb_question *q, const facts *f) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  bool cte = q->sql[0] == ',';
  append_sql(&sql, d->db, head_sql);
  if (q->tenants) {
    append_sql(&sql, d->db, tenants_sql);
  }
  tndb_buffer_append(&sql, cte ? "" : " ");
  append_sql(&sql, d->db, q->sql);
  if (sql.failed) {
    d->conn->send_failed = true;
    d->conn->no_room = true;
    return;
  }
  (void)tndb_exchange_send_text(d->conn, tndb_buffer_text(&sql), N_VALUES, f->values);
}

static void send_beginning(const tndb_diagnosis *d) {
  (void)tndb_exchange_send(d->conn, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", NULL);
  (void)tndb_exchange_send(d->conn, "SET LOCAL search_path TO pg_catalog, pg_temp", NULL);
  (void)tndb_exchange_send(d->conn, "SET LOCAL lock_timeout TO '1s'", NULL);
  (void)tndb_exchange_send(d->conn, "SET LOCAL jit TO off", NULL); /* costs more than such queries */
}

enum { BEGINNING = 4 };

static tenantdb_status read_answer(tndb_diagnosis *d, const PGresult *rows, tenantdb_error **error) {
  for (int row = 0; row < PQntuples(rows); row++) {
    const char *cell[TNDB_ANSWER_SQL + 1];
    for (int i = 0; i <= TNDB_ANSWER_SQL; i++) {
      cell[i] = PQgetisnull(rows, row, i) ? NULL : PQgetvalue(rows, row, i);
    }
    tndb_auto_buffer ddl = TNDB_BUFFER_INIT;
    if (strcmp(cell[TNDB_ANSWER_CODE], "table-missing") == 0) {
      tenantdb_status status = tndb_diagnose_ddl(d, rows, row, &ddl, error);
      if (status) {
        return status;
      }
      cell[TNDB_ANSWER_SQL] = ddl.length ? tndb_buffer_text(&ddl) : NULL;
    }
    tndb_findings_add(&d->findings, &(tndb_finding){.code = cell[TNDB_ANSWER_CODE],
                                                    .tenant = cell[TNDB_ANSWER_TENANT],
                                                    .object = cell[TNDB_ANSWER_OBJECT],
                                                    .found = cell[TNDB_ANSWER_FOUND],
                                                    .sql = cell[TNDB_ANSWER_SQL]});
  }
  return d->findings.failed ? tndb_no_memory(error) : TENANTDB_OK;
}

static tenantdb_status note_refusal(tndb_diagnosis *d, const tndb_question *q, const PGresult *result,
                                    tenantdb_error **error) {
  tndb_auto_error *own = NULL;
  if (tndb_failure_of_result(result, &own) == TENANTDB_MEMORY) {
    return tndb_no_memory(error);
  }
  tndb_findings_add(
      &d->findings,
      &(tndb_finding){.code = "cannot-look", .object = q->about, .found = tenantdb_error_message(own)});
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- asking */

/*
 * Ask from *next on, in one flush. The question that fails ends it: *next is
 * then the one behind it, and what came before is answered.
 */
static tenantdb_status ask_some(tndb_diagnosis *d, const tndb_question *const *questions, size_t count,
                                const facts *f, size_t *next, tenantdb_error **error) {
  tndb_exchange_begin(d->conn);
  send_beginning(d);
  for (size_t i = *next; i < count; i++) {
    send_question(d, questions[i], f);
  }
  (void)tndb_exchange_send(d->conn, "COMMIT", NULL);
  tenantdb_status status = tndb_exchange_finish(d->conn, d->deadline, error);
  if (status) {
    return status;
  }
  size_t failed = tndb_exchange_failed(d->conn);
  if (failed != TNDB_NONE && (failed < BEGINNING || failed - BEGINNING >= count - *next)) {
    return tndb_exchange_check(d->conn, error);
  }
  size_t end = failed == TNDB_NONE ? count - *next : failed - BEGINNING;
  for (size_t i = 0; !status && i < end; i++) {
    status = read_answer(d, tndb_exchange_result(d->conn, BEGINNING + i), error);
  }
  if (!status && failed != TNDB_NONE) {
    status = note_refusal(d, questions[*next + end], tndb_exchange_result(d->conn, failed), error);
  }
  *next += end + (failed != TNDB_NONE);
  return status;
}

static size_t choose(const tndb_diagnosis *d, const tndb_question **chosen, size_t room) {
  const struct {
    const tndb_question *questions;
    size_t count;
  } groups[] = {{tndb_questions_schema, tndb_n_questions_schema},
                {tndb_questions_object, tndb_n_questions_object},
                {tndb_questions_role, tndb_n_questions_role},
                {tndb_questions_grant, tndb_n_questions_grant},
                {tndb_questions_migration, tndb_n_questions_migration},
                {tndb_questions_server, tndb_n_questions_server}};
  size_t count = 0;
  for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
    for (size_t i = 0; i < groups[g].count && count < room; i++) {
      if (can_be_asked(d, &groups[g].questions[i])) {
        chosen[count++] = &groups[g].questions[i];
      }
    }
  }
  return count;
}

tenantdb_status tndb_diagnose_ask(tndb_diagnosis *d, tenantdb_error **error) {
  const tndb_question *chosen[64];
  size_t count = choose(d, chosen, 64), next = 0;
  facts f = {.tables = TNDB_TEXT_ARRAY_INIT};
  tenantdb_status status = facts_read(&f, d) ? TENANTDB_OK : tndb_no_memory(error);
  while (!status && next < count) {
    status = ask_some(d, chosen, count, &f, &next, error);
    if (!d->conn->dead && !tndb_conn_is_idle(d->conn)) {
      tenantdb_status over = tndb_exchange_rollback(d->conn, d->deadline, status ? NULL : error);
      status = status ? status : over;
    }
  }
  facts_free(&f);
  return status;
}
