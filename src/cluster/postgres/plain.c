/* SPDX-License-Identifier: PostgreSQL */
/*
 * Sends a password in clear, to servers that take no verifier (Neon and its
 * kin).  Must never do so outside TLS with verify-full, nor while a setting of
 * the server would write it down (rotation-safety.md L5).
 *
 * ALTER ROLE takes no parameter, so a function of the session's own temporary
 * schema gets the password as one and builds the statement inside the server:
 * no statement that is logged, or shown by pg_stat_activity or
 * pg_stat_statements, holds it.  Errors end inside the function, because their
 * CONTEXT would.
 */
#include "cluster/postgres/plain.h"

#include <stdlib.h>
#include <string.h>

#define WRAPPER_SQL                                                          \
	"CREATE OR REPLACE FUNCTION pg_temp.keyturn_alter_role(text, text) " \
	"RETURNS text LANGUAGE plpgsql AS $keyturn$ BEGIN "                  \
	"EXECUTE pg_catalog.format('ALTER ROLE %I PASSWORD %L', $1, $2); "   \
	"RETURN ''; EXCEPTION WHEN query_canceled OR others THEN "           \
	"RETURN CASE WHEN SQLERRM LIKE 'require a VALID UNTIL option%' "     \
	"THEN '" CLUSTER_PLAIN_VALID_UNTIL "' ELSE SQLSTATE END; "           \
	"END $keyturn$"

/* What any user may switch off, is. */
#define QUIET_SQL                                                            \
	"SELECT pg_catalog.set_config(g.name, CASE WHEN g.vartype = 'bool' " \
	"THEN 'off' ELSE '0' END, false) FROM pg_catalog.pg_settings g "     \
	"WHERE g.context = 'user' AND g.name IN ("                           \
	"'log_parameter_max_length_on_error', 'debug_print_parse', "         \
	"'debug_print_plan', 'debug_print_rewritten')"

/* What is left must be harmless as it is. */
#define LEAKS_SQL                                                           \
	"SELECT g.name, g.setting FROM pg_catalog.pg_settings g "           \
	"WHERE g.name IN ('log_statement', 'log_min_duration_statement', "  \
	"'log_min_duration_sample', 'log_transaction_sample_rate', "        \
	"'log_parameter_max_length', 'log_parameter_max_length_on_error', " \
	"'debug_print_parse', 'debug_print_plan', 'debug_print_rewritten'," \
	"'pg_stat_statements.track', 'pg_stat_statements.track_utility', "  \
	"'pg_stat_monitor.pgsm_track', 'pgaudit.log', "                     \
	"'log_lock_waits', 'deadlock_timeout', "                            \
	"'auto_explain.log_min_duration') ORDER BY 1"

/* Settings and the values that show no parameter and no nested statement. */
static const struct {
	const char *name;
	const char *harmless[3];
	bool parameters; /* log_parameter_max_length = 0 mends it, too */
} leaks[] = {
	{ "log_statement", { "none", "ddl", "mod" }, true },
	{ "log_min_duration_statement", { "-1" }, true },
	{ "log_min_duration_sample", { "-1" }, true },
	{ "log_transaction_sample_rate", { "0" }, true },
	{ "log_parameter_max_length_on_error", { "0" }, false },
	{ "debug_print_parse", { "off" }, false },
	{ "debug_print_plan", { "off" }, false },
	{ "debug_print_rewritten", { "off" }, false },
	{ "pg_stat_statements.track", { "top", "none" }, false },
	{ "pg_stat_monitor.pgsm_track", { "top", "none" }, false },
	{ "pgaudit.log", { "none", "" }, false },
	{ "auto_explain.log_min_duration", { "-1" }, false },
	{ "log_lock_waits", { "off" }, false },
};

/* Twice what a wait can last, and half of the default. */
#define LOCK_WAIT_MIN_MS 500

#define LEAKS (sizeof(leaks) / sizeof(*leaks))

static const char *find_setting(const struct pg_result *r, const char *name)
{
	int i;

	for (i = 0; i < pg_rows(r); i++)
		if (strcmp(pg_value(r, i, 0), name) == 0)
			return pg_value(r, i, 1);
	return NULL;
}

static bool is_harmless(const struct pg_result *r, size_t row,
			const char *value)
{
	const char *length = find_setting(r, "log_parameter_max_length");
	const char *utility =
		find_setting(r, "pg_stat_statements.track_utility");
	const char *wait =
		find_setting(r, "deadlock_timeout"); /* milliseconds */
	size_t i;

	for (i = 0; i < 3 && leaks[row].harmless[i] != NULL; i++)
		if (strcmp(leaks[row].harmless[i], value) == 0)
			return true;
	if (leaks[row].parameters && length != NULL && strcmp(length, "0") == 0)
		return true;
	/* It speaks after deadlock_timeout, and no wait gets there: the lock
	 * timeout is 250 ms (apply.c). */
	if (strcmp(leaks[row].name, "log_lock_waits") == 0)
		return wait != NULL &&
		       strtol(wait, NULL, 10) >= LOCK_WAIT_MIN_MS;
	return strcmp(leaks[row].name, "pg_stat_statements.track") == 0 &&
	       utility != NULL && strcmp(utility, "off") == 0;
}

static enum status refuse_leak(const struct cluster_postgres *p, size_t row,
			       const char *value, struct reason *why)
{
	return reason_set(
		why, STATUS_REFUSED,
		"cluster %s takes passwords in clear only, and %s = %s would "
		"write them down; set it to %s%s for keyturn's admin (ALTER "
		"ROLE ... SET, by a superuser) or the server",
		p->name, leaks[row].name, value, leaks[row].harmless[0],
		leaks[row].parameters ? ", or log_parameter_max_length to 0," :
					"");
}

static enum status check_leaks(struct cluster_postgres *p,
			       struct cluster_session *s, struct reason *why)
{
	struct pg_query quiet = { .sql = QUIET_SQL };
	struct pg_query q = { .sql = LEAKS_SQL };
	const char *value;
	enum status st;
	size_t i;

	st = cluster_postgres_run(p, s, &quiet, why);
	pg_result_free(quiet.result);
	if (st == STATUS_OK)
		st = cluster_postgres_run(p, s, &q, why);
	for (i = 0; st == STATUS_OK && i < LEAKS; i++) {
		value = find_setting(q.result, leaks[i].name);
		if (value != NULL && !is_harmless(q.result, i, value))
			st = refuse_leak(p, i, value, why);
	}
	/* Without this setting the others are not visible either. */
	if (st == STATUS_OK && find_setting(q.result, "log_statement") == NULL)
		st = reason_set(why, STATUS_REFUSED,
				"cluster %s takes passwords in clear only, and "
				"does not show log_statement",
				p->name);
	pg_result_free(q.result);
	return st;
}

static enum status make_wrapper(struct cluster_postgres *p,
				struct cluster_session *s, struct reason *why)
{
	struct pg_query q = { .sql = WRAPPER_SQL };
	enum status st = STATUS_OK;

	if (!s->wrapper)
		st = cluster_postgres_run(p, s, &q, why);
	pg_result_free(q.result);
	s->wrapper = s->wrapper || st == STATUS_OK;
	if (st == STATUS_REFUSED && strcmp(q.sqlstate, "42501") == 0)
		return reason_set(why, st,
				  "cluster %s takes passwords in clear only, "
				  "and keyturn's admin may make no temporary "
				  "function to hide them from logs; GRANT "
				  "TEMPORARY ON DATABASE to it",
				  p->name);
	return st;
}

enum status cluster_postgres_plain_ready(struct cluster_postgres *p,
					 struct cluster_session *s,
					 struct reason *why)
{
	enum status st;

	if (!pg_is_tls(s->pg) ||
	    strcmp(pg_info_get(p->infos[0], "sslmode"), "verify-full") != 0)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s takes passwords in clear only, "
				  "and those are sent over verified TLS alone; "
				  "set sslmode=verify-full in conninfo",
				  p->name);
	st = check_leaks(p, s, why);
	if (st == STATUS_OK)
		st = make_wrapper(p, s, why);
	/* Nothing of a role was changed. */
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

bool cluster_postgres_plain_wanted(struct cluster_postgres *p)
{
	if (p->o.send != CLUSTER_SEND_AUTO)
		return p->o.send == CLUSTER_SEND_PLAIN;
	if (!p->plain && p->o.wants_plain != NULL)
		p->plain = p->o.wants_plain(p->o.note_arg);
	return p->plain;
}

void cluster_postgres_plain_note(struct cluster_postgres *p)
{
	p->plain = true;
	if (p->o.note_plain != NULL)
		p->o.note_plain(p->o.note_arg);
}
