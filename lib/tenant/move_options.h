/* SPDX-License-Identifier: PostgreSQL */
/* What was asked of a move. */
#ifndef TNDB_TENANT_MOVE_OPTIONS_H
#define TNDB_TENANT_MOVE_OPTIONS_H

#include <tenantdb/move.h>

#include "base/error.h"

typedef enum tndb_move_verify { TNDB_VERIFY_AFTER, TNDB_VERIFY_PAUSE, TNDB_VERIFY_COUNTS } tndb_move_verify;

typedef struct tndb_move_settings {
  const char *connection; /* or NULL: it is made of the source's own */
  const char *slug;       /* or NULL: the same */
  int64_t pause_ms;
  int64_t patience_ms;
  int64_t lock_ms;
  tndb_move_verify verify;
  bool full_identity;
  bool match_ids;
  bool null_missing;
  bool remove_source;
} tndb_move_settings;

/* Report a kept mistake, or what the options say; `options` may be NULL. The strings are the options'. */
tenantdb_status tndb_move_settings_read(const tenantdb_move_options *options, tndb_move_settings *settings,
                                        tenantdb_error **error);

#endif
