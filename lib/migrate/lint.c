/* SPDX-License-Identifier: PostgreSQL */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/integer.h"
#include "base/memory.h"
#include "migrate/lint_rules.h"
#include "migrate/source.h"

#define TX_NONE "put -- tenantdb:tx none at the head of the file"

const tndb_lint_kind tndb_lint_kinds[TNDB_LINT_N_RULES] = {
    {"outside-transaction", "error", TX_NONE ", which runs it statement by statement"},
    {"transaction-control", "error",
     "leave it out: a file is one transaction, or with -- tenantdb:tx none, a statement is"},
    {"leaves-scope", "error", "leave it out: the stream supplies schema and role"},
    {"lasting-setting", "error", ""},
    {"enum-value-used", "error",
     "put the ALTER TYPE into an earlier file of its own, or the value into CREATE TYPE"},
    {"unnamed-index", "error", "name the index, so that it can be found again after an interruption"},
    {"tenant-extension", "error",
     "create the extension in the shared stream, WITH SCHEMA, or have the database's owner do it"},
    {"marker", "error", "write the plain name: the transaction's search path finds the tenant's table"},
    {"not-immutable", "error",
     "leave the time out of it and compare with the time in the query; or keep a column that is updated"},
    {"other-tenant", "error", "write the name without a schema: the file is run in every tenant's own"},
    {"qualified-tenant-object", "warning", "write the name without its schema"},
    {"literal-schema", "warning",
     "write the name without its schema, or set option shared_schema if it is that one"},
    {"unqualified-shared-object", "warning", "write the shared schema's name before it"},
    {"not-null-without-default", "warning",
     "give it a DEFAULT, or add it without NOT NULL, fill it, and then set it NOT NULL: -- tenantdb:change "
     "add_column"},
    {"column-type-change", "warning", "use a second column and switch over: -- tenantdb:change change_type"},
    {"blocking-index", "warning", "CREATE INDEX CONCURRENTLY in a file with -- tenantdb:tx none"},
    {"foreign-key-validates", "warning",
     "add it NOT VALID, and VALIDATE CONSTRAINT in a later file: -- tenantdb:change add_foreign_key"},
    {"no-lock-timeout", "warning", "put -- tenantdb:lock_timeout 3s at the head of the file"},
    {"function-path", "warning", "add SET search_path FROM CURRENT to the function"},
    {"security-definer", "warning",
     "leave SECURITY DEFINER out, or pin the path and revoke EXECUTE from who is not to have it"},
    {"unnamed-constraint", "notice", "write CONSTRAINT and a name before it"},
    {"if-not-exists-index", "notice", "leave IF NOT EXISTS out: the ledger knows what was applied"},
    {"mixed-kinds", "notice", "keep statements that a transaction can hold in a file of their own"},
};

tndb_lint_rule tndb_lint_rule_of(const char *name, size_t length) {
  int i = 0;
  while (i < TNDB_LINT_N_RULES &&
         (strlen(tndb_lint_kinds[i].name) != length || memcmp(tndb_lint_kinds[i].name, name, length) != 0)) {
    i++;
  }
  return (tndb_lint_rule)i;
}

/* ---------------------------------------------------------------- findings */

void tndb_lint_found(tndb_lint *lint, tndb_lint_rule rule, int32_t line, const char *way_out,
                     const char *format, ...) {
  if (rule >= TNDB_LINT_N_REFUSALS && (lint->migration->nolint & (UINT64_C(1) << rule))) {
    return;
  }
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  va_list arguments;
  va_start(arguments, format);
  tndb_buffer_vformat(&text, format, arguments);
  va_end(arguments);
  tndb_lint_finding *items = tndb_realloc(lint->items, (lint->count + 1) * sizeof *items);
  char *message = items ? tndb_buffer_take(&text) : NULL;
  lint->items = items ? items : lint->items;
  if (!message) {
    lint->failed = true;
    return;
  }
  items[lint->count++] = (tndb_lint_finding){rule, lint->migration, lint->file, line, message, way_out};
}

static void clear(tndb_lint *lint) {
  for (size_t i = 0; i < lint->count; i++) {
    tndb_free(lint->items[i].message);
  }
  tndb_free(lint->items);
  tndb_names_free(&lint->created);
}

/* The way there, or the way back, of one migration. */
static void look_at(tndb_lint *lint, const tndb_migration *migration, bool down) {
  lint->migration = migration;
  lint->down = down;
  lint->steps = down ? &migration->down_steps : &migration->steps;
  lint->file = down && migration->down_file ? migration->down_file : migration->file;
  lint->transactional = down ? migration->down_transactional : migration->transactional;
  tndb_lint_refusals(lint);
  if (lint->names) {
    tndb_lint_references(lint);
  }
  if (lint->names && !down) {
    tndb_lint_tables(lint);
    tndb_lint_functions(lint);
  }
  tndb_names_free(&lint->created);
  lint->created = (tndb_names){NULL, 0};
}

static const char *way_out_of(const tndb_lint_finding *finding) {
  return finding->way_out ? finding->way_out : tndb_lint_kinds[finding->rule].way_out;
}

tenantdb_status tndb_lint_refusal(const tenantdb_migrations *set, tenantdb_error **refusal,
                                  tenantdb_error **error) {
  tndb_lint lint = {.set = set};
  *refusal = NULL;
  for (size_t i = 0; i < set->count && lint.count == 0 && !lint.failed; i++) {
    look_at(&lint, set->items[i], false);
    look_at(&lint, set->items[i], true);
  }
  tenantdb_status status = lint.failed ? tndb_no_memory(error) : TENANTDB_OK;
  if (!status && lint.count) {
    const tndb_lint_finding *first = &lint.items[0];
    status =
        tndb_source_refuse(refusal, first->file, first->line, "%s; %s", first->message, way_out_of(first));
    if (status == TENANTDB_MEMORY) {
      tenantdb_error_free(*refusal);
      *refusal = NULL;
      status = tndb_no_memory(error);
    } else {
      status = TENANTDB_OK;
    }
  }
  clear(&lint);
  return status;
}

static int compare(const void *a, const void *b) {
  const tndb_lint_finding *one = a, *other = b;
  int order = (int)one->migration->stream - (int)other->migration->stream;
  order = order ? order : strcmp(one->file, other->file);
  order = order ? order : (one->line > other->line) - (one->line < other->line);
  order = order ? order : (int)one->rule - (int)other->rule;
  return order ? order : strcmp(one->message, other->message);
}

static tenantdb_status tell(tndb_lint *lint, tenantdb_result **findings, tenantdb_error **error) {
  static const char *const names[] = {"level", "rule", "stream", "file", "line", "message", "way_out"};
  tndb_table *table = tndb_table_new(names, (int32_t)(sizeof names / sizeof names[0]));
  if (lint->count) {
    qsort(lint->items, lint->count, sizeof *lint->items, compare);
  }
  for (size_t i = 0; i < lint->count; i++) {
    const tndb_lint_finding *finding = &lint->items[i];
    char line[TNDB_INT64_TEXT];
    (void)tndb_int64_write(finding->line, line);
    const char *cells[] = {tndb_lint_kinds[finding->rule].level,
                           tndb_lint_kinds[finding->rule].name,
                           tndb_stream_name(finding->migration->stream),
                           finding->file,
                           line,
                           finding->message,
                           way_out_of(finding)};
    tndb_table_row(table, cells);
  }
  return tndb_table_finish(table, findings, error);
}

tenantdb_status tenantdb_migrations_lint(const tenantdb_migrations *set, const tenantdb_registry *registry,
                                         tenantdb_result **findings, tenantdb_error **error) {
  tndb_error_reset(error);
  if (findings) {
    *findings = NULL;
  }
  tenantdb_status status = tndb_migrations_settle(set, error);
  if (!status && !findings) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "findings is NULL");
  }
  if (!status && registry && !tndb_registry_valid(registry)) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE,
                         "the registry is none, or was freed");
  }
  tndb_lint_names known;
  status = status ? status : tndb_lint_names_read(set, registry, &known, error);
  if (status) {
    return status;
  }
  tndb_lint lint = {.set = set, .names = &known};
  for (size_t i = 0; i < set->count && !lint.failed; i++) {
    look_at(&lint, set->items[i], false);
    look_at(&lint, set->items[i], true);
  }
  status = lint.failed ? tndb_no_memory(error) : tell(&lint, findings, error);
  clear(&lint);
  tndb_lint_names_free(&known);
  return status;
}
