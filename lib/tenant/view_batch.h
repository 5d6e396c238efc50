/* SPDX-License-Identifier: PostgreSQL */
/*
 * One transaction's share of settling a view: up to a thousand members, in up to
 * ten parts, since every table that a part's text names is a lock.
 *
 * Part 0 is small and takes in who comes; when it is full, all of it moves into a
 * large one. Making a part's text costs by the tenants in it, and so one who
 * comes costs a small part each time and a large one every tenth time.
 */
#ifndef TNDB_TENANT_VIEW_BATCH_H
#define TNDB_TENANT_VIEW_BATCH_H

#include "tenant/view.h"

#define TNDB_BATCH_MEMBERS 1000
#define TNDB_BATCH_PARTS 10 /* whose text is made */
#define TNDB_PART_MEMBERS 100
#define TNDB_PART_SMALL 10 /* of part 0 */

typedef struct tndb_part {
  int32_t number;
  int32_t members;
  bool there;
  bool dirty; /* its text is to be made */
} tndb_part;

/* Where a member goes, when it is not the number of a part. */
enum { TNDB_NOWHERE = -1, TNDB_LEFT_OUT = -2, TNDB_LATER = -3, TNDB_NEW = -4 /* while it is decided */ };

typedef struct tndb_batch {
  tndb_work work;
  tndb_view view;
  PGresult *members; /* those who are unsettled */
  PGresult *content; /* the others in the parts that are dirty */
  int32_t *target;   /* of each of the members */
  tndb_part *parts;  /* in the order of their numbers, from 0 */
  size_t n_parts;
  size_t n_dirty;
  int32_t spill; /* the part that all of part 0 moves to, or 0 */
  bool new_parts;
  bool last; /* nothing is left behind this batch */
} tndb_batch;

/* Columns of `members` … */
enum {
  TNDB_MEMBER_TENANT,
  TNDB_MEMBER_PART,
  TNDB_MEMBER_SLUG,
  TNDB_MEMBER_SCHEMA,
  TNDB_MEMBER_WANTED,
  TNDB_MEMBER_PROBLEM, /* why he cannot be in it, or NULL */
  TNDB_MEMBER_WISH
};
/* … and of `content`. */
enum { TNDB_CONTENT_PART, TNDB_CONTENT_TENANT, TNDB_CONTENT_SHOWN, TNDB_CONTENT_SCHEMA };

const char *tndb_batch_member(const tndb_batch *batch, int row, int what);
/* What the view calls the member, and in which part somebody of `content` will be. */
const char *tndb_batch_shown(const tndb_batch *batch, int row);
int32_t tndb_batch_content_part(const tndb_batch *batch, int row);

/* Read who is unsettled, and the parts, of the view that was read before. */
tenantdb_status tndb_batch_read(tndb_batch *batch, tenantdb_error **error);
/* Decide where each of them goes. Nothing is asked. */
void tndb_batch_place(tndb_batch *batch);
/* Read what stays in the parts that are dirty. */
tenantdb_status tndb_batch_read_content(tndb_batch *batch, tenantdb_error **error);
/* Ends the work, too. */
void tndb_batch_free(tndb_batch *batch);

#endif
