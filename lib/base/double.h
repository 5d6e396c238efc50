/* SPDX-License-Identifier: PostgreSQL */
/*
 * Doubles as text and back. Both ways are exact: what is read is the double
 * nearest to the decimal, and what is written is the shortest decimal that is
 * read as the same double. strtod() and printf() are of no use here, since
 * they follow the decimal point of the locale that the application chose.
 */
#ifndef TNDB_BASE_DOUBLE_H
#define TNDB_BASE_DOUBLE_H

#include <stddef.h>

#include "base/types.h"

#define TNDB_DOUBLE_TEXT 32

/* Returns the length; the text ends with NUL. "NaN", "Infinity" and "-Infinity" as PostgreSQL has them. */
size_t tndb_double_write(double value, char text[TNDB_DOUBLE_TEXT]);
/* The shortest decimal that is read as the same float. */
size_t tndb_float_write(float value, char text[TNDB_DOUBLE_TEXT]);
/* As float8 is read: out of range is also what is not 0 and nearer to 0 than any double. */
tndb_reading tndb_double_read(const char *text, size_t length, double *value);
/* The double of a bit pattern (IEEE 754). */
double tndb_double_of_bits(uint64_t bits);

#endif
