/* SPDX-License-Identifier: PostgreSQL */
/*
 * Makes a new connection a session of ours: reads what the server is, and sets
 * what must not be left to its settings.  Must never change what outlives the
 * session.
 */
#include "cluster/postgres/setup.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/postgres/marker.h"
#include "cluster/postgres/marker_prepare.h"
#include "crypto/scram.h"

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

/* All of our statements look up a few rows by name: to plan them again with each
 * name takes longer than they do. */
#define PLANS_12_SQL                                                        \
	", pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', " \
	"false)"

/* A claim is bound to its session, which is idle while others work: what the
 * administrator's role or its database limits must not end it. */
#define LIMITS_14_SQL \
	PLANS_12_SQL  \
	", pg_catalog.set_config('idle_session_timeout', '0', false)"
#define LIMITS_17_SQL \
	LIMITS_14_SQL \
	", pg_catalog.set_config('transaction_timeout', '0', false)"

/* A server that cannot poll its clients refuses a value, hence the subquery
 * and version test; 14 brought the setting. */
#define CHECK_CLIENT_SQL                                                       \
	", pg_catalog.set_config('client_connection_check_interval', '500ms'," \
	" false)"

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
	s->sees_authid = pg_value(r, 0, 2)[0] == 't' && p->marker->kept;
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
	return version >= 120000 ? SETTINGS_SQL PLANS_12_SQL : SETTINGS_SQL;
}

/* What every session may read and call unless it was revoked.  In the
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

void cluster_postgres_setup_denied(struct cluster_postgres *p,
				   struct cluster_session *s,
				   struct reason *why)
{
	struct pg_query q = { .sql = DENIED_SQL };

	if (cluster_postgres_run(p, s, &q, NULL) == STATUS_OK &&
	    pg_rows(q.result) == 1 && !pg_is_null(q.result, 0, 1))
		reason_set(why, STATUS_REFUSED,
			   "keyturn's admin %s lacks what all users have by "
			   "default; run in the database of conninfo, as a "
			   "superuser: %s",
			   pg_value(q.result, 0, 0), pg_value(q.result, 0, 1));
	pg_result_free(q.result);
}

/*
 * A session that ends at once may have met a limit of its role or database that
 * not every server knows, so that the start-up packet does not lift it before
 * the server's version is known: is it worth another try?
 */
static bool lift_limits(struct cluster_postgres *p, unsigned lifted,
			int version)
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
enum status cluster_postgres_setup(struct cluster_postgres *p,
				   struct cluster_session *s, unsigned lifted,
				   bool *ret_again, struct reason *why)
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
		cluster_postgres_setup_denied(p, s, why);
	*ret_again = st == STATUS_UNKNOWN && lift_limits(p, lifted, version);
	/* Nothing was changed anywhere, whatever happened here. */
	if (st == STATUS_UNKNOWN)
		st = STATUS_CLUSTER_UNAVAILABLE;
	return st;
}
