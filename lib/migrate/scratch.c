/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/scratch.h"

#include <string.h>

#include "base/memory.h"
#include "migrate/use_rows.h"

typedef struct sought {
  tenantdb *db;
  tndb_use *use;
  tndb_stream stream;
  int64_t version;
  bool with_role;
  const tndb_steps *rest; /* of changes that are finished here and nowhere else; NULL: none */
} sought;

static tenantdb_status statements(void *user, const char *schema, tndb_ddl *ddl, tenantdb_error **error) {
  const sought *s = user;
  if (s->rest) {
    return tndb_scratch_statements_and(s->use->set, s->db, s->stream, s->rest, schema, ddl, error);
  }
  return tndb_scratch_statements(s->use->set, s->db, s->stream, s->version, schema, ddl, error);
}

/* ---------------------------------------------------------------- what was made before */

static tndb_use_form *find(const sought *s) {
  for (size_t i = 0; i < s->use->n_kept; i++) {
    tndb_use_form *kept = &s->use->kept[i];
    if (kept->stream == s->stream && kept->version == s->version && kept->with_role == s->with_role) {
      return kept;
    }
  }
  return NULL;
}

static tndb_registry_form *find_kept(const sought *s, const char *key) {
  tndb_mutex_lock(&s->use->mutex);
  const tndb_use_form *kept = find(s);
  tndb_registry_form *form = kept && strcmp(kept->form->key, key) == 0 ? kept->form : NULL;
  if (form) {
    atomic_fetch_add(&form->references, 1);
  }
  tndb_mutex_unlock(&s->use->mutex);
  return form;
}

/* Best effort: who finds none makes another. */
static void keep(const sought *s, tndb_registry_form *form) {
  tndb_registry_form *old = NULL;
  tndb_mutex_lock(&s->use->mutex);
  tndb_use_form *kept = find(s);
  if (!kept) {
    tndb_use_form *more = tndb_realloc(s->use->kept, (s->use->n_kept + 1) * sizeof *more);
    s->use->kept = more ? more : s->use->kept;
    kept = more ? &more[s->use->n_kept++] : NULL;
  } else {
    old = kept->form;
  }
  if (kept) {
    *kept = (tndb_use_form){s->stream, s->version, s->with_role, form};
    atomic_fetch_add(&form->references, 1);
  }
  tndb_mutex_unlock(&s->use->mutex);
  tndb_registry_form_release(old);
}

/* ---------------------------------------------------------------- making it */

static tenantdb_status make(tndb_work *work, const sought *s, tndb_registry_form **form,
                            tenantdb_error **error) {
  char key[TNDB_SHA256_HEX];
  tndb_auto_buffer what = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_form_key(work, key, error);
  *form = status || s->rest ? NULL : find_kept(s, key);
  if (status || *form) {
    return status;
  }
  tndb_buffer_format(&what, "the %s migrations' (version %lld)", tndb_stream_name(s->stream),
                     (long long)s->version);
  tndb_form_source source = {
      .statements = statements, .user = (void *)s, .what = tndb_buffer_text(&what), .close_functions = true};
  status = tndb_form_make(work, s->with_role, &source, form, error);
  if (!status && !s->rest) {
    memcpy((*form)->key, key, sizeof key);
    keep(s, *form);
  }
  return status;
}

static tenantdb_status find_use(tenantdb *db, const tenantdb_migrations *set, tndb_use **use,
                                tenantdb_error **error) {
  *use = NULL;
  for (tndb_newborn *at = (tndb_newborn *)tndb_newborn_of(db); at && !*use; at = at->previous) {
    *use = ((tndb_use *)at)->set == set ? (tndb_use *)at : NULL;
  }
  return *use ? TENANTDB_OK
              : tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL,
                            "the set of migrations is not in use");
}

static tenantdb_status get(const sought *s, tndb_registry_form **form, tenantdb_error **error) {
  tndb_work work = {.conn = NULL};
  tenantdb_status status = tndb_work_start(&work, s->db, "registry form", true, error);
  if (!status) {
    status = make(&work, s, form, error);
  }
  tndb_work_end(&work); /* rolls back: nothing of the scratch schema stays */
  return status;
}

tenantdb_status tndb_scratch_form(tenantdb *db, const tenantdb_migrations *set, tndb_stream stream,
                                  int64_t version, bool with_role, tndb_registry_form **form,
                                  tenantdb_error **error) {
  sought s = {.db = db, .stream = stream, .version = version, .with_role = with_role};
  *form = NULL;
  tenantdb_status status = find_use(db, set, &s.use, error);
  return status ? status : get(&s, form, error);
}

tenantdb_status tndb_scratch_form_finished(tenantdb *db, const tenantdb_migrations *set, tndb_stream stream,
                                           const tndb_open_changes *open, bool with_role,
                                           tndb_registry_form **form, tenantdb_error **error) {
  sought s = {.db = db, .stream = stream, .with_role = with_role};
  tndb_steps rest = {NULL, 0};
  *form = NULL;
  s.version = tndb_migrations_newest(set, stream);
  s.rest = &rest;
  tenantdb_status status = find_use(db, set, &s.use, error);
  if (!status) {
    status = tndb_open_changes_finish(open, &rest, error);
  }
  if (!status) {
    status = get(&s, form, error);
  }
  tndb_steps_clear(&rest);
  return status;
}
