/* SPDX-License-Identifier: PostgreSQL */
/* refresh: what keyturnd does for the files of tokens, and for what follows new
 * passwords, once, for cron and for hands. */
#include <stdio.h>

#include "base/log.h"
#include "base/now.h"
#include "cli/cli.h"
#include "cli/cli_follow.h"
#include "jobs/sink_refresh.h"

struct told {
	const struct cli *c;
	bool failed;
	bool alarm;
	bool behind;
};

static void tell_outcome(void *arg, const struct sink_refresh_outcome *o)
{
	struct told *t = arg;
	char stamp[NOW_STAMP_SIZE];

	if (o->step && o->status != STATUS_OK) {
		t->behind = true;
		log_line(LOG_LEVEL_ERROR, "sink %s: %s: %s", o->sink, o->step,
			 o->detail);
	} else if (o->step && !t->c->o.quiet)
		printf("%s: %s: %s\n", o->sink, o->step, o->detail);
	if (o->step)
		return;
	if (o->alarm)
		t->alarm = true;
	if (o->status != STATUS_OK) {
		t->failed = true;
		log_line(LOG_LEVEL_ERROR, "sink %s: %s", o->sink, o->detail);
	}
	if (o->tried && o->status == STATUS_OK && !t->c->o.quiet)
		printf("%s: %s, expires %s\n", o->sink,
		       o->changed ? "refreshed" : "in step",
		       now_stamp(o->expires_us, stamp));
}

/* Who names files means those alone. */
static enum status follow(struct cli *c)
{
	enum status s;

	if (c->n_args > 0 || !cli_follow_any(c))
		return STATUS_OK;
	s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = cli_begin_hooks(c);
	if (s == STATUS_OK)
		s = cli_follow_all(c, c->o.force, c->o.force, NULL, 0);
	cli_end_hooks(c);
	return s;
}

enum status cli_refresh(struct cli *c)
{
	struct sink_refresh_options o = { .actor = c->actor };
	struct told told = { .c = c };
	struct sink_refresh *r = NULL;
	enum status s = cli_open_ledger(c, OPEN_LEDGER_WRITE);

	o.opened = c->opened;
	o.ledger = c->ledger;
	o.at_once = c->o.force;
	if (s == STATUS_OK)
		s = sink_refresh_new(&o, &r, &c->why);
	for (size_t i = 0; i < c->n_args && s == STATUS_OK; i++)
		s = sink_refresh_only(r, c->args[i], &c->why);
	if (s != STATUS_OK)
		goto out;
	sink_refresh_run(r, tell_outcome, &told);
	s = follow(c);
	if (s == STATUS_OK && told.behind)
		s = STATUS_UNDELIVERED;
	if (s == STATUS_UNDELIVERED)
		reason_set(&c->why, s,
			   "what follows a password is behind; keyturn refresh "
			   "--force tries it now");
	if (told.failed)
		s = reason_set(&c->why, STATUS_SOME_FAILED,
			       told.alarm ? "some files are not fresh, and a "
					    "token in one of them ends soon" :
					    "some files are not fresh");
	if (fflush(stdout) != 0 && s == STATUS_OK)
		s = reason_set(&c->why, STATUS_ERROR,
			       "cannot write to standard output");
out:
	sink_refresh_free(r);
	return s;
}
