/* SPDX-License-Identifier: PostgreSQL */
/* history: the runs of one role or of all, read only. */
#include "base/duration.h"
#include "base/now.h"
#include "cli/cli.h"
#include "report/report.h"

#define OUTPUT_MAX ((size_t)64 << 20)

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
