/* SPDX-License-Identifier: PostgreSQL */
/*
 * The detail behind a status: one sentence for a person.  Caller-owned, fixed
 * size, and never given a secret: there is no way to print a struct secret.
 */
#ifndef KEYTURN_REASON_H
#define KEYTURN_REASON_H

#include "base/status.h"

#define REASON_MAX 512

struct reason {
	char text[REASON_MAX]; /* NUL-terminated UTF-8, no control characters */
};

/*
 * Write a sentence (what was wrong, where, what to do) and return s, so that
 * `return reason_set(why, STATUS_CONFIG, "...")` reads as one act.  `why` may
 * be NULL.  Control characters and invalid UTF-8 in the result are written as
 * \xNN (bytes from a server cannot forge a log line); longer text is cut with
 * "...".
 */
enum status reason_set(struct reason *why, enum status s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Put "prefix: " in front of what `why` says.  Returns s. */
enum status reason_wrap(struct reason *why, enum status s, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "out of memory"; returns STATUS_NO_MEMORY. */
enum status reason_no_memory(struct reason *why);

/* Forget the sentence. */
void reason_clear(struct reason *why);

#endif
