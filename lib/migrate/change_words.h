/* SPDX-License-Identifier: PostgreSQL */
/* The words of a change: which kinds there are, which keys each takes, and what was said. */
#ifndef TNDB_MIGRATE_CHANGE_WORDS_H
#define TNDB_MIGRATE_CHANGE_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenantdb/change.h>

#include "base/buffer.h"
#include "base/error.h"

typedef enum tndb_change_key {
  TNDB_CHANGE_TABLE,
  TNDB_CHANGE_COLUMN,
  TNDB_CHANGE_TO,
  TNDB_CHANGE_NAME,
  TNDB_CHANGE_TYPE,
  TNDB_CHANGE_DEFAULT,
  TNDB_CHANGE_BACKFILL,
  TNDB_CHANGE_USING,
  TNDB_CHANGE_BACK,
  TNDB_CHANGE_NOT_NULL,
  TNDB_CHANGE_BATCH,
  TNDB_CHANGE_COLUMNS,
  TNDB_CHANGE_METHOD,
  TNDB_CHANGE_WHERE,
  TNDB_CHANGE_INCLUDE,
  TNDB_CHANGE_WITH,
  TNDB_CHANGE_UNIQUE,
  TNDB_CHANGE_CHECK,
  TNDB_CHANGE_REFERENCES,
  TNDB_CHANGE_REF_COLUMNS,
  TNDB_CHANGE_ON_DELETE,
  TNDB_CHANGE_ON_UPDATE,
  TNDB_CHANGE_DEFERRABLE,
  TNDB_CHANGE_INDEXES,
  TNDB_CHANGE_LEAVE,
  TNDB_N_CHANGE_KEYS
} tndb_change_key;

struct tndb_change_plan;

/* A kind: the keys it must and may have, as bits, and who makes its steps. */
typedef struct tndb_change_kind {
  const char *name;
  uint32_t needs;
  uint32_t may;
  tenantdb_status (*make)(struct tndb_change_plan *plan, tenantdb_error **error);
} tndb_change_kind;

/* NULL when there is none of that name: the error names the nearest. */
const tndb_change_kind *tndb_change_kind_find(const char *name, tenantdb_error **error);

#define TNDB_CHANGE_MAGIC UINT32_C(0x6368616e)

struct tenantdb_change {
  uint32_t magic;
  const tndb_change_kind *kind; /* NULL: there is a mistake */
  char *values[TNDB_N_CHANGE_KEYS];
  tenantdb_error *mistake; /* the first */
};

const char *tndb_change_key_name(tndb_change_key key);
/* What was said, or NULL. */
const char *tndb_change_value(const tenantdb_change *change, tndb_change_key key);
/* A value that was checked to be a flag; no is the default. */
bool tndb_change_flag(const tenantdb_change *change, tndb_change_key key);
/* MIGRATION with BAD_CHANGE: "add_column: ..." */
tenantdb_status tndb_change_bad(const tenantdb_change *change, tenantdb_error **error, const char *format,
                                ...) __attribute__((format(printf, 3, 4)));
/* The first mistake, or the first key that is missing. */
tenantdb_status tndb_change_complete(const tenantdb_change *change, tenantdb_error **error);
/* Read a line, from its "--" on; the change is to be freed in both outcomes. */
tenantdb_status tndb_change_read(const char *text, size_t length, tenantdb_change **change,
                                 tenantdb_error **error);

#endif
