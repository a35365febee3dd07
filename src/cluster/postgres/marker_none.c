/* SPDX-License-Identifier: PostgreSQL */
/*
 * marker = none, without a table: the password that logged in is the live one,
 * and an advisory lock of the session is the claim.  Must never report a claim
 * while another session may hold the lock.
 *
 * This is weaker than a table: the lock ends with its session, even while a
 * transaction of that session still waits in the server, and nothing tells that
 * the database was restored.  A late apply is held off because its backend keeps
 * the lock for as long as it lives.
 */
#include "cluster/postgres/marker.h"

#include <stdlib.h>
#include <string.h>

#define VANISH_WAIT_US (2 * NOW_SECOND)
#define EVICT_WAIT_US  (10 * NOW_SECOND)
#define SLEEP_US       (NOW_SECOND / 20)

/* "kt" and the role's oid are the lock's two halves. */
#define LOCK_CLASS "27508"
#define HELD_SQL                                               \
	"pg_catalog.pg_locks l JOIN pg_catalog.pg_database d " \
	"ON d.oid = l.database WHERE l.locktype = 'advisory' " \
	"AND d.datname = pg_catalog.current_database() "       \
	"AND l.classid = " LOCK_CLASS " AND l.objsubid = 1 AND l.granted "

#define CLAIM_SQL                                                             \
	"SELECT r.oid, pg_catalog.pg_try_advisory_lock((" LOCK_CLASS          \
	"::bigint << 32) | r.oid::bigint), h.pid, h.backend_start, "          \
	"coalesce((extract(epoch FROM pg_catalog.clock_timestamp() - "        \
	"h.backend_start) * 1000000)::bigint, 0) FROM pg_catalog.pg_roles r " \
	"LEFT JOIN (SELECT l.objid, a.pid, a.backend_start FROM "             \
	"pg_catalog.pg_stat_activity a, " HELD_SQL                            \
	"AND a.pid = l.pid AND l.pid <> pg_catalog.pg_backend_pid()) h "      \
	"ON h.objid = r.oid WHERE r.rolname = $1::pg_catalog.name"

static void add_fence(struct text *t, const struct cluster_session *s,
		      const struct cluster_change *c, const char *more)
{
	(void)s;
	(void)c;
	text_printf(t,
		    "SELECT 1 / pg_catalog.count(*), "
		    "pg_catalog.set_config('synchronous_commit', $6, true)%s "
		    "FROM " HELD_SQL "AND l.pid = pg_catalog.pg_backend_pid() "
		    "AND l.objid = $1::oid AND pg_catalog.num_nulls($2::text, "
		    "$3::text, $4::text, $5::text, $7::text) >= 0",
		    more);
}

static enum status read_role(struct cluster_postgres *p,
			     struct cluster_session *s, const char *role,
			     struct marker_row *row, struct reason *why)
{
	const char *params[] = { role };
	struct pg_query q = {
		.sql = "SELECT r.oid, r.rolcanlogin, "
		       "coalesce(r.rolvaliduntil <= pg_catalog.clock_timestamp(), "
		       "false), r.rolvaliduntil, EXISTS (SELECT FROM " HELD_SQL
		       "AND l.pid = pg_catalog.pg_backend_pid() "
		       "AND l.objid = r.oid), " CLUSTER_EXPIRES_SQL(
			       "r") " FROM pg_catalog.pg_roles r "
				    "WHERE r.rolname = $1::pg_catalog.name",
		.n_params = 1,
		.params = params
	};
	enum status st;

	st = cluster_postgres_run(p, s, &q, why);
	if (st == STATUS_OK && pg_rows(q.result) == 0)
		st = reason_set(why, STATUS_NOT_FOUND,
				"cluster %s has no role %s any more", p->name,
				role);
	if (st == STATUS_OK) {
		memset(row, 0, sizeof(*row)); /* not secret */
		row->marker.role_oid =
			(uint32_t)strtoul(pg_value(q.result, 0, 0), NULL, 10);
		row->marker.found = s->live[0] != '\0';
		row->marker.epoch = s->epoch;
		text_copy(row->marker.live_version,
			  sizeof(row->marker.live_version), s->live);
		if (pg_value(q.result, 0, 4)[0] == 't')
			text_copy(row->marker.claim, sizeof(row->marker.claim),
				  s->claim);
		row->can_login = pg_value(q.result, 0, 1)[0] == 't';
		row->expired = pg_value(q.result, 0, 2)[0] == 't';
		text_copy(row->valid_until, sizeof(row->valid_until),
			  pg_value(q.result, 0, 3));
		row->marker.expires_us =
			strtoll(pg_value(q.result, 0, 5), NULL, 10);
		text_copy(row->kind, sizeof(row->kind), "?");
	}
	pg_result_free(q.result);
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

static enum status end_holder(struct cluster_postgres *p,
			      struct cluster_session *s,
			      const struct pg_result *r, struct reason *why)
{
	const char *params[] = { pg_value(r, 0, 2), pg_value(r, 0, 3) };
	struct pg_query q = {
		.sql = "SELECT pg_catalog.pg_terminate_backend(a.pid) "
		       "FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1::int "
		       "AND a.backend_start = $2::timestamptz",
		.n_params = 2,
		.params = params
	};
	enum status st = cluster_postgres_run(p, s, &q, why);

	pg_result_free(q.result);
	return st;
}

/* The claim that is being made. */
struct claiming {
	struct cluster_postgres *p;
	struct cluster_session *s;
	const struct cluster_claim *c;
	int64_t until; /* the holder may go by itself, or was told to */
	bool evicted;
	char oid[16];
};

/* One try.  *ret_ours false: the holder was told to end, or may go by itself
 * until then. */
static enum status try_once(struct claiming *c, bool *ret_ours,
			    struct reason *why)
{
	struct cluster_postgres *p = c->p;
	const char *role = c->c->role, *params[] = { role };
	char age[32];
	bool patient;
	struct pg_query q = { .sql = CLAIM_SQL,
			      .n_params = 1,
			      .params = params };
	int64_t age_us;
	enum status st;

	st = cluster_postgres_run(p, c->s, &q, why);
	if (st == STATUS_OK && pg_rows(q.result) == 0)
		st = reason_set(why, STATUS_NOT_FOUND,
				"cluster %s has no role %s", p->name, role);
	if (st != STATUS_OK)
		goto out;
	text_copy(c->oid, sizeof(c->oid), pg_value(q.result, 0, 0));
	*ret_ours = pg_value(q.result, 0, 1)[0] == 't';
	age_us = strtoll(pg_value(q.result, 0, 4), NULL, 10);
	patient = now_boot(p->o.now) < c->until;
	if (*ret_ours || pg_is_null(q.result, 0, 2))
		goto out;
	if (!c->evicted &&
	    (c->c->takeover || (!patient && age_us >= p->o.claim_max_us))) {
		c->evicted = true;
		c->until = now_boot(p->o.now) + EVICT_WAIT_US;
		st = end_holder(p, c->s, q.result, why);
	} else if (!patient) {
		st = reason_set(why, STATUS_BUSY,
				"cluster %s: role %s is claimed by another "
				"session (backend %s, for %s); wait for it, or "
				"run keyturn recover %s",
				p->name, role, pg_value(q.result, 0, 2),
				now_age(age_us, age), role);
	}
out:
	pg_result_free(q.result);
	return st;
}

static enum status take_claim(struct cluster_postgres *p,
			      struct cluster_session *s,
			      const struct cluster_claim *c,
			      struct cluster_marker *ret, struct reason *why)
{
	struct claiming claiming = { .p = p,
				     .s = s,
				     .c = c,
				     .until = now_boot(p->o.now) +
					      VANISH_WAIT_US };
	struct marker_row row;
	bool ours = false;
	enum status st = STATUS_OK;

	s->claim[0] = '\0';
	while (st == STATUS_OK && !ours) {
		st = try_once(&claiming, &ours, why);
		if (st == STATUS_OK && !ours)
			now_sleep(p->o.now, SLEEP_US);
	}
	if (st != STATUS_OK)
		return st;
	text_copy(s->claim, sizeof(s->claim), c->claim);
	text_copy(s->claim_oid, sizeof(s->claim_oid), claiming.oid);
	s->epoch = c->floor + 1;
	st = read_role(p, s, c->role, &row, why);
	if (st != STATUS_OK)
		return st;
	*ret = row.marker;
	ret->epoch_was = c->floor;
	return STATUS_OK;
}

/* A lock ends with its session. */
static void end_claim(struct cluster_session *s)
{
	(void)s;
}

static enum status check_marker(struct cluster_postgres *p,
				struct cluster_session *s,
				struct cluster_findings *f, struct reason *why)
{
	(void)p;
	(void)why;
	cluster_postgres_findings_add(
		f, CLUSTER_WARN, "marker",
		"marker = none is weaker: only a login tells what is live, "
		"and after a restore nothing says so; run CREATE SCHEMA "
		"\"%s\" AUTHORIZATION the role, and set marker = table",
		s->schema);
	return STATUS_OK;
}

const struct marker_ops cluster_postgres_marker_none = {
	.claim = take_claim,
	.read = read_role,
	.add_fence = add_fence,
	.end = end_claim,
	.check = check_marker,
};
