/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/drift_sample.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

/* How many schemas are read in full by one query. */
#define BATCH 20

/* Tenants that have drifted, those that are alike beside each other. */
typedef struct drifted {
  const char *print;
  const tndb_registry_form *wanted;
  size_t tenant;
} drifted;

static int compare(const void *left, const void *right) {
  const drifted *a = left, *b = right;
  int order = strcmp(a->print, b->print);
  order = order ? order : strcmp(a->wanted->fingerprint, b->wanted->fingerprint);
  return order ? order : (a->tenant > b->tenant) - (a->tenant < b->tenant);
}

static bool alike(const drifted *a, const drifted *b) {
  return a->wanted == b->wanted && strcmp(a->print, b->print) == 0;
}

/* How many from `first` on are like it. */
static size_t run_of(const drifted *all, size_t count, size_t first) {
  size_t end = first + 1;
  while (end < count && alike(&all[first], &all[end])) {
    end++;
  }
  return end - first;
}

/* What is done with each kind. */
typedef struct visitor {
  tndb_drift_visit *visit;
  void *user;
  size_t *tenants; /* room for all */
} visitor;

static tenantdb_status visit_one(const visitor *v, const drifted *all, size_t count, tndb_form found,
                                 tenantdb_error **error) {
  tndb_drift_sample sample = {.wanted = all[0].wanted, .found = found, .tenants = v->tenants, .count = count};
  for (size_t i = 0; i < count; i++) {
    v->tenants[i] = all[i].tenant;
  }
  tenantdb_status status =
      tndb_differences_find(&sample.wanted->form, &sample.found, &sample.differences, error);
  if (!status) {
    status = v->visit(v->user, &sample, error);
  }
  tndb_differences_free(&sample.differences);
  return status;
}

/* Up to BATCH kinds from `*at` on: read the first of each, visit all. */
static tenantdb_status visit_batch(tenantdb *db, const tndb_drift_fleet *fleet, const drifted *all,
                                   size_t count, size_t *at, const visitor *v, tenantdb_error **error) {
  size_t firsts[BATCH], begins[BATCH], lengths[BATCH], n = 0;
  PGresult *rows;
  for (; n < BATCH && *at < count; n++) {
    begins[n] = *at;
    firsts[n] = all[*at].tenant;
    lengths[n] = run_of(all, count, *at);
    *at += lengths[n];
  }
  tenantdb_status status = tndb_drift_fleet_ask(db, fleet, firsts, n, tndb_form_rows, &rows, error);
  for (size_t i = 0; i < n && !status; i++) {
    tndb_form found = tndb_form_of(rows, (int64_t)i + 1);
    if (found.count > 0) { /* else it was dropped just now */
      status = visit_one(v, all + begins[i], lengths[i], found, error);
    }
  }
  PQclear(rows);
  return status;
}

tenantdb_status tndb_drift_samples_visit(tenantdb *db, const tndb_drift_fleet *fleet, tndb_drift_visit *visit,
                                         void *user, tenantdb_error **error) {
  size_t n = fleet->list.count, count = 0;
  tndb_auto_free drifted *all = tndb_alloc_array(n, sizeof *all);
  tndb_auto_free size_t *tenants = tndb_alloc_array(n, sizeof *tenants);
  tenantdb_status status = TENANTDB_OK;
  if (!all || !tenants) {
    return tndb_no_memory(error);
  }
  for (size_t i = 0; i < n; i++) {
    if (fleet->prints[i][0] && !tndb_drift_fleet_is_equal(fleet, db, i)) {
      all[count++] = (drifted){fleet->prints[i], tndb_drift_fleet_form(fleet, db, i), i};
    }
  }
  if (count > 1) {
    qsort(all, count, sizeof *all, compare);
  }
  visitor v = {visit, user, tenants};
  for (size_t at = 0; at < count && !status;) {
    status = visit_batch(db, fleet, all, count, &at, &v, error);
  }
  return status;
}
