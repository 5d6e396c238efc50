/* SPDX-License-Identifier: PostgreSQL */
/*
 * Calls: one conversation of a session with the server, as a state machine.
 *
 * A call begins with one flush (BEGIN, bind, the statements, COMMIT, as far as
 * each is due) and may need others: ROLLBACK after a failure, the same again
 * without prepared statements, a look at the catalog when the bind was
 * refused. Blocking calls step it in a loop; on an event loop the application
 * does.
 */
#ifndef TNDB_SESSION_CALL_H
#define TNDB_SESSION_CALL_H

#include "session/session.h"

/* Begin: run statements. The items and what they point to must last until the call ends. */
tenantdb_status tndb_call_run(tenantdb_session *session, tndb_call_kind kind, tndb_call_item *items,
                              size_t count, tenantdb_error **error);
/* Begin: one statement, copied together with its values. The copy is session->item, tndb_item_free(). */
tenantdb_status tndb_call_run_copy(tenantdb_session *session, const char *sql, const tenantdb_params *params,
                                   tndb_call_kind kind, tenantdb_error **error);
/* Begin: COMMIT or ROLLBACK. */
tenantdb_status tndb_call_commit(tenantdb_session *session, tenantdb_error **error);
tenantdb_status tndb_call_rollback(tenantdb_session *session, tenantdb_error **error);
/* Step: DONE when the call has ended, well or not; ROWS, READ, READ_WRITE otherwise. Never DEAD. */
tndb_step tndb_call_step(tenantdb_session *session, bool readable);
/* Step until it ends, or until rows are there. */
tndb_step tndb_call_wait(tenantdb_session *session);
/* What became of a call that has ended. Hands the error over. */
tenantdb_status tndb_call_outcome(tenantdb_session *session, tenantdb_error **error);

/*
 * A compiled statement as text for the session, admitted; every public call that takes one begins with
 * this. *text is held, tndb_text_release().
 */
tenantdb_status tndb_session_text(tenantdb_session *session, const tenantdb_statement *statement,
                                  tndb_text **text, tenantdb_error **error);
/* The same for a schema that is not the session's own. */
tenantdb_status tndb_session_text_for(tenantdb_session *session, const tenantdb_statement *statement,
                                      const char *schema, tndb_text **text, tenantdb_error **error);
/* Run a text that is held, from beginning to end, and hand its rows out; `result` may be NULL. */
tenantdb_status tndb_session_run_text(tenantdb_session *session, tndb_text *text,
                                      const tenantdb_params *params, tenantdb_result **result,
                                      tenantdb_error **error);
/* Begin: the same, not waiting for its end. Its values are copied, the text is held until then. */
tenantdb_status tndb_call_run_text(tenantdb_session *session, tndb_text *text, const tenantdb_params *params,
                                   tenantdb_error **error);
/* Refuse what is empty, or begins or ends a transaction. */
tenantdb_status tndb_session_admit(const char *sql, tenantdb_error **error);
/* Refuse what lasts longer than its transaction where a transaction's connection is not the session's own. */
tenantdb_status tndb_session_admit_here(tenantdb_session *session, const char *sql, tenantdb_error **error);
tenantdb_status tndb_session_admit_all(tenantdb_session *session, const tndb_call_item *items, size_t count,
                                       tenantdb_error **error);
/* One statement from beginning to end; *rows is yours. */
tenantdb_status tndb_session_send_now(tenantdb_session *session, const char *sql, const tndb_values *values,
                                      PGresult **rows, tenantdb_error **error);

#endif
