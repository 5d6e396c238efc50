/* SPDX-License-Identifier: PostgreSQL */
/* What a tenantdb_tenant_spec says. */
#ifndef TNDB_TENANT_SPEC_H
#define TNDB_TENANT_SPEC_H

#include <tenantdb/tenant.h>

#include "base/error.h"
#include "base/random.h"
#include "base/sha256.h"

typedef struct tndb_spec {
  const char *name;       /* or NULL */
  const char *properties; /* or NULL */
  const char *key;        /* the idempotency key, or NULL */
  char id[TNDB_UUID_TEXT];
  bool id_given;
  char hash[TNDB_SHA256_HEX]; /* of the request, when there is a key */
} tndb_spec;

/* Report a kept mistake, choose an id when none was given, hash the request. */
tenantdb_status tndb_spec_read(const tenantdb_tenant_spec *spec, const char *action, const char *slug,
                               tndb_spec *out, tenantdb_error **error);

#endif
