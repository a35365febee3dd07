/* SPDX-License-Identifier: PostgreSQL */
/* postpone: put the next rotation of a role off, for a while. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "jobs/hold.h"

static enum status check_usage(struct cli *c)
{
	if (c->n_args != 1 || !*c->o.until == !c->o.withdraw || !*c->o.reason)
		return reason_set(&c->why, STATUS_USAGE,
				  "postpone takes one role name, --until TIME "
				  "or --withdraw, and --reason TEXT");
	if (strlen(c->o.reason) >= HOLD_REASON_SIZE)
		return reason_set(&c->why, STATUS_USAGE,
				  "--reason is longer than %d bytes",
				  HOLD_REASON_SIZE - 1);
	return STATUS_OK;
}

/* Of a date alone nobody knows whether that day is meant, too. */
static enum status read_until(struct cli *c, int64_t *ret_us)
{
	bool date = false;
	enum status s = STATUS_OK;

	*ret_us = 0;
	if (!c->o.withdraw)
		s = cli_until(c, &date, ret_us);
	if (s == STATUS_OK && date)
		s = reason_set(&c->why, STATUS_USAGE,
			       "--until %s is a date alone; say the time of "
			       "day, too: %sT06:00",
			       c->o.until, c->o.until);
	return s;
}

static void show(struct cli *c, const char *role, const struct hold *h)
{
	char at[NOW_STAMP_SIZE], until[NOW_STAMP_SIZE];
	struct text t = text_make(4096);

	now_stamp(h->turn.at_us, at);
	now_stamp(h->postponed_us, until);
	if (c->o.json) {
		text_add(&t, "{");
		text_add_member(&t, "role", role);
		text_add_member(&t, "postponed_until",
				h->postponed_us ? until : NULL);
		text_add_member(&t, "planned_at", at);
		text_add_member(&t, "blackout",
				h->turn.blackout_us ? h->turn.blackout : NULL);
		text_add(&t, "}\n");
	} else if (h->postponed_us) {
		text_printf(&t, "%s: postponed until %s; then it is rotated",
			    role, until);
		if (h->turn.at_us > h->postponed_us)
			text_printf(&t, ", at %s%s%s", at,
				    h->turn.blackout_us ?
					    ", after a blackout: " :
					    ", when its window "
					    "opens",
				    h->turn.blackout);
		text_add(&t, "\n");
	} else
		text_printf(&t,
			    "%s: not postponed any more; it is rotated at "
			    "%s\n",
			    role, at);
	fwrite(text_str(&t), 1, t.len, stdout);
	text_free(&t);
}

enum status cli_postpone(struct cli *c)
{
	const struct config_group *role = NULL;
	struct hold_wish wish = { .reason = c->o.reason };
	struct hold hold;
	enum status s = check_usage(c);

	/* A new ledger knows of no rotation that could be put off. */
	if (s == STATUS_OK)
		s = cli_open_ledger(c, OPEN_LEDGER_AGAIN);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK)
		s = open_role(c->opened, c->args[0], &role, &c->why);
	if (s == STATUS_OK)
		s = read_until(c, &wish.until_us);
	if (s == STATUS_OK)
		s = cli_begin_hooks(c);
	if (s != STATUS_OK)
		return s;
	wish.actor = c->actor;
	s = hold_postpone(c->engine, role, &wish, now_wall(now_system()), &hold,
			  &c->why);
	if (s == STATUS_OK && !c->o.quiet)
		show(c, config_name(role), &hold);
	cli_end_hooks(c);
	return s;
}
