/* SPDX-License-Identifier: PostgreSQL */
/* Writing JSON strings; objects and arrays are written by whoever knows their shape. */
#ifndef TNDB_BASE_JSON_H
#define TNDB_BASE_JSON_H

#include "base/buffer.h"

/* A JSON string with its quotes. Invalid UTF-8 becomes U+FFFD. */
void tndb_json_string(tndb_buffer *buffer, const char *text, size_t length);
/* Whether the text is a number as JSON allows it (so not NaN, Infinity, 007). */
bool tndb_json_is_number(const char *text, size_t length);

#endif
