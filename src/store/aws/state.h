/* SPDX-License-Identifier: PostgreSQL */
/*
 * What DescribeSecret says, in the words of store.h.
 *
 * AWS's version ids have up to 64 characters and need not be UUIDs (Terraform's
 * are not); such a one is known to us by an alias, a version 8 UUID made of its
 * hash.  The revision begins with CURRENT's id, because that is what AWS
 * compares: UpdateSecretVersionStage names the version that loses the label.
 */
#ifndef KEYTURN_STORE_AWS_STATE_H
#define KEYTURN_STORE_AWS_STATE_H

#include "store/store.h"
#include "json/json_doc.h"

#define STORE_AWS_STATE_ID_SIZE 65

/*
 * The first version of a secret gets AWSCURRENT whatever one asks for.  So that
 * CURRENT never is a password that was not live yet, a new secret begins with
 * this version, which has none.
 */
#define STORE_AWS_STATE_PLACEHOLDER "6b657974-7572-4e00-8000-000000000000"

struct store_aws_state {
	struct store_state state;
	size_t n_aliases; /* of versions whose id is not AWS's */
	struct store_aws_alias {
		char id[RANDOM_UUID_SIZE];
		char real[STORE_AWS_STATE_ID_SIZE]; /* AWS's */
	} aliases[STORE_VERSIONS_MAX];
	char current[STORE_AWS_STATE_ID_SIZE]; /* AWS's id, the placeholder too;
						* "": nothing has AWSCURRENT */
	bool exists;
	bool ours;  /* our tags: it was us who made CURRENT what it is */
	bool plain; /* our tags: CURRENT has no keys but ours */
	char left[STORE_AWS_STATE_ID_SIZE]; /* our tags: CURRENT was moved back
					     * from it, and the keys are there;
					     * or "" */
	char flag;			    /* of enum below */
};

/* Tags that tell other tools of a rotation.  Those of time and keys are about
 * the version that the first one names, and about no other. */
#define STORE_AWS_STATE_TAG_VERSION "keyturn:version"
#define STORE_AWS_STATE_TAG_ROTATED "keyturn:last-rotated"
#define STORE_AWS_STATE_TAG_DUE	    "keyturn:next-due"
#define STORE_AWS_STATE_TAG_KEYS \
	"keyturn:other-keys" /* NONE, KEPT, or AWS's
							  * id of the version
							  * that has them */
#define STORE_AWS_STATE_KEYS_NONE "none"
#define STORE_AWS_STATE_KEYS_KEPT "kept"

enum store_aws_state_flag {
	STORE_AWS_STATE_OURS = 'o',
	STORE_AWS_STATE_ROTATED = 'r', /* has a rotation of its own */
	STORE_AWS_STATE_OWNED = 's',   /* belongs to a service of AWS */
	STORE_AWS_STATE_REPLICA = 'c'  /* written to in another region */
};

/* STATUS_CORRUPT: an answer without sense; STATUS_REFUSED: marked deleted. */
enum status store_aws_state_read(const struct json_doc *described,
				 const char *secret, const char *region,
				 struct store_aws_state *ret,
				 struct reason *why);

/* No such secret. */
void store_aws_state_absent(struct store_aws_state *s);

/* A page of ListSecretVersionIds: versions without label are the ring, the
 * newest of them as far as there is room. */
void store_aws_state_history(struct store_aws_state *s,
			     const struct json_doc *versions);

/* Is AWSPENDING on a version of its own? */
bool store_aws_state_is_open(const struct store_aws_state *s);

/* After a PutSecretValue with AWSPENDING, after AWSCURRENT moved to id, and after
 * AWSPENDING was taken off it: what DescribeSecret would say.  A version without
 * label is left out, as it does; fetch() still has it.  STATUS_LIMIT: there is no
 * room for it. */
typedef enum status store_aws_state_change_fn(struct store_aws_state *s,
					      const char *id, int64_t now_us);
store_aws_state_change_fn store_aws_state_staged, store_aws_state_promoted,
	store_aws_state_retired;

/* AWS's id of ours; NULL when an alias is not known here. */
const char *store_aws_state_real(const struct store_aws_state *s,
				 const char *id);

/* Is id an alias, which only a state can translate? */
bool store_aws_state_is_alias(const char *id);

/* The parts of a revision: CURRENT as we know it ("" for none) and the flag. */
char store_aws_state_revision(const char *revision,
			      char current[RANDOM_UUID_SIZE]);

#endif
