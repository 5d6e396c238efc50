/* SPDX-License-Identifier: PostgreSQL */
/*
 * All values stand behind each other in one buffer that keeps its room over
 * clear(), so that a list used for many queries allocates for the first ones
 * only; what a few values need besides lies in the list itself. When the buffer
 * moves while it grows, all pointers are set anew.
 */
#include "statement/params.h"

#include <limits.h>
#include <string.h>

#include "base/memory.h"

#define NOTHING SIZE_MAX
#define NO_ENTRY (-1)

enum { FIRST = 8 };

/* One array for each thing the protocol wants, in one block. */
typedef struct slots {
  size_t *offsets; /* NOTHING for SQL NULL */
  const char **values;
  int *lengths;
  int *formats;
  uint32_t *types;
} slots;

struct tenantdb_params {
  tndb_buffer bytes;
  size_t capacity; /* of the buffer when the values were last pointed to */
  size_t start;    /* of the value that is being written */
  slots at;
  void *block; /* that the slots lie in; NULL while the first ones do */
  size_t count;
  size_t room;
  bool any_type;
  bool any_binary;
  tenantdb_status mistake;
  int32_t reason;
  int32_t entry; /* of an array */
  const char *why;
  size_t first_offsets[FIRST];
  const char *first_values[FIRST];
  int first_lengths[FIRST];
  int first_formats[FIRST];
  uint32_t first_types[FIRST];
};

tenantdb_params *tenantdb_params_new(void) {
  tenantdb_params *params = tndb_new(tenantdb_params);
  if (params) {
    params->at = (slots){params->first_offsets, params->first_values, params->first_lengths,
                         params->first_formats, params->first_types};
    params->room = FIRST;
  }
  return params;
}

void tenantdb_params_free(tenantdb_params *params) {
  if (params) {
    tndb_buffer_free(&params->bytes);
    tndb_free(params->block);
    tndb_free(params);
  }
}

void tenantdb_params_clear(tenantdb_params *params) {
  if (params) {
    tndb_buffer_clear(&params->bytes);
    params->count = 0;
    params->any_type = false;
    params->any_binary = false;
    params->mistake = TENANTDB_OK;
  }
}

/* ---------------------------------------------------------------- mistakes */

static const char too_many[] = "";

static void keep(tenantdb_params *params, int32_t reason, int32_t entry, const char *why) {
  if (params && params->mistake == TENANTDB_OK) {
    params->mistake = reason == TENANTDB_REASON_OUT_OF_MEMORY ? TENANTDB_MEMORY : TENANTDB_ARGUMENT;
    params->reason = reason;
    params->entry = entry;
    params->why = why;
  }
}

void tndb_params_refuse(tenantdb_params *params, int32_t reason, const char *why) {
  keep(params, reason, NO_ENTRY, why);
}

void tndb_params_refuse_value(tenantdb_params *params, int32_t at, const char *why) {
  keep(params, TENANTDB_REASON_BAD_PARAMETER, at, why);
}

tenantdb_status tndb_params_mistake(const tenantdb_params *params, tenantdb_error **error) {
  if (!params || params->mistake == TENANTDB_OK) {
    return TENANTDB_OK;
  }
  if (params->mistake == TENANTDB_MEMORY) {
    return tndb_no_memory(error);
  }
  if (params->why == too_many) {
    return tndb_origin(error, params->mistake, params->reason, "a query takes at most %d parameters",
                       TNDB_PARAMS_MOST);
  }
  size_t number = params->count + 1;
  if (params->entry == NO_ENTRY) {
    return tndb_origin(error, params->mistake, params->reason, "parameter %zu %s", number, params->why);
  }
  return tndb_origin(error, params->mistake, params->reason, "parameter %zu, values[%d] %s", number,
                     (int)params->entry, params->why);
}

/* ---------------------------------------------------------------- appending */

/* The wider members come first, so that each array is aligned for its own. */
static bool grow(tenantdb_params *params) {
  size_t room = params->room * 2;
  size_t width = sizeof(size_t) + sizeof(char *) + 2 * sizeof(int) + sizeof(uint32_t);
  void *block = tndb_alloc_array(room, width);
  if (!block) {
    return false;
  }
  slots old = params->at;
  slots at;
  at.offsets = block;
  at.values = (const char **)(void *)(at.offsets + room);
  at.lengths = (int *)(void *)(at.values + room);
  at.formats = at.lengths + room;
  at.types = (uint32_t *)(void *)(at.formats + room);
  memcpy(at.offsets, old.offsets, params->count * sizeof *at.offsets);
  memcpy(at.values, old.values, params->count * sizeof *at.values);
  memcpy(at.lengths, old.lengths, params->count * sizeof *at.lengths);
  memcpy(at.formats, old.formats, params->count * sizeof *at.formats);
  memcpy(at.types, old.types, params->count * sizeof *at.types);
  tndb_free(params->block);
  params->block = block;
  params->at = at;
  params->room = room;
  return true;
}

tndb_buffer *tndb_params_begin(tenantdb_params *params) {
  if (!params || params->mistake != TENANTDB_OK) {
    return NULL;
  }
  if (params->count == TNDB_PARAMS_MOST) {
    keep(params, TENANTDB_REASON_BAD_ARGUMENT, NO_ENTRY, too_many);
    return NULL;
  }
  params->start = params->bytes.length;
  return &params->bytes;
}

static void add(tenantdb_params *params, uint32_t type, int format, size_t offset, size_t length) {
  if (params->count == params->room && !grow(params)) {
    keep(params, TENANTDB_REASON_OUT_OF_MEMORY, NO_ENTRY, NULL);
    return;
  }
  size_t at = params->count++;
  params->at.offsets[at] = offset;
  params->at.values[at] = offset == NOTHING ? NULL : params->bytes.data + offset;
  params->at.lengths[at] = (int)length;
  params->at.formats[at] = format;
  params->at.types[at] = type;
  params->any_type = params->any_type || type != 0;
  params->any_binary = params->any_binary || format != 0;
}

/* The buffer moves only when it gets more room. */
static void point(tenantdb_params *params) {
  if (params->capacity == params->bytes.capacity) {
    return;
  }
  params->capacity = params->bytes.capacity;
  for (size_t i = 0; i < params->count; i++) {
    size_t offset = params->at.offsets[i];
    params->at.values[i] = offset == NOTHING ? NULL : params->bytes.data + offset;
  }
}

void tndb_params_end(tenantdb_params *params, uint32_t type, int format) {
  if (params->mistake != TENANTDB_OK) {
    return;
  }
  size_t length = params->bytes.length - params->start;
  tndb_buffer_append_n(&params->bytes, "", 1);
  if (params->bytes.failed) {
    keep(params, TENANTDB_REASON_OUT_OF_MEMORY, NO_ENTRY, NULL);
  } else if (length > INT_MAX) {
    keep(params, TENANTDB_REASON_BAD_ARGUMENT, NO_ENTRY, "has more than 2147483647 bytes");
  } else {
    point(params);
    add(params, type, format, params->start, length);
  }
}

void tndb_params_append(tenantdb_params *params, uint32_t type, const char *text) {
  tndb_buffer *bytes = tndb_params_begin(params);
  if (bytes && !text) {
    add(params, type, 0, NOTHING, 0);
  } else if (bytes) {
    tndb_buffer_append(bytes, text);
    tndb_params_end(params, type, 0);
  }
}

/* ---------------------------------------------------------------- what was appended */

int32_t tndb_params_count(const tenantdb_params *params) {
  return params ? (int32_t)params->count : 0;
}

const char *const *tndb_params_values(const tenantdb_params *params) {
  return params && params->count ? params->at.values : NULL;
}

const int *tndb_params_lengths(const tenantdb_params *params) {
  return params && params->count ? params->at.lengths : NULL;
}

const int *tndb_params_formats(const tenantdb_params *params) {
  return params && params->any_binary ? params->at.formats : NULL;
}

const uint32_t *tndb_params_types(const tenantdb_params *params) {
  return params && params->any_type ? params->at.types : NULL;
}
