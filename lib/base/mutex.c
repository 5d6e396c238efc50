/* SPDX-License-Identifier: PostgreSQL */
#include "base/mutex.h"

#include <errno.h>
#include <time.h>

bool tndb_mutex_init(tndb_mutex *mutex) {
  return pthread_mutex_init(mutex, NULL) == 0;
}

void tndb_mutex_lock(tndb_mutex *mutex) {
  (void)pthread_mutex_lock(mutex);
}

bool tndb_mutex_try_lock(tndb_mutex *mutex) {
  return pthread_mutex_trylock(mutex) == 0;
}

void tndb_mutex_unlock(tndb_mutex *mutex) {
  (void)pthread_mutex_unlock(mutex);
}

void tndb_mutex_destroy(tndb_mutex *mutex) {
  (void)pthread_mutex_destroy(mutex);
}

bool tndb_condition_init(tndb_condition *condition) {
  pthread_condattr_t attributes;
  if (pthread_condattr_init(&attributes) != 0) {
    return false;
  }
  bool done = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
              pthread_cond_init(condition, &attributes) == 0;
  (void)pthread_condattr_destroy(&attributes);
  return done;
}

bool tndb_condition_wait(tndb_condition *condition, tndb_mutex *mutex, tndb_deadline deadline) {
  if (deadline == TNDB_NEVER) {
    return pthread_cond_wait(condition, mutex) == 0;
  }
  struct timespec until = {(time_t)(deadline / 1000), (long)(deadline % 1000) * 1000000L};
  return pthread_cond_timedwait(condition, mutex, &until) != ETIMEDOUT;
}

void tndb_condition_signal(tndb_condition *condition) {
  (void)pthread_cond_signal(condition);
}

void tndb_condition_broadcast(tndb_condition *condition) {
  (void)pthread_cond_broadcast(condition);
}

void tndb_condition_destroy(tndb_condition *condition) {
  (void)pthread_cond_destroy(condition);
}
