/* SPDX-License-Identifier: PostgreSQL */
/* Two releases of an application, and the migrations that lead from one to the other. */
#ifndef TNDB_CHANGE_RELEASES_H
#define TNDB_CHANGE_RELEASES_H

#include "fixture_migrations.h"

/* The older one's tables. */
static const char notes_sql[] =
    "CREATE TABLE notes (id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT notes_pkey PRIMARY KEY, body text"
    " NOT NULL, n integer NOT NULL DEFAULT 0, kind text);\nCREATE INDEX notes_body ON notes (body);\n";

/* What both can use, */
static const char expand_sql[] =
    "-- tenantdb:tx none\n"
    "-- tenantdb:change add_column table=notes column=slug type=text backfill=lower(body) not_null=yes "
    "batch=100\n"
    "-- tenantdb:change rename_column table=notes column=body to=content not_null=yes indexes=\"notes_body "
    "(body)\"\n"
    "-- tenantdb:change change_type table=notes column=n type=bigint using=n not_null=yes\n"
    "-- tenantdb:change retire_column table=notes column=kind\n"
    "-- tenantdb:change rename_table table=notes to=entries\n";

/* and the newer one's. */
static const char finish_sql[] =
    "-- tenantdb:tx none\n"
    "-- tenantdb:change finish_rename_table table=notes to=entries\n"
    "-- tenantdb:change finish_add_column table=entries column=slug\n"
    "-- tenantdb:change finish_rename_column table=entries column=body to=content "
    "indexes=\"notes_body (body)\"\n"
    "-- tenantdb:change finish_change_type table=entries column=n\n"
    "-- tenantdb:change drop_column table=entries column=kind\n";

static inline tenantdb_migrations *migrations(int count) {
  tenantdb_migrations *set = tenantdb_migrations_new();
  tenantdb_migration_add(set, "tenant", 1, "notes", notes_sql);
  if (count >= 2) {
    tenantdb_migration_add(set, "tenant", 2, "expand", expand_sql);
  }
  if (count >= 3) {
    tenantdb_migration_add(set, "tenant", 3, "finish", finish_sql);
  }
  return set;
}

#endif
