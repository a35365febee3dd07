/* SPDX-License-Identifier: PostgreSQL */
/*
 * Talks to PgBouncer's admin console, which is a database without tables.  Must
 * never take a RELOAD for a proof: PgBouncer says yes to it also when it could
 * not read its files (before 1.25), and keeps the old ones.
 */
#include <string.h>

#include "after/after_internal.h"
#include "base/now.h"
#include "base/text.h"

#define PAUSE_US     (NOW_SECOND / 2)
#define QUIET_US     (2 * NOW_SECOND) /* most that a quiet moment is waited for */
#define QUIET_NAP_US (NOW_SECOND / 50)
#define DATABASE_MAX 64 /* NAMEDATALEN, and what the console reads as a name */
/* "RECONNECT " and a name in quotes, each byte of which may be one. */
#define COMMAND_MAX (16 + 2 * DATABASE_MAX)

struct console {
	const struct after *a;
	struct pg *pg;
	int64_t until; /* boot clock */
};

static int64_t left_us(int64_t until)
{
	int64_t left = until - now_boot(now_system());

	/* What begins at the deadline fails at once, with its own words. */
	return left > 1000 ? left : 1000;
}

static const char *host_of(const struct after *a)
{
	const char *host = pg_info_get(a->console, "host");

	return host[0] != '\0' ? host : "local socket";
}

/* ---- the console -------------------------------------------------------------- */

static enum status explain_login(const struct after *a,
				 const struct pg_login_report *r,
				 enum status st, struct reason *why)
{
	const char *user = pg_info_get(a->console, "user");

	if (r->hint == PG_HINT_WRONG_PASSWORD ||
	    (r->used_password && strcmp(r->sqlstate, "28P01") == 0))
		return reason_set(why, STATUS_REFUSED,
				  "PgBouncer at %s port %s refuses the "
				  "password of user %s, or does not know it; "
				  "see its auth_file, and passfile%s%s",
				  host_of(a), a->port, user,
				  a->passfile[0] != '\0' ? " " : "",
				  a->passfile);
	if (r->hint == PG_HINT_PAM)
		return reason_set(why, STATUS_REFUSED,
				  "PgBouncer at %s port %s has PAM refuse user "
				  "%s; see that its agent knows the password "
				  "in passfile %s, and answers",
				  host_of(a), a->port, user, a->passfile);
	if (strcmp(r->sqlstate, "08P01") == 0)
		return reason_set(why, STATUS_REFUSED,
				  "PgBouncer at %s port %s does not let user "
				  "%s to its console; put it into admin_users, "
				  "and see that it has a password there",
				  host_of(a), a->port, user);
	if (!r->reached && r->hint == PG_HINT_WAKING && a->passfile[0] == '\0')
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "no connection to PgBouncer at %s port %s; "
				  "see that it runs, and name a passfile if it "
				  "asks user %s for a password",
				  host_of(a), a->port, user);
	/* What libpq says is the same for both. */
	if ((!r->reached && r->hint == PG_HINT_WAKING) ||
	    (r->used_password && r->sqlstate[0] == '\0'))
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "no connection to PgBouncer at %s port %s, "
				  "or no password for it; see that it runs, "
				  "and that passfile %s has a line for this "
				  "host, port, database pgbouncer and user %s",
				  host_of(a), a->port, a->passfile, user);
	return st;
}

static enum status check_passfile(const struct after *a, struct reason *why)
{
	if (a->passfile[0] == '\0')
		return STATUS_OK;
	return pg_connect_passfile(a->passfile, "passfile", why);
}

static enum status open_console(struct console *c, const struct after *a,
				struct reason *why)
{
	const struct pg_login how = {
		.info = a->console,
		.passfile = a->passfile[0] != '\0' ? a->passfile : NULL,
		.probe = true,
		.timeout_us = a->timeout_us,
		.application_name = "keyturn after",
	};
	struct pg_login_report r;
	enum status st = check_passfile(a, why);

	*c = (struct console){
		.a = a, .until = now_boot(now_system()) + a->timeout_us
	};
	if (st != STATUS_OK)
		return st;
	st = pg_connect(&how, &c->pg, &r, why);
	return st == STATUS_OK ? st : explain_login(a, &r, st, why);
}

/* Its console speaks the simple protocol only. */
static enum status command(struct console *c, const char *text,
			   struct pg_result **ret, struct reason *why)
{
	struct pg_query q = { .sql = text,
			      .simple = true,
			      .timeout_us = left_us(c->until) };
	enum status st = pg_run(c->pg, &q, why);

	if (st == STATUS_UNKNOWN)
		st = reason_set(why,
				now_boot(now_system()) >= c->until ?
					STATUS_TIMEOUT :
					STATUS_CLUSTER_UNAVAILABLE,
				"PgBouncer at %s port %s did not answer %s",
				host_of(c->a), c->a->port, text);
	else if (st != STATUS_OK && pg_hint(c->pg) == PG_HINT_NEEDS_ADMIN)
		st = reason_set(why, STATUS_DENIED,
				"PgBouncer at %s port %s lets user %s look "
				"only; put it into admin_users",
				host_of(c->a), c->a->port,
				pg_info_get(c->a->console, "user"));
	else if (st != STATUS_OK)
		st = reason_set(why, STATUS_REFUSED,
				"PgBouncer at %s port %s refused %s; its log "
				"says why",
				host_of(c->a), c->a->port, text);
	if (st == STATUS_OK && ret != NULL)
		*ret = q.result;
	else
		pg_result_free(q.result);
	return st;
}

/* Others have such a console, too, and mean other things by RELOAD. */
static enum status check_version(struct console *c, char *ret, size_t size,
				 struct reason *why)
{
	struct pg_result *r = NULL;
	enum status st = command(c, "SHOW VERSION", &r, NULL);
	bool known = st == STATUS_OK && pg_rows(r) == 1 &&
		     strncmp(pg_value(r, 0, 0), "PgBouncer ", 10) == 0;

	if (known)
		text_cut(ret, size, pg_value(r, 0, 0));
	pg_result_free(r);
	if (known)
		return STATUS_OK;
	if (st == STATUS_TIMEOUT || st == STATUS_CLUSTER_UNAVAILABLE)
		return reason_set(why, st,
				  "%s port %s lets us in and does not answer",
				  host_of(c->a), c->a->port);
	return reason_set(why, STATUS_REFUSED,
			  "%s port %s is not the console of a PgBouncer "
			  "(1.12 or later); it does not say its version",
			  host_of(c->a), c->a->port);
}

/* ---- try ---------------------------------------------------------------------- */

/* ENABLE without a database does nothing, and says no in two ways: to whom may
 * only look, and to whom may RELOAD. */
static enum status check_admin(struct console *c, struct reason *why)
{
	enum status st = command(c, "ENABLE", NULL, why);

	if (st == STATUS_REFUSED) {
		reason_clear(why);
		st = STATUS_OK;
	}
	return st;
}

/* prove_user= comes with prove=. */
static bool is_proved(const struct after *a, bool as_user)
{
	return !a->prove_no && (as_user || a->prove[0] != '\0');
}

enum status after_pgbouncer_try(const struct after *a, bool as_user,
				struct reason *why)
{
	char version[64] = "";
	struct console c;
	enum status st = open_console(&c, a, why);

	if (st == STATUS_OK)
		st = check_version(&c, version, sizeof(version), why);
	if (st == STATUS_OK)
		st = check_admin(&c, why);
	if (st == STATUS_OK)
		reason_set(why, st,
			   "%s at %s port %s will read its files again%s",
			   version, host_of(a), a->port,
			   is_proved(a, as_user) ?
				   ", and a login will show it" :
				   "; no login will show it: see "
				   "prove= and prove_user=");
	pg_close(c.pg);
	return st;
}

/* ---- RELOAD -------------------------------------------------------------------- */

static bool is_logging_in(const struct pg_result *r)
{
	int column = pg_column(r, "sv_login");

	for (int i = 0; column >= 0 && i < pg_rows(r); i++)
		if (strcmp(pg_value(r, i, column), "0") != 0)
			return true;
	return false;
}

/*
 * With TLS to the server PgBouncer before 1.24 closes all its sessions there at a
 * RELOAD, when they are released, and breaks off logins that are under way.  That
 * counts as a login that failed, and clients are refused for server_login_retry:
 * so it is done when there is none.
 */
static enum status wait_quiet(struct console *c, struct reason *why)
{
	int64_t until = now_boot(now_system()) + QUIET_US;
	bool busy = true;
	enum status st = STATUS_OK;

	while (st == STATUS_OK && busy && now_boot(now_system()) < until) {
		struct pg_result *r = NULL;

		st = command(c, "SHOW POOLS", &r, why);
		busy = st == STATUS_OK && is_logging_in(r);
		pg_result_free(r);
		if (busy)
			now_sleep(now_system(), QUIET_NAP_US);
	}
	return st;
}

static enum status reload(struct console *c, struct reason *why)
{
	enum status st = wait_quiet(c, why);

	return st == STATUS_OK ? command(c, "RELOAD", NULL, why) : st;
}

/* ---- sessions with the old password ------------------------------------------ */

static bool is_users(const struct pg_result *r, int row,
		     const struct after_delivered *d)
{
	const char *user = pg_value(r, row, 1);

	return strcmp(user, d->user) == 0 ||
	       (d->before != NULL && strcmp(user, d->before) == 0);
}

static bool is_first(const struct pg_result *r, int row,
		     const struct after_delivered *d)
{
	for (int i = 0; i < row; i++)
		if (is_users(r, i, d) &&
		    strcmp(pg_value(r, i, 0), pg_value(r, row, 0)) == 0)
			return false;
	return true;
}

static enum status reconnect(struct console *c, const char *database,
			     struct reason *why)
{
	struct text t = text_make(COMMAND_MAX);
	enum status st;

	text_add(&t, "RECONNECT \"");
	for (const char *p = database; *p != '\0'; p++) {
		if (*p == '"')
			text_add_char(&t, '"');
		text_add_char(&t, *p);
	}
	text_add(&t, "\"");
	st = text_status(&t);
	if (st == STATUS_OK)
		st = command(c, text_str(&t), NULL, why);
	text_free(&t);
	/* A database that is gone again, or a console that does not read its
	 * name: what matters is shown by the login. */
	return st == STATUS_REFUSED || st == STATUS_LIMIT ? STATUS_OK : st;
}

/*
 * A session lives on after its password, and one of a pair's old member would
 * keep that from being retired.  Each ends when its client releases it.
 */
static enum status renew_sessions(struct console *c,
				  const struct after_delivered *d,
				  struct reason *why)
{
	struct pg_result *r = NULL;
	enum status st = command(c, "SHOW POOLS", &r, why);

	for (int i = 0; st == STATUS_OK && i < pg_rows(r); i++)
		if (is_users(r, i, d) && is_first(r, i, d))
			st = reconnect(c, pg_value(r, i, 0), why);
	pg_result_free(r);
	if (st == STATUS_OK)
		reason_clear(why);
	return st;
}

/* ---- the proof ---------------------------------------------------------------- */

/* How consumers log in. */
struct proof {
	const char *user;
	const char *dbname;
	const char *passfile; /* NULL: with the password itself */
	int64_t until;
};

static bool plan_proof(const struct after *a, const struct after_delivered *d,
		       struct proof *ret)
{
	bool own = a->prove_user[0] != '\0';

	if (!is_proved(a, d->as_user))
		return false;
	ret->user = own ? a->prove_user : d->user;
	ret->dbname = a->prove[0] != '\0' ? a->prove : d->dbname;
	ret->passfile = own && a->passfile[0] != '\0' ? a->passfile : NULL;
	return true;
}

static enum status ask_user(const struct after *a, const struct proof *p,
			    struct pg *pg, const char *wanted,
			    struct reason *why)
{
	struct pg_query q = { .sql = "SELECT session_user",
			      .timeout_us = left_us(p->until) };
	enum status st = pg_run(pg, &q, why);

	if (st != STATUS_OK)
		reason_set(why, STATUS_REFUSED,
			   "PgBouncer at %s port %s lets user %s into database "
			   "%s, and gets no session of the server's for it",
			   host_of(a), a->port, p->user, p->dbname);
	else if (pg_rows(q.result) != 1 ||
		 (wanted[0] != '\0' &&
		  strcmp(pg_value(q.result, 0, 0), wanted) != 0))
		reason_set(why, STATUS_REFUSED,
			   "PgBouncer at %s port %s leads user %s of database "
			   "%s to a session of another than %s",
			   host_of(a), a->port, p->user, p->dbname, wanted);
	else {
		pg_result_free(q.result);
		return STATUS_OK;
	}
	pg_result_free(q.result);
	return STATUS_REFUSED;
}

static enum status log_in(const struct after *a,
			  const struct after_delivered *d,
			  const struct proof *p, struct reason *why)
{
	const struct pg_login how = {
		.info = a->console,
		.user = p->user,
		.dbname = p->dbname,
		.password = a->prove_user[0] != '\0' ? NULL : d->password,
		.passfile = p->passfile,
		.probe = true,
		.timeout_us = left_us(p->until),
		.application_name = "keyturn prove",
	};
	struct pg_login_report r;
	struct pg *pg = NULL;
	enum status st = pg_connect(&how, &pg, &r, why);

	if (st != STATUS_OK && r.hint == PG_HINT_WRONG_PASSWORD)
		reason_set(
			why, st,
			"PgBouncer at %s port %s refuses the password of "
			"user %s, at database %s; is its auth_file what the "
			"sink writes, and does its log say that it was read?",
			host_of(a), a->port, p->user, p->dbname);
	else if (st != STATUS_OK)
		reason_set(why, st,
			   "PgBouncer at %s port %s does not let user %s into "
			   "database %s%s%s%s",
			   host_of(a), a->port, p->user, p->dbname,
			   r.sqlstate[0] != '\0' ? " (SQLSTATE " : "",
			   r.sqlstate, r.sqlstate[0] != '\0' ? ")" : "");
	else
		st = ask_user(a, p, pg, d->user, why);
	pg_close(pg);
	return st;
}

/*
 * Until the deadline: after a server's "no" to the old password PgBouncer says
 * no by itself for a while (server_login_retry).
 */
static enum status prove(const struct after *a, const struct after_delivered *d,
			 struct proof *p, struct reason *why)
{
	enum status st;

	for (;;) {
		st = log_in(a, d, p, why);
		if (st == STATUS_OK ||
		    now_boot(now_system()) + PAUSE_US >= p->until)
			break;
		now_sleep(now_system(), PAUSE_US);
	}
	if (st != STATUS_OK)
		return reason_wrap(why, st,
				   "it was told to read its files again, but");
	reason_set(why, st,
		   "PgBouncer at %s port %s read its files again, and user %s "
		   "logs in to database %s through it",
		   host_of(a), a->port, p->user, p->dbname);
	return st;
}

enum status after_pgbouncer_run(const struct after *a,
				const struct after_delivered *d,
				struct reason *why)
{
	char version[64];
	struct proof p;
	struct console c;
	enum status st = open_console(&c, a, why);

	if (st == STATUS_OK)
		st = check_version(&c, version, sizeof(version), why);
	if (st == STATUS_OK)
		st = reload(&c, why);
	/* Those that began with an earlier token are good to their end, and a
	 * RECONNECT breaks off logins that are under way, which clients of a pool
	 * without a session pay for (server_login_retry). */
	if (st == STATUS_OK && d->password != NULL)
		st = renew_sessions(&c, d, why);
	pg_close(c.pg);
	if (st != STATUS_OK)
		return st;
	p.until = c.until;
	if (plan_proof(a, d, &p))
		return prove(a, d, &p, why);
	return reason_set(why, st,
			  "PgBouncer at %s port %s was told to read its files "
			  "again; no login shows that it did",
			  host_of(a), a->port);
}
