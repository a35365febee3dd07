/* SPDX-License-Identifier: PostgreSQL */
/*
 * Any bytes are AWS's shared files: what is asked for is found or not, and what
 * is found is a piece of them that fits.  `make check` feeds the corpus through
 * fuzz_main.c; to search:
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
 *     -Isrc tests/fuzz/fuzz_aws_profile.c src/aws/aws_profile.c \
 *     src/aws/aws_environment.c src/base/secret.c src/base/secret_arena.c \
 *     src/base/ini.c src/base/reason.c src/base/status.c src/base/text.c \
 *     -pthread \
 *     -o fuzz_aws_profile \
 *     && ./fuzz_aws_profile -max_total_time=60 NEW tests/fuzz/aws_profile
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aws/aws_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
	if (!fine)
		abort();
}

static int make_file(const uint8_t *data, size_t size, const char *variable)
{
	char path[64];
	int fd = memfd_create("shared", MFD_CLOEXEC);

	check(fd >= 0 && fchmod(fd, 0600) == 0 &&
	      write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check(setenv(variable, path, 1) == 0);
	return fd;
}

/* What is text is the same as a secret, unless the other file has it too. */
static void ask(const struct aws_profile *p, const char *name, const char *key)
{
	static const enum store_aws_file files[] = { AWS_FILE_CREDENTIALS,
						     AWS_FILE_CONFIG };
	struct secret *found = NULL;
	struct reason why = { "" };
	char value[64];
	enum status s;

	if (aws_profile_text(p, name, key, value, sizeof(value))) {
		check(strlen(value) > 0 && !strchr(value, '\n'));
		check(aws_profile_exists(p, name));
	} else {
		check(value[0] == '\0');
	}
	for (int i = 0; i < 2; i++) {
		s = aws_profile_secret(p, files[i], name, key, &found, &why);
		check(s == STATUS_OK || s == STATUS_NOT_FOUND);
		if (s == STATUS_OK)
			check(secret_len(found) > 0 &&
			      !memchr(secret_bytes(found), '\n',
				      secret_len(found)));
		secret_free(found);
		found = NULL;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "default", "a", "b c" };
	static const char *const keys[] = { "region", "role_arn",
					    "aws_secret_access_key" };
	struct aws_profile *p = NULL;
	struct reason why = { "" };
	size_t half = size / 2;
	char value[64];
	int config, credentials;

	/* One half each, so that both files differ. */
	config = make_file(data, half, "AWS_CONFIG_FILE");
	credentials = make_file(data + half, size - half,
				"AWS_SHARED_CREDENTIALS_FILE");
	if (aws_profile_read(&p, &why) == STATUS_OK) {
		for (int i = 0; i < 3; i++)
			for (int k = 0; k < 3; k++)
				ask(p, names[i], keys[k]);
		if (aws_profile_service(p, "a", "sts", "endpoint_url", value,
					sizeof(value)))
			check(strlen(value) > 0);
	} else {
		check(!p && why.text[0] != '\0');
	}
	aws_profile_free(p);
	close(config);
	close(credentials);
	return 0;
}
