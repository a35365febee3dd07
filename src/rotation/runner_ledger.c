/* SPDX-License-Identifier: PostgreSQL */
/* The runner's effects on the ledger; must never let a run go on whose intent is
 * not recorded. */
#include "rotation/runner_ledger.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "rotation/runner_env.h"
#include "rotation/runner_member.h"

struct audit_event runner_ledger_event(const struct runner *r,
				       enum audit_kind kind,
				       const char *version, enum status s,
				       const char *detail)
{
	struct audit_event ev = audit_event_make(
		kind, r->job->role, r->env->o.actor, status_name(s), detail);

	ev.at_us = now_wall(r->env->o.now);
	ev.run = r->run;
	ev.version = version;
	ev.epoch = r->epoch;
	return ev;
}

void runner_ledger_note(struct runner *r, enum audit_kind kind,
			const char *version, enum status s, const char *detail,
			int64_t took_us)
{
	struct ledger *l = r->env->o.ledger;
	struct audit_event ev =
		runner_ledger_event(r, kind, version, s, detail);

	ev.took_us = took_us;
	(void)l->ops->trail->note(l, &ev, 1, false, NULL);
}

void runner_ledger_alarm(struct runner *r, const char *version,
			 const char *detail)
{
	struct ledger *l = r->env->o.ledger;
	struct audit_event ev =
		audit_event_make(AUDIT_ALARM, r->job->role, r->env->o.actor,
				 status_name(STATUS_REJECTED), detail);

	ev.at_us = now_wall(r->env->o.now);
	ev.version = version;
	(void)l->ops->trail->note(l, &ev, 1, false, NULL);
}

enum status runner_ledger_note_durably(struct runner *r, enum audit_kind kind,
				       const char *version, const char *detail,
				       struct reason *why)
{
	struct ledger *l = r->env->o.ledger;
	const struct audit_event ev =
		runner_ledger_event(r, kind, version, STATUS_OK, detail);

	return l->ops->trail->note(l, &ev, 1, true, why);
}

enum engine_event runner_ledger_intent(struct runner *r, struct reason *why)
{
	static const char *const modes[] = { "rotate", "recover", "import",
					     "retire", "rollback" };
	struct ledger *l = r->env->o.ledger;
	enum status s;

	s = l->ops->roles->get(l, r->job->role, &r->role, why);
	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		return ENGINE_ON_LEDGER_DOWN;
	if (s == STATUS_NOT_FOUND) {
		memset(&r->role, 0, sizeof(r->role)); /* not secret */
		text_copy(r->role.role, sizeof(r->role.role), r->job->role);
	}
	reason_clear(why);
	/* What a freeze found begun may be brought to its end by recover: the
	 * password that is live then is the one that consumers get. */
	if (r->role.frozen &&
	    !(r->job->mode == ENGINE_MODE_RECOVER && r->role.open_run[0])) {
		reason_set(why, STATUS_FROZEN,
			   "role %s is frozen: %s; mend the cause, then "
			   "keyturn thaw %s",
			   r->job->role, r->role.frozen_reason, r->job->role);
		return ENGINE_ON_FROZEN;
	}
	s = l->ops->runs->begin(l, r->run, r->job->role, modes[r->job->mode],
				r->env->o.actor,
				r->job->reason ? r->job->reason : "", why);
	return s == STATUS_OK ? ENGINE_ON_OK : ENGINE_ON_LEDGER_DOWN;
}

/* Short names and microseconds, for the history. */
static const char *steps_text(const struct runner *r, struct text *t)
{
	for (int i = ENGINE_INTENT; i < ENGINE_CLOSE; i++)
		if (r->result.step_us[i] > 0)
			ledger_steps_add(
				t, engine_state_audit((enum engine_state)i),
				r->result.step_us[i]);
	return text_str(t);
}

enum status runner_ledger_outcome(const struct runner *r)
{
	enum status s = engine_outcome(&r->engine);

	return s == STATUS_LEDGER_UNAVAILABLE && r->outrun ? STATUS_BUSY : s;
}

static void remember_role(struct runner *r, struct ledger_role *role)
{
	const struct engine *e = &r->engine;
	const struct store_version *current =
		store_find_label(&r->state, STORE_LABEL_CURRENT);

	*role = r->role;
	if (*r->current)
		text_copy(role->version, sizeof(role->version), r->current);
	if (r->promoted_us)
		role->rotated_us = r->promoted_us;
	else if (role->rotated_us == 0 && current)
		role->rotated_us = current->created_us;
	if (r->epoch > role->epoch)
		role->epoch = r->epoch;
	role->last_run_us = now_wall(r->env->o.now);
	text_copy(role->last_status, sizeof(role->last_status),
		  status_name(runner_ledger_outcome(r)));
	if (text_copy(role->last_error, sizeof(role->last_error),
		      r->result.why.text) != STATUS_OK)
		role->last_error[0] = '\0';
	/* What waits for somebody else has not failed. */
	if (engine_outcome(&r->engine) == STATUS_OK ||
	    engine_outcome(&r->engine) == STATUS_DEFERRED) {
		role->failures = 0;
		role->undelivered_us = 0;
		text_copy(role->delivered, sizeof(role->delivered),
			  r->job->delivery ? r->job->delivery : "");
		return;
	}
	role->failures++;
	if (e->sink_bad && role->undelivered_us == 0)
		role->undelivered_us = role->last_run_us;
}

/*
 * The next run has to look again: the outcome is unknown, or a password may be
 * live that CURRENT does not name, or CURRENT moved and was not delivered, or
 * another rotator was at work and we cannot know that it finished, or what an
 * earlier run left was not settled by us.
 */
static bool keeps_open(const struct runner *r)
{
	const struct engine *e = &r->engine;

	if (e->outcome == STATUS_OK || e->outcome == STATUS_FROZEN)
		return false;
	return e->outcome == STATUS_UNKNOWN || e->outcome == STATUS_BUSY ||
	       r->promoted_us || e->open || e->applied || e->finishing ||
	       r->role.open_run[0];
}

/*
 * What this run achieved, for the readers of the audit trail: CURRENT moved to a
 * version of its own, or what an earlier run left was brought to its end.  AUDIT_NONE
 * for neither.
 */
static enum audit_kind achieved_kind(const struct runner *r)
{
	const struct engine *e = &r->engine;

	if (e->mode == ENGINE_MODE_RETIRE && r->retired)
		return AUDIT_RETIRED;
	if (e->mode == ENGINE_MODE_ROLLBACK && r->promoted_us &&
	    strcmp(r->recalled, r->current) == 0)
		return AUDIT_ROLLBACK;
	if (r->promoted_us)
		return *r->own && strcmp(r->own, r->current) == 0 ?
			       AUDIT_ROTATED :
			       AUDIT_RECOVERED;
	if (e->undone)
		return AUDIT_RECOVERED;
	if (engine_outcome(&r->engine) == STATUS_OK &&
	    r->role.undelivered_us > 0)
		return AUDIT_RECOVERED;
	if (e->outcome != STATUS_OK || !r->role.open_run[0])
		return AUDIT_NONE;
	/* A run moved CURRENT and died before it could record that. */
	return strcmp(r->role.version, r->current) != 0 ? AUDIT_RECOVERED :
							  AUDIT_NONE;
}

/* For `status`: the marker has what counts. */
static void note_end(const struct runner *r)
{
	const char *word = runner_ended_word(r->result.ended);
	char text[LEDGER_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s %s", *word ? word : "none",
		 r->current);
	(void)ledger_fact_remember(r->env->o.ledger, LEDGER_FACT_ENDED,
				   r->job->role, text, now_wall(r->env->o.now),
				   NULL);
}

static size_t achieved(const struct runner *r, struct audit_event ret[2])
{
	size_t n = 0;

	ret[n] = runner_ledger_event(r, achieved_kind(r), r->current, STATUS_OK,
				     r->job->reason);
	if (ret[n].kind == AUDIT_RETIRED)
		ret[n].ended_by = runner_ended_word(r->result.ended);
	n += ret[n].kind != AUDIT_NONE;
	if (!r->job->compromised || !r->result.refuted)
		return n;
	ret[n] = runner_ledger_event(r, AUDIT_COMPROMISED, r->job->leaked[0],
				     STATUS_OK, r->job->reason);
	ret[n++].took_us = r->result.refused_us;
	return n;
}

/* A gateway's end that found nothing to end is not asked for again. */
static bool ends_nothing(const struct runner *r)
{
	return r->engine.gateway && r->job->mode == ENGINE_MODE_RETIRE &&
	       engine_outcome(&r->engine) == STATUS_OK && *r->current &&
	       !store_find_label(&r->state, STORE_LABEL_PREVIOUS);
}

enum engine_event runner_ledger_close(struct runner *r, struct reason *why)
{
	struct ledger *l = r->env->o.ledger;
	struct text steps = text_make(LEDGER_TEXT_SIZE - 1);
	struct audit_event ev[2];
	struct ledger_role role;
	const struct ledger_close c = {
		.run = r->run,
		.events = ev,
		.n = achieved(r, ev),
		.role = &role,
		.status = status_name(runner_ledger_outcome(r)),
		.version = r->current,
		.error = role.last_error,
		.steps = steps_text(r, &steps),
		.keep_open = keeps_open(r),
	};
	enum status s;

	remember_role(r, &role);
	if (r->retired || ends_nothing(r))
		note_end(r);
	s = l->ops->runs->close(l, &c, why);
	text_free(&steps);
	return s == STATUS_OK ? ENGINE_ON_OK : ENGINE_ON_FAILED;
}

enum engine_event runner_ledger_freeze(struct runner *r, struct reason *why)
{
	struct ledger *l = r->env->o.ledger;
	enum status s;

	s = l->ops->roles->freeze(l, r->job->role, r->env->o.actor,
				  r->result.why.text, why);
	if (s == STATUS_OK &&
	    l->ops->roles->get(l, r->job->role, &r->role, NULL) != STATUS_OK)
		r->role.frozen = true;
	if (runner_ledger_close(r, why) != ENGINE_ON_OK || s != STATUS_OK)
		return ENGINE_ON_FAILED;
	return ENGINE_ON_OK;
}

/* Which version a step was about. */
static const char *version_of(const struct runner *r, enum engine_state was)
{
	if (was < ENGINE_PROBE)
		return "";
	if (was == ENGINE_REFUTE)
		return runner_member_ended(r);
	if ((was != ENGINE_TOMBSTONE && was != ENGINE_EVICT &&
	     was != ENGINE_CLEAR) ||
	    !r->job->pair || r->job->mode != ENGINE_MODE_RETIRE)
		return r->version;
	/* A member that was given LOGIN by hand has none that is known. */
	return strcmp(r->old, r->marker.previous) == 0 ?
		       r->marker.previous_version :
		       "";
}

/* One audit event a step; the run's own frame (intent, freeze, close) is
 * written by the ledger itself. */
void runner_ledger_step(struct runner *r, enum engine_state was,
			enum engine_event ev, const struct engine_row *row,
			const struct reason *why, int64_t took_us)
{
	const char *detail;

	if (was == ENGINE_START || was == ENGINE_INTENT ||
	    was == ENGINE_FREEZE || was == ENGINE_CLOSE)
		return;
	/* What was tried on the way to a success is not why it succeeded; only
	 * a login has something to add (taken, then refused for NOLOGIN), an
	 * apply (how the password was sent), and an end that was another one
	 * than what was asked for. */
	detail = row ? row->sentence : "";
	if (why->text[0] && (engine_event_status(ev) != STATUS_OK ||
			     ev == ENGINE_ON_RIGHT || ev == ENGINE_ON_SEALED ||
			     (ev == ENGINE_ON_OK && was == ENGINE_APPLY)))
		detail = why->text;
	runner_ledger_note(r, audit_event_kind(engine_state_audit(was)),
			   version_of(r, was), engine_event_status(ev), detail,
			   took_us);
}
