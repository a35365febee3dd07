/* SPDX-License-Identifier: PostgreSQL */
/* Looks at gateways before a login is rotated there; must never send a password. */
#include "cluster/gateway/preflight.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/gateway/console.h"
#include "crypto/certs.h"
#include "crypto/certs_show.h"

#define SENTENCE_SIZE 384

struct look {
	struct cluster_gateway *g;
	size_t i; /* of the endpoint */
	cluster_finding_fn *finding;
	void *arg;
	struct reason *why;
	enum status status; /* of the first failure */
};

static void tell(struct look *l, enum cluster_severity severity,
		 const char *topic, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void tell(struct look *l, enum cluster_severity severity,
		 const char *topic, const char *fmt, ...)
{
	char sentence[SENTENCE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	if (l->finding != NULL)
		l->finding(l->arg, severity, topic, sentence);
	if (severity != CLUSTER_FAIL || l->status != STATUS_OK)
		return;
	l->status = reason_set(l->why, STATUS_REFUSED, "%s", sentence);
}

/* As a failure, which of itself says nothing against the settings. */
static void tell_away(struct look *l, const char *topic, const char *sentence)
{
	enum status before = l->status;

	tell(l, CLUSTER_FAIL, topic, "%s", sentence);
	if (before == STATUS_OK)
		l->status = STATUS_CLUSTER_UNAVAILABLE;
}

static void tell_end(void *arg, const char *sentence)
{
	struct look *l = arg;

	tell(l, CLUSTER_WARN, "certificate", "gateway %s port %s: %s",
	     cluster_gateway_host(l->g, l->i), cluster_gateway_port(l->g, l->i),
	     sentence);
}

/* A session that ends before anything but TLS was spoken.  *ret_answers: is there a
 * gateway at all? */
static enum status read_chain(struct cluster_gateway *g, size_t i,
			      struct certs *ret, bool *ret_answers,
			      struct reason *why)
{
	const struct pg_login login = {
		.info = g->infos[i],
		.tls_only = true,
		.timeout_us = g->connect_timeout_us,
		.application_name = "keyturn",
	};
	struct pg_login_report r = { .reached = false };
	struct pg *pg = NULL;
	enum status st = pg_connect(&login, &pg, &r, why);

	*ret_answers = st == STATUS_OK || r.reached;
	if (st == STATUS_CLUSTER_UNAVAILABLE && !r.reached)
		cluster_gateway_console_silent(g->infos[i], why);
	if (st == STATUS_OK)
		st = certs_read(pg_tls(pg),
				pg_info_get(g->infos[i], "sslrootcert"), ret,
				why);
	pg_close(pg);
	return st;
}

/* Partners verify as these endpoints do, so it is no gateway without.  Does it
 * answer? */
static bool look_at_chain(struct look *l)
{
	struct certs *c = calloc(1, sizeof(*c));
	struct reason found;
	bool answers = false;
	enum status st;

	if (c == NULL) {
		l->status = reason_no_memory(l->why);
		return false;
	}
	reason_clear(&found);
	st = read_chain(l->g, l->i, c, &answers, &found);
	if (st == STATUS_CLUSTER_UNAVAILABLE)
		tell_away(l, answers ? "certificate" : "gateway", found.text);
	else if (st != STATUS_OK)
		tell(l, CLUSTER_FAIL, "certificate",
		     "the gateway %s port %s shows no certificate: %s; set "
		     "client_tls_sslmode = require, client_tls_cert_file and "
		     "client_tls_key_file in its pgbouncer.ini",
		     cluster_gateway_host(l->g, l->i),
		     cluster_gateway_port(l->g, l->i), found.text);
	else if (!c->whole)
		tell(l, CLUSTER_FAIL, "certificate",
		     "the certificate of the gateway %s port %s is not trusted "
		     "here: %s; correct sslrootcert, or the chain in its "
		     "client_tls_cert_file",
		     cluster_gateway_host(l->g, l->i),
		     cluster_gateway_port(l->g, l->i), c->problem);
	else
		certs_show_ends(c, now_wall(l->g->now), tell_end, l);
	free(c);
	return answers;
}

/* What a gateway asks for before TLS, it takes in clear from whoever forgets it. */
static void look_without_tls(struct look *l)
{
	const struct pg_login login = {
		.info = l->g->plain[l->i],
		.user = "keyturn_without_tls",
		.probe = true,
		.timeout_us = l->g->connect_timeout_us,
		.application_name = "keyturn",
	};
	struct pg_login_report r;
	struct pg *pg = NULL;

	if (pg_connect(&login, &pg, &r, NULL) == STATUS_OK ||
	    r.asks_otherwise || r.used_password)
		tell(l, CLUSTER_FAIL, "tls",
		     "the gateway %s port %s takes logins without TLS, and "
		     "passwords in clear; set client_tls_sslmode = require in "
		     "its pgbouncer.ini",
		     cluster_gateway_host(l->g, l->i),
		     cluster_gateway_port(l->g, l->i));
	pg_close(pg);
}

static void tell_console(void *arg, enum cluster_severity severity,
			 const char *topic, const char *sentence)
{
	tell(arg, severity, topic, "%s", sentence);
}

/* role: the login, or NULL.  A console that does not answer stops no rotation: what
 * it would say is tried by logins, too. */
static void look_at_console(struct look *l, const char *role)
{
	const char *own = pg_info_get(l->g->infos[l->i], "dbname");
	const struct cluster_gateway_console c = {
		.info = l->g->infos[l->i],
		.user = l->g->console_user,
		.passfile = l->g->console_passfile,
		.timeout_us = l->g->connect_timeout_us,
		.logins = &role,
		.n_logins = role != NULL,
		.token_seconds = l->g->token_seconds,
		.dbname = l->g->prove_dbname != NULL ? l->g->prove_dbname : own,
	};
	struct reason found = { "" };
	enum status st =
		cluster_gateway_console_look(&c, tell_console, l, &found);

	if (st != STATUS_OK)
		tell(l, CLUSTER_WARN, "console", "%s", found.text);
}

static bool has_network(const struct cluster_gateway *g, size_t i)
{
	return g->plain[i] != NULL;
}

enum status cluster_gateway_preflight(struct cluster *t,
				      struct cluster_session *s,
				      const char *role,
				      const struct cluster_pair *pair,
				      cluster_finding_fn *finding, void *arg,
				      struct reason *why)
{
	struct look l = { .g = cluster_gateway_of(t),
			  .finding = finding,
			  .arg = arg,
			  .why = why };

	(void)s, (void)pair;
	for (l.i = 0; l.i < l.g->n; l.i++) {
		/* One that does not answer is that, and nothing else. */
		if (has_network(l.g, l.i) && !look_at_chain(&l))
			continue;
		if (l.g->console_user != NULL)
			look_at_console(&l, role);
		if (has_network(l.g, l.i))
			look_without_tls(&l);
	}
	return l.status;
}

enum status cluster_gateway_preflight_chain(struct cluster *t,
					    enum cluster_chain_form form,
					    struct text *ret,
					    struct reason *why)
{
	struct cluster_gateway *g = cluster_gateway_of(t);
	struct certs *c = calloc(1, sizeof(*c));
	enum status st = STATUS_OK;
	bool answers;

	if (c == NULL)
		return reason_no_memory(why);
	for (size_t i = 0; i < g->n && st == STATUS_OK; i++) {
		memset(c, 0, sizeof(*c)); /* not secret */
		st = read_chain(g, i, c, &answers, why);
		if (st != STATUS_OK)
			reason_wrap(why, st, "cluster %s", g->name);
		else if (form == CLUSTER_CHAIN_JSON)
			certs_show_json(c, ret);
		else if (form == CLUSTER_CHAIN_TEXT)
			certs_show_text(c, ret);
		else if (!c->whole)
			st = reason_set(why, STATUS_REFUSED,
					"cluster %s: the root of %s is not "
					"trusted here (%s), so it is not "
					"recommended to others; correct "
					"sslrootcert",
					g->name, cluster_gateway_host(g, i),
					c->problem);
		else if (i == 0)
			text_add(ret, c->pem);
	}
	free(c);
	return st;
}
