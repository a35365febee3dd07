/* SPDX-License-Identifier: PostgreSQL */
/*
 * Signs what the arguments say, for a comparison with botocore: prints the
 * presigned query and the Authorization header of a POST.
 *
 * usage: presign HOST REGION SERVICE SECONDS ID SECRET TOKEN BODY [NAME VALUE]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/now.h"
#include "crypto/sigv4.h"

static struct secret *make(const char *s)
{
	struct secret *made = NULL;

	if (secret_new(strlen(s) + 1, &made) != STATUS_OK ||
	    secret_set(made, s, strlen(s)) != STATUS_OK)
		exit(2);
	return made;
}

int main(int argc, char **argv)
{
	struct sigv4_pair query[SIGV4_PAIRS_MAX], headers[2];
	struct sigv4_request rq = { .method = "GET",
				    .path = "/",
				    .query = query,
				    .headers = headers,
				    .n_headers = 1 };
	struct text t = text_make(65536);
	struct secret *made = NULL;

	if (argc < 9)
		return 2;
	const struct sigv4_scope scope = { argv[2], argv[3],
					   atoll(argv[4]) * NOW_SECOND };
	const struct sigv4_key key = { argv[5], make(argv[6]),
				       *argv[7] ? make(argv[7]) : NULL };

	headers[0] = (struct sigv4_pair){ "Host", argv[1] };
	headers[1] = (struct sigv4_pair){ "Content-Type", "text/x" };
	for (int i = 9; i + 1 < argc; i += 2)
		query[rq.n_query++] =
			(struct sigv4_pair){ argv[i], argv[i + 1] };
	if (sigv4_presign(&key, &scope, &rq, 900, &made, NULL) != STATUS_OK)
		return 1;
	puts(secret_bytes(made));
	rq.method = "POST";
	rq.n_query = 0;
	rq.n_headers = 2;
	rq.body = argv[8];
	rq.body_n = strlen(argv[8]);
	if (sigv4_authorize(&key, &scope, &rq, &t, NULL) != STATUS_OK)
		return 1;
	puts(text_str(&t));
	return 0;
}
