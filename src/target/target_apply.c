/* SPDX-License-Identifier: PostgreSQL */
/*
 * Step S6: the marker's compare-and-swap and ALTER ROLE in one transaction.
 * Must never send COMMIT unless every statement before it succeeded without a
 * notice, and must never call the outcome of a sent COMMIT anything but what
 * the server said.
 *
 * Two round trips: everything but COMMIT, then COMMIT.  So whatever fails in
 * the first one was certainly not applied.
 */
#include "target/target_postgres_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/scram.h"

#define SQL_MAX 4096

/* Statements of the first round trip. */
enum { STEP_BEGIN, STEP_FENCE, STEP_ALTER, STEP_CHECK, STEPS };

struct change {
	struct target_postgres *p;
	struct target_session *s;
	const char *role;
	const char *claim;
	const char *version;
	struct secret *alter; /* NULL: only the marker is written */
	char fingerprint[2 * DIGEST_SIZE + 1];
	size_t done; /* statements of the first round trip that succeeded */
};

/* Division by zero stops the batch when no row, or not one row, was hit. */
static void add_fence_sql(struct text *t, const struct target_session *s)
{
	text_printf(t,
		    "WITH u AS (UPDATE %s SET live_version = $3::uuid, "
		    "applied_at = pg_catalog.clock_timestamp(), "
		    "role_name = $5::pg_catalog.name, fingerprint = ",
		    s->marker);
	if (s->sees_authid)
		text_add(t, "coalesce($4, (SELECT pg_catalog.encode("
			    "pg_catalog.sha256(pg_catalog.convert_to("
			    "a.rolpassword, 'UTF8')), 'hex') "
			    "FROM pg_catalog.pg_authid a "
			    "WHERE a.oid = $1::oid)) ");
	else
		text_add(t, "$4 ");
	text_add(t, "WHERE role_oid = $1::oid AND claim = $2::uuid "
		    "RETURNING 1) "
		    "SELECT 1 / pg_catalog.count(*), "
		    "pg_catalog.set_config('synchronous_commit', $6, true) "
		    "FROM u");
}

/*
 * After ALTER ROLE the role's tuple is ours, so its name cannot move any more:
 * is it still the role the marker means, and did the server keep exactly what
 * it was given (rotation-safety.md X14)?
 */
static const char *check_sql(const struct change *c)
{
	if (c->s->sees_authid && c->alter != NULL)
		return "SELECT 1 / pg_catalog.count(*) "
		       "FROM pg_catalog.pg_authid a WHERE a.oid = $1::oid "
		       "AND a.rolname = $2::pg_catalog.name "
		       "AND pg_catalog.encode(pg_catalog.sha256("
		       "pg_catalog.convert_to(a.rolpassword, 'UTF8')), 'hex') "
		       "= $3";
	return "SELECT 1 / pg_catalog.count(*) FROM pg_catalog.pg_roles r "
	       "WHERE r.oid = $1::oid AND r.rolname = $2::pg_catalog.name "
	       "AND ($3::text IS NULL OR true)";
}

/* ALTER ROLE "name" PASSWORD 'verifier', and the verifier's hash. */
static enum status build_alter(struct change *c, const struct secret *password,
			       struct reason *why)
{
	unsigned char salt[SCRAM_SALT_SIZE], hash[DIGEST_SIZE];
	struct secret *verifier = NULL, *name = NULL, *literal = NULL;
	struct secret *sql = NULL;
	enum status st = scram_salt(c->version, salt);

	if (st == STATUS_OK)
		st = scram_verifier(password, salt, sizeof(salt),
				    c->s->iterations, &verifier, why);
	if (st == STATUS_OK)
		st = digest_sha256(secret_bytes(verifier), secret_len(verifier),
				   NULL, 0, hash);
	if (st == STATUS_OK)
		st = pg_quote_identifier(c->s->pg, c->role, &name, why);
	if (st == STATUS_OK)
		st = pg_quote_literal(c->s->pg, verifier, &literal, why);
	if (st == STATUS_OK)
		st = secret_new(SQL_MAX, &sql);
	if (st == STATUS_OK)
		st = secret_append(sql, "ALTER ROLE ", 11);
	if (st == STATUS_OK)
		st = secret_append(sql, secret_bytes(name), secret_len(name));
	if (st == STATUS_OK)
		st = secret_append(sql, " PASSWORD ", 10);
	if (st == STATUS_OK)
		st = secret_append(sql, secret_bytes(literal),
				   secret_len(literal));
	if (st == STATUS_OK) {
		encode_hex(hash, sizeof(hash), c->fingerprint);
		c->alter = sql;
		sql = NULL;
	}
	secret_free(verifier);
	secret_free(name);
	secret_free(literal);
	secret_free(sql);
	return st;
}

static void roll_back(struct change *c)
{
	char sqlstate[PG_SQLSTATE_SIZE];

	if (!pg_alive(c->s->pg) ||
	    target_postgres_run(c->p, c->s, "ROLLBACK", 0, NULL, NULL, sqlstate,
				NULL) != STATUS_OK)
		c->s->broken = true;
}

/* Does the server refuse this password, as opposed to this change? */
static bool rejects_password(const char *sqlstate)
{
	/* passwordcheck and most hooks: 22023; credcheck: 28000; a hook in a
	 * procedural language: P0001. */
	return strncmp(sqlstate, "22", 2) == 0 ||
	       strncmp(sqlstate, "28", 2) == 0 ||
	       strcmp(sqlstate, "P0001") == 0;
}

static enum status explain_alter(const struct change *c, enum status st,
				 const char *sqlstate, struct reason *why)
{
	const char *name = c->p->name;

	if (rejects_password(sqlstate))
		return reason_set(why, STATUS_REJECTED,
				  "cluster %s rejects the password made for "
				  "role %s (SQLSTATE %s); see its password "
				  "rules (passwordcheck, credcheck) and the "
				  "policy",
				  name, c->role, sqlstate);
	if (strcmp(sqlstate, "42704") == 0)
		return reason_set(why, STATUS_NOT_FOUND,
				  "cluster %s: role %s was dropped or renamed "
				  "while it was being rotated; nothing was "
				  "changed",
				  name, c->role);
	if (strcmp(sqlstate, "42501") == 0)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s: keyturn's admin may not change "
				  "the password of role %s; keyturn check says "
				  "which right is missing",
				  name, c->role);
	if (strcmp(sqlstate, "0A000") == 0)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s takes no SCRAM verifier for role "
				  "%s; allow encrypted passwords there "
				  "(credcheck.encrypted_password_allowed)",
				  name, c->role);
	return reason_wrap(why, st, "cluster %s, role %s, ALTER ROLE", name,
			   c->role);
}

/* The check after ALTER ROLE found another role or another password. */
static enum status explain_check(struct change *c, struct reason *why)
{
	const char *params[] = { c->s->claim_oid, c->role };
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;
	bool same;

	(void)target_postgres_run(
		c->p, c->s,
		"SELECT FROM pg_catalog.pg_roles r WHERE r.oid = $1::oid "
		"AND r.rolname = $2::pg_catalog.name",
		2, params, &r, sqlstate, NULL);
	same = pg_rows(r) == 1;
	pg_result_free(r);
	if (same)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s did not store the verifier of "
			"role %s as it was sent; an extension changes "
			"passwords",
			c->p->name, c->role);
	return reason_set(why, STATUS_NOT_FOUND,
			  "cluster %s: role %s was dropped, renamed or "
			  "replaced while it was being rotated; nothing was "
			  "changed",
			  c->p->name, c->role);
}

static enum status explain_first(struct change *c, enum status st,
				 const char *sqlstate, struct reason *why)
{
	bool nothing_hit = strcmp(sqlstate, "22012") == 0;

	if (c->done == STEP_FENCE && nothing_hit)
		return reason_set(why, STATUS_CONFLICT,
				  "cluster %s: another claim is in the marker "
				  "of role %s; nothing was changed",
				  c->p->name, c->role);
	if (c->done == STEP_ALTER && c->alter != NULL)
		return explain_alter(c, st, sqlstate, why);
	/* Without a password the check takes ALTER ROLE's place. */
	if ((c->done == STEP_CHECK || c->done == STEP_ALTER) && nothing_hit)
		return explain_check(c, why);
	return reason_wrap(why, st, "cluster %s, role %s, apply", c->p->name,
			   c->role);
}

/* BEGIN, fence, ALTER ROLE, check: nothing of it lasts without COMMIT. */
static enum status first_trip(struct change *c, struct reason *why)
{
	struct target_session *s = c->s;
	struct text fence = text_make(SQL_MAX);
	const char *print = c->alter != NULL ? c->fingerprint : NULL;
	const char *fence_params[] = { s->claim_oid, c->claim, c->version,
				       print,	     c->role,  s->sync_commit };
	const char *check_params[] = { s->claim_oid, c->role, print };
	struct pg_statement many[STEPS];
	size_t n = 0, i;
	unsigned notices = pg_notices(s->pg);
	char sqlstate[PG_SQLSTATE_SIZE];
	enum status st;

	add_fence_sql(&fence, s);
	st = text_status(&fence);
	if (st != STATUS_OK)
		goto out;
	many[n++] = (struct pg_statement){
		"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", 0, NULL, NULL
	};
	many[n++] = (struct pg_statement){ text_str(&fence), 6, fence_params,
					   NULL };
	if (c->alter != NULL)
		many[n++] = (struct pg_statement){ secret_bytes(c->alter), 0,
						   NULL, NULL };
	many[n++] =
		(struct pg_statement){ check_sql(c), 3, check_params, NULL };
	st = pg_run_many(s->pg, many, n,
			 c->p->o.statement_timeout_us + TARGET_MARGIN_US,
			 &c->done, sqlstate, why);
	for (i = 0; i < n; i++)
		pg_result_free(many[i].result);
	if (st != STATUS_OK) {
		roll_back(c);
		st = explain_first(c, st, sqlstate, why);
	} else if (pg_notices(s->pg) != notices) {
		roll_back(c);
		st = reason_set(why, STATUS_REFUSED,
				"cluster %s gave a notice instead of plainly "
				"taking the password of role %s; it was rolled "
				"back, the server's log has the text",
				c->p->name, c->role);
	}
out:
	text_free(&fence);
	return st;
}

static enum status commit(struct change *c, struct reason *why)
{
	char sqlstate[PG_SQLSTATE_SIZE];
	struct pg_result *r = NULL;
	bool committed;
	enum status st;

	st = target_postgres_run(c->p, c->s, "COMMIT", 0, NULL, &r, sqlstate,
				 why);
	committed = st == STATUS_OK && strcmp(pg_tag(r), "COMMIT") == 0;
	pg_result_free(r);
	if (committed)
		return STATUS_OK;
	if (st == STATUS_OK)
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "cluster %s rolled the change of role %s "
				  "back; nothing was changed",
				  c->p->name, c->role);
	if (!pg_alive(c->s->pg))
		c->s->broken = true;
	/* Serialization and constraints are decided before anything lasts, and
	 * without an SQLSTATE in a living session nothing was sent.  All else
	 * may come after the change took hold (X13: Neon's XX000). */
	if (strncmp(sqlstate, "40", 2) == 0 || strncmp(sqlstate, "23", 2) == 0)
		return STATUS_CLUSTER_UNAVAILABLE;
	if (st == STATUS_CLUSTER_UNAVAILABLE && sqlstate[0] == '\0')
		return st;
	return reason_set(why, STATUS_UNKNOWN,
			  "cluster %s: whether the new password of role %s was "
			  "committed is not known; the marker will tell",
			  c->p->name, c->role);
}

enum status target_apply(struct target *t, struct target_session *s,
			 const char *role, const char *claim,
			 const char *version, const struct secret *password,
			 struct reason *why)
{
	struct change c = { .p = target_postgres_of(t),
			    .s = s,
			    .role = role,
			    .claim = claim,
			    .version = version };
	enum status st = target_postgres_check_name(role, why);

	if (st != STATUS_OK)
		return st;
	/* The claim is this session's or nobody's (finding 3). */
	if (s->claim[0] == '\0' || strcmp(s->claim, claim) != 0)
		return reason_set(why, STATUS_CONFLICT,
				  "cluster %s: this session does not hold the "
				  "claim on role %s; nothing was changed",
				  c.p->name, role);
	if (password != NULL)
		st = build_alter(&c, password, why);
	if (st == STATUS_OK)
		st = first_trip(&c, why);
	if (st == STATUS_OK)
		st = commit(&c, why);
	secret_free(c.alter);
	return st;
}
