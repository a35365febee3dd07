/* SPDX-License-Identifier: PostgreSQL */
/* DescribeSecret's answer as the state of a store; must never hold a value. */
#include "store/aws/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/now.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "store/store_versions.h"

#define NO_CURRENT "------------------------------------"

bool store_aws_state_is_alias(const char *id)
{
	return id[0] && strlen(id) > 14 && id[14] == '8';
}

/* The id by which we know AWS's. */
static void make_alias(const char *id, char alias[RANDOM_UUID_SIZE])
{
	unsigned char hash[DIGEST_SIZE] = { 0 };
	char hex[2 * DIGEST_SIZE + 1];

	if (encode_is_uuid(id) && !store_aws_state_is_alias(id)) {
		text_copy(alias, RANDOM_UUID_SIZE, id);
		return;
	}
	digest_sha256("keyturn alias 1", 16, id, strlen(id), hash);
	encode_hex(hash, sizeof(hash), hex);
	snprintf(alias, RANDOM_UUID_SIZE, "%.8s-%.4s-8%.3s-8%.3s-%.12s", hex,
		 hex + 8, hex + 12, hex + 15, hex + 18);
}

/* --- the state in order ------------------------------------------------------ */

/* PENDING is newer than CURRENT, and that than PREVIOUS. */
static int rank_of(enum store_label l)
{
	switch (l) {
	case STORE_LABEL_PENDING:
		return 0;
	case STORE_LABEL_CURRENT:
		return 1;
	case STORE_LABEL_PREVIOUS:
		return 2;
	default:
		return 3;
	}
}

static bool is_before(const struct store_version *a,
		      const struct store_version *b)
{
	if (rank_of(a->label) != rank_of(b->label))
		return rank_of(a->label) < rank_of(b->label);
	if (a->created_us != b->created_us)
		return a->created_us > b->created_us;
	return strcmp(a->id, b->id) < 0;
}

/* Few versions: sorting by insertion. */
static void sort_versions(struct store_state *s)
{
	struct store_version v;
	size_t i, k;

	for (i = 1; i < s->n; i++) {
		v = s->versions[i];
		for (k = i; k > 0 && is_before(&v, &s->versions[k - 1]); k--)
			s->versions[k] = s->versions[k - 1];
		s->versions[k] = v;
	}
}

static void finish_state(struct store_aws_state *s)
{
	struct text t = text_make(8192);
	unsigned char hash[DIGEST_SIZE] = { 0 };
	char hex[2 * DIGEST_SIZE + 1], current[RANDOM_UUID_SIZE];

	sort_versions(&s->state);
	for (size_t i = 0; i < s->state.n; i++)
		if (s->state.versions[i].label != STORE_LABEL_RING)
			text_printf(
				&t, "%s:%s;", s->state.versions[i].id,
				store_label_name(s->state.versions[i].label));
	digest_sha256(text_str(&t), t.len, s->current, strlen(s->current),
		      hash);
	text_free(&t);
	encode_hex(hash, sizeof(hash), hex);
	if (s->current[0])
		make_alias(s->current, current);
	else
		text_copy(current, sizeof(current), NO_CURRENT);
	snprintf(s->state.revision, sizeof(s->state.revision), "%s/%.16s/%c",
		 current, hex, s->flag);
}

char store_aws_state_revision(const char *revision,
			      char current[RANDOM_UUID_SIZE])
{
	size_t n = strlen(revision);

	current[0] = '\0';
	if (n != RANDOM_UUID_SIZE - 1 + 1 + 16 + 1 + 1)
		return STORE_AWS_STATE_OURS;
	if (revision[0] != '-') {
		memcpy(current, revision, RANDOM_UUID_SIZE - 1);
		current[RANDOM_UUID_SIZE - 1] = '\0';
	}
	return revision[n - 1];
}

const char *store_aws_state_real(const struct store_aws_state *s,
				 const char *id)
{
	if (!store_aws_state_is_alias(id))
		return id;
	for (size_t i = 0; i < s->n_aliases; i++)
		if (strcmp(s->aliases[i].id, id) == 0)
			return s->aliases[i].real;
	return NULL;
}

/* --- changes ------------------------------------------------------------------ */

static void drop_version(struct store_aws_state *s,
			 const struct store_version *v)
{
	for (size_t i = 0; v && i < s->n_aliases; i++)
		if (strcmp(s->aliases[i].id, v->id) == 0)
			s->aliases[i] = s->aliases[--s->n_aliases];
	if (v)
		store_versions_drop(&s->state, v->id);
}

static void add_version(struct store_aws_state *s, const char *real,
			enum store_label l, int64_t created_us)
{
	struct store_version *v;

	if (s->state.n == STORE_VERSIONS_MAX)
		return;
	v = &s->state.versions[s->state.n++];
	make_alias(real, v->id);
	v->label = l;
	v->created_us = created_us;
	v->lived = false; /* AWS does not tell */
	if (strcmp(v->id, real) == 0 || s->n_aliases == STORE_VERSIONS_MAX)
		return;
	text_copy(s->aliases[s->n_aliases].id, RANDOM_UUID_SIZE, v->id);
	text_copy(s->aliases[s->n_aliases++].real, STORE_AWS_STATE_ID_SIZE,
		  real);
}

void store_aws_state_absent(struct store_aws_state *s)
{
	*s = (struct store_aws_state){ .flag = STORE_AWS_STATE_OURS };
}

enum status store_aws_state_staged(struct store_aws_state *s, const char *id,
				   int64_t now_us)
{
	drop_version(s, store_find_label(&s->state, STORE_LABEL_PENDING));
	drop_version(s, store_find_id(&s->state, id));
	if (store_versions_stage(&s->state, id, now_us, STORE_RING_MAX) !=
	    STATUS_OK)
		return STATUS_LIMIT;
	s->exists = true;
	finish_state(s);
	return STATUS_OK;
}

enum status store_aws_state_promoted(struct store_aws_state *s, const char *id,
				     int64_t now_us)
{
	const struct store_version *previous =
		store_find_label(&s->state, STORE_LABEL_PREVIOUS);
	const char *real = store_aws_state_real(s, id);
	char current[STORE_AWS_STATE_ID_SIZE];

	text_copy(current, sizeof(current), real ? real : id);
	if (previous && strcmp(previous->id, id) != 0)
		drop_version(s, previous);
	if (!store_find_id(&s->state, id))
		add_version(s, current, STORE_LABEL_RING, 0);
	store_versions_promote(&s->state, id);
	for (size_t i = 0; i < s->state.n; i++)
		if (s->state.versions[i].label == STORE_LABEL_PREVIOUS)
			s->state.versions[i].created_us = 0;
	s->state.versions[0].created_us = now_us;
	text_copy(s->current, sizeof(s->current), current);
	s->plain = false; /* not told of this one */
	s->left[0] = '\0';
	finish_state(s);
	return STATUS_OK;
}

enum status store_aws_state_retired(struct store_aws_state *s, const char *id,
				    int64_t now_us)
{
	(void)now_us;
	drop_version(s, store_find_id(&s->state, id));
	finish_state(s);
	return STATUS_OK;
}

bool store_aws_state_is_open(const struct store_aws_state *s)
{
	return store_find_label(&s->state, STORE_LABEL_PENDING) != NULL;
}

/* --- reading ------------------------------------------------------------------ */

static int64_t read_time(const struct json_doc *number)
{
	double seconds = 0;

	if (!json_doc_real(number, &seconds) || seconds < 0 || seconds > 1e11)
		return 0;
	return (int64_t)(seconds * 1000) * 1000;
}

/* "" when there is no such tag. */
static const char *find_tag(const struct json_doc *described,
			    const char *wanted)
{
	const struct json_doc *tags = json_doc_get(described, "Tags");

	for (size_t i = 0; i < json_doc_count(tags); i++) {
		const struct json_doc *tag = json_doc_at(tags, i);
		const char *key = json_doc_text(json_doc_get(tag, "Key"));
		const char *value = json_doc_text(json_doc_get(tag, "Value"));

		if (key && value && strcmp(key, wanted) == 0)
			return value;
	}
	return "";
}

/* What our tags say of CURRENT: they are of an earlier version when somebody
 * else moved it, or a rotator died before it tagged. */
static void read_tags(struct store_aws_state *s,
		      const struct json_doc *described)
{
	const char *keys = find_tag(described, STORE_AWS_STATE_TAG_KEYS);
	int64_t at;

	if (strcmp(find_tag(described, STORE_AWS_STATE_TAG_VERSION),
		   s->current) != 0)
		return;
	s->ours = s->current[0] != '\0';
	s->plain = strcmp(keys, STORE_AWS_STATE_KEYS_NONE) == 0;
	if (!s->plain && strcmp(keys, STORE_AWS_STATE_KEYS_KEPT) != 0)
		text_copy(s->left, sizeof(s->left), keys);
	if (now_parse(find_tag(described, STORE_AWS_STATE_TAG_ROTATED), &at) !=
	    0)
		return;
	for (size_t i = 0; i < s->state.n; i++)
		if (s->state.versions[i].label == STORE_LABEL_CURRENT)
			s->state.versions[i].created_us = at;
}

static enum status read_version(struct store_aws_state *s, const char *id,
				const struct json_doc *labels, int64_t at,
				const char *secret, struct reason *why)
{
	enum store_label l = STORE_LABEL_RING;

	if (strlen(id) >= STORE_AWS_STATE_ID_SIZE ||
	    s->state.n == STORE_VERSIONS_MAX)
		return reason_set(why, STATUS_CORRUPT,
				  "%s has versions that AWS cannot have given "
				  "it",
				  secret);
	if (json_doc_lists(labels, "AWSCURRENT")) {
		if (s->current[0])
			return reason_set(why, STATUS_CORRUPT,
					  "%s has two versions with AWSCURRENT",
					  secret);
		l = STORE_LABEL_CURRENT;
		text_copy(s->current, sizeof(s->current), id);
	} else if (json_doc_lists(labels, "AWSPREVIOUS")) {
		/* It may have AWSPENDING, too, since it was promoted, and CURRENT
		 * has gone back since: that is not pending any more. */
		l = STORE_LABEL_PREVIOUS;
	} else if (json_doc_lists(labels, "AWSPENDING")) {
		l = STORE_LABEL_PENDING;
	}
	if (strcmp(id, STORE_AWS_STATE_PLACEHOLDER) == 0)
		return STATUS_OK;
	add_version(s, id, l,
		    l == STORE_LABEL_CURRENT || l == STORE_LABEL_PENDING ? at :
									   0);
	return STATUS_OK;
}

static char find_flag(const struct json_doc *d, const char *region)
{
	const char *primary = json_doc_text(json_doc_get(d, "PrimaryRegion"));
	const char *owner = json_doc_text(json_doc_get(d, "OwningService"));

	if (primary && *primary && strcmp(primary, region) != 0)
		return STORE_AWS_STATE_REPLICA;
	if (owner && *owner)
		return STORE_AWS_STATE_OWNED;
	if (json_doc_bool(json_doc_get(d, "RotationEnabled"), false))
		return STORE_AWS_STATE_ROTATED;
	return STORE_AWS_STATE_OURS;
}

enum status store_aws_state_read(const struct json_doc *described,
				 const char *secret, const char *region,
				 struct store_aws_state *ret,
				 struct reason *why)
{
	const struct json_doc *versions, *labels;
	struct store_aws_state *s = ret;
	const char *id;
	const void *i = NULL;
	int64_t changed;
	enum status st;

	store_aws_state_absent(s);
	s->exists = true;
	if (read_time(json_doc_get(described, "DeletedDate")) > 0)
		return reason_set(
			why, STATUS_REFUSED,
			"%s is marked for deletion in AWS; restore it "
			"(aws secretsmanager restore-secret)",
			secret);
	if (!json_doc_text(json_doc_get(described, "Name")))
		return reason_set(why, STATUS_CORRUPT,
				  "the description of %s does not come from "
				  "Secrets Manager",
				  secret);
	s->flag = find_flag(described, region);
	changed = read_time(json_doc_get(described, "LastChangedDate"));
	versions = json_doc_get(described, "VersionIdsToStages");
	while ((i = json_doc_next(versions, i, &id, &labels)) != NULL) {
		/* moto lists versions without label; AWS does not. */
		if (json_doc_count(labels) == 0)
			continue;
		st = read_version(s, id, labels, changed, secret, why);
		if (st != STATUS_OK)
			return st;
	}
	read_tags(s, described);
	finish_state(s);
	return STATUS_OK;
}

/* The oldest of the ring, or NULL. */
static const struct store_version *find_oldest(const struct store_state *s)
{
	const struct store_version *found = NULL, *v;

	for (v = s->versions; v < s->versions + s->n; v++)
		if (v->label == STORE_LABEL_RING &&
		    (!found || v->created_us < found->created_us))
			found = v;
	return found;
}

static void add_old(struct store_aws_state *s, const char *id, int64_t at)
{
	const struct store_version *oldest;
	char alias[RANDOM_UUID_SIZE];

	make_alias(id, alias);
	for (size_t i = 0; i < s->state.n; i++) {
		if (strcmp(s->state.versions[i].id, alias) != 0)
			continue;
		if (s->state.versions[i].label != STORE_LABEL_CURRENT)
			s->state.versions[i].created_us = at;
		return;
	}
	if (s->state.n == STORE_VERSIONS_MAX) {
		oldest = find_oldest(&s->state);
		if (!oldest || oldest->created_us >= at)
			return;
		drop_version(s, oldest);
	}
	add_version(s, id, STORE_LABEL_RING, at);
}

void store_aws_state_history(struct store_aws_state *s,
			     const struct json_doc *versions)
{
	for (size_t i = 0; i < json_doc_count(versions); i++) {
		const struct json_doc *v = json_doc_at(versions, i);
		const char *id = json_doc_text(json_doc_get(v, "VersionId"));

		if (id && strlen(id) < STORE_AWS_STATE_ID_SIZE &&
		    strcmp(id, STORE_AWS_STATE_PLACEHOLDER) != 0)
			add_old(s, id,
				read_time(json_doc_get(v, "CreatedDate")));
	}
	finish_state(s);
}
