/* SPDX-License-Identifier: PostgreSQL */
/*
 * Any bytes are ~/.databrickscfg: what is asked for is found or not, and what
 * is found is a piece of one line.  `make check` feeds the corpus through
 * fuzz_main.c; to search:
 *
 *   clang -std=gnu11 -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
 *     -Isrc tests/fuzz/fuzz_databrickscfg.c \
 *     src/token/databricks/profile.c src/token/token_environment.c \
 *     src/base/secret.c src/base/secret_arena.c src/base/file*.c \
 *     src/base/ini.c src/base/reason.c src/base/status.c src/base/text.c \
 *     -pthread \
 *     -o fuzz_databrickscfg \
 *     && ./fuzz_databrickscfg -max_total_time=60 NEW tests/fuzz/databrickscfg
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "token/databricks/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool fine)
{
	if (!fine)
		abort();
}

/* Text and secret are the same value, where both can be had. */
static void ask(const struct secret *file, const char *name, const char *key)
{
	struct secret *found = NULL;
	char value[48];
	bool text = token_databricks_profile_text(file, name, key, value,
						  sizeof(value));

	check(text == (value[0] != '\0') && !strchr(value, '\n'));
	if (token_databricks_profile_secret(file, name, key, &found) ==
	    STATUS_OK) {
		check(secret_len(found) > 0 &&
		      !memchr(secret_bytes(found), '\n', secret_len(found)));
		check(!text || strcmp(value, secret_bytes(found)) == 0);
	}
	check(!text || token_databricks_profile_has(file, name) ||
	      strcmp(name, "__settings__") == 0);
	secret_free(found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "DEFAULT", "lake", "b c", "",
					     "__settings__" };
	static const char *const keys[] = { "host", "client_secret", "token",
					    "default_profile" };
	struct secret *file = NULL;
	char name[32];

	if (size > TOKEN_DATABRICKS_PROFILE_MAX)
		return 0;
	check(secret_new(size ? size : 1, &file) == STATUS_OK);
	check(secret_set(file, data, size) == STATUS_OK);
	for (int i = 0; i < 5; i++)
		for (int k = 0; k < 4; k++)
			ask(file, names[i], keys[k]);
	token_databricks_profile_default(file, name, sizeof(name));
	check(name[0] != '\0');
	check(!token_databricks_profile_has(file, "__settings__"));
	secret_free(file);
	return 0;
}
