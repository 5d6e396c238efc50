/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/provision.h"

#include <string.h>

#include "base/memory.h"
#include "catalog/bind.h"
#include "catalog/text_array.h"
#include "pg/failure.h"
#include "sql/identifier.h"
#include "tenant/access.h"

/*
 * $1 the tenant's schema, $2 what must be in it, $3 the shared schema. What
 * this very transaction made in the shared schema under one of these names went
 * astray. The names are looked up by the index on name and schema.
 */
static const char verify_sql[] =
    "SELECT CASE WHEN found.missing IS NOT NULL OR found.stray IS NOT NULL THEN"
    " ('" TNDB_CHECK_PREFIX
    "' OPERATOR(pg_catalog.||) coalesce('missing: ' OPERATOR(pg_catalog.||) found.missing,"
    " 'in the shared schema: ' OPERATOR(pg_catalog.||) found.stray))::integer END FROM (SELECT"
    " (SELECT pg_catalog.string_agg(name, ', ') FROM pg_catalog.unnest($2::text[]) name WHERE NOT EXISTS"
    " (SELECT FROM pg_catalog.pg_class c WHERE c.relname = name AND c.relnamespace ="
    " (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $1))) AS missing,"
    " (SELECT pg_catalog.string_agg(name, ', ') FROM pg_catalog.unnest($2::text[]) name WHERE EXISTS"
    " (SELECT FROM pg_catalog.pg_class c WHERE c.relname = name AND c.relnamespace ="
    " (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = $3)"
    " AND c.xmin = pg_catalog.pg_current_xact_id()::xid)) AS stray) found";

void tndb_provision_mark(tndb_buffer *text, const char *id) {
  tndb_buffer_append(text, "libtenantdb tenant ");
  tndb_buffer_append(text, id);
}

static tenantdb_status queue_schema(tndb_provision *provision, tndb_work *work, const char *id,
                                    tenantdb_error **error) {
  tndb_auto_buffer mark = TNDB_BUFFER_INIT;
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "CREATE SCHEMA ");
  tndb_quote_identifier(&sql, provision->schema);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  provision->create_schema = tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  tndb_buffer_clear(&sql);
  tndb_provision_mark(&mark, id);
  tndb_buffer_append(&sql, "COMMENT ON SCHEMA ");
  tndb_quote_identifier(&sql, provision->schema);
  tndb_buffer_append(&sql, " IS ");
  tndb_quote_literal(&sql, tndb_buffer_text(&mark));
  if (sql.failed || mark.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  return tndb_work_set_path(work, provision->schema, error);
}

static tenantdb_status queue_verification(tndb_provision *provision, tndb_work *work,
                                          tenantdb_error **error) {
  const tenantdb_registry *registry = work->db->registry;
  size_t count = tndb_birth_is_registered(provision->birth)
                     ? tndb_registry_relations(registry, TENANTDB_BASE_TENANT, NULL, 0)
                     : 0;
  tndb_relation *relations = tndb_alloc_array(count + 1, sizeof *relations);
  tndb_auto_text_array names = TNDB_TEXT_ARRAY_INIT;
  if (!relations) {
    return tndb_no_memory(error);
  }
  (void)tndb_registry_relations(registry, TENANTDB_BASE_TENANT, relations, count);
  for (size_t i = 0; i < count; i++) {
    tndb_text_array_add(&names, relations[i].name);
  }
  tndb_free(relations);
  const char *values[] = {provision->schema, tndb_text_array_finish(&names),
                          tndb_database_shared_schema(work->db)};
  if (!values[1]) {
    return tndb_no_memory(error);
  }
  provision->verify = tndb_work_send(work, verify_sql, 3, values);
  return TENANTDB_OK;
}

/* Role, schema and the statements that make its tables. */
static tenantdb_status queue_tables(tndb_provision *provision, tndb_work *work, const char *id,
                                    const tndb_login *login, tenantdb_error **error) {
  const char *role = provision->role;
  if (*role) {
    provision->create_role = tndb_access_create_role(work, role, login);
  }
  tenantdb_status status = queue_schema(provision, work, id, error);
  if (status) {
    return status;
  }
  if (*role) {
    tndb_access_prepare(work, provision->schema, role);
    if (login) {
      tndb_login_keep_path(work, role);
    }
  }
  for (size_t i = 0; i < provision->ddl.count; i++) {
    size_t place = tndb_work_send(work, provision->ddl.items[i].sql, 0, NULL);
    provision->first_ddl = i == 0 ? place : provision->first_ddl;
  }
  return TENANTDB_OK;
}

static void begin(tndb_provision *provision, const char *schema, const char *role, const tndb_birth *birth) {
  *provision = (tndb_provision){.schema = schema,
                                .role = role,
                                .birth = birth,
                                .create_role = TNDB_NONE,
                                .create_schema = TNDB_NONE,
                                .first_ddl = TNDB_NONE,
                                .proof = TNDB_NONE,
                                .verify = TNDB_NONE,
                                .join = TNDB_NONE};
}

tenantdb_status tndb_provision_end(tndb_provision *provision, tndb_work *work, tenantdb_error **error) {
  if (*provision->role && provision->birth->replays) {
    tndb_access_close_functions(work, provision->schema);
  } else if (*provision->role) {
    tndb_access_finish(work, provision->schema, provision->role);
  }
  if (provision->birth->replays) {
    provision->proof = tndb_bind_send_proof(work->conn, provision->schema);
  }
  return queue_verification(provision, work, error);
}

void tndb_provision_join(tndb_provision *provision, tndb_work *work) {
  if (*provision->role) {
    provision->join = tndb_access_join(work, provision->role);
  }
}

tenantdb_status tndb_provision_queue(tndb_provision *provision, tndb_work *work, const char *id,
                                     const char *schema, const char *role, const tndb_login *login,
                                     const tndb_birth *birth, tenantdb_error **error) {
  begin(provision, schema, role, birth);
  tenantdb_status status =
      birth->replays
          ? birth->newborn->functions->statements(birth, work->db, schema, &provision->ddl, error)
          : tndb_registry_statements(work->db->registry, TENANTDB_BASE_TENANT, schema,
                                     tndb_database_shared_schema(work->db), &provision->ddl, error);
  if (!status) {
    status = queue_tables(provision, work, id, login, error);
  }
  return status ? status : tndb_provision_end(provision, work, error);
}

tenantdb_status tndb_provision_tables(tndb_provision *provision, tndb_work *work, const char *id,
                                      const char *schema, const char *role, const tndb_login *login,
                                      const tndb_birth *birth, tenantdb_error **error) {
  begin(provision, schema, role, birth);
  tenantdb_status status =
      birth->replays ? birth->newborn->functions->statements(birth, work->db, schema, &provision->ddl, error)
                     : tndb_registry_phases(work->db->registry, TENANTDB_BASE_TENANT, schema,
                                            tndb_database_shared_schema(work->db), &provision->ddl,
                                            &provision->after, error);
  return status ? status : queue_tables(provision, work, id, login, error);
}

void tndb_provision_free(tndb_provision *provision) {
  tndb_ddl_free(&provision->ddl);
  tndb_ddl_free(&provision->after);
}

/* ---------------------------------------------------------------- what went wrong */

static void explain_taken(tenantdb_error **error, int32_t reason, const char *what, const char *name) {
  (void)tndb_origin(
      error, TENANTDB_ALREADY_EXISTS, reason,
      "there is a %s \"%s\" already and it is not ours; it was not touched. Choose another slug or "
      "another template for names",
      what, name);
}

static bool has_code(tenantdb_error **error, const char *code) {
  return strcmp(tenantdb_error_sqlstate(*error), code) == 0;
}

/* Who has chosen the registry may not know that migrations are at work. */
static void explain_way(const tndb_birth *birth, tenantdb_error **error) {
  const char *why = birth->replays && birth->newborn ? birth->newborn->why : NULL;
  tndb_auto_buffer hint = TNDB_BUFFER_INIT;
  if (why) {
    tndb_buffer_append(&hint, "New tenants are made by the migrations, since ");
    tndb_buffer_append(&hint, why);
    tndb_buffer_append(
        &hint,
        ": those have to make the whole schema. Finish it, write what there was before them as "
        "a first migration or a checkpoint, or set option migrate.new_tenants to registry.");
    tndb_error_set_hint(error, tndb_buffer_text(&hint));
  }
}

static void explain_ddl(const tndb_provision *provision, const tndb_ddl_item *item, const tndb_work *work,
                        tenantdb_error **error) {
  bool no_extensions = !*tndb_config_text(work->db->config, TNDB_EXTENSIONS_SCHEMA);
  tndb_error_prefix(error, "%s", item->place);
  explain_way(provision->birth, error);
  if ((has_code(error, "42704") || has_code(error, "42883")) && no_extensions &&
      !tenantdb_error_hint(*error)[0]) {
    tndb_error_set_hint(
        error,
        "Types and functions of extensions are found when option extensions.schema names the schema "
        "that holds them.");
  }
}

tenantdb_status tndb_provision_after(const tndb_provision *provision, tndb_work *work, size_t which,
                                     tenantdb_error **error) {
  const tndb_ddl_item *item = &provision->after.items[which];
  tenantdb_error *own = NULL;
  (void)tndb_work_send(work, item->sql, 0, NULL);
  tenantdb_status status = tndb_work_sync(work, &own);
  if (status) {
    explain_ddl(provision, item, work, &own);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

bool tndb_provision_explain(const tndb_provision *provision, const tndb_work *work, tenantdb_error **error) {
  size_t failed = tndb_exchange_failed(work->conn);
  char found[200];
  if (failed == TNDB_NONE || !error || !*error) {
    return false;
  }
  if (failed == provision->create_role || failed == provision->join) {
    if (has_code(error, "42710")) {
      explain_taken(error, TENANTDB_REASON_ROLE_TAKEN, "role", provision->role);
    } else {
      tndb_error_prefix(error, "creating role %s", provision->role);
    }
    return true;
  }
  if (failed == provision->create_schema) {
    if (has_code(error, "42P06") || has_code(error, "23505")) {
      explain_taken(error, TENANTDB_REASON_SCHEMA_TAKEN, "schema", provision->schema);
    } else {
      tndb_error_prefix(error, "creating schema %s", provision->schema);
      if (has_code(error, "42501")) {
        tndb_error_set_hint(error, "The connected user needs CREATE on the database.");
      }
    }
    return true;
  }
  if (provision->first_ddl != TNDB_NONE && failed >= provision->first_ddl &&
      failed - provision->first_ddl < provision->ddl.count) {
    explain_ddl(provision, &provision->ddl.items[failed - provision->first_ddl], work, error);
    return true;
  }
  if (failed == provision->proof && failed != TNDB_NONE) {
    (void)tndb_origin(
        error, TENANTDB_STATE, TENANTDB_REASON_LEFT_SCOPE,
        "a migration that makes tenants' schemas changed the search path or the role: remove SET "
        "and RESET of them from it; nothing was kept of schema %s",
        provision->schema);
    return true;
  }
  if (failed == provision->verify && tndb_failure_is_check(tndb_exchange_result(work->conn, failed), found)) {
    (void)tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_VERIFICATION_FAILED,
                      "schema %s would not be what the registry declares (%s); nothing was kept",
                      provision->schema, found);
    explain_way(provision->birth, error);
    return true;
  }
  return false;
}
