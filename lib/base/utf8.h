/* SPDX-License-Identifier: PostgreSQL */
/* UTF-8 as PostgreSQL understands it: no overlong forms, no surrogates, at most U+10FFFF. */
#ifndef TNDB_BASE_UTF8_H
#define TNDB_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Decode the character at `bytes`: its length in bytes (1 to 4), 0 when it is
 * not valid within `length` bytes. `code` may be NULL.
 */
size_t tndb_utf8_decode(const char *bytes, size_t length, uint32_t *code);
/* Whether all of it is valid; `at` (may be NULL) receives the offset of the first bad byte. */
bool tndb_utf8_valid(const char *bytes, size_t length, size_t *at);

#endif
