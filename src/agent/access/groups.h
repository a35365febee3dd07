/* SPDX-License-Identifier: PostgreSQL */
/*
 * The configuration as the agent needs it: who may do what with which role.
 * Made as a whole when the configuration is read and never changed.
 */
#ifndef KEYTURN_AGENT_ACCESS_GROUPS_H
#define KEYTURN_AGENT_ACCESS_GROUPS_H

#include "agent/access/rules.h"
#include "agent/cache/cache.h"
#include "config/config.h"

/* The rights of wire.def. */
enum agent_right {
	AGENT_RIGHT_NOBODY, /* none is needed */
	AGENT_RIGHT_READ,
	AGENT_RIGHT_VERIFY,
	AGENT_RIGHT_LIST,
	AGENT_RIGHT_REPORT,
	AGENT_RIGHT_REQUEST,
	AGENT_RIGHT_ADMIN, /* goes with the socket, never with a rule */
};

struct agent_role {
	char name[AGENT_NAME_SIZE];
	const char *store;   /* the [store NAME], or "token:NAME" */
	const char *realm;   /* the [cluster NAME], or "" */
	const char *rolname; /* "" when only the secret knows it */
	const char *members; /* of a pair, by spaces; "": a single role */
	/* What is configured; of the first three the secret may know more. */
	const char *host, *port, *dbname, *sslmode;
	struct agent_access_rules readers, verifiers, listers, requesters;
	const char *units;
	int64_t grace_us;
	const struct config_group *group; /* [role NAME] or [token NAME] */
	bool token;
	int64_t life_us; /* the least life of a token that is handed out */
	struct agent_secret *secret; /* the cache's; NULL: not needed */
	int64_t asked_us;	     /* boot: of the last ROTATE; 0 never */
	bool asked;		     /* and the rotator has not taken it yet */
	int64_t due_us;		     /* when it is due after due_after_us */
	int64_t due_after_us;
};

struct agent_access_groups;

/* The configuration must outlive it.  Names of users and groups are looked up
 * here, which may take its time; `quiet` logs none that is not known. */
enum status agent_access_groups_new(const struct config *config, bool quiet,
				    struct agent_access_groups **ret,
				    struct reason *why);
void agent_access_groups_free(struct agent_access_groups *r);

/* Tell the cache what is wanted, and take what it holds. */
enum status agent_access_groups_fill(struct agent_access_groups *r,
				     struct agent_cache *c, struct reason *why);

/* How many of these names are not known, and whether that is for want of an
 * answer. */
size_t agent_access_groups_unknown(const struct agent_access_groups *r,
				   bool *ret_away);

/* In the order of their names. */
size_t agent_access_groups_count(const struct agent_access_groups *r);
struct agent_role *agent_access_groups_at(const struct agent_access_groups *r,
					  size_t i);
/* The first behind name. */
size_t agent_access_groups_behind(const struct agent_access_groups *r,
				  const char *name);
struct agent_role *agent_access_groups_find(const struct agent_access_groups *r,
					    const char *name);

/* Has the peer any right at all, over any role? */
bool agent_access_groups_knows(const struct agent_access_groups *r,
			       const struct agent_peer *p);
bool agent_access_groups_may(const struct agent_role *role,
			     enum agent_right right,
			     const struct agent_peer *p);
/* Where consumers are told to go: where the configuration says, else what the
 * secret has; "" for what neither knows. */
struct agent_access_groups_place {
	const char *host, *port, *dbname;
};
struct agent_access_groups_place agent_access_groups_place(
	const struct agent_role *role);

/* Is unit among the role's? */
bool agent_access_groups_unit(const struct agent_role *role, const char *unit);

/* What a client knows of a connection; "" for what it does not. */
struct agent_access_groups_query {
	const char *user, *host, *port, *dbname, *realm;
};
bool agent_access_groups_matches(const struct agent_role *role,
				 const struct agent_access_groups_query *q);

#endif
