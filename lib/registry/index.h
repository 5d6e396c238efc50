/* SPDX-License-Identifier: PostgreSQL */
/* What can be said about an index's definition without a server. */
#ifndef TNDB_REGISTRY_INDEX_H
#define TNDB_REGISTRY_INDEX_H

#include "base/error.h"

/* A clean definition, "USING gin (body) WHERE live": its form, and a predicate that stays true. */
tenantdb_status tndb_index_check(const char *definition, tenantdb_error **error);

#endif
