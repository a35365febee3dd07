/* SPDX-License-Identifier: PostgreSQL */
/*
 * Proves a password by a login at each gateway.  Must never take a refusal for
 * evidence of more than that the password did not log in: PAM says the same when
 * its agent does not answer.
 */
#include "cluster/gateway/login.h"

#include <string.h>

#include "base/encode.h"
#include "cluster/gateway/console.h"
#include "cluster/gateway/uses.h"
#include "crypto/digest.h"

/* One login: where it goes, and what came of it. */
struct attempt {
	struct cluster_gateway *g;
	const struct cluster_who *who;
	enum cluster_proof kind;
	size_t i; /* of the endpoint */
	struct pg_login_report report;
};

static enum cluster_login classify(const struct pg_login_report *r)
{
	if (r->class == PG_CLASS_OK)
		return r->used_password ? CLUSTER_LOGIN_RIGHT :
					  CLUSTER_LOGIN_NOT_ASKED;
	if (!r->used_password)
		return CLUSTER_LOGIN_NO_EVIDENCE;
	/* With 28P01 the server behind refuses the forced user, which PgBouncer
	 * passes on from 1.21 on; its own refusals have 08P01. */
	if (r->hint == PG_HINT_PAM || (r->hint == PG_HINT_WRONG_PASSWORD &&
				       strcmp(r->sqlstate, "28P01") != 0))
		return CLUSTER_LOGIN_WRONG;
	return CLUSTER_LOGIN_NO_EVIDENCE;
}

static void explain(const struct attempt *a, enum cluster_login login,
		    struct reason *why)
{
	const char *host = cluster_gateway_host(a->g, a->i);
	const char *port = cluster_gateway_port(a->g, a->i);
	const char *role = a->who->role;

	if (login == CLUSTER_LOGIN_NOT_ASKED)
		reason_set(why, STATUS_OK,
			   "the gateway %s port %s lets %s in without asking "
			   "for its password; set auth_type = pam in its "
			   "pgbouncer.ini",
			   host, port, role);
	else if (login == CLUSTER_LOGIN_RIGHT)
		reason_set(why, STATUS_OK,
			   "the gateway %s port %s takes this password of %s",
			   host, port, role);
	else if (login == CLUSTER_LOGIN_WRONG && a->kind == CLUSTER_PROOF_NEW)
		reason_set(
			why, STATUS_OK,
			"the gateway %s port %s does not take the new "
			"password of %s; does its keyturn-agent answer, know this "
			"login, and reach the store?",
			host, port, role);
	else if (login == CLUSTER_LOGIN_WRONG)
		reason_set(why, STATUS_OK,
			   "the gateway %s port %s refuses the password of %s",
			   host, port, role);
	else /* pg_connect() has said what went wrong. */
		reason_wrap(why, STATUS_OK, "no evidence on %s", role);
}

static const char *database(const struct cluster_gateway *g,
			    const struct cluster_who *who, size_t i)
{
	const char *own = pg_info_get(g->infos[i], "dbname");

	if (who->prove_dbname != NULL)
		return who->prove_dbname;
	if (g->prove_dbname != NULL)
		return g->prove_dbname;
	if (own[0] != '\0')
		return own;
	return who->dbname != NULL ? who->dbname : g->cluster.dbname;
}

static enum cluster_login log_in(struct attempt *a,
				 const struct secret *password,
				 enum status *ret_status, struct reason *why)
{
	const struct pg_login how = {
		.info = a->g->infos[a->i],
		.user = a->who->role,
		.dbname = database(a->g, a->who, a->i),
		.password = password,
		.probe = true,
		.clear = true, /* PAM has no other way */
		.timeout_us = a->g->connect_timeout_us,
		.application_name = "keyturn prove",
	};
	enum cluster_gateway_way way = CLUSTER_GATEWAY_AWAY;
	int64_t began = now_boot(a->g->now);
	enum cluster_login login;

	*ret_status =
		cluster_gateway_console_behind(&how, &a->report, &way, why);
	login = classify(&a->report);
	/* The agent has counted it, also when it came no further. */
	if ((login == CLUSTER_LOGIN_RIGHT || way == CLUSTER_GATEWAY_BEHIND) &&
	    a->g->agents[a->i])
		cluster_gateway_uses_own(a->g->agents[a->i], a->who->role,
					 now_boot(a->g->now) - began);
	/* Who gets no session of the server has no use of the password. */
	if (way == CLUSTER_GATEWAY_BEHIND && a->kind != CLUSTER_PROOF_WRONG)
		login = CLUSTER_LOGIN_NO_EVIDENCE;
	/* An agent that has not heard of it yet, or does not answer just now:
	 * the runner tries again, until prove_deadline. */
	if (login == CLUSTER_LOGIN_WRONG && a->kind == CLUSTER_PROOF_NEW) {
		explain(a, login, why);
		return CLUSTER_LOGIN_NO_EVIDENCE;
	}
	if (login != CLUSTER_LOGIN_RIGHT || a->kind == CLUSTER_PROOF_WRONG)
		explain(a, login, why);
	return login;
}

enum status cluster_gateway_login_prove(struct cluster *t,
					const struct cluster_who *who,
					const struct secret *password,
					enum cluster_proof kind,
					enum cluster_login *ret_login,
					struct reason *why)
{
	struct cluster_gateway *g = cluster_gateway_of(t);
	struct attempt a = { .g = g, .who = who, .kind = kind };
	bool control = kind == CLUSTER_PROOF_WRONG;
	enum cluster_login worst = control ? CLUSTER_LOGIN_WRONG :
					     CLUSTER_LOGIN_RIGHT;
	enum cluster_login login;
	struct reason told;
	enum status st;

	for (a.i = 0; a.i < g->n; a.i++) {
		reason_clear(&told);
		login = log_in(&a, password, &st, &told);
		if (st == STATUS_NO_MEMORY || st == STATUS_CONFIG ||
		    (st == STATUS_REFUSED && !a.report.reached))
			return reason_set(why, st, "%s", told.text);
		if (cluster_login_badness(login, kind) <=
			    cluster_login_badness(worst, kind) &&
		    (a.i > 0 || login == worst))
			continue;
		worst = login;
		if (why != NULL)
			*why = told;
		/* Each further "no" counts towards the agents' limits. */
		if (cluster_login_badness(worst, kind) >= 2)
			break;
	}
	*ret_login = worst;
	return STATUS_OK;
}

enum status cluster_gateway_login_way(struct cluster *t,
				      const struct cluster_who *who,
				      char ret_way[CLUSTER_WAY_SIZE])
{
	struct cluster_gateway *g = cluster_gateway_of(t);
	unsigned char hash[DIGEST_SIZE];
	enum status st;

	memcpy(hash, g->way, sizeof(hash));
	st = digest_mix(hash, who->role);
	for (size_t i = 0; i < g->n && st == STATUS_OK; i++)
		st = digest_mix(hash, database(g, who, i));
	if (st == STATUS_OK)
		encode_hex(hash, sizeof(hash), ret_way);
	return st;
}
