/* SPDX-License-Identifier: PostgreSQL */
/*
 * Waiting so that nobody has to wait for us: a lock that is not had soon is given
 * up, with all that were had before it, and tried again after a pause in which
 * whoever queued behind us goes on.
 */
#include <string.h>

#include "base/buffer.h"
#include "base/random.h"
#include "tenant/relocate.h"

#define MOST_LOST 3 /* connections */
#define FIRST_PAUSE_MS 50
#define LONGEST_PAUSE_MS 2000

/* A lock was not had in time, or two who waited for each other were parted. */
static bool has_waited(const tenantdb_error *error) {
  return tenantdb_error_reason(error) == TENANTDB_REASON_LOCK_TIMEOUT ||
         strcmp(tenantdb_error_sqlstate(error), "40P01") == 0;
}

/* Between half of the pause and all of it, so that two who collided do not do it again. */
static int64_t jitter(int64_t pause) {
  uint16_t random = 0;
  (void)tndb_random_bytes(&random, sizeof random);
  return pause / 2 + pause * random / (2 * UINT16_MAX);
}

/* Who has locks on what could not be locked. Best effort: it is for a message. */
static void name_holders(const tndb_relocation *job, const char *relations, tenantdb_error **error) {
  static const char holders_sql[] =
      "SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%s (%s)', a.pid, a.application_name), ', ')"
      " FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid WHERE l.granted AND"
      " l.relation IN (SELECT pg_catalog.to_regclass(name) FROM pg_catalog.unnest($1::text[]) name)"
      " AND l.pid <> pg_catalog.pg_backend_pid()";
  tndb_deadline soon = tndb_deadline_in(tndb_config_number(job->db->config, TNDB_OPERATION_LOCK_TIMEOUT));
  tndb_values values = {.count = 1, .values = &relations};
  tndb_conn *conn;
  PGresult *rows = NULL;
  if (tndb_pool_lease(job->db->pool, soon, &conn, NULL)) {
    return;
  }
  if (!tndb_exchange_single(conn, holders_sql, &values, soon, &rows, NULL) && !PQgetisnull(rows, 0, 0)) {
    tndb_error_prefix(error, "held by the server's processes %s", PQgetvalue(rows, 0, 0));
  }
  PQclear(rows);
  tndb_pool_release(conn);
}

tenantdb_status tndb_relocate_persist(const tndb_relocation *job, const tndb_relocate_attempt *attempt,
                                      tenantdb_error **error) {
  int64_t pause = FIRST_PAUSE_MS;
  for (int lost = 0;;) {
    tenantdb_error *own = NULL;
    tenantdb_status status = attempt->run(attempt->user, &own);
    bool again = false;
    if (status && has_waited(own)) {
      again = tndb_clock_ms() + pause < job->until;
    } else if (attempt->twice && (status == TENANTDB_CONNECTION || status == TENANTDB_UNKNOWN)) {
      again = lost++ < MOST_LOST;
    }
    if (!again) {
      if (status && has_waited(own) && attempt->relations) {
        name_holders(job, attempt->relations, &own);
      }
      return status ? tndb_error_pass(error, own) : TENANTDB_OK;
    }
    tenantdb_error_free(own);
    tndb_clock_sleep_ms(jitter(pause));
    pause = pause < LONGEST_PAUSE_MS ? pause * 2 : pause;
  }
}

void tndb_relocate_limit(tndb_work *work, const tndb_relocation *job, size_t share) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  int64_t limit = job->settings.lock_ms / (int64_t)(share ? share : 1);
  tndb_buffer_format(&text, "SELECT pg_catalog.set_config('lock_timeout', '%lld', true)",
                     (long long)(limit > 10 ? limit : 10));
  tndb_work_fail_if(work, text.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&text), 0, NULL);
}

/* Whoever makes or moves shared things is waited for with the library's usual patience; he is one of us. */
tenantdb_status tndb_relocate_start(tndb_work *work, const tndb_relocation *job, tenantdb_error **error) {
  tenantdb_status status = tndb_work_start(work, job->db, TNDB_RELOCATE_LOCK, true, error);
  if (!status) {
    tndb_relocate_limit(work, job, 1);
    status = tndb_work_sync(work, error);
  }
  return status;
}

static void send_timeout(tndb_work *work, int64_t ms) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_format(&text, "SELECT pg_catalog.set_config('statement_timeout', '%lld', true)", (long long)ms);
  tndb_work_fail_if(work, text.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&text), 0, NULL);
}

/* lock_timeout is for each lock; a statement that takes many is bounded by its own. */
void tndb_relocate_lock(tndb_work *work, const tndb_relocation *job, const char *sql, size_t share) {
  send_timeout(work, job->settings.lock_ms / (int64_t)share);
  (void)tndb_work_send(work, sql, 0, NULL);
  send_timeout(work, tndb_config_number(job->db->config, TNDB_OPERATION_TIMEOUT));
}

tenantdb_status tndb_relocate_locked(tndb_work *work, const tndb_relocation *job, size_t share,
                                     tenantdb_error **error) {
  int64_t began = tndb_clock_ms();
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_work_sync(work, &own);
  if (status && strcmp(tenantdb_error_sqlstate(own), "57014") == 0 &&
      tndb_clock_ms() - began >= job->settings.lock_ms / (int64_t)share) {
    tenantdb_error_free(own);
    return tndb_origin(error, TENANTDB_BUSY, TENANTDB_REASON_LOCK_TIMEOUT,
                       "a lock was not had within %lld ms", (long long)job->settings.lock_ms);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}
