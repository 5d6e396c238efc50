/* SPDX-License-Identifier: PostgreSQL */
#include <libpq-fe.h>
#include <string.h>

#include <tenantdb/version.h>

int32_t tenantdb_has_feature(const char *name) {
  int32_t has = 0;
#ifdef LIBPQ_HAS_ASYNC_CANCEL
  has = has || (name && strcmp(name, "async-cancel") == 0);
#endif
#ifdef LIBPQ_HAS_CHUNK_MODE
  has = has || (name && strcmp(name, "chunked-rows") == 0);
#endif
  (void)name;
  return has;
}
