/* SPDX-License-Identifier: PostgreSQL */
/* One question to the agent. */
#ifndef KEYTURN_CREDENTIAL_ASK_H
#define KEYTURN_CREDENTIAL_ASK_H

#include <stdint.h>

#include "base/secret.h"
#include "base/text.h"
#include "helpers/credential_options.h"

struct credential_agent {
	const char *socket;
	unsigned timeout_ms;
	struct secret *reply; /* what came last */
};

/* credential_ask_close() is always allowed behind it. */
enum credential_exit credential_ask_open(struct credential_agent *a,
					 const struct credential_options *o,
					 struct reason *why);
void credential_ask_close(struct credential_agent *a);

struct credential_question {
	unsigned operation;
	const struct credential_key *key;
	const char *version;	 /* FEEDBACK, or NULL */
	const char *not_version; /* or NULL */
	unsigned wait_ms;
	int64_t min_life_ms;
};

struct credential_answer {
	struct credential_key key; /* as the agent has it */
	char sslmode[17];
	char version[37];
	char server[64];
	int64_t rotated_at, expires_at; /* microseconds; 0: not said */
	bool stale;			/* the store could not be asked, */
	int64_t stale_seconds;		/* for so long */
	struct secret *password;	/* GET only */
};

/*
 * Ask; what the agent says is checked against what was asked.  *ret is emptied
 * first; credential_ask_forget() it afterwards, also after a failure.
 */
enum credential_exit credential_ask(struct credential_agent *a,
				    const struct credential_question *q,
				    struct credential_answer *ret,
				    struct reason *why);
void credential_ask_forget(struct credential_answer *a);

/* --refresh first when it was given, then GET, as the options say. */
enum credential_exit credential_ask_secret(struct credential_agent *a,
					   const struct credential_options *o,
					   const struct credential_key *key,
					   struct credential_answer *ret,
					   struct reason *why);

/* The names of all roles that we may list, one a line, into `ret`. */
enum credential_exit credential_ask_roles(struct credential_agent *a,
					  struct text *ret, struct reason *why);

#endif
