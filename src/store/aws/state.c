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

#define NO_CURRENT "------------------------------------"

bool store_aws_state_is_alias(const char *id)
{
	return id[0] && strlen(id) > 14 && id[14] == '8';
}

void store_aws_state_alias(const char *id, char alias[RANDOM_UUID_SIZE])
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
static int rank(enum store_label l)
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

static bool before(const struct store_version *a, const struct store_version *b)
{
	if (rank(a->label) != rank(b->label))
		return rank(a->label) < rank(b->label);
	if (a->created_us != b->created_us)
		return a->created_us > b->created_us;
	return strcmp(a->id, b->id) < 0;
}

/* Few versions, two arrays in step: sorting by insertion. */
static void sort(struct store_aws_state *s)
{
	char id[STORE_AWS_STATE_ID_SIZE];
	struct store_version v;
	size_t k;

	for (size_t i = 1; i < s->state.n; i++) {
		v = s->state.versions[i];
		memcpy(id, s->ids[i], sizeof(id));
		for (k = i; k > 0 && before(&v, &s->state.versions[k - 1]);
		     k--) {
			s->state.versions[k] = s->state.versions[k - 1];
			memcpy(s->ids[k], s->ids[k - 1], sizeof(id));
		}
		s->state.versions[k] = v;
		memcpy(s->ids[k], id, sizeof(id));
	}
}

static void finish(struct store_aws_state *s)
{
	struct text t = text_make(8192);
	unsigned char hash[DIGEST_SIZE] = { 0 };
	char hex[2 * DIGEST_SIZE + 1], current[RANDOM_UUID_SIZE];

	sort(s);
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
		store_aws_state_alias(s->current, current);
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
	char alias[RANDOM_UUID_SIZE];

	if (!store_aws_state_is_alias(id))
		return id;
	for (size_t i = 0; i < s->state.n; i++)
		if (strcmp(s->state.versions[i].id, id) == 0)
			return s->ids[i];
	store_aws_state_alias(s->current, alias);
	return s->current[0] && strcmp(alias, id) == 0 ? s->current : NULL;
}

/* --- changes ------------------------------------------------------------------ */

static void drop(struct store_aws_state *s, size_t i)
{
	size_t last = --s->state.n;

	s->state.versions[i] = s->state.versions[last];
	memcpy(s->ids[i], s->ids[last], sizeof(s->ids[i]));
}

static void drop_label(struct store_aws_state *s, enum store_label l)
{
	for (size_t i = s->state.n; i > 0; i--)
		if (s->state.versions[i - 1].label == l)
			drop(s, i - 1);
}

static void drop_id(struct store_aws_state *s, const char *id)
{
	for (size_t i = s->state.n; i > 0; i--)
		if (strcmp(s->state.versions[i - 1].id, id) == 0)
			drop(s, i - 1);
}

static void add(struct store_aws_state *s, const char *id, const char *real,
		enum store_label l, int64_t created_us)
{
	struct store_version *v;

	if (s->state.n == STORE_VERSIONS_MAX)
		return;
	v = &s->state.versions[s->state.n];
	text_copy(v->id, sizeof(v->id), id);
	v->label = l;
	v->created_us = created_us;
	text_copy(s->ids[s->state.n++], STORE_AWS_STATE_ID_SIZE, real);
}

void store_aws_state_absent(struct store_aws_state *s)
{
	*s = (struct store_aws_state){ .flag = STORE_AWS_STATE_OURS };
}

void store_aws_state_staged(struct store_aws_state *s, const char *id,
			    int64_t now_us)
{
	drop_label(s, STORE_LABEL_PENDING);
	drop_id(s, id);
	add(s, id, id, STORE_LABEL_PENDING, now_us);
	s->exists = true;
	finish(s);
}

void store_aws_state_promoted(struct store_aws_state *s, const char *id,
			      int64_t now_us)
{
	char real[STORE_AWS_STATE_ID_SIZE], old[RANDOM_UUID_SIZE] = "";
	char old_real[STORE_AWS_STATE_ID_SIZE];
	const char *known = store_aws_state_real(s, id);

	text_copy(real, sizeof(real), known ? known : id);
	text_copy(old_real, sizeof(old_real), s->current);
	if (old_real[0])
		store_aws_state_alias(old_real, old);
	drop_label(s, STORE_LABEL_PREVIOUS);
	drop_label(s, STORE_LABEL_CURRENT);
	drop_id(s, id);
	if (old[0] && strcmp(old_real, STORE_AWS_STATE_PLACEHOLDER) != 0)
		add(s, old, old_real, STORE_LABEL_PREVIOUS, 0);
	add(s, id, real, STORE_LABEL_CURRENT, now_us);
	text_copy(s->current, sizeof(s->current), real);
	s->plain = false; /* not told of this one */
	s->left[0] = '\0';
	finish(s);
}

void store_aws_state_retired(struct store_aws_state *s, const char *id)
{
	drop_id(s, id);
	finish(s);
}

bool store_aws_state_is_open(const struct store_aws_state *s)
{
	return store_find_label(&s->state, STORE_LABEL_PENDING) != NULL;
}

/* --- reading ------------------------------------------------------------------ */

static bool has(const struct json_doc *labels, const char *label)
{
	for (size_t i = 0; i < json_doc_count(labels); i++) {
		const char *have = json_doc_text(json_doc_at(labels, i));

		if (have && strcmp(have, label) == 0)
			return true;
	}
	return false;
}

static int64_t time_of(const struct json_doc *number)
{
	double seconds = 0;

	if (!json_doc_real(number, &seconds) || seconds < 0 || seconds > 1e11)
		return 0;
	return (int64_t)(seconds * 1000) * 1000;
}

/* "" when there is no such tag. */
static const char *tag_of(const struct json_doc *described, const char *wanted)
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
	const char *keys = tag_of(described, STORE_AWS_STATE_TAG_KEYS);
	int64_t at;

	if (strcmp(tag_of(described, STORE_AWS_STATE_TAG_VERSION),
		   s->current) != 0)
		return;
	s->ours = s->current[0] != '\0';
	s->plain = strcmp(keys, STORE_AWS_STATE_KEYS_NONE) == 0;
	if (!s->plain && strcmp(keys, STORE_AWS_STATE_KEYS_KEPT) != 0)
		text_copy(s->left, sizeof(s->left), keys);
	if (now_parse(tag_of(described, STORE_AWS_STATE_TAG_ROTATED), &at) != 0)
		return;
	for (size_t i = 0; i < s->state.n; i++)
		if (s->state.versions[i].label == STORE_LABEL_CURRENT)
			s->state.versions[i].created_us = at;
}

static enum status add_version(struct store_aws_state *s, const char *id,
			       const struct json_doc *labels, int64_t at,
			       const char *secret, struct reason *why)
{
	enum store_label l = STORE_LABEL_RING;
	char alias[RANDOM_UUID_SIZE];

	if (strlen(id) >= STORE_AWS_STATE_ID_SIZE ||
	    s->state.n == STORE_VERSIONS_MAX)
		return reason_set(why, STATUS_CORRUPT,
				  "%s has versions that AWS cannot have given "
				  "it",
				  secret);
	if (has(labels, "AWSCURRENT")) {
		if (s->current[0])
			return reason_set(why, STATUS_CORRUPT,
					  "%s has two versions with AWSCURRENT",
					  secret);
		l = STORE_LABEL_CURRENT;
		text_copy(s->current, sizeof(s->current), id);
	} else if (has(labels, "AWSPENDING")) {
		l = STORE_LABEL_PENDING;
	} else if (has(labels, "AWSPREVIOUS")) {
		l = STORE_LABEL_PREVIOUS;
	}
	if (strcmp(id, STORE_AWS_STATE_PLACEHOLDER) == 0)
		return STATUS_OK;
	store_aws_state_alias(id, alias);
	add(s, alias, id, l,
	    l == STORE_LABEL_CURRENT || l == STORE_LABEL_PENDING ? at : 0);
	return STATUS_OK;
}

static char flag_of(const struct json_doc *d, const char *region)
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
	if (time_of(json_doc_get(described, "DeletedDate")) > 0)
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
	s->flag = flag_of(described, region);
	changed = time_of(json_doc_get(described, "LastChangedDate"));
	versions = json_doc_get(described, "VersionIdsToStages");
	while ((i = json_doc_next(versions, i, &id, &labels)) != NULL) {
		/* moto lists versions without label; AWS does not. */
		if (json_doc_count(labels) == 0)
			continue;
		st = add_version(s, id, labels, changed, secret, why);
		if (st != STATUS_OK)
			return st;
	}
	read_tags(s, described);
	finish(s);
	return STATUS_OK;
}

/* The oldest of the ring, or n. */
static size_t oldest(const struct store_aws_state *s)
{
	size_t found = s->state.n;

	for (size_t i = 0; i < s->state.n; i++)
		if (s->state.versions[i].label == STORE_LABEL_RING &&
		    (found == s->state.n ||
		     s->state.versions[i].created_us <
			     s->state.versions[found].created_us))
			found = i;
	return found;
}

static void add_old(struct store_aws_state *s, const char *id, int64_t at)
{
	char alias[RANDOM_UUID_SIZE];
	size_t i;

	for (i = 0; i < s->state.n; i++)
		if (strcmp(s->ids[i], id) == 0)
			break;
	if (i < s->state.n) {
		if (s->state.versions[i].label != STORE_LABEL_CURRENT)
			s->state.versions[i].created_us = at;
		return;
	}
	if (s->state.n == STORE_VERSIONS_MAX) {
		i = oldest(s);
		if (i == s->state.n || s->state.versions[i].created_us >= at)
			return;
		drop(s, i);
	}
	store_aws_state_alias(id, alias);
	add(s, alias, id, STORE_LABEL_RING, at);
}

void store_aws_state_history(struct store_aws_state *s,
			     const struct json_doc *versions)
{
	for (size_t i = 0; i < json_doc_count(versions); i++) {
		const struct json_doc *v = json_doc_at(versions, i);
		const char *id = json_doc_text(json_doc_get(v, "VersionId"));

		if (id && strlen(id) < STORE_AWS_STATE_ID_SIZE &&
		    strcmp(id, STORE_AWS_STATE_PLACEHOLDER) != 0)
			add_old(s, id, time_of(json_doc_get(v, "CreatedDate")));
	}
	finish(s);
}
