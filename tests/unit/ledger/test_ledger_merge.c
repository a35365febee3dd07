/* SPDX-License-Identifier: PostgreSQL */
/* ledger_merge: what a role is after a run, without any database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "ledger/ledger_merge.h"

#define OURS   "00000000-0000-4000-8000-000000000001"
#define OTHERS "00000000-0000-4000-8000-000000000002"

static const struct ledger_merge_run at_100 = { .begun_us = 90, .now_us = 100 };

/* What a run that ended so makes of `before`. */
static struct ledger_role closed(struct ledger_role before,
				 const struct ledger_role *learned,
				 const char *status, bool keep_open,
				 const struct ledger_merge_run *run)
{
	const struct ledger_close c = { .run = OURS,
					.role = learned,
					.status = status,
					.keep_open = keep_open };

	ledger_merge_close(&before, &c, run);
	return before;
}

static void a_role_never_seen_is_what_the_run_learned(void **state)
{
	const struct ledger_role learned = { .role = "sap",
					     .version = "v",
					     .rotated_us = 77,
					     .epoch = 3,
					     .failures = 2,
					     .last_status = "OK" };
	struct ledger_role r = closed((struct ledger_role){ .role = "sap" },
				      &learned, "OK", false, &at_100);

	(void)state;
	assert_memory_equal(&r, &learned, sizeof r);
}

static void an_unknown_outcome_leaves_the_run_open(void **state)
{
	const struct ledger_role learned = { .role = "sap" };
	struct ledger_role r = closed((struct ledger_role){ .role = "sap" },
				      &learned, "UNKNOWN", true, &at_100);

	(void)state;
	assert_string_equal(r.open_run, OURS);
	assert_int_equal(r.open_since_us, 90);
}

static void a_freeze_made_meanwhile_stays(void **state)
{
	const struct ledger_role learned = { .role = "sap" };
	struct ledger_role r = { .role = "sap" };

	(void)state;
	ledger_merge_freeze(&r, "partner audit", 5);
	r = closed(r, &learned, "OK", false, &at_100);
	assert_true(r.frozen);
	assert_int_equal(r.frozen_us, 5);
	assert_string_equal(r.frozen_reason, "partner audit");
	ledger_merge_thaw(&r);
	assert_false(r.frozen);
	assert_string_equal(r.frozen_reason, "");
}

static void a_freeze_by_the_run_is_remembered(void **state)
{
	const struct ledger_role learned = { .role = "sap",
					     .frozen = true,
					     .frozen_us = 99,
					     .frozen_reason = "foreign" };
	struct ledger_role r = closed((struct ledger_role){ .role = "sap" },
				      &learned, "FROZEN", false, &at_100);

	(void)state;
	assert_true(r.frozen);
	assert_int_equal(r.frozen_us, 99);
	assert_string_equal(r.frozen_reason, "foreign");
}

static void a_long_reason_is_cut(void **state)
{
	struct ledger_role r = { .role = "sap" };
	char reason[2 * LEDGER_TEXT_SIZE];

	(void)state;
	memset(reason, 'x', sizeof reason); /* not secret */
	reason[sizeof reason - 1] = '\0';
	ledger_merge_freeze(&r, reason, 5);
	assert_int_equal(strlen(r.frozen_reason), LEDGER_TEXT_SIZE - 1);
	assert_non_null(strstr(r.frozen_reason, "x..."));
}

static void anothers_open_run_stays_open(void **state)
{
	const struct ledger_role learned = { .role = "sap" };
	struct ledger_role r = { .role = "sap" };

	(void)state;
	ledger_merge_begin(&r, OTHERS, 50);
	r = closed(r, &learned, "OK", false, &at_100);
	assert_string_equal(r.open_run, OTHERS);
	assert_int_equal(r.open_since_us, 50);
}

static void one_that_only_met_another_rotator_is_settled(void **state)
{
	const struct ledger_merge_run busy = { .begun_us = 90,
					       .now_us = 100,
					       .open_was_busy = true };
	const struct ledger_role learned = { .role = "sap" };
	struct ledger_role r = { .role = "sap" };

	(void)state;
	ledger_merge_begin(&r, OTHERS, 50);
	assert_string_equal(closed(r, &learned, "OK", false, &busy).open_run,
			    "");
	assert_string_equal(closed(r, &learned, "BUSY", false, &busy).open_run,
			    OTHERS);
	assert_string_equal(closed(r, &learned, "OK", true, &busy).open_run,
			    OTHERS);
}

static void the_epoch_never_goes_back(void **state)
{
	const struct ledger_role learned = { .role = "sap", .epoch = 3 };
	struct ledger_role r = { .role = "sap", .epoch = 8 };

	(void)state;
	assert_int_equal(closed(r, &learned, "OK", false, &at_100).epoch, 8);
}

/* Which version is remembered: before and learned as epoch, time, version. */
struct age {
	int64_t epoch, rotated_us;
	const char *version;
};

static const char *remembered(struct age before, struct age learned)
{
	static char version[RANDOM_UUID_SIZE];
	struct ledger_role b = { .role = "sap",
				 .epoch = before.epoch,
				 .rotated_us = before.rotated_us };
	struct ledger_role n = { .role = "sap",
				 .epoch = learned.epoch,
				 .rotated_us = learned.rotated_us };
	struct ledger_role r;

	strcpy(b.version, before.version);
	strcpy(n.version, learned.version);
	r = closed(b, &n, "OK", false, &at_100);
	memcpy(version, r.version, sizeof version);
	return version;
}

static void the_younger_promotion_counts(void **state)
{
	(void)state;
	/* By the epoch, also when the clock went back. */
	assert_string_equal(remembered((struct age){ 3, 70, "old" },
				       (struct age){ 4, 60, "new" }),
			    "new");
	assert_string_equal(remembered((struct age){ 5, 60, "new" },
				       (struct age){ 4, 70, "old" }),
			    "new");
	/* By time where the epoch is the same. */
	assert_string_equal(remembered((struct age){ 4, 70, "new" },
				       (struct age){ 4, 60, "old" }),
			    "new");
	assert_string_equal(remembered((struct age){ 4, 60, "old" },
				       (struct age){ 4, 70, "new" }),
			    "new");
	/* A stamp that lies ahead does not count. */
	assert_string_equal(remembered((struct age){ 4, 101, "old" },
				       (struct age){ 4, 60, "new" }),
			    "new");
}

static void a_sighting_grows_whatever_the_clock(void **state)
{
	struct ledger_sighting known = { .first_us = 10,
					 .last_us = 20,
					 .count = 5 };
	struct ledger_sighting s = { .first_us = 15,
				     .last_us = 15,
				     .count = 2 };

	(void)state;
	ledger_merge_sighting(&known, &s);
	assert_int_equal(known.first_us, 10);
	assert_int_equal(known.last_us, 20);
	assert_int_equal(known.count, 7);
	/* A total is not added, and never counts down. */
	s = (struct ledger_sighting){
		.first_us = 5, .last_us = 25, .count = 9, .total = true
	};
	ledger_merge_sighting(&known, &s);
	assert_int_equal(known.first_us, 5);
	assert_int_equal(known.last_us, 25);
	assert_int_equal(known.count, 9);
	s.count = 3;
	ledger_merge_sighting(&known, &s);
	assert_int_equal(known.count, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_role_never_seen_is_what_the_run_learned),
		cmocka_unit_test(an_unknown_outcome_leaves_the_run_open),
		cmocka_unit_test(a_freeze_made_meanwhile_stays),
		cmocka_unit_test(a_freeze_by_the_run_is_remembered),
		cmocka_unit_test(a_long_reason_is_cut),
		cmocka_unit_test(anothers_open_run_stays_open),
		cmocka_unit_test(one_that_only_met_another_rotator_is_settled),
		cmocka_unit_test(the_epoch_never_goes_back),
		cmocka_unit_test(the_younger_promotion_counts),
		cmocka_unit_test(a_sighting_grows_whatever_the_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
