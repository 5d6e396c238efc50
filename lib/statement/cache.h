/* SPDX-License-Identifier: PostgreSQL */
/*
 * Rendered texts of compiled statements, one for each (statement, schema), the
 * least recently used ones dropped beyond a bound.
 *
 * Rendering takes hardly longer than finding a text again. What costs is all that
 * is derived from a text each time it is run: a hash of all of it, to find out what
 * the server has prepared under it, and a look at what it might leave behind. So a
 * text carries what was found out about it.
 *
 * A cache belongs to one connection. Whoever has that connection is alone with it,
 * so that nothing is locked, and names of schemas that never change there need
 * not be part of the key.
 *
 * A statement may be freed while texts of it are kept: they are found by its serial
 * number, which no other statement gets.
 */
#ifndef TNDB_STATEMENT_CACHE_H
#define TNDB_STATEMENT_CACHE_H

#include "statement/statement.h"

typedef struct tndb_text {
  const char *sql;
  size_t length;
  uint64_t serial;    /* of its statement */
  const char *schema; /* the tenant's, as it was given; "" when none stands in it */
  size_t schema_length;
  void *prepared; /* the connection's: what it has prepared under it, or NULL */
  bool admitted;  /* it was found to be fit to be run */
  bool traceless; /* … and to leave nothing behind by what it calls */
  bool kept;      /* it is in the cache; only then `prepared` may be set */
  int holders;
  uint64_t hash;
  struct tndb_text *next; /* of the same bucket */
  struct tndb_text *newer;
  struct tndb_text *older;
} tndb_text;

/* Zeroed: an empty one. */
typedef struct tndb_texts {
  tndb_text **buckets;
  size_t n_buckets; /* a power of two, or 0 */
  size_t count;
  tndb_text *newest;
  tndb_text *oldest;
  void (*leaving)(tndb_text *text); /* called before a text leaves the cache, when not NULL */
} tndb_texts;

/*
 * The statement's text for a schema; NULL for one where no tenant's tables are
 * named. `most` texts are kept. The shared schema must always be the same.
 * *text is held: tndb_text_release().
 */
tenantdb_status tndb_texts_find(tndb_texts *texts, size_t most, const tenantdb_statement *statement,
                                const char *schema, const char *shared_schema, tndb_text **text,
                                tenantdb_error **error);
tndb_text *tndb_text_hold(tndb_text *text);
/* NULL is allowed. */
void tndb_text_release(tndb_text *text);
void tndb_texts_free(tndb_texts *texts);

#endif
