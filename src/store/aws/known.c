/* SPDX-License-Identifier: PostgreSQL */
/* Memory of secrets' labels and foreign keys; must never hold a password. */
#include "store/aws/known.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct secret_known {
	struct secret_known *next;
	char name[STORE_NAME_SIZE];
	struct store_aws_state state;
	bool described;
	bool brief; /* the last describe() left the history out */
	bool moves; /* AWSCURRENT: we did, or may */
	char left[STORE_AWS_STATE_ID_SIZE]; /* CURRENT was moved back from it */
	char owed[RANDOM_UUID_SIZE]; /* to be announced once it is CURRENT */
	char content_id[STORE_AWS_STATE_ID_SIZE]; /* whose keys these are */
	struct secret *content; /* JSON without the password, or NULL */
};

struct store_aws_known {
	pthread_mutex_t lock; /* over first and all that it leads to */
	struct secret_known *first;
};

enum status store_aws_known_new(struct store_aws_known **ret)
{
	struct store_aws_known *s = calloc(1, sizeof(*s));

	if (!s)
		return STATUS_NO_MEMORY;
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return STATUS_OK;
}

void store_aws_known_free(struct store_aws_known *s)
{
	struct secret_known *k;

	if (!s)
		return;
	while ((k = s->first) != NULL) {
		s->first = k->next;
		secret_free(k->content);
		free(k);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* With the lock held; NULL without memory. */
static struct secret_known *find_known(struct store_aws_known *s,
				       const char *name)
{
	struct secret_known *k;

	for (k = s->first; k; k = k->next)
		if (strcmp(k->name, name) == 0)
			return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	text_copy(k->name, sizeof(k->name), name);
	k->next = s->first;
	s->first = k;
	return k;
}

bool store_aws_known_was_brief(struct store_aws_known *s, const char *name)
{
	struct secret_known *k;
	bool brief;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	brief = k && k->brief;
	pthread_mutex_unlock(&s->lock);
	return brief;
}

void store_aws_known_set_brief(struct store_aws_known *s, const char *name,
			       bool brief)
{
	struct secret_known *k;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	if (k)
		k->brief = brief;
	pthread_mutex_unlock(&s->lock);
}

bool store_aws_known_moves(struct store_aws_known *s, const char *name)
{
	struct secret_known *k;
	bool moves;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	moves = k && k->moves;
	pthread_mutex_unlock(&s->lock);
	return moves;
}

void store_aws_known_set_moves(struct store_aws_known *s, const char *name)
{
	struct secret_known *k;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	if (k)
		k->moves = true;
	pthread_mutex_unlock(&s->lock);
}

void store_aws_known_owe(struct store_aws_known *s, const char *name,
			 const char *id)
{
	struct secret_known *k;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	if (k)
		text_copy(k->owed, sizeof(k->owed), id);
	pthread_mutex_unlock(&s->lock);
}

bool store_aws_known_owes(struct store_aws_known *s, const char *name,
			  const char *id)
{
	struct secret_known *k;
	bool owed;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	owed = k && *id && strcmp(k->owed, id) == 0;
	pthread_mutex_unlock(&s->lock);
	return owed;
}

void store_aws_known_set_left(struct store_aws_known *s, const char *name,
			      const char *id)
{
	struct secret_known *k;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	if (k)
		text_copy(k->left, sizeof(k->left), id);
	pthread_mutex_unlock(&s->lock);
}

void store_aws_known_left(struct store_aws_known *s, const char *name,
			  char ret_id[STORE_AWS_STATE_ID_SIZE])
{
	struct secret_known *k;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	text_copy(ret_id, STORE_AWS_STATE_ID_SIZE, k ? k->left : "");
	pthread_mutex_unlock(&s->lock);
}

void store_aws_known_remember(struct store_aws_known *s, const char *name,
			      const struct store_aws_state *state)
{
	struct secret_known *k;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	if (k) {
		k->state = *state;
		k->described = true;
	}
	pthread_mutex_unlock(&s->lock);
}

bool store_aws_known_recall(struct store_aws_known *s, const char *name,
			    const char *revision, struct store_aws_state *ret)
{
	struct secret_known *k;
	bool found;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	found = k && k->described &&
		(!revision || strcmp(k->state.state.revision, revision) == 0);
	if (found)
		*ret = k->state;
	pthread_mutex_unlock(&s->lock);
	return found;
}

void store_aws_known_remember_content(struct store_aws_known *s,
				      const char *name, const char *id,
				      const struct json_doc *content)
{
	struct secret *bytes = NULL;
	struct json_out copy = json_out_copy(content);
	struct secret_known *k;

	json_out_remove(&copy, "password");
	if (json_out_write_secret(&copy, &bytes) == STATUS_OK) {
		pthread_mutex_lock(&s->lock);
		k = find_known(s, name);
		if (k) {
			secret_free(k->content);
			k->content = bytes;
			text_copy(k->content_id, sizeof(k->content_id), id);
			bytes = NULL;
		}
		pthread_mutex_unlock(&s->lock);
	}
	secret_free(bytes);
	json_out_free(&copy);
}

struct json_doc *store_aws_known_recall_content(struct store_aws_known *s,
						const char *name,
						const char *id)
{
	struct json_doc *d = NULL;
	struct secret_known *k;

	pthread_mutex_lock(&s->lock);
	k = find_known(s, name);
	if (k && k->content && strcmp(k->content_id, id) == 0)
		json_doc_parse(secret_bytes(k->content), secret_len(k->content),
			       "", &d, NULL);
	pthread_mutex_unlock(&s->lock);
	return d;
}
