/* SPDX-License-Identifier: PostgreSQL */
/*
 * The query behind canonical forms. It reads any number of schemas at once and
 * never searches a catalog for a schema: everything is found through pg_depend,
 * so that the cost is that of what the schemas hold.
 *
 * The search path holds none of the schemas, and so PostgreSQL qualifies every
 * name of theirs. Each name is replaced by a mark (schema/marker.h), but not in
 * literals, quoted identifiers or words that only look like it. Where one cannot
 * tell (a view's alias that is called like the schema) the registry's definition,
 * written for that schema, is compared instead: $7 to $9.
 *
 * $1 schemas  $2 their tenants' roles, '' for none  $3 the tenants' states, '' for
 * no tenant, 'registry' for the registry's own  $4 the group role or ''
 * $5 the catalog's table of tenants  $6 the shared schema
 * $7 kinds  $8 objects  $9 definitions of the registry
 * $10 names of declared tables: partitions that are not among them come and go, and are content; NULL for all
 */
#ifndef TNDB_SCHEMA_FORM_SQL_H
#define TNDB_SCHEMA_FORM_SQL_H

#include "base/buffer.h"

enum { TNDB_FORM_PARAMETERS = 10 };

/* Rows: ord, kind, parent, object, definition; ordered by the first two and object, bytewise. */
void tndb_form_sql_rows(tndb_buffer *sql, int version);
/* One row a schema that is there: ord, fingerprint. */
void tndb_form_sql_fingerprints(tndb_buffer *sql, int version);

/* Its parts, for `version` of the server. */
void tndb_form_sql_tables(tndb_buffer *sql, int version);
void tndb_form_sql_objects(tndb_buffer *sql, int version);
void tndb_form_sql_access(tndb_buffer *sql);

#endif
