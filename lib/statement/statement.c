/* SPDX-License-Identifier: PostgreSQL */
/*
 * Room statement: templates with markers, and the parameters that go with them.
 *
 * Compiling does all the work once. What is left is a list of stretches of
 * literal text, each followed by the tenant's schema, the shared one or nothing:
 * the quotes around a schema and the quoted name of its table are part of the
 * literals. So rendering is a chain of copies whose length is known before the
 * first one.
 */
#include "statement/statement.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "registry/resolve.h"
#include "sql/identifier.h"
#include "sql/splitter.h"

#define MAGIC UINT32_C(0x7473746d)

enum { NOTHING, TENANT, SHARED };

/* Literal text, then a schema. */
typedef struct stretch {
  size_t length;
  size_t schema;
} stretch;

struct tenantdb_statement {
  uint32_t magic;
  char *literals; /* all stretches' text behind each other */
  size_t length;
  stretch *stretches;
  size_t count;
  size_t uses[3]; /* how often each schema stands in it */
};

/* --------------------------------------------------------------- compiling */

typedef struct compile {
  const tenantdb_registry *registry;
  const char *sql;
  tndb_buffer literals;
  stretch *stretches;
  size_t count;
  size_t begun; /* where the current stretch begins in the literals */
} compile;

/* Where a mistake is: "line 2, byte 17" in front and the position in characters. */
static tenantdb_status placed(const char *sql, size_t offset, int32_t line, tenantdb_status status,
                              tenantdb_error **error) {
  int32_t position = 1;
  for (size_t i = 0; i < offset; i++) {
    position += ((unsigned char)sql[i] & 0xC0) != 0x80;
  }
  tndb_server_fields fields = {.position = position};
  tndb_error_set_server(error, &fields);
  tndb_error_prefix(error, "statement, line %d, byte %zu", (int)line, offset + 1);
  return status;
}

static tenantdb_status lexer_mistake(const char *sql, const tndb_lexer *lexer, size_t offset, int32_t line,
                                     tenantdb_error **error) {
  tndb_origin(error, TENANTDB_ARGUMENT, lexer->reason, "%s", lexer->mistake);
  return placed(sql, offset, line, TENANTDB_ARGUMENT, error);
}

static tenantdb_status check_single(const char *sql, tenantdb_error **error) {
  tndb_splitter splitter;
  tndb_piece piece, second;
  tndb_splitter_start(&splitter, sql, strlen(sql), true);
  bool one = tndb_splitter_next(&splitter, &piece);
  bool two = one && tndb_splitter_next(&splitter, &second);
  if (splitter.lexer.mistake) {
    return lexer_mistake(sql, &splitter.lexer, splitter.mistake_offset, splitter.mistake_line, error);
  }
  if (!one) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "the statement is empty");
  }
  if (two) {
    tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_MULTIPLE_STATEMENTS,
                "a second statement begins here; compile each one by itself");
    return placed(sql, second.offset, second.line, TENANTDB_ARGUMENT, error);
  }
  return TENANTDB_OK;
}

static tenantdb_status end_stretch(compile *c, size_t schema, tenantdb_error **error) {
  /* One more than there are markers is enough: the array was made for that. */
  if (schema != NOTHING) {
    tndb_buffer_append_char(&c->literals, '"');
  }
  if (c->literals.failed) {
    return tndb_no_memory(error);
  }
  c->stretches[c->count++] = (stretch){c->literals.length - c->begun, schema};
  c->begun = c->literals.length;
  if (schema != NOTHING) {
    tndb_buffer_append_char(&c->literals, '"');
  }
  return TENANTDB_OK;
}

static tenantdb_status marker(compile *c, const tndb_token *token, tenantdb_error **error) {
  size_t from = token->offset + 1, to = token->offset + token->length - 1;
  while (from < to && c->sql[from] == ' ') {
    from++;
  }
  while (to > from && c->sql[to - 1] == ' ') {
    to--;
  }
  if (from == to) {
    tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_MARKER,
                "a marker {} is empty; a brace itself is written {{");
    return placed(c->sql, token->offset, token->line, TENANTDB_ARGUMENT, error);
  }
  if (to - from == 6 && memcmp(c->sql + from, "schema", 6) == 0) {
    return end_stretch(c, TENANT, error);
  }
  tndb_target target;
  tenantdb_status status = tndb_registry_resolve(c->registry, NULL, c->sql + from, to - from, &target, error);
  if (status != TENANTDB_OK) {
    return placed(c->sql, from, token->line, status, error);
  }
  status = end_stretch(c, target.base->kind == TENANTDB_BASE_SHARED ? SHARED : TENANT, error);
  tndb_buffer_append_char(&c->literals, '.');
  tndb_quote_identifier(&c->literals, target.entry->name);
  return status;
}

static tenantdb_status walk(compile *c, tenantdb_error **error) {
  tndb_lexer lexer;
  tndb_token token;
  size_t copied = 0;
  tenantdb_status status = TENANTDB_OK;
  tndb_lexer_start(&lexer, c->sql, strlen(c->sql), true);
  while (status == TENANTDB_OK && tndb_lexer_next(&lexer, &token)) {
    if (token.kind != TNDB_TOKEN_MARKER && token.kind != TNDB_TOKEN_BRACE) {
      continue;
    }
    tndb_buffer_append_n(&c->literals, c->sql + copied, token.offset - copied);
    copied = token.offset + token.length;
    if (token.kind == TNDB_TOKEN_MARKER) {
      status = marker(c, &token, error);
    } else {
      tndb_buffer_append_char(&c->literals, c->sql[token.offset]);
    }
  }
  if (status == TENANTDB_OK) {
    tndb_buffer_append(&c->literals, c->sql + copied);
    status = end_stretch(c, NOTHING, error);
  }
  return status;
}

/* An upper bound for the stretches: every { could begin a marker. */
static size_t count_braces(const char *sql) {
  size_t n = 1;
  for (; (sql = strchr(sql, '{')) != NULL; sql++) {
    n++;
  }
  return n;
}

static tenantdb_status build(compile *c, tenantdb_statement **statement, tenantdb_error **error) {
  c->stretches = tndb_alloc_array(count_braces(c->sql), sizeof *c->stretches);
  if (!c->stretches) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = walk(c, error);
  tenantdb_statement *made = status == TENANTDB_OK ? tndb_new(tenantdb_statement) : NULL;
  if (!made) {
    tndb_free(c->stretches);
    return status == TENANTDB_OK ? tndb_no_memory(error) : status;
  }
  made->magic = MAGIC;
  made->length = c->literals.length;
  made->literals = tndb_buffer_take(&c->literals);
  made->stretches = c->stretches;
  made->count = c->count;
  for (size_t i = 0; i < c->count; i++) {
    made->uses[c->stretches[i].schema]++;
  }
  if (!made->literals) {
    tenantdb_statement_free(made);
    return tndb_no_memory(error);
  }
  *statement = made;
  return TENANTDB_OK;
}

tenantdb_status tenantdb_statement_new(const tenantdb_registry *registry, const char *sql,
                                       tenantdb_statement **statement, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!statement) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "statement is NULL");
  }
  *statement = NULL;
  if (!registry || !sql) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       registry ? "sql" : "the registry");
  }
  if (!tndb_registry_valid(registry)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "this is no registry");
  }
  size_t bad;
  if (!tndb_utf8_valid(sql, strlen(sql), &bad)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "the statement is not valid UTF-8 at byte %zu", bad + 1);
  }
  if (registry->mistake) {
    return tndb_error_pass(error, tndb_error_copy(registry->mistake));
  }
  tenantdb_status status = check_single(sql, error);
  if (status == TENANTDB_OK) {
    compile c = {.registry = registry, .sql = sql};
    status = build(&c, statement, error);
    tndb_buffer_free(&c.literals);
  }
  return status;
}

void tenantdb_statement_free(tenantdb_statement *statement) {
  if (statement && statement->magic == MAGIC) {
    statement->magic = 0;
    tndb_free(statement->literals);
    tndb_free(statement->stretches);
    tndb_free(statement);
  }
}

/* --------------------------------------------------------------- rendering */

/* A schema's name as it stands between quotes: itself, or a copy with its quotes doubled. */
typedef struct quoted {
  const char *text;
  size_t length;
  char doubled[2 * TNDB_IDENTIFIER_BYTES];
} quoted;

/* Whether some of eight bytes are a quote or beyond ASCII. */
static bool is_special(uint64_t bytes) {
  const uint64_t ones = UINT64_C(0x0101010101010101), highs = ones << 7;
  uint64_t quotes = bytes ^ (ones * '"');
  return ((bytes | ((quotes - ones) & ~quotes)) & highs) != 0;
}

/* Whether the name stands between quotes as it is. */
static bool is_plain(const char *name, size_t length) {
  uint64_t bytes = 0;
  if (length < sizeof bytes) {
    for (size_t i = 0; i < length; i++) {
      bytes = bytes << 8 | (unsigned char)name[i];
    }
    return !is_special(bytes);
  }
  for (size_t i = 0; i + sizeof bytes < length; i += sizeof bytes) {
    memcpy(&bytes, name + i, sizeof bytes);
    if (is_special(bytes)) {
      return false;
    }
  }
  memcpy(&bytes, name + length - sizeof bytes, sizeof bytes);
  return !is_special(bytes);
}

static tenantdb_status quote(const char *what, const char *name, quoted *out, tenantdb_error **error) {
  if (!name) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_MISSING_SCHEMA_NAME,
                       "%s is NULL, and the statement has a marker that needs it", what);
  }
  size_t length = strlen(name);
  out->text = name;
  out->length = length;
  if (length > 0 && length <= TNDB_IDENTIFIER_BYTES && is_plain(name, length)) {
    return TENANTDB_OK;
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

static tenantdb_status prepare(const tenantdb_statement *statement, const char *schema,
                               const char *shared_schema, quoted schemas[2], size_t *length,
                               tenantdb_error **error) {
  if (!statement) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the statement is NULL");
  }
  if (statement->magic != MAGIC) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "this is no statement");
  }
  tenantdb_status status = TENANTDB_OK;
  *length = statement->length;
  if (statement->uses[TENANT]) {
    status = quote("the schema's name", schema, &schemas[TENANT - 1], error);
    *length += status == TENANTDB_OK ? statement->uses[TENANT] * schemas[TENANT - 1].length : 0;
  }
  if (status == TENANTDB_OK && statement->uses[SHARED]) {
    status = quote("the shared schema's name", shared_schema, &schemas[SHARED - 1], error);
    *length += status == TENANTDB_OK ? statement->uses[SHARED] * schemas[SHARED - 1].length : 0;
  }
  return status;
}

/* Most texts are short: a few overlapping moves are faster than a call for each. */
static char *copy_text(char *to, const char *from, size_t length) {
  if (length > 256) {
    memcpy(to, from, length);
  } else if (length < 4) {
    for (size_t i = 0; i < length; i++) {
      to[i] = from[i];
    }
  } else if (length < 8) {
    memcpy(to, from, 4);
    memcpy(to + length - 4, from + length - 4, 4);
  } else if (length < 16) {
    memcpy(to, from, 8);
    memcpy(to + length - 8, from + length - 8, 8);
  } else {
    for (size_t i = 0; i + 16 < length; i += 16) {
      memcpy(to + i, from + i, 16);
    }
    memcpy(to + length - 16, from + length - 16, 16);
  }
  return to + length;
}

/* There is room for all of it, and for the NUL. */
static void copy(const tenantdb_statement *statement, const quoted schemas[2], char *to) {
  const char *literal = statement->literals;
  for (size_t i = 0; i < statement->count; i++) {
    const stretch *s = &statement->stretches[i];
    to = copy_text(to, literal, s->length);
    literal += s->length;
    if (s->schema != NOTHING) {
      to = copy_text(to, schemas[s->schema - 1].text, schemas[s->schema - 1].length);
    }
  }
  *to = '\0';
}

tenantdb_status tenantdb_statement_render(const tenantdb_statement *statement, const char *schema,
                                          const char *shared_schema, char *buffer, size_t size,
                                          size_t *length, tenantdb_error **error) {
  quoted schemas[2];
  size_t needed = 0;
  tndb_error_reset(error);
  if (length) {
    *length = 0;
  }
  if (buffer && size) {
    buffer[0] = '\0';
  }
  if (!buffer && size) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                       "the buffer is NULL, but its size is %zu", size);
  }
  tenantdb_status status = prepare(statement, schema, shared_schema, schemas, &needed, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  if (length) {
    *length = needed;
  }
  if (needed >= size) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BUFFER_TOO_SMALL,
                       "the text needs %zu bytes and the buffer has %zu", needed + 1, size);
  }
  copy(statement, schemas, buffer);
  return TENANTDB_OK;
}

tenantdb_status tenantdb_statement_text(const tenantdb_statement *statement, const char *schema,
                                        const char *shared_schema, char **sql, tenantdb_error **error) {
  quoted schemas[2];
  size_t needed = 0;
  tndb_error_reset(error);
  if (!sql) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "sql is NULL");
  }
  *sql = NULL;
  tenantdb_status status = prepare(statement, schema, shared_schema, schemas, &needed, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  *sql = tndb_alloc(needed + 1);
  if (!*sql) {
    return tndb_no_memory(error);
  }
  copy(statement, schemas, *sql);
  return TENANTDB_OK;
}

tenantdb_status tndb_statement_render(const tenantdb_statement *statement, const char *schema,
                                      const char *shared_schema, tndb_buffer *out, tenantdb_error **error) {
  quoted schemas[2];
  size_t needed = 0;
  tenantdb_status status = prepare(statement, schema, shared_schema, schemas, &needed, error);
  if (status != TENANTDB_OK) {
    return status;
  }
  const char *literal = statement->literals;
  for (size_t i = 0; i < statement->count; i++) {
    const stretch *s = &statement->stretches[i];
    tndb_buffer_append_n(out, literal, s->length);
    literal += s->length;
    if (s->schema != NOTHING) {
      tndb_buffer_append_n(out, schemas[s->schema - 1].text, schemas[s->schema - 1].length);
    }
  }
  return out->failed ? tndb_no_memory(error) : TENANTDB_OK;
}
