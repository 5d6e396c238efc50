/* SPDX-License-Identifier: PostgreSQL */
/* Settings, limits, sessions, and what was left unfinished. */
#include "tenant/diagnose_question.h"

/* `role` is 0 for everybody, `database` for all databases. */
static const char settings_sql[] =
    ", setting AS (SELECT r.rolname, s.setdatabase, split_part(v, '=', 1) AS name, substr(v, strpos(v, '=') "
    "+ 1)"
    " AS value, CASE WHEN s.setrole = 0 AND s.setdatabase = 0 THEN 'ALTER ROLE ALL' WHEN s.setrole = 0 THEN"
    " format('ALTER DATABASE %I', d.datname) WHEN s.setdatabase = 0 THEN format('ALTER ROLE %I', r.rolname)"
    " ELSE format('ALTER ROLE %I IN DATABASE %I', r.rolname, d.datname) END AS change FROM a,"
    " pg_db_role_setting s CROSS JOIN unnest(s.setconfig) v LEFT JOIN pg_roles r ON r.oid = s.setrole"
    " LEFT JOIN pg_database d ON d.oid = s.setdatabase WHERE (s.setdatabase = 0 OR d.datname ="
    " current_database()) AND (s.setrole = 0 OR r.rolname IN (current_user, a.grp))),"
    " place AS (SELECT *, substr(change, 7) AS object, array_remove(string_to_array(translate(value, '\" ', "
    "''),"
    " ','), '$user') AS path FROM setting)"
    " SELECT CASE WHEN name = 'search_path' THEN 'search-path-set' WHEN name ~ 'timeout$' THEN"
    " 'setting-timeout' ELSE 'setting-harmful' END, NULL, CASE WHEN change = 'ALTER ROLE ALL' THEN"
    " 'all roles' WHEN setdatabase = 0 OR rolname IS NOT NULL THEN 'role ' || quote_ident(rolname) ELSE"
    " 'database ' || quote_ident(current_database()) END, name || ' is ' || value,"
    " format(CASE WHEN name ~ 'read_only$' THEN 'BEGIN READ WRITE; %s RESET %I; COMMIT' ELSE '%s RESET %I' "
    "END,"
    " change, name) FROM place, a WHERE name = 'search_path' AND NOT (path[1] = "
    "a.shared"
    " AND path <@ ARRAY[a.shared, a.extensions, 'public', 'pg_temp', 'pg_catalog'])"
    " OR name IN ('statement_timeout', 'transaction_timeout', 'lock_timeout') AND value !~ '^0'"
    " OR name IN ('default_transaction_read_only', 'transaction_read_only') AND value IN ('on', 'true', '1')"
    " OR name = 'row_security' AND value IN ('off', 'false', '0') OR name = 'role' AND value <> 'none'"
    " OR name = 'session_replication_role' AND value <> 'origin'";

static const char limits_sql[] =
    ", room AS (SELECT current_setting('max_connections')::bigint AS most, current_setting("
    "'max_locks_per_transaction')::bigint AS locks, (current_setting('max_connections')::bigint +"
    " current_setting('max_prepared_transactions')::bigint) AS holders, current_setting("
    "'superuser_reserved_connections')::bigint + coalesce(current_setting('reserved_connections', true),"
    " '0')::bigint AS reserved, (SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'm', 'S', 'v'))"
    " AS relations, 9 * cardinality(a.tables) AS wanted, a.connections FROM a)"
    " SELECT 'connections-too-few', NULL, 'max_connections', format('%s, of which %s are kept for superusers;"
    " the pool may open %s', most, reserved, connections), format('ALTER SYSTEM SET max_connections = %s',"
    " connections + reserved + 10) FROM room WHERE most - reserved < connections"
    " UNION ALL SELECT 'connections-too-few', NULL, 'database ' || quote_ident(datname), format("
    "'CONNECTION LIMIT %s; the pool may open %s', datconnlimit, connections), format('ALTER DATABASE %I"
    " CONNECTION LIMIT %s', datname, connections) FROM room, pg_database WHERE datname = current_database()"
    " AND datconnlimit >= 0 AND datconnlimit < connections"
    " UNION ALL SELECT 'connections-too-few', NULL, 'role ' || quote_ident(rolname), format("
    "'CONNECTION LIMIT %s; the pool may open %s', rolconnlimit, connections), format('ALTER ROLE %I"
    " CONNECTION LIMIT %s', rolname, connections) FROM room, pg_roles WHERE rolname = current_user"
    " AND rolconnlimit >= 0 AND rolconnlimit < connections"
    " UNION ALL SELECT 'locks-too-few', NULL, 'max_locks_per_transaction', format('%s, which makes %s locks;"
    " a tenant takes up to %s, a dump of the database %s', locks, locks * holders, wanted, relations),"
    " format('ALTER SYSTEM SET max_locks_per_transaction = %s', greatest(64, 2 * greatest(wanted, relations)"
    " / holders + 1)) FROM room WHERE locks * holders < greatest(wanted, relations)"
    " UNION ALL SELECT 'idle-transaction-unlimited', NULL, 'database ' || quote_ident(current_database()),"
    " 'idle_in_transaction_session_timeout is 0', format('ALTER DATABASE %I SET"
    " idle_in_transaction_session_timeout = ''5min''', current_database()) WHERE"
    " current_setting('idle_in_transaction_session_timeout') = '0'"
    " UNION ALL SELECT 'activity-untracked', NULL, 'database ' || quote_ident(current_database()),"
    " 'track_activities is off', format('ALTER DATABASE %I SET track_activities = on', current_database())"
    " WHERE current_setting('track_activities') = 'off'"
    " UNION ALL SELECT 'connected-superuser', NULL, 'role ' || quote_ident(rolname), 'SUPERUSER', NULL"
    " FROM pg_roles WHERE rolname = current_user AND rolsuper"
    " UNION ALL SELECT 'server-read-only', NULL, 'server', CASE WHEN pg_is_in_recovery() THEN 'a standby'"
    " ELSE 'default_transaction_read_only is on' END, NULL WHERE pg_is_in_recovery()"
    " OR current_setting('default_transaction_read_only') = 'on'";

static const char sessions_sql[] =
    "SELECT 'idle-in-transaction', NULL, 'process ' || s.pid, format('%s of %s, for %s s', "
    "s.application_name,"
    " s.usename, extract(epoch FROM clock_timestamp() - s.state_change)::bigint),"
    " format('SELECT pg_terminate_backend(%s)', s.pid) FROM a, pg_stat_activity s WHERE"
    " s.datname = current_database() AND s.pid <> pg_backend_pid() AND s.state ~ '^idle in transaction'"
    " AND s.state_change < clock_timestamp() - a.idle_ms * interval '1 ms' AND (s.usename = current_user"
    " OR EXISTS (SELECT FROM pg_auth_members x JOIN pg_roles g ON g.oid = x.roleid WHERE x.member = "
    "s.usesysid"
    " AND g.rolname = a.grp))"
    " UNION ALL SELECT 'prepared-transaction', NULL, 'transaction ' || gid, 'prepared by ' ||"
    " quote_ident(owner) || ' at ' || date_trunc('second', prepared), format('ROLLBACK PREPARED %L', gid)"
    " FROM a, pg_prepared_xacts WHERE database = current_database()"
    " AND prepared < clock_timestamp() - a.idle_ms * interval '1 ms'"
    " UNION ALL SELECT 'cannot-look', NULL, 'other users'' sessions', 'the right is missing to see whether "
    "they"
    " hang in a transaction', format('GRANT pg_read_all_stats TO %I', current_user) WHERE NOT"
    " pg_has_role('pg_read_all_stats', 'USAGE') AND EXISTS (SELECT FROM pg_stat_activity WHERE"
    " datname = current_database() AND state IS NULL)";

static const char operations_sql[] =
    "SELECT 'operation-expired', x.slug, 'operation ' || o.id, o.kind || ', its lease ended at ' ||"
    " date_trunc('second', o.lease_until), NULL FROM a, {c}operations o LEFT JOIN {c}tenants x"
    " ON x.id = o.tenant_id WHERE o.state = 'running' AND o.lease_until < now() - interval '5 min'"
    " AND (a.tenant IS NULL OR o.tenant_id = a.tenant) ORDER BY o.started_at";

static const char views_sql[] =
    "SELECT 'view-stale', NULL, format('view %I.%I', v.schema_name, v.name), CASE WHEN NOT v.complete THEN"
    " 'not complete' WHEN c.oid IS NULL THEN 'there is no such view' ELSE 'some tenants have changed since' "
    "END,"
    " NULL FROM {c}views v LEFT JOIN pg_namespace n ON n.nspname = v.schema_name LEFT JOIN pg_class c"
    " ON c.relnamespace = n.oid AND c.relname = v.name WHERE NOT v.complete OR c.oid IS NULL OR EXISTS"
    " (SELECT FROM {c}view_members m WHERE m.view_id = v.id AND m.done < m.wish) ORDER BY v.name";

const tndb_question tndb_questions_server[] = {
    {"settings of roles and databases", false, false, false, settings_sql},
    {"settings and limits of the server", false, false, false, limits_sql},
    {"sessions", false, false, false, sessions_sql},
    {"unfinished operations", true, true, false, operations_sql},
    {"views over tenants", true, false, false, views_sql},
};
const size_t tndb_n_questions_server = TNDB_QUESTION_COUNT(tndb_questions_server);
