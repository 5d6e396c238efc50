/* SPDX-License-Identifier: PostgreSQL */
/* Reading a folder: one level deep, in the order of the names' bytes, whatever the file system gives. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "migrate/source.h"
#include "tenant/archive_file.h"

typedef struct listing {
  char **names;
  size_t count;
} listing;

static void listing_clear(listing *list) {
  for (size_t i = 0; i < list->count; i++) {
    tndb_free(list->names[i]);
  }
  tndb_free(list->names);
  *list = (listing){NULL, 0};
}

void tndb_source_files_clear(tndb_source_files *files) {
  for (size_t i = 0; i < files->count; i++) {
    tndb_free(files->items[i].path);
    tndb_free(files->items[i].text);
  }
  tndb_free(files->items);
  tndb_free(files->sums);
  *files = (tndb_source_files){.count = 0};
}

/* ---------------------------------------------------------------- names */

/* What stands in folders without being meant: hidden files, editors' copies, a README. */
static bool is_ignored(const char *name) {
  size_t length = strlen(name);
  bool readme = strncmp(name, "README", 6) == 0 && (name[6] == '\0' || name[6] == '.') &&
                (length < 4 || strcmp(name + length - 4, ".sql") != 0);
  return name[0] == '.' || name[length - 1] == '~' || (name[0] == '#' && name[length - 1] == '#') || readme;
}

static int compare_names(const void *a, const void *b) {
  return strcmp(*(char *const *)a, *(char *const *)b);
}

static tenantdb_status add_name(listing *list, const char *name, tenantdb_error **error) {
  char *copy = tndb_strdup(name);
  char **names = copy ? tndb_realloc(list->names, (list->count + 1) * sizeof *names) : NULL;
  if (!names) {
    tndb_free(copy);
    return tndb_no_memory(error);
  }
  list->names = names;
  names[list->count++] = copy;
  return TENANTDB_OK;
}

static tenantdb_status list(const char *folder, listing *names, tenantdb_error **error) {
  DIR *directory = opendir(folder);
  if (!directory) {
    return tndb_file_failed(folder, "opened", errno, error);
  }
  tenantdb_status status = TENANTDB_OK;
  errno = 0;
  for (struct dirent *entry; !status && (entry = readdir(directory)) != NULL; errno = 0) {
    status = is_ignored(entry->d_name) ? TENANTDB_OK : add_name(names, entry->d_name, error);
  }
  if (!status && errno) {
    status = tndb_file_failed(folder, "read", errno, error);
  }
  (void)closedir(directory);
  if (!status && names->count) {
    qsort(names->names, names->count, sizeof *names->names, compare_names);
  }
  return status;
}

/* 'f'ile, 'd'irectory, 'o'ther or '-': nothing. Links are followed: mounted configuration is made of them. */
static tenantdb_status kind_of(const char *path, char *kind, tenantdb_error **error) {
  struct stat facts;
  if (stat(path, &facts) != 0) {
    *kind = '-';
    return errno == ENOENT ? TENANTDB_OK : tndb_file_failed(path, "opened", errno, error);
  }
  *kind = S_ISREG(facts.st_mode) ? 'f' : S_ISDIR(facts.st_mode) ? 'd' : 'o';
  return TENANTDB_OK;
}

static void join(tndb_buffer *path, const char *folder, const char *name) {
  size_t length = strlen(folder);
  tndb_buffer_clear(path);
  tndb_buffer_append(path, folder);
  if (length && folder[length - 1] != '/') {
    tndb_buffer_append_char(path, '/');
  }
  tndb_buffer_append(path, name);
}

/* ---------------------------------------------------------------- contents */

/* One byte more than is allowed is read, so that what is too long is seen. */
static tenantdb_status read_all(const char *path, tndb_buffer *content, tenantdb_error **error) {
  int file = -1;
  size_t length = 1;
  char *part = tndb_alloc(TNDB_FILE_PART);
  tenantdb_status status = part ? tndb_file_open(path, &file, error) : tndb_no_memory(error);
  while (!status && length && content->length <= TNDB_SOURCE_MOST_BYTES) {
    status = tndb_file_read(file, path, part, TNDB_FILE_PART, &length, error);
    tndb_buffer_append_n(content, part, status ? 0 : length);
    if (content->failed) {
      status = tndb_no_memory(error);
    }
  }
  tndb_file_close(file);
  tndb_free(part);
  return status;
}

static tenantdb_status check_name(const char *folder, const char *name, tenantdb_error **error) {
  bool readable = tndb_utf8_valid(name, strlen(name), NULL);
  for (const char *at = name; readable && *at; at++) {
    readable = (unsigned char)*at >= 0x20 && *at != 0x7f;
  }
  return readable ? TENANTDB_OK
                  : tndb_source_refuse(
                        error, folder, 0,
                        "a file in it has a name that is not UTF-8, or with control characters in it");
}

static tenantdb_status take_file(const char *path, const char *shown, tndb_stream stream,
                                 tndb_source_files *files, tenantdb_error **error) {
  tndb_auto_buffer content = TNDB_BUFFER_INIT;
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tndb_source_file *items = tndb_realloc(files->items, (files->count + 1) * sizeof *items);
  if (!items) {
    return tndb_no_memory(error);
  }
  files->items = items;
  tenantdb_status status = read_all(path, &content, error);
  if (!status) {
    status = tndb_source_normalise(shown, tndb_buffer_text(&content), content.length, &text, error);
  }
  if (status) {
    return status;
  }
  tndb_source_file *file = &items[files->count];
  *file = (tndb_source_file){.stream = stream, .path = tndb_strdup(shown), .length = text.length};
  file->text = file->path ? tndb_buffer_take(&text) : NULL;
  if (!file->text) {
    tndb_free(file->path);
    return tndb_no_memory(error);
  }
  const char *slash = strrchr(file->path, '/');
  file->name = slash ? slash + 1 : file->path;
  tndb_sha256_hex(file->text, file->length, file->sum);
  files->count++;
  return TENANTDB_OK;
}

static tenantdb_status take(const char *path, const char *shown, const char *name, tndb_stream stream,
                            tndb_source_files *files, tenantdb_error **error) {
  char kind = '-';
  tenantdb_status status = kind_of(path, &kind, error);
  if (status || strcmp(name, "atlas.sum") == 0) {
    return status; /* its sums are made otherwise; those of tenantdb.sum take their place */
  }
  if (kind == 'd') {
    return tndb_source_refuse(
        error, shown, 0,
        "it is a folder, and folders are read one level deep; move its files up, or itself away");
  }
  if (kind != 'f') {
    return tndb_source_refuse(error, shown, 0, "it is %s",
                              kind == '-' ? "a link that leads nowhere" : "neither a file nor a folder");
  }
  return take_file(path, shown, stream, files, error);
}

/* `prefix` is what the folder is called in messages, with its slash, or "". */
static tenantdb_status read_flat(const char *folder, const char *prefix, tndb_stream stream,
                                 tndb_source_files *files, tenantdb_error **error) {
  tndb_auto_buffer path = TNDB_BUFFER_INIT;
  tndb_auto_buffer shown = TNDB_BUFFER_INIT;
  listing names = {NULL, 0};
  tenantdb_status status = list(folder, &names, error);
  for (size_t i = 0; i < names.count && !status; i++) {
    const char *name = names.names[i];
    if (strcmp(name, "tenantdb.sum") == 0 && !*prefix) {
      continue;
    }
    join(&path, folder, name);
    tndb_buffer_clear(&shown);
    tndb_buffer_append(&shown, prefix);
    tndb_buffer_append(&shown, name);
    status = check_name(folder, name, error);
    if (!status && (path.failed || shown.failed)) {
      status = tndb_no_memory(error);
    }
    if (!status) {
      status = take(tndb_buffer_text(&path), tndb_buffer_text(&shown), name, stream, files, error);
    }
  }
  listing_clear(&names);
  return status;
}

/* Besides the streams' folders there is nothing but the sums: what is mistyped must not be overlooked. */
static tenantdb_status check_top(const char *folder, tenantdb_error **error) {
  listing names = {NULL, 0};
  tenantdb_status status = list(folder, &names, error);
  for (size_t i = 0; i < names.count && !status; i++) {
    const char *name = names.names[i];
    if (strcmp(name, "shared") != 0 && strcmp(name, "tenant") != 0 && strcmp(name, "tenantdb.sum") != 0) {
      status = check_name(folder, name, error);
      status =
          status ? status
                 : tndb_source_refuse(error, name, 0,
                                      "it stands beside the folders shared and tenant, where it is not read; "
                                      "move it into one of them, or away");
    }
  }
  listing_clear(&names);
  return status;
}

static tenantdb_status read_streams(const char *folder, tndb_source_files *files, const char kinds[2],
                                    tenantdb_error **error) {
  static const char *const prefixes[] = {"shared/", "tenant/"};
  tndb_auto_buffer path = TNDB_BUFFER_INIT;
  tenantdb_status status = check_top(folder, error);
  for (int i = 0; i < TNDB_N_STREAMS && !status; i++) {
    if (kinds[i] == 'd') {
      join(&path, folder, tndb_stream_name((tndb_stream)i));
      status = path.failed ? tndb_no_memory(error)
                           : read_flat(tndb_buffer_text(&path), prefixes[i], (tndb_stream)i, files, error);
    } else if (kinds[i] != '-') {
      status = tndb_source_refuse(error, tndb_stream_name((tndb_stream)i), 0, "it is no folder");
    }
  }
  return status;
}

static tenantdb_status read_sums(const char *folder, tndb_source_files *files, tenantdb_error **error) {
  tndb_auto_buffer path = TNDB_BUFFER_INIT;
  tndb_auto_buffer content = TNDB_BUFFER_INIT;
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  char kind = '-';
  join(&path, folder, "tenantdb.sum");
  tenantdb_status status =
      path.failed ? tndb_no_memory(error) : kind_of(tndb_buffer_text(&path), &kind, error);
  if (status || kind == '-') {
    return status;
  }
  if (kind != 'f') {
    return tndb_source_refuse(error, "tenantdb.sum", 0, "it is no file");
  }
  status = read_all(tndb_buffer_text(&path), &content, error);
  if (!status) {
    status = tndb_source_normalise("tenantdb.sum", tndb_buffer_text(&content), content.length, &text, error);
  }
  files->sums = status ? NULL : tndb_buffer_take(&text);
  return status ? status : files->sums ? TENANTDB_OK : tndb_no_memory(error);
}

tenantdb_status tndb_source_files_read(const char *folder, int32_t layout, tndb_stream stream,
                                       tndb_source_files *files, tenantdb_error **error) {
  tndb_auto_buffer path = TNDB_BUFFER_INIT;
  char kinds[TNDB_N_STREAMS] = {'-', '-'}, kind = '-';
  *files = (tndb_source_files){.count = 0};
  tenantdb_status status = kind_of(folder, &kind, error);
  if (!status && kind != 'd') {
    status = tndb_file_failed(folder, "opened as a folder", kind == '-' ? ENOENT : ENOTDIR, error);
  }
  for (int i = 0; i < TNDB_N_STREAMS && !status && layout != TNDB_FOLDER_FLAT; i++) {
    join(&path, folder, tndb_stream_name((tndb_stream)i));
    status = path.failed ? tndb_no_memory(error) : kind_of(tndb_buffer_text(&path), &kinds[i], error);
  }
  if (status) {
    return status;
  }
  files->streams = kinds[0] != '-' || kinds[1] != '-';
  if (!files->streams && layout == TNDB_FOLDER_OF_STREAMS) {
    return tndb_source_refuse(
        error, folder, 0,
        "there is neither a folder shared nor a folder tenant in it; a flat folder is read by "
        "tenantdb_migrations_load_stream()");
  }
  status = files->streams ? read_streams(folder, files, kinds, error)
                          : read_flat(folder, "", stream, files, error);
  return status ? status : read_sums(folder, files, error);
}
