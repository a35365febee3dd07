/* SPDX-License-Identifier: PostgreSQL */
/* Makes a program's load from a store's entry; must never start the program
 * before the audit has that it is given the password. */
#include "jobs/follow_delivery.h"

#include <stdio.h>
#include <string.h>

enum status follow_delivery_settings(const struct config_group *g,
				     struct delivery *ret, struct reason *why)
{
	size_t n = config_list_n(g, CONFIG_delivery_command);

	*ret = (struct delivery){
		.name = config_name(g),
		.user = config_string(g, CONFIG_delivery_user),
		.timeout_us = config_duration_us(g, CONFIG_delivery_timeout),
	};
	if (n > DELIVERY_ARGS_MAX)
		return reason_set(
			why, STATUS_CONFIG,
			"%s: [delivery %s] has more than %d arguments",
			config_where(g), ret->name, DELIVERY_ARGS_MAX);
	for (size_t i = 0; i < n; i++)
		ret->argv[i] = config_list_at(g, CONFIG_delivery_command, i);
	return STATUS_OK;
}

/* FNV-1a, with the end of each word. */
static uint32_t add_hash(uint32_t h, const char *s)
{
	do
		h = (h ^ (unsigned char)*s) * UINT32_C(16777619);
	while (*s++);
	return h;
}

uint32_t follow_delivery_hash(const struct config_group *g)
{
	uint32_t h = UINT32_C(2166136261);

	h = add_hash(h, config_string(g, CONFIG_delivery_user));
	for (size_t i = 0; i < config_list_n(g, CONFIG_delivery_command); i++)
		h = add_hash(h, config_list_at(g, CONFIG_delivery_command, i));
	return h;
}

void follow_delivery_previous(struct open_engine *w,
			      const struct config_group *role,
			      const struct store_entry *entry, char *ret,
			      size_t size)
{
	struct store_entry before = { .password = NULL };
	char version[RANDOM_UUID_SIZE];

	*ret = '\0';
	if (!config_is_pair(role) ||
	    handout_read(open_engine_opened(w), role, "previous", version,
			 &before, NULL) != STATUS_OK)
		return;
	if (strcmp(before.username, entry->username) != 0)
		text_copy(ret, size, before.username);
	secret_free(before.password);
}

static enum status record_handout(struct open_engine *w, const char *role,
				  const struct delivery *d, const char *version,
				  const char *actor, struct reason *why)
{
	struct ledger *l = open_engine_ledger(w);
	char detail[128], recipient[CONFIG_NAME_MAX + 16];
	struct audit_event ev = audit_event_make(
		AUDIT_HANDOUT, role, actor, status_name(STATUS_OK), detail);

	snprintf(recipient, sizeof(recipient), "delivery %s", d->name);
	snprintf(detail, sizeof(detail), "to a program of user %s", d->user);
	ev.label = "current";
	ev.recipient = recipient;
	ev.version = version;
	return l->ops->trail->note(l, &ev, 1, true, why);
}

enum status follow_delivery_run(struct open_engine *w,
				const struct config_group *role,
				const struct config_group *delivery,
				const struct follow_version *current,
				const char *actor,
				char ret_said[DELIVERY_SAID_MAX + 1],
				struct reason *why)
{
	const struct store_entry *entry = &current->entry;
	const struct format_credential c = {
		.host = entry->host,
		.port = entry->port,
		.dbname = entry->dbname,
		.username = entry->username,
		.version = current->id,
		.sslmode = "",
		.password = entry->password,
	};
	struct delivery_load load = { .role = config_name(role),
				      .credential = &c };
	char previous[sizeof(entry->username)];
	struct delivery d;
	enum status s = follow_delivery_settings(delivery, &d, why);

	ret_said[0] = '\0';
	/* So that no hand-out is recorded that could not be. */
	if (s == STATUS_OK)
		s = delivery_check(&d, why);
	if (s == STATUS_OK)
		s = record_handout(w, config_name(role), &d, current->id, actor,
				   why);
	if (s != STATUS_OK)
		return s;
	follow_delivery_previous(w, role, entry, previous, sizeof(previous));
	if (*previous)
		load.previous = previous;
	return delivery_run(&d, &load, now_system(), ret_said, why);
}
