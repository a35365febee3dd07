/* SPDX-License-Identifier: PostgreSQL */
/*
 * Proves a password by a login.  Must never call a login evidence when the
 * server did not ask for the password, nor offer any other credential
 * (rotation-safety.md section 2.4).
 */
#include "target/target_postgres_internal.h"

#include <string.h>

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
	return strcmp(r->sqlstate, "28000") == 0 &&
	       strcmp(r->origin, "InitializeSessionUserId") == 0;
}

enum target_login target_prove_classify(const struct pg_login_report *r)
{
	if (r->class == PG_CLASS_OK)
		return r->used_password ? TARGET_LOGIN_RIGHT :
					  TARGET_LOGIN_NOT_ASKED;
	/* Without a password sent, a refusal says nothing about it. */
	if (!r->used_password)
		return TARGET_LOGIN_NO_EVIDENCE;
	if (strcmp(r->sqlstate, "28P01") == 0 ||
	    r->hint == PG_HINT_WRONG_PASSWORD)
		return TARGET_LOGIN_WRONG;
	return refused_after_password(r) ? TARGET_LOGIN_RIGHT :
					   TARGET_LOGIN_NO_EVIDENCE;
}

/*
 * The weaker of two, the worst first.  For a proof a "no" outranks "could not
 * ask", so that a refused password is not tried over and over.  For the
 * control, a wrong password that is taken anywhere is the worst of all.
 */
static int badness(enum target_login login, bool control)
{
	switch (login) {
	case TARGET_LOGIN_NOT_ASKED:
		return control ? 2 : 3;
	case TARGET_LOGIN_WRONG:
		return control ? 0 : 2;
	case TARGET_LOGIN_NO_EVIDENCE:
		return 1;
	default:
		return control ? 3 : 0;
	}
}

static void explain(const struct target_postgres *p, size_t endpoint,
		    const char *role, enum target_login login,
		    const struct pg_login_report *report, struct reason *why)
{
	const char *host = pg_info_get(p->infos[endpoint], "host");
	const char *port = pg_info_get(p->infos[endpoint], "port");

	if (host[0] == '\0')
		host = "local socket";
	switch (login) {
	case TARGET_LOGIN_WRONG:
		/* The same words for both. */
		reason_set(why, STATUS_OK,
			   "%s port %s refuses the password of role %s%s", host,
			   port[0] != '\0' ? port : "5432", role,
			   pg_info_get(p->infos[endpoint], "sslcert")[0] !=
					   '\0' ?
				   ", or keyturn's client certificate as the "
				   "role's (clientcert=verify-full in "
				   "pg_hba.conf: exempt keyturn's address)" :
				   "");
		return;
	case TARGET_LOGIN_NOT_ASKED:
		reason_set(why, STATUS_OK,
			   "%s port %s lets role %s in without asking for its "
			   "password; use scram-sha-256 for it in pg_hba.conf",
			   host, port[0] != '\0' ? port : "5432", role);
		return;
	case TARGET_LOGIN_RIGHT:
		if (report->class != PG_CLASS_OK)
			reason_set(why, STATUS_OK,
				   "%s port %s takes the password of role %s, "
				   "then refuses the session (SQLSTATE %s)",
				   host, port[0] != '\0' ? port : "5432", role,
				   report->sqlstate);
		return;
	default:
		if (strcmp(report->sqlstate, "28000") == 0 &&
		    report->used_password) {
			reason_set(why, STATUS_OK,
				   "%s port %s has the password of role %s "
				   "checked by another (PAM, LDAP, RADIUS), "
				   "which did not take it; put a scram-sha-256 "
				   "line for keyturn's own address before that "
				   "one in pg_hba.conf",
				   host, port[0] != '\0' ? port : "5432", role);
			return;
		}
		if (report->used_password && report->hint != PG_HINT_WAKING) {
			reason_set(why, STATUS_OK,
				   "%s port %s does not take the new password "
				   "of role %s yet; is it a replica that lags?",
				   host, port[0] != '\0' ? port : "5432", role);
			return;
		}
		if (report->hint == PG_HINT_WAKING && report->reached) {
			reason_set(why, STATUS_OK,
				   "%s port %s is waking up and gives no "
				   "evidence on role %s yet",
				   host, port[0] != '\0' ? port : "5432", role);
			return;
		}
		/* pg_connect() has said what went wrong. */
		reason_wrap(why, STATUS_OK, "no evidence on role %s", role);
	}
}

static enum target_login login_once(struct target_postgres *p, size_t endpoint,
				    const char *role,
				    const struct secret *password,
				    struct pg_login_report *report,
				    enum status *ret_status, struct reason *why)
{
	const struct pg_info *info = p->infos[endpoint];
	const char *dbname = p->prove_dbname;
	struct pg_login login = {
		.info = info,
		.user = role,
		.password = password,
		.probe = true,
		.timeout_us = p->o.connect_timeout_us,
		.application_name = "keyturn prove",
	};
	struct pg_place primary;
	struct pg *pg = NULL;

	/* Where the password was changed: a standby earlier in the list may
	 * not have it yet, and libpq asks no other after a refusal. */
	if (endpoint == 0) {
		pthread_mutex_lock(&p->lock);
		primary = p->primary;
		pthread_mutex_unlock(&p->lock);
		if (primary.port[0] != '\0')
			login.place = &primary;
	}
	if (dbname == NULL)
		dbname = pg_info_get(info, "dbname");
	login.dbname = dbname[0] != '\0' ? dbname : p->dbname;
	*ret_status = pg_connect(&login, &pg, report, why);
	pg_close(pg);
	return target_prove_classify(report);
}

enum status target_prove(struct target *t, const char *role,
			 const struct secret *password, bool control,
			 enum target_login *ret_login, struct reason *why)
{
	struct target_postgres *p = target_postgres_of(t);
	enum target_login worst = control ? TARGET_LOGIN_WRONG :
					    TARGET_LOGIN_RIGHT;
	struct pg_login_report report;
	struct reason told;
	enum target_login login;
	enum status st = target_postgres_check_name(role, why);
	size_t i;

	if (st != STATUS_OK)
		return st;
	for (i = 0; i < p->n_infos; i++) {
		reason_clear(&told);
		login = login_once(p, i, role, password, &report, &st, &told);
		/* The server where it was changed takes it; this one has not
		 * heard of it yet (K17).  Only repeated is that a "no". */
		if (i > 0 && !control && login == TARGET_LOGIN_WRONG &&
		    worst != TARGET_LOGIN_WRONG)
			login = TARGET_LOGIN_NO_EVIDENCE;
		if (st == STATUS_NO_MEMORY || st == STATUS_CONFIG ||
		    (st == STATUS_REFUSED && !report.reached))
			return reason_set(why, st, "%s", told.text);
		if (i > 0 && badness(login, control) <= badness(worst, control))
			continue;
		worst = login;
		explain(p, i, role, login, &report, &told);
		if (why != NULL)
			*why = told;
		/* Each further "no" counts towards a lock-out (finding 9). */
		if (badness(worst, control) >= 2)
			break;
	}
	*ret_login = worst;
	return STATUS_OK;
}
