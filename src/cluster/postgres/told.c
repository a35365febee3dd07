/* SPDX-License-Identifier: PostgreSQL */
/* What consumers are told of a server; must never name one that libpq, given the
 * same connection string, would not connect to. */
#include "cluster/postgres/told.h"

#include <string.h>

#include "base/text.h"

/* The part of a list up to its comma; *list moves behind it, and is NULL then
 * when that was the last. */
static size_t next_part(const char **list)
{
	const char *comma = strchr(*list, ',');
	size_t n = comma != NULL ? (size_t)(comma - *list) : strlen(*list);

	*list = comma != NULL ? comma + 1 : NULL;
	return n;
}

enum status cluster_postgres_told_host(const char *host, const char *hostaddr,
				       char **ret_host)
{
	struct text t = text_make(strlen(host) + strlen(hostaddr) + 1);
	enum status s;

	while (host != NULL || hostaddr != NULL) {
		const char *name = host, *address = hostaddr;
		size_t n = host != NULL ? next_part(&host) : 0;
		size_t m = hostaddr != NULL ? next_part(&hostaddr) : 0;

		text_add_bytes(&t, n > 0 ? name : address, n > 0 ? n : m);
		if (host != NULL || hostaddr != NULL)
			text_add(&t, ",");
	}
	s = text_status(&t);
	if (s == STATUS_OK)
		s = text_dup(text_str(&t), ret_host);
	text_free(&t);
	return s;
}

enum status cluster_postgres_told_port(const char *ports, char **ret_port)
{
	static const char usual[] = "5432";
	const char *list = ports, *first = NULL;
	struct text t = text_make(strlen(ports) + sizeof(usual));
	bool same = true;
	size_t n = 0;
	enum status s;

	while (list != NULL) {
		const char *port = list;
		size_t m = next_part(&list);

		if (m == 0) {
			port = usual;
			m = strlen(usual);
		}
		if (first == NULL) {
			first = port;
			n = m;
		}
		same = same && m == n && memcmp(first, port, n) == 0;
	}
	text_add_bytes(&t, same ? first : ports, same ? n : strlen(ports));
	s = text_status(&t);
	if (s == STATUS_OK)
		s = text_dup(text_str(&t), ret_port);
	text_free(&t);
	return s;
}
