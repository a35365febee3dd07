/* SPDX-License-Identifier: PostgreSQL */
/*
 * What is tried while the old password lives: the store, the logins of a proof,
 * and the sinks.  Must never change anything.
 */
#include "rotation/runner_try.h"

#include <string.h>

#include "rotation/runner_deliver.h"
#include "rotation/runner_env.h"
#include "rotation/runner_login.h"
#include "rotation/runner_member.h"
#include "rotation/runner_store.h"
#include "rotation/runner_way.h"

/* Is CURRENT what is live, as far as the books can tell?  After a restore they
 * tell only what the marker was like; a service that forwards passwords may have
 * another. */
static bool is_present(const struct runner *r)
{
	return !r->job->emergency && !r->engine.restored && *r->current &&
	       strcmp(r->marker.live_version, r->current) == 0;
}

static enum engine_event explain_refusal(const struct runner *r,
					 struct reason *why)
{
	struct reason found = *why;

	if (runner_login_proxy_may_remember(r)) {
		reason_set(why, STATUS_BUSY,
			   "the password of role %s is too new for a proxy "
			   "that remembers the one before (refusal_wait); try "
			   "again later",
			   r->job->role);
		return ENGINE_ON_BUSY;
	}
	if (r->engine.gateway) {
		reason_set(why, STATUS_REFUSED,
			   "nothing was changed: %s, which is the store's "
			   "current one; look whether keyturn-agent answers "
			   "there, and reads this store",
			   found.text);
		return ENGINE_ON_WRONG;
	}
	reason_set(why, STATUS_REFUSED,
		   "nothing was changed: %s, which the marker calls live; it "
		   "was changed, or pg_hba.conf wants more than a password "
		   "(clientcert=verify-full). Changed: keyturn import %s takes "
		   "the present one over, or keyturn rotate --emergency %s "
		   "replaces it",
		   found.text, r->job->role, r->job->role);
	return ENGINE_ON_WRONG;
}

/* First the wrong password, then the right one: a server that counts failures
 * forgets them after a success.  The members of a new pair have no LOGIN: whether a
 * wrong password is refused only the server itself tells; the proof asks the
 * others. */
enum engine_event runner_try_password(struct runner *r,
				      const struct secret *password,
				      struct reason *why)
{
	enum engine_event ev;

	r->direct = r->job->pair && !password && !*runner_member_active(r);
	ev = runner_login_control(r, why);
	r->direct = false;
	if (ev == ENGINE_ON_RIGHT && password)
		ev = runner_login(r, password, CLUSTER_PROOF_PRESENT, why);
	return ev;
}

static enum engine_event log_in(struct runner *r, struct reason *why)
{
	/* No new password repairs what a retirement leaves: CURRENT itself
	 * logs in, by this run. */
	bool retires = r->job->mode == ENGINE_MODE_RETIRE;
	struct secret *current = NULL;
	enum engine_event ev;
	enum status s;

	if (retires && !is_present(r)) {
		reason_set(why, STATUS_REFUSED,
			   "%s %s: the store's current password is not the "
			   "live one, so that no other is ended; keyturn "
			   "recover %s first",
			   r->job->pair ? "pair" : "role", r->job->role,
			   r->job->role);
		return ENGINE_ON_FAILED;
	}
	/* A password that we do not know: a made-up one must be refused as a
	 * password.  So it is when CURRENT was proved just now. */
	if (!is_present(r) || (!retires && !r->engine.gateway &&
			       (r->logged_in || runner_way_was_proved(r))))
		return runner_try_password(r, NULL, why);
	/* Not into r->password: that is the one we may have staged. */
	s = runner_store_password(r, r->current, &current, why);
	if (s == STATUS_CORRUPT)
		runner_login_ways_out(why);
	if (s != STATUS_OK)
		return runner_store_read_event(s);
	ev = runner_try_password(r, current, why);
	secret_free(current);
	r->logged_in = ev == ENGINE_ON_RIGHT;
	runner_way_remember(r, r->logged_in);
	/* A commit that failed may have made another one live.  CURRENT is
	 * useless then, and a new password repairs that. */
	if (ev == ENGINE_ON_WRONG && !retires && r->job->cluster->doubts &&
	    !runner_login_proxy_may_remember(r))
		return ENGINE_ON_RIGHT;
	return ev;
}

enum engine_event runner_try_all(struct runner *r, struct reason *why)
{
	/* The store first: it costs no failed login. */
	enum engine_event ev = runner_store_ready(r, why);

	if (ev != ENGINE_ON_OK)
		return ev;
	ev = log_in(r, why);
	if (ev == ENGINE_ON_WRONG)
		return explain_refusal(r, why);
	if (ev == ENGINE_ON_FAILED)
		return ev;
	if (ev != ENGINE_ON_RIGHT) {
		runner_login_explain(r, ev, true, why);
		return ev;
	}
	reason_clear(why);
	/* It delivers nothing new, and a password that leaked is to end. */
	if (r->job->mode == ENGINE_MODE_RETIRE)
		return ENGINE_ON_OK;
	return runner_deliver_try(r, why) == STATUS_OK ? ENGINE_ON_OK :
							 ENGINE_ON_FAILED;
}
