/* SPDX-License-Identifier: PostgreSQL */
/* Finds the role that a request means and whether its sender may; must never look
 * at what the request says of its sender. */
#include "agent/serve/authorise.h"

struct names {
	char role[AGENT_NAME_SIZE], user[256], host[256], port[8], dbname[64],
		realm[CONFIG_NAME_MAX + 1];
};

static void read_names(const struct wire_message *m, struct names *n)
{
	wire_text(m, WIRE_TAG_ROLE, n->role, sizeof(n->role));
	wire_text(m, WIRE_TAG_USER, n->user, sizeof(n->user));
	wire_text(m, WIRE_TAG_HOST, n->host, sizeof(n->host));
	wire_text(m, WIRE_TAG_PORT, n->port, sizeof(n->port));
	wire_text(m, WIRE_TAG_DBNAME, n->dbname, sizeof(n->dbname));
	wire_text(m, WIRE_TAG_REALM, n->realm, sizeof(n->realm));
}

/* By what is known of a connection, among the roles over which the peer has the
 * right; that there are others is told as DENIED. */
static enum wire_result find_by_connection(struct agent_call *k,
					   const struct names *n,
					   enum agent_right right)
{
	const struct agent_access_groups_query q = { .user = n->user,
						     .host = n->host,
						     .port = n->port,
						     .dbname = n->dbname,
						     .realm = n->realm };
	const struct agent_access_groups *r = k->a->groups;
	enum wire_result result = WIRE_RESULT_NOT_FOUND;

	if (!n->user[0])
		return WIRE_RESULT_BAD_REQUEST;
	for (size_t i = 0; i < agent_access_groups_count(r); i++) {
		struct agent_role *role = agent_access_groups_at(r, i);

		if (!agent_access_groups_matches(role, &q))
			continue;
		if (!agent_access_groups_may(role, right, &k->c->peer)) {
			if (result == WIRE_RESULT_NOT_FOUND)
				result = WIRE_RESULT_DENIED;
			continue;
		}
		if (k->role)
			return WIRE_RESULT_AMBIGUOUS;
		k->role = role;
		result = WIRE_RESULT_OK;
	}
	return result;
}

static enum wire_result find_role(struct agent_call *k, enum agent_right right)
{
	struct names n;

	read_names(&k->m, &n);
	if (!n.role[0])
		return find_by_connection(k, &n, right);
	k->role = agent_access_groups_find(k->a->groups, n.role);
	if (!k->role)
		return WIRE_RESULT_NOT_FOUND;
	/* A role that is named is still one of that connection. */
	if (n.user[0] || n.realm[0]) {
		const struct agent_access_groups_query q = { .user = n.user,
							     .host = n.host,
							     .port = n.port,
							     .dbname = n.dbname,
							     .realm = n.realm };

		if (!agent_access_groups_matches(k->role, &q))
			return WIRE_RESULT_NOT_FOUND;
	}
	return agent_access_groups_may(k->role, right, &k->c->peer) ?
		       WIRE_RESULT_OK :
		       WIRE_RESULT_DENIED;
}

/* A peer without any right learns nothing; the others learn which roles exist. */
enum wire_result agent_serve_authorise(struct agent_call *k,
				       enum agent_right right)
{
	if (right == AGENT_RIGHT_NOBODY)
		return WIRE_RESULT_OK;
	if (right == AGENT_RIGHT_ADMIN)
		return k->c->through == AGENT_SOURCE_ADMIN ? WIRE_RESULT_OK :
							     WIRE_RESULT_DENIED;
	if (!agent_access_groups_knows(k->a->groups, &k->c->peer))
		return WIRE_RESULT_DENIED;
	if (k->m.operation == WIRE_LIST)
		return WIRE_RESULT_OK;
	return find_role(k, right);
}
