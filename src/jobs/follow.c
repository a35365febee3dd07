/* SPDX-License-Identifier: PostgreSQL */
/* Runs what follows a new password; must never give a step an older version after
 * a newer one, nor let a failure go unsaid. */
#include "jobs/follow.h"

#include <stdio.h>
#include <string.h>

#include "base/harden.h"
#include "base/text.h"
#include "handout/handout.h"
#include "hook/hook.h"
#include "jobs/follow_after.h"
#include "jobs/follow_delivery.h"
#include "jobs/role_lock.h"

/* How often the store may move on while a step runs, before that is left to the
 * next one who comes by. */
#define ROUNDS 3

/* One step of one role. */
struct step {
	const struct config_group *role;
	const struct config_group *delivery; /* NULL: it is an `after` */
	size_t after;			     /* ... the one of this number */
	char name[FOLLOW_STEP_SIZE];
	uint32_t settings;
	int64_t timeout_us;
};

/* ---- which there are, in order -------------------------------------------- */

static size_t count_after(const struct config_group *role)
{
	return config_list_n(role, CONFIG_role_after);
}

static size_t count_steps(const struct config_group *role)
{
	return count_after(role) + config_list_n(role, CONFIG_role_delivery);
}

/* Its options are no part of what it does: it is not done again for them. */
static void find_after(struct open_engine *w, const struct config_group *role,
		       size_t i, struct step *ret)
{
	struct after *a = NULL;

	*ret = (struct step){ .role = role, .after = i };
	snprintf(ret->name, sizeof(ret->name), "after");
	if (follow_after_parse(w, role, i, &a, NULL) != STATUS_OK)
		return; /* no memory: it says so when it is to be run */
	ret->timeout_us = after_timeout_us(a);
	snprintf(ret->name, sizeof(ret->name), "after %s", after_name(a));
	after_free(a);
}

/* The configuration was checked: what is named is there. */
static void find_step(struct open_engine *w, const struct config_group *role,
		      size_t i, struct step *ret)
{
	const struct config *c = open_config(open_engine_opened(w));
	const char *name;

	if (i < count_after(role)) {
		find_after(w, role, i, ret);
		return;
	}
	name = config_list_at(role, CONFIG_role_delivery,
			      i - count_after(role));
	ret->role = role;
	ret->delivery = config_find(c, CONFIG_SECTION_delivery, name);
	ret->settings = follow_delivery_hash(ret->delivery);
	ret->timeout_us =
		config_duration_us(ret->delivery, CONFIG_delivery_timeout);
	snprintf(ret->name, sizeof(ret->name), "delivery %s", name);
}

void follow_end(void)
{
	hook_end(now_system());
}

bool follow_has(const struct config_group *role)
{
	return count_steps(role) > 0;
}

void follow_current(struct ledger *l, const char *role,
		    char ret[RANDOM_UUID_SIZE])
{
	struct ledger_role known;

	ret[0] = '\0';
	if (l->ops->roles->get(l, role, &known, NULL) == STATUS_OK)
		text_copy(ret, RANDOM_UUID_SIZE, known.version);
}

/* ---- what is known of one --------------------------------------------------- */

static struct follow_outcome outcome_of(const struct step *step,
					const struct follow_state *s)
{
	return (struct follow_outcome){
		.role = config_name(step->role),
		.step = step->name,
		.behind = true,
		.status = STATUS_UNDELIVERED,
		.detail = s->attempts > 0 ? s->sentence : "not run yet",
		.state = s,
	};
}

/* ---- an attempt ------------------------------------------------------------- */

static enum status remember(const struct follow_options *o,
			    const struct step *step, struct follow_state *s,
			    const char *version, enum status how,
			    const char *detail, struct reason *why)
{
	const struct follow_attempt a = { .role = config_name(step->role),
					  .step = step->name,
					  .settings = step->settings,
					  .version = version,
					  .actor = o->actor,
					  .how = how,
					  .detail = detail };

	return follow_state_remember(open_engine_opened(o->engine),
				     open_engine_ledger(o->engine), &a, s, why);
}

static enum status run_after(const struct follow_options *o,
			     const struct step *step,
			     const struct follow_state *s,
			     const struct follow_version *current,
			     char ret_said[DELIVERY_SAID_MAX + 1],
			     struct reason *why)
{
	bool tried = s->attempts > 0 && strcmp(s->tried, current->id) == 0;
	struct after *a = NULL;
	enum status st =
		follow_after_parse(o->engine, step->role, step->after, &a, why);

	if (st == STATUS_OK)
		st = follow_after_run(o->engine, step->role, a, current,
				      tried ? s->last_us : 0, why);
	if (st == STATUS_OK)
		text_cut(ret_said, DELIVERY_SAID_MAX + 1, why->text);
	after_free(a);
	return st;
}

static enum status attempt(const struct follow_options *o,
			   const struct step *step, struct follow_state *s,
			   const struct follow_version *current)
{
	char said[DELIVERY_SAID_MAX + 1] = "";
	struct reason why = { "" }, lost = { "" };
	struct follow_outcome out;
	enum status how, kept;

	how = step->delivery ?
		      follow_delivery_run(o->engine, step->role, step->delivery,
					  current, o->actor, said, &why) :
		      run_after(o, step, s, current, said, &why);
	kept = remember(o, step, s, current->id, how,
			how == STATUS_OK ? said : why.text, &lost);
	/* Then it is run again, and that is said, too. */
	if (how == STATUS_OK && kept != STATUS_OK) {
		how = kept;
		why = lost;
	}
	out = outcome_of(step, s);
	out.tried = true;
	out.behind = how != STATUS_OK;
	out.status = how;
	out.detail = how == STATUS_OK ? said : why.text;
	if (o->fn)
		o->fn(o->arg, &out);
	return how;
}

/* What can be said when it was not even tried. */
static int64_t tell_of_trouble(const struct follow_options *o,
			       const struct step *step, enum status s,
			       const struct reason *why)
{
	const struct follow_state none = { .attempts = 0 };
	struct follow_outcome out = outcome_of(step, &none);

	out.status = s;
	out.detail = why->text;
	if (o->fn)
		o->fn(o->arg, &out);
	return now_wall(now_system()) +
	       follow_state_pause(open_engine_opened(o->engine), 1);
}

/* Under the step's lock: once, or again when the store has moved on meanwhile. */
static int64_t run_locked(const struct follow_options *o,
			  const struct step *step)
{
	struct ledger *l = open_engine_ledger(o->engine);
	const char *role = config_name(step->role);
	struct follow_state s;
	struct reason why = { "" };
	bool again = o->again;
	enum status st = STATUS_OK;

	for (int round = 0; round < ROUNDS; round++) {
		struct follow_version current = { .id = "" };

		st = follow_state_load(l, role, step->name, &s, &why);
		if (st == STATUS_OK)
			st = handout_read(open_engine_opened(o->engine),
					  step->role, "current", current.id,
					  &current.entry, &why);
		if (st != STATUS_OK)
			return tell_of_trouble(o, step, st, &why);
		if (follow_state_has_taken(&s, step->settings, current.id) &&
		    !again) {
			secret_free(current.entry.password);
			return INT64_MAX;
		}
		if (!o->at_once && follow_state_must_wait(&s, current.id)) {
			struct follow_outcome out = outcome_of(step, &s);

			secret_free(current.entry.password);
			if (o->fn)
				o->fn(o->arg, &out);
			return s.next_us;
		}
		/* It would have its consumer read the old one once more. */
		if (!step->delivery)
			st = follow_after_sinks(step->role, current.id, &why);
		if (st != STATUS_OK) {
			secret_free(current.entry.password);
			return tell_of_trouble(o, step, st, &why);
		}
		st = attempt(o, step, &s, &current);
		secret_free(current.entry.password);
		if (st != STATUS_OK)
			return s.next_us;
		again = false;
	}
	return now_wall(now_system());
}

static int64_t run_step(const struct follow_options *o, const struct step *step)
{
	char name[CONFIG_NAME_MAX + FOLLOW_STEP_SIZE + 2];
	struct reason why = { "" };
	int64_t next;
	int lock = -1;
	enum status s;

	snprintf(name, sizeof(name), "%s %s", config_name(step->role),
		 step->name);
	/* Who has it may be at an older version: it looks again when it is done,
	 * but its last look may have been before this rotation. */
	s = role_lock_take(open_engine_opened(o->engine), name,
			   step->timeout_us + NOW_SECOND, &lock, &why);
	if (s != STATUS_OK) {
		reason_set(&why, s,
			   "another process of this host is at it for longer "
			   "than its timeout");
		return tell_of_trouble(o, step, s, &why);
	}
	next = run_locked(o, step);
	role_lock_end(lock);
	harden_scrub_stack(); /* what libraries left below us */
	return next;
}

/* The earlier `after` that this one waits for, from its beginning on. */
struct waiting {
	char name[FOLLOW_STEP_SIZE]; /* "": for none */
};

/* A step that is behind, or not: does it wait for the one before? */
static bool waits(const struct waiting *w, const struct step *step,
		  struct reason *why)
{
	if (step->delivery || !w->name[0])
		return false;
	reason_set(why, STATUS_UNDELIVERED, "waits for %s", w->name);
	return true;
}

static void note_behind(struct waiting *w, const struct step *step)
{
	if (!step->delivery && !w->name[0])
		text_copy(w->name, sizeof(w->name), step->name);
}

int64_t follow_run(const struct follow_options *o,
		   const struct config_group *role)
{
	char current[RANDOM_UUID_SIZE];
	int64_t next = INT64_MAX, at;
	struct waiting before = { "" };
	struct follow_state s;
	struct reason why;
	struct step step;

	follow_current(open_engine_ledger(o->engine), config_name(role),
		       current);
	for (size_t i = 0; i < count_steps(role) && *current; i++) {
		find_step(o->engine, role, i, &step);
		/* So that no store is asked when there is nothing to do. */
		if (!o->again &&
		    follow_state_load(open_engine_ledger(o->engine),
				      config_name(role), step.name, &s,
				      NULL) == STATUS_OK &&
		    follow_state_has_taken(&s, step.settings, current))
			continue;
		if (waits(&before, &step, &why)) {
			tell_of_trouble(o, &step, STATUS_UNDELIVERED, &why);
			continue;
		}
		at = run_step(o, &step);
		if (at != INT64_MAX)
			note_behind(&before, &step);
		if (at < next)
			next = at;
	}
	return next;
}

bool follow_look(struct open_engine *w, const struct config_group *role,
		 const char *current, follow_fn *fn, void *arg,
		 struct reason *why)
{
	struct waiting before = { "" };
	bool behind = false;
	struct step step;

	for (size_t i = 0; i < count_steps(role) && *current; i++) {
		struct follow_state s = { .attempts = 0 };
		struct follow_outcome out;
		struct reason bad = { "" };
		enum status st;

		find_step(w, role, i, &step);
		st = follow_state_load(open_engine_ledger(w), config_name(role),
				       step.name, &s, &bad);
		out = outcome_of(&step, &s);
		if (st != STATUS_OK) {
			out.status = st;
			out.detail = bad.text;
		} else if (follow_state_has_taken(&s, step.settings, current)) {
			out.behind = false;
			out.status = STATUS_OK;
			out.detail = "";
		} else if (waits(&before, &step, &bad)) {
			out.detail = bad.text;
		}
		if (out.behind)
			note_behind(&before, &step);
		if (out.behind && !behind)
			reason_set(why, STATUS_UNDELIVERED, "%s: %s", step.name,
				   out.detail);
		behind = behind || out.behind;
		if (fn)
			fn(arg, &out);
	}
	return behind;
}

static void check_after(struct open_engine *w, const struct step *step,
			follow_check_fn *fn, void *arg)
{
	struct reason why = { "" };
	struct after *a = NULL;
	enum status s =
		follow_after_parse(w, step->role, step->after, &a, &why);

	if (s == STATUS_OK)
		s = follow_after_try(w, step->role, a, &why);
	fn(arg, step->name, s, why.text);
	after_free(a);
}

void follow_check(struct open_engine *w, const struct config_group *role,
		  follow_check_fn *fn, void *arg)
{
	struct step step;

	for (size_t i = 0; i < count_steps(role); i++) {
		struct text t = text_make(4096);
		struct reason why = { "" };
		struct delivery d;
		enum status s;

		find_step(w, role, i, &step);
		if (!step.delivery) {
			check_after(w, &step, fn, arg);
			continue;
		}
		s = follow_delivery_settings(step.delivery, &d, &why);
		if (s == STATUS_OK)
			s = delivery_check(&d, &why);
		if (s == STATUS_OK)
			delivery_describe(&d, &t);
		fn(arg, step.name, s, s == STATUS_OK ? text_str(&t) : why.text);
		text_free(&t);
	}
}
