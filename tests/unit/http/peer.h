/* SPDX-License-Identifier: PostgreSQL */
/* For tests: a server in a thread that does what its script says. */
#ifndef KEYTURN_TEST_PEER_H
#define KEYTURN_TEST_PEER_H

#include <stdbool.h>
#include <stddef.h>

enum peer_act {
	PEER_ANSWER,	   /* read a request, write the bytes, stay */
	PEER_ANSWER_CLOSE, /* the same, then close */
	PEER_CLOSE,	   /* read a whole request, close without an answer */
	PEER_STALL,	   /* read a whole request, never answer */
	PEER_HANG_UP,	   /* accept and close at once, before any byte */
	PEER_MUTE,	   /* accept, and neither read nor write */
};

struct peer_step {
	enum peer_act act;
	const char *bytes;
};

struct peer_options {
	const char *cert; /* NULL: no TLS */
	const char *key;
	const char *client_ca; /* demand a certificate by it */
	int max_tls;	       /* TLS1_1_VERSION ...; 0: newest */
	const struct peer_step *steps;
	size_t n_steps;
};

struct peer;

struct peer *peer_start(const struct peer_options *o);
void peer_stop(struct peer *p);
int peer_port(const struct peer *p);

/* How many connections there were, and whole requests. */
unsigned peer_connections(struct peer *p);
unsigned peer_requests(struct peer *p);

/* The i-th request as it came, "" when there was none; valid until stop. */
const char *peer_request(struct peer *p, unsigned i);

#endif
