/* SPDX-License-Identifier: PostgreSQL */
/*
 * The embedded default: one SQLite file, each version sealed with AES-256-GCM,
 * store name and version id as associated data (so that rows cannot be
 * swapped), key from a 0600 file.
 */
#ifndef KEYTURN_STORE_LOCAL_H
#define KEYTURN_STORE_LOCAL_H

#include "base/now.h"
#include "store/store.h"

struct store_local_options {
	const char *name;     /* [store NAME] */
	const char *path;     /* the database file */
	const char *key_path; /* 64 hex digits, mode 0600 */
	unsigned ring;	      /* STORE_RING_MIN to STORE_RING_MAX */
	bool create;	      /* make the file when it is not there */
	const struct now *now;
	const struct random *random;
};

/*
 * Open.  STATUS_NOT_FOUND, STATUS_CONFIG (modes), STATUS_CORRUPT (wrong key,
 * found by a sealed check value in the file; truncated or garbled file),
 * STATUS_STORE_UNAVAILABLE (locked).  *ret_store: ops->close() frees it.
 */
enum status store_local_open(const struct store_local_options *o,
			     struct store **ret_store, struct reason *why);

#endif
