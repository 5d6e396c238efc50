/* SPDX-License-Identifier: PostgreSQL */
#include "pg/pooler.h"

#include <string.h>

#define ROW(status, reason, retry) \
  { "08P01", TENANTDB_##status, TENANTDB_REASON_##reason, TENANTDB_RETRY_##retry }

static const tndb_pooler_word words[] = {
    {"transaction blocks not allowed in statement pooling mode", ROW(UNSUPPORTED, POOLER_BETWEEN, NEVER),
     true, "the pooler that stands between must have pool_mode transaction or session"},
    {"query_wait_timeout", ROW(BUSY, SERVER_FULL, LATER), true,
     "the pooler had no connection to the server in time; raise its pool size, or make transactions shorter"},
    {"no more connections allowed", ROW(BUSY, SERVER_FULL, LATER), true, "the pooler's own limit of clients"},
    {"client connections exceeded", ROW(BUSY, SERVER_FULL, LATER), true, "the pooler's own limit of clients"},
    {"server login has been failing", ROW(CONNECTION, CONNECT_FAILED, LATER), true,
     "the pooler cannot connect to the server"},
    {"client_login_timeout", ROW(CONNECTION, CONNECT_FAILED, LATER), true,
     "the pooler cannot connect to the server"},
    {"no such user", ROW(PERMISSION, AUTHENTICATION, NEVER), true, "the pooler does not know the user"},
    {"password authentication failed", ROW(PERMISSION, AUTHENTICATION, NEVER), true, NULL},
    {"SASL authentication failed", ROW(PERMISSION, AUTHENTICATION, NEVER), true, NULL},
    {"no such database", ROW(NOT_FOUND, DATABASE_MISSING, NEVER), true,
     "the pooler does not know the database"},
    /* The server's refusals of a connection, passed on with the pooler's SQLSTATE. */
    {"too many connections for ", ROW(BUSY, SERVER_FULL, LATER), true, NULL},
    {"sorry, too many clients already", ROW(BUSY, SERVER_FULL, LATER), true, NULL},
    {"remaining connection slots are reserved", ROW(BUSY, SERVER_FULL, LATER), true, NULL},
    {"the database system is ", ROW(BUSY, SERVER_STARTING, LATER), true, NULL},
};

const tndb_pooler_word *tndb_pooler_word_find(const char *sqlstate, const char *message) {
  static const tndb_pooler_word missing = {"", ROW(NOT_FOUND, DATABASE_MISSING, NEVER), true, NULL};
  if (!sqlstate || !message || strncmp(sqlstate, "08", 2) != 0) {
    return NULL;
  }
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
    if (strncmp(message, words[i].text, strlen(words[i].text)) == 0) {
      return &words[i];
    }
  }
  return strncmp(message, "database \"", 10) == 0 && strstr(message, "\" does not exist") ? &missing : NULL;
}

bool tndb_pooler_is_certain(const char *sqlstate, const char *message) {
  const tndb_pooler_word *word = tndb_pooler_word_find(sqlstate, message);
  return sqlstate && (word ? word->undone : strncmp(sqlstate, "08", 2) != 0);
}
