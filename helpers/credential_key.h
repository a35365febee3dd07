/* SPDX-License-Identifier: PostgreSQL */
/* Which role is meant. */
#ifndef KEYTURN_CREDENTIAL_KEY_H
#define KEYTURN_CREDENTIAL_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include "helpers/credential.h"
#include "wire/wire.h"

#define CREDENTIAL_URI_SIZE 2048 /* of any key, percent-encoded */

/* "" is "not said". */
struct credential_key {
	char role[128];
	char realm[41];
	char user[256];
	char host[256];
	char port[6];
	char dbname[64];
};

/*
 * Set one of them (its wire tag: ROLE, REALM, USER, HOST, PORT, DBNAME) to n
 * bytes of somebody's input.  CREDENTIAL_USAGE when it is too long, holds a
 * control character or is not UTF-8, or when a port is no number.
 */
enum credential_exit credential_key_set(struct credential_key *k,
					enum wire_tag tag, const char *value,
					size_t n, struct reason *why);

/* HOST, HOST:PORT or [IPv6]:PORT into host and port. */
enum credential_exit credential_key_address(struct credential_key *k,
					    const char *value, size_t n,
					    struct reason *why);

bool credential_key_is_empty(const struct credential_key *k);

/* By its name or by its user: less is not enough for the agent. */
bool credential_key_names_a_role(const struct credential_key *k);

/* For messages: `role "sap"`, or `user "sap" on db:5432`.  ret of 128 bytes at
 * least. */
void credential_key_name(const struct credential_key *k, char *ret, size_t n);

/*
 * postgresql://[user@]host[:port][/dbname][?...]; CREDENTIAL_NOT_FOUND for
 * another scheme, CREDENTIAL_USAGE for what is no such URI.  A password in it
 * is refused.
 */
enum credential_exit credential_key_uri(struct credential_key *k,
					const char *uri, size_t n,
					struct reason *why);

void credential_key_to_uri(const struct credential_key *k,
			   char ret[CREDENTIAL_URI_SIZE]);

#endif
