/* SPDX-License-Identifier: PostgreSQL */
/*
 * Opens a session on a cluster, also where there is no admin and the role itself
 * connects.  Must never offer a role a password that is not its own.
 */
#include "rotation/runner_session.h"

#include <string.h>

#include "base/text.h"
#include "rotation/runner_env.h"

#define CANDIDATES 5

struct candidates {
	struct cluster_candidate of[CANDIDATES];
	struct secret *owned[CANDIDATES];
	size_t n;
};

static enum status add_candidate(struct candidates *c,
				 const struct runner_job *job,
				 const struct store_state *state,
				 enum store_label label, struct reason *why)
{
	const struct store_version *v = store_find_label(state, label);
	struct store_entry entry = { .password = NULL };
	enum status s;

	if (!v)
		return STATUS_OK;
	s = job->store->ops->fetch(job->store, job->role, v->id, &entry, why);
	if (s == STATUS_NOT_FOUND)
		return STATUS_OK;
	if (s != STATUS_OK)
		return s;
	c->owned[c->n] = entry.password;
	c->of[c->n].version = v->id;
	c->of[c->n++].password = entry.password;
	return STATUS_OK;
}

/*
 * The newest first: what was staged may be live, whatever became of the commit.
 * PREVIOUS is live after a restore; the newest of the ring, when what was live
 * and never CURRENT had to make room.  More would be guessing, which servers
 * count.
 */
static enum status collect_candidates(struct candidates *c,
				      const struct runner_job *job,
				      const struct store_state *state,
				      struct reason *why)
{
	static const enum store_label labels[] = { STORE_LABEL_PENDING,
						   STORE_LABEL_CURRENT,
						   STORE_LABEL_PREVIOUS,
						   STORE_LABEL_RING };
	enum status s = STATUS_OK;

	if (job->mode == ENGINE_MODE_IMPORT && job->password)
		c->of[c->n++] = (struct cluster_candidate){ "", job->password };
	for (size_t i = 0; i < 4 && s == STATUS_OK; i++)
		s = add_candidate(c, job, state, labels[i], why);
	return s;
}

/* From the store itself: by an old memory of it the passwords offered would be
 * old ones, and refused. */
static enum status describe_store(const struct runner_job *job,
				  struct store_state *state, struct reason *why)
{
	struct store *store = job->store;
	enum status s;

	s = store->ops->describe(store, job->role, state, why);
	if (s == STATUS_OK && state->remembered)
		s = store->ops->describe(store, job->role, state, why);
	return s;
}

enum status runner_session_open(const struct runner_job *job,
				struct cluster_session **ret,
				char ret_revision[STORE_REVISION_SIZE],
				struct reason *why)
{
	struct cluster *t = job->cluster;
	struct candidates c = { .n = 0 };
	struct store_state state;
	enum status s;

	if (ret_revision)
		ret_revision[0] = '\0';
	if (!t->self)
		return t->ops->open(t, ret, why);
	s = describe_store(job, &state, why);
	if (s == STATUS_OK)
		s = collect_candidates(&c, job, &state, why);
	else if (s != STATUS_CORRUPT)
		s = STATUS_STORE_UNAVAILABLE;
	if (s == STATUS_OK)
		s = t->ops->open_as(t, job->rolname, c.of, c.n, ret, why);
	if (s == STATUS_OK && ret_revision)
		text_copy(ret_revision, STORE_REVISION_SIZE, state.revision);
	for (size_t i = 0; i < CANDIDATES; i++)
		secret_free(c.owned[i]);
	return s;
}

void runner_session_drop(struct runner *r, bool clean)
{
	if (r->session)
		r->job->cluster->ops->release(r->job->cluster, r->session,
					      clean && !r->session_bad);
	r->session = NULL;
	r->session_bad = false;
}
