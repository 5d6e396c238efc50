/* SPDX-License-Identifier: PostgreSQL */
#include <stdio.h>
#include <tenantdb.h>

int main(void) {
  tenantdb_registry *registry = tenantdb_registry_new();
  printf("tenantdb %s\n", tenantdb_version());
  tenantdb_registry_free(registry);
  return registry ? 0 : 1;
}
