/* SPDX-License-Identifier: PostgreSQL */
/* The login oracle, and what must be no evidence. */
#include "test_cluster.h"

static void the_login_oracle_holds(void **state)
{
	(void)state;
	new_role("oracle_role");
	assert_int_equal(login_as(cluster, "oracle_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(cluster, "oracle_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	sql("ALTER ROLE oracle_role NOLOGIN");
	assert_int_equal(login_as(cluster, "oracle_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(cluster, "oracle_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	sql("ALTER ROLE oracle_role LOGIN CONNECTION LIMIT 0");
	assert_int_equal(login_as(cluster, "oracle_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(cluster, "oracle_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	sql("ALTER ROLE oracle_role CONNECTION LIMIT -1 VALID UNTIL "
	    "'2001-01-01'");
	assert_int_equal(login_as(cluster, "oracle_role", OLD),
			 CLUSTER_LOGIN_WRONG);
	sql("ALTER ROLE oracle_role VALID UNTIL 'infinity'");
	sql("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
	assert_int_equal(login_as(cluster, "oracle_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(cluster, "oracle_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	sql("GRANT CONNECT ON DATABASE postgres TO PUBLIC");
	assert_int_equal(login_as(cluster, "trust_role", WRONG),
			 CLUSTER_LOGIN_NOT_ASKED);
	assert_int_equal(login_as(cluster, "no_such_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
}

static void the_reason_for_a_refused_password_is_found(void **state)
{
	struct cluster_session *s = session(cluster);
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("inspected_role");
	sql("ALTER ROLE inspected_role VALID UNTIL '2001-01-01'");
	assert_int_equal(cluster->ops->inspect(cluster, s, "inspected_role", &m,
					       &why),
			 STATUS_OK);
	assert_non_null(strstr(why.text, "expired"));
	sql("ALTER ROLE inspected_role VALID UNTIL 'infinity' NOLOGIN");
	cluster->ops->inspect(cluster, s, "inspected_role", &m, &why);
	assert_non_null(strstr(why.text, "NOLOGIN"));
	sql("ALTER ROLE inspected_role LOGIN PASSWORD NULL");
	cluster->ops->inspect(cluster, s, "inspected_role", &m, &why);
	assert_non_null(strstr(why.text, "no password"));
	sql("SET password_encryption = md5");
	sql("ALTER ROLE inspected_role PASSWORD 'x'");
	sql("RESET password_encryption");
	cluster->ops->inspect(cluster, s, "inspected_role", &m, &why);
	assert_non_null(strstr(why.text, "md5"));
	cluster->ops->release(cluster, s, true);
}

static struct cluster *with_endpoint(const char *endpoint)
{
	char conninfo[1024];
	const char *endpoints[] = { endpoint, NULL };
	struct cluster_postgres_options o = { .name = "endpoints",
					      .conninfo = conninfo,
					      .admin_passfile = passfile,
					      .endpoints = endpoints,
					      .insecure = true,
					      .connect_timeout_us =
						      5 * NOW_SECOND };
	struct cluster *t = NULL;
	struct reason why = { "" };

	conninfo_for("postgres", "postgres", conninfo, sizeof(conninfo));
	assert_int_equal(cluster_postgres_open(&o, &t, &why), STATUS_OK);
	return t;
}

static void the_weakest_endpoint_decides(void **state)
{
	char same[1024];
	struct cluster *t = with_endpoint("host=127.0.0.1 port=1");
	struct secret *wrong = secret_of(WRONG);
	const struct cluster_who who = { .role = "endpoint_role" };
	enum cluster_login login;
	struct reason why = { "" };

	(void)state;
	new_role("endpoint_role");
	assert_int_equal(login_as(t, "endpoint_role", OLD),
			 CLUSTER_LOGIN_NO_EVIDENCE);
	/* A refusal is not hidden by an endpoint that is down. */
	assert_int_equal(login_as(t, "endpoint_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	/* As a control, an endpoint that is down leaves it open. */
	assert_int_equal(t->ops->prove(t, &who, wrong, CLUSTER_PROOF_WRONG,
				       &login, &why),
			 STATUS_OK);
	assert_int_equal(login, CLUSTER_LOGIN_NO_EVIDENCE);
	t->ops->close(t);
	conninfo_for("nobody", "postgres", same, sizeof(same));
	t = with_endpoint(same);
	assert_int_equal(login_as(t, "endpoint_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(t->ops->prove(t, &who, wrong, CLUSTER_PROOF_WRONG,
				       &login, &why),
			 STATUS_OK);
	assert_int_equal(login, CLUSTER_LOGIN_WRONG);
	t->ops->close(t);
	secret_free(wrong);
}

static void copy_into(const char *from, const char *to, mode_t mode)
{
	char source[512], buf[8192];
	FILE *f;
	size_t n;

	snprintf(source, sizeof(source), "%s/%s", folder, from);
	f = fopen(source, "r");
	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	fclose(f);
	write_file(to, mode, "%s", buf);
}

/* Valid credentials in every place libpq looks: none may be used. */
static void ambient_credentials_prove_nothing(void **state)
{
	char home[512], path[600];
	struct cluster *t;

	(void)state;
	new_role("ambient_role");
	sql("DROP ROLE IF EXISTS cert_role");
	sql("CREATE ROLE cert_role LOGIN PASSWORD '" OLD "'");
	snprintf(home, sizeof(home), "%s/home", folder);
	mkdir(home, 0700);
	snprintf(path, sizeof(path), "%s/.postgresql", home);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/.postgresql/postgresql.crt", home);
	copy_into("client.crt", path, 0600);
	snprintf(path, sizeof(path), "%s/.postgresql/postgresql.key", home);
	copy_into("client.key", path, 0600);
	snprintf(path, sizeof(path), "%s/.postgresql/root.crt", home);
	copy_into("other-ca.crt", path, 0600);
	snprintf(path, sizeof(path), "%s/.pgpass", home);
	write_file(path, 0600, "*:*:*:*:%s\n", OLD);
	setenv("PGPASSFILE", path, 1);
	snprintf(path, sizeof(path), "%s/service.conf", home);
	write_file(path, 0600,
		   "[valid]\nuser=ambient_role\npassword=%s\nhost=%s\n"
		   "port=%s\noptions=-c search_path=evil\n",
		   OLD, host, port);
	setenv("HOME", home, 1);
	setenv("PGPASSWORD", OLD, 1);
	setenv("PGSERVICEFILE", path, 1);
	setenv("PGSERVICE", "valid", 1);
	setenv("PGUSER", "ambient_role", 1);
	setenv("PGHOST", "203.0.113.1", 1);
	setenv("PGHOSTADDR", "203.0.113.1", 1);
	setenv("PGPORT", "1", 1);
	setenv("PGOPTIONS", "-c search_path=evil", 1);
	setenv("PGSSLMODE", "disable", 1);
	setenv("PGSSLROOTCERT", "/nonexistent", 1);
	t = open_cluster("postgres", passfile, 0, 0);
	assert_int_equal(login_as(t, "ambient_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	assert_int_equal(login_as(t, "ambient_role", OLD), CLUSTER_LOGIN_RIGHT);
	/* The server wants a certificate; the one in HOME would be let in. */
	assert_int_equal(login_as(t, "cert_role", WRONG),
			 CLUSTER_LOGIN_NO_EVIDENCE);
	rotate(t, "ambient_role", PASSWORD);
	t->ops->close(t);
	/* Control: named, the same certificate does log in. */
	{
		char conninfo[2048];
		struct pg_info *info = NULL;
		struct reason why = { "" };
		struct pg_login_report report;
		struct pg_login login = { .timeout_us = 10 * NOW_SECOND };

		snprintf(conninfo, sizeof(conninfo),
			 "host=%s port=%s dbname=postgres user=cert_role "
			 "sslmode=verify-full sslrootcert=%s sslcert=%s/"
			 ".postgresql/postgresql.crt sslkey=%s/.postgresql/"
			 "postgresql.key",
			 host, port, ca, home, home);
		assert_int_equal(pg_info_parse(conninfo, false, &info, &why),
				 STATUS_OK);
		login.info = info;
		assert_int_equal(pg_connect(&login, NULL, &report, &why),
				 STATUS_OK);
		assert_false(report.used_password);
		pg_info_free(info);
	}
	unsetenv("PGPASSFILE");
	unsetenv("PGPASSWORD");
	unsetenv("PGSERVICEFILE");
	unsetenv("PGSERVICE");
	unsetenv("PGUSER");
	unsetenv("PGHOST");
	unsetenv("PGHOSTADDR");
	unsetenv("PGPORT");
	unsetenv("PGOPTIONS");
	unsetenv("PGSSLMODE");
	unsetenv("PGSSLROOTCERT");
}

static void a_server_of_another_ca_is_not_talked_to(void **state)
{
	char conninfo[1024];
	struct cluster_postgres_options o = { .name = "wrongca",
					      .conninfo = conninfo,
					      .admin_passfile = passfile };
	struct cluster *t = NULL;
	struct cluster_session *s = NULL;
	struct reason why = { "" };

	(void)state;
	snprintf(conninfo, sizeof(conninfo),
		 "host=%s port=%s dbname=postgres user=postgres "
		 "sslmode=verify-full sslrootcert=%s/other-ca.crt",
		 host, port, folder);
	assert_int_equal(cluster_postgres_open(&o, &t, &why), STATUS_OK);
	assert_int_equal(t->ops->open(t, &s, &why), STATUS_CLUSTER_UNAVAILABLE);
	assert_non_null(strstr(why.text, "sslrootcert"));
	assert_int_equal(login_as(t, "postgres", WRONG),
			 CLUSTER_LOGIN_NO_EVIDENCE);
	t->ops->close(t);
}

static void a_name_the_certificate_does_not_hold_is_told(void **state)
{
	char conninfo[1024];
	struct cluster_postgres_options o = { .name = "wrongname",
					      .conninfo = conninfo,
					      .admin_passfile = passfile };
	struct cluster *t = NULL;
	struct cluster_session *s = NULL;
	struct reason why = { "" };

	(void)state;
	snprintf(conninfo, sizeof(conninfo),
		 "host=db.example.com hostaddr=127.0.0.1 port=%s "
		 "dbname=postgres user=postgres sslmode=verify-full "
		 "sslrootcert=%s",
		 port, ca);
	assert_int_equal(cluster_postgres_open(&o, &t, &why), STATUS_OK);
	assert_int_equal(t->ops->open(t, &s, &why), STATUS_CLUSTER_UNAVAILABLE);
	assert_non_null(strstr(why.text, "host name"));
	t->ops->close(t);
}

const struct CMUnitTest test_cluster_login[] = {
	cmocka_unit_test(the_login_oracle_holds),
	cmocka_unit_test(the_reason_for_a_refused_password_is_found),
	cmocka_unit_test(the_weakest_endpoint_decides),
	cmocka_unit_test(ambient_credentials_prove_nothing),
	cmocka_unit_test(a_server_of_another_ca_is_not_talked_to),
	cmocka_unit_test(a_name_the_certificate_does_not_hold_is_told),
	{ .name = NULL },
};
