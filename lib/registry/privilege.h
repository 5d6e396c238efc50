/* SPDX-License-Identifier: PostgreSQL */
/* Privileges on tables as a mask. */
#ifndef TNDB_REGISTRY_PRIVILEGE_H
#define TNDB_REGISTRY_PRIVILEGE_H

#include "base/error.h"

enum {
  TNDB_PRIVILEGE_SELECT = 1,
  TNDB_PRIVILEGE_INSERT = 2,
  TNDB_PRIVILEGE_UPDATE = 4,
  TNDB_PRIVILEGE_DELETE = 8
};

/* Read a list such as "SELECT, insert"; blanks alone are none. */
tenantdb_status tndb_privilege_parse(const char *text, int32_t *mask, tenantdb_error **error);
/* The list again, static. */
const char *tndb_privilege_text(int32_t mask);

#endif
