/* SPDX-License-Identifier: PostgreSQL */
/* get: one secret for an operator; prints only what the hand-out gave, which
 * is in the audit by then. */
#include "base/harden.h"
#include "base/log.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "handout/handout.h"

/* No one else will finish it. */
static void tell_if_left_open(struct cli *c, const char *role)
{
	struct ledger_role known;

	if (c->ledger->ops->roles->get(c->ledger, role, &known, NULL) ==
		    STATUS_OK &&
	    known.frozen && known.open_run[0])
		log_line(LOG_LEVEL_WARN,
			 "%s: is frozen with an interrupted rotation, so this "
			 "password may be dead: keyturn recover %s",
			 role, role);
}

enum status cli_get(struct cli *c)
{
	const struct handout_request request = {
		.label = c->o.label,
		.format = c->o.json    ? "json" :
			  *c->o.format ? c->o.format :
					 "raw",
		.actor = c->actor,
	};
	const struct config_group *role = NULL;
	struct secret *bytes = NULL;
	enum status s;

	if (c->n_args != 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "get takes one role name");
	s = cli_open_ledger(c, OPEN_LEDGER_AGAIN);
	if (s == STATUS_OK)
		s = open_role(c->opened, c->args[0], &role, &c->why);
	if (s == STATUS_OK)
		tell_if_left_open(c, config_name(role));
	if (s == STATUS_OK)
		s = handout_get(c->opened, c->ledger, role, &request, &bytes,
				&c->why);
	if (s == STATUS_OK)
		s = cli_print_secret(c, bytes);
	secret_free(bytes);
	harden_scrub_stack();
	return s;
}
