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
#include "statement/compile.h"

#include <stdatomic.h>
#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "registry/resolve.h"
#include "sql/identifier.h"
#include "sql/splitter.h"

typedef struct compile {
  const tenantdb_registry *registry;
  const char *sql;
  const tndb_target *targets; /* what empty markers stand for, one after the other; NULL: they are mistakes */
  tndb_buffer literals;
  tndb_stretch *stretches;
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
  if (schema != TNDB_NO_SCHEMA) {
    tndb_buffer_append_char(&c->literals, '"');
  }
  if (c->literals.failed) {
    return tndb_no_memory(error);
  }
  c->stretches[c->count++] = (tndb_stretch){c->literals.length - c->begun, schema};
  c->begun = c->literals.length;
  if (schema != TNDB_NO_SCHEMA) {
    tndb_buffer_append_char(&c->literals, '"');
  }
  return TENANTDB_OK;
}

static tenantdb_status write_target(compile *c, const tndb_target *target, tenantdb_error **error) {
  bool shared = target->base->kind == TENANTDB_BASE_SHARED;
  tenantdb_status status = end_stretch(c, shared ? TNDB_SHARED_SCHEMA : TNDB_TENANT_SCHEMA, error);
  if (target->entry) {
    tndb_buffer_append_char(&c->literals, '.');
    tndb_quote_identifier(&c->literals, target->entry->name);
  }
  return status;
}

static tenantdb_status marker(compile *c, const tndb_token *token, tenantdb_error **error) {
  size_t from = token->offset + 1, to = token->offset + token->length - 1;
  while (from < to && c->sql[from] == ' ') {
    from++;
  }
  while (to > from && c->sql[to - 1] == ' ') {
    to--;
  }
  if (from == to && c->targets) {
    return write_target(c, c->targets++, error);
  }
  if (from == to) {
    tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_MARKER,
                "a marker {} is empty; a brace itself is written {{");
    return placed(c->sql, token->offset, token->line, TENANTDB_ARGUMENT, error);
  }
  if (to - from == 6 && memcmp(c->sql + from, "schema", 6) == 0) {
    return end_stretch(c, TNDB_TENANT_SCHEMA, error);
  }
  tndb_target target;
  tenantdb_status status = tndb_registry_resolve(c->registry, NULL, c->sql + from, to - from, &target, error);
  if (status != TENANTDB_OK) {
    return placed(c->sql, from, token->line, status, error);
  }
  return write_target(c, &target, error);
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
    status = end_stretch(c, TNDB_NO_SCHEMA, error);
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

static atomic_ullong serials;

static tenantdb_statement *assemble(const compile *c) {
  size_t begin = sizeof(tenantdb_statement) + c->count * sizeof *c->stretches;
  tenantdb_statement *made = tndb_alloc(begin + c->literals.length + TNDB_SLACK);
  if (!made) {
    return NULL;
  }
  char *literals = (char *)made + begin;
  made->magic = TNDB_STATEMENT_MAGIC;
  made->serial = atomic_fetch_add(&serials, 1) + 1;
  made->count = c->count;
  made->literals = literals;
  made->length = c->literals.length;
  memcpy(literals, tndb_buffer_text(&c->literals), c->literals.length);
  memcpy(made->stretches, c->stretches, c->count * sizeof *c->stretches);
  for (size_t i = 0; i + 1 < c->count; i++) {
    made->uses[c->stretches[i].schema]++;
  }
  return made;
}

static tenantdb_status build(compile *c, tenantdb_statement **statement, tenantdb_error **error) {
  c->stretches = tndb_alloc_array(count_braces(c->sql), sizeof *c->stretches);
  if (!c->stretches) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = walk(c, error);
  if (status == TENANTDB_OK) {
    *statement = assemble(c);
    status = *statement ? TENANTDB_OK : tndb_no_memory(error);
  }
  tndb_free(c->stretches);
  return status;
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

tenantdb_status tndb_statement_compile(const tenantdb_registry *registry, const char *sql,
                                       const tndb_target *targets, tndb_parameters *parameters,
                                       tenantdb_statement **statement, tenantdb_error **error) {
  compile c = {.registry = registry, .sql = sql, .targets = targets};
  tenantdb_status status = build(&c, statement, error);
  tndb_buffer_free(&c.literals);
  if (status == TENANTDB_OK) {
    (*statement)->parameters = parameters;
  } else {
    tndb_parameters_free(parameters);
  }
  return status;
}

void tenantdb_statement_free(tenantdb_statement *statement) {
  if (statement && statement->magic == TNDB_STATEMENT_MAGIC) {
    statement->magic = 0;
    tndb_parameters_free(statement->parameters);
    tndb_free(statement);
  }
}

tenantdb_status tndb_statement_check(const tenantdb_statement *statement, tenantdb_error **error) {
  if (!statement) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the statement is NULL");
  }
  return statement->magic == TNDB_STATEMENT_MAGIC
             ? TENANTDB_OK
             : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "this is no statement");
}

uint64_t tndb_statement_serial(const tenantdb_statement *statement) {
  return statement->serial;
}

bool tndb_statement_names_tenant(const tenantdb_statement *statement) {
  return statement->uses[TNDB_TENANT_SCHEMA] > 0;
}
