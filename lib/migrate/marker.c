/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/marker.h"

#include <string.h>

#include "base/memory.h"
#include "migrate/change.h"
#include "sql/lexer.h"

typedef enum section { BEFORE, UP, DOWN } section;

/* Going through the tokens of a file. */
typedef struct scan {
  const char *file;
  const char *text;
  size_t length;
  tndb_layout *layout;
  section section;
  size_t start; /* of the stretch that is open */
  int32_t start_line;
  int32_t first_line; /* of the first token that is no comment, 0 before it */
  int32_t block_line; /* of an open StatementBegin, 0 when there is none */
  bool between;
  bool leading;
  bool copying; /* a statement that begins with COPY */
  bool towards; /* its last word was FROM or TO */
} scan;

void tndb_layout_clear(tndb_layout *layout) {
  tndb_free(layout->stretches);
  layout->stretches = NULL;
  layout->count = 0;
}

static bool is_blank(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool continues(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool tndb_remark_begins(const tndb_remark *remark, const char *word) {
  size_t length = strlen(word);
  if (length > remark->length) {
    return false;
  }
  for (size_t i = 0; i < length; i++) {
    if (lower(remark->text[i]) != lower(word[i])) {
      return false;
    }
  }
  return length == remark->length || !continues(word[length - 1]) || !continues(remark->text[length]);
}

/* ---------------------------------------------------------------- stretches */

static tenantdb_status close_stretch(scan *s, size_t end, bool change, tenantdb_error **error) {
  tndb_layout *layout = s->layout;
  if (end == s->start) {
    return TENANTDB_OK;
  }
  tndb_stretch_of_file *more =
      tndb_realloc(layout->stretches, (layout->count + 1) * sizeof(tndb_stretch_of_file));
  if (!more) {
    return tndb_no_memory(error);
  }
  layout->stretches = more;
  more[layout->count++] = (tndb_stretch_of_file){s->start, end, s->start_line, s->section == DOWN, change};
  return TENANTDB_OK;
}

/* What follows the token is another stretch. */
static void open_stretch(scan *s, const tndb_token *token) {
  s->start = token->offset + token->length;
  s->start_line = token->line;
  s->between = true;
}

static tenantdb_status cut(scan *s, const tndb_token *token, tenantdb_error **error) {
  tenantdb_status status = close_stretch(s, token->offset, false, error);
  open_stretch(s, token);
  return status;
}

/* ---------------------------------------------------------------- sections of other tools */

static const char *tool_name(tndb_naming tool) {
  return tool == TNDB_NAMING_GOOSE ? "goose" : "dbmate";
}

static tenantdb_status claim(scan *s, tndb_naming tool, int32_t line, tenantdb_error **error) {
  if (s->layout->tool != TNDB_NAMING_TENANTDB && s->layout->tool != tool) {
    return tndb_source_refuse(error, s->file, line, "it has markers of both %s and %s; keep those of one",
                              tool_name(s->layout->tool), tool_name(tool));
  }
  s->layout->tool = tool;
  return TENANTDB_OK;
}

static tenantdb_status begin_up(scan *s, const tndb_token *token, tenantdb_error **error) {
  if (s->layout->has_up || s->layout->has_down) {
    return tndb_source_refuse(error, s->file, token->line,
                              "a second section for the way there; a file has one, before the way back");
  }
  if (s->first_line) {
    return tndb_source_refuse(
        error, s->file, s->first_line,
        "SQL stands before the file's first section, where it would not be run; move it "
        "behind the marker in line %d",
        (int)token->line);
  }
  /* Changes of tables before it have been kept, but nothing else can have been. */
  open_stretch(s, token);
  s->section = UP;
  s->layout->has_up = true;
  s->layout->up_start = token->offset + token->length;
  s->layout->up_end = s->length;
  return TENANTDB_OK;
}

static tenantdb_status begin_down(scan *s, const tndb_token *token, tenantdb_error **error) {
  if (!s->layout->has_up || s->layout->has_down) {
    return tndb_source_refuse(error, s->file, token->line,
                              s->layout->has_down
                                  ? "a second section for the way back; a file has at most one"
                                  : "the way back stands before the way there");
  }
  tenantdb_status status = cut(s, token, error);
  s->section = DOWN;
  s->layout->has_down = true;
  s->layout->up_end = token->offset;
  s->layout->down_start = token->offset + token->length;
  s->layout->down_end = s->length;
  return status;
}

static tenantdb_status goose_block(scan *s, bool begin, const tndb_token *token, tenantdb_error **error) {
  if (s->section == BEFORE) {
    return tndb_source_refuse(error, s->file, token->line,
                              "StatementBegin and StatementEnd stand in a section");
  }
  if (begin && s->block_line) {
    return tndb_source_refuse(error, s->file, token->line,
                              "StatementBegin inside of the one in line %d; end that first",
                              (int)s->block_line);
  }
  if (!begin && !s->block_line) {
    return tndb_source_refuse(error, s->file, token->line, "StatementEnd without a StatementBegin");
  }
  s->block_line = begin ? token->line : 0;
  return cut(s, token, error);
}

/* Behind "+goose". */
static tenantdb_status goose(scan *s, const tndb_remark *remark, const tndb_token *token,
                             tenantdb_error **error) {
  tndb_remark order = *remark;
  size_t skip = strlen("+goose");
  while (skip < order.length && is_blank(order.text[skip])) {
    skip++;
  }
  order.text += skip;
  order.length -= skip;
  tenantdb_status status = claim(s, TNDB_NAMING_GOOSE, remark->line, error);
  bool up = tndb_remark_begins(&order, "up") && order.length == 2;
  bool down = tndb_remark_begins(&order, "down") && order.length == 4;
  if (!status && (up || down) && s->block_line) {
    return tndb_source_refuse(error, s->file, remark->line,
                              "the StatementBegin in line %d has no StatementEnd", (int)s->block_line);
  }
  if (status) {
    return status;
  }
  if (up || down) {
    return up ? begin_up(s, token, error) : begin_down(s, token, error);
  }
  bool begin = tndb_remark_begins(&order, "statementbegin");
  if (begin || tndb_remark_begins(&order, "statementend")) {
    return goose_block(s, begin, token, error);
  }
  if (tndb_remark_begins(&order, "no transaction")) {
    s->layout->tx_none = s->layout->tx_said = s->layout->down_tx_none = true;
    return TENANTDB_OK;
  }
  return tndb_source_refuse(
      error, s->file, remark->line,
      "the marker \"%.*s\" %s; there are Up, Down, StatementBegin, StatementEnd and NO TRANSACTION",
      (int)(remark->length < 60 ? remark->length : 60), remark->text,
      tndb_remark_begins(&order, "envsub")
          ? "would put variables of the environment into the text, which is not "
            "done here: write what is meant"
          : "of goose is not known");
}

/* transaction:true, transaction:false. */
static tenantdb_status dbmate_options(scan *s, const tndb_remark *remark, size_t at, bool down,
                                      tenantdb_error **error) {
  while (at < remark->length) {
    size_t end = at;
    while (end < remark->length && !is_blank(remark->text[end])) {
      end++;
    }
    const char *option = remark->text + at;
    bool no = end - at == 17 && memcmp(option, "transaction:false", 17) == 0;
    bool yes = end - at == 16 && memcmp(option, "transaction:true", 16) == 0;
    if (end > at && !no && !yes) {
      return tndb_source_refuse(error, s->file, remark->line,
                                "\"%.*s\" is no option of a section of dbmate that is known here; there is "
                                "transaction:false",
                                (int)(end - at < 60 ? end - at : 60), option);
    }
    if (no && down) {
      s->layout->down_tx_none = true;
    } else if (no) {
      s->layout->tx_none = s->layout->tx_said = true;
    }
    for (at = end; at < remark->length && is_blank(remark->text[at]);) {
      at++;
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status dbmate(scan *s, const tndb_remark *remark, const tndb_token *token,
                              tenantdb_error **error) {
  bool up = tndb_remark_begins(remark, "migrate:up");
  bool down = tndb_remark_begins(remark, "migrate:down");
  if (!up && !down) {
    return tndb_source_refuse(
        error, s->file, remark->line,
        "the marker \"%.*s\" of dbmate is not known; there are migrate:up and migrate:down",
        (int)(remark->length < 60 ? remark->length : 60), remark->text);
  }
  tenantdb_status status = claim(s, TNDB_NAMING_DBMATE, remark->line, error);
  if (!status) {
    status = up ? begin_up(s, token, error) : begin_down(s, token, error);
  }
  return status ? status : dbmate_options(s, remark, strlen(up ? "migrate:up" : "migrate:down"), down, error);
}

static tenantdb_status atlas(scan *s, const tndb_remark *remark, tenantdb_error **error) {
  if (tndb_remark_begins(remark, "atlas:nolint") || tndb_remark_begins(remark, "atlas:import")) {
    bool lint = tndb_remark_begins(remark, "atlas:nolint");
    return lint ? TENANTDB_OK
                : tndb_source_refuse(error, s->file, remark->line, "atlas:import is not known here");
  }
  bool none = tndb_remark_begins(remark, "atlas:txmode none");
  bool one =
      tndb_remark_begins(remark, "atlas:txmode file") || tndb_remark_begins(remark, "atlas:txmode all");
  bool checkpoint = tndb_remark_begins(remark, "atlas:checkpoint");
  if (!none && !one && !checkpoint) {
    return tndb_source_refuse(
        error, s->file, remark->line,
        "the directive \"%.*s\" of atlas is not known here; there are txmode, checkpoint "
        "and nolint",
        (int)(remark->length < 60 ? remark->length : 60), remark->text);
  }
  if (!remark->leading) {
    return tndb_source_refuse(
        error, s->file, remark->line,
        "a directive of atlas stands at the head of a file, before its first statement");
  }
  s->layout->tx_none = s->layout->tx_none || none;
  s->layout->tx_said = s->layout->tx_said || none || one;
  s->layout->checkpoint = s->layout->checkpoint || checkpoint;
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- comments */

/* Whether nothing stands before it on its line, but what Play writes there. */
static bool is_first(const scan *s, size_t offset) {
  while (offset > 0 &&
         (s->text[offset - 1] == ' ' || s->text[offset - 1] == '\t' || s->text[offset - 1] == '#')) {
    offset--;
  }
  return offset == 0 || s->text[offset - 1] == '\n';
}

static tenantdb_status own(scan *s, const tndb_remark *remark, const tndb_token *token,
                           tenantdb_error **error) {
  const char *text = s->text + token->offset;
  if (text[0] != '-') {
    return tndb_source_refuse(error, s->file, remark->line, "a directive is a line that begins with --");
  }
  if (!remark->first) {
    return tndb_source_refuse(error, s->file, remark->line, "a directive is a line of its own");
  }
  if (!tndb_change_is_line(text, token->length)) {
    return tndb_directive_read(remark, s->layout, error);
  }
  if (!remark->between) {
    return tndb_source_refuse(error, s->file, remark->line,
                              "a change stands inside of a statement; is a semicolon missing before it?");
  }
  tenantdb_status status = close_stretch(s, token->offset, false, error);
  s->start = token->offset;
  s->start_line = token->line;
  status = status ? status : close_stretch(s, token->offset + token->length, true, error);
  open_stretch(s, token);
  s->leading = false;
  s->first_line = s->first_line ? s->first_line : token->line;
  return status;
}

static tenantdb_status comment(scan *s, const tndb_token *token, tenantdb_error **error) {
  const char *text = s->text + token->offset;
  size_t start = 2, end = token->length - (text[0] == '/' ? 2 : 0);
  while (start < end && is_blank(text[start])) {
    start++;
  }
  while (end > start && is_blank(text[end - 1])) {
    end--;
  }
  tndb_remark remark = {s->file,    token->line, text + start, end - start, is_first(s, token->offset),
                        s->between, s->leading};
  if (tndb_remark_begins(&remark, "tenantdb:")) {
    return memcmp(remark.text, "tenantdb:", 9) == 0 ? own(s, &remark, token, error)
                                                    : tndb_directive_refuse_form(&remark, error);
  }
  if (remark.first && remark.between && tndb_directive_is_meant(&remark)) {
    return tndb_directive_refuse_form(&remark, error);
  }
  if (!remark.first || memchr(remark.text, '\n', remark.length)) {
    return TENANTDB_OK;
  }
  if (text[0] == '-' && tndb_remark_begins(&remark, "+goose")) {
    return goose(s, &remark, token, error);
  }
  if (text[0] == '-' && tndb_remark_begins(&remark, "migrate:")) {
    return dbmate(s, &remark, token, error);
  }
  if (text[0] == '-' && tndb_remark_begins(&remark, "atlas:")) {
    return atlas(s, &remark, error);
  }
  return tndb_marker_refuse_unknown(&remark, error);
}

/* ---------------------------------------------------------------- everything else */

/* What psql reads and the server does not, before it makes nonsense of what follows. */
static tenantdb_status statement(scan *s, const tndb_token *token, tenantdb_error **error) {
  const char *text = s->text;
  if (tndb_token_is_char(text, token, '#')) {
    return TENANTDB_OK;
  }
  if (tndb_token_is_char(text, token, '\\')) {
    return tndb_source_refuse(
        error, s->file, token->line,
        "a command of psql that begins with \\ is not SQL, and no server knows it; write "
        "the SQL it stands for");
  }
  bool ends = tndb_token_is_char(text, token, ';');
  if (s->between && !ends) {
    s->copying = tndb_token_is_word(text, token, "copy");
  }
  if (s->copying && s->towards &&
      (tndb_token_is_word(text, token, "stdin") || tndb_token_is_word(text, token, "stdout"))) {
    return tndb_source_refuse(
        error, s->file, token->line,
        "COPY from or to the client has no place in a migration: there is nobody to send "
        "the rows; write INSERT, or load them with tenantdb_session_copy_in()");
  }
  s->towards = tndb_token_is_word(text, token, "from") || tndb_token_is_word(text, token, "to");
  s->first_line = s->first_line ? s->first_line : token->line;
  s->leading = false;
  s->between = ends;
  return TENANTDB_OK;
}

static tenantdb_status finish(scan *s, tenantdb_error **error) {
  tndb_layout *layout = s->layout;
  if (s->block_line) {
    return tndb_source_refuse(error, s->file, s->block_line, "this StatementBegin has no StatementEnd");
  }
  if (layout->tool != TNDB_NAMING_TENANTDB && !layout->has_up) {
    return tndb_source_refuse(error, s->file, 1,
                              "it has markers of %s, but not the one that the way there "
                              "begins with (%s)",
                              tool_name(layout->tool),
                              layout->tool == TNDB_NAMING_GOOSE ? "-- +goose Up" : "-- migrate:up");
  }
  if (!layout->has_up) {
    layout->up_end = s->length;
  }
  return close_stretch(s, s->length, false, error);
}

tenantdb_status tndb_layout_read(const char *file, const char *text, size_t length, tndb_layout *layout,
                                 tenantdb_error **error) {
  *layout = (tndb_layout){.tool = TNDB_NAMING_TENANTDB, .lock_timeout_ms = -1};
  scan s = {.file = file, .text = text, .length = length, .layout = layout, .start_line = 1};
  s.between = s.leading = true;
  tndb_lexer lexer;
  tndb_token token;
  tndb_lexer_start(&lexer, text, length, false);
  tenantdb_status status = TENANTDB_OK;
  while (!status && tndb_lexer_raw(&lexer, &token)) {
    status = token.kind == TNDB_TOKEN_COMMENT ? comment(&s, &token, error) : statement(&s, &token, error);
  }
  if (!status && token.kind == TNDB_TOKEN_ERROR) {
    status = tndb_source_refuse(error, file, token.line, "%s", lexer.mistake);
  }
  return status ? status : finish(&s, error);
}
