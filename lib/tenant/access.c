/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/access.h"

#include "base/memory.h"
#include "catalog/newborn.h"
#include "registry/registry.h"
#include "sql/identifier.h"

/* Queue "<before><name><between><name><after>"; a buffer that failed fails the exchange. */
static size_t send_text(tndb_work *work, const tndb_buffer *sql) {
  if (sql->failed) {
    tndb_work_fail_if(work, true);
    return TNDB_NONE;
  }
  return tndb_work_send(work, tndb_buffer_text(sql), 0, NULL);
}

static size_t send_names(tndb_work *work, const char *before, const char *first, const char *between,
                         const char *second) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, before);
  tndb_quote_identifier(&sql, first);
  tndb_buffer_append(&sql, between);
  if (second) {
    tndb_quote_identifier(&sql, second);
  }
  return send_text(work, &sql);
}

size_t tndb_access_create_role(tndb_work *work, const char *role, const tndb_login *login) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "CREATE ROLE ");
  tndb_quote_identifier(&sql, role);
  tndb_buffer_append(&sql, login ? " LOGIN" : " NOLOGIN");
  tndb_work_fail_if(work, login && !tndb_login_append(login, work->conn, &sql));
  tndb_buffer_append(&sql, " ROLE CURRENT_USER");
  return send_text(work, &sql);
}

size_t tndb_access_join(tndb_work *work, const char *role) {
  char group[64];
  tndb_database_group_role(work->db, group);
  return send_names(work, "GRANT ", group, " TO ", role);
}

/* Naming each relation: ON ALL TABLES IN SCHEMA searches the whole catalog. */
static void grant_relations(tndb_work *work, const char *schema, const char *role, bool sequences) {
  const tenantdb_registry *registry = work->db->registry;
  size_t count = tndb_registry_relations(registry, TENANTDB_BASE_TENANT, NULL, 0);
  tndb_relation *relations = tndb_alloc_array(count + 1, sizeof *relations);
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  if (!relations) {
    tndb_work_fail_if(work, true);
    return;
  }
  (void)tndb_registry_relations(registry, TENANTDB_BASE_TENANT, relations, count);
  for (size_t i = 0; i < count; i++) {
    if ((relations[i].kind == 'S') == sequences) {
      tndb_buffer_append(&sql, sql.length  ? ", "
                               : sequences ? "GRANT USAGE, SELECT ON SEQUENCE "
                                           : "GRANT SELECT, INSERT, UPDATE, DELETE ON ");
      tndb_quote_identifier(&sql, schema);
      tndb_buffer_append_char(&sql, '.');
      tndb_quote_identifier(&sql, relations[i].name);
    }
  }
  tndb_free(relations);
  if (sql.length || sql.failed) {
    tndb_buffer_append(&sql, " TO ");
    tndb_quote_identifier(&sql, role);
    (void)send_text(work, &sql);
  }
}

void tndb_access_defaults(tndb_work *work, const char *schema, const char *role) {
  static const char *const kinds[] = {" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ",
                                      " GRANT USAGE, SELECT ON SEQUENCES TO ",
                                      " GRANT EXECUTE ON FUNCTIONS TO "};
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
    (void)send_names(work, "ALTER DEFAULT PRIVILEGES IN SCHEMA ", schema, kinds[i], role);
  }
}

void tndb_access_prepare(tndb_work *work, const char *schema, const char *role) {
  (void)send_names(work, "GRANT USAGE ON SCHEMA ", schema, " TO ", role);
  tndb_access_defaults(work, schema, role);
}

/* They are everybody's when they are made, unless their maker's global default says otherwise. */
void tndb_access_close_functions(tndb_work *work, const char *schema) {
  (void)send_names(work, "REVOKE ALL ON ALL ROUTINES IN SCHEMA ", schema, " FROM PUBLIC", NULL);
}

void tndb_access_finish(tndb_work *work, const char *schema, const char *role) {
  (void)role;
  if (tndb_registry_has_functions(work->db->registry, TENANTDB_BASE_TENANT)) {
    tndb_access_close_functions(work, schema);
  }
}

void tndb_access_grant(tndb_work *work, const char *schema, const char *role) {
  const tenantdb_registry *registry = work->db->registry;
  tndb_access_prepare(work, schema, role);
  grant_relations(work, schema, role, false);
  grant_relations(work, schema, role, true);
  if (tndb_registry_has_serials(registry, TENANTDB_BASE_TENANT)) {
    (void)send_names(work, "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ", schema, " TO ", role);
  }
  bool migrated = tndb_newborn_of(work->db) != NULL; /* then there may be what is not declared */
  if (migrated) {
    (void)send_names(work, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ", schema, " TO ",
                     role);
    (void)send_names(work, "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA ", schema, " TO ", role);
    tndb_access_close_functions(work, schema);
  }
  if (migrated || tndb_registry_has_functions(registry, TENANTDB_BASE_TENANT)) {
    (void)send_names(work, "GRANT EXECUTE ON ALL ROUTINES IN SCHEMA ", schema, " TO ", role);
  }
  tndb_access_finish(work, schema, role);
}

void tndb_access_open(tndb_work *work, const char *schema, const char *role) {
  char group[64];
  (void)send_names(work, "GRANT USAGE ON SCHEMA ", schema, " TO ", role);
  tndb_database_group_role(work->db, group);
  if (group[0]) {
    (void)tndb_access_join(work, role);
  }
  if (work->db->level >= TENANTDB_ISOLATION_LOGIN) {
    (void)send_names(work, "ALTER ROLE ", role, " LOGIN", NULL);
  }
}

void tndb_access_close(tndb_work *work, const char *schema, const char *role) {
  (void)send_names(work, "REVOKE USAGE ON SCHEMA ", schema, " FROM ", role);
  (void)send_names(work, "ALTER ROLE ", role, " NOLOGIN", NULL); /* whatever level it was opened at */
}

void tndb_access_shut(tndb_work *work, const char *schema, const char *role) {
  char group[64];
  tndb_access_close(work, schema, role);
  tndb_database_group_role(work->db, group);
  if (group[0]) {
    (void)send_names(work, "REVOKE ", group, " FROM ", role);
  }
}

void tndb_access_drop_role(tndb_work *work, const char *role) {
  (void)send_names(work, "DROP OWNED BY ", role, "", NULL);
  (void)send_names(work, "DROP ROLE ", role, "", NULL);
}
