/* SPDX-License-Identifier: PostgreSQL */
/*
 * For tests: the access key id that AWS's standard chain gives in this
 * environment, or why there is none.
 *
 * usage: aws_whoami REGION [PROFILE]
 */
#include <stdio.h>

#include "aws/aws_credentials.h"
#include "crypto/entropy.h"
#include "http/http.h"

int main(int argc, char **argv)
{
	struct aws_call_wire wire = { .now = now_system(),
				      .random = entropy_openssl() };
	const struct http_options http = { .now = wire.now,
					   .random = wire.random };
	const struct aws_credentials_options o = {
		.profile = argc > 2 ? argv[2] : NULL,
		.region = argc > 1 ? argv[1] : NULL,
		.wire = &wire
	};
	struct aws_credentials *c = NULL;
	struct aws_key key = { .id = "" };
	struct reason why = { "" };
	enum status s = http_open(&http, &wire.http, &why);

	if (s == STATUS_OK)
		s = aws_credentials_new(&o, &c, &why);
	if (s == STATUS_OK)
		s = aws_credentials_get(c, &key, &why);
	puts(s == STATUS_OK ? key.id : why.text);
	aws_key_clear(&key);
	aws_credentials_free(c);
	http_close(wire.http);
	return s == STATUS_OK ? 0 : 1;
}
