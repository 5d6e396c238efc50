/* SPDX-License-Identifier: PostgreSQL */
#include "config/events.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"
#include "config/config.h"
#include "config/event_queue.h"

/* One line that fits, cut between characters; NULL is "". */
static void put_line(char *to, size_t size, const char *from) {
  size_t used = 0;
  for (size_t at = 0; from && from[at];) {
    size_t length = tndb_utf8_decode(from + at, strnlen(from + at, 4), NULL);
    length = length > 0 ? length : 1;
    if (used + length >= size) {
      break;
    }
    for (size_t i = 0; i < length; i++, at++) {
      unsigned char c = (unsigned char)from[at];
      to[used++] = c < 0x20 || c == 0x7F ? ' ' : from[at];
    }
  }
  to[used] = '\0';
}

static void tell_callbacks(const tndb_listeners *listeners, tenantdb_event *event) {
  tndb_auto_buffer json = TNDB_BUFFER_INIT;
  event->json = &json;
  if (listeners->log) {
    listeners->log(listeners->log_user, event->level, tenantdb_event_name(event), event->message);
  }
  if (listeners->event) {
    listeners->event(listeners->event_user, event);
  }
}

void tndb_config_write_event(const tenantdb_config *config, const tndb_event *what) {
  const tndb_listeners *listeners = tndb_config_listeners(config);
  const tndb_event_name *row = tndb_event_name_of(what->kind);
  if (!row || (!listeners->queue && !listeners->log && !listeners->event)) {
    return;
  }
  tenantdb_event event;
  event.sequence = 0;
  event.at_ms = tndb_clock_utc_ms();
  event.json = NULL;
  event.kind = what->kind;
  event.level = what->level ? what->level : row->level;
  event.backend_pid = what->backend_pid;
  put_line(event.sqlstate, sizeof event.sqlstate, what->sqlstate);
  put_line(event.tenant, sizeof event.tenant, what->tenant);
  put_line(event.message, sizeof event.message, what->message);
  if (listeners->queue) {
    tndb_event_queue_put(listeners->queue, &event);
  }
  tell_callbacks(listeners, &event);
}

/* ---------------------------------------------------------------- what a callback asks */

int64_t tenantdb_event_sequence(const tenantdb_event *event) {
  return event ? event->sequence : 0;
}

int64_t tenantdb_event_at_ms(const tenantdb_event *event) {
  return event ? event->at_ms : 0;
}

int32_t tenantdb_event_level(const tenantdb_event *event) {
  return event ? event->level : 0;
}

const char *tenantdb_event_name(const tenantdb_event *event) {
  return event ? tndb_event_name_of(event->kind)->name : "";
}

const char *tenantdb_event_tenant(const tenantdb_event *event) {
  return event ? event->tenant : "";
}

const char *tenantdb_event_sqlstate(const tenantdb_event *event) {
  return event ? event->sqlstate : "";
}

const char *tenantdb_event_message(const tenantdb_event *event) {
  return event ? event->message : "";
}

int32_t tenantdb_event_backend_pid(const tenantdb_event *event) {
  return event ? event->backend_pid : 0;
}

/* ---------------------------------------------------------------- as JSON */

static void put_text(tndb_buffer *json, const char *name, const char *text) {
  tndb_buffer_append(json, name);
  if (*text) {
    tndb_json_string(json, text, strlen(text));
  } else {
    tndb_buffer_append(json, "null");
  }
}

static void put_number(tndb_buffer *json, const char *name, int64_t number) {
  tndb_buffer_format(json, "%s%lld", name, (long long)number);
}

const char *tenantdb_event_json(const tenantdb_event *event) {
  char at[TNDB_EVENT_AT];
  tndb_buffer *json = event ? event->json : NULL;
  if (!json) {
    return NULL;
  }
  if (json->failed) {
    tndb_buffer_free(json); /* memory may be there again */
  }
  if (json->length == 0) {
    tndb_event_at(event->at_ms, at);
    put_number(json, "{\"sequence\":", event->sequence);
    put_text(json, ",\"at\":", at);
    put_number(json, ",\"at_ms\":", event->at_ms);
    put_text(json, ",\"level\":", tndb_event_level_name(event->level));
    put_text(json, ",\"event\":", tenantdb_event_name(event));
    put_text(json, ",\"tenant\":", event->tenant);
    put_text(json, ",\"sqlstate\":", event->sqlstate);
    put_text(json, ",\"message\":", event->message);
    if (event->backend_pid) {
      put_number(json, ",\"backend_pid\":", event->backend_pid);
      tndb_buffer_append_char(json, '}');
    } else {
      tndb_buffer_append(json, ",\"backend_pid\":null}");
    }
  }
  return json->failed ? NULL : tndb_buffer_text(json);
}
