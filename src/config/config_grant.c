/* SPDX-License-Identifier: PostgreSQL */
/* Reads to whom a right is given; must refuse every word that it does not
 * understand. */
#include "config/config_grant.h"

#include <string.h>

#include "base/words.h"

/* (uid_t)-1 means "no one in particular" to the kernel, so it is no id. */
#define ID_MAX (UINT32_MAX - 1)

static bool read_id(const char *s, size_t n, uint32_t *ret)
{
	uint64_t id = 0;

	if (n == 0 || n > 10 || (n > 1 && s[0] == '0'))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		id = id * 10 + (uint64_t)(s[i] - '0');
	}
	if (id > ID_MAX)
		return false;
	*ret = (uint32_t)id;
	return true;
}

/* The value behind prefix; NULL when the word begins otherwise. */
static const char *behind(const char *word, size_t n, const char *prefix)
{
	size_t len = strlen(prefix);

	return n > len && memcmp(word, prefix, len) == 0 ? word + len : NULL;
}

static bool read_word(const char *word, size_t n, struct config_grant *ret)
{
	static const struct {
		const char *prefix;
		bool group, by_id;
	} kinds[] = { { "user:", false, false },
		      { "uid:", false, true },
		      { "group:", true, false },
		      { "gid:", true, true } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		const char *value = behind(word, n, kinds[i].prefix);
		size_t len = n - strlen(kinds[i].prefix);

		if (!value)
			continue;
		*ret = (struct config_grant){ .group = kinds[i].group,
					      .by_id = kinds[i].by_id };
		if (ret->by_id)
			return read_id(value, len, &ret->id);
		if (len >= sizeof(ret->name))
			return false;
		memcpy(ret->name, value, len);
		return true;
	}
	return false;
}

enum status config_grant_next(const char **at, struct config_grant *ret,
			      struct reason *why)
{
	struct config_grant grant;
	const char *end = *at;
	size_t n;
	const char *word = words_next(&end, &n);

	if (!word)
		return STATUS_NOT_FOUND;
	if (!read_word(word, n, &grant))
		return reason_set(why, STATUS_CONFIG,
				  "\"%.*s\" is not user:NAME, uid:N, "
				  "group:NAME or gid:N",
				  (int)(n > 80 ? 80 : n), word);
	*at = end;
	*ret = grant;
	return STATUS_OK;
}
