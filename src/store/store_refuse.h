/* SPDX-License-Identifier: PostgreSQL */
/* The sentences in which every store refuses the same thing. */
#ifndef KEYTURN_STORE_REFUSE_H
#define KEYTURN_STORE_REFUSE_H

#include "store/store_versions.h"

/* STATUS_REFUSED unless it can be a secret's name: 1 to STORE_NAME_SIZE - 1
 * bytes. */
enum status store_refuse_name(const char *name, struct reason *why);

/* STATUS_REFUSED unless it can be a version's id: a lower-case UUID. */
enum status store_refuse_id(const char *id, struct reason *why);

/* STATUS_CONFIG unless the ring is of a size that is safe. */
enum status store_refuse_ring(const char *store, unsigned ring,
			      struct reason *why);

/* s (STATUS_NOT_FOUND, STATUS_REFUSED): the store has no such version. */
enum status store_refuse_absent(enum status s, const char *store,
				const char *name, const char *id,
				struct reason *why);

/* STATUS_REFUSED: an id is used again for another content. */
enum status store_refuse_content(const char *store, const char *name,
				 const char *id, struct reason *why);

/* STATUS_CONFLICT: the revision that the caller has seen is an old one. */
enum status store_refuse_moved(const char *store, const char *name,
			       struct reason *why);

/* STATUS_CORRUPT: the list of versions is longer than any that we make. */
enum status store_refuse_full(const char *store, const char *name,
			      struct reason *why);

/* What a promotion or a retirement of id comes to when the verdict is neither
 * GO nor DONE. */
enum status store_refuse_move(enum store_versions_verdict verdict,
			      const char *store, const char *name,
			      const char *id, const struct store_state *state,
			      struct reason *why);

/* "store NAME: " in front of what was said, unless that begins with the store
 * already.  Returns s; STATUS_OK has no reason. */
enum status store_refuse_wrap(const char *store, enum status s,
			      struct reason *why);

#endif
