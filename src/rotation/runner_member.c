/* SPDX-License-Identifier: PostgreSQL */
/* Whose password is whose: a single role's its own, a pair's one of three.  Must
 * never take a user of the store's for one of the pair that is not. */
#include "rotation/runner_member.h"

#include <string.h>

#include "base/text.h"
#include "rotation/runner_env.h"

const char *runner_member_active(const struct runner *r)
{
	if (!r->marker.live_version[0])
		return "";
	return r->marker.active[0] ? r->marker.active : r->job->rolname;
}

const char *runner_member_login(const struct runner *r)
{
	if (!r->job->pair)
		return r->job->rolname;
	if (r->login[0])
		return r->login;
	return *runner_member_active(r) ? runner_member_active(r) :
					  r->job->pair->members[0];
}

const char *runner_member_ended(const struct runner *r)
{
	/* A rotation ends one that was before, not what it replaces. */
	if (r->job->mode == ENGINE_MODE_RETIRE &&
	    r->refuting < r->job->n_leaked)
		return r->job->leaked[r->refuting];
	return r->ended[0] ? r->ended : r->marker.previous_version;
}

size_t runner_member_index(const struct runner *r, const char *name)
{
	size_t i = 0;

	while (r->job->pair && i < CLUSTER_MEMBERS &&
	       strcmp(name, r->job->pair->members[i]) != 0)
		i++;
	return i;
}

void runner_member_replace(struct runner *r)
{
	r->replaces = r->job->pair != NULL;
	text_copy(r->idle, sizeof(r->idle),
		  r->replaces ? runner_member_active(r) : "");
}

void runner_member_own(struct runner *r)
{
	text_copy(r->version, sizeof(r->version), r->own);
	text_copy(r->login, sizeof(r->login), r->own_login);
}

enum status runner_member_take(struct runner *r, const char *username,
			       struct reason *why)
{
	const struct cluster_pair *pair = r->job->pair;

	if (!pair)
		return STATUS_OK;
	if (strcmp(username, pair->members[0]) != 0 &&
	    strcmp(username, pair->members[1]) != 0 &&
	    strcmp(username, r->job->rolname) != 0)
		return reason_set(
			why, STATUS_CORRUPT,
			"the store has a password of a user that is "
			"not one of the pair %s; was a member renamed, or "
			"another role rotated into this secret?",
			r->job->role);
	text_copy(r->login, sizeof(r->login), username);
	return STATUS_OK;
}
