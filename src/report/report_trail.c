/* SPDX-License-Identifier: PostgreSQL */
/* Adds an agent's audit up; must never take a refused password for a use. */
#include "report/report_trail.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit_entry.h"
#include "base/consumer.h"
#include "base/text.h"

#define SIGHTINGS_MAX 20000

struct report_trail {
	struct ledger_sighting *s;
	size_t n, cap;
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
	free(t);
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

enum status report_trail_add(struct report_trail *t, const char *line,
			     struct reason *why)
{
	struct ledger_sighting s;
	struct audit_entry e;
	enum status st = audit_entry_read(line, &e, why);

	if (st == STATUS_NOT_FOUND)
		return STATUS_OK; /* a checkpoint */
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
