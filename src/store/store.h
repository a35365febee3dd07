/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where secrets live.  One interface and a folder for each driver (local, vault,
 * aws), which never see each other; what they share is beside this file.
 *
 * A secret is known by the role's store name.  It has versions; each version
 * has an id (UUID, made by the engine, never reused) and at most one of the
 * labels PENDING, CURRENT, PREVIOUS; the others form the ring, newest first.
 *
 * Every write is a compare-and-swap on the revision that the caller has seen,
 * and can be repeated with the same version id: a repeat of what already
 * happened is STATUS_OK.
 *
 * Statuses, for every member: STATUS_OK; STATUS_CONFLICT, the revision moved,
 * nothing was written; STATUS_STORE_UNAVAILABLE, nothing was written and a
 * retry may help (sealed, rate limited, locked, no connection);
 * STATUS_UNKNOWN, a write was sent and no answer came: describe() decides;
 * STATUS_REFUSED, a definite no (permission, size, full disk, wrong kind);
 * STATUS_CORRUPT, what is there fails its check (wrong key, damaged).
 *
 * All members may be called by several threads.
 */
#ifndef KEYTURN_STORE_H
#define KEYTURN_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "base/reason.h"
#include "base/secret.h"

#define STORE_NAME_SIZE	    256
#define STORE_REVISION_SIZE 64
#define STORE_NOTE_SIZE	    256
#define STORE_VERSIONS_MAX  67 /* pending, current, previous and the ring */
/* Rotations and abandoned stagings in the restore window must stay below it:
 * rotation-safety.md finding 4. */
#define STORE_RING_MIN	   4
#define STORE_RING_DEFAULT 20
#define STORE_RING_MAX	   64

enum store_label {
	STORE_LABEL_RING,
	STORE_LABEL_PENDING,
	STORE_LABEL_CURRENT,
	STORE_LABEL_PREVIOUS
};

/* "pending", "current", "previous", "ring". */
const char *store_label_name(enum store_label l);
/* Inverse; STATUS_USAGE lists what there is. */
enum status store_label_parse(const char *name, enum store_label *ret,
			      struct reason *why);

struct store_version {
	char id[RANDOM_UUID_SIZE];
	enum store_label label;
	int64_t created_us; /* when it was staged, wall clock */
	bool lived;	    /* it was CURRENT, or may have been; of a list that
			     * a driver keeps, not of every describe() */
};

/* What describe() returns: no secret in it. */
struct store_state {
	char revision[STORE_REVISION_SIZE]; /* "" when nothing is stored */
	size_t n;
	struct store_version versions[STORE_VERSIONS_MAX]; /* newest first */
	/* From this process's memory of its last write, which another may have
	 * made old, or without the ring where that is dear to read: good for a
	 * write, which is compared anyway, and not for calling something
	 * unknown.  The next describe() asks the store for everything. */
	bool remembered;
	/* What a person must know of this state ("CURRENT was deleted ..."), or
	 * "".  Such a state shows no version that would be acted on. */
	char note[STORE_NOTE_SIZE];
};

/* The version with this id, or with this label; NULL when there is none. */
const struct store_version *store_find_id(const struct store_state *s,
					  const char *id);
const struct store_version *store_find_label(const struct store_state *s,
					     enum store_label l);

/*
 * What consumers read, in AWS's database-secret shape (DESIGN.md section 5).
 * Strings are caller-owned on the way in; on the way out the arrays are filled.
 */
struct store_entry {
	char engine[16]; /* "postgres" */
	char host[256];
	char port[8];
	char dbname[64];
	char username[64];
	struct secret *password;
	/* stage(): CURRENT's own password under another id, which is no
	 * rotation. */
	bool renews;
};

struct store;

/* Write, read back, compare and delete a canary, and make sure there is room for
 * one rotation: can this store take a rotation now? */
typedef enum status store_canary_fn(struct store *s, struct reason *why);

/*
 * Can this secret be rotated now?  Asks for all that stage(), fetch(), promote()
 * and retire() of it will ask of the store and that can be found out without
 * writing:
 *   - is it ours to write: not a replica, not rotated or owned by another, not
 *     marked for deletion; is it there, or may it be made?
 *   - are the rights granted that those members use on it?
 *   - would something delete by the clock what they write?
 * What the store does not tell (a right that one may not ask for) is no refusal.
 * A secret whose CURRENT was deleted, or has no password, is ready: to write over
 * it is for the caller to decide.  Nothing is asked that describe() of this
 * process has just been told; stage() refuses for the same reasons.  Never
 * STATUS_UNKNOWN; STATUS_REFUSED says what lacks and what to do.
 */
typedef enum status store_ready_fn(struct store *s, const char *name,
				   struct reason *why);

/* The state of one secret; an unknown name is STATUS_OK with n == 0. */
typedef enum status store_describe_fn(struct store *s, const char *name,
				      struct store_state *ret_state,
				      struct reason *why);

/* The content of one version.  STATUS_NOT_FOUND when the store does not have it
 * (never another version instead).  ret_entry->password is the caller's. */
typedef enum status store_fetch_fn(struct store *s, const char *name,
				   const char *id,
				   struct store_entry *ret_entry,
				   struct reason *why);

/* PENDING := id with this content.  A superseded PENDING goes into the ring, never
 * lost.  To stage the same PENDING again under the present revision is STATUS_OK
 * and moves the revision, where the store can: a rotator that was fenced in the
 * database must not stage over what is applied again.  ret_state, when not NULL,
 * is the state after. */
typedef enum status store_stage_fn(struct store *s, const char *name,
				   const char *revision, const char *id,
				   const struct store_entry *entry,
				   struct store_state *ret_state,
				   struct reason *why);

/* Move a label; ret_state as above. */
typedef enum status store_move_fn(struct store *s, const char *name,
				  const char *revision, const char *id,
				  struct store_state *ret_state,
				  struct reason *why);

/*
 * PREVIOUS -> ring, when there is one.  The revision moves in any case, so that
 * from then on whatever was sent under an earlier one is refused; but not in a
 * store that compares labels (by_label).
 */
typedef enum status store_withdraw_fn(struct store *s, const char *name,
				      const char *revision,
				      struct store_state *ret_state,
				      struct reason *why);

/* ---- what opens once ------------------------------------------------------- */

#define STORE_ACCESSOR_SIZE  128
#define STORE_WRAP_PATH_SIZE 128
#define STORE_WRAP_MIN_S     10
#define STORE_WRAP_MAX_S     (INT64_C(7) * 86400)

/* A token that stands for a content, opens it once, and ends. */
struct store_wrapped {
	struct secret *token;		    /* the caller's */
	char accessor[STORE_ACCESSOR_SIZE]; /* names it, and opens nothing */
	char made_by[STORE_WRAP_PATH_SIZE]; /* the store's word for what made
						 it, for whoever opens it */
	int64_t life_s;			    /* from when it was made */
};

/* Wrap a version's host, port, database, user, password and id for life_s,
 * STORE_WRAP_MIN_S to STORE_WRAP_MAX_S.  Never STATUS_UNKNOWN: a token that was
 * made and did not arrive is nobody's, and ends. */
typedef enum status store_wrap_fn(struct store *s, const char *id,
				  const struct store_entry *entry,
				  int64_t life_s, struct store_wrapped *ret,
				  struct reason *why);

/* Is the token of this accessor there?  Not when it was opened or revoked, or has
 * ended.  STATUS_REFUSED: the store may not be asked. */
typedef enum status store_wrap_look_fn(struct store *s, const char *accessor,
				       bool *ret_there, struct reason *why);

struct store_ops {
	const char *type; /* "local" */
	/*
	 * A write compares the label that it moves, and no revision: it is good
	 * as long as CURRENT is the version that the caller has seen there, and
	 * good again when CURRENT comes back to it.  What was sent before is
	 * refused for ever only once CURRENT is a version that it does not know.
	 */
	bool by_label;
	store_canary_fn *canary;
	store_ready_fn *ready;
	store_describe_fn *describe;
	store_fetch_fn *fetch;
	store_stage_fn *stage;
	/* CURRENT := id (from PENDING, or from PREVIOUS or the ring after a
	 * restore); the old CURRENT becomes PREVIOUS, the old PREVIOUS goes into
	 * the ring. */
	store_move_fn *promote;
	store_move_fn *retire; /* PENDING -> ring, when id is PENDING */
	store_withdraw_fn *withdraw;
	/* Both, or NULL: see store_wrap(). */
	store_wrap_fn *wrap;
	store_wrap_look_fn *wrap_look;
	void (*close)(struct store *s);
};

struct store {
	const struct store_ops *ops;
	const char *name; /* the [store NAME] */
};

/* STATUS_USAGE unless a token may be asked for that lives so long. */
enum status store_wrap_life(int64_t life_s, struct reason *why);

/* STATUS_REFUSED by a store without such tokens. */
enum status store_wrap_able(const struct store *s, struct reason *why);

/* These members, for any store; the same. */
store_wrap_fn store_wrap;
store_wrap_look_fn store_wrap_look;

#endif
