/* SPDX-License-Identifier: PostgreSQL */
/* Where AWS's services answer: partitions, regions, FIPS and dual-stack names,
 * and what overrides them. */
#ifndef KEYTURN_AWS_ENDPOINT_H
#define KEYTURN_AWS_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

#include "aws/aws_profile.h"
#include "base/reason.h"

#define AWS_ENDPOINT_SIZE 512
#define AWS_REGION_SIZE	  64

struct aws_endpoint_query {
	const char *given;    /* the setting "endpoint", or NULL */
	const char *service;  /* "secretsmanager", "sts": the host's name */
	const char *variable; /* "AWS_ENDPOINT_URL_STS" */
	const char *section;  /* "secrets_manager": in [services NAME] */
	const char *region;
	bool fips;
	bool dualstack;
};

struct aws_endpoint {
	char url[AWS_ENDPOINT_SIZE];  /* "https://host[:port]/" */
	char host[AWS_ENDPOINT_SIZE]; /* the Host header */
};

/* Lower-case letters, digits and hyphens: it becomes part of a host's name.
 * STATUS_CONFIG otherwise. */
enum status aws_endpoint_check_region(const char *region, struct reason *why);

/*
 * In AWS's order: given, the service's variable, AWS_ENDPOINT_URL, the profile's
 * services and endpoint_url, the name made of service and region.  FIPS and dual
 * stack are wanted by the query, by AWS's variables or by the profile.
 * STATUS_CONFIG for one that is no address, has a path, is http and not
 * loopback, or goes with FIPS or dual stack, which are names of AWS's own.
 */
enum status aws_endpoint_find(const struct aws_endpoint_query *q,
			      const struct aws_profile *files,
			      const char *profile, struct aws_endpoint *ret,
			      struct reason *why);

#endif
