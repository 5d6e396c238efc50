/* SPDX-License-Identifier: PostgreSQL */
/* SHA-256 (FIPS 180-4): fingerprints of the registry and of requests, sums of files. Not for secrets. */
#ifndef TNDB_BASE_SHA256_H
#define TNDB_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define TNDB_SHA256_BYTES 32
#define TNDB_SHA256_HEX 65

typedef struct tndb_sha256 {
  uint32_t state[8];
  uint64_t length;
  unsigned char block[64];
} tndb_sha256;

void tndb_sha256_start(tndb_sha256 *hash);
void tndb_sha256_add(tndb_sha256 *hash, const void *bytes, size_t length);
void tndb_sha256_finish(tndb_sha256 *hash, unsigned char digest[TNDB_SHA256_BYTES]);
/* All of it at once, as hexadecimal text with its NUL. */
void tndb_sha256_hex(const void *bytes, size_t length, char text[TNDB_SHA256_HEX]);

#endif
