/* SPDX-License-Identifier: PostgreSQL */
/*
 * Rendering: a chain of copies whose length is known before the first one.
 *
 * A memcpy of the finished text takes a few nanoseconds, so what is around
 * the copies decides: the names are looked at eight bytes at a time, and where the
 * buffer has room for it stretches are copied in whole steps, with what is too
 * much overwritten by whatever comes next.
 */
#include <string.h>

#include "base/memory.h"
#include "statement/compile.h"

/* ---------------------------------------------------------------- names */

/* The high bit of some byte is set when one of the eight bytes is a quote or beyond ASCII. */
static inline uint64_t special(const char *at) {
  const uint64_t ones = UINT64_C(0x0101010101010101);
  uint64_t bytes;
  memcpy(&bytes, at, sizeof bytes);
  uint64_t quotes = bytes ^ (ones * '"');
  return bytes | ((quotes - ones) & ~quotes);
}

/* Whether the name stands between quotes as it is. Most names have 8 to 32 bytes. */
static inline bool is_plain(const char *name, size_t length) {
  const uint64_t highs = UINT64_C(0x8080808080808080);
  uint64_t found = 0;
  if (length >= 16) {
    const char *end = name + length;
    found = special(name) | special(name + 8) | special(end - 16) | special(end - 8);
    for (const char *at = name + 16; at < end - 16; at += 8) {
      found |= special(at);
    }
  } else if (length >= 8) {
    found = special(name) | special(name + length - 8);
  } else {
    char padded[8] = {0};
    for (size_t i = 0; i < length; i++) {
      padded[i] = name[i];
    }
    found = special(padded);
  }
  return (found & highs) == 0;
}

static inline bool take_plain(const char *name, const char **text, size_t *length) {
  if (!name) {
    return false;
  }
  *text = name;
  *length = strlen(name);
  return *length - 1 < TNDB_IDENTIFIER_BYTES && is_plain(name, *length);
}

/* Everything but the plain names: refuse it, or double its quotes. */
static tenantdb_status quote_special(const char *what, const char *name, tndb_quoted *out,
                                     tenantdb_error **error) {
  if (!name) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_MISSING_SCHEMA_NAME,
                       "%s is NULL, and the statement has a marker that needs it", what);
  }
  tenantdb_status status = tndb_identifier_check(what, name, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  out->text = out->doubled;
  out->length = 0;
  for (; *name; name++) {
    if (*name == '"') {
      out->doubled[out->length++] = '"';
    }
    out->doubled[out->length++] = *name;
  }
  return TENANTDB_OK;
}

static tenantdb_status quote(const char *what, const char *name, tndb_quoted *out, tenantdb_error **error) {
  return take_plain(name, &out->text, &out->length) ? TENANTDB_OK : quote_special(what, name, out, error);
}

static tenantdb_status start(tndb_rendering *rendering, const tenantdb_statement *statement,
                             const char *schema, const char *shared_schema, tenantdb_error **error) {
  if (!statement || statement->magic != TNDB_STATEMENT_MAGIC) {
    return tndb_statement_check(statement, error);
  }
  tenantdb_status status = TENANTDB_OK;
  rendering->statement = statement;
  rendering->length = statement->length;
  if (statement->uses[TNDB_TENANT_SCHEMA]) {
    tndb_quoted *tenant = &rendering->schemas[TNDB_TENANT_SCHEMA];
    status = quote("the schema's name", schema, tenant, error);
    rendering->length += statement->uses[TNDB_TENANT_SCHEMA] * tenant->length;
  }
  if (status == TENANTDB_OK && statement->uses[TNDB_SHARED_SCHEMA]) {
    tndb_quoted *shared = &rendering->schemas[TNDB_SHARED_SCHEMA];
    status = quote("the shared schema's name", shared_schema, shared, error);
    rendering->length += statement->uses[TNDB_SHARED_SCHEMA] * shared->length;
  }
  return status;
}

tenantdb_status tndb_rendering_start(tndb_rendering *rendering, const tenantdb_statement *statement,
                                     const char *schema, const char *shared_schema, tenantdb_error **error) {
  return start(rendering, statement, schema, shared_schema, error);
}

/* ---------------------------------------------------------------- copies */

/* A name: few overlapping moves, none beyond its end. */
static inline char *copy_name(char *to, const char *from, size_t length) {
  if (length >= 16 && length <= 32) {
    memcpy(to, from, 16);
    memcpy(to + length - 16, from + length - 16, 16);
  } else if (length >= 8 && length < 16) {
    memcpy(to, from, 8);
    memcpy(to + length - 8, from + length - 8, 8);
  } else if (length > 32) {
    memcpy(to, from, length);
  } else {
    for (size_t i = 0; i < length; i++) {
      to[i] = from[i];
    }
  }
  return to + length;
}

/* Literal text in whole steps: both sides have TNDB_SLACK bytes behind it. */
static inline char *copy_steps(char *to, const char *from, size_t length) {
  if (length > 8 * TNDB_SLACK) {
    memcpy(to, from, length);
    return to + length;
  }
  char *end = to + length;
  do {
    memcpy(to, from, TNDB_SLACK);
    to += TNDB_SLACK;
    from += TNDB_SLACK;
  } while (to < end);
  return end;
}

typedef struct name {
  const char *text;
  size_t length;
} name;

/* There is room for the text and TNDB_SLACK bytes. */
static inline void write_fast(const tenantdb_statement *statement, const name names[TNDB_N_SCHEMAS],
                              char *to) {
  const char *literal = statement->literals;
  const tndb_stretch *s = statement->stretches, *last = s + statement->count - 1;
  for (; s < last; s++) {
    to = copy_steps(to, literal, s->length);
    to = copy_name(to, names[s->schema].text, names[s->schema].length);
    literal += s->length;
  }
  to = copy_steps(to, literal, s->length);
  *to = '\0';
}

/* There is room for the text and its NUL, and not a byte more. */
static void write_exactly(const tenantdb_statement *statement, const name names[TNDB_N_SCHEMAS], char *to) {
  const char *literal = statement->literals;
  for (size_t i = 0; i < statement->count; i++) {
    const tndb_stretch *s = &statement->stretches[i];
    memcpy(to, literal, s->length);
    to += s->length;
    literal += s->length;
    if (s->schema != TNDB_NO_SCHEMA) {
      memcpy(to, names[s->schema].text, names[s->schema].length);
      to += names[s->schema].length;
    }
  }
  *to = '\0';
}

void tndb_rendering_write(const tndb_rendering *rendering, char *to, size_t size) {
  name names[TNDB_N_SCHEMAS];
  for (size_t i = 0; i < TNDB_N_SCHEMAS; i++) {
    names[i] = (name){rendering->schemas[i].text, rendering->schemas[i].length};
  }
  if (size - rendering->length >= TNDB_SLACK) {
    write_fast(rendering->statement, names, to);
  } else {
    write_exactly(rendering->statement, names, to);
  }
}

/* ---------------------------------------------------------------- rendering */

/* What is not plain, does not fit or fits exactly. */
static tenantdb_status __attribute__((noinline))
render_slowly(const tenantdb_statement *statement, const char *schema, const char *shared_schema,
              char *buffer, size_t size, size_t *length, tenantdb_error **error) {
  tndb_rendering rendering;
  tenantdb_status status = buffer || !size
                               ? start(&rendering, statement, schema, shared_schema, error)
                               : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                                             "the buffer is NULL, but its size is %zu", size);
  if (status == TENANTDB_OK) {
    *length = rendering.length;
    if (rendering.length < size) {
      tndb_rendering_write(&rendering, buffer, size);
      return TENANTDB_OK;
    }
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BUFFER_TOO_SMALL,
                         "the text needs %zu bytes and the buffer has %zu", rendering.length + 1, size);
  }
  if (buffer && size) {
    buffer[0] = '\0';
  }
  return status;
}

tenantdb_status tenantdb_statement_render(const tenantdb_statement *statement, const char *schema,
                                          const char *shared_schema, char *buffer, size_t size,
                                          size_t *length, tenantdb_error **error) {
  name names[TNDB_N_SCHEMAS] = {{NULL, 0}, {NULL, 0}};
  size_t ignored;
  length = length ? length : &ignored;
  *length = 0;
  if (error) {
    *error = NULL;
  }
  if (statement && statement->magic == TNDB_STATEMENT_MAGIC && buffer &&
      (!statement->uses[TNDB_TENANT_SCHEMA] || take_plain(schema, &names[0].text, &names[0].length)) &&
      (!statement->uses[TNDB_SHARED_SCHEMA] || take_plain(shared_schema, &names[1].text, &names[1].length))) {
    size_t needed =
        statement->length + statement->uses[0] * names[0].length + statement->uses[1] * names[1].length;
    if (needed + TNDB_SLACK <= size) {
      *length = needed;
      write_fast(statement, names, buffer);
      return TENANTDB_OK;
    }
  }
  return render_slowly(statement, schema, shared_schema, buffer, size, length, error);
}

tenantdb_status tenantdb_statement_text(const tenantdb_statement *statement, const char *schema,
                                        const char *shared_schema, char **sql, tenantdb_error **error) {
  tndb_rendering rendering;
  tndb_error_reset(error);
  if (!sql) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  }
  *sql = NULL;
  tenantdb_status status = start(&rendering, statement, schema, shared_schema, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  *sql = tndb_alloc(rendering.length + 1);
  if (!*sql) {
    return tndb_no_memory(error);
  }
  tndb_rendering_write(&rendering, *sql, rendering.length + 1);
  return TENANTDB_OK;
}
