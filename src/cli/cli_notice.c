/* SPDX-License-Identifier: PostgreSQL */
/* notice: when a role is rotated next, for its partner. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "cli/cli.h"
#include "config.h"
#include "jobs/hold.h"
#include "open/open_schedule.h"
#include "report/report_notice.h"

#define YEAR_US	   (366 * 86400 * NOW_SECOND)
#define DAYS_US	   (2 * 86400 * NOW_SECOND)
#define MINUTE_US  (60 * NOW_SECOND)
#define TURNS_MAX  1000
#define OUTPUT_MAX ((size_t)8 << 20)

static const struct {
	const char *name;
	void (*write)(struct text *t, const struct report_notice *r);
} formats[] = {
	{ "text", report_notice_text },
	{ "json", report_notice_json },
	{ "ics", report_notice_ics },
};

#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

struct notice {
	struct cli *cli;
	const struct config_group *role;
	struct schedule *schedule;
	struct ledger_role known;
	struct hold hold;
	struct schedule_turn turns[TURNS_MAX];
	struct report_notice out;
};

static enum status check_usage(struct cli *c, size_t *ret_format)
{
	if (c->n_args != 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "notice takes one role name");
	if (c->o.json)
		c->o.format = "json";
	for (size_t i = 0; i < N_FORMATS; i++)
		if (strcmp(c->o.format, formats[i].name) == 0) {
			*ret_format = i;
			return STATUS_OK;
		}
	return reason_set(&c->why, STATUS_USAGE,
			  "--format must be text, json or ics, not \"%.40s\"",
			  c->o.format);
}

static enum status look(struct notice *k)
{
	struct cli *c = k->cli;
	const char *role = config_name(k->role);
	struct reason why;
	enum status s;

	s = c->ledger->ops->roles->get(c->ledger, role, &k->known, &why);
	if (s != STATUS_OK && s != STATUS_NOT_FOUND) {
		c->why = why;
		return s;
	}
	s = open_engine_schedule(c->engine, k->role, &k->schedule, &c->why);
	if (s == STATUS_OK && !k->schedule)
		return reason_set(&c->why, STATUS_REFUSED,
				  "role %s has no schedule: it is rotated by "
				  "command only, so no one knows when",
				  role);
	if (s == STATUS_OK)
		s = hold_look(c->engine, k->role, &k->known, k->schedule,
			      k->out.now_us, &k->hold, &c->why);
	if (s == STATUS_OK && k->hold.turn.due_us == 0)
		return reason_set(&c->why, STATUS_REFUSED,
				  "role %s is not managed yet, so it is not "
				  "rotated by itself; keyturn rotate or import "
				  "it once",
				  role);
	return s;
}

/* As far as they can be known: each depends on when the one before is done. */
static enum status walk(struct notice *k)
{
	struct schedule_course course = { .schedule = k->schedule };
	struct schedule_turn t = k->hold.turn;
	enum status s;

	s = open_engine_calendar_blackouts(open_engine_calendar(k->cli->engine),
					   k->role, &course.blackouts,
					   &k->cli->why);
	if (s != STATUS_OK)
		return s;
	k->turns[k->out.n++] = t;
	for (;;) {
		schedule_course_next(&course, &t);
		if (t.due_us == INT64_MAX || t.at_us > k->out.now_us + YEAR_US)
			return STATUS_OK;
		if (k->out.n == TURNS_MAX)
			break;
		k->turns[k->out.n++] = t;
	}
	log_line(LOG_LEVEL_WARN,
		 "%s: only the first %d rotations are shown; there are more "
		 "within twelve months",
		 config_name(k->role), TURNS_MAX);
	return STATUS_OK;
}

/* The same for the role always, and another for one of the same name in another
 * database. */
static uint32_t where(const struct notice *k)
{
	const char *name = config_string(k->role, CONFIG_role_cluster);
	const struct config_group *cluster =
		config_find(k->cli->config, CONFIG_SECTION_cluster, name);

	return map_hash_text(map_hash_text(MAP_HASH, name),
			     config_string(cluster, CONFIG_cluster_conninfo));
}

static enum status fill_in(struct notice *k)
{
	struct report_notice *o = &k->out;
	int64_t every = 0;

	o->role = config_name(k->role);
	o->pair = config_is_pair(k->role);
	if (config_is_at_gateway(k->role))
		o->grace_us = config_duration_us(k->role, CONFIG_role_grace);
	o->logins = o->pair ? config_string(k->role, CONFIG_role_members) :
			      open_rolname(k->role);
	o->frozen = k->known.frozen;
	o->turns = k->turns;
	o->where = where(k);
	o->version = PACKAGE_VERSION;
	if (config_is_set(k->role, CONFIG_role_every))
		schedule_duration(config_string(k->role, CONFIG_role_every),
				  &every, NULL);
	o->by_day = every >= DAYS_US;
	if (k->hold.postponed_us > 0)
		o->revision = 1 + (unsigned)((k->hold.postponed_at_us -
					      k->known.rotated_us) /
					     MINUTE_US);
	return open_schedule_notice(k->cli->config, k->role, &o->notice,
				    &k->cli->why);
}

enum status cli_notice(struct cli *c)
{
	struct notice *k = calloc(1, sizeof(*k));
	struct text t = text_make(OUTPUT_MAX);
	size_t format = 0;
	enum status s;

	if (!k)
		return reason_no_memory(&c->why);
	k->cli = c;
	k->out.now_us = now_wall(now_system());
	s = check_usage(c, &format);
	if (s == STATUS_OK)
		s = cli_open_ledger(c, OPEN_LEDGER_READ);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = open_role(c->opened, c->args[0], &k->role, &c->why);
	if (s == STATUS_OK)
		s = open_engine_calendar_partner(
			open_engine_calendar(c->engine), k->role, &k->out.zone,
			&k->out.zone_name, &c->why);
	if (s == STATUS_OK)
		s = look(k);
	if (s == STATUS_OK)
		s = walk(k);
	if (s == STATUS_OK)
		s = fill_in(k);
	if (s == STATUS_OK) {
		formats[format].write(&t, &k->out);
		s = cli_print(c, &t);
	}
	schedule_free(k->schedule);
	text_free(&t);
	free(k);
	return s;
}
