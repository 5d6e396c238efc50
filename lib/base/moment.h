/* SPDX-License-Identifier: PostgreSQL */
/*
 * Moments: microseconds since 1970-01-01 00:00 UTC, INT64_MIN and INT64_MAX for
 * the infinities, and as text in the ISO form of PostgreSQL.
 */
#ifndef TNDB_BASE_MOMENT_H
#define TNDB_BASE_MOMENT_H

#include <stddef.h>

#include "base/types.h"

#define TNDB_MOMENT_TEXT 48
/* 4713 BC, the earliest that PostgreSQL knows. The latest it knows is later than can be told here. */
#define TNDB_MOMENT_FIRST (-INT64_C(210866803200000000))
/* 2000-01-01, from which PostgreSQL counts. */
#define TNDB_MOMENT_EPOCH INT64_C(946684800000000)

/* In UTC. Returns the length; the text ends with NUL. */
size_t tndb_moment_write(int64_t moment, char text[TNDB_MOMENT_TEXT]);
/* "2024-02-29 13:00:00.5+01", also with T and Z, "infinity" and "-infinity". */
tndb_reading tndb_moment_read(const char *text, size_t length, int64_t *moment);

#endif
