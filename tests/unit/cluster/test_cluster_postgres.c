/* SPDX-License-Identifier: PostgreSQL */
/* The PostgreSQL target against a real server; see with-postgres. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/now.h"
#include "cluster/postgres/postgres.h"
#include "crypto/entropy.h"
#include "pg/pg.h"

#define PASSWORD "aLong-Enough_Password.0123456789"
#define WRONG	 "another-Wrong_Password.987654321"

static const char *host, *port, *ca, *passfile, *folder, *log_path;
static struct pg *super;	/* the test's own superuser session */
static struct cluster *target;	/* admin: the superuser */
static struct cluster *limited; /* admin: CREATEROLE, not superuser */

/* ---- helpers ---- */

static struct secret *secret_of(const char *text)
{
	struct secret *s = NULL;

	assert_int_equal(secret_new(strlen(text) + 1, &s), STATUS_OK);
	assert_int_equal(secret_set(s, text, strlen(text)), STATUS_OK);
	return s;
}

static void conninfo_for(const char *user, const char *dbname, char *buf,
			 size_t n)
{
	snprintf(buf, n,
		 "host=%s port=%s dbname=%s user=%s sslmode=verify-full "
		 "sslrootcert=%s",
		 host, port, dbname, user, ca);
}

static struct pg *superuser_session(void)
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

/* Run SQL as the superuser; it must work. */
static void sql(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void sql(const char *fmt, ...)
{
	char text[4096], sqlstate[PG_SQLSTATE_SIZE];
	struct reason why = { "" };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (pg_run(super, text, 0, NULL, 30 * NOW_SECOND, NULL, sqlstate,
		   &why) != STATUS_OK)
		fail_msg("%s: %s", text, why.text);
}

/* The first cell of a query's answer, as a static string. */
static const char *ask(const char *fmt, ...)
	__attribute__((format(printf, 1, 2)));
static const char *ask(const char *fmt, ...)
{
	static char answer[1024];
	char text[4096], sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;
	struct reason why = { "" };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (pg_run(super, text, 0, NULL, 30 * NOW_SECOND, &r, sqlstate, &why) !=
	    STATUS_OK)
		fail_msg("%s: %s", text, why.text);
	snprintf(answer, sizeof(answer), "%s",
		 pg_rows(r) > 0 ? pg_value(r, 0, 0) : "(no row)");
	pg_result_free(r);
	return answer;
}

static struct cluster *open_target(const char *user, const char *admin_passfile,
				   int64_t lock_timeout_us,
				   int64_t claim_max_us)
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

static struct cluster_session *session(struct cluster *t)
{
	struct cluster_session *s = NULL;
	struct reason why = { "" };

	if (t->ops->open(t, &s, &why) != STATUS_OK)
		fail_msg("%s", why.text);
	return s;
}

static void uuid(char *buf)
{
	assert_int_equal(random_uuid(entropy_openssl(), buf), STATUS_OK);
}

static enum status claim(struct cluster *t, struct cluster_session *s,
			 const char *role, bool takeover, char *ret_claim,
			 struct cluster_marker *ret, struct reason *why)
{
	const struct cluster_claim c = { .role = role,
					 .claim = ret_claim,
					 .takeover = takeover };

	uuid(ret_claim);
	return t->ops->claim(t, s, &c, ret, why);
}

static void must_claim(struct cluster *t, struct cluster_session *s,
		       const char *role, char *ret_claim,
		       struct cluster_marker *ret)
{
	struct reason why = { "" };

	if (claim(t, s, role, false, ret_claim, ret, &why) != STATUS_OK)
		fail_msg("%s", why.text);
}

static enum cluster_login login_as(struct cluster *t, const char *role,
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

static enum status apply(struct cluster *t, struct cluster_session *s,
			 const char *role, const char *claim_id,
			 const char *password, char *ret_version,
			 struct reason *why)
{
	struct secret *p = password != NULL ? secret_of(password) : NULL;
	const struct cluster_change c = { .role = role,
					  .claim = claim_id,
					  .version = ret_version,
					  .password = p };
	bool alone = false;
	enum status st;

	uuid(ret_version);
	st = t->ops->apply(t, s, &c, &alone, why);
	secret_free(p);
	return st;
}

static void rotate(struct cluster *t, const char *role, const char *password)
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

static void new_role(const char *name)
{
	sql("DROP ROLE IF EXISTS %s", name);
	sql("CREATE ROLE %s LOGIN PASSWORD 'the-Old_Password.of-this-role'",
	    name);
}

/* What docs/operators.md has a superuser say for PostgreSQL 16 and later. */
static void let_rotate(const char *admin, const char *role)
{
	if (atoi(ask("SHOW server_version_num")) >= 160000)
		sql("GRANT %s TO %s WITH ADMIN TRUE, INHERIT FALSE, SET FALSE",
		    role, admin);
}

#define OLD "the-Old_Password.of-this-role"

static void backend_of(struct cluster_session *s, const char *role, char *pid)
{
	(void)s;
	snprintf(pid, 16, "%s",
		 ask("SELECT claim_pid FROM keyturn.marker m JOIN pg_roles r "
		     "ON r.oid = m.role_oid WHERE r.rolname = '%s'",
		     role));
}

/* ---- the marker and the fence ---- */

static void a_claim_creates_the_marker_and_an_apply_changes_the_password(
	void **state)
{
	struct cluster_session *s = session(target);
	char claim_id[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("plain_role");
	sql("DROP SCHEMA IF EXISTS keyturn CASCADE");
	assert_int_equal(target->ops->look(target, s, "plain_role", &m, &why),
			 STATUS_OK);
	assert_false(m.found);
	must_claim(target, s, "plain_role", claim_id, &m);
	assert_string_equal(m.claim, claim_id);
	assert_string_equal(m.live_version, "");
	assert_int_equal(m.epoch, 1);
	assert_int_equal(m.epoch_was, 0);
	assert_false(m.renamed);
	assert_false(m.foreign);
	assert_int_equal(apply(target, s, "plain_role", claim_id, PASSWORD,
			       version, &why),
			 STATUS_OK);
	assert_int_equal(login_as(target, "plain_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(target, "plain_role", OLD),
			 CLUSTER_LOGIN_WRONG);
	assert_int_equal(target->ops->look(target, s, "plain_role", &m, &why),
			 STATUS_OK);
	assert_true(m.found);
	assert_string_equal(m.live_version, version);
	assert_false(m.foreign);
	target->ops->release(target, s, true);
	assert_string_equal(ask("SELECT pg_catalog.has_table_privilege("
				"'trust_role', 'keyturn.marker', 'SELECT')"),
			    "f");
}

static void the_epoch_grows_from_the_greater_of_its_row_and_the_floor(
	void **state)
{
	struct cluster_session *s = session(target);
	char claim_id[RANDOM_UUID_SIZE];
	struct cluster_claim c = { .role = "epoch_role", .claim = claim_id };
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("epoch_role");
	must_claim(target, s, "epoch_role", claim_id, &m);
	uuid(claim_id);
	c.floor = 41;
	assert_int_equal(target->ops->claim(target, s, &c, &m, &why),
			 STATUS_OK);
	assert_int_equal(m.epoch, 42);
	assert_int_equal(m.epoch_was, 1);
	uuid(claim_id);
	c.floor = 7;
	assert_int_equal(target->ops->claim(target, s, &c, &m, &why),
			 STATUS_OK);
	assert_int_equal(m.epoch, 43);
	assert_int_equal(m.epoch_was, 42);
	target->ops->release(target, s, true);
}

static void the_first_claim_is_fenced_by_the_second(void **state)
{
	struct cluster *other = open_target("postgres", passfile, 0, 0);
	struct cluster_session *first = session(target);
	struct cluster_session *second = session(other);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("fenced_role");
	must_claim(target, first, "fenced_role", one, &m);
	/* As if the first were paused: its claim is replaced, it lives. */
	uuid(two);
	sql("UPDATE keyturn.marker SET claim = '%s', epoch = epoch + 1 WHERE "
	    "role_name = 'fenced_role'",
	    two);
	assert_int_equal(apply(target, first, "fenced_role", one, WRONG,
			       version, &why),
			 STATUS_CONFLICT);
	assert_int_equal(login_as(target, "fenced_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_string_equal(ask("SELECT live_version IS NULL FROM "
				"keyturn.marker WHERE role_name = "
				"'fenced_role'"),
			    "t");
	/* A claim id alone is not enough: it is bound to its session. */
	assert_int_equal(apply(other, second, "fenced_role", two, WRONG,
			       version, &why),
			 STATUS_CONFLICT);
	assert_int_equal(login_as(target, "fenced_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	/* The fenced session is still good for another claim. */
	must_claim(target, first, "fenced_role", one, &m);
	assert_int_equal(apply(target, first, "fenced_role", one, PASSWORD,
			       version, &why),
			 STATUS_OK);
	target->ops->release(target, first, true);
	other->ops->release(other, second, true);
	other->ops->close(other);
}

static void a_young_claim_of_a_living_session_is_busy(void **state)
{
	struct cluster *other = open_target("postgres", passfile, 0, 0);
	struct cluster_session *first = session(target);
	struct cluster_session *second = session(other);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], pid[16];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("busy_role");
	must_claim(target, first, "busy_role", one, &m);
	backend_of(first, "busy_role", pid);
	assert_int_equal(claim(other, second, "busy_role", false, two, &m,
			       &why),
			 STATUS_BUSY);
	assert_non_null(strstr(why.text, pid));
	target->ops->release(target, first, true);
	/* Given up cleanly, it does not have to wait any more. */
	must_claim(other, second, "busy_role", two, &m);
	other->ops->release(other, second, true);
	other->ops->close(other);
}

static void an_idle_session_of_ours_does_not_hold_a_claim(void **state)
{
	struct cluster_session *first = session(target);
	struct cluster_session *second = session(target);
	char one[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	int64_t began;

	(void)state;
	new_role("idle_role");
	must_claim(target, first, "idle_role", one, &m);
	target->ops->release(target, first, true);
	began = now_boot(now_system());
	must_claim(target, second, "idle_role", one, &m);
	assert_true(now_boot(now_system()) - began < NOW_SECOND);
	target->ops->release(target, second, true);
}

static void a_killed_clients_claim_is_taken_without_waiting_for_its_age(
	void **state)
{
	struct cluster_session *first = session(target);
	struct cluster_session *second = session(target);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	struct cluster_marker m;

	(void)state;
	new_role("killed_role");
	must_claim(target, first, "killed_role", one, &m);
	target->ops->release(target, first, false); /* closes: claim lost */
	must_claim(target, second, "killed_role", two, &m);
	assert_int_equal(m.epoch, 2);
	target->ops->release(target, second, true);
}

static void an_old_claim_is_taken_over_and_its_session_ended(void **state)
{
	struct cluster *impatient =
		open_target("postgres", passfile, 0, NOW_SECOND / 2);
	struct cluster_session *first = session(target);
	struct cluster_session *second = session(impatient);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("old_claim_role");
	must_claim(target, first, "old_claim_role", one, &m);
	must_claim(impatient, second, "old_claim_role", two, &m);
	assert_int_equal(apply(target, first, "old_claim_role", one, WRONG,
			       version, &why),
			 STATUS_UNKNOWN);
	assert_int_equal(apply(impatient, second, "old_claim_role", two,
			       PASSWORD, version, &why),
			 STATUS_OK);
	assert_int_equal(login_as(target, "old_claim_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	target->ops->release(target, first, false);
	impatient->ops->release(impatient, second, true);
	impatient->ops->close(impatient);
}

static void a_takeover_does_not_wait(void **state)
{
	struct cluster_session *first = session(target);
	struct cluster_session *second = session(target);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], pid[16];
	struct cluster_marker m;
	struct reason why = { "" };
	int64_t began;

	(void)state;
	new_role("takeover_role");
	must_claim(target, first, "takeover_role", one, &m);
	backend_of(first, "takeover_role", pid);
	began = now_boot(now_system());
	assert_int_equal(claim(target, second, "takeover_role", true, two, &m,
			       &why),
			 STATUS_OK);
	assert_true(now_boot(now_system()) - began < 2 * NOW_SECOND);
	assert_string_equal(ask("SELECT count(*) FROM pg_stat_activity WHERE "
				"pid = %s",
				pid),
			    "0");
	target->ops->release(target, first, false);
	target->ops->release(target, second, true);
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
		open_target("postgres", passfile, 25 * NOW_SECOND, 0);
	struct cluster_session *first = session(slow);
	struct cluster_session *second = session(target);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };
	struct pg *blocker = superuser_session();
	struct applying a = {
		.t = slow, .s = first, .role = "zombie_role", .claim = one
	};
	char sqlstate[PG_SQLSTATE_SIZE];
	pthread_t thread;

	(void)state;
	new_role("zombie_role");
	must_claim(slow, first, "zombie_role", one, &m);
	assert_int_equal(pg_run(blocker, "BEGIN", 0, NULL, NOW_SECOND, NULL,
				sqlstate, &why),
			 STATUS_OK);
	assert_int_equal(pg_run(blocker,
				"ALTER ROLE zombie_role CONNECTION LIMIT 5", 0,
				NULL, NOW_SECOND, NULL, sqlstate, &why),
			 STATUS_OK);
	assert_int_equal(pthread_create(&thread, NULL, apply_thread, &a), 0);
	wait_for("1", "SELECT count(*) FROM pg_stat_activity WHERE query LIKE "
		      "'ALTER ROLE \"zombie_role\"%' AND wait_event_type = "
		      "'Lock'");
	assert_int_equal(claim(target, second, "zombie_role", true, two, &m,
			       &why),
			 STATUS_OK);
	assert_string_equal(m.live_version, "");
	pthread_join(thread, NULL);
	assert_int_equal(a.st, STATUS_UNKNOWN);
	pg_close(blocker); /* rolls its transaction back */
	assert_int_equal(apply(target, second, "zombie_role", two, PASSWORD,
			       version, &why),
			 STATUS_OK);
	assert_int_equal(login_as(target, "zombie_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(target, "zombie_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	slow->ops->release(slow, first, false);
	slow->ops->close(slow);
	target->ops->release(target, second, true);
}

static void a_lock_on_the_role_is_a_clean_failure(void **state)
{
	struct cluster *quick =
		open_target("postgres", passfile, NOW_SECOND / 5, 0);
	struct cluster_session *s = session(quick);
	struct pg *blocker = superuser_session();
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	char sqlstate[PG_SQLSTATE_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("locked_role");
	must_claim(quick, s, "locked_role", one, &m);
	pg_run(blocker, "BEGIN", 0, NULL, NOW_SECOND, NULL, sqlstate, &why);
	assert_int_equal(pg_run(blocker,
				"ALTER ROLE locked_role CONNECTION LIMIT 5", 0,
				NULL, NOW_SECOND, NULL, sqlstate, &why),
			 STATUS_OK);
	assert_int_equal(apply(quick, s, "locked_role", one, WRONG, version,
			       &why),
			 STATUS_CLUSTER_UNAVAILABLE);
	assert_non_null(strstr(why.text, "lock"));
	pg_close(blocker);
	assert_int_equal(login_as(target, "locked_role", OLD),
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
	struct cluster_session *first = session(target);
	struct cluster_session *second = session(target);
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], pid[16];
	char version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };
	struct applying a = {
		.t = target, .s = first, .role = "paused_role", .claim = one
	};
	pthread_t thread;

	(void)state;
	new_role("paused_role");
	must_claim(target, first, "paused_role", one, &m);
	backend_of(first, "paused_role", pid);
	assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), SIGSTOP), 0);
	assert_int_equal(pthread_create(&thread, NULL, apply_thread, &a), 0);
	/* It does not end when told to, and is passed by after ten seconds. */
	assert_int_equal(claim(target, second, "paused_role", true, two, &m,
			       &why),
			 STATUS_OK);
	assert_int_equal(apply(target, second, "paused_role", two, PASSWORD,
			       version, &why),
			 STATUS_OK);
	assert_int_equal(kill((pid_t)strtol(pid, NULL, 10), SIGCONT), 0);
	pthread_join(thread, NULL);
	assert_true(a.st == STATUS_UNKNOWN || a.st == STATUS_CONFLICT);
	assert_int_equal(login_as(target, "paused_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(target, "paused_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	target->ops->release(target, first, false);
	target->ops->release(target, second, true);
}

/* Stopped while it holds the row's lock: nobody can pass, and it is said. */
static void a_stopped_backend_with_the_lock_is_told(void **state)
{
	struct cluster *slow =
		open_target("postgres", passfile, 60 * NOW_SECOND, 0);
	struct cluster *quick =
		open_target("postgres", passfile, NOW_SECOND / 5, 0);
	struct cluster_session *first = session(slow);
	struct cluster_session *second = session(quick);
	struct pg *blocker = superuser_session();
	char one[RANDOM_UUID_SIZE], two[RANDOM_UUID_SIZE], pid[16];
	char version[RANDOM_UUID_SIZE], sqlstate[PG_SQLSTATE_SIZE];
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
	pg_run(blocker, "BEGIN", 0, NULL, NOW_SECOND, NULL, sqlstate, &why);
	assert_int_equal(pg_run(blocker,
				"ALTER ROLE stopped_role CONNECTION LIMIT 5", 0,
				NULL, NOW_SECOND, NULL, sqlstate, &why),
			 STATUS_OK);
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
	assert_int_equal(login_as(target, "stopped_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	slow->ops->release(slow, first, false);
	slow->ops->close(slow);
	quick->ops->release(quick, second, true);
	quick->ops->close(quick);
}

static void a_marker_row_locked_by_a_stranger_is_told(void **state)
{
	struct cluster *quick =
		open_target("postgres", passfile, NOW_SECOND / 5, 0);
	struct cluster_session *s = session(quick);
	struct pg *blocker = superuser_session();
	char one[RANDOM_UUID_SIZE], sqlstate[PG_SQLSTATE_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("row_locked_role");
	rotate(quick, "row_locked_role", PASSWORD);
	pg_run(blocker, "BEGIN", 0, NULL, NOW_SECOND, NULL, sqlstate, &why);
	pg_run(blocker,
	       "SELECT FROM keyturn.marker WHERE role_name = "
	       "'row_locked_role' FOR UPDATE",
	       0, NULL, NOW_SECOND, NULL, sqlstate, &why);
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
	second = session(target);
	new_role("stuck_role");
	must_claim(stuck, first, "stuck_role", one, &m);
	sql("ALTER SYSTEM SET synchronous_standby_names = 'nosuch'");
	ask("SELECT pg_reload_conf()");
	now_sleep(now_system(), NOW_SECOND / 2);
	uuid(version);
	assert_int_equal(stuck->ops->apply(stuck, first, &c, &alone, &why),
			 STATUS_UNKNOWN);
	assert_int_equal(claim(target, second, "stuck_role", true, two, &m,
			       &why),
			 STATUS_OK);
	sql("SET synchronous_commit = off");
	sql("ALTER SYSTEM RESET synchronous_standby_names");
	ask("SELECT pg_reload_conf()");
	sql("RESET synchronous_commit");
	/* Ended or cancelled, the change took hold, and the marker says so. */
	assert_string_equal(m.live_version, version);
	assert_false(m.foreign);
	assert_int_equal(login_as(target, "stuck_role", PASSWORD),
			 CLUSTER_LOGIN_RIGHT);
	secret_free(password);
	stuck->ops->release(stuck, first, false);
	stuck->ops->close(stuck);
	target->ops->release(target, second, true);
}

/* ---- roles that change under us ---- */

static void a_dropped_role_is_not_found(void **state)
{
	struct cluster_session *s = session(target);
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("dropped_role");
	must_claim(target, s, "dropped_role", one, &m);
	sql("DROP ROLE dropped_role");
	assert_int_equal(apply(target, s, "dropped_role", one, PASSWORD,
			       version, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(claim(target, s, "dropped_role", false, one, &m, &why),
			 STATUS_NOT_FOUND);
	target->ops->release(target, s, true);
}

static void a_role_replaced_between_claim_and_apply_is_left_alone(void **state)
{
	struct cluster_session *s = session(target);
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("replaced_role");
	must_claim(target, s, "replaced_role", one, &m);
	new_role("replaced_role");
	assert_int_equal(apply(target, s, "replaced_role", one, PASSWORD,
			       version, &why),
			 STATUS_NOT_FOUND);
	assert_int_equal(login_as(target, "replaced_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	target->ops->release(target, s, true);
}

static void a_renamed_or_recreated_role_is_reported(void **state)
{
	struct cluster_session *s = session(target);
	char one[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	sql("DROP ROLE IF EXISTS name_two");
	new_role("name_one");
	rotate(target, "name_one", PASSWORD);
	sql("ALTER ROLE name_one RENAME TO name_two");
	assert_int_equal(claim(target, s, "name_one", false, one, &m, &why),
			 STATUS_NOT_FOUND);
	assert_non_null(strstr(why.text, "name_two"));
	must_claim(target, s, "name_two", one, &m);
	assert_true(m.renamed);
	/* Another role under the old name is not the one we knew. */
	new_role("name_one");
	must_claim(target, s, "name_one", one, &m);
	assert_true(m.renamed);
	assert_string_equal(m.live_version, "");
	assert_true(m.epoch > 1);
	target->ops->release(target, s, true);
	/* An apply, which only a command does then, settles it. */
	rotate(target, "name_one", PASSWORD);
	s = session(target);
	assert_int_equal(target->ops->look(target, s, "name_one", &m, &why),
			 STATUS_OK);
	assert_false(m.renamed);
	target->ops->release(target, s, true);
}

static void a_password_changed_by_hand_is_foreign(void **state)
{
	struct cluster_session *s = session(target);
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("foreign_role");
	rotate(target, "foreign_role", PASSWORD);
	assert_int_equal(target->ops->look(target, s, "foreign_role", &m, &why),
			 STATUS_OK);
	assert_false(m.foreign);
	sql("ALTER ROLE foreign_role PASSWORD 'by-hand-0123456789'");
	assert_int_equal(target->ops->inspect(target, s, "foreign_role", &m,
					      &why),
			 STATUS_OK);
	assert_true(m.foreign);
	assert_non_null(strstr(why.text, "by hand"));
	target->ops->release(target, s, true);
}

static void adoption_writes_the_marker_and_not_the_password(void **state)
{
	struct cluster_session *s = session(target);
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("adopted_role");
	must_claim(target, s, "adopted_role", one, &m);
	assert_int_equal(apply(target, s, "adopted_role", one, NULL, version,
			       &why),
			 STATUS_OK);
	assert_int_equal(target->ops->look(target, s, "adopted_role", &m, &why),
			 STATUS_OK);
	assert_string_equal(m.live_version, version);
	assert_false(m.foreign);
	assert_int_equal(login_as(target, "adopted_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	sql("ALTER ROLE adopted_role PASSWORD 'by-hand-0123456789'");
	assert_int_equal(target->ops->look(target, s, "adopted_role", &m, &why),
			 STATUS_OK);
	assert_true(m.foreign);
	target->ops->release(target, s, true);
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
		rotate(target, names[i], PASSWORD);
		assert_int_equal(login_as(target, names[i], PASSWORD),
				 CLUSTER_LOGIN_RIGHT);
		assert_int_equal(login_as(target, names[i], WRONG),
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
	struct cluster_session *s = session(target);
	char one[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		assert_int_equal(claim(target, s, names[i], false, one, &m,
				       &why),
				 STATUS_REFUSED);
		assert_int_equal(target->ops->preflight(target, s, names[i],
							NULL, NULL, &why),
				 STATUS_REFUSED);
	}
	target->ops->release(target, s, true);
}

/* ---- the login oracle ---- */

static void the_login_oracle_holds(void **state)
{
	(void)state;
	new_role("oracle_role");
	assert_int_equal(login_as(target, "oracle_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(target, "oracle_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	sql("ALTER ROLE oracle_role NOLOGIN");
	assert_int_equal(login_as(target, "oracle_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(target, "oracle_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	sql("ALTER ROLE oracle_role LOGIN CONNECTION LIMIT 0");
	assert_int_equal(login_as(target, "oracle_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(target, "oracle_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	sql("ALTER ROLE oracle_role CONNECTION LIMIT -1 VALID UNTIL "
	    "'2001-01-01'");
	assert_int_equal(login_as(target, "oracle_role", OLD),
			 CLUSTER_LOGIN_WRONG);
	sql("ALTER ROLE oracle_role VALID UNTIL 'infinity'");
	sql("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC");
	assert_int_equal(login_as(target, "oracle_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	assert_int_equal(login_as(target, "oracle_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
	sql("GRANT CONNECT ON DATABASE postgres TO PUBLIC");
	assert_int_equal(login_as(target, "trust_role", WRONG),
			 CLUSTER_LOGIN_NOT_ASKED);
	assert_int_equal(login_as(target, "no_such_role", WRONG),
			 CLUSTER_LOGIN_WRONG);
}

static void the_reason_for_a_refused_password_is_found(void **state)
{
	struct cluster_session *s = session(target);
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("inspected_role");
	sql("ALTER ROLE inspected_role VALID UNTIL '2001-01-01'");
	assert_int_equal(target->ops->inspect(target, s, "inspected_role", &m,
					      &why),
			 STATUS_OK);
	assert_non_null(strstr(why.text, "expired"));
	sql("ALTER ROLE inspected_role VALID UNTIL 'infinity' NOLOGIN");
	target->ops->inspect(target, s, "inspected_role", &m, &why);
	assert_non_null(strstr(why.text, "NOLOGIN"));
	sql("ALTER ROLE inspected_role LOGIN PASSWORD NULL");
	target->ops->inspect(target, s, "inspected_role", &m, &why);
	assert_non_null(strstr(why.text, "no password"));
	sql("SET password_encryption = md5");
	sql("ALTER ROLE inspected_role PASSWORD 'x'");
	sql("RESET password_encryption");
	target->ops->inspect(target, s, "inspected_role", &m, &why);
	assert_non_null(strstr(why.text, "md5"));
	target->ops->release(target, s, true);
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

static void write_file(const char *path, mode_t mode, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void write_file(const char *path, mode_t mode, const char *fmt, ...)
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
	t = open_target("postgres", passfile, 0, 0);
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
		struct cluster *t = open_target("postgres", passfile, 0, 0);
		struct cluster_session *s = session(t);
		struct reason why = { "" };

		assert_int_equal(t->ops->preflight(t, s, "hostile_role", NULL,
						   NULL, &why),
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
	assert_int_equal(t->ops->preflight(t, s, "trapper", NULL, NULL, &why),
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
	t = open_target("postgres", passfile, 0, 0);
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
	struct cluster_session *s = session(target);
	char one[RANDOM_UUID_SIZE], version[RANDOM_UUID_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	new_role("changed_role");
	must_claim(target, s, "changed_role", one, &m);
	/* As if an extension had changed what was stored. */
	sql("ALTER FUNCTION pg_catalog.sha256(bytea) RENAME TO sha256_kept");
	sql("CREATE FUNCTION pg_catalog.sha256(bytea) RETURNS bytea "
	    "LANGUAGE sql AS 'SELECT ''other''::bytea'");
	assert_int_equal(apply(target, s, "changed_role", one, WRONG, version,
			       &why),
			 STATUS_REFUSED);
	sql("DROP FUNCTION pg_catalog.sha256(bytea)");
	sql("ALTER FUNCTION pg_catalog.sha256_kept(bytea) RENAME TO sha256");
	assert_non_null(strstr(why.text, "did not store the verifier"));
	assert_int_equal(login_as(target, "changed_role", OLD),
			 CLUSTER_LOGIN_RIGHT);
	/* The claim and its session are as good as before. */
	assert_int_equal(apply(target, s, "changed_role", one, PASSWORD,
			       version, &why),
			 STATUS_OK);
	target->ops->release(target, s, true);
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
	char sqlstate[PG_SQLSTATE_SIZE];
	struct cluster_marker m;
	struct reason why = { "" };

	(void)state;
	sql("ALTER ROLE postgres SET log_parameter_max_length = 0");
	sql("DROP ROLE IF EXISTS bare_role");
	sql("CREATE ROLE bare_role LOGIN");
	t = open_in_clear();
	s = session(t);
	must_claim(t, s, "bare_role", one, &m);
	pg_run(blocker, "BEGIN", 0, NULL, NOW_SECOND, NULL, sqlstate, &why);
	assert_int_equal(pg_run(blocker,
				"ALTER ROLE bare_role CONNECTION LIMIT 5", 0,
				NULL, NOW_SECOND, NULL, sqlstate, &why),
			 STATUS_OK);
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

/* ---- preflight ---- */

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
	st = t->ops->preflight(t, s, role, hear, h, why);
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
	assert_int_equal(preflight(target, "sound_role", &h, &why), STATUS_OK);
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
	assert_int_equal(preflight(target, "no_such_role", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "no role no_such_role"));
	assert_int_equal(preflight(target, "a_superuser", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "superuser"));
	assert_int_equal(preflight(target, "pg_monitor", &h, &why),
			 STATUS_REFUSED);
	assert_int_equal(preflight(target, "postgres", &h, &why),
			 STATUS_REFUSED);
	assert_int_equal(preflight(limited, "keyturn_admin", &h, &why),
			 STATUS_REFUSED);
	assert_int_equal(preflight(limited, "a_replicator", &h, &why),
			 STATUS_REFUSED);
	sql("ALTER ROLE bad_role NOLOGIN");
	assert_int_equal(preflight(target, "bad_role", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "NOLOGIN"));
	sql("ALTER ROLE bad_role LOGIN VALID UNTIL '2001-01-01'");
	assert_int_equal(preflight(target, "bad_role", &h, &why),
			 STATUS_REFUSED);
	assert_non_null(strstr(why.text, "expired"));
	sql("ALTER ROLE bad_role VALID UNTIL 'infinity' CONNECTION LIMIT 0");
	assert_int_equal(preflight(target, "bad_role", &h, &why), STATUS_OK);
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
	t = open_target("postgres", file, 0, 0);
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
	t = open_target("postgres", passfile, 0, 0);
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
			r->t->ops->preflight(r->t, s, role, NULL, NULL, &why) ==
				STATUS_OK &&
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

/* ---- what the server saw ---- */

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

static int set_up(void **state)
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
	target = open_target("postgres", passfile, 0, 0);
	limited = open_limited(file);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	target->ops->close(target);
	limited->ops->close(limited);
	pg_close(super);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_claim_creates_the_marker_and_an_apply_changes_the_password),
		cmocka_unit_test(
			the_epoch_grows_from_the_greater_of_its_row_and_the_floor),
		cmocka_unit_test(the_first_claim_is_fenced_by_the_second),
		cmocka_unit_test(a_young_claim_of_a_living_session_is_busy),
		cmocka_unit_test(an_idle_session_of_ours_does_not_hold_a_claim),
		cmocka_unit_test(
			a_killed_clients_claim_is_taken_without_waiting_for_its_age),
		cmocka_unit_test(
			an_old_claim_is_taken_over_and_its_session_ended),
		cmocka_unit_test(a_takeover_does_not_wait),
		cmocka_unit_test(
			a_takeover_ends_an_apply_that_waits_for_a_lock),
		cmocka_unit_test(a_lock_on_the_role_is_a_clean_failure),
		cmocka_unit_test(a_stopped_backend_is_fenced_when_it_resumes),
		cmocka_unit_test(a_stopped_backend_with_the_lock_is_told),
		cmocka_unit_test(a_marker_row_locked_by_a_stranger_is_told),
		cmocka_unit_test(
			a_commit_stuck_on_a_standby_becomes_visible_by_takeover),
		cmocka_unit_test(a_dropped_role_is_not_found),
		cmocka_unit_test(
			a_role_replaced_between_claim_and_apply_is_left_alone),
		cmocka_unit_test(a_renamed_or_recreated_role_is_reported),
		cmocka_unit_test(a_password_changed_by_hand_is_foreign),
		cmocka_unit_test(
			adoption_writes_the_marker_and_not_the_password),
		cmocka_unit_test(names_of_any_kind_are_quoted),
		cmocka_unit_test(names_that_the_server_would_cut_are_refused),
		cmocka_unit_test(the_login_oracle_holds),
		cmocka_unit_test(the_reason_for_a_refused_password_is_found),
		cmocka_unit_test(the_weakest_endpoint_decides),
		cmocka_unit_test(ambient_credentials_prove_nothing),
		cmocka_unit_test(a_server_of_another_ca_is_not_talked_to),
		cmocka_unit_test(a_name_the_certificate_does_not_hold_is_told),
		cmocka_unit_test(a_hostile_search_path_runs_nothing),
		cmocka_unit_test(a_marker_table_of_somebody_else_is_not_used),
		cmocka_unit_test(
			a_server_that_rejects_the_password_says_rejected),
		cmocka_unit_test(a_server_that_keeps_another_verifier_is_told),
		cmocka_unit_test(
			a_lock_is_a_lock_when_the_role_has_no_verifier_yet),
		cmocka_unit_test(preflight_lets_a_sound_role_pass),
		cmocka_unit_test(preflight_refuses_what_cannot_be_rotated),
		cmocka_unit_test(
			preflight_names_the_sql_for_a_marker_it_may_not_create),
		cmocka_unit_test(a_passfile_that_others_can_read_is_refused),
		cmocka_unit_test(a_read_only_server_is_refused),
		cmocka_unit_test(many_threads_rotate_their_roles_at_once),
		cmocka_unit_test(the_server_log_holds_no_password),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
