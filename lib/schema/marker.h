/* SPDX-License-Identifier: PostgreSQL */
/*
 * Marks: what stands in a canonical definition in place of a name that differs
 * from tenant to tenant. A mark is one control character, so that replacing can
 * be undone and nothing of what somebody wrote is mistaken for one.
 */
#ifndef TNDB_SCHEMA_MARKER_H
#define TNDB_SCHEMA_MARKER_H

#include "base/buffer.h"

#define TNDB_MARK_OWN '\x01'    /* the schema's own name and a dot */
#define TNDB_MARK_SHARED '\x02' /* the shared schema's name and a dot */
#define TNDB_MARK_SCHEMA '\x03' /* the schema's own name alone */
#define TNDB_MARK_ROLE '\x04'   /* the tenant's role */
#define TNDB_MARK_GROUP '\x05'  /* the group of all tenants' roles */
#define TNDB_MARK_OWNER '\x06'  /* the schema's owner */
#define TNDB_MARK_PART '\x1e'   /* nothing: the border between two parts of a definition */

typedef struct tndb_mark_names {
  const char *schema;
  const char *shared;
  const char *role;
  const char *group;
  const char *owner;
} tndb_mark_names;

/* For people: own names as they are, the others as {shared}, {role} … */
void tndb_marks_show(tndb_buffer *out, const char *text);
/* For the server: the names themselves, quoted. */
void tndb_marks_fill(tndb_buffer *out, const char *text, const tndb_mark_names *names);

#endif
