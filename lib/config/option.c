/* SPDX-License-Identifier: PostgreSQL */
#include "config/option.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"

/* ---------------------------------------------------------------- by the table */

static tenantdb_status unknown(const tndb_option_table *table, const char *key, const char *nearest,
                               tenantdb_error **error) {
  tndb_auto_buffer all = TNDB_BUFFER_INIT;
  tndb_buffer_append(&all, "there are ");
  for (int i = 0; i < table->count; i++) {
    tndb_buffer_append(&all, i == 0 ? "" : i < table->count - 1 ? ", " : " and ");
    tndb_buffer_append(&all, table->rows[i].key);
  }
  return all.failed ? tndb_no_memory(error)
                    : tndb_value_no_key(table->what, key, nearest, tndb_buffer_text(&all), error);
}

int tndb_option_find(const tndb_option_table *table, const char *key, tenantdb_error **error) {
  if (!key) {
    (void)tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s: key is NULL",
                      table->what);
    return -1;
  }
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (int i = 0; i < table->count; i++) {
    if (strcmp(key, table->rows[i].key) == 0) {
      return i;
    }
    tndb_nearest_try(&nearest, table->rows[i].key);
  }
  (void)unknown(table, key, nearest.best, error);
  return -1;
}

tenantdb_status tndb_option_read(const tndb_option_table *table, int which, const char *value,
                                 int64_t *number, tenantdb_error **error) {
  const tndb_option_row *row = &table->rows[which];
  if (!row->check) {
    tndb_value_rule rule = {row->type, row->minimum, row->maximum, row->choices};
    return tndb_value_read(&rule, table->what, row->key, value, number, error);
  }
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  tndb_buffer_format(&what, "%s %s", table->what, row->key);
  return what.failed ? tndb_no_memory(error) : row->check(tndb_buffer_text(&what), value, error);
}

/* ---------------------------------------------------------------- lists */

static tenantdb_status check_name(const tndb_option_table *table, int which, int64_t number, const char *name,
                                  tenantdb_error **error) {
  const tndb_option_row *row = &table->rows[which];
  bool valid = *name && tndb_utf8_valid(name, strlen(name), NULL);
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  if (valid && !row->check) {
    return TENANTDB_OK;
  }
  tndb_buffer_format(&what, "%s %s: name %lld", table->what, row->key, (long long)number);
  if (what.failed) {
    return tndb_no_memory(error);
  }
  return valid ? row->check(tndb_buffer_text(&what), name, error)
               : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "%s is %s",
                             tndb_buffer_text(&what), *name ? "not valid UTF-8" : "empty");
}

static tenantdb_status add_name(const tndb_option_table *table, int which, tndb_option_value *list,
                                const char *name, size_t length, tenantdb_error **error) {
  size_t count = (size_t)list->number;
  char *copy = tndb_strndup(name, length);
  tenantdb_status status =
      copy ? check_name(table, which, list->number + 1, copy, error) : tndb_no_memory(error);
  if (!status && (count & (count - 1)) == 0) { /* there is room for the next power of two of them */
    char **names = tndb_realloc(list->names, (count ? 2 * count : 1) * sizeof *names);
    list->names = names ? names : list->names;
    status = names ? TENANTDB_OK : tndb_no_memory(error);
  }
  if (status) {
    tndb_free(copy);
    return status;
  }
  list->names[list->number++] = copy;
  return TENANTDB_OK;
}

/* "a, b": a text of blanks is no name, an empty place beside a comma is a mistake. */
static tenantdb_status add_names(const tndb_option_table *table, int which, tndb_option_value *list,
                                 const char *value, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  bool more = value[strspn(value, " ")] != '\0';
  for (const char *at = value; more && !status;) {
    at += strspn(at, " ");
    size_t length = strcspn(at, ","), trimmed = length;
    while (trimmed > 0 && at[trimmed - 1] == ' ') {
      trimmed--;
    }
    status = add_name(table, which, list, at, trimmed, error);
    more = at[length] == ',';
    at += length + 1;
  }
  return status;
}

/* ---------------------------------------------------------------- keeping them */

static void clear_value(tndb_option_value *value) {
  for (volatile char *at = value->text; at && *at; at++) {
    *at = '\0';
  }
  tndb_free(value->text);
  for (int64_t i = 0; value->names && i < value->number; i++) {
    tndb_free(value->names[i]);
  }
  tndb_free(value->names);
  *value = (tndb_option_value){.given = false};
}

static tenantdb_status keep(const tndb_option_table *table, int which, tndb_option_value *kept,
                            const char *value, tenantdb_error **error) {
  tndb_option_value made = {.given = value != NULL};
  tenantdb_status status = TENANTDB_OK;
  if (value && table->rows[which].type == TNDB_TYPE_LIST) {
    status = add_names(table, which, &made, value, error);
  } else if (value) {
    status = tndb_option_read(table, which, value, &made.number, error);
    made.text = status ? NULL : tndb_strdup(value);
    status = status || made.text ? status : tndb_no_memory(error);
  }
  clear_value(status ? &made : kept);
  if (!status) {
    *kept = made;
  }
  return status;
}

void tndb_options_set(tndb_options *options, const tndb_option_table *table, const char *key,
                      const char *value) {
  int which = options->mistake ? -1 : tndb_option_find(table, key, &options->mistake);
  if (which >= 0) {
    (void)keep(table, which, &options->values[which], value, &options->mistake);
  }
}

void tndb_options_add(tndb_options *options, const tndb_option_table *table, int which, const char *name) {
  tndb_option_value *list = &options->values[which];
  if (!options->mistake) {
    list->given = true;
    (void)(name ? add_name(table, which, list, name, strlen(name), &options->mistake)
                : tndb_origin(&options->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                              "%s %s: the name is NULL", table->what, table->rows[which].key));
  }
}

void tndb_options_clear(tndb_options *options) {
  for (int i = 0; i < TNDB_OPTIONS_MOST; i++) {
    clear_value(&options->values[i]);
  }
  tenantdb_error_free(options->mistake);
  options->mistake = NULL;
}

/* ---------------------------------------------------------------- reading them */

tenantdb_status tndb_options_check(const tndb_options *options, tenantdb_error **error) {
  return options && options->mistake ? tndb_error_pass(error, tndb_error_copy(options->mistake))
                                     : TENANTDB_OK;
}

bool tndb_option_given(const tndb_options *options, int which) {
  return options && options->values[which].given;
}

int64_t tndb_option_number(const tndb_options *options, int which, int64_t otherwise) {
  return tndb_option_given(options, which) ? options->values[which].number : otherwise;
}

const char *tndb_option_text(const tndb_options *options, int which, const char *otherwise) {
  return tndb_option_given(options, which) ? options->values[which].text : otherwise;
}

const char *const *tndb_option_names(const tndb_options *options, int which, size_t *count) {
  *count = (size_t)tndb_option_number(options, which, 0);
  return options ? (const char *const *)options->values[which].names : NULL;
}
