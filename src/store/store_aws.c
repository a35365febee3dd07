/* SPDX-License-Identifier: PostgreSQL */
/*
 * The store in AWS Secrets Manager.  Must never write a version that was not
 * asked for, nor move AWSCURRENT without naming the version that loses it.
 */
#include "store/store_aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "store/store_aws_api.h"
#include "store/store_aws_content.h"
#include "store/store_aws_known.h"
#include "store/store_aws_state.h"

#define PREFIX_SIZE 128
#define SECRET_SIZE (PREFIX_SIZE + STORE_NAME_SIZE)
#define VALUE_MAX   65536
#define PAGES_MAX   20
#define NAME_BYTES                                             \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" \
	"0123456789/_+=.@-"

struct store_aws {
	struct store store; /* first: what the caller holds */
	struct store_aws_api api;
	char *name;
	char prefix[PREFIX_SIZE];
	char *kms_key;
	struct doc *tags; /* [{"Key","Value"}], or NULL */
	bool create;
	bool announce;
	int64_t (*next_due)(const void *arg, const char *name, int64_t at_us);
	const void *next_due_arg;
	struct store_aws_known *known;
};

/* --- requests ------------------------------------------------------------------ */

/* AWS refuses other names, and some ends look like a part of an ARN. */
static enum status make_name(struct store_aws *s, const char *name,
			     char secret[SECRET_SIZE], struct reason *why)
{
	size_t n;

	if (!*name || strlen(name) >= STORE_NAME_SIZE)
		return reason_set(why, STATUS_REFUSED,
				  "the name of a secret has 1 to %d bytes",
				  STORE_NAME_SIZE - 1);
	n = (size_t)snprintf(secret, SECRET_SIZE, "%s%s", s->prefix, name);
	if (strspn(secret, NAME_BYTES) != n)
		return reason_set(why, STATUS_REFUSED,
				  "AWS takes no secret named %s: letters, "
				  "digits and /_+=.@- only",
				  secret);
	if (n > 7 && secret[n - 7] == '-' &&
	    strspn(secret + n - 6, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == 6)
		return reason_set(
			why, STATUS_REFUSED,
			"the secret's name %s ends in a hyphen and "
			"six characters, which AWS confuses with the "
			"end of an ARN: choose another prefix or name",
			secret);
	return STATUS_OK;
}

/* {"SecretId": secret, key: value, ...}, keys and values in pairs up to NULL;
 * NULL without memory. */
static struct doc *make_request(const char *secret, const char *const *pairs)
{
	struct doc *d = doc_new_object();
	enum status s;

	if (!d)
		return NULL;
	s = doc_set_text(d, "SecretId", secret);
	for (; *pairs && s == STATUS_OK; pairs += 2)
		s = doc_set_text(d, pairs[0], pairs[1]);
	if (s == STATUS_OK)
		return d;
	doc_free(d);
	return NULL;
}

static enum status request(struct store_aws *s, const char *action,
			   struct doc *body, enum store_aws_api_kind kind,
			   struct doc **ret,
			   enum store_aws_api_fault *ret_fault,
			   struct reason *why)
{
	enum status st;

	*ret_fault = STORE_AWS_API_NONE;
	if (!body)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	st = store_aws_api_do(&s->api, action, body, kind, ret, ret_fault, why);
	doc_free(body);
	return st;
}

/* A member of an answer is what it should be? */
static bool says(const struct doc *answer, const char *key, const char *value)
{
	const char *said = doc_text(doc_get(answer, key));

	return said && strcmp(said, value) == 0;
}

static bool lists(const struct doc *answer, const char *key, const char *value)
{
	const struct doc *list = doc_get(answer, key);

	for (size_t i = 0; i < doc_count(list); i++) {
		const char *said = doc_text(doc_at(list, i));

		if (said && strcmp(said, value) == 0)
			return true;
	}
	return false;
}

static enum status look(struct store_aws *s, const char *name,
			struct store_aws_state *ret, struct reason *why)
{
	static const char *const none[] = { NULL };
	enum store_aws_api_fault fault;
	struct doc *answer = NULL;
	char secret[SECRET_SIZE];
	enum status st = make_name(s, name, secret, why);

	if (st != STATUS_OK)
		return st;
	st = request(s, "DescribeSecret", make_request(secret, none),
		     STORE_AWS_API_READ, &answer, &fault, why);
	if (st != STATUS_OK && fault == STORE_AWS_API_ABSENT) {
		store_aws_state_absent(ret);
		reason_clear(why);
		st = STATUS_OK;
	} else if (st == STATUS_OK) {
		st = store_aws_state_read(answer, secret, s->api.region, ret,
					  why);
	}
	doc_free(answer);
	if (st == STATUS_OK)
		store_aws_known_remember(s->known, name, ret);
	return st;
}

/* AWS's id of one of ours. */
static enum status real_id(struct store_aws *s, const char *name,
			   const char *id, char real[STORE_AWS_STATE_ID_SIZE],
			   struct reason *why)
{
	struct store_aws_state state;
	const char *found = NULL;
	enum status st;

	if (!store_aws_state_is_alias(id)) {
		text_copy(real, STORE_AWS_STATE_ID_SIZE, id);
		return STATUS_OK;
	}
	if (store_aws_known_recall(s->known, name, NULL, &state))
		found = store_aws_state_real(&state, id);
	if (!found) {
		st = look(s, name, &state, why);
		if (st != STATUS_OK)
			return st;
		found = store_aws_state_real(&state, id);
	}
	if (!found)
		return reason_set(why, STATUS_NOT_FOUND,
				  "store %s has no version %s of %s", s->name,
				  id, name);
	text_copy(real, STORE_AWS_STATE_ID_SIZE, found);
	return STATUS_OK;
}

/* The content of the version with AWS's id. */
static enum status get(struct store_aws *s, const char *name, const char *real,
		       struct doc **ret, struct reason *why)
{
	const char *const pairs[] = { "VersionId", real, NULL };
	enum store_aws_api_fault fault;
	struct doc *answer = NULL;
	char secret[SECRET_SIZE];
	enum status st = make_name(s, name, secret, why);

	if (st != STATUS_OK)
		return st;
	st = request(s, "GetSecretValue", make_request(secret, pairs),
		     STORE_AWS_API_READ, &answer, &fault, why);
	if (st != STATUS_OK && fault == STORE_AWS_API_ABSENT)
		st = reason_set(why, STATUS_NOT_FOUND,
				"store %s has no version %s of %s", s->name,
				real, name);
	/* Never another version instead. */
	if (st == STATUS_OK && !says(answer, "VersionId", real))
		st = reason_set(
			why, STATUS_CORRUPT,
			"Secrets Manager was asked for version %s of %s "
			"and gave another one",
			real, secret);
	if (st == STATUS_OK)
		st = store_aws_content_read(answer, secret, ret, why);
	doc_free(answer);
	if (st == STATUS_OK)
		store_aws_known_remember_content(s->known, name, real, *ret);
	return st;
}

/* --- reading ------------------------------------------------------------------- */

static enum status canary(struct store *store, struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	struct aws_key key = { .id = "" };
	enum status st = aws_credentials_get(s->api.credentials, &key, why);

	aws_key_clear(&key);
	return st == STATUS_OK ? st : reason_wrap(why, st, "store %s", s->name);
}

static struct doc *page_request(const char *secret, const char *token)
{
	const char *const pairs[] = { token ? "NextToken" : NULL, token, NULL };
	struct doc *d = make_request(secret, pairs);

	if (d && doc_set_bool(d, "IncludeDeprecated", true) == STATUS_OK &&
	    doc_set_int(d, "MaxResults", 100) == STATUS_OK)
		return d;
	doc_free(d);
	return NULL;
}

/* The versions without label, too. */
static enum status add_history(struct store_aws *s, const char *name,
			       struct store_aws_state *state,
			       struct reason *why)
{
	struct doc *page = NULL, *next = NULL;
	enum store_aws_api_fault fault;
	char secret[SECRET_SIZE];
	const char *token = NULL;
	enum status st = make_name(s, name, secret, why);

	/* A page may be empty and have a successor; there is an end to it. */
	for (int pages = 0; st == STATUS_OK && pages < PAGES_MAX; pages++) {
		next = NULL;
		st = request(s, "ListSecretVersionIds",
			     page_request(secret, token), STORE_AWS_API_READ,
			     &next, &fault, why);
		if (st != STATUS_OK)
			break;
		doc_free(page);
		page = next;
		store_aws_state_history(state, doc_get(page, "Versions"));
		token = doc_text(doc_get(page, "NextToken"));
		if (!token || !*token)
			break;
	}
	doc_free(page);
	return st;
}

/*
 * The labels are one call, the history is a second one that a rotation in the
 * steady state does not need.  So the first answer leaves it out and says so,
 * unless something is open; who misses a version in it asks again.
 */
static enum status describe(struct store *store, const char *name,
			    struct store_state *ret_state, struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	struct store_aws_state state;
	enum status st = look(s, name, &state, why);
	bool full = st == STATUS_OK && state.exists &&
		    (store_aws_known_was_brief(s->known, name) ||
		     store_aws_state_is_open(&state));

	if (full)
		st = add_history(s, name, &state, why);
	if (st != STATUS_OK)
		return reason_wrap(why, st, "store %s", s->name);
	store_aws_known_set_brief(s->known, name, state.exists && !full);
	*ret_state = state.state;
	ret_state->remembered = state.exists && !full;
	return STATUS_OK;
}

static enum status fetch(struct store *store, const char *name, const char *id,
			 struct store_entry *ret_entry, struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	char real[STORE_AWS_STATE_ID_SIZE], secret[SECRET_SIZE];
	struct doc *content = NULL;
	enum status st;

	if (!encode_is_uuid(id))
		return reason_set(why, STATUS_REFUSED,
				  "a version id must be a lower-case UUID");
	st = real_id(s, name, id, real, why);
	if (st == STATUS_OK)
		st = get(s, name, real, &content, why);
	if (st == STATUS_OK)
		st = make_name(s, name, secret, why);
	if (st == STATUS_OK)
		st = store_aws_content_entry(content, secret, ret_entry, why);
	doc_free(content);
	return st == STATUS_OK ? st : reason_wrap(why, st, "store %s", s->name);
}

/* --- staging ------------------------------------------------------------------- */

static enum status check_flag(struct store_aws *s, const char *name, char flag,
			      struct reason *why)
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

/* content as SecretString of a request; it is taken out of memory again with
 * the request. */
static enum status add_value(struct doc *body, const struct doc *content,
			     const char *secret, struct reason *why)
{
	struct secret *value = NULL;
	enum status st = doc_write_secret(content, &value);

	if (st == STATUS_LIMIT ||
	    (st == STATUS_OK && secret_len(value) > VALUE_MAX))
		st = reason_set(
			why, STATUS_REFUSED,
			"the value of %s would have more than %d bytes, "
			"which AWS refuses",
			secret, VALUE_MAX);
	else if (st == STATUS_OK)
		st = doc_set_secret(body, "SecretString", value);
	if (st != STATUS_OK && st != STATUS_REFUSED)
		reason_set(why, st, "no memory for the value of %s", secret);
	secret_free(value);
	return st;
}

/* The request that makes the secret, or its first version. */
static struct doc *first_request(struct store_aws *s, const char *secret,
				 bool exists)
{
	const char *const pairs[] = { "ClientRequestToken",
				      STORE_AWS_STATE_PLACEHOLDER, NULL };
	struct doc *body = make_request(secret, pairs);
	enum status st = STATUS_OK;

	if (!body || exists)
		return body;
	doc_remove(body, "SecretId");
	st = doc_set_text(body, "Name", secret);
	if (st == STATUS_OK)
		st = doc_set_text(body, "Description",
				  "PostgreSQL role, rotated by keyturn");
	if (st == STATUS_OK && s->kms_key)
		st = doc_set_text(body, "KmsKeyId", s->kms_key);
	if (st == STATUS_OK && s->tags)
		st = doc_set(body, "Tags", doc_clone(s->tags));
	if (st == STATUS_OK)
		return body;
	doc_free(body);
	return NULL;
}

/* A secret that is new, or has no version: the first one is no password. */
static enum status begin_secret(struct store_aws *s, const char *name,
				const char *secret,
				const struct store_entry *entry, bool exists,
				struct reason *why)
{
	struct store_entry empty = *entry;
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	struct doc *body, *content = doc_new_object(), *answer = NULL;
	enum status st = STATUS_NO_MEMORY;

	if (!exists && !s->create) {
		doc_free(content);
		return reason_set(
			why, STATUS_REFUSED,
			"there is no secret %s in %s: make it, or let "
			"keyturn (create = yes)",
			secret, s->api.region);
	}
	empty.password = NULL;
	body = first_request(s, secret, exists);
	if (body && content)
		st = store_aws_content_fill(content, &empty, why);
	if (st == STATUS_OK)
		st = add_value(body, content, secret, why);
	if (st == STATUS_OK) {
		st = request(s, exists ? "PutSecretValue" : "CreateSecret",
			     body, STORE_AWS_API_REPEAT, &answer, &fault, why);
		body = NULL;
	}
	if (fault == STORE_AWS_API_EXISTS)
		st = reason_set(why, STATUS_CONFLICT,
				"%s was made by somebody else at this moment",
				secret);
	if (st == STATUS_OK)
		store_aws_known_remember_content(
			s->known, name, STORE_AWS_STATE_PLACEHOLDER, content);
	doc_free(body);
	doc_free(answer);
	doc_free(content);
	return st;
}

/* What the new version begins as: CURRENT's other keys. */
static enum status base_content(struct store_aws *s, const char *name,
				const char *current, struct doc **ret,
				struct reason *why)
{
	char real[STORE_AWS_STATE_ID_SIZE];
	struct doc *content;
	enum status st = real_id(s, name, current, real, why);

	if (st != STATUS_OK)
		return st;
	content = store_aws_known_recall_content(s->known, name, real);
	if (!content)
		st = get(s, name, real, &content, why);
	/* Whatever is there, it is not overwritten. */
	if (st == STATUS_CORRUPT)
		st = STATUS_REFUSED;
	if (st == STATUS_OK)
		*ret = content;
	return st;
}

static enum status put_pending(struct store_aws *s, const char *name,
			       const char *secret, const char *id,
			       const struct doc *content, struct doc **ret,
			       struct reason *why)
{
	const char *const pairs[] = { "ClientRequestToken", id, NULL };
	struct doc *body = make_request(secret, pairs);
	struct doc *stages = doc_new_array();
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	enum status st = STATUS_NO_MEMORY;

	if (body && stages)
		st = doc_push_text(stages, "AWSPENDING");
	if (st == STATUS_OK) {
		st = doc_set(body, "VersionStages", stages);
		stages = NULL;
	}
	if (st == STATUS_OK)
		st = add_value(body, content, secret, why);
	if (st == STATUS_OK) {
		st = request(s, "PutSecretValue", body, STORE_AWS_API_REPEAT,
			     ret, &fault, why);
		body = NULL;
	} else if (st == STATUS_NO_MEMORY) {
		reason_set(why, st, "out of memory");
	}
	if (fault == STORE_AWS_API_EXISTS)
		st = reason_set(why, STATUS_REFUSED,
				"version %s of %s exists with another content: "
				"make a new version",
				id, name);
	if (fault == STORE_AWS_API_ABSENT)
		st = reason_set(why, STATUS_CONFLICT,
				"the secret %s is not there any more", secret);
	doc_free(stages);
	doc_free(body);
	return st;
}

/* After a write: the state as it must be now, or as AWS says. */
static enum status after(
	struct store_aws *s, const char *name, const char *revision,
	void (*change)(struct store_aws_state *, const char *, int64_t),
	const char *id, struct store_state *ret_state, struct reason *why)
{
	struct store_aws_state state;
	enum status st = STATUS_OK;

	store_aws_known_set_brief(s->known, name, false);
	if (store_aws_known_recall(s->known, name, revision, &state)) {
		change(&state, id, aws_call_now(&s->api.wire));
		store_aws_known_remember(s->known, name, &state);
	} else {
		st = look(s, name, &state, why);
	}
	if (st == STATUS_OK && ret_state)
		*ret_state = state.state;
	/* What was written is written: only its picture is missing. */
	return st == STATUS_OK ? st : STATUS_UNKNOWN;
}

static enum status check_stage(const char *id, const struct store_entry *entry,
			       struct reason *why)
{
	if (!encode_is_uuid(id) || store_aws_state_is_alias(id))
		return reason_set(why, STATUS_REFUSED,
				  "a version id must be a lower-case UUID of "
				  "another version than 8");
	if (!entry->password || secret_len(entry->password) == 0)
		return reason_set(why, STATUS_REFUSED,
				  "an empty password is not stored");
	return STATUS_OK;
}

static enum status stage(struct store *store, const char *name,
			 const char *revision, const char *id,
			 const struct store_entry *entry,
			 struct store_state *ret_state, struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	char secret[SECRET_SIZE], current[RANDOM_UUID_SIZE];
	struct doc *content = NULL, *answer = NULL;
	char flag = store_aws_state_revision(revision, current);
	bool begun = current[0] != '\0';
	enum status st;

	st = check_stage(id, entry, why);
	if (st == STATUS_OK)
		st = make_name(s, name, secret, why);
	if (st == STATUS_OK)
		st = check_flag(s, name, flag, why);
	if (st == STATUS_OK && !begun) {
		st = begin_secret(s, name, secret, entry, revision[0] != '\0',
				  why);
		text_copy(current, sizeof(current),
			  STORE_AWS_STATE_PLACEHOLDER);
	}
	if (st == STATUS_OK)
		st = base_content(s, name, current, &content, why);
	if (st == STATUS_OK)
		st = store_aws_content_fill(content, entry, why);
	if (st == STATUS_OK)
		st = put_pending(s, name, secret, id, content, &answer, why);
	if (st == STATUS_OK && !says(answer, "VersionId", id))
		st = reason_set(
			why, STATUS_UNKNOWN,
			"Secrets Manager took version %s of %s and names "
			"another one",
			id, secret);
	/* A repeat of what already happened does not move the label back. */
	if (st == STATUS_OK)
		st = after(s, name,
			   begun && lists(answer, "VersionStages",
					  "AWSPENDING") ?
				   revision :
				   "-",
			   store_aws_state_staged, id, ret_state, why);
	doc_free(content);
	doc_free(answer);
	return st == STATUS_OK ? st : reason_wrap(why, st, "store %s", s->name);
}

/* --- labels -------------------------------------------------------------------- */

static enum status move(struct store_aws *s, const char *name,
			const char *label, const char *to, const char *from,
			enum store_aws_api_fault *ret_fault, struct reason *why)
{
	const char *pairs[7] = { "VersionStage", label };
	struct doc *answer = NULL;
	char secret[SECRET_SIZE];
	size_t n = 2;
	enum status st = make_name(s, name, secret, why);

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
	st = request(s, "UpdateSecretVersionStage", make_request(secret, pairs),
		     STORE_AWS_API_ONCE, &answer, ret_fault, why);
	doc_free(answer);
	return st;
}

static enum status conflict(struct store_aws *s, const char *name,
			    struct reason *why)
{
	return reason_set(why, STATUS_CONFLICT,
			  "the labels of %s%s were moved by somebody else",
			  s->prefix, name);
}

static enum status add_one_tag(struct doc *tags, const char *key,
			       const char *value)
{
	struct doc *tag = doc_new_object();
	enum status st = tag ? doc_set_text(tag, "Key", key) : STATUS_NO_MEMORY;

	if (st == STATUS_OK)
		st = doc_set_text(tag, "Value", value);
	if (st == STATUS_OK)
		return doc_push(tags, tag);
	doc_free(tag);
	return st;
}

/* The tags that tell other tools of a rotation; NULL without memory. */
static struct doc *news(struct store_aws *s, const char *name, const char *id)
{
	int64_t now = aws_call_now(&s->api.wire), due = INT64_MAX;
	struct doc *tags = doc_new_array();
	char stamp[NOW_STAMP_SIZE];
	enum status st;

	if (!tags)
		return NULL;
	st = add_one_tag(tags, "keyturn:version", id);
	if (st == STATUS_OK)
		st = add_one_tag(tags, "keyturn:last-rotated",
				 now_stamp(now, stamp));
	if (s->next_due)
		due = s->next_due(s->next_due_arg, name, now);
	if (st == STATUS_OK)
		st = add_one_tag(tags, "keyturn:next-due",
				 due == INT64_MAX ? "by command" :
						    now_stamp(due, stamp));
	if (st == STATUS_OK)
		return tags;
	doc_free(tags);
	return NULL;
}

/* Tags are for other tools; a rotation does not fail for them. */
static void announce(struct store_aws *s, const char *name, const char *id)
{
	static const char *const none[] = { NULL };
	struct doc *body = NULL, *answer = NULL;
	enum store_aws_api_fault fault;
	char secret[SECRET_SIZE];

	if (make_name(s, name, secret, NULL) == STATUS_OK)
		body = make_request(secret, none);
	if (body && doc_set(body, "Tags", news(s, name, id)) == STATUS_OK)
		request(s, "TagResource", body, STORE_AWS_API_REPEAT, &answer,
			&fault, NULL);
	else
		doc_free(body);
	doc_free(answer);
}

/* AWS said no to the move: has it happened already? */
static enum status promoted_already(struct store_aws *s, const char *name,
				    const char *id,
				    struct store_state *ret_state,
				    struct reason *why)
{
	struct store_aws_state state;
	const struct store_version *v;
	enum status st = look(s, name, &state, why);

	if (st != STATUS_OK)
		return STATUS_UNKNOWN;
	v = store_find_id(&state.state, id);
	if (!v || v->label != STORE_LABEL_CURRENT)
		return conflict(s, name, why);
	if (ret_state)
		*ret_state = state.state;
	return STATUS_OK;
}

static enum status promote(struct store *store, const char *name,
			   const char *revision, const char *id,
			   struct store_state *ret_state, struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	char current[RANDOM_UUID_SIZE], from[STORE_AWS_STATE_ID_SIZE] = "";
	char to[STORE_AWS_STATE_ID_SIZE];
	char flag = store_aws_state_revision(revision, current);
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	enum status st = STATUS_OK;

	if (strcmp(current, id) == 0)
		return promoted_already(s, name, id, ret_state, why);
	st = check_flag(s, name, flag, why);
	if (st == STATUS_OK)
		st = real_id(s, name, id, to, why);
	if (st == STATUS_OK && current[0])
		st = real_id(s, name, current, from, why);
	if (st == STATUS_NOT_FOUND)
		st = STATUS_REFUSED;
	if (st == STATUS_OK)
		st = move(s, name, "AWSCURRENT", to, from, &fault, why);
	if (fault == STORE_AWS_API_INVALID) {
		st = promoted_already(s, name, id, ret_state, why);
	} else if (fault == STORE_AWS_API_ABSENT) {
		st = reason_set(why, STATUS_REFUSED,
				"store %s has no version %s of %s", s->name, id,
				name);
	} else if (st == STATUS_OK) {
		st = after(s, name, revision, store_aws_state_promoted, id,
			   ret_state, why);
		if (s->announce)
			announce(s, name, id);
	}
	return st == STATUS_OK ? st : reason_wrap(why, st, "store %s", s->name);
}

static void retired(struct store_aws_state *state, const char *id,
		    int64_t now_us)
{
	(void)now_us;
	store_aws_state_retired(state, id);
}

static enum status retire(struct store *store, const char *name,
			  const char *revision, const char *id,
			  struct store_state *ret_state, struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	char from[STORE_AWS_STATE_ID_SIZE];
	struct store_aws_state state;
	const struct store_version *v;
	enum status st = real_id(s, name, id, from, why);

	if (st == STATUS_NOT_FOUND)
		st = STATUS_REFUSED;
	if (st == STATUS_OK)
		st = move(s, name, "AWSPENDING", NULL, from, &fault, why);
	if (fault == STORE_AWS_API_INVALID) {
		/* It does not have the label (any more). */
		st = look(s, name, &state, why);
		v = st == STATUS_OK ? store_find_id(&state.state, id) : NULL;
		if (v)
			st = conflict(s, name, why);
		else if (st == STATUS_OK && ret_state)
			*ret_state = state.state;
	} else if (st == STATUS_OK) {
		st = after(s, name, revision, retired, id, ret_state, why);
	}
	return st == STATUS_OK ? st : reason_wrap(why, st, "store %s", s->name);
}

/* --- opening ------------------------------------------------------------------- */

static void close_store(struct store *store)
{
	struct store_aws *s = (struct store_aws *)store;

	if (!s)
		return;
	store_aws_known_free(s->known);
	aws_credentials_free(s->api.credentials);
	http_close(s->api.wire.http);
	doc_free(s->tags);
	free(s->kms_key);
	free(s->name);
	free(s);
}

static const struct store_ops ops = {
	.type = "aws",
	.canary = canary,
	.describe = describe,
	.fetch = fetch,
	.stage = stage,
	.promote = promote,
	.retire = retire,
	.close = close_store,
};

static const char *set_or_null(const char *s)
{
	return s && *s ? s : NULL;
}

static enum status add_tag(struct doc *tags, const char *pair,
			   struct reason *why)
{
	const char *eq = strchr(pair, '=');
	struct doc *tag = doc_new_object();
	enum status st = STATUS_OK;

	if (!tag)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	if (!eq || eq == pair || eq - pair > 128 || strlen(eq + 1) > 256 ||
	    strncmp(pair, "aws:", 4) == 0)
		st = reason_set(
			why, STATUS_CONFIG,
			"\"%s\" is no tag: KEY=VALUE, up to 128 and 256 "
			"characters, not beginning with aws:",
			pair);
	if (st == STATUS_OK)
		st = doc_set_bytes(tag, "Key", pair, (size_t)(eq - pair));
	if (st == STATUS_OK)
		st = doc_set_text(tag, "Value", eq + 1);
	if (st == STATUS_OK)
		return doc_push(tags, tag);
	doc_free(tag);
	return st;
}

static enum status copy_settings(struct store_aws *s,
				 const struct store_aws_options *o,
				 struct reason *why)
{
	const char *kms = set_or_null(o->kms_key);
	enum status st = STATUS_OK;

	s->create = o->create;
	s->announce = o->announce;
	s->next_due = o->next_due;
	s->next_due_arg = o->next_due_arg;
	s->name = strdup(o->name);
	if (kms)
		s->kms_key = strdup(kms);
	if (!s->name || (kms && !s->kms_key))
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	if (text_copy(s->prefix, sizeof(s->prefix),
		      o->prefix ? o->prefix : "") != STATUS_OK ||
	    strspn(s->prefix, NAME_BYTES) != strlen(s->prefix))
		return reason_set(why, STATUS_CONFIG,
				  "the prefix may have letters, digits and "
				  "/_+=.@- only, and %d of them",
				  PREFIX_SIZE - 1);
	if (o->n_tags > 0 && !(s->tags = doc_new_array()))
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < o->n_tags && st == STATUS_OK; i++)
		st = add_tag(s->tags, o->tags[i], why);
	return st;
}

static enum status open_wire(struct store_aws *s,
			     const struct store_aws_options *o,
			     struct reason *why)
{
	const struct http_options ho = { .ca_file = set_or_null(o->ca_file),
					 .now = o->now,
					 .random = o->random };

	s->api.wire.now = o->now;
	s->api.wire.random = o->random;
	return http_open(&ho, &s->api.wire.http, why);
}

static enum status open_api(struct store_aws *s,
			    const struct store_aws_options *o,
			    struct reason *why)
{
	struct store_aws_api *a = &s->api;
	const struct aws_credentials_options co = {
		.profile = set_or_null(o->profile),
		.fips = o->fips,
		.dualstack = o->dualstack,
		.wire = &a->wire,
	};
	struct aws_endpoint_query q = {
		.given = o->endpoint,
		.service = "secretsmanager",
		.variable = "AWS_ENDPOINT_URL_SECRETS_MANAGER",
		.section = "secrets_manager",
		.region = a->region,
		.fips = o->fips,
		.dualstack = o->dualstack,
	};
	enum status st = aws_credentials_new(&co, &a->credentials, why);

	if (st != STATUS_OK)
		return st;
	if (set_or_null(o->region))
		st = text_copy(a->region, sizeof(a->region), o->region);
	else
		st = aws_credentials_region(a->credentials, a->region, why);
	if (st == STATUS_OK || st == STATUS_LIMIT)
		st = aws_endpoint_check_region(
			st == STATUS_OK ? a->region : o->region, why);
	if (st != STATUS_OK)
		return st;
	aws_credentials_set_region(a->credentials, a->region);
	return aws_endpoint_find(&q, aws_credentials_files(a->credentials),
				 aws_credentials_profile(a->credentials),
				 &a->endpoint, why);
}

enum status store_aws_open(const struct store_aws_options *o,
			   struct store **ret_store, struct reason *why)
{
	struct store_aws *s = calloc(1, sizeof(*s));
	enum status st;

	if (!s)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	s->store.ops = &ops;
	st = store_aws_known_new(&s->known);
	if (st != STATUS_OK)
		reason_set(why, st, "out of memory");
	if (st == STATUS_OK)
		st = copy_settings(s, o, why);
	if (st == STATUS_OK)
		st = open_wire(s, o, why);
	if (st == STATUS_OK)
		st = open_api(s, o, why);
	if (st != STATUS_OK) {
		close_store(&s->store);
		return reason_wrap(why, st, "[store %s]", o->name);
	}
	s->store.name = s->name;
	*ret_store = &s->store;
	return STATUS_OK;
}
