/* SPDX-License-Identifier: PostgreSQL */
/*
 * Connects, as the administrator or as a role.  Must never try a password again
 * that was refused.
 */
#include "cluster/postgres/connect.h"

#include <string.h>

#define WAKE_FIRST_US	(NOW_SECOND / 10)
#define WAKE_LONGEST_US (2 * NOW_SECOND)

/* What is scaled to zero wakes up by being asked; nothing of what it says
 * meanwhile is about the password. */
enum status cluster_postgres_connect_awake(struct cluster_postgres *p,
					   const struct pg_login *login,
					   struct pg **ret_pg,
					   struct pg_login_report *report,
					   struct reason *why)
{
	int64_t until = now_boot(p->o.now) + p->o.wake_timeout_us;
	int64_t sleep_us = WAKE_FIRST_US;
	enum status st;

	for (;;) {
		st = pg_connect(login, ret_pg, report, why);
		/* Another, older server may be there now. */
		if (st != STATUS_OK)
			p->lift = 0;
		if (st == STATUS_OK || report->hint != PG_HINT_WAKING ||
		    now_boot(p->o.now) + sleep_us > until)
			return st;
		now_sleep(p->o.now, sleep_us);
		if (sleep_us < WAKE_LONGEST_US)
			sleep_us *= 2;
	}
}

bool cluster_postgres_connect_refused(const struct pg_login_report *r)
{
	return strcmp(r->sqlstate, "28P01") == 0 ||
	       r->hint == PG_HINT_WRONG_PASSWORD;
}

/*
 * The longest that a claim can need, five times (K22), and what a kept session
 * may have waited before: a token that lives longer than this is good for all
 * that is done on a session of ours.
 */
static int64_t token_life(const struct cluster_postgres *p)
{
	int64_t worst = p->o.statement_timeout_us + CLUSTER_MARGIN_US;

	if (p->o.connect_timeout_us > worst)
		worst = p->o.connect_timeout_us;
	return 5 * worst + CLUSTER_IDLE_LIFE_US;
}

/* With a token; one that is refused is not tried again, its successor once. */
static enum status connect_token(struct cluster_postgres *p,
				 struct pg_login *login, struct pg **ret_pg,
				 struct reason *why)
{
	char user[CLUSTER_USER_SIZE] = "";
	struct pg_login_report report = { .class = PG_CLASS_LOST };
	struct secret *token = NULL;
	enum status st;
	int i;

	login->clear = true;
	for (i = 0; i < 2; i++) {
		st = p->o.admin_password(p->o.admin_arg, token_life(p), user,
					 &token, why);
		/* A source that is away is an administrator that is away. */
		if (st == STATUS_STORE_UNAVAILABLE || st == STATUS_TIMEOUT)
			st = STATUS_CLUSTER_UNAVAILABLE;
		else if (st == STATUS_DENIED || st == STATUS_CORRUPT)
			st = STATUS_REFUSED;
		if (st != STATUS_OK)
			return st;
		login->password = token;
		if (pg_info_get(login->info, "user")[0] == '\0' &&
		    user[0] != '\0')
			login->user = user;
		st = cluster_postgres_connect_awake(p, login, ret_pg, &report,
						    why);
		secret_free(token);
		token = NULL;
		login->password = NULL;
		login->user = NULL;
		if (st == STATUS_OK ||
		    !cluster_postgres_connect_refused(&report))
			return st;
		if (p->o.admin_refused != NULL)
			p->o.admin_refused(p->o.admin_arg);
	}
	return st;
}

enum status cluster_postgres_connect(struct cluster_postgres *p,
				     const char *dbname, struct pg **ret_pg,
				     struct reason *why)
{
	struct pg_login_report report;
	struct pg_login login = {
		.info = p->infos[0],
		.dbname = dbname,
		.passfile = p->admin_passfile,
		.read_write = true,
		.timeout_us = p->o.connect_timeout_us,
		.application_name = "keyturn",
		.lift = p->lift,
	};

	if (p->cluster.self)
		return reason_set(why, STATUS_ERROR,
				  "internal error: cluster %s has no admin",
				  p->name);
	if (p->o.admin == CLUSTER_ADMIN_TOKEN)
		return connect_token(p, &login, ret_pg, why);
	return cluster_postgres_connect_awake(p, &login, ret_pg, &report, why);
}
