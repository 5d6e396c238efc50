/* SPDX-License-Identifier: PostgreSQL */
#include "pg/sqlstate.h"

#include <string.h>

#define S(code, status, reason, retry) \
  { code, TENANTDB_##status, TENANTDB_REASON_##reason, TENANTDB_RETRY_##retry }

static const tndb_sqlstate table[] = {
    S("08P01", SQL, SERVER_ERROR, NEVER), /* also the wrong number of parameters; the connection lives on */
    S("0A000", UNSUPPORTED, SERVER_ERROR, NEVER),
    S("25006", STATE, READ_ONLY_SERVER, NEW_SESSION),
    S("25P02", STATE, TRANSACTION_FAILED, NEVER),
    S("25P03", CONNECTION, CONNECTION_LOST, NEW_SESSION), /* idle_in_transaction_session_timeout */
    S("28000", PERMISSION, AUTHENTICATION, NEVER),
    S("28P01", PERMISSION, AUTHENTICATION, NEVER),
    S("3D000", NOT_FOUND, DATABASE_MISSING, NEVER),
    S("40001", CONFLICT, SERIALIZATION, SAME_SESSION),
    S("40003", UNKNOWN, OUTCOME_UNKNOWN, NEVER),
    S("40P01", CONFLICT, SERIALIZATION, SAME_SESSION),
    S("42501", PERMISSION, SERVER_PERMISSION, NEVER),
    S("42710", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    S("42723", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    S("42P04", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    S("42P06", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    S("42P07", ALREADY_EXISTS, SERVER_ERROR, NEVER),
    S("53100", BUSY, SERVER_FULL, LATER),
    S("53200", BUSY, SERVER_FULL, LATER),
    S("53300", BUSY, SERVER_FULL, LATER),
    S("55P03", BUSY, LOCK_TIMEOUT, LATER),
    S("57014", CANCELLED, STATEMENT_CANCELLED, NEVER),
    S("57P01", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    S("57P02", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    S("57P03", BUSY, SERVER_STARTING, LATER),
    S("57P04", NOT_FOUND, DATABASE_MISSING, NEVER),
    S("57P05", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    S("08", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    S("23", CONSTRAINT, SERVER_CONSTRAINT, NEVER),
    S("40", CONFLICT, SERIALIZATION, SAME_SESSION),
    S("53", BUSY, SERVER_FULL, LATER),
    S("57", CONNECTION, CONNECTION_LOST, NEW_SESSION),
    S("58", SQL, SERVER_ERROR, LATER), /* input and output errors of the server's system */
    S("", SQL, SERVER_ERROR, NEVER),
};

/* An answer without SQLSTATE is no success and no ordinary failure: poolers and broken servers give it. */
static const tndb_sqlstate none = S("", CONNECTION, PROTOCOL, NEW_SESSION);

static bool is_sqlstate(const char *code) {
  size_t length = 0;
  for (; code[length]; length++) {
    if (!((code[length] >= '0' && code[length] <= '9') || (code[length] >= 'A' && code[length] <= 'Z'))) {
      return false;
    }
  }
  return length == 5;
}

const tndb_sqlstate *tndb_sqlstate_find(const char *code) {
  if (!code || !is_sqlstate(code)) {
    return &none;
  }
  const tndb_sqlstate *row = table;
  while (strncmp(row->code, code, strlen(row->code)) != 0) {
    row++; /* ends at the last row, which every code begins with */
  }
  return row;
}
