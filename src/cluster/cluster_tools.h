/* SPDX-License-Identifier: PostgreSQL */
/* What commands ask of a cluster, and rotation never does.  The statuses are those
 * of cluster.h. */
#ifndef KEYTURN_CLUSTER_TOOLS_H
#define KEYTURN_CLUSTER_TOOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/random.h"
#include "base/reason.h"
#include "base/text.h"

struct cluster;
struct cluster_pair;

/* A role to be made for a partner; strings are "" when not wanted. */
enum cluster_role_kind {
	CLUSTER_ROLE_PASSWORD, /* a native role; it gets its password later */
	CLUSTER_ROLE_SERVICE_PRINCIPAL,
	CLUSTER_ROLE_USER,
	CLUSTER_ROLE_GROUP
};

#define CLUSTER_GRANTS_MAX 16

struct cluster_role_spec {
	const char *role;
	enum cluster_role_kind kind;
	const char *owner;    /* the group that it becomes a member of */
	const char *database; /* where it may connect, and grants are made */
	const char *const *grants; /* "SELECT ON ALL TABLES IN SCHEMA s" */
	size_t n_grants;
};

enum cluster_chain_form {
	CLUSTER_CHAIN_TEXT,
	CLUSTER_CHAIN_JSON,
	CLUSTER_CHAIN_PEM
};

/* The database of the administrator, for `logins`. */
#define CLUSTER_OWN_DATABASE ""

/*
 * One consumer of a role that has a marker, as the server knows it.  The address
 * is the server's, so a pooler's; application_name is whatever a client says.
 * Times are by the server's clock alone.  Strings live until the call ends.
 */
struct cluster_seen {
	const char *login;	 /* as which role it logged in */
	bool pair;		 /* that is one of a pair's */
	bool beside;		 /* ... and not the active one */
	const char *version;	 /* live in the marker; of who is beside the
				    active one: the version before, or "" */
	const char *address;	 /* "" for a Unix socket */
	const char *application; /* "" when it has no name */
	bool hidden; /* the administrator may not see from where and since when:
			address and times are not known */
	int64_t after_us; /* its last login, after the version was applied;
			     negative: before */
	int64_t first_ago_us, last_ago_us; /* its first and last login that is
					      known */
	int64_t count;			   /* sessions, or logins */

	/* Of a gateway's consumer, else NULL. */
	const char *gateway; /* which it came through, as people call it */
	const char *role;    /* the [role NAME], as its agent knows it */
};
typedef enum status cluster_seen_fn(void *arg, const struct cluster_seen *s);

/* The address of consumers that an agent does not tell apart any more. */
#define CLUSTER_FURTHER_HOSTS "further"

/* What a gateway's agent said, or that it did not. */
struct cluster_heard {
	const char *gateway;
	bool answered;	      /* and told all that it has */
	int64_t since_ago_us; /* for how long it has counted each login; of what
				 was before it knows nothing */
	const char *why; /* it did not: a sentence that names it, else "" */
};
typedef enum status cluster_heard_fn(void *arg, const struct cluster_heard *h);

/* A pair that is looked at, and what the look showed besides who uses it: of those
 * of its three roles that are not the active one.  Durations are by the server's
 * clock. */
struct cluster_watched {
	const char *owner;
	const struct cluster_pair *pair;
	bool found; /* it was rotated, and what follows is known */
	char version[RANDOM_UUID_SIZE]; /* live in the marker */
	int64_t live_us;		/* how long that has been live */
	bool may_login;			/* one of them has LOGIN */
	int64_t sessions;   /* that they have, whatever these call themselves */
	bool visible;	    /* the administrator may see more of the sessions of
			       those with LOGIN than how many there are */
	bool kept;	    /* the version before was not cleared */
	int64_t retired_us; /* how long its member has been without LOGIN by us;
			       -1: it has not */
	char admin[64];	    /* who looked */
};

struct cluster_tools {
	/*
	 * Make a role, without a password, all or nothing.  STATUS_REFUSED also
	 * when it exists, or would have a share of an all-powerful role.
	 */
	enum status (*create_role)(struct cluster *t,
				   const struct cluster_role_spec *spec,
				   struct reason *why);

	/*
	 * Make owner, members, memberships and settings of a pair, what is
	 * missing of them, all or nothing; what is there keeps its rights,
	 * objects and LOGIN.  `print`: make nothing.  *ret gets the statements.
	 */
	enum status (*make_pair)(struct cluster *t, const char *owner,
				 const struct cluster_pair *pair, bool print,
				 struct text *ret, struct reason *why);

	/* The certificates that the server shows, for people or machines, or
	 * the root alone, for a partner (STATUS_REFUSED when it is not trusted
	 * here).  Nothing but TLS is spoken with the server. */
	enum status (*show_chain)(struct cluster *t,
				  enum cluster_chain_form form,
				  struct text *ret, struct reason *why);

	/*
	 * The sessions of all roles that have a marker, and of the members of
	 * these pairs, in one query: one call of fn for the sessions of a
	 * consumer that began before the live version was applied, and one for
	 * those that began after it.  keyturn's own are left out.  What is known
	 * of each pair is filled in.  STATUS_NOT_FOUND: there is no marker
	 * table, and so nothing to compare with; STATUS_REFUSED also for a
	 * cluster without an administrator.
	 */
	enum status (*sessions)(struct cluster *t,
				struct cluster_watched *pairs, size_t n,
				cluster_seen_fn *fn, void *arg,
				struct reason *why);

	/*
	 * NULL but for gateways, where it stands for `sessions` and `logins`: who
	 * logged in with which password, as their agents have counted it.  One
	 * call of fn for each login, address, service (`application`) and
	 * version; `version` is the one that it came with, `beside` that it was
	 * accepted as the previous one.  Behind those of a gateway, one call of
	 * heard, also for a gateway whose agent does not answer: who uses that
	 * one is then not known.  STATUS_CLUSTER_UNAVAILABLE: none answered.
	 */
	enum status (*uses)(struct cluster *t, cluster_seen_fn *fn,
			    cluster_heard_fn *heard, void *arg,
			    struct reason *why);

	/*
	 * The logins that an event trigger noted in this database
	 * (sql/login_event.sql).  STATUS_NOT_FOUND: it is not installed there;
	 * STATUS_REFUSED: it may not be read, or is not to be trusted.
	 */
	enum status (*logins)(struct cluster *t, const char *database,
			      cluster_seen_fn *fn, void *arg,
			      struct reason *why);

	/* May the administrator see the sessions of this role?  STATUS_REFUSED:
	 * no, and by which SQL it may. */
	enum status (*sees)(struct cluster *t, const char *role,
			    struct reason *why);
};

#endif
