/* SPDX-License-Identifier: PostgreSQL */
/* Bodies of requests, and what answers say; must never let a name through that
 * AWS refuses or reads as something else. */
#include "store/aws/common.h"

#include <stdio.h>
#include <string.h>

#include "store/store_refuse.h"

enum status store_aws_ask_name(struct store_aws *s, const char *name,
			       char secret[STORE_AWS_SECRET_SIZE],
			       struct reason *why)
{
	size_t n;

	/* A name may end like an ARN, in a hyphen and six characters: AWS finds
	 * it by the whole name first, and keyturn gives no other. */
	if (store_refuse_name(name, why) != STATUS_OK)
		return STATUS_REFUSED;
	n = (size_t)snprintf(secret, STORE_AWS_SECRET_SIZE, "%s%s", s->prefix,
			     name);
	if (strspn(secret, STORE_AWS_NAME_BYTES) != n)
		return reason_set(why, STATUS_REFUSED,
				  "AWS takes no secret named %s: letters, "
				  "digits and /_+=.@- only",
				  secret);
	return STATUS_OK;
}

struct json_out store_aws_ask_body(const char *secret, const char *const *pairs)
{
	struct json_out body = json_out_object();

	json_out_text(&body, "SecretId", secret);
	for (; *pairs; pairs += 2)
		json_out_text(&body, pairs[0], pairs[1]);
	return body;
}
