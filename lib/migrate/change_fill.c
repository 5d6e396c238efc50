/* SPDX-License-Identifier: PostgreSQL */
/*
 * Filling a column in batches, and what goes with it.
 *
 * A batch is a stretch of the table's blocks: the progress says where it begins, how
 * many blocks it has, and where the table ended when it all began. So a backfill reads the table
 * once however many batches there are, whatever keys the table has, and dead rows that it
 * leaves behind are never looked at again. The stretch grows while there is little to do in it and
 * shrinks when there is more than a batch.
 *
 * A trigger is there before the first batch: from then on whoever writes a row fills it. So a
 * row that has to be filled neither appears nor moves, and those that are there lie
 * before the end of the table as it was. Being read through once is enough, then.
 *
 * It is read through twice, because a batch must not wait for a row while it holds
 * others: that could make a deadlock with an application that has done nothing wrong. The
 * first time rows that somebody has locked are passed over; the second time what is
 * left is filled row by row, each in a transaction of its own, waiting as long as the lock timeout
 * allows.
 *
 * Partitions count their blocks each for themselves: a stretch is one of all of them, and a
 * batch takes the rows of one.
 */
#include <string.h>

#include "base/memory.h"
#include "migrate/change_plan.h"
#include "sql/cursor.h"
#include "sql/identifier.h"

/* Blocks of the first stretch, and of the longest. */
#define FIRST "16"
#define LONGEST "8192"
#define BATCH "5000"

/* ---------------------------------------------------------------- triggers */

void tndb_change_trigger(tndb_change_plan *plan, const char *body, const char *events, const char *when) {
  tndb_change_let(plan, "body", body);
  tndb_change_let(plan, "events", events);
  tndb_change_let(plan, "when", when);
  tndb_change_join(plan,
                   "CREATE FUNCTION @.function@() RETURNS trigger LANGUAGE plpgsql SET search_path FROM "
                   "CURRENT AS @$body@",
                   TNDB_LOCK_NONE, "what fills rows that are written from now on");
  tndb_change_join(plan, "REVOKE ALL ON FUNCTION @.function@() FROM PUBLIC", TNDB_LOCK_NONE,
                   "nobody calls it by itself");
  tndb_change_join(plan,
                   "CREATE TRIGGER @trigger@ BEFORE @=events@ ON @.table@ FOR EACH ROW @=when@EXECUTE "
                   "FUNCTION @.function@()",
                   TNDB_LOCK_WRITES, "from here on no row is written that is not filled");
}

/* The function is found by the trigger: the table may have another name now than when they were made. */
static const char untrigger_sql[] =
    "DECLARE f regprocedure; BEGIN SELECT tgfoid INTO f FROM pg_trigger WHERE tgrelid = @^table@ AND tgname "
    "= "
    "@'trigger@ AND NOT tgisinternal; IF f IS NULL THEN @=otherwise@ END IF;"
    " EXECUTE format('DROP TRIGGER %I ON %I.%I', @'trigger@, current_schema(), @'table@);"
    " EXECUTE format('DROP FUNCTION %s', f); END";

void tndb_change_untrigger(tndb_change_plan *plan, bool begin, bool if_exists) {
  tndb_change_let(plan, "kind", plan->change->kind->name);
  tndb_change_let_text(plan, "otherwise",
                       if_exists
                           ? "RETURN;"
                           : "RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format('tenantdb check: "
                             "change %s of %I.%I: there is nothing to finish', @'kind@, @'table@, "
                             "@'column@);");
  tndb_change_let_text(plan, "body", untrigger_sql);
  (begin ? tndb_change_begin : tndb_change_join)(plan, "DO @$body@", TNDB_LOCK_BRIEF,
                                                 "rows need not be filled any more");
}

/* ---------------------------------------------------------------- batches */

#define ROW_OF(block) "format('(%s,0)', " block ")::tid"

static const char batch_sql[] =
    "WITH tndb_at AS MATERIALIZED (SELECT coalesce(split_part($1, ' ', 1)::bigint, 0) AS block,"
    " coalesce(split_part($1, ' ', 2)::bigint, " FIRST ") AS span,"
    " coalesce(split_part($1, ' ', 3)::bigint, (SELECT coalesce(max(pg_relation_size(r)), 0)"
    " / current_setting('block_size')::bigint FROM (SELECT @^table@ AS r"
    " UNION ALL SELECT relid FROM pg_partition_tree(@^table@)) t)) AS past),"
    " tndb_found AS MATERIALIZED (SELECT ctid AS tndb_row, tableoid::bigint AS tndb_leaf FROM @.table@"
    " WHERE ctid >= (SELECT " ROW_OF("block") " FROM tndb_at)"
    " AND ctid < (SELECT " ROW_OF("least(block + span, 4294967295)") " FROM tndb_at)"
    " AND (@=wanted@) LIMIT @=limit@ FOR NO KEY UPDATE@=waiting@),"
    " tndb_one AS MATERIALIZED (SELECT count(*) AS n, min(tndb_leaf) AS leaf,"
    " min(tndb_leaf) IS DISTINCT FROM max(tndb_leaf) AS others FROM tndb_found),"
    " tndb_done AS (UPDATE @.table@ SET @target@ = (@=value@)"
    " WHERE ctid = ANY (ARRAY(SELECT f.tndb_row FROM tndb_found f, tndb_one o WHERE f.tndb_leaf = o.leaf))"
    " AND tableoid::bigint = (SELECT leaf FROM tndb_one) RETURNING @target@ IS NOT NULL AS tndb_filled)"
    " SELECT CASE WHEN again THEN format('%s %s %s', block, greatest(span / 2, 1), past)"
    " WHEN block + span < past THEN format('%s %s %s', block + span,"
    " CASE WHEN n * 2 < @=limit@ THEN least(span * 2, " LONGEST ") ELSE span END, past) END AS progress,"
    " touched FROM tndb_at, tndb_one,"
    " (SELECT count(*) AS touched, count(*) FILTER (WHERE tndb_filled) AS filled FROM tndb_done) d,"
    " LATERAL (SELECT (others OR n >= @=limit@) AND filled > 0 AS again) a";

void tndb_change_fill(tndb_change_plan *plan, const char *target, const char *wanted, const char *value) {
  const char *batch = tndb_change_value(plan->change, TNDB_CHANGE_BATCH);
  tndb_change_let(plan, "target", tndb_change_text(plan, target));
  tndb_change_let(plan, "wanted", wanted);
  tndb_change_let(plan, "value", value);
  tndb_change_let(plan, "limit", batch ? batch : BATCH);
  tndb_change_let(plan, "waiting", " SKIP LOCKED");
  tndb_change_repeat(plan, batch_sql, "fill the rows that are there; rows that somebody has locked wait");
  tndb_change_let(plan, "limit", "1");
  tndb_change_let(plan, "waiting", "");
  tndb_change_repeat(plan, batch_sql, "fill what was locked then, row by row");
}

/* ---------------------------------------------------------------- not null */

void tndb_change_not_null(tndb_change_plan *plan, const char *target) {
  tndb_change_let(plan, "target", tndb_change_text(plan, target));
  tndb_change_let_made(plan, "proof", tndb_change_text(plan, "table"), tndb_change_text(plan, target),
                       "_tenantdb_not_null");
  tndb_change_begin(plan,
                    "ALTER TABLE @.table@ ADD CONSTRAINT @proof@ CHECK (@target@ IS NOT NULL) NOT VALID",
                    TNDB_LOCK_BRIEF, "from here on no NULL is written");
  tndb_change_begin(plan, "ALTER TABLE @.table@ VALIDATE CONSTRAINT @proof@", TNDB_LOCK_SHARED,
                    "read through the table for one that is there");
  tndb_change_begin(plan, "ALTER TABLE @.table@ ALTER COLUMN @target@ SET NOT NULL", TNDB_LOCK_BRIEF,
                    "the constraint is the proof: nothing is read");
  tndb_change_join(plan, "ALTER TABLE @.table@ DROP CONSTRAINT @proof@", TNDB_LOCK_BRIEF,
                   "NOT NULL says the same");
}

/* ---------------------------------------------------------------- names */

void tndb_change_name_is_free(tndb_change_plan *plan, const char *name, bool begin) {
  tndb_change_let(plan, "taken", tndb_change_text(plan, name));
  tndb_change_let(plan, "kind", plan->change->kind->name);
  tndb_change_let_text(
      plan, "body",
      "BEGIN IF EXISTS (SELECT FROM pg_class WHERE relnamespace = "
      "quote_ident(current_schema())::regnamespace AND relname = @'taken@) THEN RAISE EXCEPTION "
      "USING ERRCODE = '55000', MESSAGE = format('tenantdb check: change %s: there is a "
      "relation %I already', @'kind@, @'taken@); END IF; END");
  (begin ? tndb_change_begin : tndb_change_join)(plan, "DO @$body@", TNDB_LOCK_NONE,
                                                 "the name must be free, so that what has it is ours");
}

static tenantdb_status read_name(const tndb_change_plan *plan, tndb_cursor *cursor, tndb_buffer *name,
                                 tndb_change_key key, tenantdb_error **error) {
  if (!tndb_cursor_name(cursor, false, name)) {
    return tndb_change_bad(plan->change, error, "%s is no list of names separated by commas",
                           tndb_change_key_name(key));
  }
  if (name->failed) {
    return tndb_no_memory(error);
  }
  tndb_auto_error *why = NULL;
  tenantdb_status status = tndb_identifier_check(tndb_change_key_name(key), tndb_buffer_text(name), &why);
  tndb_cursor_advance(cursor);
  return status == TENANTDB_MEMORY ? tndb_no_memory(error)
         : status                  ? tndb_change_bad(plan->change, error, "%s", tenantdb_error_message(why))
                                   : TENANTDB_OK;
}

tenantdb_status tndb_change_let_list(tndb_change_plan *plan, const char *name, tndb_change_key key,
                                     tenantdb_error **error) {
  tndb_auto_buffer list = TNDB_BUFFER_INIT, item = TNDB_BUFFER_INIT;
  const char *value = tndb_change_value(plan->change, key);
  tndb_cursor cursor;
  tndb_cursor_start(&cursor, value, strlen(value), 1);
  tenantdb_status status;
  do {
    status = read_name(plan, &cursor, &item, key, error);
    tndb_buffer_append(&list, list.length ? ", " : "");
    tndb_quote_identifier(&list, tndb_buffer_text(&item));
  } while (!status && tndb_cursor_take(&cursor, ','));
  if (!status && !tndb_cursor_at_end(&cursor)) {
    status = tndb_change_bad(plan->change, error, "%s is no list of names separated by commas",
                             tndb_change_key_name(key));
  }
  if (!status && list.failed) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    tndb_change_let(plan, name, tndb_buffer_text(&list));
  }
  return status;
}

/* ---------------------------------------------------------------- constants */

static bool take_constant(tndb_cursor *cursor) {
  static const char *const words[] = {"true",         "false",         "null",
                                      "current_date", "current_time",  "current_timestamp",
                                      "localtime",    "localtimestamp"};
  int32_t kind = cursor->token.kind;
  if (tndb_cursor_take_word(cursor, "now")) {
    return tndb_cursor_take(cursor, '(') && tndb_cursor_take(cursor, ')');
  }
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    if (tndb_cursor_take_word(cursor, words[i])) {
      return true;
    }
  }
  bool sign = tndb_cursor_take(cursor, '-') || tndb_cursor_take(cursor, '+');
  kind = cursor->token.kind;
  if (kind != TNDB_TOKEN_NUMBER && (sign || (kind != TNDB_TOKEN_STRING && kind != TNDB_TOKEN_DOLLAR))) {
    return false;
  }
  tndb_cursor_advance(cursor);
  return true;
}

/* `::` and a type: words, names, brackets with numbers. */
static bool take_cast(tndb_cursor *cursor) {
  bool any = false;
  if (tndb_cursor_at_end(cursor) || strncmp(tndb_cursor_text(cursor), "::", 2) != 0) {
    return false;
  }
  for (tndb_cursor_advance(cursor); !tndb_cursor_at_end(cursor); any = true) {
    if (strncmp(tndb_cursor_text(cursor), "::", 2) == 0) {
      return any;
    }
    bool bracket = any && (tndb_cursor_is(cursor, '(') || tndb_cursor_is(cursor, '['));
    if (bracket ? !tndb_cursor_skip(cursor) : !tndb_cursor_is_name(cursor) && !tndb_cursor_is(cursor, '.')) {
      return false;
    }
    if (!bracket) {
      tndb_cursor_advance(cursor);
    }
  }
  return any;
}

bool tndb_change_is_constant(const char *expression) {
  tndb_cursor cursor;
  tndb_cursor_start(&cursor, expression, strlen(expression), 1);
  if (!take_constant(&cursor)) {
    return false;
  }
  while (!tndb_cursor_at_end(&cursor)) {
    if (!take_cast(&cursor)) {
      return false;
    }
  }
  return !tndb_cursor_failed(&cursor);
}
