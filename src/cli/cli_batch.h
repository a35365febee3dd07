/* SPDX-License-Identifier: PostgreSQL */
/* Runs jobs for many roles in threads and prints each result as it comes. */
#ifndef KEYTURN_CLI_BATCH_H
#define KEYTURN_CLI_BATCH_H

#include "cli/cli.h"

struct cli_batch_task {
	const char *role;
	const struct config_group *group;
	const void *cluster; /* tasks of one have the same */
	bool due;	     /* see to it as far as it is due */
	bool compromised;    /* its password got out, which is not over */
	enum engine_mode mode;
};

struct cli_batch_tally {
	size_t done, failed, not_begun;
	size_t deferred; /* of those that --due has begun: no failures */
	enum status first_failure;
	bool different; /* failures were not all of one kind */
};

/*
 * Run the tasks with up to `jobs` threads.  When they are of several clusters,
 * none gets all of the threads: one that is away would make the others wait for
 * its timeouts.  `like` carries mode, flags, reason
 * and password of every run.  SIGINT and SIGTERM let running ones finish and
 * begin no more.
 */
void cli_batch_run(struct cli *c, const struct cli_batch_task *tasks, size_t n,
		   unsigned jobs, const struct runner_job *like,
		   struct cli_batch_tally *ret);

#endif
