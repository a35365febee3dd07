/* SPDX-License-Identifier: PostgreSQL */
/* marker = none: no table; a login and an advisory lock stand for the row. */
#ifndef KEYTURN_CLUSTER_POSTGRES_MARKER_NONE_H
#define KEYTURN_CLUSTER_POSTGRES_MARKER_NONE_H

#include "cluster/postgres/marker.h"

extern const struct marker_ops cluster_postgres_marker_none;

#endif
