/* SPDX-License-Identifier: PostgreSQL */
/* history: the runs of one role or of all, read only. */
#include "cli/cli.h"
#include "report/report.h"

/* Printed as it comes; the lines of one run are far shorter than the rest. */
#define PRINT_AT   ((size_t)64 << 10)
#define OUTPUT_MAX ((size_t)1 << 20)

struct listing {
	struct cli *c;
	struct text t; /* still to be printed */
	bool json;
	size_t n;
};

static enum status add_run(void *arg, const struct ledger_run *run)
{
	struct listing *l = arg;
	enum status s;

	if (l->json) {
		text_add(&l->t, l->n ? ",\n " : "[");
		report_run_json(&l->t, run);
	} else
		report_run_lines(&l->t, run);
	l->n++;
	if (l->t.len < PRINT_AT)
		return text_status(&l->t);
	s = cli_print(l->c, &l->t);
	l->t.len = 0;
	return s;
}

enum status cli_history(struct cli *c)
{
	struct listing l = { .c = c,
			     .t = text_make(OUTPUT_MAX),
			     .json = c->o.json };
	int64_t since = 0;
	enum status s;

	if (c->n_args > 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "history takes one role name or none");
	s = cli_since(c, &since);
	if (s == STATUS_OK)
		s = cli_open_ledger(c, OPEN_LEDGER_READ);
	if (s == STATUS_OK)
		s = c->ledger->ops->runs->history(c->ledger,
						  c->n_args ? c->args[0] : NULL,
						  since, add_run, &l, &c->why);
	if (s == STATUS_OK && l.json)
		text_add(&l.t, l.n ? "]\n" : "[]\n");
	if (s == STATUS_OK)
		s = cli_print(c, &l.t);
	text_free(&l.t);
	return s;
}
