/* SPDX-License-Identifier: PostgreSQL */
/*
 * Room migrate: a fleet's schemas from one version to the next.
 *
 * What is to be done is a set (set*.c, source*.c, marker*.c, directive.c): text becomes
 * migrations, migrations become steps, all of it before a server is asked. What
 * cannot work is refused there, so that a tenant is never touched in vain (lint*.c).
 * What was done is the ledger. A job does to one tenant what he lacks; a run does
 * it to a fleet.
 *
 * This file: the set itself, from its first line to the moment it is frozen.
 */
#include "migrate/set.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "migrate/lint.h"

#define MAGIC UINT32_C(0x746d6967)

static const char *const stream_names[TNDB_N_STREAMS] = {"shared", "tenant"};

const char *tndb_stream_name(tndb_stream stream) {
  return stream_names[stream];
}

tenantdb_status tndb_stream_of(const char *name, tndb_stream *stream, tenantdb_error **error) {
  if (!name) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "stream is NULL");
  }
  for (int i = 0; i < TNDB_N_STREAMS; i++) {
    if (strcmp(name, stream_names[i]) == 0) {
      *stream = (tndb_stream)i;
      return TENANTDB_OK;
    }
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                     "there is no stream \"%.60s\": a migration is of shared or of tenant", name);
}

const char *tndb_migration_kind_name(tndb_migration_kind kind) {
  static const char *const names[] = {"versioned", "repeatable", "checkpoint"};
  return names[kind];
}

/* ---------------------------------------------------------------- life */

tenantdb_migrations *tenantdb_migrations_new(void) {
  tenantdb_migrations *set = tndb_new(tenantdb_migrations);
  if (!set) {
    return NULL;
  }
  if (!tndb_mutex_init(&set->freezing)) {
    tndb_free(set);
    return NULL;
  }
  set->magic = MAGIC;
  set->options.flyway_parts = 1;
  atomic_init(&set->references, 1);
  atomic_init(&set->frozen, false);
  atomic_init(&set->late, false);
  return set;
}

void tndb_migration_clear(tndb_migration *migration) {
  char *const texts[] = {migration->title, migration->name, migration->file,
                         migration->sql,   migration->down, migration->down_file};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    tndb_free(texts[i]);
  }
  tndb_steps_clear(&migration->steps);
  tndb_steps_clear(&migration->down_steps);
  *migration = (tndb_migration){.lock_timeout_ms = -1};
}

void tndb_down_clear(tndb_down *down) {
  tndb_free(down->file);
  tndb_free(down->sql);
  tndb_steps_clear(&down->steps);
  *down = (tndb_down){.version = 0};
}

static bool is_set(const tenantdb_migrations *set) {
  return set && set->magic == MAGIC;
}

void tndb_migrations_release(tenantdb_migrations *set) {
  if (!is_set(set) || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) > 1) {
    return;
  }
  for (size_t i = 0; i < set->count; i++) {
    tndb_migration_clear(set->items[i]);
    tndb_free(set->items[i]);
  }
  for (size_t i = 0; i < set->n_downs; i++) {
    tndb_down_clear(&set->downs[i]);
  }
  tndb_free(set->items);
  tndb_free(set->downs);
  tndb_free(set->options.shared_schema);
  tndb_free(set->options.tenant_prefix);
  tenantdb_error_free(set->mistake);
  tenantdb_error_free(set->refusal);
  tndb_mutex_destroy(&set->freezing);
  set->magic = 0;
  tndb_free(set);
}

void tenantdb_migrations_free(tenantdb_migrations *set) {
  tndb_migrations_release(set);
}

tenantdb_migrations *tndb_migrations_hold(const tenantdb_migrations *set) {
  tenantdb_migrations *held = (tenantdb_migrations *)set; /* counting is no change of what it holds */
  atomic_fetch_add_explicit(&held->references, 1, memory_order_relaxed);
  return held;
}

tenantdb_status tndb_migrations_check(const tenantdb_migrations *set, tenantdb_error **error) {
  if (!set) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                       "the set of migrations is NULL");
  }
  if (!is_set(set)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE,
                       "the set of migrations is none, or was freed");
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- while it is being made */

bool tndb_migrations_open_for(tenantdb_migrations *set) {
  if (!atomic_load_explicit(&set->frozen, memory_order_acquire)) {
    return true;
  }
  atomic_store_explicit(&set->late, true, memory_order_relaxed);
  return false;
}

void tndb_migrations_keep(tenantdb_migrations *set, tenantdb_error *mistake) {
  if (mistake && set->mistake) {
    tenantdb_error_free(mistake);
  } else if (mistake) {
    set->mistake = mistake;
  }
}

/* Doubling: a folder may hold thousands. */
static void *room_for_one(void *items, size_t count, size_t size) {
  bool full = count == 0 || (count & (count - 1)) == 0;
  if (!full) {
    return items;
  }
  if (count > SIZE_MAX / 2 / size) {
    return NULL;
  }
  return tndb_realloc(items, (count ? count * 2 : 1) * size);
}

tenantdb_status tndb_migrations_take(tenantdb_migrations *set, tndb_migration *migration,
                                     tenantdb_error **error) {
  tndb_migration **items = room_for_one(set->items, set->count, sizeof *items);
  set->items = items ? items : set->items;
  tndb_migration *kept = items ? tndb_new(tndb_migration) : NULL;
  if (!kept) {
    tndb_migration_clear(migration);
    return tndb_no_memory(error);
  }
  *kept = *migration;
  items[set->count++] = kept;
  *migration = (tndb_migration){.lock_timeout_ms = -1};
  return TENANTDB_OK;
}

tenantdb_status tndb_migrations_take_down(tenantdb_migrations *set, tndb_down *down, tenantdb_error **error) {
  tndb_down *downs = room_for_one(set->downs, set->n_downs, sizeof *downs);
  if (!downs) {
    tndb_down_clear(down);
    return tndb_no_memory(error);
  }
  set->downs = downs;
  downs[set->n_downs++] = *down;
  *down = (tndb_down){.version = 0};
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- in order */

static int by_number(int64_t a, int64_t b) {
  return (a > b) - (a < b);
}

static int compare(const tndb_migration *a, const tndb_migration *b) {
  bool a_last = a->kind == TNDB_MIGRATION_REPEATABLE, b_last = b->kind == TNDB_MIGRATION_REPEATABLE;
  int order = by_number((int64_t)a->stream, (int64_t)b->stream);
  order = order ? order : (int)a_last - (int)b_last;
  order = order ? order : by_number(a->version, b->version);
  order = order ? order : by_number((int64_t)a->kind, (int64_t)b->kind);
  return order ? order : strcmp(a->name, b->name);
}

static int compare_keys(const void *key, const void *item) {
  return compare(key, *(const tndb_migration *const *)item);
}

static int compare_items(const void *a, const void *b) {
  const tndb_migration *one = *(const tndb_migration *const *)a, *other = *(const tndb_migration *const *)b;
  int order = compare(one, other);
  return order ? order : strcmp(one->file, other->file); /* so that messages do not depend on the sort */
}

static int compare_downs(const void *a, const void *b) {
  const tndb_down *one = a, *other = b;
  int order = by_number((int64_t)one->stream, (int64_t)other->stream);
  order = order ? order : by_number(one->version, other->version);
  return order ? order : strcmp(one->file, other->file);
}

static tenantdb_status refuse_twice(const tndb_migration *first, const char *file, tenantdb_error **error) {
  if (first->kind == TNDB_MIGRATION_REPEATABLE) {
    return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_BAD_MIGRATION,
                       "%s and %s have one name, %s, in stream %s; rename one of them", first->file, file,
                       first->name, tndb_stream_name(first->stream));
  }
  return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_BAD_MIGRATION,
                     "%s and %s have one version, %lld, in stream %s; only the version tells migrations "
                     "apart: give one of them another",
                     first->file, file, (long long)first->version, tndb_stream_name(first->stream));
}

static tenantdb_status check_unique(const tenantdb_migrations *set, tenantdb_error **error) {
  for (size_t i = 1; i < set->count; i++) {
    if (compare(set->items[i - 1], set->items[i]) == 0) {
      return refuse_twice(set->items[i - 1], set->items[i]->file, error);
    }
  }
  return TENANTDB_OK;
}

static tndb_migration *find(const tenantdb_migrations *set, const tndb_migration *wanted) {
  tndb_migration **found =
      set->count ? bsearch(wanted, set->items, set->count, sizeof *set->items, compare_keys) : NULL;
  return found ? *found : NULL;
}

static tenantdb_status attach(const tenantdb_migrations *set, tndb_down *down, tenantdb_error **error) {
  tndb_migration wanted = {.stream = down->stream, .version = down->version, .name = (char *)""};
  tndb_migration *migration = find(set, &wanted);
  if (!migration) {
    return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_BAD_MIGRATION,
                       "%s leads back from version %lld of stream %s, which is not there", down->file,
                       (long long)down->version, tndb_stream_name(down->stream));
  }
  if (migration->down) {
    return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_BAD_MIGRATION,
                       "%s has two ways back: one in %s, another in %s; leave out one", migration->file,
                       migration->down_file ? migration->down_file : migration->file, down->file);
  }
  migration->down = down->sql;
  migration->down_file = down->file;
  migration->down_steps = down->steps;
  migration->down_transactional = down->transactional;
  migration->nolint |= down->nolint;
  *down = (tndb_down){.stream = down->stream, .version = down->version};
  return TENANTDB_OK;
}

/* A ledger that another set has filled would do, but a number that is mistyped should not go as far as there. */
static tenantdb_status check_requirements(const tenantdb_migrations *set, tenantdb_error **error) {
  bool none = set->first[TNDB_STREAM_SHARED] == set->first[TNDB_STREAM_SHARED + 1];
  for (size_t i = 0; i < set->count; i++) {
    const tndb_migration *migration = set->items[i];
    if (migration->requires && !tndb_migrations_find(set, TNDB_STREAM_SHARED, migration->requires)) {
      return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_BAD_MIGRATION,
                         "%s requires version %lld of the shared stream, which the set does not have%s",
                         migration->file, (long long)migration->requires,
                         none ? ": it has no shared stream" : "");
    }
  }
  return TENANTDB_OK;
}

static void sum_up(tenantdb_migrations *set) {
  static const char hexadecimal[] = "0123456789abcdef";
  unsigned char digest[TNDB_SHA256_BYTES];
  tndb_sha256 all;
  tndb_sha256_start(&all);
  for (size_t i = 0; i < set->count; i++) {
    const tndb_migration *migration = set->items[i];
    unsigned char head[10] = {(unsigned char)migration->stream, (unsigned char)migration->kind};
    for (size_t k = 0; k < 8; k++) {
      head[2 + k] = (unsigned char)((uint64_t)migration->version >> (8 * k));
    }
    tndb_sha256_add(&all, head, sizeof head);
    tndb_sha256_add(&all, migration->name, strlen(migration->name) + 1);
    tndb_sha256_add(&all, migration->sum, sizeof migration->sum);
  }
  tndb_sha256_finish(&all, digest);
  for (size_t i = 0; i < sizeof digest; i++) {
    set->hash[2 * i] = hexadecimal[digest[i] >> 4];
    set->hash[2 * i + 1] = hexadecimal[digest[i] & 15];
  }
  set->hash[2 * sizeof digest] = '\0';
}

/* May be done again when it failed. */
static tenantdb_status put_in_order(tenantdb_migrations *set, tenantdb_error **error) {
  if (set->count) {
    qsort(set->items, set->count, sizeof *set->items, compare_items);
  }
  if (set->n_downs) {
    qsort(set->downs, set->n_downs, sizeof *set->downs, compare_downs);
  }
  tenantdb_status status = check_unique(set, error);
  for (size_t i = 0; i < set->n_downs && !status; i++) {
    status = set->downs[i].sql ? attach(set, &set->downs[i], error) : TENANTDB_OK;
  }
  size_t at = 0;
  for (int stream = 0; stream < TNDB_N_STREAMS; stream++) {
    set->first[stream] = at;
    while (at < set->count && set->items[at]->stream == (tndb_stream)stream) {
      at++;
    }
  }
  set->first[TNDB_N_STREAMS] = at;
  if (!status) {
    status = check_requirements(set, error);
  }
  sum_up(set);
  return status;
}

/* ---------------------------------------------------------------- frozen */

static tenantdb_status settle(tenantdb_migrations *set, tenantdb_error **error) {
  if (set->mistake) {
    return tndb_error_pass(error, tndb_error_copy(set->mistake));
  }
  tndb_auto_error *mistake = NULL;
  tenantdb_status status = put_in_order(set, &mistake);
  if (!status) {
    status = tndb_lint_refusal(set, &set->refusal, &mistake);
  }
  if (status) {
    tenantdb_error *told = mistake;
    mistake = NULL;
    if (status != TENANTDB_MEMORY) {
      set->mistake = tndb_error_copy(told);
    }
    return tndb_error_pass(error, told);
  }
  atomic_store_explicit(&set->frozen, true, memory_order_release);
  return TENANTDB_OK;
}

tenantdb_status tndb_migrations_settle(const tenantdb_migrations *set, tenantdb_error **error) {
  tenantdb_status status = tndb_migrations_check(set, error);
  if (status) {
    return status;
  }
  tenantdb_migrations *own = (tenantdb_migrations *)set; /* until it is frozen it is being made */
  if (!atomic_load_explicit(&own->frozen, memory_order_acquire)) {
    tndb_mutex_lock(&own->freezing);
    if (!atomic_load_explicit(&own->frozen, memory_order_acquire)) {
      status = settle(own, error);
    }
    tndb_mutex_unlock(&own->freezing);
  }
  if (!status && atomic_load_explicit(&own->late, memory_order_relaxed)) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_BAD_MIGRATION,
                       "something was added to the set of migrations after its first use; add everything "
                       "before, or make a new set");
  }
  return status;
}

tenantdb_status tndb_migrations_freeze(const tenantdb_migrations *set, tenantdb_error **error) {
  tenantdb_status status = tndb_migrations_settle(set, error);
  return status ? status : set->refusal ? tndb_error_pass(error, tndb_error_copy(set->refusal)) : TENANTDB_OK;
}

tenantdb_status tenantdb_migrations_check(const tenantdb_migrations *set, tenantdb_error **error) {
  tndb_error_reset(error);
  return tndb_migrations_freeze(set, error);
}

/* ---------------------------------------------------------------- asking */

const tndb_migration *tndb_migrations_find(const tenantdb_migrations *set, tndb_stream stream,
                                           int64_t version) {
  tndb_migration wanted = {.stream = stream, .version = version, .name = (char *)""};
  return find(set, &wanted);
}

const tndb_migration *tndb_migrations_find_repeatable(const tenantdb_migrations *set, tndb_stream stream,
                                                      const char *name) {
  tndb_migration wanted = {.stream = stream, .kind = TNDB_MIGRATION_REPEATABLE, .name = (char *)name};
  return find(set, &wanted);
}

int64_t tndb_migrations_newest(const tenantdb_migrations *set, tndb_stream stream) {
  int64_t versioned = 0, checkpoint = 0;
  for (size_t i = set->first[stream]; i < set->first[stream + 1]; i++) {
    const tndb_migration *migration = set->items[i];
    versioned = migration->kind == TNDB_MIGRATION_VERSIONED ? migration->version : versioned;
    checkpoint = migration->kind == TNDB_MIGRATION_CHECKPOINT ? migration->version : checkpoint;
  }
  return versioned ? versioned : checkpoint;
}

const tndb_migration *tndb_migrations_checkpoint(const tenantdb_migrations *set, int64_t version) {
  const tndb_migration *found = NULL;
  for (size_t i = set->first[TNDB_STREAM_TENANT]; i < set->first[TNDB_N_STREAMS]; i++) {
    const tndb_migration *migration = set->items[i];
    if (migration->kind == TNDB_MIGRATION_CHECKPOINT && migration->version <= version) {
      found = migration;
    }
  }
  return found;
}
