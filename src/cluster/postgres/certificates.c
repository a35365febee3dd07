/* SPDX-License-Identifier: PostgreSQL */
/* The server's certificates, for people and partners; must never send a
 * password over a session whose certificate it only looks at. */
#include "cluster/postgres/certificates.h"

#include <stdlib.h>

#include "crypto/certs.h"
#include "crypto/certs_show.h"

/* A session that ends before anything but TLS was spoken. */
static enum status read_certificates(struct cluster_postgres *p,
				     struct certs *ret, struct reason *why)
{
	struct pg_login login = {
		.info = p->infos[0],
		.tls_only = true,
		.timeout_us = p->o.connect_timeout_us,
		.application_name = "keyturn",
	};
	struct pg *pg = NULL;
	enum status st = pg_connect(&login, &pg, NULL, why);

	if (st == STATUS_OK)
		st = certs_read(pg_tls(pg),
				pg_info_get(p->infos[0], "sslrootcert"), ret,
				why);
	pg_close(pg);
	return st;
}

enum status cluster_postgres_certificates_show(struct cluster *t,
					       enum cluster_chain_form form,
					       struct text *ret,
					       struct reason *why)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	struct certs *c = calloc(1, sizeof(*c));
	enum status st;

	if (c == NULL)
		return reason_no_memory(why);
	st = read_certificates(p, c, why);
	if (st != STATUS_OK)
		reason_wrap(why, st, "cluster %s", p->name);
	else if (form == CLUSTER_CHAIN_JSON)
		certs_show_json(c, ret);
	else if (form == CLUSTER_CHAIN_TEXT)
		certs_show_text(c, ret);
	else if (!c->whole)
		st = reason_set(
			why, STATUS_REFUSED,
			"cluster %s: its root is not trusted here (%s), "
			"so it is not recommended to others; correct "
			"sslrootcert",
			p->name, c->problem);
	else
		text_add(ret, c->pem);
	free(c);
	return st;
}

void cluster_postgres_certificates_check(struct cluster_postgres *p,
					 const struct cluster_session *s,
					 cluster_chain_finding_fn *finding,
					 void *arg)
{
	struct certs *c = calloc(1, sizeof(*c));

	if (c != NULL && pg_is_tls(s->pg) &&
	    certs_read(pg_tls(s->pg), pg_info_get(p->infos[0], "sslrootcert"),
		       c, NULL) == STATUS_OK)
		certs_show_ends(c, now_wall(p->o.now), finding, arg);
	free(c);
}
