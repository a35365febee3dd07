/* SPDX-License-Identifier: PostgreSQL */
/*
 * A PostgreSQL cluster: its admin sessions, kept and reused.  Must never hand
 * out a session that another claim is bound to.
 */
#include "target/target_postgres_internal.h"

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

#define FACTS_SQL                                                             \
	"SELECT pg_catalog.pg_backend_pid(), "                                \
	"(SELECT a.backend_start FROM pg_catalog.pg_stat_activity a"          \
	" WHERE a.pid = pg_catalog.pg_backend_pid()), "                       \
	"pg_catalog.has_column_privilege('pg_catalog.pg_authid',"             \
	" 'rolpassword', 'SELECT')"                                           \
	" AND pg_catalog.has_column_privilege('pg_catalog.pg_authid', 'oid'," \
	" 'SELECT')"                                                          \
	" AND pg_catalog.has_column_privilege('pg_catalog.pg_authid',"        \
	" 'rolname', 'SELECT'), "                                             \
	"pg_catalog.current_setting('synchronous_commit'), "                  \
	"pg_catalog.current_setting('scram_iterations', true), "              \
	"(SELECT CASE WHEN c.relkind <> 'r' THEN 'untrusted'"                 \
	" WHEN pg_catalog.bool_and(o.rolname = current_user OR o.rolsuper"    \
	" OR EXISTS (SELECT FROM pg_catalog.pg_auth_members am"               \
	" JOIN pg_catalog.pg_roles me ON me.oid = am.member"                  \
	" WHERE am.roleid = o.oid AND me.rolname = current_user))"            \
	" THEN 'ready' ELSE 'untrusted' END"                                  \
	" FROM pg_catalog.pg_class c"                                         \
	" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"           \
	" JOIN pg_catalog.pg_roles o ON o.oid IN (c.relowner, n.nspowner)"    \
	" WHERE n.nspname = $1::pg_catalog.name AND c.relname = 'marker'"     \
	" GROUP BY c.relkind)"

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

struct target_postgres *target_postgres_of(struct target *t)
{
	return (struct target_postgres *)t;
}

enum status target_postgres_check_name(const char *role, struct reason *why)
{
	size_t n = strlen(role);

	/* The server would cut a longer one and mean another role. */
	if (n == 0 || n >= TARGET_NAME_SIZE)
		return reason_set(why, STATUS_REFUSED,
				  "a role name has 1 to 63 bytes, this one has "
				  "%zu",
				  n);
	if (!text_is_utf8(role, n) || text_has_control(role, n))
		return reason_set(why, STATUS_REFUSED,
				  "role name \"%s\" is not UTF-8 or holds a "
				  "control character",
				  role);
	return STATUS_OK;
}

enum status target_postgres_run(struct target_postgres *p,
				struct target_session *s, const char *sql,
				int n_params, const char *const *params,
				struct pg_result **ret_result,
				char ret_sqlstate[PG_SQLSTATE_SIZE],
				struct reason *why)
{
	return pg_run(s->pg, sql, n_params, params,
		      p->o.statement_timeout_us + TARGET_MARGIN_US, ret_result,
		      ret_sqlstate, why);
}

/* ---- sessions ---- */

static void session_free(struct target_session *s)
{
	if (s == NULL)
		return;
	pg_close(s->pg);
	free(s);
}

static void free_list(struct target_session *s)
{
	struct target_session *next;

	for (; s != NULL; s = next) {
		next = s->next;
		session_free(s);
	}
}

/* Take the sessions that are of no use any more out of the idle list. */
static struct target_session *unlink_stale(struct target_postgres *p)
{
	struct target_session **at = &p->idle, *s, *stale = NULL;

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

void target_postgres_sweep(struct target_postgres *p)
{
	struct target_session *stale;

	pthread_mutex_lock(&p->lock);
	stale = unlink_stale(p);
	pthread_mutex_unlock(&p->lock);
	free_list(stale);
}

/* An idle session that still answers, or NULL. */
static struct target_session *take_idle(struct target_postgres *p)
{
	struct target_session *s, *stale;

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

static unsigned choose_iterations(const struct target_postgres *p,
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

static enum status read_facts(struct target_postgres *p,
			      struct target_session *s,
			      const struct pg_result *r, struct reason *why)
{
	const char *sync = pg_value(r, 0, 3);
	const char *state = pg_value(r, 0, 5);

	s->pooled = strtol(pg_value(r, 0, 0), NULL, 10) !=
		    pg_backend_pid(s->pg);
	s->sees_authid = pg_value(r, 0, 2)[0] == 't';
	/* Only raised, never lowered: remote_apply stays. */
	if (strcmp(sync, "remote_apply") != 0)
		sync = "on";
	s->iterations = choose_iterations(p, pg_value(r, 0, 4));
	s->marker_state = TARGET_MARKER_MISSING;
	if (strcmp(state, "ready") == 0)
		s->marker_state = TARGET_MARKER_READY;
	else if (strcmp(state, "untrusted") == 0)
		s->marker_state = TARGET_MARKER_UNTRUSTED;
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

static enum status quote_marker(struct target_postgres *p,
				struct target_session *s, struct reason *why)
{
	struct secret *schema = NULL;
	enum status st;

	st = pg_quote_identifier(s->pg, p->marker_schema, &schema, why);
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

/* One round trip: read what the server is, then make the session ours. */
static enum status set_up(struct target_postgres *p, struct target_session *s,
			  struct reason *why)
{
	char lock[24], statement[24], sqlstate[PG_SQLSTATE_SIZE];
	const char *facts_params[] = { p->marker_schema };
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
			 p->o.statement_timeout_us + TARGET_MARGIN_US, &done,
			 sqlstate, why);
	if (st != STATUS_OK && done == 1 && pg_alive(s->pg)) {
		/* A platform without the client check: do without. */
		pg_result_free(many[0].result);
		pg_result_free(many[1].result);
		many[1].sql = settings_sql(version, false);
		st = pg_run_many(s->pg, many, 2,
				 p->o.statement_timeout_us + TARGET_MARGIN_US,
				 &done, sqlstate, why);
	}
	if (st == STATUS_OK)
		st = read_facts(p, s, many[0].result, why);
	pg_result_free(many[0].result);
	pg_result_free(many[1].result);
	if (st == STATUS_OK)
		st = quote_marker(p, s, why);
	/* Nothing was changed anywhere, whatever happened here. */
	if (st == STATUS_UNKNOWN)
		st = STATUS_CLUSTER_UNAVAILABLE;
	return st;
}

/* What is scaled to zero wakes up by being asked; nothing of what it says
 * meanwhile is about the password. */
static enum status connect_awake(struct target_postgres *p,
				 const struct pg_login *login,
				 struct pg **ret_pg, struct reason *why)
{
	int64_t until = now_boot(p->o.now) + p->o.wake_timeout_us;
	int64_t sleep_us = WAKE_FIRST_US;
	struct pg_login_report report;
	enum status st;

	for (;;) {
		st = pg_connect(login, ret_pg, &report, why);
		if (st == STATUS_OK || report.hint != PG_HINT_WAKING ||
		    now_boot(p->o.now) + sleep_us > until)
			return st;
		now_sleep(p->o.now, sleep_us);
		if (sleep_us < WAKE_LONGEST_US)
			sleep_us *= 2;
	}
}

static enum status open_session(struct target *t, struct target_session **ret,
				struct reason *why)
{
	struct target_postgres *p = target_postgres_of(t);
	struct target_session *s = take_idle(p);
	struct pg_login login = {
		.info = p->infos[0],
		.passfile = p->admin_passfile,
		.read_write = true,
		.timeout_us = p->o.connect_timeout_us,
		.application_name = "keyturn",
	};
	enum status st;

	if (s != NULL) {
		*ret = s;
		return STATUS_OK;
	}
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	st = connect_awake(p, &login, &s->pg, why);
	if (st == STATUS_OK)
		st = set_up(p, s, why);
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

static void release_session(struct target *t, struct target_session *s,
			    bool clean)
{
	struct target_postgres *p = target_postgres_of(t);

	if (s == NULL)
		return;
	if (clean && !s->broken)
		target_marker_end(s);
	if (clean && !s->broken && pg_alive(s->pg)) {
		s->idle_since = now_boot(p->o.now);
		pthread_mutex_lock(&p->lock);
		if (p->n_idle < TARGET_IDLE_MAX) {
			s->next = p->idle;
			p->idle = s;
			p->n_idle++;
			s = NULL;
		}
		pthread_mutex_unlock(&p->lock);
	}
	session_free(s);
}

/* ---- the cluster ---- */

static void close_target(struct target *t)
{
	struct target_postgres *p = target_postgres_of(t);
	size_t i;

	if (p == NULL)
		return;
	free_list(p->idle);
	for (i = 0; i < p->n_infos; i++)
		pg_info_free(p->infos[i]);
	free(p->infos);
	free(p->cluster);
	free(p->name);
	free(p->admin_passfile);
	free(p->prove_dbname);
	free(p->marker_schema);
	free(p->dbname);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static const struct target_ops postgres_ops = {
	.type = "postgres",
	.open = open_session,
	.release = release_session,
	.preflight = target_preflight,
	.claim = target_marker_claim,
	.look = target_marker_look,
	.apply = target_apply,
	.prove = target_prove,
	.inspect = target_marker_inspect,
	.close = close_target,
};

static enum status copy_string(const char *from, char **to)
{
	return from != NULL && from[0] != '\0' ? text_dup(from, to) : STATUS_OK;
}

static enum status copy_strings(struct target_postgres *p,
				const struct target_postgres_options *o)
{
	enum status st = text_dup(o->name != NULL ? o->name : "", &p->name);

	if (st == STATUS_OK)
		st = copy_string(o->admin_passfile, &p->admin_passfile);
	if (st == STATUS_OK)
		st = copy_string(o->prove_dbname, &p->prove_dbname);
	if (st == STATUS_OK)
		st = text_dup(o->marker_schema != NULL &&
					      o->marker_schema[0] != '\0' ?
				      o->marker_schema :
				      "keyturn",
			      &p->marker_schema);
	return st;
}

static enum status parse_infos(struct target_postgres *p,
			       const struct target_postgres_options *o,
			       struct reason *why)
{
	size_t n = 1;
	enum status st;

	while (o->endpoints != NULL && o->endpoints[n - 1] != NULL)
		n++;
	p->infos = calloc(n, sizeof(*p->infos));
	if (p->infos == NULL)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	while (p->n_infos < n) {
		st = pg_info_parse(p->n_infos == 0 ?
					   o->conninfo :
					   o->endpoints[p->n_infos - 1],
				   o->insecure, &p->infos[p->n_infos], why);
		if (st != STATUS_OK)
			return reason_wrap(why, st, "cluster %s, %s", p->name,
					   p->n_infos == 0 ? "conninfo" :
							     "endpoint");
		p->n_infos++;
	}
	return STATUS_OK;
}

static void set_defaults(struct target_postgres_options *o)
{
	if (o->connect_timeout_us <= 0)
		o->connect_timeout_us = 30 * NOW_SECOND;
	if (o->statement_timeout_us <= 0)
		o->statement_timeout_us = 30 * NOW_SECOND;
	if (o->lock_timeout_us <= 0)
		o->lock_timeout_us = 5 * NOW_SECOND;
	if (o->claim_max_us <= 0)
		o->claim_max_us = 120 * NOW_SECOND;
	if (o->now == NULL)
		o->now = now_system();
}

/* What consumers are told, and the database of the admin when it is implied:
 * libpq takes the user's name, which for a probe would be another one. */
static enum status describe(struct target_postgres *p)
{
	const struct pg_info *info = p->infos[0];
	const char *dbname = pg_info_get(info, "dbname");
	const char *port = pg_info_get(info, "port");
	enum status st;

	if (dbname[0] == '\0')
		dbname = pg_info_get(info, "user");
	if (dbname[0] == '\0')
		dbname = "postgres";
	st = text_dup(dbname, &p->dbname);
	p->target.ops = &postgres_ops;
	p->target.name = p->name;
	p->target.host = pg_info_get(info, "host");
	p->target.port = port[0] != '\0' ? port : "5432";
	p->target.dbname = p->prove_dbname != NULL ? p->prove_dbname :
						     p->dbname;
	p->target.sslmode = pg_info_get(info, "sslmode");
	p->target.doubts = p->o.send != TARGET_SEND_SCRAM;
	return st;
}

/* A commit may be forwarded for 20 s (lakebase.md 3.2), and is unknown when it
 * takes longer than we wait. */
#define PLAIN_STATEMENT_US (26 * NOW_SECOND)

static enum status check_send(const struct target_postgres *p,
			      struct reason *why)
{
	if (p->o.send == TARGET_SEND_SCRAM)
		return STATUS_OK;
	if (p->o.statement_timeout_us < PLAIN_STATEMENT_US)
		return reason_set(why, STATUS_CONFIG,
				  "cluster %s: password_send = auto or plain "
				  "wants a statement_timeout of at least 26s, "
				  "since a commit may take 20s there",
				  p->name);
	if (p->o.send == TARGET_SEND_PLAIN &&
	    strcmp(pg_info_get(p->infos[0], "sslmode"), "verify-full") != 0)
		return reason_set(why, STATUS_CONFIG,
				  "cluster %s: password_send = plain wants "
				  "sslmode=verify-full in conninfo",
				  p->name);
	return STATUS_OK;
}

enum status target_postgres_open(const struct target_postgres_options *o,
				 struct target **ret_target, struct reason *why)
{
	struct target_postgres *p = calloc(1, sizeof(*p));
	enum status st;

	if (p == NULL)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	pthread_mutex_init(&p->lock, NULL);
	p->o = *o;
	set_defaults(&p->o);
	st = copy_strings(p, o);
	if (st != STATUS_OK) {
		reason_set(why, st, "out of memory");
		goto out;
	}
	st = parse_infos(p, o, why);
	if (st != STATUS_OK)
		goto out;
	st = target_postgres_check_name(p->marker_schema, NULL);
	if (st != STATUS_OK) {
		st = reason_set(why, STATUS_CONFIG,
				"cluster %s: marker_schema is no name of 1 to "
				"63 bytes",
				p->name);
		goto out;
	}
	st = check_send(p, why);
	if (st != STATUS_OK)
		goto out;
	st = describe(p);
	if (st != STATUS_OK) {
		reason_set(why, st, "out of memory");
		goto out;
	}
	/* The caller's strings are not ours to keep. */
	p->o.name = p->o.conninfo = p->o.admin_passfile = NULL;
	p->o.endpoints = NULL;
	p->o.prove_dbname = p->o.marker_schema = NULL;
	*ret_target = &p->target;
	p = NULL;
out:
	if (p != NULL)
		close_target(&p->target);
	return st;
}

enum status target_postgres_prepare(struct target *t, struct reason *why)
{
	struct target_session *s = NULL;
	enum status st = open_session(t, &s, why);

	if (st != STATUS_OK)
		return st;
	st = target_marker_prepare(target_postgres_of(t), s, why);
	release_session(t, s, st == STATUS_OK);
	return st;
}
