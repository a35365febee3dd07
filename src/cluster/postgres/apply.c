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

#include <string.h>

#include "cluster/postgres/apply_change.h"
#include "cluster/postgres/apply_explain.h"
#include "cluster/postgres/marker.h"
#include "cluster/postgres/plain.h"

#define BEGIN_SQL "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"

/* A backend that is ended while it waits inside the function logs the statement
 * as CONTEXT.  So it must not wait for locks, nor check whether we are still
 * connected. */
#define CLEAR_SQL                                                          \
	", pg_catalog.set_config('password_encryption', 'scram-sha-256', " \
	"true), pg_catalog.set_config('lock_timeout', '250ms', true), "    \
	"(SELECT pg_catalog.set_config(g.name, '0', true) FROM "           \
	"pg_catalog.pg_settings g WHERE g.name = "                         \
	"'client_connection_check_interval')"

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
	return cluster_postgres_apply_explain_alter(c, st, said, why);
}

/* What the first trip sends, and what it gives. */
struct trip {
	struct text fence, check;
	struct pg_statement many[CLUSTER_APPLY_STEPS];
	size_t n;
};

static void add_step(struct change *c, struct trip *t, enum apply_step step,
		     struct pg_statement statement)
{
	c->steps[t->n] = step;
	t->many[t->n++] = statement;
}

/* The result of a step; NULL: it was not sent, or did not succeed. */
static const struct pg_result *result_of(const struct change *c,
					 const struct trip *t,
					 enum apply_step step)
{
	for (size_t i = 0; i < t->n; i++)
		if (c->steps[i] == step)
			return t->many[i].result;
	return NULL;
}

static enum status explain_trip(struct change *c, const struct trip *t,
				enum status st, const char *sqlstate,
				bool noticed, struct reason *why)
{
	const struct pg_result *r = NULL;
	enum status said = STATUS_OK;

	/* The function's word comes first: a check that failed after it may
	 * have failed because of it. */
	if (c->plain)
		r = result_of(c, t, APPLY_ALTER);
	if (r != NULL)
		said = read_wrapper(c, r, why);
	if (said != STATUS_OK)
		return said;
	if (st != STATUS_OK)
		return cluster_postgres_apply_explain_first(c, st, sqlstate,
							    why);
	if (noticed)
		return reason_set(why, STATUS_REFUSED,
				  "cluster %s gave a notice instead of plainly "
				  "taking the password of role %s; it was "
				  "rolled back, the server's log has the text",
				  c->p->name, c->login);
	return STATUS_OK;
}

/* BEGIN, fence, ALTER ROLE, check: nothing of it lasts without COMMIT. */
static enum status first_trip(struct change *c, struct reason *why)
{
	struct cluster_session *s = c->s;
	struct trip t = { .fence = text_make(CLUSTER_APPLY_SQL_MAX),
			  .check = text_make(CLUSTER_APPLY_SQL_MAX) };
	const char *print = c->fingerprint[0] != '\0' ? c->fingerprint : NULL;
	const char *fence_params[] = { s->claim_oid,  c->c->claim,
				       c->c->version, print,
				       c->c->role,    s->sync_commit,
				       s->branch,     c->c->member };
	const char *check_params[] = { s->claim_oid, c->login, print };
	const char *plain_params[] = { c->login,
				       c->plain ? secret_bytes(c->c->password) :
						  NULL };
	unsigned notices = pg_notices(s->pg);
	char sqlstate[PG_SQLSTATE_SIZE];
	enum status st;
	size_t i;

	c->p->marker->add_fence(&t.fence, s, c->c, c->plain ? CLEAR_SQL : "");
	cluster_postgres_apply_change_check(&t.check, c);
	st = text_status(&t.fence);
	if (st == STATUS_OK)
		st = text_status(&t.check);
	if (st != STATUS_OK)
		goto out;
	add_step(c, &t, APPLY_BEGIN, (struct pg_statement){ .sql = BEGIN_SQL });
	add_step(c, &t, APPLY_FENCE,
		 (struct pg_statement){ .sql = text_str(&t.fence),
					.n_params = c->c->member ? 8 : 7,
					.params = fence_params });
	if (c->alter != NULL)
		add_step(
			c, &t, c->plain ? APPLY_LOGIN : APPLY_ALTER,
			(struct pg_statement){ .sql = secret_bytes(c->alter) });
	if (c->plain)
		add_step(c, &t, APPLY_ALTER,
			 (struct pg_statement){ .sql = CLUSTER_PLAIN_CALL,
						.n_params = 2,
						.params = plain_params });
	add_step(c, &t, APPLY_CHECK,
		 (struct pg_statement){ .sql = text_str(&t.check),
					.n_params = 3,
					.params = check_params });
	st = pg_run_many(s->pg, t.many, t.n,
			 c->p->o.statement_timeout_us + CLUSTER_MARGIN_US,
			 &c->done, sqlstate, why);
	st = explain_trip(c, &t, st, sqlstate, pg_notices(s->pg) != notices,
			  why);
	for (i = 0; i < t.n; i++)
		pg_result_free(t.many[i].result);
	if (st != STATUS_OK)
		cluster_postgres_apply_change_roll_back(c);
out:
	text_free(&t.fence);
	text_free(&t.check);
	return st;
}

/* A COMMIT was sent, and what became of it is not known. */
static enum status leave_unknown(const struct change *c, const char *sqlstate,
				 struct reason *why)
{
	const char *name = c->p->name, *login = c->login;

	if (sqlstate[0] != '\0' && c->c->kind == CLUSTER_CHANGE_PASSWORD)
		return reason_set(why, STATUS_UNKNOWN,
				  "cluster %s failed the commit of role %s's "
				  "new password (SQLSTATE %s) and may have "
				  "kept it all the same; it stays staged, and "
				  "is applied again",
				  name, login, sqlstate);
	if (sqlstate[0] != '\0')
		return reason_set(why, STATUS_UNKNOWN,
				  "cluster %s failed the commit of role %s's "
				  "change (SQLSTATE %s) and may have kept it "
				  "all the same; the marker will tell",
				  name, login, sqlstate);
	return reason_set(why, STATUS_UNKNOWN,
			  "cluster %s: whether the %s of role %s was "
			  "committed is not known; the marker will tell",
			  name,
			  c->c->kind == CLUSTER_CHANGE_PASSWORD ?
				  "new password" :
				  "change",
			  login);
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
		c->refused_verifier = c->c->password != NULL;
		return c->refused_verifier ?
			       cluster_postgres_apply_explain_verifier(c, why) :
			       cluster_postgres_apply_explain_refusal(
				       c, q.sqlstate, why);
	}
	/* Serialization and constraints are decided before anything lasts, and
	 * without an SQLSTATE in a living session nothing was sent.  All else
	 * may come after the change took hold (X13: Neon's XX000). */
	if (!c->doubtful && (strncmp(q.sqlstate, "40", 2) == 0 ||
			     strncmp(q.sqlstate, "23", 2) == 0))
		return STATUS_CLUSTER_UNAVAILABLE;
	if (st == STATUS_CLUSTER_UNAVAILABLE && q.sqlstate[0] == '\0')
		return st;
	return leave_unknown(c, q.sqlstate, why);
}

/* Is there a statement beside the function that sends in clear? */
static bool alters(const struct change *c)
{
	if (c->c->kind == CLUSTER_CHANGE_MARKER ||
	    c->c->kind == CLUSTER_CHANGE_RENEW)
		return false;
	return !c->plain ||
	       (c->c->member != NULL && c->c->kind == CLUSTER_CHANGE_PASSWORD);
}

/* One transaction, with the verifier or in clear. */
static enum status run_change(struct change *c, struct reason *why)
{
	enum status st = STATUS_OK;

	c->rolled_back = false;
	c->fingerprint[0] = '\0';
	if (c->plain)
		st = cluster_postgres_plain_ready(c->p, c->s, why);
	secret_free(c->alter);
	c->alter = NULL;
	if (st == STATUS_OK && alters(c))
		st = cluster_postgres_apply_change_build(c, why);
	if (st == STATUS_OK)
		st = first_trip(c, why);
	if (st == STATUS_OK)
		st = send_commit(c, why);
	return st;
}

/* Is it a change that there is, and that this session may make? */
static enum status check_wanted(const struct cluster_postgres *p,
				const struct cluster_session *s,
				const struct cluster_change *c,
				struct reason *why)
{
	enum status st = cluster_postgres_check_name(c->role, why);
	bool password = c->kind == CLUSTER_CHANGE_PASSWORD;
	bool ends = c->kind == CLUSTER_CHANGE_NOLOGIN ||
		    c->kind == CLUSTER_CHANGE_CLEAR;
	bool versioned = !ends || c->password != NULL;

	if (st == STATUS_OK && c->member != NULL)
		st = cluster_postgres_check_name(c->member, why);
	if (st != STATUS_OK)
		return st;
	if ((!ends && password != (c->password != NULL)) ||
	    (versioned && c->version == NULL) ||
	    (!password && c->kind != CLUSTER_CHANGE_MARKER &&
	     c->member == NULL))
		return reason_set(why, STATUS_ERROR,
				  "internal error: an incomplete change");
	/* A claim is bound to the session that made it (finding 3). */
	if (s->claim[0] == '\0' || strcmp(s->claim, c->claim) != 0)
		return reason_set(why, STATUS_CONFLICT,
				  "cluster %s: this session does not hold the "
				  "claim on role %s; nothing was changed",
				  p->name, c->role);
	if (c->member != NULL && !s->wide)
		return reason_set(why, STATUS_ERROR,
				  "internal error: a member is changed under "
				  "the claim of a single role");
	return STATUS_OK;
}

static void explain_success(const struct change *c, struct reason *why)
{
	const char *what = c->c->kind == CLUSTER_CHANGE_PASSWORD ?
				   "the new password is live" :
				   "the change is made";

	if (c->plain)
		reason_set(why, STATUS_OK,
			   "%s; it was sent in clear inside verified TLS, to a "
			   "server that takes no verifier and logs no "
			   "parameters",
			   what);
	else if (c->alone)
		reason_set(why, STATUS_OK,
			   "%s on this server; no synchronous standby has "
			   "confirmed it within statement_timeout",
			   what);
	else
		reason_clear(why);
}

enum status cluster_postgres_apply(struct cluster *t, struct cluster_session *s,
				   const struct cluster_change *wanted,
				   bool *ret_alone, struct reason *why)
{
	struct change c = { .p = cluster_postgres_of(t),
			    .s = s,
			    .c = wanted,
			    .login = wanted->member != NULL ? wanted->member :
							      wanted->role };
	enum status st = check_wanted(c.p, s, wanted, why);

	if (st != STATUS_OK)
		return st;
	c.doubtful = wanted->kind != CLUSTER_CHANGE_MARKER &&
		     wanted->kind != CLUSTER_CHANGE_RENEW &&
		     cluster_postgres_plain_wanted(c.p);
	c.plain = c.doubtful && wanted->password != NULL;
	st = run_change(&c, why);
	if (c.refused_verifier && c.p->o.send == CLUSTER_SEND_AUTO) {
		cluster_postgres_plain_note(c.p);
		c.doubtful = c.plain = true;
		st = run_change(&c, why);
	}
	secret_free(c.alter);
	if (st != STATUS_OK)
		return st;
	if (wanted->version != NULL && wanted->member == NULL)
		text_copy(s->live, sizeof(s->live), wanted->version);
	*ret_alone = c.alone;
	explain_success(&c, why);
	return STATUS_OK;
}
