/* SPDX-License-Identifier: PostgreSQL */
/* Keeps the records of hand-offs; must never record the same twice. */
#include "jobs/handoff_watch.h"

#include <string.h>

#include "handoff/handoff_token.h"
#include "jobs/role_lock.h"

static bool is_manual(const struct config_group *role)
{
	return strcmp(config_string(role, CONFIG_role_handoff), "manual") == 0;
}

enum status handoff_watch(struct open_engine *w,
			  const struct config_group *role, const char *actor,
			  struct handoff *ret, struct reason *why)
{
	struct ledger *l = open_engine_ledger(w);
	struct opened *b = open_engine_opened(w);
	int64_t now_us = now_wall(now_system());
	int lock = -1;
	enum status s, busy;

	if (!is_manual(role)) {
		*ret = (struct handoff){ .role = config_name(role),
					 .pair = config_is_pair(role) };
		return STATUS_OK;
	}
	busy = role_lock_take(b, config_name(role), 0, &lock, NULL);
	s = handoff_load(l, role, now_us, ret, why);
	if (s == STATUS_OK && busy == STATUS_OK && handoff_token_is_out(ret)) {
		struct handoff looked = *ret;

		/* The store may be slow, and nobody is to wait for that. */
		role_lock_end(lock);
		lock = -1;
		handoff_token_look(b, role, &looked);
		now_us = now_wall(now_system());
		busy = role_lock_take(b, config_name(role), 0, &lock, NULL);
		s = handoff_load(l, role, now_us, ret, why);
		handoff_token_take(ret, &looked);
	}
	if (s == STATUS_OK && busy == STATUS_OK)
		s = handoff_record(l, ret, actor, now_us, why);
	role_lock_end(lock);
	return s;
}

enum status handoff_watch_all(struct open_engine *w, const char *actor,
			      struct reason *why)
{
	const struct config *c = open_config(open_engine_opened(w));
	size_t n = config_count(c, CONFIG_SECTION_role);
	struct handoff h;
	enum status s = STATUS_OK;

	for (size_t i = 0; i < n && s == STATUS_OK; i++)
		s = handoff_watch(w, config_at(c, CONFIG_SECTION_role, i),
				  actor, &h, why);
	return s;
}
