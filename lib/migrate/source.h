/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sources: from a text to a migration in a set. The text is normalised, looked through
 * for what stands in its comments (marker.h, directive.h), and split into steps.
 * It does not matter whether it came from a file or from code.
 */
#ifndef TNDB_MIGRATE_SOURCE_H
#define TNDB_MIGRATE_SOURCE_H

#include "base/buffer.h"
#include "migrate/set.h"

/* A migration is read by people before it is run; data in bulk has other ways. */
#define TNDB_SOURCE_MOST_BYTES ((size_t)16 * 1024 * 1024)

/* What a file beside it says about its transaction. */
enum { TNDB_TX_UNSAID, TNDB_TX_TRANSACTION, TNDB_TX_NONE };

typedef struct tndb_source {
  tndb_stream stream;
  tndb_migration_kind kind;
  int64_t version;
  const char *title;
  const char *name;
  const char *file;
  const char *text; /* as it was read or given */
  size_t length;
  tndb_naming naming; /* whose file it is by its name; AUTO: what stands in it tells */
  bool strict;        /* the naming was asked for: the text must have that tool's markers */
  int32_t tx;
  bool placeholders; /* ${name} is none of Flyway's */
} tndb_source;

/* "FILE, line N: " before a message of MIGRATION with BAD_MIGRATION. Returns the status. */
tenantdb_status tndb_source_refuse(tenantdb_error **error, const char *file, int32_t line, const char *format,
                                   ...) __attribute__((format(printf, 4, 5)));
/*
 * Line ends as LF, without a byte order mark; refuses what is too large, holds NUL, or is not valid
 * UTF-8. The text is the buffer's.
 */
tenantdb_status tndb_source_normalise(const char *file, const char *from, size_t length, tndb_buffer *text,
                                      tenantdb_error **error);
/* Make it a migration of the set, or the way back from one. `tool` (may be NULL): whose markers it had. */
tenantdb_status tndb_source_take(tenantdb_migrations *set, const tndb_source *source, tndb_naming *tool,
                                 tenantdb_error **error);
tenantdb_status tndb_source_take_down(tenantdb_migrations *set, const tndb_source *source,
                                      tenantdb_error **error);
/* All digits of a version, 1 to 18 without leading zeros, not 0. False when it is none. */
bool tndb_source_version(const char *digits, size_t length, int64_t *version);

/* A file of a folder, read and normalised. */
typedef struct tndb_source_file {
  tndb_stream stream; /* of a folder with both; otherwise as was asked for */
  char *path;         /* below the folder, as messages call it */
  const char *name;   /* the last part of it */
  char *text;
  size_t length;
  char sum[TNDB_SHA256_HEX];
} tndb_source_file;

typedef struct tndb_source_files {
  tndb_source_file *items; /* by path */
  size_t count;
  bool streams; /* whether the folder has the folders of the streams */
  char *sums;   /* what tenantdb.sum holds, NULL when there is none */
} tndb_source_files;

enum { TNDB_FOLDER_ANY, TNDB_FOLDER_OF_STREAMS, TNDB_FOLDER_FLAT };

/*
 * All files of a folder but those that are ignored. Raises what cannot be there: folders, what is no
 * file, what is no text. tndb_source_files_clear() in every case.
 */
tenantdb_status tndb_source_files_read(const char *folder, int32_t layout, tndb_stream stream,
                                       tndb_source_files *files, tenantdb_error **error);
void tndb_source_files_clear(tndb_source_files *files);

/* A file's name, and what it says. */
typedef enum tndb_part {
  TNDB_PART_UP,
  TNDB_PART_DOWN,
  TNDB_PART_CONF /* Flyway's .sql.conf */
} tndb_part;

typedef struct tndb_file_name {
  tndb_part part;
  tndb_migration_kind kind;
  tndb_naming naming; /* AUTO: digits_title.sql, which several tools have, or R__ */
  int64_t version;
  const char *title; /* in the name */
  size_t title_length;
  const char *stem; /* without its ending, and without R__: a repeatable one's name */
  size_t stem_length;
} tndb_file_name;

/* MIGRATION when the name is not understood. */
tenantdb_status tndb_source_name(const tndb_source_file *file, const tndb_set_options *options,
                                 tndb_file_name *out, tenantdb_error **error);

#endif
