/* SPDX-License-Identifier: PostgreSQL */
/* One way along AWS's chain of credentials (aws_credentials.h has its links), of
 * which aws_credentials.c keeps what it gave.  Not thread-safe. */
#ifndef KEYTURN_AWS_PROVIDERS_H
#define KEYTURN_AWS_PROVIDERS_H

#include <stdbool.h>

#include "aws/aws_call.h"
#include "aws/aws_profile.h"

#define AWS_PROVIDERS_PROFILE_SIZE 128

struct aws_providers {
	struct aws_call_wire *wire;
	struct aws_profile *files;
	char profile[AWS_PROVIDERS_PROFILE_SIZE];
	bool explicit;	    /* named in keyturn's own configuration */
	bool named;	    /* there, or in the environment */
	const char *region; /* for STS; NULL until it is known */
	bool fips;
	bool dualstack;
};

/* The key of the first link that is configured; the caller's to clear.
 * STATUS_CONFIG: none is, or what it says is wrong; STATUS_STORE_UNAVAILABLE:
 * whoever gives it does not answer. */
enum status aws_providers_obtain(struct aws_providers *c, struct aws_key *ret,
				 struct reason *why);

#endif
