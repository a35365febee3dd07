/* SPDX-License-Identifier: PostgreSQL */
/*
 * What the files of the marker share; nobody else includes it.  What the rest
 * of the backend calls is in target_postgres_internal.h.
 */
#ifndef KEYTURN_TARGET_MARKER_INTERNAL_H
#define KEYTURN_TARGET_MARKER_INTERNAL_H

#include "base/text.h"
#include "target/target_postgres_internal.h"

#define TARGET_MARKER_SQL_MAX 8192

/* When the password of `r` of pg_roles ends, in microseconds; 0: never. */
#define TARGET_EXPIRES_SQL                                              \
	"CASE WHEN pg_catalog.isfinite(r.rolvaliduntil) THEN (extract(" \
	"epoch FROM r.rolvaliduntil) * 1000000)::bigint ELSE 0 END"

/* The row, the catalog and the claim's holder: see target_marker_row_read(). */
struct target_marker_row {
	struct target_marker marker;
	char holder_pid[16];
	char holder_start[TARGET_STAMP_SIZE];
	bool holder_lives; /* and is not this session */
	int64_t age_us;
	char role_oid[16];
	bool can_login;
	bool expired;
	char valid_until[TARGET_STAMP_SIZE];
	char kind[16]; /* of the stored password: scram, md5, none, ? */
};

/* --- target_marker_prepare.c ---------------------------------------------- */

/* STATUS_REFUSED: the table or its schema is of somebody who could trick us. */
enum status target_marker_prepare_untrusted(const struct target_postgres *p,
					    const struct target_session *s,
					    struct reason *why);

/* --- target_none.c: marker = none ------------------------------------------ */

enum status target_none_claim(struct target_postgres *p,
			      struct target_session *s, const char *role,
			      const char *claim, bool takeover, int64_t floor,
			      struct target_marker *ret, struct reason *why);
enum status target_none_read(struct target_postgres *p,
			     struct target_session *s, const char *role,
			     struct target_marker_row *row, struct reason *why);

/* --- target_marker_row.c -------------------------------------------------- */

/* Add the statement that reads the row to t; its two parameters are
 * the role and the session's branch. */
void target_marker_row_sql(struct text *t, const struct target_session *s);

/* The first row of what that statement gave. */
void target_marker_row_parse(const struct pg_result *r,
			     struct target_marker_row *row);

/* STATUS_NOT_FOUND, with the new name when the marker knows it. */
enum status target_marker_row_missing(struct target_postgres *p,
				      struct target_session *s,
				      const char *role, struct reason *why);

/* Does the state say that there is no marker table, or no schema for it? */
bool target_marker_row_no_table(const char *sqlstate);

/* Read the row, or the role alone while there is no table.  STATUS_NOT_FOUND:
 * no such role.  A connection lost on the way is STATUS_CLUSTER_UNAVAILABLE. */
enum status target_marker_row_read(struct target_postgres *p,
				   struct target_session *s, const char *role,
				   struct target_marker_row *row,
				   struct reason *why);

#endif
