/* SPDX-License-Identifier: PostgreSQL */
/*
 * Looks in what the two members of a pair differ.  Must never print a setting
 * that PostgreSQL does not know: it may be a secret of an application's.
 *
 * What a role inherits needs no look: both members inherit from one owner.
 */
#include "cluster/postgres/preflight_twins.h"

#include <stdio.h>
#include <string.h>

#define WHAT_SIZE 128
#define SQL_SIZE  224
#define ROWS	  "8" /* of a kind: whoever mends these sees the next ones */

/* Each query gives what differs, and the SQL that makes the second member as
 * the first one is. */
#define TWINS_FROM                                               \
	"FROM pg_catalog.pg_roles x JOIN pg_catalog.pg_roles y " \
	"ON x.rolname = $1::pg_catalog.name AND y.rolname = $2::pg_catalog.name "

static const char attributes_sql[] =
	"SELECT d.what, pg_catalog.format('ALTER ROLE %I %s', y.rolname, "
	"CASE WHEN d.has THEN d.what WHEN d.has IS NULL THEN d.what || ' ' || "
	"d.value ELSE 'NO' || d.what END) " TWINS_FROM
	"CROSS JOIN LATERAL (VALUES "
	"('CREATEDB', x.rolcreatedb <> y.rolcreatedb, x.rolcreatedb, ''), "
	"('CREATEROLE', x.rolcreaterole <> y.rolcreaterole, x.rolcreaterole, "
	"''), "
	"('BYPASSRLS', x.rolbypassrls <> y.rolbypassrls, x.rolbypassrls, ''), "
	"('INHERIT', x.rolinherit <> y.rolinherit, x.rolinherit, ''), "
	"('CONNECTION LIMIT', x.rolconnlimit <> y.rolconnlimit, NULL, "
	"x.rolconnlimit::text), "
	"('VALID UNTIL', coalesce(x.rolvaliduntil, 'infinity') <> "
	"coalesce(y.rolvaliduntil, 'infinity'), NULL, "
	"pg_catalog.quote_literal(coalesce(x.rolvaliduntil::text, "
	"'infinity')))) d(what, differs, has, value) WHERE d.differs";

/*
 * A list of names is kept as SQL has it, any other value as it is.  What has a
 * dot in its name is an extension's or an application's.
 */
static const char settings_sql[] =
	"WITH c AS (SELECT d.setrole, d.setdatabase, pg_catalog.split_part(e, "
	"'=', 1) AS name, pg_catalog.substr(e, pg_catalog.strpos(e, '=') + 1) "
	"AS value FROM pg_catalog.pg_db_role_setting d, "
	"pg_catalog.unnest(d.setconfig) e) "
	"SELECT 'the setting ' || n.name || coalesce(' in database ' || "
	"b.datname, ''), pg_catalog.format('ALTER ROLE %I %s%s %s', y.rolname, "
	"coalesce('IN DATABASE ' || pg_catalog.quote_ident(b.datname) || ' ', "
	"''), "
	"CASE WHEN v.value IS NULL THEN 'RESET' ELSE 'SET' END, n.name) || "
	"CASE WHEN v.value IS NULL THEN '' WHEN n.name LIKE '%.%' OR "
	"pg_catalog.length(v.value) > 100 THEN ' = ...' WHEN n.name IN ("
	"'search_path', 'temp_tablespaces', 'session_preload_libraries', "
	"'local_preload_libraries') THEN ' = ' || v.value "
	"ELSE ' = ' || pg_catalog.quote_literal(v.value) END " TWINS_FROM
	"JOIN (SELECT DISTINCT c.setdatabase, c.name FROM c) n ON true "
	"LEFT JOIN c v ON v.setrole = x.oid AND v.setdatabase = n.setdatabase "
	"AND v.name = n.name "
	"LEFT JOIN c u ON u.setrole = y.oid AND u.setdatabase = n.setdatabase "
	"AND u.name = n.name "
	"LEFT JOIN pg_catalog.pg_database b ON b.oid = n.setdatabase "
	"WHERE v.value IS DISTINCT FROM u.value AND n.name <> 'role' "
	"ORDER BY 1 LIMIT " ROWS;

/* Of the owner the admin option is all that may differ: the rest is asked for
 * by itself.  Grants by several are one. */
#define MEMBERSHIPS_SQL(options, with, owners)                                   \
	"WITH c AS (SELECT a.member, a.roleid, " options                         \
	" AS how FROM pg_catalog.pg_auth_members a GROUP BY 1, 2) "              \
	"SELECT 'membership in ' || g.rolname, "                                 \
	"CASE WHEN v.how IS NULL THEN pg_catalog.format("                        \
	"'REVOKE %I FROM %I', g.rolname, y.rolname) "                            \
	"ELSE pg_catalog.format('GRANT %I TO %I%s', g.rolname, y.rolname, " with \
	") END " TWINS_FROM "JOIN pg_catalog.pg_roles g ON true "                \
	"LEFT JOIN c v ON v.member = x.oid AND v.roleid = g.oid "                \
	"LEFT JOIN c u ON u.member = y.oid AND u.roleid = g.oid "                \
	"WHERE v.how IS DISTINCT FROM u.how AND (g.rolname <> "                  \
	"$3::pg_catalog.name OR " owners ") ORDER BY 1 LIMIT " ROWS

static const char memberships_15_sql[] = MEMBERSHIPS_SQL(
	"ARRAY[pg_catalog.bool_or(a.admin_option)]",
	"CASE WHEN v.how[1] THEN ' WITH ADMIN OPTION' ELSE '' END",
	"v.how[1] <> u.how[1]");
static const char memberships_16_sql[] = MEMBERSHIPS_SQL(
	"ARRAY[pg_catalog.bool_or(a.admin_option), "
	"pg_catalog.bool_or(a.inherit_option), "
	"pg_catalog.bool_or(a.set_option)]",
	"pg_catalog.format(' WITH ADMIN %s, INHERIT %s, SET %s', v.how[1]::text, "
	"v.how[2]::text, v.how[3]::text)",
	"v.how[1] <> u.how[1]");

/* What belongs to a member, names it in an access list, or in a policy. */
static const char dependents_sql[] =
	"SELECT r.rolname, CASE WHEN d.classid = "
	"'pg_catalog.pg_default_acl'::pg_catalog.regclass THEN 'default' "
	"ELSE d.deptype::text END, pg_catalog.count(*), b.datname "
	"FROM pg_catalog.pg_shdepend d JOIN pg_catalog.pg_roles r "
	"ON r.oid = d.refobjid LEFT JOIN pg_catalog.pg_database b "
	"ON b.oid = d.dbid WHERE d.refclassid = "
	"'pg_catalog.pg_authid'::pg_catalog.regclass AND r.rolname IN "
	"($1::pg_catalog.name, $2::pg_catalog.name) "
	"AND d.deptype IN ('o', 'a', 'r') AND d.classid <> "
	"'pg_catalog.pg_auth_members'::pg_catalog.regclass "
	"GROUP BY 1, 2, 4 ORDER BY 1, 4, 2 LIMIT " ROWS;

static enum status add_differences(struct cluster_postgres *p,
				   struct cluster_session *s, const char *sql,
				   const char *const params[3], int n_params,
				   struct cluster_findings *f,
				   struct reason *why)
{
	struct pg_query q = { .sql = sql,
			      .n_params = n_params,
			      .params = params };
	enum status st = cluster_postgres_run(p, s, &q, why);
	char what[WHAT_SIZE], mend[SQL_SIZE];

	for (int i = 0; st == STATUS_OK && i < pg_rows(q.result); i++) {
		const char *w = pg_value(q.result, i, 0);
		const char *m = pg_value(q.result, i, 1);

		text_escape(what, sizeof(what), w, strlen(w));
		text_escape(mend, sizeof(mend), m, strlen(m));
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"members differ in %s; run %s, or change %s", what,
			mend, params[0]);
	}
	pg_result_free(q.result);
	return st;
}

static void add_dependents(const struct pg_result *r, int row,
			   const char *owner, struct cluster_findings *f)
{
	const char *name = pg_value(r, row, 0), *kind = pg_value(r, row, 1);
	const char *n = pg_value(r, row, 2);
	char where[WHAT_SIZE] = "shared ones";

	if (!pg_is_null(r, row, 3))
		snprintf(where, sizeof(where), "those in database %s",
			 pg_value(r, row, 3));
	if (kind[0] == 'o')
		cluster_postgres_findings_add(
			f, CLUSTER_WARN, CLUSTER_TOPIC_OBJECTS,
			"%s objects, %s, belong to member %s and not to %s; "
			"as the member run there SET ROLE NONE; REASSIGN OWNED "
			"BY \"%s\" TO \"%s\"",
			n, where, name, owner, name, owner);
	else if (kind[0] == 'd')
		cluster_postgres_findings_add(
			f, CLUSTER_WARN, "pair",
			"default privileges, %s, are member %s's own; "
			"what it makes is %s's: run ALTER DEFAULT PRIVILEGES "
			"FOR ROLE \"%s\" instead",
			where, name, owner, owner);
	else
		cluster_postgres_findings_add(
			f, CLUSTER_WARN, "pair",
			"%s %s, %s, are for member %s alone; GRANT to \"%s\" "
			"instead, and take them from the member",
			n, kind[0] == 'a' ? "grants" : "policies", where, name,
			owner);
}

enum status cluster_postgres_preflight_twins(struct cluster_postgres *p,
					     struct cluster_session *s,
					     const char *owner,
					     const struct cluster_pair *pair,
					     struct cluster_findings *f,
					     struct reason *why)
{
	const char *params[] = { pair->members[0], pair->members[1], owner };
	struct pg_query q = { .sql = dependents_sql,
			      .n_params = 2,
			      .params = params };
	enum status st =
		add_differences(p, s, attributes_sql, params, 2, f, why);

	if (st == STATUS_OK)
		st = add_differences(p, s, settings_sql, params, 2, f, why);
	if (st == STATUS_OK)
		st = add_differences(p, s,
				     pg_server_version(s->pg) >= 160000 ?
					     memberships_16_sql :
					     memberships_15_sql,
				     params, 3, f, why);
	if (st == STATUS_OK)
		st = cluster_postgres_run(p, s, &q, why);
	for (int i = 0; st == STATUS_OK && i < pg_rows(q.result); i++)
		add_dependents(q.result, i, owner, f);
	pg_result_free(q.result);
	return st;
}
