/* SPDX-License-Identifier: PostgreSQL */
/*
 * A database for programs that cannot call the harness: "database" makes one,
 * prints its URI, waits for the end of its input, and drops it with its roles.
 * "database sweep" drops what programs that crashed have left.
 */
#include <stdio.h>
#include <string.h>

#include "harness.h"

int main(int argc, char **argv) {
  if (argc > 1 && strcmp(argv[1], "sweep") == 0) {
    harness_sweep();
    return 0;
  }
  const char *url = harness_database();
  puts(url);
  fflush(stdout);
  while (getchar() != EOF) {
  }
  harness_drop_database(url);
  return 0;
}
