/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/registry_form.h"

#include <string.h>

#include "base/memory.h"
#include "registry/registry.h"
#include "schema/marker.h"
#include "sql/identifier.h"
#include "tenant/access.h"

/* A role that every server has stands in for the tenant's: grants to it are read as grants to {role}. */
static const char stand_in[] = "pg_monitor";
static const char scratch_prefix[] = "tenantdb_scratch_";

/* What PostgreSQL would write depends on this. $1 is the shared schema. */
static const char key_sql[] =
    "SELECT encode(sha256(convert_to(concat_ws('|', version(), current_user, current_setting('datestyle'),"
    " current_setting('timezone'), (SELECT string_agg(concat_ws(',', e.oid, e.xmin, e.extversion,"
    " e.extnamespace), ';' ORDER BY e.oid) FROM pg_catalog.pg_extension e),"
    " (SELECT string_agg(concat_ws(',', f.oid, f.xmin), ';' ORDER BY f.oid) FROM pg_catalog.pg_default_acl f"
    " WHERE f.defaclnamespace = 0),"
    " (SELECT string_agg(concat_ws(',', d.objid, c.xmin, t.xmin, p.xmin, (SELECT string_agg(a.xmin::text, ','"
    " ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)), ';'"
    " ORDER BY d.classid, d.objid) FROM pg_catalog.pg_depend d"
    " LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::regclass AND c.oid = d.objid"
    " LEFT JOIN pg_catalog.pg_type t ON d.classid = 'pg_catalog.pg_type'::regclass AND t.oid = d.objid"
    " LEFT JOIN pg_catalog.pg_proc p ON d.classid = 'pg_catalog.pg_proc'::regclass AND p.oid = d.objid"
    " WHERE d.refclassid = 'pg_catalog.pg_namespace'::regclass"
    " AND d.refobjid = (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = $1))), 'UTF8')), "
    "'hex')";

/* The scratch schema's name is like no other, so that replacing it everywhere is right even in bodies. */
static const char functions_sql[] =
    "SELECT CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END || replace(p.proname || '(' ||"
    " pg_get_function_identity_arguments(p.oid) || ')', q.name || '.', chr(1)),"
    " replace(replace(replace(pg_get_functiondef(p.oid), q.name || '.', chr(1)), quote_literal($1::text), "
    "chr(3)), q.name, chr(3))"
    " FROM (SELECT n.oid, quote_ident(n.nspname) AS name FROM pg_namespace n WHERE n.nspname = $1) q"
    " JOIN pg_proc p ON p.pronamespace = q.oid WHERE p.prokind <> 'a'";

bool tndb_registry_form_wants_role(const tenantdb *db, const char *role) {
  return *role || db->level >= TENANTDB_ISOLATION_ROLE;
}

static void release(void *form) {
  tndb_registry_form_release(form);
}

void tndb_registry_form_release(tndb_registry_form *form) {
  if (form && atomic_fetch_sub(&form->references, 1) == 1) {
    PQclear(form->rows);
    PQclear(form->functions);
    tndb_text_array_free(&form->kinds);
    tndb_text_array_free(&form->objects);
    tndb_text_array_free(&form->definitions);
    tndb_text_array_free(&form->partitions);
    tndb_ddl_free(&form->ddl);
    tndb_free(form);
  }
}

/* ---------------------------------------------------------------- making it */

/* Which of the statements failed, if it was one of them. */
static void explain_scratch(const tndb_work *work, const tndb_ddl *ddl, size_t first,
                            tenantdb_error **error) {
  size_t failed = work->conn ? tndb_exchange_failed(work->conn) : TNDB_NONE;
  if (failed != TNDB_NONE && failed >= first && failed - first < ddl->count) {
    tndb_error_prefix(error, "%s", ddl->items[failed - first].place);
  }
}

static tenantdb_status create_scratch(tndb_work *work, const char *name, bool with_role,
                                      const tndb_form_source *source, tndb_ddl *ddl, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  size_t first = 0;
  tndb_buffer_append(&sql, "CREATE SCHEMA ");
  tndb_quote_identifier(&sql, name);
  tenantdb_status status = source->statements(source->user, name, ddl, error);
  if (!status && sql.failed) {
    status = tndb_no_memory(error);
  }
  if (status) {
    return status;
  }
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
  status = tndb_work_set_path(work, name, error);
  if (!status && with_role) {
    tndb_access_prepare(work, name, stand_in);
  }
  for (size_t i = 0; !status && i < ddl->count; i++) {
    size_t place = tndb_work_send(work, ddl->items[i].sql, 0, NULL);
    first = i == 0 ? place : first;
  }
  if (!status && with_role && source->close_functions) {
    tndb_access_close_functions(work, name);
  }
  if (!status) {
    status = tndb_work_sync(work, error);
    if (status && error) {
      explain_scratch(work, ddl, first, error);
    }
  }
  return status;
}

/* A cell of a row that must be there. */
static tenantdb_status copy_hex(PGresult *rows, int column, char hex[TNDB_SHA256_HEX],
                                tenantdb_error **error) {
  if (PQntuples(rows) != 1 || PQgetlength(rows, 0, column) != TNDB_SHA256_HEX - 1) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the server gave no fingerprint of a schema that was just made");
  }
  memcpy(hex, PQgetvalue(rows, 0, column), TNDB_SHA256_HEX);
  return TENANTDB_OK;
}

static tenantdb_status read_fingerprint(tndb_work *work, tndb_form_targets *targets,
                                        char hex[TNDB_SHA256_HEX], tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = tndb_form_fingerprints(work, targets, NULL, &rows, error);
  if (!status) {
    status = copy_hex(rows, 1, hex, error);
    PQclear(rows);
  }
  return status;
}

tenantdb_status tndb_form_key(tndb_work *work, char hex[TNDB_SHA256_HEX], tenantdb_error **error) {
  const char *shared = tndb_database_shared_schema(work->db);
  PGresult *rows;
  (void)tndb_work_send(work, "SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true)", 0,
                       NULL);
  tenantdb_status status = tndb_work_query(work, key_sql, 1, &shared, &rows, error);
  if (!status) {
    status = copy_hex(rows, 0, hex, error);
    PQclear(rows);
  }
  return status;
}

/* Those kinds for which the query cannot always tell a name of the schema from another. */
static bool fill_expected(tndb_registry_form *form) {
  static const char *const kinds[] = {"view",    "materialized view", "rule",     "policy",
                                      "trigger", "function",          "procedure"};
  for (int i = 0; i < form->form.count; i++) {
    const char *kind = tndb_form_cell(&form->form, i, TNDB_FORM_KIND);
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
      if (strcmp(kind, kinds[k]) == 0) {
        const char *definition = tndb_form_cell(&form->form, i, TNDB_FORM_DEFINITION);
        const char *body = k >= 5 ? strstr(definition, "\x1e as ") : NULL;
        char *head = tndb_strndup(definition, body ? (size_t)(body - definition) : strlen(definition));
        if (!head) {
          return false;
        }
        tndb_text_array_add(&form->kinds, kind);
        tndb_text_array_add(&form->objects, tndb_form_cell(&form->form, i, TNDB_FORM_OBJECT));
        tndb_text_array_add(&form->definitions, head);
        tndb_free(head);
      }
    }
  }
  for (int i = 0; i < form->form.count; i++) {
    if (strcmp(tndb_form_cell(&form->form, i, TNDB_FORM_KIND), "table") == 0) {
      tndb_text_array_add(&form->partitions, tndb_form_cell(&form->form, i, TNDB_FORM_OBJECT));
    }
  }
  form->expected = (tndb_form_expected){
      tndb_text_array_finish(&form->kinds), tndb_text_array_finish(&form->objects),
      tndb_text_array_finish(&form->definitions), tndb_text_array_finish(&form->partitions)};
  return form->expected.kinds && form->expected.objects && form->expected.definitions &&
         form->expected.partitions;
}

static tenantdb_status read_scratch(tndb_work *work, const char *name, bool with_role,
                                    tndb_registry_form *form, tenantdb_error **error) {
  tndb_form_targets targets = TNDB_FORM_TARGETS_INIT;
  tndb_form_targets_add(&targets, name, with_role ? stand_in : "", "registry");
  tenantdb_status status = tndb_form_rows(work, &targets, NULL, &form->rows, error);
  if (!status) {
    form->form = tndb_form_of(form->rows, 1);
    status = read_fingerprint(work, &targets, form->fingerprint, error);
  }
  if (!status) {
    status = tndb_work_query(work, functions_sql, 1, &name, &form->functions, error);
  }
  if (!status && !fill_expected(form)) {
    status = tndb_no_memory(error);
  }
  tndb_form_targets_free(&targets);
  return status;
}

/* Fills a form that has nothing yet; what it got is released with it. */
static tenantdb_status make(tndb_work *work, bool with_role, const tndb_form_source *source,
                            tndb_registry_form *form, tenantdb_error **error) {
  memcpy(form->scratch, scratch_prefix, sizeof scratch_prefix - 1);
  tenantdb_status status = TENANTDB_OK;
  if (!tndb_uuid_new(form->scratch + sizeof scratch_prefix - 1)) {
    status =
        tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL, "the system gives no random bytes");
  }
  if (!status) {
    status = create_scratch(work, form->scratch, with_role, source, &form->ddl, error);
  }
  if (!status) {
    status = read_scratch(work, form->scratch, with_role, form, error);
  }
  if (status) {
    tndb_error_prefix(error, "finding out what %s form is", source->what);
  }
  return status;
}

tenantdb_status tndb_form_make(tndb_work *work, bool with_role, const tndb_form_source *source,
                               tndb_registry_form **out, tenantdb_error **error) {
  *out = NULL;
  tndb_registry_form *form = tndb_new(tndb_registry_form);
  if (!form) {
    return tndb_no_memory(error);
  }
  atomic_init(&form->references, 1);
  tenantdb_status status = make(work, with_role, source, form, error);
  if (status) {
    tndb_registry_form_release(form);
    return status;
  }
  *out = form;
  return TENANTDB_OK;
}

/* Of who declares no tables of tenants and has migrations that make them: those say what should be there. */
static const tndb_newborn *made_by(tenantdb *db) {
  const tndb_newborn *newborn = tndb_newborn_of(db);
  bool declared = tndb_registry_relations(db->registry, TENANTDB_BASE_TENANT, NULL, 0) > 0;
  return newborn && newborn->replays && !declared ? newborn : NULL;
}

/* What should be there. */
static tenantdb_status declared(void *user, const char *schema, tndb_ddl *ddl, tenantdb_error **error) {
  tenantdb *db = user;
  tndb_birth birth = tndb_birth_begin(db);
  if (made_by(db)) {
    return birth.newborn->functions->statements(&birth, db, schema, ddl, error);
  }
  return tndb_registry_statements(db->registry, TENANTDB_BASE_TENANT, schema, tndb_database_shared_schema(db),
                                  ddl, error);
}

/* ---------------------------------------------------------------- keeping it */

static tndb_registry_form *find_kept(tenantdb *db, bool with_role, const char *key) {
  const tndb_newborn *newborn = made_by(db);
  tndb_mutex_lock(&db->mutex);
  tndb_registry_form *kept = db->forms[with_role];
  kept = kept && kept->newborn == newborn && strcmp(kept->key, key) == 0 ? kept : NULL;
  if (kept) {
    atomic_fetch_add(&kept->references, 1);
  }
  tndb_mutex_unlock(&db->mutex);
  return kept;
}

static void keep(tenantdb *db, bool with_role, tndb_registry_form *form) {
  atomic_fetch_add(&form->references, 1);
  tndb_mutex_lock(&db->mutex);
  tndb_registry_form *old = db->forms[with_role];
  db->forms[with_role] = form;
  db->release_form = release;
  tndb_mutex_unlock(&db->mutex);
  tndb_registry_form_release(old);
}

tenantdb_status tndb_registry_form_read(tndb_work *work, bool with_role, tndb_registry_form **out,
                                        tenantdb_error **error) {
  char key[TNDB_SHA256_HEX];
  *out = NULL;
  tenantdb_status status = tndb_form_key(work, key, error);
  *out = status ? NULL : find_kept(work->db, with_role, key);
  if (status || *out) {
    return status;
  }
  tndb_form_source source = {
      .statements = declared,
      .user = work->db,
      .what = "the registry's",
      .close_functions =
          made_by(work->db) || tndb_registry_has_functions(work->db->registry, TENANTDB_BASE_TENANT)};
  status = tndb_form_make(work, with_role, &source, out, error);
  if (!status) {
    memcpy((*out)->key, key, sizeof key);
    (*out)->newborn = made_by(work->db);
    keep(work->db, with_role, *out);
  }
  return status;
}

/* Without a lock, and on a standby, when it is known already. */
static tenantdb_status look(tenantdb *db, bool with_role, tndb_registry_form **out, tenantdb_error **error) {
  tndb_work work;
  char key[TNDB_SHA256_HEX];
  tenantdb_status status = tndb_form_start(&work, db, error);
  if (!status) {
    status = tndb_form_key(&work, key, error);
  }
  tndb_work_end(&work);
  *out = status ? NULL : find_kept(db, with_role, key);
  return status;
}

tenantdb_status tndb_registry_form_get(tenantdb *db, bool with_role, tndb_registry_form **out,
                                       tenantdb_error **error) {
  tndb_work work = {.conn = NULL};
  tenantdb_status status = look(db, with_role, out, error);
  if (status || *out) {
    return status;
  }
  status = tndb_work_start(&work, db, "registry form", true, error);
  if (!status) {
    status = tndb_registry_form_read(&work, with_role, out, error);
  }
  tndb_work_end(&work); /* rolls back: nothing of the scratch schema stays */
  return status;
}
