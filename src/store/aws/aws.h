/* SPDX-License-Identifier: PostgreSQL */
/*
 * AWS Secrets Manager.  CURRENT, PENDING and PREVIOUS are AWSCURRENT,
 * AWSPENDING and AWSPREVIOUS; the ring is the version history.  describe() leaves
 * it out in the steady state (store_state.remembered) and has it when it is
 * asked again; fetch() finds every version.
 *
 * What AWS gives for a compare-and-swap: UpdateSecretVersionStage names the
 * version that loses AWSCURRENT, and fails when that does not have it, so
 * promote() and retire() are one each.  It compares where the label is, not how
 * often it moved: see by_label in store.h for what a pair makes of that.
 * PutSecretValue compares nothing: two rotators that stage at the same time
 * both succeed, and the label AWSPENDING is with the later.  Nothing is lost by
 * it, because a version keeps its content without a label and is promoted by
 * its id, and only one of the two holds the claim in the database.
 *
 * A rotation in the steady state is DescribeSecret, PutSecretValue,
 * GetSecretValue (the read-back of bytes; nothing cheaper shows them),
 * UpdateSecretVersionStage, and TagResource to announce it.  CURRENT is read
 * once more, for the keys in it that are not ours and are kept, by a process
 * that neither made it nor is told by the tags that there are none.
 *
 * Whether we may move AWSCURRENT is asked before a secret's first rotation
 * (label.c); the tags tell later ones that we did.
 *
 * The canary of this store is its credentials: a secret made and deleted for
 * each would cost money, and the first step that a rotation takes after it is
 * to describe the role's own secret.
 */
#ifndef KEYTURN_STORE_AWS_H
#define KEYTURN_STORE_AWS_H

#include "base/now.h"
#include "store/store.h"

#define STORE_AWS_TAGS_MAX 40

struct store_aws_options {
	const char *name;     /* [store NAME] */
	const char *region;   /* NULL or "": as AWS's tools find it */
	const char *endpoint; /* NULL or "": AWS's own */
	const char *profile;  /* NULL or "": the standard chain */
	const char *prefix;   /* in front of each role's name */
	const char *kms_key; /* of secrets that are made; NULL or "": default */
	const char *ca_file; /* PEM; NULL or "": the system's */
	bool create;	     /* make a secret that is not there */
	const char *const *tags; /* "KEY=VALUE", of secrets that are made */
	size_t n_tags;
	bool announce; /* tag a secret with each rotation */
	/* With announce: when a secret that is rotated at at_us is due again;
	 * INT64_MAX: by command only.  Thread-safe; may be NULL. */
	int64_t (*next_due)(const void *arg, const char *name, int64_t at_us);
	const void *next_due_arg;
	bool fips;
	bool dualstack;
	int64_t timeout_us; /* one request; 0: http.h's */
	const struct now *now;
	const struct random *random; /* thread-safe */
};

/* Settings are checked, and AWS's files and, if it must, the instance's
 * metadata are asked for the region; Secrets Manager is not asked yet.
 * STATUS_CONFIG.  *ret_store: ops->close() frees it. */
enum status store_aws_open(const struct store_aws_options *o,
			   struct store **ret_store, struct reason *why);

#endif
