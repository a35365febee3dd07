/* SPDX-License-Identifier: PostgreSQL */
/*
 * Who a peer is, as the kernel says, and what the configuration grants to whom.
 * Nothing that a peer says about itself is looked at.
 */
#ifndef KEYTURN_AGENT_ACCESS_RULES_H
#define KEYTURN_AGENT_ACCESS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/reason.h"

struct agent_peer {
	pid_t pid; /* for the audit only: it may be somebody else's by now */
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* supplementary; NULL for none */
	size_t n_groups;
};

/* Ask the kernel who connected (SO_PEERCRED, SO_PEERGROUPS). */
enum status agent_access_rules_peer(int fd, struct agent_peer *ret,
				    struct reason *why);
void agent_access_rules_forget(struct agent_peer *p);

/* Users and groups by number, sorted; zeroed grants nothing. */
struct agent_access_rules {
	uid_t *uids;
	gid_t *gids;
	size_t n_uids, n_gids;
};

/*
 * Add the words of a setting (config/config_grant.h); names become numbers
 * here.  A name that is not known (`none`), or cannot be looked up now, grants
 * nothing and is told to `unknown`, which may be NULL.
 */
typedef void agent_access_rules_unknown_fn(void *arg, bool none,
					   const struct reason *why);
enum status agent_access_rules_add(struct agent_access_rules *r,
				   const char *words,
				   agent_access_rules_unknown_fn *unknown,
				   void *arg, struct reason *why);
/* Add all of the other's. */
enum status agent_access_rules_join(struct agent_access_rules *r,
				    const struct agent_access_rules *other,
				    struct reason *why);
void agent_access_rules_clear(struct agent_access_rules *r);

bool agent_access_rules_empty(const struct agent_access_rules *r);
/* Uid, primary group or one of the groups is among them. */
bool agent_access_rules_match(const struct agent_access_rules *r,
			      const struct agent_peer *p);

#endif
