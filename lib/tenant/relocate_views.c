/* SPDX-License-Identifier: PostgreSQL */
/* Shared tables go to another schema one by one, behind views; tenant/relocate.h tells how. */
#include <string.h>

#include "base/buffer.h"
#include "catalog/text_array.h"
#include "sql/identifier.h"
#include "tenant/relocate.h"
#include "tenant/view.h"

/*
 * $1 where the relation is, $2 its name, $3 where it will be when this is run, $4 the
 * view's schema, $5 its mark. The view has the relation's columns, owner and
 * privileges; what default privileges would give away besides is taken back.
 */
static const char view_sql[] =
    "WITH c AS (SELECT c.oid, c.relowner, c.relacl FROM pg_class c JOIN pg_namespace n ON n.oid ="
    " c.relnamespace WHERE n.nspname = $1 AND c.relname = $2),"
    " v (name) AS (SELECT format('%I.%I', $4::text, $2::text)),"
    " g (who, what, columns, again) AS (SELECT a.grantee, string_agg(a.privilege_type, ', ' ORDER BY"
    " a.privilege_type), '', a.is_grantable FROM c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE a.grantee "
    "<>"
    " c.relowner AND a.privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') GROUP BY 1, 4"
    " UNION ALL SELECT a.grantee, a.privilege_type, format(' (%s)', string_agg(quote_ident(t.attname), ', '"
    " ORDER BY t.attnum)), a.is_grantable FROM c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN LATERAL"
    " aclexplode(t.attacl) a WHERE a.grantee <> c.relowner AND a.privilege_type IN ('SELECT', 'INSERT',"
    " 'UPDATE') AND NOT t.attisdropped GROUP BY 1, 2, 4)"
    " SELECT sql FROM (SELECT 1 AS rank, format('CREATE VIEW %s %sAS SELECT %s FROM %I.%I', v.name,"
    " CASE WHEN current_setting('server_version_num')::integer >= 150000 THEN"
    " 'WITH (security_invoker = true) ' ELSE '' END, (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY"
    " a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),"
    " $3::text, $2::text) AS sql FROM c, v"
    " UNION ALL SELECT 2, format('COMMENT ON VIEW %s IS %L', v.name, $5::text) FROM c, v"
    " UNION ALL SELECT DISTINCT 3, format('REVOKE ALL ON %s FROM %s', v.name, CASE a.grantee WHEN 0 THEN"
    " 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) FROM c, v, pg_default_acl d CROSS JOIN "
    "LATERAL"
    " aclexplode(d.defaclacl) a WHERE pg_get_userbyid(d.defaclrole) = current_user AND d.defaclobjtype = 'r'"
    " AND (d.defaclnamespace = 0 OR d.defaclnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $4))"
    " AND a.grantee <> d.defaclrole"
    " UNION ALL SELECT 4, format('ALTER VIEW %s OWNER TO %I', v.name, pg_get_userbyid(c.relowner)) FROM c, v"
    " WHERE pg_get_userbyid(c.relowner) <> current_user"
    " UNION ALL SELECT 5, format('GRANT %s%s ON %s TO %s%s', g.what, g.columns, v.name, CASE g.who WHEN 0 "
    "THEN"
    " 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.who)) END, CASE WHEN g.again THEN ' WITH GRANT OPTION' ELSE"
    " '' END) FROM g, v) t ORDER BY rank, sql COLLATE \"C\"";
/* Sequences whose table this is, of the relocation $1: those that have to be let go of. */
static const char sequences_sql[] =
    "SELECT name, identity FROM %srelocation_steps WHERE relocation_id = $1 AND kind = 'sequence' AND"
    " starts_with(owned_by, $2::text || '.') ORDER BY number";
static const char state_sql[] =
    "SELECT 1 FROM %srelocation_steps WHERE relocation_id = $1 AND number = $2 AND state = 'old'";
static const char stepped_sql[] =
    "UPDATE %srelocation_steps SET state = 'new' WHERE relocation_id = $1 AND number = $2";

static size_t send_view_question(tndb_work *work, const tndb_relocation *job, const char *name,
                                 const char *table_schema, const char *view_schema, tndb_buffer *mark) {
  tndb_buffer_clear(mark);
  tndb_buffer_append(mark, "libtenantdb relocation ");
  tndb_buffer_append(mark, job->id);
  tndb_work_fail_if(work, mark->failed);
  const char *values[] = {job->settings.from, name, table_schema, view_schema, tndb_buffer_text(mark)};
  return tndb_work_send(work, view_sql, 5, values);
}

static void add_view(tndb_relocation *job, const char *name, const PGresult *sql) {
  for (int i = 0; i < PQntuples(sql); i++) {
    tndb_relocate_add(job, &(tndb_relocate_row){.step = "view",
                                                .object = name,
                                                .sql = PQgetvalue(sql, i, 0),
                                                .locks = i == 0 ? "ACCESS SHARE on what it shows" : "none"});
  }
}

/* ---------------------------------------------------------------- preparing */

/* Every table gets its new name, as a view; what is asked about all of them goes in one flush. */
static tenantdb_status plan_views(tndb_work *work, tndb_relocation *job, const tndb_survey *survey,
                                  tenantdb_error **error) {
  tndb_auto_buffer mark = TNDB_BUFFER_INIT;
  size_t first = TNDB_NONE;
  for (int i = 0; i < PQntuples(survey->things); i++) {
    if (tndb_survey_is(survey, i, "relation")) {
      size_t place = send_view_question(work, job, tndb_survey_cell(survey, i, TNDB_THING_NAME),
                                        job->settings.from, job->settings.to, &mark);
      first = first == TNDB_NONE ? place : first;
    }
  }
  tenantdb_status status = tndb_work_sync(work, error);
  for (int i = 0; !status && i < PQntuples(survey->things); i++) {
    if (tndb_survey_is(survey, i, "relation")) {
      add_view(job, tndb_survey_cell(survey, i, TNDB_THING_NAME), tndb_exchange_result(work->conn, first++));
    }
  }
  return status;
}

/* What has no other name and is to be found under the new one from now on. */
static void plan_companions(tndb_relocation *job, const tndb_survey *survey) {
  for (int i = 0; i < PQntuples(survey->things); i++) {
    bool now = tndb_survey_is(survey, i, "statistics") ||
               (job->settings.new_names && !tndb_survey_is(survey, i, "relation"));
    if (now && !tndb_survey_cell(survey, i, TNDB_THING_OWNED_BY)) {
      tndb_relocate_alter(
          job, tndb_survey_cell(survey, i, TNDB_THING_KIND), tndb_survey_cell(survey, i, TNDB_THING_RELKIND),
          tndb_survey_cell(survey, i, TNDB_THING_NAME), tndb_survey_cell(survey, i, TNDB_THING_IDENTITY));
    } else if (tndb_survey_is(survey, i, "identity")) {
      tndb_relocate_add(
          job,
          &(tndb_relocate_row){.step = "move",
                               .object = tndb_survey_cell(survey, i, TNDB_THING_NAME),
                               .state = "kept",
                               .note = "an identity column's sequence goes along with its table, so its old "
                                       "name is gone at once; nobody needs it but who calls nextval()"});
    }
  }
}

static void let_go(tndb_relocation *job, const char *name, const char *identity) {
  const char *names[] = {job->settings.from, identity};
  tndb_relocate_statement(job, "let go", name, "SHARE ROW EXCLUSIVE on the sequence",
                          "ALTER SEQUENCE %I.%s OWNED BY NONE", names);
}

/* The same of a table whose steps are not written down yet. */
static void plan_letting_go(tndb_relocation *job, const tndb_survey *survey, const char *table) {
  size_t length = strlen(table);
  for (int i = 0; !job->settings.new_names && i < PQntuples(survey->things); i++) {
    const char *owned_by = tndb_survey_cell(survey, i, TNDB_THING_OWNED_BY);
    if (tndb_survey_is(survey, i, "sequence") && owned_by && strncmp(owned_by, table, length) == 0 &&
        owned_by[length] == '.') {
      let_go(job, tndb_survey_cell(survey, i, TNDB_THING_NAME),
             tndb_survey_cell(survey, i, TNDB_THING_IDENTITY));
    }
  }
}

/* What one table's move takes after its locks, as rows. */
static tenantdb_status plan_move(tndb_work *work, tndb_relocation *job, const char *relkind, const char *name,
                                 const char *identity, tenantdb_error **error) {
  tndb_auto_buffer mark = TNDB_BUFFER_INIT;
  const char *const values[] = {job->id, identity};
  size_t sequences = tndb_view_send(work, sequences_sql, 2, values);
  size_t view = send_view_question(work, job, name, job->settings.to, job->settings.from, &mark);
  tenantdb_status status = tndb_relocate_locked(work, job, 2, error);
  if (status) {
    return status;
  }
  const PGresult *rows = tndb_exchange_result(work->conn, sequences);
  for (int i = 0; i < PQntuples(rows); i++) {
    let_go(job, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1));
  }
  tndb_relocate_alter(job, "relation", relkind, name, identity);
  add_view(job, name, tndb_exchange_result(work->conn, view));
  return TENANTDB_OK;
}

static tenantdb_status plan_moves(tndb_work *work, tndb_relocation *job, const tndb_survey *survey,
                                  tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (int i = 0; !status && i < PQntuples(survey->things); i++) {
    const char *name = tndb_survey_cell(survey, i, TNDB_THING_NAME);
    const char *identity = tndb_survey_cell(survey, i, TNDB_THING_IDENTITY);
    if (tndb_survey_is(survey, i, "relation")) {
      const char *names[] = {job->settings.to, identity};
      tndb_relocate_statement(job, "view", name, "ACCESS EXCLUSIVE on the view", "DROP VIEW %I.%s", names);
      plan_letting_go(job, survey, identity);
      status = plan_move(work, job, tndb_survey_cell(survey, i, TNDB_THING_RELKIND), name, identity, error);
    }
  }
  return status;
}

/* In the order in which nobody waits for long: the views, and last the locks on what applications use. */
static tenantdb_status prepare(tndb_work *work, tndb_relocation *job, tndb_survey *survey,
                               tenantdb_error **error) {
  size_t first = tndb_relocate_count(job);
  tenantdb_status status = tndb_survey_schema(work, job, survey, error);
  if (!status) {
    status = plan_views(work, job, survey, error);
  }
  if (status) {
    return status;
  }
  plan_companions(job, survey);
  if (!job->apply) {
    return plan_moves(work, job, survey, error);
  }
  status = tndb_relocate_judge(job, "nothing was moved", error);
  if (status) {
    return status;
  }
  tndb_relocate_limit(work, job, job->settings.new_names ? 8 : 1);
  tndb_relocate_send(work, job, first);
  status = tndb_relocate_begin(work, job, survey, error);
  return status ? status : tndb_work_commit(work, error);
}

/* ---------------------------------------------------------------- beginning, or going on */

static tenantdb_status go_on(tndb_work *work, tndb_relocation *job, bool *standing, tenantdb_error **error) {
  const char *from = tndb_relocate_found(job, TNDB_FOUND_FROM), *to = tndb_relocate_found(job, TNDB_FOUND_TO);
  if (strcmp(from, job->settings.from) != 0 || strcmp(to, job->settings.to) != 0) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_RELOCATION_OPEN,
                       "the relocation from schema %s to %s is not finished yet; end it first", from, to);
  }
  *standing = strcmp(tndb_relocate_found(job, TNDB_FOUND_STATE), "standing") == 0;
  if (*standing) {
    tndb_relocate_add(job,
                      &(tndb_relocate_row){.step = "move",
                                           .state = "there",
                                           .note = "everything has moved; the old names are still there, "
                                                   "and tenantdb_relocate_finish() takes them away"});
  } else if (!job->apply) {
    tndb_relocate_add(job, &(tndb_relocate_row){
                               .step = "move", .note = "a relocation was begun; what is left of it is done"});
  }
  return *standing || !job->apply ? TENANTDB_OK : tndb_relocate_take_over(work, job, error);
}

typedef struct beginning {
  tndb_relocation *job;
  bool nothing; /* is left to do */
} beginning;

static tenantdb_status begin(void *user, tenantdb_error **error) {
  beginning *b = user;
  tndb_relocation *job = b->job;
  tndb_work work;
  tndb_survey survey = {NULL, NULL};
  bool open = false;
  b->nothing = false;
  tndb_relocate_rewind(job, 0);
  tenantdb_status status = tndb_relocate_start(&work, job, error);
  if (!status) {
    status = tndb_relocate_find(&work, job, &open, error);
  }
  if (!status && open) {
    status = go_on(&work, job, &b->nothing, error);
  } else if (!status) {
    bool named = tndb_uuid_new(job->id);
    status = named ? tndb_survey_read(&work, job, &survey, error)
                   : tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                                 "the system gives no random bytes");
    b->nothing = !status && !tndb_survey_has(&survey, "relation");
    if (!status) {
      status = !b->nothing  ? prepare(&work, job, &survey, error)
               : job->apply ? tndb_relocate_judge(job, "nothing was moved", error)
                            : TENANTDB_OK;
    }
  }
  b->nothing = b->nothing || !job->apply;
  tndb_work_end(&work);
  tndb_survey_free(&survey);
  return status;
}

/* ---------------------------------------------------------------- moving one */

typedef struct moving {
  tndb_relocation *job;
  const char *number;
  const char *relkind;
  const char *name;
  const char *identity;
  size_t first; /* row of the plan */
} moving;

/* The view before its table, as everybody locks them who reads through it. */
static void send_locks(tndb_work *work, const moving *m) {
  tndb_auto_buffer drop = TNDB_BUFFER_INIT;
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  const tndb_relocation *job = m->job;
  tndb_buffer_append(&drop, "DROP VIEW ");
  tndb_quote_identifier(&drop, job->settings.to);
  tndb_buffer_append_char(&drop, '.');
  tndb_buffer_append(&drop, m->identity);
  tndb_buffer_append(&lock, "LOCK TABLE ONLY ");
  tndb_quote_identifier(&lock, job->settings.from);
  tndb_buffer_append_char(&lock, '.');
  tndb_buffer_append(&lock, m->identity);
  tndb_buffer_append(&lock, " IN ACCESS EXCLUSIVE MODE");
  tndb_work_fail_if(work, drop.failed || lock.failed);
  tndb_relocate_add(m->job, &(tndb_relocate_row){.step = "view",
                                                 .object = m->name,
                                                 .sql = tndb_buffer_text(&drop),
                                                 .locks = "ACCESS EXCLUSIVE on the view",
                                                 .state = "done"});
  tndb_relocate_lock(work, job, tndb_buffer_text(&drop), 2);
  if (*m->relkind == 'r' || *m->relkind == 'p') {
    tndb_relocate_lock(work, job, tndb_buffer_text(&lock), 2);
  }
}

static tenantdb_status move(void *user, tenantdb_error **error) {
  moving *m = user;
  tndb_relocation *job = m->job;
  const char *const values[] = {job->id, m->number};
  tndb_work work;
  PGresult *due = NULL;
  bool over = false;
  tndb_relocate_rewind(job, m->first);
  tenantdb_status status = tndb_relocate_step(&work, job, &over, error);
  if (!status) {
    status = tndb_view_query(&work, state_sql, 2, values, &due, error);
  }
  bool moved = !status && PQntuples(due) == 0; /* the answer was lost on the way */
  PQclear(due);
  if (!status && !moved) {
    send_locks(&work, m);
    size_t first = tndb_relocate_count(job);
    status = plan_move(&work, job, m->relkind, m->name, m->identity, error);
    if (!status) {
      tndb_relocate_limit(&work, job, 5);
      tndb_relocate_send(&work, job, first);
      (void)tndb_view_send(&work, stepped_sql, 2, values);
      status = tndb_work_commit(&work, error);
    }
  }
  if (status) {
    tndb_error_prefix(error, "moving %s.%s", job->settings.from, m->name);
  }
  tndb_work_end(&work);
  return status;
}

static tenantdb_status close_moves(void *user, tenantdb_error **error) {
  tndb_relocation *job = user;
  tndb_work work;
  bool over = false;
  tenantdb_status status = tndb_relocate_step(&work, job, &over, error);
  if (!status && !over) {
    tndb_relocate_moved(&work, job);
    status = tndb_work_commit(&work, error);
  }
  tndb_work_end(&work);
  return status;
}

static tenantdb_status move_one(tndb_relocation *job, const PGresult *steps, int row,
                                tenantdb_error **error) {
  tndb_auto_text_array relations = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  moving one = {job,
                PQgetvalue(steps, row, TNDB_STEP_NUMBER),
                PQgetvalue(steps, row, TNDB_STEP_RELKIND),
                PQgetvalue(steps, row, TNDB_STEP_NAME),
                PQgetvalue(steps, row, TNDB_STEP_IDENTITY),
                tndb_relocate_count(job)};
  for (int i = 0; i < 2; i++) {
    tndb_buffer_clear(&name);
    tndb_quote_identifier(&name, i ? job->settings.to : job->settings.from);
    tndb_buffer_append_char(&name, '.');
    tndb_buffer_append(&name, one.identity);
    tndb_text_array_add(&relations, tndb_buffer_text(&name));
  }
  tndb_relocate_attempt attempt = {
      .run = move, .user = &one, .relations = tndb_text_array_finish(&relations), .twice = true};
  return name.failed || !attempt.relations ? tndb_no_memory(error)
                                           : tndb_relocate_persist(job, &attempt, error);
}

static tenantdb_status read_steps(void *user, tenantdb_error **error) {
  tndb_relocation *job = user;
  tndb_work work;
  bool over = false;
  PQclear(job->steps);
  job->steps = NULL;
  tenantdb_status status = tndb_relocate_step(&work, job, &over, error);
  if (!status) {
    status = tndb_relocate_steps(&work, job, &job->steps, error);
  }
  tndb_work_end(&work);
  return status;
}

static tenantdb_status move_all(tndb_relocation *job, tenantdb_error **error) {
  tenantdb_status status = tndb_relocate_persist(
      job, &(tndb_relocate_attempt){.run = read_steps, .user = job, .twice = true}, error);
  for (int i = 0; !status && i < PQntuples(job->steps); i++) {
    if (strcmp(PQgetvalue(job->steps, i, TNDB_STEP_KIND), "relation") == 0 &&
        strcmp(PQgetvalue(job->steps, i, TNDB_STEP_STATE), "old") == 0) {
      status = move_one(job, job->steps, i, error);
    }
  }
  return status ? status
                : tndb_relocate_persist(
                      job, &(tndb_relocate_attempt){.run = close_moves, .user = job, .twice = true}, error);
}

tenantdb_status tndb_relocate_by_views(tndb_relocation *job, tenantdb_error **error) {
  beginning b = {job, false};
  tenantdb_status status =
      tndb_relocate_persist(job, &(tndb_relocate_attempt){.run = begin, .user = &b}, error);
  if (!status && !b.nothing) {
    status = move_all(job, error);
    if (status) {
      tndb_relocate_release(job);
    }
  }
  return status;
}
