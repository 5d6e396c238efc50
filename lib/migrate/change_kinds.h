/* SPDX-License-Identifier: PostgreSQL */
/* Who makes the steps of which kind of change. */
#ifndef TNDB_MIGRATE_CHANGE_KINDS_H
#define TNDB_MIGRATE_CHANGE_KINDS_H

#include "migrate/change_plan.h"

/* All kinds; behind the last one a NULL name. */
extern const tndb_change_kind tndb_change_kinds[];

/* change_column.c: columns and what is said of one. */
tenantdb_status tndb_change_add_column(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_finish_fill(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_set_not_null(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_set_default(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_drop_default(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_retire_column(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_drop_column(tndb_change_plan *plan, tenantdb_error **error);

/* change_twin.c: a second column beside the first. */
tenantdb_status tndb_change_change_type(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_finish_change_type(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_rename_column(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_finish_rename_column(tndb_change_plan *plan, tenantdb_error **error);

/* change_table.c: a table's name. */
tenantdb_status tndb_change_rename_table(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_finish_rename_table(tndb_change_plan *plan, tenantdb_error **error);

/* change_constraint.c: indexes and constraints. */
tenantdb_status tndb_change_add_index(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_drop_index(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_add_unique(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_add_check(tndb_change_plan *plan, tenantdb_error **error);
tenantdb_status tndb_change_add_foreign_key(tndb_change_plan *plan, tenantdb_error **error);

#endif
