/* SPDX-License-Identifier: PostgreSQL */
/* Compares what somebody typed with what is held as a digest; must never take
 * longer or shorter for what it finds. */
#include <stdio.h>
#include <string.h>

#include "agent/agent_internal.h"

/* How long a login may wait for the store's answer to a wrong password, and for
 * the first answer at all. */
#define ASK_US	 (NOW_SECOND / 2)
#define FIRST_US (5 * NOW_SECOND)

struct attempt {
	char user[256], rhost[256], service[64];
	unsigned char mac[DIGEST_SIZE];
	struct agent_brake_who who;
};

static bool equal(const unsigned char *a, const unsigned char *b)
{
	volatile unsigned char different = 0;

	for (size_t i = 0; i < DIGEST_SIZE; i++)
		different |= a[i] ^ b[i];
	return different == 0;
}

static bool read_attempt(struct agent_call *k, const char *role,
			 struct attempt *t)
{
	const struct agent_cache *cache = k->a->cache;
	size_t n = 0;
	const char *typed = wire_find(&k->m, WIRE_TAG_PASSWORD, &n);

	wire_text(&k->m, WIRE_TAG_USER, t->user, sizeof(t->user));
	wire_text(&k->m, WIRE_TAG_RHOST, t->rhost, sizeof(t->rhost));
	wire_text(&k->m, WIRE_TAG_SERVICE, t->service, sizeof(t->service));
	return agent_cache_digest(cache, typed ? typed : "", n, t->mac) ==
		       STATUS_OK &&
	       agent_brake_who(cache, k->c->peer.uid, role, t->rhost,
			       &t->who) == STATUS_OK &&
	       typed;
}

static bool in_grace(const struct agent_call *k)
{
	const struct agent_secret *s = k->role->secret;

	return k->role->grace_us > 0 &&
	       wire_number(&k->m, WIRE_TAG_NO_GRACE, 0) == 0 &&
	       now_wall(k->a->now) < s->since_us + k->role->grace_us;
}

/* Of a pair of login names each has its own password. */
static bool of_user(const struct agent_version *v, const char *user)
{
	return !*user || !v->username[0] || strcmp(v->username, user) == 0;
}

/* Both are always compared. */
static enum wire_result compare(const struct agent_call *k,
				const struct attempt *t)
{
	const struct agent_secret *s = k->role->secret;
	bool current = equal(t->mac, s->current.mac);
	bool previous = equal(t->mac, s->previous.mac);

	current = current && s->current.has_mac &&
		  of_user(&s->current, t->user);
	previous = previous && s->previous.has_mac &&
		   of_user(&s->previous, t->user) && in_grace(k);
	return current	? WIRE_RESULT_OK :
	       previous ? WIRE_RESULT_OK_PREVIOUS :
			  WIRE_RESULT_MISMATCH;
}

static void record(struct agent_call *k, const struct attempt *t,
		   enum wire_result result, bool stale)
{
	const struct agent_secret *s = k->role->secret;
	bool fine = result == WIRE_RESULT_OK ||
		    result == WIRE_RESULT_OK_PREVIOUS;
	char whom[416];
	struct agent_act act = {
		.kind = "verify",
		.operation = "VERIFY",
		.status = status_name(fine ? STATUS_OK : STATUS_REJECTED),
		.uid = k->c->peer.uid,
		.pid = k->c->peer.pid,
		.role = k->role->name,
		.version = result == WIRE_RESULT_OK_PREVIOUS ? s->previous.id :
			   fine				     ? s->current.id :
							       "",
		.stale = stale,
		.whom = whom,
	};

	snprintf(whom, sizeof(whom), "%s%s%s%s%s",
		 result == WIRE_RESULT_OK_PREVIOUS ? "previous password" :
		 result == WIRE_RESULT_OK	   ? "current password" :
		 result == WIRE_RESULT_LIMITED ? "too many wrong passwords" :
						 "wrong password",
		 t->rhost[0] ? ", from " : "", t->rhost,
		 t->service[0] ? ", service " : "", t->service);
	agent_trail_note(k->a->trail, &act);
}

/* A wrong password may be one that is newer than what we hold: the store is
 * asked, once in a while, and the login waits for it. */
static bool ask_again(struct agent_call *k)
{
	struct agent_secret *s = k->role->secret;

	if (k->c->pressed)
		return s->busy && agent_request_wait(k, ASK_US);
	k->c->pressed = true;
	return k->now_us - s->checked_us >= AGENT_CACHE_WRONG_US &&
	       agent_cache_press(k->a->cache, s, AGENT_CACHE_WRONG_US) &&
	       agent_request_wait(k, ASK_US);
}

static enum agent_outcome answer(struct agent_call *k, const struct attempt *t,
				 enum wire_result result, bool stale)
{
	const struct agent_secret *s = k->role->secret;

	record(k, t, result, stale);
	agent_request_answer(k, result);
	if (result == WIRE_RESULT_OK_PREVIOUS)
		wire_put_number(&k->out, WIRE_TAG_GRACE_UNTIL,
				s->since_us + k->role->grace_us);
	return AGENT_REPLY;
}

enum agent_outcome agent_verify(struct agent_call *k)
{
	const struct agent_settings *set = &k->a->settings;
	enum wire_result result;
	struct attempt t;
	int64_t stale;

	if (!read_attempt(k, k->role->name, &t))
		return agent_request_answer(k, WIRE_RESULT_BAD_REQUEST);
	switch (agent_cache_look(k->a->cache, k->role->secret, &stale)) {
	case AGENT_CACHE_COMING:
		if (agent_request_wait(k, FIRST_US))
			return AGENT_PARK;
		return agent_request_answer(k, WIRE_RESULT_UNAVAILABLE);
	case AGENT_CACHE_NOTHING:
		return agent_request_answer(k, WIRE_RESULT_UNAVAILABLE);
	case AGENT_CACHE_FRESH:
	case AGENT_CACHE_STALE:
		break;
	}
	if (!k->role->secret->current.has_mac) {
		if (!k->role->secret->failed && agent_request_wait(k, FIRST_US))
			return AGENT_PARK; /* the role's first verifiers */
		return agent_request_answer(k, WIRE_RESULT_UNAVAILABLE);
	}
	if (agent_brake_on(k->a->brake, &t.who, set->wrong_passwords,
			   k->now_us))
		return answer(k, &t, WIRE_RESULT_LIMITED, stale > 0);
	result = compare(k, &t);
	if (result == WIRE_RESULT_MISMATCH) {
		if (ask_again(k))
			return AGENT_PARK;
		agent_brake_wrong(k->a->brake, &t.who, set->wrong_passwords,
				  k->now_us);
	}
	return answer(k, &t, result, stale > 0);
}

void agent_verify_nobody(struct agent_call *k)
{
	static const unsigned char nothing[2][DIGEST_SIZE];
	volatile bool current, previous;
	struct attempt t;

	read_attempt(k, "", &t);
	current = equal(t.mac, nothing[0]);
	previous = equal(t.mac, nothing[1]);
	(void)current;
	(void)previous;
	agent_brake_on(k->a->brake, &t.who, 1, k->now_us);
}
