/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/ledger.h"

#include <string.h>

#include "base/memory.h"
#include "config/property.h"

/* ---------------------------------------------------------------- reading */

/* A row for each target at least. Two %s: the catalog. */
static const char read_sql[] =
    "SELECT u.n, m.version, m.name, m.kind, m.sum, m.state, m.steps, m.steps_done, m.owner, EXISTS (SELECT "
    "FROM"
    " %sviews) FROM pg_catalog.unnest($1::uuid[]) WITH ORDINALITY u (id, n) LEFT JOIN %smigrations m ON"
    " m.tenant_id = u.id ORDER BY u.n, m.version, m.name COLLATE \"C\"";
enum { NUMBER, VERSION, NAME, KIND, SUM, STATE, STEPS, STEPS_DONE, OWNER, VIEWS };

/* A cell as text of at most `size` bytes with its NUL; NULL is "". */
static void copy_cell(char *to, size_t size, const PGresult *rows, int row, int column) {
  const char *from = PQgetvalue(rows, row, column);
  size_t length = strlen(from);
  length = length < size ? length : size - 1;
  memcpy(to, from, length);
  to[length] = '\0';
}

static int64_t number_of(const PGresult *rows, int row, int column) {
  int64_t number = 0;
  (void)tndb_number_parse(PQgetvalue(rows, row, column), &number);
  return number;
}

static bool fill(tndb_ledger_row *row, const PGresult *rows, int i) {
  const char *kind = PQgetvalue(rows, i, KIND);
  row->version = number_of(rows, i, VERSION);
  row->name = tndb_strdup(PQgetvalue(rows, i, NAME));
  row->state = PQgetvalue(rows, i, STATE)[0];
  row->covers = strcmp(kind, "baseline") == 0 || strcmp(kind, "checkpoint") == 0;
  row->steps = (int32_t)number_of(rows, i, STEPS);
  row->steps_done = (int32_t)number_of(rows, i, STEPS_DONE);
  copy_cell(row->sum, sizeof row->sum, rows, i, SUM);
  copy_cell(row->owner, sizeof row->owner, rows, i, OWNER);
  return row->name != NULL;
}

/* What follows from the rows. */
static void sum_up(tndb_ledger_state *state) {
  state->version = state->baseline = 0;
  for (size_t i = 0; i < state->count; i++) {
    const tndb_ledger_row *row = &state->rows[i];
    if (row->state == 'd' && row->version > state->version) {
      state->version = row->version;
    }
    if (row->state == 'd' && row->covers && row->version > state->baseline) {
      state->baseline = row->version;
    }
  }
}

static bool take_one(const PGresult *rows, int from, int to, tndb_ledger_state *state) {
  state->views = PQgetvalue(rows, from, VIEWS)[0] == 't';
  if (PQgetisnull(rows, from, VERSION)) {
    return true; /* it has none */
  }
  state->rows = tndb_alloc_array((size_t)(to - from), sizeof *state->rows);
  bool filled = state->rows != NULL;
  for (int i = from; filled && i < to; i++) {
    state->count++;
    filled = fill(&state->rows[i - from], rows, i);
  }
  sum_up(state);
  return filled;
}

tenantdb_status tndb_ledger_take(const PGresult *rows, size_t count, tndb_ledger_state *states,
                                 tenantdb_error **error) {
  int total = PQntuples(rows);
  for (size_t i = 0; i < count; i++) {
    states[i] = (tndb_ledger_state){0};
  }
  for (int from = 0, to; from < total; from = to) {
    int64_t number = number_of(rows, from, NUMBER);
    for (to = from + 1; to < total && number_of(rows, to, NUMBER) == number; to++) {
    }
    if (number < 1 || (size_t)number > count) {
      return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                         "the ledger answers for a target that was not asked for");
    }
    if (!take_one(rows, from, to, &states[number - 1])) {
      return tndb_no_memory(error);
    }
  }
  return TENANTDB_OK;
}

size_t tndb_ledger_send(tndb_conn *conn, const tenantdb *db, const char *ids) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_format(&sql, read_sql, db->catalog, db->catalog);
  if (sql.failed) {
    conn->send_failed = conn->no_room = true;
    return TNDB_NONE;
  }
  return tndb_exchange_send_text(conn, tndb_buffer_text(&sql), 1, &ids);
}

tenantdb_status tndb_ledger_read(tndb_work *work, const char *ids, size_t count, tndb_ledger_state *states,
                                 tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  PGresult *rows = NULL;
  for (size_t i = 0; i < count; i++) {
    states[i] = (tndb_ledger_state){0};
  }
  tndb_buffer_format(&sql, read_sql, work->db->catalog, work->db->catalog);
  tenantdb_status status = sql.failed ? tndb_no_memory(error)
                                      : tndb_work_query(work, tndb_buffer_text(&sql), 1, &ids, &rows, error);
  if (!status) {
    status = tndb_ledger_take(rows, count, states, error);
  }
  PQclear(rows);
  return status;
}

void tndb_ledger_clear(tndb_ledger_state *state) {
  for (size_t i = 0; i < state->count; i++) {
    tndb_free(state->rows[i].name);
  }
  tndb_free(state->rows);
  *state = (tndb_ledger_state){0};
}

/* ---------------------------------------------------------------- what it says */

static int compare(const tndb_ledger_row *row, const tndb_migration *migration) {
  if (row->version != migration->version) {
    return row->version < migration->version ? -1 : 1;
  }
  return strcmp(row->name, migration->name);
}

/* The place of a migration's row, or where it would be. */
static size_t place_of(const tndb_ledger_state *state, const tndb_migration *migration) {
  size_t low = 0, high = state->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(&state->rows[middle], migration) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

const tndb_ledger_row *tndb_ledger_find(const tndb_ledger_state *state, const tndb_migration *migration) {
  size_t at = place_of(state, migration);
  bool found = at < state->count && compare(&state->rows[at], migration) == 0;
  return found ? &state->rows[at] : NULL;
}

bool tndb_ledger_note(tndb_ledger_state *state, const tndb_migration *migration) {
  size_t at = place_of(state, migration);
  if (at == state->count || compare(&state->rows[at], migration) != 0) {
    char *name = tndb_strdup(migration->name);
    tndb_ledger_row *rows = name ? tndb_realloc(state->rows, (state->count + 1) * sizeof *rows) : NULL;
    if (!rows) {
      tndb_free(name);
      return false;
    }
    memmove(rows + at + 1, rows + at, (state->count - at) * sizeof *rows);
    rows[at] = (tndb_ledger_row){.version = migration->version, .name = name};
    state->rows = rows;
    state->count++;
  }
  tndb_ledger_row *row = &state->rows[at];
  row->state = 'd';
  row->covers = false;
  row->steps = row->steps_done = (int32_t)migration->steps.count;
  memcpy(row->sum, migration->sum, sizeof row->sum);
  row->owner[0] = '\0';
  sum_up(state);
  return true;
}

void tndb_ledger_forget(tndb_ledger_state *state, const tndb_migration *migration) {
  size_t at = place_of(state, migration);
  if (at < state->count && compare(&state->rows[at], migration) == 0) {
    tndb_free(state->rows[at].name);
    state->count--;
    memmove(state->rows + at, state->rows + at + 1, (state->count - at) * sizeof *state->rows);
    sum_up(state);
  }
}

static bool is_done(const tndb_ledger_state *state, const tndb_migration *migration) {
  const tndb_ledger_row *row = tndb_ledger_find(state, migration);
  if (migration->kind == TNDB_MIGRATION_REPEATABLE) {
    return row && row->state == 'd' && strcmp(row->sum, migration->sum) == 0;
  }
  return migration->version <= state->baseline || (row && row->state == 'd');
}

bool tndb_ledger_lacks(const tndb_ledger_state *state, const tndb_migration *migration, int64_t goal,
                       bool any_order) {
  switch (migration->kind) {
    case TNDB_MIGRATION_REPEATABLE:
      return goal == INT64_MAX && !is_done(state, migration);
    case TNDB_MIGRATION_VERSIONED:
      return migration->version <= goal && (any_order || migration->version > state->version) &&
             !is_done(state, migration);
    default:
      return false;
  }
}

/* ---------------------------------------------------------------- whether it fits */

/* The newest version of the stream that a checkpoint covers, and so whose files may be gone. */
static int64_t covered_by(const tenantdb_migrations *set, tndb_stream stream) {
  const tndb_migration *checkpoint =
      stream == TNDB_STREAM_TENANT ? tndb_migrations_checkpoint(set, INT64_MAX) : NULL;
  return checkpoint ? checkpoint->version : 0;
}

static tenantdb_status fits_row(const tndb_ledger_row *row, const tenantdb_migrations *set,
                                tndb_stream stream, bool later, const char *target, tenantdb_error **error) {
  const tndb_migration *migration = tndb_migrations_find(set, stream, row->version);
  bool above = row->version > tndb_migrations_newest(set, stream);
  if (!migration && row->version > covered_by(set, stream) && !(later && above)) {
    return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_MISSING,
                       "%s: version %lld of stream %s was applied and is not in the set: use the set that it "
                       "came with, or a later one",
                       target, (long long)row->version, tndb_stream_name(stream));
  }
  if (migration && row->sum[0] && strcmp(row->sum, migration->sum) != 0) {
    return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_EDITED,
                       "%s: %s was applied with the sum %s and has the sum %s now: put its old text back and "
                       "change what it made by a new migration, or accept the new text with "
                       "tenantdb_migration_repair()",
                       target, migration->file, row->sum, migration->sum);
  }
  return TENANTDB_OK;
}

/* When the files that a checkpoint stands for are gone, those who have not come so far cannot go on. */
static tenantdb_status reaches_checkpoint(const tndb_ledger_state *state, const tenantdb_migrations *set,
                                          tndb_stream stream, const char *target, tenantdb_error **error) {
  int64_t covered = covered_by(set, stream);
  if (state->version >= covered) {
    return TENANTDB_OK;
  }
  for (size_t i = set->first[stream]; i < set->first[stream + 1]; i++) {
    const tndb_migration *migration = set->items[i];
    if (migration->kind == TNDB_MIGRATION_VERSIONED && migration->version <= covered) {
      return TENANTDB_OK;
    }
  }
  return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_HISTORY_MISSING,
                     "%s is at version %lld, and of what leads to the checkpoint of version %lld there is no "
                     "file left in the set: bring it there with a set that has them",
                     target, (long long)state->version, (long long)covered);
}

tenantdb_status tndb_ledger_fits(const tndb_ledger_state *state, const tenantdb_migrations *set,
                                 tndb_stream stream, bool later, const char *target, tenantdb_error **error) {
  tenantdb_status status = reaches_checkpoint(state, set, stream, target, error);
  for (size_t i = 0; !status && i < state->count; i++) {
    const tndb_ledger_row *row = &state->rows[i];
    if (row->state == 'd' && !row->covers && row->name[0] == '\0') {
      status = fits_row(row, set, stream, later, target, error);
    }
  }
  return status;
}

/* A set without versions leads nowhere, so nobody is ahead of it: his version is the registry's. */
bool tndb_ledger_is_ahead(const tndb_ledger_state *state, const tenantdb_migrations *set,
                          tndb_stream stream) {
  int64_t newest = tndb_migrations_newest(set, stream);
  return newest > 0 && state->version > newest;
}

tenantdb_status tndb_ledger_in_order(const tndb_ledger_state *state, const tenantdb_migrations *set,
                                     tndb_stream stream, int64_t goal, const char *target,
                                     tenantdb_error **error) {
  for (size_t i = set->first[stream]; i < set->first[stream + 1]; i++) {
    const tndb_migration *migration = set->items[i];
    if (migration->kind == TNDB_MIGRATION_VERSIONED && migration->version < state->version &&
        tndb_ledger_lacks(state, migration, goal, true)) {
      return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_OUT_OF_ORDER,
                         "%s is at version %lld and was never given %s: give it a version above, or allow "
                         "any order",
                         target, (long long)state->version, migration->file);
    }
  }
  return TENANTDB_OK;
}
