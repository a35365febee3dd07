/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of keyturn-credential share.  The program asks the agent and
 * prints one form; it links the C library and nothing else.
 *
 * Every function that may fail returns the exit code that the program then has,
 * and fills `why`.
 */
#ifndef KEYTURN_CREDENTIAL_H
#define KEYTURN_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/reason.h"
#include "base/secret.h"
#include "base/text.h"
#include "wire/wire.h"

#define CREDENTIAL_PROGRAM   "keyturn-credential"
#define CREDENTIAL_INPUT_MAX 65536 /* of a protocol's request */
#define CREDENTIAL_CODES     256   /* exit codes of a command */
#define CREDENTIAL_URI_SIZE  2048  /* of any key, percent-encoded */

enum credential_exit {
	CREDENTIAL_OK = 0,
	CREDENTIAL_ERROR = 1,
	CREDENTIAL_USAGE = 2,
	CREDENTIAL_NOT_FOUND = 3,
	CREDENTIAL_DENIED = 4,
	CREDENTIAL_UNAVAILABLE = 5,
	CREDENTIAL_TIMEOUT = 6,
	/* As shells say it, for `exec`. */
	CREDENTIAL_CANNOT_RUN = 126,
	CREDENTIAL_NO_COMMAND = 127,
};

/* ---- credential_key.c: which role is meant -------------------------------- */

/* "" is "not said". */
struct credential_key {
	char role[128];
	char realm[41];
	char user[256];
	char host[256];
	char port[6];
	char dbname[64];
};

/*
 * Set one of them (its wire tag: ROLE, REALM, USER, HOST, PORT, DBNAME) to n
 * bytes of somebody's input.  CREDENTIAL_USAGE when it is too long, holds a
 * control character or is not UTF-8, or when a port is no number.
 */
enum credential_exit credential_key_set(struct credential_key *k,
					enum wire_tag tag, const char *value,
					size_t n, struct reason *why);

/* HOST, HOST:PORT or [IPv6]:PORT into host and port. */
enum credential_exit credential_key_address(struct credential_key *k,
					    const char *value, size_t n,
					    struct reason *why);

bool credential_key_is_empty(const struct credential_key *k);

/* By its name or by its user: less is not enough for the agent. */
bool credential_key_names_a_role(const struct credential_key *k);

/* For messages: `role "sap"`, or `user "sap" on db:5432`.  ret of 128 bytes at
 * least. */
void credential_key_name(const struct credential_key *k, char *ret, size_t n);

/*
 * postgresql://[user@]host[:port][/dbname][?...]; CREDENTIAL_NOT_FOUND for
 * another scheme, CREDENTIAL_USAGE for what is no such URI.  A password in it
 * is refused.
 */
enum credential_exit credential_key_uri(struct credential_key *k,
					const char *uri, size_t n,
					struct reason *why);

void credential_key_to_uri(const struct credential_key *k,
			   char ret[CREDENTIAL_URI_SIZE]);

/* ---- credential_options.c ------------------------------------------------- */

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
#define CREDENTIAL_COMMAND(id, name, args, help)
#define CREDENTIAL_OPTION(id, name, letter, arg, help)
#include "helpers/credential.def"
#undef CREDENTIAL_FORM
#undef CREDENTIAL_COMMAND
#undef CREDENTIAL_OPTION
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

/* ---- credential_ask.c: one question to the agent -------------------------- */

struct credential_agent {
	const char *socket;
	unsigned timeout_ms;
	struct secret *reply; /* what came last */
};

/* credential_ask_close() is always allowed behind it. */
enum credential_exit credential_ask_open(struct credential_agent *a,
					 const struct credential_options *o,
					 struct reason *why);
void credential_ask_close(struct credential_agent *a);

struct credential_question {
	unsigned operation;
	const struct credential_key *key;
	const char *version;	 /* FEEDBACK, or NULL */
	const char *not_version; /* or NULL */
	unsigned wait_ms;
	int64_t min_life_ms;
};

struct credential_answer {
	struct credential_key key; /* as the agent has it */
	char sslmode[17];
	char version[37];
	char server[64];
	int64_t rotated_at, expires_at; /* microseconds; 0: not said */
	bool stale;			/* the store could not be asked, */
	int64_t stale_seconds;		/* for so long */
	struct secret *password;	/* GET only */
};

/*
 * Ask; what the agent says is checked against what was asked.  *ret is emptied
 * first; credential_ask_forget() it afterwards, also after a failure.
 */
enum credential_exit credential_ask(struct credential_agent *a,
				    const struct credential_question *q,
				    struct credential_answer *ret,
				    struct reason *why);
void credential_ask_forget(struct credential_answer *a);

/* --refresh first when it was given, then GET, as the options say. */
enum credential_exit credential_ask_secret(struct credential_agent *a,
					   const struct credential_options *o,
					   const struct credential_key *key,
					   struct credential_answer *ret,
					   struct reason *why);

/* The names of all roles that we may list, one a line, into `ret`. */
enum credential_exit credential_ask_roles(struct credential_agent *a,
					  struct text *ret, struct reason *why);

/* ---- credential_show.c: one form of it on standard output ----------------- */

/*
 * `url` is what docker's and Bazel's callers asked for, else NULL; now_us the
 * wall clock.  The whole output is in *ret, with its end (newline, NUL, none).
 */
enum credential_exit credential_show_render(const struct credential_answer *a,
					    enum credential_form form,
					    bool bare, const char *url,
					    int64_t now_us, struct secret **ret,
					    struct reason *why);

/* Everything, or CREDENTIAL_ERROR: a reader that went away and a full disk are
 * failures. */
enum credential_exit credential_show_write(const struct secret *bytes,
					   struct reason *why);
enum credential_exit credential_show_text(const char *text, struct reason *why);

/* Render and write; warnings for a person go to standard error. */
enum credential_exit credential_show(const struct credential_answer *a,
				     const struct credential_options *o,
				     const char *url, struct reason *why);

/* A warning when the answer is stale. */
void credential_show_stale(const struct credential_answer *a);

/* ---- the commands ---------------------------------------------------------- */

/* What we change of ourselves and a command must have back: taken before
 * anything else is done, NULL without memory. */
struct credential_before;
struct credential_before *credential_exec_before(void);

/*
 * Become the command; returns only when that fails, or, with --retry, the
 * command's exit code when it has ended.
 */
int credential_exec(struct credential_agent *a,
		    const struct credential_options *o,
		    const struct credential_before *before, struct reason *why);

/*
 * Run `child` (which does not return) in a child process, with what a terminal
 * or a manager sends us passed on to it, and wait: its wait status.  -1: errno.
 */
int credential_run(void (*child)(void *), void *arg);

/* Were we told to end while a child ran?  SIGHUP, SIGINT, SIGQUIT, SIGTERM. */
bool credential_run_stopped(void);

/* End as the status says: with its exit code, or by its signal. */
int credential_run_exit(int status);

enum credential_exit credential_list(struct credential_agent *a,
				     const struct credential_options *o,
				     struct reason *why);
enum credential_exit credential_list_watch(struct credential_agent *a,
					   const struct credential_options *o,
					   struct reason *why);
enum credential_exit credential_list_version(struct credential_agent *a,
					     struct reason *why);

/* get, store and erase whose request is on standard input. */
enum credential_exit credential_protocol(struct credential_agent *a,
					 const struct credential_options *o,
					 struct reason *why);

#endif
