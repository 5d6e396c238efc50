/* SPDX-License-Identifier: PostgreSQL */
/* What was asked of a view over tenants, beside its name and its table. */
#ifndef TNDB_TENANT_VIEW_OPTIONS_H
#define TNDB_TENANT_VIEW_OPTIONS_H

#include <tenantdb/view.h>

#include "base/error.h"

/* The strings belong to the options. */
typedef struct tndb_view_settings {
  const char *schema;
  const char *reader;   /* NULL: none */
  const char *selector; /* NULL: none */
  const char *tenant_column;
  const char *const *tenants;
  size_t n_tenants;
  bool listed; /* the tenants named are all there are, even when there are none */
  const char *const *columns;
  size_t n_columns; /* 0: all */
  bool by_id;
  bool barrier;
} tndb_view_settings;

/* Report a kept mistake, or what the options say; `options` may be NULL. */
tenantdb_status tndb_view_settings_read(const tenantdb_view_options *options, tndb_view_settings *settings,
                                        tenantdb_error **error);

#endif
