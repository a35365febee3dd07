/* SPDX-License-Identifier: PostgreSQL */
/* Writes new versions.  Must never write one that was not asked for, nor drop
 * a key of the secret that is not ours. */
#include "store/aws/common.h"

#include "base/text.h"
#include "store/aws/content.h"
#include "store/aws/known.h"
#include "store/store_refuse.h"

#define VALUE_MAX 65536

/* content as SecretString of a request; it is taken out of memory again with
 * the request. */
static enum status add_value(struct json_out *body,
			     const struct json_out *content, const char *secret,
			     struct reason *why)
{
	struct secret *value = NULL;
	enum status st = json_out_write_secret(content, &value);

	if (st == STATUS_ERROR)
		st = reason_set(why, STATUS_REFUSED,
				"a field of the credential is not valid "
				"UTF-8");
	else if (st == STATUS_LIMIT ||
		 (st == STATUS_OK && secret_len(value) > VALUE_MAX))
		st = reason_set(
			why, STATUS_REFUSED,
			"the value of %s would have more than %d bytes, "
			"which AWS refuses",
			secret, VALUE_MAX);
	else if (st == STATUS_OK)
		json_out_secret(body, "SecretString", value);
	else
		reason_set(why, st, "no memory for the value of %s", secret);
	secret_free(value);
	return st;
}

/* The request that makes the secret, or its first version. */
static struct json_out first_request(struct store_aws *s, const char *secret,
				     bool exists)
{
	const char *const pairs[] = { "ClientRequestToken",
				      STORE_AWS_STATE_PLACEHOLDER, NULL };
	struct json_out body = store_aws_ask_body(secret, pairs), tags;

	if (exists)
		return body;
	json_out_remove(&body, "SecretId");
	json_out_text(&body, "Name", secret);
	json_out_text(&body, "Description",
		      "PostgreSQL role, rotated by keyturn");
	if (s->kms_key)
		json_out_text(&body, "KmsKeyId", s->kms_key);
	if (json_doc_count(s->tags.doc) > 0) {
		tags = json_out_copy(s->tags.doc);
		json_out_put(&body, "Tags", &tags);
	}
	return body;
}

/* A secret that is new, or has no version: the first one has no password. */
static enum status begin_secret(struct store_aws *s, const char *name,
				const char *secret,
				const struct store_entry *entry, bool exists,
				struct reason *why)
{
	struct store_entry empty = *entry;
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	struct json_out body, content;
	struct json_doc *answer = NULL;
	enum status st;

	if (!exists && !s->create)
		return store_aws_read_absent(s, secret, why);
	empty.password = NULL;
	body = first_request(s, secret, exists);
	content = json_out_object();
	store_aws_content_fill(&content, &empty);
	st = add_value(&body, &content, secret, why);
	if (st == STATUS_OK)
		st = store_aws_api_do(
			&s->api, exists ? "PutSecretValue" : "CreateSecret",
			&body, STORE_AWS_API_REPEAT, &answer, &fault, why);
	if (fault == STORE_AWS_API_EXISTS)
		st = reason_set(why, STATUS_CONFLICT,
				"%s was made by somebody else at this moment",
				secret);
	if (st == STATUS_OK)
		store_aws_known_remember_content(s->known, name,
						 STORE_AWS_STATE_PLACEHOLDER,
						 content.doc);
	json_out_free(&body);
	json_out_free(&content);
	json_doc_free(answer);
	return st;
}

/* Nothing of CURRENT would be left in a version that is made of the entry? */
static bool is_made_from_entry(struct store_aws *s, const char *name,
			       const char *revision,
			       const struct store_entry *e)
{
	struct store_aws_state state;

	return store_aws_known_recall(s->known, name, revision, &state) &&
	       state.plain && e->engine[0] && e->host[0] && e->port[0] &&
	       e->dbname[0] && e->username[0];
}

/* The content of CURRENT, or of the version that CURRENT was moved back from. */
static enum status read_base(struct store_aws *s, const char *name,
			     const char *revision, const char *current,
			     const struct store_entry *entry,
			     struct json_doc **ret, struct reason *why)
{
	char real[STORE_AWS_STATE_ID_SIZE];
	struct store_aws_known k;
	enum status st;

	store_aws_known_load(s->known, name, &k);
	if (k.left[0]) {
		st = store_aws_read_content(s, name, k.left, ret, why);
		/* A value that is not an object has no keys to keep. */
		if (st != STATUS_CORRUPT && st != STATUS_NOT_FOUND)
			return st;
	}
	st = store_aws_read_id(s, name, current, real, why);
	if (st != STATUS_OK)
		return st;
	*ret = store_aws_known_recall_content(s->known, name, real);
	if (*ret)
		return STATUS_OK;
	if (!is_made_from_entry(s, name, revision, entry))
		return store_aws_read_content(s, name, real, ret, why);
	*ret = json_out_object().doc;
	return *ret ? STATUS_OK : reason_no_memory(why);
}

/* What the new version begins as: the keys that are not ours. */
static enum status base_content(struct store_aws *s, const char *name,
				const char *revision, const char *current,
				const struct store_entry *entry,
				struct json_out *ret, struct reason *why)
{
	struct json_doc *content = NULL;
	enum status st =
		read_base(s, name, revision, current, entry, &content, why);

	/* Whatever is there, it is not overwritten. */
	if (st == STATUS_CORRUPT)
		st = STATUS_REFUSED;
	if (st == STATUS_OK)
		*ret = json_out_from(content);
	return st;
}

static enum status put_pending(struct store_aws *s, const char *name,
			       const char *secret, const char *id,
			       const struct json_out *content,
			       struct json_doc **ret, struct reason *why)
{
	const char *const pairs[] = { "ClientRequestToken", id, NULL };
	struct json_out body = store_aws_ask_body(secret, pairs);
	struct json_out stages = json_out_array();
	enum store_aws_api_fault fault = STORE_AWS_API_NONE;
	enum status st;

	json_out_text(&stages, NULL, "AWSPENDING");
	json_out_put(&body, "VersionStages", &stages);
	st = add_value(&body, content, secret, why);
	if (st == STATUS_OK)
		st = store_aws_api_do(&s->api, "PutSecretValue", &body,
				      STORE_AWS_API_REPEAT, ret, &fault, why);
	json_out_free(&body);
	if (fault == STORE_AWS_API_EXISTS)
		st = store_refuse_content(s->name, name, id, why);
	if (fault == STORE_AWS_API_ABSENT)
		st = reason_set(why, STATUS_CONFLICT,
				"the secret %s is not there any more", secret);
	return st;
}

static enum status check_stage(const char *id, const struct store_entry *entry,
			       struct reason *why)
{
	enum status st = store_refuse_id(id, why);

	if (st != STATUS_OK)
		return st;
	if (store_aws_state_is_alias(id))
		return reason_set(
			why, STATUS_REFUSED,
			"a version id must not be a UUID of version 8");
	if (!entry->password || secret_len(entry->password) == 0)
		return reason_set(why, STATUS_REFUSED,
				  "an empty password is not stored");
	return STATUS_OK;
}

static void note_renewal(struct store_aws *s, const char *name, const char *id)
{
	struct store_aws_known *k = store_memory_lock(s->known, name);

	text_copy(k->renewal, sizeof(k->renewal), id);
	store_memory_unlock(s->known);
}

enum status store_aws_stage(struct store *store, const char *name,
			    const char *revision, const char *id,
			    const struct store_entry *entry,
			    struct store_state *ret_state, struct reason *why)
{
	struct store_aws *s = (struct store_aws *)store;
	char secret[STORE_AWS_SECRET_SIZE], current[RANDOM_UUID_SIZE];
	struct json_out content = { NULL, STATUS_OK };
	struct json_doc *answer = NULL;
	char flag = store_aws_state_revision(revision, current);
	bool begun = current[0] != '\0';
	enum status st;

	st = check_stage(id, entry, why);
	if (st == STATUS_OK)
		st = store_aws_ask_name(s, name, secret, why);
	if (st == STATUS_OK)
		st = store_aws_read_writable(s, name, flag, why);
	if (st == STATUS_OK && !begun) {
		st = begin_secret(s, name, secret, entry, revision[0] != '\0',
				  why);
		text_copy(current, sizeof(current),
			  STORE_AWS_STATE_PLACEHOLDER);
	}
	if (st == STATUS_OK)
		st = store_aws_label_may_move(s, name, why);
	if (st == STATUS_OK)
		st = base_content(s, name, revision, current, entry, &content,
				  why);
	if (st == STATUS_OK) {
		note_renewal(s, name, entry->renews ? id : "");
		store_aws_content_fill(&content, entry);
		st = put_pending(s, name, secret, id, &content, &answer, why);
	}
	if (st == STATUS_OK &&
	    !json_doc_says(json_doc_get(answer, "VersionId"), id))
		st = reason_set(
			why, STATUS_UNKNOWN,
			"Secrets Manager took version %s of %s and names "
			"another one",
			id, secret);
	/* A repeat of what already happened does not move the label back. */
	if (st == STATUS_OK)
		st = store_aws_read_after(
			s, name,
			begun && json_doc_lists(json_doc_get(answer,
							     "VersionStages"),
						"AWSPENDING") ?
				revision :
				NULL,
			store_aws_state_staged, id, ret_state, why);
	json_out_free(&content);
	json_doc_free(answer);
	return store_refuse_wrap(s->name, st, why);
}
