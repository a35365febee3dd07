/* SPDX-License-Identifier: PostgreSQL */
/*
 * Any bytes that STS, a container, an instance or a credential_process answers
 * are a usable key, or are refused with a sentence that quotes none of them.
 * The first byte chooses who answered.  `make check` feeds the corpus through
 * fuzz_main.c; to search:
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
 *     -Isrc tests/fuzz/fuzz_aws_sts.c src/aws/aws_[^p]*.c src/aws/aws_pro*.c \
 *     src/xml/xml.c src/json/doc*.c src/http/http*.c src/crypto/[cds]*.c \
 *     $(ls src/base/[!w]*.c) -lcurl -ljansson -lexpat -lssl -lcrypto \
 *     -lm -pthread -o fuzz_aws_sts \
 *     && ./fuzz_aws_sts -max_total_time=60 NEW tests/fuzz/aws_sts
 */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_metadata.h"
#include "aws/aws_sts.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
	if (!fine)
		abort();
}

static void check_key(const struct aws_key *k)
{
	size_t n = strlen(k->id);

	check(n > 0 && n < AWS_KEY_ID_SIZE);
	for (size_t i = 0; i < n; i++)
		check(isalnum((unsigned char)k->id[i]) || k->id[i] == '_' ||
		      k->id[i] == '-');
	check(k->secret && secret_len(k->secret) > 0 &&
	      !text_has_control(secret_bytes(k->secret),
				secret_len(k->secret)));
	check(!k->token || (secret_len(k->token) > 0 &&
			    !text_has_control(secret_bytes(k->token),
					      secret_len(k->token))));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char code[AWS_CALL_TYPE_SIZE];
	struct aws_key key = { .id = "" };
	struct reason why = { "" };
	const char *bytes;
	enum status s;

	if (size == 0)
		return 0;
	bytes = (const char *)data + 1;
	size--;
	switch (data[0] % 5) {
	case 0:
	case 1:
		s = aws_sts_parse(bytes, size, data[0] % 5 == 1, &key, &why);
		check(s != STATUS_OK || (key.token && key.expires_us));
		break;
	case 2:
		aws_sts_error(bytes, size, code);
		check(!text_has_control(code, strlen(code)));
		return 0;
	default:
		s = aws_metadata_parse(bytes, size, "it",
				       data[0] % 5 == 3 ? "Token" :
							  "SessionToken",
				       &key, &why);
		break;
	}
	if (s == STATUS_OK)
		check_key(&key);
	else
		check(!key.secret && !key.token && why.text[0] != '\0');
	aws_key_clear(&key);
	return 0;
}
