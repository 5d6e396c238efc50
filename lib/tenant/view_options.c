/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/view_options.h"

#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "sql/identifier.h"
#include "tenant/fleet_selector.h"

/* Names in the order they were given. */
typedef struct list {
  char **items;
  size_t count;
} list;

enum { SCHEMA, READER, SELECTOR, TENANT_COLUMN, N_TEXTS };

struct tenantdb_view_options {
  char *texts[N_TEXTS]; /* NULL: the default */
  list tenants;
  list columns;
  bool listed;
  bool by_id;
  bool barrier;
  tenantdb_error *mistake;
};

static void list_clear(list *names) {
  for (size_t i = 0; i < names->count; i++) {
    tndb_free(names->items[i]);
  }
  tndb_free(names->items);
  *names = (list){NULL, 0};
}

tenantdb_view_options *tenantdb_view_options_new(void) {
  return tndb_new(tenantdb_view_options);
}

void tenantdb_view_options_free(tenantdb_view_options *options) {
  if (options) {
    for (int i = 0; i < N_TEXTS; i++) {
      tndb_free(options->texts[i]);
    }
    list_clear(&options->tenants);
    list_clear(&options->columns);
    tenantdb_error_free(options->mistake);
    tndb_free(options);
  }
}

/* ---------------------------------------------------------------- lists */

static tenantdb_status list_add(list *names, const char *key, const char *name, size_t length,
                                tenantdb_error **error) {
  if (length == 0 || !tndb_utf8_valid(name, length, NULL)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "view option %s: name %zu is %s", key, names->count + 1,
                       length ? "not valid UTF-8" : "empty");
  }
  char *copy = tndb_strndup(name, length);
  char **bigger = copy ? tndb_realloc(names->items, (names->count + 1) * sizeof *bigger) : NULL;
  if (!bigger) {
    tndb_free(copy);
    return tndb_no_memory(error);
  }
  names->items = bigger;
  names->items[names->count++] = copy;
  return TENANTDB_OK;
}

/* "a, b": an empty text is no name, an empty place between commas is a mistake. */
static tenantdb_status list_set(list *names, const char *key, const char *value, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  list_clear(names);
  const char *at = value ? value : "";
  bool more = at[strspn(at, " ")] != '\0';
  while (more && !status) {
    at += strspn(at, " ");
    size_t length = strcspn(at, ",");
    size_t trimmed = length;
    while (trimmed > 0 && at[trimmed - 1] == ' ') {
      trimmed--;
    }
    status = list_add(names, key, at, trimmed, error);
    more = at[length] == ',';
    at += length + 1;
  }
  return status;
}

/* ---------------------------------------------------------------- options */

static tenantdb_status refuse(const char *key, const char *value, const char *form, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                     "view option %s: \"%.60s\" is %s", key, value, form);
}

static tenantdb_status unknown(const char *key, tenantdb_error **error) {
  static const char *const keys[] = {"schema",  "reader",        "tenants",      "selector",
                                     "columns", "tenant_column", "tenant_shows", "security_barrier"};
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    tndb_nearest_try(&nearest, keys[i]);
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                     "there is no view option \"%.60s\"%s%s%s; there are schema, reader, tenants, selector, "
                     "columns, tenant_column, tenant_shows and security_barrier",
                     key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                     nearest.best ? "\"?" : "");
}

/* One of two words; NULL is the first. */
static tenantdb_status set_choice(bool *choice, const char *key, const char *value,
                                  const char *const words[2], tenantdb_error **error) {
  *choice = value && strcmp(value, words[1]) == 0;
  if (value && !*choice && strcmp(value, words[0]) != 0) {
    tndb_auto_buffer form = TNDB_BUFFER_INIT;
    tndb_buffer_format(&form, "neither %s nor %s", words[0], words[1]);
    return refuse(key, value, tndb_buffer_text(&form), error);
  }
  return TENANTDB_OK;
}

/* Views show active tenants and no others, so there is nothing to choose. */
static tenantdb_status check_selector(const char *value, tenantdb_error **error) {
  tndb_selector selector;
  tenantdb_status status = tndb_selector_compile(value, 1, &selector, error);
  if (!status && selector.on_state) {
    status = refuse("selector", value, "a condition on the state: a view shows active tenants", error);
  }
  tndb_selector_free(&selector);
  return status;
}

static tenantdb_status set_text(tenantdb_view_options *options, int which, const char *key, const char *value,
                                tenantdb_error **error) {
  static const char *const whats[N_TEXTS] = {"view option schema", "view option reader", "",
                                             "view option tenant_column"};
  tenantdb_status status = TENANTDB_OK;
  if (value && which == SELECTOR) {
    status = check_selector(value, error);
  } else if (value) {
    status = tndb_identifier_check(whats[which], value, error);
  }
  if (!status && value && which == SCHEMA && strncmp(value, "pg_", 3) == 0) {
    status = refuse(key, value, "a name that PostgreSQL keeps for itself", error);
  }
  char *copy = value && !status ? tndb_strdup(value) : NULL;
  if (value && !status && !copy) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    tndb_free(options->texts[which]);
    options->texts[which] = copy;
  }
  return status;
}

static tenantdb_status set(tenantdb_view_options *options, const char *key, const char *value,
                           tenantdb_error **error) {
  static const char *const texts[N_TEXTS] = {"schema", "reader", "selector", "tenant_column"};
  static const char *const shows[] = {"slug", "id"};
  static const char *const flags[] = {"off", "on"};
  for (int i = 0; i < N_TEXTS; i++) {
    if (strcmp(key, texts[i]) == 0) {
      return set_text(options, i, key, value, error);
    }
  }
  if (strcmp(key, "tenants") == 0) {
    options->listed = value != NULL;
    return list_set(&options->tenants, key, value, error);
  }
  if (strcmp(key, "columns") == 0) {
    return list_set(&options->columns, key, value, error);
  }
  if (strcmp(key, "tenant_shows") == 0) {
    return set_choice(&options->by_id, key, value, shows, error);
  }
  if (strcmp(key, "security_barrier") == 0) {
    return set_choice(&options->barrier, key, value, flags, error);
  }
  return unknown(key, error);
}

void tenantdb_view_options_set(tenantdb_view_options *options, const char *key, const char *value) {
  if (options && !options->mistake) {
    (void)(key ? set(options, key, value, &options->mistake)
               : tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                             "view options: key is NULL"));
  }
}

static void add(tenantdb_view_options *options, list *names, const char *key, const char *name) {
  if (!options->mistake) {
    (void)(name ? list_add(names, key, name, strlen(name), &options->mistake)
                : tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                              "view option %s: the name is NULL", key));
  }
}

void tenantdb_view_options_tenant(tenantdb_view_options *options, const char *tenant) {
  if (options) {
    options->listed = true;
    add(options, &options->tenants, "tenants", tenant);
  }
}

void tenantdb_view_options_column(tenantdb_view_options *options, const char *column) {
  if (options) {
    add(options, &options->columns, "columns", column);
  }
}

tenantdb_status tndb_view_settings_read(const tenantdb_view_options *options, tndb_view_settings *settings,
                                        tenantdb_error **error) {
  static const tenantdb_view_options defaults = {.texts = {NULL}};
  if (options && options->mistake) {
    return tndb_error_pass(error, tndb_error_copy(options->mistake));
  }
  options = options ? options : &defaults;
  *settings = (tndb_view_settings){
      .schema = options->texts[SCHEMA] ? options->texts[SCHEMA] : "tenantdb_reports",
      .reader = options->texts[READER],
      .selector = options->texts[SELECTOR],
      .tenant_column = options->texts[TENANT_COLUMN] ? options->texts[TENANT_COLUMN] : "tenant",
      .tenants = (const char *const *)options->tenants.items,
      .n_tenants = options->tenants.count,
      .listed = options->listed,
      .columns = (const char *const *)options->columns.items,
      .n_columns = options->columns.count,
      .by_id = options->by_id,
      .barrier = options->barrier,
  };
  return TENANTDB_OK;
}
