/* SPDX-License-Identifier: PostgreSQL */
/*
 * From when to when each login at a gateway is known, from its agent: what the agent
 * counts is lost when it is restarted, and it may be away, so that what is not seen in
 * between is not known, and never taken for quiet.
 */
#ifndef KEYTURN_HEARD_H
#define KEYTURN_HEARD_H

#include <stdbool.h>

#include "cluster/cluster_tools.h"
#include "ledger/ledger.h"

#define HEARD_GATEWAY_SIZE 128

/* Wall clock.  All logins between the two are remembered; both 0: its agent never
 * answered. */
struct heard {
	char gateway[HEARD_GATEWAY_SIZE];
	int64_t from_us, last_us;
};

/* The i-th gateway of a [cluster NAME], in the order in which they are asked.
 * STATUS_NOT_FOUND: there is none. */
enum status heard_recall(struct ledger *l, const char *cluster, size_t i,
			 int64_t now_us, struct heard *ret, struct reason *why);

/* What the i-th one said now. */
enum status heard_note(struct ledger *l, const char *cluster, size_t i,
		       const struct cluster_heard *h, int64_t now_us,
		       struct reason *why);

/* There are no more than n: what is remembered of others is forgotten. */
void heard_end(struct ledger *l, const char *cluster, size_t n, int64_t now_us);

/* Is every login since then remembered, up to gap_us before now? */
bool heard_all(const struct heard *h, int64_t since_us, int64_t now_us,
	       int64_t gap_us);

#endif
