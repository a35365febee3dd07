/* SPDX-License-Identifier: PostgreSQL */
/*
 * The [sink NAME] files: kept fresh with tokens, so that a program that can
 * only read a file always finds a login that works.  Part of the readers' half:
 * no cluster is involved.
 *
 * A file is refreshed min(ttl/2, 20 min) before its token's end, a little
 * earlier by chance so that hosts do not come together; it is replaced as a
 * whole, under the sink's lock, and an older token never replaces a newer one.
 * When there is no new token the old file stays.  What is in a file is read
 * from its marker, so that several writers (keyturnd, cron) agree.
 */
#ifndef KEYTURN_SINK_REFRESH_H
#define KEYTURN_SINK_REFRESH_H

#include <stdbool.h>
#include <stdint.h>

#include "open/open.h"

struct sink_refresh;

struct sink_refresh_options {
	struct opened *opened; /* must outlive it */
	struct ledger *ledger; /* each delivery is recorded before it is made;
				  NULL: only sink_refresh_look() may be called */
	const char *actor;     /* who acts, for the audit */
	/* The first turn refreshes every file, whatever life it has: after a
	 * start, or with new settings. */
	bool at_once;
};

/* Every [sink NAME] of the configuration; STATUS_CONFIG with FILE:LINE when one
 * of them cannot be understood.  None is fine: nothing is ever due. */
enum status sink_refresh_new(const struct sink_refresh_options *o,
			     struct sink_refresh **ret, struct reason *why);
void sink_refresh_free(struct sink_refresh *r);

/* How many files there are. */
size_t sink_refresh_count(const struct sink_refresh *r);

/* What is known of one file; strings live until the call returns. */
struct sink_refresh_outcome {
	const char *sink;  /* the [sink NAME] */
	const char *token; /* the [token NAME] */
	const char *path;
	/* NULL: it is of the file itself.  Else of a step that follows a new
	 * token, which was tried: status and detail are its. */
	const char *step;
	bool tried;	    /* its time had come */
	enum status status; /* of the attempt, or of looking at the file */
	const char *detail; /* a sentence when that is not STATUS_OK, else "" */
	bool changed;	    /* the file is a new one */
	int64_t expires_us; /* wall clock; 0: it holds no token of ours */
	int64_t min_life_us; /* the setting */
	bool alarm;	     /* less than that is left */
	int64_t due_us;	     /* wall clock, of the next attempt */
};

typedef void sink_refresh_fn(void *arg, const struct sink_refresh_outcome *o);

/*
 * Refresh what is due at this moment, and run what follows a token that has not
 * taken it (sink_after.h); tell fn of each attempt, and of each file whose alarm
 * begins or ends.  Returns when to call again (wall clock;
 * INT64_MAX without files); an attempt that failed is due again after a minute.
 * May take as long as the timeouts of a source and of steps; not for two threads at once.
 */
int64_t sink_refresh_run(struct sink_refresh *r, sink_refresh_fn *fn,
			 void *arg);

/* Leave all files alone but those that were named so. */
enum status sink_refresh_only(struct sink_refresh *r, const char *name,
			      struct reason *why);

/* Tell fn of every file, changing nothing; for `keyturn status`.  Does any have
 * an alarm?  With a ledger detail says of a step that is behind, too. */
bool sink_refresh_look(struct sink_refresh *r, sink_refresh_fn *fn, void *arg);

/* Could each file be delivered to, and each of its steps be run?  sink_try() with a
 * stand-in for a token; fn is told, with status and detail. */
void sink_refresh_ready(struct sink_refresh *r, sink_refresh_fn *fn, void *arg);

#endif
