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
		assert_null(strstr(line, NEXT));
		altered |= strstr(line, "ALTER ROLE \"turn_b\" LOGIN PASSWORD "
					"'SCRAM-SHA-256$") != NULL;
	}
	fclose(f);
	assert_true(altered); /* else the log was not the right one */
}

#define TESTS_MAX 96

/* The first so many subjects want a server with TLS; on one without, which a newer
 * one is, pairs are what depends on the server's version. */
#define TLS_SUBJECTS 7

int main(void)
{
	static const struct CMUnitTest *const subjects[] = {
		test_cluster_claim,	 test_cluster_change,
		test_cluster_login,	 test_cluster_hostile,
		test_cluster_preflight,	 test_cluster_activity,
		test_cluster_pair_clear, test_cluster_pair,
		test_cluster_pair_check,
	};
	const char *authority = getenv("KEYTURN_TEST_PG_CA");
	bool tls = authority == NULL || authority[0] != '\0';
	const struct CMUnitTest last =
		cmocka_unit_test(the_server_log_holds_no_password);
	struct CMUnitTest tests[TESTS_MAX];
	size_t n = 0;

	for (size_t i = tls ? 0 : TLS_SUBJECTS;
	     i < sizeof(subjects) / sizeof(*subjects); i++)
		for (const struct CMUnitTest *t = subjects[i]; t->name != NULL;
		     t++)
			tests[n++] = *t;
	tests[n++] = last;
	return _cmocka_run_group_tests("cluster", tests, n, set_up, tear_down);
}
