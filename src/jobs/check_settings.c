/* SPDX-License-Identifier: PostgreSQL */
/* Checks what the configuration's own checks cannot know; must never open a
 * store, a ledger or a cluster. */
#include "jobs/check_settings.h"

#include <stdlib.h>
#include <string.h>

#include "format/format.h"
#include "jobs/follow_after.h"
#include "jobs/hook_dispatch.h"
#include "jobs/sink_after.h"
#include "open/open_schedule.h"
#include "sink/sink.h"

/* Notice and blackouts; s may be NULL. */
static enum status check_calendar(struct open_engine *w,
				  const struct config_group *role,
				  const struct schedule *schedule,
				  struct reason *why)
{
	struct open_engine_calendar *c = open_engine_calendar(w);
	const struct schedule_blackout *blackouts;
	const struct schedule_zone *zone;
	const char *name;
	enum status s;

	s = open_schedule_check_notice(open_config(open_engine_opened(w)), role,
				       schedule, now_wall(now_system()), why);
	if (s == STATUS_OK)
		s = open_schedule_check_grace(role, schedule,
					      now_wall(now_system()), why);
	if (s == STATUS_OK)
		s = open_engine_calendar_partner(c, role, &zone, &name, why);
	if (s == STATUS_OK)
		s = open_engine_calendar_blackouts(c, role, &blackouts, why);
	return s;
}

static enum status check_role(struct open_engine *w,
			      const struct config_group *role,
			      struct reason *why)
{
	struct schedule *schedule = NULL;
	struct sink *sinks = NULL;
	size_t n = 0;
	enum status s;

	s = open_engine_schedule(w, role, &schedule, why);
	if (s == STATUS_OK)
		s = check_calendar(w, role, schedule, why);
	schedule_free(schedule);
	if (s == STATUS_OK)
		s = open_engine_sinks(role, &sinks, &n, why);
	free(sinks);
	if (s == STATUS_OK)
		s = follow_after_check(w, role, why);
	return s;
}

/* A file that a section names. */
struct named {
	const struct config_group *group;
	struct sink sink;
};

/* The section of a service file, the database of a pgbouncer.ini, or "". */
static const char *section_of(const struct named *f)
{
	if (sink_has_database(f->sink.kind))
		return f->sink.service;
	if (f->sink.kind != SINK_SERVICE)
		return "";
	return f->sink.service[0] ? f->sink.service : config_name(f->group);
}

/* The first of two settings that is set, or "". */
static const char *either(const struct config_group *a, enum config_key ka,
			  const struct config_group *b, enum config_key kb)
{
	return a && config_is_set(a, ka) ? config_string(a, ka) :
	       b			 ? config_string(b, kb) :
					   "";
}

/*
 * Can pg_service.conf carry what is set?  What comes from a conninfo or with a
 * token is tried by `check` and before each rotation.
 */
static enum status check_service(const struct config *c, const struct named *f,
				 bool of_role, struct reason *why)
{
	const struct config_group *g = f->group, *from;
	struct format_credential told = { .service = section_of(f),
					  .version = "" };
	struct secret *unused = NULL;
	enum status s;

	if (of_role) {
		from = config_find(c, CONFIG_SECTION_cluster,
				   config_string(g, CONFIG_role_cluster));
		told.host = config_string(from, CONFIG_cluster_host);
		told.port = config_string(from, CONFIG_cluster_port);
		told.dbname = either(g, CONFIG_role_dbname, from,
				     CONFIG_cluster_dbname);
		told.username = open_rolname(g);
		/* So that sslrootcert is looked at as well. */
		told.sslmode = "verify-full";
		told.sslrootcert =
			config_string(from, CONFIG_cluster_sslrootcert);
	} else {
		from = config_find(c, CONFIG_SECTION_token,
				   config_string(g, CONFIG_sink_token));
		told.host =
			either(g, CONFIG_sink_host, from, CONFIG_token_host);
		told.port =
			either(g, CONFIG_sink_port, from, CONFIG_token_port);
		told.dbname = either(g, CONFIG_sink_dbname, from,
				     CONFIG_token_dbname);
		told.username =
			either(g, CONFIG_sink_user, from, CONFIG_token_user);
		told.sslmode = either(g, CONFIG_sink_sslmode, from,
				      CONFIG_token_sslmode);
		/* The token may bring it. */
		if (!*told.username)
			told.username = "?";
	}
	s = format_render(FORMAT_SERVICE, &told, &unused, why);
	secret_free(unused);
	if (s == STATUS_REFUSED)
		s = STATUS_CONFIG;
	return s == STATUS_OK ?
		       s :
		       reason_wrap(why, s, "%s: [%s %s]", config_where(g),
				   of_role ? "role" : "sink", config_name(g));
}

static bool has_one_part(enum sink_kind k)
{
	return k == SINK_SERVICE || sink_has_database(k);
}

/* Of two sections of a role in one file each delivery would leave one. */
static enum status check_twice(const struct named *all, size_t first, size_t n,
			       struct reason *why)
{
	for (size_t i = first; i < n; i++)
		if (has_one_part(all[i].sink.kind) &&
		    all[i].sink.kind == all[n].sink.kind &&
		    strcmp(all[i].sink.path, all[n].sink.path) == 0)
			return reason_set(why, STATUS_CONFIG,
					  "%s: [role %s] has %s twice; a role "
					  "has one %s",
					  config_where(all[n].group),
					  config_name(all[n].group),
					  all[n].sink.path,
					  all[n].sink.kind == SINK_SERVICE ?
						  "section in a service file" :
						  "line of [databases]");
	return STATUS_OK;
}

static enum status check_steps(const struct config_group *sink,
			       struct reason *why)
{
	struct sink_after *steps = NULL;
	enum status s = sink_after_new(sink, &steps, why);

	sink_after_free(steps);
	return s;
}

static enum status name_files(const struct config *c, struct named *all,
			      size_t *ret_n, struct reason *why)
{
	const struct config_group *g;
	enum status s = STATUS_OK;
	size_t n = 0;

	for (size_t i = 0;
	     s == STATUS_OK && i < config_count(c, CONFIG_SECTION_role); i++) {
		size_t first = n;

		g = config_at(c, CONFIG_SECTION_role, i);
		for (size_t k = 0;
		     s == STATUS_OK && k < config_list_n(g, CONFIG_role_sink);
		     k++, n++) {
			all[n].group = g;
			s = sink_parse(config_list_at(g, CONFIG_role_sink, k),
				       &all[n].sink, why);
			if (s == STATUS_OK)
				s = check_twice(all, first, n, why);
			if (s == STATUS_OK && all[n].sink.kind == SINK_SERVICE)
				s = check_service(c, &all[n], true, why);
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
		else if (all[n].sink.kind == SINK_SERVICE)
			s = check_service(c, &all[n], false, why);
		if (s == STATUS_OK)
			s = check_steps(g, why);
	}
	*ret_n = n;
	return s;
}

static int by_path(const void *a, const void *b)
{
	const struct named *x = a, *y = b;
	int order = strcmp(x->sink.path, y->sink.path);

	return order ? order : strcmp(section_of(x), section_of(y));
}

/* An env file has one password, a file is of one kind, and of two sections of
 * one name the first counts. */
static enum status check_pair(const struct named *a, const struct named *b,
			      struct reason *why)
{
	if (strcmp(a->sink.path, b->sink.path) != 0)
		return STATUS_OK;
	if (a->sink.kind != b->sink.kind ||
	    (a->sink.kind == SINK_ENV && a->group != b->group))
		return reason_set(why, STATUS_CONFIG,
				  "%s: %s is a sink of %s and, at %s, of %s: a "
				  "file is of one kind, and an env file holds "
				  "one password",
				  config_where(b->group), b->sink.path,
				  config_name(b->group), config_where(a->group),
				  config_name(a->group));
	if (sink_has_database(a->sink.kind) &&
	    strcmp(section_of(a), section_of(b)) == 0)
		return reason_set(
			why, STATUS_CONFIG,
			"%s: the line of database %s in %s is that of "
			"%s and, at %s, of %s; it can have one user",
			config_where(b->group), section_of(b), b->sink.path,
			config_name(b->group), config_where(a->group),
			config_name(a->group));
	if (a->sink.kind == SINK_SERVICE &&
	    strcmp(section_of(a), section_of(b)) == 0)
		return reason_set(why, STATUS_CONFIG,
				  "%s: [%s] in %s is the section of %s and, at "
				  "%s, of %s, and the first would count; give "
				  "one of them a name=SECTION of its own",
				  config_where(b->group), section_of(b),
				  b->sink.path, config_name(b->group),
				  config_where(a->group),
				  config_name(a->group));
	return STATUS_OK;
}

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
	for (size_t i = 1; s == STATUS_OK && i < n; i++)
		s = check_pair(&all[i - 1], &all[i], why);
	free(all);
	return s;
}

enum status check_settings(struct open_engine *w, struct reason *why)
{
	const struct config *c = open_config(open_engine_opened(w));
	const struct schedule_zone *zone;
	enum status s =
		open_engine_calendar_zone(open_engine_calendar(w), &zone, why);
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
