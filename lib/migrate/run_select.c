/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who lacks something: one statement, whatever the number of tenants.
 *
 * That a tenant is behind is a matter of tenants.version; that a repeatable migration
 * has another text now, of as many rows of the ledger as there are tenants. That the
 * ledger fits the set (no migration was edited, or added below what was applied) takes
 * a look at all of it; that is skipped when a run with this very set has come
 * to its end for everybody.
 */
#include <string.h>

#include "base/memory.h"
#include "catalog/tenants.h"
#include "migrate/run.h"
#include "migrate/use.h"
#include "sql/identifier.h"
#include "tenant/fleet_selector.h"

/* ---------------------------------------------------------------- statements put together */

void tndb_run_query_free(tndb_run_query *query) {
  for (int32_t i = 0; i < query->count; i++) {
    tndb_free(query->values[i]);
  }
  tndb_free(query->values);
  tndb_buffer_free(&query->sql);
  *query = (tndb_run_query)TNDB_RUN_QUERY_INIT;
}

static bool add_value(tndb_run_query *query, const char *value) {
  char **bigger = tndb_realloc(query->values, ((size_t)query->count + 1) * sizeof *bigger);
  char *copy = bigger ? tndb_strdup(value) : NULL;
  query->values = bigger ? bigger : query->values;
  if (copy) {
    query->values[query->count++] = copy;
  }
  return copy != NULL;
}

/*
 * Tables that were filled a moment ago have no statistics yet, and the planner takes them for small: of two
 * large lists it would compare each row with each. So it is told not to.
 */
#define LINEAR \
  "SELECT pg_catalog.set_config('enable_nestloop', 'off', true), pg_catalog.set_config('jit', 'off', true)"

tenantdb_status tndb_run_query_send(const tndb_run_query *query, tndb_work *work, PGresult **rows,
                                    tenantdb_error **error) {
  *rows = NULL;
  if (query->sql.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(work, LINEAR, 0, NULL); /* in the same flush, and so for that transaction only */
  return tndb_work_query(work, tndb_buffer_text(&query->sql), query->count,
                         (const char *const *)query->values, rows, error);
}

/* A condition on a table called t. */
static tenantdb_status append_selector(tndb_run_query *query, const char *text, tenantdb_error **error) {
  tndb_selector selector;
  tenantdb_status status = tndb_selector_compile(text ? text : "", query->count + 1, &selector, error);
  bool kept = true;
  for (int32_t i = 0; !status && kept && i < selector.count; i++) {
    kept = add_value(query, selector.values[i]);
  }
  if (!status && !kept) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    tndb_buffer_append(&query->sql, tndb_buffer_text(&selector.sql));
  }
  tndb_selector_free(&selector);
  return status;
}

/* ---------------------------------------------------------------- what the set says */

/* Of the versions up to the goal. */
static bool counts(const tndb_run_aim *aim, tndb_stream stream, const tndb_migration *migration,
                   tndb_migration_kind kind) {
  return migration->stream == stream && migration->kind == kind &&
         (kind != TNDB_MIGRATION_VERSIONED || migration->version <= tndb_run_goal(aim, stream));
}

static size_t append_versions(const tndb_run_aim *aim, tndb_stream stream, tndb_buffer *sql) {
  size_t n = 0;
  tndb_buffer_append(sql, "'{");
  for (size_t i = aim->set->first[stream]; i < aim->set->first[stream + 1]; i++) {
    if (counts(aim, stream, aim->set->items[i], TNDB_MIGRATION_VERSIONED)) {
      tndb_buffer_format(sql, "%s%lld", n++ ? "," : "", (long long)aim->set->items[i]->version);
    }
  }
  tndb_buffer_append(sql, "}'::bigint[]");
  return n;
}

static void append_sums(const tndb_run_aim *aim, tndb_stream stream, tndb_migration_kind kind,
                        tndb_buffer *sql) {
  size_t n = 0;
  tndb_buffer_append(sql, "'{");
  for (size_t i = aim->set->first[stream]; i < aim->set->first[stream + 1]; i++) {
    if (counts(aim, stream, aim->set->items[i], kind)) {
      tndb_buffer_format(sql, "%s%s", n++ ? "," : "", aim->set->items[i]->sum);
    }
  }
  tndb_buffer_append(sql, "}'::text[]");
}

/* The files of a stream as rows f (version, sum). */
static void append_files(const tndb_run_aim *aim, tndb_stream stream, tndb_buffer *sql) {
  tndb_buffer_append(sql, "unnest(");
  append_versions(aim, stream, sql);
  tndb_buffer_append(sql, ", ");
  append_sums(aim, stream, TNDB_MIGRATION_VERSIONED, sql);
  tndb_buffer_append(sql, ") f (version, sum)");
}

/* Its repeatable migrations, when all there is is to be applied, as rows r (name, sum). Returns how many. */
static size_t append_repeatables(const tndb_run_aim *aim, tndb_stream stream, tndb_buffer *sql) {
  size_t n = 0;
  tndb_buffer_append(sql, "unnest(ARRAY[");
  for (size_t i = aim->set->first[stream]; i < aim->set->first[stream + 1]; i++) {
    if (counts(aim, stream, aim->set->items[i], TNDB_MIGRATION_REPEATABLE)) {
      tndb_buffer_append(sql, n++ ? ", " : "");
      tndb_quote_literal(sql, aim->set->items[i]->name);
    }
  }
  tndb_buffer_append(sql, "]::text[], ");
  append_sums(aim, stream, TNDB_MIGRATION_REPEATABLE, sql);
  tndb_buffer_append(sql, ") r (name, sum)");
  return n;
}

static size_t count_repeatables(const tndb_run_aim *aim, tndb_stream stream) {
  size_t n = 0;
  for (size_t i = aim->set->first[stream]; i < aim->set->first[stream + 1]; i++) {
    n += aim->set->items[i]->kind == TNDB_MIGRATION_REPEATABLE;
  }
  return aim->settings->to < 0 && !aim->settings->down ? n : 0;
}

int64_t tndb_run_goal(const tndb_run_aim *aim, tndb_stream stream) {
  int64_t newest = tndb_migrations_newest(aim->set, stream);
  int64_t to = aim->settings->to;
  return to >= 0 && to < newest ? to : newest;
}

void tndb_run_append_not_ahead(const tndb_run_aim *aim, tndb_stream stream, const char *version,
                               tndb_buffer *sql) {
  int64_t newest = tndb_migrations_newest(aim->set, stream);
  if (newest > 0) {
    tndb_buffer_format(sql, " AND %s <= %lld", version, (long long)newest);
  }
}

bool tndb_run_is_whole(const tndb_run_settings *settings) {
  return !settings->tenants && !settings->selector && settings->tenant && settings->shared &&
         settings->to < 0 && settings->states == (TNDB_RUN_ACTIVE | TNDB_RUN_SUSPENDED | TNDB_RUN_ARCHIVED) &&
         settings->order != TNDB_RUN_SKIP && !settings->dry && !settings->down;
}

bool tndb_run_has_odd(const tndb_run_aim *aim) {
  return aim->settings->tenant && !aim->settings->down &&
         (aim->checks || aim->settings->order == TNDB_RUN_ANY);
}

/* ---------------------------------------------------------------- who is chosen */

/* The names as two arrays, of ids and of slugs. */
static void append_named(const char *tenants, tndb_buffer *sql) {
  tndb_auto_buffer ids = TNDB_BUFFER_INIT;
  tndb_auto_buffer slugs = TNDB_BUFFER_INIT;
  for (const char *at = tenants; *at;) {
    char id[TNDB_UUID_TEXT];
    at += strspn(at, " ,");
    size_t whole = strcspn(at, ","), length = whole;
    while (length > 0 && at[length - 1] == ' ') {
      length--;
    }
    tndb_auto_free char *name = tndb_strndup(at, length);
    if (!name) {
      sql->failed = true;
      return;
    }
    tndb_fold_case(name);
    tndb_buffer_append(&slugs, slugs.length ? ", " : "");
    tndb_quote_literal(&slugs, name);
    if (tndb_uuid_parse(name, id)) {
      tndb_buffer_format(&ids, "%s%s", ids.length ? "," : "", id);
    }
    at += whole;
  }
  sql->failed = sql->failed || ids.failed || slugs.failed;
  tndb_buffer_append(sql, "(t.id = ANY ('{");
  tndb_buffer_append(sql, tndb_buffer_text(&ids));
  tndb_buffer_append(sql,
                     "}'::uuid[]) OR (t.state <> 'deleted' AND lower(t.slug COLLATE \"C\") = ANY (ARRAY[");
  tndb_buffer_append(sql, tndb_buffer_text(&slugs));
  tndb_buffer_append(sql, "]::text[])))");
}

static void append_states(const tndb_run_settings *settings, tndb_buffer *sql) {
  static const char *const names[] = {"'active'", "'suspended'", "'archived'"};
  const char *comma = "";
  tndb_buffer_append(sql, "t.state IN (");
  for (int i = 0; i < 3; i++) {
    if (settings->states & 1 << i) {
      tndb_buffer_append(sql, comma);
      tndb_buffer_append(sql, names[i]);
      comma = ", ";
    }
  }
  tndb_buffer_append(sql, ") AND NOT " TNDB_MOVED_AWAY);
}

static tenantdb_status append_chosen(const tndb_run_aim *aim, tndb_run_query *query, tenantdb_error **error) {
  const tndb_run_settings *settings = aim->settings;
  tndb_buffer *sql = &query->sql;
  tenantdb_status status = TENANTDB_OK;
  tndb_buffer_append(sql, "chosen AS (SELECT t.id, t.slug, t.version, false AS standby, t.schema_name, ");
  if (settings->canary_selector) {
    status = append_selector(query, settings->canary_selector, error);
  } else {
    tndb_buffer_append(sql, "false");
  }
  tndb_buffer_format(sql, " AS canary FROM %stenants t WHERE ", aim->db->catalog);
  tndb_buffer_append(sql, settings->tenant ? "" : "false AND ");
  append_states(settings, sql);
  if (settings->tenants) {
    tndb_buffer_append(sql, " AND ");
    append_named(settings->tenants, sql);
  }
  if (settings->selector && !status) {
    tndb_buffer_append(sql, " AND (");
    status = append_selector(query, settings->selector, error);
    tndb_buffer_append(sql, ")");
  }
  if (settings->standby && settings->tenant) {
    /* One made before migrations were in use would begin with the first file: upkeep replaces it. */
    tndb_buffer_format(sql,
                       " UNION ALL SELECT s.id, s.schema_name, s.version, true, NULL, false FROM"
                       " %sstandby_schemas s WHERE EXISTS (SELECT FROM %smigrations m WHERE m.tenant_id ="
                       " s.id AND m.state = 'done')",
                       aim->db->catalog, aim->db->catalog);
  }
  tndb_buffer_append(sql, ")");
  return status;
}

/* ---------------------------------------------------------------- who lacks something */

/* How many of the set's versions there are up to one. */
static void append_rank(const tndb_run_aim *aim, tndb_stream stream, const char *version, tndb_buffer *sql) {
  tndb_buffer_format(sql, "pg_catalog.width_bucket(%s, ", version);
  append_versions(aim, stream, sql);
  tndb_buffer_append(sql, ")");
}

/*
 * A condition on a row m of a versioned file and what the set has of it, f: its text is another one now, or
 * it is gone from the midst of the set. What is above the set's newest may be a later release's.
 */
static void append_unfit(const tndb_run_aim *aim, tndb_stream stream, tndb_buffer *sql) {
  const tndb_migration *checkpoint =
      stream == TNDB_STREAM_TENANT ? tndb_migrations_checkpoint(aim->set, INT64_MAX) : NULL;
  tndb_buffer_format(sql,
                     "(m.kind = 'versioned' AND (f.sum <> m.sum OR (f.version IS NULL AND m.version > %lld"
                     " AND m.version < %lld)))",
                     (long long)(checkpoint ? checkpoint->version : 0),
                     (long long)tndb_migrations_newest(aim->set, stream));
}

/*
 * What the ledger's rows m say that were carried out, beside the set's files f: which version a baseline
 * covers (or NULL), how many of the files there are, and whether one does not fit; up to another condition on m.
 */
static void append_carried_out(const tndb_run_aim *aim, tndb_stream stream, tndb_buffer *sql) {
  tndb_buffer_append(
      sql,
      "pg_catalog.max(m.version) FILTER (WHERE m.kind IN ('baseline', 'checkpoint')) AS covered,"
      " pg_catalog.count(*) FILTER (WHERE m.kind = 'versioned' AND f.version IS NOT NULL) AS n,"
      " pg_catalog.bool_or");
  append_unfit(aim, stream, sql);
  tndb_buffer_format(sql, " AS edited FROM %smigrations m LEFT JOIN ", aim->db->catalog);
  append_files(aim, stream, sql);
  tndb_buffer_append(sql, " ON f.version = m.version WHERE m.state = 'done' AND m.name = '' AND ");
}

/* The list `odd`: whose rows in the ledger do not fit the set: one was edited or is gone, or there is a gap. */
static void append_odd(const tndb_run_aim *aim, tndb_buffer *sql) {
  tndb_buffer_append(sql, ", ledger AS (SELECT m.tenant_id, ");
  append_carried_out(aim, TNDB_STREAM_TENANT, sql);
  tndb_buffer_append(sql,
                     "m.stream = 'tenant' GROUP BY m.tenant_id), odd AS (SELECT c.id, c.slug,"
                     " coalesce(l.edited, false) AS edited, coalesce(l.n, 0) < ");
  append_rank(aim, TNDB_STREAM_TENANT, "c.version", sql);
  tndb_buffer_append(sql, " - ");
  append_rank(aim, TNDB_STREAM_TENANT, "coalesce(l.covered, 0)", sql);
  tndb_buffer_append(sql, " AS gap FROM chosen c LEFT JOIN ledger l ON l.tenant_id = c.id WHERE ");
  if (aim->settings->order == TNDB_RUN_SKIP) {
    tndb_buffer_append(sql, "l.edited)");
    return;
  }
  /* A condition without columns: when it does not hold, the ledger is not read. */
  tndb_buffer_format(sql,
                     "NOT (SELECT EXISTS (SELECT FROM %sruns r WHERE r.state = 'done' AND r.set_hash = '%s'"
                     " AND r.settings @> '{\".clean\": \"on\"}')))",
                     aim->db->catalog, aim->set->hash);
}

static void append_lacking(const tndb_run_aim *aim, tndb_buffer *sql) {
  size_t repeatables = count_repeatables(aim, TNDB_STREAM_TENANT);
  bool gaps = tndb_run_has_odd(aim) && aim->settings->order == TNDB_RUN_ANY;
  if (repeatables) {
    tndb_buffer_append(sql, ", repeated AS (SELECT m.tenant_id, pg_catalog.count(*) AS n FROM ");
    (void)append_repeatables(aim, TNDB_STREAM_TENANT, sql);
    tndb_buffer_format(sql,
                       " JOIN %smigrations m ON m.name = r.name AND m.sum = r.sum WHERE m.stream = 'tenant'"
                       " AND m.version = 0 AND m.state = 'done' GROUP BY m.tenant_id)",
                       aim->db->catalog);
  }
  tndb_buffer_append(sql, ", lacking AS MATERIALIZED (SELECT c.* FROM chosen c");
  tndb_buffer_append(sql, repeatables ? " LEFT JOIN repeated p ON p.tenant_id = c.id" : "");
  tndb_buffer_append(sql, gaps ? " LEFT JOIN odd o ON o.id = c.id" : "");
  tndb_buffer_format(
      sql, " WHERE c.version %s %lld", aim->settings->down ? ">" : "<",
      (long long)(aim->settings->down ? aim->settings->to : tndb_run_goal(aim, TNDB_STREAM_TENANT)));
  if (repeatables) {
    tndb_buffer_format(sql, " OR (coalesce(p.n, 0) < %zu", repeatables);
    tndb_run_append_not_ahead(aim, TNDB_STREAM_TENANT, "c.version", sql);
    tndb_buffer_append(sql, ")");
  }
  tndb_buffer_append(sql, gaps ? " OR o.gap)" : ")");
}

/* The row `shared`. What is odd about it is for the job to refuse. */
static void append_shared(const tndb_run_aim *aim, tndb_buffer *sql) {
  size_t repeatables = aim->settings->shared ? count_repeatables(aim, TNDB_STREAM_SHARED) : 0;
  tndb_buffer_append(sql, ", ours AS (SELECT coalesce(pg_catalog.max(m.version), 0) AS version, ");
  append_carried_out(aim, TNDB_STREAM_SHARED, sql);
  tndb_buffer_append(sql, "m.tenant_id = '" TNDB_LEDGER_SHARED "'), shared AS (SELECT o.version, ");
  if (!aim->settings->shared) {
    tndb_buffer_append(sql, "false");
  } else if (aim->settings->down) {
    tndb_buffer_format(sql, "o.version > %lld", (long long)aim->settings->to);
  } else {
    tndb_buffer_format(sql, "o.version < %lld OR coalesce(o.edited, false)",
                       (long long)tndb_run_goal(aim, TNDB_STREAM_SHARED));
    if (aim->settings->order != TNDB_RUN_SKIP) {
      tndb_buffer_append(sql, " OR o.n < ");
      append_rank(aim, TNDB_STREAM_SHARED, "o.version", sql);
      tndb_buffer_append(sql, " - ");
      append_rank(aim, TNDB_STREAM_SHARED, "coalesce(o.covered, 0)", sql);
    }
    if (repeatables) {
      tndb_buffer_append(sql, " OR (EXISTS (SELECT FROM ");
      (void)append_repeatables(aim, TNDB_STREAM_SHARED, sql);
      tndb_buffer_format(
          sql,
          " WHERE NOT EXISTS (SELECT FROM %smigrations m WHERE m.tenant_id = '" TNDB_LEDGER_SHARED
          "' AND m.version = 0 AND m.name = r.name AND m.sum = r.sum AND m.state = 'done'))",
          aim->db->catalog);
      tndb_run_append_not_ahead(aim, TNDB_STREAM_SHARED, "o.version", sql);
      tndb_buffer_append(sql, ")");
    }
  }
  tndb_buffer_append(sql, " AS lacks FROM ours o)");
}

/* ---------------------------------------------------------------- waves */

static void append_waves(const tndb_run_settings *settings, tndb_buffer *sql) {
  tndb_buffer_format(sql, ", bounds AS (SELECT %lld::numeric AS upto", (long long)settings->canaries);
  for (int i = 0; i < settings->n_waves; i++) {
    const tndb_run_size *size = &settings->waves[i];
    if (size->share) {
      tndb_buffer_format(sql,
                         " UNION ALL SELECT pg_catalog.ceil(%lld * pg_catalog.count(*) / 10000.0) FROM"
                         " lacking",
                         (long long)size->number);
    } else {
      tndb_buffer_format(sql, " UNION ALL SELECT %lld", (long long)size->number);
    }
  }
  tndb_buffer_append(sql,
                     "), ordered AS (SELECT l.*, pg_catalog.row_number() OVER (ORDER BY l.canary DESC,"
                     " l.standby, lower(l.slug COLLATE \"C\"), l.id) AS position FROM lacking l), planned AS"
                     " MATERIALIZED (SELECT o.id, o.slug, o.version, o.standby, o.canary, o.position,"
                     " pg_catalog.dense_rank() OVER (ORDER BY CASE WHEN o.canary THEN 0 ELSE 1 + (SELECT"
                     " pg_catalog.count(*) FROM bounds b WHERE b.upto < o.position) END) AS wave FROM"
                     " ordered o)");
}

tenantdb_status tndb_run_select(const tndb_run_aim *aim, tndb_run_query *query, tenantdb_error **error) {
  tndb_buffer_append(&query->sql, "WITH ");
  tenantdb_status status = append_chosen(aim, query, error);
  if (status) {
    return status;
  }
  if (tndb_run_has_odd(aim)) {
    append_odd(aim, &query->sql);
  }
  append_lacking(aim, &query->sql);
  append_shared(aim, &query->sql);
  append_waves(aim->settings, &query->sql);
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- what speaks against it */

enum { MISSING, WRONG_STATE, UNBASED, ODD_ID, ODD_SLUG };

/* As many columns as TNDB_RUN_FAULTS says, all NULL when there is nothing. */
void tndb_run_select_faults(const tndb_run_aim *aim, tndb_run_query *query) {
  const char *catalog = aim->db->catalog;
  tndb_buffer *sql = &query->sql;
  if (aim->settings->tenants && *aim->settings->tenants && aim->settings->tenant) {
    tndb_buffer_append(sql, "(SELECT n FROM pg_catalog.unnest(pg_catalog.regexp_split_to_array(");
    tndb_quote_literal(sql, aim->settings->tenants);
    tndb_buffer_format(sql,
                       ", ' *, *')) n WHERE NOT EXISTS (SELECT FROM %stenants t WHERE t.id::text ="
                       " lower(pg_catalog.btrim(n) COLLATE \"C\") OR (t.state <> 'deleted' AND lower(t.slug"
                       " COLLATE \"C\") = lower(pg_catalog.btrim(n) COLLATE \"C\"))) LIMIT 1), ",
                       catalog);
    tndb_buffer_format(sql,
                       "(SELECT t.slug || ' is ' || CASE WHEN " TNDB_MOVED_AWAY
                       " THEN 'moved to another database' ELSE t.state"
                       " END FROM %stenants t WHERE (t.state NOT IN " TNDB_MIGRATED_STATES
                       " OR " TNDB_MOVED_AWAY ") AND ",
                       catalog);
    append_named(aim->settings->tenants, sql);
    tndb_buffer_append(sql, " LIMIT 1), ");
  } else {
    tndb_buffer_append(sql, "NULL, NULL, ");
  }
  /* Whom the ledger knows first, apart: of the others there are none as a rule, and schemas are not looked at. */
  tndb_buffer_format(
      sql,
      "(SELECT t.slug FROM (SELECT l.* FROM lacking l WHERE NOT EXISTS (SELECT FROM %smigrations m"
      " WHERE m.tenant_id = l.id AND m.state = 'done') OFFSET 0) t WHERE " TNDB_LACKS_BASELINE,
      catalog, catalog);
  tndb_buffer_append(sql, " LIMIT 1), ");
  tndb_buffer_append(
      sql, !aim->checks || !tndb_run_has_odd(aim) ? "NULL, NULL"
           : aim->settings->order == TNDB_RUN_LINEAR
               ? "(SELECT o.id FROM odd o WHERE o.edited OR o.gap ORDER BY o.id LIMIT 1), (SELECT o.slug"
                 " FROM odd o WHERE o.edited OR o.gap ORDER BY o.id LIMIT 1)"
               : "(SELECT o.id FROM odd o WHERE o.edited ORDER BY o.id LIMIT 1), (SELECT o.slug FROM odd o"
                 " WHERE o.edited ORDER BY o.id LIMIT 1)");
}

/* Read that tenant's rows, and let those tell who know best. */
static tenantdb_status refuse_odd(const tndb_run_aim *aim, tndb_work *work, const char *id, const char *slug,
                                  tenantdb_error **error) {
  tndb_auto_buffer ids = TNDB_BUFFER_INIT;
  tndb_ledger_state state = {0};
  tndb_buffer_format(&ids, "{%s}", id);
  if (ids.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_ledger_read(work, tndb_buffer_text(&ids), 1, &state, error);
  if (!status) {
    status = tndb_ledger_fits(&state, aim->set, TNDB_STREAM_TENANT, true, slug, error);
  }
  if (!status && aim->settings->order == TNDB_RUN_LINEAR) {
    status = tndb_ledger_in_order(&state, aim->set, TNDB_STREAM_TENANT,
                                  tndb_run_goal(aim, TNDB_STREAM_TENANT), slug, error);
  }
  tndb_ledger_clear(&state);
  return status;
}

tenantdb_status tndb_run_refuse(const tndb_run_aim *aim, tndb_work *work, const PGresult *rows, int first,
                                bool *again, tenantdb_error **error) {
  *again = false;
  if (!PQgetisnull(rows, 0, first + MISSING)) {
    return tndb_tenant_unknown(PQgetvalue(rows, 0, first + MISSING), error);
  }
  if (!PQgetisnull(rows, 0, first + WRONG_STATE)) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "run option tenants: %s, and only active, suspended and archived tenants are migrated",
                       PQgetvalue(rows, 0, first + WRONG_STATE));
  }
  if (!PQgetisnull(rows, 0, first + UNBASED)) {
    return tndb_refuse_without_baseline(PQgetvalue(rows, 0, first + UNBASED), error);
  }
  if (!PQgetisnull(rows, 0, first + ODD_ID)) {
    *again = true; /* unless it is refused: then the suspicion was wrong */
    return refuse_odd(aim, work, PQgetvalue(rows, 0, first + ODD_ID), PQgetvalue(rows, 0, first + ODD_SLUG),
                      error);
  }
  return TENANTDB_OK;
}
