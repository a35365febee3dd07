/* SPDX-License-Identifier: PostgreSQL */
/* Writes configuration files for tests; must leave nothing behind. */
#include "config_tree.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static struct config *loaded;

int config_tree_setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/keyturn-config-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	/* One test reads as another user. */
	return chmod(folder, 0755);
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int config_tree_teardown(void **state)
{
	(void)state;
	config_free(loaded);
	loaded = NULL;
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *config_tree_path(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

void config_tree_write(const char *name, const char *bytes, size_t n)
{
	char path[256];
	char *slash;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	slash = strrchr(path, '/');
	*slash = '\0';
	mkdir(path, 0755);
	*slash = '/';
	f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

const struct config *config_tree_load(const char *text)
{
	struct reason why = { { 0 } };
	enum status s;

	config_tree_write("keyturn.conf", text, strlen(text));
	config_free(loaded);
	loaded = NULL;
	s = config_load(config_tree_path("keyturn.conf"), &loaded, &why);
	assert_string_equal(why.text, "");
	assert_int_equal(s, STATUS_OK);
	return loaded;
}

void config_tree_refused(const char *sentence)
{
	struct config *untouched = (struct config *)folder, *c = untouched;
	struct reason why = { { 0 } };
	char want[2 * REASON_MAX];
	size_t n = 0;
	enum status s;

	for (; *sentence; sentence++) {
		if (*sentence == '@')
			n += (size_t)snprintf(want + n, sizeof(want) - n, "%s",
					      folder);
		else
			want[n++] = *sentence;
	}
	want[n] = '\0';
	s = config_load(config_tree_path("keyturn.conf"), &c, &why);
	assert_string_equal(why.text, want);
	assert_int_equal(s, STATUS_CONFIG);
	assert_ptr_equal(c, untouched);
}

void config_tree_bad(const char *text, const char *sentence)
{
	char want[REASON_MAX];

	config_tree_write("keyturn.conf", text, strlen(text));
	snprintf(want, sizeof(want), "@/keyturn.conf:%s", sentence);
	config_tree_refused(want);
}
