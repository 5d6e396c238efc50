/* SPDX-License-Identifier: PostgreSQL */
/* Single values. Each carries the OID of its type, so that the server need not find it out. */
#include <string.h>

#include "base/binary.h"
#include "base/double.h"
#include "base/integer.h"
#include "base/moment.h"
#include "base/random.h"
#include "base/types.h"
#include "base/utf8.h"
#include "statement/params.h"
#include "statement/params_check.h"

void tenantdb_params_null(tenantdb_params *params) {
  tndb_params_append(params, 0, NULL);
}

void tenantdb_params_text(tenantdb_params *params, const char *value) {
  tndb_params_append(params, 0, value);
}

void tenantdb_params_typed(tenantdb_params *params, uint32_t type, const char *value) {
  tndb_params_append(params, type, value);
}

void tenantdb_params_bool(tenantdb_params *params, int32_t value) {
  tndb_params_append(params, TNDB_TYPE_BOOL, value ? "t" : "f");
}

void tenantdb_params_int32(tenantdb_params *params, int32_t value) {
  char text[TNDB_INT64_TEXT];
  (void)tndb_int64_write(value, text);
  tndb_params_append(params, TNDB_TYPE_INT4, text);
}

void tenantdb_params_int64(tenantdb_params *params, int64_t value) {
  char text[TNDB_INT64_TEXT];
  (void)tndb_int64_write(value, text);
  tndb_params_append(params, TNDB_TYPE_INT8, text);
}

void tenantdb_params_double(tenantdb_params *params, double value) {
  char text[TNDB_DOUBLE_TEXT];
  (void)tndb_double_write(value, text);
  tndb_params_append(params, TNDB_TYPE_FLOAT8, text);
}

void tenantdb_params_bytea(tenantdb_params *params, const void *data, size_t length) {
  if (!data && length > 0) {
    tndb_params_refuse(params, TENANTDB_REASON_NULL_ARGUMENT, "has a length, but its data is NULL");
    return;
  }
  tndb_buffer *bytes = data ? tndb_params_begin(params) : NULL;
  if (bytes) {
    tndb_buffer_append_n(bytes, data, length);
    tndb_params_end(params, TNDB_TYPE_BYTEA, 1);
  } else if (!data) {
    tndb_params_append(params, TNDB_TYPE_BYTEA, NULL);
  }
}

/* Binary, because the text would be read by the server's DateStyle. */
void tenantdb_params_timestamptz(tenantdb_params *params, int64_t microseconds) {
  char bytes[8];
  bool finite = microseconds != INT64_MIN && microseconds != INT64_MAX;
  if (finite && microseconds < TNDB_MOMENT_FIRST) {
    tndb_params_refuse(params, TENANTDB_REASON_BAD_PARAMETER, tndb_too_early);
    return;
  }
  tndb_buffer *buffer = tndb_params_begin(params);
  if (buffer) {
    tndb_binary_put(finite ? microseconds - TNDB_MOMENT_EPOCH : microseconds, bytes);
    tndb_buffer_append_n(buffer, bytes, sizeof bytes);
    tndb_params_end(params, TNDB_TYPE_TIMESTAMPTZ, 1);
  }
}

/* ---------------------------------------------------------------- text that is checked */

const char tndb_too_early[] = "is earlier than 4713 BC, where PostgreSQL's time begins";

const char *tndb_uuid_fault(const char *text) {
  return tndb_uuid_parse(text, NULL) ? NULL
                                     : "is not a uuid of the form 00000000-0000-0000-0000-000000000000";
}

static size_t digits(const char *text) {
  size_t count = 0;
  while (text[count] >= '0' && text[count] <= '9') {
    count++;
  }
  return count;
}

static bool is_word(const char *text, const char *word) {
  while (*text && (*text | 0x20) == *word) {
    text++;
    word++;
  }
  return !*text && !*word;
}

static bool is_decimal(const char *text) {
  size_t whole = digits(text);
  text += whole;
  size_t decimals = *text == '.' ? digits(text + 1) : 0;
  text += *text == '.' ? decimals + 1 : 0;
  if (whole + decimals == 0) {
    return false;
  }
  if (*text == 'e' || *text == 'E') {
    text += text[1] == '-' || text[1] == '+' ? 2 : 1;
    size_t exponent = digits(text);
    text += exponent;
    if (exponent == 0) {
      return false;
    }
  }
  return *text == '\0';
}

const char *tndb_numeric_fault(const char *text) {
  const char *magnitude = text[0] == '-' || text[0] == '+' ? text + 1 : text;
  bool good = is_decimal(magnitude) || is_word(text, "nan") || is_word(magnitude, "infinity") ||
              is_word(magnitude, "inf");
  return good ? NULL : "is not a number of the form -12.5 or 1e6, NaN or Infinity";
}

static const char *json_fault(const char *text) {
  return tndb_utf8_valid(text, strlen(text), NULL) ? NULL : "is not valid UTF-8";
}

static void append_checked(tenantdb_params *params, uint32_t type, const char *text,
                           const char *(*fault_of)(const char *text)) {
  const char *fault = text ? fault_of(text) : NULL;
  if (fault) {
    tndb_params_refuse(params, TENANTDB_REASON_BAD_PARAMETER, fault);
  } else {
    tndb_params_append(params, type, text);
  }
}

void tenantdb_params_uuid(tenantdb_params *params, const char *value) {
  append_checked(params, TNDB_TYPE_UUID, value, tndb_uuid_fault);
}

void tenantdb_params_numeric(tenantdb_params *params, const char *value) {
  append_checked(params, TNDB_TYPE_NUMERIC, value, tndb_numeric_fault);
}

void tenantdb_params_json(tenantdb_params *params, const char *value) {
  append_checked(params, TNDB_TYPE_JSON, value, json_fault);
}

void tenantdb_params_jsonb(tenantdb_params *params, const char *value) {
  append_checked(params, TNDB_TYPE_JSONB, value, json_fault);
}
