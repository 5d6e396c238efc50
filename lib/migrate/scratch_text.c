/* SPDX-License-Identifier: PostgreSQL */
#include <string.h>

#include "base/memory.h"
#include "migrate/scratch.h"
#include "migrate/set_enum.h"
#include "migrate/step_name.h"

/* ---------------------------------------------------------------- one statement */

/* What has nothing to do in an empty schema, and would be refused in a transaction. */
static bool is_idle(const char *sql, size_t length) {
  static const char *const words[] = {"vacuum", "reindex", "cluster", "checkpoint"};
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, sql, length, false);
  bool any = tndb_lexer_next(&lexer, &token);
  for (size_t i = 0; any && i < sizeof words / sizeof words[0]; i++) {
    if (tndb_token_is_word(sql, &token, words[i])) {
      return true;
    }
  }
  return false;
}

/* CONCURRENTLY is a keyword in these statements only where it is one of the first words, or ends a DETACH. */
static bool is_keyword_place(const char *sql, size_t length, const tndb_token *at) {
  static const char *const heads[] = {"create", "unique", "index", "drop"};
  tndb_lexer lexer;
  tndb_token token;
  bool head = true, detach = false;
  tndb_lexer_start(&lexer, sql, length, true);
  while (tndb_lexer_next(&lexer, &token) && token.offset < at->offset) {
    bool known = false;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
      known = known || tndb_token_is_word(sql, &token, heads[i]);
    }
    head = head && known;
    detach = detach || tndb_token_is_word(sql, &token, "detach");
  }
  return head || (detach && !tndb_lexer_next(&lexer, &token));
}

static tenantdb_status rewrite(const tndb_migration_step *step, const tndb_step_place *at, tndb_buffer *out,
                               tenantdb_error **error) {
  const char *text = step->sql;
  bool repeats = step->way == TNDB_WAY_REPEAT; /* its parameter is how far it has come: nowhere */
  size_t length = strlen(text), done = 0;
  tndb_lexer lexer;
  tndb_token token;
  tenantdb_status status = TENANTDB_OK;
  tndb_lexer_start(&lexer, text, length, true);
  while (!status && tndb_lexer_next(&lexer, &token)) {
    bool concurrently =
        tndb_token_is_word(text, &token, "concurrently") && is_keyword_place(text, length, &token);
    bool parameter = repeats && token.kind == TNDB_TOKEN_PARAMETER;
    if (!concurrently && !parameter && !tndb_step_is_name(&token)) {
      continue;
    }
    tndb_buffer_append_n(out, text + done, token.offset - done);
    done = token.offset + token.length;
    if (parameter) {
      tndb_buffer_append(out, "NULL::text");
    } else if (!concurrently) {
      status = tndb_step_name(out, at, text, &token, error);
    }
  }
  tndb_buffer_append_n(out, text + done, length - done);
  return status;
}

/* ---------------------------------------------------------------- all of them */

typedef struct growing {
  const tndb_step_place *at;
  tndb_ddl *ddl;
  size_t capacity;
} growing;

static tenantdb_status add_item(growing *all, tndb_buffer *sql, tndb_buffer *where, tenantdb_error **error) {
  tndb_ddl *ddl = all->ddl;
  if (ddl->count == all->capacity) {
    size_t capacity = all->capacity ? all->capacity * 2 : 16;
    tndb_ddl_item *items = tndb_realloc(ddl->items, capacity * sizeof *items);
    if (!items) {
      return tndb_no_memory(error);
    }
    ddl->items = items;
    all->capacity = capacity;
  }
  tndb_ddl_item item = {.sql = tndb_buffer_take(sql),
                        .place = tndb_buffer_take(where),
                        .kind = TNDB_DDL_ALTER,
                        .name = "",
                        .base = ""};
  ddl->items[ddl->count++] = item;
  return item.sql && item.place ? TENANTDB_OK : tndb_no_memory(error);
}

/* `file`: NULL of what no file says. */
static tenantdb_status add_step(growing *all, const char *file, bool transactional,
                                const tndb_migration_step *step, tenantdb_error **error) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_auto_buffer where = TNDB_BUFFER_INIT;
  tenantdb_status status = TENANTDB_OK;
  if (file) {
    tndb_buffer_format(&where, "migration %s, line %d", file, (int)step->line);
  } else {
    tndb_buffer_append(&where, "finishing a change");
  }
  if (transactional) {
    tndb_buffer_append(&sql, step->sql);
  } else if (!is_idle(step->sql, strlen(step->sql))) {
    status = rewrite(step, all->at, &sql, error);
  }
  if (status) {
    tndb_error_prefix(error, "%s", tndb_buffer_text(&where));
    return status;
  }
  return sql.length == 0 && !sql.failed ? TENANTDB_OK : add_item(all, &sql, &where, error);
}

static bool is_wanted(const tndb_migration *migration, const tndb_migration *checkpoint, int64_t version) {
  return migration->kind == TNDB_MIGRATION_CHECKPOINT
             ? migration == checkpoint
             : migration->version <= version && (!checkpoint || migration->version > checkpoint->version);
}

static tenantdb_status add_all(growing *all, const tenantdb_migrations *set, tndb_stream stream,
                               int64_t version, const tndb_steps *rest, tenantdb_error **error) {
  const tndb_migration *checkpoint =
      stream == TNDB_STREAM_TENANT ? tndb_migrations_checkpoint(set, version) : NULL;
  bool newest = version == tndb_migrations_newest(set, stream);
  tenantdb_status status = TENANTDB_OK;
  size_t i = set->first[stream], end = set->first[stream + 1];
  for (; i < end && set->items[i]->kind != TNDB_MIGRATION_REPEATABLE && !status; i++) {
    const tndb_migration *is = set->items[i];
    for (size_t k = 0; is_wanted(is, checkpoint, version) && k < is->steps.count && !status; k++) {
      status = add_step(all, is->file, is->transactional, &is->steps.items[k], error);
    }
  }
  for (size_t k = 0; rest && k < rest->count && !status; k++) {
    status = add_step(all, NULL, false, &rest->items[k], error);
  }
  for (; newest && i < end && !status; i++) {
    const tndb_migration *is = set->items[i];
    for (size_t k = 0; k < is->steps.count && !status; k++) {
      status = add_step(all, is->file, is->transactional, &is->steps.items[k], error);
    }
  }
  return status ? status : tndb_enums_fold(all->ddl, error);
}

static tenantdb_status make(const tenantdb_migrations *set, const tndb_step_place *at, tndb_stream stream,
                            int64_t version, const tndb_steps *rest, tndb_ddl *ddl, tenantdb_error **error) {
  growing all = {.at = at, .ddl = ddl};
  *ddl = (tndb_ddl){NULL, 0};
  tenantdb_status status = add_all(&all, set, stream, version, rest, error);
  if (status) {
    tndb_ddl_free(ddl);
  }
  return status;
}

tenantdb_status tndb_scratch_statements(const tenantdb_migrations *set, const tenantdb *db,
                                        tndb_stream stream, int64_t version, const char *schema,
                                        tndb_ddl *ddl, tenantdb_error **error) {
  return make(set, &(tndb_step_place){db->registry, schema, tndb_database_shared_schema(db)}, stream, version,
              NULL, ddl, error);
}

tenantdb_status tndb_scratch_statements_and(const tenantdb_migrations *set, const tenantdb *db,
                                            tndb_stream stream, const tndb_steps *rest, const char *schema,
                                            tndb_ddl *ddl, tenantdb_error **error) {
  return make(set, &(tndb_step_place){db->registry, schema, tndb_database_shared_schema(db)}, stream,
              tndb_migrations_newest(set, stream), rest, ddl, error);
}
