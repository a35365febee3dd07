/* SPDX-License-Identifier: PostgreSQL */
/*
 * Entry of keyturn-credential: harden, parse, ask, say why it failed.  Must
 * never write a secret anywhere but to standard output.
 */
#include "helpers/credential_exec.h"
#include "helpers/credential_list.h"
#include "helpers/credential_protocol.h"
#include "helpers/credential_show.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/log.h"
#include "config.h"

static enum credential_exit get_secret(struct credential_agent *a,
				       const struct credential_options *o,
				       struct reason *why)
{
	struct credential_answer answer = { 0 };
	enum credential_exit e;

	if (o->asked)
		return credential_protocol(a, o, why);
	e = credential_ask_secret(a, o, &o->key, &answer, why);
	if (e == CREDENTIAL_OK)
		e = credential_show(&answer, o, NULL, why);
	credential_ask_forget(&answer);
	return e;
}

static int run_command(struct credential_agent *a,
		       const struct credential_options *o,
		       const struct credential_before *before,
		       struct reason *why)
{
	/* A reader that goes away is an error to report, not a death; what is
	 * executed has its own view. */
	if (o->command != CREDENTIAL_EXEC)
		signal(SIGPIPE, SIG_IGN);
	switch (o->command) {
	case CREDENTIAL_GET:
		return get_secret(a, o, why);
	case CREDENTIAL_EXEC:
		return credential_exec(a, o, before, why);
	case CREDENTIAL_LIST:
		return credential_list(a, o, why);
	case CREDENTIAL_WATCH:
		return credential_list_watch(a, o, why);
	case CREDENTIAL_STORE:
	case CREDENTIAL_ERASE:
		return credential_protocol(a, o, why);
	case CREDENTIAL_VERSION:
		return credential_list_version(a, why);
	default:
		return CREDENTIAL_OK;
	}
}

/* What needs no agent. */
static bool is_alone(const struct credential_options *o,
		     enum credential_exit *ret_exit, struct reason *why)
{
	const char *line = CREDENTIAL_PROGRAM " " PACKAGE_VERSION "\n";

	if (o->form == CREDENTIAL_FORM_DOCKER &&
	    o->command == CREDENTIAL_VERSION)
		line = "docker-credential-keyturn (keyturn) " PACKAGE_VERSION
		       "\n";
	switch (o->command) {
	case CREDENTIAL_HELP:
		*ret_exit = credential_options_help(why);
		return true;
	case CREDENTIAL_IGNORE:
		*ret_exit = CREDENTIAL_OK;
		return true;
	case CREDENTIAL_OWN_VERSION:
		*ret_exit = credential_show_text(line, why);
		return true;
	case CREDENTIAL_VERSION:
		*ret_exit = credential_show_text(line, why);
		return *ret_exit != CREDENTIAL_OK ||
		       o->form == CREDENTIAL_FORM_DOCKER;
	default:
		return false;
	}
}

/* docker reads the error from standard output, and knows one exit code. */
static int docker_error(struct reason *why)
{
	struct reason ignored;

	credential_show_text(why->text, &ignored);
	credential_show_text("\n", &ignored);
	reason_clear(why);
	return CREDENTIAL_ERROR;
}

int main(int argc, char **argv)
{
	/* harden_before_exec() would put /dev/null there, where a password would be
	 * written "successfully". */
	bool silent = fcntl(STDOUT_FILENO, F_GETFD) < 0;
	struct credential_before *before = credential_exec_before();
	struct credential_agent agent = { 0 };
	struct credential_options o = { 0 };
	enum credential_exit done;
	struct reason why = { "" };
	int e = CREDENTIAL_ERROR;

	log_set_program(CREDENTIAL_PROGRAM);
	secret_short_lived();
	if (before == NULL)
		reason_set(&why, STATUS_NO_MEMORY, "no memory");
	else if (harden_before_exec(&why) == STATUS_OK)
		e = credential_options_parse(
			argc, argv, getenv("KEYTURN_SOCKET"), &o, &why);
	if (e == CREDENTIAL_OK && silent && o.command != CREDENTIAL_EXEC) {
		reason_set(&why, STATUS_ERROR, "standard output is closed");
		e = CREDENTIAL_ERROR;
	}
	if (e == CREDENTIAL_OK && is_alone(&o, &done, &why))
		e = done;
	else if (e == CREDENTIAL_OK) {
		e = credential_ask_open(&agent, &o, &why);
		if (e == CREDENTIAL_OK)
			e = run_command(&agent, &o, before, &why);
		credential_ask_close(&agent);
	}
	if (e != CREDENTIAL_OK && o.form == CREDENTIAL_FORM_DOCKER)
		e = docker_error(&why);
	if (e != CREDENTIAL_OK && why.text[0])
		log_line(LOG_LEVEL_ERROR, "%s", why.text);
	free(before);
	return e;
}
