/* SPDX-License-Identifier: PostgreSQL */
/*
 * Arrays, as PostgreSQL writes them: {1,NULL,"three"}. They are written
 * straight into the list, so that what has once been given room takes no more.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/double.h"
#include "base/integer.h"
#include "base/moment.h"
#include "base/types.h"
#include "statement/params.h"
#include "statement/params_check.h"

typedef struct array {
  tenantdb_params *params;
  tndb_buffer *text; /* NULL: the list takes no more */
  uint32_t type;
  int32_t count;
  const int32_t *nulls;
} array;

/* Whether there is something to be written. */
static bool begin(array *a, tenantdb_params *params, uint32_t type, int32_t count, const void *values) {
  *a = (array){params, NULL, type, count, NULL};
  if (count < 0) {
    tndb_params_refuse(params, TENANTDB_REASON_BAD_ARGUMENT, "is an array of less than 0 values");
  } else if (count > 0 && !values) {
    tndb_params_refuse(params, TENANTDB_REASON_NULL_ARGUMENT, "has a number of values, but values is NULL");
  } else {
    a->text = tndb_params_begin(params);
  }
  if (a->text) {
    tndb_buffer_append_char(a->text, '{');
  }
  return a->text != NULL;
}

/* What comes before the value at that place; false when that is all, since the value is NULL. */
static bool next(const array *a, int32_t at, bool null) {
  if (at > 0) {
    tndb_buffer_append_char(a->text, ',');
  }
  if (null || (a->nulls && a->nulls[at])) {
    tndb_buffer_append_n(a->text, "NULL", 4);
    return false;
  }
  return true;
}

static void end(const array *a) {
  tndb_buffer_append_char(a->text, '}');
  tndb_params_end(a->params, a->type, 0);
}

/* ---------------------------------------------------------------- text */

static void put_quoted(tndb_buffer *text, const char *value) {
  tndb_buffer_append_char(text, '"');
  for (;;) {
    size_t plain = strcspn(value, "\"\\");
    tndb_buffer_append_n(text, value, plain);
    value += plain;
    if (!*value) {
      break;
    }
    tndb_buffer_append_char(text, '\\');
    tndb_buffer_append_char(text, *value++);
  }
  tndb_buffer_append_char(text, '"');
}

void tenantdb_params_array_text(tenantdb_params *params, int32_t n, const char *const *values) {
  array a;
  if (begin(&a, params, TNDB_TYPE_TEXT_ARRAY, n, values)) {
    for (int32_t i = 0; i < n; i++) {
      if (next(&a, i, !values[i])) {
        put_quoted(a.text, values[i]);
      }
    }
    end(&a);
  }
}

static void put_checked(tenantdb_params *params, uint32_t type, int32_t n, const char *const *values,
                        const char *(*fault_of)(const char *text)) {
  array a;
  if (!begin(&a, params, type, n, values)) {
    return;
  }
  for (int32_t i = 0; i < n; i++) {
    if (next(&a, i, !values[i])) {
      const char *fault = fault_of(values[i]);
      if (fault) {
        tndb_params_refuse_value(params, i, fault);
        break;
      }
      tndb_buffer_append(a.text, values[i]);
    }
  }
  end(&a);
}

void tenantdb_params_array_uuid(tenantdb_params *params, int32_t n, const char *const *values) {
  put_checked(params, TNDB_TYPE_UUID_ARRAY, n, values, tndb_uuid_fault);
}

void tenantdb_params_array_numeric(tenantdb_params *params, int32_t n, const char *const *values) {
  put_checked(params, TNDB_TYPE_NUMERIC_ARRAY, n, values, tndb_numeric_fault);
}

/* ---------------------------------------------------------------- numbers, truth */

static void put_integer(tndb_buffer *text, int64_t value) {
  char digits[TNDB_INT64_TEXT];
  tndb_buffer_append_n(text, digits, tndb_int64_write(value, digits));
}

void tenantdb_params_array_bool(tenantdb_params *params, int32_t n, const int32_t *values,
                                const int32_t *nulls) {
  array a;
  if (begin(&a, params, TNDB_TYPE_BOOL_ARRAY, n, values)) {
    a.nulls = nulls;
    for (int32_t i = 0; i < n; i++) {
      if (next(&a, i, false)) {
        tndb_buffer_append_char(a.text, values[i] ? 't' : 'f');
      }
    }
    end(&a);
  }
}

void tenantdb_params_array_int32(tenantdb_params *params, int32_t n, const int32_t *values,
                                 const int32_t *nulls) {
  array a;
  if (begin(&a, params, TNDB_TYPE_INT4_ARRAY, n, values)) {
    a.nulls = nulls;
    for (int32_t i = 0; i < n; i++) {
      if (next(&a, i, false)) {
        put_integer(a.text, values[i]);
      }
    }
    end(&a);
  }
}

void tenantdb_params_array_int64(tenantdb_params *params, int32_t n, const int64_t *values,
                                 const int32_t *nulls) {
  array a;
  if (begin(&a, params, TNDB_TYPE_INT8_ARRAY, n, values)) {
    a.nulls = nulls;
    for (int32_t i = 0; i < n; i++) {
      if (next(&a, i, false)) {
        put_integer(a.text, values[i]);
      }
    }
    end(&a);
  }
}

void tenantdb_params_array_double(tenantdb_params *params, int32_t n, const double *values,
                                  const int32_t *nulls) {
  char text[TNDB_DOUBLE_TEXT];
  array a;
  if (begin(&a, params, TNDB_TYPE_FLOAT8_ARRAY, n, values)) {
    a.nulls = nulls;
    for (int32_t i = 0; i < n; i++) {
      if (next(&a, i, false)) {
        tndb_buffer_append_n(a.text, text, tndb_double_write(values[i], text));
      }
    }
    end(&a);
  }
}

/* ---------------------------------------------------------------- moments, bytes */

void tenantdb_params_array_timestamptz(tenantdb_params *params, int32_t n, const int64_t *values,
                                       const int32_t *nulls) {
  char text[TNDB_MOMENT_TEXT];
  array a;
  if (!begin(&a, params, TNDB_TYPE_TIMESTAMPTZ_ARRAY, n, values)) {
    return;
  }
  a.nulls = nulls;
  for (int32_t i = 0; i < n; i++) {
    if (next(&a, i, false)) {
      if (values[i] < TNDB_MOMENT_FIRST && values[i] != INT64_MIN) {
        tndb_params_refuse_value(params, i, tndb_too_early);
        break;
      }
      tndb_buffer_append_char(a.text, '"');
      tndb_buffer_append_n(a.text, text, tndb_moment_write(values[i], text));
      tndb_buffer_append_char(a.text, '"');
    }
  }
  end(&a);
}

void tenantdb_params_array_bytea(tenantdb_params *params, int32_t n, const void *const *values,
                                 const size_t *lengths) {
  array a;
  if (n > 0 && values && !lengths) {
    tndb_params_refuse(params, TENANTDB_REASON_NULL_ARGUMENT, "is an array of bytea, but lengths is NULL");
  } else if (begin(&a, params, TNDB_TYPE_BYTEA_ARRAY, n, values)) {
    for (int32_t i = 0; i < n; i++) {
      if (next(&a, i, !values[i])) {
        /* A backslash is doubled inside an array. */
        tndb_buffer_append_n(a.text, "\\", 1);
        tndb_bytes_write(a.text, values[i], lengths[i]);
      }
    }
    end(&a);
  }
}
