/* SPDX-License-Identifier: PostgreSQL */
/*
 * Labels and the ring.  Must never let two versions have one label, nor take out
 * a version that has one.
 */
#include "store/store_versions.h"

#include <string.h>

#include "base/text.h"

static struct store_version *find_id(struct store_state *s, const char *id)
{
	return (struct store_version *)store_find_id(s, id);
}

static void move_label(struct store_state *s, enum store_label from,
		       enum store_label to)
{
	struct store_version *v =
		(struct store_version *)store_find_label(s, from);

	if (v)
		v->label = to;
}

enum store_versions_verdict store_versions_may_promote(
	const struct store_state *s, const char *revision, const char *id)
{
	const struct store_version *v = store_find_id(s, id);

	if (v && v->label == STORE_LABEL_CURRENT)
		return STORE_VERSIONS_DONE;
	if (strcmp(s->revision, revision) != 0)
		return STORE_VERSIONS_MOVED;
	return v ? STORE_VERSIONS_GO : STORE_VERSIONS_ABSENT;
}

enum store_versions_verdict store_versions_may_retire(
	const struct store_state *s, const char *revision, const char *id)
{
	const struct store_version *v = store_find_id(s, id);

	if (v && v->label == STORE_LABEL_RING)
		return STORE_VERSIONS_DONE;
	if (strcmp(s->revision, revision) != 0)
		return STORE_VERSIONS_MOVED;
	if (!v)
		return STORE_VERSIONS_ABSENT;
	return v->label == STORE_LABEL_PENDING ? STORE_VERSIONS_GO :
						 STORE_VERSIONS_LABELLED;
}

static void drop_at(struct store_state *s, size_t i)
{
	memmove(&s->versions[i], &s->versions[i + 1],
		(s->n - i - 1) * sizeof(s->versions[0]));
	s->n--;
}

void store_versions_drop(struct store_state *s, const char *id)
{
	const struct store_version *v = store_find_id(s, id);

	if (v)
		drop_at(s, (size_t)(v - s->versions));
}

static void put_in_front(struct store_state *s, struct store_version v)
{
	memmove(&s->versions[1], &s->versions[0],
		s->n * sizeof(s->versions[0]));
	s->versions[0] = v;
	s->n++;
}

/* The oldest version without a label, but not the newest of them; s->n when there
 * is none. */
static size_t find_oldest(const struct store_state *s, bool lived)
{
	size_t found = s->n, newest = s->n, i;

	for (i = 0; i < s->n; i++) {
		if (s->versions[i].label != STORE_LABEL_RING)
			continue;
		if (newest == s->n)
			newest = i;
		else if (s->versions[i].lived == lived)
			found = i;
	}
	return found;
}

void store_versions_prune(struct store_state *s, unsigned ring)
{
	size_t n = 0, i;

	for (i = 0; i < s->n; i++)
		n += s->versions[i].label == STORE_LABEL_RING;
	for (; n > ring; n--) {
		i = find_oldest(s, false);
		if (i == s->n)
			i = find_oldest(s, true);
		if (i == s->n)
			return;
		drop_at(s, i);
	}
}

enum status store_versions_stage(struct store_state *s, const char *id,
				 int64_t now_us, unsigned ring)
{
	struct store_version v = { .label = STORE_LABEL_PENDING,
				   .created_us = now_us };

	text_copy(v.id, sizeof(v.id), id);
	move_label(s, STORE_LABEL_PENDING, STORE_LABEL_RING);
	store_versions_prune(s, ring);
	if (s->n == STORE_VERSIONS_MAX)
		return STATUS_LIMIT;
	put_in_front(s, v);
	return STATUS_OK;
}

void store_versions_promote(struct store_state *s, const char *id)
{
	struct store_version v = *find_id(s, id);

	store_versions_drop(s, id);
	move_label(s, STORE_LABEL_PREVIOUS, STORE_LABEL_RING);
	move_label(s, STORE_LABEL_CURRENT, STORE_LABEL_PREVIOUS);
	v.label = STORE_LABEL_CURRENT;
	v.lived = true;
	put_in_front(s, v);
}

void store_versions_retire(struct store_state *s, const char *id)
{
	find_id(s, id)->label = STORE_LABEL_RING;
}

void store_versions_withdraw(struct store_state *s)
{
	move_label(s, STORE_LABEL_PREVIOUS, STORE_LABEL_RING);
}
