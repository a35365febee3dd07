/* SPDX-License-Identifier: PostgreSQL */
/*
 * Looks whether a role can be rotated, in one round trip.  Must never change
 * anything.
 */
#include "cluster/postgres/preflight_role.h"

#include <string.h>

#include "cluster/postgres/marker_row.h"

enum {
	ROLE_NAME,
	ROLE_SUPER,
	ROLE_LOGIN,
	ROLE_EXPIRED,
	ROLE_VALID_UNTIL,
	ROLE_LIMIT,
	ROLE_OURS,
	ROLE_RESERVED,
	ROLE_MAY,
	ROLE_CREATEROLE,
	ROLE_ADMIN_OPTION,
	ROLE_ADMIN_NAME,
	ROLE_ENCRYPTION,
	ROLE_KIND,
	ROLE_HOW
};

#define ROLE_SQL(may, how, kind, join)                                             \
	"SELECT r.rolname, r.rolsuper, r.rolcanlogin, "                            \
	"coalesce(r.rolvaliduntil <= pg_catalog.clock_timestamp(), false), "       \
	"r.rolvaliduntil, r.rolconnlimit, "                                        \
	"r.rolname IN (current_user, session_user), "                              \
	"r.rolname LIKE 'pg\\_%' OR EXISTS (SELECT FROM " CLUSTER_SERVICE_ROLES    \
	" WHERE r.rolname LIKE v.name), "                                          \
	"me.rolsuper OR (" may "), me.rolsuper OR me.rolcreaterole, "              \
	"pg_catalog.pg_has_role(me.oid, r.oid, 'MEMBER WITH ADMIN OPTION'), "      \
	"me.rolname, "                                                             \
	"(SELECT pg_catalog.split_part(c, '=', 2) FROM "                           \
	"pg_catalog.unnest(r.rolconfig) c WHERE c LIKE "                           \
	"'password\\_encryption=%'), " kind                                        \
	", CASE WHEN me.rolsuper THEN 'superuser' " how                            \
	" END FROM pg_catalog.pg_roles me "                                        \
	"LEFT JOIN pg_catalog.pg_roles r ON r.rolname = $1::pg_catalog.name " join \
	"WHERE me.rolname = current_user"

#define HOW_15 "ELSE 'createrole'"
/* The creator's membership was granted by the bootstrap superuser. */
#define HOW_16                                                              \
	"WHEN EXISTS (SELECT FROM pg_catalog.pg_auth_members am WHERE "     \
	"am.roleid = r.oid AND am.member = me.oid AND am.admin_option AND " \
	"am.grantor = 10) THEN 'created' ELSE 'granted'"
#define KIND_SEEN                                                              \
	"CASE WHEN a.rolpassword IS NULL THEN 'none' WHEN a.rolpassword LIKE " \
	"'SCRAM-SHA-256$%' THEN 'scram' ELSE 'md5' END"
#define JOIN_SEEN "LEFT JOIN pg_catalog.pg_authid a ON a.oid = r.oid "

static const char *role_sql(const struct cluster_session *s)
{
	if (pg_server_version(s->pg) >= 160000)
		return s->sees_authid ?
			       ROLE_SQL(CLUSTER_MAY_16, HOW_16, KIND_SEEN,
					JOIN_SEEN) :
			       ROLE_SQL(CLUSTER_MAY_16, HOW_16, "'?'", "");
	return s->sees_authid ?
		       ROLE_SQL(CLUSTER_MAY_15, HOW_15, KIND_SEEN, JOIN_SEEN) :
		       ROLE_SQL(CLUSTER_MAY_15, HOW_15, "'?'", "");
}

static bool is_true(const struct pg_result *r, int column)
{
	return pg_value(r, 0, column)[0] == 't';
}

/* Roles that keyturn never rotates. */
static void check_kind(const struct pg_result *r, const char *role, bool self,
		       struct cluster_findings *f)
{
	if (is_true(r, ROLE_SUPER))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "role",
			"role %s is a superuser, which keyturn never rotates; give "
			"the partner a role without SUPERUSER",
			role);
	if (is_true(r, ROLE_RESERVED))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "role",
			"role %s belongs to PostgreSQL or the service and is never "
			"rotated; remove it from the configuration",
			role);
	if (is_true(r, ROLE_OURS) && !self)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "role",
			"role %s is keyturn's own admin; let another admin rotate "
			"it",
			role);
}

/* By which right will it be changed? */
static void tell_right(const struct cluster_session *s,
		       const struct pg_result *r, const char *role,
		       struct cluster_findings *f)
{
	const char *admin = pg_value(r, 0, ROLE_ADMIN_NAME);
	const char *how = pg_value(r, 0, ROLE_HOW);

	if (strcmp(how, "superuser") == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "rights",
			"keyturn's admin %s changes role %s as a superuser; "
			"CREATEROLE is enough",
			admin, role);
	else if (strcmp(how, "created") == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "rights",
			"keyturn's admin %s changes role %s as its creator",
			admin, role);
	else if (strcmp(how, "granted") == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "rights",
			"keyturn's admin %s changes role %s by the ADMIN OPTION "
			"that was granted",
			admin, role);
	else
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "rights",
			"keyturn's admin %s changes role %s by CREATEROLE, which "
			"in PostgreSQL %d is enough; from 16 it needs ADMIN OPTION",
			admin, role, pg_server_version(s->pg) / 10000);
}

static void check_rights(const struct cluster_session *s,
			 const struct pg_result *r, const char *role,
			 struct cluster_findings *f)
{
	const char *admin = pg_value(r, 0, ROLE_ADMIN_NAME);
	bool grant = pg_server_version(s->pg) >= 160000 &&
		     !is_true(r, ROLE_ADMIN_OPTION);

	if (is_true(r, ROLE_MAY))
		tell_right(s, r, role, f);
	if (is_true(r, ROLE_MAY) || is_true(r, ROLE_SUPER))
		return;
	if (!is_true(r, ROLE_CREATEROLE) && grant)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "rights",
			"keyturn's admin %s may not change role %s; run ALTER ROLE "
			"\"%s\" CREATEROLE and GRANT \"%s\" TO \"%s\" WITH ADMIN "
			"OPTION",
			admin, role, admin, role, admin);
	else if (!is_true(r, ROLE_CREATEROLE))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "rights",
			"keyturn's admin %s may not change role %s; run ALTER ROLE "
			"\"%s\" CREATEROLE",
			admin, role, admin);
	else if (grant)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "rights",
			"keyturn's admin %s has no ADMIN OPTION on role %s; run "
			"GRANT \"%s\" TO \"%s\" WITH ADMIN OPTION",
			admin, role, role, admin);
	else
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "rights",
			"role %s has REPLICATION, which only a superuser may "
			"change before PostgreSQL 16; take it away or use a "
			"superuser as keyturn's admin",
			role);
}

static void check_login(const struct pg_result *r, const char *role,
			enum cluster_part part, struct cluster_findings *f)
{
	const char *kind = pg_value(r, 0, ROLE_KIND);
	const char *encryption = pg_value(r, 0, ROLE_ENCRYPTION);

	if (!is_true(r, ROLE_LOGIN) && part == CLUSTER_PART_SINGLE)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "role",
			"role %s is NOLOGIN; run ALTER ROLE \"%s\" LOGIN, or, "
			"when it owns a pair of login roles, set strategy = "
			"alternating and members",
			role, role);
	if (is_true(r, ROLE_EXPIRED))
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "role",
			"the password of role %s expired at %s and no new one "
			"would work; run ALTER ROLE \"%s\" VALID UNTIL 'infinity'",
			role, pg_value(r, 0, ROLE_VALID_UNTIL), role);
	else if (pg_value(r, 0, ROLE_VALID_UNTIL)[0] != '\0' &&
		 strcmp(pg_value(r, 0, ROLE_VALID_UNTIL), "infinity") != 0)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "role",
			"the password of role %s expires at %s; rotation does not "
			"move that date",
			role, pg_value(r, 0, ROLE_VALID_UNTIL));
	if (strcmp(pg_value(r, 0, ROLE_LIMIT), "0") == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_WARN, "role",
			"role %s has CONNECTION LIMIT 0, so no one can use "
			"its password; run ALTER ROLE \"%s\" CONNECTION LIMIT "
			"-1",
			role, role);
	if (strcmp(kind, "md5") == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "password",
			"role %s has an md5 password; the next rotation moves it "
			"to SCRAM, which its clients must know",
			role);
	else if (strcmp(kind, "none") == 0)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "password",
			"role %s has no password; the first rotation of a role "
			"sets one",
			role);
	if (encryption[0] != '\0' && strcmp(encryption, "scram-sha-256") != 0)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "password",
			"role %s has password_encryption = %s; keyturn sends SCRAM "
			"all the same; run ALTER ROLE \"%s\" RESET "
			"password_encryption",
			role, encryption, role);
}

/* There is such a role. */
static void check_role(const struct cluster_postgres *p,
		       const struct cluster_session *s,
		       const struct pg_result *r, const char *role,
		       enum cluster_part part, struct cluster_findings *f)
{
	check_kind(r, role, p->cluster.self, f);
	/* Nothing of it is changed any more. */
	if (part == CLUSTER_PART_OWNER && !is_true(r, ROLE_LOGIN))
		return;
	if (p->cluster.self)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "rights",
			"role %s changes its own password (admin = self): "
			"no administrator is needed",
			role);
	else
		check_rights(s, r, role, f);
	check_login(r, role, part, f);
}

enum status cluster_postgres_preflight_role(
	struct cluster_postgres *p, struct cluster_session *s, const char *role,
	enum cluster_part part, bool *ret_login, struct cluster_findings *f,
	struct reason *why)
{
	const char *params[] = { role };
	char name[CLUSTER_NAME_SIZE];
	struct pg_query q = { .sql = role_sql(s),
			      .n_params = 1,
			      .params = params };
	enum status st;

	st = cluster_postgres_run(p, s, &q, why);
	if (st == STATUS_OK && pg_rows(q.result) != 1) {
		st = reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				"the admin's own role is not in pg_roles");
	} else if (st == STATUS_OK && pg_is_null(q.result, 0, ROLE_NAME) &&
		   cluster_postgres_marker_row_new_name(p, s, role, name)) {
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "role",
			"role %s is now called %s; set rolname = %s in its "
			"section, or rename it back",
			role, name, name);
	} else if (st == STATUS_OK && pg_is_null(q.result, 0, ROLE_NAME)) {
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "role",
			"there is no role %s; create it or correct the "
			"configuration",
			role);
	} else if (st == STATUS_OK) {
		check_role(p, s, q.result, role, part, f);
		if (ret_login != NULL)
			*ret_login = is_true(q.result, ROLE_LOGIN);
	}
	pg_result_free(q.result);
	return st;
}
