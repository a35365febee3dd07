/* SPDX-License-Identifier: PostgreSQL */
/* Roles that are changed by others, and names of any kind. */
#include "test_cluster.h"

/* ---- roles that change under us ---- */

static void a_dropped_role_is_not_found(void **state)
{
	struct cluster_session *s = session(cluster);
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("dropped_role");
	must_claim(cluster, s, "dropped_role", one, &m);
	sql("DROP ROLE dropped_role");
	assert_int_equal(apply(cluster, s, "dropped_role", one, PASSWORD,
			       version, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(claim(cluster, s, "dropped_role", false, one, &m,
			       &why),
			 STATUS_NOT_FOUND);
	cluster->ops->release(cluster, s, true);
}

static void a_role_replaced_between_claim_and_apply_is_left_alone(void **state)
{
	struct cluster_session *s = session(cluster);
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("replaced_role");
	must_claim(cluster, s, "replaced_role", one, &m);
	new_role("replaced_role");
	assert_int_equal(apply(cluster, s, "replaced_role", one, PASSWORD,
			       version, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(login_as(cluster, "replaced_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	cluster->ops->release(cluster, s, true);
}

static void a_renamed_or_recreated_role_is_reported(void **state)
{
	struct cluster_session *s = session(cluster);
	char one[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	sql("DROP ROLE IF EXISTS name_two");
	new_role("name_one");
	rotate(cluster, "name_one", PASSWORD);
	sql("ALTER ROLE name_one RENAME TO name_two");
	assert_int_equal(claim(cluster, s, "name_one", false, one, &m, &why),
			 STATUS_NOT_FOUND);
	assert_non_null(strstr(why.text, "name_two"));
	must_claim(cluster, s, "name_two", one, &m);
	assert_true(m.renamed);
	/* Another role under the old name is not the one we knew. */
	new_role("name_one");
	must_claim(cluster, s, "name_one", one, &m);
	assert_true(m.renamed);
	assert_string_equal(m.live_version, "");
	assert_true(m.epoch > 1);
	cluster->ops->release(cluster, s, true);
	/* An apply, which only a command does then, settles it. */
	rotate(cluster, "name_one", PASSWORD);
	s = session(cluster);
	assert_int_equal(cluster->ops->look(cluster, s, "name_one", &m, &why),
			 STATUS_OK);
	assert_false(m.renamed);
	cluster->ops->release(cluster, s, true);
}

static void a_password_changed_by_hand_is_foreign(void **state)
{
	struct cluster_session *s = session(cluster);
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("foreign_role");
	rotate(cluster, "foreign_role", PASSWORD);
	assert_int_equal(cluster->ops->look(cluster, s, "foreign_role", &m,
					    &why),
			 STATUS_OK);
	assert_false(m.foreign);
	sql("ALTER ROLE foreign_role PASSWORD 'by-hand-0123456789'");
	assert_int_equal(cluster->ops->inspect(cluster, s, "foreign_role", &m,
					       &why),
			 STATUS_OK);
	assert_true(m.foreign);
	assert_non_null(strstr(why.text, "by hand"));
	cluster->ops->release(cluster, s, true);
}

static void adoption_writes_the_marker_and_not_the_password(void **state)
{
	struct cluster_session *s = session(cluster);
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("adopted_role");
	must_claim(cluster, s, "adopted_role", one, &m);
	assert_int_equal(apply(cluster, s, "adopted_role", one, NULL, version,
			       &why),
			 STATUS_OK);
	assert_int_equal(cluster->ops->look(cluster, s, "adopted_role", &m,
					    &why),
			 STATUS_OK);
	assert_string_equal(m.live_version, version);
	assert_false(m.foreign);
	assert_int_equal(login_as(cluster, "adopted_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	sql("ALTER ROLE adopted_role PASSWORD 'by-hand-0123456789'");
	assert_int_equal(cluster->ops->look(cluster, s, "adopted_role", &m,
					    &why),
			 STATUS_OK);
	assert_true(m.foreign);
	cluster->ops->release(cluster, s, true);
}

/* ---- names ---- */

static void names_of_any_kind_are_quoted(void **state)
{
	static const char *const names[] = {
		"with \"quotes\"",
		"with space",
		"a';drop role x;--",
		"per%cent%s%n",
		"caf\xc3\xa9",
		"select",
		"UPPER",
		"back\\slash",
		"dollar$1",
		"comma,equals=x",
		"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz_",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct secret *quoted = NULL;
		struct reason why = { "" };

		assert_int_equal(pg_quote_identifier(super, names[i], &quoted,
						     &why),
				 STATUS_OK);
		sql("DROP ROLE IF EXISTS %s", secret_bytes(quoted));
		sql("CREATE ROLE %s LOGIN", secret_bytes(quoted));
		rotate(cluster, names[i], PASSWORD);
		assert_int_equal(login_as(cluster, names[i], PASSWORD),
				 CLUSTER_LOGIN_RIGHT);
		assert_int_equal(login_as(cluster, names[i], WRONG),
				 CLUSTER_LOGIN_WRONG);
		secret_free(quoted);
	}
}

static void names_that_the_server_would_cut_are_refused(void **state)
{
	static const char *const names[] = {
		"",
		"\xff\xfe",
		"line\nbreak",
		"abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz__",
	};
	struct cluster_session *s = session(cluster);
	char one[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(claim(cluster, s, names[i], false, one, &m,
				       &why),
				 STATUS_REFUSED);
		assert_int_equal(cluster->ops->preflight(cluster, s, names[i],
							 NULL, NULL, NULL,
							 &why),
				 STATUS_REFUSED);
	}
	cluster->ops->release(cluster, s, true);
}

const struct CMUnitTest test_cluster_change[] = {
	cmocka_unit_test(a_dropped_role_is_not_found),
	cmocka_unit_test(a_role_replaced_between_claim_and_apply_is_left_alone),
	cmocka_unit_test(a_renamed_or_recreated_role_is_reported),
	cmocka_unit_test(a_password_changed_by_hand_is_foreign),
	cmocka_unit_test(adoption_writes_the_marker_and_not_the_password),
	cmocka_unit_test(names_of_any_kind_are_quoted),
	cmocka_unit_test(names_that_the_server_would_cut_are_refused),
	{ .name = NULL },
};
