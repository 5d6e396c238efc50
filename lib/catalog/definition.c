/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/definition.h"

const char *const tndb_catalog_tables[] = {
    "catalog",    "tenants",     "operations",   "audit",       "shared_objects",   "hardening",
    "views",      "view_parts",  "view_members", "relocations", "relocation_steps", "moves",
    "move_steps", "move_things", "migrations",   "runs",        "run_members",      "standby_schemas",
    NULL};

/*
 * Slugs are ASCII, so folding under collation "C" is the same on every server.
 * A deleted tenant keeps its row but not its names.
 */
static const char *const version_1[] = {
    "CREATE TABLE catalog ("
    " one boolean PRIMARY KEY DEFAULT true CHECK (one),"
    " version integer NOT NULL,"
    " library text NOT NULL,"
    " group_role text,"
    " grants_hash text,"
    " created_at timestamptz NOT NULL DEFAULT now(),"
    " upgraded_at timestamptz NOT NULL DEFAULT now())",
    "COMMENT ON TABLE catalog IS 'libtenantdb: the version of this catalog'",

    "CREATE TABLE tenants ("
    " id uuid PRIMARY KEY,"
    " slug text NOT NULL,"
    " name text,"
    " schema_name text NOT NULL,"
    " role_name text,"
    " credential uuid,"
    " state text NOT NULL CHECK (state IN ('pending', 'provisioning', 'active', 'failed', 'suspended',"
    " 'archived', 'deleting', 'deleted')),"
    " generation bigint NOT NULL DEFAULT 1,"
    " version bigint NOT NULL DEFAULT 0,"
    " registry_hash text,"
    " properties jsonb NOT NULL DEFAULT '{}' CONSTRAINT tenants_properties_object"
    " CHECK (jsonb_typeof(properties) = 'object'),"
    " created_at timestamptz NOT NULL DEFAULT now(),"
    " updated_at timestamptz NOT NULL DEFAULT now(),"
    " purge_after timestamptz,"
    " deleted_at timestamptz)",
    "CREATE UNIQUE INDEX tenants_slug_key ON tenants ((lower(slug COLLATE \"C\"))) WHERE state <> 'deleted'",
    "CREATE UNIQUE INDEX tenants_schema_key ON tenants ((lower(schema_name COLLATE \"C\")))"
    " WHERE state <> 'deleted'",
    "CREATE UNIQUE INDEX tenants_role_key ON tenants (role_name) WHERE state <> 'deleted'",
    "COMMENT ON TABLE tenants IS 'libtenantdb: every tenant that is or was'",

    "CREATE TABLE operations ("
    " id uuid PRIMARY KEY,"
    " tenant_id uuid NOT NULL,"
    " kind text NOT NULL,"
    " state text NOT NULL CHECK (state IN ('running', 'done')),"
    " idempotency_key text,"
    " request_hash text,"
    " owner uuid,"
    " lease_until timestamptz,"
    " attempts integer NOT NULL DEFAULT 1,"
    " started_at timestamptz NOT NULL DEFAULT now(),"
    " finished_at timestamptz,"
    " CHECK (state <> 'running' OR lease_until IS NOT NULL),"
    " CHECK (idempotency_key IS NULL OR request_hash IS NOT NULL))",
    "CREATE UNIQUE INDEX operations_idempotency_key ON operations (idempotency_key)"
    " WHERE idempotency_key IS NOT NULL",
    "CREATE UNIQUE INDEX operations_running_key ON operations (tenant_id) WHERE state = 'running'",
    "CREATE INDEX operations_tenant ON operations (tenant_id, started_at)",
    "COMMENT ON TABLE operations IS 'libtenantdb: what was done, and what is being done, to tenants'",

    "CREATE TABLE audit ("
    " id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
    " at timestamptz NOT NULL DEFAULT clock_timestamp(),"
    " tenant_id uuid NOT NULL,"
    " operation_id uuid NOT NULL,"
    " action text NOT NULL,"
    " from_state text,"
    " to_state text,"
    " actor text NOT NULL DEFAULT session_user,"
    " detail jsonb)",
    "CREATE INDEX audit_tenant ON audit (tenant_id, id)",
    "COMMENT ON TABLE audit IS 'libtenantdb: who changed which tenant when'",

    "CREATE TABLE shared_objects ("
    " hash text PRIMARY KEY,"
    " base text NOT NULL,"
    " place text NOT NULL,"
    " adopted boolean NOT NULL,"
    " created_at timestamptz NOT NULL DEFAULT now())",
    "COMMENT ON TABLE shared_objects IS 'libtenantdb: what of the shared bases has been created'",

    "CREATE TABLE hardening ("
    " action text NOT NULL CHECK (action IN ('grant', 'revoke')),"
    " object text NOT NULL,"
    " who text NOT NULL,"
    " at timestamptz NOT NULL DEFAULT now(),"
    " actor text NOT NULL DEFAULT session_user,"
    " PRIMARY KEY (action, object, who))",
    "COMMENT ON TABLE hardening IS 'libtenantdb: what tenantdb_harden() changed, by name'",
    NULL,
};

/*
 * A member is a tenant that a view has, or is to have, or leaves out. `shown` is
 * what the view's text calls him. Whoever changes something about him counts
 * `wish` up; who has made the text writes as `done` the wish that he saw, so that
 * no wish is lost that came meanwhile.
 */
static const char *const version_2[] = {
    "CREATE TABLE views ("
    " id uuid PRIMARY KEY,"
    " name text NOT NULL,"
    " schema_name text NOT NULL,"
    " base text NOT NULL,"
    " table_name text NOT NULL,"
    " tenant_column text NOT NULL,"
    " shows text NOT NULL CHECK (shows IN ('slug', 'id')),"
    " wanted_columns text[],"
    " column_names text[] NOT NULL,"
    " column_types text[] NOT NULL,"
    " column_collations text[] NOT NULL,"
    " tenants uuid[],"
    " selector text,"
    " reader text,"
    " barrier boolean NOT NULL,"
    " complete boolean NOT NULL DEFAULT false,"
    " created_at timestamptz NOT NULL DEFAULT now(),"
    " refreshed_at timestamptz)",
    "CREATE UNIQUE INDEX views_name_key ON views (name)",
    "COMMENT ON TABLE views IS 'libtenantdb: views over tenants'",

    "CREATE TABLE view_parts ("
    " view_id uuid NOT NULL,"
    " number integer NOT NULL,"
    " members integer NOT NULL,"
    " PRIMARY KEY (view_id, number))",
    "COMMENT ON TABLE view_parts IS 'libtenantdb: the parts that views over tenants consist of'",

    "CREATE TABLE view_members ("
    " view_id uuid NOT NULL,"
    " tenant_id uuid NOT NULL,"
    " part integer,"
    " shown text,"
    " left_out text,"
    " wish bigint NOT NULL DEFAULT 1,"
    " done bigint NOT NULL DEFAULT 0,"
    " PRIMARY KEY (view_id, tenant_id))",
    "CREATE INDEX view_members_tenant ON view_members (tenant_id)",
    "CREATE INDEX view_members_part ON view_members (view_id, part)",
    "CREATE INDEX view_members_unsettled ON view_members (view_id) WHERE done < wish",
    "COMMENT ON TABLE view_members IS 'libtenantdb: which tenants are in which view'",
    NULL,
};

/*
 * A relocation by way of views is begun by one call and finished by another, days
 * later perhaps. A step is one thing that moves, and where it is: under its old
 * name, its new one, or done with; `owned_by` is whose sequence it is, which it
 * cannot say of itself while it is in another schema than its table.
 */
static const char *const version_3[] = {
    "CREATE TABLE relocations ("
    " id uuid PRIMARY KEY,"
    " from_schema text NOT NULL,"
    " to_schema text NOT NULL,"
    " names text NOT NULL CHECK (names IN ('old', 'new')),"
    " state text NOT NULL CHECK (state IN ('moving', 'standing', 'done')),"
    " begun_at timestamptz NOT NULL DEFAULT now(),"
    " moved_at timestamptz,"
    " finished_at timestamptz)",
    "CREATE UNIQUE INDEX relocations_open_key ON relocations ((true)) WHERE state <> 'done'",
    "COMMENT ON TABLE relocations IS 'libtenantdb: shared tables that moved to another schema behind views'",

    "CREATE TABLE relocation_steps ("
    " relocation_id uuid NOT NULL,"
    " number integer NOT NULL,"
    " kind text NOT NULL,"
    " relkind text,"
    " object oid NOT NULL,"
    " name text NOT NULL,"
    " identity text NOT NULL,"
    " owned_by text,"
    " state text NOT NULL CHECK (state IN ('old', 'new', 'done')),"
    " PRIMARY KEY (relocation_id, number))",
    "COMMENT ON TABLE relocation_steps IS 'libtenantdb: what moves in a relocation, and how far it is'",
    NULL,
};

/*
 * A move of a tenant from one database to another is in both catalogs, under one
 * id. The source's row says how far it is and whether writes are paused; which of
 * the two serves is settled by the target's row, whose owner alone may switch; his
 * lease there only tells whether anybody still works on it.
 * `move_things` are what was changed on the way and is to be put back.
 */
static const char *const version_4[] = {
    "CREATE TABLE moves ("
    " id uuid PRIMARY KEY,"
    " side text NOT NULL CHECK (side IN ('source', 'target')),"
    " tenant_id uuid NOT NULL,"
    " slug text NOT NULL,"
    " schema_name text NOT NULL,"
    " tenant_state text NOT NULL,"
    " other_tenant uuid NOT NULL,"
    " other_slug text NOT NULL,"
    " other_database text NOT NULL,"
    " other_place text NOT NULL,"
    " state text NOT NULL CHECK (state IN ('moving', 'switched', 'done', 'undone')),"
    " paused_at timestamptz,"
    " fingerprint text,"
    " owner uuid,"
    " lease_until timestamptz,"
    " begun_at timestamptz NOT NULL DEFAULT now(),"
    " switched_at timestamptz,"
    " finished_at timestamptz)",
    "CREATE UNIQUE INDEX moves_open_key ON moves (tenant_id, side) WHERE state IN ('moving', 'switched')",
    "CREATE INDEX moves_tenant ON moves (tenant_id)",
    "COMMENT ON TABLE moves IS 'libtenantdb: tenants that move, or moved, to or from another database'",

    "CREATE TABLE move_steps ("
    " move_id uuid NOT NULL,"
    " number integer NOT NULL,"
    " step text NOT NULL,"
    " state text NOT NULL CHECK (state IN ('begun', 'done')),"
    " note text,"
    " ms bigint NOT NULL DEFAULT 0,"
    " begun_at timestamptz NOT NULL DEFAULT now(),"
    " finished_at timestamptz,"
    " PRIMARY KEY (move_id, number))",
    "COMMENT ON TABLE move_steps IS 'libtenantdb: the steps of a move, and how far it is'",

    "CREATE TABLE move_things ("
    " move_id uuid NOT NULL,"
    " kind text NOT NULL CHECK (kind IN ('identity', 'reference')),"
    " table_name text NOT NULL,"
    " name text NOT NULL,"
    " definition text NOT NULL,"
    " PRIMARY KEY (move_id, kind, table_name, name))",
    "COMMENT ON TABLE move_things IS 'libtenantdb: what a move changed, and puts back'",
    NULL,
};

/*
 * The ledger is keyed by whom and what; of a migration that is not transactional
 * its row is also the lease of whoever carries it out. It has one CHECK, of what nobody would ever
 * take over: each is paid for every row, of which a fleet has many. A run's plan is in its
 * settings; a member is one tenant of it. A standby schema has the id that the
 * tenant will have who takes it, so that its role and its mark need no change.
 */
static const char *const version_5[] = {
    "CREATE TABLE migrations ("
    " stream text NOT NULL,"
    " tenant_id uuid NOT NULL,"
    " version bigint NOT NULL,"
    " name text NOT NULL DEFAULT '',"
    " kind text NOT NULL,"
    " title text NOT NULL,"
    " sum text,"
    " state text NOT NULL,"
    " steps integer NOT NULL DEFAULT 0,"
    " steps_done integer NOT NULL DEFAULT 0,"
    " steps_sum text,"
    " progress text,"
    " attempts integer NOT NULL DEFAULT 1,"
    " started_at timestamptz NOT NULL DEFAULT now(),"
    " finished_at timestamptz,"
    " duration_ms bigint,"
    " line integer,"
    " sqlstate text,"
    " error text,"
    " run_id uuid,"
    " actor text NOT NULL DEFAULT session_user,"
    " owner uuid,"
    " lease_until timestamptz,"
    " fence bigint NOT NULL DEFAULT 0,"
    " PRIMARY KEY (tenant_id, version, name),"
    " CHECK (state <> 'running' OR lease_until IS NOT NULL))",
    "CREATE INDEX migrations_unfinished ON migrations (tenant_id) WHERE state <> 'done'",
    "CREATE INDEX migrations_version ON migrations (stream, version)",
    "COMMENT ON TABLE migrations IS 'libtenantdb: which migrations were applied to whom'",

    "CREATE TABLE runs ("
    " id uuid PRIMARY KEY,"
    " state text NOT NULL CHECK (state IN ('running', 'paused', 'stopped', 'done', 'aborted')),"
    " set_hash text NOT NULL,"
    " goal bigint NOT NULL,"
    " down boolean NOT NULL DEFAULT false,"
    " settings jsonb NOT NULL,"
    " waves integer NOT NULL,"
    " wave integer NOT NULL DEFAULT 1,"
    " total integer NOT NULL,"
    " failure_limit integer,"
    " pause_asked boolean NOT NULL DEFAULT false,"
    " actor text NOT NULL DEFAULT session_user,"
    " host text,"
    " note text,"
    " started_at timestamptz NOT NULL DEFAULT now(),"
    " updated_at timestamptz NOT NULL DEFAULT now(),"
    " finished_at timestamptz)",
    "CREATE INDEX runs_started ON runs (started_at)",
    "COMMENT ON TABLE runs IS 'libtenantdb: migrations carried out over many tenants'",

    "CREATE TABLE run_members ("
    " run_id uuid NOT NULL,"
    " tenant_id uuid NOT NULL,"
    " slug text NOT NULL,"
    " standby boolean NOT NULL DEFAULT false,"
    " wave integer NOT NULL,"
    " position integer NOT NULL,"
    " state text NOT NULL CHECK (state IN ('waiting', 'running', 'done', 'failed', 'deferred', 'skipped')),"
    " attempts integer NOT NULL DEFAULT 0,"
    " from_version bigint,"
    " to_version bigint,"
    " file text,"
    " line integer,"
    " status integer,"
    " sqlstate text,"
    " error text,"
    " blocker text,"
    " owner uuid,"
    " lease_until timestamptz,"
    " started_at timestamptz,"
    " finished_at timestamptz,"
    " duration_ms bigint,"
    " PRIMARY KEY (run_id, tenant_id))",
    "CREATE INDEX run_members_open ON run_members (run_id, wave, position)"
    " WHERE state IN ('waiting', 'running', 'deferred')",
    "COMMENT ON TABLE run_members IS 'libtenantdb: the tenants of runs, and what became of each'",

    "CREATE TABLE standby_schemas ("
    " id uuid PRIMARY KEY,"
    " schema_name text NOT NULL,"
    " role_name text,"
    " version bigint NOT NULL,"
    " registry_hash text NOT NULL,"
    " created_at timestamptz NOT NULL DEFAULT now())",
    "COMMENT ON TABLE standby_schemas IS 'libtenantdb: schemas prepared for tenants to come'",
    NULL,
};

const char *const *tndb_catalog_steps(int version) {
  static const char *const nothing[] = {NULL};
  static const char *const *const versions[] = {nothing,   version_1, version_2,
                                                version_3, version_4, version_5};
  return version > 0 && (size_t)version < sizeof versions / sizeof versions[0] ? versions[version] : nothing;
}
