/* SPDX-License-Identifier: PostgreSQL */
#include "base/sha256.h"

#include <string.h>

static const uint32_t k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t x, unsigned n) {
  return (x >> n) | (x << (32 - n));
}

/* One round: of the eight words only d and h change. They change places from round to round instead of moving. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                                             \
  do {                                                                                               \
    uint32_t t =                                                                                     \
        h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (g ^ (e & (f ^ g))) + k[i] + w[(i)&15]; \
    d += t;                                                                                          \
    h = t + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) | (c & (a | b)));              \
  } while (0)

/* The next sixteen words of the schedule, in place of the last. */
static void extend(uint32_t w[16]) {
  for (size_t i = 0; i < 16; i++) {
    uint32_t x = w[(i + 1) & 15], y = w[(i + 14) & 15];
    w[i] += (rotate(x, 7) ^ rotate(x, 18) ^ (x >> 3)) + w[(i + 9) & 15] +
            (rotate(y, 17) ^ rotate(y, 19) ^ (y >> 10));
  }
}

static void compress(uint32_t state[8], const unsigned char block[64]) {
  uint32_t w[16];
  for (size_t i = 0; i < 16; i++) {
    w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
           block[4 * i + 3];
  }
  uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
  uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
  for (size_t i = 0; i < 64; i += 8) {
    if (i > 0 && i % 16 == 0) {
      extend(w);
    }
    ROUND(a, b, c, d, e, f, g, h, i);
    ROUND(h, a, b, c, d, e, f, g, i + 1);
    ROUND(g, h, a, b, c, d, e, f, i + 2);
    ROUND(f, g, h, a, b, c, d, e, i + 3);
    ROUND(e, f, g, h, a, b, c, d, i + 4);
    ROUND(d, e, f, g, h, a, b, c, i + 5);
    ROUND(c, d, e, f, g, h, a, b, i + 6);
    ROUND(b, c, d, e, f, g, h, a, i + 7);
  }
  const uint32_t sums[8] = {a, b, c, d, e, f, g, h};
  for (size_t i = 0; i < 8; i++) {
    state[i] += sums[i];
  }
}

void tndb_sha256_start(tndb_sha256 *hash) {
  static const uint32_t initial[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  memcpy(hash->state, initial, sizeof initial);
  hash->length = 0;
}

void tndb_sha256_add(tndb_sha256 *hash, const void *bytes, size_t length) {
  const unsigned char *from = bytes;
  while (length > 0) {
    size_t filled = hash->length % 64;
    size_t part = 64 - filled < length ? 64 - filled : length;
    memcpy(hash->block + filled, from, part);
    hash->length += part;
    from += part;
    length -= part;
    if (hash->length % 64 == 0) {
      compress(hash->state, hash->block);
    }
  }
}

void tndb_sha256_finish(tndb_sha256 *hash, unsigned char digest[TNDB_SHA256_BYTES]) {
  uint64_t bits = hash->length * 8;
  static const unsigned char padding[64] = {0x80};
  size_t filled = hash->length % 64;
  tndb_sha256_add(hash, padding, filled < 56 ? 56 - filled : 120 - filled);
  unsigned char size[8];
  for (size_t i = 0; i < 8; i++) {
    size[i] = (unsigned char)(bits >> (56 - 8 * i));
  }
  tndb_sha256_add(hash, size, sizeof size);
  for (size_t i = 0; i < TNDB_SHA256_BYTES; i++) {
    digest[i] = (unsigned char)(hash->state[i / 4] >> (24 - 8 * (i % 4)));
  }
}

void tndb_sha256_hex(const void *bytes, size_t length, char text[TNDB_SHA256_HEX]) {
  static const char hex[] = "0123456789abcdef";
  unsigned char digest[TNDB_SHA256_BYTES];
  tndb_sha256 hash;
  tndb_sha256_start(&hash);
  tndb_sha256_add(&hash, bytes, length);
  tndb_sha256_finish(&hash, digest);
  for (size_t i = 0; i < TNDB_SHA256_BYTES; i++) {
    text[2 * i] = hex[digest[i] >> 4];
    text[2 * i + 1] = hex[digest[i] & 15];
  }
  text[TNDB_SHA256_HEX - 1] = '\0';
}
