/* SPDX-License-Identifier: PostgreSQL */
/* Entry of `keyturn`: harden, parse, run one command, say why it failed. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/log.h"
#include "cli/cli.h"
#include "config.h"

static enum status run(struct cli *c)
{
	switch (c->command) {
	case CLI_init:
		return cli_init(c);
	case CLI_check:
		return cli_check(c);
	case CLI_rotate:
	case CLI_import:
	case CLI_recover:
	case CLI_retire:
	case CLI_rollback:
		return cli_rotate(c);
	case CLI_status:
		return cli_status(c);
	case CLI_history:
		return cli_history(c);
	case CLI_report:
		return cli_report(c);
	case CLI_get:
		return cli_get(c);
	case CLI_refresh:
		return cli_refresh(c);
	case CLI_token:
		return cli_token(c);
	case CLI_cluster:
		return cli_cluster(c);
	case CLI_role:
		return cli_role(c);
	case CLI_freeze:
	case CLI_thaw:
		return cli_freeze(c);
	case CLI_audit:
		return cli_audit(c);
	case CLI_config:
		return cli_config(c);
	case CLI_COMMAND_COUNT:
		break;
	}
	return STATUS_USAGE;
}

/* Is what it prints all that a command does?  Its output would be lost. */
static bool only_prints(const struct cli *c)
{
	switch (c->command) {
	case CLI_check:
	case CLI_status:
	case CLI_history:
	case CLI_report:
	case CLI_get:
	case CLI_token:
	case CLI_cluster:
	case CLI_audit:
	case CLI_config:
		return true;
	default:
		return c->o.help;
	}
}

int main(int argc, char **argv)
{
	struct text help = text_make(16384);
	/* harden_process() puts /dev/null there, which takes everything. */
	bool silent = fcntl(STDOUT_FILENO, F_GETFD) < 0;
	struct cli c = { 0 };
	enum status s;

	log_set_program("keyturn");
	s = harden_process(&c.why);
	if (s == STATUS_OK)
		s = cli_parse(&c, argc, argv);
	if (s == STATUS_OK && silent && only_prints(&c))
		s = reason_set(&c.why, STATUS_ERROR,
			       "standard output is closed; send it to a file, "
			       "or to /dev/null");
	if (s == STATUS_OK && c.o.help) {
		cli_help(c.command, &help);
		s = cli_print(&c, &help);
	} else if (s == STATUS_OK && c.o.version) {
		text_add(&help, "keyturn " PACKAGE_VERSION "\n");
		s = cli_print(&c, &help);
	} else if (s == STATUS_OK)
		s = run(&c);
	if (s != STATUS_OK && c.why.text[0])
		log_line(LOG_LEVEL_ERROR, "%s", c.why.text);
	open_engine_free(c.engine);
	open_free(c.opened);
	config_free(c.config);
	text_free(&help);
	harden_scrub_stack(); /* what a store's description left below us */
	return status_exit(s);
}
