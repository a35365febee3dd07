/* SPDX-License-Identifier: PostgreSQL */
/* Hostile settings and objects, and servers that reject. */
#include "test_cluster.h"

/* ---- hostile settings and objects ---- */

static void a_hostile_search_path_runs_nothing(void **state)
{
	(void)state;
	sql("DROP SCHEMA IF EXISTS evil CASCADE");
	sql("CREATE SCHEMA evil");
	sql("CREATE TABLE evil.fell (x text)");
	sql("CREATE FUNCTION evil.eq(name, name) RETURNS bool LANGUAGE plpgsql "
	    "AS 'BEGIN INSERT INTO evil.fell VALUES (''eq''); RETURN true; "
	    "END'");
	sql("CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION "
	    "= evil.eq)");
	sql("CREATE FUNCTION evil.count() RETURNS bigint LANGUAGE sql AS "
	    "'SELECT 1::bigint'");
	sql("CREATE VIEW evil.pg_roles AS SELECT 1 AS oid");
	new_role("hostile_role");
	sql("ALTER ROLE postgres SET search_path = evil, pg_catalog");
	sql("ALTER DATABASE postgres SET search_path = evil, pg_catalog");
	sql("ALTER ROLE postgres SET default_transaction_isolation = "
	    "'serializable'");
	sql("ALTER ROLE postgres SET datestyle = 'SQL, DMY'");
	{
		struct cluster *t = open_cluster("postgres", passfile, 0, 0);
		struct cluster_session *s = session(t);
		struct reason why = { "" };

		assert_int_equal(t->ops->preflight(t, s, "hostile_role", NULL,
						   NULL, NULL, &why),
				 STATUS_OK);
		t->ops->release(t, s, true);
		rotate(t, "hostile_role", PASSWORD);
		rotate(t, "hostile_role", PASSWORD);
		assert_int_equal(login_as(t, "hostile_role", PASSWORD),
				 CLUSTER_LOGIN_RIGHT);
		t->ops->close(t);
	}
	assert_string_equal(ask("SELECT pg_catalog.count(*) FROM evil.fell"),
			    "0");
	sql("ALTER ROLE postgres RESET ALL");
	sql("ALTER DATABASE postgres RESET ALL");
	sql("DROP SCHEMA evil CASCADE");
}

static void a_marker_table_of_somebody_else_is_not_used(void **state)
{
	char conninfo[1024];
	struct cluster_postgres_options o = { .name = "trap",
					      .conninfo = conninfo,
					      .admin_passfile = passfile,
					      .marker_schema = "trap" };
	struct cluster *t = NULL;
	struct cluster_session *s;
	char one[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("trapper");
	sql("DROP SCHEMA IF EXISTS trap CASCADE");
	sql("CREATE SCHEMA trap AUTHORIZATION trapper");
	conninfo_for("postgres", "postgres", conninfo, sizeof(conninfo));
	assert_int_equal(cluster_postgres_open(&o, &t, &why), STATUS_OK);
	s = session(t);
	assert_int_equal(claim(t, s, "trapper", false, one, &m, &why),
			 STATUS_REFUSED);
	t->ops->release(t, s, true);
	t->ops->close(t);
	sql("CREATE TABLE trap.marker (role_oid oid)");
	assert_int_equal(cluster_postgres_open(&o, &t, &why), STATUS_OK);
	s = session(t);
	assert_int_equal(t->ops->preflight(t, s, "trapper", NULL, NULL, NULL,
					   &why),
			 STATUS_REFUSED);
	assert_int_equal(claim(t, s, "trapper", false, one, &m, &why),
			 STATUS_REFUSED);
	assert_int_equal(t->ops->look(t, s, "trapper", &m, &why),
			 STATUS_REFUSED);
	assert_int_equal(t->ops->inspect(t, s, "trapper", &m, &why),
			 STATUS_REFUSED);
	t->ops->release(t, s, true);
	t->ops->close(t);
	sql("DROP SCHEMA trap CASCADE");
}

/* ---- rejections ---- */

static void a_server_that_rejects_the_password_says_rejected(void **state)
{
	struct cluster_session *s;
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };
	struct cluster *t;

	(void)state;
	/* passwordcheck refuses a verifier of the role's own name. */
	new_role("rejected_role_0123456789");

	sql("ALTER ROLE postgres SET session_preload_libraries = "
	    "'passwordcheck'");
	t = open_cluster("postgres", passfile, 0, 0);
	s = session(t);
	must_claim(t, s, "rejected_role_0123456789", one, &m);
	assert_int_equal(apply(t, s, "rejected_role_0123456789", one,
			       "rejected_role_0123456789", version, &why),
			 STATUS_REJECTED);
	assert_int_equal(login_as(t, "rejected_role_0123456789", OLD),
			 CLUSTER_LOGIN_RIGHT);
	/* The claim holds, and another password is taken. */
	assert_int_equal(apply(t, s, "rejected_role_0123456789", one, PASSWORD,
			       version, &why),
			 STATUS_OK);
	t->ops->release(t, s, true);
	t->ops->close(t);
	sql("ALTER ROLE postgres RESET ALL");
}

static void a_server_that_keeps_another_verifier_is_told(void **state)
{
	struct cluster_session *s = session(cluster);
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("changed_role");
	must_claim(cluster, s, "changed_role", one, &m);
	/* As if an extension had changed what was stored. */
	sql("ALTER FUNCTION pg_catalog.sha256(bytea) RENAME TO sha256_kept");
	sql("CREATE FUNCTION pg_catalog.sha256(bytea) RETURNS bytea "
	    "LANGUAGE sql AS 'SELECT ''other''::bytea'");
	assert_int_equal(apply(cluster, s, "changed_role", one, WRONG, version,
			       &why),
			 STATUS_REFUSED);
	sql("DROP FUNCTION pg_catalog.sha256(bytea)");
	sql("ALTER FUNCTION pg_catalog.sha256_kept(bytea) RENAME TO sha256");
	assert_non_null(strstr(why.text, "did not store the verifier"));
	assert_int_equal(login_as(cluster, "changed_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	/* The claim and its session are as good as before. */
	assert_int_equal(apply(cluster, s, "changed_role", one, PASSWORD,
			       version, &why),
			 STATUS_OK);
	cluster->ops->release(cluster, s, true);
}

static struct cluster *open_in_clear(void)
{
	char conninfo[1024];
	struct cluster_postgres_options o = {
		.name = "clear",
		.conninfo = conninfo,
		.admin_passfile = passfile,
		.send = CLUSTER_SEND_PLAIN,
		.random = entropy_openssl(),
	};
	struct cluster *t = NULL;
	struct reason why = { "" };

	conninfo_for("postgres", "postgres", conninfo, sizeof(conninfo));
	if (cluster_postgres_open(&o, &t, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return t;
}

static void a_lock_is_a_lock_when_the_role_has_no_verifier_yet(void **state)
{
	struct cluster *t;
	struct cluster_session *s;
	struct pg *blocker = superuser_session();
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	sql("ALTER ROLE postgres SET log_parameter_max_length = 0");
	sql("DROP ROLE IF EXISTS bare_role");
	sql("CREATE ROLE bare_role LOGIN");
	t = open_in_clear();
	s = session(t);
	must_claim(t, s, "bare_role", one, &m);
	run_on(blocker, "BEGIN");
	run_on(blocker, "ALTER ROLE bare_role CONNECTION LIMIT 5");
	assert_int_equal(apply(t, s, "bare_role", one, WRONG, version, &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	assert_non_null(strstr(why.text, "SQLSTATE 55P03"));
	pg_close(blocker);
	assert_int_equal(apply(t, s, "bare_role", one, PASSWORD, version, &why),
			 STATUS_OK);
	assert_int_equal(login_as(t, "bare_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	t->ops->release(t, s, true);
	t->ops->close(t);
	sql("ALTER ROLE postgres RESET ALL");
}

const struct CMUnitTest test_cluster_hostile[] = {
	cmocka_unit_test(a_hostile_search_path_runs_nothing),
	cmocka_unit_test(a_marker_table_of_somebody_else_is_not_used),
	cmocka_unit_test(a_server_that_rejects_the_password_says_rejected),
	cmocka_unit_test(a_server_that_keeps_another_verifier_is_told),
	cmocka_unit_test(a_lock_is_a_lock_when_the_role_has_no_verifier_yet),
	{ .name = NULL },
};
