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
#include "catalog/newborn.h"
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
  const tndb_newborn *newborn; /* whose migrations it is made by, not by the registry; or NULL */
} tndb_registry_form;

/*
 * A form of something else than the registry, made in the same way: `statements` gives what
 * makes it, for an empty schema of that name, which is the search path.
 */
typedef struct tndb_form_source {
  tenantdb_status (*statements)(void *user, const char *schema, tndb_ddl *ddl, tenantdb_error **error);
  void *user;
  const char *what;     /* for messages: "the registry's" */
  bool close_functions; /* it may make functions, which are not to be for PUBLIC */
} tndb_form_source;

/*
 * In a transaction that is rolled back afterwards, at least to a savepoint; it sets the search path.
 * tndb_registry_form_release() when it succeeded.
 */
tenantdb_status tndb_form_make(tndb_work *work, bool with_role, const tndb_form_source *source,
                               tndb_registry_form **form, tenantdb_error **error);
/* What forms depend on beside what makes them: while it is the same a form need not be made again. */
tenantdb_status tndb_form_key(tndb_work *work, char hex[TNDB_SHA256_HEX], tenantdb_error **error);

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
