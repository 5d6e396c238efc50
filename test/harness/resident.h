/* SPDX-License-Identifier: PostgreSQL */
/* How much memory this process has in core, where the system tells. */
#ifndef TNDB_RESIDENT_H
#define TNDB_RESIDENT_H

#include <stdint.h>
#include <stdio.h>
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

/* In KiB; -1 when the system does not tell. */
static inline int64_t resident_kib(void) {
  long long all = 0, resident = 0;
  FILE *file = RESIDENT_UNKNOWN ? NULL : fopen("/proc/self/statm", "r");
  if (!file) {
    return -1;
  }
  int read = fscanf(file, "%lld %lld", &all, &resident);
  fclose(file);
  return read == 2 ? (int64_t)resident * (int64_t)(sysconf(_SC_PAGESIZE) / 1024) : -1;
}

#endif
