/* SPDX-License-Identifier: PostgreSQL */
/*
 * Lint: what is dangerous, doubtful or refused in migrations, found on the lexer's
 * tokens, so that what stands in strings, comments and the bodies of functions is
 * never taken for SQL. A full parser would refuse syntax newer than itself.
 *
 * The first rules are refusals: a set that breaks one cannot be used, and no file
 * can switch them off. The others tell.
 */
#ifndef TNDB_MIGRATE_LINT_H
#define TNDB_MIGRATE_LINT_H

#include "base/result.h"
#include "migrate/set.h"

/* The closed list; doc/guide/migrations-files.md describes the same. The numbers are bits of `nolint`. */
typedef enum tndb_lint_rule {
  /* refusals */
  TNDB_LINT_OUTSIDE_TRANSACTION,
  TNDB_LINT_TRANSACTION_CONTROL,
  TNDB_LINT_LEAVES_SCOPE,
  TNDB_LINT_LASTING_SETTING,
  TNDB_LINT_ENUM_VALUE_USED,
  TNDB_LINT_UNNAMED_INDEX,
  TNDB_LINT_TENANT_EXTENSION,
  TNDB_LINT_MARKER,
  TNDB_LINT_NOT_IMMUTABLE,
  TNDB_LINT_N_REFUSALS,
  /* an error too, but a prefix of names is a guess: it does not refuse */
  TNDB_LINT_OTHER_TENANT = TNDB_LINT_N_REFUSALS,
  /* warnings */
  TNDB_LINT_QUALIFIED_TENANT_OBJECT,
  TNDB_LINT_LITERAL_SCHEMA,
  TNDB_LINT_UNQUALIFIED_SHARED_OBJECT,
  TNDB_LINT_NOT_NULL_WITHOUT_DEFAULT,
  TNDB_LINT_COLUMN_TYPE_CHANGE,
  TNDB_LINT_BLOCKING_INDEX,
  TNDB_LINT_FOREIGN_KEY_VALIDATES,
  TNDB_LINT_NO_LOCK_TIMEOUT,
  TNDB_LINT_FUNCTION_PATH,
  TNDB_LINT_SECURITY_DEFINER,
  /* notices */
  TNDB_LINT_UNNAMED_CONSTRAINT,
  TNDB_LINT_IF_NOT_EXISTS_INDEX,
  TNDB_LINT_MIXED_KINDS,
  TNDB_LINT_N_RULES
} tndb_lint_rule;

typedef struct tndb_lint_kind {
  const char *name; /* means the same for ever */
  const char *level;
  const char *way_out;
} tndb_lint_kind;

extern const tndb_lint_kind tndb_lint_kinds[TNDB_LINT_N_RULES];
/* The rule of a name, or TNDB_LINT_N_RULES. */
tndb_lint_rule tndb_lint_rule_of(const char *name, size_t length);

/* The first refusal of a set that is in order, or NULL. */
tenantdb_status tndb_lint_refusal(const tenantdb_migrations *set, tenantdb_error **refusal,
                                  tenantdb_error **error);

#endif
