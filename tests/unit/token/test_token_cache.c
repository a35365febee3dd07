/* SPDX-License-Identifier: PostgreSQL */
/* The cache in front of a token source, with a clock and a source that the
 * test moves. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "token/token.h"

#define S      NOW_SECOND
#define MINUTE (60 * S)
#define BEGIN  (INT64_C(1790000000) * S)

struct world {
	struct token_source source; /* first: the cache's view */
	_Atomic int64_t wall, boot;
	int64_t life; /* of what is minted next */
	enum status fails;
	_Atomic int minted;
	_Atomic int working, most_working;
	bool same; /* mint gives one token under ever new ids */
	bool slow; /* mint waits for `release` */
	bool closed;
	_Atomic bool release;
	struct now now;
	struct random random;
	struct token_cache *cache;
};

static int64_t wall_us(void *self)
{
	return ((struct world *)self)->wall;
}

static int64_t boot_us(void *self)
{
	return ((struct world *)self)->boot;
}

static void sleep_us(void *self, int64_t us)
{
	(void)self;
	(void)us;
}

static enum status bytes(void *self, void *p, size_t n)
{
	static unsigned char next;

	(void)self;
	for (size_t i = 0; i < n; i++)
		((unsigned char *)p)[i] = next++;
	return STATUS_OK;
}

static enum status mint(struct token_source *s, struct token *ret,
			struct reason *why)
{
	struct world *w = (struct world *)s;
	char text[32];
	int working = ++w->working;

	if (working > w->most_working)
		w->most_working = working;
	while (w->slow && !w->release)
		;
	w->working--;
	w->minted++;
	if (w->fails != STATUS_OK)
		return reason_set(why, w->fails, "the source says no");
	*ret = (struct token){ .issued_us = w->wall,
			       .expires_us = w->wall + w->life };
	snprintf(text, sizeof(text), "token-%d", w->same ? 1 : w->minted);
	assert_int_equal(secret_new(32, &ret->secret), STATUS_OK);
	return secret_set(ret->secret, text, strlen(text));
}

static void close_source(struct token_source *s)
{
	((struct world *)s)->closed = true;
}

static const struct token_source_ops ops = { .type = "fake",
					     .mint = mint,
					     .close = close_source };

static int begin(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	w->source = (struct token_source){ &ops, "lake" };
	w->wall = BEGIN;
	w->boot = 0;
	w->life = 60 * MINUTE;
	w->now = (struct now){ wall_us, boot_us, sleep_us, w };
	w->random = (struct random){ bytes, NULL };
	*state = w;
	return token_cache_new(&w->source, &w->now, &w->random, &w->cache,
			       NULL) == STATUS_OK ?
		       0 :
		       -1;
}

static int end(void **state)
{
	struct world *w = *state;

	token_cache_free(w->cache);
	if (!w->closed)
		return -1;
	free(w);
	return 0;
}

static void pass(struct world *w, int64_t us)
{
	w->wall += us;
	w->boot += us;
}

/* Which token is given for a life, and with how much left; 0 for none. */
static int given(struct world *w, int64_t life)
{
	struct token t = { .secret = NULL };
	struct reason why = { "" };
	int n = 0;

	if (token_cache_get(w->cache, life, &t, &why) != STATUS_OK)
		return 0;
	assert_true(t.expires_us - w->wall >= life);
	assert_int_equal(sscanf(secret_bytes(t.secret), "token-%d", &n), 1);
	token_free(&t);
	return n;
}

static void a_life_that_no_token_has_is_not_believed(void **state)
{
	struct world *w = *state;
	struct token t = { .secret = NULL };
	struct reason why = { "" };

	w->life = 32 * 24 * 3600 * NOW_SECOND;
	assert_int_equal(token_cache_get(w->cache, 0, &t, &why),
			 STATUS_CORRUPT);
	assert_non_null(strstr(why.text, "32 days"));
}

static void one_token_serves_while_it_has_life(void **state)
{
	struct world *w = *state;

	assert_int_equal(given(w, 10 * MINUTE), 1);
	pass(w, 39 * MINUTE);
	assert_int_equal(given(w, 10 * MINUTE), 1);
	assert_int_equal(w->minted, 1);
}

static void twenty_minutes_before_its_end_it_is_refreshed(void **state)
{
	struct world *w = *state;

	given(w, 0);
	pass(w, 40 * MINUTE - S);
	assert_int_equal(given(w, 0), 1);
	pass(w, S);
	assert_int_equal(given(w, 0), 2);
}

static void half_of_a_short_life_is_the_margin(void **state)
{
	struct world *w = *state;

	w->life = 10 * MINUTE;
	given(w, 0);
	pass(w, 5 * MINUTE - S);
	assert_int_equal(given(w, 0), 1);
	pass(w, S);
	assert_int_equal(given(w, 0), 2);
}

static void none_has_less_life_than_asked_for(void **state)
{
	struct world *w = *state;

	given(w, 0);
	pass(w, 20 * MINUTE);
	assert_int_equal(given(w, 40 * MINUTE), 1);
	assert_int_equal(given(w, 40 * MINUTE + 1), 2);
}

static void a_failed_refresh_is_no_failure_while_life_is_left(void **state)
{
	struct world *w = *state;

	given(w, 0);
	pass(w, 45 * MINUTE);
	w->fails = STATUS_STORE_UNAVAILABLE;
	assert_int_equal(given(w, 10 * MINUTE), 1);
	assert_int_equal(w->minted, 2);
	/* And the source has a minute of peace. */
	pass(w, MINUTE - S);
	assert_int_equal(given(w, 10 * MINUTE), 1);
	assert_int_equal(w->minted, 2);
	pass(w, S);
	assert_int_equal(given(w, 10 * MINUTE), 1);
	assert_int_equal(w->minted, 3);
	/* But not with less life than was asked for. */
	pass(w, 4 * MINUTE + S);
	assert_int_equal(given(w, 10 * MINUTE), 0);
	w->fails = STATUS_OK;
	pass(w, MINUTE);
	assert_int_equal(given(w, 10 * MINUTE), 5);
}

static void a_failure_is_told_and_the_source_is_not_hammered(void **state)
{
	struct world *w = *state;
	struct token t = { .secret = NULL };
	struct reason why = { "" };

	w->fails = STATUS_DENIED;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(token_cache_get(w->cache, 0, &t, &why),
				 STATUS_DENIED);
		assert_string_equal(why.text, "the source says no");
	}
	assert_int_equal(w->minted, 1);
	pass(w, S);
	assert_int_equal(given(w, 0), 0);
	assert_int_equal(w->minted, 2);
	/* Twice as long each time, a minute at most. */
	for (int i = 0; i < 600; i++) {
		pass(w, S);
		given(w, 0);
	}
	assert_in_range(w->minted, 10, 18);
	w->fails = STATUS_OK;
	pass(w, MINUTE);
	assert_true(given(w, 0) > 0);
}

static void a_life_that_the_source_never_gives_is_refused(void **state)
{
	struct world *w = *state;
	struct token t = { .secret = NULL };
	struct reason why = { "" };

	w->life = 15 * MINUTE;
	for (int i = 0; i < 10; i++)
		assert_int_equal(token_cache_get(w->cache, 20 * MINUTE, &t,
						 &why),
				 STATUS_REFUSED);
	assert_string_equal(why.text, "[token lake]: its tokens live 15m, and "
				      "20m was asked for");
	/* What it did give serves who asks for less. */
	assert_int_equal(given(w, 10 * MINUTE), 1);
	assert_int_equal(w->minted, 1);
}

static void a_token_that_is_over_already_is_no_token(void **state)
{
	struct world *w = *state;
	struct token t = { .secret = NULL };
	struct reason why = { "" };

	w->life = 0;
	assert_int_equal(token_cache_get(w->cache, 0, &t, &why),
			 STATUS_CORRUPT);
	assert_null(t.secret);
}

static void a_clock_that_is_set_back_gives_no_life(void **state)
{
	struct world *w = *state;

	given(w, 0);
	pass(w, 50 * MINUTE);
	w->wall -= 50 * MINUTE; /* by hand, or by a time server */
	assert_int_equal(given(w, 20 * MINUTE), 2);
	w->wall += 120 * MINUTE;
	assert_int_equal(given(w, 20 * MINUTE), 3);
}

static void a_refused_token_is_not_given_again(void **state)
{
	struct world *w = *state;
	struct token t = { .secret = NULL };

	assert_int_equal(token_cache_get(w->cache, 0, &t, NULL), STATUS_OK);
	token_cache_refuse(w->cache, "another");
	assert_int_equal(given(w, 0), 1);
	token_cache_refuse(w->cache, t.id);
	assert_int_equal(given(w, 0), 2);
	/* Late news of the old one does no harm. */
	token_cache_refuse(w->cache, t.id);
	assert_int_equal(given(w, 0), 2);
	token_free(&t);
}

static void a_refused_token_is_not_given_under_a_new_id(void **state)
{
	struct world *w = *state;
	struct token t = { .secret = NULL };
	struct reason why = { "" };

	w->same = true;
	assert_int_equal(token_cache_get(w->cache, 0, &t, NULL), STATUS_OK);
	token_cache_refuse(w->cache, t.id);
	token_free(&t);
	for (int i = 0; i < 100; i++)
		assert_int_equal(token_cache_get(w->cache, 0, &t, &why),
				 STATUS_DENIED);
	assert_non_null(strstr(why.text, "just refused"));
	assert_null(t.secret);
	/* The source is not hammered, and not given up. */
	assert_int_equal(w->minted, 2);
	pass(w, S);
	assert_int_equal(given(w, 0), 0);
	assert_int_equal(w->minted, 3);
	/* Another one is taken at once. */
	w->same = false;
	pass(w, 2 * S);
	assert_int_equal(given(w, 0), 4);
}

static void a_refused_token_may_be_tried_again_later(void **state)
{
	struct world *w = *state;
	struct token t = { .secret = NULL };

	w->same = true;
	assert_int_equal(token_cache_get(w->cache, 0, &t, NULL), STATUS_OK);
	token_cache_refuse(w->cache, t.id);
	token_free(&t);
	pass(w, 5 * MINUTE - S);
	assert_int_equal(given(w, 0), 0);
	pass(w, S);
	assert_int_equal(given(w, 0), 1);
}

static void every_token_has_an_id_of_its_own(void **state)
{
	struct world *w = *state;
	struct token a = { .secret = NULL }, b = { .secret = NULL };

	assert_int_equal(token_cache_get(w->cache, 0, &a, NULL), STATUS_OK);
	pass(w, 50 * MINUTE);
	assert_int_equal(token_cache_get(w->cache, 0, &b, NULL), STATUS_OK);
	assert_int_equal(strlen(a.id), 36);
	assert_string_not_equal(a.id, b.id);
	token_free(&a);
	token_free(&b);
}

static void *get_one(void *arg)
{
	return (void *)(intptr_t)given(arg, 10 * MINUTE);
}

static void many_askers_are_one_refresh(void **state)
{
	struct world *w = *state;
	pthread_t threads[32];
	void *got;

	w->slow = true;
	for (int i = 0; i < 32; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_one, w),
				 0);
	while (w->working == 0)
		;
	w->release = true;
	for (int i = 0; i < 32; i++) {
		pthread_join(threads[i], &got);
		assert_int_equal((intptr_t)got, 1);
	}
	assert_int_equal(w->minted, 1);
	assert_int_equal(w->most_working, 1);
}

static void who_has_life_enough_does_not_wait_for_a_refresh(void **state)
{
	struct world *w = *state;
	pthread_t thread;
	void *got;

	given(w, 0);
	pass(w, 45 * MINUTE);
	w->slow = true;
	assert_int_equal(pthread_create(&thread, NULL, get_one, w), 0);
	while (w->working == 0)
		;
	assert_int_equal(given(w, 10 * MINUTE), 1);
	w->release = true;
	pthread_join(thread, &got);
	assert_int_equal((intptr_t)got, 2);
}

static void many_askers_share_one_failure(void **state)
{
	struct world *w = *state;
	pthread_t threads[16];
	void *got;

	w->slow = true;
	w->fails = STATUS_STORE_UNAVAILABLE;
	for (int i = 0; i < 16; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, get_one, w),
				 0);
	while (w->working == 0)
		;
	w->release = true;
	for (int i = 0; i < 16; i++) {
		pthread_join(threads[i], &got);
		assert_int_equal((intptr_t)got, 0);
	}
	assert_int_equal(w->minted, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_token_serves_while_it_has_life),
		TEST(a_life_that_no_token_has_is_not_believed),
		TEST(twenty_minutes_before_its_end_it_is_refreshed),
		TEST(half_of_a_short_life_is_the_margin),
		TEST(none_has_less_life_than_asked_for),
		TEST(a_failed_refresh_is_no_failure_while_life_is_left),
		TEST(a_failure_is_told_and_the_source_is_not_hammered),
		TEST(a_life_that_the_source_never_gives_is_refused),
		TEST(a_token_that_is_over_already_is_no_token),
		TEST(a_clock_that_is_set_back_gives_no_life),
		TEST(a_refused_token_is_not_given_again),
		TEST(a_refused_token_is_not_given_under_a_new_id),
		TEST(a_refused_token_may_be_tried_again_later),
		TEST(every_token_has_an_id_of_its_own),
		TEST(many_askers_are_one_refresh),
		TEST(who_has_life_enough_does_not_wait_for_a_refresh),
		TEST(many_askers_share_one_failure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
