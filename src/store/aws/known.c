/* SPDX-License-Identifier: PostgreSQL */
/* Memory of secrets' labels and foreign keys; must never hold a password. */
#include "store/aws/known.h"

#include <string.h>

#include "base/text.h"
#include "json/json_out.h"

struct known {
	struct store_aws_state state;
	bool described;
	bool brief; /* the last describe() left the history out */
	bool moves; /* AWSCURRENT: we did, or may */
	char left[STORE_AWS_STATE_ID_SIZE]; /* CURRENT was moved back from it */
	char owed[RANDOM_UUID_SIZE]; /* to be announced once it is CURRENT */
};

enum status store_aws_known_new(struct store_memory **ret)
{
	return store_memory_new(sizeof(struct known), ret);
}

bool store_aws_known_was_brief(struct store_memory *m, const char *name)
{
	const struct known *k = store_memory_lock(m, name);
	bool brief = k->brief;

	store_memory_unlock(m);
	return brief;
}

void store_aws_known_set_brief(struct store_memory *m, const char *name,
			       bool brief)
{
	struct known *k = store_memory_lock(m, name);

	k->brief = brief;
	store_memory_unlock(m);
}

bool store_aws_known_moves(struct store_memory *m, const char *name)
{
	const struct known *k = store_memory_lock(m, name);
	bool moves = k->moves;

	store_memory_unlock(m);
	return moves;
}

void store_aws_known_set_moves(struct store_memory *m, const char *name)
{
	struct known *k = store_memory_lock(m, name);

	k->moves = true;
	store_memory_unlock(m);
}

void store_aws_known_owe(struct store_memory *m, const char *name,
			 const char *id)
{
	struct known *k = store_memory_lock(m, name);

	text_copy(k->owed, sizeof(k->owed), id);
	store_memory_unlock(m);
}

bool store_aws_known_owes(struct store_memory *m, const char *name,
			  const char *id)
{
	const struct known *k = store_memory_lock(m, name);
	bool owed = *id && strcmp(k->owed, id) == 0;

	store_memory_unlock(m);
	return owed;
}

void store_aws_known_set_left(struct store_memory *m, const char *name,
			      const char *id)
{
	struct known *k = store_memory_lock(m, name);

	text_copy(k->left, sizeof(k->left), id);
	store_memory_unlock(m);
}

void store_aws_known_left(struct store_memory *m, const char *name,
			  char ret_id[STORE_AWS_STATE_ID_SIZE])
{
	const struct known *k = store_memory_lock(m, name);

	text_copy(ret_id, STORE_AWS_STATE_ID_SIZE, k->left);
	store_memory_unlock(m);
}

void store_aws_known_remember(struct store_memory *m, const char *name,
			      const struct store_aws_state *state)
{
	struct known *k = store_memory_lock(m, name);

	k->state = *state;
	k->described = true;
	store_memory_unlock(m);
}

bool store_aws_known_recall(struct store_memory *m, const char *name,
			    const char *revision, struct store_aws_state *ret)
{
	const struct known *k = store_memory_lock(m, name);
	bool found =
		k->described &&
		(!revision || strcmp(k->state.state.revision, revision) == 0);

	if (found)
		*ret = k->state;
	store_memory_unlock(m);
	return found;
}

void store_aws_known_remember_content(struct store_memory *m, const char *name,
				      const char *id,
				      const struct json_doc *content)
{
	struct json_out copy = json_out_copy(content);
	struct secret *bytes = NULL;

	json_out_remove(&copy, "password");
	if (json_out_write_secret(&copy, &bytes) == STATUS_OK)
		store_memory_hold(m, name, id, bytes);
	secret_free(bytes);
	json_out_free(&copy);
}

struct json_doc *store_aws_known_recall_content(struct store_memory *m,
						const char *name,
						const char *id)
{
	struct secret *bytes = NULL;
	struct json_doc *d = NULL;

	if (store_memory_held(m, name, id, &bytes) == STATUS_OK)
		json_doc_parse(secret_bytes(bytes), secret_len(bytes), "", &d,
			       NULL);
	secret_free(bytes);
	return d;
}
