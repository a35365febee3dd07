/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who uses a role, from open sessions and from logins that an event trigger
 * noted.  Must never read what others could have put in the trigger's place.
 */
#include "cluster/postgres/activity.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/postgres/connect.h"
#include "cluster/postgres/marker_prepare.h"
#include "cluster/postgres/session.h"

#define SQL_MAX	  8192
#define IDS_MAX	  ((size_t)256 << 10)
#define NAMES_MAX ((size_t)16 << 20)
#define ROWS_MAX  "10000" /* more consumers than that are not told apart */

/* Ours, whichever role they log in as. */
#define NOT_OURS(app)                              \
	app " IS DISTINCT FROM 'keyturn' AND " app \
	    " IS DISTINCT FROM 'keyturn prove' "

#define MICROSECONDS(interval) \
	"(extract(epoch FROM " interval ") * 1000000)::bigint"

/* ---- sessions --------------------------------------------------------------- */

enum {
	SEEN_LOGIN,
	SEEN_VERSION,
	SEEN_ADDRESS,
	SEEN_APPLICATION,
	SEEN_HIDDEN,
	SEEN_AFTER,
	SEEN_FIRST_AGO,
	SEEN_LAST_AGO,
	SEEN_COUNT,
	SEEN_KIND, /* only when there are pairs, and so are the rest */
	SEEN_MAY_LOGIN,
	SEEN_KEPT,
	SEEN_NUMBER
};

/* The kinds of rows. */
#define KIND_SINGLE 's'
#define KIND_ACTIVE 'a' /* sessions of a pair's active member */
#define KIND_BESIDE 'b' /* ... of another of its roles */
#define KIND_PAIR   'p' /* a pair */

#define AGO(time) MICROSECONDS("pg_catalog.statement_timestamp() - " time)

/* The sessions `a` of a consumer, by the marker `m`.  Without the right there is
 * neither address nor backend_start, and no type. */
#define TOLD_SQL                                                                                           \
	"pg_catalog.host(a.client_addr), a.application_name, "                                             \
	"a.backend_start IS NULL, " MICROSECONDS("max(a.backend_start - m.applied_at)") ", " MICROSECONDS( \
		"max(pg_catalog.statement_timestamp() - "                                                  \
		"a.backend_start)") ", " MICROSECONDS("min(pg_catalog.statement_timestamp() - "            \
						      "a.backend_start)") ", pg_catalog.count(*)"

#define LOGGED_IN_SQL                                             \
	"coalesce(a.backend_type, 'client backend') IN ('client " \
	"backend', 'walsender') "

#define TOLD_WHERE_SQL                                                         \
	"WHERE m.live_version IS NOT NULL AND m.applied_at IS "                \
	"NOT NULL AND a.pid <> pg_catalog.pg_backend_pid() AND " LOGGED_IN_SQL \
	"AND " NOT_OURS(                                                       \
		"a.application_name") "GROUP BY 1, 2, 3, 4, 5, a.backend_start >= m.applied_at"

/* The three roles of each pair, with its marker.  $1: the owners, $2 and $3: the
 * members; n counts them from 1.  Compared as text, which no index serves: with
 * 10,000 roles one pass over all of them is sooner done than as many lookups. */
#define PAIRS_SQL                                                           \
	"WITH p AS MATERIALIZED (SELECT w.n, r.oid, r.rolname, "            \
	"r.rolcanlogin AND NOT coalesce(r.oid = ANY (m.sealed), false) "    \
	"AS rolcanlogin, r.oid <> coalesce(m.active_oid, m.role_oid) "      \
	"AS beside, m.live_version, m.applied_at, m.retired_at, "           \
	"m.previous_oid, m.previous_version FROM ROWS FROM "                \
	"(pg_catalog.unnest($1::name[]), pg_catalog.unnest($2::name[]), "   \
	"pg_catalog.unnest($3::name[])) WITH ORDINALITY w(owner, a, b, n) " \
	"JOIN pg_catalog.pg_roles o ON o.rolname = w.owner "                \
	"JOIN %s m ON m.role_oid = o.oid CROSS JOIN LATERAL "               \
	"(VALUES (w.owner), (w.a), (w.b)) l(login) "                        \
	"JOIN pg_catalog.pg_roles r ON r.rolname::text = l.login::text "    \
	"WHERE m.live_version IS NOT NULL AND m.applied_at IS NOT NULL) "

#define PAIR_SESSIONS_SQL                                                          \
	" UNION ALL (SELECT m.rolname, CASE WHEN NOT m.beside THEN "               \
	"m.live_version WHEN m.oid = m.previous_oid THEN "                         \
	"m.previous_version END, " TOLD_SQL ", CASE WHEN m.beside THEN "           \
	"'b' ELSE 'a' END, false, false, NULL::int8 FROM p m "                     \
	"JOIN pg_catalog.pg_stat_activity a ON a.usesysid = m.oid " TOLD_WHERE_SQL \
	", m.beside LIMIT " ROWS_MAX ")"

/* A session that calls itself ours counts here: no one is quiet because of what
 * he says. */
#define PAIR_STATE_SQL                                                                       \
	" UNION ALL SELECT current_user, m.live_version, NULL, NULL, "                       \
	"NOT pg_catalog.bool_and(NOT m.beside OR NOT m.rolcanlogin "                         \
	"OR (SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')) "                  \
	"OR pg_catalog.pg_has_role(m.oid, 'USAGE')), " AGO("m.applied_at") ", " AGO(         \
		"m.retired_at") ", NULL, "                                                   \
				"coalesce(sum(a.n) FILTER (WHERE m.beside), 0)::int8, 'p', " \
				"pg_catalog.bool_or(m.beside AND m.rolcanlogin), "           \
				"m.previous_version IS NOT NULL, m.n FROM p m "              \
				"LEFT JOIN (SELECT a.usesysid, pg_catalog.count(*) n "       \
				"FROM pg_catalog.pg_stat_activity a WHERE " LOGGED_IN_SQL    \
				"GROUP BY 1) a ON a.usesysid = m.oid "                       \
				"GROUP BY m.n, m.live_version, m.applied_at, m.retired_at, " \
				"m.previous_version"

static void add_sessions_sql(struct text *t, const char *marker, bool pairs)
{
	if (pairs)
		text_printf(t, PAIRS_SQL "(", marker);
	text_printf(t,
		    "SELECT a.usename, m.live_version, " TOLD_SQL
		    "%s FROM pg_catalog.pg_stat_activity a "
		    "JOIN %s m ON m.role_oid = a.usesysid " TOLD_WHERE_SQL
		    " LIMIT " ROWS_MAX,
		    pairs ? ", 's', false, false, NULL::int8" : "", marker);
	if (pairs)
		text_add(t, ")" PAIR_SESSIONS_SQL PAIR_STATE_SQL);
}

static int64_t number(const struct pg_result *r, int row, int column)
{
	return strtoll(pg_value(r, row, column), NULL, 10);
}

/* A clock that was set back, or a row that came meanwhile. */
static int64_t not_negative(int64_t us)
{
	return us > 0 ? us : 0;
}

static void take_pair(const struct pg_result *r, int i,
		      struct cluster_watched *w)
{
	w->found = true;
	(void)text_copy(w->version, sizeof(w->version),
			pg_value(r, i, SEEN_VERSION));
	text_cut(w->admin, sizeof(w->admin), pg_value(r, i, SEEN_LOGIN));
	w->live_us = not_negative(number(r, i, SEEN_AFTER));
	w->may_login = pg_value(r, i, SEEN_MAY_LOGIN)[0] == 't';
	w->sessions = number(r, i, SEEN_COUNT);
	w->visible = pg_value(r, i, SEEN_HIDDEN)[0] != 't';
	w->kept = pg_value(r, i, SEEN_KEPT)[0] == 't';
	w->retired_us = pg_is_null(r, i, SEEN_FIRST_AGO) ?
				-1 :
				not_negative(number(r, i, SEEN_FIRST_AGO));
}

static enum status tell_session(const struct pg_result *r, int i, char kind,
				cluster_seen_fn *fn, void *arg)
{
	const struct cluster_seen s = {
		.login = pg_value(r, i, SEEN_LOGIN),
		.pair = kind != KIND_SINGLE,
		.beside = kind == KIND_BESIDE,
		.version = pg_value(r, i, SEEN_VERSION),
		.address = pg_value(r, i, SEEN_ADDRESS),
		.application = pg_value(r, i, SEEN_APPLICATION),
		.hidden = pg_value(r, i, SEEN_HIDDEN)[0] == 't',
		.after_us = number(r, i, SEEN_AFTER),
		.first_ago_us = not_negative(number(r, i, SEEN_FIRST_AGO)),
		.last_ago_us = not_negative(number(r, i, SEEN_LAST_AGO)),
		.count = number(r, i, SEEN_COUNT),
	};

	return fn(arg, &s);
}

static enum status tell_sessions(const struct pg_result *r, bool with_pairs,
				 struct cluster_watched *pairs, size_t n,
				 cluster_seen_fn *fn, void *arg)
{
	enum status st = STATUS_OK;

	for (int i = 0; i < pg_rows(r) && st == STATUS_OK; i++) {
		char kind = with_pairs ? pg_value(r, i, SEEN_KIND)[0] :
					 KIND_SINGLE;

		if (kind != KIND_PAIR)
			st = tell_session(r, i, kind, fn, arg);
		else if ((size_t)number(r, i, SEEN_NUMBER) <= n)
			take_pair(r, i, &pairs[number(r, i, SEEN_NUMBER) - 1]);
	}
	return st;
}

/* ---- pairs ------------------------------------------------------------------- */

#define WIDE_SQL                                                \
	"SELECT " CLUSTER_MARKER_PAIR_HAS_SQL                   \
	" FROM pg_catalog.pg_attribute t WHERE t.attrelid = $1" \
	"::regclass"

/* Can the marker table name members?  Not before the first rotation of a pair. */
static enum status look_wide(struct cluster_postgres *p,
			     struct cluster_session *s, struct reason *why)
{
	const char *params[] = { s->marker };
	struct pg_query q = { .sql = WIDE_SQL,
			      .n_params = 1,
			      .params = params };
	enum status st;

	if (s->wide)
		return STATUS_OK;
	st = cluster_postgres_run(p, s, &q, why);
	if (st == STATUS_OK && pg_rows(q.result) == 1)
		s->wide = pg_value(q.result, 0, 0)[0] == 't';
	pg_result_free(q.result);
	return st;
}

/* An element of an array, in its text form. */
static void add_element(struct text *t, const char *s)
{
	text_add(t, t->len ? ",\"" : "{\"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			text_add_char(t, '\\');
		text_add_char(t, *s);
	}
	text_add_char(t, '"');
}

#define ROLES (CLUSTER_MEMBERS + 1)

/* The arrays' texts: of owners, and of each member. */
static enum status name_pairs(struct text arrays[ROLES],
			      const struct cluster_watched *pairs, size_t n)
{
	enum status st = STATUS_OK;

	for (int k = 0; k < ROLES && st == STATUS_OK; k++) {
		for (size_t i = 0; i < n; i++)
			add_element(&arrays[k],
				    k == 0 ? pairs[i].owner :
					     pairs[i].pair->members[k - 1]);
		text_add_char(&arrays[k], '}');
		st = text_status(&arrays[k]);
	}
	return st;
}

/* A session of the administrator's, with a marker that can be believed. */
static enum status open_marked(struct cluster *t, struct cluster_session **ret,
			       struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	enum status st;

	if (t->self)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s has no administrator (admin = "
				  "self), who could see sessions",
				  p->name);
	st = cluster_postgres_session_open(t, ret, why);
	if (st != STATUS_OK)
		return st;
	switch ((*ret)->marker_state) {
	case CLUSTER_MARKER_READY:
		return STATUS_OK;
	case CLUSTER_MARKER_MISSING:
		st = reason_set(why, STATUS_NOT_FOUND,
				"cluster %s has no marker table yet", p->name);
		break;
	case CLUSTER_MARKER_UNTRUSTED:
		st = cluster_postgres_marker_prepare_untrusted(p, *ret, why);
		break;
	}
	cluster_postgres_session_release(t, *ret, st == STATUS_REFUSED);
	*ret = NULL;
	return st;
}

/* A read changes nothing, lost or not. */
static enum status settle_read(enum status st)
{
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

static enum status ask_sessions(struct cluster_postgres *p,
				struct cluster_session *s,
				const struct cluster_watched *pairs, size_t n,
				struct pg_result **ret, struct reason *why)
{
	struct text sql = text_make(SQL_MAX), arrays[ROLES];
	const char *params[ROLES];
	struct pg_query q = { .n_params = n > 0 ? ROLES : 0, .params = params };
	enum status st = STATUS_OK;

	for (int k = 0; k < ROLES; k++)
		arrays[k] = text_make(NAMES_MAX);
	if (n > 0)
		st = name_pairs(arrays, pairs, n);
	for (int k = 0; k < ROLES; k++)
		params[k] = text_str(&arrays[k]);
	add_sessions_sql(&sql, s->marker, n > 0);
	if (st == STATUS_OK)
		st = text_status(&sql);
	q.sql = text_str(&sql);
	if (st == STATUS_OK)
		st = cluster_postgres_run(p, s, &q, why);
	if (st == STATUS_OK)
		*ret = q.result;
	text_free(&sql);
	for (int k = 0; k < ROLES; k++)
		text_free(&arrays[k]);
	return st;
}

enum status cluster_postgres_activity_sessions(struct cluster *t,
					       struct cluster_watched *pairs,
					       size_t n, cluster_seen_fn *fn,
					       void *arg, struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct cluster_session *s = NULL;
	struct pg_result *result = NULL;
	enum status st;

	for (size_t i = 0; i < n; i++)
		pairs[i].found = false;
	st = open_marked(t, &s, why);
	if (st != STATUS_OK)
		return st;
	if (n > 0)
		st = look_wide(p, s, why);
	if (!s->wide)
		n = 0;
	if (st == STATUS_OK)
		st = ask_sessions(p, s, pairs, n, &result, why);
	cluster_postgres_session_release(
		t, s, st == STATUS_OK || st == STATUS_REFUSED);
	if (st == STATUS_OK)
		st = tell_sessions(result, n > 0, pairs, n, fn, arg);
	pg_result_free(result);
	return settle_read(st);
}

/* ---- logins that were noted ------------------------------------------------- */

/* No row: it is not installed.  What a superuser, or we, made cannot be replaced
 * by others between this statement and the next. */
#define STATE_SQL                                                        \
	"SELECT NOT (c.relkind <> 'r' OR c.relrowsecurity OR EXISTS ("   \
	"SELECT FROM pg_catalog.pg_roles r WHERE r.oid IN "              \
	"(n.nspowner, c.relowner) AND " CLUSTER_STRANGER_SQL ")), "      \
	"pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND "           \
	"pg_catalog.has_table_privilege(c.oid, 'SELECT'), current_user " \
	"FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_class c "     \
	"ON c.relnamespace = n.oid AND c.relname = 'noted' "             \
	"WHERE n.nspname = 'keyturn_login'"

enum {
	NOTED_OID,
	NOTED_LOGIN,
	NOTED_ADDRESS,
	NOTED_APPLICATION,
	NOTED_COUNT,
	NOTED_FIRST,
	NOTED_LAST,
	NOTED_NOW
};

#define NOTED_SQL                                                                                                                       \
	"SELECT r.oid, r.rolname, s.address, s.application, s.logins, " MICROSECONDS("s.first_at") ", " MICROSECONDS(                   \
		"s.last_at") ", " MICROSECONDS("pg_catalog.clock_timestamp()") " "                                                      \
									       "FROM keyturn_login.noted s JOIN pg_catalog.pg_roles r " \
									       "ON r.oid = s.login WHERE " NOT_OURS(                    \
										       "s.application") "ORDER BY s.last_at DESC LIMIT " ROWS_MAX

enum { MARKED_VERSION, MARKED_APPLIED, MARKED_BESIDE };

/* Whose password is which: of a pair the active one's is the live version, and
 * another's the one before.  A member that was a role of its own once has a row
 * of that time, too. */
#define MEMBERS_SQL                                                            \
	"(SELECT DISTINCT ON (login) login, live_version, applied_at, beside " \
	"FROM (SELECT m.role_oid, m.live_version, m.applied_at, false, 1 "     \
	"FROM %s m WHERE m.active_oid IS NULL UNION ALL "                      \
	"SELECT m.active_oid, m.live_version, m.applied_at, false, 0 "         \
	"FROM %s m WHERE m.active_oid IS NOT NULL UNION ALL "                  \
	"SELECT m.previous_oid, m.previous_version, m.applied_at, true, 0 "    \
	"FROM %s m WHERE m.previous_oid IS NOT NULL) "                         \
	"x(login, live_version, applied_at, beside, rank) "                    \
	"ORDER BY login, rank)"
#define ROLES_SQL                                                            \
	"(SELECT role_oid AS login, live_version, applied_at, false beside " \
	"FROM %s)"

/* The marker of each noted login, in the order of the list. */
static void add_marked_sql(struct text *t, const char *marker, bool wide)
{
	text_add(t,
		 "SELECT m.live_version, " MICROSECONDS(
			 "m.applied_at") ", m.beside "
					 "FROM pg_catalog.unnest($1::oid[]) "
					 "WITH ORDINALITY i(o, n) LEFT JOIN ");
	if (wide)
		text_printf(t, MEMBERS_SQL, marker, marker, marker);
	else
		text_printf(t, ROLES_SQL, marker);
	text_add(t, " m ON m.login = i.o ORDER BY i.n");
}

static enum status check_state(const struct cluster_postgres *p, struct pg *pg,
			       const char *database, struct reason *why)
{
	struct pg_query q = { .sql = STATE_SQL,
			      .timeout_us = p->o.statement_timeout_us };
	enum status st = pg_run(pg, &q, why);

	if (st != STATUS_OK)
		return st;
	if (pg_rows(q.result) == 0)
		st = reason_set(why, STATUS_NOT_FOUND,
				"cluster %s, database %s: no event trigger "
				"notes logins",
				p->name, database);
	else if (pg_value(q.result, 0, 0)[0] != 't')
		st = reason_set(why, STATUS_REFUSED,
				"cluster %s, database %s: keyturn_login.noted "
				"is not a table that only a superuser can "
				"change; install login_event.sql again as one",
				p->name, database);
	else if (pg_value(q.result, 0, 1)[0] != 't')
		st = reason_set(why, STATUS_REFUSED,
				"cluster %s, database %s: keyturn's admin may "
				"not read keyturn_login.noted; run GRANT USAGE "
				"ON SCHEMA keyturn_login TO \"%s\" and GRANT "
				"SELECT ON keyturn_login.noted TO \"%s\"",
				p->name, database, pg_value(q.result, 0, 2),
				pg_value(q.result, 0, 2));
	pg_result_free(q.result);
	return st;
}

static enum status read_noted(struct cluster_postgres *p, struct pg *pg,
			      const char *database, struct pg_result **ret,
			      struct reason *why)
{
	struct pg_query q = { .sql = NOTED_SQL,
			      .timeout_us = p->o.statement_timeout_us };
	enum status st = check_state(p, pg, database, why);

	if (st == STATUS_OK)
		st = pg_run(pg, &q, why);
	if (st == STATUS_OK)
		*ret = q.result;
	return st;
}

static enum status read_marked(struct cluster_postgres *p,
			       struct cluster_session *s,
			       const struct pg_result *noted,
			       struct pg_result **ret, struct reason *why)
{
	struct text ids = text_make(IDS_MAX), sql = text_make(SQL_MAX);
	struct pg_query q = { .n_params = 1 };
	const char *params[1];
	enum status st;

	for (int i = 0; i < pg_rows(noted); i++)
		text_printf(&ids, "%c%s", i ? ',' : '{',
			    pg_value(noted, i, NOTED_OID));
	text_add(&ids, ids.len ? "}" : "{}");
	add_marked_sql(&sql, s->marker, s->wide);
	st = text_status(&ids);
	if (st == STATUS_OK)
		st = text_status(&sql);
	params[0] = text_str(&ids);
	q.params = params;
	q.sql = text_str(&sql);
	if (st == STATUS_OK)
		st = cluster_postgres_run(p, s, &q, why);
	if (st == STATUS_OK)
		*ret = q.result;
	text_free(&ids);
	text_free(&sql);
	return st;
}

static enum status tell_logins(const struct pg_result *noted,
			       const struct pg_result *marked,
			       cluster_seen_fn *fn, void *arg)
{
	enum status st = STATUS_OK;

	for (int i = 0;
	     i < pg_rows(noted) && i < pg_rows(marked) && st == STATUS_OK;
	     i++) {
		int64_t now = number(noted, i, NOTED_NOW);
		int64_t last = number(noted, i, NOTED_LAST);
		const struct cluster_seen s = {
			.login = pg_value(noted, i, NOTED_LOGIN),
			.version = pg_value(marked, i, MARKED_VERSION),
			.beside = pg_value(marked, i, MARKED_BESIDE)[0] == 't',
			.address = pg_value(noted, i, NOTED_ADDRESS),
			.application = pg_value(noted, i, NOTED_APPLICATION),
			.after_us = last - number(marked, i, MARKED_APPLIED),
			.first_ago_us = not_negative(
				now - number(noted, i, NOTED_FIRST)),
			.last_ago_us = not_negative(now - last),
			.count = number(noted, i, NOTED_COUNT),
		};

		if (s.version[0] && !pg_is_null(marked, i, MARKED_APPLIED))
			st = fn(arg, &s);
	}
	return st;
}

/* Connected to another database, or the session itself. */
static enum status connect_database(struct cluster_postgres *p,
				    struct cluster_session *s,
				    const char *database, struct pg **ret,
				    struct reason *why)
{
	if (database[0] == '\0' || strcmp(database, p->dbname) == 0) {
		*ret = s->pg;
		return STATUS_OK;
	}
	return cluster_postgres_connect(p, database, ret, why);
}

enum status cluster_postgres_activity_logins(struct cluster *t,
					     const char *database,
					     cluster_seen_fn *fn, void *arg,
					     struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct pg_result *noted = NULL, *marked = NULL;
	struct cluster_session *s = NULL;
	struct pg *pg = NULL;
	enum status st = open_marked(t, &s, why);

	if (st != STATUS_OK)
		return st;
	st = connect_database(p, s, database, &pg, why);
	if (st == STATUS_OK)
		st = read_noted(p, pg, database[0] ? database : p->dbname,
				&noted, why);
	if (st == STATUS_OK)
		st = look_wide(p, s, why);
	if (st == STATUS_OK)
		st = read_marked(p, s, noted, &marked, why);
	if (pg != s->pg)
		pg_close(pg);
	cluster_postgres_session_release(t, s,
					 st == STATUS_OK ||
						 st == STATUS_REFUSED ||
						 st == STATUS_NOT_FOUND);
	if (st == STATUS_OK)
		st = tell_logins(noted, marked, fn, arg);
	pg_result_free(noted);
	pg_result_free(marked);
	return settle_read(st);
}

/* ---- rights ----------------------------------------------------------------- */

#define SEES_SQL                                                       \
	"SELECT pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE') " \
	"OR pg_catalog.pg_has_role(r.oid, 'USAGE'), current_user "     \
	"FROM pg_catalog.pg_roles r WHERE r.rolname = $1::pg_catalog.name"

enum status cluster_postgres_activity_sees(struct cluster *t, const char *role,
					   struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	const char *params[] = { role };
	struct pg_query q = { .sql = SEES_SQL,
			      .n_params = 1,
			      .params = params };
	struct cluster_session *s = NULL;
	const char *admin;
	enum status st;

	if (t->self)
		return reason_set(why, STATUS_REFUSED,
				  "without an administrator (admin = self) no "
				  "sessions are seen");
	st = cluster_postgres_session_open(t, &s, why);
	if (st != STATUS_OK)
		return st;
	st = cluster_postgres_run(p, s, &q, why);
	if (st == STATUS_OK && pg_rows(q.result) == 1 &&
	    pg_value(q.result, 0, 0)[0] != 't') {
		admin = pg_value(q.result, 0, 1);
		st = reason_set(
			why, STATUS_REFUSED,
			"keyturn's admin %s sees how many sessions role %s "
			"has, but not where they come from and since when; "
			"run GRANT \"%s\" TO \"%s\"%s, or as a superuser GRANT "
			"pg_read_all_stats TO \"%s\"",
			admin, role, role, admin,
			pg_server_version(s->pg) >= 160000 ?
				" WITH INHERIT TRUE, SET FALSE" :
				"",
			admin);
	}
	cluster_postgres_session_release(
		t, s, st == STATUS_OK || st == STATUS_REFUSED);
	pg_result_free(q.result);
	return settle_read(st);
}
