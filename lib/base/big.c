/* SPDX-License-Identifier: PostgreSQL */
#include "base/big.h"

#include <string.h>

/* What would not fit is dropped; who uses this keeps his numbers below 4,096 bits. */
static void push(tndb_big *big, uint32_t word) {
  if (word && big->count < TNDB_BIG_WORDS) {
    big->words[big->count++] = word;
  }
}

static void trim(tndb_big *big) {
  while (big->count && big->words[big->count - 1] == 0) {
    big->count--;
  }
}

void tndb_big_set(tndb_big *big, uint64_t value) {
  big->words[0] = (uint32_t)value;
  big->words[1] = (uint32_t)(value >> 32);
  big->count = 2;
  trim(big);
}

void tndb_big_multiply(tndb_big *big, uint32_t factor, uint32_t more) {
  uint64_t carry = more;
  for (size_t i = 0; i < big->count; i++) {
    carry += (uint64_t)big->words[i] * factor;
    big->words[i] = (uint32_t)carry;
    carry >>= 32;
  }
  push(big, (uint32_t)carry);
}

void tndb_big_multiply_power_of_ten(tndb_big *big, unsigned power) {
  for (; power >= 9; power -= 9) {
    tndb_big_multiply(big, 1000000000, 0);
  }
  for (; power > 0; power--) {
    tndb_big_multiply(big, 10, 0);
  }
}

void tndb_big_shift(tndb_big *big, unsigned bits) {
  size_t words = bits / 32;
  unsigned rest = bits % 32;
  if (rest) {
    uint32_t carry = 0;
    for (size_t i = 0; i < big->count; i++) {
      uint32_t word = big->words[i];
      big->words[i] = word << rest | carry;
      carry = word >> (32 - rest);
    }
    push(big, carry);
  }
  if (words && big->count && big->count + words <= TNDB_BIG_WORDS) {
    memmove(big->words + words, big->words, big->count * sizeof big->words[0]);
    memset(big->words, 0, words * sizeof big->words[0]);
    big->count += words;
  }
}

void tndb_big_add(tndb_big *big, const tndb_big *other) {
  uint64_t carry = 0;
  while (big->count < other->count) {
    big->words[big->count++] = 0;
  }
  for (size_t i = 0; i < big->count; i++) {
    carry += (uint64_t)big->words[i] + (i < other->count ? other->words[i] : 0);
    big->words[i] = (uint32_t)carry;
    carry >>= 32;
  }
  push(big, (uint32_t)carry);
}

void tndb_big_subtract(tndb_big *big, const tndb_big *other) {
  uint64_t borrow = 0;
  for (size_t i = 0; i < big->count && (i < other->count || borrow); i++) {
    uint64_t taken = (i < other->count ? other->words[i] : 0) + borrow;
    borrow = big->words[i] < taken;
    big->words[i] = (uint32_t)(big->words[i] - taken);
  }
  trim(big);
}

int tndb_big_compare(const tndb_big *a, const tndb_big *b) {
  if (a->count != b->count) {
    return a->count < b->count ? -1 : 1;
  }
  for (size_t i = a->count; i-- > 0;) {
    if (a->words[i] != b->words[i]) {
      return a->words[i] < b->words[i] ? -1 : 1;
    }
  }
  return 0;
}

unsigned tndb_big_bits(const tndb_big *big) {
  unsigned bits = big->count ? (unsigned)(big->count - 1) * 32 : 0;
  for (uint32_t top = big->count ? big->words[big->count - 1] : 0; top; top >>= 1) {
    bits++;
  }
  return bits;
}
