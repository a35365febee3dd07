/* SPDX-License-Identifier: PostgreSQL */
/* Gathers what a sheet says; must never tell a user name that does not belong to
 * the current password. */
#include "handoff/handoff_gather.h"

#include <string.h>

#include "cluster/cluster_tools.h"
#include "crypto/certs_pem.h"
#include "report/report.h"

#define ROOT_MAX CERTS_PEM_MAX

static const char *known_or_empty(const char *s)
{
	return s ? s : "";
}

static enum status look_at_marker(struct cluster *t, const char *rolname,
				  struct cluster_marker *ret,
				  struct reason *why)
{
	struct cluster_session *session = NULL;
	enum status s = t->ops->open(t, &session, why);

	if (s != STATUS_OK)
		return s;
	s = t->ops->look(t, session, rolname, ret, why);
	t->ops->release(t, session, s == STATUS_OK);
	return s;
}

/* Which member has the current password, who had the one before, and who is the
 * next. */
static enum status find_members(struct cluster *t,
				const struct config_group *role,
				const struct ledger_role *known,
				struct handoff_gather *g, struct reason *why)
{
	char members[CLUSTER_MEMBERS][CLUSTER_NAME_SIZE];
	const char *rolname = open_rolname(role);
	struct cluster_marker m = { .found = false };
	enum status s = look_at_marker(t, rolname, &m, why);

	if (s != STATUS_OK)
		return s;
	if (known->version[0] && strcmp(known->version, m.live_version) != 0)
		return reason_set(
			why, STATUS_REFUSED,
			"role %s: the password that is live in the "
			"database is not the one that keyturn calls "
			"current; keyturn recover %s finishes that first",
			config_name(role), config_name(role));
	open_engine_members(role, members);
	if (!m.live_version[0]) {
		text_copy(g->user_next, sizeof(g->user_next), members[0]);
		return STATUS_OK;
	}
	text_copy(g->user_now, sizeof(g->user_now),
		  m.active[0] ? m.active : rolname);
	if (m.previous_version[0] && m.retired_us == 0)
		text_copy(g->user_before, sizeof(g->user_before),
			  m.previous[0] ? m.previous : rolname);
	text_copy(g->user_next, sizeof(g->user_next),
		  strcmp(m.active, members[0]) == 0 ? members[1] : members[0]);
	return STATUS_OK;
}

static enum status find_root(struct cluster *t, struct handoff_gather *g,
			     struct reason *why)
{
	enum status s =
		t->tools->show_chain(t, CLUSTER_CHAIN_PEM, &g->root, why);

	if (s == STATUS_OK)
		s = certs_pem_fingerprint(text_str(&g->root), g->root.len,
					  g->root_print, why);
	return s;
}

static enum status find_times(struct open_engine *w,
			      const struct config_group *role,
			      const struct ledger_role *known,
			      struct handoff_sheet *h, struct reason *why)
{
	struct schedule *schedule = NULL;
	int64_t deadline =
		config_duration_us(role, CONFIG_role_handoff_deadline);
	enum status s = open_engine_schedule(w, role, &schedule, why);

	if (s != STATUS_OK)
		return s;
	h->prepared_us = known->rotated_us;
	h->next_us = report_next_due(schedule, known);
	h->manual =
		strcmp(config_string(role, CONFIG_role_handoff), "manual") == 0;
	if (h->manual && deadline > 0 && known->rotated_us > 0)
		h->deadline_us = known->rotated_us + deadline;
	h->retires = strcmp(config_string(role, CONFIG_role_deadline_action),
			    "retire") == 0;
	schedule_free(schedule);
	return STATUS_OK;
}

static void tell(const struct config_group *role, const struct cluster *t,
		 struct handoff_gather *g)
{
	struct handoff_sheet *h = &g->sheet;

	h->role = config_name(role);
	h->host = known_or_empty(t->host);
	h->port = known_or_empty(t->port);
	h->dbname = config_is_set(role, CONFIG_role_dbname) ?
			    config_string(role, CONFIG_role_dbname) :
			    known_or_empty(t->dbname);
	h->sslmode = known_or_empty(t->sslmode);
	h->schema = config_string(role, CONFIG_role_handoff_schema);
	h->query = config_string(role, CONFIG_role_handoff_query);
	h->contact = config_string(role, CONFIG_role_handoff_contact);
	h->partner = handoff_partner_find(
		config_string(role, CONFIG_role_handoff_partner));
	h->pair = config_is_pair(role);
	if (config_is_at_gateway(role))
		h->grace_us = config_duration_us(role, CONFIG_role_grace);
	h->root_file = "";
	h->root_print = g->root_print;
	h->version = g->version;
	h->user_now = g->user_now;
	h->user_before = g->user_before;
	h->user_next = g->user_next;
}

enum status handoff_gather(struct open_engine *w,
			   const struct config_group *role, bool root,
			   struct handoff_gather *ret, struct reason *why)
{
	struct opened *b = open_engine_opened(w);
	const struct config_group *top =
		config_find(open_config(b), CONFIG_SECTION_keyturn, "");
	struct ledger_role known;
	struct cluster *t = NULL;
	enum status s;

	memset(ret, 0, sizeof(*ret)); /* not secret */
	ret->root = text_make(ROOT_MAX);
	s = open_engine_cluster(w, config_string(role, CONFIG_role_cluster), &t,
				why);
	if (s != STATUS_OK)
		return s;
	s = open_remembered(b, open_engine_ledger(w), role, &known, why);
	if (s != STATUS_OK && s != STATUS_NOT_FOUND)
		return s;
	text_copy(ret->version, sizeof(ret->version), known.version);
	tell(role, t, ret);
	if (ret->sheet.pair)
		s = find_members(t, role, &known, ret, why);
	else
		s = text_copy(ret->user_now, sizeof(ret->user_now),
			      open_rolname(role));
	if (s == STATUS_OK && root)
		s = find_root(t, ret, why);
	if (s == STATUS_OK)
		s = find_times(w, role, &known, &ret->sheet, why);
	ret->sheet.zone_name = config_string(top, CONFIG_keyturn_timezone);
	if (s == STATUS_OK)
		s = schedule_zone_open(ret->sheet.zone_name, &ret->zone, why);
	ret->sheet.zone = ret->zone;
	return s;
}

void handoff_gather_free(struct handoff_gather *g)
{
	text_free(&g->root);
	schedule_zone_free(g->zone);
	g->zone = NULL;
}
