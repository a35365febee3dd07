/* SPDX-License-Identifier: PostgreSQL */
/*
 * Loads the configuration: the file, then conf.d beside it, the sections that
 * always exist, and the checks.  Must never read a file that somebody else may
 * write to.
 */
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config_check.h"
#include "config/config_model.h"
#include "config/config_read.h"

static enum status no_memory(const char *path, struct reason *why)
{
	return reason_set(why, STATUS_NO_MEMORY, "no memory to read %s", path);
}

/* The *.conf of a folder; hidden files are not among them. */
static int is_conf(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && n > 5 &&
	       strcmp(entry->d_name + n - 5, ".conf") == 0;
}

/* Not alphasort(), whose order depends on the locale. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The *.conf in folder, sorted; none when it does not exist.  Whoever may write
 * into the folder could add a file to it, so it is checked as a file is. */
static enum status list_folder(const char *folder, struct dirent ***ret_names,
			       int *ret_n, struct reason *why)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	enum status s = STATUS_CONFIG;
	struct stat st;
	int n = -1;

	if (fd < 0 && errno == ENOENT) {
		*ret_n = 0;
		return STATUS_OK;
	}
	if (fd >= 0 && fstat(fd, &st) == 0) {
		s = config_read_trust(folder, &st, why);
		if (s != STATUS_OK)
			goto out;
		n = scandirat(fd, ".", ret_names, is_conf, by_bytes);
	}
	if (n < 0) {
		s = errno == ENOMEM ? STATUS_NO_MEMORY : STATUS_CONFIG;
		reason_set(why, s, "%s: cannot be read: %s", folder,
			   strerror(errno));
		goto out;
	}
	*ret_n = n;
out:
	if (fd >= 0)
		close(fd);
	return s;
}

/* The files of "conf.d" beside path, in byte order. */
static enum status read_conf_d(struct config *c, const char *path,
			       struct reason *why)
{
	const char *slash = strrchr(path, '/'), *folder, *file;
	struct dirent **names = NULL;
	enum status s;
	int n = 0;

	/* Names are part of origins, so they live as long as c. */
	folder = config_model_printf(c, "%.*sconf.d",
				     slash ? (int)(slash + 1 - path) : 0, path);
	if (!folder)
		return no_memory(path, why);
	s = list_folder(folder, &names, &n, why);
	for (int i = 0; i < n && s == STATUS_OK; i++) {
		file = config_model_printf(c, "%s/%s", folder,
					   names[i]->d_name);
		s = file ? config_read_file(c, file, why) :
			   no_memory(folder, why);
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
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

/* [keyturn], [agent] and [store local] exist without being written. */
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
				      strlen(always[i].name),
				      CONFIG_ORIGIN_DEFAULT))
			return reason_set(why, STATUS_NO_MEMORY,
					  "no memory for the configuration");
	}
	return STATUS_OK;
}

/* Whoever may write into the file's folder could replace the file. */
static enum status check_folder_of(const char *path, struct reason *why)
{
	const char *slash = strrchr(path, '/');
	enum status s = STATUS_OK;
	char *folder = NULL;
	struct stat st;

	/* "keyturn.conf" is in ".", "/keyturn.conf" in "/". */
	folder = slash ? strndup(path,
				 (size_t)(slash - path) + (slash == path)) :
			 strdup(".");
	if (!folder)
		return no_memory(path, why);
	/* A folder that does not exist is reported when the file is opened. */
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
		return no_memory(path, why);
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
