/* SPDX-License-Identifier: PostgreSQL */
/*
 * The relocations that there are, with what must hold after each whatever happened
 * to it: the old state or the new one; and by views both names in use, so that the
 * next call goes on.
 */
#ifndef TNDB_FAULT_RELOCATIONS_H
#define TNDB_FAULT_RELOCATIONS_H

#include "../integration/relocate_fixture.h"
#include "lifecycle.h"

#include "between.h"

static int setup(void **state) {
  (void)state;
  url = relocate_old(&direct);
  harness_sql(
      url,
      "CREATE SCHEMA \"by hand\"; CREATE TABLE \"by hand\".notes (id bigint GENERATED ALWAYS AS IDENTITY "
      "PRIMARY KEY, user_id integer REFERENCES users (id), body text)");
  between_start();
  return 0;
}

typedef struct fault_relocation {
  const char *name;
  const char *const *options; /* NULL: finish */
  void (*prepare)(void);
  bool (*is_done)(void);
  bool (*is_whole)(void); /* neither half done nor out of use */
  void (*restore)(void);
  bool resumes; /* what failed may have begun */
} fault_relocation;

/* ---------------------------------------------------------------- shared tables */

static int64_t in_schema(const char *schema, const char *kinds) {
  return harness_count(
      url,
      "SELECT count(*) FROM pg_class WHERE relnamespace = to_regnamespace('\"%s\"') AND relkind::text = "
      "ANY ('{%s}') AND relname IN ('users', 'conversations', 'Odd Name', 'sad_users', 'tickets', "
      "'users_id_seq', 'conversations_id_seq')",
      schema, kinds);
}

static bool has_moved(void) {
  return in_schema(RELOCATE_NEW, "r,S,v") == 7 && in_schema("public", "r,S,v") == 0;
}

static bool is_old_or_new(void) {
  return has_moved() || (in_schema("public", "r,S,v") == 7 && in_schema(RELOCATE_NEW, "r,S,v") == 0);
}

/* Every name of the old version is found and can be written to, and every name of the new one when it is there. */
static bool are_in_use(const char *schema) {
  const char *code = harness_sqlstate(url,
                                      "BEGIN; INSERT INTO \"%s\".users (email) VALUES ('probe') ON CONFLICT "
                                      "(email) DO UPDATE SET at = now(); INSERT INTO "
                                      "\"%s\".conversations (user_id, title) SELECT id, 'probe' FROM "
                                      "\"%s\".users WHERE email = 'probe'; SELECT * FROM "
                                      "\"%s\".\"Odd Name\", \"%s\".sad_users; ROLLBACK",
                                      schema, schema, schema, schema, schema);
  return strcmp(code, "00000") == 0;
}

static bool are_usable(void) {
  return are_in_use("public") && (in_schema(RELOCATE_NEW, "r,v") == 0 || are_in_use(RELOCATE_NEW));
}

static bool is_standing(void) {
  return harness_count(url, "SELECT count(*) FROM tenantdb.relocations WHERE state = 'standing'") == 1;
}

static void go_by_views(void) {
  relocate_do(direct, RELOCATE_BY_VIEWS);
}

static void expire(void) {
  harness_sql(url,
              "UPDATE tenantdb.operations SET lease_until = now() - interval '1 s' WHERE state = 'running'");
}

/* Whatever there is, to its end, and back. */
static void bring_back(void) {
  expire();
  if (harness_count(url, "SELECT count(*) FROM tenantdb.relocations WHERE state = 'moving'") == 1) {
    go_by_views();
    assert_true(is_standing());
    assert_true(are_usable());
  }
  if (is_standing()) {
    relocate_finish(direct, FIXTURE_OPTIONS("force", "on"));
  }
  if (has_moved()) {
    relocate_do(direct, FIXTURE_OPTIONS("from", RELOCATE_NEW, "to", "public"));
  }
  assert_int_equal(in_schema("public", "r,S,v"), 7);
  harness_sql(url, "DROP SCHEMA IF EXISTS \"teddy-ai\"");
}

/* The old names are all there, or none. */
static bool is_finished_or_not(void) {
  return has_moved() || are_usable();
}

/* ---------------------------------------------------------------- tenants */

static bool is_adopted(void) {
  return fault_tenants(url, "state = 'active' AND schema_name = 'by hand'") == 1;
}

static bool is_adopted_or_not(void) {
  bool marked = harness_count(url,
                              "SELECT count(*) FROM pg_namespace WHERE nspname = 'by hand' AND "
                              "obj_description(oid, 'pg_namespace') LIKE 'libtenantdb%%'") == 1;
  bool role =
      harness_count(url,
                    "SELECT count(*) FROM pg_roles r JOIN tenantdb.tenants t ON t.role_name = r.rolname "
                    "WHERE t.slug = 'faulty' AND t.state <> 'deleted'") == 1;
  return is_adopted() == marked && is_adopted() == role;
}

static void give_up(void) {
  if (fault_tenants(url, "state <> 'deleted'") > 0) {
    /* As it was: only the schema stays. */
    harness_sql(url, "COMMENT ON SCHEMA \"by hand\" IS NULL; ALTER SCHEMA \"by hand\" RENAME TO keep");
    tenantdb_status status = tenantdb_tenant_purge(direct, "faulty", 1, &error);
    fault_must(status, error);
    harness_sql(url, "ALTER SCHEMA keep RENAME TO \"by hand\"");
  }
}

static void make(void) {
  fault_make(direct);
}

static bool is_renamed(void) {
  return fault_tenants(
             url,
             "schema_name = 'renamed' AND to_regnamespace('renamed') IS NOT NULL AND state <> 'deleted'") ==
         1;
}

static bool has_schema(void) {
  return fault_tenants(url, "to_regnamespace(quote_ident(schema_name)) IS NOT NULL AND state = 'active'") ==
         1;
}

static void remove_him(void) {
  fault_remove(direct, url);
}

static const char *const at_once[] = {"to", RELOCATE_NEW, NULL};
static const char *const by_views[] = {"to", RELOCATE_NEW, "way", "views", NULL};
static const char *const adopt[] = {"what", "adopt", "tenant", "faulty", "from", "by hand", NULL};
static const char *const rename_schema[] = {"what", "tenant", "tenant", "faulty", "to", "renamed", NULL};

static const fault_relocation relocations[] = {
    {"at once", at_once, NULL, has_moved, is_old_or_new, bring_back, false},
    {"by views", by_views, NULL, is_standing, are_usable, bring_back, true},
    {"finish", NULL, go_by_views, has_moved, is_finished_or_not, bring_back, false},
    {"adopt", adopt, NULL, is_adopted, is_adopted_or_not, give_up, false},
    {"rename", rename_schema, make, is_renamed, has_schema, remove_him, false},
};
enum { RELOCATIONS = sizeof relocations / sizeof relocations[0] };

#endif
