/* SPDX-License-Identifier: PostgreSQL */
/*
 * The statement that an apply begins with: it writes the row of the marker
 * table.  Must never change a row whose claim is not the session's own, nor let
 * the login role whose password is live lose anything.
 *
 * A table of an older version has no column for pairs, and needs none for a
 * role by itself.
 */
#include "cluster/postgres/marker_fence.h"

#include <string.h>

#include "cluster/postgres/marker_row.h"

/* The login role whose password the row's live version is. */
#define ACTIVE "coalesce(m.active_oid, m.role_oid)"
#define MEMBER                                      \
	"(SELECT o.oid FROM pg_catalog.pg_roles o " \
	"WHERE o.rolname = $8::pg_catalog.name)"

/* What makes `w.oid` the login role of version $3. */
static void add_live(struct text *t, const struct cluster_session *s,
		     const char *login)
{
	text_add(t, "live_version = $3::uuid, "
		    "applied_at = pg_catalog.clock_timestamp(), "
		    "role_name = $5::pg_catalog.name, "
		    "branch = coalesce(nullif($7::text, ''), m.branch), "
		    "fingerprint = ");
	if (s->sees_authid)
		text_printf(t,
			    "coalesce($4, (SELECT pg_catalog.encode("
			    "pg_catalog.sha256(pg_catalog.convert_to("
			    "a.rolpassword, 'UTF8')), 'hex') "
			    "FROM pg_catalog.pg_authid a "
			    "WHERE a.oid = %s)) ",
			    login);
	else
		text_add(t, "$4::text ");
}

/* LOGIN stays, and no one has the password. */
static bool is_sealing(const struct cluster_change *c)
{
	return c->kind == CLUSTER_CHANGE_NOLOGIN && c->password != NULL;
}

/* The members' columns, by what is done. */
static const char *members_sql(const struct cluster_change *c)
{
	switch (is_sealing(c) ? CLUSTER_CHANGE_CLEAR : c->kind) {
	case CLUSTER_CHANGE_PASSWORD:
		/* The same login role again: the one before stays that. */
		return ", active_oid = nullif(w.oid, m.role_oid), "
		       "previous_version = CASE WHEN w.oid = " ACTIVE
		       " THEN m.previous_version ELSE m.live_version END, "
		       "previous_oid = CASE WHEN w.oid = " ACTIVE
		       " THEN m.previous_oid WHEN m.live_version IS NOT NULL "
		       "THEN " ACTIVE " END, "
		       "retired_at = CASE WHEN w.oid = " ACTIVE
		       " THEN m.retired_at END ";
	case CLUSTER_CHANGE_MARKER:
		/* No login role is both. */
		return ", active_oid = nullif(w.oid, m.role_oid), "
		       "previous_version = CASE WHEN m.previous_oid <> w.oid "
		       "THEN m.previous_version END, "
		       "previous_oid = nullif(m.previous_oid, w.oid), "
		       "retired_at = CASE WHEN m.previous_oid <> w.oid "
		       "THEN m.retired_at END ";
	case CLUSTER_CHANGE_RENEW:
		return "live_version = $3::uuid ";
	case CLUSTER_CHANGE_REVERT:
		return ", active_oid = nullif(w.oid, m.role_oid), "
		       "previous_version = m.live_version, "
		       "previous_oid = " ACTIVE ", retired_at = NULL ";
	case CLUSTER_CHANGE_NOLOGIN:
		return "retired_at = CASE WHEN m.previous_oid <> w.oid "
		       "THEN m.retired_at ELSE pg_catalog.clock_timestamp() "
		       "END ";
	default: /* CLEAR */
		return "previous_version = CASE WHEN m.previous_oid <> w.oid "
		       "THEN m.previous_version END, "
		       "previous_oid = nullif(m.previous_oid, w.oid), "
		       "retired_at = CASE WHEN m.previous_oid <> w.oid "
		       "THEN m.retired_at END ";
	}
}

/* What the row must say beside the claim. */
static const char *allowed_sql(enum cluster_change_kind kind)
{
	switch (kind) {
	case CLUSTER_CHANGE_RENEW:
		return "AND w.oid = " ACTIVE " ";
	case CLUSTER_CHANGE_REVERT:
		return "AND m.previous_version = $3::uuid "
		       "AND m.previous_oid = w.oid AND w.oid <> " ACTIVE " ";
	case CLUSTER_CHANGE_NOLOGIN:
		return "AND w.oid <> " ACTIVE " ";
	case CLUSTER_CHANGE_CLEAR:
		return "AND w.oid <> " ACTIVE " AND NOT EXISTS (SELECT FROM "
		       "pg_catalog.pg_roles o WHERE o.oid = w.oid "
		       "AND o.rolcanlogin) ";
	default:
		return "";
	}
}

/* Division by zero stops the batch when no row, or not one row, was hit. */
void cluster_postgres_marker_fence_add(struct text *t,
				       const struct cluster_session *s,
				       const struct cluster_change *c,
				       const char *more)
{
	bool lives = c->kind != CLUSTER_CHANGE_NOLOGIN &&
		     c->kind != CLUSTER_CHANGE_CLEAR &&
		     c->kind != CLUSTER_CHANGE_RENEW;

	text_printf(t, "WITH u AS (UPDATE %s m SET ", s->marker);
	if (lives)
		add_live(t, s, s->wide ? "w.oid" : "$1::oid");
	if (s->wide)
		text_printf(t,
			    "%s, sealed = pg_catalog.array_remove(m.sealed, "
			    "w.oid)%s FROM (SELECT %s) w(oid) ",
			    members_sql(c), is_sealing(c) ? " || w.oid" : "",
			    c->member != NULL ? MEMBER : "$1::oid");
	text_add(t, "WHERE m.role_oid = $1::oid AND m.claim = $2::uuid ");
	if (s->wide)
		text_printf(t, "AND w.oid IS NOT NULL %s",
			    allowed_sql(c->kind));
	/* The types of what is not used. */
	if (!lives)
		text_add(t, "AND pg_catalog.num_nulls($3::text, $4::text, "
			    "$5::text, $7::text) >= 0 ");
	text_printf(t,
		    "RETURNING 1) "
		    "SELECT 1 / pg_catalog.count(*), "
		    "pg_catalog.set_config('synchronous_commit', $6, true)%s "
		    "FROM u",
		    more);
}

/* The claim is the session's: the row does not allow the change. */
static enum status explain_row(const struct cluster_postgres *p,
			       const struct cluster_change *c, bool active,
			       bool can_login, struct reason *why)
{
	const char *member = c->member;

	if (c->kind == CLUSTER_CHANGE_REVERT)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s: version %s is not the previous "
				  "one of role %s, or not of its member %s; "
				  "nothing was changed",
				  p->name, c->version, c->role, member);
	if (c->kind == CLUSTER_CHANGE_RENEW)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s: the live password of role %s is "
				  "not that of %s; nothing was changed",
				  p->name, c->role, member);
	if (active)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s: the live password of role %s is "
				  "that of %s, which keeps its login; nothing "
				  "was changed",
				  p->name, c->role, member);
	if (can_login)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s: role %s can log in, so its "
			"password is not cleared; nothing was changed",
			p->name, member);
	return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
			  "cluster %s: role %s changed while it was looked at; "
			  "nothing was changed",
			  p->name, member);
}

enum status cluster_postgres_marker_fence_explain(
	struct cluster_postgres *p, struct cluster_session *s,
	const struct cluster_change *c, struct reason *why)
{
	const char *params[] = { c->member };
	struct pg_query q = {
		.sql = "SELECT r.oid, r.rolcanlogin FROM pg_catalog.pg_roles r "
		       "WHERE r.rolname = $1::pg_catalog.name",
		.n_params = 1,
		.params = params
	};
	struct marker_row row;
	enum status st =
		cluster_postgres_marker_row_read(p, s, c->role, &row, why);
	const char *active;

	if (st == STATUS_OK)
		st = cluster_postgres_run(p, s, &q, why);
	if (st != STATUS_OK)
		st = reason_wrap(why, STATUS_CLUSTER_UNAVAILABLE,
				 "cluster %s refused the change of role %s, "
				 "nothing was changed, and why could not be "
				 "asked",
				 p->name, c->member);
	else if (strcmp(row.marker.claim, c->claim) != 0)
		st = reason_set(why, STATUS_CONFLICT,
				"cluster %s: another claim is in the marker of "
				"role %s; nothing was changed",
				p->name, c->role);
	else if (pg_rows(q.result) == 0)
		st = reason_set(why, STATUS_NOT_FOUND,
				"cluster %s has no role %s; nothing was "
				"changed",
				p->name, c->member);
	else {
		active = row.marker.active[0] != '\0' ? row.marker.active :
							c->role;
		st = explain_row(p, c,
				 !row.gone && strcmp(active, c->member) == 0,
				 pg_value(q.result, 0, 1)[0] == 't', why);
	}
	pg_result_free(q.result);
	return st;
}
