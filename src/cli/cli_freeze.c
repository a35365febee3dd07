/* SPDX-License-Identifier: PostgreSQL */
/* freeze and thaw: stop and resume the rotation of one role. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/now.h"
#include "cli/cli.h"

/* A freeze stops no run that was begun. */
static void tell_if_open(struct cli *c, const char *role)
{
	struct ledger_role known;
	char stamp[NOW_STAMP_SIZE];

	if (c->ledger->ops->roles->get(c->ledger, role, &known, NULL) ==
		    STATUS_OK &&
	    known.open_run[0])
		log_line(LOG_LEVEL_WARN,
			 "%s: a rotation that was begun at %s is not ended: it "
			 "may still change the password; if it is not under "
			 "way any more, keyturn recover %s brings it to its "
			 "end",
			 role, now_stamp(known.open_since_us, stamp), role);
}

enum status cli_freeze(struct cli *c)
{
	const struct config_group *role = NULL;
	struct ledger_role known;
	bool freeze = c->command == CLI_freeze;
	enum status s;

	if (c->n_args != 1 || (freeze && !*c->o.reason))
		return reason_set(&c->why, STATUS_USAGE,
				  freeze ? "freeze takes one role name and "
					   "--reason TEXT" :
					   "thaw takes one role name");
	if (strlen(c->o.reason) >= LEDGER_TEXT_SIZE)
		return reason_set(&c->why, STATUS_USAGE,
				  "--reason is longer than %d bytes",
				  LEDGER_TEXT_SIZE - 1);
	/* A new ledger has nothing to thaw. */
	s = cli_open_ledger(c, freeze ? OPEN_LEDGER_WRITE : OPEN_LEDGER_AGAIN);
	if (s == STATUS_OK)
		s = open_role(c->opened, c->args[0], &role, &c->why);
	if (s != STATUS_OK)
		return s;
	if (!freeze) {
		s = c->ledger->ops->roles->get(c->ledger, config_name(role),
					       &known, &c->why);
		if (s == STATUS_NOT_FOUND || (s == STATUS_OK && !known.frozen))
			return reason_set(&c->why, STATUS_NOT_FOUND,
					  "role %s is not frozen",
					  config_name(role));
	}
	s = cli_begin_hooks(c);
	if (s == STATUS_OK && freeze)
		s = c->ledger->ops->roles->freeze(c->ledger, config_name(role),
						  c->actor, c->o.reason,
						  &c->why);
	else if (s == STATUS_OK)
		s = c->ledger->ops->roles->thaw(c->ledger, config_name(role),
						c->actor, &c->why);
	if (s == STATUS_OK && !c->o.quiet)
		printf("%s: %s\n", config_name(role),
		       freeze ? "frozen; it is served, and not rotated" :
				"thawed");
	if (s == STATUS_OK && freeze)
		tell_if_open(c, config_name(role));
	cli_end_hooks(c);
	return s;
}
