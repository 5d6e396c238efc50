/* SPDX-License-Identifier: PostgreSQL */
#include <tenantdb/version.h>

const char *tenantdb_version(void) {
  return TNDB_VERSION;
}

int32_t tenantdb_version_number(void) {
  return TNDB_VERSION_NUMBER;
}
