/* SPDX-License-Identifier: PostgreSQL */
/*
 * A delivery: a program that brings a new password to where it is needed, the
 * API of a partner for example.  Unlike a hook it is given the password.
 */
#ifndef KEYTURN_DELIVERY_H
#define KEYTURN_DELIVERY_H

#include <sys/types.h>

#include "base/now.h"
#include "base/reason.h"
#include "base/text.h"
#include "format/format.h"

#define DELIVERY_ARGS_MAX 32
#define DELIVERY_SAID_MAX 300 /* bytes of what it says that are kept */

struct delivery {
	const char *name; /* the [delivery NAME] */
	/* An absolute path and arguments, NULL behind the last. */
	const char *argv[DELIVERY_ARGS_MAX + 1];
	const char *user;   /* as whom it runs, by name */
	int64_t timeout_us; /* one attempt */
};

/*
 * Could it be run now, and could no one else change what is run?  Nothing is run.
 * STATUS_CONFIG: a user that is not there, is root, or whom we may not become; a
 * program that is missing, cannot be executed by that user, or can be replaced
 * by others; with what helps.
 */
enum status delivery_check(const struct delivery *d, struct reason *why);

/* What it may do, a sentence for people.  After delivery_check() was good. */
void delivery_describe(const struct delivery *d, struct text *t);

/* What it is given: one line of JSON. */
struct delivery_load {
	const char *role; /* the [role NAME] */
	/* All but the version may be "" where it is not known. */
	const struct format_credential *credential;
	const char *previous; /* a pair's user before, who may log in until it
				 is retired; NULL */
};

/*
 * Run it once, with the load on its standard input.  STATUS_OK: it ended with 0.
 * STATUS_CONFIG as delivery_check(), which comes first; STATUS_ERROR, or
 * STATUS_TIMEOUT: why says how it ended, and in which words.  Words that have
 * the password in them, or a part of it, are not among those: a sentence says
 * that they were left out.  ret_said gets them on success, too; "" for none.
 */
enum status delivery_run(const struct delivery *d,
			 const struct delivery_load *l, const struct now *now,
			 char ret_said[DELIVERY_SAID_MAX + 1],
			 struct reason *why);

#endif
