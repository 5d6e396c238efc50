/* SPDX-License-Identifier: PostgreSQL */
/* The calls of an import: fed by the caller, by a function, by a file, by an export. */
#include <string.h>
#include <tenantdb/archive.h>

#include "base/memory.h"
#include "base/result.h"
#include "pg/copy.h"
#include "tenant/archive_file.h"
#include "tenant/import.h"

#define MAGIC UINT32_C(0x74696d70)
#define GIVE_UP_MS 5000

/* ---------------------------------------------------------------- opening and closing */

/* Roll back, whatever was going on. */
static void let_go(tenantdb_import *target) {
  tndb_conn *conn = target->filling.working ? target->filling.work.conn : NULL;
  if (conn && tndb_conn_is_foreign(conn)) {
    conn->dead = true;
  } else if (conn && target->copying && !conn->dead) {
    (void)tndb_copy_finish(conn, "the import was given up", NULL, tndb_deadline_in(GIVE_UP_MS), NULL);
  }
  target->copying = false;
  if (target->begun) {
    tndb_filling_close(&target->filling);
  }
}

void tenantdb_import_close(tenantdb_import *target) {
  if (!target || target->magic != MAGIC) {
    return;
  }
  let_go(target);
  tndb_database_release(target->filling.creation.db);
  tndb_archive_free(&target->archive);
  tndb_archive_in_free(&target->in);
  tndb_buffer_free(&target->detail);
  tenantdb_tenant_free(target->answer);
  tenantdb_error_free(target->failure);
  tndb_free(target->resolved);
  tndb_free(target->slug);
  tndb_free(target->name);
  tndb_free(target->properties);
  tndb_free(target->key);
  target->magic = 0;
  tndb_free(target);
}

/* The caller's specification need not outlast the call. */
static bool keep(const char **text, char **copy) {
  *copy = *text ? tndb_strdup(*text) : NULL;
  bool kept = !*text || *copy;
  *text = *copy;
  return kept;
}

static tenantdb_status prepare(tenantdb_import *target, const tenantdb_tenant_spec *spec,
                               const tenantdb_archive_options *options, tenantdb_error **error) {
  static const char *const requests[] = {"import", "import, suspended"};
  tndb_filling *filling = &target->filling;
  tndb_creation *creation = &filling->creation;
  tenantdb_status status = tndb_archive_settings_read(options, creation->db, &filling->settings, error);
  if (!status) {
    creation->state = filling->settings.state;
    status =
        tndb_creation_prepare(creation, requests[creation->state == TENANTDB_TENANT_SUSPENDED], spec, error);
  }
  if (!status &&
      (!keep(&creation->spec.name, &target->name) || !keep(&creation->spec.properties, &target->properties) ||
       !keep(&creation->spec.key, &target->key))) {
    status = tndb_no_memory(error);
  }
  return status;
}

static tenantdb_status open_import(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec,
                                   const tenantdb_archive_options *options, tenantdb_import **out,
                                   tenantdb_error **error) {
  tenantdb_status status = tndb_database_check(db, error);
  if (!status) {
    status = tenantdb_slug_check(slug, slug ? strlen(slug) : 0, error);
  }
  if (status) {
    return status;
  }
  tenantdb_import *target = tndb_new(tenantdb_import);
  if (!target) {
    return tndb_no_memory(error);
  }
  target->magic = MAGIC;
  target->slug = tndb_strdup(slug);
  target->filling.creation =
      (tndb_creation){.db = tndb_database_hold(db), .slug = target->slug, .action = "import"};
  tndb_archive_in_start(&target->in);
  status = target->slug ? prepare(target, spec, options, error) : tndb_no_memory(error);
  if (status) {
    tenantdb_import_close(target);
    return status;
  }
  *out = target;
  return TENANTDB_OK;
}

tenantdb_status tenantdb_import_open(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec,
                                     const tenantdb_archive_options *options, tenantdb_import **target,
                                     tenantdb_error **error) {
  tndb_error_reset(error);
  if (!target) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "target is NULL");
  }
  *target = NULL;
  tenantdb_error *own = NULL;
  tenantdb_status status = open_import(db, slug, spec, options, target, &own);
  if (status) {
    tndb_error_set_tenant(&own, slug);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- feeding */

static tenantdb_status check(const tenantdb_import *target, tenantdb_error **error) {
  if (!target) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "target is NULL");
  }
  if (target->magic != MAGIC) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "target is not an open import");
  }
  return TENANTDB_OK;
}

static tenantdb_status check_open(const tenantdb_import *target, tenantdb_error **error) {
  tenantdb_status status = check(target, error);
  if (!status) {
    status = tndb_database_check(target->filling.creation.db, error);
  }
  if (!status && target->finished) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_BAD_HANDLE, "the import is finished already");
  }
  return status;
}

/* What was failed with is kept; and nothing of the tenant. */
static tenantdb_status fail_with(tenantdb_import *target, tenantdb_error **error) {
  let_go(target);
  tenantdb_status status = tenantdb_error_status(target->failure);
  return error ? tndb_error_pass(error, tndb_error_copy(target->failure)) : status;
}

static tenantdb_status take(void *user, char type, const unsigned char *payload, size_t length,
                            tenantdb_error **error) {
  tenantdb_import *target = user;
  tenantdb_status status = tndb_archive_accept(&target->archive, &target->in, type, payload, length, error);
  return status ? status : tndb_import_take(target, type, payload, length, error);
}

static tenantdb_status feed(tenantdb_import *target, const void *bytes, size_t length,
                            tenantdb_error **error) {
  if (!target->failure && tndb_archive_in_feed(&target->in, bytes, length, take, target, &target->failure)) {
    tndb_error_set_tenant(&target->failure, target->slug);
  }
  return target->failure ? fail_with(target, error) : TENANTDB_OK;
}

tenantdb_status tenantdb_import_write(tenantdb_import *target, const void *bytes, size_t length,
                                      tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = check_open(target, error);
  if (!status && !bytes && length > 0) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "bytes is NULL");
  }
  return status ? status : feed(target, bytes, length, error);
}

static tenantdb_status finish(tenantdb_import *target, tenantdb_tenant **tenant, tenantdb_error **error) {
  tenantdb_tenant *made = NULL;
  if (!target->failure) {
    tenantdb_status status = tndb_archive_in_finish(&target->in, &target->failure);
    if (!status && target->answered) {
      made = target->answer;
      target->answer = NULL;
    } else if (!status) {
      status = tndb_import_complete(target, &made, &target->failure);
    }
    if (status) {
      tndb_error_set_tenant(&target->failure, target->slug);
    }
  }
  if (target->failure) {
    tenantdb_tenant_free(made);
    return fail_with(target, error);
  }
  target->finished = true;
  let_go(target);
  return tndb_creation_end(&target->filling.creation, TENANTDB_OK, made, tenant, NULL, error);
}

tenantdb_status tenantdb_import_finish(tenantdb_import *target, tenantdb_tenant **tenant,
                                       tenantdb_error **error) {
  tndb_error_reset(error);
  if (tenant) {
    *tenant = NULL;
  }
  tenantdb_status status = check_open(target, error);
  return status ? status : finish(target, tenant, error);
}

/* ---------------------------------------------------------------- what became of references */

static void append_columns(tndb_buffer *text, const tndb_names *names) {
  for (size_t i = 0; i < names->count; i++) {
    tndb_buffer_append(text, i ? ", " : "");
    tndb_buffer_append(text, names->items[i]);
  }
}

static bool add_reference(tndb_table *table, const tenantdb_import *target, size_t which) {
  const tndb_archive_reference *reference = &target->archive.references[which];
  const tndb_resolved *resolved = &target->resolved[which];
  tndb_auto_buffer names = TNDB_BUFFER_INIT;
  tndb_auto_buffer kept = TNDB_BUFFER_INIT;
  tndb_auto_buffer mapped = TNDB_BUFFER_INIT;
  tndb_auto_buffer nulled = TNDB_BUFFER_INIT;
  append_columns(&names, &reference->columns);
  tndb_buffer_format(&kept, "%lld", (long long)resolved->kept);
  tndb_buffer_format(&mapped, "%lld", (long long)resolved->mapped);
  tndb_buffer_format(&nulled, "%lld", (long long)resolved->nulled);
  const char *cells[] = {target->archive.shape.tables[reference->table].name,
                         tndb_buffer_text(&names),
                         reference->shared,
                         tndb_buffer_text(&kept),
                         tndb_buffer_text(&mapped),
                         tndb_buffer_text(&nulled)};
  tndb_table_row(table, cells);
  return !names.failed && !kept.failed && !mapped.failed && !nulled.failed;
}

tenantdb_status tenantdb_import_references(tenantdb_import *target, tenantdb_result **result,
                                           tenantdb_error **error) {
  static const char *const columns[] = {"table_name", "columns", "shared_table", "kept", "mapped", "nulled"};
  tndb_error_reset(error);
  if (result) {
    *result = NULL;
  }
  tenantdb_status status = check(target, error);
  if (!status && !result) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  }
  if (!status && !target->finished) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_BAD_HANDLE, "the import is not finished");
  }
  if (status) {
    return status;
  }
  tndb_table *table = tndb_table_new(columns, 6);
  for (size_t i = 0; target->resolved && i < target->archive.read_references; i++) {
    if (!add_reference(table, target, i)) {
      tndb_table_free(table);
      return tndb_no_memory(error);
    }
  }
  return tndb_table_finish(table, result, error);
}

/* ---------------------------------------------------------------- all at once */

/* The next bytes, none at the end; from wherever they come. */
typedef tenantdb_status (*spring)(void *user, void *buffer, size_t size, size_t *length,
                                  tenantdb_error **error);

static tenantdb_status draw(tenantdb_import *target, spring from, void *user, tenantdb_tenant **tenant,
                            tenantdb_error **error) {
  char *part = tndb_alloc(TNDB_FILE_PART);
  size_t length = 1;
  tenantdb_status status = part ? TENANTDB_OK : tndb_no_memory(error);
  while (!status && length > 0) {
    length = 0;
    status = from(user, part, TNDB_FILE_PART, &length, error);
    if (!status) {
      status = feed(target, part, length, error);
    }
  }
  tndb_free(part);
  return status ? status : finish(target, tenant, error);
}

static tenantdb_status import_from(tenantdb_import *target, spring from, void *user, tenantdb_tenant **tenant,
                                   tenantdb_error **error) {
  tenantdb_error *own = NULL;
  tenantdb_status status = draw(target, from, user, tenant, &own);
  if (status) {
    tndb_error_set_tenant(&own, target->slug);
  }
  tenantdb_import_close(target);
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

typedef struct callback {
  tenantdb_archive_reader read;
  void *user;
} callback;

static tenantdb_status call_back(void *user, void *buffer, size_t size, size_t *length,
                                 tenantdb_error **error) {
  callback *from = user;
  int32_t answer = from->read(from->user, buffer, size, length);
  if (!answer && *length > size) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "the function that gives the archive says %zu bytes, and there was room for %zu",
                       *length, size);
  }
  return answer ? tndb_origin(error, TENANTDB_CANCELLED, TENANTDB_REASON_FUNCTION_FAILED,
                              "the function that gives the archive returned %d", (int)answer)
                : TENANTDB_OK;
}

/* What the calls that do it all begin with. */
static tenantdb_status begin_call(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec,
                                  const tenantdb_archive_options *options, tenantdb_import **target,
                                  tenantdb_error **error) {
  tenantdb_error *own = NULL;
  tenantdb_status status = open_import(db, slug, spec, options, target, &own);
  if (status) {
    tndb_error_set_tenant(&own, slug);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

tenantdb_status tenantdb_tenant_import(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec,
                                       tenantdb_archive_reader read, void *user,
                                       const tenantdb_archive_options *options, tenantdb_tenant **tenant,
                                       tenantdb_error **error) {
  tndb_error_reset(error);
  if (tenant) {
    *tenant = NULL;
  }
  if (!read) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "read is NULL");
  }
  tenantdb_import *target = NULL;
  callback from = {read, user};
  tenantdb_status status = begin_call(db, slug, spec, options, &target, error);
  return status ? status : import_from(target, call_back, &from, tenant, error);
}

typedef struct opened_file {
  const char *path;
  int file;
} opened_file;

static tenantdb_status read_file(void *user, void *buffer, size_t size, size_t *length,
                                 tenantdb_error **error) {
  const opened_file *from = user;
  return tndb_file_read(from->file, from->path, buffer, size, length, error);
}

tenantdb_status tenantdb_tenant_import_file(tenantdb *db, const char *slug, const tenantdb_tenant_spec *spec,
                                            const char *path, const tenantdb_archive_options *options,
                                            tenantdb_tenant **tenant, tenantdb_error **error) {
  tndb_error_reset(error);
  if (tenant) {
    *tenant = NULL;
  }
  if (!path) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "path is NULL");
  }
  tenantdb_import *target = NULL;
  opened_file from = {path, -1};
  tenantdb_status status = begin_call(db, slug, spec, options, &target, error);
  if (!status) {
    status = tndb_file_open(path, &from.file, error);
    if (status) {
      tenantdb_import_close(target);
    }
  }
  if (!status) {
    status = import_from(target, read_file, &from, tenant, error);
  }
  tndb_file_close(from.file);
  return status;
}

static tenantdb_status read_export(void *user, void *buffer, size_t size, size_t *length,
                                   tenantdb_error **error) {
  return tenantdb_export_read(user, buffer, size, length, error);
}

tenantdb_status tenantdb_tenant_copy(tenantdb *from, const char *tenant, tenantdb *to, const char *slug,
                                     const tenantdb_tenant_spec *spec,
                                     const tenantdb_archive_options *options, tenantdb_tenant **copy,
                                     tenantdb_error **error) {
  tndb_error_reset(error);
  if (copy) {
    *copy = NULL;
  }
  tenantdb_import *target = NULL;
  tenantdb_export *source = NULL;
  tenantdb_status status = tenantdb_export_open(from, tenant, options, &source, error);
  if (!status) {
    status = begin_call(to, slug, spec, options, &target, error);
  }
  if (!status) {
    status = import_from(target, read_export, source, copy, error);
  }
  tenantdb_export_close(source);
  return status;
}
