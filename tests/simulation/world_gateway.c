/* SPDX-License-Identifier: PostgreSQL */
/* The simulated gateway: agents that go by the store's labels.  Must never take a
 * password that has neither label. */
#include <stdio.h>
#include <string.h>

#include "world_internal.h"

void world_gateway(struct world *w)
{
	w->gateway = w->cluster.gateway = true;
	w->cluster.endpoints = 2;
	w->db.live[0] = '\0';
	snprintf(w->partner, sizeof(w->partner), "%s", w->store.v[0].password);
	snprintf(w->role.version, sizeof(w->role.version), "%s",
		 w->store.v[0].id);
	snprintf(w->moved_to, sizeof(w->moved_to), "%s", w->store.v[0].id);
	w->moved_us = w->role.rotated_us = w->clock;
	w->store.v[0].created_us = w->clock;
	w->have_role = true;
	world_proved(w, w->partner);
	w->store_before = w->store;
	world_store_backup(w);
}

static bool is_good(const struct world *w, const char *password)
{
	const struct world_version *current =
		world_labelled(w, STORE_LABEL_CURRENT);
	const struct world_version *previous =
		world_labelled(w, STORE_LABEL_PREVIOUS);

	if (current && strcmp(current->password, password) == 0)
		return true;
	return previous && strcmp(previous->password, password) == 0 &&
	       w->clock < w->moved_us + WORLD_GRACE;
}

bool world_gateway_takes(const struct world *w, const char *password)
{
	bool known = false;

	for (size_t i = 0; i < 4 && w->deaf; i++)
		known = known || strcmp(w->known[i], password) == 0;
	return w->deaf ? known : is_good(w, password);
}

void world_gateway_deafen(struct world *w, bool deaf)
{
	size_t n = 0;

	w->deaf = deaf;
	memset(w->known, 0, sizeof(w->known)); /* not secret */
	for (size_t i = 0; i < w->store.n && deaf; i++)
		if (is_good(w, w->store.v[i].password) && n < 4)
			memcpy(w->known[n++], w->store.v[i].password,
			       WORLD_PASSWORD);
}

/* As long as nobody says that it is to end, and its grace is not over, what the
 * partner has is good at every instant. */
void world_gateway_check(struct world *w, const char *after)
{
	const char *current = world_label(w, STORE_LABEL_CURRENT);

	if (strcmp(current, w->moved_to) != 0) {
		snprintf(w->moved_to, sizeof(w->moved_to), "%s", current);
		w->moved_us = w->clock;
	}
	if (!w->cut && w->partner[0] && w->rollbacks == 0 &&
	    w->clock < w->moved_us + WORLD_GRACE && !is_good(w, w->partner))
		world_violate(w, "the partner is locked out", after);
}
