/* SPDX-License-Identifier: PostgreSQL */
/* The verdict over what marker and store say: each row of resolve.def, their
 * order, and over all combinations of facts what must never be concluded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "rotation/resolve.h"

/* Versions: PENDING, CURRENT, one of the ring, one that the store does not have,
 * one that this run made and that is nowhere any more. */
#define P "pending"
#define C "current"
#define R "older"
#define X "unknown"
#define O "own"

/* CURRENT is live and nothing is left over. */
static struct resolve_facts steady(void)
{
	return (struct resolve_facts){ .live = C,
				       .own = "",
				       .pending = "",
				       .current = C,
				       .recalled = "",
				       .previous = "",
				       .labelled = "",
				       .held = true,
				       .label = STORE_LABEL_CURRENT };
}

/* The marker calls `live` live; the store has P, C and R. */
static struct resolve_facts left_over(const char *live)
{
	struct resolve_facts f = steady();

	f.pending = P;
	f.live = live;
	f.held = strcmp(live, P) == 0 || strcmp(live, C) == 0 ||
		 strcmp(live, R) == 0;
	f.label = strcmp(live, P) == 0 ? STORE_LABEL_PENDING :
		  strcmp(live, C) == 0 ? STORE_LABEL_CURRENT :
					 STORE_LABEL_RING;
	return f;
}

/* The store has nothing of the role, the marker names nothing. */
static struct resolve_facts nothing(void)
{
	return (struct resolve_facts){ .live = "",
				       .own = "",
				       .pending = "",
				       .current = "",
				       .recalled = "",
				       .previous = "",
				       .labelled = "" };
}

#define assert_concludes(f, verdict) \
	assert_string_equal(engine_event_name(resolve(&(f))->event), #verdict)

/* ---- the rows ---- */

static void current_is_live_and_nothing_is_left_over(void **state)
{
	struct resolve_facts f = steady();

	(void)state;
	assert_concludes(f, CURRENT_LIVE);
	f.doubts = true; /* there is no PENDING to doubt */
	assert_concludes(f, CURRENT_LIVE);
}

/* Of a pair: what is called PREVIOUS is what the marker calls the one before, of
 * one that has LOGIN. */
static void previous_is_the_databases_or_stale(void **state)
{
	struct resolve_facts f = steady(), pending = left_over(C);

	(void)state;
	f.labelled = R;
	assert_concludes(f, CURRENT_LIVE); /* one role has none that is */
	f.pair = true;
	assert_concludes(f, STALE);
	f.previous = X;
	assert_concludes(f, STALE);
	f.previous = R;
	assert_concludes(f, CURRENT_LIVE);
	f.retired = true;
	assert_concludes(f, STALE);
	f.labelled = "";
	assert_concludes(f, CURRENT_LIVE);
	pending.pair = true;
	pending.labelled = R;
	assert_concludes(pending, STALE);
	pending.doubts = true;
	assert_concludes(pending, STALE);
	pending = left_over(P); /* first what was begun is finished */
	pending.pair = true;
	pending.labelled = R;
	assert_concludes(pending, PENDING_LIVE);
	pending = left_over(R);
	pending.pair = true;
	pending.labelled = R;
	assert_concludes(pending, RING_LIVE);
}

static void a_left_over_pending_is_live_dead_or_doubted(void **state)
{
	struct resolve_facts live = left_over(P), dead = left_over(C);
	struct resolve_facts doubted = dead;

	(void)state;
	assert_concludes(live, PENDING_LIVE);
	live.doubts = true;
	assert_concludes(live, PENDING_LIVE);
	assert_concludes(dead, PENDING_DEAD);
	doubted.doubts = true;
	assert_concludes(doubted, PENDING_DOUBTED);
}

static void an_older_version_that_is_live_is_a_restore(void **state)
{
	struct resolve_facts ring = left_over(R), previous = ring;

	(void)state;
	previous.label = STORE_LABEL_PREVIOUS;
	assert_concludes(ring, RING_LIVE);
	assert_concludes(previous, RING_LIVE);
	ring.doubts = true;
	assert_concludes(ring, RING_LIVE);
}

static void a_login_with_current_decides_whether_it_is_a_restore(void **state)
{
	struct resolve_facts f = left_over(R);

	(void)state;
	f.login = RESOLVE_LOGIN_REFUSED;
	assert_concludes(f, RING_LIVE);
	f.login = RESOLVE_LOGIN_UNCLEAR;
	assert_concludes(f, BUSY);
	f.login = RESOLVE_LOGIN_TAKEN;
	assert_concludes(f, PENDING_DEAD);
	f.doubts = true;
	assert_concludes(f, PENDING_DOUBTED);
	f.pending = "";
	assert_concludes(f, CURRENT_LIVE);
}

static void what_was_never_live_is_new_or_doubted(void **state)
{
	struct resolve_facts f = nothing();

	(void)state;
	assert_concludes(f, NEVER);
	f.doubts = true;
	assert_concludes(f, NEVER);
	f.pending = P;
	assert_concludes(f, PENDING_DOUBTED);
	f.doubts = false; /* staged and never applied */
	assert_concludes(f, NEVER);
}

static void a_marker_that_names_nothing_leaves_it_to_a_login(void **state)
{
	struct resolve_facts f = left_over("");

	(void)state;
	assert_concludes(f, UNMARKED);
	f.doubts = true;
	assert_concludes(f, UNMARKED);
}

static void what_the_store_does_not_have_is_foreign(void **state)
{
	struct resolve_facts f = left_over(X), empty = nothing();

	(void)state;
	assert_concludes(f, FOREIGN);
	f.doubts = true;
	assert_concludes(f, FOREIGN);
	empty.live = X;
	assert_concludes(empty, FOREIGN);
}

static void another_password_in_the_catalog_is_foreign(void **state)
{
	static const char *const live[] = { "", P, C, R, X };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct resolve_facts f = left_over(live[i]);

		f.foreign = true;
		assert_concludes(f, FOREIGN);
	}
}

static void a_renamed_role_is_known_by_its_version_or_by_a_login(void **state)
{
	struct resolve_facts ours = left_over(C), other = left_over(X);
	struct resolve_facts empty = nothing();

	(void)state;
	ours.renamed = other.renamed = empty.renamed = true;
	assert_concludes(ours, PENDING_DEAD);
	assert_concludes(other, UNMARKED);
	other.foreign = true; /* of whatever the row belongs to */
	assert_concludes(other, UNMARKED);
	assert_concludes(empty, FOREIGN);
	empty.live = X;
	assert_concludes(empty, FOREIGN);
}

static void a_branch_is_new_or_its_parents(void **state)
{
	struct resolve_facts parents = left_over(C), own = left_over(X);
	struct resolve_facts empty = nothing();

	(void)state;
	parents.branched = own.branched = empty.branched = true;
	assert_concludes(parents, BRANCHED);
	assert_concludes(own, NEVER);
	assert_concludes(empty, NEVER);
}

/* Our apply was sent, and no answer came. */
static void our_open_version_is_promoted_lost_or_still_ours(void **state)
{
	struct resolve_facts f = left_over(C);

	(void)state;
	f.own = P;
	f.ours_open = true;
	assert_concludes(f, PENDING_DEAD); /* it is to be applied again */
	f = left_over(P);
	f.own = P;
	f.ours_open = true;
	assert_concludes(f, PENDING_LIVE);
	f = left_over(C);
	f.own = C;
	f.ours_open = true;
	assert_concludes(f, PROMOTED);
	f.own = O;
	assert_concludes(f, LOST);
	f = left_over(P); /* ours is live, and in the ring by now */
	f.own = R;
	f.live = R;
	f.label = STORE_LABEL_RING;
	f.ours_open = true;
	assert_concludes(f, RING_LIVE);
}

static void a_rollback_is_told_from_a_restore(void **state)
{
	struct resolve_facts f = left_over(R);

	(void)state;
	f.previous = C; /* the marker went back from CURRENT */
	assert_concludes(f, REVERTED);
	f.ours_open = true;
	f.own = P;
	assert_concludes(f, RING_LIVE);
	f.ours_open = false;
	f.previous = X;
	assert_concludes(f, RING_LIVE);
	f = steady(); /* what this run went back to, by another's doing */
	f.recalled = C;
	assert_concludes(f, PROMOTED);
	f.recalled = R;
	assert_concludes(f, CURRENT_LIVE);
}

/* ---- their order ---- */

static void nothing_is_concluded_without_the_claim(void **state)
{
	struct resolve_facts f = left_over(P);

	(void)state;
	f.claim_lost = f.login_old = f.branched = f.foreign = true;
	assert_concludes(f, BUSY);
	f.claim_lost = false;
	assert_concludes(f, CLUSTER_DOWN);
}

static void lost_comes_before_branched_and_branched_before_foreign(void **state)
{
	struct resolve_facts f = left_over(C);

	(void)state;
	f.own = O;
	f.ours_open = f.branched = f.renamed = f.foreign = true;
	assert_concludes(f, LOST);
	f.ours_open = false;
	assert_concludes(f, BRANCHED);
	f = left_over(X);
	f.branched = f.renamed = f.foreign = true;
	assert_concludes(f, NEVER);
	f.branched = false;
	assert_concludes(f, UNMARKED);
	f.renamed = false;
	assert_concludes(f, FOREIGN);
}

static void promoted_comes_before_whatever_happened_since(void **state)
{
	struct resolve_facts f = left_over(C);

	(void)state;
	f.own = C;
	f.ours_open = f.branched = f.renamed = f.foreign = true;
	assert_concludes(f, PROMOTED);
}

/* ---- all combinations ---- */

static bool is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Could a store and a marker say this? */
static bool is_possible(const struct resolve_facts *f)
{
	bool pending = *f->pending && is(f->live, f->pending);
	bool current = *f->current && is(f->live, f->current);

	if (!*f->live || is(f->live, O) || is(f->live, X))
		return !f->held && f->label == STORE_LABEL_RING;
	if (!f->held)
		return !pending && !current && f->label == STORE_LABEL_RING;
	return pending == (f->label == STORE_LABEL_PENDING) &&
	       current == (f->label == STORE_LABEL_CURRENT);
}

/* Says why a verdict is unsafe, or NULL; nothing of it is taken from the rows. */
static const char *is_unsafe(const struct resolve_facts *f,
			     enum engine_event ev)
{
	bool proved = f->login == RESOLVE_LOGIN_TAKEN;
	bool waits = ev == ENGINE_ON_BUSY || ev == ENGINE_ON_CLUSTER_DOWN;
	bool ours = ev == ENGINE_ON_CURRENT_LIVE ||
		    ev == ENGINE_ON_PENDING_DEAD ||
		    ev == ENGINE_ON_PENDING_LIVE || ev == ENGINE_ON_RING_LIVE ||
		    ev == ENGINE_ON_REVERTED;
	bool back = *f->recalled && is(f->live, f->recalled) &&
		    is(f->current, f->recalled);

	if (f->claim_lost || f->login_old)
		return waits ? NULL : "something is concluded from old facts";
	/* What is live is known by its id, or by a login. */
	if (ev == ENGINE_ON_PENDING_LIVE && !is(f->live, f->pending))
		return "PENDING is called live, the marker names another";
	if (ev == ENGINE_ON_PENDING_DEAD && is(f->live, f->pending))
		return "PENDING is called dead, the marker names it";
	if (ev == ENGINE_ON_PENDING_DEAD && f->doubts)
		return "PENDING is called dead, a failed commit may have set it";
	if (ev == ENGINE_ON_PENDING_DOUBTED && !f->doubts)
		return "PENDING is doubted where a failed commit changes nothing";
	if ((ev == ENGINE_ON_PENDING_DEAD || ev == ENGINE_ON_PENDING_DOUBTED ||
	     ev == ENGINE_ON_PENDING_LIVE) &&
	    !*f->pending)
		return "there is no PENDING";
	if (ev == ENGINE_ON_CURRENT_LIVE && *f->pending)
		return "a PENDING is left over and forgotten";
	if (ev == ENGINE_ON_STALE &&
	    (!f->pair || !*f->labelled ||
	     (is(f->labelled, f->previous) && !f->retired)))
		return "PREVIOUS is the database's, and is called stale";
	if ((ev == ENGINE_ON_CURRENT_LIVE || ev == ENGINE_ON_PENDING_DEAD) &&
	    f->pair && *f->labelled && !is(f->labelled, f->previous))
		return "PREVIOUS is not the database's, and stays";
	if ((ev == ENGINE_ON_CURRENT_LIVE || ev == ENGINE_ON_PENDING_DEAD ||
	     ev == ENGINE_ON_STALE) &&
	    !is(f->live, f->current) && !proved)
		return "CURRENT is called live, and nobody said so";
	if (ev == ENGINE_ON_RING_LIVE &&
	    (is(f->live, f->current) || is(f->live, f->pending) || !f->held))
		return "what is live is not an older version of ours";
	if (ev == ENGINE_ON_REVERTED &&
	    (is(f->live, f->current) || is(f->live, f->pending) || !f->held ||
	     !*f->current || !is(f->previous, f->current)))
		return "nothing was gone back from CURRENT";
	if (ev == ENGINE_ON_RING_LIVE && proved)
		return "CURRENT logs in, so there was no restore";
	if (ev == ENGINE_ON_RING_LIVE && f->login == RESOLVE_LOGIN_UNCLEAR)
		return "CURRENT is given up before it is known to be dead";
	/* What is not ours is not rotated. */
	if (ours && !f->held)
		return "the live version is not in the store";
	if (ours && f->foreign)
		return "somebody else has changed the password";
	if (ours && f->branched)
		return "the marker is another branch's";
	if (ev == ENGINE_ON_NEVER && f->held)
		return "a version of ours is live, and the role is called new";
	if (ev == ENGINE_ON_NEVER && *f->current && !f->branched)
		return "the role is called new, and the store has a CURRENT";
	if (ev == ENGINE_ON_NEVER && *f->live && !f->branched)
		return "the role is called new, and the marker names a version";
	if (ev == ENGINE_ON_UNMARKED && (!*f->current || f->held))
		return "a login with CURRENT cannot decide this";
	if (ev == ENGINE_ON_UNMARKED && *f->live && !f->renamed)
		return "a login is to decide against the marker";
	if (*f->live && !f->held && !f->branched && !f->renamed &&
	    ev != ENGINE_ON_FOREIGN && ev != ENGINE_ON_LOST)
		return "what is live is unknown, and the role is not frozen";
	if (f->branched && f->held && ev != ENGINE_ON_BRANCHED &&
	    ev != ENGINE_ON_LOST && ev != ENGINE_ON_PROMOTED)
		return "the secret of another branch is used";
	/* What this run applied without an answer. */
	if (ev == ENGINE_ON_PROMOTED && !back &&
	    (!f->ours_open || !*f->own || !is(f->live, f->own) ||
	     !is(f->current, f->own)))
		return "ours is not live and CURRENT";
	if (ev == ENGINE_ON_LOST &&
	    (!f->ours_open || is(f->live, f->own) || is(f->pending, f->own)))
		return "ours is not lost";
	if (f->ours_open && !is(f->live, f->own) && !is(f->pending, f->own) &&
	    ev != ENGINE_ON_LOST)
		return "another version is taken for ours";
	if (waits && f->login != RESOLVE_LOGIN_UNCLEAR)
		return "it waits for nothing";
	return NULL;
}

static void check_facts(const struct resolve_facts *f, bool *ret_taken)
{
	size_t n;
	const struct resolve_row *row = resolve(f);
	const char *unsafe = is_unsafe(f, row->event);

	ret_taken[row - resolve_rows(&n)] = true;
	if (unsafe)
		fail_msg("%s: %s (live '%s', own '%s', PENDING '%s', CURRENT "
			 "'%s', held %d as %s, open %d, branched %d, renamed "
			 "%d, foreign %d, doubts %d, login %d)",
			 engine_event_name(row->event), unsafe, f->live, f->own,
			 f->pending, f->current, f->held,
			 store_label_name(f->label), f->ours_open, f->branched,
			 f->renamed, f->foreign, f->doubts, (int)f->login);
}

static const char *const ids[] = { "", P, C, R, X, O };

/* Bit by bit: what the marker and this run say besides the versions. */
static void walk_flags(struct resolve_facts *f, bool *ret_taken,
		       unsigned long *ret_walked)
{
	for (unsigned bits = 0; bits < 1u << 10; bits++)
		for (int login = RESOLVE_LOGIN_NONE;
		     login <= RESOLVE_LOGIN_UNCLEAR; login++) {
			f->claim_lost = bits & 1;
			f->login_old = bits & 2;
			f->ours_open = bits & 4;
			f->branched = bits & 8;
			f->renamed = bits & 16;
			f->foreign = bits & 32;
			f->doubts = bits & 64;
			f->previous = bits & 128 ? C : "";
			f->recalled = bits & 256 ? C : "";
			f->pair = bits & 512;
			f->labelled = f->pair ? R : "";
			/* A run applies, or goes back. */
			if (*f->recalled && f->ours_open)
				continue;
			f->login = (enum resolve_login)login;
			check_facts(f, ret_taken);
			(*ret_walked)++;
		}
}

static void walk_labels(struct resolve_facts *f, bool *ret_taken,
			unsigned long *ret_walked)
{
	for (int held = 0; held <= 1; held++)
		for (int l = STORE_LABEL_RING; l <= STORE_LABEL_PREVIOUS; l++) {
			f->held = held;
			f->label = (enum store_label)l;
			if (is_possible(f))
				walk_flags(f, ret_taken, ret_walked);
		}
}

static void no_combination_of_facts_leads_to_an_unsafe_verdict(void **state)
{
	struct resolve_facts f = nothing();
	bool taken[64] = { false };
	unsigned long walked = 0;
	size_t n;
	const struct resolve_row *rows = resolve_rows(&n);

	(void)state;
	assert_true(n <= 64);
	for (size_t live = 0; live < 6; live++)
		for (size_t own = 0; own < 6; own++)
			for (int stored = 0; stored < 4; stored++) {
				f.live = ids[live];
				f.own = ids[own];
				f.pending = stored & 1 ? P : "";
				f.current = stored & 2 ? C : "";
				walk_labels(&f, taken, &walked);
			}
	printf("facts walked: %lu\n", walked);
	for (size_t i = 0; i < n; i++)
		if (!taken[i])
			fail_msg("no facts lead to %s: %s",
				 engine_event_name(rows[i].event),
				 rows[i].sentence);
}

/* RESOLVE ends with nothing that its state has no row for. */
static void every_verdict_is_an_event_of_resolve(void **state)
{
	size_t n, n_table;
	const struct resolve_row *rows = resolve_rows(&n);
	const struct engine_row *table = engine_rows(&n_table);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		bool found = false;

		for (size_t j = 0; j < n_table && !found; j++)
			found = table[j].from == ENGINE_RESOLVE &&
				table[j].event == rows[i].event;
		if (!found)
			fail_msg("RESOLVE has no row for %s",
				 engine_event_name(rows[i].event));
		assert_true(strlen(rows[i].sentence) > 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rollback_is_told_from_a_restore),
		cmocka_unit_test(current_is_live_and_nothing_is_left_over),
		cmocka_unit_test(previous_is_the_databases_or_stale),
		cmocka_unit_test(a_left_over_pending_is_live_dead_or_doubted),
		cmocka_unit_test(an_older_version_that_is_live_is_a_restore),
		cmocka_unit_test(
			a_login_with_current_decides_whether_it_is_a_restore),
		cmocka_unit_test(what_was_never_live_is_new_or_doubted),
		cmocka_unit_test(
			a_marker_that_names_nothing_leaves_it_to_a_login),
		cmocka_unit_test(what_the_store_does_not_have_is_foreign),
		cmocka_unit_test(another_password_in_the_catalog_is_foreign),
		cmocka_unit_test(
			a_renamed_role_is_known_by_its_version_or_by_a_login),
		cmocka_unit_test(a_branch_is_new_or_its_parents),
		cmocka_unit_test(
			our_open_version_is_promoted_lost_or_still_ours),
		cmocka_unit_test(nothing_is_concluded_without_the_claim),
		cmocka_unit_test(
			lost_comes_before_branched_and_branched_before_foreign),
		cmocka_unit_test(promoted_comes_before_whatever_happened_since),
		cmocka_unit_test(
			no_combination_of_facts_leads_to_an_unsafe_verdict),
		cmocka_unit_test(every_verdict_is_an_event_of_resolve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
