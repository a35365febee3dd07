/* SPDX-License-Identifier: PostgreSQL */
/* What the callers of each protocol send, from bytes to a key.  Pure: no
 * standard input, no agent. */
#ifndef KEYTURN_CREDENTIAL_REQUEST_H
#define KEYTURN_CREDENTIAL_REQUEST_H

#include "helpers/credential_key.h"

/* What docker's own helpers say, to the letter; docker compares. */
#define CREDENTIAL_REQUEST_NO_URL   "no credentials server URL"
#define CREDENTIAL_REQUEST_NO_USER  "no credentials username"
#define CREDENTIAL_REQUEST_NOT_HERE "credentials not found in native keychain"

/* All of them: CREDENTIAL_NOT_FOUND when the request is none of ours (another
 * protocol's URL) or names no host, CREDENTIAL_USAGE when it is malformed. */

/* key=value lines to an empty line or the end (git-credential(1)). */
enum credential_exit credential_request_git(const char *bytes, size_t n,
					    struct credential_key *ret,
					    struct reason *why);

/* Has all of a request of git's come? */
bool credential_request_git_is_whole(const char *bytes, size_t n);

/* The URL of get and erase; ret_url is that without the space around it. */
enum credential_exit credential_request_docker(
	const char *bytes, size_t n, struct credential_key *ret,
	char ret_url[CREDENTIAL_URI_SIZE], struct reason *why);

/* {"ServerURL","Username","Secret"} of store; CREDENTIAL_ERROR when that is
 * another's server, whose password would be lost. */
enum credential_exit credential_request_docker_store(const char *bytes,
						     size_t n,
						     struct reason *why);

/* {"uri":"..."} */
enum credential_exit credential_request_bazel(const char *bytes, size_t n,
					      struct credential_key *ret,
					      struct reason *why);

enum credential_field {
	CREDENTIAL_FIELD_PASSWORD,
	CREDENTIAL_FIELD_USERNAME,
	CREDENTIAL_FIELD_HOST,
	CREDENTIAL_FIELD_PORT,
	CREDENTIAL_FIELD_DBNAME,
	CREDENTIAL_FIELD_VERSION,
	CREDENTIAL_FIELD_URI,
	CREDENTIAL_FIELD_CONNINFO,
	CREDENTIAL_FIELD_COUNT
};

/* [CLUSTER/]ROLE[/FIELD] */
enum credential_exit credential_request_summon(const char *path, size_t n,
					       struct credential_key *ret,
					       enum credential_field *ret_field,
					       struct reason *why);

#endif
