/* SPDX-License-Identifier: PostgreSQL */
/* Options, help and what all commands share. */
#include "cli/cli.h"

#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/duration.h"
#include "base/log.h"
#include "base/now.h"
#include "jobs/check_settings.h"

static const struct {
	const char *name, *arguments, *help;
} commands[] = {
#define COMMAND(name, arguments, help) { #name, arguments, help },
#include "cli/commands.def"
};

struct option_row {
	const char *command, *name, *argument, *help;
	size_t member;
};

static const struct option_row options[] = {
#define OPTION(command, name, argument, help) \
	{ #command, #name, argument, help, offsetof(struct cli_options, name) },
#include "cli/commands.def"
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))
#define N_OPTIONS  (sizeof(options) / sizeof(options[0]))
#define NAME_SIZE  32
#define HOOKS_US   (60 * NOW_SECOND)

/* "dry_run" is spelled "--dry-run". */
static void spell(const char *name, char *ret)
{
	size_t i;

	for (i = 0; name[i] && i < NAME_SIZE - 1; i++)
		ret[i] = name[i] == '_' ? '-' : name[i];
	ret[i] = '\0';
}

static bool takes_option(enum cli_command command, size_t option)
{
	const char *of = options[option].command;

	return strcmp(of, "all") == 0 ||
	       (command < CLI_COMMAND_COUNT &&
		strcmp(of, commands[command].name) == 0);
}

static void help_options(const char *of, struct text *t)
{
	char name[NAME_SIZE], left[80];

	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (strcmp(options[i].command, of) != 0)
			continue;
		spell(options[i].name, name);
		snprintf(left, sizeof(left), "--%s%s%s", name,
			 *options[i].argument ? " " : "", options[i].argument);
		text_printf(t, "  %-20s %s\n", left, options[i].help);
	}
}

void cli_help(enum cli_command command, struct text *t)
{
	if (command < CLI_COMMAND_COUNT) {
		text_printf(t, "usage: keyturn %s [OPTION...] %s\n\n%s\n\n",
			    commands[command].name, commands[command].arguments,
			    commands[command].help);
		help_options(commands[command].name, t);
		help_options("all", t);
		return;
	}
	text_add(t, "usage: keyturn COMMAND [OPTION...]\n\n"
		    "Rotates the passwords of PostgreSQL roles and hands them "
		    "out.\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		text_printf(t, "  %-8s %-16s %s\n", commands[i].name,
			    commands[i].arguments, commands[i].help);
	text_add(t, "\nOptions of all commands:\n");
	help_options("all", t);
	text_add(t, "\nkeyturn COMMAND --help explains one; keyturn(1) and "
		    "keyturn.conf(5) all.\n");
}

/* The members of struct cli_options are named as the options are. */
static void set_option(struct cli_options *o, const struct option_row *option,
		       const char *value)
{
	void *member = (char *)o + option->member;

	if (!*option->argument)
		*(bool *)member = true;
	else if (strcmp(option->name, "to") == 0) {
		if (o->n_to <= CLI_RECIPIENTS_MAX)
			o->to[o->n_to++] = value;
	} else if (strcmp(option->name, "grant") != 0)
		*(const char **)member = value;
	else if (o->n_grants <= CLUSTER_GRANTS_MAX)
		/* One too many is kept, for whoever refuses it. */
		o->grant[o->n_grants++] = value;
}

/* The options a command takes, for getopt; flag is the index + 1000. */
static void long_options(enum cli_command command, struct option *ret,
			 char (*names)[NAME_SIZE])
{
	size_t n = 0;

	for (size_t i = 0; i < N_OPTIONS; i++) {
		if (!takes_option(command, i))
			continue;
		spell(options[i].name, names[i]);
		ret[n++] = (struct option){
			.name = names[i],
			.has_arg = *options[i].argument ? required_argument :
							  no_argument,
			.val = 1000 + (int)i,
		};
	}
	ret[n] = (struct option){ .name = NULL };
}

/* No beginning of --emergency, or of any other switch, stands for it. */
static bool is_spelled_out(const char *word, const struct option_row *option)
{
	char name[NAME_SIZE];

	spell(option->name, name);
	return *option->argument || strcmp(word + 2, name) == 0;
}

static enum status parse_options(struct cli *c, int argc, char **argv,
				 bool stop_at_word)
{
	static struct option longs[N_OPTIONS + 1];
	static char names[N_OPTIONS][NAME_SIZE];
	int got;

	long_options(c->command, longs, names);
	opterr = 0;
	while ((got = getopt_long(argc, argv, stop_at_word ? "+:h" : ":h",
				  longs, NULL)) != -1) {
		if (got == 'h')
			c->o.help = true;
		else if (got == ':')
			return reason_set(&c->why, STATUS_USAGE,
					  "option %s needs an argument",
					  argv[optind - 1]);
		else if (got < 1000)
			return reason_set(
				&c->why, STATUS_USAGE,
				"unknown option %s for this command; see "
				"keyturn %s--help",
				argv[optind - 1],
				c->command < CLI_COMMAND_COUNT ? "COMMAND " :
								 "");
		else if (!is_spelled_out(argv[optind - 1],
					 &options[got - 1000]))
			return reason_set(&c->why, STATUS_USAGE,
					  "option %s is not spelled out; see "
					  "keyturn COMMAND --help",
					  argv[optind - 1]);
		else
			set_option(&c->o, &options[got - 1000], optarg);
	}
	return STATUS_OK;
}

enum status cli_parse(struct cli *c, int argc, char **argv)
{
	const char *word;
	enum status s;

	c->command = CLI_COMMAND_COUNT;
	c->o = (struct cli_options){ .config = CONFIG_DEFAULT_PATH,
				     .label = "current" };
	for (size_t i = 0; i < N_OPTIONS; i++) {
		void *member = (char *)&c->o + options[i].member;

		if (*options[i].argument && !*(const char **)member)
			*(const char **)member = "";
	}
	optind = 0; /* start over, GNU style */
	s = parse_options(c, argc, argv, true);
	if (s != STATUS_OK || ((c->o.help || c->o.version) && optind >= argc))
		return s;
	if (optind >= argc)
		return reason_set(&c->why, STATUS_USAGE,
				  "a command is missing; see keyturn --help");
	word = argv[optind];
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(word, commands[i].name) == 0)
			c->command = (enum cli_command)i;
	if (c->command == CLI_COMMAND_COUNT)
		return reason_set(&c->why, STATUS_USAGE,
				  "there is no command %s; see keyturn --help",
				  word);
	argv += optind;
	argc -= optind;
	if (c->command == CLI_notice)
		c->o.format = "text";
	optind = 0; /* start over, GNU style */
	s = parse_options(c, argc, argv, false);
	if (s != STATUS_OK)
		return s;
	c->args = argv + optind;
	c->n_args = (size_t)(argc - optind);
	return STATUS_OK;
}

static void who_acts(char *ret, size_t size)
{
	const char *sudo = getenv("SUDO_USER");
	struct passwd *pw = getpwuid(getuid());

	snprintf(ret, size, "uid %u (%s)%s%.32s", (unsigned)getuid(),
		 pw ? pw->pw_name : "?", sudo ? " for " : "", sudo ? sudo : "");
}

enum status cli_open_config(struct cli *c)
{
	who_acts(c->actor, sizeof(c->actor));
	return config_load(c->o.config, &c->config, &c->why);
}

enum status cli_open_ledger(struct cli *c, enum open_ledger mode)
{
	bool lost = false;
	enum status s = STATUS_OK;

	if (!c->config)
		s = cli_open_config(c);
	if (s == STATUS_OK && !c->opened)
		s = open_new(c->config, &c->opened, &c->why);
	if (s == STATUS_OK)
		open_wait_once(c->opened);
	if (s == STATUS_OK)
		s = open_ledger(c->opened, mode, &c->ledger, &lost, &c->why);
	/* Also with --quiet: what was frozen is forgotten. */
	if (s == STATUS_OK && lost)
		fprintf(stderr,
			"keyturn: the ledger file was missing; a new one was "
			"created. The history is lost; passwords are not "
			"affected. What was frozen is not known any more\n");
	return s;
}

enum status cli_open_workshop(struct cli *c)
{
	enum status s = STATUS_OK;

	if (c->engine)
		return s;
	s = open_engine_new(c->opened, c->ledger, c->actor, &c->engine,
			    &c->why);
	if (s == STATUS_OK)
		s = check_settings(c->engine, &c->why);
	return s;
}

/* keyturnd's journal is the place for what is still tried; a person at the
 * terminal is told what concerns this command. */
static void tell_of_hook(void *arg, const char *hook, bool bad,
			 const char *sentence)
{
	const struct cli *c = arg;

	if (bad || !c->o.quiet)
		log_line(bad ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, "hook %s: %s",
			 hook, sentence);
}

enum status cli_begin_hooks(struct cli *c)
{
	return hook_dispatch_start(c->config, c->ledger, tell_of_hook, c,
				   &c->dispatch, &c->why);
}

void cli_end_hooks(struct cli *c)
{
	hook_dispatch_drain(c->dispatch, HOOKS_US);
	hook_dispatch_free(c->dispatch);
	c->dispatch = NULL;
}

static bool is_among(const struct config_group *const *roles, size_t n,
		     const struct config_group *role)
{
	while (n > 0)
		if (roles[--n] == role)
			return true;
	return false;
}

enum status cli_roles(struct cli *c, const struct config_group ***ret_roles,
		      size_t *ret_n)
{
	size_t n = c->n_args ? c->n_args :
			       config_count(c->config, CONFIG_SECTION_role);
	const struct config_group **roles = calloc(n + 1, sizeof(*roles));
	size_t named = 0;
	enum status s;

	if (!roles)
		return reason_no_memory(&c->why);
	for (size_t i = 0; i < n; i++) {
		if (!c->n_args) {
			roles[i] = config_at(c->config, CONFIG_SECTION_role, i);
			continue;
		}
		s = open_role(c->opened, c->args[i], &roles[named], &c->why);
		if (s != STATUS_OK) {
			free(roles);
			return s;
		}
		if (!is_among(roles, named, roles[named]))
			named++;
	}
	*ret_roles = roles;
	*ret_n = c->n_args ? named : n;
	return STATUS_OK;
}

enum status cli_print(struct cli *c, const struct text *t)
{
	if (text_status(t) != STATUS_OK)
		return reason_set(&c->why, text_status(t),
				  "the output is too large");
	if (fwrite(text_str(t), 1, t->len, stdout) != t->len ||
	    fflush(stdout) != 0)
		return reason_set(&c->why, STATUS_ERROR,
				  "cannot write to standard output: %s",
				  strerror(errno));
	return STATUS_OK;
}

enum status cli_print_secret(struct cli *c, const struct secret *bytes)
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

enum status cli_since(struct cli *c, int64_t *ret)
{
	int64_t ago;

	*ret = 0;
	if (!*c->o.since)
		return STATUS_OK;
	if (now_parse(c->o.since, ret) == 0)
		return STATUS_OK;
	if (duration_parse(c->o.since, &ago, NULL) == STATUS_OK) {
		*ret = now_wall(now_system()) - ago;
		return STATUS_OK;
	}
	return reason_set(&c->why, STATUS_USAGE,
			  "--since takes a time (2026-11-21T03:00:00Z) or a "
			  "duration (7d), not \"%s\"",
			  c->o.since);
}

enum status cli_until(struct cli *c, bool *ret_date, int64_t *ret_us)
{
	int64_t from_now;

	*ret_date = false;
	if (duration_parse(c->o.until, &from_now, NULL) == STATUS_OK) {
		*ret_us = now_wall(now_system()) + from_now;
		return STATUS_OK;
	}
	if (open_engine_calendar_time(open_engine_calendar(c->engine),
				      c->o.until, ret_date, ret_us,
				      &c->why) == STATUS_OK)
		return STATUS_OK;
	return reason_wrap(&c->why, STATUS_USAGE, "--until");
}
