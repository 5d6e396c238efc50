/* SPDX-License-Identifier: PostgreSQL */
/* OIDs of built-in types, which never change (pg_type.dat), and what reading a value may come to. */
#ifndef TNDB_BASE_TYPES_H
#define TNDB_BASE_TYPES_H

#include <stdbool.h>
#include <stdint.h>

enum {
  TNDB_TYPE_BOOL = 16,
  TNDB_TYPE_BYTEA = 17,
  TNDB_TYPE_NAME = 19,
  TNDB_TYPE_INT8 = 20,
  TNDB_TYPE_INT2 = 21,
  TNDB_TYPE_INT4 = 23,
  TNDB_TYPE_TEXT = 25,
  TNDB_TYPE_OID = 26,
  TNDB_TYPE_JSON = 114,
  TNDB_TYPE_FLOAT4 = 700,
  TNDB_TYPE_FLOAT8 = 701,
  TNDB_TYPE_UNKNOWN = 705,
  TNDB_TYPE_BOOL_ARRAY = 1000,
  TNDB_TYPE_BYTEA_ARRAY = 1001,
  TNDB_TYPE_INT4_ARRAY = 1007,
  TNDB_TYPE_TEXT_ARRAY = 1009,
  TNDB_TYPE_INT8_ARRAY = 1016,
  TNDB_TYPE_FLOAT8_ARRAY = 1022,
  TNDB_TYPE_BPCHAR = 1042,
  TNDB_TYPE_VARCHAR = 1043,
  TNDB_TYPE_TIMESTAMPTZ = 1184,
  TNDB_TYPE_TIMESTAMPTZ_ARRAY = 1185,
  TNDB_TYPE_NUMERIC_ARRAY = 1231,
  TNDB_TYPE_NUMERIC = 1700,
  TNDB_TYPE_UUID = 2950,
  TNDB_TYPE_UUID_ARRAY = 2951,
  TNDB_TYPE_JSONB = 3802
};

/* What came of reading a value. */
typedef enum tndb_reading {
  TNDB_READ,
  TNDB_READ_MALFORMED,
  TNDB_READ_OUT_OF_RANGE,
  TNDB_READ_NO_MEMORY
} tndb_reading;

/* text, varchar, name …: what holds text in any form. */
bool tndb_type_is_text(uint32_t type);

#endif
