/* SPDX-License-Identifier: PostgreSQL */
/* Two login roles in turn: what they must be, who uses them, and proofs. */
#include "test_cluster.h"

struct heard {
	unsigned fails, warns, notes;
	char first[CLUSTER_MEMBERS + 1][512]; /* by severity */
};

static void hear(void *arg, enum cluster_severity severity, const char *topic,
		 const char *sentence)
{
	struct heard *h = arg;

	(void)topic;
	assert_null(strchr(sentence, '\n'));
	/* What is said of the cluster is no matter here. */
	if (strcmp(topic, "pair") != 0 &&
	    strcmp(topic, CLUSTER_TOPIC_OBJECTS) != 0 &&
	    severity != CLUSTER_FAIL)
		return;
	if (h->first[severity][0] == '\0')
		snprintf(h->first[severity], sizeof(h->first[severity]), "%s",
			 sentence);
	h->fails += severity == CLUSTER_FAIL;
	h->warns += severity == CLUSTER_WARN;
	h->notes += severity == CLUSTER_NOTE;
}

static struct heard check_three(struct cluster *t, const char *role,
				const char *a, const char *b)
{
	const struct cluster_pair pair = { .members = { a, b } };
	struct cluster_session *s = session(t);
	struct heard h = { 0 };
	struct reason why = { "" };
	enum status st;

	st = t->ops->preflight(t, s, role, &pair, hear, &h, &why);
	assert_int_equal(st, h.fails > 0 ? STATUS_REFUSED : STATUS_OK);
	t->ops->release(t, s, true);
	return h;
}

static struct heard check(struct cluster *t, const char *role)
{
	char a[CLUSTER_NAME_SIZE], b[CLUSTER_NAME_SIZE];

	snprintf(a, sizeof(a), "%s_a", role);
	snprintf(b, sizeof(b), "%s_b", role);
	return check_three(t, role, a, b);
}

static void is_sound(struct cluster *t, const char *role)
{
	struct heard h = check(t, role);

	if (h.fails + h.warns > 0)
		fail_msg("%s", h.fails > 0 ? h.first[CLUSTER_FAIL] :
					     h.first[CLUSTER_WARN]);
}

/* The one failure has this word; its SQL, from "run " to the end or to `stop`,
 * mends it. */
static void fails_and_is_mended(const char *role, const char *word,
				const char *stop)
{
	struct heard h = check(cluster, role);
	const char *run = strstr(h.first[CLUSTER_FAIL], "run ");
	char mend[512];
	char *end;

	if (h.fails != 1 || run == NULL ||
	    strstr(h.first[CLUSTER_FAIL], word) == NULL)
		fail_msg("%u failures, not one with \"%s\": %s", h.fails, word,
			 h.first[CLUSTER_FAIL]);
	snprintf(mend, sizeof(mend), "%s", run + strlen("run "));
	end = stop != NULL ? strstr(mend, stop) : NULL;
	if (end != NULL)
		*end = '\0';
	sql("%s", mend);
	is_sound(cluster, role);
}

static void a_sound_pair_passes(void **state)
{
	struct heard h;

	(void)state;
	new_pair("sound");
	is_sound(cluster, "sound");
	is_sound(limited, "sound");
	sql("ALTER ROLE sound_a NOLOGIN");
	sql("ALTER ROLE sound_b NOLOGIN");
	is_sound(limited, "sound");
	/* A login role that is to be the owner. */
	sql("ALTER ROLE sound LOGIN");
	h = check(limited, "sound");
	assert_int_equal(h.fails, 0);
	assert_non_null(strstr(h.first[CLUSTER_NOTE], "logs in itself"));
}

static void members_are_checked_like_single_roles(void **state)
{
	struct heard h;

	(void)state;
	new_pair("checked");
	assert_int_equal(check_three(cluster, "checked", "checked_a",
				     "checked_none")
				 .fails,
			 1);
	assert_int_equal(check_three(cluster, "no_owner", "checked_a",
				     "checked_b")
				 .fails,
			 1);
	sql("ALTER ROLE checked_b SUPERUSER");
	h = check(cluster, "checked");
	assert_int_equal(h.fails, 1);
	assert_non_null(strstr(h.first[CLUSTER_FAIL], "checked_b is a super"));
	sql("ALTER ROLE checked_b NOSUPERUSER");
	sql("ALTER ROLE checked_a REPLICATION");
	fails_and_is_mended("checked", "REPLICATION", NULL);
	sql("ALTER ROLE checked_a VALID UNTIL '2001-01-01'");
	sql("ALTER ROLE checked_b VALID UNTIL '2001-01-01'");
	h = check(cluster, "checked");
	assert_int_equal(h.fails, 2);
	assert_non_null(strstr(h.first[CLUSTER_FAIL], "expired"));
	sql("ALTER ROLE checked_a VALID UNTIL 'infinity'");
	sql("ALTER ROLE checked_b VALID UNTIL 'infinity'");
	is_sound(cluster, "checked");
	sql("ALTER ROLE keyturn_admin NOCREATEROLE");
	h = check(limited, "checked");
	assert_int_equal(h.fails, 2);
	assert_non_null(strstr(h.first[CLUSTER_FAIL], "CREATEROLE"));
	sql("ALTER ROLE keyturn_admin CREATEROLE");
	h = check_three(cluster, "checked", "checked_a", "checked_a");
	assert_non_null(strstr(h.first[CLUSTER_FAIL], "three roles"));
	h = check_three(cluster, "checked", "checked", "checked_b");
	assert_non_null(strstr(h.first[CLUSTER_FAIL], "three roles"));
	h = check_three(cluster, "checked", "checked_a", "b\n");
	assert_non_null(strstr(h.first[CLUSTER_FAIL], "1 to 63 bytes"));
}

static void members_are_their_owners_and_nobody_elses(void **state)
{
	bool newer = atoi(ask("SHOW server_version_num")) >= 160000;

	(void)state;
	new_pair("tied");
	sql("REVOKE tied FROM tied_a");
	fails_and_is_mended("tied", "does not inherit from its owner", NULL);
	if (newer) {
		sql("GRANT tied TO tied_a WITH INHERIT FALSE");
		fails_and_is_mended("tied", "does not inherit", NULL);
		sql("GRANT tied TO tied_a WITH SET FALSE");
		fails_and_is_mended("tied", "may not become it", NULL);
	} else {
		sql("ALTER ROLE tied_a NOINHERIT");
		sql("ALTER ROLE tied_b NOINHERIT");
		assert_int_equal(check(cluster, "tied").fails, 2);
		sql("ALTER ROLE tied_a INHERIT");
		sql("ALTER ROLE tied_b INHERIT");
	}
	sql("GRANT tied_b TO tied_a");
	assert_int_equal(check(cluster, "tied").fails, 2);
	sql("REVOKE tied_b FROM tied_a");
	sql("REVOKE tied FROM tied_b");
	sql("GRANT tied_b TO tied");
	assert_true(check(cluster, "tied").fails >= 2);
	sql("REVOKE tied_b FROM tied");
	sql(newer ? "GRANT tied TO tied_b WITH INHERIT TRUE, SET TRUE" :
		    "GRANT tied TO tied_b");
	sql("ALTER ROLE tied_b RESET role");
	fails_and_is_mended("tied", "do not begin as its owner", NULL);
	sql("ALTER ROLE tied_b SET role = 'tied_b'");
	fails_and_is_mended("tied", "do not begin as its owner", NULL);
	sql("ALTER ROLE tied_b IN DATABASE postgres SET role = tied_b");
	fails_and_is_mended("tied", "in database postgres", NULL);
}

static void what_is_not_inherited_is_equal(void **state)
{
	static const char *const changes[][2] = {
		{ "ALTER ROLE twin_a CREATEDB", "CREATEDB" },
		{ "ALTER ROLE twin_b CREATEROLE", "CREATEROLE" },
		{ "ALTER ROLE twin_a BYPASSRLS", "BYPASSRLS" },
		{ "ALTER ROLE twin_b CONNECTION LIMIT 9", "CONNECTION LIMIT" },
		{ "ALTER ROLE twin_a VALID UNTIL '2099-01-01'", "VALID UNTIL" },
		{ "ALTER ROLE twin_b VALID UNTIL 'infinity'", "VALID UNTIL" },
		{ "ALTER ROLE twin_a SET search_path = \"$user\", public",
		  "search_path" },
		{ "ALTER ROLE twin_b SET work_mem = '8MB'", "work_mem" },
		{ "ALTER ROLE twin_a SET application_name = 'it''s \\ x'",
		  "application_name" },
		{ "ALTER ROLE twin_a IN DATABASE postgres SET datestyle = "
		  "'ISO, DMY'",
		  "DateStyle in database postgres" },
		{ "GRANT twin_group TO twin_a", "membership in twin_group" },
		{ "GRANT pg_monitor TO twin_b", "membership in pg_monitor" },
		{ "GRANT twin TO twin_a WITH ADMIN OPTION",
		  "membership in twin" },
	};
	struct heard h;

	(void)state;
	new_pair("twin");
	sql("DROP ROLE IF EXISTS twin_group");
	sql("CREATE ROLE twin_group");
	sql("ALTER ROLE twin_a VALID UNTIL 'infinity'");
	is_sound(cluster, "twin");
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		sql("%s", changes[i][0]);
		fails_and_is_mended("twin", changes[i][1], ", or change");
	}
	/* What may be an application's secret is not shown. */
	sql("ALTER ROLE twin_a SET app.token = 'do-not-print'");
	h = check(cluster, "twin");
	assert_int_equal(h.fails, 1);
	assert_non_null(strstr(h.first[CLUSTER_FAIL], "app.token"));
	assert_null(strstr(h.first[CLUSTER_FAIL], "do-not-print"));
	sql("ALTER ROLE twin_a RESET app.token");
	sql("ALTER ROLE twin_a RESET ALL");
	sql("ALTER ROLE twin_b RESET ALL");
	sql("REVOKE twin_group FROM twin_a, twin_b");
}

static void what_a_member_has_for_itself_is_told(void **state)
{
	struct heard h;

	(void)state;
	new_pair("rich");
	sql("CREATE TABLE public.riches (a int)");
	sql("ALTER TABLE public.riches OWNER TO rich_a");
	h = check(cluster, "rich");
	assert_true(h.fails == 0 && h.warns == 1);
	assert_non_null(strstr(h.first[CLUSTER_WARN],
			       "REASSIGN OWNED BY \"rich_a\" TO \"rich\""));
	sql("ALTER TABLE public.riches OWNER TO rich");
	sql("GRANT SELECT ON public.riches TO rich_b");
	h = check(cluster, "rich");
	assert_true(h.fails == 0 && h.warns == 1);
	assert_non_null(strstr(h.first[CLUSTER_WARN], "grants"));
	sql("REVOKE SELECT ON public.riches FROM rich_b");
	sql("ALTER DEFAULT PRIVILEGES FOR ROLE rich_a GRANT SELECT ON TABLES "
	    "TO PUBLIC");
	h = check(cluster, "rich");
	assert_true(h.fails == 0 && h.warns == 1);
	assert_non_null(strstr(h.first[CLUSTER_WARN], "DEFAULT PRIVILEGES"));
	sql("DROP OWNED BY rich_a");
	sql("CREATE POLICY p ON public.riches TO rich_b USING (true)");
	h = check(cluster, "rich");
	assert_true(h.fails == 0 && h.warns == 1);
	assert_non_null(strstr(h.first[CLUSTER_WARN], "policies"));
	sql("DROP TABLE public.riches");
	is_sound(cluster, "rich");
}

/* ---- whose password is live ---- */

static void turn(struct cluster *t, const char *role, const char *member,
		 enum cluster_change_kind kind)
{
	char claim_id[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	bool sets = kind == CLUSTER_CHANGE_PASSWORD;
	struct secret *password = secret_of(PASSWORD);
	const struct cluster_change c = {
		.kind = kind,
		.role = role,
		.member = member,
		.claim = claim_id,
		.version = kind < CLUSTER_CHANGE_NOLOGIN ? version : NULL,
		.password = sets ? password : NULL
	};
	struct cluster_session *s = session(t);
	struct reason why = { "" };
	struct cluster_marker m;
	bool alone = false;

	must_claim_pair(t, s, role, claim_id, &m);
	uuid(version);
	if (t->ops->apply(t, s, &c, &alone, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	t->ops->release(t, s, true);
	secret_free(password);
}

static void the_owner_logs_in_only_while_it_is_adopted(void **state)
{
	struct heard h;

	(void)state;
	new_pair("owned");
	sql("ALTER ROLE owned LOGIN PASSWORD '" OLD "'");
	turn(cluster, "owned", NULL, CLUSTER_CHANGE_MARKER);
	h = check(cluster, "owned");
	assert_true(h.fails == 0 && h.notes > 0);
	turn(cluster, "owned", "owned_a", CLUSTER_CHANGE_PASSWORD);
	h = check(cluster, "owned");
	assert_true(h.fails == 0 && h.notes > 0);
	turn(cluster, "owned", "owned", CLUSTER_CHANGE_NOLOGIN);
	is_sound(cluster, "owned");
	turn(cluster, "owned", "owned", CLUSTER_CHANGE_CLEAR);
	sql("ALTER ROLE owned LOGIN");
	fails_and_is_mended("owned", "members may change its password", NULL);
	/* The live one is NOLOGIN: by another. */
	sql("ALTER ROLE owned_a NOLOGIN");
	fails_and_is_mended("owned", "has the live password", NULL);
	sql("ALTER ROLE owned_b NOLOGIN");
	is_sound(cluster, "owned");
}

static void without_an_administrator_there_are_no_pairs(void **state)
{
	char conninfo[1024], one[RANDOM_UUID_SIZE];
	struct cluster_postgres_options o = { .name = "selves",
					      .conninfo = conninfo,
					      .admin = CLUSTER_ADMIN_SELF,
					      .marker = CLUSTER_MARKER_NONE };
	struct secret *p = secret_of(OLD);
	const struct cluster_candidate candidate = { "", p };
	const struct cluster_pair pair = { .members = { "alone_a",
							"alone_b" } };
	const struct cluster_claim c = { .role = "alone_a",
					 .claim = one,
					 .pair = true };
	struct cluster_session *s = NULL;
	struct cluster_marker m;
	struct reason why = { "" };
	struct cluster *t = NULL;

	(void)state;
	new_pair("alone");
	conninfo_for("alone_a", "postgres", conninfo, sizeof(conninfo));
	assert_int_equal(cluster_postgres_open(&o, &t, &why), STATUS_OK);
	sql("ALTER ROLE alone_a RESET role");
	assert_int_equal(t->ops->open_as(t, "alone_a", &candidate, 1, &s, &why),
			 STATUS_OK);
	assert_int_equal(t->ops->preflight(t, s, "alone", &pair, NULL, NULL,
					   &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "two login roles in turn"));
	uuid(one);
	assert_int_equal(t->ops->claim(t, s, &c, &m, &why), STATUS_REFUSED);
	t->ops->release(t, s, true);
	t->ops->close(t);
	secret_free(p);
}

static void an_older_table_that_cannot_be_widened_is_told_before(void **state)
{
	char conninfo[1024], file[600];
	struct cluster_postgres_options o = { .name = "narrow",
					      .conninfo = conninfo,
					      .admin_passfile = file,
					      .marker_schema = "narrow" };
	struct cluster *t = NULL;
	struct reason why = { "" };
	struct heard h;

	(void)state;
	new_pair("kept_narrow");
	snprintf(file, sizeof(file), "%s/admin", folder);
	conninfo_for("keyturn_admin", "postgres", conninfo, sizeof(conninfo));
	sql("CREATE SCHEMA narrow");
	sql("CREATE TABLE narrow.marker AS SELECT role_oid, role_name, "
	    "live_version, claim, epoch, claim_pid, claim_backend_start, "
	    "claimed_at, applied_at, fingerprint, branch FROM keyturn.marker "
	    "WITH NO DATA");
	sql("GRANT USAGE ON SCHEMA narrow TO keyturn_admin");
	sql("GRANT SELECT, INSERT, UPDATE ON narrow.marker TO keyturn_admin");
	assert_int_equal(cluster_postgres_open(&o, &t, &why), STATUS_OK);
	h = check(t, "kept_narrow");
	assert_int_equal(h.fails, 1);
	assert_non_null(strstr(h.first[CLUSTER_FAIL], "ALTER TABLE"));
	sql("%s", strstr(h.first[CLUSTER_FAIL], "ALTER TABLE"));
	is_sound(t, "kept_narrow");
	t->ops->close(t);
	sql("DROP SCHEMA narrow CASCADE");
}

/* ---- who uses them ---- */

static struct pg *log_in(const char *user, const char *application)
{
	char conninfo[1024];
	struct secret *p = secret_of(OLD);
	struct pg_login login = { .password = p,
				  .timeout_us = 10 * NOW_SECOND,
				  .application_name = application };
	struct pg_info *info = NULL;
	struct reason why = { "" };
	struct pg *pg = NULL;

	conninfo_for(user, "postgres", conninfo, sizeof(conninfo));
	assert_int_equal(pg_info_parse(conninfo, false, &info, &why),
			 STATUS_OK);
	login.info = info;
	if (pg_connect(&login, &pg, NULL, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	pg_info_free(info);
	secret_free(p);
	return pg;
}

static void peek(struct cluster *t, const char *role,
		 struct cluster_member ret[CLUSTER_MEMBERS + 1])
{
	char a[CLUSTER_NAME_SIZE], b[CLUSTER_NAME_SIZE];
	const struct cluster_pair pair = { .members = { a, b } };
	struct cluster_session *s = session(t);
	struct reason why = { "" };

	snprintf(a, sizeof(a), "%s_a", role);
	snprintf(b, sizeof(b), "%s_b", role);
	if (t->ops->peek(t, s, role, &pair, ret, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	t->ops->release(t, s, true);
}

static void who_uses_a_member_is_seen(void **state)
{
	struct cluster_member m[CLUSTER_MEMBERS + 1];
	struct pg *first, *second;

	(void)state;
	new_pair("used");
	sql("ALTER ROLE used_b NOLOGIN");
	peek(cluster, "used", m);
	assert_string_equal(m[0].name, "used_a");
	assert_string_equal(m[2].name, "used");
	assert_true(m[0].found && m[1].found && m[2].found);
	assert_true(m[0].can_login && !m[1].can_login && !m[2].can_login);
	assert_true(m[0].sessions == 0 && m[0].who[0] == '\0');
	first = log_in("used_a", "password=hunter2");
	peek(cluster, "used", m);
	assert_non_null(strstr(m[0].who, "127.0.0.1, app:withheld, since 20"));
	pg_close(first);
	first = log_in("used_a", "an \"old\" app\t");
	now_sleep(now_system(), NOW_SECOND / 10);
	second = log_in("used_a", "a newer one");
	peek(cluster, "used", m);
	assert_int_equal(m[0].sessions, 2);
	assert_int_equal(m[1].sessions, 0);
	assert_non_null(strstr(m[0].who, "127.0.0.1, app:an%20%22old%22"));
	assert_non_null(strstr(m[0].who, ", since 20"));
	assert_null(strchr(m[0].who, '\t'));
	/* Without the right to see more than whose they are. */
	peek(limited, "used", m);
	assert_int_equal(m[0].sessions, 2);
	assert_string_equal(m[0].who, "?");
	pg_close(first);
	pg_close(second);
	sql("DROP ROLE used_b");
	peek(cluster, "used", m);
	assert_true(m[0].found && !m[1].found);
	assert_string_equal(m[1].name, "used_b");
}

/* Of whom the administrator cannot look into pg_authid, anybody may have one. */
static void who_may_have_a_password_is_told(void **state)
{
	struct cluster_member m[CLUSTER_MEMBERS + 1];

	(void)state;
	new_pair("keeping");
	sql("ALTER ROLE keeping NOLOGIN PASSWORD 'kept'");
	sql("ALTER ROLE keeping_b NOLOGIN PASSWORD NULL");
	peek(cluster, "keeping", m);
	assert_true(m[0].keeps && !m[1].keeps && m[2].keeps);
	peek(limited, "keeping", m);
	assert_true(m[0].keeps && m[1].keeps && m[2].keeps);
	/* Nor is one asked for that he could not remove. */
	sql("ALTER ROLE keeping SUPERUSER");
	peek(limited, "keeping", m);
	assert_true(m[1].keeps && !m[2].keeps);
	sql("ALTER ROLE keeping NOSUPERUSER");
}

static void a_proof_of_just_now_is_waited_for_and_no_name_hides(void **state)
{
	struct cluster_member m[CLUSTER_MEMBERS + 1];
	struct pg *hidden;

	(void)state;
	new_pair("probed");
	for (int i = 0; i < 20; i++) {
		assert_int_equal(login_as(cluster, "probed_a", OLD),
				 CLUSTER_LOGIN_RIGHT);
		peek(i % 2 ? cluster : limited, "probed", m);
		assert_int_equal(m[0].sessions, 0);
	}
	hidden = log_in("probed_a", "keyturn prove");
	peek(cluster, "probed", m);
	assert_int_equal(m[0].sessions, 1);
	assert_non_null(strstr(m[0].who, "app:keyturn%20prove"));
	pg_close(hidden);
}

static void what_only_the_role_can_finish_is_seen(void **state)
{
	struct cluster_member m[CLUSTER_MEMBERS + 1];
	struct pg *pg;

	(void)state;
	new_pair("preparing");
	pg = log_in("preparing_b", "x");
	run_on(pg, "BEGIN");
	run_on(pg, "SELECT pg_catalog.txid_current()");
	run_on(pg, "PREPARE TRANSACTION 'the owner''s'");
	/* The other member may finish that one. */
	peek(cluster, "preparing", m);
	assert_true(m[0].prepared == 0 && m[1].prepared == 0);
	assert_int_equal(m[2].prepared, 0);
	run_on(pg, "SET ROLE NONE");
	run_on(pg, "BEGIN");
	run_on(pg, "SELECT pg_catalog.txid_current()");
	run_on(pg, "PREPARE TRANSACTION 'its own'");
	pg_close(pg);
	peek(cluster, "preparing", m);
	assert_true(m[0].prepared == 0 && m[1].prepared == 1);
	pg = log_in("preparing_a", "y");
	run_on(pg, "ROLLBACK PREPARED 'the owner''s'");
	pg_close(pg);
	sql("ROLLBACK PREPARED 'its own'");
}

/* A session that replicates, until pclose(). */
static FILE *replicate(const char *user)
{
	char command[1024];
	FILE *f;

	snprintf(command, sizeof(command),
		 "PGPASSWORD='" OLD "' '%s/psql' -qAt 'host=%s port=%s user=%s "
		 "dbname=postgres replication=database' >/dev/null",
		 getenv("KEYTURN_TEST_PG_BIN"), host, port, user);
	f = popen(command, "w");
	assert_non_null(f);
	while (atoi(ask("SELECT count(*) FROM pg_stat_replication "
			"WHERE usename = '%s'",
			user)) == 0)
		now_sleep(now_system(), NOW_SECOND / 50);
	return f;
}

static void a_session_that_replicates_is_seen_by_anybody(void **state)
{
	struct cluster_member m[CLUSTER_MEMBERS + 1];
	FILE *f;

	(void)state;
	new_pair("sending");
	sql("ALTER ROLE sending_b REPLICATION");
	f = replicate("sending_b");
	peek(limited, "sending", m);
	assert_true(m[0].senders == 0 && m[1].senders == 1);
	assert_int_equal(m[1].sessions, 1);
	peek(cluster, "sending", m);
	assert_true(m[1].senders == 1 && m[1].sessions == 1);
	pclose(f);
}

static void sessions_are_ended(void **state)
{
	struct cluster_session *s = session(cluster);
	struct reason why = { "" };
	const char *grant;
	unsigned left = 7;
	struct pg *first, *second, *other;

	(void)state;
	new_pair("ended");
	assert_int_equal(cluster->ops->end_sessions(cluster, s, "ended_a",
						    &left, &why),
			 STATUS_OK);
	assert_int_equal(left, 0);
	first = log_in("ended_a", "x");
	second = log_in("ended_a", "y");
	other = log_in("ended_b", "z");
	left = 7;
	assert_int_equal(cluster->ops->end_sessions(cluster, s, "ended_a",
						    &left, &why),
			 STATUS_OK);
	assert_int_equal(left, 0);
	assert_string_equal(ask("SELECT count(*) FROM pg_stat_activity "
				"WHERE usename = 'ended_a'"),
			    "0");
	assert_string_equal(run_on(other, "SELECT 1"), "1");
	assert_int_equal(cluster->ops->end_sessions(cluster, s, "ended_none",
						    &left, &why),
			 STATUS_NOT_FOUND);
	cluster->ops->release(cluster, s, true);
	/* The sentence is the remedy. */
	s = session(limited);
	assert_int_equal(limited->ops->end_sessions(limited, s, "ended_b",
						    &left, &why),
			 STATUS_REFUSED);
	grant = strstr(why.text, "GRANT \"ended_b\" TO \"keyturn_admin\"");
	assert_non_null(grant);
	sql("%.*s", (int)(strstr(grant, ", or ") - grant), grant);
	assert_int_equal(limited->ops->end_sessions(limited, s, "ended_b",
						    &left, &why),
			 STATUS_OK);
	assert_int_equal(left, 0);
	limited->ops->release(limited, s, true);
	pg_close(first);
	pg_close(second);
	pg_close(other);
}

/* ---- proofs ---- */

static enum cluster_login prove(const char *role, const char *owner,
				const char *password, enum cluster_proof kind,
				struct reason *why)
{
	const struct cluster_who who = { .role = role, .owner = owner };
	enum cluster_login login = CLUSTER_LOGIN_NOT_ASKED;
	struct secret *p = secret_of(password);

	reason_clear(why);
	assert_int_equal(cluster->ops->prove(cluster, &who, p, kind, &login,
					     why),
			 STATUS_OK);
	secret_free(p);
	return login;
}

static void a_members_session_is_to_be_its_owners(void **state)
{
	struct cluster_who who = { .role = "shown_a" };
	char way[CLUSTER_WAY_SIZE], another[CLUSTER_WAY_SIZE];
	struct reason why;

	(void)state;
	new_pair("shown");
	assert_int_equal(prove("shown_a", "shown", OLD, CLUSTER_PROOF_NEW,
			       &why),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(prove("shown_a", "shown", WRONG, CLUSTER_PROOF_NEW,
			       &why),
			 CLUSTER_LOGIN_WRONG);
	sql("ALTER ROLE shown_a RESET role");
	assert_int_equal(prove("shown_a", "shown", OLD, CLUSTER_PROOF_NEW,
			       &why),
			 CLUSTER_LOGIN_NO_EVIDENCE);
	assert_non_null(strstr(why.text, "ALTER ROLE \"shown_a\" SET role = "
					 "\"shown\""));
	assert_int_equal(prove("shown_a", NULL, OLD, CLUSTER_PROOF_NEW, &why),
			 CLUSTER_LOGIN_RIGHT);
	/* A deliberate wrong one that is taken is no lack of evidence. */
	assert_int_equal(prove("shown_a", "shown", OLD, CLUSTER_PROOF_WRONG,
			       &why),
			 CLUSTER_LOGIN_RIGHT);
	sql("ALTER ROLE shown_a NOLOGIN");
	assert_int_equal(prove("shown_a", "shown", OLD, CLUSTER_PROOF_PRESENT,
			       &why),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(cluster->ops->way(cluster, &who, way), STATUS_OK);
	who.owner = "shown";
	assert_int_equal(cluster->ops->way(cluster, &who, another), STATUS_OK);
	assert_string_not_equal(way, another);
}

const struct CMUnitTest test_cluster_pair_check[] = {
	cmocka_unit_test(a_sound_pair_passes),
	cmocka_unit_test(members_are_checked_like_single_roles),
	cmocka_unit_test(members_are_their_owners_and_nobody_elses),
	cmocka_unit_test(what_is_not_inherited_is_equal),
	cmocka_unit_test(what_a_member_has_for_itself_is_told),
	cmocka_unit_test(the_owner_logs_in_only_while_it_is_adopted),
	cmocka_unit_test(without_an_administrator_there_are_no_pairs),
	cmocka_unit_test(an_older_table_that_cannot_be_widened_is_told_before),
	cmocka_unit_test(who_uses_a_member_is_seen),
	cmocka_unit_test(who_may_have_a_password_is_told),
	cmocka_unit_test(a_proof_of_just_now_is_waited_for_and_no_name_hides),
	cmocka_unit_test(what_only_the_role_can_finish_is_seen),
	cmocka_unit_test(a_session_that_replicates_is_seen_by_anybody),
	cmocka_unit_test(sessions_are_ended),
	cmocka_unit_test(a_members_session_is_to_be_its_owners),
	{ .name = NULL },
};
