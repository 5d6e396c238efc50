/* SPDX-License-Identifier: PostgreSQL */
/*
 * What migrations mean to the rooms before theirs. While a set of them is in use
 * (tenantdb_use_migrations()), whoever brings a schema into being asks here which
 * version it is of and what makes it, and has the ledger's rows written in his own
 * transaction. Room migrate gives the functions; without a set in use there are
 * none, everything is the registry's, and nothing is written.
 *
 * A newborn is never changed, and lives as long as the database: when another
 * set comes into use, whoever has begun with the old one ends with it.
 */
#ifndef TNDB_CATALOG_NEWBORN_H
#define TNDB_CATALOG_NEWBORN_H

#include "catalog/work.h"
#include "registry/registry.h"

typedef struct tndb_newborn tndb_newborn;
typedef struct tndb_birth tndb_birth;

/* What bootstrap does with what the shared bases declare. */
typedef enum tndb_shared_way {
  TNDB_SHARED_CREATE,   /* creates it, and the shared stream begins at its newest version */
  TNDB_SHARED_DECLARED, /* creates it: there are no shared migrations */
  TNDB_SHARED_LEAVE     /* leaves it to migrations */
} tndb_shared_way;

/* Room migrate's part. */
typedef struct tndb_newborn_functions {
  void (*release)(tndb_newborn *newborn);
  /* Queue the ledger's rows of a tenant who is being made. */
  void (*queue)(const tndb_birth *birth, tndb_work *work, const char *id);
  /* The statements that make his schema, for a search path that is that schema. */
  tenantdb_status (*statements)(const tndb_birth *birth, const tenantdb *db, const char *schema,
                                tndb_ddl *ddl, tenantdb_error **error);
  /* Whether there is such a version of tenants' schemas. */
  bool (*knows)(const tndb_newborn *newborn, int64_t version);
  /*
   * Whether what a ledger, perhaps another database's, says of a tenant fits the set: it has all that was
   * applied, as it was applied, and nothing between. `whose` is what a refusal begins with.
   */
  tenantdb_status (*fits)(const tndb_newborn *newborn, tndb_work *ledger, const char *id, const char *whose,
                          tenantdb_error **error);
  /* In bootstrap's transaction, when the catalog is there: what is to be done with the shared bases. */
  tenantdb_status (*shared)(const tndb_newborn *newborn, tndb_work *work, tndb_shared_way *way,
                            tenantdb_error **error);
  /* The same, when they have been created: queue the shared stream's rows. */
  void (*queue_shared)(const tndb_newborn *newborn, tndb_work *work);
} tndb_newborn_functions;

struct tndb_newborn {
  const tndb_newborn_functions *functions;
  int64_t version; /* of tenants' schemas: the newest */
  bool replays;    /* new tenants are made by migrations, not by the registry */
  const char *why; /* they are although the registry declares their tables; NULL: it was asked for */
  /* The ledger's rows of a new tenant, as arrays for a statement; a sum may be empty. */
  const char *row_versions;
  const char *row_names;
  const char *row_sums;
  tndb_newborn *previous; /* what was in use before; the database's */
};

/* How one tenant comes to be. */
struct tndb_birth {
  const tndb_newborn *newborn; /* NULL: no set is in use */
  int64_t version;             /* that he will have */
  bool replays;                /* his schema is made by migrations up to that version */
  const char *from;            /* the id of a tenant whose rows in the ledger he gets, or NULL */
};

/* What is in use now, or NULL. */
const tndb_newborn *tndb_newborn_of(tenantdb *db);
/* For room migrate: from now on it is this. Takes it, unless what is in use is not `old` any more: then false. */
bool tndb_newborn_use(tenantdb *db, tndb_newborn *newborn, const tndb_newborn *old);
/* For who closes the database. */
void tndb_newborn_release_all(tenantdb *db);

/* A birth as it is when nothing is said: at the newest version. */
tndb_birth tndb_birth_begin(tenantdb *db);
/*
 * His rows are of that version (0: not known, so of the newest): so his schema has to be, too. Refuses
 * a version that the set in use does not know; `what` is whose rows they are.
 */
tenantdb_status tndb_birth_at(tndb_birth *birth, int64_t version, const char *what, tenantdb_error **error);
/* Queue the ledger's rows; nothing when no set is in use. */
void tndb_birth_queue(const tndb_birth *birth, tndb_work *work, const char *id);
/* Whether his schema is to be what the registry declares. */
bool tndb_birth_is_registered(const tndb_birth *birth);

#endif
