/* SPDX-License-Identifier: PostgreSQL */
/* What a preflight finds. */
#ifndef KEYTURN_CLUSTER_POSTGRES_FINDINGS_H
#define KEYTURN_CLUSTER_POSTGRES_FINDINGS_H

#include "cluster/cluster.h"

#define CLUSTER_FINDINGS_MAX 48
#define CLUSTER_FINDING_SIZE 384

struct cluster_finding {
	enum cluster_severity severity;
	const char *topic;
	char sentence[CLUSTER_FINDING_SIZE];
};

struct cluster_findings {
	struct cluster_finding rows[CLUSTER_FINDINGS_MAX];
	size_t n;
	bool failed;
};

/* A full list loses notes and warnings, never a failure. */
void cluster_postgres_findings_add(struct cluster_findings *f,
				   enum cluster_severity severity,
				   const char *topic, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

#endif
