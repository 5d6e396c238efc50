/* SPDX-License-Identifier: PostgreSQL */
/*
 * An independent witness: what pg_dump writes of a schema, owners and privileges
 * included, with the names taken out that differ from tenant to tenant.
 */
#ifndef TNDB_DUMPED_H
#define TNDB_DUMPED_H

#include "fixture.h"

typedef struct dumped_names {
  char *schema, *role, *group, *id; /* NULL: there is none */
} dumped_names;

/* Of the schema's tenant, when it is one's; schemas of tests have no quotes in their names. */
static inline dumped_names dumped_names_of(const char *url, const char *schema) {
  dumped_names names = {.schema = strdup(schema)};
  names.role = harness_value(
      url, "SELECT role_name FROM tenantdb.tenants WHERE schema_name = '%s' AND state <> 'deleted'", schema);
  names.id = harness_value(
      url, "SELECT id FROM tenantdb.tenants WHERE schema_name = '%s' AND state <> 'deleted'", schema);
  names.group = harness_value(url, "SELECT group_role FROM tenantdb.catalog");
  return names;
}

static inline void dumped_names_free(dumped_names *names) {
  free(names->schema);
  free(names->role);
  free(names->group);
  free(names->id);
}

/* Make `name`, in quotes or not, `word`. */
static inline void dumped_replace(char *line, size_t size, const char *name, const char *word) {
  char quoted[200], out[8192];
  if (!name || !*name) {
    return;
  }
  snprintf(quoted, sizeof quoted, "\"%s\"", name);
  const char *const forms[] = {quoted, name};
  for (size_t i = 0; i < 2; i++) {
    size_t length = 0;
    const char *at = line;
    for (const char *hit; (hit = strstr(at, forms[i])) != NULL; at = hit + strlen(forms[i])) {
      length += (size_t)snprintf(out + length, sizeof out - length, "%.*s%s", (int)(hit - at), at, word);
    }
    snprintf(out + length, sizeof out - length, "%s", at);
    snprintf(line, size, "%s", out);
  }
}

static inline int dumped_compare(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

/*
 * The dump; NULL when this pg_dump cannot dump that server, which must be newer
 * then. free() it. `sorted`: by lines, for tables whose columns may have come in
 * another order.
 */
static inline char *dumped(const char *url, const char *schema, bool sorted) {
  enum { LINES = 20000 };
  char command[2000], line[8192];
  size_t n = 0, length = 0, room = 1;
  char **lines = calloc(LINES, sizeof *lines);
  dumped_names names = dumped_names_of(url, schema);
  snprintf(command, sizeof command, "pg_dump --schema-only -n '\"%s\"' '%s' 2>&1", schema, url);
  FILE *from = popen(command, "r");
  bool refused = false;
  assert_non_null(lines);
  assert_non_null(from);
  while (n < LINES && fgets(line, sizeof line, from)) {
    refused = refused || strstr(line, "server version mismatch");
    line[strcspn(line, "\n")] = '\0';
    if (!*line || strncmp(line, "--", 2) == 0 || *line == '\\') {
      continue;
    }
    size_t last = strlen(line) - 1;
    line[last] = sorted && line[last] == ',' ? '\0' : line[last];
    dumped_replace(line, sizeof line, names.role, "ROLE");
    dumped_replace(line, sizeof line, names.group, "GROUP");
    dumped_replace(line, sizeof line, names.id, "ID");
    dumped_replace(line, sizeof line, names.schema, "SCHEMA");
    lines[n++] = strdup(line);
    room += strlen(line) + 1;
  }
  int failed = pclose(from);
  if (failed && !refused) {
    fail_msg("pg_dump failed: %s", n ? lines[n - 1] : "");
  }
  if (sorted) {
    qsort(lines, n, sizeof *lines, dumped_compare);
  }
  char *text = refused ? NULL : calloc(1, room);
  for (size_t i = 0; i < n; i++) {
    length += text ? (size_t)snprintf(text + length, room - length, "%s\n", lines[i]) : 0;
    free(lines[i]);
  }
  free(lines);
  dumped_names_free(&names);
  if (refused) {
    print_message("not compared: this pg_dump does not know that server\n");
  }
  assert_true(!text || strstr(text, "CREATE TABLE SCHEMA."));
  return text;
}

/* Whether a dump is as the other, which is of a freshly made schema; prints where they part. NULL equals all. */
static inline bool dumped_is(const char *what, const char *found, const char *expected) {
  size_t at = 0, line = 0;
  if (!found || !expected || strcmp(found, expected) == 0) {
    return true;
  }
  while (found[at] && found[at] == expected[at]) {
    line = found[at] == '\n' ? at + 1 : line;
    at++;
  }
  print_error("%s: pg_dump: %.300s\n  instead of %.300s\n", what, found + line, expected + line);
  return false;
}

/* The same for a tenant's schema as it is now. */
static inline bool dumped_tenant_is(const char *what, const char *url, const char *slug,
                                    const char *expected) {
  char *schema = harness_value(
      url, "SELECT schema_name FROM tenantdb.tenants WHERE slug = '%s' AND state <> 'deleted'", slug);
  assert_non_null(schema);
  char *found = dumped(url, schema, false);
  bool is = dumped_is(what, found, expected);
  free(found);
  free(schema);
  return is;
}

#endif
