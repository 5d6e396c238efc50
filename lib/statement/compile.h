/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a compiled statement is, for the files that compile and render it.
 *
 * One block: this, the stretches, the text of the literals with TNDB_SLACK bytes
 * behind it that may be read and mean nothing.
 */
#ifndef TNDB_STATEMENT_COMPILE_H
#define TNDB_STATEMENT_COMPILE_H

#include <stddef.h>
#include <stdint.h>

#include "registry/resolve.h"
#include "statement/parameters.h"
#include "statement/statement.h"

#define TNDB_STATEMENT_MAGIC UINT32_C(0x7473746d)

/* So many bytes rendering may copy beyond a stretch, where there is room: it copies in steps of that size. */
#define TNDB_SLACK ((size_t)32)

/* Which schema stands behind a stretch of literal text; the last has nothing behind it, all others something. */
enum { TNDB_TENANT_SCHEMA, TNDB_SHARED_SCHEMA, TNDB_N_SCHEMAS, TNDB_NO_SCHEMA = TNDB_N_SCHEMAS };

typedef struct tndb_stretch {
  size_t length;
  size_t schema;
} tndb_stretch;

struct tenantdb_statement {
  uint32_t magic;
  uint64_t serial;
  tndb_parameters *parameters; /* what they are for; NULL for a template, of which that is not known */
  size_t count;                /* of the stretches: at least one */
  const char *literals;        /* all stretches' text behind each other */
  size_t length;
  size_t uses[TNDB_N_SCHEMAS]; /* how often each schema stands in it */
  tndb_stretch stretches[];
};

/*
 * Compile text that the library wrote, valid and one statement: an empty marker
 * {} in it stands for the next of `targets`, a table or (entry NULL) the schema of
 * a base alone. Takes the parameters in both outcomes.
 */
tenantdb_status tndb_statement_compile(const tenantdb_registry *registry, const char *sql,
                                       const tndb_target *targets, tndb_parameters *parameters,
                                       tenantdb_statement **statement, tenantdb_error **error);

#endif
