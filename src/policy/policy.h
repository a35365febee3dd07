/* SPDX-License-Identifier: PostgreSQL */
/*
 * What a password must look like, and making one.  Pure: randomness is given.
 * ASCII only, first character a letter, uniform over all passwords that meet
 * the policy (rejection sampling), never below 128 bits
 * (rotation-safety.md K10 to K13, X15).
 */
#ifndef KEYTURN_POLICY_H
#define KEYTURN_POLICY_H

#include <stdbool.h>

#include "base/random.h"
#include "base/reason.h"
#include "base/secret.h"

#define POLICY_LENGTH_MIN      20
#define POLICY_LENGTH_DEFAULT  32
#define POLICY_LENGTH_MAX      512
#define POLICY_BITS_MIN	       128.0
#define POLICY_SYMBOLS_DEFAULT "-_."
#define POLICY_SYMBOLS_MAX     33 /* printable ASCII punctuation and a NUL */

struct policy {
	unsigned length; /* POLICY_LENGTH_MIN to POLICY_LENGTH_MAX */
	bool upper;	 /* at least one A-Z is required */
	bool lower;	 /* at least one a-z */
	bool digit;	 /* at least one 0-9 */
	bool symbol;	 /* at least one of symbols */
	char symbols[POLICY_SYMBOLS_MAX]; /* "" for none */
};

/* Length 32, all four classes required, symbols "-_.". */
struct policy policy_default(void);

/*
 * STATUS_CONFIG with a sentence when the policy is out of range, names a
 * symbol twice or one that is not of -_.~!* (all others break URIs, pgpass,
 * INI, shells or JDBC; policy.c says which and why), requires a symbol but has
 * none, or yields under POLICY_BITS_MIN bits.
 */
enum status policy_check(const struct policy *p, struct reason *why);

/* Exact entropy in bits of policy_make()'s output: log2 of the number of
 * strings that meet the policy (inclusion-exclusion over the classes); 0 when
 * none does. */
double policy_bits(const struct policy *p);

/* Make a password: uniform over the strings that meet the policy. */
enum status policy_make(const struct policy *p, const struct random *r,
			struct secret **ret_password, struct reason *why);

/*
 * May this password (of a person or another system) be taken over by import?
 * Printable ASCII without space at either end, 1 to 512 bytes; its strength is
 * the operator's decision, so only what would break is refused.
 */
enum status policy_importable(const struct secret *password,
			      struct reason *why);

#endif
