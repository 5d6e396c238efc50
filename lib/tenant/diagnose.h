/* SPDX-License-Identifier: PostgreSQL */
/* A diagnosis under way. */
#ifndef TNDB_TENANT_DIAGNOSE_H
#define TNDB_TENANT_DIAGNOSE_H

#include "base/random.h"
#include "catalog/database.h"
#include "catalog/text_array.h"
#include "tenant/diagnose_finding.h"
#include "tenant/diagnose_question.h"

typedef struct tndb_diagnosis {
  tenantdb *db;
  tndb_conn *conn;
  tndb_deadline deadline;
  const char *tenant; /* as the caller named it; NULL: all */
  char id[TNDB_UUID_TEXT];
  tndb_catalog_row row;
  bool ready; /* the catalog is there, and can be read by this library */
  tndb_findings findings;
} tndb_diagnosis;

/* Ask the questions that can be asked. A question that fails is a finding; only a lost connection is a failure. */
tenantdb_status tndb_diagnose_ask(tndb_diagnosis *d, tenantdb_error **error);
/* What is known without asking: the release, the isolation level, what stands between. */
tenantdb_status tndb_diagnose_known(tndb_diagnosis *d, tenantdb_error **error);
/* The statements that create what the registry declares under that name, in a transaction of their own. */
tenantdb_status tndb_diagnose_ddl(const tndb_diagnosis *d, const PGresult *answer, int row, tndb_buffer *sql,
                                  tenantdb_error **error);
/* All of it, into d->findings; `db` and `tenant` are set. */
tenantdb_status tndb_diagnose(tndb_diagnosis *d, tenantdb_error **error);

#endif
