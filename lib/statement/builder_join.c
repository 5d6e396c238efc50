/* SPDX-License-Identifier: PostgreSQL */
/* Joins, along the foreign keys that are declared: from a tenant's tables to each other and to shared ones. */
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "sql/identifier.h"
#include "statement/builder.h"

/* A foreign key between a table that is in the statement and the one to be joined. */
typedef struct path {
  const tenantdb_table *owner;
  const tndb_foreign_key *key;
  const tenantdb_table *target;
  size_t source; /* the one that is in the statement */
  bool owned;    /* the joined table is the owner */
} path;

typedef struct search {
  const tenantdb_builder *builder;
  const tenantdb_table *joined;
  const char *by; /* NULL: any */
  path first;
  size_t count;
  tndb_buffer list; /* of those that were found, for the message */
} search;

static bool is_meant(const tndb_foreign_key *key, const char *by) {
  return !by || (key->name && strcmp(key->name, by) == 0) || tndb_names_has(&key->columns, by);
}

static void note(search *s, const path *found) {
  const tndb_foreign_key *key = found->key;
  if (s->count++ == 0) {
    s->first = *found;
  } else {
    tndb_buffer_append(&s->list, " and ");
  }
  if (key->name) {
    tndb_buffer_append(&s->list, key->name);
    tndb_buffer_append_char(&s->list, ' ');
  }
  for (size_t i = 0; i < key->columns.count; i++) {
    tndb_buffer_append(&s->list, i ? ", " : "(");
    tndb_buffer_append(&s->list, key->columns.items[i]);
  }
  tndb_buffer_append(&s->list, ") of ");
  tndb_buffer_append(&s->list, found->owner->name);
}

/* The keys of `owner` that go to `target`. A period's key does not compare for equality. */
static void look(search *s, const tenantdb_table *owner, const tenantdb_table *target, size_t source,
                 bool owned) {
  for (size_t i = 0; i < owner->n_foreign_keys; i++) {
    const tndb_foreign_key *key = &owner->foreign_keys[i];
    tndb_target to;
    if (!key->period && is_meant(key, s->by) &&
        tndb_foreign_key_resolve(owner, key, &to, NULL) == TENANTDB_OK && to.entry->table == target) {
      path found = {owner, key, target, source, owned};
      note(s, &found);
    }
  }
}

static tenantdb_status nothing_found(const search *s, tenantdb_error **error) {
  tndb_auto_buffer tables = TNDB_BUFFER_INIT;
  for (size_t i = 0; i < s->builder->n_sources; i++) {
    tndb_buffer_append(&tables, i ? " or " : "");
    tndb_buffer_append(&tables, s->builder->sources[i].target.entry->name);
  }
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                     "no foreign key is declared between %s and %s%s%s; tables without one are joined in a "
                     "template",
                     s->joined->name, tndb_buffer_text(&tables), s->by ? " that has the column or name " : "",
                     s->by ? s->by : "");
}

static tenantdb_status find_path(search *s, tenantdb_error **error) {
  for (size_t i = 0; i < s->builder->n_sources; i++) {
    const tenantdb_table *table = tndb_builder_table(s->builder, i);
    if (table) {
      look(s, table, s->joined, i, false);
      look(s, s->joined, table, i, true);
    }
  }
  if (s->list.failed) {
    return tndb_no_memory(error);
  }
  if (s->count == 0) {
    return nothing_found(s, error);
  }
  if (s->count > 1) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "several foreign keys lead there: %s; say which by its name or one of its columns",
                       tndb_buffer_text(&s->list));
  }
  return TENANTDB_OK;
}

/* ----------------------------------------------------------- the condition */

static const tndb_names *target_columns(const path *p) {
  const tndb_key *key = tndb_primary_key(p->target);
  return p->key->target_columns.count ? &p->key->target_columns : key ? &key->columns : NULL;
}

static void write_side(tndb_template *out, size_t source, const char *column) {
  tndb_builder_write_alias(source, out);
  tndb_buffer_append_char(&out->text, '.');
  tndb_quote_identifier(&out->text, column);
}

static tenantdb_status write_on(const path *p, size_t joined, char **on, tenantdb_error **error) {
  const tndb_names *columns = target_columns(p);
  if (!columns || columns->count != p->key->columns.count) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "the columns of table %s that the foreign key refers to are not declared",
                       p->target->name);
  }
  tndb_template out = TNDB_TEMPLATE_INIT;
  for (size_t i = 0; i < columns->count; i++) {
    const char *name = tndb_table_find_column(p->target, columns->items[i], p->key->folds);
    tndb_buffer_append(&out.text, i ? " AND " : "");
    write_side(&out, p->owned ? joined : p->source, p->key->columns.items[i]);
    tndb_buffer_append(&out.text, " = ");
    write_side(&out, p->owned ? p->source : joined, name ? name : columns->items[i]);
  }
  *on = tndb_buffer_take(&out.text);
  return *on ? TENANTDB_OK : tndb_no_memory(error);
}

/* Whether at most one of the owner's rows has a key's value. */
static bool is_one_to_one(const path *p) {
  for (size_t i = 0; i < p->owner->n_keys; i++) {
    const tndb_key *key = &p->owner->keys[i];
    bool inside = key->kind != 'x' && key->columns.count > 0;
    for (size_t c = 0; inside && c < key->columns.count; c++) {
      inside = tndb_names_has(&p->key->columns, key->columns.items[c]);
    }
    if (inside) {
      return true;
    }
  }
  return false;
}

/* ------------------------------------------------------------------ public */

static tenantdb_status check_joined(const tenantdb_builder *builder, const tndb_target *target,
                                    tenantdb_error **error) {
  if (!target->entry->table) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "\"%s\" is no table, so no foreign key leads there", target->entry->name);
  }
  for (size_t i = 0; i < builder->n_sources; i++) {
    if (builder->sources[i].target.entry == target->entry) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                         "the table is in the statement already; twice the same one needs a template");
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status resolve(const tenantdb_builder *builder, const char *table, const char *by,
                               tndb_target *target, tenantdb_error **error) {
  size_t bad;
  if (!table) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the table's name is NULL");
  }
  if (!tndb_utf8_valid(table, strlen(table), &bad) || (by && !tndb_utf8_valid(by, strlen(by), &bad))) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
                       "a name is not valid UTF-8 at byte %zu", bad + 1);
  }
  return tndb_registry_resolve(builder->registry, NULL, table, strlen(table), target, error);
}

static tenantdb_status join(tenantdb_builder *builder, const char *table, const char *by, bool outer,
                            tenantdb_error **error) {
  tndb_target target;
  tenantdb_status status = resolve(builder, table, by, &target, error);
  if (status == TENANTDB_OK) {
    status = check_joined(builder, &target, error);
  }
  if (status != TENANTDB_OK) {
    return status;
  }
  search s = {.builder = builder, .joined = target.entry->table, .by = by};
  char *on = NULL;
  status = find_path(&s, error);
  tndb_buffer_free(&s.list);
  if (status == TENANTDB_OK) {
    status = write_on(&s.first, builder->n_sources, &on, error);
  }
  tndb_source *sources = NULL;
  if (status == TENANTDB_OK) {
    sources = tndb_array_room(builder->sources, builder->n_sources, sizeof *sources);
    status = sources ? TENANTDB_OK : tndb_no_memory(error);
  }
  if (status != TENANTDB_OK) {
    tndb_free(on);
    return status;
  }
  builder->sources = sources;
  sources[builder->n_sources++] = (tndb_source){target, on, outer, s.first.owned && !is_one_to_one(&s.first)};
  return TENANTDB_OK;
}

static void join_call(tenantdb_builder *builder, const char *table, const char *by, bool outer,
                      const char *call) {
  if (tndb_builder_takes(builder, TNDB_BUILD_SELECT, call)) {
    tenantdb_error *mistake = NULL;
    (void)join(builder, table, by, outer, &mistake);
    tndb_builder_keep_mistake(builder, call, table, mistake);
  }
}

void tenantdb_builder_join(tenantdb_builder *builder, const char *table, const char *by) {
  join_call(builder, table, by, false, "join");
}

void tenantdb_builder_left_join(tenantdb_builder *builder, const char *table, const char *by) {
  join_call(builder, table, by, true, "left_join");
}
