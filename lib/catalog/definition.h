/* SPDX-License-Identifier: PostgreSQL */
/* The catalog's own tables, version by version. */
#ifndef TNDB_CATALOG_DEFINITION_H
#define TNDB_CATALOG_DEFINITION_H

#include <stddef.h>

/* The version this library writes. */
#define TNDB_CATALOG_VERSION 5

/* The names of the catalog's tables, ended by NULL: what must not collide when it shares a schema. */
extern const char *const tndb_catalog_tables[];

/*
 * The statements that lead from the version before to `version`, ended by NULL;
 * unqualified, for a search path that is the catalog's schema. Those of a released
 * version are never changed: catalogs exist that were made by them.
 */
const char *const *tndb_catalog_steps(int version);

#endif
