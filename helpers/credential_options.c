/* SPDX-License-Identifier: PostgreSQL */
/*
 * The command line, whose first word may be the name of a protocol; must never
 * take a secret from it.
 */
#include "helpers/credential_options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/duration.h"
#include "base/encode.h"
#include "base/text.h"
#include "helpers/credential_show.h"

#define DEFAULT_TIMEOUT_MS 10000
#define DEFAULT_WAIT_MS	   5000	  /* of exec --retry */
#define WAIT_MAX_MS	   600000 /* WIRE_TAG_WAIT_MS */
#define HELP_MAX	   8192

enum option_id {
#define CREDENTIAL_OPTION(id, name, letter, arg, help) OPTION_##id,
#include "helpers/credential.def"
	OPTION_COUNT
};

static const struct {
	const char *name;
	char letter;
	const char *argument, *help;
} options[] = {
#define CREDENTIAL_OPTION(id, name, letter, arg, help) \
	{ name, letter, arg, help },
#include "helpers/credential.def"
};

static const struct {
	enum credential_command id;
	const char *name, *arguments, *help;
} commands[] = {
#define CREDENTIAL_COMMAND(id, name, args, help) \
	{ CREDENTIAL_##id, name, args, help },
#include "helpers/credential.def"
};

static const struct {
	const char *name, *help;
} forms[] = {
#define CREDENTIAL_FORM(id, name, help) { name, help },
#include "helpers/credential.def"
};

/* Programs that have a protocol's name. */
static const struct {
	const char *program;
	enum credential_form form;
} programs[] = {
	{ "git-credential-keyturn", CREDENTIAL_FORM_GIT },
	{ "docker-credential-keyturn", CREDENTIAL_FORM_DOCKER },
	{ "keyturn-summon", CREDENTIAL_FORM_SUMMON },
	{ "keyturn-bazel", CREDENTIAL_FORM_BAZEL },
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))
#define N_PROGRAMS (sizeof(programs) / sizeof(programs[0]))

static enum credential_exit refuse_usage(struct reason *why, const char *fault,
					 const char *word)
{
	return CREDENTIAL_FAIL(USAGE, why, STATUS_USAGE,
			       "%s%s%s; see " CREDENTIAL_PROGRAM " --help",
			       fault, *word ? " " : "", word);
}

static enum credential_exit parse_ms(const char *name, const char *value,
				     int64_t most, int64_t *ret_ms,
				     struct reason *why)
{
	int64_t us;

	if (duration_parse(value, &us, why) != STATUS_OK) {
		reason_wrap(why, STATUS_USAGE, "--%s", name);
		return CREDENTIAL_USAGE;
	}
	if (us / 1000 > most)
		return CREDENTIAL_FAIL(USAGE, why, STATUS_USAGE,
				       "--%s is at most %jds", name,
				       (intmax_t)(most / 1000));
	*ret_ms = us / 1000;
	return CREDENTIAL_OK;
}

static enum credential_exit parse_form(const char *value,
				       struct credential_options *o,
				       struct reason *why)
{
	for (int i = 0; i < CREDENTIAL_FORM_COUNT; i++)
		if (strcmp(value, forms[i].name) == 0) {
			o->form = (enum credential_form)i;
			return CREDENTIAL_OK;
		}
	return refuse_usage(why, "there is no format", value);
}

/* "1,2": decimal, 1 to 125; NULL: every code that a failed command of its own
 * will has. */
static enum credential_exit parse_codes(const char *value,
					struct credential_options *o,
					struct reason *why)
{
	char *end;
	long code;

	o->retry = true;
	for (code = 1; value == NULL && code <= 125; code++)
		o->retry_on[code] = true;
	while (value != NULL) {
		errno = 0;
		code = strtol(value, &end, 10);
		if (*value < '0' || *value > '9' || errno != 0 || code < 1 ||
		    code > 125 || (*end != ',' && *end != '\0'))
			return refuse_usage(why,
					    "--retry takes exit codes, as in "
					    "--retry=1,2, not",
					    value);
		o->retry_on[code] = true;
		value = *end == ',' ? end + 1 : NULL;
	}
	return CREDENTIAL_OK;
}

static enum credential_exit set_key(struct credential_options *o,
				    enum wire_tag tag, const char *value,
				    struct reason *why)
{
	if (*value == '\0')
		return refuse_usage(why, "an option's value is empty", "");
	return credential_key_set(&o->key, tag, value, strlen(value), why);
}

static enum credential_exit set_times(struct credential_options *o,
				      enum option_id id, const char *value,
				      struct reason *why)
{
	enum credential_exit e;
	int64_t ms = 0;

	e = parse_ms(options[id].name, value,
		     id == OPTION_MIN_LIFE ? (int64_t)86400 * 1000 :
					     WAIT_MAX_MS,
		     &ms, why);
	if (e != CREDENTIAL_OK)
		return e;
	if (id == OPTION_MIN_LIFE)
		o->min_life_ms = ms;
	else if (id == OPTION_WAIT)
		o->wait_ms = (unsigned)ms;
	else if (ms == 0)
		return refuse_usage(why, "--timeout may not be 0s", "");
	else
		o->timeout_ms = (unsigned)ms;
	return CREDENTIAL_OK;
}

static enum credential_exit set_option(struct credential_options *o,
				       enum option_id id, const char *value,
				       struct reason *why)
{
	switch (id) {
	case OPTION_ROLE:
		return set_key(o, WIRE_TAG_ROLE, value, why);
	case OPTION_REALM:
		return set_key(o, WIRE_TAG_REALM, value, why);
	case OPTION_USER:
		return set_key(o, WIRE_TAG_USER, value, why);
	case OPTION_HOST:
		return set_key(o, WIRE_TAG_HOST, value, why);
	case OPTION_PORT:
		return set_key(o, WIRE_TAG_PORT, value, why);
	case OPTION_DBNAME:
		return set_key(o, WIRE_TAG_DBNAME, value, why);
	case OPTION_FORMAT:
		return parse_form(value, o, why);
	case OPTION_NOT_VERSION:
		if (!encode_is_uuid(value))
			return refuse_usage(
				why,
				"--not-version takes the version of "
				"a secret (a UUID), not",
				value);
		memcpy(o->not_version, value, sizeof(o->not_version));
		return CREDENTIAL_OK;
	case OPTION_WAIT:
	case OPTION_MIN_LIFE:
	case OPTION_TIMEOUT:
		return set_times(o, id, value, why);
	case OPTION_RETRY:
		return parse_codes(value, o, why);
	case OPTION_SOCKET:
		o->socket = value;
		return CREDENTIAL_OK;
	case OPTION_BARE:
		o->bare = true;
		return CREDENTIAL_OK;
	case OPTION_REFRESH:
		o->refresh = true;
		return CREDENTIAL_OK;
	case OPTION_OWN_VERSION:
		o->command = CREDENTIAL_OWN_VERSION;
		return CREDENTIAL_OK;
	case OPTION_HELP:
		o->command = CREDENTIAL_HELP;
		return CREDENTIAL_OK;
	case OPTION_COUNT:
		break;
	}
	abort();
}

/* getopt's view of the table; a long option's value is its index + 1000. */
static void long_options(struct option *longs, char *shorts)
{
	size_t n = 0;

	shorts[n++] = '+'; /* stop at the first word: it is the command */
	shorts[n++] = ':';
	for (int i = 0; i < OPTION_COUNT; i++) {
		const char *argument = options[i].argument;

		longs[i] = (struct option){
			.name = options[i].name,
			.has_arg = *argument == '\0' ? no_argument :
				   *argument == '['  ? optional_argument :
						       required_argument,
			.val = 1000 + i,
		};
		if (options[i].letter == 0)
			continue;
		shorts[n++] = options[i].letter;
		if (*argument != '\0')
			shorts[n++] = ':';
	}
	longs[OPTION_COUNT] = (struct option){ 0 };
	shorts[n] = '\0';
}

/* Options up to the first word. */
static enum credential_exit take_options(int argc, char **argv,
					 struct credential_options *o,
					 struct reason *why)
{
	struct option longs[OPTION_COUNT + 1];
	char shorts[2 * OPTION_COUNT + 3];
	enum credential_exit e = CREDENTIAL_OK;
	int c;

	long_options(longs, shorts);
	while (e == CREDENTIAL_OK &&
	       (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		int id = c - 1000;

		if (c == ':')
			return refuse_usage(why, "a value is missing behind",
					    argv[optind - 1]);
		if (c == '?')
			return refuse_usage(why, "there is no option",
					    argv[optind - 1]);
		for (int i = 0; id < 0 && i < OPTION_COUNT; i++)
			if (options[i].letter == c)
				id = i;
		e = set_option(o, (enum option_id)id, optarg, why);
	}
	return e;
}

static enum credential_exit take_command(const char *word,
					 struct credential_options *o,
					 struct reason *why)
{
	o->word = word;
	for (size_t i = 0; i < N_COMMANDS; i++)
		if (strcmp(word, commands[i].name) == 0) {
			o->command = commands[i].id;
			return CREDENTIAL_OK;
		}
	/* git may learn operations that we do not know: gitcredentials(7). */
	if (o->form == CREDENTIAL_FORM_GIT) {
		o->command = CREDENTIAL_IGNORE;
		return CREDENTIAL_OK;
	}
	if (o->form == CREDENTIAL_FORM_DOCKER)
		return CREDENTIAL_FAIL(
			USAGE, why, STATUS_USAGE,
			"docker-credential-keyturn: unknown action: %s", word);
	return refuse_usage(why, "there is no command", word);
}

static bool is_protocol(enum credential_form form)
{
	return form == CREDENTIAL_FORM_GIT || form == CREDENTIAL_FORM_DOCKER ||
	       form == CREDENTIAL_FORM_BAZEL || form == CREDENTIAL_FORM_SUMMON;
}

static enum credential_exit check_get(struct credential_options *o,
				      struct reason *why)
{
	bool keyless = credential_key_is_empty(&o->key);

	o->asked = is_protocol(o->form) && keyless;
	if (o->form == CREDENTIAL_FORM_SUMMON && !keyless)
		return refuse_usage(why,
				    "format summon takes its roles as words or "
				    "on standard input",
				    "");
	if (!o->asked && !credential_key_names_a_role(&o->key))
		return refuse_usage(why,
				    "say which role: --role, or --user with "
				    "--host, --port, --dbname, --realm",
				    "");
	if (o->wait_ms > 0 && !*o->not_version)
		return refuse_usage(why, "--wait goes with --not-version", "");
	return CREDENTIAL_OK;
}

static enum credential_exit check_words(struct credential_options *o, int words,
					struct reason *why)
{
	if (o->command != CREDENTIAL_EXEC && words > 0 &&
	    o->form != CREDENTIAL_FORM_SUMMON)
		return refuse_usage(why, "this is too much:", o->argv[0]);
	if (o->retry && o->command != CREDENTIAL_EXEC)
		return refuse_usage(why, "--retry goes with exec", "");
	switch (o->command) {
	case CREDENTIAL_GET:
		return check_get(o, why);
	case CREDENTIAL_EXEC:
		if (words == 0)
			return refuse_usage(why, "exec needs a command", "");
		if (o->form != CREDENTIAL_FORM_RAW)
			return refuse_usage(why, "exec takes no --format", "");
		/* getopt's word for it, which no one expects. */
		if (strcmp(o->argv[-1], "--retry") == 0 &&
		    o->argv[0][strspn(o->argv[0], "0123456789,")] == '\0')
			return refuse_usage(why,
					    "exit codes stand behind a \"=\": "
					    "--retry=CODES, not --retry",
					    o->argv[0]);
		/* fall through */
	case CREDENTIAL_WATCH:
		if (!credential_key_names_a_role(&o->key))
			return refuse_usage(why,
					    "say which role: --role, or --user "
					    "with --host, --port, --dbname, "
					    "--realm",
					    "");
		return CREDENTIAL_OK;
	case CREDENTIAL_STORE:
	case CREDENTIAL_ERASE:
		o->asked = true;
		if (o->form != CREDENTIAL_FORM_GIT &&
		    o->form != CREDENTIAL_FORM_DOCKER)
			return refuse_usage(why,
					    "that is of the protocols git and "
					    "docker; name one with --format",
					    "");
		return CREDENTIAL_OK;
	default:
		return CREDENTIAL_OK;
	}
}

static enum credential_form form_of_program(const char *argv0)
{
	const char *slash = strrchr(argv0, '/');
	const char *name = slash != NULL ? slash + 1 : argv0;

	for (size_t i = 0; i < N_PROGRAMS; i++)
		if (strcmp(name, programs[i].program) == 0)
			return programs[i].form;
	return CREDENTIAL_FORM_RAW;
}

enum credential_exit credential_options_parse(int argc, char **argv,
					      const char *socket,
					      struct credential_options *ret,
					      struct reason *why)
{
	struct credential_options o = {
		.command = CREDENTIAL_COMMAND_NONE,
		.socket = socket != NULL && *socket ? socket :
						      WIRE_AGENT_SOCKET,
		.timeout_ms = DEFAULT_TIMEOUT_MS,
		.wait_ms = UINT_MAX,
		.word = "",
	};
	enum credential_exit e;
	bool summon;

	if (argc < 1)
		return refuse_usage(why, "there is no command", "");
	o.form = form_of_program(argv[0]);
	ret->form = o.form; /* which says where its errors go */
	summon = o.form == CREDENTIAL_FORM_SUMMON;
	opterr = 0;
	optind = 0; /* GNU: forget an earlier scan */
	/* Alone it can be no host. */
	if (argc == 2 && strcmp(argv[1], "-h") == 0)
		argv[1] = "--help";
	e = take_options(argc, argv, &o, why);
	if (e != CREDENTIAL_OK)
		return e;
	if (o.command == CREDENTIAL_COMMAND_NONE && !summon && optind < argc) {
		e = take_command(argv[optind++], &o, why);
		if (e == CREDENTIAL_OK && o.command != CREDENTIAL_IGNORE)
			e = take_options(argc, argv, &o, why);
		if (e != CREDENTIAL_OK)
			return e;
	} else if (o.command == CREDENTIAL_COMMAND_NONE && summon) {
		/* A provider has no commands. */
		o.command = CREDENTIAL_GET;
	}
	if (o.command == CREDENTIAL_COMMAND_NONE)
		return refuse_usage(why,
				    "say what to do: get, exec, list, watch or "
				    "version",
				    "");
	o.argv = argv + optind;
	if (o.wait_ms == UINT_MAX)
		o.wait_ms = o.command == CREDENTIAL_EXEC ? DEFAULT_WAIT_MS : 0;
	e = o.command == CREDENTIAL_IGNORE ?
		    CREDENTIAL_OK :
		    check_words(&o, argc - optind, why);
	if (e == CREDENTIAL_OK)
		*ret = o;
	return e;
}

enum credential_exit credential_options_help(struct reason *why)
{
	struct text t = text_make(HELP_MAX);
	enum credential_exit e;
	char left[64];

	text_add(&t, "usage: " CREDENTIAL_PROGRAM " COMMAND [OPTION...]\n\n"
		     "Asks keyturn-agent for the current password of a "
		     "PostgreSQL role.\n\n");
	for (size_t i = 0; i < N_COMMANDS; i++)
		text_printf(&t, "  %-8s %-14s %s\n", commands[i].name,
			    commands[i].arguments, commands[i].help);
	text_add(&t, "\nKEYS are --role, or --user with --host, --port, "
		     "--dbname, --realm as far as known.\n\n");
	for (int i = 0; i < OPTION_COUNT; i++) {
		char letter[8] = "";

		if (options[i].letter)
			snprintf(letter, sizeof(letter), "-%c, ",
				 options[i].letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter,
			 options[i].name,
			 *options[i].argument && *options[i].argument != '[' ?
				 " " :
				 "",
			 options[i].argument);
		text_printf(&t, "  %-22s %s\n", left, options[i].help);
	}
	text_add(&t, "\nFormats of get:\n");
	for (int i = 0; i < CREDENTIAL_FORM_COUNT; i++)
		text_printf(&t, "  %-10s %s\n", forms[i].name, forms[i].help);
	text_add(&t, "\nExit codes: 0 ok, 1 error, 2 usage, 3 not found, "
		     "4 denied, 5 unavailable, 6 timeout.\n"
		     "TIME is a number and s, m, h, d or w: 5s.\n");
	if (text_status(&t) != STATUS_OK) {
		reason_set(why, STATUS_NO_MEMORY, "no memory for the help");
		e = CREDENTIAL_ERROR;
	} else
		e = credential_show_text(text_str(&t), why);
	text_free(&t);
	return e;
}
