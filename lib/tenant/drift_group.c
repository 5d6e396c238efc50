/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/drift_group.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "schema/marker.h"

struct tndb_drift_group {
  tndb_drift_kind kind;
  const char *level;
  char *object; /* as they are shown */
  char *expected;
  char *found;
  int64_t tenants;
  int64_t named;
  tndb_buffer which;
};

static void release(struct tndb_drift_group *group) {
  if (group) {
    tndb_free(group->object);
    tndb_free(group->expected);
    tndb_free(group->found);
    tndb_buffer_free(&group->which);
    tndb_free(group);
  }
}

void tndb_drift_groups_free(tndb_drift_groups *groups) {
  for (size_t i = 0; i < groups->count; i++) {
    release(groups->items[i]);
  }
  tndb_free(groups->items);
  tndb_map_free(&groups->by_text);
  *groups = (tndb_drift_groups){.items = NULL};
}

static char *shown_text(const char *text) {
  tndb_buffer out = TNDB_BUFFER_INIT;
  tndb_buffer_append(&out, "");
  tndb_marks_show(&out, text);
  char *taken = tndb_buffer_take(&out);
  tndb_buffer_free(&out);
  return taken;
}

static struct tndb_drift_group *make(const tndb_difference *d) {
  struct tndb_drift_group *group = tndb_new(struct tndb_drift_group);
  tndb_buffer name = TNDB_BUFFER_INIT;
  if (!group) {
    return NULL;
  }
  tndb_difference_name(&name, d->what, d->object);
  group->kind = d->kind;
  group->level = tndb_difference_level(d);
  group->object = tndb_buffer_take(&name);
  group->expected = d->expected ? shown_text(d->expected) : NULL;
  group->found = d->found ? shown_text(d->found) : NULL;
  tndb_buffer_free(&name);
  if (!group->object || (d->expected && !group->expected) || (d->found && !group->found)) {
    release(group);
    return NULL;
  }
  return group;
}

/* What makes two differences one: all of it, as it stands between marks that no text holds. */
static void key_of(tndb_buffer *key, const tndb_difference *d) {
  const char *parts[] = {tndb_drift_kind_name(d->kind), d->what, d->object,
                         d->expected ? d->expected : "\x1d", d->found ? d->found : "\x1d"};
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    tndb_buffer_append(key, parts[i]);
    tndb_buffer_append_char(key, '\x1f');
  }
}

static struct tndb_drift_group *add_group(tndb_drift_groups *groups, const char *key,
                                          const tndb_difference *d) {
  if (groups->count == groups->capacity) {
    size_t capacity = groups->capacity ? groups->capacity * 2 : 16;
    struct tndb_drift_group **bigger = tndb_realloc(groups->items, capacity * sizeof *bigger);
    if (!bigger) {
      return NULL;
    }
    groups->items = bigger;
    groups->capacity = capacity;
  }
  struct tndb_drift_group *group = make(d);
  if (!group || !tndb_map_put(&groups->by_text, key, group)) {
    release(group);
    return NULL;
  }
  groups->items[groups->count++] = group;
  return group;
}

void tndb_drift_groups_add(tndb_drift_groups *groups, const tndb_difference *d, const char *slug,
                           int64_t shown) {
  tndb_auto_buffer key = TNDB_BUFFER_INIT;
  key_of(&key, d);
  if (groups->failed || key.failed) {
    groups->failed = true;
    return;
  }
  struct tndb_drift_group *group = tndb_map_get(&groups->by_text, tndb_buffer_text(&key));
  group = group ? group : add_group(groups, tndb_buffer_text(&key), d);
  if (!group) {
    groups->failed = true;
    return;
  }
  group->tenants++;
  if (group->named < shown) {
    tndb_buffer_append(&group->which, group->named++ ? "," : "[");
    tndb_json_string(&group->which, slug, strlen(slug));
  }
}

static int rank(const struct tndb_drift_group *group) {
  return group->kind == TNDB_DRIFT_SECURITY ? 0 : group->kind == TNDB_DRIFT_EXTRA ? 2 : 1;
}

static int compare_groups(const void *left, const void *right) {
  const struct tndb_drift_group *a = *(struct tndb_drift_group *const *)left;
  const struct tndb_drift_group *b = *(struct tndb_drift_group *const *)right;
  int order = rank(a) - rank(b);
  order = order ? order : (a->tenants < b->tenants) - (a->tenants > b->tenants);
  order = order ? order : strcmp(a->object, b->object);
  order = order ? order : strcmp(a->found ? a->found : "", b->found ? b->found : "");
  return order ? order : strcmp(a->expected ? a->expected : "", b->expected ? b->expected : "");
}

tenantdb_status tndb_drift_groups_write(tndb_drift_groups *groups, tndb_table *table,
                                        tenantdb_error **error) {
  tndb_auto_buffer tenants = TNDB_BUFFER_INIT;
  tndb_auto_buffer more = TNDB_BUFFER_INIT;
  bool failed = groups->failed;
  if (groups->count > 1) {
    qsort(groups->items, groups->count, sizeof(struct tndb_drift_group *), compare_groups);
  }
  for (size_t i = 0; !failed && i < groups->count; i++) {
    struct tndb_drift_group *group = groups->items[i];
    tndb_buffer_append(&group->which, group->named ? "]" : "[]");
    tndb_buffer_clear(&tenants);
    tndb_buffer_clear(&more);
    tndb_buffer_format(&tenants, "%lld", (long long)group->tenants);
    tndb_buffer_format(&more, "%lld", (long long)(group->tenants - group->named));
    failed = group->which.failed || tenants.failed || more.failed;
    const char *cells[] = {tndb_drift_kind_name(group->kind),
                           group->level,
                           group->object,
                           group->expected,
                           group->found,
                           tndb_buffer_text(&tenants),
                           tndb_buffer_text(&group->which),
                           tndb_buffer_text(&more)};
    tndb_table_row(table, cells);
  }
  return failed ? tndb_no_memory(error) : TENANTDB_OK;
}
