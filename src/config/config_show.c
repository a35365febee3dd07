/* SPDX-License-Identifier: PostgreSQL */
/*
 * The settings in effect, each with the place it comes from.  There is nothing
 * to hide: secrets are never settings, and config_check.c refuses them.
 */
#include "config/config.h"

#include <string.h>

#include "config/config_model.h"

/* As it would have to be written in a file. */
static void add_quoted(struct text *t, const char *s)
{
	size_t n = strlen(s);

	if (n > 0 && s[0] != '"' && s[0] != ' ' && s[n - 1] != ' ' &&
	    s[0] != ';' && !strstr(s, " ;")) {
		text_add(t, s);
		return;
	}
	text_add_char(t, '"');
	for (; *s; s++) {
		if (*s == '"' || *s == '\\' || *s == ';')
			text_add_char(t, '\\');
		text_add_char(t, *s);
	}
	text_add_char(t, '"');
}

static void show_line(const char *key, const char *value, const char *origin,
		      struct text *t)
{
	text_printf(t, "%s = ", key);
	add_quoted(t, value);
	text_printf(t, "\t; %s\n", origin);
}

static void show_group(const struct config_group *g, struct text *t)
{
	char title[CONFIG_TITLE_SIZE];

	text_printf(t, "%s\t; %s\n", config_model_title(g, title), g->where);
	for (int k = 0; k < CONFIG_KEY_COUNT; k++) {
		const struct config_row *row =
			config_model_row((enum config_key)k);
		const struct config_value *v =
			config_model_value(g, (enum config_key)k);

		if (row->section != g->section)
			continue;
		if (!v && *row->def)
			show_line(row->key, row->def, "default", t);
		for (; v; v = v->next) {
			if (v->key == (enum config_key)k)
				show_line(row->key, v->text, v->origin, t);
		}
	}
}

static void json_list(const struct config_value *first, bool origins,
		      struct text *t)
{
	const char *comma = "";

	text_add_char(t, '[');
	for (const struct config_value *v = first; v; v = v->next) {
		if (v->key != first->key)
			continue;
		text_add(t, comma);
		text_add_json(t, origins ? v->origin : v->text);
		comma = ",";
	}
	text_add_char(t, ']');
}

/* A number as a number, yes and no as true and false, a duration as it was
 * written, nothing as null. */
static void json_value(const struct config_group *g, enum config_key k,
		       const struct config_value *v, struct text *t)
{
	const struct config_row *row = config_model_row(k);

	if (row->type == CONFIG_TYPE_LIST)
		json_list(v, false, t);
	else if (row->type == CONFIG_TYPE_INT)
		text_printf(t, "%lld", (long long)config_int(g, k));
	else if (row->type == CONFIG_TYPE_BOOL)
		text_add(t, config_bool(g, k) ? "true" : "false");
	else if (v || *row->def)
		text_add_json(t, v ? v->text : row->def);
	else
		text_add(t, "null");
}

static void json_group(const struct config_group *g, struct text *t)
{
	const char *comma = "";

	text_add_char(t, '{');
	for (int k = 0; k < CONFIG_KEY_COUNT; k++) {
		enum config_key key = (enum config_key)k;
		const struct config_row *row = config_model_row(key);
		const struct config_value *v = config_model_value(g, key);

		if (row->section != g->section)
			continue;
		text_printf(t, "%s\"%s\":{\"value\":", comma, row->key);
		json_value(g, key, v, t);
		text_add(t, ",\"origin\":");
		if (row->type == CONFIG_TYPE_LIST && v)
			json_list(v, true, t);
		else
			text_add_json(t, v ? v->origin : "default");
		text_add_char(t, '}');
		comma = ",";
	}
	text_add_char(t, '}');
}

static void json_section(const struct config *c, enum config_section section,
			 struct text *t)
{
	const struct config_kind *kind = config_model_kind(section);
	const struct config_groups *groups = &c->sections[section];

	text_printf(t, "\"%s\":", kind->word);
	if (!kind->named) {
		json_group(groups->in_order[0], t);
		return;
	}
	text_add_char(t, '{');
	for (size_t i = 0; i < groups->n; i++) {
		if (i > 0)
			text_add_char(t, ',');
		text_add_json(t, groups->in_order[i]->name);
		text_add_char(t, ':');
		json_group(groups->in_order[i], t);
	}
	text_add_char(t, '}');
}

void config_show(const struct config *c, bool json, struct text *t)
{
	bool first = true;

	if (json)
		text_add_char(t, '{');
	for (int k = 0; k < CONFIG_SECTION_COUNT; k++) {
		enum config_section section = (enum config_section)k;

		if (json) {
			if (k > 0)
				text_add_char(t, ',');
			json_section(c, section, t);
			continue;
		}
		for (size_t i = 0; i < c->sections[section].n; i++) {
			if (!first)
				text_add_char(t, '\n');
			show_group(c->sections[section].in_order[i], t);
			first = false;
		}
	}
	if (json)
		text_add(t, "}\n");
}
