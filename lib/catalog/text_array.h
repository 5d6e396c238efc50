/* SPDX-License-Identifier: PostgreSQL */
/* PostgreSQL's text form of an array of texts: "{"a","b"}". */
#ifndef TNDB_CATALOG_TEXT_ARRAY_H
#define TNDB_CATALOG_TEXT_ARRAY_H

#include "base/buffer.h"

typedef struct tndb_text_array {
  tndb_buffer text;
  size_t count;
} tndb_text_array;

#define TNDB_TEXT_ARRAY_INIT \
  { TNDB_BUFFER_INIT, 0 }

void tndb_text_array_add(tndb_text_array *array, const char *item);
/* An item that was composed; its failure becomes the array's. */
void tndb_text_array_add_buffer(tndb_text_array *array, const tndb_buffer *item);
/* The finished form; nothing may be added afterwards. NULL when memory ran out. */
const char *tndb_text_array_finish(tndb_text_array *array);
void tndb_text_array_free(tndb_text_array *array);
#define tndb_auto_text_array __attribute__((cleanup(tndb_text_array_free))) tndb_text_array

#endif
