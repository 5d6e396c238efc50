/* SPDX-License-Identifier: PostgreSQL */
/* The calls of an export: to be read from, to a function, to a file. */
#include "tenant/export.h"

#include <string.h>

#include "base/memory.h"
#include "tenant/archive_file.h"

#define MAGIC UINT32_C(0x74657870)

tndb_deadline tndb_export_step(tenantdb_export *source) {
  source->work.deadline = tndb_deadline_in(source->settings.timeout_ms);
  return source->work.deadline;
}

/* Let go of the connection; what was made can still be read. */
static void let_go(tenantdb_export *source) {
  if (!source->working) {
    return;
  }
  tndb_conn *conn = source->work.conn;
  if (conn && (source->copying || tndb_conn_is_foreign(conn))) {
    if (!tndb_conn_is_foreign(conn)) {
      tndb_conn_cancel(conn);
    }
    conn->dead = true; /* how many rows are still to come, nobody knows */
  }
  if (conn && !conn->dead && source->work.begun && conn->synced) {
    (void)tndb_export_step(source);
  }
  tndb_work_end(&source->work);
  source->working = false;
}

void tenantdb_export_close(tenantdb_export *source) {
  if (!source || source->magic != MAGIC) {
    return;
  }
  let_go(source);
  tndb_database_release(source->work.db);
  tenantdb_tenant_free(source->tenant);
  tndb_archive_free(&source->archive);
  tndb_archive_out_free(&source->out);
  tndb_buffer_free(&source->part);
  tenantdb_error_free(source->failure);
  source->magic = 0;
  tndb_free(source);
}

static tenantdb_status open_export(tenantdb *db, const char *tenant, const tenantdb_archive_options *options,
                                   tenantdb_export **out, tenantdb_error **error) {
  tenantdb_status status = tndb_database_check(db, error);
  if (status) {
    return status;
  }
  tenantdb_export *source = tndb_new(tenantdb_export);
  if (!source) {
    return tndb_no_memory(error);
  }
  source->magic = MAGIC;
  source->work.db = tndb_database_hold(db);
  tndb_archive_out_start(&source->out);
  status = tndb_archive_settings_read(options, db, &source->settings, error);
  if (!status) {
    status = tndb_export_begin(source, db, tenant, error);
  }
  if (status) {
    tenantdb_export_close(source);
    return status;
  }
  *out = source;
  return TENANTDB_OK;
}

tenantdb_status tenantdb_export_open(tenantdb *db, const char *tenant,
                                     const tenantdb_archive_options *options, tenantdb_export **source,
                                     tenantdb_error **error) {
  tndb_error_reset(error);
  if (source) {
    *source = NULL;
  }
  if (!tenant || !source) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       tenant ? "source" : "tenant");
  }
  tenantdb_error *own = NULL;
  tenantdb_status status = open_export(db, tenant, options, source, &own);
  if (status) {
    tndb_error_set_tenant(&own, tenant);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- reading */

static tenantdb_status check(const tenantdb_export *source, const void *buffer, size_t size,
                             const size_t *length, tenantdb_error **error) {
  if (!source || !buffer || !length) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       !source   ? "source"
                       : !buffer ? "buffer"
                                 : "length");
  }
  if (source->magic != MAGIC) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "source is not an open export");
  }
  if (size == 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "size is 0");
  }
  return source->working ? tndb_database_check(source->work.db, error) : TENANTDB_OK;
}

/* Have something to hand out, unless all was. */
static tenantdb_status refill(tenantdb_export *source) {
  tenantdb_status status = source->out.bytes.failed ? tndb_no_memory(&source->failure) : TENANTDB_OK;
  if (!status && source->taken == source->out.bytes.length) {
    tndb_buffer_clear(&source->out.bytes);
    source->taken = 0;
  }
  while (!status && source->out.bytes.length == 0 && source->stage != TNDB_EXPORT_DONE) {
    status = tndb_export_advance(source, &source->failure);
    if (!status && source->out.bytes.failed) {
      status = tndb_no_memory(&source->failure);
    }
  }
  if (status) {
    tndb_error_set_tenant(&source->failure, source->tenant->slug);
  }
  if (status || source->stage == TNDB_EXPORT_DONE) {
    let_go(source);
  }
  return status;
}

tenantdb_status tenantdb_export_read(tenantdb_export *source, void *buffer, size_t size, size_t *length,
                                     tenantdb_error **error) {
  tndb_error_reset(error);
  if (length) {
    *length = 0;
  }
  tenantdb_status status = check(source, buffer, size, length, error);
  if (status) {
    return status;
  }
  if (!source->failure && source->taken == source->out.bytes.length) {
    status = refill(source);
  }
  if (source->failure || status) {
    status = tenantdb_error_status(source->failure);
    return error ? tndb_error_pass(error, tndb_error_copy(source->failure)) : status;
  }
  size_t left = source->out.bytes.length - source->taken;
  *length = left < size ? left : size;
  if (*length > 0) {
    memcpy(buffer, source->out.bytes.data + source->taken, *length);
    source->taken += *length;
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- all at once */

/* Every part of it into a function of ours. */
typedef tenantdb_status (*sink)(void *user, const void *bytes, size_t length, tenantdb_error **error);

static tenantdb_status pour(tenantdb *db, const char *tenant, const tenantdb_archive_options *options,
                            sink into, void *user, tenantdb_error **error) {
  tenantdb_export *source = NULL;
  tenantdb_status status = open_export(db, tenant, options, &source, error);
  while (!status && !(status = refill(source)) && source->out.bytes.length > 0) {
    source->taken = source->out.bytes.length;
    status = into(user, source->out.bytes.data, source->out.bytes.length, error);
  }
  if (source && source->failure) {
    tenantdb_error *failure = source->failure;
    source->failure = NULL;
    (void)tndb_error_pass(error, failure);
  }
  tenantdb_export_close(source);
  return status;
}

typedef struct callback {
  tenantdb_archive_writer write;
  void *user;
} callback;

static tenantdb_status call_back(void *user, const void *bytes, size_t length, tenantdb_error **error) {
  callback *to = user;
  int32_t answer = to->write(to->user, bytes, length);
  return answer ? tndb_origin(error, TENANTDB_CANCELLED, TENANTDB_REASON_FUNCTION_FAILED,
                              "the function that takes the archive returned %d", (int)answer)
                : TENANTDB_OK;
}

tenantdb_status tenantdb_tenant_export(tenantdb *db, const char *tenant,
                                       const tenantdb_archive_options *options, tenantdb_archive_writer write,
                                       void *user, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!tenant || !write) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       tenant ? "write" : "tenant");
  }
  tenantdb_error *own = NULL;
  callback to = {write, user};
  tenantdb_status status = pour(db, tenant, options, call_back, &to, &own);
  if (status) {
    tndb_error_set_tenant(&own, tenant);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

static tenantdb_status write_file(void *user, const void *bytes, size_t length, tenantdb_error **error) {
  return tndb_file_write(user, bytes, length, error);
}

tenantdb_status tenantdb_tenant_export_file(tenantdb *db, const char *tenant, const char *path,
                                            const tenantdb_archive_options *options, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!tenant || !path) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       tenant ? "path" : "tenant");
  }
  tenantdb_error *own = NULL;
  tndb_new_file made = {.file = -1};
  tenantdb_status status = tndb_database_check(db, &own);
  if (!status) {
    status = tndb_file_create(&made, path, &own);
  }
  if (!status) {
    status = pour(db, tenant, options, write_file, &made, &own);
  }
  if (!status) {
    status = tndb_file_publish(&made, &own);
  }
  tndb_file_end(&made);
  if (status) {
    tndb_error_set_tenant(&own, tenant);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}
