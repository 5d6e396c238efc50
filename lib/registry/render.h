/* SPDX-License-Identifier: PostgreSQL */
/* Declared text with its markers replaced, as it stands in the DDL of a schema. */
#ifndef TNDB_REGISTRY_RENDER_H
#define TNDB_REGISTRY_RENDER_H

#include "base/buffer.h"
#include "registry/resolve.h"

typedef struct tndb_render {
  const tenantdb_base *base; /* whose text it is */
  const char *schema;
  const char *shared_schema; /* NULL is a mistake only when it is needed */
  tndb_buffer *out;
} tndb_render;

enum {
  TNDB_RENDER_MARKERS,    /* nothing but markers */
  TNDB_RENDER_REFERENCES, /* and what follows REFERENCES */
  TNDB_RENDER_QUERY       /* and tables of shared bases behind FROM, JOIN and INTO */
};

tenantdb_status tndb_render_target(const tndb_render *render, const tndb_target *target,
                                   tenantdb_error **error);
tenantdb_status tndb_render_text(const tndb_render *render, const char *text, int32_t mode,
                                 tenantdb_error **error);

#endif
