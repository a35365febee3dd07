/* SPDX-License-Identifier: PostgreSQL */
/* The marker is a row of a table of keyturn's own. */
#ifndef KEYTURN_CLUSTER_POSTGRES_MARKER_TABLE_H
#define KEYTURN_CLUSTER_POSTGRES_MARKER_TABLE_H

#include "cluster/postgres/marker.h"

extern const struct marker_ops cluster_postgres_marker_table;

#endif
