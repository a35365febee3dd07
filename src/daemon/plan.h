/* SPDX-License-Identifier: PostgreSQL */
/*
 * What keyturnd begins, and when.  Pure: time, chance, what was found out about
 * roles and how runs ended are arguments.  Every time here is the boot clock's;
 * whether a role is due by the wall clock is found out elsewhere (assembly/due.h)
 * and arrives as "wanted".
 *
 * Roles depend on sites: the ledger, a cluster and a store.  A site at which a
 * run failed is in doubt: until one succeeds, one role at a time probes it, with
 * growing pauses.  Probes are not counted as jobs, and no cluster in good
 * standing gets all jobs when there are several, so that a cluster that is away
 * costs the others nothing.
 */
#ifndef KEYTURN_PLAN_H
#define KEYTURN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "base/status.h"

#define PLAN_NAME_SIZE	 41
#define PLAN_PROBES_MAX	 64 /* at once, of all sites */
#define PLAN_SITE_LEDGER 0  /* the site that every role depends on */

enum plan_kind { PLAN_LEDGER, PLAN_CLUSTER, PLAN_STORE };

struct plan_site {
	enum plan_kind kind;
	char name[PLAN_NAME_SIZE];
	unsigned failures;  /* in a row; 0: in good standing */
	int64_t failed_at;  /* the last one */
	int64_t not_before; /* no probe before that */
	unsigned running;   /* counted by plan_next() */
};

struct plan_role {
	char name[PLAN_NAME_SIZE];
	size_t cluster, store; /* sites */
	bool known;	       /* looked at since the start */
	bool wanted;	       /* a run should begin at begin_at */
	bool frozen, untaken;
	bool blackout; /* what its owner asks for waits, too */
	int64_t begin_at;
	bool asked;	    /* its owner wants a rotation */
	int64_t asked_at;   /* when the last good one that was asked for
				began, -1: never */
	unsigned failures;  /* in a row, that are the role's own */
	unsigned deferrals; /* in a row: somebody used the other login role */
	int64_t not_before;
	bool running, probing, for_owner; /* for_owner: the run was asked for */
	int64_t began_at, ended_at;	  /* the last run; 0: none */
};

struct plan_limits {
	unsigned jobs;
	int64_t jitter_us, backoff_us, backoff_max_us, request_interval_us;
};

struct plan {
	struct plan_limits limits;
	const struct random *random; /* NULL: no chance (tests) */
	struct plan_role *roles;     /* by name */
	size_t n_roles;
	struct plan_role *gone; /* not configured any more, but running */
	size_t n_gone;
	struct plan_site *sites;
	size_t n_sites;
};

/* An empty one for n roles at most; plan_add() fills it.  STATUS_NO_MEMORY. */
enum status plan_new(const struct plan_limits *limits,
		     const struct random *random, size_t n, struct plan **ret);
void plan_free(struct plan *a); /* takes NULL */

/* Roles in the order of their names (strcmp). */
void plan_add(struct plan *a, const char *role, const char *cluster,
	      const char *store);

/* What goes on in spite of a new configuration: runs, and what was asked for.
 * Pauses end: who changes the configuration wants to see what comes of it. */
void plan_inherit(struct plan *a, const struct plan *old);

/* A run ended of a role that was running when its configuration went. */
void plan_end_gone(struct plan *a, const char *role);

struct plan_role *plan_find(const struct plan *a, const char *role);

/* What is known of a role, looked at since taken_at. */
struct plan_finding {
	int64_t taken_at;
	bool wanted, frozen, untaken;
	bool blackout;	   /* there is one now */
	bool interrupted;  /* a run of it was begun and not closed */
	int64_t left_us;   /* how long its window is still open; 0: it has none,
				or does not wait for it */
	unsigned failures; /* runs in a row that failed, by the ledger ... */
	int64_t last_ago_us; /* ... and how long ago the last one was */
};
void plan_learn(struct plan *a, struct plan_role *r,
		const struct plan_finding *f, int64_t now);

/* Its owner wants a rotation.  False: it is frozen or never taken over, and
 * will not be rotated. */
bool plan_ask(struct plan *a, struct plan_role *r);

/*
 * The role to begin with now, or NULL: then nothing changes by time alone
 * before *ret_wake (INT64_MAX: ever).
 */
struct plan_role *plan_next(struct plan *a, int64_t now, int64_t *ret_wake);

/* Until when it waits after failures, its own or a site's; in the past when it
 * does not. */
int64_t plan_pause(const struct plan *a, const struct plan_role *r);

void plan_begin(struct plan *a, struct plan_role *r, int64_t now);

/* STATUS_NOTHING_DUE: it was not run, because nothing was to be done. */
void plan_end(struct plan *a, struct plan_role *r, enum status outcome,
	      int64_t now);

/* Likewise, of a run whose login failed for a reason that is the cluster's: that
 * is in doubt, whatever the outcome is called. */
void plan_end_doubted(struct plan *a, struct plan_role *r, enum status outcome,
		      int64_t now);

/* A site was seen to be away, or there, by other means than a run. */
void plan_site_failed(struct plan *a, struct plan_site *s, int64_t began,
		      int64_t now);
void plan_site_good(struct plan_site *s);

#endif
