/* SPDX-License-Identifier: PostgreSQL */
/*
 * Runs what a password that got out asks for, in this order: another password is
 * made current first, since consumers have none without it, then the old one ends.
 * Must never forget that it began before it was shown to be over.
 */
#include "jobs/compromise.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/now.h"
#include "base/text.h"
#include "jobs/role_lock.h"
#include "jobs/rotate.h"

/* PENDING, CURRENT and PREVIOUS of two commands.  When there are more the oldest
 * gives way: each try of them counts as a failed login somewhere. */
#define LEAKED 6

struct incident {
	int64_t since_us;	       /* wall clock */
	char reason[LEDGER_TEXT_SIZE]; /* the command's, as far as it fits */
	bool evict;		       /* its sessions are to end */
	size_t n;
	char leaked[LEAKED][RANDOM_UUID_SIZE]; /* the newest first */
};

/* ---- what is remembered: "1800000000000000 1 UUID UUID ... =REASON" ---- */

static enum status recall(struct ledger *l, const char *role,
			  struct incident *ret, struct reason *why)
{
	char value[LEDGER_TEXT_SIZE];
	int at = 0, n = 0, evict = 0;
	enum status s;

	*ret = (struct incident){ .n = 0 };
	s = ledger_fact_recall(l, LEDGER_FACT_COMPROMISED, role,
			       now_wall(now_system()), value, why);
	if (s != STATUS_OK)
		return s;
	if (sscanf(value, "%" SCNd64 " %d%n", &ret->since_us, &evict, &at) != 2)
		return reason_set(why, STATUS_CORRUPT,
				  "role %s: the ledger does not say since when "
				  "its password is compromised",
				  role);
	ret->evict = evict != 0;
	while (ret->n < LEAKED && sscanf(value + at, " %36[^ =]%n",
					 ret->leaked[ret->n], &n) == 1) {
		at += n;
		ret->n++;
	}
	if (value[at] == ' ' && value[at + 1] == '=')
		text_cut(ret->reason, sizeof(ret->reason), value + at + 2);
	return STATUS_OK;
}

bool compromise_is_open(struct ledger *l, const char *role)
{
	struct incident known;

	return recall(l, role, &known, NULL) != STATUS_NOT_FOUND;
}

static enum status remember(struct ledger *l, const char *role,
			    const struct incident *i, struct reason *why)
{
	char value[LEDGER_TEXT_SIZE];
	int n = snprintf(value, sizeof(value), "%" PRId64 " %d", i->since_us,
			 i->evict);

	for (size_t k = 0; k < i->n; k++)
		n += snprintf(value + n, sizeof(value) - (size_t)n, " %s",
			      i->leaked[k]);
	n += snprintf(value + n, sizeof(value) - (size_t)n, " =");
	text_cut(value + n, sizeof(value) - (size_t)n, i->reason);
	return ledger_fact_remember(l, LEDGER_FACT_COMPROMISED, role, value,
				    now_wall(now_system()), why);
}

static bool has_leaked(const struct incident *i, const char *version)
{
	for (size_t k = 0; k < i->n; k++)
		if (strcmp(i->leaked[k], version) == 0)
			return true;
	return false;
}

/* ---- what got out ---- */

/* NULL: the store has forgotten it. */
static enum status fetch(struct store *store, const char *role,
			 const char *version, struct secret **ret,
			 struct reason *why)
{
	struct store_entry entry;
	enum status s;

	memset(&entry, 0, sizeof(entry)); /* not secret */
	s = store->ops->fetch(store, role, version, &entry, why);
	*ret = s == STATUS_OK ? entry.password : NULL;
	return s == STATUS_NOT_FOUND ? STATUS_OK : s;
}

/* Is this one of them?  Who ended another password may have given it another id
 * since (store_ops.by_label). */
static enum status is_out(struct open_engine *w, const char *role,
			  const struct incident *i, const char *version,
			  bool *ret, struct reason *why)
{
	struct secret *one = NULL, *other = NULL;
	struct open_engine_job j;
	enum status s;

	*ret = has_leaked(i, version);
	if (*ret)
		return STATUS_OK;
	s = open_engine_job(w, role, &j, why);
	if (s == STATUS_OK && j.job.store->ops->by_label)
		s = fetch(j.job.store, role, version, &one, why);
	for (size_t k = 0; k < i->n && s == STATUS_OK && one && !*ret; k++) {
		s = fetch(j.job.store, role, i->leaked[k], &other, why);
		*ret = other && secret_equal(one, other);
		secret_free(other);
		other = NULL;
	}
	secret_free(one);
	open_engine_job_free(&j);
	return s;
}

static enum status describe(struct open_engine *w, const char *role,
			    struct store_state *ret, struct reason *why)
{
	struct open_engine_job j;
	enum status s = open_engine_job(w, role, &j, why);

	if (s == STATUS_OK)
		s = j.job.store->ops->describe(j.job.store, role, ret, why);
	open_engine_job_free(&j);
	return s;
}

/*
 * Whatever may log in now: which of them a stranger has, no one can say.  PENDING
 * is among them, since an interrupted rotation may have made it live.
 */
static enum status begin(struct open_engine *w, const char *role,
			 const struct runner_job *like, struct incident *i,
			 struct reason *why)
{
	static const enum store_label labels[] = { STORE_LABEL_CURRENT,
						   STORE_LABEL_PENDING,
						   STORE_LABEL_PREVIOUS };
	struct incident before = *i;
	struct store_state state;
	const struct store_version *v;
	enum status s = describe(w, role, &state, why);

	if (s != STATUS_OK)
		return s;
	if (i->since_us == 0)
		i->since_us = like->since_us;
	i->evict = i->evict || like->end_sessions;
	text_cut(i->reason, sizeof(i->reason), like->reason);
	i->n = 0;
	for (size_t k = 0; k < 3; k++) {
		v = store_find_label(&state, labels[k]);
		if (v)
			text_copy(i->leaked[i->n++], RANDOM_UUID_SIZE, v->id);
	}
	/* What the store has forgotten since, no one can try. */
	for (size_t k = 0; k < before.n && i->n < LEAKED; k++)
		if (!has_leaked(i, before.leaked[k]) &&
		    (state.remembered ||
		     store_find_id(&state, before.leaked[k])))
			text_copy(i->leaked[i->n++], RANDOM_UUID_SIZE,
				  before.leaked[k]);
	if (i->n == 0)
		return reason_set(
			why, STATUS_REFUSED,
			"role %s: keyturn has no password of it that could "
			"have got out; keyturn rotate %s makes its first one",
			role, role);
	return remember(open_engine_ledger(w), role, i, why);
}

/* ---- the runs ---- */

struct work {
	struct open_engine *w;
	const char *role;
	struct runner_job job; /* but for mode */
	runner_watch_fn *watch;
	void *arg;
	bool takeover;	   /* RECOVER: of a claim that lives */
	bool emergency;	   /* ROTATE: replace what the store does not know */
	bool behind;	   /* a sink is */
	unsigned left;	   /* sessions that were to end */
	struct reason who; /* and why they did not */
};

static enum status run(struct work *k, enum engine_mode mode,
		       struct runner_result *ret)
{
	const struct runner_result before = *ret;

	k->job.mode = mode;
	k->job.takeover = k->takeover && mode == ENGINE_MODE_RECOVER;
	k->job.emergency = k->emergency && mode == ENGINE_MODE_ROTATE;
	rotate_run(k->w, k->role, &k->job, k->watch, k->arg, ret);
	ret->took_us += before.took_us;
	ret->unconfirmed = ret->unconfirmed || before.unconfirmed;
	ret->went_back = ret->went_back || before.went_back;
	ret->disowned = ret->disowned || before.disowned;
	ret->restored = ret->restored || before.restored;
	if (ret->sessions_left > 0)
		k->who = ret->why;
	k->left += ret->sessions_left;
	/* A file that is behind keeps no one out of what got out. */
	k->behind = ret->status == STATUS_UNDELIVERED;
	return k->behind ? STATUS_OK : ret->status;
}

/* Another password is current, and was not known when it was asked for. */
static enum status replace(struct work *k, const struct incident *i,
			   bool recovers, struct runner_result *ret)
{
	enum status s = STATUS_OK;
	bool out = true;

	if (recovers)
		s = run(k, ENGINE_MODE_RECOVER, ret);
	if (recovers && s == STATUS_OK)
		s = is_out(k->w, k->role, i, ret->version, &out, &ret->why);
	if (s == STATUS_OK && out)
		s = run(k, ENGINE_MODE_ROTATE, ret);
	return s;
}

/* What was before it ends. */
static enum status end(struct work *k, struct runner_result *ret)
{
	enum status s = run(k, ENGINE_MODE_RETIRE, ret);

	if (s != STATUS_OK || k->left == 0)
		return s;
	return reason_set(&ret->why, STATUS_DEFERRED,
			  "the old password is refused, and sessions are left: "
			  "%s",
			  k->who.text);
}

void compromise_run(struct open_engine *w, const char *role,
		    const struct runner_job *like, runner_watch_fn *watch,
		    void *arg, struct runner_result *ret)
{
	struct ledger *l = open_engine_ledger(w);
	struct work k = { w, role, *like, watch, arg, .left = 0 };
	bool recovers = like->mode == ENGINE_MODE_RECOVER;
	struct incident i;
	int lock = -1;
	enum status s;

	memset(ret, 0, sizeof(*ret)); /* not secret */
	/* For all of its runs: nobody of this host finishes what is going on.
	 * Whoever holds it otherwise is held off by the claims. */
	if (role_lock_take(open_engine_opened(w), role, 0, &lock, NULL) !=
	    STATUS_OK)
		lock = -1;
	s = recall(l, role, &i, &ret->why);
	if (s == STATUS_NOT_FOUND && !recovers)
		s = STATUS_OK;
	if (s == STATUS_OK && !recovers)
		s = begin(w, role, like, &i, &ret->why);
	k.takeover = like->takeover;
	k.emergency = like->emergency;
	k.job.compromised = k.job.force = k.job.fresh = k.job.at_once = true;
	k.job.end_sessions = i.evict;
	k.job.leaked = (const char(*)[RANDOM_UUID_SIZE])i.leaked;
	k.job.n_leaked = i.n;
	k.job.since_us = i.since_us;
	/* Who finishes it does so for the reason that it was begun for. */
	if (recovers && i.reason[0])
		k.job.reason = i.reason;
	if (s == STATUS_OK)
		s = replace(&k, &i, recovers, ret);
	if (s == STATUS_OK)
		s = end(&k, ret);
	if (s == STATUS_OK)
		s = ledger_fact_drop(l, LEDGER_FACT_COMPROMISED, role,
				     &ret->why);
	ret->status = s == STATUS_OK && k.behind ? STATUS_UNDELIVERED : s;
	role_lock_end(lock);
}
