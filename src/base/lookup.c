/* SPDX-License-Identifier: PostgreSQL */
/* Names in a passfile; pure, since it runs inside other people's programs. */
#include "base/lookup.h"

#include <string.h>

#define LOCALHOST "localhost"

struct lookup_part lookup_next_host(const char **list)
{
	size_t n = strcspn(*list, ",");
	struct lookup_part host = { *list, n };

	*list = (*list)[n] == ',' ? *list + n + 1 : NULL;
	return host;
}

static const struct lookup_part localhost = { LOCALHOST,
					      sizeof(LOCALHOST) - 1 };

/* As lookup_name(), and names may come again. */
static bool any_name(const char *list, size_t i, struct lookup_part *ret)
{
	if (list[0] == '\0')
		return false;
	while (list != NULL) {
		struct lookup_part host = lookup_next_host(&list);
		bool socket = host.n > 0 &&
			      (host.s[0] == '/' || host.s[0] == '@');

		if (host.n == 0)
			host = localhost;
		if (i == 0 || (i == 1 && socket)) {
			*ret = i == 0 ? host : localhost;
			return true;
		}
		i -= socket ? 2 : 1;
	}
	return false;
}

static bool same(struct lookup_part a, struct lookup_part b)
{
	return a.n == b.n && memcmp(a.s, b.s, a.n) == 0;
}

bool lookup_name(const char *hosts, size_t i, struct lookup_part *ret)
{
	struct lookup_part name, before;
	bool again;

	for (size_t k = 0; any_name(hosts, k, &name); k++) {
		again = false;
		for (size_t j = 0; j < k && !again; j++)
			again = any_name(hosts, j, &before) &&
				same(name, before);
		if (again)
			continue;
		if (i-- > 0)
			continue;
		*ret = name;
		return true;
	}
	return false;
}
