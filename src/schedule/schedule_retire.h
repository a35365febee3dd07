/* SPDX-License-Identifier: PostgreSQL */
/*
 * When the old member of a pair is retired by itself (retire = auto), by what looks
 * at the server have shown.  That no one uses it has to be seen, for the whole of
 * `quiet`, by looks without a gap: no look, or one that may not see, is no evidence.
 * Pure; times are the wall clock's unless said.
 */
#ifndef KEYTURN_SCHEDULE_RETIRE_H
#define KEYTURN_SCHEDULE_RETIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "base/reason.h"
#include "base/text.h"

#define SCHEDULE_RETIRE_ADMIN_SIZE 64

/* What a look has shown of a pair's roles beside the active one, and what the
 * looks before it add to that. */
struct schedule_retire_seen {
	int64_t taken_us; /* when; 0: never */
	int64_t quiet_us; /* since when each look showed none of their sessions;
			     0: the last one did not show that */
	char version[RANDOM_UUID_SIZE]; /* live then */
	int64_t live_us;    /* for how long, by the server's clock */
	int64_t sessions;   /* of theirs */
	bool may_login;	    /* one of them has LOGIN */
	bool visible;	    /* the administrator may see their sessions */
	bool kept;	    /* the password before is not cleared */
	int64_t retired_us; /* for how long its member has had no LOGIN, by the
			       server's clock; -1: it has */
	char admin[SCHEDULE_RETIRE_ADMIN_SIZE]; /* the administrator */
};

/* The look `now`, of which everything but quiet_us is known, after `before`.  Looks
 * further apart than gap_us, a clock that went back, and another live version
 * begin again. */
void schedule_retire_add(struct schedule_retire_seen *now,
			 const struct schedule_retire_seen *before,
			 int64_t gap_us);

/* Is there anything to be said of `now` that a note of `noted` does not say?  That
 * it goes on as it was is none, nor how many sessions there are. */
bool schedule_retire_is_news(const struct schedule_retire_seen *now,
			     const struct schedule_retire_seen *noted);

/* As one line, and back; false (and a blank *ret) for another. */
void schedule_retire_write(const struct schedule_retire_seen *s,
			   struct text *t);
bool schedule_retire_read(const char *line, struct schedule_retire_seen *ret);

struct schedule_retire {
	/* settings; gap_us: looks are no further apart */
	int64_t grace_us, quiet_us, tombstone_us, gap_us;
	int64_t noted_us; /* how old a note may be beyond that, of who still
			     looks: he decides, and others tell by it; 0: he is
			     asked himself */
	/* what the ledger knows */
	const char *version; /* current, or "" */
	int64_t rotated_us;  /* since when; 0: never */
	int64_t last_run_us; /* what was seen before is not believed */
	int64_t deferred_us; /* when a retirement was last put off: somebody
				 used the old member; 0: never */
	size_t expected, adopted; /* consumers, and how many of them were seen
				     with the current version */
	const char *decided;	  /* why they are not waited for, or NULL */
	int64_t now_us;
};

enum schedule_retire_verdict {
	SCHEDULE_RETIRE_NOTHING, /* there is nothing to end */
	SCHEDULE_RETIRE_BLIND,	 /* no look says what there is */
	SCHEDULE_RETIRE_WAITS,	 /* the old member may log in, and stays so */
	SCHEDULE_RETIRE_DUE,	 /* it should lose LOGIN now */
	SCHEDULE_RETIRE_KEEPS,	 /* it has none; its password is kept a while */
	SCHEDULE_RETIRE_CLEAR	 /* its password should go now */
};

/* *why: what is waited for, or on what evidence it is done; "" for NOTHING. */
enum schedule_retire_verdict schedule_retire_judge(
	const struct schedule_retire *r, const struct schedule_retire_seen *s,
	struct reason *why);

#endif
