/* SPDX-License-Identifier: PostgreSQL */
/* status: what the ledger knows of each role, read only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "cli/cli.h"
#include "handoff/handoff.h"
#include "jobs/compromise.h"
#include "jobs/due.h"
#include "jobs/follow.h"
#include "jobs/grace.h"
#include "jobs/hook_state.h"
#include "jobs/sink_refresh.h"
#include "open/open_schedule.h"
#include "report/report.h"
#include "report/report_adoption.h"

#define OUTPUT_MAX ((size_t)64 << 20)

static int widest(const struct config_group **roles, size_t n)
{
	size_t w = strlen("ROLE");

	for (size_t i = 0; i < n; i++)
		if (strlen(config_name(roles[i])) > w)
			w = strlen(config_name(roles[i]));
	return (int)w;
}

/* Who is expected, and how many of them have the live version. */
static enum status count_adopted(struct cli *c, const struct config_group *role,
				 struct report_role *r)
{
	const char *expected = config_string(role, CONFIG_role_consumers);
	struct report_adoption *a = NULL;
	enum status s;

	if (!*expected || !r->known->version[0])
		return STATUS_OK;
	if (report_adoption_new(config_name(role), r->known->version, expected,
				&a) != STATUS_OK)
		return reason_no_memory(&c->why);
	if (config_is_pair(role))
		report_adoption_since(a, r->known->rotated_us);
	s = c->ledger->ops->adoption->each(c->ledger, config_name(role),
					   report_adoption_add, a, &c->why);
	r->expected = report_adoption_expected(a);
	r->adopted = report_adoption_adopted(a);
	report_adoption_free(a);
	return s;
}

static enum status tell_handoff(struct cli *c, const struct config_group *role,
				int64_t now_us, struct text *says,
				struct report_role *r)
{
	enum handoff_state reached;
	struct handoff h;
	enum status s = handoff_load(c->ledger, role, now_us, &h, &c->why);

	if (s != STATUS_OK || !h.manual)
		return s;
	handoff_sentence(&h, says);
	reached = handoff_reached(&h);
	if (reached < HANDOFF_STATES) {
		r->handoff = handoff_state_word(reached);
		r->handoff_late = h.late;
		r->handoff_says = text_str(says);
	}
	return STATUS_OK;
}

/* By what the old password ended, since the present one is current; "": it has
 * not. */
static const char *recall_end(struct ledger *l, const struct ledger_role *known,
			      char text[LEDGER_TEXT_SIZE])
{
	char *version;

	if (ledger_fact_recall(l, LEDGER_FACT_ENDED, known->role,
			       now_wall(now_system()), text, NULL) != STATUS_OK)
		return "";
	version = strchr(text, ' ');
	if (!version || strcmp(version + 1, known->version) != 0)
		return "";
	*version = '\0';
	return text;
}

struct steps {
	bool json;
	struct text *t; /* one object each, or lines below the table */
};

static void show_step(void *arg, const struct follow_outcome *o)
{
	struct steps *l = arg;
	const struct report_step s = {
		.role = o->role,
		.name = o->step,
		.version = o->state->accepted,
		.behind = o->behind,
		.attempts = o->behind ? o->state->attempts : 0,
		.since_us = o->state->since_us,
		.next_us = o->state->next_us,
		.sentence = o->detail,
	};

	if (!l->json) {
		report_step_line(l->t, &s, now_wall(now_system()));
		return;
	}
	text_add(l->t, l->t->len > 0 ? "," : "");
	report_step_json(l->t, &s);
}

static enum status status_of(struct cli *c, const struct config_group *role,
			     int width, bool first, struct text *t,
			     struct text *lines)
{
	struct schedule *schedule = NULL;
	struct ledger_role known;
	struct reason why;
	struct report_role r = {
		.cluster = config_string(role, CONFIG_role_cluster),
		.store = config_string(role, CONFIG_role_store),
		.known = &known,
	};
	struct text says = text_make(LEDGER_TEXT_SIZE);
	struct text steps = text_make(OUTPUT_MAX);
	char ends[LEDGER_TEXT_SIZE], ended[LEDGER_TEXT_SIZE];
	struct reason held = { "" };
	struct hold hold;
	struct due due = { .retire = SCHEDULE_RETIRE_NOTHING };
	int64_t now = now_wall(now_system());
	enum status s;

	s = open_remembered(c->opened, c->ledger, role, &known, &why);
	/* Without the store a role is shown as the ledger knows it. */
	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		text_copy(known.last_error, sizeof(known.last_error), why.text);
	s = open_engine_schedule(c->engine, role, &schedule, &c->why);
	if (s != STATUS_OK)
		return s;
	r.next_due_us = report_next_due(schedule, &known);
	r.life = open_schedule_life(c->config, role, schedule, now);
	s = hold_look(c->engine, role, &known, schedule, now, &hold, &c->why);
	if (s != STATUS_OK) {
		schedule_free(schedule);
		return s;
	}
	hold_say(&hold, &held);
	r.held = held.text;
	if (hold.turn.due_us > 0 && !known.frozen)
		r.planned_us = hold.turn.at_us;
	r.postponed_us = hold.postponed_us;
	r.postponed_by = hold.who;
	r.postponed_reason = hold.reason;
	r.blackout_us = hold.blackout_us;
	r.blackout = hold.blackout;
	if (ledger_fact_recall(c->ledger, LEDGER_FACT_EXPIRES, known.role, now,
			       ends, NULL) == STATUS_OK)
		r.expires_us = strtoll(ends, NULL, 10);
	r.compromised = compromise_is_open(c->ledger, known.role);
	if (config_is_pair(role) || config_is_at_gateway(role)) {
		r.retire = config_string(role, CONFIG_role_retire);
		r.ended = recall_end(c->ledger, &known, ended);
		r.waits = due.retire_why.text;
		/* What it says without the store is said above. */
		if (due_look(c->engine, role, now, &due, &why) != STATUS_OK ||
		    due.retire == SCHEDULE_RETIRE_NOTHING)
			r.waits = "";
	}
	r.grace_us = grace_until(c->engine, role, &known, now);
	s = count_adopted(c, role, &r);
	if (s == STATUS_OK)
		s = tell_handoff(c, role, now, &says, &r);
	follow_look(c->engine, role, known.version, show_step,
		    &(struct steps){ c->o.json, c->o.json ? &steps : lines },
		    NULL);
	r.follow = text_str(&steps);
	if (s == STATUS_OK && c->o.json) {
		text_add(t, first ? "[" : ",\n ");
		report_status_json(t, &r, now);
	} else if (s == STATUS_OK)
		report_status_line(t, width, &r, now);
	schedule_free(schedule);
	text_free(&says);
	text_free(&steps);
	return s;
}

static enum status status_of_hooks(struct cli *c, bool first, struct text *t)
{
	size_t n = config_count(c->config, CONFIG_SECTION_hook);
	int64_t now = now_wall(now_system());
	struct hook_state state;
	enum status s;

	for (size_t i = 0; i < n; i++) {
		s = hook_state_load(c->ledger,
				    config_name(config_at(
					    c->config, CONFIG_SECTION_hook, i)),
				    &state, &c->why);
		if (s != STATUS_OK)
			return s;
		const struct report_hook h = {
			.name = state.hook,
			.attempts = state.attempts,
			.since_us = state.since_us,
			.lost = state.lost,
			.sentence = state.sentence,
		};

		if (c->o.json) {
			text_add(t, first && i == 0 ? "[" : ",\n ");
			report_hook_json(t, &h);
		} else
			report_hook_line(t, &h, now);
	}
	return STATUS_OK;
}

struct files {
	struct cli *c;
	struct text *t;
	bool first;
};

static void show_file(void *arg, const struct sink_refresh_outcome *o)
{
	struct files *f = arg;
	int64_t now = now_wall(now_system());
	const struct report_sink s = {
		.name = o->sink,
		.token = o->token,
		.path = o->path,
		.expires_us = o->expires_us,
		.alarm = o->alarm,
		.sentence = o->detail,
	};

	if (f->c->o.json) {
		text_add(f->t, f->first ? "[" : ",\n ");
		report_sink_json(f->t, &s, now);
	} else
		report_sink_line(f->t, &s, now);
	f->first = false;
}

static enum status status_of_files(struct cli *c, bool *ret_alarm,
				   struct text *t)
{
	const struct sink_refresh_options o = { .opened = c->opened,
						.ledger = c->ledger };
	struct files f = { c, t, t->len == 0 };
	struct sink_refresh *r = NULL;
	enum status s = sink_refresh_new(&o, &r, &c->why);

	if (s == STATUS_OK)
		*ret_alarm = sink_refresh_look(r, show_file, &f);
	sink_refresh_free(r);
	return s;
}

enum status cli_status(struct cli *c)
{
	const struct config_group **roles = NULL;
	struct text t = text_make(OUTPUT_MAX);
	struct text lines = text_make(OUTPUT_MAX); /* below the table */
	size_t n = 0;
	bool alarm = false;
	int width = 0;
	enum status s;

	s = cli_open_ledger(c, OPEN_LEDGER_READ);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = cli_roles(c, &roles, &n);
	if (s == STATUS_OK)
		width = widest(roles, n);
	if (s == STATUS_OK && !c->o.json)
		report_status_head(&t, width);
	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		s = status_of(c, roles[i], width, i == 0, &t, &lines);
	text_add(&t, text_str(&lines));
	text_free(&lines);
	/* Who asks for one role is not told of hooks and files. */
	if (s == STATUS_OK && c->n_args == 0)
		s = status_of_hooks(c, n == 0, &t);
	if (s == STATUS_OK && c->n_args == 0)
		s = status_of_files(c, &alarm, &t);
	if (c->o.json)
		text_add(&t, t.len ? "]\n" : "[]\n");
	if (s == STATUS_OK)
		s = cli_print(c, &t);
	if (s == STATUS_OK && alarm)
		s = reason_set(&c->why, STATUS_SOME_FAILED,
			       "a file holds no token with enough remaining "
			       "lifetime; see keyturn refresh");
	free(roles);
	text_free(&t);
	return s;
}
