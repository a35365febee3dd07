/* SPDX-License-Identifier: PostgreSQL */
/* An AWS store, as its files see it, and what they do for each other. */
#ifndef KEYTURN_STORE_AWS_COMMON_H
#define KEYTURN_STORE_AWS_COMMON_H

#include "store/aws/api.h"
#include "store/aws/aws.h"
#include "store/aws/state.h"

#define STORE_AWS_PREFIX_SIZE 128
#define STORE_AWS_SECRET_SIZE (STORE_AWS_PREFIX_SIZE + STORE_NAME_SIZE)
#define STORE_AWS_NAME_BYTES                                   \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789/_+=.@-"

struct store_aws {
	struct store store; /* first: what the caller holds */
	struct store_aws_api api;
	char *name;
	char prefix[STORE_AWS_PREFIX_SIZE];
	char *kms_key;
	struct json_out tags; /* [{"Key","Value"}] */
	bool create;
	bool announce;
	int64_t (*next_due)(const void *arg, const char *name, int64_t at_us);
	const void *next_due_arg;
	struct store_memory *known;
};

/* Members of struct store_ops. */
store_ready_fn store_aws_label_ready;
store_describe_fn store_aws_read_describe;
store_fetch_fn store_aws_read_fetch;
store_stage_fn store_aws_stage;
store_move_fn store_aws_label_promote, store_aws_label_retire;
store_withdraw_fn store_aws_label_withdraw;

/* ---- requests, and what answers say ------------------------------------ */

/* The name in Secrets Manager.  STATUS_REFUSED: AWS refuses it. */
enum status store_aws_ask_name(struct store_aws *s, const char *name,
			       char secret[STORE_AWS_SECRET_SIZE],
			       struct reason *why);

/* {"SecretId": secret, key: value, ...}, keys and values in pairs up to NULL. */
struct json_out store_aws_ask_body(const char *secret,
				   const char *const *pairs);

/* ---- what is in Secrets Manager ---------------------------------------- */

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
enum status store_aws_read_after(struct store_aws *s, const char *name,
				 const char *revision,
				 store_aws_state_change_fn *change,
				 const char *id, struct store_state *ret_state,
				 struct reason *why);

/* ---- labels and tags --------------------------------------------------- */

/*
 * May we move AWSCURRENT of this secret, which is there?  Asked of AWS unless our
 * tags or this process tell that we did.  STATUS_REFUSED: the right lacks; an
 * answer that does not tell is STATUS_OK.
 */
enum status store_aws_label_may_move(struct store_aws *s, const char *name,
				     struct reason *why);

/* "KEY=VALUE" to a list of tags; STATUS_CONFIG when AWS would refuse it. */
enum status store_aws_tag_add(struct json_out *tags, const char *pair,
			      struct reason *why);

/* CURRENT is id now: tell other tools, if that is wanted.  What fails is lost:
 * the tags name the version that they are about. */
void store_aws_tag_announce(struct store_aws *s, const char *name,
			    const char *id);

/* The same if this was still to be told. */
void store_aws_tag_owed(struct store_aws *s, const char *name, const char *id);

#endif
