/* SPDX-License-Identifier: PostgreSQL */
/*
 * Prepared statements of one connection: one for each (scope, SQL), the least
 * recently used ones dropped beyond session.prepared_statements.
 *
 * The scope is part of the key because a statement that is shared between
 * tenants would be planned again at every switch of the search path. A
 * compiled statement is known by its serial number and the schema it was rendered
 * for instead of its text. A statement is prepared when it comes the second time. Nothing is prepared on
 * a connection that is not known to stay with one process of the server: behind
 * a pooler the next transaction may run on another one. Should that be found out
 * too late, the names are unknown there, and the call is run again without.
 */
#ifndef TNDB_PG_PREPARED_H
#define TNDB_PG_PREPARED_H

#include "pg/exchange.h"
#include "statement/cache.h"

/* Queue a statement, by name when that is possible. Returns the place of its answer. */
size_t tndb_prepared_send(tndb_conn *conn, const char *scope, const char *sql, const tndb_values *values);
/*
 * A compiled statement's text for a schema, found or rendered; NULL for one where no tenant's tables are
 * named. As many are kept as option statement.cache says. *text is held, tndb_text_release().
 */
tenantdb_status tndb_prepared_text(tndb_conn *conn, const tenantdb_statement *statement, const char *schema,
                                   const char *shared_schema, tndb_text **text, tenantdb_error **error);
/* As send, for such a text. */
size_t tndb_prepared_send_text(tndb_conn *conn, const char *scope, tndb_text *text,
                               const tndb_values *values);
/* The same for a fixed statement of the library's that means the same in every scope; `key` stands for it. */
size_t tndb_prepared_send_fixed(tndb_conn *conn, const char *key, const char *sql, const tndb_values *values);
/* After an exchange: which statements the server has now. Called by the exchange itself. */
void tndb_prepared_settle(tndb_conn *conn);
/* Believe none of the names any more. */
void tndb_prepared_forget(tndb_conn *conn);
void tndb_prepared_free(tndb_conn *conn);

#endif
