/* SPDX-License-Identifier: PostgreSQL */
/*
 * How far one gets when connecting fails without the server having said a word:
 * libpq's text is in the caller's language, so the way is gone once more.
 */
#ifndef TNDB_PG_REACH_H
#define TNDB_PG_REACH_H

#include "base/buffer.h"
#include "config/config.h"

typedef enum tndb_reach_outcome {
  TNDB_REACH_ANSWERED,  /* somebody takes connections there */
  TNDB_REACH_NO_NAME,   /* the host's name is not known */
  TNDB_REACH_NO_ANSWER, /* refused, no such socket, no answer in time */
  TNDB_REACH_UNCLEAR    /* the connection string itself cannot be read */
} tndb_reach_outcome;

typedef struct tndb_reach {
  tndb_reach_outcome outcome;
  tndb_buffer place; /* "host name, port 5432", "socket /run/…" */
  char user[64];
  char database[64];
} tndb_reach;

/* Where database.url leads first, and how far one gets. False when memory ran out. */
bool tndb_reach_find(const tenantdb_config *config, tndb_reach *reach);
void tndb_reach_free(tndb_reach *reach);

#endif
