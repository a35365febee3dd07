/* SPDX-License-Identifier: PostgreSQL */
/* The runner brings sinks in step; a bad sink must never undo a rotation. */
#include "rotation/runner_internal.h"

#include <string.h>

static enum status deliver_one(struct runner *r, const struct sink *sink,
			       const struct format_credential *c,
			       struct reason *why)
{
	const struct sink_delivery d = {
		.role = r->job->role,
		.version = r->current,
		.epoch = r->epoch,
		.credential = c,
	};
	bool changed = false;
	enum status s;

	s = sink_deliver(sink, &d, &changed, why);
	if (s == STATUS_CONFLICT) /* a newer one stands there: in step enough */
		s = STATUS_OK;
	if (s != STATUS_OK)
		runner_ledger_note(r, "sink", r->current, s, why->text, -1,
				   false, NULL);
	return s;
}

enum engine_event runner_deliver_sinks(struct runner *r, struct reason *why)
{
	struct store *s = r->job->store;
	const struct target *t = r->job->target;
	enum engine_event ev = ENGINE_ON_OK;
	struct store_entry entry;
	struct reason first;
	enum status st;

	if (r->job->n_sinks == 0 || !*r->current)
		return ENGINE_ON_OK;
	memset(&entry, 0, sizeof(entry)); /* not secret */
	reason_clear(&first);
	st = s->ops->fetch(s, r->job->role, r->current, &entry, why);
	if (st != STATUS_OK)
		return ENGINE_ON_FAILED;
	const struct format_credential c = {
		.host = entry.host,
		.port = entry.port,
		.dbname = entry.dbname,
		.username = entry.username,
		.version = r->current,
		.sslmode = t->sslmode,
		.password = entry.password,
	};
	for (size_t i = 0; i < r->job->n_sinks; i++) {
		if (deliver_one(r, &r->job->sinks[i], &c, why) == STATUS_OK)
			continue;
		if (ev == ENGINE_ON_OK)
			first = *why;
		ev = ENGINE_ON_FAILED;
	}
	*why = first;
	secret_free(entry.password);
	return ev;
}
