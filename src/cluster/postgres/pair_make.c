/* SPDX-License-Identifier: PostgreSQL */
/*
 * Makes owner, members, memberships and settings of a pair: only what is missing,
 * in one transaction.  Must never give a role a password or LOGIN, nor take
 * anything from a role that is there.
 *
 * The server itself writes the statements, so that names and values are quoted
 * by its own rules; a setting's value goes through the session (FROM CURRENT),
 * because only the server knows which settings are lists.
 */
#include "cluster/postgres/pair_make.h"

#include "cluster/postgres/common.h"
#include "cluster/postgres/connect.h"

#define STATEMENTS_MAX 256

/* The owner, then each member.  From 16 a membership has options of its own. */
#define GRANT_15 "''"
#define GRANT_16 "' WITH INHERIT TRUE, SET TRUE'"
#define HAS_15	 "true"
#define HAS_16	 "am.inherit_option AND am.set_option"

/* The member w has no setting of the name of g, an owner's. */
#define LACKS                                                                \
	"NOT EXISTS (SELECT FROM pg_catalog.pg_db_role_setting s, "          \
	"pg_catalog.unnest(s.setconfig) c WHERE s.setrole = w.oid AND "      \
	"s.setdatabase = g.setdatabase AND pg_catalog.split_part(c, '=', 1)" \
	" = g.name)"

/* Read where it is kept: a value may be a secret, which neither people nor the
 * server's log shall see. */
#define VALUE                                                                 \
	"'SELECT pg_catalog.set_config(%L, pg_catalog.substr(c, %s), true) "  \
	"FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_roles r ON " \
	"r.oid = s.setrole, pg_catalog.unnest(s.setconfig) c WHERE "          \
	"r.rolname = %L AND s.setdatabase = %s AND pg_catalog.split_part(c, " \
	"''='', 1) = %L'"

#define PAIR_SQL(options, has)                                                  \
	"WITH o AS (SELECT r.* FROM pg_catalog.pg_roles r WHERE r.rolname = "   \
	"$1::pg_catalog.name), w AS (SELECT v.name, v.n, r.oid FROM (VALUES "   \
	"($2::pg_catalog.name, 1), ($3::pg_catalog.name, 2)) v(name, n) "       \
	"LEFT JOIN pg_catalog.pg_roles r ON r.rolname = v.name), "              \
	"g AS (SELECT s.setdatabase, pg_catalog.split_part(c, '=', 1) AS name " \
	"FROM o JOIN pg_catalog.pg_db_role_setting s ON s.setrole = o.oid, "    \
	"pg_catalog.unnest(s.setconfig) c WHERE c NOT LIKE 'role=%') "          \
	"SELECT x.sql FROM (SELECT 10 AS k, '' AS l, pg_catalog.format("        \
	"'CREATE ROLE %I NOLOGIN', $1) AS sql "                                 \
	"WHERE NOT EXISTS (SELECT FROM o) UNION ALL "                           \
	"SELECT 20 + w.n, '', pg_catalog.format('CREATE ROLE %I NOLOGIN%s', "   \
	"w.name, (SELECT pg_catalog.concat(CASE WHEN o.rolconnlimit <> -1 "     \
	"THEN ' CONNECTION LIMIT ' || o.rolconnlimit END, "                     \
	"CASE WHEN o.rolcreatedb THEN ' CREATEDB' END, "                        \
	"CASE WHEN o.rolcreaterole THEN ' CREATEROLE' END, "                    \
	"CASE WHEN o.rolbypassrls THEN ' BYPASSRLS' END) FROM o)) "             \
	"FROM w WHERE w.oid IS NULL UNION ALL "                                 \
	"SELECT 40 + w.n, '', pg_catalog.format('GRANT %I TO %I%s', $1, "       \
	"w.name, " options ") FROM w WHERE NOT EXISTS (SELECT FROM "            \
	"pg_catalog.pg_auth_members am JOIN o ON am.roleid = o.oid "            \
	"WHERE am.member = w.oid AND " has ") UNION ALL "                       \
	"SELECT 50 + w.n, '', pg_catalog.format('ALTER ROLE %I SET role = %L'," \
	" w.name, $1) FROM w WHERE NOT EXISTS (SELECT FROM "                    \
	"pg_catalog.pg_db_role_setting s WHERE s.setrole = w.oid AND "          \
	"s.setdatabase = 0 AND 'role=' || $1 = ANY (s.setconfig)) UNION ALL "   \
	"SELECT 60, g.name || g.setdatabase, pg_catalog.format(" VALUE ", "     \
	"g.name, pg_catalog.length(g.name) + 2, $1, g.setdatabase, g.name) "    \
	"FROM g WHERE EXISTS (SELECT FROM w WHERE " LACKS ") UNION ALL "        \
	"SELECT 60, g.name || g.setdatabase || w.n, "                           \
	"pg_catalog.format('ALTER ROLE %I%s SET %I FROM CURRENT', w.name, "     \
	"(SELECT pg_catalog.format(' IN DATABASE %I', d.datname) FROM "         \
	"pg_catalog.pg_database d WHERE d.oid = g.setdatabase), g.name) "       \
	"FROM w, g WHERE " LACKS ") x ORDER BY x.k, x.l"

struct pair_making {
	struct cluster_postgres *p;
	struct pg *pg;
	const char *owner;
	const struct cluster_pair *pair;
	struct pg_result *wanted; /* a statement a row */
};

static enum status list(struct pair_making *m, struct reason *why)
{
	const char *params[] = { m->owner, m->pair->members[0],
				 m->pair->members[1] };
	struct pg_query q = { .sql = pg_server_version(m->pg) >= 160000 ?
					     PAIR_SQL(GRANT_16, HAS_16) :
					     PAIR_SQL(GRANT_15, HAS_15),
			      .n_params = 3,
			      .params = params,
			      .timeout_us = m->p->o.statement_timeout_us +
					    CLUSTER_MARGIN_US };
	enum status st = pg_run(m->pg, &q, why);

	m->wanted = q.result;
	/* A read changes nothing, lost or not. */
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

/* No one's partner: what a member or an owner must not be. */
#define REFUSED_SQL                                                                               \
	"SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.rolname IN "                         \
	"($1::pg_catalog.name, $2::pg_catalog.name, $3::pg_catalog.name) "                        \
	"AND (r.rolsuper OR r.rolreplication OR r.rolname LIKE 'pg\\_%' OR "                      \
	"r.rolname IN (current_user, session_user) OR EXISTS (SELECT FROM " CLUSTER_SERVICE_ROLES \
	" WHERE r.rolname LIKE v.name)) LIMIT 1"

static enum status check_roles(struct pair_making *m, struct reason *why)
{
	const char *params[] = { m->owner, m->pair->members[0],
				 m->pair->members[1] };
	struct pg_query q = { .sql = REFUSED_SQL,
			      .n_params = 3,
			      .params = params,
			      .timeout_us = m->p->o.statement_timeout_us +
					    CLUSTER_MARGIN_US };
	enum status st = pg_run(m->pg, &q, why);

	if (st == STATUS_OK && pg_rows(q.result) > 0)
		st = reason_set(
			why, STATUS_REFUSED,
			"cluster %s: role %s is a superuser or a replication "
			"role, belongs to PostgreSQL or the service, or is "
			"keyturn's own admin, and cannot be one of a pair",
			m->p->name, pg_value(q.result, 0, 0));
	pg_result_free(q.result);
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

static enum status explain(const struct pair_making *m, const char *sql,
			   const char *sqlstate, enum status st,
			   struct reason *why)
{
	if (st == STATUS_UNKNOWN)
		return reason_set(why, st,
				  "cluster %s: whether the pair of %s was made "
				  "is not known; keyturn check tells",
				  m->p->name, m->owner);
	/* The server said nothing: why says who did. */
	if (sqlstate[0] == '\0')
		return st;
	return reason_set(why, st,
			  "cluster %s refuses \"%s\" (SQLSTATE %s); nothing "
			  "was made. keyturn role pair --print shows all of "
			  "it, for somebody who may",
			  m->p->name, sql, sqlstate);
}

/* All or nothing: BEGIN, the statements, COMMIT. */
static enum status make(struct pair_making *m, struct reason *why)
{
	struct pg_statement many[STATEMENTS_MAX + 2] = { { "BEGIN", 0, NULL,
							   NULL } };
	int rows = pg_rows(m->wanted);
	char sqlstate[PG_SQLSTATE_SIZE];
	size_t n = 1, done = 0;
	enum status st;

	if (rows > STATEMENTS_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s: the pair of %s would need more "
				  "than %d statements; use --print",
				  m->p->name, m->owner, STATEMENTS_MAX);
	for (int i = 0; i < rows; i++)
		many[n++].sql = pg_value(m->wanted, i, 0);
	many[n++].sql = "COMMIT";
	st = pg_run_many(m->pg, many, n,
			 m->p->o.statement_timeout_us + CLUSTER_MARGIN_US,
			 &done, sqlstate, why);
	for (size_t i = 0; i < n; i++)
		pg_result_free(many[i].result);
	if (st == STATUS_OK)
		return st;
	return explain(m, many[done < n ? done : n - 1].sql, sqlstate, st, why);
}

enum status cluster_postgres_pair_make(struct cluster *t, const char *owner,
				       const struct cluster_pair *pair,
				       bool print, struct text *ret,
				       struct reason *why)
{
	struct pair_making m = { .p = cluster_postgres_of(t),
				 .owner = owner,
				 .pair = pair };
	enum status st = cluster_postgres_check_name(owner, why);

	for (size_t i = 0; i < CLUSTER_MEMBERS && st == STATUS_OK; i++)
		st = cluster_postgres_check_name(pair->members[i], why);
	if (st == STATUS_OK)
		st = cluster_postgres_connect(m.p, NULL, &m.pg, why);
	if (st == STATUS_OK)
		st = check_roles(&m, why);
	if (st == STATUS_OK)
		st = list(&m, why);
	if (st == STATUS_OK && print && pg_rows(m.wanted) > 0)
		text_add(ret, "BEGIN;\n");
	for (int i = 0; st == STATUS_OK && i < pg_rows(m.wanted); i++)
		text_printf(ret, "%s;\n", pg_value(m.wanted, i, 0));
	if (st == STATUS_OK && print && pg_rows(m.wanted) > 0)
		text_add(ret, "COMMIT;\n");
	if (st == STATUS_OK && !print && pg_rows(m.wanted) > 0)
		st = make(&m, why);
	pg_result_free(m.wanted);
	pg_close(m.pg);
	return st;
}
