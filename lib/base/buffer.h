/* SPDX-License-Identifier: PostgreSQL */
/*
 * A growing text buffer with a sticky failure: append without checking, ask
 * once at the end. `data` is always NUL-terminated once anything was appended.
 */
#ifndef TNDB_BASE_BUFFER_H
#define TNDB_BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct tndb_buffer {
  char *data;
  size_t length;
  size_t capacity;
  bool failed;
} tndb_buffer;

#define TNDB_BUFFER_INIT \
  { NULL, 0, 0, false }

void tndb_buffer_append(tndb_buffer *buffer, const char *text);
void tndb_buffer_append_n(tndb_buffer *buffer, const char *bytes, size_t length);
void tndb_buffer_append_char(tndb_buffer *buffer, char c);
void tndb_buffer_format(tndb_buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
void tndb_buffer_vformat(tndb_buffer *buffer, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/* Forget the text, keep the room. */
void tndb_buffer_clear(tndb_buffer *buffer);
/* The text so far, "" when nothing was appended. Belongs to the buffer. */
const char *tndb_buffer_text(const tndb_buffer *buffer);
/* Hand the text over (tndb_free) and empty the buffer; NULL when an append had failed. */
char *tndb_buffer_take(tndb_buffer *buffer);
void tndb_buffer_free(tndb_buffer *buffer);
#define tndb_auto_buffer __attribute__((cleanup(tndb_buffer_free))) tndb_buffer

#endif
