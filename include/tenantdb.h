/* SPDX-License-Identifier: PostgreSQL */
/*
 * libtenantdb: multi-tenancy over PostgreSQL.
 *
 * The umbrella: it includes every public header and declares nothing itself.
 * (tenantdb/libpq.h, which names libpq types, is opt-in and not included.)
 */
#ifndef TENANTDB_H
#define TENANTDB_H

#include <tenantdb/api.h>
#include <tenantdb/archive.h>
#include <tenantdb/builder.h>
#include <tenantdb/change.h>
#include <tenantdb/config.h>
#include <tenantdb/database.h>
#include <tenantdb/diagnose.h>
#include <tenantdb/document.h>
#include <tenantdb/error.h>
#include <tenantdb/fleet.h>
#include <tenantdb/ledger.h>
#include <tenantdb/migration.h>
#include <tenantdb/move.h>
#include <tenantdb/operate.h>
#include <tenantdb/params.h>
#include <tenantdb/plan.h>
#include <tenantdb/reason.h>
#include <tenantdb/registry.h>
#include <tenantdb/relocate.h>
#include <tenantdb/result.h>
#include <tenantdb/run.h>
#include <tenantdb/schema.h>
#include <tenantdb/session.h>
#include <tenantdb/statement.h>
#include <tenantdb/tenant.h>
#include <tenantdb/version.h>
#include <tenantdb/view.h>

#endif
