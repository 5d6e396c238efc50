/* SPDX-License-Identifier: PostgreSQL */
/* Whole numbers as text and back, whatever the process's locale. */
#ifndef TNDB_BASE_INTEGER_H
#define TNDB_BASE_INTEGER_H

#include <stddef.h>

#include "base/types.h"

#define TNDB_INT64_TEXT 21

/* Returns the length; the text ends with NUL. */
size_t tndb_int64_write(int64_t value, char text[TNDB_INT64_TEXT]);
/*
 * Digits, a sign before them; nothing else, except that decimals may follow
 * when all are 0, as in a numeric.
 */
tndb_reading tndb_int64_read(const char *text, size_t length, int64_t *value);

#endif
