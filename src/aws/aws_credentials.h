/* SPDX-License-Identifier: PostgreSQL */
/*
 * AWS's standard chain of credentials, with AWS's names: environment; a
 * profile's role (source_profile, credential_source), web identity, shared
 * credentials file, credential_process, config file; ECS and EKS containers;
 * the instance's metadata (IMDSv2, never v1).  The first that is configured is
 * the one that counts: an error of it does not fall through to the next.
 * SSO is had through credential_process.
 */
#ifndef KEYTURN_AWS_CREDENTIALS_H
#define KEYTURN_AWS_CREDENTIALS_H

#include <stdbool.h>

#include "aws/aws_call.h"
#include "aws/aws_key.h"
#include "aws/aws_profile.h"

struct aws_credentials;

struct aws_credentials_options {
	/* The setting; NULL or "": AWS_PROFILE, AWS_DEFAULT_PROFILE or "default", and
	 * the environment's keys come first. */
	const char *profile;
	const char *region; /* for STS; NULL until it is known */
	bool fips;
	bool dualstack;
	struct aws_call_wire *wire; /* must outlive the credentials */
};

/* Reads the shared files; asks no one for credentials yet.  STATUS_CONFIG: a
 * profile that was named and is not there. */
enum status aws_credentials_new(const struct aws_credentials_options *o,
				struct aws_credentials **ret,
				struct reason *why);
void aws_credentials_free(struct aws_credentials *c);

/* The files and the profile, for the settings that are there too. */
const struct aws_profile *aws_credentials_files(
	const struct aws_credentials *c);
const char *aws_credentials_profile(const struct aws_credentials *c);

/* AWS_REGION, AWS_DEFAULT_REGION, the profile's region, the instance's.
 * STATUS_CONFIG when none tells. */
enum status aws_credentials_region(struct aws_credentials *c,
				   char region[AWS_REGION_SIZE],
				   struct reason *why);
/* The region for STS from now on; kept by reference. */
void aws_credentials_set_region(struct aws_credentials *c, const char *region);

/*
 * A copy of what is valid now, the caller's to clear; obtained or renewed when
 * that is needed.  One that still has time is given when renewing fails.
 * STATUS_CONFIG: there are none, or they are wrong; STATUS_STORE_UNAVAILABLE:
 * whoever gives them does not answer.  Thread-safe.
 */
enum status aws_credentials_get(struct aws_credentials *c, struct aws_key *ret,
				struct reason *why);

/* AWS refused this key: forget it.  False when it cannot be renewed. */
bool aws_credentials_refused(struct aws_credentials *c,
			     const struct aws_key *k);

#endif
