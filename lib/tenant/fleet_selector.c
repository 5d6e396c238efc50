/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/fleet_selector.h"

#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "base/utf8.h"
#include "catalog/tenants.h"
#include "catalog/text_array.h"
#include "config/property.h"
#include "sql/identifier.h"

#define MOST_CONDITIONS 1000

typedef enum subject { ON_SLUG, ON_ID, ON_STATE, ON_VERSION, ON_PROPERTY } subject;
typedef enum comparison { EQUAL, DIFFERENT, PREFIX, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL } comparison;

typedef struct parser {
  const char *text;
  const char *at;
  int32_t first;
  tndb_selector *out;
  tndb_buffer word; /* the word or text last read */
  tenantdb_error **error;
} parser;

/* ---------------------------------------------------------------- reading */

static tenantdb_status refuse_at(const parser *p, const char *at, const char *what) {
  int32_t position = 1;
  for (const char *c = p->text; c < at; c++) {
    position += ((unsigned char)*c & 0xC0) != 0x80;
  }
  (void)tndb_origin(p->error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                    "selector, position %d: %s", (int)position, what);
  tndb_server_fields fields = {.position = position};
  tndb_error_set_server(p->error, &fields);
  return TENANTDB_ARGUMENT;
}

static void skip_blanks(parser *p) {
  p->at += strspn(p->at, " \t\r\n");
}

/* Letters and digits of any language, and what slugs, versions and addresses are made of. */
static bool is_word_byte(char c, bool in_value) {
  bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || c == '_' || c == '-' || ((unsigned char)c & 0x80) != 0 ||
         (in_value && c != '\0' && strchr(".:/@+*%#", c));
}

static bool read_word(parser *p, bool in_value) {
  const char *begin = p->at;
  while (is_word_byte(*p->at, in_value)) {
    p->at++;
  }
  tndb_buffer_append_n(&p->word, begin, (size_t)(p->at - begin));
  return p->at > begin;
}

/* A text in quotes, which stand doubled inside it. */
static tenantdb_status read_quoted(parser *p) {
  const char *begin = p->at;
  char quote = *p->at++;
  for (; *p->at; p->at++) {
    if (*p->at == quote && *++p->at != quote) {
      return TENANTDB_OK;
    }
    tndb_buffer_append_char(&p->word, *p->at);
  }
  return refuse_at(p, begin, "the quotes are not closed");
}

/* ---------------------------------------------------------------- conditions */

/* A parameter: copies the text; returns its number, 0 when memory ran out. */
static int32_t add_value(parser *p, const char *text) {
  tndb_selector *out = p->out;
  char *copy = tndb_strdup(text);
  char **bigger = copy ? tndb_realloc(out->values, (size_t)(out->count + 1) * sizeof *bigger) : NULL;
  if (!bigger) {
    tndb_free(copy);
    return 0;
  }
  out->values = bigger;
  out->values[out->count++] = copy;
  return p->first + out->count - 1;
}

typedef struct condition {
  subject on;
  comparison how;
  int32_t path;                /* the parameter that a property's path is */
  tndb_text_array values;      /* as they are compared */
  const char *begin_of_values; /* for mistakes */
} condition;

static tenantdb_status read_property(parser *p, condition *c) {
  tndb_auto_text_array path = TNDB_TEXT_ARRAY_INIT;
  if (*p->at == '"') {
    tndb_buffer_clear(&p->word);
    tenantdb_status status = read_quoted(p);
    if (status) {
      return status;
    }
    tndb_text_array_add(&path, tndb_buffer_text(&p->word));
  } else {
    do { /* the first word is there already */
      if (path.count > 0) {
        p->at++;
        tndb_buffer_clear(&p->word);
        if (!read_word(p, false)) {
          return refuse_at(p, p->at, "the name of a property is expected behind the dot");
        }
      }
      tndb_text_array_add(&path, tndb_buffer_text(&p->word));
    } while (*p->at == '.');
  }
  const char *text = tndb_text_array_finish(&path);
  c->path = text ? add_value(p, text) : 0;
  return c->path ? TENANTDB_OK : tndb_no_memory(p->error);
}

static tenantdb_status read_name(parser *p, condition *c) {
  static const char *const names[] = {"slug", "id", "state", "version"};
  tndb_buffer_clear(&p->word);
  c->on = ON_PROPERTY;
  if (*p->at == '"') {
    return read_property(p, c);
  }
  if (!read_word(p, false)) {
    return refuse_at(p, p->at, "slug, id, state, version or the name of a property is expected");
  }
  if (p->word.failed) {
    return tndb_no_memory(p->error);
  }
  for (size_t i = 0; i < sizeof names / sizeof names[0] && *p->at != '.'; i++) {
    if (strcmp(tndb_buffer_text(&p->word), names[i]) == 0) {
      c->on = (subject)i;
      return TENANTDB_OK;
    }
  }
  if (strcmp(tndb_buffer_text(&p->word), "properties") == 0 && *p->at == '.') {
    p->at++;
    tndb_buffer_clear(&p->word);
    if (*p->at != '"' && !read_word(p, false)) {
      return refuse_at(p, p->at, "the name of a property is expected behind the dot");
    }
  }
  return read_property(p, c);
}

static tenantdb_status read_operator(parser *p, condition *c) {
  static const struct {
    const char *text;
    comparison how;
  } operators[] = {{"=", EQUAL}, {"!=", DIFFERENT},     {"^=", PREFIX}, {"<=", LESS_EQUAL},
                   {"<", LESS},  {">=", GREATER_EQUAL}, {">", GREATER}};
  skip_blanks(p);
  const char *begin = p->at;
  for (size_t i = 0; i < sizeof operators / sizeof operators[0] && p->at == begin; i++) {
    size_t length = strlen(operators[i].text);
    if (strncmp(begin, operators[i].text, length) == 0) {
      c->how = operators[i].how;
      p->at += length;
    }
  }
  if (p->at == begin) {
    return refuse_at(p, begin, "an operator is expected: =, !=, ^=, <, <=, > or >=");
  }
  if (c->how >= LESS && c->on != ON_VERSION) {
    return refuse_at(p, begin, "only versions are compared with <, <=, > and >=");
  }
  if (c->how == PREFIX && c->on != ON_SLUG && c->on != ON_PROPERTY) {
    return refuse_at(p, begin, "^= is for slugs and properties");
  }
  return TENANTDB_OK;
}

/* What was read as a value of the condition, in the form it is compared in. */
static tenantdb_status check_value(parser *p, condition *c, const char *begin) {
  int64_t version;
  char id[TNDB_UUID_TEXT];
  if (p->word.failed) {
    return tndb_no_memory(p->error);
  }
  const char *value = tndb_buffer_text(&p->word);
  switch (c->on) {
    case ON_STATE:
      if (!tndb_tenant_state(value)) {
        return refuse_at(
            p, begin,
            "there is no such state; there are pending, provisioning, active, failed, suspended, "
            "archived and deleting");
      }
      break;
    case ON_VERSION:
      if (!tndb_number_parse(value, &version)) {
        return refuse_at(p, begin, "a version is a whole number");
      }
      break;
    case ON_ID:
      if (!tndb_uuid_parse(value, id)) {
        return refuse_at(p, begin, "an id is a uuid");
      }
      value = id;
      break;
    case ON_SLUG:
      if (p->word.data) {
        tndb_fold_case(p->word.data);
      }
      break;
    case ON_PROPERTY:
      break;
  }
  tndb_text_array_add(&c->values, value);
  return TENANTDB_OK;
}

static tenantdb_status read_values(parser *p, condition *c) {
  tenantdb_status status = TENANTDB_OK;
  do {
    p->at += c->values.count ? 1 : 0; /* the bar */
    skip_blanks(p);
    const char *begin = p->at;
    tndb_buffer_clear(&p->word);
    if (*p->at == '\'') {
      status = read_quoted(p);
    } else if (!read_word(p, true)) {
      status = refuse_at(p, begin, "a value is expected; one with blanks or signs is written in '…'");
    }
    if (!status && c->how >= LESS && c->values.count) {
      status = refuse_at(p, begin, "a comparison has one value");
    }
    if (!status) {
      status = check_value(p, c, begin);
    }
    skip_blanks(p);
  } while (!status && *p->at == '|');
  return status;
}

static void append_subject(parser *p, const condition *c) {
  static const char *const subjects[] = {"lower(t.slug COLLATE \"C\")", "t.id::text", "t.state", "t.version"};
  if (c->on == ON_PROPERTY) {
    tndb_buffer_format(&p->out->sql, "(t.properties #>> $%d::text[])", (int)c->path);
  } else {
    tndb_buffer_append(&p->out->sql, subjects[c->on]);
  }
}

static tenantdb_status write_condition(parser *p, condition *c) {
  static const char *const signs[] = {"", "", "", "<", "<=", ">", ">="};
  tndb_buffer *sql = &p->out->sql;
  const char *values = tndb_text_array_finish(&c->values);
  int32_t number = values ? add_value(p, values) : 0;
  if (!number) {
    return tndb_no_memory(p->error);
  }
  tndb_buffer_append(sql, " AND ");
  if (c->how >= LESS) {
    append_subject(p, c);
    tndb_buffer_format(sql, " %s ($%d::bigint[])[1]", signs[c->how], (int)number);
  } else if (c->how == PREFIX) {
    tndb_buffer_format(sql,
                       "EXISTS (SELECT FROM pg_catalog.unnest($%d::text[]) p WHERE "
                       "pg_catalog.starts_with(",
                       (int)number);
    append_subject(p, c);
    tndb_buffer_append(sql, ", p))");
  } else {
    tndb_buffer_append(sql, c->how == EQUAL ? "coalesce(" : "NOT coalesce(");
    append_subject(p, c);
    tndb_buffer_format(sql, " = ANY ($%d::%s[]), false)", (int)number,
                       c->on == ON_VERSION ? "bigint" : "text");
  }
  return TENANTDB_OK;
}

static tenantdb_status read_condition(parser *p) {
  condition c = {.values = TNDB_TEXT_ARRAY_INIT};
  tenantdb_status status = read_name(p, &c);
  if (!status) {
    status = read_operator(p, &c);
  }
  if (!status) {
    status = read_values(p, &c);
  }
  if (!status) {
    status = write_condition(p, &c);
  }
  p->out->on_state = p->out->on_state || c.on == ON_STATE;
  tndb_text_array_free(&c.values);
  return status;
}

/* Behind a condition: a comma, "and", or the end. */
static tenantdb_status read_joint(parser *p) {
  skip_blanks(p);
  if (*p->at == ',') {
    p->at++;
  } else if (strncmp(p->at, "and", 3) == 0 && !is_word_byte(p->at[3], false)) {
    p->at += 3;
  } else if (*p->at) {
    return refuse_at(p, p->at, "a comma or \"and\" is expected before the next condition");
  } else {
    return TENANTDB_OK;
  }
  skip_blanks(p);
  return *p->at ? TENANTDB_OK : refuse_at(p, p->at, "another condition is expected");
}

tenantdb_status tndb_selector_compile(const char *text, int32_t first, tndb_selector *selector,
                                      tenantdb_error **error) {
  parser p = {text, text, first, selector, TNDB_BUFFER_INIT, error};
  *selector = (tndb_selector){.sql = TNDB_BUFFER_INIT};
  if (!tndb_utf8_valid(text, strlen(text), NULL)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_OPTION_VALUE,
                       "selector: the text is not valid UTF-8");
  }
  tenantdb_status status = TENANTDB_OK;
  tndb_buffer_append(&selector->sql, "true");
  skip_blanks(&p);
  for (int n = 0; !status && *p.at; n++) {
    status = n < MOST_CONDITIONS ? read_condition(&p) : refuse_at(&p, p.at, "there are too many conditions");
    if (!status) {
      status = read_joint(&p);
    }
  }
  if (!status && selector->sql.failed) {
    status = tndb_no_memory(error);
  }
  tndb_buffer_free(&p.word);
  return status;
}

void tndb_selector_free(tndb_selector *selector) {
  for (int32_t i = 0; i < selector->count; i++) {
    tndb_free(selector->values[i]);
  }
  tndb_free(selector->values);
  tndb_buffer_free(&selector->sql);
  *selector = (tndb_selector){.sql = TNDB_BUFFER_INIT};
}

tenantdb_status tndb_selector_check(const char *what, const char *text, tenantdb_error **error) {
  tndb_selector selector;
  tenantdb_status status = tndb_selector_compile(text, 1, &selector, error);
  tndb_selector_free(&selector);
  if (status == TENANTDB_ARGUMENT) {
    tndb_error_prefix(error, "%s", what);
  }
  return status;
}
