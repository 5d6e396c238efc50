/* SPDX-License-Identifier: PostgreSQL */
#include "pg/prepared.h"

#include <string.h>

#include "base/buffer.h"
#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"

typedef enum entry_state {
  SEEN,    /* came once; not prepared */
  PENDING, /* Parse is queued in the exchange under way */
  READY    /* the server has it */
} entry_state;

typedef struct entry {
  struct entry *newer;
  struct entry *older;
  char *key;
  tndb_text *text; /* the text that leads here without the key, or NULL; then these too: */
  size_t scope_at; /* where the scope stands in the key, */
  size_t scope_length;
  uint32_t *types; /* what it was prepared with */
  int32_t n_types;
  entry_state state;
  char name[40];
  size_t parse_place;
} entry;

struct tndb_prepared {
  tndb_map entries;
  entry *newest;
  entry *oldest;
  uint64_t made;   /* numbers the names */
  uint32_t salt;   /* in the names: should another process get to see one, it is nobody else's */
  tndb_buffer key; /* room that is used again for every look-up */
  size_t scope_at; /* of the key of a text that was last made */
  tndb_texts texts;
  bool any_pending;
  bool any_dropped;
  size_t drop_place; /* of the last DEALLOCATE in the exchange under way */
  bool distrusted;   /* the server may have names that we have forgotten: drop them all first */
};

/* ---------------------------------------------------------------- the list of use */

static void unlink_entry(struct tndb_prepared *cache, entry *e) {
  *(e->newer ? &e->newer->older : &cache->newest) = e->older;
  *(e->older ? &e->older->newer : &cache->oldest) = e->newer;
  e->newer = e->older = NULL;
}

static void link_newest(struct tndb_prepared *cache, entry *e) {
  e->older = cache->newest;
  e->newer = NULL;
  *(cache->newest ? &cache->newest->newer : &cache->oldest) = e;
  cache->newest = e;
}

static void drop(struct tndb_prepared *cache, entry *e) {
  unlink_entry(cache, e);
  (void)tndb_map_remove(&cache->entries, e->key);
  if (e->text) {
    e->text->prepared = NULL;
  }
  tndb_free(e->types);
  tndb_free(e->key);
  tndb_free(e);
}

/* ---------------------------------------------------------------- looking up */

/* A text is about to go: what it leads to is from then on found by its key alone. */
static void forget_text(tndb_text *text) {
  entry *e = text->prepared;
  if (e) {
    e->text = NULL;
    text->prepared = NULL;
  }
}

static struct tndb_prepared *cache_of(tndb_conn *conn) {
  if (!conn->prepared) {
    conn->prepared = tndb_new(struct tndb_prepared);
    if (conn->prepared) {
      conn->prepared->texts.leaving = forget_text;
    }
  }
  return conn->prepared;
}

/* The types that the values bring along: with others it is another statement. */
static const char *end_key(struct tndb_prepared *cache, const tndb_values *values) {
  for (int32_t i = 0; values && values->types && i < values->count; i++) {
    tndb_buffer_format(&cache->key, "\n%u", values->types[i]);
  }
  return cache->key.failed ? NULL : tndb_buffer_text(&cache->key);
}

/* Scope, SQL, types. */
static const char *key_of(struct tndb_prepared *cache, const char *scope, const char *sql,
                          const tndb_values *values) {
  tndb_buffer_clear(&cache->key);
  tndb_buffer_append(&cache->key, scope);
  tndb_buffer_append_char(&cache->key, '\n');
  tndb_buffer_append(&cache->key, sql);
  return end_key(cache, values);
}

/*
 * The same of a text: which statement, rendered for what. No scope begins with a
 * new line, so that no SQL has such a key; names may hold anything, so their
 * lengths go first.
 */
static const char *key_of_text(struct tndb_prepared *cache, const char *scope, const tndb_text *text,
                               const tndb_values *values) {
  tndb_buffer_clear(&cache->key);
  tndb_buffer_format(&cache->key, "\n%llu %zu %zu ", (unsigned long long)text->serial, text->schema_length,
                     strlen(scope));
  tndb_buffer_append_n(&cache->key, text->schema, text->schema_length);
  cache->scope_at = cache->key.length;
  tndb_buffer_append(&cache->key, scope);
  return end_key(cache, values);
}

static entry *add(struct tndb_prepared *cache, const char *key) {
  entry *e = tndb_new(entry);
  if (e) {
    e->key = tndb_strdup(key);
  }
  if (!e || !e->key || !tndb_map_put(&cache->entries, key, e)) {
    tndb_free(e ? e->key : NULL);
    tndb_free(e);
    return NULL;
  }
  link_newest(cache, e);
  return e;
}

/* Make room: the oldest goes, on the server too. Not one that this very exchange uses. */
static void evict(tndb_conn *conn, struct tndb_prepared *cache, size_t most) {
  while (cache->entries.count > most && cache->oldest && cache->oldest->state != PENDING) {
    entry *e = cache->oldest;
    if (e->state == READY) {
      tndb_buffer *sql = &cache->key;
      tndb_buffer_clear(sql);
      tndb_buffer_format(sql, "DEALLOCATE %s", e->name);
      cache->any_dropped = true;
      cache->drop_place = sql->failed ? TNDB_NONE : tndb_exchange_send(conn, tndb_buffer_text(sql), NULL);
    }
    drop(cache, e);
  }
}

/* ---------------------------------------------------------------- sending */

static size_t queue_parse(tndb_conn *conn, struct tndb_prepared *cache, entry *e, const char *sql,
                          const tndb_values *values) {
  if (cache->salt == 0 && !tndb_random_bytes(&cache->salt, sizeof cache->salt)) {
    return TNDB_NONE;
  }
  tndb_buffer *name = &cache->key;
  tndb_buffer_clear(name);
  tndb_buffer_format(name, "tndb_%08x_%llu", (unsigned)cache->salt, (unsigned long long)++cache->made);
  if (name->failed || name->length >= sizeof e->name) {
    return TNDB_NONE;
  }
  for (size_t i = 0; i <= name->length; i++) {
    e->name[i] = name->data[i];
  }
  e->parse_place = tndb_exchange_send_parse(conn, e->name, sql, values);
  e->state = e->parse_place == TNDB_NONE ? e->state : PENDING;
  cache->any_pending = cache->any_pending || e->state == PENDING;
  return e->parse_place;
}

/* NULL when nothing is to be prepared on this connection. */
static struct tndb_prepared *cache_in_use(tndb_conn *conn) {
  /* A failed transaction takes ROLLBACK TO and nothing else, such as the DEALLOCATE that may have to go first. */
  bool failed = PQtransactionStatus(conn->pg) == PQTRANS_INERROR;
  bool wanted =
      conn->direct && !failed && tndb_config_number(conn->config, TNDB_SESSION_PREPARED_STATEMENTS) > 0;
  struct tndb_prepared *cache = wanted ? cache_of(conn) : NULL;
  if (cache && cache->distrusted) {
    cache->distrusted = tndb_exchange_send(conn, "DEALLOCATE ALL", NULL) == TNDB_NONE;
  }
  return cache;
}

/* It came for the first time: remember that it did, and send it as it is. */
static size_t send_new(tndb_conn *conn, struct tndb_prepared *cache, const char *key, const char *sql,
                       const tndb_values *values) {
  (void)add(cache, key);
  evict(conn, cache, (size_t)tndb_config_number(conn->config, TNDB_SESSION_PREPARED_STATEMENTS));
  return tndb_exchange_send(conn, sql, values);
}

static size_t send_known(tndb_conn *conn, struct tndb_prepared *cache, entry *e, const char *sql,
                         const tndb_values *values) {
  unlink_entry(cache, e);
  link_newest(cache, e);
  if (e->state == SEEN && queue_parse(conn, cache, e, sql, values) == TNDB_NONE) {
    return tndb_exchange_send(conn, sql, values);
  }
  return tndb_exchange_send_named(conn, e->name, values);
}

static size_t send_by_key(tndb_conn *conn, struct tndb_prepared *cache, const char *key, const char *sql,
                          const tndb_values *values) {
  entry *e = tndb_map_get(&cache->entries, key);
  return e ? send_known(conn, cache, e, sql, values) : send_new(conn, cache, key, sql, values);
}

size_t tndb_prepared_send(tndb_conn *conn, const char *scope, const char *sql, const tndb_values *values) {
  struct tndb_prepared *cache = cache_in_use(conn);
  const char *key = cache ? key_of(cache, scope, sql, values) : NULL;
  return key ? send_by_key(conn, cache, key, sql, values) : tndb_exchange_send(conn, sql, values);
}

size_t tndb_prepared_send_fixed(tndb_conn *conn, const char *key, const char *sql,
                                const tndb_values *values) {
  struct tndb_prepared *cache = cache_in_use(conn);
  return cache ? send_by_key(conn, cache, key, sql, values) : tndb_exchange_send(conn, sql, values);
}

/* ---------------------------------------------------------------- compiled statements */

tenantdb_status tndb_prepared_text(tndb_conn *conn, const tenantdb_statement *statement, const char *schema,
                                   const char *shared_schema, tndb_text **text, tenantdb_error **error) {
  struct tndb_prepared *cache = cache_of(conn);
  *text = NULL;
  if (!cache) {
    return tndb_no_memory(error);
  }
  return tndb_texts_find(&cache->texts, (size_t)tndb_config_number(conn->config, TNDB_STATEMENT_CACHE),
                         statement, schema, shared_schema, text, error);
}

static int32_t n_types_of(const tndb_values *values) {
  return values && values->types ? values->count : 0;
}

/* Whether the entry that a text leads to is of this scope and these types. */
static bool fits(const entry *e, const char *scope, const tndb_values *values) {
  int32_t n = n_types_of(values);
  return e->n_types == n && (n == 0 || memcmp(e->types, values->types, (size_t)n * sizeof *e->types) == 0) &&
         strncmp(e->key + e->scope_at, scope, e->scope_length) == 0 && scope[e->scope_length] == '\0';
}

/* The text shall lead to the entry, whose key was just made. Without memory it does not, and the key does. */
static void lead(const struct tndb_prepared *cache, tndb_text *text, entry *e, const char *scope,
                 const tndb_values *values) {
  int32_t n = n_types_of(values);
  if (!text->kept || e->text) {
    return;
  }
  if (n > 0 && !e->types) {
    e->types = tndb_alloc_array((size_t)n, sizeof *e->types);
    if (!e->types) {
      return;
    }
    memcpy(e->types, values->types, (size_t)n * sizeof *e->types);
  }
  forget_text(text); /* it led to what it was last run as, in another scope or with other types */
  e->n_types = n;
  e->scope_at = cache->scope_at;
  e->scope_length = strlen(scope);
  e->text = text;
  text->prepared = e;
}

size_t tndb_prepared_send_text(tndb_conn *conn, const char *scope, tndb_text *text,
                               const tndb_values *values) {
  struct tndb_prepared *cache = cache_in_use(conn);
  if (!cache) {
    return tndb_exchange_send(conn, text->sql, values);
  }
  entry *e = text->prepared;
  if (e && fits(e, scope, values)) {
    return send_known(conn, cache, e, text->sql, values);
  }
  const char *key = key_of_text(cache, scope, text, values);
  if (!key) {
    return tndb_exchange_send(conn, text->sql, values);
  }
  e = tndb_map_get(&cache->entries, key);
  if (!e) {
    return send_new(conn, cache, key, text->sql, values);
  }
  lead(cache, text, e, scope, values);
  return send_known(conn, cache, e, text->sql, values);
}

/* ---------------------------------------------------------------- afterwards */

/* A failure before it made the server skip a DEALLOCATE: it has statements that nobody here knows any more. */
static void settle_dropped(tndb_conn *conn, struct tndb_prepared *cache) {
  PGresult *answer = tndb_exchange_result(conn, cache->drop_place);
  cache->any_dropped = false;
  if (!answer || PQresultStatus(answer) != PGRES_COMMAND_OK) {
    tndb_prepared_forget(conn);
  }
}

static void settle_pending(tndb_conn *conn, struct tndb_prepared *cache) {
  /* What is pending was used in this exchange, so it is among the newest. */
  for (entry *e = cache->newest; e; e = e->older) {
    if (e->state == PENDING) {
      PGresult *answer = tndb_exchange_result(conn, e->parse_place);
      e->state = answer && PQresultStatus(answer) == PGRES_COMMAND_OK ? READY : SEEN;
    }
  }
  cache->any_pending = false;
}

void tndb_prepared_settle(tndb_conn *conn) {
  struct tndb_prepared *cache = conn->prepared;
  if (cache && cache->any_pending) {
    settle_pending(conn, cache);
  }
  if (cache && cache->any_dropped) {
    settle_dropped(conn, cache);
  }
}

void tndb_prepared_forget(tndb_conn *conn) {
  struct tndb_prepared *cache = conn->prepared;
  if (cache) {
    cache->distrusted = true;
    cache->any_pending = false;
  }
  while (cache && cache->oldest) {
    drop(cache, cache->oldest);
  }
}

void tndb_prepared_free(tndb_conn *conn) {
  tndb_prepared_forget(conn);
  if (conn->prepared) {
    tndb_texts_free(&conn->prepared->texts);
    tndb_map_free(&conn->prepared->entries);
    tndb_buffer_free(&conn->prepared->key);
    tndb_free(conn->prepared);
    conn->prepared = NULL;
  }
}
