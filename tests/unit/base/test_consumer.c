/* SPDX-License-Identifier: PostgreSQL */
/* consumer: names that clients gave themselves, and what is expected of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/consumer.h"

static const char *name_of(const char *host, const char *app, const char *user)
{
	static char name[CONSUMER_SIZE];

	consumer_name(host, app, user, name);
	return name;
}

static bool matches(const char *word, const char *name)
{
	return consumer_matches(word, strlen(word), name);
}

static void a_name_has_the_parts_that_there_are(void **state)
{
	(void)state;
	assert_string_equal(name_of("192.0.2.7", "etl", ""),
			    "host:192.0.2.7,app:etl");
	assert_string_equal(name_of("2001:db8::1", "", ""), "host:2001:db8::1");
	assert_string_equal(name_of("", "", "uid 7"), "user:uid%207");
	assert_string_equal(name_of("", "", ""), "");
}

static void what_a_terminal_would_obey_is_encoded(void **state)
{
	(void)state;
	assert_string_equal(name_of("local", "a\x1b[31m\n\xc3\xa9", ""),
			    "host:local,app:a%1B[31m%0A%C3%A9");
	assert_string_equal(name_of("local", "a,b*c#d;\"'%\\", ""),
			    "host:local,app:a%2Cb%2Ac%23d%3B%22%27%25%5C");
}

static void a_long_name_is_cut(void **state)
{
	char longest[4096];

	(void)state;
	memset(longest, '\x01', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(strlen(name_of(longest, longest, longest)),
			 strlen("host:,app:,user:") + 3 * 64 * 3);
}

static void an_announced_secret_is_withheld(void **state)
{
	(void)state;
	assert_string_equal(name_of("local", "host=h PassWord=hunter2", ""),
			    "host:local,app:withheld");
	assert_string_equal(name_of("local", "postgresql://u:hunter2@h/d", ""),
			    "host:local,app:withheld");
}

static void expected_words_are_checked(void **state)
{
	static const char *const good[] = {
		"host:192.0.2.7",
		"host:192.0.2.0/24",
		"host:2001:db8::/32",
		"host:local",
		"host:db.example",
		"app:etl",
		"app:etl-*",
		"user:uid%207",
		"app:*",
		"host:192.0.2.7,app:x",
		"host:192.0.2.7,via:gw1.example:6432",
		"via:gw*"
	};
	static const char *const bad[] = { "",
					   "etl",
					   "host:",
					   "host:192.0.2.0/33",
					   "host:192.0.2.0/",
					   "host:x/8",
					   "host:192.0.2.0/8x",
					   "host:2001:db8::/129",
					   "app:a b",
					   "app:a%2",
					   "app:a%zz",
					   "app:a*b",
					   "app:a,",
					   ",app:a",
					   "app:a,app:b",
					   "via:a,via:b",
					   "via:",
					   "app:a,port:1",
					   "host:192.*" };
	struct reason why;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_int_equal(consumer_check(good[i], strlen(good[i]), &why),
				 STATUS_OK);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (consumer_check(bad[i], strlen(bad[i]), &why) !=
		    STATUS_CONFIG)
			fail_msg("%s is taken", bad[i]);
	assert_int_equal(consumer_check("etl", 3, &why), STATUS_CONFIG);
	assert_string_equal(why.text,
			    "\"etl\" is not host:ADDRESS, host:NETWORK/BITS, "
			    "app:NAME, user:NAME or via:GATEWAY, nor some of "
			    "them divided by commas; a blank in a name is "
			    "written %20");
}

static void a_word_matches_what_has_all_of_it(void **state)
{
	const char *name = "host:192.0.2.7,app:etl-7";

	(void)state;
	assert_true(matches("host:192.0.2.7", name));
	assert_true(matches("app:etl-7", name));
	assert_true(matches("app:etl-*", name));
	assert_true(matches("app:*", name));
	assert_true(matches("app:etl-7,host:192.0.2.0/29", name));
	assert_false(matches("host:192.0.2.70", name));
	assert_false(matches("host:192.0.2.8/29", name));
	assert_false(matches("app:etl", name));
	assert_false(matches("app:etl-77", name));
	assert_false(matches("user:etl-7", name));
	assert_false(matches("app:etl-7,host:192.0.2.8", name));
	assert_false(matches("host:::/0", name));
	assert_true(matches("host:0.0.0.0/0", name));
	assert_true(matches("host:2001:db8::/33", "host:2001:db8:7fff::1"));
	assert_false(matches("host:2001:db8::/33", "host:2001:db8:8000::1"));
	assert_false(matches("host:192.0.2.0/24", "host:local"));
	assert_false(consumer_matches("", 0, name));
}

static void a_gateway_is_the_way_and_not_the_consumer(void **state)
{
	char name[CONSUMER_SIZE], longest[4096];

	(void)state;
	consumer_name("192.0.2.7", "pgbouncer", "", name);
	assert_int_equal(consumer_len(name), strlen(name));
	consumer_add_via(name, "");
	assert_string_equal(name, "host:192.0.2.7,app:pgbouncer");
	consumer_add_via(name, "gw1.example:6432");
	assert_string_equal(
		name, "host:192.0.2.7,app:pgbouncer,via:gw1.example:6432");
	assert_int_equal(consumer_len(name),
			 strlen("host:192.0.2.7,app:pgbouncer"));
	assert_true(matches("host:192.0.2.7", name));
	assert_true(matches("via:gw1.*", name));
	assert_true(matches("app:pgbouncer,via:gw1.example:6432", name));
	assert_false(matches("via:gw2.example:6432", name));
	/* A client cannot say through which it came. */
	consumer_name("local", "x,via:gw2", "", name);
	assert_int_equal(consumer_len(name), strlen(name));
	/* The longest has room. */
	memset(longest, '\x01', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	consumer_name(longest, longest, longest, name);
	consumer_add_via(name, longest);
	assert_int_equal(strlen(name),
			 strlen("host:,app:,user:,via:") + 4 * 64 * 3);
}

static void every_name_is_a_word_that_matches_itself(void **state)
{
	static const char *const apps[] = { "PostgreSQL JDBC Driver", "a%b*,",
					    "\xff\x01", "etl", "withheld" };

	(void)state;
	for (size_t i = 0; i < sizeof(apps) / sizeof(*apps); i++) {
		const char *name = name_of("10.0.0.1", apps[i], "");

		assert_int_equal(consumer_check(name, strlen(name), NULL),
				 STATUS_OK);
		assert_true(matches(name, name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_name_has_the_parts_that_there_are),
		cmocka_unit_test(what_a_terminal_would_obey_is_encoded),
		cmocka_unit_test(a_long_name_is_cut),
		cmocka_unit_test(an_announced_secret_is_withheld),
		cmocka_unit_test(expected_words_are_checked),
		cmocka_unit_test(a_word_matches_what_has_all_of_it),
		cmocka_unit_test(a_gateway_is_the_way_and_not_the_consumer),
		cmocka_unit_test(every_name_is_a_word_that_matches_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
