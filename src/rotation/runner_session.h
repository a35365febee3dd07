/* SPDX-License-Identifier: PostgreSQL */
/* Sessions on a cluster, as its admin or as the role itself. */
#ifndef KEYTURN_RUNNER_SESSION_H
#define KEYTURN_RUNNER_SESSION_H

#include "rotation/runner.h"

/*
 * Open a session for a job as its run would: as the cluster's admin or, where
 * there is none, as the role, with what the store has.  STATUS_STORE_UNAVAILABLE
 * and STATUS_CORRUPT are the store's, others the cluster's.  ret_revision, when
 * not NULL: of the state that gave the role's passwords, "" with an admin.
 */
enum status runner_session_open(const struct runner_job *job,
				struct cluster_session **ret,
				char ret_revision[STORE_REVISION_SIZE],
				struct reason *why);

/* Give the run's session back; a bad one is closed. */
void runner_session_drop(struct runner *r, bool clean);

#endif
