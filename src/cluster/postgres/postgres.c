/* SPDX-License-Identifier: PostgreSQL */
/*
 * A PostgreSQL cluster from its options.  Must never connect by itself.
 */
#include "cluster/postgres/postgres.h"

#include <stdlib.h>
#include <string.h>

#include "cluster/postgres/activity.h"
#include "cluster/postgres/apply.h"
#include "cluster/postgres/certificates.h"
#include "cluster/postgres/common.h"
#include "cluster/postgres/marker.h"
#include "cluster/postgres/marker_prepare.h"
#include "cluster/postgres/pair_make.h"
#include "cluster/postgres/peek.h"
#include "cluster/postgres/preflight.h"
#include "cluster/postgres/prove.h"
#include "cluster/postgres/role.h"
#include "cluster/postgres/session.h"
#include "cluster/postgres/told.h"
#include "crypto/digest.h"

static void close_cluster(struct cluster *t)
{
	struct cluster_postgres *p = cluster_postgres_of(t);
	size_t i;

	if (p == NULL)
		return;
	cluster_postgres_session_drop_idle(p);
	for (i = 0; i < p->n_infos; i++)
		pg_info_free(p->infos[i]);
	free(p->infos);
	free(p->remembered);
	free(p->name);
	free(p->admin_passfile);
	free(p->prove_dbname);
	free(p->marker_schema);
	free(p->dbname);
	free(p->host);
	free(p->port);
	free(p->branch);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static const struct cluster_ops postgres_ops = {
	.type = "postgres",
	.open = cluster_postgres_session_open,
	.open_as = cluster_postgres_session_open_as,
	.release = cluster_postgres_session_release,
	.preflight = cluster_postgres_preflight,
	.claim = cluster_postgres_marker_claim,
	.look = cluster_postgres_marker_look,
	.peek = cluster_postgres_peek,
	.end_sessions = cluster_postgres_peek_end_sessions,
	.apply = cluster_postgres_apply,
	.prove = cluster_postgres_prove,
	.way = cluster_postgres_prove_way,
	.inspect = cluster_postgres_marker_inspect,
	.close = close_cluster,
};

static const struct cluster_tools postgres_tools = {
	.create_role = cluster_postgres_role_create,
	.make_pair = cluster_postgres_pair_make,
	.show_chain = cluster_postgres_certificates_show,
	.sessions = cluster_postgres_activity_sessions,
	.logins = cluster_postgres_activity_logins,
	.sees = cluster_postgres_activity_sees,
};

static const char *or_else(const char *text, const char *other)
{
	return text != NULL && text[0] != '\0' ? text : other;
}

static enum status copy_strings(struct cluster_postgres *p,
				const struct cluster_postgres_options *o)
{
	const struct {
		const char *from; /* NULL: there is none */
		char **to;
	} strings[] = {
		{ or_else(o->name, ""), &p->name },
		{ or_else(o->admin_passfile, NULL), &p->admin_passfile },
		{ or_else(o->prove_dbname, NULL), &p->prove_dbname },
		{ or_else(o->branch, NULL), &p->branch },
		{ or_else(o->marker_schema, "keyturn"), &p->marker_schema },
	};
	enum status st = STATUS_OK;

	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
		if (st == STATUS_OK && strings[i].from != NULL)
			st = text_dup(strings[i].from, strings[i].to);
	return st;
}

static enum status parse_infos(struct cluster_postgres *p,
			       const struct cluster_postgres_options *o,
			       struct reason *why)
{
	size_t n = 1;
	enum status st;

	while (o->endpoints != NULL && o->endpoints[n - 1] != NULL)
		n++;
	p->infos = calloc(n, sizeof(*p->infos));
	if (p->infos == NULL)
		return reason_no_memory(why);
	while (p->n_infos < n) {
		const char *conninfo = p->n_infos == 0 ?
					       o->conninfo :
					       o->endpoints[p->n_infos - 1];

		st = pg_info_parse(conninfo, o->insecure, &p->infos[p->n_infos],
				   why);
		if (st != STATUS_OK)
			return reason_wrap(why, st, "cluster %s, %s", p->name,
					   p->n_infos == 0 ? "conninfo" :
							     "endpoint");
		p->cluster.endpoints = (unsigned)++p->n_infos;
		st = digest_mix(p->way, conninfo);
		if (st != STATUS_OK)
			return reason_set(why, st, "no SHA-256");
	}
	return STATUS_OK;
}

static void set_defaults(struct cluster_postgres_options *o)
{
	if (o->connect_timeout_us <= 0)
		o->connect_timeout_us = 30 * NOW_SECOND;
	if (o->statement_timeout_us <= 0)
		o->statement_timeout_us = 30 * NOW_SECOND;
	if (o->lock_timeout_us <= 0)
		o->lock_timeout_us = 5 * NOW_SECOND;
	if (o->claim_max_us <= 0)
		o->claim_max_us = 120 * NOW_SECOND;
	if (o->now == NULL)
		o->now = now_system();
}

/* What consumers are told, and the database of the admin when it is implied:
 * libpq takes the user's name, which for a probe would be another one. */
static enum status describe_cluster(struct cluster_postgres *p)
{
	const struct pg_info *info = p->infos[0];
	const char *dbname = pg_info_get(info, "dbname");
	enum status st;

	if (dbname[0] == '\0')
		dbname = pg_info_get(info, "user");
	if (dbname[0] == '\0')
		dbname = "postgres";
	st = text_dup(dbname, &p->dbname);
	if (st == STATUS_OK)
		st = cluster_postgres_told_host(pg_info_get(info, "host"),
						pg_info_get(info, "hostaddr"),
						&p->host);
	if (st == STATUS_OK)
		st = cluster_postgres_told_port(pg_info_get(info, "port"),
						&p->port);
	p->cluster.ops = &postgres_ops;
	p->cluster.tools = &postgres_tools;
	p->cluster.name = p->name;
	p->cluster.host = p->host;
	p->cluster.port = p->port;
	p->cluster.dbname = p->prove_dbname != NULL ? p->prove_dbname :
						      p->dbname;
	p->cluster.sslmode = pg_info_get(info, "sslmode");
	p->cluster.sslrootcert = pg_info_get(info, "sslrootcert");
	p->cluster.self = p->o.admin == CLUSTER_ADMIN_SELF;
	p->marker = p->o.marker == CLUSTER_MARKER_NONE ?
			    &cluster_postgres_marker_none :
			    &cluster_postgres_marker_table;
	p->cluster.unmarked = !p->marker->kept;
	p->cluster.doubts = p->o.send != CLUSTER_SEND_SCRAM ||
			    p->cluster.unmarked;
	return st;
}

/* A commit may be forwarded for 20 s (lakebase.md 3.2), and is unknown when it
 * takes longer than we wait. */
#define PLAIN_STATEMENT_US (26 * NOW_SECOND)

static enum status check_options(const struct cluster_postgres *p,
				 struct reason *why)
{
	const char *sslmode = pg_info_get(p->infos[0], "sslmode");

	if (p->o.admin == CLUSTER_ADMIN_TOKEN &&
	    strcmp(sslmode, "verify-full") != 0)
		return reason_set(why, STATUS_CONFIG,
				  "cluster %s: a token is a password in clear; "
				  "admin = token wants sslmode=verify-full in "
				  "conninfo",
				  p->name);
	if (p->cluster.unmarked && !p->cluster.self)
		return reason_set(why, STATUS_CONFIG,
				  "cluster %s: marker = none is for admin = "
				  "self only; an administrator can keep a "
				  "marker, which is safer",
				  p->name);
	if (p->o.send == CLUSTER_SEND_SCRAM)
		return STATUS_OK;
	if (p->o.statement_timeout_us < PLAIN_STATEMENT_US)
		return reason_set(why, STATUS_CONFIG,
				  "cluster %s: password_send = auto or plain "
				  "wants a statement_timeout of at least 26s, "
				  "since a commit may take 20s there",
				  p->name);
	if (p->o.send == CLUSTER_SEND_PLAIN &&
	    strcmp(sslmode, "verify-full") != 0)
		return reason_set(why, STATUS_CONFIG,
				  "cluster %s: password_send = plain wants "
				  "sslmode=verify-full in conninfo",
				  p->name);
	return STATUS_OK;
}

/* All that the options say, but for connecting. */
static enum status take_options(struct cluster_postgres *p,
				const struct cluster_postgres_options *o,
				struct reason *why)
{
	enum status st;

	p->o = *o;
	set_defaults(&p->o);
	if (copy_strings(p, o) != STATUS_OK)
		return reason_no_memory(why);
	st = parse_infos(p, o, why);
	if (st != STATUS_OK)
		return st;
	if (cluster_postgres_check_name(p->marker_schema, NULL) != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "cluster %s: marker_schema must be a name of "
				  "1 to 63 bytes",
				  p->name);
	if (describe_cluster(p) != STATUS_OK)
		return reason_no_memory(why);
	/* The caller's strings are not ours to keep. */
	p->o.name = p->o.conninfo = p->o.admin_passfile = NULL;
	p->o.endpoints = NULL;
	p->o.prove_dbname = p->o.marker_schema = p->o.branch = NULL;
	return check_options(p, why);
}

enum status cluster_postgres_open(const struct cluster_postgres_options *o,
				  struct cluster **ret_cluster,
				  struct reason *why)
{
	struct cluster_postgres *p = calloc(1, sizeof(*p));
	enum status st;

	if (p == NULL)
		return reason_no_memory(why);
	pthread_mutex_init(&p->lock, NULL);
	st = take_options(p, o, why);
	if (st == STATUS_OK)
		*ret_cluster = &p->cluster;
	else
		close_cluster(&p->cluster);
	return st;
}

enum status cluster_postgres_prepare(struct cluster *t, struct reason *why)
{
	struct cluster_session *s = NULL;
	enum status st = cluster_postgres_session_open(t, &s, why);

	if (st != STATUS_OK)
		return st;
	st = cluster_postgres_marker_prepare(cluster_postgres_of(t), s, why);
	cluster_postgres_session_release(t, s, st == STATUS_OK);
	return st;
}
