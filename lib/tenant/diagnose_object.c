/* SPDX-License-Identifier: PostgreSQL */
/* What is in the schemas: extensions, owners, ties, indexes, functions, row security. */
#include "tenant/diagnose_question.h"

/* The schemas that are ours to look into; `slug` is NULL for the shared one. */
#define OURS                                                                              \
  ", ours AS (SELECT slug, schema, schema_name FROM m WHERE schema IS NOT NULL UNION ALL" \
  " SELECT NULL, n.oid, n.nspname FROM pg_namespace n, a WHERE n.nspname = a.shared AND a.tenant IS NULL)"

/* Belongs to an extension, which keeps its objects as it wants them. */
#define OF_EXTENSION(class, oid)                                                               \
  "EXISTS (SELECT FROM pg_depend x WHERE x.classid = '" class "'::regclass AND x.objid = " oid \
                                                              " AND x.deptype = 'e')"

static const char extension_sql[] =
    "SELECT 'extension-in-tenant', m.slug, 'extension ' || quote_ident(e.extname), 'in schema ' ||"
    " quote_ident(m.schema_name), CASE WHEN e.extrelocatable THEN format('ALTER EXTENSION %I SET SCHEMA %I',"
    " e.extname, coalesce(nullif(a.extensions, ''), 'public')) END FROM pg_extension e"
    " JOIN m ON m.schema = e.extnamespace CROSS JOIN a ORDER BY m.slug, e.extname";

/* A sequence that belongs to a column has its table's owner, and no other can be given to it. */
static const char owner_sql[] =
    "SELECT 'owner-differs', slug, what, 'owned by ' || quote_ident(pg_get_userbyid(is_owner)) ||"
    " ', and the schema by ' || quote_ident(pg_get_userbyid(owner)),"
    " format('ALTER %s OWNER TO %I', what, pg_get_userbyid(owner)) FROM ("
    " SELECT m.slug, m.owner, c.relowner AS is_owner, format(CASE c.relkind WHEN 'v' THEN 'VIEW %I.%I'"
    " WHEN 'm' THEN 'MATERIALIZED VIEW %I.%I' WHEN 'S' THEN 'SEQUENCE %I.%I' WHEN 'f' THEN 'FOREIGN TABLE %I.%I'"
    " WHEN 'c' THEN 'TYPE %I.%I' ELSE 'TABLE %I.%I' END, m.schema_name, c.relname) AS what FROM m"
    " JOIN pg_class c ON c.relnamespace = m.schema WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')"
    " AND NOT EXISTS (SELECT FROM pg_depend x WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid"
    " AND (x.deptype = 'e' OR c.relkind = 'S' AND x.deptype IN ('a', 'i')))"
    " UNION ALL SELECT m.slug, m.owner, p.proowner, format('ROUTINE %I.%I(%s)', m.schema_name, p.proname,"
    " pg_get_function_identity_arguments(p.oid)) FROM m JOIN pg_proc p ON p.pronamespace = m.schema"
    " WHERE NOT " OF_EXTENSION("pg_proc", "p.oid")
    " UNION ALL SELECT m.slug, m.owner, y.typowner, format('TYPE %I.%I', m.schema_name, y.typname) FROM m"
    " JOIN pg_type y ON y.typnamespace = m.schema WHERE y.typtype IN ('e', 'd', 'r')"
    " AND NOT " OF_EXTENSION("pg_type", "y.oid") ") o WHERE is_owner <> owner ORDER BY slug, what";

/* The tenants' relations are found once; whatever ties them joins two of them. */
static const char tie_sql[] =
    ", rel AS MATERIALIZED (SELECT c.oid, c.relname, c.relkind, c.relispartition, t.id, t.slug, t.schema_name"
    " FROM t JOIN pg_class c ON c.relnamespace = t.schema WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')),"
    " tie AS (SELECT x.slug, x.id, y.id AS other, format('constraint %I of %I.%I', k.conname, x.schema_name,"
    " x.relname) AS what, y.slug AS whom, format('ALTER TABLE %I.%I DROP CONSTRAINT %I', x.schema_name,"
    " x.relname, k.conname) AS sql FROM pg_constraint k JOIN rel x ON x.oid = k.conrelid"
    " JOIN rel y ON y.oid = k.confrelid WHERE k.contype = 'f' AND k.conparentid = 0 AND x.id <> y.id"
    " UNION SELECT x.slug, x.id, y.id, format('view %I.%I', x.schema_name, x.relname), y.slug,"
    " format('DROP %s %I.%I', CASE x.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END,"
    " x.schema_name, x.relname) FROM pg_depend d JOIN pg_rewrite w ON d.classid = 'pg_rewrite'::regclass"
    " AND d.objid = w.oid JOIN rel x ON x.oid = w.ev_class AND x.relkind IN ('v', 'm') JOIN rel y"
    " ON d.refclassid = 'pg_class'::regclass AND y.oid = d.refobjid WHERE x.id <> y.id"
    " UNION SELECT x.slug, x.id, y.id, format('default of %I.%I.%I', x.schema_name, x.relname, i.attname),"
    " y.slug, format('ALTER TABLE %I.%I ALTER COLUMN %I DROP DEFAULT', x.schema_name, x.relname, i.attname)"
    " FROM pg_depend d JOIN pg_attrdef e ON d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid"
    " JOIN rel x ON x.oid = e.adrelid JOIN rel y ON d.refclassid = 'pg_class'::regclass"
    " AND y.oid = d.refobjid JOIN pg_attribute i ON i.attrelid = e.adrelid AND i.attnum = e.adnum"
    " WHERE x.id <> y.id"
    " UNION SELECT x.slug, x.id, y.id, format('trigger %I of %I.%I', g.tgname, x.schema_name, x.relname),"
    " y.slug, format('DROP TRIGGER %I ON %I.%I', g.tgname, x.schema_name, x.relname) FROM pg_trigger g"
    " JOIN rel x ON x.oid = g.tgrelid JOIN pg_proc p ON p.oid = g.tgfoid JOIN t y"
    " ON y.schema = p.pronamespace WHERE NOT g.tgisinternal AND x.id <> y.id"
    " UNION SELECT x.slug, x.id, y.id, format('table %I.%I', x.schema_name, x.relname), y.slug,"
    " CASE WHEN x.relispartition THEN format('ALTER TABLE %I.%I DETACH PARTITION %I.%I', y.schema_name,"
    " y.relname, x.schema_name, x.relname) ELSE format('ALTER TABLE %I.%I NO INHERIT %I.%I', x.schema_name,"
    " x.relname, y.schema_name, y.relname) END FROM pg_inherits h JOIN rel x ON x.oid = h.inhrelid"
    " JOIN rel y ON y.oid = h.inhparent WHERE x.id <> y.id)"
    " SELECT 'tie-between-tenants', slug, what, 'depends on tenant ' || whom, sql FROM tie, a"
    " WHERE a.tenant IS NULL OR a.tenant IN (id, other) ORDER BY slug, what, whom";

static const char check_sql[] = OURS
    " SELECT 'index-invalid', o.slug, format('index %I.%I', o.schema_name, c.relname), 'of table ' ||"
    " quote_ident(b.relname) || CASE WHEN i.indisready THEN '' ELSE ', and not kept up to date' END,"
    " format('REINDEX INDEX %I.%I', o.schema_name, c.relname) FROM ours o JOIN pg_class c"
    " ON c.relnamespace = o.schema JOIN pg_index i ON i.indexrelid = c.oid JOIN pg_class b ON b.oid = "
    "i.indrelid"
    " WHERE c.relkind = 'i' AND NOT (i.indisvalid AND i.indisready AND i.indislive)"
    " AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = c.oid)"
    " UNION ALL SELECT 'constraint-unchecked', o.slug, format('constraint %I of %I.%I', k.conname,"
    " o.schema_name, c.relname), 'NOT VALID', format('ALTER TABLE %I.%I VALIDATE CONSTRAINT %I',"
    " o.schema_name, c.relname, k.conname) FROM ours o JOIN pg_class c ON c.relnamespace = o.schema"
    " JOIN pg_constraint k ON k.conrelid = c.oid WHERE k.contype IN ('c', 'f') AND NOT k.convalidated"
    " AND k.conparentid = 0"
    " UNION ALL SELECT 'definer-function', o.slug, what, 'SECURITY DEFINER without a search_path of its own',"
    " format('ALTER %s SET search_path TO %I, pg_temp', what, o.schema_name) FROM ours o JOIN LATERAL"
    " (SELECT format('ROUTINE %I.%I(%s)', o.schema_name, p.proname,"
    " pg_get_function_identity_arguments(p.oid)) AS what FROM pg_proc p WHERE p.pronamespace = o.schema"
    " AND p.prosecdef AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s ~ '^search_path=')"
    " AND NOT " OF_EXTENSION("pg_proc", "p.oid") ") f ON true";

static const char row_security_sql[] = OURS
    ", guarded AS (SELECT o.slug, o.schema_name, c.relname, c.relrowsecurity, c.relforcerowsecurity,"
    " (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies FROM ours o JOIN pg_class c"
    " ON c.relnamespace = o.schema AND c.relkind IN ('r', 'p'))"
    " SELECT 'row-security-off', slug, format('table %I.%I', schema_name, relname), policies || ' policies',"
    " format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', schema_name, relname) FROM guarded"
    " WHERE policies > 0 AND NOT relrowsecurity"
    " UNION ALL SELECT 'row-security-not-forced', slug, format('table %I.%I', schema_name, relname),"
    " policies || ' policies', format('ALTER TABLE %I.%I FORCE ROW LEVEL SECURITY', schema_name, relname)"
    " FROM guarded WHERE relrowsecurity AND NOT relforcerowsecurity"
    " UNION ALL SELECT 'row-security-bypassed', min(slug), 'role ' || quote_ident(r.rolname), CASE WHEN"
    " r.rolsuper THEN 'SUPERUSER' ELSE 'BYPASSRLS' END || ', and ' || count(*) || ' tables have row "
    "security',"
    " CASE WHEN NOT r.rolsuper THEN format('ALTER ROLE %I NOBYPASSRLS', r.rolname) END FROM guarded, "
    "pg_roles r"
    " WHERE r.rolname = current_user AND (r.rolsuper OR r.rolbypassrls) AND relrowsecurity"
    " GROUP BY r.rolname, r.rolsuper";

const tndb_question tndb_questions_object[] = {
    {"the tenants' extensions", true, true, false, extension_sql},
    {"owners in the tenants' schemas", true, true, false, owner_sql},
    {"ties between tenants", true, true, false, tie_sql},
    {"indexes, constraints and functions", true, true, false, check_sql},
    {"row security", true, true, false, row_security_sql},
};
const size_t tndb_n_questions_object = TNDB_QUESTION_COUNT(tndb_questions_object);
