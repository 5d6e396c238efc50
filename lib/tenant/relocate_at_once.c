/* SPDX-License-Identifier: PostgreSQL */
/* Shared tables go to another schema in one transaction. */
#include <string.h>

#include "base/buffer.h"
#include "base/json.h"
#include "sql/identifier.h"
#include "tenant/relocate.h"

/* ---------------------------------------------------------------- statements that both ways need */

typedef struct kind_text {
  const char *kind; /* of a thing, and of a relation by its first letter */
  char relkind;
  const char *words;
  const char *locks;
} kind_text;

/* Indexes, constraints, triggers and owned sequences go along with a table. */
static const kind_text kinds[] = {
    {"relation", 'r', "TABLE ", "ACCESS EXCLUSIVE on the table and its owned sequences"},
    {"relation", 'p', "TABLE ", "ACCESS EXCLUSIVE on the table and its owned sequences"},
    {"relation", 'v', "VIEW ", "ACCESS EXCLUSIVE on the view"},
    {"relation", 'm', "MATERIALIZED VIEW ", "ACCESS EXCLUSIVE on the materialized view"},
    {"relation", 'f', "FOREIGN TABLE ", "ACCESS EXCLUSIVE on the foreign table"},
    {"sequence", 'S', "SEQUENCE ", "ACCESS EXCLUSIVE on the sequence"},
    {"type", 0, "TYPE ", "none"},
    {"function", 0, "ROUTINE ", "none"},
    {"statistics", 0, "STATISTICS ", "none"},
};

static const kind_text *kind_of(const char *kind, const char *relkind) {
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    if (strcmp(kinds[i].kind, kind) == 0 &&
        (!kinds[i].relkind || (relkind && kinds[i].relkind == *relkind))) {
      return &kinds[i];
    }
  }
  return NULL;
}

void tndb_relocate_alter(tndb_relocation *job, const char *kind, const char *relkind, const char *name,
                         const char *identity) {
  const kind_text *text = kind_of(kind, relkind);
  if (text) {
    const char *names[] = {text->words, job->settings.from, identity, job->settings.to};
    tndb_relocate_statement(job, "move", name, text->locks, "ALTER %s%I.%s SET SCHEMA %I", names);
  }
}

static void plan_schema(tndb_relocation *job) {
  const char *schema = job->settings.to;
  tndb_auto_buffer object = TNDB_BUFFER_INIT;
  tndb_buffer_format(&object, "schema %s", schema);
  if (!job->db->facts.create_schema) {
    tndb_relocate_refuse(job, TNDB_REFUSAL_PERMISSION, "check", tndb_buffer_text(&object), NULL,
                         "the connected user may not create it: he needs CREATE on the database");
  }
  tndb_relocate_statement(job, "schema", tndb_buffer_text(&object), "none", "CREATE SCHEMA %I", &schema);
  tndb_relocate_statement(job, "schema", tndb_buffer_text(&object), "none",
                          "REVOKE ALL ON SCHEMA %I FROM PUBLIC", &schema);
}

/* A GRANT by who may not give is a warning to the server, and nothing is given: so it is asked about. */
static void refuse_usage(tndb_relocation *job, const char *who) {
  tndb_auto_buffer remedy = TNDB_BUFFER_INIT;
  tndb_buffer_append(&remedy, "GRANT USAGE ON SCHEMA ");
  tndb_quote_identifier(&remedy, job->settings.to);
  tndb_buffer_append(&remedy, " TO ");
  tndb_buffer_append(&remedy, who);
  tndb_relocate_refuse(job, TNDB_REFUSAL_PERMISSION, "check", who, tndb_buffer_text(&remedy),
                       "it could not use the new schema, and the connected user may not allow it to");
}

tenantdb_status tndb_survey_schema(tndb_work *work, tndb_relocation *job, const tndb_survey *survey,
                                   tenantdb_error **error) {
  static const char exists_sql[] =
      "SELECT pg_catalog.pg_has_role(nspowner, 'USAGE') OR pg_catalog.has_schema_privilege(oid,"
      " 'USAGE WITH GRANT OPTION') FROM pg_catalog.pg_namespace WHERE nspname = $1";
  const char *schema = job->settings.to;
  PGresult *rows;
  tenantdb_status status = tndb_work_query(work, exists_sql, 1, &schema, &rows, error);
  if (status) {
    return status;
  }
  bool there = PQntuples(rows) > 0;
  bool gives = !there || PQgetvalue(rows, 0, 0)[0] == 't';
  PQclear(rows);
  if (!there) {
    plan_schema(job);
  }
  for (int i = 0; i < PQntuples(survey->grantees); i++) {
    const char *names[] = {schema, PQgetvalue(survey->grantees, i, 0)};
    if (gives) {
      tndb_relocate_statement(job, "usage", names[1], "none", "GRANT USAGE ON SCHEMA %I TO %s", names);
    } else {
      refuse_usage(job, names[1]);
    }
  }
  return TENANTDB_OK;
}

void tndb_relocate_detail(tndb_buffer *detail, const tndb_relocation *job) {
  const tndb_relocate_settings *settings = &job->settings;
  tndb_buffer_append(detail, "{\"from\": ");
  tndb_json_string(detail, settings->from, strlen(settings->from));
  tndb_buffer_append(detail, ", \"to\": ");
  tndb_json_string(detail, settings->to, strlen(settings->to));
  tndb_buffer_append_char(detail, '}');
}

/* ---------------------------------------------------------------- at once */

/* All tables together, before anything is changed: who has one of them is not made to wait for the rest. */
static tenantdb_status lock_tables(tndb_work *work, tndb_relocation *job, const tndb_survey *survey,
                                   tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  for (int i = 0; i < PQntuples(survey->things); i++) {
    const char *relkind = tndb_survey_cell(survey, i, TNDB_THING_RELKIND);
    if (tndb_survey_is(survey, i, "relation") && relkind && (*relkind == 'r' || *relkind == 'p')) {
      tndb_buffer_append(&sql, sql.length ? ", ONLY " : "LOCK TABLE ONLY ");
      tndb_quote_identifier(&sql, job->settings.from);
      tndb_buffer_append_char(&sql, '.');
      tndb_buffer_append(&sql, tndb_survey_cell(survey, i, TNDB_THING_IDENTITY));
    }
  }
  if (sql.length == 0) {
    return TENANTDB_OK;
  }
  tndb_buffer_append(&sql, " IN ACCESS EXCLUSIVE MODE");
  tndb_work_fail_if(work, sql.failed);
  tndb_relocate_lock(work, job, tndb_buffer_text(&sql), 1);
  return tndb_relocate_locked(work, job, 1, error);
}

static void plan_moves(tndb_relocation *job, const tndb_survey *survey) {
  for (int i = 0; i < PQntuples(survey->things); i++) {
    const char *owned_by = tndb_survey_cell(survey, i, TNDB_THING_OWNED_BY);
    if (!owned_by) {
      tndb_relocate_alter(
          job, tndb_survey_cell(survey, i, TNDB_THING_KIND), tndb_survey_cell(survey, i, TNDB_THING_RELKIND),
          tndb_survey_cell(survey, i, TNDB_THING_NAME), tndb_survey_cell(survey, i, TNDB_THING_IDENTITY));
    }
  }
}

/* Nothing of it is done when all tables are there already: so a call whose answer was lost can be made again.
 */
static tenantdb_status carry_out(tndb_work *work, tndb_relocation *job, const tndb_survey *survey,
                                 tenantdb_error **error) {
  size_t first = tndb_relocate_count(job);
  tenantdb_status status = tndb_survey_schema(work, job, survey, error);
  if (status) {
    return status;
  }
  plan_moves(job, survey);
  if (!job->apply) {
    return TENANTDB_OK;
  }
  status = tndb_relocate_judge(job, "nothing was moved", error);
  if (!status) {
    status = lock_tables(work, job, survey, error);
  }
  if (status) {
    return status;
  }
  tndb_auto_buffer detail = TNDB_BUFFER_INIT;
  tndb_relocate_detail(&detail, job);
  tndb_work_fail_if(work, detail.failed);
  tndb_relocate_limit(work, job, tndb_relocate_count(job) - first);
  tndb_relocate_send(work, job, first);
  tndb_record what = {
      .tenant_id = TNDB_RELOCATE_NOBODY, .action = "relocate", .detail = tndb_buffer_text(&detail)};
  tndb_work_record(work, &what);
  return tndb_work_commit(work, error);
}

static tenantdb_status attempt(void *user, tenantdb_error **error) {
  tndb_relocation *job = user;
  tndb_work work;
  tndb_survey survey = {NULL, NULL};
  bool open = false;
  tndb_relocate_rewind(job, 0);
  tenantdb_status status = tndb_relocate_start(&work, job, error);
  if (!status) {
    status = tndb_relocate_find(&work, job, &open, error);
  }
  if (!status && open) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_RELOCATION_OPEN,
                         "the relocation by views from schema %s to %s is not finished yet; end it with "
                         "tenantdb_relocate_finish()",
                         tndb_relocate_found(job, TNDB_FOUND_FROM), tndb_relocate_found(job, TNDB_FOUND_TO));
  }
  if (!status) {
    status = tndb_survey_read(&work, job, &survey, error);
  }
  if (!status) {
    status = tndb_survey_has(&survey, "relation") || tndb_survey_has(&survey, "sequence")
                 ? carry_out(&work, job, &survey, error)
             : job->apply ? tndb_relocate_judge(job, "nothing was moved", error)
                          : TENANTDB_OK;
  }
  tndb_work_end(&work);
  tndb_survey_free(&survey);
  return status;
}

tenantdb_status tndb_relocate_at_once(tndb_relocation *job, tenantdb_error **error) {
  return tndb_relocate_persist(job, &(tndb_relocate_attempt){.run = attempt, .user = job}, error);
}
