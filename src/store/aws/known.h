/* SPDX-License-Identifier: PostgreSQL */
/*
 * What this process knows of the secrets in Secrets Manager.  Their labels are a
 * copy that may be old; their versions never change, so the keys in them that
 * are not ours are worth keeping, and never a password.  Thread-safe.
 */
#ifndef KEYTURN_STORE_AWS_KNOWN_H
#define KEYTURN_STORE_AWS_KNOWN_H

#include "store/aws/state.h"
#include "store/store_memory.h"
#include "json/json_out.h"

/* Of one secret: what store_memory_lock() gives. */
struct store_aws_known {
	struct store_aws_state state;
	bool described; /* the state is what AWS told, or what we made of it */
	bool brief; /* the last describe() left the history out, and no write
			 * came in between */
	bool moves; /* AWSCURRENT: we did, or may */
	/* CURRENT was moved back, away from this version of AWS's id, or "".  Who
	 * edits a secret by hand makes such a version, and the keys in it are newer
	 * than those of the one that is CURRENT again. */
	char left[STORE_AWS_STATE_ID_SIZE];
	/* CURRENT is being moved to this one, which is to be announced when it
	 * has moved; "" when it was. */
	char owed[RANDOM_UUID_SIZE];
	/* This one has the password of the CURRENT before: to make it CURRENT is no
	 * rotation to be told of.  "": none is known. */
	char renewal[RANDOM_UUID_SIZE];
};

/* A copy.  What does not fit into memory is not known, which costs a request. */
void store_aws_known_load(struct store_memory *m, const char *name,
			  struct store_aws_known *ret);

/* The state, when it is known and of this revision. */
bool store_aws_known_recall(struct store_memory *m, const char *name,
			    const char *revision, struct store_aws_state *ret);

void store_aws_known_remember(struct store_memory *m, const char *name,
			      const struct store_aws_state *state);
void store_aws_known_set_brief(struct store_memory *m, const char *name,
			       bool brief);

/* The content of one version, by AWS's id, without its password. */
void store_aws_known_remember_content(struct store_memory *m, const char *name,
				      const char *id,
				      const struct json_doc *content);

/* The caller's; NULL when it is not known. */
struct json_doc *store_aws_known_recall_content(struct store_memory *m,
						const char *name,
						const char *id);

#endif
