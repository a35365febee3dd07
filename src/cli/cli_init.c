/* SPDX-License-Identifier: PostgreSQL */
/* init: a first configuration, keys, store and ledger; must never overwrite a
 * file. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "cli/cli.h"
#include "open/open_init.h"

#define DOCUMENT_MAX ((size_t)4 << 20)
#define PATH_SIZE    1024

/* A folder that a setting can name as it stands, without quotes. */
static enum status check_path(struct cli *c, const char *folder)
{
	size_t n = strlen(folder);

	if (n > 0 && !strpbrk(folder, ";#\"\\") &&
	    !text_has_control(folder, n) && text_is_utf8(folder, n))
		return STATUS_OK;
	return reason_set(&c->why, STATUS_USAGE,
			  "%s: give a folder whose path has no semicolon, "
			  "number sign, quote, backslash or control character: "
			  "it is to be written into the configuration",
			  n > 0 ? folder : "an empty name");
}

/* folder "/" name, made absolute: settings name absolute paths. */
static enum status join_path(struct cli *c, const char *folder,
			     const char *name, char *ret)
{
	char real[PATH_MAX];

	if (!realpath(folder, real))
		return reason_set(&c->why, STATUS_CONFIG,
				  "%s: the folder cannot be used", folder);
	if (check_path(c, real) != STATUS_OK)
		return STATUS_USAGE;
	if (snprintf(ret, PATH_SIZE, "%s/%s", real, name) >= PATH_SIZE)
		return reason_set(&c->why, STATUS_CONFIG,
				  "%s: the path is too long", folder);
	return STATUS_OK;
}

static enum status write_sample(struct cli *c,
				const struct config_sample *files,
				const char *path)
{
	struct text t = text_make(DOCUMENT_MAX);
	enum status s;

	config_reference_sample(files, &t);
	s = text_status(&t);
	if (s == STATUS_OK)
		s = file_create(path, text_str(&t), t.len, 0640, &c->why);
	text_free(&t);
	return s;
}

enum status cli_init(struct cli *c)
{
	const char *folder = c->n_args ? c->args[0] : "/etc/keyturn";
	const char *state = *c->o.state ? c->o.state : "/var/lib/keyturn";
	char path[PATH_SIZE], ledger[PATH_SIZE], audit[PATH_SIZE];
	char store[PATH_SIZE], key[PATH_SIZE];
	const struct config_sample files = { ledger, audit, store, key };
	struct stat st;
	enum status s;

	if (c->n_args > 1)
		return reason_set(&c->why, STATUS_USAGE,
				  "init takes one folder or none");
	s = check_path(c, folder);
	if (s == STATUS_OK)
		s = check_path(c, state);
	if (s == STATUS_OK)
		s = file_make_folder(folder, 0755, &c->why);
	if (s == STATUS_OK)
		s = file_make_folder(state, 0700, &c->why);
	if (s == STATUS_OK)
		s = join_path(c, folder, "keyturn.conf", path);
	if (s == STATUS_OK)
		s = join_path(c, folder, "audit.key", audit);
	if (s == STATUS_OK)
		s = join_path(c, folder, "store.key", key);
	if (s == STATUS_OK)
		s = join_path(c, state, "ledger.db", ledger);
	if (s == STATUS_OK)
		s = join_path(c, state, "store.db", store);
	if (s != STATUS_OK)
		return s;
	/* An operator's own configuration is used as it stands. */
	if (lstat(path, &st) == 0)
		return reason_set(&c->why, STATUS_REFUSED,
				  "%s exists already; keyturn init overwrites "
				  "nothing",
				  path);
	for (const char *const *p =
		     (const char *[]){ ledger, audit, store, key, NULL };
	     *p; p++)
		if (lstat(*p, &st) == 0)
			return reason_set(&c->why, STATUS_REFUSED,
					  "%s exists already; keyturn init "
					  "overwrites nothing",
					  *p);
	s = write_sample(c, &files, path);
	if (s == STATUS_OK)
		s = config_load(path, &c->config, &c->why);
	if (s == STATUS_OK)
		s = open_init(c->config, &c->why);
	if (s == STATUS_OK && !c->o.quiet)
		printf("wrote %s, keys, store and ledger; add a [cluster] and "
		       "a [role], then run keyturn check\n",
		       path);
	return s;
}
