/* SPDX-License-Identifier: PostgreSQL */
/*
 * The statements of an apply beside the fence.  Must never put a password, or a
 * verifier, anywhere but into a secret.
 */
#include "cluster/postgres/apply_change.h"

#include <string.h>

#include "base/encode.h"
#include "crypto/scram.h"

/* The verifier, and its hash as the fingerprint. */
static enum status make_verifier(struct change *c, struct secret **ret,
				 struct reason *why)
{
	unsigned char salt[SCRAM_SALT_SIZE], hash[DIGEST_SIZE];
	enum status st = scram_salt(c->c->version, salt);

	if (st == STATUS_OK)
		st = scram_verifier(c->c->password, salt, sizeof(salt),
				    c->s->iterations, ret, why);
	if (st == STATUS_OK)
		st = digest_sha256(secret_bytes(*ret), secret_len(*ret), NULL,
				   0, hash);
	if (st == STATUS_OK)
		encode_hex(hash, sizeof(hash), c->fingerprint);
	return st;
}

/* What follows the name. */
static const char *options(const struct change *c)
{
	switch (c->c->kind) {
	case CLUSTER_CHANGE_PASSWORD:
		if (c->plain) /* the function sets it */
			return " LOGIN";
		return c->c->member != NULL ? " LOGIN PASSWORD " : " PASSWORD ";
	case CLUSTER_CHANGE_REVERT:
		return " LOGIN";
	case CLUSTER_CHANGE_NOLOGIN:
		return c->c->password != NULL ? " PASSWORD " : " NOLOGIN";
	default: /* CLEAR */
		return c->c->password != NULL ? " PASSWORD " : " PASSWORD NULL";
	}
}

/* ALTER ROLE name options literal, both quoted; the literal may be NULL. */
static enum status join_alter(const struct secret *name, const char *options,
			      const struct secret *literal, struct secret *sql)
{
	enum status st = secret_append(sql, "ALTER ROLE ", 11);

	if (st == STATUS_OK)
		st = secret_append(sql, secret_bytes(name), secret_len(name));
	if (st == STATUS_OK)
		st = secret_append(sql, options, strlen(options));
	if (st == STATUS_OK && literal != NULL)
		st = secret_append(sql, secret_bytes(literal),
				   secret_len(literal));
	return st;
}

enum status cluster_postgres_apply_change_build(struct change *c,
						struct reason *why)
{
	struct secret *verifier = NULL, *name = NULL, *literal = NULL;
	enum status st = STATUS_OK;

	if (c->c->password != NULL && !c->plain)
		st = make_verifier(c, &verifier, why);
	if (st == STATUS_OK)
		st = pg_quote_identifier(c->s->pg, c->login, &name, why);
	if (st == STATUS_OK && verifier != NULL)
		st = pg_quote_literal(c->s->pg, verifier, &literal, why);
	if (st == STATUS_OK)
		st = secret_new(CLUSTER_APPLY_SQL_MAX, &c->alter);
	if (st == STATUS_OK)
		st = join_alter(name, options(c), literal, c->alter);
	secret_free(verifier);
	secret_free(name);
	secret_free(literal);
	return st;
}

/* ---- the check ---- */

#define PRINT_SQL                                                    \
	"pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(" \
	"a.rolpassword, 'UTF8')), 'hex')"
#define ACTIVE_SQL "coalesce(m.active_oid, m.role_oid)"

/* Sent in clear: what it was made into is only known now. */
static void add_clear(struct text *t, const struct change *c)
{
	text_printf(t,
		    "WITH u AS (UPDATE %s m SET fingerprint = " PRINT_SQL
		    " FROM pg_catalog.pg_authid a, pg_catalog.pg_roles g "
		    "WHERE m.role_oid = $1::oid AND a.oid = %s "
		    "AND a.rolname = $2::pg_catalog.name AND g.oid = a.oid "
		    "AND g.rolcanlogin IN (true, %s) "
		    "AND a.rolpassword LIKE 'SCRAM-SHA-256$%%' "
		    "AND $3::text IS NULL RETURNING 1) "
		    "SELECT 1 / pg_catalog.count(*) FROM u",
		    c->s->marker,
		    c->c->member != NULL ? ACTIVE_SQL : "m.role_oid",
		    c->c->member != NULL ? "true" : "false");
}

/* Of a member: `g` is who is called so now, `m` the row that the fence wrote. */
static void add_member(struct text *t, const struct change *c)
{
	enum cluster_change_kind kind = c->c->kind;
	bool ends = kind == CLUSTER_CHANGE_NOLOGIN ||
		    kind == CLUSTER_CHANGE_CLEAR;
	bool seals = ends && c->c->password != NULL;

	text_printf(t,
		    "SELECT 1 / pg_catalog.count(*) FROM %s m "
		    "JOIN pg_catalog.pg_roles r ON r.oid = m.role_oid "
		    "JOIN pg_catalog.pg_roles g "
		    "ON g.rolname = $2::pg_catalog.name ",
		    c->s->marker);
	if (c->s->sees_authid)
		text_add(t, "JOIN pg_catalog.pg_authid a ON a.oid = g.oid ");
	text_add(t, "WHERE m.role_oid = $1::oid "
		    "AND ($3::text IS NULL OR true) ");
	text_add(t, !ends ? "AND g.oid = " ACTIVE_SQL
			    " AND r.rolname = m.role_name " :
			    "AND g.oid <> " ACTIVE_SQL " ");
	/* Sealed is who may log in. */
	if (ends && !(seals && kind == CLUSTER_CHANGE_NOLOGIN))
		text_add(t, "AND NOT g.rolcanlogin ");
	if (kind == CLUSTER_CHANGE_PASSWORD || kind == CLUSTER_CHANGE_REVERT)
		text_add(t, "AND g.rolcanlogin ");
	if (!c->s->sees_authid)
		return;
	if (seals && c->plain)
		text_add(t, "AND a.rolpassword LIKE 'SCRAM-SHA-256$%'");
	else if (kind == CLUSTER_CHANGE_PASSWORD || seals)
		text_add(t, "AND " PRINT_SQL " = $3");
	else if (kind == CLUSTER_CHANGE_REVERT)
		text_add(t, "AND " PRINT_SQL " = m.fingerprint");
	else if (kind == CLUSTER_CHANGE_CLEAR)
		text_add(t, "AND a.rolpassword IS NULL");
}

/*
 * After ALTER ROLE the role's tuple is ours, so its name cannot move any more:
 * is it still the role the marker means, and did the server keep exactly what
 * it was given (rotation-safety.md X14)?
 */
void cluster_postgres_apply_change_check(struct text *t, const struct change *c)
{
	if (c->s->sees_authid && c->plain &&
	    c->c->kind == CLUSTER_CHANGE_PASSWORD)
		add_clear(t, c);
	else if (c->c->member != NULL)
		add_member(t, c);
	else if (c->s->sees_authid && c->c->password != NULL)
		text_add(t, "SELECT 1 / pg_catalog.count(*) "
			    "FROM pg_catalog.pg_authid a WHERE a.oid = $1::oid "
			    "AND a.rolname = $2::pg_catalog.name "
			    "AND " PRINT_SQL " = $3");
	else
		text_add(t, "SELECT 1 / pg_catalog.count(*) "
			    "FROM pg_catalog.pg_roles r WHERE r.oid = $1::oid "
			    "AND r.rolname = $2::pg_catalog.name "
			    "AND ($3::text IS NULL OR true)");
}

void cluster_postgres_apply_change_roll_back(struct change *c)
{
	struct pg_query q = { .sql = "ROLLBACK" };

	if (c->rolled_back)
		return;
	c->rolled_back = true;
	if (!pg_alive(c->s->pg) ||
	    cluster_postgres_run(c->p, c->s, &q, NULL) != STATUS_OK)
		c->s->broken = true;
	pg_result_free(q.result);
}
