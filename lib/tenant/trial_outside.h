/* SPDX-License-Identifier: PostgreSQL */
/* Statements that PostgreSQL refuses inside a transaction. */
#ifndef TNDB_TENANT_TRIAL_OUTSIDE_H
#define TNDB_TENANT_TRIAL_OUTSIDE_H

#include <stddef.h>

#include "base/buffer.h"

/*
 * Whether the statement is one; `locks` receives what it takes, from a list:
 * "mode on name" as the statement writes the name.
 */
bool tndb_trial_is_outside(const char *sql, size_t length, tndb_buffer *locks);

#endif
