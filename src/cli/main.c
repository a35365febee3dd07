/* SPDX-License-Identifier: PostgreSQL */
/* Entry of `keyturn`: harden, parse, run one command, say why it failed. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/log.h"
#include "cli/cli.h"
#include "config.h"

static const struct {
	enum status (*run)(struct cli *c);
	bool prints; /* that is all it does: its output would be lost */
} commands[CLI_COMMAND_COUNT] = {
	[CLI_init] = { cli_init, false },
	[CLI_check] = { cli_check, true },
	[CLI_rotate] = { cli_rotate, false },
	[CLI_import] = { cli_rotate, false },
	[CLI_recover] = { cli_rotate, false },
	[CLI_retire] = { cli_rotate, false },
	[CLI_rollback] = { cli_rotate, false },
	[CLI_status] = { cli_status, true },
	[CLI_notice] = { cli_notice, true },
	[CLI_postpone] = { cli_postpone, false },
	[CLI_history] = { cli_history, true },
	[CLI_report] = { cli_report, true },
	[CLI_adoption] = { cli_adoption, false },
	[CLI_get] = { cli_get, true },
	[CLI_handoff] = { cli_handoff, true },
	[CLI_refresh] = { cli_refresh, false },
	[CLI_token] = { cli_token, true },
	[CLI_cluster] = { cli_cluster, true },
	[CLI_role] = { cli_role, false },
	[CLI_freeze] = { cli_freeze, false },
	[CLI_thaw] = { cli_freeze, false },
	[CLI_audit] = { cli_audit, true },
	[CLI_config] = { cli_config, true },
};

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
	if (s == STATUS_OK && silent &&
	    (c.o.help ||
	     (c.command < CLI_COMMAND_COUNT && commands[c.command].prints)))
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
		s = commands[c.command].run(&c);
	if (s != STATUS_OK && c.why.text[0])
		log_line(LOG_LEVEL_ERROR, "%s", c.why.text);
	open_engine_free(c.engine);
	open_free(c.opened);
	config_free(c.config);
	text_free(&help);
	harden_scrub_stack(); /* what a store's description left below us */
	return status_exit(s);
}
