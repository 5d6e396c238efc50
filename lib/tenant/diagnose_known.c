/* SPDX-License-Identifier: PostgreSQL */
/* What a diagnosis knows from the handle alone. */
#include <string.h>

#include "base/result.h"
#include "tenant/diagnose.h"

static void find(tndb_diagnosis *d, const char *code, const char *object, const char *found) {
  tndb_findings_add(&d->findings, &(tndb_finding){.code = code, .object = object, .found = found});
}

/* ---------------------------------------------------------------- the release */

static bool take_number(const char **at, int *number) {
  const char *start = *at;
  *number = 0;
  for (; **at >= '0' && **at <= '9' && *number < 10000; (*at)++) {
    *number = 10 * *number + (**at - '0');
  }
  return *at > start;
}

/* One "major.minor" of a list; moves *at behind it. False at the end, and on what is none. */
static bool next_release(const char **at, int *major, int *minor) {
  *at += strspn(*at, " ,");
  const char *after = *at;
  if (!take_number(&after, major) || *after++ != '.' || !take_number(&after, minor) ||
      (*after && !strchr(" ,", *after))) {
    return false;
  }
  *at = after;
  return true;
}

static tenantdb_status judge_release(tndb_diagnosis *d, tenantdb_error **error) {
  const char *list = tndb_config_text(d->db->config, TNDB_DIAGNOSE_RELEASES);
  const char *at = list;
  int version = d->db->facts.version, major, minor, oldest = 0, wanted = -1;
  while (next_release(&at, &major, &minor)) {
    oldest = oldest == 0 || major < oldest ? major : oldest;
    wanted = major == version / 10000 ? minor : wanted;
  }
  if (*at) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "option diagnose.releases: \"%.40s\" is no list of releases such as \"15.20, 16.16\"",
                       at);
  }
  tndb_auto_buffer object = TNDB_BUFFER_INIT;
  tndb_auto_buffer found = TNDB_BUFFER_INIT;
  tndb_buffer_format(&object, "PostgreSQL %d.%d", version / 10000, version % 10000);
  tndb_buffer_format(&found, "%d.%d is the oldest of its kind without known holes", version / 10000, wanted);
  if (object.failed || found.failed) {
    return tndb_no_memory(error);
  }
  if (version / 10000 < oldest) {
    find(d, "server-end-of-life", tndb_buffer_text(&object), "the server's version");
  } else if (wanted > version % 10000) {
    find(d, "server-release", tndb_buffer_text(&object), tndb_buffer_text(&found));
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- isolation */

/* The first level above the one in force that needs no change of how tenants connect. */
static tenantdb_status judge_level(tndb_diagnosis *d, tenantdb_error **error) {
  tenantdb_result *reasons;
  tenantdb_status status = tenantdb_isolation(d->db, NULL, &reasons, error);
  if (status) {
    return status;
  }
  for (int32_t level = TENANTDB_ISOLATION_ROLE; level <= TENANTDB_ISOLATION_HARDENED; level++) {
    int32_t row = level - TENANTDB_ISOLATION_ROUTING;
    if (level <= d->db->level || strcmp(tenantdb_result_value(reasons, row, 1), "no") != 0) {
      continue;
    }
    const char *remedy = tenantdb_result_value(reasons, row, 3);
    bool is_sql = remedy && strncmp(remedy, "ALTER ROLE", 10) == 0;
    tndb_auto_buffer object = TNDB_BUFFER_INIT;
    tndb_auto_buffer found = TNDB_BUFFER_INIT;
    tndb_buffer_format(&object, "level %s", tenantdb_isolation_name(level));
    tndb_buffer_format(&found, "in force is %s: %.300s", tenantdb_isolation_name(d->db->level),
                       tenantdb_result_value(reasons, row, 2));
    d->findings.failed = d->findings.failed || object.failed || found.failed;
    tndb_findings_add(
        &d->findings,
        &(tndb_finding){.code = "isolation-below",
                        .object = tndb_buffer_text(&object),
                        .found = tndb_buffer_text(&found),
                        .remedy = is_sql ? "give the user the right, and open the database again"
                                  : level == TENANTDB_ISOLATION_HARDENED && d->db->hardening.n_open > 0
                                      ? "call tenantdb_harden() as a superuser, and open the database again"
                                      : remedy,
                        .sql = is_sql ? remedy : NULL});
    break;
  }
  tenantdb_result_free(reasons);
  return TENANTDB_OK;
}

static void judge_strategy(tndb_diagnosis *d) {
  tenantdb *db = d->db;
  int32_t strategy = atomic_load(&db->strategy);
  tndb_mutex_lock(&db->mutex);
  tndb_strategy_note note = db->strategy_note;
  tndb_mutex_unlock(&db->mutex);
  if (note.source == TNDB_STRATEGY_REFUTED) {
    find(d, "isolation-refuted", "connections", note.why);
  } else if (note.source == TNDB_STRATEGY_CONTRADICTED) {
    find(d, "pooler-contradicts", "connections", "another process answers than the one connected to");
  } else if ((db->facts.pooler || strategy != TENANTDB_STRATEGY_DIRECT) && note.found == 0) {
    find(d, "pooler-unproved", "connections", tenantdb_strategy_name(strategy));
  }
}

tenantdb_status tndb_diagnose_known(tndb_diagnosis *d, tenantdb_error **error) {
  tenantdb_status status = judge_release(d, error);
  if (!status) {
    status = judge_level(d, error);
  }
  judge_strategy(d);
  return status;
}
