/* SPDX-License-Identifier: PostgreSQL */
/* How much memory this process has in core, where the system tells. */
#ifndef TNDB_RESIDENT_H
#define TNDB_RESIDENT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Sanitizers keep freed memory, so that there is nothing to be learnt under them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RESIDENT_UNKNOWN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RESIDENT_UNKNOWN 1
#endif
#endif
#ifndef RESIDENT_UNKNOWN
#define RESIDENT_UNKNOWN 0
#endif

/* valgrind's own memory is the process's, too. It preloads a library into it. */
static inline int resident_is_known(void) {
  const char *preloaded = getenv("LD_PRELOAD");
  return !RESIDENT_UNKNOWN && !(preloaded && strstr(preloaded, "vgpreload"));
}

/* In KiB; -1 when the system does not tell. */
static inline int64_t resident_kib(void) {
  long long all = 0, resident = 0;
  FILE *file = resident_is_known() ? fopen("/proc/self/statm", "r") : NULL;
  if (!file) {
    return -1;
  }
  int read = fscanf(file, "%lld %lld", &all, &resident);
  fclose(file);
  return read == 2 ? (int64_t)resident * (int64_t)(sysconf(_SC_PAGESIZE) / 1024) : -1;
}

#endif
