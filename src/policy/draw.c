/* SPDX-License-Identifier: PostgreSQL */
/*
 * Draws a string that fits a rule, every fitting string being equally likely.
 * It must never repair a string that does not fit: that would favour some.
 */
#include "policy/draw.h"

#include <math.h>
#include <string.h>

#include "base/secret.h"

/*
 * A policy that policy_check() passes is met by at least one string in five,
 * so a sound source fails this often once in 10^96 passwords.
 */
#define DRAW_ATTEMPTS 1000

#define DRAW_ALPHABET_MAX 96 /* printable ASCII */

struct alphabet {
	char chars[DRAW_ALPHABET_MAX];
	unsigned char class_of[DRAW_ALPHABET_MAX];
	unsigned n;
};

static void alphabet_add(struct alphabet *a, const struct draw *d,
			 unsigned class)
{
	const char *c = d->classes[class].chars;

	for (; *c != '\0' && a->n < DRAW_ALPHABET_MAX; c++) {
		a->chars[a->n] = *c;
		a->class_of[a->n] = (unsigned char)class;
		a->n++;
	}
}

static struct alphabet alphabet_make(const struct draw *d, bool first_only)
{
	struct alphabet a = { .n = 0 };

	for (unsigned i = 0; i < DRAW_CLASSES; i++)
		if (!first_only || d->classes[i].first)
			alphabet_add(&a, d, i);
	return a;
}

/* Probability that a string of the alphabet avoids all classes in mask. */
static double avoids(const struct draw *d, unsigned mask)
{
	double first = 0, first_left = 0, rest = 0, rest_left = 0;

	for (unsigned i = 0; i < DRAW_CLASSES; i++) {
		double n = (double)strlen(d->classes[i].chars);
		bool out = mask & (1u << i);

		rest += n;
		rest_left += out ? 0 : n;
		if (d->classes[i].first) {
			first += n;
			first_left += out ? 0 : n;
		}
	}
	return first_left / first * pow(rest_left / rest, d->length - 1);
}

/*
 * The count itself overflows a double from 171 characters on, so the sum is
 * taken over probabilities: log2 of all strings, plus log2 of the share that
 * fits.  log1p keeps that share exact where it is close to one.
 */
double draw_bits(const struct draw *d)
{
	unsigned required = 0;
	double missing = 0;
	double all, bits;

	for (unsigned i = 0; i < DRAW_CLASSES; i++) {
		if (!d->classes[i].required)
			continue;
		/* Rounding would leave a few strings of a sum that is zero. */
		if (d->classes[i].chars[0] == '\0')
			return 0;
		required |= 1u << i;
	}
	for (unsigned mask = 1; mask < 1u << DRAW_CLASSES; mask++) {
		if ((mask & required) != mask)
			continue;
		if (__builtin_popcount(mask) % 2 == 1)
			missing += avoids(d, mask);
		else
			missing -= avoids(d, mask);
	}
	if (missing >= 1)
		return 0;
	all = log2(alphabet_make(d, true).n) +
	      (d->length - 1) * log2(alphabet_make(d, false).n);
	bits = all + log1p(-missing) / M_LN2;
	return bits > 0 ? bits : 0;
}

static enum status draw_one(const struct alphabet *a, const struct random *r,
			    char *ret_char, unsigned *seen)
{
	unsigned i = 0;
	enum status st = random_below(r, a->n, &i);

	if (st == STATUS_OK) {
		*ret_char = a->chars[i];
		*seen |= 1u << a->class_of[i];
	}
	secret_wipe(&i, sizeof(i));
	return st;
}

enum status draw_string(const struct draw *d, const struct random *r, char *buf)
{
	const struct alphabet first = alphabet_make(d, true);
	const struct alphabet rest = alphabet_make(d, false);
	enum status st = first.n == 0 ? STATUS_ERROR : STATUS_OK;
	unsigned required = 0;

	for (unsigned i = 0; i < DRAW_CLASSES; i++)
		if (d->classes[i].required)
			required |= 1u << i;
	for (int tries = 0; tries < DRAW_ATTEMPTS && st == STATUS_OK; tries++) {
		unsigned seen = 0;

		for (unsigned i = 0; i < d->length && st == STATUS_OK; i++)
			st = draw_one(i == 0 ? &first : &rest, r, &buf[i],
				      &seen);
		if (st == STATUS_OK && (seen & required) == required)
			return STATUS_OK;
	}
	secret_wipe(buf, d->length);
	return st == STATUS_OK ? STATUS_ERROR : st;
}
