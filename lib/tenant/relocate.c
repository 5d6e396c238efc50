/* SPDX-License-Identifier: PostgreSQL */
/* The public calls: what is asked for, checked; the plan handed out whatever became of it. */
#include "tenant/relocate.h"

#include <string.h>

#include "catalog/definition.h"
#include "tenant/naming.h"

static tenantdb_status missing(const char *key, const char *what, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "relocate option %s must be given with what = %s", key, what);
}

static tenantdb_status senseless(const char *key, const char *what, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "relocate option %s means nothing with what = %s", key, what);
}

/* Which of them must be given, and which must not. */
static tenantdb_status check_given(const tndb_relocate_settings *settings, tenantdb_error **error) {
  static const char *const names[] = {"shared", "tenant", "adopt"};
  const char *what = names[settings->what];
  bool shared = settings->what == TNDB_RELOCATE_SHARED, adopt = settings->what == TNDB_RELOCATE_ADOPT;
  if (shared == (settings->tenant != NULL)) {
    return shared ? senseless("tenant", what, error) : missing("tenant", what, error);
  }
  if (adopt == (settings->to != NULL)) {
    return adopt ? senseless("to", what, error) : missing("to", what, error);
  }
  if (adopt && !settings->from) {
    return missing("from", what, error);
  }
  if (settings->what == TNDB_RELOCATE_TENANT && settings->from) {
    return senseless("from", what, error);
  }
  if (!shared && (settings->views || settings->n_tables > 0)) {
    return senseless(settings->views ? "way" : "tables", what, error);
  }
  return TENANTDB_OK;
}

/* A schema that is the library's, or PostgreSQL's, is nobody's to move into. */
static tenantdb_status check_schema(const tndb_relocation *job, const char *key, const char *name,
                                    tenantdb_error **error) {
  const tenantdb_config *config = job->db->config;
  const char *whose =
      strcmp(name, tndb_config_text(config, TNDB_CATALOG_SCHEMA)) == 0          ? "the catalog's schema"
      : strcmp(name, tndb_config_text(config, TNDB_EXTENSIONS_SCHEMA)) == 0     ? "the extensions' schema"
      : strncmp(name, "pg_", 3) == 0 || strcmp(name, "information_schema") == 0 ? "PostgreSQL's own"
                                                                                : NULL;
  return whose ? tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                             "relocate option %s: \"%s\" is %s", key, name, whose)
               : TENANTDB_OK;
}

static tenantdb_status check_shared(tndb_relocation *job, tenantdb_error **error) {
  tndb_relocate_settings *settings = &job->settings;
  settings->from = settings->from ? settings->from : tndb_database_shared_schema(job->db);
  if (strcmp(settings->from, settings->to) == 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "relocate options from and to are both \"%s\"%s", settings->to,
                       strcmp(settings->to, tndb_database_shared_schema(job->db)) == 0
                           ? ", which is option database.schema: say where the tables are by from"
                           : "");
  }
  tenantdb_status status = check_schema(job, "to", settings->to, error);
  bool with_catalog = strcmp(settings->from, tndb_config_text(job->db->config, TNDB_CATALOG_SCHEMA)) == 0;
  for (size_t i = 0; !status && with_catalog && i < settings->n_tables; i++) {
    for (const char *const *own = tndb_catalog_tables; !status && *own; own++) {
      if (strcmp(*own, settings->tables[i]) == 0) {
        status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                             "relocate option tables: \"%s\" is a table of the catalog", *own);
      }
    }
  }
  return status;
}

static tenantdb_status check(tndb_relocation *job, tenantdb_error **error) {
  tndb_relocate_settings *settings = &job->settings;
  tenantdb_status status = check_given(settings, error);
  if (status) {
    return status;
  }
  switch (settings->what) {
    case TNDB_RELOCATE_SHARED:
      return check_shared(job, error);
    case TNDB_RELOCATE_TENANT:
      return tndb_naming_check_schema(job->db, "to", settings->to, error);
    default:
      return tndb_naming_check_schema(job->db, "from", settings->from, error);
  }
}

/* Everything that both calls begin with. */
static tenantdb_status start(tndb_relocation *job, const tenantdb_relocate_options *options, int32_t apply,
                             tenantdb_error **error) {
  if (apply != 0 && apply != 1) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "apply is %d, neither 0 nor 1",
                       (int)apply);
  }
  tenantdb_status status = tndb_database_check(job->db, error);
  if (!status) {
    status = tndb_relocate_settings_read(options, &job->settings, error);
  }
  if (!status && !tndb_uuid_new(job->owner)) {
    status =
        tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL, "the system gives no random bytes");
  }
  if (!status) {
    int64_t patience = job->settings.patience_ms;
    job->until = tndb_clock_ms() +
                 (patience < 0 ? tndb_config_number(job->db->config, TNDB_OPERATION_TIMEOUT) : patience);
    status = tndb_relocate_rows_new(job, error);
  }
  return status;
}

static tenantdb_status end(tndb_relocation *job, tenantdb_status status, tenantdb_result **plan,
                           tenantdb_error **error) {
  tenantdb_error *own = NULL;
  bool given = !status || job->refused;
  tenantdb_status reported = tndb_relocate_report(job, job->apply && !status, given ? plan : NULL, &own);
  PQclear(job->found);
  PQclear(job->steps);
  if (!status && reported) {
    return tndb_error_pass(error, own);
  }
  tenantdb_error_free(own);
  return status;
}

tenantdb_status tenantdb_relocate(tenantdb *db, const tenantdb_relocate_options *options, int32_t apply,
                                  tenantdb_result **plan, tenantdb_error **error) {
  static tenantdb_status (*const ways[])(tndb_relocation *, tenantdb_error **) = {
      tndb_relocate_at_once, tndb_relocate_tenant, tndb_relocate_adopt};
  tndb_error_reset(error);
  if (plan) {
    *plan = NULL;
  }
  tndb_relocation job = {.db = db, .apply = apply != 0};
  tenantdb_status status = start(&job, options, apply, error);
  if (!status) {
    status = check(&job, error);
  }
  if (!status) {
    status = job.settings.views ? tndb_relocate_by_views(&job, error) : ways[job.settings.what](&job, error);
  }
  return end(&job, status, plan, error);
}

tenantdb_status tenantdb_relocate_finish(tenantdb *db, const tenantdb_relocate_options *options,
                                         int32_t apply, tenantdb_result **plan, tenantdb_error **error) {
  tndb_error_reset(error);
  if (plan) {
    *plan = NULL;
  }
  tndb_relocation job = {.db = db, .apply = apply != 0};
  tenantdb_status status = start(&job, options, apply, error);
  if (!status) {
    status = tndb_relocate_end(&job, error);
  }
  return end(&job, status, plan, error);
}
