/* SPDX-License-Identifier: PostgreSQL */
/* The row of a role in the marker table. */
#ifndef KEYTURN_CLUSTER_POSTGRES_MARKER_ROW_H
#define KEYTURN_CLUSTER_POSTGRES_MARKER_ROW_H

#include "cluster/postgres/marker.h"

#define CLUSTER_MARKER_SQL_MAX 8192

/* Add the statement that reads the row to t; its two parameters are
 * the role and the session's branch. */
void cluster_postgres_marker_row_sql(struct text *t,
				     const struct cluster_session *s);

/* The first row of what that statement gave. */
void cluster_postgres_marker_row_parse(const struct pg_result *r,
				       struct marker_row *row);

/* STATUS_NOT_FOUND, with the new name when the marker knows it. */
enum status cluster_postgres_marker_row_missing(struct cluster_postgres *p,
						struct cluster_session *s,
						const char *role,
						struct reason *why);

/* Does the state say that there is no marker table, or no schema for it? */
bool cluster_postgres_marker_row_no_table(const char *sqlstate);

/* Read the row, or the role alone while there is no table.  STATUS_NOT_FOUND:
 * no such role.  A connection lost on the way is STATUS_CLUSTER_UNAVAILABLE. */
enum status cluster_postgres_marker_row_read(struct cluster_postgres *p,
					     struct cluster_session *s,
					     const char *role,
					     struct marker_row *row,
					     struct reason *why);

/* Was the role of this name renamed?  *ret is then its new name. */
bool cluster_postgres_marker_row_new_name(struct cluster_postgres *p,
					  struct cluster_session *s,
					  const char *role,
					  char ret[CLUSTER_NAME_SIZE]);

#endif
