/* SPDX-License-Identifier: PostgreSQL */
/* The subscription at the target: made, waited for, taken away. */
#include <string.h>

#include "base/memory.h"
#include "pg/conninfo.h"
#include "sql/identifier.h"
#include "tenant/move.h"

#define SOON_MS 100
#define MOST_LOOKS 5
#define MOST_ERRORS 5 /* of the server's workers, before one call gives up */
#define WATCH_MS 2000 /* between two looks whether rows still come that the target can take */

static const char here_sql[] =
    "SELECT s.oid FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid"
    " WHERE s.subname = $1 AND d.datname = pg_catalog.current_database()";

static tndb_deadline soon(const tenantdb *db) {
  return tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
}

/* ---------------------------------------------------------------- making it */

static void wipe(tndb_buffer *text) {
  for (size_t i = 0; text->data && i < text->length; i++) {
    ((volatile char *)text->data)[i] = '\0';
  }
}

/* How the target's server comes to the source. */
static tenantdb_status reach(tndb_move *move, tndb_buffer *text, tenantdb_error **error) {
  tndb_conn *conn;
  if (move->settings.connection) {
    tndb_buffer_append(text, move->settings.connection);
    return text->failed ? tndb_no_memory(error) : TENANTDB_OK;
  }
  tenantdb_status status = tndb_pool_lease(move->from->pool, soon(move->from), &conn, error);
  if (!status) {
    tndb_conninfo_reach(conn, text);
    status = text->failed ? tndb_no_memory(error) : TENANTDB_OK;
  }
  tndb_pool_release(conn);
  return status;
}

/* The statement holds what may be a password: where that is in our hands, the server does not log it. */
static void queue_discretion(tndb_work *work) {
  if (work->db->facts.superuser) {
    (void)tndb_work_send(work,
                         "SELECT pg_catalog.set_config('log_statement', 'none', true),"
                         " pg_catalog.set_config('log_min_error_statement', 'panic', true),"
                         " pg_catalog.set_config('log_min_duration_statement', '-1', true)",
                         0, NULL);
  }
}

static void queue_subscription(tndb_work *work, const tndb_move *move, const char *connection, bool there) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, there ? "ALTER SUBSCRIPTION " : "CREATE SUBSCRIPTION ");
  tndb_quote_identifier(&sql, move->link);
  tndb_buffer_append(&sql, " CONNECTION ");
  tndb_quote_literal(&sql, connection);
  if (!there) {
    tndb_buffer_append(&sql, " PUBLICATION ");
    tndb_quote_identifier(&sql, move->link);
    tndb_buffer_append(&sql, " WITH (create_slot = false, slot_name = ");
    tndb_quote_literal(&sql, move->link);
    /* Said since PostgreSQL 18 would stream to several workers by itself. */
    tndb_buffer_append(&sql, work->db->facts.version >= 140000 ? ", streaming = off)" : ")");
  }
  tndb_work_fail_if(work, sql.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  wipe(&sql);
}

tenantdb_status tndb_move_subscribe(tndb_move *move, tenantdb_error **error) {
  tndb_work work = {0};
  tndb_auto_buffer connection = TNDB_BUFFER_INIT;
  const char *name = move->link;
  PGresult *rows = NULL;
  tenantdb_error *own = NULL;
  tenantdb_status status = reach(move, &connection, error);
  if (status) {
    return status;
  }
  status = tndb_move_start_target(move, &work, "moving", &own);
  if (!status) {
    status = tndb_work_query(&work, here_sql, 1, &name, &rows, &own);
  }
  bool there = !status && PQntuples(rows) == 1;
  if (!status && (!there || move->settings.connection)) {
    queue_discretion(&work);
    queue_subscription(&work, move, tndb_buffer_text(&connection), there);
    status = tndb_work_sync(&work, &own);
    if (status) {
      tndb_error_prefix(&own,
                        "the other server cannot subscribe to %s; it must reach it by option connection",
                        move->from->facts.database);
    }
  }
  if (!status) {
    status = tndb_work_commit(&work, &own);
    if (status == TENANTDB_UNKNOWN) {
      status = tndb_error_fold(&own, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
    }
  }
  PQclear(rows);
  wipe(&connection);
  tndb_work_end(&work);
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- waiting for the rows */

typedef struct progress {
  bool there;
  bool enabled;
  int64_t tables;
  int64_t ready;
  int64_t errors;
} progress;

static tenantdb_status look(tndb_move *move, progress *now, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *name = move->link;
  PGresult *rows;
  tndb_buffer_append(&sql,
                     "SELECT s.subenabled, (SELECT pg_catalog.count(*) FROM pg_catalog.pg_subscription_rel r"
                     " WHERE r.srsubid = s.oid), (SELECT pg_catalog.count(*) FROM "
                     "pg_catalog.pg_subscription_rel r WHERE r.srsubid = s.oid AND r.srsubstate = 'r'), ");
  tndb_buffer_append(&sql, move->to->facts.version >= 150000
                               ? "(SELECT e.apply_error_count + e.sync_error_count FROM"
                                 " pg_catalog.pg_stat_subscription_stats e WHERE e.subid = s.oid)"
                               : "0");
  tndb_buffer_append(&sql,
                     " FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid"
                     " WHERE s.subname = $1 AND d.datname = pg_catalog.current_database()");
  *now = (progress){.there = false};
  tenantdb_status status =
      sql.failed ? tndb_no_memory(error)
                 : tndb_move_ask(move->to, tndb_buffer_text(&sql), 1, &name, soon(move->to), &rows, error);
  if (status) {
    return status;
  }
  now->there = PQntuples(rows) == 1;
  if (now->there) {
    now->enabled = PQgetvalue(rows, 0, 0)[0] == 't';
    (void)tndb_number_parse(PQgetvalue(rows, 0, 1), &now->tables);
    (void)tndb_number_parse(PQgetvalue(rows, 0, 2), &now->ready);
    (void)tndb_number_parse(PQgetvalue(rows, 0, 3), &now->errors);
  }
  PQclear(rows);
  return TENANTDB_OK;
}

static tenantdb_status judge(tndb_move *move, const progress *first, const progress *now, int64_t expected,
                             tenantdb_error **error) {
  if (!now->there || !now->enabled) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_CHANGED,
                       "subscription %s at the target was %s by somebody; undo the move, or %s", move->link,
                       now->there ? "disabled" : "dropped",
                       now->there ? "enable it and call again" : "nothing else helps");
  }
  if (now->tables != expected) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "the subscription found %lld of %lld tables: option connection leads to another "
                       "database than the source's; undo the move and set it right",
                       (long long)now->tables, (long long)expected);
  }
  bool fails = now->errors - first->errors >= MOST_ERRORS;
  if (fails || tndb_clock_ms() - move->watched_ms > WATCH_MS) {
    move->watched_ms = tndb_clock_ms(); /* before PostgreSQL 15 nobody counts errors */
    tenantdb_status status = tndb_move_check_unchanged(move, error);
    if (status) {
      return status;
    }
  }
  if (fails) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_SERVER_ERROR,
                       "the workers of subscription %s failed %lld times at the target, whose log tells why; "
                       "mend it and call again, or undo the move",
                       move->link, (long long)(now->errors - first->errors));
  }
  return TENANTDB_OK;
}

static tenantdb_status count_published(tndb_move *move, int64_t *tables, tenantdb_error **error) {
  const char *name = move->link;
  PGresult *rows;
  tenantdb_status status =
      tndb_move_ask(move->from,
                    "SELECT pg_catalog.count(*) FROM pg_catalog.pg_publication_rel r JOIN"
                    " pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE p.pubname = $1",
                    1, &name, soon(move->from), &rows, error);
  *tables = -1;
  if (!status) {
    (void)tndb_number_parse(PQgetvalue(rows, 0, 0), tables);
    PQclear(rows);
  }
  return status;
}

tenantdb_status tndb_move_copy(tndb_move *move, tenantdb_error **error) {
  progress first = {.there = false}, now;
  int64_t expected;
  tenantdb_status status = count_published(move, &expected, error);
  if (!status) {
    status = look(move, &first, error);
  }
  for (now = first; !status; status = look(move, &now, error)) {
    status = judge(move, &first, &now, expected, error);
    if (status || now.ready == now.tables) {
      break;
    }
    tndb_auto_buffer what = TNDB_BUFFER_INIT;
    tndb_buffer_format(&what, "%lld of %lld tables are copied", (long long)now.ready, (long long)now.tables);
    tndb_move_note(move, TNDB_MOVE_COPY, tndb_buffer_text(&what));
    status = tndb_move_wait(move, 50, tndb_buffer_text(&what), error);
    if (status) {
      break;
    }
  }
  if (!status) {
    tndb_auto_buffer what = TNDB_BUFFER_INIT;
    tndb_buffer_format(&what, "%lld tables", (long long)now.tables);
    tndb_move_note(move, TNDB_MOVE_COPY, tndb_buffer_text(&what));
    status = tndb_move_analyze(move, error);
  }
  return status;
}

/* ---------------------------------------------------------------- catching up */

/*
 * What was applied, or what it has confirmed to be on its disk: the first is
 * enough, since the switch is a commit behind it, and is not shown to everybody.
 */
tenantdb_status tndb_move_has_applied(tndb_move *move, const char *lsn, tndb_deadline deadline, bool *applied,
                                      tenantdb_error **error) {
  static const char applied_sql[] =
      "SELECT coalesce(greatest(s.confirmed_flush_lsn, w.replay_lsn) >= $2::pg_catalog.pg_lsn, false)"
      " FROM pg_catalog.pg_replication_slots s LEFT JOIN pg_catalog.pg_stat_get_wal_senders() w"
      " ON w.pid = s.active_pid WHERE s.slot_name = $1";
  const char *values[] = {move->link, lsn};
  PGresult *rows;
  tenantdb_status status = tndb_move_ask(move->from, applied_sql, 2, values, deadline, &rows, error);
  *applied = !status && PQntuples(rows) == 1 && PQgetvalue(rows, 0, 0)[0] == 't';
  if (!status && PQntuples(rows) == 0) {
    status =
        tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_CHANGED,
                    "replication slot %s at the source is gone, and with it what was still to come: undo "
                    "the move",
                    move->link);
  }
  PQclear(rows);
  return status;
}

static tenantdb_status measure(tndb_move *move, int64_t *ms, tenantdb_error **error) {
  progress first, now;
  int64_t began = tndb_clock_ms();
  bool applied = false;
  PGresult *rows;
  tenantdb_status status = look(move, &first, error);
  if (!status) {
    status = tndb_move_ask(move->from, "SELECT pg_catalog.pg_current_wal_flush_lsn()", 0, NULL,
                           soon(move->from), &rows, error);
  }
  if (status) {
    return status;
  }
  while (!status && !applied) {
    status = tndb_move_has_applied(move, PQgetvalue(rows, 0, 0), soon(move->from), &applied, error);
    if (!status && !applied) {
      status = tndb_move_wait(move, 10, "waiting for the other database to catch up", error);
      status = status ? status : look(move, &now, error);
      status = status ? status : judge(move, &first, &now, now.tables, error);
    }
  }
  PQclear(rows);
  *ms = tndb_clock_ms() - began;
  return status;
}

/* Until it would take no longer than half of a pause; for a while it may become less than that. */
tenantdb_status tndb_move_catch_up(tndb_move *move, tenantdb_error **error) {
  int64_t ms = 0;
  tenantdb_status status = TENANTDB_OK;
  for (int i = 0; !status && (i == 0 || ms > move->settings.pause_ms / 2 || (ms > SOON_MS && i < MOST_LOOKS));
       i++) {
    status = measure(move, &ms, error);
  }
  if (!status) {
    tndb_auto_buffer what = TNDB_BUFFER_INIT;
    tndb_buffer_format(&what, "%lld ms behind", (long long)ms);
    tndb_move_note(move, TNDB_MOVE_CATCH_UP, tndb_buffer_text(&what));
  }
  return status;
}

/* ---------------------------------------------------------------- taking it away */

tenantdb_status tndb_move_queue_unsubscribe(tndb_work *work, const tndb_move *move, bool *there,
                                            tenantdb_error **error) {
  static const char *const ends[] = {" DISABLE", " SET (slot_name = NONE)", ""};
  const char *name = move->link;
  PGresult *rows;
  tenantdb_status status = tndb_work_query(work, here_sql, 1, &name, &rows, error);
  *there = !status && PQntuples(rows) == 1;
  PQclear(rows);
  for (size_t i = 0; *there && i < 3; i++) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    tndb_buffer_append(&sql, i < 2 ? "ALTER SUBSCRIPTION " : "DROP SUBSCRIPTION ");
    tndb_quote_identifier(&sql, move->link);
    tndb_buffer_append(&sql, ends[i]);
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  }
  return status;
}

tenantdb_status tndb_move_unsubscribe(tndb_move *move, tenantdb_error **error) {
  tndb_work work;
  bool there;
  tenantdb_status status = tndb_move_start_target(move, &work, "switched", error);
  if (!status) {
    status = tndb_move_queue_unsubscribe(&work, move, &there, error);
  }
  if (!status) {
    status = tndb_work_commit(&work, error);
    if (status == TENANTDB_UNKNOWN) {
      status = tndb_error_fold(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECTION_LOST);
    }
  }
  tndb_work_end(&work);
  return status;
}
