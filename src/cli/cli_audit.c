/* SPDX-License-Identifier: PostgreSQL */
/* audit: verify or export the trail; opens the ledger read only. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

static enum status export_line(void *arg, const char *json_line)
{
	struct cli *c = arg;

	if (puts(json_line) == EOF)
		return reason_set(&c->why, STATUS_ERROR,
				  "cannot write to standard output");
	return STATUS_OK;
}

static void print_verdict(const struct cli *c, const struct audit_verdict *v,
			  bool good)
{
	if (c->o.json) {
		printf("{\"good\":%s,\"events\":%lld,\"checkpoints\":%lld,"
		       "\"bad_event\":%lld,\"unsigned_tail\":%lld,"
		       "\"head\":\"%s\"}\n",
		       good ? "true" : "false", (long long)v->events,
		       (long long)v->checkpoints, (long long)v->bad_event,
		       (long long)v->unsigned_tail, v->head);
		return;
	}
	if (good)
		printf("audit: %lld events and %lld checkpoints verify, %lld "
		       "events after the last checkpoint, head %s\n",
		       (long long)v->events, (long long)v->checkpoints,
		       (long long)v->unsigned_tail, v->head);
}

enum status cli_audit(struct cli *c)
{
	struct audit_verdict verdict = { .events = 0 };
	bool verify;
	enum status s;

	if (c->n_args != 1 || (strcmp(c->args[0], "verify") != 0 &&
			       strcmp(c->args[0], "export") != 0))
		return reason_set(&c->why, STATUS_USAGE,
				  "audit takes verify or export");
	verify = strcmp(c->args[0], "verify") == 0;
	s = cli_open_config(c);
	if (s == STATUS_OK)
		s = open_new(c->config, &c->opened, &c->why);
	if (s == STATUS_OK && verify && *c->o.public_key)
		s = open_ledger_verify(c->opened, c->o.public_key, &c->ledger,
				       &c->why);
	else if (s == STATUS_OK)
		s = cli_open_ledger(c, OPEN_LEDGER_READ);
	if (s != STATUS_OK)
		return s;
	if (verify)
		s = c->ledger->ops->trail->verify(c->ledger, &verdict, &c->why);
	else
		s = c->ledger->ops->trail->export(c->ledger, export_line, c,
						  &c->why);
	if (verify && (s == STATUS_OK || s == STATUS_AUDIT_BROKEN))
		print_verdict(c, &verdict, s == STATUS_OK);
	if (s == STATUS_OK && fflush(stdout) != 0)
		s = reason_set(&c->why, STATUS_ERROR,
			       "cannot write to standard output");
	return s;
}
