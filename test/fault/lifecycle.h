/* SPDX-License-Identifier: PostgreSQL */
/*
 * The calls that change a tenant, with what must hold after each whatever
 * happened to the connection: done exactly when OK was answered, and never half.
 */
#ifndef TNDB_FAULT_LIFECYCLE_H
#define TNDB_FAULT_LIFECYCLE_H

#include "fixture.h"
#include "lost.h"

typedef struct fault_call {
  const char *name;
  void (*prepare)(tenantdb *direct);
  tenantdb_status (*act)(tenantdb *db, tenantdb_error **failure);
  /* Whether it is done; `url` is the database without anything between. */
  bool (*is_done)(const char *url);
  /* Bring it to its end when it may stop half-way, and back to where it began. */
  void (*restore)(tenantdb *direct, const char *url);
} fault_call;

static inline int64_t fault_tenants(const char *url, const char *condition) {
  return harness_count(url, "SELECT count(*) FROM tenantdb.tenants WHERE slug = 'faulty' AND %s", condition);
}

static inline void fault_must(tenantdb_status status, tenantdb_error *failure) {
  harness_check_ok(status, failure, "bringing the tenant back", __FILE__, __LINE__);
}

/* ---------------------------------------------------------------- create */

static inline tenantdb_status fault_create(tenantdb *db, tenantdb_error **failure) {
  tenantdb_tenant *tenant = NULL;
  tenantdb_status status = tenantdb_tenant_create(db, "faulty", NULL, &tenant, failure);
  assert_int_equal(status == TENANTDB_OK, tenant != NULL);
  tenantdb_tenant_free(tenant);
  return status;
}

static inline bool fault_is_active(const char *url) {
  return fault_tenants(url, "state = 'active'") == 1;
}

static inline void fault_remove(tenantdb *direct, const char *url) {
  tenantdb_error *failure = NULL;
  if (fault_tenants(url, "state <> 'deleted'") > 0) {
    tenantdb_status status = tenantdb_tenant_purge(direct, "faulty", 1, &failure);
    fault_must(status, failure);
  }
}

/* ---------------------------------------------------------------- activate */

static inline void fault_register(tenantdb *direct) {
  tenantdb_error *failure = NULL;
  tenantdb_status status = tenantdb_tenant_register(direct, "faulty", NULL, NULL, &failure);
  fault_must(status, failure);
}

static inline tenantdb_status fault_activate(tenantdb *db, tenantdb_error **failure) {
  return tenantdb_tenant_activate(db, "faulty", NULL, failure);
}

/* ---------------------------------------------------------------- suspend */

static inline void fault_make(tenantdb *direct) {
  tenantdb_tenant_free(fixture_tenant(direct, "faulty"));
}

static inline tenantdb_status fault_suspend(tenantdb *db, tenantdb_error **failure) {
  return tenantdb_tenant_suspend(db, "faulty", NULL, failure);
}

static inline bool fault_is_suspended(const char *url) {
  int64_t open = fault_tenants(url,
                               "CASE WHEN to_regrole(quote_ident(role_name)) IS NULL OR "
                               "to_regnamespace(quote_ident(schema_name)) IS NULL THEN false ELSE "
                               "has_schema_privilege(role_name, schema_name, 'USAGE') END");
  assert_int_equal(open, fault_tenants(url, "state = 'active'"));
  return fault_tenants(url, "state = 'suspended'") == 1;
}

/* ---------------------------------------------------------------- purge */

static inline tenantdb_status fault_purge(tenantdb *db, tenantdb_error **failure) {
  return tenantdb_tenant_purge(db, "faulty", 1, failure);
}

static inline bool fault_is_purged(const char *url) {
  return fault_tenants(url, "state <> 'deleted'") == 0;
}

/* A purge that stopped goes on when its lease has run out; reconcile does it. */
static inline void fault_finish_purge(tenantdb *direct, const char *url) {
  tenantdb_error *failure = NULL;
  harness_sql(url,
              "UPDATE tenantdb.operations SET lease_until = now() - interval '1 s' WHERE state = 'running'");
  tenantdb_status status = tenantdb_reconcile(direct, NULL, &failure);
  fault_must(status, failure);
  fault_remove(direct, url);
}

/* ---------------------------------------------------------------- with a view over tenants */

#define FAULT_SEEN "SELECT count(*) FROM tenantdb_reports.seen"

static inline void fault_note(const char *url) {
  char *schema = harness_value(url,
                               "SELECT schema_name FROM tenantdb.tenants WHERE slug = 'faulty' AND state <> "
                               "'deleted'");
  harness_sql(url, "INSERT INTO \"%s\".notes (body) VALUES ('x')", schema);
  free(schema);
}

static inline void fault_view(tenantdb *direct) {
  tenantdb_error *failure = NULL;
  tenantdb_status status = tenantdb_view_create(direct, "seen", "notes", NULL, &failure);
  fault_must(status, failure);
}

static inline void fault_make_noted(tenantdb *direct) {
  fault_make(direct);
  tenantdb_session *session = fixture_session(direct, "faulty");
  fixture_run(session, "INSERT INTO notes (body) VALUES ('x')");
  tenantdb_session_close(session);
}

static inline void fault_make_seen(tenantdb *direct) {
  fault_make_noted(direct);
  fault_view(direct);
}

/* The view shows the tenant exactly while he is active, whatever happened. */
static inline void fault_check_seen(const char *url) {
  assert_int_equal(harness_count(url, FAULT_SEEN), fault_tenants(url, "state = 'active'"));
}

static inline bool fault_is_suspended_and_unseen(const char *url) {
  fault_check_seen(url);
  return fault_is_suspended(url);
}

static inline bool fault_is_purged_and_unseen(const char *url) {
  fault_check_seen(url); /* and was not dropped with him */
  return fault_is_purged(url);
}

/* Reconcile brings the view up to what there is; then everything goes. */
static inline void fault_unsee(tenantdb *direct, const char *url) {
  tenantdb_error *failure = NULL;
  if (fault_is_active(url) && harness_count(url, FAULT_SEEN) == 0) {
    fault_note(url); /* he has just been created */
  }
  harness_sql(url,
              "UPDATE tenantdb.operations SET lease_until = now() - interval '1 s' WHERE state = 'running'");
  tenantdb_status status = tenantdb_reconcile(direct, NULL, &failure);
  fault_must(status, failure);
  fault_check_seen(url);
  assert_int_equal(harness_count(url, "SELECT count(*) FROM tenantdb.view_members WHERE done < wish"), 0);
  fault_remove(direct, url);
  assert_int_equal(harness_count(url, FAULT_SEEN), 0);
  status = tenantdb_view_drop(direct, "seen", &failure);
  fault_must(status, failure);
}

static inline tenantdb_status fault_view_create(tenantdb *db, tenantdb_error **failure) {
  return tenantdb_view_create(db, "seen", "notes", NULL, failure);
}

static inline bool fault_is_view(const char *url) {
  bool complete = harness_count(url, "SELECT count(*) FROM tenantdb.views WHERE complete") == 1;
  if (complete) {
    fault_check_seen(url);
  }
  return complete;
}

static inline void fault_view_remove(tenantdb *direct, const char *url) {
  tenantdb_error *failure = NULL;
  if (harness_count(url, "SELECT count(*) FROM tenantdb.views") == 1) {
    tenantdb_status status = tenantdb_reconcile(direct, NULL, &failure);
    fault_must(status, failure);
    fault_check_seen(url);
    status = tenantdb_view_drop(direct, "seen", &failure);
    fault_must(status, failure);
  }
  assert_int_equal(harness_count(url, "SELECT count(*) FROM pg_views WHERE schemaname LIKE 'tenantdb%%'"), 0);
  fault_remove(direct, url);
}

static const fault_call fault_calls[] = {
    {"create", NULL, fault_create, fault_is_active, fault_remove},
    {"activate", fault_register, fault_activate, fault_is_active, fault_remove},
    {"suspend", fault_make, fault_suspend, fault_is_suspended, fault_remove},
    {"purge", fault_make, fault_purge, fault_is_purged, fault_finish_purge},
    {"create under a view", fault_view, fault_create, fault_is_active, fault_unsee},
    {"suspend under a view", fault_make_seen, fault_suspend, fault_is_suspended_and_unseen, fault_unsee},
    {"purge under a view", fault_make_seen, fault_purge, fault_is_purged_and_unseen, fault_unsee},
    {"view", fault_make_noted, fault_view_create, fault_is_view, fault_view_remove},
};
enum { FAULT_CALLS = sizeof fault_calls / sizeof fault_calls[0] };

#endif
