/* SPDX-License-Identifier: PostgreSQL */
/*
 * Signs the request that the arguments say, for a comparison with botocore and
 * with vectors: prints its presigned query and its Authorization header.
 *
 * usage: presign METHOD PATH REGION SERVICE SECONDS EXPIRES ID SECRET TOKEN BODY
 *                N_QUERY [NAME VALUE]... [HEADER VALUE]...
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
	struct sigv4_pair query[SIGV4_PAIRS_MAX], headers[SIGV4_PAIRS_MAX];
	struct text t = text_make(65536);
	struct secret *made = NULL;

	if (argc < 12 || argc > 12 + 2 * SIGV4_PAIRS_MAX)
		return 2;
	const struct sigv4_scope scope = { argv[3], argv[4],
					   atoll(argv[5]) * NOW_SECOND };
	const struct sigv4_key key = { argv[7], make(argv[8]),
				       *argv[9] ? make(argv[9]) : NULL };
	struct sigv4_request rq = { .method = argv[1],
				    .path = argv[2],
				    .query = query,
				    .headers = headers,
				    .body = argv[10],
				    .body_n = strlen(argv[10]) };

	for (int i = 12; i + 1 < argc; i += 2) {
		const struct sigv4_pair pair = { argv[i], argv[i + 1] };

		if (rq.n_query < strtoul(argv[11], NULL, 10))
			query[rq.n_query++] = pair;
		else
			headers[rq.n_headers++] = pair;
	}
	if (sigv4_presign(&key, &scope, &rq,
			  (unsigned)strtoul(argv[6], NULL, 10), &made,
			  NULL) != STATUS_OK ||
	    sigv4_authorize(&key, &scope, &rq, &t, NULL) != STATUS_OK)
		return 1;
	printf("%s\n%s\n", secret_bytes(made), text_str(&t));
	return 0;
}
