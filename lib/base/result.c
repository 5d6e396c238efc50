/* SPDX-License-Identifier: PostgreSQL */
#include "base/result.h"

#include <string.h>

#include "base/binary.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/types.h"

tenantdb_result *tndb_result_wrap(const tndb_result_source *source, void *data, int32_t rows, int32_t columns,
                                  int64_t affected) {
  tenantdb_result *result = tndb_new(tenantdb_result);
  if (!result) {
    source->release(data);
    return NULL;
  }
  *result = (tenantdb_result){NULL, NULL, source, data, rows, columns, affected, NULL};
  return result;
}

/* ---------------------------------------------------------------- getters */

static bool has_cell(const tenantdb_result *result, int32_t row, int32_t column) {
  return result && row >= 0 && row < result->rows && column >= 0 && column < result->columns;
}

static bool has_column(const tenantdb_result *result, int32_t column) {
  return result && column >= 0 && column < result->columns;
}

int32_t tenantdb_result_rows(const tenantdb_result *result) {
  return result ? result->rows : 0;
}

int32_t tenantdb_result_columns(const tenantdb_result *result) {
  return result ? result->columns : 0;
}

const char *tenantdb_result_name(const tenantdb_result *result, int32_t column) {
  const char *name = has_column(result, column) ? result->source->name(result->data, column) : NULL;
  return name ? name : "";
}

int32_t tenantdb_result_column(const tenantdb_result *result, const char *name) {
  for (int32_t i = 0; name && i < tenantdb_result_columns(result); i++) {
    if (strcmp(tenantdb_result_name(result, i), name) == 0) {
      return i;
    }
  }
  return -1;
}

uint32_t tenantdb_result_type(const tenantdb_result *result, int32_t column) {
  return has_column(result, column) ? result->source->type(result->data, column) : 0;
}

int32_t tenantdb_result_format(const tenantdb_result *result, int32_t column) {
  return has_column(result, column) && result->source->format ? result->source->format(result->data, column)
                                                              : 0;
}

const char *tenantdb_result_value(const tenantdb_result *result, int32_t row, int32_t column) {
  return has_cell(result, row, column) ? result->source->value(result->data, row, column) : NULL;
}

size_t tenantdb_result_length(const tenantdb_result *result, int32_t row, int32_t column) {
  return has_cell(result, row, column) ? result->source->length(result->data, row, column) : 0;
}

int32_t tenantdb_result_is_null(const tenantdb_result *result, int32_t row, int32_t column) {
  return tenantdb_result_value(result, row, column) == NULL;
}

int64_t tenantdb_result_affected(const tenantdb_result *result) {
  return result ? result->affected : 0;
}

void tenantdb_result_free(tenantdb_result *result) {
  if (result) {
    if (result->stream) {
      result->stream->abandon(result);
    }
    tndb_result_forget(result);
    result->source->release(result->data);
    tndb_free(result);
  }
}

tenantdb_status tenantdb_result_next(tenantdb_result *result, int32_t *more, tenantdb_error **error) {
  tndb_error_reset(error);
  if (more) {
    *more = 0;
  }
  if (!result || !more) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       result ? "more" : "result");
  }
  tenantdb_status status = result->stream ? result->stream->next(result, error) : TENANTDB_OK;
  *more = !status && result->stream != NULL;
  return status;
}

/* ---------------------------------------------------------------- JSON */

static void json_cell(tndb_buffer *json, uint32_t type, const char *value, size_t length) {
  bool raw = false;
  switch (type) {
    case TNDB_TYPE_BOOL:
      tndb_buffer_append(json, value[0] == 't' ? "true" : "false");
      return;
    case TNDB_TYPE_JSON:
    case TNDB_TYPE_JSONB:
      raw = true;
      break;
    case TNDB_TYPE_INT2:
    case TNDB_TYPE_INT4:
    case TNDB_TYPE_INT8:
    case TNDB_TYPE_OID:
    case TNDB_TYPE_FLOAT4:
    case TNDB_TYPE_FLOAT8:
    case TNDB_TYPE_NUMERIC:
      raw = tndb_json_is_number(value, length);
      break;
    default:
      break;
  }
  if (raw) {
    tndb_buffer_append_n(json, value, length);
  } else {
    tndb_json_string(json, value, length);
  }
}

/* A cell in binary form becomes what its text would have been. */
static void json_binary(tndb_buffer *json, uint32_t type, const char *value, size_t length) {
  tndb_buffer text = TNDB_BUFFER_INIT;
  tndb_reading reading = tndb_binary_text(type, value, length, &text);
  if (reading == TNDB_READ_NO_MEMORY) {
    json->failed = true;
  } else if (reading == TNDB_READ) {
    json_cell(json, type, tndb_buffer_text(&text), text.length);
  } else {
    tndb_buffer_clear(&text);
    (void)tndb_binary_text(0, value, length, &text); /* not as it should be: its bytes */
    json->failed = json->failed || text.failed;
    tndb_json_string(json, tndb_buffer_text(&text), text.length);
  }
  tndb_buffer_free(&text);
}

static void json_row(tndb_buffer *json, const tenantdb_result *result, int32_t row) {
  tndb_buffer_append_char(json, '{');
  for (int32_t column = 0; column < result->columns; column++) {
    const char *name = tenantdb_result_name(result, column);
    const char *value = tenantdb_result_value(result, row, column);
    tndb_buffer_append(json, column ? "," : "");
    tndb_json_string(json, name, strlen(name));
    tndb_buffer_append_char(json, ':');
    if (value) {
      (tenantdb_result_format(result, column) ? json_binary : json_cell)(
          json, tenantdb_result_type(result, column), value, tenantdb_result_length(result, row, column));
    } else {
      tndb_buffer_append(json, "null");
    }
  }
  tndb_buffer_append_char(json, '}');
}

tenantdb_status tenantdb_result_json(const tenantdb_result *result, char **json, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!json) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "json is NULL");
  }
  *json = NULL;
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  }
  tndb_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_append_char(&text, '[');
  for (int32_t row = 0; row < result->rows; row++) {
    tndb_buffer_append(&text, row ? ",\n" : "");
    json_row(&text, result, row);
  }
  tndb_buffer_append_char(&text, ']');
  *json = tndb_buffer_take(&text);
  return *json ? TENANTDB_OK : tndb_no_memory(error);
}

/* ---------------------------------------------------------------- tables of text */

struct tndb_table {
  const char *const *names;
  char **cells; /* rows * columns */
  size_t capacity;
  int32_t rows;
  int32_t columns;
  bool failed;
};

tndb_table *tndb_table_new(const char *const *names, int32_t columns) {
  tndb_table *table = tndb_new(tndb_table);
  if (table) {
    table->names = names;
    table->columns = columns;
  }
  return table;
}

void tndb_table_row(tndb_table *table, const char *const *cells) {
  if (!table || table->failed) {
    return;
  }
  size_t width = (size_t)table->columns;
  size_t used = (size_t)table->rows * width;
  if (used + width > table->capacity) {
    size_t capacity = table->capacity * 2 > 8 * width ? table->capacity * 2 : 8 * width;
    char **bigger = tndb_realloc(table->cells, capacity * sizeof *bigger);
    if (!bigger) {
      table->failed = true;
      return;
    }
    table->cells = bigger;
    table->capacity = capacity;
  }
  for (size_t i = 0; i < width; i++) {
    table->cells[used + i] = cells[i] ? tndb_strdup(cells[i]) : NULL;
    table->failed = table->failed || (cells[i] && !table->cells[used + i]);
  }
  table->rows++;
}

int32_t tndb_table_rows(const tndb_table *table) {
  return table ? table->rows : 0;
}

static const char *table_value(const void *data, int32_t row, int32_t column) {
  const tndb_table *table = data;
  return table->cells[(size_t)row * (size_t)table->columns + (size_t)column];
}

static size_t table_length(const void *data, int32_t row, int32_t column) {
  const char *value = table_value(data, row, column);
  return value ? strlen(value) : 0;
}

static const char *table_name(const void *data, int32_t column) {
  const tndb_table *table = data;
  return table->names[column];
}

static uint32_t table_type(const void *data, int32_t column) {
  (void)data;
  (void)column;
  return TNDB_TYPE_TEXT;
}

static void table_release(void *data) {
  tndb_table_free(data);
}

void tndb_table_free(tndb_table *table) {
  if (!table) {
    return;
  }
  for (size_t i = 0; i < (size_t)table->rows * (size_t)table->columns; i++) {
    tndb_free(table->cells[i]);
  }
  tndb_free(table->cells);
  tndb_free(table);
}

tenantdb_status tndb_table_finish(tndb_table *table, tenantdb_result **result, tenantdb_error **error) {
  static const tndb_result_source source = {table_value, table_length,  table_name,
                                            table_type,  table_release, NULL};
  *result = NULL;
  if (!table || table->failed) {
    tndb_table_free(table);
    return tndb_no_memory(error);
  }
  *result = tndb_result_wrap(&source, table, table->rows, table->columns, table->rows);
  return *result ? TENANTDB_OK : tndb_no_memory(error);
}
