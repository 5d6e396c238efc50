/* SPDX-License-Identifier: PostgreSQL */
/* Files with archives in them. */
#ifndef TNDB_TENANT_ARCHIVE_FILE_H
#define TNDB_TENANT_ARCHIVE_FILE_H

#include <stddef.h>

#include "base/buffer.h"
#include "base/error.h"

#define TNDB_FILE_PART ((size_t)65536)

/* What the system says about a file that cannot be opened, read …: `what`. Returns the status. */
tenantdb_status tndb_file_failed(const char *path, const char *what, int number, tenantdb_error **error);
/* Of a file that is read: its descriptor, to be closed by tndb_file_close(). */
tenantdb_status tndb_file_open(const char *path, int *file, tenantdb_error **error);
/* 0 bytes at the end. */
tenantdb_status tndb_file_read(int file, const char *path, void *buffer, size_t size, size_t *length,
                               tenantdb_error **error);
void tndb_file_close(int file);

/* A file that comes to be: under another name until it is whole. */
typedef struct tndb_new_file {
  const char *path;
  tndb_buffer temporary; /* its name meanwhile; empty: there is none */
  int file;
} tndb_new_file;

tenantdb_status tndb_file_create(tndb_new_file *made, const char *path, tenantdb_error **error);
tenantdb_status tndb_file_write(const tndb_new_file *made, const void *bytes, size_t length,
                                tenantdb_error **error);
/* All of it is on the disk, and then it has its name. */
tenantdb_status tndb_file_publish(tndb_new_file *made, tenantdb_error **error);
/* One that was not published is gone. In every case. */
void tndb_file_end(tndb_new_file *made);

#endif
