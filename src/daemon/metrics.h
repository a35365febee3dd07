/* SPDX-License-Identifier: PostgreSQL */
/* The metrics of keyturnd in Prometheus's text format, for the textfile
 * collector of node_exporter.  Pure. */
#ifndef KEYTURN_METRICS_H
#define KEYTURN_METRICS_H

#include "base/text.h"
#include "daemon/refresher.h"
#include "daemon/task.h"
#include "report/report.h"

struct metrics_view {
	const struct plan *plan;
	const struct task_look *looks;	   /* one a role of the plan */
	const struct schedule_life *lives; /* likewise */
	const struct task_hook *hooks;
	size_t n_hooks;
	const struct refresher_file *files;
	size_t n_files;
	bool ledger_up;
	unsigned long long runs_ok, runs_failed, runs_deferred; /* since the
								   start */
	unsigned agent_failures;
	int64_t started_us; /* wall clock */
	int64_t reloaded_us; /* wall clock: the configuration in force is of then */
	bool reload_ok;	     /* the last one that was asked for */
	int64_t now_us;	     /* wall clock */
	int64_t boot_us;
};

void metrics_write(const struct metrics_view *v, struct text *t);

#endif
