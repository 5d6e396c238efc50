/* SPDX-License-Identifier: PostgreSQL */
/* What was asked of a clone, an export, an import or a copy. */
#ifndef TNDB_TENANT_ARCHIVE_OPTIONS_H
#define TNDB_TENANT_ARCHIVE_OPTIONS_H

#include <tenantdb/archive.h>

#include "catalog/database.h"

typedef struct tndb_archive_settings {
  bool data;          /* rows, too */
  int32_t state;      /* of the new tenant: active or suspended */
  bool ignore_extra;  /* tables that the registry does not declare */
  bool match_ids;     /* shared rows are found by their ids first */
  bool null_missing;  /* references that find no row become NULL */
  int64_t timeout_ms; /* of one step */
} tndb_archive_settings;

/* Report a kept mistake, or what the options say; `options` may be NULL. */
tenantdb_status tndb_archive_settings_read(const tenantdb_archive_options *options, const tenantdb *db,
                                           tndb_archive_settings *settings, tenantdb_error **error);

#endif
