/* SPDX-License-Identifier: PostgreSQL */
/* Adds up who logged in with which password; must never grow with what clients
 * say, nor lose one who still comes with an old password. */
#include "agent/trail/seen.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/text.h"

#define BUCKETS 4096

struct row {
	struct map_link link; /* of the uses */
	struct row *next;     /* by their numbers */
	struct agent_trail_seen_row shown;
	/* What is not shown yet is in these as well. */
	uint64_t count, previous;
	int64_t last_us, before_us; /* the last login, and the one before it */
	bool last_previous;	    /* the last one was of the old password */
	int64_t waits_us;	    /* the first one that is not shown */
};

/* How many rows a version of a role has. */
struct group {
	struct map_link link;
	char role[128], version[RANDOM_UUID_SIZE];
	unsigned rows;
};

struct agent_trail_seen {
	const struct now *now;
	struct map *rows, *groups;
	struct row *first, *last;
	uint64_t entries;
	int64_t since_us; /* boot */
};

struct agent_trail_seen *agent_trail_seen_new(const struct now *now)
{
	struct agent_trail_seen *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->now = now;
	t->since_us = now_boot(now);
	t->rows = map_new(BUCKETS);
	t->groups = map_new(BUCKETS);
	if (t->rows && t->groups)
		return t;
	agent_trail_seen_free(t);
	return NULL;
}

void agent_trail_seen_free(struct agent_trail_seen *t)
{
	struct group *g, *next;
	struct row *r;

	if (!t)
		return;
	while ((r = t->first) != NULL) {
		t->first = r->next;
		free(r);
	}
	for (g = t->groups ? map_next(t->groups, NULL) : NULL; g; g = next) {
		next = map_next(t->groups, g);
		free(g);
	}
	map_free(t->rows);
	map_free(t->groups);
	free(t);
}

/* ---- finding ------------------------------------------------------------- */

static uint32_t hash_group(const char *role, const char *version)
{
	return map_hash_text(map_hash_text(MAP_HASH, role), version);
}

static bool is_group(const void *thing, const void *key)
{
	const struct agent_trail_seen_row *want = key;
	const struct group *g = thing;

	return strcmp(g->role, want->role) == 0 &&
	       strcmp(g->version, want->version) == 0;
}

static uint32_t hash_row(const struct agent_trail_seen_row *r)
{
	uint32_t h = hash_group(r->role, r->version);

	h = map_hash(h, &r->further, sizeof(r->further));
	h = map_hash_text(h, r->login);
	h = map_hash_text(h, r->rhost);
	return map_hash_text(h, r->service);
}

static bool is_row(const void *thing, const void *key)
{
	const struct agent_trail_seen_row *a =
		&((const struct row *)thing)->shown;
	const struct agent_trail_seen_row *b = key;

	return a->further == b->further && strcmp(a->role, b->role) == 0 &&
	       strcmp(a->version, b->version) == 0 &&
	       strcmp(a->login, b->login) == 0 &&
	       strcmp(a->rhost, b->rhost) == 0 &&
	       strcmp(a->service, b->service) == 0;
}

static struct row *find_row(const struct agent_trail_seen *t,
			    const struct agent_trail_seen_row *key)
{
	return map_find(t->rows, hash_row(key), is_row, key);
}

/* ---- forgetting ---------------------------------------------------------- */

static bool is_kept(const char *s, const char *version, const char *beside)
{
	return strcmp(s, version) == 0 || strcmp(s, beside) == 0;
}

static void drop_rows(struct agent_trail_seen *t, const struct group *g)
{
	struct row **at = &t->first, *r, *last = NULL;

	while ((r = *at) != NULL) {
		if (!is_group(g, &r->shown)) {
			last = r;
			at = &r->next;
			continue;
		}
		*at = r->next;
		map_remove(t->rows, r);
		free(r);
	}
	t->last = last;
}

/* Of a role only these two are kept: a third is not accepted any more. */
static void keep_versions(struct agent_trail_seen *t, const char *role,
			  const char *version, const char *beside)
{
	struct group *g, *next;

	for (g = map_next(t->groups, NULL); g; g = next) {
		next = map_next(t->groups, g);
		if (strcmp(g->role, role) != 0 ||
		    is_kept(g->version, version, beside))
			continue;
		drop_rows(t, g);
		map_remove(t->groups, g);
		free(g);
	}
}

/* ---- adding -------------------------------------------------------------- */

static struct group *group_of(struct agent_trail_seen *t,
			      const struct agent_trail_seen_row *key,
			      const char *beside)
{
	uint32_t h = hash_group(key->role, key->version);
	struct group *g = map_find(t->groups, h, is_group, key);

	if (g)
		return g;
	keep_versions(t, key->role, key->version, beside);
	g = calloc(1, sizeof(*g));
	if (!g)
		return NULL;
	memcpy(g->role, key->role, sizeof(g->role));
	memcpy(g->version, key->version, sizeof(g->version));
	map_put(t->groups, g, h);
	return g;
}

/* With many hosts the others share one row, which there is always room for. */
static void share(struct agent_trail_seen_row *key)
{
	key->login[0] = key->rhost[0] = key->service[0] = '\0';
	key->further = true;
}

static struct row *new_row(struct agent_trail_seen *t,
			   struct agent_trail_seen_row *key, const char *beside)
{
	struct group *g = group_of(t, key, beside);
	struct row *r;

	if (!g)
		return NULL;
	if (g->rows >= AGENT_TRAIL_SEEN_HOSTS ||
	    map_count(t->rows) >= AGENT_TRAIL_SEEN_ROWS) {
		share(key);
		r = find_row(t, key);
		if (r)
			return r;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->shown = *key;
	r->shown.entry = ++t->entries;
	r->shown.first_us = r->waits_us = now_boot(t->now);
	if (t->last)
		t->last->next = r;
	else
		t->first = r;
	t->last = r;
	map_put(t->rows, r, hash_row(key));
	g->rows++;
	return r;
}

static void settle(struct row *r)
{
	r->shown.count = r->count;
	r->shown.previous = r->previous;
	r->shown.last_us = r->last_us;
}

static void count_use(struct row *r, bool previous, int64_t now)
{
	/* Who comes all the time is shown all the same. */
	if (now - r->waits_us >= AGENT_TRAIL_SEEN_SETTLE_US)
		settle(r);
	if (r->count == r->shown.count)
		r->waits_us = now;
	r->before_us = r->last_us;
	r->last_us = now;
	r->last_previous = previous;
	r->count++;
	r->previous += previous;
}

void agent_trail_seen_add(struct agent_trail_seen *t,
			  const struct agent_trail_seen_use *use)
{
	struct agent_trail_seen_row key = { .entry = 0 };
	struct row *r;

	text_cut(key.role, sizeof(key.role), use->role);
	text_cut(key.login, sizeof(key.login), use->login);
	text_cut(key.rhost, sizeof(key.rhost), use->rhost);
	text_cut(key.service, sizeof(key.service), use->service);
	text_cut(key.version, sizeof(key.version), use->version);
	r = find_row(t, &key);
	if (!r)
		r = new_row(t, &key, use->beside);
	if (r)
		count_use(r, use->previous, now_boot(t->now));
	else
		t->since_us = now_boot(t->now);
}

/* ---- the rotator's own --------------------------------------------------- */

static void drop_row(struct agent_trail_seen *t, struct row *gone)
{
	struct group *g = map_find(
		t->groups, hash_group(gone->shown.role, gone->shown.version),
		is_group, &gone->shown);
	struct row **at = &t->first, *last = NULL;

	while (*at != gone) {
		last = *at;
		at = &last->next;
	}
	*at = gone->next;
	if (t->last == gone)
		t->last = last;
	map_remove(t->rows, gone);
	free(gone);
	if (g)
		g->rows--;
}

static void uncount_use(struct agent_trail_seen *t, struct row *r)
{
	r->count--;
	r->previous -= r->last_previous;
	r->last_us = r->before_us;
	if (r->shown.count > r->count)
		settle(r);
	if (r->count == 0)
		drop_row(t, r);
}

bool agent_trail_seen_own(struct agent_trail_seen *t, const char *login,
			  int64_t within_us)
{
	int64_t since = now_boot(t->now) - within_us;
	struct row *found = NULL;

	for (struct row *r = t->first; r; r = r->next) {
		if (r->last_us < since || strcmp(r->shown.login, login) != 0)
			continue;
		if (found)
			return false;
		found = r;
	}
	if (found)
		uncount_use(t, found);
	return found != NULL;
}

/* ---- showing ------------------------------------------------------------- */

/* From r on, the first with something to show. */
static const struct agent_trail_seen_row *show_from(
	const struct agent_trail_seen *t, struct row *r)
{
	int64_t now = now_boot(t->now);

	for (; r; r = r->next) {
		if (now - r->last_us >= AGENT_TRAIL_SEEN_SETTLE_US)
			settle(r);
		if (r->shown.count > 0)
			return &r->shown;
	}
	return NULL;
}

const struct agent_trail_seen_row *agent_trail_seen_behind(
	struct agent_trail_seen *t, uint64_t entry)
{
	struct row *r = t->first;

	while (r && r->shown.entry <= entry)
		r = r->next;
	return show_from(t, r);
}

const struct agent_trail_seen_row *agent_trail_seen_next(
	struct agent_trail_seen *t, const struct agent_trail_seen_row *r)
{
	const struct row *of =
		(const struct row *)(const void *)((const char *)r -
						   offsetof(struct row, shown));

	return show_from(t, of->next);
}

int64_t agent_trail_seen_since_us(const struct agent_trail_seen *t)
{
	return now_boot(t->now) - t->since_us;
}
