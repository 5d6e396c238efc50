/* SPDX-License-Identifier: PostgreSQL */
#include "catalog/newborn.h"

const tndb_newborn *tndb_newborn_of(tenantdb *db) {
  tndb_mutex_lock(&db->mutex);
  const tndb_newborn *newborn = db->newborn;
  tndb_mutex_unlock(&db->mutex);
  return newborn;
}

bool tndb_newborn_use(tenantdb *db, tndb_newborn *newborn, const tndb_newborn *old) {
  tndb_mutex_lock(&db->mutex);
  bool is_old = db->newborn == old;
  if (is_old) {
    newborn->previous = db->newborn;
    db->newborn = newborn;
  }
  tndb_mutex_unlock(&db->mutex);
  return is_old;
}

void tndb_newborn_release_all(tenantdb *db) {
  while (db->newborn) {
    tndb_newborn *newborn = db->newborn;
    db->newborn = newborn->previous;
    newborn->functions->release(newborn);
  }
}

tndb_birth tndb_birth_begin(tenantdb *db) {
  tndb_birth birth = {.newborn = tndb_newborn_of(db)};
  birth.version = birth.newborn ? birth.newborn->version : db->registry->version;
  birth.replays = birth.newborn && birth.newborn->replays;
  return birth;
}

tenantdb_status tndb_birth_at(tndb_birth *birth, int64_t version, const char *what, tenantdb_error **error) {
  const tndb_newborn *newborn = birth->newborn;
  if (!newborn || version == 0 || version == birth->version) {
    return TENANTDB_OK;
  }
  if (version > newborn->version) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_HISTORY_MISSING,
                       "%s is of version %lld, and the newest migration in use is %lld: use the set of "
                       "migrations that has version %lld",
                       what, (long long)version, (long long)newborn->version, (long long)version);
  }
  if (!newborn->functions->knows(newborn, version)) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_HISTORY_MISSING,
                       "%s is of version %lld, which no migration in use leads to; new tenants are of "
                       "version %lld: migrate it before, or use the set of migrations that has version %lld",
                       what, (long long)version, (long long)newborn->version, (long long)version);
  }
  birth->version = version;
  birth->replays = true;
  return TENANTDB_OK;
}

void tndb_birth_queue(const tndb_birth *birth, tndb_work *work, const char *id) {
  if (birth->newborn) {
    birth->newborn->functions->queue(birth, work, id);
  }
}

bool tndb_birth_is_registered(const tndb_birth *birth) {
  return !birth->newborn || birth->version == birth->newborn->version;
}
