/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/spec.h"

#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"

enum { NAME, ID, PROPERTIES, KEY, N_KEYS };
static const char *const keys[N_KEYS] = {"name", "id", "properties", "idempotency_key"};
#define LONGEST_KEY 200

struct tenantdb_tenant_spec {
  char *values[N_KEYS];
  tenantdb_error *mistake;
};

tenantdb_tenant_spec *tenantdb_tenant_spec_new(void) {
  return tndb_new(tenantdb_tenant_spec);
}

void tenantdb_tenant_spec_free(tenantdb_tenant_spec *spec) {
  for (int i = 0; spec && i < N_KEYS; i++) {
    tndb_free(spec->values[i]);
  }
  if (spec) {
    tenantdb_error_free(spec->mistake);
  }
  tndb_free(spec);
}

static tenantdb_status check_value(int which, const char *value, tenantdb_error **error) {
  size_t length = strlen(value);
  if (!tndb_utf8_valid(value, length, NULL)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "tenant specification: %s is not valid UTF-8", keys[which]);
  }
  if (which == ID && !tndb_uuid_parse(value, NULL)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "tenant specification: id \"%.60s\" is not a uuid", value);
  }
  if (which == KEY && (length == 0 || length > LONGEST_KEY)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT,
                       "tenant specification: idempotency_key has %zu bytes, out of its range 1 to %d",
                       length, LONGEST_KEY);
  }
  return TENANTDB_OK;
}

static int find_key(const char *key, tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(key);
  for (int i = 0; i < N_KEYS; i++) {
    if (strcmp(keys[i], key) == 0) {
      return i;
    }
    tndb_nearest_try(&nearest, keys[i]);
  }
  (void)tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                    "tenant specification: there is no \"%.60s\"%s%s%s; there are name, id, properties and "
                    "idempotency_key",
                    key, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                    nearest.best ? "\"?" : "");
  return -1;
}

void tenantdb_tenant_spec_set(tenantdb_tenant_spec *spec, const char *key, const char *value) {
  if (!spec || spec->mistake) {
    return;
  }
  if (!key) {
    (void)tndb_origin(&spec->mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT,
                      "tenant specification: key is NULL");
    return;
  }
  int which = find_key(key, &spec->mistake);
  if (which < 0 || (value && check_value(which, value, &spec->mistake))) {
    return;
  }
  char *copy = value ? tndb_strdup(value) : NULL;
  if (value && !copy) {
    (void)tndb_no_memory(&spec->mistake);
    return;
  }
  tndb_free(spec->values[which]);
  spec->values[which] = copy;
}

/* Every part with its length, so that no two requests run together into one text. */
static void hash_request(const tenantdb_tenant_spec *spec, const char *action, const char *slug,
                         tndb_spec *out) {
  const char *parts[] = {action, slug, spec->values[NAME], spec->values[ID], spec->values[PROPERTIES]};
  unsigned char digest[TNDB_SHA256_BYTES];
  tndb_sha256 hash;
  tndb_sha256_start(&hash);
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
    const char *part = parts[i] ? parts[i] : "";
    unsigned char mark = parts[i] != NULL;
    tndb_sha256_add(&hash, &mark, 1);
    tndb_sha256_add(&hash, part, strlen(part) + 1);
  }
  tndb_sha256_finish(&hash, digest);
  tndb_sha256_hex(digest, sizeof digest, out->hash);
}

tenantdb_status tndb_spec_read(const tenantdb_tenant_spec *spec, const char *action, const char *slug,
                               tndb_spec *out, tenantdb_error **error) {
  *out = (tndb_spec){0};
  if (spec && spec->mistake) {
    return tndb_error_pass(error, tndb_error_copy(spec->mistake));
  }
  if (spec) {
    out->name = spec->values[NAME];
    out->properties = spec->values[PROPERTIES];
    out->key = spec->values[KEY];
    hash_request(spec, action, slug, out);
  }
  if (spec && spec->values[ID]) {
    out->id_given = tndb_uuid_parse(spec->values[ID], out->id);
  } else if (!tndb_uuid_new(out->id)) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system gives no random bytes");
  }
  return TENANTDB_OK;
}
