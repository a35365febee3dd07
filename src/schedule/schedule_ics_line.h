/* SPDX-License-Identifier: PostgreSQL */
/*
 * The content lines of an .ics file (RFC 5545 section 3.1): unfolded, and taken
 * apart into name, parameters and value.  Pure.
 */
#ifndef KEYTURN_SCHEDULE_ICS_LINE_H
#define KEYTURN_SCHEDULE_ICS_LINE_H

#include <stddef.h>

#include "base/reason.h"

#define SCHEDULE_ICS_LINE   16384 /* bytes of an unfolded line */
#define SCHEDULE_ICS_PARAMS 16

struct schedule_ics_line {
	unsigned number; /* of the first of its lines in the file */
	const char *name, *value;
	struct {
		const char *name, *value; /* without quotes around it */
	} params[SCHEDULE_ICS_PARAMS];
	size_t n_params;
	char bytes[SCHEDULE_ICS_LINE + 1]; /* what all of these point into */
};

struct schedule_ics_file {
	const char *at, *end;
	unsigned line; /* of what `at` points to; the first is 1 */
};

/*
 * The next line; lines end in CRLF or LF, and empty ones are passed over.  STATUS_NOT_FOUND: there is none.
 * STATUS_CONFIG, with a sentence without the line's number (which is in
 * ret->number): it is no content line.
 */
enum status schedule_ics_line_next(struct schedule_ics_file *f,
				   struct schedule_ics_line *ret,
				   struct reason *why);

/* Its parameter of that name in capitals; NULL: it has none. */
const char *schedule_ics_line_param(const struct schedule_ics_line *l,
				    const char *name);

#endif
