/* SPDX-License-Identifier: PostgreSQL */
/* Declaring by SQL: one statement of a script at a time. */
#ifndef TNDB_REGISTRY_SCRIPT_H
#define TNDB_REGISTRY_SCRIPT_H

#include "registry/element.h"
#include "registry/mistake.h"

typedef struct tndb_script {
  tenantdb_base *base;
  const char *text; /* the statement, clean */
  tndb_cursor at;
  tndb_dialect dialect; /* with the statement's line */
  tndb_place place;     /* made more precise on the way, for a mistake's message */
  tndb_buffer name;     /* the name in hand; place may point into it */
  bool unlogged;
  bool unique;
} tndb_script;

/*
 * The unqualified name at the cursor, into s->name; `what` it is of ("table").
 * A marker may name a table of this base.
 */
tenantdb_status tndb_script_name(tndb_script *s, const char *what, tenantdb_error **error);
/* "was expected" mistakes. */
tenantdb_status tndb_script_expected(const char *what, tenantdb_error **error);
/* A statement that has no place in a registry. */
tenantdb_status tndb_script_refused(tenantdb_error **error, const char *what, const char *why);
/* Step over IF NOT EXISTS: a schema is new when this runs, and what is there by accident must not pass. */
void tndb_script_if_not_exists(tndb_script *s);

/* What stands behind the words that say what it is. */
tenantdb_status tndb_script_table(tndb_script *s, tenantdb_error **error);
tenantdb_status tndb_script_index(tndb_script *s, tenantdb_error **error);
tenantdb_status tndb_script_comment(tndb_script *s, tenantdb_error **error);
tenantdb_status tndb_script_alter(tndb_script *s, tenantdb_error **error);
/* A type, view, sequence, function or trigger, kept as text; `entry` is its pg_class kind or 0. */
tenantdb_status tndb_script_object(tndb_script *s, int32_t kind, const char *what, char entry,
                                   tenantdb_error **error);

#endif
