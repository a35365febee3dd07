/* SPDX-License-Identifier: PostgreSQL */
/* Looks users and groups up; must never take a directory that is away for one
 * that does not know the name. */
#include "base/names.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_LEAST 1024
#define SIZE_MOST  ((size_t)1 << 20) /* a group of many members */

/* uid_t and gid_t are the same type on Linux, so one look serves both. */
_Static_assert(sizeof(uid_t) == sizeof(gid_t), "ids of one size");

enum wanted { USER, GROUP, GROUP_OF_USER };

/* ERANGE: the buffer is too small. */
static int look_up(enum wanted w, const char *name, char *buf, size_t size,
		   bool *ret_found, uid_t *ret_id)
{
	struct passwd pw, *user = NULL;
	struct group gr, *group = NULL;
	int error;

	if (w == GROUP) {
		error = getgrnam_r(name, &gr, buf, size, &group);
		if (group)
			*ret_id = group->gr_gid;
	} else {
		error = getpwnam_r(name, &pw, buf, size, &user);
		if (user)
			*ret_id = w == USER ? user->pw_uid : user->pw_gid;
	}
	*ret_found = group || user;
	return error;
}

static enum status find_name(enum wanted w, const char *name, uid_t *ret_id,
			     struct reason *why)
{
	const char *kind = w == GROUP ? "group" : "user";
	bool found = false;
	char *buf = NULL;
	int error = ERANGE;

	for (size_t size = SIZE_LEAST; error == ERANGE && size <= SIZE_MOST;
	     size *= 4) {
		char *more = realloc(buf, size);

		if (!more) {
			error = ENOMEM;
			break;
		}
		buf = more;
		error = look_up(w, name, buf, size, &found, ret_id);
	}
	free(buf);
	if (found)
		return STATUS_OK;
	/* What POSIX has for "none", and what libraries say instead. */
	if (error == 0 || error == ENOENT || error == ESRCH)
		return reason_set(why, STATUS_NOT_FOUND,
				  "there is no %s \"%s\"", kind, name);
	return reason_set(why, STATUS_ERROR,
			  "%s \"%s\" cannot be looked up: %s; is the directory "
			  "service up?",
			  kind, name, strerror(error));
}

enum status names_user(const char *name, uid_t *ret, struct reason *why)
{
	return find_name(USER, name, ret, why);
}

enum status names_group(const char *name, gid_t *ret, struct reason *why)
{
	return find_name(GROUP, name, ret, why);
}

enum status names_group_of_user(const char *name, gid_t *ret,
				struct reason *why)
{
	return find_name(GROUP_OF_USER, name, ret, why);
}
