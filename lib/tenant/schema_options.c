/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/schema_options.h"

#include <string.h>

#include "base/memory.h"
#include "tenant/fleet_selector.h"

#define MOST_SHOWN 10000
#define MOST_BATCH 10000

enum { TENANTS, SELECTOR, SHOWN, BATCH, DROP, INDEXES, N_KEYS };

static const tndb_option_row rows[N_KEYS] = {
    [TENANTS] = {"tenants", .type = TNDB_TYPE_LIST},
    [SELECTOR] = {"selector", .type = TNDB_TYPE_PLAIN, .check = tndb_selector_check},
    [SHOWN] = {"shown", .type = TNDB_TYPE_NUMBER, .maximum = MOST_SHOWN},
    [BATCH] = {"batch", .type = TNDB_TYPE_NUMBER, .minimum = 1, .maximum = MOST_BATCH},
    [DROP] = {"drop", .type = TNDB_TYPE_FLAG},
    [INDEXES] = {"indexes", .type = TNDB_TYPE_CHOICE, .choices = "plain|concurrently"}};
static const tndb_option_table table = TNDB_OPTION_TABLE("schema option", rows);

struct tenantdb_schema_options {
  tndb_options all;
};

tenantdb_schema_options *tenantdb_schema_options_new(void) {
  return tndb_new(tenantdb_schema_options);
}

void tenantdb_schema_options_free(tenantdb_schema_options *options) {
  if (options) {
    tndb_options_clear(&options->all);
    tndb_free(options);
  }
}

void tenantdb_schema_options_set(tenantdb_schema_options *options, const char *key, const char *value) {
  if (options) {
    tndb_options_set(&options->all, &table, key, value);
  }
}

void tenantdb_schema_options_tenant(tenantdb_schema_options *options, const char *tenant) {
  if (options) {
    tndb_options_add(&options->all, &table, TENANTS, tenant);
  }
}

/* ---------------------------------------------------------------- reading */

/* Every tenant that has a schema, unless the selector says which states. */
static tenantdb_status complete_selector(const tndb_fleet_who *who, tndb_buffer *selector,
                                         tenantdb_error **error) {
  tndb_selector compiled;
  const char *given = who->selector ? who->selector : "";
  tenantdb_status status = tndb_selector_compile(given, 1, &compiled, error);
  if (!status) {
    bool bare = given[strspn(given, " \t\r\n")] == '\0';
    tndb_buffer_append(selector, compiled.on_state || who->listed ? "" : "state=active|suspended|archived");
    tndb_buffer_append(selector, selector->length && !bare ? ", " : "");
    tndb_buffer_append(selector, given);
    status = selector->failed ? tndb_no_memory(error) : TENANTDB_OK;
  }
  tndb_selector_free(&compiled);
  return status;
}

static bool has_schema(const tndb_fleet_list *list, size_t tenant) {
  int32_t state = tndb_tenant_state(tndb_fleet_list_state(list, tenant));
  return state == TENANTDB_TENANT_ACTIVE || state == TENANTDB_TENANT_SUSPENDED ||
         state == TENANTDB_TENANT_ARCHIVED;
}

/* Who was named and has no schema, or does not exist, is a mistake; who was merely selected is passed over. */
static tenantdb_status check_list(const tndb_fleet_who *who, tndb_fleet_list *list, tenantdb_error **error) {
  if (list->n_missing > 0) {
    return tndb_tenant_unknown(list->missing[0], error);
  }
  size_t kept = 0;
  for (size_t i = 0; i < list->count; i++) {
    const char *slug = tndb_fleet_list_slug(list, i);
    if (has_schema(list, i)) {
      list->at[kept++] = list->at[i];
    } else if (who->listed) {
      (void)tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_STATE,
                        "tenant %s is %s: it has no schema to look at", slug, tndb_fleet_list_state(list, i));
      tndb_error_set_tenant(error, slug);
      return TENANTDB_STATE;
    }
  }
  list->count = kept;
  return TENANTDB_OK;
}

tenantdb_status tndb_schema_list_read(tenantdb *db, const tndb_fleet_who *who, tndb_fleet_list *list,
                                      tenantdb_error **error) {
  tndb_auto_buffer selector = TNDB_BUFFER_INIT;
  *list = (tndb_fleet_list){.rows = NULL};
  tenantdb_status status = complete_selector(who, &selector, error);
  if (!status) {
    tndb_fleet_who complete = *who;
    complete.selector = tndb_buffer_text(&selector);
    tndb_deadline deadline = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_TIMEOUT));
    status = tndb_fleet_list_read(db, &complete, deadline, list, error);
  }
  return status ? status : check_list(who, list, error);
}

tenantdb_status tndb_schema_options_read(tenantdb *db, const tenantdb_schema_options *options,
                                         tndb_schema_settings *settings, tndb_fleet_list *list,
                                         tenantdb_error **error) {
  const tndb_options *all = options ? &options->all : NULL;
  tndb_fleet_who who = tndb_fleet_who_of(all, TENANTS, SELECTOR);
  *settings = (tndb_schema_settings){.shown = tndb_option_number(all, SHOWN, 20),
                                     .batch = tndb_option_number(all, BATCH, 500),
                                     .drop = tndb_option_number(all, DROP, false),
                                     .concurrently = tndb_option_number(all, INDEXES, 0)};
  *list = (tndb_fleet_list){.rows = NULL};
  tenantdb_status status = tndb_options_check(all, error);
  return status ? status : tndb_schema_list_read(db, &who, list, error);
}
