/* SPDX-License-Identifier: PostgreSQL */
/* Answers requests; must never hand out what the peer's rights, the cache or the
 * audit do not allow, nor believe a word of the request about who asks. */
#include "agent/serve/request.h"

#include <string.h>

#include "agent/serve/authorise.h"
#include "agent/serve/verify.h"
#include "agent/trail/seen.h"
#include "base/text.h"
#include "config.h"
#include "open/open.h"
#include "open/open_schedule.h"

/* How long a request waits for the first answer of a store. */
#define FIRST_US   (5 * NOW_SECOND)
#define WAIT_MAX   600000	     /* ms */
#define LIFE_MAX   INT64_C(86400000) /* ms */
#define TOKEN_US   (10 * NOW_SECOND) /* between two that clients cause */
#define ROTATE_US  (60 * NOW_SECOND)
#define ENTRY_ROOM 1100 /* the longest entry of LIST or USES */
/* A client that waits for less than this expects the end of a rotation: the
 * store is asked a few times meanwhile.  One that waits for longer gets what
 * refreshes and announcements bring. */
#define BRIDGE_US    (30 * NOW_SECOND)
#define BRIDGE_TURNS 4

typedef enum agent_outcome handler_fn(struct agent_call *k);

static handler_fn do_VERSION, do_GET, do_VERIFY, do_LIST, do_DESCRIBE,
	do_FEEDBACK, do_ROTATE, do_REFRESH, do_TAKE, do_TAKEN, do_USES, do_OWN;

static const struct request {
	handler_fn *handle;
	enum agent_right right;
} requests[] = {
#define WIRE_OPERATION(name, number, right, help) \
	[number] = { do_##name, AGENT_RIGHT_##right },
#include "wire/wire.def"
};

enum agent_outcome agent_serve_request(struct agent *a,
				       struct agent_serve_client *c,
				       const void *frame, size_t len,
				       size_t *ret_len)
{
	struct agent_call k = { .a = a, .c = c, .now_us = now_boot(a->now) };
	struct reason why = { "" };
	enum agent_outcome outcome;
	enum wire_result result;

	if (wire_parse(frame, len, false, &k.m, &why) != STATUS_OK) {
		/* Its header was good. */
		k.m.operation = ((const unsigned char *)frame)[3];
		agent_serve_call_refuse(&k, WIRE_RESULT_BAD_REQUEST, why.text);
		outcome = AGENT_REPLY_AND_CLOSE;
	} else {
		result = agent_serve_authorise(&k,
					       requests[k.m.operation].right);
		if (result != WIRE_RESULT_OK && k.m.operation == WIRE_VERIFY)
			agent_serve_verify_nobody(&k);
		outcome = result == WIRE_RESULT_OK ?
				  requests[k.m.operation].handle(&k) :
				  agent_serve_call_answer(&k, result);
	}
	if (outcome == AGENT_PARK || outcome == AGENT_CLOSE)
		return outcome;
	if (wire_end(&k.out, ret_len) == STATUS_OK)
		return outcome;
	/* What a store holds cannot be carried. */
	agent_serve_call_refuse(&k, WIRE_RESULT_UNAVAILABLE,
				"what the store holds is malformed");
	return wire_end(&k.out, ret_len) == STATUS_OK ? outcome : AGENT_CLOSE;
}

/* A client that hangs up before the answer has still made a guess: compare it,
 * and count it. */
void agent_serve_request_leave(struct agent *a, struct agent_serve_client *c,
			       const void *frame, size_t len)
{
	struct wire_message m;
	size_t reply_len;

	if (wire_parse(frame, len, false, &m, NULL) != STATUS_OK ||
	    m.operation != WIRE_VERIFY)
		return;
	c->left = true;
	agent_serve_request(a, c, frame, len, &reply_len);
}

/* ---- Handing out --------------------------------------------------------- */

static void put_time(struct wire_out *o, enum wire_tag tag, int64_t us)
{
	if (us > 0 && us != INT64_MAX)
		wire_put_number(o, tag, us);
}

/* Worked out once for each version: a time zone is read for it. */
static int64_t next_due(const struct agent *a, struct agent_role *role,
			int64_t since_us)
{
	if (role->due_after_us != since_us) {
		role->due_us =
			open_schedule_next(a->config, role->group, since_us);
		role->due_after_us = since_us;
	}
	return role->due_us;
}

/* All that is told of a role but its password. */
static void put_role(struct agent_call *k, struct agent_role *role,
		     int64_t stale_s)
{
	static const struct agent_secret nothing;
	const struct agent_secret *s = role->secret ? role->secret : &nothing;
	const struct agent_access_groups_place to =
		agent_access_groups_place(role);
	struct wire_out *o = &k->out;

	wire_put_text(o, WIRE_TAG_ROLE, role->name);
	wire_put_text(o, WIRE_TAG_USER,
		      s->current.username[0] ? s->current.username :
					       role->rolname);
	wire_put_text(o, WIRE_TAG_HOST, to.host);
	wire_put_text(o, WIRE_TAG_PORT, to.port);
	wire_put_text(o, WIRE_TAG_DBNAME, to.dbname);
	wire_put_text(o, WIRE_TAG_SSLMODE, role->sslmode);
	wire_put_text(o, WIRE_TAG_REALM, role->realm);
	wire_put_text(o, WIRE_TAG_VERSION, s->current.id);
	put_time(o, WIRE_TAG_ROTATED_AT, s->since_us);
	put_time(o, WIRE_TAG_EXPIRES_AT,
		 role->token ? s->expires_us :
			       next_due(k->a, role, s->since_us));
	if (stale_s > 0)
		wire_put_number(o, WIRE_TAG_STALE, stale_s);
}

/* How long this request may wait for what it wants. */
static int64_t wait_of(const struct agent_call *k, int64_t otherwise_us)
{
	int64_t ms = wire_number(&k->m, WIRE_TAG_WAIT_MS, otherwise_us / 1000);

	if (ms < 0)
		ms = 0;
	return (ms < WAIT_MAX ? ms : WAIT_MAX) * 1000;
}

static bool is_unwanted(const struct agent_call *k)
{
	size_t n;
	const char *old = wire_find(&k->m, WIRE_TAG_NOT_VERSION, &n);
	const char *id = k->role->secret->current.id;

	return old && strlen(id) == n && memcmp(id, old, n) == 0;
}

/* Have the store asked, for one who waits for another answer. */
static void press_store(struct agent_call *k, int64_t wait)
{
	struct agent_secret *s = k->role->secret;

	if (!k->c->asked)
		agent_cache_press(k->a->cache, s, AGENT_CACHE_PRESS_US);
	else if (wait < BRIDGE_US)
		agent_cache_soon(k->a->cache, s,
				 wait / BRIDGE_TURNS > AGENT_CACHE_PRESS_US ?
					 wait / BRIDGE_TURNS :
					 AGENT_CACHE_PRESS_US);
	k->c->asked = true;
}

/* The role's secret, or what is to be said instead.  AGENT_REPLY with *ret_stale
 * when there is one that is wanted. */
static enum agent_outcome look_up(struct agent_call *k, int64_t *ret_stale,
				  bool *ret_answered)
{
	struct agent_secret *s = k->role->secret;
	int64_t wait = wait_of(k, 0);

	*ret_answered = true;
	if (!s) /* no one may read the token, so it is not minted */
		return agent_serve_call_answer(k, WIRE_RESULT_UNAVAILABLE);
	switch (agent_cache_look(k->a->cache, s, ret_stale)) {
	case AGENT_CACHE_COMING:
		if (agent_serve_call_wait(k, wait_of(k, FIRST_US)))
			return AGENT_PARK;
		return agent_serve_call_answer(k, WIRE_RESULT_UNAVAILABLE);
	case AGENT_CACHE_NOTHING:
		if (agent_serve_call_wait(k, wait)) {
			press_store(k, wait);
			return AGENT_PARK;
		}
		return agent_serve_call_answer(k, WIRE_RESULT_UNAVAILABLE);
	case AGENT_CACHE_FRESH:
	case AGENT_CACHE_STALE:
		break;
	}
	if (is_unwanted(k)) {
		press_store(k, wait);
		if (agent_serve_call_wait(k, wait))
			return AGENT_PARK;
		return agent_serve_call_answer(k, WIRE_RESULT_TIMEOUT);
	}
	*ret_answered = false;
	return AGENT_REPLY;
}

/* A token that expires too soon for this request counts as missing, and another
 * one may be minted, once for each request. */
static enum agent_outcome check_life(struct agent_call *k)
{
	struct agent_secret *s = k->role->secret;
	int64_t ms = wire_number(&k->m, WIRE_TAG_MIN_LIFE_MS, -1);
	int64_t want = ms < 0	     ? k->role->life_us :
		       ms < LIFE_MAX ? ms * 1000 :
				       LIFE_MAX * 1000;

	if (!k->role->token || s->expires_us - now_wall(k->a->now) >= want)
		return AGENT_REPLY;
	if (!k->c->pressed && k->now_us - s->minted_us < TOKEN_US && !s->busy)
		return AGENT_CLOSE;
	if ((k->c->pressed && !s->busy) ||
	    !agent_serve_call_wait(k, wait_of(k, FIRST_US)))
		return AGENT_CLOSE;
	if (!k->c->pressed) {
		s->minted_us = k->now_us;
		s->life_us = want > s->life_us ? want : s->life_us;
		agent_cache_press(k->a->cache, s, 0);
	}
	k->c->pressed = true;
	return AGENT_PARK;
}

static enum agent_outcome do_GET(struct agent_call *k)
{
	struct agent_secret *s = k->role->secret;
	enum agent_outcome outcome;
	bool answered = false;
	int64_t stale = 0;

	outcome = look_up(k, &stale, &answered);
	if (outcome == AGENT_PARK || answered)
		return outcome;
	if (!s->password) {
		if (!s->failed &&
		    agent_serve_call_wait(k, wait_of(k, FIRST_US)))
			return AGENT_PARK; /* the role's first readers */
		return agent_serve_call_answer(k, WIRE_RESULT_UNAVAILABLE);
	}
	outcome = check_life(k);
	if (outcome == AGENT_CLOSE)
		return agent_serve_call_refuse(
			k, WIRE_RESULT_UNAVAILABLE,
			"no token with that much remaining lifetime can be "
			"obtained");
	if (outcome == AGENT_PARK)
		return outcome;
	outcome = agent_serve_call_record_handout(k, "GET", stale > 0, "");
	if (outcome == AGENT_CLOSE)
		return agent_serve_call_refuse(
			k, WIRE_RESULT_UNAVAILABLE,
			"the hand-out cannot be recorded");
	if (outcome == AGENT_PARK)
		return outcome;
	agent_serve_call_answer(k, WIRE_RESULT_OK);
	put_role(k, k->role, stale);
	wire_put(&k->out, WIRE_TAG_PASSWORD, secret_bytes(s->password),
		 secret_len(s->password));
	return AGENT_REPLY;
}

static enum agent_outcome do_DESCRIBE(struct agent_call *k)
{
	enum agent_outcome outcome;
	bool answered = false;
	int64_t stale = 0;

	outcome = look_up(k, &stale, &answered);
	if (outcome == AGENT_PARK || answered)
		return outcome;
	agent_serve_call_answer(k, WIRE_RESULT_OK);
	put_role(k, k->role, stale);
	return AGENT_REPLY;
}

static enum agent_outcome do_VERIFY(struct agent_call *k)
{
	return agent_serve_verify(k);
}

/* ---- The others ---------------------------------------------------------- */

static enum agent_outcome do_VERSION(struct agent_call *k)
{
	agent_serve_call_answer(k, WIRE_RESULT_OK);
	wire_put_text(&k->out, WIRE_TAG_SERVER,
		      "keyturn-agent " PACKAGE_VERSION);
	return AGENT_REPLY;
}

static enum agent_outcome do_LIST(struct agent_call *k)
{
	const struct agent_access_groups *r = k->a->groups;
	char after[AGENT_NAME_SIZE];
	int64_t stale = 0;
	size_t more;

	wire_text(&k->m, WIRE_TAG_AFTER, after, sizeof(after));
	agent_serve_call_answer(k, WIRE_RESULT_OK);
	wire_put_number(&k->out, WIRE_TAG_MORE, 0);
	more = k->out.len - 1; /* becomes 1 when they do not fit */
	for (size_t i = agent_access_groups_behind(r, after);
	     i < agent_access_groups_count(r); i++) {
		struct agent_role *role = agent_access_groups_at(r, i);

		if (!agent_access_groups_may(role, AGENT_RIGHT_LIST,
					     &k->c->peer))
			continue;
		if (wire_room(&k->out) < ENTRY_ROOM) {
			k->out.bytes[more] = '1';
			break;
		}
		if (role->secret)
			agent_cache_look(k->a->cache, role->secret, &stale);
		put_role(k, role, role->secret ? stale : 0);
	}
	return AGENT_REPLY;
}

/* A version that is not the one we hold is known to be old already. */
static enum agent_outcome do_FEEDBACK(struct agent_call *k)
{
	struct agent_secret *s = k->role->secret;
	char version[RANDOM_UUID_SIZE];
	bool named =
		wire_text(&k->m, WIRE_TAG_VERSION, version, sizeof(version));

	if (named && strcmp(version, s->current.id) != 0)
		return agent_serve_call_answer(k, WIRE_RESULT_OK);
	if (!k->role->token) {
		agent_cache_press(k->a->cache, s, AGENT_CACHE_PRESS_US);
	} else if (named && k->now_us - s->minted_us >= TOKEN_US) {
		/* Never to be handed out again; minting has its price. */
		s->minted_us = k->now_us;
		text_copy(s->refused, sizeof(s->refused), version);
		agent_cache_press(k->a->cache, s, 0);
	}
	return agent_serve_call_answer(k, WIRE_RESULT_OK);
}

/* What is answered with OK is durable, and kept until the rotator has it. */
static enum agent_outcome do_ROTATE(struct agent_call *k)
{
	struct agent_role *role = k->role;
	const struct agent_act act = {
		.kind = AUDIT_REQUEST,
		.operation = "ROTATE",
		.status = status_name(STATUS_OK),
		.uid = k->c->peer.uid,
		.pid = k->c->peer.pid,
		.role = role->name,
		.each = true,
	};

	if (role->asked)
		return agent_serve_call_answer(k, WIRE_RESULT_OK);
	if (role->asked_us && k->now_us - role->asked_us < ROTATE_US)
		return agent_serve_call_refuse(
			k, WIRE_RESULT_LIMITED,
			"a rotation was asked for within the last minute");
	switch (agent_serve_call_record(k, &act)) {
	case AGENT_PARK:
		return AGENT_PARK;
	case AGENT_CLOSE:
		return agent_serve_call_refuse(
			k, WIRE_RESULT_UNAVAILABLE,
			"the request cannot be recorded");
	default:
		break;
	}
	role->asked = true;
	role->asked_us = k->now_us;
	return agent_serve_call_answer(k, WIRE_RESULT_OK);
}

/* The role that an administrator's request names. */
static enum wire_result find_named(struct agent_call *k)
{
	char name[AGENT_NAME_SIZE];

	if (!wire_text(&k->m, WIRE_TAG_ROLE, name, sizeof(name)))
		return WIRE_RESULT_BAD_REQUEST;
	k->role = agent_access_groups_find(k->a->groups, name);
	return k->role ? WIRE_RESULT_OK : WIRE_RESULT_NOT_FOUND;
}

static enum agent_outcome do_REFRESH(struct agent_call *k)
{
	enum wire_result result = find_named(k);
	char version[RANDOM_UUID_SIZE];

	wire_text(&k->m, WIRE_TAG_VERSION, version, sizeof(version));
	if (result == WIRE_RESULT_OK && k->role->secret)
		agent_cache_push(k->a->cache, k->role->secret, version);
	return agent_serve_call_answer(k, result);
}

static enum agent_outcome do_TAKE(struct agent_call *k)
{
	const struct agent_access_groups *r = k->a->groups;

	agent_serve_call_answer(k, WIRE_RESULT_OK);
	for (size_t i = 0; i < agent_access_groups_count(r); i++) {
		struct agent_role *role = agent_access_groups_at(r, i);

		if (!role->asked || wire_room(&k->out) < ENTRY_ROOM)
			continue;
		wire_put_text(&k->out, WIRE_TAG_ROLE, role->name);
	}
	return AGENT_REPLY;
}

static enum agent_outcome do_TAKEN(struct agent_call *k)
{
	enum wire_result result = find_named(k);
	struct agent_act act = {
		.kind = AUDIT_REQUEST,
		.operation = "TAKEN",
		.status = status_name(STATUS_OK),
		.uid = k->c->peer.uid,
		.pid = k->c->peer.pid,
		.each = true,
	};

	if (result == WIRE_RESULT_OK && k->role->asked) {
		k->role->asked = false;
		act.role = k->role->name;
		agent_trail_note(k->a->trail, &act);
	}
	return agent_serve_call_answer(k, result);
}

static void put_use(struct agent_call *k, const struct agent_role *role,
		    const struct agent_trail_seen_row *r)
{
	struct wire_out *o = &k->out;

	wire_put_text(o, WIRE_TAG_ROLE, role->name);
	wire_put_number(o, WIRE_TAG_ENTRY, (int64_t)r->entry);
	wire_put_text(o, WIRE_TAG_USER, r->login[0] ? r->login : role->rolname);
	wire_put_text(o, WIRE_TAG_VERSION, r->version);
	wire_put_text(o, WIRE_TAG_RHOST, r->rhost);
	wire_put_text(o, WIRE_TAG_SERVICE, r->service);
	wire_put_number(o, WIRE_TAG_COUNT, (int64_t)r->count);
	wire_put_number(o, WIRE_TAG_PREVIOUS, (int64_t)r->previous);
	wire_put_number(o, WIRE_TAG_FIRST_AGO, k->now_us - r->first_us);
	wire_put_number(o, WIRE_TAG_LAST_AGO, k->now_us - r->last_us);
	if (r->further)
		wire_put_number(o, WIRE_TAG_FURTHER, 1);
}

/* A negative number is none of ours; a role that is gone has no partner. */
static enum agent_outcome do_USES(struct agent_call *k)
{
	int64_t after = wire_number(&k->m, WIRE_TAG_ENTRY, 0);
	const struct agent_trail_seen_row *r;
	enum wire_result named = find_named(k);
	size_t more;

	if (named == WIRE_RESULT_NOT_FOUND || after < 0)
		return agent_serve_call_answer(
			k, after < 0 ? WIRE_RESULT_BAD_REQUEST : named);
	agent_serve_call_answer(k, WIRE_RESULT_OK);
	wire_put_number(&k->out, WIRE_TAG_SINCE_AGO,
			agent_trail_seen_since_us(k->a->seen));
	wire_put_number(&k->out, WIRE_TAG_MORE, 0);
	more = k->out.len - 1; /* becomes 1 when they do not fit */
	r = agent_trail_seen_behind(k->a->seen, (uint64_t)after);
	for (; r; r = agent_trail_seen_next(k->a->seen, r)) {
		const struct agent_role *role =
			agent_access_groups_find(k->a->groups, r->role);

		if (!role || (k->role && role != k->role))
			continue;
		if (wire_room(&k->out) < ENTRY_ROOM) {
			k->out.bytes[more] = '1';
			break;
		}
		put_use(k, role, r);
	}
	return AGENT_REPLY;
}

static enum agent_outcome do_OWN(struct agent_call *k)
{
	int64_t ago = wire_number(&k->m, WIRE_TAG_LAST_AGO, -1);
	char login[256];

	if (!wire_text(&k->m, WIRE_TAG_USER, login, sizeof(login)) || ago < 0)
		return agent_serve_call_answer(k, WIRE_RESULT_BAD_REQUEST);
	return agent_serve_call_answer(k, agent_trail_seen_own(k->a->seen,
							       login, ago) ?
						  WIRE_RESULT_OK :
						  WIRE_RESULT_AMBIGUOUS);
}
