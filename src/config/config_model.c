/* SPDX-License-Identifier: PostgreSQL */
/*
 * The rows of settings.def and the memory of a loaded configuration.  Must
 * never interpret a file: config_read.c reads, config_check.c judges.
 */
#include "config/config_model.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/duration.h"
#include "base/words.h"

#define CHUNK_SIZE ((size_t)64 * 1024)

struct config_chunk {
	struct config_chunk *next;
	size_t used;
	size_t size;
	_Alignas(max_align_t) unsigned char bytes[];
};

enum need { NEED_OPTIONAL, NEED_REQUIRED };

static const struct config_kind kinds[CONFIG_SECTION_COUNT] = {
#define SECTION(section, named, help) \
	[CONFIG_SECTION_##section] = { #section, (named) != 0, help },
#define SETTING(section, key, type, def, min, max, need, words, for_types, help)
#include "config/settings.def"
#undef SECTION
#undef SETTING
};

static const struct config_row rows[CONFIG_KEY_COUNT] = {
#define SECTION(section, named, help)
#define SETTING(section, key, type, def, min, max, need, words, for_types, \
		help)                                                      \
	[CONFIG_##section##_##key] = { CONFIG_SECTION_##section,           \
				       #key,                               \
				       CONFIG_TYPE_##type,                 \
				       def,                                \
				       min,                                \
				       max,                                \
				       NEED_##need == NEED_REQUIRED,       \
				       words,                              \
				       for_types,                          \
				       help },
#include "config/settings.def"
#undef SECTION
#undef SETTING
};

const struct config_row *config_model_row(enum config_key k)
{
	return &rows[k];
}

const struct config_kind *config_model_kind(enum config_section section)
{
	return &kinds[section];
}

enum config_section config_model_find_kind(const char *word, size_t n)
{
	for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
		if (strlen(kinds[i].word) == n &&
		    memcmp(kinds[i].word, word, n) == 0)
			return (enum config_section)i;
	}
	return CONFIG_SECTION_COUNT;
}

enum config_key config_model_find_key(enum config_section section,
				      const char *key)
{
	for (size_t i = 0; i < CONFIG_KEY_COUNT; i++) {
		if (rows[i].section == section && strcmp(rows[i].key, key) == 0)
			return (enum config_key)i;
	}
	return CONFIG_KEY_COUNT;
}

bool config_model_applies(const struct config_row *row, const char *type)
{
	return !*row->for_types ||
	       words_have(row->for_types, type, strlen(type));
}

const char *config_model_words(const struct config_row *row, const char *type,
			       char *buf)
{
	const char *p = row->words;
	size_t n = strlen(type);

	/* "TYPE: WORDS; TYPE: WORDS" */
	if (strstr(p, ": ")) {
		while (p && !(strncmp(p, type, n) == 0 && p[n] == ':')) {
			p = strchr(p, ';');
			if (p)
				p += 2;
		}
		p = p ? p + n + 2 : "";
	}
	snprintf(buf, CONFIG_WORDS_SIZE, "%.*s", (int)strcspn(p, ";"), p);
	return buf;
}

bool config_model_continues(const struct config_row *row)
{
	return row->type == CONFIG_TYPE_LIST ||
	       (row->type != CONFIG_TYPE_PATH && row->max >= 1024 &&
		!config_model_is_number(row));
}

bool config_model_is_number(const struct config_row *row)
{
	return row->type == CONFIG_TYPE_INT ||
	       row->type == CONFIG_TYPE_DURATION ||
	       row->type == CONFIG_TYPE_BOOL;
}

static enum status parse_int(const char *s, int64_t *ret_number,
			     struct reason *why)
{
	int64_t n = 0;
	size_t digits = strspn(s, "0123456789");

	/* 18 digits cannot overflow; every limit is far below. */
	if (digits == 0 || s[digits] != '\0' || digits > 18)
		return reason_set(why, STATUS_CONFIG,
				  "\"%.40s\" is not a whole number", s);
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (s[i] - '0');
	*ret_number = n;
	return STATUS_OK;
}

static enum status parse_bool(const char *s, int64_t *ret_number,
			      struct reason *why)
{
	static const char *const words[2][3] = { { "no", "off", "false" },
						 { "yes", "on", "true" } };

	for (int value = 0; value < 2; value++) {
		for (int i = 0; i < 3; i++) {
			if (strcasecmp(s, words[value][i]) == 0) {
				*ret_number = value;
				return STATUS_OK;
			}
		}
	}
	return reason_set(why, STATUS_CONFIG,
			  "\"%.40s\" is neither yes, on, true nor no, off, "
			  "false",
			  s);
}

enum status config_model_number(const struct config_row *row, const char *text,
				int64_t *ret_number, struct reason *why)
{
	switch (row->type) {
	case CONFIG_TYPE_INT:
		return parse_int(text, ret_number, why);
	case CONFIG_TYPE_DURATION:
	case CONFIG_TYPE_INTERVAL:
		return duration_parse(text, ret_number, why);
	case CONFIG_TYPE_BOOL:
		return parse_bool(text, ret_number, why);
	default:
		break;
	}
	*ret_number = 0;
	return STATUS_OK;
}

struct config *config_model_new(void)
{
	return calloc(1, sizeof(struct config));
}

void config_model_free(struct config *c)
{
	struct config_chunk *next;

	if (!c)
		return;
	for (size_t i = 0; i < CONFIG_SECTION_COUNT; i++) {
		free(c->sections[i].in_order);
		free(c->sections[i].by_name);
	}
	for (struct config_chunk *chunk = c->arena; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(c);
}

void *config_model_alloc(struct config *c, size_t n)
{
	struct config_chunk *chunk = c->arena;
	size_t align = _Alignof(max_align_t), size;
	void *p;

	n = (n + align - 1) / align * align;
	if (!chunk || chunk->size - chunk->used < n) {
		size = n > CHUNK_SIZE ? n : CHUNK_SIZE;
		chunk = malloc(sizeof(*chunk) + size);
		if (!chunk)
			return NULL;
		chunk->next = c->arena;
		chunk->used = 0;
		chunk->size = size;
		c->arena = chunk;
	}
	p = chunk->bytes + chunk->used;
	chunk->used += n;
	return p;
}

char *config_model_printf(struct config *c, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	s = config_model_alloc(c, (size_t)n + 1);
	if (!s)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

static bool grow(struct config_groups *s)
{
	size_t cap = s->cap ? s->cap * 2 : 16;
	struct config_group **p;

	p = reallocarray(s->in_order, cap, sizeof(*p));
	if (!p)
		return false;
	s->in_order = p;
	s->cap = cap;
	return true;
}

struct config_group *config_model_add(struct config *c,
				      enum config_section section,
				      const char *name, size_t name_len,
				      const char *where)
{
	struct config_groups *s = &c->sections[section];
	struct config_group *g;

	if (s->n == s->cap && !grow(s))
		return NULL;
	g = config_model_alloc(c, sizeof(*g));
	if (!g)
		return NULL;
	*g = (struct config_group){ .section = section,
				    .index = s->n,
				    .where = where };
	g->name = config_model_printf(c, "%.*s", (int)name_len, name);
	if (!g->name)
		return NULL;
	s->in_order[s->n++] = g;
	return g;
}

const struct config_value *config_model_value(const struct config_group *g,
					      enum config_key k)
{
	const struct config_value *v = g->first;

	while (v && v->key != k)
		v = v->next;
	return v;
}

const char *config_model_type(const struct config_group *g)
{
	enum config_key k = config_model_find_key(g->section, "type");
	const struct config_value *v;

	if (k == CONFIG_KEY_COUNT)
		return "";
	v = config_model_value(g, k);
	return v ? v->text : rows[k].def;
}

const char *config_model_title(const struct config_group *g, char *buf)
{
	const struct config_kind *kind = config_model_kind(g->section);

	snprintf(buf, CONFIG_TITLE_SIZE, "[%s%s%s]", kind->word,
		 kind->named ? " " : "", g->name);
	return buf;
}

/* Groups of one name stay in file order. */
static int by_name(const void *a, const void *b)
{
	const struct config_group *const *x = a, *const *y = b;
	int order = strcmp((*x)->name, (*y)->name);

	return order ? order :
		       ((*x)->index > (*y)->index) -
			       ((*x)->index < (*y)->index);
}

enum status config_model_sort(struct config *c, struct reason *why)
{
	char title[CONFIG_TITLE_SIZE];

	for (size_t k = 0; k < CONFIG_SECTION_COUNT; k++) {
		struct config_groups *s = &c->sections[k];

		if (s->n == 0)
			continue;
		s->by_name = calloc(s->n, sizeof(struct config_group *));
		if (!s->by_name)
			return reason_set(why, STATUS_NO_MEMORY,
					  "no memory for the configuration");
		memcpy(s->by_name, s->in_order, s->n * sizeof(*s->by_name));
		qsort(s->by_name, s->n, sizeof(*s->by_name), by_name);
		for (size_t i = 0; i + 1 < s->n; i++) {
			const struct config_group *g = s->by_name[i + 1];

			if (strcmp(s->by_name[i]->name, g->name) == 0)
				return reason_set(
					why, STATUS_CONFIG,
					"%s: %s is already there at %s; a "
					"section may stand once in all files",
					g->where, config_model_title(g, title),
					s->by_name[i]->where);
		}
	}
	return STATUS_OK;
}
