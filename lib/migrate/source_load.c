/* SPDX-License-Identifier: PostgreSQL */
/* A folder becomes migrations of a set. */
#include <string.h>

#include "base/memory.h"
#include "config/property.h"
#include "migrate/source.h"
#include "migrate/sums.h"

static const char *const tools[TNDB_N_NAMINGS] = {"no tool",        "tenantdb", "Flyway",
                                                  "golang-migrate", "goose",    "dbmate"};

/* What is known of a stream's files before they are taken. */
typedef struct loading {
  tenantdb_migrations *set;
  const tndb_source_files *files;
  tndb_file_name *names; /* of each file */
  tndb_naming tool;      /* whose files they are; AUTO while none told */
  const char *told;      /* the file that did */
} loading;

/* ---------------------------------------------------------------- Flyway's .conf */

typedef struct conf {
  int32_t tx;
  bool placeholders;
} conf;

static bool is(const char *text, size_t length, const char *word) {
  return length == strlen(word) && memcmp(text, word, length) == 0;
}

static tenantdb_status read_conf_line(const tndb_source_file *file, int32_t number, const char *line,
                                      size_t length, conf *out, tenantdb_error **error) {
  const char *equals = memchr(line, '=', length);
  size_t key = equals ? (size_t)(equals - line) : length, value = key + 1;
  while (key > 0 && line[key - 1] == ' ') {
    key--;
  }
  while (value < length && line[value] == ' ') {
    value++;
  }
  size_t value_length = equals ? length - value : 0;
  bool yes = equals && is(line + value, value_length, "true"),
       no = equals && is(line + value, value_length, "false");
  if (is(line, key, "executeInTransaction") && (yes || no)) {
    out->tx = yes ? TNDB_TX_TRANSACTION : TNDB_TX_NONE;
    return TENANTDB_OK;
  }
  if (is(line, key, "placeholderReplacement") && no) {
    out->placeholders = true;
    return TENANTDB_OK;
  }
  if (is(line, key, "encoding") && equals && is(line + value, value_length, "UTF-8")) {
    return TENANTDB_OK;
  }
  return tndb_source_refuse(error, file->path, number,
                            "\"%.*s\" is not understood; there are executeInTransaction=true or false, "
                            "placeholderReplacement=false and encoding=UTF-8",
                            (int)(length < 60 ? length : 60), line);
}

static tenantdb_status read_conf(const tndb_source_file *file, conf *out, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  int32_t number = 1;
  for (const char *at = file->text; *at && !status; number++) {
    const char *end = strchr(at, '\n');
    size_t length = end ? (size_t)(end - at) : strlen(at), blanks = strspn(at, " \t");
    const char *next = at + length + (end != NULL);
    while (length > blanks && (at[length - 1] == ' ' || at[length - 1] == '\t')) {
      length--;
    }
    if (length > blanks && at[blanks] != '#') {
      status = read_conf_line(file, number, at + blanks, length - blanks, out, error);
    }
    at = next;
  }
  return status;
}

/* What stands beside a file, if anything does. */
static tenantdb_status find_conf(const loading *l, const tndb_source_file *file, conf *out,
                                 tenantdb_error **error) {
  size_t length = strlen(file->path);
  for (size_t i = 0; i < l->files->count; i++) {
    const tndb_source_file *beside = &l->files->items[i];
    if (l->names[i].part == TNDB_PART_CONF && strncmp(beside->path, file->path, length) == 0 &&
        strcmp(beside->path + length, ".conf") == 0) {
      return read_conf(beside, out, error);
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status check_confs(const loading *l, tenantdb_error **error) {
  for (size_t i = 0; i < l->files->count; i++) {
    const tndb_source_file *file = &l->files->items[i];
    size_t length = strlen(file->path);
    if (l->names[i].part != TNDB_PART_CONF) {
      continue;
    }
    /* Sorted by their bytes, V1__x.sql comes right before V1__x.sql.conf. */
    const tndb_source_file *before = i ? file - 1 : NULL;
    if (!before || strlen(before->path) + 5 != length || strncmp(before->path, file->path, length - 5) != 0) {
      return tndb_source_refuse(error, file->path, 0, "there is no file that it belongs to");
    }
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- whose files they are */

static tenantdb_status mixed(const loading *l, const char *path, tndb_naming tool, tenantdb_error **error) {
  return tndb_source_refuse(
      error, path, 0,
      "it is a file of %s, and %s is one of %s; keep files of different tools in folders of "
      "their own, each read by tenantdb_migrations_load_stream()",
      tools[tool], l->told, tools[l->tool]);
}

static tenantdb_status tell_tool(loading *l, const char *path, tndb_naming tool, tenantdb_error **error) {
  if (tool == TNDB_NAMING_AUTO || tool == l->tool) {
    return TENANTDB_OK;
  }
  if (l->tool != TNDB_NAMING_AUTO) {
    return mixed(l, path, tool, error);
  }
  l->tool = tool;
  l->told = path;
  return TENANTDB_OK;
}

static tenantdb_status read_names(loading *l, tndb_stream stream, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  l->tool = TNDB_NAMING_AUTO;
  for (size_t i = 0; i < l->files->count && !status; i++) {
    const tndb_source_file *file = &l->files->items[i];
    if (file->stream == stream) {
      status = tndb_source_name(file, &l->set->options, &l->names[i], error);
      status = status ? status : tell_tool(l, file->path, l->names[i].naming, error);
    }
  }
  return status;
}

/* ---------------------------------------------------------------- taking them */

static tenantdb_status take(loading *l, size_t i, tenantdb_error **error) {
  const tndb_source_file *file = &l->files->items[i];
  const tndb_file_name *name = &l->names[i];
  bool repeatable = name->kind == TNDB_MIGRATION_REPEATABLE;
  /* Names that several tools have mean what the others in the folder mean. */
  bool shared_name = name->naming == TNDB_NAMING_AUTO && (name->part == TNDB_PART_DOWN || repeatable);
  bool by_name = l->tool == TNDB_NAMING_FLYWAY || l->tool == TNDB_NAMING_GOLANG_MIGRATE;
  char *title = tndb_strndup(name->title, name->title_length);
  conf beside = {TNDB_TX_UNSAID, false};
  tenantdb_status status = title ? find_conf(l, file, &beside, error) : tndb_no_memory(error);
  tndb_source source = {.stream = file->stream,
                        .kind = name->kind,
                        .version = name->version,
                        .title = title,
                        .name = repeatable ? title : "",
                        .file = file->path,
                        .text = file->text,
                        .length = file->length,
                        .naming = shared_name ? (by_name ? l->tool : TNDB_NAMING_TENANTDB) : name->naming,
                        .strict = l->set->options.naming != TNDB_NAMING_AUTO,
                        .tx = beside.tx,
                        .placeholders = beside.placeholders};
  if (!status && name->part == TNDB_PART_DOWN) {
    status = tndb_source_take_down(l->set, &source, error);
  } else if (!status) {
    tndb_naming tool = TNDB_NAMING_AUTO;
    status = tndb_source_take(l->set, &source, &tool, error);
    status = status || shared_name ? status : tell_tool(l, file->path, tool, error);
  }
  tndb_free(title);
  return status;
}

static tenantdb_status load_stream(loading *l, tndb_stream stream, tenantdb_error **error) {
  tenantdb_status status = read_names(l, stream, error);
  for (size_t i = 0; i < l->files->count && !status; i++) {
    if (l->files->items[i].stream == stream && l->names[i].part != TNDB_PART_CONF) {
      status = take(l, i, error);
    }
  }
  return status;
}

static tenantdb_status check_sums(const tenantdb_migrations *set, const char *folder,
                                  const tndb_source_files *files, tenantdb_error **error) {
  if (set->options.sums == TNDB_SUMS_IGNORE || (!files->sums && set->options.sums == TNDB_SUMS_CHECK)) {
    return TENANTDB_OK;
  }
  if (!files->sums) {
    return tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_SUMS_DIFFER,
                       "%s: there is no file tenantdb.sum, and option sums requires it; write it with "
                       "tenantdb_migrations_hash()",
                       folder);
  }
  return tndb_sums_compare(files, error);
}

static tenantdb_status load_files(tenantdb_migrations *set, const char *folder,
                                  const tndb_source_files *files, tenantdb_error **error) {
  tenantdb_status status = check_sums(set, folder, files, error);
  loading l = {set, files, tndb_alloc_array(files->count + 1, sizeof(tndb_file_name)), TNDB_NAMING_AUTO,
               NULL};
  if (!l.names) {
    return status ? status : tndb_no_memory(error);
  }
  for (int stream = 0; stream < TNDB_N_STREAMS && !status; stream++) {
    status = load_stream(&l, (tndb_stream)stream, error);
  }
  status = status ? status : check_confs(&l, error);
  tndb_free(l.names);
  return status;
}

static tenantdb_status load(tenantdb_migrations *set, const char *folder, int32_t layout, tndb_stream stream,
                            tenantdb_error **error) {
  tndb_source_files files;
  tenantdb_status status = tndb_source_files_read(folder, layout, stream, &files, error);
  status = status ? status : load_files(set, folder, &files, error);
  tndb_source_files_clear(&files);
  return status;
}

static tenantdb_status begin(tenantdb_migrations *set, const char *folder, tenantdb_error **error) {
  tenantdb_status status = tndb_migrations_check(set, error);
  if (status) {
    return status;
  }
  if (!tndb_migrations_open_for(set)) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_BAD_MIGRATION,
                       "the set of migrations is in use already; nothing can be added to it any more");
  }
  if (set->mistake) {
    return tndb_error_pass(error, tndb_error_copy(set->mistake));
  }
  return folder ? TENANTDB_OK
                : tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "folder is NULL");
}

/* A failure is a mistake of the set: who does not look at the answer must not go on with half of it. */
static tenantdb_status end(tenantdb_migrations *set, tenantdb_status status, tenantdb_error *mistake,
                           tenantdb_error **error) {
  if (status && !set->mistake) {
    tndb_migrations_keep(set, tndb_error_copy(mistake));
  }
  return status ? tndb_error_pass(error, mistake) : TENANTDB_OK;
}

tenantdb_status tenantdb_migrations_load(tenantdb_migrations *set, const char *folder,
                                         tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = begin(set, folder, error);
  if (status) {
    return status;
  }
  tenantdb_error *mistake = NULL;
  status = load(set, folder, TNDB_FOLDER_OF_STREAMS, TNDB_STREAM_SHARED, &mistake);
  return end(set, status, mistake, error);
}

tenantdb_status tenantdb_migrations_load_stream(tenantdb_migrations *set, const char *stream,
                                                const char *folder, tenantdb_error **error) {
  tndb_error_reset(error);
  tndb_stream which = TNDB_STREAM_SHARED;
  tenantdb_status status = begin(set, folder, error);
  status = status ? status : tndb_stream_of(stream, &which, error);
  if (status) {
    return status;
  }
  tenantdb_error *mistake = NULL;
  status = load(set, folder, TNDB_FOLDER_FLAT, which, &mistake);
  return end(set, status, mistake, error);
}
