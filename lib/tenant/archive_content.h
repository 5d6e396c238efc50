/* SPDX-License-Identifier: PostgreSQL */
/*
 * Archives, what is in them: what the records mean and in which order they come.
 *
 *   HEADER
 *   TABLE …                     as many as the header says
 *   REFERENCE KEYS… KEYS_END    for every foreign key to a shared table
 *   BEGIN ROWS… ROWS_END        for every table, in the order of the TABLE records
 *   SEQUENCE …
 *   END
 *
 * One structure holds what is known of an archive, for who writes it as for who
 * reads it. Reading refuses whatever breaks the order or says something that
 * cannot be: a check proves that bytes are those that were written, not that they
 * were written by us. Keys and rows are not kept; they are COPY's text, which
 * whoever reads takes from the record.
 */
#ifndef TNDB_TENANT_ARCHIVE_CONTENT_H
#define TNDB_TENANT_ARCHIVE_CONTENT_H

#include "tenant/archive_frame.h"
#include "tenant/shape.h"

/* A foreign key to a shared table, and by what its rows may be known elsewhere. */
typedef struct tndb_archive_reference {
  size_t table; /* whose it is */
  tndb_names columns;
  char *shared; /* the table it goes to */
  tndb_names target;
  tndb_names natural; /* a unique key that is not the one referred to; none: there is none */
  uint64_t keys;      /* how many different ones */
} tndb_archive_reference;

/* What a table turned out to hold. */
typedef struct tndb_archive_rows {
  uint64_t rows;
  uint64_t bytes;
  char *checksum;
} tndb_archive_rows;

enum {
  TNDB_ARCHIVE_LIBRARY,
  TNDB_ARCHIVE_CREATED,
  TNDB_ARCHIVE_ID,
  TNDB_ARCHIVE_SLUG,
  TNDB_ARCHIVE_NAME,
  TNDB_ARCHIVE_STATE,
  TNDB_ARCHIVE_PROPERTIES,
  TNDB_ARCHIVE_REGISTRY_HASH,
  TNDB_ARCHIVE_PROBE, /* what the server's hash makes of a known text: the checksums can be compared where it is the same */
  TNDB_ARCHIVE_N_TEXTS
};

typedef struct tndb_archive {
  char *texts[TNDB_ARCHIVE_N_TEXTS];
  uint32_t server;
  int64_t version; /* of the tenant's schema */
  size_t n_tables; /* that there are to be */
  size_t n_references;
  tndb_shape shape;
  tndb_archive_reference *references;
  size_t read_references;
  tndb_archive_rows *rows; /* of the tables, as far as they were read */
  size_t read_rows;
  uint64_t total;
  int32_t stage;
  uint64_t bytes; /* of the rows at hand */
} tndb_archive;

void tndb_archive_free(tndb_archive *archive);
/* One more, to be filled; NULL when memory ran out. */
tndb_archive_reference *tndb_archive_add_reference(tndb_archive *archive);
tndb_archive_rows *tndb_archive_add_rows(tndb_archive *archive);

/* ---------------------------------------------------------------- writing */

void tndb_archive_put_header(tndb_archive_out *out, const tndb_archive *archive);
void tndb_archive_put_table(tndb_archive_out *out, const tndb_shape_table *table);
void tndb_archive_put_reference(tndb_archive_out *out, const tndb_archive_reference *reference);
void tndb_archive_put_keys_end(tndb_archive_out *out, uint64_t keys);
void tndb_archive_put_begin(tndb_archive_out *out, size_t table);
void tndb_archive_put_rows_end(tndb_archive_out *out, const tndb_archive_rows *rows);
void tndb_archive_put_sequence(tndb_archive_out *out, const tndb_shape_sequence *sequence);
void tndb_archive_put_end(tndb_archive_out *out, uint64_t total);

/* ---------------------------------------------------------------- reading */

/* The next record; `in` is where it came from. */
tenantdb_status tndb_archive_accept(tndb_archive *archive, const tndb_archive_in *in, char type,
                                    const unsigned char *payload, size_t length, tenantdb_error **error);

#endif
