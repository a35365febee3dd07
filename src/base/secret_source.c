/* SPDX-License-Identifier: PostgreSQL */
/* Reads a secret from where a setting points; must never take one from a file
 * that others may read, unless the caller says that this is its nature. */
#include "base/secret_source.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

#define CREDENTIAL  "credential:"
#define ENVIRONMENT "environment"
#define PATH_SIZE   4352

static bool is_credential(const char *from)
{
	size_t n = sizeof(CREDENTIAL) - 1;

	return strncmp(from, CREDENTIAL, n) == 0 && from[n] && from[n] != '.' &&
	       !strchr(from + n, '/');
}

enum status secret_source_check(const char *from, const char *variable,
				struct reason *why)
{
	if (from[0] == '/' || is_credential(from) ||
	    (variable && strcmp(from, ENVIRONMENT) == 0))
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "must be an absolute path or credential:NAME%s%s",
			  variable ? ", or environment for " : "",
			  variable ? variable : "");
}

/* Content without the newline at its end. */
static enum status trim_line(struct secret *s, const char *from,
			     struct reason *why)
{
	size_t n = secret_len(s);
	const char *p = secret_bytes(s);

	while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	secret_set_len(s, n);
	if (n == 0 || text_has_control(secret_bytes(s), n))
		return reason_set(why, STATUS_CONFIG,
				  "%s is empty, or holds more than one line",
				  from);
	return STATUS_OK;
}

/* systemd guards the folder; a projected token is readable by others. */
static enum status read_open(const char *path, struct secret **ret,
			     struct reason *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	enum status s;

	if (fd < 0)
		return reason_set(why, STATUS_CONFIG,
				  "%s cannot be read: does it exist, and may "
				  "this user read it?",
				  path);
	s = secret_read_fd(fd, SECRET_SOURCE_MAX, ret);
	close(fd);
	if (s != STATUS_OK)
		return reason_set(why, STATUS_CONFIG,
				  "%s cannot be read, or is too long", path);
	return STATUS_OK;
}

enum status secret_source_environment(const char *variable,
				      struct secret **ret_secret,
				      struct reason *why)
{
	const char *value = secure_getenv(variable);
	struct secret *secret = NULL;
	enum status s;

	if (!value || !value[0])
		return reason_set(why, STATUS_CONFIG,
				  "%s is not set in the environment", variable);
	s = secret_new(SECRET_SOURCE_MAX, &secret);
	if (s == STATUS_OK)
		s = secret_set(secret, value, strlen(value));
	if (s != STATUS_OK) {
		secret_free(secret);
		return reason_set(why, s, "%s cannot be kept", variable);
	}
	*ret_secret = secret;
	return STATUS_OK;
}

static enum status read_credential(const char *from, struct secret **ret,
				   struct reason *why)
{
	const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");
	char path[PATH_SIZE];

	if (!folder || folder[0] != '/')
		return reason_set(why, STATUS_CONFIG,
				  "%s: systemd gives no credentials: is it in "
				  "LoadCredential= of the unit?",
				  from);
	snprintf(path, sizeof(path), "%s/%s", folder,
		 from + sizeof(CREDENTIAL) - 1);
	return read_open(path, ret, why);
}

enum status secret_source_load(const char *from, const char *variable,
			       bool is_private, struct secret **ret_secret,
			       struct reason *why)
{
	enum status s = secret_source_check(from, variable, why);

	if (s != STATUS_OK)
		return reason_wrap(why, s, "%s", from);
	if (strcmp(from, ENVIRONMENT) == 0)
		s = secret_source_environment(variable, ret_secret, why);
	else if (from[0] != '/')
		s = read_credential(from, ret_secret, why);
	else if (is_private)
		s = file_read_private(from, SECRET_SOURCE_MAX, ret_secret, why);
	else
		s = read_open(from, ret_secret, why);
	if (s == STATUS_NOT_FOUND)
		s = reason_set(why, STATUS_CONFIG, "%s does not exist", from);
	return s;
}

enum status secret_source_read(const char *from, const char *variable,
			       bool is_private, struct secret **ret_secret,
			       struct reason *why)
{
	struct secret *secret = NULL;
	enum status s =
		secret_source_load(from, variable, is_private, &secret, why);

	if (s == STATUS_OK)
		s = trim_line(secret, from, why);
	if (s != STATUS_OK) {
		secret_free(secret);
		return s;
	}
	*ret_secret = secret;
	return STATUS_OK;
}
