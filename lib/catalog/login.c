/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/login.h"

#include <string.h>

#include "base/memory.h"
#include "catalog/refusals.h"
#include "pg/conninfo.h"
#include "sql/identifier.h"

static void wipe(char *text, size_t size) {
  for (volatile char *at = text; size > 0; size--) {
    *at++ = '\0';
  }
}

static bool kept_by_functions(const tenantdb *db) {
  return tndb_config_number(db->config, TNDB_LOGIN_PASSWORDS) == TNDB_PASSWORDS_FUNCTIONS;
}

/* ---------------------------------------------------------------- making passwords */

static bool make_password(char text[TNDB_PASSWORD_SIZE]) {
  static const char hex[] = "0123456789abcdef";
  unsigned char bytes[32];
  bool made = tndb_random_bytes(bytes, sizeof bytes);
  for (size_t i = 0; i < sizeof bytes; i++) {
    text[2 * i] = hex[bytes[i] >> 4];
    text[2 * i + 1] = hex[bytes[i] & 15];
  }
  text[2 * sizeof bytes] = '\0';
  wipe((char *)bytes, sizeof bytes);
  return made;
}

tenantdb_status tndb_login_make(tndb_login *login, const tenantdb *db, const char *tenant, const char *role,
                                const char *given, tenantdb_error **error) {
  *login = (tndb_login){.db = db, .tenant = tenant, .role = role, .given = given};
  if (!kept_by_functions(db)) {
    return TENANTDB_OK;
  }
  const tndb_credentials *keep = tndb_config_credentials(db->config);
  if ((!given && !make_password(login->password)) || !tndb_uuid_new(login->credential)) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system gives no random bytes");
  }
  int32_t refused = keep->store(keep->user, tenant, role, login->credential, given ? given : login->password);
  if (refused) {
    wipe(login->password, sizeof login->password);
    return tndb_origin(
        error, TENANTDB_STATE, TENANTDB_REASON_CREDENTIALS_FAILED,
        "the function that keeps passwords answered %d for the new one of role %s; nothing was "
        "changed",
        (int)refused, role);
  }
  return TENANTDB_OK;
}

bool tndb_login_append(const tndb_login *login, const tndb_conn *conn, tndb_buffer *sql) {
  const char *password = login->given ? login->given : login->password;
  if (!*password) {
    return true;
  }
  char *verifier = PQencryptPasswordConn(conn->pg, password, login->role, "scram-sha-256");
  if (verifier) {
    tndb_buffer_append(sql, " PASSWORD ");
    tndb_quote_literal(sql, verifier);
  }
  PQfreemem(verifier);
  return verifier != NULL;
}

static void forget(const tndb_login *login, const char *credential) {
  const tndb_credentials *keep = tndb_config_credentials(login->db->config);
  if (credential && *credential && kept_by_functions(login->db) && keep->store) {
    (void)keep->store(keep->user, login->tenant, login->role, credential, NULL);
  }
}

void tndb_login_settle(tndb_login *login, tenantdb_status outcome, const char *old) {
  wipe(login->password, sizeof login->password);
  if (login->db && outcome != TENANTDB_UNKNOWN) {
    forget(login, outcome ? login->credential : old);
  }
}

void tndb_login_keep_path(tndb_work *work, const char *role) {
  tndb_auto_buffer sql = TNDB_BUFFER_INIT;
  tndb_buffer_append(&sql, "ALTER ROLE ");
  tndb_quote_identifier(&sql, role);
  tndb_buffer_append(&sql, " IN DATABASE ");
  tndb_quote_identifier(&sql, work->db->facts.database);
  tndb_buffer_append(&sql, " SET search_path FROM CURRENT");
  tndb_work_fail_if(work, sql.failed);
  (void)tndb_work_send(work, tndb_buffer_text(&sql), 0, NULL);
}

/* ---------------------------------------------------------------- passwords that the caller names */

tenantdb_status tndb_login_remember(tenantdb *db, const char *role, const char *password,
                                    tenantdb_error **error) {
  char *copy = password ? tndb_strdup(password) : NULL;
  bool kept = !password || copy;
  tndb_mutex_lock(&db->mutex);
  char *old = tndb_map_get(&db->passwords, role);
  if (copy) {
    kept = tndb_map_put(&db->passwords, role, copy);
  } else if (kept) {
    (void)tndb_map_remove(&db->passwords, role);
  }
  tndb_mutex_unlock(&db->mutex);
  tndb_refusal_forget(db, role);
  char *unused = kept ? old : copy;
  if (unused) {
    wipe(unused, strlen(unused));
  }
  tndb_free(unused);
  return kept ? TENANTDB_OK : tndb_no_memory(error);
}

void tndb_login_free(tenantdb *db) {
  size_t at = 0;
  const char *role;
  void *password;
  while (tndb_map_next(&db->passwords, &at, &role, &password)) {
    wipe(password, strlen(password));
    tndb_free(password);
  }
  tndb_map_free(&db->passwords);
  tndb_refusals_free(db);
  tndb_pool_free(db->logins);
  db->logins = NULL;
}

/* ---------------------------------------------------------------- connecting */

typedef struct opening {
  tenantdb *db;
  const tenantdb_tenant *tenant;
  tndb_deadline deadline;
  bool tries;   /* does not wait for others */
  bool refused; /* by the server or by the keeper of passwords: what is known of the tenant may be old */
} opening;

static tenantdb_status not_given(const opening *o, const char *way, tenantdb_error **error) {
  (void)tndb_origin(error, TENANTDB_PERMISSION, TENANTDB_REASON_CREDENTIALS_NOT_GIVEN,
                    "there is no password for the login of tenant %s: %s", o->tenant->slug, way);
  tndb_error_set_tenant(error, o->tenant->slug);
  return TENANTDB_PERMISSION;
}

/* The password, into a buffer. An empty one when the server asks for none. */
static tenantdb_status find_password(const opening *o, char *buffer, size_t size, tenantdb_error **error) {
  const tndb_credentials *keep = tndb_config_credentials(o->db->config);
  int64_t way = tndb_config_number(o->db->config, TNDB_LOGIN_PASSWORDS);
  buffer[0] = '\0';
  if (way == TNDB_PASSWORDS_CALLER) {
    tndb_mutex_lock(&o->db->mutex);
    const char *known = tndb_map_get(&o->db->passwords, o->tenant->role);
    size_t length = known ? strlen(known) : size;
    if (length < size) {
      memcpy(buffer, known, length + 1);
    }
    tndb_mutex_unlock(&o->db->mutex);
    return length < size ? TENANTDB_OK : not_given(o, "tenantdb_tenant_use_password() names it", error);
  }
  if (way == TNDB_PASSWORDS_NONE) {
    return TENANTDB_OK;
  }
  if (!o->tenant->credential[0]) {
    return not_given(o, "tenantdb_reconcile() or tenantdb_tenant_rotate_password() makes one", error);
  }
  int32_t refused =
      keep->fetch(keep->user, o->tenant->id, o->tenant->role, o->tenant->credential, buffer, size);
  if (refused) {
    (void)tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_CREDENTIALS_FAILED,
                      "the function that keeps passwords answered %d for tenant %s", (int)refused,
                      o->tenant->slug);
    tndb_error_set_tenant(error, o->tenant->slug);
    return TENANTDB_STATE;
  }
  buffer[size - 1] = '\0';
  return TENANTDB_OK;
}

/* Who the connection is, and where: what every later statement relies on without asking. */
static tenantdb_status prove(const opening *o, tndb_conn *conn, tenantdb_error **error) {
  static const char proof_sql[] =
      "SELECT current_user, session_user, pg_catalog.current_schema(), "
      "pg_catalog.current_setting('search_path'), pg_catalog.pg_backend_pid()";
  const tenantdb_tenant *tenant = o->tenant;
  const char *const expected[] = {tenant->role, tenant->role, tenant->schema, tenant->path};
  PGresult *row;
  tenantdb_status status = tndb_exchange_single(conn, proof_sql, NULL, o->deadline, &row, error);
  if (status) {
    return status;
  }
  int wrong = -1;
  for (int i = 0; i < 4 && wrong < 0; i++) {
    wrong = strcmp(PQgetvalue(row, 0, i), expected[i]) != 0 ? i : wrong;
  }
  if (wrong >= 0) {
    const char *found = PQgetvalue(row, 0, wrong);
    status = tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED,
                         "the login of tenant %s is not in its scope (found %s instead of %s): "
                         "tenantdb_reconcile() sets the path of logins",
                         tenant->slug, *found ? found : "(none)", expected[wrong]);
    tndb_error_set_tenant(error, tenant->slug);
  }
  int64_t backend = 0;
  conn->direct = tndb_number_parse(PQgetvalue(row, 0, 4), &backend) && backend == PQbackendPID(conn->pg);
  PQclear(row);
  return status;
}

/* Other refusals than that of the password last no longer than the tenant's state: they are not held against him. */
static tenantdb_status connect_as(const opening *o, const char *password, tndb_conn **conn,
                                  tenantdb_error **error) {
  const char *role = o->tenant->role;
  tndb_conninfo_change change = {.user = role, .password = password};
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_conninfo_open(o->db->config, &change, conn, &own);
  if (!status) {
    tndb_refusal_forget(o->db, role);
  } else if (strcmp(tenantdb_error_sqlstate(own), "28P01") == 0) {
    tndb_error_set_tenant(&own, o->tenant->slug);
    tndb_refusal_note(o->db, role, o->tenant->credential, own);
  }
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

static tenantdb_status open_login(void *user, tndb_conn **conn, tenantdb_error **error) {
  opening *o = user;
  char password[1024];
  tenantdb_error *own = NULL;
  tenantdb_status status = tndb_refusal_check(o->db, o->tenant->role, o->tenant->credential, error);
  o->refused = status != TENANTDB_OK;
  if (status) {
    return status;
  }
  status = find_password(o, password, sizeof password, &own);
  o->refused = status != TENANTDB_OK;
  if (!status) {
    status = connect_as(o, *password ? password : NULL, conn, &own);
    o->refused = status == TENANTDB_PERMISSION;
  }
  wipe(password, sizeof password);
  if (!status) {
    status = prove(o, *conn, &own);
    if (status) {
      tndb_conn_close(*conn);
      *conn = NULL;
    }
  }
  if (status) {
    tndb_error_set_tenant(&own, o->tenant->slug);
    (void)tndb_error_pass(error, own);
  }
  return status;
}

/* From PostgreSQL 18 on the server reports the path: a look that costs nothing. */
static bool has_strayed(const tenantdb_tenant *tenant, const tndb_conn *conn) {
  const char *path = PQparameterStatus(conn->pg, "search_path");
  return path && strcmp(path, tenant->path) != 0;
}

static tenantdb_status lease(opening *o, tndb_conn **conn, tenantdb_error **error) {
  tndb_lease wanted = {.key = o->tenant->role, .deadline = o->deadline, .open = open_login, .user = o};
  tenantdb_status status =
      (o->tries ? tndb_pool_try : tndb_pool_lease_for)(o->db->logins, &wanted, conn, error);
  if (!status && *conn && has_strayed(o->tenant, *conn)) {
    (*conn)->dead = true;
    tndb_pool_release(*conn);
    *conn = NULL;
    status =
        tndb_origin(error, TENANTDB_ISOLATION, TENANTDB_REASON_SCOPE_NOT_PROVED,
                    "a connection of tenant %s had lost its search path and was closed", o->tenant->slug);
  }
  return status;
}

/* The tenant as the catalog has it now. */
static tenantdb_status read_again(const opening *o, tenantdb_tenant **tenant, tenantdb_error **error) {
  tndb_conn *conn;
  tenantdb_status status = tndb_pool_lease(o->db->pool, o->deadline, &conn, error);
  if (!status) {
    status = tndb_tenant_read(o->db, conn, o->tenant->id, false, o->deadline, tenant, error);
  }
  tndb_pool_release(conn);
  return status;
}

static tenantdb_status acquire(const opening *how, tndb_conn **conn, tenantdb_error **error) {
  tenantdb *db = how->db;
  const tenantdb_tenant *tenant = how->tenant;
  opening first = *how;
  tenantdb_error *own = NULL;
  tenantdb_tenant *now = NULL;
  tenantdb_status status = lease(&first, conn, &own);
  if (first.refused) {
    tndb_tenants_forget(db);
    (void)read_again(&first, &now, NULL); /* the refusal is what to tell when that fails */
  }
  if (now && now->state != TENANTDB_TENANT_ACTIVE) {
    tndb_auto_buffer place = TNDB_BUFFER_INIT;
    status = tndb_tenant_moved_to(now->properties, &place)
                 ? tndb_origin(&own, TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_MOVED,
                               "tenant %s was moved to %s; sessions open there", now->slug,
                               tndb_buffer_text(&place))
                 : tndb_origin(&own, TENANTDB_UNAVAILABLE, TENANTDB_REASON_TENANT_NOT_ACTIVE,
                               "tenant %s is %s, and sessions open only on an active one", now->slug,
                               tndb_tenant_state_name(now->state));
    tndb_error_set_tenant(&own, now->slug);
  } else if (now && strcmp(now->credential, tenant->credential) != 0) {
    opening second = *how;
    second.tenant = now;
    tenantdb_error_free(own);
    own = NULL;
    status = lease(&second, conn, &own);
  }
  tenantdb_tenant_free(now);
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

tenantdb_status tndb_login_lease(tenantdb *db, const tenantdb_tenant *tenant, tndb_deadline deadline,
                                 tndb_conn **conn, tenantdb_error **error) {
  opening how = {.db = db, .tenant = tenant, .deadline = deadline};
  return acquire(&how, conn, error);
}

tenantdb_status tndb_login_try(tenantdb *db, const tenantdb_tenant *tenant, tndb_conn **conn,
                               tenantdb_error **error) {
  opening how = {.db = db, .tenant = tenant, .deadline = TNDB_NEVER, .tries = true};
  return acquire(&how, conn, error);
}

void tndb_login_end(tenantdb *db, const char *role) {
  static const char end_sql[] =
      "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity WHERE usename = $1";
  tndb_deadline soon = tndb_deadline_in(tndb_config_number(db->config, TNDB_OPERATION_LOCK_TIMEOUT));
  tndb_conn *conn;
  tndb_values values = {.count = 1, .values = &role};
  if (!db->logins || !*role) {
    return;
  }
  tndb_refusal_forget(db, role);
  tndb_pool_shut(db->logins, role);
  if (!tndb_pool_lease(db->pool, soon, &conn, NULL)) {
    (void)tndb_exchange_single(conn, end_sql, &values, soon, NULL, NULL);
    tndb_pool_release(conn);
  }
}
