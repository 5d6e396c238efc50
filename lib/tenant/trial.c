/* SPDX-License-Identifier: PostgreSQL */
/*
 * Plans: what DDL does, measured instead of guessed.
 *
 * The script is run in a transaction that is rolled back, and behind each
 * statement the locks of the own connection are read, and the files of the
 * relations they are on. What was there before is asked afterwards, when all
 * is rolled back; a relation that is not known then is the script's own, and
 * its locks are nobody's trouble.
 *
 * Without a tenant it needs tables to work on whose locks are not held already.
 * Those who made them in the same transaction would hold all there are, so the
 * scratch schema is made in a transaction of its own, committed, and dropped in
 * the end. Should the process die between, it is left: tenantdb_diagnose() finds
 * it (scratch-left), and its name says whose it was.
 */
#include "tenant/trial.h"

#include <string.h>
#include <tenantdb/plan.h>

#include "base/memory.h"
#include "catalog/tenants.h"
#include "registry/registry.h"
#include "sql/classify.h"
#include "sql/identifier.h"
#include "sql/splitter.h"
#include "tenant/trial_outside.h"

/* Others wait behind who waits for a strong lock, so it is not for long. */
#define LOCK_TIMEOUT_MS 500

/* ---------------------------------------------------------------- the script */

static tenantdb_status check_statement(const char *sql, int32_t line, tenantdb_error **error) {
  const char *word = NULL;
  if (tndb_sql_is_transaction_control(sql, &word)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_TRANSACTION_CONTROL,
                       "line %d: %s: a plan is made in one transaction, which is rolled back", (int)line,
                       word ? word : "a statement that begins or ends a transaction");
  }
  if (tndb_sql_is_client_copy(sql)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "line %d: COPY from or to the client cannot be planned", (int)line);
  }
  return TENANTDB_OK;
}

static tenantdb_status add_step(tndb_trial *trial, const tndb_piece *piece, tenantdb_error **error) {
  tndb_trial_step *grown = tndb_realloc(trial->steps, (trial->count + 1) * sizeof *grown);
  if (!grown) {
    return tndb_no_memory(error);
  }
  trial->steps = grown;
  tndb_trial_step *step = &grown[trial->count++];
  *step = (tndb_trial_step){.sql = tndb_strndup(piece->text, piece->length), .line = piece->line};
  if (!step->sql) {
    return tndb_no_memory(error);
  }
  tndb_buffer locks = TNDB_BUFFER_INIT;
  step->outside = tndb_trial_is_outside(piece->text, piece->length, &locks);
  step->locks = step->outside ? tndb_buffer_take(&locks) : NULL;
  tndb_buffer_free(&locks);
  return step->outside && !step->locks ? tndb_no_memory(error)
                                       : check_statement(step->sql, step->line, error);
}

static tenantdb_status split(tndb_trial *trial, const char *script, tenantdb_error **error) {
  tndb_splitter splitter;
  tndb_piece piece;
  tenantdb_status status = TENANTDB_OK;
  tndb_splitter_start(&splitter, script, strlen(script), false);
  while (!status && tndb_splitter_next(&splitter, &piece)) {
    status = add_step(trial, &piece, error);
  }
  if (!status && splitter.lexer.mistake) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SQL_SYNTAX, "line %d: %s",
                         (int)splitter.mistake_line, splitter.lexer.mistake);
  }
  return status;
}

static void trial_free(tndb_trial *trial) {
  for (size_t i = 0; i < trial->count; i++) {
    tndb_free(trial->steps[i].sql);
    tndb_free(trial->steps[i].locks);
    tndb_free(trial->steps[i].problem);
    PQclear(trial->steps[i].after);
  }
  tndb_free(trial->steps);
  tndb_free(trial->schema);
  PQclear(trial->start);
  PQclear(trial->known);
}

/* ---------------------------------------------------------------- where */

/* The scratch schema with what the registry declares, committed. */
static tenantdb_status make_scratch(tndb_trial *trial, tenantdb *db, tenantdb_error **error) {
  tndb_ddl ddl = {NULL, 0};
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_work *work = &trial->work;
  tenantdb_status status = tndb_work_start(work, db, "plan", true, error);
  if (!status) {
    tndb_buffer_format(&sql, "tenantdb_scratch_%s", work->operation);
    trial->schema = tndb_buffer_take(&sql);
    status = trial->schema ? TENANTDB_OK : tndb_no_memory(error);
  }
  if (!status) {
    status = tndb_registry_statements(db->registry, TENANTDB_BASE_TENANT, trial->schema,
                                      tndb_database_shared_schema(db), &ddl, error);
  }
  if (!status) {
    tndb_buffer_append(&sql, "CREATE SCHEMA ");
    tndb_quote_identifier(&sql, trial->schema);
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
    status = tndb_work_set_path(work, trial->schema, error);
  }
  for (size_t i = 0; !status && i < ddl.count; i++) {
    (void)tndb_work_send(work, ddl.items[i].sql, 0, NULL);
  }
  if (!status) {
    status = tndb_work_sync(work, error);
  }
  if (!status) {
    status = tndb_work_commit(work, error);
  }
  if (status) {
    tndb_error_prefix(error, "making a scratch schema of the registry's tables");
  }
  tndb_work_end(work);
  tndb_ddl_free(&ddl);
  return status;
}

/* It is ours alone, so that dropping it cannot fail for anybody's sake. */
static tenantdb_status drop_scratch(tndb_trial *trial, tenantdb *db, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_work work;
  tenantdb_status status = tndb_work_start(&work, db, "plan", true, error);
  if (!status) {
    tndb_buffer_append(&sql, "DROP SCHEMA IF EXISTS ");
    tndb_quote_identifier(&sql, trial->schema);
    tndb_buffer_append(&sql, " CASCADE");
    tndb_work_fail_if(&work, sql.failed);
    (void)tndb_work_send(&work, tndb_buffer_text(&sql), 0, NULL);
    status = tndb_work_commit(&work, error);
  }
  tndb_work_end(&work);
  return status;
}

static tenantdb_status find_schema(tndb_trial *trial, const char *name, tenantdb_error **error) {
  tenantdb_tenant *tenant;
  tndb_work *work = &trial->work;
  tenantdb_status status = tndb_work_sync(work, error);
  if (!status) {
    status = tndb_tenant_read(work->db, work->conn, name, false, work->deadline, &tenant, error);
  }
  if (status) {
    return status;
  }
  bool has = tenant->state == TENANTDB_TENANT_ACTIVE || tenant->state == TENANTDB_TENANT_SUSPENDED ||
             tenant->state == TENANTDB_TENANT_ARCHIVED;
  trial->schema = has ? tndb_strdup(tenant->schema) : NULL;
  if (!has) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE,
                         "tenant %s is %s and has no schema to plan in", tenant->slug,
                         tndb_tenant_state_name(tenant->state));
  } else if (!trial->schema) {
    status = tndb_no_memory(error);
  }
  tenantdb_tenant_free(tenant);
  return status;
}

/* ---------------------------------------------------------------- measuring */

static tenantdb_status prepare(tndb_trial *trial, tenantdb_error **error) {
  static const char budget_sql[] =
      "SELECT pg_catalog.set_config('lock_timeout', least($1::bigint, $2::bigint)::text, true),"
      " current_setting('max_locks_per_transaction')::bigint * (current_setting('max_connections')::bigint"
      " + current_setting('max_prepared_transactions')::bigint)";
  tndb_work *work = &trial->work;
  tndb_auto_buffer patience = TNDB_BUFFER_INIT;
  tndb_auto_buffer limit = TNDB_BUFFER_INIT;
  const char *schema = trial->schema;
  PGresult *rows;
  tndb_buffer_format(&limit, "%d", LOCK_TIMEOUT_MS);
  tndb_buffer_format(&patience, "%lld",
                     (long long)tndb_config_number(work->db->config, TNDB_OPERATION_LOCK_TIMEOUT));
  tndb_work_fail_if(work, limit.failed || patience.failed);
  const char *values[] = {tndb_buffer_text(&limit), tndb_buffer_text(&patience)};
  tenantdb_status status = tndb_work_query(work, budget_sql, 2, values, &rows, error);
  if (status) {
    return status;
  }
  bool read = tndb_number_parse(PQgetvalue(rows, 0, 1), &trial->budget);
  PQclear(rows);
  if (!read) {
    return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_PROTOCOL,
                       "the server has no number of locks");
  }
  status = tndb_work_set_path(work, trial->schema, error);
  /* Asked twice: the query takes locks itself, and the first answer does not have them all. */
  (void)tndb_work_send(work, tndb_trial_locks_sql, 1, &schema);
  return status ? status : tndb_work_query(work, tndb_trial_locks_sql, 1, &schema, &trial->start, error);
}

static tenantdb_status measure(tndb_trial *trial, tenantdb_error **error) {
  tndb_work *work = &trial->work;
  const char *schema = trial->schema;
  for (size_t i = 0; i < trial->count; i++) {
    tndb_trial_step *step = &trial->steps[i];
    if (step->outside) {
      continue;
    }
    tndb_auto_error *own = NULL;
    step->tried = true;
    (void)tndb_work_send(work, step->sql, 0, NULL);
    tenantdb_status status = tndb_work_query(work, tndb_trial_locks_sql, 1, &schema, &step->after, &own);
    if (status && (work->conn->dead || status == TENANTDB_MEMORY)) {
      tenantdb_error *raised = own;
      own = NULL;
      return tndb_error_pass(error, raised);
    }
    if (status) {
      step->problem = tndb_strdup(tenantdb_error_message(own));
      return step->problem ? TENANTDB_OK : tndb_no_memory(error);
    }
  }
  return TENANTDB_OK;
}

/* Everything is undone, and only then one can tell what was there before. */
static tenantdb_status undo(tndb_trial *trial, tenantdb_error **error) {
  tndb_work *work = &trial->work;
  tndb_auto_buffer oids = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_exchange_rollback(work->conn, work->deadline, error);
  if (status) {
    return status;
  }
  work->begun = false;
  if (!tndb_trial_oids(trial, &oids)) {
    return tndb_no_memory(error);
  }
  const char *texts[] = {tndb_buffer_text(&oids), trial->schema};
  tndb_values values = {.count = 2, .values = texts};
  return tndb_exchange_single(work->conn, tndb_trial_known_sql, &values, work->deadline, &trial->known,
                              error);
}

static tenantdb_status run(tndb_trial *trial, tenantdb *db, const char *tenant, tenantdb_error **error) {
  tenantdb_status status = tndb_work_start(&trial->work, db, "plan", true, error);
  if (!status && tenant) {
    status = find_schema(trial, tenant, error);
  }
  if (!status) {
    status = prepare(trial, error);
  }
  if (!status) {
    status = measure(trial, error);
  }
  if (!status) {
    status = undo(trial, error);
  }
  tndb_work_end(&trial->work);
  return status;
}

tenantdb_status tenantdb_plan(tenantdb *db, const char *tenant, const char *script, tenantdb_result **steps,
                              tenantdb_error **error) {
  tndb_error_reset(error);
  if (steps) {
    *steps = NULL;
  }
  if (!script || !steps) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       script ? "steps" : "script");
  }
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tndb_trial trial = {.count = 0};
  status = split(&trial, script, error);
  if (!status && !tenant) {
    status = make_scratch(&trial, db, error);
  }
  if (!status) {
    status = run(&trial, db, tenant, error);
  }
  if (!tenant && trial.schema) {
    tenantdb_status dropped = drop_scratch(&trial, db, status ? NULL : error);
    status = status ? status : dropped;
  }
  if (!status) {
    status = tndb_trial_table(&trial, steps, error);
  } else if (tenant) {
    tndb_error_set_tenant(error, tenant);
  }
  trial_free(&trial);
  return status;
}
