/* SPDX-License-Identifier: PostgreSQL */
/*
 * Proves a password by a login.  Must never call a login evidence when the
 * server did not ask for the password, nor offer any other credential
 * (rotation-safety.md section 2.4).
 */
#include "cluster/postgres/prove.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "cluster/postgres/connect.h"
#include "crypto/digest.h"

#define SQL_MAX 320 /* two names, quoted */

/*
 * The files of the server's source in which it still checks the password.  A
 * refusal from any other file comes after the password was accepted, except from
 * a hook of the log-in itself (a ban) and from a server that shuts down.
 */
static bool is_asking(const char *file)
{
	static const char *const files[] = { "auth",	 "be-secure",
					     "crypt.c",	 "hba.c",
					     "pqcomm.c", "be-gssapi",
					     "scram.",	 "backend_startup.c" };
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (strncmp(file, files[i], strlen(files[i])) == 0)
			return true;
	return false;
}

/*
 * A refusal that comes after the password was taken.  28000 is both: NOLOGIN,
 * said when the session begins, and a password that PAM, LDAP or RADIUS
 * refused, or could not ask for.  Only where the server says which function
 * refused is the first a proof.
 */
static bool refused_after_password(const struct pg_login_report *r)
{
	static const char *const after[] = {
		"53300", /* the role's connection limit */
		"3D000", /* no such database */
		"42501", /* no CONNECT on it */
	};
	size_t i;

	for (i = 0; i < sizeof(after) / sizeof(*after); i++)
		if (strcmp(r->sqlstate, after[i]) == 0)
			return true;
	if (strcmp(r->sqlstate, "28000") == 0)
		return strcmp(r->origin, "InitializeSessionUserId") == 0;
	if (r->hint != PG_HINT_NONE || strncmp(r->sqlstate, "28", 2) == 0 ||
	    strncmp(r->sqlstate, "08", 2) == 0 ||
	    strncmp(r->sqlstate, "57", 2) == 0 ||
	    strcmp(r->sqlstate, "53200") == 0)
		return false;
	return r->file[0] != '\0' && !is_asking(r->file);
}

enum cluster_login cluster_postgres_prove_classify(
	const struct pg_login_report *r)
{
	if (r->class == PG_CLASS_OK)
		return r->used_password ? CLUSTER_LOGIN_RIGHT :
					  CLUSTER_LOGIN_NOT_ASKED;
	/* Without a password sent, a refusal says nothing about it. */
	if (!r->used_password)
		return CLUSTER_LOGIN_NO_EVIDENCE;
	if (strcmp(r->sqlstate, "28P01") == 0 ||
	    r->hint == PG_HINT_WRONG_PASSWORD)
		return CLUSTER_LOGIN_WRONG;
	return refused_after_password(r) ? CLUSTER_LOGIN_RIGHT :
					   CLUSTER_LOGIN_NO_EVIDENCE;
}

/*
 * PgBouncer's own "no" to a password: PostgreSQL names another code and where it
 * comes from, Neon's proxy another code.
 */
static bool refused_by_pgbouncer(const struct pg_login_report *r)
{
	return r->hint == PG_HINT_WRONG_PASSWORD && r->file[0] == '\0' &&
	       strcmp(r->sqlstate, "08P01") == 0;
}

/* One login: where it goes, and what came of it. */
struct attempt {
	struct cluster_postgres *p;
	const struct cluster_who *who;
	enum cluster_proof kind;
	size_t endpoint; /* 0: the administrator's */
	const char *dbname;
	bool lags; /* refused where the server before had taken it */
	struct pg_login_report report;
};

static const char *host_of(const struct attempt *a)
{
	const char *host = pg_info_get(a->p->infos[a->endpoint], "host");

	return host[0] != '\0' ? host : "local socket";
}

static const char *port_of(const struct attempt *a)
{
	const char *port = pg_info_get(a->p->infos[a->endpoint], "port");

	return port[0] != '\0' ? port : "5432";
}

/* Nothing is known: what was missing, and what helps. */
static void explain_nothing(const struct attempt *a, const char *host,
			    const char *port, struct reason *why)
{
	const struct pg_login_report *r = &a->report;
	const char *role = a->who->role;

	if (r->hint == PG_HINT_BANNED)
		reason_set(why, STATUS_OK,
			   "%s port %s has banned role %s after failed logins; "
			   "lift the ban (credcheck: pg_banned_role_reset()), "
			   "and set control = no in [cluster %s] if one failed "
			   "login is enough for it",
			   host, port, role, a->p->name);
	else if (strcmp(r->sqlstate, "28000") == 0 && r->used_password)
		reason_set(why, STATUS_OK,
			   "%s port %s has the password of role %s "
			   "checked by another (PAM, LDAP, RADIUS), "
			   "which did not take it; put a scram-sha-256 "
			   "line for keyturn's own address before that "
			   "one in pg_hba.conf",
			   host, port, role);
	else if (strcmp(r->sqlstate, "28000") == 0)
		reason_set(why, STATUS_OK,
			   "%s port %s does not let role %s into database %s "
			   "from here (SQLSTATE 28000); add a scram-sha-256 "
			   "line for it to pg_hba.conf, or name a database "
			   "that it may log in to with prove_dbname in [role] "
			   "or [cluster %s]",
			   host, port, role, a->dbname, a->p->name);
	else if (a->lags && a->kind == CLUSTER_PROOF_NEW)
		reason_set(why, STATUS_OK,
			   "%s port %s does not take the new password of role "
			   "%s yet; is it a replica that lags?",
			   host, port, role);
	else if (a->lags)
		reason_set(why, STATUS_OK,
			   "%s port %s refuses the password of role %s, which "
			   "%s takes; a replica that lags, or a pooler that "
			   "has another one",
			   host, port, role,
			   pg_info_get(a->p->infos[0], "host"));
	else if (r->hint == PG_HINT_WAKING && r->reached)
		reason_set(why, STATUS_OK,
			   "%s port %s is waking up and gives no "
			   "evidence on role %s yet",
			   host, port, role);
	else /* pg_connect() has said what went wrong. */
		reason_wrap(why, STATUS_OK, "no evidence on role %s", role);
}

static enum status explain_auth_file(const struct attempt *a,
				     struct reason *why)
{
	return reason_set(
		why, STATUS_CONFLICT,
		"%s port %s is a PgBouncer, and the sink %s of role %s, an "
		"auth_file, is written only after the proof; take this "
		"endpoint out of [cluster %s], or let PgBouncer use auth_query "
		"and take the sink out",
		host_of(a), port_of(a), a->who->auth_file, a->who->role,
		a->p->name);
}

static void explain_login(const struct attempt *a, enum cluster_login login,
			  struct reason *why)
{
	const char *host = host_of(a), *port = port_of(a);
	const char *role = a->who->role;

	switch (login) {
	case CLUSTER_LOGIN_WRONG:
		/* The same words for both. */
		reason_set(why, STATUS_OK,
			   "%s port %s refuses the password of role %s%s", host,
			   port, role,
			   pg_info_get(a->p->infos[a->endpoint],
				       "sslcert")[0] != '\0' ?
				   ", or keyturn's client certificate as the "
				   "role's (clientcert=verify-full in "
				   "pg_hba.conf: exempt keyturn's address)" :
				   "");
		return;
	case CLUSTER_LOGIN_NOT_ASKED:
		reason_set(why, STATUS_OK,
			   "%s port %s lets role %s in without asking for its "
			   "password; use scram-sha-256 for it in pg_hba.conf",
			   host, port, role);
		return;
	case CLUSTER_LOGIN_RIGHT:
		if (a->report.class != PG_CLASS_OK)
			reason_set(why, STATUS_OK,
				   "%s port %s takes the password of role %s, "
				   "then refuses the session (SQLSTATE %s)",
				   host, port, role, a->report.sqlstate);
		return;
	default:
		explain_nothing(a, host, port, why);
	}
}

/* What was set for proofs; else where consumers log in, unless this endpoint,
 * which is there for proofs only, names a database of its own. */
static const char *database(const struct cluster_postgres *p,
			    const struct cluster_who *who, size_t endpoint)
{
	const char *own = pg_info_get(p->infos[endpoint], "dbname");

	if (who->prove_dbname != NULL)
		return who->prove_dbname;
	if (p->prove_dbname != NULL)
		return p->prove_dbname;
	if (endpoint > 0 && own[0] != '\0')
		return own;
	return who->dbname != NULL ? who->dbname : p->cluster.dbname;
}

/* A session of a pair's member acts as the owner from its beginning. */
static enum cluster_login check_owner(const struct attempt *a, struct pg *pg,
				      struct reason *why)
{
	const char *role = a->who->role, *owner = a->who->owner;
	/* Two words of the language: no search_path has a say. */
	struct pg_query q = { .sql = "SELECT current_user, session_user",
			      .timeout_us = a->p->o.connect_timeout_us };
	enum cluster_login login = CLUSTER_LOGIN_NO_EVIDENCE;

	if (pg_run(pg, &q, why) != STATUS_OK || pg_rows(q.result) != 1)
		reason_set(why, STATUS_OK,
			   "%s port %s took the password of role %s, and the "
			   "session did not say whom it acts as",
			   host_of(a), port_of(a), role);
	else if (strcmp(pg_value(q.result, 0, 1), role) != 0)
		reason_set(why, STATUS_OK,
			   "a session of role %s at %s port %s is one of %s; a "
			   "pooler logs in as another there",
			   role, host_of(a), port_of(a),
			   pg_value(q.result, 0, 1));
	else if (strcmp(pg_value(q.result, 0, 0), owner) != 0)
		reason_set(
			why, STATUS_OK,
			"a session of role %s at %s port %s acts as %s and "
			"not as %s, so what it makes belongs to another; run "
			"ALTER ROLE \"%s\" SET role = \"%s\", and GRANT \"%s\" "
			"TO \"%s\"",
			role, host_of(a), port_of(a), pg_value(q.result, 0, 0),
			owner, role, owner, owner, role);
	else
		login = CLUSTER_LOGIN_RIGHT;
	pg_result_free(q.result);
	return login;
}

/* What belongs to the session's user in its database, and shared. */
#define OWN_SQL                                                              \
	"SELECT pg_catalog.count(*) FROM pg_catalog.pg_shdepend d "          \
	"JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid "                  \
	"WHERE d.deptype = 'o' AND d.refclassid = "                          \
	"'pg_catalog.pg_authid'::regclass AND r.rolname = session_user AND " \
	"d.dbid IN (0, (SELECT b.oid FROM pg_catalog.pg_database b "         \
	"WHERE b.datname = pg_catalog.current_database()))"

/* 0 also when it cannot be told. */
static long count_own(const struct attempt *a, struct pg *pg)
{
	struct pg_query q = { .sql = OWN_SQL,
			      .timeout_us = a->p->o.connect_timeout_us };
	long n = 0;

	if (pg_run(pg, &q, NULL) == STATUS_OK && pg_rows(q.result) == 1)
		n = strtol(pg_value(q.result, 0, 0), NULL, 10);
	pg_result_free(q.result);
	return n;
}

static enum status run_plain(const struct attempt *a, struct pg *pg,
			     const char *sql)
{
	struct pg_query q = { .sql = sql,
			      .timeout_us = a->p->o.connect_timeout_us };
	enum status s = pg_run(pg, &q, NULL);

	pg_result_free(q.result);
	return s;
}

static enum status reassign(const struct attempt *a, struct pg *pg)
{
	struct secret *role = NULL,
		      *owner = NULL; /* none: the quoting's type */
	char sql[SQL_MAX];
	enum status s = pg_quote_identifier(pg, a->who->role, &role, NULL);

	if (s == STATUS_OK)
		s = pg_quote_identifier(pg, a->who->owner, &owner, NULL);
	if (s == STATUS_OK)
		s = run_plain(a, pg, "SET ROLE NONE");
	if (s == STATUS_OK)
		s = run_plain(a, pg, "SET lock_timeout = '1s'");
	if (s == STATUS_OK) {
		snprintf(sql, sizeof(sql), "REASSIGN OWNED BY %s TO %s",
			 secret_bytes(role), secret_bytes(owner));
		s = run_plain(a, pg, sql);
	}
	secret_free(role);
	secret_free(owner);
	return s;
}

/*
 * What a member has made after SET ROLE NONE is given to the owner, by the member
 * itself: consumers would miss it with the other member's turn.  Where that cannot
 * be done (a lock, no CREATE on the schema) `check` names it as before; it is no
 * part of the proof.
 */
static void give_own(const struct attempt *a, struct pg *pg, struct reason *why)
{
	long n = count_own(a, pg);

	if (n > 0 && reassign(a, pg) == STATUS_OK && count_own(a, pg) == 0)
		reason_set(why, STATUS_OK,
			   "%ld objects of member %s in database %s were given "
			   "to %s",
			   n, a->who->role, a->dbname, a->who->owner);
}

static enum cluster_login login_once(struct attempt *a,
				     const struct secret *password,
				     enum status *ret_status,
				     struct reason *why)
{
	struct cluster_postgres *p = a->p;
	struct pg_login how = {
		.info = p->infos[a->endpoint],
		.user = a->who->role,
		.password = password,
		.probe = true,
		.timeout_us = p->o.connect_timeout_us,
		.application_name = "keyturn prove",
	};
	struct pg_place primary;
	enum cluster_login login;
	struct pg *pg = NULL;

	/* Where the password was changed: a standby earlier in the list may
	 * not have it yet, and libpq asks no other after a refusal. */
	if (a->endpoint == 0) {
		pthread_mutex_lock(&p->lock);
		primary = p->primary;
		pthread_mutex_unlock(&p->lock);
		if (primary.port[0] != '\0')
			how.place = &primary;
	}
	a->dbname = database(p, a->who, a->endpoint);
	how.dbname = a->dbname;
	/* A new password is tried again by the runner, until prove_deadline. */
	*ret_status = a->kind == CLUSTER_PROOF_NEW ?
			      pg_connect(&how, &pg, &a->report, why) :
			      cluster_postgres_connect_awake(p, &how, &pg,
							     &a->report, why);
	login = cluster_postgres_prove_classify(&a->report);
	/* A wrong password that is taken is that, whoever it makes one. */
	if (pg != NULL && login == CLUSTER_LOGIN_RIGHT &&
	    a->who->owner != NULL && a->kind != CLUSTER_PROOF_WRONG)
		login = check_owner(a, pg, why);
	if (pg != NULL && login == CLUSTER_LOGIN_RIGHT && a->endpoint == 0 &&
	    a->who->owner != NULL && a->who->gives &&
	    a->kind == CLUSTER_PROOF_NEW)
		give_own(a, pg, why);
	pg_close(pg);
	return login;
}

enum status cluster_postgres_prove(struct cluster *t,
				   const struct cluster_who *who,
				   const struct secret *password,
				   enum cluster_proof kind,
				   enum cluster_login *ret_login,
				   struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct attempt a = { .p = p, .who = who, .kind = kind };
	bool control = kind == CLUSTER_PROOF_WRONG;
	enum cluster_login worst = control ? CLUSTER_LOGIN_WRONG :
					     CLUSTER_LOGIN_RIGHT;
	struct reason told;
	enum cluster_login login;
	enum status st = cluster_postgres_check_name(who->role, why);
	size_t i;

	if (st != STATUS_OK)
		return st;
	for (i = 0; i < (who->direct ? 1 : p->n_infos); i++) {
		reason_clear(&told);
		a.endpoint = i;
		login = login_once(&a, password, &st, &told);
		/* The server where it was changed takes it; this one has not
		 * heard of it yet (K17).  Only repeated is that a "no". */
		a.lags = i > 0 && !control && login == CLUSTER_LOGIN_WRONG &&
			 worst != CLUSTER_LOGIN_WRONG;
		if (a.lags)
			login = CLUSTER_LOGIN_NO_EVIDENCE;
		if (st == STATUS_NO_MEMORY || st == STATUS_CONFIG ||
		    (st == STATUS_REFUSED && !a.report.reached))
			return reason_set(why, st, "%s", told.text);
		if (i > 0 && who->auth_file != NULL &&
		    refused_by_pgbouncer(&a.report))
			return explain_auth_file(&a, why);
		if (i > 0 && cluster_login_badness(login, kind) <=
				     cluster_login_badness(worst, kind))
			continue;
		worst = login;
		explain_login(&a, login, &told);
		if (why != NULL)
			*why = told;
		/* Each further "no" counts towards a lock-out (finding 9). */
		if (cluster_login_badness(worst, kind) >= 2)
			break;
	}
	*ret_login = worst;
	return STATUS_OK;
}

/* ---- the way ---- */

enum status cluster_postgres_prove_way(struct cluster *t,
				       const struct cluster_who *who,
				       char ret_way[CLUSTER_WAY_SIZE])
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	unsigned char hash[DIGEST_SIZE];
	enum status st;
	size_t i;

	memcpy(hash, p->way, sizeof(hash));
	st = digest_mix(hash, who->role);
	for (i = 0; i < p->n_infos && st == STATUS_OK; i++)
		st = digest_mix(hash, database(p, who, i));
	if (st == STATUS_OK && who->owner != NULL)
		st = digest_mix(hash, "owner");
	if (st == STATUS_OK && who->owner != NULL)
		st = digest_mix(hash, who->owner);
	if (st == STATUS_OK && who->auth_file != NULL)
		st = digest_mix(hash, who->auth_file);
	if (st == STATUS_OK)
		encode_hex(hash, sizeof(hash), ret_way);
	return st;
}
