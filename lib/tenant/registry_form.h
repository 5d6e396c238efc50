/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a tenant's schema should hold, as PostgreSQL writes it: everything the
 * registry declares for tenants is created in a scratch schema, with what
 * provisioning grants, read, and rolled back.
 *
 * Kept with the database for as long as the server would write the same again:
 * its version, extensions, global default privileges and the shared schema's
 * objects have not changed. While it is made, tables of shared bases that foreign
 * keys go to are locked against writers.
 */
#ifndef TNDB_TENANT_REGISTRY_FORM_H
#define TNDB_TENANT_REGISTRY_FORM_H

#include "base/sha256.h"
#include "registry/registry.h"
#include "schema/form.h"

typedef struct tndb_registry_form {
  atomic_int references;
  char key[TNDB_SHA256_HEX]; /* of what it depends on, beside the registry */
  char fingerprint[TNDB_SHA256_HEX];
  PGresult *rows;
  PGresult *functions; /* object, statement that creates or replaces it, with marks */
  tndb_form form;
  char scratch[64]; /* the schema it was made in */
  tndb_ddl ddl;     /* what it was made by */
  tndb_text_array kinds, objects, definitions, partitions;
  tndb_form_expected expected;
} tndb_registry_form;

/* Whether a tenant is to have a role, which his role says unless the level does. */
bool tndb_registry_form_wants_role(const tenantdb *db, const char *role);
/* `with_role`: of a tenant that has one. tndb_registry_form_release() when it succeeded. */
tenantdb_status tndb_registry_form_get(tenantdb *db, bool with_role, tndb_registry_form **form,
                                       tenantdb_error **error);
/* The same in a transaction that is rolled back afterwards, at least to a savepoint; it sets the search path. */
tenantdb_status tndb_registry_form_read(tndb_work *work, bool with_role, tndb_registry_form **form,
                                        tenantdb_error **error);
void tndb_registry_form_release(tndb_registry_form *form);

#endif
