/* SPDX-License-Identifier: PostgreSQL */
/*
 * The marker says which version of a role's password is live, and whose claim the
 * role is under.  It is a row of keyturn's own table, or, with marker = none, a
 * login and an advisory lock.
 */
#ifndef KEYTURN_CLUSTER_POSTGRES_MARKER_H
#define KEYTURN_CLUSTER_POSTGRES_MARKER_H

#include "cluster/postgres/common.h"
#include "cluster/postgres/findings.h"

/* When the password of this row of pg_roles ends, in microseconds; 0: never. */
#define CLUSTER_EXPIRES_SQL(r)                                              \
	"CASE WHEN pg_catalog.isfinite(" r ".rolvaliduntil) THEN (extract(" \
	"epoch FROM " r ".rolvaliduntil) * 1000000)::bigint ELSE 0 END"

/* What is seen of a role: the marker, the catalog and the claim's holder. */
struct marker_row {
	struct cluster_marker marker;
	char holder_pid[16];
	char holder_start[CLUSTER_STAMP_SIZE];
	bool holder_lives; /* and is not this session */
	int64_t age_us;
	char role_oid[16];
	bool wide; /* the table has the columns of pairs */
	bool gone; /* the active member: there is no such role now */
	/* Of the login role whose password is live: the active member of a
	 * pair, else the role. */
	bool can_login;
	bool expired;
	char valid_until[CLUSTER_STAMP_SIZE];
	char kind[16]; /* of the stored password: scram, md5, none, ? */
};

struct marker_ops {
	bool kept; /* in the database: it outlives the session, and has the
		      fingerprint of the password that it names */

	/*
	 * Take the claim, as `claim` of struct cluster_ops; the session may
	 * have one, and the role's name is usable.  On STATUS_OK the claim is
	 * in the session as well.
	 */
	enum status (*claim)(struct cluster_postgres *p,
			     struct cluster_session *s,
			     const struct cluster_claim *c,
			     struct cluster_marker *ret, struct reason *why);

	/* Look.  STATUS_NOT_FOUND: no such role.  A connection lost on the way
	 * is STATUS_CLUSTER_UNAVAILABLE. */
	enum status (*read)(struct cluster_postgres *p,
			    struct cluster_session *s, const char *role,
			    struct marker_row *ret, struct reason *why);

	/*
	 * Add the statement that begins an apply: it names the version, sets
	 * synchronous_commit, and fails with 22012 unless the session has the
	 * claim and the change is one that the row allows.  Its parameters are
	 * the role's oid, claim, version, verifier's fingerprint or NULL, role,
	 * synchronous_commit, branch and, when there is one, the member.
	 * `more` is a part of its select list, "" or ", ...".
	 */
	void (*add_fence)(struct text *t, const struct cluster_session *s,
			  const struct cluster_change *c, const char *more);

	/* Say, without waiting, that the session's claim is over. */
	void (*end)(struct cluster_session *s);

	/* For a preflight: is everything there for it? */
	enum status (*check)(struct cluster_postgres *p,
			     struct cluster_session *s,
			     struct cluster_findings *f, struct reason *why);
};

extern const struct marker_ops cluster_postgres_marker_table;
extern const struct marker_ops cluster_postgres_marker_none;

/* For struct cluster_ops. */
enum status cluster_postgres_marker_claim(struct cluster *t,
					  struct cluster_session *s,
					  const struct cluster_claim *c,
					  struct cluster_marker *ret,
					  struct reason *why);
enum status cluster_postgres_marker_look(struct cluster *t,
					 struct cluster_session *s,
					 const char *role,
					 struct cluster_marker *ret,
					 struct reason *why);
enum status cluster_postgres_marker_inspect(struct cluster *t,
					    struct cluster_session *s,
					    const char *role,
					    struct cluster_marker *ret,
					    struct reason *why);

#endif
