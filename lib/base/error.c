/* SPDX-License-Identifier: PostgreSQL */
#include "base/error.h"

#include <string.h>

#include "base/buffer.h"
#include "base/memory.h"

enum { MESSAGE, SQLSTATE, DETAIL, HINT, CONSTRAINT, TENANT, OPERATION, N_FIELDS };

struct tenantdb_error {
  tenantdb_status status;
  int32_t reason;
  int32_t retry;
  int32_t position;
  char *fields[N_FIELDS];
};

static char no_memory_message[] = "out of memory";
static tenantdb_error no_memory = {TENANTDB_MEMORY,
                                   TENANTDB_REASON_OUT_OF_MEMORY,
                                   TENANTDB_RETRY_LATER,
                                   0,
                                   {no_memory_message, NULL, NULL, NULL, NULL, NULL, NULL}};

static const char *field(const tenantdb_error *error, int which) {
  return error && error->fields[which] ? error->fields[which] : "";
}

/* ---------------------------------------------------------------- getters */

tenantdb_status tenantdb_error_status(const tenantdb_error *error) {
  return error ? error->status : TENANTDB_OK;
}

int32_t tenantdb_error_reason(const tenantdb_error *error) {
  return error ? error->reason : 0;
}

const char *tenantdb_error_message(const tenantdb_error *error) {
  return field(error, MESSAGE);
}

const char *tenantdb_error_sqlstate(const tenantdb_error *error) {
  return field(error, SQLSTATE);
}

const char *tenantdb_error_detail(const tenantdb_error *error) {
  return field(error, DETAIL);
}

const char *tenantdb_error_hint(const tenantdb_error *error) {
  return field(error, HINT);
}

const char *tenantdb_error_constraint(const tenantdb_error *error) {
  return field(error, CONSTRAINT);
}

const char *tenantdb_error_tenant(const tenantdb_error *error) {
  return field(error, TENANT);
}

const char *tenantdb_error_operation(const tenantdb_error *error) {
  return field(error, OPERATION);
}

int32_t tenantdb_error_position(const tenantdb_error *error) {
  return error ? error->position : 0;
}

int32_t tenantdb_error_retry(const tenantdb_error *error) {
  return error ? error->retry : TENANTDB_RETRY_NEVER;
}

void tenantdb_error_free(tenantdb_error *error) {
  if (!error || error == &no_memory) {
    return;
  }
  for (int i = 0; i < N_FIELDS; i++) {
    tndb_free(error->fields[i]);
  }
  tndb_free(error);
}

const char *tenantdb_status_name(tenantdb_status status) {
  static const char *const names[] = {
      "OK",          "MEMORY",    "ARGUMENT",   "STATE",       "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION",
      "UNAVAILABLE", "ISOLATION", "CONNECTION", "TIMEOUT",     "CANCELLED", "BUSY",           "CONFLICT",
      "CONSTRAINT",  "SQL",       "MIGRATION",  "UNSUPPORTED", "INTERNAL",  "UNKNOWN"};
  return status >= 0 && (size_t)status < sizeof names / sizeof names[0] ? names[status] : "?";
}

/* ---------------------------------------------------------------- raising */

void tndb_error_reset(tenantdb_error **error) {
  if (error) {
    *error = NULL;
  }
}

tenantdb_status tndb_no_memory(tenantdb_error **error) {
  if (error) {
    tenantdb_error_free(*error);
    *error = &no_memory;
  }
  return TENANTDB_MEMORY;
}

static int32_t usual_retry(tenantdb_status status) {
  switch (status) {
    case TENANTDB_MEMORY:
    case TENANTDB_BUSY:
    case TENANTDB_TIMEOUT:
      return TENANTDB_RETRY_LATER;
    case TENANTDB_CONNECTION:
      return TENANTDB_RETRY_NEW_SESSION;
    case TENANTDB_CONFLICT:
      return TENANTDB_RETRY_SAME_SESSION;
    default:
      return TENANTDB_RETRY_NEVER;
  }
}

static void one_line(char *text) {
  size_t length = strlen(text);
  for (size_t i = 0; i < length; i++) {
    if ((unsigned char)text[i] < 0x20 || text[i] == 0x7F) {
      text[i] = ' ';
    }
  }
  while (length > 0 && text[length - 1] == ' ') {
    text[--length] = '\0';
  }
}

tenantdb_status tndb_origin(tenantdb_error **error, tenantdb_status status, int32_t reason,
                            const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)tndb_vorigin(error, status, reason, format, arguments);
  va_end(arguments);
  return status;
}

tenantdb_status tndb_vorigin(tenantdb_error **error, tenantdb_status status, int32_t reason,
                             const char *format, va_list arguments) {
  if (!error) {
    return status;
  }
  tndb_buffer text = TNDB_BUFFER_INIT;
  tndb_buffer_vformat(&text, format, arguments);
  char *message = tndb_buffer_take(&text);
  tenantdb_error *made = message ? tndb_new(tenantdb_error) : NULL;
  if (!made) {
    tndb_free(message);
    /* The failure stays what it was; only its words are lost. */
    tndb_no_memory(error);
    return status;
  }
  one_line(message);
  made->status = status;
  made->reason = reason;
  made->retry = usual_retry(status);
  made->fields[MESSAGE] = message;
  tenantdb_error_free(*error); /* last: the arguments may be strings of the old one */
  *error = made;
  return status;
}

static bool writable(tenantdb_error **error) {
  return error && *error && *error != &no_memory;
}

/* A field that cannot be copied is left empty: what was raised matters more. */
static void set(tenantdb_error **error, int which, const char *text) {
  if (!writable(error)) {
    return;
  }
  char *copy = text && *text ? tndb_strdup(text) : NULL;
  tndb_free((*error)->fields[which]);
  (*error)->fields[which] = copy;
}

void tndb_error_set_server(tenantdb_error **error, const tndb_server_fields *fields) {
  set(error, SQLSTATE, fields->sqlstate);
  set(error, DETAIL, fields->detail);
  set(error, HINT, fields->hint);
  set(error, CONSTRAINT, fields->constraint);
  if (writable(error)) {
    (*error)->position = fields->position;
  }
}

void tndb_error_set_hint(tenantdb_error **error, const char *hint) {
  set(error, HINT, hint);
}

void tndb_error_set_tenant(tenantdb_error **error, const char *tenant) {
  set(error, TENANT, tenant);
}

void tndb_error_set_operation(tenantdb_error **error, const char *operation) {
  set(error, OPERATION, operation);
}

void tndb_error_set_retry(tenantdb_error **error, int32_t retry) {
  if (writable(error)) {
    (*error)->retry = retry;
  }
}

void tndb_error_prefix(tenantdb_error **error, const char *format, ...) {
  if (!writable(error)) {
    return;
  }
  tndb_buffer text = TNDB_BUFFER_INIT;
  va_list arguments;
  va_start(arguments, format);
  tndb_buffer_vformat(&text, format, arguments);
  va_end(arguments);
  tndb_buffer_append(&text, ": ");
  tndb_buffer_append(&text, field(*error, MESSAGE));
  char *message = tndb_buffer_take(&text);
  if (message) {
    one_line(message);
    tndb_free((*error)->fields[MESSAGE]);
    (*error)->fields[MESSAGE] = message;
  }
}

tenantdb_status tndb_error_fold(tenantdb_error **error, tenantdb_status status, int32_t reason) {
  if (writable(error)) {
    (*error)->status = status;
    (*error)->reason = reason;
    (*error)->retry = usual_retry(status);
  }
  return status;
}

tenantdb_status tndb_error_pass(tenantdb_error **error, tenantdb_error *from) {
  tenantdb_status status = tenantdb_error_status(from);
  if (error) {
    if (*error != from) {
      tenantdb_error_free(*error);
    }
    *error = from;
  } else {
    tenantdb_error_free(from);
  }
  return status;
}

tenantdb_error *tndb_error_copy(const tenantdb_error *error) {
  if (!error || error == &no_memory) {
    return error ? &no_memory : NULL;
  }
  tenantdb_error *copy = tndb_new(tenantdb_error);
  if (!copy) {
    return &no_memory;
  }
  *copy = *error;
  bool complete = true;
  for (int i = 0; i < N_FIELDS; i++) {
    copy->fields[i] = error->fields[i] ? tndb_strdup(error->fields[i]) : NULL;
    complete = complete && (copy->fields[i] || !error->fields[i]);
  }
  if (!complete) {
    tenantdb_error_free(copy);
    return &no_memory;
  }
  return copy;
}

void tndb_error_cleanup(tenantdb_error **variable) {
  tenantdb_error_free(*variable);
  *variable = NULL;
}
