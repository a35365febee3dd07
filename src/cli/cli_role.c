/* SPDX-License-Identifier: PostgreSQL */
/* role pair and unpair: two login roles in turn, and one again; role create: a
 * partner's role, made with what the operator names, then rotated as any other.
 * Must never see a password. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cluster/cluster_tools.h"

static enum status check_usage(struct cli *c)
{
	bool create = c->n_args > 0 && strcmp(c->args[0], "create") == 0;
	bool pair = c->n_args > 0 && strcmp(c->args[0], "pair") == 0;
	bool unpair = c->n_args > 0 && strcmp(c->args[0], "unpair") == 0;

	if (c->n_args != 2 || !(create || pair || unpair))
		return reason_set(&c->why, STATUS_USAGE,
				  "role takes \"create\", \"pair\" or "
				  "\"unpair\", and one name");
	if (c->o.print && !pair)
		return reason_set(&c->why, STATUS_USAGE,
				  "--print is for role pair");
	if (!create && (*c->o.owner || *c->o.in_database || c->o.n_grants > 0 ||
			*c->o.oauth))
		return reason_set(&c->why, STATUS_USAGE,
				  "role %s takes no option%s; owner "
				  "and members are settings of its [role NAME]",
				  c->args[0], pair ? " but --print" : "");
	if ((*c->o.oauth != '\0') != (*c->o.cluster != '\0'))
		return reason_set(&c->why, STATUS_USAGE,
				  "--oauth and --cluster go together; another "
				  "role's cluster is in its [role NAME]");
	return STATUS_OK;
}

static bool kind_of(const char *word, enum cluster_role_kind *ret)
{
	static const char *const words[] = {
		[CLUSTER_ROLE_SERVICE_PRINCIPAL] = "service-principal",
		[CLUSTER_ROLE_USER] = "user",
		[CLUSTER_ROLE_GROUP] = "group",
	};

	for (int i = CLUSTER_ROLE_SERVICE_PRINCIPAL; i <= CLUSTER_ROLE_GROUP;
	     i++)
		if (strcmp(words[i], word) == 0) {
			*ret = (enum cluster_role_kind)i;
			return true;
		}
	return false;
}

/* What is to be made, and where. */
static enum status describe_role(struct cli *c, struct cluster_role_spec *spec,
				 struct cluster **ret_cluster)
{
	const struct config_group *role = NULL;
	const char *cluster = c->o.cluster;
	enum status s = STATUS_OK;

	*spec = (struct cluster_role_spec){ .role = c->args[1],
					    .owner = c->o.owner,
					    .database = c->o.in_database,
					    .grants = c->o.grant,
					    .n_grants = c->o.n_grants };
	if (*c->o.oauth && !kind_of(c->o.oauth, &spec->kind))
		return reason_set(
			&c->why, STATUS_USAGE,
			"--oauth is service-principal, user or group");
	if (!*c->o.oauth) {
		s = open_role(c->opened, c->args[1], &role, &c->why);
		if (s != STATUS_OK)
			return s;
		spec->role = open_rolname(role);
		cluster = config_string(role, CONFIG_role_cluster);
	}
	return open_engine_cluster(c->engine, cluster, ret_cluster, &c->why);
}

static enum status note_event(struct cli *c, enum audit_kind kind,
			      enum status s, const char *detail)
{
	const struct audit_event ev = audit_event_make(
		kind, c->args[1], c->actor, status_name(s), detail);

	return c->ledger->ops->trail->note(c->ledger, &ev, 1, true, &c->why);
}

static enum status create_role(struct cli *c)
{
	struct cluster_role_spec spec;
	struct cluster *cluster = NULL;
	struct reason why = { "" };
	enum status s = describe_role(c, &spec, &cluster);

	if (s != STATUS_OK)
		return s;
	/* The intent before the act, as with rotations. */
	s = note_event(c, AUDIT_ROLE_CREATE, STATUS_OK,
		       *spec.owner ? spec.owner : "no group");
	if (s != STATUS_OK)
		return s;
	s = cluster->tools->create_role(cluster, &spec, &why);
	(void)note_event(c, AUDIT_ROLE_CREATED, s, why.text);
	c->why = why;
	return s;
}

static enum status make_pair(struct cli *c)
{
	struct open_engine_job j;
	struct text sql = text_make(1 << 20);
	struct reason why = { "" };
	enum status s = open_engine_job(c->engine, c->args[1], &j, &c->why);

	if (s != STATUS_OK)
		return s;
	if (!j.job.pair)
		s = reason_set(&c->why, STATUS_USAGE,
			       "%s is one login role; set strategy = "
			       "alternating and members in its section",
			       c->args[1]);
	if (s == STATUS_OK && !c->o.print)
		s = note_event(c, AUDIT_ROLE_CREATE, STATUS_OK, "a pair");
	if (s == STATUS_OK) {
		s = j.job.cluster->tools->make_pair(j.job.cluster,
						    j.job.rolname, j.job.pair,
						    c->o.print, &sql, &why);
		c->why = why;
		if (!c->o.print)
			(void)note_event(c, AUDIT_ROLE_CREATED, s, why.text);
		c->why = why;
	}
	if (s == STATUS_OK && (c->o.print || !c->o.quiet))
		s = cli_print(c, &sql);
	text_free(&sql);
	open_engine_job_free(&j);
	return s;
}

/* As every other rotation: stored, then live. */
static enum status rotate(struct cli *c)
{
	static char *role[2];

	role[0] = c->args[1];
	c->command = CLI_rotate;
	c->args = role;
	c->n_args = 1;
	return cli_rotate(c);
}

static enum status unpair(struct cli *c)
{
	const char *name = c->args[1];
	enum status s;

	c->unpair = true;
	s = rotate(c);
	if (s == STATUS_OK && !c->o.quiet && !c->o.json)
		printf("When the member before is not used any more: keyturn "
		       "retire %s --now. Then take strategy and members out of "
		       "[role %s]; both members may be dropped.\n",
		       name, name);
	return s;
}

enum status cli_role(struct cli *c)
{
	enum status s = check_usage(c);

	if (s == STATUS_OK && strcmp(c->args[0], "unpair") == 0)
		return unpair(c);
	if (s == STATUS_OK)
		s = cli_open_ledger(c, OPEN_LEDGER_WRITE);
	if (s == STATUS_OK)
		s = cli_open_workshop(c);
	if (s == STATUS_OK && strcmp(c->args[0], "pair") == 0)
		return make_pair(c);
	if (s == STATUS_OK)
		s = create_role(c);
	if (s != STATUS_OK || *c->o.oauth)
		return s;
	/* Nobody uses it yet, so no blackout spares anybody. */
	c->create = true;
	return rotate(c);
}
