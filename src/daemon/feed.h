/* SPDX-License-Identifier: PostgreSQL */
/*
 * The files that are kept fresh with tokens, in a thread of their own: a token
 * lives for minutes, and no rotation may make it wait.
 */
#ifndef KEYTURN_FEED_H
#define KEYTURN_FEED_H

#include "daemon/shop.h"

struct feed;

/* One [sink NAME]. */
struct feed_file {
	char sink[CONFIG_NAME_MAX + 1], token[CONFIG_NAME_MAX + 1];
	int64_t expires_us; /* wall clock; 0: there is no token of ours in it */
	bool alarm;	    /* less than min_life is left */
	unsigned failures;  /* attempts in a row */
};

/*
 * Start the thread, which holds the shop until it ends; *ret is NULL when there
 * are no such files.  at_once: every file gets a new token first.
 */
enum status feed_start(struct shop *shop, bool at_once, const char *actor,
		       struct feed **ret, struct reason *why);

/* How the files are: at most `most` of them.  Takes NULL. */
size_t feed_files(struct feed *f, struct feed_file *ret, size_t most);

/* Begin nothing more; what is under way ends with its timeout.  Takes NULL. */
void feed_stop(struct feed *f);
/* Has it ended?  True for NULL. */
bool feed_stopped(struct feed *f);
/* Stop, wait and release.  Takes NULL. */
void feed_free(struct feed *f);

#endif
