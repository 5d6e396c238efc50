/* SPDX-License-Identifier: PostgreSQL */
#include "base/buffer.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"

static bool reserve(tndb_buffer *buffer, size_t more) {
  if (buffer->failed) {
    return false;
  }
  if (more > SIZE_MAX / 2 - buffer->length - 1) {
    buffer->failed = true;
    return false;
  }
  size_t needed = buffer->length + more + 1;
  if (needed <= buffer->capacity) {
    return true;
  }
  size_t capacity = buffer->capacity ? buffer->capacity : 64;
  while (capacity < needed) {
    capacity *= 2;
  }
  char *data = tndb_realloc(buffer->data, capacity);
  if (!data) {
    buffer->failed = true;
    return false;
  }
  buffer->data = data;
  buffer->capacity = capacity;
  return true;
}

void tndb_buffer_append_n(tndb_buffer *buffer, const char *bytes, size_t length) {
  if (reserve(buffer, length)) {
    if (length) {
      memcpy(buffer->data + buffer->length, bytes, length);
    }
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
  }
}

void tndb_buffer_append(tndb_buffer *buffer, const char *text) {
  tndb_buffer_append_n(buffer, text, strlen(text));
}

void tndb_buffer_append_char(tndb_buffer *buffer, char c) {
  tndb_buffer_append_n(buffer, &c, 1);
}

void tndb_buffer_vformat(tndb_buffer *buffer, const char *format, va_list arguments) {
  va_list again;
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  if (length < 0) {
    buffer->failed = true;
  } else if (reserve(buffer, (size_t)length)) {
    vsnprintf(buffer->data + buffer->length, (size_t)length + 1, format, again);
    buffer->length += (size_t)length;
  }
  va_end(again);
}

void tndb_buffer_format(tndb_buffer *buffer, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  tndb_buffer_vformat(buffer, format, arguments);
  va_end(arguments);
}

void tndb_buffer_clear(tndb_buffer *buffer) {
  buffer->length = 0;
  buffer->failed = false;
  if (buffer->data) {
    buffer->data[0] = '\0';
  }
}

const char *tndb_buffer_text(const tndb_buffer *buffer) {
  return buffer->data ? buffer->data : "";
}

char *tndb_buffer_take(tndb_buffer *buffer) {
  char *data = NULL;
  if (!buffer->failed) {
    data = buffer->data ? buffer->data : tndb_strdup("");
    buffer->data = NULL;
  }
  tndb_buffer_free(buffer);
  return data;
}

void tndb_buffer_free(tndb_buffer *buffer) {
  tndb_free(buffer->data);
  *buffer = (tndb_buffer)TNDB_BUFFER_INIT;
}
