/* SPDX-License-Identifier: PostgreSQL */
/*
 * Answers for the values of a loaded configuration.  Must never change it:
 * threads read it without a lock.
 */
#include "config/config.h"

#include <assert.h>
#include <string.h>

#include "config/config_model.h"

void config_free(struct config *c)
{
	config_model_free(c);
}

size_t config_count(const struct config *c, enum config_section section)
{
	return c->sections[section].n;
}

const struct config_group *config_at(const struct config *c,
				     enum config_section section, size_t i)
{
	assert(i < c->sections[section].n);
	return c->sections[section].in_order[i];
}

const struct config_group *config_find(const struct config *c,
				       enum config_section section,
				       const char *name)
{
	const struct config_groups *s = &c->sections[section];
	size_t low = 0, high = s->n, middle;
	int order;

	while (low < high) {
		middle = low + (high - low) / 2;
		order = strcmp(name, s->by_name[middle]->name);
		if (order == 0)
			return s->by_name[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

const char *config_name(const struct config_group *g)
{
	return g->name;
}

const char *config_where(const struct config_group *g)
{
	return g->where;
}

/* The row of k, which must be of g's section, and be read as type: all that is
 * neither a number nor a list is read as STRING. */
static const struct config_row *row_of(const struct config_group *g,
				       enum config_key k, enum config_type type)
{
	const struct config_row *row = config_model_row(k);

	assert(row->section == g->section);
	assert(row->type == type ||
	       (type == CONFIG_TYPE_STRING && row->type != CONFIG_TYPE_LIST &&
		!config_model_is_number(row)));
	(void)g;
	(void)type;
	return row;
}

static int64_t number_of(const struct config_group *g, enum config_key k,
			 enum config_type type)
{
	const struct config_row *row = row_of(g, k, type);
	const struct config_value *v = config_model_value(g, k);
	int64_t n = 0;

	/* Defaults are right: a unit test reads every one. */
	if (!v)
		config_model_number(row, row->def, &n, NULL);
	return v ? v->number : n;
}

const char *config_string(const struct config_group *g, enum config_key k)
{
	const struct config_row *row = row_of(g, k, CONFIG_TYPE_STRING);
	const struct config_value *v = config_model_value(g, k);

	return v ? v->text : row->def;
}

int64_t config_int(const struct config_group *g, enum config_key k)
{
	return number_of(g, k, CONFIG_TYPE_INT);
}

int64_t config_duration_us(const struct config_group *g, enum config_key k)
{
	return number_of(g, k, CONFIG_TYPE_DURATION);
}

bool config_bool(const struct config_group *g, enum config_key k)
{
	return number_of(g, k, CONFIG_TYPE_BOOL) != 0;
}

bool config_is_set(const struct config_group *g, enum config_key k)
{
	assert(config_model_row(k)->section == g->section);
	return config_model_value(g, k) != NULL;
}

size_t config_list_n(const struct config_group *g, enum config_key k)
{
	size_t n = 0;

	row_of(g, k, CONFIG_TYPE_LIST);
	for (const struct config_value *v = g->first; v; v = v->next)
		n += v->key == k;
	return n;
}

static const struct config_value *list_value(const struct config_group *g,
					     enum config_key k, size_t i)
{
	const struct config_value *v = config_model_value(g, k);

	row_of(g, k, CONFIG_TYPE_LIST);
	while (v && i > 0) {
		v = v->next;
		if (v && v->key == k)
			i--;
	}
	assert(v);
	return v;
}

const char *config_list_at(const struct config_group *g, enum config_key k,
			   size_t i)
{
	return list_value(g, k, i)->text;
}

const char *config_list_origin(const struct config_group *g, enum config_key k,
			       size_t i)
{
	return list_value(g, k, i)->origin;
}

const char *config_origin(const struct config_group *g, enum config_key k)
{
	const struct config_value *v = config_model_value(g, k);

	assert(config_model_row(k)->section == g->section);
	return v ? v->origin : CONFIG_ORIGIN_DEFAULT;
}

const char *config_rolname(const struct config_group *role)
{
	const char *owner = config_string(role, CONFIG_role_owner);
	const char *set = config_string(role, CONFIG_role_rolname);

	if (*owner)
		return owner;
	return *set ? set : config_name(role);
}

bool config_is_pair(const struct config_group *role)
{
	return strcmp(config_string(role, CONFIG_role_strategy),
		      "alternating") == 0;
}

bool config_is_gateway(const struct config_group *cluster)
{
	return strcmp(config_string(cluster, CONFIG_cluster_type), "gateway") ==
	       0;
}

bool config_is_at_gateway(const struct config_group *role)
{
	return role->at_gateway;
}
