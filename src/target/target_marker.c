/* SPDX-License-Identifier: PostgreSQL */
/*
 * The marker row and the claim in it (protocol step S1).  Must never let two
 * living sessions believe that they hold the claim of one role.
 *
 * What keeps a late statement from doing harm is the compare-and-swap of the
 * apply together with the row's lock; ending another backend only keeps a
 * claim from waiting for somebody who will not come back.
 */
#include "target/target_postgres_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define VANISH_WAIT_US	 (2 * NOW_SECOND)  /* a killed client's backend */
#define EVICT_WAIT_US	 (10 * NOW_SECOND) /* after pg_terminate_backend */
#define FIRST_SLEEP_US	 (NOW_SECOND / 100)
#define LONGEST_SLEEP_US (NOW_SECOND / 10)
#define SQL_MAX		 8192

/* Serialises creation of the table; any number that nobody else uses. */
#define PREPARE_LOCK "2042914391827361104"

/* The row, the catalog and the claim's holder: see read_row(). */
struct row {
	struct target_marker marker;
	char holder_pid[16];
	char holder_start[TARGET_STAMP_SIZE];
	bool holder_lives; /* and is not this session */
	int64_t age_us;
	char role_oid[16];
	bool can_login;
	bool expired;
	char valid_until[TARGET_STAMP_SIZE];
	char kind[16]; /* of the stored password: scram, md5, none, ? */
};

/* ---- the table ---- */

/* Why the admin cannot have the table, as the SQL that mends it. */
static enum status refuse_prepare(const struct target_postgres *p,
				  const struct target_session *s,
				  const char *user, bool schema, bool table,
				  struct reason *why)
{
	const char *schema_end = strrchr(s->marker, '.');
	int n = (int)(schema_end - s->marker);

	if (table)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s: keyturn's admin may not use its "
			"marker table; run as an administrator: GRANT "
			"SELECT, INSERT, UPDATE ON %s TO \"%s\"",
			p->name, s->marker, user);
	if (schema)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s: keyturn's admin may not create "
				  "its marker table; run as an administrator: "
				  "ALTER SCHEMA %.*s OWNER TO \"%s\"",
				  p->name, n, s->marker, user);
	return reason_set(why, STATUS_REFUSED,
			  "cluster %s: keyturn's admin may not create its "
			  "schema; run as an administrator: CREATE SCHEMA "
			  "%.*s AUTHORIZATION \"%s\"",
			  p->name, n, s->marker, user);
}

static enum status refuse_untrusted(const struct target_postgres *p,
				    const struct target_session *s,
				    struct reason *why)
{
	return reason_set(
		why, STATUS_REFUSED,
		"cluster %s: %s or its schema belongs to a role that "
		"could run its own code in it, or is no table; make "
		"keyturn's admin the owner of both, or choose another "
		"marker_schema",
		p->name, s->marker);
}

#define PREPARE_FACTS_SQL                                                     \
	"SELECT current_user, n.oid IS NOT NULL, c.oid IS NOT NULL, "         \
	"coalesce(c.relkind = 'r', true) AND "                                \
	"coalesce(pg_catalog.bool_and(o.rolname = current_user OR o.rolsuper" \
	" OR EXISTS (SELECT FROM pg_catalog.pg_auth_members am"               \
	" JOIN pg_catalog.pg_roles me ON me.oid = am.member"                  \
	" WHERE am.roleid = o.oid AND me.rolname = current_user)), true), "   \
	"coalesce(pg_catalog.has_table_privilege(c.oid, 'SELECT')"            \
	" AND pg_catalog.has_table_privilege(c.oid, 'INSERT')"                \
	" AND pg_catalog.has_table_privilege(c.oid, 'UPDATE'), false) "       \
	"FROM (VALUES (1)) one(x)"                                            \
	" LEFT JOIN pg_catalog.pg_namespace n"                                \
	" ON n.nspname = $1::pg_catalog.name"                                 \
	" LEFT JOIN pg_catalog.pg_class c"                                    \
	" ON c.relnamespace = n.oid AND c.relname = 'marker'"                 \
	" LEFT JOIN pg_catalog.pg_roles o"                                    \
	" ON o.oid IN (n.nspowner, c.relowner)"                               \
	" GROUP BY n.oid, c.oid, c.relkind"

/* Only what is missing is created: CREATE SCHEMA IF NOT EXISTS wants the right
 * to create even when there is nothing to do. */
static enum status create_missing(struct target_postgres *p,
				  struct target_session *s, bool schema,
				  char sqlstate[PG_SQLSTATE_SIZE],
				  struct reason *why)
{
	struct text t = text_make(SQL_MAX);
	int n = (int)(strrchr(s->marker, '.') - s->marker);
	enum status st;

	/* DO is one statement: all or nothing, and no transaction left open. */
	text_add(&t, "DO $keyturn$ BEGIN PERFORM "
		     "pg_catalog.pg_advisory_xact_lock(" PREPARE_LOCK "); ");
	if (!schema)
		text_printf(&t,
			    "CREATE SCHEMA IF NOT EXISTS %.*s; REVOKE ALL ON "
			    "SCHEMA %.*s FROM PUBLIC; ",
			    n, s->marker, n, s->marker);
	text_printf(&t,
		    "CREATE TABLE IF NOT EXISTS %s ("
		    "role_oid oid PRIMARY KEY, role_name name NOT NULL, "
		    "live_version uuid, claim uuid, "
		    "epoch bigint NOT NULL DEFAULT 0, claim_pid int, "
		    "claim_backend_start timestamptz, claimed_at timestamptz, "
		    "applied_at timestamptz, fingerprint text, branch text); "
		    "REVOKE ALL ON TABLE %s FROM PUBLIC; END $keyturn$",
		    s->marker, s->marker);
	st = text_status(&t);
	if (st == STATUS_OK)
		st = target_postgres_run(p, s, text_str(&t), 0, NULL, NULL,
					 sqlstate, why);
	text_free(&t);
	return st;
}

enum status target_marker_prepare(struct target_postgres *p,
				  struct target_session *s, struct reason *why)
{
	const char *params[] = { p->marker_schema };
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;
	bool schema, table, usable;
	enum status st;

	st = target_postgres_run(p, s, PREPARE_FACTS_SQL, 1, params, &r,
				 sqlstate, why);
	if (st != STATUS_OK)
		return st;
	schema = pg_value(r, 0, 1)[0] == 't';
	table = pg_value(r, 0, 2)[0] == 't';
	usable = pg_value(r, 0, 4)[0] == 't';
	if (pg_value(r, 0, 3)[0] != 't') {
		s->marker_state = TARGET_MARKER_UNTRUSTED;
		st = refuse_untrusted(p, s, why);
	} else if (table && !usable) {
		st = refuse_prepare(p, s, pg_value(r, 0, 0), schema, table,
				    why);
	} else if (!table) {
		st = create_missing(p, s, schema, sqlstate, why);
		if (st == STATUS_REFUSED && strcmp(sqlstate, "42501") == 0)
			st = refuse_prepare(p, s, pg_value(r, 0, 0), schema,
					    false, why);
		else if (st != STATUS_OK)
			reason_wrap(why, st, "cluster %s, creating %s", p->name,
				    s->marker);
	}
	if (st == STATUS_OK)
		s->marker_state = TARGET_MARKER_READY;
	pg_result_free(r);
	return st;
}

/* ---- reading ---- */

/*
 * One row for the role, or none.  The claim's statement comes before it in the
 * same transaction, so it reads what that one wrote, with a snapshot taken
 * after any wait for the row's lock.
 *
 * A name is "renamed" when the row's role had another name, or when the name's
 * history is in the row of another oid and nothing was ever applied to this.
 */
static void add_read_sql(struct text *t, const struct target_session *s)
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
		"r.rolcanlogin, "
		"coalesce(r.rolvaliduntil <= pg_catalog.clock_timestamp(), "
		"false), r.rolvaliduntil, ",
		s->marker);
	if (s->sees_authid)
		text_add(t,
			 "m.live_version IS NOT NULL AND m.fingerprint IS NOT "
			 "NULL AND m.fingerprint IS DISTINCT FROM "
			 "pg_catalog.encode(pg_catalog.sha256("
			 "pg_catalog.convert_to(a.rolpassword, 'UTF8')), "
			 "'hex'), "
			 "CASE WHEN a.rolpassword IS NULL THEN 'none' "
			 "WHEN a.rolpassword LIKE 'SCRAM-SHA-256$%' THEN "
			 "'scram' ELSE 'md5' END ");
	else
		text_add(t, "false, '?' ");
	text_printf(t,
		    "FROM pg_catalog.pg_roles r LEFT JOIN %s m "
		    "ON m.role_oid = r.oid ",
		    s->marker);
	if (s->sees_authid)
		text_add(t, "LEFT JOIN pg_catalog.pg_authid a "
			    "ON a.oid = r.oid ");
	text_add(t, "WHERE r.rolname = $1::pg_catalog.name");
}

static void parse_row(const struct pg_result *r, struct row *row)
{
	struct target_marker *m = &row->marker;

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
	m->foreign = pg_value(r, 0, 13)[0] == 't';
	text_copy(row->kind, sizeof(row->kind), pg_value(r, 0, 14));
	text_copy(row->role_oid, sizeof(row->role_oid), pg_value(r, 0, 0));
}

/* STATUS_NOT_FOUND, with the new name when the marker knows it. */
static enum status not_found(struct target_postgres *p,
			     struct target_session *s, const char *role,
			     struct reason *why)
{
	struct text t = text_make(SQL_MAX);
	const char *params[] = { role };
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;

	text_printf(&t,
		    "SELECT r.rolname FROM %s m JOIN pg_catalog.pg_roles r "
		    "ON r.oid = m.role_oid WHERE m.role_name = "
		    "$1::pg_catalog.name AND r.rolname <> m.role_name",
		    s->marker);
	if (text_status(&t) == STATUS_OK)
		(void)target_postgres_run(p, s, text_str(&t), 1, params, &r,
					  sqlstate, NULL);
	if (pg_rows(r) > 0)
		reason_set(why, STATUS_NOT_FOUND,
			   "cluster %s: role %s is now called %s; change the "
			   "configuration or rename it back",
			   p->name, role, pg_value(r, 0, 0));
	else
		reason_set(why, STATUS_NOT_FOUND,
			   "cluster %s has no role %s; create it or correct "
			   "the configuration",
			   p->name, role);
	pg_result_free(r);
	text_free(&t);
	return STATUS_NOT_FOUND;
}

static bool is_missing_table(const char *sqlstate)
{
	return strcmp(sqlstate, "42P01") == 0 || strcmp(sqlstate, "3F000") == 0;
}

/* Without the table: there is the role, and no row for it. */
static enum status look_at_role(struct target_postgres *p,
				struct target_session *s, const char *role,
				struct row *row, struct reason *why)
{
	const char *params[] = { role };
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;
	enum status st;

	st = target_postgres_run(
		p, s,
		"SELECT r.oid, r.rolcanlogin, "
		"coalesce(r.rolvaliduntil <= pg_catalog.clock_timestamp(), "
		"false), r.rolvaliduntil FROM pg_catalog.pg_roles r "
		"WHERE r.rolname = $1::pg_catalog.name",
		1, params, &r, sqlstate, why);
	if (st == STATUS_OK && pg_rows(r) == 0)
		st = reason_set(why, STATUS_NOT_FOUND,
				"cluster %s has no role %s; create it or "
				"correct the configuration",
				p->name, role);
	if (st == STATUS_OK) {
		memset(row, 0, sizeof(*row)); /* not secret */
		row->marker.role_oid =
			(uint32_t)strtoul(pg_value(r, 0, 0), NULL, 10);
		row->can_login = pg_value(r, 0, 1)[0] == 't';
		row->expired = pg_value(r, 0, 2)[0] == 't';
		text_copy(row->valid_until, sizeof(row->valid_until),
			  pg_value(r, 0, 3));
		text_copy(row->kind, sizeof(row->kind), "?");
	}
	pg_result_free(r);
	return st;
}

static enum status read_row(struct target_postgres *p, struct target_session *s,
			    const char *role, struct row *row,
			    struct reason *why)
{
	struct text t = text_make(SQL_MAX);
	const char *params[] = { role };
	char sqlstate[PG_SQLSTATE_SIZE] = "";
	struct pg_result *r = NULL;
	enum status st;

	add_read_sql(&t, s);
	st = text_status(&t);
	if (st == STATUS_OK)
		st = target_postgres_run(p, s, text_str(&t), 1, params, &r,
					 sqlstate, why);
	if (st == STATUS_OK && pg_rows(r) == 0)
		st = not_found(p, s, role, why);
	else if (st == STATUS_OK)
		parse_row(r, row);
	else if (is_missing_table(sqlstate))
		st = look_at_role(p, s, role, row, why);
	/* A read changes nothing, lost or not. */
	if (st == STATUS_UNKNOWN)
		st = STATUS_CLUSTER_UNAVAILABLE;
	pg_result_free(r);
	text_free(&t);
	return st;
}

enum status target_marker_look(struct target *t, struct target_session *s,
			       const char *role, struct target_marker *ret,
			       struct reason *why)
{
	struct row row;
	enum status st = target_postgres_check_name(role, why);

	if (st == STATUS_OK)
		st = read_row(target_postgres_of(t), s, role, &row, why);
	if (st == STATUS_OK)
		*ret = row.marker;
	return st;
}

enum status target_marker_inspect(struct target *t, struct target_session *s,
				  const char *role, struct target_marker *ret,
				  struct reason *why)
{
	struct row row;
	enum status st = target_postgres_check_name(role, why);

	if (st == STATUS_OK)
		st = read_row(target_postgres_of(t), s, role, &row, why);
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
			"role %s looks right; keyturn's admin may not "
			"read pg_authid to see whether its password "
			"was changed by hand",
			role);
	return reason_set(why, STATUS_OK,
			  "role %s looks right: neither expired, NOLOGIN, md5 "
			  "nor changed by hand",
			  role);
}

/* ---- the claim ---- */

/* The row as it was, locked: what RETURNING of an upsert cannot give. */
static void add_lock_sql(struct text *t, const struct target_session *s)
{
	text_printf(t,
		    "SELECT m.epoch FROM %s m JOIN pg_catalog.pg_roles r "
		    "ON r.oid = m.role_oid WHERE r.rolname = "
		    "$1::pg_catalog.name FOR UPDATE OF m",
		    s->marker);
}

static void add_claim_sql(struct text *t, const struct target_session *s)
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
	struct target_postgres *p;
	struct target_session *s;
	const char *role;
	const char *claim;
	bool takeover;
	int64_t floor;
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
static enum status claim_once(struct claiming *c, struct row *row,
			      bool *ret_role, char sqlstate[PG_SQLSTATE_SIZE],
			      struct reason *why)
{
	struct text lock_sql = text_make(SQL_MAX);
	struct text claim_sql = text_make(SQL_MAX);
	struct text read_sql = text_make(SQL_MAX);
	char floor_text[24];
	const char *params[] = { c->role, c->claim, c->s->backend_start,
				 c->evicted ? "t" : "f", floor_text };
	struct pg_statement many[3] = { { NULL, 1, params, NULL },
					{ NULL, 5, params, NULL },
					{ NULL, 1, params, NULL } };
	size_t done = 0, i;
	enum status st;

	sqlstate[0] = '\0';
	snprintf(floor_text, sizeof(floor_text), "%" PRId64, c->floor);
	add_lock_sql(&lock_sql, c->s);
	add_claim_sql(&claim_sql, c->s);
	add_read_sql(&read_sql, c->s);
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
			 c->p->o.statement_timeout_us + TARGET_MARGIN_US, &done,
			 sqlstate, why);
	if (st == STATUS_OK) {
		*ret_role = pg_rows(many[2].result) > 0;
		if (*ret_role)
			parse_row(many[2].result, row);
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
static enum status evict(struct target_postgres *p, struct target_session *s,
			 const char *role, const struct row *holder,
			 struct reason *why)
{
	int64_t until = now_boot(p->o.now) + EVICT_WAIT_US;
	const char *params[] = { holder->holder_pid, holder->holder_start };
	char sqlstate[PG_SQLSTATE_SIZE];
	struct row row;
	enum status st;

	st = target_postgres_run(
		p, s,
		"SELECT pg_catalog.pg_terminate_backend(a.pid) "
		"FROM pg_catalog.pg_stat_activity a WHERE a.pid = $1::int "
		"AND a.backend_start = $2::timestamptz "
		"AND a.pid <> pg_catalog.pg_backend_pid()",
		2, params, NULL, sqlstate, why);
	if (strcmp(sqlstate, "42501") == 0)
		return reason_set(why, STATUS_BUSY,
				  "role %s is claimed by backend %s, which "
				  "keyturn's admin may not end; end it with "
				  "pg_terminate_backend(%s)",
				  role, holder->holder_pid, holder->holder_pid);
	while (st == STATUS_OK && now_boot(p->o.now) < until) {
		st = read_row(p, s, role, &row, why);
		if (st != STATUS_OK || !row.holder_lives)
			break;
		now_sleep(p->o.now, FIRST_SLEEP_US * 2);
	}
	/* Nothing of ours was written yet. */
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

static enum status busy(const struct target_postgres *p, const char *role,
			const struct row *row, struct reason *why)
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
static enum status held(struct claiming *c, const struct row *row,
			struct reason *why)
{
	enum status st;

	target_postgres_sweep(c->p);
	if (!c->takeover && now_boot(c->p->o.now) < c->vanish_until) {
		now_sleep(c->p->o.now, c->sleep_us);
		if (c->sleep_us < LONGEST_SLEEP_US)
			c->sleep_us *= 2;
		return STATUS_OK;
	}
	if (!c->takeover && row->age_us < c->p->o.claim_max_us)
		return busy(c->p, c->role, row, why);
	st = evict(c->p, c->s, c->role, row, why);
	c->evicted = st == STATUS_OK;
	return st;
}

/* The row's lock was not free in time. */
static enum status locked(struct claiming *c, struct reason *why)
{
	struct row row;
	enum status st;

	st = read_row(c->p, c->s, c->role, &row, why);
	if (st != STATUS_OK)
		return st;
	if (row.holder_lives && !c->evicted)
		return held(c, &row, why);
	if (row.holder_lives)
		return reason_set(
			why, STATUS_CLUSTER_UNAVAILABLE,
			"cluster %s: backend %s holds the marker of "
			"role %s, was told to end and does not; it is "
			"stopped or stuck, look at it on the server",
			c->p->name, row.holder_pid, c->role);
	return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
			  "cluster %s: the marker of role %s is locked by "
			  "another transaction; see pg_locks",
			  c->p->name, c->role);
}

/* One round; *ret_done when the claim is ours or the answer is final. */
static enum status claim_round(struct claiming *c, struct row *row,
			       bool *ret_done, struct reason *why)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	bool role = false;
	enum status st;

	st = claim_once(c, row, &role, sqlstate, why);
	*ret_done = true;
	if (st == STATUS_OK && !role)
		return not_found(c->p, c->s, c->role, why);
	if (st == STATUS_OK && strcmp(row->marker.claim, c->claim) == 0)
		return STATUS_OK;
	*ret_done = false;
	if (st == STATUS_OK)
		return held(c, row, why);
	if (strcmp(sqlstate, "55P03") == 0)
		return locked(c, why);
	if ((is_missing_table(sqlstate) || strcmp(sqlstate, "42501") == 0) &&
	    !c->prepared) {
		c->prepared = true;
		return target_marker_prepare(c->p, c->s, why);
	}
	return st;
}

/* May this session claim at all? */
static enum status check_session(struct target_postgres *p,
				 const struct target_session *s,
				 const char *role, const char *claim,
				 struct reason *why)
{
	enum status st = target_postgres_check_name(role, why);

	if (st != STATUS_OK)
		return st;
	if (strlen(claim) != RANDOM_UUID_SIZE - 1)
		return reason_set(why, STATUS_ERROR,
				  "internal error: a claim is a UUID");
	if (s->pooled)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s is reached through a pooler, so "
				  "a claim cannot be bound to a session; name "
				  "the server itself in conninfo",
				  p->name);
	if (s->marker_state == TARGET_MARKER_UNTRUSTED)
		return refuse_untrusted(p, s, why);
	return STATUS_OK;
}

enum status target_marker_claim(struct target *t, struct target_session *s,
				const char *role, const char *claim,
				bool takeover, int64_t floor,
				struct target_marker *ret, struct reason *why)
{
	struct target_postgres *p = target_postgres_of(t);
	struct claiming c = { .p = p,
			      .s = s,
			      .role = role,
			      .claim = claim,
			      .takeover = takeover,
			      .floor = floor,
			      .vanish_until =
				      now_boot(p->o.now) + VANISH_WAIT_US,
			      .sleep_us = FIRST_SLEEP_US };
	enum status st = check_session(p, s, role, claim, why);
	struct row row;
	bool done = false;

	if (st != STATUS_OK)
		return st;
	s->claim[0] = '\0';
	/* A holder to be ended may hold the row's lock: end it first. */
	if (takeover) {
		st = read_row(p, s, role, &row, why);
		if (st == STATUS_OK && row.holder_lives)
			st = held(&c, &row, why);
	}
	while (st == STATUS_OK && !done)
		st = claim_round(&c, &row, &done, why);
	if (st != STATUS_OK)
		return st;
	text_copy(s->claim, sizeof(s->claim), claim);
	text_copy(s->claim_oid, sizeof(s->claim_oid), row.role_oid);
	*ret = row.marker;
	return STATUS_OK;
}

void target_marker_end(struct target_session *s)
{
	struct text t = text_make(SQL_MAX);
	const char *params[] = { s->claim_oid, s->claim };

	if (s->claim[0] == '\0' || !pg_alive(s->pg))
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
