/* SPDX-License-Identifier: PostgreSQL */
/* The next migration, drafted: the registry's form against the form that all migrations make. */
#include "migrate/draft.h"

#include <string.h>
#include <tenantdb/ledger.h>

#include "catalog/answer.h"
#include "config/property.h"
#include "migrate/ledger_options.h"
#include "migrate/scratch.h"
#include "migrate/use.h"

typedef struct drafting {
  tenantdb *db;
  const tenantdb_migrations *set;
  tndb_stream stream;
  tndb_registry_form *wanted;
  tndb_registry_form *made;
  tndb_open_changes open;
  char now[16]; /* as a version: YYYYMMDDHHMMSS, by the server's clock */
} drafting;

/* ---------------------------------------------------------------- the two forms */

static tenantdb_status declared(void *user, const char *schema, tndb_ddl *ddl, tenantdb_error **error) {
  const tenantdb *db = user;
  return tndb_registry_statements(db->registry, TENANTDB_BASE_SHARED, schema, schema, ddl, error);
}

static tenantdb_status get_shared(tenantdb *db, tndb_registry_form **form, tenantdb_error **error) {
  tndb_work work = {.conn = NULL};
  tndb_form_source source = {.statements = declared, .user = db, .what = "the registry's shared"};
  tenantdb_status status = tndb_work_start(&work, db, "registry form", true, error);
  if (!status) {
    status = tndb_form_make(&work, false, &source, form, error);
  }
  tndb_work_end(&work); /* rolls back: nothing of the scratch schema stays */
  return status;
}

static tenantdb_status get_forms(drafting *d, tenantdb_error **error) {
  bool tenants = d->stream == TNDB_STREAM_TENANT;
  bool with_role = tenants && tndb_registry_form_wants_role(d->db, "");
  int64_t newest = tndb_migrations_newest(d->set, d->stream);
  tenantdb_status status = tenants ? tndb_registry_form_get(d->db, with_role, &d->wanted, error)
                                   : get_shared(d->db, &d->wanted, error);
  if (!status) {
    status = tndb_open_changes_read(d->set, d->stream, &d->open, error);
  }
  if (!status && d->open.count > 0) {
    /* What the older release still needs is neither too much nor to be mended. */
    tndb_auto_error *why = NULL;
    tenantdb_status finished =
        tndb_scratch_form_finished(d->db, d->set, d->stream, &d->open, with_role, &d->made, &why);
    if (finished == TENANTDB_MEMORY || !finished) {
      return finished ? tndb_no_memory(error) : TENANTDB_OK;
    }
  }
  return status ? status : tndb_scratch_form(d->db, d->set, d->stream, newest, with_role, &d->made, error);
}

/* ---------------------------------------------------------------- the files' names */

static tenantdb_status read_clock(drafting *d, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = tndb_work_ask(
      d->db, "SELECT pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISS')", 0, NULL,
      &rows, error);
  if (!status) {
    size_t length = strlen(PQgetvalue(rows, 0, 0));
    memcpy(d->now, PQgetvalue(rows, 0, 0), length < sizeof d->now ? length + 1 : 0);
  }
  PQclear(rows);
  return status;
}

/* How many digits the newest one's file begins with: 7 for 0000012_x.sql. */
static int digits_of(const tndb_migration *newest) {
  const char *slash = newest ? strrchr(newest->file, '/') : NULL;
  const char *name = slash ? slash + 1 : newest ? newest->file : "";
  return (int)strspn(name, "0123456789");
}

/* A number goes on where the set ends; a time is the present one, and always behind the set. */
static void append_name(tndb_buffer *name, const drafting *d, int64_t which, const char *title) {
  int64_t newest = tndb_migrations_newest(d->set, d->stream), next = newest + 1, now = 0;
  int digits = digits_of(tndb_migrations_find(d->set, d->stream, newest));
  (void)tndb_number_parse(d->now, &now);
  if ((newest == 0 || newest >= INT64_C(10000000000000)) && now > newest) {
    next = now;
  }
  tndb_buffer_format(name, "%s/%0*lld_%s.sql", tndb_stream_name(d->stream), digits < 18 ? digits : 18,
                     (long long)(next + which), title);
}

/* ---------------------------------------------------------------- all of it */

static tenantdb_status add_files(const drafting *d, const tndb_draft *draft, tndb_table *table,
                                 tenantdb_error **error) {
  const tndb_buffer *texts[] = {&draft->inside, &draft->outside};
  static const char *const titles[] = {"draft", "draft_concurrently"};
  int64_t which = 0;
  for (size_t i = 0; i < 2; i++) {
    tndb_auto_buffer name = TNDB_BUFFER_INIT;
    tndb_auto_buffer note = TNDB_BUFFER_INIT;
    if (texts[i]->length == 0) {
      continue;
    }
    append_name(&name, d, which++, titles[i]);
    if (i == 0 && draft->left > 0) {
      tndb_buffer_format(&note, "%zu difference%s left to you: see the comments", draft->left,
                         draft->left == 1 ? " is" : "s are");
    } else if (i == 1) {
      tndb_buffer_append(&note, "runs outside of a transaction, statement by statement");
    }
    if (name.failed || note.failed) {
      return tndb_no_memory(error);
    }
    const char *cells[] = {tndb_buffer_text(&name), tndb_buffer_text(texts[i]),
                           note.length ? tndb_buffer_text(&note) : NULL};
    tndb_table_row(table, cells);
  }
  return TENANTDB_OK;
}

static tenantdb_status write_draft(drafting *d, const tndb_differences *differences, tndb_table *table,
                                   tenantdb_error **error) {
  tndb_plan_input input = {.expected = &d->wanted->form,
                           .found = &d->made->form,
                           .differences = differences,
                           .functions = d->wanted->functions,
                           .ddl = &d->wanted->ddl,
                           .ddl_schema = d->wanted->scratch,
                           .version = d->db->facts.version,
                           .concurrently = true};
  tndb_plan plan;
  tndb_draft draft = {TNDB_BUFFER_INIT, TNDB_BUFFER_INIT, 0};
  tenantdb_status status = tndb_plan_make(&input, &plan, error);
  if (!status) {
    status = tndb_draft_write(d->db, &plan, &d->wanted->form, &d->open, &draft, error);
  }
  if (!status) {
    status = read_clock(d, error);
  }
  if (!status) {
    status = add_files(d, &draft, table, error);
  }
  tndb_draft_free(&draft);
  tndb_plan_free(&plan);
  return status;
}

static tenantdb_status draft(drafting *d, const char *stream, tndb_table *table, tenantdb_error **error) {
  tndb_differences differences = {NULL, 0, 0};
  tenantdb_status status = tndb_stream_of(stream, &d->stream, error);
  if (!status) {
    status = tndb_migrations_of(d->db, &d->set, error);
  }
  if (!status) {
    status = get_forms(d, error);
  }
  if (!status) {
    status = tndb_differences_find(&d->wanted->form, &d->made->form, &differences, error);
  }
  if (!status && differences.count > 0) {
    status = write_draft(d, &differences, table, error);
  }
  tndb_differences_free(&differences);
  tndb_open_changes_free(&d->open);
  tndb_registry_form_release(d->wanted);
  tndb_registry_form_release(d->made);
  return status;
}

tenantdb_status tenantdb_migration_draft(tenantdb *db, const char *stream, tenantdb_result **result,
                                         tenantdb_error **error) {
  static const char *const columns[] = {"file", "sql", "note"};
  tenantdb_status status = tndb_answer_begin(db, result, error);
  if (!status && !stream) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "stream is NULL");
  }
  if (status) {
    return status;
  }
  drafting d = {.db = db};
  tndb_table *table = tndb_table_new(columns, 3);
  status = draft(&d, stream, table, error);
  return tndb_answer_end(status, table, result, error);
}
