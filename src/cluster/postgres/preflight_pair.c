/* SPDX-License-Identifier: PostgreSQL */
/*
 * Looks whether two login roles can be rotated in turn, or one that is no pair.
 * Must never change anything.
 */
#include "cluster/postgres/preflight_pair.h"

#include <string.h>

#include "cluster/postgres/marker.h"
#include "cluster/postgres/marker_prepare.h"
#include "cluster/postgres/preflight_role.h"
#include "cluster/postgres/preflight_twins.h"

/* Before 16 a role inherits from all that it is a member of, or from none, and
 * may become each of them. */
#define PAIR_SQL(becomes)                                                     \
	"SELECT m.rolname, x.rolname, m.rolsuper, m.rolreplication, "         \
	"pg_catalog.pg_has_role(m.oid, o.oid, 'USAGE'), " becomes ", "        \
	"m.rolinherit, "                                                      \
	"pg_catalog.pg_has_role(m.oid, x.oid, 'MEMBER'), "                    \
	"pg_catalog.pg_has_role(o.oid, m.oid, 'MEMBER'), "                    \
	"EXISTS (SELECT FROM pg_catalog.pg_db_role_setting d WHERE "          \
	"d.setrole = m.oid AND d.setdatabase = 0 AND ('role=' || o.rolname) " \
	"= ANY (d.setconfig)), "                                              \
	"(SELECT b.datname FROM pg_catalog.pg_db_role_setting d "             \
	"JOIN pg_catalog.pg_database b ON b.oid = d.setdatabase, "            \
	"pg_catalog.unnest(d.setconfig) c WHERE d.setrole = m.oid "           \
	"AND c LIKE 'role=%' AND c <> 'role=' || o.rolname LIMIT 1) "         \
	"FROM (VALUES ($2::pg_catalog.name, $3::pg_catalog.name), "           \
	"($3::pg_catalog.name, $2::pg_catalog.name)) w(name, other) "         \
	"JOIN pg_catalog.pg_roles m ON m.rolname = w.name "                   \
	"JOIN pg_catalog.pg_roles x ON x.rolname = w.other "                  \
	"JOIN pg_catalog.pg_roles o ON o.rolname = $1::pg_catalog.name"

enum {
	PAIR_NAME,
	PAIR_OTHER,
	PAIR_SUPER,
	PAIR_REPLICATION,
	PAIR_INHERITS,
	PAIR_BECOMES,
	PAIR_INHERIT,
	PAIR_IN_OTHER,
	PAIR_HAS_OWNER,
	PAIR_STARTS,
	PAIR_ELSEWHERE
};

static bool is_true(const struct pg_result *r, int row, int column)
{
	return pg_value(r, row, column)[0] == 't';
}

/* Is the member one of the owner's, and no other role's? */
static void check_tie(const struct cluster_session *s,
		      const struct pg_result *r, int row, const char *owner,
		      struct cluster_findings *f)
{
	const char *name = pg_value(r, row, PAIR_NAME);
	const char *other = pg_value(r, row, PAIR_OTHER);
	bool newer = pg_server_version(s->pg) >= 160000;

	if (!newer && is_true(r, row, PAIR_BECOMES) &&
	    !is_true(r, row, PAIR_INHERIT))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"member %s is NOINHERIT, so it has nothing of what its "
			"owner %s may do; run ALTER ROLE \"%s\" INHERIT",
			name, owner, name);
	else if (!is_true(r, row, PAIR_INHERITS) ||
		 !is_true(r, row, PAIR_BECOMES))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"member %s does not inherit from its owner %s, or may "
			"not become it; run GRANT \"%s\" TO \"%s\"%s",
			name, owner, owner, name,
			newer ? " WITH INHERIT TRUE, SET TRUE" : "");
	if (is_true(r, row, PAIR_IN_OTHER))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"member %s is a member of the other one, %s, and could "
			"go on as it; run REVOKE \"%s\" FROM \"%s\", or take "
			"it out of the group that is",
			name, other, other, name);
	if (is_true(r, row, PAIR_HAS_OWNER))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"owner %s is a member of its member %s; run REVOKE "
			"\"%s\" FROM \"%s\"",
			owner, name, name, owner);
}

static void check_start(const struct pg_result *r, int row, const char *owner,
			struct cluster_findings *f)
{
	const char *name = pg_value(r, row, PAIR_NAME);

	if (!is_true(r, row, PAIR_STARTS))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"sessions of member %s do not begin as its owner %s, so "
			"what they make belongs to %s; run ALTER ROLE \"%s\" "
			"SET role = \"%s\"",
			name, owner, name, name, owner);
	if (!pg_is_null(r, row, PAIR_ELSEWHERE))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"in database %s sessions of member %s begin as another "
			"than its owner %s; run ALTER ROLE \"%s\" IN DATABASE "
			"\"%s\" RESET role",
			pg_value(r, row, PAIR_ELSEWHERE), name, owner, name,
			pg_value(r, row, PAIR_ELSEWHERE));
}

static enum status check_members(struct cluster_postgres *p,
				 struct cluster_session *s, const char *owner,
				 const struct cluster_pair *pair,
				 struct cluster_findings *f, struct reason *why)
{
	const char *params[] = { owner, pair->members[0], pair->members[1] };
	struct pg_query q = {
		.sql = pg_server_version(s->pg) >= 160000 ?
			       PAIR_SQL("pg_catalog.pg_has_role(m.oid, o.oid, "
					"'SET')") :
			       PAIR_SQL("pg_catalog.pg_has_role(m.oid, o.oid, "
					"'MEMBER')"),
		.n_params = 3,
		.params = params
	};
	enum status st = cluster_postgres_run(p, s, &q, why);

	for (int i = 0; st == STATUS_OK && i < pg_rows(q.result); i++) {
		/* Superusers are members of all, and refused for themselves. */
		if (is_true(q.result, i, PAIR_SUPER))
			continue;
		if (is_true(q.result, i, PAIR_REPLICATION))
			cluster_postgres_findings_add(
				f, CLUSTER_FAIL, "pair",
				"member %s has REPLICATION, and who replicates "
				"logs in as one role for ever; run ALTER ROLE "
				"\"%s\" NOREPLICATION",
				pg_value(q.result, i, PAIR_NAME),
				pg_value(q.result, i, PAIR_NAME));
		check_tie(s, q.result, i, owner, f);
		check_start(q.result, i, owner, f);
	}
	pg_result_free(q.result);
	return st;
}

/* Whose password is live, and may the owner still log in itself? */
static enum status check_logins(struct cluster_postgres *p,
				struct cluster_session *s, const char *owner,
				bool owner_logs_in, struct cluster_findings *f,
				struct reason *why)
{
	struct marker_row row;
	enum status st;

	/* Which is said already. */
	if (s->marker_state == CLUSTER_MARKER_UNTRUSTED)
		return STATUS_OK;
	st = p->marker->read(p, s, owner, &row, why);
	if (st != STATUS_OK)
		return st;
	if (row.marker.active[0] != '\0' && !row.can_login)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"member %s has the live password and is NOLOGIN; run "
			"ALTER ROLE \"%s\" LOGIN",
			row.marker.active, row.marker.active);
	if (!owner_logs_in)
		return STATUS_OK;
	if ((row.marker.active[0] == '\0' && !row.gone) ||
	    strcmp(row.marker.previous, owner) == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "pair",
			"owner %s logs in itself until its last consumer has "
			"one of its members",
			owner);
	else
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"owner %s can log in, and its members may change its "
			"password; run ALTER ROLE \"%s\" NOLOGIN",
			owner, owner);
	return STATUS_OK;
}

/* Can the marker table name a member, or be made to? */
static enum status check_table(struct cluster_postgres *p,
			       struct cluster_session *s,
			       struct cluster_findings *f, struct reason *why)
{
	const char *params[] = { s->schema };
	struct pg_query q = {
		.sql = "SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') OR "
		       "(SELECT " CLUSTER_MARKER_PAIR_HAS_SQL " FROM "
		       "pg_catalog.pg_attribute t WHERE t.attrelid = c.oid) "
		       "FROM pg_catalog.pg_class c "
		       "JOIN pg_catalog.pg_namespace n ON n.oid = "
		       "c.relnamespace WHERE c.relname = 'marker' "
		       "AND n.nspname = $1::pg_catalog.name",
		.n_params = 1,
		.params = params
	};
	enum status st = cluster_postgres_run(p, s, &q, why);

	if (st == STATUS_OK && pg_rows(q.result) == 1 &&
	    !is_true(q.result, 0, 0))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "marker",
			"keyturn's admin does not own its marker table, which "
			"lacks columns for pairs; run as its owner: ALTER "
			"TABLE %s " CLUSTER_MARKER_PAIR_SQL("ADD "),
			s->marker);
	pg_result_free(q.result);
	return st;
}

/* Three names for three roles. */
static bool check_names(const char *owner, const struct cluster_pair *pair,
			struct cluster_findings *f)
{
	const char *a = pair->members[0], *b = pair->members[1];
	bool usable = cluster_postgres_check_name(a, NULL) == STATUS_OK &&
		      cluster_postgres_check_name(b, NULL) == STATUS_OK;

	if (!usable)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"a role name has 1 to 63 bytes of UTF-8 without control "
			"characters; correct the members of role %s",
			owner);
	else if (strcmp(a, b) == 0 || strcmp(a, owner) == 0 ||
		 strcmp(b, owner) == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"two members and their owner are three roles, not %s, "
			"%s and %s; correct the configuration",
			a, b, owner);
	else
		return true;
	return false;
}

enum status cluster_postgres_preflight_pair_none(
	struct cluster_postgres *p, struct cluster_session *s, const char *role,
	bool thorough, struct cluster_findings *f, struct reason *why)
{
	struct marker_row row;
	enum status st = STATUS_NOT_FOUND;

	if (thorough && p->marker->kept &&
	    s->marker_state == CLUSTER_MARKER_READY)
		st = p->marker->read(p, s, role, &row, why);
	if (st == STATUS_OK && row.marker.active[0] != '\0')
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"the live password is that of %s, as of a pair; set "
			"strategy = alternating and members again, and end the "
			"pair with keyturn role unpair",
			row.marker.active);
	if (st != STATUS_OK && st != STATUS_NOT_FOUND)
		return st;
	return cluster_postgres_preflight_role(p, s, role, CLUSTER_PART_SINGLE,
					       NULL, f, why);
}

enum status cluster_postgres_preflight_pair(struct cluster_postgres *p,
					    struct cluster_session *s,
					    const char *owner,
					    const struct cluster_pair *pair,
					    struct cluster_findings *f,
					    struct reason *why)
{
	bool logs_in = false;
	enum status st = STATUS_OK;

	if (p->cluster.self || !p->marker->kept) {
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "pair",
			"two login roles in turn need an administrator, who "
			"changes the one that is not in use, and a marker table "
			"that says which is live; admin = self and marker = "
			"none have neither");
		return st;
	}
	if (owner == NULL || !check_names(owner, pair, f))
		return st;
	st = cluster_postgres_preflight_role(p, s, owner, CLUSTER_PART_OWNER,
					     &logs_in, f, why);
	for (size_t i = 0; i < CLUSTER_MEMBERS && st == STATUS_OK; i++)
		st = cluster_postgres_preflight_role(p, s, pair->members[i],
						     CLUSTER_PART_MEMBER, NULL,
						     f, why);
	/* What is not there is no one's. */
	if (st == STATUS_OK)
		st = check_members(p, s, owner, pair, f, why);
	if (st == STATUS_OK)
		st = cluster_postgres_preflight_twins(p, s, owner, pair, f,
						      why);
	if (st == STATUS_OK)
		st = check_table(p, s, f, why);
	if (st == STATUS_OK)
		st = check_logins(p, s, owner, logs_in, f, why);
	/* No role, no row: which is said already. */
	return st == STATUS_NOT_FOUND ? STATUS_OK : st;
}
