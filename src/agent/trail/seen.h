/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who logged in with which password: what was verified, added up, for the rotator
 * (USES).  In memory alone, so since the agent was started; what lasts is the trail.
 *
 * Of each role two versions are kept, each with AGENT_TRAIL_SEEN_HOSTS rows (login,
 * remote host, service); logins from further hosts share one row a version.  Nothing
 * is forgotten to make room: what is beyond AGENT_TRAIL_SEEN_ROWS in all goes to the
 * shared rows as well.
 *
 * The rotator proves a password by a login like any other, and says so at once (OWN):
 * so the logins of the last AGENT_TRAIL_SEEN_SETTLE_US are not shown yet.
 */
#ifndef KEYTURN_AGENT_TRAIL_SEEN_H
#define KEYTURN_AGENT_TRAIL_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/now.h"
#include "base/random.h"

#define AGENT_TRAIL_SEEN_HOSTS 128
#define AGENT_TRAIL_SEEN_ROWS  16384

#define AGENT_TRAIL_SEEN_SETTLE_US (3 * NOW_SECOND)

struct agent_trail_seen;

/* A password was accepted.  Texts are copied, and cut to the sizes of a row. */
struct agent_trail_seen_use {
	const char *role;
	const char *login; /* as which user, "" when only the role was named */
	const char *version; /* whose password it was */
	bool previous;	     /* accepted within the grace of the one before */
	const char *beside; /* the other version that counts now, or "": rows of
				the role's further ones are dropped */
	const char *rhost, *service; /* as the asker says, or "" */
};

struct agent_trail_seen_row {
	uint64_t entry; /* its number, from 1; rows come in this order, and no
			   number comes twice */
	char role[128], login[256], rhost[256], service[64];
	char version[RANDOM_UUID_SIZE];
	bool further;	   /* the shared row: login, rhost and service are "" */
	uint64_t count;	   /* how often */
	uint64_t previous; /* ... of these as the previous password */
	int64_t first_us, last_us; /* boot clock */
};

/* NULL without memory. */
struct agent_trail_seen *agent_trail_seen_new(const struct now *now);
void agent_trail_seen_free(struct agent_trail_seen *t);

/* Count a use.  Without memory it is not counted, and since_us begins anew: what is
 * missing must not look like nothing. */
void agent_trail_seen_add(struct agent_trail_seen *t,
			  const struct agent_trail_seen_use *use);

/*
 * The one login of that user within the last within_us was the rotator's: it does not
 * count.  False when there was none, or when there were some from several hosts, of
 * which all go on to count.
 */
bool agent_trail_seen_own(struct agent_trail_seen *t, const char *login,
			  int64_t within_us);

/* The first row whose number is above `entry`, and the one behind a row; NULL at the
 * end.  Valid until the next use is added. */
const struct agent_trail_seen_row *agent_trail_seen_behind(
	struct agent_trail_seen *t, uint64_t entry);
const struct agent_trail_seen_row *agent_trail_seen_next(
	struct agent_trail_seen *t, const struct agent_trail_seen_row *r);

/* For how long everything has been counted, in microseconds. */
int64_t agent_trail_seen_since_us(const struct agent_trail_seen *t);

#endif
