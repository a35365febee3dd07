/* SPDX-License-Identifier: PostgreSQL */
/* Who uses a role: sessions, and logins that were noted. */
#include "cluster/cluster_tools.h"
#include "test_cluster.h"

struct seen {
	char who[512]; /* "login/application/old " of each */
	char version[RANDOM_UUID_SIZE];
	int64_t hidden, logins;
};

static enum status see(void *arg, const struct cluster_seen *s)
{
	struct seen *x = arg;
	size_t used = strlen(x->who);

	if (s->hidden) {
		x->hidden += s->count;
		assert_string_equal(s->address, "");
		return STATUS_OK;
	}
	snprintf(x->who + used, sizeof(x->who) - used, "%s/%s/%s ", s->login,
		 s->application, s->after_us < 0 ? "old" : "new");
	snprintf(x->version, sizeof(x->version), "%s", s->version);
	assert_true(s->last_ago_us >= 0);
	assert_true(s->first_ago_us >= s->last_ago_us);
	x->logins += s->count;
	return STATUS_OK;
}

static struct seen sessions_of(struct cluster *t)
{
	struct seen x = { .hidden = 0 };
	struct reason why = { "" };

	if (t->tools->sessions(t, NULL, 0, see, &x, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return x;
}

static void sessions_are_told_apart_by_when_they_began(void **state)
{
	struct seen x;
	struct pg *old, *new;

	(void)state;
	new_role("watched_role");
	rotate(cluster, "watched_role", PASSWORD);
	old = consumer_of("watched_role", "etl");
	x = sessions_of(cluster);
	assert_string_equal(x.who, "watched_role/etl/new ");
	rotate(cluster, "watched_role", PASSWORD);
	new = consumer_of("watched_role", "etl");
	x = sessions_of(cluster);
	assert_non_null(strstr(x.who, "watched_role/etl/old "));
	assert_non_null(strstr(x.who, "watched_role/etl/new "));
	assert_int_equal(strlen(x.who), 2 * strlen("watched_role/etl/old "));
	assert_string_equal(x.version,
			    ask("SELECT live_version FROM keyturn.marker WHERE "
				"role_name = 'watched_role'"));
	pg_close(old);
	pg_close(new);
}

static void sessions_of_others_and_our_own_are_left_out(void **state)
{
	struct seen x;
	struct pg *ours, *others;

	(void)state;
	new_role("unmarked_role");
	rotate(cluster, "unmarked_role", PASSWORD);
	sql("DELETE FROM keyturn.marker WHERE role_name = 'unmarked_role'");
	others = consumer_of("unmarked_role", "etl");
	ours = consumer_of("watched_role", "keyturn prove");
	x = sessions_of(cluster);
	assert_string_equal(x.who, "");
	pg_close(ours);
	pg_close(others);
}

static void without_the_right_only_their_number_is_seen(void **state)
{
	struct reason why = { "" };
	struct pg *pg;
	struct seen x;

	(void)state;
	new_role("dim_role");
	let_rotate("keyturn_admin", "dim_role");
	rotate(limited, "dim_role", PASSWORD);
	sql("REVOKE dim_role FROM keyturn_admin");
	pg = consumer_of("dim_role", "etl");
	x = sessions_of(limited);
	assert_string_equal(x.who, "");
	assert_int_equal(x.hidden, 1);
	assert_int_equal(limited->tools->sees(limited, "dim_role", &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "GRANT \"dim_role\" TO "
					 "\"keyturn_admin\""));
	assert_non_null(strstr(why.text,
			       "GRANT pg_read_all_stats TO \"keyturn_admin\""));
	sql("GRANT dim_role TO keyturn_admin");
	assert_int_equal(limited->tools->sees(limited, "dim_role", &why),
			 STATUS_OK);
	x = sessions_of(limited);
	assert_string_equal(x.who, "dim_role/etl/new ");
	pg_close(pg);
}

/* ---- noted logins ---- */

static enum status logins_of(struct cluster *t, const char *database,
			     struct seen *x, struct reason *why)
{
	memset(x, 0, sizeof(*x));
	return t->tools->logins(t, database, see, x, why);
}

static void note(const char *role, const char *application, const char *ago)
{
	sql("INSERT INTO keyturn_login.noted SELECT oid, '192.0.2.7', '%s', "
	    "7, now() - interval '1 day', now() - interval '%s' FROM pg_roles "
	    "WHERE rolname = '%s'",
	    application, ago, role);
}

static void noted_logins_are_read_where_a_superuser_made_the_table(void **state)
{
	struct reason why = { "" };
	struct seen x;

	(void)state;
	sql("DROP SCHEMA IF EXISTS keyturn_login CASCADE");
	assert_int_equal(logins_of(cluster, "", &x, &why), STATUS_NOT_FOUND);
	sql("CREATE SCHEMA keyturn_login");
	sql("CREATE TABLE keyturn_login.noted(login oid, address text, "
	    "application text, logins bigint, first_at timestamptz, "
	    "last_at timestamptz)");
	rotate(cluster, "watched_role", PASSWORD);
	note("watched_role", "late", "-1 second");
	note("watched_role", "early", "1 hour");
	note("unmarked_role", "etl", "0");
	note("watched_role", "keyturn prove", "0");
	assert_int_equal(logins_of(cluster, "", &x, &why), STATUS_OK);
	assert_string_equal(x.who,
			    "watched_role/late/new watched_role/early/old ");
	assert_int_equal(x.logins, 14);
	assert_int_equal(logins_of(cluster, "postgres", &x, &why), STATUS_OK);
	assert_int_equal(logins_of(cluster, "template1", &x, &why),
			 STATUS_NOT_FOUND);
	/* Who is let in first, then who may read. */
	assert_int_equal(logins_of(limited, "", &x, &why), STATUS_REFUSED);
	assert_non_null(strstr(why.text, "GRANT USAGE ON SCHEMA keyturn_login "
					 "TO \"keyturn_admin\""));
	sql("ALTER TABLE keyturn_login.noted OWNER TO unmarked_role");
	assert_int_equal(logins_of(cluster, "", &x, &why), STATUS_REFUSED);
	assert_non_null(strstr(why.text, "only a superuser can change"));
	sql("DROP SCHEMA keyturn_login CASCADE");
	sql("CREATE SCHEMA keyturn_login");
	sql("CREATE VIEW keyturn_login.noted AS SELECT 1 AS login");
	assert_int_equal(logins_of(cluster, "", &x, &why), STATUS_REFUSED);
	sql("DROP SCHEMA keyturn_login CASCADE");
}

const struct CMUnitTest test_cluster_activity[] = {
	cmocka_unit_test(sessions_are_told_apart_by_when_they_began),
	cmocka_unit_test(sessions_of_others_and_our_own_are_left_out),
	cmocka_unit_test(without_the_right_only_their_number_is_seen),
	cmocka_unit_test(
		noted_logins_are_read_where_a_superuser_made_the_table),
	{ .name = NULL },
};
