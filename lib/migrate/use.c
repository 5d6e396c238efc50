/* SPDX-License-Identifier: PostgreSQL */
#include "migrate/use.h"

#include <string.h>
#include <tenantdb/ledger.h>

#include "base/memory.h"
#include "migrate/change_open.h"
#include "migrate/ledger.h"
#include "migrate/use_rows.h"

/* ---------------------------------------------------------------- the set in use */

tenantdb_status tndb_migrations_of(tenantdb *db, const tenantdb_migrations **set, tenantdb_error **error) {
  const tndb_use *use = (const tndb_use *)tndb_newborn_of(db);
  *set = use ? use->set : NULL;
  return use ? TENANTDB_OK
             : tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_NO_MIGRATIONS,
                           "no set of migrations is in use: call tenantdb_use_migrations() first");
}

static void release(tndb_newborn *newborn) {
  tndb_use *use = (tndb_use *)newborn;
  for (size_t i = 0; i < use->n_kept; i++) {
    tndb_registry_form_release(use->kept[i].form);
  }
  tndb_free(use->kept);
  tndb_mutex_destroy(&use->mutex);
  tndb_use_rows_free(&use->rows);
  tndb_free(use->why);
  tndb_migrations_release(use->set);
  tndb_free(use);
}

static bool knows(const tndb_newborn *newborn, int64_t version) {
  const tenantdb_migrations *set = ((const tndb_use *)newborn)->set;
  const tndb_migration *checkpoint = tndb_migrations_checkpoint(set, version);
  return tndb_migrations_find(set, TNDB_STREAM_TENANT, version) ||
         (checkpoint && checkpoint->version == version);
}

static tenantdb_status fits(const tndb_newborn *newborn, tndb_work *ledger, const char *id, const char *whose,
                            tenantdb_error **error) {
  const tenantdb_migrations *set = ((const tndb_use *)newborn)->set;
  tndb_ledger_state state = {0};
  tndb_auto_buffer ids = TNDB_BUFFER_INIT;
  tndb_buffer_format(&ids, "{%s}", id);
  tenantdb_status status =
      ids.failed ? tndb_no_memory(error) : tndb_ledger_read(ledger, tndb_buffer_text(&ids), 1, &state, error);
  if (!status) {
    status = tndb_ledger_fits(&state, set, TNDB_STREAM_TENANT, false, whose, error);
  }
  if (!status) {
    status = tndb_ledger_in_order(&state, set, TNDB_STREAM_TENANT, state.version, whose, error);
  }
  tndb_ledger_clear(&state);
  return status;
}

static tenantdb_status statements(const tndb_birth *birth, const tenantdb *db, const char *schema,
                                  tndb_ddl *ddl, tenantdb_error **error) {
  const tndb_use *use = (const tndb_use *)birth->newborn;
  return tndb_scratch_statements(use->set, db, TNDB_STREAM_TENANT, birth->version, schema, ddl, error);
}

static const tndb_newborn_functions functions = {.release = release,
                                                 .queue = tndb_use_queue,
                                                 .statements = statements,
                                                 .knows = knows,
                                                 .fits = fits,
                                                 .shared = tndb_use_shared,
                                                 .queue_shared = tndb_use_queue_shared};

/* ---------------------------------------------------------------- what makes new tenants */

enum { AUTO, REGISTRY, CHECKPOINT }; /* as option migrate.new_tenants has them */

/*
 * While a change is unfinished the registry does not declare what the older release needs, nor what
 * the half that is missing will take away: then only the migrations make it.
 */
static tenantdb_status read_open(tndb_use *use, bool *tenants, tenantdb_error **error) {
  tndb_open_changes open;
  tndb_auto_buffer text = TNDB_BUFFER_INIT;
  tenantdb_status status = tndb_open_changes_read(use->set, TNDB_STREAM_SHARED, &open, error);
  use->shared_waits = open.count > 0;
  tndb_open_changes_free(&open);
  if (status) {
    return status;
  }
  status = tndb_open_changes_read(use->set, TNDB_STREAM_TENANT, &open, error);
  *tenants = open.count > 0;
  if (*tenants) {
    tndb_open_change_describe(&open.items[0], &text);
    use->why = tndb_buffer_take(&text);
    status = status ? status : use->why ? TENANTDB_OK : tndb_no_memory(error);
  }
  tndb_open_changes_free(&open);
  return status;
}

static tenantdb_status choose_way(const tenantdb *db, tndb_use *use, tenantdb_error **error) {
  int64_t way = tndb_config_number(db->config, TNDB_MIGRATE_NEW_TENANTS);
  size_t declared = tndb_registry_relations(db->registry, TENANTDB_BASE_TENANT, NULL, 0);
  int64_t newest = tndb_migrations_newest(use->set, TNDB_STREAM_TENANT);
  int64_t version = db->registry->version;
  bool open = false;
  tenantdb_status status = way == REGISTRY ? TENANTDB_OK : read_open(use, &open, error);
  if (status) {
    return status;
  }
  bool chosen = way == CHECKPOINT || (way == AUTO && declared == 0);
  use->newborn.version = newest ? newest : version;
  use->newborn.replays = newest && (chosen || open);
  use->newborn.why = chosen ? NULL : use->why;
  if (newest && version && version != newest && !chosen) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_BAD_MIGRATION,
                       "the registry says that it declares version %lld (tenantdb_registry_version()), and "
                       "the newest migration of stream tenant is %lld: new tenants would be of one and "
                       "migrated ones of the other; let both say the same",
                       (long long)version, (long long)newest);
  }
  return TENANTDB_OK;
}

/* ---------------------------------------------------------------- coming into use */

static const tndb_migration *find_same(const tenantdb_migrations *set, const tndb_migration *migration) {
  for (size_t i = set->first[migration->stream]; i < set->first[migration->stream + 1]; i++) {
    const tndb_migration *other = set->items[i];
    if (other->kind == migration->kind && other->version == migration->version &&
        strcmp(other->name, migration->name) == 0) {
      return other;
    }
  }
  return NULL;
}

/* Versioned ones are history; repeatable ones may change, and checkpoints come and go. */
static tenantdb_status check_extends(const tenantdb_migrations *old, const tenantdb_migrations *set,
                                     tenantdb_error **error) {
  for (size_t i = 0; i < old->count; i++) {
    const tndb_migration *is = old->items[i];
    const tndb_migration *other = is->kind == TNDB_MIGRATION_VERSIONED ? find_same(set, is) : NULL;
    if (is->kind != TNDB_MIGRATION_VERSIONED || (other && strcmp(other->sum, is->sum) == 0)) {
      continue;
    }
    return tndb_origin(error, TENANTDB_STATE,
                       other ? TENANTDB_REASON_HISTORY_EDITED : TENANTDB_REASON_HISTORY_MISSING,
                       "the set of migrations in use has %s with sum %.12s, and the new one has it %s%.12s: "
                       "only a set that extends the one in use may take its place",
                       is->file, is->sum, other ? "with sum " : "not", other ? other->sum : "");
  }
  return TENANTDB_OK;
}

static tenantdb_status make(const tenantdb *db, const tenantdb_migrations *set, tndb_use **out,
                            tenantdb_error **error) {
  tndb_use *use = tndb_new(tndb_use);
  if (!use) {
    return tndb_no_memory(error);
  }
  if (!tndb_mutex_init(&use->mutex)) {
    tndb_free(use);
    return tndb_no_memory(error);
  }
  use->newborn.functions = &functions;
  use->set = tndb_migrations_hold(set);
  tenantdb_status status = choose_way(db, use, error);
  if (!status) {
    status = tndb_use_rows_make(use->set, use->newborn.version, use->newborn.replays, &use->rows)
                 ? TENANTDB_OK
                 : tndb_no_memory(error);
  }
  if (status) {
    release(&use->newborn);
    return status;
  }
  use->newborn.row_versions = tndb_buffer_text(&use->rows.versions.text);
  use->newborn.row_names = tndb_buffer_text(&use->rows.names.text);
  use->newborn.row_sums = tndb_buffer_text(&use->rows.sums.text);
  *out = use;
  return TENANTDB_OK;
}

tenantdb_status tenantdb_use_migrations(tenantdb *db, const tenantdb_migrations *set,
                                        tenantdb_error **error) {
  tndb_error_reset(error);
  tenantdb_status status = tndb_database_check(db, error);
  if (!status) {
    status = tndb_migrations_check(set, error);
  }
  if (!status) {
    status = tndb_migrations_freeze(set, error);
  }
  for (bool done = false; !status && !done;) { /* again when another thread came between */
    const tndb_newborn *in_use = tndb_newborn_of(db);
    const tndb_use *old = (const tndb_use *)in_use;
    tndb_use *use = NULL;
    if (old && strcmp(old->set->hash, set->hash) == 0) {
      return TENANTDB_OK;
    }
    status = old ? check_extends(old->set, set, error) : TENANTDB_OK;
    if (!status) {
      status = make(db, set, &use, error);
    }
    done = !status && tndb_newborn_use(db, &use->newborn, in_use);
    if (!status && !done) {
      release(&use->newborn);
    }
  }
  return status;
}
