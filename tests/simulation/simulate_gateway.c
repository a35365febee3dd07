/* SPDX-License-Identifier: PostgreSQL */
/* The login of a gateway: whatever fails, what the partner has is good until its
 * grace is over, and no one is told of what never logged in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "simulate.h"

/* What a run finds. */
enum find {
	FIND_NEW,
	FIND_MANAGED,	  /* CURRENT alone */
	FIND_OVERLAPPING, /* ... and the one before, within its grace */
	FIND_OVERDUE,	  /* ... whose grace is over */
	FIND_STAGED,	  /* a run died after it staged, */
	FIND_UNPROVED,	  /* ... after it promoted, */
	FIND_UNSETTLED,	  /* ... after the proof, */
	FIND_GIVING_UP,	  /* ... after CURRENT went back, */
	FIND_RETURNED,	  /* ... after a rollback promoted, */
	FIND_WITHDRAWN,	  /* ... or after the one before was withdrawn */
	FINDS
};

static const char *const find_names[FINDS] = {
	"new",	    "managed",	 "overlapping", "overdue",  "staged",
	"unproved", "unsettled", "giving up",	"returned", "withdrawn",
};

enum what {
	DO_ROTATE,
	DO_DUE,
	DO_RECOVER,
	DO_IMPORT,
	DO_FORCE,
	DO_EMERGENCY,
	DO_RETIRE,
	DO_ROLLBACK,
	DO_COMPROMISE, /* a rotation because a password got out */
	DO_END,	       /* ... and its retirement */
	WHATS
};

static const char *const what_names[WHATS] = {
	"rotate",     "rotate when due",  "recover", "import",
	"force",      "emergency",	  "retire",  "roll back",
	"compromise", "end what got out",
};

static bool by_labels; /* the store compares labels */

/* Does it end the one before although its grace is not over? */
static bool cuts(enum what what)
{
	return what >= DO_FORCE && what != DO_ROLLBACK;
}

static struct runner_job job_of(enum what what, const struct secret *given)
{
	struct runner_job j = { .mode = ENGINE_MODE_ROTATE, .fresh = true };

	switch (what) {
	case DO_DUE:
		j.fresh = false;
		break;
	case DO_RECOVER:
		j.mode = ENGINE_MODE_RECOVER;
		break;
	case DO_IMPORT:
		j.mode = ENGINE_MODE_IMPORT;
		j.password = given;
		break;
	case DO_FORCE:
		j.force = true;
		break;
	case DO_EMERGENCY:
		j.emergency = true;
		break;
	case DO_RETIRE:
	case DO_END:
		j.mode = ENGINE_MODE_RETIRE;
		break;
	case DO_ROLLBACK:
		j.mode = ENGINE_MODE_ROLLBACK;
		break;
	default:
		break;
	}
	j.compromised = what == DO_COMPROMISE || what == DO_END;
	return j;
}

struct then {
	char current[RANDOM_UUID_SIZE], previous[RANDOM_UUID_SIZE];
	char fact[LEDGER_TEXT_SIZE];
	int64_t clock;
};

static struct then remember(const struct world *w)
{
	struct then t = { .clock = w->clock };

	snprintf(t.current, sizeof(t.current), "%s",
		 world_label(w, STORE_LABEL_CURRENT));
	snprintf(t.previous, sizeof(t.previous), "%s",
		 world_label(w, STORE_LABEL_PREVIOUS));
	snprintf(t.fact, sizeof(t.fact), "%s", w->gateway_fact);
	return t;
}

static const char *password_of(const struct world *w, const char *id)
{
	for (size_t i = 0; i < w->store.n; i++)
		if (strcmp(w->store.v[i].id, id) == 0)
			return w->store.v[i].password;
	return "";
}

static const char *current_password(const struct world *w)
{
	return password_of(w, world_label(w, STORE_LABEL_CURRENT));
}

/* What was to be promoted, or withdrawn, and never was may stay noted. */
static bool is_undone(const struct world *w)
{
	const char *version = strchr(w->gateway_fact, ' ');
	const char *current = world_label(w, STORE_LABEL_CURRENT);

	const char *previous = world_label(w, STORE_LABEL_PREVIOUS);

	return version &&
	       ((w->gateway_fact[0] == 'w' &&
		 strcmp(version + 1, previous) != 0) ||
		((w->gateway_fact[0] == 'p' || w->gateway_fact[0] == 'r') &&
		 strcmp(version + 1, current) == 0));
}

/* What was well done by a run that nobody disturbed. */
static void check_done(const struct world *w, enum what what,
		       const struct then *t, const struct runner_result *r)
{
	const char *current = world_label(w, STORE_LABEL_CURRENT);
	bool told_lies = w->stale_reads > 0 || w->lies > 0;

	if (told_lies)
		return;
	/* That it was proved, and is noted no more, may fail; then a sink. */
	if (r->status == STATUS_OK && *current && is_undone(w) &&
	    w->gateway_fact[0] == 'p' && strcmp(w->sink_version, current) != 0)
		fail_plan("the run ends well, and CURRENT is not proved");
	if (what <= DO_DUE && what != DO_DUE && *t->current &&
	    world_current_since(w) < t->clock)
		fail_plan("the run ends well, but CURRENT is an old one");
	if ((what == DO_RETIRE || what == DO_END) &&
	    *world_label(w, STORE_LABEL_PREVIOUS))
		fail_plan("retired, but the one before has its label");
	if (what == DO_RETIRE && t->previous[0] && t->fact[0] != 'a' &&
	    strcmp(current, t->current) == 0 && !r->refuted)
		fail_plan("retired, and not shown to be refused");
	if (what == DO_ROLLBACK &&
	    strcmp(current_password(w), password_of(w, t->previous)) != 0)
		fail_plan("rolled back, but not to the one before");
	if (what == DO_COMPROMISE && *t->current &&
	    strcmp(current, t->current) == 0)
		fail_plan("what got out is CURRENT yet");
}

static void check_end(const struct world *w, enum what what,
		      const struct then *t, enum status s,
		      const struct runner_result *r, bool deferred)
{
	const char *current = world_label(w, STORE_LABEL_CURRENT);

	switch (s) {
	case STATUS_OK:
	case STATUS_UNDELIVERED:
		if (!deferred)
			check_done(w, what, t, r);
		break;
	case STATUS_DEFERRED:
		break;
	case STATUS_REJECTED:
		if (strcmp(current, t->current) != 0 &&
		    w->gateway_fact[0] != 'a')
			fail_plan("given up, but CURRENT is another one");
		break;
	case STATUS_UNKNOWN:
	case STATUS_BUSY:
		if (!w->role.open_run[0] && s == STATUS_UNKNOWN)
			fail_plan("an unknown outcome is not kept open");
		break;
	default:
		/* What could not be brought to its end is known to be open. */
		if (strcmp(current, t->current) != 0 && !w->role.open_run[0] &&
		    w->gateway_fact[0] == 'p')
			fail_plan("%s, but CURRENT moved and no one looks",
				  status_name(s));
		break;
	}
}

static enum status finish(struct world *w, int i, enum what what,
			  struct runner *r, const struct then *t, bool alone)
{
	struct runner_result result;
	unsigned steps = 0;
	bool deferred;

	last_row = NULL;
	while (world_step(w, i, r))
		if (++steps > 500)
			fail_plan("the run does not end");
	runner_result(r, &result);
	deferred = runner_engine(r)->deferred;
	runner_free(r);
	simulated.runs++;
	simulated.crashes += w->dead[i];
	if (w->violation[0])
		fail_plan("%s", w->violation);
	if (alone && !w->dead[i])
		check_end(w, what, t, result.status, &result, deferred);
	return w->dead[i]			      ? STATUS_UNKNOWN :
	       deferred && result.status == STATUS_OK ? STATUS_DEFERRED :
							result.status;
}

static enum status do_it(struct world *w, int i, enum what what)
{
	static char leaked[2][RANDOM_UUID_SIZE];
	struct secret *given = copy_password("the-partner-typed-this");
	struct runner_job job = job_of(what, given);
	struct then t = remember(w);
	enum status s;

	w->cut = w->cut || cuts(what);
	/* What is CURRENT first, as it is when a person says so. */
	if (what == DO_COMPROMISE) {
		snprintf(leaked[0], sizeof(leaked[0]), "%s", t.current);
		snprintf(leaked[1], sizeof(leaked[1]), "%s", t.previous);
		job.leaked = (const char(*)[RANDOM_UUID_SIZE])leaked;
		job.n_leaked = 1u + (*t.previous != '\0');
	} else if (what == DO_END) {
		snprintf(leaked[0], sizeof(leaked[0]), "%s", t.previous);
		job.leaked = (const char(*)[RANDOM_UUID_SIZE])leaked;
		job.n_leaked = *t.previous != '\0';
	}
	s = finish(w, i, what, world_runner(w, i, &job), &t, true);
	secret_free(given);
	return s;
}

static void must_do(struct world *w, int i, enum what what)
{
	enum status s = do_it(w, i, what);

	if (s != STATUS_OK)
		fail_plan("%s ends with %s", what_names[what], status_name(s));
}

/* The partner types in what it was told. */
static void change_over(struct world *w)
{
	if (w->sink_password[0])
		snprintf(w->partner, sizeof(w->partner), "%s",
			 w->sink_password);
}

static void die_in(struct world *w, enum what what, const char *act,
		   unsigned from)
{
	struct plan p = one_fault(act, FATE_CRASH_AFTER, 1);

	p.fault[0].from = from;
	put_under(w, &p);
	do_it(w, 0, what);
	w->fate = NULL;
}

static void forget_all(struct world *w)
{
	w->store.n = 0;
	w->store_before = w->store;
	w->have_role = false;
	memset(&w->role, 0, sizeof(w->role)); /* not secret */
	w->partner[0] = w->moved_to[0] = '\0';
	world_store_backup(w);
}

static void prepare(struct world *w, enum find find)
{
	snprintf(plan_text, sizeof(plan_text), "preparing %s",
		 find_names[find]);
	world_make(w, 4711 + find);
	world_gateway(w);
	if (by_labels)
		world_labels(w);
	if (find == FIND_NEW) {
		forget_all(w);
		return;
	}
	w->clock += 10 * WORLD_GRACE;
	if (find == FIND_OVERLAPPING || find == FIND_OVERDUE ||
	    find >= FIND_RETURNED) {
		must_do(w, 0, DO_ROTATE);
		if (find == FIND_OVERDUE || find == FIND_WITHDRAWN) {
			change_over(w);
			w->clock += 2 * WORLD_GRACE;
		}
	}
	if (find == FIND_STAGED)
		die_in(w, DO_ROTATE, "stage", 0);
	else if (find == FIND_UNPROVED)
		die_in(w, DO_ROTATE, "promote", 0);
	else if (find == FIND_UNSETTLED)
		die_in(w, DO_ROTATE, "settle", 0);
	else if (find == FIND_RETURNED)
		die_in(w, DO_ROLLBACK, "promote", 0);
	else if (find == FIND_WITHDRAWN)
		die_in(w, DO_RETIRE, "withdraw", 0);
	else if (find == FIND_GIVING_UP) {
		world_gateway_deafen(w, true);
		die_in(w, DO_ROTATE, "promote", 1);
		world_gateway_deafen(w, false);
	}
	w->cut = false;
}

static void calm(struct world *w)
{
	w->fate = NULL;
	w->trust = w->reject = w->shut = false;
	w->random_from = w->random_until = 0;
	world_gateway_deafen(w, false);
	w->role.frozen = false;
}

static void land(struct world *w, bool lost)
{
	land_all(w, lost);
}

/* After any fault: recover, a grace that ends, and two rotations. */
static void converge(struct world *w, enum landing landing)
{
	enum status s = STATUS_UNKNOWN;

	calm(w);
	if (landing == LAND_FIRST)
		land(w, false);
	for (int i = 0; i < 3 && s != STATUS_OK; i++) {
		s = do_it(w, 1, DO_RECOVER);
		if (i == 0 && landing != LAND_FIRST)
			land(w, landing == LAND_NEVER);
	}
	if (s != STATUS_OK)
		fail_plan("recover ends with %s", status_name(s));
	/* What landed late is put right by whoever comes next. */
	if (landing == LAND_LATER)
		must_do(w, 1, DO_RECOVER);
	if (is_undone(w))
		fail_plan("recovered, and left undone: %s", w->gateway_fact);
	if (*world_label(w, STORE_LABEL_CURRENT)) {
		if (!world_gateway_takes(w, current_password(w)))
			fail_plan("recovered, but CURRENT is refused");
		if (strcmp(w->sink_password, current_password(w)) != 0)
			fail_plan("recovered, but the sink is not in step");
	}
	change_over(w);
	w->cut = false;
	w->clock += 2 * WORLD_GRACE;
	if (*world_label(w, STORE_LABEL_CURRENT))
		must_do(w, 1, DO_RETIRE);
	must_do(w, 1, DO_ROTATE);
	if (w->partner[0] && !world_gateway_takes(w, w->partner))
		fail_plan("rotated, and the partner is locked out");
	if (strcmp(w->sink_password, current_password(w)) != 0)
		fail_plan("rotated, but the sink is not in step");
	change_over(w);
	w->clock += 2 * WORLD_GRACE;
	w->cut = false;
	must_do(w, 1, DO_ROTATE);
	if (*world_label(w, STORE_LABEL_PENDING))
		fail_plan("rotated, but a PENDING is left");
}

static void name(enum find find, enum what what, const struct plan *p,
		 enum landing landing)
{
	int n = snprintf(plan_text, sizeof(plan_text),
			 "gateway %s%s, %s, landing %d", find_names[find],
			 by_labels ? ", labels" : "", what_names[what],
			 (int)landing);

	for (unsigned i = 0; i < p->n; i++)
		n += snprintf(plan_text + n, sizeof(plan_text) - (size_t)n,
			      ", %s %u times %u: %s",
			      p->fault[i].act ? p->fault[i].act : "act",
			      p->fault[i].from, p->fault[i].times,
			      fate_name(p->fault[i].fate));
}

static unsigned play(enum find find, enum what what, struct plan p,
		     enum landing landing)
{
	static struct world w;

	prepare(&w, find);
	name(find, what, &p, landing);
	put_under(&w, &p);
	do_it(&w, 0, what);
	converge(&w, landing);
	world_free(&w);
	return p.acts;
}

/* A database that is restored or changed by hand is nothing to a gateway. */
static bool concerns(int fate)
{
	return fate != FATE_RESTORE && fate != FATE_FOREIGN &&
	       fate != FATE_ROLLBACK;
}

static void every_single_fault_is_survived(void **state)
{
	(void)state;
	for (int find = 0; find < FINDS; find++)
		for (int what = 0; what < WHATS; what++) {
			struct plan p = { .n = 0 };
			unsigned acts = play((enum find)find, (enum what)what,
					     p, LAND_FIRST);

			p = one_fault(NULL, FATE_GOOD, 1);
			for (unsigned a = 0; a < acts; a++)
				for (int f = FATE_DOWN; f < FATE_COUNT; f++) {
					if (!concerns(f) || is_one_left_out())
						continue;
					p.fault[0].from = a;
					p.fault[0].fate = (enum fate)f;
					play((enum find)find, (enum what)what,
					     p,
					     (enum landing)((a + (unsigned)f) %
							    LANDINGS));
				}
		}
}

static void every_act_may_fail_for_as_long_as_it_likes(void **state)
{
	static const unsigned times[] = { 2, ALWAYS };

	(void)state;
	for (int find = 0; find < FINDS; find++)
		for (int what = 0; what < WHATS; what++)
			for (size_t a = 0; a < ACTS; a++)
				for (int f = FATE_DOWN; f < FATE_COUNT; f++)
					for (size_t t = 0; t < 2; t++) {
						struct plan p = one_fault(
							act_names[a],
							(enum fate)f, times[t]);

						if (!concerns(f) ||
						    is_one_left_out())
							continue;
						p.fault[0].from = t == 0;
						play((enum find)find,
						     (enum what)what, p,
						     (enum landing)(
							     (a + (size_t)f) %
							     LANDINGS));
					}
}

static void every_pair_of_faults_is_survived(void **state)
{
	static const enum find finds[] = { FIND_MANAGED, FIND_OVERDUE,
					   FIND_UNPROVED, FIND_GIVING_UP };
	static const enum what whats[] = { DO_ROTATE, DO_RETIRE, DO_RECOVER };

	(void)state;
	for (size_t n = 0; n < 12; n++)
		for (int f = FATE_DOWN; f < FATE_RESTORE; f++)
			for (int g = FATE_DOWN; g < FATE_RESTORE; g++)
				for (unsigned a = 0; a < 40; a++) {
					struct plan p = {
						.fault = { { NULL, (enum fate)f,
							     a, 1, false },
							   { NULL, (enum fate)g,
							     a % 5, 1, true } },
						.n = 2
					};

					if (is_left_out())
						continue;
					if (play(finds[n / 3], whats[n % 3], p,
						 (enum landing)((a + n) %
								LANDINGS)) <= a)
						break;
				}
}

/* An agent that does not hear of the new password, through every fault. */
static void a_password_that_no_agent_takes_is_given_up(void **state)
{
	static struct world w;

	(void)state;
	for (int what = 0; what <= DO_EMERGENCY; what++)
		for (int f = FATE_GOOD; f < FATE_RESTORE; f++)
			for (unsigned a = 0; a < 60; a++) {
				struct plan p =
					one_fault(NULL, (enum fate)f, 1);
				char before[RANDOM_UUID_SIZE];
				enum status s;

				p.fault[0].from = a;
				prepare(&w, FIND_MANAGED);
				world_gateway_deafen(&w, true);
				name(FIND_MANAGED, (enum what)what, &p,
				     LAND_LATER);
				snprintf(before, sizeof(before), "%s",
					 world_label(&w, STORE_LABEL_CURRENT));
				if (f != FATE_GOOD)
					put_under(&w, &p);
				s = do_it(&w, 0, (enum what)what);
				if (f == FATE_GOOD && what != DO_RECOVER &&
				    what != DO_IMPORT) {
					assert_int_equal(s, STATUS_REJECTED);
					assert_string_equal(
						before,
						world_label(
							&w,
							STORE_LABEL_CURRENT));
				}
				converge(&w, LAND_LATER);
				world_free(&w);
				if (f == FATE_GOOD)
					break;
			}
}

/* A stands still after k steps; B runs; A goes on.  False: A had ended before. */
static bool pause_at(enum find find, enum what what, enum what other,
		     unsigned k)
{
	static struct world w;
	struct plan none = { .n = 0 };
	struct secret *given = copy_password("the-partner-typed-this");
	struct runner_job job = job_of(what, given);
	struct runner *r;
	unsigned done = 0;
	struct then t;

	prepare(&w, find);
	name(find, other, &none, LAND_FIRST);
	w.cut = cuts(what);
	t = remember(&w);
	r = world_runner(&w, 0, &job);
	while (done < k && world_step(&w, 0, r))
		done++;
	do_it(&w, 1, other);
	finish(&w, 0, what, r, &t, false);
	converge(&w, LAND_FIRST);
	world_free(&w);
	secret_free(given);
	return done == k;
}

static void who_stands_still_does_no_harm(void **state)
{
	static const enum find finds[] = { FIND_MANAGED,  FIND_OVERDUE,
					   FIND_UNPROVED, FIND_GIVING_UP,
					   FIND_RETURNED, FIND_WITHDRAWN };

	(void)state;
	for (size_t n = 0; n < 6; n++)
		for (int what = 0; what < WHATS; what++)
			for (int other = 0; other < WHATS; other++)
				for (unsigned k = 1; k < 30; k++)
					if (!is_one_left_out() &&
					    !pause_at(finds[n], (enum what)what,
						      (enum what)other, k))
						break;
}

static void a_store_that_compares_labels_survives_the_same(void **state)
{
	by_labels = true;
	every_single_fault_is_survived(state);
	a_password_that_no_agent_takes_is_given_up(state);
	who_stands_still_does_no_harm(state);
	by_labels = false;
}

static void a_rotation_waits_for_the_end_of_a_grace(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, FIND_OVERLAPPING);
	assert_int_equal(do_it(&w, 0, DO_ROTATE), STATUS_DEFERRED);
	assert_true(world_gateway_takes(&w, w.partner));
	world_free(&w);
	/* When it is over, what was before is shown to be refused first. */
	prepare(&w, FIND_OVERDUE);
	w.wrong_logins = 0;
	must_do(&w, 0, DO_ROTATE);
	assert_string_equal(w.gateway_fact, "");
	world_free(&w);
}

/* PAM says the same of a wrong password and of an agent that is not there. */
static void who_is_dead_refuses_nothing(void **state)
{
	struct plan p = one_fault("login", FATE_GONE, ALWAYS);
	static struct world w;

	(void)state;
	prepare(&w, FIND_OVERDUE);
	p.fault[0].from = 1; /* TRY was well */
	name(FIND_OVERDUE, DO_RETIRE, &p, LAND_FIRST);
	put_under(&w, &p);
	assert_int_equal(do_it(&w, 0, DO_RETIRE), STATUS_CLUSTER_UNAVAILABLE);
	converge(&w, LAND_FIRST);
	world_free(&w);
}

/* CURRENT may have moved, and no one can say: the next run looks, whatever ails the
 * store. */
static void a_promotion_without_an_answer_stays_open(void **state)
{
	static const enum fate fates[] = { FATE_CORRUPT, FATE_DOWN,
					   FATE_REFUSED };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct plan p = {
			.fault = { { "promote", FATE_LOST_AFTER, 0, 1, false },
				   { "describe", fates[i], 0, ALWAYS, true } },
			.n = 2
		};

		prepare(&w, FIND_MANAGED);
		name(FIND_MANAGED, DO_ROTATE, &p, LAND_FIRST);
		put_under(&w, &p);
		assert_int_not_equal(do_it(&w, 0, DO_ROTATE), STATUS_OK);
		assert_true(w.role.open_run[0]);
		converge(&w, LAND_FIRST);
		world_free(&w);
	}
}

/* Another run has got ahead meanwhile: what it noted is not ours to forget. */
static void what_another_has_noted_stays(void **state)
{
	struct plan p = one_fault("settle", FATE_USURP, 1);
	static struct world w;

	(void)state;
	prepare(&w, FIND_UNPROVED);
	name(FIND_UNPROVED, DO_RECOVER, &p, LAND_FIRST);
	put_under(&w, &p);
	must_do(&w, 0, DO_RECOVER);
	assert_string_equal(w.gateway_fact, "promoted an-usurpers");
	converge(&w, LAND_FIRST);
	world_free(&w);
}

static void what_was_given_up_and_is_all_there_is_is_proved(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, FIND_MANAGED);
	snprintf(w.gateway_fact, sizeof(w.gateway_fact), "abandoned %s",
		 world_label(&w, STORE_LABEL_CURRENT));
	must_do(&w, 0, DO_RECOVER);
	assert_string_equal(w.gateway_fact, "");
	converge(&w, LAND_FIRST);
	world_free(&w);
}

/* Agents and PAM may be others than they were an hour ago. */
static void each_run_tries_a_wrong_password(void **state)
{
	static struct world w;
	unsigned n;

	(void)state;
	prepare(&w, FIND_MANAGED);
	world_remembers(&w, 100 * WORLD_GRACE);
	must_do(&w, 0, DO_ROTATE);
	change_over(&w);
	w.clock += 2 * WORLD_GRACE;
	must_do(&w, 0, DO_RETIRE);
	n = w.controls;
	must_do(&w, 0, DO_ROTATE);
	assert_int_equal(w.controls, n + 1);
	world_free(&w);
}

static void what_got_out_is_replaced_before_it_is_tried(void **state)
{
	static const enum find finds[] = { FIND_OVERDUE, FIND_WITHDRAWN };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		prepare(&w, finds[i]);
		must_do(&w, 0, DO_COMPROMISE);
		must_do(&w, 0, DO_END);
		change_over(&w);
		converge(&w, LAND_FIRST);
		world_free(&w);
	}
}

/* Whatever clock the schedule went by. */
static void no_schedule_cuts_a_grace_short(void **state)
{
	struct runner_job job = job_of(DO_RETIRE, NULL);
	static struct world w;
	struct then t;

	(void)state;
	prepare(&w, FIND_OVERLAPPING);
	job.if_free = true;
	t = remember(&w);
	assert_int_equal(finish(&w, 0, DO_RETIRE, world_runner(&w, 0, &job), &t,
				true),
			 STATUS_DEFERRED);
	assert_true(world_gateway_takes(&w, w.partner));
	world_free(&w);
}

static void a_gateway_that_takes_anything_is_refused(void **state)
{
	static struct world w;

	(void)state;
	for (int find = FIND_NEW; find <= FIND_MANAGED; find++) {
		prepare(&w, (enum find)find);
		w.trust = true;
		assert_int_equal(do_it(&w, 0, DO_ROTATE), STATUS_REFUSED);
		assert_int_equal(w.staged, 0);
		world_free(&w);
	}
}

/* A gives up and its reply is lost; then it cannot look, or another has moved on. */
static void who_gives_up_and_cannot_look_says_so(void **state)
{
	static const enum fate fates[] = { FATE_DOWN, FATE_CORRUPT };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct plan p = {
			.fault = { { "promote", FATE_LOST_BEFORE, 1, 1, false },
				   { "describe", fates[i], 0, ALWAYS, true } },
			.n = 2
		};

		prepare(&w, FIND_MANAGED);
		world_gateway_deafen(&w, true);
		name(FIND_MANAGED, DO_ROTATE, &p, LAND_FIRST);
		put_under(&w, &p);
		assert_int_equal(do_it(&w, 0, DO_ROTATE), STATUS_UNKNOWN);
		converge(&w, LAND_FIRST);
		world_free(&w);
	}
}

static void who_gives_up_and_cannot_move_says_so(void **state)
{
	static const struct {
		enum fate fate;
		enum status status;
	} cases[] = { { FATE_LOST_BEFORE, STATUS_UNKNOWN },
		      { FATE_DOWN, STATUS_UNKNOWN },
		      { FATE_USURP, STATUS_BUSY } };
	static struct world w;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct plan p = one_fault("promote", cases[i].fate, ALWAYS);

		p.fault[0].from = 1;
		prepare(&w, FIND_MANAGED);
		world_gateway_deafen(&w, true);
		name(FIND_MANAGED, DO_ROTATE, &p, LAND_FIRST);
		put_under(&w, &p);
		assert_int_equal(do_it(&w, 0, DO_ROTATE), cases[i].status);
		converge(&w, LAND_FIRST);
		world_free(&w);
	}
}

static void who_gives_up_leaves_what_another_did(void **state)
{
	struct plan p = one_fault("promote", FATE_LOST_BEFORE, 1);
	struct runner_job job = job_of(DO_ROTATE, NULL);
	static struct world w;
	struct runner *r;
	struct then t;

	(void)state;
	prepare(&w, FIND_MANAGED);
	world_gateway_deafen(&w, true);
	p.fault[0].from = 1;
	t = remember(&w);
	put_under(&w, &p);
	r = world_runner(&w, 0, &job);
	step_to(&w, 0, r, ENGINE_BACK);
	assert_true(world_step(&w, 0, r));
	assert_int_equal(runner_state(r), ENGINE_SURVEY);
	calm(&w);
	must_do(&w, 1, DO_RECOVER);
	must_do(&w, 1, DO_ROTATE);
	change_over(&w);
	w.clock += 2 * WORLD_GRACE;
	assert_int_equal(finish(&w, 0, DO_ROTATE, r, &t, false), STATUS_BUSY);
	assert_true(world_gateway_takes(&w, w.partner));
	converge(&w, LAND_FIRST);
	world_free(&w);
}

static void a_store_that_went_back_is_noticed(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, FIND_MANAGED);
	world_store_backup(&w);
	must_do(&w, 0, DO_ROTATE);
	change_over(&w);
	world_store_rollback(&w);
	assert_int_equal(do_it(&w, 0, DO_RETIRE), STATUS_FROZEN);
	w.role.frozen = false; /* who thaws it has looked */
	must_do(&w, 0, DO_ROTATE);
	change_over(&w);
	w.rollbacks = 0;
	converge(&w, LAND_FIRST);
	world_free(&w);
	prepare(&w, FIND_MANAGED);
	world_store_backup(&w);
	must_do(&w, 0, DO_ROTATE);
	change_over(&w);
	world_store_rollback(&w);
	must_do(&w, 0, DO_EMERGENCY);
	world_free(&w);
}

/* ... also by who was about to give up. */
static void who_gives_up_notices_it_too(void **state)
{
	static struct world w;
	struct plan p = one_fault("promote", FATE_ROLLBACK, 1);
	enum status s;

	(void)state;
	prepare(&w, FIND_MANAGED);
	world_store_backup(&w);
	must_do(&w, 0, DO_ROTATE);
	change_over(&w);
	w.clock += 2 * WORLD_GRACE;
	must_do(&w, 0, DO_RETIRE);
	world_gateway_deafen(&w, true);
	p.fault[0].from = 1;
	put_under(&w, &p);
	s = do_it(&w, 0, DO_ROTATE);
	assert_int_equal(s, STATUS_UNKNOWN);
	world_free(&w);
}

static void there_is_nothing_to_go_back_to_from_the_first(void **state)
{
	static struct world w;

	(void)state;
	prepare(&w, FIND_NEW);
	die_in(&w, DO_ROTATE, "promote", 0);
	assert_int_equal(do_it(&w, 1, DO_ROLLBACK), STATUS_REFUSED);
	converge(&w, LAND_FIRST);
	world_free(&w);
}

/* The ledger is well, and says that it is another's turn. */
static void who_is_outrun_says_busy(void **state)
{
	static const enum what whats[] = { DO_FORCE, DO_ROTATE, DO_RETIRE };
	static const enum find finds[] = { FIND_OVERLAPPING, FIND_MANAGED,
					   FIND_OVERLAPPING };
	static struct world w;
	struct runner_job job;
	struct runner_result result;
	char current[RANDOM_UUID_SIZE];
	struct runner *r;

	(void)state;
	for (size_t i = 0; i < sizeof(whats) / sizeof(*whats); i++) {
		prepare(&w, finds[i]);
		w.cut = cuts(whats[i]);
		w.outrun = true;
		snprintf(current, sizeof(current), "%s",
			 world_label(&w, STORE_LABEL_CURRENT));
		job = job_of(whats[i], NULL);
		r = world_runner(&w, 0, &job);
		while (world_step(&w, 0, r))
			;
		runner_result(r, &result);
		runner_free(r);
		assert_int_equal(result.status, STATUS_BUSY);
		assert_non_null(strstr(result.why.text, "got ahead"));
		assert_string_equal(w.role.last_status,
				    status_name(STATUS_BUSY));
		assert_string_equal(world_label(&w, STORE_LABEL_CURRENT),
				    current);
		assert_string_equal(w.violation, "");
		w.outrun = false;
		converge(&w, LAND_FIRST);
		world_free(&w);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(who_is_outrun_says_busy),
	cmocka_unit_test(who_gives_up_and_cannot_look_says_so),
	cmocka_unit_test(who_gives_up_and_cannot_move_says_so),
	cmocka_unit_test(who_gives_up_leaves_what_another_did),
	cmocka_unit_test(a_store_that_went_back_is_noticed),
	cmocka_unit_test(who_gives_up_notices_it_too),
	cmocka_unit_test(there_is_nothing_to_go_back_to_from_the_first),
	cmocka_unit_test(a_rotation_waits_for_the_end_of_a_grace),
	cmocka_unit_test(who_is_dead_refuses_nothing),
	cmocka_unit_test(a_promotion_without_an_answer_stays_open),
	cmocka_unit_test(what_another_has_noted_stays),
	cmocka_unit_test(what_was_given_up_and_is_all_there_is_is_proved),
	cmocka_unit_test(each_run_tries_a_wrong_password),
	cmocka_unit_test(what_got_out_is_replaced_before_it_is_tried),
	cmocka_unit_test(no_schedule_cuts_a_grace_short),
	cmocka_unit_test(a_gateway_that_takes_anything_is_refused),
	cmocka_unit_test(a_password_that_no_agent_takes_is_given_up),
};

static const struct CMUnitTest sweeps[] = {
	cmocka_unit_test(every_single_fault_is_survived),
	cmocka_unit_test(every_act_may_fail_for_as_long_as_it_likes),
	cmocka_unit_test(every_pair_of_faults_is_survived),
	cmocka_unit_test(who_stands_still_does_no_harm),
	cmocka_unit_test(a_store_that_compares_labels_survives_the_same),
};

const struct simulate_group simulate_gateway = {
	tests, sizeof(tests) / sizeof(tests[0])
};

const struct simulate_group simulate_gateway_sweep = {
	sweeps, sizeof(sweeps) / sizeof(sweeps[0])
};
