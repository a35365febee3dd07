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

struct simulated simulated;

const struct order orders[ORDERS] = {
	{ "rotate", ENGINE_MODE_ROTATE, true, false },
	{ "rotate when due", ENGINE_MODE_ROTATE, false, false },
	{ "rotate in an emergency", ENGINE_MODE_ROTATE, true, true },
	{ "recover", ENGINE_MODE_RECOVER, false, false },
	{ "import", ENGINE_MODE_IMPORT, false, false },
};

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
			    .by_hand = w->db.by_hand,
			    .astray = !world_truthful(w) };

	memcpy(b.password, w->db.password, sizeof(b.password));
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
	       (v && strcmp(v->password, w->db.password) == 0);
}

/* A service has a password that its marker does not name, and the store forgot
 * it or shows an older state: nobody can know, and the next rotation mends it. */
static bool forgotten(const struct world *w)
{
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
		if (strcmp(w->db.password, b->password) != 0 && !forwarded(w))
			fail_plan("%s: RESTARTS, but another password is live",
				  row_text(last_row));
		break;
	case ENGINE_DIED_FINISHES:
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

/* A status is a promise, too. */
static void check_status(const struct world *w, const struct order *o,
			 const struct before *b, enum status s)
{
	switch (s) {
	case STATUS_OK:
		if (!world_settled(w) && !forgotten(w) &&
		    !(o->mode == ENGINE_MODE_RECOVER &&
		      (b->by_hand || !world_managed(w))))
			fail_plan("the run ends well, but CURRENT is not live");
		break;
	case STATUS_UNKNOWN:
		if (!w->role.open_run[0])
			fail_plan("an unknown outcome is not kept open");
		break;
	case STATUS_FROZEN:
	case STATUS_CORRUPT:
		break;
	default: /* nothing was changed, and nothing will be */
		if (overtaken)
			break;
		if (strcmp(w->db.password, b->password) != 0 && !forwarded(w))
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

/* A run from here to its end.  `alone`: nobody else acted meanwhile, so that
 * its outcome can be checked against what it says. */
enum status finish_run(struct world *w, int i, const struct order *o,
		       struct runner *r, const struct before *b, bool alone)
{
	struct runner_result result;
	unsigned steps = 0;
	enum status s;

	last_row = NULL;
	overtaken = false;
	while (world_step(w, i, r))
		if (++steps > 500)
			fail_plan("the run does not end");
	runner_result(r, &result);
	runner_free(r);
	/* What a sink lacks changes nothing in store and cluster. */
	s = result.status == STATUS_UNDELIVERED ? STATUS_OK : result.status;
	simulated.runs++;
	simulated.crashes += w->dead[i];
	if (w->violation[0])
		fail_plan("%s", w->violation);
	if (alone && !w->dead[i])
		check_rotated(w, o, b, s);
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
	struct secret *given = copy_password(w->db.password);
	struct runner_job job = { .mode = o->mode,
				  .fresh = o->fresh,
				  .emergency = o->emergency,
				  .password = given };
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
	/* A zombie's late claim may fence one run, no more. */
	for (int i = 0; i < 2 && s != STATUS_OK; i++)
		s = run_order(w, 1, RECOVER);
	if (s != STATUS_OK)
		fail_plan("recover ends with %s", status_name(s));
	check_recovered(w, landing, by_hand);
	s = run_order(w, 1, ROTATE);
	/* What a person did, or a store forgot, and only a login can tell. */
	if (s == STATUS_REFUSED && (w->db.by_hand || forgotten(w)))
		s = run_order(w, 1, EMERGENCY);
	if (s != STATUS_OK || !world_settled(w))
		fail_plan("the next rotation ends with %s", status_name(s));
	if (*world_label(w, STORE_LABEL_PENDING))
		fail_plan("rotated, but a PENDING is left");
	if (strcmp(w->sink_version, w->db.live) != 0 ||
	    strcmp(w->sink_password, w->db.password) != 0)
		fail_plan("rotated, but the sink is not in step");
}
