/* SPDX-License-Identifier: PostgreSQL */
/* One run in the simulated world, and what must be true when it is over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "simulate.h"

char plan_text[400] = "";
struct runner_result *last_result;

struct simulated simulated;

const struct order orders[ORDERS] = {
	{ "rotate", ENGINE_MODE_ROTATE, true, false, false, false },
	{ "rotate when due", ENGINE_MODE_ROTATE, false, false, false, false },
	{ "rotate in an emergency", ENGINE_MODE_ROTATE, true, true, false,
	  false },
	{ "recover", ENGINE_MODE_RECOVER, false, false, false, false },
	{ "import", ENGINE_MODE_IMPORT, false, false, false, false },
};

const struct order pair_orders[PAIR_ORDERS] = {
	{ "retire", ENGINE_MODE_RETIRE, false, false, false, false },
	{ "retire at once", ENGINE_MODE_RETIRE, false, false, true, false },
	{ "roll back", ENGINE_MODE_ROLLBACK, false, false, false, false },
	{ "unpair", ENGINE_MODE_ROTATE, true, false, false, true },
};

struct runner_job order_job(const struct order *o, const struct secret *given)
{
	return (struct runner_job){ .mode = o->mode,
				    .fresh = o->fresh,
				    .emergency = o->emergency,
				    .at_once = o->at_once,
				    .end_sessions = o->at_once,
				    .unpair = o->unpair,
				    .password = given };
}

unsigned count_history(const struct world *w)
{
	return w->restores + w->foreigns + w->rollbacks;
}

struct before remember_before(const struct world *w)
{
	struct before b = { .history = count_history(w),
			    .wrong_logins = w->wrong_logins - w->lies,
			    .rollbacks = w->rollbacks,
			    .clock = w->clock,
			    .others = world_others(w),
			    .by_hand = w->db.by_hand,
			    .astray = !world_truthful(w),
			    .settled = world_settled(w) };

	memcpy(b.password, world_password(w), sizeof(b.password));
	memcpy(b.previous, w->db.previous, sizeof(b.previous));
	return b;
}

/* At a service that forwards: is PENDING live, whatever the marker says, or was
 * a left-over one resumed and made CURRENT? */
static bool forwarded(const struct world *w)
{
	const struct world_version *v = NULL;

	for (size_t i = 0; i < w->store.n; i++)
		if (w->store.v[i].label == STORE_LABEL_PENDING)
			v = &w->store.v[i];
	if (!w->forwards && !w->none)
		return false;
	return world_settled(w) ||
	       (v && strcmp(v->password, world_password(w)) == 0);
}

/* A service has a password that its marker does not name, and the store forgot
 * it or shows an older state; or it names a member of a pair that has long been
 * retired: nobody can know, and the next rotation mends it. */
static bool forgotten(const struct world *w)
{
	if (w->pair)
		return w->rollbacks > 0;
	return (w->forwards || w->none) &&
	       (w->rollbacks > 0 || w->stale_reads > 0);
}

/* What states.def promises of a death in a row's target state. */
static void check_died(const struct world *w, const struct before *b)
{
	const char *pending = world_label(w, STORE_LABEL_PENDING);
	const char *current = world_label(w, STORE_LABEL_CURRENT);

	switch (last_row->died) {
	case ENGINE_DIED_RESTARTS:
		if (strcmp(world_password(w), b->password) != 0 &&
		    !forwarded(w))
			fail_plan("%s: RESTARTS, but another password is live",
				  row_text(last_row));
		break;
	case ENGINE_DIED_FINISHES:
		/* What was gone back to: CURRENT is the one before yet. */
		if (w->pair && strcmp(w->db.previous, current) == 0 &&
		    world_truthful(w))
			break;
		/* An import's version and CURRENT may be one password. */
		if (w->none ? !forwarded(w) :
			      strcmp(w->db.live, pending) != 0 &&
				      strcmp(w->db.live, current) != 0)
			fail_plan("%s: FINISHES, but the live version is "
				  "neither PENDING nor CURRENT",
				  row_text(last_row));
		break;
	case ENGINE_DIED_SETTLED:
		if (w->none ? !world_settled(w) :
			      strcmp(w->db.live, current) != 0)
			fail_plan("%s: SETTLED, but CURRENT is not live",
				  row_text(last_row));
		break;
	case ENGINE_DIED_RESOLVES:
		break;
	}
}

/* Whatever happened behind our back: a rotation that was asked for and ends well
 * has made a password. */
static void check_rotated(const struct world *w, const struct order *o,
			  const struct before *b, enum status s)
{
	if (s == STATUS_OK && o->mode == ENGINE_MODE_ROTATE && o->fresh &&
	    w->rollbacks == b->rollbacks && world_current_since(w) < b->clock)
		fail_plan("the run ends well, but CURRENT is an old one");
}

/* Of whom beside the active one a password is kept that somebody has. */
static const char *keeper(const struct world *w)
{
	for (int i = 0; i < WORLD_ROLES; i++)
		if (i != w->db.active && w->db.role[i].password[0] &&
		    !w->db.role[i].nobodys)
			return world_names[i];
	return NULL;
}

/* Whose password was to end, has none that logs in; what was gone back to is
 * CURRENT.  But for who was left over by an emergency, which leaves three. */
static void check_pair(const struct world *w, const struct order *o,
		       const struct before *b, const struct runner_result *ret)
{
	if (count_history(w) != b->history)
		return;
	if (o->mode == ENGINE_MODE_RETIRE && b->others < 2 &&
	    world_others(w) > 0)
		fail_plan("retired, but the other member may log in");
	if (o->mode == ENGINE_MODE_RETIRE && b->previous[0] &&
	    (o->at_once || !w->db.previous[0]) && !ret->refuted)
		fail_plan("gone for good, and not shown to be refused");
	if (o->at_once && (b->previous[0] || b->others > 0) && keeper(w))
		fail_plan("retired at once, but %s keeps a password",
			  keeper(w));
	if (ret->refuted && keeper(w))
		fail_plan("refuted, but %s keeps a password", keeper(w));
	/* An old answer of the store shows a rollback that was not finished. */
	if (o->mode == ENGINE_MODE_ROLLBACK && b->settled &&
	    w->stale_reads == 0 && strcmp(w->db.live, b->previous) != 0)
		fail_plan("rolled back, but not to the version before");
}

/* Of a pair: what is called PREVIOUS is the version before by the marker, and its
 * member may log in: agents accept it, and sinks have it.  Or it is CURRENT's
 * password under another id, of a renewal that was finished. */
static bool hands_out_the_dead(const struct world *w)
{
	const char *id = world_label(w, STORE_LABEL_PREVIOUS);

	return w->pair && *id && !(w->labels && world_lives(w, id)) &&
	       (strcmp(id, w->db.previous) != 0 || w->db.retired_us > 0);
}

/* A status is a promise, too. */
static void check_status(const struct world *w, const struct order *o,
			 const struct before *b, enum status s)
{
	switch (s) {
	case STATUS_OK:
	case STATUS_DEFERRED:
		/* What was gone back to was CURRENT once, as an old answer of
		 * the store says; the other one logs in all the same. */
		if (w->pair && w->stale_reads > 0)
			break;
		if (!world_settled(w) && !forgotten(w) &&
		    !(o->mode == ENGINE_MODE_RECOVER &&
		      (b->by_hand || !world_managed(w))))
			fail_plan("the run ends well, but CURRENT is not live");
		/* An emergency's is the CURRENT that was not live: the run after
		 * the one that promotes it sees that. */
		if (world_managed(w) && w->rollbacks + w->foreigns == 0 &&
		    !w->replaced && hands_out_the_dead(w))
			fail_plan("the run ends well, but PREVIOUS is not the "
				  "database's");
		break;
	case STATUS_UNKNOWN:
		if (!w->role.open_run[0])
			fail_plan("an unknown outcome is not kept open");
		break;
	case STATUS_FROZEN:
	case STATUS_CORRUPT:
		break;
	default: /* nothing was changed, and nothing will be */
		/* An old CURRENT of a pair logs in, too, so that a marker that
		 * is missing may be written with it. */
		if (overtaken || (w->pair && w->stale_reads > 0))
			break;
		if (strcmp(world_password(w), b->password) != 0 &&
		    !forwarded(w))
			fail_plan("%s, but another password is live",
				  status_name(s));
		if (world_may_land(w))
			fail_plan("%s, but the apply may still land",
				  status_name(s));
		break;
	}
	/* The marker, where it is right, is asked before a login is tried. */
	if (!b->astray && w->lag_us == 0 &&
	    (int)(w->wrong_logins - w->lies) > (int)b->wrong_logins)
		fail_plan("a wrong password was tried");
}

struct secret *copy_password(const char *password)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(WORLD_PASSWORD, &s), STATUS_OK);
	assert_int_equal(secret_set(s, password, strlen(password)), STATUS_OK);
	return s;
}

void step_to(struct world *w, int i, struct runner *r, enum engine_state state)
{
	while (runner_state(r) != state)
		assert_true(world_step(w, i, r));
}

/* A run from here to its end.  `alone`: nobody else acted meanwhile, so that
 * its outcome can be checked against what it says. */
enum status finish_run(struct world *w, int i, const struct order *o,
		       struct runner *r, const struct before *b, bool alone)
{
	struct runner_result result;
	unsigned steps = 0;
	bool deferred;
	enum status s;

	last_row = NULL;
	overtaken = false;
	while (world_step(w, i, r))
		if (++steps > 500)
			fail_plan("the run does not end");
	runner_result(r, &result);
	if (last_result)
		*last_result = result;
	deferred = runner_engine(r)->deferred;
	runner_free(r);
	/* What a sink lacks changes nothing in store and cluster. */
	s = result.status == STATUS_UNDELIVERED ? STATUS_OK : result.status;
	if (s == STATUS_OK && deferred)
		s = STATUS_DEFERRED;
	simulated.runs++;
	simulated.crashes += w->dead[i];
	if (w->violation[0])
		fail_plan("%s", w->violation);
	if (alone)
		world_rest(w);
	if (alone && !w->dead[i])
		check_rotated(w, o, b, s);
	if (alone && !w->dead[i] && w->pair && s == STATUS_OK)
		check_pair(w, o, b, &result);
	if (alone && count_history(w) == b->history) {
		if (!w->dead[i])
			check_status(w, o, b, s);
		else if (last_row)
			check_died(w, b);
	}
	return w->dead[i] ? STATUS_UNKNOWN : result.status;
}

enum status run_order(struct world *w, int i, const struct order *o)
{
	struct secret *given = copy_password(world_password(w));
	struct runner_job job = order_job(o, given);
	struct before b = remember_before(w);
	enum status s;

	s = finish_run(w, i, o, world_runner(w, i, &job), &b, true);
	secret_free(given);
	return s;
}

void land_all(struct world *w, bool lost)
{
	while (world_in_flight(w))
		world_land(w, 0, lost);
	if (w->violation[0])
		fail_plan("%s", w->violation);
}

static void calm_world(struct world *w)
{
	w->fate = NULL;
	w->trust = w->reject = w->polite = w->shut = false;
	w->random_from = w->random_until = 0;
}

/* What `recover` leaves behind. */
static void check_recovered(const struct world *w, enum landing landing,
			    bool by_hand)
{
	if (!world_managed(w))
		return;
	if (!by_hand && !forgotten(w) && !world_settled(w))
		fail_plan("recovered, but CURRENT is not live");
	if (landing != LAND_LATER && *world_label(w, STORE_LABEL_PENDING))
		fail_plan("recovered, but a PENDING is left");
}

/* The end of every password but CURRENT's; the marker must be in order. */
static void must_retire(struct world *w, const struct order *o)
{
	enum status s = STATUS_OK;

	for (int i = 0; i <= WORLD_ROLES && world_others(w) > 0; i++) {
		s = run_order(w, 1, o);
		/* What a person did is seen before the old one ends. */
		if (s == STATUS_REFUSED && (w->db.by_hand || forgotten(w)))
			s = run_order(w, 1, EMERGENCY);
		/* What the store forgot has ended, and cannot be tried. */
		if (s == STATUS_CLUSTER_UNAVAILABLE && w->rollbacks > 0)
			s = STATUS_OK;
		if (s != STATUS_OK)
			fail_plan("%s ends with %s", o->name, status_name(s));
	}
	if (world_others(w) > 0)
		fail_plan("retired, but the other member may log in");
}

/* What was restored waits until the other member is retired. */
static enum status recover_pair(struct world *w, enum status s)
{
	if (s == STATUS_DEFERRED)
		must_retire(w, RETIRE);
	return run_order(w, 1, RECOVER);
}

/* Then what is kept for a rollback goes, too, and what was left before that. */
static void must_clear(struct world *w)
{
	enum status s;
	bool kept;

	must_retire(w, RETIRE);
	kept = w->db.previous[0];
	s = run_order(w, 1, RETIRE_NOW);
	if (s != STATUS_OK || w->db.previous[0] || !world_settled(w))
		fail_plan("clearing ends with %s", status_name(s));
	if (keeper(w) && kept)
		fail_plan("cleared, but %s keeps a password", keeper(w));
}

/* After any fault: recover by another process, then a clean rotation. */
void must_converge(struct world *w, enum landing landing)
{
	bool by_hand;
	enum status s;

	calm_world(w);
	if (landing == LAND_FIRST)
		land_all(w, false);
	s = w->role.frozen ? STATUS_FROZEN : run_order(w, 1, RECOVER);
	land_all(w, landing != LAND_LATER);
	if (s == STATUS_FROZEN) {
		w->role.frozen = false;
		s = run_order(w, 1, EMERGENCY);
	}
	/* What a person did is only seen where pg_authid can be read, and not
	 * when it was between PROBE's login and READOPT's marker. */
	by_hand = w->db.by_hand && !(w->readable && w->db.foreign);
	/* A late write of a rollback, which the database has forgotten. */
	if (w->pair && landing == LAND_LATER && s == STATUS_OK &&
	    !world_settled(w))
		s = run_order(w, 1, RECOVER);
	/* A zombie's late claim may fence one run, no more. */
	for (int i = 0; i < 2 && s != STATUS_OK; i++)
		s = w->pair ? recover_pair(w, s) : run_order(w, 1, RECOVER);
	if (s != STATUS_OK)
		fail_plan("recover ends with %s", status_name(s));
	check_recovered(w, landing, by_hand);
	if (w->pair && world_managed(w))
		must_retire(w, RETIRE);
	s = run_order(w, 1, ROTATE);
	/* What a person did, or a store forgot, and only a login can tell. */
	if (s == STATUS_REFUSED && (w->db.by_hand || forgotten(w)))
		s = run_order(w, 1, EMERGENCY);
	if (s != STATUS_OK || !world_settled(w))
		fail_plan("the next rotation ends with %s", status_name(s));
	if (*world_label(w, STORE_LABEL_PENDING))
		fail_plan("rotated, but a PENDING is left");
	if (strcmp(w->sink_version, w->db.live) != 0 ||
	    strcmp(w->sink_password, world_password(w)) != 0)
		fail_plan("rotated, but the sink is not in step");
	if (w->pair)
		must_clear(w);
}
