/* SPDX-License-Identifier: PostgreSQL */
/* Compares what somebody typed with what is held as a digest; must never take
 * longer or shorter for what it finds, nor look at a guess that is not counted:
 * a wrong one counts from the first comparison, before anything is waited for,
 * and is taken back when it turns out to be newer than what was held. */
#include "agent/serve/verify.h"

#include <stdio.h>
#include <string.h>

#include "agent/serve/throttle.h"
#include "agent/trail/seen.h"

/* How long a login may wait for the store's answer to a wrong password, and for
 * the first answer at all. */
#define ASK_US	 (NOW_SECOND / 2)
#define FIRST_US (5 * NOW_SECOND)
/* RHOST is what the client says.  So from all of them together no more than so
 * many times `wrong_passwords` are looked at, and no more than so many hosts a
 * minute have events of their own in the audit. */
#define ALL_HOSTS     10
#define ROWS_REJECTED 16
#define ROWS_FINE     256

struct attempt {
	char user[256], rhost[256], service[64];
	unsigned char mac[DIGEST_SIZE];
	struct agent_serve_throttle_who who, all;
};

static bool is_equal(const unsigned char *a, const unsigned char *b)
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
	       agent_serve_throttle_who(cache, "wrong", k->c->peer.uid, role,
					t->rhost, &t->who) == STATUS_OK &&
	       agent_serve_throttle_who(cache, "wrong", k->c->peer.uid, role,
					NULL, &t->all) == STATUS_OK &&
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

/* Both are always compared.  *ret_label: which one it is, also when that is
 * refused, because it does not count any more or for this user name; or "". */
static enum wire_result compare_password(const struct agent_call *k,
					 const struct attempt *t,
					 const char **ret_label)
{
	const struct agent_secret *s = k->role->secret;
	bool current = is_equal(t->mac, s->current.mac);
	bool previous = is_equal(t->mac, s->previous.mac);

	current = current && s->current.has_mac;
	previous = previous && s->previous.has_mac;
	*ret_label = current ? "current" : previous ? "previous" : "";
	current = current && of_user(&s->current, t->user);
	previous = previous && of_user(&s->previous, t->user) && in_grace(k);
	return current	? WIRE_RESULT_OK :
	       previous ? WIRE_RESULT_OK_PREVIOUS :
			  WIRE_RESULT_MISMATCH;
}

/* ---- The count ----------------------------------------------------------- */

static bool is_limited(const struct agent_call *k, const struct attempt *t)
{
	unsigned limit = k->a->settings.wrong_passwords;

	return agent_serve_throttle_on(k->a->throttle, &t->who, limit,
				       k->now_us) ||
	       agent_serve_throttle_on(k->a->throttle, &t->all,
				       limit * ALL_HOSTS, k->now_us);
}

static void count_wrong(struct agent_call *k, const struct attempt *t)
{
	unsigned limit = k->a->settings.wrong_passwords;

	if (k->c->counted)
		return;
	agent_serve_throttle_wrong(k->a->throttle, &t->who, limit, k->now_us);
	agent_serve_throttle_wrong(k->a->throttle, &t->all, limit * ALL_HOSTS,
				   k->now_us);
	k->c->counted = true;
}

static void uncount_wrong(struct agent_call *k, const struct attempt *t)
{
	unsigned limit = k->a->settings.wrong_passwords;

	if (!k->c->counted)
		return;
	agent_serve_throttle_back(k->a->throttle, &t->who, limit, k->now_us);
	agent_serve_throttle_back(k->a->throttle, &t->all, limit * ALL_HOSTS,
				  k->now_us);
	k->c->counted = false;
}

/* ---- The audit ----------------------------------------------------------- */

static const char *words_of(enum wire_result result)
{
	switch (result) {
	case WIRE_RESULT_OK:
		return "current password";
	case WIRE_RESULT_OK_PREVIOUS:
		return "previous password";
	case WIRE_RESULT_LIMITED:
		return "too many wrong passwords";
	default:
		return "wrong password";
	}
}

static bool is_fine(enum wire_result result)
{
	return result == WIRE_RESULT_OK || result == WIRE_RESULT_OK_PREVIOUS;
}

/* With many hosts in a minute the others share one event. */
static bool too_many_rows(struct agent_call *k, enum wire_result result)
{
	unsigned limit = is_fine(result) ? ROWS_FINE : ROWS_REJECTED;
	struct agent_serve_throttle_who rows;

	if (agent_serve_throttle_who(k->a->cache, words_of(result),
				     k->c->peer.uid, k->role->name, NULL,
				     &rows) != STATUS_OK ||
	    agent_serve_throttle_on(k->a->throttle, &rows, limit, k->now_us))
		return true;
	agent_serve_throttle_wrong(k->a->throttle, &rows, limit, k->now_us);
	return false;
}

static void record_attempt(struct agent_call *k, const struct attempt *t,
			   enum wire_result result, const char *label,
			   bool stale)
{
	const struct agent_secret *s = k->role->secret;
	bool fine = is_fine(result);
	char shared[64];
	struct agent_act act = {
		.kind = AUDIT_VERIFY,
		.operation = "VERIFY",
		.status = status_name(fine ? STATUS_OK : STATUS_REJECTED),
		.uid = k->c->peer.uid,
		.pid = k->c->peer.pid,
		.role = k->role->name,
		.version = result == WIRE_RESULT_OK_PREVIOUS ? s->previous.id :
			   fine				     ? s->current.id :
							       "",
		.stale = stale,
		.label = label,
		.host = t->rhost,
		.service = t->service,
		.detail = words_of(result),
	};

	if (!agent_trail_has(k->a->trail, &act) && too_many_rows(k, result)) {
		snprintf(shared, sizeof(shared), "%s, from further hosts",
			 words_of(result));
		act.host = act.service = "";
		act.detail = shared;
	}
	agent_trail_note(k->a->trail, &act);
}

/* For who asks the agents what is still in use (USES). */
static void count_use(struct agent_call *k, const struct attempt *t,
		      enum wire_result result)
{
	const struct agent_secret *s = k->role->secret;
	bool previous = result == WIRE_RESULT_OK_PREVIOUS;

	/* Who did not wait for the answer did not log in. */
	if (!is_fine(result) || k->c->left)
		return;
	agent_trail_seen_add(
		k->a->seen,
		&(struct agent_trail_seen_use){
			.role = k->role->name,
			.login = t->user,
			.version = previous ? s->previous.id : s->current.id,
			.previous = previous,
			.beside = previous ? s->current.id : s->previous.id,
			.rhost = t->rhost,
			.service = t->service,
		});
}

/* ---- The answer ---------------------------------------------------------- */

/* Is the store about to say what is current? */
static bool is_asked(const struct agent_call *k)
{
	const struct agent_secret *s = k->role->secret;

	return s->busy || (!s->failed && s->next_us < k->c->begun_us + ASK_US);
}

/* A wrong password may be one that is newer than what we hold, and the one before
 * may not count any more: the store is asked, once in a while, and the login waits
 * for it. */
static bool ask_again(struct agent_call *k)
{
	if (!k->c->pressed)
		agent_cache_press(k->a->cache, k->role->secret,
				  AGENT_CACHE_PRESS_US);
	k->c->pressed = true;
	return is_asked(k) && agent_serve_call_wait(k, ASK_US);
}

/*
 * The password before counts as long as the store says so: when it got out, it
 * was withdrawn there (keyturn rotate --compromised).  An agent that cannot ask
 * goes by what it holds, as with the current one.
 */
static bool is_confirmed(const struct agent_call *k)
{
	int64_t checked = k->role->secret->checked_us;

	return checked > 0 && checked + AGENT_CACHE_PRESS_US > k->c->begun_us;
}

/*
 * And the current one as long as it was looked at in time.  When it was not, this
 * agent was down, or the host stood still, and nothing is known against the store:
 * what it missed may be that this password got out.
 */
static bool is_overdue(const struct agent_call *k, enum agent_cache_has has)
{
	const struct agent_secret *s = k->role->secret;

	return has == AGENT_CACHE_STALE && !s->failed && !s->doubted_us;
}

static enum agent_outcome answer_attempt(struct agent_call *k,
					 const struct attempt *t,
					 enum wire_result result,
					 const char *label, bool stale)
{
	const struct agent_secret *s = k->role->secret;

	record_attempt(k, t, result, label, stale);
	count_use(k, t, result);
	agent_serve_call_answer(k, result);
	if (result == WIRE_RESULT_OK_PREVIOUS)
		wire_put_number(&k->out, WIRE_TAG_GRACE_UNTIL,
				s->since_us + k->role->grace_us);
	return AGENT_REPLY;
}

enum agent_outcome agent_serve_verify(struct agent_call *k)
{
	const char *label = "";
	enum agent_cache_has has;
	enum wire_result result;
	struct attempt t;
	int64_t stale;

	if (!read_attempt(k, k->role->name, &t))
		return agent_serve_call_answer(k, WIRE_RESULT_BAD_REQUEST);
	has = agent_cache_look(k->a->cache, k->role->secret, &stale);
	switch (has) {
	case AGENT_CACHE_COMING:
		if (agent_serve_call_wait(k, FIRST_US))
			return AGENT_PARK;
		return agent_serve_call_answer(k, WIRE_RESULT_UNAVAILABLE);
	case AGENT_CACHE_NOTHING:
		/* What was not there when we looked may be there now: the proof
		 * of a login's first password comes at once. */
		if (!k->role->secret->failed && ask_again(k))
			return AGENT_PARK;
		return agent_serve_call_answer(k, WIRE_RESULT_UNAVAILABLE);
	case AGENT_CACHE_FRESH:
	case AGENT_CACHE_STALE:
		break;
	}
	if (!k->role->secret->current.has_mac) {
		if (!k->role->secret->failed &&
		    agent_serve_call_wait(k, FIRST_US))
			return AGENT_PARK; /* the role's first verifiers */
		return agent_serve_call_answer(k, WIRE_RESULT_UNAVAILABLE);
	}
	if (!k->c->counted && is_limited(k, &t)) {
		/* What the others have tried may be a newer password. */
		if (is_asked(k) && agent_serve_call_wait(k, ASK_US))
			return AGENT_PARK;
		return answer_attempt(k, &t, WIRE_RESULT_LIMITED, "",
				      stale > 0);
	}
	result = compare_password(k, &t, &label);
	if (result == WIRE_RESULT_MISMATCH) {
		count_wrong(k, &t);
		if (ask_again(k))
			return AGENT_PARK;
	} else {
		if ((result == WIRE_RESULT_OK_PREVIOUS ? !is_confirmed(k) :
							 is_overdue(k, has)) &&
		    ask_again(k))
			return AGENT_PARK;
		uncount_wrong(k, &t);
	}
	return answer_attempt(k, &t, result, label, stale > 0);
}

void agent_serve_verify_nobody(struct agent_call *k)
{
	static const unsigned char nothing[2][DIGEST_SIZE];
	volatile bool current, previous;
	struct attempt t;

	read_attempt(k, "", &t);
	current = is_equal(t.mac, nothing[0]);
	previous = is_equal(t.mac, nothing[1]);
	(void)current;
	(void)previous;
	is_limited(k, &t);
}
