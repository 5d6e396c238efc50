/* SPDX-License-Identifier: PostgreSQL */
#include "statement/cache.h"

#include <string.h>

#include "base/memory.h"

#define FIRST_BUCKETS 16

static uint64_t mix(uint64_t hash, uint64_t with) {
  hash = (hash ^ with) * UINT64_C(0x9E3779B97F4A7C15);
  return hash ^ (hash >> 29);
}

/* Eight bytes at a time: the names are short, and this is on the way of every statement. */
static uint64_t hash_of(uint64_t serial, const char *schema, size_t length) {
  uint64_t hash = mix(length, serial), bytes = 0;
  if (length < sizeof bytes) {
    for (size_t i = 0; i < length; i++) {
      bytes = bytes << 8 | (unsigned char)schema[i];
    }
    return mix(hash, bytes);
  }
  for (size_t i = 0; i + sizeof bytes < length; i += sizeof bytes) {
    memcpy(&bytes, schema + i, sizeof bytes);
    hash = mix(hash, bytes);
  }
  memcpy(&bytes, schema + length - sizeof bytes, sizeof bytes);
  return mix(hash, bytes);
}

/* ---------------------------------------------------------------- the list of use */

static void unlink_text(tndb_texts *texts, tndb_text *text) {
  *(text->newer ? &text->newer->older : &texts->newest) = text->older;
  *(text->older ? &text->older->newer : &texts->oldest) = text->newer;
}

static void link_newest(tndb_texts *texts, tndb_text *text) {
  text->newer = NULL;
  text->older = texts->newest;
  *(texts->newest ? &texts->newest->newer : &texts->oldest) = text;
  texts->newest = text;
}

/* ---------------------------------------------------------------- the buckets */

/* A fuller table is slower, not wrong: without memory for a bigger one it stays as it is. */
static void grow(tndb_texts *texts) {
  size_t n = texts->n_buckets ? texts->n_buckets * 2 : FIRST_BUCKETS;
  tndb_text **buckets = tndb_alloc_array(n, sizeof(tndb_text *));
  if (!buckets) {
    return;
  }
  for (tndb_text *text = texts->oldest; text; text = text->newer) {
    tndb_text **bucket = &buckets[text->hash & (n - 1)];
    text->next = *bucket;
    *bucket = text;
  }
  tndb_free(texts->buckets);
  texts->buckets = buckets;
  texts->n_buckets = n;
}

static void drop(tndb_texts *texts, tndb_text *text) {
  tndb_text **at = &texts->buckets[text->hash & (texts->n_buckets - 1)];
  while (*at != text) {
    at = &(*at)->next;
  }
  *at = text->next;
  unlink_text(texts, text);
  texts->count--;
  if (texts->leaving) {
    texts->leaving(text);
  }
  text->kept = false;
  tndb_text_release(text);
}

static void keep(tndb_texts *texts, size_t most, tndb_text *text) {
  if (most == 0) {
    return;
  }
  while (texts->count >= most) {
    drop(texts, texts->oldest);
  }
  if (texts->count >= texts->n_buckets) {
    grow(texts);
  }
  if (!texts->n_buckets) {
    return;
  }
  tndb_text **bucket = &texts->buckets[text->hash & (texts->n_buckets - 1)];
  text->next = *bucket;
  *bucket = text;
  link_newest(texts, text);
  texts->count++;
  text->kept = true;
  text->holders++;
}

/* ---------------------------------------------------------------- texts */

/* One block: the text's description, the schema, the SQL. */
static tenantdb_status make(const tenantdb_statement *statement, const char *schema, size_t schema_length,
                            const char *shared_schema, tndb_text **out, tenantdb_error **error) {
  tndb_rendering rendering;
  tenantdb_status status = tndb_rendering_start(&rendering, statement, schema, shared_schema, error);
  if (status) {
    return status;
  }
  tndb_text *text = tndb_alloc(sizeof *text + schema_length + 1 + rendering.length + 1);
  if (!text) {
    return tndb_no_memory(error);
  }
  char *name = (char *)(text + 1), *sql = name + schema_length + 1;
  memcpy(name, schema_length ? schema : "", schema_length);
  tndb_rendering_write(&rendering, sql, rendering.length + 1);
  text->sql = sql;
  text->length = rendering.length;
  text->serial = tndb_statement_serial(statement);
  text->schema = name;
  text->schema_length = schema_length;
  text->holders = 1;
  *out = text;
  return TENANTDB_OK;
}

tenantdb_status tndb_texts_find(tndb_texts *texts, size_t most, const tenantdb_statement *statement,
                                const char *schema, const char *shared_schema, tndb_text **out,
                                tenantdb_error **error) {
  *out = NULL;
  tenantdb_status status = tndb_statement_check(statement, error);
  if (status) {
    return status;
  }
  uint64_t serial = tndb_statement_serial(statement);
  size_t length = schema && tndb_statement_names_tenant(statement) ? strlen(schema) : 0;
  uint64_t hash = hash_of(serial, schema, length);
  tndb_text *text = texts->n_buckets ? texts->buckets[hash & (texts->n_buckets - 1)] : NULL;
  while (text && !(text->hash == hash && text->serial == serial && text->schema_length == length &&
                   (length == 0 || memcmp(text->schema, schema, length) == 0))) {
    text = text->next;
  }
  if (text && text != texts->newest) {
    unlink_text(texts, text);
    link_newest(texts, text);
  }
  if (text) {
    text->holders++;
    *out = text;
    return TENANTDB_OK;
  }
  status = make(statement, schema, length, shared_schema, out, error);
  if (!status) {
    (*out)->hash = hash;
    keep(texts, most, *out);
  }
  return status;
}

tndb_text *tndb_text_hold(tndb_text *text) {
  text->holders++;
  return text;
}

void tndb_text_release(tndb_text *text) {
  if (text && --text->holders == 0) {
    tndb_free(text);
  }
}

void tndb_texts_free(tndb_texts *texts) {
  while (texts->oldest) {
    drop(texts, texts->oldest);
  }
  tndb_free(texts->buckets);
  *texts = (tndb_texts){.leaving = texts->leaving};
}
