/* SPDX-License-Identifier: PostgreSQL */
/*
 * What migrations make, without anybody's data: all of them up to a version, as
 * statements for one transaction and an empty schema. New tenants are made so when
 * the registry does not make them; and a scratch schema, which is rolled back,
 * shows the form that baselines and drafts compare with.
 *
 * In an empty schema that nobody sees there is no need for CONCURRENTLY, which a
 * transaction cannot have, nor for VACUUM and its like, and what fills columns in
 * batches has no rows and is done at once.
 */
#ifndef TNDB_MIGRATE_SCRATCH_H
#define TNDB_MIGRATE_SCRATCH_H

#include "migrate/change_open.h"
#include "tenant/registry_form.h"

/*
 * The newest checkpoint up to `version`, the versioned migrations behind it up to
 * `version`, and the repeatable ones if that is the newest; for a search path that is `schema`.
 * tndb_ddl_free() when it succeeded.
 */
tenantdb_status tndb_scratch_statements(const tenantdb_migrations *set, const tenantdb *db,
                                        tndb_stream stream, int64_t version, const char *schema,
                                        tndb_ddl *ddl, tenantdb_error **error);
/* The same of the newest version, with `rest`, steps that belong behind the versioned ones. */
tenantdb_status tndb_scratch_statements_and(const tenantdb_migrations *set, const tenantdb *db,
                                            tndb_stream stream, const tndb_steps *rest, const char *schema,
                                            tndb_ddl *ddl, tenantdb_error **error);

/*
 * The form that migrations up to `version` make, in a transaction that is rolled back afterwards.
 * `with_role`: of a tenant who has one. Kept with the database: it is made once for each version.
 * tndb_registry_form_release() when it succeeded.
 */
tenantdb_status tndb_scratch_form(tenantdb *db, const tenantdb_migrations *set, tndb_stream stream,
                                  int64_t version, bool with_role, tndb_registry_form **form,
                                  tenantdb_error **error);
/*
 * The form that all of them make when the changes are finished of which that half is missing; not kept.
 * Fails where something uses what the other half takes away.
 */
tenantdb_status tndb_scratch_form_finished(tenantdb *db, const tenantdb_migrations *set, tndb_stream stream,
                                           const tndb_open_changes *open, bool with_role,
                                           tndb_registry_form **form, tenantdb_error **error);

#endif
