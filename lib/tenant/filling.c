/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/filling.h"

#include <string.h>

#include "sql/identifier.h"
#include "tenant/access.h"
#include "tenant/view.h"

tndb_deadline tndb_filling_step(tndb_filling *filling) {
  filling->work.deadline = tndb_deadline_in(filling->settings.timeout_ms);
  return filling->work.deadline;
}

tenantdb_status tndb_filling_open(tndb_filling *filling, tenantdb_error **error) {
  tndb_creation *creation = &filling->creation;
  char lock[TNDB_CREATION_LOCK_SIZE];
  tenantdb_status status = TENANTDB_OK;
  filling->outcome = TENANTDB_INTERNAL; /* until it is another one: nothing came of it */
  if (creation->db->level >= TENANTDB_ISOLATION_LOGIN) {
    status =
        tndb_login_make(&filling->login, creation->db, creation->spec.id, creation->names.role, NULL, error);
    filling->has_login = !status;
    creation->login = status ? NULL : &filling->login;
  }
  if (status) {
    return status;
  }
  tndb_creation_lock(creation, lock);
  filling->working = true;
  status = tndb_work_start(&filling->work, creation->db, lock, true, error);
  if (!status) {
    (void)tndb_filling_step(filling);
    status = tndb_work_sync(&filling->work, error);
  }
  return status;
}

/* ---------------------------------------------------------------- the empty tables */

static const char keys_sql[] = TNDB_SHAPE_IN_SCHEMA
    " SELECT r.relname, k.conname, pg_catalog.pg_get_constraintdef(k.oid) FROM rel r"
    " JOIN pg_catalog.pg_constraint k ON k.conrelid = r.oid WHERE k.contype = 'f' AND k.conparentid = 0"
    " AND NOT r.relispartition ORDER BY r.relname COLLATE \"C\", k.conname COLLATE \"C\"";

/* Migrations make triggers and row security with the tables: rows that are only copied are none of their business. */
static const char quiet_sql[] = TNDB_SHAPE_IN_SCHEMA
    " SELECT format('ALTER TABLE ONLY %s%I DISABLE TRIGGER %I', r.prefix, r.relname, g.tgname),"
    " format('ALTER TABLE ONLY %s%I ENABLE %sTRIGGER %I', r.prefix, r.relname, CASE g.tgenabled WHEN 'A' THEN"
    " 'ALWAYS ' WHEN 'R' THEN 'REPLICA ' ELSE '' END, g.tgname) FROM rel r JOIN pg_catalog.pg_trigger g"
    " ON g.tgrelid = r.oid WHERE NOT g.tgisinternal AND g.tgenabled <> 'D' AND r.relkind IN ('r', 'p')"
    " UNION ALL SELECT format('ALTER TABLE %s%I NO FORCE ROW LEVEL SECURITY', r.prefix, r.relname),"
    " format('ALTER TABLE %s%I FORCE ROW LEVEL SECURITY', r.prefix, r.relname) FROM rel r"
    " JOIN pg_catalog.pg_class c ON c.oid = r.oid WHERE c.relforcerowsecurity ORDER BY 1";

static tenantdb_status quiet(tndb_filling *filling, tenantdb_error **error) {
  const char *schema = filling->creation.names.schema;
  if (!filling->creation.birth.replays) {
    return TENANTDB_OK;
  }
  tenantdb_status status = tndb_work_query(&filling->work, quiet_sql, 1, &schema, &filling->quieted, error);
  for (int i = 0; !status && i < PQntuples(filling->quieted); i++) {
    (void)tndb_work_send(&filling->work, PQgetvalue(filling->quieted, i, 0), 0, NULL);
  }
  return status;
}

static void queue_key(tndb_filling *filling, int row, bool back) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "ALTER TABLE ");
  tndb_shape_name(&sql, filling->creation.names.schema, PQgetvalue(filling->keys, row, 0));
  tndb_buffer_append(&sql, back ? " ADD CONSTRAINT " : " DROP CONSTRAINT ");
  tndb_quote_identifier(&sql, PQgetvalue(filling->keys, row, 1));
  if (back) {
    tndb_buffer_append_char(&sql, ' ');
    tndb_buffer_append(&sql, PQgetvalue(filling->keys, row, 2));
  }
  tndb_work_fail_if(&filling->work, sql.failed);
  (void)tndb_work_send(&filling->work, tndb_buffer_text(&sql), 0, NULL);
}

/* The insert's failure means something, and so may that of what makes the tables. */
static tenantdb_status explain(tndb_filling *filling, tenantdb_status status, tenantdb_error **error) {
  const tndb_work *work = &filling->work;
  size_t failed = work->conn ? tndb_exchange_failed(work->conn) : TNDB_NONE;
  if (failed == TNDB_NONE || !*error) {
    return status;
  }
  if (failed == filling->creation.insert) {
    return tndb_creation_explain(&filling->creation, error);
  }
  return tndb_provision_explain(&filling->provision, work, error) ? tenantdb_error_status(*error) : status;
}

/* Places in the exchange that is over mean nothing in the next. */
static void forget_places(tndb_filling *filling) {
  filling->creation.insert = TNDB_NONE;
  filling->provision.create_role = TNDB_NONE;
  filling->provision.create_schema = TNDB_NONE;
  filling->provision.first_ddl = TNDB_NONE;
  filling->provision.proof = TNDB_NONE;
}

tenantdb_status tndb_filling_make(tndb_filling *filling, tenantdb_error **error) {
  tndb_creation *creation = &filling->creation;
  tndb_work *work = &filling->work;
  const char *schema = creation->names.schema;
  (void)tndb_filling_step(filling);
  tndb_creation_queue_row(creation, work);
  tenantdb_status status =
      tndb_provision_tables(&filling->provision, work, creation->spec.id, schema, creation->names.role,
                            creation->login, &creation->birth, error);
  if (!status) {
    tndb_shape_settle_text(work);
    status = tndb_work_sync(work, error);
    status = status ? explain(filling, status, error) : TENANTDB_OK;
  }
  if (status) {
    return status;
  }
  filling->row = tndb_exchange_take(work->conn, creation->insert);
  forget_places(filling);
  status = tndb_work_query(work, keys_sql, 1, &schema, &filling->keys, error);
  for (int i = 0; !status && i < PQntuples(filling->keys); i++) {
    queue_key(filling, i, false);
  }
  if (!status) {
    status = quiet(filling, error);
  }
  if (!status) {
    status = tndb_shape_read(work, schema, &filling->shape, error);
  }
  if (!status && filling->settings.data && creation->birth.replays) {
    status = tndb_shape_empty(work, schema, &filling->shape, error);
  }
  return status ? status : tndb_shape_read_sequences(work, schema, &filling->shape, error);
}

/* A check that failed has a name; a row that no partition takes has the same code and none. */
void tndb_filling_explain_rows(tenantdb_error **error) {
  if (error && strcmp(tenantdb_error_sqlstate(*error), "23514") == 0 && !*tenantdb_error_constraint(*error)) {
    tndb_error_set_hint(error,
                        "The row was in a partition that the registry does not declare: declare it, or a "
                        "DEFAULT partition.");
  }
}

/* ---------------------------------------------------------------- the rest */

static tenantdb_status make_after(tndb_filling *filling, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; !status && i < filling->provision.after.count; i++) {
    (void)tndb_filling_step(filling);
    status = tndb_provision_after(&filling->provision, &filling->work, i, error);
  }
  for (int i = 0; !status && i < PQntuples(filling->keys); i++) {
    (void)tndb_filling_step(filling);
    queue_key(filling, i, true);
    status = tndb_work_sync(&filling->work, error);
  }
  for (int i = 0; !status && i < PQntuples(filling->quieted); i++) {
    (void)tndb_work_send(&filling->work, PQgetvalue(filling->quieted, i, 1), 0, NULL);
  }
  return status;
}

/* Materialized views were made over empty tables. In the order they were made in, which is one that works. */
static tenantdb_status refresh_views(tndb_filling *filling, tenantdb_error **error) {
  static const char views_sql[] = TNDB_SHAPE_IN_SCHEMA
      " SELECT r.relname FROM rel r WHERE r.relkind = 'm' AND r.relispopulated ORDER BY r.oid";
  const char *schema = filling->creation.names.schema;
  PGresult *rows;
  tenantdb_status status = tndb_work_query(&filling->work, views_sql, 1, &schema, &rows, error);
  if (status) {
    return status;
  }
  for (int i = 0; !status && i < PQntuples(rows); i++) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    tndb_buffer_append(&sql, "REFRESH MATERIALIZED VIEW ");
    tndb_shape_name(&sql, schema, PQgetvalue(rows, i, 0));
    tndb_work_fail_if(&filling->work, sql.failed);
    (void)tndb_filling_step(filling);
    (void)tndb_work_send(&filling->work, tndb_buffer_text(&sql), 0, NULL);
    status = tndb_work_sync(&filling->work, error);
    if (status && error) {
      tndb_error_prefix(error, "refreshing materialized view %s", PQgetvalue(rows, i, 0));
    }
  }
  PQclear(rows);
  return status;
}

static tenantdb_status commit(tndb_filling *filling, tenantdb_error **error) {
  tndb_creation *creation = &filling->creation;
  tndb_work *work = &filling->work;
  (void)tndb_filling_step(filling);
  tenantdb_status status = tndb_provision_end(&filling->provision, work, error);
  if (status) {
    return status;
  }
  tndb_creation_queue_record(creation, work);
  if (creation->state == TENANTDB_TENANT_ACTIVE) {
    tndb_provision_join(&filling->provision, work);
  } else if (creation->names.role[0]) {
    tndb_access_close(work, creation->names.schema, creation->names.role);
  }
  status = tndb_work_commit(work, error);
  return status ? explain(filling, status, error) : TENANTDB_OK;
}

tenantdb_status tndb_filling_finish(tndb_filling *filling, tenantdb_tenant **tenant, tenantdb_error **error) {
  tndb_creation *creation = &filling->creation;
  tenantdb_status status = make_after(filling, error);
  if (!status) {
    status = refresh_views(filling, error);
  }
  if (!status) {
    status = commit(filling, error);
    filling->outcome = status;
  }
  if (status) {
    return status;
  }
  PGresult *marked = tndb_views_marked(&filling->work, creation->views);
  tndb_work_end(&filling->work);
  filling->working = false;
  tndb_creation_tell(creation, marked);
  return tndb_creation_result(creation, filling->row, tenant, error);
}

void tndb_filling_close(tndb_filling *filling) {
  if (filling->working) {
    tndb_work_end(&filling->work);
    filling->working = false;
  }
  if (filling->has_login) {
    tndb_login_settle(&filling->login, filling->outcome, NULL);
    filling->has_login = false;
  }
  tndb_provision_free(&filling->provision);
  tndb_shape_free(&filling->shape);
  PQclear(filling->row);
  PQclear(filling->keys);
  PQclear(filling->quieted);
  filling->row = NULL;
  filling->keys = NULL;
  filling->quieted = NULL;
}
