/* SPDX-License-Identifier: PostgreSQL */
/* token: one short-lived credential, minted now; prints only what the hand-out
 * gave, which is in the audit by then. */
#include "base/duration.h"
#include "base/harden.h"
#include "base/secret.h"
#include "cli/cli.h"
#include "handout/handout_token.h"

enum status cli_token(struct cli *c)
{
	struct handout_token_request request = {
		.name = c->args[0],
		.min_life_us = -1,
		.format = c->o.json    ? "json" :
			  *c->o.format ? c->o.format :
					 "raw",
		.actor = c->actor,
	};
	struct secret *bytes = NULL;
	enum status s = STATUS_OK;

	if (c->n_args != 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "token takes the name of one [token NAME]");
	if (*c->o.min_life)
		s = duration_parse(c->o.min_life, &request.min_life_us,
				   &c->why);
	if (s != STATUS_OK)
		return reason_wrap(&c->why, STATUS_USAGE, "--min-life");
	s = cli_open_ledger(c, OPEN_LEDGER_WRITE);
	if (s == STATUS_OK)
		s = handout_token(c->opened, c->ledger, &request, &bytes,
				  &c->why);
	if (s == STATUS_OK)
		s = cli_print_secret(c, bytes);
	secret_free(bytes);
	harden_scrub_stack();
	return s;
}
