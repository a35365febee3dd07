/* SPDX-License-Identifier: PostgreSQL */
/*
 * Step S6: the marker's compare-and-swap and ALTER ROLE in one transaction.
 * Must never send COMMIT unless every statement before it succeeded without a
 * notice, and must never call the outcome of a sent COMMIT anything but what
 * the server said.
 *
 * Two round trips: everything but COMMIT, then COMMIT.  So whatever fails in
 * the first one was certainly not applied.
 *
 * A server that takes no verifier says so at the latest in the second one
 * (Neon's kin: XX000 and a sentence), and has changed nothing; with
 * password_send = auto the password then goes in clear (plain.c).
 */
#include "cluster/postgres/apply.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "cluster/postgres/marker.h"
#include "cluster/postgres/plain.h"
#include "crypto/digest.h"
#include "crypto/scram.h"

#define SQL_MAX 4096

/* Statements of the first round trip. */
enum { STEP_BEGIN, STEP_FENCE, STEP_ALTER, STEP_CHECK, STEPS };

struct change {
	struct cluster_postgres *p;
	struct cluster_session *s;
	const struct cluster_change *c;
	struct secret *alter; /* the statement with the verifier */
	bool plain;	      /* it is sent in clear instead */
	char fingerprint[2 * DIGEST_SIZE + 1];
	bool refused_verifier; /* definitely, and nothing was changed */
	bool rolled_back;
	bool alone;  /* committed, and no synchronous standby has it */
	size_t done; /* statements of the first round trip that succeeded */
};

/* A backend that is ended while it waits inside the function logs the statement
 * as CONTEXT.  So it must not wait for locks, nor check whether we are still
 * connected. */
#define CLEAR_SQL                                                          \
	", pg_catalog.set_config('password_encryption', 'scram-sha-256', " \
	"true), pg_catalog.set_config('lock_timeout', '250ms', true), "    \
	"(SELECT pg_catalog.set_config(g.name, '0', true) FROM "           \
	"pg_catalog.pg_settings g WHERE g.name = "                         \
	"'client_connection_check_interval')"

/*
 * After ALTER ROLE the role's tuple is ours, so its name cannot move any more:
 * is it still the role the marker means, and did the server keep exactly what
 * it was given (rotation-safety.md X14)?
 */
static void add_check_sql(struct text *t, const struct change *c)
{
	/* Sent in clear: what it was made into is only known now. */
	if (c->s->sees_authid && c->plain) {
		text_printf(t,
			    "WITH u AS (UPDATE %s m SET fingerprint = "
			    "pg_catalog.encode(pg_catalog.sha256("
			    "pg_catalog.convert_to(a.rolpassword, 'UTF8')), "
			    "'hex') FROM pg_catalog.pg_authid a "
			    "WHERE m.role_oid = a.oid AND a.oid = $1::oid "
			    "AND a.rolname = $2::pg_catalog.name "
			    "AND a.rolpassword LIKE 'SCRAM-SHA-256$%%' "
			    "AND $3::text IS NULL RETURNING 1) "
			    "SELECT 1 / pg_catalog.count(*) FROM u",
			    c->s->marker);
		return;
	}
	if (c->s->sees_authid && c->alter != NULL)
		text_add(t, "SELECT 1 / pg_catalog.count(*) "
			    "FROM pg_catalog.pg_authid a WHERE a.oid = $1::oid "
			    "AND a.rolname = $2::pg_catalog.name "
			    "AND pg_catalog.encode(pg_catalog.sha256("
			    "pg_catalog.convert_to(a.rolpassword, 'UTF8')), "
			    "'hex') = $3");
	else
		text_add(t, "SELECT 1 / pg_catalog.count(*) "
			    "FROM pg_catalog.pg_roles r WHERE r.oid = $1::oid "
			    "AND r.rolname = $2::pg_catalog.name "
			    "AND ($3::text IS NULL OR true)");
}

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

/* ALTER ROLE name PASSWORD literal, both quoted. */
static enum status join_alter(const struct secret *name,
			      const struct secret *literal, struct secret *sql)
{
	const struct {
		const char *bytes;
		size_t n;
	} parts[] = {
		{ "ALTER ROLE ", 11 },
		{ secret_bytes(name), secret_len(name) },
		{ " PASSWORD ", 10 },
		{ secret_bytes(literal), secret_len(literal) },
	};
	enum status st = STATUS_OK;

	for (size_t i = 0; i < 4 && st == STATUS_OK; i++)
		st = secret_append(sql, parts[i].bytes, parts[i].n);
	return st;
}

static enum status build_alter(struct change *c, struct reason *why)
{
	struct secret *verifier = NULL, *name = NULL, *literal = NULL;
	enum status st = make_verifier(c, &verifier, why);

	if (st == STATUS_OK)
		st = pg_quote_identifier(c->s->pg, c->c->role, &name, why);
	if (st == STATUS_OK)
		st = pg_quote_literal(c->s->pg, verifier, &literal, why);
	if (st == STATUS_OK)
		st = secret_new(SQL_MAX, &c->alter);
	if (st == STATUS_OK)
		st = join_alter(name, literal, c->alter);
	secret_free(verifier);
	secret_free(name);
	secret_free(literal);
	return st;
}

static void roll_back(struct change *c)
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

/* Does the server refuse this password, as opposed to this change? */
static bool rejects_password(const char *sqlstate)
{
	/* passwordcheck and most hooks: 22023; credcheck: 28000; a hook in a
	 * procedural language: P0001. */
	return strncmp(sqlstate, "22", 2) == 0 ||
	       strncmp(sqlstate, "28", 2) == 0 ||
	       strcmp(sqlstate, "P0001") == 0;
}

/* What is to be done about a server that takes no verifier. */
static enum status wants_plain(const struct change *c, struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "cluster %s takes no SCRAM verifier for role %s, "
			  "only passwords in clear; set password_send = auto "
			  "in [cluster %s] (or allow encrypted passwords "
			  "there: credcheck.encrypted_password_allowed)",
			  c->p->name, c->c->role, c->p->name);
}

static enum status explain_alter(struct change *c, enum status st,
				 const char *sqlstate, struct reason *why)
{
	const char *name = c->p->name;

	c->refused_verifier = !c->plain &&
			      (strcmp(sqlstate, "0A000") == 0 ||
			       pg_hint(c->s->pg) == PG_HINT_WANTS_PLAINTEXT);
	if (c->refused_verifier)
		return wants_plain(c, why);
	/* Another password would not help: it is the statement. */
	if (pg_hint(c->s->pg) == PG_HINT_WANTS_VALID_UNTIL ||
	    strcmp(sqlstate, CLUSTER_PLAIN_VALID_UNTIL) == 0)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s demands VALID UNTIL with each new "
			"password (credcheck), and keyturn moves no "
			"role's date; as a superuser run ALTER ROLE "
			"... SET credcheck.password_valid_until = 0, "
			"and credcheck.password_valid_max = 0, for "
			"keyturn's admin",
			name);
	if (rejects_password(sqlstate))
		return reason_set(why, STATUS_REJECTED,
				  "cluster %s rejects the password made for "
				  "role %s (SQLSTATE %s); see its password "
				  "rules (passwordcheck, credcheck) and the "
				  "policy",
				  name, c->c->role, sqlstate);
	if (strcmp(sqlstate, "42704") == 0)
		return reason_set(why, STATUS_NOT_FOUND,
				  "cluster %s: role %s was dropped or renamed "
				  "while it was being rotated; nothing was "
				  "changed",
				  name, c->c->role);
	if (strcmp(sqlstate, "42501") == 0)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s: keyturn's admin may not change "
				  "the password of role %s; keyturn check says "
				  "which right is missing (on RDS it may be "
				  "rds_password)",
				  name, c->c->role);
	return reason_wrap(why, st, "cluster %s, role %s, ALTER ROLE", name,
			   c->c->role);
}

/* The check after ALTER ROLE found another role or another password. */
static enum status explain_check(struct change *c, struct reason *why)
{
	const char *params[] = { c->s->claim_oid, c->c->role };
	struct pg_query q = {
		.sql = "SELECT FROM pg_catalog.pg_roles r WHERE r.oid = $1::oid "
		       "AND r.rolname = $2::pg_catalog.name",
		.n_params = 2,
		.params = params
	};
	enum status st;
	bool same;

	/* Nothing is answered inside a transaction that has failed. */
	roll_back(c);
	st = cluster_postgres_run(c->p, c->s, &q, NULL);
	if (st != STATUS_OK)
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "cluster %s: the change of role %s failed "
				  "its check, and why could not be asked; "
				  "nothing was changed",
				  c->p->name, c->c->role);
	same = pg_rows(q.result) == 1;
	pg_result_free(q.result);
	if (same)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s did not store the verifier of "
			"role %s as it was sent; an extension changes "
			"passwords",
			c->p->name, c->c->role);
	return reason_set(why, STATUS_NOT_FOUND,
			  "cluster %s: role %s was dropped, renamed or "
			  "replaced while it was being rotated; nothing was "
			  "changed",
			  c->p->name, c->c->role);
}

static enum status explain_first(struct change *c, enum status st,
				 const char *sqlstate, struct reason *why)
{
	bool nothing_hit = strcmp(sqlstate, "22012") == 0;

	if (c->done == STEP_FENCE && nothing_hit)
		return reason_set(why, STATUS_CONFLICT,
				  "cluster %s: another claim is in the marker "
				  "of role %s; nothing was changed",
				  c->p->name, c->c->role);
	if (c->done == STEP_ALTER && c->c->password != NULL)
		return explain_alter(c, st, sqlstate, why);
	/* Without a password the check takes ALTER ROLE's place. */
	if ((c->done == STEP_CHECK || c->done == STEP_ALTER) && nothing_hit)
		return explain_check(c, why);
	return reason_wrap(why, st, "cluster %s, role %s, apply", c->p->name,
			   c->c->role);
}

/* What the function that sends in clear says: "" or a SQLSTATE. */
static enum status read_wrapper(struct change *c, const struct pg_result *r,
				struct reason *why)
{
	const char *said = pg_rows(r) == 1 ? pg_value(r, 0, 0) : "XX000";
	enum status st = STATUS_REFUSED;

	if (said[0] == '\0')
		return STATUS_OK;
	/* The answer may be anything; only a code gets into a sentence. */
	if (strlen(said) != 5 ||
	    strspn(said, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5)
		said = "XX000";
	if (pg_classify(said) == PG_CLASS_TRANSIENT)
		st = STATUS_CLUSTER_UNAVAILABLE;
	reason_set(why, st, "the server refused a statement (SQLSTATE %s)",
		   said);
	return explain_alter(c, st, said, why);
}

static size_t list_statements(const struct change *c, const char *fence,
			      const char *check,
			      const char *const *fence_params,
			      const char *const *check_params,
			      const char *const *plain_params,
			      struct pg_statement many[STEPS])
{
	size_t n = 0;

	many[n++] = (struct pg_statement){
		"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE", 0, NULL, NULL
	};
	many[n++] = (struct pg_statement){ fence, 7, fence_params, NULL };
	if (c->plain)
		many[n++] = (struct pg_statement){ CLUSTER_PLAIN_CALL, 2,
						   plain_params, NULL };
	else if (c->alter != NULL)
		many[n++] = (struct pg_statement){ secret_bytes(c->alter), 0,
						   NULL, NULL };
	many[n++] = (struct pg_statement){ check, 3, check_params, NULL };
	return n;
}

/* BEGIN, fence, ALTER ROLE, check: nothing of it lasts without COMMIT. */
static enum status first_trip(struct change *c, struct reason *why)
{
	struct cluster_session *s = c->s;
	struct text fence = text_make(SQL_MAX), check = text_make(SQL_MAX);
	const char *print = c->alter != NULL ? c->fingerprint : NULL;
	const char *fence_params[] = { s->claim_oid,  c->c->claim,
				       c->c->version, print,
				       c->c->role,    s->sync_commit,
				       s->branch };
	const char *check_params[] = { s->claim_oid, c->c->role, print };
	const char *plain_params[] = { c->c->role,
				       c->plain ? secret_bytes(c->c->password) :
						  NULL };
	struct pg_statement many[STEPS];
	size_t n, i;
	unsigned notices = pg_notices(s->pg);
	char sqlstate[PG_SQLSTATE_SIZE];
	enum status st, said = STATUS_OK;

	c->p->marker->add_fence(&fence, s, c->plain ? CLEAR_SQL : "");
	add_check_sql(&check, c);
	st = text_status(&fence);
	if (st == STATUS_OK)
		st = text_status(&check);
	if (st != STATUS_OK)
		goto out;
	n = list_statements(c, text_str(&fence), text_str(&check), fence_params,
			    check_params, plain_params, many);
	st = pg_run_many(s->pg, many, n,
			 c->p->o.statement_timeout_us + CLUSTER_MARGIN_US,
			 &c->done, sqlstate, why);
	/* The function's word comes first: a check that failed after it may
	 * have failed because of it. */
	if (c->plain && many[STEP_ALTER].result != NULL)
		said = read_wrapper(c, many[STEP_ALTER].result, why);
	if (said != STATUS_OK) {
		st = said;
	} else if (st != STATUS_OK) {
		st = explain_first(c, st, sqlstate, why);
	} else if (pg_notices(s->pg) != notices) {
		st = reason_set(why, STATUS_REFUSED,
				"cluster %s gave a notice instead of plainly "
				"taking the password of role %s; it was rolled "
				"back, the server's log has the text",
				c->p->name, c->c->role);
	}
	for (i = 0; i < n; i++)
		pg_result_free(many[i].result);
	if (st != STATUS_OK)
		roll_back(c);
out:
	text_free(&fence);
	text_free(&check);
	return st;
}

static enum status send_commit(struct change *c, struct reason *why)
{
	struct pg_query q = { .sql = "COMMIT" };
	unsigned notices = pg_notices(c->s->pg);
	bool committed;
	enum status st;

	st = cluster_postgres_run(c->p, c->s, &q, why);
	committed = st == STATUS_OK && strcmp(pg_tag(q.result), "COMMIT") == 0;
	pg_result_free(q.result);
	/* A wait that was cut short (statement_timeout) is a warning: what is
	 * committed cannot be taken back. */
	c->alone = committed && pg_notices(c->s->pg) != notices;
	if (committed)
		return STATUS_OK;
	if (st == STATUS_OK)
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "cluster %s rolled the change of role %s "
				  "back; nothing was changed",
				  c->p->name, c->c->role);
	if (!pg_alive(c->s->pg))
		c->s->broken = true;
	if (!c->plain && c->alter != NULL &&
	    pg_hint(c->s->pg) == PG_HINT_WANTS_PLAINTEXT) {
		c->refused_verifier = true;
		return wants_plain(c, why);
	}
	/* Serialization and constraints are decided before anything lasts, and
	 * without an SQLSTATE in a living session nothing was sent.  All else
	 * may come after the change took hold (X13: Neon's XX000). */
	if (!c->plain && (strncmp(q.sqlstate, "40", 2) == 0 ||
			  strncmp(q.sqlstate, "23", 2) == 0))
		return STATUS_CLUSTER_UNAVAILABLE;
	if (st == STATUS_CLUSTER_UNAVAILABLE && q.sqlstate[0] == '\0')
		return st;
	if (q.sqlstate[0] != '\0')
		return reason_set(why, STATUS_UNKNOWN,
				  "cluster %s failed the commit of role %s's "
				  "new password (SQLSTATE %s) and may have "
				  "kept it all the same; it stays staged, and "
				  "is applied again",
				  c->p->name, c->c->role, q.sqlstate);
	return reason_set(why, STATUS_UNKNOWN,
			  "cluster %s: whether the new password of role %s was "
			  "committed is not known; the marker will tell",
			  c->p->name, c->c->role);
}

/* One transaction, with the verifier or in clear. */
static enum status run_change(struct change *c, struct reason *why)
{
	enum status st = STATUS_OK;

	c->rolled_back = false;
	if (c->plain)
		st = cluster_postgres_plain_ready(c->p, c->s, why);
	else if (c->c->password != NULL)
		st = build_alter(c, why);
	if (st == STATUS_OK)
		st = first_trip(c, why);
	if (st == STATUS_OK)
		st = send_commit(c, why);
	return st;
}

enum status cluster_postgres_apply(struct cluster *t, struct cluster_session *s,
				   const struct cluster_change *wanted,
				   bool *ret_alone, struct reason *why)
{
	struct change c = { .p = cluster_postgres_of(t), .s = s, .c = wanted };
	enum status st = cluster_postgres_check_name(wanted->role, why);

	if (st != STATUS_OK)
		return st;
	/* A claim is bound to the session that made it (finding 3). */
	if (s->claim[0] == '\0' || strcmp(s->claim, wanted->claim) != 0)
		return reason_set(why, STATUS_CONFLICT,
				  "cluster %s: this session does not hold the "
				  "claim on role %s; nothing was changed",
				  c.p->name, wanted->role);
	c.plain = wanted->password != NULL &&
		  cluster_postgres_plain_wanted(c.p);
	st = run_change(&c, why);
	secret_free(c.alter);
	c.alter = NULL;
	if (c.refused_verifier && c.p->o.send == CLUSTER_SEND_AUTO) {
		cluster_postgres_plain_note(c.p);
		c.plain = true;
		st = run_change(&c, why);
	}
	if (st == STATUS_OK) {
		text_copy(s->live, sizeof(s->live), wanted->version);
		*ret_alone = c.alone;
	}
	if (st == STATUS_OK && c.plain)
		reason_set(why, STATUS_OK,
			   "the new password is live; it was sent in clear "
			   "inside verified TLS, to a server that takes no "
			   "verifier and logs no parameters");
	else if (st == STATUS_OK && c.alone)
		reason_set(why, STATUS_OK,
			   "the new password is live on this server; no "
			   "synchronous standby has confirmed it within "
			   "statement_timeout");
	else if (st == STATUS_OK)
		reason_clear(why);
	return st;
}
