/* SPDX-License-Identifier: PostgreSQL */
/*
 * Looks whether a role can be rotated, and says in one line each what is wrong
 * and how to mend it.  Must never change anything.
 */
#include "cluster/postgres/postgres_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

/* Cluster-wide facts change rarely; a failure among them is not remembered. */
#define REMEMBER_US   (3600 * NOW_SECOND)
#define OLDEST_SERVER 120000

static void add(struct cluster_findings *f, enum cluster_severity severity,
		const char *topic, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void add(struct cluster_findings *f, enum cluster_severity severity,
		const char *topic, const char *fmt, ...)
{
	struct cluster_finding *row;
	va_list ap;

	/* A failure is never lost to a full list. */
	if (f->n == CLUSTER_FINDINGS_MAX && severity != CLUSTER_FAIL)
		return;
	row = &f->rows[f->n < CLUSTER_FINDINGS_MAX ? f->n++ : f->n - 1];
	row->severity = severity;
	row->topic = topic;
	va_start(ap, fmt);
	vsnprintf(row->sentence, sizeof(row->sentence), fmt, ap);
	va_end(ap);
	f->failed |= severity == CLUSTER_FAIL;
}

/* ---- the cluster ---- */

static void check_connection(const struct cluster_session *s,
			     struct cluster_findings *f)
{
	const char *host = pg_host(s->pg);

	if (pg_server_version(s->pg) < OLDEST_SERVER)
		add(f, CLUSTER_FAIL, "server",
		    "the server is PostgreSQL %d; keyturn needs 12 or later",
		    pg_server_version(s->pg) / 10000);
	if (s->pooled)
		add(f, CLUSTER_FAIL, "pooler",
		    "the session goes through a pooler, so a claim cannot be "
		    "bound to it; name the server itself in conninfo");
	if (!pg_is_tls(s->pg) && host[0] != '/' &&
	    strcmp(host, "local socket") != 0)
		add(f, CLUSTER_WARN, "tls",
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
			add(f, CLUSTER_NOTE, "logging",
			    "%s = %s can show ALTER ROLE in a log or view; "
			    "harmless for keyturn, which sends a SCRAM verifier "
			    "and never the password",
			    name, value);
	if (strcmp(name, "password_encryption") == 0 &&
	    strcmp(value, "scram-sha-256") != 0)
		add(f, CLUSTER_NOTE, "password",
		    "password_encryption = %s; keyturn's roles get SCRAM all "
		    "the same, passwords set by hand do not: set it to "
		    "scram-sha-256",
		    value);
	if (strcmp(name, "synchronous_standby_names") == 0 && value[0] != '\0')
		add(f, CLUSTER_NOTE, "standby",
		    "synchronous_standby_names is set: without its standby a "
		    "rotation waits for statement_timeout, then looks, goes "
		    "on and says that no standby has confirmed it");
	if (strcmp(name, "fsync") == 0 && strcmp(value, "off") == 0)
		add(f, CLUSTER_WARN, "server",
		    "fsync = off: a crash can bring an old password back; set "
		    "it to on");
	if (strcmp(name, "transaction_read_only") == 0 &&
	    strcmp(value, "on") == 0)
		add(f, CLUSTER_FAIL, "server",
		    "the server is read-only; name the primary in conninfo or "
		    "set default_transaction_read_only = off");
}

static enum status check_settings(struct cluster_postgres *p,
				  struct cluster_session *s,
				  struct cluster_findings *f,
				  struct reason *why)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	bool plain = cluster_postgres_plain_wanted(p);
	struct pg_result *r = NULL;
	enum status st;
	int i;

	/* The view hides what we may not see; current_setting() would fail. */
	st = cluster_postgres_run(
		p, s,
		"SELECT g.name, g.setting FROM pg_catalog.pg_settings g "
		"WHERE g.name = ANY ('{log_statement,"
		"log_min_duration_statement,log_min_duration_sample,"
		"log_parameter_max_length_on_error,"
		"pg_stat_statements.track_utility,pg_stat_statements.track,"
		"pgaudit.log,pgaudit.log_parameter,"
		"auto_explain.log_min_duration,debug_print_parse,"
		"debug_print_plan,debug_print_rewritten,password_encryption,"
		"synchronous_standby_names,fsync,transaction_read_only}') "
		"UNION ALL SELECT 'in_recovery', "
		"pg_catalog.pg_is_in_recovery()::text",
		0, NULL, &r, sqlstate, why);
	for (i = 0; st == STATUS_OK && i < pg_rows(r); i++) {
		const char *name = pg_value(r, i, 0);
		const char *value = pg_value(r, i, 1);

		if (strcmp(name, "in_recovery") == 0 && value[0] == 't')
			add(f, CLUSTER_FAIL, "server",
			    "the server is a standby; name the primary in "
			    "conninfo");
		check_setting(name, value, plain, f);
	}
	pg_result_free(r);
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
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;

	if (cluster_postgres_run(
		    p, s,
		    "SELECT current_user, EXISTS (SELECT FROM "
		    "pg_catalog.pg_roles r WHERE r.rolname = 'rds_password' "
		    "AND pg_catalog.pg_has_role(r.oid, 'MEMBER')) WHERE "
		    "pg_catalog.current_setting("
		    "'rds.restrict_password_commands', true) IN "
		    "('on', '1', 'true')",
		    0, NULL, &r, sqlstate, NULL) == STATUS_OK &&
	    pg_rows(r) == 1 && pg_value(r, 0, 1)[0] != 't')
		add(f, CLUSTER_FAIL, "rights",
		    "rds.restrict_password_commands is on, and keyturn's admin "
		    "%s is no member of rds_password; run GRANT rds_password "
		    "TO \"%s\"",
		    pg_value(r, 0, 0), pg_value(r, 0, 0));
	pg_result_free(r);
}

/* A copy of a server has its identifier, and was not started together with it.
 * A service may hide it. */
static void note_server(struct cluster_postgres *p, struct cluster_session *s)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;

	p->target.server[0] = '\0';
	if (cluster_postgres_run(
		    p, s,
		    "SELECT c.system_identifier || ' of ' || extract(epoch "
		    "FROM pg_catalog.pg_postmaster_start_time()) "
		    "FROM pg_catalog.pg_control_system() c",
		    0, NULL, &r, sqlstate, NULL) == STATUS_OK &&
	    pg_rows(r) == 1)
		(void)text_copy(p->target.server, sizeof(p->target.server),
				pg_value(r, 0, 0));
	pg_result_free(r);
}

#define MARKER_SQL                                                        \
	"SELECT current_user, n.oid IS NOT NULL, "                        \
	"CASE WHEN n.oid IS NULL THEN pg_catalog.has_database_privilege(" \
	"pg_catalog.current_database(), 'CREATE') "                       \
	"ELSE pg_catalog.has_schema_privilege(n.oid, 'CREATE')"           \
	" AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') END, "      \
	"c.oid IS NOT NULL, "                                             \
	"coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE')"        \
	" AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"            \
	" AND pg_catalog.has_table_privilege(c.oid, 'INSERT')"            \
	" AND pg_catalog.has_table_privilege(c.oid, 'UPDATE'), false) "   \
	"FROM (VALUES (1)) one(x) LEFT JOIN pg_catalog.pg_namespace n"    \
	" ON n.nspname = $1::pg_catalog.name"                             \
	" LEFT JOIN pg_catalog.pg_class c"                                \
	" ON c.relnamespace = n.oid AND c.relname = 'marker'"

static enum status check_marker(struct cluster_postgres *p,
				struct cluster_session *s,
				struct cluster_findings *f, struct reason *why)
{
	const char *params[] = { s->schema };
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;
	bool schema, may_create, table, usable;
	char fault[CLUSTER_SENTENCE_SIZE];
	enum status st;

	if (p->o.marker == CLUSTER_MARKER_NONE) {
		add(f, CLUSTER_WARN, "marker",
		    "marker = none is weaker: only a login tells what is live, "
		    "and after a restore nothing says so; run CREATE SCHEMA "
		    "\"%s\" AUTHORIZATION the role, and set marker = table",
		    s->schema);
		return STATUS_OK;
	}
	if (s->marker_state == CLUSTER_MARKER_UNTRUSTED) {
		cluster_postgres_marker_prepare_fault(s, fault, sizeof(fault));
		add(f, CLUSTER_FAIL, "marker", "%s", fault);
		return STATUS_OK;
	}
	st = cluster_postgres_run(p, s, MARKER_SQL, 1, params, &r, sqlstate,
				  why);
	if (st != STATUS_OK)
		return st;
	schema = pg_value(r, 0, 1)[0] == 't';
	may_create = pg_value(r, 0, 2)[0] == 't';
	table = pg_value(r, 0, 3)[0] == 't';
	usable = pg_value(r, 0, 4)[0] == 't';
	if (table && !usable)
		add(f, CLUSTER_FAIL, "marker",
		    "keyturn's admin may not use its marker table; run GRANT "
		    "SELECT, INSERT, UPDATE ON %s TO \"%s\"",
		    s->marker, pg_value(r, 0, 0));
	else if (!table && !may_create && schema)
		add(f, CLUSTER_FAIL, "marker",
		    "the marker table is missing and keyturn's admin may not "
		    "create it; run ALTER SCHEMA \"%s\" OWNER TO \"%s\"",
		    s->schema, pg_value(r, 0, 0));
	else if (!table && !may_create)
		add(f, CLUSTER_FAIL, "marker",
		    "the marker table is missing and keyturn's admin may not "
		    "create its schema; run CREATE SCHEMA \"%s\" AUTHORIZATION "
		    "\"%s\"",
		    s->schema, pg_value(r, 0, 0));
	else if (!table)
		add(f, CLUSTER_NOTE, "marker",
		    "the marker table %s will be created by the first rotation",
		    s->marker);
	pg_result_free(r);
	return st;
}

static void add_expiry(void *arg, const char *sentence)
{
	add(arg, CLUSTER_WARN, "certificate", "%s", sentence);
}

/* Passwords go in clear: is that safe here? */
static enum status check_plain(struct cluster_postgres *p,
			       struct cluster_session *s,
			       struct cluster_findings *f, struct reason *why)
{
	struct reason found = { "" };
	enum status st = cluster_postgres_plain_ready(p, s, &found);

	if (st == STATUS_REFUSED) {
		add(f, CLUSTER_FAIL, "plaintext", "%s", found.text);
		return STATUS_OK;
	}
	if (st != STATUS_OK) {
		if (why != NULL)
			*why = found;
		return st;
	}
	add(f, CLUSTER_NOTE, "plaintext",
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
	if (p->cluster != NULL && now_boot(p->o.now) < p->cluster_until) {
		*f = *p->cluster;
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
		st = check_marker(p, s, f, why);
	/* Without an admin every role sees the cluster for itself. */
	if (st != STATUS_OK || f->failed || p->target.self)
		goto out;
	if (p->cluster == NULL)
		p->cluster = malloc(sizeof(*p->cluster));
	if (p->cluster != NULL) {
		*p->cluster = *f;
		p->cluster_until = now_boot(p->o.now) + REMEMBER_US;
	}
out:
	pthread_mutex_unlock(&p->lock);
	return st;
}

/* ---- the role: one round trip ---- */

enum {
	ROLE_NAME,
	ROLE_SUPER,
	ROLE_LOGIN,
	ROLE_EXPIRED,
	ROLE_VALID_UNTIL,
	ROLE_LIMIT,
	ROLE_OURS,
	ROLE_RESERVED,
	ROLE_MAY,
	ROLE_CREATEROLE,
	ROLE_ADMIN_OPTION,
	ROLE_ADMIN_NAME,
	ROLE_ENCRYPTION,
	ROLE_KIND,
	ROLE_HOW
};

/* Who may change a password: until 15 CREATEROLE on all but superusers and
 * replication roles; from 16 CREATEROLE with ADMIN OPTION on the role. */
#define ROLE_SQL(may, how, kind, join)                                             \
	"SELECT r.rolname, r.rolsuper, r.rolcanlogin, "                            \
	"coalesce(r.rolvaliduntil <= pg_catalog.clock_timestamp(), false), "       \
	"r.rolvaliduntil, r.rolconnlimit, "                                        \
	"r.rolname IN (current_user, session_user), "                              \
	"r.rolname LIKE 'pg\\_%' OR EXISTS (SELECT FROM " CLUSTER_SERVICE_ROLES    \
	" WHERE r.rolname LIKE v.name), "                                          \
	"me.rolsuper OR (" may "), me.rolsuper OR me.rolcreaterole, "              \
	"pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER WITH ADMIN OPTION'), "      \
	"me.rolname, "                                                             \
	"(SELECT pg_catalog.split_part(c, '=', 2) FROM "                           \
	"pg_catalog.unnest(r.rolconfig) c WHERE c LIKE "                           \
	"'password\\_encryption=%'), " kind                                        \
	", CASE WHEN me.rolsuper THEN 'superuser' " how                            \
	" END FROM pg_catalog.pg_roles me "                                        \
	"LEFT JOIN pg_catalog.pg_roles r ON r.rolname = $1::pg_catalog.name " join \
	"WHERE me.rolname = current_user"

#define MAY_15 "me.rolcreaterole AND NOT r.rolsuper AND NOT r.rolreplication"
#define MAY_16                                                            \
	"me.rolcreaterole AND NOT r.rolsuper AND pg_catalog.pg_has_role(" \
	"me.oid, r.oid, 'MEMBER WITH ADMIN OPTION')"
#define HOW_15 "ELSE 'createrole'"
/* The creator's membership was granted by the bootstrap superuser. */
#define HOW_16                                                              \
	"WHEN EXISTS (SELECT FROM pg_catalog.pg_auth_members am WHERE "     \
	"am.roleid = r.oid AND am.member = me.oid AND am.admin_option AND " \
	"am.grantor = 10) THEN 'created' ELSE 'granted'"
#define KIND_SEEN                                                              \
	"CASE WHEN a.rolpassword IS NULL THEN 'none' WHEN a.rolpassword LIKE " \
	"'SCRAM-SHA-256$%' THEN 'scram' ELSE 'md5' END"
#define JOIN_SEEN "LEFT JOIN pg_catalog.pg_authid a ON a.oid = r.oid "

static const char *role_sql(const struct cluster_session *s)
{
	if (pg_server_version(s->pg) >= 160000)
		return s->sees_authid ?
			       ROLE_SQL(MAY_16, HOW_16, KIND_SEEN, JOIN_SEEN) :
			       ROLE_SQL(MAY_16, HOW_16, "'?'", "");
	return s->sees_authid ? ROLE_SQL(MAY_15, HOW_15, KIND_SEEN, JOIN_SEEN) :
				ROLE_SQL(MAY_15, HOW_15, "'?'", "");
}

static bool is_true(const struct pg_result *r, int column)
{
	return pg_value(r, 0, column)[0] == 't';
}

/* Roles that keyturn never rotates. */
static void check_kind(const struct pg_result *r, const char *role, bool self,
		       struct cluster_findings *f)
{
	if (is_true(r, ROLE_SUPER))
		add(f, CLUSTER_FAIL, "role",
		    "role %s is a superuser, which keyturn never rotates; give "
		    "the partner a role without SUPERUSER",
		    role);
	if (is_true(r, ROLE_RESERVED))
		add(f, CLUSTER_FAIL, "role",
		    "role %s belongs to PostgreSQL or the service and is never "
		    "rotated; remove it from the configuration",
		    role);
	if (is_true(r, ROLE_OURS) && !self)
		add(f, CLUSTER_FAIL, "role",
		    "role %s is keyturn's own admin; let another admin rotate "
		    "it",
		    role);
}

/* By which right will it be changed? */
static void tell_right(const struct cluster_session *s,
		       const struct pg_result *r, const char *role,
		       struct cluster_findings *f)
{
	const char *admin = pg_value(r, 0, ROLE_ADMIN_NAME);
	const char *how = pg_value(r, 0, ROLE_HOW);

	if (strcmp(how, "superuser") == 0)
		add(f, CLUSTER_NOTE, "rights",
		    "keyturn's admin %s changes role %s as a superuser; "
		    "CREATEROLE is enough",
		    admin, role);
	else if (strcmp(how, "created") == 0)
		add(f, CLUSTER_NOTE, "rights",
		    "keyturn's admin %s changes role %s as its creator", admin,
		    role);
	else if (strcmp(how, "granted") == 0)
		add(f, CLUSTER_NOTE, "rights",
		    "keyturn's admin %s changes role %s by the ADMIN OPTION "
		    "that was granted",
		    admin, role);
	else
		add(f, CLUSTER_NOTE, "rights",
		    "keyturn's admin %s changes role %s by CREATEROLE, which "
		    "in PostgreSQL %d is enough; from 16 it needs ADMIN OPTION",
		    admin, role, pg_server_version(s->pg) / 10000);
}

static void check_rights(const struct cluster_session *s,
			 const struct pg_result *r, const char *role,
			 struct cluster_findings *f)
{
	const char *admin = pg_value(r, 0, ROLE_ADMIN_NAME);
	bool grant = pg_server_version(s->pg) >= 160000 &&
		     !is_true(r, ROLE_ADMIN_OPTION);

	if (is_true(r, ROLE_MAY))
		tell_right(s, r, role, f);
	if (is_true(r, ROLE_MAY) || is_true(r, ROLE_SUPER))
		return;
	if (!is_true(r, ROLE_CREATEROLE) && grant)
		add(f, CLUSTER_FAIL, "rights",
		    "keyturn's admin %s may not change role %s; run ALTER ROLE "
		    "\"%s\" CREATEROLE and GRANT \"%s\" TO \"%s\" WITH ADMIN "
		    "OPTION",
		    admin, role, admin, role, admin);
	else if (!is_true(r, ROLE_CREATEROLE))
		add(f, CLUSTER_FAIL, "rights",
		    "keyturn's admin %s may not change role %s; run ALTER ROLE "
		    "\"%s\" CREATEROLE",
		    admin, role, admin);
	else if (grant)
		add(f, CLUSTER_FAIL, "rights",
		    "keyturn's admin %s has no ADMIN OPTION on role %s; run "
		    "GRANT \"%s\" TO \"%s\" WITH ADMIN OPTION",
		    admin, role, role, admin);
	else
		add(f, CLUSTER_FAIL, "rights",
		    "role %s has REPLICATION, which only a superuser may "
		    "change before PostgreSQL 16; take it away or use a "
		    "superuser as keyturn's admin",
		    role);
}

static void check_login(const struct pg_result *r, const char *role,
			struct cluster_findings *f)
{
	const char *kind = pg_value(r, 0, ROLE_KIND);
	const char *encryption = pg_value(r, 0, ROLE_ENCRYPTION);

	if (!is_true(r, ROLE_LOGIN))
		add(f, CLUSTER_FAIL, "role",
		    "role %s is NOLOGIN; run ALTER ROLE \"%s\" LOGIN", role,
		    role);
	if (is_true(r, ROLE_EXPIRED))
		add(f, CLUSTER_FAIL, "role",
		    "the password of role %s expired at %s and no new one "
		    "would work; run ALTER ROLE \"%s\" VALID UNTIL 'infinity'",
		    role, pg_value(r, 0, ROLE_VALID_UNTIL), role);
	else if (pg_value(r, 0, ROLE_VALID_UNTIL)[0] != '\0' &&
		 strcmp(pg_value(r, 0, ROLE_VALID_UNTIL), "infinity") != 0)
		add(f, CLUSTER_NOTE, "role",
		    "the password of role %s expires at %s; rotation does not "
		    "move that date",
		    role, pg_value(r, 0, ROLE_VALID_UNTIL));
	if (strcmp(pg_value(r, 0, ROLE_LIMIT), "0") == 0)
		add(f, CLUSTER_WARN, "role",
		    "role %s has CONNECTION LIMIT 0, so nobody can use its "
		    "password; run ALTER ROLE \"%s\" CONNECTION LIMIT -1",
		    role, role);
	if (strcmp(kind, "md5") == 0)
		add(f, CLUSTER_NOTE, "password",
		    "role %s has an md5 password; the next rotation moves it "
		    "to SCRAM, which its clients must know",
		    role);
	else if (strcmp(kind, "none") == 0)
		add(f, CLUSTER_NOTE, "password",
		    "role %s has no password; the first rotation of a role "
		    "sets one",
		    role);
	if (encryption[0] != '\0' && strcmp(encryption, "scram-sha-256") != 0)
		add(f, CLUSTER_NOTE, "password",
		    "role %s has password_encryption = %s; keyturn sends SCRAM "
		    "all the same; run ALTER ROLE \"%s\" RESET "
		    "password_encryption",
		    role, encryption, role);
}

static enum status check_role(struct cluster_postgres *p,
			      struct cluster_session *s, const char *role,
			      struct cluster_findings *f, struct reason *why)
{
	const char *params[] = { role };
	char sqlstate[PG_SQLSTATE_SIZE], name[CLUSTER_NAME_SIZE];
	struct pg_result *r = NULL;
	enum status st;

	st = cluster_postgres_run(p, s, role_sql(s), 1, params, &r, sqlstate,
				  why);
	if (st == STATUS_OK && pg_rows(r) != 1) {
		st = reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				"the admin's own role is not in pg_roles");
	} else if (st == STATUS_OK && pg_is_null(r, 0, ROLE_NAME) &&
		   cluster_postgres_marker_row_new_name(p, s, role, name)) {
		add(f, CLUSTER_FAIL, "role",
		    "role %s is now called %s; set rolname = %s in its "
		    "section, or rename it back",
		    role, name, name);
	} else if (st == STATUS_OK && pg_is_null(r, 0, ROLE_NAME)) {
		add(f, CLUSTER_FAIL, "role",
		    "there is no role %s; create it or correct the "
		    "configuration",
		    role);
	} else if (st == STATUS_OK) {
		check_kind(r, role, p->target.self, f);
		if (p->target.self)
			add(f, CLUSTER_NOTE, "rights",
			    "role %s changes its own password (admin = self): "
			    "no administrator is needed",
			    role);
		else
			check_rights(s, r, role, f);
		check_login(r, role, f);
	}
	pg_result_free(r);
	return st;
}

static enum status report(const struct cluster_postgres *p,
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
				       cluster_finding_fn *finding, void *arg,
				       struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct cluster_findings *f = calloc(1, sizeof(*f));
	struct reason told = { "" };
	enum status st;

	if (f == NULL)
		return reason_set(why, STATUS_NO_MEMORY, "out of memory");
	st = check_cluster(p, s, f, &told);
	/* A name that SQL would cut is a finding like others. */
	if (st == STATUS_OK &&
	    cluster_postgres_check_name(role, NULL) != STATUS_OK)
		add(f, CLUSTER_FAIL, "role",
		    "a role name has 1 to 63 bytes of UTF-8 without control "
		    "characters; correct it");
	else if (st == STATUS_OK)
		st = check_role(p, s, role, f, &told);
	/* What the server would not tell is one, too. */
	if (st == STATUS_REFUSED) {
		cluster_postgres_session_denied(p, s, &told);
		add(f, CLUSTER_FAIL, "rights", "%s", told.text);
		st = STATUS_OK;
	}
	if (st == STATUS_OK) {
		st = report(p, f, finding, arg, why);
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
