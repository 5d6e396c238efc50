/* SPDX-License-Identifier: PostgreSQL */
/*
 * Words that PostgreSQL 13 to 18 does not take as a table's or column's name
 * without quotes: "reserved" and "reserved (can be function or type)" of
 * pg_get_keywords(), united over the releases. Sorted, for the search.
 */
#include <string.h>

#include "sql/identifier.h"

static const char *const reserved[] = {
    "all",
    "analyse",
    "analyze",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "asymmetric",
    "authorization",
    "binary",
    "both",
    "case",
    "cast",
    "check",
    "collate",
    "collation",
    "column",
    "concurrently",
    "constraint",
    "create",
    "cross",
    "current_catalog",
    "current_date",
    "current_role",
    "current_schema",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "deferrable",
    "desc",
    "distinct",
    "do",
    "else",
    "end",
    "except",
    "false",
    "fetch",
    "for",
    "foreign",
    "freeze",
    "from",
    "full",
    "grant",
    "group",
    "having",
    "ilike",
    "in",
    "initially",
    "inner",
    "intersect",
    "into",
    "is",
    "isnull",
    "join",
    "lateral",
    "leading",
    "left",
    "like",
    "limit",
    "localtime",
    "localtimestamp",
    "natural",
    "not",
    "notnull",
    "null",
    "offset",
    "on",
    "only",
    "or",
    "order",
    "outer",
    "overlaps",
    "placing",
    "primary",
    "references",
    "returning",
    "right",
    "select",
    "session_user",
    "similar",
    "some",
    "symmetric",
    "system_user",
    "table",
    "tablesample",
    "then",
    "to",
    "trailing",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "variadic",
    "verbose",
    "when",
    "where",
    "window",
    "with",
};

bool tndb_keyword_is_reserved(const char *word) {
  char folded[24];
  size_t length = strlen(word);
  if (length >= sizeof folded) {
    return false;
  }
  memcpy(folded, word, length + 1);
  tndb_fold_case(folded);
  size_t low = 0, high = sizeof reserved / sizeof reserved[0];
  while (low < high) {
    size_t middle = (low + high) / 2;
    int order = strcmp(folded, reserved[middle]);
    if (order == 0) {
      return true;
    }
    if (order < 0) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return false;
}
