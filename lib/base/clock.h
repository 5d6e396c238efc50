/* SPDX-License-Identifier: PostgreSQL */
/* Deadlines on the monotonic clock, in milliseconds. */
#ifndef TNDB_BASE_CLOCK_H
#define TNDB_BASE_CLOCK_H

#include <stdint.h>

/* A moment on the monotonic clock; TNDB_NEVER for no deadline. */
typedef int64_t tndb_deadline;
#define TNDB_NEVER INT64_MAX

int64_t tndb_clock_ms(void);
int64_t tndb_clock_us(void);
/* The time of day, UTC, since 1970: to be shown, not to be reckoned with. */
int64_t tndb_clock_utc_ms(void);
/* The deadline that many milliseconds from now; 0 or less means never. */
tndb_deadline tndb_deadline_in(int64_t milliseconds);
/* The earlier of two. */
tndb_deadline tndb_deadline_min(tndb_deadline a, tndb_deadline b);
/* Milliseconds left for poll(): 0 when it has passed, -1 for never. */
int tndb_deadline_left(tndb_deadline deadline);
/* Wait; the only sleep there is. */
void tndb_clock_sleep_ms(int64_t milliseconds);

#endif
