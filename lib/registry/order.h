/* SPDX-License-Identifier: PostgreSQL */
/*
 * The order in which a kind's items can be created. Tables come in the order of
 * their foreign keys, as near to the declared one as that allows; what is no
 * table, index or comment stays exactly where it was declared. A foreign key
 * that closes a cycle, or looks ahead over such a place, is added at the end.
 */
#ifndef TNDB_REGISTRY_ORDER_H
#define TNDB_REGISTRY_ORDER_H

#include "registry/model.h"

/* An item, or a foreign key to be added to a table. */
typedef struct tndb_step {
  const tndb_item *item;
  const tenantdb_table *table;
  const tndb_foreign_key *key;
} tndb_step;

typedef struct tndb_order_node tndb_order_node;
typedef struct tndb_order_link tndb_order_link;

typedef struct tndb_order {
  tndb_step *steps;
  size_t count;
  tndb_order_node *nodes; /* by the table's number */
  tndb_order_link *links;
} tndb_order;

/* `only` limits it to one base, as if all others were there already; NULL for all of the kind. */
tenantdb_status tndb_order_make(const tenantdb_registry *registry, int32_t kind, const tenantdb_base *only,
                                tndb_order *order, tenantdb_error **error);
/* Make every foreign key a step of its own, at the end: for tables that are filled before they are tied together. */
void tndb_order_part_keys(tndb_order *order, const tenantdb_registry *registry);
/* Whether the table's i-th foreign key is a step of its own. */
bool tndb_order_is_deferred(const tndb_order *order, const tenantdb_table *table, size_t i);
void tndb_order_free(tndb_order *order);

#endif
