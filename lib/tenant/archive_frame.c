/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/archive_frame.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"

static const char magic[] = "\x89TNDB\r\n\x1a";
enum { MAGIC_BYTES = 8, RECORD_HEAD = 5 };

/* ---------------------------------------------------------------- numbers and texts */

void tndb_put_number(tndb_buffer *bytes, uint64_t number, size_t width) {
  char text[8];
  for (size_t i = 0; i < width; i++) {
    text[i] = (char)(unsigned char)(number >> (8 * (width - 1 - i)));
  }
  tndb_buffer_append_n(bytes, text, width);
}

void tndb_put_text(tndb_buffer *bytes, const char *text) {
  size_t length = strlen(text);
  tndb_put_number(bytes, length, 4);
  tndb_buffer_append_n(bytes, text, length);
}

uint64_t tndb_take_number(tndb_payload *payload, size_t width) {
  uint64_t number = 0;
  payload->wrong = payload->wrong || payload->left < width;
  for (size_t i = 0; !payload->wrong && i < width; i++) {
    number = number << 8 | *payload->at++;
    payload->left--;
  }
  return number;
}

char *tndb_take_text(tndb_payload *payload) {
  size_t length = (size_t)tndb_take_number(payload, 4);
  const char *text = (const char *)payload->at;
  payload->wrong = payload->wrong || payload->left < length ||
                   (length > 0 && (memchr(text, 0, length) || !tndb_utf8_valid(text, length, NULL)));
  if (payload->wrong) {
    return NULL;
  }
  payload->at += length;
  payload->left -= length;
  char *copy = tndb_strndup(length ? text : "", length);
  payload->no_memory = payload->no_memory || !copy;
  return copy;
}

static void sum(const tndb_sha256 *hash, unsigned char digest[TNDB_SHA256_BYTES]) {
  tndb_sha256 copy = *hash;
  tndb_sha256_finish(&copy, digest);
}

/* ---------------------------------------------------------------- writing */

static void put(tndb_archive_out *out, const void *bytes, size_t length) {
  tndb_buffer_append_n(&out->bytes, bytes, length);
  tndb_sha256_add(&out->hash, bytes, length);
}

static void put_number(tndb_archive_out *out, uint64_t number, size_t width) {
  size_t from = out->bytes.length;
  tndb_put_number(&out->bytes, number, width);
  if (!out->bytes.failed) {
    tndb_sha256_add(&out->hash, out->bytes.data + from, width);
  }
}

void tndb_archive_out_start(tndb_archive_out *out) {
  *out = (tndb_archive_out){.bytes = TNDB_BUFFER_INIT};
  tndb_sha256_start(&out->hash);
  put(out, magic, MAGIC_BYTES);
  put_number(out, TNDB_ARCHIVE_VERSION, 4);
}

void tndb_archive_out_record(tndb_archive_out *out, char type, const void *payload, size_t length) {
  unsigned char digest[TNDB_SHA256_BYTES];
  out->bytes.failed = out->bytes.failed || length > TNDB_ARCHIVE_LONGEST;
  put(out, &type, 1);
  put_number(out, length, 4);
  if (length > 0) {
    put(out, payload, length);
  }
  sum(&out->hash, digest);
  put(out, digest, TNDB_ARCHIVE_CHECK);
  out->records++;
}

void tndb_archive_out_sum(const tndb_archive_out *out, unsigned char digest[TNDB_SHA256_BYTES]) {
  sum(&out->hash, digest);
}

void tndb_archive_out_free(tndb_archive_out *out) {
  tndb_buffer_free(&out->bytes);
}

/* ---------------------------------------------------------------- reading */

enum { HEAD, RECORD, PAYLOAD };

void tndb_archive_in_start(tndb_archive_in *in) {
  *in = (tndb_archive_in){.part = TNDB_BUFFER_INIT, .wanted = TNDB_ARCHIVE_HEAD, .stage = HEAD};
  tndb_sha256_start(&in->hash);
}

void tndb_archive_in_free(tndb_archive_in *in) {
  tndb_buffer_free(&in->part);
}

static tenantdb_status damaged(const tndb_archive_in *in, const char *how, tenantdb_error **error) {
  return tndb_origin(
      error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARCHIVE,
      "the archive is damaged: %s (record %llu, which begins at byte %llu); get another copy of it", how,
      (unsigned long long)in->records + 1, (unsigned long long)in->offset);
}

static void next_stage(tndb_archive_in *in, int32_t stage, size_t wanted) {
  in->stage = stage;
  in->wanted = wanted;
}

static tenantdb_status take_head(tndb_archive_in *in, tenantdb_error **error) {
  tndb_payload head = {(const unsigned char *)in->part.data + MAGIC_BYTES, 4, false, false};
  uint64_t version = tndb_take_number(&head, 4);
  if (memcmp(in->part.data, magic, MAGIC_BYTES) != 0) {
    bool changed = memcmp(in->part.data + 1, "TNDB", 4) == 0;
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARCHIVE,
                       "this is no archive of a tenant%s",
                       changed ? " any more: something has changed its line ends or its bytes, as a transfer "
                                 "in text mode does"
                               : "");
  }
  if (version != TNDB_ARCHIVE_VERSION) {
    return tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_ARCHIVE_NEWER,
                       "the archive is of format %llu, and this library knows format %d: use a newer library",
                       (unsigned long long)version, TNDB_ARCHIVE_VERSION);
  }
  tndb_sha256_add(&in->hash, in->part.data, TNDB_ARCHIVE_HEAD);
  tndb_buffer_clear(&in->part);
  in->offset = TNDB_ARCHIVE_HEAD;
  next_stage(in, RECORD, RECORD_HEAD);
  return TENANTDB_OK;
}

static tenantdb_status take_record_head(tndb_archive_in *in, tenantdb_error **error) {
  tndb_payload head = {(const unsigned char *)in->part.data + 1, 4, false, false};
  uint64_t length = tndb_take_number(&head, 4);
  if (length > TNDB_ARCHIVE_LONGEST) {
    return damaged(in, "a length is beyond every measure", error);
  }
  in->type = in->part.data[0];
  sum(&in->hash, in->sum);
  tndb_sha256_add(&in->hash, in->part.data, RECORD_HEAD);
  tndb_buffer_clear(&in->part);
  next_stage(in, PAYLOAD, (size_t)length + TNDB_ARCHIVE_CHECK);
  return TENANTDB_OK;
}

static tenantdb_status take_record(tndb_archive_in *in, tndb_archive_take take, void *user,
                                   tenantdb_error **error) {
  unsigned char digest[TNDB_SHA256_BYTES];
  size_t length = in->wanted - TNDB_ARCHIVE_CHECK;
  tndb_sha256_add(&in->hash, in->part.data, length);
  sum(&in->hash, digest);
  if (memcmp(digest, in->part.data + length, TNDB_ARCHIVE_CHECK) != 0) {
    return damaged(in, "a check is wrong", error);
  }
  tndb_sha256_add(&in->hash, digest, TNDB_ARCHIVE_CHECK);
  in->ended = in->type == TNDB_ARCHIVE_END;
  tenantdb_status status = take(user, in->type, (const unsigned char *)in->part.data, length, error);
  in->records++;
  in->offset = in->read;
  tndb_buffer_clear(&in->part);
  next_stage(in, RECORD, RECORD_HEAD);
  return status;
}

tenantdb_status tndb_archive_in_feed(tndb_archive_in *in, const void *bytes, size_t length,
                                     tndb_archive_take take, void *user, tenantdb_error **error) {
  const char *at = bytes;
  tenantdb_status status = TENANTDB_OK;
  while (!status && length > 0) {
    if (in->ended) {
      return damaged(in, "there is something behind its end", error);
    }
    size_t part = in->wanted - in->part.length;
    part = part < length ? part : length;
    tndb_buffer_append_n(&in->part, at, part);
    if (in->part.failed) {
      return tndb_no_memory(error);
    }
    at += part;
    length -= part;
    in->read += part;
    if (in->part.length < in->wanted) {
      break;
    }
    status = in->stage == HEAD     ? take_head(in, error)
             : in->stage == RECORD ? take_record_head(in, error)
                                   : take_record(in, take, user, error);
  }
  return status;
}

tenantdb_status tndb_archive_in_finish(const tndb_archive_in *in, tenantdb_error **error) {
  if (in->ended) {
    return TENANTDB_OK;
  }
  return tndb_origin(
      error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARCHIVE,
      "the archive is cut off: it ends after %llu bytes, in record %llu; get another copy of it",
      (unsigned long long)in->read, (unsigned long long)in->records + 1);
}
