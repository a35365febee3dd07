/* SPDX-License-Identifier: PostgreSQL */
/* Credentials from the host that we run on: container endpoints of ECS and EKS,
 * and the metadata service of an instance, version 2 only. */
#ifndef KEYTURN_STORE_AWS_METADATA_H
#define KEYTURN_STORE_AWS_METADATA_H

#include <stdbool.h>

#include "store/store_aws_call.h"

/* Is AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI set? */
bool store_aws_metadata_has_container(void);

/* STATUS_CONFIG: an address that the token must not be sent to, a token file
 * that cannot be read; STATUS_STORE_UNAVAILABLE. */
enum status store_aws_metadata_container(struct store_aws_call_wire *w,
					 struct store_aws_key *ret,
					 struct reason *why);

/* STATUS_NOT_FOUND: there is no such service, or no role.  A service that does
 * not know version 2 is no service. */
enum status store_aws_metadata_instance(struct store_aws_call_wire *w,
					struct store_aws_key *ret,
					struct reason *why);
enum status store_aws_metadata_region(struct store_aws_call_wire *w,
				      char region[STORE_AWS_REGION_SIZE],
				      struct reason *why);

/*
 * {"AccessKeyId","SecretAccessKey",token,"Expiration"}: what containers,
 * instances ("Token") and credential_process ("SessionToken") answer.
 */
enum status store_aws_metadata_parse(const char *bytes, size_t n,
				     const char *origin, const char *token,
				     struct store_aws_key *ret,
				     struct reason *why);

#endif
