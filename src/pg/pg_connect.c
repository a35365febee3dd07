/* SPDX-License-Identifier: PostgreSQL */
/*
 * Opens a session.  Must never let the environment, a file in the home folder
 * or a ticket cache add a credential to what the caller gave
 * (rotation-safety.md section 2.4, finding 8).
 */
#include "pg/pg_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/now.h"
#include "base/text.h"
#include "pg/pg_options.h"
#include "pg/pg_wait.h"

#define CONNINFO_MAX 16384
#define PG_CURE_SIZE 192 /* a statement with two names */

struct attempt {
	const struct pg_login *login;
	struct pg *pg;
	struct pg_login_report report;
	bool timed_out;
	ConnStatusType last; /* state before the failing step */
};

static void count_notice(void *arg, const char *message)
{
	struct pg *pg = arg;

	(void)message; /* a server's text, never passed on */
	pg->notices++;
}

enum status pg_connect_passfile(const char *path, const char *setting,
				struct reason *why)
{
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return reason_set(why, STATUS_CONFIG,
				  "the passfile %s is not there or not a "
				  "regular file; see %s",
				  path, setting);
	if ((st.st_mode & 077) != 0)
		return reason_set(why, STATUS_CONFIG,
				  "the passfile %s can be read by others; run "
				  "chmod 600 on it",
				  path);
	return STATUS_OK;
}

static enum status check_login(const struct pg_login *l, struct reason *why)
{
	if (l->password != NULL &&
	    (secret_len(l->password) == 0 ||
	     strlen(secret_bytes(l->password)) != secret_len(l->password)))
		return reason_set(why, STATUS_REFUSED,
				  "a password that is empty or holds a NUL "
				  "byte is never offered to a server");
	if (l->passfile == NULL)
		return STATUS_OK;
	return pg_connect_passfile(l->passfile, "admin_passfile", why);
}

static enum status start_attempt(struct attempt *a, struct reason *why)
{
	struct text t = text_make(CONNINFO_MAX);
	const char *keywords[3] = { "dbname", NULL, NULL };
	const char *values[3] = { NULL, NULL, NULL };
	enum status st = pg_options_spell_out(a->login, &t);

	if (st != STATUS_OK) {
		reason_set(why, st,
			   "the conninfo is too long or there is no "
			   "memory for it");
		goto out;
	}
	values[0] = text_str(&t);
	if (a->login->password != NULL) {
		keywords[1] = "password";
		values[1] = secret_bytes(a->login->password);
	}
	a->pg->conn = PQconnectStartParams(keywords, values, 1);
	if (a->pg->conn == NULL) {
		st = reason_no_memory(why);
		goto out;
	}
	if (PQstatus(a->pg->conn) == CONNECTION_BAD)
		st = pg_options_check(text_str(&t), why);
	/* The text is read for its hints (pg_hint.c), and kept to ourselves. */
	PQsetErrorVerbosity(a->pg->conn, PQERRORS_VERBOSE);
	PQsetNoticeProcessor(a->pg->conn, count_notice, a->pg);
out:
	text_free(&t);
	return st;
}

/* Drive the connection to its end; true when it is up. */
static bool drive_attempt(struct attempt *a, int64_t deadline)
{
	PGconn *c = a->pg->conn;
	PostgresPollingStatusType step = PGRES_POLLING_WRITING;

	a->last = PQstatus(c);
	if (a->last == CONNECTION_BAD)
		return false;
	for (;;) {
		int ready = pg_wait(PQsocket(c), step == PGRES_POLLING_WRITING,
				    deadline);

		if (ready <= 0) {
			a->timed_out = true;
			return false;
		}
		a->last = PQstatus(c);
		if (a->last != CONNECTION_STARTED &&
		    a->last != CONNECTION_MADE &&
		    a->last != CONNECTION_SSL_STARTUP &&
		    a->last != CONNECTION_NEEDED)
			a->report.reached = true;
		step = PQconnectPoll(c);
		if (step == PGRES_POLLING_OK)
			return true;
		/* TLS is up; the next step would send the user's name. */
		if (a->login->tls_only && PQsslInUse(c) == 1 &&
		    PQstatus(c) == CONNECTION_MADE)
			return true;
		if (step == PGRES_POLLING_FAILED)
			return false;
	}
}

static void fill_report(struct attempt *a, bool up)
{
	struct pg_login_report *r = &a->report;
	PGconn *c = a->pg->conn;

	r->used_password = PQconnectionUsedPassword(c) == 1;
	if (up) {
		PQsetErrorVerbosity(c, PQERRORS_SQLSTATE);
		r->reached = true;
		r->class = PG_CLASS_OK;
		return;
	}
	if (!a->timed_out)
		pg_hint_read(PQerrorMessage(c), r);
	r->tls_failed = r->sqlstate[0] == '\0' && !a->timed_out &&
			a->last == CONNECTION_SSL_STARTUP;
	/* libpq, since 16, which has no code for it. */
	r->asks_otherwise = r->sqlstate[0] == '\0' && !a->timed_out &&
			    strstr(PQerrorMessage(c),
				   "authentication method requirement") != NULL;
	if (r->sqlstate[0] != '\0' || r->used_password || r->tls_failed ||
	    r->asks_otherwise)
		r->reached = true;
	/* AWAITING_RESPONSE alone is us waiting, not a server answering. */
	else if (a->last == CONNECTION_AWAITING_RESPONSE)
		r->reached = false;
	r->class = pg_classify(r->sqlstate);
	/* Nothing listens there, as when a server is scaled to zero. */
	if (!r->reached && !a->timed_out && r->sqlstate[0] == '\0')
		r->hint = PG_HINT_WAKING;
}

/* Which TLS step failed.  libpq has no code for it; its own text is looked at
 * but not passed on, since it can hold names from the certificate. */
static const char *tls_sentence(const char *message)
{
	if (strstr(message, "does not match host name") != NULL)
		return "its certificate is for another host name; correct host "
		       "in conninfo or the certificate";
	if (strstr(message, "certificate verify failed") != NULL)
		return "its certificate has expired or is not signed by a CA "
		       "in sslrootcert; check both";
	if (strstr(message, "root certificate") != NULL)
		return "the file of sslrootcert cannot be read or holds no "
		       "certificate; correct sslrootcert";
	if (strstr(message, "does not support SSL") != NULL)
		return "it offers no TLS; set ssl = on there";
	return "the TLS handshake did not end well; check certificates and "
	       "protocol versions on both sides";
}

static const struct {
	const char *sqlstate;
	const char *sentence;
} login_sentences[] = {
	{ "28P01", "refuses the password (wrong, expired, or none set)" },
	{ "28000", "does not let this role in; look at pg_hba.conf and LOGIN" },
	{ "53300", "has no connection left; raise max_connections or the "
		   "role's CONNECTION LIMIT" },
	{ "3D000", "has no such database; correct dbname" },
	{ "42501", "does not let this role connect to the database; GRANT "
		   "CONNECT" },
	{ "57P03", "is starting up or shutting down; try again" },
	{ "08P01", "does not take session settings; this is a pooler, connect "
		   "to the server directly" },
};

static const char *hint_sentence(enum pg_hint hint)
{
	switch (hint) {
	case PG_HINT_WRONG_PASSWORD:
		return "refuses the password (its proxy says so)";
	case PG_HINT_BANNED:
		return "has banned the role after failed logins; lift the ban "
		       "(credcheck: pg_banned_role_reset())";
	case PG_HINT_DISABLED:
		return "says that the endpoint is disabled or not there; enable "
		       "it, or correct host";
	default:
		return "is waking up, or its proxy is busy; try again, or set "
		       "wake_timeout to wait for it";
	}
}

static enum status hint_status(enum pg_hint hint)
{
	return hint == PG_HINT_WAKING ? STATUS_CLUSTER_UNAVAILABLE :
					STATUS_REFUSED;
}

static enum status explain_failure(struct attempt *a, struct reason *why)
{
	const struct pg_login_report *r = &a->report;
	const struct pg_login *l = a->login;
	const char *host = a->pg->host;
	const char *port = a->pg->port;
	size_t i;

	if (a->timed_out)
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "%s port %s did not answer in time; check "
				  "host, port and network",
				  host, port);
	if (r->tls_failed)
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "no TLS with %s port %s: %s", host, port,
				  tls_sentence(PQerrorMessage(a->pg->conn)));
	for (i = 0; i < sizeof(login_sentences) / sizeof(*login_sentences); i++)
		if (strcmp(r->sqlstate, login_sentences[i].sqlstate) == 0)
			return reason_set(why,
					  r->class == PG_CLASS_TRANSIENT ?
						  STATUS_CLUSTER_UNAVAILABLE :
						  STATUS_REFUSED,
					  "%s port %s %s (SQLSTATE %s)", host,
					  port, login_sentences[i].sentence,
					  r->sqlstate);
	if (r->sqlstate[0] != '\0' && r->hint >= PG_HINT_WRONG_PASSWORD)
		return reason_set(why, hint_status(r->hint), "%s port %s %s",
				  host, port, hint_sentence(r->hint));
	if (r->sqlstate[0] != '\0')
		return reason_set(why,
				  r->class == PG_CLASS_REFUSED ?
					  STATUS_REFUSED :
					  STATUS_CLUSTER_UNAVAILABLE,
				  "%s port %s refused the connection (SQLSTATE "
				  "%s); its log says why",
				  host, port, r->sqlstate);
	if (r->asks_otherwise)
		return reason_set(why, STATUS_REFUSED,
				  "%s port %s does not ask for the password "
				  "by SCRAM, but as PAM, LDAP and RADIUS do; "
				  "put a scram-sha-256 line for keyturn's own "
				  "address before that one in pg_hba.conf",
				  host, port);
	if (r->used_password && l->passfile != NULL && !l->info->multiple_hosts)
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "%s port %s asks for a password; see that "
				  "admin_passfile has a line for this host, "
				  "port, database and user",
				  host, port);
	if (r->used_password)
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "%s port %s: the login was not completed, or "
				  "no listed server is writable",
				  host, port);
	return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
			  "no connection to %s port %s, or no password where "
			  "the server wants one; check host, port, "
			  "admin_passfile and that the server runs",
			  host, port);
}

/* Before 14 a server does not report whether it is a standby. */
static enum status ask_writable(struct pg *pg, int64_t timeout_us,
				bool *ret_standby, bool *ret_read_only,
				struct reason *why)
{
	struct pg_query q = {
		.sql = "SELECT pg_catalog.pg_is_in_recovery(), "
		       "pg_catalog.current_setting('transaction_read_only') "
		       "OPERATOR(pg_catalog.=) 'on'",
		.timeout_us = timeout_us,
	};
	enum status st = pg_run(pg, &q, why);

	if (st == STATUS_OK) {
		*ret_standby = pg_value(q.result, 0, 0)[0] == 't';
		*ret_read_only = pg_value(q.result, 0, 1)[0] == 't';
	}
	pg_result_free(q.result);
	return st;
}

/*
 * Read-only by default, but whose doing is it?  The server's: another one is
 * wanted.  A role's or a database's: the statement that undoes it.
 */
static enum status refuse_read_only(struct pg *pg, int64_t timeout_us,
				    struct reason *why)
{
	const char *user = PQuser(pg->conn), *database = PQdb(pg->conn);
	struct pg_query q = {
		.sql = "SELECT g.source FROM pg_catalog.pg_settings g WHERE "
		       "g.name OPERATOR(pg_catalog.=) "
		       "'default_transaction_read_only'",
		.timeout_us = timeout_us,
	};
	char cure[PG_CURE_SIZE];
	const char *source = "";

	if (pg_run(pg, &q, NULL) == STATUS_OK && pg_rows(q.result) == 1)
		source = pg_value(q.result, 0, 0);
	if (strcmp(source, "user") == 0)
		snprintf(cure, sizeof(cure), "run ALTER ROLE \"%s\" RESET",
			 user);
	else if (strcmp(source, "database user") == 0)
		snprintf(cure, sizeof(cure),
			 "run ALTER ROLE \"%s\" IN DATABASE \"%s\" RESET", user,
			 database);
	else if (strcmp(source, "database") == 0)
		snprintf(cure, sizeof(cure), "run ALTER DATABASE \"%s\" RESET",
			 database);
	else if (strcmp(source, "global") == 0)
		snprintf(cure, sizeof(cure), "run ALTER ROLE ALL RESET");
	else
		snprintf(cure, sizeof(cure),
			 "name a writable server, or mend its");
	pg_result_free(q.result);
	return reason_set(why, STATUS_REFUSED,
			  "%s port %s is read-only; %s "
			  "default_transaction_read_only",
			  pg->host, pg->port, cure);
}

static enum status check_writable(struct pg *pg, int64_t timeout_us,
				  struct reason *why)
{
	bool standby = strcmp(pg_parameter(pg, "in_hot_standby"), "on") == 0;
	bool read_only =
		strcmp(pg_parameter(pg, "default_transaction_read_only"),
		       "on") == 0;
	enum status st = STATUS_OK;

	if (pg_parameter(pg, "in_hot_standby")[0] == '\0')
		st = ask_writable(pg, timeout_us, &standby, &read_only, why);
	if (st == STATUS_OK && standby)
		st = reason_set(why, STATUS_REFUSED,
				"%s port %s is a standby; name the primary in "
				"conninfo, or all hosts",
				pg->host, pg->port);
	else if (st == STATUS_OK && read_only)
		st = refuse_read_only(pg, timeout_us, why);
	return st;
}

/* The host that answered, or that was asked when none did. */
static void note_address(const struct pg_login *l, struct pg *pg)
{
	const char *host = pg->conn != NULL ? PQhost(pg->conn) : NULL;
	const char *port = pg->conn != NULL ? PQport(pg->conn) : NULL;

	if (host == NULL || host[0] == '\0')
		host = pg_info_get(l->info, "host");
	if (port == NULL || port[0] == '\0')
		port = pg_info_get(l->info, "port");
	snprintf(pg->host, sizeof(pg->host), "%s",
		 host[0] != '\0' ? host : "local socket");
	snprintf(pg->port, sizeof(pg->port), "%s",
		 port[0] != '\0' ? port : "5432");
}

enum status pg_connect(const struct pg_login *login, struct pg **ret_pg,
		       struct pg_login_report *ret_report, struct reason *why)
{
	int64_t deadline = now_boot(now_system()) + login->timeout_us;
	struct attempt a = { .login = login,
			     .report = { .class = PG_CLASS_LOST } };
	enum status st = check_login(login, why);
	bool up;

	if (ret_report != NULL)
		*ret_report = a.report;
	if (st != STATUS_OK)
		return st;
	a.pg = calloc(1, sizeof(*a.pg));
	if (a.pg == NULL)
		return reason_no_memory(why);
	st = start_attempt(&a, why);
	if (st != STATUS_OK)
		goto out;
	up = drive_attempt(&a, deadline);
	note_address(login, a.pg);
	fill_report(&a, up);
	if (ret_report != NULL)
		*ret_report = a.report;
	if (!up) {
		st = explain_failure(&a, why);
		goto out;
	}
	if (login->tls_only)
		goto give;
	/* Non-blocking, so that no write can wait past a deadline. */
	if (PQsetnonblocking(a.pg->conn, 1) != 0) {
		st = reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				"the connection broke right after login");
		goto out;
	}
	a.pg->notices = 0;
	if (login->read_write)
		st = check_writable(a.pg, login->timeout_us, why);
give:
	if (st == STATUS_OK && ret_pg != NULL) {
		*ret_pg = a.pg;
		a.pg = NULL;
	}
out:
	pg_close(a.pg);
	return st;
}
