/* SPDX-License-Identifier: PostgreSQL */
/*
 * Where tokens, secret_ids and JWTs come from: a file, a systemd credential, or
 * for a token the environment.  Must never read a secret that others may read,
 * unless something else guards it.
 *
 * The environment is read here only, and only when the configuration says so:
 * $VAULT_TOKEN for "environment", $CREDENTIALS_DIRECTORY for "credential:".
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "store/vault/vault_internal.h"

#define CREDENTIAL  "credential:"
#define ENVIRONMENT "environment"

enum status store_vault_source_check(const char *from, bool token,
				     const char *store, struct reason *why)
{
	if (!from || !from[0] || from[0] == '/' ||
	    (strncmp(from, CREDENTIAL, sizeof(CREDENTIAL) - 1) == 0 &&
	     from[sizeof(CREDENTIAL) - 1] &&
	     !strchr(from + sizeof(CREDENTIAL) - 1, '/')) ||
	    (token && strcmp(from, ENVIRONMENT) == 0))
		return STATUS_OK;
	return reason_set(why, STATUS_CONFIG,
			  "store %s: a file must be an absolute path or "
			  "credential:NAME%s",
			  store, token ? ", or environment for a token" : "");
}

/* Content without the newline at its end. */
static enum status trim(struct secret *s, const char *from, struct reason *why)
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

/* systemd guards the folder; a projected JWT is readable by others. */
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
	s = secret_read_fd(fd, STORE_VAULT_TOKEN_MAX, ret);
	close(fd);
	if (s != STATUS_OK)
		return reason_set(why, s, "%s cannot be read, or is too long",
				  path);
	return STATUS_OK;
}

static enum status read_environment(struct secret **ret, struct reason *why)
{
	const char *value = getenv("VAULT_TOKEN");
	struct secret *secret = NULL;
	enum status s;

	if (!value || !value[0])
		return reason_set(why, STATUS_CONFIG,
				  "VAULT_TOKEN is not set in the environment");
	s = secret_new(STORE_VAULT_TOKEN_MAX, &secret);
	if (s == STATUS_OK)
		s = secret_set(secret, value, strlen(value));
	if (s != STATUS_OK) {
		secret_free(secret);
		return reason_set(why, s, "VAULT_TOKEN cannot be kept");
	}
	*ret = secret;
	return STATUS_OK;
}

enum status store_vault_source_read(const char *from, bool private,
				    struct secret **ret, struct reason *why)
{
	const char *folder = getenv("CREDENTIALS_DIRECTORY");
	struct secret *secret = NULL;
	char path[4352];
	enum status s;

	if (strcmp(from, ENVIRONMENT) == 0) {
		s = read_environment(&secret, why);
	} else if (from[0] == '/') {
		s = private ? file_read_private(from, STORE_VAULT_TOKEN_MAX,
						&secret, why) :
			      read_open(from, &secret, why);
		if (s == STATUS_NOT_FOUND)
			s = reason_set(why, STATUS_CONFIG, "%s does not exist",
				       from);
	} else if (!folder || folder[0] != '/') {
		return reason_set(why, STATUS_CONFIG,
				  "%s: systemd gives no credentials: is it in "
				  "LoadCredential= of the unit?",
				  from);
	} else {
		snprintf(path, sizeof(path), "%s/%s", folder,
			 from + sizeof(CREDENTIAL) - 1);
		s = read_open(path, &secret, why);
	}
	if (s == STATUS_OK)
		s = trim(secret, from, why);
	if (s != STATUS_OK) {
		secret_free(secret);
		return s;
	}
	*ret = secret;
	return STATUS_OK;
}
