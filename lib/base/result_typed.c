/* SPDX-License-Identifier: PostgreSQL */
/*
 * Typed getters: a cell's text, or its bytes where the column came in binary
 * form, as a value. Nothing is guessed: a value that does not fit or does not
 * parse is an error, which names the place and the column's type and never
 * holds the value.
 */
#include <string.h>

#include "base/binary.h"
#include "base/bytes.h"
#include "base/double.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/moment.h"
#include "base/result.h"

typedef struct cell {
  const tenantdb_result *result;
  int32_t row;
  int32_t column;
  uint32_t type;
  bool binary;
  const char *bytes;
  size_t length;
} cell;

/* ---------------------------------------------------------------- failures */

static tenantdb_status fail(const cell *at, int32_t reason, const char *what, tenantdb_error **error) {
  const char *name = tenantdb_result_name(at->result, at->column);
  const char *type = tenantdb_result_type_name(at->type);
  if (type[0] == '?') {
    return tndb_origin(error, TENANTDB_ARGUMENT, reason, "row %d, column \"%s\" (type %u) %s", (int)at->row,
                       name, (unsigned)at->type, what);
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, reason, "row %d, column \"%s\" (%s) %s", (int)at->row, name,
                     type, what);
}

/* What a getter says when it cannot: the type is another, the value does not fit, or cannot be read. */
typedef struct words {
  const char *wrong_type;
  const char *range;
  const char *malformed;
} words;

static tenantdb_status judge(const cell *at, tndb_reading reading, const words *say, tenantdb_error **error) {
  switch (reading) {
    case TNDB_READ:
      return TENANTDB_OK;
    case TNDB_READ_NO_MEMORY:
      return tndb_no_memory(error);
    case TNDB_READ_OUT_OF_RANGE:
      return fail(at, TENANTDB_REASON_VALUE_RANGE, say->range, error);
    case TNDB_READ_MALFORMED:
      break;
  }
  return fail(at, TENANTDB_REASON_BAD_VALUE, say->malformed, error);
}

/* The cell that was asked for, when there is one and it holds a value. */
static tenantdb_status find(const tenantdb_result *result, int32_t row, int32_t column, cell *at,
                            tenantdb_error **error) {
  *at = (cell){result, row, column, 0, false, NULL, 0};
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  }
  if (row < 0 || row >= result->rows) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "row is %d; the result has %d, counted from 0", (int)row, (int)result->rows);
  }
  if (column < 0 || column >= result->columns) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "column is %d; the result has %d, counted from 0", (int)column, (int)result->columns);
  }
  at->type = tenantdb_result_type(result, column);
  at->binary = tenantdb_result_format(result, column) != 0;
  at->bytes = tenantdb_result_value(result, row, column);
  if (!at->bytes) {
    return fail(at, TENANTDB_REASON_NULL_VALUE, "is NULL; ask tenantdb_result_is_null() first", error);
  }
  at->length = tenantdb_result_length(result, row, column);
  return TENANTDB_OK;
}

static tenantdb_status begin(const void *out, const tenantdb_result *result, int32_t row, int32_t column,
                             cell *at, tenantdb_error **error) {
  tenantdb_status status = find(result, row, column, at, error);
  if (!status && !out) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "value is NULL");
  }
  return status;
}

/* ---------------------------------------------------------------- whole numbers */

static bool is_integer(uint32_t type) {
  return type == TNDB_TYPE_INT8 || type == TNDB_TYPE_INT4 || type == TNDB_TYPE_INT2 || type == TNDB_TYPE_OID;
}

/* A binary numeric goes by way of its text; it is the one type that needs memory to be read. */
static tndb_reading read_binary_numeric(const cell *at, int64_t *whole, double *real) {
  tndb_buffer text = TNDB_BUFFER_INIT;
  tndb_reading reading = tndb_binary_text(at->type, at->bytes, at->length, &text);
  if (reading == TNDB_READ) {
    reading = whole ? tndb_int64_read(tndb_buffer_text(&text), text.length, whole)
                    : tndb_double_read(tndb_buffer_text(&text), text.length, real);
  }
  tndb_buffer_free(&text);
  return reading;
}

static tenantdb_status get_integer(const cell *at, const words *say, int64_t *value, tenantdb_error **error) {
  bool numeric = at->type == TNDB_TYPE_NUMERIC;
  tndb_reading reading;
  if (!is_integer(at->type) && !numeric && !tndb_type_is_text(at->type)) {
    return fail(at, TENANTDB_REASON_WRONG_TYPE, say->wrong_type, error);
  }
  if (at->binary && numeric) {
    reading = read_binary_numeric(at, value, NULL);
  } else if (at->binary && is_integer(at->type)) {
    reading = tndb_binary_integer(at->type, at->bytes, at->length, value);
  } else {
    reading = tndb_int64_read(at->bytes, at->length, value);
  }
  return judge(at, reading, say, error);
}

tenantdb_status tenantdb_result_int64(const tenantdb_result *result, int32_t row, int32_t column,
                                      int64_t *value, tenantdb_error **error) {
  static const words say = {"is not of a type of whole numbers", "is not a whole number of 64 bits",
                            "does not hold a whole number"};
  cell at;
  int64_t wide = 0;
  tndb_error_reset(error);
  tenantdb_status status = begin(value, result, row, column, &at, error);
  if (!status) {
    status = get_integer(&at, &say, &wide, error);
  }
  if (value) {
    *value = status ? 0 : wide;
  }
  return status;
}

tenantdb_status tenantdb_result_int32(const tenantdb_result *result, int32_t row, int32_t column,
                                      int32_t *value, tenantdb_error **error) {
  static const words say = {"is not of a type of whole numbers",
                            "is not a whole number of 32 bits; ask tenantdb_result_int64()",
                            "does not hold a whole number"};
  cell at;
  int64_t wide = 0;
  tndb_error_reset(error);
  tenantdb_status status = begin(value, result, row, column, &at, error);
  if (!status) {
    status = get_integer(&at, &say, &wide, error);
  }
  if (!status && (wide < INT32_MIN || wide > INT32_MAX)) {
    status = judge(&at, TNDB_READ_OUT_OF_RANGE, &say, error);
  }
  if (value) {
    *value = status ? 0 : (int32_t)wide;
  }
  return status;
}

/* ---------------------------------------------------------------- doubles, truth, time */

static tndb_reading read_double(const cell *at, double *value) {
  int64_t whole = 0;
  tndb_reading reading;
  if (at->binary && at->type == TNDB_TYPE_NUMERIC) {
    return read_binary_numeric(at, NULL, value);
  }
  if (at->binary && is_integer(at->type)) {
    reading = tndb_binary_integer(at->type, at->bytes, at->length, &whole);
    *value = (double)whole;
    return reading;
  }
  if (at->binary && !tndb_type_is_text(at->type)) {
    return tndb_binary_double(at->type, at->bytes, at->length, value);
  }
  reading = tndb_double_read(at->bytes, at->length, value);
  if (reading == TNDB_READ && at->type == TNDB_TYPE_FLOAT4) {
    *value = (double)(float)*value; /* what the server holds, as binary form tells it */
  }
  return reading;
}

tenantdb_status tenantdb_result_double(const tenantdb_result *result, int32_t row, int32_t column,
                                       double *value, tenantdb_error **error) {
  static const words say = {"is not of a type of numbers", "does not fit a double", "does not hold a number"};
  cell at;
  double found = 0;
  tndb_error_reset(error);
  tenantdb_status status = begin(value, result, row, column, &at, error);
  if (!status && at.type != TNDB_TYPE_FLOAT8 && at.type != TNDB_TYPE_FLOAT4 && at.type != TNDB_TYPE_NUMERIC &&
      !is_integer(at.type) && !tndb_type_is_text(at.type)) {
    status = fail(&at, TENANTDB_REASON_WRONG_TYPE, say.wrong_type, error);
  }
  if (!status) {
    status = judge(&at, read_double(&at, &found), &say, error);
  }
  if (value) {
    *value = status ? 0 : found;
  }
  return status;
}

static bool is_word(const cell *at, const char *word) {
  return at->length == strlen(word) && memcmp(at->bytes, word, at->length) == 0;
}

static tndb_reading read_bool(const cell *at, int32_t *value) {
  int64_t byte = 0;
  if (at->binary && at->type == TNDB_TYPE_BOOL) {
    tndb_reading reading = tndb_binary_integer(at->type, at->bytes, at->length, &byte);
    *value = byte != 0;
    return reading;
  }
  *value = is_word(at, "t") || is_word(at, "true");
  return *value || is_word(at, "f") || is_word(at, "false") ? TNDB_READ : TNDB_READ_MALFORMED;
}

tenantdb_status tenantdb_result_bool(const tenantdb_result *result, int32_t row, int32_t column,
                                     int32_t *value, tenantdb_error **error) {
  static const words say = {"is not of type bool", "is not of type bool", "is neither true nor false"};
  cell at;
  int32_t found = 0;
  tndb_error_reset(error);
  tenantdb_status status = begin(value, result, row, column, &at, error);
  if (!status && at.type != TNDB_TYPE_BOOL && !tndb_type_is_text(at.type)) {
    status = fail(&at, TENANTDB_REASON_WRONG_TYPE, say.wrong_type, error);
  }
  if (!status) {
    status = judge(&at, read_bool(&at, &found), &say, error);
  }
  if (value) {
    *value = status ? 0 : found;
  }
  return status;
}

tenantdb_status tenantdb_result_timestamptz(const tenantdb_result *result, int32_t row, int32_t column,
                                            int64_t *value, tenantdb_error **error) {
  static const words say = {"is not of type timestamptz; a timestamp becomes one by AT TIME ZONE",
                            "is later than 64 bits of microseconds can tell",
                            "is not in ISO form with an offset; DateStyle has to be ISO"};
  cell at;
  int64_t found = 0;
  tndb_error_reset(error);
  tenantdb_status status = begin(value, result, row, column, &at, error);
  if (!status && at.type != TNDB_TYPE_TIMESTAMPTZ && !tndb_type_is_text(at.type)) {
    status = fail(&at, TENANTDB_REASON_WRONG_TYPE, say.wrong_type, error);
  }
  if (!status) {
    bool binary = at.binary && at.type == TNDB_TYPE_TIMESTAMPTZ;
    status = judge(&at,
                   binary ? tndb_binary_moment(at.bytes, at.length, &found)
                          : tndb_moment_read(at.bytes, at.length, &found),
                   &say, error);
  }
  if (value) {
    *value = status ? 0 : found;
  }
  return status;
}

/* ---------------------------------------------------------------- bytes */

typedef struct decoded_cell {
  unsigned char *bytes; /* NULL: not asked for yet */
  size_t length;
} decoded_cell;

/* What was decoded stays until the rows go, so that asking twice costs once. */
struct tndb_decoded {
  int32_t rows;
  int32_t columns;
  decoded_cell **cells; /* by column, then by row; NULL for columns not asked for */
};

void tndb_result_forget(tenantdb_result *result) {
  struct tndb_decoded *decoded = result->decoded;
  result->decoded = NULL;
  if (!decoded) {
    return;
  }
  for (int32_t column = 0; decoded->cells && column < decoded->columns; column++) {
    for (int32_t row = 0; decoded->cells[column] && row < decoded->rows; row++) {
      tndb_free(decoded->cells[column][row].bytes);
    }
    tndb_free(decoded->cells[column]);
  }
  tndb_free(decoded->cells);
  tndb_free(decoded);
}

/* The place of what is decoded of a cell; NULL when memory ran out. */
static decoded_cell *place_of(tenantdb_result *result, int32_t row, int32_t column) {
  if (!result->decoded) {
    struct tndb_decoded *decoded = tndb_new(struct tndb_decoded);
    if (!decoded) {
      return NULL;
    }
    decoded->rows = result->rows;
    decoded->columns = result->columns;
    result->decoded = decoded;
  }
  if (!result->decoded->cells) {
    result->decoded->cells = tndb_alloc_array((size_t)result->columns, sizeof(decoded_cell *));
  }
  decoded_cell **cells = result->decoded->cells;
  if (cells && !cells[column]) {
    cells[column] = tndb_alloc_array((size_t)result->rows, sizeof(decoded_cell));
  }
  return cells && cells[column] ? cells[column] + row : NULL;
}

static tndb_reading decode(tenantdb_result *result, const cell *at, const void **data, size_t *length) {
  decoded_cell *place = place_of(result, at->row, at->column);
  if (!place) {
    return TNDB_READ_NO_MEMORY;
  }
  if (!place->bytes) {
    unsigned char *bytes = tndb_alloc(at->length);
    tndb_reading reading =
        bytes ? tndb_bytes_read(at->bytes, at->length, bytes, &place->length) : TNDB_READ_NO_MEMORY;
    if (reading != TNDB_READ) {
      tndb_free(bytes);
      return reading;
    }
    place->bytes = bytes;
  }
  *data = place->bytes;
  *length = place->length;
  return TNDB_READ;
}

static tenantdb_status get_bytes(tenantdb_result *result, const cell *at, const void **data, size_t *length,
                                 tenantdb_error **error) {
  static const words say = {"is not of type bytea", "is not of type bytea",
                            "is not in a form that bytea_output knows"};
  if (at->type != TNDB_TYPE_BYTEA) {
    return fail(at, TENANTDB_REASON_WRONG_TYPE, say.wrong_type, error);
  }
  if (at->binary) {
    *data = at->bytes;
    *length = at->length;
    return TENANTDB_OK;
  }
  return judge(at, decode(result, at, data, length), &say, error);
}

tenantdb_status tenantdb_result_bytea(tenantdb_result *result, int32_t row, int32_t column, const void **data,
                                      size_t *length, tenantdb_error **error) {
  cell at;
  tndb_error_reset(error);
  if (data) {
    *data = NULL;
  }
  if (length) {
    *length = 0;
  }
  if (!data || !length) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       data ? "length" : "data");
  }
  tenantdb_status status = find(result, row, column, &at, error);
  return status ? status : get_bytes(result, &at, data, length, error);
}
