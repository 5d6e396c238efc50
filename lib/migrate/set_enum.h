/* SPDX-License-Identifier: PostgreSQL */
/*
 * Values of enums, when the migrations of years are run in one transaction: PostgreSQL lets nobody
 * use a value before the transaction that added it is committed. So a value that is added
 * to a type which the same statements create is made part of its CREATE TYPE.
 */
#ifndef TNDB_MIGRATE_SET_ENUM_H
#define TNDB_MIGRATE_SET_ENUM_H

#include "base/error.h"
#include "registry/registry.h"

/* What cannot be seen to be the same is left as it is. MEMORY only; the statements stay valid. */
tenantdb_status tndb_enums_fold(tndb_ddl *ddl, tenantdb_error **error);

#endif
