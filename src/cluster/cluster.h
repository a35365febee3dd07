/* SPDX-License-Identifier: PostgreSQL */
/*
 * The system whose role is rotated, and what rotation asks of it.  One driver
 * today (postgres/postgres.h); the simulator is the other.  What commands ask
 * beside that is in cluster_tools.h.
 *
 * A `struct cluster` is one cluster; a `struct cluster_session` is one admin
 * connection, and a claim is bound to the session that made it: connection
 * lost means claim lost (rotation-safety.md finding 3).
 *
 * Statuses, for every member: STATUS_OK; STATUS_REFUSED, the cluster said no
 * and changed nothing; STATUS_CLUSTER_UNAVAILABLE, nothing was changed and a
 * retry may help; STATUS_UNKNOWN, the request was sent and no answer came.
 * Others are named where they can occur.
 */
#ifndef KEYTURN_CLUSTER_H
#define KEYTURN_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"
#include "base/reason.h"
#include "base/secret.h"

#define CLUSTER_NAME_SIZE   64 /* NAMEDATALEN: 63 bytes and a NUL */
#define CLUSTER_SERVER_SIZE 64

struct cluster_session;

/* A password that may be a role's present one: for clusters without an admin,
 * where the role itself connects. */
struct cluster_candidate {
	const char *version; /* "" when the store does not have it */
	const struct secret *password;
};

#define CLUSTER_MEMBERS 2

/*
 * Two login roles in turn (strategy = alternating).  The role that is rotated is
 * then their owner: the marker's row is its, and it logs in itself only until
 * the first rotation, when it was a login role before.
 */
struct cluster_pair {
	const char *members[CLUSTER_MEMBERS];
};

/* One of the roles of a pair that may log in: a member, or the owner. */
struct cluster_member {
	char name[CLUSTER_NAME_SIZE];
	bool found;	   /* there is such a role, and what follows is known */
	bool can_login;	   /* LOGIN */
	bool keeps;	   /* it has a password that the admin may remove, or
			      may have one: who sees no pg_authid cannot tell */
	bool sealed;	   /* ... by attribute: no one has its password */
	unsigned sessions; /* that it has on this server */
	unsigned prepared; /* transactions, which only it may finish */
	unsigned senders;  /* of its sessions: replication */
	char who[160];	   /* the oldest of them: address, application and
			      since when, printable; "" without a session, and
			      "?" when the admin may not see that */
};

/* A claim to be made on a role. */
struct cluster_claim {
	const char *role;
	const char *claim; /* a new UUID */
	bool takeover;	   /* do not wait for the holder's age */
	int64_t floor;	   /* what the epoch must be above */
	bool pair;	   /* the row must be able to name a member */
};

/* What is changed, in one transaction with the marker's compare-and-swap. */
enum cluster_change_kind {
	CLUSTER_CHANGE_PASSWORD, /* the role's password, or with a member its
				    password and LOGIN: live from then on, and
				    what was live is the previous version */
	CLUSTER_CHANGE_MARKER,	 /* nothing but the live version */
	CLUSTER_CHANGE_RENEW,	 /* another version of the active member's live
				    password, and nothing else */
	CLUSTER_CHANGE_REVERT,	 /* the previous version and its member, LOGIN,
				    are the live ones again, and what was live
				    is the previous one */
	CLUSTER_CHANGE_NOLOGIN,	 /* a member that is not active, NOLOGIN */
	CLUSTER_CHANGE_CLEAR	 /* such a member's PASSWORD NULL; there is no
				    previous version from then on */
};

/*
 * The last two may come with a password that is kept nowhere: where a server
 * refuses NOLOGIN or PASSWORD NULL, that one takes the old one's place.  LOGIN
 * stays as it is, and there is no previous version from then on; the marker has
 * that a member which so keeps LOGIN is sealed.
 */

struct cluster_change {
	enum cluster_change_kind kind;
	const char *role;
	const char *member;  /* of a pair: who is changed, the owner when it
				is not the active one; else NULL */
	const char *claim;   /* the session's */
	const char *version; /* PASSWORD to REVERT: of the password; the
				salt comes from it, as that of a password that
				is kept nowhere */
	const struct secret *password; /* PASSWORD; NOLOGIN and CLEAR may have
					  one; else NULL */
};

/* What the marker row and the catalog say of a role, read under the claim. */
struct cluster_marker {
	uint32_t role_oid;
	bool found;			     /* there is a row for this role */
	char live_version[RANDOM_UUID_SIZE]; /* "" when none was ever applied */
	/* Of a pair: the member whose password the live version is, by its
	 * present name ("" for the role itself); the version of the one before,
	 * "" when there is none or it was cleared; and when that one's member
	 * lost LOGIN by us, wall clock, 0: it has not. */
	char active[CLUSTER_NAME_SIZE];
	char previous_version[RANDOM_UUID_SIZE];
	char previous[CLUSTER_NAME_SIZE]; /* whose that is, likewise; "" also
					     when it was dropped */
	int64_t retired_us;
	char claim[RANDOM_UUID_SIZE];
	int64_t epoch;	    /* grows with each claim */
	int64_t epoch_was;  /* before this claim; 0 when there was no row */
	bool foreign;	    /* the password in the catalog is not the one that
			       was written with live_version (fingerprint; only
			       where the admin may read pg_authid) */
	bool branched;	    /* the row was written on another branch of the
			       database (lakebase.md 3.7) */
	bool standbys;	    /* a commit waits for synchronous standbys (look) */
	bool none;	    /* the role has no password (likewise) */
	int64_t expires_us; /* VALID UNTIL by the wall clock; 0: never */
	bool renamed;	    /* the row's role is now called otherwise, or the
			       name now belongs to another role: renamed, made
			       again, or moved to a server with other oids */
};

/* One finding of a preflight or of `check`: a sentence and how to mend it. */
enum cluster_severity { CLUSTER_NOTE, CLUSTER_WARN, CLUSTER_FAIL };
typedef void cluster_finding_fn(void *arg, enum cluster_severity severity,
				const char *topic, const char *sentence);

/* The topic of what belongs to a pair's member, and not to the owner. */
#define CLUSTER_TOPIC_OBJECTS "objects"

/* Evidence of one login attempt (rotation-safety.md section 2.4). */
enum cluster_login {
	CLUSTER_LOGIN_RIGHT,	  /* the server asked, and took the password;
				     also when it then refused for NOLOGIN,
				     connection limit or database */
	CLUSTER_LOGIN_WRONG,	  /* asked and refused (28P01) */
	CLUSTER_LOGIN_NOT_ASKED,  /* let in without a password: no evidence */
	CLUSTER_LOGIN_NO_EVIDENCE /* unreachable, full, TLS, timeout */
};

/* Which password a login is made with: what it shows depends on that. */
enum cluster_proof {
	CLUSTER_PROOF_NEW,     /* applied just now: a replica may lag behind */
	CLUSTER_PROOF_PRESENT, /* CURRENT, before anything is changed */
	CLUSTER_PROOF_WRONG /* a deliberate wrong one, which must be refused */
};

/*
 * How bad an outcome is, 0 for what is hoped for: of several endpoints the worst
 * counts.  For a proof a "no" outranks "could not ask", so that a refused password
 * is not tried over and over.  For the control, a wrong password that is taken
 * anywhere is the worst of all.
 */
int cluster_login_badness(enum cluster_login login, enum cluster_proof kind);

/* Who logs in for a proof, and where; strings may be NULL but for the role. */
struct cluster_who {
	const char *role;
	const char *owner;	  /* of a pair: whom a session of the role is to
			      be; NULL: no one else */
	const char *prove_dbname; /* what was set for proving this role */
	const char *dbname;	  /* else, where its consumers log in */
	bool direct;		  /* only where passwords are changed, and not
				     on the further endpoints: of a role without
				     LOGIN a pooler tells nothing, and that server
				     whether the password is right */
	const char *auth_file;	  /* a sink that poolers read: it is written
				     after the proof; NULL: none */
	bool gives; /* with CLUSTER_PROOF_NEW a pair's member gives the owner
		       what belongs to it in that database; why says so */
};

#define CLUSTER_WAY_SIZE 65

struct cluster;
struct cluster_tools;

struct cluster_ops {
	const char *type; /* "postgres" */

	/*
	 * Open an admin session: directly, to a writable server.  May reuse an
	 * idle session of this cluster that no claim is bound to.
	 */
	enum status (*open)(struct cluster *t, struct cluster_session **ret,
			    struct reason *why);

	/*
	 * On a cluster whose roles change their own passwords (cluster->self):
	 * open a session as this role with the first candidate that is taken.
	 * STATUS_REFUSED when all are refused, or there is none.
	 */
	enum status (*open_as)(struct cluster *t, const char *role,
			       const struct cluster_candidate *candidates,
			       size_t n, struct cluster_session **ret,
			       struct reason *why);

	/*
	 * Give the session up.  `clean` false closes the connection; true takes
	 * the session's name off the claim it made, so that the next rotator
	 * need not wait, and lets the cluster keep it for the next open().
	 */
	void (*release)(struct cluster *t, struct cluster_session *s,
			bool clean);

	/*
	 * Is everything in place to rotate this role?  Reads only.  Cluster-wide
	 * findings are remembered per cluster.  Each finding goes to `finding`
	 * when not NULL.  STATUS_REFUSED with the first failure's sentence when
	 * there is a CLUSTER_FAIL: role missing, superuser, pg_*, keyturn's own
	 * admin, no right to change it, NOLOGIN, VALID UNTIL passed, marker table
	 * missing and not creatable, read-only, ...  With a pair (else NULL) the
	 * members are asked all that, too, and the two and their owner what
	 * they must be to each other; and only one of the three needs LOGIN.
	 * Without a role: only what concerns the cluster.
	 */
	enum status (*preflight)(struct cluster *t, struct cluster_session *s,
				 const char *role,
				 const struct cluster_pair *pair,
				 cluster_finding_fn *finding, void *arg,
				 struct reason *why);

	/*
	 * Take the claim (protocol step S1): one transaction that locks the
	 * marker row, refuses while the claim of another living session is
	 * younger than claim_max_us (STATUS_BUSY), ends an older or our own
	 * earlier backend, writes `claim` and the greater of epoch and `floor`
	 * plus one (after a restore the epoch would go back), commits
	 * (synchronous_commit may be off: the claim is bound to this session).
	 * `takeover`: do not wait for age, end the other backend at once
	 * (`recover`, or our own earlier session).
	 * STATUS_UNKNOWN when the commit's reply was lost: claim again.
	 * STATUS_NOT_FOUND when there is no such role.
	 */
	enum status (*claim)(struct cluster *t, struct cluster_session *s,
			     const struct cluster_claim *c,
			     struct cluster_marker *ret, struct reason *why);

	/* Read the marker and the role without a claim. */
	enum status (*look)(struct cluster *t, struct cluster_session *s,
			    const char *role, struct cluster_marker *ret,
			    struct reason *why);

	/* Who of a pair may log in and does: the members, then the owner. */
	enum status (*peek)(struct cluster *t, struct cluster_session *s,
			    const char *role, const struct cluster_pair *pair,
			    struct cluster_member ret[CLUSTER_MEMBERS + 1],
			    struct reason *why);

	/*
	 * End every session of this role on this server.  *ret_left: so many
	 * are there yet.  STATUS_REFUSED says which right lacks.
	 */
	enum status (*end_sessions)(struct cluster *t,
				    struct cluster_session *s, const char *role,
				    unsigned *ret_left, struct reason *why);

	/*
	 * Step S6: one transaction on the claim's session: marker
	 * compare-and-swap on the claim (must hit one row), then ALTER ROLE, for
	 * a password with the verifier built from password and version (salt
	 * from the version id), commit with synchronous_commit on.
	 * STATUS_CONFLICT: fenced, another claim is in the marker.
	 * STATUS_REJECTED: the server definitely rejects this password (22023 or
	 * an extension's refusal of the password).
	 * STATUS_NOT_FOUND: the role is gone.
	 * *ret_alone, on STATUS_OK: it is committed on this server, and no
	 * synchronous standby has confirmed it while we waited.
	 */
	enum status (*apply)(struct cluster *t, struct cluster_session *s,
			     const struct cluster_change *c, bool *ret_alone,
			     struct reason *why);

	/*
	 * One login as the role on every endpoint of the cluster, with exactly
	 * this password and no other credential.  *ret_login is the weakest
	 * evidence of all endpoints; for CLUSTER_PROOF_WRONG a "no" is the best.
	 * Always STATUS_OK unless something local failed; STATUS_CONFLICT when
	 * an endpoint is a PgBouncer, which with `auth_file` could not know a
	 * new password by then: none can be proved.
	 */
	enum status (*prove)(struct cluster *t, const struct cluster_who *who,
			     const struct secret *password,
			     enum cluster_proof kind,
			     enum cluster_login *ret_login, struct reason *why);

	/* The way that these logins go, as a hash: another one when any
	 * setting that they depend on is another. */
	enum status (*way)(struct cluster *t, const struct cluster_who *who,
			   char ret_way[CLUSTER_WAY_SIZE]);

	/*
	 * Why would a right password be refused?  After a CLUSTER_LOGIN_WRONG:
	 * `why` says expired, NOLOGIN, md5 under a scram rule, changed by hand.
	 * Fills the marker as look() does.
	 */
	enum status (*inspect)(struct cluster *t, struct cluster_session *s,
			       const char *role, struct cluster_marker *ret,
			       struct reason *why);

	void (*close)(struct cluster *t);
};

struct cluster {
	const struct cluster_ops *ops;
	const struct cluster_tools *tools; /* cluster_tools.h; NULL: none */
	const char *name;		   /* the [cluster NAME] */
	/* What consumers are told (strings, "" when unknown). */
	const char *host;
	const char *port;
	const char *dbname;
	const char *sslmode;
	const char *sslrootcert; /* only what the operator has written down */
	/* A commit that failed may have changed the password all the same
	 * (services that forward it, rotation-safety.md X13): a left-over
	 * PENDING is then applied again, never dropped. */
	bool doubts;
	unsigned endpoints; /* at which a proof logs in */
	bool gateway;	    /* no role is changed: the login is the gateway's,
			       which goes by the store's labels, and CURRENT
			       and PREVIOUS are both good.  Of the members only
			       preflight (without a session), prove and way */
	bool self;	    /* no admin: sessions are opened with open_as() */
	/* Which running server the last preflight was on; "" when it does not
	 * say.  Two clusters that have the same one are one server. */
	char server[CLUSTER_SERVER_SIZE];
	bool unmarked; /* no marker: live_version is what logged in, and may be
			  older than the claim */
};

#endif
