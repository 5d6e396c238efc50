/* SPDX-License-Identifier: PostgreSQL */
#include "registry/order.h"

#include <string.h>

#include "base/memory.h"
#include "registry/mistake.h"
#include "registry/resolve.h"

#define OUTSIDE SIZE_MAX

struct tndb_order_node {
  const tenantdb_table *table; /* NULL: not among those to be created */
  size_t first;                /* of its links: the foreign keys, then what it needs */
  size_t n_links;
  size_t segment; /* how many barriers stand before it */
  bool created;
};

struct tndb_order_link {
  size_t target; /* number of a table to be created, OUTSIDE for one that is there */
  bool needed;   /* LIKE, INHERITS, PARTITION OF: cannot come later */
  bool deferred;
};

/* What is being worked on. */
typedef struct work {
  const tenantdb_registry *registry;
  tndb_order *order;
  const tndb_item **items; /* in declared order */
  size_t n_items;
} work;

static bool is_barrier(const tndb_item *item) {
  return item->kind != TNDB_DDL_TABLE && item->kind != TNDB_DDL_INDEX && item->kind != TNDB_DDL_COMMENT;
}

bool tndb_order_is_deferred(const tndb_order *order, const tenantdb_table *table, size_t i) {
  return order->links[order->nodes[table->number].first + i].deferred;
}

void tndb_order_free(tndb_order *order) {
  tndb_free(order->steps);
  tndb_free(order->nodes);
  tndb_free(order->links);
  *order = (tndb_order){NULL, 0, NULL, NULL};
}

/* ------------------------------------------------------------- collecting */

static bool wanted(const tenantdb_base *base, int32_t kind, const tenantdb_base *only) {
  return only ? base == only : base->kind == kind;
}

static bool collect(work *w, int32_t kind, const tenantdb_base *only) {
  size_t n_items = 0, n_links = 0, n_keys = 0;
  for (size_t b = 0; b < w->registry->n_bases; b++) {
    const tenantdb_base *base = w->registry->bases[b];
    for (size_t i = 0; wanted(base, kind, only) && i < base->n_items; i++) {
      const tenantdb_table *table = base->items[i].kind == TNDB_DDL_TABLE ? base->items[i].table : NULL;
      n_items++;
      n_keys += table ? table->n_foreign_keys : 0;
      n_links += table ? table->n_foreign_keys + table->needs.count : 0;
    }
  }
  w->items = tndb_alloc_array(n_items, sizeof *w->items);
  w->order->steps = tndb_alloc_array(n_items + n_keys, sizeof *w->order->steps);
  w->order->links = tndb_alloc_array(n_links, sizeof *w->order->links);
  w->order->nodes = tndb_alloc_array(w->registry->n_tables, sizeof *w->order->nodes);
  if (!w->items || !w->order->steps || !w->order->links || !w->order->nodes) {
    return false;
  }
  size_t segment = 0, first = 0;
  for (size_t b = 0; b < w->registry->n_bases; b++) {
    const tenantdb_base *base = w->registry->bases[b];
    for (size_t i = 0; wanted(base, kind, only) && i < base->n_items; i++) {
      const tndb_item *item = &base->items[i];
      w->items[w->n_items++] = item;
      segment += is_barrier(item);
      if (item->kind == TNDB_DDL_TABLE) {
        size_t n = item->table->n_foreign_keys + item->table->needs.count;
        w->order->nodes[item->table->number] = (tndb_order_node){item->table, first, n, segment, false};
        first += n;
      }
    }
  }
  return true;
}

static bool same_columns(const tndb_names *a, const tndb_names *b) {
  for (size_t i = 0; i < a->count; i++) {
    if (!tndb_names_has(b, a->items[i])) {
      return false;
    }
  }
  return a->count == b->count;
}

/* Its columns are unique by an index only, which comes after the tables. */
static bool leans_on_index(const tndb_foreign_key *key, const tenantdb_table *target) {
  if (key->target_columns.count == 0 || target->open) {
    return false;
  }
  for (size_t i = 0; i < target->n_keys; i++) {
    if (same_columns(&key->target_columns, &target->keys[i].columns)) {
      return false;
    }
  }
  return true;
}

static tenantdb_status link_key(work *w, const tndb_order_node *node, size_t i, tenantdb_error **error) {
  const tndb_foreign_key *key = &node->table->foreign_keys[i];
  tndb_order_link *link = &w->order->links[node->first + i];
  tndb_target target;
  tenantdb_status status = tndb_foreign_key_resolve(node->table, key, &target, error);
  if (status == TENANTDB_OK) {
    const tndb_order_node *other = &w->order->nodes[target.entry->table->number];
    link->target = other->table ? target.entry->table->number : OUTSIDE;
    link->deferred =
        other->table && (other->segment > node->segment || leans_on_index(key, target.entry->table));
  }
  return status;
}

static tenantdb_status link_need(work *w, const tndb_order_node *node, size_t i, tenantdb_error **error) {
  const tenantdb_table *table = node->table;
  const char *name = table->needs.items[i];
  tndb_order_link *link = &w->order->links[node->first + table->n_foreign_keys + i];
  tndb_target target;
  tenantdb_status status = tndb_registry_resolve_declared(table->base, name, false, &target, error);
  link->target = OUTSIDE;
  link->needed = true;
  if (status == TENANTDB_OK && target.entry->table) {
    const tndb_order_node *other = &w->order->nodes[target.entry->table->number];
    link->target = other->table ? target.entry->table->number : OUTSIDE;
    if (other->table && other->segment > node->segment) {
      status = tndb_origin(
          error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_REFERENCE,
          "\"%s\" is declared later, behind a statement that keeps its place; declare it first", name);
    }
  }
  if (status != TENANTDB_OK) {
    tndb_place place = {table->base, table, table->line, NULL, NULL};
    tndb_place_error(&place, error);
  }
  return status;
}

static tenantdb_status link_all(work *w, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t n = 0; n < w->registry->n_tables && status == TENANTDB_OK; n++) {
    const tndb_order_node *node = &w->order->nodes[n];
    if (!node->table) {
      continue;
    }
    for (size_t i = 0; i < node->table->n_foreign_keys && status == TENANTDB_OK; i++) {
      status = link_key(w, node, i, error);
    }
    for (size_t i = 0; i < node->table->needs.count && status == TENANTDB_OK; i++) {
      status = link_need(w, node, i, error);
    }
  }
  return status;
}

/* --------------------------------------------------------------- choosing */

/* Whether the link still waits for its target. */
static bool waits(const work *w, const tndb_order_node *node, const tndb_order_link *link) {
  return link->target != OUTSIDE && !link->deferred && link->target != node->table->number &&
         !w->order->nodes[link->target].created;
}

/* The table this one waits for, those it cannot do without first; OUTSIDE when it waits for none. */
static size_t waits_for(const work *w, const tndb_order_node *node, bool *needed) {
  size_t found = OUTSIDE;
  *needed = false;
  for (size_t i = 0; i < node->n_links; i++) {
    const tndb_order_link *link = &w->order->links[node->first + i];
    if (waits(w, node, link) && (found == OUTSIDE || (link->needed && !*needed))) {
      found = link->target;
      *needed = link->needed;
    }
  }
  return found;
}

/* Let the node be created now: what it still waits for is added at the end. */
static void defer(const work *w, const tndb_order_node *node) {
  for (size_t i = 0; i < node->n_links; i++) {
    tndb_order_link *link = &w->order->links[node->first + i];
    link->deferred = link->deferred || waits(w, node, link);
  }
}

/*
 * All tables that are left wait for another one: follow the waiting into its
 * cycle and take the cycle's first table that waits by foreign keys alone.
 */
static const tndb_order_node *break_cycle(const work *w, size_t start, tenantdb_error **error) {
  bool needed;
  for (size_t i = 0; i < w->registry->n_tables; i++) {
    start = waits_for(w, &w->order->nodes[start], &needed);
  }
  size_t best = OUTSIDE, at = start;
  do {
    size_t next = waits_for(w, &w->order->nodes[at], &needed);
    if (!needed && (best == OUTSIDE || at < best)) {
      best = at;
    }
    at = next;
  } while (at != start);
  if (best == OUTSIDE) {
    const tenantdb_table *table = w->order->nodes[start].table;
    tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_REFERENCE,
                "it is made from tables that are made from it (LIKE, INHERITS or PARTITION OF)");
    tndb_place place = {table->base, table, table->line, NULL, NULL};
    tndb_place_error(&place, error);
    return NULL;
  }
  defer(w, &w->order->nodes[best]);
  return &w->order->nodes[best];
}

/* The next table of items[from, to): the first that waits for nothing; *left says whether there was one. */
static const tndb_order_node *choose(const work *w, size_t from, size_t to, bool *left,
                                     tenantdb_error **error) {
  size_t stuck = OUTSIDE;
  for (size_t i = from; i < to; i++) {
    if (w->items[i]->kind != TNDB_DDL_TABLE) {
      continue;
    }
    const tndb_order_node *node = &w->order->nodes[w->items[i]->table->number];
    bool needed;
    if (!node->created && waits_for(w, node, &needed) == OUTSIDE) {
      *left = true;
      return node;
    }
    if (!node->created && stuck == OUTSIDE) {
      stuck = node->table->number;
    }
  }
  *left = stuck != OUTSIDE;
  return *left ? break_cycle(w, stuck, error) : NULL;
}

static void add_step(work *w, const tndb_item *item, const tenantdb_table *table,
                     const tndb_foreign_key *key) {
  w->order->steps[w->order->count++] = (tndb_step){item, table, key};
}

static const tndb_item *item_of(const work *w, size_t from, size_t to, const tenantdb_table *table) {
  size_t i = from;
  while (i + 1 < to && !(w->items[i]->kind == TNDB_DDL_TABLE && w->items[i]->table == table)) {
    i++;
  }
  return w->items[i];
}

/* One stretch between barriers. */
static tenantdb_status segment(work *w, size_t from, size_t to, tenantdb_error **error) {
  bool left = false;
  const tndb_order_node *node;
  while ((node = choose(w, from, to, &left, error)) != NULL) {
    w->order->nodes[node->table->number].created = true;
    add_step(w, item_of(w, from, to, node->table), node->table, NULL);
  }
  if (left) {
    return TENANTDB_ARGUMENT;
  }
  for (size_t i = from; i < to; i++) {
    if (w->items[i]->kind != TNDB_DDL_TABLE && !w->items[i]->late) {
      add_step(w, w->items[i], w->items[i]->table, NULL);
    }
  }
  return TENANTDB_OK;
}

static void add_rest(work *w) {
  for (size_t i = 0; i < w->n_items; i++) {
    const tenantdb_table *table = w->items[i]->table;
    for (size_t k = 0; w->items[i]->kind == TNDB_DDL_TABLE && k < table->n_foreign_keys; k++) {
      if (tndb_order_is_deferred(w->order, table, k)) {
        add_step(w, NULL, table, &table->foreign_keys[k]);
      }
    }
  }
  for (size_t i = 0; i < w->n_items; i++) {
    if (w->items[i]->late) {
      add_step(w, w->items[i], NULL, NULL);
    }
  }
}

tenantdb_status tndb_order_make(const tenantdb_registry *registry, int32_t kind, const tenantdb_base *only,
                                tndb_order *order, tenantdb_error **error) {
  *order = (tndb_order){NULL, 0, NULL, NULL};
  work w = {registry, order, NULL, 0};
  tenantdb_status status = collect(&w, kind, only) ? link_all(&w, error) : tndb_no_memory(error);
  for (size_t from = 0; status == TENANTDB_OK && from < w.n_items;) {
    size_t to = from;
    while (to < w.n_items && !is_barrier(w.items[to])) {
      to++;
    }
    status = segment(&w, from, to, error);
    if (status == TENANTDB_OK && to < w.n_items) {
      add_step(&w, w.items[to++], NULL, NULL);
    }
    from = to;
  }
  if (status == TENANTDB_OK) {
    add_rest(&w);
  } else {
    tndb_order_free(order);
  }
  tndb_free(w.items);
  return status;
}

void tndb_order_part_keys(tndb_order *order, const tenantdb_registry *registry) {
  for (size_t n = 0; n < registry->n_tables; n++) {
    const tndb_order_node *node = &order->nodes[n];
    for (size_t i = 0; node->table && i < node->table->n_foreign_keys; i++) {
      tndb_order_link *link = &order->links[node->first + i];
      if (!link->deferred) {
        link->deferred = true;
        order->steps[order->count++] = (tndb_step){NULL, node->table, &node->table->foreign_keys[i]};
      }
    }
  }
}
