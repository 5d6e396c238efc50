/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/repair_plan.h"

#include <string.h>

#include "base/memory.h"
#include "schema/marker.h"

tenantdb_status tndb_repair_plan(tenantdb *db, const tndb_schema_settings *settings,
                                 const tndb_registry_form *wanted, const tndb_form *found,
                                 const tndb_differences *differences, tndb_plan *plan,
                                 tenantdb_error **error) {
  tndb_plan_input input = {.expected = &wanted->form,
                           .found = found,
                           .differences = differences,
                           .functions = wanted->functions,
                           .ddl = &wanted->ddl,
                           .ddl_schema = wanted->scratch,
                           .version = db->facts.version,
                           .drop = settings->drop,
                           .concurrently = settings->concurrently};
  return tndb_plan_make(&input, plan, error);
}

char *tndb_repair_statement(const tenantdb *db, const tndb_repair_names *names, const char *sql) {
  tndb_buffer out = TNDB_BUFFER_INIT;
  tndb_mark_names marks = {.schema = names->schema,
                           .shared = tndb_database_shared_schema(db),
                           .role = names->role,
                           .group = names->group,
                           .owner = names->owner};
  tndb_marks_fill(&out, sql, &marks);
  char *taken = tndb_buffer_take(&out);
  tndb_buffer_free(&out);
  return taken;
}

char *tndb_repair_preamble(const tenantdb *db, const char *schema) {
  tndb_buffer out = TNDB_BUFFER_INIT;
  tndb_buffer_append(&out, "SET LOCAL search_path TO ");
  tndb_path_append(&out, db, schema);
  char *taken = tndb_buffer_take(&out);
  tndb_buffer_free(&out);
  return taken;
}

static bool is_inside(const tndb_plan_step *step) {
  return step->phase != TNDB_PHASE_LEFT && step->phase != TNDB_PHASE_OUTSIDE;
}

bool tndb_repair_has(const tndb_plan *plan, bool outside) {
  for (size_t i = 0; i < plan->count; i++) {
    if (outside ? plan->steps[i].phase == TNDB_PHASE_OUTSIDE : is_inside(&plan->steps[i])) {
      return true;
    }
  }
  return false;
}

typedef struct writer {
  const tndb_repair_names *names;
  tndb_table *table;
  int64_t number;
  bool failed;
} writer;

static void write_row(writer *w, const char *sql, const char *lock, bool inside, const char *outcome) {
  tndb_auto_buffer number = TNDB_BUFFER_INIT;
  tndb_buffer_format(&number, "%lld", (long long)++w->number);
  w->failed = w->failed || number.failed;
  const char *cells[] = {w->names->slug, tndb_buffer_text(&number),         sql,
                         lock,           sql ? (inside ? "t" : "f") : NULL, outcome};
  tndb_table_row(w->table, cells);
}

static void write_left(writer *w, const tndb_plan_step *step) {
  tndb_auto_buffer outcome = TNDB_BUFFER_INIT;
  tndb_buffer_append(&outcome, "left: ");
  tndb_buffer_append(&outcome, step->sql);
  w->failed = w->failed || outcome.failed;
  write_row(w, NULL, NULL, false, tndb_buffer_text(&outcome));
}

tenantdb_status tndb_repair_rows(const tenantdb *db, const tndb_repair_names *names, const tndb_plan *plan,
                                 const char *const *outcomes, tndb_table *table, tenantdb_error **error) {
  writer w = {names, table, 0, false};
  bool began = false;
  for (size_t i = 0; i < plan->count && !w.failed; i++) {
    const tndb_plan_step *step = &plan->steps[i];
    const char *outcome = outcomes ? outcomes[i] : "planned";
    if (step->phase == TNDB_PHASE_LEFT) {
      write_left(&w, step);
      continue;
    }
    if (is_inside(step) && !began) {
      tndb_auto_free char *preamble = tndb_repair_preamble(db, names->schema);
      const char *begun = strncmp(outcome, "failed", 6) == 0 ? "rolled back" : outcome;
      w.failed = w.failed || !preamble;
      write_row(&w, preamble, NULL, true, begun);
      began = true;
    }
    tndb_auto_free char *sql = tndb_repair_statement(db, names, step->sql);
    tndb_auto_buffer lock = TNDB_BUFFER_INIT;
    if (step->lock) {
      tndb_marks_show(&lock, step->lock);
    }
    w.failed = w.failed || !sql || lock.failed;
    write_row(&w, sql, step->lock ? tndb_buffer_text(&lock) : NULL, is_inside(step), outcome);
  }
  return w.failed ? tndb_no_memory(error) : TENANTDB_OK;
}
