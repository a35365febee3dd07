/* SPDX-License-Identifier: PostgreSQL */
/* Credentials from the host that we run on: container endpoints of ECS and EKS,
 * and the metadata service of an instance, version 2 only. */
#ifndef KEYTURN_AWS_METADATA_H
#define KEYTURN_AWS_METADATA_H

#include <stdbool.h>

#include "aws/aws_call.h"

/* Is AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI set? */
bool aws_metadata_has_container(void);

/* STATUS_CONFIG: an address that the token must not be sent to, a token file
 * that cannot be read; STATUS_STORE_UNAVAILABLE. */
enum status aws_metadata_container(struct aws_call_wire *w, struct aws_key *ret,
				   struct reason *why);

/* STATUS_NOT_FOUND: there is no such service, or no role.  A service that does
 * not know version 2 is no service. */
enum status aws_metadata_instance(struct aws_call_wire *w, struct aws_key *ret,
				  struct reason *why);
enum status aws_metadata_region(struct aws_call_wire *w,
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
