/* SPDX-License-Identifier: PostgreSQL */
/* rotate --due --dry-run --until TIME: what will begin when, if nothing fails. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cli/cli.h"
#include "jobs/hold.h"

#define LINES_MAX  200000
#define OUTPUT_MAX ((size_t)64 << 20)

struct line {
	const char *role;
	struct schedule_turn turn;
	const struct hold *hold; /* of its first, else NULL */
};

struct forecast {
	struct cli *cli;
	int64_t now_us, until_us;
	struct line *lines;
	size_t n, cap;
	struct hold *holds; /* one a role */
};

static enum status add_line(struct forecast *f, const char *role,
			    const struct schedule_turn *t, const struct hold *h)
{
	if (f->n == LINES_MAX)
		return reason_set(&f->cli->why, STATUS_USAGE,
				  "more than %d rotations until then; give "
				  "--until an earlier time",
				  LINES_MAX);
	if (f->n == f->cap) {
		size_t cap = f->cap ? 2 * f->cap : 64;
		struct line *more = realloc(f->lines, cap * sizeof(*more));

		if (!more)
			return reason_no_memory(&f->cli->why);
		f->lines = more;
		f->cap = cap;
	}
	f->lines[f->n++] = (struct line){ role, *t, h };
	return STATUS_OK;
}

static enum status walk(struct forecast *f, const struct config_group *role,
			const struct schedule *schedule, struct hold *h)
{
	struct schedule_course course = { .schedule = schedule };
	struct schedule_turn t = h->turn;
	const struct hold *first = h;
	enum status s;

	s = open_engine_calendar_blackouts(open_engine_calendar(f->cli->engine),
					   role, &course.blackouts,
					   &f->cli->why);
	while (s == STATUS_OK && t.due_us != INT64_MAX &&
	       t.at_us <= f->until_us) {
		s = add_line(f, config_name(role), &t, first);
		first = NULL;
		schedule_course_next(&course, &t);
	}
	return s;
}

static enum status forecast_role(struct forecast *f,
				 const struct config_group *role,
				 struct hold *h)
{
	struct cli *c = f->cli;
	struct schedule *schedule = NULL;
	struct ledger_role known;
	struct reason why;
	enum status s;

	s = c->ledger->ops->roles->get(c->ledger, config_name(role), &known,
				       &why);
	if (s != STATUS_OK && s != STATUS_NOT_FOUND) {
		c->why = why;
		return s;
	}
	s = open_engine_schedule(c->engine, role, &schedule, &c->why);
	if (s == STATUS_OK)
		s = hold_look(c->engine, role, &known, schedule, f->now_us, h,
			      &c->why);
	if (s == STATUS_OK && schedule && known.frozen)
		log_line(LOG_LEVEL_WARN,
			 "%s: is frozen, so it is not rotated: %s",
			 config_name(role), known.frozen_reason);
	else if (s == STATUS_OK && schedule && known.rotated_us == 0)
		log_line(LOG_LEVEL_WARN,
			 "%s: is not managed yet, so it is not rotated by "
			 "itself",
			 config_name(role));
	else if (s == STATUS_OK && h->turn.due_us > 0)
		s = walk(f, role, schedule, h);
	schedule_free(schedule);
	return s;
}

static int by_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = (x->turn.at_us > y->turn.at_us) -
		    (x->turn.at_us < y->turn.at_us);

	return order ? order : strcmp(x->role, y->role);
}

static const char *second(int64_t us, char buf[NOW_STAMP_SIZE])
{
	now_stamp(us, buf);
	memcpy(buf + 19, "Z", 2);
	return buf;
}

static void line_json(struct text *t, const struct line *l)
{
	char stamp[NOW_STAMP_SIZE];

	text_add(t, "{");
	text_add_member(t, "role", l->role);
	text_add_member(t, "would", "rotate");
	text_add_member(t, "planned_at", now_stamp(l->turn.at_us, stamp));
	text_add_member(t, "due_at", now_stamp(l->turn.due_us, stamp));
	text_printf(t, ",\"postponed\":%s",
		    l->turn.postponed ? "true" : "false");
	text_add_member(t, "postponed_reason",
			l->turn.postponed && l->hold ? l->hold->reason : NULL);
	text_add_member(t, "blackout_until",
			l->turn.blackout_us ?
				now_stamp(l->turn.blackout_us, stamp) :
				NULL);
	text_add_member(t, "blackout",
			l->turn.blackout_us ? l->turn.blackout : NULL);
	text_add(t, "}\n");
}

static void line_text(struct text *t, int width, const struct line *l,
		      int64_t now_us)
{
	char at[NOW_STAMP_SIZE], due[NOW_STAMP_SIZE], end[NOW_STAMP_SIZE];
	char safe[LEDGER_TEXT_SIZE * 4];

	text_printf(t, "%s  %-*s  due %s", second(l->turn.at_us, at), width,
		    l->role, second(l->turn.due_us, due));
	if (l->turn.due_us < now_us)
		text_add(t, "; is overdue");
	if (l->turn.postponed && l->hold) {
		text_escape(safe, sizeof(safe), l->hold->reason,
			    strlen(l->hold->reason));
		text_printf(t, "; postponed until %s by %s: %s",
			    second(l->hold->postponed_us, end), l->hold->who,
			    safe);
	}
	if (l->turn.blackout_us) {
		text_escape(safe, sizeof(safe), l->turn.blackout,
			    strlen(l->turn.blackout));
		text_printf(t, "; blackout until %s: %s",
			    second(l->turn.blackout_us, end), safe);
	}
	text_add(t, "\n");
}

static enum status print_lines(struct forecast *f)
{
	struct text t = text_make(OUTPUT_MAX);
	size_t width = 0;
	enum status s;

	for (size_t i = 0; i < f->n; i++)
		if (strlen(f->lines[i].role) > width)
			width = strlen(f->lines[i].role);
	for (size_t i = 0; i < f->n; i++)
		if (f->cli->o.json)
			line_json(&t, &f->lines[i]);
		else
			line_text(&t, (int)width, &f->lines[i], f->now_us);
	s = cli_print(f->cli, &t);
	text_free(&t);
	return s;
}

enum status cli_forecast(struct cli *c)
{
	struct forecast f = { .cli = c, .now_us = now_wall(now_system()) };
	const struct config_group **roles = NULL;
	bool date = false;
	size_t n = 0;
	enum status s;

	s = cli_until(c, &date, &f.until_us);
	if (s == STATUS_OK && f.until_us <= f.now_us)
		s = reason_set(&c->why, STATUS_USAGE,
			       "--until %s is over; give a time to come",
			       c->o.until);
	if (s == STATUS_OK)
		s = cli_roles(c, &roles, &n);
	if (s == STATUS_OK && !(f.holds = calloc(n + 1, sizeof(*f.holds))))
		s = reason_no_memory(&c->why);
	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		s = forecast_role(&f, roles[i], &f.holds[i]);
	if (s == STATUS_OK && f.n > 0) {
		qsort(f.lines, f.n, sizeof(*f.lines), by_time);
		s = print_lines(&f);
	} else if (s == STATUS_OK) {
		s = STATUS_NOTHING_DUE;
		if (!c->o.quiet && !c->o.json)
			puts("nothing is due until then");
	}
	free(f.lines);
	free(f.holds);
	free(roles);
	return s;
}
