/* SPDX-License-Identifier: PostgreSQL */
/* Claims, the marker and the fence. */
#include "test_cluster.h"

static void a_claim_creates_the_marker_and_an_apply_changes_the_password(
	void **state)
{
	struct cluster_session *s = session(cluster);
	char claim_id[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("plain_role");
	sql("DROP SCHEMA IF EXISTS keyturn CASCADE");
	assert_int_equal(cluster->ops->look(cluster, s, "plain_role", &m, &why),
			 STATUS_OK);
	assert_false(m.found);
	must_claim(cluster, s, "plain_role", claim_id, &m);
	assert_string_equal(m.claim, claim_id);
	assert_string_equal(m.live_version, "");
	assert_int_equal(m.epoch, 1);
	assert_int_equal(m.epoch_was, 0);
	assert_false(m.renamed);
	assert_false(m.foreign);
	assert_int_equal(apply(cluster, s, "plain_role", claim_id, PASSWORD,
			       version, &why),
			 STATUS_OK);
	assert_int_equal(login_as(cluster, "plain_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(cluster, "plain_role", OLD),
			 CLUSTER_LOGIN_WRONG);
	assert_int_equal(cluster->ops->look(cluster, s, "plain_role", &m, &why),
			 STATUS_OK);
	assert_true(m.found);
	assert_string_equal(m.live_version, version);
	assert_false(m.foreign);
	cluster->ops->release(cluster, s, true);
	assert_string_equal(ask("SELECT pg_catalog.has_table_privilege("
				"'trust_role', 'keyturn.marker', 'SELECT')"),
			    "f");
}

static void the_epoch_grows_from_the_greater_of_its_row_and_the_floor(
	void **state)
{
	struct cluster_session *s = session(cluster);
	char claim_id[RANDOM_UUID_SIZE];
	struct cluster_claim c = { .role = "epoch_role", .claim = claim_id };
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("epoch_role");
	must_claim(cluster, s, "epoch_role", claim_id, &m);
	uuid(claim_id);
	c.floor = 41;
	assert_int_equal(cluster->ops->claim(cluster, s, &c, &m, &why),
			 STATUS_OK);
	assert_int_equal(m.epoch, 42);
	assert_int_equal(m.epoch_was, 1);
	uuid(claim_id);
	c.floor = 7;
	assert_int_equal(cluster->ops->claim(cluster, s, &c, &m, &why),
			 STATUS_OK);
	assert_int_equal(m.epoch, 43);
	assert_int_equal(m.epoch_was, 42);
	cluster->ops->release(cluster, s, true);
}

static void the_first_claim_is_fenced_by_the_second(void **state)
{
	struct cluster *other = open_cluster("postgres", passfile, 0, 0);
	struct cluster_session *first = session(cluster);
	struct cluster_session *second = session(other);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("fenced_role");
	must_claim(cluster, first, "fenced_role", one, &m);
	/* As if the first were paused: its claim is replaced, it lives. */
	uuid(two);
	sql("UPDATE keyturn.marker SET claim = '%s', epoch = epoch + 1 WHERE "
	    "role_name = 'fenced_role'",
	    two);
	assert_int_equal(apply(cluster, first, "fenced_role", one, WRONG,
			       version, &why),
			 STATUS_CONFLICT);
	assert_int_equal(login_as(cluster, "fenced_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_string_equal(ask("SELECT live_version IS NULL FROM "
				"keyturn.marker WHERE role_name = "
				"'fenced_role'"),
			    "t");
	/* A claim id alone is not enough: it is bound to its session. */
	assert_int_equal(apply(other, second, "fenced_role", two, WRONG,
			       version, &why),
			 STATUS_CONFLICT);
	assert_int_equal(login_as(cluster, "fenced_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	/* The fenced session is still good for another claim. */
	must_claim(cluster, first, "fenced_role", one, &m);
	assert_int_equal(apply(cluster, first, "fenced_role", one, PASSWORD,
			       version, &why),
			 STATUS_OK);
	cluster->ops->release(cluster, first, true);
	other->ops->release(other, second, true);
	other->ops->close(other);
}

static void a_young_claim_of_a_living_session_is_busy(void **state)
{
	struct cluster *other = open_cluster("postgres", passfile, 0, 0);
	struct cluster_session *first = session(cluster);
	struct cluster_session *second = session(other);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], pid[16];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("busy_role");
	must_claim(cluster, first, "busy_role", one, &m);
	backend_of(first, "busy_role", pid);
	assert_int_equal(claim(other, second, "busy_role", false, two, &m,
			       &why),
			 STATUS_BUSY);
	assert_non_null(strstr(why.text, pid));
	cluster->ops->release(cluster, first, true);
	/* Given up cleanly, it does not have to wait any more. */
	must_claim(other, second, "busy_role", two, &m);
	other->ops->release(other, second, true);
	other->ops->close(other);
}

static void an_idle_session_of_ours_does_not_hold_a_claim(void **state)
{
	struct cluster_session *first = session(cluster);
	struct cluster_session *second = session(cluster);
	char one[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	int64_t began;

	(void)state;
	new_role("idle_role");
	must_claim(cluster, first, "idle_role", one, &m);
	cluster->ops->release(cluster, first, true);
	began = now_boot(now_system());
	must_claim(cluster, second, "idle_role", one, &m);
	assert_true(now_boot(now_system()) - began < NOW_SECOND);
	cluster->ops->release(cluster, second, true);
}

static void a_killed_clients_claim_is_taken_without_waiting_for_its_age(
	void **state)
{
	struct cluster_session *first = session(cluster);
	struct cluster_session *second = session(cluster);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	struct cluster_marker m;

	(void)state;
	new_role("killed_role");
	must_claim(cluster, first, "killed_role", one, &m);
	cluster->ops->release(cluster, first, false); /* closes: claim lost */
	must_claim(cluster, second, "killed_role", two, &m);
	assert_int_equal(m.epoch, 2);
	cluster->ops->release(cluster, second, true);
}

static void an_old_claim_is_taken_over_and_its_session_ended(void **state)
{
	struct cluster *impatient =
		open_cluster("postgres", passfile, 0, NOW_SECOND / 2);
	struct cluster_session *first = session(cluster);
	struct cluster_session *second = session(impatient);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("old_claim_role");
	must_claim(cluster, first, "old_claim_role", one, &m);
	must_claim(impatient, second, "old_claim_role", two, &m);
	assert_int_equal(apply(cluster, first, "old_claim_role", one, WRONG,
			       version, &why),
			 STATUS_UNKNOWN);
	assert_int_equal(apply(impatient, second, "old_claim_role", two,
			       PASSWORD, version, &why),
			 STATUS_OK);
	assert_int_equal(login_as(cluster, "old_claim_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	cluster->ops->release(cluster, first, false);
	impatient->ops->release(impatient, second, true);
	impatient->ops->close(impatient);
}

static void a_takeover_does_not_wait(void **state)
{
	struct cluster_session *first = session(cluster);
	struct cluster_session *second = session(cluster);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], pid[16];
	struct cluster_marker m;
	struct reason why = { "" };
	int64_t began;

	(void)state;
	new_role("takeover_role");
	must_claim(cluster, first, "takeover_role", one, &m);
	backend_of(first, "takeover_role", pid);
	began = now_boot(now_system());
	assert_int_equal(claim(cluster, second, "takeover_role", true, two, &m,
			       &why),
			 STATUS_OK);
	assert_true(now_boot(now_system()) - began < 2 * NOW_SECOND);
	assert_string_equal(ask("SELECT count(*) FROM pg_stat_activity WHERE "
				"pid = %s",
				pid),
			    "0");
	cluster->ops->release(cluster, first, false);
	cluster->ops->release(cluster, second, true);
}

struct applying {
	struct cluster *t;
	struct cluster_session *s;
	const char *role;
	const char *claim;
	enum status st;
	struct reason why;
};

static void *apply_thread(void *arg)
{
	struct applying *a = arg;
	char version[RANDOM_UUID_SIZE];

	a->st = apply(a->t, a->s, a->role, a->claim, WRONG, version, &a->why);
	return NULL;
}

static void wait_for(const char *want, const char *query)
{
	int i;

	for (i = 0; i < 200; i++) {
		if (strcmp(ask("%s", query), want) == 0)
			return;
		now_sleep(now_system(), NOW_SECOND / 20);
	}
	fail_msg("waited in vain for %s: %s", want, query);
}

static void a_takeover_ends_an_apply_that_waits_for_a_lock(void **state)
{
	struct cluster *slow =
		open_cluster("postgres", passfile, 25 * NOW_SECOND, 0);
	struct cluster_session *first = session(slow);
	struct cluster_session *second = session(cluster);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };
	struct pg *blocker = superuser_session();
	struct applying a = {
		.t = slow, .s = first, .role = "zombie_role", .claim = one
	};
	pthread_t thread;

	(void)state;
	new_role("zombie_role");
	must_claim(slow, first, "zombie_role", one, &m);
	run_on(blocker, "BEGIN");
	run_on(blocker, "ALTER ROLE zombie_role CONNECTION LIMIT 5");
	assert_int_equal(pthread_create(&thread, NULL, apply_thread, &a), 0);
	wait_for("1", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
		      "'ALTER ROLE \"zombie_role\"%' AND wait_event_type = "
		      "'Lock'");
	assert_int_equal(claim(cluster, second, "zombie_role", true, two, &m,
			       &why),
			 STATUS_OK);
	assert_string_equal(m.live_version, "");
	pthread_join(thread, NULL);
	assert_int_equal(a.st, STATUS_UNKNOWN);
	pg_close(blocker); /* rolls its transaction back */
	assert_int_equal(apply(cluster, second, "zombie_role", two, PASSWORD,
			       version, &why),
			 STATUS_OK);
	assert_int_equal(login_as(cluster, "zombie_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(cluster, "zombie_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	slow->ops->release(slow, first, false);
	slow->ops->close(slow);
	cluster->ops->release(cluster, second, true);
}

static void a_lock_on_the_role_is_a_clean_failure(void **state)
{
	struct cluster *quick =
		open_cluster("postgres", passfile, NOW_SECOND / 5, 0);
	struct cluster_session *s = session(quick);
	struct pg *blocker = superuser_session();
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("locked_role");
	must_claim(quick, s, "locked_role", one, &m);
	run_on(blocker, "BEGIN");
	run_on(blocker, "ALTER ROLE locked_role CONNECTION LIMIT 5");
	assert_int_equal(apply(quick, s, "locked_role", one, WRONG, version,
			       &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	assert_non_null(strstr(why.text, "lock"));
	pg_close(blocker);
	assert_int_equal(login_as(cluster, "locked_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	/* Same claim, same session: the retry works. */
	assert_int_equal(apply(quick, s, "locked_role", one, PASSWORD, version,
			       &why),
			 STATUS_OK);
	quick->ops->release(quick, s, true);
	quick->ops->close(quick);
}

static void a_stopped_backend_is_fenced_when_it_resumes(void **state)
{
	struct cluster_session *first = session(cluster);
	struct cluster_session *second = session(cluster);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], pid[16];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };
	struct applying a = {
		.t = cluster, .s = first, .role = "paused_role", .claim = one
	};
	pthread_t thread;

	(void)state;
	new_role("paused_role");
	must_claim(cluster, first, "paused_role", one, &m);
	backend_of(first, "paused_role", pid);
	assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), SIGSTOP), 0);
	assert_int_equal(pthread_create(&thread, NULL, apply_thread, &a), 0);
	/* It does not end when told to, and is passed by after ten seconds. */
	assert_int_equal(claim(cluster, second, "paused_role", true, two, &m,
			       &why),
			 STATUS_OK);
	assert_int_equal(apply(cluster, second, "paused_role", two, PASSWORD,
			       version, &why),
			 STATUS_OK);
	assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), SIGCONT), 0);
	pthread_join(thread, NULL);
	assert_true(a.st == STATUS_UNKNOWN || a.st == STATUS_CONFLICT);
	assert_int_equal(login_as(cluster, "paused_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(cluster, "paused_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	cluster->ops->release(cluster, first, false);
	cluster->ops->release(cluster, second, true);
}

/* Stopped while it holds the row's lock: nobody can pass, and it is said. */
static void a_stopped_backend_with_the_lock_is_told(void **state)
{
	struct cluster *slow =
		open_cluster("postgres", passfile, 60 * NOW_SECOND, 0);
	struct cluster *quick =
		open_cluster("postgres", passfile, NOW_SECOND / 5, 0);
	struct cluster_session *first = session(slow);
	struct cluster_session *second = session(quick);
	struct pg *blocker = superuser_session();
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], pid[16];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };
	struct applying a = {
		.t = slow, .s = first, .role = "stopped_role", .claim = one
	};
	pthread_t thread;

	(void)state;
	new_role("stopped_role");
	must_claim(slow, first, "stopped_role", one, &m);
	backend_of(first, "stopped_role", pid);
	run_on(blocker, "BEGIN");
	run_on(blocker, "ALTER ROLE stopped_role CONNECTION LIMIT 5");
	assert_int_equal(pthread_create(&thread, NULL, apply_thread, &a), 0);
	wait_for("1", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
		      "'ALTER ROLE \"stopped_role\"%' AND wait_event_type = "
		      "'Lock'");
	assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), SIGSTOP), 0);
	assert_int_equal(claim(quick, second, "stopped_role", true, two, &m,
			       &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	assert_non_null(strstr(why.text, pid));
	assert_non_null(strstr(why.text, "stopped or stuck"));
	assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), SIGCONT), 0);
	pthread_join(thread, NULL);
	assert_int_equal(a.st, STATUS_UNKNOWN);
	pg_close(blocker);
	/* Once it has ended, the next attempt is as any other. */
	assert_int_equal(claim(quick, second, "stopped_role", true, two, &m,
			       &why),
			 STATUS_OK);
	assert_int_equal(apply(quick, second, "stopped_role", two, PASSWORD,
			       version, &why),
			 STATUS_OK);
	assert_int_equal(login_as(cluster, "stopped_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	slow->ops->release(slow, first, false);
	slow->ops->close(slow);
	quick->ops->release(quick, second, true);
	quick->ops->close(quick);
}

static void a_marker_row_locked_by_a_stranger_is_told(void **state)
{
	struct cluster *quick =
		open_cluster("postgres", passfile, NOW_SECOND / 5, 0);
	struct cluster_session *s = session(quick);
	struct pg *blocker = superuser_session();
	char one[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("row_locked_role");
	rotate(quick, "row_locked_role", PASSWORD);
	run_on(blocker, "BEGIN");
	run_on(blocker, "SELECT 1 FROM keyturn.marker WHERE role_name = "
			"'row_locked_role' FOR UPDATE");
	assert_int_equal(claim(quick, s, "row_locked_role", false, one, &m,
			       &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	assert_non_null(strstr(why.text, "locked by another transaction"));
	pg_close(blocker);
	quick->ops->release(quick, s, true);
	quick->ops->close(quick);
}

/* The way a missing synchronous standby makes a zombie: the commit is durable
 * but not visible until its backend ends (rotation-safety.md X4). */
static void a_commit_stuck_on_a_standby_becomes_visible_by_takeover(
	void **state)
{
	char conninfo[1024];
	struct cluster_postgres_options o = { .name = "stuck",
					      .conninfo = conninfo,
					      .admin_passfile = passfile,
					      .statement_timeout_us =
						      NOW_SECOND };
	struct cluster *stuck = NULL;
	struct cluster_session *first, *second;
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	bool alone = false;
	struct reason why = { "" };
	struct secret *password = secret_of(PASSWORD);
	const struct cluster_change c = { .role = "stuck_role",
					  .claim = one,
					  .version = version,
					  .password = password };

	(void)state;
	conninfo_for("postgres", "postgres", conninfo, sizeof(conninfo));
	assert_int_equal(cluster_postgres_open(&o, &stuck, &why), STATUS_OK);
	first = session(stuck);
	second = session(cluster);
	new_role("stuck_role");
	must_claim(stuck, first, "stuck_role", one, &m);
	sql("ALTER SYSTEM SET synchronous_standby_names = 'nosuch'");
	ask("SELECT pg_reload_conf()");
	now_sleep(now_system(), NOW_SECOND / 2);
	uuid(version);
	assert_int_equal(stuck->ops->apply(stuck, first, &c, &alone, &why),
			 STATUS_UNKNOWN);
	assert_int_equal(claim(cluster, second, "stuck_role", true, two, &m,
			       &why),
			 STATUS_OK);
	sql("SET synchronous_commit = off");
	sql("ALTER SYSTEM RESET synchronous_standby_names");
	ask("SELECT pg_reload_conf()");
	sql("RESET synchronous_commit");
	/* Ended or cancelled, the change took hold, and the marker says so. */
	assert_string_equal(m.live_version, version);
	assert_false(m.foreign);
	assert_int_equal(login_as(cluster, "stuck_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	secret_free(password);
	stuck->ops->release(stuck, first, false);
	stuck->ops->close(stuck);
	cluster->ops->release(cluster, second, true);
}

const struct CMUnitTest test_cluster_claim[] = {
	cmocka_unit_test(
		a_claim_creates_the_marker_and_an_apply_changes_the_password),
	cmocka_unit_test(
		the_epoch_grows_from_the_greater_of_its_row_and_the_floor),
	cmocka_unit_test(the_first_claim_is_fenced_by_the_second),
	cmocka_unit_test(a_young_claim_of_a_living_session_is_busy),
	cmocka_unit_test(an_idle_session_of_ours_does_not_hold_a_claim),
	cmocka_unit_test(
		a_killed_clients_claim_is_taken_without_waiting_for_its_age),
	cmocka_unit_test(an_old_claim_is_taken_over_and_its_session_ended),
	cmocka_unit_test(a_takeover_does_not_wait),
	cmocka_unit_test(a_takeover_ends_an_apply_that_waits_for_a_lock),
	cmocka_unit_test(a_lock_on_the_role_is_a_clean_failure),
	cmocka_unit_test(a_stopped_backend_is_fenced_when_it_resumes),
	cmocka_unit_test(a_stopped_backend_with_the_lock_is_told),
	cmocka_unit_test(a_marker_row_locked_by_a_stranger_is_told),
	cmocka_unit_test(
		a_commit_stuck_on_a_standby_becomes_visible_by_takeover),
	{ .name = NULL },
};
