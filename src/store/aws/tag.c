/* SPDX-License-Identifier: PostgreSQL */
/* Tags: those of the configuration, and what a secret tells other tools.  A
 * rotation must never fail for them. */
#include "store/aws/common.h"

#include <string.h>

#include "store/aws/content.h"
#include "store/aws/known.h"

static void put_tag(struct json_out *tags, const char *key, size_t n,
		    const char *value)
{
	struct json_out tag = json_out_object();

	json_out_bytes(&tag, "Key", key, n);
	json_out_text(&tag, "Value", value);
	json_out_put(tags, NULL, &tag);
}

enum status store_aws_tag_add(struct json_out *tags, const char *pair,
			      struct reason *why)
{
	const char *eq = strchr(pair, '=');

	if (!eq || eq == pair || eq - pair > 128 || strlen(eq + 1) > 256 ||
	    strncmp(pair, "aws:", 4) == 0)
		return reason_set(why, STATUS_CONFIG,
				  "\"%s\" is not a tag: KEY=VALUE, up to 128 "
				  "and 256 characters, not beginning with aws:",
				  pair);
	put_tag(tags, pair, (size_t)(eq - pair), eq + 1);
	return STATUS_OK;
}

static void put_text_tag(struct json_out *tags, const char *key,
			 const char *value)
{
	put_tag(tags, key, strlen(key), value);
}

/* Has this version no keys but ours, as far as we know? */
static bool is_plain(struct store_aws *s, const char *name, const char *id)
{
	struct json_doc *content =
		store_aws_known_recall_content(s->known, name, id);
	bool plain = content && store_aws_content_is_plain(content);

	json_doc_free(content);
	return plain;
}

/* The tags that tell other tools of a rotation, and the next one where it finds the
 * keys that it must keep. */
static struct json_out make_news(struct store_aws *s, const char *name,
				 const char *id)
{
	int64_t now = aws_call_now(&s->api.wire), due = INT64_MAX;
	struct json_out tags = json_out_array();
	char stamp[NOW_STAMP_SIZE];
	struct store_aws_known k;

	store_aws_known_load(s->known, name, &k);
	if (s->next_due)
		due = s->next_due(s->next_due_arg, name, now);
	put_text_tag(&tags, STORE_AWS_STATE_TAG_VERSION, id);
	/* Those of time stay what they are of a password that does. */
	if (strcmp(k.renewal, id) != 0) {
		put_text_tag(&tags, STORE_AWS_STATE_TAG_ROTATED,
			     now_stamp(now, stamp));
		put_text_tag(&tags, STORE_AWS_STATE_TAG_DUE,
			     due == INT64_MAX ? "by command" :
						now_stamp(due, stamp));
	}
	put_text_tag(&tags, STORE_AWS_STATE_TAG_KEYS,
		     k.left[0]		   ? k.left :
		     is_plain(s, name, id) ? STORE_AWS_STATE_KEYS_NONE :
					     STORE_AWS_STATE_KEYS_KEPT);
	return tags;
}

void store_aws_tag_announce(struct store_aws *s, const char *name,
			    const char *id)
{
	static const char *const none[] = { NULL };
	struct json_doc *answer = NULL;
	struct store_aws_known *k;
	enum store_aws_api_fault fault;
	char secret[STORE_AWS_SECRET_SIZE];
	struct json_out body, tags;

	k = store_memory_lock(s->known, name);
	k->owed[0] = '\0';
	store_memory_unlock(s->known);
	if (!s->announce ||
	    store_aws_ask_name(s, name, secret, NULL) != STATUS_OK)
		return;
	body = store_aws_ask_body(secret, none);
	tags = make_news(s, name, id);
	json_out_put(&body, "Tags", &tags);
	store_aws_api_do(&s->api, "TagResource", &body, STORE_AWS_API_REPEAT,
			 &answer, &fault, NULL);
	json_doc_free(answer);
}

void store_aws_tag_owed(struct store_aws *s, const char *name, const char *id)
{
	struct store_aws_known k;

	store_aws_known_load(s->known, name, &k);
	if (strcmp(k.owed, id) == 0)
		store_aws_tag_announce(s, name, id);
}
