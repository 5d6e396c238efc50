/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/step_name.h"

#include <string.h>

#include "registry/resolve.h"
#include "sql/identifier.h"

static void append_table(tndb_buffer *out, const char *schema, const char *table) {
  tndb_quote_identifier(out, schema);
  tndb_buffer_append_char(out, '.');
  tndb_quote_identifier(out, table);
}

static tenantdb_status append_marked(tndb_buffer *out, const tndb_step_place *at, const char *name,
                                     size_t length, tenantdb_error **error) {
  tndb_target target;
  tenantdb_error *own = NULL;
  char plain[TNDB_IDENTIFIER_BYTES + 1] = "";
  if (length == 6 && memcmp(name, "schema", 6) == 0) {
    tndb_quote_identifier(out, at->schema);
    return TENANTDB_OK;
  }
  tenantdb_status status = tndb_registry_resolve(at->registry, NULL, name, length, &target, &own);
  if (status == TENANTDB_NOT_FOUND && length > 0 && length < sizeof plain && !memchr(name, '.', length)) {
    memcpy(plain, name, length);
    append_table(out, at->schema, plain);
    tenantdb_error_free(own);
    return TENANTDB_OK;
  }
  if (status) {
    return tndb_error_pass(error, own);
  }
  bool shared = target.base->kind == TENANTDB_BASE_SHARED;
  append_table(out, shared ? at->shared : at->schema, target.entry->name);
  return TENANTDB_OK;
}

bool tndb_step_is_name(const tndb_token *token) {
  return token->kind == TNDB_TOKEN_MARKER || token->kind == TNDB_TOKEN_BRACE;
}

tenantdb_status tndb_step_name(tndb_buffer *out, const tndb_step_place *at, const char *text,
                               const tndb_token *token, tenantdb_error **error) {
  if (token->kind == TNDB_TOKEN_BRACE) {
    tndb_buffer_append_char(out, text[token->offset]);
    return TENANTDB_OK;
  }
  const char *name = text + token->offset + 1;
  size_t length = token->length - 2;
  for (; length > 0 && *name == ' '; length--) {
    name++;
  }
  while (length > 0 && name[length - 1] == ' ') {
    length--;
  }
  return append_marked(out, at, name, length, error);
}

tenantdb_status tndb_step_names(tndb_buffer *out, const tndb_step_place *at, const char *text,
                                tenantdb_error **error) {
  tndb_lexer lexer;
  tndb_token token;
  size_t length = strlen(text), copied = 0;
  tenantdb_status status = TENANTDB_OK;
  tndb_lexer_start(&lexer, text, length, true);
  while (!status && tndb_lexer_next(&lexer, &token)) {
    if (tndb_step_is_name(&token)) {
      tndb_buffer_append_n(out, text + copied, token.offset - copied);
      copied = token.offset + token.length;
      status = tndb_step_name(out, at, text, &token, error);
    }
  }
  tndb_buffer_append_n(out, text + copied, length - copied);
  return status;
}
