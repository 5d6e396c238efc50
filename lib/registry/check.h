/* SPDX-License-Identifier: PostgreSQL */
#ifndef TNDB_REGISTRY_CHECK_H
#define TNDB_REGISTRY_CHECK_H

#include "registry/registry.h"

/* tenantdb_registry_check() of a handle known to be good. */
tenantdb_status tndb_registry_verify(const tenantdb_registry *registry, tenantdb_error **error);
/* The statements of one kind, or of `only` one base; arguments are good. */
tenantdb_status tndb_ddl_make(const tenantdb_registry *registry, int32_t kind, const tenantdb_base *only,
                              const char *schema, const char *shared_schema, tndb_ddl *out,
                              tenantdb_error **error);

#endif
