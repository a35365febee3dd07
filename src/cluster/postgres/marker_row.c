/* SPDX-License-Identifier: PostgreSQL */
/*
 * Reads the marker row, the catalog and the claim's holder.  Must never say
 * that a holder is gone while it may live.
 */
#include "cluster/postgres/marker_row.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/postgres/marker_prepare.h"

/*
 * What only a pair's row has, whether the table has the columns or not: tables
 * of older versions lack them until a pair is claimed.
 */
#define PAIR_SQL                                                      \
	"CROSS JOIN LATERAL (SELECT pg_catalog.to_jsonb(m)) j(doc) "  \
	"CROSS JOIN LATERAL (SELECT (j.doc ->> 'active_oid')::oid, "  \
	"(j.doc ->> 'previous_version')::uuid, "                      \
	"(j.doc ->> 'previous_oid')::oid, "                           \
	"(j.doc ->> 'retired_at')::timestamptz) w(active, previous, " \
	"previous_oid, retired_at) "                                  \
	"LEFT JOIN pg_catalog.pg_roles v ON v.oid = coalesce(w.active, r.oid) "
#define PAIR_COLUMNS_SQL                                                \
	"coalesce(j.doc ?& '{" CLUSTER_MARKER_PAIR_NAMES "}'::text[], " \
	"false), "                                                      \
	"CASE WHEN w.active IS NOT NULL THEN v.rolname END, "           \
	"v.oid IS NULL, w.previous, (SELECT o.rolname FROM "            \
	"pg_catalog.pg_roles o WHERE o.oid = w.previous_oid), "         \
	"coalesce((extract(epoch FROM w.retired_at) * 1000000)::bigint, 0) "

/*
 * One row for the role, or none.  The claim's statement comes before it in the
 * same transaction, so it reads what that one wrote, with a snapshot taken
 * after any wait for the row's lock.
 *
 * `r` is the role, `v` the login role whose password is live, and `a` likewise.
 *
 * A name is "renamed" when the row's role had another name, or when the name's
 * history is in the row of another oid and nothing was ever applied to this.
 */
void cluster_postgres_marker_row_sql(struct text *t,
				     const struct cluster_session *s)
{
	text_printf(
		t,
		"SELECT r.oid, m.role_oid IS NOT NULL, m.live_version, "
		"m.claim, m.epoch, "
		"coalesce(m.role_name <> r.rolname, false) OR "
		"(m.live_version IS NULL AND EXISTS (SELECT FROM %s o "
		"WHERE o.role_name = r.rolname AND o.role_oid <> r.oid)), "
		"coalesce(m.claim_pid, 0), m.claim_backend_start, "
		"coalesce(m.claim_pid <> pg_catalog.pg_backend_pid(), false) "
		"AND EXISTS (SELECT FROM pg_catalog.pg_stat_activity a "
		"WHERE a.pid = m.claim_pid AND (a.backend_start = "
		"m.claim_backend_start OR a.backend_start IS NULL)), "
		"coalesce((extract(epoch FROM pg_catalog.clock_timestamp() - "
		"m.claimed_at) * 1000000)::bigint, 0), "
		"v.rolcanlogin, "
		"coalesce(v.rolvaliduntil <= pg_catalog.clock_timestamp(), "
		"false), v.rolvaliduntil, "
		"coalesce(m.branch <> nullif($2::text, ''), false), " CLUSTER_EXPIRES_SQL(
			"v") ", v.oid IS NULL OR ",
		s->marker);
	if (s->sees_authid)
		text_add(t,
			 "(m.live_version IS NOT NULL AND m.fingerprint IS NOT "
			 "NULL AND m.fingerprint IS DISTINCT FROM "
			 "pg_catalog.encode(pg_catalog.sha256("
			 "pg_catalog.convert_to(a.rolpassword, 'UTF8')), "
			 "'hex')), "
			 "CASE WHEN a.rolpassword IS NULL THEN 'none' "
			 "WHEN a.rolpassword LIKE 'SCRAM-SHA-256$%' THEN "
			 "'scram' ELSE 'md5' END, " PAIR_COLUMNS_SQL);
	else
		text_add(t, "false, '?', " PAIR_COLUMNS_SQL);
	text_printf(t,
		    "FROM pg_catalog.pg_roles r LEFT JOIN %s m "
		    "ON m.role_oid = r.oid " PAIR_SQL,
		    s->marker);
	if (s->sees_authid)
		text_add(t, "LEFT JOIN pg_catalog.pg_authid a "
			    "ON a.oid = v.oid ");
	text_add(t, "WHERE r.rolname = $1::pg_catalog.name");
}

void cluster_postgres_marker_row_parse(const struct pg_result *r,
				       struct marker_row *row)
{
	struct cluster_marker *m = &row->marker;

	memset(row, 0, sizeof(*row)); /* not secret */
	m->role_oid = (uint32_t)strtoul(pg_value(r, 0, 0), NULL, 10);
	m->found = pg_value(r, 0, 1)[0] == 't';
	text_copy(m->live_version, sizeof(m->live_version), pg_value(r, 0, 2));
	text_copy(m->claim, sizeof(m->claim), pg_value(r, 0, 3));
	m->epoch = strtoll(pg_value(r, 0, 4), NULL, 10);
	m->renamed = pg_value(r, 0, 5)[0] == 't';
	text_copy(row->holder_pid, sizeof(row->holder_pid), pg_value(r, 0, 6));
	text_copy(row->holder_start, sizeof(row->holder_start),
		  pg_value(r, 0, 7));
	row->holder_lives = pg_value(r, 0, 8)[0] == 't';
	row->age_us = strtoll(pg_value(r, 0, 9), NULL, 10);
	row->can_login = pg_value(r, 0, 10)[0] == 't';
	row->expired = pg_value(r, 0, 11)[0] == 't';
	text_copy(row->valid_until, sizeof(row->valid_until),
		  pg_value(r, 0, 12));
	m->branched = pg_value(r, 0, 13)[0] == 't';
	m->expires_us = strtoll(pg_value(r, 0, 14), NULL, 10);
	m->foreign = pg_value(r, 0, 15)[0] == 't';
	text_copy(row->kind, sizeof(row->kind), pg_value(r, 0, 16));
	row->wide = pg_value(r, 0, 17)[0] == 't';
	text_copy(m->active, sizeof(m->active), pg_value(r, 0, 18));
	row->gone = pg_value(r, 0, 19)[0] == 't';
	text_copy(m->previous_version, sizeof(m->previous_version),
		  pg_value(r, 0, 20));
	text_copy(m->previous, sizeof(m->previous), pg_value(r, 0, 21));
	m->retired_us = strtoll(pg_value(r, 0, 22), NULL, 10);
	m->none = strcmp(row->kind, "none") == 0 && !row->gone;
	text_copy(row->role_oid, sizeof(row->role_oid), pg_value(r, 0, 0));
}

bool cluster_postgres_marker_row_new_name(struct cluster_postgres *p,
					  struct cluster_session *s,
					  const char *role,
					  char ret[CLUSTER_NAME_SIZE])
{
	struct text t = text_make(CLUSTER_MARKER_SQL_MAX);
	const char *params[] = { role };
	struct pg_query q = { .n_params = 1, .params = params };
	bool found;

	text_printf(&t,
		    "SELECT r.rolname FROM %s m JOIN pg_catalog.pg_roles r "
		    "ON r.oid = m.role_oid WHERE m.role_name = "
		    "$1::pg_catalog.name AND r.rolname <> m.role_name",
		    s->marker);
	q.sql = text_str(&t);
	if (s->marker_state == CLUSTER_MARKER_READY &&
	    text_status(&t) == STATUS_OK)
		(void)cluster_postgres_run(p, s, &q, NULL);
	found = pg_rows(q.result) > 0;
	if (found)
		(void)text_copy(ret, CLUSTER_NAME_SIZE,
				pg_value(q.result, 0, 0));
	pg_result_free(q.result);
	text_free(&t);
	return found;
}

enum status cluster_postgres_marker_row_missing(struct cluster_postgres *p,
						struct cluster_session *s,
						const char *role,
						struct reason *why)
{
	char name[CLUSTER_NAME_SIZE];

	if (cluster_postgres_marker_row_new_name(p, s, role, name))
		return reason_set(why, STATUS_NOT_FOUND,
				  "cluster %s: role %s is now called %s; set "
				  "rolname = %s in its section, or rename it "
				  "back",
				  p->name, role, name, name);
	return reason_set(why, STATUS_NOT_FOUND,
			  "cluster %s has no role %s; create it or correct "
			  "the configuration",
			  p->name, role);
}

bool cluster_postgres_marker_row_no_table(const char *sqlstate)
{
	return strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "3F000") == 0;
}

/* Without the table: there is the role, and no row for it. */
static enum status look_at_role(struct cluster_postgres *p,
				struct cluster_session *s, const char *role,
				struct marker_row *row, struct reason *why)
{
	const char *params[] = { role };
	struct pg_query q = {
		.sql = "SELECT r.oid, r.rolcanlogin, "
		       "coalesce(r.rolvaliduntil <= pg_catalog.clock_timestamp(), "
		       "false), r.rolvaliduntil, " CLUSTER_EXPIRES_SQL(
			       "r") " FROM pg_catalog.pg_roles r "
				    "WHERE r.rolname = $1::pg_catalog.name",
		.n_params = 1,
		.params = params
	};
	enum status st;

	st = cluster_postgres_run(p, s, &q, why);
	if (st == STATUS_OK && pg_rows(q.result) == 0)
		st = reason_set(why, STATUS_NOT_FOUND,
				"cluster %s has no role %s; create it or "
				"correct the configuration",
				p->name, role);
	if (st == STATUS_OK) {
		memset(row, 0, sizeof(*row)); /* not secret */
		row->marker.role_oid =
			(uint32_t)strtoul(pg_value(q.result, 0, 0), NULL, 10);
		row->can_login = pg_value(q.result, 0, 1)[0] == 't';
		row->expired = pg_value(q.result, 0, 2)[0] == 't';
		text_copy(row->valid_until, sizeof(row->valid_until),
			  pg_value(q.result, 0, 3));
		row->marker.expires_us =
			strtoll(pg_value(q.result, 0, 4), NULL, 10);
		text_copy(row->kind, sizeof(row->kind), "?");
	}
	pg_result_free(q.result);
	return st;
}

enum status cluster_postgres_marker_row_read(struct cluster_postgres *p,
					     struct cluster_session *s,
					     const char *role,
					     struct marker_row *row,
					     struct reason *why)
{
	struct text t = text_make(CLUSTER_MARKER_SQL_MAX);
	const char *params[] = { role, s->branch };
	struct pg_query q = { .n_params = 2, .params = params };
	enum status st;

	/* To read a view or a policy is to run it. */
	if (s->marker_state == CLUSTER_MARKER_UNTRUSTED)
		return cluster_postgres_marker_prepare_untrusted(p, s, why);
	cluster_postgres_marker_row_sql(&t, s);
	q.sql = text_str(&t);
	st = text_status(&t);
	if (st == STATUS_OK)
		st = cluster_postgres_run(p, s, &q, why);
	if (st == STATUS_OK && pg_rows(q.result) == 0)
		st = cluster_postgres_marker_row_missing(p, s, role, why);
	else if (st == STATUS_OK)
		cluster_postgres_marker_row_parse(q.result, row);
	else if (cluster_postgres_marker_row_no_table(q.sqlstate))
		st = look_at_role(p, s, role, row, why);
	/* A read changes nothing, lost or not. */
	if (st == STATUS_UNKNOWN)
		st = STATUS_CLUSTER_UNAVAILABLE;
	pg_result_free(q.result);
	text_free(&t);
	return st;
}
