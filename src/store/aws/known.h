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

enum status store_aws_known_new(struct store_memory **ret);

/* What does not fit into memory is not known, which costs a request. */
void store_aws_known_remember(struct store_memory *m, const char *name,
			      const struct store_aws_state *state);

/* False when nothing is known, or not of this revision (NULL: any). */
bool store_aws_known_recall(struct store_memory *m, const char *name,
			    const char *revision, struct store_aws_state *ret);

/* Was the history left out last time, and did no write come in between? */
bool store_aws_known_was_brief(struct store_memory *m, const char *name);
void store_aws_known_set_brief(struct store_memory *m, const char *name,
			       bool brief);

/* Did we move CURRENT, or learn that we may? */
bool store_aws_known_moves(struct store_memory *m, const char *name);
void store_aws_known_set_moves(struct store_memory *m, const char *name);

/* CURRENT is being moved to id, which is to be announced when it has moved
 * ("": it was).  Is that owed for id? */
void store_aws_known_owe(struct store_memory *m, const char *name,
			 const char *id);
bool store_aws_known_owes(struct store_memory *m, const char *name,
			  const char *id);

/*
 * CURRENT was moved back, away from this version of AWS's id ("": it was not).
 * Who edits a secret by hand makes such a version, and the keys in it are newer
 * than those of the one that is CURRENT again.
 */
void store_aws_known_set_left(struct store_memory *m, const char *name,
			      const char *id);
void store_aws_known_left(struct store_memory *m, const char *name,
			  char ret_id[STORE_AWS_STATE_ID_SIZE]);

/* The content of one version, by AWS's id, without its password. */
void store_aws_known_remember_content(struct store_memory *m, const char *name,
				      const char *id,
				      const struct json_doc *content);

/* The caller's; NULL when it is not known. */
struct json_doc *store_aws_known_recall_content(struct store_memory *m,
						const char *name,
						const char *id);

#endif
