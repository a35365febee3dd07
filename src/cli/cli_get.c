/* SPDX-License-Identifier: PostgreSQL */
/* get: one secret for an operator; prints only what the hand-out gave, which
 * is in the audit by then. */
#include <stdio.h>
#include <unistd.h>

#include "assembly/handout.h"
#include "base/harden.h"
#include "base/secret.h"
#include "cli/cli.h"

static enum status print_secret(struct cli *c, const struct secret *bytes)
{
	const char *p = secret_bytes(bytes);
	size_t n = secret_len(bytes);

	if (fflush(stdout) != 0 ||
	    secret_write_fd(bytes, STDOUT_FILENO) != STATUS_OK)
		return reason_set(&c->why, STATUS_ERROR,
				  "cannot write to standard output");
	/* A newline for a person's eye only: `$(...)` and pipes get the bytes. */
	if (isatty(STDOUT_FILENO) && n && p[n - 1] != '\n' &&
	    write(STDOUT_FILENO, "\n", 1) != 1)
		return STATUS_ERROR;
	return STATUS_OK;
}

enum status cli_get(struct cli *c)
{
	const struct config_group *role = NULL;
	struct secret *bytes = NULL;
	enum status s;

	if (c->n_args != 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "get takes one role name");
	s = cli_open_ledger(c, BACKENDS_LEDGER_WRITE);
	if (s == STATUS_OK)
		s = backends_role(c->backends, c->args[0], &role, &c->why);
	if (s == STATUS_OK)
		s = handout_get(c->backends, c->ledger, role, c->o.label,
				c->o.json ? "json" : c->o.format, c->actor,
				&bytes, &c->why);
	if (s == STATUS_OK)
		s = print_secret(c, bytes);
	secret_free(bytes);
	harden_scrub_stack();
	return s;
}
