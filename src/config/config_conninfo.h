/* SPDX-License-Identifier: PostgreSQL */
/* Looks for secrets in libpq connection strings. */
#ifndef KEYTURN_CONFIG_CONNINFO_H
#define KEYTURN_CONFIG_CONNINFO_H

/*
 * The keyword under which the connection string s (keyword = value, or a
 * postgresql:// URI) holds a secret, such as "password"; NULL when it holds
 * none.  The string need not be valid: libpq will refuse what it cannot read,
 * so reading stops where libpq would stop.  The result is static.
 */
const char *config_conninfo_secret(const char *s);

#endif
