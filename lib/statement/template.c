/* SPDX-License-Identifier: PostgreSQL */
#include "statement/template.h"

#include "base/integer.h"
#include "base/memory.h"
#include "statement/compile.h"

void tndb_template_target(tndb_template *out, const tndb_target *target) {
  tndb_target *targets = tndb_array_room(out->targets, out->count, sizeof *targets);
  if (!targets) {
    out->text.failed = true;
    return;
  }
  out->targets = targets;
  targets[out->count++] = *target;
  tndb_buffer_append_n(&out->text, "{}", 2);
}

void tndb_template_number(tndb_template *out, size_t number) {
  char digits[TNDB_INT64_TEXT];
  tndb_buffer_append_n(&out->text, digits, tndb_int64_write((int64_t)number, digits));
}

void tndb_template_parameter(tndb_template *out, size_t number) {
  tndb_buffer_append_char(&out->text, '$');
  tndb_template_number(out, number);
}

void tndb_template_free(tndb_template *out) {
  tndb_buffer_free(&out->text);
  tndb_free(out->targets);
  *out = (tndb_template)TNDB_TEMPLATE_INIT;
}

tenantdb_status tndb_template_finish(const tndb_template *template, const tenantdb_registry *registry,
                                     tndb_parameters *parameters, tenantdb_statement **statement,
                                     tenantdb_error **error) {
  if (template->text.failed || tndb_parameters_failed(parameters)) {
    tndb_parameters_free(parameters);
    return tndb_no_memory(error);
  }
  return tndb_statement_compile(registry, tndb_buffer_text(&template->text), template->targets, parameters,
                                statement, error);
}
