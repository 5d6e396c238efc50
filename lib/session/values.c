/* SPDX-License-Identifier: PostgreSQL */
#include "session/values.h"

#include <string.h>

#include "base/memory.h"
#include "session/call.h"

tndb_values tndb_values_of(const tenantdb_params *params) {
  return (tndb_values){tndb_params_count(params), tndb_params_values(params), tndb_params_lengths(params),
                       tndb_params_formats(params), tndb_params_types(params)};
}

static size_t size_of_value(const tndb_values *values, size_t i) {
  bool binary = values->formats && values->formats[i];
  return binary ? (size_t)values->lengths[i] : strlen(values->values[i]);
}

/* Where the parts of the block begin: pointers, then numbers, then text. */
typedef struct layout {
  size_t lengths;
  size_t formats;
  size_t types;
  size_t text;
  size_t total;
} layout;

static layout measure(const char *sql, const tndb_values *values) {
  size_t n = (size_t)values->count;
  layout at;
  at.lengths = n * sizeof(char *);
  at.formats = at.lengths + n * sizeof(int);
  at.types = at.formats + n * sizeof(int);
  at.text = at.types + n * sizeof(uint32_t);
  at.total = at.text + (sql ? strlen(sql) + 1 : 0);
  for (size_t i = 0; i < n; i++) {
    at.total += values->values[i] ? size_of_value(values, i) + 1 : 0;
  }
  return at;
}

/* `sql` NULL: the values alone. */
tenantdb_status tndb_item_copy(const char *sql, const tndb_values *values, tndb_call_item *item,
                               tenantdb_error **error) {
  layout at = measure(sql, values);
  char *block = tndb_alloc(at.total);
  *item = (tndb_call_item){NULL, {0, NULL, NULL, NULL, NULL}, TNDB_NONE, block, NULL};
  if (!block) {
    return tndb_no_memory(error);
  }
  const char **copies = (const char **)(void *)block;
  int *lengths = (int *)(void *)(block + at.lengths);
  int *formats = (int *)(void *)(block + at.formats);
  uint32_t *types = (uint32_t *)(void *)(block + at.types);
  char *text = block + at.text;
  if (sql) {
    item->sql = text;
    memcpy(text, sql, strlen(sql) + 1);
    text += strlen(sql) + 1;
  }
  for (size_t i = 0; i < (size_t)values->count; i++) {
    formats[i] = values->formats ? values->formats[i] : 0;
    types[i] = values->types ? values->types[i] : 0;
    if (values->values[i]) {
      size_t size = size_of_value(values, i);
      copies[i] = text;
      lengths[i] = (int)size;
      memcpy(text, values->values[i], size);
      text += size + 1;
    }
  }
  item->values = (tndb_values){values->count, copies, lengths, formats, values->types ? types : NULL};
  return TENANTDB_OK;
}

void tndb_item_free(tndb_call_item *item) {
  tndb_text_release(item->text);
  tndb_free(item->block);
  *item = (tndb_call_item){NULL, {0, NULL, NULL, NULL, NULL}, TNDB_NONE, NULL, NULL};
}

tenantdb_status tndb_call_run_text(tenantdb_session *session, tndb_text *text, const tenantdb_params *params,
                                   tenantdb_error **error) {
  tenantdb_status status = tndb_params_mistake(params, error);
  if (!status) {
    tndb_values values = tndb_values_of(params);
    tndb_item_free(&session->item);
    status = tndb_item_copy(NULL, &values, &session->item, error);
  }
  if (!status) {
    session->item.sql = text->sql;
    session->item.text = tndb_text_hold(text);
    status = tndb_call_run(session, TNDB_CALL_WHOLE, &session->item, 1, error);
  }
  if (status) {
    tndb_item_free(&session->item);
  }
  return status;
}

tenantdb_status tndb_call_run_copy(tenantdb_session *session, const char *sql, const tenantdb_params *params,
                                   tndb_call_kind kind, tenantdb_error **error) {
  tenantdb_status status = tndb_params_mistake(params, error);
  if (!status) {
    status = tndb_session_admit(sql, error);
  }
  if (!status) {
    tndb_values values = tndb_values_of(params);
    tndb_item_free(&session->item);
    status = tndb_item_copy(sql, &values, &session->item, error);
  }
  if (!status) {
    status = tndb_call_run(session, kind, &session->item, 1, error);
  }
  if (status) {
    tndb_item_free(&session->item);
  }
  return status;
}
