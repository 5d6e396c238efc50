/* SPDX-License-Identifier: PostgreSQL */
/* Scripts: split, cleaned, and each statement given to whoever understands it. */
#include "registry/script.h"

#include <string.h>

#include "base/memory.h"
#include "sql/splitter.h"

tenantdb_status tndb_script_expected(const char *what, tenantdb_error **error) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION, "%s is expected", what);
}

tenantdb_status tndb_script_refused(tenantdb_error **error, const char *what, const char *why) {
  return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_SCRIPT_STATEMENT,
                     "%s does not belong in a registry: %s", what, why);
}

void tndb_script_if_not_exists(tndb_script *s) {
  tndb_cursor ahead = s->at;
  if (tndb_cursor_take_words(&ahead, "if", "not") && tndb_cursor_take_word(&ahead, "exists")) {
    s->at = ahead;
  }
}

/* A marker {Base.table} where a name of this base is meant. */
static tenantdb_status own_marker(tndb_script *s, tenantdb_error **error) {
  size_t prefix = strlen(s->base->name);
  char *dot = strchr(s->name.data, '.');
  if (!dot) {
    return TENANTDB_OK;
  }
  if ((size_t)(dot - s->name.data) != prefix || memcmp(s->name.data, s->base->name, prefix) != 0) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                       "{%s} is not of this base; declare it in its own", s->name.data);
  }
  memmove(s->name.data, dot + 1, strlen(dot + 1) + 1);
  s->name.length -= prefix + 1;
  return TENANTDB_OK;
}

tenantdb_status tndb_script_name(tndb_script *s, const char *what, tenantdb_error **error) {
  if (!tndb_cursor_name(&s->at, true, &s->name)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_DECLARATION,
                       "the name of a %s is expected", what);
  }
  if (s->name.failed) {
    return tndb_no_memory(error);
  }
  bool marker = s->at.token.kind == TNDB_TOKEN_MARKER;
  tndb_cursor_advance(&s->at);
  if (tndb_cursor_is(&s->at, '.')) {
    return tndb_origin(
        error, TENANTDB_ARGUMENT, TENANTDB_REASON_SCRIPT_QUALIFIED,
        "%s name qualified with \"%s\": write the name alone, the schema is supplied when it is "
        "created",
        what, tndb_buffer_text(&s->name));
  }
  return marker ? own_marker(s, error) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- dispatch */

/* What a script may not create, with the way out. */
static tenantdb_status refuse_create(const tndb_script *s, tenantdb_error **error) {
  static const struct {
    const char *word;
    const char *what;
    const char *why;
  } refused[] = {
      {"extension", "CREATE EXTENSION",
       "extensions belong to the database, not to a schema; create it once there"},
      {"schema", "CREATE SCHEMA", "schemas are created by the library"},
      {"database", "CREATE DATABASE", "it holds what is inside one schema"},
      {"role", "CREATE ROLE", "roles are created by the library"},
      {"user", "CREATE USER", "roles are created by the library"},
      {"temp", "a temporary object", "it would vanish with the connection that creates it"},
      {"temporary", "a temporary object", "it would vanish with the connection that creates it"},
      {"rule", "CREATE RULE", "use a trigger or a view"},
      {"policy", "CREATE POLICY", "row-level security comes with bases of kind row"},
  };
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    if (tndb_cursor_is_word(&s->at, refused[i].word)) {
      tndb_script_refused(error, refused[i].what, refused[i].why);
      if (i == 0) {
        tndb_error_set_hint(error, "Extensions belong to the database: run CREATE EXTENSION there once.");
      }
      return TENANTDB_ARGUMENT;
    }
  }
  return tndb_origin(
      error, TENANTDB_ARGUMENT, TENANTDB_REASON_SCRIPT_STATEMENT,
      "CREATE %.*s does not belong in a registry: it takes TABLE, INDEX, TYPE, DOMAIN, SEQUENCE, "
      "VIEW, MATERIALIZED VIEW, FUNCTION, PROCEDURE and TRIGGER",
      (int)s->at.token.length, tndb_cursor_text(&s->at));
}

static tenantdb_status create(tndb_script *s, tenantdb_error **error) {
  tndb_cursor *at = &s->at;
  tndb_cursor_take_words(at, "or", "replace");
  tndb_cursor ahead = *at;
  if ((tndb_cursor_take_word(&ahead, "local") || tndb_cursor_take_word(&ahead, "global")) &&
      (tndb_cursor_is_word(&ahead, "temp") || tndb_cursor_is_word(&ahead, "temporary"))) {
    *at = ahead;
  }
  s->unlogged = tndb_cursor_take_word(at, "unlogged");
  s->unique = tndb_cursor_take_word(at, "unique");
  if (tndb_cursor_take_word(at, "index")) {
    return tndb_script_index(s, error);
  }
  if (tndb_cursor_take_word(at, "table")) {
    return tndb_script_table(s, error);
  }
  if (tndb_cursor_take_word(at, "type")) {
    return tndb_script_object(s, TNDB_DDL_TYPE, "type", 0, error);
  }
  if (tndb_cursor_take_word(at, "domain")) {
    return tndb_script_object(s, TNDB_DDL_TYPE, "domain", 0, error);
  }
  if (tndb_cursor_take_word(at, "sequence")) {
    return tndb_script_object(s, TNDB_DDL_SEQUENCE, "sequence", 'S', error);
  }
  if (tndb_cursor_take_word(at, "view") || tndb_cursor_take_words(at, "recursive", "view")) {
    return tndb_script_object(s, TNDB_DDL_VIEW, "view", 'v', error);
  }
  if (tndb_cursor_take_words(at, "materialized", "view")) {
    return tndb_script_object(s, TNDB_DDL_VIEW, "materialized view", 'm', error);
  }
  if (tndb_cursor_take_word(at, "function") || tndb_cursor_take_word(at, "procedure")) {
    return tndb_script_object(s, TNDB_DDL_FUNCTION, "function", 0, error);
  }
  if (tndb_cursor_take_word(at, "trigger") || tndb_cursor_take_words(at, "constraint", "trigger")) {
    return tndb_script_object(s, TNDB_DDL_TRIGGER, "trigger", 0, error);
  }
  return refuse_create(s, error);
}

static tenantdb_status refuse_verb(const tndb_script *s, tenantdb_error **error) {
  static const struct {
    const char *word;
    const char *why;
  } verbs[] = {
      {"drop", "it says what should exist; leave the declaration out instead"},
      {"grant",
       "grants on shared tables are declared with tenantdb_base_grant() and tenantdb_table_grant(), "
       "tenants may use their own tables anyway"},
      {"revoke", "privileges are given by the library"},
      {"set", "the library sets what a schema's creation needs"},
      {"insert", "it holds no data"},
      {"update", "it holds no data"},
      {"delete", "it holds no data"},
      {"copy", "it holds no data"},
      {"truncate", "it holds no data"},
      {"select", "it holds no queries"},
      {"with", "it holds no queries"},
      {"begin", "everything is created in one transaction of the library's"},
      {"commit", "everything is created in one transaction of the library's"},
      {"rollback", "everything is created in one transaction of the library's"},
      {"do", "it says what should exist, and code that runs once can leave anything behind"},
  };
  tndb_auto_free char *word = tndb_strndup(tndb_cursor_text(&s->at), s->at.token.length);
  if (!word) {
    return tndb_no_memory(error);
  }
  for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
    if (tndb_cursor_is_word(&s->at, verbs[i].word)) {
      return tndb_script_refused(error, word, verbs[i].why);
    }
  }
  return tndb_script_refused(error, word, "it takes CREATE, COMMENT ON and ALTER TABLE or SEQUENCE");
}

static tenantdb_status statement(tndb_script *s, tenantdb_error **error) {
  if (tndb_cursor_take_word(&s->at, "create")) {
    return create(s, error);
  }
  if (tndb_cursor_take_words(&s->at, "comment", "on")) {
    return tndb_script_comment(s, error);
  }
  if (tndb_cursor_take_word(&s->at, "alter")) {
    return tndb_script_alter(s, error);
  }
  return refuse_verb(s, error);
}

static void declare(tenantdb_base *base, const tndb_piece *piece) {
  tenantdb_error *mistake = NULL;
  tndb_script s = {.base = base, .dialect = {piece->line, true}};
  s.place = (tndb_place){.base = base, .line = piece->line};
  char *text;
  if (tndb_fragment_clean(piece->text, piece->length, &text, &mistake) == TENANTDB_OK) {
    s.text = text;
    tndb_cursor_start(&s.at, text, strlen(text), piece->line);
    statement(&s, &mistake);
  }
  tndb_registry_keep(base->registry, &s.place, mistake);
  tndb_buffer_free(&s.name);
  tndb_free(text);
}

void tenantdb_base_sql(tenantdb_base *base, const char *script) {
  if (!base || !tndb_registry_open_for(base->registry)) {
    return;
  }
  tenantdb_error *mistake = NULL;
  tndb_place place = {.base = base, .what = "script"};
  if (!script) {
    tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the script is NULL");
    tndb_registry_keep(base->registry, &place, mistake);
    return;
  }
  tndb_splitter splitter;
  tndb_piece piece;
  tndb_splitter_start(&splitter, script, strlen(script), true);
  while (tndb_splitter_next(&splitter, &piece)) {
    declare(base, &piece);
  }
  if (splitter.lexer.mistake) {
    place = (tndb_place){.base = base, .line = splitter.mistake_line};
    tndb_fragment_lexer_error(&splitter.lexer, &mistake);
    tndb_registry_keep(base->registry, &place, mistake);
  }
}
