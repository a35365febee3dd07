/* SPDX-License-Identifier: PostgreSQL */
/*
 * The sampler behind a policy, over any alphabet, so that a test can list
 * every string of a small one.  Only policy.c and the tests include it.
 */
#ifndef KEYTURN_DRAW_H
#define KEYTURN_DRAW_H

#include <stdbool.h>

#include "base/random.h"

#define DRAW_CLASSES 4

struct draw_class {
	const char *chars; /* no character is in two classes, or twice in one */
	bool first;	   /* may the first character be of this class? */
	bool required;	   /* must at least one character be of this class? */
};

struct draw {
	struct draw_class classes[DRAW_CLASSES]; /* "" for an absent class */
	unsigned length;			 /* at least 1 */
};

/* log2 of the number of strings that fit; 0 when there is none or one. */
double draw_bits(const struct draw *d);

/*
 * Write d->length characters to buf, each fitting string with the same
 * probability.  STATUS_ERROR when the source fails, or never yields a string
 * that fits (a stuck source, or no such string); buf is then wiped.
 */
enum status draw_string(const struct draw *d, const struct random *r,
			char *buf);

#endif
