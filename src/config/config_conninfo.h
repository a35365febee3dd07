/* SPDX-License-Identifier: PostgreSQL */
/* Looks for secrets and servers in libpq connection strings. */
#ifndef KEYTURN_CONFIG_CONNINFO_H
#define KEYTURN_CONFIG_CONNINFO_H

#include <stdbool.h>

#include "base/text.h"

/*
 * The keyword under which the connection string s (keyword = value, or a
 * postgresql:// URI) holds a secret, such as "password"; NULL when it holds
 * none.  The string need not be valid: libpq will refuse what it cannot read,
 * so reading stops where libpq would stop.  The result is static.
 */
const char *config_conninfo_secret(const char *s);

/* Does the connection string s have a value for this keyword, "user" for example,
 * that is not empty?  Read likewise. */
bool config_conninfo_has(const char *s, const char *keyword);

/*
 * Add the servers that s names to ret: a blank, then for each its host in lower
 * case (or its address, where no host is named; "" for a local socket), a colon,
 * its port and a blank.  Nothing is resolved.
 */
void config_conninfo_servers(const char *s, struct text *ret);

#endif
