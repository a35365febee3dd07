/* SPDX-License-Identifier: PostgreSQL */
/* status and history: what the ledger knows, read only. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/now.h"
#include "cli/cli.h"
#include "report/report.h"

#define OUTPUT_MAX ((size_t)64 << 20)

/* ---- status ---- */

static int widest(const struct config_group **roles, size_t n)
{
	size_t w = strlen("ROLE");

	for (size_t i = 0; i < n; i++)
		if (strlen(config_name(roles[i])) > w)
			w = strlen(config_name(roles[i]));
	return (int)w;
}

static enum status status_of(struct cli *c, const struct config_group *role,
			     int width, bool first, struct text *t)
{
	struct schedule *schedule = NULL;
	struct ledger_role known;
	struct reason why;
	struct report_role r = {
		.cluster = config_string(role, CONFIG_role_cluster),
		.store = config_string(role, CONFIG_role_store),
		.known = &known,
	};
	int64_t now = now_wall(now_system());
	enum status s;

	s = backends_remembered(c->backends, c->ledger, role, &known, &why);
	/* Without the store a role is shown as the ledger knows it. */
	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		text_copy(known.last_error, sizeof(known.last_error), why.text);
	s = workshop_schedule(c->workshop, role, &schedule, &c->why);
	if (s != STATUS_OK)
		return s;
	r.next_due_us = report_next_due(schedule, &known);
	if (c->o.json) {
		text_add(t, first ? "[" : ",\n ");
		report_status_json(t, &r, now);
	} else
		report_status_line(t, width, &r, now);
	schedule_free(schedule);
	return STATUS_OK;
}

enum status cli_status(struct cli *c)
{
	const struct config_group **roles = NULL;
	struct text t = text_make(OUTPUT_MAX);
	size_t n = 0;
	int width = 0;
	enum status s;

	s = cli_open_ledger(c, BACKENDS_LEDGER_READ);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = cli_roles(c, &roles, &n);
	if (s == STATUS_OK)
		width = widest(roles, n);
	if (s == STATUS_OK && !c->o.json)
		report_status_head(&t, width);
	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		s = status_of(c, roles[i], width, i == 0, &t);
	if (c->o.json)
		text_add(&t, n ? "]\n" : "[]\n");
	if (s == STATUS_OK)
		s = cli_print(c, &t);
	free(roles);
	text_free(&t);
	return s;
}

/* ---- history ---- */

struct listing {
	struct text t;
	bool json;
	size_t n;
};

static enum status add_run(void *arg, const struct ledger_run *run)
{
	struct listing *l = arg;

	if (l->json) {
		text_add(&l->t, l->n ? ",\n " : "[");
		report_run_json(&l->t, run);
	} else
		report_run_lines(&l->t, run);
	l->n++;
	return text_status(&l->t);
}

static enum status parse_since(struct cli *c, int64_t *ret)
{
	int64_t ago;

	*ret = 0;
	if (!*c->o.since)
		return STATUS_OK;
	if (now_parse(c->o.since, ret) == 0)
		return STATUS_OK;
	if (duration_parse(c->o.since, &ago, NULL) == STATUS_OK) {
		*ret = now_wall(now_system()) - ago;
		return STATUS_OK;
	}
	return reason_set(&c->why, STATUS_USAGE,
			  "--since takes a time (2026-11-21T03:00:00Z) or a "
			  "duration (7d), not \"%s\"",
			  c->o.since);
}

enum status cli_history(struct cli *c)
{
	struct listing l = { .t = text_make(OUTPUT_MAX), .json = c->o.json };
	int64_t since = 0;
	enum status s;

	if (c->n_args > 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "history takes one role name or none");
	s = parse_since(c, &since);
	if (s == STATUS_OK)
		s = cli_open_ledger(c, BACKENDS_LEDGER_READ);
	if (s == STATUS_OK)
		s = c->ledger->ops->history(c->ledger,
					    c->n_args ? c->args[0] : NULL,
					    since, add_run, &l, &c->why);
	if (l.json)
		text_add(&l.t, l.n ? "]\n" : "[]\n");
	if (s == STATUS_OK)
		s = cli_print(c, &l.t);
	text_free(&l.t);
	return s;
}
