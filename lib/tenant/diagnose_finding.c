/* SPDX-License-Identifier: PostgreSQL */
/* The closed list of findings. A code, once released, means the same for ever. */
#include "tenant/diagnose_finding.h"

#include <string.h>

#include "base/memory.h"

const tndb_finding_kind tndb_finding_kinds[] = {
    /* connecting */
    {"host-not-found", "error", "the name of the server's host is not known here, so nobody gets through",
     "correct the host in database.url, or the name service"},
    {"server-unreachable", "error", "nobody answers where database.url says the server is",
     "start the server, or correct host and port in database.url; listen_addresses and firewalls stand "
     "between"},
    {"server-not-ready", "error", "the server is starting, stopping, or has no connection left for this user",
     "try again; when it lasts, look at the server's log and at max_connections"},
    {"login-refused", "error", "the server does not take this user, or not with this password or from here",
     "correct user and password in database.url, or what pg_hba.conf says of them"},
    {"database-missing", "error", "the server has no database of that name",
     "create it, from another database, or correct the name in database.url"},
    {"connect-not-granted", "error", "the user may not connect to the database",
     "grant it, as the database's owner"},
    {"server-too-old", "error", "the library needs PostgreSQL 13 or newer", "upgrade the server"},
    {"server-read-only", "warning",
     "nothing can be changed on a standby, or while transactions are read only",
     "connect to the primary: target_session_attrs=read-write in database.url finds it"},
    {"cannot-open", "error", "the database cannot be opened", "see what was found"},
    {"isolation-too-low", "error",
     "the level that the configuration asks for cannot be had, so opening is refused",
     "run the SQL as a superuser, or lower isolation.level and isolation.minimum"},
    /* the library's own */
    {"catalog-missing", "error", "without its catalog the library knows no tenants",
     "call tenantdb_bootstrap()"},
    {"catalog-older", "error", "the catalog lacks what this library writes", "call tenantdb_bootstrap()"},
    {"catalog-newer", "error", "a newer library made this catalog, and this one would misunderstand it",
     "use the newer library everywhere"},
    {"catalog-unreadable", "error", "who may not read the catalog can open neither database nor session",
     "grant it, as the catalog's owner"},
    {"catalog-read-only", "notice", "the connected user can open sessions, but not create or change tenants",
     "grant it where that is wanted"},
    {"catalog-exposed", "error", "who is no administrator can read or change whose tenants there are",
     "revoke it"},
    {"create-missing", "error",
     "bootstrap and tenants need new schemas, and the connected user may make none",
     "grant it, as the database's owner"},
    {"cannot-create", "notice", "the connected user may make no schemas, and so no tenants",
     "grant it where this user is to create tenants"},
    {"shared-schema-missing", "error", "the shared tables have no place; unqualified names go elsewhere",
     "create it and call tenantdb_bootstrap(), or correct database.schema"},
    {"extensions-schema-missing", "error",
     "it stands in every search path, where PostgreSQL passes over it without a word",
     "create it, or correct extensions.schema"},
    {"group-missing", "error", "tenants get at shared tables by belonging to this role, which is not there",
     "call tenantdb_bootstrap(), then tenantdb_reconcile()"},
    {"scratch-left", "notice", "a schema for trying things out was left behind; nobody uses it", "drop it"},
    {"schema-unclaimed", "warning", "a schema bears the mark of a tenant that does not live",
     "look at what is in it; the SQL drops it only when it is empty"},
    {"operation-expired", "warning", "what was begun was interrupted, and its tenant waits for it",
     "call tenantdb_reconcile()"},
    {"view-stale", "warning", "a view over tenants does not show what it should",
     "call tenantdb_view_refresh(), or tenantdb_reconcile()"},
    {"migration-failed", "error",
     "the tenant's schema is older than it was to be, and newer sessions refuse him",
     "see to what it says, then call tenantdb_migrate()"},
    {"migration-unfinished", "warning", "somebody stopped between its statements, and nobody goes on",
     "call tenantdb_migrate()"},
    {"tenant-behind", "notice", "the tenant's schema is older than that of others",
     "call tenantdb_migrate()"},
    /* schemas and tables */
    {"tenant-schema-missing", "error",
     "the tenant's data is not where it belongs, and his sessions are refused",
     "restore it from a backup; the SQL makes an empty one"},
    {"table-missing", "error", "a declared table is not there, so every statement about it fails",
     "create it, or restore it from a backup"},
    {"table-elsewhere", "error", "a declared table is not where it belongs but in another schema",
     "move it, or shared ones all together by tenantdb_relocate(); where it cannot be told whose it is, look "
     "at its rows first"},
    {"table-astray", "warning",
     "a table of that name belongs into tenants' schemas: rows went, or will go, to where nobody looks for "
     "them",
     "see whose rows it has; the SQL puts it aside, with its rows"},
    {"extension-in-tenant", "warning",
     "dropping or moving the tenant takes the extension from everybody, and others do not find it",
     "move it, or create it again in another schema"},
    {"owner-differs", "warning",
     "the owner of an object can change, drop and grant it whatever else is granted",
     "give it to the schema's owner"},
    {"tie-between-tenants", "error",
     "two tenants depend on each other: neither can be moved, restored or removed", "cut the tie"},
    {"index-invalid", "warning", "the index costs every write and serves no query, and guards no uniqueness",
     "build it again"},
    {"constraint-unchecked", "notice", "rows from before the constraint may break it", "have it checked"},
    {"definer-function", "warning",
     "it runs with its owner's rights on a search path of the caller's choosing", "pin its search path"},
    /* access */
    {"schema-permission", "error", "\"permission denied for schema\": the tenant's sessions are refused",
     "grant it"},
    {"table-permission", "error", "\"permission denied for table\" in the tenant's sessions", "grant it"},
    {"shared-permission", "error", "tenants may not use a shared table as the registry says", "grant it"},
    {"shared-permission-extra", "warning",
     "all tenants may do more with a shared table than the registry says", "revoke it"},
    {"role-missing", "error", "the tenant's sessions run as a role that is not there",
     "call tenantdb_reconcile()"},
    {"role-not-member", "error", "the tenant does not get at the shared tables", "grant the membership"},
    {"role-member-extra", "error", "the tenant's role has whatever the other role has",
     "revoke the membership"},
    {"role-can-log-in", "warning", "somebody can connect as the tenant's role, around the library",
     "take it away"},
    {"role-cannot-log-in", "error", "at level login the tenant's connections are refused",
     "call tenantdb_reconcile(), which also sees to the password"},
    {"role-too-strong", "error", "with these attributes a role is not held by what was granted to it",
     "take them away"},
    {"tenant-not-shut", "error", "a tenant that is suspended or archived can still be used", "revoke it"},
    {"user-not-member", "error",
     "the connected user may not take on the tenant's role, so his sessions are refused",
     "grant it, as who created the role"},
    {"foreign-privilege", "error", "one tenant has rights in another's schema", "revoke it"},
    {"public-privilege", "error", "everybody, every other tenant too, has rights in a tenant's schema",
     "revoke it"},
    {"other-privilege", "notice", "somebody who is neither tenant nor owner has rights in a tenant's schema",
     "revoke it unless it is meant"},
    {"default-privileges", "warning", "what is created from now on is given to whom it does not concern",
     "revoke it"},
    {"public-schema-create", "warning",
     "everybody can put objects there that others' statements find in place of the real ones", "revoke it"},
    {"public-schema-usage", "notice", "everybody, tenants too, gets at what is granted in schema public",
     "revoke it unless it is meant"},
    {"public-database-create", "error", "everybody, tenants too, can create schemas", "revoke it"},
    {"public-database", "notice", "everybody has it in a fresh database; tenants' roles need none of it",
     "revoke it unless others need it; tenantdb_harden() sees to TEMPORARY"},
    {"reports-exposed", "error",
     "views over tenants show rows of all of them, and others than the reader have rights", "revoke it"},
    {"row-security-off", "error", "the table has policies and they are not in force: every row shows",
     "enable it"},
    {"row-security-not-forced", "warning", "the policies do not hold for the table's owner", "force it"},
    {"row-security-bypassed", "warning", "policies do not hold for the connected user",
     "open the database as a user without SUPERUSER and BYPASSRLS"},
    {"connected-superuser", "notice",
     "no check of the server holds for the connected user outside tenants' sessions",
     "open the database as a user of its own with CREATEROLE and CREATE on the database"},
    /* settings */
    {"search-path-set", "warning",
     "outside sessions, in psql or another program, unqualified names mean something else than one thinks",
     "take the setting back"},
    {"login-path", "warning", "the login's own search path is not its tenant's", "set it"},
    {"setting-harmful", "warning", "every connection of this user or database begins with it",
     "take it back"},
    {"setting-timeout", "notice", "the server ends long statements or transactions of sessions on its own",
     "take it back unless it is meant"},
    {"idle-transaction-unlimited", "notice",
     "a client that hangs in a transaction keeps its locks and stops vacuum for ever", "set a limit"},
    {"activity-untracked", "warning", "nobody can see which statements run and which sessions hang",
     "switch it on"},
    {"locks-too-few", "warning", "a transaction over all tables of a tenant, or a dump, runs out of locks",
     "raise it; the server has to be restarted"},
    {"connections-too-few", "warning", "the pool may open more connections than the server lets it have",
     "raise the limit, or lower pool.size and pool.overflow"},
    {"idle-in-transaction", "warning",
     "a session hangs in a transaction: it keeps locks, and vacuum cleans up nothing",
     "see what it waits for; the SQL ends it"},
    {"prepared-transaction", "warning", "it keeps locks until somebody ends it, across restarts too",
     "commit it or roll it back; the SQL does the latter"},
    {"server-release", "warning", "newer minor releases close known holes",
     "install the newest minor release"},
    {"server-end-of-life", "warning", "this version gets no more corrections", "upgrade to a newer version"},
    {"isolation-below", "notice", "a higher isolation level could be had", "see what was found"},
    {"isolation-refuted", "error",
     "a pooler mixes transactions up: one tenant's statements may run as another's",
     "put nothing, or a pooler that keeps transactions apart, between"},
    {"pooler-unproved", "notice",
     "something stands between, and whether it keeps transactions apart is only assumed",
     "call tenantdb_selftest() when the database is opened"},
    {"pooler-contradicts", "warning",
     "option database.pooler says that nothing stands between, and something does",
     "set database.pooler to auto"},
    {"cannot-look", "notice", "something could not be looked at, so nothing is said about it",
     "give the connected user the right, or ask as another user"},
};

const size_t tndb_n_finding_kinds = sizeof tndb_finding_kinds / sizeof tndb_finding_kinds[0];

const tndb_finding_kind *tndb_finding_kind_of(const char *code) {
  for (size_t i = 0; i < tndb_n_finding_kinds; i++) {
    if (strcmp(tndb_finding_kinds[i].code, code) == 0) {
      return &tndb_finding_kinds[i];
    }
  }
  return NULL;
}

/* ---------------------------------------------------------------- findings */

void tndb_findings_add(tndb_findings *findings, const tndb_finding *finding) {
  const tndb_finding_kind *kind = tndb_finding_kind_of(finding->code);
  if (!kind || findings->failed) {
    findings->failed = true;
    return;
  }
  if (findings->count == findings->room) {
    size_t room = findings->room ? 2 * findings->room : 16;
    tndb_kept_finding *grown = tndb_realloc(findings->items, room * sizeof *grown);
    if (!grown) {
      findings->failed = true;
      return;
    }
    findings->items = grown;
    findings->room = room;
  }
  tndb_kept_finding *kept = &findings->items[findings->count++];
  const char *const texts[] = {finding->tenant, finding->object, finding->found,
                               finding->remedy ? finding->remedy : kind->remedy, finding->sql};
  *kept = (tndb_kept_finding){.kind = kind};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    kept->cell[i] = texts[i] ? tndb_strdup(texts[i]) : NULL;
    findings->failed = findings->failed || (texts[i] && !kept->cell[i]);
  }
}

tenantdb_status tndb_findings_finish(const tndb_findings *findings, tenantdb_result **result,
                                     tenantdb_error **error) {
  static const char *const columns[] = {"level", "code", "tenant", "object", "found", "why", "remedy", "sql"};
  static const char *const levels[] = {"error", "warning", "notice"};
  *result = NULL;
  if (findings->failed) {
    return tndb_no_memory(error);
  }
  tndb_table *table = tndb_table_new(columns, sizeof columns / sizeof columns[0]);
  for (size_t level = 0; level < sizeof levels / sizeof levels[0]; level++) {
    for (size_t i = 0; i < findings->count; i++) {
      const tndb_kept_finding *f = &findings->items[i];
      const char *cells[] = {f->kind->level, f->kind->code, f->cell[0], f->cell[1],
                             f->cell[2],     f->kind->why,  f->cell[3], f->cell[4]};
      if (strcmp(f->kind->level, levels[level]) == 0) {
        tndb_table_row(table, cells);
      }
    }
  }
  return tndb_table_finish(table, result, error);
}

void tndb_findings_free(tndb_findings *findings) {
  for (size_t i = 0; i < findings->count; i++) {
    for (size_t k = 0; k < sizeof findings->items[i].cell / sizeof findings->items[i].cell[0]; k++) {
      tndb_free(findings->items[i].cell[k]);
    }
  }
  tndb_free(findings->items);
  *findings = (tndb_findings){0};
}
