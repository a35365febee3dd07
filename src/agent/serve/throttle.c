/* SPDX-License-Identifier: PostgreSQL */
/* Slows down guessing; must never grow, whatever is guessed. */
#include "agent/serve/throttle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETS	1024
#define PLACES	8
#define LEAK_US (60 * NOW_SECOND) /* `limit` leak away in that time */

struct place {
	unsigned char id[16];
	int64_t at_us; /* of the level; 0: empty */
	double level;
};

struct agent_serve_throttle {
	struct place places[SETS][PLACES];
};

struct agent_serve_throttle *agent_serve_throttle_new(void)
{
	return calloc(1, sizeof(struct agent_serve_throttle));
}

void agent_serve_throttle_free(struct agent_serve_throttle *t)
{
	free(t);
}

enum status agent_serve_throttle_who(const struct agent_cache *c,
				     const char *what, uid_t uid,
				     const char *role, const char *rhost,
				     struct agent_serve_throttle_who *ret)
{
	unsigned char mac[DIGEST_SIZE];
	char text[512];
	enum status s;

	/* Neither may hold a control character. */
	snprintf(text, sizeof(text), "%s\n%lu\n%s%s%s", what,
		 (unsigned long)uid, role, rhost ? "\n" : "",
		 rhost ? rhost : "");
	s = agent_cache_digest(c, text, strlen(text), mac);
	if (s == STATUS_OK)
		memcpy(ret->id, mac, sizeof(ret->id));
	return s;
}

static double level_now(const struct place *p, unsigned limit, int64_t now_us)
{
	double level = p->level - (double)(now_us - p->at_us) * limit / LEAK_US;

	return p->at_us && level > 0 ? level : 0;
}

static size_t set_of(const struct agent_serve_throttle_who *who)
{
	return ((size_t)who->id[0] << 8 | who->id[1]) % SETS;
}

static struct place *find_place(struct agent_serve_throttle *t,
				const struct agent_serve_throttle_who *who)
{
	struct place *p = t->places[set_of(who)];

	for (int i = 0; i < PLACES; i++)
		if (memcmp(p[i].id, who->id, sizeof(who->id)) == 0)
			return &p[i];
	return NULL;
}

bool agent_serve_throttle_on(struct agent_serve_throttle *t,
			     const struct agent_serve_throttle_who *who,
			     unsigned limit, int64_t now_us)
{
	const struct place *p = find_place(t, who);

	return p && level_now(p, limit, now_us) > limit - 1;
}

void agent_serve_throttle_wrong(struct agent_serve_throttle *t,
				const struct agent_serve_throttle_who *who,
				unsigned limit, int64_t now_us)
{
	struct place *p = find_place(t, who), *least = t->places[set_of(who)];

	if (p) {
		p->level = level_now(p, limit, now_us) + 1;
		p->at_us = now_us;
		return;
	}
	p = least;
	for (int i = 1; i < PLACES; i++)
		if (level_now(&p[i], limit, now_us) <
		    level_now(least, limit, now_us))
			least = &p[i];
	memcpy(least->id, who->id, sizeof(who->id));
	least->level = 1;
	least->at_us = now_us;
}

void agent_serve_throttle_back(struct agent_serve_throttle *t,
			       const struct agent_serve_throttle_who *who,
			       unsigned limit, int64_t now_us)
{
	struct place *p = find_place(t, who);
	double level = p ? level_now(p, limit, now_us) : 0;

	if (!p)
		return;
	p->level = level > 1 ? level - 1 : 0;
	p->at_us = now_us;
}
