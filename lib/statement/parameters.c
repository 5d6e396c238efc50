/* SPDX-License-Identifier: PostgreSQL */
#include "statement/parameters.h"

#include <string.h>

#include <tenantdb/builder.h>

#include "base/buffer.h"
#include "base/integer.h"
#include "base/memory.h"
#include "base/result.h"
#include "sql/lexer.h"
#include "statement/compile.h"
#include "statement/params.h"

#define NOTHING SIZE_MAX

typedef struct entry {
  size_t name; /* offsets of the text; NOTHING for none */
  size_t type;
  const char *role;
  const char *comparison;
} entry;

struct tndb_parameters {
  entry *entries;
  size_t count;
  size_t room;
  size_t rows;
  tndb_buffer text; /* names and types, each with its NUL */
  bool failed;
};

tndb_parameters *tndb_parameters_new(size_t rows) {
  tndb_parameters *parameters = tndb_new(tndb_parameters);
  if (parameters) {
    parameters->rows = rows;
  }
  return parameters;
}

void tndb_parameters_free(tndb_parameters *parameters) {
  if (parameters) {
    tndb_free(parameters->entries);
    tndb_buffer_free(&parameters->text);
    tndb_free(parameters);
  }
}

static size_t keep(tndb_parameters *parameters, const char *text, const char *behind) {
  size_t offset = parameters->text.length;
  if (!text) {
    return NOTHING;
  }
  tndb_buffer_append(&parameters->text, text);
  tndb_buffer_append(&parameters->text, behind);
  tndb_buffer_append_n(&parameters->text, "", 1);
  return offset;
}

void tndb_parameters_add(tndb_parameters *parameters, const tndb_parameter *parameter) {
  if (!parameters || parameters->failed) {
    return;
  }
  if (parameters->count == parameters->room) {
    size_t room = parameters->room ? parameters->room * 2 : 8;
    entry *entries = tndb_realloc(parameters->entries, room * sizeof *entries);
    if (!entries) {
      parameters->failed = true;
      return;
    }
    parameters->entries = entries;
    parameters->room = room;
  }
  size_t name = keep(parameters, parameter->name, "");
  size_t type = keep(parameters, parameter->type, parameter->array ? "[]" : "");
  parameters->entries[parameters->count++] = (entry){name, type, parameter->role, parameter->comparison};
  parameters->failed = parameters->text.failed;
}

bool tndb_parameters_failed(const tndb_parameters *parameters) {
  return !parameters || parameters->failed;
}

size_t tndb_parameters_count(const tndb_parameters *parameters) {
  return parameters ? parameters->count * parameters->rows : 0;
}

/* ------------------------------------------------------------------ public */

enum { NUMBER, NAME, TYPE, ROLE, OPERATOR, ROW, N_COLUMNS };

static tndb_table *table_new(void) {
  static const char *const names[N_COLUMNS] = {"number", "name", "type", "role", "operator", "row"};
  return tndb_table_new(names, N_COLUMNS);
}

static void add_row(tndb_table *table, size_t number, const char *cells[N_COLUMNS]) {
  char digits[TNDB_INT64_TEXT];
  tndb_int64_write((int64_t)number, digits);
  cells[NUMBER] = digits;
  tndb_table_row(table, cells);
}

static void add_described(tndb_table *table, const tndb_parameters *parameters) {
  const char *text = tndb_buffer_text(&parameters->text);
  for (size_t row = 0; row < parameters->rows; row++) {
    char digits[TNDB_INT64_TEXT];
    tndb_int64_write((int64_t)row + 1, digits);
    for (size_t i = 0; i < parameters->count; i++) {
      const entry *e = &parameters->entries[i];
      const char *cells[N_COLUMNS] = {NULL};
      cells[NAME] = e->name == NOTHING ? NULL : text + e->name;
      cells[TYPE] = e->type == NOTHING ? NULL : text + e->type;
      cells[ROLE] = e->role;
      cells[OPERATOR] = e->comparison;
      cells[ROW] = parameters->rows > 1 ? digits : NULL;
      add_row(table, row * parameters->count + i + 1, cells);
    }
  }
}

/* The number of $n; 0 when no query can have it. */
static size_t number_of(const char *text, const tndb_token *token) {
  size_t number = 0;
  for (size_t i = 1; i < token->length; i++) {
    number = number * 10 + (size_t)(text[token->offset + i] - '0');
    if (number > TNDB_PARAMS_MOST) {
      return 0;
    }
  }
  return number;
}

/* A template's parameters are known by their numbers alone: those that stand in its text. */
static tenantdb_status add_found(tndb_table *table, const char *sql, tenantdb_error **error) {
  tndb_auto_free unsigned char *found = tndb_alloc(TNDB_PARAMS_MOST + 1);
  if (!found) {
    return tndb_no_memory(error);
  }
  tndb_lexer lexer;
  tndb_token token;
  size_t most = 0;
  tndb_lexer_start(&lexer, sql, strlen(sql), false);
  while (tndb_lexer_next(&lexer, &token)) {
    size_t number = token.kind == TNDB_TOKEN_PARAMETER ? number_of(sql, &token) : 0;
    found[number] = 1;
    most = number > most ? number : most;
  }
  for (size_t number = 1; number <= most; number++) {
    const char *cells[N_COLUMNS] = {NULL};
    if (found[number]) {
      add_row(table, number, cells);
    }
  }
  return TENANTDB_OK;
}

tenantdb_status tenantdb_statement_parameters(const tenantdb_statement *statement, tenantdb_result **result,
                                              tenantdb_error **error) {
  tndb_error_reset(error);
  if (!result) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "result is NULL");
  }
  *result = NULL;
  char *text = NULL;
  tenantdb_status status = tenantdb_statement_text(statement, "s", "s", &text, error);
  tndb_table *table = status == TENANTDB_OK ? table_new() : NULL;
  if (status == TENANTDB_OK && statement->parameters && table) {
    add_described(table, statement->parameters);
  } else if (status == TENANTDB_OK) {
    status = add_found(table, text, error);
  }
  tenantdb_string_free(text);
  if (status != TENANTDB_OK) {
    tndb_table_free(table);
    return status;
  }
  return tndb_table_finish(table, result, error);
}
