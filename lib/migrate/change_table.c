/* SPDX-License-Identifier: PostgreSQL */
/*
 * A table's new name: at once, and the old one is a view until it is finished. PostgreSQL
 * writes through such a view by itself, its defaults and conflicts included.
 */
#include "migrate/change_kinds.h"

static const char guard_sql[] =
    "DECLARE tab oid := @^table@; why text; BEGIN why := CASE"
    " WHEN NOT EXISTS (SELECT FROM pg_class WHERE oid = tab AND relkind IN ('r', 'p')) THEN 'it is no table'"
    " WHEN EXISTS (SELECT FROM pg_attribute WHERE attrelid = tab AND attacl IS NOT NULL AND NOT attisdropped)"
    " THEN 'a column has privileges of its own, which the view would not have'"
    " WHEN current_setting('server_version_num')::int < 150000 AND (SELECT relrowsecurity FROM pg_class "
    "WHERE "
    "oid = tab) THEN 'it has row security, which a view passes by before PostgreSQL 15' END;"
    " IF why IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = '55000', MESSAGE = format("
    "'tenantdb check: change rename_table of %I: %s', @'table@, why); END IF; END";

/*
 * The view may be used by exactly those who may use the table, however the schema's default
 * privileges are; and where PostgreSQL can, it asks for the privileges of whoever uses it.
 */
static const char rights_sql[] =
    "DECLARE one record; BEGIN IF current_setting('server_version_num')::int >= 150000 THEN"
    " EXECUTE format('ALTER VIEW %I.%I SET (security_invoker = true)', current_schema(), @'table@); END IF;"
    " FOR one IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = @^table@"
    " AND a.grantee <> c.relowner LOOP EXECUTE format('REVOKE ALL ON %I.%I FROM %s', current_schema(),"
    " @'table@, CASE one.grantee WHEN 0 THEN 'PUBLIC' ELSE one.grantee::regrole::text END); END LOOP;"
    " FOR one IN SELECT a.* FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = @^to@"
    " AND a.grantee <> c.relowner LOOP EXECUTE format('GRANT %s ON %I.%I TO %s%s', one.privilege_type,"
    " current_schema(), @'table@, CASE one.grantee WHEN 0 THEN 'PUBLIC' ELSE one.grantee::regrole::text END,"
    " CASE WHEN one.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END); END LOOP; END";

tenantdb_status tndb_change_rename_table(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  tndb_change_let_text(plan, "body", guard_sql);
  tndb_change_begin(plan, "DO @$body@", TNDB_LOCK_NONE, "a view must be able to stand for it");
  tndb_change_join(plan, "ALTER TABLE @.table@ RENAME TO @to@", TNDB_LOCK_BRIEF, "the new name");
  tndb_change_join(plan, "CREATE VIEW @.table@ AS SELECT * FROM @.to@", TNDB_LOCK_NONE,
                   "the old name, for those who still use it");
  tndb_change_let_text(plan, "body", rights_sql);
  tndb_change_join(plan, "DO @$body@", TNDB_LOCK_NONE, "the same privileges as on the table");
  return TENANTDB_OK;
}

tenantdb_status tndb_change_finish_rename_table(tndb_change_plan *plan, tenantdb_error **error) {
  (void)error;
  tndb_change_begin(plan, "DROP VIEW @.table@", TNDB_LOCK_BRIEF, "nobody uses the old name any more");
  return TENANTDB_OK;
}
