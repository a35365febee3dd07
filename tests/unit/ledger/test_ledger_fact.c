/* SPDX-License-Identifier: PostgreSQL */
/* ledger_fact and what is written as text into a ledger: the keys are those of
 * the ledgers that there are, and what is written is read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/text.h"
#include "jobs/heard.h"
#include "jobs/hook_state.h"

/* A ledger that remembers one fact. */
struct memory {
	struct ledger ledger;
	char key[LEDGER_FACT_SIZE], value[LEDGER_TEXT_SIZE];
	int64_t until_us;
};

static enum status keep_fact(struct ledger *l, const char *key,
			     const char *value, int64_t until_us,
			     struct reason *why)
{
	struct memory *m = (struct memory *)l;

	(void)why;
	text_copy(m->key, sizeof m->key, key);
	text_copy(m->value, sizeof m->value, value);
	m->until_us = until_us;
	return STATUS_OK;
}

static enum status find_fact(struct ledger *l, const char *key, int64_t now_us,
			     char ret_value[LEDGER_TEXT_SIZE],
			     struct reason *why)
{
	struct memory *m = (struct memory *)l;

	(void)now_us, (void)why;
	if (strcmp(m->key, key) != 0)
		return STATUS_NOT_FOUND;
	text_copy(ret_value, LEDGER_TEXT_SIZE, m->value);
	return STATUS_OK;
}

static const struct ledger_fact_ops facts = { .remember = keep_fact,
					      .recall = find_fact };
static const struct ledger_ops ops = { .type = "memory", .facts = &facts };

static void keys_are_those_of_the_ledgers_that_there_are(void **state)
{
	static const struct {
		enum ledger_fact fact;
		const char *name, *key;
	} known[] = {
		{ LEDGER_FACT_HOOK, "pager", "hook.pager" },
		{ LEDGER_FACT_ASKED, "sap", "asked.sap" },
		{ LEDGER_FACT_ALARM, "app", "alarm.app" },
		{ LEDGER_FACT_EXPIRES, "sap", "expires:sap" },
		{ LEDGER_FACT_LOGIN, "main:sap", "login:main:sap" },
		{ LEDGER_FACT_PLAIN, "main:host=x",
		  "password_send:main:host=x" },
		{ LEDGER_FACT_ENDED, "sap", "ended:sap" },
		{ LEDGER_FACT_HEARD, "gw:0", "heard:gw:0" },
		{ LEDGER_FACT_GRACE, "sap", "grace.sap" },
		{ LEDGER_FACT_CHECK, "", "check" },
	};
	char key[LEDGER_FACT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		ledger_fact(known[i].fact, known[i].name, key);
		assert_string_equal(key, known[i].key);
	}
}

static void a_fact_lives_for_what_the_table_says(void **state)
{
	struct memory m = { .ledger = { &ops } };
	char value[LEDGER_TEXT_SIZE];

	(void)state;
	assert_int_equal(ledger_fact_remember(&m.ledger, LEDGER_FACT_ALARM,
					      "app", "raised", 5, NULL),
			 STATUS_OK);
	assert_int_equal(m.until_us, 5 + INT64_C(86400000000));
	assert_int_equal(ledger_fact_recall(&m.ledger, LEDGER_FACT_ALARM, "app",
					    6, value, NULL),
			 STATUS_OK);
	assert_string_equal(value, "raised");
	assert_int_equal(ledger_fact_remember(&m.ledger, LEDGER_FACT_EXPIRES,
					      "sap", "0", 5, NULL),
			 STATUS_OK);
	assert_true(m.until_us == LEDGER_FOREVER);
	assert_int_equal(ledger_fact_drop(&m.ledger, LEDGER_FACT_ALARM, "app",
					  NULL),
			 STATUS_OK);
	assert_int_equal(m.until_us, 0);
}

static void steps_are_read_back(void **state)
{
	struct text t = text_make(LEDGER_TEXT_SIZE - 1);
	char name[LEDGER_STEP_SIZE];
	const char *p;
	int64_t us = 0;

	(void)state;
	ledger_steps_add(&t, "claim", 12);
	ledger_steps_add(&t, "stage", INT64_C(34000000000));
	assert_string_equal(text_str(&t), "claim=12 stage=34000000000");
	p = text_str(&t);
	assert_true(ledger_steps_next(&p, name, &us));
	assert_string_equal(name, "claim");
	assert_int_equal(us, 12);
	assert_true(ledger_steps_next(&p, name, &us));
	assert_string_equal(name, "stage");
	assert_true(us == INT64_C(34000000000));
	assert_false(ledger_steps_next(&p, name, &us));
	text_free(&t);
	for (size_t i = 0; i < 4; i++) {
		p = ((const char *[]){ "", "claim", "claim=", "=5" })[i];
		assert_false(ledger_steps_next(&p, name, &us));
	}
}

static void the_state_of_a_hook_is_read_back(void **state)
{
	struct memory m = { .ledger = { &ops } };
	struct hook_state s = { .hook = "pager",
				.seq = 70,
				.attempts = 3,
				.since_us = INT64_C(1796021907936187),
				.lost = 4,
				.sentence = "it said: 5 6 7" };
	struct hook_state got;

	(void)state;
	assert_int_equal(hook_state_load(&m.ledger, "pager", &got, NULL),
			 STATUS_OK);
	assert_int_equal(got.seq, -1);
	assert_int_equal(hook_state_store(&m.ledger, &s, NULL), STATUS_OK);
	assert_string_equal(m.value, "70 3 1796021907936187 4 it said: 5 6 7");
	assert_int_equal(hook_state_load(&m.ledger, "pager", &got, NULL),
			 STATUS_OK);
	assert_int_equal(got.seq, 70);
	assert_int_equal(got.attempts, 3);
	assert_true(got.since_us == s.since_us);
	assert_int_equal(got.lost, 4);
	assert_string_equal(got.sentence, s.sentence);
	s.sentence[0] = '\0';
	assert_int_equal(hook_state_store(&m.ledger, &s, NULL), STATUS_OK);
	assert_int_equal(hook_state_load(&m.ledger, "pager", &got, NULL),
			 STATUS_OK);
	assert_string_equal(got.sentence, "");
}

/* At `now` the agent of gw1 says that it counts since so long. */
static void hear(struct memory *m, const char *gateway, int64_t now,
		 int64_t since_ago)
{
	const struct cluster_heard h = { .gateway = gateway,
					 .answered = since_ago >= 0,
					 .since_ago_us = since_ago,
					 .why = since_ago >= 0 ? "" : "away" };

	assert_int_equal(heard_note(&m->ledger, "gw", 0, &h, now, NULL),
			 STATUS_OK);
}

static void assert_heard(struct memory *m, const char *gateway, int64_t from,
			 int64_t last)
{
	struct heard h;

	assert_int_equal(heard_recall(&m->ledger, "gw", 0, 0, &h, NULL),
			 STATUS_OK);
	assert_string_equal(h.gateway, gateway);
	assert_int_equal(h.from_us, from);
	assert_int_equal(h.last_us, last);
}

static void a_gap_between_two_looks_is_never_closed(void **state)
{
	struct memory m = { .ledger = { &ops } };
	struct heard h;

	(void)state;
	assert_int_equal(heard_recall(&m.ledger, "gw", 0, 0, &h, NULL),
			 STATUS_NOT_FOUND);
	hear(&m, "gw1", 1000, -1);
	assert_heard(&m, "gw1", 0, 0);
	hear(&m, "gw1", 1100, 300);
	assert_heard(&m, "gw1", 800, 1100);
	/* Away for a while, and not restarted: all was counted. */
	hear(&m, "gw1", 1200, -1);
	assert_heard(&m, "gw1", 800, 1100);
	hear(&m, "gw1", 1900, 1100);
	assert_heard(&m, "gw1", 800, 1900);
	/* Restarted behind the last look: what came between is lost. */
	hear(&m, "gw1", 2000, 50);
	assert_heard(&m, "gw1", 1950, 2000);
	/* Our clock was set back. */
	hear(&m, "gw1", 1990, 30);
	assert_heard(&m, "gw1", 1960, 1990);
	/* Another gateway in its place. */
	hear(&m, "a name of two", 2100, -1);
	assert_heard(&m, "a name of two", 0, 0);
	text_copy(m.value, sizeof m.value, "nonsense");
	assert_int_equal(heard_recall(&m.ledger, "gw", 0, 0, &h, NULL),
			 STATUS_NOT_FOUND);
}

static void all_is_heard_from_the_change_until_now(void **state)
{
	const struct heard h = { "gw1", 800, 1900 }, never = { "gw1", 0, 0 };

	(void)state;
	assert_true(heard_all(&h, 800, 2000, 100));
	assert_false(heard_all(&h, 799, 2000, 100));
	assert_false(heard_all(&h, 800, 2001, 100));
	assert_false(heard_all(&never, 800, 50, 100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_those_of_the_ledgers_that_there_are),
		cmocka_unit_test(a_fact_lives_for_what_the_table_says),
		cmocka_unit_test(steps_are_read_back),
		cmocka_unit_test(a_gap_between_two_looks_is_never_closed),
		cmocka_unit_test(all_is_heard_from_the_change_until_now),
		cmocka_unit_test(the_state_of_a_hook_is_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
