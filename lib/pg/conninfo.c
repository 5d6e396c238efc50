/* SPDX-License-Identifier: PostgreSQL */
#include "pg/conninfo.h"

#include <string.h>

#include "base/memory.h"

/* A password goes through here: what held it is not left lying about. */
static void wipe(char *text) {
  for (volatile char *at = text; at && *at; at++) {
    *at = '\0';
  }
}

static char *add(char *at, const char *keyword, const char *value) {
  size_t length = strlen(keyword);
  memcpy(at, keyword, length);
  at += length;
  *at++ = '=';
  *at++ = '\'';
  for (; *value; value++) {
    if (*value == '\'' || *value == '\\') {
      *at++ = '\\';
    }
    *at++ = *value;
  }
  *at++ = '\'';
  *at++ = ' ';
  return at;
}

static size_t room(const char *keyword, const char *value) {
  return strlen(keyword) + 2 * strlen(value) + 4;
}

/* Where the changed value of a parameter stands, NULL when it stays. "" leaves it out. */
static const char *changed(const tndb_conninfo_change *change, const char *keyword) {
  if (change->user && (strcmp(keyword, "password") == 0 || strcmp(keyword, "passfile") == 0)) {
    return ""; /* another user's */
  }
  return change->database && strcmp(keyword, "dbname") == 0 ? ""
         : change->user && strcmp(keyword, "user") == 0     ? ""
                                                            : NULL;
}

static char *compose(const PQconninfoOption *options, const tndb_conninfo_change *change) {
  const char *const added[][2] = {
      {"dbname", change->database}, {"user", change->user}, {"password", change->password}};
  size_t size = 1;
  for (const PQconninfoOption *o = options; o->keyword; o++) {
    size += o->val ? room(o->keyword, o->val) : 0;
  }
  for (size_t i = 0; i < 3; i++) {
    size += added[i][1] ? room(added[i][0], added[i][1]) : 0;
  }
  char *text = tndb_alloc(size);
  char *at = text;
  for (const PQconninfoOption *o = options; text && o->keyword; o++) {
    at = o->val && !changed(change, o->keyword) ? add(at, o->keyword, o->val) : at;
  }
  for (size_t i = 0; text && i < 3; i++) {
    at = added[i][1] ? add(at, added[i][0], added[i][1]) : at;
  }
  return text;
}

tenantdb_status tndb_conninfo_open(const tenantdb_config *config, const tndb_conninfo_change *change,
                                   tndb_conn **conn, tenantdb_error **error) {
  *conn = NULL;
  char *why = NULL;
  PQconninfoOption *options = PQconninfoParse(tndb_config_text(config, TNDB_DATABASE_URL), &why);
  PQfreemem(why); /* it may quote the string, with the password in it */
  if (!options) {
    return tndb_origin(error, TENANTDB_CONNECTION, TENANTDB_REASON_CONNECT_FAILED,
                       "cannot connect: option database.url does not parse");
  }
  char *text = compose(options, change);
  PQconninfoFree(options);
  tenantdb_config *other = NULL;
  tenantdb_status status = text ? tndb_config_copy(config, &other, error) : tndb_no_memory(error);
  if (!status) {
    status = tenantdb_config_set(other, "database.url", text, error);
  }
  if (!status) {
    status = tndb_conn_open(other, conn, error);
  }
  if (!status) {
    (*conn)->config = config; /* the other was only for connecting */
  }
  wipe(text);
  tndb_free(text);
  if (other && tndb_config_text(other, TNDB_DATABASE_URL)[0]) {
    wipe((char *)(uintptr_t)tndb_config_text(other, TNDB_DATABASE_URL));
  }
  tenantdb_config_free(other);
  return status;
}

/* ---------------------------------------------------------------- for others */

bool tndb_conninfo_is_valid(const char *text) {
  char *why = NULL;
  PQconninfoOption *options = PQconninfoParse(text, &why);
  PQfreemem(why);
  PQconninfoFree(options);
  return options != NULL;
}

bool tndb_conninfo_has_password(const char *text) {
  PQconninfoOption *options = PQconninfoParse(text, NULL);
  bool has = false;
  for (const PQconninfoOption *o = options; o && o->keyword; o++) {
    has = has || (strcmp(o->keyword, "password") == 0 && o->val && *o->val);
  }
  PQconninfoFree(options);
  return has;
}

static void append(tndb_buffer *text, const char *keyword, const char *value) {
  if (!value || !*value) {
    return;
  }
  tndb_buffer_append(text, text->length ? " " : "");
  tndb_buffer_append(text, keyword);
  tndb_buffer_append(text, "='");
  for (; *value; value++) {
    if (*value == '\'' || *value == '\\') {
      tndb_buffer_append_char(text, '\\');
    }
    tndb_buffer_append_char(text, *value);
  }
  tndb_buffer_append_char(text, '\'');
}

/* How it is encrypted is part of it; keys and certificates are files of this machine. */
void tndb_conninfo_reach(const tndb_conn *conn, tndb_buffer *text) {
  append(text, "host", PQhost(conn->pg));
  append(text, "port", PQport(conn->pg));
  append(text, "dbname", PQdb(conn->pg));
  append(text, "user", PQuser(conn->pg));
  PQconninfoOption *options = PQconninfo(conn->pg);
  text->failed = text->failed || !options;
  for (const PQconninfoOption *o = options; o && o->keyword; o++) {
    if (strcmp(o->keyword, "sslmode") == 0 || strcmp(o->keyword, "channel_binding") == 0) {
      append(text, o->keyword, o->val);
    }
  }
  PQconninfoFree(options);
}

void tndb_conninfo_place(const tndb_conn *conn, tndb_buffer *text) {
  const char *host = PQhost(conn->pg);
  tndb_buffer_append(text, "database ");
  tndb_buffer_append(text, PQdb(conn->pg));
  tndb_buffer_append(text, " on host ");
  tndb_buffer_append(text, host && *host ? host : "localhost");
  tndb_buffer_append(text, ", port ");
  tndb_buffer_append(text, PQport(conn->pg));
}
