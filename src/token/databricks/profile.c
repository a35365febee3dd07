/* SPDX-License-Identifier: PostgreSQL */
/* Reads profiles of ~/.databrickscfg; must never copy a secret out of locked
 * memory. */
#include "token/databricks/profile.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/ini.h"
#include "base/text.h"
#include "token/token_environment.h"

#define SETTINGS  "__settings__"
#define PATH_SIZE 4352

/* A value without its comment, which the Go client cuts off and which belongs to
 * no value that there could be. */
static struct ini_part without_comment(struct ini_part v)
{
	if (v.n > 0 && v.s[0] == '#')
		v.n = 0;
	for (size_t i = 1; i < v.n; i++)
		if (v.s[i] == '#' &&
		    (v.s[i - 1] == ' ' || v.s[i - 1] == '\t')) {
			v.n = i;
			break;
		}
	while (v.n > 0 && (v.s[v.n - 1] == ' ' || v.s[v.n - 1] == '\t'))
		v.n--;
	return v;
}

static struct ini_part find_value(const struct secret *file, const char *name,
				  const char *key)
{
	struct ini i = ini_begin(secret_bytes(file), secret_len(file));
	struct ini_part found = { NULL, 0 };
	struct ini_item item;

	while (ini_next(&i, &item))
		if (ini_is(ini_trim(item.section), name) &&
		    ini_is_key(item.key, key))
			found = without_comment(item.value);
	return found;
}

enum status token_databricks_profile_read(struct secret **ret_file,
					  struct reason *why)
{
	const char *set = token_environment_get("DATABRICKS_CONFIG_FILE");
	const char *home = token_environment_get("HOME");
	struct secret *file = NULL;
	char path[PATH_SIZE];
	enum status s;

	if (set && strncmp(set, "~/", 2) != 0)
		snprintf(path, sizeof(path), "%s", set);
	else if (home)
		snprintf(path, sizeof(path), "%s/%s", home,
			 set ? set + 2 : ".databrickscfg");
	else
		return reason_set(why, STATUS_NOT_FOUND,
				  "HOME is not set: there is no "
				  "~/.databrickscfg");
	s = file_read_private(path, TOKEN_DATABRICKS_PROFILE_MAX, &file, why);
	if (s == STATUS_OK)
		s = ini_check(file, path, why);
	if (s == STATUS_OK)
		s = ini_check_continued(file, path, NULL, 0, why);
	if (s != STATUS_OK) {
		secret_free(file);
		return s;
	}
	*ret_file = file;
	return STATUS_OK;
}

bool token_databricks_profile_has(const struct secret *file, const char *name)
{
	struct ini i = ini_begin(secret_bytes(file), secret_len(file));
	struct ini_item item;

	if (strcmp(name, SETTINGS) == 0)
		return false;
	while (ini_next(&i, &item))
		if (item.key.n == 0 && ini_is(ini_trim(item.section), name))
			return true;
	return false;
}

void token_databricks_profile_default(const struct secret *file, char *dst,
				      size_t size)
{
	if (!token_databricks_profile_text(file, SETTINGS, "default_profile",
					   dst, size))
		text_copy(dst, size, "DEFAULT");
}

bool token_databricks_profile_text(const struct secret *file, const char *name,
				   const char *key, char *dst, size_t size)
{
	struct ini_part v = find_value(file, name, key);

	dst[0] = '\0';
	if (v.n == 0 || v.n >= size || text_has_control(v.s, v.n))
		return false;
	memcpy(dst, v.s, v.n);
	dst[v.n] = '\0';
	return true;
}

enum status token_databricks_profile_secret(const struct secret *file,
					    const char *name, const char *key,
					    struct secret **ret)
{
	struct ini_part v = find_value(file, name, key);

	if (v.n == 0 || text_has_control(v.s, v.n))
		return STATUS_NOT_FOUND;
	return secret_from(v.s, v.n, ret);
}
