/* SPDX-License-Identifier: PostgreSQL */
/* Entry of `keyturnd`: harden, parse, run. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/log.h"
#include "config.h"
#include "config/config.h"
#include "daemon/daemon.h"

static const char usage[] =
	"usage: keyturnd [--config FILE]\n\n"
	"Rotates the passwords of PostgreSQL roles when they are due; see "
	"keyturnd(8).\n\n"
	"  --config FILE  Read FILE instead of " CONFIG_DEFAULT_PATH ".\n"
	"  --version      Print the version.\n"
	"  --help, -h     Explain it.\n";

static const struct option options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	const char *config = CONFIG_DEFAULT_PATH;
	struct reason why;
	enum status s;
	int got;

	log_set_program("keyturnd");
	reason_clear(&why);
	s = harden_process(&why);
	if (s != STATUS_OK) {
		log_line(LOG_LEVEL_ERROR, "%s", why.text);
		return status_exit(s);
	}
	while ((got = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
		if (got == 'c') {
			config = optarg;
		} else if (got == 'h') {
			fputs(usage, stdout);
			return EXIT_SUCCESS;
		} else if (got == 'V') {
			puts("keyturnd " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		} else {
			return status_exit(STATUS_USAGE);
		}
	}
	if (optind < argc) {
		log_line(LOG_LEVEL_ERROR,
			 "%s: keyturnd takes no arguments; see keyturnd --help",
			 argv[optind]);
		return status_exit(STATUS_USAGE);
	}
	s = daemon_run(config, &why);
	if (s != STATUS_OK && why.text[0])
		log_line(LOG_LEVEL_ERROR, "%s", why.text);
	/* Threads still work with what would be released. */
	if (s == STATUS_UNKNOWN || s == STATUS_TIMEOUT)
		_exit(s == STATUS_UNKNOWN ? status_exit(s) : EXIT_SUCCESS);
	return status_exit(s);
}
