/* SPDX-License-Identifier: PostgreSQL */
/* Adds an agent's audit up; must never take a refused password for a use. */
#include "report/report_trail.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit_entry.h"
#include "base/consumer.h"
#include "base/text.h"

#define SIGHTINGS_MAX 20000

/* Beyond that refusals are counted without their addresses. */
#define REFUSALS_MAX 1000

struct report_trail {
	struct ledger_sighting *s;
	size_t n, cap;
	struct report_refusal
		*refusals; /* room for all, when they are wanted */
	size_t n_refusals;
	report_trail_since_fn *since;
	const void *since_arg;
};

enum status report_trail_new(struct report_trail **ret)
{
	struct report_trail *t = calloc(1, sizeof(*t));

	if (!t)
		return STATUS_NO_MEMORY;
	*ret = t;
	return STATUS_OK;
}

void report_trail_free(struct report_trail *t)
{
	if (!t)
		return;
	free(t->s);
	free(t->refusals);
	free(t);
}

void report_trail_since(struct report_trail *t, report_trail_since_fn *fn,
			const void *arg)
{
	t->since = fn;
	t->since_arg = arg;
}

const struct report_refusal *report_trail_refusals(const struct report_trail *t,
						   size_t *ret_n)
{
	*ret_n = t->n_refusals;
	return t->refusals;
}

/* "uid 101" is user:101. */
static const char *user_of(const struct audit_entry *e)
{
	return strncmp(e->actor, "uid ", 4) == 0 ? e->actor + 4 : e->actor;
}

/* False: it tells of no consumer of a role's password. */
static bool read_sighting(const struct audit_entry *e,
			  struct ledger_sighting *s)
{
	bool verify = e->kind == AUDIT_VERIFY && strcmp(e->status, "OK") == 0;
	/* keyturn get is a person's, and has no operation. */
	bool handout = e->kind == AUDIT_HANDOUT && e->operation[0] &&
		       strncmp(e->role, "token:", 6) != 0;

	if ((!verify && !handout) || !e->version[0])
		return false;
	*s = (struct ledger_sighting){
		.source = verify ? LEDGER_SOURCE_VERIFY : LEDGER_SOURCE_HANDOUT,
		.first_us = e->at_us,
		.last_us = e->at_us,
		.count = e->count > 0 ? e->count : 1,
		.total = true,
	};
	text_copy(s->role, sizeof(s->role), e->role);
	/* Who asks the agent for PAM is the server, not the consumer. */
	consumer_name(verify ? e->host : "", e->service,
		      verify && (e->host[0] || e->service[0]) ? "" : user_of(e),
		      s->consumer);
	return text_copy(s->version, sizeof(s->version), e->version) ==
	       STATUS_OK;
}

static bool is_same(const struct ledger_sighting *a,
		    const struct ledger_sighting *b)
{
	return a->source == b->source && strcmp(a->role, b->role) == 0 &&
	       strcmp(a->version, b->version) == 0 &&
	       strcmp(a->consumer, b->consumer) == 0;
}

static enum status append(struct report_trail *t,
			  const struct ledger_sighting *s, struct reason *why)
{
	struct ledger_sighting *more;
	size_t cap = t->cap ? 2 * t->cap : 64;

	if (t->n == SIGHTINGS_MAX)
		return reason_set(why, STATUS_LIMIT,
				  "the trail has more than %d different "
				  "consumers and versions",
				  SIGHTINGS_MAX);
	if (t->n == t->cap) {
		more = realloc(t->s, cap * sizeof(*more));
		if (!more)
			return reason_no_memory(why);
		t->s = more;
		t->cap = cap;
	}
	t->s[t->n++] = *s;
	return STATUS_OK;
}

/* ---- refusals ------------------------------------------------------------------ */

static bool read_refusal(const struct report_trail *t,
			 const struct audit_entry *e, struct report_refusal *r)
{
	if (!t->since || e->kind != AUDIT_VERIFY ||
	    strcmp(e->status, status_name(STATUS_REJECTED)) != 0 ||
	    e->at_us < t->since(t->since_arg, e->role))
		return false;
	*r = (struct report_refusal){ .first_us = e->at_us,
				      .last_us = e->at_us,
				      .count = e->count > 0 ? e->count : 1 };
	text_copy(r->host, sizeof(r->host), e->host);
	text_copy(r->label, sizeof(r->label), e->label);
	return text_copy(r->role, sizeof(r->role), e->role) == STATUS_OK;
}

static struct report_refusal *find_refusal(const struct report_trail *t,
					   const struct report_refusal *r)
{
	for (size_t i = t->n_refusals; i > 0; i--) {
		struct report_refusal *known = &t->refusals[i - 1];

		if (strcmp(known->role, r->role) == 0 &&
		    strcmp(known->host, r->host) == 0 &&
		    strcmp(known->label, r->label) == 0)
			return known;
	}
	return NULL;
}

static enum status add_refusal(struct report_trail *t, struct report_refusal *r,
			       struct reason *why)
{
	struct report_refusal *known = find_refusal(t, r);

	if (!t->refusals)
		t->refusals = calloc(REFUSALS_MAX, sizeof(*t->refusals));
	if (!t->refusals)
		return reason_no_memory(why);
	if (!known && t->n_refusals >= REFUSALS_MAX / 2) {
		r->host[0] = '\0';
		known = find_refusal(t, r);
	}
	if (known) {
		known->count += r->count;
		if (r->last_us > known->last_us)
			known->last_us = r->last_us;
	} else if (t->n_refusals < REFUSALS_MAX) {
		t->refusals[t->n_refusals++] = *r;
	}
	return STATUS_OK;
}

/* ---- a line ---------------------------------------------------------------------- */

enum status report_trail_add(struct report_trail *t, const char *line,
			     struct reason *why)
{
	struct report_refusal refusal;
	struct ledger_sighting s;
	struct audit_entry e;
	enum status st = audit_entry_read(line, &e, why);

	if (st == STATUS_NOT_FOUND)
		return STATUS_OK; /* a checkpoint */
	if (st == STATUS_OK && read_refusal(t, &e, &refusal))
		return add_refusal(t, &refusal, why);
	if (st != STATUS_OK || !read_sighting(&e, &s))
		return st;
	/* The newest come again most often. */
	for (size_t i = t->n; i > 0; i--) {
		if (!is_same(&t->s[i - 1], &s))
			continue;
		t->s[i - 1].count += s.count;
		if (s.last_us > t->s[i - 1].last_us)
			t->s[i - 1].last_us = s.last_us;
		return STATUS_OK;
	}
	return append(t, &s, why);
}

const struct ledger_sighting *report_trail_sightings(
	const struct report_trail *t, size_t *ret_n)
{
	*ret_n = t->n;
	return t->s;
}
