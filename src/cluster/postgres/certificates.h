/* SPDX-License-Identifier: PostgreSQL */
/* The certificates that the server shows. */
#ifndef KEYTURN_CLUSTER_POSTGRES_CERTIFICATES_H
#define KEYTURN_CLUSTER_POSTGRES_CERTIFICATES_H

#include "cluster/cluster_tools.h"
#include "cluster/postgres/common.h"

enum status cluster_postgres_certificates_show(struct cluster *t,
					       enum cluster_chain_form form,
					       struct text *ret,
					       struct reason *why);
/* What expires soon. */
typedef void cluster_chain_finding_fn(void *arg, const char *sentence);
void cluster_postgres_certificates_check(struct cluster_postgres *p,
					 const struct cluster_session *s,
					 cluster_chain_finding_fn *finding,
					 void *arg);

#endif
