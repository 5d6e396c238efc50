/* SPDX-License-Identifier: PostgreSQL */
/*
 * Keeping off a server that cannot be reached: after an attempt that failed
 * nobody tries for a while, the longer the oftener it fails, and then one alone.
 * Who asks meanwhile is told what the last attempt was told.
 */
#ifndef TNDB_POOL_BACK_OFF_H
#define TNDB_POOL_BACK_OFF_H

#include "base/clock.h"
#include "base/error.h"

typedef struct tndb_back_off {
  int64_t longest_ms;
  int64_t pause_ms; /* 0: all is well */
  tndb_deadline until;
  bool probing; /* somebody is trying, after a failure */
  tenantdb_error *failure;
} tndb_back_off;

/* Whether an attempt may be made now. tndb_back_off_begin() then says that it is, and is told whether it is the one alone. */
bool tndb_back_off_allows(const tndb_back_off *off, int64_t now_ms);
bool tndb_back_off_begin(tndb_back_off *off);
/*
 * What became of it. `failed` tells whether it is the first failure, `succeeded`
 * whether it is the end of them. Of many that were under way when the first one
 * failed the others' failures are the same news: the pause grows with probes only.
 */
bool tndb_back_off_failed(tndb_back_off *off, bool probe, const tenantdb_error *failure);
bool tndb_back_off_succeeded(tndb_back_off *off);
/* It ended in a way that says nothing about the server. */
void tndb_back_off_ended(tndb_back_off *off, bool probe);
/* Raise what the last attempt was told. */
tenantdb_status tndb_back_off_raise(const tndb_back_off *off, tenantdb_error **error);
void tndb_back_off_free(tndb_back_off *off);

#endif
