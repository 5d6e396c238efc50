/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/sums.h"

#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"
#include "tenant/archive_file.h"

#define HEAD "tenantdb.sum 1 "
#define KIND "sha256:"
#define HASH_ANEW "if that is meant, write tenantdb.sum anew with tenantdb_migrations_hash()"

void tndb_sums_write(const tndb_source_files *files, tndb_buffer *text) {
  tndb_auto_buffer lines = TNDB_BUFFER_INIT;
  char total[TNDB_SHA256_HEX];
  for (size_t i = 0; i < files->count; i++) {
    tndb_buffer_format(&lines, "%s " KIND "%s\n", files->items[i].path, files->items[i].sum);
  }
  tndb_sha256_hex(tndb_buffer_text(&lines), lines.length, total);
  tndb_buffer_format(text, HEAD KIND "%s\n", total);
  tndb_buffer_append_n(text, tndb_buffer_text(&lines), lines.length);
  text->failed = text->failed || lines.failed;
}

/* ---------------------------------------------------------------- reading */

typedef struct sum_line {
  const char *path;
  size_t path_length;
  const char *sum;
} sum_line;

/* One line's end, and what is behind it. */
static size_t line_length(const char *at) {
  const char *end = strchr(at, '\n');
  return end ? (size_t)(end - at) : strlen(at);
}

/* "PATH sha256:HEX" of `length` bytes. */
static bool read_line(const char *at, size_t length, sum_line *line) {
  size_t tail = strlen(KIND) + TNDB_SHA256_HEX - 1;
  if (length < tail + 2) {
    return false;
  }
  line->path = at;
  line->path_length = length - tail - 1;
  line->sum = at + length - (TNDB_SHA256_HEX - 1);
  return at[line->path_length] == ' ' && memcmp(at + line->path_length + 1, KIND, strlen(KIND)) == 0 &&
         strspn(line->sum, "0123456789abcdef") >= TNDB_SHA256_HEX - 1;
}

static const tndb_source_file *find_file(const tndb_source_files *files, const sum_line *line) {
  for (size_t low = 0, high = files->count; low < high;) {
    size_t middle = (low + high) / 2;
    const tndb_source_file *file = &files->items[middle];
    size_t length = strlen(file->path);
    int order = memcmp(file->path, line->path, length < line->path_length ? length : line->path_length);
    order = order ? order : (length > line->path_length) - (length < line->path_length);
    if (order == 0) {
      return file;
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return NULL;
}

/* Which files a line was there for. */
typedef struct comparison {
  const tndb_source_files *files;
  bool *listed;
  size_t differ;
  tndb_buffer told; /* of the first that differs */
} comparison;

static void compare_line(comparison *all, const sum_line *line) {
  const tndb_source_file *file = find_file(all->files, line);
  if (!file) {
    if (all->differ++ == 0) {
      tndb_buffer_format(&all->told, "%.*s is missing; tenantdb.sum has it with the sum %.64s",
                         (int)line->path_length, line->path, line->sum);
    }
    return;
  }
  all->listed[file - all->files->items] = true;
  if (memcmp(file->sum, line->sum, TNDB_SHA256_HEX - 1) != 0 && all->differ++ == 0) {
    tndb_buffer_format(&all->told, "%s was edited: its sum is %s, and in tenantdb.sum it is %.64s",
                       file->path, file->sum, line->sum);
  }
}

static tenantdb_status bad_line(size_t number, tenantdb_error **error) {
  return tndb_source_refuse(
      error, "tenantdb.sum", (int32_t)number,
      "the line is not understood; was a merge left unfinished? Look at the migrations of both "
      "sides, then write it anew with tenantdb_migrations_hash()");
}

static tenantdb_status compare(comparison *all, char total[TNDB_SHA256_HEX], sum_line *head,
                               tenantdb_error **error) {
  const char *at = all->files->sums;
  size_t length = line_length(at);
  if (!read_line(at, length, head) || head->path_length != strlen(HEAD) - 1 ||
      memcmp(at, HEAD, strlen(HEAD)) != 0) {
    return bad_line(1, error);
  }
  const char *body = at[length] ? at + length + 1 : at + length;
  tndb_sha256_hex(body, strlen(body), total);
  at = body;
  for (size_t number = 2; *at; number++) {
    sum_line line;
    length = line_length(at);
    if (!read_line(at, length, &line)) {
      return bad_line(number, error);
    }
    compare_line(all, &line);
    at += length + (at[length] == '\n');
  }
  for (size_t i = 0; i < all->files->count; i++) {
    if (!all->listed[i] && all->differ++ == 0) {
      tndb_buffer_format(&all->told, "%s is not in tenantdb.sum; its sum is %s", all->files->items[i].path,
                         all->files->items[i].sum);
    }
  }
  return TENANTDB_OK;
}

static tenantdb_status tell(const comparison *all, const char *total, const sum_line *head,
                            tenantdb_error **error) {
  if (all->differ) {
    tndb_auto_buffer more = TNDB_BUFFER_INIT;
    if (all->differ > 1) {
      tndb_buffer_format(&more, " (and %zu more differ)", all->differ - 1);
    }
    return all->told.failed || more.failed
               ? tndb_no_memory(error)
               : tndb_origin(error, TENANTDB_MIGRATION, TENANTDB_REASON_SUMS_DIFFER, "%s%s; " HASH_ANEW,
                             tndb_buffer_text(&all->told), tndb_buffer_text(&more));
  }
  if (memcmp(total, head->sum, TNDB_SHA256_HEX - 1) != 0) {
    return tndb_origin(
        error, TENANTDB_MIGRATION, TENANTDB_REASON_SUMS_DIFFER,
        "tenantdb.sum was edited by hand or merged: its lines have the sum %s, and its first line says "
        "%.64s; look at what was merged, and " HASH_ANEW,
        total, head->sum);
  }
  return TENANTDB_OK;
}

tenantdb_status tndb_sums_compare(const tndb_source_files *files, tenantdb_error **error) {
  char total[TNDB_SHA256_HEX];
  sum_line head = {"", 0, ""};
  comparison all = {files, tndb_alloc_array(files->count + 1, sizeof(bool)), 0, TNDB_BUFFER_INIT};
  if (!all.listed) {
    return tndb_no_memory(error);
  }
  tenantdb_status status = compare(&all, total, &head, error);
  status = status ? status : tell(&all, total, &head, error);
  tndb_buffer_free(&all.told);
  tndb_free(all.listed);
  return status;
}

/* ---------------------------------------------------------------- writing */

static tenantdb_status publish(const char *folder, const tndb_buffer *text, tenantdb_error **error) {
  tndb_auto_buffer path = TNDB_BUFFER_INIT;
  size_t length = strlen(folder);
  tndb_buffer_append(&path, folder);
  tndb_buffer_append(&path, length && folder[length - 1] == '/' ? "" : "/");
  tndb_buffer_append(&path, "tenantdb.sum");
  if (path.failed) {
    return tndb_no_memory(error);
  }
  tndb_new_file made;
  tenantdb_status status = tndb_file_create(&made, tndb_buffer_text(&path), error);
  if (!status) {
    /* Who may read the folder may read it: unlike an archive, it is no secret. */
    struct stat facts;
    if (stat(folder, &facts) == 0) {
      (void)fchmod(made.file, (facts.st_mode & 0666) | S_IRUSR | S_IWUSR);
    }
    status = tndb_file_write(&made, tndb_buffer_text(text), text->length, error);
  }
  if (!status) {
    status = tndb_file_publish(&made, error);
  }
  tndb_file_end(&made);
  return status;
}

/* No options say here whose names they are; but what is no migration by its ending is not to be summed. */
static tenantdb_status check_names(const tndb_source_files *files, tenantdb_error **error) {
  for (size_t i = 0; i < files->count; i++) {
    const char *name = files->items[i].name;
    size_t length = strlen(name);
    bool sql = length > 4 && strcmp(name + length - 4, ".sql") == 0;
    bool conf = length > 9 && strcmp(name + length - 9, ".sql.conf") == 0;
    if (!sql && !conf) {
      return tndb_source_refuse(error, files->items[i].path, 0,
                                "it is no migration by its name; move it out of the folder");
    }
  }
  return TENANTDB_OK;
}

tenantdb_status tenantdb_migrations_hash(const char *folder, int32_t write, char **text,
                                         tenantdb_error **error) {
  tndb_error_reset(error);
  if (text) {
    *text = NULL;
  }
  if (!folder) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "folder is NULL");
  }
  if (write != 0 && write != 1) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_ARGUMENT, "write is %d; it is 0 or 1",
                       (int)write);
  }
  tndb_source_files files;
  tndb_auto_buffer sums = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_source_files_read(folder, TNDB_FOLDER_ANY, TNDB_STREAM_TENANT, &files, error);
  status = status ? status : check_names(&files, error);
  if (!status) {
    tndb_sums_write(&files, &sums);
    status = sums.failed ? tndb_no_memory(error) : TENANTDB_OK;
  }
  if (!status && write && (!files.sums || strcmp(files.sums, tndb_buffer_text(&sums)) != 0)) {
    status = publish(folder, &sums, error);
  }
  if (!status && text) {
    *text = tndb_buffer_take(&sums);
    status = *text ? TENANTDB_OK : tndb_no_memory(error);
  }
  tndb_source_files_clear(&files);
  return status;
}
