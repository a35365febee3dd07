/* SPDX-License-Identifier: PostgreSQL */
/*
 * Asks PgBouncer's console how it is set up.  Must never change anything there, nor
 * take what it cannot tell for good.
 */
#include "cluster/gateway/console.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SENTENCE_SIZE 384
#define TOPIC	      "console"

/* From here on its HBA file can choose pam, and SHOW USERS has who came by it. */
#define VERSION_PAM_IN_HBA 124

struct judge {
	const struct cluster_gateway_console *c;
	cluster_finding_fn *finding;
	void *arg;
};

static const char *host_of(const struct pg_info *info)
{
	const char *host = pg_info_get(info, "host");

	return host[0] != '\0' ? host : "local socket";
}

static const char *port_of(const struct pg_info *info)
{
	const char *port = pg_info_get(info, "port");

	return port[0] != '\0' ? port : "5432";
}

static void tell(const struct judge *j, enum cluster_severity severity,
		 const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void tell(const struct judge *j, enum cluster_severity severity,
		 const char *fmt, ...)
{
	char sentence[SENTENCE_SIZE];
	int n = snprintf(sentence, sizeof(sentence),
			 "gateway %s port %s: ", host_of(j->c->info),
			 port_of(j->c->info));
	va_list ap;

	va_start(ap, fmt);
	if (n > 0 && (size_t)n < sizeof(sentence))
		vsnprintf(sentence + n, sizeof(sentence) - (size_t)n, fmt, ap);
	va_end(ap);
	j->finding(j->arg, severity, TOPIC, sentence);
}

/* ---- findings ------------------------------------------------------------------ */

static bool is_one_of(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

static void judge_auth(const struct judge *j,
		       const struct cluster_gateway_console_facts *f)
{
	static const char *const open[] = { "trust", "any", NULL };

	if (is_one_of(f->auth_type, open))
		tell(j, CLUSTER_FAIL,
		     "auth_type = %s asks for no password; set it to pam",
		     f->auth_type);
	else if (strcmp(f->auth_type, "hba") == 0 &&
		 f->version >= VERSION_PAM_IN_HBA)
		tell(j, CLUSTER_NOTE,
		     "its auth_hba_file says who is asked by PAM, which the "
		     "console does not show; see that each line for partners "
		     "says pam");
	else if (strcmp(f->auth_type, "pam") != 0)
		tell(j, CLUSTER_FAIL,
		     "auth_type = %s does not ask keyturn-agent; set it to pam",
		     f->auth_type);
	if (f->auth_user[0] != '\0')
		tell(j, CLUSTER_FAIL,
		     "auth_user = %s has passwords looked up in a database, "
		     "with which PAM does not work; take it out",
		     f->auth_user);
}

static bool is_socket(const char *host)
{
	return host[0] == '\0' || host[0] == '/' || host[0] == '@';
}

static bool is_loopback(const char *host)
{
	static const char *const names[] = { "127.0.0.1", "::1", "localhost",
					     NULL };

	return is_one_of(host, names);
}

static void judge_tls(const struct judge *j,
		      const struct cluster_gateway_console_facts *f)
{
	static const char *const asked[] = { "require", "verify-ca",
					     "verify-full", NULL };

	if (f->listen_addr[0] != '\0' &&
	    !is_one_of(f->client_tls_sslmode, asked))
		tell(j, CLUSTER_FAIL,
		     "client_tls_sslmode = %s takes passwords without TLS; set "
		     "it to require",
		     f->client_tls_sslmode);
	if (!f->found || is_socket(f->host) ||
	    strcmp(f->server_tls_sslmode, "verify-full") == 0)
		return;
	tell(j, is_loopback(f->host) ? CLUSTER_WARN : CLUSTER_FAIL,
	     "server_tls_sslmode = %s gives the password of its forced user to "
	     "any host that answers as %s; set it to verify-full, and "
	     "server_tls_ca_file",
	     f->server_tls_sslmode, f->host);
}

static void judge_database(const struct judge *j,
			   const struct cluster_gateway_console_facts *f)
{
	if (!f->found)
		tell(j, CLUSTER_FAIL,
		     "it has no database %s; give it a line in [databases], "
		     "with user= and password=",
		     j->c->dbname);
	else if (f->forced_user[0] == '\0')
		tell(j, CLUSTER_FAIL,
		     "its database %s has no forced user, so it logs in to the "
		     "server with what the partner typed; give its line in "
		     "[databases] user= and password= (sink = "
		     "pgbouncer_databases)",
		     j->c->dbname);
	if (f->found && f->disabled)
		tell(j, CLUSTER_FAIL,
		     "its database %s is disabled; ENABLE it at the console",
		     j->c->dbname);
}

/* With pam it is not read, so nobody can tell who is in it. */
static void judge_auth_file(const struct judge *j,
			    const struct cluster_gateway_console_facts *f)
{
	bool sure = f->version < VERSION_PAM_IN_HBA;

	if (f->auth_file[0] == '\0')
		return;
	if (strcmp(f->auth_type, "pam") == 0) {
		tell(j, CLUSTER_WARN,
		     "auth_file = %s is set, which PAM does not need: who is in "
		     "it would get in without the agent if auth_type were "
		     "another; take it out",
		     f->auth_file);
		return;
	}
	for (size_t i = 0; i < j->c->n_logins; i++)
		if (f->known[i] && sure)
			tell(j, CLUSTER_FAIL,
			     "login %s is in its auth_file (%s) or [users] as "
			     "well; take it out there, since the agent alone "
			     "is to know its password",
			     j->c->logins[i], f->auth_file);
		else if (f->known[i])
			tell(j, CLUSTER_NOTE,
			     "login %s has logged in, or is in its auth_file "
			     "(%s), which this version does not tell apart; "
			     "see that it is not there",
			     j->c->logins[i], f->auth_file);
}

static void judge_rest(const struct judge *j,
		       const struct cluster_gateway_console_facts *f)
{
	long lifetime = strtol(f->server_lifetime, NULL, 10);

	if (j->c->token_seconds > 0 && lifetime > j->c->token_seconds)
		tell(j, CLUSTER_WARN,
		     "server_lifetime = %ld keeps sessions at the server for "
		     "longer than its tokens live (%lld seconds); set it to "
		     "less",
		     lifetime, (long long)j->c->token_seconds);
	if (strtol(f->verbose, NULL, 10) > 0)
		tell(j, CLUSTER_FAIL,
		     "verbose = %s writes the lines of [databases] to its log, "
		     "with the password of the forced user; set it to 0, and "
		     "remove that log",
		     f->verbose);
}

void cluster_gateway_console_judge(
	const struct cluster_gateway_console *c,
	const struct cluster_gateway_console_facts *f,
	cluster_finding_fn *finding, void *arg)
{
	const struct judge j = { c, finding, arg };

	judge_auth(&j, f);
	judge_tls(&j, f);
	judge_database(&j, f);
	judge_auth_file(&j, f);
	judge_rest(&j, f);
}

void cluster_gateway_console_silent(const struct pg_info *info,
				    struct reason *why)
{
	reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
		   "the gateway %s port %s does not answer; check host and "
		   "port, and that its PgBouncer runs",
		   host_of(info), port_of(info));
}

/* ---- asking -------------------------------------------------------------------- */

static enum status explain_login(const struct cluster_gateway_console *c,
				 const struct pg_login_report *r,
				 enum status st, struct reason *why)
{
	const char *host = host_of(c->info), *port = port_of(c->info);

	if (r->hint == PG_HINT_PAM || r->hint == PG_HINT_WRONG_PASSWORD)
		return reason_set(why, STATUS_REFUSED,
				  "the console of gateway %s port %s refuses "
				  "the password of user %s, or its agent does "
				  "not know it; see console_passfile",
				  host, port, c->user);
	if (strcmp(r->sqlstate, "08P01") == 0)
		return reason_set(why, STATUS_REFUSED,
				  "gateway %s port %s does not let user %s to "
				  "its console; put it into stats_users",
				  host, port, c->user);
	if (st == STATUS_CLUSTER_UNAVAILABLE && !r->reached)
		cluster_gateway_console_silent(c->info, why);
	if (r->reached && r->sqlstate[0] == '\0' && !r->tls_failed)
		return reason_set(why, STATUS_REFUSED,
				  "the console of gateway %s port %s asks user "
				  "%s for a password; see that "
				  "console_passfile has a line for this host, "
				  "port and database pgbouncer",
				  host, port, c->user);
	return st;
}

static enum status open_console(const struct cluster_gateway_console *c,
				struct pg **ret, struct reason *why)
{
	const struct pg_login how = {
		.info = c->info,
		.user = c->user,
		.dbname = "pgbouncer",
		.passfile = c->passfile,
		.probe = true,
		.timeout_us = c->timeout_us,
		.application_name = "keyturn check",
	};
	struct pg_login_report r = { .reached = false };
	enum status st = STATUS_OK;

	if (c->passfile != NULL)
		st = pg_connect_passfile(c->passfile, "console_passfile", why);
	if (st != STATUS_OK)
		return st;
	st = pg_connect(&how, ret, &r, why);
	return st == STATUS_OK ? st : explain_login(c, &r, st, why);
}

static enum status ask(const struct cluster_gateway_console *c, struct pg *pg,
		       const char *text, struct pg_result **ret,
		       struct reason *why)
{
	struct pg_query q = { .sql = text,
			      .simple = true,
			      .timeout_us = c->timeout_us };
	enum status st = pg_run(pg, &q, NULL);

	if (st == STATUS_OK) {
		*ret = q.result;
		return st;
	}
	pg_result_free(q.result);
	return reason_set(why,
			  st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE :
						 STATUS_REFUSED,
			  "the console of gateway %s port %s does not answer "
			  "%s; it should be that of a PgBouncer (1.12 or "
			  "later)",
			  host_of(c->info), port_of(c->info), text);
}

/* "PgBouncer 1.18.0" as 118; 0 when it is none. */
static int read_version(const struct pg_result *r)
{
	int major = 0, minor = 0;

	if (pg_rows(r) != 1 ||
	    sscanf(pg_value(r, 0, 0), "PgBouncer %d.%d", &major, &minor) != 2)
		return 0;
	return major * 100 + minor;
}

/* A cell by its column's name; "" without such a column. */
static const char *cell(const struct pg_result *r, int row, const char *column)
{
	int i = pg_column(r, column);

	return i >= 0 ? pg_value(r, row, i) : "";
}

static int find_row(const struct pg_result *r, const char *column,
		    const char *value)
{
	for (int i = 0; i < pg_rows(r); i++)
		if (strcmp(cell(r, i, column), value) == 0)
			return i;
	return -1;
}

static const char *setting(const struct pg_result *config, const char *key)
{
	int row = find_row(config, "key", key);

	return row >= 0 ? cell(config, row, "value") : "";
}

/* What SHOW said; facts point into it. */
struct shown {
	struct pg_result *version, *config, *databases, *users;
	bool *known;
};

static enum status show_all(const struct cluster_gateway_console *c,
			    struct shown *s, struct reason *why)
{
	struct pg *pg = NULL;
	enum status st = open_console(c, &pg, why);

	if (st == STATUS_OK)
		st = ask(c, pg, "SHOW VERSION", &s->version, why);
	if (st == STATUS_OK && read_version(s->version) == 0)
		st = reason_set(why, STATUS_REFUSED,
				"%s port %s is not the console of a PgBouncer "
				"(1.12 or later); it does not say its version",
				host_of(c->info), port_of(c->info));
	if (st == STATUS_OK)
		st = ask(c, pg, "SHOW CONFIG", &s->config, why);
	if (st == STATUS_OK)
		st = ask(c, pg, "SHOW DATABASES", &s->databases, why);
	if (st == STATUS_OK)
		st = ask(c, pg, "SHOW USERS", &s->users, why);
	pg_close(pg);
	return st;
}

static struct cluster_gateway_console_facts gather(
	const struct cluster_gateway_console *c, const struct shown *s)
{
	int row = find_row(s->databases, "name", c->dbname);
	struct cluster_gateway_console_facts f = {
		.version = read_version(s->version),
		.auth_type = setting(s->config, "auth_type"),
		.auth_file = setting(s->config, "auth_file"),
		.auth_user = setting(s->config, "auth_user"),
		.listen_addr = setting(s->config, "listen_addr"),
		.client_tls_sslmode = setting(s->config, "client_tls_sslmode"),
		.server_tls_sslmode = setting(s->config, "server_tls_sslmode"),
		.server_lifetime = setting(s->config, "server_lifetime"),
		.verbose = setting(s->config, "verbose"),
		.found = row >= 0,
		.host = "",
		.forced_user = "",
		.known = s->known,
	};

	for (size_t i = 0; i < c->n_logins; i++)
		s->known[i] = find_row(s->users, "name", c->logins[i]) >= 0;
	if (row < 0)
		return f;
	f.host = cell(s->databases, row, "host");
	f.forced_user = cell(s->databases, row, "force_user");
	f.disabled = strcmp(cell(s->databases, row, "disabled"), "1") == 0;
	/* From 1.23 on a database may have one of its own. */
	if (cell(s->databases, row, "server_lifetime")[0] != '\0')
		f.server_lifetime = cell(s->databases, row, "server_lifetime");
	return f;
}

enum status cluster_gateway_console_look(
	const struct cluster_gateway_console *c, cluster_finding_fn *finding,
	void *arg, struct reason *why)
{
	struct shown s = { .known = calloc(c->n_logins + 1, sizeof(bool)) };
	struct cluster_gateway_console_facts f;
	enum status st = s.known != NULL ? show_all(c, &s, why) :
					   reason_no_memory(why);

	if (st == STATUS_OK) {
		f = gather(c, &s);
		cluster_gateway_console_judge(c, &f, finding, arg);
	}
	pg_result_free(s.version);
	pg_result_free(s.config);
	pg_result_free(s.databases);
	pg_result_free(s.users);
	free(s.known);
	return st;
}

/* ---- the way behind ------------------------------------------------------------- */

static enum cluster_gateway_way way_of(const struct pg_login_report *r)
{
	/* Newer versions pass on what the server said. */
	if (r->hint == PG_HINT_BEHIND || strncmp(r->sqlstate, "28", 2) == 0)
		return CLUSTER_GATEWAY_BEHIND;
	if (r->sqlstate[0] != '\0')
		return CLUSTER_GATEWAY_FRONT;
	/* It asked for the password and then was silent until the deadline: PAM has
	 * an earlier one, and a server that is away is waited for. */
	return r->used_password ? CLUSTER_GATEWAY_BEHIND : CLUSTER_GATEWAY_AWAY;
}

static void explain_way(const struct pg_login *how,
			const struct pg_login_report *r,
			enum cluster_gateway_way way, struct reason *why)
{
	const char *host = host_of(how->info), *port = port_of(how->info);

	if (way == CLUSTER_GATEWAY_BEHIND)
		reason_set(why, STATUS_OK,
			   "the gateway %s port %s takes the login of %s, and "
			   "gets no session of the server behind it: its "
			   "forced user is refused there, TLS fails, or the "
			   "server is away; its log says which (server login "
			   "failed)",
			   host, port, how->user);
	else if (way == CLUSTER_GATEWAY_THROUGH)
		reason_set(why, STATUS_OK,
			   "the server behind the gateway %s port %s answers "
			   "%s",
			   host, port, how->user);
	else if (way == CLUSTER_GATEWAY_AWAY && !r->reached)
		cluster_gateway_console_silent(how->info, why);
	else
		reason_wrap(why, STATUS_OK, "the gateway %s port %s", host,
			    port);
}

enum status cluster_gateway_console_behind(const struct pg_login *how,
					   struct pg_login_report *ret_report,
					   enum cluster_gateway_way *ret_way,
					   struct reason *why)
{
	struct pg_query q = { .sql = "SELECT 1",
			      .simple = true,
			      .timeout_us = how->timeout_us };
	enum cluster_gateway_way way = CLUSTER_GATEWAY_THROUGH;
	struct pg *pg = NULL;
	enum status st = pg_connect(how, &pg, ret_report, why);

	/* The rest is what was found out. */
	if (st == STATUS_NO_MEMORY || st == STATUS_CONFIG ||
	    (st == STATUS_REFUSED && !ret_report->reached))
		return st;
	if (st != STATUS_OK)
		way = way_of(ret_report);
	else if (pg_run(pg, &q, why) != STATUS_OK)
		way = CLUSTER_GATEWAY_BEHIND;
	pg_result_free(q.result);
	pg_close(pg);
	explain_way(how, ret_report, way, why);
	*ret_way = way;
	return STATUS_OK;
}
