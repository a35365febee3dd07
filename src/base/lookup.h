/* SPDX-License-Identifier: PostgreSQL */
/*
 * What libpq looks up in a passfile.  Whoever writes one keeps this rule
 * (consumers.md section 3.1; fe-connect.c):
 *
 *   - each host of a list by itself, all with the one port;
 *   - a host as it is spelled; hostaddr only where there is no host, so that
 *     a credential's host is the address then;
 *   - an empty host, and the socket folder that libpq was built with, as
 *     "localhost".  Debian's was built with /var/run/postgresql, others with
 *     /tmp or /run/postgresql, and some clients look up any socket folder so:
 *     a socket folder (it begins with "/", or "@") has two lines, its own name
 *     and "localhost".
 *
 * No host at all is none that libpq would look up, but an unknown one: a line
 * for any host ("*") would give the password to any server, and is refused.
 */
#ifndef KEYTURN_LOOKUP_H
#define KEYTURN_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>

/* Part of a string. */
struct lookup_part {
	const char *s;
	size_t n;
};

/* Name number i, from 0, for these hosts; false behind the last.  No name comes
 * twice. */
bool lookup_name(const char *hosts, size_t i, struct lookup_part *ret);

/* The next host of a list, which *list moves behind; it is NULL then when that
 * was the last. */
struct lookup_part lookup_next_host(const char **list);

#endif
