/* SPDX-License-Identifier: PostgreSQL */
/* A password got out: what `keyturn rotate --compromised` promises, whatever fails
 * or dies on the way, once it is brought to its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "simulate.h"
#include "world_internal.h"

#define LEAKED	  6
#define PASSWORDS 32

/* What the ledger remembers of the command (jobs/compromise.c). */
struct leak {
	size_t n, passwords;
	bool stay; /* sessions may */
	char id[LEAKED][RANDOM_UUID_SIZE];
	char password[PASSWORDS][WORLD_PASSWORD]; /* of all that ever were */
	struct runner_result result;		  /* of the last run */
};

static const struct order replaces = { .name = "rotate compromised",
				       .mode = ENGINE_MODE_ROTATE,
				       .fresh = true };
static const struct order urgent = { .name = "replace compromised",
				     .mode = ENGINE_MODE_ROTATE,
				     .fresh = true,
				     .emergency = true };
static const struct order ends = { .name = "end compromised",
				   .mode = ENGINE_MODE_RETIRE,
				   .at_once = true };

static const enum scene scenes[] = {
	SCENE_MANAGED,	     SCENE_DOUBTED,	    SCENE_FORWARDED,
	SCENE_NO_MARKER,     SCENE_APPLIED,	    SCENE_STAGED,
	SCENE_RESTORED,	     SCENE_PAIR_ADOPTED,    SCENE_PAIR_FIRST,
	SCENE_PAIR_ROTATED,  SCENE_PAIR_RETIRED,    SCENE_PAIR_CLEARED,
	SCENE_PAIR_STAGED,   SCENE_PAIR_APPLIED,    SCENE_PAIR_WITHDREW,
	SCENE_PAIR_CLEARING, SCENE_PAIR_TOMBSTONED, SCENE_PAIR_REVERTING,
	SCENE_PAIR_ADDED,    SCENE_PAIR_OPEN,	    SCENE_PAIR_SEALED,
	SCENE_PAIR_SEALING,  SCENE_PAIR_FULL,
};

#define N_SCENES (sizeof(scenes) / sizeof(scenes[0]))

static bool has_leaked(const struct leak *k, const char *version)
{
	for (size_t i = 0; i < k->n; i++)
		if (strcmp(k->id[i], version) == 0)
			return true;
	return false;
}

/* A person says so: whatever has a label has got out, and what has before, as far
 * as the store has it. */
static void say_so(struct world *w, struct leak *k)
{
	struct leak before = *k;

	k->n = 0;
	for (size_t i = 0; i < w->store.n; i++) {
		const struct world_version *v = &w->store.v[i];

		if (v->label == STORE_LABEL_RING || k->n == LEAKED)
			continue;
		memcpy(k->id[k->n++], v->id, sizeof(v->id));
		if (k->passwords < PASSWORDS)
			memcpy(k->password[k->passwords++], v->password,
			       sizeof(v->password));
	}
	for (size_t i = 0; i < before.n && k->n < LEAKED; i++)
		if (!has_leaked(k, before.id[i]) && world_find(w, before.id[i]))
			memcpy(k->id[k->n++], before.id[i], RANDOM_UUID_SIZE);
}

/* Who has a password has sessions. */
static void let_out(struct world *w, enum scene scene, bool readable,
		    struct leak *k)
{
	prepare_scene(w, scene, readable);
	memset(k, 0, sizeof(*k)); /* not secret */
	say_so(w, k);
	for (size_t i = 0; i < w->store.n; i++)
		if (has_leaked(k, w->store.v[i].id))
			w->use[world_role_of(w->store.v[i].login)].sessions = 2;
}

static enum status run_leak(struct world *w, struct leak *k,
			    const struct order *o)
{
	struct runner_job job = order_job(o, NULL);
	struct before b = remember_before(w);
	struct runner *r;
	enum status s;

	job.compromised = job.force = job.at_once = true;
	job.end_sessions = !k->stay;
	job.leaked = (const char(*)[RANDOM_UUID_SIZE])k->id;
	job.n_leaked = k->n;
	r = world_runner(w, 0, &job);
	last_result = &k->result;
	s = finish_run(w, 0, o, r, &b, true);
	last_result = NULL;
	return s;
}

/* Nothing that got out logs in, or is called PREVIOUS. */
static void must_be_over(struct world *w, const struct leak *k)
{
	for (size_t i = 0; i < k->passwords; i++) {
		if (!w->pair && strcmp(w->db.password, k->password[i]) == 0)
			fail_plan("ended, but what got out logs in");
		/* A store that gives other bytes hides one without LOGIN. */
		for (int m = 0; m < WORLD_ROLES && w->pair; m++)
			if ((w->db.role[m].can_login || w->lies == 0) &&
			    strcmp(w->db.role[m].password, k->password[i]) == 0)
				fail_plan("ended, but %s has what got out",
					  world_names[m]);
	}
	if (!k->result.refuted)
		fail_plan("ended, and not shown to be refused");
	if (*world_label(w, STORE_LABEL_PREVIOUS))
		fail_plan("ended, but PREVIOUS is handed out");
	if (has_leaked(k, world_label(w, STORE_LABEL_CURRENT)) ||
	    !world_settled(w))
		fail_plan("ended, but CURRENT is none that is good");
	if (w->pair && world_others(w) > 0)
		fail_plan("ended, but another member may log in");
}

static void must_have_no_sessions(const struct world *w)
{
	for (int m = 0; m < WORLD_ROLES; m++)
		if (w->use[m].sessions > 0 && (w->pair || m == WORLD_OWNER))
			fail_plan("ended, but %s has sessions", world_names[m]);
}

static enum status run_command(struct world *w, struct leak *k,
			       const struct order *replacing)
{
	enum status s = run_leak(w, k, replacing);

	if (s == STATUS_OK || s == STATUS_UNDELIVERED)
		s = run_leak(w, k, &ends);
	return s;
}

static enum status recover_command(struct world *w, struct leak *k)
{
	enum status s = run_order(w, 1, RECOVER);

	if (s != STATUS_OK)
		return s;
	if (has_leaked(k, world_label(w, STORE_LABEL_CURRENT)))
		return run_command(w, k, &replaces);
	return run_leak(w, k, &ends);
}

/* Run again, or recovered, in a world without faults. */
static void must_be_finished(struct world *w, struct leak *k, bool again,
			     enum landing landing)
{
	enum status s = STATUS_UNKNOWN;

	w->fate = NULL;
	if (landing == LAND_FIRST)
		land_all(w, false);
	for (int i = 0; i < 4 && s != STATUS_OK; i++) {
		again = again || i > 1;
		if (again)
			say_so(w, k);
		/* Somebody changed it, or the store forgot. */
		if (w->role.frozen || s == STATUS_REFUSED) {
			w->role.frozen = false;
			s = run_command(w, k, &urgent);
		} else {
			s = again ? run_command(w, k, &replaces) :
				    recover_command(w, k);
		}
		land_all(w, landing != LAND_LATER);
	}
	if (s != STATUS_OK)
		fail_plan("finishing ends with %s: %s", status_name(s),
			  k->result.why.text);
	must_be_over(w, k);
}

static void play(enum scene scene, const struct plan *plan, bool again,
		 enum landing landing)
{
	static struct world w;
	struct plan p = *plan;
	unsigned history;
	struct leak k;
	enum status s;

	let_out(&w, scene, again, &k);
	name_plan(scene, &replaces, &p, landing, again);
	history = count_history(&w);
	put_under(&w, &p);
	s = run_command(&w, &k, &replaces);
	/* An old answer of the store may show an older PREVIOUS. */
	if (s == STATUS_OK && count_history(&w) == history &&
	    w.stale_reads == 0)
		must_be_over(&w, &k);
	must_be_finished(&w, &k, again, landing);
	/* In the member that is active by now somebody may have come in. */
	memset(w.use, 0, sizeof(w.use)); /* not secret */
	must_converge(&w, LAND_NEVER);
	world_free(&w);
}

static void what_got_out_is_refused_and_its_sessions_end(void **state)
{
	static struct world w;
	struct leak k;

	(void)state;
	for (size_t i = 0; i < 2 * N_SCENES; i++) {
		let_out(&w, scenes[i / 2], i % 2, &k);
		assert_int_equal(run_command(&w, &k, &replaces), STATUS_OK);
		must_be_over(&w, &k);
		must_have_no_sessions(&w);
		assert_int_equal(k.result.endpoints, 1);
		must_converge(&w, LAND_NEVER);
		world_free(&w);
	}
}

static void sessions_stay_unless_they_are_to_end(void **state)
{
	static struct world w;
	unsigned before, after;
	struct leak k;

	(void)state;
	for (size_t i = 0; i < 2 * N_SCENES; i++) {
		let_out(&w, scenes[i / 2], i % 2, &k);
		k.stay = true;
		before = after = 0;
		for (int m = 0; m < WORLD_ROLES; m++)
			before += w.use[m].sessions;
		assert_int_equal(run_command(&w, &k, &replaces), STATUS_OK);
		must_be_over(&w, &k);
		for (int m = 0; m < WORLD_ROLES; m++)
			after += w.use[m].sessions;
		assert_int_equal(after, before);
		world_free(&w);
	}
}

/* Whether they are the first that could not be ended, or came while something
 * remembered the old password. */
static void sessions_that_could_not_be_ended_are_told(void **state)
{
	static const enum scene some[] = { SCENE_MANAGED, SCENE_PAIR_RETIRED };
	static struct world w;
	struct leak k;

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (unsigned again = 0; again < 2; again++) {
			struct plan p = { .fault = { { "evict", FATE_REFUSED,
						       again, ALWAYS, false },
						     { "control", FATE_DOWN, 1,
						       1, false } },
					  .n = 1 + again };

			let_out(&w, some[i], false, &k);
			assert_int_equal(run_leak(&w, &k, &replaces),
					 STATUS_OK);
			w.use[w.pair ? w.db.previous_of : WORLD_OWNER]
				.sessions = 2;
			put_under(&w, &p);
			assert_int_equal(run_leak(&w, &k, &ends), STATUS_OK);
			/* Of a pair nobody could say it of two roles. */
			assert_int_equal(k.result.sessions_left,
					 w.pair && !again ? 2 : 1);
			must_be_over(&w, &k);
			world_free(&w);
		}
}

/* In whichever act it dies, or however that fails. */
static void it_is_finished_by_who_runs_it_again_or_recovers(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SCENES; i++)
		for (unsigned a = 0; a < 70; a++)
			for (int f = FATE_DOWN; f < FATE_COUNT; f++) {
				struct plan p =
					one_fault(NULL, (enum fate)f, 1);

				/* Nobody but the role itself gets in there. */
				if (f > FATE_RESTORE &&
				    scenes[i] == SCENE_NO_MARKER)
					break;
				if (is_one_left_out())
					continue;
				p.fault[0].from = a;
				play(scenes[i], &p, (a + (unsigned)f) % 2,
				     (enum landing)((a + (unsigned)f) %
						    LANDINGS));
			}
}

static void each_act_of_it_may_fail_for_as_long_as_it_likes(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SCENES; i++)
		for (size_t a = 0; a < ACTS; a++)
			for (int f = FATE_DOWN; f <= FATE_USURP; f++)
				for (unsigned from = 0; from < 3; from++) {
					struct plan p = one_fault(act_names[a],
								  (enum fate)f,
								  ALWAYS);

					if (is_one_left_out())
						continue;
					p.fault[0].from = from;
					play(scenes[i], &p, a % 2, LAND_NEVER);
				}
}

/* Whoever dies with the old member's LOGIN gone leaves its sessions. */
static void sessions_end_whoever_died_before(void **state)
{
	static const char *const acts[] = { "withdraw", "nologin", "evict",
					    "clear",	"apply",   "seal" };
	static struct world w;
	struct leak k;

	(void)state;
	for (size_t i = 0; i < N_SCENES; i++)
		for (size_t a = 0; a < 6; a++) {
			struct plan p = one_fault(acts[a], FATE_CRASH_AFTER, 1);

			let_out(&w, scenes[i], false, &k);
			name_plan(scenes[i], &replaces, &p, LAND_NEVER, true);
			put_under(&w, &p);
			run_command(&w, &k, &replaces);
			must_be_finished(&w, &k, true, LAND_NEVER);
			must_have_no_sessions(&w);
			world_free(&w);
		}
}

/* What is still accepted, or cannot be tried, is never called refused, the last of
 * what got out as little as the first. */
static void what_is_not_shown_to_be_refused_is_an_error(void **state)
{
	static const enum fate fates[] = { FATE_LIE, FATE_DOWN };
	static struct world w;
	struct leak k;

	(void)state;
	for (size_t i = 0; i < 2 * N_SCENES; i++)
		for (size_t f = 0; f < 2; f++) {
			/* The first is the one of what is tried before. */
			struct plan p = { .fault = { { "control", fates[f], 1,
						       ALWAYS, false } },
					  .n = 1 };
			enum status s;

			let_out(&w, scenes[i / 2], false, &k);
			s = run_leak(&w, &k, &replaces);
			assert_int_equal(s, STATUS_OK);
			if (i % 2)
				p.fault[0].from = (unsigned)k.n;
			put_under(&w, &p);
			s = run_leak(&w, &k, &ends);
			assert_int_equal(s, f ? STATUS_CLUSTER_UNAVAILABLE :
						STATUS_ERROR);
			assert_false(k.result.refuted);
			must_be_finished(&w, &k, false, LAND_NEVER);
			world_free(&w);
		}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(what_got_out_is_refused_and_its_sessions_end),
	cmocka_unit_test(sessions_stay_unless_they_are_to_end),
	cmocka_unit_test(sessions_that_could_not_be_ended_are_told),
	cmocka_unit_test(it_is_finished_by_who_runs_it_again_or_recovers),
	cmocka_unit_test(each_act_of_it_may_fail_for_as_long_as_it_likes),
	cmocka_unit_test(sessions_end_whoever_died_before),
	cmocka_unit_test(what_is_not_shown_to_be_refused_is_an_error),
};

const struct simulate_group simulate_leak = { tests, sizeof(tests) /
							     sizeof(tests[0]) };
