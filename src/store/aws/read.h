/* SPDX-License-Identifier: PostgreSQL */
/* What is in Secrets Manager. */
#ifndef KEYTURN_STORE_AWS_READ_H
#define KEYTURN_STORE_AWS_READ_H

#include "store/aws/common.h"
#include "store/aws/state.h"

/* The labels, remembered; a secret that is not there is STATUS_OK. */
enum status store_aws_read_labels(struct store_aws *s, const char *name,
				  struct store_aws_state *ret,
				  struct reason *why);

/* AWS's id of one of ours; STATUS_NOT_FOUND for an alias of nothing. */
enum status store_aws_read_id(struct store_aws *s, const char *name,
			      const char *id,
			      char real[STORE_AWS_STATE_ID_SIZE],
			      struct reason *why);

/* The content of the version with AWS's id; the caller's. */
enum status store_aws_read_content(struct store_aws *s, const char *name,
				   const char *real, struct json_doc **ret,
				   struct reason *why);

/* STATUS_REFUSED when a secret with this flag is not ours to write. */
enum status store_aws_read_writable(struct store_aws *s, const char *name,
				    char flag, struct reason *why);

/* STATUS_REFUSED: it is not there, and we may not make it. */
enum status store_aws_read_absent(struct store_aws *s, const char *secret,
				  struct reason *why);

/*
 * After a write: the state as it must be now, by changing what is remembered of
 * revision, or as AWS says when that is NULL or not remembered.  STATUS_UNKNOWN
 * when AWS does not say: what was written is written, only its picture is
 * missing.
 */
enum status store_aws_read_after(
	struct store_aws *s, const char *name, const char *revision,
	void (*change)(struct store_aws_state *, const char *, int64_t),
	const char *id, struct store_state *ret_state, struct reason *why);

/* Members of struct store_ops. */
enum status store_aws_read_describe(struct store *store, const char *name,
				    struct store_state *ret_state,
				    struct reason *why);
enum status store_aws_read_fetch(struct store *store, const char *name,
				 const char *id, struct store_entry *ret_entry,
				 struct reason *why);

#endif
