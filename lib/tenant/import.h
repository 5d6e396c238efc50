/* SPDX-License-Identifier: PostgreSQL */
/*
 * An import: an archive's records become a tenant, one after the other, in one
 * transaction.
 *
 * Rows are loaded as the archive has them, and compared with its checksums.
 * After that references to shared rows are changed to what those rows are called
 * here, where that is something else; foreign keys are made at the very end and
 * prove that all of them lead somewhere.
 */
#ifndef TNDB_TENANT_IMPORT_H
#define TNDB_TENANT_IMPORT_H

#include "tenant/archive_content.h"
#include "tenant/filling.h"

/* What became of one of the archive's references. */
typedef struct tndb_resolved {
  bool ignored; /* of a table that is left behind */
  bool natural; /* the natural key can be looked up here */
  int64_t kept;
  int64_t mapped;
  int64_t nulled;
} tndb_resolved;

struct tenantdb_import {
  uint32_t magic;
  tndb_filling filling;
  char *slug;
  char *name;
  char *properties;
  char *key;
  tndb_archive_in in;
  tndb_archive archive;
  tndb_resolved *resolved; /* one for each reference */
  tndb_buffer detail;
  int64_t loaded;  /* rows of the COPY that ended last */
  bool begun;      /* there is a transaction, or was */
  bool comparable; /* the archive's checksums are of this server's kind */
  bool copying;
  bool skipping; /* the table at hand is left behind */
  bool answered; /* the idempotency key was used before, by the same request */
  bool finished;
  tenantdb_tenant *answer;
  tenantdb_error *failure;
};

/* A record was accepted: do what it asks for. */
tenantdb_status tndb_import_take(tenantdb_import *target, char type, const unsigned char *payload,
                                 size_t length, tenantdb_error **error);
/* The archive is whole: settle the references and sequences, and commit. */
tenantdb_status tndb_import_complete(tenantdb_import *target, tenantdb_tenant **tenant,
                                     tenantdb_error **error);
/* A COPY FROM STDIN, and its end. */
tenantdb_status tndb_import_copy(tenantdb_import *target, const tndb_buffer *sql, tenantdb_error **error);
tenantdb_status tndb_import_copy_end(tenantdb_import *target, tenantdb_error **error);

/* The reference that was accepted last: make room for its keys, and begin to load them. */
tenantdb_status tndb_import_keys_begin(tenantdb_import *target, tenantdb_error **error);
/* They are there: look them up, and refuse what cannot be found. */
tenantdb_status tndb_import_keys_end(tenantdb_import *target, tenantdb_error **error);
/* The rows are there: change the references that are called otherwise here. */
tenantdb_status tndb_import_apply_keys(tenantdb_import *target, tenantdb_error **error);

#endif
