/* SPDX-License-Identifier: PostgreSQL */
/*
 * Looks who of a pair may log in and does, and ends sessions.  Must never take a
 * session for one of ours by what it says of itself, nor print what a client has
 * chosen as it is.
 */
#include "cluster/postgres/peek.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/consumer.h"
#include "cluster/postgres/marker_row.h"

#define PROBE	     "keyturn prove" /* application_name, see prove.c */
#define PROBE_US     NOW_SECOND
#define ENDING_US    (5 * NOW_SECOND)
#define SLEEP_US     (NOW_SECOND / 20)
#define LOGINS	     (CLUSTER_MEMBERS + 1)
#define APP_SIZE     72
#define ADDRESS_SIZE 48

/*
 * Sessions `a` that somebody has logged in to.  Without the right to see more of
 * a session than whose it is, its type is NULL.
 */
#define LOGGED_IN_SQL                                             \
	"coalesce(a.backend_type, 'client backend') IN ('client " \
	"backend', 'walsender')"

/* pg_stat_replication names walsenders to everybody.  What its owner has prepared,
 * any member may finish. */
#define PEEK_SQL(may, holds)                                                     \
	"SELECT w.n, r.rolcanlogin, (SELECT pg_catalog.count(*) FROM "           \
	"pg_catalog.pg_prepared_xacts x WHERE x.owner = r.rolname "              \
	"AND w.n < 2), "                                                         \
	"(SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication p "     \
	"WHERE p.usesysid = r.oid), coalesce(a.n, 0), "                          \
	"coalesce(a.ours, 0), a.seen, a.address, a.application, a.since, " holds \
	" AND EXISTS (SELECT FROM pg_catalog.pg_roles me WHERE "                 \
	"me.rolname = current_user AND (me.rolsuper OR (" may ")))"

/* In the marker table. */
#define SEALED_SQL                                                     \
	", EXISTS (SELECT FROM %s k JOIN pg_catalog.pg_roles o "       \
	"ON o.oid = k.role_oid WHERE o.rolname = $3::pg_catalog.name " \
	"AND r.oid = ANY (k.sealed)) "

#define FROM_SQL                                                              \
	"FROM (VALUES (0, $1::pg_catalog.name), (1, $2::pg_catalog.name), "   \
	"(2, $3::pg_catalog.name)) w(n, name) "                               \
	"JOIN pg_catalog.pg_roles r ON r.rolname = w.name "                   \
	"LEFT JOIN LATERAL (SELECT pg_catalog.count(*) OVER () AS n, "        \
	"pg_catalog.count(*) FILTER (WHERE a.application_name = '" PROBE "' " \
	"OR a.backend_start IS NULL) OVER () AS ours, "                       \
	"a.backend_start IS NOT NULL AS seen, "                               \
	"coalesce(pg_catalog.host(a.client_addr), 'local socket') "           \
	"AS address, a.application_name AS application, "                     \
	"pg_catalog.to_char(a.backend_start AT TIME ZONE 'UTC', "             \
	"'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS since "                         \
	"FROM pg_catalog.pg_stat_activity a WHERE a.usesysid = r.oid "        \
	"AND " LOGGED_IN_SQL " ORDER BY a.backend_start LIMIT 1) a ON true"

#define HOLDS                                               \
	"EXISTS (SELECT FROM pg_catalog.pg_authid h WHERE " \
	"h.oid = r.oid AND h.rolpassword IS NOT NULL)"

static const char *peek_sql(const struct cluster_session *s)
{
	if (pg_server_version(s->pg) >= 160000)
		return s->sees_authid ? PEEK_SQL(CLUSTER_MAY_16, HOLDS) :
					PEEK_SQL(CLUSTER_MAY_16, "true");
	return s->sees_authid ? PEEK_SQL(CLUSTER_MAY_15, HOLDS) :
				PEEK_SQL(CLUSTER_MAY_15, "true");
}

/* The oldest session, so that it can be shown. */
static void describe_session(const struct pg_result *r, int row, char *ret,
			     size_t size)
{
	char address[ADDRESS_SIZE], name[CONSUMER_SIZE];

	if (pg_value(r, row, 6)[0] != 't') {
		snprintf(ret, size, "?");
		return;
	}
	text_escape(address, sizeof(address), pg_value(r, row, 7),
		    strlen(pg_value(r, row, 7)));
	/* What it calls itself may be anything, a password too. */
	consumer_name("", pg_value(r, row, 8), "", name);
	snprintf(ret, size, "%s%s%.*s, since %s", address, *name ? ", " : "",
		 APP_SIZE, name, pg_value(r, row, 9));
}

static unsigned number(const struct pg_result *r, int row, int column)
{
	return (unsigned)strtoul(pg_value(r, row, column), NULL, 10);
}

static enum status peek_once(struct cluster_postgres *p,
			     struct cluster_session *s,
			     const char *const names[LOGINS],
			     struct cluster_member ret[LOGINS],
			     unsigned *ret_ours, struct reason *why)
{
	struct text sql = text_make(CLUSTER_MARKER_SQL_MAX);
	struct pg_query q = { .n_params = LOGINS, .params = names };
	enum status st;
	unsigned n;

	text_add(&sql, peek_sql(s));
	text_printf(&sql, SEALED_SQL, s->marker);
	text_add(&sql, FROM_SQL);
	st = text_status(&sql);
	q.sql = text_str(&sql);
	if (st == STATUS_OK)
		st = cluster_postgres_run(p, s, &q, why);

	*ret_ours = 0;
	memset(ret, 0, LOGINS * sizeof(*ret)); /* not secret */
	for (n = 0; n < LOGINS; n++)
		(void)text_copy(ret[n].name, sizeof(ret[n].name), names[n]);
	for (int i = 0; st == STATUS_OK && i < pg_rows(q.result); i++) {
		n = number(q.result, i, 0);
		if (n >= LOGINS)
			continue;
		ret[n].found = true;
		ret[n].can_login = pg_value(q.result, i, 1)[0] == 't';
		ret[n].prepared = number(q.result, i, 2);
		ret[n].senders = number(q.result, i, 3);
		ret[n].sessions = number(q.result, i, 4);
		*ret_ours += number(q.result, i, 5);
		ret[n].keeps = pg_value(q.result, i, 10)[0] == 't';
		ret[n].sealed = pg_value(q.result, i, 11)[0] == 't';
		if (ret[n].sessions > 0)
			describe_session(q.result, i, ret[n].who,
					 sizeof(ret[n].who));
	}
	pg_result_free(q.result);
	text_free(&sql);
	/* A read changes nothing, lost or not. */
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

/*
 * A login for a proof that was closed just now has a backend for some
 * milliseconds more.  It is not left out, since anybody may call itself so: it
 * is waited for, and so is what does not show its name.
 */
enum status cluster_postgres_peek(
	struct cluster *t, struct cluster_session *s, const char *role,
	const struct cluster_pair *pair,
	struct cluster_member ret[CLUSTER_MEMBERS + 1], struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	const char *names[LOGINS] = { pair->members[0], pair->members[1],
				      role };
	struct cluster_member found[LOGINS];
	int64_t until = now_boot(p->o.now) + PROBE_US;
	unsigned ours = 0;
	enum status st = STATUS_OK;

	for (size_t i = 0; i < LOGINS && st == STATUS_OK; i++)
		st = cluster_postgres_check_name(names[i], why);
	if (st == STATUS_OK)
		st = peek_once(p, s, names, found, &ours, why);
	while (st == STATUS_OK && ours > 0 && now_boot(p->o.now) < until) {
		now_sleep(p->o.now, SLEEP_US);
		st = peek_once(p, s, names, found, &ours, why);
	}
	if (st == STATUS_OK)
		memcpy(ret, found, sizeof(found));
	return st;
}

/* ---- the end of sessions ---- */

#define END_SQL                                                             \
	"SELECT current_user, pg_catalog.count(a.pid), "                    \
	"pg_catalog.count(pg_catalog.pg_terminate_backend(a.pid)) "         \
	"FROM pg_catalog.pg_roles r LEFT JOIN pg_catalog.pg_stat_activity " \
	"a ON a.usesysid = r.oid AND " LOGGED_IN_SQL                        \
	" AND a.pid <> pg_catalog.pg_backend_pid() "                        \
	"WHERE r.rolname = $1::pg_catalog.name GROUP BY r.oid"

static enum status explain_end(struct cluster_postgres *p,
			       struct cluster_session *s, const char *role,
			       struct reason *why)
{
	struct pg_query q = { .sql = "SELECT current_user" };
	const char *admin = "...";

	if (cluster_postgres_run(p, s, &q, NULL) == STATUS_OK)
		admin = pg_value(q.result, 0, 0);
	reason_set(why, STATUS_REFUSED,
		   "cluster %s: keyturn's admin may not end sessions of role "
		   "%s; run GRANT \"%s\" TO \"%s\"%s, or GRANT "
		   "pg_signal_backend TO \"%s\"",
		   p->name, role, role, admin,
		   pg_server_version(s->pg) >= 160000 ?
			   " WITH INHERIT TRUE, SET FALSE" :
			   "",
		   admin);
	pg_result_free(q.result);
	return STATUS_REFUSED;
}

/* Count them, and tell them to end. */
static enum status end_once(struct cluster_postgres *p,
			    struct cluster_session *s, const char *role,
			    unsigned *ret_left, struct reason *why)
{
	const char *params[] = { role };
	struct pg_query q = { .sql = END_SQL, .n_params = 1, .params = params };
	enum status st = cluster_postgres_run(p, s, &q, why);

	if (st == STATUS_OK && pg_rows(q.result) == 0)
		st = reason_set(why, STATUS_NOT_FOUND,
				"cluster %s has no role %s", p->name, role);
	else if (st == STATUS_OK)
		*ret_left = number(q.result, 0, 1);
	pg_result_free(q.result);
	if (strcmp(q.sqlstate, "42501") == 0)
		return explain_end(p, s, role, why);
	/* Whoever was told ends; who else is there, the next one finds. */
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

enum status cluster_postgres_peek_end_sessions(struct cluster *t,
					       struct cluster_session *s,
					       const char *role,
					       unsigned *ret_left,
					       struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	int64_t until = now_boot(p->o.now) + ENDING_US;
	unsigned left = 0;
	enum status st = cluster_postgres_check_name(role, why);

	if (st == STATUS_OK)
		st = end_once(p, s, role, &left, why);
	while (st == STATUS_OK && left > 0 && now_boot(p->o.now) < until) {
		now_sleep(p->o.now, SLEEP_US);
		/* Who came meanwhile is told as well. */
		st = end_once(p, s, role, &left, why);
	}
	if (st == STATUS_OK)
		*ret_left = left;
	return st;
}
