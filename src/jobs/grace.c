/* SPDX-License-Identifier: PostgreSQL */
/* Tells who still comes with an old password before that ends; must never take a
 * gateway that was not heard for one where nobody does. */
#include "jobs/grace.h"

#include <inttypes.h>
#include <string.h>

#include "base/now.h"
#include "jobs/adoption.h"
#include "jobs/compromise.h"
#include "jobs/heard.h"
#include "open/open_schedule.h"
#include "schedule/schedule_time.h"

#define NAMED_MAX 4 /* consumers that are told by name, the last ones */
#define WORDS_MAX ((size_t)4 << 10)

/* ---- until when ---------------------------------------------------------------- */

/* Was the old password ended since the present one is current? */
static bool is_ended(struct ledger *l, const struct ledger_role *known,
		     int64_t now_us)
{
	char text[LEDGER_TEXT_SIZE];
	const char *version;

	if (ledger_fact_recall(l, LEDGER_FACT_ENDED, known->role, now_us, text,
			       NULL) != STATUS_OK)
		return false;
	version = strchr(text, ' ');
	return version && strcmp(version + 1, known->version) == 0;
}

static enum status find_before(void *arg, const struct ledger_run *run)
{
	const char **version = arg;

	if (!run->version[0] || strcmp(run->version, *version) == 0)
		return STATUS_OK;
	*version = NULL;
	return STATUS_LIMIT;
}

/* A role that was just taken over has no password before. */
static bool has_before(struct ledger *l, const struct ledger_role *known)
{
	const char *version = known->version;

	l->ops->runs->history(l, known->role, 0, find_before, &version, NULL);
	return !version;
}

int64_t grace_until(struct open_engine *w, const struct config_group *role,
		    const struct ledger_role *known, int64_t now_us)
{
	struct ledger *l = open_engine_ledger(w);
	int64_t until =
		known->rotated_us + config_duration_us(role, CONFIG_role_grace);

	if (!config_is_at_gateway(role) || !known->version[0] ||
	    known->rotated_us == 0 || until <= now_us ||
	    is_ended(l, known, now_us) || compromise_is_open(l, known->role) ||
	    !has_before(l, known))
		return 0;
	return until;
}

/* ---- who ------------------------------------------------------------------------- */

struct user {
	char consumer[CONSUMER_SIZE];
	int64_t last_us, count;
};

struct users {
	const struct ledger_role *known;
	struct user last[NAMED_MAX]; /* the newest first */
	size_t n;		     /* of all */
};

static enum status take_sighting(void *arg, const struct ledger_sighting *s)
{
	struct users *u = arg;
	size_t i = u->n < NAMED_MAX ? u->n : NAMED_MAX;

	if (s->source != LEDGER_SOURCE_VERIFY ||
	    strcmp(s->version, u->known->version) == 0 ||
	    s->last_us <= u->known->rotated_us)
		return STATUS_OK;
	u->n++;
	while (i > 0 && u->last[i - 1].last_us < s->last_us) {
		if (i < NAMED_MAX)
			u->last[i] = u->last[i - 1];
		i--;
	}
	if (i == NAMED_MAX)
		return STATUS_OK;
	memcpy(u->last[i].consumer, s->consumer, sizeof(s->consumer));
	u->last[i].last_us = s->last_us;
	u->last[i].count = s->count;
	return STATUS_OK;
}

static void add_users(const struct users *u, int64_t now_us,
		      struct text *sentence, struct text *words)
{
	char age[32];

	for (size_t i = 0; i < u->n && i < NAMED_MAX; i++) {
		const struct user *x = &u->last[i];
		int64_t ago = x->last_us < now_us ? now_us - x->last_us : 0;

		text_printf(sentence, "%s%s (last %s ago)",
			    i == 0 ? ", and is still used by " : ", ",
			    x->consumer, now_age(ago, age));
		text_printf(words, "%s%s", i == 0 ? "" : " ", x->consumer);
	}
	if (u->n > NAMED_MAX)
		text_printf(sentence, " and %zu more", u->n - NAMED_MAX);
}

/* One that counts for less than half of the time may have missed who comes once a
 * day; one that is away misses all. */
static bool is_unknown(const struct heard *h, const struct ledger_role *known,
		       int64_t now_us, int64_t gap_us)
{
	int64_t half = known->rotated_us + (now_us - known->rotated_us) / 2;

	return !heard_all(h, half, now_us, gap_us);
}

static bool has_agents(struct open_engine *w, const char *cluster)
{
	const struct config_group *g =
		config_find(open_config(open_engine_opened(w)),
			    CONFIG_SECTION_cluster, cluster);

	return config_list_n(g, CONFIG_cluster_agent) > 0;
}

static enum status add_unheard(struct open_engine *w,
			       const struct config_group *role,
			       const struct ledger_role *known, int64_t now_us,
			       struct text *t, size_t *ret_n,
			       struct reason *why)
{
	int64_t gap = adoption_gap_us(open_config(open_engine_opened(w)));
	const char *cluster = config_string(role, CONFIG_role_cluster);
	size_t heard = 0;
	struct heard h;
	enum status s;

	*ret_n = 0;
	for (size_t i = 0;; i++) {
		s = heard_recall(open_engine_ledger(w), cluster, i, now_us, &h,
				 why);
		if (s == STATUS_NOT_FOUND)
			break;
		if (s != STATUS_OK)
			return s;
		heard++;
		if (!is_unknown(&h, known, now_us, gap))
			continue;
		text_printf(t, "%s%s",
			    *ret_n == 0 ? "; who logs in is not wholly "
					  "known at gateway " :
					  ", ",
			    h.gateway);
		++*ret_n;
	}
	/* Without a keyturnd it is keyturn adoption --look that asks. */
	if (heard == 0 && has_agents(w, cluster)) {
		text_add(t, "; no agent of its gateways was asked who logs in");
		++*ret_n;
	}
	return STATUS_OK;
}

/* ---- telling ----------------------------------------------------------------------- */

/* The steps of notice that are shorter than the grace; without one a quarter of it. */
static enum status find_steps(const struct config *c,
			      const struct config_group *role,
			      struct schedule_notice *ret, struct reason *why)
{
	int64_t grace = config_duration_us(role, CONFIG_role_grace);
	struct schedule_notice all = { .n = 0 };
	enum status s = open_schedule_notice(c, role, &all, why);

	*ret = (struct schedule_notice){ .n = 0 };
	for (size_t i = 0; s == STATUS_OK && i < all.n; i++)
		if (all.steps_us[i] < grace)
			ret->steps_us[ret->n++] = all.steps_us[i];
	if (ret->n == 0)
		ret->steps_us[ret->n++] = grace / 4;
	return s;
}

static enum status write_event(struct open_engine *w,
			       const struct config_group *role,
			       const struct schedule_notice_told *told,
			       const struct text *who, const char *was,
			       struct audit_event *e, struct reason *why)
{
	const struct schedule_zone *zone = NULL;
	char planned[NOW_STAMP_SIZE], step[32], left[32];
	char local[SCHEDULE_TIME_SIZE], show[SCHEDULE_TIME_SIZE];
	char fact[SCHEDULE_NOTICE_SIZE];
	struct text t = text_make(WORDS_MAX);
	const char *name = "";
	enum status s;

	s = open_engine_calendar_partner(open_engine_calendar(w), role, &zone,
					 &name, why);
	if (s != STATUS_OK)
		return s;
	text_printf(&t,
		    "the old password of %s is accepted until %s, time zone "
		    "%s, for %s more%s",
		    config_name(role),
		    schedule_time_show(zone, told->at_us, show), name,
		    now_age(told->at_us - e->at_us, left), text_str(who));
	e->detail = text_str(&t);
	e->planned = now_stamp(told->at_us, planned);
	e->local = schedule_time_local(zone, told->at_us, local);
	e->zone = name;
	e->step = now_age(told->step_us, step);
	schedule_notice_write(told, fact);
	s = ledger_fact_change(open_engine_ledger(w), LEDGER_FACT_GRACE,
			       config_name(role), was, fact, e, why);
	text_free(&t);
	return s;
}

static enum status tell(struct open_engine *w, const struct grace_watch *g,
			const struct schedule_notice_told *told,
			const char *was, struct audit_event *e, bool *ret_told,
			struct reason *why)
{
	struct ledger *l = open_engine_ledger(w);
	struct text who = text_make(WORDS_MAX), words = text_make(WORDS_MAX);
	struct users users = { .known = g->known };
	char last[NOW_STAMP_SIZE];
	size_t unheard = 0;
	enum status s;

	s = l->ops->adoption->each(l, config_name(g->role), take_sighting,
				   &users, why);
	add_users(&users, g->now_us, &who, &words);
	if (s == STATUS_OK && g->looked)
		s = add_unheard(w, g->role, g->known, g->now_us, &who, &unheard,
				why);
	if (s == STATUS_OK && (users.n > 0 || unheard > 0)) {
		e->consumers = text_str(&words);
		if (users.n > 0)
			e->last = now_stamp(users.last[0].last_us, last);
		s = write_event(w, g->role, told, &who, was, e, why);
		*ret_told = s == STATUS_OK;
	}
	text_free(&who);
	text_free(&words);
	return s;
}

enum status grace_tell(struct open_engine *w, const struct grace_watch *g,
		       bool *ret_told, struct reason *why)
{
	const char *name = config_name(g->role);
	struct audit_event e =
		audit_event_make(AUDIT_GRACE, name, g->actor, "", "");
	struct schedule_notice_told told = { .step_us = 0 }, next;
	struct schedule_notice n;
	char fact[LEDGER_TEXT_SIZE] = "";
	enum status s;

	*ret_told = false;
	next = (struct schedule_notice_told){
		.due_us = g->known->rotated_us,
		.at_us = grace_until(w, g->role, g->known, g->now_us),
	};
	if (next.at_us == 0)
		return STATUS_OK;
	s = find_steps(open_config(open_engine_opened(w)), g->role, &n, why);
	if (s == STATUS_OK)
		s = ledger_fact_recall(open_engine_ledger(w), LEDGER_FACT_GRACE,
				       name, g->now_us, fact, why);
	if (s == STATUS_NOT_FOUND)
		reason_clear(why);
	else if (s != STATUS_OK)
		return s;
	schedule_notice_read(fact, &told);
	next.step_us = schedule_notice_step(&n, &told, next.due_us, next.at_us,
					    g->now_us);
	if (next.step_us == 0)
		return STATUS_OK;
	e.at_us = g->now_us;
	s = tell(w, g, &next, fact, &e, ret_told, why);
	/* Another process told of it just now. */
	return s == STATUS_CONFLICT ? STATUS_OK : s;
}
