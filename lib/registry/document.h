/* SPDX-License-Identifier: PostgreSQL */
/*
 * Writing a document as Markdown or as JSON: groups (bases, schemas) of tables
 * of sections of rows, told in that order. What is not told comes out empty in
 * JSON, and not at all in Markdown.
 */
#ifndef TNDB_REGISTRY_DOCUMENT_H
#define TNDB_REGISTRY_DOCUMENT_H

#include "base/buffer.h"
#include "base/error.h"

/* The sections in the order they come; the last belongs to the group. */
typedef enum tndb_document_section {
  TNDB_DOCUMENT_COLUMNS,      /* name, type, definition, comment */
  TNDB_DOCUMENT_CONSTRAINTS,  /* name, definition */
  TNDB_DOCUMENT_FOREIGN_KEYS, /* name, definition */
  TNDB_DOCUMENT_INDEXES,      /* name, definition */
  TNDB_DOCUMENT_OBJECTS,      /* name, kind, definition */
  TNDB_DOCUMENT_NOWHERE
} tndb_document_section;

typedef struct tndb_document {
  tndb_buffer out;
  bool json;
  bool in_group;
  bool in_table;
  bool in_objects;
  int groups;
  int tables; /* of the group */
  tndb_document_section section;
  int rows; /* of the section */
} tndb_document;

/* `format` is the caller's; `groups` what the groups are called in JSON. tndb_buffer_free(&document->out) in the end. */
tenantdb_status tndb_document_begin(tndb_document *document, const char *format, const char *title,
                                    const char *groups, tenantdb_error **error);
void tndb_document_group(tndb_document *document, const char *name, const char *kind);
void tndb_document_table(tndb_document *document, const char *name, const char *kind, const char *comment);
/* The cells of the section, of which any may be NULL. */
void tndb_document_row(tndb_document *document, tndb_document_section section, const char *const *cells);
/* Hands the text over. */
tenantdb_status tndb_document_end(tndb_document *document, char **text, tenantdb_error **error);

#endif
