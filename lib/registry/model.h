/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a registry holds, as declared. Builders and SQL end up in the same
 * structures; nothing here is changed once the registry is frozen, so that any
 * thread may read it without a lock.
 */
#ifndef TNDB_REGISTRY_MODEL_H
#define TNDB_REGISTRY_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenantdb/registry.h>

#include "base/error.h"
#include "base/map.h"

/* Names in an order that means something: the columns of a key. */
typedef struct tndb_names {
  char **items;
  size_t count;
} tndb_names;

enum { TNDB_ELEMENT_COLUMN, TNDB_ELEMENT_CONSTRAINT, TNDB_ELEMENT_LIKE };

/* One line between the parentheses of CREATE TABLE, foreign keys apart. */
typedef struct tndb_element {
  int32_t kind;
  char *name; /* the column's; the constraint's or NULL; the table LIKE names */
  char *text; /* the type; the constraint; LIKE's options */
  char *rest; /* a column's: what follows the type, without REFERENCES */
} tndb_element;

typedef struct tndb_foreign_key {
  char *name;   /* the constraint's, or NULL */
  char *target; /* "table" or "base.table" */
  char *actions;
  tndb_names columns;
  tndb_names target_columns; /* none: the primary key */
  int32_t line;
  bool folds;  /* written in SQL inside a builder: names mean themselves, or else their lower case */
  bool period; /* the last column is a PERIOD */
} tndb_foreign_key;

/* What makes an index of its own: 'p'rimary key, 'u'nique, e'x'clusion. */
typedef struct tndb_key {
  char kind;
  char *name; /* or NULL */
  tndb_names columns;
} tndb_key;

struct tenantdb_table {
  tenantdb_base *base;
  char *name;
  size_t number; /* of all tables of the registry */
  int32_t line;  /* in its script, 0 for a builder's */
  int32_t grant; /* a mask, -1 for the base's */
  char kind;     /* 'r' or 'p' */
  bool unlogged;
  bool typed;  /* OF a type, which is in the suffix */
  bool open;   /* it has columns and keys that are not declared here: LIKE, INHERITS, PARTITION OF, ALTER */
  bool serial; /* a column makes a sequence that is not a table's own (serial) */
  tndb_element *elements;
  size_t n_elements;
  tndb_foreign_key *foreign_keys;
  size_t n_foreign_keys;
  tndb_key *keys;
  size_t n_keys;
  tndb_names constraints; /* their names, for duplicates */
  tndb_names needs;       /* tables that must be there before it */
  char *parent;           /* PARTITION OF */
  char *suffix;           /* what follows the closing parenthesis */
};

/* What a declared item becomes; public to higher rooms as tndb_ddl_item.kind. */
enum {
  TNDB_DDL_TABLE = 1,
  TNDB_DDL_INDEX,
  TNDB_DDL_FOREIGN_KEY,
  TNDB_DDL_COMMENT,
  TNDB_DDL_TYPE,
  TNDB_DDL_SEQUENCE,
  TNDB_DDL_VIEW,
  TNDB_DDL_FUNCTION,
  TNDB_DDL_TRIGGER,
  TNDB_DDL_ALTER
};

/* One declaration, at its place. */
typedef struct tndb_item {
  int32_t kind;
  int32_t line; /* in its script, 0 for a builder's */
  tenantdb_base *base;
  tenantdb_table *table; /* a table; the one of a builder's index or comment */
  char *table_name;      /* in a script: the table it is about, found when all is declared */
  char *name;            /* the index's or object's, or NULL */
  char *column;          /* a comment's */
  char *text;            /* an index's definition, a comment's text, a script's statement */
  bool raw;              /* text is the whole statement */
  bool unique;
  bool only;
  bool late; /* about a constraint: after the foreign keys */
} tndb_item;

/* What can be named in a marker or as a target: tables, views, sequences. */
typedef struct tndb_entry {
  char *name;
  char kind; /* as in pg_class: r p v m S */
  tenantdb_table *table;
} tndb_entry;

struct tenantdb_base {
  tenantdb_registry *registry;
  char *name;
  int32_t kind;
  int32_t grant;
  tndb_item *items;
  size_t n_items;
  tndb_entry **entries;
  size_t n_entries;
  tndb_map names; /* of entries */
};

struct tenantdb_registry {
  uint32_t magic;
  atomic_uint references;
  atomic_bool frozen;
  atomic_bool late; /* something was declared after that */
  tenantdb_base **bases;
  size_t n_bases;
  size_t n_tables;
  int64_t version; /* of the tenants' schema */
  tenantdb_error *mistake;
};

/* Whether a handle is a living registry. */
bool tndb_registry_valid(const tenantdb_registry *registry);
/* Room for one more element behind `count` of them, zeroed; NULL leaves the array as it is. */
void *tndb_array_room(void *array, size_t count, size_t size);
bool tndb_names_add(tndb_names *names, const char *name);
bool tndb_names_has(const tndb_names *names, const char *name);
void tndb_names_free(tndb_names *names);
void tndb_foreign_key_clear(tndb_foreign_key *key);
void tndb_table_release(tenantdb_table *table);

/* Declaring inside a base; the tables and entries belong to it. */
tndb_entry *tndb_base_find(const tenantdb_base *base, const char *name);
tenantdb_status tndb_base_add_entry(tenantdb_base *base, const char *name, char kind, tndb_entry **entry,
                                    tenantdb_error **error);
tenantdb_status tndb_base_add_table(tenantdb_base *base, const char *name, int32_t line,
                                    tenantdb_table **table, tenantdb_error **error);
/* Takes what the item owns in both outcomes. */
tenantdb_status tndb_base_add_item(tenantdb_base *base, tndb_item *item, tenantdb_error **error);
void tndb_item_clear(tndb_item *item);

/* Columns, for whoever compares with the server. */
size_t tndb_table_column_count(const tenantdb_table *table);
const char *tndb_table_column_name(const tenantdb_table *table, size_t i);
/* Whether all its columns are declared (not so with LIKE, INHERITS, PARTITION OF, ALTER). */
bool tndb_table_columns_known(const tenantdb_table *table);
/* The column's real name, NULL when there is none; `folds` tries lower case too. */
const char *tndb_table_find_column(const tenantdb_table *table, const char *name, bool folds);

#endif
