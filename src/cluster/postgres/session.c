/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sessions of a cluster: opened, kept and reused.  Must never hand out a session
 * that another claim is bound to.
 */
#include "cluster/postgres/postgres_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/scram.h"

/* Servers close sessions that idle for long; ours do not wait for that. */
#define IDLE_LIFE_US (300 * NOW_SECOND)

#define WAKE_FIRST_US	(NOW_SECOND / 10)
#define WAKE_LONGEST_US (2 * NOW_SECOND)

#define FACTS_SQL                                                                         \
	"SELECT pg_catalog.pg_backend_pid(), "                                            \
	"(SELECT a.backend_start FROM pg_catalog.pg_stat_activity a"                      \
	" WHERE a.pid = pg_catalog.pg_backend_pid()), "                                   \
	"pg_catalog.has_column_privilege('pg_catalog.pg_authid',"                         \
	" 'rolpassword', 'SELECT')"                                                       \
	" AND pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'oid',"             \
	" 'SELECT')"                                                                      \
	" AND pg_catalog.has_column_privilege('pg_catalog.pg_authid',"                    \
	" 'rolname', 'SELECT'), "                                                         \
	"pg_catalog.current_setting('synchronous_commit'), "                              \
	"pg_catalog.current_setting('scram_iterations', true), " CLUSTER_MARKER_STATE_SQL \
	", "                                                                              \
	"pg_catalog.current_setting('neon.timeline_id', true), "                          \
	"current_user, session_user, "                                                    \
	"pg_catalog.current_setting('synchronous_standby_names') <> ''"

#define SETTINGS_SQL                                                       \
	"SELECT pg_catalog.set_config('lock_timeout', $1, false), "        \
	"pg_catalog.set_config('statement_timeout', $2, false), "          \
	"pg_catalog.set_config('idle_in_transaction_session_timeout', $2," \
	" false), "                                                        \
	"pg_catalog.set_config('synchronous_commit', 'off', false)"

/* A claim is bound to its session, which is idle while others work: what the
 * administrator's role or its database limits must not end it. */
#define LIMITS_14_SQL \
	", pg_catalog.set_config('idle_session_timeout', '0', false)"
#define LIMITS_17_SQL \
	LIMITS_14_SQL \
	", pg_catalog.set_config('transaction_timeout', '0', false)"

/* A server that cannot poll its clients refuses a value, hence the subquery
 * and version test; 14 brought the setting. */
#define CHECK_CLIENT_SQL                                                       \
	", pg_catalog.set_config('client_connection_check_interval', '500ms'," \
	" false)"

static void session_free(struct cluster_session *s)
{
	if (s == NULL)
		return;
	pg_close(s->pg);
	free(s);
}

static void free_list(struct cluster_session *s)
{
	struct cluster_session *next;

	for (; s != NULL; s = next) {
		next = s->next;
		session_free(s);
	}
}

/* Take the sessions that are of no use any more out of the idle list. */
static struct cluster_session *unlink_stale(struct cluster_postgres *p)
{
	struct cluster_session **at = &p->idle, *s, *stale = NULL;

	while ((s = *at) != NULL) {
		if (now_boot(p->o.now) - s->idle_since < IDLE_LIFE_US &&
		    pg_run_refresh(s->pg)) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		p->n_idle--;
		s->next = stale;
		stale = s;
	}
	return stale;
}

void cluster_postgres_session_sweep(struct cluster_postgres *p)
{
	struct cluster_session *stale;

	pthread_mutex_lock(&p->lock);
	stale = unlink_stale(p);
	pthread_mutex_unlock(&p->lock);
	free_list(stale);
}

/* An idle session that still answers, or NULL. */
static struct cluster_session *take_idle(struct cluster_postgres *p)
{
	struct cluster_session *s, *stale;

	pthread_mutex_lock(&p->lock);
	stale = unlink_stale(p);
	s = p->idle;
	if (s != NULL) {
		p->idle = s->next;
		p->n_idle--;
		s->next = NULL;
	}
	pthread_mutex_unlock(&p->lock);
	free_list(stale);
	return s;
}

static unsigned choose_iterations(const struct cluster_postgres *p,
				  const char *servers)
{
	unsigned long n = p->o.scram_iterations;

	if (n == 0)
		n = strtoul(servers, NULL, 10);
	if (n < SCRAM_ITERATIONS_MIN)
		n = SCRAM_ITERATIONS_DEFAULT;
	/* Never weaker than the server wants without need. */
	if (n > SCRAM_ITERATIONS_MAX)
		n = SCRAM_ITERATIONS_MAX;
	return (unsigned)n;
}

static enum status read_facts(struct cluster_postgres *p,
			      struct cluster_session *s,
			      const struct pg_result *r, struct reason *why)
{
	const char *sync = pg_value(r, 0, 3);

	s->pooled = strtol(pg_value(r, 0, 0), NULL, 10) !=
		    pg_backend_pid(s->pg);
	s->sees_authid = pg_value(r, 0, 2)[0] == 't' &&
			 p->o.marker == CLUSTER_MARKER_TABLE;
	/* Only raised, never lowered: remote_apply stays. */
	if (strcmp(sync, "remote_apply") != 0)
		sync = "on";
	s->iterations = choose_iterations(p, pg_value(r, 0, 4));
	s->standbys = pg_value(r, 0, 9)[0] == 't';
	cluster_postgres_marker_prepare_note(s, pg_value(r, 0, 5));
	/* What cannot be kept whole is not compared. */
	(void)text_copy(s->branch, sizeof(s->branch),
			p->branch != NULL ? p->branch : pg_value(r, 0, 6));
	/* Acting as another (SET role) one does not see oneself. */
	if (pg_is_null(r, 0, 1) &&
	    strcmp(pg_value(r, 0, 7), pg_value(r, 0, 8)) != 0)
		return reason_set(why, STATUS_REFUSED,
				  "keyturn's admin %s acts as role %s (ALTER "
				  "ROLE ... SET role), which may not see when "
				  "a session began; run GRANT "
				  "pg_read_all_stats TO \"%s\"",
				  pg_value(r, 0, 8), pg_value(r, 0, 7),
				  pg_value(r, 0, 7));
	if (pg_is_null(r, 0, 1) ||
	    text_copy(s->backend_start, sizeof(s->backend_start),
		      pg_value(r, 0, 1)) != STATUS_OK ||
	    text_copy(s->sync_commit, sizeof(s->sync_commit), sync) !=
		    STATUS_OK)
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "cluster %s: pg_stat_activity does not show "
				  "keyturn's own session",
				  p->name);
	return STATUS_OK;
}

static enum status quote_marker(struct cluster_session *s, struct reason *why)
{
	struct secret *schema = NULL;
	enum status st;

	st = pg_quote_identifier(s->pg, s->schema, &schema, why);
	if (st == STATUS_OK)
		snprintf(s->marker, sizeof(s->marker), "%s.marker",
			 secret_bytes(schema));
	secret_free(schema);
	return st;
}

static const char *settings_sql(int version, bool check_client)
{
	if (version >= 170000)
		return check_client ?
			       SETTINGS_SQL LIMITS_17_SQL CHECK_CLIENT_SQL :
			       SETTINGS_SQL LIMITS_17_SQL;
	if (version >= 140000)
		return check_client ?
			       SETTINGS_SQL LIMITS_14_SQL CHECK_CLIENT_SQL :
			       SETTINGS_SQL LIMITS_14_SQL;
	return SETTINGS_SQL;
}

/* What every session may read and call where nobody has revoked it.  In the
 * order of the list, as the statement that gives it back. */
#define DENIED_SQL                                                          \
	"SELECT current_user, pg_catalog.string_agg('GRANT ' || d.what || " \
	"' TO ' || pg_catalog.quote_ident(current_user), '; ' "             \
	"ORDER BY d.what) FROM (SELECT 'SELECT ON pg_catalog.' || v.name "  \
	"FROM pg_catalog.unnest('{pg_attrdef,pg_attribute,"                 \
	"pg_class,pg_constraint,pg_database,pg_index,"                      \
	"pg_inherits,pg_locks,pg_namespace,pg_rewrite,pg_roles,"            \
	"pg_settings,pg_stat_activity,pg_trigger,pg_type}'::text[]) "       \
	"v(name) WHERE NOT pg_catalog.has_table_privilege('pg_catalog.' "   \
	"|| v.name, 'SELECT') UNION ALL SELECT 'EXECUTE ON FUNCTION "       \
	"pg_catalog.' || f.name FROM pg_catalog.unnest(ARRAY["              \
	"'aclexplode(aclitem[])', 'pg_advisory_xact_lock(bigint)', "        \
	"'pg_show_all_settings()', 'pg_stat_get_activity(integer)', "       \
	"'set_config(text,text,boolean)']) f(name) WHERE NOT "              \
	"pg_catalog.has_function_privilege('pg_catalog.' || f.name, "       \
	"'EXECUTE')) d(what)"

void cluster_postgres_session_denied(struct cluster_postgres *p,
				     struct cluster_session *s,
				     struct reason *why)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;

	if (cluster_postgres_run(p, s, DENIED_SQL, 0, NULL, &r, sqlstate,
				 NULL) == STATUS_OK &&
	    pg_rows(r) == 1 && !pg_is_null(r, 0, 1))
		reason_set(why, STATUS_REFUSED,
			   "keyturn's admin %s lacks what all users have by "
			   "default; run in the database of conninfo, as a "
			   "superuser: %s",
			   pg_value(r, 0, 0), pg_value(r, 0, 1));
	pg_result_free(r);
}

/*
 * A session that ends at once may have met a limit of its role or database that
 * not every server knows, so that the start-up packet does not lift it before
 * the server's version is known: is it worth another try?
 */
static bool lift(struct cluster_postgres *p, unsigned lifted, int version)
{
	unsigned limits = 0;

	if (version >= 140000)
		limits |= PG_LIFT_IDLE_SESSION;
	if (version >= 170000)
		limits |= PG_LIFT_TRANSACTION;
	p->lift |= limits;
	return (lifted & limits) != limits;
}

/* One round trip: read what the server is, then make the session ours. */
static enum status set_up(struct cluster_postgres *p, struct cluster_session *s,
			  unsigned lifted, bool *ret_again, struct reason *why)
{
	char lock[24], statement[24], sqlstate[PG_SQLSTATE_SIZE];
	const char *facts_params[] = { s->schema };
	const char *settings_params[] = { lock, statement };
	struct pg_statement many[] = {
		{ FACTS_SQL, 1, facts_params, NULL },
		{ NULL, 2, settings_params, NULL },
	};
	int version = pg_server_version(s->pg);
	size_t done;
	enum status st;

	many[1].sql = settings_sql(version, true);
	snprintf(lock, sizeof(lock), "%" PRId64, p->o.lock_timeout_us / 1000);
	snprintf(statement, sizeof(statement), "%" PRId64,
		 p->o.statement_timeout_us / 1000);
	st = pg_run_many(s->pg, many, 2,
			 p->o.statement_timeout_us + CLUSTER_MARGIN_US, &done,
			 sqlstate, why);
	if (st != STATUS_OK && done == 1 && pg_alive(s->pg)) {
		/* A platform without the client check: do without. */
		pg_result_free(many[0].result);
		pg_result_free(many[1].result);
		many[1].sql = settings_sql(version, false);
		st = pg_run_many(s->pg, many, 2,
				 p->o.statement_timeout_us + CLUSTER_MARGIN_US,
				 &done, sqlstate, why);
	}
	if (st == STATUS_OK)
		st = read_facts(p, s, many[0].result, why);
	pg_result_free(many[0].result);
	pg_result_free(many[1].result);
	if (st == STATUS_OK)
		st = quote_marker(s, why);
	if (st == STATUS_REFUSED && strcmp(sqlstate, "42501") == 0)
		cluster_postgres_session_denied(p, s, why);
	*ret_again = st == STATUS_UNKNOWN && lift(p, lifted, version);
	/* Nothing was changed anywhere, whatever happened here. */
	if (st == STATUS_UNKNOWN)
		st = STATUS_CLUSTER_UNAVAILABLE;
	return st;
}

void cluster_postgres_session_drop_idle(struct cluster_postgres *p)
{
	free_list(p->idle);
	p->idle = NULL;
}

/* ---- opening ---- */

/* What is scaled to zero wakes up by being asked; nothing of what it says
 * meanwhile is about the password. */
enum status cluster_postgres_session_awake(struct cluster_postgres *p,
					   const struct pg_login *login,
					   struct pg **ret_pg,
					   struct pg_login_report *report,
					   struct reason *why)
{
	int64_t until = now_boot(p->o.now) + p->o.wake_timeout_us;
	int64_t sleep_us = WAKE_FIRST_US;
	enum status st;

	for (;;) {
		st = pg_connect(login, ret_pg, report, why);
		/* Another, older server may be there now. */
		if (st != STATUS_OK)
			p->lift = 0;
		if (st == STATUS_OK || report->hint != PG_HINT_WAKING ||
		    now_boot(p->o.now) + sleep_us > until)
			return st;
		now_sleep(p->o.now, sleep_us);
		if (sleep_us < WAKE_LONGEST_US)
			sleep_us *= 2;
	}
}

static bool refused_password(const struct pg_login_report *r)
{
	return strcmp(r->sqlstate, "28P01") == 0 ||
	       r->hint == PG_HINT_WRONG_PASSWORD;
}

/*
 * The longest that a claim can need, five times (K22), and what a kept session
 * may have waited before: a token that lives longer than this is good for all
 * that is done on a session of ours.
 */
static int64_t token_life(const struct cluster_postgres *p)
{
	int64_t worst = p->o.statement_timeout_us + CLUSTER_MARGIN_US;

	if (p->o.connect_timeout_us > worst)
		worst = p->o.connect_timeout_us;
	return 5 * worst + IDLE_LIFE_US;
}

/* With a token; one that is refused is not tried again, its successor once. */
static enum status connect_token(struct cluster_postgres *p,
				 struct pg_login *login, struct pg **ret_pg,
				 struct reason *why)
{
	char user[CLUSTER_USER_SIZE] = "";
	struct pg_login_report report = { .class = PG_CLASS_LOST };
	struct secret *token = NULL;
	enum status st;
	int i;

	login->clear = true;
	for (i = 0; i < 2; i++) {
		st = p->o.admin_password(p->o.admin_arg, token_life(p), user,
					 &token, why);
		/* A source that is away is an administrator that is away. */
		if (st == STATUS_STORE_UNAVAILABLE || st == STATUS_TIMEOUT)
			st = STATUS_CLUSTER_UNAVAILABLE;
		else if (st == STATUS_DENIED || st == STATUS_CORRUPT)
			st = STATUS_REFUSED;
		if (st != STATUS_OK)
			return st;
		login->password = token;
		if (pg_info_get(login->info, "user")[0] == '\0' &&
		    user[0] != '\0')
			login->user = user;
		st = cluster_postgres_session_awake(p, login, ret_pg, &report,
						    why);
		secret_free(token);
		token = NULL;
		login->password = NULL;
		login->user = NULL;
		if (st == STATUS_OK || !refused_password(&report))
			return st;
		if (p->o.admin_refused != NULL)
			p->o.admin_refused(p->o.admin_arg);
	}
	return st;
}

static enum status new_session(struct cluster_postgres *p, const char *role,
			       struct cluster_session **ret, struct reason *why)
{
	struct cluster_session *s = calloc(1, sizeof(*s));
	int n;

	if (s == NULL)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	n = snprintf(s->schema, sizeof(s->schema), "%s%s%s", p->marker_schema,
		     role != NULL ? "_" : "", role != NULL ? role : "");
	if (n >= (int)sizeof(s->schema)) {
		free(s);
		return reason_set(why, STATUS_CONFIG,
				  "cluster %s: with admin = self a role has a "
				  "marker schema of its own, and \"%s_%s\" is "
				  "longer than 63 bytes; choose a shorter "
				  "marker_schema, or marker = none",
				  p->name, p->marker_schema, role);
	}
	*ret = s;
	return STATUS_OK;
}

enum status cluster_postgres_session_connect(struct cluster_postgres *p,
					     const char *dbname,
					     struct pg **ret_pg,
					     struct reason *why)
{
	struct pg_login_report report;
	struct pg_login login = {
		.info = p->infos[0],
		.dbname = dbname,
		.passfile = p->admin_passfile,
		.read_write = true,
		.timeout_us = p->o.connect_timeout_us,
		.application_name = "keyturn",
		.lift = p->lift,
	};

	if (p->target.self)
		return reason_set(why, STATUS_ERROR,
				  "internal error: cluster %s has no admin",
				  p->name);
	if (p->o.admin == CLUSTER_ADMIN_TOKEN)
		return connect_token(p, &login, ret_pg, why);
	return cluster_postgres_session_awake(p, &login, ret_pg, &report, why);
}

enum status cluster_postgres_session_open(struct cluster *t,
					  struct cluster_session **ret,
					  struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct cluster_session *s = take_idle(p);
	unsigned lifted;
	bool again = true;
	enum status st;

	if (s != NULL) {
		*ret = s;
		return STATUS_OK;
	}
	st = new_session(p, NULL, &s, why);
	if (st != STATUS_OK)
		return st;
	while (again) {
		again = false;
		lifted = p->lift;
		pg_close(s->pg);
		s->pg = NULL;
		st = cluster_postgres_session_connect(p, NULL, &s->pg, why);
		if (st == STATUS_OK)
			st = set_up(p, s, lifted, &again, why);
	}
	if (st != STATUS_OK) {
		session_free(s);
		return reason_wrap(why, st, "cluster %s", p->name);
	}
	if (pg_info_lists_hosts(p->infos[0])) {
		pthread_mutex_lock(&p->lock);
		pg_place(s->pg, &p->primary);
		pthread_mutex_unlock(&p->lock);
	}
	*ret = s;
	return STATUS_OK;
}

static enum status nobody(const struct cluster_postgres *p, const char *role,
			  size_t n, struct reason *why)
{
	if (n == 0)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s: role %s changes its own password "
			"(admin = self) and the store has none yet; "
			"keyturn import %s takes the present one over",
			p->name, role, role);
	return reason_set(why, STATUS_REFUSED,
			  "cluster %s: role %s changes its own password (admin "
			  "= self), and none that the store has is taken: it "
			  "was changed, or pg_hba.conf wants more than a "
			  "password; keyturn import takes the present one over",
			  p->name, role);
}

enum status cluster_postgres_session_open_as(
	struct cluster *t, const char *role,
	const struct cluster_candidate *candidates, size_t n,
	struct cluster_session **ret, struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct cluster_session *s = NULL;
	struct pg_login_report report = { .class = PG_CLASS_LOST };
	struct pg_login login = {
		.info = p->infos[0],
		.user = role,
		.read_write = true,
		.timeout_us = p->o.connect_timeout_us,
		.application_name = "keyturn",
		.lift = p->lift,
	};
	enum status st = cluster_postgres_check_name(role, why);
	bool again = true;
	size_t i = 0;

	if (st == STATUS_OK)
		st = new_session(p, role, &s, why);
	if (st != STATUS_OK)
		return st;
	for (st = STATUS_NOT_FOUND; i < n && st != STATUS_OK; i++) {
		login.password = candidates[i].password;
		st = cluster_postgres_session_awake(p, &login, &s->pg, &report,
						    why);
		/* Only a plain "no" to this one makes the next one worth
		 * trying (finding 9). */
		if (st != STATUS_OK && !refused_password(&report))
			break;
	}
	if (st != STATUS_OK &&
	    (i == n && (n == 0 || refused_password(&report))))
		st = nobody(p, role, n, why);
	if (st == STATUS_OK)
		text_copy(s->live, sizeof(s->live), candidates[i - 1].version);
	while (st == STATUS_OK && again) {
		st = set_up(p, s, login.lift, &again, why);
		if (!again)
			break;
		pg_close(s->pg);
		s->pg = NULL;
		login.lift = p->lift;
		st = cluster_postgres_session_awake(p, &login, &s->pg, &report,
						    why);
	}
	if (st != STATUS_OK) {
		session_free(s);
		return reason_wrap(why, st, "cluster %s", p->name);
	}
	*ret = s;
	return STATUS_OK;
}

void cluster_postgres_session_release(struct cluster *t,
				      struct cluster_session *s, bool clean)
{
	struct cluster_postgres *p = cluster_postgres_of(t);

	if (s == NULL)
		return;
	if (clean && !s->broken)
		cluster_postgres_marker_end(s);
	/* A role's own session is of no use to another. */
	if (clean && !s->broken && !p->target.self && pg_alive(s->pg)) {
		s->idle_since = now_boot(p->o.now);
		pthread_mutex_lock(&p->lock);
		if (p->n_idle < CLUSTER_IDLE_MAX) {
			s->next = p->idle;
			p->idle = s;
			p->n_idle++;
			s = NULL;
		}
		pthread_mutex_unlock(&p->lock);
	}
	session_free(s);
}
