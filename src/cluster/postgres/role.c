/* SPDX-License-Identifier: PostgreSQL */
/*
 * Makes a role for a partner, with what an operator names and nothing else.
 * Must never give it a share of an all-powerful role, nor a password: that comes
 * by a rotation, which stores it first.
 */
#include "cluster/postgres/role.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cluster/postgres/connect.h"

#define SQL_MAX	  8192
#define STEPS_MAX (CLUSTER_GRANTS_MAX + 5)
#define RESERVED(r)                                                          \
	"(" r " LIKE 'pg\\_%' OR EXISTS (SELECT FROM " CLUSTER_SERVICE_ROLES \
	" WHERE " r " LIKE v.name))"

/* Does the role exist, does the group, and is that group, or what it is a member
 * of, more than a partner may have? */
#define FACTS_SQL                                                                                                                \
	"SELECT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname "                                                      \
	"= $1::pg_catalog.name), " RESERVED(                                                                                     \
		"$1::text") ", o.oid IS NOT "                                                                                    \
			    "NULL, " RESERVED(                                                                                   \
				    "$2::text") " OR EXISTS (SELECT FROM "                                                       \
						"pg_catalog.pg_roles p WHERE (p.rolsuper OR p.rolcreaterole OR "                 \
						"p.rolcreatedb OR p.rolreplication OR p.rolbypassrls OR " RESERVED(              \
							"p.rolname") ") AND p.rolname <> 'pg_database_owner' "                   \
								     "AND pg_catalog.pg_has_role(o.oid, p.oid, 'MEMBER')) "      \
								     "FROM (VALUES (1)) one(x) LEFT JOIN pg_catalog.pg_roles o " \
								     "ON o.rolname = $2::pg_catalog.name"

/* Only the extension's own function or a superuser's, not an imitation. */
#define FUNCTION_SQL                                                          \
	"SELECT pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_proc p " \
	"JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace "           \
	"JOIN pg_catalog.pg_roles o ON o.oid = p.proowner "                   \
	"WHERE p.proname = 'databricks_create_role' AND p.pronargs = 2 "      \
	"AND (o.rolsuper OR EXISTS (SELECT FROM pg_catalog.pg_depend d "      \
	"JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid "               \
	"WHERE d.objid = p.oid AND d.deptype = 'e' "                          \
	"AND e.extname = 'databricks_auth'))"

struct making {
	struct cluster_postgres *p;
	struct pg *pg;
	const struct cluster_role_spec *spec;
	struct text sql[STEPS_MAX];
	struct pg_statement steps[STEPS_MAX];
	const char *oauth[2]; /* parameters of databricks_create_role() */
	size_t n, made;	      /* `made`: the step that makes the role */
};

static const struct {
	const char *word, *type;
} kinds[] = {
	[CLUSTER_ROLE_PASSWORD] = { "", "" },
	[CLUSTER_ROLE_SERVICE_PRINCIPAL] = { "service-principal",
					     "SERVICE_PRINCIPAL" },
	[CLUSTER_ROLE_USER] = { "user", "USER" },
	[CLUSTER_ROLE_GROUP] = { "group", "GROUP" },
};

/* Until the role is made, what is lost has changed nothing. */
static enum status run_query(struct making *m, struct pg_query *q,
			     struct reason *why)
{
	enum status st;

	q->timeout_us = m->p->o.statement_timeout_us + CLUSTER_MARGIN_US;
	st = pg_run(m->pg, q, why);
	return st == STATUS_UNKNOWN ? STATUS_CLUSTER_UNAVAILABLE : st;
}

/* A word as a word of its own, whatever its case. */
static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	const char *p;

	for (p = text; *p != '\0'; p++)
		if (strncasecmp(p, word, n) == 0 &&
		    (p == text || isspace((unsigned char)p[-1])) &&
		    isspace((unsigned char)p[n]))
			return true;
	return false;
}

/* "SELECT ON ALL TABLES IN SCHEMA sales": a privilege on something.  A role
 * without ON would be a membership. */
static enum status check_grant(const char *grant, struct reason *why)
{
	if (has_word(grant, "on") && !has_word(grant, "to") &&
	    strpbrk(grant, ";\n") == NULL && strstr(grant, "--") == NULL &&
	    strstr(grant, "/*") == NULL)
		return STATUS_OK;
	return reason_set(why, STATUS_REFUSED,
			  "--grant \"%s\" is not \"PRIVILEGE ON OBJECT\"; for "
			  "a membership there is --owner",
			  grant);
}

static bool is_uuid(const char *s)
{
	size_t i;

	for (i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ?
			    s[i] != '-' :
			    !isxdigit((unsigned char)s[i]))
			return false;
	return s[36] == '\0';
}

static enum status check_spec(const struct cluster_postgres *p,
			      const struct cluster_role_spec *spec,
			      struct reason *why)
{
	enum status st = cluster_postgres_check_name(spec->role, why);
	size_t i;

	if (st == STATUS_OK && spec->owner[0] != '\0')
		st = cluster_postgres_check_name(spec->owner, why);
	if (st == STATUS_OK && p->cluster.self)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s has no administrator (admin = "
				  "self), who could make a role",
				  p->name);
	if (st == STATUS_OK && spec->n_grants > CLUSTER_GRANTS_MAX)
		return reason_set(why, STATUS_REFUSED,
				  "more than %d --grant; grant them to the "
				  "group of --owner",
				  CLUSTER_GRANTS_MAX);
	for (i = 0; i < spec->n_grants && st == STATUS_OK; i++)
		st = check_grant(spec->grants[i], why);
	if (st != STATUS_OK || spec->kind == CLUSTER_ROLE_PASSWORD)
		return st;
	if (p->o.admin != CLUSTER_ADMIN_TOKEN)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s: only an OAuth session makes OAuth "
			"roles; set admin = token:NAME",
			p->name);
	if (spec->kind == CLUSTER_ROLE_SERVICE_PRINCIPAL &&
	    !is_uuid(spec->role))
		return reason_set(why, STATUS_REFUSED,
				  "\"%s\" is not an application id; a service "
				  "principal's role has its UUID as name",
				  spec->role);
	if (spec->kind == CLUSTER_ROLE_USER && strchr(spec->role, '@') == NULL)
		return reason_set(why, STATUS_REFUSED,
				  "\"%s\" is not an e-mail address; a user's "
				  "role has it as name",
				  spec->role);
	return STATUS_OK;
}

static enum status check_facts(struct making *m, struct reason *why)
{
	const struct cluster_role_spec *s = m->spec;
	const char *params[] = { s->role, s->owner };
	struct pg_query q = { .sql = FACTS_SQL,
			      .n_params = 2,
			      .params = params };
	bool exists, reserved, group, powerful;
	enum status st = run_query(m, &q, why);

	if (st != STATUS_OK)
		return st;
	exists = pg_value(q.result, 0, 0)[0] == 't';
	reserved = pg_value(q.result, 0, 1)[0] == 't';
	group = pg_value(q.result, 0, 2)[0] == 't';
	powerful = pg_value(q.result, 0, 3)[0] == 't';
	pg_result_free(q.result);
	if (reserved)
		return reason_set(
			why, STATUS_REFUSED,
			"role %s belongs to PostgreSQL or the service",
			s->role);
	if (exists)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s has a role %s already; keyturn "
				  "rotate or keyturn import takes it over",
				  m->p->name, s->role);
	if (s->owner[0] != '\0' && powerful)
		return reason_set(
			why, STATUS_REFUSED,
			"--owner %s is all-powerful, or a member of a "
			"role that is; a partner gets a group of its "
			"own",
			s->owner);
	if (s->owner[0] != '\0' && !group)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s has no role %s; run CREATE ROLE "
				  "\"%s\" NOLOGIN",
				  m->p->name, s->owner, s->owner);
	return STATUS_OK;
}

/* ---- the statements ---- */

static struct text *add_step(struct making *m)
{
	m->sql[m->n] = text_make(SQL_MAX);
	return &m->sql[m->n++];
}

/* GRANT, then what and a quoted name, to the role. */
static enum status add_grant(struct making *m, const char *what,
			     const char *name, const char *role,
			     struct reason *why)
{
	struct secret *quoted = NULL;
	enum status st = pg_quote_identifier(m->pg, name, &quoted, why);

	if (st == STATUS_OK)
		text_printf(add_step(m), "GRANT %s%s TO %s", what,
			    secret_bytes(quoted), role);
	secret_free(quoted);
	return st;
}

static enum status add_grants(struct making *m, const char *role,
			      struct reason *why)
{
	const struct cluster_role_spec *s = m->spec;
	enum status st = STATUS_OK;

	if (s->owner[0] != '\0')
		st = add_grant(m, "", s->owner, role, why);
	if (st == STATUS_OK && s->database[0] != '\0')
		st = add_grant(m, "CONNECT ON DATABASE ", s->database, role,
			       why);
	for (size_t i = 0; i < s->n_grants && st == STATUS_OK; i++)
		text_printf(add_step(m), "GRANT %s TO %s", s->grants[i], role);
	return st;
}

/* Where the service's function is; schema stays "" when it is nowhere. */
static enum status find_function(struct making *m, char schema[160],
				 struct reason *why)
{
	struct pg_query q = { .sql = FUNCTION_SQL };
	enum status st = run_query(m, &q, why);

	if (st == STATUS_OK && pg_rows(q.result) == 1)
		text_copy(schema, 160, pg_value(q.result, 0, 0));
	pg_result_free(q.result);
	return st;
}

/* As find_function(); it is made available when it is not. */
static enum status need_function(struct making *m, char schema[160],
				 struct reason *why)
{
	struct pg_query q = { .sql = "CREATE EXTENSION IF NOT EXISTS "
				     "databricks_auth SCHEMA public" };
	enum status st;

	schema[0] = '\0';
	st = find_function(m, schema, why);
	if (st == STATUS_OK && schema[0] == '\0') {
		st = run_query(m, &q, why);
		pg_result_free(q.result);
		if (st == STATUS_OK)
			st = find_function(m, schema, why);
	}
	if ((st == STATUS_OK && schema[0] == '\0') || st == STATUS_REFUSED)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s has no databricks_create_role() "
				  "in this database; run CREATE EXTENSION "
				  "databricks_auth as somebody who may",
				  m->p->name);
	return st;
}

static enum status list_steps(struct making *m, struct reason *why)
{
	char schema[160];
	struct secret *role = NULL;
	enum status st = pg_quote_identifier(m->pg, m->spec->role, &role, why);
	size_t i;

	if (st == STATUS_OK && m->spec->kind != CLUSTER_ROLE_PASSWORD)
		st = need_function(m, schema, why);
	if (st != STATUS_OK)
		goto out;
	text_add(add_step(m), "BEGIN");
	m->made = m->n;
	if (m->spec->kind == CLUSTER_ROLE_PASSWORD)
		text_printf(add_step(m), "CREATE ROLE %s LOGIN",
			    secret_bytes(role));
	else
		text_printf(add_step(m),
			    "SELECT %s.databricks_create_role($1, $2)", schema);
	st = add_grants(m, secret_bytes(role), why);
	text_add(add_step(m), "COMMIT");
	for (i = 0; i < m->n && st == STATUS_OK; i++) {
		st = text_status(&m->sql[i]);
		m->steps[i] = (struct pg_statement){ text_str(&m->sql[i]), 0,
						     NULL, NULL };
	}
	if (m->spec->kind != CLUSTER_ROLE_PASSWORD) {
		m->oauth[0] = m->spec->role;
		m->oauth[1] = kinds[m->spec->kind].type;
		m->steps[m->made].n_params = 2;
		m->steps[m->made].params = m->oauth;
	}
out:
	secret_free(role);
	return st;
}

/* Which step the server did not like. */
static enum status explain_step(const struct making *m, size_t done,
				const char *sqlstate, enum status st,
				struct reason *why)
{
	/* All of it is one batch: with the session lost, no step is known. */
	if (st == STATUS_UNKNOWN || done >= m->n - 1)
		return reason_set(why, STATUS_UNKNOWN,
				  "cluster %s: whether role %s was made is not "
				  "known; keyturn check tells",
				  m->p->name, m->spec->role);
	if (done == m->made && m->spec->kind != CLUSTER_ROLE_PASSWORD)
		return reason_set(
			why, st,
			"cluster %s: databricks_create_role() refuses "
			"the %s %s (SQLSTATE %s); it wants an identity "
			"of the workspace and an admin with CREATEROLE",
			m->p->name, kinds[m->spec->kind].word, m->spec->role,
			sqlstate);
	return reason_set(
		why, st,
		"cluster %s refuses \"%s\" (SQLSTATE %s); nothing was "
		"made",
		m->p->name, text_str(&m->sql[done]), sqlstate);
}

static enum status run_steps(struct making *m, struct reason *why)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	size_t done = 0, i;
	enum status st;

	st = pg_run_many(m->pg, m->steps, m->n,
			 m->p->o.statement_timeout_us + CLUSTER_MARGIN_US,
			 &done, sqlstate, why);
	for (i = 0; i < m->n; i++)
		pg_result_free(m->steps[i].result);
	return st == STATUS_OK ? st : explain_step(m, done, sqlstate, st, why);
}

enum status cluster_postgres_role_create(struct cluster *t,
					 const struct cluster_role_spec *spec,
					 struct reason *why)
{
	struct making m = { .p = cluster_postgres_of(t), .spec = spec };
	enum status st = check_spec(m.p, spec, why);
	size_t i;

	if (st == STATUS_OK)
		st = cluster_postgres_connect(
			m.p, spec->database[0] != '\0' ? spec->database : NULL,
			&m.pg, why);
	if (st == STATUS_OK)
		st = check_facts(&m, why);
	if (st == STATUS_OK)
		st = list_steps(&m, why);
	if (st == STATUS_OK)
		st = run_steps(&m, why);
	for (i = 0; i < m.n; i++)
		text_free(&m.sql[i]);
	pg_close(m.pg);
	return st;
}
