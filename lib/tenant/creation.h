/* SPDX-License-Identifier: PostgreSQL */
/*
 * A tenant being created: what every way of bringing one into being (empty, as a
 * clone, from an archive) does before, in and after its transaction.
 */
#ifndef TNDB_TENANT_CREATION_H
#define TNDB_TENANT_CREATION_H

#include "catalog/newborn.h"
#include "catalog/tenants.h"
#include "catalog/work.h"
#include "tenant/naming.h"
#include "tenant/provision.h"
#include "tenant/spec.h"
#include "tenant/standby.h"

typedef struct tndb_creation {
  tenantdb *db;
  const char *slug;
  const char *action; /* what it is recorded as */
  int32_t state;      /* the one it will be in: pending, active or suspended */
  const char *detail; /* for the audit row: a JSON object, or NULL */
  tndb_login *login;  /* at level login, when it is provisioned */
  tndb_birth birth;   /* what makes his schema, and which version it is of */
  bool stands_by;     /* he may have a standby schema, if there is one */
  tndb_standby standby;
  tndb_spec spec;
  tndb_names_of_tenant names;
  char hash[TNDB_SHA256_HEX]; /* of the registry */
  size_t insert;              /* places in the exchange */
  size_t views;
} tndb_creation;

/*
 * Check the slug and the specification and make the names; db, slug, action and
 * state are set. `request` is what an idempotency key stands for, beside the specification.
 */
tenantdb_status tndb_creation_prepare(tndb_creation *creation, const char *request,
                                      const tenantdb_tenant_spec *spec, tenantdb_error **error);
/*
 * All of it in one flush: an empty tenant. The error is the caller's own variable, never NULL.
 */
tenantdb_status tndb_creation_run(tndb_creation *creation, tenantdb_tenant **tenant, tenantdb_error **error);
/* What every public call that makes a tenant ends with. */
tenantdb_status tndb_creation_end(const tndb_creation *creation, tenantdb_status status,
                                  tenantdb_tenant *tenant, tenantdb_tenant **out, tenantdb_error *own,
                                  tenantdb_error **error);
/* The lock to take on the slug, for tndb_work_start(). */
#define TNDB_CREATION_LOCK_SIZE (TNDB_NAME_SIZE + 8)
void tndb_creation_lock(const tndb_creation *creation, char lock[TNDB_CREATION_LOCK_SIZE]);
/* Queue the tenant's row. */
void tndb_creation_queue_row(tndb_creation *creation, tndb_work *work);
/* Queue the records, and marking the views that are to have him. */
void tndb_creation_queue_record(tndb_creation *creation, tndb_work *work);
/* When the row was what failed: give the error its meaning. */
tenantdb_status tndb_creation_explain(const tndb_creation *creation, tenantdb_error **error);
/*
 * After a failure: the idempotency key may have been used before. OK: by the same
 * request, whose tenant is handed out. Leaves the error as it is when that is not the matter.
 */
tenantdb_status tndb_creation_answer_again(const tndb_creation *creation, tenantdb_tenant **tenant,
                                           tenantdb_error **error);
/* After the commit, and without a connection in hand: tell who wants to know. `marked` is taken. */
void tndb_creation_tell(const tndb_creation *creation, PGresult *marked);
/* Hand the tenant out: from the row that the insert answered, or, when that is not to be had, read again. */
tenantdb_status tndb_creation_result(const tndb_creation *creation, PGresult *row, tenantdb_tenant **tenant,
                                     tenantdb_error **error);

#endif
