/* SPDX-License-Identifier: PostgreSQL */
/*
 * A set of migrations: what is behind a `tenantdb_migrations *`. Read from folders or
 * added in code, put in order and checked when the set is frozen, which is when
 * a call first uses it; from then on nothing changes and any thread may read it.
 *
 * Two streams: "shared" is applied once, in the shared schema; "tenant" to every
 * tenant, in his schema. In a stream, versioned migrations come in the order of
 * their versions, and repeatable ones by name behind them, again whenever their
 * text changes. A checkpoint is a tenant's whole schema as of its version, for
 * new tenants to begin with; a versioned migration may have the same version.
 *
 * A migration is a list of steps. Of one that is transactional all steps, the
 * ledger's row and the tenant's new version are one transaction. Of any other,
 * each step stands alone, and the ledger's row tells how many are done; there, too, the
 * transaction of a step that is INSIDE or REPEAT binds the scope, so that names without a
 * schema are found. Steps of a change (migrate/change.h) name the schema by {schema} as well.
 */
#ifndef TNDB_MIGRATE_SET_H
#define TNDB_MIGRATE_SET_H

#include <stdatomic.h>
#include <tenantdb/migration.h>

#include "base/error.h"
#include "base/mutex.h"
#include "base/sha256.h"

/* Versions have at most 18 digits. */
#define TNDB_VERSION_MOST INT64_C(999999999999999999)

typedef enum tndb_stream { TNDB_STREAM_SHARED, TNDB_STREAM_TENANT, TNDB_N_STREAMS } tndb_stream;

typedef enum tndb_migration_kind {
  TNDB_MIGRATION_VERSIONED,
  TNDB_MIGRATION_REPEATABLE,
  TNDB_MIGRATION_CHECKPOINT
} tndb_migration_kind;

typedef enum tndb_step_way {
  TNDB_WAY_INSIDE,  /* may be part of a transaction */
  TNDB_WAY_OUTSIDE, /* PostgreSQL refuses it inside of one */
  /*
   * A backfill: again and again, each time in a transaction of its own together with the ledger's
   * progress. $1 (text) is the progress that the batch before gave, NULL at first; it answers one row:
   * the next progress (text), NULL when nothing is left, and how many rows it touched (bigint). To begin
   * again with NULL, or with an older progress, is always safe.
   */
  TNDB_WAY_REPEAT
} tndb_step_way;

typedef struct tndb_migration_step {
  char *sql; /* one statement, names unqualified; {table} markers where the migration is not transactional */
  int32_t line; /* of its beginning in the file, from 1 */
  tndb_step_way way;
  bool joined;        /* INSIDE: in the transaction of the step before it, which is INSIDE too */
  char *index;        /* the index that it builds, rebuilds or drops concurrently, as in pg_class; or NULL */
  bool done_if_there; /* with index: whether a valid one of that name means that the step is done */
  bool done_if_gone; /* with index: whether there being none means, when it is tried again, that it is done */
  bool made;         /* by a change of a table: not the author's text */
} tndb_migration_step;

typedef struct tndb_steps {
  tndb_migration_step *items;
  size_t count;
} tndb_steps;

typedef struct tndb_migration {
  tndb_stream stream;
  tndb_migration_kind kind;
  int64_t version; /* 0 of a repeatable one */
  char *title;
  char *name;      /* a repeatable one's key: its file's name without R__ and .sql; "" of others */
  char *file;      /* how messages call it: its path below the folder, or "version N" of one added in code */
  char *sql;       /* what is run, line ends normalised to LF */
  char *down;      /* the way back, or NULL */
  char *down_file; /* where that stands, when it is another file than `file`; or NULL */
  char sum[TNDB_SHA256_HEX]; /* of the whole file, line ends normalised */
  bool transactional;
  bool down_transactional;
  int64_t lock_timeout_ms; /* -1: as configured; 0: for ever */
  int64_t requires;        /* a tenant's: the version that the shared stream must have; 0 for none */
  uint64_t nolint;         /* rules of lint that are off: bits by tndb_lint_rule */
  tndb_steps steps;
  tndb_steps down_steps;
} tndb_migration;

/* How folders are read: tenantdb_migrations_set(). */
typedef enum tndb_naming {
  TNDB_NAMING_AUTO,
  TNDB_NAMING_TENANTDB,
  TNDB_NAMING_FLYWAY,
  TNDB_NAMING_GOLANG_MIGRATE,
  TNDB_NAMING_GOOSE,
  TNDB_NAMING_DBMATE,
  TNDB_N_NAMINGS
} tndb_naming;

typedef enum tndb_sums { TNDB_SUMS_CHECK, TNDB_SUMS_REQUIRE, TNDB_SUMS_IGNORE } tndb_sums;

typedef struct tndb_set_options {
  tndb_naming naming;
  tndb_sums sums;
  int32_t flyway_parts;
  bool lock_timeout_off; /* the default one */
  char *shared_schema;   /* NULL: public */
  char *tenant_prefix;   /* NULL: tenant_ */
} tndb_set_options;

/* A way back that stands apart from its migration; freezing brings them together. */
typedef struct tndb_down {
  tndb_stream stream;
  int64_t version;
  char *file;
  char *sql;
  bool transactional;
  uint64_t nolint;
  tndb_steps steps;
} tndb_down;

struct tenantdb_migrations {
  uint32_t magic;
  atomic_uint references;
  tndb_mutex freezing;
  atomic_bool frozen;
  atomic_bool late; /* something was added after that */
  tndb_migration *
      *items; /* when frozen: by stream, then versioned and checkpoints by version, then repeatable by name */
  size_t count;
  tndb_down *downs;
  size_t n_downs;
  tndb_set_options options;
  size_t first[TNDB_N_STREAMS + 1]; /* when frozen: where each stream begins */
  char hash[TNDB_SHA256_HEX];       /* when frozen: of all sums */
  tenantdb_error *mistake;          /* the first, told by whoever uses the set */
  tenantdb_error *refusal; /* when frozen: of the first statement that cannot be part of a migration */
};

/* NULL, foreign or freed handles. */
tenantdb_status tndb_migrations_check(const tenantdb_migrations *set, tenantdb_error **error);
/* Put it in order, and from here on leave it as it is. Tells the first mistake. */
tenantdb_status tndb_migrations_freeze(const tenantdb_migrations *set, tenantdb_error **error);
/* The same for who wants to see statements that are refused, too. */
tenantdb_status tndb_migrations_settle(const tenantdb_migrations *set, tenantdb_error **error);
tenantdb_migrations *tndb_migrations_hold(const tenantdb_migrations *set);
/* tenantdb_migrations_free() by another name: the last one frees it. */
void tndb_migrations_release(tenantdb_migrations *set);

/* All of these are of a frozen set. */

const char *tndb_stream_name(tndb_stream stream);
/* The stream of that name; ARGUMENT when there is none. */
tenantdb_status tndb_stream_of(const char *name, tndb_stream *stream, tenantdb_error **error);
const char *tndb_migration_kind_name(tndb_migration_kind kind);
/* The versioned migration of that version, or NULL. */
const tndb_migration *tndb_migrations_find(const tenantdb_migrations *set, tndb_stream stream,
                                           int64_t version);
/* The repeatable migration of that name, or NULL. */
const tndb_migration *tndb_migrations_find_repeatable(const tenantdb_migrations *set, tndb_stream stream,
                                                      const char *name);
/*
 * The greatest version of a stream's versioned migrations, or when it has none, of its
 * checkpoints; 0 when it has neither.
 */
int64_t tndb_migrations_newest(const tenantdb_migrations *set, tndb_stream stream);
/* The newest checkpoint of the tenant stream that is not above `version`, or NULL. */
const tndb_migration *tndb_migrations_checkpoint(const tenantdb_migrations *set, int64_t version);

/* ---------------------------------------------------------------- while it is being made */

/* Whether something may still be added; when not, that it was tried is noted. */
bool tndb_migrations_open_for(tenantdb_migrations *set);
/* Keep a mistake if it is the first; takes `mistake`, which may be NULL. */
void tndb_migrations_keep(tenantdb_migrations *set, tenantdb_error *mistake);
/* Append: takes what it holds in both outcomes. */
tenantdb_status tndb_migrations_take(tenantdb_migrations *set, tndb_migration *migration,
                                     tenantdb_error **error);
tenantdb_status tndb_migrations_take_down(tenantdb_migrations *set, tndb_down *down, tenantdb_error **error);
void tndb_migration_clear(tndb_migration *migration);
void tndb_down_clear(tndb_down *down);
void tndb_steps_clear(tndb_steps *steps);

#endif
