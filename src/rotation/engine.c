/* SPDX-License-Identifier: PostgreSQL */
/* Walks the table of states.def; must never touch anything but its own
 * struct. */
#include "rotation/engine.h"

static const struct engine_row rows[] = {
#define ROW(from, event, guard, to, action, died, sentence)      \
	{ ENGINE_##from, ENGINE_ON_##event,  ENGINE_IF_##guard,  \
	  ENGINE_##to,	 ENGINE_DO_##action, ENGINE_DIED_##died, \
	  sentence },
#include "rotation/states.def"
};

static const struct {
	const char *name, *audit, *does;
} states[] = {
#define STATE(name, audit, effect, does) { #name, audit, does },
#include "rotation/states.def"
};

static const struct {
	const char *name;
	enum status status;
} events[] = {
#define EVENT(name, status, meaning) { #name, STATUS_##status },
#include "rotation/states.def"
};

struct engine engine_make(enum engine_mode mode, bool fresh, bool emergency)
{
	return (struct engine){
		.state = ENGINE_START,
		.mode = mode,
		.fresh = fresh,
		.emergency = emergency,
		.outcome = STATUS_ERROR,
	};
}

/* ---- what the guards of states.def ask ---- */

static bool is_import(const struct engine *e)
{
	return e->mode == ENGINE_MODE_IMPORT;
}

static bool is_pair_job(const struct engine *e)
{
	return e->mode == ENGINE_MODE_RETIRE || e->mode == ENGINE_MODE_ROLLBACK;
}

static bool wants_new(const struct engine *e)
{
	if (is_import(e) || is_pair_job(e) || e->have_version)
		return false;
	if (e->restored)
		return true;
	return e->mode == ENGINE_MODE_ROTATE && (e->fresh || !e->finished);
}

static bool wants_new_after(const struct engine *e)
{
	struct engine after = *e;

	after.finished = true;
	/* An interrupted rollback, finished, is what a rollback asks for;
	 * others look what is left beside it. */
	if (e->reverting)
		return e->mode != ENGINE_MODE_ROLLBACK;
	return (e->finishing || e->resuming) &&
	       (wants_new(&after) || is_pair_job(e));
}

/* Our version waits in the store for an apply that may or may not have been
 * done. */
static bool is_ours(const struct engine *e)
{
	return e->staged && !e->applied && !e->finishing;
}

/* Back is a new version of the password before, so that the one that is left has a
 * grace of its own. */
static bool goes_back(const struct engine *e)
{
	return e->gateway && e->mode == ENGINE_MODE_ROLLBACK &&
	       !e->have_version;
}

static bool may_retry(const struct engine *e)
{
	return e->retries[e->state] < ENGINE_RETRIES;
}

static bool looks(const struct engine *e)
{
	return e->mode == ENGINE_MODE_RECOVER && e->pair && e->went_back &&
	       !e->restored && !e->compromised;
}

static bool ends_all(const struct engine *e)
{
	return e->mode == ENGINE_MODE_RETIRE && (e->compromised || e->at_once);
}

static bool guard_holds(const struct engine *e, enum engine_guard guard)
{
	switch (guard) {
#define GUARD(name, condition, meaning) \
	case ENGINE_IF_##name:          \
		return condition;
#include "rotation/states.def"
	case ENGINE_GUARD_COUNT:
		break;
	}
	return false;
}

/* ---- what the actions of states.def do ---- */

/* A version id of this run: nothing is known of it yet. */
static void forget_version(struct engine *e)
{
	e->staged = e->open = e->applied = e->proved = false;
}

static void take_version(struct engine *e)
{
	forget_version(e);
	e->have_version = true;
	e->finishing = e->resuming = e->renewing = false;
}

/* No password of this run's: what is asked for is still to be done. */
static void begin_renewal(struct engine *e)
{
	forget_version(e);
	e->renewing = true;
}

static void end_renewal(struct engine *e)
{
	forget_version(e);
	e->renewing = false;
}

/* From APPLY, ADOPT and REVERT our version may be live now; from INSPECT it was,
 * and may have been restored away.  An end may have been done, too. */
static void claim_again(struct engine *e)
{
	e->retries[e->state]++;
	e->vacant = false;
	/* Live or not, it is a version of the live password, which another run
	 * may replace by now: nothing of it is taken up again. */
	if (e->renewing) {
		end_renewal(e);
		e->open = true;
	}
	if ((e->staged && !e->finishing) || e->reverting) {
		e->open = true;
		e->applied = false;
	}
	if (e->state == ENGINE_TOMBSTONE || e->state == ENGINE_CLEAR)
		e->open = true;
}

static void finish_earlier(struct engine *e)
{
	e->finishing = true;
	e->proved = false;
}

static void return_earlier(struct engine *e)
{
	finish_earlier(e);
	e->reverting = true;
}

static void resume_earlier(struct engine *e)
{
	forget_version(e);
	e->resuming = true;
}

static void note_applied(struct engine *e)
{
	e->applied = true;
	e->open = false;
}

static void note_rejected(struct engine *e)
{
	e->rejections++;
	forget_version(e);
}

static void note_finished(struct engine *e)
{
	if (e->finishing || e->resuming)
		e->finished = true;
	/* What was resumed no longer belongs to this run. */
	if (e->resuming)
		forget_version(e);
	e->finishing = e->resuming = e->reverting = false;
	e->open = false;
}

static void take_action(struct engine *e, enum engine_action action)
{
	switch (action) {
#define ACTION(name, change, meaning) \
	case ENGINE_DO_##name:        \
		change;               \
		break;
#include "rotation/states.def"
	case ENGINE_ACTION_COUNT:
		break;
	}
}

enum status engine_step(struct engine *e, enum engine_event event,
			const struct engine_row **ret_row)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct engine_row *row = &rows[i];

		if (row->from != e->state || row->event != event ||
		    !guard_holds(e, row->guard))
			continue;
		take_action(e, row->action);
		e->state = row->to;
		if (ret_row)
			*ret_row = row;
		return STATUS_OK;
	}
	/* No row: a bug.  What was staged stays staged and the marker knows
	 * what is live, so stopping here is safe; going on would be a guess. */
	if (e->state != ENGINE_ENDED) {
		e->outcome = e->open || e->applied || e->finishing ?
				     STATUS_UNKNOWN :
				     STATUS_ERROR;
		e->state = e->state == ENGINE_CLOSE ? ENGINE_ENDED :
						      ENGINE_CLOSE;
	}
	return STATUS_ERROR;
}

enum status engine_outcome(const struct engine *e)
{
	if (e->outcome != STATUS_OK)
		return e->outcome;
	if (e->sink_bad)
		return STATUS_UNDELIVERED;
	return e->deferred ? STATUS_DEFERRED : STATUS_OK;
}

const char *engine_state_name(enum engine_state s)
{
	return s < ENGINE_STATE_COUNT ? states[s].name : "?";
}

const char *engine_state_audit(enum engine_state s)
{
	return s < ENGINE_STATE_COUNT ? states[s].audit : "?";
}

const char *engine_state_does(enum engine_state s)
{
	return s < ENGINE_STATE_COUNT ? states[s].does : "?";
}

const char *engine_event_name(enum engine_event e)
{
	return e < ENGINE_EVENT_COUNT ? events[e].name : "?";
}

enum status engine_event_status(enum engine_event e)
{
	return e < ENGINE_EVENT_COUNT ? events[e].status : STATUS_ERROR;
}

const struct engine_row *engine_rows(size_t *ret_n)
{
	*ret_n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}
