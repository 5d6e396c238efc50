/* SPDX-License-Identifier: PostgreSQL */
/*
 * The beat: everything that a runner and the catalog have to tell each other, in one
 * exchange, which is one transaction. It is stepped like the jobs beside it: nobody waits for it who has
 * something to do. So what was said is kept until the answer is there, and what has happened
 * meanwhile is said in the next.
 */
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "catalog/text_array.h"
#include "migrate/run.h"
#include "pg/prepared.h"

#define BEAT_MS 250
/* Members taken at once, for each connection: what it will have done in this time, but no more than so many. */
#define TAKEN_MS 300
#define FIRST_TAKEN 8
#define MOST_TAKEN 64
/* How long a job must have been under way for the server to be asked what it waits for. */
#define LONG_MS 400

const char *tndb_run_state_name(tndb_run_state state) {
  static const char *const names[TNDB_N_RUN_STATES] = {"running", "paused", "stopped", "done", "aborted"};
  return names[state];
}

static tndb_run_state state_of(const char *name) {
  int state = 0;
  while (state < TNDB_RUN_ABORTED && strcmp(name, tndb_run_state_name((tndb_run_state)state)) != 0) {
    state++;
  }
  return (tndb_run_state)state;
}

static int64_t number_at(const PGresult *rows, int row, int column) {
  int64_t number = 0;
  (void)tndb_number_parse(PQgetvalue(rows, row, column), &number);
  return number;
}

/* Queue a fixed statement, whose pattern has the catalog at up to three places. */
static size_t send(tenantdb_run *run, tndb_conn *conn, const char *key, const char *pattern, int32_t count,
                   const char *const *values) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  for (const char *at = pattern; *at;) {
    size_t length = strcspn(at, "@");
    tndb_buffer_append_n(&sql, at, length);
    at += length;
    if (*at) {
      tndb_buffer_append(&sql, run->db->catalog);
      at++;
    }
  }
  if (sql.failed) {
    conn->send_failed = conn->no_room = true;
    return TNDB_NONE;
  }
  return tndb_prepared_send_fixed(conn, key, tndb_buffer_text(&sql),
                                  &(tndb_values){count, values, NULL, NULL, NULL});
}

static void fail_if(tndb_conn *conn, bool failed) {
  if (failed) {
    conn->send_failed = conn->no_room = true;
  }
}

/* ---------------------------------------------------------------- results */

static void send_result(tenantdb_run *run, tndb_conn *conn, const tndb_run_member *member) {
  static const char pattern[] =
      "UPDATE @run_members SET state = $4, attempts = $5::integer, to_version = $6::bigint, file = $7, line ="
      " $8::integer, status = $9::integer, sqlstate = $10, error = $11, blocker = CASE WHEN $12 = 't' THEN"
      " coalesce(blocker, $14) END, owner = NULL, lease_until = NULL, started_at = now() - $13::bigint *"
      " interval '1 millisecond', finished_at = now(), duration_ms = $13::bigint, slug = coalesce($15, slug),"
      " standby = CASE WHEN $15 IS NULL THEN standby ELSE $16 = 't' END WHERE run_id = $1::uuid AND tenant_id"
      " = $2::uuid AND owner = $3::uuid";
  char attempts[TNDB_INT64_TEXT], to[TNDB_INT64_TEXT], line[TNDB_INT64_TEXT], status[TNDB_INT64_TEXT],
      took[TNDB_INT64_TEXT];
  bool bad = member->error != NULL;
  tndb_int64_write(member->attempts, attempts);
  tndb_int64_write(member->to, to);
  tndb_int64_write(member->line, line);
  tndb_int64_write(tenantdb_error_status(member->error), status);
  tndb_int64_write(member->took_ms, took);
  const char *code = bad ? tenantdb_error_sqlstate(member->error) : NULL;
  const char *values[] = {run->id,
                          member->id,
                          run->owner,
                          member->state,
                          attempts,
                          member->began_ms ? to : NULL,
                          bad ? member->file : NULL,
                          bad && member->line > 0 ? line : NULL,
                          bad ? status : NULL,
                          code && *code ? code : NULL,
                          bad ? tenantdb_error_message(member->error) : NULL,
                          member->by_lock ? "t" : "f",
                          took,
                          member->blocker,
                          member->gone ? NULL : member->slug, /* a standby schema may be a tenant's by now */
                          member->standby ? "t" : "f"};
  (void)send(run, conn, "run member result", pattern, 16, values);
}

/* More have failed than may: nobody further begins, whoever works on it. */
static void send_limit(tenantdb_run *run, tndb_conn *conn) {
  static const char pattern[] =
      "UPDATE @runs r SET state = 'stopped', updated_at = now(), note = f.n || ' failed, and no more than '"
      " || r.failure_limit || ' may' FROM (SELECT pg_catalog.count(*) AS n FROM @run_members m WHERE m.run_id"
      " = $1::uuid AND m.wave > 0 AND m.state = 'failed') f WHERE r.id = $1::uuid AND r.state = 'running' AND"
      " r.failure_limit < f.n";
  const char *values[] = {run->id};
  (void)send(run, conn, "run limit", pattern, 1, values);
}

/* ---------------------------------------------------------------- leases */

/* Those that we know of: who was taken by a beat whose answer was lost is to be taken by anybody. */
static bool list_ours(const tenantdb_run *run, tndb_text_array *ids) {
  for (const tndb_run_member *member = run->ready.first; member; member = member->next) {
    tndb_text_array_add(ids, member->id);
  }
  for (size_t i = 0; i < run->n_slots; i++) {
    if (run->slots[i].member) {
      tndb_text_array_add(ids, run->slots[i].member->id);
    }
  }
  return tndb_text_array_finish(ids) != NULL;
}

static void send_renewal(tenantdb_run *run, tndb_conn *conn, const char *lease) {
  /* Who is locked has his result on the way. */
  static const char pattern[] =
      "UPDATE @run_members m SET lease_until = now() + $3::bigint * interval '1 millisecond' WHERE m.run_id ="
      " $1::uuid AND m.tenant_id = ANY (ARRAY(SELECT w.tenant_id FROM @run_members w WHERE w.run_id = "
      "$1::uuid AND"
      " w.tenant_id = ANY ($4::uuid[]) AND w.owner = $2::uuid AND w.state = 'running' FOR UPDATE SKIP "
      "LOCKED))";
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  if (!list_ours(run, &ids)) {
    conn->send_failed = conn->no_room = true;
    return;
  }
  const char *values[] = {run->id, run->owner, lease, tndb_buffer_text(&ids.text)};
  (void)send(run, conn, "run renewal", pattern, 4, values);
}

/* ---------------------------------------------------------------- who was taken */

/* The columns behind the ledger's. */
enum { ID = 10, ATTEMPTS, SLUG, SCHEMA, ROLE, TENANT_VERSION, STANDBY, GONE };

/* What a list u (id, n, attempts) is and what the ledger says of each: a row at least, tndb_ledger_take() takes it. */
static const char read_head[] =
    " SELECT u.n, m.version, m.name, %, m.sum, m.state, m.steps, m.steps_done, m.owner, EXISTS (SELECT FROM"
    " @views), u.id, u.attempts, coalesce(t.slug, s.schema_name), coalesce(t.schema_name, s.schema_name),"
    " coalesce(t.role_name, CASE WHEN t.id IS NULL THEN s.role_name END), coalesce(t.version, s.version), "
    "t.id IS"
    " NULL AND s.id IS NOT NULL, t.id IS NULL AND s.id IS NULL FROM ";
/* Apart from each other, so that the planner cannot but go by the indexes. */
static const char read_tail[] =
    " LEFT JOIN LATERAL (SELECT * FROM @tenants t WHERE t.id = u.id AND t.state IN " TNDB_MIGRATED_STATES
    " AND NOT " TNDB_MOVED_AWAY
    " OFFSET 0) t ON true LEFT JOIN LATERAL (SELECT * FROM @standby_schemas s WHERE"
    " s.id = u.id OFFSET 0) s ON true LEFT JOIN LATERAL (SELECT * FROM @migrations l WHERE l.tenant_id = "
    "u.id";
/*
 * Of the ledger only what is not settled: that everything up to a tenant's version was applied to him, with
 * the texts that it has, was asked of the whole fleet when the run was planned. So his version counts as
 * a baseline, unless it is gone from the midst of the set. Whoever goes back, or fills gaps, has to see it all.
 */
static const char read_unsettled[] =
    " AND l.version >= greatest(coalesce(t.version, s.version), 1) UNION ALL SELECT * FROM @migrations l "
    "WHERE"
    " l.tenant_id = u.id AND l.version = 0";
static const char read_end[] = " OFFSET 0) m ON true ORDER BY u.n, m.version, m.name COLLATE \"C\"";

static bool reads_all(const tenantdb_run *run) {
  return run->settings.down || run->settings.order == TNDB_RUN_ANY;
}

/* "SELECT ..." of those in a list, behind what makes the list. `versions`: the parameter with the set's. */
static void append_read(const tenantdb_run *run, tndb_buffer *pattern, const char *list,
                        const char *versions) {
  const char *gap = strchr(read_head, '%');
  bool all = reads_all(run);
  tndb_buffer_append_n(pattern, read_head, (size_t)(gap - read_head));
  if (all) {
    tndb_buffer_append(pattern, "m.kind");
  } else {
    tndb_buffer_format(
        pattern,
        "CASE WHEN m.version = coalesce(t.version, s.version) AND (m.version = ANY (%s::bigint[]) OR"
        " m.version > ALL (%s::bigint[])) THEN 'baseline' ELSE m.kind END",
        versions, versions);
  }
  tndb_buffer_append(pattern, gap + 1);
  tndb_buffer_append(pattern, list);
  tndb_buffer_append(pattern, read_tail);
  tndb_buffer_append(pattern, all ? "" : read_unsettled);
  tndb_buffer_append(pattern, read_end);
}

static void append_versions(const tenantdb_run *run, tndb_buffer *versions) {
  size_t first = run->set->first[TNDB_STREAM_TENANT];
  tndb_buffer_append(versions, "{");
  for (size_t i = first; i < run->set->first[TNDB_STREAM_TENANT + 1]; i++) {
    tndb_buffer_format(versions, "%s%lld", i > first ? "," : "", (long long)run->set->items[i]->version);
  }
  tndb_buffer_append(versions, "}");
}

/* How many for each connection. */
static int64_t taken_each(const tenantdb_run *run) {
  int64_t each = run->n_over == 0 ? FIRST_TAKEN : TAKEN_MS * run->n_over / (run->over_ms + 1);
  return each < 1 ? 1 : each > MOST_TAKEN ? MOST_TAKEN : each;
}

/*
 * Those who were deferred are taken when nobody waits any more; a batch gets smaller as fewer are left to share. Said
 * so that the planner cannot but go by the indexes: of a run that has just begun it has no statistics.
 */
static size_t send_claim(tenantdb_run *run, tndb_conn *conn, const char *lease) {
  static const char pattern[] =
      "WITH r AS MATERIALIZED (SELECT wave FROM @runs WHERE id = $1::uuid AND state = 'running'), few AS"
      " MATERIALIZED (SELECT pg_catalog.count(*) AS waiting, least($5::bigint, greatest($4::bigint,"
      " pg_catalog.count(*) / 2)) AS n FROM (SELECT FROM @run_members m WHERE m.run_id = $1::uuid AND "
      "m.state ="
      " 'waiting' AND m.wave <= (SELECT wave FROM r) LIMIT 2 * $5::bigint) w), picked AS MATERIALIZED (SELECT"
      " m.tenant_id FROM @run_members m WHERE m.run_id = $1::uuid AND m.state IN ('waiting', 'running',"
      " 'deferred') AND m.wave <= (SELECT wave FROM r) AND (m.state = 'waiting' OR m.state = 'running' AND"
      " m.lease_until < now() OR m.state = 'deferred' AND (SELECT waiting FROM few) = 0) ORDER BY m.wave,"
      " m.position LIMIT (SELECT n FROM few) FOR UPDATE SKIP LOCKED), taken AS (UPDATE @run_members m SET "
      "state"
      " = 'running', owner = $2::uuid, lease_until = now() + $3::bigint * interval '1 millisecond', blocker ="
      " NULL WHERE m.run_id = $1::uuid AND m.tenant_id = ANY (ARRAY(SELECT tenant_id FROM picked)) RETURNING"
      " m.tenant_id, m.attempts, m.wave, m.position)";
  static const char list[] =
      "(SELECT k.tenant_id AS id, k.attempts, pg_catalog.row_number() OVER (ORDER BY k.wave,"
      " k.position) AS n FROM taken k) u";
  char least[TNDB_INT64_TEXT], most[TNDB_INT64_TEXT];
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer versions = TNDB_BUFFER_INIT;
  int64_t each = taken_each(run);
  tndb_int64_write((int64_t)run->n_slots * (each + 1) / 2, least);
  tndb_int64_write((int64_t)run->n_slots * each, most);
  tndb_buffer_append(&sql, pattern);
  append_read(run, &sql, list, "$6");
  append_versions(run, &versions);
  fail_if(conn, sql.failed || versions.failed);
  const char *values[] = {run->id, run->owner, lease, least, most, tndb_buffer_text(&versions)};
  bool all = reads_all(run);
  return send(run, conn, all ? "run claim all" : "run claim", tndb_buffer_text(&sql), all ? 5 : 6, values);
}

/* Of those who were taken before what is known is not to be trusted any more. */
static size_t send_stale(tenantdb_run *run, tndb_conn *conn) {
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer versions = TNDB_BUFFER_INIT;
  for (tndb_run_member *member = run->ready.first; member; member = member->next) {
    member->asked = member->stale;
    if (member->stale) {
      tndb_text_array_add(&ids, member->id);
    }
  }
  if (ids.count == 0) {
    return TNDB_NONE;
  }
  append_read(run, &sql,
              "(SELECT i.id, i.n, 0 AS attempts FROM pg_catalog.unnest($1::uuid[]) WITH ORDINALITY i (id,"
              " n)) u",
              "$2");
  append_versions(run, &versions);
  const char *values[] = {tndb_text_array_finish(&ids), tndb_buffer_text(&versions)};
  bool all = reads_all(run);
  fail_if(conn, sql.failed || versions.failed || !values[0]);
  return send(run, conn, all ? "run stale all" : "run stale", tndb_buffer_text(&sql), all ? 1 : 2, values);
}

static bool keep_text(char **to, const char *text) {
  char *copy = tndb_strdup(text);
  if (copy) {
    tndb_free(*to);
    *to = copy;
  }
  return copy != NULL;
}

/* What he is, as a row tells, and the ledger's state, which is handed over. */
static tenantdb_status refresh(tndb_run_member *member, const PGresult *rows, int row,
                               tndb_ledger_state *state, tenantdb_error **error) {
  member->gone = PQgetvalue(rows, row, GONE)[0] == 't' && !member->shared;
  member->standby = PQgetvalue(rows, row, STANDBY)[0] == 't';
  member->version = number_at(rows, row, TENANT_VERSION);
  bool kept = keep_text(&member->slug, member->shared ? "shared" : PQgetvalue(rows, row, SLUG)) &&
              keep_text(&member->schema, PQgetvalue(rows, row, SCHEMA)) &&
              keep_text(&member->role, PQgetvalue(rows, row, ROLE));
  tndb_ledger_clear(&member->ledger);
  member->ledger = *state;
  *state = (tndb_ledger_state){0};
  member->stale = !kept;
  return kept ? TENANTDB_OK : tndb_no_memory(error);
}

/* Somebody new, or the next of those who were asked for again; NULL: memory. */
static tndb_run_member *member_of(tenantdb_run *run, const PGresult *rows, int row, bool taken) {
  tndb_run_member *member = taken ? tndb_new(tndb_run_member) : run->ready.first;
  if (!taken) {
    while (member && !member->asked) {
      member = member->next;
    }
  } else if (member && tndb_uuid_parse(PQgetvalue(rows, row, ID), member->id)) {
    member->attempts = (int32_t)number_at(rows, row, ATTEMPTS) + 1;
    member->stale = true;
    member->shared = strcmp(member->id, TNDB_LEDGER_SHARED) == 0;
    tndb_run_push(&run->ready, member);
  } else {
    tndb_free(member);
    return NULL;
  }
  return member;
}

static tenantdb_status take_each(tenantdb_run *run, const PGresult *rows, tndb_ledger_state *states,
                                 bool taken, tenantdb_error **error) {
  int64_t before = 0;
  for (int i = 0; i < PQntuples(rows); i++) {
    int64_t number = number_at(rows, i, 0);
    if (number == before) {
      continue; /* one more row of the ledger's */
    }
    before = number;
    tndb_run_member *member = member_of(run, rows, i, taken);
    tenantdb_status status =
        member ? refresh(member, rows, i, &states[number - 1], error) : tndb_no_memory(error);
    if (status) {
      return status;
    }
    member->asked = false;
  }
  return TENANTDB_OK;
}

static tenantdb_status take_rows(tenantdb_run *run, const PGresult *rows, bool taken,
                                 tenantdb_error **error) {
  int last = PQntuples(rows) - 1;
  size_t count = last < 0 ? 0 : (size_t)number_at(rows, last, 0);
  if (count == 0) {
    return TENANTDB_OK;
  }
  tndb_ledger_state *states = tndb_alloc_array(count, sizeof *states);
  tenantdb_status status = states ? tndb_ledger_take(rows, count, states, error) : tndb_no_memory(error);
  status = status ? status : take_each(run, rows, states, taken, error);
  for (size_t i = 0; states && i < count; i++) {
    tndb_ledger_clear(&states[i]);
  }
  tndb_free(states);
  return status;
}

/* Who is gone is not begun any more. */
static void skip_gone(tenantdb_run *run) {
  tndb_run_queue all = run->ready;
  run->ready = (tndb_run_queue){0};
  for (tndb_run_member *next, *member = all.first; member; member = next) {
    next = member->next;
    if (member->gone) {
      member->state = "skipped";
    }
    tndb_run_push(member->gone ? &run->results : &run->ready, member);
  }
}

/* ---------------------------------------------------------------- who waits for whom */

/* Whether the process that a connection talks to is the one it was made with. */
static bool waits_long(const tndb_run_slot *slot, int64_t now) {
  return slot->member && slot->job.conn && slot->job.conn->direct && now - slot->member->began_ms > LONG_MS;
}

static void send_blockers(tenantdb_run *run, tndb_conn *conn) {
  static const char pattern[] =
      "UPDATE @run_members m SET blocker = w.who FROM (SELECT x.id, (SELECT"
      " pg_catalog.string_agg(pg_catalog.format('process %s (%s, user %s)', a.pid,"
      " coalesce(nullif(a.application_name, ''), 'no application name'), coalesce(a.usename::text, '?')), ', "
      "')"
      " FROM pg_catalog.pg_stat_activity a WHERE a.pid = ANY (pg_catalog.pg_blocking_pids(x.pid))) AS who "
      "FROM"
      " unnest($3::uuid[], $4::integer[]) x (id, pid)) w, (SELECT l.tenant_id FROM @run_members l"
      " WHERE l.run_id = $1::uuid AND l.tenant_id = ANY ($3::uuid[]) AND l.owner = $2::uuid FOR UPDATE SKIP"
      " LOCKED) l WHERE m.run_id = $1::uuid AND m.tenant_id = w.id AND l.tenant_id = w.id AND m.blocker IS"
      " DISTINCT FROM w.who";
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  tndb_auto_text_array pids = TNDB_TEXT_ARRAY_INIT;
  int64_t now = tndb_clock_ms();
  for (size_t i = 0; i < run->n_slots; i++) {
    const tndb_run_slot *slot = &run->slots[i];
    if (waits_long(slot, now)) {
      char pid[TNDB_INT64_TEXT];
      tndb_int64_write(PQbackendPID(slot->job.conn->pg), pid);
      tndb_text_array_add(&ids, slot->member->id);
      tndb_text_array_add(&pids, pid);
    }
  }
  const char *values[] = {run->id, run->owner, tndb_text_array_finish(&ids), tndb_text_array_finish(&pids)};
  if (ids.count && values[2] && values[3]) {
    (void)send(run, conn, "run blockers", pattern, 4, values);
  }
}

/* ---------------------------------------------------------------- all together */

/*
 * Planned once for each connection, and by the indexes whatever the planner believes of tables that were filled a moment
 * ago: to plan the claim anew takes as long as a claim.
 */
#define STEADY                                                              \
  TNDB_RUN_HASTE                                                            \
  ", pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', true)," \
  " pg_catalog.set_config('enable_seqscan', 'off', true), pg_catalog.set_config('jit', 'off', true)"

/* In the order in which the rest relies on what was said before. */
static void send_all(tenantdb_run *run, tndb_conn *conn, bool claims) {
  static const char look[] =
      "SELECT r.state, r.wave, coalesce((SELECT pg_catalog.max(m.version) FROM @migrations m WHERE "
      "m.tenant_id"
      " = '" TNDB_LEDGER_SHARED "' AND m.state = 'done'), 0) FROM @runs r WHERE r.id = $1::uuid";
  char lease[TNDB_INT64_TEXT];
  const char *values[] = {run->id};
  tndb_run_beat *beat = &run->beat;
  tndb_int64_write(run->lease_ms, lease);
  (void)send(run, conn, "run steady", STEADY, 0, NULL);
  for (const tndb_run_member *member = run->results.first; member; member = member->next) {
    send_result(run, conn, member);
  }
  beat->n_results = run->results.count;
  if (run->urgent) {
    send_limit(run, conn);
  }
  send_blockers(run, conn);
  if (beat->renews) {
    send_renewal(run, conn, lease);
  }
  beat->stale = send_stale(run, conn);
  beat->claim = claims ? send_claim(run, conn, lease) : TNDB_NONE;
  beat->look = send(run, conn, "run look", look, 1, values);
}

static tenantdb_status understand(tenantdb_run *run, const tndb_conn *conn, tenantdb_error **error) {
  const tndb_run_beat *beat = &run->beat;
  const PGresult *row = tndb_exchange_result(conn, beat->look);
  if (PQntuples(row) != 1) {
    return tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_RUN,
                       "run %s is not in the catalog any more", run->id);
  }
  run->state = state_of(PQgetvalue(row, 0, 0));
  run->wave = (int32_t)number_at(row, 0, 1);
  run->shared_version = run->settings.dry && run->settings.shared
                            ? tndb_migrations_newest(run->set, TNDB_STREAM_SHARED) /* as it would be */
                            : number_at(row, 0, 2);
  tenantdb_status status = TENANTDB_OK;
  if (beat->stale != TNDB_NONE) {
    status = take_rows(run, tndb_exchange_result(conn, beat->stale), false, error);
  }
  if (beat->claim != TNDB_NONE && !status) {
    const PGresult *rows = tndb_exchange_result(conn, beat->claim);
    run->empty = PQntuples(rows) == 0;
    status = take_rows(run, rows, true, error);
  }
  skip_gone(run);
  return status;
}

/* What was said is written. Who has failed since then is still to be told before anybody begins. */
static void settle_results(tenantdb_run *run) {
  for (size_t i = 0; i < run->beat.n_results; i++) {
    tndb_run_member *member = run->results.first;
    run->results.first = member->next;
    tndb_run_member_free(member);
  }
  run->results.count -= run->beat.n_results;
  run->results.last = run->results.first ? run->results.last : NULL;
  run->urgent = false;
  for (const tndb_run_member *member = run->results.first; member; member = member->next) {
    run->urgent = run->urgent || strcmp(member->state, "failed") == 0;
  }
}

/* How few are left when more are to be taken: as many as are begun during two beats. */
static size_t few_left(const tenantdb_run *run) {
  int64_t each = 2 * run->beat.took_ms * run->n_over / (run->over_ms + 1);
  int64_t most = taken_each(run) / 2;
  return run->n_slots * (size_t)(1 + (each < most ? each : most));
}

bool tndb_run_is_hungry(const tenantdb_run *run) {
  return !run->draining && run->state == TNDB_RUN_RUNNING && run->ready.count < few_left(run);
}

static tenantdb_status over(tenantdb_run *run, tenantdb_status status, tenantdb_error **error) {
  tndb_run_beat *beat = &run->beat;
  tndb_conn *conn = beat->conn;
  int64_t now = tndb_clock_ms();
  if (!status) {
    settle_results(run);
    run->beat_at = run->beat_at ? now + BEAT_MS : 0; /* 0: one more was asked for meanwhile */
    run->renew_at = beat->renews ? beat->since + run->lease_ms / 3 : run->renew_at;
    beat->took_ms = now - beat->since;
    status = understand(run, conn, error);
    run->settled = !status && beat->idle && run->results.count == 0 && run->ready.count == 0;
  }
  beat->conn = NULL;
  tndb_pool_release(conn);
  return status;
}

tenantdb_status tndb_run_beat_step(tenantdb_run *run, bool readable, tenantdb_error **error) {
  tndb_run_beat *beat = &run->beat;
  for (;;) {
    tndb_step step = tndb_exchange_step(beat->conn, readable);
    readable = false;
    if (step == TNDB_STEP_DONE) {
      return over(run, tndb_exchange_check(beat->conn, error), error);
    }
    if (step != TNDB_STEP_READ && step != TNDB_STEP_READ_WRITE) {
      return over(run, tndb_exchange_death(beat->conn, error), error);
    }
    if (!tndb_exchange_expired(beat->conn, beat->allowed_ms, &beat->deadline)) {
      beat->events = step == TNDB_STEP_READ ? POLLIN : POLLIN | POLLOUT;
      return TENANTDB_OK;
    }
  }
}

tenantdb_status tndb_run_beat_begin(tenantdb_run *run, tndb_conn *conn, tenantdb_error **error) {
  tndb_run_beat *beat = &run->beat;
  *beat = (tndb_run_beat){.conn = conn,
                          .since = tndb_clock_ms(),
                          .took_ms = beat->took_ms,
                          .allowed_ms = tndb_config_number(run->db->config, TNDB_OPERATION_TIMEOUT),
                          .idle = run->active == 0};
  beat->renews = beat->since >= run->renew_at;
  beat->deadline = tndb_deadline_in(beat->allowed_ms);
  run->empty = false;
  run->beat_at = beat->since + BEAT_MS;
  tndb_exchange_begin(conn);
  send_all(run, conn, tndb_run_is_hungry(run));
  tndb_exchange_close(conn);
  return tndb_run_beat_step(run, false, error);
}

void tndb_run_beat_end(tenantdb_run *run, tndb_deadline deadline) {
  tndb_conn *conn = run->beat.conn;
  run->beat.conn = NULL;
  if (conn) {
    (void)tndb_exchange_finish(conn, deadline, NULL);
    tndb_pool_release(conn);
  }
}

tenantdb_status tndb_run_put_back(tenantdb_run *run, tndb_conn *conn, tenantdb_error **error) {
  static const char pattern[] =
      "UPDATE @run_members SET state = CASE WHEN (SELECT r.state FROM @runs r WHERE r.id = $1::uuid) ="
      " 'aborted' THEN 'skipped' ELSE 'waiting' END, owner = NULL, lease_until = NULL WHERE run_id = "
      "$1::uuid AND"
      " owner = $2::uuid AND state = 'running'";
  const char *values[] = {run->id, run->owner};
  tndb_exchange_begin(conn);
  (void)send(run, conn, "run haste", TNDB_RUN_HASTE, 0, NULL);
  (void)send(run, conn, "run put back", pattern, 2, values);
  tenantdb_status status = tndb_exchange_finish(
      conn, tndb_deadline_in(tndb_config_number(run->db->config, TNDB_OPERATION_TIMEOUT)), error);
  tndb_run_queue_clear(&run->ready);
  return status ? status : tndb_exchange_check(conn, error);
}
