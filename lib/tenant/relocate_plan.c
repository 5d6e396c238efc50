/* SPDX-License-Identifier: PostgreSQL */
/* The plan of a relocation: what is done, what is refused, as rows; and its statements, sent. */
#include <string.h>

#include "base/memory.h"
#include "base/result.h"
#include "sql/identifier.h"
#include "tenant/relocate.h"

enum { STEP, OBJECT, SQL, LOCKS, STATE, NOTE, N_CELLS };

typedef struct plan_row {
  char *cells[N_CELLS];
  tndb_refusal refusal; /* when its state is refused */
} plan_row;

struct tndb_relocate_rows {
  plan_row *items;
  size_t count;
  bool failed;
};

static void clear(plan_row *row) {
  for (int i = 0; i < N_CELLS; i++) {
    tndb_free(row->cells[i]);
  }
}

static plan_row *append(tndb_relocation *job, const tndb_relocate_row *row) {
  struct tndb_relocate_rows *rows = job->rows;
  const char *const cells[N_CELLS] = {row->step, row->object, row->sql, row->locks, row->state, row->note};
  if (!rows || rows->failed) {
    return NULL;
  }
  plan_row *bigger = tndb_realloc(rows->items, (rows->count + 1) * sizeof *bigger);
  rows->items = bigger ? bigger : rows->items;
  rows->failed = !bigger;
  if (!bigger) {
    return NULL;
  }
  plan_row *added = &bigger[rows->count];
  *added = (plan_row){.cells = {NULL}};
  for (int i = 0; i < N_CELLS; i++) {
    added->cells[i] = cells[i] ? tndb_strdup(cells[i]) : NULL;
    rows->failed = rows->failed || (cells[i] && !added->cells[i]);
  }
  rows->count++;
  return added;
}

void tndb_relocate_add(tndb_relocation *job, const tndb_relocate_row *row) {
  (void)append(job, row);
}

void tndb_relocate_statement(tndb_relocation *job, const char *step, const char *object, const char *locks,
                             const char *format, const char *const *names) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  while (*format) {
    size_t length = strcspn(format, "%");
    tndb_buffer_append_n(&sql, format, length);
    format += length;
    if (*format) {
      if (format[1] == 'I') {
        tndb_quote_identifier(&sql, *names++);
      } else {
        tndb_buffer_append(&sql, *names++); /* %s: quoted already */
      }
      format += 2;
    }
  }
  if (job->rows && sql.failed) {
    job->rows->failed = true;
  }
  tndb_relocate_add(job, &(tndb_relocate_row){
                             .step = step, .object = object, .sql = tndb_buffer_text(&sql), .locks = locks});
}

void tndb_relocate_refuse(tndb_relocation *job, tndb_refusal kind, const char *step, const char *object,
                          const char *remedy, const char *note) {
  plan_row *row = append(
      job,
      &(tndb_relocate_row){.step = step, .object = object, .sql = remedy, .state = "refused", .note = note});
  if (row) {
    row->refusal = kind;
  }
}

void tndb_relocate_suspect(tndb_relocation *job, tndb_refusal kind, const char *step, const char *object,
                           const char *remedy, const char *note) {
  if (job->settings.force) {
    tndb_relocate_add(job, &(tndb_relocate_row){
                               .step = step, .object = object, .sql = remedy, .state = "kept", .note = note});
  } else {
    tndb_relocate_refuse(job, kind, step, object, remedy, note);
  }
}

size_t tndb_relocate_count(const tndb_relocation *job) {
  return job->rows ? job->rows->count : 0;
}

static bool is_refused(const plan_row *row) {
  return row->cells[STATE] && strcmp(row->cells[STATE], "refused") == 0;
}

/* The first few, as one line. */
static void list_refused(tndb_buffer *text, const struct tndb_relocate_rows *rows) {
  size_t shown = 0, all = 0;
  for (size_t i = 0; i < rows->count; i++) {
    if (is_refused(&rows->items[i])) {
      all++;
      if (shown < 3) {
        tndb_buffer_format(text, "%s%s: %s", shown ? "; " : "", rows->items[i].cells[OBJECT],
                           rows->items[i].cells[NOTE]);
        shown++;
      }
    }
  }
  if (all > shown) {
    tndb_buffer_format(text, "; and %zu more, which the plan names", all - shown);
  }
}

tenantdb_status tndb_relocate_judge(tndb_relocation *job, const char *what, tenantdb_error **error) {
  static const struct {
    tenantdb_status status;
    int32_t reason;
  } errors[] = {{TENANTDB_STATE, TENANTDB_REASON_RELOCATION_REFUSED},
                {TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_RELOCATION_NAME_TAKEN},
                {TENANTDB_PERMISSION, TENANTDB_REASON_SERVER_PERMISSION},
                {TENANTDB_STATE, TENANTDB_REASON_OLD_NAME_USED},
                {TENANTDB_STATE, TENANTDB_REASON_SCHEMA_DIFFERS}};
  const struct tndb_relocate_rows *rows = job->rows;
  if (!rows || rows->failed) {
    return tndb_no_memory(error);
  }
  for (size_t i = 0; i < rows->count; i++) {
    if (is_refused(&rows->items[i])) {
      tndb_auto_buffer text = TNDB_BUFFER_INIT;
      tndb_refusal kind = rows->items[i].refusal;
      list_refused(&text, rows);
      job->refused = !text.failed;
      return text.failed ? tndb_no_memory(error)
                         : tndb_origin(error, errors[kind].status, errors[kind].reason, "%s: %s", what,
                                       tndb_buffer_text(&text));
    }
  }
  return TENANTDB_OK;
}

void tndb_relocate_rewind(tndb_relocation *job, size_t count) {
  job->refused = false;
  while (job->rows && job->rows->count > count) {
    clear(&job->rows->items[--job->rows->count]);
  }
}

void tndb_relocate_send(tndb_work *work, const tndb_relocation *job, size_t first) {
  const struct tndb_relocate_rows *rows = job->rows;
  tndb_work_fail_if(work, !rows || rows->failed);
  for (size_t i = first; rows && i < rows->count; i++) {
    const plan_row *row = &rows->items[i];
    if (row->cells[SQL] && !row->cells[STATE]) {
      (void)tndb_work_send(work, row->cells[SQL], 0, NULL);
    }
  }
}

tenantdb_status tndb_relocate_report(tndb_relocation *job, bool done, tenantdb_result **plan,
                                     tenantdb_error **error) {
  static const char *const columns[N_CELLS] = {"step", "object", "sql", "locks", "state", "note"};
  struct tndb_relocate_rows *rows = job->rows;
  tenantdb_status status = rows && rows->failed ? tndb_no_memory(error) : TENANTDB_OK;
  if (plan && rows && !status) {
    tndb_table *table = tndb_table_new(columns, N_CELLS);
    for (size_t i = 0; i < rows->count; i++) {
      const char *cells[N_CELLS];
      memcpy(cells, rows->items[i].cells, sizeof cells);
      cells[STATE] = cells[STATE] ? cells[STATE] : done ? "done" : "planned";
      tndb_table_row(table, cells);
    }
    status = tndb_table_finish(table, plan, error);
  }
  tndb_relocate_rewind(job, 0);
  if (rows) {
    tndb_free(rows->items);
  }
  tndb_free(rows);
  job->rows = NULL;
  return status;
}

tenantdb_status tndb_relocate_rows_new(tndb_relocation *job, tenantdb_error **error) {
  job->rows = tndb_new(struct tndb_relocate_rows);
  return job->rows ? TENANTDB_OK : tndb_no_memory(error);
}
