/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of the marker share; nobody else includes it.  What the rest
 * of the backend calls is in cluster_postgres_internal.h.
 */
#ifndef KEYTURN_TARGET_MARKER_INTERNAL_H
#define KEYTURN_TARGET_MARKER_INTERNAL_H

#include "base/text.h"
#include "cluster/postgres/postgres_internal.h"

#define CLUSTER_MARKER_SQL_MAX 8192

/* When the password of `r` of pg_roles ends, in microseconds; 0: never. */
#define CLUSTER_EXPIRES_SQL                                             \
	"CASE WHEN pg_catalog.isfinite(r.rolvaliduntil) THEN (extract(" \
	"epoch FROM r.rolvaliduntil) * 1000000)::bigint ELSE 0 END"

/* The row, the catalog and the claim's holder: see cluster_postgres_marker_row_read(). */
struct cluster_marker_row {
	struct cluster_marker marker;
	char holder_pid[16];
	char holder_start[CLUSTER_STAMP_SIZE];
	bool holder_lives; /* and is not this session */
	int64_t age_us;
	char role_oid[16];
	bool can_login;
	bool expired;
	char valid_until[CLUSTER_STAMP_SIZE];
	char kind[16]; /* of the stored password: scram, md5, none, ? */
};

/* --- cluster_postgres_marker_prepare.c ---------------------------------------------- */

/* STATUS_REFUSED: the table or its schema is of somebody who could trick us. */
enum status cluster_postgres_marker_prepare_untrusted(
	const struct cluster_postgres *p, const struct cluster_session *s,
	struct reason *why);

/* --- cluster_postgres_marker_none.c: marker = none ------------------------------------------ */

enum status cluster_postgres_marker_none_claim(
	struct cluster_postgres *p, struct cluster_session *s, const char *role,
	const char *claim, bool takeover, int64_t floor,
	struct cluster_marker *ret, struct reason *why);
enum status cluster_postgres_marker_none_read(struct cluster_postgres *p,
					      struct cluster_session *s,
					      const char *role,
					      struct cluster_marker_row *row,
					      struct reason *why);

/* --- cluster_postgres_marker_row.c -------------------------------------------------- */

/* Add the statement that reads the row to t; its two parameters are
 * the role and the session's branch. */
void cluster_postgres_marker_row_sql(struct text *t,
				     const struct cluster_session *s);

/* The first row of what that statement gave. */
void cluster_postgres_marker_row_parse(const struct pg_result *r,
				       struct cluster_marker_row *row);

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
					     struct cluster_marker_row *row,
					     struct reason *why);

#endif
