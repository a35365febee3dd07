/* SPDX-License-Identifier: PostgreSQL */
/*
 * Creates the marker table when it is missing.  Must never use a table in which
 * code of others could run.
 */
#include "cluster/postgres/marker_prepare.h"

#include <stdio.h>
#include <string.h>

/* Serialises creation of the table; an arbitrary number. */
#define PREPARE_LOCK "2042914391827361104"

/* Why the admin cannot have the table, as the SQL that mends it. */
static enum status refuse_prepare(const struct cluster_postgres *p,
				  const struct cluster_session *s,
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

void cluster_postgres_marker_prepare_note(struct cluster_session *s,
					  const char *state)
{
	s->marker_fault[0] = '\0';
	if (strcmp(state, "ready") == 0) {
		s->marker_state = CLUSTER_MARKER_READY;
	} else if (state[0] == '\0' || strcmp(state, "missing") == 0) {
		s->marker_state = CLUSTER_MARKER_MISSING;
	} else {
		s->marker_state = CLUSTER_MARKER_UNTRUSTED;
		/* A word and a name of 63 bytes fit. */
		(void)text_copy(s->marker_fault, sizeof(s->marker_fault),
				state);
	}
}

void cluster_postgres_marker_prepare_fault(const struct cluster_session *s,
					   char *ret, size_t size)
{
	const char *m = s->marker, *blank = strchr(s->marker_fault, ' ');
	const char *name = blank != NULL ? blank + 1 : "";
	const char *quote = strcmp(name, "PUBLIC") == 0 ? "" : "\"";
	int n = (int)(strrchr(m, '.') - m); /* of the schema */

	switch (s->marker_fault[0]) {
	case 'o': /* owner */
		snprintf(ret, size,
			 "%s or its schema belongs to role %s, with which "
			 "others could run their own code in it; make "
			 "keyturn's admin the owner of both (ALTER ... OWNER "
			 "TO), or choose another marker_schema",
			 m, name);
		return;
	case 'c': /* create */
		snprintf(ret, size,
			 "others than keyturn's admin may create objects "
			 "beside %s; run REVOKE ALL ON SCHEMA %.*s FROM "
			 "%s%s%s",
			 m, n, m, quote, name, quote);
		return;
	case 'g': /* grant */
		snprintf(ret, size,
			 "others than keyturn's admin have rights on %s; run "
			 "REVOKE ALL ON %s FROM %s%s%s",
			 m, m, quote, name, quote);
		return;
	case 't': /* trigger */
		snprintf(ret, size,
			 "%s has a trigger, which would run as keyturn's "
			 "admin; see what it has done, and run DROP TRIGGER "
			 "\"%s\" ON %s",
			 m, name, m);
		return;
	case 'r': /* rule */
		snprintf(ret, size,
			 "%s has a rule, which would run as keyturn's admin; "
			 "see what it has done, and run DROP RULE \"%s\" ON %s",
			 m, name, m);
		return;
	case 'p': /* policy */
		snprintf(ret, size,
			 "%s has row level security, whose policies would run "
			 "as keyturn's admin; run ALTER TABLE %s DISABLE ROW "
			 "LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
			 m, m);
		return;
	default: /* kind, shape */
		snprintf(ret, size,
			 "%s is not a table as keyturn makes it, so "
			 "somebody's code could run in it; rename or drop it, "
			 "and keyturn makes its own",
			 m);
	}
}

enum status cluster_postgres_marker_prepare_untrusted(
	const struct cluster_postgres *p, const struct cluster_session *s,
	struct reason *why)
{
	char fault[CLUSTER_SENTENCE_SIZE];

	cluster_postgres_marker_prepare_fault(s, fault, sizeof(fault));
	return reason_set(why, STATUS_REFUSED, "cluster %s: %s", p->name,
			  fault);
}

#define FACTS_SQL                                                        \
	"SELECT current_user, EXISTS (SELECT FROM "                      \
	"pg_catalog.pg_namespace s WHERE s.nspname = "                   \
	"$1::pg_catalog.name), " CLUSTER_MARKER_STATE_SQL ", "           \
	"coalesce((SELECT pg_catalog.has_table_privilege(c.oid, "        \
	"'SELECT') AND pg_catalog.has_table_privilege(c.oid, 'INSERT') " \
	"AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') "           \
	"FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON "  \
	"n.oid = c.relnamespace WHERE n.nspname = $1::pg_catalog.name "  \
	"AND c.relname = 'marker'), false)"

#define TABLE_FROM                                                    \
	"pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON "    \
	"n.oid = c.relnamespace WHERE n.nspname = s AND c.relname = " \
	"'marker'"
#define GRANTEE_SQL                                                     \
	"SELECT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE "            \
	"pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee))" \
	" END FROM "

/* Of an event trigger's doing: the new table is not ours. */
#define GIVEN_AWAY "KT001"

/*
 * Only what is missing is created: CREATE SCHEMA IF NOT EXISTS wants the right
 * to create even when there is nothing to do.  Whom the administrator's default
 * privileges give rights loses them in the same transaction: what a partner
 * makes the table run, it runs as the administrator.
 */
#define CREATE_SQL                                                                                \
	"DO $keyturn$ DECLARE g text; s text := "                                                 \
	"pg_catalog.current_setting('keyturn.marker_schema'); BEGIN "                             \
	"PERFORM pg_catalog.pg_advisory_xact_lock(" PREPARE_LOCK "); "                            \
	"IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace n "                                   \
	"WHERE n.nspname = s) THEN "                                                              \
	"EXECUTE pg_catalog.format('CREATE SCHEMA %I', s); "                                      \
	"FOR g IN " GRANTEE_SQL "pg_catalog.pg_namespace n, "                                     \
	"pg_catalog.aclexplode(n.nspacl) a WHERE n.nspname = s "                                  \
	"AND a.grantee <> n.nspowner LOOP EXECUTE pg_catalog.format("                             \
	"'REVOKE ALL ON SCHEMA %I FROM %s', s, g); END LOOP; END IF; "                            \
	"EXECUTE pg_catalog.format('CREATE TABLE IF NOT EXISTS %I.marker ("                       \
	"role_oid oid PRIMARY KEY, role_name name NOT NULL, "                                     \
	"live_version uuid, claim uuid, "                                                         \
	"epoch bigint NOT NULL DEFAULT 0, claim_pid int, "                                        \
	"claim_backend_start timestamptz, claimed_at timestamptz, "                               \
	"applied_at timestamptz, fingerprint text, branch text, " CLUSTER_MARKER_PAIR_SQL(        \
		"") ")', s); "                                                                    \
		    "IF NOT (SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') FROM " TABLE_FROM \
		    ") THEN RAISE EXCEPTION USING ERRCODE = '" GIVEN_AWAY                         \
		    "'; END IF; "                                                                 \
		    "FOR g IN " GRANTEE_SQL                                                       \
		    "pg_catalog.aclexplode((SELECT c.relacl "                                     \
		    "FROM " TABLE_FROM                                                            \
		    ")) a WHERE a.grantee <> (SELECT c.relowner FROM " TABLE_FROM                 \
		    ") LOOP EXECUTE pg_catalog.format("                                           \
		    "'REVOKE ALL ON TABLE %I.marker FROM %s', s, g); END LOOP; "                  \
		    "END $keyturn$"

#define WIDEN_SQL                                                                    \
	"DO $keyturn$ DECLARE s text := "                                            \
	"pg_catalog.current_setting('keyturn.marker_schema'); BEGIN "                \
	"PERFORM pg_catalog.pg_advisory_xact_lock(" PREPARE_LOCK "); "               \
	"EXECUTE pg_catalog.format('ALTER TABLE %I.marker " CLUSTER_MARKER_PAIR_SQL( \
		"ADD COLUMN IF NOT EXISTS ") "', s); "                               \
					     "END $keyturn$"

static enum status run_block(struct cluster_postgres *p,
			     struct cluster_session *s, const char *block,
			     char sqlstate[PG_SQLSTATE_SIZE],
			     struct reason *why)
{
	const char *params[] = { s->schema };
	/* DO takes no parameter, so the name comes as a setting.  Without BEGIN
	 * both are one transaction, and none is left open. */
	struct pg_statement many[] = {
		{ "SELECT pg_catalog.set_config('keyturn.marker_schema', $1, "
		  "true)",
		  1, params, NULL },
		{ block, 0, NULL, NULL },
	};
	size_t done;
	enum status st;

	st = pg_run_many(s->pg, many, 2,
			 p->o.statement_timeout_us + CLUSTER_MARGIN_US, &done,
			 sqlstate, why);
	pg_result_free(many[0].result);
	pg_result_free(many[1].result);
	return st;
}

/* An event trigger gave the table away, and could do so again: which one? */
static enum status refuse_given_away(struct cluster_postgres *p,
				     struct cluster_session *s,
				     struct reason *why)
{
	struct pg_query q = {
		.sql = "SELECT pg_catalog.string_agg(pg_catalog.quote_ident("
		       "e.evtname), ', ') FROM pg_catalog.pg_event_trigger e WHERE "
		       "e.evtevent = 'ddl_command_end' AND e.evtenabled <> 'D'"
	};
	const char *name = "...";

	(void)cluster_postgres_run(p, s, &q, NULL);
	if (pg_rows(q.result) == 1 && !pg_is_null(q.result, 0, 0))
		name = pg_value(q.result, 0, 0);
	reason_set(why, STATUS_REFUSED,
		   "cluster %s: an event trigger (%s) gives tables that "
		   "keyturn's admin makes to another role, and %s must be its "
		   "own; as a superuser run ALTER EVENT TRIGGER ... DISABLE, "
		   "let keyturn make the table, and enable it again",
		   p->name, name, s->marker);
	pg_result_free(q.result);
	return STATUS_REFUSED;
}

static enum status create_table(struct cluster_postgres *p,
				struct cluster_session *s, const char *user,
				bool schema, struct reason *why)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	enum status st = run_block(p, s, CREATE_SQL, sqlstate, why);

	if (st == STATUS_OK)
		return st;
	if (strcmp(sqlstate, GIVEN_AWAY) == 0)
		return refuse_given_away(p, s, why);
	if (strcmp(sqlstate, "42501") == 0)
		return refuse_prepare(p, s, user, schema, false, why);
	return reason_wrap(why, st, "cluster %s, creating %s", p->name,
			   s->marker);
}

/* Look, and make what is missing, once: *ret_made then says to look again. */
static enum status look_or_make(struct cluster_postgres *p,
				struct cluster_session *s, bool *ret_made,
				struct reason *why)
{
	const char *params[] = { s->schema };
	struct pg_query q = { .sql = FACTS_SQL,
			      .n_params = 1,
			      .params = params };
	enum status st;

	st = cluster_postgres_run(p, s, &q, why);
	if (st != STATUS_OK)
		return st;
	cluster_postgres_marker_prepare_note(s, pg_value(q.result, 0, 2));
	if (s->marker_state == CLUSTER_MARKER_UNTRUSTED) {
		st = cluster_postgres_marker_prepare_untrusted(p, s, why);
	} else if (s->marker_state == CLUSTER_MARKER_MISSING) {
		st = create_table(p, s, pg_value(q.result, 0, 0),
				  pg_value(q.result, 0, 1)[0] == 't', why);
		*ret_made = true;
	} else if (pg_value(q.result, 0, 3)[0] != 't') {
		st = refuse_prepare(p, s, pg_value(q.result, 0, 0), true, true,
				    why);
	}
	pg_result_free(q.result);
	return st;
}

enum status cluster_postgres_marker_prepare(struct cluster_postgres *p,
					    struct cluster_session *s,
					    struct reason *why)
{
	bool made = false;
	enum status st = look_or_make(p, s, &made, why);

	/* What was made is looked at like what was found. */
	if (st == STATUS_OK && made)
		st = look_or_make(p, s, &made, why);
	return st;
}

enum status cluster_postgres_marker_prepare_widen(struct cluster_postgres *p,
						  struct cluster_session *s,
						  struct reason *why)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	bool made = false;
	enum status st = run_block(p, s, WIDEN_SQL, sqlstate, why);

	if (st != STATUS_OK && strcmp(sqlstate, "42501") == 0)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s: keyturn's admin does not own its "
			"marker table, which lacks columns for pairs; "
			"run as its owner: ALTER TABLE %s " CLUSTER_MARKER_PAIR_SQL(
				"ADD "),
			p->name, s->marker);
	if (st != STATUS_OK)
		return reason_wrap(why, st, "cluster %s, widening %s", p->name,
				   s->marker);
	/* An event trigger may have done more. */
	st = look_or_make(p, s, &made, why);
	s->wide = st == STATUS_OK && !made;
	return st;
}
