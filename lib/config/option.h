/* SPDX-License-Identifier: PostgreSQL */
/*
 * Options objects: what tenantdb_..._options hold. A table says which options there are, one row
 * each; setting, checking and keeping them is done here. What is particular to an object is its
 * table, and what its settings are made of.
 *
 * The first mistake is kept, and told by the call that takes the options. An option
 * that is set to NULL is one that was not given: its default is its reader's to say.
 */
#ifndef TNDB_CONFIG_OPTION_H
#define TNDB_CONFIG_OPTION_H

#include "config/value.h"

/* All that is asked of a text; a message begins with `what`: "move option slug". */
typedef tenantdb_status (*tndb_option_check)(const char *what, const char *value, tenantdb_error **error);

typedef struct tndb_option_row {
  const char *key;
  tndb_value_type type;
  int64_t minimum; /* these three as in a tndb_value_rule */
  int64_t maximum;
  const char *choices;
  tndb_option_check check; /* of a text, or each name of a list; NULL: they have to be valid UTF-8 */
} tndb_option_row;

typedef struct tndb_option_table {
  const char *what; /* "session option" */
  const tndb_option_row *rows;
  int count;
} tndb_option_table;

#define TNDB_OPTIONS_MOST 20
/* Of an array of rows; one with more rows than an object has room for does not compile. */
#define TNDB_OPTION_TABLE(what, rows)                                                         \
  {                                                                                           \
    (what), (rows),                                                                           \
        (int)(sizeof(rows) / sizeof(rows)[0] +                                                \
              0 * sizeof(char[sizeof(rows) / sizeof(rows)[0] <= TNDB_OPTIONS_MOST ? 1 : -1])) \
  }

/* The place of a key, or -1 with the mistake; `key` may be NULL. */
int tndb_option_find(const tndb_option_table *table, const char *key, tenantdb_error **error);
/* Check a value; `number` receives what tndb_value_read() makes of it. */
tenantdb_status tndb_option_read(const tndb_option_table *table, int which, const char *value,
                                 int64_t *number, tenantdb_error **error);

typedef struct tndb_option_value {
  bool given;
  int64_t number; /* of a list: how many names */
  char *text;     /* as it was given; NULL of lists */
  char **names;
} tndb_option_value;

/* Begins as zeros. */
typedef struct tndb_options {
  tenantdb_error *mistake; /* the first */
  tndb_option_value values[TNDB_OPTIONS_MOST];
} tndb_options;

void tndb_options_set(tndb_options *options, const tndb_option_table *table, const char *key,
                      const char *value);
/* Add one name to a list; NULL is a mistake. */
void tndb_options_add(tndb_options *options, const tndb_option_table *table, int which, const char *name);
/* Free what it holds; texts are overwritten, since one may have a password in it. */
void tndb_options_clear(tndb_options *options);

/* For all of these `options` may be NULL: nothing was given. */

/* Tell the kept mistake. */
tenantdb_status tndb_options_check(const tndb_options *options, tenantdb_error **error);
bool tndb_option_given(const tndb_options *options, int which);
int64_t tndb_option_number(const tndb_options *options, int which, int64_t otherwise);
const char *tndb_option_text(const tndb_options *options, int which, const char *otherwise);
/* Belongs to the options, as texts do. */
const char *const *tndb_option_names(const tndb_options *options, int which, size_t *count);

#endif
