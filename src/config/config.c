/* SPDX-License-Identifier: PostgreSQL */
/*
 * Loads the configuration and answers for its values.  Must never change it
 * after config_load(): threads read it without a lock.
 */
#include "config/config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_check.h"
#include "config/config_model.h"
#include "config/config_read.h"

#define ORIGIN_DEFAULT "default"

struct names {
	char **at;
	size_t n;
	size_t cap;
};

static bool names_add(struct names *names, const char *name)
{
	size_t cap = names->cap ? names->cap * 2 : 16;
	char **p;

	if (names->n == names->cap) {
		p = reallocarray(names->at, cap, sizeof(*p));
		if (!p)
			return false;
		names->at = p;
		names->cap = cap;
	}
	names->at[names->n] = strdup(name);
	return names->at[names->n] && ++names->n;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The *.conf of a folder, sorted; hidden files are not among them. */
static enum status list_folder(DIR *dir, const char *folder,
			       struct names *names, struct reason *why)
{
	struct dirent *entry;
	size_t len;

	for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
		len = strlen(entry->d_name);
		if (entry->d_name[0] == '.' || len < 6 ||
		    strcmp(entry->d_name + len - 5, ".conf") != 0)
			continue;
		if (!names_add(names, entry->d_name))
			return reason_set(why, STATUS_NO_MEMORY,
					  "no memory to read %s", folder);
	}
	if (errno != 0)
		return reason_set(why, STATUS_CONFIG, "%s: cannot be read: %s",
				  folder, strerror(errno));
	if (names->n > 1)
		qsort(names->at, names->n, sizeof(*names->at), by_bytes);
	return STATUS_OK;
}

/* Who may write into the folder may add a file of his own to it. */
static enum status open_folder(const char *folder, DIR **ret_dir,
			       struct reason *why)
{
	struct stat st;
	DIR *dir = opendir(folder);
	enum status s;

	if (!dir && errno == ENOENT)
		return STATUS_NOT_FOUND;
	if (!dir)
		return reason_set(why, STATUS_CONFIG, "%s: cannot be read: %s",
				  folder, strerror(errno));
	if (fstat(dirfd(dir), &st) != 0)
		s = reason_set(why, STATUS_CONFIG, "%s: cannot be read: %s",
			       folder, strerror(errno));
	else
		s = config_read_trust(folder, &st, why);
	if (s != STATUS_OK) {
		closedir(dir);
		return s;
	}
	*ret_dir = dir;
	return STATUS_OK;
}

/* The files of "conf.d" beside path, in byte order. */
static enum status read_conf_d(struct config *c, const char *path,
			       struct reason *why)
{
	const char *slash = strrchr(path, '/');
	char *folder = NULL, *file = NULL;
	struct names names = { 0 };
	DIR *dir = NULL;
	enum status s;

	if (asprintf(&folder, "%.*sconf.d", slash ? (int)(slash + 1 - path) : 0,
		     path) < 0) {
		folder = NULL;
		s = reason_set(why, STATUS_NO_MEMORY, "no memory to read %s",
			       path);
		goto out;
	}
	s = open_folder(folder, &dir, why);
	if (s == STATUS_OK)
		s = list_folder(dir, folder, &names, why);
	for (size_t i = 0; i < names.n && s == STATUS_OK; i++) {
		/* The name is part of origins, so it lives as long as c. */
		file = config_model_printf(c, "%s/%s", folder, names.at[i]);
		s = file ? config_read_file(c, file, why) :
			   reason_set(why, STATUS_NO_MEMORY,
				      "no memory to read %s", folder);
	}
	if (s == STATUS_NOT_FOUND)
		s = STATUS_OK;
out:
	if (dir)
		closedir(dir);
	for (size_t i = 0; i < names.n; i++)
		free(names.at[i]);
	free(names.at);
	free(folder);
	return s;
}

static bool is_there(const struct config *c, enum config_section section,
		     const char *name)
{
	const struct config_groups *s = &c->sections[section];

	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->in_order[i]->name, name) == 0)
			return true;
	}
	return false;
}

/* [keyturn], [agent] and [store local] are there without being written. */
static enum status add_defaults(struct config *c, struct reason *why)
{
	static const struct {
		enum config_section section;
		const char *name;
	} always[] = { { CONFIG_SECTION_keyturn, "" },
		       { CONFIG_SECTION_agent, "" },
		       { CONFIG_SECTION_store, "local" } };

	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++) {
		if (is_there(c, always[i].section, always[i].name))
			continue;
		if (!config_model_add(c, always[i].section, always[i].name,
				      strlen(always[i].name), ORIGIN_DEFAULT))
			return reason_set(why, STATUS_NO_MEMORY,
					  "no memory for the configuration");
	}
	return STATUS_OK;
}

/* Who may write into the file's folder may put another one in its place. */
static enum status check_folder_of(const char *path, struct reason *why)
{
	const char *slash = strrchr(path, '/');
	enum status s = STATUS_OK;
	char *folder = NULL;
	struct stat st;

	if (slash)
		folder = strndup(path,
				 slash > path ? (size_t)(slash - path) : 1);
	else
		folder = strdup(".");
	if (!folder)
		return reason_set(why, STATUS_NO_MEMORY, "no memory to read %s",
				  path);
	/* One that is not there has no file either, which is said better. */
	if (stat(folder, &st) == 0)
		s = config_read_trust(folder, &st, why);
	free(folder);
	return s;
}

enum status config_load(const char *path, struct config **ret_config,
			struct reason *why)
{
	struct config *c = config_model_new();
	enum status s;

	if (!c)
		return reason_set(why, STATUS_NO_MEMORY, "no memory to read %s",
				  path);
	s = check_folder_of(path, why);
	if (s == STATUS_OK)
		s = config_read_file(c, path, why);
	if (s == STATUS_OK)
		s = read_conf_d(c, path, why);
	if (s == STATUS_OK)
		s = add_defaults(c, why);
	if (s == STATUS_OK)
		s = config_model_sort(c, why);
	if (s == STATUS_OK)
		s = config_check_all(c, why);
	if (s != STATUS_OK) {
		config_free(c);
		return s;
	}
	*ret_config = c;
	return STATUS_OK;
}

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

/* The row of k, which must be of g's section and of type. */
static const struct config_row *row_of(const struct config_group *g,
				       enum config_key k, enum config_type type)
{
	const struct config_row *row = config_model_row(k);

	assert(row->section == g->section);
	assert(row->type == type ||
	       (row->type == CONFIG_TYPE_PATH && type == CONFIG_TYPE_STRING));
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

const char *config_list_at(const struct config_group *g, enum config_key k,
			   size_t i)
{
	const struct config_value *v = config_model_value(g, k);

	row_of(g, k, CONFIG_TYPE_LIST);
	while (v && i > 0) {
		v = v->next;
		if (v && v->key == k)
			i--;
	}
	assert(v);
	return v->text;
}

const char *config_origin(const struct config_group *g, enum config_key k)
{
	const struct config_value *v = config_model_value(g, k);

	assert(config_model_row(k)->section == g->section);
	return v ? v->origin : ORIGIN_DEFAULT;
}
