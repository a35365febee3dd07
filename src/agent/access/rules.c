/* SPDX-License-Identifier: PostgreSQL */
/* Matches peers against grants; must never grant what is not written. */
#include "agent/access/rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/names.h"
#include "config/config_grant.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

#define GROUPS_MAX 65536 /* the kernel's NGROUPS_MAX */

/* The kernel says how many there are when the buffer is too small. */
static enum status read_groups(int fd, struct agent_peer *p, struct reason *why)
{
	socklen_t n = 0;
	gid_t *groups;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &n) == 0 || n == 0)
		return STATUS_OK;
	if (errno != ERANGE || n > GROUPS_MAX * sizeof(gid_t))
		return reason_set(why, STATUS_ERROR,
				  "the groups of a client cannot be read: %s",
				  strerror(errno));
	groups = malloc(n);
	if (!groups)
		return reason_no_memory(why);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &n) != 0) {
		free(groups);
		return reason_set(why, STATUS_ERROR,
				  "the groups of a client cannot be read: %s",
				  strerror(errno));
	}
	p->groups = groups;
	p->n_groups = n / sizeof(gid_t);
	return STATUS_OK;
}

enum status agent_access_rules_peer(int fd, struct agent_peer *ret,
				    struct reason *why)
{
	struct agent_peer p = { 0 };
	struct ucred cred;
	socklen_t n = sizeof(cred);
	enum status s;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) != 0 ||
	    n != sizeof(cred))
		return reason_set(why, STATUS_ERROR,
				  "a client's user cannot be read: %s",
				  strerror(errno));
	p.pid = cred.pid;
	p.uid = cred.uid;
	p.gid = cred.gid;
	s = read_groups(fd, &p, why);
	if (s == STATUS_OK)
		*ret = p;
	return s;
}

void agent_access_rules_forget(struct agent_peer *p)
{
	free(p->groups);
	p->groups = NULL;
	p->n_groups = 0;
}

/* uid_t and gid_t are the same type on Linux, so one list serves both. */
_Static_assert(sizeof(uid_t) == sizeof(gid_t), "ids of one size");

static bool has_id(const uid_t *ids, size_t n, uid_t id)
{
	size_t low = 0;

	while (low < n) {
		size_t mid = low + (n - low) / 2;

		if (ids[mid] == id)
			return true;
		if (ids[mid] < id)
			low = mid + 1;
		else
			n = mid;
	}
	return false;
}

static enum status add_id(uid_t **ids, size_t *n, uid_t id, struct reason *why)
{
	size_t at = *n;
	uid_t *p;

	if (has_id(*ids, *n, id))
		return STATUS_OK;
	p = reallocarray(*ids, *n + 1, sizeof(*p));
	if (!p)
		return reason_no_memory(why);
	*ids = p;
	for (; at > 0 && p[at - 1] > id; at--)
		p[at] = p[at - 1];
	p[at] = id;
	++*n;
	return STATUS_OK;
}

static enum status resolve_grant(const struct config_grant *g, uid_t *ret_id,
				 struct reason *why)
{
	if (g->by_id) {
		*ret_id = g->id;
		return STATUS_OK;
	}
	return g->group ? names_group(g->name, ret_id, why) :
			  names_user(g->name, ret_id, why);
}

enum status agent_access_rules_add(struct agent_access_rules *r,
				   const char *words,
				   agent_access_rules_unknown_fn *unknown,
				   void *arg, struct reason *why)
{
	struct config_grant g;
	struct reason reason = { "" };
	enum status s;
	uid_t id = 0;

	while ((s = config_grant_next(&words, &g, why)) == STATUS_OK) {
		s = resolve_grant(&g, &id, &reason);
		if (s == STATUS_NOT_FOUND || s == STATUS_ERROR) {
			if (unknown)
				unknown(arg, s == STATUS_NOT_FOUND, &reason);
			continue;
		}
		if (s == STATUS_OK && g.group)
			s = add_id(&r->gids, &r->n_gids, id, why);
		else if (s == STATUS_OK)
			s = add_id(&r->uids, &r->n_uids, id, why);
		if (s != STATUS_OK)
			return s;
	}
	return s == STATUS_NOT_FOUND ? STATUS_OK : s;
}

enum status agent_access_rules_join(struct agent_access_rules *r,
				    const struct agent_access_rules *other,
				    struct reason *why)
{
	enum status s = STATUS_OK;

	for (size_t i = 0; i < other->n_uids && s == STATUS_OK; i++)
		s = add_id(&r->uids, &r->n_uids, other->uids[i], why);
	for (size_t i = 0; i < other->n_gids && s == STATUS_OK; i++)
		s = add_id(&r->gids, &r->n_gids, other->gids[i], why);
	return s;
}

void agent_access_rules_clear(struct agent_access_rules *r)
{
	free(r->uids);
	free(r->gids);
	*r = (struct agent_access_rules){ 0 };
}

bool agent_access_rules_empty(const struct agent_access_rules *r)
{
	return r->n_uids == 0 && r->n_gids == 0;
}

bool agent_access_rules_match(const struct agent_access_rules *r,
			      const struct agent_peer *p)
{
	if (has_id(r->uids, r->n_uids, p->uid) ||
	    has_id(r->gids, r->n_gids, p->gid))
		return true;
	for (size_t i = 0; i < p->n_groups && r->n_gids > 0; i++)
		if (has_id(r->gids, r->n_gids, p->groups[i]))
			return true;
	return false;
}
