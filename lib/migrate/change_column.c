/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/change_kinds.h"

/* The trigger and its function that fill one column. */
static void name_trigger(tndb_change_plan *plan) {
  const char *table = tndb_change_text(plan, "table"), *column = tndb_change_text(plan, "column");
  /* Triggers fire by name: behind those of the application, and those of twins, which may still change the row. */
  tndb_change_let_made(plan, "trigger", "zzz_tenantdb_2_fill", column, "");
  tndb_change_let_made(plan, "function", table, column, "_tenantdb_fill");
}

/* A trigger that fills the column when it is NULL, and the batches; `value` is a name. */
static void fill(tndb_change_plan *plan, const char *value, const char *events) {
  name_trigger(plan);
  tndb_change_let(plan, "expression", tndb_change_text(plan, value));
  tndb_change_let_text(
      plan, "body",
      "#variable_conflict use_column\nBEGIN NEW.@column@ := (SELECT (@=expression@) FROM (SELECT "
      "NEW.*) AS @table@); RETURN NEW; END");
  tndb_change_let_text(plan, "when", "WHEN (NEW.@column@ IS NULL) ");
  tndb_change_trigger(plan, tndb_change_text(plan, "body"), events, tndb_change_text(plan, "when"));
}

static void fill_batches(tndb_change_plan *plan, bool twice) {
  /* A default that has an effect, such as nextval(), is asked once for each row. */
  tndb_change_let_text(plan, "wanted",
                       twice ? "@column@ IS NULL AND (@=expression@) IS NOT NULL" : "@column@ IS NULL");
  tndb_change_fill(plan, "column", tndb_change_text(plan, "wanted"), tndb_change_text(plan, "expression"));
}

tenantdb_status tndb_change_add_column(tndb_change_plan *plan, tenantdb_error **error) {
  const char *def = tndb_change_value(plan->change, TNDB_CHANGE_DEFAULT);
  const char *backfill = tndb_change_value(plan->change, TNDB_CHANGE_BACKFILL);
  bool not_null = tndb_change_flag(plan->change, TNDB_CHANGE_NOT_NULL);
  if (not_null && !def && !backfill) {
    return tndb_change_bad(
        plan->change, error,
        "not_null=yes needs a default or a backfill: what shall rows have that are there?");
  }
  if (!backfill && (!def || tndb_change_is_constant(def))) {
    tndb_change_let_text(plan, "rest", def ? " DEFAULT @=default@" : "");
    tndb_change_let(plan, "null", not_null ? " NOT NULL" : "");
    tndb_change_begin(plan, "ALTER TABLE @.table@ ADD COLUMN @column@ @=type@@=rest@@=null@", TNDB_LOCK_BRIEF,
                      def ? "a constant default is kept once, no row is written" : "no row is written");
    return TENANTDB_OK;
  }
  tndb_change_begin(plan, "ALTER TABLE @.table@ ADD COLUMN @column@ @=type@", TNDB_LOCK_BRIEF,
                    "no row is written");
  if (def) {
    tndb_change_join(plan, "ALTER TABLE @.table@ ALTER COLUMN @column@ SET DEFAULT @=default@",
                     TNDB_LOCK_BRIEF, "for rows that are added from now on");
  }
  fill(plan, backfill ? "backfill" : "default", def ? "UPDATE" : "INSERT OR UPDATE");
  fill_batches(plan, backfill != NULL);
  if (not_null) {
    tndb_change_not_null(plan, "column");
  }
  if (def) {
    tndb_change_untrigger(plan, true, false);
  }
  return TENANTDB_OK;
}

tenantdb_status tndb_change_set_not_null(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  if (tndb_change_value(plan->change, TNDB_CHANGE_BACKFILL)) {
    tndb_change_begin(plan, "LOCK TABLE @.table@ IN SHARE ROW EXCLUSIVE MODE", TNDB_LOCK_WRITES,
                      "nobody writes while the trigger is made");
    fill(plan, "backfill", "INSERT OR UPDATE");
    fill_batches(plan, true);
  }
  tndb_change_not_null(plan, "column");
  return TENANTDB_OK;
}

tenantdb_status tndb_change_finish_fill(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  name_trigger(plan);
  tndb_change_untrigger(plan, true, false);
  return TENANTDB_OK;
}

tenantdb_status tndb_change_set_default(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  tndb_change_begin(plan, "ALTER TABLE @.table@ ALTER COLUMN @column@ SET DEFAULT @=default@",
                    TNDB_LOCK_BRIEF, "for rows that are added from now on");
  return TENANTDB_OK;
}

tenantdb_status tndb_change_drop_default(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  tndb_change_begin(plan, "ALTER TABLE @.table@ ALTER COLUMN @column@ DROP DEFAULT", TNDB_LOCK_BRIEF,
                    "for rows that are added from now on");
  return TENANTDB_OK;
}

tenantdb_status tndb_change_retire_column(tndb_change_plan *plan, tenantdb_error **error) {
  if (tndb_change_value(plan->change, TNDB_CHANGE_DEFAULT)) {
    return tndb_change_set_default(plan, error);
  }
  tndb_change_begin(plan, "ALTER TABLE @.table@ ALTER COLUMN @column@ DROP NOT NULL", TNDB_LOCK_BRIEF,
                    "who does not know the column may leave it out");
  return TENANTDB_OK;
}

tenantdb_status tndb_change_drop_column(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  tndb_change_begin(plan, "ALTER TABLE @.table@ DROP COLUMN @column@", TNDB_LOCK_BRIEF,
                    "its values go when their rows are written again");
  return TENANTDB_OK;
}
