/* SPDX-License-Identifier: PostgreSQL */
/* What tenantdb_relocate_options say. */
#ifndef TNDB_TENANT_RELOCATE_OPTIONS_H
#define TNDB_TENANT_RELOCATE_OPTIONS_H

#include <stdbool.h>

#include <tenantdb/relocate.h>

typedef enum tndb_relocate_what {
  TNDB_RELOCATE_SHARED,
  TNDB_RELOCATE_TENANT,
  TNDB_RELOCATE_ADOPT
} tndb_relocate_what;

/* The strings belong to the options. What was not given is NULL, or -1. */
typedef struct tndb_relocate_settings {
  tndb_relocate_what what;
  const char *from;
  const char *to;
  const char *tenant;
  const char *const *tables;
  size_t n_tables;
  bool views;     /* the way */
  bool new_names; /* of what a view cannot stand for */
  bool force;
  int64_t lock_ms;
  int64_t patience_ms;
  int64_t watch_ms;
} tndb_relocate_settings;

/* Report a kept mistake; NULL options are the defaults. */
tenantdb_status tndb_relocate_settings_read(const tenantdb_relocate_options *options,
                                            tndb_relocate_settings *settings, tenantdb_error **error);

#endif
