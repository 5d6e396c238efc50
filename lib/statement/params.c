/* SPDX-License-Identifier: PostgreSQL */
/*
 * All values stand behind each other in one buffer that keeps its room over
 * clear(), so that a list used for many queries allocates for the first ones
 * only. When the buffer moves while it grows, all pointers are set anew.
 */
#include "statement/params.h"

#include <limits.h>
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

#define NOTHING SIZE_MAX

struct tenantdb_params {
  tndb_buffer bytes;
  size_t *offsets; /* NOTHING for SQL NULL */
  const char **values;
  int *lengths;
  size_t count;
  size_t room;
  tenantdb_status mistake;
  int32_t reason;
};

tenantdb_params *tenantdb_params_new(void) {
  return tndb_new(tenantdb_params);
}

void tenantdb_params_free(tenantdb_params *params) {
  if (params) {
    tndb_buffer_free(&params->bytes);
    tndb_free(params->offsets);
    tndb_free(params->values);
    tndb_free(params->lengths);
    tndb_free(params);
  }
}

void tenantdb_params_clear(tenantdb_params *params) {
  if (params) {
    tndb_buffer_clear(&params->bytes);
    params->count = 0;
    params->mistake = TENANTDB_OK;
    params->reason = 0;
  }
}

static void keep(tenantdb_params *params, tenantdb_status status, int32_t reason) {
  if (params->mistake == TENANTDB_OK) {
    params->mistake = status;
    params->reason = reason;
  }
}

/* Each array grows by itself: what has grown before another one fails stays good. */
static bool grow(tenantdb_params *params) {
  size_t room = params->room ? params->room * 2 : 8;
  size_t *offsets = tndb_realloc(params->offsets, room * sizeof *offsets);
  params->offsets = offsets ? offsets : params->offsets;
  const char **values = tndb_realloc(params->values, room * sizeof *values);
  params->values = values ? values : params->values;
  int *lengths = tndb_realloc(params->lengths, room * sizeof *lengths);
  params->lengths = lengths ? lengths : params->lengths;
  if (!offsets || !values || !lengths) {
    return false;
  }
  params->room = room;
  return true;
}

static const char *base_of(const tenantdb_params *params) {
  return params->bytes.data;
}

static void point(tenantdb_params *params, size_t from) {
  for (size_t i = from; i < params->count; i++) {
    params->values[i] = params->offsets[i] == NOTHING ? NULL : params->bytes.data + params->offsets[i];
  }
}

static void append(tenantdb_params *params, const char *value, size_t length) {
  if (!params || params->mistake != TENANTDB_OK) {
    return;
  }
  if (params->count == TNDB_PARAMS_MOST || length > INT_MAX) {
    keep(params, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT);
    return;
  }
  size_t offset = params->bytes.length;
  const char *before = base_of(params);
  if (params->count == params->room && !grow(params)) {
    keep(params, TENANTDB_MEMORY, TENANTDB_REASON_OUT_OF_MEMORY);
    return;
  }
  if (value) {
    tndb_buffer_append_n(&params->bytes, value, length + 1);
    if (params->bytes.failed) {
      keep(params, TENANTDB_MEMORY, TENANTDB_REASON_OUT_OF_MEMORY);
      return;
    }
  }
  params->offsets[params->count] = value ? offset : NOTHING;
  params->lengths[params->count++] = (int)length;
  if (base_of(params) != before) {
    point(params, 0);
  } else {
    point(params, params->count - 1);
  }
}

void tenantdb_params_text(tenantdb_params *params, const char *value) {
  append(params, value, value ? strlen(value) : 0);
}

void tenantdb_params_int64(tenantdb_params *params, int64_t value) {
  char text[24];
  size_t at = sizeof text - 1;
  uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  text[at] = '\0';
  do {
    text[--at] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest);
  if (value < 0) {
    text[--at] = '-';
  }
  append(params, text + at, sizeof text - 1 - at);
}

void tenantdb_params_null(tenantdb_params *params) {
  append(params, NULL, 0);
}

int32_t tndb_params_count(const tenantdb_params *params) {
  return params ? (int32_t)params->count : 0;
}

const char *const *tndb_params_values(const tenantdb_params *params) {
  return params && params->count ? params->values : NULL;
}

const int *tndb_params_lengths(const tenantdb_params *params) {
  return params && params->count ? params->lengths : NULL;
}

tenantdb_status tndb_params_mistake(const tenantdb_params *params, tenantdb_error **error) {
  if (!params || params->mistake == TENANTDB_OK) {
    return TENANTDB_OK;
  }
  if (params->mistake == TENANTDB_MEMORY) {
    return tndb_no_memory(error);
  }
  if (params->count == TNDB_PARAMS_MOST) {
    return tndb_origin(error, params->mistake, params->reason, "a query takes at most %d parameters",
                       TNDB_PARAMS_MOST);
  }
  return tndb_origin(error, params->mistake, params->reason, "parameter %zu has more than %d bytes",
                     params->count + 1, INT_MAX);
}
