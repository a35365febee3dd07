/* SPDX-License-Identifier: PostgreSQL */
/* Collects what a preflight finds.  Must never lose a failure. */
#include "cluster/postgres/findings.h"

#include <stdarg.h>
#include <stdio.h>

void cluster_postgres_findings_add(struct cluster_findings *f,
				   enum cluster_severity severity,
				   const char *topic, const char *fmt, ...)
{
	struct cluster_finding *row;
	va_list ap;

	/* A failure is never lost to a full list. */
	if (f->n == CLUSTER_FINDINGS_MAX && severity != CLUSTER_FAIL)
		return;
	row = &f->rows[f->n < CLUSTER_FINDINGS_MAX ? f->n++ : f->n - 1];
	row->severity = severity;
	row->topic = topic;
	va_start(ap, fmt);
	vsnprintf(row->sentence, sizeof(row->sentence), fmt, ap);
	va_end(ap);
	f->failed |= severity == CLUSTER_FAIL;
}
