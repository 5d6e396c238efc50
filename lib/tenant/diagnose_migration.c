/* SPDX-License-Identifier: PostgreSQL */
/* Migrations that did not come to their end, and tenants that they have not come to. */
#include "tenant/diagnose_question.h"

#define NAME "'migration ' || CASE g.name WHEN '' THEN g.version::text ELSE g.name END"

static const char failed_sql[] =
    "SELECT 'migration-failed', m.slug, " NAME
    ", coalesce(g.error, 'it does not say why'), NULL"
    " FROM {c}migrations g JOIN m ON m.id = g.tenant_id WHERE g.state = 'failed' ORDER BY m.slug, g.version";

static const char unfinished_sql[] =
    "SELECT 'migration-unfinished', m.slug, " NAME
    ", format('it stopped behind %s of %s statements',"
    " g.steps_done, abs(g.steps)), NULL FROM {c}migrations g JOIN m ON m.id = g.tenant_id"
    " WHERE g.state = 'running' AND g.lease_until < now() ORDER BY m.slug, g.version";

static const char behind_sql[] =
    "SELECT 'tenant-behind', m.slug, 'version ' || n.version, 'others are of version ' || newest.version, "
    "NULL"
    " FROM (SELECT max(version) AS version FROM {c}tenants WHERE state = 'active') newest CROSS JOIN m"
    " JOIN {c}tenants n ON n.id = m.id WHERE n.version < newest.version ORDER BY m.slug";

const tndb_question tndb_questions_migration[] = {
    {"migrations that failed", true, true, false, failed_sql},
    {"migrations that stopped", true, true, false, unfinished_sql},
    {"the tenants' versions", true, true, false, behind_sql},
};
const size_t tndb_n_questions_migration = TNDB_QUESTION_COUNT(tndb_questions_migration);
