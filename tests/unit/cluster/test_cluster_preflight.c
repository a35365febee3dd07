/* SPDX-License-Identifier: PostgreSQL */
/* The preflight, and many runs at once. */
#include "test_cluster.h"

struct heard {
	char topics[512];
	char first_fail[512];
	unsigned n;
};

static void hear(void *arg, enum cluster_severity severity, const char *topic,
		 const char *sentence)
{
	struct heard *h = arg;
	size_t used = strlen(h->topics);

	assert_true(strlen(sentence) > 10);
	assert_null(strchr(sentence, '\n'));
	snprintf(h->topics + used, sizeof(h->topics) - used, "%c:%s ",
		 "NWF"[severity], topic);
	if (severity == CLUSTER_FAIL && h->first_fail[0] == '\0')
		snprintf(h->first_fail, sizeof(h->first_fail), "%s", sentence);
	h->n++;
}

static enum status preflight(struct cluster *t, const char *role,
			     struct heard *h, struct reason *why)
{
	struct cluster_session *s = session(t);
	enum status st;

	memset(h, 0, sizeof(*h));
	st = t->ops->preflight(t, s, role, NULL, hear, h, why);
	t->ops->release(t, s, true);
	return st;
}

static void preflight_lets_a_sound_role_pass(void **state)
{
	struct heard h;
	struct reason why = { "" };

	(void)state;
	new_role("sound_role");
	let_rotate("keyturn_admin", "sound_role");
	assert_int_equal(preflight(cluster, "sound_role", &h, &why), STATUS_OK);
	assert_null(strstr(h.topics, "F:"));
	assert_non_null(strstr(h.topics, "N:logging")); /* log_statement=all */
	assert_int_equal(preflight(limited, "sound_role", &h, &why), STATUS_OK);
}

static void preflight_refuses_what_cannot_be_rotated(void **state)
{
	struct heard h;
	struct reason why = { "" };

	(void)state;
	sql("DROP ROLE IF EXISTS a_superuser");
	sql("CREATE ROLE a_superuser LOGIN SUPERUSER");
	sql("DROP ROLE IF EXISTS a_replicator");
	sql("CREATE ROLE a_replicator LOGIN REPLICATION");
	new_role("bad_role");
	assert_int_equal(preflight(cluster, "no_such_role", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "no role no_such_role"));
	assert_int_equal(preflight(cluster, "a_superuser", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "superuser"));
	assert_int_equal(preflight(cluster, "pg_monitor", &h, &why),
			 STATUS_REFUSED);
	assert_int_equal(preflight(cluster, "postgres", &h, &why),
			 STATUS_REFUSED);
	assert_int_equal(preflight(limited, "keyturn_admin", &h, &why),
			 STATUS_REFUSED);
	assert_int_equal(preflight(limited, "a_replicator", &h, &why),
			 STATUS_REFUSED);
	sql("ALTER ROLE bad_role NOLOGIN");
	assert_int_equal(preflight(cluster, "bad_role", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "NOLOGIN"));
	sql("ALTER ROLE bad_role LOGIN VALID UNTIL '2001-01-01'");
	assert_int_equal(preflight(cluster, "bad_role", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "expired"));
	sql("ALTER ROLE bad_role VALID UNTIL 'infinity' CONNECTION LIMIT 0");
	assert_int_equal(preflight(cluster, "bad_role", &h, &why), STATUS_OK);
	assert_non_null(strstr(h.topics, "W:role"));
	sql("ALTER ROLE keyturn_admin NOCREATEROLE");
	assert_int_equal(preflight(limited, "bad_role", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "CREATEROLE"));
	sql("ALTER ROLE keyturn_admin CREATEROLE");
}

static void preflight_names_the_sql_for_a_marker_it_may_not_create(void **state)
{
	char conninfo[1024], file[600];
	struct cluster_postgres_options o = { .name = "poor",
					      .conninfo = conninfo,
					      .admin_passfile = file,
					      .marker_schema = "not there" };
	struct cluster *t = NULL;
	struct cluster_session *s;
	struct heard h;
	struct cluster_marker m;
	char one[RANDOM_UUID_SIZE];
	struct reason why = { "" };

	(void)state;
	new_role("poor_partner");
	sql("DROP ROLE IF EXISTS poor_admin");
	sql("CREATE ROLE poor_admin LOGIN CREATEROLE PASSWORD 'poor-admin'");
	let_rotate("poor_admin", "poor_partner");
	snprintf(file, sizeof(file), "%s/poor", folder);
	write_file(file, 0600, "*:*:*:*:poor-admin\n");
	conninfo_for("poor_admin", "postgres", conninfo, sizeof(conninfo));
	assert_int_equal(cluster_postgres_open(&o, &t, &why), STATUS_OK);
	assert_int_equal(preflight(t, "poor_partner", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "CREATE SCHEMA \"not there\" "
					 "AUTHORIZATION \"poor_admin\""));
	s = session(t);
	assert_int_equal(claim(t, s, "poor_partner", false, one, &m, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "CREATE SCHEMA \"not there\" "
					 "AUTHORIZATION \"poor_admin\""));
	t->ops->release(t, s, true);
	/* What the sentence says to run does mend it. */
	sql("CREATE SCHEMA \"not there\" AUTHORIZATION \"poor_admin\"");
	rotate(t, "poor_partner", PASSWORD);
	assert_int_equal(preflight(t, "poor_partner", &h, &why), STATUS_OK);
	assert_int_equal(login_as(t, "poor_partner", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	t->ops->close(t);
	sql("DROP SCHEMA \"not there\" CASCADE");
}

static void a_passfile_that_others_can_read_is_refused(void **state)
{
	char file[600];
	struct cluster *t;
	struct cluster_session *s = NULL;
	struct reason why = { "" };

	(void)state;
	snprintf(file, sizeof(file), "%s/open", folder);
	write_file(file, 0644, "*:*:*:*:x\n");
	t = open_cluster("postgres", file, 0, 0);
	assert_int_equal(t->ops->open(t, &s, &why), STATUS_CONFIG);
	assert_non_null(strstr(why.text, "chmod 600"));
	t->ops->close(t);
}

static void a_read_only_server_is_refused(void **state)
{
	struct cluster *t;
	struct cluster_session *s = NULL;
	struct reason why = { "" };

	(void)state;
	sql("ALTER ROLE postgres SET default_transaction_read_only = on");
	t = open_cluster("postgres", passfile, 0, 0);
	assert_int_equal(t->ops->open(t, &s, &why), STATUS_REFUSED);
	assert_non_null(strstr(why.text, "read-only"));
	t->ops->close(t);
	sql("ALTER ROLE postgres RESET ALL");
}

/* ---- at once ---- */

struct rotator {
	struct cluster *t;
	unsigned id;
	bool ok;
};

static void *rotator_thread(void *arg)
{
	struct rotator *r = arg;
	char role[32], one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_session *s = NULL;
	struct cluster_marker m;
	struct reason why = { "" };
	struct secret *p = NULL;
	unsigned i;

	snprintf(role, sizeof(role), "crowd_%u", r->id);
	r->ok = secret_new(64, &p) == STATUS_OK &&
		secret_set(p, PASSWORD, strlen(PASSWORD)) == STATUS_OK;
	for (i = 0; r->ok && i < 4; i++) {
		const struct cluster_who who = { .role = role };
		const struct cluster_claim c = { .role = role, .claim = one };
		const struct cluster_change change = { .role = role,
						       .claim = one,
						       .version = version,
						       .password = p };
		enum cluster_login login = CLUSTER_LOGIN_NO_EVIDENCE;
		bool alone = false;

		r->ok = r->t->ops->open(r->t, &s, &why) == STATUS_OK &&
			r->t->ops->preflight(r->t, s, role, NULL, NULL, NULL,
					     &why) == STATUS_OK &&
			random_uuid(entropy_openssl(), one) == STATUS_OK &&
			random_uuid(entropy_openssl(), version) == STATUS_OK &&
			r->t->ops->claim(r->t, s, &c, &m, &why) == STATUS_OK &&
			r->t->ops->apply(r->t, s, &change, &alone, &why) ==
				STATUS_OK &&
			r->t->ops->prove(r->t, &who, p, CLUSTER_PROOF_NEW,
					 &login, &why) == STATUS_OK &&
			login == CLUSTER_LOGIN_RIGHT;
		if (s != NULL)
			r->t->ops->release(r->t, s, r->ok);
		s = NULL;
	}
	if (!r->ok)
		print_error("%s: %s\n", role, why.text);
	secret_free(p);
	return NULL;
}

static void many_threads_rotate_their_roles_at_once(void **state)
{
	struct rotator rotators[8];
	pthread_t threads[8];
	char name[32];
	unsigned i;

	(void)state;
	/* The table is made by whoever comes first. */
	sql("DROP SCHEMA IF EXISTS keyturn_limited CASCADE");
	for (i = 0; i < 8; i++) {
		snprintf(name, sizeof(name), "crowd_%u", i);
		new_role(name);
		let_rotate("keyturn_admin", name);
		rotators[i] = (struct rotator){ limited, i, false };
	}
	for (i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						rotator_thread, &rotators[i]),
				 0);
	for (i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	for (i = 0; i < 8; i++)
		assert_true(rotators[i].ok);
}

const struct CMUnitTest test_cluster_preflight[] = {
	cmocka_unit_test(preflight_lets_a_sound_role_pass),
	cmocka_unit_test(preflight_refuses_what_cannot_be_rotated),
	cmocka_unit_test(
		preflight_names_the_sql_for_a_marker_it_may_not_create),
	cmocka_unit_test(a_passfile_that_others_can_read_is_refused),
	cmocka_unit_test(a_read_only_server_is_refused),
	cmocka_unit_test(many_threads_rotate_their_roles_at_once),
	{ .name = NULL },
};
