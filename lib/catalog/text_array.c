/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/text_array.h"

void tndb_text_array_add(tndb_text_array *array, const char *item) {
  tndb_buffer_append(&array->text, array->count++ ? ",\"" : "{\"");
  for (; *item; item++) {
    if (*item == '"' || *item == '\\') {
      tndb_buffer_append_char(&array->text, '\\');
    }
    tndb_buffer_append_char(&array->text, *item);
  }
  tndb_buffer_append_char(&array->text, '"');
}

void tndb_text_array_add_buffer(tndb_text_array *array, const tndb_buffer *item) {
  tndb_text_array_add(array, tndb_buffer_text(item));
  array->text.failed = array->text.failed || item->failed;
}

const char *tndb_text_array_finish(tndb_text_array *array) {
  tndb_buffer_append(&array->text, array->count ? "}" : "{}");
  return array->text.failed ? NULL : tndb_buffer_text(&array->text);
}

void tndb_text_array_free(tndb_text_array *array) {
  tndb_buffer_free(&array->text);
  array->count = 0;
}
