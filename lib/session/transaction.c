/* SPDX-License-Identifier: PostgreSQL */
/* Explicit transactions and savepoints. */
#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "session/call.h"
#include "sql/identifier.h"

/* ---------------------------------------------------------------- begin */

/* What BEGIN may be followed by; anything else could smuggle a statement in. */
static const char *const modes[] = {"isolation level serializable",
                                    "isolation level repeatable read",
                                    "isolation level read committed",
                                    "isolation level read uncommitted",
                                    "read only",
                                    "read write",
                                    "deferrable",
                                    "not deferrable"};

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Compare one mode, without regard to case and to how many blanks there are. */
static bool same_words(const char *text, size_t length, const char *mode) {
  size_t i = 0;
  while (*mode) {
    if (*mode == ' ') {
      size_t from = i;
      while (i < length && is_blank(text[i])) {
        i++;
      }
      if (i == from) {
        return false;
      }
    } else {
      char c = i < length ? text[i] : '\0';
      if (c >= 'A' && c <= 'Z') {
        c = (char)(c + 32);
      }
      if (c != *mode) {
        return false;
      }
      i++;
    }
    mode++;
  }
  return i == length;
}

static tenantdb_status append_modes(tndb_buffer *sql, const char *text, tenantdb_error **error) {
  const char *before = " ";
  while (*text) {
    size_t length = strcspn(text, ",");
    const char *next = text[length] ? text + length + 1 : text + length;
    while (length > 0 && is_blank(*text)) {
      text++;
      length--;
    }
    while (length > 0 && is_blank(text[length - 1])) {
      length--;
    }
    const char *known = NULL;
    for (size_t i = 0; i < sizeof modes / sizeof modes[0] && !known; i++) {
      known = same_words(text, length, modes[i]) ? modes[i] : NULL;
    }
    if (!known) {
      return tndb_origin(
          error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
          "transaction mode \"%.*s\" is none of: isolation level serializable (or repeatable read, read "
          "committed, read uncommitted), read only, read write, deferrable, not deferrable",
          (int)(length < 60 ? length : 60), text);
    }
    tndb_buffer_append(sql, before);
    tndb_buffer_append(sql, known);
    before = ", ";
    text = next;
  }
  return TENANTDB_OK;
}

tenantdb_status tenantdb_session_begin(tenantdb_session *session, const char *mode, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && session->state != TNDB_SESSION_IDLE) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_IN_TRANSACTION,
                         "a transaction is open already; use a savepoint inside it");
  }
  if (status) {
    return status;
  }
  tndb_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "BEGIN");
  status = mode ? append_modes(&sql, mode, error) : TENANTDB_OK;
  if (!status && session->read_only) {
    tndb_buffer_append(&sql, " READ ONLY"); /* the last word counts */
  }
  char *text = tndb_buffer_take(&sql);
  if (!status && !text) {
    status = tndb_no_memory(error);
  }
  if (status) {
    tndb_free(text);
    return status;
  }
  tndb_free(session->begin_sql);
  session->begin_sql = text;
  session->state = TNDB_SESSION_BEGUN;
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- commit, rollback */

tenantdb_status tndb_session_require_transaction(const tenantdb_session *session, tenantdb_error **error) {
  tenantdb_status status = tndb_session_check(session, error);
  if (!status && session->state == TNDB_SESSION_IDLE) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_NO_TRANSACTION, "there is no transaction");
  }
  return status;
}

tenantdb_status tenantdb_session_commit(tenantdb_session *session, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_require_transaction(session, error);
  if (status) {
    return status;
  }
  status = tndb_call_commit(session, error);
  if (!status) {
    (void)tndb_call_wait(session);
    status = tndb_call_outcome(session, error);
  }
  return status;
}

tenantdb_status tenantdb_session_rollback(tenantdb_session *session, tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_require_transaction(session, error);
  if (!status) {
    status = tndb_call_rollback(session, error);
  }
  if (!status) {
    (void)tndb_call_wait(session);
    status = tndb_call_outcome(session, error);
  }
  return status;
}

/* ---------------------------------------------------------------- savepoints */

static tenantdb_status savepoint_command(tenantdb_session *session, const char *command, const char *name,
                                         tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_session_require_transaction(session, error);
  if (!status && !name) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "name is NULL");
  }
  if (!status) {
    status = tndb_identifier_check("savepoint name", name, error);
  }
  if (status) {
    return status;
  }
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, command);
  tndb_quote_identifier(&sql, name);
  if (sql.failed) {
    return tndb_no_memory(error);
  }
  bool tainted = session->conn->tainted;
  PGresult *rows;
  status = tndb_session_send_now(session, tndb_buffer_text(&sql), NULL, &rows, error);
  PQclear(rows);
  if (session->conn) {
    session->conn->tainted = tainted; /* a savepoint ends with its transaction */
  }
  return status;
}

tenantdb_status tenantdb_session_savepoint(tenantdb_session *session, const char *name,
                                           tenantdb_error **error) {
  return savepoint_command(session, "SAVEPOINT ", name, error);
}

tenantdb_status tenantdb_session_release_savepoint(tenantdb_session *session, const char *name,
                                                   tenantdb_error **error) {
  return savepoint_command(session, "RELEASE SAVEPOINT ", name, error);
}

tenantdb_status tenantdb_session_rollback_to(tenantdb_session *session, const char *name,
                                             tenantdb_error **error) {
  /* The one statement that a failed transaction takes. */
  if (session && tndb_session_check(session, NULL) == TENANTDB_OK && session->state == TNDB_SESSION_FAILED) {
    session->state = TNDB_SESSION_OPEN;
    tenantdb_status status = savepoint_command(session, "ROLLBACK TO SAVEPOINT ", name, error);
    if (status == TENANTDB_ARGUMENT && session->state == TNDB_SESSION_OPEN) {
      session->state = TNDB_SESSION_FAILED; /* refused here, before the server was asked */
    }
    return status;
  }
  return savepoint_command(session, "ROLLBACK TO SAVEPOINT ", name, error);
}
