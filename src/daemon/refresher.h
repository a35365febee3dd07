/* SPDX-License-Identifier: PostgreSQL */
/*
 * The files that are kept fresh with tokens, in a thread of their own: a token
 * lives for minutes, and no rotation may make it wait.
 */
#ifndef KEYTURN_REFRESHER_H
#define KEYTURN_REFRESHER_H

#include "daemon/generation.h"

struct refresher;

/* One [sink NAME]. */
struct refresher_file {
	char sink[CONFIG_NAME_MAX + 1], token[CONFIG_NAME_MAX + 1];
	int64_t expires_us; /* wall clock; 0: there is no token of ours in it */
	bool alarm;	    /* less than min_life is left */
	bool behind;	    /* what follows its token has failed */
	unsigned failures;  /* attempts in a row */
};

/*
 * Start the thread, which holds the generation until it ends; *ret is NULL when there
 * are no such files.  at_once: every file gets a new token first.
 */
enum status refresher_start(struct generation *generation, bool at_once,
			    const char *actor, struct refresher **ret,
			    struct reason *why);

/* How the files are: at most `most` of them.  Takes NULL. */
size_t refresher_files(struct refresher *f, struct refresher_file *ret,
		       size_t most);

/* Begin nothing more; what is under way ends with its timeout.  Takes NULL. */
void refresher_stop(struct refresher *f);
/* Has it ended?  True for NULL. */
bool refresher_stopped(struct refresher *f);
/* Stop, wait and release.  Takes NULL. */
void refresher_free(struct refresher *f);

#endif
