/* SPDX-License-Identifier: PostgreSQL */
/* The PostgreSQL driver against a real server; see with-postgres. */
#include "test_cluster.h"

static void the_server_log_holds_no_password(void **state)
{
	FILE *f = fopen(log_path, "r");
	char line[65536];
	bool altered = false;

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		assert_null(strstr(line, PASSWORD));
		assert_null(strstr(line, WRONG));
		altered |= strstr(line, "ALTER ROLE \"plain_role\" PASSWORD "
					"'SCRAM-SHA-256$") != NULL;
	}
	fclose(f);
	assert_true(altered); /* else the log was not the right one */
}

#define TESTS_MAX 64

int main(void)
{
	static const struct CMUnitTest *const subjects[] = {
		test_cluster_claim,	test_cluster_change,
		test_cluster_login,	test_cluster_hostile,
		test_cluster_preflight, test_cluster_activity,
	};
	const struct CMUnitTest last =
		cmocka_unit_test(the_server_log_holds_no_password);
	struct CMUnitTest tests[TESTS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(subjects) / sizeof(*subjects); i++)
		for (const struct CMUnitTest *t = subjects[i]; t->name != NULL;
		     t++)
			tests[n++] = *t;
	tests[n++] = last;
	return _cmocka_run_group_tests("cluster", tests, n, set_up, tear_down);
}
