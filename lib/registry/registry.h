/* SPDX-License-Identifier: PostgreSQL */
/* What higher rooms ask a registry; `kind` is TENANTDB_BASE_SHARED or TENANTDB_BASE_TENANT everywhere. */
#ifndef TNDB_REGISTRY_REGISTRY_H
#define TNDB_REGISTRY_REGISTRY_H

#include "base/sha256.h"
#include "registry/model.h"

/* Freeze it and hold it once more; tenantdb_registry_free() lets go. */
tenantdb_registry *tndb_registry_hold(tenantdb_registry *registry);

/* One statement of the DDL, without a semicolon. Strings but sql and place belong to the registry. */
typedef struct tndb_ddl_item {
  char *sql;
  char *place;       /* "base Service, table requests, index ix" for messages */
  int32_t kind;      /* TNDB_DDL_ */
  const char *name;  /* the object's; of unnamed indexes and constraints, and of comments, the table's */
  const char *table; /* the table it is or is about, NULL for none */
  const char *base;
} tndb_ddl_item;

typedef struct tndb_ddl {
  tndb_ddl_item *items;
  size_t count;
} tndb_ddl;

/*
 * Everything of one kind, in an order that works, to be run with the search
 * path on `schema`. Names are unqualified, but those of shared tables in tenant
 * bases. The text depends on `schema` only where a script says {schema}.
 */
tenantdb_status tndb_registry_statements(const tenantdb_registry *registry, int32_t kind, const char *schema,
                                         const char *shared_schema, tndb_ddl *out, tenantdb_error **error);
/* The same with every foreign key a statement of its own, behind the rest. */
tenantdb_status tndb_registry_statements_apart(const tenantdb_registry *registry, int32_t kind,
                                               const char *schema, const char *shared_schema, tndb_ddl *out,
                                               tenantdb_error **error);
/*
 * For tables that are filled while they are made: `before` is what there must be
 * when rows come, `after` what is better, or only right, when they are there:
 * indexes, foreign keys, triggers, row security. A shared table that a foreign
 * key goes to is locked against writers from then on, so that comes last.
 */
tenantdb_status tndb_registry_phases(const tenantdb_registry *registry, int32_t kind, const char *schema,
                                     const char *shared_schema, tndb_ddl *before, tndb_ddl *after,
                                     tenantdb_error **error);
void tndb_ddl_free(tndb_ddl *ddl);

/* A table, view or explicit sequence that must be there afterwards. */
typedef struct tndb_relation {
  const char *base;
  const char *name;
  char kind;              /* as in pg_class: r p v m S */
  const char *privileges; /* shared: what tenants may do, "SELECT, INSERT" or "" */
  const tenantdb_table *table;
} tndb_relation;

/* Fills up to `room` of them and returns how many there are. */
size_t tndb_registry_relations(const tenantdb_registry *registry, int32_t kind, tndb_relation *out,
                               size_t room);
bool tndb_registry_has_functions(const tenantdb_registry *registry, int32_t kind);
/* Whether a column is serial, so that inserting needs a privilege on an implicit sequence. */
bool tndb_registry_has_serials(const tenantdb_registry *registry, int32_t kind);
/* SHA-256 of the statements with fixed schema names: the registry's fingerprint. */
tenantdb_status tndb_registry_hash(const tenantdb_registry *registry, int32_t kind, char hex[TNDB_SHA256_HEX],
                                   tenantdb_error **error);

#endif
