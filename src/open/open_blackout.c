/* SPDX-License-Identifier: PostgreSQL */
/* Reads blackouts; must never leave one out that cannot be read. */
#include "open/open_blackout.h"

#include "base/file.h"
#include "schedule/schedule_ics.h"

static enum status read_file(const char *path, const struct schedule_zone *zone,
			     struct schedule_blackout *b, struct reason *why)
{
	struct text file = text_make(SCHEDULE_ICS_MAX);
	enum status s = file_read(path, &file, why);

	if (s == STATUS_OK)
		s = schedule_ics_read(path, text_str(&file), file.len, zone, b,
				      why);
	text_free(&file);
	return s == STATUS_OK || s == STATUS_NO_MEMORY ? s : STATUS_CONFIG;
}

enum status open_blackout_read(const struct config_group *g, enum config_key k,
			       const struct schedule_zone *zone,
			       struct schedule_blackout *b, struct reason *why)
{
	size_t n = config_list_n(g, k);
	const char *name = config_name(g);
	enum status s = STATUS_OK;

	for (size_t i = 0; i < n && s == STATUS_OK; i++) {
		const char *value = config_list_at(g, k, i);
		const char *origin = config_list_origin(g, k, i);

		s = value[0] == '/' ? read_file(value, zone, b, why) :
				      schedule_blackout_parse(b, value, zone,
							      origin, why);
		if (s != STATUS_OK)
			reason_wrap(why, s, "%s: [%s%s] blackout", origin,
				    *name ? "role " : "keyturn", name);
	}
	schedule_blackout_sort(b);
	return s;
}
