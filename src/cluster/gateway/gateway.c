/* SPDX-License-Identifier: PostgreSQL */
/* A gateway cluster from its options.  Must never connect by itself. */
#include "cluster/gateway/gateway.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cluster/gateway/login.h"
#include "cluster/gateway/preflight.h"
#include "cluster/gateway/tools.h"
#include "crypto/digest.h"

static void free_infos(struct pg_info **infos, size_t n)
{
	for (size_t i = 0; infos != NULL && i < n; i++)
		pg_info_free(infos[i]);
	free(infos);
}

static void close_cluster(struct cluster *t)
{
	struct cluster_gateway *g = cluster_gateway_of(t);

	if (g == NULL)
		return;
	free_infos(g->infos, g->n);
	free_infos(g->plain, g->n);
	for (size_t i = 0; g->agents != NULL && i < g->n; i++)
		free(g->agents[i]);
	free(g->agents);
	free(g->name);
	free(g->prove_dbname);
	free(g->console_user);
	free(g->console_passfile);
	free(g);
}

static const struct cluster_ops gateway_ops = {
	.type = "gateway",
	.preflight = cluster_gateway_preflight,
	.prove = cluster_gateway_login_prove,
	.way = cluster_gateway_login_way,
	.close = close_cluster,
};

/* The same endpoint without TLS; of a Unix socket nothing. */
static enum status parse_plain(struct cluster_gateway *g, size_t i,
			       const char *conninfo, struct reason *why)
{
	const char *host = pg_info_get(g->infos[i], "host");
	struct text plain = text_make(2048);
	enum status st;

	if (host[0] == '/' || host[0] == '\0' || host[0] == '@')
		return STATUS_OK;
	text_printf(&plain, "%s%ssslmode=disable", conninfo,
		    strstr(conninfo, "://") == NULL ? " " :
		    strchr(conninfo, '?') == NULL   ? "?" :
						      "&");
	st = text_status(&plain) == STATUS_OK ? STATUS_OK :
						reason_no_memory(why);
	if (st == STATUS_OK)
		st = pg_info_parse(text_str(&plain), true, &g->plain[i], why);
	text_free(&plain);
	return st;
}

static enum status parse_endpoints(struct cluster_gateway *g,
				   const struct cluster_gateway_options *o,
				   struct reason *why)
{
	enum status st = STATUS_OK;

	while (o->endpoints[g->n] != NULL)
		g->n++;
	g->infos = calloc(g->n + 1, sizeof(*g->infos));
	g->plain = calloc(g->n + 1, sizeof(*g->plain));
	g->agents = calloc(g->n + 1, sizeof(*g->agents));
	if (g->infos == NULL || g->plain == NULL || g->agents == NULL)
		return reason_no_memory(why);
	for (size_t i = 0; i < g->n && st == STATUS_OK; i++) {
		const char *conninfo = o->endpoints[i];

		st = pg_info_parse(conninfo, false, &g->infos[i], why);
		if (st == STATUS_OK)
			st = parse_plain(g, i, conninfo, why);
		if (st != STATUS_OK)
			return reason_wrap(why, st, "cluster %s, endpoint",
					   g->name);
		st = digest_mix(g->way, conninfo);
		if (st != STATUS_OK)
			return reason_set(why, st, "no SHA-256");
	}
	for (size_t i = 0; o->agents != NULL && o->agents[i] != NULL &&
			   i < g->n && st == STATUS_OK;
	     i++)
		st = text_dup(o->agents[i], &g->agents[i]);
	return st;
}

static enum status copy_strings(struct cluster_gateway *g,
				const struct cluster_gateway_options *o)
{
	const struct {
		const char *from; /* NULL: there is none */
		char **to;
	} strings[] = {
		{ o->name, &g->name },
		{ o->prove_dbname, &g->prove_dbname },
		{ o->console_user, &g->console_user },
		{ o->console_passfile, &g->console_passfile },
	};
	enum status st = STATUS_OK;

	for (size_t i = 0; i < sizeof(strings) / sizeof(*strings); i++)
		if (st == STATUS_OK && strings[i].from != NULL)
			st = text_dup(strings[i].from, strings[i].to);
	return st;
}

enum status cluster_gateway_open(const struct cluster_gateway_options *o,
				 struct cluster **ret_cluster,
				 struct reason *why)
{
	struct cluster_gateway *g = calloc(1, sizeof(*g));
	enum status st;

	if (g == NULL)
		return reason_no_memory(why);
	g->now = o->now;
	g->token_seconds = o->token_seconds;
	g->connect_timeout_us = o->connect_timeout_us > 0 ?
					o->connect_timeout_us :
					30 * NOW_SECOND;
	st = copy_strings(g, o);
	if (st == STATUS_OK)
		st = parse_endpoints(g, o, why);
	if (st != STATUS_OK) {
		close_cluster(&g->cluster);
		return st;
	}
	g->cluster = (struct cluster){
		.ops = &gateway_ops,
		.tools = &cluster_gateway_tools,
		.name = g->name,
		.host = pg_info_get(g->infos[0], "host"),
		.port = pg_info_get(g->infos[0], "port"),
		.dbname = pg_info_get(g->infos[0], "dbname"),
		.sslmode = pg_info_get(g->infos[0], "sslmode"),
		.sslrootcert = pg_info_get(g->infos[0], "sslrootcert"),
		.gateway = true,
		.endpoints = (unsigned)g->n,
	};
	*ret_cluster = &g->cluster;
	return STATUS_OK;
}
