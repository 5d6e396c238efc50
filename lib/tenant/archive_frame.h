/* SPDX-License-Identifier: PostgreSQL */
/*
 * Archives, the outer form: a file is a head and records.
 *
 *   head    8 bytes   0x89 "TNDB" CR LF 0x1A
 *           4 bytes   the version of the format
 *   record  1 byte    its type
 *           4 bytes   length of the payload
 *           payload
 *           8 bytes   the check: the first bytes of the SHA-256 of everything in
 *                     the file before the check
 *
 * Numbers are big-endian. A check depends on all that was before it, so that a
 * record cannot be changed, left out, doubled or moved without a check that
 * follows being wrong; and a payload is not looked at before its check was. The
 * last record is TNDB_ARCHIVE_END, so that a file that was cut off between two
 * records is known too. What is in the payloads is archive_content.h's.
 */
#ifndef TNDB_TENANT_ARCHIVE_FRAME_H
#define TNDB_TENANT_ARCHIVE_FRAME_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/sha256.h"

#define TNDB_ARCHIVE_VERSION 1
#define TNDB_ARCHIVE_HEAD 12
#define TNDB_ARCHIVE_CHECK 8
/* Rows come in payloads of this size; others may be longer, up to the limit. */
#define TNDB_ARCHIVE_CHUNK 65536
#define TNDB_ARCHIVE_LONGEST (16 * 1024 * 1024)

enum {
  TNDB_ARCHIVE_HEADER = 'H',
  TNDB_ARCHIVE_TABLE = 'T',
  TNDB_ARCHIVE_REFERENCE = 'F',
  TNDB_ARCHIVE_KEYS = 'K',
  TNDB_ARCHIVE_KEYS_END = 'L',
  TNDB_ARCHIVE_BEGIN = 'B',
  TNDB_ARCHIVE_ROWS = 'D',
  TNDB_ARCHIVE_ROWS_END = 'E',
  TNDB_ARCHIVE_SEQUENCE = 'Q',
  TNDB_ARCHIVE_END = 'Z'
};

/* ---------------------------------------------------------------- writing */

typedef struct tndb_archive_out {
  tndb_buffer bytes; /* finished, and not taken yet; failed: memory ran out */
  tndb_sha256 hash;
  uint64_t records;
} tndb_archive_out;

void tndb_archive_out_start(tndb_archive_out *out);
void tndb_archive_out_record(tndb_archive_out *out, char type, const void *payload, size_t length);
/* The SHA-256 of all so far, for the last record. */
void tndb_archive_out_sum(const tndb_archive_out *out, unsigned char digest[TNDB_SHA256_BYTES]);
void tndb_archive_out_free(tndb_archive_out *out);

/* ---------------------------------------------------------------- reading */

typedef struct tndb_archive_in {
  tndb_buffer part; /* of what is being collected */
  size_t wanted;    /* bytes of it */
  int32_t stage;
  char type;
  uint64_t offset; /* of the record's beginning in the file */
  uint64_t read;
  uint64_t records;
  tndb_sha256 hash;
  unsigned char sum[TNDB_SHA256_BYTES]; /* of all before the record at hand */
  bool ended;
} tndb_archive_in;

/* A record whose check was right; `in->sum` is of what came before it. */
typedef tenantdb_status (*tndb_archive_take)(void *user, char type, const unsigned char *payload,
                                             size_t length, tenantdb_error **error);

void tndb_archive_in_start(tndb_archive_in *in);
/* Any number of bytes; every record that becomes whole is handed on. Stops at the first failure. */
tenantdb_status tndb_archive_in_feed(tndb_archive_in *in, const void *bytes, size_t length,
                                     tndb_archive_take take, void *user, tenantdb_error **error);
/* There are no more bytes: was it all? */
tenantdb_status tndb_archive_in_finish(const tndb_archive_in *in, tenantdb_error **error);
void tndb_archive_in_free(tndb_archive_in *in);

/* ---------------------------------------------------------------- numbers and texts */

void tndb_put_number(tndb_buffer *bytes, uint64_t number, size_t width);
void tndb_put_text(tndb_buffer *bytes, const char *text);

/* Reading a payload: a sticky mistake, and what is taken after it is 0 and "". */
typedef struct tndb_payload {
  const unsigned char *at;
  size_t left;
  bool wrong; /* too short, or a text that is none */
  bool no_memory;
} tndb_payload;

uint64_t tndb_take_number(tndb_payload *payload, size_t width);
/* A copy, which is the caller's; NULL when there is none to be had. UTF-8 without NUL. */
char *tndb_take_text(tndb_payload *payload);

#endif
