/* SPDX-License-Identifier: PostgreSQL */
/* Cells in the server's binary form: numbers with their highest byte first. */
#ifndef TNDB_BASE_BINARY_H
#define TNDB_BASE_BINARY_H

#include "base/buffer.h"
#include "base/types.h"

/* A number of 1, 2, 4 or 8 bytes with its sign; malformed when there are not that many bytes. */
tndb_reading tndb_binary_signed(const char *bytes, size_t length, size_t wanted, int64_t *value);
/* bool, int2, int4, int8, oid. */
tndb_reading tndb_binary_integer(uint32_t type, const char *bytes, size_t length, int64_t *value);
/* float4, float8. */
tndb_reading tndb_binary_double(uint32_t type, const char *bytes, size_t length, double *value);
tndb_reading tndb_binary_moment(const char *bytes, size_t length, int64_t *moment);
/* 8 bytes, highest first. */
void tndb_binary_put(int64_t value, char bytes[8]);
/* What the text form would be, in UTC where that matters; of unknown types the bytes in hex. */
tndb_reading tndb_binary_text(uint32_t type, const char *bytes, size_t length, tndb_buffer *text);

#endif
