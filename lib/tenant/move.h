/* SPDX-License-Identifier: PostgreSQL */
/*
 * Moving a tenant to another database by logical replication.
 *
 * Every step looks at what is there and does what is lacking, so that whoever
 * goes on after an interruption need not know where it was. Two rows, one in
 * each catalog under the same id, say how far a move is. The lease of an
 * operation at the source keeps two callers from moving the same tenant; each
 * makes himself the owner of the target's row, and only its owner switches.
 *
 * Writes pause by a guard: every table of the tenant has a trigger from early on,
 * whose function does nothing. Pausing replaces the function by one that raises,
 * in a transaction that has waited for everybody who was writing. So it holds at
 * every isolation level and for whoever comes by another way, readers are not
 * stopped, and letting writes go on needs no lock, which matters most when
 * things go badly.
 *
 * The switch is two commits, and their order is what makes it safe. The target's
 * transaction does all that can fail (references, foreign keys, sequences, the
 * tenant's state) and stays open; then the source archives the tenant, and
 * commits; then the target commits. Between the two nobody serves him, and
 * nothing can be written at the source; whoever goes on makes the target's
 * transaction again. Since the target's commit is what counts, giving up is
 * possible until then, and begins by making it impossible.
 *
 * Foreign keys to shared tables are taken away at the target while rows come in
 * with the source's ids: whoever deleted a shared row there would otherwise reach
 * rows that only happen to bear its id. They come back in the switch, not
 * validated, and are validated behind it; the keys were looked up one by one.
 */
#ifndef TNDB_TENANT_MOVE_H
#define TNDB_TENANT_MOVE_H

#include "tenant/export.h"
#include "tenant/import.h"
#include "tenant/move_options.h"

#define TNDB_MOVE_GUARD "tenantdb_move_guard" /* the triggers and their function */
#define TNDB_MOVE_LINK_SIZE 48
/* The rows m of the ledger that say what was done to the tenant of that id: not what failed and was rolled back. */
#define TNDB_MOVE_MIGRATED(id) \
  "m.tenant_id = " id "::pg_catalog.uuid AND (m.state <> 'failed' OR m.steps_done > 0)"

typedef enum tndb_move_step {
  TNDB_MOVE_CHECK,
  TNDB_MOVE_CREATE,
  TNDB_MOVE_REFERENCES,
  TNDB_MOVE_GUARD_TABLES,
  TNDB_MOVE_PUBLISH,
  TNDB_MOVE_SLOT,
  TNDB_MOVE_SUBSCRIBE,
  TNDB_MOVE_COPY,
  TNDB_MOVE_CATCH_UP,
  TNDB_MOVE_PAUSE,
  TNDB_MOVE_SWITCH,
  TNDB_MOVE_VERIFY,
  TNDB_MOVE_KEYS,
  TNDB_MOVE_REFRESH,
  TNDB_MOVE_UNSUBSCRIBE,
  TNDB_MOVE_UNPUBLISH,
  TNDB_MOVE_SOURCE,
  TNDB_MOVE_N_STEPS
} tndb_move_step;

/* How far it is, as the source's row says; or that there is none. */
typedef enum tndb_move_stage {
  TNDB_STAGE_NEW,
  TNDB_STAGE_MOVING,
  TNDB_STAGE_SWITCHED,
  TNDB_STAGE_DONE
} tndb_move_stage;

typedef struct tndb_move_record {
  bool begun;
  bool done;
  char *note;
  int64_t ms;
} tndb_move_record;

typedef struct tndb_move {
  tenantdb *from;
  tenantdb *to;
  const char *name; /* as the caller calls him */
  tndb_move_settings settings;
  tndb_deadline until; /* patience */
  tenantdb_tenant *source;
  tndb_move_stage stage;
  bool paused;
  bool there_already; /* the other database serves him */
  bool undoing;
  int32_t state; /* of the tenant when the move began, or when he was switched */
  char id[TNDB_UUID_TEXT];
  char owner[TNDB_UUID_TEXT];
  char operation[TNDB_UUID_TEXT]; /* "" when there is none that is ours */
  char target[TNDB_UUID_TEXT];    /* his id in the other database */
  char link[TNDB_MOVE_LINK_SIZE]; /* slot, publication and subscription */
  char *slug;                     /* in the other database */
  char *here;                     /* where he comes from, as a person would say it */
  char *there;                    /* the other database, likewise */
  char *identity;                 /* … and as it is recognized */
  char *fingerprint;              /* of the source's schema with its guard, or NULL */
  int64_t renewed_ms;
  int64_t watched_ms; /* when the source's schema was last compared */
  int64_t told_ms;    /* when the target's row last got a lease; 0: there is no row of ours */
  int64_t paused_ms;  /* when writes began to pause, by our clock */
  tndb_move_record steps[TNDB_MOVE_N_STEPS];
  tndb_table *refusals; /* rows for the report */
  tndb_buffer refused;  /* the same, for the message */
  size_t n_refused;
} tndb_move;

/* ---------------------------------------------------------------- driving (move.c) */

/* Note what came of a step, for the report; %-free text is copied. */
void tndb_move_note(tndb_move *move, tndb_move_step step, const char *note);
/* Wait a little between two looks, keeping the lease; fails when patience is over or the lease is lost. */
tenantdb_status tndb_move_wait(tndb_move *move, int64_t ms, const char *what, tenantdb_error **error);

/* ---------------------------------------------------------------- in the catalogs (move_record.c) */

/*
 * Find the move at the source: the tenant, the row, the steps. Stage NEW when there is
 * none that is open, nor a finished one of a tenant who is gone.
 */
tenantdb_status tndb_move_find(tndb_move *move, tenantdb_error **error);
/* Write the source's row and the operation of a new one; of one that was interrupted make it ours. */
tenantdb_status tndb_move_begin(tndb_move *move, tenantdb_error **error);
tenantdb_status tndb_move_take_over(tndb_move *move, tenantdb_error **error);
/* Begin a transaction at the source if the operation is still ours; its connection waits for no lock long. */
tenantdb_status tndb_move_start_source(tndb_move *move, tndb_work *work, tenantdb_error **error);
/* … and at the target, if its row is still ours and in that state. */
tenantdb_status tndb_move_start_target(tndb_move *move, tndb_work *work, const char *state,
                                       tenantdb_error **error);
/* Make the target's row ours. *state (freed by the caller) is what it says, NULL when there is none. */
tenantdb_status tndb_move_own_target(tndb_move *move, char **state, tenantdb_error **error);
/* Record a step in the catalog. */
tenantdb_status tndb_move_record_step(tndb_move *move, tndb_move_step step, bool done,
                                      tenantdb_error **error);
/* Queue the same in a transaction at the source. */
void tndb_move_queue_step(tndb_work *work, const tndb_move *move, tndb_move_step step, bool done);
/* Keep the leases: the source's, which guards, and the target's, by which its reconcile knows. */
tenantdb_status tndb_move_renew(tndb_move *move, tenantdb_error **error);
/* The length of a lease as an interval. */
void tndb_move_format_lease(tndb_buffer *text, const tndb_move *move);
/* Who gives up says so, so that the next need not wait for the lease to run out. Best effort. */
void tndb_move_release(tndb_move *move);
const char *tndb_move_step_name(tndb_move_step step);
/* One query on a connection of its own, outside a transaction. */
tenantdb_status tndb_move_ask(tenantdb *db, const char *sql, int32_t count, const char *const *values,
                              tndb_deadline deadline, PGresult **rows, tenantdb_error **error);
/* Append a condition of the message: what is lacking, and what mends it. */
void tndb_move_refuse(tndb_move *move, const char *what, const char *remedy);

/* For reconcile: moves that nobody is working on. id, slug, place, state, paused. */
extern const char tndb_move_unfinished_sql[];
/* The same for those on the way here. slug, place, slug there, state. */
extern const char tndb_move_incoming_sql[];
/* Let writes go on that were paused by somebody who died. */
tenantdb_status tndb_move_reopen(tenantdb *db, const char *id, tenantdb_error **error);

/* ---------------------------------------------------------------- steps */

/* Where things are lacking they are refused, all together (move_check.c). */
tenantdb_status tndb_move_check(tndb_move *move, tenantdb_error **error);
/* Recognize the other database, and choose his id there. */
tenantdb_status tndb_move_look(tndb_move *move, tenantdb_error **error);

/* The tenant at the target, not served (move_create.c). */
tenantdb_status tndb_move_create(tndb_move *move, tenantdb_error **error);

/* Triggers, identities, publication, slot (move_source.c). */
tenantdb_status tndb_move_guard(tndb_move *move, tenantdb_error **error);
tenantdb_status tndb_move_publish(tndb_move *move, tenantdb_error **error);
tenantdb_status tndb_move_make_slot(tndb_move *move, tenantdb_error **error);
tenantdb_status tndb_move_unpublish(tndb_move *move, tenantdb_error **error);
/* Identities as they were, and, when `guard`, the triggers taken away. */
tenantdb_status tndb_move_put_back(tndb_move *move, bool guard, tenantdb_error **error);
/* Queue the guard's function: one that lets writes pass, or one that does not. */
void tndb_move_queue_guard(tndb_work *work, const char *schema, const char *slug, bool closed);
/* Queue a lock on all tables of a shape. */
void tndb_move_queue_lock(tndb_work *work, const char *schema, const tndb_shape *shape, const char *mode);
/* Of the source's schema and of the migrations that it has. */
tenantdb_status tndb_move_fingerprint(tndb_work *work, const tndb_move *move, const char *schema,
                                      char fingerprint[TNDB_SHA256_HEX], tenantdb_error **error);

/* Subscription, waiting for rows (move_follow.c). */
tenantdb_status tndb_move_subscribe(tndb_move *move, tenantdb_error **error);
tenantdb_status tndb_move_copy(tndb_move *move, tenantdb_error **error);
tenantdb_status tndb_move_catch_up(tndb_move *move, tenantdb_error **error);
/* One look: has the target applied everything up to `lsn`? */
tenantdb_status tndb_move_has_applied(tndb_move *move, const char *lsn, tndb_deadline deadline, bool *applied,
                                      tenantdb_error **error);
tenantdb_status tndb_move_unsubscribe(tndb_move *move, tenantdb_error **error);
/* Queue taking the subscription away, if it is there, without reaching out for the source. */
tenantdb_status tndb_move_queue_unsubscribe(tndb_work *work, const tndb_move *move, bool *there,
                                            tenantdb_error **error);

/* Both sides of a comparison or of the switch. */
typedef struct tndb_move_pair {
  tndb_move *move;
  tenantdb_export out; /* the source's transaction, its tables and references */
  tenantdb_import in;  /* the target's */
  tndb_work seen;      /* the target as it was when it had caught up, for checksums */
  char *definitions;   /* a sum of which rows the catalogs and the ledger have of the source's tables */
  PGresult *marked;    /* views that are to have him */
} tndb_move_pair;

/* References to shared rows (move_keys.c). */
tenantdb_status tndb_move_references(tndb_move *move, tenantdb_error **error);
/* In the transactions of a pair: look the keys up, and with `apply` change the rows. */
tenantdb_status tndb_pair_references(tndb_move_pair *pair, bool apply, tenantdb_error **error);
/* Take foreign keys to shared tables away, with a record; bring them back; validate them. */
tenantdb_status tndb_move_drop_keys(tndb_work *work, const tndb_move *move, const char *schema,
                                    tenantdb_error **error);
tenantdb_status tndb_move_add_keys(tndb_work *work, const tndb_move *move, const char *schema,
                                   tenantdb_error **error);
tenantdb_status tndb_move_validate_keys(tndb_move *move, tenantdb_error **error);

/* The pair of transactions, and comparing (move_pair.c). */
/*
 * Read what the source's tables are, and begin the target's transactions: all that
 * can be done before writes pause. tndb_pair_close() in every case.
 */
tenantdb_status tndb_pair_open(tndb_move_pair *pair, tndb_move *move, tenantdb_error **error);
/* Begin the source's; fails when the tables are others than those that were read. */
tenantdb_status tndb_pair_enter(tndb_move_pair *pair, tndb_deadline deadline, tenantdb_error **error);
void tndb_pair_deadline(tndb_move_pair *pair, tndb_deadline deadline);
tenantdb_status tndb_pair_count(tndb_move_pair *pair, tenantdb_error **error);
tenantdb_status tndb_pair_checksums(tndb_move_pair *pair, tndb_work *source, tndb_work *target,
                                    tenantdb_error **error);
void tndb_pair_close(tndb_move_pair *pair);

/* The pause and the switch (move_switch.c); also the half of it that is left after an interruption. */
tenantdb_status tndb_move_switch(tndb_move *move, tenantdb_error **error);
/* Whether the source's schema and ledger are what they were when it was guarded (TENANT_DIFFERS). */
tenantdb_status tndb_move_check_unchanged(tndb_move *move, tenantdb_error **error);
/* Let writes go on. */
tenantdb_status tndb_move_thaw(tndb_move *move, tenantdb_error **error);

/* What is left to do when he is served there; and giving up (move_end.c). */
tenantdb_status tndb_move_analyze(tndb_move *move, tenantdb_error **error);
tenantdb_status tndb_move_refresh(tndb_move *move, tenantdb_error **error);
tenantdb_status tndb_move_finish_source(tndb_move *move, tenantdb_error **error);
tenantdb_status tndb_move_give_up(tndb_move *move, tenantdb_error **error);

#endif
