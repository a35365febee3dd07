/* SPDX-License-Identifier: PostgreSQL */
/* The sentence for a setting that is wrong. */
#include "config/config_refuse.h"

#include <stdarg.h>
#include <stdio.h>

enum status config_refuse(struct reason *why, const struct config_group *g,
			  const struct config_value *v, const char *fmt, ...)
{
	char sentence[REASON_MAX], title[CONFIG_TITLE_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	config_model_title(g, title);
	if (!v)
		return reason_set(why, STATUS_CONFIG, "%s: %s %s", g->where,
				  title, sentence);
	return reason_set(why, STATUS_CONFIG, "%s: %s %s: %s", v->origin, title,
			  config_model_row(v->key)->key, sentence);
}
