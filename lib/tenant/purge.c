/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/purge.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "sql/identifier.h"
#include "tenant/access.h"
#include "tenant/elsewhere.h"
#include "tenant/provision.h"
#include "tenant/transition.h"
#include "tenant/view.h"

#define BATCH "100"
#define MOST_LOST 3 /* connections, before a purge gives up */

/* One owner's part of a purge. */
typedef struct purge {
  tenantdb *db;
  char id[TNDB_UUID_TEXT];
  char *schema;
  char *role;
  char credential[TNDB_UUID_TEXT];
  char owner[TNDB_UUID_TEXT];
  char operation[TNDB_UUID_TEXT];
} purge;

static int64_t lease_ms(const tenantdb *db) {
  return tndb_config_number(db->config, TNDB_OPERATION_LEASE);
}

/* Queue a statement of the catalog's whose text holds one %s for the catalog's schema. */
static size_t send_catalog(tndb_work *work, const char *before, const char *after, int32_t count,
                           const char *const *values) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, before);
  tndb_buffer_append(&sql, work->db->catalog);
  tndb_buffer_append(&sql, after);
  if (sql.failed) {
    tndb_work_fail_if(work, true);
    return TNDB_NONE;
  }
  return tndb_work_send(work, tndb_buffer_text(&sql), count, values);
}

static tenantdb_status held_by_other(const char *what, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_OPERATION_HELD,
                     "somebody else is purging tenant %s; when he dies his lease runs out and "
                     "tenantdb_reconcile() goes on",
                     what);
}

static void tell_purged(tenantdb *db, const char *tenant, const char *message) {
  tndb_config_write_event(
      db->config, &(tndb_event){.kind = TNDB_EVENT_TENANT_PURGED, .tenant = tenant, .message = message});
}

/* ---------------------------------------------------------------- beginning */

static void format_lease(tndb_buffer *text, const tenantdb *db) {
  tndb_buffer_format(text, "%lld milliseconds", (long long)lease_ms(db));
}

/* A new operation, owned by us. */
static void queue_operation(tndb_work *work, const purge *job) {
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  format_lease(&lease, job->db);
  const char *values[] = {job->operation, job->id, job->owner, tndb_buffer_text(&lease)};
  tndb_work_fail_if(work, lease.failed);
  (void)send_catalog(work, "INSERT INTO ",
                     "operations (id, tenant_id, kind, state, owner, lease_until)"
                     " VALUES ($1, $2, 'purge', 'running', $3, now() + $4::text::interval)",
                     4, values);
}

static void queue_audit(tndb_work *work, const purge *job, const char *action, const char *from,
                        const char *to) {
  const char *values[] = {job->operation, job->id, action, from, to};
  (void)send_catalog(
      work, "INSERT INTO ",
      "audit (operation_id, tenant_id, action, from_state, to_state) VALUES ($1, $2, $3, $4, $5)", 5, values);
}

/* Whether there are a schema and a role to be closed: what somebody has dropped already is no obstacle. */
static tenantdb_status can_shut(tndb_work *work, const tenantdb_tenant *tenant, bool *can,
                                tenantdb_error **error) {
  static const char both_sql[] =
      "SELECT 1 FROM pg_catalog.pg_namespace n, pg_catalog.pg_roles r WHERE n.nspname = $1 AND r.rolname = "
      "$2";
  const char *values[] = {tenant->schema, tenant->role};
  PGresult *rows;
  *can = tenant->role[0] && tenant->state == TENANTDB_TENANT_ACTIVE;
  tenantdb_status status = *can ? tndb_work_query(work, both_sql, 2, values, &rows, error) : TENANTDB_OK;
  if (*can && !status) {
    *can = PQntuples(rows) == 1;
    PQclear(rows);
  }
  return status;
}

/* What else has an operation that runs is a move (tenant/move.h). */
static tenantdb_status explain_running(const tenantdb_tenant *tenant, tenantdb_status status,
                                       tenantdb_error **error) {
  return error && strcmp(tenantdb_error_constraint(*error), "operations_running_key") == 0
             ? tndb_origin(
                   error, TENANTDB_STATE, TENANTDB_REASON_MOVE_OPEN,
                   "tenant %s is being moved to another database: let tenantdb_tenant_move() finish, or "
                   "tenantdb_tenant_move_undo() give it up, before he is purged",
                   tenant->slug)
             : status;
}

/* The tenant's state becomes deleting, and nobody can use it any more. */
static tenantdb_status begin_purge(tndb_work *work, purge *job, const tenantdb_tenant *tenant,
                                   tenantdb_error **error) {
  bool shut = false;
  tenantdb_status status = tndb_elsewhere_check(work, tenant->role, error);
  if (!status) {
    status = can_shut(work, tenant, &shut, error);
  }
  if (status) {
    return status;
  }
  memcpy(job->operation, work->operation, sizeof job->operation);
  (void)tndb_change_update(work, tenant, "state = 'deleting'", NULL);
  queue_operation(work, job);
  queue_audit(work, job, "purge", tndb_tenant_state_name(tenant->state), "deleting");
  if (shut) {
    tndb_access_shut(work, tenant->schema, tenant->role);
  }
  work->recorded = true; /* the operation's row is what tells whether this was committed */
  tenantdb_error *own = NULL;
  status = tndb_work_commit(work, &own);
  status = status ? explain_running(tenant, status, &own) : status;
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* Of a tenant that never had a schema there is nothing to drop: another may have one of that name. */
static tenantdb_status delete_pending(tndb_work *work, const tenantdb_tenant *tenant,
                                      tenantdb_error **error) {
  (void)tndb_change_update(work, tenant, "state = 'deleted', deleted_at = now(), purge_after = NULL", NULL);
  tndb_record what = {tenant->id, "purge", "pending", "deleted", NULL, NULL, NULL};
  tndb_work_record(work, &what);
  return tndb_work_commit(work, error);
}

/* Take over an operation whose lease has run out. */
static tenantdb_status take_over(tndb_work *work, purge *job, tenantdb_error **error) {
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  format_lease(&lease, job->db);
  const char *values[] = {job->id, job->owner, tndb_buffer_text(&lease)};
  tndb_work_fail_if(work, lease.failed);
  size_t place = send_catalog(work, "UPDATE ",
                              "operations SET owner = $2, lease_until = now() + $3::text::interval,"
                              " attempts = attempts + 1 WHERE tenant_id = $1 AND state = 'running'"
                              " AND lease_until < now() RETURNING id",
                              3, values);
  tenantdb_status status = tndb_work_sync(work, error);
  if (status) {
    return status;
  }
  PGresult *row = tndb_exchange_result(work->conn, place);
  if (PQntuples(row) != 1) {
    return held_by_other(job->id, error);
  }
  memcpy(job->operation, PQgetvalue(row, 0, 0), sizeof job->operation);
  status = tndb_work_commit(work, error);
  /* Of the tenant nothing is in doubt, only whose the lease is: it runs out. */
  return status == TENANTDB_UNKNOWN
             ? tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST)
             : status;
}

/* ---------------------------------------------------------------- a batch */

static const char tables_sql[] =
    "SELECT pg_catalog.quote_ident(c.relname), c.relkind FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind IN ('r', "
    "'p', 'f')"
    " ORDER BY c.relispartition DESC, c.relkind DESC, c.relname LIMIT " BATCH;

static const char marked_sql[] =
    "SELECT pg_catalog.obj_description(n.oid, 'pg_namespace') FROM pg_catalog.pg_namespace n WHERE n.nspname "
    "= $1";

/*
 * Begin a transaction and make sure that the operation is still ours. *done: it
 * is, and it is over; only the answer to the last COMMIT had been lost.
 */
static tenantdb_status start_step(tndb_work *work, const purge *job, bool *done, tenantdb_error **error) {
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  tndb_auto_buffer lease = TNDB_BUFFER_INIT;
  tndb_buffer_append(&lock, "tenant:");
  tndb_buffer_append(&lock, job->id);
  format_lease(&lease, job->db);
  *work = (tndb_work){0};
  if (lock.failed || lease.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_start(work, job->db, tndb_buffer_text(&lock), true, error);
  if (status) {
    return status;
  }
  const char *values[] = {job->operation, job->owner, tndb_buffer_text(&lease)};
  size_t place = send_catalog(work, "UPDATE ",
                              "operations SET lease_until = now() + $3::text::interval"
                              " WHERE id = $1 AND owner = $2 AND state = 'running'",
                              3, values);
  size_t over = send_catalog(work, "SELECT 1 FROM ",
                             "operations WHERE id = $1 AND owner = $2 AND state = 'done'", 2, values);
  status = tndb_work_sync(work, error);
  if (!status && strcmp(PQcmdTuples(tndb_exchange_result(work->conn, place)), "1") != 0) {
    *done = PQntuples(tndb_exchange_result(work->conn, over)) == 1;
    status = *done ? TENANTDB_OK : held_by_other(job->id, error);
  }
  return status;
}

/* The mark says that provisioning made the schema. Without it, nothing of it is touched. */
static tenantdb_status check_mark(tndb_work *work, const purge *job, bool *there, tenantdb_error **error) {
  PGresult *rows;
  tndb_auto_buffer mark = TNDB_BUFFER_INIT;
  const char *schema = job->schema;
  tndb_provision_mark(&mark, job->id);
  tenantdb_status status = tndb_work_query(work, marked_sql, 1, &schema, &rows, error);
  if (status) {
    return status;
  }
  *there = PQntuples(rows) == 1;
  if (*there && strcmp(PQgetvalue(rows, 0, 0), tndb_buffer_text(&mark)) != 0) {
    status =
        tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_SCHEMA_TAKEN,
                    "schema %s does not carry the mark \"%s\" as its comment, so it is not dropped: set the "
                    "comment if it is the tenant's, or drop the schema by hand",
                    job->schema, tndb_buffer_text(&mark));
  }
  PQclear(rows);
  return mark.failed ? tndb_no_memory(error) : status;
}

/* Drop up to a hundred tables; *more tells whether there may be others. */
static tenantdb_status drop_tables(tndb_work *work, const purge *job, bool *more, tenantdb_error **error) {
  PGresult *rows;
  const char *schema = job->schema;
  tenantdb_status status = tndb_work_query(work, tables_sql, 1, &schema, &rows, error);
  if (status) {
    return status;
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  int count = PQntuples(rows);
  for (int i = 0; i < count; i++) {
    bool foreign = PQgetvalue(rows, i, 1)[0] == 'f';
    tndb_buffer_clear(&sql);
    tndb_buffer_append(&sql, foreign ? "DROP FOREIGN TABLE " : "DROP TABLE IF EXISTS ");
    tndb_quote_identifier(&sql, job->schema);
    tndb_buffer_append_char(&sql, '.');
    tndb_buffer_append(&sql, PQgetvalue(rows, i, 0));
    tndb_buffer_append(&sql, " CASCADE");
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  PQclear(rows);
  *more = count > 0;
  return count > 0 ? tndb_work_commit(work, error) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- the end */

static tenantdb_status finish(tndb_work *work, const purge *job, bool schema_there, tenantdb_error **error) {
  static const char role_sql[] = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1";
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *role = job->role;
  PGresult *rows;
  tenantdb_status status = tndb_work_query(work, role_sql, 1, &role, &rows, error);
  if (status) {
    return status;
  }
  bool role_there = PQntuples(rows) == 1;
  PQclear(rows);
  if (schema_there) {
    tndb_buffer_append(&sql, "DROP SCHEMA ");
    tndb_quote_identifier(&sql, job->schema);
    tndb_buffer_append(&sql, " CASCADE");
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  if (role_there) {
    tndb_access_drop_role(work, job->role);
  }
  const char *values[] = {job->id};
  const char *operation[] = {job->operation};
  (void)send_catalog(work, "UPDATE ",
                     "tenants SET state = 'deleted', generation = generation + 1, updated_at = now(),"
                     " deleted_at = now(), purge_after = NULL WHERE id = $1 AND state = 'deleting'",
                     1, values);
  (void)send_catalog(work, "DELETE FROM ", "migrations WHERE tenant_id = $1", 1, values);
  (void)send_catalog(work, "UPDATE ",
                     "operations SET state = 'done', finished_at = now(), lease_until = NULL WHERE id = $1",
                     1, operation);
  queue_audit(work, job, "purged", "deleting", "deleted");
  return tndb_work_commit(work, error);
}

/* One step. *done tells that it was the last. */
static tenantdb_status step(const purge *job, bool *done, tenantdb_error **error) {
  tndb_work work;
  bool there = false, more = false;
  tenantdb_status status = start_step(&work, job, done, error);
  if (!status && !*done) {
    status = check_mark(&work, job, &there, error);
  }
  if (!status && there) {
    status = drop_tables(&work, job, &more, error);
  }
  if (!status && !more && !*done) {
    status = finish(&work, job, there, error);
    *done = status == TENANTDB_OK;
  }
  tndb_work_end(&work);
  return status;
}

/*
 * A lost connection or an unknown outcome is no harm: the next step looks again
 * at what is there. A server that stays away is not waited for.
 */
static tenantdb_status run(const purge *job, tenantdb_error **error) {
  bool done = false;
  tenantdb_status status = TENANTDB_OK;
  for (int lost = 0; !status && !done;) {
    tenantdb_error *own = NULL;
    status = step(job, &done, &own);
    if ((status == TENANTDB_CONNECTION || status == TENANTDB_UNKNOWN) && lost++ < MOST_LOST) {
      tenantdb_error_free(own);
      status = TENANTDB_OK;
    } else if (status) {
      (void)tndb_error_pass(error, own);
    }
  }
  return status;
}

/* Who gives up says so, so that the next need not wait for the lease to run out. Best effort. */
static void release_lease(const purge *job) {
  tndb_conn *conn;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *values[] = {job->operation, job->owner};
  tndb_values with = {2, values, NULL, NULL, NULL};
  tndb_deadline soon = tndb_deadline_in(tndb_config_number(job->db->config, TNDB_OPERATION_LOCK_TIMEOUT));
  tndb_buffer_format(&sql,
                     "UPDATE %soperations SET lease_until = now() - interval '1 second'"
                     " WHERE id = $1 AND owner = $2 AND state = 'running'",
                     job->db->catalog);
  if (!sql.failed && !tndb_pool_lease(job->db->pool, soon, &conn, NULL)) {
    (void)tndb_exchange_single(conn, tndb_buffer_text(&sql), &with, soon, NULL, NULL);
    tndb_pool_release(conn);
  }
}

/* ---------------------------------------------------------------- from outside */

static tenantdb_status check_allowed(tndb_work *work, const tenantdb_tenant *tenant, bool force,
                                     tenantdb_error **error) {
  uint32_t forced = TNDB_STATE_BIT(TENANTDB_TENANT_PENDING) | TNDB_STATE_BIT(TENANTDB_TENANT_ACTIVE) |
                    TNDB_STATE_BIT(TENANTDB_TENANT_SUSPENDED) | TNDB_STATE_BIT(TENANTDB_TENANT_FAILED);
  uint32_t states = TNDB_STATE_BIT(TENANTDB_TENANT_ARCHIVED) | (force ? forced : 0);
  tenantdb_status status =
      tndb_change_require(tenant, states, force ? "purge" : "purge without force", error);
  if (status || force) {
    return status;
  }
  const char *values[] = {tenant->id};
  size_t place = send_catalog(work, "SELECT coalesce(purge_after <= now(), false) FROM ",
                              "tenants WHERE id = $1", 1, values);
  status = tndb_work_sync(work, error);
  if (!status && PQgetvalue(tndb_exchange_result(work->conn, place), 0, 0)[0] != 't') {
    status = tndb_origin(
        error, TENANTDB_STATE, TENANTDB_REASON_GRACE_NOT_OVER,
        "tenant %s can be restored until %s; purge it with force, or remove it with a shorter grace",
        tenant->slug, tenant->purge_after[0] ? tenant->purge_after : "a date is set");
  }
  return status;
}

/* Everything up to the first batch. *done: nothing is left to do. */
static tenantdb_status prepare(tenantdb *db, const char *name, bool force, bool only_deleting, purge *job,
                               bool *done, tenantdb_error **error) {
  tndb_work work;
  tenantdb_tenant *tenant = NULL;
  tenantdb_status status = tndb_change_start(&work, db, name, &tenant, error);
  if (!status) {
    memcpy(job->id, tenant->id, sizeof job->id);
    memcpy(job->credential, tenant->credential, sizeof job->credential);
    job->schema = tndb_strdup(tenant->schema);
    job->role = tndb_strdup(tenant->role);
    status = job->schema && job->role ? TENANTDB_OK : tndb_no_memory(error);
  }
  *done = !status && tenant->state == TENANTDB_TENANT_DELETED;
  if (!status && !*done) {
    if (tenant->state == TENANTDB_TENANT_DELETING) {
      status = take_over(&work, job, error);
    } else {
      status = only_deleting ? tndb_change_require(tenant, TNDB_STATE_BIT(TENANTDB_TENANT_DELETING),
                                                   "resume the purge of", error)
                             : check_allowed(&work, tenant, force, error);
      *done = !status && tenant->state == TENANTDB_TENANT_PENDING;
      if (!status) {
        status = *done ? delete_pending(&work, tenant, error) : begin_purge(&work, job, tenant, error);
      }
      if (!status && *done) {
        tell_purged(db, tenant->id, tenant->slug);
      }
    }
  }
  if (status) {
    tndb_error_set_tenant(error, tenant ? tenant->slug : name);
  }
  tndb_work_end(&work);
  tenantdb_tenant_free(tenant);
  tndb_tenants_forget(db);
  return status;
}

static tenantdb_status purge_tenant(tenantdb *db, const char *name, bool force, bool only_deleting,
                                    tenantdb_error **error) {
  purge job = {.db = db};
  bool done = false;
  if (!tndb_uuid_new(job.owner)) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system gives no random bytes");
  }
  tenantdb_status status = prepare(db, name, force, only_deleting, &job, &done, error);
  if (!status && !done) {
    tndb_login_end(db, job.role);
    status = tndb_views_leave(db, job.id, error); /* else CASCADE would take the views along */
    if (!status) {
      status = tndb_elsewhere_clean(db, job.role, error);
    }
    if (!status) {
      status = run(&job, error);
    }
    if (!status) {
      tell_purged(db, job.id, name);
      tndb_login login = {.db = db, .tenant = job.id, .role = job.role};
      tndb_login_settle(&login, TENANTDB_OK, job.credential);
      (void)tndb_login_remember(db, job.role, NULL, NULL);
    }
    if (status) {
      release_lease(&job);
      tndb_error_set_tenant(error, name);
    }
  }
  tndb_free(job.schema);
  tndb_free(job.role);
  return status;
}

tenantdb_status tndb_purge_resume(tenantdb *db, const char *id, tenantdb_error **error) {
  return purge_tenant(db, id, false, true, error);
}

tenantdb_status tenantdb_tenant_purge(tenantdb *db, const char *tenant, int32_t force,
                                      tenantdb_error **error) {
  tndb_error_reset(error);
  if (!tenant) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
  }
  if (force != 0 && force != 1) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "force is %d, neither 0 nor 1",
                       (int)force);
  }
  tenantdb_status status = tndb_database_check(db, error);
  return status ? status : purge_tenant(db, tenant, force != 0, false, error);
}
