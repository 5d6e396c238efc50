/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/refusals.h"

#include <string.h>

#include "base/memory.h"
#include "catalog/tenants.h"
#include "pool/back_off.h"

typedef struct refusal {
  char credential[TNDB_UUID_TEXT]; /* another one may be right */
  tndb_back_off off;
} refusal;

static void free_refusal(refusal *what) {
  if (what) {
    tndb_back_off_free(&what->off);
    tndb_free(what);
  }
}

tenantdb_status tndb_refusal_check(tenantdb *db, const char *role, const char *credential,
                                   tenantdb_error **error) {
  tndb_mutex_lock(&db->mutex);
  const refusal *known = tndb_map_get(&db->refusals, role);
  bool lasts = known && strcmp(known->credential, credential) == 0 &&
               !tndb_back_off_allows(&known->off, tndb_clock_ms());
  tenantdb_status status = lasts ? tndb_back_off_raise(&known->off, error) : TENANTDB_OK;
  tndb_mutex_unlock(&db->mutex);
  return status;
}

/* The entry of a role, made when there is none. The mutex is held. Without memory there is no pause. */
static refusal *entry_of(tenantdb *db, const char *role) {
  refusal *known = tndb_map_get(&db->refusals, role);
  if (!known && (known = tndb_new(refusal)) != NULL) {
    known->off.longest_ms = tndb_config_number(db->config, TNDB_POOL_BACK_OFF);
    if (!tndb_map_put(&db->refusals, role, known)) {
      free_refusal(known);
      known = NULL;
    }
  }
  return known;
}

void tndb_refusal_note(tenantdb *db, const char *role, const char *credential,
                       const tenantdb_error *failure) {
  tndb_mutex_lock(&db->mutex);
  refusal *known = entry_of(db, role);
  if (known) {
    if (strcmp(known->credential, credential) != 0) {
      (void)tndb_back_off_succeeded(&known->off);
    }
    memcpy(known->credential, credential, strlen(credential) + 1);
    (void)tndb_back_off_failed(&known->off, true, failure);
  }
  tndb_mutex_unlock(&db->mutex);
}

void tndb_refusal_forget(tenantdb *db, const char *role) {
  tndb_mutex_lock(&db->mutex);
  refusal *known = tndb_map_remove(&db->refusals, role);
  tndb_mutex_unlock(&db->mutex);
  free_refusal(known);
}

void tndb_refusals_free(tenantdb *db) {
  size_t at = 0;
  const char *role;
  void *known;
  while (tndb_map_next(&db->refusals, &at, &role, &known)) {
    free_refusal(known);
  }
  tndb_map_free(&db->refusals);
}
