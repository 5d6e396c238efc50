/* SPDX-License-Identifier: PostgreSQL */
/* What an import does with the records of an archive. */
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "pg/copy.h"
#include "tenant/import.h"

/* ---------------------------------------------------------------- the tenant */

/* Whether the server's hash is the archive's: it depends on the machine's order of bytes. */
static tenantdb_status compare_probe(tenantdb_import *target, tenantdb_error **error) {
  PGresult *rows;
  tenantdb_status status = tndb_work_query(
      &target->filling.work, "SELECT pg_catalog.hashtextextended('libtenantdb', 0)", 0, NULL, &rows, error);
  if (!status) {
    target->comparable = strcmp(PQgetvalue(rows, 0, 0), target->archive.texts[TNDB_ARCHIVE_PROBE]) == 0;
    PQclear(rows);
  }
  return status;
}

/* Display name and properties are the archive's, unless the caller named others. */
static tenantdb_status inherit(tenantdb_import *target, tenantdb_error **error) {
  const tndb_archive *archive = &target->archive;
  tndb_creation *creation = &target->filling.creation;
  if (!creation->spec.name && *archive->texts[TNDB_ARCHIVE_NAME]) {
    creation->spec.name = archive->texts[TNDB_ARCHIVE_NAME];
  }
  if (!creation->spec.properties) {
    creation->spec.properties = archive->texts[TNDB_ARCHIVE_PROPERTIES];
  }
  tndb_buffer_append(&target->detail, "{\"import_of\": ");
  tndb_json_string(&target->detail, archive->texts[TNDB_ARCHIVE_ID], strlen(archive->texts[TNDB_ARCHIVE_ID]));
  tndb_buffer_append(&target->detail, ", \"archived\": ");
  tndb_json_string(&target->detail, archive->texts[TNDB_ARCHIVE_CREATED],
                   strlen(archive->texts[TNDB_ARCHIVE_CREATED]));
  tndb_buffer_append(&target->detail, "}");
  creation->detail = tndb_buffer_text(&target->detail);
  target->resolved =
      tndb_alloc_array(archive->n_references ? archive->n_references : 1, sizeof *target->resolved);
  return target->detail.failed || !target->resolved ? tndb_no_memory(error) : TENANTDB_OK;
}

static tenantdb_status make_tenant(tenantdb_import *target, tenantdb_error **error) {
  tndb_filling *filling = &target->filling;
  tenantdb_status status = inherit(target, error);
  if (!status) {
    status = tndb_birth_at(&filling->creation.birth, target->archive.version, "the archive", error);
  }
  if (!status) {
    target->begun = true;
    status = tndb_filling_open(filling, error);
  }
  if (!status) {
    status = tndb_filling_make(filling, error);
  }
  if (!status) {
    status = tndb_shape_compare(&target->archive.shape, &filling->shape, "the archive", false,
                                filling->settings.ignore_extra, error);
  }
  return status ? status : compare_probe(target, error);
}

/* All tables are known: begin. The key may turn out to have been used; then there is nothing to do. */
static tenantdb_status begin(tenantdb_import *target, tenantdb_error **error) {
  tenantdb_status status = make_tenant(target, error);
  if (status && target->key) {
    tndb_filling_close(&target->filling);
    target->begun = false;
    status = tndb_creation_answer_again(&target->filling.creation, &target->answer, error);
    target->answered = !status;
  }
  return status;
}

/* ---------------------------------------------------------------- rows */

tenantdb_status tndb_import_copy(tenantdb_import *target, const tndb_buffer *sql, tenantdb_error **error) {
  if (sql->failed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = tndb_work_sync(&target->filling.work, error);
  if (!status) {
    status = tndb_copy_start(target->filling.work.conn, tndb_buffer_text(sql), true,
                             tndb_filling_step(&target->filling), error);
    target->copying = !status;
  }
  return status;
}

tenantdb_status tndb_import_copy_end(tenantdb_import *target, tenantdb_error **error) {
  target->copying = false;
  return tndb_copy_finish(target->filling.work.conn, NULL, &target->loaded,
                          tndb_filling_step(&target->filling), error);
}

/* The archive's table that is at hand, and what it is here. */
static const tndb_shape_table *archived(const tenantdb_import *target, size_t which) {
  return &target->archive.shape.tables[which];
}

static tenantdb_status rows_begin(tenantdb_import *target, tenantdb_error **error) {
  const tndb_shape_table *table = archived(target, target->archive.read_rows);
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  target->skipping = !tndb_shape_find(&target->filling.shape, table->name);
  if (target->skipping) {
    return TENANTDB_OK;
  }
  tndb_buffer_append(&sql, "COPY ");
  tndb_shape_name(&sql, target->filling.creation.names.schema, table->name);
  tndb_shape_list(&sql, table);
  tndb_buffer_append(&sql, " FROM STDIN");
  return tndb_import_copy(target, &sql, error);
}

/* By the archive's columns, at the place that is the table's here. */
static tenantdb_status compare_rows(tenantdb_import *target, const tndb_shape_table *table,
                                    const tndb_archive_rows *rows, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *found;
  int64_t count = 0;
  tndb_shape_checksum(&sql, target->filling.creation.names.schema,
                      tndb_shape_find(&target->filling.shape, table->name), table, 0);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  (void)tndb_filling_step(&target->filling);
  tenantdb_status status =
      tndb_work_query(&target->filling.work, tndb_buffer_text(&sql), 0, NULL, &found, error);
  if (status) {
    return status;
  }
  bool same = tndb_number_parse(PQgetvalue(found, 0, 1), &count) && (uint64_t)count == rows->rows &&
              (!target->comparable || strcmp(PQgetvalue(found, 0, 2), rows->checksum) == 0);
  if (!same) {
    status = tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_COPY_DIFFERS,
                         "%s rows with checksum %s were loaded, and the archive says %llu with checksum %s; "
                         "nothing was kept",
                         PQgetvalue(found, 0, 1), PQgetvalue(found, 0, 2), (unsigned long long)rows->rows,
                         rows->checksum);
  }
  PQclear(found);
  return status;
}

static tenantdb_status rows_end(tenantdb_import *target, tenantdb_error **error) {
  size_t which = target->archive.read_rows - 1;
  if (target->skipping) {
    target->skipping = false;
    return TENANTDB_OK;
  }
  tenantdb_status status = tndb_import_copy_end(target, error);
  if (!status) {
    status = compare_rows(target, archived(target, which), &target->archive.rows[which], error);
  }
  if (status) {
    tndb_error_prefix(error, "table %s", archived(target, which)->name);
    tndb_filling_explain_rows(error);
  }
  return status;
}

static tenantdb_status put(tenantdb_import *target, const unsigned char *bytes, size_t length,
                           tenantdb_error **error) {
  return target->skipping ? TENANTDB_OK
                          : tndb_copy_put(target->filling.work.conn, bytes, length,
                                          tndb_filling_step(&target->filling), error);
}

/* ---------------------------------------------------------------- records */

tenantdb_status tndb_import_take(tenantdb_import *target, char type, const unsigned char *payload,
                                 size_t length, tenantdb_error **error) {
  const tndb_archive *archive = &target->archive;
  if (target->answered) {
    return TENANTDB_OK;
  }
  switch (type) {
    case TNDB_ARCHIVE_HEADER:
    case TNDB_ARCHIVE_TABLE:
      return archive->shape.n_tables == archive->n_tables ? begin(target, error) : TENANTDB_OK;
    case TNDB_ARCHIVE_REFERENCE:
      return tndb_import_keys_begin(target, error);
    case TNDB_ARCHIVE_KEYS_END:
      return tndb_import_keys_end(target, error);
    case TNDB_ARCHIVE_BEGIN:
      return rows_begin(target, error);
    case TNDB_ARCHIVE_KEYS:
    case TNDB_ARCHIVE_ROWS:
      return put(target, payload, length, error);
    case TNDB_ARCHIVE_ROWS_END:
      return rows_end(target, error);
    default:
      return TENANTDB_OK;
  }
}

tenantdb_status tndb_import_complete(tenantdb_import *target, tenantdb_tenant **tenant,
                                     tenantdb_error **error) {
  tndb_filling *filling = &target->filling;
  tenantdb_status status = tndb_import_apply_keys(target, error);
  if (!status) {
    (void)tndb_filling_step(filling);
    status = tndb_shape_set_sequences(&filling->work, filling->creation.names.schema, &filling->shape,
                                      &target->archive.shape, error);
  }
  if (!status) {
    status = tndb_filling_finish(filling, tenant, error);
  }
  if (status && target->key) {
    tndb_filling_close(filling);
    target->begun = false;
    status = tndb_creation_answer_again(&filling->creation, tenant, error);
  }
  return status;
}
