/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/use_rows.h"

#include "migrate/ledger.h"

/* ---------------------------------------------------------------- rows as columns */

static void add_number(tndb_text_array *array, int64_t number) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_format(&text, "%lld", (long long)number);
  tndb_text_array_add_buffer(array, &text);
}

void tndb_use_rows_add(tndb_use_rows *rows, const char *kind, int64_t version, const char *name,
                       const char *title, const char *sum, size_t steps) {
  add_number(&rows->versions, version);
  tndb_text_array_add(&rows->names, name);
  tndb_text_array_add(&rows->kinds, kind);
  tndb_text_array_add(&rows->titles, title);
  tndb_text_array_add(&rows->sums, sum);
  add_number(&rows->steps, (int64_t)steps);
  rows->count++;
}

bool tndb_use_rows_finish(tndb_use_rows *rows) {
  return tndb_text_array_finish(&rows->versions) && tndb_text_array_finish(&rows->names) &&
         tndb_text_array_finish(&rows->kinds) && tndb_text_array_finish(&rows->titles) &&
         tndb_text_array_finish(&rows->sums) && tndb_text_array_finish(&rows->steps);
}

void tndb_use_rows_free(tndb_use_rows *rows) {
  tndb_text_array_free(&rows->versions);
  tndb_text_array_free(&rows->names);
  tndb_text_array_free(&rows->kinds);
  tndb_text_array_free(&rows->titles);
  tndb_text_array_free(&rows->sums);
  tndb_text_array_free(&rows->steps);
}

/* A repeatable one that was applied with the text that it has now. */
static void add_repeatable(tndb_use_rows *rows, const tndb_migration *is) {
  tndb_use_rows_add(rows, "repeatable", 0, is->name, is->title, is->sum, is->steps.count);
}

bool tndb_use_rows_baseline(const tenantdb_migrations *set, tndb_stream stream, int64_t version, bool equal,
                            tndb_use_rows *rows) {
  bool newest = version == tndb_migrations_newest(set, stream);
  tndb_use_rows_add(rows, "baseline", version, "", "there before", "", 0);
  for (size_t i = set->first[stream]; equal && newest && i < set->first[stream + 1]; i++) {
    if (set->items[i]->kind == TNDB_MIGRATION_REPEATABLE) {
      add_repeatable(rows, set->items[i]);
    }
  }
  return tndb_use_rows_finish(rows);
}

bool tndb_use_rows_make(const tenantdb_migrations *set, int64_t version, bool replays, tndb_use_rows *rows) {
  const tndb_migration *checkpoint = replays ? tndb_migrations_checkpoint(set, version) : NULL;
  bool newest = version == tndb_migrations_newest(set, TNDB_STREAM_TENANT);
  if (version > 0 && !replays) {
    tndb_use_rows_add(rows, "baseline", version, "", "made as the registry declares", "", 0);
  }
  for (size_t i = set->first[TNDB_STREAM_TENANT]; i < set->first[TNDB_STREAM_TENANT + 1]; i++) {
    const tndb_migration *is = set->items[i];
    bool repeats = is->kind == TNDB_MIGRATION_REPEATABLE;
    bool versioned = is->kind == TNDB_MIGRATION_VERSIONED && is->version <= version &&
                     (!checkpoint || is->version > checkpoint->version);
    if (repeats && newest) {
      add_repeatable(rows, is);
    } else if (replays && (is == checkpoint || versioned)) {
      tndb_use_rows_add(rows, tndb_migration_kind_name(is->kind), is->version, "", is->title, is->sum,
                        is->steps.count);
    }
  }
  return tndb_use_rows_finish(rows);
}

void tndb_use_rows_queue(const tndb_use_rows *rows, tndb_work *work, tndb_stream stream, const char *id) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  /* unnest() takes several arrays only when it is not qualified. */
  tndb_buffer_format(
      &sql,
      "INSERT INTO %smigrations (stream, tenant_id, version, name, kind, title, sum, state, steps,"
      " steps_done, finished_at, duration_ms) SELECT $1, $2, r.version, r.name, r.kind, r.title,"
      " nullif(r.sum, ''), 'done', r.steps, r.steps, now(), 0 FROM unnest($3::bigint[], $4::text[],"
      " $5::text[], $6::text[], $7::text[], $8::integer[]) r (version, name, kind, title, sum, steps)"
      " ON CONFLICT (tenant_id, version, name) DO NOTHING",
      work->db->catalog);
  const char *values[] = {tndb_stream_name(stream),
                          id,
                          tndb_buffer_text(&rows->versions.text),
                          tndb_buffer_text(&rows->names.text),
                          tndb_buffer_text(&rows->kinds.text),
                          tndb_buffer_text(&rows->titles.text),
                          tndb_buffer_text(&rows->sums.text),
                          tndb_buffer_text(&rows->steps.text)};
  tndb_work_fail_if(work, sql.failed);
  if (rows->count > 0) {
    (void)tndb_work_send(work, tndb_buffer_text(&sql), 8, values);
  }
}

/* ---------------------------------------------------------------- a tenant who is made */

/* What was done for the one whose rows he has was done for him. */
static void queue_copy(const tndb_birth *birth, tndb_work *work, const char *id) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  const char *values[] = {id, birth->from};
  tndb_buffer_format(&sql,
                     "INSERT INTO %smigrations (stream, tenant_id, version, name, kind, title, sum, state,"
                     " steps, steps_done, attempts, started_at, finished_at, duration_ms, actor)"
                     " SELECT stream, $1, version, name, kind, title, sum, state, steps, steps_done,"
                     " attempts, started_at, finished_at, duration_ms, actor FROM %smigrations"
                     " WHERE tenant_id = $2 AND state = 'done' AND version <= %lld",
                     work->db->catalog, work->db->catalog, (long long)birth->version);
  tndb_work_fail_if(work, sql.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 2, values);
}

void tndb_use_queue(const tndb_birth *birth, tndb_work *work, const char *id) {
  const tndb_use *use = (const tndb_use *)birth->newborn;
  tndb_use_rows own = {.count = 0};
  bool other = birth->version != use->newborn.version || birth->replays != use->newborn.replays;
  if (birth->from) {
    queue_copy(birth, work, id);
  }
  if (other) {
    tndb_work_fail_if(work, !tndb_use_rows_make(use->set, birth->version, birth->replays, &own));
  }
  tndb_use_rows_queue(other ? &own : &use->rows, work, TNDB_STREAM_TENANT, id);
  tndb_use_rows_free(&own);
}
