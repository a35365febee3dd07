/* SPDX-License-Identifier: PostgreSQL */
/*
 * Looks whether a role can be rotated, and says in one line each what is wrong
 * and how to mend it.  Must never change anything.
 */
#include "cluster/postgres/preflight.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/postgres/certificates.h"
#include "cluster/postgres/findings.h"
#include "cluster/postgres/marker.h"
#include "cluster/postgres/plain.h"
#include "cluster/postgres/preflight_pair.h"
#include "cluster/postgres/preflight_role.h"
#include "cluster/postgres/setup.h"

/* Cluster-wide facts change rarely; a failure among them is not remembered. */
#define REMEMBER_US   (3600 * NOW_SECOND)
#define OLDEST_SERVER 120000

/* ---- the cluster ---- */

static void check_connection(const struct cluster_session *s,
			     struct cluster_findings *f)
{
	const char *host = pg_host(s->pg);

	if (pg_server_version(s->pg) < OLDEST_SERVER)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "server",
			"the server is PostgreSQL %d; keyturn needs 12 or later",
			pg_server_version(s->pg) / 10000);
	if (s->pooled)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pooler",
			"the session goes through a pooler, so a claim cannot be "
			"bound to it; name the server itself in conninfo");
	if (!pg_is_tls(s->pg) && host[0] != '/' &&
	    strcmp(host, "local socket") != 0)
		cluster_postgres_findings_add(
			f, CLUSTER_WARN, "tls",
			"the session with %s has no TLS; set ssl = on at the "
			"server and sslmode=verify-full in conninfo",
			host);
}

/* Settings that write statements to a log or a view, and when they do
 * (rotation-safety.md L1 to L6). */
static const struct {
	const char *name;
	const char *harmless;
} leak_settings[] = {
	{ "log_statement", "none" },
	{ "log_min_duration_statement", "-1" },
	{ "log_min_duration_sample", "-1" },
	{ "log_parameter_max_length_on_error", "0" },
	{ "pg_stat_statements.track_utility", "off" },
	{ "pg_stat_statements.track", "top" },
	{ "pgaudit.log", "none" },
	{ "pgaudit.log_parameter", "off" },
	{ "auto_explain.log_min_duration", "-1" },
	{ "debug_print_parse", "off" },
	{ "debug_print_plan", "off" },
	{ "debug_print_rewritten", "off" },
};

static void check_setting(const char *name, const char *value, bool plain,
			  struct cluster_findings *f)
{
	size_t i;

	for (i = 0;
	     !plain && i < sizeof(leak_settings) / sizeof(*leak_settings); i++)
		if (strcmp(leak_settings[i].name, name) == 0 &&
		    strcmp(leak_settings[i].harmless, value) != 0)
			cluster_postgres_findings_add(
				f, CLUSTER_NOTE, "logging",
				"%s = %s can show ALTER ROLE in a log or view; "
				"harmless for keyturn, which sends a SCRAM verifier "
				"and never the password",
				name, value);
	if (strcmp(name, "password_encryption") == 0 &&
	    strcmp(value, "scram-sha-256") != 0)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "password",
			"password_encryption = %s; keyturn's roles get SCRAM all "
			"the same, passwords set by hand do not: set it to "
			"scram-sha-256",
			value);
	if (strcmp(name, "synchronous_standby_names") == 0 && value[0] != '\0')
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "standby",
			"synchronous_standby_names is set: without its standby a "
			"rotation waits for statement_timeout, then looks, goes "
			"on and says that no standby has confirmed it");
	if (strcmp(name, "fsync") == 0 && strcmp(value, "off") == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_WARN, "server",
			"fsync = off: a crash can bring an old password back; set "
			"it to on");
	if (strcmp(name, "transaction_read_only") == 0 &&
	    strcmp(value, "on") == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "server",
			"the server is read-only; name the primary in conninfo or "
			"set default_transaction_read_only = off");
}

static enum status check_settings(struct cluster_postgres *p,
				  struct cluster_session *s,
				  struct cluster_findings *f,
				  struct reason *why)
{
	bool plain = cluster_postgres_plain_wanted(p);
	struct pg_query q = {
		.sql = "SELECT g.name, g.setting FROM pg_catalog.pg_settings g "
		       "WHERE g.name = ANY ('{log_statement,"
		       "log_min_duration_statement,log_min_duration_sample,"
		       "log_parameter_max_length_on_error,"
		       "pg_stat_statements.track_utility,pg_stat_statements.track,"
		       "pgaudit.log,pgaudit.log_parameter,"
		       "auto_explain.log_min_duration,debug_print_parse,"
		       "debug_print_plan,debug_print_rewritten,password_encryption,"
		       "synchronous_standby_names,fsync,transaction_read_only}') "
		       "UNION ALL SELECT 'in_recovery', "
		       "pg_catalog.pg_is_in_recovery()::text"
	};
	enum status st;
	int i;

	/* The view hides what we may not see; current_setting() would fail. */
	st = cluster_postgres_run(p, s, &q, why);
	for (i = 0; st == STATUS_OK && i < pg_rows(q.result); i++) {
		const char *name = pg_value(q.result, i, 0);
		const char *value = pg_value(q.result, i, 1);

		if (strcmp(name, "in_recovery") == 0 && value[0] == 't')
			cluster_postgres_findings_add(
				f, CLUSTER_FAIL, "server",
				"the server is a standby; name the primary in "
				"conninfo");
		check_setting(name, value, plain, f);
	}
	pg_result_free(q.result);
	return st;
}

/*
 * RDS lets only members of rds_password change passwords when this is set.  Asked
 * for by itself: where the setting may not be shown, nothing is known.
 */
static void check_restricted(struct cluster_postgres *p,
			     struct cluster_session *s,
			     struct cluster_findings *f)
{
	struct pg_query q = {
		.sql = "SELECT current_user, EXISTS (SELECT FROM "
		       "pg_catalog.pg_roles r WHERE r.rolname = 'rds_password' "
		       "AND pg_catalog.pg_has_role(r.oid, 'MEMBER')) WHERE "
		       "pg_catalog.current_setting("
		       "'rds.restrict_password_commands', true) IN "
		       "('on', '1', 'true')"
	};

	if (cluster_postgres_run(p, s, &q, NULL) == STATUS_OK &&
	    pg_rows(q.result) == 1 && pg_value(q.result, 0, 1)[0] != 't')
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "rights",
			"rds.restrict_password_commands is on, and keyturn's "
			"admin %s is not a member of rds_password; run GRANT "
			"rds_password TO \"%s\"",
			pg_value(q.result, 0, 0), pg_value(q.result, 0, 0));
	pg_result_free(q.result);
}

/* A copy of a server has its identifier, and was not started together with it.
 * A service may hide it. */
static void note_server(struct cluster_postgres *p, struct cluster_session *s)
{
	struct pg_query q = {
		.sql = "SELECT c.system_identifier || ' of ' || extract(epoch "
		       "FROM pg_catalog.pg_postmaster_start_time()) "
		       "FROM pg_catalog.pg_control_system() c"
	};

	p->cluster.server[0] = '\0';
	if (cluster_postgres_run(p, s, &q, NULL) == STATUS_OK &&
	    pg_rows(q.result) == 1)
		(void)text_copy(p->cluster.server, sizeof(p->cluster.server),
				pg_value(q.result, 0, 0));
	pg_result_free(q.result);
}

static void add_expiry(void *arg, const char *sentence)
{
	cluster_postgres_findings_add(arg, CLUSTER_WARN, "certificate", "%s",
				      sentence);
}

/* Passwords go in clear: is that safe here? */
static enum status check_plain(struct cluster_postgres *p,
			       struct cluster_session *s,
			       struct cluster_findings *f, struct reason *why)
{
	struct reason found = { "" };
	enum status st = cluster_postgres_plain_ready(p, s, &found);

	if (st == STATUS_REFUSED) {
		cluster_postgres_findings_add(f, CLUSTER_FAIL, "plaintext",
					      "%s", found.text);
		return STATUS_OK;
	}
	if (st != STATUS_OK) {
		if (why != NULL)
			*why = found;
		return st;
	}
	cluster_postgres_findings_add(
		f, CLUSTER_NOTE, "plaintext",
		"the server takes no verifier: passwords are sent in clear inside "
		"verified TLS, by a function that keeps them out of logs");
	return STATUS_OK;
}

/* A copy of the cluster's findings; looked up once, then remembered. */
static enum status check_cluster(struct cluster_postgres *p,
				 struct cluster_session *s,
				 struct cluster_findings *f, struct reason *why)
{
	enum status st = STATUS_OK;

	/* Under the lock, so that 16 jobs do not ask 16 times. */
	pthread_mutex_lock(&p->lock);
	if (p->remembered != NULL && now_boot(p->o.now) < p->remembered_until) {
		*f = *p->remembered;
		goto out;
	}
	check_connection(s, f);
	cluster_postgres_certificates_check(p, s, add_expiry, f);
	st = check_settings(p, s, f, why);
	if (st == STATUS_OK)
		check_restricted(p, s, f);
	if (st == STATUS_OK)
		note_server(p, s);
	if (st == STATUS_OK && cluster_postgres_plain_wanted(p))
		st = check_plain(p, s, f, why);
	if (st == STATUS_OK)
		st = p->marker->check(p, s, f, why);
	/* Without an admin every role sees the cluster for itself. */
	if (st != STATUS_OK || f->failed || p->cluster.self)
		goto out;
	if (p->remembered == NULL)
		p->remembered = malloc(sizeof(*p->remembered));
	if (p->remembered != NULL) {
		*p->remembered = *f;
		p->remembered_until = now_boot(p->o.now) + REMEMBER_US;
	}
out:
	pthread_mutex_unlock(&p->lock);
	return st;
}

static enum status report_findings(const struct cluster_postgres *p,
				   const struct cluster_findings *f,
				   cluster_finding_fn *finding, void *arg,
				   struct reason *why)
{
	enum status st = STATUS_OK;
	size_t i;

	for (i = 0; i < f->n; i++) {
		const struct cluster_finding *row = &f->rows[i];

		if (finding != NULL)
			finding(arg, row->severity, row->topic, row->sentence);
		if (row->severity == CLUSTER_FAIL && st == STATUS_OK)
			st = reason_set(why, STATUS_REFUSED, "cluster %s: %s",
					p->name, row->sentence);
	}
	return st;
}

enum status cluster_postgres_preflight(struct cluster *t,
				       struct cluster_session *s,
				       const char *role,
				       const struct cluster_pair *pair,
				       cluster_finding_fn *finding, void *arg,
				       struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct cluster_findings *f = calloc(1, sizeof(*f));
	struct reason told = { "" };
	enum status st;

	if (f == NULL)
		return reason_no_memory(why);
	st = check_cluster(p, s, f, &told);
	/* A name that SQL would cut is a finding like others. */
	if (st == STATUS_OK && role != NULL &&
	    cluster_postgres_check_name(role, NULL) != STATUS_OK)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "role",
			"a role name has 1 to 63 bytes of UTF-8 without control "
			"characters; correct it");
	else if (st == STATUS_OK && pair != NULL)
		st = cluster_postgres_preflight_pair(p, s, role, pair, f,
						     &told);
	else if (st == STATUS_OK && role != NULL)
		st = cluster_postgres_preflight_pair_none(
			p, s, role, finding != NULL, f, &told);
	/* What the server would not tell is one, too. */
	if (st == STATUS_REFUSED) {
		cluster_postgres_setup_denied(p, s, &told);
		cluster_postgres_findings_add(f, CLUSTER_FAIL, "rights", "%s",
					      told.text);
		st = STATUS_OK;
	}
	if (st == STATUS_OK) {
		st = report_findings(p, f, finding, arg, why);
	} else {
		reason_wrap(&told, st, "cluster %s, preflight", p->name);
		if (why != NULL)
			*why = told;
	}
	/* A read changes nothing, lost or not. */
	if (st == STATUS_UNKNOWN)
		st = STATUS_CLUSTER_UNAVAILABLE;
	free(f);
	return st;
}
