/* SPDX-License-Identifier: PostgreSQL */
/*
 * Any bytes on standard input of a credential protocol name a role that the
 * wire can carry, or are refused with a sentence.  The first byte chooses the
 * protocol.  `make check` feeds the corpus through fuzz_main.c; to search:
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
 *     -Isrc -I. tests/fuzz/fuzz_credential.c helpers/credential_request.c \
 *     helpers/credential_key.c helpers/credential_json.c src/base/text.c \
 *     src/base/reason.c src/base/status.c src/base/encode.c -o fuzz_credential \
 *     && ./fuzz_credential -max_total_time=60 NEW tests/fuzz/credential
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "helpers/credential_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
	if (!fine)
		abort();
}

static void check_text(const char *s, size_t size)
{
	size_t n = strnlen(s, size);

	check(n < size);
	check(!text_has_control(s, n) && text_is_utf8(s, n));
}

static void check_key(const struct credential_key *k)
{
	char uri[CREDENTIAL_URI_SIZE], name[640];
	struct credential_key again = { 0 };
	struct reason why = { "" };

	check(!credential_key_is_empty(k));
	check_text(k->role, sizeof(k->role));
	check_text(k->realm, sizeof(k->realm));
	check_text(k->user, sizeof(k->user));
	check_text(k->host, sizeof(k->host));
	check_text(k->port, sizeof(k->port));
	check_text(k->dbname, sizeof(k->dbname));
	credential_key_name(k, name, sizeof(name));
	/* A host with ":" is only a host when it is an IPv6 address. */
	if (*k->role || !*k->host || strpbrk(k->host, ":,[]%/") != NULL)
		return;
	credential_key_to_uri(k, uri);
	check(credential_key_uri(&again, uri, strlen(uri), &why) ==
	      CREDENTIAL_OK);
	check(memcmp(&again, k, sizeof(again)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum credential_field field = CREDENTIAL_FIELD_COUNT;
	struct credential_key key = { 0 };
	char url[CREDENTIAL_URI_SIZE] = "";
	struct reason why = { "" };
	enum credential_exit e;
	const char *bytes;

	if (size == 0)
		return 0;
	bytes = (const char *)data + 1;
	size--;
	switch (data[0] % 5) {
	case 0:
		credential_request_git_is_whole(bytes, size);
		e = credential_request_git(bytes, size, &key, &why);
		break;
	case 1:
		e = credential_request_docker(bytes, size, &key, url, &why);
		check(e != CREDENTIAL_OK || strlen(url) <= size);
		break;
	case 2:
		e = credential_request_docker_store(bytes, size, &why);
		check(e == CREDENTIAL_OK || why.text[0] != '\0');
		return 0;
	case 3:
		e = credential_request_bazel(bytes, size, &key, &why);
		break;
	default:
		e = credential_request_summon(bytes, size, &key, &field, &why);
		check(e != CREDENTIAL_OK || field < CREDENTIAL_FIELD_COUNT);
		break;
	}
	if (e == CREDENTIAL_OK)
		check_key(&key);
	else
		check((e == CREDENTIAL_USAGE || e == CREDENTIAL_NOT_FOUND) &&
		      why.text[0] != '\0' && credential_key_is_empty(&key));
	return 0;
}
