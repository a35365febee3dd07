/* SPDX-License-Identifier: PostgreSQL */
/* The simulated ledger.  Must never forget a freeze or take an epoch back. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "world_internal.h"

static struct world *of_ledger(struct ledger *l)
{
	return (struct world *)((char *)l - offsetof(struct world, ledger));
}

static bool fails(struct world *w, const char *act)
{
	return world_dead(w) || world_fate(w, act) != FATE_GOOD;
}

static enum status l_begin(struct ledger *l, const char *run, const char *role,
			   const char *mode, const char *actor,
			   const char *reason, struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)role, (void)mode, (void)actor, (void)reason, (void)why;
	if (fails(w, "intent"))
		return STATUS_LEDGER_UNAVAILABLE;
	snprintf(w->role.open_run, sizeof(w->role.open_run), "%s", run);
	w->have_role = true;
	return STATUS_OK;
}

static enum status l_note(struct ledger *l, const struct audit_event *events,
			  size_t n, bool durable, struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)why;
	if (world_dead(w))
		return STATUS_LEDGER_UNAVAILABLE;
	for (size_t i = 0; i < n; i++) {
		if (events[i].kind == AUDIT_RESTORE)
			w->restores_noted++;
		if (events[i].kind != AUDIT_EVIDENCE)
			continue;
		if (!durable)
			world_violate(w, "INV7: evidence is not durable",
				      "note");
		if (fails(w, "evidence"))
			return STATUS_LEDGER_UNAVAILABLE;
		w->evidence = true;
		snprintf(w->evidence_for, sizeof(w->evidence_for), "%s",
			 events[i].version);
	}
	return STATUS_OK;
}

static enum status l_close(struct ledger *l, const struct ledger_close *c,
			   struct reason *why)
{
	struct world *w = of_ledger(l);
	bool frozen = w->role.frozen;
	int64_t epoch = w->role.epoch;

	(void)why;
	if (fails(w, "close"))
		return STATUS_LEDGER_UNAVAILABLE;
	w->role = *c->role;
	/* A slower run's record does not take the ledger back. */
	if (w->role.epoch < epoch)
		w->role.epoch = epoch;
	w->role.frozen = frozen;
	if (!c->keep_open)
		w->role.open_run[0] = '\0';
	else
		snprintf(w->role.open_run, sizeof(w->role.open_run), "%s",
			 c->run);
	w->have_role = true;
	return STATUS_OK;
}

static enum status l_role(struct ledger *l, const char *role,
			  struct ledger_role *ret, struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)role, (void)why;
	if (fails(w, "role"))
		return STATUS_LEDGER_UNAVAILABLE;
	*ret = w->role;
	return w->have_role ? STATUS_OK : STATUS_NOT_FOUND;
}

static enum status l_freeze(struct ledger *l, const char *role,
			    const char *actor, const char *reason,
			    struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)role, (void)actor, (void)reason, (void)why;
	if (fails(w, "freeze"))
		return STATUS_LEDGER_UNAVAILABLE;
	w->role.frozen = true;
	return STATUS_OK;
}

/* Remembered for people only. */
static bool is_of_status(const char *key)
{
	const char *expires = ledger_fact_prefix(LEDGER_FACT_EXPIRES);
	const char *ended = ledger_fact_prefix(LEDGER_FACT_ENDED);

	return strncmp(key, expires, strlen(expires)) == 0 ||
	       strncmp(key, ended, strlen(ended)) == 0;
}

static bool is_of_gateway(const char *key)
{
	const char *gateway = ledger_fact_prefix(LEDGER_FACT_GATEWAY);

	return strncmp(key, gateway, strlen(gateway)) == 0;
}

/* One transaction with its event; it may be done, and its answer lost. */
static enum status l_change(struct ledger *l, const char *key, const char *was,
			    const char *value, const struct audit_event *event,
			    struct reason *why)
{
	struct world *w = of_ledger(l);
	enum fate f;

	(void)key, (void)why;
	if (world_dead(w))
		return STATUS_LEDGER_UNAVAILABLE;
	f = world_fate(w, *value ? "evidence" : "settle");
	if (f != FATE_GOOD && f != FATE_LOST_AFTER && f != FATE_CRASH_AFTER)
		return STATUS_LEDGER_UNAVAILABLE;
	if (w->outrun || strcmp(was, w->gateway_fact) != 0)
		return STATUS_CONFLICT;
	snprintf(w->gateway_fact, sizeof(w->gateway_fact), "%s", value);
	if (*value) {
		w->evidence = true;
		snprintf(w->evidence_for, sizeof(w->evidence_for), "%s",
			 event->version);
	}
	return f == FATE_GOOD ? STATUS_OK : STATUS_LEDGER_UNAVAILABLE;
}

static enum status l_remember(struct ledger *l, const char *key,
			      const char *value, int64_t until_us,
			      struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)until_us, (void)why;
	if (is_of_gateway(key)) {
		if (fails(w, "settle"))
			return STATUS_LEDGER_UNAVAILABLE;
		snprintf(w->gateway_fact, sizeof(w->gateway_fact), "%s", value);
		return STATUS_OK;
	}
	if (is_of_status(key))
		return STATUS_OK;
	snprintf(w->fact, sizeof(w->fact), "%s", value);
	w->remembered++;
	return STATUS_OK;
}

static enum status l_recall(struct ledger *l, const char *key, int64_t now_us,
			    char ret_value[LEDGER_TEXT_SIZE],
			    struct reason *why)
{
	struct world *w = of_ledger(l);

	(void)now_us, (void)why;
	if (is_of_gateway(key)) {
		if (fails(w, "recall"))
			return STATUS_LEDGER_UNAVAILABLE;
		snprintf(ret_value, LEDGER_TEXT_SIZE, "%s", w->gateway_fact);
		return w->gateway_fact[0] ? STATUS_OK : STATUS_NOT_FOUND;
	}
	if (is_of_status(key))
		return STATUS_NOT_FOUND;
	snprintf(ret_value, LEDGER_TEXT_SIZE, "%s", w->fact);
	return w->fact[0] ? STATUS_OK : STATUS_NOT_FOUND;
}

static const struct ledger_run_ops runs = { .begin = l_begin,
					    .close = l_close };
static const struct ledger_role_ops roles = { .get = l_role,
					      .freeze = l_freeze };
static const struct ledger_fact_ops facts = { .remember = l_remember,
					      .recall = l_recall,
					      .change = l_change };
static const struct ledger_trail_ops trail = { .note = l_note };

const struct ledger_ops world_ledger_ops = {
	.type = "simulated",
	.runs = &runs,
	.roles = &roles,
	.facts = &facts,
	.trail = &trail,
};
