/* SPDX-License-Identifier: PostgreSQL */
/*
 * Standby schemas: made ahead by upkeep, so that creating a tenant only gives one
 * his name.
 *
 * One is a row of the catalog's table standby_schemas, a schema of a name that no
 * tenant's has, and a role that may not use it yet. It has the id that its tenant
 * will have: so its mark, its rows in the ledger and, unless the template wants
 * the slug, its role's name are his already. While it stands by it is nobody's:
 * sessions, lists and drift go by tenants; migrations include it.
 *
 * Taking one deletes its row, which is what makes it belong to one creator alone:
 * rows that others have locked are passed over, and nobody waits. That it is what
 * a new tenant is to be was verified when it was made; what is asked again is
 * whether it still is what the row says (the version, the registry's hash, the
 * ledger, the owner, the mark), and whether a function of it has kept the schema's
 * name as text, which no renaming changes. When there is none the tenant is made
 * as if there were no such thing, in the very transaction that looked for one.
 */
#ifndef TNDB_TENANT_STANDBY_H
#define TNDB_TENANT_STANDBY_H

#include "base/buffer.h"
#include "base/integer.h"
#include "catalog/newborn.h"
#include "tenant/naming.h"

/* ---------------------------------------------------------------- taking one */

typedef struct tndb_standby {
  bool taken;
  char id[TNDB_UUID_TEXT];
  tndb_names_of_tenant names; /* as it was called so far */
  size_t take;                /* places in an exchange */
  size_t rename_schema;
  size_t rename_role;
  size_t open;
} tndb_standby;

/* Whether new tenants are to take one. */
bool tndb_standby_is_wanted(const tenantdb *db);
/* Look for one that is what the birth says, in a transaction that is open: one round trip. `hash`: the registry's. */
tenantdb_status tndb_standby_take(tndb_standby *standby, tndb_work *work, const tndb_birth *birth,
                                  const char *hash, tenantdb_error **error);
/* Queue giving it the tenant's names, and opening it for his role. */
void tndb_standby_queue(tndb_standby *standby, tndb_work *work, const tndb_names_of_tenant *names);
/*
 * Whether a transaction failed on the standby schema itself, and not on what making the tenant anew
 * would fail on, too.
 */
bool tndb_standby_is_to_blame(const tndb_standby *standby, const tndb_work *work,
                              const tenantdb_error *error);
/* Count a tenant who was to have one, and tell when there was none. */
void tndb_standby_tell(tenantdb *db, const char *slug, bool taken);

/* ---------------------------------------------------------------- keeping them */

/* One thing that was done to keep as many as are wanted. */
typedef struct tndb_standby_step {
  const char *action;          /* make, drop, leave; NULL: nothing was to be done */
  char schema[TNDB_NAME_SIZE]; /* whose, or "" */
  tndb_buffer outcome;         /* "done", or why not */
  bool more;                   /* there may be more to do */
} tndb_standby_step;

/*
 * Make one that is lacking, or drop one that is stale or too many, in one transaction. What is wrong with
 * one is its outcome; without a server, or memory, it fails. Free the step's outcome in every case.
 */
tenantdb_status tndb_standby_keep(tenantdb *db, tndb_standby_step *step, tenantdb_error **error);

/* ---------------------------------------------------------------- for both */

/* Whether a schema n carries the mark of the standby schema s, or of who is to be made of it. */
#define TNDB_STANDBY_MARKED(s) \
  "coalesce(obj_description(n.oid, 'pg_namespace') = 'libtenantdb tenant ' || " s ".id, false)"
/*
 * A condition on rows s of standby_schemas: it is what a new tenant is to be. Every %s is the catalog.
 * What migrations have brought to the newest version is what they make, whatever was declared when it was made;
 * and no sum may be another than that of a new tenant, who has all repeatable ones, and one that says which
 * version it is. Each part is a query of one row, so that the planner begins with s.
 */
#define TNDB_STANDBY_FITS \
  "(s.version = $1::bigint AND (s.role_name IS NOT NULL) = $3::boolean AND (s.registry_hash = $2 OR"         \
  " ($4::boolean AND (SELECT count(*) FROM %smigrations m WHERE m.tenant_id = s.id AND m.version ="          \
  " s.version AND m.name = '' AND m.kind <> 'baseline' AND m.state = 'done') > 0)) AND (SELECT count(*)"     \
  " FROM %smigrations m WHERE m.tenant_id = s.id AND m.state <> 'done') = 0 AND (SELECT count(*) FROM"       \
  " unnest($5::bigint[], $6::text[], $7::text[]) w (version, name, sum) LEFT JOIN %smigrations m ON"         \
  " m.tenant_id = s.id AND m.version = w.version AND m.name = w.name WHERE m.sum <> nullif(w.sum, '') OR"    \
  " (w.version IN (0, $1::bigint) AND m.version IS NULL)) = 0 AND"                                                              \
  " (SELECT count(*) FROM %stenants t WHERE t.id = s.id) = 0 AND (s.role_name IS NULL OR (SELECT count(*)"   \
  " FROM pg_roles r WHERE r.rolname = s.role_name) = 1) AND (SELECT n.nspowner ="                            \
  " quote_ident(current_user)::regrole AND " TNDB_STANDBY_MARKED("s") " AND NOT EXISTS (SELECT FROM"         \
  " pg_depend d JOIN pg_proc p ON p.oid = d.objid WHERE d.classid = 'pg_proc'::regclass AND d.refclassid ="  \
  " 'pg_namespace'::regclass AND d.refobjid = n.oid AND (strpos(p.prosrc, s.schema_name) > 0 OR"             \
  " strpos(array_to_string(p.proconfig, ' '), s.schema_name) > 0)) FROM pg_namespace n WHERE n.nspname ="    \
  " s.schema_name))"

/* Its values. The last three are the ledger's rows of a new tenant, to be compared with. */
enum {
  TNDB_STANDBY_VERSION,
  TNDB_STANDBY_HASH,
  TNDB_STANDBY_ROLE,
  TNDB_STANDBY_MIGRATED,
  TNDB_STANDBY_ROW_VERSIONS,
  TNDB_STANDBY_ROW_NAMES,
  TNDB_STANDBY_ROW_SUMS,
  TNDB_STANDBY_VALUES
};
typedef struct tndb_standby_terms {
  char version[TNDB_INT64_TEXT];
  const char *values[TNDB_STANDBY_VALUES];
} tndb_standby_terms;
/* For a birth at the newest version. `hash` is the registry's; it has to outlive the terms. */
void tndb_standby_ask(tndb_standby_terms *terms, const tenantdb *db, const tndb_birth *birth,
                      const char *hash);

#endif
