/* SPDX-License-Identifier: PostgreSQL */
/*
 * Builders: statements made from the registry's metadata.
 *
 * A builder is a list of steps, one for each call, in the order of the calls.
 * Each call looks its names up at once and keeps what it finds, so that a mistake
 * is kept with its place; the text is written by finish alone, which walks the
 * steps once to number the parameters and once to write. Finish changes nothing
 * but those numbers, so it may be called again after more steps.
 *
 * What is written is a template (template.h) like anybody's, compiled by the same
 * code. Nothing a caller gives is ever written into it: names are the registry's
 * own strings or, where a table's columns are not all declared, quoted; operators,
 * directions and locks are chosen from lists.
 */
#include "statement/builder.h"

#include <string.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "statement/params.h"

#define MAGIC UINT32_C(0x74626c64)
/* Of an argument that a message repeats: base, table and column. */
#define SHOWN 192

static const char *verb_text(int32_t verb) {
  switch (verb) {
    case TNDB_BUILD_INSERT:
      return "insert into";
    case TNDB_BUILD_UPSERT:
      return "upsert into";
    case TNDB_BUILD_SELECT:
      return "select from";
    case TNDB_BUILD_UPDATE:
      return "update of";
    default:
      return "delete from";
  }
}

/* ---------------------------------------------------------------- mistakes */

static void write_place(const tenantdb_builder *builder, tndb_buffer *text) {
  tndb_buffer_append(text, verb_text(builder->verb));
  if (builder->n_sources) {
    const tndb_target *target = &builder->sources[0].target;
    tndb_buffer_format(text, " %s.%s", target->base->name, target->entry->name);
  }
}

tenantdb_status tndb_builder_place(const tenantdb_builder *builder, tenantdb_status status,
                                   tenantdb_error **error) {
  if (status != TENANTDB_OK) {
    tndb_auto_buffer place = TNDB_BUFFER_INIT;
    write_place(builder, &place);
    tndb_error_prefix(error, "%s", tndb_buffer_text(&place));
  }
  return status;
}

void tndb_builder_keep_mistake(tenantdb_builder *builder, const char *call, const char *argument,
                               tenantdb_error *mistake) {
  if (!mistake) {
    return;
  }
  bool shown = argument && strlen(argument) <= SHOWN && tndb_utf8_valid(argument, strlen(argument), NULL);
  tndb_auto_buffer place = TNDB_BUFFER_INIT;
  write_place(builder, &place);
  tndb_buffer_format(&place, ", %s%s%s", call, shown && *argument ? " " : "", shown ? argument : "");
  tndb_error_prefix(&mistake, "%s", tndb_buffer_text(&place));
  builder->mistake = mistake;
}

/* The words for those statements that a call is for. */
static void write_verbs(int32_t verbs, tndb_buffer *text) {
  static const char *const names[] = {"insert", "upsert", "select", "update", "delete"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (verbs & (1 << i)) {
      tndb_buffer_append(text, text->length ? ", " : "");
      tndb_buffer_append(text, names[i]);
    }
  }
}

bool tndb_builder_takes(tenantdb_builder *builder, int32_t verbs, const char *call) {
  if (!builder || builder->magic != MAGIC || builder->mistake) {
    return false;
  }
  if (!(builder->verb & verbs)) {
    tenantdb_error *mistake = NULL;
    tndb_auto_buffer text = TNDB_BUFFER_INIT;
    write_verbs(verbs, &text);
    (void)tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER, "this is for %s only",
                      tndb_buffer_text(&text));
    tndb_builder_keep_mistake(builder, call, NULL, mistake);
    return false;
  }
  return true;
}

/* ----------------------------------------------------------------- sources */

const tenantdb_table *tndb_builder_table(const tenantdb_builder *builder, size_t source) {
  return builder->sources[source].target.entry->table;
}

static tenantdb_status check_target(const tndb_target *target, int32_t verb, tenantdb_error **error) {
  if (target->entry->kind == 'S') {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER, "\"%s\" is a sequence",
                       target->entry->name);
  }
  if (!target->entry->table && verb != TNDB_BUILD_SELECT) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "\"%s\" is a view: it can be selected from; what changes data needs a table",
                       target->entry->name);
  }
  return TENANTDB_OK;
}

static tenantdb_status start(tenantdb_builder *builder, const char *table, tenantdb_error **error) {
  size_t bad;
  if (!table) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the table's name is NULL");
  }
  if (!tndb_utf8_valid(table, strlen(table), &bad)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_IDENTIFIER,
                       "the table's name is not valid UTF-8 at byte %zu", bad + 1);
  }
  if (builder->registry->mistake) {
    return tndb_error_pass(error, tndb_error_copy(builder->registry->mistake));
  }
  tndb_target target;
  tenantdb_status status =
      tndb_registry_resolve(builder->registry, NULL, table, strlen(table), &target, error);
  if (status == TENANTDB_OK) {
    status = check_target(&target, builder->verb, error);
  }
  if (status == TENANTDB_OK) {
    builder->sources = tndb_array_room(NULL, 0, sizeof *builder->sources);
    if (!builder->sources) {
      return tndb_no_memory(error);
    }
    builder->sources[builder->n_sources++].target = target;
  }
  return status;
}

static tenantdb_builder *begin(const tenantdb_registry *registry, const char *table, int32_t verb) {
  tenantdb_builder *builder = tndb_new(tenantdb_builder);
  if (!builder) {
    return NULL;
  }
  builder->magic = MAGIC;
  builder->verb = verb;
  tenantdb_error *mistake = NULL;
  if (!registry) {
    (void)tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the registry is NULL");
  } else if (!tndb_registry_valid(registry)) {
    (void)tndb_origin(&mistake, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "this is no registry");
  } else {
    /* Held, not frozen: a registry may go on declaring after a statement was made. */
    builder->registry = (tenantdb_registry *)registry;
    atomic_fetch_add_explicit(&builder->registry->references, 1, memory_order_relaxed);
    (void)start(builder, table, &mistake);
  }
  if (mistake) {
    (void)tndb_builder_place(builder, tenantdb_error_status(mistake), &mistake);
    builder->mistake = mistake;
  }
  return builder;
}

tenantdb_builder *tenantdb_builder_insert(const tenantdb_registry *registry, const char *table) {
  return begin(registry, table, TNDB_BUILD_INSERT);
}

tenantdb_builder *tenantdb_builder_upsert(const tenantdb_registry *registry, const char *table) {
  return begin(registry, table, TNDB_BUILD_UPSERT);
}

tenantdb_builder *tenantdb_builder_select(const tenantdb_registry *registry, const char *table) {
  return begin(registry, table, TNDB_BUILD_SELECT);
}

tenantdb_builder *tenantdb_builder_update(const tenantdb_registry *registry, const char *table) {
  return begin(registry, table, TNDB_BUILD_UPDATE);
}

tenantdb_builder *tenantdb_builder_delete(const tenantdb_registry *registry, const char *table) {
  return begin(registry, table, TNDB_BUILD_DELETE);
}

void tenantdb_builder_free(tenantdb_builder *builder) {
  if (!builder || builder->magic != MAGIC) {
    return;
  }
  for (size_t i = 0; i < builder->n_steps; i++) {
    tndb_free(builder->steps[i].name);
    tndb_free(builder->steps[i].written);
  }
  for (size_t i = 0; i < builder->n_sources; i++) {
    tndb_free(builder->sources[i].on);
  }
  tndb_free(builder->steps);
  tndb_free(builder->sources);
  tenantdb_error_free(builder->mistake);
  tenantdb_registry_free(builder->registry);
  builder->magic = 0;
  tndb_free(builder);
}

/* ------------------------------------------------------------------ finish */

static tenantdb_status write(tenantdb_builder *builder, tndb_template *out, tndb_parameters **parameters,
                             tenantdb_error **error) {
  if (tndb_builder_has_step(builder, TNDB_STEP_OR) && !tndb_builder_may_alternate(builder)) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                       "there is no condition behind tenantdb_builder_or()");
  }
  if (builder->verb & (TNDB_BUILD_INSERT | TNDB_BUILD_UPSERT)) {
    return tndb_builder_finish_insert(builder, out, parameters, error);
  }
  *parameters = tndb_parameters_new(1);
  if (!*parameters) {
    return tndb_no_memory(error);
  }
  return builder->verb == TNDB_BUILD_SELECT ? tndb_builder_finish_select(builder, out, *parameters, error)
                                            : tndb_builder_finish_change(builder, out, *parameters, error);
}

static tenantdb_status finish(tenantdb_builder *builder, tenantdb_statement **statement,
                              tenantdb_error **error) {
  tndb_template out = TNDB_TEMPLATE_INIT;
  tndb_parameters *parameters = NULL;
  tenantdb_status status = write(builder, &out, &parameters, error);
  size_t count = tndb_parameters_count(parameters);
  if (status == TENANTDB_OK && count > TNDB_PARAMS_MOST) {
    status = tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_BUILDER,
                         "it has %zu parameters, and a query takes at most %d", count, TNDB_PARAMS_MOST);
  }
  if (status != TENANTDB_OK) {
    tndb_parameters_free(parameters);
    (void)tndb_builder_place(builder, status, error);
  } else {
    status = tndb_template_finish(&out, builder->registry, parameters, statement, error);
  }
  tndb_template_free(&out);
  return status;
}

tenantdb_status tenantdb_builder_finish(tenantdb_builder *builder, tenantdb_statement **statement,
                                        tenantdb_error **error) {
  tndb_error_reset(error);
  if (!statement) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "statement is NULL");
  }
  *statement = NULL;
  if (!builder) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "the builder is NULL");
  }
  if (builder->magic != MAGIC) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_BAD_HANDLE, "this is no builder");
  }
  if (builder->mistake) {
    return tndb_error_pass(error, tndb_error_copy(builder->mistake));
  }
  return finish(builder, statement, error);
}
