/* SPDX-License-Identifier: PostgreSQL */
/*
 * The name of a consumer of a password: where it comes from and what it calls
 * itself, as one word, "host:192.0.2.7,app:etl", and where it came through a
 * gateway, which: ",via:gw1.example".  All but that is what a client says, so a
 * name is bounded, is printable ASCII, and proves nothing.
 */
#ifndef KEYTURN_CONSUMER_H
#define KEYTURN_CONSUMER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"

#define CONSUMER_SIZE 832

/* Of a connection over a Unix socket. */
#define CONSUMER_LOCAL "local"

/*
 * Put a name together; what is "" has no part in it, and ret is "" when all
 * are.  At most 64 bytes of each are taken, and what is no letter, digit or
 * harmless sign becomes %XX.  An app or user that looks as if it held a secret
 * ("password=...", an URI) becomes "withheld".
 */
void consumer_name(const char *host, const char *app, const char *user,
		   char ret[CONSUMER_SIZE]);

/* Add the gateway that it came through, "" for none, to a name without one. */
void consumer_add_via(char name[CONSUMER_SIZE], const char *gateway);

/* How much of a name is the consumer, and not the way that it came. */
size_t consumer_len(const char *name);

/*
 * Is the word of n bytes an expected consumer?  It has one to four of
 * host:ADDRESS, host:NETWORK/BITS, host:NAME, host:local, app:NAME, user:NAME
 * and via:GATEWAY, divided by commas, each kind once; all but a host may end in
 * "*".
 * STATUS_CONFIG says what is wrong with it.
 */
enum status consumer_check(const char *word, size_t n, struct reason *why);

/* Does a name have everything that this expected consumer has? */
bool consumer_matches(const char *word, size_t n, const char *name);

#endif
