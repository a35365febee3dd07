/* SPDX-License-Identifier: PostgreSQL */
/* cluster ca: what a server shows to prove itself; needs no password. */
#include <string.h>

#include "cli/cli.h"
#include "cluster/cluster_tools.h"

enum status cli_cluster(struct cli *c)
{
	struct text t = text_make(1 << 17);
	struct cluster *cluster = NULL;
	enum cluster_chain_form form = c->o.pem	 ? CLUSTER_CHAIN_PEM :
				       c->o.json ? CLUSTER_CHAIN_JSON :
						   CLUSTER_CHAIN_TEXT;
	enum status s;

	if (c->n_args != 2 || strcmp(c->args[0], "ca") != 0)
		return reason_set(&c->why, STATUS_USAGE,
				  "cluster takes \"ca\" and the name of one "
				  "[cluster NAME]");
	s = cli_open_config(c);
	if (s == STATUS_OK)
		s = open_new(c->config, &c->opened, &c->why);
	if (s == STATUS_OK)
		s = open_engine_new(c->opened, NULL, c->actor, &c->engine,
				    &c->why);
	if (s == STATUS_OK)
		s = open_engine_cluster(c->engine, c->args[1], &cluster,
					&c->why);
	if (s == STATUS_OK)
		s = cluster->tools->show_chain(cluster, form, &t, &c->why);
	if (s == STATUS_OK)
		s = cli_print(c, &t);
	text_free(&t);
	return s;
}
