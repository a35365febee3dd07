/* SPDX-License-Identifier: PostgreSQL */
/*
 * Looks at a role's marker, and gives a claim back.  Must never change a row
 * whose claim is not the session's own.
 */
#include "cluster/postgres/marker_internal.h"

#include <string.h>

enum status cluster_postgres_marker_look(struct cluster *t,
					 struct cluster_session *s,
					 const char *role,
					 struct cluster_marker *ret,
					 struct reason *why)
{
	struct cluster_marker_row row;
	enum status st = cluster_postgres_check_name(role, why);

	if (st == STATUS_OK)
		st = cluster_postgres_marker_row_read(cluster_postgres_of(t), s,
						      role, &row, why);
	if (st != STATUS_OK)
		return st;
	row.marker.standbys = s->standbys;
	*ret = row.marker;
	return STATUS_OK;
}

enum status cluster_postgres_marker_inspect(struct cluster *t,
					    struct cluster_session *s,
					    const char *role,
					    struct cluster_marker *ret,
					    struct reason *why)
{
	struct cluster_marker_row row;
	enum status st = cluster_postgres_check_name(role, why);

	if (st == STATUS_OK)
		st = cluster_postgres_marker_row_read(cluster_postgres_of(t), s,
						      role, &row, why);
	if (st != STATUS_OK)
		return st;
	*ret = row.marker;
	if (row.expired)
		return reason_set(
			why, STATUS_OK,
			"the password of role %s expired at %s; ALTER "
			"ROLE ... VALID UNTIL",
			role, row.valid_until);
	if (!row.can_login)
		return reason_set(why, STATUS_OK,
				  "role %s is NOLOGIN; ALTER ROLE ... LOGIN",
				  role);
	if (strcmp(row.kind, "none") == 0)
		return reason_set(
			why, STATUS_OK,
			"role %s has no password; somebody removed it", role);
	if (row.marker.foreign)
		return reason_set(why, STATUS_OK,
				  "the password of role %s was changed by hand",
				  role);
	if (strcmp(row.kind, "md5") == 0)
		return reason_set(why, STATUS_OK,
				  "role %s has an md5 password, which a "
				  "scram-sha-256 rule in pg_hba.conf refuses",
				  role);
	if (strcmp(row.kind, "?") == 0)
		return reason_set(
			why, STATUS_OK,
			"role %s looks right, but keyturn's admin may not "
			"read pg_authid to see whether its password "
			"was changed; or pg_hba.conf wants more of it "
			"than a password (clientcert=verify-full)",
			role);
	return reason_set(why, STATUS_OK,
			  "role %s looks right: neither expired, NOLOGIN, md5 "
			  "nor changed; does pg_hba.conf want more of it than "
			  "a password (clientcert=verify-full)?",
			  role);
}

void cluster_postgres_marker_end(struct cluster_session *s)
{
	struct text t = text_make(CLUSTER_MARKER_SQL_MAX);
	const char *params[] = { s->claim_oid, s->claim };

	/* A lock ends with its session. */
	if (s->claim[0] == '\0' || s->epoch != 0 || !pg_alive(s->pg))
		return;
	/* The claim itself stays: it says who was last. */
	text_printf(
		&t,
		"UPDATE %s SET claim_pid = NULL, claim_backend_start = NULL "
		"WHERE role_oid = $1::oid AND claim = $2::uuid",
		s->marker);
	/* Not waited for: if it fails, the session is closed when that is seen,
	 * and until then it still holds the claim, which is slow but safe. */
	if (text_status(&t) != STATUS_OK ||
	    pg_run_post(s->pg, text_str(&t), 2, params, NULL) != STATUS_OK)
		s->broken = true;
	text_free(&t);
	s->claim[0] = '\0';
}
