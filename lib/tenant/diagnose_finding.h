/* SPDX-License-Identifier: PostgreSQL */
/* The closed list of what a diagnosis can find. */
#ifndef TNDB_TENANT_DIAGNOSE_FINDING_H
#define TNDB_TENANT_DIAGNOSE_FINDING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/result.h"

typedef struct tndb_finding_kind {
  const char *code; /* means the same for ever */
  const char *level;
  const char *why;    /* it matters */
  const char *remedy; /* what to do, in words */
} tndb_finding_kind;

/* All of them; doc/guide/diagnosis.md describes the same. */
extern const tndb_finding_kind tndb_finding_kinds[];
extern const size_t tndb_n_finding_kinds;
/* The row of a code, NULL for what is none. */
const tndb_finding_kind *tndb_finding_kind_of(const char *code);

/* One finding; `tenant`, `found` and `sql` may be NULL, and `remedy` to say what the list says. */
typedef struct tndb_finding {
  const char *code;
  const char *tenant; /* slug */
  const char *object;
  const char *found;
  const char *remedy;
  const char *sql;
} tndb_finding;

/* One that was kept: tenant, object, found, remedy, sql. */
typedef struct tndb_kept_finding {
  const tndb_finding_kind *kind;
  char *cell[5];
} tndb_kept_finding;

/* Findings as they come; adding is sticky, finishing tells, and puts the worst first. */
typedef struct tndb_findings {
  tndb_kept_finding *items;
  size_t count;
  size_t room;
  bool failed;
} tndb_findings;

void tndb_findings_add(tndb_findings *findings, const tndb_finding *finding);
tenantdb_status tndb_findings_finish(const tndb_findings *findings, tenantdb_result **result,
                                     tenantdb_error **error);
void tndb_findings_free(tndb_findings *findings);

#endif
