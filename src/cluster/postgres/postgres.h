/* SPDX-License-Identifier: PostgreSQL */
/* The PostgreSQL driver of cluster.h. */
#ifndef KEYTURN_CLUSTER_POSTGRES_H
#define KEYTURN_CLUSTER_POSTGRES_H

#include "base/now.h"
#include "cluster/cluster.h"

enum cluster_marker_mode {
	CLUSTER_MARKER_TABLE,
	CLUSTER_MARKER_NONE /* ADMIN_SELF only: the login tells what is live */
};

enum cluster_admin {
	CLUSTER_ADMIN_PASSFILE, /* or none: peer, certificates */
	CLUSTER_ADMIN_TOKEN,	/* admin_password() gives a minted one */
	CLUSTER_ADMIN_SELF	/* each role changes its own password */
};

#define CLUSTER_USER_SIZE 256

/* What the server is given for a new password. */
enum cluster_send {
	CLUSTER_SEND_SCRAM, /* a verifier: it never sees the password */
	CLUSTER_SEND_AUTO,  /* likewise, until it refuses verifiers */
	CLUSTER_SEND_PLAIN  /* the password, inside TLS with verify-full */
};

struct cluster_postgres_options {
	const char *name;	    /* [cluster NAME] */
	const char *conninfo;	    /* admin's, without password */
	const char *admin_passfile; /* libpq passfile for the admin, or NULL */
	enum cluster_admin admin;
	/*
	 * TOKEN: a password with at least that much life left, and its user or
	 * "" ; *ret_password is the cluster's.  The server refused the last one:
	 * admin_refused(), which may be NULL.
	 */
	enum status (*admin_password)(void *arg, int64_t min_life_us,
				      char ret_user[CLUSTER_USER_SIZE],
				      struct secret **ret_password,
				      struct reason *why);
	void (*admin_refused)(void *arg);
	void *admin_arg;
	enum cluster_marker_mode marker;
	const char *branch; /* of the database, NULL: what the server says,
			       if anything */
	const char *const *endpoints; /* further conninfos a login is proved on,
					 NULL-terminated, may be NULL; the
					 admin's conninfo is always the first */
	const char *prove_dbname;     /* database for proving, NULL: admin's */
	const char *marker_schema;    /* default "keyturn" */
	enum cluster_send send;
	/* AUTO: has this cluster refused verifiers (*ret), and it has.  What is
	 * forgotten costs one refused commit.  Both may be NULL. */
	bool (*wants_plain)(void *arg);
	void (*note_plain)(void *arg);
	void *note_arg;
	bool insecure;		      /* allow sslmode under verify-full */
	unsigned scram_iterations;    /* 0: the server's, else 4096 */
	int64_t connect_timeout_us;   /* default 30 s */
	int64_t statement_timeout_us; /* default 30 s */
	int64_t lock_timeout_us;      /* default 5 s */
	int64_t claim_max_us;	      /* default 120 s */
	int64_t wake_timeout_us;      /* how long a server that wakes up is
					 waited for; default: not at all */
	const struct now *now;
	const struct random *random;
};

/*
 * Open a cluster.  No connection is made yet.  *ret_cluster is the caller's;
 * free with (*ret_cluster)->ops->close().  Safe for use by several threads;
 * a session is used by one at a time.
 */
enum status cluster_postgres_open(const struct cluster_postgres_options *o,
				  struct cluster **ret_cluster,
				  struct reason *why);

/*
 * Create the marker's schema and table when they are missing (claim() does it
 * by itself).  Safe to run by several at once.  STATUS_REFUSED with the SQL
 * that an administrator must run when keyturn's admin may not create them, or
 * when others own them or can change them.
 */
enum status cluster_postgres_prepare(struct cluster *t, struct reason *why);

#endif
