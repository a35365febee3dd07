/* SPDX-License-Identifier: PostgreSQL */
/*
 * What others have given a file besides its mode.  Must never give the new one
 * a right that the old one did not have.
 */
#include "base/file_internal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

/* Linux's own bounds, for the list of names and for a value. */
#define LIST_MAX  65536
#define VALUE_MAX 65536

static const char acl[] = "system.posix_acl_access";

/* Not those that are about the content, as ima and capability are. */
static bool is_carried(const char *name)
{
	return strncmp(name, "user.", 5) == 0 || strcmp(name, acl) == 0 ||
	       strcmp(name, "security.selinux") == 0 ||
	       strcmp(name, "security.SMACK64") == 0;
}

static enum status copy_one(int from, int to, const char *path,
			    const char *name, char *value, struct reason *why)
{
	char *present = value + VALUE_MAX;
	ssize_t n = fgetxattr(from, name, value, VALUE_MAX);

	if (n < 0 && errno == ENODATA)
		return STATUS_OK;
	/* A label that the folder gives already may not be ours to set. */
	if (n >= 0 && fgetxattr(to, name, present, VALUE_MAX) == n &&
	    memcmp(value, present, (size_t)n) == 0)
		return STATUS_OK;
	if (n < 0 || fsetxattr(to, name, value, (size_t)n, 0) != 0)
		return reason_set(why, STATUS_DENIED,
				  "cannot carry the attribute %s of %s over to "
				  "the new file: %s",
				  name, path, strerror(errno));
	return STATUS_OK;
}

enum status file_like_copy(int from, int to, const char *path,
			   struct reason *why)
{
	char *names = malloc(LIST_MAX + 2 * VALUE_MAX);
	enum status s = STATUS_OK;
	bool has_acl = false;
	ssize_t n;

	if (names == NULL)
		return reason_no_memory(why);
	n = flistxattr(from, names, LIST_MAX);
	for (ssize_t i = 0; s == STATUS_OK && i < n;
	     i += (ssize_t)strlen(names + i) + 1) {
		if (!is_carried(names + i))
			continue;
		has_acl = has_acl || strcmp(names + i, acl) == 0;
		s = copy_one(from, to, path, names + i, names + LIST_MAX, why);
	}
	if (n < 0 && errno != ENOTSUP)
		s = file_error(why, "look at the attributes of", path);
	/* The folder's default ACL was not the old file's. */
	if (s == STATUS_OK && !has_acl && fremovexattr(to, acl) != 0 &&
	    errno != ENODATA && errno != ENOTSUP)
		s = file_error(why, "take the folder's ACL off", path);
	free(names);
	return s;
}
