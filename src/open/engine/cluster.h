/* SPDX-License-Identifier: PostgreSQL */
/* The clusters of a configuration, each opened when it is first asked for. */
#ifndef KEYTURN_OPEN_ENGINE_CLUSTER_H
#define KEYTURN_OPEN_ENGINE_CLUSTER_H

#include "cluster/cluster.h"
#include "open/open.h"

struct open_engine_clusters;

/* ledger may be NULL: then nothing is remembered of a cluster.  Both must
 * outlive it.  NULL: out of memory. */
struct open_engine_clusters *open_engine_cluster_new(struct opened *opened,
						     struct ledger *ledger);
void open_engine_cluster_free(struct open_engine_clusters *cs);

/* The cluster of a [cluster NAME], opened (not connected) at the first call; it
 * belongs to the set.  Thread-safe. */
enum status open_engine_cluster_get(struct open_engine_clusters *cs,
				    const char *name, struct cluster **ret,
				    struct reason *why);

#endif
