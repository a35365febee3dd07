/* SPDX-License-Identifier: PostgreSQL */
/*
 * The marker table: made when it is not there.  Must never use one in which
 * somebody else's code could run.
 */
#include "target/target_marker_internal.h"

#include <string.h>

/* Serialises creation of the table; any number that nobody else uses. */
#define PREPARE_LOCK "2042914391827361104"

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

enum status target_marker_prepare_untrusted(const struct target_postgres *p,
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
	struct text t = text_make(TARGET_MARKER_SQL_MAX);
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
	const char *params[] = { s->schema };
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
		st = target_marker_prepare_untrusted(p, s, why);
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
