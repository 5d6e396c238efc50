/* SPDX-License-Identifier: PostgreSQL */
/*
 * The beat: everything that a runner and the catalog have to tell each other, in one
 * exchange, which is one transaction; and a second one to read who was taken.
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
/* More are taken when there are fewer left than so many for each connection. */
#define FEW_LEFT 4
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
      "state ="
      " 'running', owner = $2::uuid, lease_until = now() + $3::bigint * interval '1 millisecond', blocker = "
      "NULL"
      " WHERE m.run_id = $1::uuid AND m.tenant_id = ANY (ARRAY(SELECT tenant_id FROM picked)) RETURNING"
      " m.tenant_id, m.attempts, m.wave, m.position) SELECT t.tenant_id, t.attempts FROM taken t ORDER BY "
      "t.wave,"
      " t.position";
  char least[TNDB_INT64_TEXT], most[TNDB_INT64_TEXT];
  int64_t each = run->n_over == 0 ? FIRST_TAKEN : TAKEN_MS * run->n_over / (run->over_ms + 1);
  each = each < 1 ? 1 : each > MOST_TAKEN ? MOST_TAKEN : each;
  tndb_int64_write((int64_t)run->n_slots * (each + 1) / 2, least);
  tndb_int64_write((int64_t)run->n_slots * each, most);
  const char *values[] = {run->id, run->owner, lease, least, most};
  return send(run, conn, "run claim", pattern, 5, values);
}

static tenantdb_status take_claim(tenantdb_run *run, const PGresult *rows, tenantdb_error **error) {
  run->empty = PQntuples(rows) == 0;
  for (int i = 0; i < PQntuples(rows); i++) {
    tndb_run_member *member = tndb_new(tndb_run_member);
    if (!member || !tndb_uuid_parse(PQgetvalue(rows, i, 0), member->id)) {
      tndb_free(member);
      return tndb_no_memory(error);
    }
    member->attempts = (int32_t)number_at(rows, i, 1) + 1;
    member->stale = true;
    member->shared = strcmp(member->id, TNDB_LEDGER_SHARED) == 0;
    tndb_run_push(&run->ready, member);
  }
  return TENANTDB_OK;
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

/* ---------------------------------------------------------------- who was taken */

enum { SLUG, SCHEMA, ROLE, VERSION, STANDBY, GONE };

static bool keep_text(char **to, const char *text) {
  char *copy = tndb_strdup(text);
  if (copy) {
    tndb_free(*to);
    *to = copy;
  }
  return copy != NULL;
}

static tenantdb_status refresh_one(tndb_run_member *member, const PGresult *rows, int row,
                                   tenantdb_error **error) {
  member->gone = PQgetvalue(rows, row, GONE)[0] == 't' && !member->shared;
  member->standby = PQgetvalue(rows, row, STANDBY)[0] == 't';
  member->version = number_at(rows, row, VERSION);
  bool kept = keep_text(&member->slug, member->shared ? "shared" : PQgetvalue(rows, row, SLUG)) &&
              keep_text(&member->schema, PQgetvalue(rows, row, SCHEMA)) &&
              keep_text(&member->role, PQgetvalue(rows, row, ROLE));
  return kept ? TENANTDB_OK : tndb_no_memory(error);
}

static size_t send_details(tenantdb_run *run, tndb_conn *conn, const char *ids) {
  static const char pattern[] =
      "SELECT coalesce(t.slug, s.schema_name), coalesce(t.schema_name, s.schema_name), coalesce(t.role_name,"
      " CASE WHEN t.id IS NULL THEN s.role_name END), coalesce(t.version, s.version), t.id IS NULL AND s.id "
      "IS"
      " NOT NULL, t.id IS NULL AND s.id IS NULL FROM pg_catalog.unnest($1::uuid[]) WITH ORDINALITY u (id, n)"
      " LEFT JOIN @tenants t ON t.id = u.id AND t.state IN " TNDB_MIGRATED_STATES
      " LEFT JOIN @standby_schemas s ON s.id = u.id ORDER BY u.n";
  const char *values[] = {ids};
  return send(run, conn, "run details", pattern, 1, values);
}

/*
 * Of the ledger only what is not settled: that everything up to a tenant's version was applied to him, with
 * the texts that it has, was asked of the whole fleet when the run was planned. So his version counts as
 * a baseline, unless it is gone from the midst of the set. Whoever goes back, or fills gaps, has to see it all.
 */
static size_t send_ledger(tenantdb_run *run, tndb_conn *conn, const char *ids) {
  static const char pattern[] =
      "SELECT u.n, m.version, m.name, CASE WHEN m.version = u.version AND (m.version = ANY ($2::bigint[])"
      " OR m.version > ALL ($2::bigint[])) THEN 'baseline' ELSE m.kind END, m.sum, m.state, m.steps, "
      "m.steps_done, m.owner, EXISTS (SELECT FROM "
      "@views)"
      " FROM (SELECT i.id, i.n, coalesce(t.version, s.version, 0) AS version"
      " FROM pg_catalog.unnest($1::uuid[]) WITH ORDINALITY i (id, n)"
      " LEFT JOIN @tenants t ON t.id = i.id LEFT JOIN @standby_schemas s ON s.id = i.id AND t.id IS NULL) u"
      " LEFT JOIN LATERAL (SELECT * FROM @migrations l WHERE l.tenant_id = u.id AND l.version >="
      " greatest(u.version, 1) UNION ALL SELECT * FROM @migrations l WHERE l.tenant_id = u.id AND l.version "
      "= 0)"
      " m ON true ORDER BY u.n, m.version, m.name COLLATE \"C\"";
  if (run->settings.down || run->settings.order == TNDB_RUN_ANY) {
    return tndb_ledger_send(conn, run->db, ids);
  }
  tndb_auto_buffer versions = TNDB_BUFFER_INIT;
  tndb_buffer_append(&versions, "{");
  for (size_t i = run->set->first[TNDB_STREAM_TENANT]; i < run->set->first[TNDB_STREAM_TENANT + 1]; i++) {
    tndb_buffer_format(&versions, "%s%lld", versions.length > 1 ? "," : "",
                       (long long)run->set->items[i]->version);
  }
  tndb_buffer_append(&versions, "}");
  if (versions.failed) {
    conn->send_failed = conn->no_room = true;
    return TNDB_NONE;
  }
  const char *values[] = {ids, tndb_buffer_text(&versions)};
  return send(run, conn, "run ledger", pattern, 2, values);
}

static tenantdb_status read_stale(tenantdb_run *run, tndb_conn *conn, const char *ids, size_t count,
                                  tndb_ledger_state *states, tenantdb_error **error) {
  tndb_exchange_begin(conn);
  size_t details = send_details(run, conn, ids);
  size_t ledger = send_ledger(run, conn, ids);
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(run->db->config, TNDB_OPERATION_TIMEOUT));
  tenantdb_status status = tndb_exchange_finish(conn, deadline, error);
  if (!status) {
    status = tndb_exchange_check(conn, error);
  }
  if (!status) {
    status = tndb_ledger_take(tndb_exchange_result(conn, ledger), count, states, error);
  }
  const PGresult *rows = status ? NULL : tndb_exchange_result(conn, details);
  size_t at = 0;
  for (tndb_run_member *member = run->ready.first; member && !status; member = member->next) {
    if (member->stale) {
      status = refresh_one(member, rows, (int)at, error);
      tndb_ledger_clear(&member->ledger);
      member->ledger = states[at];
      states[at++] = (tndb_ledger_state){0};
      member->stale = status != TENANTDB_OK;
    }
  }
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

static tenantdb_status refresh(tenantdb_run *run, tndb_conn *conn, tenantdb_error **error) {
  tndb_auto_text_array ids = TNDB_TEXT_ARRAY_INIT;
  for (const tndb_run_member *member = run->ready.first; member; member = member->next) {
    if (member->stale) {
      tndb_text_array_add(&ids, member->id);
    }
  }
  size_t count = ids.count;
  if (count == 0) {
    return TENANTDB_OK;
  }
  const char *list = tndb_text_array_finish(&ids);
  tndb_ledger_state *states = tndb_alloc_array(count, sizeof *states);
  tenantdb_status status =
      list && states ? read_stale(run, conn, list, count, states, error) : tndb_no_memory(error);
  for (size_t i = 0; states && i < count; i++) {
    tndb_ledger_clear(&states[i]);
  }
  tndb_free(states);
  skip_gone(run);
  return status;
}

/* ---------------------------------------------------------------- all together */

typedef struct places {
  size_t claim;
  size_t look;
} places;

static places send_all(tenantdb_run *run, tndb_conn *conn, bool claims, bool renews) {
  static const char look[] =
      "SELECT r.state, r.wave, coalesce((SELECT pg_catalog.max(m.version) FROM @migrations m WHERE "
      "m.tenant_id"
      " = '" TNDB_LEDGER_SHARED "' AND m.state = 'done'), 0) FROM @runs r WHERE r.id = $1::uuid";
  char lease[TNDB_INT64_TEXT];
  const char *values[] = {run->id};
  places at = {TNDB_NONE, TNDB_NONE};
  tndb_int64_write(run->lease_ms, lease);
  (void)send(run, conn, "run haste", TNDB_RUN_HASTE, 0, NULL);
  for (const tndb_run_member *member = run->results.first; member; member = member->next) {
    send_result(run, conn, member);
  }
  if (run->urgent) {
    send_limit(run, conn);
  }
  send_blockers(run, conn);
  if (renews) {
    send_renewal(run, conn, lease);
  }
  if (claims) {
    at.claim = send_claim(run, conn, lease);
  }
  at.look = send(run, conn, "run look", look, 1, values);
  return at;
}

static tenantdb_status understand(tenantdb_run *run, const tndb_conn *conn, const places *at,
                                  tenantdb_error **error) {
  const PGresult *row = tndb_exchange_result(conn, at->look);
  if (PQntuples(row) != 1) {
    return tndb_origin(error, TENANTDB_NOT_FOUND, TENANTDB_REASON_UNKNOWN_RUN,
                       "run %s is not in the catalog any more", run->id);
  }
  run->state = state_of(PQgetvalue(row, 0, 0));
  run->wave = (int32_t)number_at(row, 0, 1);
  run->shared_version = run->settings.dry && run->settings.shared
                            ? tndb_migrations_newest(run->set, TNDB_STREAM_SHARED) /* as it would be */
                            : number_at(row, 0, 2);
  return at->claim == TNDB_NONE ? TENANTDB_OK : take_claim(run, tndb_exchange_result(conn, at->claim), error);
}

tenantdb_status tndb_run_beat(tenantdb_run *run, tndb_conn *conn, tenantdb_error **error) {
  int64_t now = tndb_clock_ms();
  bool claims =
      !run->draining && run->state == TNDB_RUN_RUNNING && run->ready.count < run->n_slots * FEW_LEFT;
  bool renews = now >= run->renew_at;
  tndb_exchange_begin(conn);
  places at = send_all(run, conn, claims, renews);
  tndb_deadline deadline = tndb_deadline_in(tndb_config_number(run->db->config, TNDB_OPERATION_TIMEOUT));
  tenantdb_status status = tndb_exchange_finish(conn, deadline, error);
  if (!status) {
    status = tndb_exchange_check(conn, error);
  }
  if (status) {
    return status;
  }
  tndb_run_queue_clear(&run->results);
  run->urgent = false;
  run->beat_at = tndb_clock_ms() + BEAT_MS;
  run->renew_at = renews ? now + run->lease_ms / 3 : run->renew_at;
  status = understand(run, conn, &at, error);
  return status ? status : refresh(run, conn, error);
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
