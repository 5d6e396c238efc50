/* SPDX-License-Identifier: PostgreSQL */
#include "tenant/archive_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"

/* What may be said of it in one way wherever the process runs. */
static const struct {
  int number;
  tenantdb_status status;
  const char *words;
} failures[] = {
    {ENOENT, TENANTDB_NOT_FOUND, "there is no such file or folder"},
    {ENOTDIR, TENANTDB_NOT_FOUND, "a part of the path is no folder"},
    {EISDIR, TENANTDB_UNSUPPORTED, "it is a folder"},
    {EACCES, TENANTDB_PERMISSION, "permission denied"},
    {EPERM, TENANTDB_PERMISSION, "operation not permitted"},
    {EROFS, TENANTDB_PERMISSION, "the file system is read only"},
    {ENOSPC, TENANTDB_UNSUPPORTED, "no space is left on the disk"},
    {EDQUOT, TENANTDB_UNSUPPORTED, "the quota of disk space is used up"},
    {EFBIG, TENANTDB_UNSUPPORTED, "the file would be too large"},
    {EMFILE, TENANTDB_UNSUPPORTED, "the process has too many files open"},
    {ENAMETOOLONG, TENANTDB_ARGUMENT, "the name is too long"},
    {EIO, TENANTDB_UNSUPPORTED, "the disk failed"},
};

tenantdb_status tndb_file_failed(const char *path, const char *what, int number, tenantdb_error **error) {
  for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
    if (failures[i].number == number) {
      return tndb_origin(error, failures[i].status, TENANTDB_REASON_FILE, "file %s cannot be %s: %s", path,
                         what, failures[i].words);
    }
  }
  return tndb_origin(error, TENANTDB_UNSUPPORTED, TENANTDB_REASON_FILE,
                     "file %s cannot be %s: error %d of the system", path, what, number);
}

/* ---------------------------------------------------------------- reading */

tenantdb_status tndb_file_open(const char *path, int *file, tenantdb_error **error) {
  do {
    *file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  } while (*file < 0 && errno == EINTR);
  return *file < 0 ? tndb_file_failed(path, "opened", errno, error) : TENANTDB_OK;
}

tenantdb_status tndb_file_read(int file, const char *path, void *buffer, size_t size, size_t *length,
                               tenantdb_error **error) {
  ssize_t got;
  do {
    got = read(file, buffer, size);
  } while (got < 0 && errno == EINTR);
  *length = got > 0 ? (size_t)got : 0;
  return got < 0 ? tndb_file_failed(path, "read", errno, error) : TENANTDB_OK;
}

void tndb_file_close(int file) {
  if (file >= 0) {
    (void)close(file);
  }
}

/* ---------------------------------------------------------------- writing */

tenantdb_status tndb_file_create(tndb_new_file *made, const char *path, tenantdb_error **error) {
  char id[TNDB_UUID_TEXT];
  *made = (tndb_new_file){.path = path, .temporary = TNDB_BUFFER_INIT, .file = -1};
  if (!tndb_uuid_new(id)) {
    return tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                       "the system gives no random bytes");
  }
  tndb_buffer_append(&made->temporary, path);
  tndb_buffer_append(&made->temporary, ".part-");
  tndb_buffer_append_n(&made->temporary, id, 8);
  if (made->temporary.failed) {
    return tndb_no_memory(error);
  }
  do {
    made->file = open(tndb_buffer_text(&made->temporary), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY,
                      S_IRUSR | S_IWUSR);
  } while (made->file < 0 && errno == EINTR);
  return made->file < 0 ? tndb_file_failed(tndb_buffer_text(&made->temporary), "created", errno, error)
                        : TENANTDB_OK;
}

tenantdb_status tndb_file_write(const tndb_new_file *made, const void *bytes, size_t length,
                                tenantdb_error **error) {
  const char *at = bytes;
  while (length > 0) {
    ssize_t written = write(made->file, at, length);
    if (written < 0 && errno != EINTR) {
      return tndb_file_failed(tndb_buffer_text(&made->temporary), "written", errno, error);
    }
    at += written > 0 ? written : 0;
    length -= written > 0 ? (size_t)written : 0;
  }
  return TENANTDB_OK;
}

/* That the name is on the disk is the folder's to know. A file system that cannot say so is believed. */
static void sync_folder(const char *path) {
  tndb_auto_buffer folder = TNDB_BUFFER_INIT;
  const char *slash = strrchr(path, '/');
  tndb_buffer_append_n(&folder, path, slash ? (size_t)(slash - path) + 1 : 0);
  int file = folder.failed ? -1 : open(slash ? tndb_buffer_text(&folder) : ".", O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    (void)fsync(file);
    (void)close(file);
  }
}

tenantdb_status tndb_file_publish(tndb_new_file *made, tenantdb_error **error) {
  const char *temporary = tndb_buffer_text(&made->temporary);
  int file = made->file;
  made->file = -1;
  if (fsync(file) != 0 && errno != EINVAL) {
    tenantdb_status status = tndb_file_failed(temporary, "brought to the disk", errno, error);
    (void)close(file);
    return status;
  }
  if (close(file) != 0 && errno != EINTR) {
    return tndb_file_failed(temporary, "written", errno, error);
  }
  if (rename(temporary, made->path) != 0) {
    return tndb_file_failed(made->path, "given its name", errno, error);
  }
  tndb_buffer_clear(&made->temporary);
  sync_folder(made->path);
  return TENANTDB_OK;
}

void tndb_file_end(tndb_new_file *made) {
  if (made->file >= 0) {
    (void)close(made->file);
  }
  if (made->temporary.length > 0 && !made->temporary.failed) {
    (void)unlink(tndb_buffer_text(&made->temporary));
  }
  tndb_buffer_free(&made->temporary);
  made->file = -1;
}
