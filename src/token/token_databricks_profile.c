/* SPDX-License-Identifier: PostgreSQL */
/* Reads profiles of ~/.databrickscfg; must never copy a secret out of locked
 * memory. */
#include "token/token_databricks_profile.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "token/token_environment.h"

#define SETTINGS  "__settings__"
#define PATH_SIZE 4352

struct span {
	const char *s;
	size_t n;
};

static struct span trimmed(const char *s, size_t n)
{
	while (n > 0 && (*s == ' ' || *s == '\t'))
		s++, n--;
	while (n > 0 &&
	       (s[n - 1] == ' ' || s[n - 1] == '\t' || s[n - 1] == '\r'))
		n--;
	return (struct span){ s, n };
}

static bool is(struct span a, const char *b)
{
	return a.n == strlen(b) && memcmp(a.s, b, a.n) == 0;
}

/* The next line from *at on, without the blanks around it. */
static bool next_line(const struct secret *file, size_t *at, struct span *ret)
{
	const char *bytes = secret_bytes(file);
	size_t n = secret_len(file);
	const char *end;

	if (*at >= n)
		return false;
	end = memchr(bytes + *at, '\n', n - *at);
	if (!end)
		end = bytes + n;
	*ret = trimmed(bytes + *at, (size_t)(end - (bytes + *at)));
	*at = (size_t)(end - bytes) + 1;
	return true;
}

static bool is_section(struct span line, struct span *ret_name)
{
	if (line.n < 2 || line.s[0] != '[' || line.s[line.n - 1] != ']')
		return false;
	*ret_name = trimmed(line.s + 1, line.n - 2);
	return true;
}

/* "key = value", value without its comment. */
static bool is_setting(struct span line, struct span *ret_key,
		       struct span *ret_value)
{
	const char *equals;
	struct span value;

	if (line.n == 0 || line.s[0] == '#' || line.s[0] == ';')
		return false;
	equals = memchr(line.s, '=', line.n);
	if (!equals)
		return false;
	*ret_key = trimmed(line.s, (size_t)(equals - line.s));
	value = trimmed(equals + 1, line.n - (size_t)(equals + 1 - line.s));
	for (size_t i = 1; i < value.n; i++)
		if (value.s[i] == '#' &&
		    (value.s[i - 1] == ' ' || value.s[i - 1] == '\t')) {
			value = trimmed(value.s, i);
			break;
		}
	if (value.n > 0 && value.s[0] == '#')
		value.n = 0;
	*ret_value = value;
	return true;
}

/* The last value of a key wins, as in the clients' readers. */
static struct span find(const struct secret *file, const char *name,
			const char *key)
{
	struct span line, section, k, value, found = { NULL, 0 };
	bool inside = false;
	size_t at = 0;

	while (next_line(file, &at, &line)) {
		if (is_section(line, &section))
			inside = is(section, name);
		else if (inside && is_setting(line, &k, &value) && is(k, key))
			found = value;
	}
	return found;
}

enum status token_databricks_profile_read(struct secret **ret_file,
					  struct reason *why)
{
	const char *set = token_environment_get("DATABRICKS_CONFIG_FILE");
	const char *home = token_environment_get("HOME");
	char path[PATH_SIZE];

	if (set && strncmp(set, "~/", 2) != 0)
		snprintf(path, sizeof(path), "%s", set);
	else if (home)
		snprintf(path, sizeof(path), "%s/%s", home,
			 set ? set + 2 : ".databrickscfg");
	else
		return reason_set(why, STATUS_NOT_FOUND,
				  "HOME is not set: there is no "
				  "~/.databrickscfg");
	return file_read_private(path, TOKEN_DATABRICKS_PROFILE_MAX, ret_file,
				 why);
}

bool token_databricks_profile_has(const struct secret *file, const char *name)
{
	struct span line, section;
	size_t at = 0;

	if (strcmp(name, SETTINGS) == 0)
		return false;
	while (next_line(file, &at, &line))
		if (is_section(line, &section) && is(section, name))
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
	struct span v = find(file, name, key);

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
	struct span v = find(file, name, key);
	struct secret *secret = NULL;
	enum status s;

	if (v.n == 0 || text_has_control(v.s, v.n))
		return STATUS_NOT_FOUND;
	s = secret_new(v.n, &secret);
	if (s == STATUS_OK)
		s = secret_set(secret, v.s, v.n);
	if (s != STATUS_OK) {
		secret_free(secret);
		return s;
	}
	*ret = secret;
	return STATUS_OK;
}
