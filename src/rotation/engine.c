/* SPDX-License-Identifier: PostgreSQL */
/* Walks the table of states.def; must never touch anything but its own
 * struct. */
#include "rotation/engine.h"

static const struct engine_row rows[] = {
#define STATE(name, audit, does)
#define ROW(from, event, guard, to, action, died, sentence)      \
	{ ENGINE_##from, ENGINE_ON_##event,  ENGINE_IF_##guard,  \
	  ENGINE_##to,	 ENGINE_DO_##action, ENGINE_DIED_##died, \
	  sentence },
#include "rotation/states.def"
#undef STATE
#undef ROW
};

static const struct {
	const char *name, *audit, *does;
} states[] = {
#define STATE(name, audit, does) { #name, audit, does },
#define ROW(from, event, guard, to, action, died, sentence)
#include "rotation/states.def"
#undef STATE
#undef ROW
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

static bool wants_new(const struct engine *e)
{
	if (e->mode == ENGINE_MODE_IMPORT || e->have_version)
		return false;
	if (e->restored)
		return true;
	return e->mode == ENGINE_MODE_ROTATE && (e->fresh || !e->finished);
}

/* Our version waits in the store for an apply that may or may not have been
 * done. */
static bool ours(const struct engine *e)
{
	return e->staged && !e->applied && !e->finishing;
}

static bool may_retry(const struct engine *e)
{
	return e->retries[e->state] < ENGINE_RETRIES;
}

static bool guard_holds(const struct engine *e, enum engine_guard guard)
{
	bool import = e->mode == ENGINE_MODE_IMPORT;

	switch (guard) {
	case ENGINE_IF_ALWAYS:
		return true;
	case ENGINE_IF_ROTATES:
		return e->mode == ENGINE_MODE_ROTATE;
	case ENGINE_IF_IMPORTS:
		return import;
	case ENGINE_IF_EMERGENCY:
		return e->emergency && !import;
	case ENGINE_IF_EMERGENCY_NEW:
		return e->emergency && wants_new(e);
	case ENGINE_IF_WANTS_NEW:
		return wants_new(e);
	case ENGINE_IF_THEN_NEW: {
		struct engine after = *e;

		after.finished = true;
		return (e->finishing || e->resuming) && wants_new(&after);
	}
	case ENGINE_IF_FINISHED_ONE:
		return e->finished;
	case ENGINE_IF_OURS:
		return ours(e) && !import;
	case ENGINE_IF_OURS_IMPORT:
		return ours(e) && import;
	case ENGINE_IF_OURS_EMERGENCY:
		return ours(e) && !import && e->emergency;
	case ENGINE_IF_OUTCOME_OPEN:
		return e->open;
	case ENGINE_IF_MAY_RETRY:
		return may_retry(e);
	case ENGINE_IF_MAY_RETRY_OPEN:
		return may_retry(e) && e->open;
	case ENGINE_IF_MAY_REJECT:
		return e->rejections < ENGINE_REJECTIONS;
	case ENGINE_GUARD_COUNT:
		break;
	}
	return false;
}

static void end(struct engine *e, enum engine_action action)
{
	switch (action) {
	case ENGINE_DO_END_OK_SINK_BAD:
		e->sink_bad = true;
		e->outcome = STATUS_OK;
		return;
	case ENGINE_DO_END_OK:
		e->outcome = STATUS_OK;
		return;
	case ENGINE_DO_END_REFUSED:
		e->outcome = STATUS_REFUSED;
		return;
	case ENGINE_DO_END_REJECTED:
		e->outcome = STATUS_REJECTED;
		return;
	case ENGINE_DO_END_FROZEN:
		e->outcome = STATUS_FROZEN;
		return;
	case ENGINE_DO_END_BUSY:
		e->outcome = STATUS_BUSY;
		return;
	case ENGINE_DO_END_UNKNOWN:
		e->outcome = STATUS_UNKNOWN;
		return;
	case ENGINE_DO_END_CORRUPT:
		e->outcome = STATUS_CORRUPT;
		return;
	case ENGINE_DO_END_CLUSTER_DOWN:
		e->outcome = STATUS_CLUSTER_UNAVAILABLE;
		return;
	case ENGINE_DO_END_STORE_DOWN:
		e->outcome = STATUS_STORE_UNAVAILABLE;
		return;
	case ENGINE_DO_END_LEDGER_DOWN:
		e->outcome = STATUS_LEDGER_UNAVAILABLE;
		return;
	default:
		e->outcome = STATUS_ERROR;
		return;
	}
}

/* A version id of this run: nothing is known of it yet. */
static void forget_version(struct engine *e)
{
	e->staged = e->open = e->applied = e->proved = false;
}

static void act(struct engine *e, enum engine_action action)
{
	switch (action) {
	case ENGINE_DO_NONE:
		break;
	case ENGINE_DO_RETRY:
		e->retries[e->state]++;
		break;
	case ENGINE_DO_RECLAIM:
		e->retries[e->state]++;
		/* From APPLY and ADOPT our version may be live now; from
		 * INSPECT it was, and may have been restored away. */
		if (e->staged && !e->finishing) {
			e->open = true;
			e->applied = false;
		}
		break;
	case ENGINE_DO_FINISH:
		e->finishing = true;
		e->proved = false;
		break;
	case ENGINE_DO_RESUME:
		forget_version(e);
		e->resuming = true;
		break;
	case ENGINE_DO_RESTORED:
		e->restored = true;
		break;
	case ENGINE_DO_NEW_VERSION:
		forget_version(e);
		e->have_version = true;
		e->finishing = e->resuming = false;
		break;
	case ENGINE_DO_STAGED:
		e->staged = true;
		break;
	case ENGINE_DO_APPLIED:
		e->applied = true;
		e->open = false;
		break;
	case ENGINE_DO_REJECTED:
		e->rejections++;
		forget_version(e);
		break;
	case ENGINE_DO_PROVED:
		e->proved = true;
		break;
	case ENGINE_DO_FINISHED:
		if (e->finishing || e->resuming)
			e->finished = true;
		/* What was resumed is this run's no more. */
		if (e->resuming)
			forget_version(e);
		e->finishing = e->resuming = false;
		e->open = false;
		break;
	case ENGINE_DO_UNDONE:
		e->undone = true;
		break;
	default:
		end(e, action);
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
		act(e, row->action);
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
	static const char *const names[] = {
		"BEGIN",
		"OK",
		"FAILED",
		"FROZEN",
		"REFUSED",
		"REJECTED",
		"CONFLICT",
		"BUSY",
		"GONE",
		"UNKNOWN",
		"CORRUPT",
		"CLUSTER_DOWN",
		"STORE_DOWN",
		"LEDGER_DOWN",
		"NEVER",
		"UNMARKED",
		"CURRENT_LIVE",
		"PENDING_DEAD",
		"PENDING_DOUBTED",
		"PENDING_LIVE",
		"BRANCHED",
		"RING_LIVE",
		"FOREIGN",
		"LOST",
		"SAME",
		"ABSENT",
		"DIFFERENT",
		"PROMOTED",
		"STILL_STAGED",
		"OVERTAKEN",
		"RIGHT",
		"WRONG",
		"NOT_ASKED",
		"CONTROL_PASSED",
		"NO_EVIDENCE",
		"EXPIRED",
		"OURS_LIVE",
		"OTHER_LIVE",
	};

	_Static_assert(sizeof(names) / sizeof(names[0]) == ENGINE_EVENT_COUNT,
		       "every event has a name");
	return e < ENGINE_EVENT_COUNT ? names[e] : "?";
}

const struct engine_row *engine_rows(size_t *ret_n)
{
	*ret_n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}
