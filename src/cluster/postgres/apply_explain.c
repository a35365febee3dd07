/* SPDX-License-Identifier: PostgreSQL */
/*
 * Says why an apply failed.  Must never pass on what the server said: a text may
 * hold the statement.
 */
#include "cluster/postgres/apply_explain.h"

#include <string.h>

#include "cluster/postgres/marker_fence.h"
#include "cluster/postgres/plain.h"

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
enum status cluster_postgres_apply_explain_verifier(const struct change *c,
						    struct reason *why)
{
	return reason_set(why, STATUS_REFUSED,
			  "cluster %s takes no SCRAM verifier for role %s, "
			  "only passwords in clear; set password_send = auto "
			  "in [cluster %s] (or allow encrypted passwords "
			  "there: credcheck.encrypted_password_allowed)",
			  c->p->name, c->login, c->p->name);
}

enum status cluster_postgres_apply_explain_refusal(const struct change *c,
						   const char *sqlstate,
						   struct reason *why)
{
	const char *name = c->p->name, *login = c->login;

	if (c->c->kind == CLUSTER_CHANGE_CLEAR)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s does not let keyturn's admin take the "
			"password of role %s away (SQLSTATE %s); nothing was "
			"changed",
			name, login, sqlstate);
	return reason_set(why, STATUS_REFUSED,
			  "cluster %s does not let keyturn's admin make role "
			  "%s %s (SQLSTATE %s); nothing was changed",
			  name, login,
			  c->c->kind == CLUSTER_CHANGE_NOLOGIN ? "NOLOGIN" :
								 "LOGIN",
			  sqlstate);
}

enum status cluster_postgres_apply_explain_alter(struct change *c,
						 enum status st,
						 const char *sqlstate,
						 struct reason *why)
{
	const char *name = c->p->name;

	c->refused_verifier = !c->plain && c->c->password != NULL &&
			      (strcmp(sqlstate, "0A000") == 0 ||
			       pg_hint(c->s->pg) == PG_HINT_WANTS_PLAINTEXT);
	if (c->refused_verifier)
		return cluster_postgres_apply_explain_verifier(c, why);
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
	if (c->c->password != NULL && rejects_password(sqlstate))
		return reason_set(why, STATUS_REJECTED,
				  "cluster %s rejects the password made for "
				  "role %s (SQLSTATE %s); see its password "
				  "rules (passwordcheck, credcheck) and the "
				  "policy",
				  name, c->login, sqlstate);
	if (strcmp(sqlstate, "42704") == 0)
		return reason_set(why, STATUS_NOT_FOUND,
				  "cluster %s: role %s was dropped or renamed "
				  "while it was being rotated; nothing was "
				  "changed",
				  name, c->login);
	if (strcmp(sqlstate, "42501") == 0)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s: keyturn's admin may not change "
			"%srole %s; keyturn check says "
			"which right is missing (on RDS it may be "
			"rds_password)",
			name,
			c->c->kind == CLUSTER_CHANGE_NOLOGIN ||
					c->c->kind == CLUSTER_CHANGE_REVERT ?
				"" :
				"the password of ",
			c->login);
	if (c->c->password == NULL && st == STATUS_REFUSED)
		return cluster_postgres_apply_explain_refusal(c, sqlstate, why);
	return reason_wrap(why, st, "cluster %s, role %s, ALTER ROLE", name,
			   c->login);
}

/* The check after ALTER ROLE found another role, or another state of it. */
static enum status explain_check(struct change *c, struct reason *why)
{
	const char *params[] = { c->s->claim_oid, c->c->role, c->login };
	struct pg_query q = {
		.sql = "SELECT FROM pg_catalog.pg_roles r, pg_catalog.pg_roles g "
		       "WHERE r.oid = $1::oid AND r.rolname = $2::pg_catalog.name "
		       "AND g.rolname = $3::pg_catalog.name",
		.n_params = 3,
		.params = params
	};
	enum status st;
	bool same;

	/* Nothing is answered inside a transaction that has failed. */
	cluster_postgres_apply_change_roll_back(c);
	st = cluster_postgres_run(c->p, c->s, &q, NULL);
	if (st != STATUS_OK)
		return reason_set(why, STATUS_CLUSTER_UNAVAILABLE,
				  "cluster %s: the change of role %s failed "
				  "its check, and why could not be asked; "
				  "nothing was changed",
				  c->p->name, c->login);
	same = pg_rows(q.result) == 1;
	pg_result_free(q.result);
	if (same && c->c->kind == CLUSTER_CHANGE_REVERT)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s: role %s cannot take over again: "
				  "it has no password any more, or was changed "
				  "meanwhile; nothing was changed",
				  c->p->name, c->login);
	if (same && c->c->password == NULL)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s did not change role %s as it was "
				  "told; it was changed by another meanwhile, "
				  "or an extension changes roles",
				  c->p->name, c->login);
	if (same)
		return reason_set(
			why, STATUS_REFUSED,
			"cluster %s did not store the verifier of "
			"role %s as it was sent; an extension changes "
			"passwords",
			c->p->name, c->login);
	return reason_set(why, STATUS_NOT_FOUND,
			  "cluster %s: role %s was dropped, renamed or "
			  "replaced while it was being rotated; nothing was "
			  "changed",
			  c->p->name, c->login);
}

static enum status explain_fence(struct change *c, struct reason *why)
{
	if (c->c->member != NULL) {
		cluster_postgres_apply_change_roll_back(c);
		return cluster_postgres_marker_fence_explain(c->p, c->s, c->c,
							     why);
	}
	return reason_set(why, STATUS_CONFLICT,
			  "cluster %s: another claim is in the marker of role "
			  "%s; nothing was changed",
			  c->p->name, c->c->role);
}

enum status cluster_postgres_apply_explain_first(struct change *c,
						 enum status st,
						 const char *sqlstate,
						 struct reason *why)
{
	bool nothing_hit = strcmp(sqlstate, "22012") == 0;
	enum apply_step step =
		c->done < CLUSTER_APPLY_STEPS ? c->steps[c->done] : APPLY_BEGIN;

	if (step == APPLY_FENCE && nothing_hit)
		return explain_fence(c, why);
	if (step == APPLY_LOGIN || step == APPLY_ALTER)
		return cluster_postgres_apply_explain_alter(c, st, sqlstate,
							    why);
	if (step == APPLY_CHECK && nothing_hit)
		return explain_check(c, why);
	return reason_wrap(why, st, "cluster %s, role %s, apply", c->p->name,
			   c->login);
}
