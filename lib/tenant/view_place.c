/* SPDX-License-Identifier: PostgreSQL */
/* Which part of a view each of its tenants goes to. */
#include "base/memory.h"
#include "tenant/view_batch.h"

static bool make_dirty(tndb_batch *b, tndb_part *part) {
  if (!part->dirty && b->n_dirty == TNDB_BATCH_PARTS) {
    return false;
  }
  b->n_dirty += !part->dirty;
  part->dirty = true;
  return true;
}

static tndb_part *add_part(tndb_batch *b) {
  int32_t number = b->n_parts ? b->parts[b->n_parts - 1].number + 1 : 0;
  b->parts[b->n_parts] = (tndb_part){.number = number};
  return &b->parts[b->n_parts++];
}

/* The part a member is in, NULL when in none. */
static tndb_part *part_of(tndb_batch *b, int row) {
  int64_t number = -1;
  if (!PQgetisnull(b->members, row, TNDB_MEMBER_PART)) {
    (void)tndb_number_parse(tndb_batch_member(b, row, TNDB_MEMBER_PART), &number);
  }
  for (size_t i = 0; i < b->n_parts; i++) {
    if (b->parts[i].number == number) {
      return &b->parts[i];
    }
  }
  return NULL;
}

/* A large part with room for so many, or one more; NULL when the batch has parts enough. */
static tndb_part *find_room(tndb_batch *b, int32_t members) {
  for (size_t i = 1; i < b->n_parts; i++) {
    if (b->parts[i].members + members <= TNDB_PART_MEMBERS && make_dirty(b, &b->parts[i])) {
      return &b->parts[i];
    }
  }
  if (b->n_dirty == TNDB_BATCH_PARTS) {
    return NULL;
  }
  tndb_part *part = add_part(b);
  (void)make_dirty(b, part);
  return part;
}

static int32_t move_out(tndb_batch *b, tndb_part *from, int32_t to) {
  if (from && !make_dirty(b, from)) {
    return TNDB_LATER;
  }
  if (from) {
    from->members--;
  }
  return to;
}

/* Those who are in a part stay in it, or leave. Returns how many others there are to come. */
static int32_t place_old(tndb_batch *b) {
  int32_t newcomers = 0;
  for (int i = 0; i < PQntuples(b->members); i++) {
    tndb_part *from = part_of(b, i);
    if (tndb_batch_member(b, i, TNDB_MEMBER_WANTED)[0] != 't') {
      b->target[i] = move_out(b, from, TNDB_NOWHERE);
    } else if (!PQgetisnull(b->members, i, TNDB_MEMBER_PROBLEM)) {
      b->target[i] = move_out(b, from, TNDB_LEFT_OUT);
    } else if (from) {
      b->target[i] = make_dirty(b, from) ? from->number : TNDB_LATER;
    } else {
      b->target[i] = TNDB_NEW;
      newcomers++;
    }
  }
  return newcomers;
}

/* All of part 0, and who came into it just now, into a large one. */
static void spill(tndb_batch *b) {
  tndb_part *small = &b->parts[0];
  if (small->members == 0 || !make_dirty(b, small)) {
    return;
  }
  tndb_part *to = find_room(b, small->members);
  if (!to) {
    return; /* it stays as it is; a later batch does it */
  }
  b->spill = to->number;
  to->members += small->members;
  small->members = 0;
  for (int i = 0; i < PQntuples(b->members); i++) {
    b->target[i] = b->target[i] == 0 ? to->number : b->target[i];
  }
}

static void place_new(tndb_batch *b, int32_t newcomers) {
  bool fits = b->parts[0].members + newcomers <= TNDB_PART_SMALL && make_dirty(b, &b->parts[0]);
  if (!fits) {
    spill(b);
  }
  for (int i = 0; i < PQntuples(b->members); i++) {
    if (b->target[i] == TNDB_NEW) {
      tndb_part *to = fits ? &b->parts[0] : find_room(b, 1);
      b->target[i] = to ? to->number : TNDB_LATER;
      if (to) {
        to->members++;
      }
    }
  }
}

void tndb_batch_place(tndb_batch *b) {
  if (b->n_parts == 0) {
    (void)make_dirty(b, add_part(b)); /* a view of nobody needs its columns all the same */
  }
  int32_t newcomers = place_old(b);
  if (newcomers > 0) {
    place_new(b, newcomers);
  }
  b->last = PQntuples(b->members) < TNDB_BATCH_MEMBERS;
  for (int i = 0; i < PQntuples(b->members); i++) {
    b->last = b->last && b->target[i] != TNDB_LATER;
  }
}
