/* SPDX-License-Identifier: PostgreSQL */
/*
 * The ledger: the catalog's table `migrations`, which tells what was applied to
 * whom. A target's version, tenants.version, is the greatest that it has; a row of kind
 * baseline covers every version up to its own, as for tenants that were made
 * at that version, and so does one of kind checkpoint.
 *
 * What a row means, by its state: done; failed, of which nothing is in the database when the
 * migration is transactional, and the first `steps_done` steps when it is not; running, which only those
 * that are not transactional are, and then `owner` has it until `lease_until`. Of one that is being taken
 * back `steps` is negative, and steps_done counts the steps of the way back.
 */
#ifndef TNDB_MIGRATE_LEDGER_H
#define TNDB_MIGRATE_LEDGER_H

#include "base/random.h"
#include "catalog/tenants.h"
#include "catalog/work.h"
#include "migrate/set.h"

/* The id that the shared stream's rows carry where others carry a tenant's. */
#define TNDB_LEDGER_SHARED "00000000-0000-0000-0000-000000000000"

/* The states of tenants who have a schema, and so are migrated: those archived come back one day. */
#define TNDB_MIGRATED_STATES "('active', 'suspended', 'archived')"
/* Of those, of tenants t, who was moved away does not: he is migrated where he is, and what he left is shut. */
#define TNDB_MOVED_AWAY "(t.state = 'archived' AND t.properties ? '" TNDB_TENANT_MOVED_TO "')"

typedef struct tndb_ledger_row {
  int64_t version;
  char *name;                /* a repeatable one's; "" of others */
  char sum[TNDB_SHA256_HEX]; /* "" when the row has none, as a baseline's */
  char state;                /* 'd'one, 'r'unning, 'f'ailed */
  bool covers;               /* baseline or checkpoint */
  int32_t steps;
  int32_t steps_done;
  char owner[TNDB_UUID_TEXT]; /* the job that wrote it; "" when it does not say */
} tndb_ledger_row;

/* What the ledger says of one target. */
typedef struct tndb_ledger_state {
  int64_t version;       /* the greatest that is done; 0 when there is none */
  int64_t baseline;      /* everything up to it is covered; 0 when there is none */
  tndb_ledger_row *rows; /* by version, then name */
  size_t count;
  bool views; /* there were views over tenants when it was read */
} tndb_ledger_state;

/*
 * Read it for some targets in one query: `ids` is an array of uuids as PostgreSQL writes it;
 * states[i] is that of the i-th, which need not have rows. Each is to be cleared.
 */
tenantdb_status tndb_ledger_read(tndb_work *work, const char *ids, size_t count, tndb_ledger_state *states,
                                 tenantdb_error **error);
/* Queue the same question into an exchange, and read the rows that it answers; states as above. */
size_t tndb_ledger_send(tndb_conn *conn, const tenantdb *db, const char *ids);
tenantdb_status tndb_ledger_take(const PGresult *rows, size_t count, tndb_ledger_state *states,
                                 tenantdb_error **error);
void tndb_ledger_clear(tndb_ledger_state *state);
/* A migration is done, or taken back: without asking again. False when memory ran out. */
bool tndb_ledger_note(tndb_ledger_state *state, const tndb_migration *migration);
void tndb_ledger_forget(tndb_ledger_state *state, const tndb_migration *migration);
/* The row of a migration, or NULL. */
const tndb_ledger_row *tndb_ledger_find(const tndb_ledger_state *state, const tndb_migration *migration);

/*
 * Whether a migration is still to be applied to a target, by state, goal and order. Repeatable ones are
 * when goal is INT64_MAX, checkpoints never.
 */
bool tndb_ledger_lacks(const tndb_ledger_state *state, const tndb_migration *migration, int64_t goal,
                       bool any_order);
/*
 * The rows must fit the set: an applied version whose file has another sum now, or is gone
 * from the set, is refused with both sums and the file's name (HISTORY_EDITED, HISTORY_MISSING).
 * What a checkpoint of the set covers may be gone, but not for a target that has not come so far. With
 * `later` what is above the set's newest is let pass: a later release may have applied it.
 */
tenantdb_status tndb_ledger_fits(const tndb_ledger_state *state, const tenantdb_migrations *set,
                                 tndb_stream stream, bool later, const char *target, tenantdb_error **error);
/* Whether the target is ahead of the set: what a later release repeats is not for an older one to undo. */
bool tndb_ledger_is_ahead(const tndb_ledger_state *state, const tenantdb_migrations *set, tndb_stream stream);
/* Refuse files up to the goal that are older than the target and were never applied to it (OUT_OF_ORDER). */
tenantdb_status tndb_ledger_in_order(const tndb_ledger_state *state, const tenantdb_migrations *set,
                                     tndb_stream stream, int64_t goal, const char *target,
                                     tenantdb_error **error);

#endif
