/* SPDX-License-Identifier: PostgreSQL */
/*
 * What does not depend on how the marker is kept.  Must never let a
 * session claim that goes through a pooler, or whose table others can change.
 */
#include "cluster/postgres/marker.h"

#include <string.h>

#include "cluster/postgres/marker_prepare.h"

/* May this session claim at all? */
static enum status check_session(struct cluster_postgres *p,
				 const struct cluster_session *s,
				 const struct cluster_claim *c,
				 struct reason *why)
{
	enum status st = cluster_postgres_check_name(c->role, why);

	if (st != STATUS_OK)
		return st;
	if (strlen(c->claim) != RANDOM_UUID_SIZE - 1)
		return reason_set(why, STATUS_ERROR,
				  "internal error: a claim is a UUID");
	if (s->pooled)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s is reached through a pooler, so "
				  "a claim cannot be bound to a session; name "
				  "the server itself in conninfo",
				  p->name);
	if (c->pair && !p->marker->kept)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s keeps no marker, and two login "
				  "roles in turn need one; set marker = table "
				  "and an administrator",
				  p->name);
	if (s->marker_state == CLUSTER_MARKER_UNTRUSTED)
		return cluster_postgres_marker_prepare_untrusted(p, s, why);
	return STATUS_OK;
}

enum status cluster_postgres_marker_claim(struct cluster *t,
					  struct cluster_session *s,
					  const struct cluster_claim *c,
					  struct cluster_marker *ret,
					  struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	enum status st = check_session(p, s, c, why);

	return st == STATUS_OK ? p->marker->claim(p, s, c, ret, why) : st;
}

/* What the marker says of a role whose name is usable. */
static enum status read_row(struct cluster *t, struct cluster_session *s,
			    const char *role, struct marker_row *ret,
			    struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	enum status st = cluster_postgres_check_name(role, why);

	return st == STATUS_OK ? p->marker->read(p, s, role, ret, why) : st;
}

enum status cluster_postgres_marker_look(struct cluster *t,
					 struct cluster_session *s,
					 const char *role,
					 struct cluster_marker *ret,
					 struct reason *why)
{
	struct marker_row row;
	enum status st = read_row(t, s, role, &row, why);

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
	struct marker_row row;
	enum status st = read_row(t, s, role, &row, why);

	if (st != STATUS_OK)
		return st;
	*ret = row.marker;
	if (row.gone)
		return reason_set(
			why, STATUS_OK,
			"the member of role %s whose password is live "
			"was dropped",
			role);
	if (ret->active[0] != '\0')
		role = ret->active;
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
