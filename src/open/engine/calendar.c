/* SPDX-License-Identifier: PostgreSQL */
/* Keeps zones and blackouts; must never answer with some of the blackouts. */
#include "open/engine/calendar.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "open/open_blackout.h"
#include "schedule/schedule_time.h"

struct zone {
	struct zone *next;
	const char *name; /* the configuration's */
	struct schedule_zone *zone;
};

/* A role that has blackouts of its own. */
struct own {
	const struct config_group *role;
	struct schedule_blackout *blackouts;
};

struct open_engine_calendar {
	const struct config *config;
	pthread_mutex_t lock; /* over all below */
	struct zone *zones;
	bool read; /* the blackouts were */
	struct schedule_blackout *all;
	struct own *own; /* by role */
	size_t n_own;
};

struct open_engine_calendar *open_engine_calendar_new(
	const struct config *config)
{
	struct open_engine_calendar *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->config = config;
	pthread_mutex_init(&c->lock, NULL);
	return c;
}

static void forget_blackouts(struct open_engine_calendar *c)
{
	for (size_t i = 0; i < c->n_own; i++)
		schedule_blackout_free(c->own[i].blackouts);
	free(c->own);
	schedule_blackout_free(c->all);
	c->all = NULL;
	c->own = NULL;
	c->n_own = 0;
}

void open_engine_calendar_free(struct open_engine_calendar *c)
{
	struct zone *z, *next;

	if (!c)
		return;
	forget_blackouts(c);
	for (z = c->zones; z; z = next) {
		next = z->next;
		schedule_zone_free(z->zone);
		free(z);
	}
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- zones (under the lock) ---- */

static enum status find_zone(struct open_engine_calendar *c, const char *name,
			     const struct schedule_zone **ret,
			     struct reason *why)
{
	struct zone *z = c->zones;
	enum status s;

	while (z && strcmp(z->name, name) != 0)
		z = z->next;
	if (!z) {
		z = calloc(1, sizeof(*z));
		if (!z)
			return reason_no_memory(why);
		s = schedule_zone_open(name, &z->zone, why);
		if (s != STATUS_OK) {
			free(z);
			return s;
		}
		z->name = name;
		z->next = c->zones;
		c->zones = z;
	}
	*ret = z->zone;
	return STATUS_OK;
}

static enum status own_zone(struct open_engine_calendar *c,
			    const struct schedule_zone **ret,
			    struct reason *why)
{
	const struct config_group *g =
		config_find(c->config, CONFIG_SECTION_keyturn, "");
	enum status s = find_zone(c, config_string(g, CONFIG_keyturn_timezone),
				  ret, why);

	return s == STATUS_OK ?
		       s :
		       reason_wrap(why, s, "%s: timezone",
				   config_origin(g, CONFIG_keyturn_timezone));
}

enum status open_engine_calendar_zone(struct open_engine_calendar *c,
				      const struct schedule_zone **ret,
				      struct reason *why)
{
	enum status s;

	pthread_mutex_lock(&c->lock);
	s = own_zone(c, ret, why);
	pthread_mutex_unlock(&c->lock);
	return s;
}

enum status open_engine_calendar_time(struct open_engine_calendar *c,
				      const char *s, bool *ret_date,
				      int64_t *ret_us, struct reason *why)
{
	const struct schedule_zone *zone = NULL;
	enum status st = open_engine_calendar_zone(c, &zone, why);

	return st == STATUS_OK ? schedule_time_parse(s, strlen(s), zone,
						     ret_date, ret_us, why) :
				 st;
}

enum status open_engine_calendar_partner(struct open_engine_calendar *c,
					 const struct config_group *role,
					 const struct schedule_zone **ret,
					 const char **ret_name,
					 struct reason *why)
{
	const char *name = config_string(role, CONFIG_role_notice_timezone);
	enum status s;

	pthread_mutex_lock(&c->lock);
	if (*name) {
		s = find_zone(c, name, ret, why);
		if (s != STATUS_OK)
			reason_wrap(why, s, "%s: [role %s] notice_timezone",
				    config_origin(role,
						  CONFIG_role_notice_timezone),
				    config_name(role));
	} else {
		s = own_zone(c, ret, why);
		name = config_string(config_find(c->config,
						 CONFIG_SECTION_keyturn, ""),
				     CONFIG_keyturn_timezone);
	}
	pthread_mutex_unlock(&c->lock);
	if (s == STATUS_OK)
		*ret_name = name;
	return s;
}

/* ---- blackouts (under the lock) ---- */

static int by_role(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct own *)a)->role;
	uintptr_t y = (uintptr_t)((const struct own *)b)->role;

	return (x > y) - (x < y);
}

static enum status read_own(struct open_engine_calendar *c,
			    const struct config_group *role,
			    const struct schedule_zone *zone,
			    struct reason *why)
{
	struct own *o = &c->own[c->n_own];

	if (schedule_blackout_new(c->all, &o->blackouts) != STATUS_OK)
		return reason_no_memory(why);
	o->role = role;
	c->n_own++;
	return open_blackout_read(role, CONFIG_role_blackout, zone,
				  o->blackouts, why);
}

static enum status read_all(struct open_engine_calendar *c, struct reason *why)
{
	const struct config_group *g =
		config_find(c->config, CONFIG_SECTION_keyturn, "");
	size_t n = config_count(c->config, CONFIG_SECTION_role);
	const struct schedule_zone *zone = NULL;
	enum status s = own_zone(c, &zone, why);

	if (s != STATUS_OK)
		return s;
	c->own = calloc(n + 1, sizeof(*c->own));
	if (!c->own || schedule_blackout_new(NULL, &c->all) != STATUS_OK)
		return reason_no_memory(why);
	s = open_blackout_read(g, CONFIG_keyturn_blackout, zone, c->all, why);
	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		g = config_at(c->config, CONFIG_SECTION_role, i);
		if (config_is_set(g, CONFIG_role_blackout))
			s = read_own(c, g, zone, why);
	}
	qsort(c->own, c->n_own, sizeof(*c->own), by_role);
	return s;
}

enum status open_engine_calendar_blackouts(struct open_engine_calendar *c,
					   const struct config_group *role,
					   const struct schedule_blackout **ret,
					   struct reason *why)
{
	const struct own key = { .role = role }, *own;
	enum status s = STATUS_OK;

	pthread_mutex_lock(&c->lock);
	if (!c->read) {
		s = read_all(c, why);
		if (s != STATUS_OK)
			forget_blackouts(c);
		c->read = s == STATUS_OK;
	}
	if (s == STATUS_OK) {
		own = bsearch(&key, c->own, c->n_own, sizeof(key), by_role);
		*ret = own ? own->blackouts : c->all;
	}
	pthread_mutex_unlock(&c->lock);
	return s;
}
