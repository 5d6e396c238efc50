/* SPDX-License-Identifier: PostgreSQL */
/*
 * A second column beside the first, kept in step by a trigger.
 *
 * A column changes its type behind a shadow: the shadow is filled, and in one short
 * transaction the two change names. What was there stays as *_tenantdb_old until it is finished.
 *
 * A column changes its name, and its type too when that is wanted, by having both names
 * for a while: whoever writes one of them writes the other. So both releases of an
 * application find what they know. A new name by ALTER TABLE would be at once, but
 * only for a release that is stopped meanwhile.
 *
 * What uses the first column is not there for the second one: it is refused, unless it
 * is an index that is to be built anew or something that the author says he looks after.
 */
#include <string.h>

#include "base/memory.h"
#include "migrate/change_kinds.h"
#include "sql/cursor.h"
#include "sql/identifier.h"

/* ---------------------------------------------------------------- indexes */

typedef struct index_part {
  bool unique;
  tndb_buffer name;
  tndb_buffer rest; /* with the other column's name */
} index_part;

static void free_part(index_part *part) {
  tndb_buffer_free(&part->name);
  tndb_buffer_free(&part->rest);
}

static bool names_column(const tndb_cursor *cursor, const char *column, tndb_buffer *name) {
  tndb_cursor ahead = *cursor;
  if (!tndb_cursor_name(cursor, true, name) || strcmp(tndb_buffer_text(name), column) != 0) {
    return false;
  }
  tndb_cursor_advance(&ahead);
  return !tndb_cursor_is(&ahead, '('); /* a function of that name */
}

/* What stands behind an index's name, up to the next one, with `into` in the column's place. */
static bool read_rest(tndb_cursor *cursor, const char *column, const char *into, index_part *part) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT;
  bool found = false, begun = tndb_cursor_is(cursor, '(') || tndb_cursor_is_word(cursor, "using");
  size_t from = cursor->token.offset;
  while (!tndb_cursor_at_end(cursor) && !tndb_cursor_is(cursor, ';')) {
    bool here = names_column(cursor, column, &name);
    if (here) {
      tndb_buffer_append_n(&part->rest, cursor->lexer.text + from, cursor->token.offset - from);
      tndb_quote_identifier(&part->rest, into);
      from = cursor->token.offset + cursor->token.length;
    }
    found = found || here;
    tndb_cursor_advance(cursor);
  }
  tndb_buffer_append_n(&part->rest, cursor->lexer.text + from, cursor->last_end - from);
  part->rest.failed = part->rest.failed || name.failed;
  return begun && found;
}

static tenantdb_status read_part(tndb_cursor *cursor, const tndb_change_plan *plan, const char *column,
                                 const char *into, index_part *part, tenantdb_error **error) {
  tndb_cursor ahead = *cursor;
  tndb_buffer_clear(&part->name);
  tndb_buffer_clear(&part->rest);
  part->unique = tndb_cursor_take_word(&ahead, "unique") && tndb_cursor_is_name(&ahead);
  if (part->unique) {
    *cursor = ahead;
  }
  if (!tndb_cursor_name(cursor, false, &part->name)) {
    return tndb_change_bad(plan->change, error, "indexes is no list such as \"a_idx (a); unique b_key (b)\"");
  }
  tndb_cursor_advance(cursor);
  bool whole = read_rest(cursor, column, into, part);
  if (part->name.failed || part->rest.failed) {
    return tndb_no_memory(error);
  }
  tndb_auto_error *why = NULL;
  tenantdb_status status = tndb_identifier_check("indexes", tndb_buffer_text(&part->name), &why);
  if (status) {
    return status == TENANTDB_MEMORY
               ? tndb_no_memory(error)
               : tndb_change_bad(plan->change, error, "%s", tenantdb_error_message(why));
  }
  return whole
             ? TENANTDB_OK
             : tndb_change_bad(plan->change, error,
                               "index %.63s: behind its name belong its columns, and column %.63s must be "
                               "one of them, as in \"%.63s (%.63s)\"",
                               tndb_buffer_text(&part->name), column, tndb_buffer_text(&part->name), column);
}

/* Of each index of the change: `use` is called with the names index, fresh, unique and on. */
static tenantdb_status each_index(tndb_change_plan *plan, const char *column, const char *into,
                                  void (*use)(tndb_change_plan *plan), tenantdb_error **error) {
  const char *value = tndb_change_value(plan->change, TNDB_CHANGE_INDEXES);
  index_part part = {false, TNDB_BUFFER_INIT, TNDB_BUFFER_INIT};
  tenantdb_status status = TENANTDB_OK;
  tndb_cursor cursor;
  tndb_cursor_start(&cursor, value ? value : "", value ? strlen(value) : 0, 1);
  while (!status && !tndb_cursor_at_end(&cursor)) {
    status = read_part(&cursor, plan, column, into, &part, error);
    if (!status) {
      tndb_change_let(plan, "index", tndb_buffer_text(&part.name));
      tndb_change_let_made(plan, "fresh", tndb_buffer_text(&part.name), NULL, "_tenantdb_new");
      tndb_change_let(plan, "unique_word", part.unique ? "UNIQUE " : "");
      tndb_change_let(plan, "on", tndb_buffer_text(&part.rest));
      use(plan);
      while (tndb_cursor_take(&cursor, ';')) {
      }
    }
  }
  free_part(&part);
  return status;
}

static void build_index(tndb_change_plan *plan) {
  tndb_change_outside(plan, "CREATE @=unique_word@INDEX CONCURRENTLY @fresh@ ON @.table@ @=on@", "fresh",
                      false, "the index, on the second column");
}

static void swap_index(tndb_change_plan *plan) {
  tndb_change_join(plan, "DROP INDEX @.index@", TNDB_LOCK_BRIEF, "the one on the first column");
  tndb_change_join(plan, "ALTER INDEX @.fresh@ RENAME TO @index@", TNDB_LOCK_SHARED, "its name is free");
}

/* ---------------------------------------------------------------- what is in the way */

static void add_literal(tndb_change_plan *plan) {
  tndb_change_let_text(plan, "known", "@=known@, @'index@");
}

/* `known`: the names of what may use the column. */
static tenantdb_status let_known(tndb_change_plan *plan, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  tndb_auto_buffer known = TNDB_BUFFER_INIT, name = TNDB_BUFFER_INIT;
  const char *leave = tndb_change_value(plan->change, TNDB_CHANGE_LEAVE);
  tndb_buffer_append(&known, "''");
  if (leave) {
    status = tndb_change_let_list(plan, "leave_list", TNDB_CHANGE_LEAVE, error);
    tndb_cursor cursor;
    tndb_cursor_start(&cursor, leave, strlen(leave), 1);
    for (; !status && tndb_cursor_name(&cursor, false, &name); (void)tndb_cursor_take(&cursor, ',')) {
      tndb_buffer_append(&known, ", ");
      tndb_quote_literal(&known, tndb_buffer_text(&name));
      tndb_cursor_advance(&cursor);
    }
  }
  plan->failed = plan->failed || known.failed || name.failed;
  tndb_change_let(plan, "known", tndb_buffer_text(&known));
  return status;
}

static const char guard_sql[] =
    "DECLARE tab oid := @^table@; col pg_attribute; why text; BEGIN"
    " SELECT * INTO col FROM pg_attribute WHERE attrelid = tab AND attname = @'column@ AND attnum > 0"
    " AND NOT attisdropped; why := CASE"
    " WHEN col.attnum IS NULL THEN 'there is no such column'"
    " WHEN col.attidentity <> '' THEN 'it is an identity column'"
    " WHEN col.attgenerated <> '' THEN 'it is a generated column'"
    " WHEN col.attinhcount > 0 THEN 'it is inherited'"
    " WHEN EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = tab AND col.attnum = ANY "
    "(partattrs::int2[])) THEN 'it is part of the partition key'"
    " WHEN col.attacl IS NOT NULL THEN 'it has privileges of its own'"
    " WHEN col.attnotnull AND NOT @=must@ THEN 'it is NOT NULL: say not_null=yes'"
    " WHEN NOT col.attnotnull AND @=must@ THEN 'it may be NULL: leave not_null out, or use set_not_null "
    "first'"
    " ELSE (SELECT 'it is used by ' || string_agg(DISTINCT pg_describe_object(d.classid, d.objid, "
    "d.objsubid), "
    "', ')"
    " FROM pg_depend d LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid"
    " LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid"
    " LEFT JOIN pg_attrdef f ON d.classid = 'pg_attrdef'::regclass AND f.oid = d.objid"
    " WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = tab AND d.refobjsubid = col.attnum"
    " AND k.contype IS DISTINCT FROM 'n' AND NOT coalesce(f.adrelid = tab AND f.adnum = col.attnum, false)"
    " AND NOT coalesce(coalesce(k.conname, c.relname) = ANY (ARRAY[@=known@]::text[]), false)) END;"
    " IF why IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format("
    "'tenantdb check: change %s of %I.%I: %s', @'kind@, @'table@, @'column@, why); END IF; END";

static tenantdb_status begin_guarded(tndb_change_plan *plan, tenantdb_error **error) {
  tenantdb_status status = let_known(plan, error);
  if (!status) {
    status = each_index(plan, tndb_change_text(plan, "column"), "", add_literal, error);
  }
  if (status) {
    return status;
  }
  tndb_change_let(plan, "must", tndb_change_flag(plan->change, TNDB_CHANGE_NOT_NULL) ? "true" : "false");
  tndb_change_let(plan, "kind", plan->change->kind->name);
  tndb_change_let_text(plan, "body", guard_sql);
  tndb_change_begin(plan, "DO @$body@", TNDB_LOCK_NONE, "what uses the column would be lost with it");
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- both */

static void name_twins(tndb_change_plan *plan, const char *twin) {
  const char *table = tndb_change_text(plan, "table"), *column = tndb_change_text(plan, "column");
  tndb_change_let_made(plan, "trigger", "zzz_tenantdb_1_twin", column, "");
  tndb_change_let_made(plan, "function", table, column, "_tenantdb_twin");
  tndb_change_let_made(plan, "old", column, NULL, "_tenantdb_old");
  if (twin) {
    tndb_change_let(plan, "twin", twin);
  } else {
    tndb_change_let_made(plan, "twin", column, NULL, "_tenantdb_new");
  }
}

/* Default and comment of one column for another; `default` when the author gave one. */
static void carry(tndb_change_plan *plan, const char *to) {
  tndb_change_let(plan, "into", tndb_change_text(plan, to));
  tndb_change_let_text(plan, "given",
                       tndb_change_value(plan->change, TNDB_CHANGE_DEFAULT) ? "@'default@" : "NULL");
  tndb_change_let_text(
      plan, "body",
      "DECLARE tab oid := @^table@; col int2; def text; about text; BEGIN"
      " SELECT attnum INTO col FROM pg_attribute WHERE attrelid = tab AND attname = @'column@ AND NOT "
      "attisdropped;"
      " def := coalesce(@=given@, (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = tab "
      "AND "
      "adnum = col));"
      " about := col_description(tab, col);"
      " IF def IS NOT NULL THEN EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I SET DEFAULT %s',"
      " current_schema(), @'table@, @'into@, def); END IF;"
      " IF about IS NOT NULL THEN EXECUTE format('COMMENT ON COLUMN %I.%I.%I IS %L',"
      " current_schema(), @'table@, @'into@, about); END IF; END");
  tndb_change_join(plan, "DO @$body@", TNDB_LOCK_BRIEF, "default and comment go along");
}

static void lock(tndb_change_plan *plan) {
  tndb_change_begin(plan, "LOCK TABLE @.table@ IN ACCESS EXCLUSIVE MODE", TNDB_LOCK_BRIEF,
                    "everything below is seen at once");
}

/* Fill it, make it NOT NULL, build its indexes. */
static tenantdb_status prepare(tndb_change_plan *plan, const char *value, tenantdb_error **error) {
  tndb_change_let_text(plan, "wanted", "@twin@ IS NULL AND (@=forth@) IS NOT NULL");
  tndb_change_fill(plan, "twin", tndb_change_text(plan, "wanted"), value);
  if (tndb_change_flag(plan->change, TNDB_CHANGE_NOT_NULL)) {
    tndb_change_not_null(plan, "twin");
  }
  return each_index(plan, tndb_change_text(plan, "column"), tndb_change_text(plan, "twin"), build_index,
                    error);
}

/* ---------------------------------------------------------------- a type */

#define ASSIGN(column, expression) \
  "NEW.@" column "@ := (SELECT (@=" expression "@) FROM (SELECT NEW.*) AS @table@); "
#define ONE_WAY(column, expression) \
  "#variable_conflict use_column\nBEGIN " ASSIGN(column, expression) "RETURN NEW; END"

static void swap(tndb_change_plan *plan) {
  tndb_change_join(plan, "ALTER TABLE @.table@ RENAME COLUMN @column@ TO @old@", TNDB_LOCK_BRIEF,
                   "the first column steps back");
  tndb_change_join(plan, "ALTER TABLE @.table@ RENAME COLUMN @twin@ TO @column@", TNDB_LOCK_BRIEF,
                   "the second one takes its place");
  tndb_change_join(plan,
                   "ALTER TABLE @.table@ ALTER COLUMN @old@ DROP DEFAULT, ALTER COLUMN @old@ DROP NOT NULL",
                   TNDB_LOCK_BRIEF, "nobody writes it by name");
  if (!tndb_change_value(plan->change, TNDB_CHANGE_BACK)) {
    tndb_change_untrigger(plan, false, false);
    return;
  }
  tndb_change_let_text(plan, "body", ONE_WAY("old", "back"));
  tndb_change_join(
      plan,
      "CREATE OR REPLACE FUNCTION @.function@() RETURNS trigger LANGUAGE plpgsql SET search_path "
      "FROM CURRENT AS @$body@",
      TNDB_LOCK_NONE, "the old column is kept in step until it is finished");
}

tenantdb_status tndb_change_change_type(tndb_change_plan *plan, tenantdb_error **error) {
  name_twins(plan, NULL);
  tndb_change_let(plan, "forth", tndb_change_text(plan, "using"));
  tenantdb_status status = begin_guarded(plan, error);
  if (status) {
    return status;
  }
  tndb_change_join(plan, "ALTER TABLE @.table@ ADD COLUMN @twin@ @=type@", TNDB_LOCK_BRIEF,
                   "the shadow; no row is written");
  tndb_change_let_text(plan, "body", ONE_WAY("twin", "forth"));
  tndb_change_trigger(plan, tndb_change_text(plan, "body"), "INSERT OR UPDATE", "");
  status = prepare(plan, tndb_change_text(plan, "forth"), error);
  if (status) {
    return status;
  }
  lock(plan);
  carry(plan, "twin");
  status = each_index(plan, tndb_change_text(plan, "column"), "", swap_index, error);
  swap(plan);
  return status;
}

tenantdb_status tndb_change_finish_change_type(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  name_twins(plan, NULL);
  tndb_change_untrigger(plan, true, true);
  tndb_change_join(plan, "ALTER TABLE @.table@ DROP COLUMN @old@", TNDB_LOCK_BRIEF,
                   "its values go when their rows are written again");
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- a name */

/*
 * Who writes the new name wins. Of an INSERT it cannot be told who left a column out and who gave NULL,
 * so the new column has no default while both are there. Values are compared as text, since
 * not every type has an equality.
 */
static const char both_ways[] =
    "#variable_conflict use_column\nBEGIN IF TG_OP = 'INSERT' THEN"
    " IF NEW.@twin@ IS NOT NULL THEN " ASSIGN("column", "backward") "ELSE " ASSIGN("twin", "forth") "END IF;"
    " ELSIF NEW.@twin@::text IS DISTINCT FROM OLD.@twin@::text THEN " ASSIGN("column", "backward")
    "ELSIF NEW.@column@::text IS DISTINCT FROM OLD.@column@::text OR NEW.@twin@ IS NULL THEN "
    ASSIGN("twin", "forth") "END IF; RETURN NEW; END";

/* The second column with the first one's type. */
static const char same_type[] =
    "DECLARE kind text; BEGIN SELECT format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> "
    "t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation ELSE '' END INTO kind FROM pg_attribute "
    "a"
    " JOIN pg_type t ON t.oid = a.atttypid WHERE a.attrelid = @^table@ AND a.attname = @'column@ AND NOT "
    "a.attisdropped; EXECUTE format('ALTER TABLE %I.%I ADD COLUMN %I %s', current_schema(), @'table@, "
    "@'twin@, "
    "kind); END";

static tenantdb_status let_ways(tndb_change_plan *plan, tenantdb_error **error) {
  bool forth = tndb_change_value(plan->change, TNDB_CHANGE_USING) != NULL;
  bool back = tndb_change_value(plan->change, TNDB_CHANGE_BACK) != NULL;
  bool type = tndb_change_value(plan->change, TNDB_CHANGE_TYPE) != NULL;
  if (forth != back || (type && !forth)) {
    return tndb_change_bad(plan->change, error,
                           "%s needs both using and back: each release reads what the other one writes",
                           type ? "another type" : "another value");
  }
  tndb_change_let_text(plan, "forth", forth ? "@=using@" : "@column@");
  tndb_change_let_text(plan, "backward", back ? "@=back@" : "@twin@");
  return TENANTDB_OK;
}

tenantdb_status tndb_change_rename_column(tndb_change_plan *plan, tenantdb_error **error) {
  name_twins(plan, tndb_change_text(plan, "to"));
  tenantdb_status status = let_ways(plan, error);
  if (!status) {
    status = begin_guarded(plan, error);
  }
  if (status) {
    return status;
  }
  if (tndb_change_value(plan->change, TNDB_CHANGE_TYPE)) {
    tndb_change_join(plan, "ALTER TABLE @.table@ ADD COLUMN @twin@ @=type@", TNDB_LOCK_BRIEF,
                     "the second column; no row is written");
  } else {
    tndb_change_let_text(plan, "body", same_type);
    tndb_change_join(plan, "DO @$body@", TNDB_LOCK_BRIEF, "the second column; no row is written");
  }
  tndb_change_let_text(plan, "body", both_ways);
  tndb_change_trigger(plan, tndb_change_text(plan, "body"), "INSERT OR UPDATE", "");
  /* The trigger fills it: what it does with the first column is left to it alone. */
  return prepare(plan, "NULL", error);
}

tenantdb_status tndb_change_finish_rename_column(tndb_change_plan *plan, tenantdb_error **error) {
  name_twins(plan, tndb_change_text(plan, "to"));
  lock(plan);
  carry(plan, "to");
  tndb_change_untrigger(plan, false, false);
  tenantdb_status status = each_index(plan, tndb_change_text(plan, "column"), "", swap_index, error);
  tndb_change_join(plan, "ALTER TABLE @.table@ DROP COLUMN @column@", TNDB_LOCK_BRIEF,
                   "its values go when their rows are written again");
  return status;
}
