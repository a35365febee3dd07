/* SPDX-License-Identifier: PostgreSQL */
/* Credentials from the host that we run on: container endpoints of ECS and EKS,
 * and the metadata service of an instance, version 2 only. */
#ifndef KEYTURN_AWS_METADATA_H
#define KEYTURN_AWS_METADATA_H

#include <stdbool.h>

#include "aws/aws_call.h"
#include "aws/aws_profile.h"

/* Is AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI set? */
bool aws_metadata_has_container(void);

/* STATUS_CONFIG: an address that the token must not be sent to, a token file
 * that cannot be read; STATUS_STORE_UNAVAILABLE. */
enum status aws_metadata_container(struct aws_call_wire *w, struct aws_key *ret,
				   struct reason *why);

/*
 * Where the instance's service is: AWS_EC2_METADATA_SERVICE_ENDPOINT (_MODE), or
 * ec2_metadata_service_endpoint (_mode) of the profile, or AWS's own address.
 * STATUS_NOT_FOUND: there is no such service, or no role, and the sentence says
 * how that showed: a service that does not know version 2 is no service.
 * STATUS_STORE_UNAVAILABLE: it is there and cannot now.
 */
enum status aws_metadata_instance(struct aws_call_wire *w,
				  const struct aws_profile *files,
				  const char *profile, struct aws_key *ret,
				  struct reason *why);
enum status aws_metadata_region(struct aws_call_wire *w,
				const struct aws_profile *files,
				const char *profile,
				char region[AWS_REGION_SIZE],
				struct reason *why);

/*
 * {"AccessKeyId","SecretAccessKey",token,"Expiration"}: what containers,
 * instances ("Token") and credential_process ("SessionToken") answer.
 */
enum status aws_metadata_parse(const char *bytes, size_t n, const char *origin,
			       const char *token, struct aws_key *ret,
			       struct reason *why);

#endif
