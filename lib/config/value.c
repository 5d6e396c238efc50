/* SPDX-License-Identifier: PostgreSQL */
#include "config/value.h"

#include <string.h>

#include "base/buffer.h"
#include "base/utf8.h"

/* How many bytes of a value or a key a message repeats. */
#define SHOWN 60

const char *tndb_value_type_name(tndb_value_type type) {
  static const char *const names[] = {"text",   "text",   "name",     "name or empty", "name template",
                                      "choice", "number", "duration", "on or off",     "names"};
  return names[type];
}

/* ---------------------------------------------------------------- mistakes */

/* A text as messages repeat it. */
typedef struct excerpt {
  const char *text;
  int length;
  const char *more; /* what tells that there is more of it */
} excerpt;

static excerpt excerpt_of(const char *text) {
  size_t length = strlen(text), shown = 0, size;
  if (!tndb_utf8_valid(text, length, NULL)) {
    return (excerpt){"?", 1, ""};
  }
  while (shown < length && shown + (size = tndb_utf8_decode(text + shown, length - shown, NULL)) <= SHOWN) {
    shown += size;
  }
  return (excerpt){text, (int)shown, shown < length ? "..." : ""};
}

tenantdb_status tndb_value_refuse(const char *what, const char *value, const char *why,
                                  tenantdb_error **error) {
  excerpt shown = excerpt_of(value);
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE, "%s: \"%.*s%s\" %s", what,
                     shown.length, shown.text, shown.more, why);
}

tenantdb_status tndb_value_no_key(const char *what, const char *key, const char *nearest, const char *rest,
                                  tenantdb_error **error) {
  excerpt shown = excerpt_of(key);
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_UNKNOWN_OPTION,
                     "there is no %s \"%.*s%s\"%s%s%s; %s", what, shown.length, shown.text, shown.more,
                     nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "", rest);
}

/* ---------------------------------------------------------------- reading */

bool tndb_number_parse(const char *text, int64_t *number) {
  bool negative = *text == '-';
  const char *at = text + negative;
  int64_t value = 0;
  if (*at == '\0') {
    return false;
  }
  for (; *at; at++) {
    if (*at < '0' || *at > '9' || value > (INT64_MAX - (*at - '0')) / 10) {
      return false;
    }
    value = value * 10 + (*at - '0');
  }
  *number = negative ? -value : value;
  return true;
}

static const struct {
  const char *name;
  int64_t milliseconds;
} units[] = {{"", 1000}, {"d", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}};

#define N_UNITS (sizeof units / sizeof units[0])

static bool unit_of(const char *text, int64_t *unit) {
  while (*text == ' ') {
    text++;
  }
  for (size_t i = 0; i < N_UNITS; i++) {
    if (strcmp(text, units[i].name) == 0) {
      *unit = units[i].milliseconds;
      return true;
    }
  }
  return false;
}

bool tndb_duration_parse(const char *text, int64_t *milliseconds) {
  int64_t whole = 0, fraction = 0, scale = 1, unit;
  const char *at = text;
  for (; *at >= '0' && *at <= '9'; at++) {
    if (whole > INT64_C(1000000000000)) {
      return false;
    }
    whole = whole * 10 + (*at - '0');
  }
  if (at == text) {
    return false;
  }
  if (*at == '.') {
    const char *point = at;
    for (at++; *at >= '0' && *at <= '9'; at++) {
      if (scale < 1000000) { /* what is finer than a microsecond is dropped */
        fraction = fraction * 10 + (*at - '0');
        scale *= 10;
      }
    }
    if (at == point + 1) {
      return false;
    }
  }
  if (!unit_of(at, &unit) || whole > (INT64_MAX - unit) / unit) {
    return false;
  }
  *milliseconds = whole * unit + fraction * unit / scale;
  return true;
}

bool tndb_flag_parse(const char *text, bool *flag) {
  static const char *const on[] = {"on", "true", "yes", "1"};
  static const char *const off[] = {"off", "false", "no", "0"};
  for (size_t i = 0; i < 4; i++) {
    if (strcmp(text, on[i]) == 0 || strcmp(text, off[i]) == 0) {
      *flag = strcmp(text, on[i]) == 0;
      return true;
    }
  }
  return false;
}

/* NULL when the template is fine, else what is wrong with it. */
static const char *template_fault(const char *value) {
  bool varies = false;
  for (const char *at = value; *at;) {
    if (*at == '}') {
      return "has a } without its {";
    }
    if (*at != '{') {
      at++;
      continue;
    }
    if (strncmp(at, "{slug}", 6) == 0) {
      at += 6;
      varies = true;
    } else if (strncmp(at, "{hash}", 6) == 0) {
      at += 6;
    } else if (strncmp(at, "{id}", 4) == 0) {
      at += 4;
      varies = true;
    } else {
      return "holds a marker other than {slug}, {hash} and {id}";
    }
  }
  return varies ? NULL : "holds neither {slug} nor {id}, so that tenants would share a name";
}

static const char *identifier_fault(const char *value) {
  size_t length = strlen(value);
  return length == 0 ? "is empty" : length > 63 ? "is longer than the 63 bytes of a PostgreSQL name" : NULL;
}

/* ---------------------------------------------------------------- by its rule */

/* In the largest unit that it is a whole number of. */
static void append_duration(tndb_buffer *text, int64_t milliseconds) {
  size_t unit = 1;
  while (milliseconds % units[unit].milliseconds != 0) {
    unit++;
  }
  tndb_buffer_format(text, "%lld%s", (long long)(milliseconds / units[unit].milliseconds),
                     milliseconds ? units[unit].name : "");
}

static void append_range(tndb_buffer *why, const tndb_value_rule *rule) {
  if (rule->type == TNDB_TYPE_NUMBER) {
    tndb_buffer_format(why, "is not a number from %lld ", (long long)rule->minimum);
    tndb_buffer_append(why, rule->maximum == INT64_MAX ? "on" : "to ");
    if (rule->maximum != INT64_MAX) {
      tndb_buffer_format(why, "%lld", (long long)rule->maximum);
    }
    return;
  }
  tndb_buffer_append(why, "is not a duration");
  if (rule->maximum != INT64_MAX) {
    tndb_buffer_append(why, " from ");
    append_duration(why, rule->minimum);
    tndb_buffer_append(why, " to ");
    append_duration(why, rule->maximum);
  }
  tndb_buffer_append(why, ": a number and ms, s, min, h or d (seconds without a unit)");
}

/* The next of the choices, up to its "|"; NULL behind the last. */
static const char *next_choice(const char **at, size_t *length) {
  const char *choice = *at;
  if (choice) {
    *length = strcspn(choice, "|");
    *at = choice[*length] ? choice + *length + 1 : NULL;
  }
  return choice;
}

static bool choice_parse(const char *choices, const char *value, int64_t *place) {
  size_t length, wanted = strlen(value);
  *place = 0;
  for (const char *choice; (choice = next_choice(&choices, &length)); (*place)++) {
    if (length == wanted && memcmp(choice, value, length) == 0) {
      return true;
    }
  }
  return false;
}

/* "is neither a nor b", "is none of a, b and c" */
static void append_choices(tndb_buffer *why, const char *choices) {
  const char *second = strchr(choices, '|'), *first = choices;
  bool two = second && !strchr(second + 1, '|');
  size_t length;
  tndb_buffer_append(why, two ? "is neither " : "is none of ");
  for (const char *choice; (choice = next_choice(&choices, &length));) {
    tndb_buffer_append(why, choice == first ? "" : choices ? ", " : two ? " nor " : " and ");
    tndb_buffer_append_n(why, choice, length);
  }
}

static bool read_number(const tndb_value_rule *rule, const char *value, int64_t *number) {
  bool flag = false;
  switch (rule->type) {
    case TNDB_TYPE_CHOICE:
      return choice_parse(rule->choices, value, number);
    case TNDB_TYPE_FLAG:
      if (!tndb_flag_parse(value, &flag)) {
        return false;
      }
      *number = flag;
      return true;
    case TNDB_TYPE_NUMBER:
      return tndb_number_parse(value, number) && *number >= rule->minimum && *number <= rule->maximum;
    case TNDB_TYPE_DURATION:
      return tndb_duration_parse(value, number) && *number >= rule->minimum && *number <= rule->maximum;
    default:
      return true;
  }
}

/* What is wrong with a text, or NULL. */
static const char *text_fault(tndb_value_type type, const char *value) {
  return type == TNDB_TYPE_IDENTIFIER || (type == TNDB_TYPE_OPTIONAL_IDENTIFIER && *value)
             ? identifier_fault(value)
         : type == TNDB_TYPE_TEMPLATE ? template_fault(value)
                                      : NULL;
}

tenantdb_status tndb_value_read(const tndb_value_rule *rule, const char *what, const char *key,
                                const char *value, int64_t *number, tenantdb_error **error) {
  tndb_auto_buffer place = TNDB_BUFFER_INIT;
  tndb_auto_buffer why = TNDB_BUFFER_INIT;
  const char *fault = text_fault(rule->type, value);
  int64_t read = 0;
  if (!tndb_utf8_valid(value, strlen(value), NULL)) {
    tndb_buffer_append(&why, "is not valid UTF-8");
  } else if (fault) {
    tndb_buffer_append(&why, fault);
  } else if (read_number(rule, value, &read)) {
    *number = read;
    return TENANTDB_OK;
  } else if (rule->type == TNDB_TYPE_CHOICE) {
    append_choices(&why, rule->choices);
  } else if (rule->type == TNDB_TYPE_FLAG) {
    tndb_buffer_append(&why, "is neither on nor off");
  } else {
    append_range(&why, rule);
  }
  tndb_buffer_format(&place, "%s %s", what, key);
  return why.failed || place.failed
             ? tndb_no_memory(error)
             : tndb_value_refuse(tndb_buffer_text(&place), rule->type == TNDB_TYPE_SECRET ? "..." : value,
                                 tndb_buffer_text(&why), error);
}
