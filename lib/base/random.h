/* SPDX-License-Identifier: PostgreSQL */
/* Random bytes from the operating system, and identifiers made of them. */
#ifndef TNDB_BASE_RANDOM_H
#define TNDB_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>

#define TNDB_UUID_TEXT 37

/* False when the system gives none. */
bool tndb_random_bytes(void *bytes, size_t length);
/* A version 4 UUID as text with its NUL. */
bool tndb_uuid_new(char text[TNDB_UUID_TEXT]);
/* Whether text is a UUID in the usual form; writes it in lower case when `out` is given. */
bool tndb_uuid_parse(const char *text, char out[TNDB_UUID_TEXT]);

#endif
