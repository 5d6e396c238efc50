/* SPDX-License-Identifier: PostgreSQL */
/*
 * Telling a child after fork() from its parent. What a handle holds of the
 * server belongs to the process that opened it: a child that used or closed it
 * would speak on the parent's connection.
 */
#ifndef TNDB_BASE_FORK_H
#define TNDB_BASE_FORK_H

#include <stdint.h>

/* Another number in every child: keep it, and compare. Costs no system call. */
uint32_t tndb_fork_generation(void);

#endif
