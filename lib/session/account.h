/* SPDX-License-Identifier: PostgreSQL */
/*
 * The account: what became of a call is counted for the statistics, and told as
 * an event when somebody should know of it. No lock is held here.
 */
#ifndef TNDB_SESSION_ACCOUNT_H
#define TNDB_SESSION_ACCOUNT_H

#include "session/session.h"

/* A call has ended; before its outcome is handed over. */
void tndb_account_call(tenantdb_session *session);
/* A COPY has ended, inside the transaction that calls began and end. */
void tndb_account_copy(tenantdb_session *session, tenantdb_status status, const tenantdb_error *error);
/* The connection was lost between calls, with the transaction that was open. */
void tndb_account_lost(tenantdb_session *session, bool in_transaction);
/* The session is being closed, in whichever state it is. */
void tndb_account_close(const tenantdb_session *session);

#endif
