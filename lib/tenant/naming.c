/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/naming.h"

#include <string.h>
#include <tenantdb/tenant.h>

#include "base/buffer.h"
#include "sql/identifier.h"

void tndb_naming_fold(const char *slug, char folded[TNDB_NAME_SIZE]) {
  size_t length = strlen(slug);
  length = length < TNDB_NAME_SIZE ? length : TNDB_NAME_SIZE - 1;
  memcpy(folded, slug, length);
  folded[length] = '\0';
  tndb_fold_case(folded);
}

/* The schema that a name, compared without regard to case, would be mistaken for. */
static const char *taken_schema(const tenantdb *db, const char *folded) {
  static const tndb_option options[] = {TNDB_DATABASE_SCHEMA, TNDB_CATALOG_SCHEMA, TNDB_EXTENSIONS_SCHEMA};
  for (size_t i = 0; i < 3; i++) {
    char other[TNDB_NAME_SIZE];
    tndb_naming_fold(tndb_config_text(db->config, options[i]), other);
    if (strcmp(folded, other) == 0) {
      return i == 0 ? "the shared schema" : i == 1 ? "the catalog's schema" : "the extensions' schema";
    }
  }
  return NULL;
}

/* Why a schema may not be called so, or NULL. */
static const char *reserved(const tenantdb *db, const char *folded) {
  if (strncmp(folded, "pg_", 3) == 0 || strcmp(folded, "information_schema") == 0) {
    return "reserved by PostgreSQL";
  }
  return strncmp(folded, TNDB_STANDBY_PREFIX, strlen(TNDB_STANDBY_PREFIX)) == 0
             ? "reserved for standby schemas"
             : taken_schema(db, folded);
}

tenantdb_status tndb_naming_check(const tenantdb *db, const char *slug, tenantdb_error **error) {
  tenantdb_status status = tenantdb_slug_check(slug, slug ? strlen(slug) : 0, error);
  if (status) {
    return status;
  }
  char folded[TNDB_NAME_SIZE];
  tndb_naming_fold(slug, folded);
  const char *taken = taken_schema(db, folded);
  return taken ? tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_RESERVED,
                             "the slug \"%s\" is the name of %s; choose another", slug, taken)
               : TENANTDB_OK;
}

tenantdb_status tndb_naming_check_new(const char *what, const char *name, tenantdb_error **error) {
  tenantdb_status status = tndb_identifier_check(what, name, error);
  return status || strncmp(name, "pg_", 3) != 0
             ? status
             : tndb_value_refuse(what, name, "is a name that PostgreSQL keeps for itself", error);
}

tenantdb_status tndb_naming_check_schema(const tenantdb *db, const char *option, const char *name,
                                         tenantdb_error **error) {
  char folded[TNDB_NAME_SIZE];
  tndb_naming_fold(name, folded);
  const char *why = reserved(db, folded);
  return why ? tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                           "relocate option %s: \"%s\" is %s", option, name, why)
             : TENANTDB_OK;
}

/* ---------------------------------------------------------------- templates */

static void append_slug(tndb_buffer *name, const char *slug) {
  for (; *slug; slug++) {
    char c = *slug == '-' ? '_' : *slug >= 'A' && *slug <= 'Z' ? (char)(*slug - 'A' + 'a') : *slug;
    tndb_buffer_append_char(name, c);
  }
}

/* The template was checked when it was set: every brace begins a known marker. */
static void fill(tndb_buffer *name, const char *pattern, const char *slug, const char *id) {
  while (*pattern) {
    if (strncmp(pattern, "{slug}", 6) == 0) {
      append_slug(name, slug);
      pattern += 6;
    } else if (strncmp(pattern, "{hash}", 6) == 0) {
      tndb_buffer_append_n(name, id, 6);
      pattern += 6;
    } else if (strncmp(pattern, "{id}", 4) == 0) {
      tndb_buffer_append(name, id);
      pattern += 4;
    } else {
      tndb_buffer_append_char(name, *pattern++);
    }
  }
}

static tenantdb_status make_name(const tenantdb *db, tndb_option option, const char *slug, const char *id,
                                 char name[TNDB_NAME_SIZE], tenantdb_error **error) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  const char *pattern = tndb_config_text(db->config, option);
  fill(&text, pattern, slug, id);
  if (text.failed) {
    return tndb_no_memory(error);
  }
  if (text.length >= TNDB_NAME_SIZE) {
    size_t room = strlen(slug) > text.length - 63 ? strlen(slug) - (text.length - 63) : 0;
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_TOO_LONG,
        "the slug \"%s\" of %zu bytes makes the name %s of %zu bytes, and PostgreSQL has 63: with "
        "template %s a slug may have %zu",
        slug, strlen(slug), tndb_buffer_text(&text), text.length, pattern, room);
  }
  memcpy(name, text.data, text.length + 1);
  char folded[TNDB_NAME_SIZE];
  tndb_naming_fold(name, folded);
  const char *why = reserved(db, folded);
  if (why) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_RESERVED,
                       "the slug \"%s\" makes the name %s, which is %s; choose another slug or template",
                       slug, name, why);
  }
  return TENANTDB_OK;
}

tenantdb_status tndb_naming_make(const tenantdb *db, const char *slug, const char *id,
                                 tndb_names_of_tenant *names, tenantdb_error **error) {
  names->role[0] = '\0';
  tenantdb_status status = tndb_naming_check(db, slug, error);
  if (!status) {
    status = make_name(db, TNDB_TENANT_SCHEMA_TEMPLATE, slug, id, names->schema, error);
  }
  if (!status && db->level >= TENANTDB_ISOLATION_ROLE) {
    status = make_name(db, TNDB_TENANT_ROLE_TEMPLATE, slug, id, names->role, error);
  }
  if (status) {
    tndb_error_set_tenant(error, slug);
  }
  return status;
}

tenantdb_status tndb_naming_make_standby(const tenantdb *db, const char *id, tndb_names_of_tenant *names,
                                         tenantdb_error **error) {
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  const char *pattern = tndb_config_text(db->config, TNDB_TENANT_ROLE_TEMPLATE);
  *names = (tndb_names_of_tenant){.role = ""};
  tndb_buffer_append(&text, TNDB_STANDBY_PREFIX);
  for (const char *c = id; *c; c++) {
    if (*c != '-') {
      tndb_buffer_append_char(&text, *c);
    }
  }
  if (text.failed) {
    return tndb_no_memory(error);
  }
  memcpy(names->schema, text.data, text.length + 1);
  if (db->level < TENANTDB_ISOLATION_ROLE) {
    return TENANTDB_OK;
  }
  if (!strstr(pattern, "{slug}")) {
    return make_name(db, TNDB_TENANT_ROLE_TEMPLATE, "", id, names->role, error);
  }
  memcpy(names->role, names->schema, sizeof names->role);
  return TENANTDB_OK;
}
