/* SPDX-License-Identifier: PostgreSQL */
/* Slugs on their own: which bytes may be one, and how one is made of a display name. */
#include <string.h>
#include <tenantdb/tenant.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/utf8.h"
#include "sql/identifier.h"
#include "tenant/naming.h"

static bool is_letter_or_digit(uint32_t c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* ---------------------------------------------------------------- checking */

static tenantdb_status check_characters(const char *slug, size_t length, tenantdb_error **error) {
  size_t at = 0;
  while (at < length) {
    uint32_t c = 0;
    size_t size = tndb_utf8_decode(slug + at, length - at, &c);
    if (size == 0) {
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_NOT_UTF8,
                         "the slug is not valid UTF-8: byte 0x%02x at offset %zu",
                         (unsigned)(unsigned char)slug[at], at);
    }
    bool inner = at > 0 && (c == '-' || c == '_');
    if (!is_letter_or_digit(c) && !inner) {
      const char *rule =
          c == '-' || c == '_'
              ? "a slug begins with a letter or digit"
              : "a slug is made of ASCII letters, digits, \"-\" and \"_\"; tenantdb_slug_from_name() "
                "makes one of any name";
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_CHARACTER,
                         "the slug holds U+%04X at offset %zu: %s", (unsigned)c, at, rule);
    }
    at += size;
  }
  return TENANTDB_OK;
}

/* Names that mean something to PostgreSQL, or would to a reader of its catalogs. */
static bool is_reserved(const char *folded) {
  static const char *const names[] = {"information_schema", "public",    "postgres",
                                      "template0",          "template1", "none"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(folded, names[i]) == 0) {
      return true;
    }
  }
  return strncmp(folded, "pg_", 3) == 0 || strncmp(folded, "pg-", 3) == 0 || tndb_keyword_is_reserved(folded);
}

tenantdb_status tenantdb_slug_check(const char *slug, size_t length, tenantdb_error **error) {
  tndb_error_reset(error);
  if (!slug) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "slug is NULL");
  }
  if (length == 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_EMPTY, "the slug is empty");
  }
  tenantdb_status status = check_characters(slug, length, error);
  if (status) {
    return status;
  }
  if (length >= TNDB_NAME_SIZE) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_TOO_LONG,
                       "the slug is %zu bytes long; a PostgreSQL name has at most 63", length);
  }
  char folded[TNDB_NAME_SIZE] = {0};
  memcpy(folded, slug, length);
  tndb_fold_case(folded);
  if (is_reserved(folded)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_RESERVED,
                       "the slug \"%s\" is reserved by PostgreSQL; choose another", folded);
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- making */

/* U+00C0 to U+017F without their accents. */
static const char *const latin[] = {
    "a", "a", "a",  "a",  "a", "a", "ae", "c",  "e",  "e", "e", "e", "i",  "i",  "i", "i", "d", "n",
    "o", "o", "o",  "o",  "o", "",  "o",  "u",  "u",  "u", "u", "y", "th", "ss", "a", "a", "a", "a",
    "a", "a", "ae", "c",  "e", "e", "e",  "e",  "i",  "i", "i", "i", "d",  "n",  "o", "o", "o", "o",
    "o", "",  "o",  "u",  "u", "u", "u",  "y",  "th", "y", "a", "a", "a",  "a",  "a", "a", "c", "c",
    "c", "c", "c",  "c",  "c", "c", "d",  "d",  "d",  "d", "e", "e", "e",  "e",  "e", "e", "e", "e",
    "e", "e", "g",  "g",  "g", "g", "g",  "g",  "g",  "g", "h", "h", "h",  "h",  "i", "i", "i", "i",
    "i", "i", "i",  "i",  "i", "i", "ij", "ij", "j",  "j", "k", "k", "k",  "l",  "l", "l", "l", "l",
    "l", "",  "",   "l",  "l", "n", "n",  "n",  "n",  "n", "n", "n", "n",  "n",  "o", "o", "o", "o",
    "o", "o", "oe", "oe", "r", "r", "r",  "r",  "r",  "r", "s", "s", "s",  "s",  "s", "s", "s", "s",
    "t", "t", "t",  "t",  "t", "t", "u",  "u",  "u",  "u", "u", "u", "u",  "u",  "u", "u", "u", "u",
    "w", "w", "y",  "y",  "y", "z", "z",  "z",  "z",  "z", "z", "s",
};

static void append_character(tndb_buffer *slug, uint32_t c) {
  const char *letters = c >= 0xC0 && c < 0x180 ? latin[c - 0xC0] : "";
  if (is_letter_or_digit(c)) {
    tndb_buffer_append_char(slug, (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c));
  } else if (*letters) {
    tndb_buffer_append(slug, letters);
  } else if (slug->length > 0 && slug->data[slug->length - 1] != '-') {
    tndb_buffer_append_char(slug, '-');
  }
}

tenantdb_status tenantdb_slug_from_name(const char *name, char **slug, tenantdb_error **error) {
  tndb_error_reset(error);
  if (slug) {
    *slug = NULL;
  }
  if (!name || !slug) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "%s is NULL",
                       name ? "slug" : "name");
  }
  tndb_buffer made = TNDB_BUFFER_INIT;
  size_t length = strlen(name);
  for (size_t at = 0; at < length;) {
    uint32_t c = 0;
    size_t size = tndb_utf8_decode(name + at, length - at, &c);
    if (size == 0) {
      tndb_buffer_free(&made);
      return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_NOT_UTF8,
                         "the name is not valid UTF-8 at offset %zu", at);
    }
    append_character(&made, c);
    at += size;
  }
  while (made.length > 0 && made.data[made.length - 1] == '-') {
    made.data[--made.length] = '\0';
  }
  bool empty = made.length == 0 && !made.failed;
  char *text = tndb_buffer_take(&made);
  tenantdb_status status =
      !text   ? tndb_no_memory(error)
      : empty ? tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SLUG_EMPTY,
                            "the name has no letter or digit that a slug can be made of; give a slug")
              : tenantdb_slug_check(text, strlen(text), error);
  if (status) {
    tenantdb_string_free(text);
    return status;
  }
  *slug = text;
  return TENANTDB_OK;
}
