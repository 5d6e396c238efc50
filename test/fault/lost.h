/* SPDX-License-Identifier: PostgreSQL */
/* Clients that the server loses: killed, or cut off. */
#ifndef TNDB_FAULT_LOST_H
#define TNDB_FAULT_LOST_H

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

/*
 * Wait until nothing is left of connections that were cut: their back ends may
 * go on to the end of their statement.
 */
static inline void fault_wait_quiet(const char *url) {
  for (int i = 0; i < 500; i++) {
    if (harness_count(url,
                      "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> "
                      "'idle' AND pid <> pg_backend_pid() AND application_name = 'tenantdb'") == 0) {
      return;
    }
    fixture_pause_us(10000);
  }
  fail_msg("a back end goes on for more than five seconds");
}

/* A child opens the database and works in it; so long after it began it is killed, its connections open. */
static inline void fault_kill_child(const char *url, const char *const *options,
                                    void (*work)(tenantdb *db, int round), int round, unsigned after_us) {
  int ready[2];
  char byte = 0;
  assert_int_equal(pipe(ready), 0);
  pid_t child = fork();
  if (child == 0) {
    tenantdb *db = fixture_open(url, NULL, options);
    if (write(ready[1], "x", 1) == 1) {
      work(db, round);
    }
    pause();
    _exit(0);
  }
  assert_true(child > 0);
  assert_int_equal(read(ready[0], &byte, 1), 1);
  fixture_pause_us(after_us);
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  close(ready[0]);
  close(ready[1]);
}

#endif
