/* SPDX-License-Identifier: PostgreSQL */
/* Adds up who came with which password; must never take a refused one for a
 * use. */
#include "report/report_uses.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"

#define USES_MAX 10000

struct use {
	char role[AUDIT_ROLE_SIZE];
	char actor[AUDIT_ROLE_SIZE];
	char whom[AUDIT_TEXT_SIZE]; /* "from 192.0.2.7, service keyturn" */
	char version[40];	    /* the last one */
	bool previous;
	uint64_t times;
	int64_t first_us, last_us;
};

struct report_uses {
	struct use *uses;
	size_t n, cap;
};

enum status report_uses_new(struct report_uses **ret)
{
	struct report_uses *u = calloc(1, sizeof(*u));

	if (u == NULL)
		return STATUS_NO_MEMORY;
	*ret = u;
	return STATUS_OK;
}

void report_uses_free(struct report_uses *u)
{
	if (u == NULL)
		return;
	free(u->uses);
	free(u);
}

/* Who it was, in words. */
static void describe_whom(const struct audit_entry *e, struct use *use)
{
	struct text t = text_make(sizeof(use->whom) - 1);

	if (e->host[0])
		text_printf(&t, "from %s", e->host);
	else if (strstr(e->detail, ", from further hosts"))
		text_add(&t, "from further hosts");
	if (e->service[0])
		text_printf(&t, "%sservice %s", t.len ? ", " : "", e->service);
	text_copy(use->whom, sizeof(use->whom), text_str(&t));
	text_free(&t);
}

static bool read_use(const struct audit_entry *e, struct use *use)
{
	bool previous = strcmp(e->label, "previous") == 0;

	if (e->kind != AUDIT_VERIFY || strcmp(e->status, "OK") != 0 ||
	    (!previous && strcmp(e->label, "current") != 0))
		return false;
	*use = (struct use){ .first_us = e->at_us,
			     .last_us = e->at_us,
			     .previous = previous,
			     .times = e->count > 0 ? (uint64_t)e->count : 1 };
	describe_whom(e, use);
	text_copy(use->role, sizeof(use->role), e->role);
	text_copy(use->actor, sizeof(use->actor), e->actor);
	text_copy(use->version, sizeof(use->version), e->version);
	return true;
}

static bool is_same_use(const struct use *a, const struct use *b)
{
	return a->previous == b->previous && strcmp(a->role, b->role) == 0 &&
	       strcmp(a->actor, b->actor) == 0 && strcmp(a->whom, b->whom) == 0;
}

static enum status append_use(struct report_uses *u, const struct use *use,
			      struct reason *why)
{
	if (u->n == USES_MAX)
		return reason_set(why, STATUS_LIMIT,
				  "more than %d users of passwords; report on "
				  "a shorter time with --since",
				  USES_MAX);
	if (u->n == u->cap) {
		size_t cap = u->cap ? 2 * u->cap : 64;
		struct use *more = realloc(u->uses, cap * sizeof(*more));

		if (more == NULL)
			return reason_no_memory(why);
		u->uses = more;
		u->cap = cap;
	}
	u->uses[u->n++] = *use;
	return STATUS_OK;
}

enum status report_uses_add(struct report_uses *u, const struct audit_entry *e,
			    struct reason *why)
{
	struct use use;

	if (!read_use(e, &use))
		return STATUS_OK;
	for (size_t i = 0; i < u->n; i++) {
		struct use *known = &u->uses[i];

		if (!is_same_use(known, &use))
			continue;
		known->times += use.times;
		known->last_us = use.last_us;
		text_copy(known->version, sizeof(known->version), use.version);
		return STATUS_OK;
	}
	return append_use(u, &use, why);
}

static int compare_uses(const void *x, const void *y)
{
	const struct use *a = x, *b = y;
	int order = strcmp(a->role, b->role);

	if (order != 0)
		return order;
	if (a->previous != b->previous)
		return a->previous ? -1 : 1;
	return a->last_us > b->last_us ? -1 : a->last_us < b->last_us;
}

static void sort_uses(struct report_uses *u)
{
	if (u->n > 1)
		qsort(u->uses, u->n, sizeof(*u->uses), compare_uses);
}

static const char *password_name(const struct use *use)
{
	return use->previous ? "previous" : "current";
}

void report_uses_text(struct report_uses *u, struct text *t, int64_t now_us)
{
	char age[32];

	sort_uses(u);
	if (u->n == 0)
		text_add(t, "no password was checked\n");
	for (size_t i = 0; i < u->n; i++) {
		const struct use *use = &u->uses[i];

		text_printf(t,
			    "%s: %s password, %" PRIu64
			    " times, last %s ago: %s%s%s\n",
			    use->role, password_name(use), use->times,
			    now_age(now_us - use->last_us, age), use->actor,
			    use->whom[0] ? ", " : "", use->whom);
	}
}

void report_uses_json(struct report_uses *u, struct text *t)
{
	char stamp[NOW_STAMP_SIZE];

	sort_uses(u);
	text_add_char(t, '[');
	for (size_t i = 0; i < u->n; i++) {
		const struct use *use = &u->uses[i];

		text_add(t, i ? ",\n {" : "{");
		text_add_member(t, "role", use->role);
		text_add_member(t, "password", password_name(use));
		text_add_member(t, "actor", use->actor);
		text_add_member(t, "whom", use->whom);
		text_add_member(t, "version", use->version);
		text_printf(t, ",\"times\":%" PRIu64, use->times);
		text_add_member(t, "first", now_stamp(use->first_us, stamp));
		text_add_member(t, "last", now_stamp(use->last_us, stamp));
		text_add(t, "}");
	}
	text_add(t, "]\n");
}
