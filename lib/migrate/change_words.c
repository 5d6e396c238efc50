/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/change_words.h"

#include <stdarg.h>
#include <string.h>

#include "base/memory.h"
#include "base/nearest.h"
#include "base/utf8.h"
#include "config/property.h"
#include "migrate/change.h"
#include "migrate/change_kinds.h"
#include "sql/identifier.h"
#include "sql/lexer.h"

#define MOST_BATCH 1000000

/* What a value must be. */
typedef enum shape { NAME, SQL, PARTS, FLAG, COUNT, CHOICE, TARGET } shape;

typedef struct key_rule {
  const char *name;
  shape shape;
  const char *choices; /* each between two bars */
} key_rule;

static const char actions[] = "|no action|restrict|cascade|set null|set default|";

static const key_rule rules[TNDB_N_CHANGE_KEYS] = {
    [TNDB_CHANGE_TABLE] = {"table", NAME, NULL},
    [TNDB_CHANGE_COLUMN] = {"column", NAME, NULL},
    [TNDB_CHANGE_TO] = {"to", NAME, NULL},
    [TNDB_CHANGE_NAME] = {"name", NAME, NULL},
    [TNDB_CHANGE_TYPE] = {"type", SQL, NULL},
    [TNDB_CHANGE_DEFAULT] = {"default", SQL, NULL},
    [TNDB_CHANGE_BACKFILL] = {"backfill", SQL, NULL},
    [TNDB_CHANGE_USING] = {"using", SQL, NULL},
    [TNDB_CHANGE_BACK] = {"back", SQL, NULL},
    [TNDB_CHANGE_NOT_NULL] = {"not_null", FLAG, NULL},
    [TNDB_CHANGE_BATCH] = {"batch", COUNT, NULL},
    [TNDB_CHANGE_COLUMNS] = {"columns", SQL, NULL},
    [TNDB_CHANGE_METHOD] = {"method", NAME, NULL},
    [TNDB_CHANGE_WHERE] = {"where", SQL, NULL},
    [TNDB_CHANGE_INCLUDE] = {"include", SQL, NULL},
    [TNDB_CHANGE_WITH] = {"with", SQL, NULL},
    [TNDB_CHANGE_UNIQUE] = {"unique", FLAG, NULL},
    [TNDB_CHANGE_CHECK] = {"check", SQL, NULL},
    [TNDB_CHANGE_REFERENCES] = {"references", TARGET, NULL},
    [TNDB_CHANGE_REF_COLUMNS] = {"ref_columns", SQL, NULL},
    [TNDB_CHANGE_ON_DELETE] = {"on_delete", CHOICE, actions},
    [TNDB_CHANGE_ON_UPDATE] = {"on_update", CHOICE, actions},
    [TNDB_CHANGE_DEFERRABLE] = {"deferrable", CHOICE, "|no|immediate|deferred|"},
    [TNDB_CHANGE_INDEXES] = {"indexes", PARTS, NULL},
    [TNDB_CHANGE_LEAVE] = {"leave", SQL, NULL}};

const char *tndb_change_key_name(tndb_change_key key) {
  return rules[key].name;
}

const char *tndb_change_value(const tenantdb_change *change, tndb_change_key key) {
  return change->values[key];
}

bool tndb_change_flag(const tenantdb_change *change, tndb_change_key key) {
  bool flag = false;
  return change->values[key] && tndb_flag_parse(change->values[key], &flag) && flag;
}

/* ---------------------------------------------------------------- mistakes */

tenantdb_status tndb_change_bad(const tenantdb_change *change, tenantdb_error **error, const char *format,
                                ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)tndb_vorigin(error, TENANTDB_MIGRATION, TENANTDB_REASON_BAD_CHANGE, format, arguments);
  va_end(arguments);
  tndb_error_prefix(error, "change %s", change->kind ? change->kind->name : "?");
  return TENANTDB_MIGRATION;
}

const tndb_change_kind *tndb_change_kind_find(const char *name, tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(name);
  for (const tndb_change_kind *kind = tndb_change_kinds; kind->name; kind++) {
    if (strcmp(kind->name, name) == 0) {
      return kind;
    }
    tndb_nearest_try(&nearest, kind->name);
  }
  tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_BAD_CHANGE,
              "there is no change \"%.40s\"%s%s%s; doc/guide/changes.md lists them", name,
              nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
              nearest.best ? "\"?" : "");
  return NULL;
}

/* ---------------------------------------------------------------- values */

/*
 * An expression must be whole and alone: what we write around it has to mean what it
 * meant. A comment would swallow it, a semicolon end it, a parameter is the backfill's.
 */
static const char *check_sql(const char *value, bool parts) {
  tndb_lexer lexer;
  tndb_token token;
  char open[64];
  size_t depth = 0, count = 0;
  tndb_lexer_start(&lexer, value, strlen(value), true);
  while (tndb_lexer_raw(&lexer, &token)) {
    char c = value[token.offset];
    count++;
    if (token.kind == TNDB_TOKEN_COMMENT) {
      return "holds a comment";
    }
    if (token.kind == TNDB_TOKEN_MARKER || token.kind == TNDB_TOKEN_BRACE) {
      return "holds a marker; write the plain name";
    }
    if (token.kind == TNDB_TOKEN_PARAMETER) {
      return "holds a parameter";
    }
    if (token.kind != TNDB_TOKEN_OPERATOR) {
      continue;
    }
    if (c == ';' && !(parts && depth == 0)) {
      return "holds a semicolon";
    }
    if (c == '(' || c == '[') {
      if (depth == sizeof open) {
        return "is nested too deeply";
      }
      open[depth++] = c == '(' ? ')' : ']';
    } else if ((c == ')' || c == ']') && (depth == 0 || open[--depth] != c)) {
      return "has a closing bracket that nothing opens";
    }
  }
  return token.kind == TNDB_TOKEN_ERROR ? lexer.mistake
         : count == 0                   ? "is empty"
         : depth                        ? "has a bracket that nothing closes"
                                        : NULL;
}

static bool is_choice(const char *choices, const char *value) {
  size_t length = strchr(value, '|') ? 0 : strlen(value);
  for (const char *at = choices + 1; length && (at = strstr(at, value)) != NULL; at++) {
    if (at[-1] == '|' && at[length] == '|') {
      return true;
    }
  }
  return false;
}

/* A table of the same schema by its name, or any by a marker. */
static const char *check_target(const char *value) {
  size_t length = strlen(value);
  return *value == '{' && (length < 3 || value[length - 1] != '}' || strcspn(value, "}") != length - 1 ||
                           strchr(value + 1, '{'))
             ? "is no marker such as {plans}"
             : NULL;
}

static const char *check_value(const key_rule *rule, const char *value) {
  int64_t number;
  bool flag;
  switch (rule->shape) {
    case SQL:
    case PARTS:
      return check_sql(value, rule->shape == PARTS);
    case FLAG:
      return tndb_flag_parse(value, &flag) ? NULL : "is neither yes nor no";
    case COUNT:
      return tndb_number_parse(value, &number) && number >= 1 && number <= MOST_BATCH
                 ? NULL
                 : "is no number from 1 to 1000000";
    case CHOICE:
      return is_choice(rule->choices, value) ? NULL : "is none of its words";
    case TARGET:
      return check_target(value);
    case NAME:
      break;
  }
  return NULL;
}

static tenantdb_status check(const tenantdb_change *change, const key_rule *rule, const char *value,
                             tenantdb_error **error) {
  bool name = rule->shape == NAME || (rule->shape == TARGET && *value != '{');
  if (!tndb_utf8_valid(value, strlen(value), NULL)) {
    return tndb_change_bad(change, error, "%s is not valid UTF-8", rule->name);
  }
  for (const char *at = value; *at; at++) {
    if ((unsigned char)*at < ' ' && *at != '\t') {
      return tndb_change_bad(change, error, "%s holds a line end or a control character; a value is one line",
                             rule->name);
    }
  }
  if (name) {
    tndb_auto_error *why = NULL;
    tenantdb_status status = tndb_identifier_check(rule->name, value, &why);
    return status == TENANTDB_MEMORY ? tndb_no_memory(error)
           : status                  ? tndb_change_bad(change, error, "%s", tenantdb_error_message(why))
                                     : TENANTDB_OK;
  }
  const char *wrong = check_value(rule, value);
  return wrong ? tndb_change_bad(change, error, "%s: \"%.80s\" %s", rule->name, value, wrong) : TENANTDB_OK;
}

static tenantdb_status find_key(const tenantdb_change *change, const char *name, tndb_change_key *which,
                                tenantdb_error **error) {
  tndb_nearest nearest = TNDB_NEAREST_INIT(name);
  bool known = false;
  for (int i = 0; i < TNDB_N_CHANGE_KEYS; i++) {
    bool takes = ((change->kind->needs | change->kind->may) >> i) & 1;
    if (strcmp(rules[i].name, name) == 0) {
      *which = (tndb_change_key)i;
      if (takes) {
        return TENANTDB_OK;
      }
      known = true;
    }
    if (takes) {
      tndb_nearest_try(&nearest, rules[i].name);
    }
  }
  const char *best = known ? NULL : nearest.best;
  return tndb_change_bad(change, error, "it takes no key \"%.40s\"%s%s%s", name,
                         best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
}

static tenantdb_status set_value(tenantdb_change *change, const char *name, const char *value,
                                 tenantdb_error **error) {
  tndb_change_key which;
  tenantdb_status status = find_key(change, name, &which, error);
  if (!status && value) {
    status = check(change, &rules[which], value, error);
  }
  char *copy = !status && value ? tndb_strdup(value) : NULL;
  if (!status && value && !copy) {
    status = tndb_no_memory(error);
  }
  if (!status) {
    tndb_free(change->values[which]);
    change->values[which] = copy;
  }
  return status;
}

static bool usable(const tenantdb_change *change) {
  return change && change->magic == TNDB_CHANGE_MAGIC;
}

tenantdb_change *tenantdb_change_new(const char *kind) {
  tenantdb_change *change = tndb_new(tenantdb_change);
  if (change) {
    change->magic = TNDB_CHANGE_MAGIC;
    change->kind = tndb_change_kind_find(kind ? kind : "", &change->mistake);
  }
  return change;
}

void tenantdb_change_set(tenantdb_change *change, const char *key, const char *value) {
  if (!usable(change) || change->mistake) {
    return;
  }
  if (key) {
    (void)set_value(change, key, value, &change->mistake);
  } else {
    (void)tndb_change_bad(change, &change->mistake, "a key is NULL");
  }
}

void tenantdb_change_free(tenantdb_change *change) {
  if (usable(change)) {
    for (int i = 0; i < TNDB_N_CHANGE_KEYS; i++) {
      tndb_free(change->values[i]);
    }
    tenantdb_error_free(change->mistake);
    change->magic = 0;
    tndb_free(change);
  }
}

tenantdb_status tndb_change_complete(const tenantdb_change *change, tenantdb_error **error) {
  if (!change) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "change is NULL");
  }
  if (!usable(change)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE,
                       "change is no change, or was freed");
  }
  if (change->mistake) {
    tenantdb_error *copy = tndb_error_copy(change->mistake);
    return tndb_error_pass(error, copy);
  }
  for (int i = 0; i < TNDB_N_CHANGE_KEYS; i++) {
    if (((change->kind->needs >> i) & 1) && !change->values[i]) {
      return tndb_change_bad(change, error, "it needs a key \"%s\"", rules[i].name);
    }
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- lines */

typedef struct reader {
  const char *at;
  const char *end;
} reader;

static void skip_blanks(reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t')) {
    r->at++;
  }
}

/* Up to a blank or `stop`. */
static void take_word(reader *r, char stop, tndb_buffer *word) {
  const char *from = r->at;
  while (r->at < r->end && *r->at != ' ' && *r->at != '\t' && *r->at != stop) {
    r->at++;
  }
  tndb_buffer_clear(word);
  tndb_buffer_append_n(word, from, (size_t)(r->at - from));
}

/* In double quotes, of which two stand for one. False when the last is missing. */
static bool take_quoted(reader *r, tndb_buffer *value) {
  tndb_buffer_clear(value);
  tndb_buffer_append_n(value, "", 0);
  for (r->at++; r->at < r->end; r->at++) {
    if (*r->at == '"') {
      r->at++;
      if (r->at == r->end || *r->at != '"') {
        return true;
      }
    }
    tndb_buffer_append_char(value, *r->at);
  }
  return false;
}

static tenantdb_status take_pair(reader *r, tenantdb_change *change, tndb_buffer *name, tndb_buffer *value,
                                 tenantdb_error **error) {
  take_word(r, '=', name);
  if (name->failed) {
    return tndb_no_memory(error);
  }
  if (name->length == 0 || r->at == r->end || *r->at != '=') {
    return tndb_change_bad(change, error,
                           "\"%.40s\" is no key=value; a value with blanks stands in double quotes",
                           tndb_buffer_text(name));
  }
  r->at++;
  bool quoted = r->at < r->end && *r->at == '"';
  if (quoted && !take_quoted(r, value)) {
    return tndb_change_bad(change, error, "the value of %s has no closing double quote",
                           tndb_buffer_text(name));
  }
  if (!quoted) {
    take_word(r, ' ', value);
  }
  if (value->failed) {
    return tndb_no_memory(error);
  }
  if (r->at < r->end && *r->at != ' ' && *r->at != '\t') {
    return tndb_change_bad(change, error, "a blank is missing behind the value of %s",
                           tndb_buffer_text(name));
  }
  if (strlen(tndb_buffer_text(value)) != value->length) {
    return tndb_change_bad(change, error, "the value of %s holds a NUL", tndb_buffer_text(name));
  }
  tndb_change_key which;
  tenantdb_status status = find_key(change, tndb_buffer_text(name), &which, error);
  if (!status && change->values[which]) {
    return tndb_change_bad(change, error, "it has two keys \"%s\"", tndb_buffer_text(name));
  }
  return status ? status : set_value(change, tndb_buffer_text(name), tndb_buffer_text(value), error);
}

/* Behind "--", blanks and the directive's name; NULL when it is none. */
static const char *behind(const char *text, size_t length) {
  const size_t directive = sizeof TNDB_CHANGE_DIRECTIVE - 1;
  reader r = {text, text + length};
  if (length < 2 || text[0] != '-' || text[1] != '-') {
    return NULL;
  }
  r.at += 2;
  skip_blanks(&r);
  if ((size_t)(r.end - r.at) < directive || memcmp(r.at, TNDB_CHANGE_DIRECTIVE, directive) != 0) {
    return NULL;
  }
  r.at += directive;
  return r.at == r.end || *r.at == ' ' || *r.at == '\t' || *r.at == '\r' || *r.at == '\n' ? r.at : NULL;
}

bool tndb_change_is_line(const char *text, size_t length) {
  return behind(text, length) != NULL;
}

tenantdb_status tndb_change_read(const char *text, size_t length, tenantdb_change **change,
                                 tenantdb_error **error) {
  tndb_auto_buffer name = TNDB_BUFFER_INIT, value = TNDB_BUFFER_INIT;
  *change = NULL;
  while (length > 0 && (text[length - 1] == '\n' || text[length - 1] == '\r')) {
    length--;
  }
  reader r = {behind(text, length), text + length};
  if (!r.at) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL, "a line is no change");
  }
  skip_blanks(&r);
  take_word(&r, ' ', &name);
  *change = name.failed ? NULL : tenantdb_change_new(tndb_buffer_text(&name));
  if (!*change) {
    return tndb_no_memory(error);
  }
  tenantdb_status status =
      (*change)->kind ? TENANTDB_OK : tndb_error_pass(error, tndb_error_copy((*change)->mistake));
  for (skip_blanks(&r); !status && r.at < r.end; skip_blanks(&r)) {
    status = take_pair(&r, *change, &name, &value, error);
  }
  return status;
}
