/* SPDX-License-Identifier: PostgreSQL */
/* The public calls: one step after the other, and the report of them. */
#include "tenant/move.h"

#include <string.h>

#include "base/memory.h"

#define MOST_LOST 3 /* connections, before one call gives up */
#define LOST_REST_MS 100

void tndb_move_note(tndb_move *move, tndb_move_step step, const char *note) {
  char *copy = tndb_strdup(note);
  if (copy) { /* what is only told may be missing */
    tndb_free(move->steps[step].note);
    move->steps[step].note = copy;
  }
}

tenantdb_status tndb_move_wait(tndb_move *move, int64_t ms, const char *what, tenantdb_error **error) {
  if (tndb_deadline_left(move->until) == 0) {
    return tndb_origin(error, TENANTDB_TIMEOUT, TENANTDB_REASON_MOVE_PATIENCE,
                       "patience ended with tenant %s %s (%s); call again to go on", move->source->slug,
                       move->stage == TNDB_STAGE_SWITCHED ? "on his way" : "where he was", what);
  }
  tndb_clock_sleep_ms(ms);
  return tndb_move_renew(move, error);
}

/* ---------------------------------------------------------------- steps */

typedef tenantdb_status (*step_function)(tndb_move *move, tenantdb_error **error);
typedef struct plan {
  tndb_move_step step;
  step_function run;
  bool again; /* even when it is recorded as done */
} plan;

static tenantdb_status run_step(tndb_move *move, const plan *what, tenantdb_error **error) {
  tndb_move_record *step = &move->steps[what->step];
  if (step->done && !what->again) {
    return TENANTDB_OK;
  }
  tenantdb_status status = step->begun ? TENANTDB_OK : tndb_move_record_step(move, what->step, false, error);
  if (status) {
    return status;
  }
  int64_t began = tndb_clock_ms();
  status = what->run(move, error);
  step->ms += tndb_clock_ms() - began;
  return status ? status : tndb_move_record_step(move, what->step, true, error);
}

static tenantdb_status run_steps(tndb_move *move, const plan *steps, size_t count, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  for (size_t i = 0; !status && i < count; i++) {
    status = run_step(move, &steps[i], error);
  }
  return status;
}

static tenantdb_status nothing(tndb_move *move, tenantdb_error **error) {
  (void)move, (void)error;
  return TENANTDB_OK;
}

static const plan before[] = {
    {TNDB_MOVE_CREATE, tndb_move_create, false},      {TNDB_MOVE_REFERENCES, tndb_move_references, false},
    {TNDB_MOVE_GUARD_TABLES, tndb_move_guard, false}, {TNDB_MOVE_PUBLISH, tndb_move_publish, false},
    {TNDB_MOVE_SLOT, tndb_move_make_slot, false},     {TNDB_MOVE_SUBSCRIBE, tndb_move_subscribe, false},
    {TNDB_MOVE_COPY, tndb_move_copy, false},          {TNDB_MOVE_REFRESH, tndb_move_refresh, true},
    {TNDB_MOVE_CATCH_UP, tndb_move_catch_up, true}};
static const plan switching[] = {{TNDB_MOVE_SWITCH, tndb_move_switch, true}};
static const plan pausing[] = {{TNDB_MOVE_PAUSE, nothing, true}};
static const plan verifying[] = {{TNDB_MOVE_VERIFY, nothing, true}};
static const plan after[] = {{TNDB_MOVE_KEYS, tndb_move_validate_keys, false},
                             {TNDB_MOVE_REFRESH, tndb_move_refresh, true},
                             {TNDB_MOVE_UNSUBSCRIBE, tndb_move_unsubscribe, false},
                             {TNDB_MOVE_UNPUBLISH, tndb_move_unpublish, false}};
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* What the other database knows of it; from here on we are who may switch. */
static tenantdb_status look_there(tndb_move *move, tenantdb_error **error) {
  char *state = NULL;
  tenantdb_status status = tndb_move_own_target(move, &state, error);
  if (!status && state && strcmp(state, "undone") == 0) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_MOVE_OPEN,
                         "giving up the move of tenant %s was begun: tenantdb_tenant_move_undo() finishes it",
                         move->source->slug);
  }
  if (!status && !state && move->steps[TNDB_MOVE_CREATE].done) {
    status = tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_CHANGED,
                         "the other database knows nothing of the move of tenant %s any more: "
                         "tenantdb_tenant_move_undo(), and begin anew",
                         move->source->slug);
  }
  if (!status) {
    move->steps[TNDB_MOVE_CREATE].done = state != NULL;
    move->there_already = state && strcmp(state, "moving") != 0;
  }
  tndb_free(state);
  return status;
}

static void name_link(tndb_move *move) {
  char *at = move->link + sizeof "tenantdb_move_" - 1;
  memcpy(move->link, "tenantdb_move_", sizeof "tenantdb_move_");
  for (const char *id = move->id; *id; id++) {
    if (*id != '-') {
      *at++ = *id;
    }
  }
  *at = '\0';
}

/* What was found in one try is found again in the next. */
static void forget(tndb_move *move) {
  tndb_free(move->slug);
  tndb_free(move->there);
  tndb_free(move->identity);
  tndb_free(move->fingerprint);
  move->slug = move->there = move->identity = move->fingerprint = NULL;
  move->there_already = false;
}

static tndb_table *new_report(void) {
  static const char *const columns[] = {"step", "state", "note", "remedy", "seconds"};
  return tndb_table_new(columns, (int32_t)COUNT(columns));
}

static void forget_refusals(tndb_move *move) {
  tndb_table_free(move->refusals);
  tndb_buffer_free(&move->refused);
  move->refusals = new_report();
  move->n_refused = 0;
}

/*
 * What was refused may be another caller's doing: he began the same move while we looked, and the tenant that is
 * in the way is the one that he is bringing. Then the answer is his, not the list.
 */
static bool was_begun_meanwhile(tndb_move *move) {
  tenantdb_error *own = NULL;
  forget(move);
  tenantdb_status status = tndb_move_find(move, &own);
  tenantdb_error_free(own);
  return !status && move->stage != TNDB_STAGE_NEW;
}

/* The move as it is: found, or begun, and ours. */
static tenantdb_status enter(tndb_move *move, tenantdb_error **error) {
  tenantdb_status status = tndb_move_find(move, error);
  if (!status) {
    status = tndb_move_look(move, error);
  }
  if (status || move->stage == TNDB_STAGE_DONE) {
    return status;
  }
  if (move->stage == TNDB_STAGE_NEW) {
    status = tndb_move_check(move, error);
    if (!status && !tndb_uuid_new(move->id)) {
      status =
          tndb_origin(error, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL, "the system gives no random bytes");
    }
    if (!status) {
      status = tndb_move_begin(move, error);
    }
  } else {
    status = tndb_move_take_over(move, error);
  }
  if (!status) {
    name_link(move);
    status = look_there(move, error);
  }
  /* Somebody died in the pause: nobody shall have to wait while we catch up. */
  return status || move->stage != TNDB_STAGE_MOVING ? status : tndb_move_thaw(move, error);
}

static tenantdb_status go_on(tndb_move *move, tenantdb_error **error) {
  tenantdb_status status = TENANTDB_OK;
  if (move->stage == TNDB_STAGE_MOVING) {
    status = run_steps(move, before, COUNT(before), error);
  }
  if (!status && !move->there_already) {
    status = run_steps(move, switching, COUNT(switching), error);
    move->there_already = !status;
  } else if (!status) {
    status = tndb_move_record_step(move, TNDB_MOVE_SWITCH, true, error);
  }
  if (!status) {
    status = run_steps(move, pausing, COUNT(pausing), error);
  }
  if (!status && move->steps[TNDB_MOVE_VERIFY].done) {
    status = run_steps(move, verifying, COUNT(verifying), error);
  } else if (!status) {
    tndb_move_note(move, TNDB_MOVE_VERIFY, "interrupted: only the counts were compared");
  }
  if (!status) {
    status = run_steps(move, after, COUNT(after), error);
  }
  return status ? status : tndb_move_finish_source(move, error);
}

static tenantdb_status run(tndb_move *move, tenantdb_error **error) {
  tenantdb_error *own = NULL;
  tenantdb_status status = enter(move, &own);
  if (status && move->n_refused > 0 && was_begun_meanwhile(move)) {
    tenantdb_error_free(own);
    own = NULL;
    forget(move);
    forget_refusals(move);
    status = enter(move, &own);
  }
  status = status ? tndb_error_pass(error, own) : TENANTDB_OK;
  if (status || move->stage == TNDB_STAGE_DONE) {
    return status;
  }
  if (move->source->state == TENANTDB_TENANT_DELETING || move->source->state == TENANTDB_TENANT_DELETED) {
    status = tndb_move_finish_source(move, error);
  } else {
    status = go_on(move, error);
  }
  if (!status) {
    move->stage = TNDB_STAGE_DONE;
    move->steps[TNDB_MOVE_SOURCE].done = true;
  }
  return status;
}

static tenantdb_status give_up(tndb_move *move, tenantdb_error **error) {
  tenantdb_status status = tndb_move_find(move, error);
  if (!status && move->stage == TNDB_STAGE_NEW) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_NO_MOVE, "tenant %s is not being moved",
                       move->source->slug);
  }
  if (!status && move->stage == TNDB_STAGE_DONE) {
    return tndb_origin(error, TENANTDB_STATE, TENANTDB_REASON_TENANT_MOVED, "tenant %s was moved to %s",
                       move->source->slug, move->there);
  }
  if (!status) {
    status = tndb_move_look(move, error);
  }
  if (!status) {
    status = tndb_move_take_over(move, error);
  }
  name_link(move);
  return status ? status : tndb_move_give_up(move, error);
}

/* ---------------------------------------------------------------- the report */

static void add_row(tndb_table *table, const tndb_move *move, int which, const char *state,
                    const char *note) {
  const tndb_move_record *step = &move->steps[which];
  tndb_auto_buffer seconds = TNDB_BUFFER_INIT;
  tndb_buffer_format(&seconds, "%lld.%03lld", (long long)(step->ms / 1000), (long long)(step->ms % 1000));
  const char *cells[] = {tndb_move_step_name((tndb_move_step)which), state, note, NULL,
                         step->begun || step->done ? tndb_buffer_text(&seconds) : NULL};
  tndb_table_row(table, cells);
}

/* The first step that is begun and not done is where it failed; the error says of what. */
static tenantdb_status make_report(tndb_move *move, const tenantdb_error *failure, tenantdb_result **report,
                                   tenantdb_error **error) {
  tndb_table *table = move->refusals;
  move->refusals = NULL;
  bool told = !failure;
  for (int i = 0; move->n_refused == 0 && i < TNDB_MOVE_N_STEPS; i++) {
    const tndb_move_record *step = &move->steps[i];
    bool fails = !told && !step->done && step->begun;
    told = told || fails;
    add_row(table, move, i,
            move->undoing && step->begun ? failure ? "open" : "undone"
            : step->done                 ? "done"
            : fails                      ? "failed"
                                         : "open",
            fails && !move->undoing ? tenantdb_error_message(failure) : step->note);
  }
  return tndb_table_finish(table, report, error);
}

static void clear(tndb_move *move) {
  tenantdb_tenant_free(move->source);
  tndb_free(move->slug);
  tndb_free(move->here);
  tndb_free(move->there);
  tndb_free(move->identity);
  tndb_free(move->fingerprint);
  tndb_buffer_free(&move->refused);
  tndb_table_free(move->refusals);
  for (int i = 0; i < TNDB_MOVE_N_STEPS; i++) {
    tndb_free(move->steps[i].note);
  }
}

/* A lost connection is no harm: the next try looks at what is there. A server that stays away is not waited for. */
static tenantdb_status persist(tndb_move *move, step_function what, tenantdb_error **error) {
  for (int lost = 0;; lost++) {
    tenantdb_error *own = NULL;
    tenantdb_status status = what(move, &own);
    bool again = status == TENANTDB_CONNECTION && lost < MOST_LOST;
    if (!again) {
      return status ? tndb_error_pass(error, own) : TENANTDB_OK;
    }
    tenantdb_error_free(own);
    forget(move);
    tndb_clock_sleep_ms(LOST_REST_MS);
  }
}

static tenantdb_status call(tndb_move *move, step_function what, tenantdb_result **report,
                            tenantdb_error **error) {
  tenantdb_error *own = NULL;
  tenantdb_status status = TENANTDB_OK;
  if (!tndb_uuid_new(move->owner)) {
    status =
        tndb_origin(&own, TENANTDB_INTERNAL, TENANTDB_REASON_INTERNAL, "the system gives no random bytes");
  }
  move->until = tndb_deadline_in(move->settings.patience_ms);
  move->refusals = new_report();
  if (!status) {
    status = persist(move, what, &own);
  }
  if (status) {
    tndb_move_release(move);
    tndb_error_set_tenant(&own, move->name);
  }
  if (report && !move->refusals && !status) {
    status = tndb_no_memory(&own); /* done, and cannot be told */
  } else if (report && move->refusals) {
    tenantdb_error *also = NULL;
    tenantdb_status made = make_report(move, own, report, &also);
    if (made && !status) {
      status = made;
      own = also;
    } else {
      tenantdb_error_free(also);
    }
  }
  clear(move);
  return status ? tndb_error_pass(error, own) : TENANTDB_OK;
}

/* ---------------------------------------------------------------- from outside */

static tenantdb_status check(const tenantdb *from, const char *tenant, const tenantdb *to,
                             tenantdb_result **report, tenantdb_error **error) {
  tndb_error_reset(error);
  if (report) {
    *report = NULL;
  }
  if (!tenant) {
    return tndb_origin(error, TENANTDB_ARGUMENT, TENANTDB_REASON_NULL_ARGUMENT, "tenant is NULL");
  }
  tenantdb_status status = tndb_database_check(from, error);
  return status ? status : tndb_database_check(to, error);
}

tenantdb_status tenantdb_tenant_move(tenantdb *from, const char *tenant, tenantdb *to,
                                     const tenantdb_move_options *options, tenantdb_result **report,
                                     tenantdb_error **error) {
  tndb_move move = {.from = from, .to = to, .name = tenant};
  tenantdb_status status = check(from, tenant, to, report, error);
  if (!status) {
    status = tndb_move_settings_read(options, &move.settings, error);
  }
  return status ? status : call(&move, run, report, error);
}

tenantdb_status tenantdb_tenant_move_undo(tenantdb *from, const char *tenant, tenantdb *to,
                                          tenantdb_result **report, tenantdb_error **error) {
  tndb_move move = {.from = from, .to = to, .name = tenant, .undoing = true};
  tenantdb_status status = check(from, tenant, to, report, error);
  if (!status) {
    status = tndb_move_settings_read(NULL, &move.settings, error);
  }
  return status ? status : call(&move, give_up, report, error);
}
