/* SPDX-License-Identifier: PostgreSQL */
/*
 * Provisioning: everything between a row in the catalog and a tenant that can
 * be used, queued into one transaction and sent in one flush. The last
 * statement makes the server refuse to commit when what was asked for is not
 * there.
 */
#ifndef TNDB_TENANT_PROVISION_H
#define TNDB_TENANT_PROVISION_H

#include "catalog/login.h"
#include "catalog/newborn.h"
#include "registry/registry.h"

typedef struct tndb_provision {
  const char *schema;
  const char *role; /* "" at level routing */
  const tndb_birth *birth;
  tndb_ddl ddl;
  tndb_ddl
      after; /* what is queued when the rows are there; nothing, unless begun by tndb_provision_tables() */
  size_t create_role; /* places in the exchange */
  size_t create_schema;
  size_t first_ddl;
  size_t proof; /* of the scope, behind migrations */
  size_t verify;
  size_t join;
} tndb_provision;

/*
 * Queue it all; `login` at level login, else NULL. `birth` says what makes the tables, and outlives the
 * provision. tndb_provision_free() in every case.
 */
tenantdb_status tndb_provision_queue(tndb_provision *provision, tndb_work *work, const char *id,
                                     const char *schema, const char *role, const tndb_login *login,
                                     const tndb_birth *birth, tenantdb_error **error);
/*
 * The same in steps, for a tenant who is born with rows: first the role, the
 * schema and its empty tables (registry/registry.h, tndb_registry_phases), then the statements of
 * `after` one by one, at last the rights and the question whether all is there.
 * What migrations make comes all at once, before the rows.
 */
tenantdb_status tndb_provision_tables(tndb_provision *provision, tndb_work *work, const char *id,
                                      const char *schema, const char *role, const tndb_login *login,
                                      const tndb_birth *birth, tenantdb_error **error);
/* Run one of `after`; its failure has its place. */
tenantdb_status tndb_provision_after(const tndb_provision *provision, tndb_work *work, size_t which,
                                     tenantdb_error **error);
tenantdb_status tndb_provision_end(tndb_provision *provision, tndb_work *work, tenantdb_error **error);
/* Last of all, when he is to be served at once: his role joins the group (tenant/access.h). */
void tndb_provision_join(tndb_provision *provision, tndb_work *work);
/*
 * When the statement that failed is one of these: give the error its place and
 * its meaning. True when it was.
 */
bool tndb_provision_explain(const tndb_provision *provision, const tndb_work *work, tenantdb_error **error);
void tndb_provision_free(tndb_provision *provision);

/* What a schema of ours is marked with, so that no other is ever dropped. */
void tndb_provision_mark(tndb_buffer *text, const char *id);

#endif
