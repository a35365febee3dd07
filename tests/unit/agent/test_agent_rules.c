/* SPDX-License-Identifier: PostgreSQL */
/* agent_access_rules: only what is written is granted, to whom the kernel names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/access/rules.h"

static int unknown;

static void count_unknown(void *arg, bool none, const struct reason *why)
{
	assert_true(none);
	assert_string_equal(why->text, arg);
	unknown++;
}

static struct agent_access_rules rules_of(const char *words)
{
	struct agent_access_rules r = { 0 };
	struct reason why = { "" };

	if (agent_access_rules_add(&r, words, NULL, NULL, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return r;
}

static bool matches(const char *words, const struct agent_peer *p)
{
	struct agent_access_rules r = rules_of(words);
	bool is = agent_access_rules_match(&r, p);

	agent_access_rules_clear(&r);
	return is;
}

static void nobody_is_let_in_by_nothing(void **state)
{
	const struct agent_peer root = { .uid = 0, .gid = 0 };
	struct agent_access_rules r = rules_of("");

	(void)state;
	assert_true(agent_access_rules_empty(&r));
	assert_false(agent_access_rules_match(&r, &root));
	agent_access_rules_clear(&r);
}

static void a_user_is_matched_by_uid_alone(void **state)
{
	const struct agent_peer alice = { .uid = 1001, .gid = 1002 };

	(void)state;
	assert_true(matches("uid:1001", &alice));
	assert_true(matches("uid:7 uid:1001 uid:9", &alice));
	assert_false(matches("uid:1002", &alice)); /* that is her group */
	assert_false(matches("uid:1000 uid:100 uid:10010", &alice));
	assert_false(matches("gid:1001", &alice));
}

static void a_group_is_matched_by_primary_and_further_ones(void **state)
{
	gid_t groups[] = { 30, 10, 20 };
	const struct agent_peer alice = {
		.uid = 5, .gid = 40, .groups = groups, .n_groups = 3
	};

	(void)state;
	assert_true(matches("gid:40", &alice));
	assert_true(matches("gid:30", &alice));
	assert_true(matches("gid:99 gid:20", &alice));
	assert_false(matches("gid:5", &alice));
	assert_false(matches("gid:25 gid:50", &alice));
}

static void names_become_numbers(void **state)
{
	const struct agent_peer root = { .uid = 0, .gid = 77 };
	const struct agent_peer other = { .uid = 5, .gid = 0 };

	(void)state;
	assert_true(matches("user:root", &root));
	assert_false(matches("user:root", &other));
	assert_true(matches("group:root", &other));
	assert_false(matches("group:root", &root));
}

static void a_name_that_is_unknown_grants_nothing(void **state)
{
	const struct agent_peer root = { .uid = 0, .gid = 0 };
	struct agent_access_rules r = { 0 };

	(void)state;
	unknown = 0;
	assert_int_equal(agent_access_rules_add(
				 &r, "user:nobody-of-that-name", count_unknown,
				 (void *)"there is no user "
					 "\"nobody-of-that-name\"",
				 NULL),
			 STATUS_OK);
	assert_int_equal(unknown, 1);
	assert_true(agent_access_rules_empty(&r));
	assert_false(agent_access_rules_match(&r, &root));
	agent_access_rules_clear(&r);
}

static void joined_rules_match_either(void **state)
{
	struct agent_access_rules a = rules_of("uid:1 gid:2");
	struct agent_access_rules b = rules_of("uid:3 uid:1");
	const struct agent_peer three = { .uid = 3, .gid = 9 };

	(void)state;
	assert_false(agent_access_rules_match(&a, &three));
	assert_int_equal(agent_access_rules_join(&a, &b, NULL), STATUS_OK);
	assert_true(agent_access_rules_match(&a, &three));
	assert_int_equal(a.n_uids, 2);
	agent_access_rules_clear(&a);
	agent_access_rules_clear(&b);
}

static void many_rules_are_searched_right(void **state)
{
	struct agent_access_rules r = { 0 };
	char word[32];

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		snprintf(word, sizeof(word), "uid:%u", (i * 7919) % 500 * 2);
		assert_int_equal(agent_access_rules_add(&r, word, NULL, NULL,
							NULL),
				 STATUS_OK);
	}
	assert_int_equal(r.n_uids, 500);
	for (unsigned uid = 0; uid < 1001; uid++) {
		const struct agent_peer p = { .uid = uid, .gid = 5000 };

		assert_int_equal(agent_access_rules_match(&r, &p),
				 uid % 2 == 0 && uid < 1000);
	}
	agent_access_rules_clear(&r);
}

static void the_kernel_names_the_peer(void **state)
{
	struct agent_peer p = { 0 };
	gid_t groups[256];
	int pair[2], n = getgroups(256, groups);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(agent_access_rules_peer(pair[0], &p, NULL), STATUS_OK);
	assert_int_equal(p.uid, geteuid());
	assert_int_equal(p.gid, getegid());
	assert_int_equal(p.pid, getpid());
	assert_int_equal(p.n_groups, n);
	for (int i = 0; i < n; i++)
		assert_int_equal(p.groups[i], groups[i]);
	agent_access_rules_forget(&p);
	close(pair[0]);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_is_let_in_by_nothing),
		cmocka_unit_test(a_user_is_matched_by_uid_alone),
		cmocka_unit_test(
			a_group_is_matched_by_primary_and_further_ones),
		cmocka_unit_test(names_become_numbers),
		cmocka_unit_test(a_name_that_is_unknown_grants_nothing),
		cmocka_unit_test(joined_rules_match_either),
		cmocka_unit_test(many_rules_are_searched_right),
		cmocka_unit_test(the_kernel_names_the_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
