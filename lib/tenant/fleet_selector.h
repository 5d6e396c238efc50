/* SPDX-License-Identifier: PostgreSQL */
/*
 * Selectors: a condition on tenants as text, made into one on rows of the
 * catalog's table.
 *
 *   selector   = [ condition { ( "," | "and" ) condition } ]
 *   condition  = name operator value { "|" value }
 *   name       = "slug" | "id" | "state" | "version" | property
 *   property   = [ "properties." ] word { "." word } | '"' any text '"'
 *   operator   = "=" | "!=" | "^=" | "<" | "<=" | ">" | ">="
 *   value      = word | "'" any text "'"
 *
 * Of several values one has to fit, and for != none. ^= is "begins with", for
 * slugs and properties; the comparisons are for versions, with one value. A
 * property is compared as text: 10 fits the number and the string. A tenant
 * without the property is different from every value.
 */
#ifndef TNDB_TENANT_FLEET_SELECTOR_H
#define TNDB_TENANT_FLEET_SELECTOR_H

#include "base/buffer.h"
#include "base/error.h"

typedef struct tndb_selector {
  tndb_buffer sql; /* a condition on a table called t; "true" when there is none */
  char **values;   /* of its parameters */
  int32_t count;
  bool on_state; /* there is a condition on the state */
} tndb_selector;

/* Its parameters are numbered from `first`. tndb_selector_free() in both outcomes. */
tenantdb_status tndb_selector_compile(const char *text, int32_t first, tndb_selector *selector,
                                      tenantdb_error **error);
/* Whether it compiles; `what` begins the message of what is wrong with it. */
tenantdb_status tndb_selector_check(const char *what, const char *text, tenantdb_error **error);
void tndb_selector_free(tndb_selector *selector);

#endif
