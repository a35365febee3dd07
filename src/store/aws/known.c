/* SPDX-License-Identifier: PostgreSQL */
/* Memory of secrets' labels and foreign keys; must never hold a password. */
#include "store/aws/known.h"

#include <string.h>

#include "json/json_out.h"

void store_aws_known_load(struct store_memory *m, const char *name,
			  struct store_aws_known *ret)
{
	*ret = *(struct store_aws_known *)store_memory_lock(m, name);
	store_memory_unlock(m);
}

bool store_aws_known_recall(struct store_memory *m, const char *name,
			    const char *revision, struct store_aws_state *ret)
{
	struct store_aws_known k;

	store_aws_known_load(m, name, &k);
	if (!k.described || strcmp(k.state.state.revision, revision) != 0)
		return false;
	*ret = k.state;
	return true;
}

void store_aws_known_remember(struct store_memory *m, const char *name,
			      const struct store_aws_state *state)
{
	struct store_aws_known *k = store_memory_lock(m, name);

	k->state = *state;
	k->described = true;
	store_memory_unlock(m);
}

void store_aws_known_set_brief(struct store_memory *m, const char *name,
			       bool brief)
{
	struct store_aws_known *k = store_memory_lock(m, name);

	k->brief = brief;
	store_memory_unlock(m);
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
