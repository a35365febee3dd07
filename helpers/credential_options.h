/* SPDX-License-Identifier: PostgreSQL */
/* What the command line says. */
#ifndef KEYTURN_CREDENTIAL_OPTIONS_H
#define KEYTURN_CREDENTIAL_OPTIONS_H

#include <stdint.h>

#include "helpers/credential_key.h"

#define CREDENTIAL_CODES 256 /* exit codes of a command */

enum credential_command {
	CREDENTIAL_COMMAND_NONE,
	CREDENTIAL_GET,
	CREDENTIAL_EXEC,
	CREDENTIAL_LIST,
	CREDENTIAL_WATCH,
	CREDENTIAL_VERSION,
	CREDENTIAL_STORE,
	CREDENTIAL_ERASE,
	CREDENTIAL_HELP,
	CREDENTIAL_OWN_VERSION, /* --version: says nothing of the agent */
	CREDENTIAL_IGNORE,	/* git's rule for an unknown operation */
};

enum credential_form {
#define CREDENTIAL_FORM(id, name, help) CREDENTIAL_FORM_##id,
#include "helpers/credential.def"
	CREDENTIAL_FORM_COUNT
};

struct credential_options {
	enum credential_command command;
	enum credential_form form;
	struct credential_key key;
	const char *socket;
	unsigned timeout_ms;
	unsigned wait_ms;
	int64_t min_life_ms;  /* 0: not said */
	char not_version[37]; /* "": any */
	bool refresh;
	bool bare;  /* -z: nothing behind the last byte */
	bool asked; /* the request is on standard input */
	bool retry;
	bool retry_on[CREDENTIAL_CODES];
	char **argv;	  /* exec: the command; else further arguments */
	const char *word; /* the operation as it was written */
};

/*
 * argv as main() got it; argv[0] may be the name of a protocol.  `socket` is
 * what the environment says, or NULL.  Strings point into argv.  After a failure
 * only ret->form is set.
 */
enum credential_exit credential_options_parse(int argc, char **argv,
					      const char *socket,
					      struct credential_options *ret,
					      struct reason *why);

/* The help text to standard output. */
enum credential_exit credential_options_help(struct reason *why);

#endif
