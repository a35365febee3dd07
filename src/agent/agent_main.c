/* SPDX-License-Identifier: PostgreSQL */
/* Entry of keyturn-agent: harden, read the options, serve. */
#include <getopt.h>
#include <stdio.h>

#include "agent/agent.h"
#include "base/harden.h"
#include "base/log.h"
#include "config.h"

static const char usage[] =
	"usage: keyturn-agent [--config FILE] [--check | --init]\n"
	"\n"
	"Hands current secrets to the local users that the configuration "
	"names.\n"
	"\n"
	"  --config FILE  instead of " AGENT_CONFIG_PATH "\n"
	"  --check        only look whether the configuration is good\n"
	"  --init         make the key that signs the agent's audit\n"
	"  --version      print the version\n"
	"  --help, -h     print this\n";

struct options {
	const char *config;
	bool check, init, version, help;
};

static enum status parse_options(int argc, char **argv, struct options *o,
				 struct reason *why)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "check", no_argument, NULL, 'k' },
		{ "init", no_argument, NULL, 'i' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int got;

	*o = (struct options){ .config = AGENT_CONFIG_PATH };
	opterr = 0;
	while ((got = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (got == 'c')
			o->config = optarg;
		else if (got == 'k')
			o->check = true;
		else if (got == 'i')
			o->init = true;
		else if (got == 'V')
			o->version = true;
		else if (got == 'h')
			o->help = true;
		else
			return reason_set(why, STATUS_USAGE,
					  "option %s is not known or lacks "
					  "its argument; see keyturn-agent "
					  "--help",
					  argv[optind - 1]);
	}
	if (optind < argc || (o->check && o->init))
		return reason_set(why, STATUS_USAGE,
				  "see keyturn-agent --help");
	return STATUS_OK;
}

static enum status run_agent(const char *config, struct reason *why)
{
	struct agent *a = NULL;
	enum status s = agent_new(config, &a, why);

	if (s == STATUS_OK)
		s = agent_run(a, why);
	agent_free(a);
	return s;
}

int main(int argc, char **argv)
{
	struct reason why = { "" };
	struct options o;
	enum status s;

	log_set_program("keyturn-agent");
	s = harden_process(&why);
	if (s == STATUS_OK)
		s = parse_options(argc, argv, &o, &why);
	if (s == STATUS_OK) {
		if (o.help)
			fputs(usage, stdout);
		else if (o.version)
			puts("keyturn-agent " PACKAGE_VERSION);
		else if (o.check)
			s = agent_config_check(o.config, &why);
		else if (o.init)
			s = agent_config_init(o.config, &why);
		else
			s = run_agent(o.config, &why);
	}
	if (s == STATUS_OK && fflush(stdout) != 0)
		s = STATUS_ERROR;
	if (s != STATUS_OK && why.text[0])
		log_line(LOG_LEVEL_ERROR, "%s", why.text);
	return status_exit(s);
}
