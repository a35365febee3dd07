/* SPDX-License-Identifier: PostgreSQL */
/* Decides what to begin; must never run one role twice at once, or let a site
 * that is away hold up the roles of another. */
#include "daemon/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/text.h"

enum status plan_new(const struct plan_limits *limits,
		     const struct random *random, size_t n, struct plan **ret)
{
	struct plan *a = calloc(1, sizeof(*a));

	if (a) {
		a->limits = *limits;
		a->random = random;
		a->roles = calloc(n + 1, sizeof(*a->roles));
		a->sites = calloc(2 * n + 1, sizeof(*a->sites));
	}
	if (!a || !a->roles || !a->sites) {
		plan_free(a);
		return STATUS_NO_MEMORY;
	}
	a->sites[PLAN_SITE_LEDGER].kind = PLAN_LEDGER;
	text_copy(a->sites[PLAN_SITE_LEDGER].name, PLAN_NAME_SIZE, "ledger");
	a->n_sites = 1;
	*ret = a;
	return STATUS_OK;
}

void plan_free(struct plan *a)
{
	if (!a)
		return;
	free(a->roles);
	free(a->gone);
	free(a->sites);
	free(a);
}

static size_t find_site(struct plan *a, enum plan_kind kind, const char *name)
{
	size_t i;

	for (i = 0; i < a->n_sites; i++)
		if (a->sites[i].kind == kind &&
		    strcmp(a->sites[i].name, name) == 0)
			return i;
	a->sites[i].kind = kind;
	text_copy(a->sites[i].name, PLAN_NAME_SIZE, name);
	a->n_sites++;
	return i;
}

void plan_add(struct plan *a, const char *role, const char *cluster,
	      const char *store)
{
	struct plan_role *r = &a->roles[a->n_roles++];

	text_copy(r->name, sizeof(r->name), role);
	r->cluster = find_site(a, PLAN_CLUSTER, cluster);
	r->store = find_site(a, PLAN_STORE, store);
	r->asked_at = -1;
}

static int by_name(const void *name, const void *role)
{
	return strcmp(name, ((const struct plan_role *)role)->name);
}

struct plan_role *plan_find(const struct plan *a, const char *role)
{
	return bsearch(role, a->roles, a->n_roles, sizeof(*a->roles), by_name);
}

static void carry_over(struct plan *a, const struct plan_role *was)
{
	struct plan_role *r = plan_find(a, was->name);

	if (!r) {
		/* It may come back before its run ends. */
		if (was->running && a->gone)
			a->gone[a->n_gone++] = *was;
		return;
	}
	r->known = was->known;
	r->asked = was->asked;
	r->asked_at = was->asked_at;
	r->running = was->running;
	r->probing = was->probing;
	r->for_owner = was->for_owner;
	r->began_at = was->began_at;
	r->ended_at = was->ended_at;
}

void plan_inherit(struct plan *a, const struct plan *old)
{
	a->gone = calloc(old->n_roles + old->n_gone + 1, sizeof(*a->gone));
	for (size_t i = 0; i < old->n_roles; i++)
		carry_over(a, &old->roles[i]);
	for (size_t i = 0; i < old->n_gone; i++)
		carry_over(a, &old->gone[i]);
}

void plan_end_gone(struct plan *a, const char *role)
{
	for (size_t i = 0; i < a->n_gone; i++)
		if (strcmp(a->gone[i].name, role) == 0) {
			a->gone[i] = a->gone[--a->n_gone];
			return;
		}
}

/* ---- sites ---------------------------------------------------------------- */

void plan_site_good(struct plan_site *s)
{
	s->failures = 0;
	s->not_before = 0;
}

/* Of several runs that failed together, one counts. */
void plan_site_failed(struct plan *a, struct plan_site *s, int64_t began,
		      int64_t now)
{
	if (s->failures > 0 && began < s->failed_at)
		return;
	s->failures++;
	s->failed_at = now;
	s->not_before = now + backoff_us(a->random, a->limits.backoff_us,
					 a->limits.backoff_max_us, s->failures);
}

static bool in_doubt(const struct plan *a, const struct plan_role *r)
{
	return a->sites[PLAN_SITE_LEDGER].failures > 0 ||
	       a->sites[r->cluster].failures > 0 ||
	       a->sites[r->store].failures > 0;
}

/* ---- roles ---------------------------------------------------------------- */

/* A first look that finds failures goes on with the pause that was under way
 * when keyturnd ended: a start is no reason to hurry. */
static void resume_pause(struct plan *a, struct plan_role *r,
			 const struct plan_finding *f, int64_t now)
{
	int64_t pause, ago = f->last_ago_us > 0 ? f->last_ago_us : 0;

	r->failures = f->failures;
	if (f->failures == 0)
		return;
	pause = backoff_us(a->random, a->limits.backoff_us,
			   a->limits.backoff_max_us, f->failures);
	if (pause > ago)
		r->not_before = now + pause - ago;
}

/* From 0 to jitter_us, or to three quarters of what is left of its window: the
 * upper half of twice as long a pause. */
static int64_t by_chance(const struct plan *a, int64_t left_us)
{
	int64_t j = a->limits.jitter_us;

	if (left_us > 0 && j > left_us - left_us / 4)
		j = left_us - left_us / 4;

	return j > 0 ? backoff_us(a->random, 2 * j, 2 * j, 1) - j : 0;
}

void plan_learn(struct plan *a, struct plan_role *r,
		const struct plan_finding *f, int64_t now)
{
	/* What was seen before a run ended says nothing any more. */
	if (r->running || f->taken_at < r->ended_at)
		return;
	if (!r->known)
		resume_pause(a, r, f, now);
	r->known = true;
	r->frozen = f->frozen;
	r->untaken = f->untaken;
	r->blackout = f->blackout;
	if (f->frozen || f->untaken)
		r->asked = false;
	if (f->wanted && !r->wanted)
		r->begin_at =
			now + (f->interrupted ? 0 : by_chance(a, f->left_us));
	r->wanted = f->wanted;
	/* A person or another host saw to it. */
	if (f->failures == 0 && !f->wanted) {
		r->failures = r->deferrals = 0;
		r->not_before = 0;
	}
}

bool plan_ask(struct plan *a, struct plan_role *r)
{
	(void)a;
	if (r->known && (r->frozen || r->untaken))
		return false;
	r->asked = true;
	return true;
}

int64_t plan_pause(const struct plan *a, const struct plan_role *r)
{
	const size_t sites[] = { PLAN_SITE_LEDGER, r->cluster, r->store };
	int64_t until = r->not_before;

	for (size_t i = 0; i < 3; i++)
		if (a->sites[sites[i]].not_before > until)
			until = a->sites[sites[i]].not_before;
	return until;
}

/* When it may begin at the earliest; INT64_MAX: not by time alone. */
static int64_t earliest(const struct plan *a, const struct plan_role *r)
{
	int64_t at = INT64_MAX, pause;

	if (r->running || !r->known || r->frozen || r->untaken)
		return INT64_MAX;
	if (r->wanted)
		at = r->begin_at;
	if (r->asked && !r->blackout) {
		int64_t asked =
			r->asked_at < 0 ?
				0 :
				r->asked_at + a->limits.request_interval_us;

		at = asked < at ? asked : at;
	}
	if (at == INT64_MAX)
		return at;
	pause = plan_pause(a, r);
	return pause > at ? pause : at;
}

struct census {
	unsigned jobs, probes; /* under way */
	unsigned share;	       /* of the jobs, for one cluster */
};

static struct census count_running(struct plan *a)
{
	struct census c = { .share = a->limits.jobs };
	unsigned clusters = 0;

	for (size_t i = 0; i < a->n_sites; i++) {
		a->sites[i].running = 0;
		clusters += a->sites[i].kind == PLAN_CLUSTER;
	}
	for (size_t i = 0; i < a->n_roles; i++) {
		struct plan_role *r = &a->roles[i];

		if (!r->running)
			continue;
		a->sites[PLAN_SITE_LEDGER].running++;
		a->sites[r->cluster].running++;
		a->sites[r->store].running++;
		if (r->probing)
			c.probes++;
		else
			c.jobs++;
	}
	if (clusters > 1 && c.share > 1)
		c.share--;
	return c;
}

/* Is there room for it now?  A site in doubt is probed by one at a time. */
static bool has_room(const struct plan *a, const struct plan_role *r,
		     const struct census *c)
{
	const size_t sites[] = { PLAN_SITE_LEDGER, r->cluster, r->store };

	for (size_t i = 0; i < 3; i++)
		if (a->sites[sites[i]].failures > 0 &&
		    a->sites[sites[i]].running > 0)
			return false;
	if (in_doubt(a, r))
		return c->probes < PLAN_PROBES_MAX;
	return c->jobs < a->limits.jobs &&
	       a->sites[r->cluster].running < c->share;
}

struct plan_role *plan_next(struct plan *a, int64_t now, int64_t *ret_wake)
{
	const struct census c = count_running(a);
	struct plan_role *best = NULL;
	int64_t wake = INT64_MAX;

	for (size_t i = 0; i < a->n_roles; i++) {
		struct plan_role *r = &a->roles[i];
		int64_t at = earliest(a, r);

		if (at > now) {
			wake = at < wake ? at : wake;
			continue;
		}
		/* The one whose last run is longest ago: probes take turns. */
		if (has_room(a, r, &c) &&
		    (!best || r->ended_at < best->ended_at))
			best = r;
	}
	*ret_wake = wake;
	return best;
}

void plan_begin(struct plan *a, struct plan_role *r, int64_t now)
{
	r->running = true;
	r->probing = in_doubt(a, r);
	r->began_at = now;
	r->for_owner = r->asked;
}

static void pause_role(struct plan *a, struct plan_role *r, int64_t now)
{
	r->failures++;
	r->not_before = now + backoff_us(a->random, a->limits.backoff_us,
					 a->limits.backoff_max_us, r->failures);
}

/* Which site is to blame for an outcome; NULL: none. */
static struct plan_site *to_blame(struct plan *a, const struct plan_role *r,
				  enum status outcome)
{
	switch (outcome) {
	case STATUS_LEDGER_UNAVAILABLE:
	case STATUS_AUDIT_BROKEN:
		return &a->sites[PLAN_SITE_LEDGER];
	case STATUS_CLUSTER_UNAVAILABLE:
		return &a->sites[r->cluster];
	case STATUS_STORE_UNAVAILABLE:
		return &a->sites[r->store];
	default:
		return NULL;
	}
}

void plan_end(struct plan *a, struct plan_role *r, enum status outcome,
	      int64_t now)
{
	struct plan_site *site = to_blame(a, r, outcome);
	bool probed = r->probing;

	r->running = r->probing = false;
	r->ended_at = now;
	if (site) {
		/* A probe is no fault of the role's.  A role that fails where
		 * others do well is: it waits on its own account as well. */
		bool doubted = probed && site->failures > 0;

		plan_site_failed(a, site, r->began_at, now);
		if (!doubted)
			pause_role(a, r, now);
		return;
	}
	plan_site_good(&a->sites[PLAN_SITE_LEDGER]);
	switch (outcome) {
	case STATUS_OK:
		plan_site_good(&a->sites[r->cluster]);
		plan_site_good(&a->sites[r->store]);
		r->failures = r->deferrals = 0;
		r->not_before = 0;
		r->wanted = false;
		if (r->for_owner)
			r->asked_at = r->began_at;
		break;
	case STATUS_NOTHING_DUE:
		r->wanted = false;
		break;
	case STATUS_UNDELIVERED:
		/* It was rotated; what is left to do is found out by a look. */
		plan_site_good(&a->sites[r->cluster]);
		pause_role(a, r, now);
		r->wanted = false;
		if (r->for_owner)
			r->asked_at = r->began_at;
		break;
	case STATUS_DEFERRED:
		/* Somebody uses the other login role: no fault of anybody's. */
		plan_site_good(&a->sites[r->cluster]);
		plan_site_good(&a->sites[r->store]);
		r->failures = 0;
		r->deferrals++;
		r->not_before = now + backoff_us(a->random,
						 a->limits.backoff_us,
						 a->limits.backoff_max_us,
						 r->deferrals);
		return;
	case STATUS_FROZEN:
		r->frozen = true;
		r->wanted = false;
		break;
	case STATUS_BUSY:
	case STATUS_CONFLICT:
	case STATUS_REFUSED:
	case STATUS_REJECTED:
		/* That was the cluster's own word. */
		plan_site_good(&a->sites[r->cluster]);
		pause_role(a, r, now);
		return;
	default:
		pause_role(a, r, now);
		return;
	}
	/* What was asked for meanwhile is still to come. */
	if (r->for_owner)
		r->asked = false;
}

void plan_end_doubted(struct plan *a, struct plan_role *r, enum status outcome,
		      int64_t now)
{
	plan_end(a, r, STATUS_CLUSTER_UNAVAILABLE, now);
	if (outcome != STATUS_FROZEN)
		return;
	r->frozen = true;
	r->wanted = r->asked = false;
}
