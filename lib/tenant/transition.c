/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/transition.h"

#include <string.h>

#include "base/buffer.h"
#include "catalog/newborn.h"
#include "tenant/access.h"
#include "tenant/naming.h"
#include "tenant/provision.h"
#include "tenant/view.h"

#define TEN_YEARS INT64_C(315576000)

/* ---------------------------------------------------------------- the parts every change has */

tenantdb_status tndb_change_start(tndb_work *work, tenantdb *db, const char *name, tenantdb_tenant **tenant,
                                  tenantdb_error **error) {
  *tenant = NULL;
  *work = (tndb_work){0};
  tndb_auto_buffer lock = TNDB_BUFFER_INIT;
  tndb_buffer_append(&lock, "tenant:");
  tndb_buffer_append(&lock, name);
  if (lock.failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_start(work, db, tndb_buffer_text(&lock), true, error);
  if (!status) {
    status = tndb_work_sync(work, error);
  }
  if (!status) {
    status = tndb_tenant_read(db, work->conn, name, true, work->deadline, tenant, error);
  }
  if (status == TENANTDB_BUSY) {
    tndb_error_prefix(error, "somebody else is working on tenant %s", name);
  }
  return status;
}

tenantdb_status tndb_change_require(const tenantdb_tenant *tenant, uint32_t states, const char *action,
                                    tenantdb_error **error) {
  if (states & TNDB_STATE_BIT(tenant->state)) {
    return TENANTDB_OK;
  }
  tndb_auto_buffer allowed = TNDB_BUFFER_INIT;
  for (int32_t i = TENANTDB_TENANT_PENDING; i <= TENANTDB_TENANT_DELETED; i++) {
    if (states & TNDB_STATE_BIT(i)) {
      tndb_buffer_append(&allowed, allowed.length ? ", " : "");
      tndb_buffer_append(&allowed, tndb_tenant_state_name(i));
    }
  }
  return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE,
                     "tenant %s is %s; to %s it, it must be one of: %s", tenant->slug,
                     tndb_tenant_state_name(tenant->state), action, tndb_buffer_text(&allowed));
}

size_t tndb_change_update(tndb_work *work, const tenantdb_tenant *tenant, const char *set,
                          const char *value) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer generation = TNDB_BUFFER_INIT;
  tndb_buffer_format(&generation, "%lld", (long long)tenant->generation);
  tndb_buffer_format(&sql,
                     "UPDATE %stenants t SET %s, generation = t.generation + 1, updated_at = now()"
                     " WHERE t.id = $1 AND t.generation = $2 AND $3::text IS NOT DISTINCT FROM $3::text"
                     " RETURNING " TNDB_TENANT_COLUMNS,
                     work->db->catalog, set);
  if (sql.failed || generation.failed) {
    tndb_work_fail_if(work, true);
    return TNDB_NONE;
  }
  const char *values[] = {tenant->id, tndb_buffer_text(&generation), value};
  return tndb_work_send(work, tndb_buffer_text(&sql), 3, values);
}

tenantdb_status tndb_change_commit(tndb_work *work, const tenantdb_tenant *before, size_t place,
                                   const tndb_event *event, tenantdb_tenant **after, tenantdb_error **error) {
  tenantdb_status status = tndb_work_commit(work, error);
  tndb_tenants_forget(work->db);
  if (!status && event) {
    tndb_config_write_event(work->db->config, event);
  }
  if (status || !after) {
    return status;
  }
  PGresult *row = work->conn ? tndb_exchange_result(work->conn, place) : NULL;
  return row && PQntuples(row) == 1 ? tndb_tenant_from_row(work->db, row, 0, after, error)
                                    : tenantdb_tenant_get(work->db, before->id, after, error);
}

static void record(tndb_work *work, const tenantdb_tenant *tenant, const char *action, int32_t to,
                   const char *detail) {
  tndb_record what = {
      tenant->id, action, tndb_tenant_state_name(tenant->state), tndb_tenant_state_name(to), NULL,
      NULL,       detail};
  tndb_work_record(work, &what);
}

/* Every public call here begins and ends alike. */
static tenantdb_status begin_call(tenantdb *db, const char *tenant, tenantdb_tenant **result,
                                  tenantdb_error **error) {
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  if (!tenant) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
  }
  return tndb_database_check(db, error);
}

static tenantdb_status end_call(tndb_work *work, tenantdb_tenant *before, const char *name,
                                tenantdb_status status, tenantdb_error **error) {
  if (status) {
    tndb_error_set_tenant(error, before ? before->slug : name);
  }
  tndb_work_end(work);
  tenantdb_tenant_free(before);
  return status;
}

/* The same for a change that views over tenants were marked for, at the place `views`. */
static tenantdb_status end_followed(tndb_work *work, tenantdb_tenant *before, const char *name, size_t views,
                                    tenantdb_status status, tenantdb_error **error) {
  char id[TNDB_UUID_TEXT] = "";
  tenantdb *db = work->db;
  PGresult *marked = status ? NULL : tndb_views_marked(work, views);
  if (before) {
    memcpy(id, before->id, sizeof id);
  }
  status = end_call(work, before, name, status, error);
  if (!status) {
    tndb_views_follow(db, marked, id);
  }
  return status;
}

/* ---------------------------------------------------------------- changes of state */

typedef struct transition {
  const char *action;
  uint32_t from;
  int32_t to;
  const char *set;
  tndb_event_kind event;
} transition;

/* Who was moved away is served elsewhere, and must not be served twice. */
static tenantdb_status require_here(const tenantdb_tenant *tenant, tenantdb_error **error) {
  tndb_auto_buffer place = TNDB_BUFFER_INIT;
  return tndb_tenant_moved_to(tenant->properties, &place)
             ? tndb_origin(
                   error, TENANTDB_STATE, TENANTDB_REASON_TENANT_MOVED,
                   "tenant %s was moved to %s, and what is here are the rows of that moment: purge them, "
                   "and move him back",
                   tenant->slug, tndb_buffer_text(&place))
             : TENANTDB_OK;
}

static tenantdb_status change_state(tenantdb *db, const char *name, const transition *change,
                                    const char *value, tenantdb_tenant **result, tenantdb_error **error) {
  tenantdb_status status = begin_call(db, name, result, error);
  if (status) {
    return status;
  }
  tndb_work work;
  tenantdb_tenant *tenant = NULL;
  status = tndb_change_start(&work, db, name, &tenant, error);
  if (!status) {
    status = tndb_change_require(tenant, change->from, change->action, error);
  }
  if (!status && tenant->state == TENANTDB_TENANT_ARCHIVED && change->to == TENANTDB_TENANT_SUSPENDED) {
    status = require_here(tenant, error);
  }
  if (!status) {
    size_t place = tndb_change_update(&work, tenant, change->set, value);
    record(&work, tenant, change->action, change->to, NULL);
    if (tenant->role[0] && change->to == TENANTDB_TENANT_ACTIVE) {
      tndb_access_open(&work, tenant->schema, tenant->role);
    } else if (tenant->role[0] && tenant->state == TENANTDB_TENANT_ACTIVE) {
      tndb_access_shut(&work, tenant->schema, tenant->role);
    }
    tndb_auto_buffer message = TNDB_BUFFER_INIT;
    tndb_buffer_format(&message, "%s of tenant %s, which was %s", change->action, tenant->slug,
                       tndb_tenant_state_name(tenant->state));
    tndb_event event = {.kind = change->event, .tenant = tenant->slug, .message = tndb_buffer_text(&message)};
    status = tndb_change_commit(&work, tenant, place, &event, result, error);
    if (!status && change->to != TENANTDB_TENANT_ACTIVE) {
      /* What came in before has no right to the schema any more; now it goes. */
      tndb_work_end(&work);
      tndb_login_end(db, tenant->role);
    }
  }
  return end_call(&work, tenant, name, status, error);
}

#define ACTIVE TNDB_STATE_BIT(TENANTDB_TENANT_ACTIVE)
#define SUSPENDED TNDB_STATE_BIT(TENANTDB_TENANT_SUSPENDED)
#define ARCHIVED TNDB_STATE_BIT(TENANTDB_TENANT_ARCHIVED)

tenantdb_status tenantdb_tenant_suspend(tenantdb *db, const char *tenant, tenantdb_tenant **result,
                                        tenantdb_error **error) {
  static const transition change = {"suspend", ACTIVE, TENANTDB_TENANT_SUSPENDED, "state = 'suspended'",
                                    TNDB_EVENT_TENANT_SUSPENDED};
  return change_state(db, tenant, &change, NULL, result, error);
}

tenantdb_status tenantdb_tenant_resume(tenantdb *db, const char *tenant, tenantdb_tenant **result,
                                       tenantdb_error **error) {
  static const transition change = {"resume", SUSPENDED, TENANTDB_TENANT_ACTIVE, "state = 'active'",
                                    TNDB_EVENT_TENANT_RESUMED};
  return change_state(db, tenant, &change, NULL, result, error);
}

tenantdb_status tenantdb_tenant_archive(tenantdb *db, const char *tenant, tenantdb_tenant **result,
                                        tenantdb_error **error) {
  static const transition change = {"archive", ACTIVE | SUSPENDED, TENANTDB_TENANT_ARCHIVED,
                                    "state = 'archived'", TNDB_EVENT_TENANT_ARCHIVED};
  return change_state(db, tenant, &change, NULL, result, error);
}

tenantdb_status tenantdb_tenant_restore(tenantdb *db, const char *tenant, tenantdb_tenant **result,
                                        tenantdb_error **error) {
  static const transition change = {"restore", ARCHIVED, TENANTDB_TENANT_SUSPENDED,
                                    "state = 'suspended', purge_after = NULL", TNDB_EVENT_TENANT_RESTORED};
  return change_state(db, tenant, &change, NULL, result, error);
}

tenantdb_status tenantdb_tenant_remove(tenantdb *db, const char *tenant, int64_t grace_seconds,
                                       tenantdb_tenant **result, tenantdb_error **error) {
  static const transition change = {"remove", ACTIVE | SUSPENDED | ARCHIVED, TENANTDB_TENANT_ARCHIVED,
                                    "state = 'archived', purge_after = now() + $3::text::interval",
                                    TNDB_EVENT_TENANT_REMOVED};
  tenantdb_status status = begin_call(db, tenant, result, error);
  if (!status && (grace_seconds < -1 || grace_seconds > TEN_YEARS)) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                         "grace_seconds is %lld, out of its range -1 to %lld", (long long)grace_seconds,
                         (long long)TEN_YEARS);
  }
  if (status) {
    return status;
  }
  int64_t grace =
      grace_seconds < 0 ? tndb_config_number(db->config, TNDB_TENANT_GRACE) / 1000 : grace_seconds;
  tndb_auto_buffer interval = TNDB_BUFFER_INIT;
  tndb_buffer_format(&interval, "%lld seconds", (long long)grace);
  return interval.failed ? tndb_no_memory(error)
                         : change_state(db, tenant, &change, tndb_buffer_text(&interval), result, error);
}

/* ---------------------------------------------------------------- activate */

/* `views` receives the place of the views that are to have him. */
static tenantdb_status activate(tndb_work *work, const tenantdb_tenant *tenant, tndb_provision *provision,
                                const tndb_login *login, size_t *views, tenantdb_tenant **result,
                                tenantdb_error **error) {
  tenantdb *db = work->db;
  char hash[TNDB_SHA256_HEX];
  tndb_names_of_tenant names;
  tndb_birth birth = tndb_birth_begin(db);
  tenantdb_status status = tndb_registry_hash(db->registry, TENANTDB_BASE_TENANT, hash, error);
  /* Registered at level routing and activated at level role: the role's name is made now. */
  const char *role = db->level >= TENANTDB_ISOLATION_ROLE ? tenant->role : "";
  bool names_role = db->level >= TENANTDB_ISOLATION_ROLE && !tenant->role[0];
  if (!status && names_role) {
    status = tndb_naming_make(db, tenant->slug, tenant->id, &names, error);
    role = names.role;
  }
  if (status) {
    return status;
  }
  tndb_auto_buffer set = TNDB_BUFFER_INIT;
  tndb_buffer_format(&set, "state = 'active', registry_hash = $3, version = %lld", (long long)birth.version);
  if (login && login->credential[0]) {
    tndb_buffer_format(&set, ", credential = '%s'", login->credential);
  }
  tndb_work_fail_if(work, set.failed);
  size_t place = tndb_change_update(work, tenant, tndb_buffer_text(&set), hash);
  if (names_role) {
    tndb_auto_buffer sql = TNDB_BUFFER_INIT;
    const char *values[] = {tenant->id, role};
    tndb_buffer_format(&sql, "UPDATE %stenants SET role_name = $2 WHERE id = $1", db->catalog);
    tndb_work_fail_if(work, sql.failed);
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 2, values);
    place = TNDB_NONE; /* the row above does not show the role: read it again */
  }
  record(work, tenant, "activate", TENANTDB_TENANT_ACTIVE, NULL);
  tndb_birth_queue(&birth, work, tenant->id);
  *views = tndb_views_mark(work, tenant->id);
  status = tndb_provision_queue(provision, work, tenant->id, tenant->schema, role, login, &birth, error);
  if (!status) {
    tndb_provision_join(provision, work);
    tndb_event event = {
        .kind = TNDB_EVENT_TENANT_ACTIVATED, .tenant = tenant->slug, .message = "provisioned and active"};
    status = tndb_change_commit(work, tenant, place, &event, result, error);
    if (status && work->conn && tndb_provision_explain(provision, work, error)) {
      status = tenantdb_error_status(*error);
    }
  }
  return status;
}

/* What a login will be, made before the transaction. Nothing below level login, or when it is not pending. */
typedef struct future_login {
  tenantdb_tenant *tenant;
  tndb_names_of_tenant names;
  tndb_login login;
  bool made;
} future_login;

static tenantdb_status make_login(tenantdb *db, const char *name, future_login *future,
                                  tenantdb_error **error) {
  if (db->level < TENANTDB_ISOLATION_LOGIN) {
    return TENANTDB_OK;
  }
  tenantdb_status status = tenantdb_tenant_get(db, name, &future->tenant, error);
  const tenantdb_tenant *tenant = future->tenant;
  if (status || tenant->state != TENANTDB_TENANT_PENDING) {
    return status;
  }
  if (!tenant->role[0]) {
    status = tndb_naming_make(db, tenant->slug, tenant->id, &future->names, error);
  }
  if (!status) {
    status = tndb_login_make(&future->login, db, tenant->id,
                             tenant->role[0] ? tenant->role : future->names.role, NULL, error);
    future->made = !status;
  }
  return status;
}

tenantdb_status tenantdb_tenant_activate(tenantdb *db, const char *name, tenantdb_tenant **result,
                                         tenantdb_error **error) {
  tenantdb_status status = begin_call(db, name, result, error);
  if (status) {
    return status;
  }
  tndb_work work = {0};
  size_t views = TNDB_NONE;
  tndb_provision provision = {0};
  tenantdb_tenant *tenant = NULL;
  tenantdb_error *own = NULL;
  future_login future = {.tenant = NULL};
  status = make_login(db, name, &future, &own);
  if (!status) {
    status = tndb_change_start(&work, db, name, &tenant, &own);
  }
  if (!status) {
    uint32_t from = TNDB_STATE_BIT(TENANTDB_TENANT_PENDING) | TNDB_STATE_BIT(TENANTDB_TENANT_FAILED);
    status = tndb_change_require(tenant, from, "activate", &own);
  }
  if (!status) {
    status = activate(&work, tenant, &provision, future.made ? &future.login : NULL, &views, result, &own);
  }
  tndb_provision_free(&provision);
  status = end_followed(&work, tenant, name, views, status, &own);
  if (future.made) {
    tndb_login_settle(&future.login, status, NULL);
  }
  tenantdb_tenant_free(future.tenant);
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- rename */

static tenantdb_status explain_rename(const char *slug, tenantdb_error **error) {
  if (strcmp(tenantdb_error_constraint(*error), "tenants_slug_key") == 0) {
    return tndb_origin(error, TENANTDB_ALREADY_EXISTS, TENANTDB_REASON_SLUG_TAKEN,
                       "there is a tenant \"%s\" already (slugs are compared without regard to case)", slug);
  }
  return tenantdb_error_status(*error);
}

tenantdb_status tenantdb_tenant_rename(tenantdb *db, const char *name, const char *slug,
                                       tenantdb_tenant **result, tenantdb_error **error) {
  tenantdb_status status = begin_call(db, name, result, error);
  if (!status) {
    status = tndb_naming_check(db, slug, error);
  }
  if (status) {
    return status;
  }
  tndb_work work;
  size_t views = TNDB_NONE;
  tenantdb_tenant *tenant = NULL;
  tenantdb_error *own = NULL;
  status = tndb_change_start(&work, db, name, &tenant, &own);
  if (!status) {
    uint32_t ended = TNDB_STATE_BIT(TENANTDB_TENANT_DELETING) | TNDB_STATE_BIT(TENANTDB_TENANT_DELETED);
    status = tndb_change_require(tenant, ~ended, "rename", &own);
  }
  if (!status) {
    size_t place = tndb_change_update(&work, tenant, "slug = $3", slug);
    tndb_auto_buffer detail = TNDB_BUFFER_INIT;
    /* Slugs hold nothing that JSON would have to escape. */
    tndb_buffer_format(&detail, "{\"from\": \"%s\", \"to\": \"%s\"}", tenant->slug, slug);
    tndb_work_fail_if(&work, detail.failed);
    record(&work, tenant, "rename", tenant->state, tndb_buffer_text(&detail));
    views = tndb_views_mark(&work, tenant->id); /* their text calls him by his slug */
    tndb_event event = {
        .kind = TNDB_EVENT_TENANT_RENAMED, .tenant = tenant->id, .message = tndb_buffer_text(&detail)};
    status = tndb_change_commit(&work, tenant, place, &event, result, &own);
    status = status ? explain_rename(slug, &own) : status;
  }
  status = end_followed(&work, tenant, name, views, status, &own);
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}
