/* SPDX-License-Identifier: PostgreSQL */
/* Runs what follows new passwords; must never let a step that is behind pass for a
 * good end. */
#include "cli/cli_follow.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "jobs/follow.h"

struct told {
	bool behind;
	size_t ran;
	struct reason why; /* of the first that is behind */
};

static void tell_outcome(void *arg, const struct follow_outcome *o)
{
	struct told *t = arg;

	t->ran += o->tried && !o->behind;
	if (!o->behind || t->behind)
		return;
	t->behind = true;
	reason_set(&t->why, STATUS_UNDELIVERED, "%s: %s", o->step, o->detail);
}

enum status cli_follow_role(const struct cli *c,
			    const struct config_group *role, bool at_once,
			    bool again, size_t *ret_ran, struct reason *ret_why)
{
	struct told told = { .behind = false };
	const struct follow_options o = {
		.engine = c->engine,
		.actor = c->actor,
		.at_once = at_once,
		.again = again,
		.fn = tell_outcome,
		.arg = &told,
	};

	follow_run(&o, role);
	*ret_ran = told.ran;
	if (!told.behind)
		return STATUS_OK;
	*ret_why = told.why;
	return STATUS_UNDELIVERED;
}

static bool is_among(const struct config_group *const *roles, size_t n,
		     const struct config_group *role)
{
	while (n > 0)
		if (roles[--n] == role)
			return true;
	return false;
}

enum status cli_follow_all(struct cli *c, bool at_once, bool again,
			   const struct config_group *const *done,
			   size_t n_done)
{
	size_t n = config_count(c->config, CONFIG_SECTION_role), ran;
	enum status worst = STATUS_OK;
	struct reason why;

	for (size_t i = 0; i < n; i++) {
		const struct config_group *role =
			config_at(c->config, CONFIG_SECTION_role, i);

		if (!follow_has(role) || is_among(done, n_done, role))
			continue;
		if (cli_follow_role(c, role, at_once, again, &ran, &why) !=
		    STATUS_OK) {
			log_line(LOG_LEVEL_ERROR, "%s: %s", config_name(role),
				 why.text);
			worst = STATUS_UNDELIVERED;
		} else if (ran > 0 && !c->o.quiet && !c->o.json) {
			printf("%s: the current password was delivered\n",
			       config_name(role));
		}
	}
	return worst;
}

bool cli_follow_any(const struct cli *c)
{
	size_t n = config_count(c->config, CONFIG_SECTION_role);

	while (n > 0)
		if (follow_has(config_at(c->config, CONFIG_SECTION_role, --n)))
			return true;
	return false;
}
