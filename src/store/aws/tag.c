/* SPDX-License-Identifier: PostgreSQL */
/* Tags: those of the configuration, and what a secret tells other tools.  A
 * rotation must never fail for them. */
#include "store/aws/tag.h"

#include <string.h>

#include "base/text.h"
#include "store/aws/ask.h"
#include "store/aws/content.h"
#include "store/aws/known.h"

enum status store_aws_tag_add(struct json_doc *tags, const char *pair,
			      struct reason *why)
{
	const char *eq = strchr(pair, '=');
	struct json_doc *tag = json_doc_new_object();
	enum status st = STATUS_OK;

	if (!tag)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	if (!eq || eq == pair || eq - pair > 128 || strlen(eq + 1) > 256 ||
	    strncmp(pair, "aws:", 4) == 0)
		st = reason_set(
			why, STATUS_CONFIG,
			"\"%s\" is not a tag: KEY=VALUE, up to 128 and 256 "
			"characters, not beginning with aws:",
			pair);
	if (st == STATUS_OK)
		st = json_doc_set_bytes(tag, "Key", pair, (size_t)(eq - pair));
	if (st == STATUS_OK)
		st = json_doc_set_text(tag, "Value", eq + 1);
	if (st == STATUS_OK)
		return json_doc_push(tags, tag);
	json_doc_free(tag);
	return st;
}

static enum status add_one_tag(struct json_doc *tags, const char *key,
			       const char *value)
{
	struct json_doc *tag = json_doc_new_object();
	enum status st = tag ? json_doc_set_text(tag, "Key", key) :
			       STATUS_NO_MEMORY;

	if (st == STATUS_OK)
		st = json_doc_set_text(tag, "Value", value);
	if (st == STATUS_OK)
		return json_doc_push(tags, tag);
	json_doc_free(tag);
	return st;
}

/* Where the next rotation finds the keys that it must keep. */
static void where_keys(struct store_aws *s, const char *name, const char *id,
		       char value[STORE_AWS_STATE_ID_SIZE])
{
	struct json_doc *content =
		store_aws_known_recall_content(s->known, name, id);
	bool plain = content && store_aws_content_is_plain(content);

	json_doc_free(content);
	store_aws_known_left(s->known, name, value);
	if (!value[0])
		text_copy(value, STORE_AWS_STATE_ID_SIZE,
			  plain ? STORE_AWS_STATE_KEYS_NONE :
				  STORE_AWS_STATE_KEYS_KEPT);
}

/* The tags that tell other tools of a rotation; NULL without memory. */
static struct json_doc *news(struct store_aws *s, const char *name,
			     const char *id)
{
	int64_t now = aws_call_now(&s->api.wire), due = INT64_MAX;
	struct json_doc *tags = json_doc_new_array();
	char stamp[NOW_STAMP_SIZE], keys[STORE_AWS_STATE_ID_SIZE];
	enum status st;

	if (!tags)
		return NULL;
	where_keys(s, name, id, keys);
	st = add_one_tag(tags, STORE_AWS_STATE_TAG_VERSION, id);
	if (st == STATUS_OK)
		st = add_one_tag(tags, STORE_AWS_STATE_TAG_ROTATED,
				 now_stamp(now, stamp));
	if (s->next_due)
		due = s->next_due(s->next_due_arg, name, now);
	if (st == STATUS_OK)
		st = add_one_tag(tags, STORE_AWS_STATE_TAG_DUE,
				 due == INT64_MAX ? "by command" :
						    now_stamp(due, stamp));
	if (st == STATUS_OK)
		st = add_one_tag(tags, STORE_AWS_STATE_TAG_KEYS, keys);
	if (st == STATUS_OK)
		return tags;
	json_doc_free(tags);
	return NULL;
}

/* Tags are for other tools; a rotation does not fail for them. */
void store_aws_tag_announce(struct store_aws *s, const char *name,
			    const char *id)
{
	static const char *const none[] = { NULL };
	struct json_doc *body = NULL, *answer = NULL;
	enum store_aws_api_fault fault;
	char secret[STORE_AWS_SECRET_SIZE];

	store_aws_known_owe(s->known, name, "");
	if (!s->announce)
		return;
	if (store_aws_ask_name(s, name, secret, NULL) == STATUS_OK)
		body = store_aws_ask_body(secret, none);
	if (body && json_doc_set(body, "Tags", news(s, name, id)) == STATUS_OK)
		store_aws_ask(s, "TagResource", body, STORE_AWS_API_REPEAT,
			      &answer, &fault, NULL);
	else
		json_doc_free(body);
	json_doc_free(answer);
}
