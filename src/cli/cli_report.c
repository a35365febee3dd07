/* SPDX-License-Identifier: PostgreSQL */
/* report: who uses which password, from an agent's audit, read only. */
#include <string.h>

#include "base/now.h"
#include "cli/cli.h"
#include "report/report_uses.h"

#define OUTPUT_MAX ((size_t)16 << 20)

struct gathering {
	struct cli *c;
	struct report_uses *uses;
	int64_t since_us;
};

static bool wanted(const struct gathering *g, const struct audit_entry *e)
{
	if (e->at_us < g->since_us)
		return false;
	for (size_t i = 0; i < g->c->n_args; i++)
		if (strcmp(g->c->args[i], e->role) == 0)
			return true;
	return g->c->n_args == 0;
}

static enum status add_line(void *arg, const char *json_line)
{
	struct gathering *g = arg;
	struct audit_entry e;
	enum status s = audit_entry_read(json_line, &e, &g->c->why);

	if (s == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (s == STATUS_OK && wanted(g, &e))
		s = report_uses_add(g->uses, &e, &g->c->why);
	return s;
}

enum status cli_report(struct cli *c)
{
	struct gathering g = { .c = c };
	struct text t = text_make(OUTPUT_MAX);
	enum status s;

	s = cli_since(c, &g.since_us);
	if (s == STATUS_OK)
		s = cli_open_ledger(c, OPEN_LEDGER_READ);
	if (s == STATUS_OK && report_uses_new(&g.uses) != STATUS_OK)
		s = reason_no_memory(&c->why);
	if (s == STATUS_OK)
		s = c->ledger->ops->trail->export(c->ledger, add_line, &g,
						  &c->why);
	if (s == STATUS_OK) {
		if (c->o.json)
			report_uses_json(g.uses, &t);
		else
			report_uses_text(g.uses, &t, now_wall(now_system()));
		s = cli_print(c, &t);
	}
	report_uses_free(g.uses);
	text_free(&t);
	return s;
}
