/* SPDX-License-Identifier: PostgreSQL */
/* What commands ask of a cluster, and rotation never does.  The statuses are those
 * of cluster.h. */
#ifndef KEYTURN_CLUSTER_TOOLS_H
#define KEYTURN_CLUSTER_TOOLS_H

#include <stddef.h>

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
};

#endif
