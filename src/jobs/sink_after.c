/* SPDX-License-Identifier: PostgreSQL */
/* Runs what follows a new token; must never let a failure go unsaid, nor say that
 * a step has taken what its file does not hold. */
#include "jobs/sink_after.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "after/after.h"
#include "base/now.h"
#include "base/text.h"
#include "jobs/role_lock.h"

struct step {
	struct after *after;
	char name[FOLLOW_STEP_SIZE]; /* "after pgbouncer-admin ..." */
};

struct sink_after {
	size_t n;
	struct step steps[];
};

void sink_after_free(struct sink_after *a)
{
	for (size_t i = 0; a && i < a->n; i++)
		after_free(a->steps[i].after);
	free(a);
}

/* ---- the settings ------------------------------------------------------------- */

static enum status check_step(const struct sink_after *a, size_t i,
			      struct reason *why)
{
	if (after_proves_as_role(a->steps[i].after))
		return reason_set(why, STATUS_CONFIG,
				  "after: no client of PgBouncer logs in with "
				  "a token; name one of its own with "
				  "prove_user=USER");
	for (size_t k = 0; k < i; k++)
		if (strcmp(a->steps[k].name, a->steps[i].name) == 0)
			return reason_set(why, STATUS_CONFIG,
					  "after: %s is there twice",
					  after_name(a->steps[i].after));
	return STATUS_OK;
}

enum status sink_after_new(const struct config_group *sink,
			   struct sink_after **ret, struct reason *why)
{
	size_t n = config_list_n(sink, CONFIG_sink_after);
	struct sink_after *a = calloc(1, sizeof(*a) + n * sizeof(a->steps[0]));
	enum status st = STATUS_OK;

	if (!a)
		return reason_no_memory(why);
	for (size_t i = 0; i < n && st == STATUS_OK; i++) {
		struct step *s = &a->steps[i];

		st = after_parse(config_list_at(sink, CONFIG_sink_after, i),
				 false, &s->after, why);
		if (st != STATUS_OK)
			break;
		a->n++;
		snprintf(s->name, sizeof(s->name), "after %s",
			 after_name(s->after));
		st = check_step(a, i, why);
	}
	if (st != STATUS_OK) {
		sink_after_free(a);
		return reason_wrap(why, st, "%s: [sink %s]", config_where(sink),
				   config_name(sink));
	}
	*ret = a;
	return STATUS_OK;
}

/* ---- one step ------------------------------------------------------------------ */

/* With the lock, since who had it before may have done it. */
static enum status attempt(const struct step *step,
			   const struct sink_after_place *p,
			   struct follow_state *s, struct reason *why)
{
	const struct after_delivered d = {
		.user = p->user,
		.dbname = "",
		.tried_us = s->attempts > 0 &&
					    strcmp(s->tried, p->version) == 0 ?
				    s->last_us :
				    0,
	};
	struct follow_attempt a = { .role = p->marker,
				    .step = step->name,
				    .version = p->version,
				    .actor = p->actor,
				    .detail = why->text };
	struct reason lost = { "" };
	enum status kept;

	a.how = after_run(step->after, &d, why);
	kept = follow_state_remember(p->opened, p->ledger, &a, s, &lost);
	if (a.how != STATUS_OK || kept == STATUS_OK)
		return a.how;
	/* It will be done again. */
	*why = lost;
	return kept;
}

static int64_t again_at(const struct sink_after_place *p,
			const struct follow_state *s)
{
	return s->attempts > 0 ? s->next_us :
				 now_wall(now_system()) +
					 follow_state_pause(p->opened, 1);
}

/* INT64_MAX: it has what the file holds. */
static int64_t run_step(const struct step *step,
			const struct sink_after_place *p, bool at_once,
			sink_after_fn *fn, void *arg)
{
	char name[CONFIG_NAME_MAX + FOLLOW_STEP_SIZE + 16];
	struct follow_state s = { .attempts = 0 };
	struct reason why = { "" };
	enum status st;
	int lock = -1;

	snprintf(name, sizeof(name), "%s %s", p->marker, step->name);
	st = role_lock_take(p->opened, name,
			    after_timeout_us(step->after) + NOW_SECOND, &lock,
			    &why);
	if (st != STATUS_OK)
		reason_set(&why, st,
			   "another process of this host is at it for longer "
			   "than its timeout");
	else
		st = follow_state_load(p->ledger, p->marker, step->name, &s,
				       &why);
	if (st == STATUS_OK &&
	    (follow_state_has_taken(&s, 0, p->version) ||
	     (!at_once && follow_state_must_wait(&s, p->version)))) {
		role_lock_end(lock);
		return s.attempts > 0 ? s.next_us : INT64_MAX;
	}
	if (st == STATUS_OK)
		st = attempt(step, p, &s, &why);
	role_lock_end(lock);
	fn(arg, step->name, st, why.text);
	return st == STATUS_OK ? INT64_MAX : again_at(p, &s);
}

/* ---- all of them ----------------------------------------------------------------- */

int64_t sink_after_run(const struct sink_after *a,
		       const struct sink_after_place *p, bool at_once,
		       sink_after_fn *fn, void *arg)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; *p->version && i < a->n && next == INT64_MAX; i++) {
		struct follow_state s;

		/* Mostly there is nothing to do, which needs no lock. */
		if (follow_state_load(p->ledger, p->marker, a->steps[i].name,
				      &s, NULL) == STATUS_OK &&
		    follow_state_has_taken(&s, 0, p->version))
			continue;
		next = run_step(&a->steps[i], p, at_once, fn, arg);
	}
	return next;
}

bool sink_after_look(const struct sink_after *a,
		     const struct sink_after_place *p, struct reason *why)
{
	for (size_t i = 0; *p->version && i < a->n; i++) {
		struct follow_state s;
		enum status st = follow_state_load(p->ledger, p->marker,
						   a->steps[i].name, &s, why);

		if (st != STATUS_OK)
			return true;
		if (follow_state_has_taken(&s, 0, p->version))
			continue;
		reason_set(why, STATUS_UNDELIVERED, "%s: %s", a->steps[i].name,
			   s.attempts > 0 ? s.sentence : "not run yet");
		return true;
	}
	return false;
}

void sink_after_check(const struct sink_after *a, sink_after_fn *fn, void *arg)
{
	for (size_t i = 0; i < a->n; i++) {
		struct reason why = { "" };
		enum status st = after_try(a->steps[i].after, false, &why);

		fn(arg, a->steps[i].name, st, why.text);
	}
}
