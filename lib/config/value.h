/* SPDX-License-Identifier: PostgreSQL */
/*
 * Values of options as text: which types there are, how each is read, and how a
 * mistake in one is told. The options of a configuration (config/property.h) and
 * those of options objects (config/option.h) are both read by this.
 */
#ifndef TNDB_CONFIG_VALUE_H
#define TNDB_CONFIG_VALUE_H

#include "base/error.h"

typedef enum tndb_value_type {
  TNDB_TYPE_PLAIN,      /* text of any kind */
  TNDB_TYPE_SECRET,     /* text that may hold a password: never shown whole */
  TNDB_TYPE_IDENTIFIER, /* a schema's name */
  TNDB_TYPE_OPTIONAL_IDENTIFIER,
  TNDB_TYPE_TEMPLATE, /* a name with {slug}, {hash}, {id} */
  TNDB_TYPE_CHOICE,
  TNDB_TYPE_NUMBER,
  TNDB_TYPE_DURATION, /* kept in milliseconds */
  TNDB_TYPE_FLAG,
  TNDB_TYPE_LIST /* names separated by commas: of options objects only, which take it apart */
} tndb_value_type;

typedef struct tndb_value_rule {
  tndb_value_type type;
  int64_t minimum;     /* of numbers, and of durations in milliseconds */
  int64_t maximum;     /* INT64_MAX: there is none */
  const char *choices; /* separated by "|" */
} tndb_value_rule;

const char *tndb_value_type_name(tndb_value_type type);

/*
 * Check a value; `number` receives what numbers, durations and flags mean, and a choice's place. Messages
 * begin with `what` and the key. One that is fine takes no memory.
 */
tenantdb_status tndb_value_read(const tndb_value_rule *rule, const char *what, const char *key,
                                const char *value, int64_t *number, tenantdb_error **error);
/* ARGUMENT with BAD_OPTION_VALUE: WHAT: "VALUE" WHY. A long value is cut between two characters. */
tenantdb_status tndb_value_refuse(const char *what, const char *value, const char *why,
                                  tenantdb_error **error);
/* ARGUMENT with UNKNOWN_OPTION: there is no WHAT "KEY"; did you mean "NEAREST" (may be NULL)?; REST */
tenantdb_status tndb_value_no_key(const char *what, const char *key, const char *nearest, const char *rest,
                                  tenantdb_error **error);

/*
 * A duration: a number and a unit (ms, s, min, h, d), in milliseconds; without
 * a unit it is in seconds. False when it does not parse.
 */
bool tndb_duration_parse(const char *text, int64_t *milliseconds);
/* on/off, true/false, yes/no, 1/0. False when it does not parse. */
bool tndb_flag_parse(const char *text, bool *flag);
/* A whole number in decimal. False when it does not parse or overflows. */
bool tndb_number_parse(const char *text, int64_t *number);

#endif
