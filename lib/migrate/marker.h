/* SPDX-License-Identifier: PostgreSQL */
/*
 * What stands in the comments of a migration: markers by which other tools divide a file into the
 * way there and the way back, directives of our own, and changes of tables.
 *
 * An unknown marker is an error, never a comment: a file of a tool that is not known,
 * run whole, would run its own way back. Comments are found by the lexer, so that a
 * marker in a string or a function's body is none; and only one that is first on its line counts.
 */
#ifndef TNDB_MIGRATE_MARKER_H
#define TNDB_MIGRATE_MARKER_H

#include "migrate/source.h"

/* A stretch of a file that is split into statements on its own. */
typedef struct tndb_stretch_of_file {
  size_t start;
  size_t end;
  int32_t line;
  bool down;
  bool change; /* one line: a change of a table */
} tndb_stretch_of_file;

typedef struct tndb_layout {
  tndb_naming tool; /* GOOSE or DBMATE when it has their sections, else TENANTDB */
  bool has_up, has_down;
  bool tx_none, tx_said; /* by any tool's words */
  bool down_tx_none;
  bool checkpoint;
  int64_t lock_timeout_ms; /* -1 when nothing is said */
  int64_t requires;
  uint64_t nolint;
  size_t up_start, up_end; /* what is kept as the migration's text */
  size_t down_start, down_end;
  tndb_stretch_of_file *stretches;
  size_t count;
} tndb_layout;

/* `text` is normalised. tndb_layout_clear() in every case. */
tenantdb_status tndb_layout_read(const char *file, const char *text, size_t length, tndb_layout *layout,
                                 tenantdb_error **error);
void tndb_layout_clear(tndb_layout *layout);

/* One comment, as a marker sees it: without --, blanks and ornaments. */
typedef struct tndb_remark {
  const char *file;
  int32_t line;
  const char *text; /* behind "--" and blanks, without blanks at its end */
  size_t length;
  bool first;   /* on its line */
  bool between; /* statements, not inside of one */
  bool leading; /* before everything that is no comment */
} tndb_remark;

/* Directives, "tenantdb:…" but no change. */
tenantdb_status tndb_directive_read(const tndb_remark *remark, tndb_layout *layout, tenantdb_error **error);
/* Whether it would be a directive or a change if it were written well: "tenantdb tx none", "TenantDB: tx none". */
bool tndb_directive_is_meant(const tndb_remark *remark);
/* Refuses that; names the right form. */
tenantdb_status tndb_directive_refuse_form(const tndb_remark *remark, tenantdb_error **error);
/* Whether it looks like a marker that nothing here understands; raises then. */
tenantdb_status tndb_marker_refuse_unknown(const tndb_remark *remark, tenantdb_error **error);
/* Whether the remark begins with the word (any case), and what follows is no letter, digit or _. */
bool tndb_remark_begins(const tndb_remark *remark, const char *word);

#endif
