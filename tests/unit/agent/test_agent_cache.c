/* SPDX-License-Identifier: PostgreSQL */
/* agent_cache: which answer counts, when the store is asked, and what is handed
 * out while it cannot be.  The store and the clock are fakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/cache/cache.h"
#include "base/text.h"

#define REFRESH	  (60 * NOW_SECOND)
#define MAX_STALE (3600 * NOW_SECOND)
#define EPOCH	  (INT64_C(1700000000) * NOW_SECOND)

/* Version 7 is "...0007" with the password "password-7", made at second 7. */
struct world {
	struct now *now;
	int64_t us; /* since the beginning, for both clocks */
	struct store store;
	enum status away; /* what the store answers instead */
	struct store_state state;
	unsigned describes, fetches;
	const char *strange; /* the host that it has instead */
	struct agent_cache *cache;
	struct agent_secret *secret;
	struct agent_cache_ask *sent; /* not run yet */
	unsigned n_sent, told;
	bool urgent;
};

static int64_t wall(void *self)
{
	return EPOCH + ((struct world *)self)->us;
}

static int64_t boot(void *self)
{
	return NOW_SECOND + ((struct world *)self)->us;
}

static const char *id_of(int version)
{
	static char ids[4][RANDOM_UUID_SIZE];
	static int turn;
	char *id = ids[turn++ % 4];

	snprintf(id, RANDOM_UUID_SIZE, "00000000-0000-4000-8000-%012d",
		 version);
	return id;
}

static enum status describe(struct store *s, const char *name,
			    struct store_state *ret, struct reason *why)
{
	struct world *w =
		(struct world *)((char *)s - offsetof(struct world, store));

	(void)name;
	w->describes++;
	if (w->away != STATUS_OK)
		return reason_set(why, w->away, "the store is away");
	*ret = w->state;
	return STATUS_OK;
}

static enum status fetch(struct store *s, const char *name, const char *id,
			 struct store_entry *ret, struct reason *why)
{
	struct world *w =
		(struct world *)((char *)s - offsetof(struct world, store));
	char password[32];

	(void)name;
	(void)why;
	w->fetches++;
	*ret = (struct store_entry){ .host = "db", .username = "sap" };
	if (w->strange)
		text_copy(ret->host, sizeof(ret->host), w->strange);
	snprintf(password, sizeof(password), "password-%d",
		 atoi(id + strlen(id) - 4));
	assert_int_equal(secret_new(64, &ret->password), STATUS_OK);
	return secret_set(ret->password, password, strlen(password));
}

static const struct store_ops ops = { .type = "fake",
				      .describe = describe,
				      .fetch = fetch };

static void send(void *arg, struct agent_cache_ask *e, bool urgent)
{
	struct world *w = arg;

	e->next = w->sent;
	w->sent = e;
	w->n_sent++;
	w->urgent = urgent;
}

static void told(void *arg, const struct agent_secret *s)
{
	(void)s;
	((struct world *)arg)->told++;
}

/* What the store has: the versions, newest first, with their labels. */
static void has(struct world *w, int current, int previous, int pending)
{
	const struct {
		int version;
		enum store_label label;
	} all[] = { { pending, STORE_LABEL_PENDING },
		    { current, STORE_LABEL_CURRENT },
		    { previous, STORE_LABEL_PREVIOUS } };

	w->state.n = 0;
	for (int i = 0; i < 3; i++) {
		struct store_version *v = &w->state.versions[w->state.n];

		if (all[i].version == 0)
			continue;
		text_copy(v->id, sizeof(v->id), id_of(all[i].version));
		v->label = all[i].label;
		v->created_us = EPOCH + all[i].version * NOW_SECOND;
		w->state.n++;
	}
}

static void also_in_the_ring(struct world *w, int version)
{
	struct store_version *v = &w->state.versions[w->state.n++];

	text_copy(v->id, sizeof(v->id), id_of(version));
	v->label = STORE_LABEL_RING;
	v->created_us = EPOCH + version * NOW_SECOND;
}

/* Run what was sent, as workers would. */
static void answer(struct world *w)
{
	struct agent_cache_ask *e;

	while ((e = w->sent) != NULL) {
		w->sent = e->next;
		agent_cache_ask_run(e, &w->store);
		agent_cache_answer(w->cache, e);
	}
}

static void pass(struct world *w, int64_t us)
{
	w->us += us;
	agent_cache_tick(w->cache);
}

/* A query by itself, and its answer. */
static void poll(struct world *w)
{
	unsigned before = w->n_sent;

	pass(w, REFRESH + REFRESH / 5);
	assert_int_equal(w->n_sent, before + 1);
	answer(w);
}

static void want(struct world *w, bool clear, bool previous)
{
	struct agent_secret wish = { .name = "sap",
				     .store = "local",
				     .want_content = true,
				     .want_clear = clear,
				     .want_previous = previous };

	agent_cache_want_begin(w->cache);
	assert_int_equal(agent_cache_want(w->cache, &wish, &w->secret, NULL),
			 STATUS_OK);
	agent_cache_want_end(w->cache);
}

static int setup(void **state)
{
	const struct agent_cache_settings settings = { REFRESH, MAX_STALE };
	struct world *w = calloc(1, sizeof(*w));
	struct now *now = calloc(1, sizeof(*now));
	struct agent_cache_hooks hooks = { send, told, w };
	struct secret *key = NULL;

	assert_true(w && now);
	*now = (struct now){ .wall_us = wall, .boot_us = boot, .self = w };
	w->now = now;
	w->store.ops = &ops;
	w->store.name = "local";
	assert_int_equal(secret_new(32, &key), STATUS_OK);
	assert_int_equal(secret_set(key, "0123456789abcdef0123456789abcdef",
				    32),
			 STATUS_OK);
	assert_int_equal(agent_cache_new(now, key, 1, &hooks, &w->cache, NULL),
			 STATUS_OK);
	agent_cache_set(w->cache, &settings);
	w->us = 1000 * NOW_SECOND;
	has(w, 7, 6, 0);
	want(w, true, true);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	while (w->sent) {
		struct agent_cache_ask *e = w->sent;

		w->sent = e->next;
		agent_cache_ask_free(e);
	}
	agent_cache_free(w->cache);
	free(w->now);
	free(w);
	return 0;
}

static enum agent_cache_has look(struct world *w)
{
	int64_t stale;

	return agent_cache_look(w->cache, w->secret, &stale);
}

static void assert_holds(struct world *w, int version)
{
	char password[32];

	snprintf(password, sizeof(password), "password-%d", version);
	assert_string_equal(w->secret->current.id, id_of(version));
	assert_non_null(w->secret->password);
	assert_string_equal(secret_bytes(w->secret->password), password);
}

static void begin(struct world *w)
{
	assert_int_equal(look(w), AGENT_CACHE_COMING);
	pass(w, 0);
	assert_int_equal(look(w), AGENT_CACHE_COMING);
	answer(w);
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
	assert_holds(w, 7);
}

static void what_was_held_while_we_stood_still_is_asked_about(void **state)
{
	struct world *w = *state;
	unsigned before;

	begin(w);
	before = w->n_sent;
	has(w, 8, 7, 0);
	agent_cache_slept(w->cache);
	assert_int_equal(w->n_sent, before + 1);
	assert_int_equal(look(w), AGENT_CACHE_STALE);
	assert_holds(w, 7);
	/* What was under way may be from before: it is asked once more. */
	agent_cache_slept(w->cache);
	assert_int_equal(w->n_sent, before + 1);
	answer(w);
	assert_int_equal(w->n_sent, before + 2);
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
	assert_holds(w, 8);
}

static void the_first_answer_is_held(void **state)
{
	struct world *w = *state;

	begin(w);
	assert_int_equal(w->told, 1);
	assert_string_equal(w->secret->host, "db");
	assert_true(w->secret->previous.has_mac);
}

static void what_is_held_is_not_fetched_again(void **state)
{
	struct world *w = *state;

	begin(w);
	assert_int_equal(w->fetches, 2); /* current and previous */
	poll(w);
	poll(w);
	assert_int_equal(w->describes, 3);
	assert_int_equal(w->fetches, 2);
}

static void a_rotation_is_taken_over(void **state)
{
	struct world *w = *state;
	unsigned char mac[DIGEST_SIZE];

	begin(w);
	has(w, 8, 7, 0);
	poll(w);
	assert_holds(w, 8);
	/* The one before is known by its digest, without being fetched. */
	assert_int_equal(w->fetches, 3);
	assert_string_equal(w->secret->previous.id, id_of(7));
	agent_cache_digest(w->cache, "password-7", 10, mac);
	assert_memory_equal(w->secret->previous.mac, mac, sizeof(mac));
}

static void a_shorter_interval_counts_at_once(void **state)
{
	const struct agent_cache_settings shorter = { NOW_SECOND, MAX_STALE };
	struct world *w = *state;
	unsigned before;

	begin(w);
	w->us += REFRESH / 2;
	before = w->n_sent;
	agent_cache_set(w->cache, &shorter);
	/* The store was not asked, so it did not refuse either. */
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
	pass(w, NOW_SECOND / 2);
	assert_int_equal(w->n_sent, before);
	has(w, 8, 7, 0);
	pass(w, NOW_SECOND);
	assert_int_equal(w->n_sent, before + 1);
	answer(w);
	assert_holds(w, 8);
	/* From then on a store that is not heard of is noticed as soon. */
	w->us += 3 * NOW_SECOND;
	assert_int_equal(look(w), AGENT_CACHE_STALE);
}

static void a_longer_interval_puts_nothing_off(void **state)
{
	const struct agent_cache_settings longer = { 10 * REFRESH, MAX_STALE };
	struct world *w = *state;

	begin(w);
	agent_cache_set(w->cache, &longer);
	poll(w);
}

static void the_store_is_asked_once_at_a_time(void **state)
{
	struct world *w = *state;

	pass(w, 0);
	for (int i = 0; i < 10; i++) {
		agent_cache_press(w->cache, w->secret, AGENT_CACHE_PRESS_US);
		agent_cache_push(w->cache, w->secret, "");
		pass(w, 2 * NOW_SECOND);
	}
	assert_int_equal(w->n_sent, 1);
	/* What was wished for meanwhile is one query more. */
	answer(w);
	assert_int_equal(w->n_sent, 2);
	answer(w);
	assert_int_equal(w->n_sent, 2);
}

/* It would make every reply that names the role one that the wire refuses, and so
 * a whole LIST. */
static void a_value_that_the_wire_does_not_carry_is_not_taken(void **state)
{
	static const char *const strange[] = { "d\nb", "d\x1b[2Jb",
					       "db\xC2\x85", "d\xff" };
	struct world *w = *state;

	begin(w);
	for (size_t i = 0; i < sizeof(strange) / sizeof(*strange); i++) {
		w->strange = strange[i];
		has(w, 8, 7, 0);
		pass(w, w->secret->next_us - boot(w));
		answer(w);
		assert_true(w->secret->failed);
		assert_non_null(
			strstr(w->secret->why.text, "a control character"));
		assert_holds(w, 7);
	}
}

static void clients_cause_one_query_a_second(void **state)
{
	struct world *w = *state;

	begin(w);
	for (int i = 0; i < 1000; i++) {
		agent_cache_press(w->cache, w->secret, AGENT_CACHE_PRESS_US);
		answer(w);
		w->us += 1000;
	}
	assert_int_equal(w->n_sent, 2);
	agent_cache_press(w->cache, w->secret, AGENT_CACHE_PRESS_US);
	assert_int_equal(w->n_sent, 3);
	assert_true(w->urgent);
	answer(w);
	/* Nor two of them when the second comes by itself. */
	w->us += NOW_SECOND / 10;
	agent_cache_press(w->cache, w->secret, AGENT_CACHE_PRESS_US);
	pass(w, NOW_SECOND);
	assert_int_equal(w->n_sent, 4);
	answer(w);
	for (int i = 0; i < 9; i++) {
		pass(w, NOW_SECOND / 10);
		agent_cache_press(w->cache, w->secret, AGENT_CACHE_PRESS_US);
		answer(w);
	}
	assert_int_equal(w->n_sent, 4);
}

/* Nor does one who waits make it come sooner. */
static void clients_do_not_shorten_the_back_off(void **state)
{
	struct world *w = *state;
	int64_t due;
	unsigned before;

	begin(w);
	w->away = STATUS_STORE_UNAVAILABLE;
	poll(w);
	for (int i = 0; i < 3; i++) {
		pass(w, w->secret->next_us - boot(w));
		answer(w);
	}
	before = w->n_sent;
	due = w->secret->next_us;
	while (boot(w) + NOW_SECOND < due) {
		assert_false(agent_cache_press(w->cache, w->secret,
					       AGENT_CACHE_PRESS_US));
		agent_cache_soon(w->cache, w->secret, NOW_SECOND);
		pass(w, NOW_SECOND);
	}
	assert_int_equal(w->n_sent, before);
	assert_int_equal(w->secret->next_us, due);
	/* While the next one is under way it is waited for, and not doubled. */
	pass(w, due - boot(w));
	assert_true(
		agent_cache_press(w->cache, w->secret, AGENT_CACHE_PRESS_US));
	answer(w);
	assert_int_equal(w->n_sent, before + 1);
	/* The rotator's word is another matter. */
	agent_cache_push(w->cache, w->secret, "");
	assert_int_equal(w->n_sent, before + 2);
}

static void who_waits_has_the_store_asked_in_time_and_not_at_once(void **state)
{
	struct world *w = *state;
	unsigned before;

	begin(w);
	before = w->n_sent;
	agent_cache_soon(w->cache, w->secret, 5 * NOW_SECOND);
	agent_cache_soon(w->cache, w->secret, 9 * NOW_SECOND);
	pass(w, 5 * NOW_SECOND - 1);
	assert_int_equal(w->n_sent, before);
	pass(w, 1);
	assert_int_equal(w->n_sent, before + 1);
}

static void an_outage_makes_it_stale_and_then_ends_it(void **state)
{
	struct world *w = *state;
	int64_t stale = 0;

	begin(w);
	w->away = STATUS_STORE_UNAVAILABLE;
	poll(w);
	assert_int_equal(agent_cache_look(w->cache, w->secret, &stale),
			 AGENT_CACHE_STALE);
	assert_int_equal(stale, 72);
	assert_holds(w, 7);
	while (w->us < (1000 + 3600 - 100) * NOW_SECOND) {
		pass(w, 60 * NOW_SECOND);
		answer(w);
		assert_int_equal(look(w), AGENT_CACHE_STALE);
	}
	w->us = (1000 + 3600) * NOW_SECOND + 1;
	assert_int_equal(look(w), AGENT_CACHE_NOTHING);
	pass(w, 0);
	assert_null(w->secret->password); /* and wiped */
	answer(w);

	w->away = STATUS_OK;
	poll(w);
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
	assert_holds(w, 7);
}

static void a_store_that_hangs_makes_it_stale_as_well(void **state)
{
	struct world *w = *state;

	begin(w);
	pass(w, 2 * REFRESH); /* sent, and no answer comes */
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
	pass(w, NOW_SECOND);
	assert_int_equal(look(w), AGENT_CACHE_STALE);
	pass(w, MAX_STALE);
	assert_int_equal(look(w), AGENT_CACHE_NOTHING);
}

static void retries_back_off_to_a_minute(void **state)
{
	struct world *w = *state;
	int64_t wait, before = 0;

	w->away = STATUS_STORE_UNAVAILABLE;
	pass(w, 0);
	answer(w);
	for (int i = 0; i < 12; i++) {
		wait = w->secret->next_us - boot(w);
		assert_true(wait >= before * 9 / 10 && wait <= 66 * NOW_SECOND);
		before = wait < 50 * NOW_SECOND ? wait : before;
		pass(w, wait);
		answer(w);
	}
	assert_true(w->secret->next_us - boot(w) >= 54 * NOW_SECOND);
}

static void polls_are_spread(void **state)
{
	struct world *w = *state;
	int64_t least = INT64_MAX, most = 0, wait;

	begin(w);
	for (int i = 0; i < 50; i++) {
		wait = w->secret->next_us - boot(w);
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
		pass(w, wait);
		answer(w);
	}
	assert_true(least >= REFRESH * 9 / 10 && most <= REFRESH * 11 / 10);
	assert_true(most - least > REFRESH / 20);
}

/* A replica that lags: our CURRENT is still PENDING there. */
static void a_view_from_before_the_promotion_is_not_taken(void **state)
{
	struct world *w = *state;

	begin(w);
	has(w, 6, 5, 7);
	poll(w);
	assert_holds(w, 7);
	assert_int_equal(look(w), AGENT_CACHE_STALE); /* not confirmed */
	has(w, 7, 6, 0);
	poll(w);
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
}

/* A replica that lags more: our CURRENT is not there at all. */
static void a_view_that_does_not_know_ours_is_not_taken(void **state)
{
	struct world *w = *state;

	begin(w);
	has(w, 6, 5, 0);
	poll(w);
	assert_holds(w, 7);
	has(w, 7, 6, 0);
	poll(w);
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
	/* The doubt is forgotten: another one begins anew. */
	w->us += AGENT_CACHE_DOUBT_US;
	has(w, 6, 5, 0);
	poll(w);
	assert_holds(w, 7);
}

/* After a restore of the database the store points CURRENT back. */
static void a_current_that_went_back_is_taken_when_ours_is_known(void **state)
{
	struct world *w = *state;

	begin(w);
	has(w, 5, 7, 0);
	poll(w);
	assert_holds(w, 5);
	has(w, 4, 3, 0);
	also_in_the_ring(w, 5);
	poll(w);
	assert_holds(w, 4);
}

static void what_has_left_the_ring_is_superseded(void **state)
{
	struct world *w = *state;

	begin(w);
	has(w, 90, 89, 0);
	poll(w);
	assert_holds(w, 90);
	assert_string_equal(w->secret->previous.id, id_of(89));
}

/* The store itself came back from a backup. */
static void an_older_view_that_stays_is_believed_in_the_end(void **state)
{
	struct world *w = *state;
	int64_t until;

	begin(w);
	has(w, 6, 5, 0);
	poll(w);
	until = w->us + AGENT_CACHE_DOUBT_US;
	while (w->us + 80 * NOW_SECOND < until) {
		poll(w);
		assert_holds(w, 7);
	}
	poll(w);
	poll(w);
	assert_holds(w, 6);
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
}

static void an_older_view_that_changes_is_doubted_anew(void **state)
{
	struct world *w = *state;

	begin(w);
	for (int i = 0; i < 8; i++) {
		has(w, 6 - i % 2, 3, 0);
		poll(w);
		assert_holds(w, 7);
	}
}

static void the_rotators_word_ends_the_doubt(void **state)
{
	struct world *w = *state;

	begin(w);
	has(w, 6, 5, 0);
	agent_cache_push(w->cache, w->secret, id_of(6));
	answer(w);
	assert_holds(w, 6);
}

/* The announced one has been superseded: its announcement says no more. */
static void an_announcement_ends_with_the_next_answer(void **state)
{
	struct world *w = *state;

	begin(w);
	agent_cache_push(w->cache, w->secret, id_of(8));
	has(w, 9, 8, 0);
	answer(w);
	assert_holds(w, 9);
	has(w, 8, 7, 0); /* a replica that lags */
	poll(w);
	assert_holds(w, 9);
	assert_int_equal(look(w), AGENT_CACHE_STALE);
}

/* An answer to a question from before it does not end it. */
static void an_announcement_outlives_the_query_under_way(void **state)
{
	struct world *w = *state;
	struct agent_cache_ask *early;

	begin(w);
	pass(w, REFRESH * 2);
	early = w->sent;
	w->sent = NULL;
	agent_cache_ask_run(early, &w->store);
	agent_cache_push(w->cache, w->secret, id_of(6));
	agent_cache_answer(w->cache, early);
	assert_holds(w, 7);
	has(w, 6, 5, 0);
	answer(w);
	assert_holds(w, 6);
}

static void an_announced_view_from_before_ours_is_not_believed(void **state)
{
	struct world *w = *state;

	begin(w);
	agent_cache_push(w->cache, w->secret, id_of(6));
	has(w, 6, 5, 7);
	answer(w);
	assert_holds(w, 7);
	assert_int_equal(look(w), AGENT_CACHE_STALE);
}

static void a_push_of_what_the_store_does_not_say_changes_nothing(void **state)
{
	struct world *w = *state;

	begin(w);
	agent_cache_push(w->cache, w->secret, id_of(9));
	answer(w);
	assert_holds(w, 7);
}

static void a_current_that_is_gone_is_doubted_and_then_dropped(void **state)
{
	struct world *w = *state;

	begin(w);
	has(w, 0, 0, 0);
	poll(w);
	assert_holds(w, 7);
	poll(w);
	poll(w);
	assert_int_equal(look(w), AGENT_CACHE_NOTHING);
	assert_null(w->secret->password);
	assert_non_null(strstr(w->secret->why.text, "no current version"));
}

static void current_since_is_when_the_store_last_said_otherwise(void **state)
{
	struct world *w = *state;
	int64_t checked;

	begin(w);
	assert_int_equal(w->secret->since_us, EPOCH + 7 * NOW_SECOND);
	poll(w);
	checked = wall(w);
	/* Staged long ago and promoted now. */
	has(w, 8, 7, 0);
	poll(w);
	assert_int_equal(w->secret->since_us, checked);
	/* Made after the last look: not before that. */
	has(w, 0, 8, 0);
	w->us += 1000 * NOW_SECOND;
	has(w, (int)(w->us / NOW_SECOND), 8, 0);
	agent_cache_push(w->cache, w->secret, "");
	answer(w);
	assert_int_equal(w->secret->since_us,
			 wall(w) / NOW_SECOND * NOW_SECOND);
}

static void what_is_only_checked_is_not_held_in_clear(void **state)
{
	struct world *w = *state;
	unsigned char mac[DIGEST_SIZE];

	want(w, false, false);
	pass(w, 0);
	answer(w);
	assert_null(w->secret->password);
	agent_cache_digest(w->cache, "password-7", 10, mac);
	assert_memory_equal(w->secret->current.mac, mac, sizeof(mac));
	assert_int_equal(w->fetches, 1);
	/* When somebody may read it, it is fetched. */
	want(w, true, false);
	assert_true(agent_cache_lacks(w->secret));
	pass(w, 0);
	answer(w);
	assert_false(agent_cache_lacks(w->secret));
	assert_holds(w, 7);
	/* And the other way round it is forgotten. */
	want(w, false, false);
	assert_null(w->secret->password);
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
}

/* Nor does an older view get in while the content is not there. */
static void first_readers_in_an_outage_take_nothing_from_others(void **state)
{
	struct world *w = *state;
	unsigned char mac[DIGEST_SIZE];

	want(w, false, false);
	pass(w, 0);
	answer(w);
	agent_cache_digest(w->cache, "password-7", 10, mac);
	w->away = STATUS_STORE_UNAVAILABLE;
	want(w, true, false);
	pass(w, 0);
	answer(w);
	assert_int_equal(look(w), AGENT_CACHE_STALE);
	assert_string_equal(w->secret->current.id, id_of(7));
	assert_true(w->secret->current.has_mac);
	assert_memory_equal(w->secret->current.mac, mac, sizeof(mac));
	w->away = STATUS_OK;
	has(w, 6, 5, 7);
	poll(w);
	assert_string_equal(w->secret->current.id, id_of(7));
	assert_null(w->secret->password);
	has(w, 7, 6, 0);
	poll(w);
	assert_holds(w, 7);
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
	/* It was no rotation. */
	assert_int_equal(w->secret->since_us, EPOCH + 7 * NOW_SECOND);
}

/* A query that was sent before the wish does not fulfil it. */
static void a_wish_during_a_query_is_another_query(void **state)
{
	struct world *w = *state;

	want(w, false, false);
	pass(w, 0);
	answer(w);
	pass(w, REFRESH * 2);
	assert_non_null(w->sent);
	want(w, true, false);
	answer(w);
	assert_holds(w, 7);
}

static void a_secret_that_is_not_wanted_is_dropped(void **state)
{
	struct world *w = *state;
	struct agent_cache_ask *late;

	begin(w);
	pass(w, REFRESH * 2);
	late = w->sent;
	w->sent = NULL;
	agent_cache_want_begin(w->cache);
	agent_cache_want_end(w->cache);
	assert_null(agent_cache_first(w->cache));
	/* Its query comes back to nobody, even when the name is wanted again. */
	want(w, true, true);
	agent_cache_ask_run(late, &w->store);
	agent_cache_answer(w->cache, late);
	assert_int_equal(look(w), AGENT_CACHE_COMING);
}

static void a_cancelled_query_is_sent_again(void **state)
{
	struct world *w = *state;
	struct agent_cache_ask *e;

	pass(w, 0);
	e = w->sent;
	w->sent = NULL;
	e->cancelled = true;
	agent_cache_answer(w->cache, e);
	assert_non_null(w->sent);
	answer(w);
	assert_holds(w, 7);
}

static void what_was_kept_is_stale_until_the_store_answers(void **state)
{
	struct world *w = *state;
	struct agent_secret kept = { .name = "sap", .store = "local" };

	text_copy(kept.current.id, sizeof(kept.current.id), id_of(7));
	kept.current.has_mac = true;
	kept.checked_us = boot(w) - 10 * NOW_SECOND;
	assert_false(agent_cache_restore(w->cache, &kept)); /* no password */
	assert_int_equal(secret_new(16, &kept.password), STATUS_OK);
	secret_set(kept.password, "password-7", 10);
	assert_true(agent_cache_restore(w->cache, &kept));
	assert_null(kept.password);
	assert_int_equal(look(w), AGENT_CACHE_STALE);
	w->away = STATUS_STORE_UNAVAILABLE;
	pass(w, 0);
	answer(w);
	assert_int_equal(look(w), AGENT_CACHE_STALE);
	assert_holds(w, 7);
	w->away = STATUS_OK;
	poll(w);
	assert_int_equal(look(w), AGENT_CACHE_FRESH);
}

static void what_is_not_wanted_or_from_the_future_is_not_restored(void **state)
{
	struct world *w = *state;
	struct agent_secret kept = { .name = "other", .store = "local" };

	text_copy(kept.current.id, sizeof(kept.current.id), id_of(7));
	kept.current.has_mac = true;
	kept.checked_us = boot(w);
	assert_int_equal(secret_new(16, &kept.password), STATUS_OK);
	assert_false(agent_cache_restore(w->cache, &kept));
	text_copy(kept.name, sizeof(kept.name), "sap");
	kept.checked_us = boot(w) + 1;
	assert_false(agent_cache_restore(w->cache, &kept));
	secret_free(kept.password);
}

static void content_with_a_control_character_is_not_taken(void **state)
{
	struct world *w = *state;
	struct agent_cache_ask *e;

	begin(w);
	has(w, 8, 7, 0);
	pass(w, REFRESH * 2);
	e = w->sent;
	w->sent = NULL;
	agent_cache_ask_run(e, &w->store);
	secret_set(e->current.password, "a\nb", 3);
	e->status = STATUS_CORRUPT; /* as the next test shows */
	agent_cache_answer(w->cache, e);
	assert_holds(w, 7);
	assert_int_equal(look(w), AGENT_CACHE_STALE);
}

static enum status fetch_newline(struct store *s, const char *name,
				 const char *id, struct store_entry *ret,
				 struct reason *why)
{
	enum status st = fetch(s, name, id, ret, why);

	secret_set(ret->password, "pass\nword", 9);
	return st;
}

static enum status fetch_host(struct store *s, const char *name, const char *id,
			      struct store_entry *ret, struct reason *why)
{
	enum status st = fetch(s, name, id, ret, why);

	text_copy(ret->host, sizeof(ret->host), "db\x1b[2J");
	return st;
}

static void a_query_refuses_control_characters(void **state)
{
	struct world *w = *state;
	static struct store_ops bad;
	enum status (*const fetches[])(struct store *, const char *,
				       const char *, struct store_entry *,
				       struct reason *) = { fetch_newline,
							    fetch_host };

	bad = ops;
	w->store.ops = &bad;
	for (int i = 0; i < 2; i++) {
		bad.fetch = fetches[i];
		pass(w, 61 * NOW_SECOND);
		answer(w);
		assert_int_equal(look(w), AGENT_CACHE_NOTHING);
		assert_non_null(strstr(w->secret->why.text, "control"));
		assert_null(strstr(w->secret->why.text, "word"));
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_answer_is_held),
		TEST(what_was_held_while_we_stood_still_is_asked_about),
		TEST(what_is_held_is_not_fetched_again),
		TEST(a_rotation_is_taken_over),
		TEST(a_shorter_interval_counts_at_once),
		TEST(a_longer_interval_puts_nothing_off),
		TEST(the_store_is_asked_once_at_a_time),
		TEST(a_value_that_the_wire_does_not_carry_is_not_taken),
		TEST(clients_cause_one_query_a_second),
		TEST(clients_do_not_shorten_the_back_off),
		TEST(who_waits_has_the_store_asked_in_time_and_not_at_once),
		TEST(an_outage_makes_it_stale_and_then_ends_it),
		TEST(a_store_that_hangs_makes_it_stale_as_well),
		TEST(retries_back_off_to_a_minute),
		TEST(polls_are_spread),
		TEST(a_view_from_before_the_promotion_is_not_taken),
		TEST(a_view_that_does_not_know_ours_is_not_taken),
		TEST(a_current_that_went_back_is_taken_when_ours_is_known),
		TEST(what_has_left_the_ring_is_superseded),
		TEST(an_older_view_that_stays_is_believed_in_the_end),
		TEST(an_older_view_that_changes_is_doubted_anew),
		TEST(the_rotators_word_ends_the_doubt),
		TEST(an_announcement_ends_with_the_next_answer),
		TEST(an_announcement_outlives_the_query_under_way),
		TEST(an_announced_view_from_before_ours_is_not_believed),
		TEST(a_push_of_what_the_store_does_not_say_changes_nothing),
		TEST(a_current_that_is_gone_is_doubted_and_then_dropped),
		TEST(current_since_is_when_the_store_last_said_otherwise),
		TEST(what_is_only_checked_is_not_held_in_clear),
		TEST(first_readers_in_an_outage_take_nothing_from_others),
		TEST(a_wish_during_a_query_is_another_query),
		TEST(a_secret_that_is_not_wanted_is_dropped),
		TEST(a_cancelled_query_is_sent_again),
		TEST(what_was_kept_is_stale_until_the_store_answers),
		TEST(what_is_not_wanted_or_from_the_future_is_not_restored),
		TEST(content_with_a_control_character_is_not_taken),
		TEST(a_query_refuses_control_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
