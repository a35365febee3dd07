/* SPDX-License-Identifier: PostgreSQL */
/* One change on its way: what the files of the apply share. */
#ifndef KEYTURN_CLUSTER_POSTGRES_APPLY_CHANGE_H
#define KEYTURN_CLUSTER_POSTGRES_APPLY_CHANGE_H

#include "cluster/postgres/common.h"
#include "crypto/digest.h"

#define CLUSTER_APPLY_SQL_MAX 4096

/* Statements of the first round trip, in this order; not all are always sent. */
enum apply_step {
	APPLY_BEGIN,
	APPLY_FENCE,
	APPLY_LOGIN, /* of a member whose password goes in clear */
	APPLY_ALTER,
	APPLY_CHECK
};
#define CLUSTER_APPLY_STEPS 5

struct change {
	struct cluster_postgres *p;
	struct cluster_session *s;
	const struct cluster_change *c;
	const char *login;    /* who is altered: the member, else the role */
	struct secret *alter; /* the statement, with the verifier if one */
	bool plain;	      /* the password is sent in clear instead */
	bool doubtful; /* a commit that failed may have done it all the same */
	char fingerprint[2 * DIGEST_SIZE + 1];
	bool refused_verifier; /* definitely, and nothing was changed */
	bool rolled_back;
	bool alone; /* committed, and no synchronous standby has it */
	enum apply_step steps[CLUSTER_APPLY_STEPS];
	size_t done; /* of them, that succeeded */
};

/* c->alter, and of a password the fingerprint.  Not for MARKER. */
enum status cluster_postgres_apply_change_build(struct change *c,
						struct reason *why);

/* Add the statement that looks, in the same transaction, whether the server did
 * it; its parameters are the role's oid, c->login and the fingerprint or NULL. */
void cluster_postgres_apply_change_check(struct text *t,
					 const struct change *c);

void cluster_postgres_apply_change_roll_back(struct change *c);

#endif
