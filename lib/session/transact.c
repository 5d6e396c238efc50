/* SPDX-License-Identifier: PostgreSQL */
/* A caller's function in a transaction, run again when it collides with another. */
#include "base/random.h"
#include "session/session.h"

/* Half of the pause is chance, so that two who collided do not meet again. */
static void pause_before(int64_t attempt) {
  unsigned char chance = 128;
  int64_t longest = INT64_C(4) << (attempt < 8 ? attempt : 8);
  (void)tndb_random_bytes(&chance, sizeof chance);
  tndb_clock_sleep_ms(longest / 2 + longest * chance / 512);
}

/* One attempt; the error is in *own. */
static tenantdb_status attempt(tenantdb_session *session, const char *mode,
                               tenantdb_transaction_function function, void *user, tenantdb_error **own) {
  tenantdb_status status = tenantdb_session_begin(session, mode, own);
  if (status) {
    return status;
  }
  status = function(user, session, own);
  if (!status) {
    tenantdb_error_free(*own); /* a function may succeed and leave one */
    *own = NULL;
    status = tenantdb_session_commit(session, own);
  }
  if (status && session->state != TNDB_SESSION_IDLE && session->state != TNDB_SESSION_BROKEN) {
    (void)tenantdb_session_rollback(session, NULL);
  }
  return status;
}

tenantdb_status tenantdb_session_transact(tenantdb_session *session, const char *mode,
                                          tenantdb_transaction_function function, void *user,
                                          tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && !function) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "function is NULL");
  }
  if (status) {
    return status;
  }
  int64_t retries = tndb_config_number(session->db->config, TNDB_SESSION_RETRIES);
  tenantdb_error *own = NULL;
  status = attempt(session, mode, function, user, &own);
  for (int64_t i = 0; i < retries && status == TENANTDB_CONFLICT && session->state == TNDB_SESSION_IDLE &&
                      (!own || tenantdb_error_retry(own) == TENANTDB_RETRY_SAME_SESSION);
       i++) {
    tenantdb_error_free(own);
    own = NULL;
    pause_before(i);
    status = attempt(session, mode, function, user, &own);
  }
  if (!status) {
    return TENANTDB_OK;
  }
  if (!own) {
    (void)tndb_origin(&own, status, TENANTDB_REASON_FUNCTION_FAILED, "the transaction's function returned %s",
                      tenantdb_status_name(status));
  }
  (void)tndb_error_pass(error, own);
  return status;
}
