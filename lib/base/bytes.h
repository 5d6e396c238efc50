/* SPDX-License-Identifier: PostgreSQL */
/* Bytes as the text of a bytea and back. */
#ifndef TNDB_BASE_BYTES_H
#define TNDB_BASE_BYTES_H

#include "base/buffer.h"
#include "base/types.h"

/* The hex form: \x and two digits for each byte. */
void tndb_bytes_write(tndb_buffer *buffer, const void *bytes, size_t length);
/* Both forms that bytea_output knows. `bytes` has room for `length`, which is enough for what comes out. */
tndb_reading tndb_bytes_read(const char *text, size_t length, unsigned char *bytes, size_t *n_bytes);

#endif
