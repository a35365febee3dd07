/* SPDX-License-Identifier: PostgreSQL */
/*
 * Runs a program that is not ours: no shell, no environment, no descriptor of
 * ours, in "/" and in a session of its own, with a deadline at which it is
 * killed with all that it has started, and, where that is asked for, as another
 * user.
 */
#ifndef KEYTURN_PROGRAM_H
#define KEYTURN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/now.h"
#include "base/reason.h"

struct program {
	/* An absolute path and the arguments behind it, NULL behind the last.
	 * Everybody on the machine can read them. */
	const char *const *argv;
	/*
	 * (uid_t)-1: ours, with no ambient capability.  Else it is this user with this one group and no
	 * other, has no capability, and gains nothing from set-user-id programs.
	 */
	uid_t uid;
	gid_t gid;
	int64_t timeout_us;
	/* Killed, too, when the thread that runs it ends, whatever ends us. */
	bool ends_with_us;
	/* Its standard input, as far as it is read; may be a secret's bytes. */
	const void *in;
	size_t n;
	/*
	 * NULL: what it prints goes where our messages go.  Else its standard
	 * output goes nowhere, and the first line of its standard error that
	 * has anything in it comes here, cut to said_size - 1 (at least 1) bytes;
	 * the rest is read and dropped, so that it neither waits for us nor
	 * fills our memory.  All but the printable characters of ASCII are '?',
	 * tabs are blanks.  "" when it said nothing.  Other people's words, with
	 * whatever they had: see program_said_has().
	 */
	char *said;
	size_t said_size;
	/*
	 * With said only.  NULL: what it prints goes nowhere.  Else its standard
	 * output comes here as it is, but for NULs, which are '?', cut to
	 * output_size - 1 (at least 1) bytes.
	 */
	char *output;
	size_t output_size;
};

struct program_result {
	bool ended;    /* by itself, in time */
	int exit_code; /* -1: it did not exit */
	int signal;    /* that ended it; 0 */
};

/*
 * Run it to its end.  STATUS_OK: it exited with 0.  STATUS_ERROR: it did not,
 * or could not be run; STATUS_TIMEOUT: it was killed at its deadline; why says
 * which, with nothing that the program said.  ret_result may be NULL; it is
 * filled in when the program was started (else exit_code is -1).
 */
enum status program_run(const struct program *p, const struct now *now,
			struct program_result *ret_result, struct reason *why);

/*
 * Could it be run?  A child becomes what the program would be, and looks whether
 * it may execute the file.  Nothing is run.  STATUS_CONFIG with what is wrong.
 */
enum status program_try(const struct program *p, struct reason *why);

/*
 * Is it safe to give something secret to the program at path?  It must be a
 * regular file; it, every folder above it, and every symbolic link on the way
 * must belong to root, to us or to uid, and nobody else may write there (a
 * folder with the sticky bit may be written by others).  STATUS_CONFIG names
 * the file or folder and what helps.
 */
enum status program_check(const char *path, uid_t uid, struct reason *why);

/*
 * May we become uid, and end what runs as it?  We are it already, or have
 * CAP_SETUID, CAP_SETGID and CAP_KILL, as root does.
 */
bool program_may_become(uid_t uid);

/*
 * Does what a program said hold a secret of n bytes: all of it, or eight bytes of
 * it in a row, as they are, escaped as in a URI or in JSON, or in hex, or eight
 * characters of its base64, as "Authorization: Basic" has it?
 */
bool program_said_has(const char *said, const char *secret, size_t n);

/*
 * Before the process ends while programs run: end them, with all that these have
 * started, and begin no more.
 */
void program_end_all(const struct now *now);

#endif
