/* SPDX-License-Identifier: PostgreSQL */
/* The metrics of keyturnd in Prometheus's text format, for the textfile
 * collector of node_exporter.  Pure. */
#ifndef KEYTURN_GAUGE_H
#define KEYTURN_GAUGE_H

#include "base/text.h"
#include "daemon/errand.h"
#include "daemon/feed.h"

struct gauge_view {
	const struct agenda *agenda;
	const struct errand_look *looks; /* one a role of the agenda */
	const struct errand_hook *hooks;
	size_t n_hooks;
	const struct feed_file *files;
	size_t n_files;
	bool ledger_up;
	unsigned long long runs_ok, runs_failed; /* since the start */
	unsigned agent_failures;
	int64_t started_us; /* wall clock */
	int64_t reloaded_us; /* wall clock: the configuration in force is of then */
	bool reload_ok;	     /* the last one that was asked for */
	int64_t now_us;	     /* wall clock */
	int64_t boot_us;
};

void gauge_write(const struct gauge_view *v, struct text *t);

#endif
