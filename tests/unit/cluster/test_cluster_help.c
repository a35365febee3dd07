/* SPDX-License-Identifier: PostgreSQL */
/* A server, roles, claims and log-ins for the tests of the PostgreSQL driver. */
#include "test_cluster.h"

const char *host, *port, *ca, *passfile, *folder, *log_path;
struct pg *super;
struct cluster *cluster, *limited;

struct secret *secret_of(const char *text)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(strlen(text) + 1, &s), STATUS_OK);
	assert_int_equal(secret_set(s, text, strlen(text)), STATUS_OK);
	return s;
}

bool has_tls(void)
{
	return ca[0] != '\0';
}

void conninfo_for(const char *user, const char *dbname, char *buf, size_t n)
{
	snprintf(buf, n, "host=%s port=%s dbname=%s user=%s sslmode=%s%s%s",
		 host, port, dbname, user,
		 has_tls() ? "verify-full" : "disable",
		 has_tls() ? " sslrootcert=" : "", ca);
}

struct pg *superuser_session(void)
{
	char conninfo[1024];
	struct pg_login login = { .passfile = passfile,
				  .read_write = true,
				  .timeout_us = 10 * NOW_SECOND,
				  .application_name = "test" };
	struct pg_info *info = NULL;
	struct reason why = { "" };
	struct pg *pg = NULL;

	conninfo_for("postgres", "postgres", conninfo, sizeof(conninfo));
	assert_int_equal(pg_info_parse(conninfo, false, &info, &why),
			 STATUS_OK);
	login.info = info;
	if (pg_connect(&login, &pg, NULL, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	pg_info_free(info);
	return pg;
}

/* The first cell of what it gives, as a static string; it must work. */
const char *run_on(struct pg *pg, const char *text)
{
	static char answer[1024];
	struct pg_query q = { .sql = text, .timeout_us = 30 * NOW_SECOND };
	struct reason why = { "" };

	if (pg_run(pg, &q, &why) != STATUS_OK)
		fail_msg("%s: %s", text, why.text);
	snprintf(answer, sizeof(answer), "%s",
		 pg_rows(q.result) > 0 ? pg_value(q.result, 0, 0) : "(no row)");
	pg_result_free(q.result);
	return answer;
}

/* Run SQL as the superuser; it must work. */
void sql(const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	run_on(super, text);
}

/* The first cell of a query's answer, as a static string. */
const char *ask(const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return run_on(super, text);
}

struct cluster *open_cluster(const char *user, const char *admin_passfile,
			     int64_t lock_timeout_us, int64_t claim_max_us)
{
	char conninfo[1024];
	struct cluster_postgres_options o = {
		.name = "test",
		.conninfo = conninfo,
		.admin_passfile = admin_passfile,
		.lock_timeout_us = lock_timeout_us,
		.claim_max_us = claim_max_us,
		.connect_timeout_us = 10 * NOW_SECOND,
		.random = entropy_openssl(),
	};
	struct cluster *t = NULL;
	struct reason why = { "" };

	conninfo_for(user, "postgres", conninfo, sizeof(conninfo));
	if (cluster_postgres_open(&o, &t, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return t;
}

/* An admin with CREATEROLE only, which makes its own marker table. */
static struct cluster *open_limited(const char *admin_passfile)
{
	char conninfo[1024];
	struct cluster_postgres_options o = {
		.name = "limited",
		.conninfo = conninfo,
		.admin_passfile = admin_passfile,
		.marker_schema = "keyturn_limited",
	};
	struct cluster *t = NULL;
	struct reason why = { "" };

	conninfo_for("keyturn_admin", "postgres", conninfo, sizeof(conninfo));
	if (cluster_postgres_open(&o, &t, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return t;
}

struct cluster_session *session(struct cluster *t)
{
	struct cluster_session *s = NULL;
	struct reason why = { "" };

	if (t->ops->open(t, &s, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return s;
}

void uuid(char *buf)
{
	assert_int_equal(random_uuid(entropy_openssl(), buf), STATUS_OK);
}

enum status claim(struct cluster *t, struct cluster_session *s,
		  const char *role, bool takeover, char *ret_claim,
		  struct cluster_marker *ret, struct reason *why)
{
	const struct cluster_claim c = { .role = role,
					 .claim = ret_claim,
					 .takeover = takeover };

	uuid(ret_claim);
	return t->ops->claim(t, s, &c, ret, why);
}

void must_claim(struct cluster *t, struct cluster_session *s, const char *role,
		char *ret_claim, struct cluster_marker *ret)
{
	struct reason why = { "" };

	if (claim(t, s, role, false, ret_claim, ret, &why) != STATUS_OK)
		fail_msg("%s", why.text);
}

struct pg *consumer_of(const char *role, const char *application)
{
	char conninfo[512], with_name[640];
	struct secret *password = secret_of(PASSWORD);
	struct pg_login_report report;
	struct pg_login login = { .password = password,
				  .timeout_us = 20 * NOW_SECOND,
				  .user = role };
	struct pg_info *info = NULL;
	struct reason why = { "" };
	struct pg *pg = NULL;

	conninfo_for(role, "postgres", conninfo, sizeof(conninfo));
	snprintf(with_name, sizeof(with_name), "%s application_name='%s'",
		 conninfo, application);
	assert_int_equal(pg_info_parse(with_name, false, &info, &why),
			 STATUS_OK);
	login.info = info;
	login.application_name = application;
	if (pg_connect(&login, &pg, &report, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	pg_info_free(info);
	secret_free(password);
	return pg;
}

enum cluster_login login_as(struct cluster *t, const char *role,
			    const char *password)
{
	const struct cluster_who who = { .role = role };
	struct secret *s = secret_of(password);
	enum cluster_login login = CLUSTER_LOGIN_NO_EVIDENCE;
	struct reason why = { "" };

	if (t->ops->prove(t, &who, s, CLUSTER_PROOF_NEW, &login, &why) !=
	    STATUS_OK)
		fail_msg("%s", why.text);
	secret_free(s);
	return login;
}

enum status apply(struct cluster *t, struct cluster_session *s,
		  const char *role, const char *claim_id, const char *password,
		  char *ret_version, struct reason *why)
{
	struct secret *p = password != NULL ? secret_of(password) : NULL;
	const struct cluster_change c = {
		.kind = p != NULL ? CLUSTER_CHANGE_PASSWORD :
				    CLUSTER_CHANGE_MARKER,
		.role = role,
		.claim = claim_id,
		.version = ret_version,
		.password = p
	};
	bool alone = false;
	enum status st;

	uuid(ret_version);
	st = t->ops->apply(t, s, &c, &alone, why);
	secret_free(p);
	return st;
}

void rotate(struct cluster *t, const char *role, const char *password)
{
	struct cluster_session *s = session(t);
	char claim_id[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	must_claim(t, s, role, claim_id, &m);
	if (apply(t, s, role, claim_id, password, version, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	t->ops->release(t, s, true);
}

void new_role(const char *name)
{
	sql("DROP ROLE IF EXISTS %s", name);
	sql("CREATE ROLE %s LOGIN PASSWORD 'the-Old_Password.of-this-role'",
	    name);
}

static void make_member(const char *owner, const char *suffix)
{
	char name[CLUSTER_NAME_SIZE];

	snprintf(name, sizeof(name), "%s_%s", owner, suffix);
	new_role(name);
	sql(atoi(ask("SHOW server_version_num")) >= 160000 ?
		    "GRANT %s TO %s WITH INHERIT TRUE, SET TRUE" :
		    "GRANT %s TO %s",
	    owner, name);
	sql("ALTER ROLE %s SET role = %s", name, owner);
	let_rotate("keyturn_admin", name);
}

void new_pair(const char *name)
{
	sql("DROP ROLE IF EXISTS %s, %s_a, %s_b", name, name, name);
	sql("CREATE ROLE %s NOLOGIN", name);
	let_rotate("keyturn_admin", name);
	make_member(name, "a");
	make_member(name, "b");
}

void must_claim_pair(struct cluster *t, struct cluster_session *s,
		     const char *role, char *ret_claim,
		     struct cluster_marker *ret)
{
	const struct cluster_claim c = { .role = role,
					 .claim = ret_claim,
					 .pair = true };
	struct reason why = { "" };

	uuid(ret_claim);
	if (t->ops->claim(t, s, &c, ret, &why) != STATUS_OK)
		fail_msg("%s", why.text);
}

/* What docs/operators.md has a superuser say for PostgreSQL 16 and later. */
void let_rotate(const char *admin, const char *role)
{
	if (atoi(ask("SHOW server_version_num")) >= 160000)
		sql("GRANT %s TO %s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
		    role, admin);
}

void backend_of(struct cluster_session *s, const char *role, char *pid)
{
	(void)s;
	snprintf(pid, 16, "%s",
		 ask("SELECT claim_pid FROM keyturn.marker m JOIN pg_roles r "
		     "ON r.oid = m.role_oid WHERE r.rolname = '%s'",
		     role));
}

void write_file(const char *path, mode_t mode, const char *fmt, ...)
{
	FILE *f = fopen(path, "w");
	va_list ap;

	assert_non_null(f);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

int set_up(void **state)
{
	char file[600];

	(void)state;
	host = getenv("KEYTURN_TEST_PG_HOST");
	port = getenv("KEYTURN_TEST_PG_PORT");
	ca = getenv("KEYTURN_TEST_PG_CA");
	passfile = getenv("KEYTURN_TEST_PG_PASSFILE");
	folder = getenv("KEYTURN_TEST_PG_DIR");
	log_path = getenv("KEYTURN_TEST_PG_LOG");
	if (!host || !port || !ca || !passfile || !folder || !log_path) {
		print_error(
			"run me through tests/unit/cluster/with-postgres\n");
		return -1;
	}
	super = superuser_session();
	sql("CREATE ROLE trust_role LOGIN PASSWORD '" OLD "'");
	sql("CREATE ROLE keyturn_admin LOGIN CREATEROLE PASSWORD 'the-admin'");
	sql("GRANT CREATE ON DATABASE postgres TO keyturn_admin");
	snprintf(file, sizeof(file), "%s/admin", folder);
	write_file(file, 0600, "*:*:*:*:the-admin\n");
	cluster = open_cluster("postgres", passfile, 0, 0);
	limited = open_limited(file);
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	cluster->ops->close(cluster);
	limited->ops->close(limited);
	pg_close(super);
	return 0;
}
