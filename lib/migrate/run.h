/* SPDX-License-Identifier: PostgreSQL */
/*
 * A run: migrations carried out over a fleet, and remembered.
 *
 * The plan is one statement (run_select.c): it finds out who lacks something and, when
 * somebody does, writes the run and its members. From then on the rows in the
 * catalog are all there is: a runner holds nothing that another could not take up.
 *
 * A runner takes members in batches, by a lease of operation.lease that it renews,
 * and begins each as soon as one of its connections is free (run_slot.c). A
 * member's result is written in the transaction of his last migration, so
 * that the two are one; other results, and what else there is to write and to ask,
 * go together in one exchange every now and then, the beat (run_beat.c), on a
 * connection that is polled beside the others. So a tenant costs no round trip but his job's, and
 * nobody who has something to do waits for what others are told.
 *
 * Who takes a member whose lease ran out finds in the ledger what was done, and
 * the job's lock keeps him off what is still being done: the lease saves work, the
 * ledger prevents harm. For the same reason two runs over the same tenants are safe.
 *
 * Waves end under a lock (run_wave.c): the next one begins when nobody of those before
 * is open and no more have failed than may. Behind the last one those are
 * appended who lack something by now, which were created meanwhile, until there are none.
 * The shared stream is wave 0, with one member.
 */
#ifndef TNDB_MIGRATE_RUN_H
#define TNDB_MIGRATE_RUN_H

#include <poll.h>

#include "migrate/job.h"
#include "migrate/run_options.h"

/* How often a tenant whose locks were not had is tried again at the end of his wave. */
#define TNDB_RUN_DEFERRED_MOST 2

/* One tenant of a run in the hands of this runner. */
typedef struct tndb_run_member {
  struct tndb_run_member *next;
  char id[TNDB_UUID_TEXT];
  char *slug; /* with what follows NULL until it was read */
  char *schema;
  char *role;
  bool shared; /* the shared stream */
  bool standby;
  bool stale;   /* what is known of him and his ledger is to be read (again) */
  bool asked;   /* … and the beat under way does */
  bool gone;    /* he is no tenant any more */
  bool renewed; /* it was read again once since something looked as if it had changed */
  int64_t version;
  int32_t attempts;    /* all of them, this one included */
  int32_t tries;       /* errors that pass, since he was taken */
  int64_t taken_since; /* somebody else has been at him since then; 0: nobody */
  int64_t not_before;
  int64_t began_ms;
  tndb_ledger_state ledger;
  /* The result. */
  const char *state; /* of run_members */
  int64_t to;
  int64_t took_ms;
  const char *file; /* the set's */
  int32_t line;
  tenantdb_error *error;
  bool by_lock;  /* the error is about a lock that was not had */
  char *blocker; /* who had it, as the job tells; or NULL */
} tndb_run_member;

/* First in, first out. */
typedef struct tndb_run_queue {
  tndb_run_member *first;
  tndb_run_member *last;
  size_t count;
} tndb_run_queue;
void tndb_run_push(tndb_run_queue *queue, tndb_run_member *member);
/* The first who may begin at `now` and is known; NULL when there is none. */
tndb_run_member *tndb_run_pop(tndb_run_queue *queue, int64_t now);
void tndb_run_queue_clear(tndb_run_queue *queue);
void tndb_run_member_free(tndb_run_member *member);

typedef struct tndb_run_slot {
  tenantdb_run *run;
  tndb_run_member *member; /* NULL: free */
  tndb_conn *conn;         /* kept for the next member while it is free, for a moment only; or NULL */
  int64_t served;          /* members on it, one after the other */
  tndb_job job;
  tndb_job_step step;
  int64_t again_at; /* when the job wants another connection, and there is none */
} tndb_run_slot;

/* What the row in the catalog says. */
typedef enum tndb_run_state {
  TNDB_RUN_RUNNING,
  TNDB_RUN_PAUSED,
  TNDB_RUN_STOPPED,
  TNDB_RUN_DONE,
  TNDB_RUN_ABORTED,
  TNDB_N_RUN_STATES
} tndb_run_state;
const char *tndb_run_state_name(tndb_run_state state);

/* A beat under way, or the last one. */
typedef struct tndb_run_beat {
  tndb_conn *conn; /* NULL: none is under way */
  short events;    /* what it waits for */
  int64_t allowed_ms;
  tndb_deadline deadline;
  int64_t since;
  int64_t took_ms; /* the last that ended well */
  bool idle;       /* nothing else was under way when it began */
  bool renews;
  size_t n_results; /* of the queue, the first so many are said */
  size_t stale;     /* places of answers */
  size_t claim;
  size_t look;
} tndb_run_beat;

struct tenantdb_run {
  uint32_t magic;
  tenantdb *db;
  const tenantdb_migrations *set; /* the db's; NULL: none in use when it was opened */
  char id[TNDB_UUID_TEXT];        /* "": there was nothing to do */
  char owner[TNDB_UUID_TEXT];     /* this handle, in leases */
  char hash[TNDB_SHA256_HEX];     /* of the set that it was planned with */
  tenantdb_run_options *options;
  tndb_run_settings settings;
  tenantdb_run_function tells;
  void *user;
  atomic_bool working;
  atomic_bool told_start;

  /* While somebody works. */
  tndb_run_slot *slots;
  size_t n_slots;
  struct pollfd *sockets;
  size_t active;
  tndb_run_queue ready;   /* taken, and not begun; those who are stale too */
  tndb_run_queue results; /* to be written */
  tndb_run_state state;
  int32_t wave;
  int64_t n_over; /* members that were begun and are over, and how long they took together */
  int64_t over_ms;
  tndb_run_beat beat;
  bool empty;      /* the last time there was nobody to be taken */
  bool settled;    /* nothing was under way, nobody is to be taken, and all is written */
  bool draining;   /* nobody further begins */
  bool starved;    /* there was no connection for the beat */
  bool views;      /* of tenants changed under views over them */
  bool urgent;     /* a result is to be written before anybody begins */
  int losses;      /* beats that broke, one after the other */
  int64_t beat_at; /* the next beat is due */
  int64_t lease_ms;
  int64_t renew_at;
  int64_t tell_at;
  int64_t shared_version;
  tndb_deadline until;
};

/* The run behind a handle, or BAD_HANDLE. */
tenantdb_status tndb_run_check(const tenantdb_run *run, tenantdb_error **error);
/* The same, and that it is in the catalog: one without rows cannot be paused. */
tenantdb_status tndb_run_check_stored(const tenantdb_run *run, tenantdb_error **error);

/* ---------------------------------------------------------------- the plan (run_select.c, run_begin.c) */

/* A statement with its values, put together piece by piece. */
typedef struct tndb_run_query {
  tndb_buffer sql;
  char **values;
  int32_t count;
} tndb_run_query;
#define TNDB_RUN_QUERY_INIT \
  { TNDB_BUFFER_INIT, NULL, 0 }
void tndb_run_query_free(tndb_run_query *query);
#define tndb_auto_run_query __attribute__((cleanup(tndb_run_query_free))) tndb_run_query
tenantdb_status tndb_run_query_send(const tndb_run_query *query, tndb_work *work, PGresult **rows,
                                    tenantdb_error **error);

/* What is asked for, with what it is asked of. */
typedef struct tndb_run_aim {
  tenantdb *db;
  const tenantdb_migrations *set;
  const tndb_run_settings *settings;
  bool checks; /* the ledger as a whole is compared with the set, unless a run has done that */
} tndb_run_aim;
/*
 * "WITH ... " up to the list `planned` (id, slug, version, standby, position, wave) of who lacks something, and
 * the row `shared` (version, lacks). No comma behind it.
 */
tenantdb_status tndb_run_select(const tndb_run_aim *aim, tndb_run_query *query, tenantdb_error **error);
/* Whether what failures and gaps there are is for this aim to find: `odd` is part of the list then. */
bool tndb_run_has_odd(const tndb_run_aim *aim);
/* The version that tenants are to reach. */
int64_t tndb_run_goal(const tndb_run_aim *aim, tndb_stream stream);
/* " AND ..." for repeatable migrations: who is ahead of the set has a later release's (tndb_ledger_is_ahead()). */
void tndb_run_append_not_ahead(const tndb_run_aim *aim, tndb_stream stream, const char *version,
                               tndb_buffer *sql);
/* Nobody chosen in particular: what is left at the end is clean. */
bool tndb_run_is_whole(const tndb_run_settings *settings);
/* Options, set and settings; without asking the server. */
tenantdb_status tndb_run_aim_at(tenantdb *db, const tenantdb_run_options *options, tndb_run_aim *aim,
                                tndb_run_settings *settings, tenantdb_error **error);
/* What speaks against it in a row of faults, whose columns begin at `first`; OK: nothing. */
#define TNDB_RUN_FAULTS 5
void tndb_run_select_faults(const tndb_run_aim *aim, tndb_run_query *query);
tenantdb_status tndb_run_refuse(const tndb_run_aim *aim, tndb_work *work, const PGresult *rows, int first,
                                bool *again, tenantdb_error **error);

/*
 * Plan, refuse, and write the run down by that id, in one statement; *written: there was something to do.
 * With NULL for an id nothing is written.
 */
tenantdb_status tndb_run_write(tndb_run_aim *aim, const tenantdb_run_options *options, const char *id,
                               tndb_work *work, bool *written, tenantdb_error **error);
/* The strongest lock on a table that the statements take, as their text tells; NULL: none to speak of. */
const char *tndb_run_lock_of(const tndb_steps *steps);

/* ---------------------------------------------------------------- one connection (run_slot.c) */

/* Begin a member on a connection, which is taken. A failure is the run's. */
tenantdb_status tndb_run_slot_begin(tndb_run_slot *slot, tndb_run_member *member, tndb_conn *conn,
                                    tenantdb_error **error);
/* Do what can be done without waiting. */
void tndb_run_slot_advance(tndb_run_slot *slot, bool readable);
/* Give its connection back, when it is free and has one. */
void tndb_run_slot_rest(tndb_run_slot *slot);
/* Give up what is under way: rolled back, and to be done again. */
void tndb_run_slot_drop(tndb_run_slot *slot);
/* The member's result is known: to the results, or back to the others. */
void tndb_run_settle(tenantdb_run *run, tndb_run_member *member, tndb_job_outcome outcome,
                     tenantdb_error *failure);

/* ---------------------------------------------------------------- the catalog (run_beat.c, run_wave.c) */

/*
 * For the transaction: what it writes need not be on disk. A server that crashes forgets at most who
 * was taken, and by whom; that is found out again from the ledger, which is never written so.
 */
#define TNDB_RUN_HASTE "SELECT pg_catalog.set_config('synchronous_commit', 'off', true)"
/*
 * Write results, renew, take members, look at the run. Takes the connection, and gives it back when it is over; a
 * failure ends it, and what was to be written is still to be.
 */
tenantdb_status tndb_run_beat_begin(tenantdb_run *run, tndb_conn *conn, tenantdb_error **error);
/* Do what can be done without waiting. */
tenantdb_status tndb_run_beat_step(tenantdb_run *run, bool readable, tenantdb_error **error);
/* Wait for the one under way, if there is one; what it says is lost. */
void tndb_run_beat_end(tenantdb_run *run, tndb_deadline deadline);
/* Whether more members are to be taken, if there are any. */
bool tndb_run_is_hungry(const tenantdb_run *run);
/* Let go of those who were taken and not begun. */
tenantdb_status tndb_run_put_back(tenantdb_run *run, tndb_conn *conn, tenantdb_error **error);
/* Everybody taken is done: the next wave, or the end. *waits: others still have somebody. */
tenantdb_status tndb_run_next_wave(tenantdb_run *run, bool *waits, tenantdb_error **error);

/* ---------------------------------------------------------------- asking and steering (run_show.c, run_control.c) */

/* One statement on a connection of the pool, or on `conn` when that is given. */
tenantdb_status tndb_run_ask(tenantdb *db, tndb_conn *conn, const char *sql, int32_t count,
                             const char *const *values, PGresult **rows, tenantdb_error **error);
tenantdb_status tndb_run_read_progress(const tenantdb_run *run, tndb_conn *conn, tenantdb_result **result,
                                       tenantdb_error **error);
/* As tenantdb_run_pause(). */
tenantdb_status tndb_run_pause_on(const tenantdb_run *run, tndb_conn *conn, tenantdb_error **error);
/* What became of the run, as the answer of who worked on it. */
tenantdb_status tndb_run_verdict(tenantdb_run *run, tenantdb_error **error);

#endif
