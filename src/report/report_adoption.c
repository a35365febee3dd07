/* SPDX-License-Identifier: PostgreSQL */
/* Says who was seen with which password; must never say that one is not used. */
#include "report/report_adoption.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/consumer.h"
#include "base/now.h"
#include "base/words.h"

struct report_adoption {
	const char *role, *version, *expected;
	int64_t since_us; /* of a pair: when the version became live; 0: always */
	struct ledger_sighting *s;
	size_t n, cap;
};

enum status report_adoption_new(const char *role, const char *version,
				const char *expected,
				struct report_adoption **ret)
{
	struct report_adoption *a = calloc(1, sizeof(*a));

	if (!a)
		return STATUS_NO_MEMORY;
	a->role = role;
	a->version = version;
	a->expected = expected;
	*ret = a;
	return STATUS_OK;
}

void report_adoption_free(struct report_adoption *a)
{
	if (!a)
		return;
	free(a->s);
	free(a);
}

void report_adoption_since(struct report_adoption *a, int64_t since_us)
{
	a->since_us = since_us;
}

enum status report_adoption_add(void *adoption, const struct ledger_sighting *s)
{
	struct report_adoption *a = adoption;
	struct ledger_sighting *more;
	size_t cap;

	if (strcmp(s->role, a->role) != 0)
		return STATUS_OK;
	if (a->n == a->cap) {
		cap = a->cap ? 2 * a->cap : 16;
		more = realloc(a->s, cap * sizeof(*more));
		if (!more)
			return STATUS_NO_MEMORY;
		a->s = more;
		a->cap = cap;
	}
	a->s[a->n++] = *s;
	return STATUS_OK;
}

/* ---- what follows from it ----------------------------------------------------- */

static bool is_live(const struct report_adoption *a,
		    const struct ledger_sighting *s)
{
	return a->version[0] && strcmp(s->version, a->version) == 0;
}

static bool is_adopted(const struct report_adoption *a,
		       const struct ledger_sighting *s)
{
	return is_live(a, s) && ledger_source_uses(s->source) &&
	       s->last_us >= a->since_us;
}

/* Was this expected consumer seen with the live version? */
static bool word_adopted(const struct report_adoption *a, const char *word,
			 size_t n)
{
	for (size_t i = 0; i < a->n; i++)
		if (is_adopted(a, &a->s[i]) &&
		    consumer_matches(word, n, a->s[i].consumer))
			return true;
	return false;
}

static bool word_seen(const struct report_adoption *a, const char *word,
		      size_t n)
{
	for (size_t i = 0; i < a->n; i++)
		if (consumer_matches(word, n, a->s[i].consumer))
			return true;
	return false;
}

/* Through whichever gateway. */
static bool is_consumer(const struct ledger_sighting *a,
			const struct ledger_sighting *b)
{
	size_t n = consumer_len(a->consumer);

	return n == consumer_len(b->consumer) &&
	       memcmp(a->consumer, b->consumer, n) == 0;
}

/* Was it seen with the live version, itself? */
static bool has_adopted(const struct report_adoption *a,
			const struct ledger_sighting *s)
{
	return word_adopted(a, s->consumer, consumer_len(s->consumer));
}

/* Is it the first sighting of its consumer that is a use?  Then it stands for
 * the consumer. */
static bool stands_for(const struct report_adoption *a, size_t i)
{
	if (!ledger_source_uses(a->s[i].source))
		return false;
	for (size_t k = 0; k < i; k++)
		if (ledger_source_uses(a->s[k].source) &&
		    is_consumer(&a->s[k], &a->s[i]))
			return false;
	return true;
}

size_t report_adoption_expected(const struct report_adoption *a)
{
	const char *at = a->expected;
	size_t count = 0, n;

	while (words_next(&at, &n))
		count++;
	for (size_t i = 0; i < a->n && !a->expected[0]; i++)
		count += stands_for(a, i);
	return count;
}

size_t report_adoption_adopted(const struct report_adoption *a)
{
	const char *at = a->expected, *w;
	size_t count = 0, n;

	while ((w = words_next(&at, &n)) != NULL)
		count += word_adopted(a, w, n);
	for (size_t i = 0; i < a->n && !a->expected[0]; i++)
		count += stands_for(a, i) && has_adopted(a, &a->s[i]);
	return count;
}

void report_adoption_sentence(const struct report_adoption *a, struct text *t)
{
	size_t expected = report_adoption_expected(a);
	size_t adopted = report_adoption_adopted(a);

	if (expected == 0 || !a->version[0])
		return;
	if (adopted < expected)
		text_printf(t, "adopting %zu of %zu consumers", adopted,
			    expected);
	else
		text_printf(t,
			    "%zu of %zu consumers seen with the new password",
			    adopted, expected);
}

void report_adoption_unseen(const struct report_adoption *a, struct text *t)
{
	const char *at = a->expected, *w;
	size_t n;

	while ((w = words_next(&at, &n)) != NULL)
		if (!word_seen(a, w, n))
			text_printf(t, " %.*s", (int)n, w);
}

/* ---- for people ----------------------------------------------------------------- */

/* The best that is known of a sighting's password. */
static const char *password_word(const struct report_adoption *a,
				 const struct ledger_sighting *s)
{
	return is_live(a, s) ? "new" : "old";
}

static const char *act_of(const struct ledger_sighting *s)
{
	switch (s->source) {
	case LEDGER_SOURCE_SESSION:
		return "seen";
	case LEDGER_SOURCE_LOGIN:
		return "logged in";
	case LEDGER_SOURCE_VERIFY:
		return "was checked";
	default:
		return "was given it";
	}
}

static void add_sighting(const struct report_adoption *a,
			 const struct report_adoption_context *c,
			 const struct ledger_sighting *s, struct text *t)
{
	char age[32], stamp[NOW_STAMP_SIZE];

	text_printf(t, "    %s  %s  %s %" PRId64 " times, last ",
		    password_word(a, s), s->consumer, act_of(s), s->count);
	if (s->last_us > c->now_us)
		text_printf(t, "at %s, which is to come: a clock was wrong",
			    now_stamp(s->last_us, stamp));
	else
		text_printf(t, "%s ago", now_age(c->now_us - s->last_us, age));
	if (s->login[0] && strcmp(s->login, c->rolname) != 0)
		text_printf(t, ", as %s", s->login);
	text_add_char(t, '\n');
}

/* Of earlier versions only the last sighting is of interest, and none of who has
 * moved on. */
static bool is_worth_a_line(const struct report_adoption *a,
			    const struct report_adoption_context *c, size_t i)
{
	const struct ledger_sighting *s = &a->s[i];
	const char *name = s->consumer;

	if (has_adopted(a, s) && s->last_us < c->rotated_us)
		return false;
	for (size_t k = 0; k < a->n; k++)
		if (k != i && !is_live(a, &a->s[k]) &&
		    a->s[k].source == s->source &&
		    strcmp(a->s[k].consumer, name) == 0 &&
		    (a->s[k].last_us > s->last_us ||
		     (a->s[k].last_us == s->last_us && k < i)))
			return false;
	return true;
}

/* Who comes from one address may be several behind a pooler. */
static const char *common_host(const struct report_adoption *a, size_t *ret_n)
{
	const char *host = NULL;
	size_t n, hosts = 0;

	for (size_t i = 0; i < a->n; i++) {
		const char *name = a->s[i].consumer;

		if (a->s[i].source != LEDGER_SOURCE_SESSION &&
		    a->s[i].source != LEDGER_SOURCE_LOGIN)
			continue;
		n = strcspn(name, ",");
		if (strncmp(name, "host:", 5) != 0 ||
		    (host && (n != *ret_n || memcmp(host, name, n) != 0)))
			return NULL;
		host = name;
		*ret_n = n;
		hosts += stands_for(a, i);
	}
	return hosts > 1 ? host : NULL;
}

/* Are all logins there since the change counted? */
static bool is_known(const struct report_adoption_context *c,
		     const struct report_adoption_gateway *g)
{
	return g->last_us > 0 && g->from_us <= c->rotated_us &&
	       g->last_us >= c->now_us - c->gap_us;
}

static void add_gateway(const struct report_adoption_context *c,
			const struct report_adoption_gateway *g, struct text *t)
{
	char age[32], stamp[NOW_STAMP_SIZE];

	text_printf(t, "    note: gateway %s: ", g->name);
	if (g->last_us == 0)
		text_add(t, "its agent has never answered; who logs in there "
			    "is not known\n");
	else if (g->last_us < c->now_us - c->gap_us)
		text_printf(t,
			    "its agent has not been heard for %s; who logs in "
			    "there since then is not known\n",
			    now_age(c->now_us - g->last_us, age));
	else if (!is_known(c, g))
		text_printf(t,
			    "its agent was restarted, or not heard, after the "
			    "change; who logged in there before %s may be "
			    "missing\n",
			    now_stamp(g->from_us, stamp));
	else
		text_add(t, "all logins since the change are counted\n");
}

static void add_gateways(const struct report_adoption_context *c,
			 struct text *t)
{
	for (size_t i = 0; i < c->n_gateways; i++)
		add_gateway(c, &c->gateways[i], t);
	if (c->n_gateways == 0)
		text_add(t, "    note: no agent of its gateways was asked yet; "
			    "who logs in there is not known\n");
}

static void add_bounds(const struct report_adoption *a,
		       const struct report_adoption_context *c, struct text *t)
{
	char poll[32];
	size_t n = 0;
	const char *host = common_host(a, &n);

	if (host)
		text_printf(
			t,
			"    note: all sessions come from %.*s; if that is a "
			"pooler, it is the address of every consumer behind "
			"it, and only application_name tells them apart\n",
			(int)n, host);
	if (c->poll_us > 0)
		text_printf(
			t,
			"    note: sessions are looked at every %s; shorter "
			"ones may be missed\n",
			now_age(c->poll_us, poll));
	else
		text_add(t, "    note: sessions are not looked at (sample, "
			    "admin = self)\n");
}

void report_adoption_text(const struct report_adoption *a,
			  const struct report_adoption_context *c,
			  struct text *t)
{
	const char *at = a->expected, *w;
	size_t before, n;
	char age[32];

	text_printf(t, "%s: ", a->role);
	before = t->len;
	report_adoption_sentence(a, t);
	if (t->len == before)
		text_add(t, a->version[0] ? "no consumer was seen" :
					    "never rotated by keyturn");
	if (c->rotated_us > 0 && c->rotated_us <= c->now_us)
		text_printf(t, ", changed %s ago",
			    now_age(c->now_us - c->rotated_us, age));
	if (c->grace_us > c->now_us)
		text_printf(t, ", the old password is accepted for %s more",
			    now_age(c->grace_us - c->now_us, age));
	text_add_char(t, '\n');
	for (size_t i = 0; i < a->n; i++)
		if (is_live(a, &a->s[i]))
			add_sighting(a, c, &a->s[i], t);
	for (size_t i = 0; i < a->n; i++)
		if (!is_live(a, &a->s[i]) && is_worth_a_line(a, c, i))
			add_sighting(a, c, &a->s[i], t);
	while ((w = words_next(&at, &n)) != NULL)
		if (!word_adopted(a, w, n))
			text_printf(t, "    not seen  %.*s%s\n", (int)n, w,
				    word_seen(a, w, n) ?
					    "  with the new password" :
					    "");
	if (c->gateways)
		add_gateways(c, t);
	else
		add_bounds(a, c, t);
}

/* ---- for machines ----------------------------------------------------------------- */

static const char *or_null(const char *s)
{
	return *s ? s : NULL;
}

static void json_sighting(const struct report_adoption *a,
			  const struct ledger_sighting *s, struct text *t)
{
	char stamp[NOW_STAMP_SIZE];

	text_add_char(t, '{');
	text_add_member(t, "consumer", s->consumer);
	text_add_member(t, "login", or_null(s->login));
	text_add_member(t, "version", or_null(s->version));
	text_printf(t, ",\"password\":\"%s\",\"source\":\"%s\",\"uses\":%s",
		    password_word(a, s), ledger_source_word(s->source),
		    ledger_source_uses(s->source) ? "true" : "false");
	text_add_member(t, "first_seen", now_stamp(s->first_us, stamp));
	text_add_member(t, "last_seen", now_stamp(s->last_us, stamp));
	text_printf(t, ",\"count\":%" PRId64 "}", s->count);
}

static void json_expected(const struct report_adoption *a, struct text *t)
{
	const char *at = a->expected, *w, *separator = "";
	char word[CONSUMER_SIZE];
	size_t n;

	text_add(t, ",\"consumers\":[");
	while ((w = words_next(&at, &n)) != NULL) {
		if (n >= sizeof(word))
			continue;
		memcpy(word, w, n);
		word[n] = '\0';
		text_printf(t, "%s{", separator);
		text_add_member(t, "consumer", word);
		text_printf(t, ",\"state\":\"%s\"}",
			    word_adopted(a, w, n) ? "adopted" : "not seen");
		separator = ",";
	}
	text_add(t, "]");
}

static void json_gateways(const struct report_adoption_context *c,
			  struct text *t)
{
	char stamp[NOW_STAMP_SIZE];

	if (!c->gateways)
		return;
	text_add_member(t, "grace_until",
			c->grace_us ? now_stamp(c->grace_us, stamp) : NULL);
	text_add(t, ",\"gateways\":[");
	for (size_t i = 0; i < c->n_gateways; i++) {
		const struct report_adoption_gateway *g = &c->gateways[i];

		text_add(t, i ? ",{" : "{");
		text_add_member(t, "gateway", g->name);
		text_add_member(t, "counted_from",
				g->last_us ? now_stamp(g->from_us, stamp) :
					     NULL);
		text_add_member(t, "counted_until",
				g->last_us ? now_stamp(g->last_us, stamp) :
					     NULL);
		text_printf(t, ",\"complete\":%s}",
			    is_known(c, g) ? "true" : "false");
	}
	text_add_char(t, ']');
}

void report_adoption_json(const struct report_adoption *a,
			  const struct report_adoption_context *c,
			  struct text *t)
{
	char stamp[NOW_STAMP_SIZE];

	text_add_char(t, '{');
	text_add_member(t, "role", a->role);
	text_add_member(t, "version", or_null(a->version));
	text_add_member(t, "rotated_at",
			c->rotated_us ? now_stamp(c->rotated_us, stamp) : NULL);
	text_printf(t, ",\"expected\":%zu,\"adopted\":%zu",
		    report_adoption_expected(a), report_adoption_adopted(a));
	if (c->poll_us > 0)
		text_printf(t, ",\"sampled_every_seconds\":%" PRId64,
			    c->poll_us / NOW_SECOND);
	else
		text_add(t, ",\"sampled_every_seconds\":null");
	json_gateways(c, t);
	json_expected(a, t);
	text_add(t, ",\"sightings\":[");
	for (size_t i = 0; i < a->n; i++) {
		if (i)
			text_add_char(t, ',');
		json_sighting(a, &a->s[i], t);
	}
	text_add(t, "]}");
}

/* ---- learning ---------------------------------------------------------------------- */

/* Was its consumer seen since then, whatever it was seen by? */
static bool is_recent(const struct report_adoption *a, size_t i,
		      int64_t since_us)
{
	for (size_t k = 0; k < a->n; k++)
		if (ledger_source_uses(a->s[k].source) &&
		    a->s[k].last_us >= since_us &&
		    is_consumer(&a->s[k], &a->s[i]))
			return true;
	return false;
}

void report_adoption_learn(const struct report_adoption *a, int64_t since_us,
			   struct text *t)
{
	size_t before = t->len;

	for (size_t i = 0; i < a->n; i++)
		if (stands_for(a, i) && is_recent(a, i, since_us))
			text_printf(t, "%s%.*s",
				    t->len == before ? "consumers = " : "\n\t",
				    (int)consumer_len(a->s[i].consumer),
				    a->s[i].consumer);
	if (t->len > before)
		text_add_char(t, '\n');
}
