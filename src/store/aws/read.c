/* SPDX-License-Identifier: PostgreSQL */
/* Labels and contents as they are in Secrets Manager.  Must never take one
 * version for another. */
#include "store/aws/common.h"

#include <string.h>

#include "base/text.h"
#include "store/aws/content.h"
#include "store/aws/known.h"
#include "store/store_refuse.h"

#define PAGES_MAX 20

enum status store_aws_read_labels(struct store_aws *s, const char *name,
				  struct store_aws_state *ret,
				  struct reason *why)
{
	static const char *const none[] = { NULL };
	enum store_aws_api_fault fault;
	struct store_aws_known *k;
	struct json_doc *answer = NULL;
	char secret[STORE_AWS_SECRET_SIZE];
	struct json_out body;
	enum status st = store_aws_ask_name(s, name, secret, why);

	if (st != STATUS_OK)
		return st;
	body = store_aws_ask_body(secret, none);
	st = store_aws_api_do(&s->api, "DescribeSecret", &body,
			      STORE_AWS_API_READ, &answer, &fault, why);
	if (st != STATUS_OK && fault == STORE_AWS_API_ABSENT) {
		store_aws_state_absent(ret);
		reason_clear(why);
		st = STATUS_OK;
	} else if (st == STATUS_OK) {
		st = store_aws_state_read(answer, secret, s->api.region, ret,
					  why);
	}
	json_doc_free(answer);
	if (st != STATUS_OK)
		return st;
	store_aws_known_remember(s->known, name, ret);
	if (ret->left[0]) {
		k = store_memory_lock(s->known, name);
		text_copy(k->left, sizeof(k->left), ret->left);
		store_memory_unlock(s->known);
	}
	return STATUS_OK;
}

enum status store_aws_read_id(struct store_aws *s, const char *name,
			      const char *id,
			      char real[STORE_AWS_STATE_ID_SIZE],
			      struct reason *why)
{
	struct store_aws_known k;
	const char *found = NULL;
	enum status st;

	if (!store_aws_state_is_alias(id)) {
		text_copy(real, STORE_AWS_STATE_ID_SIZE, id);
		return STATUS_OK;
	}
	store_aws_known_load(s->known, name, &k);
	found = store_aws_state_real(&k.state, id);
	if (!found) {
		st = store_aws_read_labels(s, name, &k.state, why);
		if (st != STATUS_OK)
			return st;
		found = store_aws_state_real(&k.state, id);
	}
	if (!found)
		return store_refuse_absent(STATUS_NOT_FOUND, s->name, name, id,
					   why);
	text_copy(real, STORE_AWS_STATE_ID_SIZE, found);
	return STATUS_OK;
}

enum status store_aws_read_content(struct store_aws *s, const char *name,
				   const char *real, struct json_doc **ret,
				   struct reason *why)
{
	const char *const pairs[] = { "VersionId", real, NULL };
	enum store_aws_api_fault fault;
	struct json_doc *answer = NULL;
	char secret[STORE_AWS_SECRET_SIZE];
	struct json_out body;
	enum status st = store_aws_ask_name(s, name, secret, why);

	if (st != STATUS_OK)
		return st;
	body = store_aws_ask_body(secret, pairs);
	st = store_aws_api_do(&s->api, "GetSecretValue", &body,
			      STORE_AWS_API_READ, &answer, &fault, why);
	if (st != STATUS_OK && fault == STORE_AWS_API_ABSENT)
		st = store_refuse_absent(STATUS_NOT_FOUND, s->name, name, real,
					 why);
	/* Never another version instead. */
	if (st == STATUS_OK &&
	    !json_doc_says(json_doc_get(answer, "VersionId"), real))
		st = reason_set(
			why, STATUS_CORRUPT,
			"Secrets Manager was asked for version %s of %s "
			"and gave another one",
			real, secret);
	if (st == STATUS_OK)
		st = store_aws_content_read(answer, secret, ret, why);
	json_doc_free(answer);
	if (st == STATUS_OK)
		store_aws_known_remember_content(s->known, name, real, *ret);
	return st;
}

static struct json_out page_request(const char *secret, const char *token)
{
	const char *const pairs[] = { token ? "NextToken" : NULL, token, NULL };
	struct json_out body = store_aws_ask_body(secret, pairs);

	json_out_bool(&body, "IncludeDeprecated", true);
	json_out_int(&body, "MaxResults", 100);
	return body;
}

/* The versions without label, too. */
static enum status add_history(struct store_aws *s, const char *name,
			       struct store_aws_state *state,
			       struct reason *why)
{
	struct json_doc *page = NULL, *next = NULL;
	enum store_aws_api_fault fault;
	char secret[STORE_AWS_SECRET_SIZE];
	const char *token = NULL;
	struct json_out body;
	enum status st = store_aws_ask_name(s, name, secret, why);

	/* A page may be empty and have a successor; there is an end to it. */
	for (int pages = 0; st == STATUS_OK && pages < PAGES_MAX; pages++) {
		next = NULL;
		body = page_request(secret, token);
		st = store_aws_api_do(&s->api, "ListSecretVersionIds", &body,
				      STORE_AWS_API_READ, &next, &fault, why);
		if (st != STATUS_OK)
			break;
		json_doc_free(page);
		page = next;
		store_aws_state_history(state, json_doc_get(page, "Versions"));
		token = json_doc_text(json_doc_get(page, "NextToken"));
		if (!token || !*token)
			break;
	}
	json_doc_free(page);
	return st;
}

/*
 * The labels are one call, the history is a second one that a rotation in the
 * steady state does not need.  So the first answer leaves it out and says so,
 * unless something is open; a caller that misses a version asks again.
 */
enum status store_aws_read_describe(struct store *store, const char *name,
				    struct store_state *ret_state,
				    struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	struct store_aws_state state;
	const struct store_version *current;
	enum status st = store_aws_read_labels(s, name, &state, why);
	struct store_aws_known k;
	bool full;

	store_aws_known_load(s->known, name, &k);
	full = st == STATUS_OK && state.exists &&
	       (k.brief || store_aws_state_is_open(&state));
	if (full)
		st = add_history(s, name, &state, why);
	if (st != STATUS_OK)
		return reason_wrap(why, st, "store %s", s->name);
	/* The answer to moving CURRENT was lost, and it has moved. */
	current = store_find_label(&state.state, STORE_LABEL_CURRENT);
	if (current)
		store_aws_tag_owed(s, name, current->id);
	store_aws_known_set_brief(s->known, name, state.exists && !full);
	*ret_state = state.state;
	ret_state->remembered = state.exists && !full;
	return STATUS_OK;
}

enum status store_aws_read_fetch(struct store *store, const char *name,
				 const char *id, struct store_entry *ret_entry,
				 struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	char real[STORE_AWS_STATE_ID_SIZE], secret[STORE_AWS_SECRET_SIZE];
	struct json_doc *content = NULL;
	enum status st;

	st = store_refuse_id(id, why);
	if (st == STATUS_OK)
		st = store_aws_read_id(s, name, id, real, why);
	if (st == STATUS_OK)
		st = store_aws_read_content(s, name, real, &content, why);
	if (st == STATUS_OK)
		st = store_aws_ask_name(s, name, secret, why);
	if (st == STATUS_OK)
		st = store_aws_content_entry(content, secret, ret_entry, why);
	json_doc_free(content);
	return store_refuse_wrap(s->name, st, why);
}

enum status store_aws_read_after(struct store_aws *s, const char *name,
				 const char *revision,
				 store_aws_state_change_fn *change,
				 const char *id, struct store_state *ret_state,
				 struct reason *why)
{
	struct store_aws_state state;
	enum status st = STATUS_OK;

	store_aws_known_set_brief(s->known, name, false);
	if (revision &&
	    store_aws_known_recall(s->known, name, revision, &state) &&
	    change(&state, id, aws_call_now(&s->api.wire)) == STATUS_OK)
		store_aws_known_remember(s->known, name, &state);
	else
		st = store_aws_read_labels(s, name, &state, why);
	if (st == STATUS_OK && ret_state)
		*ret_state = state.state;
	/* What was written is written: only its picture is missing. */
	return st == STATUS_OK ? st : STATUS_UNKNOWN;
}

enum status store_aws_read_writable(struct store_aws *s, const char *name,
				    char flag, struct reason *why)
{
	const char *what;

	switch (flag) {
	case STORE_AWS_STATE_OURS:
		return STATUS_OK;
	case STORE_AWS_STATE_ROTATED:
		what = "has a rotation of its own in AWS; two rotators would "
		       "undo each other: cancel that one first (aws "
		       "secretsmanager cancel-rotate-secret)";
		break;
	case STORE_AWS_STATE_OWNED:
		what = "belongs to a service of AWS, which rotates it itself";
		break;
	default:
		what = "is a replica; it is written to in its primary region: "
		       "set region to that";
		break;
	}
	return reason_set(why, STATUS_REFUSED, "the secret %s%s %s", s->prefix,
			  name, what);
}

enum status store_aws_read_absent(struct store_aws *s, const char *secret,
				  struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "there is no secret %s in %s: make it, or let "
			  "keyturn (create = yes)",
			  secret, s->api.region);
}
