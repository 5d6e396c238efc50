/* SPDX-License-Identifier: PostgreSQL */
/*
 * Documents: what is declared, and what is really there, for people (Markdown)
 * and for programs (JSON). doc/guide/plans.md shows both.
 */
#ifndef TENANTDB_DOCUMENT_H
#define TENANTDB_DOCUMENT_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/registry.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * tenantdb_registry_document() - what a registry declares
 * @registry: a registry
 * @format:   "markdown" or "json"
 * @text:     receives the document, NUL-terminated UTF-8
 * @error:    as everywhere
 *
 * Bases, their tables with columns, constraints, foreign keys, indexes and
 * comments, and what else they declare, all in the order of declaration. Needs no
 * server. The registry's first mistake is reported here, too.
 *
 * Ownership: *text is yours, tenantdb_string_free().
 * Thread:    any, once the registry is opened with a database; before that one at a time.
 * Status:    MEMORY, ARGUMENT.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_registry_document(const tenantdb_registry *registry, const char *format, char **text, tenantdb_error **error);

/**
 * tenantdb_document() - what a schema of the database really holds
 * @db:     a database
 * @tenant: slug or id, NUL-terminated UTF-8: his schema; NULL: the one of @schema
 * @schema: the name of a schema, unquoted; NULL: the shared one; must be NULL when @tenant is given
 * @format: "markdown" or "json"
 * @text:   receives the document, NUL-terminated UTF-8
 * @error:  as everywhere
 *
 * The same document as that of a registry, as PostgreSQL writes the definitions;
 * tables by name, columns in their order. Two documents of equal schemas are equal
 * but for the schema's name.
 *
 * Ownership: *text is yours, tenantdb_string_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, CONNECTION, PERMISSION, TIMEOUT, BUSY, UNSUPPORTED, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_document(tenantdb *db, const char *tenant, const char *schema, const char *format, char **text, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif
