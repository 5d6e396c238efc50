/* SPDX-License-Identifier: PostgreSQL */
#include "base/binary.h"

#include <string.h>

#include "base/bytes.h"
#include "base/double.h"
#include "base/integer.h"
#include "base/moment.h"

/* ---------------------------------------------------------------- numbers */

static uint64_t unsigned_of(const char *bytes, size_t length) {
  uint64_t value = 0;
  for (size_t i = 0; i < length; i++) {
    value = value << 8 | (unsigned char)bytes[i];
  }
  return value;
}

/* Two's complement, without a conversion that the compiler may choose. */
static int64_t signed_of(uint64_t value, size_t length) {
  uint64_t sign = (uint64_t)1 << (length * 8 - 1);
  return value & sign ? -(int64_t)((sign - 1) - (value & (sign - 1))) - 1 : (int64_t)value;
}

tndb_reading tndb_binary_signed(const char *bytes, size_t length, size_t wanted, int64_t *value) {
  if (length != wanted) {
    return TNDB_READ_MALFORMED;
  }
  *value = signed_of(unsigned_of(bytes, length), length);
  return TNDB_READ;
}

tndb_reading tndb_binary_integer(uint32_t type, const char *bytes, size_t length, int64_t *value) {
  size_t wanted = type == TNDB_TYPE_BOOL ? 1 : type == TNDB_TYPE_INT2 ? 2 : type == TNDB_TYPE_INT8 ? 8 : 4;
  tndb_reading reading = tndb_binary_signed(bytes, length, wanted, value);
  if (reading == TNDB_READ && type == TNDB_TYPE_OID) {
    *value = (int64_t)unsigned_of(bytes, length);
  }
  return reading;
}

tndb_reading tndb_binary_double(uint32_t type, const char *bytes, size_t length, double *value) {
  if (length != (type == TNDB_TYPE_FLOAT4 ? 4 : 8)) {
    return TNDB_READ_MALFORMED;
  }
  if (type == TNDB_TYPE_FLOAT4) {
    uint32_t bits = (uint32_t)unsigned_of(bytes, 4);
    float narrow;
    memcpy(&narrow, &bits, sizeof narrow);
    *value = (double)narrow;
  } else {
    *value = tndb_double_of_bits(unsigned_of(bytes, 8));
  }
  return TNDB_READ;
}

tndb_reading tndb_binary_moment(const char *bytes, size_t length, int64_t *moment) {
  int64_t since = 0;
  tndb_reading reading = tndb_binary_signed(bytes, length, 8, &since);
  if (reading != TNDB_READ || since == INT64_MAX || since == INT64_MIN) {
    *moment = since;
    return reading;
  }
  if (since >= INT64_MAX - TNDB_MOMENT_EPOCH) {
    return TNDB_READ_OUT_OF_RANGE;
  }
  *moment = since + TNDB_MOMENT_EPOCH;
  return TNDB_READ;
}

void tndb_binary_put(int64_t value, char bytes[8]) {
  uint64_t rest = (uint64_t)value;
  for (size_t i = 8; i-- > 0; rest >>= 8) {
    unsigned char byte = (unsigned char)(rest & 0xFF);
    memcpy(bytes + i, &byte, 1);
  }
}

/* ---------------------------------------------------------------- numeric */

enum { NUMERIC_HEAD = 8, NUMERIC_NEGATIVE = 0x4000, NUMERIC_NAN = 0xC000 };
enum { NUMERIC_INFINITY = 0xD000, NUMERIC_MINUS_INFINITY = 0xF000 };

/* Four decimals, all of them or as many as are wanted. */
static void put_group(tndb_buffer *text, uint64_t group, size_t decimals) {
  char digits[4];
  for (size_t i = 4; i-- > 0; group /= 10) {
    digits[i] = (char)('0' + group % 10);
  }
  tndb_buffer_append_n(text, digits, decimals < 4 ? decimals : 4);
}

/* The group of weight `weight`, 0 where nothing is stored. */
static uint64_t group_at(const char *bytes, int64_t count, int64_t first, int64_t weight) {
  int64_t at = first - weight;
  return at >= 0 && at < count ? unsigned_of(bytes + NUMERIC_HEAD + 2 * at, 2) : 0;
}

static void put_numeric(const char *bytes, int64_t count, int64_t first, size_t decimals, tndb_buffer *text) {
  char whole[TNDB_INT64_TEXT];
  int64_t weight = first > 0 ? first : 0;
  size_t length = tndb_int64_write((int64_t)group_at(bytes, count, first, weight), whole);
  tndb_buffer_append_n(text, whole, length);
  for (weight--; weight >= 0; weight--) {
    put_group(text, group_at(bytes, count, first, weight), 4);
  }
  if (decimals) {
    tndb_buffer_append_char(text, '.');
  }
  for (weight = -1; decimals; weight--) {
    put_group(text, group_at(bytes, count, first, weight), decimals);
    decimals -= decimals < 4 ? decimals : 4;
  }
}

static tndb_reading numeric_text(const char *bytes, size_t length, tndb_buffer *text) {
  if (length < NUMERIC_HEAD || length != NUMERIC_HEAD + 2 * unsigned_of(bytes, 2)) {
    return TNDB_READ_MALFORMED;
  }
  uint64_t sign = unsigned_of(bytes + 4, 2);
  if (sign == NUMERIC_NAN || sign == NUMERIC_INFINITY || sign == NUMERIC_MINUS_INFINITY) {
    tndb_buffer_append(text, sign == NUMERIC_NAN        ? "NaN"
                             : sign == NUMERIC_INFINITY ? "Infinity"
                                                        : "-Infinity");
    return TNDB_READ;
  }
  tndb_buffer_append(text, sign == NUMERIC_NEGATIVE ? "-" : "");
  put_numeric(bytes, (int64_t)unsigned_of(bytes, 2), signed_of(unsigned_of(bytes + 2, 2), 2),
              (size_t)unsigned_of(bytes + 6, 2), text);
  return TNDB_READ;
}

/* ---------------------------------------------------------------- text of any type */

static tndb_reading integer_text(uint32_t type, const char *bytes, size_t length, tndb_buffer *text) {
  char digits[TNDB_INT64_TEXT];
  int64_t value = 0;
  tndb_reading reading = tndb_binary_integer(type, bytes, length, &value);
  if (reading != TNDB_READ) {
    return reading;
  }
  if (type == TNDB_TYPE_BOOL) {
    tndb_buffer_append(text, value ? "t" : "f");
  } else {
    tndb_buffer_append_n(text, digits, tndb_int64_write(value, digits));
  }
  return TNDB_READ;
}

static tndb_reading double_text(uint32_t type, const char *bytes, size_t length, tndb_buffer *text) {
  char digits[TNDB_DOUBLE_TEXT];
  double value = 0;
  tndb_reading reading = tndb_binary_double(type, bytes, length, &value);
  if (reading == TNDB_READ) {
    tndb_buffer_append_n(
        text, digits,
        type == TNDB_TYPE_FLOAT4 ? tndb_float_write((float)value, digits) : tndb_double_write(value, digits));
  }
  return reading;
}

static tndb_reading moment_text(const char *bytes, size_t length, tndb_buffer *text) {
  char written[TNDB_MOMENT_TEXT];
  int64_t moment = 0;
  tndb_reading reading = tndb_binary_moment(bytes, length, &moment);
  if (reading == TNDB_READ) {
    tndb_buffer_append_n(text, written, tndb_moment_write(moment, written));
  }
  return reading;
}

static tndb_reading jsonb_text(const char *bytes, size_t length, tndb_buffer *text) {
  if (length < 1 || bytes[0] != 1) { /* the version of the form */
    return TNDB_READ_MALFORMED;
  }
  tndb_buffer_append_n(text, bytes + 1, length - 1);
  return TNDB_READ;
}

static tndb_reading uuid_text(const char *bytes, size_t length, tndb_buffer *text) {
  static const char digits[] = "0123456789abcdef";
  if (length != 16) {
    return TNDB_READ_MALFORMED;
  }
  for (size_t i = 0; i < length; i++) {
    if (i == 4 || i == 6 || i == 8 || i == 10) {
      tndb_buffer_append_char(text, '-');
    }
    tndb_buffer_append_char(text, digits[(unsigned char)bytes[i] >> 4]);
    tndb_buffer_append_char(text, digits[(unsigned char)bytes[i] & 0x0F]);
  }
  return TNDB_READ;
}

tndb_reading tndb_binary_text(uint32_t type, const char *bytes, size_t length, tndb_buffer *text) {
  tndb_reading reading = TNDB_READ;
  switch (type) {
    case TNDB_TYPE_BOOL:
    case TNDB_TYPE_INT2:
    case TNDB_TYPE_INT4:
    case TNDB_TYPE_INT8:
    case TNDB_TYPE_OID:
      reading = integer_text(type, bytes, length, text);
      break;
    case TNDB_TYPE_FLOAT4:
    case TNDB_TYPE_FLOAT8:
      reading = double_text(type, bytes, length, text);
      break;
    case TNDB_TYPE_NUMERIC:
      reading = numeric_text(bytes, length, text);
      break;
    case TNDB_TYPE_TIMESTAMPTZ:
      reading = moment_text(bytes, length, text);
      break;
    case TNDB_TYPE_JSONB:
      reading = jsonb_text(bytes, length, text);
      break;
    case TNDB_TYPE_UUID:
      reading = uuid_text(bytes, length, text);
      break;
    default:
      if (tndb_type_is_text(type) || type == TNDB_TYPE_JSON) {
        tndb_buffer_append_n(text, bytes, length);
      } else {
        tndb_bytes_write(text, bytes, length);
      }
      break;
  }
  return reading != TNDB_READ ? reading : text->failed ? TNDB_READ_NO_MEMORY : TNDB_READ;
}
