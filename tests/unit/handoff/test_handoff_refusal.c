/* SPDX-License-Identifier: PostgreSQL */
/* Wrong passwords by address: what an address is, and how many are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "handoff/handoff_refusal.h"

/* ---- a ledger that remembers facts, and nothing else ---------------------- */

static char facts[64][2][LEDGER_TEXT_SIZE];
static size_t n_facts;

static size_t find(const char *key)
{
	size_t i = 0;

	while (i < n_facts && strcmp(facts[i][0], key) != 0)
		i++;
	return i;
}

static enum status remember(struct ledger *l, const char *key,
			    const char *value, int64_t until_us,
			    struct reason *why)
{
	size_t i = find(key);

	(void)l, (void)until_us, (void)why;
	assert_true(i < sizeof(facts) / sizeof(*facts));
	text_copy(facts[i][0], LEDGER_TEXT_SIZE, key);
	text_copy(facts[i][1], LEDGER_TEXT_SIZE, value);
	n_facts += i == n_facts;
	return STATUS_OK;
}

static enum status recall(struct ledger *l, const char *key, int64_t now_us,
			  char ret_value[LEDGER_TEXT_SIZE], struct reason *why)
{
	size_t i = find(key);

	(void)l, (void)now_us, (void)why;
	return i == n_facts ?
		       STATUS_NOT_FOUND :
		       text_copy(ret_value, LEDGER_TEXT_SIZE, facts[i][1]);
}

static const struct ledger_fact_ops fact_ops = { .remember = remember,
						 .recall = recall };
static const struct ledger_ops ops = { .facts = &fact_ops };
static struct ledger ledger = { &ops };

static struct handoff begun(const char *consumers)
{
	struct handoff h = { .role = "sap",
			     .manual = true,
			     .consumers = consumers,
			     .version =
				     "11111111-1111-4111-8111-111111111111" };

	h.marks[HANDOFF_STATE_PREPARED].at_us = 1000;
	return h;
}

static struct handoff again(const struct handoff *h)
{
	struct handoff fresh = *h;

	memset(fresh.refusals, 0, sizeof(fresh.refusals)); /* not secret */
	assert_int_equal(handoff_refusal_load(&ledger, &fresh, 5000, NULL),
			 STATUS_OK);
	return fresh;
}

static void add(struct handoff *h, const char *address, int64_t count,
		int64_t at_us, bool total)
{
	struct handoff_refusal r = { .source = "log",
				     .count = count,
				     .first_us = at_us,
				     .last_us = at_us };

	text_copy(r.address, sizeof(r.address), address);
	assert_int_equal(handoff_refusal_add(&ledger, h, &r, total, NULL),
			 STATUS_OK);
}

/* ---- what is asked of it ----------------------------------------------------- */

static void an_address_has_one_form(void **state)
{
	static const char *const good[][2] = {
		{ "203.0.113.7", "203.0.113.7" },
		{ "2001:DB8:0:0::7", "2001:db8::7" },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.1" },
		{ "local", "local" },
		{ "[local]", "local" },
	};
	static const char *const bad[] = {
		"",
		"203.0.113",
		"203.0.113.07x",
		"203.0.113.7:5432",
		"fe80::1%lo",
		"[2001:db8::7]",
		"db.example.com",
		" ::1",
		"::1 ",
		"203.0.113.7\n",
		"-",
	};
	char ret[HANDOFF_REFUSAL_ADDRESS_SIZE];
	struct reason why;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		assert_int_equal(handoff_refusal_address(good[i][0], ret, &why),
				 STATUS_OK);
		assert_string_equal(ret, good[i][1]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (handoff_refusal_address(bad[i], ret, &why) != STATUS_USAGE)
			fail_msg("%s was taken", bad[i]);
}

static void what_is_told_in_total_counts_once(void **state)
{
	struct handoff h = begun("");

	(void)state;
	n_facts = 0;
	add(&h, "203.0.113.7", 2, 2000, false);
	add(&h, "203.0.113.7", 3, 1500, false);
	h = again(&h);
	assert_int_equal(h.refusals[0].count, 5);
	assert_int_equal(h.refusals[0].first_us, 1500);
	assert_int_equal(h.refusals[0].last_us, 2000);
	add(&h, "203.0.113.7", 4, 2000, true);
	add(&h, "203.0.113.7", 7, 2000, true);
	assert_int_equal(again(&h).refusals[0].count, 7);
	/* What came before is none of this hand-off's. */
	add(&h, "203.0.113.8", 1, 999, false);
	assert_int_equal(n_facts, 1);
}

static void what_a_client_calls_itself_is_no_line_of_the_ledger(void **state)
{
	struct handoff h = begun("");

	(void)state;
	n_facts = 0;
	add(&h, "a b\nc", 1, 2000, true);
	add(&h, "db-1.example.com", 1, 2000, true);
	h = again(&h);
	assert_string_equal(h.refusals[0].address, "db-1.example.com");
	assert_string_equal(h.refusals[HANDOFF_REFUSALS - 1].address,
			    "further");
}

static void others_have_places_of_their_own(void **state)
{
	struct handoff h = begun("host:203.0.113.0/24,app:etl user:x");
	char address[32];
	int64_t count = 0;

	(void)state;
	n_facts = 0;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(address, sizeof(address), "198.51.100.%u", i);
		add(&h, address, 1, 2000, false);
	}
	for (unsigned i = 0; i < 8; i++) {
		snprintf(address, sizeof(address), "203.0.113.%u", i);
		add(&h, address, 1, 2000, false);
	}
	h = again(&h);
	for (size_t i = 0; i < HANDOFF_REFUSALS; i++) {
		count += h.refusals[i].count;
		assert_int_equal(h.refusals[i].host,
				 i < 8	? HANDOFF_HOST_PARTNER :
				 i < 15 ? HANDOFF_HOST_OTHER :
					  HANDOFF_HOST_UNKNOWN);
	}
	assert_int_equal(count, 208);
	assert_int_equal(n_facts, HANDOFF_REFUSALS);
	/* And begin anew with what the partner fetches. */
	h.marks[HANDOFF_STATE_FETCHED].at_us = 3000;
	h = again(&h);
	assert_string_equal(h.refusals[0].address, "");
	add(&h, "203.0.113.9", 1, 3500, false);
	assert_int_equal(again(&h).refusals[0].count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_one_form),
		cmocka_unit_test(what_is_told_in_total_counts_once),
		cmocka_unit_test(
			what_a_client_calls_itself_is_no_line_of_the_ledger),
		cmocka_unit_test(others_have_places_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
