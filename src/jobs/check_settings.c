/* SPDX-License-Identifier: PostgreSQL */
/* Checks what the configuration's own checks cannot know; must never open a
 * store, a ledger or a cluster. */
#include "jobs/check_settings.h"

#include <stdlib.h>
#include <string.h>

#include "jobs/hook_dispatch.h"
#include "sink/sink.h"

static enum status check_role(struct open_engine *w,
			      const struct config_group *role,
			      struct reason *why)
{
	struct schedule *schedule = NULL;
	struct sink *sinks = NULL;
	size_t n = 0;
	enum status s;

	s = open_engine_schedule(w, role, &schedule, why);
	schedule_free(schedule);
	if (s == STATUS_OK)
		s = open_engine_sinks(role, &sinks, &n, why);
	free(sinks);
	return s;
}

/* A file that a section names. */
struct named {
	const struct config_group *group;
	struct sink sink;
};

static enum status name_files(const struct config *c, struct named *all,
			      size_t *ret_n, struct reason *why)
{
	const struct config_group *g;
	enum status s = STATUS_OK;
	size_t n = 0;

	for (size_t i = 0;
	     s == STATUS_OK && i < config_count(c, CONFIG_SECTION_role); i++) {
		g = config_at(c, CONFIG_SECTION_role, i);
		for (size_t k = 0;
		     s == STATUS_OK && k < config_list_n(g, CONFIG_role_sink);
		     k++, n++) {
			all[n].group = g;
			s = sink_parse(config_list_at(g, CONFIG_role_sink, k),
				       &all[n].sink, why);
		}
	}
	for (size_t i = 0;
	     s == STATUS_OK && i < config_count(c, CONFIG_SECTION_sink);
	     i++, n++) {
		all[n].group = g = config_at(c, CONFIG_SECTION_sink, i);
		s = sink_parse(config_string(g, CONFIG_sink_file), &all[n].sink,
			       why);
		if (s != STATUS_OK)
			s = reason_wrap(why, s, "%s: [sink %s] file",
					config_where(g), config_name(g));
	}
	*ret_n = n;
	return s;
}

static int by_path(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	return strcmp(x->sink.path, y->sink.path);
}

/* An env file has one password, and a file is of one kind. */
static enum status check_files(const struct config *c, struct reason *why)
{
	size_t n = config_count(c, CONFIG_SECTION_sink);
	struct named *all;
	enum status s;

	for (size_t i = 0; i < config_count(c, CONFIG_SECTION_role); i++)
		n += config_list_n(config_at(c, CONFIG_SECTION_role, i),
				   CONFIG_role_sink);
	all = calloc(n + 1, sizeof(*all));
	if (!all)
		return reason_no_memory(why);
	s = name_files(c, all, &n, why);
	if (s == STATUS_OK)
		qsort(all, n, sizeof(*all), by_path);
	for (size_t i = 1; s == STATUS_OK && i < n; i++) {
		const struct named *a = &all[i - 1], *b = &all[i];

		if (by_path(a, b) == 0 &&
		    (a->sink.kind != b->sink.kind ||
		     (a->sink.kind == SINK_ENV && a->group != b->group)))
			s = reason_set(why, STATUS_CONFIG,
				       "%s: %s is a sink of %s and, at %s, of "
				       "%s: a file is of one kind, and an env "
				       "file holds one password",
				       config_where(b->group), b->sink.path,
				       config_name(b->group),
				       config_where(a->group),
				       config_name(a->group));
	}
	free(all);
	return s;
}

enum status check_settings(struct open_engine *w, struct reason *why)
{
	const struct config *c = open_config(open_engine_opened(w));
	enum status s = open_engine_zone(w, why);
	struct policy p;

	for (size_t i = 0;
	     s == STATUS_OK && i < config_count(c, CONFIG_SECTION_policy); i++)
		s = open_engine_policy(
			w, config_name(config_at(c, CONFIG_SECTION_policy, i)),
			&p, why);
	for (size_t i = 0;
	     s == STATUS_OK && i < config_count(c, CONFIG_SECTION_role); i++)
		s = check_role(w, config_at(c, CONFIG_SECTION_role, i), why);
	if (s == STATUS_OK)
		s = check_files(c, why);
	if (s == STATUS_OK)
		s = hook_dispatch_check(c, why);
	return s;
}
