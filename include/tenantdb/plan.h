/* SPDX-License-Identifier: PostgreSQL */
/*
 * Plans: what a script of DDL does to a running database, found out by running
 * it in a transaction that is rolled back.
 */
#ifndef TENANTDB_PLAN_H
#define TENANTDB_PLAN_H

#include <tenantdb/api.h>
#include <tenantdb/database.h>
#include <tenantdb/error.h>
#include <tenantdb/result.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * tenantdb_plan() - which locks a script takes, which tables it rewrites
 * @db:     a database, bootstrapped
 * @tenant: slug or id, NUL-terminated UTF-8: in his schema; NULL: in a scratch schema with the
 *          registry's tables, which is dropped again
 * @script: statements separated by semicolons; unqualified names are the tenant's
 * @steps:  receives a table, one row a statement: step, line, sql, transactional (t or f), locks,
 *          rewrites, entries, budget, problem
 * @error:  as everywhere
 *
 * Every statement is run and the locks of the own connection are read behind it;
 * then everything is rolled back. So the locks are really taken, for as long as
 * the script takes: with a tenant his other sessions wait meanwhile, and without
 * one only the shared tables' do. No lock is waited for longer than 500 ms or
 * option operation.lock_timeout. What a rollback does not undo (numbers drawn
 * from a sequence, what functions do outside of the database) is done.
 *
 * locks lists what the statement takes beyond the ones before it, on objects that
 * were there before the script, as "mode on object" separated by commas; system
 * catalogs are left out. rewrites lists tables and indexes that get a new file.
 * entries is how many places of the server's table of locks are taken after the
 * statement, budget how many the server has room for, shared by all sessions.
 *
 * A statement that cannot run in a transaction (transactional is f) is told from
 * a list, and nothing is run for it. One that fails has the server's message in
 * problem, and those behind it are not tried.
 *
 * Ownership: *steps is yours, tenantdb_result_free().
 * Thread:    any.
 * Status:    MEMORY, ARGUMENT, NOT_FOUND, STATE, CONNECTION, PERMISSION, TIMEOUT, BUSY, UNSUPPORTED, SQL.
 * Since:     0.1
 */
TENANTDB_API tenantdb_status tenantdb_plan(tenantdb *db, const char *tenant, const char *script, tenantdb_result **steps, tenantdb_error **error);

#ifdef __cplusplus
}
#endif

#endif
