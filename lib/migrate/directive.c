/* SPDX-License-Identifier: PostgreSQL */
/* Directives: lines "-- tenantdb:WORD VALUE" at the head of a migration. */
#include <string.h>

#include "base/nearest.h"
#include "config/property.h"
#include "migrate/change_kinds.h"
#include "migrate/lint.h"
#include "migrate/marker.h"

#define MOST_LOCK_TIMEOUT_MS (INT64_C(24) * 3600 * 1000)

typedef struct words {
  const char *text;
  size_t length;
} words;

static bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

static words take(words *rest, char separator) {
  size_t start = 0;
  while (start < rest->length && (is_blank(rest->text[start]) || rest->text[start] == separator)) {
    start++;
  }
  size_t end = start;
  while (end < rest->length && !is_blank(rest->text[end]) && rest->text[end] != separator) {
    end++;
  }
  words word = {rest->text + start, end - start};
  rest->text += end;
  rest->length -= end;
  return word;
}

static bool is(words word, const char *text) {
  return word.length == strlen(text) && memcmp(word.text, text, word.length) == 0;
}

static int shown(words word) {
  return (int)(word.length < 60 ? word.length : 60);
}

static tenantdb_status refuse_value(const tndb_remark *remark, const char *name, words value,
                                    const char *form, tenantdb_error **error) {
  return tndb_source_refuse(error, remark->file, remark->line, "directive %s: \"%.*s\" is %s", name,
                            shown(value), value.text, form);
}

static tenantdb_status set_tx(const tndb_remark *remark, words value, tndb_layout *layout,
                              tenantdb_error **error) {
  if (!is(value, "none")) {
    return refuse_value(remark, "tx", value,
                        "not none, which is all there is to say: otherwise a file is one transaction", error);
  }
  layout->tx_none = layout->tx_said = layout->down_tx_none = true;
  return TENANTDB_OK;
}

static tenantdb_status set_lock_timeout(const tndb_remark *remark, words value, tndb_layout *layout,
                                        tenantdb_error **error) {
  char text[24] = "";
  int64_t timeout = -1;
  bool fits = value.length > 0 && value.length < sizeof text;
  memcpy(text, value.text, fits ? value.length : 0);
  /* PostgreSQL takes a bare number for milliseconds, and this library elsewhere for seconds. */
  bool bare = fits && text[strspn(text, "0123456789")] == '\0' && !is(value, "0");
  if (!fits || bare || !tndb_duration_parse(text, &timeout) || timeout < 0 ||
      timeout > MOST_LOCK_TIMEOUT_MS) {
    return refuse_value(
        remark, "lock_timeout", value,
        "no duration from 1ms to 1d with its unit, such as 3s, and not 0, for waiting for ever", error);
  }
  layout->lock_timeout_ms = timeout;
  return TENANTDB_OK;
}

static tenantdb_status set_requires(const tndb_remark *remark, words value, tndb_layout *layout,
                                    tenantdb_error **error) {
  return tndb_source_version(value.text, value.length, &layout->requires)
             ? TENANTDB_OK
             : refuse_value(remark, "requires", value,
                            "no version: digits, as the name of a file in the shared stream begins with",
                            error);
}

static tenantdb_status set_nolint(const tndb_remark *remark, words list, tndb_layout *layout,
                                  tenantdb_error **error) {
  words rule = take(&list, ',');
  if (rule.length == 0) {
    return refuse_value(remark, "nolint", rule, "no rule: name those that are off", error);
  }
  for (; rule.length; rule = take(&list, ',')) {
    tndb_lint_rule which = tndb_lint_rule_of(rule.text, rule.length);
    if (which == TNDB_LINT_N_RULES) {
      char name[40] = "";
      memcpy(name, rule.text, rule.length < sizeof name ? rule.length : sizeof name - 1);
      tndb_nearest nearest = TNDB_NEAREST_INIT(name);
      for (int i = 0; i < TNDB_LINT_N_RULES; i++) {
        tndb_nearest_try(&nearest, tndb_lint_kinds[i].name);
      }
      return tndb_source_refuse(error, remark->file, remark->line,
                                "directive nolint: there is no rule \"%.*s\"%s%s%s", shown(rule), rule.text,
                                nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
                                nearest.best ? "\"?" : "");
    }
    if (which < TNDB_LINT_N_REFUSALS) {
      return tndb_source_refuse(
          error, remark->file, remark->line,
          "directive nolint: the rule %s cannot be switched off: what breaks it cannot work",
          tndb_lint_kinds[which].name);
    }
    layout->nolint |= UINT64_C(1) << which;
  }
  return TENANTDB_OK;
}

static tenantdb_status set_checkpoint(const tndb_remark *remark, words value, tndb_layout *layout,
                                      tenantdb_error **error) {
  if (value.length) {
    return refuse_value(remark, "checkpoint", value, "too much: it stands alone", error);
  }
  layout->checkpoint = true;
  return TENANTDB_OK;
}

static const struct {
  const char *name;
  tenantdb_status (*set)(const tndb_remark *, words, tndb_layout *, tenantdb_error **);
} directives[] = {{"tx", set_tx},
                  {"lock_timeout", set_lock_timeout},
                  {"requires", set_requires},
                  {"nolint", set_nolint},
                  {"checkpoint", set_checkpoint}};
#define N_DIRECTIVES (sizeof directives / sizeof directives[0])

static tenantdb_status unknown(const tndb_remark *remark, words name, tenantdb_error **error) {
  char text[40] = "";
  memcpy(text, name.text, name.length < sizeof text ? name.length : sizeof text - 1);
  tndb_nearest nearest = TNDB_NEAREST_INIT(text);
  for (size_t i = 0; i < N_DIRECTIVES; i++) {
    tndb_nearest_try(&nearest, directives[i].name);
  }
  tndb_nearest_try(&nearest, "change");
  return tndb_source_refuse(
      error, remark->file, remark->line,
      "there is no directive \"tenantdb:%.*s\"%s%s%s; there are tx, lock_timeout, requires, "
      "nolint, checkpoint and change",
      shown(name), name.text, nearest.best ? "; did you mean \"" : "", nearest.best ? nearest.best : "",
      nearest.best ? "\"?" : "");
}

tenantdb_status tndb_directive_read(const tndb_remark *remark, tndb_layout *layout, tenantdb_error **error) {
  size_t prefix = strlen("tenantdb:");
  words rest = {remark->text + prefix, remark->length - prefix};
  words name = take(&rest, ' ');
  while (rest.length && is_blank(*rest.text)) {
    rest.text++;
    rest.length--;
  }
  if (is(name, "change")) {
    return tndb_directive_refuse_form(remark, error); /* one that is well written does not come here */
  }
  for (size_t i = 0; i < N_DIRECTIVES; i++) {
    if (!is(name, directives[i].name)) {
      continue;
    }
    if (!remark->leading) {
      return tndb_source_refuse(error, remark->file, remark->line,
                                "the directive %s stands at the head of a file, before its first statement",
                                directives[i].name);
    }
    return directives[i].set(remark, rest, layout, error);
  }
  return unknown(remark, name, error);
}

/* ---------------------------------------------------------------- what was meant for one */

static bool is_change(words kind) {
  for (const tndb_change_kind *known = tndb_change_kinds; known->name; known++) {
    if (is(kind, known->name)) {
      return true;
    }
  }
  return false;
}

static bool is_any_case(words word, const char *text) {
  tndb_remark remark = {.text = word.text, .length = word.length};
  return word.length == strlen(text) && tndb_remark_begins(&remark, text);
}

/* Behind "tenantdb" and whatever stands for a colon. */
static bool is_order(const tndb_remark *remark, words rest) {
  words name = take(&rest, ':');
  words value = take(&rest, ':');
  int64_t version = 0;
  if (is_any_case(name, "change")) {
    return is_change(value);
  }
  return remark->leading &&
         ((is_any_case(name, "tx") && is_any_case(value, "none")) ||
          (is_any_case(name, "lock_timeout") && value.length > 0) ||
          (is_any_case(name, "requires") && tndb_source_version(value.text, value.length, &version)) ||
          (is_any_case(name, "nolint") && tndb_lint_rule_of(value.text, value.length) < TNDB_LINT_N_RULES) ||
          (is_any_case(name, "checkpoint") && value.length == 0));
}

bool tndb_directive_is_meant(const tndb_remark *remark) {
  const size_t prefix = strlen("tenantdb");
  words rest = {remark->text + prefix, remark->length - prefix};
  return tndb_remark_begins(remark, "tenantdb") && is_order(remark, rest);
}

tenantdb_status tndb_directive_refuse_form(const tndb_remark *remark, tenantdb_error **error) {
  const size_t prefix = strlen("tenantdb");
  words rest = {remark->text + prefix, remark->length - prefix};
  words name = take(&rest, ':');
  words value = take(&rest, ':');
  return tndb_source_refuse(
      error, remark->file, remark->line,
      "\"-- %.*s\" is a remark, and looks as if it were to be more: write -- tenantdb:%.*s%s%.*s, with the "
      "colon and in small letters, or reword it",
      shown((words){remark->text, remark->length}), remark->text, shown(name), name.text,
      value.length ? " " : "", shown(value), value.text);
}
