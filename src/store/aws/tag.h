/* SPDX-License-Identifier: PostgreSQL */
/* Tags: those of the configuration, and what a secret tells other tools. */
#ifndef KEYTURN_STORE_AWS_TAG_H
#define KEYTURN_STORE_AWS_TAG_H

#include "store/aws/common.h"

/* "KEY=VALUE" to a list of tags; STATUS_CONFIG when AWS would refuse it. */
enum status store_aws_tag_add(struct json_out *tags, const char *pair,
			      struct reason *why);

/* CURRENT is id now: tell other tools, if that is wanted.  What fails is lost:
 * the tags name the version that they are about. */
void store_aws_tag_announce(struct store_aws *s, const char *name,
			    const char *id);

#endif
