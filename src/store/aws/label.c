/* SPDX-License-Identifier: PostgreSQL */
/* Moves labels.  Must never move AWSCURRENT without naming the version that
 * loses it. */
#include "store/aws/common.h"

#include <string.h>

#include "base/text.h"
#include "store/aws/known.h"
#include "store/store_refuse.h"

static enum status move_stage(struct store_aws *s, const char *name,
			      const char *label, const char *to,
			      const char *from,
			      enum store_aws_api_fault *ret_fault,
			      struct reason *why)
{
	const char *pairs[7] = { "VersionStage", label };
	struct json_doc *answer = NULL;
	char secret[STORE_AWS_SECRET_SIZE];
	struct json_out body;
	size_t n = 2;
	enum status st = store_aws_ask_name(s, name, secret, why);

	*ret_fault = STORE_AWS_API_NONE;
	if (st != STATUS_OK)
		return st;
	if (to) {
		pairs[n++] = "MoveToVersionId";
		pairs[n++] = to;
	}
	if (from && *from) {
		pairs[n++] = "RemoveFromVersionId";
		pairs[n++] = from;
	}
	pairs[n] = NULL;
	body = store_aws_ask_body(secret, pairs);
	st = store_aws_api_do(&s->api, "UpdateSecretVersionStage", &body,
			      STORE_AWS_API_ONCE, &answer, ret_fault, why);
	json_doc_free(answer);
	return st;
}

/*
 * Found out before the password is applied: without this right it would be live,
 * and consumers would read the old one until somebody comes.  A version that is
 * not there is named, so that IAM decides, as it does before Secrets Manager
 * looks for anything, and nothing can be moved; and none that loses the label, so
 * that a version of this id, if there were one, would not get it either.
 */
enum status store_aws_label_may_move(struct store_aws *s, const char *name,
				     struct reason *why)
{
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	struct store_aws_known k, *kept;
	char unused[RANDOM_UUID_SIZE];
	struct reason said = { "" };
	enum status st;

	store_aws_known_load(s->known, name, &k);
	if (k.moves || (k.described && k.state.ours))
		return STATUS_OK;
	st = random_uuid(s->api.wire.random, unused);
	if (st != STATUS_OK)
		return reason_set(why, st, "no randomness");
	st = move_stage(s, name, "AWSCURRENT", unused, NULL, &fault, &said);
	if (st == STATUS_REFUSED && fault == STORE_AWS_API_OTHER)
		return reason_set(why, st, "%s", said.text);
	if (fault == STORE_AWS_API_ABSENT || fault == STORE_AWS_API_INVALID) {
		kept = store_memory_lock(s->known, name);
		kept->moves = true;
		store_memory_unlock(s->known);
	}
	return STATUS_OK;
}

static enum status refuse_conflict(struct store_aws *s, const char *name,
				   struct reason *why)
{
	return reason_set(why, STATUS_CONFLICT,
			  "the labels of %s%s were moved by somebody else",
			  s->prefix, name);
}

/* AWS said no to the move: has it happened already? */
static enum status promoted_already(struct store_aws *s, const char *name,
				    const char *id,
				    struct store_state *ret_state,
				    struct reason *why)
{
	struct store_aws_state state;
	const struct store_version *v;
	enum status st = store_aws_read_labels(s, name, &state, why);

	if (st != STATUS_OK)
		return STATUS_UNKNOWN;
	v = store_find_id(&state.state, id);
	if (!v || v->label != STORE_LABEL_CURRENT)
		return refuse_conflict(s, name, why);
	store_aws_tag_owed(s, name, id);
	if (ret_state)
		*ret_state = state.state;
	return STATUS_OK;
}

/* AWSPREVIOUS is the last good password or nothing: the version that a new
 * secret began with is neither.  No harm is done when it keeps the label. */
static void drop_placeholder(struct store_aws *s, const char *name)
{
	enum store_aws_api_fault fault;

	move_stage(s, name, "AWSPREVIOUS", NULL, STORE_AWS_STATE_PLACEHOLDER,
		   &fault, NULL);
}

/* CURRENT is to be moved to id.  Back to a version that is not new?  Then the
 * database was restored, or somebody else moved CURRENT on. */
static bool begin_move(struct store_aws *s, const char *name, const char *id)
{
	struct store_aws_known *k = store_memory_lock(s->known, name);
	const struct store_version *v = store_find_id(&k->state.state, id);
	bool back = !v || v->label != STORE_LABEL_PENDING;

	text_copy(k->owed, sizeof(k->owed), id);
	store_memory_unlock(s->known);
	return back;
}

static void end_move(struct store_aws *s, const char *name, const char *left)
{
	struct store_aws_known *k = store_memory_lock(s->known, name);

	text_copy(k->left, sizeof(k->left), left);
	k->moves = true;
	store_memory_unlock(s->known);
}

enum status store_aws_label_promote(struct store *store, const char *name,
				    const char *revision, const char *id,
				    struct store_state *ret_state,
				    struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	char current[RANDOM_UUID_SIZE], from[STORE_AWS_STATE_ID_SIZE] = "";
	char to[STORE_AWS_STATE_ID_SIZE];
	char flag = store_aws_state_revision(revision, current);
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	enum status st = STATUS_OK;
	bool back = false;

	if (strcmp(current, id) == 0)
		return promoted_already(s, name, id, ret_state, why);
	st = store_aws_read_writable(s, name, flag, why);
	if (st == STATUS_OK)
		st = store_aws_read_id(s, name, id, to, why);
	if (st == STATUS_OK && current[0])
		st = store_aws_read_id(s, name, current, from, why);
	if (st == STATUS_NOT_FOUND)
		st = STATUS_REFUSED;
	if (st == STATUS_OK) {
		back = begin_move(s, name, id);
		st = move_stage(s, name, "AWSCURRENT", to, from, &fault, why);
	}
	if (fault == STORE_AWS_API_INVALID) {
		st = promoted_already(s, name, id, ret_state, why);
	} else if (fault == STORE_AWS_API_ABSENT) {
		st = store_refuse_absent(STATUS_REFUSED, s->name, name, id,
					 why);
	} else if (st == STATUS_OK) {
		st = store_aws_read_after(s, name, revision,
					  store_aws_state_promoted, id,
					  ret_state, why);
		end_move(s, name, back ? from : "");
		if (strcmp(from, STORE_AWS_STATE_PLACEHOLDER) == 0)
			drop_placeholder(s, name);
		store_aws_tag_announce(s, name, id);
	}
	return store_refuse_wrap(s->name, st, why);
}

/* What was promoted keeps AWSPENDING, and AWS would take it off without a word:
 * such a version is not pending, and must not be forgotten for it. */
static enum status may_retire(struct store_aws *s, const char *name,
			      const char *revision, const char *id,
			      struct reason *why)
{
	struct store_aws_state state;
	const struct store_version *v;
	enum status st = STATUS_OK;

	if (!store_aws_known_recall(s->known, name, revision, &state))
		st = store_aws_read_labels(s, name, &state, why);
	if (st != STATUS_OK)
		return st;
	v = store_find_id(&state.state, id);
	if (!v || v->label == STORE_LABEL_PENDING ||
	    v->label == STORE_LABEL_RING)
		return STATUS_OK;
	return store_refuse_move(STORE_VERSIONS_LABELLED, s->name, name, id,
				 &state.state, why);
}

enum status store_aws_label_retire(struct store *store, const char *name,
				   const char *revision, const char *id,
				   struct store_state *ret_state,
				   struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	char from[STORE_AWS_STATE_ID_SIZE];
	struct store_aws_state state;
	const struct store_version *v;
	enum status st = store_aws_read_id(s, name, id, from, why);

	if (st == STATUS_NOT_FOUND)
		st = STATUS_REFUSED;
	if (st == STATUS_OK)
		st = may_retire(s, name, revision, id, why);
	if (st == STATUS_OK)
		st = move_stage(s, name, "AWSPENDING", NULL, from, &fault, why);
	if (fault == STORE_AWS_API_INVALID) {
		/* It does not have the label (any more). */
		st = store_aws_read_labels(s, name, &state, why);
		v = st == STATUS_OK ? store_find_id(&state.state, id) : NULL;
		if (v)
			st = refuse_conflict(s, name, why);
		else if (st == STATUS_OK && ret_state)
			*ret_state = state.state;
	} else if (st == STATUS_OK) {
		st = store_aws_read_after(s, name, revision,
					  store_aws_state_retired, id,
					  ret_state, why);
	}
	return store_refuse_wrap(s->name, st, why);
}

enum status store_aws_label_ready(struct store *store, const char *name,
				  struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	char secret[STORE_AWS_SECRET_SIZE];
	struct store_aws_known k;
	enum status st = store_aws_ask_name(s, name, secret, why);

	if (st != STATUS_OK)
		return store_refuse_wrap(s->name, st, why);
	store_aws_known_load(s->known, name, &k);
	if (!k.described)
		st = store_aws_read_labels(s, name, &k.state, why);
	if (st == STATUS_OK)
		st = store_aws_read_writable(s, name, k.state.flag, why);
	if (st == STATUS_OK && !k.state.exists && !s->create)
		st = store_aws_read_absent(s, secret, why);
	else if (st == STATUS_OK && k.state.exists)
		st = store_aws_label_may_move(s, name, why);
	return store_refuse_wrap(s->name, st, why);
}

/*
 * AWSPREVIOUS loses its label.  It comes back to a version when AWSCURRENT leaves
 * that, and AWS compares nothing but which one AWSCURRENT leaves: for a pair
 * CURRENT is another version by now, which no earlier request knows (by_label in
 * store.h).
 */
enum status store_aws_label_withdraw(struct store *store, const char *name,
				     const char *revision,
				     struct store_state *ret_state,
				     struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	char from[STORE_AWS_STATE_ID_SIZE];
	const struct store_version *v;
	struct store_aws_state state;
	enum status st = store_aws_read_labels(s, name, &state, why);

	if (st != STATUS_OK)
		return store_refuse_wrap(s->name, st, why);
	if (strcmp(state.state.revision, revision) != 0)
		return refuse_conflict(s, name, why);
	v = store_find_label(&state.state, STORE_LABEL_PREVIOUS);
	if (v) {
		st = store_aws_read_id(s, name, v->id, from, why);
		if (st == STATUS_OK)
			st = move_stage(s, name, "AWSPREVIOUS", NULL, from,
					&fault, why);
		if (fault == STORE_AWS_API_INVALID)
			st = refuse_conflict(s, name, why);
		if (st == STATUS_OK)
			st = store_aws_read_labels(s, name, &state, why);
	}
	if (st == STATUS_OK && ret_state)
		*ret_state = state.state;
	return store_refuse_wrap(s->name, st, why);
}
