/* SPDX-License-Identifier: PostgreSQL */
/* What was measured, as the rows of a plan. */
#include <string.h>

#include "base/map.h"
#include "tenant/trial.h"

enum { KEY, TAG, OID, MODE, NAME, FILE_NODE, SYSTEM };
enum { KNOWN_OID, KNOWN_FILE_NODE, KNOWN_NAME };

#define RELATION_NAME(schema)                                                                            \
  "CASE c.relkind WHEN 'i' THEN 'index ' WHEN 'I' THEN 'index ' WHEN 'S' THEN 'sequence ' WHEN 'v' THEN" \
  " 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'table ' END || CASE n.nspname WHEN " schema         \
  " THEN"                                                                                                \
  " quote_ident(c.relname) ELSE format('%I.%I', n.nspname, c.relname) END"

/*
 * Objects that are no relations (schemas, types, roles) are locked softly by
 * nearly everything; only what keeps others out is worth a word.
 */
const char tndb_trial_locks_sql[] =
    "SELECT concat_ws(':', l.locktype, l.database, l.relation, l.classid, l.objid, l.mode) COLLATE \"C\" AS key,"
    " concat_ws(':', l.locktype, l.database, l.relation, l.classid, l.objid) AS tag, l.relation, l.mode,"
    " CASE WHEN l.locktype = 'relation' AND c.oid IS NULL THEN NULL WHEN l.locktype = 'relation' THEN " RELATION_NAME("$1::text")
    " WHEN l.locktype <> 'object' THEN l.locktype WHEN current_setting('server_version_num')::integer >= 140000 THEN"
    " pg_describe_object(l.classid, l.objid, 0) ELSE l.classid::regclass::text END,"
    " pg_relation_filenode(c.oid), CASE WHEN l.locktype = 'relation' THEN coalesce(n.nspname ~ '^pg_'"
    " OR n.nspname = 'information_schema', false) ELSE l.locktype <> 'object' OR l.mode = 'AccessShareLock' END"
    " FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation AND l.locktype = 'relation'"
    " LEFT JOIN pg_namespace n ON n.oid = c.relnamespace WHERE l.pid = pg_backend_pid() AND l.granted"
    " AND l.locktype NOT IN ('virtualxid', 'transactionid') ORDER BY 1";

const char tndb_trial_known_sql[] = "SELECT c.oid, pg_relation_filenode(c.oid), " RELATION_NAME(
    "$2::text") " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY "
                "($1::oid[])";

bool tndb_trial_oids(const tndb_trial *trial, tndb_buffer *oids) {
  tndb_buffer_append_char(oids, '{');
  for (size_t i = 0; i < trial->count; i++) {
    const PGresult *rows = trial->steps[i].after;
    for (int row = 0; rows && row < PQntuples(rows); row++) {
      if (!PQgetisnull(rows, row, OID)) {
        tndb_buffer_format(oids, "%s%s", oids->length > 1 ? "," : "", PQgetvalue(rows, row, OID));
      }
    }
  }
  tndb_buffer_append_char(oids, '}');
  return !oids->failed;
}

/* What is known so far of relations: the file each had, by oid. The strings belong to results. */
static bool remember(tndb_map *files, const PGresult *rows, int oid, int file) {
  bool kept = true;
  for (int row = 0; row < PQntuples(rows); row++) {
    if (!PQgetisnull(rows, row, oid) && !PQgetisnull(rows, row, file)) {
      kept = tndb_map_put(files, PQgetvalue(rows, row, oid), PQgetvalue(rows, row, file)) && kept;
    }
  }
  return kept;
}

static void append_item(tndb_buffer *list, const char *first, const char *second) {
  tndb_buffer_append(list, list->length ? ", " : "");
  tndb_buffer_append(list, first);
  if (second) {
    tndb_buffer_format(list, " on %s", second);
  }
}

typedef struct reading {
  tndb_map names; /* of relations that were there, by oid */
  tndb_map files;
  tndb_buffer locks;
  tndb_buffer rewrites;
  int64_t entries;
} reading;

/* One lock that is held now: is it new, and has its relation a new file? */
static void read_lock(reading *r, const PGresult *rows, int row, bool is_new) {
  bool relation = !PQgetisnull(rows, row, OID);
  const char *oid = PQgetvalue(rows, row, OID);
  const char *name = relation ? tndb_map_get(&r->names, oid) : PQgetvalue(rows, row, NAME);
  if (PQgetvalue(rows, row, SYSTEM)[0] == 't' || !name) {
    return; /* a catalog, or what the script has made itself */
  }
  if (is_new) {
    append_item(&r->locks, PQgetvalue(rows, row, MODE), name);
  }
  const char *before = relation ? tndb_map_get(&r->files, oid) : NULL;
  if (before && !PQgetisnull(rows, row, FILE_NODE) && strcmp(before, PQgetvalue(rows, row, FILE_NODE)) != 0) {
    append_item(&r->rewrites, name, NULL);
    /* The next row of the same relation has nothing new to tell. */
    r->locks.failed = !tndb_map_put(&r->files, oid, PQgetvalue(rows, row, FILE_NODE)) || r->locks.failed;
  }
}

/* Both are in the same order: walk them side by side. */
static void read_step(reading *r, const PGresult *before, const PGresult *after) {
  int old = 0;
  const char *tag = "";
  r->entries = 0;
  for (int row = 0; row < PQntuples(after); row++) {
    const char *key = PQgetvalue(after, row, KEY);
    while (old < PQntuples(before) && strcmp(PQgetvalue(before, old, KEY), key) < 0) {
      old++;
    }
    bool held = old < PQntuples(before) && strcmp(PQgetvalue(before, old, KEY), key) == 0;
    r->entries += strcmp(tag, PQgetvalue(after, row, TAG)) != 0;
    tag = PQgetvalue(after, row, TAG);
    read_lock(r, after, row, !held);
  }
}

static void add_row(const tndb_trial *trial, size_t i, const reading *r, tndb_table *table) {
  const tndb_trial_step *step = &trial->steps[i];
  tndb_buffer numbers[4] = {TNDB_BUFFER_INIT, TNDB_BUFFER_INIT, TNDB_BUFFER_INIT, TNDB_BUFFER_INIT};
  tndb_auto_buffer problem = TNDB_BUFFER_INIT;
  const int64_t values[] = {(int64_t)i + 1, step->line, r->entries, trial->budget};
  for (size_t k = 0; k < 4; k++) {
    tndb_buffer_format(&numbers[k], "%lld", (long long)values[k]);
  }
  bool measured = step->after;
  if (step->problem) {
    tndb_buffer_append(&problem, step->problem);
  } else if (!step->tried && !step->outside) {
    tndb_buffer_append(&problem, "not tried, since a statement before it failed");
  } else if (measured && r->entries > trial->budget) {
    tndb_buffer_append(
        &problem,
        "more locks than the server has room for: raise max_locks_per_transaction, or do it in parts");
  }
  const char *cells[] = {tndb_buffer_text(&numbers[0]),
                         tndb_buffer_text(&numbers[1]),
                         step->sql,
                         step->outside ? "f" : "t",
                         step->outside ? step->locks
                         : measured    ? tndb_buffer_text(&r->locks)
                                       : NULL,
                         measured ? tndb_buffer_text(&r->rewrites) : NULL,
                         measured ? tndb_buffer_text(&numbers[2]) : NULL,
                         tndb_buffer_text(&numbers[3]),
                         problem.length ? tndb_buffer_text(&problem) : NULL};
  tndb_table_row(table, cells);
  for (size_t k = 0; k < 4; k++) {
    tndb_buffer_free(&numbers[k]);
  }
}

tenantdb_status tndb_trial_table(const tndb_trial *trial, tenantdb_result **steps, tenantdb_error **error) {
  static const char *const columns[] = {"step",     "line",    "sql",    "transactional", "locks",
                                        "rewrites", "entries", "budget", "problem"};
  reading r = {.entries = 0};
  tndb_table *table = tndb_table_new(columns, sizeof columns / sizeof columns[0]);
  bool whole = remember(&r.names, trial->known, KNOWN_OID, KNOWN_NAME) &&
               remember(&r.files, trial->known, KNOWN_OID, KNOWN_FILE_NODE);
  const PGresult *before = trial->start;
  for (size_t i = 0; whole && i < trial->count; i++) {
    const PGresult *after = trial->steps[i].after;
    tndb_buffer_clear(&r.locks);
    tndb_buffer_clear(&r.rewrites);
    if (after) {
      read_step(&r, before, after);
      whole = remember(&r.files, after, OID, FILE_NODE);
      before = after;
    }
    whole = whole && !r.locks.failed && !r.rewrites.failed;
    add_row(trial, i, &r, table);
  }
  tndb_map_free(&r.names);
  tndb_map_free(&r.files);
  tndb_buffer_free(&r.locks);
  tndb_buffer_free(&r.rewrites);
  if (!whole) {
    tndb_table_free(table);
    return tndb_no_memory(error);
  }
  return tndb_table_finish(table, steps, error);
}
