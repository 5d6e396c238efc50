/* SPDX-License-Identifier: PostgreSQL */
/* Indexes and constraints: built or proved while others read and write. */
#include <string.h>

#include "migrate/change_kinds.h"

static void index_rest(tndb_change_plan *plan) {
  const tenantdb_change *change = plan->change;
  tndb_change_let_text(plan, "rest", tndb_change_value(change, TNDB_CHANGE_METHOD) ? "USING @method@ " : "");
  tndb_change_let_text(plan, "rest", "@=rest@(@=columns@)");
  if (tndb_change_value(change, TNDB_CHANGE_INCLUDE)) {
    tndb_change_let_text(plan, "rest", "@=rest@ INCLUDE (@=include@)");
  }
  if (tndb_change_value(change, TNDB_CHANGE_WITH)) {
    tndb_change_let_text(plan, "rest", "@=rest@ WITH (@=with@)");
  }
  if (tndb_change_value(change, TNDB_CHANGE_WHERE)) {
    tndb_change_let_text(plan, "rest", "@=rest@ WHERE @=where@");
  }
}

static void build(tndb_change_plan *plan, bool unique) {
  tndb_change_name_is_free(plan, "name", true);
  index_rest(plan);
  tndb_change_let(plan, "word", unique ? "UNIQUE " : "");
  tndb_change_outside(plan, "CREATE @=word@INDEX CONCURRENTLY @name@ ON @.table@ @=rest@", "name", false,
                      "read through the table; one that fails is taken away and built again");
}

tenantdb_status tndb_change_add_index(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  build(plan, tndb_change_flag(plan->change, TNDB_CHANGE_UNIQUE));
  return TENANTDB_OK;
}

tenantdb_status tndb_change_drop_index(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  tndb_change_outside(plan, "DROP INDEX CONCURRENTLY @.name@", "name", true,
                      "waits for those who still use it, and nobody waits for it");
  return TENANTDB_OK;
}

static void let_deferrable(tndb_change_plan *plan) {
  const char *when = tndb_change_value(plan->change, TNDB_CHANGE_DEFERRABLE);
  tndb_change_let(plan, "deferrable_word",
                  !when || strcmp(when, "no") == 0 ? ""
                  : strcmp(when, "deferred") == 0  ? " DEFERRABLE INITIALLY DEFERRED"
                                                   : " DEFERRABLE");
}

tenantdb_status tndb_change_add_unique(tndb_change_plan *plan, tenantdb_error **error) {
  tenantdb_status status = tndb_change_let_list(plan, "columns", TNDB_CHANGE_COLUMNS, error);
  if (status) {
    return status;
  }
  let_deferrable(plan);
  build(plan, true);
  tndb_change_begin(plan,
                    "ALTER TABLE @.table@ ADD CONSTRAINT @name@ UNIQUE USING INDEX @name@@=deferrable_word@",
                    TNDB_LOCK_BRIEF, "the index is the proof: nothing is read");
  return TENANTDB_OK;
}

static void validate(tndb_change_plan *plan, const char *locks) {
  tndb_change_begin(plan, "ALTER TABLE @.table@ VALIDATE CONSTRAINT @name@", locks,
                    "read through the table for rows that are there");
}

tenantdb_status tndb_change_add_check(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  tndb_change_begin(plan, "ALTER TABLE @.table@ ADD CONSTRAINT @name@ CHECK (@=check@) NOT VALID",
                    TNDB_LOCK_BRIEF, "for rows that are written from now on");
  validate(plan, TNDB_LOCK_SHARED);
  return TENANTDB_OK;
}

static const char *upper_action(const char *action) {
  static const char *const words[][2] = {{"no action", "NO ACTION"},
                                         {"restrict", "RESTRICT"},
                                         {"cascade", "CASCADE"},
                                         {"set null", "SET NULL"},
                                         {"set default", "SET DEFAULT"}};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (strcmp(words[i][0], action) == 0) {
      return words[i][1];
    }
  }
  return "";
}

static void add_action(tndb_change_plan *plan, tndb_change_key key, const char *template) {
  const char *action = tndb_change_value(plan->change, key);
  if (action) {
    tndb_change_let(plan, "action", upper_action(action));
    tndb_change_let_text(plan, "rest", template);
  }
}

tenantdb_status tndb_change_add_foreign_key(tndb_change_plan *plan, tenantdb_error **error) {
  const tenantdb_change *change = plan->change;
  bool marker = *tndb_change_value(change, TNDB_CHANGE_REFERENCES) == '{';
  bool columns = tndb_change_value(change, TNDB_CHANGE_REF_COLUMNS) != NULL;
  tenantdb_status status = tndb_change_let_list(plan, "columns", TNDB_CHANGE_COLUMNS, error);
  if (!status && columns) {
    status = tndb_change_let_list(plan, "ref_columns", TNDB_CHANGE_REF_COLUMNS, error);
  }
  if (status) {
    return status;
  }
  let_deferrable(plan);
  tndb_change_let_text(plan, "rest", marker ? "@=references@" : "@.references@");
  tndb_change_let_text(plan, "rest", columns ? "@=rest@ (@=ref_columns@)" : "@=rest@");
  add_action(plan, TNDB_CHANGE_ON_DELETE, "@=rest@ ON DELETE @=action@");
  add_action(plan, TNDB_CHANGE_ON_UPDATE, "@=rest@ ON UPDATE @=action@");
  tndb_change_begin(plan,
                    "ALTER TABLE @.table@ ADD CONSTRAINT @name@ FOREIGN KEY (@=columns@) REFERENCES "
                    "@=rest@@=deferrable_word@ NOT VALID",
                    "SHARE ROW EXCLUSIVE on both tables, for a moment",
                    "for rows that are written from now on");
  validate(plan, "SHARE UPDATE EXCLUSIVE, and ROW SHARE on the referenced table: others read and write");
  return TENANTDB_OK;
}
