/* SPDX-License-Identifier: PostgreSQL */
/* Natural numbers of up to 4,096 bits: what exact conversion between doubles and decimals needs. */
#ifndef TNDB_BASE_BIG_H
#define TNDB_BASE_BIG_H

#include <stddef.h>
#include <stdint.h>

enum { TNDB_BIG_WORDS = 128 };

/* The lowest word first; the highest that counts is not 0. */
typedef struct tndb_big {
  size_t count;
  uint32_t words[TNDB_BIG_WORDS];
} tndb_big;

void tndb_big_set(tndb_big *big, uint64_t value);
/* big * factor + more */
void tndb_big_multiply(tndb_big *big, uint32_t factor, uint32_t more);
void tndb_big_multiply_power_of_ten(tndb_big *big, unsigned power);
void tndb_big_shift(tndb_big *big, unsigned bits);
void tndb_big_add(tndb_big *big, const tndb_big *other);
/* `other` is not the greater. */
void tndb_big_subtract(tndb_big *big, const tndb_big *other);
/* Less than 0, 0, more than 0. */
int tndb_big_compare(const tndb_big *a, const tndb_big *b);
/* How many bits it has, 0 for 0. */
unsigned tndb_big_bits(const tndb_big *big);

#endif
