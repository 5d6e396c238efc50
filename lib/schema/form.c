/* SPDX-License-Identifier: PostgreSQL */
#include "schema/form.h"

#include "config/property.h"

const char *tndb_form_cell(const tndb_form *form, int row, int column) {
  return PQgetvalue(form->rows, form->first + row, column);
}

static int64_t ord_of(PGresult *rows, int row) {
  int64_t ord = 0;
  (void)tndb_number_parse(PQgetvalue(rows, row, TNDB_FORM_ORD), &ord);
  return ord;
}

/* The first row whose number is `ord` or more. */
static int lower_bound(PGresult *rows, int64_t ord) {
  int low = 0, high = PQntuples(rows);
  while (low < high) {
    int middle = low + (high - low) / 2;
    if (ord_of(rows, middle) < ord) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

tndb_form tndb_form_of(PGresult *rows, int64_t ord) {
  int first = lower_bound(rows, ord);
  return (tndb_form){rows, first, lower_bound(rows, ord + 1) - first};
}

void tndb_form_targets_add(tndb_form_targets *targets, const char *schema, const char *role,
                           const char *state) {
  tndb_text_array_add(&targets->schemas, schema);
  tndb_text_array_add(&targets->roles, role);
  tndb_text_array_add(&targets->states, state);
}

void tndb_form_targets_free(tndb_form_targets *targets) {
  tndb_text_array_free(&targets->schemas);
  tndb_text_array_free(&targets->roles);
  tndb_text_array_free(&targets->states);
}
