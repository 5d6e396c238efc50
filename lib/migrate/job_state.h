/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of a job share. Every function that ends in the server's hands
 * queues an exchange and says who looks at its answer (tndb_job_talk); that one
 * looks, and queues the next, pauses, or ends the job. None of them waits.
 */
#ifndef TNDB_MIGRATE_JOB_STATE_H
#define TNDB_MIGRATE_JOB_STATE_H

#include "base/integer.h"
#include "migrate/job.h"

typedef void (*tndb_job_function)(tndb_job *job);

typedef enum tndb_job_doing { TNDB_JOB_WAITS, TNDB_JOB_TALKS, TNDB_JOB_LOST, TNDB_JOB_ENDED } tndb_job_doing;

/* Which statement of an exchange is which. */
typedef struct tndb_job_places {
  size_t bind;
  size_t first; /* of the steps */
  size_t n_steps;
  size_t end; /* of the steps and what belongs to them */
  size_t proof;
  size_t ledger;
  size_t commit;
  size_t rows; /* of a question */
} tndb_job_places;

/* What an undone attempt comes to, when it has been rolled back. */
typedef enum tndb_job_verdict {
  TNDB_VERDICT_FAIL,
  TNDB_VERDICT_AGAIN, /* after a pause: a lock was not had */
  TNDB_VERDICT_LOOK,  /* somebody else has done it meanwhile */
  TNDB_VERDICT_TAKEN,
  TNDB_VERDICT_BLOCKED
} tndb_job_verdict;

/* A file that is not transactional. */
typedef struct tndb_job_lease {
  char fence[TNDB_INT64_TEXT];
  size_t step;     /* the next */
  size_t batch_to; /* the step behind those that are in one transaction */
  char *progress;  /* of a step that is repeated; NULL at first */
  bool resumed;    /* an earlier attempt may have done more than the ledger says */
  bool prepared;   /* the session's settings are made */
  bool to_clean;   /* the step failed: its invalid index is to be dropped, then the file has failed */
  PGresult *found; /* indexes to be dropped, and how far that is */
  int dropped;
  bool is_there;          /* a valid index of the name */
  bool is_gone;           /* … or none at all */
  tndb_job_function then; /* when the index has been seen to */
} tndb_job_lease;

struct tndb_job_state {
  tndb_job_doing doing;
  tndb_job_function answered; /* when talking */
  tndb_job_function resume;   /* when waiting, or with another connection */
  int64_t allowed_ms;         /* for the exchange under way */
  int64_t talks_since;        /* when it began */
  char me[TNDB_UUID_TEXT];
  int32_t lock_key;
  tndb_buffer path;
  size_t at; /* where the search for the next file begins */
  const tndb_migration *file;
  const tndb_steps *steps; /* of the file, or of its way back */
  bool last;               /* of the job */
  bool open;               /* dry: a transaction is */
  bool defaults;           /* the user has to say what the role gets of what he makes */
  bool uncertain;          /* a connection broke with COMMIT sent, and what became of it is not known */
  bool with_add;           /* … and what the caller added was in it */
  bool denied;             /* the server has refused to do the file again */
  int32_t tries;           /* of the file */
  int32_t waits;           /* of them, for a lock that was not had */
  int32_t losses;          /* of connections, one after the other */
  int32_t looks;           /* at the ledger, without getting the lock */
  int64_t pause_ms;
  tndb_deadline patience; /* of looking */
  tndb_job_places places;
  tndb_job_verdict verdict;
  tndb_job_lease lease;
};

/* The file's row in the ledger as parameters: $1 to $11, of which $10 is left open, and two more. */
typedef struct tndb_job_row {
  const char *values[13];
  char version[TNDB_INT64_TEXT];
  char steps[TNDB_INT64_TEXT];
} tndb_job_row;

enum { TNDB_ROW_ATTEMPTS = 9, TNDB_ROW_MORE = 11 };

/* So many connections, one after the other. */
#define TNDB_JOB_MOST_LOSSES 3

/* ---------------------------------------------------------------- job.c: stepping */

/* Begin an exchange. False when there is no connection: then `resume` is called with another. */
bool tndb_job_open(tndb_job *job, tndb_job_function resume);
/* Send what is queued; `allowed_ms` 0: for as long as it takes. */
void tndb_job_talk(tndb_job *job, tndb_job_function answered, int64_t allowed_ms);
/* An answer was lost for want of memory: what became of it is asked on another connection. */
void tndb_job_doubt(tndb_job *job);
void tndb_job_pause(tndb_job *job, int64_t ms, tndb_job_function resume);
void tndb_job_end(tndb_job *job, tndb_job_outcome outcome);
/* job->error is set: the file has failed. */
void tndb_job_fail(tndb_job *job);
/* Nobody knows whether the file was done. */
void tndb_job_end_unknown(tndb_job *job);
/* What the library's own statements may take. */
int64_t tndb_job_own_ms(const tndb_job *job);
/* A file's steps may take as long as their statements are allowed. */
int64_t tndb_job_steps_ms(const tndb_job *job, size_t count);
int64_t tndb_job_lock_ms(const tndb_job *job);
bool tndb_job_is_transactional(const tndb_job *job);
/* How the file is called whose steps are run. */
const char *tndb_job_file_name(const tndb_job *job);

/* ---------------------------------------------------------------- job_next.c: which file */

/* The next file, or the end. */
void tndb_job_next(tndb_job *job);
/* The file is done, and committed. */
void tndb_job_done(tndb_job *job);
/* Read the ledger again, with the target's lock, and go on from there. */
void tndb_job_look(tndb_job *job);

/* ---------------------------------------------------------------- job_file.c, step.c: one file */

void tndb_job_apply(tndb_job *job);
void tndb_job_claim(tndb_job *job);
/* Go on with the steps of a file that has a lease. */
void tndb_job_walk(tndb_job *job);
/* What a step is as the server gets it, its markers replaced; NULL and job->error when it cannot be. tndb_free() */
char *tndb_job_render(tndb_job *job, const tndb_migration_step *step);
/* A step made functions: they are not everybody's. */
bool tndb_job_makes_function(const char *sql);
/* index.c: whether a step builds, rebuilds or drops one without locking others out. */
bool tndb_job_has_index(const tndb_migration_step *step);
/* Look at the index that a step is about, drop what is invalid, then `then`. */
void tndb_job_survey(tndb_job *job, tndb_job_function then);
void tndb_job_lease_clear(tndb_job_lease *lease);

/* ---------------------------------------------------------------- job_text.c: statements */

void tndb_job_send(tndb_job *job, const char *sql);
/* BEGIN, as the library's transactions begin. */
void tndb_job_send_begin(tndb_job *job);
/* Bind, prove, lock, refuse; one statement. */
size_t tndb_job_send_bind(tndb_job *job);
/* Only bind and prove, for a step of a file that has a lease. */
size_t tndb_job_send_scope(tndb_job *job);
/* Prove that nothing has left the scope, and leave it. */
size_t tndb_job_send_proof(tndb_job *job);
void tndb_job_row_of(const tndb_job *job, tndb_job_row *row);
/* The ledger's row of a file that is done, the target's version, the views. */
size_t tndb_job_send_ledger(tndb_job *job);
/* The target's lock: a row with a boolean. */
size_t tndb_job_send_lock(tndb_job *job);
/* What the user makes from now on is the role's to use. */
void tndb_job_send_defaults(tndb_job *job);
/* Functions that it makes are not for everybody. */
void tndb_job_send_revoke(tndb_job *job);
/* The file's row as failed, by job->error. */
size_t tndb_job_send_failed(tndb_job *job);

/* Of a lease (step_text.c). */
size_t tndb_job_send_claim(tndb_job *job);
size_t tndb_job_send_claimed(tndb_job *job); /* why the claim may have failed */
size_t tndb_job_send_mark(tndb_job *job, size_t steps_done, const char *progress);
size_t tndb_job_send_unfinished(tndb_job *job); /* the lease's row as failed, by job->error */
void tndb_job_sum_steps(const tndb_job *job, size_t count, char sum[TNDB_SHA256_HEX]);

/* ---------------------------------------------------------------- job_failure.c: when it fails */

/* An exchange's first failure, if there is one, as job->error and s->verdict; true when there is. */
bool tndb_job_judge(tndb_job *job, const tndb_steps *steps, size_t first_step);
/* Roll back, and do what the verdict says. */
void tndb_job_undo(tndb_job *job);
/* The place of a step in front of job->error. */
void tndb_job_place_error(tndb_job *job, const tndb_migration_step *step);
/* Between half of the pause and all of it. */
int64_t tndb_job_jitter(int64_t pause);
/* The pause before the next try; they become longer. */
int64_t tndb_job_next_pause(tndb_job *job);

#endif
