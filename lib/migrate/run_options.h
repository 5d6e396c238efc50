/* SPDX-License-Identifier: PostgreSQL */
/*
 * What was asked of a run. It is kept as it was given, by key and value, since the
 * catalog keeps it so too: whoever takes a run up reads the same options again.
 */
#ifndef TNDB_MIGRATE_RUN_OPTIONS_H
#define TNDB_MIGRATE_RUN_OPTIONS_H

#include <tenantdb/run.h>

#include "catalog/database.h"

/* States of tenants that may be chosen. */
enum { TNDB_RUN_ACTIVE = 1, TNDB_RUN_SUSPENDED = 2, TNDB_RUN_ARCHIVED = 4 };

typedef enum tndb_run_order { TNDB_RUN_LINEAR, TNDB_RUN_SKIP, TNDB_RUN_ANY } tndb_run_order;

/* A number of tenants, or a share of them. */
typedef struct tndb_run_size {
  int64_t number; /* of tenants, or hundredths of a percent */
  bool share;
} tndb_run_size;

#define TNDB_RUN_WAVES_MOST 32

typedef struct tndb_run_settings {
  const char *tenants;  /* as given; NULL: all. Belong to the options, as the selectors do */
  const char *selector; /* NULL: none */
  int states;
  bool shared; /* which streams */
  bool tenant;
  int64_t to; /* -1: the newest */
  tndb_run_order order;
  const char *canary_selector; /* NULL: none */
  int64_t canaries;            /* how many; 0: none */
  tndb_run_size waves[TNDB_RUN_WAVES_MOST];
  int n_waves;
  int64_t connections;
  tndb_run_size limit;
  bool limited;
  int64_t retries;
  int64_t lock_timeout_ms;
  int64_t lock_retries;
  bool pauses;
  bool dry;
  bool down;
  bool fleet_down;
  bool standby;
} tndb_run_settings;

/* With the defaults of the database where nothing was set; `options` may be NULL. */
tenantdb_status tndb_run_settings_read(const tenantdb *db, const tenantdb_run_options *options,
                                       tndb_run_settings *settings, tenantdb_error **error);

/* What was set, one by one: false behind the last. */
bool tndb_run_options_at(const tenantdb_run_options *options, size_t at, const char **key,
                         const char **value);

#endif
