/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a file's name says. Only the version counts, the title is for people:
 *
 *   20261101120000_create_orders.sql         goose, dbmate, atlas and our own
 *   20261101120000_create_orders.down.sql    the way back
 *   001_create_orders.up.sql                 golang-migrate
 *   V1__x.sql, U1__x.sql, B1__x.sql          Flyway; V1.2__x.sql, V1_2__x.sql with option flyway_parts
 *   R__reporting_views.sql                   Flyway and our own
 */
#include <string.h>

#include "migrate/source.h"

/* So many digits has each part of a dotted version but the first. */
#define PART_DIGITS 4

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool ends_with(const char *text, size_t length, const char *end) {
  size_t n = strlen(end);
  return length >= n && memcmp(text + length - n, end, n) == 0;
}

static tenantdb_status not_understood(const tndb_source_file *file, const char *why, tenantdb_error **error) {
  return tndb_source_refuse(error, file->path, 0, "%s", why);
}

static tenantdb_status set_title(const tndb_source_file *file, tndb_file_name *out, const char *title,
                                 const char *end, tenantdb_error **error) {
  out->title = title;
  out->title_length = (size_t)(end - title);
  return out->title_length ? TENANTDB_OK
                           : not_understood(file, "its name has no title: it is VERSION_TITLE.sql", error);
}

/* ---------------------------------------------------------------- Flyway */

static tenantdb_status dotted(const tndb_source_file *file, tenantdb_error **error) {
  return tndb_source_refuse(
      error, file->path, 0,
      "its version has more parts than option flyway_parts says. With flyway_parts N (2 to 4), a version of "
      "up "
      "to N parts becomes one number: each part but the first has %d digits of it, so that with 2 parts 1.2 "
      "is "
      "10002. Choose N before anything is applied, and keep it: another N gives every version another number",
      PART_DIGITS);
}

/* 1, 1.2.3 or 1_2_3, up to `end`. */
static tenantdb_status flyway_version(const tndb_source_file *file, const char *at, const char *end,
                                      int32_t n_parts, int64_t *version, tenantdb_error **error) {
  int64_t value = 0;
  for (int32_t part = 0; part < n_parts; part++) {
    size_t length = 0;
    int64_t number = 0;
    while (at + length < end && is_digit(at[length])) {
      length++;
    }
    bool missing = at == end && part > 0;
    bool zero = length > 0 && strspn(at, "0") >= length;
    size_t most = part ? PART_DIGITS : 18 - (size_t)PART_DIGITS * (size_t)(n_parts - 1);
    if (!missing && !zero && !tndb_source_version(at, length, &number)) {
      return not_understood(file, "its version is not made of numbers of at most 18 digits", error);
    }
    int64_t bound = 1;
    for (size_t i = 0; i < most; i++) {
      bound *= 10;
    }
    if (number >= bound) {
      return tndb_source_refuse(
          error, file->path, 0,
          "part %d of its version has more than %zu digits, which is what flyway_parts %d leaves "
          "for it",
          (int)part + 1, most, (int)n_parts);
    }
    value = value * (part ? 10000 : 1) + number;
    at += length;
    if (at < end && *at != '.' && *at != '_') {
      return not_understood(file, "its version is not made of numbers with dots or _ between them", error);
    }
    if (at < end && at + 1 == end) {
      return not_understood(file, "its version ends in a dot", error);
    }
    at += at < end;
  }
  if (at < end) {
    return dotted(file, error);
  }
  *version = value;
  return value > 0 ? TENANTDB_OK : not_understood(file, "its version is 0; versions begin with 1", error);
}

static tenantdb_status flyway(const tndb_source_file *file, int32_t n_parts, tndb_file_name *out,
                              tenantdb_error **error) {
  const char *end = out->stem + out->stem_length;
  const char *separator = strstr(out->stem, "__");
  if (!separator || separator >= end) {
    return not_understood(file, "its name has no __ between version and title, as Flyway's have", error);
  }
  out->naming = TNDB_NAMING_FLYWAY;
  out->part = *out->stem == 'U' ? TNDB_PART_DOWN : TNDB_PART_UP;
  out->kind = *out->stem == 'B' ? TNDB_MIGRATION_CHECKPOINT : TNDB_MIGRATION_VERSIONED;
  tenantdb_status status = flyway_version(file, out->stem + 1, separator, n_parts, &out->version, error);
  return status ? status : set_title(file, out, separator + 2, end, error);
}

/* ---------------------------------------------------------------- the others */

static tenantdb_status numbered(const tndb_source_file *file, tndb_file_name *out, tenantdb_error **error) {
  size_t digits = 0;
  while (is_digit(out->stem[digits])) {
    digits++;
  }
  const char *end = out->stem + out->stem_length;
  if (out->stem[digits] != '_') {
    return not_understood(file, "its name has no _ between version and title", error);
  }
  if (!tndb_source_version(out->stem, digits, &out->version)) {
    return not_understood(file, "its version is no number from 1 on of at most 18 digits", error);
  }
  if (ends_with(out->stem, out->stem_length, ".up")) {
    out->naming = TNDB_NAMING_GOLANG_MIGRATE;
    end -= 3;
  } else if (ends_with(out->stem, out->stem_length, ".down")) {
    out->part = TNDB_PART_DOWN;
    end -= 5;
  }
  return set_title(file, out, out->stem + digits + 1 < end ? out->stem + digits + 1 : end, end, error);
}

static tenantdb_status repeatable(const tndb_source_file *file, tndb_file_name *out, tenantdb_error **error) {
  out->kind = TNDB_MIGRATION_REPEATABLE;
  out->stem += 3;
  out->stem_length -= 3;
  return set_title(file, out, out->stem, out->stem + out->stem_length, error);
}

/* Whether a set that was told a naming takes such a file. */
static bool fits(const tndb_file_name *name, tndb_naming naming) {
  bool repeated = name->kind == TNDB_MIGRATION_REPEATABLE;
  bool conf = name->part == TNDB_PART_CONF;
  switch (naming) {
    case TNDB_NAMING_AUTO:
      return true;
    case TNDB_NAMING_FLYWAY:
      return name->naming == TNDB_NAMING_FLYWAY || repeated || conf;
    case TNDB_NAMING_GOLANG_MIGRATE:
      return !conf && !repeated && (name->naming == naming || name->part == TNDB_PART_DOWN) &&
             name->naming != TNDB_NAMING_FLYWAY;
    case TNDB_NAMING_TENANTDB:
      return !conf && name->naming == TNDB_NAMING_AUTO;
    default:
      return !conf && !repeated && name->naming == TNDB_NAMING_AUTO && name->part == TNDB_PART_UP;
  }
}

static const char *why_not(const char *name, size_t length) {
  static const char *const callbacks[] = {"before", "after"};
  for (size_t i = 0; i < 2; i++) {
    size_t prefix = strlen(callbacks[i]);
    if (length > prefix && memcmp(name, callbacks[i], prefix) == 0 && name[prefix] >= 'A' &&
        name[prefix] <= 'Z') {
      return "it has the name of one of Flyway's callbacks, which are not run here";
    }
  }
  return ends_with(name, length, ".go")
             ? "a migration that is written in Go cannot be read here"
             : "its name is not understood: it is VERSION_TITLE.sql, where VERSION is "
               "digits, or R__NAME.sql, or as Flyway, golang-migrate, goose and dbmate "
               "name theirs; move it out of the folder if it is no migration";
}

tenantdb_status tndb_source_name(const tndb_source_file *file, const tndb_set_options *options,
                                 tndb_file_name *out, tenantdb_error **error) {
  static const char *const names[TNDB_N_NAMINGS] = {"auto",           "tenantdb", "flyway",
                                                    "golang-migrate", "goose",    "dbmate"};
  const char *name = file->name;
  size_t length = strlen(name);
  *out = (tndb_file_name){.part = TNDB_PART_UP, .stem = name};
  bool conf = ends_with(name, length, ".sql.conf");
  if (!conf && !ends_with(name, length, ".sql")) {
    return not_understood(file, why_not(name, length), error);
  }
  out->stem_length = length - (conf ? 9 : 4);
  tenantdb_status status;
  if (conf) {
    out->part = TNDB_PART_CONF;
    status = TENANTDB_OK;
  } else if (strncmp(name, "R__", 3) == 0) {
    status = repeatable(file, out, error);
  } else if ((*name == 'V' || *name == 'U' || *name == 'B') && is_digit(name[1])) {
    status = flyway(file, options->flyway_parts, out, error);
  } else if (is_digit(*name)) {
    status = numbered(file, out, error);
  } else {
    status = not_understood(file, why_not(name, length), error);
  }
  if (!status && !fits(out, options->naming)) {
    return tndb_source_refuse(error, file->path, 0, "its name is none of %s, which option naming says",
                              names[options->naming]);
  }
  if (!status && out->naming == TNDB_NAMING_AUTO) {
    out->naming = options->naming;
  }
  return status;
}
