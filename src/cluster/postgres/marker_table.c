/* SPDX-License-Identifier: PostgreSQL */
/*
 * A row for each role in a table: its claim (protocol step S1), the fence of an
 * apply, and the claim's end.  Must never let two living sessions believe that
 * they hold the claim of one role, nor change a row whose claim is not the
 * session's own.
 *
 * What keeps a late statement from doing harm is the compare-and-swap of the
 * apply together with the row's lock; ending another backend only keeps a
 * claim from waiting for a rotator that will not come back.
 */
#include "cluster/postgres/marker.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/postgres/marker_fence.h"
#include "cluster/postgres/marker_prepare.h"
#include "cluster/postgres/marker_row.h"
#include "cluster/postgres/session.h"

#define VANISH_WAIT_US	 (2 * NOW_SECOND)  /* a killed client's backend */
#define EVICT_WAIT_US	 (10 * NOW_SECOND) /* after pg_terminate_backend */
#define FIRST_SLEEP_US	 (NOW_SECOND / 100)
#define LONGEST_SLEEP_US (NOW_SECOND / 10)

/* The row as it was, locked: what RETURNING of an upsert cannot give. */
static void add_lock_sql(struct text *t, const struct cluster_session *s)
{
	text_printf(t,
		    "SELECT m.epoch FROM %s m JOIN pg_catalog.pg_roles r "
		    "ON r.oid = m.role_oid WHERE r.rolname = "
		    "$1::pg_catalog.name FOR UPDATE OF m",
		    s->marker);
}

static void add_claim_sql(struct text *t, const struct cluster_session *s)
{
	text_printf(
		t,
		"INSERT INTO %s AS m (role_oid, role_name, claim, epoch, "
		"claim_pid, claim_backend_start, claimed_at) "
		"SELECT r.oid, r.rolname, $2::uuid, 1 + greatest((SELECT "
		"pg_catalog.max(o.epoch) FROM %s o WHERE o.role_name = "
		"r.rolname), $5::bigint), pg_catalog.pg_backend_pid(), "
		"$3::timestamptz, pg_catalog.clock_timestamp() "
		"FROM pg_catalog.pg_roles r WHERE r.rolname = "
		"$1::pg_catalog.name "
		"ON CONFLICT (role_oid) DO UPDATE SET claim = excluded.claim, "
		"epoch = greatest(m.epoch, $5::bigint) + 1, claim_pid = excluded.claim_pid, "
		"claim_backend_start = excluded.claim_backend_start, "
		"claimed_at = pg_catalog.clock_timestamp() "
		"WHERE $4::bool OR m.claim_pid IS NULL "
		"OR m.claim_pid = pg_catalog.pg_backend_pid() "
		"OR NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a "
		"WHERE a.pid = m.claim_pid AND (a.backend_start = "
		"m.claim_backend_start OR a.backend_start IS NULL))",
		s->marker, s->marker);
}

struct claiming {
	struct cluster_postgres *p;
	struct cluster_session *s;
	const struct cluster_claim *c;
	bool evicted;  /* also: do not look whether the holder lives */
	bool prepared; /* the table was created, do it once only */
	int64_t vanish_until;
	int64_t sleep_us;
};

/*
 * Lock, claim and read in one round trip and one transaction.  STATUS_OK does
 * not mean that the claim is ours: row->marker.claim does.  No role is left to
 * the caller, as *ret_role false.
 */
static enum status claim_once(struct claiming *c, struct marker_row *row,
			      bool *ret_role, char sqlstate[PG_SQLSTATE_SIZE],
			      struct reason *why)
{
	struct text lock_sql = text_make(CLUSTER_MARKER_SQL_MAX);
	struct text claim_sql = text_make(CLUSTER_MARKER_SQL_MAX);
	struct text read_sql = text_make(CLUSTER_MARKER_SQL_MAX);
	char floor_text[24];
	const char *params[] = { c->c->role, c->c->claim, c->s->backend_start,
				 c->evicted ? "t" : "f", floor_text };
	const char *read_params[] = { c->c->role, c->s->branch };
	struct pg_statement many[3] = { { NULL, 1, params, NULL },
					{ NULL, 5, params, NULL },
					{ NULL, 2, read_params, NULL } };
	size_t done = 0, i;
	enum status st;

	sqlstate[0] = '\0';
	snprintf(floor_text, sizeof(floor_text), "%" PRId64, c->c->floor);
	add_lock_sql(&lock_sql, c->s);
	add_claim_sql(&claim_sql, c->s);
	cluster_postgres_marker_row_sql(&read_sql, c->s);
	st = text_status(&lock_sql);
	if (st == STATUS_OK)
		st = text_status(&claim_sql);
	if (st == STATUS_OK)
		st = text_status(&read_sql);
	if (st != STATUS_OK)
		goto out;
	many[0].sql = text_str(&lock_sql);
	many[1].sql = text_str(&claim_sql);
	many[2].sql = text_str(&read_sql);
	st = pg_run_many(c->s->pg, many, 3,
			 c->p->o.statement_timeout_us + CLUSTER_MARGIN_US,
			 &done, sqlstate, why);
	if (st == STATUS_OK) {
		*ret_role = pg_rows(many[2].result) > 0;
		if (*ret_role)
			cluster_postgres_marker_row_parse(many[2].result, row);
		if (pg_rows(many[0].result) > 0)
			row->marker.epoch_was = strtoll(
				pg_value(many[0].result, 0, 0), NULL, 10);
	}
out:
	for (i = 0; i < 3; i++)
		pg_result_free(many[i].result);
	text_free(&lock_sql);
	text_free(&claim_sql);
	text_free(&read_sql);
	return st;
}

/*
 * End the holder's backend and wait until it is gone.  STATUS_OK also when it
 * does not go (stopped, or stuck in a call): its claim may be taken all the
 * same, since the row's lock and the compare-and-swap hold it off.
 */
static enum status end_holder(struct cluster_postgres *p,
			      struct cluster_session *s, const char *role,
			      const struct marker_row *holder,
			      struct reason *why)
{
	int64_t until = now_boot(p->o.now) + EVICT_WAIT_US;
	const char *params[] = { holder->holder_pid, holder->holder_start };
	struct pg_query q = {
		.sql = "SELECT pg_catalog.pg_terminate_backend(a.pid) "
		       "FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1::int "
		       "AND a.backend_start = $2::timestamptz "
		       "AND a.pid <> pg_catalog.pg_backend_pid()",
		.n_params = 2,
		.params = params
	};
	struct marker_row row;
	enum status st;

	st = cluster_postgres_run(p, s, &q, why);
	pg_result_free(q.result);
	if (strcmp(q.sqlstate, "42501") == 0)
		return reason_set(why, STATUS_BUSY,
				  "role %s is claimed by backend %s, which "
				  "keyturn's admin may not end; end it with "
				  "pg_terminate_backend(%s)",
				  role, holder->holder_pid, holder->holder_pid);
	while (st == STATUS_OK && now_boot(p->o.now) < until) {
		st = cluster_postgres_marker_row_read(p, s, role, &row, why);
		if (st != STATUS_OK || !row.holder_lives)
			break;
		now_sleep(p->o.now, FIRST_SLEEP_US * 2);
	}
	/* Nothing of ours was written yet. */
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

static enum status refuse_busy(const struct cluster_postgres *p,
			       const char *role, const struct marker_row *row,
			       struct reason *why)
{
	char age[32];

	return reason_set(why, STATUS_BUSY,
			  "cluster %s: role %s is claimed by another session "
			  "(backend %s, for %s); wait for it, or run keyturn "
			  "recover %s",
			  p->name, role, row->holder_pid,
			  now_age(row->age_us, age), role);
}

/* Another living session is in the row: wait, end it, or give up.  STATUS_OK
 * means try again. */
static enum status meet_holder(struct claiming *c, const struct marker_row *row,
			       struct reason *why)
{
	enum status st;

	cluster_postgres_session_sweep(c->p);
	if (!c->c->takeover && now_boot(c->p->o.now) < c->vanish_until) {
		now_sleep(c->p->o.now, c->sleep_us);
		if (c->sleep_us < LONGEST_SLEEP_US)
			c->sleep_us *= 2;
		return STATUS_OK;
	}
	if (!c->c->takeover && row->age_us < c->p->o.claim_max_us)
		return refuse_busy(c->p, c->c->role, row, why);
	st = end_holder(c->p, c->s, c->c->role, row, why);
	c->evicted = st == STATUS_OK;
	return st;
}

/* The row's lock was not free in time. */
static enum status explain_lock(struct claiming *c, struct reason *why)
{
	struct marker_row row;
	enum status st;

	st = cluster_postgres_marker_row_read(c->p, c->s, c->c->role, &row,
					      why);
	if (st != STATUS_OK)
		return st;
	if (row.holder_lives && !c->evicted)
		return meet_holder(c, &row, why);
	if (row.holder_lives)
		return reason_set(
			why, STATUS_CLUSTER_UNAVAILABLE,
			"cluster %s: backend %s holds the marker of "
			"role %s, was told to end and does not; it is "
			"stopped or stuck, look at it on the server",
			c->p->name, row.holder_pid, c->c->role);
	return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
			  "cluster %s: the marker of role %s is locked by "
			  "another transaction; see pg_locks",
			  c->p->name, c->c->role);
}

/* One round; *ret_done when the claim is ours or the answer is final. */
static enum status claim_round(struct claiming *c, struct marker_row *row,
			       bool *ret_done, struct reason *why)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	bool role = false;
	enum status st;

	st = claim_once(c, row, &role, sqlstate, why);
	*ret_done = true;
	if (st == STATUS_OK && !role)
		return cluster_postgres_marker_row_missing(c->p, c->s,
							   c->c->role, why);
	if (st == STATUS_OK && strcmp(row->marker.claim, c->c->claim) == 0)
		return STATUS_OK;
	*ret_done = false;
	if (st == STATUS_OK)
		return meet_holder(c, row, why);
	if (strcmp(sqlstate, "55P03") == 0)
		return explain_lock(c, why);
	if ((cluster_postgres_marker_row_no_table(sqlstate) ||
	     strcmp(sqlstate, "42501") == 0) &&
	    !c->prepared) {
		c->prepared = true;
		return cluster_postgres_marker_prepare(c->p, c->s, why);
	}
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
				     .vanish_until = now_boot(p->o.now) +
						     VANISH_WAIT_US,
				     .sleep_us = FIRST_SLEEP_US };
	struct marker_row row;
	bool done = false;
	enum status st = STATUS_OK;

	s->claim[0] = '\0';
	/* A holder to be ended may hold the row's lock: end it first. */
	if (c->takeover) {
		st = cluster_postgres_marker_row_read(p, s, c->role, &row, why);
		if (st == STATUS_OK && row.holder_lives)
			st = meet_holder(&claiming, &row, why);
	}
	while (st == STATUS_OK && !done)
		st = claim_round(&claiming, &row, &done, why);
	if (st != STATUS_OK)
		return st;
	text_copy(s->claim, sizeof(s->claim), c->claim);
	text_copy(s->claim_oid, sizeof(s->claim_oid), row.role_oid);
	s->wide = row.wide;
	if (c->pair && !s->wide)
		st = cluster_postgres_marker_prepare_widen(p, s, why);
	if (st == STATUS_OK)
		*ret = row.marker;
	return st;
}

static void end_claim(struct cluster_session *s)
{
	struct text t = text_make(CLUSTER_MARKER_SQL_MAX);
	const char *params[] = { s->claim_oid, s->claim };

	if (s->claim[0] == '\0' || !pg_alive(s->pg))
		return;
	/* The claim itself stays: it says which one was the last. */
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

/* ---- for a preflight ---- */

#define MARKER_SQL                                                        \
	"SELECT current_user, n.oid IS NOT NULL, "                        \
	"CASE WHEN n.oid IS NULL THEN pg_catalog.has_database_privilege(" \
	"pg_catalog.current_database(), 'CREATE') "                       \
	"ELSE pg_catalog.has_schema_privilege(n.oid, 'CREATE')"           \
	" AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') END, "      \
	"c.oid IS NOT NULL, "                                             \
	"coalesce(pg_catalog.has_schema_privilege(n.oid, 'USAGE')"        \
	" AND pg_catalog.has_table_privilege(c.oid, 'SELECT')"            \
	" AND pg_catalog.has_table_privilege(c.oid, 'INSERT')"            \
	" AND pg_catalog.has_table_privilege(c.oid, 'UPDATE'), false) "   \
	"FROM (VALUES (1)) one(x) LEFT JOIN pg_catalog.pg_namespace n"    \
	" ON n.nspname = $1::pg_catalog.name"                             \
	" LEFT JOIN pg_catalog.pg_class c"                                \
	" ON c.relnamespace = n.oid AND c.relname = 'marker'"

static enum status check_marker(struct cluster_postgres *p,
				struct cluster_session *s,
				struct cluster_findings *f, struct reason *why)
{
	const char *params[] = { s->schema };
	struct pg_query q = { .sql = MARKER_SQL,
			      .n_params = 1,
			      .params = params };
	bool schema, may_create, table, usable;
	char fault[CLUSTER_SENTENCE_SIZE];
	enum status st;

	if (s->marker_state == CLUSTER_MARKER_UNTRUSTED) {
		cluster_postgres_marker_prepare_fault(s, fault, sizeof(fault));
		cluster_postgres_findings_add(f, CLUSTER_FAIL, "marker", "%s",
					      fault);
		return STATUS_OK;
	}
	st = cluster_postgres_run(p, s, &q, why);
	if (st != STATUS_OK)
		return st;
	schema = pg_value(q.result, 0, 1)[0] == 't';
	may_create = pg_value(q.result, 0, 2)[0] == 't';
	table = pg_value(q.result, 0, 3)[0] == 't';
	usable = pg_value(q.result, 0, 4)[0] == 't';
	if (table && !usable)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "marker",
			"keyturn's admin may not use its marker table; run GRANT "
			"SELECT, INSERT, UPDATE ON %s TO \"%s\"",
			s->marker, pg_value(q.result, 0, 0));
	else if (!table && !may_create && schema)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "marker",
			"the marker table is missing and keyturn's admin may not "
			"create it; run ALTER SCHEMA \"%s\" OWNER TO \"%s\"",
			s->schema, pg_value(q.result, 0, 0));
	else if (!table && !may_create)
		cluster_postgres_findings_add(
			f, CLUSTER_FAIL, "marker",
			"the marker table is missing and keyturn's admin may not "
			"create its schema; run CREATE SCHEMA \"%s\" AUTHORIZATION "
			"\"%s\"",
			s->schema, pg_value(q.result, 0, 0));
	else if (!table)
		cluster_postgres_findings_add(
			f, CLUSTER_NOTE, "marker",
			"the marker table %s will be created by the first rotation",
			s->marker);
	pg_result_free(q.result);
	return st;
}

const struct marker_ops cluster_postgres_marker_table = {
	.kept = true,
	.claim = take_claim,
	.read = cluster_postgres_marker_row_read,
	.add_fence = cluster_postgres_marker_fence_add,
	.end = end_claim,
	.check = check_marker,
};
