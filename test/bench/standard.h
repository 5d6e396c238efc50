/* SPDX-License-Identifier: PostgreSQL */
/*
 * The standard tenant: 8 tables, 24 indexes (8 of primary keys), 3 foreign
 * keys; a speech and translation service. And what making one by hand takes.
 */
#ifndef TEST_BENCH_STANDARD_H
#define TEST_BENCH_STANDARD_H

#include <libpq-fe.h>
#include <stddef.h>

#include <tenantdb.h>

#define STANDARD_TABLES 8
#define STANDARD_INDEXES 24
/* Room for any of the texts below. */
#define STANDARD_SQL_MAX ((size_t)32768)

/* CREATE TABLE and CREATE INDEX, unqualified. */
const char *standard_ddl(void);
/* The same as a tenant base, with an empty shared one. */
tenantdb_registry *standard_registry(void);

/* The least that makes a tenant: schema and tables in one transaction. */
void standard_bare_sql(char *sql, size_t size, const char *schema);

/* Make, once, tables that stand for the catalog and the group role, for the text below. */
void standard_make_catalog(PGconn *conn);
/* All that provisioning is: records, role, schema, tables, grants, verification, in one transaction. */
void standard_provision_sql(char *sql, size_t size, const char *slug, const char *schema, const char *role);

#endif
