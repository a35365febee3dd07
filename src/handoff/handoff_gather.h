/* SPDX-License-Identifier: PostgreSQL */
/* What a hand-off sheet says of a role, from settings, ledger, marker and server.
 * Reads no secret. */
#ifndef KEYTURN_HANDOFF_GATHER_H
#define KEYTURN_HANDOFF_GATHER_H

#include "cluster/cluster.h"
#include "crypto/certs.h"
#include "handoff/handoff_sheet.h"
#include "open/engine/engine.h"

struct handoff_gather {
	struct handoff_sheet
		sheet; /* its strings are here, or in the settings */
	char version[RANDOM_UUID_SIZE];
	char user_now[CLUSTER_NAME_SIZE], user_before[CLUSTER_NAME_SIZE];
	char user_next[CLUSTER_NAME_SIZE];
	char root_print[CERTS_FINGERPRINT_SIZE];
	struct text root; /* PEM, when it was asked for */
	struct schedule_zone *zone;
};

/*
 * Of a pair the marker is asked which member is active; root: the server for its
 * root certificate, too.  STATUS_REFUSED: the marker's live version is not that
 * of the ledger, so that a rotation has to be finished first.  Free with
 * handoff_gather_free(), also after a failure.
 */
enum status handoff_gather(struct open_engine *w,
			   const struct config_group *role, bool root,
			   struct handoff_gather *ret, struct reason *why);
void handoff_gather_free(struct handoff_gather *g);

#endif
