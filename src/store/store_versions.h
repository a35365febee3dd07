/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the writes of store.h do to a list of versions: labels and the ring.  Pure:
 * a driver loads the list, changes it here, and writes down what changed.
 *
 * A list is newest first: by when a version was staged, or became CURRENT.
 */
#ifndef KEYTURN_STORE_VERSIONS_H
#define KEYTURN_STORE_VERSIONS_H

#include "store/store.h"

/* What a write comes to. */
enum store_versions_verdict {
	STORE_VERSIONS_GO,
	STORE_VERSIONS_DONE,	/* it has happened already */
	STORE_VERSIONS_MOVED,	/* the caller has seen another revision */
	STORE_VERSIONS_ABSENT,	/* there is no such version */
	STORE_VERSIONS_LABELLED /* CURRENT or PREVIOUS cannot be retired */
};

enum store_versions_verdict store_versions_may_promote(
	const struct store_state *s, const char *revision, const char *id);
enum store_versions_verdict store_versions_may_retire(
	const struct store_state *s, const char *revision, const char *id);

/* PENDING := id, which is new, in front.  The PENDING that was goes into the
 * ring, which forgets what is too much.  STATUS_LIMIT: there is no room, which
 * a list that was changed by these functions only never comes to. */
enum status store_versions_stage(struct store_state *s, const char *id,
				 int64_t now_us, unsigned ring);

/* CURRENT := id, which is there, in front; the old CURRENT becomes PREVIOUS, the
 * old PREVIOUS goes into the ring.  Nothing is forgotten. */
void store_versions_promote(struct store_state *s, const char *id);

/* PENDING -> ring. */
void store_versions_retire(struct store_state *s, const char *id);

/*
 * Take out what the ring is too small for: the oldest versions without a label,
 * those first that were never CURRENT.  A day of failed runs must not push out
 * what a restored database may need.  The newest stays whatever it is: it may
 * have been PENDING until just now, and what became of it is not known to
 * everybody yet.
 */
void store_versions_prune(struct store_state *s, unsigned ring);

/* Take one out; nothing happens when it is not there. */
void store_versions_drop(struct store_state *s, const char *id);

/* PREVIOUS becomes one of the ring, when there is one. */
void store_versions_withdraw(struct store_state *s);

#endif
