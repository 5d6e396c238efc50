/* SPDX-License-Identifier: PostgreSQL */
/*
 * The attack corpus: what a tenant's session may try in order to leave its scope,
 * and at each isolation level what comes of it.
 *
 * What an attack achieved is never read from the text of an error. The neighbour
 * is planted with random values; whatever comes back is searched for them; what
 * belongs to others is compared before and after; and the next sessions on the
 * same connection tell what they find. An attack that leaks more than its row
 * says fails the test, and one that leaks less does too: the row is what the
 * documentation is made of.
 */
#ifndef TNDB_ATTACK_H
#define TNDB_ATTACK_H

#include <libpq-fe.h>

#include "fixture.h"

/* Kinds of leaks, as letters in the rows of the corpus; "" is a scope that held. */
#define LEAK_READ 'r'  /* a value of a neighbour, of a table not granted, or of the catalog was seen */
#define LEAK_WRITE 'w' /* something of theirs was changed, or something made where others use it */
#define LEAK_STATE 's' /* something is left to later sessions, or others are disturbed */
#define LEAK_NAMES 'n' /* names of tenants never mentioned, or definitions in their schemas, were seen */

enum { N_LEVELS = 4, MOST_STEPS = 14 };

/*
 * What a step does. In its texts stand, replaced before use: {victim} {me}
 * {catalog} (schemas, quoted), {victim_role} {my_role} {owner} (roles, quoted; {owner_name} not),
 * {victim_id}, {tag} (a word no other run uses), {yes} and {carried} (expressions whose
 * value in a result is a leak of kind read and of kind state).
 */
typedef enum step_kind {
  STEP_END,
  BEFORE, /* as the first step: the row is true of servers before this major version */
  SINCE,  /* the same: from this one on */
  QUERY,  /* tenantdb_session_query() */
  SAID,   /* a query that says what to run: each row's first cell, as a query */
  BEGIN,  /* text: the mode, or NULL */
  COMMIT,
  ROLLBACK,
  SAVEPOINT,   /* text: its name */
  ROLLBACK_TO, /* text: its name */
  RELEASE,     /* text: its name */
  ADD,         /* to the batch */
  BATCH,       /* run what was added */
  STREAM,      /* to the end */
  STREAM_DROP, /* one row of it, then freed */
  COPY_OUT,    /* all of it */
  COPY_IN,     /* value: the data */
  TEXT,        /* query_text() with one value */
  TYPED,       /* query() with one typed text parameter */
  SEND,        /* without waiting, then stepped to the end */
  START,       /* without waiting, and left under way */
  COMPILED,    /* a template compiled and run */
  OPEN,        /* text: another session is opened by this slug, in place of the one there is */
  AGAIN,       /* the session is closed, and opened again */
  READ_ONLY,   /* the same with option read_only */
  IMPATIENT,   /* the same with option timeout */
  AS_VICTIM,   /* the victim's session takes its place; what it sees is no leak */
  AS_THIRD,    /* a third tenant's, who did not look for anything: what he sees is a leak */
  OUTSIDE,     /* SQL of a superuser on another connection */
  PROBE,       /* the same; the first cell holds letters of leaks */
  HEAR         /* the notifications that came; with a text: to the superuser's connection */
} step_kind;

typedef struct step {
  step_kind kind;
  const char *text;
  const char *value;
} step;

typedef struct attack {
  const char *name;
  const char *says;            /* what is tried, and why it matters where that is not plain */
  const char *leaks[N_LEVELS]; /* routing, role, hardened, login */
  const char *undo;            /* SQL of a superuser that takes back what may have been made; or NULL */
  step steps[MOST_STEPS];
} attack;

typedef struct chapter {
  const char *title;
  const attack *attacks;
  size_t count;
} chapter;

#define CHAPTER(name, title) const chapter name = {title, attacks, sizeof attacks / sizeof attacks[0]}

extern const chapter chapter_settings, chapter_hidden, chapter_calls, chapter_neighbour, chapter_objects,
    chapter_left, chapter_catalogs, chapter_server;

/* ------------------------------------------------------------- a level, set up */

typedef struct tenant_place {
  const char *slug;
  char id[40];
  char schema[64];
  char role[64];    /* the connected user's at level routing */
  char state[4096]; /* what a fresh session finds */
} tenant_place;

typedef struct place {
  bool ready;
  int32_t level; /* TENANTDB_ISOLATION_ */
  const char *url;
  const char *owner;
  char *as_owner;
  tenantdb *db;
  tenantdb_session *session; /* the one in use, so that a test that fails can be tidied up after */
  PGconn *admin;             /* a superuser, outside of everything */
  PGconn *witness; /* a connection such as the victim's sessions use, idle, a value in its last statement */
  tenant_place me, victim, third;
  char shared_state[4096];
  char data[4][33]; /* values whose sight is a read: the victim's, shared, the catalog's, a statement's */
  char definition[33];
  char yes[33], carried[33], tag[24];
  char *theirs; /* what belongs to others, before */
  char *server; /* settings and passwords kept by the server, before */
} place;

/* Opens the level; fails the test when it cannot be had. */
void place_make(place *p, int32_t level);
void place_drop(place *p);
/* A new witness: the old one may be gone. */
void place_witness(place *p);
/* After a test that failed half-way. */
void place_recover(place *p);
/* A new pool: the connections of the old one are gone. */
void place_renew(place *p);
/* SQL of the superuser; the first cell (free() it), or NULL. Fails the test. */
char *place_admin(place *p, const char *sql);
/* Put the planted rows back as they were. */
void place_plant(place *p);
/* Everything of others that an attack could change, as text; free() it. */
char *place_theirs(place *p);
char *place_server(place *p);
/* What a session finds on its connection, as text. */
void place_state(tenantdb_session *session, char *state, size_t size);
/* A text with its places filled in; free() it. */
char *place_fill(const place *p, const char *text);

/* ------------------------------------------------------------- an attack, carried out */

/* Option --trail: what every step answered is told in any case. */
extern bool attack_trail;

/* Leaks as sorted letters in `found`; what they were is told when that is not `expected`. */
void attack_run(place *p, const attack *a, const char *expected, char found[8]);

#endif
