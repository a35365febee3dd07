/* SPDX-License-Identifier: PostgreSQL */
/* The runner's effects on a gateway; must never let a label move before the ledger
 * knows what is to become of it. */
#include "rotation/runner_gateway.h"

#include <string.h>

#include "base/text.h"
#include "rotation/runner_env.h"
#include "rotation/runner_fact.h"
#include "rotation/runner_ledger.h"
#include "rotation/runner_login.h"
#include "rotation/runner_store.h"

/* ---- survey ---- */

static int64_t grace_ends(const struct runner *r)
{
	const struct store_version *current =
		store_find_label(&r->state, STORE_LABEL_CURRENT);
	int64_t since = current ? current->created_us : 0;

	/* What the ledger saw is when it moved; the agents go by the store. */
	if (strcmp(r->role.version, r->current) == 0 &&
	    r->role.rotated_us > since)
		since = r->role.rotated_us;
	return since + r->job->grace_us;
}

static bool in_grace(const struct runner *r)
{
	return now_wall(r->env->o.now) < grace_ends(r);
}

/* What a person has asked for and is not done, and what to do. */
static void explain_survey(const struct runner *r, enum engine_event ev,
			   struct reason *why)
{
	const char *role = r->job->role;
	char stamp[NOW_STAMP_SIZE];

	if (r->job->mode == ENGINE_MODE_IMPORT && ev != ENGINE_ON_NEVER)
		reason_set(why, STATUS_REFUSED,
			   "role %s has a password of keyturn's already; "
			   "nothing was imported, and keyturn rotate %s makes "
			   "another",
			   role, role);
	else if (r->job->mode == ENGINE_MODE_ROTATE &&
		 ev == ENGINE_ON_OVERLAPPING)
		reason_set(why, STATUS_DEFERRED,
			   "the password before of role %s is in its grace "
			   "until %s, which no rotation cuts short; keyturn "
			   "retire %s ends it now, and rotate --force goes on "
			   "at once",
			   role, now_stamp(grace_ends(r), stamp), role);
	else if (r->job->mode == ENGINE_MODE_ROLLBACK &&
		 ev == ENGINE_ON_OVERDUE)
		reason_set(why, STATUS_REFUSED,
			   "the grace of the password before of role %s ended "
			   "at %s; there is no way back to it",
			   role, now_stamp(grace_ends(r), stamp));
}

/* Does the store lack what this ledger saw become CURRENT?  A replica's old answer
 * is not to be taken for that, so it is asked twice. */
static bool went_back(struct runner *r)
{
	for (int i = 0; i < 2; i++) {
		if (!r->role.version[0] || r->role.learnt ||
		    store_find_id(&r->state, r->role.version))
			return false;
		if (i == 0 && runner_store_describe(r, NULL) != STATUS_OK)
			return false;
	}
	return true;
}

static enum engine_event judge(const struct runner *r,
			       const struct runner_fact *f)
{
	const char *pending = runner_store_id(r, STORE_LABEL_PENDING);
	const char *previous = runner_store_id(r, STORE_LABEL_PREVIOUS);
	bool is_current = strcmp(f->version, r->current) == 0;
	bool is_previous = *previous && strcmp(f->version, previous) == 0;

	if (!*r->current)
		return ENGINE_ON_NEVER;
	/* Where there is no way back, it is proved after all. */
	if (strcmp(f->word, RUNNER_FACT_ABANDONED) == 0 && is_current)
		return *previous ? ENGINE_ON_ABANDONED : ENGINE_ON_UNPROVED;
	if (strcmp(f->word, RUNNER_FACT_ABANDONED) == 0 && is_previous)
		return ENGINE_ON_LEFT_OVER;
	if (strcmp(f->word, RUNNER_FACT_RETURNED) == 0 && is_current)
		return ENGINE_ON_RETURNED;
	if (strcmp(f->word, RUNNER_FACT_PROMOTED) == 0 && is_current)
		return ENGINE_ON_UNPROVED;
	if (strcmp(f->word, RUNNER_FACT_WITHDRAWN) == 0 && !is_current &&
	    !is_previous)
		return ENGINE_ON_UNSHOWN;
	if (*previous)
		return in_grace(r) ? ENGINE_ON_OVERLAPPING : ENGINE_ON_OVERDUE;
	return *pending ? ENGINE_ON_PENDING_DEAD : ENGINE_ON_CURRENT_LIVE;
}

static bool is_current_again(struct runner *r, const char *id)
{
	struct secret *ended = NULL, *current = NULL;
	bool same;

	same = runner_store_password(r, id, &ended, NULL) == STATUS_OK &&
	       runner_store_password(r, r->current, &current, NULL) ==
		       STATUS_OK &&
	       secret_equal(ended, current);
	secret_free(ended);
	secret_free(current);
	return same;
}

/* A memory of the store's is good for a write; what is concluded here is not
 * compared with anything. */
static enum status describe_itself(struct runner *r, struct reason *why)
{
	enum status s = runner_store_describe(r, why);

	if (s == STATUS_OK && r->state.remembered)
		s = runner_store_describe(r, why);
	return s;
}

enum engine_event runner_gateway_survey(struct runner *r, struct reason *why)
{
	const char *previous;
	enum engine_event ev;
	struct runner_fact f;
	enum status s;
	bool back;

	s = describe_itself(r, why);
	if (s != STATUS_OK)
		return runner_store_read_event(s);
	back = went_back(r);
	if (r->state.note[0]) {
		reason_set(why, STATUS_CORRUPT, "role %s: %s", r->job->role,
			   r->state.note);
		return ENGINE_ON_CORRUPT;
	}
	if (runner_fact_read(r, &f, why) != STATUS_OK)
		return ENGINE_ON_LEDGER_DOWN;
	previous = runner_store_id(r, STORE_LABEL_PREVIOUS);
	/* What others read of a marker: this is all that there is. */
	text_copy(r->marker.live_version, sizeof(r->marker.live_version),
		  r->current);
	text_copy(r->marker.previous_version,
		  sizeof(r->marker.previous_version), previous);
	text_copy(r->ended, sizeof(r->ended), previous);
	if (back) {
		reason_set(
			why, STATUS_FROZEN,
			"version %s of role %s, which was current, is not in "
			"the store: the store was rolled back, or has been "
			"rotated by another keyturn for long. The partner "
			"may have a password that no gateway takes; run "
			"keyturn thaw, then keyturn rotate, and hand the new "
			"one out",
			r->role.version, r->job->role);
		return ENGINE_ON_FOREIGN;
	}
	ev = judge(r, &f);
	/* A rollback has brought it back: it has not ended. */
	if (ev == ENGINE_ON_UNSHOWN && is_current_again(r, f.version)) {
		runner_fact_settle(r, f.version);
		f.word[0] = '\0';
		ev = judge(r, &f);
	}
	explain_survey(r, ev, why);
	if (ev == ENGINE_ON_UNSHOWN)
		text_copy(r->ended, sizeof(r->ended), f.version);
	if (ev == ENGINE_ON_UNPROVED || ev == ENGINE_ON_RETURNED ||
	    ev == ENGINE_ON_ABANDONED)
		text_copy(r->version, sizeof(r->version), r->current);
	return ev;
}

/* ---- both are good ---- */

static enum engine_event weigh(struct runner *r, enum engine_event ev,
			       struct reason *why)
{
	int64_t now = now_boot(r->env->o.now);

	if (r->prove_until == 0)
		r->prove_until = now + r->job->prove_deadline_us;
	/* An agent that is slow once must not undo a rotation. */
	if (ev == ENGINE_ON_WRONG && now < r->prove_until)
		return ENGINE_ON_NO_EVIDENCE;
	if (ev == ENGINE_ON_NO_EVIDENCE && now >= r->prove_until)
		return ENGINE_ON_EXPIRED;
	runner_login_explain(r, ev, ev != ENGINE_ON_NO_EVIDENCE, why);
	return ev;
}

/* Was what was refused taken its label meanwhile, by a retirement? */
static bool has_ended(struct runner *r, const char *id, struct reason *why)
{
	return runner_store_describe(r, why) == STATUS_OK &&
	       strcmp(r->current, r->version) == 0 &&
	       strcmp(runner_store_id(r, STORE_LABEL_PREVIOUS), id) != 0;
}

static void explain_before(const struct runner *r, struct reason *why)
{
	struct reason found = *why;

	reason_set(why, STATUS_REJECTED,
		   "role %s: the password before is refused: %s; is grace in "
		   "the agent.conf of that gateway as long as here?",
		   r->job->role, found.text);
}

/* A rollback that has not begun asks whether there is a way back. */
static bool is_recall(const struct runner *r)
{
	return r->job->mode == ENGINE_MODE_ROLLBACK && !r->engine.have_version;
}

enum engine_event runner_gateway_overlap(struct runner *r, struct reason *why)
{
	struct secret *password = NULL;
	char previous[RANDOM_UUID_SIZE];
	enum engine_event ev;
	enum status s = STATUS_OK;

	if (r->state_stale)
		s = runner_store_describe(r, why);
	text_copy(previous, sizeof(previous),
		  runner_store_id(r, STORE_LABEL_PREVIOUS));
	if (s == STATUS_OK && !*previous) {
		runner_fact_settle(r, r->version);
		return ENGINE_ON_CLEARED;
	}
	if (s == STATUS_OK)
		s = runner_store_password(r, previous, &password, why);
	if (s != STATUS_OK)
		return runner_store_read_event(s);
	ev = weigh(r, runner_login(r, password, CLUSTER_PROOF_PRESENT, why),
		   why);
	/* What was taken is what is gone back to, whatever the store says next. */
	if (ev == ENGINE_ON_RIGHT && is_recall(r)) {
		runner_store_drop_password(r);
		r->password = password;
		password = NULL;
	}
	secret_free(password);
	if (ev == ENGINE_ON_WRONG)
		explain_before(r, why);
	if ((ev == ENGINE_ON_WRONG || ev == ENGINE_ON_EXPIRED) &&
	    !is_recall(r) && has_ended(r, previous, why)) {
		reason_clear(why);
		ev = ENGINE_ON_CLEARED;
	}
	if ((ev == ENGINE_ON_RIGHT || ev == ENGINE_ON_CLEARED) && !is_recall(r))
		runner_fact_settle(r, r->version);
	return ev;
}

bool runner_gateway_answers(struct runner *r, struct reason *why)
{
	struct secret *current = NULL;
	enum engine_event ev = ENGINE_ON_NO_EVIDENCE;

	if (runner_store_password(r, r->current, &current, why) == STATUS_OK)
		ev = runner_login(r, current, CLUSTER_PROOF_PRESENT, why);
	secret_free(current);
	if (ev == ENGINE_ON_RIGHT)
		return true;
	if (!why->text[0])
		reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
			   "the password of role %s does not log in at each "
			   "gateway, so a refusal there shows nothing",
			   r->job->role);
	return false;
}

/* ---- back ---- */

enum engine_event runner_gateway_back(struct runner *r, struct reason *why)
{
	struct store *store = r->job->store;
	char to[RANDOM_UUID_SIZE], from[RANDOM_UUID_SIZE];
	/* Who withdrew the one before has left no way back. */
	enum status s = runner_store_describe(r, why);

	if (s != STATUS_OK)
		return runner_store_read_event(s);
	text_copy(from, sizeof(from), r->current);
	text_copy(to, sizeof(to), runner_store_id(r, STORE_LABEL_PREVIOUS));
	if (!*to)
		return ENGINE_ON_ABSENT;
	/* What was concluded from is there yet? */
	if (strcmp(from, r->version) != 0)
		return ENGINE_ON_CONFLICT;
	if (runner_fact_write(r, RUNNER_FACT_ABANDONED, from,
			      "a gateway did not take it: CURRENT goes back to "
			      "the version before",
			      why) != STATUS_OK)
		return ENGINE_ON_LEDGER_DOWN;
	s = store->ops->promote(store, r->job->role, r->state.revision, to,
				&r->state, why);
	runner_store_keep(r, s, why);
	if (s == STATUS_OK && strcmp(r->current, to) != 0) {
		r->state_stale = true;
		s = STATUS_UNKNOWN;
	}
	if (s != STATUS_OK)
		return runner_store_event(s);
	text_copy(r->marker.live_version, sizeof(r->marker.live_version), to);
	runner_ledger_alarm(r, from,
			    r->result.why.text[0] ?
				    r->result.why.text :
				    "a gateway did not take the new password; "
				    "CURRENT is the one before again");
	r->promoted_us = 0;
	text_copy(r->ended, sizeof(r->ended), from);
	return ENGINE_ON_OK;
}
