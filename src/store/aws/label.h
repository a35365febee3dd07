/* SPDX-License-Identifier: PostgreSQL */
/* Labels, and whether we may move them. */
#ifndef KEYTURN_STORE_AWS_LABEL_H
#define KEYTURN_STORE_AWS_LABEL_H

#include "store/aws/common.h"

/*
 * May we move AWSCURRENT of this secret, which is there?  Asked of AWS unless our
 * tags or this process tell that we did.  STATUS_REFUSED: the right lacks; an
 * answer that does not tell is STATUS_OK.
 */
enum status store_aws_label_may_move(struct store_aws *s, const char *name,
				     struct reason *why);

/* Members of struct store_ops. */
enum status store_aws_label_ready(struct store *store, const char *name,
				  struct reason *why);
enum status store_aws_label_promote(struct store *store, const char *name,
				    const char *revision, const char *id,
				    struct store_state *ret_state,
				    struct reason *why);
enum status store_aws_label_retire(struct store *store, const char *name,
				   const char *revision, const char *id,
				   struct store_state *ret_state,
				   struct reason *why);

enum status store_aws_label_withdraw(struct store *store, const char *name,
				     const char *revision,
				     struct store_state *ret_state,
				     struct reason *why);

#endif
