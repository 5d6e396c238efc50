/* SPDX-License-Identifier: PostgreSQL */
/*
 * A job: what one target (a tenant, or the shared schema) lacks of a set is
 * applied to it, file by file, on one connection. A small state machine: started
 * with a connection, stepped whenever its socket has something to say, or its pause is
 * over, until it is over. Whoever has one target only calls tndb_job_run().
 *
 * A transactional file is one flush and one transaction: bind and prove the scope,
 * try the target's advisory lock, make the server refuse when the ledger already has the
 * version or the tenant is not in a state for it; the steps; prove the scope once
 * more; the ledger's row and the tenant's version; what the caller adds; COMMIT.
 *
 * Any other file is owned by the lease in its ledger row for as long as it runs. A step
 * that is INSIDE is one transaction with the ledger's count of steps, and so is done exactly
 * once; a REPEAT is a transaction for each batch; a step that PostgreSQL wants OUTSIDE is done first
 * and counted afterwards, and before it is done (again) the index that it is
 * about is looked at: an invalid one is dropped. Nobody takes over what a server's process is
 * still building: that it has locks in the schema is asked, whatever the lease says.
 *
 * A connection that breaks is no failure yet. The job asks for another (TNDB_JOB_CONNECT), tries for the
 * target's lock, since without it the old process may still be committing, reads the ledger
 * again and goes on from what it finds; the ledger's key makes applying twice impossible.
 *
 * Steps that PostgreSQL wants OUTSIDE wait for locks as long in one go as others do in all their tries:
 * what they take lets others read and write, and to fail costs them all they have built. Behind a pooler no
 * limit can be set for them, and they have to name their tables by markers.
 */
#ifndef TNDB_MIGRATE_JOB_H
#define TNDB_MIGRATE_JOB_H

#include "migrate/ledger.h"
#include "migrate/set.h"
#include "pg/exchange.h"

/* What is migrated. Strings belong to whoever made the order and outlive the job. */
typedef struct tndb_job_target {
  tndb_stream stream;
  const char *id;   /* the tenant's; of the shared stream TNDB_LEDGER_SHARED */
  const char *slug; /* for messages: the tenant's, "shared" of the shared stream */
  const char *schema;
  const char *role; /* "" when there is none */
  bool standby;     /* a prepared schema that is no tenant's yet */
} tndb_job_target;

typedef struct tndb_job_order {
  tenantdb *db;
  const tenantdb_migrations *set; /* frozen */
  tndb_job_target target;
  tndb_ledger_state *state; /* what the ledger says of the target; the job keeps it up to date */
  int64_t goal;             /* the version to reach; INT64_MAX for the newest, repeatable ones included */
  bool down;                /* go back to goal */
  bool dry;                /* carried out and rolled back; files that are not transactional are passed over */
  bool any_order;          /* also files below the target's version that were never applied to it */
  bool skip_older;         /* pass over them without a word, instead of OUT_OF_ORDER */
  int64_t lock_timeout_ms; /* 0: for ever; a file may say otherwise */
  int32_t lock_retries;    /* how often a lock is tried for again */
  int64_t statement_timeout_ms; /* of each statement; 0: none */
  const char *run;              /* the run's id for the ledger, or NULL */
  int64_t shared_version;       /* of the shared stream, for migrations that require one */
  /*
   * Queue statements of the caller's own into the transaction of the last file, or the last one
   * of a file that is not transactional; NULL for none. May be called again when that is tried again, and is
   * not called when there was nothing to do, or when it is dry.
   */
  void (*add)(void *user, tndb_conn *conn);
  void *user;
} tndb_job_order;

typedef enum tndb_job_step {
  TNDB_JOB_READ,       /* wait until the socket can be read */
  TNDB_JOB_READ_WRITE, /* or written; both no longer than job->deadline */
  TNDB_JOB_PAUSE,      /* step again at job->again_at (tndb_clock_ms()), whatever the socket says */
  TNDB_JOB_CONNECT,    /* the connection is dead: release it and give another, tndb_job_connect() */
  TNDB_JOB_OVER
} tndb_job_step;

typedef enum tndb_job_outcome {
  TNDB_JOB_APPLIED,
  TNDB_JOB_NOTHING, /* there was nothing to do */
  TNDB_JOB_FAILED,  /* job->error tells; files before the one that failed are applied */
  TNDB_JOB_TAKEN,   /* somebody else is at it: the advisory lock or the lease is his */
  TNDB_JOB_BLOCKED  /* a lock was not had in all tries; job->error tells whose it is */
} tndb_job_outcome;

typedef struct tndb_job {
  tndb_job_order order;
  tndb_conn *conn; /* the caller's; dead, or marked as tainted, when it cannot be used any more */
  tndb_job_outcome outcome;
  /* Of the failure, with file, line and statement in its message; its retry advice tells whether to try again. */
  tenantdb_error *error;
  const tndb_migration *failed; /* the file that failed, or NULL */
  int32_t failed_line;
  char *holders;       /* when BLOCKED, whose the lock is, for people; NULL: that could not be told */
  int32_t applied;     /* files */
  int32_t passed_over; /* when dry: files that are not transactional */
  bool added;          /* what `add` queued is committed */
  bool views;       /* views over tenants are to be followed: tndb_job_follow_views(), once for many jobs */
  int64_t version;  /* the target's, as far as it is known */
  int64_t again_at; /* when PAUSE */
  tndb_deadline deadline;       /* of the exchange under way */
  int32_t attempts;             /* of the last file */
  struct tndb_job_state *state; /* the rest: job_state.h */
} tndb_job;

/* MEMORY and INTERNAL only; everything else is an outcome. tndb_job_free() when it succeeded. */
tenantdb_status tndb_job_start(tndb_job *job, const tndb_job_order *order, tndb_conn *conn,
                               tenantdb_error **error);
/* Do what can be done without waiting. */
tndb_job_step tndb_job_advance(tndb_job *job, bool readable);
/*
 * After CONNECT, with job->conn given back: another connection, or NULL and why there is none, which
 * is taken; that ends the job. Then step again.
 */
void tndb_job_connect(tndb_job *job, tndb_conn *conn, tenantdb_error *failure);
/* The connection stays the caller's, and is clean or dead. Over or not: what is under way is rolled back. */
void tndb_job_free(tndb_job *job);
/*
 * The same without stepping: waits in pg/wait.h only. Takes `conn`; job->conn is then another's place or
 * NULL, and to be given back by the caller, tndb_pool_release().
 */
tenantdb_status tndb_job_run(tndb_job *job, const tndb_job_order *order, tndb_conn *conn,
                             tenantdb_error **error);
/* Settle the views over tenants that jobs left stale. Waits for readers a second for each view; says so as an event. */
void tndb_job_follow_views(tenantdb *db);

/*
 * Bring the shared stream to `goal` (INT64_MAX: the newest) and give tenants their rights on new shared
 * tables. Waits for whoever is at it as long as for any lock.
 */
typedef struct tndb_shared_order {
  const tenantdb_migrations *set; /* frozen */
  int64_t goal;
  bool down;
  bool dry;
  bool any_order;
  bool skip_older;
  int64_t lock_timeout_ms;
  int32_t lock_retries;
  int64_t statement_timeout_ms;
  const char *run;
} tndb_shared_order;
typedef struct tndb_shared_result {
  int32_t applied;
  int64_t version;  /* what is reached */
  const char *file; /* the one that failed, the set's; NULL: none did */
  int32_t line;
  char *holders; /* as a job's; tndb_free() */
} tndb_shared_result;
/* *result is filled in both outcomes. */
tenantdb_status tndb_migrate_shared(tenantdb *db, const tndb_shared_order *order, tndb_shared_result *result,
                                    tenantdb_error **error);

#endif
