/* SPDX-License-Identifier: PostgreSQL */
/* A mutex and a condition whose waits end at a monotonic deadline. */
#ifndef TNDB_BASE_MUTEX_H
#define TNDB_BASE_MUTEX_H

#include <pthread.h>
#include <stdbool.h>

#include "base/clock.h"

typedef pthread_mutex_t tndb_mutex;
typedef pthread_cond_t tndb_condition;

bool tndb_mutex_init(tndb_mutex *mutex);
void tndb_mutex_lock(tndb_mutex *mutex);
/* False when somebody holds it. */
bool tndb_mutex_try_lock(tndb_mutex *mutex);
void tndb_mutex_unlock(tndb_mutex *mutex);
void tndb_mutex_destroy(tndb_mutex *mutex);

bool tndb_condition_init(tndb_condition *condition);
/* False when the deadline passed first. May wake for no reason: check again. */
bool tndb_condition_wait(tndb_condition *condition, tndb_mutex *mutex, tndb_deadline deadline);
void tndb_condition_signal(tndb_condition *condition);
void tndb_condition_broadcast(tndb_condition *condition);
void tndb_condition_destroy(tndb_condition *condition);

#endif
